//! What a mapping makes of a record, told whole: the payload, each rule's value, on wish why it has it, the reason of a skip,
//! the finding of a failure. A run without writing, by the evaluator of all runs.

use serde_json::{Value as Json, json};

use crate::function::{Context, Env};
use crate::text::render;
use crate::value::{Arena, RecordReader, Value, write_json, write_json_string};

use super::apply::Outcome;
use super::{Apply, Failure, Mapping, Skip};

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
}

impl Ended {
    /// As JSON has it: `payload`, `outOfScope`, `skipped`, `failed`, `unreadable`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::OutOfScope => "outOfScope",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
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
        let mut told = Preview { ended: Ended::Payload, borne: 0, reason: None, payload: None };
        let outcome = self.mapping.apply(slots, &context, wish.apply);
        match &outcome {
            Outcome::Payload(payload) => {
                begin(Ended::Payload, out);
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
                told.borne = payload.borne().len();
                if told.borne > 0 {
                    let borne: Vec<Json> = payload.borne().iter().map(|failure| self.borne(failure)).collect();
                    out.extend_from_slice(b",\"borne\":");
                    write(&borne, out);
                }
                if wish.rules {
                    self.rules(payload.values(), out);
                }
            }
            Outcome::OutOfScope => {
                told.ended = Ended::OutOfScope;
                begin(told.ended, out);
            }
            Outcome::Skipped(skip) => {
                told.ended = Ended::Skipped;
                begin(told.ended, out);
                let reason = self.mapping.describe_skip(skip);
                out.extend_from_slice(b",\"reason\":");
                write_json_string(&reason, out);
                let rule = match skip {
                    Skip::RequiredEmpty { rule } | Skip::Ignored { rule, .. } => Some(*rule),
                    Skip::Failed(failure) => failure.rule,
                };
                if let Some(target) = self.target(rule) {
                    out.extend_from_slice(b",\"rule\":");
                    write_json_string(target, out);
                }
                told.reason = Some(reason);
            }
            Outcome::Failed(failure) => {
                told.ended = Ended::Failed;
                begin(told.ended, out);
                let again = Context::new(&self.arena, &self.env, number);
                let finding = self.mapping.describe(failure, slots, &again);
                told.reason = Some(format!("{}: {}", finding.code, finding.message));
                let mut error = render::told(self.mapping.source(), &finding);
                if let Some(fields) = error.as_object_mut() {
                    fields.insert("mapping".into(), self.mapping.name().into());
                    fields.insert("rule".into(), self.target(failure.rule).into());
                }
                out.extend_from_slice(b",\"error\":");
                write(&error, out);
            }
        }
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
        let mut told = Preview { ended: Ended::Payload, borne: 0, reason: None, payload: None };
        let slots = match self.reader.read(self.mapping.layout(), record, &self.arena) {
            Ok(slots) => slots,
            Err(error) => {
                let reason = Some(format!("the record cannot be read: {error}"));
                return Preview { ended: Ended::Unreadable, reason, ..told };
            }
        };
        match self.mapping.apply(slots, &context, apply) {
            Outcome::Payload(payload) => payload.write_json(out),
            Outcome::OutOfScope => told.ended = Ended::OutOfScope,
            Outcome::Skipped(skip) => {
                told.ended = Ended::Skipped;
                told.reason = Some(self.mapping.describe_skip(&skip));
            }
            Outcome::Failed(failure) => {
                let again = Context::new(&self.arena, &self.env, number);
                let finding = self.mapping.describe(&failure, slots, &again);
                told.ended = Ended::Failed;
                told.reason = Some(format!("{}: {}", finding.code, finding.message));
            }
        }
        told
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
                out.extend_from_slice(b",\"ignored\":true}");
            } else {
                out.extend_from_slice(b",\"value\":");
                write_json(*value, out);
                out.push(b'}');
            }
        }
        out.push(b']');
    }
}

/// Tells of what is no record.
fn unreadable(why: &str, out: &mut Vec<u8>) -> Preview {
    begin(Ended::Unreadable, out);
    let reason = format!("the record cannot be read: {why}");
    out.extend_from_slice(b",\"reason\":");
    write_json_string(&reason, out);
    Preview { ended: Ended::Unreadable, borne: 0, reason: Some(reason), payload: None }
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
