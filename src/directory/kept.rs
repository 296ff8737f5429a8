//! [`Kept`]: what was made for one answer, kept for the next ones in so many bytes. Whoever takes it looks whether it is what is wanted
//! and still so.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Something that takes room.
pub(super) trait Bulk {
    /// How many bytes it takes, about.
    fn bytes(&self) -> usize;
}

#[derive(Clone)]
struct Weight;

impl<T: Bulk> Weighter<u64, Arc<T>> for Weight {
    fn weight(&self, _: &u64, made: &Arc<T>) -> u64 {
        made.bytes() as u64
    }
}

/// What is kept, by a hash of its name alone: two names may have one.
pub(super) struct Kept<T> {
    made: Cache<u64, Arc<T>, Weight>,
    hasher: DefaultHashBuilder,
}

impl<T: Bulk> Kept<T> {
    /// Room for so many bytes, of things that mostly take `each`.
    pub(super) fn new(bytes: usize, each: usize) -> Self {
        let made = Cache::with_weighter(bytes / each, bytes as u64, Weight);
        Self { made, hasher: DefaultHashBuilder::default() }
    }

    pub(super) fn get(&self, name: impl Hash) -> Option<Arc<T>> {
        self.made.get(&self.hasher.hash_one(name))
    }

    pub(super) fn put(&self, name: impl Hash, made: Arc<T>) {
        self.made.insert(self.hasher.hash_one(name), made);
    }
}
