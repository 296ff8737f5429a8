//! What is done with the records of a dry run: each is told as it ends, in pieces that any thread may make, and all are summed up.

use std::ops::AddAssign;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::batch::{Batch, Records, lines};
use super::feed::Item;
use super::request::{Chosen, Options};
use super::{MOST_RECORDS, MOST_TRACED, overtime};
use crate::function::Env;
use crate::mapping::{Apply, Change, Comparer, Ended, Mapping, Previewer, Wish, differences};
use crate::sync::Sync;
use crate::target::{Kind, Target, Write};
use crate::text::render;

/// What is asked about a target.
pub(super) enum Aim {
    /// What this sync would send.
    Sync(Arc<Sync>),
    /// What a new object's request is, with a base that is not shown.
    Sample(&'static dyn Target, &'static str),
}

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One object.
    Whole,
    /// An object a line, the last of which sums up.
    Lines,
}

/// How the records ended.
#[derive(Debug, Default)]
pub(super) struct Counts {
    records: u64,
    payloads: u64,
    out_of_scope: u64,
    skipped: u64,
    failed: u64,
    unreadable: u64,
    borne: u64,
    traced: u64,
}

impl Counts {
    fn add(&mut self, ended: Ended, borne: usize) {
        self.records += 1;
        self.borne += borne as u64;
        *match ended {
            Ended::Payload => &mut self.payloads,
            Ended::OutOfScope => &mut self.out_of_scope,
            Ended::Skipped => &mut self.skipped,
            Ended::Failed => &mut self.failed,
            Ended::Unreadable | Ended::Unmapped => &mut self.unreadable,
        } += 1;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.payloads += other.payloads;
        self.out_of_scope += other.out_of_scope;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.unreadable += other.unreadable;
        self.borne += other.borne;
        self.traced += other.traced;
    }
}

/// What was told of a batch.
#[derive(Default)]
pub(super) struct Piece {
    /// The answer's part.
    pub(super) out: Vec<u8>,
    counts: Counts,
    skips: Vec<Value>,
    /// Why it ended before the end of the batch.
    pub(super) stopped: Option<String>,
}

/// What was told of all batches so far.
#[derive(Default)]
pub(super) struct Sum {
    counts: Counts,
    skips: Vec<Value>,
}

impl Sum {
    /// Adds what was told of the next batch, and gives the answer's part.
    pub(super) fn add(&mut self, piece: Piece) -> Vec<u8> {
        self.counts += piece.counts;
        let left = (MOST_RECORDS as usize).saturating_sub(self.skips.len());
        self.skips.extend(piece.skips.into_iter().take(left));
        piece.out
    }
}

/// A record as it comes from a line or a directory.
struct Known<'r> {
    text: &'r [u8],
    number: u64,
    line: Option<u64>,
    item: Option<&'r Item>,
}

/// Tells of records.
pub(super) struct Teller {
    pub(super) chosen: Chosen,
    pub(super) options: Options,
    pub(super) env: Env,
    pub(super) aim: Option<Aim>,
    pub(super) kind: Kind,
    pub(super) form: Form,
    /// When it is to end.
    pub(super) until: Instant,
}

impl Teller {
    /// What stands before the records.
    pub(super) fn begin(&self) -> Vec<u8> {
        if self.form == Form::Lines {
            return Vec::new();
        }
        let (mapping, findings) = (self.chosen.to_json(), &self.chosen.diagnostics);
        format!("{{\"mapping\":{mapping},\"diagnostics\":{findings},\"records\":[").into_bytes()
    }

