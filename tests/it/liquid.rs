//! Liquid by its public face: the examples of the filter table, our own cases, what templates say before they run, and
//! templates that want to take all there is.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use provisor::dotnet::date::parse_any;
use provisor::function::{Context, Env, Limits, Seed};
use provisor::language::liquid::{FILTERS, Template};
use provisor::language::names::SourceNames;
use provisor::language::{Surroundings, Toolbox, ToolboxTexts};
use provisor::text::{Code, Diagnostic};
use provisor::value::{Arena, Layout, RecordReader, Value, to_json};
use serde_json::Value as Json;

use crate::support::root;

/// What became of a template.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// What it prints, and its value.
    Printed(String, Json),
    /// It does not compile: the first error.
    Refused(Diagnostic),
    /// It failed on the record.
    Failed(Code, String, Option<std::ops::Range<usize>>),
}

fn env() -> Env {
    let mut env = Env::new(parse_any("2026-01-01", None).unwrap(), Seed::from_number(7));
    env.given = vec![("user".into(), serde_json::json!({"name": "Ada"}))];
    env
}

/// Compiles a template with its snippets and runs it on a record.
pub(crate) fn outcome(template: &str, record: &Json, snippets: &BTreeMap<String, String>) -> Outcome {
    let (names, macros, mut layout) = (SourceNames::open(), BTreeMap::new(), Layout::default());
    let texts = ToolboxTexts { snippets: snippets.clone(), ..ToolboxTexts::default() };
    let (toolbox, _) = Toolbox::compile(texts, Limits::DEFAULT, &mut layout, &names);
    let surroundings = Surroundings { source: &names, macros: &macros, direct: true, value: None, toolbox: &toolbox };
    let (program, found) = Template::compile(template, &mut layout, &surroundings);
    for finding in &found {
        let span = finding.primary.span.range();
        assert!(template.get(span.clone()).is_some(), "{span:?} is no place in {template:?}");
    }
    let Some(program) = program else {
        return Outcome::Refused(found.into_iter().find(Diagnostic::is_error).expect("an error"));
    };
    let (arena, env, text) = (Arena::new(), env(), record.to_string());
    let slots = RecordReader::new().read(&layout, &text, &arena).expect("a record");
    let context = Context::new(&arena, &env, 0);
    let mut value = Value::Absent;
    let ran = program.render(slots, &context).map(str::to_owned);
    let ran = ran.and_then(|text| program.run(slots, &context, &mut value).map(|()| text));
    assert_eq!(program.trace(slots, &context).0.is_ok(), ran.is_ok(), "{template}");
    match ran {
        Ok(text) => Outcome::Printed(text, to_json(value)),
        Err(fault) => Outcome::Failed(fault.code, fault.to_string(), fault.span.map(provisor::text::Span::range)),
    }
}

fn printed(template: &str, record: &str) -> String {
    match outcome(template, &serde_json::from_str(record).unwrap(), &BTreeMap::new()) {
        Outcome::Printed(text, _) => text,
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn the_examples_of_the_table_are_true() {
    for filter in FILTERS {
        assert!(!filter.examples.is_empty(), "{} has no example", filter.name);
        for example in filter.examples {
            assert_eq!(printed(example.template, example.given), example.result, "{}", example.template);
        }
    }
}

#[test]
fn the_table_is_sorted_and_complete() {
    assert_eq!(FILTERS.len(), 61);
    assert!(FILTERS.windows(2).all(|pair| pair[0].name < pair[1].name));
    for filter in FILTERS {
        let optional = filter.params.iter().skip_while(|param| param.required);
        assert!(
            optional.clone().all(|param| !param.required),
            "{}: a required argument behind an optional one",
            filter.name
        );
        assert!(filter.params.len() <= 2 && filter.summary.ends_with('.'), "{}", filter.name);
    }
}

#[test]
fn cases() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("tests/cases/liquid")).unwrap() {
        let path = entry.unwrap().path();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let case: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let snippets = serde_json::from_value(case["snippets"].clone()).unwrap_or_default();
            let result = outcome(case["template"].as_str().unwrap(), &case["given"], &snippets);
            let right = match &result {
                Outcome::Printed(text, value) => {
                    case.get("result").is_none_or(|wanted| wanted == text.as_str())
                        && case.get("value").is_none_or(|wanted| wanted == value)
                        && case.get("error").is_none()
                }
                Outcome::Refused(Diagnostic { code, message, .. }) | Outcome::Failed(code, message, _) => {
                    let told = format!("{code}: {message}");
                    case["error"].as_str().is_some_and(|wanted| told.contains(wanted))
                }
            };
            assert!(right, "{line}\n{result:?}");
            count += 1;
        }
    }
    assert!(count > 60, "only {count} cases");
}

/// Where the first error of a template is.
fn place(template: &str) -> (String, String) {
    match outcome(template, &serde_json::json!({}), &BTreeMap::new()) {
        Outcome::Refused(finding) => (finding.code.to_string(), template[finding.primary.span.range()].to_owned()),
        Outcome::Failed(code, _, span) => (code.to_string(), template[span.unwrap()].to_owned()),
        Outcome::Printed(text, _) => panic!("{template} printed {text:?}"),
    }
}

