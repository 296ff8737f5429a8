//! Plans of faults by seed: whatever goes wrong on the way, and whenever, the end is the one without it, and nobody is there twice.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provisor::sync::Ended;
use serde_json::{Value, json};

use crate::graph_fake::{Fault, GraphFake, Seen};
use crate::sync_weather::Dice;
use crate::sync_world::{Far, Hit, World, people, team};

/// How many plans there are for a Graph, and for a SCIM service.
const GRAPH_SEEDS: u64 = 100;
const SCIM_SEEDS: u64 = 24;

/// Does something for every seed, on twice as many threads as the machine has cores, at most eight: much of it is waiting, for disks and
/// for answers that are late on purpose.
fn seeds(count: u64, each: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(4, |cores| (2 * cores.get()).min(8));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    each(seed);
                }
            });
        }
    });
}

/// The tenant without ids: users with their attributes and managers, groups with their members.
fn tenant(graph: &GraphFake) -> (BTreeMap<String, Value>, BTreeMap<String, Vec<String>>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<String, String> =
        graph.users().iter().map(|user| (text(&user["id"]), text(&user["userPrincipalName"]))).collect();
    let mut users = BTreeMap::new();
    for user in graph.users() {
        let manager = graph.manager(&text(&user["id"])).map(|id| names[&id].clone());
        let shown = json!([user["displayName"], user["jobTitle"], user["accountEnabled"], manager]);
        assert!(users.insert(text(&user["userPrincipalName"]), shown).is_none(), "twice: {user:?}");
    }
    let mut groups = BTreeMap::new();
    for group in graph.groups() {
        let mut members: Vec<String> =
            graph.members(&text(&group["id"])).iter().filter_map(|id| names.get(id).cloned()).collect();
        members.sort();
        assert!(groups.insert(text(&group["displayName"]), members).is_none(), "twice: {group:?}");
    }
    (users, groups)
}

/// Two states of the records, one after the other, through runs that are repeated until one is complete.
fn two_states(world: &mut World, graph: &GraphFake, mut tick: impl FnMut(&GraphFake)) -> u64 {
    let mut again = 0;
    for second in [false, true] {
        let mut users = people(0..25);
        users[3]["boss"] = "r20".into();
        users[4]["boss"] = if second { "r5" } else { "r6" }.into();
        if second {
            users[7]["title"] = "Architect".into();
            users.remove(9);
            users.extend(people(25..30));
        }
        world.set_users(&users);
        let members = if second { ["r1", "r7", "r29"] } else { ["r0", "r1", "r9"] };
        world.set_groups(&[
            team("g1", "One", &members),
            team(if second { "g3" } else { "g2" }, if second { "Three" } else { "Two" }, &["r2"]),
        ]);
        let mut done = false;
        for _ in 0..40 {
            tick(graph);
            let report = world.run();
            again += report.repeated;
            if report.outcome == Ended::Complete && report.counts.failed == 0 {
                done = true;
                break;
            }
            assert!(matches!(report.outcome, Ended::Degraded | Ended::Complete), "{report:?}");
        }
        assert!(done, "no run came through");
    }
    again
}

/// What a seed does to a Graph: how often, how much in all, and of what kind.
fn graph_weather(seed: u64) -> impl FnMut(&Seen) -> Option<Fault> {
    let mut dice = Dice(seed * 7_919 + 1);
    let often = 3 + dice.roll(12);
    let mut left = 60;
    // An answer that comes after the client's time is up costs a second of the test, so only some seeds have one.
    let mut slow = u64::from(seed % 10 == 3);
    // A token that ends in the middle is refused once; the next one holds for a while.
    let mut since_refused = 100;
    move |seen| {
        since_refused += 1;
        if left == 0 || dice.roll(often) != 0 {
            return None;
        }
        left -= 1;
        if slow > 0 && !seen.batched && seen.method != "GET" {
            slow -= 1;
            return Some(Fault::SlowAnswer(Duration::from_millis(1_300)));
        }
        Some(match dice.roll(9) {
            0 => Fault::Throttled(0),
            1 => Fault::ThrottledUntilNow,
            2 => Fault::Status(503),
            3 => Fault::Status(504),
            4 => Fault::Drop,
            5 | 6 => Fault::DropAfter,
            // A token endpoint knows other words.
            7 if seen.path != "/token" && since_refused > 40 => {
                since_refused = 0;
                Fault::Status(401)
            }
            _ => Fault::Slow(Duration::from_millis(2)),
        })
    }
}

/// Under a hundred plans of faults a Graph has what it would have without them, and a run after them writes nothing.
pub(crate) fn a_graph_in_a_hundred_weathers() {
    let (mut world, graph) = World::to_graph("calm");
    two_states(&mut world, &graph, |_| {});
    let calm = tenant(&graph);
    assert_eq!((calm.0.len(), calm.1.len()), (30, 2));
    let again = AtomicU64::new(0);
    seeds(GRAPH_SEEDS, |seed| {
        let (mut world, graph) = World::to_graph(&format!("storm-{seed}"));
        world.settings["weather"] = json!({"wait": 1, "longest": 1, "attempts": 4, "give_up": 6});
        if seed % 10 == 3 {
            world.settings["target"]["timeout"] = 1.into();
        }
        if seed % 4 == 0 {
            graph.page(7);
            graph.repeat_objects();
        }
        graph.plan(graph_weather(seed));
        let mut tokens = Dice(seed);
        let repeated = two_states(&mut world, &graph, |graph| {
            if tokens.roll(3) == 0 {
                graph.expire_tokens();
            }
        });
        again.fetch_add(repeated, Ordering::Relaxed);
        graph.heal();
        assert_eq!(tenant(&graph), calm, "seed {seed}");
        graph.forget_requests();
        let report = world.good();
        assert_eq!((graph.writes(), report.counts.writes()), (0, 0), "seed {seed}: {report:?}");
    });
    let again = again.into_inner();
    println!("{GRAPH_SEEDS} seeds: {again} calls repeated");
    assert!(again > GRAPH_SEEDS, "the weather was too good: {again}");
}

