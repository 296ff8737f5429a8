//! What is done with the records of a dry run: each is told as it ends, and all are summed up.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::Sender;

use super::feed::{Item, Work};
use super::request::{Chosen, Options};
use super::{MOST_RECORDS, MOST_TRACED};
use crate::function::Env;
use crate::mapping::{Apply, Change, Comparer, Ended, Mapping, Previewer, Wish, differences};
use crate::sync::Sync;
use crate::target::{Kind, Target, Write};
use crate::text::render;

/// How large the pieces of a streamed answer are, in bytes.
const PIECE: usize = 64 * 1024;

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
#[derive(Default)]
struct Counts {
    records: u64,
    payloads: u64,
    out_of_scope: u64,
    skipped: u64,
    failed: u64,
    unreadable: u64,
    borne: u64,
    traced: u64,
}

/// A dry run under way.
pub(super) struct Run<'c> {
    chosen: &'c Chosen,
    options: &'c Options,
    previewer: Previewer<'c>,
    aim: Option<Aim>,
    kind: Kind,
    form: Form,
    counts: Counts,
    skips: Vec<Value>,
    out: Vec<u8>,
    sender: Option<Sender<io::Result<Bytes>>>,
}

impl<'c> Run<'c> {
    pub(super) fn new(
        chosen: &'c Chosen,
        env: Env,
        options: &'c Options,
        (aim, kind): (Option<Aim>, Kind),
        form: Form,
        sender: Option<Sender<io::Result<Bytes>>>,
    ) -> Self {
        let mut out = Vec::new();
        if form == Form::Whole {
            let head =
                format!("{{\"mapping\":{},\"diagnostics\":{},\"records\":[", chosen.to_json(), chosen.diagnostics);
            out.extend_from_slice(head.as_bytes());
        }
        let previewer = Previewer::new(&chosen.mapping, env);
        let (counts, skips) = (Counts::default(), Vec::new());
        Self { chosen, options, previewer, aim, kind, form, counts, skips, out, sender }
    }

    /// Opens a record's object.
    fn open(&mut self, number: u64, line: Option<u64>, id: Option<&str>) {
        if self.form == Form::Whole && number > 0 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"{\"record\":");
        write(&number, &mut self.out);
        if let Some(line) = line {
            self.out.extend_from_slice(b",\"line\":");
            write(&line, &mut self.out);
        }
        if let Some(id) = id {
            self.out.extend_from_slice(b",\"id\":");
            write(&id, &mut self.out);
        }
        self.out.push(b',');
    }

    fn close(&mut self) -> bool {
        self.out.push(b'}');
        if self.form == Form::Lines {
            self.out.push(b'\n');
        }
        self.out.len() < PIECE || self.send()
    }

    /// Sends what there is, when it is a stream; false when nobody listens.
    fn send(&mut self) -> bool {
        let Some(sender) = &self.sender else { return true };
        if self.out.is_empty() {
            return !sender.is_closed();
        }
        let piece = Bytes::from(std::mem::replace(&mut self.out, Vec::with_capacity(PIECE)));
        sender.blocking_send(Ok(piece)).is_ok()
    }

    fn count(&mut self, ended: Ended, borne: usize) {
        let counts = &mut self.counts;
        counts.records += 1;
        counts.borne += borne as u64;
        *match ended {
            Ended::Payload => &mut counts.payloads,
            Ended::OutOfScope => &mut counts.out_of_scope,
            Ended::Skipped => &mut counts.skipped,
            Ended::Failed => &mut counts.failed,
            Ended::Unreadable => &mut counts.unreadable,
        } += 1;
    }

    /// What the target would receive for a payload.
    fn received(&self, payload: Map<String, Value>, item: &Item) -> Option<Value> {
        match self.aim.as_ref()? {
            Aim::Sync(sync) => Some(sync.preview(&self.chosen.mapping, self.kind, payload, item.linked.as_ref())),
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
    pub(super) fn end(mut self, stopped: Option<String>) -> Vec<u8> {
        let counts = &self.counts;
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
        let mut last = json!({"skips": self.skips, "summary": summary});
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
        if self.form == Form::Whole {
            self.out.extend_from_slice(b"],");
            self.out.extend_from_slice(last.strip_prefix('{').unwrap_or_default().as_bytes());
            return self.out;
        }
        self.out.extend_from_slice(last.as_bytes());
        self.out.push(b'\n');
        self.send();
        self.out
    }
}

impl Work for Run<'_> {
    fn record(&mut self, number: u64, line: Option<u64>, item: &Item) -> bool {
        self.open(number, line, item.id.as_deref());
        let stored = item.profile.as_ref().filter(|_| !matches!(self.aim, Some(Aim::Sync(_))));
        let stored: Option<Value> = stored.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let before = stored.as_ref().and_then(|stored| stored.get("value"));
        let linked = item.linked.as_ref().is_some_and(|linked| linked.target.is_some());
        let trace = self.options.trace && self.counts.traced < MOST_TRACED;
        self.counts.traced += u64::from(trace);
        let wish = Wish {
            apply: if before.is_some() || linked { Apply::Update } else { self.options.apply },
            rules: self.options.rules,
            trace,
            keep: self.aim.is_some() || stored.is_some(),
            before: before.cloned(),
        };
        let told = self.previewer.tell(&item.text, number, &wish, &mut self.out);
        self.count(told.ended, told.borne);
        if told.ended == Ended::Skipped && self.skips.len() < MOST_RECORDS as usize && self.form == Form::Whole {
            self.skips.push(json!({"record": number, "id": item.id, "reason": told.reason}));
        }
        if let Some(stored) = &stored {
            let nothing = json!({});
            let made = told.payload.as_ref().unwrap_or(&nothing);
            let differs: Vec<Value> =
                differences(before.unwrap_or(&nothing), made).iter().map(Change::to_json).collect();
            let known = json!({"mapping": stored.get("mapping"), "revision": stored.get("revision"), "skipped": stored.get("skipped")});
            self.out.extend_from_slice(b",\"stored\":");
            write(&known, &mut self.out);
            self.out.extend_from_slice(b",\"differs\":");
            write(&differs, &mut self.out);
        }
        if let Some(Value::Object(payload)) = told.payload
            && let Some(received) = self.received(payload, item)
        {
            self.out.extend_from_slice(b",\"target\":");
            write(&received, &mut self.out);
        }
        self.close()
    }

    fn broken(&mut self, number: u64, line: u64) -> bool {
        self.open(number, Some(line), None);
        self.out.extend_from_slice(b"\"outcome\":\"unreadable\",\"reason\":\"the line is not UTF-8\"");
        self.count(Ended::Unreadable, 0);
        self.close()
    }

    fn idle(&mut self) -> bool {
        self.send()
    }
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

/// An impact under way.
pub(super) struct Survey<'c> {
    pub(super) comparer: Comparer<'c>,
}

impl Work for Survey<'_> {
    fn record(&mut self, number: u64, _: Option<u64>, item: &Item) -> bool {
        self.comparer.add(&item.text, number, item.id.as_deref());
        true
    }

    fn broken(&mut self, number: u64, _: u64) -> bool {
        self.comparer.add("", number, None);
        true
    }
}
