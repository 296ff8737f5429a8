//! The thread that gives the database what is in the journal. The next batches are staged meanwhile: until the database has one, who
//! reads finds it in [`Ahead`](super::ahead::Ahead). A batch waits for those right behind it, as each writes the same few rows (counters,
//! counts, what a source did last): the database gets them once for all.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::store::StoreError;

use super::committer::Shared;
use super::engine::Engine;
use super::staging::Writes;

/// How long a batch waits for those behind it.
const MOMENT: Duration = Duration::from_millis(2);
/// Bytes of batches that wait for no more.
const ENOUGH: u64 = 64 << 10;
/// Batches that may wait, each of which whoever reads looks through, and their bytes. Who hands over one more waits, and the transactions
/// that come meanwhile are one batch.
const MAX_WAITING: usize = 8;
const MAX_BYTES: u64 = 1 << 20;

/// How much less of a processor the thread gets than those for whom somebody waits (`nice(2)`): nobody waits for the database, and
/// what comes meanwhile is given to it at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// A batch for the database.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) writes: Arc<Writes>,
    /// What it takes in the journal.
    pub(super) bytes: u64,
}

/// What the thread and the others share.
#[derive(Default)]
struct State {
    /// The number of a batch. The database has it and all before it, in memory.
    through: u64,
    /// What the thread is to do, in its order, and the bytes of it.
    waiting: Vec<Batch>,
    bytes: u64,
    /// Somebody waits for what waits.
    is_wanted: bool,
    /// Nothing comes any more.
    is_over: bool,
}

impl State {
    fn add(&mut self, batch: Batch) {
        self.bytes += batch.bytes;
        self.waiting.push(batch);
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING || self.bytes >= MAX_BYTES
    }

    /// Whether what waits is to wait for more.
    fn may_wait(&self) -> bool {
        !self.is_wanted && !self.is_over && self.bytes < ENOUGH && !self.is_full()
    }
}

/// How far the database has what it was given.
pub(super) struct Applied {
    state: Mutex<State>,
    /// The thread waits here for batches.
    given: Condvar,
    /// And others for the thread.
    changed: Condvar,
    shared: Arc<Shared>,
}

impl Applied {
    fn lock(&self) -> MutexGuard<'_, State> {
        // It is whole after each change, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last batch that the database has.
    pub(super) fn through(&self) -> u64 {
        self.lock().through
    }

    /// Waits until the database has a batch that was handed over.
    pub(super) fn reach(&self, number: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        while state.through < number {
            if let Some(why) = self.shared.stopped() {
                return Err(why);
            }
            state = self.wait(state);
        }
        Ok(())
    }

    /// Waits for the thread, which waits for nothing then.
    fn wait<'s>(&self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        state.is_wanted = true;
        self.given.notify_one();
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Batches that belong together; none when there will be no more.
    fn take(&self) -> Vec<Batch> {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.is_over;
        let state = self.given.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let waited = self.given.wait_timeout_while(state, MOMENT, |state| state.may_wait());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        (state.bytes, state.is_wanted) = (0, false);
        let batches = mem::take(&mut state.waiting);
        drop(state);
        // Whoever has one more to hand over.
        self.changed.notify_all();
        batches
    }

    /// The database has a batch, however it came there.
    fn set(&self, number: u64) {
        self.lock().through = number;
        self.changed.notify_all();
    }

    /// The store has stopped, which nobody may miss who is about to wait.
    fn give_up(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }
}

/// The committer's end of the thread.
pub(super) struct Applier {
    applied: Arc<Applied>,
    thread: Option<JoinHandle<()>>,
}

impl Applier {
    /// Starts the thread. The database has the batches up to `through`.
    pub(super) fn start(engine: Arc<Engine>, shared: Arc<Shared>, through: u64) -> Result<Self, StoreError> {
        let state = Mutex::new(State { through, ..State::default() });
        let applied = Arc::new(Applied { state, given: Condvar::new(), changed: Condvar::new(), shared });
        let theirs = Arc::clone(&applied);
        let thread = thread::Builder::new()
            .name("applier".to_owned())
            .spawn(move || run(&engine, &theirs))
            .map_err(|error| StoreError::Io(format!("a thread cannot be started: {error}")))?;
        Ok(Self { applied, thread: Some(thread) })
    }

