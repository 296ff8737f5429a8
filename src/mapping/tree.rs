//! A mapping file as a tree with positions, from TOML or from JSON of the same shape.
//!
//! Strings remember where each of their bytes stands in the file, so that a finding in an expression points at the very
//! characters, whichever way the string is quoted.

mod json;

use std::collections::HashSet;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::text::{Code, Diagnostic, Source, Span, shorten};

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) item: Item,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    String(Text),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Table),
    Null,
    /// A date, or an integer that does not fit: nothing a mapping takes.
    Other(&'static str),
}

/// A table's entries in the order of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<(Key, Node)>,
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Span,
}

impl Key {
    /// Another name, quoted when this one is: JSON takes no bare key.
    pub(super) fn spell(&self, name: &str) -> String {
        let bare = (self.span.end - self.span.start) as usize == self.name.len();
        if bare { name.to_owned() } else { format!("{name:?}") }
    }
}

/// A string and where its bytes come from.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) places: Places,
}

/// Offsets of a string's value to offsets of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// `(offset in the value, offset in the file)` where the distance changes, ascending, the first at 0.
    steps: Vec<(u32, u32)>,
    /// Where the last character ends.
    end: u32,
    /// Whether a backslash begins an escape, as in JSON and in TOML's basic strings.
    escapes: bool,
}

impl Places {
    /// The place in the file of a span of the value.
    pub(super) fn place(&self, span: Span) -> Span {
        let (start, end) = (self.offset(span.start), self.offset(span.end));
        // The end of an escaped character is where the next one begins; only the last has nothing behind it.
        Span { start, end: end.max(start).min(self.end.max(start)) }
    }

    /// A finding about the value as one about the file, with its fixes written as the string is.
    pub(super) fn finding(&self, mut finding: Diagnostic) -> Diagnostic {
        finding.fixes.retain_mut(|fix| match self.written(&fix.replacement) {
            Some(written) => {
                fix.replacement = written;
                true
            }
            None => false,
        });
        finding.map_spans(|span| self.place(span))
    }

    /// A part of the value as it is written in the file; `None` when a literal string cannot hold it.
    fn written(&self, text: &str) -> Option<String> {
        if !self.escapes {
            return (!text.contains(['\'', '\n', '\r'])).then(|| text.to_owned());
        }
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                character if character.is_control() => return None,
                character => out.push(character),
            }
        }
        Some(out)
    }

    fn offset(&self, offset: u32) -> u32 {
        let step = self.steps.partition_point(|(value, _)| *value <= offset).saturating_sub(1);
        match self.steps.get(step) {
            Some((value, file)) => file + (offset - value.min(&offset)),
            None => self.end,
        }
    }
}

impl Node {
    /// What the value is, for a message.
    pub(super) fn describe(&self) -> &'static str {
        match self.item {
            Item::String(_) => "a string",
            Item::Integer(_) => "an integer",
            Item::Float(number) if number.is_nan() => "not a number",
            Item::Float(number) if number.is_infinite() => "a number that is too large; write it in quotes",
            Item::Float(_) => "a number",
            Item::Boolean(_) => "a boolean",
            Item::Array(_) => "an array",
            Item::Table(_) => "a table",
            Item::Null => "null",
            Item::Other(what) => what,
        }
    }

    /// The value as JSON, for constants and records of tests. What JSON cannot hold is a finding, and null.
    pub(super) fn to_json(&self, found: &mut Vec<Diagnostic>) -> Json {
        match &self.item {
            Item::String(text) => Json::from(text.value.as_str()),
            Item::Integer(number) => Json::from(*number),
            Item::Float(number) if number.is_finite() => Json::from(*number),
            Item::Boolean(flag) => Json::from(*flag),
            Item::Array(items) => Json::Array(items.iter().map(|item| item.to_json(found)).collect()),
            Item::Table(table) => {
                Json::Object(table.entries.iter().map(|(key, node)| (key.name.clone(), node.to_json(found))).collect())
            }
            Item::Null => Json::Null,
            Item::Float(_) | Item::Other(_) => {
                let message = "a value must be a text, a number, true or false, an array or a table";
                found.push(
                    Diagnostic::new(Code::WrongType, message, self.span).label(format!("this is {}", self.describe())),
                );
                Json::Null
            }
        }
    }
}

