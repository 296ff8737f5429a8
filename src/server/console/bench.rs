//! The studio's workbench: a text that is not saved, checked, run on a record and tested, as fast as somebody types.
//!
//! What becomes of a record is told by the preview of every dry run; here it gets the form that an editor wants, with places
//! counted as browsers count. Nothing is stored, and nothing of a record comes into a log.

use serde_json::{Value as Json, json};

use crate::clock::{Millis, moment};
use crate::function::{Env, Seed};
use crate::mapping::{Apply, Ended, Mapping, Previewer, RuleTrace};
use crate::text::render::{self, Format};
use crate::text::{Diagnostic, Source, Span};

/// What functions find here: the clock, and the same random values each time, so that a payload does not flicker.
pub(super) fn environment(now: Millis) -> Env {
    Env::new(moment(now), Seed::from_number(0))
}

/// All that can be said of a text: findings, and with a record what becomes of it; the tests of the file.
pub(super) fn tried(file: &str, text: &str, record: Option<&str>, now: Millis) -> Json {
    let source = Source::new(file, text);
    let compiled = Mapping::compile(&source);
    let findings = &compiled.diagnostics;
    let mut out = json!({
        "findings": findings.iter().map(|found| finding(findings.source(), found)).collect::<Vec<_>>(),
        "dropped": findings.dropped(),
        "errors": findings.errors(),
        "warnings": findings.warnings(),
    });
    let (Some(mapping), Some(fields)) = (&compiled.mapping, out.as_object_mut()) else { return out };
    fields.insert(
        "mapping".into(),
        json!({
            "name": mapping.name(),
            "resource": mapping.resource(),
            "rules": mapping.rules().len(),
            "reads": mapping.layout().reads().collect::<Vec<_>>(),
        }),
    );
    if let Some(record) = record.filter(|record| !record.trim().is_empty()) {
        fields.insert("result".into(), result(mapping, record, now));
    }
    fields.insert("tests".into(), tests(mapping));
    out
}

/// A finding as JSON, with its picture and its places as editors count them.
fn finding(source: &Source, found: &Diagnostic) -> Json {
    let mut out = render::json(source, found);
    if let Some(fields) = out.as_object_mut() {
        fields.insert("picture".into(), render::one(source, found, Format::Human, false).into());
        fields.insert("range".into(), range(source, found.primary.span));
        let fixes = found
            .fixes
            .iter()
            .map(|fix| json!({"range": range(source, fix.span), "replacement": fix.replacement, "title": fix.title}));
        fields.insert("fixes".into(), fixes.collect());
    }
    out
}

/// A span in UTF-16 units, as browsers count.
fn range(source: &Source, span: Span) -> Json {
    let span = source.snap(span);
    let text = source.text();
    let units = |end: u32| text.get(..end as usize).map_or(0, |before| before.encode_utf16().count());
    json!([units(span.start), units(span.end)])
}

/// What becomes of a record, and why each target has its value.
fn result(mapping: &Mapping, record: &str, now: Millis) -> Json {
    let look = Previewer::new(mapping, mapping.env(&environment(now))).look(record, 0, Apply::Create);
    let mut out = json!({"outcome": look.ended.word()});
    let Some(fields) = out.as_object_mut() else { return out };
    if let Some(payload) = look.payload {
        fields.insert("payload".into(), payload);
    }
    if let Some(reason) = look.reason {
        fields.insert("reason".into(), reason.into());
    }
    if let Some(found) = &look.finding {
        fields.insert("finding".into(), finding(mapping.source(), found));
    }
    if look.ended != Ended::Unreadable {
        fields.insert("rules".into(), rules(mapping, &look.rules));
    }
    out
}

fn rules(mapping: &Mapping, traces: &[RuleTrace]) -> Json {
    let source = mapping.source();
    let rows = traces.iter().enumerate().map(|(number, trace)| {
        let steps: Vec<Json> = trace
            .steps
            .iter()
            .map(|step| {
                json!({
                    "text": step.text, "depth": step.depth, "value": step.value,
                    "failed": step.value.is_none(), "range": range(source, step.span),
                })
            })
            .collect();
        let line = mapping.rules().get(number).map(|rule| source.position(rule.target_span().start).line);
        let mut row = json!({"target": trace.target, "line": line, "steps": steps});
        if let Some(fields) = row.as_object_mut() {
            match &trace.result {
                Ok(value) => fields.insert("value".into(), value.clone()),
                Err(failure) => {
                    let message = format!("{}: {}", failure.fault.code, crate::mapping::headline(&failure.fault));
                    fields.insert("error".into(), message.into())
                }
            };
        }
        row
    });
    rows.collect()
}

fn tests(mapping: &Mapping) -> Json {
    let source = mapping.source();
    let rows = mapping.cases().iter().map(|case| {
        let failure = mapping.run_case(case).failure;
        json!({
            "name": case.name(), "line": source.position(case.span().start).line,
            "range": range(source, case.span()),
            "passed": failure.is_none(), "finding": failure.map(|found| finding(source, &found)),
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"u\" # ü\nresource = \"User\"\n[attributes]\nuserName = { expr = '[a]', match = 1 }\ntitle = 'ToUpper([b])'\n[[tests]]\nname = \"t\"\ngiven = { a = \"x\" }\nexpect = { userName = \"y\" }\n";

    #[test]
    fn a_text_is_checked_run_and_tested_at_once() {
        let out = tried("a.toml", TEXT, Some(r#"{"a": "x", "b": "y"}"#), 0);
        assert_eq!(out["errors"], 0, "{out}");
        assert_eq!(out["result"]["payload"]["title"], "Y");
        assert_eq!(out["result"]["rules"][1]["value"], "Y");
        assert_eq!(out["result"]["rules"][1]["line"], 5);
        assert_eq!(out["tests"][0]["passed"], false);
        let broken = tried("a.toml", &TEXT.replace("ToUpper", "ToUper"), None, 0);
        let found = &broken["findings"][0];
        let at = TEXT[..TEXT.find("ToUpper").unwrap()].encode_utf16().count();
        assert_eq!(found["range"], json!([at, at + 6]));
        assert!(found["picture"].as_str().unwrap().contains("^^^^^^"), "{found}");
        assert!(broken.get("result").is_none());
    }

    #[test]
    fn a_record_that_is_none_is_told() {
        assert_eq!(tried("a.toml", TEXT, Some("{"), 0)["result"]["outcome"], "unreadable");
    }
}
