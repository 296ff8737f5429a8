//! Pieces of input to pieces of output on several threads, in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::Failure;
use super::chunk::Chunk;

/// Whether more is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Stop,
}

/// Runs `work` on every piece that `next` gives, on `jobs` threads, and hands the results to `take` in the order of
/// the pieces. With one job everything happens on this thread. At most a few pieces a thread are in memory.
pub(super) fn run<R: Send, W: FnMut(Chunk) -> R + Send>(
    jobs: usize,
    mut next: impl FnMut() -> Result<Option<Chunk>, Failure> + Send,
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(R) -> Result<Go, Failure>,
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
    let stop = AtomicBool::new(false);
    // A worker fetches its piece itself: what one processor has read is then in its cache when it is worked on.
    let source = Mutex::new((&mut next, None::<Failure>));
    let (sender, receiver) = sync_channel::<(u64, R)>(jobs * 2);
    let taken = thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = sender.clone();
            let (source, worker, stop) = (&source, &worker, &stop);
            scope.spawn(move || {
                let mut work = worker();
                while !stop.load(Ordering::Relaxed) {
                    let fetched = {
                        let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                        if source.1.is_some() {
                            // Another met a failure while this one waited.
                            return;
                        }
                        match source.0() {
                            Ok(fetched) => fetched,
                            Err(failure) => {
                                source.1 = Some(failure);
                                stop.store(true, Ordering::Relaxed);
                                None
                            }
                        }
                    };
                    let Some(chunk) = fetched else { return };
                    let number = chunk.number;
                    if sender.send((number, work(chunk))).is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
        drop(sender);
        let taken = in_order(receiver, &mut take);
        stop.store(true, Ordering::Relaxed);
        taken
    });
    let (_, failure) = source.into_inner().unwrap_or_else(PoisonError::into_inner);
    taken.and(failure.map_or(Ok(()), Err))
}

fn in_order<R>(results: Receiver<(u64, R)>, take: &mut impl FnMut(R) -> Result<Go, Failure>) -> Result<(), Failure> {
    let mut waiting = std::collections::BTreeMap::new();
    let mut wanted = 0;
    for (number, result) in results {
        waiting.insert(number, result);
        while let Some(result) = waiting.remove(&wanted) {
            wanted += 1;
            // Returning drops the receiver: the workers' next send fails, and they stop.
            if take(result)? == Go::Stop {
                return Ok(());
            }
        }
    }
    Ok(())
}