/// The tree of a mapping file. Findings go to `found`; what could be read is returned in spite of them.
pub(super) fn read(source: &Source, found: &mut Vec<Diagnostic>) -> Table {
    let text = source.text();
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return json::read(text, found).unwrap_or_default();
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut lines = HashSet::new();
    for error in errors {
        let span = source.snap(error.span().map_or(Span::new(0, 0), Span::from));
        // What comes behind the first error of a line follows from it.
        if !lines.insert(source.position(span.start).line) {
            continue;
        }
        found.push(toml_finding(source, error.message().trim(), span));
    }
    from_table(text, table.get_ref())
}

fn toml_finding(source: &Source, message: &str, span: Span) -> Diagnostic {
    if message.starts_with("duplicate key") {
        let key = shorten(source.slice(span));
        return Diagnostic::new(Code::DuplicateKey, format!("the key `{key}` stands twice"), span)
            .help("put both into one, or remove one");
    }
    let finding = Diagnostic::new(Code::Toml, format!("the file is not valid TOML: {message}"), span);
    let position = source.position(span.start);
    let line = source.line(position.line);
    let before: usize = line.chars().take(position.column - 1).map(char::len_utf8).sum();
    let start = span.start as usize - before;
    let (key, value) = line.split_once('=').unwrap_or_default();
    let is_literal = |text: &str| !text.is_empty() && !text.contains('\'');
    match message {
        _ if message.starts_with("missing escaped value") => {
            finding.help("write the expression in single quotes, where a backslash is itself: `'…'`")
        }
        _ if line.trim_end().ends_with('=') => finding.label("a value is missing here"),
        // `emails[type eq "work"].value = …`: the end of a bare key that would be a target in quotes.
        _ if message.starts_with("key with no value") && key.contains('[') && !key.starts_with(['[', '\'', '"']) => {
            let target = key.trim_end();
            let finding = finding.label("a bare key ends here");
            if is_literal(target) && !target.starts_with(char::is_whitespace) {
                let span = Span::new(start, start + target.len());
                finding.fix(span, format!("'{target}'"), "put the target in quotes")
            } else {
                finding.help("put the target in quotes: `'…' = …`")
            }
        }
        // `title = [jobTitle]`, `title = Trim([jobTitle])`
        _ if message.starts_with("string values must be quoted")
            || message.starts_with("missing opening quote")
            || message.starts_with("unexpected key or value")
                && value.trim_start().starts_with(|first: char| first.is_ascii_alphabetic()) =>
        {
            let program = value.trim();
            let at = start + key.len() + 1 + value.len() - value.trim_start().len();
            if is_literal(program) && program.ends_with([']', ')']) {
                let span = Span::new(at, at + program.len());
                finding.fix(span, format!("'{program}'"), "put the expression in quotes")
            } else {
                finding.help("an expression stands in quotes: `'…'`")
            }
        }
        _ if message.starts_with("unexpected key or value") && value.trim_start().starts_with('"') => {
            finding.help("write an expression with quotes in single ones: `'…'`")
        }
        _ if message.starts_with("unexpected key or value") && value.trim_start().starts_with('\'') => {
            finding.help("write an expression with `'` in it in three of them: `\'\'\'…\'\'\'`")
        }
        _ => finding,
    }
}

fn from_table(text: &str, table: &DeTable<'_>) -> Table {
    let entries = table
        .iter()
        .map(|(key, value)| (Key { name: key.get_ref().to_string(), span: key.span().into() }, from_value(text, value)))
        .collect();
    Table { entries }
}

fn from_value(text: &str, value: &Spanned<DeValue<'_>>) -> Node {
    let span = Span::from(value.span());
    let item = match value.get_ref() {
        DeValue::String(string) => {
            let raw = text.get(span.range()).unwrap_or_default();
            Item::String(Text { value: string.to_string(), places: toml_places(raw, string, span) })
        }
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Item::Integer(number),
            Err(_) => Item::Other("an integer of more than 64 bits; write it in quotes"),
        },
        DeValue::Float(float) => float.as_str().parse().map_or(Item::Other("a number"), Item::Float),
        DeValue::Boolean(flag) => Item::Boolean(*flag),
        DeValue::Datetime(_) => Item::Other("a date; write it in quotes"),
        DeValue::Array(items) => Item::Array(items.iter().map(|item| from_value(text, item)).collect()),
        DeValue::Table(table) => Item::Table(from_table(text, table)),
    };
    Node { item, span }
}

