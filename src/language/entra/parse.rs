//! Text to tree. The grammar finds the structure; what stopped it is put into words here.

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;
use pest_derive::Parser;

use crate::function::Order;
use crate::text::{Code, Diagnostic, Span};

use super::ast::{Argument, Expr, ExprKind, Text};
use super::{MAX_CHARACTERS, MAX_DEPTH};

#[derive(Parser)]
#[grammar = "../grammar/entra.pest"]
struct Grammar;

/// The tree of an expression, or the finding that keeps it from having one.
pub(super) fn parse(text: &str) -> Result<Expr, Box<Diagnostic>> {
    let whole = Span::new(0, text.len());
    let characters = text.chars().count();
    if characters > MAX_CHARACTERS {
        return Err(Box::new(
            Diagnostic::new(
                Code::TooLong,
                format!("the expression has {characters} characters; Entra takes 10,000"),
                whole,
            )
            .help("move a part into an attribute of its own, or into a Switch with fewer keys"),
        ));
    }
    if text.trim().is_empty() {
        return Err(Box::new(
            Diagnostic::new(Code::Syntax, "the expression is empty", whole)
                .help("write a function call such as `ToLower([mail])`, or an attribute such as `[mail]`"),
        ));
    }
    scan(text)?;
    let mut pairs = Grammar::parse(Rule::program, text).map_err(|error| Box::new(syntax_error(text, &error)))?;
    let program = pairs.next().and_then(|program| program.into_inner().next());
    program.map(condition).ok_or_else(|| Box::new(Diagnostic::new(Code::Syntax, "the expression is empty", whole)))
}

/// Looks at the text before the grammar does: constants and attributes that are not closed, and nesting, which the
/// grammar would follow as deep as it goes.
fn scan(text: &str) -> Result<(), Box<Diagnostic>> {
    let mut open = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let mut escaped = false;
                let closed = characters.by_ref().any(|(_, character)| {
                    let closing = character == '"' && !escaped;
                    // `\"` and `\\` are escapes; any other backslash is itself.
                    escaped = character == '\\' && !escaped;
                    closing
                });
                if !closed {
                    return Err(Box::new(open_string(text, at)));
                }
            }
            '[' => {
                let mut depth = 1;
                let mut deepest = 1;
                let closed = characters.by_ref().any(|(_, character)| {
                    match character {
                        '[' => depth += 1,
                        ']' => depth -= 1,
                        _ => {}
                    }
                    deepest = deepest.max(depth);
                    depth == 0
                });
                if closed && deepest > MAX_DEPTH {
                    return Err(Box::new(Diagnostic::new(
                        Code::TooDeep,
                        format!("the attribute's name nests brackets deeper than {MAX_DEPTH}"),
                        Span::new(at, at + 1),
                    )));
                }
                if !closed {
                    return Err(Box::new(
                        Diagnostic::new(
                            Code::OpenAttribute,
                            "the attribute reference is not closed",
                            Span::new(at, text.len()),
                        )
                        .label("it begins here")
                        .help("end it with `]`"),
                    ));
                }
            }
            '(' => {
                open.push(at);
                if open.len() > MAX_DEPTH {
                    return Err(Box::new(
                        Diagnostic::new(
                            Code::TooDeep,
                            format!("the expression nests deeper than {MAX_DEPTH} calls"),
                            Span::new(at, at + 1),
                        )
                        .help("a Switch takes many keys in one call; nest IIF and Replace less"),
                    ));
                }
            }
            ')' if open.pop().is_none() => {
                return Err(Box::new(
                    Diagnostic::new(Code::Syntax, "there is one `)` too many", Span::new(at, at + 1))
                        .label("no call is open here")
                        .fix(Span::new(at, at + 1), "", "remove it"),
                ));
            }
            _ => {}
        }
    }
    if let Some(at) = open.pop() {
        let missing = open.len() + 1;
        return Err(Box::new(
            Diagnostic::new(
                Code::Syntax,
                if missing == 1 {
                    "a `)` is missing".to_owned()
                } else {
                    format!("{missing} closing parentheses are missing")
                },
                Span::new(text.trim_end().len(), text.trim_end().len()),
            )
            .label("the expression ends here")
            .also(Span::new(at, at + 1), "this one is not closed"),
        ));
    }
    Ok(())
}

