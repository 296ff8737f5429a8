//! Microsoft Graph at the end of a sync: how many requests it takes, and what Graph's own ways mean for a run.

use provisor::sync::RunOptions;
use provisor::target::Kind;
use serde_json::{Value, json};

use crate::graph_fake::Fault;
use crate::sync_world::{World, people, team};

#[test]
fn the_first_push_of_2500_users_goes_in_batches() {
    let (mut world, graph) = World::to_graph("push");
    world.set_users(&people(0..2_500));
    let all: Vec<String> = (0..2_500).map(|number| format!("r{number}")).collect();
    let members: Vec<&str> = all.iter().map(String::as_str).collect();
    world.set_groups(&[team("g1", "All", &members)]);
    let report = world.good();
    assert_eq!((report.counts.created, graph.users().len()), (2_501, 2_500));
    let group = graph.group("All").unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(graph.members(&group).len(), 2_500);
    // 125 batches of users; members by 20 a PATCH, of which 20 are a batch.
    assert_eq!(graph.count("POST /users"), 2_500);
    assert_eq!(graph.count("PATCH /groups/{}"), 125);
    assert!(graph.calls() <= 2_500 / 18, "{}", graph.calls());
    println!("Graph, first push: {} requests for 2,500 users in a group", graph.calls());

    // Nothing changed: pages alone, each once, and no write.
    graph.forget_requests();
    assert_eq!(world.good().counts.writes(), 0);
    assert_eq!((graph.writes(), graph.count("GET /users/delta")), (0, 3));
    println!("Graph, no change: {} requests", graph.calls());

    // A15: one member comes, one goes: one write each.
    world.set_groups(&[team("g1", "All", &members[1..])]);
    graph.forget_requests();
    world.good();
    assert_eq!((graph.writes(), graph.count("DELETE /groups/{}/members/{}/$ref")), (1, 1));
    world.set_groups(&[team("g1", "All", &members)]);
    graph.forget_requests();
    world.good();
    assert_eq!((graph.writes(), graph.count("POST /groups/{}/members/$ref")), (1, 1));

    // A2: what others changed is as it was, and as many writes as changes.
    for number in [3, 700, 2_499] {
        let id = graph.user(&format!("user{number}@contoso.com")).unwrap()["id"].as_str().unwrap().to_owned();
        graph.change(&id, json!({"jobTitle": "Boss", "city": "theirs"}));
    }
    graph.forget_requests();
    let report = world.good();
    assert_eq!((report.counts.updated, graph.writes()), (3, 3));
    let user = graph.user("user700@contoso.com").unwrap();
    assert_eq!((&user["jobTitle"], &user["city"]), (&json!("Engineer"), &json!("theirs")));
}

#[test]
fn a_user_that_was_deleted_is_made_again_with_memberships_and_reports() {
    let (mut world, graph) = World::to_graph("again");
    let mut users = people(0..4);
    users[0]["boss"] = "r1".into();
    users[1]["boss"] = "r2".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "One", &["r0", "r1"]), team("g2", "Two", &["r1", "r3"])]);
    world.good();
    let id = |name: &str| graph.user(name).unwrap()["id"].as_str().unwrap().to_owned();
    let group = |name: &str| graph.group(name).unwrap()["id"].as_str().unwrap().to_owned();
    let all_is_well = || {
        let (one, two) = (id("user1@contoso.com"), id("user2@contoso.com"));
        assert_eq!(graph.manager(&id("user0@contoso.com")), Some(one.clone()));
        assert_eq!(graph.manager(&one), Some(two));
        assert!(graph.members(&group("One")).contains(&one) && graph.members(&group("Two")).contains(&one));
        assert_eq!((graph.members(&group("One")).len(), graph.members(&group("Two")).len()), (2, 2));
    };
    all_is_well();
    // By a full run.
    let before = id("user1@contoso.com");
    graph.delete(&before);
    let report = world.good();
    assert_eq!((report.counts.recreated, report.counts.members_added), (1, 2), "{report:?}");
    assert_ne!(id("user1@contoso.com"), before);
    all_is_well();
    graph.forget_requests();
    world.good();
    assert_eq!(graph.writes(), 0);
    // Somebody names another manager.
    let (zero, three) = (id("user0@contoso.com"), id("user3@contoso.com"));
    graph.set_manager(&zero, &three);
    graph.forget_requests();
    world.good();
    assert_eq!(graph.writes(), 1);
    all_is_well();
    // By a run for that user alone: made again at once; the next full run sees to the rest.
    graph.delete(&id("user1@contoso.com"));
    let report = world.one(Kind::User, "r1");
    assert_eq!(report.counts.recreated, 1, "{report:?}");
    world.good();
    all_is_well();
    // While it is written: it was there when we looked.
    users[1]["title"] = "New".into();
    world.set_users(&users);
    let lost = id("user1@contoso.com");
    graph.fail(&format!("PATCH /users/{lost}"), 1, Fault::Status(404));
    graph.change(&lost, json!({"userPrincipalName": "gone@contoso.com"}));
    world.good();
    assert_eq!(graph.user("user1@contoso.com").unwrap()["jobTitle"], "New");
}

