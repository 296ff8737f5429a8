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

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{self, Path as UrlPath};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use provisor::clock::SystemClock;
use provisor::config::Limits;
use provisor::directory::token::Scope;
use provisor::directory::{Directory, SourceRecord};
use provisor::server::{self, Registry};
use provisor::store::{Options, SledStore, Store};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOKEN: &str = "the-token-of-the-bench";
const ROOT: &str = "/scim/default/v2";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const JSON: &str = "Content-Type: application/scim+json\r\n";
/// The name of the threads on which the servers run.
const SERVERS: &str = "server";
/// Members that are added by one PATCH while a group is filled.
const MANY: usize = 1_000;

/// What the command line asks for.
struct Arguments {
    rounds: usize,
    time: Duration,
    connections: Vec<usize>,
    /// Users that are read, and that are there beside those that are made.
    users: usize,
    /// Members of the large group.
    members: usize,
    /// Users for memory, start and disk.
    big: Option<usize>,
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
            big: None,
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
                "--members" => found.members = value().parse().unwrap(),
                "--big" => found.big = Some(value().parse().unwrap()),
                "--only" => found.only = Some(value()),
                "--alone" => found.alone = true,
                "--bench" => {}
                _ => panic!(
                    "{word}? there are --quick --rounds N --time MS --connections 1,16 --members N --big N --only STEP --alone"
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
    if let Some(users) = arguments.big {
        big(&root, users);
    } else {
        let bench = Bench::start(&root, &arguments);
        bench.steps(&arguments);
        bench.groups(&arguments);
    }
    drop(fs::remove_dir_all(&root));
}

/// A connection that stays open.
struct Client {
    stream: TcpStream,
    reply: Vec<u8>,
}

impl Client {
    async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, reply: Vec::with_capacity(1 << 16) }
    }

    /// Sends a request; gives the status and the body.
    async fn send(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.reply.clear();
        let (mut head, mut whole) = (0, usize::MAX);
        while self.reply.len() < whole {
            assert!(self.stream.read_buf(&mut self.reply).await.unwrap() > 0, "the server closed the connection");
            if head == 0
                && let Some(end) = self.reply.windows(4).position(|four| four == b"\r\n\r\n")
            {
                head = end + 4;
                whole = head + length(&self.reply[..end]);
            }
        }
        let status = std::str::from_utf8(&self.reply[9..12]).unwrap().parse().unwrap();
        (status, &self.reply[head..])
    }
}

/// What `Content-Length` says.
fn length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let found = head.lines().filter_map(|line| line.split_once(':'));
    let value = found.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    value.map_or(0, |(_, value)| value.trim().parse().unwrap())
}

fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { JSON };
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Numbers that no two calls share.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn name(number: u64) -> String {
    format!("{:016x}@contoso.example", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A user as Entra sends one.
fn user(number: u64) -> String {
    let name = name(number);
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        ],
        "userName": name,
        "externalId": format!("{number:x}-external"),
        "active": true,
        "displayName": format!("Person {number}"),
        "title": "Engineer",
        "name": {"formatted": format!("Person {number}"), "givenName": "Person", "familyName": number.to_string()},
        "emails": [{"type": "work", "value": name, "primary": true}],
        "phoneNumbers": [{"type": "work", "value": "+41 44 123 45 67"}],
        "addresses": [{"type": "work", "locality": "Zurich", "country": "CH", "postalCode": "8001"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "employeeNumber": number.to_string()}
    })
    .to_string()
}

/// A request for a number, the same work each time.
type Make = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// How fast something goes, and what it costs.
#[derive(Clone, Copy)]
struct Speed {
    /// Requests a second.
    rate: f64,
    /// Microseconds of processor that the servers' threads work for a request; the client, and the thread that writes, not counted.
    work: f64,
}

impl Speed {
    const NONE: Self = Self { rate: f64::NAN, work: f64::NAN };
}

/// Microseconds of processor that the servers' threads have had.
fn worked() -> f64 {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == SERVERS {
            nanoseconds += read("schedstat").split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    nanoseconds as f64 / 1e3
}

/// Requests a second over as many connections as there are ways to make one.
fn rate(runtime: &Runtime, port: u16, time: Duration, makes: &[Make]) -> Speed {
    let before = worked();
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in makes {
            clients.push(Client::connect(port).await);
        }
        let (begun, mut tasks) = (Instant::now(), tokio::task::JoinSet::new());
        for (mut client, make) in clients.into_iter().zip(makes) {
            let make = Arc::clone(make);
            tasks.spawn(async move {
                let mut count = 0_u64;
                while begun.elapsed() < time {
                    let (status, body) = client.send(&make(fresh())).await;
                    assert!(status < 300, "{status}: {}", String::from_utf8_lossy(body));
                    count += 1;
                }
                count
            });
        }
        let mut count = 0;
        while let Some(done) = tasks.join_next().await {
            count += done.unwrap();
        }
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        Speed { rate, work: (worked() - before) / count as f64 }
    })
}

