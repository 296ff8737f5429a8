//! `tests/cases/scim/*.jsonl`: the SCIM protocol layer as data, the shapes of Entra's requests, and what holds for any input.
//!
//! A case with `"tolerance"` passes as it says, and does something else once that tolerance is off.

mod conformance;
mod directory;
mod documents;
mod properties;
mod shelf;

use std::collections::BTreeSet;
use std::fs;

use provisor::scim::list::Query;
use provisor::scim::peer::{TABLE, Tolerance, Tolerances, markdown};
use provisor::scim::project::Projection;
use provisor::scim::schema::{Attribute, AttributeType, Mutability};
use provisor::scim::{Matcher, Patch, ResourceSchema, ScimError, bulk, resource};
use serde_json::{Map, Value, json};

use crate::support::root;

const CUSTOM: &str = "urn:ietf:params:scim:schemas:extension:Custom:2.0:User";

/// The resource types of the cases: `User` has a custom extension with an attribute of each kind.
fn schema(name: &str) -> ResourceSchema {
    let one = |name: &'static str, kind| Attribute::new(name, kind, "");
    match name {
        "Device" => ResourceSchema::custom("Device", "urn:x:Device", []),
        "Group" => ResourceSchema::for_resource("Group").unwrap(),
        _ => ResourceSchema::for_resource("User").unwrap().with_extension(
            CUSTOM,
            [
                one("badge", AttributeType::String),
                one("level", AttributeType::Integer),
                one("share", AttributeType::Decimal),
                one("since", AttributeType::DateTime),
                one("anything", AttributeType::Any),
                one("tags", AttributeType::String).multi_valued(true),
                one("once", AttributeType::String).mutability(Mutability::Immutable),
            ],
        ),
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// The lines of a file of cases.
fn cases(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join("tests/cases/scim").join(file)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}")))
        .collect()
}

/// What an error is in a case: its word, or its status.
fn word(error: &ScimError) -> Value {
    error.scim_type.map_or_else(|| json!(error.status.to_string()), |word| json!(word.as_str()))
}

fn failed(error: &ScimError) -> Value {
    json!({ "error": word(error), "detail": error.detail })
}

/// What a case gives. Equal values are equal whatever the order of their members.
fn outcome(file: &str, case: &Value, t: Tolerances) -> Value {
    let on = schema(case["on"].as_str().unwrap_or("User"));
    match file {
        "patch.jsonl" => patched(case, &on, t),
        "filter.jsonl" => match Matcher::parse(case["filter"].as_str().unwrap(), &on, t) {
            Ok(matcher) => {
                let hits = case["resources"].as_array().unwrap().iter().map(|one| matcher.matches(&object(one)));
                json!({ "expect": hits.collect::<Vec<_>>() })
            }
            Err(error) => failed(&error),
        },
        "resource.jsonl" => {
            let made = match case.get("current") {
                Some(current) => resource::replace(&case["body"], &object(current), &on, t),
                None => resource::create(&case["body"], &on, t),
            };
            match made {
                Ok(made) => json!({ "expect": made.resource, "ignored": made.ignored }),
                Err(error) => failed(&error),
            }
        }
        "project.jsonl" => {
            let (attributes, excluded) = (case["attributes"].as_str(), case["excluded"].as_str());
            match Projection::parse(attributes, excluded, &on, t) {
                Ok(projection) => json!({ "expect": projection.apply(&object(&case["resource"]), &on) }),
                Err(error) => failed(&error),
            }
        }
        "query.jsonl" => {
            let query = match (case.get("body"), case["parameters"].as_object()) {
                (Some(body), _) => Query::from_search(body),
                (None, Some(fields)) => {
                    Query::from_parameters(fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())))
                }
                (None, None) => panic!("{case}"),
            };
            match query {
                Ok(query) => {
                    let (skip, take) = query.window(100, 1_000);
                    json!({ "expect": [skip, take, query.cursor, query.filter, query.attributes, query.descending] })
                }
                Err(error) => failed(&error),
            }
        }
        "bulk.jsonl" => bulked(case),
        "directory.jsonl" => directory::outcome(case, t),
        _ => panic!("{file} has no runner"),
    }
}

