//! The RFCs and Entra over HTTP: what other servers fail, what their users complain of, where suites disagree, and what
//! Entra's service sends, as conversations in `tests/cases/http`.

use std::fs;

use serde_json::{Value, json};

use crate::http::{Talk, hold};
use crate::server::{Data, GROUP, Server, USER};
use crate::support::shared;

fn talks(file: &str, at_least: usize) {
    let data = Data::new();
    let server = Server::start(&data.0);
    let held = hold(&server, file).len();
    assert!(held >= at_least, "{file} has {held} conversations");
}

#[test]
fn what_other_servers_fail() {
    talks("rfc.json", 20);
}

#[test]
fn where_suites_and_the_rfc_pull_apart() {
    talks("dialects.json", 10);
}

#[test]
fn what_entra_sends() {
    talks("entra.json", 15);
}

#[test]
fn bodies_that_are_not_read_into_values() {
    talks("quick.json", 2);
}

#[test]
fn what_users_of_other_servers_complain_of() {
    talks("pains.json", 9);
}

/// Creates what a request of the set is about, and puts its ids in the place of those that the set has.
fn prepared(talk: &Talk<'_>, name: &str, case: &Value) -> String {
    let post = |to: &str, body: &Value| {
        let reply = talk.send("POST", to, &Value::Null, Some(body));
        assert_eq!(reply.status, 201, "{name}: {}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    };
    let path = case["path"].as_str().unwrap().to_owned();
    let setup = case["setup"]["POST /Users"].clone();
    let user = if setup.is_object() {
        setup
    } else {
        json!({"schemas": [USER], "userName": "Test_User_dfeef4c5-5681-4387-b016-bdf221e82081", "externalId": "jyoung-before",
            "title": "before", "preferredLanguage": "de"})
    };
    let number = &name[..2];
    match number {
        "53" => drop(post("/Users", &json!({"schemas": [USER], "userName": "julien.vonrueden@ondricka.us"}))),
        "64" => drop(post("/Groups", &case["body"])),
        "65" => {
            let id = "087af0b9-d1e1-480d-acb8-03ceaa8ea85b";
            drop(post("/Groups", &json!({"schemas": [GROUP], "displayName": "g", "externalId": id})));
        }
        "04" => drop(post("/Users", &user)),
        _ => {}
    }
    let (resource, id) = path[1..].split_once('/').map_or((path.as_str(), ""), |(head, id)| (&path[..=head.len()], id));
    if id.is_empty() || case["expect"]["status"] == 404 {
        return path;
    }
    let id = if resource == "/Users" {
        post(resource, &user)
    } else {
        let members = json!([{"value": "stays"}, {"value": "u1091"}, {"value": "f648f8d5ea4e4cd38e9c"}]);
        post(resource, &json!({"schemas": [GROUP], "displayName": "g", "members": members}))
    };
    format!("{resource}/{id}")
}

/// What must be there after a request: the path of GET (`$` is that of the request), a pointer and the value.
fn afterwards(number: &str) -> Option<(&'static str, &'static str, Value)> {
    Some(match number {
        "01" => ("/Users", "/totalResults", json!(1)),
        "09" => ("/Users?filter=externalId eq \"jyoung\"", "/Resources/0/schemas", json!([USER])),
        "13" => (
            "$",
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager/value",
            json!("2c2f6fb8-254f-492e-b7fe-c09c5a61c8a2"),
        ),
        "20" => ("$", "/active", json!(false)),
        "22" => ("$", "/active", json!(true)),
        "23" | "24" => ("$", "/nickName", json!("Babs")),
        "26" => ("$", "/name", json!({"givenName": "Kkom", "familyName": "Unua"})),
        "27" => ("$", "/members", json!([{"value": "stays"}, {"value": "f648f8d5ea4e4cd38e9c"}])),
        "37" => ("$", "/members", json!([{"value": "stays"}, {"value": "u1091"}])),
        "48" => ("$", "/emails", json!([{"type": "work", "value": "new@contoso.com"}])),
        "50" => ("$", "/title", Value::Null),
        "51" => ("/Users", "/Resources/0/roles/0/primary", json!(true)),
        "55" => (
            "$",
            "/roles",
            json!([{"primary": true, "display": "TQBJFQYVJCAG", "value": "UOYTUVLKIPND", "type": "VGNBBCPQEMYC"}]),
        ),
        "60" => ("$", "/preferredLanguage", Value::Null),
        "69" => ("/Groups?filter=members eq \"string id 1\"", "/totalResults", json!(1)),
        _ => return None,
    })
}

#[test]
fn every_request_of_the_set_is_answered_as_documented() {
    let Some(directory) = shared("conformance/scim-requests") else {
        eprintln!("not run: ../shared/conformance/scim-requests is not here; tests/cases/http has the same requests");
        return;
    };
    let data = Data::new();
    let server = Server::start(&data.0);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut right, mut failures) = (0, Vec::new());
    for file in &files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let case: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        // Graph's own endpoint, and no SCIM service's.
        if name.starts_with("75") {
            continue;
        }
        let talk = Talk::new(&server, &format!("set-{}", &name[..2]), name.contains("-flag"));
        let path = prepared(&talk, name, &case);
        let body = case.get("body").filter(|body| !body.is_null());
        let reply = talk.send(case["method"].as_str().unwrap(), &path, &Value::Null, body);
        let expected = &case["expect"];
        let status = json!(reply.status);
        let mut wrong = Vec::new();
        if expected["status"] != status && !expected["status"].as_array().is_some_and(|some| some.contains(&status)) {
            wrong.push(format!("status {status} instead of {}", expected["status"]));
        }
        let told = if reply.body.is_empty() { Value::Null } else { reply.json() };
        let documented = expected["body"].as_object().cloned().unwrap_or_default();
        for (key, value) in documented {
            // Ids, times and words are ours; how many documents of schemas there are and a page's default size, too.
            let ours = ["id", "meta", "detail", "Resources", "itemsPerPage"].contains(&key.as_str());
            // An empty list is no value (RFC 7643, section 2.5).
            let nothing = value == json!([]) && told.get(&key).is_none();
            // Whose extension has no value does not list it.
            let shorter = key == "schemas" && name.starts_with("01");
            if !ours && !nothing && !shorter && told.get(&key) != Some(&value) {
                wrong.push(format!("{key} should be {value}"));
            }
        }
        if let Some((at, pointer, value)) = afterwards(&name[..2]) {
            let after = talk.send("GET", &at.replace('$', &path), &Value::Null, None).json();
            if after.pointer(pointer).cloned().unwrap_or_default() != value {
                wrong.push(format!("{pointer} should be {value} afterwards: {after}"));
            }
        }
        if wrong.is_empty() {
            right += 1;
        } else {
            failures.push(format!("{name}: {}\n    got {} {}", wrong.join("; "), reply.status, reply.text()));
        }
    }
    println!("scim-requests over HTTP: {right} right, {} wrong", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(right >= 40, "only {right} requests");
}

#[test]
fn members_are_written_the_same_whether_a_group_is_asked_for_whole_or_for_them() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let (ada, inner) = (server.user("ada"), server.group("Inner"));
    let odd = "nobody \"é\"\u{7}/\\";
    let group = json!({"schemas": [GROUP], "displayName": "All",
        "members": [{"value": ada}, {"value": odd}, {"value": inner, "type": "Group"}]});
    let made = server.scim("POST", "/Groups", Some(&group)).json();
    let path = format!("/Groups/{}", made["id"].as_str().unwrap());
    let whole = server.scim("GET", &path, None).json();
    let named = server.scim("GET", &format!("{path}?attributes=members"), None).json();
    assert_eq!(whole["members"], named["members"]);
    let members = whole["members"].as_array().unwrap();
    let of = |id: &str| members.iter().find(|member| member["value"] == id).unwrap();
    assert!(of(&ada)["$ref"].as_str().unwrap().ends_with(&format!("/Users/{ada}")) && of(&ada)["type"] == "User");
    assert!(
        of(&inner)["$ref"].as_str().unwrap().ends_with(&format!("/Groups/{inner}")) && of(&inner)["type"] == "Group"
    );
    assert_eq!((members.len(), of(odd)), (3, &json!({"value": odd})));
    let listed = server.scim("GET", "/Groups?filter=displayName%20eq%20%22All%22", None).json();
    assert_eq!(listed["Resources"], json!([whole]));
    // Nobody left: no `members` at all.
    server.patch(&path, json!([{"op": "remove", "path": "members"}]));
    assert_eq!(server.scim("GET", &path, None).json().get("members"), None);
}
