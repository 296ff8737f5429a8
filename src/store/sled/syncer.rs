//! The thread that makes batches durable and pays what is owed for them. While it waits for the disk, the committer stores the
//! next batch; all batches that are stored by then share one sync.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::store::StoreError;

use super::codec::Counters;
use super::committer::{Owed, Shared};
use super::engine::Engine;

/// Batches that are stored and wait for the sync; when the disk is slower, batches grow instead.
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

/// The committer's end of the thread.
pub(super) struct Syncer {
    sender: Option<SyncSender<Due>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub(super) fn start(engine: Arc<Engine>, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (sender, due) = sync_channel(MAX_BATCHES);
        let thread = thread::Builder::new()
            .name("syncer".to_owned())
            .spawn(move || run(&engine, &shared, &due))
            .map_err(|error| StoreError::Io(format!("a thread cannot be started: {error}")))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Hands a batch over.
    pub(super) fn owe(&self, due: Due) {
        if let Some(sender) = &self.sender {
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

fn run(engine: &Engine, shared: &Shared, due: &Receiver<Due>) {
    while let Ok(first) = due.recv() {
        let (mut owed, mut settled, mut last, mut next) = (Vec::new(), Vec::new(), None, Some(first));
        while let Some(one) = next.take() {
            match one {
                Due::Batch { owed: more, written } => {
                    shared.batches.fetch_add(u64::from(written.is_some()), Ordering::Relaxed);
                    let transactions = if written.is_some() { more.len() as u64 } else { 0 };
                    shared.transactions.fetch_add(transactions, Ordering::Relaxed);
                    owed.extend(more);
                    last = written.or(last);
                }
                Due::Settle(done) => settled.push(done),
            }
            next = due.try_recv().ok();
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
        for done in settled {
            let _ = done.send(());
        }
    }
}

fn durable(engine: &Engine, shared: &Shared) -> Result<(), StoreError> {
    if shared.fail_next.swap(false, Ordering::Relaxed) {
        return Err(StoreError::Io("a test made this sync fail".to_owned()));
    }
    engine.sync()
}
