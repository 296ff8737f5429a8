//! Lists of changes between runs: what a full run reads of Microsoft Graph when it has read all before, and that drift is found
//! and repaired all the same.

use provisor::sync::Ended;
use serde_json::{Value, json};

use crate::graph_fake::{Fault, GraphFake, Seen};
use crate::sync_world::{GRAPH_USERS, World, people, team};

/// A world at rest: so many users of whom the first is the manager of all, and a group of three.
fn at_rest(name: &str, count: usize) -> (World, GraphFake) {
    let (mut world, graph) = World::to_graph(&format!("delta-{name}"));
    graph.page(10);
    let mut users = people(0..count);
    for user in &mut users[1..] {
        user["boss"] = "r0".into();
    }
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0", "r1", "r2"])]);
    world.good();
    // What it wrote itself is in the next list of changes.
    world.good();
    graph.forget_requests();
    (world, graph)
}

fn id(graph: &GraphFake, number: usize) -> String {
    graph.user(&format!("user{number}@contoso.com")).unwrap()["id"].as_str().unwrap().to_owned()
}

/// The reads of users since the last call: lists from the beginning, lists of changes, lookups.
fn reads(graph: &GraphFake) -> (usize, usize, usize) {
    let asks = |seen: &Seen, name: &str| seen.query.iter().any(|(known, _)| known == name);
    let lists = |is: &dyn Fn(&Seen) -> bool| {
        graph.requests().iter().filter(|seen| seen.is("GET /users/delta") && is(seen)).count()
    };
    let begun = lists(&|seen| !asks(seen, "$deltatoken") && !asks(seen, "$skiptoken"));
    let changes = lists(&|seen| asks(seen, "$deltatoken"));
    // Opening the target looks whether users may be read at all.
    let lookups = graph.count("GET /users/{}") - graph.count("GET /users/delta") + graph.count("GET /users") - 1;
    graph.forget_requests();
    (begun, changes, lookups)
}

#[test]
fn a_run_with_nothing_to_do_reads_the_changes_alone() {
    let (mut world, graph) = at_rest("nothing", 40);
    let report = world.good();
    assert_eq!((report.counts.unchanged, report.counts.writes()), (41, 0), "{report:?}");
    assert_eq!(graph.count("GET /users/delta"), 1);
    assert_eq!(reads(&graph), (0, 1, 0));
    // Its plan says the same, and moves nothing on.
    let user = id(&graph, 7);
    graph.change(&user, json!({"jobTitle": "Boss"}));
    for _ in 0..2 {
        assert_eq!(world.plan().unwrap().actions.len(), 1);
    }
    assert_eq!(world.good().counts.updated, 1);
    assert_eq!(world.plan().unwrap().actions.len(), 0);
}

#[test]
fn what_others_did_is_found_in_the_changes_and_undone() {
    let (mut world, graph) = at_rest("drift", 40);
    let before = graph.users();
    graph.change(&id(&graph, 3), json!({"jobTitle": "Boss", "city": "theirs"}));
    // What is cleared may look as what did not change: it is looked up.
    graph.change(&id(&graph, 4), json!({"surname": null}));
    graph.set_manager(&id(&graph, 5), &id(&graph, 6));
    let lost = id(&graph, 8);
    graph.delete(&lost);
    graph.change(&id(&graph, 9), json!({"userPrincipalName": "nine@contoso.com"}));
    // Of those it changed in two ways, and back, nothing is to be done.
    graph.change(&id(&graph, 10), json!({"jobTitle": "Boss"}));
    graph.change(&id(&graph, 10), json!({"jobTitle": "Engineer"}));
    let report = world.good();
    let counts = (report.counts.updated, report.counts.recreated, report.counts.members_added);
    // Three of attributes and one other manager; who is made again is made with the manager.
    assert_eq!(counts, (4, 1, 0), "{report:?}");
    let (begun, changes, lookups) = reads(&graph);
    assert_eq!((begun, changes), (0, 1));
    assert!(lookups <= 4, "{lookups}");
    let strip = |users: Vec<serde_json::Map<String, Value>>| {
        let mut users: Vec<Value> = users
            .into_iter()
            .map(|mut user| {
                user.retain(|name, _| !["id", "city", "passwordProfile"].contains(&name.as_str()));
                Value::Object(user)
            })
            .collect();
        users.sort_by_key(|user| user["userPrincipalName"].to_string());
        users
    };
    assert_eq!(strip(graph.users()), strip(before));
    let boss = id(&graph, 0);
    assert!((1..40).all(|number| graph.manager(&id(&graph, number)).as_ref() == Some(&boss)));
    world.good();
    graph.forget_requests();
    assert_eq!(world.good().counts.writes(), 0);
    assert_eq!(reads(&graph), (0, 1, 0));
}

