//! The sync at size: a first push, runs with nothing to do, and a run over a few changes, into Microsoft Graph as our tests have it
//! and into a second `provisor serve`. Target and sync are processes of their own, so that time and memory are told apart.
//!
//! ```text
//! cargo bench --bench sync -- --quick
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::format_push_string,
    reason = "a benchmark stops at the first thing that is wrong, and prints"
)]

#[path = "../tests/support/graph/mod.rs"]
mod graph;
mod served;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use provisor::clock::SystemClock;
use provisor::directory::Directory;
use provisor::store::{Options, SledStore};
use provisor::sync::{RunOptions, Sync, SyncSettings};
use serde_json::{Value, json};

use self::served::client::TOKEN;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of so many users one is changed behind the back of the sync.
const EVERY: usize = 100;
/// The ticks of `/proc` in a second.
const TICKS: f64 = 100.0;

const SCIM_USERS: &str = r#"
name = "people"
resource = "User"
[source]
attributes = ["id", "userName", "givenName", "familyName", "mail", "title", "active", "boss"]
[attributes]
externalId = { expr = '[id]', match = 1 }
userName = { expr = '[userName]', match = 2, required = true }
'name.givenName' = '[givenName]'
'name.familyName' = '[familyName]'
'emails[type eq "work"].value' = '[mail]'
title = '[title]'
active = { expr = '[active]', default = true }
"#;

const GRAPH_USERS: &str = r#"
name = "people-graph"
resource = "User"
[source]
attributes = ["id", "userName", "givenName", "familyName", "mail", "title", "active", "boss"]
[target]
kind = "json"
[attributes]
userPrincipalName = { expr = '[userName]', match = 1, required = true }
displayName = 'Join(" ", [givenName], [familyName])'
givenName = '[givenName]'
surname = '[familyName]'
jobTitle = '[title]'
accountEnabled = { expr = '[active]', default = true }
"#;

/// What the command line asks for.
struct Arguments {
    sizes: Vec<usize>,
    only: Option<String>,
    /// Who has a manager: everybody but the first hundred.
    managers: bool,
    keep: bool,
}

impl Arguments {
    fn read() -> Self {
        let mut found = Self { sizes: vec![1_000, 10_000, 100_000], only: None, managers: false, keep: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--quick" => found.sizes = vec![1_000],
                "--sizes" => found.sizes = value().split(',').map(|text| text.parse().unwrap()).collect(),
                "--only" => found.only = Some(value()),
                "--managers" => found.managers = true,
                "--keep" => found.keep = true,
                "--bench" => {}
                _ => panic!("{word}? there are --quick --sizes 1000,10000 --only graph|scim --managers --keep"),
            }
        }
        found
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["as-graph", directory] => return serve_graph(directory),
        ["as-sync", directory] => return sync(Path::new(directory)),
        _ => {}
    }
    let arguments = Arguments::read();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-sync-{}", std::process::id()));
    println!(
        "{:<7} {:>7}  {:<22} {:>8} {:>9} {:>9} {:>9} {:>9} {:>8}  report",
        "target", "users", "run", "seconds", "cpu", "target's", "HTTP", "writes", "MiB"
    );
    for target in ["graph", "scim"] {
        if arguments.only.as_ref().is_some_and(|only| only != target) {
            continue;
        }
        for size in &arguments.sizes {
            drop(fs::remove_dir_all(&root));
            fs::create_dir_all(&root).unwrap();
            runs(target, *size, &root, &arguments);
        }
    }
    if arguments.keep {
        println!("{}", root.display());
    } else {
        drop(fs::remove_dir_all(&root));
    }
}

/// All runs of one size against one target.
fn runs(target: &str, size: usize, root: &Path, arguments: &Arguments) {
    let mut far = if target == "graph" { Far::graph(root) } else { Far::scim(root) };
    prepare(target, size, root, &far.settings, arguments.managers);
    for run in ["first push", "no change", "no change again"] {
        step(&mut far, target, size, run, root);
    }
    if target == "graph" {
        far.ask("drift");
        step(&mut far, target, size, "1 % changed there", root);
    }
}

fn step(far: &mut Far, target: &str, size: usize, run: &str, root: &Path) {
    let before = far.figures();
    let output = Command::new(std::env::current_exe().unwrap()).arg("as-sync").arg(root).output().unwrap();
    let after = far.figures();
    let text = String::from_utf8_lossy(&output.stdout);
    let Ok(told) = serde_json::from_str::<Value>(&text) else {
        panic!("the sync ended: {text}{}", String::from_utf8_lossy(&output.stderr))
    };
    let counts = told["report"]["counts"].as_object().unwrap().iter().filter(|(_, count)| count.as_u64() != Some(0));
    let mut report = told["report"]["outcome"].as_str().unwrap().to_owned();
    for (name, count) in counts {
        let _ = write!(report, ", {count} {name}");
    }
    println!(
        "{target:<7} {size:>7}  {run:<22} {:>8.2} {:>9.2} {:>9.2} {:>9} {:>9} {:>8}  {report}",
        told["seconds"].as_f64().unwrap(),
        told["cpu"].as_f64().unwrap(),
        after.cpu - before.cpu,
        after.requests - before.requests,
        told["report"]["calls"].as_u64().unwrap(),
        told["memory"].as_u64().unwrap()
    );
}

