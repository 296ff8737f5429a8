//! What authentik's Entra provider is documented to do, row by row: each row of the list has a test of its number here, from what the
//! row says, through the command, the API or the library, against a Graph on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use provisor::clock::SetClock;
use provisor::sync::{Ended, Status, Sync, Tender};
use provisor::target::Kind;
use serde_json::{Value, json};

use crate::graph_fake::{Fault, GraphFake, Seen};
use crate::live::until;
use crate::server::GROUP;
use crate::support::{code, json_lines, root, stderr, stdout};
use crate::sync_live::{Live, join, leave, put, retitle, upn};
use crate::sync_world::{GRAPH_USERS, USERS, World, people, person, team};

const HOUR: u64 = 3_600_000;
/// Some time in 2027.
const NOW: u64 = 1_800_000_000_000;

#[test]
fn every_row_has_its_test() {
    let text = fs::read_to_string(root().join("tests/it/sync_seeds.rs")).unwrap();
    let test = regex::Regex::new(r"#\[test\]\nfn a(\d\d)_").unwrap();
    let rows: Vec<u32> = test.captures_iter(&text).map(|found| found[1].parse().unwrap()).collect();
    assert_eq!(rows, (1..=28).collect::<Vec<_>>());
}

/// Method and path of writes, without ids.
fn told(writes: &[Seen]) -> Vec<String> {
    let id = regex::Regex::new(r"[0-9a-f]{8}-[0-9a-f-]{27}").unwrap();
    writes.iter().map(|seen| id.replace_all(&format!("{} {}", seen.method, seen.path), "{}").into_owned()).collect()
}

#[test]
fn a01_everything_is_there_without_a_licence() {
    let (mut world, graph) = World::to_graph("a01");
    world.set_users(&people(0..2));
    let mut run = world.prepare(&["run"]);
    // Nothing of the environment: no key is looked for.
    let output = run.env_clear().output().unwrap();
    assert_eq!((code(&output), graph.users().len()), (0, 2), "{}{}", stdout(&output), stderr(&output));
    let help = crate::support::run(&["sync", "--help"], b"");
    assert!(!stdout(&help).to_lowercase().contains("licen"));
}

#[test]
fn a02_what_others_changed_is_as_the_directory_has_it_after_a_full_run() {
    let (mut world, graph) = World::to_graph("a02");
    let mut users = people(0..40);
    users[1]["boss"] = "r2".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "One", &["r0", "r1"]), team("g2", "Two", &["r3"])]);
    world.good();
    let before = (graph.users(), graph.groups());
    let id = |number: usize| graph.user(&upn(&format!("user{number}"))).unwrap()["id"].as_str().unwrap().to_owned();
    let group = |name: &str| graph.group(name).unwrap()["id"].as_str().unwrap().to_owned();
    let zero = id(0);
    // Every field that the mapping writes, of one; one field of six; one group's name; a manager; members on both sides.
    let everything = json!({"userPrincipalName": "theirs@contoso.com", "displayName": "T", "givenName": "T",
        "surname": "T", "jobTitle": "T", "accountEnabled": false});
    graph.change(&zero, everything);
    for number in 4..10 {
        graph.change(&id(number), json!({"jobTitle": "Boss"}));
    }
    graph.change(&group("Two"), json!({"displayName": "Theirs"}));
    let one = group("One");
    graph.set_members(&one, &[zero.clone(), id(5)]);
    graph.set_manager(&id(1), &id(9));
    graph.forget_requests();
    let report = world.good();
    assert_eq!((report.counts.updated, report.counts.members_added, report.counts.members_removed), (9, 1, 1));
    assert_eq!(graph.writes(), 11, "{:?}", told(&graph.requests()));
    assert_eq!((graph.users(), graph.groups()), before);
    assert_eq!(graph.members(&one), BTreeSet::from([zero, id(1)]));
    assert_eq!(graph.manager(&id(1)), Some(id(2)));
}

