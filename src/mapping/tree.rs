//! A mapping file as a tree with positions, from TOML or from JSON of the same shape.
//!
//! Strings remember where each of their bytes stands in the file, so that a finding in an expression points at the very
//! characters, whichever way the string is quoted.

use pest::Parser;
use pest::iterators::Pair;
use pest_derive::Parser;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::text::{Code, Diagnostic, Source, Span};

/// How deep a mapping given as JSON may nest.
const MAX_DEPTH: usize = 64;

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
}

impl Places {
    /// The place in the file of a span of the value.
    pub(super) fn place(&self, span: Span) -> Span {
        let (start, end) = (self.offset(span.start), self.offset(span.end));
        // The end of an escaped character is where the next one begins; only the last has nothing behind it.
        Span { start, end: end.max(start).min(self.end.max(start)) }
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
            Item::Float(_) => "a number",
            Item::Boolean(_) => "a boolean",
            Item::Array(_) => "an array",
            Item::Table(_) => "a table",
            Item::Null => "null",
            Item::Other(what) => what,
        }
    }

    /// The value as JSON, for constants and records of tests.
    pub(super) fn to_json(&self) -> Json {
        match &self.item {
            Item::String(text) => Json::from(text.value.as_str()),
            Item::Integer(number) => Json::from(*number),
            Item::Float(number) => Json::from(*number),
            Item::Boolean(flag) => Json::from(*flag),
            Item::Array(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Item::Table(table) => {
                Json::Object(table.entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect())
            }
            Item::Null | Item::Other(_) => Json::Null,
        }
    }
}

/// The tree of a mapping file. Findings go to `found`; what could be read is returned in spite of them.
pub(super) fn read(source: &Source, found: &mut Vec<Diagnostic>) -> Table {
    let text = source.text();
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return read_json(text, found).unwrap_or_default();
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().map_or(Span::new(0, 0), Span::from);
        let message = error.message().trim().to_owned();
        let finding = if message.starts_with("duplicate key") {
            Diagnostic::new(Code::DuplicateKey, "the key stands twice", span).help("put both into one, or remove one")
        } else {
            Diagnostic::new(Code::Toml, format!("the file is not valid TOML: {message}"), span)
        };
        found.push(finding);
    }
    from_table(text, table.get_ref())
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
            Err(_) => Item::Other("an integer of more than 64 bits"),
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
    align(inner, value, start, |rest| if escapes && rest.starts_with('\\') { Some(escape_length(rest)) } else { None })
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

/// Walks the characters as written and the value side by side and notes where their distance changes.
fn align(inner: &str, value: &str, start: usize, escape: impl Fn(&str) -> Option<(usize, usize)>) -> Places {
    let as_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut steps = vec![(0, as_u32(start))];
    let (mut written, mut made) = (0, 0);
    while let Some(rest) = inner.get(written..)
        && !rest.is_empty()
    {
        let (long, short) = match escape(rest) {
            Some(lengths) => lengths,
            // TOML turns a line's end into one line feed.
            None if rest.starts_with("\r\n") && value.get(made..).is_some_and(|value| value.starts_with('\n')) => {
                (2, 1)
            }
            None => {
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
    Places { steps, end: as_u32(start + inner.len()) }
}

#[derive(Parser)]
#[grammar = "../grammar/json.pest"]
struct Grammar;

fn read_json(text: &str, found: &mut Vec<Diagnostic>) -> Option<Table> {
    // The grammar follows nesting as deep as it goes.
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let message = format!("the JSON nests deeper than {MAX_DEPTH} levels");
            found.push(Diagnostic::new(Code::Json, message, Span::new(at, at + 1)));
            return None;
        }
    }
    match Grammar::parse(Rule::document, text) {
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
            };
            let what = text.get(at..).and_then(|rest| rest.chars().next());
            let message = match what {
                Some(character) => format!("the file is not valid JSON: `{character}` is not expected here"),
                None => "the file is not valid JSON: it ends too early".to_owned(),
            };
            found.push(Diagnostic::new(Code::Json, message, Span::new(at, at + what.map_or(0, char::len_utf8))));
            None
        }
        Ok(mut pairs) => {
            let value = pairs.next()?.into_inner().next()?;
            match json_node(value, found).item {
                Item::Table(table) => Some(table),
                _ => None,
            }
        }
    }
}

fn json_node(pair: Pair<'_, Rule>, found: &mut Vec<Diagnostic>) -> Node {
    let span = Span::new(pair.as_span().start(), pair.as_span().end());
    let item = match pair.as_rule() {
        Rule::object => {
            let mut table = Table::default();
            for member in pair.into_inner() {
                let mut parts = member.into_inner();
                let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
                let key =
                    Key { span: Span::new(name.as_span().start(), name.as_span().end()), name: json_text(&name).value };
                let node = json_node(value, found);
                if table.entries.iter().any(|(known, _)| known.name == key.name) {
                    found.push(Diagnostic::new(
                        Code::DuplicateKey,
                        format!("the key `{}` stands twice", key.name),
                        key.span,
                    ));
                    continue;
                }
                table.entries.push((key, node));
            }
            Item::Table(table)
        }
        Rule::array => Item::Array(pair.into_inner().map(|item| json_node(item, found)).collect()),
        Rule::string => Item::String(json_text(&pair)),
        Rule::number => match (pair.as_str().parse::<i64>(), pair.as_str().parse::<f64>()) {
            (Ok(number), _) => Item::Integer(number),
            (Err(_), Ok(number)) if pair.as_str().contains(['.', 'e', 'E']) => Item::Float(number),
            _ => Item::Other("an integer of more than 64 bits"),
        },
        Rule::boolean => Item::Boolean(pair.as_str() == "true"),
        _ => Item::Null,
    };
    Node { item, span }
}

fn json_text(pair: &Pair<'_, Rule>) -> Text {
    let raw = pair.as_str();
    // The grammar has read it: only a half of a surrogate pair can still be wrong.
    let value: String = serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned());
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    let places = align(inner, &value, pair.as_span().start() + 1, |rest| {
        rest.starts_with('\\').then(|| match rest.get(1..2) {
            Some("u") => {
                let half = rest.get(2..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                if half.is_some_and(|half| (0xd800..0xdc00).contains(&half)) {
                    (12, 4)
                } else {
                    (6, unicode_length(rest, 2..6))
                }
            }
            _ => (2, 1),
        })
    });
    Text { value, places }
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
