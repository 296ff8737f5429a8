//! The thread that makes batches durable, by the journal, and pays what is owed for them. While it waits for the disk, the
//! applier gives the same batch to the database, and the committer stages the next one. Nobody waits for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::store::StoreError;

use super::applier::Applied;
use super::checkpoint::Checkpoints;
use super::codec::Counters;
use super::committer::{Job, Owed, Shared};
use super::engine::Engine;
use super::journal::{Journal, Record};

/// What may wait for the thread. It is more than two only when batches are full.
const MAX_DUE: usize = 4;
/// Bytes in the journal after which the database is to write its own log: what a start has to replay, and how far the database
/// runs ahead of the disk.
const CHECKPOINT: u64 = 1 << 20;

/// What is due.
pub(super) enum Due {
    /// A batch that can be read, and that the database has or gets.
    Batch {
        /// What makes it durable; `None` when it is, or nothing was written.
        record: Option<Record>,
        /// Who waits for it.
        owed: Vec<Owed>,
        /// The number of the batch and the counters after it; `None` when nothing was written.
        written: Option<(u64, Counters)>,
    },
    /// Somebody waits until everything before is done, and in the database for good.
    Settle(SyncSender<()>),
}

/// How the thread stands.
#[derive(Default)]
struct Standing {
    /// How much is due.
    due: AtomicUsize,
    /// Whether the committer wants to hear when nothing is.
    awaited: AtomicBool,
}

/// The committer's end of the thread.
pub(super) struct Syncer {
    standing: Arc<Standing>,
    sender: Option<SyncSender<Due>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread. `committer` is where it says that it is done.
    pub(super) fn start(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
        journal: Journal,
        applied: Arc<Applied>,
        committer: SyncSender<Job>,
    ) -> Result<Self, StoreError> {
        let (sender, due) = sync_channel(MAX_DUE);
        let standing = Arc::<Standing>::default();
        let checkpoints = Checkpoints::start(engine, Arc::clone(&shared))?;
        let theirs = Arc::clone(&standing);
        let work = Work { journal, checkpoints, shared, applied, handed: 0, unasked: 0 };
        let thread = thread::Builder::new()
            .name("syncer".to_owned())
            .spawn(move || work.run(&due, &theirs, &committer))
            .map_err(|error| StoreError::Io(format!("a thread cannot be started: {error}")))?;
        Ok(Self { standing, sender: Some(sender), thread: Some(thread) })
    }

    /// Whether something is still to be made durable. When it is, [`Job::Synced`] comes after that, or other jobs are there.
    pub(super) fn is_busy(&self) -> bool {
        self.standing.awaited.store(true, Ordering::SeqCst);
        let is_busy = self.standing.due.load(Ordering::SeqCst) > 0;
        if !is_busy {
            self.standing.awaited.store(false, Ordering::SeqCst);
        }
        is_busy
    }

    /// Hands something over.
    pub(super) fn owe(&self, due: Due) {
        if let Some(sender) = &self.sender {
            self.standing.due.fetch_add(1, Ordering::SeqCst);
            // The thread ends only when this end does.
            drop(sender.send(due));
        }
    }

    /// Waits until everything that was handed over is done and in the database for good. The journal is empty after that, unless
    /// the store has stopped.
    pub(super) fn settle(&self) {
        let (done, wait) = sync_channel(1);
        self.owe(Due::Settle(done));
        let _ = wait.recv();
    }

    /// Lets the thread do what is due, and end.
    pub(super) fn end(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The thread's state.
struct Work {
    journal: Journal,
    checkpoints: Checkpoints,
    shared: Arc<Shared>,
    /// What the database has.
    applied: Arc<Applied>,
    /// The number of the last batch that was handed over.
    handed: u64,
    /// Bytes in the journal since a checkpoint was asked for.
    unasked: u64,
}

impl Work {
    fn run(mut self, due: &Receiver<Due>, standing: &Standing, committer: &SyncSender<Job>) {
        while let Ok(due) = due.recv() {
            match due {
                Due::Batch { record, owed, written } => {
                    let durable = record.map_or(Ok(()), |record| self.write(record));
                    if let Err(error) = &durable {
                        self.shared.stop(error);
                    }
                    self.handed = written.as_ref().map_or(self.handed, |(number, _)| *number);
                    self.pay(owed, written, durable.err().as_ref());
                    self.ask();
                }
                Due::Settle(told) => {
                    if let Err(error) = self.settle() {
                        self.shared.stop(&error);
                    }
                    let _ = told.send(());
                }
            }
            if standing.due.fetch_sub(1, Ordering::SeqCst) == 1 && standing.awaited.swap(false, Ordering::SeqCst) {
                // When the queue is full, the committer need not be told.
                drop(committer.try_send(Job::Synced));
            }
        }
    }

    fn write(&mut self, record: Record) -> Result<(), StoreError> {
        if self.shared.fail_next.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Io("a test made this sync fail".to_owned()));
        }
        if let Some(why) = self.shared.stopped() {
            return Err(why);
        }
        self.unasked += record.len();
        if !self.journal.has_room(&record) {
            self.applied.reach(self.journal.behind())?;
            self.checkpoints.reach(self.journal.behind())?;
            self.journal.turn();
            self.checkpoints.ask(self.applied.through());
        }
        self.journal.append(record)
    }

    fn pay(&self, owed: Vec<Owed>, written: Option<(u64, Counters)>, failure: Option<&StoreError>) {
        if let (Some((_, counters)), None) = (&written, failure) {
            self.shared.batches.fetch_add(1, Ordering::Relaxed);
            self.shared.transactions.fetch_add(owed.len() as u64, Ordering::Relaxed);
            self.shared.publish(counters);
        }
        for debt in owed {
            debt.pay(failure);
        }
    }

    /// Asks for a checkpoint now and then.
    fn ask(&mut self) {
        if self.unasked >= CHECKPOINT && self.shared.stopped().is_none() {
            self.checkpoints.ask(self.applied.through());
            self.unasked = 0;
        }
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        if let Some(why) = self.shared.stopped() {
            return Err(why);
        }
        self.applied.reach(self.handed)?;
        self.checkpoints.reach(self.handed)?;
        self.journal.clear()
    }
}
