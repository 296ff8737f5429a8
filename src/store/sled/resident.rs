//! Rows of resources in memory, as they are stored: in a large directory nearly each of them would be read from the disk, because
//! its page is in none of the caches.
//!
//! The committer puts in what a batch writes when it can be read. Who reads a row from the database puts it in too, unless something of
//! its part of the table has changed since before it was read. There are as many rows as have room: what comes when there is none is
//! left to the database, and a row that is here stays until it changes. After a start a thread reads all of them (`learning.rs`),
//! once somebody has asked for some.

use std::sync::RwLockWriteGuard;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::sled::IVec;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::engine::{Engine, is_whole};
use super::keyed::{Hash, SHARDS, Sharded};
use super::keys::Space;
use super::learning::{Learning, Lesson};
use super::staging::Writes;

/// What a row takes beside its bytes, about: its place in a table that is mostly two thirds full, and what the allocator rounds up.
const BESIDE: usize = 72;

/// How the rows are brought here after a start.
pub(super) static LESSON: Lesson =
    Lesson { name: "resources", space: Space::Resource, learning: |engine| &engine.resident.learning, take };

/// A row.
struct Row {
    hash: Hash,
    stored: Box<[u8]>,
}

impl Row {
    fn size(stored: &[u8]) -> usize {
        stored.len() + BESIDE
    }
}

/// A part of the table.
#[derive(Default)]
struct Shard {
    rows: HashTable<Row>,
    bytes: usize,
    /// How often a batch changed something here.
    changes: u64,
    /// Some row was left to the database.
    is_partial: bool,
}

impl Shard {
    /// Puts in a row, if there is room or it is there already; takes it out when it cannot be here.
    fn put(&mut self, hash: Hash, stored: Option<&[u8]>, most: usize) {
        // The pieces of one in pieces may go while the row is here.
        self.is_partial |= stored.is_some_and(|stored| !is_whole(stored));
        let stored = stored.filter(|stored| is_whole(stored));
        match (self.rows.entry(hash.place, |row| row.hash == hash, |row| row.hash.place), stored) {
            (Entry::Occupied(mut place), Some(stored)) => {
                let row = place.get_mut();
                self.bytes = self.bytes + Row::size(stored) - Row::size(&row.stored);
                row.stored = stored.into();
            }
            (Entry::Occupied(place), None) => {
                let (row, _) = place.remove();
                self.bytes -= Row::size(&row.stored);
            }
            (Entry::Vacant(place), Some(stored)) if self.bytes + Row::size(stored) <= most => {
                self.bytes += Row::size(stored);
                place.insert(Row { hash, stored: stored.into() });
            }
            (Entry::Vacant(_), Some(_)) => self.is_partial = true,
            (Entry::Vacant(_), None) => {}
        }
    }
}

/// The rows.
#[derive(Default)]
pub(super) struct Resident {
    shards: Sharded<Shard>,
    /// The most bytes of a part; none until it is said.
    most: AtomicUsize,
    learning: Learning,
}

/// A row that is not here: what to show when it is read elsewhere.
pub(super) struct Absent {
    hash: Hash,
    /// How often its part had changed.
    changes: u64,
}

impl Resident {
    /// Holds rows of so many bytes from now on. Said when nobody writes by another way than the committer's any more.
    pub(super) fn begin(&self, bytes: usize) {
        self.most.store(bytes / SHARDS, Ordering::SeqCst);
    }

    /// Whether rows are held at all.
    pub(super) fn is_on(&self) -> bool {
        self.most.load(Ordering::Relaxed) > 0
    }

    /// A row as it is stored, or what to show when it is read elsewhere; `None` when nothing is held.
    pub(super) fn get(&self, key: &[u8]) -> Option<Result<IVec, Absent>> {
        if !self.is_on() {
            return None;
        }
        let hash = self.shards.hash(key);
        let shard = self.shards.read(hash)?;
        let row = shard.rows.find(hash.place, |row| row.hash == hash);
        Some(row.map_or(Err(Absent { hash, changes: shard.changes }), |row| Ok(IVec::from(&*row.stored))))
    }

    /// Whether there is no such row for certain. Asked when no batch is being shown.
    pub(super) fn is_nowhere(&self, key: &[u8]) -> bool {
        if !self.is_on() || !self.learning.is_known() {
            return false;
        }
        let hash = self.shards.hash(key);
        let shard = self.shards.read(hash);
        shard.is_some_and(|shard| !shard.is_partial && shard.rows.find(hash.place, |row| row.hash == hash).is_none())
    }

    /// Takes a row that was read after it was absent, unless it may have changed meanwhile.
    pub(super) fn fill(&self, absent: &Absent, stored: &[u8]) {
        let Some(mut shard) = self.shards.write(absent.hash) else { return };
        if shard.changes == absent.changes {
            shard.put(absent.hash, Some(stored), self.most.load(Ordering::Relaxed));
        }
    }

    /// Takes what a batch writes. Said when that can be read, and before anybody is told that something changed.
    pub(super) fn changed(&self, writes: &Writes) {
        let first = vec![Space::Resource.letter()];
        for (key, stored) in writes.range(first..).take_while(|(key, _)| Space::of(key) == Some(Space::Resource)) {
            drop(self.change(key, stored.as_deref()));
        }
    }

    /// These rows are to be asked of the database. Said before they are stored by another way, and after it.
    pub(super) fn forget(&self, keys: &[Vec<u8>]) {
        for key in keys {
            if let Some(mut shard) = self.change(key, None) {
                shard.is_partial = true;
            }
        }
    }

