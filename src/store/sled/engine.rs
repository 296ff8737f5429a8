//! The database itself, behind functions that cannot panic: whatever it throws becomes an error. Values of any size go in
//! and out; what is larger than a piece is cut, because the database would put it into files that it never syncs.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::{Bound, Deref};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use ::sled::{Batch, Db, IVec, Tree};

use crate::store::StoreError;
use crate::store::watch::Watch;

use super::ahead::{Ahead, Merged, Part};
use super::extents::Extents;
use super::joined::Joined;
use super::keys::{self, Space};
use super::kinds::Kinds;
use super::lasts::Lasts;
use super::names::Names;
use super::pack;
use super::resident::Resident;
use super::staging::Writes;

/// The largest piece of a value. At four kilobytes no page of the database grows into a file of its own.
pub(super) const PIECE: usize = 4_000;
/// The largest value.
pub(super) const MAX_VALUE: usize = 16 << 20;

/// The first byte of a value says its version and form.
const WHOLE: u8 = 1;
const IN_PIECES: u8 = 2;
const PACKED: u8 = 3;

/// An open database.
pub(super) struct Engine {
    pub(super) db: Db,
    pub(super) tree: Tree,
    /// Our own handle to the log file, because the database's flush does not sync it.
    pub(super) file: File,
    /// The batch that the database is being given.
    pub(super) ahead: Ahead,
    /// Who may be a member of a group.
    pub(super) joined: Joined,
    /// Who has a unique key.
    pub(super) names: Names,
    /// Rows of resources.
    pub(super) resident: Resident,
    /// Which resources changed.
    pub(super) watch: Watch,
    /// How the orders of creation are filled.
    pub(super) extents: Extents,
    /// Of what kind resources are that became members.
    pub(super) kinds: Kinds,
    /// Where new members come to stand.
    pub(super) lasts: Lasts,
    /// Held by the thread that learns something of all rows: one does, and leaves the other processors to those who ask.
    pub(super) learner: Mutex<()>,
}

/// Runs something of the database's.
pub(super) fn guarded<T>(call: impl FnOnce() -> ::sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(database_error(error)),
        Err(_) => Err(StoreError::corrupt("database", "the database panicked; its message is on standard error")),
    }
}

pub(super) fn database_error(error: ::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Io(error) => error.into(),
        ::sled::Error::Corruption { .. } => StoreError::corrupt("database", error.to_string()),
        other => StoreError::Io(other.to_string()),
    }
}

/// A value, whole.
pub(super) enum Value {
    Whole(IVec),
    /// Out of its pieces, or unpacked.
    Made(Vec<u8>),
}

impl Value {
    /// A stored value that is not in pieces.
    pub(super) fn of(key: &[u8], stored: IVec) -> Result<Self, StoreError> {
        match stored.split_first() {
            Some((&PACKED, packed)) => pack::unpack(packed).map(Self::Made).ok_or_else(|| damaged(key)),
            _ => Ok(Self::Whole(stored)),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes.get(1..).unwrap_or_default(),
            Self::Made(bytes) => bytes,
        }
    }
}

/// A key and the bytes under it.
pub(super) type Row = (Vec<u8>, Vec<u8>);
/// The same as the database has them.
pub(super) type Found = (IVec, IVec);

/// Where the pieces of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) generation: u64,
    pub(super) count: u32,
    length: u32,
    checksum: u32,
}

impl Pieces {
    /// The pieces of a stored value; `None` when it is whole.
    pub(super) fn of(key: &[u8], stored: &[u8]) -> Result<Option<Self>, StoreError> {
        match stored.split_first() {
            Some((&(WHOLE | PACKED), _)) => Ok(None),
            Some((&IN_PIECES, rest)) => {
                let (generation, rest) = rest.split_first_chunk().ok_or_else(|| damaged(key))?;
                let (count, rest) = rest.split_first_chunk().ok_or_else(|| damaged(key))?;
                let (length, rest) = rest.split_first_chunk().ok_or_else(|| damaged(key))?;
                let checksum = rest.try_into().map_err(|_| damaged(key))?;
                let pieces = Self {
                    generation: u64::from_be_bytes(*generation),
                    count: u32::from_be_bytes(*count),
                    length: u32::from_be_bytes(*length),
                    checksum: u32::from_be_bytes(checksum),
                };
                if pieces.count as usize > MAX_VALUE / PIECE + 1 { Err(damaged(key)) } else { Ok(Some(pieces)) }
            }
            _ => Err(damaged(key)),
        }
    }

