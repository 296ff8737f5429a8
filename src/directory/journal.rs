//! The provisioning log read back: filters, pages, and a line as JSON or as a row of CSV.

use serde_json::{Map, Value};

use super::Directory;
use super::log::Told;
use super::render::time;
use crate::clock::Millis;
use crate::dotnet::date::{Moment, parse_any};
use crate::store::{LogEntry, LogLine, LogQuery, Page, StoreError};

/// The first row of a CSV export; [`Line::csv`] gives the others.
pub const CSV_HEADER: &str = "number,time,source,operation,bulk,resource,id,name,attributes,outcome,unchanged,status,scimType,detail,token,label,request,mapping\r\n";

/// Lines that are read at once.
const STEP: usize = 500;
/// Lines that one question looks at before it gives a short page.
const MAX_LOOKED: usize = 20_000;

/// Which lines; every part that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// What the store answers by itself, with the order and the length of a page.
    pub query: LogQuery,
    /// The resource type, letter case aside.
    pub resource: Option<String>,
    /// The id or the label of the token.
    pub token: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// Only lines of these sources; none is no limit.
    pub sources: Vec<String>,
}

impl LogFilter {
    fn matches(&self, line: &Line) -> bool {
        let told = &line.told;
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        (self.sources.is_empty() || self.sources.contains(&line.source))
            && is(&self.operation, &told.operation)
            && is(&self.resource, told.resource.as_deref().unwrap_or_default())
            && self.token.as_ref().is_none_or(|wanted| *wanted == told.token || *wanted == told.label)
    }
}

/// A line of the provisioning log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number; numbers rise in the order of commits.
    pub number: u64,
    /// When.
    pub at: Millis,
    /// The source.
    pub source: String,
    /// The id of the resource, as far as there is one.
    pub id: Option<String>,
    /// Whether the write was refused.
    pub failed: bool,
    /// The rest.
    pub told: Told,
}

impl From<LogLine> for Line {
    fn from(line: LogLine) -> Self {
        let LogEntry { at, resource, failed, body } = line.entry;
        // A line of another version tells less; that is no reason to hide the others.
        let told = serde_json::from_slice(&body).unwrap_or_default();
        Self { number: line.number, at, source: line.source, id: resource, failed, told }
    }
}

impl Line {
    /// `success` or `failure`.
    pub fn outcome(&self) -> &'static str {
        outcome(self.failed)
    }

    /// When, in RFC 3339.
    pub fn time(&self) -> String {
        time(self.at)
    }

    /// As the API and JSONL give it.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("number".into(), self.number.into());
        out.insert("time".into(), self.time().into());
        out.insert("source".into(), self.source.as_str().into());
        let mut told = match serde_json::to_value(&self.told) {
            Ok(Value::Object(told)) => told,
            _ => Map::new(),
        };
        for name in ["operation", "bulk", "resource"] {
            out.extend(told.shift_remove(name).map(|value| (name.to_owned(), value)));
        }
        if let Some(id) = &self.id {
            out.insert("id".into(), id.as_str().into());
        }
        for name in ["name", "attributes"] {
            out.extend(told.shift_remove(name).map(|value| (name.to_owned(), value)));
        }
        out.insert("outcome".into(), self.outcome().into());
        out.extend(told);
        Value::Object(out)
    }

    /// As a row of CSV (RFC 4180), with its end. A cell that a spreadsheet would take for a formula begins with `'`.
    pub fn csv(&self) -> String {
        let told = &self.told;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let flag = |value: bool| if value { "true".to_owned() } else { String::new() };
        let cells = [
            self.number.to_string(),
            self.time(),
            self.source.clone(),
            told.operation.clone(),
            flag(told.bulk),
            text(&told.resource),
            text(&self.id),
            text(&told.name),
            told.attributes.join(" "),
            self.outcome().to_owned(),
            flag(told.unchanged),
            told.status.to_string(),
            text(&told.scim_type),
            text(&told.detail),
            told.token.clone(),
            told.label.clone(),
            told.request.clone(),
            text(&told.mapping),
        ];
        let mut row = cells.map(|cell| guarded(&cell)).join(",");
        row.push_str("\r\n");
        row
    }
}

pub(super) fn outcome(failed: bool) -> &'static str {
    if failed { "failure" } else { "success" }
}

/// A cell of CSV; one that a spreadsheet would take for a formula begins with `'`.
pub(crate) fn guarded(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    if cell.contains(['"', ',', '\r', '\n', '\t']) {
        return format!("\"{guard}{}\"", cell.replace('"', "\"\""));
    }
    format!("{guard}{cell}")
}

/// A time: RFC 3339 (without an offset it is UTC), or how long ago, such as `24h`, `30m`, `7d`, `90s`.
///
/// # Errors
/// It is neither; the text says what would be.
pub fn parse_time(text: &str, now: Millis) -> Result<Millis, String> {
    let wrong = || format!("{text:?} is no time: 2026-01-31T08:00:00Z, or how long ago: 24h, 30m, 7d");
    if let Some((number, unit)) = text.len().checked_sub(1).and_then(|at| text.split_at_checked(at)) {
        let unit: Option<Millis> = match unit {
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        if let (Some(unit), Ok(number)) = (unit, number.parse::<u64>()) {
            return Ok(now.saturating_sub(number.saturating_mul(unit)));
        }
    }
    let mut shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    if !b"0000-00-00".iter().all(|wanted| shape.next() == Some(*wanted)) {
        return Err(wrong());
    }
    let moment = parse_any(text, None).map_err(|_| wrong())?;
    let epoch = Moment::from_unix_millis(0).map_or(0, Moment::ticks);
    u64::try_from((moment.ticks() - epoch) / 10_000).map_err(|_| wrong())
}

impl Directory {
    /// Lines of the provisioning log. A page may be shorter than asked for, even empty, although more follow: look at `next`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn log(&self, filter: &LogFilter) -> Result<Page<Line>, StoreError> {
        let limit = filter.query.limit;
        let mut query = LogQuery { limit: STEP, ..filter.query.clone() };
        let (mut items, mut looked) = (Vec::new(), 0);
        loop {
            let page = self.store.log(&query).await?;
            looked += page.items.len();
            let last = page.items.len();
            for (place, line) in page.items.into_iter().enumerate() {
                let cursor = line.cursor();
                let line = Line::from(line);
                if filter.matches(&line) {
                    items.push(line);
                }
                if items.len() >= limit {
                    let more = page.next.is_some() || place + 1 < last;
                    return Ok(Page { items, next: more.then_some(cursor) });
                }
            }
            // The store gives a short page when it has looked at enough.
            if page.next.is_none() || looked >= MAX_LOOKED || last < STEP {
                return Ok(Page { items, next: page.next });
            }
            query.after = page.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = 1_800_000_000_000;
        for (text, at) in [
            ("24h", now - 86_400_000),
            ("90s", now - 90_000),
            ("1970-01-02", 86_400_000),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T00:00:01.5Z", 1_500),
        ] {
            assert_eq!(parse_time(text, now), Ok(at), "{text}");
        }
        for text in
            ["", "h", "yesterday", "24", "-1h", "8:30", "1969-01-01", "2026-13-01", "2026-01-01T00:00:00 01:00é"]
        {
            assert!(parse_time(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn cells() {
        for (cell, guard) in [
            ("plain", "plain"),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("a\"b", "\"a\"\"b\""),
            ("-", "'-"),
            ("+49", "'+49"),
        ] {
            assert_eq!(guarded(cell), guard);
        }
    }
}