/// Sends every request once over so many connections; gives the `id` of each answer, in the order of the requests.
fn fill(runtime: &Runtime, port: u16, connections: usize, count: usize, make: &Make) -> Vec<String> {
    let (next, found) = (Arc::new(AtomicU64::new(0)), Arc::new(std::sync::Mutex::new(vec![String::new(); count])));
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (next, found, make) = (Arc::clone(&next), Arc::clone(&found), Arc::clone(make));
            tasks.spawn(async move {
                let mut client = Client::connect(port).await;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count as u64 {
                        return;
                    }
                    let (status, body) = client.send(&make(number)).await;
                    assert!(status < 300, "{status}: {}", String::from_utf8_lossy(body));
                    if !body.is_empty() {
                        let body: Value = serde_json::from_slice(body).unwrap();
                        let id = body["id"].as_str().unwrap_or_default();
                        id.clone_into(&mut found.lock().unwrap()[number as usize]);
                    }
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    Arc::try_unwrap(found).unwrap().into_inner().unwrap()
}

/// A job of the floor's committer.
type Job = (Vec<(Vec<u8>, Vec<u8>)>, oneshot::Sender<()>);

/// Axum over sled, with nothing but durability: a document and three keys in one batch, flush and fsync before the answer.
#[derive(Clone)]
struct Floor {
    db: sled::Db,
    jobs: SyncSender<Job>,
}

impl Floor {
    fn open(path: &Path) -> Self {
        let db = sled::Config::new().path(path).cache_capacity(64 << 20).flush_every_ms(None).open().unwrap();
        let file = OpenOptions::new().write(true).open(path.join("db")).unwrap();
        let (jobs, waiting) = sync_channel(1_024);
        let database = db.clone();
        let committer = std::thread::Builder::new().name("floor".to_owned());
        committer.spawn(move || commit(&database, &file, &waiting)).unwrap();
        Self { db, jobs }
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/users", post(floor_create))
            .route("/users/{id}", get(floor_get))
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
    let document = user.to_string();
    let key = |space: &str, value: &Value| format!("{space}{}", value.as_str().unwrap()).into_bytes();
    let of_id = id.clone().into_bytes();
    let rows = vec![
        (key("n", &user["userName"]), of_id.clone()),
        (key("x", &user["externalId"]), of_id.clone()),
        (key("m", &user["emails"][0]["value"]), of_id.clone()),
        ([b"d".as_slice(), &of_id].concat(), document.clone().into_bytes()),
    ];
    let (reply, done) = oneshot::channel();
    floor.jobs.try_send((rows, reply)).unwrap();
    done.await.unwrap();
    (StatusCode::CREATED, document)
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

/// Serves on a free port.
fn listen(runtime: &Runtime, app: Router) -> u16 {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move { axum::serve(listener, app).await });
    port
}

/// Ours, on a data directory, without rate limits.
async fn ours(path: &Path) -> Router {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(path, Options::default()).unwrap());
    let directory = Directory::new(store, Arc::new(SystemClock));
    let registry = Registry::load(directory.clone()).await.unwrap();
    registry.add_source(SourceRecord::new("default", directory.now())).await.unwrap();
    registry.set_token("bench", Scope::Scim { source: "default".to_owned() }, TOKEN).await.unwrap();
    let limits = Limits { rate: 1_000_000, burst: 1_000_000, ..Limits::default() };
    server::app(server::State::new(directory, Arc::new(registry), limits))
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
        let app = servers.block_on(ours(&root.join("ours")));
        let (ours, echo) = (listen(&servers, app), listen(&servers, echo()));
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
        self.client.block_on(async {
            let mut client = Client::connect(self.ours).await;
            let (status, body) = client.send(&request("GET", path, "")).await;
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
            body.len()
        })
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
        let last = self.our_ids.len().saturating_sub(100).max(1) as u64;
        let page: Make = Arc::new(move |number| {
            request("GET", &format!("{ROOT}/Users?count=100&startIndex={}", 1 + number % last), "")
        });
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
        let create: fn(&'static str) -> Make = |path| Arc::new(move |number| request("POST", path, &user(number)));
        println!(
            "{:<22} {:>5} {:>9} {:>9} {:>9}   {:<22} {:<22} {:>7} {:>7}   goal",
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
        // The last part is the goal: of the floor at 16 connections, or of the echo at any number.
        for (step, ours, floor, echo, goal) in [
            ("create user", create("/scim/default/v2/Users"), Some(create("/users")), create("/echo"), Some((3, 0.7))),
            (
                "GET by id",
                one(&self.our_ids, "/scim/default/v2/Users/"),
                Some(one(&self.floor_ids, "/users/")),
                of_size(&by_id),
                Some((4, 0.5)),
            ),
            ("userName eq", named(find, "%22"), Some(named("/names/", "")), of_size(&by_name), Some((4, 0.5))),
            ("probe that finds nobody", nobody, None, of_size(&format!("{find}nobody%22")), None),
            ("list of 100", page, None, of_size("/scim/default/v2/Users?count=100"), None),
            // The floor's write is its create.
            ("PATCH of a user", changed, Some(create("/users")), create("/echo"), None),
        ] {
            if !arguments.wants(step) {
                continue;
            }
            for connections in arguments.connections.iter().copied() {
                let mut rows: [Vec<f64>; 7] = Default::default();
                for _ in 0..arguments.rounds {
                    let run = |port, make: &Make| {
                        rate(&self.client, port, arguments.time, &vec![Arc::clone(make); connections])
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
                    Some((row, least)) => {
                        let told = if median(&rows[row]) >= least { "reached" } else { "MISSED" };
                        format!(">= {least} of {}: {told}", if row == 3 { "floor" } else { "echo" })
                    }
                    None => String::new(),
                };
                let [to_floor, to_echo] = [&rows[3], &rows[4]].map(|row| spread(row));
                let [our_work, echo_work] = [&rows[5], &rows[6]].map(|row| shown(median(row), 1));
                println!(
                    "{step:<22} {connections:>5} {ours:>9} {floor:>9} {echo:>9}   {to_floor:<22} {to_echo:<22} {our_work:>7} {echo_work:>7}   {goal}"
                );
            }
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
                        // Each connection adds its own and removes them again, so that the group stays about as large as it is.
                        let makes: Vec<Make> = (0..connections)
                            .map(|connection| {
                                let path = format!("{ROOT}/Groups/{group}");
                                let own = others[connection * 100..connection * 100 + count].to_vec();
                                let turn = AtomicU64::new(0);
                                let make: Make = Arc::new(move |_| {
                                    let adds = turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                                    member_patch(&path, if adds { "add" } else { "remove" }, &own)
                                });
                                make
                            })
                            .collect();
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

/// The program itself, as operators run it.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts it; says how long it took until the first answer.
    fn start(data: &Path) -> (Self, Duration) {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_provisor"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs([("PROVISOR_SCIM_TOKEN", TOKEN), ("PROVISOR_ADMIN_TOKEN", "the-admin-of-the-bench")])
            .envs([("PROVISOR_LIMITS_RATE", "1000000"), ("PROVISOR_LIMITS_BURST", "1000000")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut greeting, mut out) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        while !greeting.contains("SCIM endpoint:") {
            assert!(out.read_line(&mut greeting).unwrap() > 0, "the server ended: {greeting}");
        }
        let at = greeting.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
        let port = greeting[at..].split('/').next().unwrap().parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            Client::connect(port).await.send(&request("GET", "/scim/default/v2/Users?count=1", "")).await.0
        });
        assert_eq!(status, 200);
        (Self { child, port }, begun.elapsed())
    }

    /// Resident memory in MiB, now and at its highest.
    fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let read = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() / 1024
        };
        (read("VmRSS:"), read("VmHWM:"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn disk(path: &Path) -> u64 {
    let mut size = 0;
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            let data = entry.metadata().unwrap();
            if data.is_dir() { left.push(entry.path()) } else { size += data.len() }
        }
    }
    size >> 20
}

/// Memory, disk and start with many users.
fn big(root: &Path, users: usize) {
    let data = root.join("big");
    let client = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, empty) = Process::start(&data);
    println!("empty: first answer after {:.2} s, {} MiB resident", empty.as_secs_f64(), server.memory().0);
    let begun = Instant::now();
    let make: Make = Arc::new(|_| request("POST", "/scim/default/v2/Users", &user(fresh())));
    let ids = fill(&client, server.port, 64, users, &make);
    let (now, most) = server.memory();
    println!(
        "{users} users made in {:.1} s: {now} MiB resident, {most} at most, {} MiB on disk",
        begun.elapsed().as_secs_f64(),
        disk(&data)
    );
    let read: Make = Arc::new(move |number| request("GET", &format!("{ROOT}/Users/{}", ids[number as usize]), ""));
    fill(&client, server.port, 16, users, &read);
    println!("all read once: {} MiB resident", server.memory().0);
    drop(server);
    let (server, start) = Process::start(&data);
    println!(
        "killed and started again: first answer after {:.2} s, {} MiB resident",
        start.as_secs_f64(),
        server.memory().0
    );
    drop(server);
}
