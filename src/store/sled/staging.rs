//! What a batch is about to write, over what is stored: every transaction of a batch sees the effects of those before it,
//! and one that fails leaves nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::ops::{Bound, Deref};

use ::sled::{Batch, IVec};

use crate::store::types::Millis;
use crate::store::{LogEntry, StoreError};

use super::codec::{self, Counters};
use super::engine::{self, Engine, MAX_VALUE, PIECE, Pieces, Value, damaged};
use super::keys::{self, Space};
use super::names::Owner;
use super::tally;

/// The most keys that one transaction may write.
pub(super) const MAX_WRITES: usize = 1_000_000;

/// The name of the counters' row.
pub(super) const COUNTERS: &str = "counters";

/// Keys and what will be under them.
pub(super) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Writes that are not stored yet.
#[derive(Default)]
struct Layer {
    writes: Writes,
    /// Values in pieces that were looked at, so that their pieces go when they do.
    pieces: HashMap<Vec<u8>, Pieces>,
    counters: Counters,
    outbox: Vec<Vec<u8>>,
    log: Vec<Line>,
    /// Which rows are the last ones of their groups now; [`super::lasts::Lasts`] takes it.
    lasts: HashMap<Vec<u8>, Option<u64>>,
}

/// An entry of the provisioning log that is to be stored.
pub(super) struct Line {
    pub(super) source: String,
    pub(super) at: Millis,
    pub(super) failed: bool,
    /// As its row has it.
    pub(super) row: Vec<u8>,
}

impl Layer {
    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > MAX_VALUE {
            return Err(StoreError::TooLarge { what: "a value, in bytes", limit: MAX_VALUE });
        }
        self.forget_pieces(&key);
        let (stored, pieces) = engine::encode(&key, value, self.counters.generation);
        if !pieces.is_empty() {
            self.counters.generation += 1;
            for (at, piece) in pieces {
                self.writes.insert(at, Some(piece));
            }
            if let Some(pieces) = Pieces::of(&key, &stored)? {
                self.pieces.insert(key.clone(), pieces);
            }
        }
        self.writes.insert(key, Some(stored));
        Ok(())
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.forget_pieces(&key);
        self.writes.insert(key, None);
    }

    fn forget_pieces(&mut self, key: &[u8]) {
        if self.pieces.is_empty() {
            return;
        }
        if let Some(pieces) = self.pieces.remove(key) {
            for at in 0..pieces.count {
                self.writes.insert(keys::piece(pieces.generation, at), None);
            }
        }
    }

    /// Rows of entries: as many in a row as fit into a piece.
    fn put_rows<'r>(
        &mut self,
        space: Space,
        first: u64,
        entries: impl Iterator<Item = &'r Vec<u8>>,
    ) -> Result<u64, StoreError> {
        let (mut row, mut row_first, mut bytes) = (Vec::new(), first, 0_u64);
        for (number, entry) in (first..).zip(entries) {
            if !row.is_empty() && row.len() + entry.len() > PIECE {
                bytes += row.len() as u64;
                self.put(keys::numbered(space, row_first), &mem::take(&mut row))?;
            }
            if row.is_empty() {
                row_first = number;
            }
            row.extend_from_slice(entry);
        }
        if !row.is_empty() {
            bytes += row.len() as u64;
            self.put(keys::numbered(space, row_first), &row)?;
        }
        Ok(bytes)
    }
}

/// The transactions of one batch.
pub(super) struct Group {
    base: Layer,
    /// The numbers of the first entries of this batch.
    first: Counters,
}

impl Group {
    pub(super) fn new(counters: Counters) -> Self {
        Self { base: Layer { counters, ..Layer::default() }, first: counters }
    }

