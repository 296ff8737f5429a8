//! How something is learnt that is held in memory of all rows of a space: by a thread, once somebody has asked for it often enough.
//! Until the thread is through, every question is a look into the database. Such threads take turns: with two of them a small machine
//! has no processor left for those who ask.
//!
//! What changes meanwhile, the writer tells: from the moment on at which [`Learning::is_begun`] says so, and when it can be read. So a
//! row that the thread did not find was told, or could be read before the thread began.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::engine::Engine;
use super::keys::Space;

/// Questions after which it is worth reading all rows; what only looks into a directory asks fewer.
const QUESTIONS: u32 = 64;

/// Nobody has asked enough.
const IDLE: u8 = 0;
/// The thread reads.
const READING: u8 = 1;
/// Everything is in memory.
const KNOWN: u8 = 2;
/// Rows cannot be read, or are stored by another way: there is no answer from memory.
const LOST: u8 = 3;

/// How far it has come.
#[derive(Default)]
pub(super) struct Learning {
    state: AtomicU8,
    questions: AtomicU32,
    stop: AtomicBool,
    /// Held by whoever begins or ends, so that they take turns.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is learnt, and how.
pub(super) struct Lesson {
    /// The name of the thread.
    pub(super) name: &'static str,
    /// The rows.
    pub(super) space: Space,
    /// How far it has come.
    pub(super) learning: fn(&Engine) -> &Learning,
    /// Takes a row.
    pub(super) take: fn(&Engine, key: &[u8], value: &[u8]),
}

impl Learning {
    /// Whether everything is in memory.
    pub(super) fn is_known(&self) -> bool {
        self.state.load(Ordering::SeqCst) == KNOWN
    }

    /// Whether changes are to be told.
    pub(super) fn is_begun(&self) -> bool {
        [READING, KNOWN].contains(&self.state.load(Ordering::SeqCst))
    }

    /// From now on memory has no answer, because somebody does not know what is stored.
    pub(super) fn lose(&self) {
        self.state.store(LOST, Ordering::SeqCst);
    }

    /// As if the thread had begun, or was through.
    #[cfg(test)]
    pub(super) fn pretend(&self, known: bool) {
        self.state.store(if known { KNOWN } else { READING }, Ordering::SeqCst);
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        // A handle is there or not, whoever panicked.
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lesson {
    /// From the start, while nobody writes: when there are no rows, that is all there is to know.
    pub(super) fn begin(&self, engine: &Engine) {
        let learning = (self.learning)(engine);
        let _turn = learning.thread();
        let is_empty = engine.prefix(&[self.space.letter()], None).next().is_none();
        learning.stop.store(false, Ordering::SeqCst);
        learning.questions.store(0, Ordering::SeqCst);
        learning.state.store(if is_empty { KNOWN } else { IDLE }, Ordering::SeqCst);
    }

    /// Counts a question, and begins to read when there were enough.
    pub(super) fn asked(&'static self, engine: &Arc<Engine>) {
        let learning = (self.learning)(engine);
        if learning.state.load(Ordering::Relaxed) != IDLE
            || learning.questions.fetch_add(1, Ordering::Relaxed) < QUESTIONS
        {
            return;
        }
        let mut thread = learning.thread();
        if learning.state.compare_exchange(IDLE, READING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return;
        }
        let theirs = Arc::clone(engine);
        let spawned = thread::Builder::new().name(self.name.to_owned()).spawn(move || self.read(&theirs));
        *thread = spawned.ok();
        if thread.is_none() {
            learning.lose();
        }
    }

    fn read(&self, engine: &Engine) {
        let learning = (self.learning)(engine);
        let _turn = engine.learner.lock().unwrap_or_else(PoisonError::into_inner);
        let through = self.take_all(engine, learning).is_some();
        let state = if through { KNOWN } else { LOST };
        // Whoever lost it meanwhile knows better.
        let _ = learning.state.compare_exchange(READING, state, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// `None` when a row cannot be read, or when it is to end.
    fn take_all(&self, engine: &Engine, learning: &Learning) -> Option<()> {
        for row in engine.prefix(&[self.space.letter()], None) {
            let (key, value) = row.ok()?;
            if learning.stop.load(Ordering::SeqCst) {
                return None;
            }
            (self.take)(engine, &key, &value);
        }
        Some(())
    }

    /// Ends the threads of all of them. There is no answer from memory until [`Lesson::begin`]; the database is closed only after it.
    pub(super) fn end_all(lessons: &[&Self], engine: &Engine) {
        let learnings: Vec<_> = lessons.iter().map(|lesson| (lesson.learning)(engine)).collect();
        // Of all, since one may wait for the turn of another.
        let mut threads: Vec<_> = learnings.iter().map(|learning| learning.thread()).collect();
        for learning in learnings {
            learning.lose();
            learning.stop.store(true, Ordering::SeqCst);
        }
        for thread in threads.iter_mut().filter_map(|thread| thread.take()) {
            drop(thread.join());
        }
    }
}
