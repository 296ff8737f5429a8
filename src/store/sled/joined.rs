//! Who may be a member of a group: bits by a hash of the id, so that a read of somebody who is in no group asks nothing of the
//! database. A bit that is set means a look; one that is not set means that there is no membership.
//!
//! The committer sets bits before it stores memberships, from the first moment on. Those of older ones are learnt (`learning.rs`). A
//! membership that ends leaves its bit until the next start.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::watch::hash;

use super::engine::Engine;
use super::keys::{Parts, Space};
use super::learning::{Learning, Lesson};

/// Words of bits: one mebibyte. With a million members one of nine others is looked for in vain.
const WORDS: usize = 1 << 17;

/// How the bits are learnt.
pub(super) static LESSON: Lesson =
    Lesson { name: "memberships", space: Space::Group, learning: |engine| &engine.joined.learning, take };

/// The bits, and how far they can be trusted.
pub(super) struct Joined {
    bits: Vec<AtomicU64>,
    learning: Learning,
}

impl Default for Joined {
    fn default() -> Self {
        Self { bits: (0..WORDS).map(|_| AtomicU64::new(0)).collect(), learning: Learning::default() }
    }
}

impl Joined {
    /// The word and the bit of a member: of what the keys of its memberships begin with.
    fn place(&self, edges: &[u8]) -> Option<(&AtomicU64, u64)> {
        let hash = hash(edges);
        Some((self.bits.get((hash >> 6) as usize % WORDS)?, 1 << (hash & 63)))
    }

    /// Somebody becomes a member. Said before the membership can be read.
    pub(super) fn join(&self, edges: &[u8]) {
        if let Some((word, bit)) = self.place(edges) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// Whether there may be memberships whose keys begin so.
    pub(super) fn may_have(&self, edges: &[u8]) -> bool {
        !self.learning.is_known() || self.place(edges).is_none_or(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }
}

fn take(engine: &Engine, key: &[u8], _value: &[u8]) {
    let mut parts = Parts::new(key);
    // A key that cannot be read is nobody's answer.
    if parts.skip_text().and_then(|()| parts.skip_id()).is_some() {
        engine.joined.join(key.get(..key.len() - parts.remaining().len()).unwrap_or_default());
    }
}
