//! The command as it is used: guards, plans kept in files, runs that are killed, two at once, and a source's own directory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use provisor::clock::SetClock;
use provisor::sync::{Ended, RunOptions, SyncError};
use serde_json::{Value, json};

use crate::server::{Data, Server};
use crate::sync_world::{Hit, World, people, team};

#[test]
fn more_deletions_than_the_guard_allows_are_not_done_and_the_rest_is() {
    for (guard, left) in [(json!({"deletes": 2}), 27), (json!({"deletes": 100, "share": 10}), 26)] {
        let (mut world, far) = World::to_scim(&format!("guard-{left}"));
        world.settings["guard"] = guard;
        world.set_users(&people(0..30));
        world.set_groups(&[team("g1", "Team", &["r0", "r29"])]);
        world.good();
        let mut users = people(0..left);
        users[0]["title"] = "New".into();
        users.extend(people(30..31));
        world.set_users(&users);
        far.requests();
        let (code, text) = world.command(&["run"]);
        assert!(code == 1 && text.contains("--allow-deletes") && text.contains("guarded"), "{code}: {text}");
        let active = || far.users().values().filter(|user| user["active"] == true).count();
        assert_eq!((active(), far.users().len()), (31, 31));
        assert_eq!(far.user("user0@contoso.com")["title"], "New");
        let (code, text) = world.command(&["run", "--allow-deletes"]);
        assert_eq!((code, active()), (0, left + 1), "{text}");
        assert_eq!(world.command(&["run"]).0, 0);
    }
}

#[test]
fn records_that_came_empty_take_nobody_away() {
    let (mut world, far) = World::to_scim("empty");
    world.set_users(&people(0..5));
    world.set_groups(&[team("g1", "Team", &["r0"])]);
    world.good();
    // The users' file alone: there are still records of groups.
    world.set_users(&[]);
    let report = world.run();
    assert_eq!((report.outcome, report.held_back), (Ended::Guarded, 5), "{report:?}");
    world.set_groups(&[]);
    assert_eq!(world.run().outcome, Ended::Guarded);
    assert!(far.users().values().all(|user| user["active"] == true) && far.groups().len() == 1);
    let (code, text) = world.command(&["run", "--allow-deletes"]);
    assert_eq!(code, 0, "{text}");
    assert!(far.users().values().all(|user| user["active"] == false) && far.groups().is_empty());
}