/// The service without ids.
fn service(far: &Far) -> (BTreeMap<String, Value>, BTreeMap<String, Vec<String>>) {
    let shown = |user: &Value| json!([user["title"], user["active"], user["externalId"]]);
    let users = far.users().iter().map(|(name, user)| (name.clone(), shown(user))).collect();
    let groups = far.groups().into_keys().map(|name| (name.clone(), far.members(&name))).collect();
    (users, groups)
}

/// Two states of the records for a SCIM service, as for Graph.
fn two_states_of_a_service(world: &mut World, seed: &str) {
    for second in [false, true] {
        let mut users = people(0..12);
        if second {
            users[3]["title"] = "Architect".into();
            users.remove(5);
            users.extend(people(12..15));
        }
        world.set_users(&users);
        let members = if second { ["r1", "r3", "r13"] } else { ["r0", "r1", "r5"] };
        world.set_groups(&[team("g1", "One", &members), team(if second { "g3" } else { "g2" }, "Two", &["r2"])]);
        let complete = (0..40).any(|_| {
            let report = world.run();
            assert!(matches!(report.outcome, Ended::Degraded | Ended::Complete), "seed {seed}: {report:?}");
            report.outcome == Ended::Complete && report.counts.failed == 0
        });
        assert!(complete, "seed {seed}: no run came through");
    }
}

#[test]
fn a_scim_service_in_bad_weather_has_everybody_once() {
    let (mut world, far) = World::to_scim("scim-calm");
    two_states_of_a_service(&mut world, "calm");
    let calm = service(&far);
    assert_eq!((calm.0.len(), calm.1.len()), (15, 2));
    seeds(SCIM_SEEDS, |seed| {
        let (mut world, far) = World::to_scim(&format!("scim-storm-{seed}"));
        world.settings["weather"] = json!({"wait": 1, "longest": 1, "attempts": 4, "give_up": 6});
        let mut dice = Dice(seed * 31 + 5);
        let (often, mut left) = (3 + dice.roll(5), 40);
        far.weather(move |_| {
            if left == 0 || dice.roll(often) != 0 {
                return None;
            }
            left -= 1;
            Some(match dice.roll(6) {
                0 => Hit::Status(429, Some(0)),
                1 => Hit::Status(503, None),
                2 => Hit::Status(504, None),
                3 => Hit::Drop,
                _ => Hit::DropAfter,
            })
        });
        two_states_of_a_service(&mut world, &seed.to_string());
        far.heal();
        assert_eq!(service(&far), calm, "seed {seed}");
        far.requests();
        world.good();
        assert_eq!(far.writes(), [], "seed {seed}");
    });
}

/// How many first pushes are killed.
const KILLED_SEEDS: u64 = 12;

/// A first push of people with managers and groups is killed at a random request, once or twice; the run after that ends as the one
/// that nobody killed, and nobody and nothing is there twice.
#[test]
fn a_first_push_that_is_killed_anywhere_ends_as_one_that_is_not() {
    let prepare = |world: &mut World| {
        let mut users = people(0..60);
        for (number, user) in users.iter_mut().enumerate().skip(1) {
            user["boss"] = format!("r{}", number / 4).into();
        }
        world.set_users(&users);
        let all: Vec<String> = (0..60).map(|number| format!("r{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        world.set_groups(&[team("g1", "All", &all), team("g2", "Few", &all[3..9]), team("g3", "None", &[])]);
    };
    let (mut world, graph) = World::to_graph("alive");
    prepare(&mut world);
    world.good();
    let calm = tenant(&graph);
    let most = graph.requests().len() as u64;
    let killed = AtomicU64::new(0);
    seeds(KILLED_SEEDS, |seed| {
        let (mut world, graph) = World::to_graph(&format!("killed-{seed}"));
        prepare(&mut world);
        let mut dice = Dice(seed * 104_729 + 17);
        for _ in 0..=dice.roll(2) {
            let child = Arc::new(Mutex::new(None::<Child>));
            let (mut left, theirs, is_after) = (1 + dice.roll(most), Arc::clone(&child), dice.roll(2) == 0);
            graph.plan(move |_| {
                left = left.saturating_sub(1);
                if left != 0 {
                    return None;
                }
                left = u64::MAX;
                if let Some(child) = &mut *theirs.lock().unwrap() {
                    child.kill().unwrap();
                }
                // What it asked for last is done, or not.
                (!is_after).then_some(Fault::Drop)
            });
            // Held, so that no request comes before it is known whom to kill.
            let mut held = child.lock().unwrap();
            let started = world.start(&["run", "--quiet"]);
            *held = Some(started);
            drop(held);
            let ended = loop {
                let ended = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
                match ended {
                    Some(ended) => break ended,
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            killed.fetch_add(u64::from(ended.code().is_none()), Ordering::Relaxed);
            graph.heal();
        }
        world.settings["weather"] = json!({"wait": 1, "longest": 1});
        world.good();
        assert_eq!(tenant(&graph), calm, "seed {seed}");
        graph.forget_requests();
        let report = world.good();
        assert_eq!((graph.writes(), report.counts.writes()), (0, 0), "seed {seed}: {report:?}");
    });
    let killed = killed.into_inner();
    assert!(killed >= KILLED_SEEDS / 2, "only {killed} were killed");
}
