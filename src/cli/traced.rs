//! The lines of `map --trace`: what became of a record, and why each target has its value.

use serde_json::{Value as Json, json};

use crate::function::Context;
use crate::mapping::{Mapping, Outcome};
use crate::value::Value;

/// Writes one record's line.
pub(super) fn write<'a>(
    mapping: &'a Mapping,
    slots: &'a [Value<'a>],
    outcome: &Outcome<'a>,
    context: &Context<'a>,
    line: u64,
    out: &mut Vec<u8>,
) {
    let (end, more) = match outcome {
        Outcome::Payload(payload) => ("payload", Some(("payload", payload.to_json_redacted()))),
        Outcome::OutOfScope => ("outOfScope", None),
        Outcome::Skipped(skip) => ("skipped", Some(("reason", Json::from(mapping.describe_skip(skip))))),
        Outcome::Failed(failure) => {
            let told = mapping.describe(failure, slots, context);
            ("failed", Some(("error", json!({"code": told.code.to_string(), "message": told.message}))))
        }
    };
    let source = mapping.source();
    let rules: Vec<Json> = mapping.trace(slots, context).iter().map(|rule| rule.to_json(source)).collect();
    let mut json = json!({"line": line, "outcome": end});
    if let Some(fields) = json.as_object_mut() {
        fields.extend(more.map(|(key, value)| (key.to_owned(), value)));
        fields.insert("rules".into(), Json::from(rules));
    }
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(&mut *out, &json);
    out.push(b'\n');
}
