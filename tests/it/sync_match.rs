//! Whose object is whose: precedence, letter case, odd values, several hits, and what is never touched.

use provisor::target::Kind;
use serde_json::{Value, json};

use crate::server::USER;
use crate::sync_world::{Far, World, people, team};

/// Users by externalId, then name, then address.
const BY_THREE: &str = r#"
name = "three"
resource = "User"
[source]
attributes = ["id", "userName", "mail", "title"]
[attributes]
externalId = { expr = '[id]', match = 1 }
userName = { expr = '[userName]', match = 2, apply = "create" }
'emails[type eq "work"].value' = { expr = '[mail]', match = 3 }
title = '[title]'
"#;

/// What is to become of the record.
enum Fate {
    /// It is linked to the object with this name.
    Links(&'static str),
    Made,
    Ambiguous,
}

fn put(far: &Far, mut user: Value) -> Value {
    user["schemas"] = json!([USER]);
    let reply = far.server.scim("POST", "/Users", Some(&user));
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

fn mail(address: &str) -> Value {
    json!([{"type": "work", "value": address}])
}

#[test]
fn the_first_match_that_hits_decides() {
    let cases = [
        (
            "externalId before address",
            json!([{"userName": "x", "externalId": "r1"}, {"userName": "y", "emails": mail("a@x.example")}]),
            json!({"id": "r1", "userName": "a", "mail": "a@x.example"}),
            Fate::Links("x"),
        ),
        (
            "name before address, in another case",
            json!([{"userName": "y", "emails": mail("a@x.example")}, {"userName": "ADA"}]),
            json!({"id": "r1", "userName": "ada", "mail": "a@x.example"}),
            Fate::Links("ADA"),
        ),
        (
            "address, in another case",
            json!([{"userName": "y", "emails": mail("A@X.example")}]),
            json!({"id": "r1", "userName": "ada", "mail": "a@x.example"}),
            Fate::Links("y"),
        ),
        (
            "an address of another type is no match",
            json!([{"userName": "y", "emails": [{"type": "home", "value": "a@x.example"}]}]),
            json!({"id": "r1", "userName": "ada", "mail": "a@x.example"}),
            Fate::Made,
        ),
        (
            "an externalId in another case is another",
            json!([{"userName": "y", "externalId": "R1"}]),
            json!({"id": "r1", "userName": "ada", "mail": "a@x.example"}),
            Fate::Made,
        ),
        (
            "two with the address",
            json!([{"userName": "y", "emails": mail("a@x.example")}, {"userName": "z", "emails": mail("a@x.example")}]),
            json!({"id": "r1", "userName": "ada", "mail": "a@x.example"}),
            Fate::Ambiguous,
        ),
        (
            "an apostrophe",
            json!([{"userName": "y", "emails": mail("o'hara@x.example")}]),
            json!({"id": "r1", "userName": "ohara", "mail": "o'hara@x.example"}),
            Fate::Links("y"),
        ),
        (
            "quotes and a backslash",
            json!([{"userName": "y", "externalId": "a\"b\\c' or userName pr"}, {"userName": "z"}]),
            json!({"id": "a\"b\\c' or userName pr", "userName": "ohara", "mail": ""}),
            Fate::Links("y"),
        ),
        (
            "nothing to be found by but a name that nobody has",
            json!([{"userName": "y"}, {"userName": "z"}]),
            json!({"id": "r1", "userName": "ada", "mail": null}),
            Fate::Made,
        ),
    ];
    let (mut world, far) = World::to_scim("three");
    world.scratch.write("users.toml", BY_THREE);
    world.settings["users"]["delete"] = "nothing".into();
    // Looked up one by one, and met in a list.
    for alone in [false, true] {
        for (why, objects, record, fate) in &cases {
            for user in far.users().values() {
                far.server.scim("DELETE", &format!("/Users/{}", user["id"].as_str().unwrap()), None);
            }
            world.settings["name"] = format!("s{}", why.len() + usize::from(alone) * 1_000).into();
            let objects = objects.as_array().unwrap();
            let ids: Vec<Value> = objects.iter().map(|object| put(&far, object.clone())["id"].clone()).collect();
            world.set_users(std::slice::from_ref(record));
            far.requests();
            let report = if alone { world.one(Kind::User, record["id"].as_str().unwrap()) } else { world.good() };
            let name = |name: &str| objects.iter().position(|object| object["userName"] == name).unwrap();
            let counts = report.counts;
            match fate {
                Fate::Links(to) => {
                    assert_eq!((counts.linked, counts.created, far.users().len()), (1, 0, objects.len()), "{why}");
                    let linked = far.user(to);
                    assert_eq!((&linked["id"], &linked["externalId"]), (&ids[name(to)], &record["id"]), "{why}");
                }
                Fate::Made => {
                    assert_eq!((counts.linked, counts.created), (0, 1), "{why}: {report:?}");
                    assert_eq!(far.users().len(), objects.len() + 1, "{why}");
                }
                Fate::Ambiguous => {
                    assert_eq!(counts.ambiguous, 1, "{why}: {report:?}");
                    assert_eq!(far.writes(), [], "{why}");
                }
            }
        }
    }
}

#[test]
fn two_records_are_never_one_object() {
    let (mut world, far) = World::to_scim("two-records");
    world.scratch.write("users.toml", BY_THREE);
    put(&far, json!({"userName": "x", "emails": mail("a@x.example")}));
    put(&far, json!({"userName": "y", "externalId": "r3", "emails": mail("b@x.example")}));
    let record = |id: &str, name: &str, mail: &str| json!({"id": id, "userName": name, "mail": mail, "title": id});
    // Both match x by address: to none. r3 matches y by its id and r4 by the address: to r3.
    world.set_users(&[
        record("r1", "ada", "a@x.example"),
        record("r2", "bob", "a@x.example"),
        record("r4", "dan", "b@x.example"),
        record("r3", "cid", "b@x.example"),
    ]);
    far.requests();
    let report = world.good();
    assert_eq!((report.counts.linked, report.counts.ambiguous, report.counts.created), (1, 3, 0), "{report:?}");
    assert_eq!((far.writes().len(), far.users().len()), (1, 2));
    assert_eq!(far.user("y")["title"], "r3");
    let plan = world.plan().unwrap();
    assert!(
        plan.ambiguous
            .iter()
            .all(|one| one.reason.contains("match the same object") || one.reason.contains("linked to none")),
        "{plan:?}"
    );
}

#[test]
fn what_is_not_in_scope_is_never_adopted_and_never_removed() {
    let (mut world, far) = World::to_scim("scope");
    let scope = "[scope]\ngroups = [ [ { attribute = \"title\", operator = \"EQUALS\", value = \"Engineer\" } ] ]\n[attributes]";
    world.scratch.write("users.toml", crate::sync_world::USERS.replace("[attributes]", scope));
    world.settings["users"]["delete"] = "delete".into();
    put(&far, json!({"userName": "user1@contoso.com", "title": "theirs"}));
    put(&far, json!({"userName": "nobody@contoso.com"}));
    let mut users = people(0..3);
    users[1]["title"] = "Robot".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0", "r1"])]);
    let report = world.good();
    assert_eq!((report.counts.created, report.counts.linked, report.counts.out_of_scope), (3, 0, 1), "{report:?}");
    assert_eq!(far.user("user1@contoso.com")["title"], "theirs");
    assert_eq!(far.members("Team"), ["user0@contoso.com"]);
    // The record goes: the twin was never ours.
    world.set_users(&[users[0].clone(), users[2].clone()]);
    assert_eq!(world.good().counts.writes(), 0);
    // One of ours leaves the scope: the delete action.
    users[2]["title"] = "Robot".into();
    world.set_users(&users);
    assert_eq!(world.good().counts.deleted, 1);
    assert_eq!(
        far.users().into_keys().collect::<Vec<_>>(),
        ["nobody@contoso.com", "user0@contoso.com", "user1@contoso.com"]
    );
}

#[test]
fn what_is_protected_is_not_touched() {
    let (mut world, far) = World::to_scim("protected");
    let admin = put(&far, json!({"userName": "user0@contoso.com", "title": "Admin"}));
    world.set_users(&people(0..4));
    world.set_groups(&[team("g1", "Admins", &["r1"])]);
    world.settings["guard"] = json!({"protected": ["USER0@contoso.com"]});
    let report = world.good();
    assert_eq!((report.counts.linked, report.counts.created, report.counts.skipped), (0, 4, 1), "{report:?}");
    assert_eq!(
        far.user("user0@contoso.com"),
        far.server.scim("GET", &format!("/Users/{}", admin["id"].as_str().unwrap()), None).json()
    );
    assert_eq!(far.user("user0@contoso.com")["title"], "Admin");
    // Protected when they are linked already: by name, by id.
    let id = far.user("user2@contoso.com")["id"].clone();
    world.settings["guard"] = json!({"protected": ["user0@contoso.com", "user1@contoso.com", id, "admins"]});
    let mut users = people(0..4);
    for user in &mut users {
        user["title"] = "New".into();
    }
    world.set_users(&users);
    world.set_groups(&[team("g1", "Admins", &["r3"])]);
    far.requests();
    world.good();
    assert_eq!(far.writes().len(), 1);
    assert_eq!(far.members("Admins"), ["user1@contoso.com"]);
    world.set_users(&users[3..]);
    world.set_groups(&[]);
    world.settings["guard"]["deletes"] = 100.into();
    let report = world.run();
    assert_eq!((report.counts.disabled, report.counts.deleted), (0, 0), "{report:?}");
    for number in 0..3 {
        let user = far.user(&format!("user{number}@contoso.com"));
        assert!(user["active"] != false && user["title"] != "New", "{user}");
    }
    assert!(far.groups().contains_key("Admins"));
}

#[test]
fn rules_for_what_is_made_say_nothing_of_what_is_found() {
    let (mut world, far) = World::to_scim("create-only");
    world.scratch.write(
        "users.toml",
        BY_THREE.replace(
            "title = '[title]'",
            "title = { expr = '[title]', apply = \"create\" }\npassword = 'Join(\"-\", [id], \"S3cret!\")'",
        ),
    );
    put(&far, json!({"userName": "user0@contoso.com", "title": "theirs"}));
    world.set_users(&people(0..2));
    world.good();
    assert_eq!(far.user("user0@contoso.com")["title"], "theirs");
    assert_eq!(far.user("user1@contoso.com")["title"], "Engineer");
    // A password is never given back: it was sent, so it is not sent again.
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
    // A plan does not tell it.
    world.set_users(&people(0..3));
    let (code, text) = world.command(&["plan", "--json"]);
    assert!(code == 0 && text.contains("[redacted]") && !text.contains("S3cret"), "{text}");
}
