//! How values are written: a resource, the rows of the order of creation, entries of outbox and log, counters. Lengths
//! are checked on the way back; what does not fit is damage, not a panic.

use std::fmt;

use crate::store::types::Packed;
use crate::store::{Keys, LogEntry, StoreError, Stored};

use super::keys::{self, Space};

/// Appends values to a row.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A place of the order and the id there.
    fn placed(&mut self, place: u8, id: &str) {
        self.byte(place);
        match keys::uuid_bytes(id) {
            Some(bytes) => {
                self.byte(UUID);
                self.0.extend_from_slice(&bytes);
            }
            None => {
                self.byte(TEXT);
                self.bytes(id.as_bytes());
            }
        }
    }
}

/// Takes values from a row.
pub(super) struct Reader<'r> {
    rest: &'r [u8],
    space: Space,
}

impl<'r> Reader<'r> {
    pub(super) fn new(space: Space, row: &'r [u8]) -> Self {
        Self { rest: row, space }
    }

    pub(super) fn damage(&self) -> StoreError {
        StoreError::corrupt(self.space.name(), "a value ends early or has parts it should not have")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, StoreError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| self.damage())?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damage())
    }

    pub(super) fn bytes(&mut self) -> Result<&'r [u8], StoreError> {
        let length = usize::try_from(self.number()?).map_err(|_| self.damage())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damage())?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn string(&mut self) -> Result<String, StoreError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| self.damage())
    }

    /// An id: a text, or the bytes of a UUID.
    pub(super) fn id(&mut self, is_text: bool) -> Result<PlacedId<'r>, StoreError> {
        if is_text {
            return std::str::from_utf8(self.bytes()?).map(PlacedId::Text).map_err(|_| self.damage());
        }
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| self.damage())?;
        self.rest = rest;
        Ok(PlacedId::Uuid(bytes))
    }
}

pub(super) fn write_resource(stored: &Stored) -> Vec<u8> {
    let keys = stored.keys.unique.as_bytes().len() + stored.keys.plain.as_bytes().len();
    let content = stored.body.len() + stored.profile.as_ref().map_or(0, Vec::len);
    let mut row = Writer(Vec::with_capacity(96 + keys + content));
    for number in [stored.version, stored.created, stored.modified, stored.number, stored.members] {
        row.number(number);
    }
    row.bytes(stored.kind.as_bytes());
    for keys in [&stored.keys.unique, &stored.keys.plain] {
        row.number(keys.len());
        row.0.extend_from_slice(keys.as_bytes());
    }
    row.bytes(&stored.body);
    row.byte(u8::from(stored.profile.is_some()));
    if let Some(profile) = &stored.profile {
        row.bytes(profile);
    }
    row.0
}

pub(super) fn read_resource(id: &str, row: &[u8]) -> Result<Stored, StoreError> {
    let mut row = Reader::new(Space::Resource, row);
    let (version, created, modified) = (row.number()?, row.number()?, row.number()?);
    let (number, members, kind) = (row.number()?, row.number()?, row.string()?);
    let keys = Keys { unique: read_keys(&mut row)?, plain: read_keys(&mut row)? };
    let body = row.bytes()?.to_vec();
    let profile = match row.byte()? {
        0 => None,
        _ => Some(row.bytes()?.to_vec()),
    };
    if !row.is_empty() {
        return Err(row.damage());
    }
    Ok(Stored { kind, id: id.to_owned(), version, created, modified, number, members, body, profile, keys })
}

/// Only the kind of a resource.
pub(super) fn read_kind(row: &[u8]) -> Result<String, StoreError> {
    let mut row = Reader::new(Space::Resource, row);
    for _ in 0..5 {
        row.number()?;
    }
    row.string()
}

fn read_keys(row: &mut Reader<'_>) -> Result<Packed, StoreError> {
    let (count, begins) = (row.number()?, row.rest);
    for _ in 0..count {
        std::str::from_utf8(row.bytes()?).map_err(|_| row.damage())?;
        row.bytes()?;
    }
    let length = begins.len() - row.rest.len();
    Ok(Packed::from_row(count, begins.get(..length).unwrap_or_default()))
}

