//! Hashes of keys for what is held in memory by hash alone.
//!
//! What memory knows is the answer, so two keys must not have one hash. Of 64 bits that would happen to somebody, and which of the two
//! keys has gone could not be told any more. Of 128 bits, among the hundred million keys of a very large directory, the chance of
//! one pair is 2^-75. Nobody can look for a pair either, because the hash is keyed anew in each process.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// A hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    /// Where it stands in a table.
    pub(super) place: u64,
    /// What tells it from others.
    pub(super) rest: u64,
}

/// What makes hashes.
#[derive(Default)]
pub(super) struct Keyed(RandomState);

impl Keyed {
    pub(super) fn hash(&self, key: &[u8]) -> Hash {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        let place = hasher.finish();
        // The same of a longer text: to whoever does not have the key, a number that has nothing to do with the first.
        hasher.write_u8(1);
        Hash { place, rest: hasher.finish() }
    }
}