/// The constant that begins at `at` has no end: the quote of another one was taken for an escape, perhaps.
fn open_string(text: &str, at: usize) -> Diagnostic {
    let message = "the string constant is not closed";
    if let Some(backslash) = escaped_end(text) {
        return Diagnostic::new(Code::OpenString, message, Span::new(backslash, backslash + 1))
            .label("this makes the quote behind it a part of the constant")
            .fix(Span::new(backslash, backslash + 1), "\\\\", "write `\\\\` for a backslash at the end of a constant");
    }
    Diagnostic::new(Code::OpenString, message, Span::new(at, text.len()))
        .label("it begins here")
        .help("end it with `\"`")
}

/// The first backslash before a quote that looks like the end of its constant, as in `"\"`.
fn escaped_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => {
                if let Some((quote, _)) = characters.next_if(|(_, next)| matches!(next, '"' | '\\'))
                    && text.get(quote..).is_some_and(|rest| rest.starts_with('"'))
                {
                    let rest = text.get(quote + 1..).unwrap_or_default().trim_start();
                    if rest.is_empty() || rest.starts_with([',', ')']) {
                        return Some(at);
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// What the grammar stopped at, in words.
fn syntax_error(text: &str, error: &pest::error::Error<Rule>) -> Diagnostic {
    let mut at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let until = |at: usize| text.get(..at).unwrap_or_default().trim_end();
    // The grammar took the bracket for an indexer's and stopped behind it.
    if let Some(outer) = until(at).strip_suffix('[')
        && ends_value(outer.trim_end())
    {
        at = outer.len();
    }
    let rest = text.get(at..).unwrap_or_default();
    let found = rest.chars().next();
    let end = at + found.map_or(0, char::len_utf8);
    let span = Span::new(at, end);
    let before = until(at);
    let diagnostic = |message: String| Diagnostic::new(Code::Syntax, message, span);
    match found {
        None => diagnostic("the expression ends too early".into()).label("something is missing here"),
        Some('\'') => diagnostic("a string constant is written in double quotes".into())
            .label("a single quote is an ordinary character in Entra")
            .help("write `\"text\"`"),
        Some(quote) if TYPOGRAPHIC.contains(&quote) => {
            let (length, plain) = plain_quotes(rest);
            diagnostic(format!("`{quote}` is a typographic quote; Entra takes the plain one"))
                .label("from a word processor, perhaps")
                .fix(Span::new(at, at + length), plain, "write `\"`")
        }
        Some('{' | '}') => diagnostic("braces have no meaning in an Entra expression".into())
            .help("an attribute is written `[mail]`; `{{ … }}` is Liquid: write it as `{ liquid = '…' }`"),
        Some(';') => diagnostic("arguments are separated by commas".into()).fix(span, ",", "write a comma"),
        Some('$') => diagnostic("attributes are written in brackets".into()).help("write `[mail]` instead of `$mail`"),
        Some('=') if before.ends_with('=') => {
            diagnostic("equality is a single `=`".into()).fix(Span::new(at - 1, end), "=", "write `=`")
        }
        Some('%') => diagnostic("a macro is a name between two percent signs".into()).help("write `%DomainFQDN%`"),
        Some('(') if before.ends_with(|character: char| character.is_alphanumeric()) => {
            diagnostic("this is not a function call".into()).label("unexpected here")
        }
        Some(_) if before.ends_with(')') && open_calls(before) == 0 => {
            let rest = Span::new(at, text.trim_end().len());
            Diagnostic::new(Code::Syntax, "text stands behind the end of the expression", rest)
                .label("the expression has ended already")
                .help("an expression is one call: two texts become one with `Join(\" \", a, b)`")
        }
        Some(character) if ends_value(before) && (matches!(character, '"' | '[') || character.is_alphanumeric()) => {
            let behind = Span::new(before.len(), before.len());
            let comma = if before.len() == at { ", " } else { "," };
            Diagnostic::new(Code::Syntax, "a comma is missing", behind).label("between two arguments").fix(
                behind,
                comma,
                "write a comma",
            )
        }
        Some(character) => {
            let expected = match &error.variant {
                ErrorVariant::ParsingError { positives, .. } => expected(positives),
                ErrorVariant::CustomError { .. } => String::new(),
            };
            let what = match character {
                '"' => "a string constant".to_owned(),
                '[' => "an attribute".to_owned(),
                letter if letter.is_alphanumeric() => {
                    let word: String = rest.chars().take_while(|letter| letter.is_alphanumeric()).take(30).collect();
                    format!("`{word}`")
                }
                other => format!("`{other}`"),
            };
            let diagnostic = diagnostic(format!("{what} is not expected here"));
            if expected.is_empty() { diagnostic } else { diagnostic.label(expected) }
        }
    }
}

/// What word processors make of a quote.
const TYPOGRAPHIC: &[char] = &['“', '”', '„', '‟', '«', '»'];

/// The characters up to the last typographic quote outside of constants, with plain quotes instead, and their length
/// before that.
fn plain_quotes(rest: &str) -> (usize, String) {
    let mut quoted = false;
    let (mut length, mut made) = (0, String::new());
    let mut kept = 0;
    for (at, character) in rest.char_indices() {
        quoted ^= character == '"';
        if TYPOGRAPHIC.contains(&character) && !quoted {
            made.push('"');
            length = at + character.len_utf8();
            kept = made.len();
        } else {
            made.push(character);
        }
    }
    made.truncate(kept);
    (length, made)
}

/// Whether the last character ends an attribute, a constant, a call, a macro or a number.
fn ends_value(before: &str) -> bool {
    before.ends_with(['"', ']', ')', '%']) || before.ends_with(|character: char| character.is_ascii_digit())
}

/// How many calls are open behind a text in which every constant and attribute is closed.
fn open_calls(text: &str) -> usize {
    let (mut open, mut brackets) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if brackets == 0 => quoted = !quoted,
            _ if quoted => {}
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            '(' if brackets == 0 => open += 1,
            ')' if brackets == 0 => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open
}

fn expected(rules: &[Rule]) -> String {
    let mut words: Vec<&str> = rules
        .iter()
        .filter_map(|rule| {
            Some(match rule {
                Rule::call | Rule::name => "a function call",
                Rule::attribute => "an attribute",
                Rule::text => "a string constant",
                Rule::hex | Rule::number => "a number",
                Rule::condition | Rule::operand => "a value",
                Rule::EOI => "the end",
                Rule::argument => "an argument",
                Rule::operator | Rule::compare_operator => "a comparison",
                _ => return None,
            })
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    if words.len() > 3 {
        return "a value is wanted: a function call, an attribute or a constant".into();
    }
    if words.is_empty() { String::new() } else { format!("{} is wanted", words.join(" or ")) }
}

fn span(pair: &Pair<'_, Rule>) -> Span {
    Span::new(pair.as_span().start(), pair.as_span().end())
}

/// One operand, a comparison, or what Entra does not have. A chain of operators is one finding, at the first of them
/// that is foreign, and its operands stand side by side: a tree that grew with the chain would have no bound.
fn condition(pair: Pair<'_, Rule>) -> Expr {
    let whole = span(&pair);
    let mut inner = pair.into_inner();
    let Some(first) = inner.next().map(operand) else { return nothing(whole) };
    let both = |left: &Expr, right: &Expr| left.span.to(right.span);
    let mut operands = vec![first];
    let mut operators: Vec<(Span, String)> = Vec::new();
    while let (Some(operator), Some(right)) = (inner.next(), inner.next()) {
        operators.push((span(&operator), operator.as_str().to_ascii_lowercase()));
        operands.push(operand(right));
    }
    let span = match (operands.first(), operands.last()) {
        (Some(left), Some(right)) => both(left, right),
        _ => whole,
    };
    let foreign = operators.iter().find(|(_, symbol)| order(symbol).is_none());
    let (at, message, help) = match (foreign, operators.as_slice()) {
        (None, []) => return operands.pop().unwrap_or_else(|| nothing(whole)),
        (None, [(_, symbol)]) => {
            let (Some(order), Some(right), Some(left)) = (order(symbol), operands.pop(), operands.pop()) else {
                return nothing(whole);
            };
            return Expr { kind: ExprKind::Compare { order, left: Box::new(left), right: Box::new(right) }, span };
        }
        (Some((at, symbol)), _) => {
            let (message, help) = foreign_operator(symbol);
            (*at, message, help)
        }
        (None, [_, (at, _), ..]) => (
            *at,
            "comparisons cannot be chained".to_owned(),
            "nest IIF: `IIF([a] = \"x\", IIF([b] = \"y\", …, …), …)`".to_owned(),
        ),
    };
    Expr { kind: ExprKind::Foreign { at, message, help, parts: operands }, span }
}

fn order(symbol: &str) -> Option<Order> {
    Some(match symbol {
        "=" => Order::Equal,
        "<>" => Order::NotEqual,
        "<" => Order::Less,
        "<=" => Order::LessOrEqual,
        ">" => Order::Greater,
        ">=" => Order::GreaterOrEqual,
        _ => return None,
    })
}

fn foreign_operator(symbol: &str) -> (String, String) {
    match symbol {
        "&" => (
            "`&` joins texts in Entra Connect; Entra has no such operator".to_owned(),
            "write `Join(\"\", a, b)`, or `Append(a, b)` for two texts".to_owned(),
        ),
        "+" => (
            "`+` is not an operator of Entra".into(),
            "join texts with `Join(\"\", a, b)`; move dates with `DateAdd(\"d\", 7, date)`".into(),
        ),
        "-" | "*" | "/" => (
            format!("Entra has no arithmetic: `{symbol}` is not an operator"),
            "dates are moved with DateAdd and compared with DateDiff".into(),
        ),
        "==" => ("equality is a single `=` in Entra".into(), "write `=`".into()),
        "!=" => ("inequality is `<>` in Entra".into(), "write `<>`".into()),
        "and" | "&&" => (
            format!("`{symbol}` is not an operator of Entra"),
            "nest IIF: `IIF(a, IIF(b, …, …), …)`, or join the flags and compare: `Switch(Join(\"+\", [a], [b]), …, \"True+True\", …)`".into(),
        ),
        "or" | "||" => (
            format!("`{symbol}` is not an operator of Entra"),
            "nest IIF: `IIF(a, …, IIF(b, …, …))`, or give Switch several keys with one value".into(),
        ),
        _ => (
            format!("`{symbol}` is not an operator of Entra"),
            "compare with = <> < <= > >=, or find text with `InStr([x], \"text\") > 0`".into(),
        ),
    }
}

fn nothing(span: Span) -> Expr {
    Expr { kind: ExprKind::Word(String::new()), span }
}

fn operand(pair: Pair<'_, Rule>) -> Expr {
    let whole = span(&pair);
    let mut inner = pair.into_inner();
    let Some(value) = inner.next() else { return nothing(whole) };
    let value = primary(value);
    // The first is enough to be told.
    let Some(indexer) = inner.next() else { return value };
    let at = span(&indexer);
    let index: usize = indexer.into_inner().next().and_then(|index| index.as_str().parse().ok()).unwrap_or(0);
    Expr {
        span: value.span.to(inner.last().map_or(at, |last| span(&last))),
        kind: ExprKind::Foreign {
            at,
            message: format!("`[{index}]` is not an indexer in Entra"),
            help: format!("write `Item(…, {})`; the first value is 1", index.saturating_add(1)),
            parts: vec![value],
        },
    }
}

fn primary(pair: Pair<'_, Rule>) -> Expr {
    let whole = span(&pair);
    let kind = match pair.as_rule() {
        Rule::call => return call(pair),
        Rule::attribute => {
            let name = pair.into_inner().next().map(|name| name.as_str().trim().to_owned()).unwrap_or_default();
            ExprKind::Attribute(name)
        }
        Rule::text => {
            let inner = pair.into_inner().next();
            let (raw, at) = inner.map_or(("", whole), |inner| (inner.as_str(), span(&inner)));
            ExprKind::Text(Text::unescape(raw, at))
        }
        Rule::hex | Rule::number => {
            let text = pair.as_str();
            match (crate::value::parse_integer(text), text.parse::<f64>()) {
                (Some(number), _) => ExprKind::Integer(number),
                (None, Ok(number)) if text.contains('.') => ExprKind::Decimal(number),
                _ => ExprKind::Foreign {
                    at: whole,
                    message: "the number has more than 64 bits".into(),
                    help: "write it in quotes when it is a text of digits".into(),
                    parts: Vec::new(),
                },
            }
        }
        Rule::macro_name => ExprKind::Macro(pair.as_str().trim_matches('%').to_owned()),
        Rule::group => {
            let inner = pair.into_inner().next().map(condition);
            ExprKind::Foreign {
                at: whole,
                message: "parentheses do not group in Entra".into(),
                help: "leave them out: a comparison has two sides only, and calls nest".into(),
                parts: inner.into_iter().collect(),
            }
        }
        _ => ExprKind::Word(pair.as_str().to_owned()),
    };
    Expr { kind, span: whole }
}

fn call(pair: Pair<'_, Rule>) -> Expr {
    let whole = span(&pair);
    let mut inner = pair.into_inner();
    let (name, name_span) = inner.next().map_or((String::new(), whole), |name| (name.as_str().to_owned(), span(&name)));
    let mut arguments: Vec<Argument> = inner
        .map(|argument| {
            let span = span(&argument);
            Argument { expr: argument.into_inner().next().map(condition), span }
        })
        .collect();
    // `Now()` has no argument, not an empty one.
    if let [Argument { expr: None, .. }] = arguments.as_slice() {
        arguments.clear();
    }
    Expr { kind: ExprKind::Call { name, name_span, arguments }, span: whole }
}
