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

/// Prints how long a script takes against Rhai alone, where the caller puts the record's attributes into a map.
#[test]
fn a_run_costs_little_more_than_rhai_alone() {
    use provisor::value::Value;
    use rhai::packages::{Package, StandardPackage};

    let record = json!({
        "userPrincipalName": "ada@contoso.com", "displayName": "Ada Lovelace", "givenName": "Ada", "surname": "Lovelace",
        "department": "Sales", "country": "CH", "employeeId": "4711", "mail": "ada@contoso.com", "jobTitle": "Engineer",
        "city": "Bern", "mobile": "+41 79 000 00 00", "accountEnabled": true,
    });
    let programs = [
        "if source.country == \"CH\" { \"CH-\" + source.employeeId } else { \"none\" }",
        "source.displayName",
        "let n = source.givenName + \".\" + source.surname; n.to_lower() + \"@contoso.com\"",
        "let s = 0; for i in 0..100 { s += i; } source.city + s",
    ];
    let rounds = if cfg!(debug_assertions) { 200 } else { 20_000 };
    let mut engine = rhai::Engine::new_raw();
    StandardPackage::new().register_into_engine(&mut engine);
    for program in programs {
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
        let (script, _) = provisor::language::script::Script::compile(program, &mut layout, &surroundings);
        let script = script.unwrap();
        let text = record.to_string();
        let mut arena = provisor::value::Arena::new();
        let best = |run: &mut dyn FnMut()| {
            (0..5)
                .map(|_| {
                    let begun = std::time::Instant::now();
                    (0..rounds).for_each(|_| run());
                    begun.elapsed().as_nanos() / rounds
                })
                .min()
                .unwrap()
        };
        let ours = best(&mut || {
            {
                let slots = provisor::value::RecordReader::new().read(&layout, &text, &arena).unwrap();
                let context = provisor::function::Context::new(&arena, &setting.env, 0);
                let mut out = Value::Absent;
                script.run(slots, &context, &mut out).unwrap();
            }
            arena.reset();
        });
        let reading = best(&mut || {
            provisor::value::RecordReader::new().read(&layout, &text, &arena).unwrap();
            arena.reset();
        });
        let ast = engine.compile(program).unwrap();
        let parsed: serde_json::Map<String, Json> = serde_json::from_str(&text).unwrap();
        let alone = best(&mut || {
            let mut map = rhai::Map::new();
            for (key, value) in &parsed {
                let value = match value {
                    Json::String(text) => rhai::Dynamic::from(text.clone()),
                    Json::Bool(flag) => rhai::Dynamic::from(*flag),
                    _ => rhai::Dynamic::UNIT,
                };
                map.insert(key.as_str().into(), value);
            }
            let mut scope = rhai::Scope::new();
            scope.push_constant("source", map);
            let _ = engine.eval_ast_with_scope::<rhai::Dynamic>(&mut scope, &ast).unwrap();
        });
        println!("{ours:>6} ns, of them {reading} ns reading; Rhai alone {alone:>6} ns: {program}");
        if !cfg!(debug_assertions) {
            assert!((ours - reading) * 10 < alone * 20, "{program}: {ours} ns against {alone} ns");
        }
    }
}
