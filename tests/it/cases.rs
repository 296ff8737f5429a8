//! `tests/cases/<language>/*.jsonl` through `provisor eval --jsonl`, and every example of the function table.

use std::collections::BTreeSet;
use std::fs;

use provisor::function::TABLE;
use serde_json::{Value, json};

use crate::support::{root, run, stdout};

/// Text and typed values of one spelling are equal: what reaches a target is decided by the target's type.
fn spelled(value: &Value) -> Value {
    match value {
        Value::Bool(true) => json!("True"),
        Value::Bool(false) => json!("False"),
        Value::Number(number) => json!(number.to_string()),
        Value::Array(items) => items.iter().map(spelled).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), spelled(value))).collect(),
        other => other.clone(),
    }
}

/// Why an answer is not what a case expects; `None` when it is.
pub(crate) fn complaint(expect: &Value, answer: &Value) -> Option<String> {
    let wanted = |what: &str| Some(format!("expected {what}, got {answer}"));
    if let Some(fields) = expect.as_object() {
        if let Some(error) = fields.get("error") {
            let Some(got) = answer.get("error") else { return wanted(&format!("error {error}")) };
            let text = format!("{} {}", got["code"].as_str().unwrap_or(""), got["message"].as_str().unwrap_or(""));
            return match error {
                Value::String(part) if !text.contains(part.as_str()) => wanted(&format!("an error with {part:?}")),
                _ => None,
            };
        }
        if let Some(ignore) = fields.get("ignore") {
            return if answer.get("ignore") == Some(ignore) { None } else { wanted(&format!("ignore {ignore}")) };
        }
        if let Some(pattern) = fields.get("match").and_then(Value::as_str) {
            let text = match &answer["value"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let matches = answer.get("value").is_some() && regex::Regex::new(pattern).unwrap().is_match(&text);
            return if matches { None } else { wanted(&format!("a match of {pattern}")) };
        }
    }
    match answer.get("value") {
        Some(value) if spelled(value) == spelled(expect) => None,
        _ => wanted(&expect.to_string()),
    }
}

/// Asks all questions in one conversation.
pub(crate) fn answers(questions: &[Value]) -> Vec<Value> {
    let input: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let output = run(&["eval", "--jsonl"], input.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let answers: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), questions.len(), "one answer a question");
    answers
}

#[test]
fn every_case_file_gives_what_it_says() {
    let mut cases = Vec::new();
    for directory in fs::read_dir(root().join("tests/cases")).unwrap() {
        let directory = directory.unwrap().path();
        // Those of the other languages and of SCIM have a shape and a runner of their own.
        if ["jinja", "liquid", "rhai", "scim"].iter().any(|other| directory.ends_with(other)) {
            continue;
        }
        for file in fs::read_dir(&directory).into_iter().flatten() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            for line in fs::read_to_string(&file).unwrap().lines().filter(|line| !line.trim().is_empty()) {
                let case: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{file:?}: {error}: {line}"));
                cases.push(case);
            }
        }
    }
    assert!(cases.len() > 300, "only {} cases found", cases.len());
    let ids: BTreeSet<String> = cases.iter().map(|case| case["id"].to_string()).collect();
    assert_eq!(ids.len(), cases.len(), "two cases have one id");
    let questions: Vec<Value> = cases
        .iter()
        .map(|case| {
            let mut question = case.clone();
            let fields = question.as_object_mut().unwrap();
            fields.remove("expect");
            fields.remove("why");
            question
        })
        .collect();
    let failures: Vec<String> = cases
        .iter()
        .zip(answers(&questions))
        .filter_map(|(case, answer)| {
            let complaint = complaint(&case["expect"], &answer)?;
            Some(format!(
                "{}: {}\n  with {}\n  {complaint}\n  why: {}",
                case["id"], case["program"], case["input"], case["why"]
            ))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn every_example_of_the_function_table_holds() {
    let examples: Vec<_> =
        TABLE.iter().flat_map(|spec| spec.examples.iter().map(move |example| (spec, example))).collect();
    assert!(examples.len() > TABLE.len(), "only {} examples found", examples.len());
    let questions: Vec<Value> = examples
        .iter()
        .map(|(spec, example)| {
            json!({
                "id": spec.name,
                "program": example.expression,
                "input": serde_json::from_str::<Value>(example.given).unwrap(),
                "env": {"now": "2026-01-01T00:00:00Z", "seed": 1, "defaultDomain": "contoso.onmicrosoft.com"},
            })
        })
        .collect();
    for ((spec, example), answer) in examples.iter().zip(answers(&questions)) {
        let expect: Value = serde_json::from_str(example.result).unwrap();
        if let Some(complaint) = complaint(&expect, &answer) {
            panic!("{}: {}: {complaint}", spec.name, example.expression);
        }
    }
}

#[test]
fn every_difference_in_the_docs_has_a_case_and_every_case_a_row() {
    let docs = fs::read_to_string(root().join("docs/differences.md")).unwrap();
    let file = fs::read_to_string(root().join("tests/cases/entra/differences.jsonl")).unwrap();
    let cases: BTreeSet<String> = file
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let named: BTreeSet<String> =
        regex::Regex::new(r"diff-[a-z-]+").unwrap().find_iter(&docs).map(|id| id.as_str().to_owned()).collect();
    assert!(cases.len() > 30);
    assert_eq!(named, cases);
    for row in docs.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what")) {
        let shown = ["diff-", "mappings/", "tests/cases/"].iter().any(|part| row.contains(part));
        assert!(shown, "no case: {row}");
    }
}

#[test]
fn the_reference_in_the_docs_is_the_one_the_program_prints() {
    let output = run(&["functions", "--format", "markdown"], b"");
    let docs = fs::read_to_string(root().join("docs/functions.md")).unwrap();
    assert!(stdout(&output) == docs, "run: provisor functions --format markdown > docs/functions.md");
    let output = run(&["functions", "--lang", "liquid", "--format", "markdown"], b"");
    let docs = fs::read_to_string(root().join("docs/liquid-filters.md")).unwrap();
    assert!(
        stdout(&output) == docs,
        "run: provisor functions --lang liquid --format markdown > docs/liquid-filters.md"
    );
}
