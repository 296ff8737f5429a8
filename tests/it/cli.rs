//! The commands as an admin meets them: exit codes, what goes where, and what bad input does.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Scratch, code, json_lines, provisor, root, run, stderr, stdout};

/// A mapping with two rules, one of which can fail.
const MAPPING: &str = r#"name = "small"
resource = "User"

[attributes]
userName = { expr = '[userPrincipalName]', match = 1 }
title = 'Left([jobTitle], [width])'
"#;

const SHIPPED: &str = "mappings/entra-user.toml";
const USERS: &str = "examples/users.jsonl";

/// The user names of payloads.
fn names(output: &Output) -> Vec<String> {
    json_lines(stdout(output)).iter().map(|payload| payload["userName"].as_str().unwrap_or("-").to_owned()).collect()
}

/// Maps `input` with the small mapping.
fn map_small(test: &str, arguments: &[&str], input: &[u8]) -> Output {
    let scratch = Scratch::new(test);
    let mapping = scratch.write("small.toml", MAPPING);
    run(&[&["map", mapping.as_str()], arguments].concat(), input)
}

/// Maps CSV with the small mapping.
fn map_csv(test: &str, arguments: &[&str], input: &[u8]) -> Output {
    map_small(test, &[&["--input-format", "csv"], arguments].concat(), input)
}

/// `count` records, of which those in `bad` fail in the rule for `title`.
fn records(count: usize, bad: &[usize]) -> String {
    (1..=count).fold(String::new(), |mut text, number| {
        let width = if bad.contains(&number) { "\"wide\"" } else { "3" };
        let _ = writeln!(text, r#"{{"userPrincipalName": "u{number}", "jobTitle": "Engineer", "width": {width}}}"#);
        text
    })
}

/// Asks `eval --jsonl` and gives its answers.
fn ask(lines: &[u8]) -> Vec<Value> {
    let output = run(&["eval", "--jsonl"], lines);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    json_lines(stdout(&output))
}

/// Values as JSON lines.
fn lines(values: impl Iterator<Item = Value>) -> Vec<u8> {
    values.fold(Vec::new(), |mut lines, value| {
        writeln!(lines, "{value}").unwrap();
        lines
    })
}

// --- exit codes and arguments

#[test]
fn no_arguments_print_help_and_exit_with_2() {
    let output = run(&[], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("Usage: provisor"), "{}", stderr(&output));
}

#[test]
fn help_and_version_exit_with_0_on_standard_output() {
    for arguments in [&["--help"][..], &["--version"], &["help", "map"], &["check", "--help"]] {
        let output = run(arguments, b"");
        assert_eq!((code(&output), stderr(&output)), (0, ""), "{arguments:?}");
        assert!(stdout(&output).contains("rovisor"));
    }
}

#[test]
fn an_unknown_command_or_option_exits_with_2_and_suggests() {
    let output = run(&["chekc", SHIPPED], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("check"), "{}", stderr(&output));
    let output = run(&["check", "--strcit", SHIPPED], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--strict"), "{}", stderr(&output));
}

// --- check

#[test]
fn check_of_a_clean_file_exits_with_0_and_prints_no_finding() {
    let output = run(&["check", SHIPPED], b"");
    assert_eq!((code(&output), stdout(&output)), (0, ""));
    assert!(stderr(&output).contains("no findings"));
}

#[test]
fn check_of_a_directory_takes_every_mapping_below_it() {
    let output = run(&["check", "mappings"], b"");
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let files = fs::read_dir(root().join("mappings")).unwrap();
    let count = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "toml")).count();
    assert!(stderr(&output).contains(&format!("{count} mapping files")), "{}", stderr(&output));
}

#[test]
fn check_of_a_directory_without_mappings_exits_with_2() {
    let scratch = Scratch::new("check-empty");
    let output = run(&["check", &scratch.path("")], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("no mapping file"), "{}", stderr(&output));
}

#[test]
fn check_reads_standard_input_for_a_dash() {
    let output = run(&["check", "-", "--format", "concise"], MAPPING.replace("Left", "Leff").as_bytes());
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).starts_with("<stdin>:6:10: error[E0301]"), "{}", stdout(&output));
}

#[test]
fn check_of_several_files_finds_what_is_in_each_and_goes_on_after_one_that_is_missing() {
    let scratch = Scratch::new("check-several");
    let one = scratch.write("one.toml", MAPPING.replace("Left", "Leff"));
    let two = scratch.write("two.toml", MAPPING.replace("userName", "userNam"));
    let output = run(&["check", &one, &scratch.path("none.toml"), &two, "--format", "concise"], b"");
    assert_eq!(code(&output), 2);
    assert!(stdout(&output).contains("one.toml:6:10: error[E0301]"), "{}", stdout(&output));
    assert!(stdout(&output).contains("two.toml:5:1: error[E0506]"), "{}", stdout(&output));
    assert!(stderr(&output).contains("none.toml"), "{}", stderr(&output));
}

#[test]
fn check_lets_warnings_pass_unless_it_is_strict() {
    let file = "tests/cases/diagnostics/w0601-lower-case-false.toml";
    assert_eq!(code(&run(&["check", file], b"")), 0);
    assert_eq!(code(&run(&["check", "--strict", file], b"")), 1);
    assert_eq!(code(&run(&["check", "--strict", SHIPPED], b"")), 0);
}

#[test]
fn check_in_concise_gives_a_line_a_finding_with_file_line_and_column() {
    let output =
        run(&["check", "--format", "concise", "tests/cases/diagnostics/position-many-findings-at-once.toml"], b"");
    let line = regex::Regex::new(r"^tests/\S+\.toml:[0-9]+:[0-9]+: (error|warning)\[[EW][0-9]{4}\]: \S").unwrap();
    assert_eq!(stdout(&output).lines().count(), 9);
    assert!(stdout(&output).lines().all(|text| line.is_match(text)), "{}", stdout(&output));
}

#[test]
fn check_in_json_gives_an_object_a_finding_that_agrees_with_the_file() {
    let path = "tests/cases/diagnostics/position-after-wide-characters.toml";
    let text = fs::read_to_string(root().join(path)).unwrap();
    let output = run(&["check", "--format", "json", path], b"");
    assert_eq!((code(&output), stderr(&output)), (1, ""));
    let findings = json_lines(stdout(&output));
    assert_eq!(findings.len(), 3);
    for finding in findings {
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let (start, end) = (number(&finding["span"][0]), number(&finding["span"][1]));
        assert_eq!(&text[start..end], "Trimm");
        let line = text.lines().nth(number(&finding["line"]) - 1).unwrap();
        let from = number(&finding["column"]) - 1;
        let word: String = line.chars().skip(from).take(number(&finding["endColumn"]) - 1 - from).collect();
        assert_eq!(word, "Trimm");
        assert_eq!(finding["fixes"][0]["replacement"], "Trim");
    }
}