    /// Tells of a batch.
    pub(super) fn tell(&self, batch: &Batch) -> Piece {
        let mut piece = Piece::default();
        let mut previewer = Previewer::new(&self.chosen.mapping, self.env.clone());
        match &batch.records {
            Records::Lines(text, line) => {
                piece.out.reserve(text.len() * 3);
                let all = lines(text, *line).filter(|(_, text)| !text.is_empty()).take(batch.count);
                for (number, (line, text)) in (batch.first..).zip(all) {
                    let known = Known { text, number, line: Some(line), item: None };
                    if !self.record(&known, &mut previewer, &mut piece) {
                        break;
                    }
                }
            }
            Records::Items(items) => {
                for (number, item) in (batch.first..).zip(items.iter().take(batch.count)) {
                    let known = Known { text: &item.text, number, line: None, item: Some(item) };
                    if !self.record(&known, &mut previewer, &mut piece) {
                        break;
                    }
                }
            }
        }
        piece
    }

    /// Tells of a record; false when the time is over.
    fn record(&self, known: &Known<'_>, previewer: &mut Previewer<'_>, piece: &mut Piece) -> bool {
        if Instant::now() >= self.until {
            piece.stopped = Some(overtime());
            return false;
        }
        let id = known.item.and_then(|item| item.id.as_deref());
        let (out, counts) = (&mut piece.out, &mut piece.counts);
        if self.form == Form::Whole && known.number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"record\":");
        write(&known.number, out);
        if let Some(line) = known.line {
            out.extend_from_slice(b",\"line\":");
            write(&line, out);
        }
        if let Some(id) = id {
            out.extend_from_slice(b",\"id\":");
            write(&id, out);
        }
        out.push(b',');
        match std::str::from_utf8(known.text) {
            Ok(text) => {
                let profile = known.item.and_then(|item| item.profile.as_ref());
                let stored = profile.filter(|_| !matches!(self.aim, Some(Aim::Sync(_))));
                let stored: Option<Value> = stored.and_then(|bytes| serde_json::from_slice(bytes).ok());
                let before = stored.as_ref().and_then(|stored| stored.get("value"));
                let linked = known.item.and_then(|item| item.linked.as_ref()).is_some_and(|link| link.target.is_some());
                let trace = self.options.trace && known.number < MOST_TRACED;
                counts.traced += u64::from(trace);
                let wish = Wish {
                    apply: if before.is_some() || linked { Apply::Update } else { self.options.apply },
                    rules: self.options.rules,
                    trace,
                    keep: self.aim.is_some() || stored.is_some(),
                    before: before.cloned(),
                };
                let told = previewer.tell(text, known.number, &wish, out);
                counts.add(told.ended, told.borne);
                if told.ended == Ended::Skipped && self.form == Form::Whole {
                    piece.skips.push(json!({"record": known.number, "id": id, "reason": told.reason}));
                }
                if let Some(stored) = &stored {
                    write_stored(stored, told.payload.as_ref(), out);
                }
                if let Some(Value::Object(payload)) = told.payload
                    && let Some(received) = self.received(payload, known.item)
                {
                    out.extend_from_slice(b",\"target\":");
                    write(&received, out);
                }
            }
            Err(_) => {
                out.extend_from_slice(b"\"outcome\":\"unreadable\",\"reason\":\"the line is not UTF-8\"");
                counts.add(Ended::Unreadable, 0);
            }
        }
        out.extend_from_slice(if self.form == Form::Lines { b"}\n" } else { b"}" });
        true
    }

    /// What the target would receive for a payload.
    fn received(&self, payload: Map<String, Value>, item: Option<&Item>) -> Option<Value> {
        match self.aim.as_ref()? {
            Aim::Sync(sync) => {
                let linked = item.and_then(|item| item.linked.as_ref());
                Some(sync.preview(&self.chosen.mapping, self.kind, payload, linked))
            }
            Aim::Sample(target, base) => {
                let mut requests = target.preview(&Write::Create { kind: self.kind, payload });
                for request in &mut requests {
                    let Some(fields) = request.as_object_mut() else { continue };
                    let url = fields.shift_remove("url");
                    if let Some(path) = url.as_ref().and_then(Value::as_str).and_then(|url| url.strip_prefix(base)) {
                        fields.insert("path".into(), path.into());
                    }
                }
                Some(json!({"verb": "create", "requests": requests}))
            }
        }
    }

    /// The end of the answer: what was skipped, the tests, the sums. `stopped`: why it ended early.
    pub(super) fn end(&self, sum: &Sum, stopped: Option<String>) -> Vec<u8> {
        let counts = &sum.counts;
        let mut summary = json!({
            "records": counts.records,
            "payloads": counts.payloads,
            "outOfScope": counts.out_of_scope,
            "skipped": counts.skipped,
            "failed": counts.failed,
            "unreadable": counts.unreadable,
            "borne": counts.borne,
            "wouldHalt": counts.failed > 0,
            "complete": stopped.is_none(),
        });
        if let Some(fields) = summary.as_object_mut() {
            if let Some(why) = stopped {
                fields.insert("stopped".into(), why.into());
            }
            if self.options.trace {
                fields.insert("traced".into(), counts.traced.into());
            }
        }
        let mut last = json!({"skips": sum.skips, "summary": summary});
        if let Some(fields) = last.as_object_mut() {
            if self.options.tests {
                fields.insert("tests".into(), tests(&self.chosen.mapping));
            }
            if self.form == Form::Lines {
                fields.shift_remove("skips");
                fields.insert("mapping".into(), self.chosen.to_json());
                fields.insert("diagnostics".into(), self.chosen.diagnostics.clone());
            }
        }
        let last = last.to_string();
        match self.form {
            Form::Whole => format!("],{}", last.strip_prefix('{').unwrap_or_default()).into_bytes(),
            Form::Lines => format!("{last}\n").into_bytes(),
        }
    }
}

