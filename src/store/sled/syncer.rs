//! The thread that makes batches durable and pays what is owed for them. While it waits for the disk, the committer stages the
//! next batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::store::StoreError;

use super::codec::Counters;
use super::committer::{Job, Owed, Shared};
use super::engine::Engine;

/// Batches that are stored and wait for the sync. There is more than one only when batches are full.
const MAX_BATCHES: usize = 2;

/// What is due.
pub(super) enum Due {
    /// A stored batch.
    Batch {
        /// Who waits for it.
        owed: Vec<Owed>,
        /// The counters after it; `None` when nothing was written.
        written: Option<Counters>,
    },
    /// Somebody waits until everything before is done.
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
        committer: SyncSender<Job>,
    ) -> Result<Self, StoreError> {
        let (sender, due) = sync_channel(MAX_BATCHES);
        let standing = Arc::<Standing>::default();
        let theirs = Arc::clone(&standing);
        let thread = thread::Builder::new()
            .name("syncer".to_owned())
            .spawn(move || run(&engine, &shared, &due, &theirs, &committer))
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

    /// Hands a batch over.
    pub(super) fn owe(&self, due: Due) {
        if let Some(sender) = &self.sender {
            self.standing.due.fetch_add(1, Ordering::SeqCst);
            // The thread ends only when this end does.
            drop(sender.send(due));
        }
    }

    /// Waits until everything that was handed over is done.
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

fn run(engine: &Engine, shared: &Shared, due: &Receiver<Due>, standing: &Standing, committer: &SyncSender<Job>) {
    while let Ok(first) = due.recv() {
        let (mut owed, mut settled, mut last, mut more) = (Vec::new(), Vec::new(), None, Some(first));
        let mut done = 0;
        while let Some(one) = more.take() {
            done += 1;
            match one {
                Due::Batch { owed: debts, written } => {
                    shared.batches.fetch_add(u64::from(written.is_some()), Ordering::Relaxed);
                    let transactions = if written.is_some() { debts.len() as u64 } else { 0 };
                    shared.transactions.fetch_add(transactions, Ordering::Relaxed);
                    owed.extend(debts);
                    last = written.or(last);
                }
                Due::Settle(told) => settled.push(told),
            }
            more = due.try_recv().ok();
        }
        let result = match &last {
            Some(counters) => durable(engine, shared).map(|()| shared.publish(counters)),
            None => Ok(()),
        };
        // What was stored before the sync failed is not known to be on the disk either.
        let failure = result.err().or_else(|| last.and_then(|_| shared.stopped()));
        if let Some(error) = &failure {
            shared.stop(error);
        }
        for debt in owed {
            debt.pay(failure.as_ref());
        }
        for told in settled {
            let _ = told.send(());
        }
        if standing.due.fetch_sub(done, Ordering::SeqCst) == done && standing.awaited.swap(false, Ordering::SeqCst) {
            // When the queue is full, the committer need not be told.
            drop(committer.try_send(Job::Synced));
        }
    }
}

fn durable(engine: &Engine, shared: &Shared) -> Result<(), StoreError> {
    if shared.fail_next.swap(false, Ordering::Relaxed) {
        return Err(StoreError::Io("a test made this sync fail".to_owned()));
    }
    engine.sync()
}
