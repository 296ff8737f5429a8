//! The `[[tests]]` of a mapping file: a record in, what is expected of it out.

use serde_json::Value as Json;

use crate::dotnet::date::{Moment, parse_any};
use crate::function::{Context, Env, Seed};
use crate::scim::{ConstValue, Step};
use crate::text::{Code, Diagnostic, Span, shorten};
use crate::value::{Arena, RecordReader};

use super::apply::{Apply, Outcome};
use super::file::Wanted;
use super::{EnvLayer, Mapping};

/// A test of a mapping file.
#[derive(Debug)]
pub struct Case {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) given: Json,
    /// What the payload must hold, and where that stands in the file.
    pub(super) expect: Option<(Vec<Expected>, Span)>,
    pub(super) exact: bool,
    pub(super) absent: Vec<(String, Spot)>,
    pub(super) skip: Option<Wanted>,
    pub(super) error: Option<Wanted>,
    pub(super) in_scope: Option<bool>,
    pub(super) update: bool,
    pub(super) env: EnvLayer,
}

/// A place in a payload.
#[derive(Debug)]
pub(super) struct Spot {
    /// The extension under which the steps begin.
    pub(super) schema: Option<String>,
    pub(super) steps: Vec<Step>,
}

impl Spot {
    /// A top-level attribute.
    pub(super) fn top(name: &str) -> Spot {
        Spot { schema: None, steps: vec![Step::Key(name.to_owned())] }
    }
}

/// A value that the payload must hold.
#[derive(Debug)]
pub(super) struct Expected {
    /// The key in the test.
    pub(super) name: String,
    pub(super) spot: Spot,
    pub(super) value: Json,
}

impl Case {
    /// What it shows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        self.span
    }
}

/// How a test ended.
#[derive(Debug)]
pub struct CaseResult {
    /// The test's name.
    pub name: String,
    /// Why it failed; `None` when it passed.
    pub failure: Option<Diagnostic>,
}

impl Mapping {
    /// Runs a test. The clock stands at 2026-01-01 and the seed is 0 unless the file says otherwise.
    pub fn run_case(&self, case: &Case) -> CaseResult {
        let result = |failure| CaseResult { name: case.name.clone(), failure };
        let now = parse_any("2026-01-01T00:00:00Z", None).unwrap_or(Moment::MIN);
        let env = case.env.over(&self.env(&Env::new(now, Seed::from_number(0))));
        let arena = Arena::new();
        let text = case.given.to_string();
        let slots = match RecordReader::new().read(self.layout(), &text, &arena) {
            Ok(slots) => slots,
            Err(error) => {
                let message = format!("the test {:?} gives a record that cannot be read: {error}", shorten(&case.name));
                return result(Some(Diagnostic::new(Code::TestFailed, message, case.span)));
            }
        };
        let context = Context::new(&arena, &env, 0);
        let apply = if case.update { Apply::Update } else { Apply::Create };
        let failed = |message: String| {
            Diagnostic::new(
                Code::TestFailed,
                format!("the test {:?} failed: {message}", shorten(&case.name)),
                case.span,
            )
        };
        let outcome = self.apply(slots, &context, apply);
        let failure = match (&outcome, &case.error, &case.skip, case.in_scope) {
            (Outcome::OutOfScope, None, None, Some(false)) => None,
            (Outcome::OutOfScope, ..) => {
                Some(failed("the record is out of scope".into()).help("`in_scope = false` expects that"))
            }
            (_, _, _, Some(false)) => Some(failed("the record is in scope".into())),
            (Outcome::Failed(failure), Some(wanted), ..) => {
                let told = self.describe(failure, slots, &context);
                let text = format!("{}: {}", told.code, told.message);
                (!found(wanted, &text)).then(|| failed(format!("the record fails, but with another error: {text}")))
            }
            (Outcome::Failed(failure), None, ..) => {
                let told = self.describe(failure, slots, &context);
                let mut diagnostic = failed(told.message.clone());
                diagnostic = diagnostic
                    .also(told.primary.span, if told.primary.text.is_empty() { "here" } else { &told.primary.text });
                diagnostic.notes = told.notes;
                diagnostic.help = told.help;
                Some(diagnostic)
            }
            (_, Some(_), ..) => Some(failed("the record was to fail and does not".into())),
            (Outcome::Skipped(skip), _, Some(wanted), _) => {
                let reason = self.describe_skip(skip);
                (!found(wanted, &reason))
                    .then(|| failed(format!("the record is skipped, but for another reason: {reason}")))
            }
            (Outcome::Skipped(skip), _, None, _) => Some(
                failed(format!("the record is skipped: {}", self.describe_skip(skip)))
                    .help("`skip = true` expects that"),
            ),
            (_, _, Some(_), _) => Some(failed("the record was to be skipped and is not".into())),
            (Outcome::Payload(payload), ..) => {
                let payload = payload.to_json();
                let differences = case.differences(&payload);
                (!differences.is_empty()).then(|| {
                    let count = differences.len();
                    let message =
                        if count == 1 { "1 value differs".to_owned() } else { format!("{count} values differ") };
                    let mut diagnostic = failed(message);
                    if let Some((_, span)) = &case.expect {
                        diagnostic.primary.span = *span;
                        diagnostic = diagnostic.label("expected this");
                    }
                    for difference in differences {
                        diagnostic = diagnostic.note(difference);
                    }
                    diagnostic
                })
            }
        };
        result(failure)
    }
}

