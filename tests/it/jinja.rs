//! Jinja templates: `tests/cases/jinja/*.jsonl` through the library, what a template may use, and what hostile ones cost.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use provisor::function::{Context, Env, Limits, Seed};
use provisor::language::names::SourceNames;
use provisor::language::{Language, Program, Surroundings, Toolbox, ToolboxTexts, Undefined, template};
use provisor::text::Diagnostic;
use provisor::value::{Arena, Ignore, Layout, RecordReader, Value, to_json};
use serde_json::{Value as Json, json};

use crate::support::root;

/// What became of a program: a value, or a code with its message and what stands at the place.
struct Outcome {
    value: Result<Json, String>,
    at: String,
    macros: Vec<Diagnostic>,
}

fn env() -> Env {
    Env::new(provisor::dotnet::date::Moment::MIN, Seed::from_number(7))
}

fn run(case: &Json) -> Outcome {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let undefined = if text("undefined") == "strict" { Undefined::Strict } else { Undefined::Lenient };
    let source = match case["attributes"].as_array() {
        Some(names) => SourceNames::only(names.iter().map(|name| name.as_str().unwrap().to_owned())),
        None => SourceNames::open(),
    };
    let mut layout = Layout::default();
    let texts = ToolboxTexts { macros: text("macros"), undefined, ..ToolboxTexts::default() };
    let (toolbox, found) = Toolbox::compile(texts, Limits::DEFAULT, &mut layout, &source);
    let macros = BTreeMap::new();
    let value = case["value"].as_str();
    let surroundings = Surroundings { source: &source, macros: &macros, direct: false, value, toolbox: &toolbox };
    let program_text = text("program");
    let (program, findings) = Program::compile(Language::Jinja, &program_text, &mut layout, &surroundings);
    let Some(program) = program else {
        let first = findings.iter().find(|finding| finding.is_error()).unwrap();
        let at = program_text[first.primary.span.range()].to_owned();
        return Outcome { value: Err(format!("{} {}", first.code, first.message)), at, macros: found.macros };
    };
    let mut env = env();
    for (name, given) in case["env"].as_object().into_iter().flatten() {
        env.given.push((name.clone(), given.clone()));
    }
    let arena = Arena::new();
    let record = case["given"].to_string();
    let slots = RecordReader::new().read(&layout, &record, &arena).unwrap();
    let context = Context::new(&arena, &env, 0);
    let mut out = Value::Absent;
    let (value, at) = match program.run(slots, &context, &mut out) {
        Ok(()) => match out {
            Value::Ignored(Ignore::Attribute) => (Ok(json!({"ignore": "attribute"})), String::new()),
            Value::Ignored(Ignore::Object) => (Ok(json!({"ignore": "object"})), String::new()),
            out => (Ok(to_json(out)), String::new()),
        },
        Err(fault) => {
            let span = fault.span.expect("a fault has a place");
            (Err(format!("{} {fault}", fault.code)), program_text[span.range()].to_owned())
        }
    };
    assert!(arena.size() < 8 << 20, "{case}");
    Outcome { value, at, macros: found.macros }
}

/// The most memory that the process ever had, in KiB; 0 where nothing says.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn every_case_gives_what_it_says() {
    let mut failures = Vec::new();
    let mut count = 0;
    let before = most_memory();
    for file in ["values", "findings", "hostile"] {
        let text = fs::read_to_string(root().join(format!("tests/cases/jinja/{file}.jsonl"))).unwrap();
        for line in text.lines() {
            let case: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            count += 1;
            let begun = Instant::now();
            let outcome = run(&case);
            let took = begun.elapsed();
            let name = &case["name"];
            let most = Duration::from_millis(if cfg!(debug_assertions) { 3_000 } else { 100 });
            if took > most {
                failures.push(format!("{name}: took {took:?}"));
            }
            if let Some(error) = case["macro_error"].as_str() {
                let all: String =
                    outcome.macros.iter().map(|found| format!("{} {}\n", found.code, found.message)).collect();
                if !all.contains(error) {
                    failures.push(format!("{name}: the macros give {all:?}"));
                }
            } else if let Some(found) = outcome.macros.first() {
                failures.push(format!("{name}: the macros give {found:?}"));
            }
            match (&outcome.value, case["error"].as_str()) {
                (Err(message), Some(error)) if message.contains(error) => {}
                (_, None) if case.get("result").is_none() => {}
                (Ok(value), None) if case.get("result").is_none_or(|result| result == value) => {}
                (value, _) => failures.push(format!("{name}: {value:?}")),
            }
            if let Some(at) = case["at"].as_str()
                && at != outcome.at
            {
                failures.push(format!("{name}: points at {:?}", outcome.at));
            }
        }
    }
    let grown = most_memory() - before;
    assert!(grown < 128 << 10, "the cases take {grown} KiB");
    assert!(count > 90, "only {count} cases");
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_template_may_use_what_the_list_says_and_nothing_else() {
    let path = root().join("tests/cases/jinja/symbols.txt");
    let symbols: String = template::Host::symbols().into_iter().map(|symbol| symbol + "\n").collect();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &symbols).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), symbols, "INSTA_UPDATE=always writes the list");
}

#[test]
fn randomness_goes_on_and_repeats() {
    let case = json!({"program": "{{ Guid() }} {{ Guid() }}", "given": {}});
    let first = run(&case).value.unwrap();
    assert_eq!(first, run(&case).value.unwrap());
    let text = first.as_str().unwrap();
    let (one, other) = text.split_once(' ').unwrap();
    assert_ne!(one, other);
}

#[test]
fn long_chains_and_deep_nesting_are_refused_or_run() {
    let chains = [
        format!("{{{{ {}1 }}}}", "1 + ".repeat(2_000)),
        format!("{{{{ {}1 }}}}", "1 + ".repeat(250)),
        format!("{{{{ {}1{} }}}}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(39), ")".repeat(39)),
        format!("{{{{ {}1{} }}}}", "[".repeat(39), "]".repeat(39)),
        format!("{{{{ {}1 }}}}", "not ".repeat(2_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(255)),
        format!("{{{{ 1{} }}}}", " if 1 else 2".repeat(120)),
        format!("{{{{ x{} }}}}", "|upper".repeat(1_000)),
        format!("{{{{ x{} }}}}", "[0:]".repeat(250)),
        format!("{{{{ x{} }}}}", ".a".repeat(1_000)),
        format!("{}{}", "{% if 1 %}".repeat(450), "{% endif %}".repeat(450)),
        format!("{}{}", "{% if 1 %}".repeat(38), "{% endif %}".repeat(38)),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(700)),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(99)),
        format!("{{{{ [{}] }}}}", "x,".repeat(2_000)),
        "{{ x }}".repeat(1_000),
        "{".repeat(9_000),
        "{{".repeat(4_000),
        "{%".repeat(4_000),
        "}}".repeat(4_000),
        "{{ é }}".into(),
        "{{ 'é' ~ \"\\u00e9\" }}é{# é".into(),
        "{{ x.0 }}{{ 1.e }}{{ 1e999 }}{{ 0x }}".into(),
        "\u{0}{{ \u{0} }}".into(),
    ];
    for program in chains {
        let short: String = program.chars().take(60).collect();
        let begun = Instant::now();
        let outcome = run(&json!({"program": program, "given": {"x": "abc"}}));
        assert!(begun.elapsed() < Duration::from_secs(2), "{short}: {:?}", begun.elapsed());
        if let Err(message) = outcome.value {
            assert!(message.starts_with('E'), "{short}: {message}");
        }
    }
}