#[test]
fn what_was_made_a_moment_ago_may_not_be_known_yet() {
    let (mut world, graph) = World::to_graph("lag");
    world.settings["weather"] = json!({"wait": 1, "longest": 1, "attempts": 8, "give_up": 50});
    graph.lag(2);
    let mut users = people(0..30);
    users[5]["boss"] = "r6".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0", "r5", "r29"])]);
    let mut rounds = 0;
    loop {
        let report = world.run();
        rounds += 1;
        if report.outcome == provisor::sync::Ended::Complete && report.counts.failed == 0 {
            break;
        }
        assert!(rounds < 10, "{report:?}");
    }
    let id = |name: &str| graph.user(name).unwrap()["id"].as_str().unwrap().to_owned();
    let group = graph.group("Team").unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!((graph.users().len(), graph.groups().len(), graph.members(&group).len()), (30, 1, 3));
    assert_eq!(graph.manager(&id("user5@contoso.com")), Some(id("user6@contoso.com")));
    graph.lag(0);
    let is_calm = |world: &mut World| world.run().counts.failed == 0;
    assert!((0..5).any(|_| is_calm(&mut world)), "it never came to rest");
    graph.forget_requests();
    world.good();
    assert_eq!((graph.users().len(), graph.groups().len()), (30, 1));
    assert_eq!(graph.writes(), 0);
}

#[test]
fn users_are_shut_and_let_in_again_and_groups_go() {
    let (mut world, graph) = World::to_graph("leave");
    world.set_users(&people(0..3));
    world.set_groups(&[team("g1", "Team", &["r0", "r1"]), team("g2", "Old", &["r2"])]);
    world.good();
    let body = graph.requests().iter().find(|seen| seen.is("POST /users")).unwrap().body.clone();
    let mut keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    keys.sort();
    let expected = [
        "accountEnabled",
        "displayName",
        "givenName",
        "jobTitle",
        "mailNickname",
        "passwordProfile",
        "surname",
        "userPrincipalName",
    ];
    assert_eq!(keys, expected);
    world.set_users(&people(0..2));
    world.set_groups(&[team("g1", "Team", &["r0", "r1"])]);
    graph.forget_requests();
    let report = world.good();
    assert_eq!((report.counts.disabled, report.counts.deleted, graph.writes()), (1, 1, 2), "{report:?}");
    assert_eq!(graph.user("user2@contoso.com").unwrap()["accountEnabled"], false);
    world.set_users(&people(0..3));
    world.good();
    assert_eq!(
        (&graph.user("user2@contoso.com").unwrap()["accountEnabled"], graph.users().len()),
        (&Value::Bool(true), 3)
    );
    // No password is set on one that was there.
    let patches = graph.requests().into_iter().filter(|seen| seen.is("PATCH /users/{}"));
    assert!(patches.into_iter().all(|seen| seen.body.get("passwordProfile").is_none()));
    let removed = RunOptions { allow_deletes: true, ..RunOptions::default() };
    world.set_users(&[]);
    let report = world.try_run(&removed).unwrap();
    assert_eq!(report.counts.disabled, 3, "{report:?}");
}