    /// Stages a transaction on top of those before it, and takes its effects when it succeeds.
    pub(super) fn stage<T>(
        &mut self,
        engine: &Engine,
        work: impl FnOnce(&mut Staging<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let top = Layer { counters: self.base.counters, ..Layer::default() };
        let mut staging = Staging { engine, below: &self.base, top };
        let done = work(&mut staging)?;
        let top = staging.top;
        self.accept(engine, top);
        Ok(done)
    }

    fn accept(&mut self, engine: &Engine, effects: Layer) {
        let Layer { writes, counters, outbox, log, lasts, .. } = effects;
        for (prefix, number) in lasts {
            engine.lasts.set(prefix, number);
        }
        if self.base.writes.is_empty() {
            self.base.writes = writes;
        } else {
            self.base.writes.extend(writes);
        }
        self.base.counters = counters;
        self.base.outbox.extend(outbox);
        self.base.log.extend(log);
    }

    pub(super) fn counters(&self) -> Counters {
        self.base.counters
    }

    /// How many keys it will write.
    pub(super) fn len(&self) -> usize {
        self.base.writes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.base.writes.is_empty() && self.base.counters == self.first
    }

    /// The batch, the keys in it, and the counters after it.
    pub(super) fn finish(mut self, engine: &Engine) -> Result<(Writes, Counters), StoreError> {
        let (outbox, log) = (mem::take(&mut self.base.outbox), mem::take(&mut self.base.log));
        self.base.put_rows(Space::Outbox, self.first.outbox, outbox.iter())?;
        self.base.counters.log_bytes +=
            self.base.put_rows(Space::Log, self.first.log, log.iter().map(|line| &line.row))?;
        for (key, tally) in tally::count(engine, self.first.log, &log)? {
            // The line in it may be long; the pieces of the one before go with it.
            let before = engine.get_stored(&key)?.map_or(Ok(None), |stored| Pieces::of(&key, &stored))?;
            if let Some(pieces) = before {
                self.base.pieces.insert(key.clone(), pieces);
            }
            self.base.put(key, &tally)?;
        }
        if self.base.counters != self.first {
            let row = self.base.counters.write();
            self.base.put(keys::meta(COUNTERS), &row)?;
        }
        Ok((self.base.writes, self.base.counters))
    }
}

/// Writes as a batch of the database.
pub(super) fn batch(writes: Writes) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in writes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch
}

/// A transaction at work.
pub(super) struct Staging<'g> {
    engine: &'g Engine,
    below: &'g Layer,
    top: Layer,
}