#[test]
fn check_counts_the_bytes_of_a_byte_order_mark_in_spans() {
    let path = "tests/cases/diagnostics/position-behind-a-byte-order-mark.toml";
    let text = fs::read_to_string(root().join(path)).unwrap();
    let findings = json_lines(stdout(&run(&["check", "--format", "json", path], b"")));
    let at = |index: usize| usize::try_from(findings[0]["span"][index].as_u64().unwrap()).unwrap();
    assert_eq!(text.get(at(0)..at(1)), Some("langauge"));
}

#[test]
fn check_of_a_file_that_is_too_large_gives_e0102() {
    let scratch = Scratch::new("check-large");
    let file = scratch.write("large.toml", format!("{MAPPING}#{}\n", "x".repeat(1024 * 1024)));
    let output = run(&["check", "--format", "concise", &file], b"");
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("error[E0102]"), "{}", stdout(&output));
}

#[test]
fn check_of_more_than_2000_rules_gives_e0102() {
    let scratch = Scratch::new("check-rules");
    let rules = (0..2001).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "a{number} = '[mail]'");
        text
    });
    let text = format!("name = \"many\"\nresource = \"thing\"\n[target]\nkind = \"json\"\n[attributes]\n{rules}");
    let output = run(&["check", "--format", "concise", &scratch.write("many.toml", text)], b"");
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("error[E0102]"), "{}", stdout(&output));
}

#[test]
fn check_names_the_line_that_is_not_utf_8() {
    let scratch = Scratch::new("check-utf8");
    let file = scratch.write("latin.toml", [MAPPING.as_bytes(), b"# caf\xe9\n"].concat());
    let output = run(&["check", &file], b"");
    assert_ne!(code(&output), 0);
    let told = format!("{}{}", stdout(&output), stderr(&output));
    assert!(told.contains("latin.toml:7") && told.contains("UTF-8"), "{told}");
}

#[test]
fn one_line_too_long_to_draw_leaves_the_other_findings_their_pictures() {
    let scratch = Scratch::new("check-long-line");
    let keys = (0..400).map(|number| format!("\"key {number}\", \"v\"")).collect::<Vec<_>>().join(", ");
    let file =
        scratch.write("long.toml", format!("{MAPPING}nickName = 'Switch([x], \"\", {keys})'\nnikName = '[y]'\n"));
    let output = run(&["check", &file], b"");
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("did you mean `nickName`?"), "{}", stdout(&output));
    assert!(stdout(&output).contains("^^^^^^^"), "{}", stdout(&output));
}

// --- eval

