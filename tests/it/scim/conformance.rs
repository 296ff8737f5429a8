//! The shapes of Entra's requests that stand beside the repository on the project's own machines, as far as they are about
//! the protocol alone: bodies are read, patches applied, filters compiled. What the answers must be is the server's part.

use std::collections::BTreeMap;
use std::fs;

use provisor::scim::list::Query;
use provisor::scim::project::Projection;
use provisor::scim::{Matcher, Patch, Tolerances, bulk, resource};
use serde_json::{Value, json};

use super::{object, schema};
use crate::support::shared;

/// What the layer makes of a request: a status, and what is there afterwards.
fn answer(case: &Value) -> (u64, Value) {
    let path = case["path"].as_str().unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let on = schema(if path.starts_with("/Groups") { "Group" } else { "User" });
    let t = Tolerances::ALL;
    let refused = |error: provisor::scim::ScimError| (u64::from(error.status), error.to_json());
    match case["method"].as_str().unwrap() {
        "POST" if path.ends_with("bulkUpload") => match bulk::Bulk::parse(case["body"].clone(), &["/Users", "/Groups"])
        {
            Ok(mut bulk) => {
                bulk.run(|operation| {
                    let data = operation.data.clone().unwrap_or_default();
                    resource::create(&data, &schema("User"), t)?;
                    Ok(bulk::Done { status: 201, id: "1".into(), location: None, version: None })
                });
                let response = bulk.response();
                (if response.to_string().contains("\"400\"") { 400 } else { 202 }, response)
            }
            Err(error) => refused(error),
        },
        "POST" => match resource::create(&case["body"], &on, t) {
            Ok(made) => (201, Value::Object(made.resource)),
            Err(error) => refused(error),
        },
        "PATCH" => {
            let start = json!({"userName": "u", "displayName": "d", "title": "t", "preferredLanguage": "de"});
            let mut fields = object(&start);
            match Patch::parse(&case["body"], &on, t).and_then(|patch| patch.apply(&mut fields).map(|_| patch)) {
                Ok(patch) => {
                    let change = patch.member_change();
                    let members: Vec<&str> = change.add.iter().map(|member| member.value.as_str()).collect();
                    fields.insert("+".into(), json!([change.replace, members, change.remove]));
                    (204, Value::Object(fields))
                }
                Err(error) => refused(error),
            }
        }
        _ => {
            let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
            let read = Query::from_parameters(parameters).and_then(|query| {
                Projection::parse(query.attributes.as_deref(), query.excluded_attributes.as_deref(), &on, t)?;
                query.filter.map(|filter| Matcher::parse(&filter, &on, t)).transpose()
            });
            read.map_or_else(refused, |_| (200, Value::Null))
        }
    }
}

/// What must be there after a request, where the set says so in words.
fn wanted(name: &str) -> Option<Value> {
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    Some(match name {
        "12-patch-add-manager-doc" => {
            json!({enterprise: {"manager": {"$ref": "http://.../scim/Users/2819c223-7f76-453a-919d-413861904646", "value": "2819c223-7f76-453a-919d-413861904646"}}})
        }
        "13-patch-manager-string" => {
            json!({enterprise: {"manager": {"value": "2c2f6fb8-254f-492e-b7fe-c09c5a61c8a2"}}})
        }
        "20-disable-user-noflag" => json!({"active": false}),
        "22-enable-user-noflag" => json!({"active": true}),
        "26-replace-multiple-flag" => {
            json!({"displayName": "Bjfe", "name": {"givenName": "Kkom", "familyName": "Unua"}})
        }
        "27-remove-member-noflag" => json!({"+": [false, [], ["u1091"]]}),
        "37-patch-group-remove-member" => json!({"+": [false, [], ["f648f8d5ea4e4cd38e9c"]]}),
        "48-replace-email-on-absent" => json!({"emails": [{"type": "work", "value": "new@contoso.com"}]}),
        "50-replace-empty-string-clears" => json!({"title": null}),
        "55-validator-add-verbose" => json!({
            "emails": [{"type": "work", "value": "broderick_ohara@blick.name", "primary": true}],
            "roles": [{"primary": true, "display": "TQBJFQYVJCAG", "value": "UOYTUVLKIPND", "type": "VGNBBCPQEMYC"}],
        }),
        "60-validator-user-multi-op-different" => json!({"title": "NewTitle", "preferredLanguage": null}),
        "69-reference-group-member-plain-string" => json!({"+": [false, ["string id 1"], []]}),
        _ => return None,
    })
}

#[test]
fn entra_requests() {
    let Some(directory) = shared("conformance/scim-requests") else {
        eprintln!("not run: ../shared/conformance/scim-requests is not here; tests/cases/scim covers the same shapes");
        return;
    };
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let (mut failures, mut counts) = (Vec::new(), BTreeMap::<&str, u32>::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let case: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let expected: Vec<u64> = match &case["expect"]["status"] {
            Value::Array(all) => all.iter().filter_map(Value::as_u64).collect(),
            one => one.as_u64().into_iter().collect(),
        };
        // What is there and what is taken is the store's to know.
        if case["method"] == "DELETE" || expected.iter().all(|status| [404, 409].contains(status)) {
            *counts.entry("the store's").or_default() += 1;
            continue;
        }
        let (status, after) = answer(&case);
        // 200 and 204 are the server's choice.
        let status_fits = expected.contains(&status) || status == 204 && expected.contains(&200);
        let differs = wanted(name).and_then(|wanted| {
            let wanted = object(&wanted);
            wanted.into_iter().find(|(key, value)| after.get(key).unwrap_or(&Value::Null) != value)
        });
        match differs {
            None if status_fits => *counts.entry("right").or_default() += 1,
            _ => failures.push(format!("{name}: {status} instead of {expected:?}: {after}\n  wanted {differs:?}")),
        }
    }
    println!("scim-requests: {counts:?}, {} wrong", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(counts["right"] > 25, "{counts:?}");
}