impl Staging<'_> {
    fn get_stored(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        for layer in [&self.top, self.below] {
            if let Some(write) = layer.writes.get(key) {
                return Ok(write.as_deref().map(IVec::from));
            }
        }
        self.engine.get_stored(key)
    }

    /// Whether the transaction has changed nothing so far.
    pub(super) fn is_empty(&self) -> bool {
        self.top.writes.is_empty() && self.top.counters == self.below.counters
    }

    /// Whether there is a value; cheaper than the value. Of rows of resources memory mostly knows that there is none.
    pub(super) fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        if let Some(there) = self.staged(key) {
            return Ok(there);
        }
        let is_nowhere = Space::of(key) == Some(Space::Resource) && self.engine.resident.is_nowhere(key);
        Ok(!is_nowhere && self.engine.get_stored(key)?.is_some())
    }

    /// The value of a key. A value that may be large must be loaded before it is put or removed.
    pub(super) fn load(&mut self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        let Some(stored) = self.get_stored(key)? else { return Ok(None) };
        let Some(pieces) = Pieces::of(key, &stored)? else { return Value::of(key, stored).map(Some) };
        let joined = pieces.join(key, |piece| self.get_stored(piece))?.ok_or_else(|| damaged(key))?;
        self.top.pieces.insert(key.to_vec(), pieces);
        Ok(Some(Value::Made(joined)))
    }

    /// The id of the resource that has a unique key. Memory has heard of every batch before this one, so mostly the database need not
    /// be asked, in which each such key is somewhere else.
    pub(super) fn holder(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.staged(key).is_none() {
            match self.engine.names.owner(key) {
                Owner::Nobody => return Ok(None),
                Owner::Uuid(uuid) => return Ok(Some(keys::uuid_text(uuid).into_bytes())),
                Owner::Elsewhere => {}
            }
        }
        Ok(self.load(key)?.map(|id| id.to_vec()))
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        if self.top.writes.len() >= MAX_WRITES {
            return Err(StoreError::TooLarge { what: "the keys that one transaction writes", limit: MAX_WRITES });
        }
        self.top.put(key, value)
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        if self.top.writes.len() >= MAX_WRITES {
            return Err(StoreError::TooLarge { what: "the keys that one transaction writes", limit: MAX_WRITES });
        }
        self.top.remove(key);
        Ok(())
    }

    /// The keys that begin so.
    pub(super) fn keys(&self, prefix: &[u8]) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let mut found = BTreeSet::new();
        for row in self.engine.prefix(prefix, None) {
            found.insert(row?.0.to_vec());
        }
        for layer in [self.below, &self.top] {
            let staged = layer.writes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
            for (key, value) in staged {
                if value.is_some() {
                    found.insert(key.clone());
                } else {
                    found.remove(key);
                }
            }
        }
        Ok(found)
    }

    /// What this batch does to a key: whether there is a value after it. `None` when it does nothing.
    fn staged(&self, key: &[u8]) -> Option<bool> {
        [&self.top, self.below].into_iter().find_map(|layer| layer.writes.get(key)).map(Option::is_some)
    }

    /// The last of the keys that begin so.
    pub(super) fn last(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let end = keys::after_prefix(prefix);
        let range = (Bound::Included(prefix), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded));
        let staged = [&self.top, self.below].into_iter().filter_map(|layer| {
            let mut keys = layer.writes.range::<[u8], _>(range).rev().map(|(key, _)| key);
            keys.find(|key| self.staged(key) == Some(true))
        });
        let last = staged.max().cloned();
        let mut rows = self.engine.prefix(prefix, None);
        while let Some(row) = rows.step_back() {
            let (key, _) = row?;
            if self.staged(&key) != Some(false) {
                return Ok(last.max(Some(key.to_vec())));
            }
        }
        Ok(last)
    }

    /// The number of the last row of members whose keys begin so, as far as it is remembered.
    pub(super) fn last_row(&self, prefix: &[u8]) -> Option<u64> {
        self.top.lasts.get(prefix).map_or_else(|| self.engine.lasts.get(prefix), |known| *known)
    }

    /// Remembers that number, or that it is to be looked for.
    pub(super) fn set_last_row(&mut self, prefix: Vec<u8>, number: Option<u64>) {
        self.top.lasts.insert(prefix, number);
    }

    /// The rows of a space that are stored already, oldest first.
    pub(super) fn stored_rows(&self, space: Space) -> impl Iterator<Item = Result<(IVec, Value), StoreError>> {
        self.engine.prefix(&[space.letter()], None)
    }

    /// Whether this batch has removed a stored row already.
    pub(super) fn is_removed(&self, key: &[u8]) -> bool {
        self.staged(key) == Some(false)
    }

    pub(super) fn append_outbox(&mut self, entry: Vec<u8>) -> u64 {
        let number = self.top.counters.outbox;
        self.top.counters.outbox += 1;
        self.top.outbox.push(entry);
        number
    }

    pub(super) fn append_log(&mut self, source: &str, entry: &LogEntry) -> u64 {
        let number = self.top.counters.log;
        self.top.counters.log += 1;
        let row = codec::write_log(source, entry);
        self.top.log.push(Line { source: source.to_owned(), at: entry.at, failed: entry.failed, row });
        number
    }

    /// Says that there will be a membership with this key, which begins as all memberships of its member do.
    pub(super) fn join(&self, membership: &[u8], member: &[u8]) {
        self.engine.joined.join(membership, member);
    }

    /// Whether there may be a membership with this key; cheaper than to look.
    pub(super) fn may_be_member(&self, membership: &[u8]) -> bool {
        self.engine.joined.may_be(membership)
    }

    /// Of what kind a resource is, as far as it is remembered.
    pub(super) fn known_kind(&self, source: &str, id: &str) -> Option<String> {
        self.engine.kinds.get(source, id)
    }

    /// Remembers of what kind a resource is whose row is stored and not changed by this batch.
    pub(super) fn know_kind(&self, key: &[u8], source: &str, id: &str, kind: &str) {
        if self.staged(key).is_none() {
            self.engine.kinds.learn(source, id, kind);
        }
    }

    /// Says that a resource is to be deleted.
    pub(super) fn forget_kind(&self, source: &str, id: &str) {
        self.engine.kinds.forget(source, id);
    }

    /// Whether there ever was a membership of an id that was no resource.
    pub(super) fn has_strays(&self) -> bool {
        self.top.counters.strays > 0
    }

    pub(super) fn count_stray(&mut self) {
        self.top.counters.strays += 1;
    }

    pub(super) fn log_bytes(&mut self) -> &mut u64 {
        &mut self.top.counters.log_bytes
    }
}

/// The part of a key after what all these keys begin with.
pub(super) fn after<'k>(key: &'k impl Deref<Target = [u8]>, prefix: &[u8]) -> &'k [u8] {
    key.get(prefix.len()..).unwrap_or_default()
}
