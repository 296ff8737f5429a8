//! What a mapping makes of a record, told whole: the payload, each rule's value, on wish why it has it, the reason of a skip,
//! the finding of a failure. A run without writing, by the evaluator of all runs.

use serde_json::{Value as Json, json};

use crate::function::{Context, Env};
use crate::text::{Diagnostic, render};
use crate::value::{Arena, RecordReader, Value, write_json, write_json_string};

use super::apply::Outcome;
use super::{Apply, Failure, Mapping, RuleTrace, Skip};

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With a payload.
    Payload,
    /// No scoping filter takes it.
    OutOfScope,
    /// It is left out.
    Skipped,
    /// A program failed: a sync would halt.
    Failed,
    /// It is no record.
    Unreadable,
    /// There was no mapping.
    Unmapped,
}

impl Ended {
    /// As JSON has it: `payload`, `outOfScope`, `skipped`, `failed`, `unreadable`, `unmapped`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::OutOfScope => "outOfScope",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
            Self::Unmapped => "unmapped",
        }
    }
}

/// What is to be told of a record.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Whether the object is new.
    pub apply: Apply,
    /// Each rule's target and value.
    pub rules: bool,
    /// Each rule's sub-expressions with their values.
    pub trace: bool,
    /// The payload as a value too.
    pub keep: bool,
    /// The payload before; what rules for the creation made once stays.
    pub before: Option<Json>,
}

/// What became of a record, beside its JSON.
#[derive(Debug)]
pub struct Preview {
    /// How it ended.
    pub ended: Ended,
    /// How many failures rules with `on_error = "null"` bore.
    pub borne: usize,
    /// Why there is no payload, in one line.
    pub reason: Option<String>,
    /// The payload, when it was to be kept.
    pub payload: Option<Json>,
}

/// What stands between a rule's target and its value.
const VALUE: &[u8] = b",\"value\":";

impl Preview {
    /// One of which nothing more is known.
    pub(super) fn of(ended: Ended) -> Self {
        Self { ended, borne: 0, reason: None, payload: None }
    }
}

/// A record looked at by a person: all of it as data, and what the mapping redacts left out.
#[derive(Debug)]
pub struct Look {
    /// How it ended.
    pub ended: Ended,
    /// Why there is no payload, in one line.
    pub reason: Option<String>,
    /// The payload.
    pub payload: Option<Json>,
    /// The finding of a failure.
    pub finding: Option<Diagnostic>,
    /// What each rule did, whatever became of the record.
    pub rules: Vec<RuleTrace>,
}

/// Why a record ended as it did.
struct Fate {
    ended: Ended,
    borne: usize,
    /// The rule's number.
    rule: Option<usize>,
    reason: Option<String>,
    finding: Option<Diagnostic>,
}

/// Runs records through a mapping, one after the other, in memory that is used again.
pub struct Previewer<'m> {
    mapping: &'m Mapping,
    env: Env,
    reader: RecordReader,
    arena: Arena,
    /// By rule, the JSON that stands before its value.
    heads: Vec<Vec<u8>>,
}

impl<'m> Previewer<'m> {
    /// For a mapping in this environment, in which the mapping's own `[env]` already is.
    pub fn new(mapping: &'m Mapping, env: Env) -> Self {
        let head = |rule: &super::Rule| {
            let mut head = b"{\"target\":".to_vec();
            write_json_string(rule.target(), &mut head);
            head.extend_from_slice(VALUE);
            head
        };
        let heads = mapping.rules().iter().map(head).collect();
        Self { mapping, env, reader: RecordReader::new(), arena: Arena::new(), heads }
    }

    /// Writes the members of a JSON object that tell what became of a record, without braces: `outcome` first, then `payload`,
    /// `reason` or `error`, `borne`, `rules` and `trace`. `number` is the record's own for random values.
    pub fn tell(&mut self, record: &str, number: u64, wish: &Wish, out: &mut Vec<u8>) -> Preview {
        self.arena.reset();
        let context = Context::new(&self.arena, &self.env, number);
        let slots = match self.reader.read(self.mapping.layout(), record, &self.arena) {
            Ok(slots) => slots,
            Err(error) => return unreadable(&error.to_string(), out),
        };
        let outcome = self.mapping.apply(slots, &context, wish.apply);
        let fate = self.fate(&outcome, slots, number);
        let mut told = Preview { borne: fate.borne, ..Preview::of(fate.ended) };
        begin(fate.ended, out);
        if let Outcome::Payload(payload) = &outcome {
            out.extend_from_slice(b",\"payload\":");
            if wish.keep || wish.before.is_some() {
                let mut made = payload.to_json();
                if let Some(before) = &wish.before {
                    self.mapping.keep_created(before, &mut made);
                }
                write(&made, out);
                told.payload = Some(made);
            } else {
                payload.write_json(out);
            }
            if told.borne > 0 {
                let again = Context::new(&self.arena, &self.env, number);
                let failures = payload.failures(slots, &again);
                let borne: Vec<Json> = failures.iter().map(|failure| self.borne(failure)).collect();
                out.extend_from_slice(b",\"borne\":");
                write(&borne, out);
            }
            if wish.rules {
                self.rules(payload.values(), out);
            }
        }
        if let (Ended::Skipped, Some(reason)) = (fate.ended, &fate.reason) {
            out.extend_from_slice(b",\"reason\":");
            write_json_string(reason, out);
            if let Some(target) = self.target(fate.rule) {
                out.extend_from_slice(b",\"rule\":");
                write_json_string(target, out);
            }
        }
        if let Some(finding) = &fate.finding {
            let mut error = render::told(self.mapping.source(), finding);
            if let Some(fields) = error.as_object_mut() {
                fields.insert("mapping".into(), self.mapping.name().into());
                fields.insert("rule".into(), self.target(fate.rule).into());
            }
            out.extend_from_slice(b",\"error\":");
            write(&error, out);
        }
        told.reason = fate.reason;
        if wish.trace {
            let again = Context::new(&self.arena, &self.env, number);
            let source = self.mapping.source();
            let trace: Vec<Json> = self.mapping.trace(slots, &again).iter().map(|rule| rule.to_json(source)).collect();
            out.extend_from_slice(b",\"trace\":");
            write(&trace, out);
        }
        told
    }

