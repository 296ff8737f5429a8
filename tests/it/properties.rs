//! Any byte string ends in a value or a finding, quickly; what passes `check` does not fail for a static reason.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use provisor::dotnet::date::parse_any;
use provisor::function::{Context, Env, Seed, TABLE};
use provisor::language::entra::{Expression, Surroundings};
use provisor::language::names::SourceNames;
use provisor::mapping::{Apply, Mapping, Outcome};
use provisor::text::Source;
use provisor::value::{Arena, Layout, RecordReader, Value};

/// No input of these sizes may take longer, even on a busy machine and without optimization.
const QUICKLY: Duration = Duration::from_secs(5);

fn env() -> Env {
    Env::new(parse_any("2026-01-01", None).unwrap(), Seed::from_number(7))
}

/// Compiles and, when there is an expression, runs it; the result does not matter, coming back does.
fn evaluate(text: &str, record: &str) -> Result<(), TestCaseError> {
    let begun = Instant::now();
    let mut layout = Layout::default();
    let (names, macros) = (SourceNames::open(), BTreeMap::new());
    let surroundings = Surroundings { source: &names, macros: &macros, direct: true };
    let (expression, found) = Expression::compile(text, &mut layout, &surroundings);
    for finding in &found {
        let span = finding.primary.span;
        prop_assert!(span.start <= span.end && span.end as usize <= text.len(), "{:?} outside of {:?}", span, text);
    }
    prop_assert_eq!(expression.is_none(), found.iter().any(provisor::text::Diagnostic::is_error));
    if let Some(expression) = expression {
        let arena = Arena::new();
        if let Ok(slots) = RecordReader::new().read(&layout, record, &arena) {
            let env = env();
            if let Err(fault) = expression.run(slots, &Context::new(&arena, &env, 0), &mut Value::Absent) {
                prop_assert!((700..800).contains(&fault.code.number()), "{} at run time: {fault}", fault.code);
            }
        }
    }
    prop_assert!(begun.elapsed() < QUICKLY, "{:?} took {:?}", text, begun.elapsed());
    Ok(())
}

/// A text that is nearly an expression: real names and tokens in any order.
pub(crate) fn tokens() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => proptest::sample::select(TABLE).prop_map(|spec| format!("{}(", spec.name)),
        4 => Just(")".to_owned()),
        4 => Just(",".to_owned()),
        3 => proptest::sample::select(&["[mail]", "[a.b]", "[]", "[x", "[emails[type eq \"work\"].value]"][..]).prop_map(str::to_owned),
        3 => proptest::sample::select(&["\"\"", "\"a\"", "\"\\\\d+\"", "\"(a+)+$\"", "\"yyyy-MM-dd\"", "\"", "'", "“"][..]).prop_map(str::to_owned),
        2 => proptest::sample::select(&["=", "<>", "<", ">=", "&", "+", "and", "[0]", "%m%", "&HF", "-1", "99999999999", "1.5"][..]).prop_map(str::to_owned),
        1 => proptest::sample::select(&["vbTextCompare", "IgnoreAttributeFlow", "IgnoreObjectFlow", "True", "null", "é", "👍", "\0", "\n"][..]).prop_map(str::to_owned),
    ];
    proptest::collection::vec(token, 0..40).prop_map(|tokens| tokens.join(" "))
}

/// A call of a real function with as many arguments as it takes, nested a little.
fn calls() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("[a]".to_owned()),
        Just("[list]".to_owned()),
        Just("[missing]".to_owned()),
        Just("\"1\"".to_owned()),
        Just("3".to_owned()),
        Just("\"d\"".to_owned()),
        Just("\"2024-05-01\"".to_owned()),
        Just("\"[a-z]+\"".to_owned()),
        Just(String::new()),
        "[a-zÀ-ž ]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 48, 7, |inner| {
        (proptest::sample::select(TABLE), proptest::collection::vec(inner, 0..8)).prop_map(|(spec, mut arguments)| {
            let most = spec.most().unwrap_or(arguments.len().max(spec.fewest()));
            arguments.resize(arguments.len().clamp(spec.fewest(), most.max(spec.fewest())), "[a]".to_owned());
            format!("{}({})", spec.name, arguments.join(", "))
        })
    })
}

