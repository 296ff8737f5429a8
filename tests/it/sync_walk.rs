//! A sync's whole life: files into a second server, what changes, what goes, what comes back, and what each setting does.

use provisor::sync::{Ended, Verb};
use provisor::target::Kind;
use serde_json::{Value, json};

use crate::server::USER;
use crate::sync_world::{USERS, World, people, person, team};
use crate::target_web::{Odd, service};

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn patched(writes: &[(String, String, Value)]) -> Vec<Value> {
    assert!(writes.iter().all(|(method, _, _)| method == "PATCH"), "{writes:?}");
    writes.iter().map(|(_, _, body)| body["Operations"].clone()).collect()
}

#[test]
fn a_walk_from_files_to_a_second_server() {
    let (mut world, far) = World::to_scim("walk");
    let mut users = people(0..6);
    users[1]["boss"] = "r0".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0", "r1", "r5"]), team("g2", "Empty", &[])]);
    let report = world.good();
    assert_eq!((report.counts.created, report.counts.members_added), (8, 3), "{report:?}");
    assert_eq!(far.users().len(), 6);
    assert_eq!(far.members("Team"), ["user0@contoso.com", "user1@contoso.com", "user5@contoso.com"]);
    let one = far.user("user1@contoso.com");
    assert_eq!((&one["name"]["givenName"], &one["externalId"]), (&json!("Given1"), &json!("r1")));
    assert_eq!(one[MANAGER]["manager"]["value"], far.user("user0@contoso.com")["id"]);

    // A12: nothing changed, nothing is written.
    far.requests();
    let report = world.good();
    assert_eq!((report.counts.unchanged, report.counts.writes()), (8, 0), "{report:?}");
    assert_eq!(far.writes(), []);

    // One attribute of one record: one PATCH, with that and no more.
    users[2]["title"] = "Architect".into();
    world.set_users(&users);
    world.good();
    assert_eq!(patched(&far.writes()), [json!([{"op": "replace", "path": "title", "value": "Architect"}])]);

    // A2: what somebody changed behind our back is as it was; what no rule writes is theirs.
    let id = far.user("user3@contoso.com")["id"].as_str().unwrap().to_owned();
    let drift =
        json!([{"op": "replace", "path": "title", "value": "Boss"}, {"op": "add", "path": "nickName", "value": "Bob"}]);
    assert_eq!(far.server.patch(&format!("/Users/{id}"), drift).status, 200);
    let report = world.good();
    assert_eq!(report.counts.updated, 1);
    let user = far.user("user3@contoso.com");
    assert_eq!((&user["title"], &user["nickName"]), (&json!("Engineer"), &json!("Bob")));

    // A rename keeps the object.
    users[3]["userName"] = "renamed@contoso.com".into();
    world.set_users(&users);
    world.good();
    assert_eq!(far.user("renamed@contoso.com")["id"], json!(id));
    assert_eq!(far.users().len(), 6);

    // Who is gone is shut, a group that is gone is removed.
    world.set_users(&users[..5]);
    world.set_groups(&[team("g1", "Team", &["r0", "r1"])]);
    far.requests();
    let report = world.good();
    assert_eq!((report.counts.disabled, report.counts.deleted), (1, 1), "{report:?}");
    assert_eq!(far.user("user5@contoso.com")["active"], false);
    assert!(!far.groups().contains_key("Empty"));
    assert_eq!(far.members("Team"), ["user0@contoso.com", "user1@contoso.com"]);
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);

    // Who comes back is found and let in again.
    let before = far.user("user5@contoso.com")["id"].clone();
    world.set_users(&users);
    let report = world.good();
    assert_eq!((report.counts.created, report.counts.linked), (0, 1), "{report:?}");
    let back = far.user("user5@contoso.com");
    assert_eq!((&back["active"], &back["id"]), (&json!(true), &before));
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
}

#[test]
fn who_was_shut_comes_back_also_when_no_rule_writes_whether_they_are_active() {
    let (mut world, far) = World::to_scim("back");
    world
        .scratch
        .write("users.toml", USERS.replace("active = {", "nickName = {").replace("default = true", "default = \"x\""));
    world.set_users(&people(0..3));
    world.good();
    world.set_users(&people(0..2));
    world.good();
    assert_eq!(far.user("user2@contoso.com")["active"], false);
    world.set_users(&people(0..3));
    world.good();
    assert_eq!(far.user("user2@contoso.com")["active"], true);
    // Whom somebody else has shut stays so: no rule says otherwise.
    let id = far.user("user1@contoso.com")["id"].as_str().unwrap().to_owned();
    far.server.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "active", "value": false}]));
    world.good();
    assert_eq!(far.user("user1@contoso.com")["active"], false);
}