#[test]
fn a_manager_or_a_member_that_went_is_found_too() {
    let (mut world, graph) = at_rest("managers", 12);
    // The manager of all goes, and is made again: everybody's manager is another object.
    graph.delete(&id(&graph, 0));
    let report = world.good();
    assert_eq!((report.counts.recreated, report.counts.members_added), (1, 1), "{report:?}");
    let boss = id(&graph, 0);
    assert!((1..12).all(|number| graph.manager(&id(&graph, number)).as_ref() == Some(&boss)));
    let group = graph.group("Team").unwrap()["id"].as_str().unwrap().to_owned();
    graph.set_members(&group, &[]);
    assert_eq!(world.good().counts.members_added, 3);
    assert_eq!(world.good().counts.writes(), 0);
}

#[test]
fn all_is_read_again_when_the_link_is_of_no_use() {
    let (mut world, graph) = at_rest("again", 30);
    // Graph has forgotten it.
    graph.change(&id(&graph, 3), json!({"jobTitle": "Boss"}));
    graph.forget_changes();
    assert_eq!(world.good().counts.updated, 1);
    assert_eq!(reads(&graph), (1, 1, 0));
    world.good();
    assert_eq!(reads(&graph), (0, 1, 0));
    // It says so by a 400.
    let refusal = json!({"error": {"code": "SyncStateNotFound", "message": "The sync state generation is not found."}});
    graph.fail("GET /users/delta", 1, Fault::Answer(400, refusal));
    world.good();
    assert_eq!(reads(&graph), (1, 1, 0));
    // The mapping asks for more.
    let more = GRAPH_USERS.replace("surname =", "employeeId = '[id]'\nsurname =");
    world.scratch.write("users.toml", more);
    let report = world.good();
    assert_eq!((report.counts.updated, reads(&graph)), (30, (1, 0, 0)));
    // Somebody asks for it.
    world.good();
    let link = json!({"jobTitle": "Boss"});
    graph.change(&id(&graph, 4), link);
    let (code, said) = world.command(&["run", "--full"]);
    assert!(code == 0 && said.contains("1 updated"), "{said}");
    graph.forget_requests();
    let (code, said) = world.command(&["discover", "--full"]);
    assert!(code == 0 && said.contains("31 objects in the target"), "{said}");
    assert_eq!(reads(&graph), (1, 0, 0));
    // Another login.
    world.good();
    world.settings["target"]["timeout"] = 11.into();
    graph.forget_requests();
    world.good();
    assert_eq!(reads(&graph), (1, 0, 0));
}

#[test]
fn what_a_run_did_not_get_done_is_found_by_the_next() {
    let (mut world, graph) = at_rest("undone", 30);
    // The weather ends the run: the list goes on where it was.
    graph.change(&id(&graph, 3), json!({"jobTitle": "Boss"}));
    graph.fail_always("PATCH /users/{}", Fault::Status(503));
    assert_eq!(world.run().outcome, Ended::Degraded);
    graph.heal();
    graph.forget_requests();
    assert_eq!(world.good().counts.updated, 1);
    assert_eq!(reads(&graph), (0, 1, 0));
    // Graph refuses it: the list goes on, and the object is looked up until it is as it is to be.
    graph.change(&id(&graph, 4), json!({"jobTitle": "Boss"}));
    graph.fail_always("PATCH /users/{}", Fault::Status(400));
    assert_eq!(world.run().counts.failed, 1);
    graph.forget_requests();
    assert_eq!(world.run().counts.failed, 1);
    assert_eq!(reads(&graph), (0, 1, 1));
    graph.heal();
    assert_eq!(world.good().counts.updated, 1);
    world.good();
    graph.forget_requests();
    assert_eq!(world.good().counts.writes(), 0);
    assert_eq!(reads(&graph), (0, 1, 0));
    // Nobody is made who is found twice; when that is mended, it is found again.
    for name in ["one", "two"] {
        let twin =
            json!({"userPrincipalName": format!("{name}@contoso.com"), "displayName": name, "givenName": "Given5"});
        graph.put_user(twin);
    }
    let by_name = GRAPH_USERS.replace("= '[givenName]'", "= { expr = '[givenName]', match = 2 }");
    world.scratch.write("users.toml", by_name);
    world.good();
    let lost = id(&graph, 5);
    graph.delete(&lost);
    for _ in 0..2 {
        let report = world.run();
        assert_eq!((report.counts.ambiguous, report.counts.recreated), (1, 0), "{report:?}");
    }
    for name in ["one", "two"] {
        let twin = graph.user(&format!("{name}@contoso.com")).unwrap()["id"].as_str().unwrap().to_owned();
        graph.delete(&twin);
    }
    assert_eq!(world.run().counts.recreated, 1);
}

#[test]
fn new_records_are_looked_up_when_they_are_few() {
    let (mut world, graph) = at_rest("new", 30);
    graph.put_user(json!({"userPrincipalName": "user31@contoso.com", "displayName": "theirs"}));
    let mut users = people(0..33);
    for user in &mut users[1..30] {
        user["boss"] = "r0".into();
    }
    users[6]["title"] = "New".into();
    world.set_users(&users);
    let report = world.good();
    assert_eq!((report.counts.created, report.counts.linked, report.counts.updated), (2, 1, 2), "{report:?}");
    assert_eq!(reads(&graph), (0, 1, 4));
    // More of them are found sooner in all.
    users.extend(people(33..60));
    world.set_users(&users);
    assert_eq!(world.good().counts.created, 27);
    assert_eq!(reads(&graph), (1, 0, 0));
}

