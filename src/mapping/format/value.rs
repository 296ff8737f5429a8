//! A value of a mapping file as it is to be written.

use super::super::tree::{Item, Node};
use crate::language::Language;
use crate::language::entra::tidy;

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A word or a value: its quotes are the author's.
    Plain,
    /// A program. Of the languages only Entra's has blanks that mean nothing; all others are one here.
    Program(Language),
}

/// The value's text; `below` says what a string behind a key of its table is.
pub(super) fn write(text: &str, node: &Node, role: Role, below: &dyn Fn(&str) -> Role) -> String {
    let raw = text.get(node.span.range()).unwrap_or_default();
    match &node.item {
        Item::String(string) => match role {
            Role::Plain => raw.to_owned(),
            Role::Program(language) => program(raw, &string.value, language),
        },
        Item::Array(items) => {
            let parts: Vec<(std::ops::Range<usize>, String)> = items
                .iter()
                .map(|item| (item.span.range(), write(text, item, Role::Plain, &|_| Role::Plain)))
                .collect();
            joined(text, node, ("[", "]"), "", &parts)
        }
        Item::Table(table) => {
            let parts: Vec<(std::ops::Range<usize>, String)> = table
                .entries
                .iter()
                .map(|(key, node)| {
                    let name = text.get(key.span.range()).unwrap_or_default();
                    let value = write(text, node, below(&key.name), &|_| Role::Plain);
                    (key.span.range().start..node.span.range().end, format!("{name} = {value}"))
                })
                .collect();
            joined(text, node, ("{", "}"), " ", &parts)
        }
        _ => raw.to_owned(),
    }
}

/// The elements of a list or table: on one line, or where the author has put them.
fn joined(
    text: &str,
    node: &Node,
    (open, close): (&str, &str),
    within: &str,
    parts: &[(std::ops::Range<usize>, String)],
) -> String {
    let whole = node.span.range();
    let mut gaps = Vec::new();
    let mut at = whole.start;
    for (span, _) in parts {
        gaps.push(text.get(at..span.start).unwrap_or_default());
        at = span.end;
    }
    gaps.push(text.get(at..whole.end).unwrap_or_default());
    // A dotted key in an inline table has its first parts in the gap: such a table stays as it is.
    let odd = |gap: &&str| gap.chars().any(|letter| !" \t\n\r,[]{}".contains(letter)) && !gap.contains('#');
    if gaps.iter().any(odd) || gaps.len() != parts.len() + 1 {
        return text.get(whole).unwrap_or_default().to_owned();
    }
    if !gaps.iter().any(|gap| gap.contains('\n')) {
        if parts.is_empty() {
            return format!("{open}{close}");
        }
        let parts: Vec<&str> = parts.iter().map(|(_, part)| part.as_str()).collect();
        return format!("{open}{within}{}{within}{close}", parts.join(", "));
    }
    let mut out = String::new();
    for (index, gap) in gaps.iter().enumerate() {
        out.push_str(&spaced(gap));
        if let Some((_, part)) = parts.get(index) {
            out.push_str(part);
        }
    }
    out
}

/// What stands between two elements, without blanks at the ends of its lines.
fn spaced(gap: &str) -> String {
    if !gap.contains('\n') {
        let sign = gap.trim();
        return if sign == "," { ", ".to_owned() } else { gap.to_owned() };
    }
    let mut lines = gap.split('\n');
    let last = lines.next_back().unwrap_or_default();
    let mut out: String = lines.flat_map(|line| [line.trim_end(), "\n"]).collect();
    out.push_str(last);
    out
}

/// A program in single quotes where these can hold it, an expression with its blanks put right.
fn program(raw: &str, value: &str, language: Language) -> String {
    let tidied = if language == Language::Entra { tidy(value) } else { None };
    let wanted = tidied.as_deref().unwrap_or(value);
    let long = raw.starts_with("'''");
    if wanted == value && raw.starts_with('\'') && (!long || value.contains(['\'', '\n']) || raw.contains('\n')) {
        return raw.to_owned();
    }
    let odd = |letter: char| letter.is_control() && letter != '\t' && letter != '\n';
    if wanted.chars().any(odd) || wanted.contains("'''") || wanted.ends_with('\'') {
        return raw.to_owned();
    }
    if !wanted.contains(['\'', '\n']) {
        return format!("'{wanted}'");
    }
    // The line feed behind the opening quotes is no part of the value.
    let begins = raw.get(3..).is_some_and(|rest| rest.starts_with('\n'));
    let kept = (long || raw.starts_with("\"\"\"")) && !begins && !wanted.starts_with('\n') || !wanted.contains('\n');
    format!("'''{}{wanted}'''", if kept { "" } else { "\n" })
}
