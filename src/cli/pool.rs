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
    let (chunk_sender, chunk_receiver) = sync_channel::<Chunk>(jobs * 2);
    let (result_sender, result_receiver) = sync_channel::<(u64, R)>(jobs * 2);
    let chunk_receiver = Mutex::new(chunk_receiver);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // Owned here, so that the workers see the end when the reader is done.
            let chunk_sender = chunk_sender;
            while !stop.load(Ordering::Relaxed) {
                match next() {
                    Ok(Some(chunk)) => {
                        if chunk_sender.send(chunk).is_err() {
                            return Ok(());
                        }
                    }
                    Ok(None) => return Ok(()),
                    Err(failure) => return Err(failure),
                }
            }
            Ok(())
        });
        for _ in 0..jobs {
            let result_sender = result_sender.clone();
            let (chunk_receiver, worker, stop) = (&chunk_receiver, &worker, &stop);
            scope.spawn(move || {
                let mut work = worker();
                while let Some(chunk) = receive(chunk_receiver) {
                    // After a stop the pieces still in the channel are let go, so that the reader can end.
                    if stop.load(Ordering::Relaxed) {
                        continue;
                    }
                    let number = chunk.number;
                    if result_sender.send((number, work(chunk))).is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
        drop(result_sender);
        let taken = in_order(result_receiver, &mut take);
        stop.store(true, Ordering::Relaxed);
        let read = reader.join().unwrap_or_else(|_| Err(Failure::told("the reading thread ended unexpectedly")));
        taken.and(read)
    })
}

fn receive(chunks: &Mutex<Receiver<Chunk>>) -> Option<Chunk> {
    chunks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
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
