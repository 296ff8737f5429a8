//! What the mapping studio waits for: the findings of a mapping of 200 rules, and a dry run of 10,000 records beside `provisor map`.
//! Both over a socket, of the server that ships.
//!
//! ```text
//! cargo bench --bench dry_run
//! cargo bench --bench dry_run -- --quick
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark stops at the first thing that is wrong, and prints"
)]

#[allow(dead_code, reason = "a part of the workload, shared with the other benchmark")]
#[path = "workload/measure.rs"]
mod measure;
#[allow(dead_code, reason = "a part of the workload, shared with the other benchmark")]
#[path = "workload/people.rs"]
mod people;
mod served;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use measure::{Goal, Table, median};
use serde_json::json;

const TOKEN: &str = "the-token-of-the-bench";
const MAPPING: &str = include_str!("workload/mapping.toml");
const RULES: usize = 200;
const RECORDS: usize = 10_000;

/// A server, stopped when it is dropped.
struct Server {
    child: Child,
    port: u16,
    root: PathBuf,
}

impl Server {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-dry-run-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        fs::create_dir_all(&root).unwrap();
        let variables =
            [("PROVISOR_ADMIN_TOKEN", TOKEN), ("PROVISOR_LOG_LEVEL", "warn"), ("PROVISOR_LIMITS_BODY", "100000000")];
        let (child, _, port) = served::process::spawn(&root.join("data"), &variables);
        Self { child, port, root }
    }

    /// Sends a request, and gives the whole answer. The body goes out beside the reading.
    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body.as_bytes())).unwrap();
            });
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            String::from_utf8(answer).unwrap()
        })
    }

    /// Milliseconds until the whole answer is there, which must hold `part`.
    fn time(&self, path: &str, kind: &str, body: &str, part: &str) -> f64 {
        let begin = Instant::now();
        let answer = self.send("POST", path, kind, body);
        let took = begin.elapsed().as_secs_f64() * 1e3;
        assert!(answer.contains(part), "{part:?} is not in {}", &answer[..answer.len().min(2_000)]);
        took
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.root));
    }
}

/// A mapping of so many rules; of each ten one calls a function that there is not.
fn mapping(rules: usize, is_broken: bool) -> String {
    let mut text = "name = \"many\"\nresource = \"User\"\n\n[target]\nkind = \"json\"\n\n[attributes]\nid = { expr = '[id]', match = 1 }\n".to_owned();
    for rule in 1..rules {
        let function = if is_broken && rule % 10 == 9 { "ToLowr" } else { "ToLower" };
        let _ = writeln!(
            text,
            "attribute{rule} = 'IIF(IsPresent([a{rule}]), {function}(Replace([a{rule}], , \"[^a-z0-9]+\", , \"-\", , )), Join(\".\", [givenName], [surname]))'"
        );
    }
    text
}

/// Milliseconds of `provisor map` over the file, with as many jobs as there are processors.
fn map(server: &Server, file: &Path) -> f64 {
    let mapping = server.root.join("mapping.toml");
    fs::write(&mapping, MAPPING).unwrap();
    let begin = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_provisor"))
        .args(["map", "--quiet"])
        .arg(&mapping)
        .stdin(File::open(file).unwrap())
        .stdout(File::create(server.root.join("out.jsonl")).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    begin.elapsed().as_secs_f64() * 1e3
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test") {
        println!("the benchmark does nothing under `cargo test`");
        return;
    }
    let (rounds, passes) = if arguments.iter().any(|argument| argument == "--quick") { (3, 5) } else { (7, 20) };
    let server = Server::start();
    let records = people::jsonl(RECORDS, 1);
    let file = server.root.join("people.jsonl");
    fs::write(&file, &records).unwrap();
    let kept = server.send("PUT", "/mappings/entra-default-user", "text/plain", MAPPING);
    assert!(kept.contains(" 201 "), "{kept}");
    let list: Vec<serde_json::Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let whole = json!({"mapping": "entra-default-user", "records": list}).to_string();
    let mut table = Table::default();
    for _ in 0..rounds {
        for (name, is_broken, part) in
            [("200 rules", false, "\"ok\":true"), ("200 rules, 20 mistakes", true, "\"errors\":20")]
        {
            let body = json!({"text": mapping(RULES, is_broken)}).to_string();
            let times: Vec<f64> = (0..passes).map(|_| server.time("/check", "application/json", &body, part)).collect();
            table.judge("findings, ms", name, Goal::AtMost(50.0), median(&times));
        }
        let done = format!("\"records\":{RECORDS},");
        let floor = map(&server, &file);
        table.note("10,000 records, ms", "provisor map", floor);
        let lines = "application/x-ndjson";
        for (name, path, kind, body) in [
            ("stream, payloads", "/dry-run?mapping=entra-default-user&rules=false", lines, &records),
            ("stream, payloads and rules", "/dry-run?mapping=entra-default-user", lines, &records),
            ("one object, payloads and rules", "/dry-run", "application/json", &whole),
        ] {
            let took = server.time(path, kind, body, &done);
            table.note("10,000 records, ms", name, took);
            table.judge("10,000 records, times as fast as `provisor map`", name, Goal::AtLeast(0.5), floor / took);
        }
        thread::sleep(Duration::from_millis(10));
    }
    print!("{}", table.to_text());
}