#[test]
fn settings_of_a_kind() {
    // `delete`: what becomes of the object of a record that is gone.
    for (delete, there, active, verb) in [
        ("nothing", true, true, Verb::Unlink),
        ("disable", true, false, Verb::Disable),
        ("delete", false, false, Verb::Delete),
    ] {
        let (mut world, far) = World::to_scim(&format!("delete-{delete}"));
        world.settings["users"]["delete"] = delete.into();
        world.set_users(&people(0..2));
        world.good();
        world.set_users(&people(0..1));
        let plan = world.plan().unwrap();
        assert_eq!(plan.actions.iter().map(|action| action.verb).collect::<Vec<_>>(), [verb]);
        world.good();
        let user = far.user("user1@contoso.com");
        assert_eq!((!user.is_null(), user["active"] == true), (there, active), "{delete}: {user}");
        far.requests();
        world.good();
        assert_eq!(far.writes(), [], "{delete}");
    }

    let (mut world, far) = World::to_scim("create-update");
    world.settings["users"]["create"] = false.into();
    far.server.scim(
        "POST",
        "/Users",
        Some(&json!({"schemas": [USER], "userName": "USER0@contoso.com", "title": "old"})),
    );
    world.set_users(&people(0..2));
    far.requests();
    let report = world.good();
    assert_eq!((report.counts.created, report.counts.linked, report.counts.skipped), (0, 1, 1), "{report:?}");
    assert_eq!(far.users().len(), 1);
    world.settings["users"]["create"] = true.into();
    world.settings["users"]["update"] = false.into();
    let mut users = people(0..2);
    users[0]["title"] = "Chief".into();
    world.set_users(&users);
    far.requests();
    world.good();
    let writes = far.writes();
    assert!(writes.len() == 1 && writes[0].0 == "POST", "{writes:?}");
}

#[test]
fn a_value_that_is_given_no_more_stays_unless_it_is_to_be_cleared() {
    let (mut world, far) = World::to_scim("clear");
    world.set_users(&people(0..1));
    world.good();
    let mut user = person(0);
    user["title"] = Value::Null;
    user["mail"] = "".into();
    world.set_users(std::slice::from_ref(&user));
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
    world.settings["users"]["clear"] = true.into();
    world.good();
    let has = far.user("user0@contoso.com");
    assert!(has.get("title").is_none() && has.get("emails").is_none(), "{has}");
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
}

#[test]
fn managers_are_named_when_everybody_is_there_and_follow() {
    let (mut world, far) = World::to_scim("managers");
    let mut users = people(0..4);
    // The manager comes after, and one has a manager who is nobody.
    users[0]["boss"] = "r3".into();
    users[1]["boss"] = "nobody".into();
    world.set_users(&users);
    world.good();
    let manager = |name: &str| far.user(name)[MANAGER]["manager"]["value"].clone();
    let id = |name: &str| far.user(name)["id"].clone();
    assert_eq!(manager("user0@contoso.com"), id("user3@contoso.com"));
    assert_eq!(manager("user1@contoso.com"), Value::Null);
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
    // A2: somebody names another, or none.
    let url = format!("/Users/{}", id("user0@contoso.com").as_str().unwrap());
    let drift = [
        json!([{"op": "replace", "path": format!("{MANAGER}:manager"), "value": id("user1@contoso.com")}]),
        json!([{"op": "remove", "path": format!("{MANAGER}:manager")}]),
    ];
    users[2]["boss"] = "r1".into();
    world.set_users(&users);
    world.good();
    for drift in drift {
        assert!(far.server.patch(&url, drift).status < 300);
        far.requests();
        world.good();
        assert_eq!((far.writes().len(), manager("user0@contoso.com")), (1, id("user3@contoso.com")));
    }
    users[2].as_object_mut().unwrap().remove("boss");
    world.set_users(&users);
    world.good();
    far.requests();
    // Another one, and none.
    users[0]["boss"] = "r2".into();
    world.set_users(&users);
    world.good();
    assert_eq!((far.writes().len(), manager("user0@contoso.com")), (1, id("user2@contoso.com")));
    // A17: the manager was removed behind our back: made again, and named again.
    let gone = id("user2@contoso.com");
    far.server.scim("DELETE", &format!("/Users/{}", gone.as_str().unwrap()), None);
    let report = world.good();
    assert_eq!(report.counts.recreated, 1, "{report:?}");
    assert_ne!(id("user2@contoso.com"), gone);
    assert_eq!(manager("user0@contoso.com"), id("user2@contoso.com"));
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
    users[0].as_object_mut().unwrap().remove("boss");
    world.set_users(&users);
    world.good();
    assert_eq!(manager("user0@contoso.com"), Value::Null);
}

