//! Input in pieces: whole lines of JSONL or whole rows of CSV, each piece with the number of its first line.

use std::io::{self, BufRead, Read};
use std::sync::{Mutex, PoisonError};

use crate::value::rows::{BadHeader, Rows, Scan, columns};

use super::Failure;

/// How much one piece holds, in bytes, but for what one long line or row has more. Large enough that handing it over costs
/// nothing, small enough to stay in cache.
const PIECE: usize = 256 * 1024;
/// The longest line, and the longest row of CSV, in bytes.
pub(super) const MAX_LINE: usize = 16 * 1024 * 1024;
/// The byte order mark that some editors put before UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A piece of the input.
pub(super) struct Chunk {
    /// The piece's number, from 0.
    pub(super) number: u64,
    /// How many records stand before it; of JSONL blank lines are counted.
    pub(super) records_before: u64,
    /// How many bytes of the input it took.
    pub(super) bytes: u64,
    /// Whole lines or whole rows.
    pub(super) text: Vec<u8>,
    /// The number of the text's first line, from 1.
    pub(super) first_line: u64,
    /// What stands behind the text and cannot be kept.
    pub(super) bad: Option<Bad>,
}

/// A record that was passed over.
pub(super) struct Bad {
    pub(super) line: u64,
    pub(super) message: String,
}

