//! [`Syncer`]: makes batches durable by the journal, and has the database's own log follow, so that the journal's files can be used again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::StoreError;

use super::applier::Applied;
use super::checkpoint::Checkpoints;
use super::committer::Shared;
use super::engine::Engine;
use super::journal::{Journal, Record};

/// Bytes in the journal after which the database is to write its own log: what a start has to replay, and how far the database
/// runs ahead of the disk.
const CHECKPOINT: u64 = 1 << 20;

/// The committer's way to the disk.
pub(super) struct Syncer {
    journal: Journal,
    checkpoints: Checkpoints,
    shared: Arc<Shared>,
    /// What the database has.
    applied: Arc<Applied>,
    /// Bytes in the journal since a checkpoint was asked for.
    unasked: u64,
}

impl Syncer {
    pub(super) fn new(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
        journal: Journal,
        applied: Arc<Applied>,
    ) -> Result<Self, StoreError> {
        let checkpoints = Checkpoints::start(engine, Arc::clone(&shared))?;
        Ok(Self { journal, checkpoints, shared, applied, unasked: 0 })
    }

    /// Writes a batch to the journal: from then on the database may get it, because no end of this process leaves a part of it alone.
    pub(super) fn write(&mut self, record: Record) -> Result<(), StoreError> {
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

    /// Makes durable what was written.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        if self.shared.fail_next.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Io("a test made this sync fail".to_owned()));
        }
        self.journal.sync()
    }

    /// Asks for a checkpoint now and then.
    pub(super) fn ask(&mut self) {
        if self.unasked >= CHECKPOINT && self.shared.stopped().is_none() {
            self.checkpoints.ask(self.applied.through());
            self.unasked = 0;
        }
    }

    /// Waits until everything up to a batch that was handed to the database is there for good. The journal is empty after that.
    pub(super) fn settle(&mut self, number: u64) -> Result<(), StoreError> {
        if let Some(why) = self.shared.stopped() {
            return Err(why);
        }
        self.applied.reach(number)?;
        self.checkpoints.reach(number)?;
        self.journal.clear()
    }
}
