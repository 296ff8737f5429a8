//! The one thread that writes. What was staged meanwhile (`desk.rs`) it shows as one batch (`ahead.rs`), makes it durable in the journal
//! (`syncer.rs`), and then answers, whether the database has the batch by then or not; another thread (`applier.rs`) gives it to the
//! database. Meanwhile others stage what comes: a sync is shared by all who came during the one before, and nobody who writes alone
//! waits for more. As one transaction is staged at a time, on all before it, there are no conflicts.

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::store::{StoreError, watch};

use super::applier::{self, Applier};
use super::apply;
use super::codec::Counters;
use super::desk::{Desk, Job, Open, Owed, Stand};
use super::engine::Engine;
use super::extents;
use super::journal::{self, Journal, Record};
use super::keys::{self, Space};
use super::names::Owner;
use super::open;
use super::staging::{self, COUNTERS, Group, Writes};
use super::syncer::Syncer;

/// Keys that a dump may have to write again before it gives up.
const MAX_DIRTY: usize = 2_000_000;

/// Whom to tell that nothing is written, and until when.
type Pause = (SyncSender<Result<(), StoreError>>, Receiver<()>);

/// What a dump has to write again, since it changed after the dump saw it.
#[derive(Default)]
pub(super) struct Dirty {
    pub(super) keys: Option<HashSet<Vec<u8>>>,
    pub(super) overflow: bool,
}

/// What the thread and the store share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) waiting: AtomicUsize,
    pub(super) batches: AtomicU64,
    pub(super) transactions: AtomicU64,
    pub(super) busy: AtomicU64,
    pub(super) log_bytes: AtomicU64,
    pub(super) outbox_next: AtomicU64,
    dirty: Mutex<Dirty>,
    /// Why nothing is written any more. After a failed sync nobody knows what is on the disk, so only opening again helps.
    stopped: Mutex<Option<StoreError>>,
    /// For tests: the next sync fails.
    pub(super) fail_next: AtomicBool,
}

impl Shared {
    pub(super) fn dirty(&self) -> MutexGuard<'_, Dirty> {
        // A set of keys is whole after each insertion, whatever happened to the thread that did it.
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is written any more.
    pub(super) fn stopped(&self) -> Option<StoreError> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes nothing from now on.
    pub(super) fn stop(&self, error: &StoreError) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.get_or_insert_with(|| StoreError::Stopped(error.to_string()));
    }

    /// Somebody worked from then on.
    pub(super) fn worked(&self, since: Instant) {
        self.busy.fetch_add(since.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, counters: &Counters) {
        self.log_bytes.store(counters.log_bytes, Ordering::Relaxed);
        self.outbox_next.store(counters.outbox, Ordering::Relaxed);
    }

    fn remember<'k>(&self, keys: impl Iterator<Item = &'k Vec<u8>>) {
        let mut dirty = self.dirty();
        let Some(seen) = &mut dirty.keys else { return };
        for key in keys {
            let dumped = [Space::Resource, Space::Group, Space::Record, Space::Outbox, Space::Log];
            if Space::of(key).is_some_and(|space| dumped.contains(&space)) {
                seen.insert(key.clone());
            }
        }
        if seen.len() > MAX_DIRTY {
            seen.clear();
            dirty.overflow = true;
        }
    }
}

/// The counters as stored.
pub(super) fn counters(engine: &Engine) -> Result<Counters, StoreError> {
    engine.get(&keys::meta(COUNTERS))?.map_or(Ok(Counters::default()), |row| Counters::read(&row))
}

/// A batch that can be read, and is to be made durable.
struct Batch {
    number: u64,
    counters: Counters,
    /// What it writes; `None` when that is in the database for good.
    writes: Option<Arc<Writes>>,
}

/// The thread's state.
pub(super) struct Committer {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    counters: Counters,
    /// The number of the last batch.
    number: u64,
    applier: Applier,
    syncer: Syncer,
}

impl Committer {
    /// `journal` is empty; so many transactions may wait on its desk.
    pub(super) fn new(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
        journal: Journal,
        queue: usize,
    ) -> Result<Self, StoreError> {
        let (counters, number) = (counters(&engine)?, open::last_batch(&engine)?);
        shared.publish(&counters);
        let desk = Arc::new(Desk::new(Arc::clone(&engine), Arc::clone(&shared), counters, queue));
        let applier = Applier::start(Arc::clone(&engine), Arc::clone(&shared), number)?;
        let syncer = Syncer::new(Arc::clone(&engine), Arc::clone(&shared), journal, applier.applied())?;
        Ok(Self { engine, shared, desk, counters, number, applier, syncer })
    }

    /// Where transactions are brought.
    pub(super) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Works until nothing is brought any more.
    pub(super) fn run(mut self) {
        let desk = Arc::clone(&self.desk);
        while let Some(mut open) = desk.wait() {
            let pause = self.gather(&mut open);
            let begun = Instant::now();
            let owed = mem::take(&mut open.owed);
            let group = mem::replace(&mut open.group, Group::new(self.counters));
            let batch = self.show(group);
            // Nobody stages on what was there before the batch.
            open.group = Group::new(self.counters);
            drop(open);
            self.shared.worked(begun);
            let done =
                batch.and_then(|batch| self.store(batch, owed.len())).inspect_err(|error| self.shared.stop(error));
            for debt in owed {
                debt.pay(done.as_ref().err());
            }
            if let Ok(Some(refused)) = done {
                self.applier.hand(refused);
            }
            self.syncer.ask();
            if let Some(pause) = pause {
                self.pause(pause);
            }
        }
        self.applier.end();
        if self.shared.stopped().is_none() {
            // Nothing is owed to anybody; this only spares the next start some recovery.
            drop(self.engine.sync());
        }
    }

