//! The thread that lets the database write its own log and syncs it, so that the journal's files can be used again. Nobody who
//! writes waits for it, except when both files are full.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::store::StoreError;

use super::committer::Shared;
use super::engine::Engine;

/// How far the database has everything for good.
#[derive(Default)]
struct Progress {
    /// The number of a batch.
    through: Mutex<u64>,
    changed: Condvar,
}

/// The other end of the thread.
pub(super) struct Checkpoints {
    progress: Arc<Progress>,
    shared: Arc<Shared>,
    sender: Option<SyncSender<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(engine: Arc<Engine>, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (sender, asked) = sync_channel(1);
        let progress = Arc::<Progress>::default();
        let (theirs, stops) = (Arc::clone(&progress), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || run(&engine, &stops, &asked, &theirs))
            .map_err(|error| StoreError::Io(format!("a thread cannot be started: {error}")))?;
        Ok(Self { progress, shared, sender: Some(sender), thread: Some(thread) })
    }

    /// Asks for a checkpoint of all up to this batch, which the database has. One that was asked for and has not begun is as good.
    pub(super) fn ask(&self, through: u64) {
        if let Some(sender) = &self.sender {
            let _ = sender.try_send(through);
        }
    }

    /// Waits until all up to this batch, which the database has, is there for good.
    pub(super) fn reach(&self, through: u64) -> Result<(), StoreError> {
        let mut reached = self.progress.through.lock().unwrap_or_else(PoisonError::into_inner);
        if *reached >= through {
            return Ok(());
        }
        drop(reached);
        if let Some(sender) = &self.sender {
            // The thread ends only when this end does.
            let _ = sender.send(through);
        }
        reached = self.progress.through.lock().unwrap_or_else(PoisonError::into_inner);
        while *reached < through {
            if let Some(why) = self.shared.stopped() {
                return Err(why);
            }
            reached = self.progress.changed.wait(reached).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(engine: &Engine, shared: &Shared, asked: &Receiver<u64>, progress: &Progress) {
    while let Ok(through) = asked.recv() {
        let result = engine.sync();
        // Changed under the lock, so that nobody begins to wait after the last word.
        let mut reached = progress.through.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => *reached = through.max(*reached),
            Err(error) => shared.stop(&error),
        }
        progress.changed.notify_all();
    }
}
