//! What a sync tells of what it did: the run log, each object by itself, how far a run is, its exit codes; records of CSV; and who
//! leaves the scope leaves the groups.

use std::sync::Arc;
use std::time::{Duration, Instant};

use provisor::clock::SetClock;
use provisor::sync::{Ended, RunQuery};
use provisor::target::Kind;
use serde_json::{Value, json};

use crate::server::{Data, Server};
use crate::support::json_lines;
use crate::sync_world::{Far, World, people, team};

/// A command that ends well, and what it says.
fn says(world: &mut World, arguments: &[&str]) -> String {
    let (code, text) = world.command(arguments);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

/// Asks until it is so.
fn until<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn numbers(runs: &[Value]) -> Vec<u64> {
    runs.iter().map(|run| run["number"].as_u64().unwrap()).collect()
}

#[test]
fn the_run_log_is_shown_exported_and_bounded() {
    let mut world = World::to_file("view-log");
    world.settings["log"] = json!({"runs": 4});
    world.settings["schedule"] = json!({"every": 0});
    world.set_users(&people(0..3));
    for _ in 0..4 {
        world.good();
    }
    world.one(Kind::User, "r1");
    says(&mut world, &["discover"]);
    let runs = json_lines(&says(&mut world, &["log", "--format", "json"]));
    assert_eq!(numbers(&runs), [6, 5, 4, 3]);
    let kinds: Vec<&str> = runs.iter().map(|run| run["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["discover", "object", "full", "full"]);
    assert_eq!(runs[0]["counts"]["unchanged"], 3);
    let text = says(&mut world, &["log", "--limit", "1", "--kind", "full"]);
    assert!(text.lines().count() == 1 && text.contains("#4") && text.contains("complete: 3 unchanged"), "{text}");
    let csv = says(&mut world, &["log", "--format", "csv"]);
    let rows: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert!(rows[0].starts_with("run,sync,kind,started,ended,outcome,created") && rows.len() == 5, "{csv}");
    assert!(rows[3].starts_with("4,onward,full,20") && rows[3].contains(",complete,0,"), "{csv}");
    assert!(rows.iter().all(|row| row.matches(',').count() == rows[0].matches(',').count()), "{csv}");
    let one = says(&mut world, &["log", "--run", "5"]);
    assert!(one.contains("#5") && one.contains("calls that wrote"), "{one}");
    let (code, text) = world.command(&["log", "--run", "2"]);
    assert!(code == 2 && text.contains("forgotten"), "{text}");
    assert_eq!(world.command(&["log", "--outcome", "good"]).0, 2);

    // The same of a server.
    let server = world.serve();
    let get = |path: &str| server.api("GET", &format!("/syncs/onward{path}"), &[], "");
    let page = get("/runs?limit=3").json();
    assert_eq!(numbers(page["runs"].as_array().unwrap()), [6, 5, 4]);
    let rest = get(&format!("/runs?limit=3&cursor={}", page["next"].as_str().unwrap())).json();
    assert_eq!((numbers(rest["runs"].as_array().unwrap()), &rest["next"]), (vec![3], &Value::Null));
    let full = get("/runs?kind=full&outcome=complete").json();
    assert_eq!(numbers(full["runs"].as_array().unwrap()), [4, 3]);
    // A stream comes in chunks.
    let accept = server.api("GET", "/syncs/onward/runs", &[("Accept", "text/csv")], "");
    assert!(accept.head.contains("text/csv") && accept.text().contains(&csv), "{}", accept.text());
    let lines = get("/runs?format=jsonl&limit=2");
    assert!(lines.head.contains("application/jsonl"), "{}", lines.head);
    let chunked = lines.text();
    assert!(chunked.contains("\"number\":6") && !chunked.contains("\"number\":4"), "{chunked}");
    assert_eq!((get("/runs/5").json()["kind"].clone(), get("/runs/2").status), (json!("object"), 404));
    for (path, said) in [
        ("/runs?since=1d", "there is no parameter"),
        ("/runs?kind=half", "kind is full"),
        ("/runs?outcome=good", "outcome is complete"),
        ("/runs?cursor=xx", "cursor"),
        ("/runs/last", "its number"),
        ("/runs?format=xml", "format is"),
    ] {
        let reply = get(path);
        assert!(reply.status == 400 && reply.text().contains(said), "{path}: {}", reply.text());
    }
    assert_eq!(server.send("GET", "/api/v1/syncs/onward/runs", &[], b"").status, 401);
    assert_eq!(server.api("GET", "/syncs/nobody/runs", &[], "").status, 404);
}

#[test]
fn old_runs_are_forgotten_and_a_halt_is_told_without_values() {
    let mut world = World::to_file("view-age");
    let clock = Arc::new(SetClock::at(1_800_000_000_000));
    world.clock = clock.clone();
    world.set_users(&people(0..2));
    world.good();
    clock.set(1_800_000_000_000 + 91 * 86_400_000);
    world
        .scratch
        .write("users.toml", crate::sync_world::USERS.replace("title = '[title]'", "title = 'CBool([title])'"));
    assert_eq!(world.run().outcome, Ended::Halted);
    let sync = world.sync();
    let runs = world.wait(sync.runs(&RunQuery { limit: 9, ..RunQuery::default() })).unwrap().runs;
    assert_eq!(runs.iter().map(|run| run.number).collect::<Vec<_>>(), [2]);
    let error = runs[0].error.clone().unwrap();
    assert!(error.contains("E0702") && error.contains("users.toml:") && !error.contains("Engineer"), "{error}");
    for (log, said) in [(json!({"runs": 0}), "`runs` under log"), (json!({"days": 0}), "`days` from 1")] {
        world.settings["log"] = log;
        let (code, text) = world.command(&["status"]);
        assert!(code == 2 && text.contains(said), "{text}");
    }
}

#[test]
fn each_object_says_what_was_done_last_why_and_when_it_is_tried_again() {
    let (mut world, far) = World::to_scim("view-objects");
    world.settings["users"]["delete"] = "delete".into();
    let mut users = people(0..5);
    users[3]["userName"] = "".into();
    users[4]["userName"] = "=cmd@contoso.com".into();
    world.set_users(&users);
    world.set_groups(&[team("g1", "Team", &["r0", "r1"])]);
    assert_eq!(says(&mut world, &["run", "--quiet"]), "");
    let object = |world: &mut World, id: &str| -> Value {
        serde_json::from_str(&says(world, &["object", id, "--format", "json"])).unwrap()
    };
    // A name that is taken: refused each time, with the target's words but not their values.
    users[0]["userName"] = "user1@contoso.com".into();
    world.set_users(&users);
    for attempts in 1..3 {
        let (code, text) = world.command(&["run"]);
        assert!(code == 1 && text.contains("complete") && text.contains("1 failed"), "{code}: {text}");
        let failed = object(&mut world, "r0");
        assert_eq!((&failed["outcome"], &failed["attempts"]), (&json!("failed"), &json!(attempts)), "{failed}");
        assert!(failed["next"].as_u64() > failed["at"].as_u64(), "{failed}");
        let reason = failed["reason"].as_str().unwrap();
        assert!(reason.contains("userName") && !reason.contains("user1@"), "{reason}");
    }
    let id = far.user("user2@contoso.com")["id"].as_str().unwrap().to_owned();
    assert_eq!(object(&mut world, &id)["record"], "r2");
    assert_eq!(object(&mut world, "USER2@contoso.com")["target"], id.as_str());
    let skipped = object(&mut world, "r3");
    assert!(skipped["outcome"] == "skipped" && skipped["reason"].as_str().unwrap().contains("userName"), "{skipped}");
    assert_eq!(object(&mut world, "Team")["kind"], "group");
    let (code, text) = world.command(&["object", "nobody"]);
    assert!(code == 2 && text.contains("\"nobody\" is no record"), "{text}");
    let text = says(&mut world, &["object", "r0"]);
    assert!(text.contains("attempts  2") && text.contains("outcome   failed"), "{text}");
    let text = says(&mut world, &["objects", "--outcome", "failed"]);
    assert!(text.lines().count() == 1 && text.contains("2 attempts"), "{text}");
    assert_eq!(json_lines(&says(&mut world, &["objects", "--format", "json"])).len(), 6);
    let csv = says(&mut world, &["objects", "--search", "CMD", "--format", "csv"]);
    assert!(csv.starts_with("kind,record,name,target,outcome") && csv.contains("User,r4,'=cmd@contoso.com,"), "{csv}");
    assert_eq!(world.command(&["objects", "--outcome", "lost"]).0, 2);
    let (_, text) = world.command(&["log", "--run", "3"]);
    assert!(text.contains("failed: update User") && !text.contains("this userName: \"user1@"), "{text}");

    // Mended, it is open no more; a record that no run has come to is told as it would fare.
    users[0]["userName"] = "user0@contoso.com".into();
    users[3]["userName"] = "user3@contoso.com".into();
    users.extend(people(6..7));
    world.set_users(&users);
    assert_eq!(object(&mut world, "user6@contoso.com")["outcome"], "pending");
    users.remove(2);
    world.set_users(&users);
    says(&mut world, &["run"]);
    for (record, outcome) in [("r0", "unchanged"), ("r3", "created"), ("r6", "created"), ("r2", "deleted")] {
        let object = object(&mut world, record);
        assert_eq!((&object["outcome"], &object["next"]), (&json!(outcome), &Value::Null), "{object}");
    }

    // The same of a server.
    world.settings["schedule"] = json!({"every": 0});
    let server = world.serve();
    let get = |path: &str| server.api("GET", &format!("/syncs/onward/objects{path}"), &[], "");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("?kind=user&limit=2{cursor}")).json();
        let records = page["objects"].as_array().unwrap().iter().map(|one| one["record"].as_str().unwrap().to_owned());
        seen.extend(records);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["r0", "r1", "r2", "r3", "r4", "r6"]);
    assert_eq!(get("?outcome=deleted").json()["objects"][0]["record"], "r2");
    assert_eq!(get("?search=TEAM").json()["objects"][0]["kind"], "group");
    assert!(get("?format=csv").text().contains("kind,record,name"));
    assert_eq!(get("/r1").json()["name"], "user1@contoso.com");
    assert_eq!(get("/user6@contoso.com?kind=user").json()["record"], "r6");
    assert_eq!((get("/nobody").status, get("/r1?kind=group").status), (404, 404));
    assert_eq!((get("?outcome=lost").status, get("?kind=robot").status, get("?cursor=%21").status), (400, 400, 400));
    assert_eq!(server.send("GET", "/api/v1/syncs/onward/objects", &[], b"").status, 401);
}

/// Makes each call to the target take so long.
fn slow(far: &Far, milliseconds: u64) {
    far.weather(move |_| {
        std::thread::sleep(Duration::from_millis(milliseconds));
        None
    });
}

#[test]
fn a_run_says_how_far_it_is() {
    let (mut world, far) = World::to_scim("view-progress");
    world.settings["schedule"] = json!({"every": 0});
    world.set_users(&people(0..30));
    world.set_groups(&[team("g1", "Team", &["r0"])]);
    slow(&far, 150);
    let server = world.serve();
    let status = || server.api("GET", "/syncs/onward", &[], "").json();
    assert_eq!(status()["progress"], Value::Null);
    assert_eq!(server.api("POST", "/syncs/onward/run", &[], "{}").status, 202);
    let progress = until("the users", || Some(status()["progress"].clone()).filter(|now| now["phase"] == "users"));
    assert!(progress["total"] == 30 && progress["done"].as_u64() <= Some(30), "{progress}");
    until("the end", || Some(status()).filter(|now| now["runs"][0]["outcome"] == "complete"));
    assert_eq!(status()["progress"], Value::Null);
}

#[test]
fn a_terminal_has_a_bar_and_nothing_else_has() {
    let (mut world, far) = World::to_scim("view-bar");
    world.set_users(&people(0..3));
    slow(&far, 250);
    let mut run = |more: &str| {
        world.restart();
        let command = format!(
            "{} sync run onward --config {} --data {} {more}",
            env!("CARGO_BIN_EXE_provisor"),
            world.configured(),
            world.data().display()
        );
        // util-linux has a terminal for programs that look for one.
        let output = std::process::Command::new("script").args(["-qefc", &command, "/dev/null"]).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(shown) = run("") else { return };
    assert!(shown.contains("discovering") || shown.contains("users "), "{shown:?}");
    assert!(shown.contains("onward complete: 3 created"), "{shown:?}");
    for quiet in ["--quiet", "--format json"] {
        let shown = run(quiet).unwrap();
        assert!(!shown.contains("discovering") && !shown.contains('\u{1b}'), "{quiet}: {shown:?}");
    }
    let (code, text) = world.command(&["run"]);
    assert!(code == 0 && !text.contains("discovering"), "{text}");
}

#[test]
fn records_may_be_csv_by_the_rules_of_map() {
    let (mut world, far) = World::to_scim("view-csv");
    world.settings["users"] = json!({"mapping": "users.toml", "file": "users.CSV"});
    world.settings["groups"] = json!({"mapping": "groups.toml", "file": "groups.csv"});
    let header = "\u{feff}id, userName ,givenName,title,active,other\r\n";
    world.scratch.write(
        "users.CSV",
        format!("{header}r0,ada@x.example,Ada,\"Countess, \"\"of\"\"\nLovelace\",true,\r\n\r\nr1,bob@x.example,,,false,1\r\n"),
    );
    world.scratch.write("groups.csv", "id,displayName,members\ng1,Team,r0; r1;\n");
    let (code, text) = world.command(&["run"]);
    assert!(code == 0 && text.contains("warning: ") && text.contains("columns `familyName`, `mail`"), "{text}");
    let (ada, bob) = (far.user("ada@x.example"), far.user("bob@x.example"));
    assert_eq!((&ada["title"], &ada["active"]), (&json!("Countess, \"of\"\nLovelace"), &json!(true)));
    assert_eq!((bob.get("title"), bob.get("name"), &bob["active"]), (None, None, &json!(false)));
    assert_eq!(far.members("Team"), ["ada@x.example", "bob@x.example"]);
    far.requests();
    says(&mut world, &["run"]);
    assert_eq!(far.writes(), []);
    for (content, said) in [
        ("id,userName\nr0\n", "line 2: the row has 1 field and the header has 2"),
        ("id,userName\nr0,\"x\n\nr1,y\n", "line 2: a quote is opened here and never closed"),
        ("id,id\nr0,r1\n", "line 1: the column `id` stands twice"),
        ("\n", "the first line of a CSV file names the columns; it is empty"),
        ("userName\nx\n", "line 2: the record has no \"id\""),
        ("id\nr0\n\nr0\n", "line 4: there is another record with id \"r0\""),
    ] {
        world.scratch.write("users.CSV", content);
        let (code, text) = world.command(&["run"]);
        assert!(code == 2 && text.contains(said), "{content:?}: {text}");
    }
    assert_eq!(far.writes(), []);
}

#[test]
fn the_exit_codes_stand_in_the_help() {
    let output = crate::support::run(&["sync", "run", "--help"], b"");
    let text = crate::support::stdout(&output);
    for code in ["0  complete", "1  complete but", "2  it could not run", "3  halted"] {
        assert!(text.contains(code), "{text}");
    }
    let page = std::fs::read_to_string(crate::support::root().join("docs/sync.md")).unwrap();
    for row in ["| complete, nothing refused | 0 |", "| complete, some objects refused | 1 |", "| halted | 3 |"] {
        assert!(page.contains(row), "docs/sync.md has no {row}");
    }
}

#[test]
fn who_leaves_the_scope_leaves_the_groups_of_the_sync() {
    let (mut world, far) = World::to_scim("view-leaving");
    world.settings["scope"] = json!({"service_accounts": {"attribute": "title", "values": ["Robot"]}});
    let mut users = people(0..4);
    let teams = [team("g1", "Team", &["r0", "r1"]), team("g2", "Other", &["r1", "r2"])];
    let mut titled = |world: &World, title: &str| {
        users[1]["title"] = title.into();
        world.set_users(&users);
    };
    titled(&world, "Engineer");
    world.set_groups(&teams);
    world.good();
    let stranger = far.server.user("stranger@x.example");
    let foreign = far.server.group("Foreign");
    let one = far.user("user1@contoso.com")["id"].clone();
    let group = far.groups()["Team"]["id"].as_str().unwrap().to_owned();
    let add = |group: &str, id: &Value| {
        let value = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
        assert!(far.server.patch(&format!("/Groups/{group}"), value).status < 300);
    };
    add(&group, &stranger.clone().into());
    add(&foreign, &one);
    let (all, left) = (
        vec!["stranger@x.example".to_owned(), "user0@contoso.com".into(), "user1@contoso.com".into()],
        vec!["stranger@x.example".to_owned(), "user0@contoso.com".into()],
    );
    let stands = |team: &[String], active: bool| {
        assert_eq!((far.members("Team"), &far.user("user1@contoso.com")["active"]), (team.to_vec(), &json!(active)));
        assert_eq!(far.members("Foreign"), ["user1@contoso.com"], "a group of others");
    };
    // Held back by the guard: he stays, there too.
    titled(&world, "Robot");
    world.settings["guard"] = json!({"deletes": 0});
    assert_eq!(world.run().outcome, Ended::Guarded);
    stands(&all, true);
    // Protected: left alone, and only the link is given up.
    world.settings["guard"] = json!({"protected": ["user1@contoso.com"]});
    world.run();
    stands(&all, true);
    titled(&world, "Engineer");
    world.settings["guard"] = json!({});
    world.good();
    // Shut, and out of the groups; by a full run and by one of this user alone; and back.
    for single in [false, true] {
        let go = |world: &mut World| if single { world.one(Kind::User, "r1") } else { world.good() };
        titled(&world, "Robot");
        let report = go(&mut world);
        assert_eq!((report.counts.disabled, report.counts.members_removed), (1, 2), "{report:?}");
        stands(&left, false);
        far.requests();
        world.good();
        assert_eq!(far.writes(), []);
        // Somebody puts him into a group again while he is shut.
        add(&group, &one);
        world.good();
        stands(&left, false);
        titled(&world, "Engineer");
        let report = go(&mut world);
        assert_eq!(report.counts.members_added, 2, "{report:?}");
        stands(&all, true);
        assert_eq!(far.members("Other"), ["user1@contoso.com", "user2@contoso.com"]);
    }
    // Nothing is done with the account; the groups are the sync's all the same.
    world.settings["users"]["delete"] = "nothing".into();
    titled(&world, "Robot");
    world.good();
    stands(&left, true);
    far.requests();
    world.good();
    assert_eq!(far.writes(), []);
}

#[test]
fn a_direct_run_takes_who_leaves_out_of_the_groups_too() {
    let (data, far) = (Data::new(), Far::start());
    let mut world = World::new("view-direct", |scratch| far.settings(scratch));
    world.set_data(&data.0);
    let mapping = |kind: &str, rules: &str| {
        format!("name = \"scim-{kind}\"\nresource = \"{kind}\"\n[source]\nkind = \"scim\"\n[attributes]\n{rules}\n")
    };
    world.scratch.write(
        "users.toml",
        mapping("User", "userName = { expr = '[userName]', match = 1 }\nactive = '[active]'\nuserType = '[userType]'"),
    );
    world.scratch.write("groups.toml", mapping("Group", "displayName = { expr = '[displayName]', match = 1 }"));
    world.settings["source"] = "default".into();
    world.settings["users"] = json!({"mapping": "users.toml"});
    world.settings["groups"] = json!({"mapping": "groups.toml"});
    world.settings["scope"] = json!({"service_accounts": {"attribute": "userType", "values": ["Service"]}});
    world.settings["schedule"] = json!({"every": 0});
    let server: Server = world.serve();
    let ids: Vec<String> = ["ada", "bob"].iter().map(|name| server.user(name)).collect();
    let group = server.group("Staff");
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    server.patch(&format!("/Groups/{group}"), json!([{"op": "add", "path": "members", "value": members}]));
    let has = |names: &[&str]| {
        until("the members", || {
            let there = far.groups().contains_key("Staff") && far.members("Staff") == *names;
            there.then_some(())
        });
    };
    has(&["ada", "bob"]);
    for (kind, names, active) in [("Service", vec!["ada"], false), ("Person", vec!["ada", "bob"], true)] {
        server.patch(&format!("/Users/{}", ids[1]), json!([{"op": "add", "path": "userType", "value": kind}]));
        has(&names);
        until("the account", || (far.user("bob")["active"] == active).then_some(()));
    }
    // A run stands in the log when all of it is done.
    let runs = || server.api("GET", "/syncs/onward/runs?kind=direct", &[], "").json();
    until("three runs", || (runs()["runs"].as_array().unwrap().len() >= 3).then_some(()));
}