#[test]
fn eval_reads_the_record_from_a_file_and_from_standard_input() {
    let scratch = Scratch::new("eval-input");
    let file = scratch.write("record.json", r#"{"a": "x"}"#);
    assert_eq!(stdout(&run(&["eval", "ToUpper([a])", "--input", &file], b"")), "\"X\"\n");
    assert_eq!(stdout(&run(&["eval", "ToUpper([a])", "--input", "-"], br#"{"a": "y"}"#)), "\"Y\"\n");
}

#[test]
fn eval_without_a_record_takes_an_empty_one() {
    let output = run(&["eval", "Coalesce([a], \"none\")"], b"");
    assert_eq!((code(&output), stdout(&output)), (0, "\"none\"\n"));
}

#[test]
fn eval_of_a_missing_file_exits_with_2() {
    let output = run(&["eval", "Now()", "--input", "no-such-file.json"], b"");
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert!(stderr(&output).contains("no-such-file.json"));
}

#[test]
fn eval_of_a_record_that_is_no_json_is_a_finding() {
    let output = run(&["eval", "ToUpper([a])", "--input", "-"], b"{\"a\": \"x\"");
    assert_eq!(code(&output), 1, "{}", stderr(&output));
}

#[test]
fn eval_names_the_place_in_a_record_that_is_no_json() {
    let scratch = Scratch::new("eval-bad-record");
    let file = scratch.write("record.json", "{\n  \"a\": x\n}\n");
    let output = run(&["eval", "ToUpper([a])", "--input", &file], b"");
    assert!(stderr(&output).contains("record.json:2:"), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn eval_points_at_a_static_finding_and_exits_with_1() {
    let output = run(&["eval", "ToUpper(Triim([a]))", "--format", "concise"], b"");
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).starts_with("<expression>:1:9: error[E0301]"), "{}", stderr(&output));
}

#[test]
fn eval_shows_the_values_of_a_failure_and_exits_with_1() {
    let output = run(&["eval", "Left([a], [b])", "--input", "-"], br#"{"a": "x", "b": "k"}"#);
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).contains("E0702") && stderr(&output).contains("[b] = \"k\""), "{}", stderr(&output));
}

#[test]
fn eval_with_trace_shows_every_step_and_the_result() {
    let output = run(&["eval", "ToUpper(Append([a], \"!\"))", "--input", "-", "--trace"], br#"{"a": "x"}"#);
    assert_eq!(code(&output), 0);
    for step in ["[a]  =>  \"x\"", "Append([a], \"!\")  =>  \"x!\"", "= \"X!\""] {
        assert!(stdout(&output).contains(step), "{}", stdout(&output));
    }
}

#[test]
fn eval_with_trace_shows_where_a_failure_began() {
    let arguments = ["eval", "ToUpper(Left([a], [b]))", "--input", "-", "--trace", "--format", "json"];
    let output = run(&arguments, br#"{"a": "x", "b": "k"}"#);
    assert_eq!(code(&output), 1);
    let steps = json_lines(stdout(&output))[0]["trace"].as_array().unwrap().clone();
    let first = steps.iter().find(|step| step["failed"] == true).unwrap();
    assert_eq!((first["text"].as_str().unwrap(), &first["span"]), ("Left([a], [b])", &json!([8, 22])));
}

#[test]
fn eval_refuses_an_unknown_key_of_env_and_an_unknown_language() {
    let output = run(&["eval", "Guid()", "--env", r#"{"sed": 1}"#], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("`sed`") && stderr(&output).contains("`seed`"), "{}", stderr(&output));
    let output = run(&["eval", "Guid()", "--lang", "klingon"], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("entra, liquid"), "{}", stderr(&output));
}

#[test]
fn eval_repeats_with_a_seed_and_a_clock() {
    let arguments = ["eval", "Join(\" \", Guid(), Now())", "--env", r#"{"seed": 7, "now": "2026-02-03T04:05:06Z"}"#];
    let first = run(&arguments, b"");
    assert_eq!(code(&first), 0, "{}", stderr(&first));
    assert_eq!(stdout(&first), stdout(&run(&arguments, b"")));
    assert_ne!(stdout(&run(&["eval", "Guid()"], b"")), stdout(&run(&["eval", "Guid()"], b"")));
}

// --- eval --jsonl

#[test]
fn jsonl_answers_each_line_before_the_next_is_written() {
    let mut child = provisor().args(["eval", "--jsonl"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for number in 0..20 {
        writeln!(input, "{}", json!({"id": number, "program": "Append([a], \"!\")", "input": {"a": "x"}})).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), json!({"id": number, "value": "x!"}));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn jsonl_a_bad_line_costs_only_itself() {
    let good = "{\"id\": 1, \"program\": \"ToUpper(\\\"a\\\")\"}\n";
    let bad: [&[u8]; 6] = [
        b"not json\n",
        b"[1]\n",
        b"\"text\"\n",
        b"{\"id\": 2}\n",
        b"{\"id\": \"\xff\", \"program\": \"Now()\"}\n",
        b"{\n",
    ];
    for line in bad {
        let answers = ask(&[good.as_bytes(), line, good.as_bytes()].concat());
        assert_eq!(answers.len(), 3, "{}", String::from_utf8_lossy(line));
        assert!(answers[1]["error"]["code"].is_string() && answers[1]["error"]["message"].is_string());
        assert_eq!((&answers[0]["value"], &answers[2]["value"]), (&json!("A"), &json!("A")));
    }
}

#[test]
fn jsonl_says_in_words_what_a_bad_line_is() {
    for line in ["[1]\n", "not json\n"] {
        let message = ask(line.as_bytes())[0]["error"]["message"].as_str().unwrap().to_owned();
        assert!(!message.contains("struct") && !message.contains("ident"), "{message}");
    }
}

#[test]
fn jsonl_a_line_of_17_mebibytes_costs_only_itself() {
    let good = "{\"id\": 1, \"program\": \"ToUpper(\\\"a\\\")\"}\n";
    let huge = format!("{{\"id\": 2, \"program\": \"{}\"}}\n", "x".repeat(17 * 1024 * 1024));
    let answers = ask([good, &huge, good].concat().as_bytes());
    assert_eq!(answers.len(), 3);
    assert!(answers[1]["error"]["message"].as_str().unwrap().contains("longer than"), "{}", answers[1]);
    assert_eq!(answers[2]["value"], "A");
}

#[test]
fn jsonl_takes_a_byte_order_mark_empty_lines_crlf_and_a_last_line_without_its_end() {
    let answers = ask(b"\xef\xbb\xbf{\"id\": 1, \"program\": \"ToUpper(\\\"a\\\")\"}\r\n\r\n  \n{\"id\": 2, \"program\": \"ToUpper(\\\"b\\\")\"}");
    assert_eq!(answers, [json!({"id": 1, "value": "A"}), json!({"id": 2, "value": "B"})]);
}

#[test]
fn jsonl_keeps_the_id_whatever_it_is() {
    let ids = [
        json!(null),
        json!(true),
        json!("x"),
        json!(18_446_744_073_709_551_615_u64),
        json!(-1),
        json!([1, {"a": null}]),
    ];
    let kept: Vec<Value> = ask(&lines(ids.iter().map(|id| json!({"id": id, "program": "ToUpper(\"a\")"}))))
        .iter()
        .map(|answer| answer["id"].clone())
        .collect();
    assert_eq!(kept, ids);
}

#[test]
fn jsonl_keeps_an_id_of_many_digits() {
    let output = run(&["eval", "--jsonl"], b"{\"id\": 12345678901234567890123, \"program\": \"Now()\"}\n");
    assert!(stdout(&output).contains("12345678901234567890123"), "{}", stdout(&output));
}

#[test]
fn jsonl_gives_the_id_back_with_the_error_of_its_line() {
    let questions = [
        json!({"id": "lang", "lang": "klingon", "program": "x"}),
        json!({"id": "program"}),
        json!({"id": "type", "program": 1}),
        json!({"id": "env", "program": "Now()", "env": {"sed": 1}}),
        json!({"id": "now", "program": "Now()", "env": {"now": "yesterday"}}),
        json!({"id": "input", "program": "Now()", "input": [1]}),
        json!({"id": "static", "program": "Nwo()"}),
        json!({"id": "runtime", "program": "Left([a], [b])", "input": {"a": "x", "b": "k"}}),
    ];
    let answers = ask(&lines(questions.iter().cloned()));
    for (line, answer) in questions.iter().zip(&answers) {
        assert_eq!(line["id"], answer["id"]);
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    assert_eq!(answers[6]["error"]["span"], json!([0, 3]));
    assert_eq!(answers[7]["error"]["span"], json!([10, 13]));
}

#[test]
fn jsonl_tells_null_from_an_attribute_that_is_left_out() {
    let answers = ask(b"{\"id\": 1, \"program\": \"Coalesce([a], [b])\"}\n{\"id\": 2, \"program\": \"IgnoreFlowIfNullOrEmpty([a])\"}\n");
    assert_eq!(answers, [json!({"id": 1, "value": null}), json!({"id": 2, "ignore": "attribute"})]);
}

// --- map: input and output

#[test]
fn map_reads_and_writes_standard_streams_for_a_dash_and_for_nothing() {
    let input = records(3, &[]);
    let bare = map_small("map-bare", &[], input.as_bytes());
    assert_eq!((code(&bare), names(&bare)), (0, vec!["u1".to_owned(), "u2".into(), "u3".into()]));
    let dash = map_small("map-dash", &["--in", "-", "--out", "-"], input.as_bytes());
    assert_eq!(bare.stdout, dash.stdout);
}

#[test]
fn map_writes_a_file_for_out_and_nothing_to_standard_output() {
    let scratch = Scratch::new("map-out");
    let out = scratch.path("out.jsonl");
    let output = run(&["map", SHIPPED, "--in", USERS, "--out", &out], b"");
    assert_eq!((code(&output), stdout(&output)), (0, ""));
    assert_eq!(scratch.read("out.jsonl"), stdout(&run(&["map", SHIPPED, "--in", USERS], b"")));
}

#[test]
fn map_gives_the_same_bytes_with_one_thread_and_with_four() {
    let one = run(&["map", SHIPPED, "--in", USERS, "--jobs", "1"], b"");
    let four = run(&["map", SHIPPED, "--in", USERS, "--jobs", "4"], b"");
    assert_eq!((code(&one), code(&four)), (0, 0));
    assert_eq!(json_lines(stdout(&one)).len(), 1500);
    assert!(one.stdout == four.stdout, "the payloads differ");
}

#[test]
fn map_makes_the_same_random_values_with_any_number_of_threads() {
    let scratch = Scratch::new("map-random");
    let mapping = scratch.write("random.toml", MAPPING.replace("Left([jobTitle], [width])", "Guid()"));
    let ran = |jobs| run(&["map", &mapping, "--in", USERS, "--jobs", jobs, "--env", r#"{"seed": 1}"#], b"").stdout;
    assert!(ran("1") == ran("4"), "the payloads differ");
}

#[test]
fn map_repeats_with_a_seed_and_a_clock_and_not_without() {
    let scratch = Scratch::new("map-seed");
    let mapping =
        scratch.write("random.toml", MAPPING.replace("Left([jobTitle], [width])", "Join(\" \", Guid(), Now())"));
    let env = r#"{"seed": 1, "now": "2026-01-01T00:00:00Z"}"#;
    let with = |arguments: &[&str]| run(&[&["map", mapping.as_str()], arguments].concat(), records(3, &[]).as_bytes());
    let seeded = with(&["--env", env]);
    assert_eq!(code(&seeded), 0, "{}", stderr(&seeded));
    assert_eq!(seeded.stdout, with(&["--env", env]).stdout);
    assert_ne!(with(&[]).stdout, with(&[]).stdout);
    let mut titles: Vec<String> =
        json_lines(stdout(&seeded)).iter().map(|payload| payload["title"].to_string()).collect();
    titles.dedup();
    assert_eq!(titles.len(), 3, "records share a Guid: {titles:?}");
}

#[test]
fn map_of_no_records_is_clean() {
    for input in ["", "\n\n"] {
        let output = map_small("map-empty", &[], input.as_bytes());
        assert_eq!((code(&output), stdout(&output)), (0, ""));
        assert!(stderr(&output).contains("0 records read"), "{}", stderr(&output));
    }
}

#[test]
fn map_takes_a_byte_order_mark_crlf_empty_lines_and_a_last_line_without_its_end() {
    let input = b"\xef\xbb\xbf{\"userPrincipalName\": \"a\"}\r\n\r\n{\"userPrincipalName\": \"b\"}";
    let output = map_small("map-bom", &[], input);
    assert_eq!((code(&output), names(&output)), (0, vec!["a".to_owned(), "b".into()]));
    assert!(stderr(&output).contains("2 records read, 2 payloads"), "{}", stderr(&output));
}

#[test]
fn map_ignores_attributes_that_no_rule_reads() {
    let output = map_small("map-unread", &[], br#"{"zebra": [[{"deep": null}]], "userPrincipalName": "a", "x": 1.5}"#);
    assert_eq!((code(&output), names(&output)), (0, vec!["a".to_owned()]), "{}", stderr(&output));
}

#[test]
fn map_of_a_missing_file_exits_with_2_and_names_it() {
    for arguments in [["map", SHIPPED, "--in", "no-such-file"], ["map", "no-such-file", "--in", USERS]] {
        let output = run(&arguments, b"");
        assert_eq!((code(&output), stdout(&output)), (2, ""));
        assert!(stderr(&output).contains("no-such-file"), "{}", stderr(&output));
    }
}

#[test]
fn map_refuses_to_write_over_its_input() {
    let scratch = Scratch::new("map-same");
    let file = scratch.write("records.jsonl", records(2, &[]));
    let output = run(&["map", SHIPPED, "--in", &file, "--out", &file], b"");
    assert_eq!(code(&output), 2);
    assert_eq!(scratch.read("records.jsonl"), records(2, &[]));
}

#[cfg(unix)]
#[test]
fn map_refuses_to_write_over_the_file_behind_standard_input() {
    let scratch = Scratch::new("map-same-stdin");
    let file = scratch.write("records.jsonl", records(2, &[]));
    let input = fs::File::open(&file).unwrap();
    let output = provisor().args(["map", SHIPPED, "--out", &file]).stdin(input).output().unwrap();
    assert_eq!(scratch.read("records.jsonl"), records(2, &[]));
    assert_eq!(code(&output), 2);
}

#[test]
fn map_with_a_broken_mapping_leaves_the_output_file_as_it_was() {
    let scratch = Scratch::new("map-broken-out");
    let mapping = scratch.write("broken.toml", MAPPING.replace("Left", "Leff"));
    let out = scratch.write("out.jsonl", "what was there\n");
    let output = run(&["map", &mapping, "--in", USERS, "--out", &out], b"");
    assert_eq!(code(&output), 1);
    assert_eq!(scratch.read("out.jsonl"), "what was there\n");
}

// --- map: bad lines

/// The message for a bad second line of three.
fn bad_second_line(test: &str, line: &[u8]) -> Output {
    let input = [b"{\"userPrincipalName\": \"a\"}\n", line, b"\n{\"userPrincipalName\": \"b\"}\n"].concat();
    let output = map_small(test, &[], &input);
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned()]), "{}", stderr(&output));
    let told = stderr(&output).lines().next().unwrap();
    assert!(told.starts_with("error[E0701]: <stdin>:2:"), "{told}");
    assert!(!stderr(&output).contains("panicked"));
    let collected = map_small(test, &["--on-error", "collect"], &input);
    assert_eq!((code(&collected), names(&collected)), (1, vec!["a".to_owned(), "b".into()]), "{}", stderr(&collected));
    output
}

#[test]
fn map_names_the_line_and_column_that_is_not_utf_8() {
    let output = bad_second_line("map-utf8", b"{\"userPrincipalName\": \"\xff\"}");
    assert!(stderr(&output).contains(":2:24:"), "{}", stderr(&output));
    assert!(stderr(&output).contains("UTF-8"));
}

#[test]
fn map_counts_columns_in_characters_when_the_line_is_not_utf_8() {
    let output = bad_second_line("map-utf8-column", b"{\"userPrincipalName\": \"\xc3\xa9\xc3\xa9\xc3\xa9\xff\"}");
    assert!(stderr(&output).contains(":2:27:"), "{}", stderr(&output));
}

#[test]
fn map_names_the_line_and_column_of_bad_json() {
    let output = bad_second_line("map-json", "{\"userPrincipalName\": \"é\", x}".as_bytes());
    assert!(stderr(&output).contains(":2:28:"), "{}", stderr(&output));
}

#[test]
fn map_refuses_a_line_that_is_no_object() {
    for line in ["[1]", "\"text\"", "null", "1", "{} {}"] {
        bad_second_line("map-array", line.as_bytes());
    }
}

#[test]
fn map_refuses_a_line_of_more_than_16_mebibytes_and_halts() {
    let mut input = b"{\"userPrincipalName\": \"a\"}\n{\"x\": \"".to_vec();
    input.resize(17 * 1024 * 1024, b'x');
    input.extend_from_slice(b"\"}\n{\"userPrincipalName\": \"b\"}\n");
    let output = map_small("map-huge", &[], &input);
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned()]));
    assert!(stderr(&output).starts_with("error[E0701]: <stdin>:2:1: the line is longer than"), "{}", stderr(&output));
}

#[test]
fn map_that_collects_goes_on_behind_a_huge_line() {
    let mut input = b"{\"userPrincipalName\": \"a\"}\n{\"x\": \"".to_vec();
    input.resize(17 * 1024 * 1024, b'x');
    input.extend_from_slice(b"\"}\n{\"userPrincipalName\": \"b\"}\n");
    let output = map_small("map-huge-collect", &["--on-error", "collect"], &input);
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned(), "b".into()]));
}

// --- map: halting and collecting

#[test]
fn map_halts_at_the_first_failure_with_all_payloads_before_it() {
    let input = records(2000, &[1203, 1500]);
    for jobs in ["1", "4"] {
        let output = map_small(&format!("map-halt-{jobs}"), &["--jobs", jobs], input.as_bytes());
        assert_eq!(code(&output), 1);
        assert!(output.stdout.ends_with(b"\n"));
        assert_eq!(names(&output), (1..1203).map(|number| format!("u{number}")).collect::<Vec<_>>());
        assert_eq!(stderr(&output).matches("error[").count(), 1, "{}", stderr(&output));
        assert!(stderr(&output).contains("halted"), "{}", stderr(&output));
    }
}

#[test]
fn map_names_record_rule_and_position_when_it_halts() {
    let input = records(5, &[3]);
    let human = map_small("map-names-human", &[], input.as_bytes());
    for part in ["title", "line 3 of <stdin>", "small.toml:6:27", "[width] = \"wide\""] {
        assert!(stderr(&human).contains(part), "no {part} in {}", stderr(&human));
    }
    let concise = map_small("map-names-concise", &["--format", "concise", "--quiet"], input.as_bytes());
    assert_eq!(stderr(&concise).lines().count(), 1, "{}", stderr(&concise));
    for part in ["small.toml:6:27: error[E0702]: title", "line 3 of <stdin>"] {
        assert!(stderr(&concise).contains(part), "no {part} in {}", stderr(&concise));
    }
    let json = map_small("map-names-json", &["--format", "json"], input.as_bytes());
    let finding = &json_lines(stderr(&json))[0];
    assert_eq!((&finding["code"], &finding["line"], &finding["column"]), (&json!("E0702"), &json!(6), &json!(27)));
    assert_eq!(finding["record"], json!({"file": "<stdin>", "line": 3}));
}

#[test]
fn map_that_collects_gives_all_other_payloads_and_every_failure() {
    let output = map_small("map-collect", &["--on-error", "collect"], records(500, &[1, 250, 500]).as_bytes());
    assert_eq!(code(&output), 1);
    assert_eq!(names(&output).len(), 497);
    for line in ["line 1 of", "line 250 of", "line 500 of", "3 failed"] {
        assert!(stderr(&output).contains(line), "{}", stderr(&output));
    }
    assert!(!stderr(&output).contains("halted"));
}

#[test]
fn map_tells_twenty_failures_and_counts_the_rest() {
    let bad: Vec<usize> = (1..=900).collect();
    let output = map_small("map-many", &["--on-error", "collect"], records(1000, &bad).as_bytes());
    assert_eq!(stderr(&output).matches("error[E0702]").count(), 20);
    assert!(stderr(&output).contains("880 more records failed"), "{}", stderr(&output));
}

#[test]
fn map_says_why_a_record_was_skipped_and_exits_with_0() {
    let scratch = Scratch::new("map-skip");
    let mapping = MAPPING.replace("'Left([jobTitle], [width])'", "{ expr = '[jobTitle]', required = true }");
    let input =
        b"{\"userPrincipalName\": \"a\", \"jobTitle\": \"x\"}\n{\"userPrincipalName\": \"b\", \"jobTitle\": \"\"}\n";
    let output = run(&["map", &scratch.write("skip.toml", mapping)], input);
    assert_eq!((code(&output), names(&output)), (0, vec!["a".to_owned()]));
    for part in ["<stdin>:2", "E0708", "`title`", "[jobTitle]", "1 skipped"] {
        assert!(stderr(&output).contains(part), "no {part} in {}", stderr(&output));
    }
}

#[test]
fn map_counts_records_out_of_scope() {
    let scratch = Scratch::new("map-scope");
    let scope = "[scope]\ngroups = [ [ { attribute = \"department\", operator = \"EQUALS\", value = \"Sales\" } ] ]\n[attributes]";
    let mapping = scratch.write("scope.toml", MAPPING.replace("[attributes]", scope));
    let input = b"{\"userPrincipalName\": \"a\", \"department\": \"Sales\"}\n{\"userPrincipalName\": \"b\"}\n";
    let output = run(&["map", &mapping], input);
    assert_eq!((code(&output), names(&output)), (0, vec!["a".to_owned()]));
    assert!(stderr(&output).contains("1 out of scope"), "{}", stderr(&output));
}

#[test]
fn map_leaves_rules_for_creation_out_of_updates() {
    let scratch = Scratch::new("map-apply");
    let mapping = scratch
        .write("apply.toml", MAPPING.replace("'Left([jobTitle], [width])'", "{ const = \"x\", apply = \"create\" }"));
    let title = |apply| {
        json_lines(stdout(&run(&["map", &mapping, "--apply", apply], b"{\"userPrincipalName\": \"a\"}")))[0]["title"]
            .clone()
    };
    assert_eq!((title("create"), title("update")), (json!("x"), Value::Null));
}

#[test]
fn map_quietly_says_nothing_when_all_is_well() {
    let output = map_small("map-quiet", &["--quiet"], records(3, &[]).as_bytes());
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[cfg(unix)]
#[test]
fn map_ends_quietly_with_0_when_its_reader_goes() {
    let mut child =
        provisor().args(["map", SHIPPED, "--in", USERS]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.ends_with("}\n"));
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[cfg(unix)]
#[test]
fn the_other_commands_end_quietly_too_when_their_reader_goes() {
    for arguments in [&["functions"][..], &["test", "mappings"], &["--help"], &["check", "tests/cases/diagnostics"]] {
        let mut child = provisor().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked") && !stderr(&output).contains("pipe"), "{}", stderr(&output));
    }
}

// --- map: CSV

#[test]
fn csv_is_told_by_the_name_of_the_file() {
    let output = run(&["map", SHIPPED, "--in", "examples/users.csv"], b"");
    assert_eq!((code(&output), names(&output).len()), (0, 100), "{}", stderr(&output));
}

#[test]
fn csv_takes_a_byte_order_mark_crlf_quotes_and_line_ends_in_fields() {
    let input = b"\xef\xbb\xbfuserPrincipalName,jobTitle,width\r\na,\"The \"\"best\"\",\nof all\",99\r\n\"b\",x,1\r\n";
    let output = map_csv("csv-quotes", &[], input);
    assert_eq!((code(&output), names(&output)), (0, vec!["a".to_owned(), "b".into()]), "{}", stderr(&output));
    assert_eq!(json_lines(stdout(&output))[0]["title"], "The \"best\",\nof all");
}

#[test]
fn csv_an_empty_cell_is_no_value() {
    let output = map_csv("csv-cell", &[], b"userPrincipalName,jobTitle,width\na,,1\n");
    assert_eq!(json_lines(stdout(&output))[0].get("title"), None);
}

#[test]
fn csv_names_the_line_of_a_record_behind_one_of_several_lines() {
    let input = b"userPrincipalName,jobTitle,width\na,\"x\ny\nz\",1\nb,x,wide\n";
    let output = map_csv("csv-line", &[], input);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("line 5 of <stdin>"), "{}", stderr(&output));
}

#[test]
fn csv_refuses_a_column_that_stands_twice() {
    let output = map_csv("csv-twice", &[], b"userPrincipalName,width,width\na,1,2\n");
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert!(stderr(&output).contains("`width`"), "{}", stderr(&output));
}

#[test]
fn csv_without_a_header_is_refused() {
    let output = map_csv("csv-empty", &[], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("names the columns"), "{}", stderr(&output));
}

#[test]
fn csv_halts_at_a_row_with_too_few_fields() {
    let output = map_csv("csv-ragged", &[], b"userPrincipalName,jobTitle,width\na,x,1\nb,x\nc,x,1\n");
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned()]));
    assert!(stderr(&output).starts_with("error[E0701]: <stdin>:3:1: the row has 2 fields"), "{}", stderr(&output));
}

#[test]
fn csv_that_collects_goes_on_behind_ragged_rows() {
    let input = b"userPrincipalName,jobTitle,width\na,x,1\nb,x\nc,x,1\nd,x,1,more\ne,x,1\n";
    let output = map_csv("csv-ragged-collect", &["--on-error", "collect"], input);
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned(), "c".into(), "e".into()]));
    assert!(stderr(&output).contains(":3:") && stderr(&output).contains(":5:"), "{}", stderr(&output));
}

