//! [`Watch`]: whether a resource is still what it was when somebody looked, so that what was made of it may be kept. It counts changes
//! by a hash of source and id: a count that is the same means that nothing changed, another one that something may have.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many counts, 256 KiB: of 1,000 resources that are kept, a write to another one takes away one in 65.
const PLACES: usize = 1 << 16;

/// Counts of changes.
pub(super) struct Watch {
    counts: Vec<AtomicU32>,
}

/// A resource as it was seen at one moment: its attributes, its members, the groups it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    place: u16,
    count: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self { counts: (0..PLACES).map(|_| AtomicU32::new(0)).collect() }
    }
}

impl Watch {
    /// The resource whose name these bytes are, as it is from now on: what is read after this is not older.
    pub(super) fn look(&self, name: &[u8]) -> Seen {
        let place = place(name);
        Seen { place, count: self.count(place) }
    }

    /// Whether it is as it was.
    pub(super) fn is_same(&self, seen: Seen) -> bool {
        self.count(seen.place) == seen.count
    }

    /// What stands at a place has changed. Said when the change can be read, and before it is acknowledged.
    pub(super) fn changed(&self, place: u16) {
        if let Some(count) = self.counts.get(usize::from(place)) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Everything may have changed.
    pub(super) fn all_changed(&self) {
        for count in &self.counts {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn count(&self, place: u16) -> u32 {
        self.counts.get(usize::from(place)).map_or(0, |count| count.load(Ordering::SeqCst))
    }
}

/// Where the changes of the resource are counted whose name these bytes are.
pub(super) fn place(name: &[u8]) -> u16 {
    (hash(name) >> 16) as u16
}

/// A hash of the name of a resource, the same in each process.
pub(super) fn hash(name: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for chunk in name.chunks(8) {
        let word = chunk.iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    hash
}
