//! The server over a socket beside two floors in one process: a bare axum that answers without thinking, and axum over sled with
//! the same durability. One client drives all three; ratios are taken within a round.
//!
//! ```text
//! cargo bench --bench server -- --quick
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark stops at the first thing that is wrong, and prints"
)]

mod served;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{self, Path as UrlPath};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, patch, post};
use bytes::Bytes;
use provisor::clock::SystemClock;
use provisor::config::Limits;
use provisor::directory::token::Scope;
use provisor::directory::{Directory, SourceRecord};
use provisor::server::{self, Registry};
use provisor::store::{Options, SledStore, Store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use self::served::client::{Client, Make, PATCH, ROOT, SERVERS, Speed, TOKEN, fill, fresh, name, rate, request, user};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Members that are added by one PATCH while a group is filled.
const MANY: usize = 1_000;
/// Members of the group that the floor has as a document.
const REWRITTEN: usize = 5_000;

/// What the command line asks for.
struct Arguments {
    rounds: usize,
    time: Duration,
    connections: Vec<usize>,
    /// Users that are read, and that are there beside those that are made.
    users: usize,
    /// Members of the large group.
    members: usize,
    only: Option<String>,
    /// Without the floors, for a profiler.
    alone: bool,
}

impl Arguments {
    fn read() -> Self {
        let mut found = Self {
            rounds: 5,
            time: Duration::from_millis(700),
            connections: vec![1, 4, 16, 64],
            users: 5_000,
            members: 100_000,
            only: None,
            alone: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--quick" => {
                    found.rounds = 1;
                    found.time = Duration::from_millis(100);
                    (found.users, found.members) = (300, 2_000);
                }
                "--rounds" => found.rounds = value().parse().unwrap(),
                "--time" => found.time = Duration::from_millis(value().parse().unwrap()),
                "--connections" => found.connections = value().split(',').map(|text| text.parse().unwrap()).collect(),
                "--users" => found.users = value().parse().unwrap(),
                "--members" => found.members = value().parse().unwrap(),
                "--only" => found.only = Some(value()),
                "--alone" => found.alone = true,
                "--bench" => {}
                _ => panic!(
                    "{word}? there are --quick --rounds N --time MS --connections 1,16 --users N --members N --only STEP --alone"
                ),
            }
        }
        found
    }

    fn wants(&self, step: &str) -> bool {
        self.only.as_ref().is_none_or(|only| step.contains(only.as_str()))
    }
}

fn main() {
    let arguments = Arguments::read();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-server-{}", std::process::id()));
    drop(fs::remove_dir_all(&root));
    fs::create_dir_all(&root).unwrap();
    let bench = Bench::start(&root, &arguments);
    bench.steps(&arguments);
    bench.groups(&arguments);
    drop(bench);
    drop(fs::remove_dir_all(&root));
}

/// A job of the floor's committer.
type Job = (Vec<(Vec<u8>, Vec<u8>)>, oneshot::Sender<()>);

/// Axum over sled, with nothing but durability: a document and three keys in one batch, flush and fsync before the answer.
#[derive(Clone)]
struct Floor {
    db: sled::Db,
    jobs: SyncSender<Job>,
    /// Held by who rewrites a group, so that no change is lost.
    group: Arc<tokio::sync::Mutex<()>>,
    /// The ids of all users, in the order in which they came.
    ids: Arc<RwLock<Vec<String>>>,
}

impl Floor {
    fn open(path: &Path) -> Self {
        let db = sled::Config::new().path(path).cache_capacity(64 << 20).flush_every_ms(None).open().unwrap();
        let file = OpenOptions::new().write(true).open(path.join("db")).unwrap();
        let (jobs, waiting) = sync_channel(1_024);
        let database = db.clone();
        let committer = std::thread::Builder::new().name("floor".to_owned());
        committer.spawn(move || commit(&database, &file, &waiting)).unwrap();
        Self { db, jobs, group: Arc::default(), ids: Arc::default() }
    }

