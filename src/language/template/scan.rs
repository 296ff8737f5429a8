//! A template's text as tags and tokens with their places. minijinja keeps its own tokens to itself; these are for what it
//! does not tell: where a name stands, which filters are used, and how large an expression can get.

use crate::text::{Code, Diagnostic, Span};

/// How deep brackets and blocks may nest.
const MOST_NESTED: usize = 40;
/// How many tags a template may have.
const MOST_TAGS: usize = 2_000;
/// How many values one tag may take in.
const MOST_VALUES: usize = 64;
/// How many operators one tag may have.
const MOST_OPERATORS: usize = 256;
/// How many branches one `if` may have.
const MOST_BRANCHES: usize = 100;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Text,
    Number,
    Sign,
}

/// A token inside of a tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) span: Span,
    /// How many brackets are open before it.
    pub(super) depth: usize,
}

impl Token<'_> {
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }

    /// Whether a value can end with it.
    pub(super) fn ends_value(&self) -> bool {
        match self.kind {
            Kind::Name => !is_keyword(self.text) || CONSTANTS.contains(&self.text),
            Kind::Text | Kind::Number => true,
            Kind::Sign => matches!(self.text, ")" | "]" | "}"),
        }
    }
}

/// `{{ … }}` or `{% … %}`.
#[derive(Debug)]
pub(super) struct Tag<'t> {
    /// Whether it prints.
    pub(super) prints: bool,
    pub(super) span: Span,
    /// Whether it takes the blanks after it away.
    pub(super) trims: bool,
    pub(super) tokens: Vec<Token<'t>>,
}

impl<'t> Tag<'t> {
    /// The word that a block tag begins with.
    pub(super) fn word(&self) -> &'t str {
        match self.tokens.first() {
            Some(first) if !self.prints => first.text,
            _ => "",
        }
    }

    /// Whether it is a `set` with a value, not one whose value is the block up to `endset`.
    pub(super) fn assigns(&self) -> bool {
        self.tokens.iter().any(|token| token.depth == 0 && token.is("="))
    }
}

/// A template in pieces.
#[derive(Debug, Default)]
pub(super) struct Scan<'t> {
    pub(super) tags: Vec<Tag<'t>>,
    /// The texts between the tags.
    pub(super) raw: Vec<Span>,
}

const CONSTANTS: &[&str] = &["true", "false", "none", "True", "False", "None"];
const WORDS: &[&str] = &["and", "or", "not", "in", "is", "if", "else", "recursive"];

/// The tags that templates may have; the others of Jinja read other templates.
const TAGS: &[&str] = &[
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "break",
    "continue",
    "set",
    "endset",
    "with",
    "endwith",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "do",
    "raw",
    "endraw",
];
const READERS: &[&str] = &["include", "import", "from", "extends", "block", "endblock"];
const OPENERS: &[&str] = &["if", "for", "with", "macro", "call", "filter"];

/// Whether a name is a word of the language.
pub(super) fn is_keyword(name: &str) -> bool {
    WORDS.contains(&name) || CONSTANTS.contains(&name)
}

fn finding(code: Code, message: impl Into<String>, start: usize, end: usize) -> Diagnostic {
    Diagnostic::new(code, message, Span::new(start, end))
}

/// Takes a template apart, up to the first thing that is wrong with it.
pub(super) fn scan(text: &str) -> Result<Scan<'_>, Box<Diagnostic>> {
    let mut found = Scan::default();
    let mut at = 0;
    // As minijinja reads it: the last line's end is not part of the template.
    let end = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)).len();
    let rest = |at: usize| text.get(at..end).unwrap_or_default();
    while at < end {
        let open = rest(at).match_indices('{').map(|(found, _)| at + found);
        let opens = |at: &usize| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'));
        let start = open.into_iter().find(opens).filter(|start| start + 2 <= end);
        let lead = start.unwrap_or(end);
        if lead > at {
            found.raw.push(Span::new(at, lead));
        }
        let Some(start) = start else { break };
        if rest(start).starts_with("{#") {
            let Some(length) = rest(start).find("#}") else {
                return Err(Box::new(finding(Code::Syntax, "the comment is not closed", start, start + 2)));
            };
            at = start + length + 2;
            continue;
        }
        let tag = read_tag(text, start, end)?;
        at = tag.span.range().end;
        check_tag(&tag)?;
        if tag.word() == "raw" {
            let Some((inner, after)) = raw_end(rest(at)) else {
                return Err(Box::new(finding(Code::Syntax, "`raw` has no `endraw`", start, at)));
            };
            found.raw.push(Span::new(at, at + inner));
            at += after;
            continue;
        }
        found.tags.push(tag);
        if found.tags.len() > MOST_TAGS {
            let message = format!("the template has more than {MOST_TAGS} tags");
            return Err(Box::new(finding(Code::TooLong, message, start, at)));
        }
    }
    check_blocks(&found.tags)?;
    Ok(found)
}