#[test]
fn a03_the_first_look_reads_every_page_of_the_tenant_once() {
    let (mut world, graph) = World::to_graph("a03");
    world.scratch.write("users.toml", GRAPH_USERS.replace("[source]", "[source]\n"));
    for number in 0..2_500 {
        graph.put_user(json!({"userPrincipalName": upn(&format!("user{number}")), "displayName": "theirs"}));
    }
    world.set_users(&people(2_498..2_502));
    let (code, text) = world.command(&["discover", "--json"]);
    assert_eq!(code, 0, "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&found["counts"]["objects"], found["links"].as_array().unwrap().len()), (&json!(2_500), 2));
    let pages = |graph: &GraphFake| {
        let pages = graph.requests().into_iter().filter(|seen| seen.is("GET /users/delta"));
        pages.map(|seen| seen.query).collect::<Vec<_>>()
    };
    let looked = pages(&graph);
    assert_eq!((looked.len(), graph.writes()), (3, 0), "{looked:?}");
    assert!((0..3).all(|one| (0..one).all(|other| looked[one] != looked[other])), "a page came twice: {looked:?}");
    graph.forget_requests();
    let report = world.good();
    assert_eq!((report.counts.linked, report.counts.created, pages(&graph).len()), (2, 2, 3), "{report:?}");
}

fn graph(mapping: &str) -> (World, GraphFake) {
    let (world, graph) = World::to_graph(&format!("graph-match-{}", mapping.len()));
    let users = crate::sync_world::GRAPH_USERS.replace(", match = 1", ", apply = \"create\"");
    world.scratch.write("users.toml", users.replace("[attributes]", &format!("[attributes]\n{mapping}")));
    (world, graph)
}

#[test]
fn a04_users_of_graph_by_address() {
    let cases = [
        ("the address", json!([{"mail": "ada@contoso.com"}]), "ada@contoso.com", Some(0)),
        ("another case", json!([{"mail": "ADA@Contoso.com"}]), "ada@contoso.com", Some(0)),
        ("none", json!([{"mail": null}]), "ada@contoso.com", None),
        (
            "a second address only",
            json!([{"mail": null, "proxyAddresses": ["smtp:ada@contoso.com"]}]),
            "ada@contoso.com",
            None,
        ),
        ("an apostrophe", json!([{"mail": "o'hara@contoso.com"}]), "o'hara@contoso.com", Some(0)),
        ("two", json!([{"mail": "ada@contoso.com"}, {"mail": "Ada@contoso.com"}]), "ada@contoso.com", None),
    ];
    for (number, (why, objects, address, expected)) in cases.into_iter().enumerate() {
        for alone in [false, true] {
            let (mut world, graph) = graph("mail = { expr = '[mail]', match = 1 }");
            let mut ids = Vec::new();
            for (place, object) in objects.as_array().unwrap().iter().enumerate() {
                let mut object = object.clone();
                object["userPrincipalName"] = format!("theirs{place}@contoso.com").into();
                ids.push(graph.put_user(object));
            }
            let mut record = person(number);
            record["mail"] = address.into();
            world.set_users(&[record]);
            let report = if alone { world.one(Kind::User, &format!("r{number}")) } else { world.good() };
            match expected {
                Some(place) => {
                    assert_eq!((report.counts.linked, graph.users().len()), (1, ids.len()), "{why}: {report:?}");
                    let linked = graph.users().into_iter().find(|user| user["id"] == json!(ids[place])).unwrap();
                    assert_eq!(linked["jobTitle"], "Engineer", "{why}");
                }
                None if why == "two" => {
                    assert_eq!((report.counts.ambiguous, report.counts.writes(), graph.writes()), (1, 0, 0), "{why}");
                }
                None => {
                    assert_eq!((report.counts.created, graph.users().len()), (1, ids.len() + 1), "{why}: {report:?}");
                }
            }
        }
    }
}

#[test]
fn a05_groups_of_graph_by_name_and_two_of_a_name_are_linked_to_none() {
    let (mut world, graph) = World::to_graph("groups");
    let one = graph.put_group(json!({"displayName": "team one", "description": "theirs"}));
    let twins = [0, 1].map(|_| graph.put_group(json!({"displayName": "Twin"})));
    let far = graph.put_group(json!({"displayName": "Nobody's"}));
    world.set_groups(&[team("g1", "Team One", &[]), team("g2", "Twin", &[]), team("g3", "Ann's \"new\" team", &[])]);
    let report = world.good();
    assert_eq!((report.counts.linked, report.counts.ambiguous, report.counts.created), (1, 1, 1), "{report:?}");
    assert_eq!(graph.groups().len(), 5);
    graph.forget_requests();
    world.good();
    assert_eq!(graph.writes(), 0);
    // All records go, with leave to remove: only ours.
    world.set_groups(&[]);
    let options = provisor::sync::RunOptions { allow_deletes: true, ..Default::default() };
    assert_eq!(world.try_run(&options).unwrap().outcome, Ended::Complete);
    let left: Vec<String> = graph.groups().iter().map(|group| group["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, [twins[0].clone(), twins[1].clone(), far]);
    assert!(!left.contains(&one) && GROUP.ends_with("Group"));
}

#[test]
fn a06_only_who_is_in_scope_is_linked_and_a_twin_is_never_removed() {
    let scope = "scope = { group = \"Staff\", service_accounts = { attribute = \"userType\", values = [\"Service\"] } }\n\
        guard = { deletes = 100, share = 100 }";
    let (graph_names, mut ids) = (["ada", "bob", "robot"], BTreeMap::new());
    let mut live = Live::start("a06", "schedule = { every = 0, direct = false }", |server| {
        for name in graph_names {
            let kind = if name == "robot" { json!({"userType": "Service"}) } else { json!({}) };
            ids.insert(name, put(server, name, &kind));
        }
        let staff = server.group("Staff");
        join(server, &staff, &[&ids["ada"], &ids["robot"]]);
    });
    let theirs: Vec<String> = graph_names
        .map(|name| live.graph.put_user(json!({"userPrincipalName": upn(name), "displayName": "theirs"})))
        .into();
    live.save(&format!("{scope}\nschedule = {{ direct = false }}"));
    until("the full run", || (live.runs("full") > 0).then_some(()));
    let shown = |live: &Live, name: &str| live.graph.user(&upn(name)).unwrap()["displayName"].clone();
    assert_eq!(
        (shown(&live, "ada"), shown(&live, "bob"), shown(&live, "robot")),
        (json!("ada"), json!("theirs"), json!("theirs"))
    );
    assert_eq!(live.status()["linked"][0], 1);
    // Nobody of them is in the source any more: who was linked is shut, the twins are as they were.
    for id in ids.values() {
        assert_eq!(live.server().scim("DELETE", &format!("/Users/{id}"), None).status, 204);
    }
    put(live.server(), "eve", &json!({}));
    let report = live.server().api("POST", "/syncs/onward/run", &[], "{\"wait\": true, \"allowDeletes\": true}").json();
    assert_eq!((&report["outcome"], &report["counts"]["disabled"]), (&json!("complete"), &json!(1)), "{report}");
    let left: Vec<String> = live.graph.users().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, theirs);
    assert!(live.graph.user(&upn("bob")).unwrap().get("accountEnabled") != Some(&json!(false)));
}

#[test]
fn a07_a_save_looks_at_the_tenant_once_and_discover_looks_by_itself() {
    let mut live = Live::start("a07", "", |server| {
        put(server, "ada", &json!({}));
    });
    live.graph.put_user(json!({"userPrincipalName": upn("ada"), "displayName": "theirs"}));
    let looks = |live: &Live| live.graph.count("GET /users/delta");
    live.full(1);
    live.graph.forget_requests();
    // Saved otherwise: one look.
    live.save("schedule = { every = 480 }");
    live.full(2);
    assert_eq!(looks(&live), 1);
    // Started as it is: none.
    live.save("schedule = { every = 480 }");
    live.rests();
    assert_eq!((looks(&live), live.runs("full")), (1, 2));
    // The mapping is a part of what is saved.
    live.map_people(|text| text.replace("[title]", "ToUpper([title])"));
    live.save("schedule = { every = 480 }");
    live.full(3);
    assert_eq!(looks(&live), 2);
    // By itself, it looks and writes nothing.
    let (mut world, graph) = World::to_graph("a07");
    graph.put_user(json!({"userPrincipalName": upn("user0"), "displayName": "theirs"}));
    world.set_users(&people(0..2));
    let (code, text) = world.command(&["discover"]);
    assert!(code == 0 && text.contains("1 to be linked") && text.contains("Given0 Family"), "{text}");
    assert_eq!((graph.count("GET /users/delta"), graph.writes()), (1, 0));
    let (_, text) = world.command(&["status", "--json"]);
    let status: Status = serde_json::from_str(&text).unwrap();
    let kinds: Vec<&str> = status.runs.iter().map(|run| run.kind.as_str()).collect();
    assert_eq!((status.linked, kinds), ([0, 0], vec!["discover"]));
}

#[test]
fn a08_both_kinds_of_run_stand_in_the_log_with_their_kind() {
    let mut live = Live::start("a08", "", |_| {});
    until("a full run", || (live.runs("full") > 0).then_some(()));
    put(live.server(), "ada", &json!({}));
    until("a direct run", || (live.runs("direct") > 0).then_some(()));
    live.quiet();
    let runs = live.status()["runs"].clone();
    assert_eq!((&runs[0]["kind"], &runs[0]["counts"]["created"]), (&json!("direct"), &json!(1)), "{runs}");
    let last = runs.as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["outcome"]), (&json!("full"), &json!("complete")));
    live.stop();
    let text = live.command(&["status"]);
    assert!(text.contains(" direct ") && text.contains(" full "), "{text}");
}

