//! [`Lines`]: a file of JSON lines whose records are read when they are needed. Held of each is where it stands and a hash of its
//! key, 16 bytes and its number in an index. The file stays open: one that is put in its place is of no concern to a run, one that is written over is told.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::SyncError;
use super::difference::at;
use super::records::{Record, named};
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
    places: Vec<Place>,
    /// The places by the hash of the key.
    index: HashTable<u32>,
    hasher: RandomState,
}

/// Where a record stands.
#[derive(Clone, Copy)]
struct Place {
    hash: u64,
    /// No file is longer than [`MAX_FILE`].
    offset: u32,
    length: u32,
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
            places: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
        };
        let (mut line, mut offset, mut number) = (String::new(), 0, 0_u64);
        loop {
            line.clear();
            let length = reader.read_line(&mut line).map_err(failed)?;
            if length == 0 {
                return Ok(lines);
            }
            number += 1;
            if !line.trim().is_empty() {
                lines
                    .add(&line, offset)
                    .map_err(|what| SyncError::Settings(format!("{name}: line {number}: {what}")))?;
            }
            offset += length as u64;
        }
    }

    fn add(&mut self, line: &str, offset: u64) -> Result<(), String> {
        let id = key_of(line, &self.key)?;
        let hash = self.hasher.hash_one(&id);
        let offset = u32::try_from(offset).map_err(|_| "it begins too far in the file".to_owned())?;
        let length = u32::try_from(line.len()).map_err(|_| "the line is too long".to_owned())?;
        let number = u32::try_from(self.places.len()).map_err(|_| "there are too many records".to_owned())?;
        if self.numbers(hash).any(|other| self.at(other).is_ok_and(|other| other.id == id)) {
            return Err(format!("there is another record with {} {id:?}", self.key));
        }
        self.places.push(Place { hash, offset, length });
        let Self { places, index, .. } = self;
        index.insert_unique(hash, number, |number| places.get(*number as usize).map_or(0, |place| place.hash));
        Ok(())
    }

    /// Records whose key may have this hash.
    fn numbers(&self, hash: u64) -> impl Iterator<Item = usize> {
        let is_it = move |number: &usize| self.places.get(*number).is_some_and(|place| place.hash == hash);
        self.index.iter_hash(hash).map(|number| *number as usize).filter(is_it)
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Some records from a place on.
    pub(super) fn page(&self, from: usize) -> Result<Vec<Record>, SyncError> {
        let places: Vec<Place> = self.places.iter().skip(from).take(PAGE).copied().collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(Vec::new()) };
        let text = self.text(first.offset, u64::from(last.offset - first.offset) + u64::from(last.length))?;
        let record = |place: &Place| {
            let start = (place.offset - first.offset) as usize;
            let line = text.get(start..start.saturating_add(place.length as usize)).ok_or_else(|| self.other())?;
            self.record(line, place)
        };
        places.iter().map(record).collect()
    }

    /// A record by its key; `None` when there is none.
    pub(super) fn one(&self, id: &str) -> Result<Option<Record>, SyncError> {
        for number in self.numbers(self.hasher.hash_one(id)) {
            let record = self.at(number)?;
            if record.id == id {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn at(&self, number: usize) -> Result<Record, SyncError> {
        let place = self.places.get(number).ok_or_else(|| self.other())?;
        self.record(&self.text(place.offset, u64::from(place.length))?, place)
    }

    fn record(&self, line: &str, place: &Place) -> Result<Record, SyncError> {
        let id = key_of(line, &self.key).map_err(|_| self.other())?;
        if self.hasher.hash_one(&id) != place.hash {
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
