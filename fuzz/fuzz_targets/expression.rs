//! An Entra expression, compiled and run: findings or a value, never a panic; what compiles runs on any record.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use provisor::dotnet::date::Moment;
use provisor::function::{Context, Env, Seed};
use provisor::language::entra::{Expression, Surroundings};
use provisor::language::names::SourceNames;
use provisor::text::Severity;
use provisor::value::{Arena, Layout, RecordReader, Value};

const RECORD: &str = r#"{"mail": "Ada@Contoso.com", "displayName": "Ægir Łuczak ", "n": 42, "active": true, "none": null,
    "hired": "2024-02-29T23:59:59Z", "list": ["b", "a", ""], "manager": {"name": "Grace"}}"#;

fuzz_target!(|text: &str| {
    let names = SourceNames::open();
    let macros = BTreeMap::new();
    let surroundings = Surroundings { source: &names, macros: &macros, direct: true };
    let mut layout = Layout::default();
    let (expression, found) = Expression::compile(text, &mut layout, &surroundings);
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
    assert_eq!(expression.is_none(), errors > 0, "there is an expression exactly when no finding is an error");
    for finding in &found {
        let range = finding.primary.span.range();
        assert!(range.start <= range.end && range.end <= text.len(), "{}: a span outside of the text", finding.code);
    }
    let Some(expression) = expression else { return };
    let env = Env::new(Moment::MIN, Seed::from_number(0));
    for record in [RECORD, "{}"] {
        let arena = Arena::new();
        let slots = RecordReader::new().read(&layout, record, &arena).expect("the record is valid JSON");
        let once = expression.run(slots, &Context::new(&arena, &env, 0), &mut Value::Absent).is_ok();
        let again = expression.run(slots, &Context::new(&arena, &env, 0), &mut Value::Absent).is_ok();
        assert_eq!(once, again, "two runs with one seed end differently");
    }
});
