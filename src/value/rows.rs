//! CSV as RFC 4180 has it, in two steps: [`Scan`] says where rows end while the input is read, and [`Rows`] takes whole
//! rows apart later, on any thread. Cells without quotes are borrowed, never copied.
//!
//! Done here and not by the `csv` crate (with which the tests compare it), which does not tell where a row began behind
//! empty lines, that the input ended inside of quotes, or that a row grows without end.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2};

use super::{AttributePath, Layout};
use crate::text::did_you_mean;

/// Where a reading stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a row.
    Row,
    /// Behind a comma.
    Cell,
    /// In a cell without quotes, or behind the quotes of one that has more behind them.
    Plain,
    /// Inside of quotes.
    Quoted,
    /// Behind a quote that closes, or is the first of two that stand for one.
    Closed,
}

impl At {
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) | (At::Row | At::Cell | At::Closed, b'"') => At::Quoted,
            (_, b'\n' | b'\r') => At::Row,
            (_, b',') => At::Cell,
            _ => At::Plain,
        }
    }
}

/// Counts rows, line by line.
#[derive(Debug)]
pub(crate) struct Scan {
    at: At,
    /// How many rows have ended.
    pub(crate) rows: u64,
    /// The line with the quote that was opened last.
    pub(crate) quote: u64,
}

impl Scan {
    pub(crate) fn new() -> Self {
        Self { at: At::Row, rows: 0, quote: 0 }
    }

    /// Takes the line with this number, its line feed included.
    pub(crate) fn line(&mut self, mut line: &[u8], number: u64) {
        if self.at == At::Row {
            let bare = without_end(line);
            if memchr2(b'"', b'\r', bare).is_none() {
                if line.ends_with(b"\n") {
                    self.rows += u64::from(!bare.is_empty());
                } else if !bare.is_empty() {
                    self.at = At::Plain;
                }
                return;
            }
        }
        while let Some((byte, rest)) = line.split_first() {
            if self.at == At::Quoted && *byte != b'"' {
                let Some(quote) = memchr(b'"', line) else { return };
                line = line.get(quote..).unwrap_or_default();
                continue;
            }
            let next = self.at.behind(*byte);
            if next == At::Quoted && matches!(self.at, At::Row | At::Cell) {
                self.quote = number;
            }
            self.rows += u64::from(next == At::Row && self.at != At::Row);
            self.at = next;
            line = rest;
        }
    }

    /// Whether the reading stands inside of quotes, where a line feed is part of the cell.
    pub(crate) fn is_quoted(&self) -> bool {
        self.at == At::Quoted
    }

    /// The input is at its end, which ends a row too.
    pub(crate) fn end(&mut self) {
        self.rows += u64::from(self.at != At::Row);
        self.at = At::Row;
    }
}

/// A line without its line feed and the carriage return before it.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The rows of a text that holds only whole ones; empty lines are none.
pub(crate) struct Rows<'t> {
    text: &'t [u8],
    line: u64,
}

/// A row as it stands in the input, without the end of its line.
pub(crate) struct Row<'t> {
    /// The line on which it begins.
    pub(crate) line: u64,
    /// How many lines it takes.
    pub(crate) lines: u64,
    pub(crate) text: &'t [u8],
}

impl<'t> Rows<'t> {
    /// The first line of the text has this number.
    pub(crate) fn new(text: &'t [u8], line: u64) -> Self {
        Self { text, line }
    }
}

impl<'t> Iterator for Rows<'t> {
    type Item = Row<'t>;

    fn next(&mut self) -> Option<Row<'t>> {
        while let Some((byte @ (b'\n' | b'\r'), rest)) = self.text.split_first() {
            self.line += u64::from(*byte == b'\n');
            self.text = rest;
        }
        if self.text.is_empty() {
            return None;
        }
        let (text, rest) = self.text.split_at_checked(row_length(self.text))?;
        let feeds = memchr::memchr_iter(b'\n', text).count() as u64;
        let row = Row { line: self.line, lines: feeds + 1, text };
        self.text = rest;
        self.line += feeds;
        Some(row)
    }
}

/// How many bytes the first row has; the text does not begin with the end of a line.
fn row_length(text: &[u8]) -> usize {
    let line = text.get(..memchr(b'\n', text).unwrap_or(text.len())).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if memchr2(b'"', b'\r', line).is_none() {
        return line.len();
    }
    let mut at = At::Row;
    for (index, byte) in text.iter().enumerate() {
        at = at.behind(*byte);
        if at == At::Row {
            return index;
        }
    }
    text.len()
}

impl Row<'_> {
    /// Why the row is no record, when it has not as many cells as there are columns.
    pub(crate) fn misfit(&self, cells: usize, columns: usize) -> Option<String> {
        if cells == columns {
            return None;
        }
        let fields = if cells == 1 { "field" } else { "fields" };
        let quote = match self.lines {
            1 => String::new(),
            lines => format!("; the row takes {lines} lines: is a quote not closed?"),
        };
        Some(format!("the row has {cells} {fields} and the header has {columns}{quote}"))
    }
}