#[test]
fn a09_a_sync_that_is_new_runs_at_once() {
    let live = Live::start("a09", "", |server| {
        for name in ["ada", "bob"] {
            put(server, name, &json!({}));
        }
        server.group("Cooks");
    });
    until("the first run", || (live.runs("full") == 1).then_some(()));
    assert_eq!((live.graph.users().len(), live.graph.groups().len()), (2, 1));
    assert!(live.status()["nextFull"].as_u64().is_some_and(|at| at > NOW / 2), "{}", live.status());
}

/// A sync that is looked after, in this process.
fn tended(world: &mut World) -> (Arc<Sync>, tokio::task::JoinHandle<()>) {
    let sync = Arc::new(world.sync());
    let (tender, asks) = Tender::new(Arc::clone(&sync));
    let task = world.spawn(async move {
        let _asks = asks;
        tender.tend().await;
    });
    (sync, task)
}

fn standing(world: &World, sync: &Sync) -> Status {
    world.wait(sync.status(100)).unwrap()
}

#[test]
fn a10_a_save_runs_it_and_never_two_at_once() {
    let (mut world, graph) = World::to_graph("a10");
    let clock = Arc::new(SetClock::at(NOW));
    world.clock = clock.clone();
    world.set_users(&people(0..30));
    graph.fail("POST /$batch", 2, Fault::Slow(Duration::from_millis(400)));
    let (first, one) = tended(&mut world);
    until("the run of the first", || standing(&world, &first).running_until);
    // Saved while it runs: the second waits, and is not forgotten.
    world.settings["guard"] = json!({"deletes": 7});
    let (second, two) = tended(&mut world);
    until("the second to wait", || standing(&world, &second).next_full.filter(|at| *at > NOW));
    let status = standing(&world, &second);
    assert!(status.running_until.is_some() && status.runs.is_empty(), "{status:?}");
    until("the end of the first", || (standing(&world, &first).runs.len() == 1).then_some(()));
    until("its rest", || standing(&world, &first).running_until.is_none().then_some(()));
    clock.set(NOW + 31_000);
    until("the run of the second", || (standing(&world, &second).runs.len() == 2).then_some(()));
    let kinds: Vec<(String, u64)> =
        standing(&world, &second).runs.iter().map(|run| (run.kind.clone(), run.counts.created)).collect();
    assert_eq!(kinds, [("full".to_owned(), 0), ("full".to_owned(), 30)]);
    assert_eq!((graph.users().len(), graph.count("POST /users")), (30, 30));
    one.abort();
    two.abort();

    // A server that ends in the middle of the run of a save runs it again.
    let mut live = Live::start("a10", "schedule = { every = 0 }", |server| {
        for number in 0..30 {
            put(server, &format!("user{number}"), &json!({}));
        }
    });
    live.graph.fail_always("POST /$batch", Fault::Slow(Duration::from_millis(100)));
    live.save("");
    until("users in the Graph", || (!live.graph.users().is_empty()).then_some(()));
    live.save("");
    live.graph.heal();
    until("the run that is through", || {
        let runs = live.status()["runs"].clone();
        runs.as_array().unwrap().iter().any(|run| run["outcome"] == "complete").then_some(())
    });
    live.quiet();
    assert_eq!(live.graph.users().len(), 30);
}

#[test]
fn a11_a_day_has_six_full_runs_at_minutes_of_the_sync_s_own() {
    let mut offsets = BTreeSet::new();
    for name in ["onward", "elsewhere"] {
        let (mut world, _graph) = World::to_graph(&format!("a11-{name}"));
        let clock = Arc::new(SetClock::at(NOW));
        world.clock = clock.clone();
        world.settings["name"] = name.into();
        world.set_users(&people(0..2));
        let (sync, task) = tended(&mut world);
        until("the first run", || (standing(&world, &sync).runs.len() == 1).then_some(()));
        let mut at = Vec::new();
        loop {
            let last = at.last().copied().unwrap_or(NOW);
            let next =
                until("the next run to be known", || standing(&world, &sync).next_full.filter(|next| *next > last));
            if next > NOW + 24 * HOUR {
                break;
            }
            clock.set(next - 1);
            thread::sleep(Duration::from_millis(20));
            assert_eq!(standing(&world, &sync).runs.len(), at.len() + 1, "it ran before its time");
            clock.set(next);
            at.push(next);
            until("a run", || (standing(&world, &sync).runs.len() == at.len() + 1).then_some(()));
        }
        assert_eq!(at.len(), 6, "{at:?}");
        assert!(at.windows(2).all(|two| two[1] - two[0] == 4 * HOUR), "{at:?}");
        task.abort();
        drop(sync);
        // Begun anew, it has the same minutes.
        let (sync, task) = tended(&mut world);
        let next = until("the next run to be known", || standing(&world, &sync).next_full);
        assert_eq!(next, at[5] + 4 * HOUR);
        offsets.insert(next % (4 * HOUR));
        task.abort();
    }
    assert_eq!(offsets.len(), 2, "two syncs run at the same minute");
}

