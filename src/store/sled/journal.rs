//! The journal: what a batch writes, in a file of ours that is on the disk before anybody is answered. The database gets the
//! same batch at once but writes its own log when it likes; what it had not written when the process died is replayed from here.
//!
//! There are two files, each written from its beginning and used again when everything in it is in the database for good. A record
//! has a head (mark, epoch, number of the batch, length, checksum) and then keys and values. Numbers have no gaps; the database
//! keeps the number of the last batch it has. A process's records have an epoch of their own, so that none of an older one is
//! taken for the next.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::store::StoreError;

use super::staging::Writes;

/// The most bytes of a file. A batch that is larger is made durable by the database itself.
pub(super) const CAPACITY: u64 = 8 << 20;
/// Bytes by which a file grows: the disk is quicker where a file has its bytes already.
const GROWTH: u64 = 1 << 20;

const FILES: [&str; 2] = ["journal.0", "journal.1"];
const MARK: [u8; 4] = *b"PvJ1";
const HEAD: usize = 4 + 8 + 8 + 4 + 4;
/// The length of a value that is taken away.
const GONE: u32 = u32::MAX;

/// What one batch writes, as it will be in the file.
pub(super) struct Record {
    pub(super) number: u64,
    bytes: Vec<u8>,
}

impl Record {
    pub(super) fn new(number: u64, writes: &Writes) -> Self {
        let mut bytes = Vec::with_capacity(Self::length(writes) as usize);
        bytes.resize(HEAD, 0);
        for (key, value) in writes {
            // Neither is ever as long as four gigabytes.
            bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&value.as_ref().map_or(GONE, |value| value.len() as u32).to_be_bytes());
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        Self { number, bytes }
    }

    /// Bytes that a batch takes in the file.
    pub(super) fn length(writes: &Writes) -> u64 {
        let size = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| 8 + key.len() + value.as_ref().map_or(0, Vec::len);
        (HEAD + writes.iter().map(size).sum::<usize>()) as u64
    }

    /// Bytes in the file.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Fills in the head.
    fn seal(&mut self, epoch: u64) {
        let Some((head, body)) = self.bytes.split_at_mut_checked(HEAD) else { return };
        let length = (body.len() as u32).to_be_bytes();
        let sum = checksum(epoch, self.number, body).to_be_bytes();
        let parts: [&[u8]; 5] = [&MARK, &epoch.to_be_bytes(), &self.number.to_be_bytes(), &length, &sum];
        for (to, from) in head.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
    }
}

fn checksum(epoch: u64, number: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&epoch.to_be_bytes());
    hasher.update(&number.to_be_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// A record as it was read.
struct Found<'f> {
    epoch: u64,
    number: u64,
    body: &'f [u8],
}

/// The record at the beginning of these bytes, if there is a whole one.
fn parse(bytes: &[u8]) -> Option<Found<'_>> {
    let (mark, rest) = bytes.split_first_chunk::<4>()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let body = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let (epoch, number) = (u64::from_be_bytes(*epoch), u64::from_be_bytes(*number));
    let is_whole = *mark == MARK && u32::from_be_bytes(*sum) == checksum(epoch, number, body);
    is_whole.then_some(Found { epoch, number, body })
}

/// The keys and values of a record's body.
fn writes(mut body: &[u8]) -> Option<Writes> {
    let mut writes = Writes::new();
    while !body.is_empty() {
        let (key, rest) = body.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*key) as usize)?;
        let (value, rest) = match u32::from_be_bytes(*value) {
            GONE => (None, rest),
            length => {
                let (value, rest) = rest.split_at_checked(length as usize)?;
                (Some(value.to_vec()), rest)
            }
        };
        writes.insert(key.to_vec(), value);
        body = rest;
    }
    Some(writes)
}

/// One of the two files.
struct Side {
    file: File,
    /// Bytes that it has, whatever is in them.
    size: u64,
    /// The number of the last record written to it since it was used anew.
    last: u64,
}

/// The journal of a data directory.
pub(super) struct Journal {
    sides: [Side; 2],
    active: usize,
    at: u64,
    epoch: u64,
}

