//! The one thread that writes. It takes the transactions that wait, stages them one after another and shows them as one batch
//! (`ahead.rs`). A second thread (`syncer.rs`) makes the batch durable in the journal and then answers, whether the database has
//! it by then or not; a third (`applier.rs`) gives it to the database. Meanwhile this one stages those that come, and shows them when
//! the disk is done: a sync is shared by all who came during the one before, and nobody who writes alone waits for more. With one
//! writer there are no conflicts.

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::store::{Committed, Millis, StoreError, Transaction, watch};

use super::applier::Applier;
use super::apply;
use super::codec::Counters;
use super::engine::Engine;
use super::extents;
use super::journal::{self, Journal, Record};
use super::keys::{self, Space};
use super::names::Owner;
use super::open;
use super::staging::{self, COUNTERS, Group, Writes};
use super::syncer::{Due, Syncer};

/// How long a batch waits for the disk. It is woken long before; only a disk that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Transactions in one batch.
const MAX_JOBS: usize = 512;
/// Keys after which a batch takes no more transactions; readers wait while a batch is stored.
const MAX_KEYS: usize = 8_192;
/// Keys that a dump may have to write again before it gives up.
const MAX_DIRTY: usize = 2_000_000;

/// Work for the thread.
pub(super) enum Job {
    Commit(Transaction, oneshot::Sender<Result<Committed, StoreError>>),
    Prune {
        before: Option<Millis>,
        bytes: Option<u64>,
        reply: oneshot::Sender<Result<u64, StoreError>>,
    },
    /// Says that all before it is stored, and writes nothing until the other end of `release` is dropped.
    Pause {
        ready: SyncSender<Result<(), StoreError>>,
        release: Receiver<()>,
    },
    /// The disk is done with what it had; sent when the thread waits for that.
    Synced,
    /// Nothing comes after this.
    End,
}

/// Whom to tell that nothing is written, and until when.
type Pause = (SyncSender<Result<(), StoreError>>, Receiver<()>);

