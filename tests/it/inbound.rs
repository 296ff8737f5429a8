//! Mappings of a source, as the people see them who provision into it: profiles, halts, roles of groups, declared types.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Data, GROUP, Server, USER, cli};

/// A mapping whose one rule fails on a hire date that is no date, and skips who has no address.
const PEOPLE: &str = r#"
name     = "people"
resource = "person"

[target]
kind = "json"

[attributes]
login = '[userName]'
mail  = { expr = '[emails[type eq "work"].value]', required = true }
since = 'FormatDateTime([title], , "yyyy-MM-dd", "dd.MM.yyyy")'
code  = { expr = 'RandomString(8, 0, 0, 0, 0, "")', apply = "create" }
guard = { rhai = 'if source.nickName == "robot" { skip("robots are nobody") } else { "person" }' }
"#;

/// A mapping that makes a role of the first group.
const ROLES: &str = r#"
name     = "roles"
resource = "person"

[target]
kind = "json"

[attributes]
login = '[userName]'
role  = { liquid = '{{ value | downcase }}', value = 'groups[0].displayName', default = "none" }
"#;

fn person(name: &str, since: &str) -> Value {
    json!({"schemas": [USER], "userName": name, "title": since, "emails": [{"type": "work", "value": format!("{name}@x.example")}]})
}

fn mapped(server: &Server, text: &str, mapping: &str) {
    let put = server.api("PUT", &format!("/mappings/{mapping}"), &[("Content-Type", "application/toml")], text);
    assert!([200, 201].contains(&put.status), "{}", put.text());
    let set = server.api("PUT", "/sources/default", &[], &json!({"userMapping": mapping}).to_string());
    assert_eq!(set.status, 200, "{}", set.text());
}

fn profile(server: &Server, id: &str) -> Value {
    let reply = server.api("GET", &format!("/sources/default/profiles/{id}"), &[], "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["profile"].clone()
}

/// The profile once it is as wanted; profiles of many are made anew in the background.
fn profile_when(server: &Server, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let found = profile(server, id);
        if wanted(&found) {
            return found;
        }
        thread::sleep(Duration::from_millis(25));
    }
    panic!("the profile stays {}", profile(server, id))
}

#[test]
fn profiles_are_stored_with_the_resource() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let before = server.user("early@x.example");
    mapped(&server, PEOPLE, "people");
    let made = server.scim("POST", "/Users", Some(&person("ada", "2026-03-01")));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let first = profile(&server, &id);
    assert_eq!((&first["mapping"], &first["revision"]), (&json!("people"), &json!(1)));
    assert_eq!(first["value"]["since"], "01.03.2026");
    let code = first["value"]["code"].clone();
    assert_eq!(code.as_str().map(str::len), Some(8));
    let path = format!("/Users/{id}");
    let changed = server.patch(&path, json!([{"op": "replace", "path": "title", "value": "2026-04-02"}]));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let second = profile(&server, &id);
    assert_eq!((&second["value"]["since"], &second["value"]["code"]), (&json!("02.04.2026"), &code), "made once, kept");
    // Who came before the mapping gets a profile in the background; here the reason why there is none.
    let skipped = profile_when(&server, &before, |profile| !profile.is_null());
    assert!(skipped["skipped"].as_str().unwrap().contains("`mail` has no value"), "{skipped}");
    // The data lacks what the mapping needs: the client is told what, and nothing is stored.
    let refused = server.scim("POST", "/Users", Some(&json!({"schemas": [USER], "userName": "bob"})));
    assert_eq!((refused.status, &refused.json()["scimType"]), (400, &json!("invalidValue")));
    assert!(refused.text().contains("`mail`"), "{}", refused.text());
    let mut robot = person("r2", "2026-01-01");
    robot["nickName"] = "robot".into();
    let refused = server.scim("POST", "/Users", Some(&robot));
    assert!(refused.status == 400 && refused.text().contains("robots are nobody"), "{}", refused.text());
    assert_eq!(server.scim("GET", "/Users?filter=userName+eq+%22r2%22", None).json()["totalResults"], 0);
    drop(server);
    let (fine, text) = cli(&["source", "profile", "default", &id], &data.0);
    assert!(fine && text.contains("02.04.2026"), "{text}");
}

