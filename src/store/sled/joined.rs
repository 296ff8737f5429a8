//! Who may be a member of a group: bits by a hash of the id, so that a read of somebody who is in no group asks nothing of the
//! database, and bits by a hash of member and group, so that a change of members looks for those alone who may have been one before. A
//! bit that is set means a look; one that is not set means that there is no membership.
//!
//! The committer sets bits before it stores memberships, from the first moment on. Those of older ones are learnt (`learning.rs`). A
//! membership that ends leaves its bits until the next start.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::watch::hash;

use super::engine::Engine;
use super::keys::{Parts, Space};
use super::learning::{Learning, Lesson};

/// Words of bits for members: one mebibyte. With a million members one of nine others is looked for in vain.
const MEMBERS: usize = 1 << 17;
/// Words of bits for memberships: four mebibytes. With ten million of them one of four others is looked for in vain.
const MEMBERSHIPS: usize = 1 << 19;

/// How the bits are learnt.
pub(super) static LESSON: Lesson =
    Lesson { name: "memberships", space: Space::Group, learning: |engine| &engine.joined.learning, take };

/// Bits by a hash.
struct Bits(Vec<AtomicU64>);

impl Bits {
    fn new(words: usize) -> Self {
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    /// A word and the bit in it.
    fn place(&self, key: &[u8]) -> Option<(&AtomicU64, u64)> {
        let hash = hash(key);
        Some((self.0.get((hash >> 6) as usize % self.0.len())?, 1 << (hash & 63)))
    }

    fn set(&self, key: &[u8]) {
        if let Some((word, bit)) = self.place(key) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    fn is_set(&self, key: &[u8]) -> bool {
        self.place(key).is_none_or(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }
}

/// The bits, and how far they can be trusted.
pub(super) struct Joined {
    members: Bits,
    memberships: Bits,
    learning: Learning,
}

impl Default for Joined {
    fn default() -> Self {
        Self { members: Bits::new(MEMBERS), memberships: Bits::new(MEMBERSHIPS), learning: Learning::default() }
    }
}

impl Joined {
    /// There will be a membership with this key, whose first bytes all memberships of its member have. Said before it can be read.
    pub(super) fn join(&self, membership: &[u8], member: &[u8]) {
        self.memberships.set(membership);
        self.members.set(member);
    }

    /// Whether there may be memberships whose keys begin so, as those of a member do.
    pub(super) fn may_have(&self, member: &[u8]) -> bool {
        !self.learning.is_known() || self.members.is_set(member)
    }

    /// Whether there may be a membership with this key.
    pub(super) fn may_be(&self, membership: &[u8]) -> bool {
        !self.learning.is_known() || self.memberships.is_set(membership)
    }
}

fn take(engine: &Engine, key: &[u8], _value: &[u8]) {
    let mut parts = Parts::new(key);
    // A key that cannot be read is nobody's answer.
    if parts.skip_text().and_then(|()| parts.skip_id()).is_some() {
        engine.joined.join(key, key.get(..key.len() - parts.remaining().len()).unwrap_or_default());
    }
}