#[test]
fn a12_a_full_run_makes_everybody_and_the_next_one_writes_nothing() {
    let (mut world, graph) = World::to_graph("a12");
    world.set_users(&people(0..120));
    world.set_groups(&[team("g1", "One", &["r0", "r119"]), team("g2", "Two", &[])]);
    let report = world.good();
    assert_eq!((report.counts.created, graph.count("POST /users"), graph.count("POST /groups")), (122, 120, 2));
    graph.forget_requests();
    let report = world.good();
    assert_eq!((report.counts.unchanged, report.counts.writes(), graph.writes()), (122, 0, 0), "{report:?}");
}

#[test]
fn a13_a_user_who_is_made_changed_or_removed_is_one_write() {
    let live = Live::start("a13", "", |server| {
        put(server, "bystander", &json!({}));
    });
    let mut id = String::new();
    let writes = live.writes(|server| id = put(server, "ada", &json!({"title": "Countess"})));
    assert_eq!(told(&writes), ["POST /users"]);
    assert_eq!(live.graph.user(&upn("ada")).unwrap()["jobTitle"], "Countess");
    let writes = live.writes(|server| retitle(server, &id, "Engineer"));
    assert_eq!(told(&writes), ["PATCH /users/{}"]);
    assert_eq!(writes[0].body, json!({"jobTitle": "Engineer"}));
    assert!(writes[0].path.ends_with(&live.id("ada")));
    let writes = live.writes(|server| {
        server.scim("DELETE", &format!("/Users/{id}"), None);
    });
    assert_eq!(told(&writes), ["PATCH /users/{}"]);
    assert_eq!(writes[0].body, json!({"accountEnabled": false}));
}

#[test]
fn a14_a_group_that_is_made_changed_or_removed_is_one_write() {
    let live = Live::start("a14", "", |server| {
        server.group("Bystanders");
    });
    let mut id = String::new();
    let writes = live.writes(|server| id = server.group("Cooks"));
    assert_eq!(told(&writes), ["POST /groups"]);
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Chefs"}]);
    let writes = live.writes(|server| {
        server.patch(&format!("/Groups/{id}"), rename);
    });
    assert_eq!(told(&writes), ["PATCH /groups/{}"]);
    assert_eq!(writes[0].body, json!({"displayName": "Chefs"}));
    let writes = live.writes(|server| {
        server.scim("DELETE", &format!("/Groups/{id}"), None);
    });
    assert_eq!(told(&writes), ["DELETE /groups/{}"]);
    assert!(live.graph.group("Chefs").is_none() && live.graph.group("Bystanders").is_some());
}

#[test]
fn a15_a_member_who_comes_or_goes_is_one_write() {
    let (mut ids, mut group) = (Vec::new(), String::new());
    let live = Live::start("a15", "", |server| {
        ids = ["ada", "bob"].map(|name| put(server, name, &json!({}))).into();
        group = server.group("Cooks");
        join(server, &group, &[&ids[0]]);
    });
    let writes = live.writes(|server| join(server, &group, &[&ids[1]]));
    assert_eq!(told(&writes), ["POST /groups/{}/members/$ref"]);
    let to = format!("/directoryObjects/{}", live.id("bob"));
    assert!(writes[0].body["@odata.id"].as_str().unwrap().ends_with(&to), "{:?}", writes[0].body);
    let writes = live.writes(|server| leave(server, &group, &ids[0]));
    assert_eq!(told(&writes), ["DELETE /groups/{}/members/{}/$ref"]);
    assert_eq!(live.members("Cooks"), [upn("bob")]);
}

#[test]
fn a16_a_twin_is_linked_by_either_kind_of_run_and_not_made_again() {
    let live = Live::start("a16", "", |_| {});
    until("the first run", || (live.runs("full") > 0).then_some(()));
    let twin = live.graph.put_user(json!({"userPrincipalName": upn("ada"), "displayName": "theirs"}));
    let writes = live.writes(|server| {
        put(server, "ada", &json!({}));
    });
    assert_eq!((told(&writes), live.id("ada")), (vec!["PATCH /users/{}".to_owned()], twin));
    assert_eq!((&live.status()["linked"][0], live.graph.users().len()), (&json!(1), 1));
    let linked = live.status()["runs"][0]["counts"]["linked"].clone();
    assert_eq!(linked, 1);

    let (mut world, graph) = World::to_graph("a16");
    let twin = graph.put_user(json!({"userPrincipalName": "USER0@contoso.com", "displayName": "theirs"}));
    world.set_users(&people(0..1));
    let report = world.good();
    assert_eq!((report.counts.linked, report.counts.created, graph.count("POST /users")), (1, 0, 0));
    assert_eq!(graph.users()[0]["id"], json!(twin));
}

#[test]
fn a17_a_user_who_was_deleted_is_made_again_and_is_where_they_were() {
    let (mut ids, mut group) = (BTreeMap::new(), String::new());
    let mut live = Live::start("a17", "", |server| {
        ids.insert("ada", put(server, "ada", &json!({})));
        let manager =
            json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": ids["ada"]}}});
        ids.insert("bob", put(server, "bob", &manager));
        group = server.group("Cooks");
        join(server, &group, &[&ids["ada"], &ids["bob"]]);
    });
    live.quiet();
    assert_eq!(live.graph.manager(&live.id("bob")), Some(live.id("ada")));
    for kind in ["direct", "full"] {
        // Of what it made within the minute, a process waits for Graph to know it; another one does not.
        live.quiet();
        live.save("");
        let before = live.id("ada");
        live.graph.delete(&before);
        live.graph.forget_requests();
        if kind == "direct" {
            live.act(|server| retitle(server, &ids["ada"], "Countess"));
        } else {
            let report = live.run();
            assert_eq!(
                (&report["outcome"], &report["counts"]["recreated"]),
                (&json!("complete"), &json!(1)),
                "{report}"
            );
        }
        let requests = live.graph.requests();
        let lost = requests.iter().find(|seen| seen.status == 404 && seen.path.contains(&before));
        assert!(lost.is_some(), "{kind}: nobody was told that {before} is gone");
        assert_eq!(live.graph.count("POST /users"), 1, "{kind}");
        assert_ne!(live.id("ada"), before, "{kind}");
        assert_eq!(live.members("Cooks"), [upn("ada"), upn("bob")], "{kind}: memberships");
        assert_eq!(live.graph.manager(&live.id("bob")), Some(live.id("ada")), "{kind}: reports");
        // The link is to the new one: a change is one write to it.
        let writes = live.writes(|server| retitle(server, &ids["ada"], &format!("after {kind}")));
        assert_eq!(told(&writes), ["PATCH /users/{}"], "{kind}");
        assert!(writes[0].path.ends_with(&live.id("ada")));
    }
}