#[test]
fn members_of_others_stay_and_nested_groups_are_by_option() {
    let (mut world, far) = World::to_scim("members");
    world.set_users(&people(0..4));
    world.set_groups(&[team("g1", "Inner", &["r0"]), team("g2", "Outer", &["r1", "g1"])]);
    world.good();
    assert_eq!(far.members("Outer"), ["user1@contoso.com"]);
    // Somebody else's member, and one of ours that somebody took out or put in.
    let (stranger, outer) = (far.server.user("stranger@x.example"), far.groups()["Outer"]["id"].clone());
    let outer = format!("/Groups/{}", outer.as_str().unwrap());
    let ours = |name: &str| far.user(name)["id"].clone();
    let change = json!([{"op": "add", "path": "members", "value": [{"value": stranger}, {"value": ours("user2@contoso.com")}]},
        {"op": "remove", "path": format!("members[value eq {}]", ours("user1@contoso.com"))}]);
    assert!(far.server.patch(&outer, change).status < 300);
    world.good();
    assert_eq!(far.members("Outer"), ["stranger@x.example", "user1@contoso.com"]);
    world.settings["groups"]["nested"] = true.into();
    let report = world.good();
    assert_eq!(report.counts.members_added, 1);
    assert_eq!(far.members("Outer"), ["Inner", "stranger@x.example", "user1@contoso.com"]);
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
    // A15: one comes, one write.
    world.set_groups(&[team("g1", "Inner", &["r0", "r3"]), team("g2", "Outer", &["r1", "g1"])]);
    world.good();
    let writes = far.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    world.settings["groups"]["members"] = false.into();
    world.set_groups(&[team("g1", "Inner", &[]), team("g2", "Outer", &[])]);
    world.good();
    assert_eq!(far.writes(), []);
}

#[test]
fn a_group_that_is_found_gets_its_members_at_once() {
    let (mut world, far) = World::to_scim("found-group");
    let (ada, bob, stranger) =
        (far.server.user("user0@contoso.com"), far.server.user("user1@contoso.com"), far.server.user("x@x.example"));
    let group = far.server.group("TEAM");
    let all = json!([{"op": "add", "path": "members", "value": [{"value": ada}, {"value": bob}, {"value": stranger}]}]);
    far.server.patch(&format!("/Groups/{group}"), all);
    world.set_users(&people(0..3));
    world.set_groups(&[team("g1", "Team", &["r0", "r2"])]);
    let report = world.good();
    assert_eq!(
        (report.counts.linked, report.counts.members_added, report.counts.members_removed),
        (3, 1, 1),
        "{report:?}"
    );
    let name = far.groups().into_keys().next().unwrap();
    assert_eq!(far.members(&name), ["user0@contoso.com", "user2@contoso.com", "x@x.example"]);
    far.requests();
    let report = world.good();
    assert_eq!(far.writes(), [], "{report:?}");
}

#[test]
fn an_object_that_somebody_removed_is_made_again_with_its_memberships() {
    let (mut world, far) = World::to_scim("removed");
    world.set_users(&people(0..3));
    world.set_groups(&[team("g1", "Team", &["r0", "r1"]), team("g2", "Other", &["r1"])]);
    world.good();
    let id = |value: Value| value["id"].as_str().unwrap().to_owned();
    far.server.scim("DELETE", &format!("/Users/{}", id(far.user("user1@contoso.com"))), None);
    far.server.scim("DELETE", &format!("/Groups/{}", id(far.groups()["Team"].clone())), None);
    let report = world.good();
    assert_eq!((report.counts.recreated, report.counts.members_added), (2, 3), "{report:?}");
    assert_eq!(far.members("Team"), ["user0@contoso.com", "user1@contoso.com"]);
    assert_eq!(far.members("Other"), ["user1@contoso.com"]);
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
}

#[test]
fn one_object_by_itself() {
    let (mut world, far) = World::to_scim("single");
    world.set_users(&people(0..3));
    world.set_groups(&[team("g1", "Team", &["r0", "r1"])]);
    let report = world.one(Kind::User, "r1");
    assert_eq!((report.kind.as_str(), report.counts.created), ("object", 1), "{report:?}");
    assert_eq!(far.users().into_keys().collect::<Vec<_>>(), ["user1@contoso.com"]);
    world.one(Kind::Group, "g1");
    assert_eq!(far.members("Team"), ["user1@contoso.com"]);
    // One that nobody has is no error, and nothing is done; one that went is shut.
    assert_eq!(world.one(Kind::User, "nobody").counts.writes(), 0);
    world.set_users(&people(2..3));
    far.requests();
    let report = world.one(Kind::User, "r1");
    assert_eq!((report.outcome, report.counts.disabled), (Ended::Complete, 1), "{report:?}");
    // Shut, and out of the group, which still names it.
    assert_eq!((far.writes().len(), far.members("Team")), (2, Vec::new()));
}

