//! Weather: whatever goes wrong on the way, the end is the one without it; what is down ends the run degraded; what is
//! refused for good is not asked again.

use std::time::{Duration, Instant};

use provisor::sync::Ended;
use serde_json::{Value, json};

use crate::graph_fake::Fault;
use crate::sync_world::{Hit, World, people, team};

/// Numbers that repeat for a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn a_connection_that_ends_after_the_work_makes_nothing_twice() {
    let (mut world, far) = World::to_scim("drop-after");
    world.set_users(&people(0..5));
    world.set_groups(&[team("g1", "Team", &["r0"])]);
    let mut first = 2;
    far.weather(move |request| {
        let hit = first > 0 && request.method == "POST";
        first -= i32::from(hit);
        hit.then_some(Hit::DropAfter)
    });
    let report = world.good();
    assert_eq!((far.users().len(), far.groups().len()), (5, 1));
    assert_eq!(report.counts.created + report.counts.linked, 6, "{report:?}");
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
}

#[test]
fn retry_after_is_waited_for_and_fewer_calls_are_made_at_once() {
    let (mut world, far) = World::to_scim("retry-after");
    world.settings["weather"] = json!({"wait": 1, "longest": 5});
    world.set_users(&people(0..2));
    let mut left = 1;
    far.weather(move |request| {
        left -= i32::from(request.method == "POST");
        (request.method == "POST" && left == 0).then_some(Hit::Status(429, Some(1)))
    });
    let begun = Instant::now();
    let report = world.good();
    assert!(begun.elapsed() >= Duration::from_millis(950) && report.repeated >= 1, "{:?}", begun.elapsed());
    assert_eq!(far.users().len(), 2);
    // Many refusals for load are no outage: the run goes on.
    let (mut world, graph) = World::to_graph("load");
    world.settings["weather"] = json!({"wait": 1, "longest": 1, "attempts": 6, "give_up": 3});
    world.set_users(&people(0..200));
    let mut turn = 0;
    graph.plan(move |seen| {
        turn += i32::from(seen.path == "/$batch");
        (seen.path == "/$batch" && turn % 2 == 0).then_some(Fault::Throttled(0))
    });
    world.good();
    assert_eq!(graph.users().len(), 200);
}

#[test]
fn what_is_down_ends_the_run_degraded_and_the_next_one_goes_on() {
    let (mut world, far) = World::to_scim("down");
    world.settings["weather"] = json!({"wait": 1, "longest": 1, "attempts": 3, "give_up": 4});
    world.set_users(&people(0..10));
    world.good();
    world.set_users(&people(0..450));
    // In the middle of the work.
    let mut posts = 0;
    far.weather(move |request| {
        posts += i32::from(request.method == "POST");
        (posts > 3).then_some(Hit::Drop)
    });
    let (code, text) = world.command(&["run"]);
    assert!(code == 1 && text.contains("degraded"), "{code}: {text}");
    let before = far.users().len();
    assert!((11..450).contains(&before), "{before}");
    far.weather(|_| Some(Hit::Status(503, None)));
    far.requests();
    let begun = Instant::now();
    assert_eq!(world.run().outcome, Ended::Degraded);
    assert!(far.calls() < 20 && begun.elapsed() < Duration::from_secs(20));
    far.heal();
    let report = world.good();
    assert_eq!(far.users().len(), 450, "{report:?}");

    let (mut world, graph) = World::to_graph("token-down");
    world.settings["weather"] = json!({"wait": 1, "longest": 1, "attempts": 3});
    world.set_users(&people(0..3));
    graph.fail_always("POST /token", Fault::Status(503));
    let report = world.run();
    assert_eq!((report.outcome, graph.users().len()), (Ended::Degraded, 0), "{report:?}");
    graph.heal();
    world.good();
    assert_eq!(graph.users().len(), 3);
}

#[test]
fn one_object_that_is_refused_is_told_once_and_the_rest_is_done() {
    let (mut world, far) = World::to_scim("refused");
    far.server.user("user1@contoso.com");
    world.scratch.write("users.toml", crate::sync_world::USERS.replace(", match = 2", ""));
    world.set_users(&people(0..4));
    world.set_groups(&[team("g1", "Team", &["r0", "r1", "r3"])]);
    let report = world.run();
    assert_eq!((report.outcome, report.counts.created, report.counts.failed), (Ended::Complete, 4, 1), "{report:?}");
    let failure = &report.failures[0];
    assert!(failure.record == "r1" && failure.reason.contains("userName"), "{failure:?}");
    let posts = far
        .writes()
        .into_iter()
        .filter(|(method, _, body)| method == "POST" && body["userName"] == "user1@contoso.com");
    assert_eq!(posts.count(), 1);
    assert_eq!(far.members("Team"), ["user0@contoso.com", "user3@contoso.com"]);
    let (code, status) = world.command(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((code, &status["runs"][0]["failures"][0]["record"]), (0, &json!("r1")));

    // A 400 of Graph, for one in a batch.
    let (mut world, graph) = World::to_graph("refused-batch");
    world.set_users(&people(0..30));
    graph.plan(|seen| {
        let body = seen.body["userPrincipalName"].as_str().unwrap_or_default();
        (body == "user7@contoso.com").then_some(Fault::Status(400))
    });
    let report = world.run();
    assert_eq!((report.outcome, report.counts.created, report.counts.failed), (Ended::Complete, 29, 1), "{report:?}");
    assert_eq!(graph.count("POST /users"), 30);
}

#[test]
fn credentials_that_are_refused_fail_the_run_and_say_so() {
    let (mut world, far) = World::to_scim("denied");
    world.set_users(&people(0..3));
    world.scratch.write("token", "prv1_not-the-token-of-this-server");
    let (code, text) = world.command(&["run"]);
    assert!(code == 2 && text.contains("denies us") && text.contains("401"), "{code}: {text}");
    assert!(!text.contains("not-the-token"), "{text}");
    assert_eq!(far.users().len(), 0);
    // Let in to read and not to write: nothing is done, and that is no success.
    let (mut world, far) = World::to_scim("read-only");
    world.set_users(&people(0..3));
    far.weather(|request| (request.method != "GET").then_some(Hit::Status(403, None)));
    let report = world.run();
    assert_eq!(report.outcome, Ended::Failed, "{report:?}");
    // One object that others have the say of is one that failed.
    let (mut world, graph) = World::to_graph("one-denied");
    world.set_users(&people(0..5));
    world.good();
    let mut users = people(0..5);
    for user in &mut users {
        user["title"] = "New".into();
    }
    world.set_users(&users);
    let id = graph.user("user2@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    graph.fail_always(&format!("PATCH /users/{id}"), Fault::Status(403));
    let report = world.run();
    assert_eq!((report.outcome, report.counts.updated, report.counts.failed), (Ended::Complete, 4, 1), "{report:?}");
}