    /// Gives the part in which the row is or was; `None` when nothing is held.
    fn change(&self, key: &[u8], stored: Option<&[u8]>) -> Option<RwLockWriteGuard<'_, Shard>> {
        let most = Some(self.most.load(Ordering::Relaxed)).filter(|most| *most > 0)?;
        let hash = self.shards.hash(key);
        let mut shard = self.shards.write(hash)?;
        shard.changes += 1;
        shard.put(hash, stored, most);
        Some(shard)
    }

    /// All rows are to be asked of the database.
    pub(super) fn forget_all(&self) {
        for mut shard in self.shards.all() {
            let changes = shard.changes + 1;
            *shard = Shard { changes, ..Shard::default() };
        }
    }
}

/// Has a row brought here, whichever it is by now.
fn take(engine: &Engine, key: &[u8], _: &[u8]) {
    // Who asks for it will hear of the error.
    drop(engine.get_stored(key));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keys;
    use super::*;

    fn row(resident: &Resident, key: &[u8]) -> Option<Vec<u8>> {
        resident.get(key).and_then(Result::ok).map(|stored| stored.to_vec())
    }

    fn absent(resident: &Resident, key: &[u8]) -> Absent {
        resident.get(key).unwrap().err().unwrap()
    }

    #[test]
    fn what_was_read_before_a_change_is_not_taken_after_it() {
        let resident = Resident::default();
        let key = keys::resource("s", "ada");
        assert!(resident.get(&key).is_none(), "nothing is held before it is said");
        resident.begin(1 << 20);
        let before = absent(&resident, &key);
        resident.changed(&Writes::from([(key.clone(), Some(b"\x01new".to_vec()))]));
        resident.fill(&before, b"\x01old");
        assert_eq!(row(&resident, &key).unwrap(), b"\x01new");
        let other = keys::unique("s", "User", "userName", b"ada");
        resident.changed(&Writes::from([(key.clone(), None), (other.clone(), Some(b"\x01x".to_vec()))]));
        resident.fill(&before, b"\x01old");
        assert!(row(&resident, &key).is_none() && row(&resident, &other).is_none());
        resident.fill(&absent(&resident, &key), b"\x01newer");
        assert_eq!(row(&resident, &key).unwrap(), b"\x01newer");
        // Its pieces may be others by the time somebody puts them together.
        resident.changed(&Writes::from([(key.clone(), Some(b"\x02pieces".to_vec()))]));
        assert!(row(&resident, &key).is_none());
        let before = absent(&resident, &key);
        resident.forget_all();
        resident.fill(&before, b"\x01old");
        assert!(row(&resident, &key).is_none());
    }

    #[test]
    fn that_there_is_no_row_is_certain_when_none_was_left_to_the_database() {
        let write = |resident: &Resident, key: &[u8], stored: Option<&[u8]>| {
            resident.changed(&Writes::from([(key.to_vec(), stored.map(<[u8]>::to_vec))]));
        };
        let fresh = || {
            let resident = Resident::default();
            resident.begin(SHARDS << 10);
            resident.learning.pretend(true);
            resident
        };
        let (ada, bob) = (keys::resource("s", "ada"), keys::resource("s", "bob"));
        let resident = fresh();
        write(&resident, &ada, Some(b"\x01ada"));
        assert!(!resident.is_nowhere(&ada) && resident.is_nowhere(&bob));
        write(&resident, &ada, None);
        assert!(resident.is_nowhere(&ada), "it has gone");
        resident.learning.pretend(false);
        assert!(!resident.is_nowhere(&bob), "not all rows were read");
        // Of each that is not here, the database knows.
        let large = [b"\x01".as_slice(), &[b'x'; 2 << 10]].concat();
        for stored in [b"\x02in pieces".as_slice(), &large] {
            let resident = fresh();
            write(&resident, &ada, Some(stored));
            assert!(!resident.is_nowhere(&ada));
        }
        let resident = fresh();
        resident.forget(std::slice::from_ref(&ada));
        assert!(!resident.is_nowhere(&ada), "it is stored by another way");
    }

    proptest! {
        #[test]
        fn there_are_as_many_rows_as_have_room(
            changes in proptest::collection::vec((0..60_u8, proptest::option::of(0..300_usize)), 0..200),
        ) {
            let (resident, most) = (Resident::default(), 700);
            resident.begin(most * SHARDS);
            let mut held = std::collections::HashMap::new();
            for (name, length) in changes {
                let key = keys::resource("s", &name.to_string());
                let stored = length.map(|length| [vec![1], vec![name; length]].concat());
                let (was_there, size) = (held.contains_key(&name), stored.as_deref().map_or(0, Row::size));
                resident.changed(&Writes::from([(key.clone(), stored.clone())]));
                held.remove(&name);
                if let Some(found) = row(&resident, &key) {
                    prop_assert_eq!(Some(&found), stored.as_ref());
                    held.insert(name, found);
                }
                prop_assert!(!was_there || stored.is_none() || held.contains_key(&name), "one that is there stays");
                prop_assert!(held.contains_key(&name) || stored.is_none() || resident.full(&key, most, size));
            }
            for (name, stored) in &held {
                let found = row(&resident, &keys::resource("s", &name.to_string()));
                prop_assert_eq!(found.as_ref(), Some(stored));
            }
            let bytes: usize = resident.shards.all().map(|shard| shard.bytes).sum();
            prop_assert_eq!(bytes, held.values().map(|stored| Row::size(stored)).sum::<usize>());
        }
    }

    impl Resident {
        /// Whether the part of a key has no room for so much.
        fn full(&self, key: &[u8], most: usize, size: usize) -> bool {
            self.shards.read(self.shards.hash(key)).unwrap().bytes + size > most
        }
    }
}
