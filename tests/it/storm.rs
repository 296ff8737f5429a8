//! Many clients at once, and a `kill -9` in the middle of them: nothing acknowledged is lost, nobody overwrites anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Data, PATCH, SCIM, Server, USER, cli};

/// Clients that write when the server is killed.
const WRITERS: usize = 8;
/// How often it is killed.
const KILLS: usize = 21;
/// How long they write between two kills.
const ROUND: Duration = Duration::from_millis(250);

/// Sends a request to a server that may die meanwhile: `None` when there was no whole answer, so that nobody knows what
/// became of it.
fn attempt(port: u16, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} /scim/default/v2{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {SCIM}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).ok()?;
    let reply = String::from_utf8(reply).ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).ok()? };
    Some((status, body))
}

/// What is known of a user after the answers that came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    title: u64,
    member: bool,
    deleted: bool,
}

/// What one writer knows, and the user of whom it does not know because its last request had no answer.
#[derive(Default)]
struct Told {
    users: BTreeMap<String, Known>,
    open: Option<String>,
}

/// Creates users, changes them, puts them into the group, and deletes some, until there is no answer.
fn write(port: u16, name: &str, group: &str) -> Told {
    let mut told = Told::default();
    let patch = |operation: Value| json!({"schemas": [PATCH], "Operations": [operation]});
    for number in 0.. {
        let user = json!({"schemas": [USER], "userName": format!("{name}-{number}"), "externalId": format!("{name}/{number}")});
        let Some((status, made)) = attempt(port, "POST", "/Users", &user) else { return told };
        assert_eq!(status, 201, "{made}");
        let id = made["id"].as_str().unwrap().to_owned();
        told.users.insert(id.clone(), Known { title: 0, member: false, deleted: false });
        let at = format!("/Users/{id}");
        let title = patch(json!({"op": "replace", "path": "title", "value": "1"}));
        let member = patch(json!({"op": "Add", "path": "members", "value": [{"value": id}]}));
        let gone = patch(json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}));
        let group = format!("/Groups/{group}");
        // Every writer does all of it, beginning at another step.
        let steps: [(&str, &str, &Value); 4] = [
            ("PATCH", &at, &title),
            ("PATCH", &group, &member),
            ("PATCH", &group, &gone),
            ("DELETE", &at, &Value::Null),
        ];
        for (step, (method, path, body)) in steps.into_iter().take(1 + number % 4).enumerate() {
            let Some((status, answer)) = attempt(port, method, path, body) else {
                told.open = Some(id);
                return told;
            };
            assert!(status < 300, "{method} {path}: {status} {answer}");
            let known = told.users.get_mut(&id).unwrap();
            match step {
                0 => known.title = 1,
                1 => known.member = true,
                2 => known.member = false,
                _ => known.deleted = true,
            }
        }
    }
    told
}

/// Compares a server with what it acknowledged.
fn compare(server: &Server, group: &str, users: &BTreeMap<String, Known>, open: &BTreeSet<String>) {
    let members = server.members(group);
    for (id, known) in users.iter().filter(|(id, _)| !open.contains(*id)) {
        let reply = server.scim("GET", &format!("/Users/{id}"), None);
        if known.deleted {
            assert_eq!(reply.status, 404, "{id} was deleted and is back");
            continue;
        }
        assert_eq!(reply.status, 200, "{id} was acknowledged and is lost");
        let user = reply.json();
        let title = user["title"].as_str().map_or(0, |title| title.parse().unwrap());
        let found = Known { title, member: members.contains(id), deleted: false };
        assert_eq!(found, *known, "{id}");
        assert_eq!(user["groups"].is_array(), known.member, "{id} and its group disagree");
    }
}