#[test]
fn a_failing_program_halts_the_source_until_it_is_mended() {
    let data = Data::new();
    let server = Server::start(&data.0);
    mapped(&server, PEOPLE, "people");
    let good =
        server.scim("POST", "/Users", Some(&person("ada", "2026-03-01"))).json()["id"].as_str().unwrap().to_owned();
    let failed = server.scim("POST", "/Users", Some(&person("bob", "the day after")));
    assert_eq!(failed.status, 503, "{}", failed.text());
    assert!(failed.head.contains("retry-after: 300"), "{}", failed.head);
    let told = failed.json()["detail"].as_str().unwrap().to_owned();
    for words in ["people", "revision 1", "rule `since`", "people.toml:11:25", "E0702"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert!(!told.contains("the day after"), "no value is told: {told}");
    // Every write stands still, also good ones, and reads go on.
    for (method, path, body) in [
        ("POST", "/Users".to_owned(), Some(person("cy", "2026-03-01"))),
        ("DELETE", format!("/Users/{good}"), None),
        ("POST", "/Groups".to_owned(), Some(json!({"schemas": [GROUP], "displayName": "A"}))),
    ] {
        let held = server.scim(method, &path, body.as_ref());
        assert_eq!(held.status, 503, "{method} {path}: {}", held.text());
    }
    let found = server.scim("GET", "/Users", None).json();
    assert_eq!(found["totalResults"], 1, "the failing user was not stored");
    let shown = server.api("GET", "/sources/default", &[], "").json();
    assert_eq!((&shown["halt"]["rule"], &shown["halt"]["mapping"]), (&json!("since"), &json!("people")));
    assert!(shown["halt"]["report"].as_str().unwrap().contains("^^^"), "{shown}");
    let metrics = server.send("GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("provisor_source_halted{source=\"default\"} 1"), "{metrics}");
    // A halt outlives the process.
    server.kill();
    let (_, text) = cli(&["source", "show", "default"], &data.0);
    assert!(text.contains("HALTED") && text.contains("the day after"), "{text}");
    let server = Server::start(&data.0);
    assert_eq!(server.scim("DELETE", &format!("/Users/{good}"), None).status, 503);
    // A mapping that does not compile is refused, with findings, and the old one stays.
    let broken = PEOPLE.replace("FormatDateTime", "FormatDatTime");
    let refused = server.api("PUT", "/mappings/people", &[], &broken);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["diagnostics"][0]["code"], "E0301", "{}", refused.text());
    assert_eq!(server.scim("DELETE", &format!("/Users/{good}"), None).status, 503);
    // One that says what to do with bad dates lifts the halt.
    let mended = PEOPLE.replace("since = 'F", "since.on_error = \"null\"\nsince.expr = 'F");
    let put = server.api("PUT", "/mappings/people", &[("If-Match", "\"1\"")], &mended);
    assert_eq!((put.status, &put.json()["revision"]), (200, &json!(2)), "{}", put.text());
    assert_eq!(server.api("PUT", "/mappings/people", &[("If-Match", "\"1\"")], PEOPLE).status, 412);
    let made = server.scim("POST", "/Users", Some(&person("bob", "the day after")));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(profile_when(&server, &good, |profile| profile["revision"] == 2)["value"]["since"], "01.03.2026");
    let history = server.api("GET", "/mappings/people/revisions", &[], "").json();
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.api("GET", "/mappings/people/revisions/1", &[], "").text(), PEOPLE, "byte for byte");
}

#[test]
fn an_operator_may_let_a_halted_source_go_on() {
    let data = Data::new();
    let server = Server::start(&data.0);
    mapped(&server, PEOPLE, "people");
    assert_eq!(server.scim("POST", "/Users", Some(&person("bob", "soon"))).status, 503);
    let resumed = server.api("POST", "/sources/default/resume", &[], "");
    assert_eq!(resumed.json(), json!({"source": "default", "wasHalted": true}));
    assert_eq!(server.scim("POST", "/Users", Some(&person("ada", "2026-03-01"))).status, 201);
    assert_eq!(server.scim("POST", "/Users", Some(&person("bob", "soon"))).status, 503, "it fails again");
    drop(server);
    let (fine, text) = cli(&["source", "resume", "default"], &data.0);
    assert!(fine && text.contains("takes writes again"), "{text}");
    assert_eq!(Server::start(&data.0).scim("POST", "/Users", Some(&person("ada2", "2026-03-01"))).status, 201);
}