#[test]
fn a18_ten_thousand_users_and_a_broken_mapping_are_one_error_and_no_write() {
    let (mut world, far) = World::to_scim("halt");
    world.set_users(&people(0..5));
    world.set_groups(&[team("g1", "Team", &["r0"]), team("g2", "Gone", &[])]);
    world.good();

    // Users to make, to change and to shut, a group to remove and one that changes.
    world.set_users(&people(2..10_002));
    world.set_groups(&[team("g1", "Renamed", &["r2"])]);
    for (mapping, record) in
        [(crate::sync_halt::broken(), true), (USERS.replace("[title]", "NoSuchThing([title]"), false)]
    {
        world.scratch.write("users.toml", mapping);
        far.requests();
        let (code, first) = world.command(&["run"]);
        assert_eq!(code, 3, "{first}");
        assert_eq!(first.matches("error[E").count() + first.matches("error: ").count(), 1, "{first}");
        assert_eq!(far.writes(), []);
        let (code, status) = world.command(&["status", "--json"]);
        assert_eq!(code, 3);
        let status: Value = serde_json::from_str(&status).unwrap();
        let halt = &status["halt"];
        assert!(halt["place"].as_str().unwrap().contains("users.toml:"), "{halt}");
        if record {
            assert_eq!(
                (&halt["mapping"], &halt["record"], &halt["rule"]),
                (&json!("people"), &json!(["user", "r2"]), &json!("title"))
            );
            assert!(halt["report"].as_str().unwrap().contains("Engineer"), "{halt}");
        }
        assert_eq!(
            (&status["runs"][0]["outcome"], &status["runs"][0]["counts"]["failed"]),
            (&json!("halted"), &json!(0))
        );
        // It stands, and says so in a line: since when, and where.
        far.requests();
        let (code, second) = world.command(&["run"]);
        assert!(code == 3 && second.starts_with("still halted since") && second.contains("users.toml:"), "{second}");
        assert!(!second.contains("Engineer"), "the finding is not repeated: {second}");
        assert_eq!(far.writes(), []);
        let (_, again) = world.command(&["status", "--json"]);
        let again: Value = serde_json::from_str(&again).unwrap();
        assert_eq!(again["halt"], *halt);
        let (code, text) = world.command(&["status"]);
        assert!(code == 3 && text.contains("HALTED since") && text.contains("users.toml:"), "{text}");
        let (code, plan) = world.command(&["plan"]);
        assert!(code == 3 && plan.contains("would halt"), "{plan}");
    }
    // Mended, it goes on by itself.
    world.scratch.write("users.toml", USERS);
    world.set_users(&people(1..6));
    let (code, text) = world.command(&["run"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(far.members("Renamed"), ["user2@contoso.com"]);
    assert!(!far.groups().contains_key("Gone"));
    let (code, status) = world.command(&["status"]);
    assert!(code == 0 && !status.contains("HALTED"), "{status}");
}

#[test]
fn a19_under_a_hundred_plans_of_faults_the_end_is_the_one_without() {
    crate::sync_faults::a_graph_in_a_hundred_weathers();
    // What is refused for good is asked once.
    let (mut world, graph) = World::to_graph("a19");
    world.set_users(&people(0..1));
    graph.fail_always("POST /users", Fault::Status(400));
    let report = world.run();
    assert_eq!((report.outcome, report.counts.failed, report.repeated), (Ended::Complete, 1, 0), "{report:?}");
    assert_eq!(graph.count("POST /users"), 1);
    // Attempts and their waits are in the log.
    graph.heal();
    graph.fail("POST /users", 1, Fault::Throttled(0));
    graph.fail("POST /token", 1, Fault::Status(503));
    let output = world.prepare(&["run"]).env("PROVISOR_LOG", "info").output().unwrap();
    let text = format!("{}{}", stdout(&output), stderr(&output));
    assert!(code(&output) == 0 && text.contains("2 calls repeated"), "{text}");
}

#[test]
fn a20_only_members_of_the_group_are_pushed_on_and_who_leaves_is_shut() {
    let (mut ids, mut staff) = (BTreeMap::new(), String::new());
    let live = Live::start("a20", "scope = { group = \"Staff\" }\nguard = { share = 100 }", |server| {
        for name in ["ada", "bob", "cid"] {
            ids.insert(name, put(server, name, &json!({})));
        }
        staff = server.group("Staff");
        join(server, &staff, &[&ids["ada"], &ids["bob"]]);
    });
    live.quiet();
    let there = |live: &Live| -> Vec<(String, bool)> {
        let open = |user: &serde_json::Map<String, Value>| user["accountEnabled"] == true;
        live.graph.users().iter().map(|user| (user["displayName"].as_str().unwrap().to_owned(), open(user))).collect()
    };
    let of = |all: &[(&str, bool)]| -> Vec<(String, bool)> {
        all.iter().map(|(name, open)| ((*name).to_owned(), *open)).collect()
    };
    assert_eq!(there(&live), of(&[("ada", true), ("bob", true)]));
    // In, out, a change of one who is out, and in again; each by the direct run.
    live.writes(|server| join(server, &staff, &[&ids["cid"]]));
    assert_eq!(there(&live), of(&[("ada", true), ("bob", true), ("cid", true)]));
    live.writes(|server| leave(server, &staff, &ids["bob"]));
    assert_eq!(there(&live), of(&[("ada", true), ("bob", false), ("cid", true)]));
    let writes = live.writes(|server| retitle(server, &ids["bob"], "Idle"));
    assert_eq!(told(&writes), Vec::<String>::new());
    live.writes(|server| join(server, &staff, &[&ids["bob"]]));
    assert_eq!(there(&live), of(&[("ada", true), ("bob", true), ("cid", true)]));
    assert_eq!(live.members("Staff"), [upn("ada"), upn("bob"), upn("cid")]);
}

#[test]
fn a21_service_accounts_are_left_out_when_they_are_to_be() {
    for (exclude, there) in [(false, 3), (true, 1)] {
        let (mut world, graph) = World::to_graph(&format!("a21-{exclude}"));
        if exclude {
            let accounts = json!({"attribute": "type", "values": ["service_account", "internal_service_account"]});
            world.settings["scope"] = json!({"service_accounts": accounts});
        }
        let mut users = people(0..3);
        users[0]["type"] = "service_account".into();
        users[1]["type"] = "Internal_Service_Account".into();
        users[2]["type"] = "internal".into();
        world.set_users(&users);
        let report = world.good();
        assert_eq!((graph.users().len(), report.counts.out_of_scope), (there, 3 - there as u64), "{report:?}");
    }
}

/// What a shipped mapping makes of records, by the command.
fn mapped(mapping: &str, records: &[Value]) -> Vec<Value> {
    let output = crate::support::run(&["map", mapping], crate::sync_world::lines(records).as_bytes());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    json_lines(stdout(&output))
}

#[test]
fn a22_a_group_s_address_is_its_name_at_the_default_domain() {
    let cases = [
        ("quality", "quality"),
        ("Team: R&D - Europe", "team-r-d---europe"),
        ("Große Änderungen (Łódź)", "grosse-anderungen-lodz"),
        (" -_.admins._- ", "admins"),
        ("研究開発", "group-g4"),
    ];
    let records: Vec<Value> =
        (0..).zip(&cases).map(|(number, (name, _))| json!({"pk": format!("g{number}"), "name": name})).collect();
    for (payload, (name, local)) in mapped("mappings/google-workspace-group.toml", &records).iter().zip(&cases) {
        assert_eq!(payload["email"], format!("{local}@groups.contoso.example"), "{name}");
    }
    // Graph makes addresses of nicknames; a domain that is set is kept to, and a mapping can say otherwise.
    let (mut world, graph) = World::to_graph("a22");
    let rules = "groupTypes = { const = [\"Unified\"] }\nmail = 'Switch([id], , \"g2\", \"crew@contoso.com\", \"g3\", \"x@other.example\")'";
    world.scratch.write(
        "groups.toml",
        crate::sync_world::GROUPS.replace("[attributes]", &format!("[target]\nkind = \"json\"\n[attributes]\n{rules}")),
    );
    world.settings["target"]["group_email_domain"] = "contoso.com".into();
    world.set_groups(&[team("g1", "Große Runde", &[]), team("g2", "Mannschaft", &[]), team("g3", "Others", &[])]);
    let report = world.run();
    let nickname = |name: &str| graph.group(name).map(|group| group["mailNickname"].clone());
    assert_eq!((nickname("Große Runde"), nickname("Mannschaft")), (Some(json!("grosse-runde")), Some(json!("crew"))));
    assert_eq!((report.counts.failed, nickname("Others")), (1, None), "{report:?}");
    assert!(report.failures[0].reason.contains("group_email_domain is contoso.com"), "{report:?}");
}

#[test]
fn a23_a_full_name_is_split_at_its_first_blank() {
    let cases = [
        ("Ada", json!("Ada"), Value::Null),
        ("Ada Lovelace", json!("Ada"), json!("Lovelace")),
        ("Ana Maria de la Cruz", json!("Ana"), json!("Maria de la Cruz")),
        ("", Value::Null, Value::Null),
        ("Ada ", json!("Ada"), Value::Null),
        ("  Ada  Lovelace", json!("Ada"), json!("Lovelace")),
        ("Олена Пчілка Косач", json!("Олена"), json!("Пчілка Косач")),
        ("山田　太郎", json!("山田"), json!("太郎")),
        ("李小龍", json!("李小龍"), Value::Null),
    ];
    let user =
        |name: &str| json!({"uid": "1", "username": "u", "name": name, "email": "u@contoso.com", "is_active": true});
    let records: Vec<Value> = cases.iter().map(|(name, _, _)| user(name)).collect();
    for (payload, (name, given, family)) in mapped("mappings/authentik-user.toml", &records).iter().zip(&cases) {
        assert_eq!((&payload["givenName"], &payload["surname"]), (given, family), "{name:?}");
    }
    // Where a service wants both names, who has one has it twice, and who has none is called as they sign in.
    for (payload, (name, given, family)) in mapped("mappings/google-workspace-user.toml", &records).iter().zip(&cases) {
        let given = if given.is_null() { &json!("u") } else { given };
        let family = if family.is_null() { given } else { family };
        assert_eq!((&payload["name"]["givenName"], &payload["name"]["familyName"]), (given, family), "{name:?}");
    }
}

/// A world with authentik's own default mappings.
fn authentik(name: &str) -> (World, GraphFake) {
    let (mut world, graph) = World::to_graph(name);
    for (kind, file) in [("users", "authentik-user.toml"), ("groups", "authentik-group.toml")] {
        world.settings[kind]["mapping"] = root().join("mappings").join(file).display().to_string().into();
        world.settings[kind]["key"] = "pk".into();
    }
    world.set_users(&[json!({"pk": 7, "uid": "8c1f", "uuid": "u", "username": "ada", "name": "Ada Lovelace",
        "email": "ada@contoso.com", "is_active": true, "type": "internal"})]);
    world.set_groups(&[json!({"pk": "a1", "name": "Team: R&D", "is_superuser": false, "members": ["7"]})]);
    (world, graph)
}

/// The bodies of the requests that were this, without the password.
fn bodies(graph: &GraphFake, what: &str) -> Vec<Value> {
    let of = graph.requests().into_iter().filter(|seen| seen.is(what)).map(|seen| seen.body);
    of.map(|mut body| {
        if let Some(password) = body.pointer_mut("/passwordProfile/password") {
            assert_eq!(password.as_str().unwrap().len(), 24);
            *password = "…".into();
        }
        body
    })
    .collect()
}

#[test]
fn a24_a_user_is_sent_with_address_name_and_whether_they_are_active() {
    let (mut world, graph) = authentik("a24");
    world.good();
    assert_eq!(
        bodies(&graph, "POST /users"),
        [json!({
            "displayName": "Ada Lovelace", "givenName": "Ada", "surname": "Lovelace", "mail": "ada@contoso.com",
            "accountEnabled": true, "mailNickname": "ada", "userPrincipalName": "ada@contoso.com",
            "onPremisesImmutableId": "8c1f",
            "passwordProfile": {"forceChangePasswordNextSignIn": true, "password": "…"},
        })]
    );
    assert!(graph.groups().len() == 1 && graph.members(graph.groups()[0]["id"].as_str().unwrap()).len() == 1);
}

#[test]
fn a25_a_group_is_sent_with_its_name() {
    let (mut world, graph) = authentik("a25");
    world.good();
    assert_eq!(
        bodies(&graph, "POST /groups"),
        [json!({"displayName": "Team: R&D", "mailEnabled": false, "securityEnabled": true, "mailNickname": "team-rd"})]
    );
}

#[test]
fn a26_the_mapping_says_which_fields_are_sent_and_what_is_in_them() {
    let sent = |users: &str, groups: &str, number: usize| {
        let (mut world, graph) = World::to_graph(&format!("a26-{number}"));
        world.scratch.write("users.toml", GRAPH_USERS.replace("manager = '[boss]'", users));
        world.scratch.write(
            "groups.toml",
            crate::sync_world::GROUPS
                .replace("[attributes]", &format!("[target]\nkind = \"json\"\n[attributes]\n{groups}")),
        );
        world.set_users(&[person(1)]);
        world.set_groups(&[team("g1", "Team", &[])]);
        world.good();
        [bodies(&graph, "POST /users").remove(0), bodies(&graph, "POST /groups").remove(0)]
    };
    let [user, group] = sent("city = { const = \"Bern\" }\nemployeeId = 'Replace([id], \"r\", , , \"E-\", , )'", "", 1);
    assert_eq!((&user["city"], &user["employeeId"], group.get("description")), (&json!("Bern"), &json!("E-1"), None));
    let more = "city = { const = \"Basel\" }\ndepartment = 'ToUpper([team])'";
    let [user, group] = sent(more, "description = 'Append(\"The \", [displayName])'", 2);
    assert_eq!((&user["city"], user.get("employeeId")), (&json!("Basel"), None));
    assert_eq!(group["description"], "The Team");
    // The order is that of the file, each time.
    let order = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (first, second) = (sent(more, "", 3), sent(more, "", 4));
    assert_eq!((order(&first[0]), order(&first[1])), (order(&second[0]), order(&second[1])));
    assert_eq!(order(&first[0])[..4], ["userPrincipalName", "displayName", "givenName", "surname"]);
}

/// Something that is wrong with a world.
type Spoil = Box<dyn Fn(&mut World)>;

#[test]
fn a27_check_says_which_right_is_missing_and_writes_nothing() {
    let checks = |world: &mut World| -> (i32, BTreeMap<String, Value>) {
        let (code, text) = world.command(&["check", "--json"]);
        let told: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(told["fine"], code == 0, "{told}");
        let checks = told["checks"].as_array().unwrap().clone();
        (code, checks.into_iter().map(|check| (check["what"].as_str().unwrap().to_owned(), check)).collect())
    };
    let (mut world, graph) = World::to_graph("a27");
    world.settings["target"]["group_email_domain"] = "contoso.com".into();
    world.set_users(&people(0..3));
    let (code, all) = checks(&mut world);
    assert_eq!(code, 0, "{all:?}");
    let names = [
        "tenant",
        "application",
        "User.ReadWrite.All",
        "Group.ReadWrite.All",
        "Organization.Read.All",
        "verified domains",
        "group_email_domain",
        "reading users",
        "reading groups",
        "User mapping",
        "Group mapping",
    ];
    for name in names {
        assert_eq!(all[name]["verdict"], "found", "{name}: {all:?}");
    }
    assert_eq!(all["verified domains"]["outcome"], "contoso.com, contoso.onmicrosoft.com");
    assert_eq!((graph.writes(), graph.count("POST /$batch")), (0, 0));

    // Each right that is missing is named, alone.
    for right in ["User.ReadWrite.All", "Group.ReadWrite.All", "Organization.Read.All"] {
        let (mut world, graph) = World::to_graph(&format!("a27-{right}"));
        world.set_users(&people(0..3));
        graph.revoke(right);
        let (code, all) = checks(&mut world);
        let missing = |name: &str| all[name]["verdict"] == "missing";
        assert!(code == 1 && missing(right) && all[right]["fix"].as_str().unwrap().contains(right), "{all:?}");
        let others = all.keys().filter(|name| name.ends_with(".All") && *name != right);
        assert!(others.into_iter().all(|name| all[name]["verdict"] == "found"), "{all:?}");
        let (_, text) = world.command(&["check"]);
        assert!(text.contains(&format!("!!  {right}")) && text.contains("Grant admin consent"), "{text}");
        // A token that shows nothing: what can be read tells, what is written is not known.
        graph.opaque_tokens();
        let (code, all) = checks(&mut world);
        assert_eq!((code, &all["User.ReadWrite.All"]["verdict"]), (1, &json!("unknown")), "{all:?}");
    }

    // Tenant, application, secret, a domain, an attribute, a mapping.
    let set = |key: &'static str, value: &'static str| -> Spoil {
        Box::new(move |world| world.settings["target"][key] = value.into())
    };
    let url = graph.login_url().replace("contoso.onmicrosoft.com", "nowhere.example");
    let cases: Vec<(&str, &str, Spoil)> = vec![
        ("tenant", "AADSTS90002", Box::new(move |world| world.settings["target"]["login_url"] = url.clone().into())),
        ("application", "AADSTS700016", set("client_id", "nobody")),
        ("secret", "AADSTS7000215", Box::new(|world| drop(world.scratch.write("client-secret", "not-the-secret")))),
        ("group_email_domain", "not a verified domain", set("group_email_domain", "other.example")),
        (
            "reading users",
            "shoeSize",
            Box::new(|world| {
                world.scratch.write("users.toml", GRAPH_USERS.replace("jobTitle =", "shoeSize ="));
            }),
        ),
        (
            "User mapping",
            "users.toml",
            Box::new(|world| {
                world.scratch.write("users.toml", GRAPH_USERS.replace("[title]", "Titel([title])"));
            }),
        ),
    ];
    for (number, (what, said, spoil)) in cases.into_iter().enumerate() {
        let (mut world, graph) = World::to_graph(&format!("a27-case-{number}"));
        spoil(&mut world);
        let (code, all) = checks(&mut world);
        let check = all.get(what).unwrap_or_else(|| panic!("{what}: {all:?}"));
        assert!(code == 1 && check["verdict"] == "missing" && check["fix"].is_string(), "{check}");
        assert!(check["outcome"].as_str().unwrap().contains(said), "{check}");
        assert!(!json!(all).to_string().contains("not-the-secret"));
        assert_eq!(graph.writes(), 0);
    }

    // By the API; of a SCIM service: its description, whether it lets us in, its schemas.
    let live = Live::start("a27", "", |_| {});
    let told = live.server().api("POST", "/syncs/onward/check", &[], "").json();
    assert_eq!((&told["fine"], &told["sync"]), (&json!(true), &json!("onward")), "{told}");
    let (mut world, far) = World::to_scim("a27");
    let (code, all) = checks(&mut world);
    assert_eq!(code, 0, "{all:?}");
    assert!(
        ["ServiceProviderConfig", "reading Users", "the User schema"]
            .iter()
            .all(|name| all[*name]["verdict"] == "found")
    );
    world.scratch.write("users.toml", USERS.replace("title =", "shoeSize ="));
    assert!(checks(&mut world).1["User mapping"]["outcome"].as_str().unwrap().contains("shoeSize"));
    world.scratch.write("token", "prv1_nobody");
    let (code, all) = checks(&mut world);
    assert!(code == 1 && all["reading Users"]["verdict"] == "missing", "{all:?}");
    assert_eq!(far.writes(), []);
}

/// The pages, by their path from the root.
fn pages() -> BTreeMap<String, String> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    let all = docs.chain(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "mappings/README.md"].map(str::to_owned));
    let pages = all.filter(|path| Path::new(path).extension().is_some_and(|kind| kind == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// The anchors of a page, as they are made of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    headings
        .map(|heading| {
            heading.to_lowercase().chars().filter(|letter| kept(*letter)).collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn a28_the_docs_links_commands_and_numbers_are_right() {
    let pages = pages();
    let mut wrong = Vec::new();
    // Links lead to files and headings that are there.
    let link = regex::Regex::new(r"\]\(([^)\s]*)\)").unwrap();
    for (page, text) in &pages {
        for to in link.captures_iter(text).map(|found| found[1].to_owned()) {
            if to.starts_with("https://") {
                continue;
            }
            let (file, anchor) = to.split_once('#').unwrap_or((&to, ""));
            let path = root().join(page).parent().unwrap().join(file);
            let target = if file.is_empty() { text.clone() } else { fs::read_to_string(&path).unwrap_or_default() };
            if !(file.is_empty() || path.exists()) || !(anchor.is_empty() || anchors(&target).contains(anchor)) {
                wrong.push(format!("{page}: the link {to:?} leads nowhere"));
            }
        }
    }
    // Commands and their options are the program's.
    let mut helps: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let mut help = |words: &[&str]| -> Option<String> {
        let key: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let ask = || {
            let output = crate::support::run(&[words, &["--help"]].concat(), b"");
            (code(&output) == 0).then(|| stdout(&output).to_owned())
        };
        helps.entry(key).or_insert_with(ask).clone()
    };
    let command = regex::Regex::new(r"(?m)(?:^|[`$|(] ?)provisor ((?:[a-z]+)(?: [a-z]+)?)([^\n`|)#]*)").unwrap();
    let option = regex::Regex::new(r"(?:^|[\s\[])(--[a-z][a-z-]*)").unwrap();
    let mut seen = 0;
    for (page, text) in &pages {
        for found in command.captures_iter(text) {
            let words: Vec<&str> = found[1].split(' ').collect();
            let Some(first) = help(&words[..1]) else {
                wrong.push(format!("{page}: there is no command {:?}", &found[0]));
                continue;
            };
            seen += 1;
            let has_commands = first.contains("Commands:");
            let told = if has_commands && words.len() == 2 { help(&words) } else { Some(first) };
            let Some(told) = told else {
                wrong.push(format!("{page}: there is no command {:?}", &found[0]));
                continue;
            };
            for name in option.captures_iter(&found[2]).map(|name| name[1].to_owned()) {
                if !told.contains(&name) && !has_commands {
                    wrong.push(format!("{page}: {:?} has no option {name}", &found[0]));
                }
                if has_commands && words.len() == 2 && !told.contains(&name) {
                    wrong.push(format!("{page}: {:?} has no option {name}", &found[0]));
                }
            }
        }
    }
    assert!(seen > 60, "only {seen} commands were found");
    // Numbers are the settings' own.
    let least = json!({"name": "x", "users": {"mapping": "m", "file": "f"}, "target": {"kind": "file", "path": "p"}});
    let settings: provisor::sync::SyncSettings = serde_json::from_value(least).unwrap();
    let (guard, weather, quarantine) = (settings.guard, settings.weather, settings.quarantine);
    let spaced = |number: u64| number.to_string();
    for (key, values) in [
        ("| `guard.deletes`, `guard.share` |", vec![guard.deletes, guard.share.into()]),
        ("| `schedule.every` |", vec![settings.schedule.every]),
        (
            "| `weather.attempts`, `.wait`, `.longest`, `.give_up` |",
            vec![weather.attempts.into(), weather.wait, weather.longest, weather.give_up.into()],
        ),
        (
            "| `quarantine.failures`, `.share`, `.most` |",
            vec![quarantine.failures, quarantine.share.into(), quarantine.most],
        ),
    ] {
        let row =
            pages["docs/sync.md"].lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no row {key}"));
        let told: Vec<String> =
            row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let are: Vec<String> = values.into_iter().map(spaced).collect();
        if told != are {
            wrong.push(format!("docs/sync.md: {key} says {told:?}, and it is {are:?}"));
        }
    }
    // Of Graph, as it is asked.
    let (mut world, graph) = World::to_graph("a28");
    world.set_users(&people(0..50));
    world.good();
    let largest = graph.requests().iter().filter_map(|seen| Some(seen.body["requests"].as_array()?.len())).max();
    let pages_of = graph.requests().into_iter().find(|seen| seen.path == "/users/delta").unwrap();
    let prefer = pages_of.headers.into_iter().find(|(name, _)| name == "prefer").unwrap().1;
    assert_eq!((largest, prefer.as_str()), (Some(20), "odata.maxpagesize=999"));
    for row in ["| writes in a batch, members in a request | 20 |", "| objects in a page | 999 |"] {
        assert!(pages["docs/microsoft-graph.md"].contains(row), "{row}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
