//! The thread that gives the database what is in the journal. The next batch is staged meanwhile: until
//! the database has one, who reads finds it in [`Ahead`](super::ahead::Ahead).

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::store::StoreError;

use super::committer::Shared;
use super::engine::Engine;
use super::staging::Writes;

/// Batches that may wait for the thread. Who hands over one more waits, and the transactions that come meanwhile are one batch.
const MAX_WAITING: usize = 1;

/// A batch and its number.
pub(super) type Batch = (u64, Arc<Writes>);

/// How far the database has what it was given.
pub(super) struct Applied {
    /// The number of a batch. The database has it and all before it, in memory.
    through: Mutex<u64>,
    changed: Condvar,
    shared: Arc<Shared>,
}

impl Applied {
    fn lock(&self) -> MutexGuard<'_, u64> {
        // A number is whole, whoever panicked.
        self.through.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last batch that the database has.
    pub(super) fn through(&self) -> u64 {
        *self.lock()
    }

    /// Waits until the database has a batch that was handed over.
    pub(super) fn reach(&self, number: u64) -> Result<(), StoreError> {
        let mut through = self.lock();
        while *through < number {
            if let Some(why) = self.shared.stopped() {
                return Err(why);
            }
            through = self.changed.wait(through).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// The database has a batch, however it came there.
    fn set(&self, number: u64) {
        *self.lock() = number;
        self.changed.notify_all();
    }

    /// The store has stopped, which nobody may miss who is about to wait.
    fn give_up(&self) {
        let _through = self.lock();
        self.changed.notify_all();
    }
}

/// The committer's end of the thread.
pub(super) struct Applier {
    applied: Arc<Applied>,
    sender: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Applier {
    /// Starts the thread. The database has the batches up to `through`.
    pub(super) fn start(engine: Arc<Engine>, shared: Arc<Shared>, through: u64) -> Result<Self, StoreError> {
        let (sender, batches) = sync_channel(MAX_WAITING);
        let applied = Arc::new(Applied { through: Mutex::new(through), changed: Condvar::new(), shared });
        let theirs = Arc::clone(&applied);
        let thread = thread::Builder::new()
            .name("applier".to_owned())
            .spawn(move || run(&engine, &batches, &theirs))
            .map_err(|error| StoreError::Io(format!("a thread cannot be started: {error}")))?;
        Ok(Self { applied, sender: Some(sender), thread: Some(thread) })
    }

    pub(super) fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.applied)
    }

    /// Hands over a batch that is shown; gives it back when the database is behind.
    pub(super) fn offer(&self, number: u64, writes: Arc<Writes>) -> Option<Batch> {
        match self.sender.as_ref()?.try_send((number, writes)) {
            Err(TrySendError::Full(batch)) => Some(batch),
            // The thread ends only when this end does.
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        }
    }

    /// Hands over a batch that was given back, and waits for the database.
    pub(super) fn hand(&self, batch: Batch) {
        if let Some(sender) = &self.sender {
            drop(sender.send(batch));
        }
    }

    /// Says that the database was given a batch in another way, when nothing waits for the thread.
    pub(super) fn skip(&self, number: u64) {
        self.applied.set(number);
    }

    /// Lets the thread do what waits for it, and end.
    pub(super) fn end(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(engine: &Engine, batches: &Receiver<Batch>, applied: &Applied) {
    while let Ok((number, writes)) = batches.recv() {
        // After an error nothing more is given to the database, since it would lack what was before. All of it stays shown: it is in
        // the journal, and the next start gives it to the database.
        if applied.shared.stopped().is_some() {
            applied.give_up();
            continue;
        }
        match engine.apply_each(&writes) {
            Ok(()) => {
                engine.ahead.end();
                applied.set(number);
            }
            Err(error) => {
                applied.shared.stop(&error);
                applied.give_up();
            }
        }
    }
}
