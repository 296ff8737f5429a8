//! [`Kept`]: what was made for one answer, kept for the next ones in so many bytes. Whoever takes it looks whether it is what is wanted
//! and still so.

use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, Weak};

use hashbrown::DefaultHashBuilder;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Something that takes room.
pub(super) trait Bulk: Clone {
    /// How many bytes it takes, about.
    fn bytes(&self) -> usize;
}

/// What has been made, and takes room for as long as it is kept.
pub(super) trait Made {
    /// How many bytes it takes, about.
    fn bytes(&self) -> usize;
}

impl<T: Made> Bulk for Arc<T> {
    fn bytes(&self) -> usize {
        T::bytes(self)
    }
}

/// What is kept elsewhere. When it has gone from there, its own bytes stay for as long as it is named here, though nothing that it held.
impl<T> Bulk for Weak<T> {
    fn bytes(&self) -> usize {
        size_of::<T>()
    }
}

#[derive(Clone)]
struct Weight;

impl<V: Bulk> Weighter<u64, V> for Weight {
    fn weight(&self, _: &u64, made: &V) -> u64 {
        made.bytes() as u64
    }
}

/// What is kept, by a hash of its name alone: two names may have one.
pub(super) struct Kept<V> {
    made: Cache<u64, V, Weight>,
    hasher: DefaultHashBuilder,
}

impl<V: Bulk> Kept<V> {
    /// Room for so many bytes, of things that mostly take `each`.
    pub(super) fn new(bytes: usize, each: usize) -> Self {
        let made = Cache::with_weighter(bytes / each, bytes as u64, Weight);
        Self { made, hasher: DefaultHashBuilder::default() }
    }

    pub(super) fn get(&self, name: impl Hash) -> Option<V> {
        self.made.get(&self.hasher.hash_one(name))
    }

    pub(super) fn put(&self, name: impl Hash, made: V) {
        self.made.insert(self.hasher.hash_one(name), made);
    }
}
