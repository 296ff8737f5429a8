//! The conformance sets that stand beside the repository on the project's own machines. Where they are not, the case
//! files of `cases` cover the same ground; this module then says so and passes.

use std::fs;

use serde_json::Value;

use crate::cases::{answers, complaint};
use crate::liquid::{Outcome, outcome};
use crate::support::shared;

/// A line of the sets as a question.
fn question(number: usize, line: &Value) -> Value {
    let mut question =
        serde_json::json!({"id": number, "lang": "entra", "program": line["expr"], "input": line["input"]});
    if let Some(env) = line.get("env") {
        question["env"] = env.clone();
    }
    question
}

/// The sets' words for results, in ours.
fn expectation(expected: &Value) -> Value {
    match expected.as_object() {
        Some(fields) if fields.contains_key("null") => Value::Null,
        Some(fields) if fields.contains_key("ignoreFlow") || fields.contains_key("ignoreAttributeFlow") => {
            serde_json::json!({"ignore": "attribute"})
        }
        Some(fields) if fields.contains_key("ignoreObjectFlow") => serde_json::json!({"ignore": "object"}),
        _ => expected.clone(),
    }
}

fn fails(line: &Value, answer: &Value) -> Option<String> {
    let alternatives = line["alternatives"].as_array().cloned().unwrap_or_default();
    let first = matches(&line["expected"], answer)?;
    if alternatives.iter().any(|alternative| matches(alternative, answer).is_none()) {
        return None;
    }
    Some(format!("{}: {}\n  with {}\n  {first}", line["id"], line["expr"], line["input"]))
}

fn matches(expected: &Value, answer: &Value) -> Option<String> {
    // Some patterns look ahead, which the runner's engine does not do: the digits and letters they ask for are counted.
    if let Some(pattern) = expected.get("match").and_then(Value::as_str)
        && pattern.contains("(?=")
    {
        let text = answer["value"].as_str().unwrap_or_default();
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let lower = text.chars().filter(char::is_ascii_lowercase).count();
        let fits =
            pattern == r"^(?=(?:.*\d){3})(?=(?:.*[a-z]){3}).{6}$" && digits >= 3 && lower >= 3 && text.len() == 6;
        return (!fits).then(|| format!("expected a match of {pattern}, got {answer}"));
    }
    complaint(&expectation(expected), answer)
}

fn run(path: &str, counted: impl Fn(&Value) -> bool) {
    let Some(path) = shared(path) else {
        eprintln!("not run: ../shared/{path} is not here; tests/cases covers the same functions");
        return;
    };
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<Value> = lines.into_iter().filter(counted).collect();
    assert!(lines.len() > 50, "only {} lines", lines.len());
    let questions: Vec<Value> = lines.iter().enumerate().map(|(number, line)| question(number, line)).collect();
    let failures: Vec<String> =
        lines.iter().zip(answers(&questions)).filter_map(|(line, answer)| fails(line, &answer)).collect();
    println!("{}: {} of {} right", path.display(), lines.len() - failures.len(), lines.len());
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), lines.len(), failures.join("\n"));
}

#[test]
fn entra_vectors() {
    // What comes from Entra Connect may be refused with a telling error, and is.
    run("conformance/entra/vectors.jsonl", |line| line["status"] != "connect-sibling");
}

#[test]
fn entra_expressions_in_the_wild() {
    // A bare null means that nobody says what the result is.
    run("conformance/entra/wild.jsonl", |line| !line["expected"].is_null());
}

#[test]
fn dotnet_core_and_edge() {
    run("conformance/dotnet/given.jsonl", |line| line["tier"] != "exotic");
}

#[test]
fn dotnet_exotic_is_right_or_refused() {
    let Some(path) = shared("conformance/dotnet/given.jsonl") else {
        eprintln!("not run: ../shared/conformance/dotnet is not here");
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<Value> = lines.into_iter().filter(|line| line["tier"] == "exotic").collect();
    assert!(!lines.is_empty());
    let questions: Vec<Value> = lines.iter().enumerate().map(|(number, line)| question(number, line)).collect();
    for (line, answer) in lines.iter().zip(answers(&questions)) {
        if answer.get("error").is_none() {
            assert_eq!(fails(line, &answer), None);
        }
    }
}

/// The cases of a Liquid set that are not met, of how many.
fn liquid(file: &str, excused: &[&str]) {
    let Some(path) = shared(&format!("conformance/liquid/{file}")) else {
        eprintln!("not run: ../shared/conformance/liquid is not here; tests/cases/liquid covers the same");
        return;
    };
    let set: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = set["tests"].as_array().unwrap();
    let mut failures = Vec::new();
    for case in cases {
        let record = case.get("data").cloned().unwrap_or_else(|| serde_json::json!({}));
        let snippets = serde_json::from_value(case["templates"].clone()).unwrap_or_default();
        let outcome = outcome(case["template"].as_str().unwrap(), &record, &snippets);
        let right = match &outcome {
            Outcome::Printed(text, _) => match case.get("results") {
                Some(results) => results.as_array().unwrap().iter().any(|result| result == text.as_str()),
                None => case["result"] == text.as_str(),
            },
            Outcome::Refused(_) | Outcome::Failed(..) => case["invalid"] == true,
        };
        let name = case["name"].as_str().unwrap();
        if right == excused.contains(&name) {
            failures.push(format!("{name}: {}\n  wanted {}\n  {outcome:?}", case["template"], case["result"]));
        }
    }
    println!("{file}: {} of {} right", cases.len() - failures.len(), cases.len());
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn liquid_outputs() {
    liquid("given-a.json", &[]);
}

#[test]
fn liquid_outputs_more() {
    liquid("extra-a.json", &[]);
}

#[test]
fn liquid_tags() {
    liquid("given-b.json", &[]);
}