/// A row of the order of creation: places within the row and the ids there. The first byte is their number, so that pages
/// are skipped without reading more. In older rows all ids are texts; [`COMPACT`] in the first byte says that UUIDs are bytes.
pub(super) fn write_extent(places: &[(u8, String)]) -> Vec<u8> {
    let mut row = Writer(Vec::with_capacity(2 + places.len() * 18));
    row.byte(places.len() as u8 | COMPACT);
    for (place, id) in places {
        row.placed(*place, id);
    }
    row.0
}

/// In the first byte of a row of the order: UUIDs are bytes.
const COMPACT: u8 = 0x80;
/// Before an id that is a UUID, and before another one.
const UUID: u8 = 1;
const TEXT: u8 = 2;

/// A row of the order with one more place, which is behind all that are there.
pub(super) fn append_extent(row: &[u8], place: u8, id: &str) -> Result<Vec<u8>, StoreError> {
    match row.split_first() {
        Some((count, places)) if count & COMPACT != 0 => {
            let mut longer = Writer(Vec::with_capacity(row.len() + id.len() + 3));
            longer.byte((count & !COMPACT).saturating_add(1) | COMPACT);
            longer.0.extend_from_slice(places);
            longer.placed(place, id);
            Ok(longer.0)
        }
        _ => {
            let mut places = if row.is_empty() { Vec::new() } else { read_extent(row)? };
            places.push((place, id.to_owned()));
            Ok(write_extent(&places))
        }
    }
}

pub(super) fn read_extent(row: &[u8]) -> Result<Vec<(u8, String)>, StoreError> {
    let mut places = Places::of(row)?;
    let read = places.by_ref().map(|place| place.map(|(place, id)| (place, id.to_string()))).collect();
    if places.row.is_empty() { read } else { Err(places.row.damage()) }
}

/// How many places of a row of the order are taken.
pub(super) fn count_of_extent(row: &[u8]) -> u8 {
    row.first().map_or(0, |count| count & !COMPACT)
}

/// The places of a row of the order, one after the other.
pub(super) struct Places<'r> {
    row: Reader<'r>,
    left: u8,
    is_compact: bool,
}

