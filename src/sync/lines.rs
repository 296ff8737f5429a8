//! [`Lines`]: a file of JSON lines whose records are read when they are needed. Held of each is where it stands and half a hash of its
//! key, 12 bytes in [`Rows`], and its number in an [`Index`]. The file stays open: one that is put in its place is of no concern to a
//! run, one that is written over is told.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::SyncError;
use super::difference::at;
use super::index::Index;
use super::records::{Record, named};
use super::rows::{Row, Rows};
use crate::target::Object;

/// The largest file of records, in bytes.
pub(super) const MAX_FILE: u64 = 1024 * 1024 * 1024;
/// How many records a page has.
pub(super) const PAGE: usize = 1_000;

/// Records of a file, by key.
pub(super) struct Lines {
    file: Mutex<File>,
    /// How the file is called.
    name: String,
    /// The attribute that names a record.
    key: String,
    places: Rows<Place>,
    /// The places by the key.
    index: Index,
}

/// Where a record stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Half of the hash of its key.
    half: u32,
    /// No file is longer than [`MAX_FILE`].
    offset: u32,
    length: u32,
}

impl Row for Place {
    const WIDTH: usize = 12;

    fn write(&self, bytes: &mut Vec<u8>) {
        for number in [self.half, self.offset, self.length] {
            bytes.extend(number.to_le_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(4).filter_map(|four| Some(u32::from_le_bytes(*four.first_chunk()?)));
        Some(Self { half: numbers.next()?, offset: numbers.next()?, length: numbers.next()? })
    }
}

impl Lines {
    /// Reads a file once; its keys must be there and different.
    pub(super) fn read(path: &Path, key: &str) -> Result<Self, SyncError> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| SyncError::Settings(format!("{name}: {error}"));
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MAX_FILE {
            return Err(SyncError::Settings(format!("{name}: a file of records has at most {MAX_FILE} bytes")));
        }
        // Opened by itself: a record that is looked at again in between must not move the place of this one.
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut lines = Self {
            file: Mutex::new(file),
            name: name.clone(),
            key: key.to_owned(),
            places: Rows::default(),
            index: Index::default(),
        };
        let (mut line, mut offset, mut number) = (String::new(), 0, 0_u64);
        loop {
            line.clear();
            let length = reader.read_line(&mut line).map_err(failed)?;
            if length == 0 {
                break;
            }
            number += 1;
            if !line.trim().is_empty() {
                lines
                    .add(&line, offset)
                    .map_err(|what| SyncError::Settings(format!("{name}: line {number}: {what}")))?;
            }
            offset += length as u64;
        }
        if let Some((place, id)) = lines.twin()? {
            let before = BufReader::new(File::open(path).map_err(failed)?).take(place.offset.into());
            let line = before.split(b'\n').count() + 1;
            let what = format!("there is another record with {key} {id:?}");
            return Err(SyncError::Settings(format!("{name}: line {line}: {what}")));
        }
        Ok(lines)
    }

    /// The first record whose key one before it has.
    fn twin(&mut self) -> Result<Option<(Place, String)>, SyncError> {
        let mut twin: Option<(u32, String)> = None;
        for alike in self.index.alike() {
            let mut ids = HashSet::new();
            for number in alike {
                if twin.as_ref().is_some_and(|(first, _)| *first < number) {
                    break;
                }
                let id = self.at(number)?.id;
                if ids.contains(&id) {
                    twin = Some((number, id));
                    break;
                }
                ids.insert(id);
            }
        }
        self.intact()?;
        Ok(twin.map(|(number, id)| (self.places.get(number as usize), id)))
    }

    fn add(&mut self, line: &str, offset: u64) -> Result<(), String> {
        let id = key_of(line, &self.key)?;
        let half = self.index.half(&id);
        let offset = u32::try_from(offset).map_err(|_| "it begins too far in the file".to_owned())?;
        let length = u32::try_from(line.len()).map_err(|_| "the line is too long".to_owned())?;
        let number = u32::try_from(self.places.len()).map_err(|_| "there are too many records".to_owned())?;
        self.places.push(Place { half, offset, length });
        self.index.add(number, &id);
        Ok(())
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Some records from a place on.
    pub(super) fn page(&self, from: usize) -> Result<Vec<Record>, SyncError> {
        let to = self.len().min(from.saturating_add(PAGE));
        let places: Vec<Place> = (from..to).map(|number| self.places.get(number)).collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(Vec::new()) };
        let text = self.text(first.offset, u64::from(last.offset - first.offset) + u64::from(last.length))?;
        let record = |place: &Place| {
            let start = (place.offset - first.offset) as usize;
            let line = text.get(start..start.saturating_add(place.length as usize)).ok_or_else(|| self.other())?;
            self.record(line, *place)
        };
        places.iter().map(record).collect()
    }

    /// A record by its key; `None` when there is none.
    pub(super) fn one(&self, id: &str) -> Result<Option<Record>, SyncError> {
        let half = self.index.half(id);
        let is_alike = |number: &u32| (*number as usize) < self.len() && self.places.get(*number as usize).half == half;
        let likely = self.index.likely().into_iter().flatten().filter(is_alike);
        // The others are looked for when it is none of these.
        for number in likely.chain(std::iter::once_with(|| self.index.candidates(half)).flatten()) {
            let record = self.at(number)?;
            if record.id == id {
                self.index.found(number);
                return Ok(Some(record));
            }
        }
        self.intact()?;
        Ok(None)
    }

    /// That all was there that was asked for.
    fn intact(&self) -> Result<(), SyncError> {
        self.places.intact().and_then(|()| self.index.intact()).map_err(SyncError::Settings)
    }

    fn at(&self, number: u32) -> Result<Record, SyncError> {
        let place = self.places.get(number as usize);
        self.record(&self.text(place.offset, u64::from(place.length))?, place)
    }

    fn record(&self, line: &str, place: Place) -> Result<Record, SyncError> {
        self.intact()?;
        let id = key_of(line, &self.key).map_err(|_| self.other())?;
        if self.index.half(&id) != place.half {
            return Err(self.other());
        }
        Ok(Record { id, text: line.trim_end().to_owned() })
    }

    fn text(&self, offset: u32, length: u64) -> Result<String, SyncError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = file.seek(SeekFrom::Start(u64::from(offset))).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|_| self.other())?;
        String::from_utf8(bytes).map_err(|_| self.other())
    }

    /// It is not the file that it was.
    fn other(&self) -> SyncError {
        let name = &self.name;
        SyncError::Settings(format!(
            "{name}: it was written over while it was read; put a new file in its place instead"
        ))
    }
}

/// The key of a line's record.
fn key_of(line: &str, key: &str) -> Result<String, String> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let found = Named(key).deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
    let found = match found.map_err(|error| format!("no JSON object: {error}"))? {
        Some(found) => found,
        // It is a path, then.
        None => at(&serde_json::from_str::<Object>(line).unwrap_or_default(), key),
    };
    named(&found).ok_or_else(|| format!("the record has no {key:?}; `key` says which attribute names a record"))
}

/// Reads one attribute of an object and makes nothing of the others.
struct Named<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
