//! `tests/cases/diagnostics`: mapping files, each with what is wrong with it, and `tests/cases/runtime`: mappings that
//! fail on a record of the file of their name under `records`.
//!
//! The first line says which codes must come, each as often as it stands there, and no other: `# expects: E0301 W0601`.
//! What is printed is compared with `tests/it/snapshots`. A `bug:` behind the codes says what is wrong today; such a case
//! must fail, so that whoever mends it takes the word away and looks at the picture.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use provisor::text::Code;
use serde_json::Value;

use crate::support::{Scratch, code, expected_codes, json_lines, root, run, stderr, stdout};

/// A mapping file with what is to be found in it.
struct Case {
    /// From the root.
    path: String,
    name: String,
    text: String,
    codes: Vec<String>,
    bug: bool,
}

fn cases(directory: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = fs::read_dir(root().join("tests/cases").join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let (codes, bug) =
                expected_codes(&text).unwrap_or_else(|| panic!("{}: no line with `expects:`", file.display()));
            let file = file.file_name().unwrap().to_str().unwrap();
            let name = Path::new(file).file_stem().unwrap().to_str().unwrap().to_owned();
            Case { path: format!("tests/cases/{directory}/{file}"), name, text, codes, bug }
        })
        .collect();
    cases.sort_by(|one, other| one.path.cmp(&other.path));
    cases
}

/// Why the codes are not those that the case expects; `None` when they are.
fn complaint(case: &Case, mut got: Vec<String>) -> Option<String> {
    got.sort();
    match (got == case.codes, case.bug) {
        (true, false) | (false, true) => None,
        (true, true) => Some(format!("{}: this bug is mended: take `bug:` away", case.path)),
        (false, false) => Some(format!("{}: expected {:?}, got {got:?}", case.path, case.codes)),
    }
}

/// Compares with a snapshot; the difference is printed by insta, and the name comes back.
fn differs(name: &str, picture: &str) -> Option<String> {
    let compared = catch_unwind(AssertUnwindSafe(|| {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, picture);
        });
    }));
    compared.is_err().then(|| name.to_owned())
}

fn findings(path: &str) -> Vec<Value> {
    json_lines(stdout(&run(&["check", "--format", "json", path], b"")))
}

#[test]
fn every_diagnostics_case_gives_the_codes_it_names_and_no_other() {
    let cases = cases("diagnostics");
    assert!(cases.len() > 60, "only {} cases found", cases.len());
    let complaints: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let got = findings(&case.path).iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
            complaint(case, got)
        })
        .collect();
    assert!(complaints.is_empty(), "{} cases:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_diagnostics_case_looks_as_it_was_approved() {
    let different: Vec<String> = cases("diagnostics")
        .iter()
        .filter(|case| !case.bug)
        .filter_map(|case| {
            let output = run(&["check", "--format", "human", &case.path], b"");
            let errors = case.codes.iter().any(|code| code.starts_with('E'));
            assert_eq!(code(&output), i32::from(errors), "{}: {}", case.path, stdout(&output));
            differs(&format!("check-{}", case.name), &format!("{}{}", stdout(&output), stderr(&output)))
        })
        .collect();
    assert!(different.is_empty(), "{} pictures differ: {}", different.len(), different.join(", "));
}