/// An id in a row of the order or of members; as text it is what it is called.
pub(super) enum PlacedId<'r> {
    Uuid(&'r [u8; 16]),
    Text(&'r str),
}

impl fmt::Display for PlacedId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(bytes) => f.write_str(&keys::uuid_text(**bytes)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl<'r> Places<'r> {
    pub(super) fn of(row: &'r [u8]) -> Result<Self, StoreError> {
        let mut row = Reader::new(Space::Order, row);
        let count = row.byte()?;
        Ok(Self { row, left: count & !COMPACT, is_compact: count & COMPACT != 0 })
    }

    fn step(&mut self) -> Result<(u8, PlacedId<'r>), StoreError> {
        let place = self.row.byte()?;
        let tag = if self.is_compact { self.row.byte()? } else { TEXT };
        match tag {
            UUID | TEXT => Ok((place, self.row.id(tag == TEXT)?)),
            _ => Err(self.row.damage()),
        }
    }
}

impl<'r> Iterator for Places<'r> {
    type Item = Result<(u8, PlacedId<'r>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.step())
    }
}

/// How many resources of a kind there are, and the place the next one gets.
pub(super) fn write_count(count: u64, next: u64) -> Vec<u8> {
    let mut row = Writer::default();
    row.number(count);
    row.number(next);
    row.0
}

pub(super) fn read_count(row: &[u8]) -> Result<(u64, u64), StoreError> {
    let mut row = Reader::new(Space::Count, row);
    Ok((row.number()?, row.number()?))
}

/// An entry of the outbox, as one of several in a row.
pub(super) fn write_outbox(source: &str, body: &[u8]) -> Vec<u8> {
    let mut entry = Writer::default();
    entry.bytes(source.as_bytes());
    entry.bytes(body);
    entry.0
}

/// An entry of the log, as one of several in a row.
pub(super) fn write_log(source: &str, log: &LogEntry) -> Vec<u8> {
    let mut entry = Writer::default();
    entry.number(log.at);
    entry.byte(u8::from(log.failed) | u8::from(log.resource.is_some()) << 1);
    entry.bytes(source.as_bytes());
    if let Some(resource) = &log.resource {
        entry.bytes(resource.as_bytes());
    }
    entry.bytes(&log.body);
    entry.0
}

pub(super) fn read_outbox(row: &[u8]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut row = Reader::new(Space::Outbox, row);
    let mut entries = Vec::new();
    while !row.is_empty() {
        entries.push((row.string()?, row.bytes()?.to_vec()));
    }
    Ok(entries)
}

pub(super) fn read_log(row: &[u8]) -> Result<Vec<(String, LogEntry)>, StoreError> {
    let mut row = Reader::new(Space::Log, row);
    let mut entries = Vec::new();
    while !row.is_empty() {
        let (at, flags, source) = (row.number()?, row.byte()?, row.string()?);
        let resource = if flags & 2 == 0 { None } else { Some(row.string()?) };
        entries.push((source, LogEntry { at, resource, failed: flags & 1 == 1, body: row.bytes()?.to_vec() }));
    }
    Ok(entries)
}

/// The numbers that only rise, and the size of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// The number of the next outbox entry.
    pub(super) outbox: u64,
    /// The number of the next log entry.
    pub(super) log: u64,
    /// The bytes of all log rows.
    pub(super) log_bytes: u64,
    /// The generation of the next value in pieces.
    pub(super) generation: u64,
    /// How many memberships were ever stored of ids that were no resources. While there was none, nobody looks for those of a
    /// new resource.
    pub(super) strays: u64,
}

impl Counters {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut row = Writer::default();
        for number in [self.outbox, self.log, self.log_bytes, self.generation, self.strays] {
            row.number(number);
        }
        row.0
    }

    pub(super) fn read(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader::new(Space::Meta, row);
        let (outbox, log, log_bytes, generation) = (row.number()?, row.number()?, row.number()?, row.number()?);
        // Older directories did not count them: there may be some.
        let strays = if row.is_empty() { 1 } else { row.number()? };
        Ok(Self { outbox, log, log_bytes, generation, strays })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_can_be_read_as_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (read_resource("x", &bytes), read_kind(&bytes), read_extent(&bytes), read_count(&bytes));
            let _ = (read_outbox(&bytes), read_log(&bytes), Counters::read(&bytes));
        }

        #[test]
        fn a_resource_is_read_back(
            numbers: [u64; 5], kind in "\\PC{0,9}", body: Vec<u8>, profile: Option<Vec<u8>>,
            pairs in proptest::collection::vec(("[a-z]{1,5}", proptest::collection::vec(any::<u8>(), 0..200)), 0..4),
        ) {
            let [version, created, modified, number, members] = numbers;
            let mut keys = Keys::default();
            for (index, key) in &pairs {
                keys = keys.unique(index, key).plain(index, key);
            }
            for kept in [keys.of_unique().collect::<Vec<_>>(), keys.of_plain().collect()] {
                prop_assert_eq!(kept, pairs.iter().map(|(index, key)| (index.as_str(), key.as_slice())).collect::<Vec<_>>());
            }
            let stored = Stored { kind: kind.clone(), id: "x".into(), version, created, modified, number, members, body, profile, keys };
            let row = write_resource(&stored);
            prop_assert_eq!(read_resource("x", &row), Ok(stored));
            prop_assert_eq!(read_kind(&row), Ok(kind));
            for cut in 0..row.len() {
                prop_assert!(read_resource("x", &row[..cut]).is_err());
            }
        }
    }
}