#[test]
fn csv_that_collects_goes_on_behind_a_row_that_is_not_utf_8() {
    let input = b"userPrincipalName,jobTitle,width\na,x,1\nb,\xff,1\nc,x,1\n";
    let output = map_csv("csv-utf8-collect", &["--on-error", "collect"], input);
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned(), "c".into()]));
}

#[test]
fn csv_names_the_line_of_a_ragged_row_behind_an_empty_line() {
    let output = map_csv("csv-ragged-line", &[], b"userPrincipalName,jobTitle,width\na,x,1\n\nb,x\n");
    assert!(stderr(&output).contains("<stdin>:4:"), "{}", stderr(&output));
}

#[test]
fn csv_refuses_a_quote_that_is_not_closed() {
    let output = map_csv("csv-quote", &[], b"userPrincipalName,width,jobTitle\na,1,x\nb,99,\"x\nc,1,x\n");
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned()]), "{}", stdout(&output));
    assert!(stderr(&output).contains("<stdin>:3:"), "{}", stderr(&output));
}

#[test]
fn csv_refuses_a_field_of_17_mebibytes() {
    let field = "x".repeat(17 * 1024 * 1024);
    let input = format!("userPrincipalName,jobTitle,width\na,x,1\nb,\"{field}\",1\n");
    let output = map_csv("csv-huge", &[], input.as_bytes());
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned()]));
    assert!(stderr(&output).contains("<stdin>:3:"), "{}", stderr(&output));
}