#[test]
fn a_kill_under_many_writers_loses_nothing_acknowledged() {
    let data = Data::new();
    let mut users: BTreeMap<String, Known> = BTreeMap::new();
    let mut open = BTreeSet::new();
    let mut server = Server::start(&data.0);
    let group = server.group("Everybody");
    let mut slowest = Duration::ZERO;
    for round in 0..KILLS {
        let port = server.port;
        let started = AtomicBool::new(false);
        let told: Vec<Told> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (group, started) = (&group, &started);
                    scope.spawn(move || {
                        started.store(true, Ordering::Relaxed);
                        write(port, &format!("u-{round}-{writer}"), group)
                    })
                })
                .collect();
            while !started.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            // Not at the same place of the work each time.
            thread::sleep(ROUND + Duration::from_millis(round as u64 * 7 % 50));
            server.kill();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let mut fresh = BTreeMap::new();
        for told in told {
            fresh.extend(told.users);
            open.extend(told.open);
        }
        // Half of the time the server itself is the first to open what the kill left.
        if round % 2 == 0 {
            let (agrees, told) = cli(&["store", "verify"], &data.0);
            assert!(agrees, "round {round}: {told}");
        }
        let start = Instant::now();
        server = Server::start(&data.0);
        slowest = slowest.max(start.elapsed());
        assert!(!server.greeting.contains("token:"), "tokens are made in a new directory alone");
        compare(&server, &group, &fresh, &open);
        users.extend(fresh);
    }
    compare(&server, &group, &users, &open);
    server.kill();
    let (agrees, told) = cli(&["store", "verify"], &data.0);
    assert!(agrees, "{told}");
    println!("{KILLS} kills, {} users acknowledged, none lost; slowest start {slowest:?}", users.len());
    assert!(users.len() > KILLS * WRITERS, "only {} were acknowledged", users.len());
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}

#[test]
fn sixteen_clients_on_one_group_lose_no_member() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let group = server.group("All");
    let path = format!("/Groups/{group}");
    let users: Vec<String> = (0..16 * 6).map(|number| server.user(&format!("u{number}"))).collect();
    thread::scope(|scope| {
        for (client, mine) in users.chunks(6).enumerate() {
            let (server, path) = (&server, &path);
            scope.spawn(move || {
                // Each in its own dialect, with a name of the group between, and two of six taken out again.
                let add = if client % 2 == 0 { "Add" } else { "add" };
                for user in mine {
                    let add = json!({"op": add, "path": "members", "value": [{"value": user}]});
                    let name = json!({"op": "replace", "path": "displayName", "value": format!("All {client}")});
                    assert!(server.patch(path, json!([add, name])).status < 300);
                }
                let one = json!([{"op": "Remove", "path": "members", "value": [{"value": mine[0]}]}]);
                let other = json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", mine[1])}]);
                assert!(server.patch(path, one).status < 300 && server.patch(path, other).status < 300);
            });
        }
    });
    let stay: BTreeSet<String> = users.chunks(6).flat_map(|mine| mine[2..].to_vec()).collect();
    assert_eq!(server.members(&group), stay);
    server.kill();
    let (agrees, told) = cli(&["store", "verify"], &data.0);
    assert!(agrees, "{told}");
}

#[test]
fn of_racing_writers_with_one_version_one_wins() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let (user, group) = (server.user("ada"), server.group("Team"));
    let title = |racer: usize| json!([{"op": "replace", "path": "title", "value": format!("title {racer}")}]);
    let member = |racer: usize| json!([{"op": "add", "path": "members", "value": [{"value": format!("m{racer}")}]}]);
    let mut names = 0;
    for round in 0..5 {
        for path in [format!("/Users/{user}"), format!("/Groups/{group}")] {
            let version = server.scim("GET", &path, None).json()["meta"]["version"].as_str().unwrap().to_owned();
            let statuses: Vec<u16> = thread::scope(|scope| {
                let racers: Vec<_> = (0..8)
                    .map(|racer| {
                        let racer = round * 8 + racer;
                        let operations = if path.starts_with("/Users") { title(racer) } else { member(racer) };
                        let (server, path, version) = (&server, &path, &version);
                        scope.spawn(move || {
                            let body = json!({"schemas": [PATCH], "Operations": operations});
                            server.scim_with("PATCH", path, &[("If-Match", version)], Some(&body)).status
                        })
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            let won = statuses.iter().filter(|status| **status == 200).count();
            let lost = statuses.iter().filter(|status| **status == 412).count();
            assert_eq!((won, lost), (1, 7), "{path}: {statuses:?}");
        }
        names += 1;
        assert_eq!(server.members(&group).len(), names, "who lost is no member");
    }
    // The same for PUT and DELETE: of those who mean one version, one is right.
    let path = format!("/Users/{user}");
    let version = server.scim("GET", &path, None).json()["meta"]["version"].as_str().unwrap().to_owned();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (server, path, version) = (&server, &path, &version);
                scope.spawn(move || {
                    let body = json!({"schemas": [USER], "userName": "ada", "title": format!("put {racer}")});
                    server.scim_with("PUT", path, &[("If-Match", version)], Some(&body)).status
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(server.scim_with("DELETE", &path, &[("If-Match", &version)], None).status, 412);
}
