//! A file of records as CSV, by the rules of `provisor map`: the header names attributes as the mapping spells them, a cell is text,
//! and an empty one is no value. It is held in memory.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::SyncError;
use super::difference::at;
use super::lines::{MAX_FILE, PAGE};
use super::records::{Record, named};
use crate::target::Object;
use crate::value::rows::{Rows, Scan, cells, columns};

/// The longest row, in bytes.
const MAX_ROW: usize = 16 * 1024 * 1024;

/// A file of CSV, read.
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    records: Vec<Record>,
    places: HashMap<String, usize>,
}

impl Sheet {
    /// Reads it; its keys must be there and different.
    pub(super) fn read(path: &Path, key: &str) -> Result<Self, SyncError> {
        let name = path.display();
        let failed = |error: std::io::Error| SyncError::Settings(format!("{name}: {error}"));
        if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(SyncError::Settings(format!("{name}: a file of records has at most {MAX_FILE} bytes")));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let wrong = |(line, what): (usize, String)| SyncError::Settings(format!("{name}: line {line}: {what}"));
        let parsed = Parsed::of(&text).map_err(wrong)?;
        let (mut records, mut places) = (Vec::with_capacity(parsed.records.len()), HashMap::new());
        for (line, record) in parsed.records {
            let Some(id) = named(&at(&record, key)) else {
                let what = format!("the record has no {key:?}; `key` says which attribute names a record");
                return Err(wrong((line, what)));
            };
            if places.insert(id.clone(), records.len()).is_some() {
                return Err(wrong((line, format!("there is another record with {key} {id:?}"))));
            }
            records.push(Record { id, text: Value::Object(record).to_string() });
        }
        Ok(Self { columns: parsed.columns, records, places })
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Some records from a place on.
    pub(super) fn page(&self, from: usize) -> Vec<Record> {
        self.records.iter().skip(from).take(PAGE).cloned().collect()
    }

    /// A record by its key; `None` when there is none.
    pub(super) fn one(&self, id: &str) -> Option<Record> {
        self.records.get(*self.places.get(id)?).cloned()
    }
}

/// The text of a file of CSV.
struct Parsed {
    columns: Vec<String>,
    /// Each record with its line.
    records: Vec<(usize, Object)>,
}

impl Parsed {
    /// What is wrong comes with its line.
    fn of(text: &str) -> Result<Self, (usize, String)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut scan = Scan::new();
        let mut last = 1;
        for (number, line) in (1..).zip(text.as_bytes().split_inclusive(|byte| *byte == b'\n')) {
            scan.line(line, number);
            last = number;
        }
        if scan.is_quoted() {
            let quote = usize::try_from(scan.quote).unwrap_or_default();
            let below = last.saturating_sub(scan.quote);
            return Err((quote, format!("a quote is opened here and never closed, in {below} lines below")));
        }
        let mut rows = Rows::new(text.as_bytes(), 1);
        let line = |line: u64| usize::try_from(line).unwrap_or(usize::MAX);
        let header = rows.next();
        let at = header.as_ref().map_or(1, |row| line(row.line));
        // The whole is UTF-8, and rows end where lines do.
        let header = header.and_then(|row| std::str::from_utf8(row.text).ok()).unwrap_or_default();
        let columns = columns(header).map_err(|error| (at, error.to_string()))?;
        let (mut records, mut found) = (Vec::new(), Vec::new());
        for row in rows {
            let at = line(row.line);
            if row.text.len() > MAX_ROW {
                return Err((at, format!("the row is longer than {MAX_ROW} bytes")));
            }
            cells(std::str::from_utf8(row.text).unwrap_or_default(), &mut found);
            if let Some(misfit) = row.misfit(found.len(), columns.len()) {
                return Err((at, misfit));
            }
            let named = columns.iter().zip(&found).filter(|(_, cell)| !cell.is_empty());
            records.push((at, named.map(|(name, cell)| (name.clone(), Value::from(&**cell))).collect()));
        }
        Ok(Self { columns, records })
    }
}
