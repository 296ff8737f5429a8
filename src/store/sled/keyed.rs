//! [`Sharded`]: what is held in memory by the hash of a key alone, in parts that are locked by themselves.
//!
//! What memory knows is the answer, so two keys must not have one hash. Of 64 bits that would happen to somebody, and which of the two
//! keys has gone could not be told any more. Of 128 bits, among the hundred million keys of a very large directory, the chance of
//! one pair is 2^-75. Nobody can look for a pair either, because the hash is keyed anew in each process.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How many parts there are. A power of two.
pub(super) const SHARDS: usize = 64;

/// A hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    /// Where it stands in a table.
    pub(super) place: u64,
    /// In which part it is, and what tells it from others.
    pub(super) rest: u64,
}

/// The parts. Each is whole after each change, whoever panicked.
pub(super) struct Sharded<T> {
    shards: Vec<RwLock<T>>,
    hasher: RandomState,
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect(), hasher: RandomState::new() }
    }
}

impl<T> Sharded<T> {
    pub(super) fn hash(&self, key: &[u8]) -> Hash {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        let place = hasher.finish();
        // The same of a longer text: to whoever does not have the key, a number that has nothing to do with the first.
        hasher.write_u8(1);
        Hash { place, rest: hasher.finish() }
    }

    /// The part that has a key; there always is one.
    pub(super) fn read(&self, hash: Hash) -> Option<RwLockReadGuard<'_, T>> {
        Some(self.shards.get(hash.rest as usize % SHARDS)?.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same to change it.
    pub(super) fn write(&self, hash: Hash) -> Option<RwLockWriteGuard<'_, T>> {
        Some(self.shards.get(hash.rest as usize % SHARDS)?.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// All parts to change them, one after the other.
    pub(super) fn all(&self) -> impl Iterator<Item = RwLockWriteGuard<'_, T>> {
        self.shards.iter().map(|shard| shard.write().unwrap_or_else(PoisonError::into_inner))
    }
}