/// Where the text of a raw block ends, and where its closing tag does.
fn raw_end(text: &str) -> Option<(usize, usize)> {
    text.match_indices("{%").find_map(|(at, _)| {
        let inner = text.get(at + 2..)?.trim_start_matches(['-', '+']).trim_start();
        let close = inner.strip_prefix("endraw")?.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")?;
        Some((at, text.len() - close.len()))
    })
}

fn read_tag(text: &str, start: usize, end: usize) -> Result<Tag<'_>, Box<Diagnostic>> {
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    let byte = |at: usize| bytes.get(at).copied();
    let prints = byte(start + 1) == Some(b'{');
    let close: &[u8] = if prints { b"}}" } else { b"%}" };
    let mut at = start + 2 + usize::from(matches!(byte(start + 2), Some(b'-' | b'+')));
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    loop {
        let Some(first) = byte(at) else {
            let message = format!("the tag is not closed: `{}` is missing", if prints { "}}" } else { "%}" });
            return Err(Box::new(finding(Code::Syntax, message, start, start + 2)));
        };
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let signed = usize::from(matches!(first, b'-' | b'+'));
        if depth == 0 && bytes.get(at + signed..).is_some_and(|rest| rest.starts_with(close)) {
            let span = Span::new(start, at + signed + 2);
            return Ok(Tag { prints, span, trims: first == b'-', tokens });
        }
        let before = depth;
        let (kind, length) = match first {
            b'\'' | b'"' => (Kind::Text, text_length(bytes, at).ok_or_else(|| open_text(at))?),
            b'0'..=b'9' => (Kind::Number, number_length(bytes, at)),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let more = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
                (Kind::Name, more.count())
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                (Kind::Sign, 1)
            }
            b')' | b']' | b'}' if depth > 0 => {
                depth -= 1;
                (Kind::Sign, 1)
            }
            _ if bytes
                .get(at..at + 2)
                .is_some_and(|two| matches!(two, b"//" | b"**" | b"==" | b"!=" | b">=" | b"<=")) =>
            {
                (Kind::Sign, 2)
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'.' | b',' | b':' | b'~' | b'|' | b'=' | b'<' | b'>' => (Kind::Sign, 1),
            _ => {
                let letter = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
                let message = format!("{letter:?} has no meaning here");
                return Err(Box::new(finding(Code::Syntax, message, at, at + letter.len_utf8())));
            }
        };
        if depth > MOST_NESTED {
            let message = format!("the brackets nest deeper than {MOST_NESTED} levels");
            return Err(Box::new(finding(Code::TooDeep, message, at, at + length)));
        }
        let span = Span::new(at, at + length);
        tokens.push(Token {
            kind,
            text: text.get(at..at + length).unwrap_or_default(),
            span,
            depth: before.min(depth),
        });
        at += length;
    }
}

#[cold]
fn open_text(at: usize) -> Box<Diagnostic> {
    Box::new(finding(Code::OpenString, "the text is not closed", at, at + 1))
}

/// The length of a text constant with its quotes.
fn text_length(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let quote = rest.first()?;
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|byte| {
        let ends = !escaped && byte == quote;
        escaped = !escaped && *byte == b'\\';
        ends
    })?;
    Some(end + 2)
}

/// The length of a number; what minijinja does not take as one, it says itself.
fn number_length(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let mut length = 0;
    while let Some(byte) = rest.get(length) {
        let after = rest.get(length + 1).is_some_and(u8::is_ascii_digit);
        let exponent = length > 0 && matches!(rest.get(length - 1), Some(b'e' | b'E')) && !rest.starts_with(b"0x");
        match byte {
            b'0'..=b'9' | b'_' | b'a'..=b'z' | b'A'..=b'Z' => {}
            b'.' if after => {}
            b'+' | b'-' if exponent && after => {}
            _ => break,
        }
        length += 1;
    }
    length
}