    /// Writes the payload alone, when there is one.
    pub fn payload(&mut self, record: &str, number: u64, apply: Apply, out: &mut Vec<u8>) -> Preview {
        self.arena.reset();
        let context = Context::new(&self.arena, &self.env, number);
        let slots = match self.reader.read(self.mapping.layout(), record, &self.arena) {
            Ok(slots) => slots,
            Err(error) => {
                return Preview { reason: Some(unread(&error.to_string())), ..Preview::of(Ended::Unreadable) };
            }
        };
        let outcome = self.mapping.apply(slots, &context, apply);
        if let Outcome::Payload(payload) = &outcome {
            payload.write_json(out);
        }
        let Fate { ended, borne, reason, .. } = self.fate(&outcome, slots, number);
        Preview { borne, reason, ..Preview::of(ended) }
    }

    /// Looks at a record.
    pub fn look(&mut self, record: &str, number: u64, apply: Apply) -> Look {
        self.arena.reset();
        let context = Context::new(&self.arena, &self.env, number);
        let slots = match self.reader.read(self.mapping.layout(), record, &self.arena) {
            Ok(slots) => slots,
            Err(error) => {
                let (reason, rules) = (Some(unread(&error.to_string())), Vec::new());
                return Look { ended: Ended::Unreadable, reason, payload: None, finding: None, rules };
            }
        };
        let outcome = self.mapping.apply(slots, &context, apply);
        let Fate { ended, reason, finding, .. } = self.fate(&outcome, slots, number);
        let payload = if let Outcome::Payload(payload) = &outcome { Some(payload.to_json_redacted()) } else { None };
        let again = Context::new(&self.arena, &self.env, number);
        Look { ended, reason, payload, finding, rules: self.mapping.trace(slots, &again) }
    }

    fn fate<'a>(&'a self, outcome: &Outcome<'_>, slots: &'a [Value<'a>], number: u64) -> Fate {
        let fate = |ended| Fate { ended, borne: 0, rule: None, reason: None, finding: None };
        match outcome {
            Outcome::Payload(payload) => Fate { borne: payload.borne(), ..fate(Ended::Payload) },
            Outcome::OutOfScope => {
                Fate { reason: Some("no scoping filter takes this record".to_owned()), ..fate(Ended::OutOfScope) }
            }
            Outcome::Skipped(skip) => {
                let rule = match skip {
                    Skip::RequiredEmpty { rule } | Skip::Ignored { rule, .. } => Some(*rule),
                    Skip::Failed(failure) => failure.rule,
                };
                Fate { rule, reason: Some(self.mapping.describe_skip(skip)), ..fate(Ended::Skipped) }
            }
            Outcome::Failed(failure) => {
                // The same clock, seed and record give the same values again.
                let again = Context::new(&self.arena, &self.env, number);
                let finding = self.mapping.describe(failure, slots, &again);
                let reason = Some(format!("{}: {}", finding.code, finding.message));
                Fate { rule: failure.rule, reason, finding: Some(finding), ..fate(Ended::Failed) }
            }
        }
    }

    fn target(&self, rule: Option<usize>) -> Option<&str> {
        Some(self.mapping.rules().get(rule?).map_or("[script]", |rule| rule.target()))
    }

    fn borne(&self, failure: &Failure) -> Json {
        let message = super::headline(&failure.fault);
        json!({"rule": self.target(failure.rule), "code": failure.fault.code.to_string(), "message": message})
    }

    fn rules(&self, values: &[Value<'_>], out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"rules\":[");
        for (index, (head, value)) in self.heads.iter().zip(values).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(head);
            if let Value::Ignored(_) = value {
                out.truncate(out.len() - VALUE.len());
                out.extend_from_slice(b",\"ignored\":true");
            } else {
                write_json(*value, out);
            }
            out.push(b'}');
        }
        out.push(b']');
    }
}

/// Tells of what is no record.
fn unreadable(why: &str, out: &mut Vec<u8>) -> Preview {
    begin(Ended::Unreadable, out);
    let reason = unread(why);
    out.extend_from_slice(b",\"reason\":");
    write_json_string(&reason, out);
    Preview { reason: Some(reason), ..Preview::of(Ended::Unreadable) }
}

fn unread(why: &str) -> String {
    format!("the record cannot be read: {why}")
}

fn begin(ended: Ended, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"outcome\":\"");
    out.extend_from_slice(ended.word().as_bytes());
    out.push(b'"');
}

fn write(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(out, value);
}