    /// Stores rows; done when they are durable.
    async fn store(&self, rows: Vec<(Vec<u8>, Vec<u8>)>) {
        let (reply, done) = oneshot::channel();
        self.jobs.try_send((rows, reply)).unwrap();
        done.await.unwrap();
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/users", post(floor_create))
            .route("/users/{id}", get(floor_get))
            .route("/pages/{from}", get(floor_page))
            .route("/users/{id}/neighbours", get(floor_neighbours))
            .route("/groups", post(floor_group))
            .route("/groups/{id}", patch(floor_members))
            .route("/names/{name}", get(floor_find))
            .with_state(self)
    }
}

fn commit(db: &sled::Db, file: &File, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let (mut batch, mut owed) = (sled::Batch::default(), Vec::new());
        for (rows, reply) in std::iter::once(first).chain(waiting.try_iter().take(511)) {
            for (key, value) in rows {
                batch.insert(key, value);
            }
            owed.push(reply);
        }
        db.apply_batch(batch).unwrap();
        db.flush().unwrap();
        file.sync_all().unwrap();
        for reply in owed {
            reply.send(()).unwrap();
        }
    }
}

async fn floor_create(extract::State(floor): extract::State<Floor>, body: Bytes) -> impl IntoResponse {
    let mut user: Value = serde_json::from_slice(&body).unwrap();
    let id = uuid::Uuid::now_v7().to_string();
    user["id"] = id.as_str().into();
    // Without it an answer of the floor would be a third shorter than one of ours, and of any SCIM server's.
    let now = "2026-11-23T10:00:00.000Z";
    user["meta"] = json!({
        "resourceType": "User", "created": now, "lastModified": now,
        "location": format!("http://localhost{ROOT}/Users/{id}"), "version": "W/\"1\""
    });
    let document = user.to_string();
    let key = |space: &str, value: &Value| format!("{space}{}", value.as_str().unwrap()).into_bytes();
    let of_id = id.clone().into_bytes();
    let rows = vec![
        (key("n", &user["userName"]), of_id.clone()),
        (key("x", &user["externalId"]), of_id.clone()),
        (key("m", &user["emails"][0]["value"]), of_id.clone()),
        ([b"d".as_slice(), &of_id].concat(), document.clone().into_bytes()),
    ];
    floor.store(rows).await;
    floor.ids.write().unwrap().push(id);
    (StatusCode::CREATED, document)
}

/// A hundred documents from a place on: a look-up and a copy each.
async fn floor_page(extract::State(floor): extract::State<Floor>, UrlPath(from): UrlPath<usize>) -> impl IntoResponse {
    let ids = floor.ids.read().unwrap()[from..].iter().take(100).cloned().collect::<Vec<_>>();
    let mut page = b"{\"Resources\":[".to_vec();
    for (place, id) in ids.iter().enumerate() {
        page.extend_from_slice(if place == 0 { b"" } else { b"," });
        page.extend_from_slice(&floor.db.get(format!("d{id}")).unwrap().unwrap());
    }
    page.extend_from_slice(b"]}");
    page
}

/// A hundred documents as they lie side by side, from this one on.
async fn floor_neighbours(
    extract::State(floor): extract::State<Floor>,
    UrlPath(id): UrlPath<String>,
) -> impl IntoResponse {
    let mut page = b"{\"Resources\":[".to_vec();
    for (place, row) in floor.db.range(format!("d{id}").into_bytes()..b"e".to_vec()).take(100).enumerate() {
        page.extend_from_slice(if place == 0 { b"" } else { b"," });
        page.extend_from_slice(&row.unwrap().1);
    }
    page.extend_from_slice(b"]}");
    page
}

/// A group whose members are a list in its document.
async fn floor_group(extract::State(floor): extract::State<Floor>, body: Bytes) -> impl IntoResponse {
    let mut group: Value = serde_json::from_slice(&body).unwrap();
    let id = uuid::Uuid::now_v7().to_string();
    group["id"] = id.as_str().into();
    let document = group.to_string();
    floor.store(vec![(format!("g{id}").into_bytes(), document.clone().into_bytes())]).await;
    (StatusCode::CREATED, document)
}