#[test]
fn csv_mentions_a_column_that_the_mapping_reads_and_the_file_lacks() {
    let output = map_csv("csv-missing", &[], b"upn;jobTitle;width\na;x;1\n");
    assert!(stderr(&output).contains("userPrincipalName"), "{}", stderr(&output));
}

// --- test

const TESTED: &str = r#"
[[tests]]
name = "passes"
given = { userPrincipalName = "ada" }
expect = { userName = "ada" }

[[tests]]
name = "fails"
given = { userPrincipalName = "ada", jobTitle = "Engineer", width = 3 }
expect = { userName = "bob", title = "Eng", nickName = "x" }
"#;

#[test]
fn the_tests_of_the_shipped_mappings_pass() {
    let output = run(&["test"], b"");
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stderr(&output).contains(" passed, 0 failed"), "{}", stderr(&output));
    assert!(stdout(&output).lines().all(|line| line.starts_with("ok ")));
}

#[test]
fn a_test_that_fails_shows_expected_and_got_and_exits_with_1() {
    let scratch = Scratch::new("test-fails");
    let file = scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let output = run(&["test", &file], b"");
    assert_eq!(code(&output), 1);
    for part in [
        ":: passes",
        "FAILED",
        ":: fails",
        "userName: expected \"bob\", got \"ada\"",
        "nickName: expected \"x\", got nothing",
        "tested.toml:16:10",
    ] {
        assert!(stdout(&output).contains(part), "no {part} in {}", stdout(&output));
    }
    assert!(!stdout(&output).contains("title:"), "{}", stdout(&output));
    assert!(stderr(&output).contains("1 test passed, 1 failed"), "{}", stderr(&output));
}

