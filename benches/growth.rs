//! What each thing costs as the directory grows: the program as operators run it, filled step by step, asked at each size, killed
//! and started again.
//!
//! ```text
//! cargo bench --bench growth -- --sizes 1000,10000
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

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Runtime;

use self::served::client::{Client, Make, PATCH, ROOT, fill, fresh, name, request, user};
use self::served::process::{Process, disk};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line asks for.
struct Arguments {
    sizes: Vec<usize>,
    /// How often each thing is asked.
    asks: usize,
}

impl Arguments {
    fn read() -> Self {
        let mut found = Self { sizes: vec![1_000, 10_000, 100_000], asks: 3_000 };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--quick" => (found.sizes, found.asks) = (vec![200, 1_000], 100),
                "--sizes" => found.sizes = value().split(',').map(|text| text.parse().unwrap()).collect(),
                "--asks" => found.asks = value().parse().unwrap(),
                "--bench" => {}
                _ => panic!("{word}? there are --quick --sizes 1000,10000 --asks N"),
            }
        }
        found
    }
}

/// How long an answer took, in microseconds: the middle and the slowest of a hundred.
fn latency(runtime: &Runtime, port: u16, asks: usize, make: &dyn Fn(u64) -> Vec<u8>) -> (f64, f64) {
    let mut times = runtime.block_on(async {
        let mut client = Client::connect(port).await;
        let mut times = Vec::with_capacity(asks);
        for _ in 0..asks {
            let request = make(scattered());
            let begun = Instant::now();
            let (status, body) = client.send(&request).await;
            times.push(begun.elapsed());
            assert!(status < 300, "{status}: {}", String::from_utf8_lossy(body));
        }
        times
    });
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    (micros(times[asks / 2]), micros(times[asks * 99 / 100]))
}

/// Numbers without an order, the same in each run.
fn scattered() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (number ^ (number >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11
}

fn main() {
    let arguments = Arguments::read();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-growth-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&root));
    let client = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut server, empty) = Process::start(&root);
    println!("empty: first answer after {:.2} s, {} MiB resident", empty.as_secs_f64(), server.memory().0);
    println!("\nus, the middle / the slowest of a hundred, one connection after the other");
    println!(
        "{:>9} {:>9} {:>15} {:>15} {:>15} {:>15} {:>15} {:>15} {:>6} {:>6} {:>7} {:>9}",
        "users",
        "creates/s",
        "GET by id",
        "userName eq",
        "no such name",
        "list 100, first",
        "from the middle",
        "PATCH active",
        "MiB",
        "disk",
        "start s",
        "MiB then"
    );
    let mut ids: Vec<String> = Vec::new();
    for size in arguments.sizes {
        let begun = Instant::now();
        let more = size - ids.len();
        let make: Make = Arc::new(|_| request("POST", &format!("{ROOT}/Users"), &user(fresh())));
        // All that came before have the numbers below.
        ids.extend(fill(&client, server.port, 64, more, &make));
        let creates = more as f64 / begun.elapsed().as_secs_f64();
        let port = server.port;
        let ask = |make: &dyn Fn(u64) -> Vec<u8>| {
            let (middle, slowest) = latency(&client, port, arguments.asks, make);
            format!("{middle:.0} / {slowest:.0}")
        };
        let find = |name: &str| request("GET", &format!("{ROOT}/Users?filter=userName%20eq%20%22{name}%22"), "");
        let page = |from: usize| request("GET", &format!("{ROOT}/Users?count=100&startIndex={from}"), "");
        let id = |number: u64| &ids[number as usize % ids.len()];
        let patch = |number: u64| {
            let value = if number.is_multiple_of(2) { "False" } else { "True" };
            let body = json!({"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": value}]});
            request("PATCH", &format!("{ROOT}/Users/{}", id(number)), &body.to_string())
        };
        let row = [
            ask(&|number| request("GET", &format!("{ROOT}/Users/{}", id(number)), "")),
            ask(&|number| find(&name(number % size as u64))),
            ask(&|number| find(&format!("nobody-{number}"))),
            ask(&|_| page(1)),
            ask(&|number| page(1 + number as usize % (size - 100))),
            ask(&patch),
        ];
        let (resident, disk) = (server.memory().0, disk(&root));
        drop(server);
        let (again, start) = Process::start(&root);
        server = again;
        let [get, eq, none, first, middle, patch] = row;
        println!(
            "{size:>9} {creates:>9.0} {get:>15} {eq:>15} {none:>15} {first:>15} {middle:>15} {patch:>15} {resident:>6} {disk:>6} {:>7.2} {:>9}",
            start.as_secs_f64(),
            server.memory().0
        );
    }
    drop(server);
    drop(std::fs::remove_dir_all(&root));
}