impl Journal {
    /// Opens or makes the files. The directory is to be synced after that.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let side = |name: &str| {
            let path = directory.join(name);
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let size = file.metadata()?.len();
            Ok::<_, StoreError>(Side { file, size, last: 0 })
        };
        let [first, second] = FILES;
        let epoch = uuid::Uuid::new_v4().as_u64_pair().0;
        Ok(Self { sides: [side(first)?, side(second)?], active: 0, at: 0, epoch })
    }

    /// What was written after the batch with this number, oldest first, and the numbers.
    pub(super) fn after(&mut self, known: u64) -> Result<Vec<(u64, Writes)>, StoreError> {
        let mut found = Vec::new();
        for side in &mut self.sides {
            let mut bytes = Vec::with_capacity(side.size.min(CAPACITY) as usize);
            side.file.seek(SeekFrom::Start(0))?;
            (&mut side.file).take(CAPACITY).read_to_end(&mut bytes)?;
            collect(&bytes, known, &mut found)?;
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        for ((number, _), wanted) in found.iter().zip(known.saturating_add(1)..) {
            if *number != wanted {
                return Err(damaged(&format!("batch {wanted} is missing, and batch {number} is there")));
            }
        }
        Ok(found)
    }

    /// Forgets everything. It must be in the database for good.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        for side in &mut self.sides {
            if side.size > 0 {
                side.file.seek(SeekFrom::Start(0))?;
                side.file.write_all(&[0; HEAD])?;
                side.file.sync_data()?;
                side.size = side.size.max(HEAD as u64);
            }
            side.last = 0;
        }
        (self.active, self.at) = (0, 0);
        Ok(())
    }

    /// Whether the file in use has room for a record.
    pub(super) fn has_room(&self, record: &Record) -> bool {
        self.at + record.len() <= CAPACITY
    }

    /// The number of the last record in the file that is not in use; all up to it must be in the database for good before
    /// [`Journal::turn`].
    pub(super) fn behind(&self) -> u64 {
        self.sides.get(1 - self.active).map_or(0, |side| side.last)
    }

    /// Goes on in the other file, from its beginning.
    pub(super) fn turn(&mut self) {
        (self.active, self.at) = (1 - self.active, 0);
    }

    /// Writes a record. It outlives this process when this returns, and is on the disk after [`Journal::sync`].
    pub(super) fn append(&mut self, mut record: Record) -> Result<(), StoreError> {
        record.seal(self.epoch);
        let end = self.at + record.len();
        let Some(side) = self.sides.get_mut(self.active) else { return Ok(()) };
        if end > side.size {
            let size = (end.next_multiple_of(GROWTH)).min(CAPACITY).max(end);
            side.file.seek(SeekFrom::Start(side.size))?;
            std::io::copy(&mut std::io::repeat(0).take(size - side.size), &mut side.file)?;
            side.size = size;
        }
        side.file.seek(SeekFrom::Start(self.at))?;
        side.file.write_all(&record.bytes)?;
        (side.last, self.at) = (record.number, end);
        Ok(())
    }

    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        Ok(self.sides.get(self.active).map_or(Ok(()), |side| side.file.sync_data())?)
    }
}

/// The records of a file that come after a number. The last may be cut off: nobody was answered for that. What cannot be is a
/// whole one after it.
fn collect(bytes: &[u8], known: u64, found: &mut Vec<(u64, Writes)>) -> Result<(), StoreError> {
    let (mut at, mut before): (usize, Option<(u64, u64)>) = (0, None);
    while let Some(record) = bytes.get(at..).and_then(parse) {
        let follows = before.is_none_or(|(epoch, last)| record.epoch == epoch && record.number == last + 1);
        if !follows {
            break;
        }
        if record.number > known {
            let writes =
                writes(record.body).ok_or_else(|| damaged("a record does not have the form it should have"))?;
            found.push((record.number, writes));
        }
        before = Some((record.epoch, record.number));
        at += HEAD + record.body.len();
    }
    let Some((epoch, last)) = before else { return Ok(()) };
    let rest = bytes.get(at..).unwrap_or_default();
    for place in memchr::memmem::find_iter(rest, &MARK) {
        let later = rest.get(place..).and_then(parse);
        if later.is_some_and(|later| later.epoch == epoch && later.number > last) {
            return Err(damaged(&format!("batch {} cannot be read, and later ones are there", last + 1)));
        }
    }
    Ok(())
}