/// What there is to do after a batch.
#[derive(Default)]
struct Halt {
    pause: Option<Pause>,
    end: bool,
}

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
    pub(super) fail_next: std::sync::atomic::AtomicBool,
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

    /// The thread worked from then on.
    fn worked(&self, since: Instant) {
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

/// An answer that is given after the batch is durable.
pub(super) enum Owed {
    Commit(oneshot::Sender<Result<Committed, StoreError>>, Result<Committed, StoreError>),
    Prune(oneshot::Sender<Result<u64, StoreError>>, Result<u64, StoreError>),
}

impl Owed {
    pub(super) fn pay(self, failure: Option<&StoreError>) {
        // Who no longer waits does not need the answer.
        match (self, failure) {
            (Self::Commit(reply, answer), None) => drop(reply.send(answer)),
            (Self::Prune(reply, answer), None) => drop(reply.send(answer)),
            (Self::Commit(reply, _), Some(error)) => drop(reply.send(Err(error.clone()))),
            (Self::Prune(reply, _), Some(error)) => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// The thread's state.
pub(super) struct Committer {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    counters: Counters,
    /// The number of the last batch.
    number: u64,
    applier: Applier,
    syncer: Syncer,
}

impl Committer {
    /// `journal` is empty; `queue` leads to the jobs that [`Committer::run`] is given.
    pub(super) fn new(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
        journal: Journal,
        queue: SyncSender<Job>,
    ) -> Result<Self, StoreError> {
        let (counters, number) = (counters(&engine)?, open::last_batch(&engine)?);
        shared.publish(&counters);
        let applier = Applier::start(Arc::clone(&engine), Arc::clone(&shared), number)?;
        let syncer = Syncer::start(Arc::clone(&engine), Arc::clone(&shared), journal, applier.applied(), queue)?;
        Ok(Self { engine, shared, counters, number, applier, syncer })
    }

    /// Works until it is told to end.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            match first {
                Job::Synced => continue,
                Job::End => break,
                _ => {}
            }
            let Halt { pause, end } = self.batch(first, jobs);
            if end {
                break;
            }
            if let Some((ready, release)) = pause {
                self.syncer.settle();
                let answer = self.shared.stopped().map_or(Ok(()), Err);
                // A receiver that is gone releases at once.
                if ready.send(answer).is_ok() {
                    let _released = release.recv();
                }
                self.reload();
            }
        }
        self.applier.end();
        self.syncer.end();
        if self.shared.stopped().is_none() {
            // Nothing is owed to anybody; this only spares the next start some recovery.
            drop(self.engine.sync());
        }
    }

    /// A restore changed the counters below us.
    fn reload(&mut self) {
        match counters(&self.engine) {
            Ok(counters) => self.counters = counters,
            Err(error) => self.shared.stop(&error),
        }
        self.shared.publish(&self.counters);
    }

    fn batch(&mut self, first: Job, jobs: &Receiver<Job>) -> Halt {
        let mut begun = Instant::now();
        let engine = Arc::clone(&self.engine);
        let mut group = Group::new(&engine, self.counters);
        let (mut owed, mut halt, mut next) = (Vec::new(), Halt::default(), Some(first));
        while let Some(job) = next.take() {
            match job {
                Job::Commit(transaction, reply) => {
                    self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                    let answer = self.stage(&mut group, |staging| apply::run(staging, transaction));
                    owed.push(Owed::Commit(reply, answer));
                }
                Job::Prune { before, bytes, reply } => {
                    self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                    let answer = self.stage(&mut group, |staging| apply::prune_log(staging, before, bytes));
                    owed.push(Owed::Prune(reply, answer));
                    // It reads stored rows, so nothing may prune twice in one batch.
                    break;
                }
                Job::Pause { ready, release } => {
                    self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                    halt.pause = Some((ready, release));
                    break;
                }
                Job::Synced => {}
                Job::End => {
                    halt.end = true;
                    break;
                }
            }
            if owed.len() < MAX_JOBS && group.len() < MAX_KEYS {
                next = jobs.try_recv().ok();
                if next.is_none() && self.syncer.is_busy() {
                    self.shared.worked(begun);
                    next = jobs.recv_timeout(PATIENCE).ok();
                    begun = Instant::now();
                }
            }
        }
        if let Err(error) = self.store(group, &mut owed) {
            self.shared.stop(&error);
            for debt in owed {
                debt.pay(Some(&error));
            }
        }
        self.shared.worked(begun);
        halt
    }

    fn stage<T>(
        &self,
        group: &mut Group<'_>,
        work: impl FnOnce(&mut staging::Staging<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(why) = self.shared.stopped() {
            return Err(why);
        }
        let mut staging = group.stage();
        let done = work(&mut staging)?;
        let effects = staging.effects();
        group.accept(effects);
        Ok(done)
    }

    /// Shows the batch, and hands it to the thread that makes it durable, with what is owed for it, and to the one that gives it to the
    /// database. What is still owed after an error was not handed over.
    fn store(&mut self, group: Group<'_>, owed: &mut Vec<Owed>) -> Result<(), StoreError> {
        if group.is_empty() {
            self.syncer.owe(Due::Batch { record: None, owed: mem::take(owed), written: None });
            return Ok(());
        }
        let (mut writes, counters) = group.finish()?;
        self.shared.remember(writes.keys());
        let changes = Changes::of(&writes);
        let number = self.number + 1;
        let (key, row) = open::batch_row(number);
        writes.insert(key, Some(row));
        let (record, written) = (Record::new(number, &writes), Some((number, counters)));
        if record.len() <= journal::CAPACITY {
            let writes = Arc::new(writes);
            self.engine.ahead.show(&writes);
            self.engine.resident.changed(&writes);
            changes.tell(&self.engine);
            self.syncer.owe(Due::Batch { record: Some(record), owed: mem::take(owed), written });
            self.applier.hand(number, writes);
        } else {
            self.syncer.settle();
            if let Some(why) = self.shared.stopped() {
                return Err(why);
            }
            changes.foretell(&self.engine);
            let rows: Vec<_> = writes.keys().filter(|key| Space::of(key) == Some(Space::Resource)).cloned().collect();
            self.engine.resident.forget(&rows);
            let stored = self.engine.apply(staging::batch(writes)).and_then(|()| self.engine.sync());
            self.engine.resident.forget(&rows);
            // Also when only a part of it was stored.
            changes.tell(&self.engine);
            stored.inspect_err(|_| self.engine.names.lose())?;
            self.applier.skip(number);
            self.syncer.owe(Due::Batch { record: None, owed: mem::take(owed), written });
        }
        (self.counters, self.number) = (counters, number);
        Ok(())
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