    /// Stages what is left to this thread, and what lies behind it.
    fn gather(&self, open: &mut Open) -> Option<Pause> {
        while open.has_room() {
            match open.left.take()? {
                Job::Commit(transaction, reply) => {
                    self.desk.commit(open, transaction, reply);
                    self.desk.stage_waiting(open, usize::MAX);
                }
                Job::Prune { before, bytes, reply } => {
                    let answer = self.desk.stage(open, |staging| apply::prune_log(staging, before, bytes));
                    open.owed.push(Owed::Prune(reply, answer));
                    // It reads stored rows, so nothing may prune twice in one batch.
                    return None;
                }
                Job::Pause { ready, release } => {
                    open.stand = Stand::Pauses;
                    return Some((ready, release));
                }
            }
        }
        None
    }

    /// Shows a batch to readers; `None` when it changes nothing.
    fn show(&mut self, group: Group) -> Result<Option<Batch>, StoreError> {
        if group.is_empty() {
            return Ok(None);
        }
        let (mut writes, counters) = group.finish(&self.engine)?;
        self.shared.remember(writes.keys());
        let changes = Changes::of(&writes);
        let number = self.number + 1;
        let (key, row) = open::batch_row(number);
        writes.insert(key, Some(row));
        let writes = if Record::length(&writes) <= journal::CAPACITY {
            let writes = Arc::new(writes);
            self.engine.ahead.show(&writes);
            self.engine.resident.changed(&writes);
            changes.tell(&self.engine);
            Some(writes)
        } else {
            self.settle()?;
            changes.foretell(&self.engine);
            let rows: Vec<_> = writes.keys().filter(|key| Space::of(key) == Some(Space::Resource)).cloned().collect();
            self.engine.resident.forget(&rows);
            let stored = self.engine.apply(staging::batch(writes)).and_then(|()| self.engine.sync());
            self.engine.resident.forget(&rows);
            // Also when only a part of it was stored.
            changes.tell(&self.engine);
            stored.inspect_err(|_| self.engine.names.lose())?;
            self.applier.skip(number);
            None
        };
        (self.counters, self.number) = (counters, number);
        Ok(Some(Batch { number, counters, writes }))
    }

    /// Makes a batch of so many transactions durable, while the database gets it; gives it back when the database is behind.
    fn store(&mut self, batch: Option<Batch>, transactions: usize) -> Result<Option<applier::Batch>, StoreError> {
        let Some(Batch { number, counters, writes }) = batch else {
            return self.shared.stopped().map_or(Ok(None), Err);
        };
        let mut refused = None;
        if let Some(writes) = writes {
            let record = Record::new(number, &writes);
            let batch = applier::Batch { number, writes, bytes: record.len() };
            self.syncer.write(record)?;
            refused = self.applier.offer(batch);
            self.syncer.sync()?;
        }
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        self.shared.transactions.fetch_add(transactions as u64, Ordering::Relaxed);
        self.shared.publish(&counters);
        Ok(refused)
    }

    /// Waits until everything is in the database for good.
    fn settle(&mut self) -> Result<(), StoreError> {
        self.syncer.settle(self.number).inspect_err(|error| self.shared.stop(error))
    }

    /// Says that nothing is written, and writes nothing until it may.
    fn pause(&mut self, (ready, release): Pause) {
        let answer = self.settle();
        // A receiver that is gone releases at once.
        if ready.send(answer).is_ok() {
            let _released = release.recv();
        }
        // A restore changed the counters below us.
        match counters(&self.engine) {
            Ok(counters) => self.counters = counters,
            Err(error) => self.shared.stop(&error),
        }
        self.shared.publish(&self.counters);
        let mut open = self.desk.lock();
        open.group = Group::new(self.counters);
        // The store may close by now.
        if open.stand == Stand::Pauses {
            open.stand = Stand::Works;
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// What those who keep something in memory have to hear of a batch.
struct Changes {
    /// Where the changes of the resources in it are counted.
    places: HashSet<u16>,
    /// Rows of the order of creation, and how many are in each.
    order: Vec<(Vec<u8>, Option<u8>)>,
    /// Unique keys, and who has them.
    names: Vec<(Vec<u8>, Owner)>,
}

impl Changes {
    fn of(writes: &Writes) -> Self {
        let mut changes = Self { places: HashSet::new(), order: Vec::new(), names: Vec::new() };
        for (key, row) in writes {
            match Space::of(key) {
                Some(Space::Order) => changes.order.push((key.clone(), extents::count(row.as_deref()))),
                Some(Space::Unique) => changes.names.push((key.clone(), Owner::of(row.as_deref()))),
                _ => changes.places.extend(keys::name_in(key).map(watch::place)),
            }
        }
        changes
    }

    /// Said before a batch that can be read before it is told of: until then the database is asked for names.
    fn foretell(&self, engine: &Engine) {
        for (key, _) in &self.names {
            engine.names.changed(key, Owner::Elsewhere);
        }
    }

    /// Said when the batch can be read.
    fn tell(self, engine: &Engine) {
        for (key, count) in self.order {
            engine.extents.changed(&key, count);
        }
        // Who looks at a resource after this counts what was counted here.
        for place in self.places {
            engine.watch.changed(place);
        }
        for (key, owner) in self.names {
            engine.names.changed(&key, owner);
        }
    }
}