#[test]
fn every_static_code_stands_in_a_case() {
    let shown: BTreeSet<String> = cases("diagnostics").into_iter().flat_map(|case| case.codes).collect();
    let missing: Vec<String> = Code::ALL
        .iter()
        .filter(|code| code.number() < 700)
        .map(ToString::to_string)
        // A file that is too large is made in `cli`; what Entra cannot hold is found by an export, in `entra_schema`.
        .filter(|code| !["E0102", "E0516"].contains(&code.as_str()) && !shown.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

#[test]
fn pasting_a_fix_takes_its_finding_away() {
    let scratch = Scratch::new("fixes");
    let mut pasted = 0;
    // Behind a byte order mark the spans are wrong: `cli` has a test of its own for that.
    for case in cases("diagnostics").iter().filter(|case| !case.text.starts_with('\u{feff}')) {
        for finding in findings(&case.path) {
            for fix in finding["fixes"].as_array().unwrap() {
                let at = |index: usize| usize::try_from(fix["span"][index].as_u64().unwrap()).unwrap();
                let mut fixed = case.text.clone();
                fixed.replace_range(at(0)..at(1), fix["replacement"].as_str().unwrap());
                let after = findings(&scratch.write(&case.name, &fixed));
                let keys = ["code", "message", "line", "column"];
                let stays = after.iter().any(|other| keys.iter().all(|key| other[*key] == finding[*key]));
                assert!(!stays, "{}: {} does not help", case.path, fix["title"]);
                pasted += 1;
            }
        }
    }
    assert!(pasted > 25, "only {pasted} fixes found");
}

#[test]
fn every_runtime_case_fails_as_it_says_and_looks_as_it_was_approved() {
    let cases = cases("runtime");
    assert!(cases.len() > 15, "only {} cases found", cases.len());
    let told = regex::Regex::new(r"(?m)^(?:error\[|skipped: \S+ )([EW][0-9]{4})").unwrap();
    let mut complaints = Vec::new();
    for case in &cases {
        let check = run(&["check", &case.path], b"");
        assert_eq!(code(&check), 0, "{} has static findings: {}", case.path, stdout(&check));
        let records = format!("tests/cases/runtime/records/{}.jsonl", case.name);
        let output = run(&["map", &case.path, "--in", &records, "--jobs", "2"], b"");
        json_lines(stdout(&output));
        let mut got: Vec<String> = told.captures_iter(stderr(&output)).map(|found| found[1].to_owned()).collect();
        got.sort();
        if got != case.codes {
            complaints.push(format!("{}: expected {:?}, got {got:?}", case.path, case.codes));
        } else if !case.bug {
            let picture = format!("{}exit code {}\n", stderr(&output), code(&output));
            complaints.extend(differs(&format!("map-{}", case.name), &picture));
        }
    }
    assert!(complaints.is_empty(), "{} cases:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn a_chain_as_long_as_an_expression_may_be_is_one_finding() {
    let scratch = Scratch::new("chains");
    let programs = [
        format!("Append({}1, \"\")", "1=".repeat(4_900)),
        format!("Append({}[a], \"\")", "[a]&".repeat(2_400)),
        format!("Append([a]{}, \"\")", "[1]".repeat(3_000)),
        format!("Append({}a{}, \"\")", "[".repeat(4_900), "]".repeat(4_900)),
    ];
    for program in programs {
        let mapping = format!(
            "name = \"x\"\nresource = \"User\"\n[attributes]\nuserName = {{ expr = '{program}', match = 1 }}\n"
        );
        let output = run(&["check", "--format", "concise", &scratch.write("chain.toml", mapping)], b"");
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        assert_eq!(stdout(&output).matches("error[").count(), 1, "{}", stdout(&output));
    }
}

#[test]
fn a_test_with_many_attributes_is_checked_soon() {
    let scratch = Scratch::new("many-given");
    let given: Vec<String> = (0..90_000).map(|number| format!("\"k{number:05}\":1")).collect();
    let mapping = format!(
        r#"{{"name":"x","resource":"User","attributes":{{"userName":{{"expr":"[userPrincipalName]","match":1}}}},"tests":[{{"name":"t","given":{{{}}},"expect":{{}}}}]}}"#,
        given.join(",")
    );
    let begun = std::time::Instant::now();
    let output = run(&["check", &scratch.write("given.json", mapping)], b"");
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// What `map` says about a runtime case.
fn told(name: &str, format: &str) -> String {
    let (mapping, records) =
        (format!("tests/cases/runtime/{name}.toml"), format!("tests/cases/runtime/records/{name}.jsonl"));
    stderr(&run(&["map", &mapping, "--in", &records, "--format", format], b"")).to_owned()
}

#[test]
fn a_redacted_value_reaches_no_message() {
    for format in ["human", "concise", "json"] {
        let told = told("redacted-values-stay-hidden", format);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_long_value_is_cut_in_every_line_of_a_message() {
    let told = told("long-values-are-cut", "human");
    assert!(told.lines().all(|line| line.chars().count() < 400), "{told}");
}