#[test]
fn files_that_cannot_be_read_are_told_and_touch_nothing() {
    let (mut world, far) = World::to_scim("bad-files");
    world.set_users(&people(0..2));
    world.good();
    far.requests();
    for (content, said) in [
        ("{\"id\": \"r0\"}\n{\"id\": \"r0\"}\n", "line 2: there is another record with id \"r0\""),
        ("{\"id\": \"r0\"}\nnot json\n", "line 2: no JSON object"),
        ("{\"name\": \"x\"}\n", "line 1: the record has no \"id\""),
    ] {
        world.scratch.write("users.jsonl", content);
        let report = world.run();
        assert_eq!(report.outcome, Ended::Failed);
        assert!(report.error.as_ref().unwrap().contains(said), "{report:?}");
    }
    std::fs::remove_file(world.scratch.path("users.jsonl")).unwrap();
    assert_eq!(world.run().outcome, Ended::Failed);
    assert_eq!(far.writes(), []);
}

#[test]
fn a_file_of_operations_is_a_target_too() {
    let mut world = World::to_file("file");
    let mut users = people(0..3);
    users[1]["boss"] = "r0".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0", "r2"])]);
    world.good();
    let kinds = |world: &World| -> Vec<String> {
        let lines = crate::support::json_lines(&world.scratch.read("out.jsonl"));
        lines
            .iter()
            .map(|line| format!("{} {}", line["op"].as_str().unwrap(), line["kind"].as_str().unwrap()))
            .collect()
    };
    let first = ["create User", "create User", "create User", "update User", "create Group", "members Group"];
    assert_eq!(kinds(&world), first);
    world.good();
    assert_eq!(kinds(&world).len(), first.len());
    world.set_users(&users[..2]);
    world.set_groups(&[]);
    let options = provisor::sync::RunOptions { allow_deletes: true, ..Default::default() };
    assert_eq!(world.try_run(&options).unwrap().outcome, Ended::Complete);
    // The group goes as a whole; nobody is taken out of it first.
    assert_eq!(kinds(&world)[first.len()..], ["delete Group", "disable User"]);
}

#[test]
fn services_of_all_ways_come_to_rest() {
    let odd = [
        Odd { name: "no filter", filter: false, ..Odd::PLAIN },
        Odd { name: "no description", described: false, ..Odd::PLAIN },
        Odd { name: "no patch", patch: false, ..Odd::PLAIN },
        Odd { name: "bulk", bulk: 7, ..Odd::PLAIN },
        Odd { name: "small pages", page: 3, ..Odd::PLAIN },
        Odd { name: "cursors", page: 3, cursor: true, ..Odd::PLAIN },
        Odd { name: "no total", page: 3, total: |_, _| None, ..Odd::PLAIN },
    ];
    for odd in odd {
        let web = service(odd);
        let url = format!("{}/v2", web.url());
        let mut world =
            World::new(&format!("odd-{}", odd.name.replace(' ', "-")), |_| json!({"kind": "scim", "url": url}));
        world.scratch.write(
            "users.toml",
            "name = \"few\"\nresource = \"User\"\n[attributes]\n\
            userName = { expr = '[userName]', match = 1 }\ntitle = '[title]'\n",
        );
        world.settings["groups"] = Value::Null;
        world.set_users(&people(0..20));
        assert_eq!(world.good().counts.created, 20, "{}", odd.name);
        let mut users = people(0..20);
        users[11]["title"] = "New".into();
        world.set_users(&users);
        assert_eq!(world.good().counts.updated, 1, "{}", odd.name);
        assert_eq!(world.one(Kind::User, "r3").counts.writes(), 0, "{}", odd.name);
        // Another sync finds all of them.
        world.settings["name"] = "other".into();
        assert_eq!(world.one(Kind::User, "r3").counts.linked, 1, "{}", odd.name);
        assert_eq!(world.good().counts.linked, 19, "{}", odd.name);
        web.requests();
        assert_eq!(world.good().counts.writes(), 0, "{}", odd.name);
        assert!(web.requests().iter().all(|request| request.method == "GET"), "{}", odd.name);
    }
}
