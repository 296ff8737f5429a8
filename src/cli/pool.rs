//! Pieces of input to pieces of output on several threads, in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Failure;
use super::chunk::Chunk;

/// Whether more is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Stop,
}

/// Runs `work` on every piece that `next` gives, on `jobs` threads, this one among them, and hands the results to `take` in
/// the order of the pieces. At most a few pieces a thread are in memory.
///
/// There is no reader's thread and no writer's: a worker fetches its piece itself and, when its turn is next, writes what is
/// ready. So a piece stays in one processor's cache, and no processor waits for another to hand something on.
pub(super) fn run<R: Send, W: FnMut(Chunk) -> R>(
    jobs: usize,
    mut next: impl FnMut() -> Result<Option<Chunk>, Failure> + Send,
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(R) -> Result<Go, Failure> + Send,
) -> Result<(), Failure> {
    if jobs <= 1 {
        let mut work = worker();
        while let Some(chunk) = next()? {
            if take(work(chunk))? == Go::Stop {
                break;
            }
        }
        return Ok(());
    }
    let pool =
        Pool { source: Mutex::new(next), desk: Mutex::default(), turn: Condvar::new(), sink: Mutex::new(take), jobs };
    thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(|| pool.work(worker()));
        }
        pool.work(worker());
    });
    pool.desk.into_inner().unwrap_or_else(PoisonError::into_inner).failure.map_or(Ok(()), Err)
}

struct Pool<N, R, T> {
    source: Mutex<N>,
    desk: Mutex<Desk<R>>,
    /// Told whenever the desk changes.
    turn: Condvar,
    sink: Mutex<T>,
    jobs: usize,
}

/// Where results wait for their turn.
struct Desk<R> {
    results: BTreeMap<u64, R>,
    /// The piece that is to be taken next.
    wanted: u64,
    /// Whether somebody is taking.
    busy: bool,
    /// Whether nothing more is to be read; what was read is still taken.
    ended: bool,
    /// Whether nothing more is to be taken.
    stop: bool,
    failure: Option<Failure>,
}

impl<R> Default for Desk<R> {
    fn default() -> Self {
        Self { results: BTreeMap::new(), wanted: 0, busy: false, ended: false, stop: false, failure: None }
    }
}

impl<N, R, T> Pool<N, R, T>
where
    N: FnMut() -> Result<Option<Chunk>, Failure>,
    T: FnMut(R) -> Result<Go, Failure>,
{
    fn desk(&self) -> MutexGuard<'_, Desk<R>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, failure: Option<Failure>) {
        let mut desk = self.desk();
        desk.stop = true;
        desk.failure = desk.failure.take().or(failure);
        self.turn.notify_all();
    }

    fn work(&self, mut work: impl FnMut(Chunk) -> R) {
        let _release = Release(self);
        loop {
            let desk = self.desk();
            if desk.stop || desk.ended {
                return;
            }
            drop(desk);
            let fetched = self.source.lock().unwrap_or_else(PoisonError::into_inner)();
            match fetched {
                Ok(Some(chunk)) => {
                    let number = chunk.number;
                    self.deliver(number, work(chunk));
                }
                Ok(None) => return,
                Err(failure) => {
                    let mut desk = self.desk();
                    desk.ended = true;
                    desk.failure.get_or_insert(failure);
                    return;
                }
            }
        }
    }

    /// Puts a result on the desk and takes what is ready, if nobody does that already.
    fn deliver(&self, number: u64, result: R) {
        let mut desk = self.desk();
        while desk.results.len() >= 2 * self.jobs && number != desk.wanted && !desk.stop {
            desk = self.turn.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        desk.results.insert(number, result);
        if desk.busy {
            return;
        }
        desk.busy = true;
        loop {
            let wanted = desk.wanted;
            let (false, Some(result)) = (desk.stop, desk.results.remove(&wanted)) else { break };
            drop(desk);
            let taken = self.sink.lock().unwrap_or_else(PoisonError::into_inner)(result);
            match taken {
                Ok(Go::On) => {}
                Ok(Go::Stop) => self.stop(None),
                Err(failure) => self.stop(Some(failure)),
            }
            desk = self.desk();
            desk.wanted += 1;
            self.turn.notify_all();
        }
        desk.busy = false;
    }
}

/// A worker that panics never delivers: the others must not wait for it.
struct Release<'p, N, R, T>(&'p Pool<N, R, T>)
where
    N: FnMut() -> Result<Option<Chunk>, Failure>,
    T: FnMut(R) -> Result<Go, Failure>;

impl<N, R, T> Drop for Release<'_, N, R, T>
where
    N: FnMut() -> Result<Option<Chunk>, Failure>,
    T: FnMut(R) -> Result<Go, Failure>,
{
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop(None);
        }
    }
}