#[test]
fn errors_point_at_their_place() {
    for (template, code, text) in [
        ("a {{ x | upcas }}", "E0301", "upcas"),
        ("{{ x | append }}", "E0303", "append"),
        ("{{ x | append: 'a', 'b' }}", "E0303", "append: 'a', 'b'"),
        ("{{ x | default: 'a', allow: true }}", "E0305", "allow: true"),
        ("{% fi x %}{% endif %}", "E0301", "{% fi x %}"),
        ("{% if x %}a", "E0201", "{% if x %}"),
        ("{% if x %}a{% endfor %}{% endif %}", "E0201", "{% endfor %}"),
        ("{{ 'a }}", "E0202", "'a"),
        ("{{ a b }}", "E0201", "b"),
        ("{{ }}", "E0201", "{{ }}"),
        ("a{{ b", "E0201", "{{ b"),
        ("{% render 'none' %}", "E0301", "'none'"),
        ("{% for a in b foo: 1 %}{% endfor %}", "E0305", "foo: 1"),
        ("x {{ 1 | divided_by: 0 }}", "E0707", "0"),
        ("{% if 'a' < 1 %}{% endif %}", "E0702", "'a' < 1"),
    ] {
        assert_eq!(place(template), (code.to_owned(), text.to_owned()), "{template}");
    }
}

#[test]
fn a_fault_in_a_snippet_names_its_line_and_points_at_the_tag() {
    let snippets = BTreeMap::from([("sum".to_owned(), "a\n{{ 1 | divided_by: 0 }}".to_owned())]);
    let template = "x {% render 'sum' %}";
    let Outcome::Failed(_, message, span) = outcome(template, &serde_json::json!({}), &snippets) else { panic!() };
    assert_eq!(message, "in the snippet `sum`, line 2: a number cannot be divided by 0");
    assert_eq!(&template[span.unwrap()], "{% render 'sum' %}");
}

/// The template ends in a fault of the budget, soon.
fn ends(template: &str, snippets: &BTreeMap<String, String>) {
    let begun = Instant::now();
    let long = Json::from("a ".repeat(100_000));
    let many: Json = (0..9_000).collect();
    let result = outcome(template, &serde_json::json!({"long": long, "many": many}), snippets);
    let shown: String = template.chars().take(80).collect();
    assert!(
        matches!(&result, Outcome::Failed(Code::Limit, ..))
            || matches!(&result, Outcome::Refused(found) if matches!(found.code, Code::TooLong | Code::TooDeep)),
        "{shown}: {:?}",
        format!("{result:?}").chars().take(200).collect::<String>()
    );
    // Without optimization, and beside other tests; a release build takes a tenth.
    assert!(begun.elapsed() < Duration::from_secs(3), "{shown} took {:?}", begun.elapsed());
}

#[test]
fn hostile_templates_end_in_a_limit() {
    let none = BTreeMap::new();
    ends("{{ (1..99999999999) | join }}", &none);
    ends("{{ (1..99999999999) | reverse }}", &none);
    ends("{% for i in (1..99999999999) %}{{ i }}{% endfor %}", &none);
    ends("{% for i in (1..9000) %}{% for j in (1..9000) %}{{ j }}{% endfor %}{% endfor %}", &none);
    ends("{% assign a = 'aaaaaaaaaa' %}{% for i in (1..50) %}{% assign a = a | append: a %}{% endfor %}", &none);
    ends("{% assign a = 'aa' %}{% for i in (1..50) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}", &none);
    ends("{% assign a = 10 %}{% for i in (1..50) %}{% assign a = a | times: a %}{% endfor %}", &none);
    ends("{% assign a = '10.5' %}{% for i in (1..50) %}{% assign a = a | times: a %}{% endfor %}", &none);
    ends("{{ long | split: '' }}", &none);
    ends("{{ long | replace: '', long }}", &none);
    ends("{% for i in many %}{{ many | sort | uniq | join: long | size }}{% endfor %}", &none);
    ends("{% for i in many %}{% if many == many %}{% endif %}{% endfor %}", &none);
    ends("{% for i in many %}{% cycle i: 1, 2 %}{% for j in many %}{% endfor %}{% endfor %}", &none);
    ends("{% for i in many %}{{ long | strip_html | escape | url_encode | size }}{% endfor %}", &none);
    ends("{% tablerow i in many cols: 1 %}{{ long }}{% endtablerow %}", &none);
    ends(&format!("{{{{ a{}{} }}}}", "[a".repeat(5_000), "]".repeat(5_000)), &none);
    ends(&"{% if a %}".repeat(5_000), &none);
    ends(&format!("{{% {} echo 'x' %}}", "liquid ".repeat(5_000)), &none);
    ends(&"x".repeat(70_000), &none);
    let recursive = |text: &str| BTreeMap::from([("me".to_owned(), text.to_owned())]);
    ends("{% include 'me' %}", &recursive("{% include 'me' %}"));
    ends("{% render 'me' %}", &recursive("{% render 'me' %}{% render 'me' %}"));
    ends("{% include 'me' %}", &recursive("{% for i in (1..9) %}{% if i %}{% include 'me' %}{% endif %}{% endfor %}"));
}

