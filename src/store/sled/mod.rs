//! The store of one machine, on sled 0.34.7. Nothing outside of this directory names sled.
//!
//! `keys.rs` has the layout, `codec.rs` the values, and `pack.rs` makes them smaller. `engine.rs` is the database behind functions that cannot panic.
//! `desk.rs` is where transactions are staged, by `staging.rs` and `apply.rs`, and `committer.rs` the one thread that writes. `journal.rs`
//! and `syncer.rs` make a batch durable before the database has written it; `applier.rs` and `checkpoint.rs` are the threads for the
//! database, and for its log. `joined.rs`, `names.rs`, `resident.rs`, `watch` and `extents.rs` are what is held in
//! memory so that reads ask the database for less, `kinds.rs` and `lasts.rs` so that writes do; `learning.rs` is how the first three
//! come there, `keyed.rs` how two of them are held. `chunk.rs` is what the rows of members hold, `members.rs` how they change.
//! `takeover.rs` makes older layouts today's.

mod ahead;
mod applier;
mod apply;
mod checkpoint;
mod chunk;
mod codec;
mod committer;
mod compact;
mod copy;
mod desk;
mod engine;
mod extents;
mod joined;
mod journal;
mod keyed;
mod keys;
mod kinds;
mod lasts;
mod learning;
mod members;
mod names;
mod open;
mod pack;
mod read;
mod resident;
mod staging;
mod syncer;
mod takeover;
mod tally;
mod verify;

use std::future::ready;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::{
    Activity, Answer, Committed, Cursor, Dumped, Holder, LogLine, LogQuery, Member, Millis, Operation, OutboxEntry,
    Page, Record, Rewind, Runs, Scan, Seen, Start, Stats, Store, StoreError, Stored, Table, Transaction, Verified,
};

use self::committer::{Committer, Shared};
pub use self::compact::compact;
use self::desk::{Desk, Job};
use self::engine::{Engine, guarded};
use self::learning::Lesson;

/// What is learnt of all rows of a space.
static LESSONS: [&Lesson; 3] = [&joined::LESSON, &names::LESSON, &resident::LESSON];

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of pages kept in memory; the database needs up to three times as much.
    pub cache: u64,
    /// Bytes of rows of resources kept in memory beside the pages; a user is mostly 320.
    pub rows: usize,
    /// Transactions that may wait; more get [`StoreError::Busy`].
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: 32 << 20, rows: 384 << 20, queue: 1_024 }
    }
}

/// A store in a directory, for one process.
pub struct SledStore {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    warnings: Vec<String>,
    /// The last to go: a second process may open the directory only when the database is closed.
    _lock: open::Lock,
}

impl SledStore {
    /// Opens the store in a data directory, which is made if it is missing.
    pub fn open(directory: &Path, options: Options) -> Result<Self, StoreError> {
        let lock = open::lock(directory)?;
        open::settle(directory)?;
        let engine = Arc::new(open::open(&directory.join(open::DATABASE), options.cache)?);
        let journal = open::replay(directory, &engine)?;
        for lesson in LESSONS {
            lesson.begin(&engine);
        }
        engine.resident.begin(options.rows);
        let warnings = open::doubtful_file_system(directory).map(|name| {
            format!("the data directory is on {name}; acknowledged writes are promised only on ext4 and xfs")
        });
        let shared = Arc::new(Shared::default());
        let committer = Committer::new(Arc::clone(&engine), Arc::clone(&shared), journal, options.queue)?;
        let desk = committer.desk();
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(move || committer.run())?;
        let warnings = warnings.into_iter().collect();
        Ok(Self { desk, thread: Some(thread), engine, shared, warnings, _lock: lock })
    }

    /// What a person should know about this directory.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// For tests: the next batch is stored but its sync fails, as on a broken disk.
    #[doc(hidden)]
    pub fn fail_next_sync(&self) {
        self.shared.fail_next.store(true, Ordering::Relaxed);
    }

    /// Rows of resources are asked for.
    fn asked_for_rows(&self) {
        if self.engine.resident.is_on() {
            resident::LESSON.asked(&self.engine);
        }
    }

    /// Holds all writes until the answer is dropped.
    fn pause(&self) -> Result<Pause, StoreError> {
        let (ready, wait) = sync_channel(1);
        let (release, released) = sync_channel(1);
        self.desk.bring(Job::Pause { ready, release: released })?;
        wait.recv().map_err(|_| closed())??;
        Ok(Pause { _release: release })
    }

    /// An answer that the committer gives.
    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Answer<'static, T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.desk.bring(job(reply));
        Box::pin(async move {
            sent?;
            answer.await.unwrap_or_else(|_| Err(closed()))
        })
    }
}

/// While it lives, nothing is written.
struct Pause {
    _release: SyncSender<()>,
}

fn closed() -> StoreError {
    StoreError::Stopped("it is closed".to_owned())
}

fn now<'a, T: Send + 'a>(answer: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(ready(answer))
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // The thread finishes what came before, syncs, and ends.
        self.desk.end();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        Lesson::end_all(&LESSONS, &self.engine);
    }
}

impl Store for SledStore {
    fn is_exclusive(&self) -> bool {
        true
    }

