//! Records in batches: small enough that the first answers come soon, large enough that handing one on costs nothing, and
//! numbered, so that several threads may work and the answer stays in order.

use axum::body::Bytes;

use super::MOST_LINE;
use super::feed::{Fed, Feed, Item};

/// How many bytes of lines a batch has, about.
const BYTES: usize = 64 * 1024;
/// How many records a batch has that are no lines.
const ITEMS: usize = 128;

/// Some records that follow each other.
pub(super) struct Batch {
    /// The number of the first one, from 0.
    pub(super) first: u64,
    /// How many there are; lines after them are none.
    pub(super) count: usize,
    pub(super) records: Records,
}

/// The records of a batch.
pub(super) enum Records {
    /// Whole lines, and the number of the first one, from 1.
    Lines(Vec<u8>, u64),
    /// Records of which something is known.
    Items(Vec<Item>),
}

/// The lines of a text with their numbers, the first of which is given, and without the blanks around them.
pub(super) fn lines(text: &[u8], first: u64) -> impl Iterator<Item = (u64, &[u8])> {
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain((!text.ends_with(b"\n")).then_some(text.len()));
    let all = ends.map(move |end| {
        let line = text.get(from..end).unwrap_or_default();
        from = end + 1;
        line
    });
    (first..).zip(all).map(move |(number, line)| {
        let mark = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf") } else { None };
        (number, mark.unwrap_or(line).trim_ascii())
    })
}

/// Makes batches of what is fed.
pub(super) struct Batches {
    fed: Fed,
    /// The number of the next record, and how many there may be.
    number: u64,
    most: u64,
    /// The number of the first line of `text`.
    line: u64,
    /// Lines that are in no batch, the last of them perhaps without its end.
    text: Vec<u8>,
    /// Up to where the lines in it are whole.
    whole: usize,
    items: std::vec::IntoIter<Item>,
    ended: bool,
    stopped: Option<String>,
}

impl Batches {
    /// Of at most so many records.
    pub(super) fn new(fed: Fed, most: u64) -> Self {
        let (text, items) = (Vec::with_capacity(2 * BYTES), Vec::new().into_iter());
        Self { fed, number: 0, most, line: 1, text, whole: 0, items, ended: false, stopped: None }
    }

    /// Why there are no more than those that came, if there is a reason.
    pub(super) fn stopped(&mut self) -> Option<String> {
        self.stopped.take()
    }

    /// Whether the sender waits because too much waits here.
    pub(super) fn is_crowded(&self) -> bool {
        self.fed.is_crowded()
    }

    /// The next batch; none when there is none. May be given up and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        loop {
            if let Some(batch) = self.items_batch() {
                return Some(batch);
            }
            let next = match self.fed.ready() {
                Some(feed) => Some(feed),
                // Nothing is on its way at the moment: what is whole does not wait for more.
                None if self.whole > 0 => {
                    if let Some(batch) = self.lines_batch(self.whole) {
                        return Some(batch);
                    }
                    continue;
                }
                None if self.ended => None,
                None => self.fed.next().await,
            };
            match next {
                Some(Feed::Bytes(bytes)) => self.add(&bytes),
                Some(Feed::Records(items)) => self.items = items.into_iter(),
                Some(Feed::Stop(why)) => {
                    // A line that broke off is no line.
                    self.text.truncate(self.whole);
                    self.stop(why);
                }
                None if self.text.is_empty() => return None,
                None => {
                    self.ended = true;
                    self.whole = self.text.len();
                }
            }
            if self.whole >= BYTES
                && let Some(batch) = self.lines_batch(self.whole)
            {
                return Some(batch);
            }
        }
    }

    fn add(&mut self, bytes: &Bytes) {
        let before = self.text.len();
        self.text.extend_from_slice(bytes);
        if let Some(end) = memchr::memrchr(b'\n', bytes) {
            self.whole = before + end + 1;
        }
        if self.text.len() - self.whole > MOST_LINE {
            let lines = memchr::memchr_iter(b'\n', self.text.get(..self.whole).unwrap_or_default()).count() as u64;
            let why = too_long(self.line + lines);
            self.text.truncate(self.whole);
            self.stop(why);
        }
    }

    /// Takes no more.
    pub(super) fn stop(&mut self, why: String) {
        self.stopped.get_or_insert(why);
        self.ended = true;
        self.fed.close();
    }

    /// The number of the next of `count` records, and how many of them there may be.
    fn count(&mut self, count: usize) -> (u64, usize) {
        let first = self.number;
        let left = usize::try_from(self.most - first).unwrap_or(usize::MAX);
        if count > left {
            self.text.clear();
            self.stop(format!("there are more than {} records", self.most));
        }
        let count = count.min(left);
        self.number += count as u64;
        (first, count)
    }

    fn items_batch(&mut self) -> Option<Batch> {
        let items: Vec<Item> = self.items.by_ref().take(ITEMS).collect();
        if items.is_empty() {
            return None;
        }
        let (first, count) = self.count(items.len());
        if count < items.len() {
            self.items = Vec::new().into_iter();
        }
        (count > 0).then_some(Batch { first, count, records: Records::Items(items) })
    }

    /// The lines up to `end`; none when they are all empty, or no record may come any more.
    fn lines_batch(&mut self, end: usize) -> Option<Batch> {
        let rest = self.text.get(end..).unwrap_or_default();
        let mut next = Vec::with_capacity(rest.len().max(2 * BYTES));
        next.extend_from_slice(rest);
        let mut text = std::mem::replace(&mut self.text, next);
        text.truncate(end);
        self.whole = 0;
        let line = self.line;
        let (mut records, mut last, mut wrong) = (0, line, None);
        for (number, found) in lines(&text, line) {
            last = number;
            if found.len() > MOST_LINE {
                wrong = Some(too_long(number));
                break;
            }
            records += usize::from(!found.is_empty());
        }
        self.line = last + 1;
        if let Some(why) = wrong {
            self.text.clear();
            self.stop(why);
        }
        let (first, count) = self.count(records);
        (count > 0).then_some(Batch { first, count, records: Records::Lines(text, line) })
    }
}

fn too_long(line: u64) -> String {
    format!("line {line} is longer than {MOST_LINE} bytes")
}