#[test]
fn roles_come_of_groups_in_either_order() {
    let data = Data::new();
    let server = Server::start(&data.0);
    mapped(&server, ROLES, "roles");
    let role = |id: &str| profile(&server, id)["value"]["role"].clone();
    let (ada, bob) = (server.user("ada"), server.user("bob"));
    assert_eq!(role(&ada), "none");
    // The group comes with its member, or the member later.
    let group = json!({"schemas": [GROUP], "displayName": "Acme-Admins", "members": [{"value": ada}]});
    let group = server.scim("POST", "/Groups", Some(&group)).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/Groups/{group}");
    assert_eq!(role(&ada), "acme-admins");
    server.patch(&path, json!([{"op": "Add", "path": "members", "value": [{"value": bob}]}]));
    assert_eq!(role(&bob), "acme-admins");
    server.patch(&path, json!([{"op": "replace", "path": "displayName", "value": "Acme-Owners"}]));
    assert_eq!((role(&ada), role(&bob)), (json!("acme-owners"), json!("acme-owners")), "a group gets another name");
    server.patch(&path, json!([{"op": "Remove", "path": "members", "value": [{"value": bob}]}]));
    assert_eq!((role(&ada), role(&bob)), (json!("acme-owners"), json!("none")));
    let put = json!({"schemas": [GROUP], "displayName": "Acme-Owners", "members": [{"value": bob}]});
    assert_eq!(server.scim("PUT", &path, Some(&put)).status, 200);
    assert_eq!((role(&ada), role(&bob)), (json!("none"), json!("acme-owners")));
    // What the client sent is as it was, only the version tells that its groups are others.
    let changed = server.patch(&format!("/Users/{bob}"), json!([{"op": "replace", "path": "title", "value": "x"}]));
    assert_eq!((changed.status, role(&bob)), (200, json!("acme-owners")));
    assert_eq!(server.scim("DELETE", &path, None).status, 204);
    assert_eq!(role(&bob), "none");
    // Another mapping, and everybody is mapped anew.
    mapped(&server, &ROLES.replace("\"none\"", "\"guest\""), "roles");
    profile_when(&server, &ada, |profile| profile["value"]["role"] == "guest");
    drop(server);
    let (fine, text) = cli(&["store", "verify"], &data.0);
    assert!(fine && text.contains("all agree"), "{text}");
}

#[test]
fn groups_that_gain_one_user_at_once_do_not_lose_each_other() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let counting = ROLES.replace(
        "{ liquid = '{{ value | downcase }}', value = 'groups[0].displayName', default = \"none\" }",
        "'Count([groups])'",
    );
    mapped(&server, &counting, "roles");
    let user = server.user("ada");
    let groups: Vec<String> = (0..8).map(|number| server.group(&format!("G{number}"))).collect();
    thread::scope(|scope| {
        for group in &groups {
            let (server, user) = (&server, &user);
            scope.spawn(move || {
                let add = json!([{"op": "add", "path": "members", "value": [{"value": user}]}]);
                let reply = server.patch(&format!("/Groups/{group}"), add);
                assert!([200, 204].contains(&reply.status), "{}", reply.text());
            });
        }
    });
    assert_eq!(profile(&server, &user)["value"]["role"], 8);
}

