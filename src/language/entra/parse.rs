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
                    let rest = text.get(at..).unwrap_or_default();
                    let mut found = Diagnostic::new(
                        Code::OpenString,
                        "the string constant is not closed",
                        Span::new(at, text.len()),
                    )
                    .label("it begins here");
                    found = if rest.contains("\\\"") {
                        found.help("`\\\"` is a quote inside the constant; to end it with a backslash write `\\\\\"`")
                    } else {
                        found.help("end it with `\"`")
                    };
                    return Err(Box::new(found));
                }
            }
            '[' => {
                let mut depth = 1;
                let closed = characters.by_ref().any(|(_, character)| {
                    match character {
                        '[' => depth += 1,
                        ']' => depth -= 1,
                        _ => {}
                    }
                    depth == 0
                });
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

/// What the grammar stopped at, in words.
fn syntax_error(text: &str, error: &pest::error::Error<Rule>) -> Diagnostic {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let rest = text.get(at..).unwrap_or_default();
    let found = rest.chars().next();
    let end = at + found.map_or(0, char::len_utf8);
    let span = Span::new(at, end);
    let before = text.get(..at).unwrap_or_default().trim_end();
    let diagnostic = |message: String| Diagnostic::new(Code::Syntax, message, span);
    match found {
        None => diagnostic("the expression ends too early".into()).label("something is missing here"),
        Some('\'') => diagnostic("a string constant is written in double quotes".into())
            .label("a single quote is an ordinary character in Entra")
            .help("write `\"text\"`"),
        Some(quote @ ('“' | '”' | '„' | '«' | '»')) => {
            diagnostic(format!("`{quote}` is a typographic quote; Entra takes the plain one"))
                .label("from a word processor, perhaps")
                .fix(span, "\"", "write `\"`")
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
        Some(character) => {
            let expected = match &error.variant {
                ErrorVariant::ParsingError { positives, .. } => expected(positives),
                ErrorVariant::CustomError { .. } => String::new(),
            };
            let what = match character {
                '"' => "a string constant".to_owned(),
                '[' => "an attribute".to_owned(),
                '\u{201a}'..='\u{201f}' => format!("`{character}`"),
                letter if letter.is_alphanumeric() => {
                    let word: String = rest.chars().take_while(|letter| letter.is_alphanumeric()).take(30).collect();
                    format!("`{word}`")
                }
                other => format!("`{other}`"),
            };
            let diagnostic = diagnostic(format!("{what} is not expected here"));
            let diagnostic = if expected.is_empty() { diagnostic } else { diagnostic.label(expected) };
            let ends_value = before.ends_with(['"', ']', ')']);
            if ends_value && (matches!(character, '"' | '[') || character.is_alphanumeric()) {
                diagnostic.help("a comma is missing before it")
            } else {
                diagnostic
            }
        }
    }
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

fn condition(pair: Pair<'_, Rule>) -> Expr {
    let whole = span(&pair);
    let mut inner = pair.into_inner();
    let Some(first) = inner.next().map(operand) else { return nothing(whole) };
    let mut left = first;
    let mut compared = false;
    while let (Some(operator), Some(right)) = (inner.next(), inner.next()) {
        let at = span(&operator);
        let symbol = operator.as_str().to_ascii_lowercase();
        let right = operand(right);
        let both = left.span.to(right.span);
        let order = match symbol.as_str() {
            "=" => Some(Order::Equal),
            "<>" => Some(Order::NotEqual),
            "<" => Some(Order::Less),
            "<=" => Some(Order::LessOrEqual),
            ">" => Some(Order::Greater),
            ">=" => Some(Order::GreaterOrEqual),
            _ => None,
        };
        let kind = match order {
            Some(order) if !compared => {
                compared = true;
                ExprKind::Compare { order, left: Box::new(left), right: Box::new(right) }
            }
            Some(_) => ExprKind::Foreign {
                at,
                message: "comparisons cannot be chained".into(),
                help: "nest IIF: `IIF([a] = \"x\", IIF([b] = \"y\", …, …), …)`".into(),
                parts: vec![left, right],
            },
            None => foreign_operator(&symbol, at, left, right),
        };
        left = Expr { kind, span: both };
    }
    left
}

fn foreign_operator(symbol: &str, at: Span, left: Expr, right: Expr) -> ExprKind {
    let (message, help) = match symbol {
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
    };
    ExprKind::Foreign { at, message, help, parts: vec![left, right] }
}

fn nothing(span: Span) -> Expr {
    Expr { kind: ExprKind::Word(String::new()), span }
}

fn operand(pair: Pair<'_, Rule>) -> Expr {
    let whole = span(&pair);
    let mut inner = pair.into_inner();
    let Some(value) = inner.next() else { return nothing(whole) };
    let mut value = primary(value);
    for indexer in inner {
        let at = span(&indexer);
        let index: usize = indexer.into_inner().next().and_then(|index| index.as_str().parse().ok()).unwrap_or(0);
        let both = value.span.to(at);
        value = Expr {
            kind: ExprKind::Foreign {
                at,
                message: format!("`[{index}]` is not an indexer in Entra"),
                help: format!("write `Item(…, {})`; the first value is 1", index + 1),
                parts: vec![value],
            },
            span: both,
        };
    }
    value
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