/// Writes what is kept of a record, and what would be otherwise.
fn write_stored(stored: &Value, made: Option<&Value>, out: &mut Vec<u8>) {
    let nothing = json!({});
    let before = stored.get("value").unwrap_or(&nothing);
    let differs: Vec<Value> = differences(before, made.unwrap_or(&nothing)).iter().map(Change::to_json).collect();
    let known =
        json!({"mapping": stored.get("mapping"), "revision": stored.get("revision"), "skipped": stored.get("skipped")});
    out.extend_from_slice(b",\"stored\":");
    write(&known, out);
    out.extend_from_slice(b",\"differs\":");
    write(&differs, out);
}

/// The mapping's tests with their results, as `provisor test --format json` has them.
fn tests(mapping: &Mapping) -> Value {
    let source = mapping.source();
    let result = |case| {
        let result = mapping.run_case(case);
        let failure = result.failure.as_ref().map(|failure| render::told(source, failure));
        let at = source.position(crate::mapping::Case::span(case).start);
        json!({"name": result.name, "line": at.line, "ok": failure.is_none(), "failure": failure})
    };
    mapping.cases().iter().map(result).collect()
}

fn write(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(out, value);
}

/// Compares a batch; why it ended before its end, if it did.
pub(super) fn compare(comparer: &mut Comparer<'_>, batch: &Batch, until: Instant) -> Option<String> {
    let mut add = |number, text: &[u8], id| {
        if Instant::now() >= until {
            return Err(overtime());
        }
        // What is no text is no record: the comparer says so.
        comparer.add(std::str::from_utf8(text).unwrap_or_default(), number, id);
        Ok(())
    };
    let done = match &batch.records {
        Records::Lines(text, line) => {
            let mut all = lines(text, *line).filter(|(_, text)| !text.is_empty()).take(batch.count);
            (batch.first..).zip(&mut all).try_for_each(|(number, (_, text))| add(number, text, None))
        }
        Records::Items(items) => (batch.first..)
            .zip(items.iter().take(batch.count))
            .try_for_each(|(number, item)| add(number, &item.text, item.id.as_deref())),
    };
    done.err()
}