fn found(wanted: &Wanted, text: &str) -> bool {
    match wanted {
        Wanted::Any => true,
        Wanted::Text(part) => text.contains(part.as_str()),
    }
}

impl Case {
    /// What the payload has otherwise than expected, a line each.
    fn differences(&self, payload: &Json) -> Vec<String> {
        let mut out = Vec::new();
        if let Some((entries, _)) = &self.expect {
            for Expected { name, spot, value } in entries {
                differ(name, value, at(payload, spot), self.exact, &mut out);
            }
            if self.exact {
                let mut rest = payload.clone();
                for Expected { spot, .. } in entries {
                    remove(&mut rest, spot);
                }
                if let Json::Object(fields) = &mut rest {
                    fields.remove("schemas");
                    for (key, value) in fields.iter().filter(|(_, value)| !is_hollow(value)) {
                        out.push(format!("{key}: not expected, got {value}"));
                    }
                }
            }
        }
        for (name, spot) in &self.absent {
            if let Some(got) = at(payload, spot) {
                out.push(format!("{name}: expected to be absent, got {got}"));
            }
        }
        out
    }
}

fn const_json(value: &ConstValue) -> Json {
    match value {
        ConstValue::String(text) => Json::from(text.as_str()),
        ConstValue::Boolean(flag) => Json::from(*flag),
        ConstValue::Integer(number) => Json::from(*number),
        ConstValue::Decimal(number) => Json::from(*number),
    }
}

fn is_element(element: &Json, constants: &[(String, ConstValue)]) -> bool {
    constants.iter().all(|(name, value)| element.get(name) == Some(&const_json(value)))
}

/// The value of a payload at a target's place.
fn at<'p>(payload: &'p Json, spot: &Spot) -> Option<&'p Json> {
    let top = match &spot.schema {
        Some(urn) => payload.get(urn)?,
        None => payload,
    };
    spot.steps.iter().try_fold(top, |value, step| match step {
        Step::Key(name) => value.get(name),
        Step::Index(index) => value.get(index),
        Step::Element { constants } => value.as_array()?.iter().find(|element| is_element(element, constants)),
    })
}

/// Takes what is expected out, so that the rest can be told.
fn remove(payload: &mut Json, spot: &Spot) {
    let top = match &spot.schema {
        Some(urn) if spot.steps.is_empty() => {
            if let Json::Object(fields) = payload {
                fields.remove(urn);
            }
            return;
        }
        Some(urn) => payload.get_mut(urn),
        None => Some(payload),
    };
    let (Some(mut value), Some((last, before))) = (top, spot.steps.split_last()) else { return };
    for step in before {
        let next = match step {
            Step::Key(name) => value.get_mut(name),
            Step::Index(index) => value.get_mut(index),
            Step::Element { constants } => {
                value.as_array_mut().and_then(|items| items.iter_mut().find(|item| is_element(item, constants)))
            }
        };
        match next {
            Some(next) => value = next,
            None => return,
        }
    }
    if let (Json::Object(fields), Step::Key(name)) = (value, last) {
        fields.remove(name);
        // An element of which only its marks are left was expected as a whole.
        if fields.keys().all(|key| {
            before.iter().any(
                |step| matches!(step, Step::Element { constants } if constants.iter().any(|(name, _)| name == key)),
            )
        }) {
            fields.clear();
        }
    }
}

/// Objects and lists without any value.
fn is_hollow(value: &Json) -> bool {
    match value {
        Json::Object(fields) => fields.values().all(is_hollow),
        Json::Array(items) => items.iter().all(is_hollow),
        _ => false,
    }
}

fn differ(path: &str, wanted: &Json, got: Option<&Json>, exact: bool, out: &mut Vec<String>) {
    match (wanted, got) {
        (_, None) => out.push(format!("{path}: expected {wanted}, got nothing")),
        (Json::Object(wanted), Some(Json::Object(got))) => {
            for (key, value) in wanted {
                differ(&format!("{path}.{key}"), value, got.get(key), exact, out);
            }
            if exact {
                for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    out.push(format!("{path}.{key}: not expected, got {value}"));
                }
            }
        }
        (Json::Array(wanted), Some(Json::Array(got))) if wanted.len() == got.len() => {
            for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                differ(&format!("{path}[{index}]"), wanted, Some(got), exact, out);
            }
        }
        (Json::Number(a), Some(Json::Number(b))) if a.as_f64() == b.as_f64() => {}
        (wanted, Some(got)) if wanted == got => {}
        (wanted, Some(got)) => out.push(format!("{path}: expected {wanted}, got {got}")),
    }
}
