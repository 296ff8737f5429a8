//! JSON (RFC 8259) as the tree of a mapping file.
//!
//! One walk over the characters, before the grammar, finds what the grammar would point at badly: what is not closed,
//! escapes that JSON does not have, and nesting, which the grammar would follow as deep as it goes.

use std::collections::HashSet;

use pest::Parser;
use pest::iterators::Pair;
use pest_derive::Parser;

use super::{Item, Key, Node, Table, Text, align, unicode_length};
use crate::text::{Code, Diagnostic, Span, shorten};

/// How deep a mapping given as JSON may nest.
const MAX_DEPTH: usize = 64;

#[derive(Parser)]
#[grammar = "../grammar/json.pest"]
struct Grammar;

pub(super) fn read(text: &str, found: &mut Vec<Diagnostic>) -> Option<Table> {
    if let Err(finding) = scan(text) {
        found.push(*finding);
        return None;
    }
    match Grammar::parse(Rule::document, text) {
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
            };
            found.push(syntax_error(text, at));
            None
        }
        Ok(mut pairs) => {
            let value = pairs.next()?.into_inner().next()?;
            match node(value, found).item {
                Item::Table(table) => Some(table),
                _ => None,
            }
        }
    }
}

fn invalid(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::Json, format!("the file is not valid JSON: {what}"), span)
}

fn scan(text: &str) -> Result<(), Box<Diagnostic>> {
    let mut open: Vec<usize> = Vec::new();
    // Where the string begins in which the walk is.
    let mut quoted: Option<usize> = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quoted) {
            ('\\', Some(start)) => escape(text, at, start)?,
            ('\n', Some(start)) => return Err(Box::new(not_closed(start, at))),
            (control, Some(_)) if control < ' ' => {
                let finding = invalid("a string holds a control character", Span::new(at, at + 1));
                let written = format!("\\u{:04x}", u32::from(control));
                return Err(Box::new(finding.fix(Span::new(at, at + 1), written, "write it as an escape")));
            }
            ('"', Some(_)) => quoted = None,
            ('"', None) => quoted = Some(at),
            ('{' | '[', None) => {
                open.push(at);
                if open.len() > MAX_DEPTH {
                    let message = format!("the JSON nests deeper than {MAX_DEPTH} levels");
                    return Err(Box::new(Diagnostic::new(Code::Json, message, Span::new(at, at + 1))));
                }
            }
            ('}' | ']', None) => {
                open.pop();
            }
            _ => {}
        }
        // What is escaped is none of the above.
        if character == '\\' && quoted.is_some() {
            characters.next();
        }
    }
    if let Some(start) = quoted {
        return Err(Box::new(not_closed(start, text.trim_end().len())));
    }
    let end = text.trim_end().len();
    match open.last() {
        Some(last) => Err(Box::new(
            invalid("it ends too early", Span::new(end, end))
                .also(Span::new(*last, *last + 1), "this one is not closed"),
        )),
        None => Ok(()),
    }
}

fn not_closed(start: usize, end: usize) -> Diagnostic {
    invalid("a string is not closed", Span::new(start, end)).label("it begins here")
}

/// The escape whose backslash is at `at`, in the string that begins at `start`.
fn escape(text: &str, at: usize, start: usize) -> Result<(), Box<Diagnostic>> {
    let rest = text.get(at + 1..).unwrap_or_default();
    let Some(character) = rest.chars().next() else {
        return Err(Box::new(not_closed(start, text.len())));
    };
    let digits = rest.get(1..5).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if "\"\\/bfnrt".contains(character) || character == 'u' && digits {
        return Ok(());
    }
    let span = Span::new(at, at + 1 + character.len_utf8());
    let what = if character.is_control() {
        "a backslash at the end of a line".to_owned()
    } else {
        format!("`\\{character}` is not an escape")
    };
    Err(Box::new(invalid(&what, span).fix(Span::new(at, at + 1), "\\\\", "write `\\\\` for a backslash")))
}

/// What the grammar stopped at.
fn syntax_error(text: &str, at: usize) -> Diagnostic {
    let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else {
        return invalid("it ends too early", Span::new(text.trim_end().len(), text.trim_end().len()));
    };
    let span = Span::new(at, at + character.len_utf8());
    let before = text.get(..at).unwrap_or_default().trim_end();
    let finding = invalid(&format!("`{}` is not expected here", character.escape_debug()), span);
    match before.strip_suffix(',') {
        Some(start) if matches!(character, '}' | ']') => {
            let comma = Span::new(start.len(), before.len());
            finding.also(comma, "after this comma").fix(comma, "", "remove the comma")
        }
        _ => finding,
    }
}

fn node(pair: Pair<'_, Rule>, found: &mut Vec<Diagnostic>) -> Node {
    let span = Span::new(pair.as_span().start(), pair.as_span().end());
    let item = match pair.as_rule() {
        Rule::object => {
            let mut table = Table::default();
            let mut known = HashSet::new();
            for member in pair.into_inner() {
                let mut parts = member.into_inner();
                let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
                let key = Key {
                    span: Span::new(name.as_span().start(), name.as_span().end()),
                    name: string(&name, found).value,
                };
                let value = node(value, found);
                if !known.insert(key.name.clone()) {
                    found.push(Diagnostic::new(
                        Code::DuplicateKey,
                        format!("the key `{}` stands twice", shorten(&key.name)),
                        key.span,
                    ));
                    continue;
                }
                table.entries.push((key, value));
            }
            Item::Table(table)
        }
        Rule::array => Item::Array(pair.into_inner().map(|item| node(item, found)).collect()),
        Rule::string => Item::String(string(&pair, found)),
        Rule::number => match (pair.as_str().parse::<i64>(), pair.as_str().parse::<f64>()) {
            (Ok(number), _) => Item::Integer(number),
            (Err(_), Ok(number)) if pair.as_str().contains(['.', 'e', 'E']) => Item::Float(number),
            _ => Item::Other("an integer of more than 64 bits; write it in quotes"),
        },
        Rule::boolean => Item::Boolean(pair.as_str() == "true"),
        _ => Item::Null,
    };
    Node { item, span }
}

fn string(pair: &Pair<'_, Rule>, found: &mut Vec<Diagnostic>) -> Text {
    let raw = pair.as_str();
    let start = pair.as_span().start();
    let value: String = serde_json::from_str(raw).unwrap_or_else(|_| {
        // Only half of a surrogate pair is left for the grammar to miss.
        let message = "the string has a half of a surrogate pair, which stands for no character";
        found.push(Diagnostic::new(Code::Json, message, Span::new(start, pair.as_span().end())));
        raw.trim_matches('"').to_owned()
    });
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    let places = align(inner, &value, start + 1, true, |rest| match rest.get(1..2) {
        Some("u") => {
            let half = rest.get(2..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            if half.is_some_and(|half| (0xd800..0xdc00).contains(&half)) {
                (12, 4)
            } else {
                (6, unicode_length(rest, 2..6))
            }
        }
        _ => (2, 1),
    });
    Text { value, places }
}
