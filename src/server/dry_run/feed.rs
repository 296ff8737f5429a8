//! Records on their way into a run: from a body as its bytes come, from a directory page by page. What runs takes them from a
//! short queue, so that memory stays flat, and a reader who is slow slows down who sends.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::{MOST_LINE, overtime};
use crate::directory::{Directory, Picked, Picking};
use crate::sync::{State as Linked, Sync};
use crate::target::Kind;

/// How long the rest of a body is read for nothing, so that the sender gets to its answer.
const REST: Duration = Duration::from_secs(10);

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
    pub(super) text: Box<str>,
    /// Its id in the directory.
    pub(super) id: Option<String>,
    /// The profile that is kept with it.
    pub(super) profile: Option<Vec<u8>>,
    /// What the sync that was asked about remembers of it.
    pub(super) linked: Option<Linked>,
}

impl Item {
    /// One of which nothing is known.
    pub(super) fn plain(text: Box<str>) -> Self {
        Self { text, id: None, profile: None, linked: None }
    }
}

/// A piece of a body, or that it did not come in time.
type Piece = Result<Option<Result<Frame<Bytes>, axum::Error>>, Elapsed>;

/// Feeds a body as it comes, once its first piece is there: a client that asks whether it may send (`Expect: 100-continue`) hears so
/// only before its answer begins.
pub(super) async fn begin(mut body: Body, sender: Sender<Feed>, until: Instant) {
    let first = timeout_at(until, body.frame()).await;
    tokio::spawn(rest(first, body, sender, until));
}

async fn rest(first: Piece, mut body: Body, sender: Sender<Feed>, until: Instant) {
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
        let ends = matches!(feed, Feed::Stop(_));
        if sender.send(feed).await.is_err() || ends {
            break;
        }
    }
    let _ = timeout(REST, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

/// Feeds what is picked from a directory.
pub(super) async fn directory(
    directory: Directory,
    picking: Picking,
    links: Option<(std::sync::Arc<Sync>, Kind)>,
    sender: Sender<Feed>,
) {
    let mut picking = picking;
    loop {
        let page = match directory.pick(&mut picking).await {
            Ok(page) if page.is_empty() => return,
            Ok(page) => page,
            Err(error) => {
                let _ = sender.send(Feed::Stop(error.detail)).await;
                return;
            }
        };
        let mut items = Vec::with_capacity(page.len());
        for Picked { id, record, profile } in page {
            let linked = match &links {
                Some((sync, kind)) => match sync.link(*kind, &id).await {
                    Ok(linked) => linked,
                    Err(error) => {
                        let _ = sender.send(Feed::Stop(error.to_string())).await;
                        return;
                    }
                },
                None => None,
            };
            let text = serde_json::Value::Object(record).to_string().into_boxed_str();
            items.push(Item { text, id: Some(id), profile, linked });
        }
        if sender.send(Feed::Records(items)).await.is_err() {
            return;
        }
    }
}

/// What is done with records.
pub(super) trait Work {
    /// A record; `number` counts from 0, `line` from 1 when it is one of a stream. False: enough.
    fn record(&mut self, number: u64, line: Option<u64>, item: &Item) -> bool;

    /// A line that is no text.
    fn broken(&mut self, number: u64, line: u64) -> bool;

    /// Nothing is there at the moment. False: nobody listens any more.
    fn idle(&mut self) -> bool {
        true
    }
}

/// Does the work with all records, at most `most`, until the time is over; why it ended early, if it did.
pub(super) fn drive(mut feed: Receiver<Feed>, most: u64, until: Instant, work: &mut impl Work) -> Option<String> {
    let mut course = Course { number: 0, line: 0, most, until, rest: Vec::new() };
    loop {
        let next = match feed.try_recv() {
            Ok(next) => Some(next),
            Err(_) => {
                if !work.idle() {
                    return Some("nobody listens".to_owned());
                }
                feed.blocking_recv()
            }
        };
        let stopped = match next {
            None => return course.last(work).err(),
            Some(Feed::Stop(why)) => Err(why),
            Some(Feed::Bytes(bytes)) => course.bytes(&bytes, work),
            Some(Feed::Records(items)) => items.iter().try_for_each(|item| course.record(None, item, work)),
        };
        if let Err(why) = stopped {
            return Some(why);
        }
    }
}

/// How far it is.
struct Course {
    number: u64,
    line: u64,
    most: u64,
    until: Instant,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Course {
    fn may(&self) -> Result<(), String> {
        if self.number >= self.most {
            return Err(format!("there are more than {} records", self.most));
        }
        if Instant::now() >= self.until { Err(overtime()) } else { Ok(()) }
    }

    fn record(&mut self, line: Option<u64>, item: &Item, work: &mut impl Work) -> Result<(), String> {
        self.may()?;
        let goes_on = work.record(self.number, line, item);
        self.number += 1;
        if goes_on { Ok(()) } else { Err("nobody listens".to_owned()) }
    }

    fn bytes(&mut self, bytes: &[u8], work: &mut impl Work) -> Result<(), String> {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let piece = bytes.get(from..end).unwrap_or_default();
            from = end + 1;
            if self.rest.is_empty() {
                self.one(piece, work)?;
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(piece);
                self.one(&line, work)?;
            }
        }
        self.rest.extend_from_slice(bytes.get(from..).unwrap_or_default());
        if self.rest.len() > MOST_LINE {
            return Err(format!("line {} is longer than {MOST_LINE} bytes", self.line + 1));
        }
        Ok(())
    }

    fn last(&mut self, work: &mut impl Work) -> Result<(), String> {
        let line = std::mem::take(&mut self.rest);
        self.one(&line, work)
    }

    fn one(&mut self, line: &[u8], work: &mut impl Work) -> Result<(), String> {
        self.line += 1;
        let mark = if self.line == 1 { line.strip_prefix(b"\xef\xbb\xbf") } else { None };
        let line = mark.unwrap_or(line).trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > MOST_LINE {
            return Err(format!("line {} is longer than {MOST_LINE} bytes", self.line));
        }
        match std::str::from_utf8(line) {
            Ok(text) => self.record(Some(self.line), &Item::plain(text.into()), work),
            Err(_) => {
                self.may()?;
                let goes_on = work.broken(self.number, self.line);
                self.number += 1;
                if goes_on { Ok(()) } else { Err("nobody listens".to_owned()) }
            }
        }
    }
}