/// What one tag may hold. Its values are as large as they may be, so that their number bounds what it can make of them.
fn check_tag(tag: &Tag<'_>) -> Result<(), Box<Diagnostic>> {
    let span = tag.span;
    let fail = |code, message: String| Err(Box::new(Diagnostic::new(code, message, span)));
    let word = tag.word();
    if !tag.prints && READERS.contains(&word) {
        let message = format!("`{word}` is not offered: a template reads no other template");
        return Err(Box::new(
            Diagnostic::new(Code::ForeignSyntax, message, span)
                .help("macros that templates share stand in the file's `macros`"),
        ));
    }
    if !tag.prints && !TAGS.contains(&word) {
        let message = if word.is_empty() { "the tag is empty".into() } else { format!("there is no tag `{word}`") };
        return Err(Box::new(
            Diagnostic::new(Code::Syntax, message, span).help_if(crate::text::did_you_mean(word, TAGS.iter().copied())),
        ));
    }
    if word == "for" && tag.tokens.last().is_some_and(|last| last.is("recursive")) {
        return fail(Code::ForeignSyntax, "recursive loops are not offered: write a macro that calls itself".into());
    }
    let values = tag.tokens.iter().filter(|token| token.kind == Kind::Name && !is_keyword(token.text)).count();
    if values > MOST_VALUES {
        return fail(
            Code::TooLong,
            format!("the tag has more than {MOST_VALUES} names; put a part of it in `{{% set %}}`"),
        );
    }
    let operators = tag.tokens.iter().filter(|token| {
        (token.kind == Kind::Sign && !matches!(token.text, "," | ":" | ")" | "]" | "}"))
            || (token.kind == Kind::Name && WORDS.contains(&token.text))
    });
    if operators.count() > MOST_OPERATORS {
        return fail(Code::TooLong, format!("the tag has more than {MOST_OPERATORS} operators"));
    }
    Ok(())
}

/// How deep blocks nest, and how many branches an `if` has.
fn check_blocks(tags: &[Tag<'_>]) -> Result<(), Box<Diagnostic>> {
    let mut branches = vec![0];
    for tag in tags {
        let word = tag.word();
        if OPENERS.contains(&word) || word == "set" && !tag.assigns() {
            branches.push(0);
        } else if word.starts_with("end") {
            branches.pop();
        } else if word == "elif"
            && let Some(count) = branches.last_mut()
        {
            *count += 1;
        }
        if branches.len() > MOST_NESTED || branches.last().is_some_and(|count| *count > MOST_BRANCHES) {
            let message =
                format!("the blocks nest deeper than {MOST_NESTED} levels, or have more than {MOST_BRANCHES} branches");
            return Err(Box::new(Diagnostic::new(Code::TooDeep, message, tag.span)));
        }
    }
    Ok(())
}

/// What is to be said about the first tag that ends another block than the open one, or the innermost block that no tag ends.
pub(super) fn open_block(tags: &[Tag<'_>]) -> Option<Diagnostic> {
    let mut open: Vec<&Tag<'_>> = Vec::new();
    for tag in tags {
        let word = tag.word();
        if OPENERS.contains(&word) || word == "set" && !tag.assigns() {
            open.push(tag);
        } else if let Some(ended) = word.strip_prefix("end") {
            let finding = Diagnostic::new(Code::Syntax, format!("`{word}` has no place here"), tag.span);
            match open.pop() {
                Some(opener) if opener.word() == ended => {}
                Some(opener) => {
                    let wanted = format!("`end{}` is wanted before", opener.word());
                    return Some(finding.label(wanted).also(opener.span, "this block is open"));
                }
                None => return Some(finding.label("no block that it belongs to is open")),
            }
        }
    }
    let tag = open.pop()?;
    let word = tag.word();
    let finding = Diagnostic::new(Code::Syntax, format!("the block `{word}` is not closed"), tag.span);
    Some(finding.label("it begins here").help(format!("end it with `{{% end{word} %}}`")))
}