#[test]
fn reads_are_the_roots_and_those_of_snippets() {
    let (names, macros, mut layout) = (SourceNames::open(), BTreeMap::new(), Layout::default());
    let snippets = BTreeMap::from([("s".to_owned(), "{{ mail }}{{ value }}".to_owned())]);
    let texts = ToolboxTexts { snippets, ..ToolboxTexts::default() };
    let (toolbox, _) = Toolbox::compile(texts, Limits::DEFAULT, &mut layout, &names);
    let surroundings =
        Surroundings { source: &names, macros: &macros, direct: true, value: Some("city"), toolbox: &toolbox };
    let text = "{% assign x = name.givenName %}{{ x }}{{ ['urn:ietf:params:scim:schemas:core:2.0:User:title'] }}{{ value }}{% render 's' %}";
    let (program, found) = Template::compile(text, &mut layout, &surroundings);
    assert!(found.is_empty(), "{found:?}");
    let program = program.unwrap();
    let read: Vec<&str> = program.reads().iter().map(|slot| layout.name(*slot)).collect();
    assert_eq!(read, ["name", "urn:ietf:params:scim:schemas:core:2.0:User:title", "city", "mail", "value"]);
    let (arena, env) = (Arena::new(), env());
    let record = r#"{"name": {"givenName": "Ada"}, "urn:ietf:params:scim:schemas:core:2.0:User": {"title": "Dr"}, "city": "Rome", "mail": "m"}"#;
    let slots = RecordReader::new().read(&layout, record, &arena).unwrap();
    assert_eq!(program.render(slots, &Context::new(&arena, &env, 0)).unwrap(), "AdaDrRomemRome");
}

/// Compiles for what threads may share.
fn shared<T: Send + Sync>(_: &T) {}

#[test]
fn a_trace_shows_outputs_filters_and_conditions() {
    let (names, macros, mut layout) = (SourceNames::open(), BTreeMap::new(), Layout::default());
    let toolbox = Toolbox::default();
    let surroundings = Surroundings { source: &names, macros: &macros, direct: true, value: None, toolbox: &toolbox };
    let text = "{% if a == 'x y' %}{{ a | split: ' ' | first | upcase }}{% endif %}";
    let program = Template::compile(text, &mut layout, &surroundings).0.unwrap();
    let (arena, env) = (Arena::new(), env());
    let slots = RecordReader::new().read(&layout, r#"{"a": "x y"}"#, &arena).unwrap();
    let (result, steps) = program.trace(slots, &Context::new(&arena, &env, 0));
    assert_eq!(to_json(result.unwrap()), Json::from("X"));
    let shown: Vec<(&str, Json)> =
        steps.iter().map(|step| (&text[step.span.range()], to_json(step.value.unwrap()))).collect();
    assert_eq!(
        shown,
        [
            ("a == 'x y'", Json::from(true)),
            ("a", Json::from("x y")),
            ("split: ' '", serde_json::json!(["x", "y"])),
            ("first", Json::from("x")),
            ("upcase", Json::from("X")),
        ]
    );
    shared(&program);
}

/// Any text is compiled or refused, and what compiles ends: pieces of templates in any order.
#[test]
fn no_text_breaks_it() {
    use proptest::prelude::*;
    let pieces = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{{-",
        "-%}",
        " a ",
        "'x'",
        "\"",
        "'",
        "|",
        ":",
        ",",
        ".",
        "[",
        "]",
        "(",
        ")",
        "..",
        "1",
        "-2.5",
        "99999999999999999999",
        "é",
        "if ",
        "endif",
        "for x in ",
        "endfor",
        "else",
        "case ",
        "when ",
        "assign a = ",
        "capture ",
        "comment",
        "endcomment",
        "raw",
        "endraw",
        "liquid",
        "\n",
        "#",
        "== ",
        "contains ",
        "and ",
        "nil",
        "blank",
        "(1..3)",
        "{% if a %}",
        "{% endif %}",
        "{% for i in (1..3) %}",
        "{% endfor %}",
        "{{ a }}",
        "include 'x'",
        "tablerow i in a cols:2",
    ];
    let filters: Vec<String> = FILTERS.iter().map(|filter| format!("| {} ", filter.name)).collect();
    let piece = prop_oneof![
        4 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => proptest::sample::select(filters),
        1 => proptest::sample::select(FILTERS).prop_map(|filter| format!("{{{{ a | {}: 'x', 2 }}}}{{{{ b | {}: -3 }}}}", filter.name, filter.name)),
        1 => proptest::sample::select(FILTERS).prop_map(|filter| format!("{{{{ c | {} }}}}", filter.name)),
    ];
    let record = serde_json::json!({"a": ["é x", 2, null, {"x": [1.5]}], "b": "Straße 1", "c": -12.75});
    proptest!(ProptestConfig::with_cases(400), |(pieces in proptest::collection::vec(piece, 0..24))| {
        outcome(&pieces.concat(), &record, &BTreeMap::new());
    });
}
