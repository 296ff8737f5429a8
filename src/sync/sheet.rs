//! A file of records as CSV, by the rules of `provisor map`: the header names attributes as the mapping spells them, a cell is text,
//! and an empty one is no value.

use serde_json::Value;

use crate::target::Object;
use crate::value::rows::{Rows, Scan, cells, columns};

/// The longest row, in bytes.
const MAX_ROW: usize = 16 * 1024 * 1024;

/// A file of CSV, read.
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    /// Each record with its line.
    pub(super) records: Vec<(usize, Object)>,
}

impl Sheet {
    /// Reads it; what is wrong comes with its line.
    pub(super) fn read(text: &str) -> Result<Self, (usize, String)> {
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