#[test]
fn a_plan_does_nothing_and_is_carried_out_as_it_is_or_not_at_all() {
    let (mut world, far) = World::to_scim("plan");
    world.set_users(&people(0..4));
    world.set_groups(&[team("g1", "Team", &["r0", "r1"])]);
    let file = world.scratch.path("plan.json");
    let (code, text) = world.command(&["plan", "--out", &file]);
    assert!(code == 0 && text.contains("5 create"), "{text}");
    assert_eq!(far.writes(), []);
    let sync = world.sync();
    let status = world.wait(sync.status(10)).unwrap();
    assert_eq!((status.linked, status.runs.len(), status.halt), ([0, 0], 0, None));
    drop(sync);
    let plan: Value = serde_json::from_str(&world.scratch.read("plan.json")).unwrap();
    let verbs: Vec<&str> =
        plan["actions"].as_array().unwrap().iter().map(|one| one["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["create", "create", "create", "create", "create", "members"]);
    assert_eq!(plan["actions"][0]["changes"][1], json!({"path": "userName", "old": null, "new": "user0@contoso.com"}));
    let (code, printed) = world.command(&["plan", "--json"]);
    let printed: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert_eq!((code, &printed), (0, &plan));

    // Something changed since: what, and nothing is done.
    let mut users = people(0..4);
    users[1]["title"] = "Other".into();
    users.remove(3);
    world.set_users(&users);
    let (code, text) = world.command(&["run", "--plan", &file]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("not any more: create User \"user3@contoso.com\"")
            && text.contains("otherwise: create User \"user1@contoso.com\""),
        "{text}"
    );
    assert_eq!(far.writes(), []);
    // As it was: exactly that.
    world.set_users(&people(0..4));
    let (code, text) = world.command(&["run", "--plan", &file, "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (code, &report["outcome"], &report["counts"]["created"], &report["counts"]["membersAdded"]),
        (0, &json!("complete"), &json!(5), &json!(2))
    );
    assert_eq!((far.users().len(), far.members("Team").len()), (4, 2));
    // Done once, it is no plan any more; what is no plan is told.
    assert_eq!(world.command(&["run", "--plan", &file]).0, 2);
    let other = world.scratch.write("other.json", "[1]");
    let (code, text) = world.command(&["run", "--plan", &other]);
    assert!(code == 2 && text.contains("is no plan"), "{text}");
    // Differences as people read them.
    let mut users = people(0..3);
    users[0]["title"] = "Chief".into();
    world.set_users(&users);
    let (_, text) = world.command(&["plan"]);
    assert!(text.contains("title: \"Engineer\" -> \"Chief\"") && text.contains("- disable"), "{text}");
    let (code, text) = world.command(&["discover"]);
    assert!(code == 0 && text.contains("5 objects in the target, 5 linked"), "{text}");
}

#[test]
fn a_run_that_is_killed_at_any_moment_makes_nobody_twice() {
    let (mut world, far) = World::to_scim("killed");
    // One call at a time, so that there are many moments; every call takes a little.
    far.weather(|_| {
        std::thread::sleep(Duration::from_millis(2));
        None
    });
    let mut made = BTreeSet::new();
    for round in 0..18_u64 {
        let count = 40 + usize::try_from(round).unwrap() * 15;
        world.set_users(&people(0..count));
        let name = format!("Team {round}");
        world.set_groups(&[
            team("g1", &name, &["r0", "r7", &format!("r{}", count - 1)]),
            team(&format!("g{}", round + 2), &format!("New {round}"), &["r1"]),
        ]);
        let mut child = world.start(&["run"]);
        std::thread::sleep(Duration::from_millis(20 + round * 13));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        made.insert(output.status.code());
        // Half of the time the next run begins where it was, the other half the one after sees to both.
        if round % 2 == 0 {
            let (code, text) = world.command(&["run"]);
            assert_eq!(code, 0, "round {round}: {text}");
            assert_eq!((far.users().len(), far.members(&name).len()), (count, 3), "round {round}");
        }
    }
    assert!(made.contains(&None), "no run was killed in time: {made:?}");
    let (code, text) = world.command(&["run"]);
    assert_eq!(code, 0, "{text}");
    // Each is there once, and the links are right: nothing is to be done, and each change finds its object.
    assert_eq!(far.users().len(), 40 + 17 * 15);
    far.heal();
    far.requests();
    assert_eq!(world.good().counts.writes(), 0);
    assert_eq!(far.writes(), []);
    let sync = world.sync();
    assert_eq!(world.wait(sync.status(1)).unwrap().linked, [40 + 17 * 15, 2]);
}

#[test]
fn one_run_at_a_time_and_the_lease_of_a_dead_one_ends() {
    let (mut world, far) = World::to_scim("twice");
    let clock = Arc::new(SetClock::at(1_800_000_000_000));
    world.clock = clock.clone();
    world.set_users(&people(0..3));
    let (first, second) = (world.sync(), world.sync());
    far.weather(|_| {
        std::thread::sleep(Duration::from_millis(30));
        None
    });
    let options = RunOptions::default();
    let both = world.wait(async { tokio::join!(first.run(&options), second.run(&options)) });
    assert_eq!((both.0.unwrap().outcome, both.1.unwrap_err()), (Ended::Complete, SyncError::Busy));
    // One that is broken off holds its lease for a minute.
    world.set_users(&people(0..6));
    let third = world.sync();
    let cut = world.wait(async { tokio::time::timeout(Duration::from_millis(50), third.run(&options)).await });
    assert!(cut.is_err(), "it was not broken off");
    assert_eq!(world.try_run(&options), Err(SyncError::Busy));
    let status = world.sync();
    assert!(world.wait(status.status(1)).unwrap().running_until.is_some());
    clock.set(1_800_000_059_000);
    assert_eq!(world.try_run(&options), Err(SyncError::Busy));
    clock.set(1_800_000_061_000);
    assert_eq!(world.try_run(&options).unwrap().outcome, Ended::Complete);
    assert_eq!(far.users().len(), 6);
    assert_eq!(world.wait(status.status(1)).unwrap().running_until, None);
    // Two processes: the second says so.
    drop((first, second, third, status));
    world.set_users(&people(0..9));
    far.requests();
    let mut child = world.start(&["run"]);
    while far.calls() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it asked anything");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, text) = world.command(&["run"]);
    // It waits a little for the first to end, which may be enough.
    assert!(code == 2 && text.contains("another process") || code == 0 && text.contains("9 unchanged"), "{text}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn from_a_source_s_directory_with_a_group_and_without_service_accounts() {
    let (data, far) = (Data::new(), crate::sync_world::Far::start());
    let mut world = World::new("source", |scratch| far.settings(scratch));
    let server = Server::start(&data.0);
    let names = ["ada", "bob", "cid", "robot"];
    let ids: Vec<String> = names.iter().map(|name| server.user(name)).collect();
    server.patch(&format!("/Users/{}", ids[3]), json!([{"op": "add", "path": "userType", "value": "service"}]));
    let (staff, inner) = (server.group("Staff"), server.group("Inner"));
    let add = |group: &str, ids: &[&String]| {
        let value: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
        let reply =
            server.patch(&format!("/Groups/{group}"), json!([{"op": "add", "path": "members", "value": value}]));
        assert!(reply.status < 300, "{}", reply.text());
    };
    add(&staff, &[&ids[0], &ids[1], &ids[3]]);
    add(&inner, &[&ids[0], &staff]);
    server.kill();
    world.scratch.write("users.toml", "name = \"scim-users\"\nresource = \"User\"\n[source]\nkind = \"scim\"\n[attributes]\n\
        userName = { expr = '[userName]', match = 1 }\nuserType = '[userType]'\nactive = '[active]'\ntitle = '[title]'\n");
    world.scratch.write(
        "groups.toml",
        "name = \"scim-groups\"\nresource = \"Group\"\n[source]\nkind = \"scim\"\n[attributes]\n\
        displayName = { expr = '[displayName]', match = 1 }\n",
    );
    world.settings["source"] = "default".into();
    world.settings["users"] = json!({"mapping": "users.toml"});
    world.settings["groups"] = json!({"mapping": "groups.toml"});
    world.settings["scope"] =
        json!({"group": "staff", "service_accounts": {"attribute": "userType", "values": ["Service"]}});
    let run = |world: &mut World| {
        let (code, text) = world.command(&["run"]);
        assert_eq!(code, 0, "{text}");
    };
    world.set_data(&data.0);
    run(&mut world);
    assert_eq!(far.users().into_keys().collect::<Vec<_>>(), ["ada", "bob"]);
    assert_eq!(
        (far.members("Staff"), far.members("Inner")),
        (vec!["ada".into(), "bob".into()], vec!["ada".to_owned()])
    );
    far.requests();
    run(&mut world);
    assert_eq!(far.writes(), []);
    // Who leaves the group leaves the target, and comes back with it; the change of one is one write.
    let server = Server::start(&data.0);
    server.patch(
        &format!("/Groups/{staff}"),
        json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", ids[1])}]),
    );
    server.patch(&format!("/Users/{}", ids[0]), json!([{"op": "add", "path": "title", "value": "Countess"}]));
    server.kill();
    far.requests();
    run(&mut world);
    assert_eq!((&far.user("bob")["active"], far.members("Staff")), (&json!(false), vec!["ada".to_owned()]));
    assert_eq!(far.user("ada")["title"], "Countess");
    world.settings["groups"]["nested"] = true.into();
    run(&mut world);
    assert_eq!(far.members("Inner"), ["Staff", "ada"]);
    let server = Server::start(&data.0);
    server.patch(&format!("/Groups/{staff}"), json!([{"op": "add", "path": "members", "value": [{"value": ids[1]}]}]));
    server.kill();
    run(&mut world);
    assert_eq!(
        (&far.user("bob")["active"], far.members("Staff")),
        (&json!(true), vec!["ada".into(), "bob".to_owned()])
    );
    far.requests();
    run(&mut world);
    assert_eq!(far.writes(), []);
    // A group that nobody has is told, and takes nobody away.
    world.settings["scope"]["group"] = "Stuff".into();
    let (code, text) = world.command(&["run"]);
    assert!(code == 2 && text.contains("no group \"Stuff\""), "{text}");
    assert_eq!(far.writes(), []);
    far.weather(|_| Some(Hit::Drop));
}
