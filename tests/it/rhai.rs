//! Rhai scripts: the cases in `tests/cases/rhai`, the list of what a script can call, and what traces and faults tell.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use provisor::function::Limits;
use provisor::language::Language;
use provisor::language::script::Host;
use serde_json::{Value as Json, json};

use crate::programs::{Setting, ran};
use crate::support::root;

fn answer(program: &str, given: &Json) -> Json {
    ran(Language::Rhai, program, given, &Setting::new()).answer
}

/// Why an answer is not the one that a case tells; `None` when it is.
fn complaint(case: &Json, answer: &Json) -> Option<String> {
    let fits = match (case.get("error"), case.get("ignore")) {
        (Some(error), _) => {
            let wanted: Vec<&str> = error.as_str().map_or_else(
                || error.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect(),
                |part| vec![part],
            );
            let got = answer.get("error").map(|error| {
                ["code", "message", "at", "help"].map(|key| error[key].as_str().unwrap().to_owned()).join("\n")
            });
            got.is_some_and(|got| wanted.iter().all(|part| got.contains(part)))
        }
        (None, Some(ignore)) => answer.get("ignore") == Some(ignore) && answer.get("reason") == case.get("reason"),
        (None, None) => answer.get("value") == Some(&case["result"]),
    };
    (!fits).then(|| format!("{}: {}\n  gives {answer}", case["name"], case["program"]))
}

#[test]
fn every_case_gives_what_it_says() {
    let mut complaints = Vec::new();
    let mut names = BTreeSet::new();
    for file in fs::read_dir(root().join("tests/cases/rhai")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines().filter(|line| !line.trim().is_empty()) {
            let case: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{path:?}: {error}: {line}"));
            assert!(names.insert(case["name"].to_string()), "two cases are called {}", case["name"]);
            let setting = Setting::of(case.get("env").unwrap_or(&Json::Null));
            let none = json!({});
            let given = case.get("given").unwrap_or(&none);
            let ran = ran(Language::Rhai, case["program"].as_str().unwrap(), given, &setting);
            complaints.extend(complaint(&case, &ran.answer));
        }
    }
    assert!(names.len() > 60, "only {} cases found", names.len());
    assert!(complaints.is_empty(), "{} of {} cases fail:\n{}", complaints.len(), names.len(), complaints.join("\n"));
}

/// What a script must never be able to call, in whatever way a later Rhai spells it.
const HARMFUL: &[&str] = &[
    "eval",
    "import",
    "export",
    "sleep",
    "timestamp",
    "elapsed",
    "open",
    "read",
    "write",
    "exec",
    "spawn",
    "system",
    "env",
    "getenv",
    "file",
    "path",
    "http",
    "fetch",
    "connect",
    "thread",
    "rand",
    "random",
    "exit",
    "call",
    "curry",
    "Fn",
    "parse_json",
    "get_fn_metadata_list",
    "load",
    "require",
    "include",
    "remove_file",
    "now_utc",
    "clock",
];

#[test]
fn a_script_can_call_what_the_list_says_and_nothing_else() {
    let symbols = Host::new(Limits::DEFAULT).symbols();
    let path = root().join("tests/cases/rhai/symbols.txt");
    let now: String = symbols.iter().map(|symbol| format!("{symbol}\n")).collect();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &now).unwrap();
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let (listed, now): (BTreeSet<&str>, BTreeSet<&str>) = (listed.lines().collect(), now.lines().collect());
    let new: Vec<_> = now.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&now).collect();
    assert!(new.is_empty() && gone.is_empty(), "look at each before you list it; new: {new:?}, gone: {gone:?}");
}

#[test]
fn nothing_that_a_script_can_call_is_harmful() {
    let symbols = Host::new(Limits::DEFAULT).symbols();
    for symbol in &symbols {
        let name = symbol.rsplit_once('/').unwrap().0;
        let name = name.trim_start_matches("get$").trim_start_matches("set$");
        assert!(!HARMFUL.contains(&name), "{symbol}");
        assert!(!name.contains("file") && !name.contains("sleep") && !name.contains("time"), "{symbol}");
    }
}

#[test]
fn every_harmful_name_is_refused_before_a_script_runs() {
    for name in HARMFUL {
        for program in [format!("{name}(\"1\")"), format!("\"1\".{name}()"), format!("{name}()")] {
            let answer = answer(&program, &json!({}));
            let code = answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{program} runs: {answer}"));
            assert!(code.starts_with("E02") || code.starts_with("E03"), "{program}: {answer}");
        }
    }
}

#[test]
fn a_record_gives_what_a_script_names_and_no_more() {
    let read = |program: &str| {
        let (mut layout, setting) = (provisor::value::Layout::default(), Setting::new());
        let (toolbox, _) = provisor::language::Toolbox::compile(
            provisor::language::ToolboxTexts::default(),
            setting.limits,
            &mut layout,
            &setting.source,
        );
        let surroundings = provisor::language::Surroundings {
            source: &setting.source,
            macros: &std::collections::BTreeMap::new(),
            direct: false,
            value: None,
            toolbox: &toolbox,
        };
        let (script, found) = provisor::language::script::Script::compile(program, &mut layout, &surroundings);
        let script = script.unwrap_or_else(|| panic!("{found:?}"));
        let names: Vec<String> = script.reads().iter().map(|slot| layout.name(*slot).to_owned()).collect();
        names.join(", ")
    };
    assert_eq!(read("source.mail + source[\"urn:x\"] + source.mail"), "mail, urn:x");
    assert_eq!(read("source.name.givenName + source[\"name\"].familyName"), "name");
    assert_eq!(read("[1].map(|x| source.mail + x)"), "mail");
    assert_eq!(read("let k = \"mail\"; source[k]"), "the record");
    assert_eq!(read("source[source.key]"), "key, the record");
    assert_eq!(read("source.keys()"), "the record");
    assert_eq!(read("1 + 1"), "");
}

#[test]
fn a_trace_shows_attributes_prints_and_the_whole() {
    let program = "print(`is ${source.a}`);\ndebug(source.b);\nsource.a + 1";
    let ran = ran(Language::Rhai, program, &json!({"a": 1}), &Setting::new());
    let expected = [
        "a = 1".to_owned(),
        "b = absent".to_owned(),
        "a = 1".to_owned(),
        "print(`is ${source.a}`) = \"is 1\"".to_owned(),
        "debug(source.b) = \"()\"".to_owned(),
        format!("{program} = 2"),
    ];
    assert_eq!(ran.trace, expected);
    assert!(ran.warnings.is_empty());
}

#[test]
fn randomness_goes_on_within_a_record_and_repeats_with_the_seed() {
    let program = "[Guid(), Guid()]";
    let first = answer(program, &json!({}));
    assert_ne!(first["value"][0], first["value"][1]);
    assert_eq!(first, answer(program, &json!({})));
    let other = Setting::of(&json!({"seed": 2}));
    assert_ne!(first, ran(Language::Rhai, program, &json!({}), &other).answer);
}

#[test]
fn a_script_runs_on_many_threads_at_once() {
    let host = Arc::new(Host::new(Limits::DEFAULT));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let host = Arc::clone(&host);
            std::thread::spawn(move || {
                assert!(!host.symbols().is_empty());
                for count in 0..50 {
                    let got = answer("ToUpper(source.a) + source.b", &json!({"a": "x", "b": number * 100 + count}));
                    assert_eq!(got["value"], format!("X{}", number * 100 + count));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
