//! The layout of a mapping file put right, its order and its comments kept.
//!
//! One blank stands on both sides of `=`, more before it only where it stands under another's of the same table; programs are
//! literal strings, expressions are spaced as Entra shows them; lists and tables on one line have one blank behind commas; there
//! is a blank line before a table and never two. What stands in several lines keeps them.
//!
//! Only blanks and quotes change. The result is read again and compared, and a file that would come to mean something else
//! stays as it is.

mod value;

use std::collections::HashMap;

use super::quote::is_bare;
use super::tree::{self, Item, Key, Node, Table};
use super::{Mapping, file};
use crate::language::Language;
use crate::language::entra::Outline;
use crate::text::{Code, Diagnostic, Diagnostics, Source, Span};

use value::{Role, write};

/// The text with its layout put right.
///
/// # Errors
/// The findings of a file that cannot be read, or with an expression that does not parse; such a file stays as it is. What else
/// is wrong with a mapping is no reason to leave its layout.
pub fn format(source: &Source) -> Result<String, Diagnostics> {
    let text = source.text();
    if text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count() {
        let plain = Source::new(source.name(), text.replace("\r\n", "\n"));
        return format(&plain).map(|text| text.replace('\n', "\r\n"));
    }
    let mut found = Diagnostics::new(source.clone());
    let compiled = Mapping::compile(source).diagnostics;
    found.extend(compiled.iter().filter(|finding| finding.is_error() && finding.code.number() < 300).cloned());
    if found.is_empty() && text.trim_start().starts_with('{') {
        let message = "the mapping is JSON; the layout of TOML files alone is put right";
        found.push(Diagnostic::new(Code::Toml, message, Span::new(0, 0)));
    }
    if !found.is_empty() {
        return Err(found);
    }
    let (tree, language) = read(source);
    let mut entries = Vec::new();
    collect(text, &tree, Place { language, ..Place::default() }, &mut entries);
    entries.sort_by_key(|entry| entry.key.span);
    let made = laid_out(text, &entries);
    let again = Source::new(source.name(), made.clone());
    let (other, _) = read(&again);
    let same = same_tables(&tree, &other, Place { language, ..Place::default() });
    Ok(if same { made } else { text.to_owned() })
}

/// The tree of a file that has no errors of syntax, and the language of its bare strings.
fn read(source: &Source) -> (Table, Language) {
    let mut ignored = Vec::new();
    let tree = tree::read(source, &mut ignored);
    let language = file::read(tree.clone(), &mut ignored).language.unwrap_or(Language::Entra);
    (tree, language)
}

/// Where in the file an entry stands, which says what its strings are.
#[derive(Debug, Clone, Copy)]
struct Place {
    language: Language,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Attributes,
    Rule,
    Programs,
    Other,
}

impl Default for Place {
    fn default() -> Self {
        Self { language: Language::Entra, part: Part::Top }
    }
}

impl Place {
    /// What stands below a key of this place.
    fn below(self, key: &str) -> Place {
        let part = match (self.part, key) {
            (Part::Top, "attributes") => Part::Attributes,
            (Part::Top, "script" | "snippets") => Part::Programs,
            (Part::Attributes, _) => Part::Rule,
            _ => Part::Other,
        };
        Place { part, ..self }
    }

    /// What a string behind a key of this place is.
    fn role(self, key: &str) -> Role {
        match (self.part, key) {
            (Part::Attributes, _) => Role::Program(self.language),
            (Part::Rule, "expr") => Role::Program(Language::Entra),
            (Part::Rule, "liquid" | "rhai" | "jinja") | (Part::Top, "macros") => Role::Program(Language::Liquid),
            (Part::Programs, key) if key != "on_error" => Role::Program(Language::Liquid),
            _ => Role::Plain,
        }
    }
}

/// A key with its value, as one or more lines of the file.
struct Entry<'t> {
    key: &'t Key,
    node: &'t Node,
    place: Place,
}

/// Whether a table or list is written by headers or dotted keys, in lines of its own.
fn is_spread(text: &str, node: &Node) -> bool {
    let begins = |node: &Node, sign: u8| text.as_bytes().get(node.span.start as usize) == Some(&sign);
    match &node.item {
        Item::Table(_) => !begins(node, b'{'),
        Item::Array(items) => {
            !items.is_empty() && items.iter().all(|item| matches!(item.item, Item::Table(_)) && !begins(item, b'{'))
        }
        _ => false,
    }
}

fn collect<'t>(text: &str, table: &'t Table, place: Place, entries: &mut Vec<Entry<'t>>) {
    for (key, node) in &table.entries {
        match &node.item {
            Item::Table(inner) if is_spread(text, node) => collect(text, inner, place.below(&key.name), entries),
            Item::Array(items) if is_spread(text, node) => {
                for item in items {
                    if let Item::Table(inner) = &item.item {
                        collect(text, inner, place.below(&key.name), entries);
                    }
                }
            }
            _ => entries.push(Entry { key, node, place }),
        }
    }
}

/// A line of the result that holds an entry's beginning.
struct Line {
    /// The key as it is to be, with what stands before it on its line.
    key: String,
    /// How many blanks stand before the equals sign.
    blanks: usize,
    value: String,
    /// What stands behind the value.
    behind: String,
}