fn damaged(what: &str) -> StoreError {
    StoreError::corrupt(
        "journal",
        format!("it does not open: {what}. Nothing was changed. Restore the last backup into a new data directory"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A directory that is gone at the end.
    struct Place(std::path::PathBuf);

    impl Place {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("provisor-journal-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str) -> Vec<u8> {
            std::fs::read(self.0.join(name)).unwrap()
        }

        fn put(&self, name: &str, bytes: &[u8]) {
            std::fs::write(self.0.join(name), bytes).unwrap();
        }

        fn read(&self, known: u64) -> Result<Vec<u64>, StoreError> {
            let found = Journal::open(&self.0)?.after(known)?;
            Ok(found.into_iter().map(|(number, _)| number).collect())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn some(number: u64, size: usize) -> Record {
        Record::new(
            number,
            &Writes::from([(b"key".to_vec(), Some(vec![number as u8; size])), (b"gone".to_vec(), None)]),
        )
    }

    proptest! {
        // Each syncs several times.
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_is_written_is_read_back_also_when_its_end_is_missing(
            batches in proptest::collection::vec(
                proptest::collection::btree_map(any::<Vec<u8>>(), any::<Option<Vec<u8>>>(), 0..5), 1..6),
            cut: proptest::sample::Index, known in 0..4_u64,
        ) {
            let place = Place::new();
            let mut journal = Journal::open(&place.0).unwrap();
            let mut ends = vec![0];
            for (number, writes) in (1..).zip(&batches) {
                journal.append(Record::new(number, writes)).unwrap();
                ends.push(journal.at as usize);
            }
            let all = journal.after(known).unwrap();
            let wanted: Vec<_> = (1..).zip(batches).skip(known as usize).collect();
            prop_assert_eq!(&all, &wanted);
            // The process died, or the power, while the last record was written.
            let cut = cut.index(ends.last().unwrap() + 1);
            place.put(FILES[0], &place.file(FILES[0])[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
            let kept: Vec<_> = wanted.into_iter().filter(|(number, _)| *number <= whole).collect();
            prop_assert_eq!(Journal::open(&place.0).unwrap().after(known).unwrap(), kept);
        }

        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>, number in 0..3_u64) {
            let mut record = Record { number, bytes: [vec![0; HEAD], bytes.clone()].concat() };
            record.seal(7);
            let _ = (collect(&bytes, 0, &mut Vec::new()), collect(&record.bytes, 0, &mut Vec::new()));
        }
    }

    #[test]
    fn a_file_is_used_again_and_what_is_old_in_it_is_not_read() {
        let place = Place::new();
        let mut journal = Journal::open(&place.0).unwrap();
        let size = CAPACITY as usize / 3;
        for number in 1..=20 {
            let record = some(number, size);
            if !journal.has_room(&record) {
                assert_eq!(journal.behind(), number.saturating_sub(3), "two are in each file");
                journal.turn();
            }
            journal.append(record).unwrap();
        }
        assert_eq!(place.read(16).unwrap(), [17, 18, 19, 20]);
        assert_eq!(place.read(18).unwrap(), [19, 20]);
        assert!(place.file(FILES[0]).len() as u64 <= CAPACITY);
        // One record in a file that has old ones behind it.
        journal.turn();
        journal.append(some(21, 10)).unwrap();
        assert_eq!(place.read(18).unwrap(), [19, 20, 21]);
        journal.clear().unwrap();
        assert_eq!(place.read(0).unwrap(), [0; 0]);
        journal.append(some(22, 10)).unwrap();
        assert_eq!(place.read(21).unwrap(), [22]);
        // Another process begins anew; that the records of this one lie behind its own must not matter.
        drop(journal);
        let mut journal = Journal::open(&place.0).unwrap();
        journal.clear().unwrap();
        journal.append(some(23, 10)).unwrap();
        assert_eq!(place.read(22).unwrap(), [23]);
    }

    #[test]
    fn what_was_acknowledged_and_cannot_be_read_is_told() {
        let place = Place::new();
        let mut journal = Journal::open(&place.0).unwrap();
        for number in 5..=7 {
            journal.append(some(number, 100)).unwrap();
        }
        assert_eq!(place.read(4).unwrap(), [5, 6, 7]);
        let missing = place.read(3).unwrap_err().to_string();
        assert!(missing.contains("batch 4 is missing"), "{missing}");
        let mut bytes = place.file(FILES[0]);
        let each = some(5, 100).len() as usize;
        bytes[each + HEAD + 50] ^= 1;
        place.put(FILES[0], &bytes);
        let damaged = place.read(4).unwrap_err().to_string();
        assert!(damaged.contains("batch 6 cannot be read"), "{damaged}");
        assert_eq!(place.read(4).is_err(), place.read(0).is_err());
        // The last one may be cut off or half written.
        bytes[each + HEAD + 50] ^= 1;
        bytes[each * 2 + HEAD + 50] ^= 1;
        place.put(FILES[0], &bytes);
        assert_eq!(place.read(4).unwrap(), [5, 6]);
    }
}
