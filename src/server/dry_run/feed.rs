//! Records on their way into a run: from a body as its bytes come, from a directory page by page. They wait in a queue whose
//! size is bounded in bytes: memory stays flat, and who is slow slows down who sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::overtime;
use crate::directory::{Directory, Picked, Picking};
use crate::sync::{State as Linked, Sync};
use crate::target::Kind;

/// How long the rest of a body is read for nothing, so that the sender gets to its answer.
const REST: Duration = Duration::from_secs(30);

/// Some of the records.
pub(super) enum Feed {
    /// Bytes of JSON lines.
    Bytes(Bytes),
    /// Records.
    Records(Vec<Item>),
    /// There are no more, and this is why.
    Stop(String),
}

/// A record, and what is known of it.
pub(super) struct Item {
    pub(super) text: Bytes,
    /// Its id in the directory.
    pub(super) id: Option<String>,
    /// The profile that is kept with it.
    pub(super) profile: Option<Vec<u8>>,
    /// What the sync that was asked about remembers of it.
    pub(super) linked: Option<Linked>,
}

impl Item {
    /// One of which nothing is known.
    pub(super) fn plain(text: Bytes) -> Self {
        Self { text, id: None, profile: None, linked: None }
    }
}

/// A feed with the room that it takes until it is dropped.
type Placed = (Feed, Option<OwnedSemaphorePermit>);

/// The end of the queue into which records go.
pub(super) struct Feeder {
    to: UnboundedSender<Placed>,
    room: Arc<Semaphore>,
    whole: usize,
    crowded: Arc<AtomicBool>,
}

/// The end of the queue from which records come.
pub(super) struct Fed {
    from: UnboundedReceiver<Placed>,
    crowded: Arc<AtomicBool>,
}

/// A queue that holds so many bytes.
pub(super) fn queue(bytes: usize) -> (Feeder, Fed) {
    let (to, from) = unbounded_channel();
    let crowded = Arc::new(AtomicBool::new(false));
    let feeder = Feeder { to, room: Arc::new(Semaphore::new(bytes)), whole: bytes, crowded: Arc::clone(&crowded) };
    (feeder, Fed { from, crowded })
}

impl Feeder {
    /// Puts some in, as soon as there is room for so many bytes; false when nobody wants more.
    pub(super) async fn give(&self, feed: Feed, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes.min(self.whole)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room);
        let permit = match Arc::clone(&room).try_acquire_many_owned(bytes) {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.crowded.store(true, Ordering::Relaxed);
                let permit = tokio::select! {
                    permit = room.acquire_many_owned(bytes) => permit.ok(),
                    () = self.to.closed() => return false,
                };
                self.crowded.store(false, Ordering::Relaxed);
                permit
            }
        };
        self.to.send((feed, permit)).is_ok()
    }
}

impl Fed {
    /// The next ones, when they come; none when there are no more.
    pub(super) async fn next(&mut self) -> Option<Feed> {
        self.from.recv().await.map(|(feed, _)| feed)
    }

    /// The next ones, when they are there.
    pub(super) fn ready(&mut self) -> Option<Feed> {
        self.from.try_recv().ok().map(|(feed, _)| feed)
    }

    /// Whether somebody would put more in, and there is no room.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Takes no more.
    pub(super) fn close(&mut self) {
        self.from.close();
        while self.from.try_recv().is_ok() {}
    }
}

/// A piece of a body, or that it did not come in time.
type Piece = Result<Option<Result<Frame<Bytes>, axum::Error>>, Elapsed>;

/// Feeds a body as it comes, once its first piece is there: a client that asks whether it may send (`Expect: 100-continue`) hears so
/// only before its answer begins.
pub(super) async fn begin(mut body: Body, feeder: Feeder, until: Instant) {
    let first = timeout_at(until, body.frame()).await;
    tokio::spawn(rest(first, body, feeder, until));
}

async fn rest(first: Piece, mut body: Body, feeder: Feeder, until: Instant) {
    let mut first = Some(first);
    loop {
        let piece = match first.take() {
            Some(first) => first,
            None => timeout_at(until, body.frame()).await,
        };
        let feed = match piece {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => Feed::Bytes(bytes),
                Err(_) => continue,
            },
            Ok(Some(Err(_))) => Feed::Stop("the body broke off".to_owned()),
            Err(_) => Feed::Stop(overtime()),
        };
        let size = if let Feed::Bytes(bytes) = &feed { bytes.len() } else { 0 };
        let ends = matches!(feed, Feed::Stop(_));
        if !feeder.give(feed, size).await || ends {
            break;
        }
    }
    drop(feeder);
    let _ = timeout(REST, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

/// Feeds what is picked from a directory.
pub(super) async fn directory(
    directory: Directory,
    picking: Picking,
    links: Option<(Arc<Sync>, Kind)>,
    feeder: Feeder,
) {
    let mut picking = picking;
    loop {
        let page = match directory.pick(&mut picking).await {
            Ok(page) if page.is_empty() => return,
            Ok(page) => page,
            Err(error) => {
                feeder.give(Feed::Stop(error.detail), 0).await;
                return;
            }
        };
        let mut items = Vec::with_capacity(page.len());
        for Picked { id, record, profile } in page {
            let linked = match &links {
                Some((sync, kind)) => match sync.link(*kind, &id).await {
                    Ok(linked) => linked,
                    Err(error) => {
                        feeder.give(Feed::Stop(error.to_string()), 0).await;
                        return;
                    }
                },
                None => None,
            };
            let text = serde_json::Value::Object(record).to_string().into();
            items.push(Item { text, id: Some(id), profile, linked });
        }
        let size = items.iter().map(|item| item.text.len() + item.profile.as_ref().map_or(0, Vec::len)).sum();
        if !feeder.give(Feed::Records(items), size).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_sends_waits_for_room_and_hears_when_nobody_wants_more() {
        let (feeder, mut fed) = queue(10);
        assert!(feeder.give(Feed::Bytes(Bytes::from_static(b"12345678")), 8).await);
        assert!(!fed.is_crowded());
        let sender = tokio::spawn(async move {
            let first = feeder.give(Feed::Bytes(Bytes::from_static(b"123")), 3).await;
            (first, feeder.give(Feed::Bytes(Bytes::from_static(&[0; 64])), 64).await)
        });
        while !fed.is_crowded() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(fed.next().await, Some(Feed::Bytes(bytes)) if bytes.len() == 8));
        assert!(matches!(fed.next().await, Some(Feed::Bytes(bytes)) if bytes.len() == 3));
        assert!(matches!(fed.next().await, Some(Feed::Bytes(bytes)) if bytes.len() == 64), "larger than the queue");
        assert_eq!(sender.await.unwrap(), (true, true));
        let (feeder, mut fed) = queue(10);
        fed.close();
        assert!(!feeder.give(Feed::Stop("x".into()), 0).await);
    }
}