/// The whole text.
fn laid_out(text: &str, entries: &[Entry<'_>]) -> String {
    let mut out = Output { text: String::with_capacity(text.len() + 64), lines: Vec::new() };
    let mut at = 0;
    for entry in entries {
        let (key, value) = (entry.key.span.range(), entry.node.span.range());
        let start = text.get(..key.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        out.between(text.get(at..start).unwrap_or_default());
        let prefix = text.get(start..key.start).unwrap_or_default().trim_start();
        let raw = text.get(key.clone()).unwrap_or_default();
        let name = if entry.place.part == Part::Attributes { rekeyed(&entry.key.name, raw) } else { raw.to_owned() };
        let sign = text.get(key.end..value.start).unwrap_or_default();
        let end = text.get(value.end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| value.end + at);
        let behind = text.get(value.end..end).unwrap_or_default().trim_end();
        let comment = behind.trim_start();
        let gap = behind.len() - comment.len();
        out.lines.push(Line {
            key: format!("{prefix}{name}"),
            blanks: sign.chars().take_while(|letter| *letter != '=').count(),
            value: write(text, entry.node, entry.place.role(&entry.key.name), &|key| {
                entry.place.below(&entry.key.name).role(key)
            }),
            behind: if comment.is_empty() { String::new() } else { format!("{}{comment}", " ".repeat(gap.max(1))) },
        });
        at = (end + 1).min(text.len());
    }
    out.between(text.get(at..).unwrap_or_default());
    out.flush();
    let end = out.text.trim_end().len();
    out.text.truncate(end);
    if !out.text.is_empty() {
        out.text.push('\n');
    }
    out.text
}

/// A key of `[attributes]`: without quotes where it needs none, else in single ones where they can hold it.
fn rekeyed(name: &str, raw: &str) -> String {
    if is_bare(name) {
        return name.to_owned();
    }
    let fits = !name.chars().any(|letter| letter == '\'' || letter.is_control());
    if raw.starts_with('"') && fits { format!("'{name}'") } else { raw.to_owned() }
}

/// The text made so far, and the entries that wait for the rest of their table: where an equals sign goes depends on it.
struct Output {
    text: String,
    lines: Vec<Line>,
}

impl Output {
    /// Lines without entries: blank, comments, headers.
    fn between(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                self.flush();
                let last = self.text.trim_end().rsplit('\n').next().unwrap_or_default();
                if !last.is_empty() && !last.starts_with('#') && !self.text.ends_with("\n\n") {
                    self.text.push('\n');
                }
                self.text.push_str(line);
                self.text.push('\n');
            } else {
                // An entry's place is known only with its table; what stands between waits with it.
                self.lines.push(Line { key: String::new(), blanks: 0, value: String::new(), behind: line.to_owned() });
            }
        }
    }

    /// Writes what waits.
    fn flush(&mut self) {
        let mut columns: HashMap<usize, usize> = HashMap::new();
        for line in &self.lines {
            *columns.entry(line.column()).or_default() += 1;
        }
        for line in &self.lines {
            if line.key.is_empty() {
                let blank = line.behind.is_empty();
                if !blank || !self.text.is_empty() && !self.text.ends_with("\n\n") {
                    self.text.push_str(&line.behind);
                    self.text.push('\n');
                }
                continue;
            }
            let shared = columns.get(&line.column()).is_some_and(|count| *count > 1);
            let blanks = if shared { line.blanks.max(1) } else { 1 };
            self.text.push_str(&line.key);
            self.text.push_str(&" ".repeat(blanks));
            self.text.push_str("= ");
            self.text.push_str(&line.value);
            self.text.push_str(&line.behind);
            self.text.push('\n');
        }
        self.lines.clear();
    }
}

impl Line {
    /// Where its equals sign stands, from 0.
    fn column(&self) -> usize {
        if self.key.is_empty() { 0 } else { self.key.chars().count() + self.blanks.max(1) }
    }
}

/// Whether two files say the same: all names and values, expressions by their outlines.
fn same_tables(one: &Table, other: &Table, place: Place) -> bool {
    one.entries.len() == other.entries.len()
        && one.entries.iter().zip(&other.entries).all(|((key, node), (again, other))| {
            key.name == again.name && same(node, other, place.below(&key.name), place.role(&key.name))
        })
}

fn same(one: &Node, other: &Node, place: Place, role: Role) -> bool {
    match (&one.item, &other.item) {
        (Item::Table(one), Item::Table(other)) => same_tables(one, other, place),
        (Item::Array(one), Item::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other, place, Role::Plain))
        }
        (Item::String(one), Item::String(other)) => {
            one.value == other.value
                || role == Role::Program(Language::Entra)
                    && match (Outline::parse(&one.value), Outline::parse(&other.value)) {
                        (Ok(one), Ok(other)) => one.to_string() == other.to_string(),
                        _ => false,
                    }
        }
        (Item::Integer(one), Item::Integer(other)) => one == other,
        (Item::Float(one), Item::Float(other)) => one.to_bits() == other.to_bits(),
        (Item::Boolean(one), Item::Boolean(other)) => one == other,
        (Item::Null, Item::Null) => true,
        (Item::Other(one), Item::Other(other)) => one == other,
        _ => false,
    }
}