#[test]
fn test_in_json_gives_an_object_a_test() {
    let scratch = Scratch::new("test-json");
    let file = scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let output = run(&["test", "--format", "json", &file], b"");
    assert_eq!((code(&output), stderr(&output)), (1, ""));
    let lines = json_lines(stdout(&output));
    let told: Vec<_> =
        lines.iter().map(|line| (line["name"].as_str().unwrap(), line["ok"].as_bool().unwrap())).collect();
    assert_eq!(told, [("passes", true), ("fails", false)]);
    assert_eq!((&lines[1]["failure"]["code"], &lines[1]["failure"]["line"]), (&json!("E0709"), &json!(16)));
}

#[test]
fn test_in_concise_shows_expected_and_got() {
    let scratch = Scratch::new("test-concise");
    let file = scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let output = run(&["test", "--format", "concise", &file], b"");
    assert!(stdout(&output).contains("\"bob\"") && stdout(&output).contains("\"ada\""), "{}", stdout(&output));
}

#[test]
fn test_runs_only_what_the_filter_names() {
    let scratch = Scratch::new("test-filter");
    let file = scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let output = run(&["test", "--filter", "pass", &file], b"");
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("1 test passed, 0 failed"), "{}", stderr(&output));
}

#[test]
fn test_says_so_when_no_test_has_the_filters_text() {
    let scratch = Scratch::new("test-filter-none");
    let file = scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let output = run(&["test", "--filter", "zebra", &file], b"");
    assert_ne!(code(&output), 0);
    assert!(stderr(&output).contains("zebra"), "{}", stderr(&output));
}

