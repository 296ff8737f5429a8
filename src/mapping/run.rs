//! A record as text to what became of it, as values that outlive the run: for those who store payloads or send them on.

use serde_json::Value as Json;

use super::{Apply, Failure, Mapping, Outcome, Skip};
use crate::function::{Context, Env};
use crate::text::render::{self, Format};
use crate::text::{Diagnostic, Source};
use crate::value::{Arena, RecordReader};

/// What a mapping made of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Ran {
    /// A payload.
    Payload {
        /// What the target is to get.
        payload: Json,
        /// How many failures rules with `on_error = "null"` bore.
        borne: usize,
    },
    /// No scoping filter takes the record.
    OutOfScope,
    /// The record is left out.
    Skipped {
        /// Why, for people.
        reason: String,
        /// What a script's `skip("…")` said.
        said: Option<String>,
    },
    /// A program failed.
    Failed(Box<Told>),
}

/// A failure as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The rule's target; `None` when it was the scoping filter, or the file as a whole.
    pub rule: Option<String>,
    /// The finding's code, such as `E0702`.
    pub code: String,
    /// File, line and column, as in `acme.toml:12:9`.
    pub place: String,
    /// The finding with an excerpt, carets and the values used; what the mapping redacts is not in it.
    pub report: String,
}

impl Told {
    /// A finding about a mapping file.
    pub fn of(source: &Source, rule: Option<String>, finding: &Diagnostic) -> Self {
        let at = source.position(finding.primary.span.start);
        Self {
            rule,
            code: finding.code.to_string(),
            place: format!("{}:{}:{}", source.name(), at.line, at.column),
            report: render::one(source, finding, Format::Human, false),
        }
    }
}

impl Mapping {
    /// Maps a record that is a JSON object. `number` is the record's own, under the seed of `env`: the same two give the same
    /// random values.
    pub fn run(&self, record: &str, env: &Env, number: u64, apply: Apply) -> Ran {
        let arena = Arena::new();
        let env = self.env(env);
        let context = Context::new(&arena, &env, number);
        let slots = match RecordReader::new().read(self.layout(), record, &arena) {
            Ok(slots) => slots,
            Err(error) => return Ran::Skipped { reason: format!("the record cannot be read: {error}"), said: None },
        };
        match self.apply(slots, &context, apply) {
            Outcome::Payload(payload) => Ran::Payload { payload: payload.to_json(), borne: payload.borne() },
            Outcome::OutOfScope => Ran::OutOfScope,
            Outcome::Skipped(skip) => {
                let reason = self.describe_skip(&skip);
                let said = if let Skip::Ignored { reason, .. } = skip { reason } else { None };
                Ran::Skipped { reason, said }
            }
            Outcome::Failed(failure) => {
                let finding = self.describe(&failure, slots, &context);
                Ran::Failed(Box::new(Told::of(self.source(), self.failed_rule(&failure), &finding)))
            }
        }
    }

    fn failed_rule(&self, failure: &Failure) -> Option<String> {
        let rule = self.rules().get(failure.rule?);
        Some(rule.map_or_else(|| "[script]".to_owned(), |rule| rule.target().to_owned()))
    }

    /// Whether it reads an attribute at the top of its records, or may.
    pub fn reads(&self, name: &str) -> bool {
        self.layout().find_whole().is_some() || self.layout().find(name).is_some()
    }
}
