//! The backup format: JSON lines, the same for every kind of store.
//!
//! The first line names the format and the schema, the last one has the number of lines between them and a SHA-256 over all
//! before it. Between them are facts; a later fact about a thing takes the place of an earlier one, so that a backup
//! can be written while the store changes. Indexes are not in it: a restore makes them from the resources' keys.

use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::types::{Dumped, Keys, LogEntry, LogLine, OutboxEntry, Stored};
use super::{Rewind, StoreError};

/// The version of the lines.
const FORMAT: u64 = 1;
/// The longest line.
const MAX_LINE: u64 = 256 << 20;

/// Bytes: a text where they are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Octets(pub(super) Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Text(String),
    Bytes { base64: String },
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => to.serialize_str(text),
            Err(_) => Spelled::Bytes { base64: STANDARD.encode(&self.0) }.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Spelled::deserialize(from)? {
            Spelled::Text(text) => Ok(Self(text.into_bytes())),
            Spelled::Bytes { base64 } => STANDARD.decode(base64).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    provisor: String,
    schema: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer {
    end: u64,
    sha256: String,
}

/// A resource, as a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceLine {
    source: String,
    kind: String,
    id: String,
    version: u64,
    created: u64,
    modified: u64,
    number: u64,
    members: u64,
    body: Octets,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Octets>,
    unique: Vec<(String, Octets)>,
    plain: Vec<(String, Octets)>,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A resource is this.
    Resource(Box<ResourceLine>),
    /// A resource is gone.
    NoResource { source: String, id: String },
    /// A group has a member.
    Member { source: String, group: String, member: String, kind: String },
    /// A group does not have a member.
    NoMember { source: String, group: String, member: String },
    /// A record is this.
    Record { table: String, key: Octets, value: Octets },
    /// A record is gone.
    NoRecord { table: String, key: Octets },
    /// An outbox entry.
    Outbox { number: u64, source: String, body: Octets },
    /// An entry of the provisioning log.
    Log {
        number: u64,
        source: String,
        at: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource: Option<String>,
        failed: bool,
        body: Octets,
    },
    /// Entries with lower numbers are gone.
    Oldest { outbox: u64, log: u64 },
    /// The numbers that the next entries get.
    Next { outbox: u64, log: u64 },
    /// The place in the order of creation that the next resource of a kind gets.
    NextResource { source: String, kind: String, number: u64 },
}

impl Line {
    pub(super) fn resource(source: &str, stored: Stored) -> Self {
        let Stored { kind, id, version, created, modified, number, members, body, profile, keys } = stored;
        Self::Resource(Box::new(ResourceLine {
            source: source.to_owned(),
            kind,
            id,
            version,
            created,
            modified,
            number,
            members,
            body: Octets(body),
            profile: profile.map(Octets),
            unique: keys.of_unique().map(octets).collect(),
            plain: keys.of_plain().map(octets).collect(),
        }))
    }

    pub(super) fn outbox(entry: OutboxEntry) -> Self {
        Self::Outbox { number: entry.number, source: entry.source, body: Octets(entry.body) }
    }

    pub(super) fn log(line: LogLine) -> Self {
        let LogEntry { at, resource, failed, body } = line.entry;
        Self::Log { number: line.number, source: line.source, at, resource, failed, body: Octets(body) }
    }
}

fn octets((index, key): (&str, &[u8])) -> (String, Octets) {
    (index.to_owned(), Octets(key.to_vec()))
}

impl ResourceLine {
    /// The source and the resource.
    pub(super) fn into_stored(self) -> (String, Stored) {
        let Self { source, kind, id, version, created, modified, number, members, body, profile, unique, .. } = self;
        let keys = unique.iter().fold(Keys::default(), |keys, (index, key)| keys.unique(index, &key.0));
        let keys = self.plain.iter().fold(keys, |keys, (index, key)| keys.plain(index, &key.0));
        let (body, profile) = (body.0, profile.map(|profile| profile.0));
        (source, Stored { kind, id, version, created, modified, number, members, body, profile, keys })
    }
}

fn unreadable(line: u64, error: impl std::fmt::Display) -> StoreError {
    StoreError::Dump { line, what: error.to_string() }
}

/// Writes a backup.
pub(super) struct DumpWriter<'w> {
    to: &'w mut dyn Write,
    digest: Sha256,
    lines: u64,
}

