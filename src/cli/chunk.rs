//! Input in pieces: whole lines of JSONL, or rows of CSV, each piece with the number of its first line.

use std::io::{self, BufRead, Read};

use super::Failure;

/// How much JSONL one piece holds, about. Large enough that handing it over costs nothing, small enough to stay in cache.
const PIECE: usize = 256 * 1024;
/// How many CSV rows one piece holds.
const ROWS: usize = 512;
/// The longest line, in bytes.
pub(super) const MAX_LINE: usize = 16 * 1024 * 1024;

/// A piece of the input.
pub(super) struct Chunk {
    /// The piece's number, from 0.
    pub(super) number: u64,
    /// How many records stand before it, blank lines counted.
    pub(super) records_before: u64,
    /// How many bytes of the input it took.
    pub(super) bytes: u64,
    pub(super) content: Content,
}

pub(super) enum Content {
    /// Whole lines; the first has this number, from 1.
    Lines { text: Vec<u8>, first_line: u64 },
    /// Rows with the lines on which they begin.
    Rows(Vec<(u64, csv::StringRecord)>),
    /// The input cannot be read on; what stood before is whole.
    Broken { line: u64, message: String },
}

/// Cuts an input into pieces.
pub(super) struct Chunker<R: Read> {
    state: State<R>,
    number: u64,
    records: u64,
    broken: bool,
}

enum State<R: Read> {
    Lines { input: io::BufReader<R>, line: u64 },
    Rows { reader: Box<csv::Reader<R>> },
}

impl<R: Read> Chunker<R> {
    /// Over JSON lines.
    pub(super) fn lines(input: R) -> Self {
        let state = State::Lines { input: io::BufReader::with_capacity(64 * 1024, input), line: 1 };
        Self { state, number: 0, records: 0, broken: false }
    }

    /// Over CSV with a header; gives the column names too.
    pub(super) fn csv(input: R, name: &str) -> Result<(Self, Vec<String>), Failure> {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(input);
        let headers = reader.headers().map_err(|error| Failure::told(format!("{name}: {error}")))?;
        let names: Vec<String> =
            headers.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err(Failure::told(format!("{name}: the first line of a CSV file names the columns; it is empty")));
        }
        for (index, name_of_column) in names.iter().enumerate() {
            if names.iter().take(index).any(|other| other == name_of_column) {
                return Err(Failure::told(format!("{name}:1: the column `{name_of_column}` stands twice")));
            }
        }
        Ok((Self { state: State::Rows { reader: Box::new(reader) }, number: 0, records: 0, broken: false }, names))
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, Failure> {
        if self.broken {
            return Ok(None);
        }
        let (content, records, bytes) = match &mut self.state {
            State::Lines { input, line } => {
                let mut text = Vec::with_capacity(PIECE + PIECE / 4);
                let first_line = *line;
                while text.len() < PIECE {
                    let start = text.len();
                    let limit = MAX_LINE as u64 + 2;
                    let read = input.by_ref().take(limit).read_until(b'\n', &mut text);
                    let read = read.map_err(|error| Failure::told(format!("the input cannot be read: {error}")))?;
                    if read == 0 {
                        break;
                    }
                    if read > MAX_LINE && text.last() != Some(&b'\n') {
                        if start > 0 {
                            // What stands before it goes first; the line is met again as broken.
                            text.truncate(start);
                        }
                        let message = format!("the line is longer than {MAX_LINE} bytes");
                        self.broken = true;
                        if start == 0 {
                            return Ok(Some(self.piece(Content::Broken { line: first_line, message }, 0, read as u64)));
                        }
                        let broken_line = *line;
                        let content = Content::Lines { text, first_line };
                        let mut piece = self.piece(content, broken_line - first_line, 0);
                        if let Content::Lines { text, .. } = &mut piece.content {
                            // A line that no parser takes stands for it, so that its error comes in its place.
                            text.extend_from_slice(TOO_LONG);
                        }
                        return Ok(Some(piece));
                    }
                    *line += 1;
                }
                if text.is_empty() {
                    return Ok(None);
                }
                let bytes = text.len() as u64;
                (Content::Lines { text, first_line }, *line - first_line, bytes)
            }
            State::Rows { reader } => {
                let mut rows = Vec::with_capacity(ROWS);
                let start = reader.position().byte();
                while rows.len() < ROWS {
                    let mut row = csv::StringRecord::new();
                    match reader.read_record(&mut row) {
                        Ok(true) => {
                            let line = row.position().map_or(0, csv::Position::line);
                            rows.push((line, row));
                        }
                        Ok(false) => break,
                        Err(error) => {
                            if let csv::ErrorKind::Io(error) = error.kind() {
                                return Err(Failure::told(format!("the input cannot be read: {error}")));
                            }
                            if rows.is_empty() {
                                self.broken = true;
                                let line = error.position().map_or(0, csv::Position::line);
                                let content = Content::Broken { line, message: csv_message(&error) };
                                return Ok(Some(self.piece(content, 0, 0)));
                            }
                            // The rows before it go first. The reader has passed the broken row, so it is kept.
                            let line = error.position().map_or(0, csv::Position::line);
                            let mut marker = csv::StringRecord::new();
                            marker.push_field(&format!("\u{0}{}", csv_message(&error)));
                            rows.push((line, marker));
                            self.broken = true;
                            break;
                        }
                    }
                }
                if rows.is_empty() {
                    return Ok(None);
                }
                let bytes = reader.position().byte() - start;
                let count = rows.len() as u64;
                (Content::Rows(rows), count, bytes)
            }
        };
        Ok(Some(self.piece(content, records, bytes)))
    }

    fn piece(&mut self, content: Content, records: u64, bytes: u64) -> Chunk {
        let chunk = Chunk { number: self.number, records_before: self.records, bytes, content };
        self.number += 1;
        self.records += records;
        chunk
    }
}

/// Stands for a line that was too long to keep.
pub(super) const TOO_LONG: &[u8] = b"\x00too long\n";

fn csv_message(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} fields and the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "the row is not UTF-8".into(),
        _ => error.to_string(),
    }
}