    pub(super) fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.applied)
    }

    /// Hands over a batch that is shown; gives it back when the database is behind.
    pub(super) fn offer(&self, batch: Batch) -> Option<Batch> {
        let mut state = self.applied.lock();
        if state.is_full() {
            return Some(batch);
        }
        let is_first = state.waiting.is_empty();
        state.add(batch);
        let is_due = is_first || !state.may_wait();
        drop(state);
        // Otherwise it waits for a time, and would only look and wait on.
        if is_due {
            self.applied.given.notify_one();
        }
        None
    }

    /// Hands over a batch that was given back, and waits for the database.
    pub(super) fn hand(&self, batch: Batch) {
        let mut state = self.applied.lock();
        while state.is_full() {
            state = self.applied.wait(state);
        }
        state.add(batch);
        drop(state);
        self.applied.given.notify_one();
    }

    /// Says that the database was given a batch in another way, when nothing waits for the thread.
    pub(super) fn skip(&self, number: u64) {
        self.applied.set(number);
    }

    /// Lets the thread do what waits for it, and end.
    pub(super) fn end(&mut self) {
        self.applied.lock().is_over = true;
        self.applied.given.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Applier {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(engine: &Engine, applied: &Applied) {
    // In Linux this is about the thread that asks. Where it is not let, it goes on as it is.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
    loop {
        let batches = applied.take();
        let Some(last) = batches.last() else { return };
        // After an error nothing more is given to the database, since it would lack what was before. All of it stays shown: it is in
        // the journal, and the next start gives it to the database.
        if applied.shared.stopped().is_some() {
            applied.give_up();
            continue;
        }
        match engine.apply_each(batches.iter().map(|batch| &*batch.writes)) {
            Ok(()) => {
                engine.ahead.end(batches.len());
                applied.set(last.number);
            }
            Err(error) => {
                applied.shared.stop(&error);
                applied.give_up();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::journal::Record;
    use super::super::{keys, open};
    use super::*;

    fn engine(directory: &std::path::Path) -> Arc<Engine> {
        Arc::new(open::open(directory, 1 << 20).unwrap())
    }

    /// The rows of the database alone.
    fn rows(engine: &Engine) -> BTreeMap<Vec<u8>, Vec<u8>> {
        engine.tree.iter().map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
    }

    /// A batch that writes or removes rows of these names.
    fn batch(of: &[(u8, Option<u8>)]) -> Arc<Writes> {
        let write =
            |(name, value): &(u8, Option<u8>)| (keys::meta(&format!("row {name}")), value.map(|value| vec![value]));
        Arc::new(of.iter().map(write).collect())
    }

    fn numbered(number: u64, writes: Arc<Writes>) -> Batch {
        let bytes = Record::length(&writes);
        Batch { number, writes, bytes }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn batches_in_one_go_leave_what_they_leave_one_by_one(
            batches in prop::collection::vec(prop::collection::vec((0_u8..6, prop::option::of(any::<u8>())), 1..6), 1..40),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let engine = engine(directory.path());
            let mut left = rows(&engine);
            let mut applier = Applier::start(Arc::clone(&engine), Arc::default(), 0).unwrap();
            for (number, batch) in (1..).zip(batches.iter().map(|rows| batch(rows))) {
                for (key, value) in &*batch {
                    match value {
                        Some(value) => left.insert(key.clone(), value.clone()),
                        None => left.remove(key),
                    };
                }
                engine.ahead.show(&batch);
                if let Some(refused) = applier.offer(numbered(number, batch)) {
                    applier.hand(refused);
                }
            }
            let last = batches.len() as u64;
            prop_assert_eq!(applier.applied().reach(last), Ok(()));
            prop_assert_eq!(applier.applied().through(), last);
            prop_assert_eq!(rows(&engine), left);
            applier.end();
        }
    }

    #[test]
    fn what_is_handed_over_at_the_end_is_in_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path());
        let mut applier = Applier::start(Arc::clone(&engine), Arc::default(), 0).unwrap();
        let written = batch(&[(1, Some(7))]);
        engine.ahead.show(&written);
        assert!(applier.offer(numbered(1, written)).is_none());
        applier.end();
        assert_eq!(rows(&engine).get(&keys::meta("row 1")), Some(&vec![7]));
    }

    #[test]
    fn a_store_that_stopped_lets_nobody_wait_and_gives_the_database_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path());
        let shared = Arc::<Shared>::default();
        let before = rows(&engine);
        let mut applier = Applier::start(Arc::clone(&engine), Arc::clone(&shared), 0).unwrap();
        shared.stop(&StoreError::Io("a test".to_owned()));
        for number in 1..=3 * MAX_WAITING as u64 {
            applier.hand(numbered(number, batch(&[(1, Some(7))])));
        }
        assert!(matches!(applier.applied().reach(1), Err(StoreError::Stopped(_))));
        applier.end();
        assert_eq!(rows(&engine), before);
    }
}