/// The places of a TOML string from the characters it was written with.
fn toml_places(raw: &str, value: &str, span: Span) -> Places {
    let (open, escapes) = match raw {
        _ if raw.starts_with("'''") => (3, false),
        _ if raw.starts_with("\"\"\"") => (3, true),
        _ if raw.starts_with('\'') => (1, false),
        _ if raw.starts_with('"') => (1, true),
        _ => (0, false),
    };
    let mut inner = raw.get(open..raw.len().saturating_sub(open)).unwrap_or_default();
    let mut start = span.start as usize + open;
    if open == 3 {
        for newline in ["\r\n", "\n"] {
            if let Some(rest) = inner.strip_prefix(newline) {
                inner = rest;
                start += newline.len();
                break;
            }
        }
    }
    align(inner, value, start, escapes, escape_length)
}

/// How many bytes of the file an escape takes, and how many of the value (0 for a line continuation).
fn escape_length(rest: &str) -> (usize, usize) {
    let mut characters = rest.chars();
    characters.next();
    match characters.next() {
        Some('u') => (6, unicode_length(rest, 2..6)),
        Some('U') => (10, unicode_length(rest, 2..10)),
        Some('x') => (4, unicode_length(rest, 2..4)),
        Some(blank) if blank.is_ascii_whitespace() => {
            let after = rest.get(1..).unwrap_or_default();
            (1 + after.len() - after.trim_start().len(), 0)
        }
        Some(character) => (1 + character.len_utf8(), 1),
        None => (1, 0),
    }
}

fn unicode_length(rest: &str, digits: std::ops::Range<usize>) -> usize {
    let code = rest.get(digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    code.and_then(char::from_u32).map_or(1, char::len_utf8)
}

/// Walks the characters as written and the value side by side and notes where their distance changes. `length` is told
/// of each escape, when there are escapes.
fn align(inner: &str, value: &str, start: usize, escapes: bool, length: impl Fn(&str) -> (usize, usize)) -> Places {
    let as_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut steps = vec![(0, as_u32(start))];
    let (mut written, mut made) = (0, 0);
    while let Some(rest) = inner.get(written..)
        && !rest.is_empty()
    {
        let (long, short) = match rest {
            _ if escapes && rest.starts_with('\\') => length(rest),
            // TOML turns a line's end into one line feed.
            _ if rest.starts_with("\r\n") && value.get(made..).is_some_and(|value| value.starts_with('\n')) => (2, 1),
            _ => {
                let length = rest.chars().next().map_or(1, char::len_utf8);
                (length, length)
            }
        };
        written += long;
        made += short;
        if long != short {
            steps.push((as_u32(made), as_u32(start + written)));
        }
    }
    Places { steps, end: as_u32(start + inner.len()), escapes }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of the file under the part of the string `wanted`.
    fn under(file: &str, wanted: &str) -> String {
        let source = Source::new("t", file);
        let mut found = Vec::new();
        let table = read(&source, &mut found);
        assert!(found.is_empty(), "{found:?}");
        let Item::String(text) = &table.entries[0].1.item else { panic!("not a string") };
        let at = text.value.find(wanted).unwrap();
        source.slice(text.places.place(Span::new(at, at + wanted.len()))).to_owned()
    }

    #[test]
    fn a_part_of_a_string_is_found_in_the_file_however_it_is_quoted() {
        assert_eq!(under("a = 'Foo([x])'", "[x]"), "[x]");
        assert_eq!(under("a = \"Foo(\\\"b\\\", [x])\"", "[x]"), "[x]");
        assert_eq!(under("a = \"\\u00e9\\t[x]\\\\\"", "[x]"), "[x]");
        assert_eq!(under("a = '''\nFoo(\r\n[x])'''", "[x]"), "[x]");
        assert_eq!(under("a = \"\"\"\n\\\n   [x] \"\"\"", "[x]"), "[x]");
        assert_eq!(under("{\"a\": \"\\ud83d\\ude00 \\\"[x]\"}", "[x]"), "[x]");
        assert_eq!(under("a = \"é\\\"q\"", "\""), "\\\"");
    }
}