const RECORD: &str =
    r#"{"a": "Zoë O'Neil", "b": null, "mail": "a@b.c", "list": ["x", "y", null, {"z": 1}], "n": 12, "t": true}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_as_an_expression(text in "\\PC*") {
        evaluate(&text, RECORD)?;
    }

    #[test]
    fn any_tokens_as_an_expression(text in tokens()) {
        evaluate(&text, RECORD)?;
    }

    #[test]
    fn any_call_of_real_functions(text in calls()) {
        evaluate(&text, RECORD)?;
    }

    #[test]
    fn any_text_as_a_record(record in "\\PC*") {
        evaluate("Join(\",\", [a], [b.c], [list])", &record)?;
    }

    #[test]
    fn any_text_as_a_pattern(pattern in "\\PC{0,40}", text in "\\PC{0,40}") {
        let quoted = pattern.replace('\\', "\\\\").replace('"', "\\\"");
        let record = serde_json::json!({"a": text}).to_string();
        evaluate(&format!("Replace([a], , \"{quoted}\", , \"<$1${{n}}>\", , )"), &record)?;
    }

    #[test]
    fn a_pattern_from_the_record(pattern in "\\PC{0,30}") {
        let record = serde_json::json!({"p": pattern, "a": "abc abc"}).to_string();
        evaluate("Replace([a], , [p], , \"x\", , )", &record)?;
    }

    #[test]
    fn any_text_as_a_date_and_format(format in "[yMdHhmsfFtzKTZ/:. '\\\\%-]{1,20}", text in "\\PC{0,30}") {
        let quoted = format.replace('\\', "\\\\");
        let record = serde_json::json!({"d": text}).to_string();
        evaluate(&format!("FormatDateTime([d], , \"{quoted}\", \"{quoted}\")"), &record)?;
        evaluate("CDate([d])", &record)?;
    }

    #[test]
    fn any_text_as_a_mapping_file(text in "\\PC*") {
        let begun = Instant::now();
        Mapping::compile(&Source::new("t.toml", text));
        prop_assert!(begun.elapsed() < QUICKLY);
    }

    #[test]
    fn a_shipped_mapping_with_a_piece_cut_out_or_put_in(at in 0.0..1.0_f64, length in 0_usize..40, piece in "\\PC{0,6}") {
        let text = include_str!("../../mappings/entra-user.toml");
        let mut start = (text.len() as f64 * at) as usize;
        while !text.is_char_boundary(start) { start -= 1; }
        let mut end = (start + length).min(text.len());
        while !text.is_char_boundary(end) { end += 1; }
        let broken = format!("{}{piece}{}", &text[..start], &text[end..]);
        let compiled = Mapping::compile(&Source::new("t.toml", broken.as_str()));
        for finding in &compiled.diagnostics {
            let span = finding.primary.span;
            prop_assert!(span.start <= span.end && span.end as usize <= broken.len(), "{finding:?}");
        }
    }
}

/// A mapping around one expression.
fn mapping(expression: &str) -> String {
    format!(
        "name = \"t\"\nresource = \"User\"\n[attributes]\nuserName = {{ expr = '[u]', match = 1 }}\nnickName = '''{expression}'''\n"
    )
}

#[test]
fn hostile_expressions_end_quickly() {
    let nested = |depth: usize| format!("{}[a]{}", "ToLower(".repeat(depth), ")".repeat(depth));
    let doubling = (0..30).fold("[a]".to_owned(), |inner, _| format!("Replace({inner}, \"a\", , , \"aa\", , )"));
    let hostile = [
        nested(1_000),
        nested(64),
        "(".repeat(9_000),
        "[".repeat(9_000),
        "\"".repeat(9_001),
        "Join(".repeat(1_900),
        format!("Switch([a], , {} \"z\", \"z\")", (0..400).map(|n| format!("\"{n}\", \"x\", ")).collect::<String>()),
        doubling,
        "Replace([a], , \"(a+)+$\", , \"x\", , )".to_owned(),
        "Replace([a], , \"(?=(a+)+b)\", , \"x\", , )".to_owned(),
        "Replace([a], , \"((a|aa)+)\\\\1$\", , \"x\", , )".to_owned(),
        "Replace([a], , \"(a{1,1000}){1,1000}\", , \"x\", , )".to_owned(),
        "RandomString(256, 0, 0, 0, 0)".to_owned(),
        "[a] = [a] = [a]".to_owned(),
        "a".repeat(20_000),
    ];
    let record = format!("{{\"a\": \"{}!\"}}", "a".repeat(3_000));
    for text in hostile {
        let begun = Instant::now();
        let shown = text.chars().take(60).collect::<String>();
        evaluate(&text, &record).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(begun.elapsed() < QUICKLY, "{shown} took {:?}", begun.elapsed());
        Mapping::compile(&Source::new("t.toml", mapping(&text)));
    }
}

#[test]
fn a_text_that_grows_past_the_limit_is_a_fault() {
    let doubling = (0..30).fold("[a]".to_owned(), |inner, _| format!("Replace({inner}, \"a\", , , \"aa\", , )"));
    let compiled = Mapping::compile(&Source::new("t.toml", mapping(&doubling)));
    let mapping = compiled.mapping.expect("it compiles");
    let (arena, env) = (Arena::new(), env());
    let slots = RecordReader::new().read(mapping.layout(), r#"{"u": "x", "a": "aaa"}"#, &arena).unwrap();
    let context = Context::new(&arena, &env, 0);
    let Outcome::Failed(failure) = mapping.apply(slots, &context, Apply::Create) else { panic!("it does not fail") };
    assert_eq!(failure.fault.code.to_string(), "E0706");
}
