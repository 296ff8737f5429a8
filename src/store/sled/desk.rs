//! Where transactions are staged, by whoever brings one: mostly a request stages its own, on the thread that it has already, and only
//! the committer (`committer.rs`) has to be woken, once for all that wait for the disk together. Who finds somebody at the desk leaves
//! a transaction there and goes; it is staged by who is at it, before that one goes. Nobody waits for the desk.
//!
//! What may take long (a deletion, many members, large values) and what is not a transaction is left to the committer.

use std::sync::atomic::{Ordering, fence};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::store::{Change, Committed, Millis, Operation, StoreError, Transaction};

use super::apply;
use super::codec::Counters;
use super::committer::Shared;
use super::engine::Engine;
use super::staging::{Group, Staging};

/// Transactions in one batch.
const MAX_JOBS: usize = 512;
/// Keys after which a batch takes no more transactions; readers wait while a batch is shown.
const MAX_KEYS: usize = 8_192;
/// What others left, so many of it at most is staged by who came with one of its own.
const MAX_FAVOURS: usize = 32;
/// What a transaction may have that is staged by whoever brings it: operations, members of one of them, bytes of a value.
const LIGHT: (usize, usize, usize) = (32, 128, 64 << 10);

/// What is brought.
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
}

/// Whether a transaction takes some microseconds, or a few hundred.
fn is_light(transaction: &Transaction) -> bool {
    let (operations, members, bytes) = LIGHT;
    let takes_little = |operation: &Operation| match operation {
        Operation::Create { body, profile, .. } | Operation::Replace { body, profile, .. } => {
            body.len() + profile.as_ref().map_or(0, Vec::len) <= bytes
        }
        Operation::Members { change: Change::Add(ids) | Change::Remove(ids), .. } => ids.len() <= members,
        Operation::Members { change: Change::Replace(_), .. } | Operation::Delete { .. } | Operation::TrimOutbox(_) => {
            false
        }
        Operation::Outbox(body) | Operation::Put { value: body, .. } => body.len() <= bytes,
        Operation::Log(entry) => entry.body.len() <= bytes,
        Operation::Require { .. } | Operation::OnlyIfChanged | Operation::Erase { .. } => true,
    };
    transaction.operations.len() <= operations && transaction.operations.iter().all(takes_little)
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

/// The desk.
pub(super) struct Desk {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    queue: SyncSender<Job>,
    open: Mutex<Open>,
    /// Whom to wake when there is something to do.
    committer: OnceLock<Thread>,
}

/// How the store stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Works,
    /// Somebody goes over the whole store, or fills it: until that is done, what is brought waits.
    Pauses,
    /// Nothing is brought any more.
    Ends,
    /// The committer has gone: what is brought is dropped, which tells those who wait.
    IsOver,
}

/// What lies on it.
pub(super) struct Open {
    jobs: Receiver<Job>,
    /// Taken out of `jobs`, and the committer's to do. Until it is, nothing is taken out.
    pub(super) left: Option<Job>,
    pub(super) group: Group,
    pub(super) owed: Vec<Owed>,
    pub(super) stand: Stand,
    /// The committer waits to be called.
    waits: bool,
}

impl Open {
    /// Whether the batch takes more.
    pub(super) fn has_room(&self) -> bool {
        self.owed.len() < MAX_JOBS && self.group.len() < MAX_KEYS
    }

    /// Whether there is something for the committer to do.
    fn has_work(&self) -> bool {
        match self.stand {
            Stand::Works => !self.owed.is_empty() || self.left.is_some(),
            Stand::Pauses => false,
            Stand::Ends | Stand::IsOver => true,
        }
    }
}

impl Desk {
    /// An empty one, on which so many transactions may wait.
    pub(super) fn new(engine: Arc<Engine>, shared: Arc<Shared>, counters: Counters, queue: usize) -> Self {
        let (queue, jobs) = sync_channel(queue.max(1));
        let (group, owed) = (Group::new(counters), Vec::new());
        let open = Open { jobs, left: None, group, owed, stand: Stand::Works, waits: false };
        Self { engine, shared, queue, open: Mutex::new(open), committer: OnceLock::new() }
    }

    /// Brings something, and stages what lies there unless somebody is at it.
    pub(super) fn bring(&self, job: Job) -> Result<(), StoreError> {
        // Counted first, so that nobody takes away what was not added.
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        self.queue.try_send(job).map_err(|error| {
            self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
            match error {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => super::closed(),
            }
        })?;
        // Either the desk is seen free after this, or who is at it sees after leaving it that something waits.
        fence(Ordering::SeqCst);
        while self.stage_some() && self.is_something_left() {}
        Ok(())
    }

    /// Whether something was brought that nobody has looked at; asked by whoever was at the desk, after leaving it.
    fn is_something_left(&self) -> bool {
        fence(Ordering::SeqCst);
        self.shared.waiting.load(Ordering::SeqCst) > 0
    }

    /// Nothing comes any more: the committer does what lies there, and ends.
    pub(super) fn end(&self) {
        self.lock().stand = Stand::Ends;
        self.call();
    }

    fn call(&self) {
        // Who has not begun looks before it waits.
        if let Some(committer) = self.committer.get() {
            committer.unpark();
        }
    }

