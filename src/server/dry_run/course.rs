//! The course of a dry run: batches go to as many threads as there are processors, and what they tell goes out in the order
//! of the records, while the next ones come in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::sync::SemaphorePermit;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::super::pieces::Pieces;
use super::MOST_WAITING;
use super::batch::Batches;
use super::work::{Piece, Sum, Teller};

/// How many pieces of an answer wait for its reader.
const WAITING: usize = 4;

/// That nobody listens any more.
struct Gone;

/// A run.
pub(super) struct Course {
    batches: Batches,
    teller: Arc<Teller>,
    turn: SemaphorePermit<'static>,
    /// How long nobody may read while the sender waits.
    unread: Duration,
    /// Why it ends early.
    stopped: Option<String>,
}

impl Course {
    /// A run that has not begun.
    pub(super) fn new(batches: Batches, teller: Teller, turn: SemaphorePermit<'static>, unread: Duration) -> Self {
        Self { batches, teller: Arc::new(teller), turn, unread, stopped: None }
    }

    /// Begins; the body of an answer that goes out while it is made.
    pub(super) fn streamed(self) -> Body {
        let (to, receiver) = channel(WAITING);
        tokio::spawn(self.run(to));
        Body::from_stream(futures_util::stream::unfold(receiver, |mut receiver| async {
            let part = receiver.recv().await?;
            Some((Ok::<Bytes, Infallible>(part), receiver))
        }))
    }

    /// Runs to the end; the body of an answer whose length is known. None when the run failed inside.
    pub(super) async fn whole(self) -> Option<Body> {
        let (to, mut receiver) = channel(WAITING);
        let run = tokio::spawn(self.run(to));
        // A large answer is not copied together.
        let mut all = Vec::new();
        while let Some(part) = receiver.recv().await {
            all.push(part);
        }
        run.await.ok()?.ok()?;
        Some(Body::new(Pieces::new(all)))
    }

    async fn run(mut self, to: Sender<Bytes>) -> Result<(), Gone> {
        // One more than there are processors, so that none of them waits while an answer is handed on.
        let most = available_parallelism().map_or(1, NonZero::get) + 1;
        let mut at_work: VecDeque<JoinHandle<Piece>> = VecDeque::with_capacity(most);
        let (mut sum, mut may_come) = (Sum::default(), true);
        self.send(&to, self.teller.begin()).await?;
        loop {
            tokio::select! {
                biased;
                done = first(&mut at_work), if !at_work.is_empty() => {
                    at_work.pop_front();
                    let piece = done.map_err(|_| Gone)?;
                    if self.stopped.is_some() {
                        continue;
                    }
                    self.stopped.clone_from(&piece.stopped);
                    self.send(&to, sum.add(piece)).await?;
                    may_come &= self.stopped.is_none();
                }
                next = self.batches.next(), if may_come && at_work.len() < most => match next {
                    Some(batch) => {
                        let teller = Arc::clone(&self.teller);
                        at_work.push_back(spawn_blocking(move || teller.tell(&batch)));
                    }
                    None => may_come = false,
                },
                else => break,
            }
        }
        let stopped = self.stopped.take().or_else(|| self.batches.stopped());
        let teller = Arc::clone(&self.teller);
        // The tests of a mapping may take a while too.
        let end = spawn_blocking(move || teller.end(&sum, stopped)).await.map_err(|_| Gone)?;
        drop(self.turn);
        // What is left is only waited for.
        to.send(Bytes::from(end)).await.map_err(|_| Gone)
    }

    /// Sends a part of the answer, when it is taken. A client that sends on and on and reads nothing would wait for us, as we
    /// for it: the run ends, so that the client comes to its answer.
    async fn send(&mut self, to: &Sender<Bytes>, part: Vec<u8>) -> Result<(), Gone> {
        if part.is_empty() {
            return Ok(());
        }
        let mut part = Bytes::from(part);
        loop {
            match to.send_timeout(part, self.unread).await {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Closed(_)) => return Err(Gone),
                Err(SendTimeoutError::Timeout(back)) => part = back,
            }
            if self.batches.is_crowded() {
                self.batches.stop(format!(
                    "more than {MOST_WAITING} bytes of records wait, and nobody reads the answer: read it while you send, or send fewer records at once"
                ));
            }
        }
    }
}

/// The end of the first one.
async fn first(at_work: &mut VecDeque<JoinHandle<Piece>>) -> Result<Piece, JoinError> {
    match at_work.front_mut() {
        Some(first) => first.await,
        None => std::future::pending().await,
    }
}
