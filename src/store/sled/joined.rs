//! Who may be a member of a group: bits by a hash of the id, so that a read of somebody who is in no group asks nothing of the
//! database. A bit that is set means a look; one that is not set means that there is no membership.
//!
//! The committer sets bits before it stores memberships, from the first moment on. Those of older ones are read by a thread when
//! the first questions have come, and until it is through every question is a look. A membership that ends leaves its bit until the
//! next start.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::store::watch::hash;

use super::engine::Engine;
use super::keys::{Parts, Space};

/// Words of bits: one mebibyte. With a million members one of nine others is looked for in vain.
const WORDS: usize = 1 << 17;
/// Questions after which it is worth reading all memberships; what only looks into a directory asks fewer.
const QUESTIONS: u32 = 64;

/// Nobody has asked enough.
const IDLE: u8 = 0;
/// The thread reads.
const LEARNING: u8 = 1;
/// Every membership has its bit.
const KNOWN: u8 = 2;
/// Memberships came by another way; there will be no answer before the next start.
const LOST: u8 = 3;

/// The bits, and how far they can be trusted.
pub(super) struct Joined {
    bits: Vec<AtomicU64>,
    state: AtomicU8,
    questions: AtomicU32,
    stop: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Default for Joined {
    fn default() -> Self {
        Self {
            bits: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
            state: AtomicU8::new(IDLE),
            questions: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            thread: Mutex::default(),
        }
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
        self.state.load(Ordering::SeqCst) != KNOWN
            || self.place(edges).is_none_or(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }

    /// Memberships come by another way than by [`Joined::join`].
    pub(super) fn lose(&self) {
        self.state.store(LOST, Ordering::SeqCst);
    }

    /// Counts a question, and begins to read when there were enough.
    pub(super) fn asked(engine: &Arc<Engine>) {
        let joined = &engine.joined;
        if joined.state.load(Ordering::Relaxed) != IDLE
            || joined.questions.fetch_add(1, Ordering::Relaxed) < QUESTIONS
            || joined.state.compare_exchange(IDLE, LEARNING, Ordering::SeqCst, Ordering::SeqCst).is_err()
        {
            return;
        }
        let theirs = Arc::clone(engine);
        // Without a thread each question stays a look.
        let thread = thread::Builder::new().name("memberships".to_owned()).spawn(move || theirs.joined.learn(&theirs));
        *joined.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread.ok();
    }

    fn learn(&self, engine: &Engine) {
        for row in engine.prefix(&[Space::Group.letter()], None) {
            let Ok((key, _)) = row else { return };
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let mut parts = Parts::new(&key);
            // A key that cannot be read is nobody's answer.
            if parts.skip_text().and_then(|()| parts.skip_id()).is_some() {
                self.join(key.get(..key.len() - parts.remaining().len()).unwrap_or_default());
            }
        }
        let _ = self.state.compare_exchange(LEARNING, KNOWN, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Ends the thread; the database is closed only after it.
    pub(super) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}