/// Buffers that are used again: each is larger than what an allocator keeps, so a new one costs page faults.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// An empty buffer.
    pub(super) fn get(&self) -> Vec<u8> {
        let mut buffer = self.used();
        buffer.clear();
        buffer
    }

    /// A buffer with whatever it held last: who reads into it need not fill it with zeros first.
    fn used(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(PIECE + PIECE / 4))
    }

    pub(super) fn put(&self, buffer: Vec<u8>) {
        // What one huge record made grow is given back.
        if buffer.capacity() <= 8 * PIECE {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}

/// Cuts an input into pieces.
pub(super) struct Chunker<R: Read> {
    input: io::BufReader<R>,
    /// The begin of a line of JSONL whose rest is still to be read; shorter than a piece.
    begun: Vec<u8>,
    is_csv: bool,
    /// The number of the next line.
    line: u64,
    number: u64,
    records: u64,
    bytes: u64,
}

/// What [`Chunker::row`] met.
enum Unit {
    /// This many records, now in the text.
    Records(u64),
    Bad(Bad),
    End,
}

impl<R: Read> Chunker<R> {
    /// Over JSON lines.
    pub(super) fn lines(input: R) -> Self {
        Self {
            input: io::BufReader::with_capacity(64 * 1024, input),
            begun: Vec::new(),
            is_csv: false,
            line: 1,
            number: 0,
            records: 0,
            bytes: 0,
        }
    }

    /// Over CSV with a header; gives the column names too.
    pub(super) fn csv(input: R, name: &str) -> Result<(Self, Vec<String>), Failure> {
        let mut chunker = Self { is_csv: true, ..Self::lines(input) };
        let mut text = Vec::new();
        loop {
            match chunker.row(&mut text)? {
                Unit::Records(0) => {}
                Unit::Records(_) | Unit::End => break,
                Unit::Bad(Bad { line, message }) => return Err(Failure::told(format!("{name}:{line}: {message}"))),
            }
        }
        let row = Rows::new(&text, 1).next();
        let line = row.as_ref().map_or(1, |row| row.line);
        let row = std::str::from_utf8(row.map_or(b"", |row| row.text))
            .map_err(|_| Failure::told(format!("{name}:{line}: the header is not UTF-8: save the file as UTF-8")))?;
        let names = columns(row).map_err(|error| match error {
            BadHeader::Empty => Failure::told(format!("{name}: {error}")),
            BadHeader::Twice(_) => Failure::told(format!("{name}:{line}: {error}")),
        })?;
        chunker.records = 0;
        Ok((chunker, names))
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self, spare: &Spare) -> Result<Option<Chunk>, Failure> {
        let (first_line, records_before) = (self.line, self.records);
        let mut text = spare.used();
        let bad = if self.is_csv { self.rows(&mut text)? } else { self.whole_lines(&mut text)? };
        self.records += u64::from(bad.is_some());
        if text.is_empty() && bad.is_none() {
            return Ok(None);
        }
        let number = self.number;
        self.number += 1;
        Ok(Some(Chunk { number, records_before, bytes: std::mem::take(&mut self.bytes), text, first_line, bad }))
    }

    /// Makes `text` the next lines of JSONL, read straight into it: others wait to read while this one does.
    fn whole_lines(&mut self, text: &mut Vec<u8>) -> Result<Option<Bad>, Failure> {
        text.resize(PIECE, 0);
        let mut length = self.begun.len();
        if let Some(start) = text.get_mut(..length) {
            start.copy_from_slice(&self.begun);
        }
        self.begun.clear();
        while let Some(room) = text.get_mut(length..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) => break,
                Ok(read) => {
                    length += read;
                    self.bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        text.truncate(length);
        if self.number == 0 && text.starts_with(MARK) {
            text.drain(..MARK.len());
        }
        if length == PIECE {
            if let Some(feed) = memchr::memrchr(b'\n', text) {
                self.begun.extend(text.drain(feed + 1..));
            } else {
                // One line that is longer than a piece: a piece of its own.
                let limit = (MAX_LINE + 2).saturating_sub(text.len());
                let read = self.input.by_ref().take(limit as u64).read_until(b'\n', text);
                let read = read.map_err(|error| unreadable(&error))?;
                self.bytes += read as u64;
                if read == limit && !text.ends_with(b"\n") {
                    text.clear();
                    return self.too_long(self.line, Scan::new(), false).map(Some);
                }
            }
        }
        let feeds = memchr::memchr_iter(b'\n', text).count() as u64;
        self.line += feeds;
        self.records += feeds + u64::from(!text.is_empty() && !text.ends_with(b"\n"));
        Ok(None)
    }

    /// Makes `text` the next rows of CSV.
    fn rows(&mut self, text: &mut Vec<u8>) -> Result<Option<Bad>, Failure> {
        text.clear();
        while text.len() < PIECE {
            match self.row(text)? {
                Unit::Records(records) => self.records += records,
                Unit::Bad(found) => return Ok(Some(found)),
                Unit::End => break,
            }
        }
        Ok(None)
    }

    /// Appends as many lines as a row of CSV takes to `text`; what cannot be kept is read past.
    fn row(&mut self, text: &mut Vec<u8>) -> Result<Unit, Failure> {
        let (start, first_line) = (text.len(), self.line);
        let mut scan = Scan::new();
        loop {
            let line_start = text.len();
            let limit = (MAX_LINE + 2).saturating_sub(line_start - start);
            let read = self.input.by_ref().take(limit as u64).read_until(b'\n', text);
            let read = read.map_err(|error| unreadable(&error))?;
            self.bytes += read as u64;
            if self.line == 1 && line_start == 0 && text.starts_with(MARK) {
                text.drain(..MARK.len());
            }
            let line = text.get(line_start..).unwrap_or_default();
            let ended = line.ends_with(b"\n");
            scan.line(line, self.line);
            if read == limit && !ended || scan.is_quoted() && text.len() - start > MAX_LINE {
                text.truncate(start);
                return self.too_long(first_line, scan, ended).map(Unit::Bad);
            }
            self.line += u64::from(ended);
            if scan.is_quoted() {
                if ended {
                    continue;
                }
                text.truncate(start);
                let lines = (self.line - u64::from(read == 0)).saturating_sub(scan.quote);
                let message = format!(
                    "a quote is opened here and never closed; {} to the end of the file cannot be read",
                    if lines == 0 { "this line".into() } else { format!("this line and {lines} below") }
                );
                return Ok(Unit::Bad(Bad { line: scan.quote, message }));
            }
            if read == 0 {
                return Ok(Unit::End);
            }
            scan.end();
            return Ok(Unit::Records(scan.rows));
        }
    }

    /// Reads to the end of a line or row that is too long to be kept; `ended` when all of its last line was read.
    fn too_long(&mut self, line: u64, mut scan: Scan, mut ended: bool) -> Result<Bad, Failure> {
        let message = if scan.is_quoted() {
            let quote = scan.quote;
            format!("the row is longer than {MAX_LINE} bytes; perhaps the quote opened in line {quote} is not closed")
        } else if self.is_csv {
            format!("the row is longer than {MAX_LINE} bytes")
        } else {
            format!("the line is longer than {MAX_LINE} bytes")
        };
        self.line += u64::from(ended);
        while !ended || scan.is_quoted() {
            let buffer = self.input.fill_buf().map_err(|error| unreadable(&error))?;
            if buffer.is_empty() {
                break;
            }
            let length = memchr::memchr(b'\n', buffer).map_or(buffer.len(), |feed| feed + 1);
            let part = buffer.get(..length).unwrap_or_default();
            ended = part.ends_with(b"\n");
            if self.is_csv {
                scan.line(part, self.line);
            }
            self.input.consume(length);
            self.bytes += length as u64;
            self.line += u64::from(ended);
        }
        Ok(Bad { line, message })
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::told(format!("the input cannot be read: {error}"))
}