#[test]
fn test_of_a_file_without_tests_says_so_and_does_not_pass() {
    let scratch = Scratch::new("test-none");
    let output = run(&["test", &scratch.write("none.toml", MAPPING)], b"");
    assert_eq!(code(&output), 2);
    assert!(stdout(&output).contains("none.toml has no [[tests]]"), "{}", stdout(&output));
}

#[test]
fn test_without_files_looks_below_the_current_directory() {
    let scratch = Scratch::new("test-here");
    let here = provisor().arg("test").current_dir(scratch.path("")).output().unwrap();
    assert_eq!(code(&here), 2);
    scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let here = provisor().arg("test").current_dir(scratch.path("")).output().unwrap();
    assert_eq!(code(&here), 1);
    assert!(stdout(&here).contains("FAILED"), "{}", stdout(&here));
}

#[test]
fn test_goes_on_after_a_file_that_is_missing() {
    let scratch = Scratch::new("test-missing");
    let file = scratch.write("tested.toml", format!("{MAPPING}{TESTED}"));
    let output = run(&["test", &scratch.path("none.toml"), &file], b"");
    assert_eq!(code(&output), 2);
    assert!(stdout(&output).contains(":: passes"), "{}", stdout(&output));
}

// --- functions

#[test]
fn functions_lists_every_function_with_a_line() {
    let output = run(&["functions"], b"");
    assert_eq!(code(&output), 0);
    for spec in provisor::function::TABLE {
        assert!(stdout(&output).lines().any(|line| line.trim_start().starts_with(spec.name)), "no {}", spec.name);
    }
}

#[test]
fn functions_prints_one_in_any_case() {
    let output = run(&["functions", "jOIN"], b"");
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).starts_with("Join(separator, source, …)"), "{}", stdout(&output));
    assert!(!stdout(&output).contains("ToUpper("));
}

#[test]
fn functions_suggests_for_an_unknown_name() {
    let output = run(&["functions", "Swich"], b"");
    assert_ne!(code(&output), 0);
    assert!(stderr(&output).contains("did you mean `Switch`?"), "{}", stderr(&output));
}

#[test]
fn functions_in_json_holds_every_function() {
    let output = run(&["functions", "--format", "json"], b"");
    let functions: Value = serde_json::from_str(stdout(&output)).unwrap();
    let names: Vec<&str> = functions.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let known: Vec<&str> = provisor::function::TABLE.iter().map(|spec| spec.name).collect();
    assert_eq!(names.len(), known.len());
    assert!(known.iter().all(|name| names.contains(name)));
}

// --- a shipped mapping, broken

/// Breaks the shipped mapping by writing `wrong` for `right`; `check`, `test` and `map` must exit with 1 and say `code`
/// at the characters `at`, which are part of `wrong`.
fn broken(test: &str, right: &str, wrong: &str, at: &str, wanted: &str) {
    let text = fs::read_to_string(root().join(SHIPPED)).unwrap();
    assert_eq!(text.matches(right).count(), 1, "{right} stands not once in {SHIPPED}");
    let text = text.replace(right, wrong);
    let start = text.find(wrong).unwrap() + wrong.find(at).unwrap();
    let line = 1 + text[..start].matches('\n').count();
    let column = 1 + text[..start].rsplit('\n').next().unwrap().chars().count();
    let scratch = Scratch::new(test);
    let file = scratch.write("broken.toml", &text);
    for command in [&["check", &file][..], &["test", &file], &["map", &file, "--in", USERS]] {
        let concise = run(&[command, &["--format", "concise"]].concat(), b"");
        assert_eq!(code(&concise), 1, "{command:?}");
        let told = format!("{}{}", stdout(&concise), stderr(&concise));
        let place = format!("{file}:{line}:{column}: ");
        assert!(told.lines().any(|told| told.starts_with(&place) && told.contains(wanted)), "{place}{wanted}: {told}");
        let output = run(&[command, &["--format", "json"]].concat(), b"");
        assert_eq!(code(&output), 1, "{command:?}");
        let findings = json_lines(&format!("{}{}", stdout(&output), stderr(&output)));
        let finding = findings.iter().find(|finding| finding["code"] == wanted).unwrap();
        assert_eq!(finding["span"], json!([start, start + at.len()]), "{command:?}: {finding}");
        assert_eq!((&finding["line"], &finding["column"]), (&json!(line), &json!(column)));
    }
}

#[test]
fn a_misspelt_function_in_a_shipped_mapping_is_pointed_at_by_check_test_and_map() {
    broken("broken-function", "Switch([IsSoftDeleted],", "Swich([IsSoftDeleted],", "Swich", "E0301");
}

#[test]
fn a_missing_quote_in_a_shipped_mapping_is_pointed_at_by_check_test_and_map() {
    broken("broken-quote", "\"True\", \"False\")'", "\"True\", \"False)'", "\"False)", "E0202");
}

#[test]
fn a_wrong_attribute_in_a_shipped_mapping_is_pointed_at_by_check_test_and_map() {
    broken(
        "broken-attribute",
        "'[physicalDeliveryOfficeName]'",
        "'[physicalDelivryOfficeName]'",
        "physicalDelivryOfficeName",
        "E0307",
    );
}

#[test]
fn a_wrong_target_in_a_shipped_mapping_is_pointed_at_by_check_test_and_map() {
    broken("broken-target", "'name.givenName'  =", "'name.givenNam'  =", "givenNam", "E0506");
}

#[test]
fn a_missing_argument_in_a_shipped_mapping_is_pointed_at_by_check_test_and_map() {
    broken("broken-argument", "Item([proxyAddresses], 1)", "Item([proxyAddresses])", "Item", "E0303");
}

// --- a terminal

/// Runs a shell line on a terminal of its own and gives what the terminal showed; `None` where there is no `script`.
fn on_a_terminal(line: &str) -> Option<String> {
    let mut command = std::process::Command::new("script");
    command.args(["-qec", line, "/dev/null"]).current_dir(root()).env("TERM", "xterm").env_remove("NO_COLOR");
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => {
            eprintln!("not run: there is no util-linux `script` here");
            None
        }
    }
}