#[test]
fn what_is_protected_stays_so_between_the_lists() {
    let (mut world, graph) = at_rest("protected", 10);
    world.settings["guard"] = json!({"protected": ["user3@contoso.com", "team"]});
    world.good();
    let mut users = people(0..10);
    for user in &mut users[1..] {
        user["boss"] = "r0".into();
    }
    users[3]["title"] = "New".into();
    users[4]["title"] = "New".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0"])]);
    graph.forget_requests();
    let report = world.good();
    assert_eq!((report.counts.writes(), report.counts.skipped), (1, 2), "{report:?}");
    assert_eq!(reads(&graph), (0, 1, 1));
    // The record goes: its object stays.
    users.remove(3);
    world.set_users(&users);
    let report = world.good();
    assert_eq!((report.counts.disabled, report.counts.unlinked), (0, 1), "{report:?}");
    assert_eq!(graph.user("user3@contoso.com").unwrap()["accountEnabled"], true);
}

#[test]
fn an_object_that_a_list_names_twice_is_decided_once() {
    let (mut world, graph) = at_rest("twice", 3);
    let user = id(&graph, 1);
    graph.change(&user, json!({"jobTitle": "Boss"}));
    let item = |title: &str| {
        json!({"id": user, "userPrincipalName": "user1@contoso.com", "displayName": "Given1 Family", "givenName": "Given1",
            "surname": "Family", "jobTitle": title, "accountEnabled": true})
    };
    let link = format!("{}/users/delta?$deltatoken=999.999.0.", graph.url());
    let body = json!({"value": [item("Boss"), item("Chief")], "@odata.deltaLink": link});
    graph.fail("GET /users/delta", 1, Fault::Answer(200, body));
    let report = world.good();
    assert_eq!((report.counts.updated, report.counts.unchanged), (1, 3), "{report:?}");
    assert_eq!(graph.user("user1@contoso.com").unwrap()["jobTitle"], "Engineer");
}

/// The members of a group that no list of changes names are not read again, however many there are; what others did to them is
/// found all the same. Of a service that does not say whose members changed, all are read.
#[test]
fn members_are_read_of_groups_that_changed_alone() {
    for (name, is_silent) in [("told", false), ("silent", true)] {
        let (mut world, graph) = World::to_graph(&format!("delta-members-{name}"));
        if is_silent {
            graph.silent_about_members();
        }
        graph.page(10);
        world.set_users(&people(0..40));
        let all: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let groups = [team("g1", "All", &all), team("g2", "Few", &all[..3]), team("g3", "None", &[])];
        world.set_groups(&groups);
        for _ in 0..3 {
            world.good();
        }
        let group = |name: &str| graph.group(name).unwrap()["id"].as_str().unwrap().to_owned();
        let reads = |graph: &GraphFake| {
            let count = graph.count("GET /groups/{}/members");
            graph.forget_requests();
            count
        };
        let whole = 4 + 1 + 1;
        let _ = reads(&graph);
        assert_eq!(world.good().counts.writes(), 0);
        assert_eq!(reads(&graph), if is_silent { whole } else { 0 }, "{name}");
        // Somebody takes two out of one group, and puts one into another.
        let ids: Vec<String> = (0..40).map(|number| id(&graph, number)).collect();
        graph.set_members(&group("All"), &ids[2..]);
        graph.set_members(&group("None"), &ids[..1]);
        let counts = world.good().counts;
        assert_eq!((counts.members_added, counts.members_removed), (2, 1), "{name}");
        assert_eq!(reads(&graph), if is_silent { whole } else { 5 }, "{name}");
        assert_eq!((graph.members(&group("All")).len(), graph.members(&group("None")).len()), (40, 0));
        // A group that goes is made again with its members, and so is a member with its groups.
        graph.delete(&group("Few"));
        world.good();
        assert_eq!(graph.members(&group("Few")).len(), 3);
        graph.delete(&ids[1]);
        world.good();
        assert_eq!((graph.members(&group("All")).len(), graph.members(&group("Few")).len()), (40, 3));
        // Records say another.
        world.set_groups(&[groups[0].clone(), team("g2", "Few", &all[1..3]), groups[2].clone()]);
        assert_eq!(world.good().counts.members_removed, 1);
        // Who is not of this sync stays; one who is linked later, and is no member by the records, goes.
        world.good();
        world.good();
        let _ = reads(&graph);
        world.good();
        assert_eq!(reads(&graph), if is_silent { whole } else { 0 }, "{name}");
        let other = graph.put_user(json!({"userPrincipalName": "user40@contoso.com", "displayName": "Other"}));
        graph.set_members(&group("None"), std::slice::from_ref(&other));
        for _ in 0..3 {
            world.good();
        }
        assert_eq!(graph.members(&group("None")).len(), 1);
        world.set_users(&people(0..41));
        let counts = world.good().counts;
        assert_eq!((counts.linked, counts.members_removed), (1, 1), "{name}");
        assert_eq!(graph.members(&group("None")).len(), 0);
    }
}
