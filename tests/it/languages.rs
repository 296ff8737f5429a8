//! The four languages from an admin's end: the binary alone, in every command that takes programs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Scratch, code, json_lines, provisor, root, run, stderr, stdout};

const FOUR: &str = "mappings/four-languages.toml";
const USERS: &str = "examples/users.jsonl";

/// Asks `eval --jsonl` and gives its answers.
fn ask(arguments: &[&str], questions: &[Value]) -> Vec<Value> {
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let output = run(&[&["eval", "--jsonl"], arguments].concat(), lines.as_bytes());
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    json_lines(stdout(&output))
}

/// Asks one program of a language and gives the answer without its id.
fn ask_one(lang: &str, program: &str, input: &Value, env: &Value) -> Value {
    let question = json!({"id": 1, "lang": lang, "program": program, "input": input, "env": env});
    let mut answer = ask(&[], &[question]).remove(0);
    assert_eq!(answer.as_object_mut().unwrap().remove("id"), Some(json!(1)));
    answer
}

// --- eval

#[test]
fn eval_takes_a_program_of_each_language_over_a_record() {
    let scratch = Scratch::new("languages-eval");
    let record = scratch.write("person.json", r#"{"displayName": "Zoë Łęcki", "tags": ["a", "b"], "on": true}"#);
    let cases = [
        ("liquid", "{{ displayName | split: ' ' | first | upcase }}", "\"ZOË\"\n"),
        ("liquid", "{{ tags }}", "[\"a\",\"b\"]\n"),
        ("liquid", "{{ tags }}!", "\"ab!\"\n"),
        ("liquid", "{{ on }}", "true\n"),
        ("liquid", "{{ nothing }}", "null\n"),
        ("rhai", "source.displayName.len()", "9\n"),
        ("rhai", "#{ tags: source.tags, on: !source.on }", "{\"on\":false,\"tags\":[\"a\",\"b\"]}\n"),
        ("rhai", "ToUpper(source.displayName)", "\"ZOË ŁĘCKI\"\n"),
        ("rhai", "source.nothing", "null\n"),
        ("jinja", "{{ displayName | ToUpper }}", "\"ZOË ŁĘCKI\"\n"),
        ("jinja", "{{ tags }}", "[\"a\",\"b\"]\n"),
        ("jinja", "{{ on }}", "true\n"),
        ("jinja", "is {{ on }}", "\"is True\"\n"),
        ("jinja", "{{ nothing }}", "null\n"),
    ];
    for (lang, program, expected) in cases {
        let output = run(&["eval", "--lang", lang, program, "--input", &record], b"");
        assert_eq!((code(&output), stdout(&output)), (0, expected), "{lang}: {program}: {}", stderr(&output));
    }
    let piped = run(&["eval", "--lang", "liquid", "{{ a }}", "--input", "-"], br#"{"a": 1}"#);
    assert_eq!(stdout(&piped), "1\n");
}

#[test]
fn eval_traces_each_language() {
    let record = br#"{"displayName": "Zo Le", "a": 2}"#;
    let cases = [
        (
            "liquid",
            "{{ displayName | downcase | size }}",
            "displayName  =>  \"Zo Le\"\ndowncase  =>  \"zo le\"\nsize  =>  5\n= 5\n",
        ),
        (
            "rhai",
            "print(`a is ${source.a}`); source.a + 1",
            "print(`a is ${source.a}`); source.a + 1  =>  3\n  print(`a is ${source.a}`)  =>  \"a is 2\"\n  a  =>  2\n  a  =>  2\n= 3\n",
        ),
        ("jinja", "{{ a + 1 }}", "{{ a + 1 }}  =>  3\n  a  =>  2\n= 3\n"),
    ];
    for (lang, program, expected) in cases {
        let output = run(&["eval", "--lang", lang, program, "--input", "-", "--trace"], record);
        assert_eq!((code(&output), stdout(&output)), (0, expected), "{lang}");
    }
}

#[test]
fn eval_traces_in_json_with_spans_of_the_program() {
    for (lang, program) in [
        ("liquid", "{{ a | plus: 1 }}"),
        ("rhai", "debug(source.a); source.a + 1"),
        ("jinja", "{{ a + 1 }}"),
        ("entra", "Coalesce([a], 1)"),
    ] {
        let output =
            run(&["eval", "--lang", lang, program, "--input", "-", "--trace", "--format", "json"], br#"{"a": 2}"#);
        let told = json_lines(stdout(&output)).remove(0);
        assert_eq!(told["value"], if lang == "entra" { json!(2) } else { json!(3) }, "{lang}: {told}");
        for step in told["trace"].as_array().unwrap() {
            let at = |index: usize| usize::try_from(step["span"][index].as_u64().unwrap()).unwrap();
            assert_eq!(&program[at(0)..at(1)], step["text"].as_str().unwrap(), "{lang}");
            assert_eq!(step["failed"], false);
        }
    }
}

#[test]
fn eval_points_at_what_is_wrong_in_each_language() {
    let cases = [
        ("liquid", "{{ a | upcas }}", "E0301", "upcas"),
        ("liquid", "{{ a | divided_by: 0 }}", "E0707", "0"),
        ("liquid", "{% if a %}", "E0201", "{% if a %}"),
        ("rhai", "ToUper(source.a)", "E0301", "ToUper"),
        ("rhai", "fail(\"no\")", "E0704", "fail(\"no\")"),
        ("rhai", "let a = [1]; a[7]", "E0703", "7"),
        ("jinja", "{{ a | uper }}", "E0301", "uper"),
        ("jinja", "{{ fail('no') }}", "E0704", "fail('no')"),
        ("jinja", "{% if a %}", "E0201", "{% if a %}"),
    ];
    for (lang, program, wanted, at) in cases {
        let arguments = ["eval", "--lang", lang, program, "--input", "-", "--format"];
        let output = run(&[&arguments[..], &["json"]].concat(), br#"{"a": 2}"#);
        assert_eq!((code(&output), stdout(&output)), (1, ""), "{lang}: {program}");
        let finding = json_lines(stderr(&output)).remove(0);
        assert_eq!(finding["code"], wanted, "{program}: {finding}");
        let (start, end) = (finding["span"][0].as_u64().unwrap(), finding["span"][1].as_u64().unwrap());
        let shown = &program[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        assert!(shown.starts_with(at) || at.starts_with(shown), "{lang}: {program}: {shown}");

        let human = run(&[&arguments[..], &["human"]].concat(), br#"{"a": 2}"#);
        assert!(stderr(&human).starts_with(&format!("error[{wanted}]: ")), "{}", stderr(&human));
        assert!(stderr(&human).contains('^'), "{}", stderr(&human));
        let concise = run(&[&arguments[..], &["concise"]].concat(), br#"{"a": 2}"#);
        assert_eq!(stderr(&concise).lines().count(), 1);
        assert!(stderr(&concise).starts_with("<expression>:1:"), "{}", stderr(&concise));
    }
    let unknown = run(&["eval", "--lang", "ruby", "1"], b"");
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("entra, liquid, rhai and jinja"), "{}", stderr(&unknown));
}

// --- eval --jsonl

#[test]
fn lines_of_all_languages_are_answered_in_order_and_a_bad_one_costs_only_itself() {
    let lines = [
        r#"{"id": 1, "program": "ToUpper([a])", "input": {"a": "x"}}"#,
        r#"{"id": 2, "lang": "liquid", "program": "{{ a | upcase }}", "input": {"a": "x"}}"#,
        r#"{"id": 3, "lang": "rhai", "program": "ToUpper(source.a)", "input": {"a": "x"}}"#,
        r#"{"id": 4, "lang": "jinja", "program": "{{ a | upper }}", "input": {"a": "x"}}"#,
        "nonsense",
        r#"{"id": 5, "lang": "perl", "program": "1"}"#,
        r#"{"id": 6, "lang": "rhai", "program": "loop {}"}"#,
        r#"{"id": 7, "template": "{{ a | upcase }}!", "data": {"a": "x"}}"#,
        r#"{"id": 8, "template": "a", "program": "b"}"#,
        r#"{"id": 9, "lang": "jinja", "template": "a"}"#,
        r#"{"id": 10, "lang": "jinja", "program": "{{ skip_attribute() }}"}"#,
        r#"{"id": 11, "lang": "rhai", "program": "skip(\"why\")"}"#,
        r#"{"id": 12, "lang": "jinja", "program": "{{ a.b }}", "input": {"a": null}}"#,
    ];
    let output = run(&["eval", "--jsonl"], lines.join("\n").as_bytes());
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    let answers = json_lines(stdout(&output));
    assert_eq!(answers.len(), lines.len());
    for (index, answer) in answers.iter().enumerate().take(4) {
        assert_eq!(*answer, json!({"id": index + 1, "value": "X"}));
    }
    assert_eq!(answers[4]["error"]["code"], "E0701");
    assert_eq!(answers[5]["error"]["code"], "E0504");
    assert_eq!(answers[6]["error"]["code"], "E0706");
    assert_eq!(answers[7], json!({"id": 7, "output": "X!"}));
    assert!(answers[8]["error"].as_str().unwrap().contains("keep one"));
    assert!(answers[9]["error"].as_str().unwrap().contains("Liquid's"));
    assert_eq!(answers[10], json!({"id": 10, "ignore": "attribute"}));
    assert_eq!(answers[11], json!({"id": 11, "ignore": "object"}));
    assert_eq!(answers[12]["id"], 12);
}

#[test]
fn the_language_of_lines_is_the_option_s_unless_they_say_otherwise() {
    let questions = [
        json!({"id": 1, "program": "{{ 1 | plus: 1 }}"}),
        json!({"id": 2, "lang": "entra", "program": "Len(\"abc\")"}),
    ];
    assert_eq!(ask(&["--lang", "liquid"], &questions), [json!({"id": 1, "value": 2}), json!({"id": 2, "value": 3})]);
    assert_eq!(ask(&["--lang", "jinja"], &[json!({"id": 1, "program": "{{ 1 + 1 }}"})])[0]["value"], 2);
    assert_eq!(ask(&["--lang", "rhai"], &[json!({"id": 1, "program": "1 + 1"})])[0]["value"], 2);
}

#[test]
fn liquid_questions_are_answered_with_text() {
    let questions = [
        json!({"id": "a", "template": "{{ a }}-{% render 's' %}", "data": {"a": [1, 2]}, "templates": {"s": "{{ a | join: '+' }}"}, "mode": "strict"}),
        json!({"id": "b", "template": "{{ on }}", "data": {"on": true}}),
        json!({"id": "c", "template": "{{ nothing }}", "data": {}, "mode": "lax"}),
        json!({"id": "d", "template": "x"}),
    ];
    let expected = [
        json!({"id": "a", "output": "12-1+2"}),
        json!({"id": "b", "output": "true"}),
        json!({"id": "c", "output": ""}),
        json!({"id": "d", "output": "x"}),
    ];
    assert_eq!(ask(&["--lang", "liquid"], &questions), expected);
    assert_eq!(ask(&[], &questions), expected);
    let wrong = [
        (json!({"template": "a\n{{ b | nope }}"}), "line 2, column 8: E0301: there is no filter `nope`"),
        (json!({"template": "{% render 's' %}", "templates": {"s": "{{ a | nope }}"}}), "in the template \"s\""),
        (json!({"template": "{% render 't' %}", "templates": {"s": "x"}}), "no snippet `t`"),
        (json!({"template": "{{ 1 | divided_by: 0 }}"}), "E0707"),
        (json!({"template": "{{ a"}), "not closed"),
        (json!({"template": "x", "templates": {"a": 1}}), "not an object of texts"),
        (json!({"template": "x", "data": [1]}), "an array"),
        (json!({"template": "x", "date": {}}), "did you mean `data`?"),
    ];
    for (question, part) in wrong {
        let answer = ask(&[], std::slice::from_ref(&question)).remove(0);
        let told = answer["error"].as_str().unwrap_or_else(|| panic!("{question}: {answer}"));
        assert!(told.contains(part), "{question}: {told}");
    }
}

#[test]
fn every_language_takes_clock_guid_taken_values_and_records_beside_from_env() {
    let env = json!({
        "now": "2026-05-01T12:00:00Z", "guid": "g-1", "taken": ["Ada"], "defaultDomain": "contoso.example",
        "user": {"name": "u"}, "group": {"name": "g"}
    });
    let cases = [
        ("entra", "FormatDateTime(Now(), , \"M/d/yyyy h:mm:ss tt\", \"yyyy-MM-dd\")", "2026-05-01"),
        ("liquid", "{{ 'now' | date: '%F' }}", "2026-05-01"),
        ("rhai", "format_date(now(), \"yyyy-MM-dd\")", "2026-05-01"),
        ("jinja", "{{ Now() | FormatDateTime(none, 'M/d/yyyy h:mm:ss tt', 'yyyy-MM-dd') }}", "2026-05-01"),
        ("entra", "Guid()", "g-1"),
        ("rhai", "Guid()", "g-1"),
        ("jinja", "{{ Guid() }}", "g-1"),
        ("entra", "SelectUniqueValue(\"ada\", \"ada2\")", "ada2"),
        ("rhai", "SelectUniqueValue(\"ada\", \"ada2\")", "ada2"),
        ("jinja", "{{ SelectUniqueValue('ada', 'ada2') }}", "ada2"),
        ("entra", "DefaultDomain()", "contoso.example"),
        ("rhai", "DefaultDomain()", "contoso.example"),
        ("jinja", "{{ DefaultDomain() }}", "contoso.example"),
        ("liquid", "{{ user.name }}{{ group.name }}", "ug"),
        ("rhai", "user.name + group.name", "ug"),
        ("jinja", "{{ user.name }}{{ group.name }}", "ug"),
    ];
    for (lang, program, expected) in cases {
        assert_eq!(ask_one(lang, program, &json!({}), &env), json!({"value": expected}), "{lang}: {program}");
    }
    // The record's own attribute comes first.
    for (lang, program) in [("liquid", "{{ user }}"), ("jinja", "{{ user }}")] {
        assert_eq!(ask_one(lang, program, &json!({"user": "mine"}), &env), json!({"value": "mine"}), "{lang}");
    }
}

#[test]
fn randomness_repeats_with_the_seed_in_every_language() {
    for (lang, program) in [("entra", "Guid()"), ("rhai", "Guid()"), ("jinja", "{{ Guid() }}")] {
        let of = |seed: u64| ask_one(lang, program, &json!({}), &json!({"seed": seed}));
        assert_eq!(of(7), of(7), "{lang}");
        assert_ne!(of(7), of(8), "{lang}");
        assert_ne!(
            ask_one(lang, program, &json!({}), &json!({})),
            ask_one(lang, program, &json!({}), &json!({})),
            "{lang}"
        );
    }
}

#[test]
fn print_and_debug_of_a_script_reach_no_output() {
    let questions = [
        json!({"id": 1, "lang": "rhai", "program": "print(\"LEAK\"); debug(\"LEAK\"); 1"}),
        json!({"id": 2, "lang": "rhai", "program": "print(\"LEAK\"); skip(); 1"}),
    ];
    assert_eq!(ask(&[], &questions), [json!({"id": 1, "value": 1}), json!({"id": 2, "ignore": "object"})]);
    let once = run(&["eval", "--lang", "rhai", "print(\"LEAK\"); 1"], b"");
    assert_eq!((stdout(&once), stderr(&once)), ("1\n", ""));
    let scratch = Scratch::new("languages-print");
    let mapping = scratch.write(
        "print.toml",
        "name = \"p\"\nresource = \"x\"\n[target]\nkind = \"json\"\n[script]\nrhai = 'print(\"LEAK\"); debug(\"LEAK\"); #{ a: 1 }'\n",
    );
    let mapped = run(&["map", &mapping], b"{}\n");
    assert_eq!(stdout(&mapped), "{\"a\":1}\n");
    assert!(!stderr(&mapped).contains("LEAK"));
    let traced = run(&["map", &mapping, "--trace"], b"{}\n");
    assert!(stdout(&traced).contains("\"value\":\"LEAK\""), "{}", stdout(&traced));
}

// --- hostile programs

/// A process that answers questions, one after another.
struct Talk {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<String>,
}

impl Talk {
    fn new() -> Self {
        let mut child = provisor()
            .args(["eval", "--jsonl"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (questions, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, questions, answers }
    }

    /// The answer, and how long it took; nothing when none comes.
    fn ask(&mut self, question: &Value) -> Option<(Value, Duration)> {
        let begun = Instant::now();
        writeln!(self.questions, "{question}").ok()?;
        let answer = self.answers.recv_timeout(Duration::from_secs(30)).ok()?;
        Some((serde_json::from_str(&answer).unwrap(), begun.elapsed()))
    }

    /// The most memory that the process has held so far, in KiB; none where the system does not tell.
    fn peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repeated(open: &str, middle: &str, close: &str, count: usize) -> String {
    format!("{}{middle}{}", open.repeat(count), close.repeat(count))
}

/// Programs that want time or memory, each with its record.
fn hostile() -> Vec<(&'static str, String, Value)> {
    let none = || json!({});
    let doubled = |text: &str| text.repeat(18);
    vec![
        ("rhai", "loop {}".into(), none()),
        ("rhai", "let x = 0; while true { x += 1 }".into(), none()),
        ("rhai", "let s = \"aaaaaaaa\"; loop { s += s; }".into(), none()),
        ("rhai", "fn f(x) { f(x + 1) } f(0)".into(), none()),
        ("rhai", "let n = 0; for i in 0..9223372036854775807 { n += i % 2; } n".into(), none()),
        ("rhai", "let a = []; loop { a = [a, a]; }".into(), none()),
        ("rhai", "let m = #{}; let i = 0; loop { m[`k${i}`] = [i, i]; i += 1; }".into(), none()),
        ("rhai", "is_match(source.a, \"^(a|aa)+\\\\1?!!$\")".into(), json!({"a": format!("{}!", "a".repeat(200))})),
        ("rhai", repeated("(", "1", ")", 20_000), none()),
        ("rhai", repeated("[", "1", "]", 20_000), none()),
        ("liquid", "{% for i in (1..9999) %}{% for j in (1..9999) %}{{ i }}{% endfor %}{% endfor %}".into(), none()),
        ("liquid", "{% for i in (1..999999999999) %}x{% endfor %}".into(), none()),
        (
            "liquid",
            format!("{{% assign s = 'aaaaaaaa' %}}{}{{{{ s }}}}", doubled("{% assign s = s | append: s %}")),
            none(),
        ),
        ("liquid", format!("{{% capture s %}}aaaa{{% endcapture %}}{}", doubled("{% capture s %}{{ s }}{{ s }}{% endcapture %}")), none()),
        ("liquid", "{% assign s = a | replace: '', a | replace: '', a %}{{ s | size }}".into(), json!({"a": "x".repeat(4_000)})),
        ("liquid", repeated("{% if true %}", "x", "{% endif %}", 5_000), none()),
        ("liquid", "{% assign l = a | split: '' %}{% for x in l %}{% assign l = l | concat: l %}{% endfor %}".into(), json!({"a": "x".repeat(5_000)})),
        ("liquid", "{{ a | times: a | times: a | times: a | size }}".into(), json!({"a": "9".repeat(900)})),
        ("jinja", "{% for i in range(9999) %}{% for j in range(9999) %}{{ i }}{% endfor %}{% endfor %}".into(), none()),
        ("jinja", "{{ range(999999999999) | list }}".into(), none()),
        ("jinja", format!("{{% set s = 'aaaaaaaa' %}}{}{{{{ s }}}}", doubled("{% set s = s ~ s %}")), none()),
        ("jinja", "{% macro f(x) %}{{ f(x + 1) }}{% endmacro %}{{ f(0) }}".into(), none()),
        ("jinja", "{{ Replace(a, none, '^(a|aa)+\\\\1?!!$', none, 'x', none, none) }}".into(), json!({"a": format!("{}!", "a".repeat(200))})),
        ("jinja", repeated("{% if 1 %}", "x", "{% endif %}", 2_000), none()),
        ("jinja", format!("{{{{ {} }}}}", repeated("[", "1", "]", 3_000)), none()),
        ("jinja", "{% set ns = namespace(l='x') %}{% for i in range(9999) %}{% set ns.l = ns.l ~ ns.l %}{% endfor %}{{ ns.l }}".into(), none()),
        ("entra", format!("{}\"a\"{}", "Append(".repeat(900), ", \"b\")".repeat(900)), none()),
        ("entra", "Replace([a], , \"^(a|aa)+\\\\1?!!$\", , \"x\", , )".into(), json!({"a": format!("{}!", "a".repeat(200))})),
    ]
}

#[test]
fn hostile_programs_are_answered_with_an_error_soon_and_the_process_goes_on() {
    let mut talk = Talk::new();
    let mut complaints = Vec::new();
    for (index, (lang, program, input)) in hostile().into_iter().enumerate() {
        let short: String = program.chars().take(60).collect();
        let question = json!({"id": index, "lang": lang, "program": program, "input": input});
        let Some((answer, took)) = talk.ask(&question) else {
            complaints.push(format!("{lang}: {short}: no answer"));
            talk = Talk::new();
            continue;
        };
        let told: String = answer.to_string().chars().take(120).collect();
        if answer["error"]["code"].is_null() {
            complaints.push(format!("{lang}: {short}: {told}"));
        }
        // A build for tests on a machine that others use; the library's own tests hold a release build to less.
        if took > Duration::from_secs(2) {
            complaints.push(format!("{lang}: {short}: took {took:?}"));
        }
        if std::env::var("SHOW_ATTACKS").is_ok() {
            println!("{took:>9.2?} {:>6} KiB {lang}: {short}: {told}", talk.peak().unwrap_or_default());
        }
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    let (answer, _) = talk.ask(&json!({"id": "after", "program": "Len(\"abc\")"})).unwrap();
    assert_eq!(answer, json!({"id": "after", "value": 3}));
    if let Some(peak) = talk.peak() {
        assert!(peak < 128 * 1024, "the process has held {peak} KiB");
    }
}

#[test]
fn nothing_outside_of_the_record_can_be_reached() {
    let cases = [
        ("rhai", "import \"/etc/passwd\" as p; 1"),
        ("rhai", "eval(\"1\")"),
        ("rhai", "sleep(1)"),
        ("rhai", "timestamp()"),
        ("rhai", "open(\"/etc/passwd\")"),
        ("rhai", "exit(1)"),
        ("liquid", "{% include '/etc/passwd' %}"),
        ("liquid", "{% render '../README.md' %}"),
        ("jinja", "{% include '/etc/passwd' %}"),
        ("jinja", "{% import 'x' as x %}"),
        ("jinja", "{% extends '/etc/passwd' %}"),
        ("jinja", "{{ debug() }}"),
        ("jinja", "{{ env('HOME') }}"),
        ("jinja", "{{ ''.__class__.__mro__ }}"),
        ("entra", "Environ(\"HOME\")"),
    ];
    for (lang, program) in cases {
        let answer = ask_one(lang, program, &json!({}), &json!({}));
        let undefined = program.contains("__class__") && answer["value"].is_null();
        assert!(answer["error"]["code"].is_string() || undefined, "{lang}: {program}: {answer}");
    }
    // A file's name of Liquid's that a record chooses is looked for among the snippets alone.
    let chosen = ask_one("liquid", "{% include name %}", &json!({"name": "/etc/passwd"}), &json!({}));
    assert_eq!(chosen["error"]["code"], "E0707", "{chosen}");
}

// --- map, test, check

#[test]
fn the_mapping_of_four_languages_checks_tests_maps_and_traces() {
    let check = run(&["check", "--strict", FOUR], b"");
    assert_eq!((code(&check), stdout(&check)), (0, ""));
    let test = run(&["test", FOUR], b"");
    assert_eq!(code(&test), 0, "{}", stdout(&test));
    let text = std::fs::read_to_string(root().join(FOUR)).unwrap();
    for part in ["liquid = ", "jinja = ", "rhai = ", "[snippets]", "macros = ", "[budget]", "[script]", "undefined"] {
        assert!(text.contains(part), "{FOUR} does not show {part}");
    }
    // A script on a busy machine in a slow build: wall time is no part of this.
    let scratch = Scratch::new("languages-four");
    let mapping = scratch.write("four.toml", text.replace("milliseconds = 100", "milliseconds = 1000"));
    let one = run(&["map", &mapping, "--in", USERS, "--jobs", "1"], b"");
    let two = run(&["map", &mapping, "--in", USERS, "--jobs", "2"], b"");
    assert_eq!(code(&one), 0, "{}", stderr(&one));
    assert!(one.stdout == two.stdout, "the number of threads shows");
    assert_eq!(stderr(&one), stderr(&two));
    let traced = run(&["map", &mapping, "--in", USERS, "--jobs", "2", "--trace"], b"");
    let traced_one = run(&["map", &mapping, "--in", USERS, "--jobs", "1", "--trace"], b"");
    assert!(traced.stdout == traced_one.stdout);
    let lines = json_lines(stdout(&traced));
    assert_eq!(lines.len(), 1500);
    let mut payloads = json_lines(stdout(&one)).into_iter();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["line"], index + 1);
        match line["outcome"].as_str().unwrap() {
            "payload" => assert_eq!(Some(&line["payload"]), payloads.next().as_ref()),
            "skipped" => assert!(line["reason"].as_str().unwrap().contains("the script skips the record"), "{line}"),
            other => panic!("{other}: {line}"),
        }
        for rule in line["rules"].as_array().unwrap() {
            assert!(rule["target"].is_string() && rule["steps"].is_array(), "{rule}");
            assert!(rule.get("value").is_some() != rule.get("error").is_some(), "{rule}");
        }
    }
    assert!(payloads.next().is_none());
}

/// A mapping for JSON with these rules, and more of the file.
fn mapping(rules: &str, more: &str) -> String {
    format!("name = \"m\"\nresource = \"x\"\n[target]\nkind = \"json\"\n[attributes]\n{rules}\n{more}\n")
}

#[test]
fn a_trace_tells_what_became_of_each_record() {
    let scratch = Scratch::new("languages-trace");
    let file = scratch.write(
        "m.toml",
        mapping(
            "a = { liquid = '{{ a | downcase }}', required = true }\nb = { rhai = 'if source.b == 0 { fail(\"zero\") } else { 6 / source.b }' }\nc = { jinja = '{{ skip(\"no c\") if c == 1 else c }}' }\nd = { const = 1 }",
            "[scope]\ngroups = [[{ attribute = \"out\", operator = \"IS NULL\" }]]",
        ),
    );
    let records = b"{\"a\":\"X\",\"b\":2,\"c\":3}\n{\"b\":2}\n{\"a\":\"X\",\"b\":0}\n{\"a\":\"X\",\"b\":2,\"c\":1}\n{\"out\":\"y\"}\n";
    let output = run(&["map", &file, "--trace", "--on-error", "collect"], records);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let lines = json_lines(stdout(&output));
    let outcomes: Vec<&str> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["payload", "skipped", "failed", "skipped", "outOfScope"]);
    assert_eq!(lines[0]["payload"], json!({"a": "x", "b": 3, "c": 3, "d": 1}));
    let first = &lines[0]["rules"][0];
    assert_eq!((&first["target"], &first["value"]), (&json!("a"), &json!("x")));
    assert_eq!(first["steps"][0], json!({"text": "a", "line": 6, "column": 20, "depth": 0, "value": "X"}));
    assert_eq!(lines[0]["rules"][3], json!({"target": "d", "value": 1, "steps": []}));
    assert!(lines[1]["reason"].as_str().unwrap().contains("`a` has no value"), "{}", lines[1]);
    assert_eq!(lines[2]["error"], json!({"code": "E0704", "message": "b: zero"}));
    assert_eq!(lines[2]["rules"][1]["error"], json!({"code": "E0704", "message": "zero"}));
    assert_eq!(lines[3]["reason"], "the rule for `c` skips the record: no c");
}

#[test]
fn a_skip_shows_its_reason_in_map_and_test() {
    let scratch = Scratch::new("languages-skip");
    let tests = "[[tests]]\nname = \"t\"\ngiven = {}\nskip = \"not one of ours\"\n";
    for rule in ["a = { rhai = 'skip(\"not one of ours\")' }", "a = { jinja = '{{ skip(\"not one of ours\") }}' }"] {
        let file = scratch.write("m.toml", mapping(rule, tests));
        let mapped = run(&["map", &file], b"{}\n");
        assert_eq!((code(&mapped), stdout(&mapped)), (0, ""));
        assert!(
            stderr(&mapped).contains("<stdin>:1: the rule for `a` skips the record: not one of ours"),
            "{}",
            stderr(&mapped)
        );
        assert_eq!(code(&run(&["test", &file], b"")), 0);
        let other = scratch.write(
            "n.toml",
            mapping(rule, &tests.replace("ours", "theirs"))
                .replace("skip(\"not one of theirs", "skip(\"not one of ours"),
        );
        assert_eq!(code(&run(&["test", &other], b"")), 1);
    }
    let bare = scratch.write("b.toml", mapping("a = { rhai = 'skip()' }", ""));
    assert!(stderr(&run(&["map", &bare], b"{}\n")).contains("the rule for `a` skips the record\n"));
}

#[test]
fn what_a_script_leaves_empty_is_not_sent() {
    let scratch = Scratch::new("languages-empty");
    let script = "[script]\nrhai = '#{ a: (), b: \"\", c: #{ d: (), e: \"\", f: 1 }, g: #{ h: () }, i: [], j: [#{ k: (), l: 2 }, ()], m: (), n: #{ o: () } }'";
    let rules = "m = { const = 1 }\n'n.o' = { const = 2 }\nz = { const = 3 }";
    let omit = scratch.write("omit.toml", mapping(rules, script));
    assert_eq!(json_lines(stdout(&run(&["map", &omit], b"{}\n"))), [json!({"c": {"f": 1}, "j": [{"l": 2}], "z": 3})]);
    let send = scratch
        .write("send.toml", mapping(rules, script).replace("kind = \"json\"", "kind = \"json\"\nempty = \"send\""));
    let sent = json_lines(stdout(&run(&["map", &send], b"{}\n")));
    assert_eq!(sent, [json!({"b": "", "c": {"e": "", "f": 1}, "j": [{"l": 2}], "z": 3})]);
}

#[test]
fn an_extension_that_the_script_takes_away_is_not_named() {
    let scratch = Scratch::new("languages-extension");
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let file = scratch.write(
        "m.toml",
        format!(
            "name = \"m\"\nresource = \"User\"\n[attributes]\nuserName = {{ expr = '[u]', match = 1 }}\n'{urn}:department' = '[d]'\n[script]\nrhai = '#{{ \"{urn}\": #{{ department: if source.d == \"x\" {{ () }} else {{ \"D\" }} }} }}'\n"
        ),
    );
    let output = run(&["map", &file], b"{\"u\":\"a\",\"d\":\"x\"}\n{\"u\":\"a\",\"d\":\"y\"}\n");
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    let payloads = json_lines(stdout(&output));
    assert_eq!(payloads[0], json!({"schemas": [core], "userName": "a"}));
    assert_eq!(payloads[1], json!({"schemas": [core, urn], "userName": "a", (urn): {"department": "D"}}));
}

#[test]
fn a_redacted_value_is_told_by_no_language_s_failure() {
    let scratch = Scratch::new("languages-redacted");
    for program in [
        "rhai = 'let x = Redact(source.p); print(source.p); fail(source.p)'",
        "jinja = '{{ Redact(p) }}{{ fail(p) }}'",
        "expr = 'Append(Redact([p]), Error([p]))'",
    ] {
        for end in ["halt", "skip", "null"] {
            let file = scratch.write("m.toml", mapping(&format!("r = {{ {program}, on_error = \"{end}\" }}"), ""));
            for arguments in [&["map", &file][..], &["map", &file, "--trace"]] {
                let output = run(arguments, b"{\"p\":\"hunter2\"}\n");
                let told = format!("{}{}", stdout(&output), stderr(&output));
                assert!(!told.contains("hunter2"), "{program} {end} {arguments:?}: {told}");
            }
        }
    }
}

#[test]
fn a_directory_s_mapping_may_be_a_script_alone() {
    let scratch = Scratch::new("languages-script-alone");
    scratch.write(
        "s.toml",
        "name = \"s\"\nresource = \"x\"\n[target]\nkind = \"json\"\n[script]\nrhai = '#{ a: source.a }'\n",
    );
    scratch.write("other.toml", "[package]\nname = \"other\"\n");
    let output = run(&["check", &scratch.path("")], b"");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("1 mapping file"), "{}", stderr(&output));
}

#[test]
fn a_bare_string_is_in_the_file_s_language() {
    let scratch = Scratch::new("languages-bare");
    for (language, program) in [
        ("entra", "ToUpper([a])"),
        ("liquid", "{{ a | upcase }}"),
        ("rhai", "ToUpper(source.a)"),
        ("jinja", "{{ a | upper }}"),
    ] {
        let file =
            scratch.write("m.toml", format!("language = \"{language}\"\n{}", mapping(&format!("x = '{program}'"), "")));
        let mapped = run(&["map", &file], b"{\"a\": \"y\"}\n");
        assert_eq!(stdout(&mapped), "{\"x\":\"Y\"}\n", "{language}: {}", stderr(&mapped));
    }
}

// --- import

const FORM: &str = r#"{ "mapping": {
  "userName": "email_address",
  "emails[primary eq true].value": "email_address",
  "name.givenName": "first_name",
  "groups[0].displayName": "{{ value | downcase | replace: \"acme-admins\", \"org:admin\" | replace: \"acme-employees\", \"org:member\" }}.organization_role",
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "public_metadata.department",
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.employeeNumber": "{{ value | prepend: \"E-\" }}.public_metadata.employee_id"
} }"#;

#[test]
fn a_form_of_authn_sh_becomes_a_mapping_that_checks_and_maps() {
    let scratch = Scratch::new("languages-import");
    let form = scratch.write("acme.json", FORM);
    let out = scratch.path("made/of/it");
    let output = run(&["import", "authnsh", &form, "-o", &out], b"");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let file = stdout(&output).trim_end().to_owned();
    assert!(file.ends_with("acme.toml"), "{file}");
    assert!(
        stderr(&output)
            .contains("note: `email_address` has several sources: `userName`, `emails[primary eq true].value`"),
        "{}",
        stderr(&output)
    );
    assert_eq!(code(&run(&["check", "--strict", &file], b"")), 0);

    let person = |department: &str| {
        format!(
            "{{\"userName\":\"sam@acme.example\",\"name\":{{\"givenName\":\"Sam\"}},\"groups\":[{{\"displayName\":\"ACME-Admins\"}}],{department}}}\n"
        )
    };
    let below = person(
        r#""urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R","employeeNumber":"7"}"#,
    );
    let fallback = r#"{"userName":"","emails":[{"value":"h@x"},{"primary":true,"value":"p@x"}],"groups":[{"displayName":"acme-employees"}]}"#;
    let mapped = run(&["map", &file], format!("{below}{fallback}\n").as_bytes());
    let payloads = json_lines(stdout(&mapped));
    assert_eq!(
        payloads[0],
        json!({"email_address": "sam@acme.example", "first_name": "Sam", "organization_role": "org:admin", "public_metadata": {"department": "R", "employee_id": "E-7"}})
    );
    assert_eq!(
        (&payloads[1]["email_address"], &payloads[1]["organization_role"]),
        (&json!("p@x"), &json!("org:member"))
    );

    let tests = "\n[[tests]]\nname = \"an admin\"\ngiven = { userName = \"s@x\", groups = [{ displayName = \"acme-admins\" }] }\nexpect = { organization_role = \"org:admin\" }\n";
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{tests}")).unwrap();
    let tested = run(&["test", &file], b"");
    assert_eq!(code(&tested), 0, "{}", stdout(&tested));

    // What a person has changed since is not written over.
    let again = run(&["import", "authnsh", &form, "-o", &out], b"");
    assert_eq!(code(&again), 2);
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    assert!(std::fs::read_to_string(&file).unwrap().contains("an admin"));
    assert_eq!(code(&run(&["import", "authnsh", &form, "-o", &out, "--force"], b"")), 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn urn_keys_resolve_with_a_point_and_with_a_colon() {
    let scratch = Scratch::new("languages-urn");
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for (index, key) in [format!("{urn}:department"), format!("{urn}.department")].iter().enumerate() {
        for target in ["public_metadata.department", "{{ value | upcase }}.public_metadata.department"] {
            let form = scratch.write(&format!("f{index}.json"), json!({"mapping": {key: target}}).to_string());
            let made = run(&["import", "authnsh", &form, "-o", &scratch.path("out"), "--force"], b"");
            assert_eq!(code(&made), 0, "{}", stderr(&made));
            let file = stdout(&made).trim_end().to_owned();
            let below = json!({urn: {"department": "R"}});
            let flat = json!({format!("{urn}:department"): "R"});
            let mapped = run(&["map", &file], format!("{below}\n{flat}\n").as_bytes());
            let payloads = json_lines(stdout(&mapped));
            assert_eq!(payloads[0], json!({"public_metadata": {"department": "R"}}), "{key} {target}");
        }
    }
}

#[test]
fn a_form_that_cannot_be_read_says_where() {
    let scratch = Scratch::new("languages-import-bad");
    let cases = [
        ("{\"mapping\": {\"a\": \"b\",}}", 2, ":1:23: "),
        ("[]", 2, "no object \"mapping\""),
        ("{\"mapping\": {\"a\": 1}}", 2, "\"a\": the target is to be a text"),
        ("{\"mapping\": {\"a\": \"{{ value }}\"}}", 2, "behind the template stands the target"),
        ("{\"mapping\": {\"a\": \"{{ value | nope }}.x\"}}", 1, "there is no filter `nope`"),
    ];
    for (form, wanted, part) in cases {
        let file = scratch.write("form.json", form);
        let output = run(&["import", "authnsh", &file, "-o", &scratch.path("out"), "--force"], b"");
        assert_eq!(code(&output), wanted, "{form}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{form}: {}", stderr(&output));
    }
    assert_eq!(code(&run(&["import", "authnsh", &scratch.path("none.json")], b"")), 2);
    assert_eq!(code(&run(&["import", "okta", &scratch.path("form.json")], b"")), 2);
}

// --- functions

#[test]
fn functions_shows_liquid_s_filters() {
    let list = run(&["functions", "--lang", "liquid"], b"");
    assert_eq!(code(&list), 0);
    assert!(stdout(&list).contains("  downcase "), "{}", stdout(&list));
    assert!(stdout(&list).contains("61 filters"), "{}", stdout(&list));
    let one = run(&["functions", "--lang", "liquid", "DEFAULT"], b"");
    assert!(stdout(&one).starts_with("default[: value"), "{}", stdout(&one));
    assert!(stdout(&one).contains("prints "), "{}", stdout(&one));
    let json = run(&["functions", "--lang", "liquid", "slice", "--format", "json"], b"");
    let told: Value = serde_json::from_str(stdout(&json)).unwrap();
    assert_eq!(told[0]["name"], "slice");
    assert_eq!((&told[0]["fewestArguments"], &told[0]["mostArguments"]), (&json!(1), &json!(2)));
    for lang in ["rhai", "jinja", "entra"] {
        assert!(stdout(&run(&["functions", "--lang", lang, "ToLower"], b"")).starts_with("ToLower("), "{lang}");
    }
}

#[test]
fn functions_suggests_for_what_it_does_not_have() {
    let near = run(&["functions", "--lang", "liquid", "downcas"], b"");
    assert_eq!((code(&near), stdout(&near)), (2, ""));
    assert!(stderr(&near).contains("did you mean `downcase`?"), "{}", stderr(&near));
    let none = run(&["functions", "--lang", "liquid", "ToLower"], b"");
    assert_eq!(code(&none), 2);
    assert!(stderr(&none).contains("Liquid has no filter `ToLower`"), "{}", stderr(&none));
    let lang = run(&["functions", "--lang", "perl"], b"");
    assert_eq!(code(&lang), 2);
    assert!(stderr(&lang).contains("the languages are"), "{}", stderr(&lang));
}
