//! Who has a unique key, in memory: services ask for a name before nearly each write, and in a large directory the page that says
//! whose it is would be read from the disk.
//!
//! Of a key there is a hash of 128 bits (`keyed.rs`), and of the id its 16 bytes when it is a UUID; for any other id the database is
//! asked.
//!
//! The names of older rows are learnt (`learning.rs`). Whoever writes puts in what changes, when it can be read, and of a name that has
//! gone a mark until all is learnt: the thread only fills places that are empty, so that it never brings back what it read before.

use std::str;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::engine::{Engine, whole};
use super::keyed::{Hash, Sharded};
use super::keys::{self, Space};
use super::learning::{Learning, Lesson};

/// How names are learnt.
pub(super) static LESSON: Lesson =
    Lesson { name: "names", space: Space::Unique, learning: |engine| &engine.names.learning, take };

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is nobody's.
    Nobody,
    /// The UUID of the resource, as [`keys::uuid_bytes`] has it.
    Uuid([u8; 16]),
    /// The database knows.
    Elsewhere,
}

impl Owner {
    /// The owner in the stored value of a unique key, or in one that was taken away.
    pub(super) fn of(stored: Option<&[u8]>) -> Self {
        stored.map_or(Self::Nobody, |stored| whole(stored).map_or(Self::Elsewhere, Self::with_id))
    }

    fn with_id(id: &[u8]) -> Self {
        let uuid = str::from_utf8(id).ok().and_then(keys::uuid_bytes);
        uuid.filter(|bytes| ![NOBODY, ELSEWHERE].contains(bytes)).map_or(Self::Elsewhere, Self::Uuid)
    }
}

/// Marks in the place of an id. A UUID that looks like one of them is looked up in the database.
const NOBODY: [u8; 16] = [0; 16];
const ELSEWHERE: [u8; 16] = [0xFF; 16];

/// A key and its owner: 32 bytes.
struct Name {
    hash: Hash,
    owner: [u8; 16],
}

/// The names.
#[derive(Default)]
pub(super) struct Names {
    shards: Sharded<HashTable<Name>>,
    learning: Learning,
}

impl Names {
    /// Whose a key is, as [`keys::unique`] makes it.
    pub(super) fn owner(&self, key: &[u8]) -> Owner {
        if !self.learning.is_known() {
            return Owner::Elsewhere;
        }
        let hash = self.shards.hash(key);
        let Some(names) = self.shards.read(hash) else { return Owner::Elsewhere };
        // Once more, since it is not emptied while we look.
        if !self.learning.is_known() {
            return Owner::Elsewhere;
        }
        match names.find(hash.place, |name| name.hash == hash).map(|name| name.owner) {
            None | Some(NOBODY) => Owner::Nobody,
            Some(ELSEWHERE) => Owner::Elsewhere,
            Some(uuid) => Owner::Uuid(uuid),
        }
    }

    /// A key has another owner now. Said when that can be read, or before it with [`Owner::Elsewhere`].
    pub(super) fn changed(&self, key: &[u8], owner: Owner) {
        if !self.learning.is_begun() {
            return;
        }
        let hash = self.shards.hash(key);
        let Some(mut names) = self.shards.write(hash) else { return };
        let owner = match owner {
            Owner::Uuid(uuid) => uuid,
            Owner::Elsewhere => ELSEWHERE,
            Owner::Nobody => NOBODY,
        };
        match names.entry(hash.place, |name| name.hash == hash, |name| name.hash.place) {
            // Nobody fills the place behind us when all is learnt.
            Entry::Occupied(place) if owner == NOBODY && self.learning.is_known() => drop(place.remove()),
            Entry::Occupied(mut place) => place.get_mut().owner = owner,
            Entry::Vacant(_) if owner == NOBODY && self.learning.is_known() => {}
            Entry::Vacant(place) => drop(place.insert(Name { hash, owner })),
        }
    }

    /// A write failed, and nobody knows what of it is stored.
    pub(super) fn lose(&self) {
        self.learning.lose();
    }

    /// Forgets all names, when they are not asked for: [`Lesson::end_all`] comes before, [`Lesson::begin`] after it.
    pub(super) fn forget(&self) {
        self.shards.all().for_each(|mut shard| *shard = HashTable::new());
    }
}

/// Takes a row that may have changed since it was read: what stands in its place was said later.
fn take(engine: &Engine, key: &[u8], id: &[u8]) {
    let shards = &engine.names.shards;
    let hash = shards.hash(key);
    let owner = match Owner::with_id(id) {
        Owner::Uuid(uuid) => uuid,
        _ => ELSEWHERE,
    };
    let Some(mut shard) = shards.write(hash) else { return };
    if let Entry::Vacant(place) = shard.entry(hash.place, |name| name.hash == hash, |name| name.hash.place) {
        place.insert(Name { hash, owner });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{engine::encode, open};
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_brought_back_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let engine = open::open(directory.path(), 1 << 20).unwrap();
        let names = &engine.names;
        let [ada, bob, cy] = ["ada", "bob", "cy"].map(|name| keys::unique("s", "User", "userName", name.as_bytes()));
        let [first, other] = [1, 2].map(|last| format!("0190d6c0-0000-7000-8000-{last:012x}"));
        let uuid = |id: &str| Owner::Uuid(keys::uuid_bytes(id).unwrap());
        // Before it begins nothing is kept, and the database is asked.
        names.changed(&cy, uuid(&first));
        names.learning.pretend(false);
        // The thread has read three rows; then one goes, and one gets another owner.
        names.changed(&ada, Owner::Nobody);
        names.changed(&bob, uuid(&other));
        for key in [&ada, &bob, &cy] {
            assert_eq!(names.owner(key), Owner::Elsewhere);
            take(&engine, key, first.as_bytes());
        }
        names.learning.pretend(true);
        assert_eq!([&ada, &bob, &cy].map(|key| names.owner(key)), [Owner::Nobody, uuid(&other), uuid(&first)]);
        // From now on what goes leaves nothing.
        names.changed(&cy, Owner::Nobody);
        names.changed(&ada, Owner::Nobody);
        assert_eq!([&ada, &cy].map(|key| names.owner(key)), [Owner::Nobody; 2]);
        let held: usize = names.shards.all().map(|shard| shard.len()).sum();
        assert_eq!(held, 1);
        names.lose();
        assert_eq!(names.owner(&bob), Owner::Elsewhere);
    }

    #[test]
    fn an_id_that_is_no_uuid_or_looks_like_a_mark_is_elsewhere() {
        let (nil, most) = (keys::uuid_text(NOBODY), keys::uuid_text(ELSEWHERE));
        for id in
            ["x", "0190D6C0-0000-7000-8000-00000000000A", nil.as_str(), &most, &"x".repeat(300), &"x".repeat(5_000)]
        {
            assert_eq!(Owner::of(Some(&encode(b"U", id.as_bytes(), 0).0)), Owner::Elsewhere, "{id}");
        }
        assert_eq!(Owner::of(None), Owner::Nobody);
    }
}
