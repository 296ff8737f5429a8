//! [`Index`]: the numbers of things by their texts, without holding the texts a second time: some fifteen bytes each.

use std::hash::BuildHasher;
use std::ops::Deref;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Numbers by text. Whose text is whose is said by who asks.
#[derive(Default)]
pub(super) struct Index {
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

/// A number with half of the hash of its text, so that neither a search nor growth asks for the texts of others.
struct Entry {
    number: u32,
    half: u32,
}

impl Index {
    /// The number of a text.
    pub(super) fn find<T: Deref<Target = str>>(&self, text: &str, text_of: impl Fn(u32) -> T) -> Option<u32> {
        let half = self.half(text);
        let is_it = |entry: &Entry| entry.half == half && *text_of(entry.number) == *text;
        self.entries.find(whole(half), is_it).map(|entry| entry.number)
    }

    /// The numbers of what may be texts with this half of a hash.
    pub(super) fn candidates(&self, half: u32) -> impl Iterator<Item = u32> {
        self.entries.iter_hash(whole(half)).filter(move |entry| entry.half == half).map(|entry| entry.number)
    }

    /// Notes the number of a text that has none.
    pub(super) fn add(&mut self, number: u32, text: &str) {
        let half = self.half(text);
        self.entries.insert_unique(whole(half), Entry { number, half }, |entry| whole(entry.half));
    }

    /// Forgets the number of a text.
    pub(super) fn remove(&mut self, number: u32, text: &str) {
        if let Ok(found) = self.entries.find_entry(whole(self.half(text)), |known| known.number == number) {
            found.remove();
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Half of the hash of a text, the same for as long as there is this index.
    pub(super) fn half(&self, text: &str) -> u32 {
        self.hasher.hash_one(text) as u32
    }
}

/// A hash with its bits everywhere, as a table wants them: Fibonacci hashing.
fn whole(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