    /// The value. `None` when a piece is missing: it was replaced between two looks.
    pub(super) fn join<B: Deref<Target = [u8]>>(
        self,
        key: &[u8],
        get: impl Fn(&[u8]) -> Result<Option<B>, StoreError>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut joined = Vec::new();
        for at in 0..self.count {
            let Some(piece) = get(&keys::piece(self.generation, at))? else { return Ok(None) };
            joined.extend_from_slice(&piece);
        }
        if joined.len() != self.length as usize || crc32fast::hash(&joined) != self.checksum {
            return Err(damaged(key));
        }
        Ok(Some(joined))
    }
}

/// The value in a stored one that is as it was given.
pub(super) fn whole(stored: &[u8]) -> Option<&[u8]> {
    stored.split_first().filter(|(form, _)| **form == WHOLE).map(|(_, value)| value)
}

/// Whether a stored value is not in pieces.
pub(super) fn is_whole(stored: &[u8]) -> bool {
    matches!(stored.first(), Some(&(WHOLE | PACKED)))
}

/// A value as it is stored under its key, and its pieces if it has some.
pub(super) fn encode(key: &[u8], value: &[u8], generation: u64) -> (Vec<u8>, Vec<Row>) {
    // Rows of the order and of members are ids, and those of the order are gone over for their first bytes.
    let packs = !matches!(Space::of(key), Some(Space::Order | Space::Member));
    if packs && let Some(packed) = pack::pack(value).filter(|packed| packed.len() < PIECE) {
        return ([[PACKED].as_slice(), &packed].concat(), Vec::new());
    }
    if value.len() <= PIECE {
        let mut stored = Vec::with_capacity(value.len() + 1);
        stored.push(WHOLE);
        stored.extend_from_slice(value);
        return (stored, Vec::new());
    }
    let pieces: Vec<_> = value
        .chunks(PIECE)
        .enumerate()
        .map(|(at, piece)| (keys::piece(generation, at as u32), piece.to_vec()))
        .collect();
    let mut stored = vec![IN_PIECES];
    stored.extend_from_slice(&generation.to_be_bytes());
    stored.extend_from_slice(&(pieces.len() as u32).to_be_bytes());
    stored.extend_from_slice(&(value.len() as u32).to_be_bytes());
    stored.extend_from_slice(&crc32fast::hash(value).to_be_bytes());
    (stored, pieces)
}

pub(super) fn damaged(key: &[u8]) -> StoreError {
    StoreError::corrupt(Space::of(key).map_or("unknown", Space::name), "a value does not have the form it should have")
}

impl Engine {
    /// The bytes under a key, as they are.
    pub(super) fn get_stored(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        if Space::of(key) != Some(Space::Resource) {
            return self.look_up(key);
        }
        match self.resident.get(key) {
            None => self.look_up(key),
            Some(Ok(stored)) => Ok(Some(stored)),
            Some(Err(absent)) => {
                let found = self.look_up(key)?;
                if let Some(stored) = &found {
                    self.resident.fill(&absent, stored);
                }
                Ok(found)
            }
        }
    }

    fn look_up(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.ahead.get(key) {
            Some(written) => Ok(written),
            None => guarded(|| self.tree.get(key)),
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        // A value in pieces can be replaced while we collect them; then the head is another one. Forever only if broken.
        for _ in 0..16 {
            let Some(stored) = self.get_stored(key)? else { return Ok(None) };
            let Some(pieces) = Pieces::of(key, &stored)? else { return Value::of(key, stored).map(Some) };
            if let Some(joined) = pieces.join(key, |piece| self.get_stored(piece))? {
                return Ok(Some(Value::Made(joined)));
            }
        }
        Err(damaged(key))
    }

    /// Keys and values in order, from `start` on and before `end`.
    pub(super) fn range(&self, start: Bound<Vec<u8>>, end: Option<Vec<u8>>) -> Range<'_> {
        // Before the database is asked: what it gets from now on may be missing there, and not here.
        let ahead = self.ahead.between(start.as_ref(), end.as_ref());
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        // The database asserts that the ends are in order; an empty answer is right for those that are not.
        let empty = match (&start, &end) {
            (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
            _ => false,
        };
        let rows = if empty { None } else { guarded(|| Ok(self.tree.range::<Vec<u8>, _>((start, end)))).ok() };
        Range { engine: self, rows, ahead, again: None }
    }

    /// Keys and values that begin so, after one of them if given.
    pub(super) fn prefix(&self, prefix: &[u8], after: Option<Vec<u8>>) -> Range<'_> {
        let start = after.map_or_else(|| Bound::Included(prefix.to_vec()), Bound::Excluded);
        self.range(start, keys::after_prefix(prefix))
    }