/// Members added or removed: the document is read, changed, and written again.
async fn floor_members(
    extract::State(floor): extract::State<Floor>,
    UrlPath(id): UrlPath<String>,
    body: Bytes,
) -> impl IntoResponse {
    let patch: Value = serde_json::from_slice(&body).unwrap();
    let operation = &patch["Operations"][0];
    let meant = operation["value"].as_array().unwrap();
    let ids: HashSet<&str> = meant.iter().map(|member| member["value"].as_str().unwrap()).collect();
    let _turn = floor.group.lock().await;
    let key = format!("g{id}").into_bytes();
    let mut group: Value = serde_json::from_slice(&floor.db.get(&key).unwrap().unwrap()).unwrap();
    let members = group["members"].as_array_mut().unwrap();
    members.retain(|member| !ids.contains(member["value"].as_str().unwrap()));
    if operation["op"] == "add" {
        members.extend(meant.iter().cloned());
    }
    floor.store(vec![(key, group.to_string().into_bytes())]).await;
    StatusCode::NO_CONTENT
}

async fn floor_get(extract::State(floor): extract::State<Floor>, UrlPath(id): UrlPath<String>) -> impl IntoResponse {
    floor.db.get(format!("d{id}")).unwrap().unwrap().to_vec()
}

async fn floor_find(extract::State(floor): extract::State<Floor>, UrlPath(name): UrlPath<String>) -> impl IntoResponse {
    let id = floor.db.get(format!("n{name}")).unwrap().unwrap();
    floor.db.get([b"d".as_slice(), &id].concat()).unwrap().unwrap().to_vec()
}

/// Answers with so many bytes, or with what it got.
fn echo() -> Router {
    Router::new()
        .route("/echo", post(|body: Bytes| async { (StatusCode::CREATED, body) }))
        .route("/echo/{bytes}", get(|UrlPath(bytes): UrlPath<usize>| async move { vec![b'x'; bytes] }))
}

/// A free port to listen on.
fn bound(runtime: &Runtime) -> (TcpListener, u16) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Serves on a free port.
fn listen(runtime: &Runtime, app: Router) -> u16 {
    let (listener, port) = bound(runtime);
    runtime.spawn(async move { axum::serve(listener, app).await });
    port
}

/// Serves as the program does on a free port.
fn serve(runtime: &Runtime, state: server::State) -> u16 {
    let (listener, port) = bound(runtime);
    runtime.spawn(server::serve(listener, state, Duration::ZERO, std::future::pending()));
    port
}

/// Ours, on a data directory, without rate limits.
async fn ours(path: &Path) -> server::State {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(path, Options::default()).unwrap());
    let directory = Directory::new(store, Arc::new(SystemClock));
    let registry = Registry::load(directory.clone()).await.unwrap();
    registry.add_source(SourceRecord::new("default", directory.now())).await.unwrap();
    registry.set_token("bench", Scope::Scim { source: "default".to_owned() }, TOKEN).await.unwrap();
    let limits = Limits { rate: 1_000_000, burst: 1_000_000, ..Limits::default() };
    server::State::new(directory, Arc::new(registry), limits)
}

/// The three servers and the client.
struct Bench {
    client: Runtime,
    /// Dropped last: the servers are its tasks.
    _servers: Runtime,
    ours: u16,
    floor: u16,
    echo: u16,
    /// Ids and names that both have, at the same places.
    our_ids: Arc<Vec<String>>,
    floor_ids: Arc<Vec<String>>,
    first: u64,
}