impl<'w> DumpWriter<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Result<Self, StoreError> {
        let mut writer = Self { to, digest: Sha256::new(), lines: 0 };
        writer.put(&Header { provisor: "backup".to_owned(), schema: FORMAT })?;
        Ok(writer)
    }

    fn put(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|error| StoreError::Io(error.to_string()))?;
        text.push(b'\n');
        self.digest.update(&text);
        self.to.write_all(&text)?;
        Ok(())
    }

    pub(super) fn line(&mut self, line: &Line) -> Result<(), StoreError> {
        self.lines += 1;
        self.put(line)
    }

    pub(super) fn finish(mut self) -> Result<Dumped, StoreError> {
        let dumped = Dumped { lines: self.lines, digest: hexadecimal(&self.digest.clone().finalize()) };
        self.put(&Footer { end: dumped.lines, sha256: dumped.digest.clone() })?;
        self.to.flush()?;
        Ok(dumped)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A line of the file, with its end; empty at the end of the file.
fn read_line(from: &mut dyn Rewind, number: u64, text: &mut Vec<u8>) -> Result<(), StoreError> {
    text.clear();
    std::io::Read::take(&mut *from, MAX_LINE).read_until(b'\n', text)?;
    if text.len() as u64 == MAX_LINE {
        return Err(unreadable(number, "the line is too long"));
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        return Err(unreadable(number, "the file ends within a line"));
    }
    Ok(())
}

/// Checks a backup from its first to its last line.
fn check(from: &mut dyn Rewind) -> Result<Dumped, StoreError> {
    let (mut digest, mut text, mut number) = (Sha256::new(), Vec::new(), 1);
    read_line(from, number, &mut text)?;
    let header: Header = serde_json::from_slice(&text).map_err(|_| unreadable(1, "this is no backup of Provisor"))?;
    if header.provisor != "backup" {
        return Err(unreadable(1, "this is no backup of Provisor"));
    }
    if header.schema != FORMAT {
        return Err(StoreError::Schema { found: header.schema, known: FORMAT });
    }
    digest.update(&text);
    loop {
        number += 1;
        read_line(from, number, &mut text)?;
        if text.is_empty() {
            return Err(unreadable(0, "its end is missing"));
        }
        if text.starts_with(b"{\"end\":") {
            break;
        }
        digest.update(&text);
    }
    let footer: Footer = serde_json::from_slice(&text).map_err(|error| unreadable(number, error))?;
    let found = Dumped { lines: number - 2, digest: hexadecimal(&digest.finalize()) };
    if footer.end != found.lines {
        return Err(unreadable(0, format!("it has {} lines and should have {}", found.lines, footer.end)));
    }
    if footer.sha256 != found.digest {
        return Err(unreadable(0, format!("its SHA-256 is {} and should be {}", found.digest, footer.sha256)));
    }
    read_line(from, number + 1, &mut text)?;
    if text.is_empty() { Ok(found) } else { Err(unreadable(number + 1, "there is more after its end")) }
}

/// Reads a backup: first to check it as a whole, then to give each line. Nothing is given of one that is damaged.
pub(super) fn read(
    from: &mut dyn Rewind,
    mut each: impl FnMut(Line) -> Result<(), StoreError>,
) -> Result<Dumped, StoreError> {
    let dumped = check(from)?;
    from.rewind()?;
    let mut text = Vec::new();
    read_line(from, 1, &mut text)?;
    for number in (2..).take(usize::try_from(dumped.lines).unwrap_or(usize::MAX)) {
        read_line(from, number, &mut text)?;
        each(serde_json::from_slice(&text).map_err(|error| unreadable(number, error))?)?;
    }
    Ok(dumped)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_damaged_backup_gives_nothing() {
        let mut file = Vec::new();
        let mut writer = DumpWriter::new(&mut file).unwrap();
        let record =
            |key: &[u8]| Line::Record { table: "links".into(), key: Octets(key.into()), value: Octets(vec![0xFF]) };
        writer.line(&record(b"one")).unwrap();
        writer.line(&record(b"two")).unwrap();
        writer.finish().unwrap();

        let mut lines = Vec::new();
        read(&mut Cursor::new(&file), |line| {
            lines.push(line);
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, [record(b"one"), record(b"two")]);

        let refused = |file: &[u8]| read(&mut Cursor::new(file), |_| panic!("it gave a line")).unwrap_err();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            refused(&damaged);
            refused(&file[..at]);
        }
        refused(&[file.as_slice(), b"\n"].concat());
        let newer = String::from_utf8(file).unwrap().replace("\"schema\":1", "\"schema\":2");
        assert_eq!(refused(newer.as_bytes()), StoreError::Schema { found: 2, known: 1 });
    }
}