fn patched(case: &Value, on: &ResourceSchema, t: Tolerances) -> Value {
    let patch = match case.get("body") {
        Some(body) => Patch::parse(body, on, t),
        None => Patch::compile(case["operations"].as_array().unwrap(), on, t),
    };
    let mut fields = object(&case["resource"]);
    let before = fields.clone();
    match patch.and_then(|patch| patch.apply(&mut fields).map(|outcome| (outcome, patch))) {
        Ok((outcome, patch)) => {
            assert_eq!(outcome.changed, fields != before, "{}: what it says of changes", case["id"]);
            let change = patch.member_change();
            let add: Vec<&str> = change.add.iter().map(|member| member.value.as_str()).collect();
            let mut members = json!({ "replace": change.replace, "add": add, "remove": change.remove });
            if !change.remove_matching.is_empty() {
                members["matching"] = change.remove_matching.len().into();
            }
            json!({ "expect": fields, "changed": outcome.attributes, "members": members, "ignored": patch.ignored() })
        }
        Err(error) => {
            assert_eq!(fields, before, "{}: all or nothing", case["id"]);
            failed(&error)
        }
    }
}

/// Carries a bulk request out on paper: ids are `id-1`, `id-2`, in the order of execution.
fn bulked(case: &Value) -> Value {
    let mut bulk = match bulk::Bulk::parse(case["body"].clone(), &["/Users", "/Groups"]) {
        Ok(bulk) => bulk,
        Err(error) => return failed(&error),
    };
    let mut log = Vec::new();
    bulk.run(|operation| {
        let id = operation.id.clone().unwrap_or_else(|| format!("id-{}", log.len() + 1));
        log.push(json!([
            operation.method.as_str(),
            format!("{}/{}", operation.endpoint, operation.id.as_deref().unwrap_or_default()),
            operation.data
        ]));
        if operation.data.as_ref().is_some_and(|data| data["fail"] == true) {
            return Err(ScimError::uniqueness("it fails"));
        }
        Ok(bulk::Done { status: 201, location: Some(format!("{}/{id}", operation.endpoint)), version: None, id })
    });
    let response = bulk.response();
    let statuses: Vec<&Value> = response["Operations"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    json!({ "expect": log, "statuses": statuses })
}

/// Whether the outcome has all that the case says.
fn complaint(case: &Value, got: &Value) -> Option<String> {
    for key in ["expect", "changed", "members", "ignored", "statuses", "error"] {
        let Some(wanted) = case.get(key) else { continue };
        if got.get(key) != Some(wanted) {
            return Some(format!("{key} should be {wanted}\n    got {got}"));
        }
    }
    match (case.get("detail").and_then(Value::as_str), got["detail"].as_str()) {
        (Some(part), detail) if !detail.is_some_and(|detail| detail.contains(part)) => {
            Some(format!("the detail should have {part:?}\n    got {got}"))
        }
        _ if case.get("error").is_none() && got.get("error").is_some() => Some(format!("failed: {got}")),
        _ => None,
    }
}

const FILES: &[&str] =
    &["patch.jsonl", "filter.jsonl", "resource.jsonl", "project.jsonl", "query.jsonl", "bulk.jsonl", "directory.jsonl"];

#[test]
fn every_case_gives_what_it_says() {
    let (mut failures, mut ids, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for file in FILES {
        let cases = cases(file);
        assert!(cases.len() > 5, "{file} has {} cases", cases.len());
        for case in &cases {
            let id = case["id"].as_str().unwrap_or_else(|| panic!("{file}: no id: {case}"));
            assert!(ids.insert(id.to_owned()), "{file}: {id} is there twice");
            count += 1;
            if let Some(complaint) = complaint(case, &outcome(file, case, Tolerances::ALL)) {
                failures.push(format!("{file}: {id}: {complaint}"));
            }
        }
    }
    println!("scim: {} of {count} cases right", count - failures.len());
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_tolerance_has_a_case_that_needs_it() {
    let mut proven = BTreeSet::new();
    for file in FILES {
        for case in cases(file) {
            let Some(name) = case.get("tolerance").and_then(Value::as_str) else { continue };
            let tolerance = Tolerance::named(name).unwrap_or_else(|| panic!("no tolerance is called {name}"));
            let got = outcome(file, &case, Tolerances::ALL.without(tolerance));
            assert!(complaint(&case, &got).is_some(), "{}: passes without {name}: {got}", case["id"]);
            proven.insert(name.to_owned());
        }
    }
    let all: BTreeSet<String> = TABLE.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(proven, all);
}

#[test]
fn the_tolerances_in_the_docs_are_those_of_the_table() {
    let path = root().join("docs/scim-tolerances.md");
    if std::env::var_os("PROVISOR_WRITE_DOCS").is_some() {
        fs::write(&path, markdown()).unwrap();
    }
    let docs = fs::read_to_string(path).unwrap();
    assert!(docs == markdown(), "run this test with PROVISOR_WRITE_DOCS=1");
}