#[test]
fn large_groups_are_seen_to_in_the_background() {
    let data = Data::new();
    let server = Server::start(&data.0);
    mapped(&server, ROLES, "roles");
    let body = |number: usize| json!({"method": "POST", "path": "/Users", "bulkId": format!("b{number}"), "data": {"schemas": [USER], "userName": format!("u{number}")}});
    let operations: Vec<Value> = (0..600).map(body).collect();
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    let made = server.scim("POST", "/Bulk", Some(&bulk)).json();
    let made = made["Operations"].as_array().unwrap();
    let ids: Vec<String> =
        made.iter().map(|done| done["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"schemas": [GROUP], "displayName": "All", "members": members});
    assert_eq!(server.scim("POST", "/Groups", Some(&group)).status, 201);
    for id in [&ids[0], &ids[599]] {
        profile_when(&server, id, |profile| profile["value"]["role"] == "all");
    }
}

fn configured(directory: &Path, text: &str) -> String {
    fs::create_dir_all(directory).unwrap();
    let file = directory.join("provisor.toml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_configuration_declares_sources() {
    let data = Data::new();
    let home = data.0.join("etc");
    let config = configured(
        &home,
        r#"
        [[source]]
        slug = "default"
        user_mapping = "people.toml"
        unique_email = true

        [[source.extensions]]
        urn = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"
        attributes = [{ name = "postalCode", type = "any" }]

        [[source.resource_types]]
        name = "Device"
        endpoint = "/Devices"
        schema = "urn:acme:params:scim:schemas:Device"
        description = "A laptop or a telephone"
        attributes = [
            { name = "serial", required = true, uniqueness = "server", case_exact = true },
            { name = "model", canonical_values = ["laptop", "phone"] },
            { name = "parts", type = "complex", multi_valued = true, sub_attributes = [{ name = "value" }, { name = "type" }] },
        ]
        "#,
    );
    // A mapping that does not compile: the server serves, and the source takes no writes.
    fs::write(home.join("people.toml"), PEOPLE.replace("[userName]", "[userName")).unwrap();
    let store = data.0.join("store");
    let server = Server::start_by(&store, &["--config", &config], &[]);
    assert!(server.greeting.contains("HALTED"), "{}", server.greeting);
    let held = server.scim("POST", "/Users", Some(&person("ada", "2026-01-01")));
    assert!(held.status == 503 && held.text().contains("people.toml:9:"), "{}", held.text());
    drop(server);
    fs::write(home.join("people.toml"), PEOPLE).unwrap();
    let server = Server::start_by(&store, &["--config", &config], &[]);
    let urn = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User";
    let mut ada = person("ada", "2026-01-01");
    ada["schemas"] = json!([USER, urn]);
    ada[urn] = json!({"postalCode": "8001"});
    let made = server.scim("POST", "/Users", Some(&ada));
    assert_eq!((made.status, &made.json()[urn]["postalCode"]), (201, &json!("8001")), "{}", made.text());
    assert!(server.scim("GET", &format!("/Schemas/{urn}"), None).text().contains("postalCode"));
    // One work address, one user.
    let mut twin = person("eve", "2026-01-01");
    twin["emails"] = json!([{"type": "work", "value": "ADA@x.example"}]);
    let clash = server.scim("POST", "/Users", Some(&twin));
    assert_eq!((clash.status, &clash.json()["scimType"]), (409, &json!("uniqueness")), "{}", clash.text());
    assert!(clash.json()["detail"].as_str().unwrap().contains("emails[type eq \"work\"].value"), "{}", clash.text());
    // A resource type of one's own has all of the protocol.
    let device = json!({"schemas": ["urn:acme:params:scim:schemas:Device"], "serial": "X1", "model": "laptop", "parts": [{"value": "lid", "type": "a"}]});
    let made = server.scim("POST", "/Devices", Some(&device));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.json()["meta"]["resourceType"], "Device");
    let clash = server.scim("POST", "/Devices", Some(&device));
    assert!(clash.status == 409 && clash.text().contains("serial"), "{}", clash.text());
    let lacking = json!({"schemas": ["urn:acme:params:scim:schemas:Device"], "model": "phone"});
    assert_eq!(server.scim("POST", "/Devices", Some(&lacking)).status, 400, "`serial` is required");
    let found = server.scim("GET", "/Devices?filter=parts%5Bvalue+eq+%22lid%22%5D", None).json();
    assert_eq!(found["totalResults"], 1);
    let changed =
        server.patch(&format!("/Devices/{id}"), json!([{"op": "add", "path": "parts", "value": [{"value": "key"}]}]));
    assert_eq!(changed.json()["parts"].as_array().map(Vec::len), Some(2), "{}", changed.text());
    assert!(server.scim("GET", "/ResourceTypes", None).text().contains("/Devices"));
    assert_eq!(server.scim("DELETE", &format!("/Devices/{id}"), None).status, 204);
    // What cannot be is refused whole.
    let refused = server.api("PUT", "/sources/default", &[], r#"{"uniqueEmail": false}"#);
    assert!(refused.status == 422 && refused.text().contains("has users"), "{}", refused.text());
    let refused = server.api("PUT", "/sources/default", &[], r#"{"uniqueEmail": true, "userMaping": "x"}"#);
    assert!(refused.status == 422 && refused.text().contains("userMaping"), "{}", refused.text());
    let refused = server.api("PUT", "/sources/default", &[], r#"{"uniqueEmail": true, "userMapping": "nobody"}"#);
    assert!(refused.status == 404 && refused.text().contains("nobody"), "{}", refused.text());
}

#[test]
fn the_command_line_sets_mappings_and_declarations() {
    let data = Data::new();
    drop(Server::start(&data.0));
    fs::write(data.0.join("people.toml"), PEOPLE).unwrap();
    fs::write(data.0.join("declared.toml"), "[[resource_types]]\nname = \"Device\"\nendpoint = \"/Devices\"\nschema = \"urn:a:b:Device\"\nattributes = [{ name = \"serial\" }]\n").unwrap();
    let file = |name: &str| data.0.join(name).display().to_string();
    let (fine, text) = cli(
        &["source", "set", "default", "--user-mapping", &file("people.toml"), "--declare", &file("declared.toml")],
        &data.0,
    );
    assert!(fine, "{text}");
    let (_, text) = cli(&["source", "show", "default"], &data.0);
    assert!(text.contains("mapping of users: people, revision 1"), "{text}");
    fs::write(data.0.join("people.toml"), PEOPLE.replace("[userName]", "[userName")).unwrap();
    let (fine, text) = cli(&["source", "set", "default", "--user-mapping", &file("people.toml")], &data.0);
    assert!(!fine && text.contains("E0"), "{text}");
    let server = Server::start(&data.0);
    assert_eq!(server.scim("GET", "/Devices", None).status, 200);
    let made = server.scim("POST", "/Users", Some(&person("ada", "2026-01-02")));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(profile(&server, &id)["value"]["login"], "ada");
}