    /// All keys of a space and the bytes under them, as they are, while nobody writes.
    pub(super) fn stored_prefix(&self, space: Space) -> Result<StoredRows, StoreError> {
        Ok(StoredRows(guarded(|| Ok(self.tree.scan_prefix([space.letter()])))?))
    }

    /// Gives the database what batches write that are in the journal, in their order: key by key, because a batch of the database's
    /// makes it write its log twice, and each key once. Who reads meanwhile looks into [`Ahead`]. Recovery finds all pieces of each
    /// value, an entry of outbox or log when all that it tells of is there, and the number of the last batch only with all the rest.
    pub(super) fn apply_each<'w>(&self, batches: impl IntoIterator<Item = &'w Writes>) -> Result<(), StoreError> {
        // Of what several batches write under a key, what the last one does stands.
        let writes: BTreeMap<_, _> = batches.into_iter().flatten().collect();
        let mut writes: Vec<_> = writes.into_iter().collect();
        let number = keys::meta(keys::BATCH);
        writes.sort_by_key(|(key, value)| match (Space::of(key), value) {
            _ if **key == number => 5,
            (Some(Space::Piece), Some(_)) => 0,
            (Some(Space::Outbox | Space::Log), _) => 2,
            (Some(Space::Meta), _) => 3,
            // When no row leads to it any more.
            (Some(Space::Piece), None) => 4,
            _ => 1,
        });
        guarded(|| {
            for (key, value) in writes {
                match value {
                    Some(value) => self.tree.insert(key, value.as_slice())?,
                    None => self.tree.remove(key)?,
                };
            }
            Ok(())
        })
    }

    /// Stores a batch; recovery finds all of it or nothing.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        guarded(|| self.tree.apply_batch(batch))
    }

    /// Makes what was stored so far durable: the database's buffers into the file, the file onto the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        guarded(|| self.db.flush())?;
        self.file.sync_all()?;
        Ok(())
    }
}

/// Rows as they are stored, values in pieces not joined.
pub(super) struct StoredRows(::sled::Iter);

impl Iterator for StoredRows {
    type Item = Result<(IVec, IVec), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded(|| self.0.next().transpose()).transpose()
    }
}

/// Rows of a range, gone over from one of its ends.
pub(super) struct Range<'e> {
    engine: &'e Engine,
    rows: Option<::sled::Iter>,
    /// What the database does not have yet.
    ahead: Option<Part>,
    /// A row of the database that comes after one of those.
    again: Option<Found>,
}

impl Range<'_> {
    /// The next row of the database.
    fn stored(&mut self, backward: bool) -> Result<Option<Found>, StoreError> {
        if let Some(row) = self.again.take() {
            return Ok(Some(row));
        }
        let Some(rows) = self.rows.as_mut() else { return Ok(None) };
        let next = guarded(|| (if backward { rows.next_back() } else { rows.next() }).transpose());
        match &next {
            Ok(Some(_)) => {}
            // It is not asked again: by then it may have what the batch gave already.
            Ok(None) => self.rows = None,
            Err(_) => (self.rows, self.ahead) = (None, None),
        }
        next
    }

    /// The next row, of the batch that goes ahead or of the database.
    fn merged(&mut self, backward: bool) -> Result<Option<Found>, StoreError> {
        loop {
            let stored = self.stored(backward)?;
            let Some(ahead) = &mut self.ahead else { return Ok(stored) };
            match ahead.merge(stored, backward) {
                Merged::Row(row, again) => {
                    self.again = again;
                    return Ok(Some(row));
                }
                Merged::Removed(again) => self.again = again,
                Merged::End(stored) => {
                    self.ahead = None;
                    return Ok(stored);
                }
            }
        }
    }

    fn step(&mut self, backward: bool) -> Option<Result<(IVec, Value), StoreError>> {
        loop {
            let (key, stored) = match self.merged(backward) {
                Ok(row) => row?,
                Err(error) => return Some(Err(error)),
            };
            match Pieces::of(&key, &stored) {
                Ok(None) => return Some(Value::of(&key, stored).map(|value| (key, value))),
                Ok(Some(_)) => match self.engine.get(&key) {
                    Ok(Some(value)) => return Some(Ok((key, value))),
                    // Removed since.
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The last row that was not given yet.
    pub(super) fn step_back(&mut self) -> Option<Result<(IVec, Value), StoreError>> {
        self.step(true)
    }
}

impl Iterator for Range<'_> {
    type Item = Result<(IVec, Value), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}