impl Bench {
    fn start(root: &Path, arguments: &Arguments) -> Self {
        let threads = |name: &str, count: usize| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(count).thread_name(name).enable_all().build().unwrap()
        };
        let (servers, client) = (threads(SERVERS, 2), threads("client", 1));
        let state = servers.block_on(ours(&root.join("ours")));
        let (ours, echo) = (serve(&servers, state), listen(&servers, echo()));
        let floor = listen(&servers, Floor::open(&root.join("floor")).routes());
        let first = fresh();
        let users: Vec<String> = (0..arguments.users as u64).map(|number| user(first + number)).collect();
        for _ in 0..arguments.users {
            fresh();
        }
        let users = Arc::new(users);
        let make = |path: &'static str| -> Make {
            let users = Arc::clone(&users);
            Arc::new(move |number| request("POST", path, &users[number as usize]))
        };
        let our_ids = Arc::new(fill(&client, ours, 64, arguments.users, &make("/scim/default/v2/Users")));
        let floor_ids = Arc::new(fill(&client, floor, 64, arguments.users, &make("/users")));
        Self { client, _servers: servers, ours, floor, echo, our_ids, floor_ids, first }
    }

    /// The size of an answer of ours.
    fn size(&self, path: &str) -> usize {
        self.size_of(self.ours, path)
    }

    fn size_of(&self, port: u16, path: &str) -> usize {
        self.client.block_on(async {
            let mut client = Client::connect(port).await;
            let (status, body) = client.send(&request("GET", path, "")).await;
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
            body.len()
        })
    }

    /// Prints how long answers of ours and of the floor are.
    fn sizes(&self, by_id: &str) {
        let floor_user = self.size_of(self.floor, &format!("/users/{}", self.floor_ids[0]));
        let floor_page = self.size_of(self.floor, "/pages/0");
        let (user, page) = (self.size(by_id), self.size(&format!("{ROOT}/Users?count=100")));
        println!("bytes: a user {user}, of the floor {floor_user}; a page {page}, of the floor {floor_page}\n");
    }

    /// Questions for a hundred users from some place on: of ours, of the floor, and of the floor where they lie side by side.
    fn pages(&self) -> [Make; 3] {
        let last = self.our_ids.len().saturating_sub(100).max(1) as u64;
        let page: Make = Arc::new(move |number| {
            request("GET", &format!("{ROOT}/Users?count=100&startIndex={}", 1 + number % last), "")
        });
        let floor_page: Make = Arc::new(move |number| request("GET", &format!("/pages/{}", number % last), ""));
        let neighbours: Make = {
            let ids = Arc::clone(&self.floor_ids);
            Arc::new(move |number| request("GET", &format!("/users/{}/neighbours", ids[(number % last) as usize]), ""))
        };
        [page, floor_page, neighbours]
    }

    /// What floors can do too.
    fn steps(&self, arguments: &Arguments) {
        let one = |ids: &Arc<Vec<String>>, path: &'static str| -> Make {
            let ids = Arc::clone(ids);
            Arc::new(move |number| {
                request("GET", &format!("{path}{}", ids[number.wrapping_mul(7_919) as usize % ids.len()]), "")
            })
        };
        let named = |path: &'static str, end: &'static str| -> Make {
            let (first, count) = (self.first, self.our_ids.len() as u64);
            Arc::new(move |number| {
                let name = name(first + number.wrapping_mul(7_919) % count);
                request("GET", &format!("{path}{name}{end}"), "")
            })
        };
        let of_size = |path: &str| -> Make {
            let path = format!("/echo/{}", self.size(path));
            Arc::new(move |_| request("GET", &path, ""))
        };
        let [page, floor_page, neighbours] = self.pages();
        let changed: Make = {
            let ids = Arc::clone(&self.our_ids);
            Arc::new(move |number| {
                let operation = json!({"op": "replace", "path": "title", "value": format!("Title {number}")});
                let body = json!({"schemas": [PATCH], "Operations": [operation]}).to_string();
                request("PATCH", &format!("{ROOT}/Users/{}", ids[number as usize % ids.len()]), &body)
            })
        };
        let find = "/scim/default/v2/Users?filter=userName+eq+%22";
        let nobody: Make = Arc::new(move |number| request("GET", &format!("{find}nobody-{number}%22"), ""));
        let by_id = format!("{ROOT}/Users/{}", self.our_ids[0]);
        let by_name = format!("{find}{}%22", name(self.first));
        self.sizes(&by_id);
        let create: fn(&'static str) -> Make = |path| Arc::new(move |number| request("POST", path, &user(number)));
        println!(
            "{:<26} {:>5} {:>9} {:>9} {:>9}   {:<22} {:<22} {:>7} {:>7}   goal",
            "requests/s",
            "conns",
            "ours",
            "floor",
            "echo",
            "ours/floor, min .. max",
            "ours/echo, min .. max",
            "ours us",
            "echo us"
        );
        let of_page = || of_size("/scim/default/v2/Users?count=100");
        // The last part is the goal: of the floor at 16 connections, or of the echo from 4 connections on. What makes users comes
        // after what reads, so that the directory has as many as was said.
        for (step, ours, floor, echo, goal) in [
            (
                "GET by id",
                one(&self.our_ids, "/scim/default/v2/Users/"),
                Some(one(&self.floor_ids, "/users/")),
                of_size(&by_id),
                Some((4, 0.7)),
            ),
            ("userName eq", named(find, "%22"), Some(named("/names/", "")), of_size(&by_name), Some((4, 0.7))),
            ("probe that finds nobody", nobody, None, of_size(&format!("{find}nobody%22")), None),
            ("list of 100", Arc::clone(&page), Some(floor_page), of_page(), Some((3, 2.0))),
            ("list of 100, side by side", page, Some(neighbours), of_page(), None),
            // The floor's write is its create.
            ("PATCH of a user", changed, Some(create("/users")), create("/echo"), None),
            ("create user", create("/scim/default/v2/Users"), Some(create("/users")), create("/echo"), Some((3, 0.85))),
        ] {
            if !arguments.wants(step) {
                continue;
            }
            for connections in arguments.connections.iter().copied() {
                let mut rows: [Vec<f64>; 7] = Default::default();
                // What is to be near the echo has more and shorter rounds: what other guests of the machine do is most of the
                // difference between two of them.
                let is_near = matches!(goal, Some((4, _)));
                let (rounds, part) = if is_near { (3 * arguments.rounds, 2) } else { (arguments.rounds, 1) };
                for _ in 0..rounds {
                    let run = |port, make: &Make| {
                        rate(&self.client, port, arguments.time / part, &vec![Arc::clone(make); connections])
                    };
                    let beside = |port, make: &Make| if arguments.alone { Speed::NONE } else { run(port, make) };
                    let (ours, echo) = (run(self.ours, &ours), beside(self.echo, &echo));
                    let floor = floor.as_ref().map_or(f64::NAN, |floor| beside(self.floor, floor).rate);
                    let ratios = [ours.rate / floor, ours.rate / echo.rate];
                    let rates = [ours.rate, floor, echo.rate].into_iter().chain(ratios);
                    for (row, value) in rows.iter_mut().zip(rates.chain([ours.work, echo.work])) {
                        row.push(value);
                    }
                }
                let [ours, floor, echo] = [&rows[0], &rows[1], &rows[2]].map(|row| shown(median(row), 0));
                let goal = match goal {
                    Some((3, _)) if connections != 16 => String::new(),
                    Some((4, _)) if connections < 4 => String::new(),
                    Some((row, least)) => {
                        let told = if median(&rows[row]) >= least { "reached" } else { "MISSED" };
                        format!(">= {least} of {}: {told}", if row == 3 { "floor" } else { "echo" })
                    }
                    None => String::new(),
                };
                let [to_floor, to_echo] = [&rows[3], &rows[4]].map(|row| spread(row));
                let [our_work, echo_work] = [&rows[5], &rows[6]].map(|row| shown(median(row), 1));
                println!(
                    "{step:<26} {connections:>5} {ours:>9} {floor:>9} {echo:>9}   {to_floor:<22} {to_echo:<22} {our_work:>7} {echo_work:>7}   {goal}"
                );
            }
        }
    }

    /// A hundred members in a group of some thousand, beside the floor, which rewrites its document.
    fn rewritten(&self, arguments: &Arguments, ours: &str, members: &[String], others: &[String]) {
        let members = &members[..REWRITTEN.min(members.len())];
        let values: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"displayName": "middle", "members": values}).to_string();
        let create: Make = Arc::new(move |_| request("POST", "/groups", &body));
        let floor = fill(&self.client, self.floor, 1, 1, &create).remove(0);
        println!(
            "\n{:<34} {:>5} {:>9} {:>9}   ours/floor, min .. max",
            format!("PATCH of a group of {}/s", members.len()),
            "conns",
            "ours",
            "floor"
        );
        for connections in arguments.connections.iter().copied() {
            let mut rows: [Vec<f64>; 3] = Default::default();
            for _ in 0..arguments.rounds {
                let run = |port, path: &str| {
                    let makes = member_patches(path, connections, others, 100);
                    rate(&self.client, port, arguments.time, &makes).rate
                };
                let ours = run(self.ours, &format!("{ROOT}/Groups/{ours}"));
                let floor = if arguments.alone { f64::NAN } else { run(self.floor, &format!("/groups/{floor}")) };
                for (row, value) in rows.iter_mut().zip([ours, floor, ours / floor]) {
                    row.push(value);
                }
            }
            let goal = match (connections, median(&rows[2]) >= 3.0) {
                (1, true) => ">= 3: reached",
                (1, false) => ">= 3: MISSED",
                _ => "",
            };
            let [ours, floor] = [&rows[0], &rows[1]].map(|row| shown(median(row), 0));
            let step = "100 members added or removed";
            println!("{step:<34} {connections:>5} {ours:>9} {floor:>9}   {:<22} {goal}", spread(&rows[2]));
        }
    }

    /// Members, in a small group and in a large one.
    fn groups(&self, arguments: &Arguments) {
        if !arguments.wants("members") {
            return;
        }
        let most = arguments.connections.iter().copied().max().unwrap_or(1);
        let needed = arguments.members + 100 * most;
        let make: Make = Arc::new(|_| request("POST", "/scim/default/v2/Users", &user(fresh())));
        let users = fill(&self.client, self.ours, 64, needed, &make);
        let (members, others) = users.split_at(arguments.members);
        let group = |name: &str, members: &[String]| -> String {
            let body =
                json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name}).to_string();
            let create: Make = Arc::new(move |_| request("POST", "/scim/default/v2/Groups", &body));
            let id = fill(&self.client, self.ours, 1, 1, &create).remove(0);
            let parts: Vec<Vec<String>> = members.chunks(MANY).map(<[String]>::to_vec).collect();
            let (path, count) = (format!("{ROOT}/Groups/{id}"), parts.len());
            let add: Make = Arc::new(move |number| member_patch(&path, "add", &parts[number as usize]));
            fill(&self.client, self.ours, 1, count, &add);
            id
        };
        self.rewritten(arguments, &group("middle", &members[..REWRITTEN.min(members.len())]), members, others);
        let small = group("small", &members[..100.min(members.len())]);
        let large = group("large", members);
        println!(
            "\n{:<34} {:>5} {:>9} {:>9}   large/small time, min .. max",
            "PATCH of a group/s", "conns", "100", arguments.members
        );
        for (step, count) in [("1 member added or removed", 1), ("100 members added or removed", 100)] {
            for connections in arguments.connections.iter().copied() {
                let mut rows: [Vec<f64>; 3] = Default::default();
                for _ in 0..arguments.rounds {
                    let run = |group: &str| {
                        let path = format!("{ROOT}/Groups/{group}");
                        let makes = member_patches(&path, connections, others, count);
                        rate(&self.client, self.ours, arguments.time, &makes).rate
                    };
                    let (small, large) = (run(&small), run(&large));
                    for (row, value) in rows.iter_mut().zip([small, large, small / large]) {
                        row.push(value);
                    }
                }
                let goal = match (count, median(&rows[2]) <= 2.0) {
                    (1, true) => "<= 2: reached",
                    (1, false) => "<= 2: MISSED",
                    _ => "",
                };
                let [small, large] = [&rows[0], &rows[1]].map(|row| shown(median(row), 0));
                println!("{step:<34} {connections:>5} {small:>9} {large:>9}   {:<22} {goal}", spread(&rows[2]));
            }
        }
    }
}

/// PATCHes for so many connections. Each adds members of its own and removes them again, so that the group stays about as large as it
/// is.
fn member_patches(path: &str, connections: usize, others: &[String], count: usize) -> Vec<Make> {
    let make = |connection: usize| -> Make {
        let path = path.to_owned();
        let own = others[connection * 100..connection * 100 + count].to_vec();
        let turn = AtomicU64::new(0);
        Arc::new(move |_| {
            let adds = turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            member_patch(&path, if adds { "add" } else { "remove" }, &own)
        })
    };
    (0..connections).map(make).collect()
}

fn member_patch(path: &str, operation: &str, members: &[String]) -> Vec<u8> {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let operation = json!({"op": operation, "path": "members", "value": members});
    request("PATCH", path, &json!({"schemas": [PATCH], "Operations": [operation]}).to_string())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn shown(value: f64, digits: usize) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.digits$}") }
}

fn spread(values: &[f64]) -> String {
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    if median(values).is_nan() { "-".to_owned() } else { format!("{:.2}  {least:.2} .. {most:.2}", median(values)) }
}