    fn commit(&self, transaction: Transaction) -> Answer<'static, Committed> {
        for operation in &transaction.operations {
            match operation {
                Operation::Members { .. } => joined::LESSON.asked(&self.engine),
                // Its keys are looked for, and it will be: better learnt before there are many than when somebody waits for it.
                Operation::Create { .. } => {
                    names::LESSON.asked(&self.engine);
                    self.asked_for_rows();
                }
                _ => {}
            }
        }
        self.ask(|reply| Job::Commit(transaction, reply))
    }

    fn get<'a>(&'a self, source: &'a str, id: &'a str) -> Answer<'a, Option<Stored>> {
        self.asked_for_rows();
        now(read::get(&self.engine, source, id))
    }

    fn look(&self, source: &str, id: &str) -> Option<Seen> {
        Some(self.engine.watch.look(&keys::name(source, id)))
    }

    fn is_as_seen(&self, seen: &[Seen]) -> bool {
        seen.iter().all(|seen| self.engine.watch.is_same(*seen))
    }

    fn get_many<'a>(&'a self, source: &'a str, ids: &'a [String]) -> Answer<'a, Vec<Option<Stored>>> {
        self.asked_for_rows();
        now(read::get_many(&self.engine, source, ids))
    }

    fn find<'a>(&'a self, source: &'a str, kind: &'a str, index: &'a str, key: &'a [u8]) -> Answer<'a, Option<String>> {
        names::LESSON.asked(&self.engine);
        now(read::find(&self.engine, source, kind, index, key))
    }

    fn find_known(&self, source: &str, kind: &str, index: &str, key: &[u8]) -> Holder {
        read::find_known(&self.engine, source, kind, index, key)
    }

    fn scan<'a>(&'a self, source: &'a str, kind: &'a str, scan: &'a Scan) -> Answer<'a, Page<String>> {
        now(read::scan(&self.engine, source, kind, scan))
    }

    fn list<'a>(&'a self, source: &'a str, kind: &'a str, from: Start, limit: usize) -> Answer<'a, Page<Stored>> {
        now(read::list(&self.engine, source, kind, &from, limit))
    }

    fn runs(&self, source: &str, kind: &str, skip: u64, limit: u64, most: u64) -> Option<Runs> {
        read::runs(&self.engine, source, kind, skip, limit, most)
    }

    fn order<'a>(
        &'a self,
        source: &'a str,
        kind: &'a str,
        from: Start,
        limit: usize,
    ) -> Answer<'a, Page<(u64, String)>> {
        now(read::order(&self.engine, source, kind, &from, limit))
    }

    fn count<'a>(&'a self, source: &'a str, kind: &'a str) -> Answer<'a, u64> {
        now(read::count(&self.engine, source, kind))
    }

    fn members<'a>(
        &'a self,
        source: &'a str,
        group: &'a str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<Member>> {
        now(read::members(&self.engine, source, group, after.as_ref(), limit))
    }

    fn groups<'a>(
        &'a self,
        source: &'a str,
        member: &'a str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<String>> {
        joined::LESSON.asked(&self.engine);
        now(read::groups(&self.engine, source, member, after.as_ref(), limit))
    }

    fn is_member<'a>(&'a self, source: &'a str, group: &'a str, member: &'a str) -> Answer<'a, bool> {
        now(read::is_member(&self.engine, source, group, member))
    }

    fn are_members<'a>(&'a self, source: &'a str, group: &'a str, members: &'a [String]) -> Answer<'a, Vec<bool>> {
        now(read::are_members(&self.engine, source, group, members))
    }

    fn outbox(&self, from: u64, limit: usize) -> Answer<'_, Vec<OutboxEntry>> {
        now(read::outbox(&self.engine, from, limit))
    }

    fn log<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Page<LogLine>> {
        now(read::log(&self.engine, query))
    }

    fn activity<'a>(&'a self, source: &'a str, since: Millis) -> Answer<'a, Activity> {
        now(tally::read(&self.engine, source, since))
    }

    fn prune_log(&self, before: Option<Millis>, bytes: Option<u64>) -> Answer<'static, u64> {
        self.ask(|reply| Job::Prune { before, bytes, reply })
    }

    fn record<'a>(&'a self, table: Table, key: &'a [u8]) -> Answer<'a, Option<Vec<u8>>> {
        now(self.engine.get(&keys::record(table, key)).map(|value| value.map(|value| value.to_vec())))
    }

    fn records<'a>(
        &'a self,
        table: Table,
        prefix: &'a [u8],
        after: Option<Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<Record>> {
        now(read::records(&self.engine, table, prefix, after.as_ref(), limit))
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let shared = &self.shared;
        Ok(Stats {
            disk: guarded(|| self.engine.db.size_on_disk())?,
            batches: shared.batches.load(Ordering::Relaxed),
            transactions: shared.transactions.load(Ordering::Relaxed),
            busy: shared.busy.load(Ordering::Relaxed),
            waiting: shared.waiting.load(Ordering::Relaxed) as u64,
            log_bytes: shared.log_bytes.load(Ordering::Relaxed),
            outbox_next: shared.outbox_next.load(Ordering::Relaxed),
        })
    }

    fn verify(&self) -> Result<Verified, StoreError> {
        let _paused = self.pause()?;
        verify::verify(&self.engine)
    }

    fn dump(&self, to: &mut dyn Write) -> Result<Dumped, StoreError> {
        copy::dump(self, to)
    }

    fn restore(&self, from: &mut dyn Rewind) -> Result<Dumped, StoreError> {
        let _paused = self.pause()?;
        // What is restored is written by another way than the committer's.
        Lesson::end_all(&LESSONS, &self.engine);
        self.engine.names.forget();
        self.engine.kinds.forget_all();
        self.engine.resident.forget_all();
        let restored = copy::restore(&self.engine, from);
        self.engine.resident.forget_all();
        self.engine.watch.all_changed();
        self.engine.extents.forget();
        for lesson in LESSONS {
            lesson.begin(&self.engine);
        }
        restored
    }
}