/// Writes the people, the mapping and the settings.
fn prepare(target: &str, size: usize, root: &Path, settings: &Value, managers: bool) {
    let mut lines = String::new();
    for number in 0..size {
        let mut person = json!({"id": format!("{number:08x}-0000-4000-8000-{number:012x}"),
            "userName": format!("user{number}@contoso.com"), "givenName": format!("Given{number}"),
            "familyName": "Family", "mail": format!("user{number}@contoso.com"), "title": "Engineer", "active": true,
            "department": "Research and development", "office": "Zurich, Technoparkstrasse 1", "phone": "+41 44 123 45 67"});
        if managers && number >= 100 {
            let boss = number % 100;
            person["boss"] = format!("{boss:08x}-0000-4000-8000-{boss:012x}").into();
        }
        let _ = writeln!(lines, "{person}");
    }
    fs::write(root.join("users.jsonl"), lines).unwrap();
    let (mapping, manager) = if target == "graph" {
        (GRAPH_USERS, "manager = '[boss]'\n")
    } else {
        (SCIM_USERS, "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value' = '[boss]'\n")
    };
    let mapping = format!("{mapping}{}", if managers { manager } else { "" });
    fs::write(root.join("users.toml"), mapping).unwrap();
    let settings =
        json!({"name": "onward", "users": {"mapping": "users.toml", "file": "users.jsonl"}, "target": settings});
    fs::write(root.join("sync.json"), settings.to_string()).unwrap();
}

/// One run of the sync, in a process of its own; what came of it as JSON.
fn sync(root: &Path) {
    let settings: SyncSettings = serde_json::from_slice(&fs::read(root.join("sync.json")).unwrap()).unwrap();
    settings.check().unwrap();
    let target = provisor::target::open(&settings.target, root).unwrap();
    // As `provisor sync run` opens it.
    let store = SledStore::open(&root.join("data"), Options { cache: 1 << 20, rows: 0, ..Options::default() }).unwrap();
    let clock = Arc::new(SystemClock);
    let directory = Directory::new(Arc::new(store), Arc::clone(&clock) as _);
    let sync = Sync::new(settings, root.to_path_buf(), directory, None, target, clock);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let begun = Instant::now();
    let report = runtime.block_on(sync.run(&RunOptions::default())).unwrap();
    let told =
        json!({"report": report, "seconds": begun.elapsed().as_secs_f64(), "cpu": cpu("self"), "memory": memory()});
    println!("{told}");
}

/// Seconds of processor time of a process.
fn cpu(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS
}

/// The most memory that this process had, in MiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// What a target says of itself.
struct Figures {
    cpu: f64,
    requests: u64,
}

/// The target, in a process of its own.
struct Far {
    child: Child,
    settings: Value,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
    _data: PathBuf,
}

impl Far {
    fn graph(root: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("as-graph")
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let mut settings: Value = serde_json::from_str(&line).unwrap();
        settings["kind"] = "graph".into();
        let asks = child.stdin.take();
        Self { child, settings, asks, answers, port: 0, _data: PathBuf::new() }
    }

    fn scim(root: &Path) -> Self {
        let data = root.join("far");
        fs::write(root.join("token"), TOKEN).unwrap();
        let (child, answers, port) = served::process::spawn(&data, &served::process::UNBOUNDED);
        let url = format!("http://127.0.0.1:{port}/scim/default/v2");
        let settings = json!({"kind": "scim", "url": url, "token": {"file": "token"}, "timeout": 60});
        Self { child, settings, asks: None, answers, port, _data: data }
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.asks.as_mut().unwrap(), "{what}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    fn figures(&mut self) -> Figures {
        let requests = if self.asks.is_some() { self.ask("count").trim().parse().unwrap() } else { self.metric() };
        Figures { cpu: cpu(&self.child.id().to_string()), requests }
    }

    /// The SCIM requests that the server has answered.
    fn metric(&self) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("provisor_scim_requests_total{"));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.trim().parse::<u64>().ok()).sum()
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The Graph of the tests, asked over its standard input.
fn serve_graph(directory: &str) {
    let graph = graph::GraphFake::start();
    println!("{}", serde_json::to_value(graph.settings(directory)).unwrap());
    let mut calls = 0;
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "count" => {
                calls += graph.calls();
                graph.forget_requests();
                println!("{calls}");
            }
            "drift" => {
                for user in graph.users().iter().step_by(EVERY) {
                    graph.change(user["id"].as_str().unwrap(), json!({"jobTitle": "Boss"}));
                }
                println!("drifted");
            }
            other => panic!("{other}?"),
        }
    }
}