    /// The committer goes, whatever made it. Nobody waits for it in vain.
    pub(super) fn close(&self) {
        loop {
            let mut open = self.lock();
            (open.stand, open.left) = (Stand::IsOver, None);
            open.owed.clear();
            self.stage_waiting(&mut open, usize::MAX);
            drop(open);
            if !self.is_something_left() {
                return;
            }
        }
    }

    /// The desk, for the committer.
    pub(super) fn lock(&self) -> MutexGuard<'_, Open> {
        // A transaction is taken whole or not at all, whatever happened to the thread that staged it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The desk with something to do on it, for the committer; `None` when nothing ever comes again.
    pub(super) fn wait(&self) -> Option<MutexGuard<'_, Open>> {
        self.committer.get_or_init(thread::current);
        loop {
            let mut open = self.lock();
            open.waits = false;
            self.stage_waiting(&mut open, usize::MAX);
            if open.has_work() {
                let is_done = open.owed.is_empty() && open.left.is_none();
                return (!is_done).then_some(open);
            }
            open.waits = true;
            drop(open);
            // Who came while we were at it has gone.
            if !self.is_something_left() {
                thread::park();
            }
        }
    }

    /// Stages what lies there, if nobody is at it; says whether there may be more for who came.
    fn stage_some(&self) -> bool {
        let mut open = match self.open.try_lock() {
            Ok(open) => open,
            Err(TryLockError::Poisoned(open)) => open.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let count = self.stage_waiting(&mut open, MAX_FAVOURS);
        let calls = open.waits && open.has_work();
        open.waits &= !calls;
        drop(open);
        if calls {
            self.call();
        }
        // The rest of many is the committer's, which has work now.
        (1..MAX_FAVOURS).contains(&count)
    }

    /// Stages what waits, until something does that is the committer's; says how much that was.
    pub(super) fn stage_waiting(&self, open: &mut Open, most: usize) -> usize {
        let mut count = 0;
        while count < most && open.stand != Stand::Pauses && open.left.is_none() && open.has_room() {
            let Ok(job) = open.jobs.try_recv() else { break };
            self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
            count += 1;
            match job {
                _ if open.stand == Stand::IsOver => drop(job),
                Job::Commit(transaction, reply) if is_light(&transaction) => {
                    self.commit(open, transaction, reply);
                }
                job => open.left = Some(job),
            }
        }
        count
    }

    /// Stages a transaction.
    pub(super) fn commit(
        &self,
        open: &mut Open,
        transaction: Transaction,
        reply: oneshot::Sender<Result<Committed, StoreError>>,
    ) {
        let answer = self.stage(open, |staging| apply::run(staging, transaction));
        open.owed.push(Owed::Commit(reply, answer));
    }

    /// Stages something.
    pub(super) fn stage<T>(
        &self,
        open: &mut Open,
        work: impl FnOnce(&mut Staging<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(why) = self.shared.stopped() {
            return Err(why);
        }
        let begun = Instant::now();
        let done = open.group.stage(&self.engine, work);
        self.shared.worked(begun);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;

    fn transaction(operations: impl IntoIterator<Item = Operation>) -> Transaction {
        let mut transaction = Transaction::new("s");
        transaction.operations.extend(operations);
        transaction
    }

    fn members(change: Change) -> Operation {
        let (expected, unknown) = (crate::store::Expected::Any, crate::store::Unknown::Keep);
        Operation::Members { id: "g".to_owned(), expected, at: 0, change, unknown }
    }

    #[test]
    fn what_may_take_long_is_left_to_the_committer() {
        let ids = |count: usize| (0..count).map(|id| id.to_string()).collect::<Vec<_>>();
        assert!(is_light(&transaction([Operation::Outbox(vec![0; 64 << 10]), members(Change::Add(ids(128)))])));
        for heavy in [
            transaction([Operation::Outbox(vec![0; (64 << 10) + 1])]),
            transaction([members(Change::Add(ids(129)))]),
            transaction([members(Change::Replace(ids(1)))]),
            transaction([Operation::TrimOutbox(1)]),
            transaction((0..33).map(|_| Operation::OnlyIfChanged)),
        ] {
            assert!(!is_light(&heavy), "{heavy:?}");
        }
    }

    #[test]
    fn who_waits_for_a_committer_that_is_gone_hears_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Arc::new(open::open(directory.path(), 1 << 20).unwrap());
        let desk = Desk::new(engine, Arc::default(), Counters::default(), 8);
        let bring = |operation| {
            let (reply, answer) = oneshot::channel();
            desk.bring(Job::Commit(transaction([operation]), reply)).unwrap();
            answer
        };
        // One that is staged, one that is left to the committer, and one behind it.
        let mut waiting =
            vec![bring(Operation::Outbox(vec![1])), bring(Operation::TrimOutbox(1)), bring(Operation::OnlyIfChanged)];
        assert!(waiting.iter_mut().all(|answer| answer.try_recv() == Err(oneshot::error::TryRecvError::Empty)));
        desk.close();
        waiting.push(bring(Operation::Outbox(vec![1])));
        assert!(waiting.iter_mut().all(|answer| answer.try_recv() == Err(oneshot::error::TryRecvError::Closed)));
    }
}