/// Why a row cannot name the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// It names none.
    Empty,
    /// It names this one twice.
    Twice(String),
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the first line of a CSV file names the columns; it is empty"),
            Self::Twice(name) => write!(f, "the column `{name}` stands twice"),
        }
    }
}

/// The columns that a header names, without the blanks around them; each name is an attribute as a mapping spells it.
pub(crate) fn columns(header: &str) -> Result<Vec<String>, BadHeader> {
    let mut names = Vec::new();
    cells(header, &mut names);
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    if names.iter().all(String::is_empty) {
        return Err(BadHeader::Empty);
    }
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|other| other == name) {
            return Err(BadHeader::Twice(name.clone()));
        }
    }
    Ok(names)
}

/// What is said when a mapping reads columns that a file does not have.
pub(crate) fn missing(columns: &[String], layout: &Layout) -> Option<String> {
    let missing: Vec<&str> = layout
        .reads()
        // A path such as `name.givenName` is not looked for in a file that has no values within values.
        .filter(|read| AttributePath::readings(read).len() == 1 && !columns.iter().any(|column| column == read))
        .collect();
    let lacks = match missing.as_slice() {
        [] => return None,
        [one] => format!("the column `{one}`"),
        several => {
            format!("the columns {}", several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
        }
    };
    let hint = match columns {
        [only] if only.contains([';', '\t']) => {
            let found = if only.contains(';') { "a semicolon" } else { "a tab" };
            Some(format!(
                "the header is one column with {found} in it, and the separator is a comma: save the file with commas"
            ))
        }
        _ => missing.first().and_then(|first| did_you_mean(first, columns.iter().map(String::as_str))),
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    Some(format!("the mapping reads {lacks}, which the file does not have{hint}"))
}

/// Puts the cells of a row into `cells`, which is emptied first.
pub(crate) fn cells<'t>(row: &'t str, cells: &mut Vec<Cow<'t, str>>) {
    cells.clear();
    let mut rest = row;
    loop {
        let (cell, behind) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside),
            None => match memchr(b',', rest.as_bytes()).and_then(|comma| rest.split_at_checked(comma)) {
                Some((cell, behind)) => (Cow::Borrowed(cell), behind),
                None => (Cow::Borrowed(rest), ""),
            },
        };
        cells.push(cell);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return,
        }
    }
}

/// The cell behind an opening quote and what follows it. What stands between the closing quote and the comma belongs to
/// the cell, as spreadsheets have it.
fn quoted(inside: &str) -> (Cow<'_, str>, &str) {
    let mut cell = Cow::Borrowed("");
    let mut rest = inside;
    while let Some((before, behind)) = rest.split_once('"') {
        append(&mut cell, before);
        match behind.strip_prefix('"') {
            Some(next) => {
                append(&mut cell, "\"");
                rest = next;
            }
            None => {
                let (more, behind) =
                    behind.split_at_checked(behind.find(',').unwrap_or(behind.len())).unwrap_or_default();
                append(&mut cell, more);
                return (cell, behind);
            }
        }
    }
    append(&mut cell, rest);
    (cell, "")
}

/// Appends without a copy when there was nothing yet.
fn append<'t>(cell: &mut Cow<'t, str>, more: &'t str) {
    if cell.is_empty() {
        *cell = Cow::Borrowed(more);
    } else if !more.is_empty() {
        cell.to_mut().push_str(more);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours(text: &str) -> Vec<Vec<String>> {
        let mut row = Vec::new();
        Rows::new(text.as_bytes(), 1)
            .map(|found| {
                cells(std::str::from_utf8(found.text).unwrap(), &mut row);
                row.iter().map(|cell| cell.clone().into_owned()).collect()
            })
            .collect()
    }

    fn theirs(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn rows_know_their_lines_behind_empty_ones_and_ones_of_several() {
        let lines: Vec<(u64, u64)> =
            Rows::new(b"\n\na,b\r\n\r\n\"x\ny\",z\n\nc", 10).map(|row| (row.line, row.lines)).collect();
        assert_eq!(lines, [(12, 1), (14, 2), (17, 1)]);
    }

    proptest! {
        #[test]
        fn cells_are_those_of_the_csv_crate(text in "[ab\",,\"\n\r é]{0,40}") {
            prop_assert_eq!(ours(&text), theirs(&text));
        }

        #[test]
        fn the_scan_counts_the_rows_that_are_read(text in "[ab\",\"\n\r]{0,40}") {
            let mut scan = Scan::new();
            for (line, number) in text.as_bytes().split_inclusive(|byte| *byte == b'\n').zip(1..) {
                scan.line(line, number);
            }
            scan.end();
            prop_assert_eq!(scan.rows, Rows::new(text.as_bytes(), 1).count() as u64);
        }
    }
}