#[test]
fn a_progress_bar_is_drawn_on_a_terminal_and_standard_output_stays_clean() {
    let scratch = Scratch::new("terminal");
    let binary = env!("CARGO_BIN_EXE_provisor");
    let out = scratch.path("out.jsonl");
    let line = format!("'{binary}' map {SHIPPED} --in {USERS} --jobs 1 > '{out}'");
    let Some(shown) = on_a_terminal(&line) else { return };
    assert!(shown.contains('█') && shown.contains('%'), "no bar in {shown:?}");
    assert!(shown.contains("1,500 records read"), "{shown:?}");
    assert!(
        scratch.read("out.jsonl") == stdout(&run(&["map", SHIPPED, "--in", USERS], b"")),
        "the output is not clean"
    );
}

#[test]
fn no_progress_bar_is_drawn_when_quiet_or_when_standard_error_is_no_terminal() {
    let output = run(&["map", SHIPPED, "--in", USERS], b"");
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    let binary = env!("CARGO_BIN_EXE_provisor");
    let Some(shown) = on_a_terminal(&format!("'{binary}' map {SHIPPED} --in {USERS} --quiet > /dev/null")) else {
        return;
    };
    assert_eq!(shown, "");
}

#[test]
fn colours_are_for_terminals_and_not_with_no_color() {
    let binary = env!("CARGO_BIN_EXE_provisor");
    let file = "tests/cases/diagnostics/w0601-twice.toml";
    let Some(coloured) = on_a_terminal(&format!("'{binary}' check {file}")) else { return };
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let plain = on_a_terminal(&format!("NO_COLOR=1 '{binary}' check {file}")).unwrap();
    assert!(!plain.contains("\u{1b}["), "{plain:?}");
}

// --- memory

#[test]
fn map_keeps_its_memory_flat_over_200_000_records() {
    if !std::path::Path::new("/proc/self/status").exists() {
        println!("not run: there is no /proc here");
        return;
    }
    let scratch = Scratch::new("memory");
    let mapping = scratch.write("small.toml", MAPPING);
    let mut child = provisor()
        .args(["map", &mapping, "--jobs", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let writer = std::thread::spawn(move || {
        let piece = records(1000, &[]);
        for _ in 0..200 {
            input.write_all(piece.as_bytes()).unwrap();
        }
    });
    let (mut peak, mut bytes, mut buffer) = (0_u64, 0, vec![0; 64 * 1024]);
    loop {
        // The high-water mark only grows: the last reading before the end is the one that counts.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(mark.unwrap_or(0));
        match output.read(&mut buffer).unwrap() {
            0 => break,
            read => bytes += read,
        }
    }
    writer.join().unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("200,000 records read, 200,000 payloads"), "{}", stderr(&ended));
    assert!(bytes > 200_000 * 50, "only {bytes} bytes of payloads");
    assert!(peak > 1_000 && peak < 100_000, "the peak was {peak} kB");
    println!("peak {peak} kB");
}

// --- what records and mistakes of use may not do

#[cfg(unix)]
#[test]
fn map_refuses_to_write_over_another_name_of_its_input() {
    let scratch = Scratch::new("map-same-link");
    let file = scratch.write("records.jsonl", records(2, &[]));
    fs::hard_link(&file, scratch.path("link.jsonl")).unwrap();
    let output = run(&["map", SHIPPED, "--in", &file, "--out", &scratch.path("link.jsonl")], b"");
    assert_eq!(code(&output), 2);
    assert_eq!(scratch.read("records.jsonl"), records(2, &[]));
}

#[test]
fn map_takes_no_macros_and_says_where_they_belong() {
    let output = map_small("map-macros", &["--env", r#"{"macros": {"x": "y"}}"#], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("[env]"), "{}", stderr(&output));
}

#[test]
fn records_cannot_stand_for_the_marks_of_bad_lines() {
    let output = map_small("map-marker", &["--on-error", "collect"], b"\x00too long\n{\"userPrincipalName\": \"b\"}\n");
    assert_eq!((code(&output), names(&output)), (1, vec!["b".to_owned()]), "{}", stderr(&output));
    assert!(!stderr(&output).contains("longer"), "{}", stderr(&output));
    let output = map_csv("csv-marker", &[], b"userPrincipalName\n\x00b\n");
    assert_eq!((code(&output), names(&output)), (0, vec!["\u{0}b".to_owned()]), "{}", stderr(&output));
}

#[test]
fn control_characters_of_records_do_not_reach_the_terminal() {
    let input = b"{\"userPrincipalName\": \"a\", \"jobTitle\": \"x\", \"width\": \"\\u001b[2J\\n\"}\n";
    let output = map_small("map-control", &["--format", "concise", "--quiet"], input);
    assert_eq!((code(&output), stderr(&output).lines().count()), (1, 1), "{}", stderr(&output));
    assert!(!stderr(&output).contains('\u{1b}'), "{:?}", stderr(&output));
}

#[test]
fn csv_with_semicolons_is_told_that_the_separator_is_a_comma() {
    let output = map_csv("csv-semicolon", &[], b"userPrincipalName;jobTitle;width\na;x;1\n");
    assert!(stderr(&output).contains("the separator is a comma"), "{}", stderr(&output));
    let whole = map_csv("csv-whole", &["--quiet"], b"userPrincipalName,jobTitle,width\na,x,1\n");
    assert_eq!((code(&whole), stderr(&whole)), (0, ""));
}

#[test]
fn csv_that_collects_goes_on_behind_a_field_of_17_mebibytes() {
    let field = "x\n".repeat(9 * 1024 * 1024);
    let input = format!("userPrincipalName,jobTitle,width\na,x,1\nb,\"{field}\",1\nc,x,wide\n");
    let output = map_csv("csv-huge-collect", &["--on-error", "collect"], input.as_bytes());
    assert_eq!((code(&output), names(&output)), (1, vec!["a".to_owned()]));
    assert!(stderr(&output).contains(":3:1: the row is longer"), "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("line {} of", 4 + 9 * 1024 * 1024)), "{}", stderr(&output));
}

#[test]
fn jsonl_refuses_a_key_it_does_not_have() {
    let answers = ask(b"{\"id\": 1, \"progam\": \"Now()\"}\n{\"id\": 2, \"id\": 3}\n");
    assert!(answers[0]["error"]["message"].as_str().unwrap().contains("did you mean `program`?"), "{}", answers[0]);
    assert!(answers[1]["error"]["message"].as_str().unwrap().contains("twice"), "{}", answers[1]);
}

#[test]
fn check_of_a_file_that_is_not_utf_8_is_a_finding_in_json_too() {
    let scratch = Scratch::new("check-utf8-json");
    let file = scratch.write("latin.toml", [MAPPING.as_bytes(), b"# caf\xe9\n"].concat());
    let output = run(&["check", "--format", "json", &file], b"");
    assert_eq!(code(&output), 1);
    let finding = &json_lines(stdout(&output))[0];
    assert_eq!((&finding["code"], &finding["line"], &finding["column"]), (&json!("E0102"), &json!(7), &json!(6)));
}
