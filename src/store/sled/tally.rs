//! What a source's lines of the provisioning log come to: the newest one, and how many there were in each hour of the last
//! day. It is one record a source, written with the line, so that nobody reads the log to say how a source fares.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::store::types::{LogLine, Millis, Table};
use crate::store::{Activity, StoreError};

use super::codec::{self, Reader, Writer};
use super::engine::Engine;
use super::keys::{self, Space};
use super::staging::Line;

const HOUR: Millis = 60 * 60 * 1_000;
/// A day, and the hour that has begun.
const HOURS: usize = 25;

/// The lines of one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hour {
    /// Hours since 1970.
    since: u64,
    succeeded: u64,
    failed: u64,
}

/// What the record holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    number: u64,
    /// The newest line, as the log has it.
    line: Vec<u8>,
    /// In the order of time.
    hours: Vec<Hour>,
}

impl Tally {
    fn parse(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader::new(Space::Record, row);
        let (number, line) = (row.number()?, row.bytes()?.to_vec());
        let mut hours = Vec::new();
        while !row.is_empty() {
            hours.push(Hour { since: row.number()?, succeeded: row.number()?, failed: row.number()? });
        }
        Ok(Self { number, line, hours })
    }

    fn write(&self) -> Vec<u8> {
        let mut row = Writer(Vec::with_capacity(self.line.len() + 16 + 8 * self.hours.len()));
        row.number(self.number);
        row.bytes(&self.line);
        for hour in &self.hours {
            for number in [hour.since, hour.succeeded, hour.failed] {
                row.number(number);
            }
        }
        row.0
    }

    fn add(&mut self, at: Millis, failed: bool) {
        let hour = at / HOUR;
        let place = self.hours.partition_point(|known| known.since < hour);
        if self.hours.get(place).is_none_or(|known| known.since != hour) {
            self.hours.insert(place, Hour { since: hour, ..Hour::default() });
        }
        if let Some(known) = self.hours.get_mut(place) {
            *(if failed { &mut known.failed } else { &mut known.succeeded }) += 1;
        }
        let newest = self.hours.last().map_or(0, |last| last.since);
        self.hours.retain(|known| known.since.saturating_add(HOURS as u64) > newest);
    }
}

/// The tallies after these lines, the first of which has the number `first`, and their keys.
pub(super) fn count(engine: &Engine, first: u64, lines: &[Line]) -> Result<HashMap<Vec<u8>, Vec<u8>>, StoreError> {
    let mut tallies: HashMap<&str, (Tally, &Line)> = HashMap::new();
    for (number, line) in (first..).zip(lines) {
        let (tally, last) = match tallies.entry(&line.source) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let row = engine.get(&keys::record(Table::Activity, line.source.as_bytes()))?;
                new.insert((row.map_or(Ok(Tally::default()), |row| Tally::parse(&row))?, line))
            }
        };
        (tally.number, *last) = (number, line);
        tally.add(line.at, line.failed);
    }
    let rows = tallies.into_iter().map(|(source, (mut tally, last))| {
        tally.line.clone_from(&last.row);
        (keys::record(Table::Activity, source.as_bytes()), tally.write())
    });
    Ok(rows.collect())
}

/// What a source did since the hour in which `since` lies.
pub(super) fn read(engine: &Engine, source: &str, since: Millis) -> Result<Activity, StoreError> {
    let Some(row) = engine.get(&keys::record(Table::Activity, source.as_bytes()))? else {
        return Ok(Activity::default());
    };
    let tally = Tally::parse(&row)?;
    let last = codec::read_log(&tally.line)?.pop();
    let last = last.map(|(source, entry)| LogLine { number: tally.number, source, entry });
    let (mut succeeded, mut failed) = (0, 0);
    for hour in tally.hours.iter().filter(|known| known.since >= since / HOUR) {
        succeeded += hour.succeeded;
        failed += hour.failed;
    }
    Ok(Activity { last, succeeded, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_counted_for_a_day_and_read_back() {
        let mut tally = Tally { number: 7, line: vec![1, 2], hours: Vec::new() };
        for hour in [100, 100, 99, 124, 90] {
            tally.add(hour * HOUR + 5, hour == 99);
        }
        let counted: Vec<_> = tally.hours.iter().map(|hour| (hour.since, hour.succeeded, hour.failed)).collect();
        assert_eq!(counted, [(100, 2, 0), (124, 1, 0)], "what is older than a day before the newest is forgotten");
        assert_eq!(Tally::parse(&tally.write()), Ok(tally));
        assert!(Tally::parse(&[0x80]).is_err());
    }
}
