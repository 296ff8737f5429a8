//! [`Index`]: the numbers of things by their texts, without holding the texts a second time: some ten bytes each.

use std::hash::BuildHasher;
use std::ops::Deref;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Numbers by text. Whose text is whose is said by who asks.
#[derive(Default)]
pub(super) struct Index {
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Index {
    /// The number of a text.
    pub(super) fn find<T: Deref<Target = str>>(&self, text: &str, text_of: impl Fn(u32) -> T) -> Option<u32> {
        self.numbers.find(self.hasher.hash_one(text), |number| *text_of(*number) == *text).copied()
    }

    /// Notes the number of a text that has none.
    pub(super) fn add<T: Deref<Target = str>>(&mut self, number: u32, text: &str, text_of: impl Fn(u32) -> T) {
        let Self { numbers, hasher } = self;
        numbers.insert_unique(hasher.hash_one(text), number, |number| hasher.hash_one(&*text_of(*number)));
    }

    /// Forgets the number of a text.
    pub(super) fn remove(&mut self, number: u32, text: &str) {
        if let Ok(found) = self.numbers.find_entry(self.hasher.hash_one(text), |known| *known == number) {
            found.remove();
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}
