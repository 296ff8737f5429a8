//! The store beside a bare sled with the same durability, in one run, so that the ratios mean something: creates by one,
//! four and sixteen writers, a member more in a small and in a large group, reads, and memory with 100,000 users.
//!
//! ```text
//! cargo bench --bench store
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

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use provisor::store::{
    Answer, Change, Expected, Keys, LogEntry, Operation, Options, SledStore, Store, StoreError, Transaction, Unknown,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each row of creates is measured.
const TIME: Duration = Duration::from_millis(700);
const ROUNDS: usize = 3;
const BODY: usize = 700;
const USERS: u64 = 100_000;

fn main() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-store-{}", std::process::id()));
    println!("creates/s, durable       floor     store (ratio)   with 5 indexes, outbox, log (ratio)");
    for writers in [1, 4, 16] {
        // The three in turn, several times, so that what else the machine does meets all of them; medians are shown.
        let mut rows: [Vec<f64>; 5] = Default::default();
        let mut shared = 0.0;
        for round in 0..ROUNDS {
            let bare = floor(&root.join(format!("floor-{writers}-{round}")), writers);
            let rate = |make: fn(u64) -> Transaction, name: &str| {
                let path = root.join(format!("{name}-{writers}-{round}"));
                let store = SledStore::open(&path, Options::default()).unwrap();
                let rate = measure(writers, |number| drop(wait(store.commit(make(number))).unwrap()));
                (rate, store.stats().unwrap())
            };
            let (lean, _) = rate(lean, "lean");
            let (full, stats) = rate(full, "full");
            shared = stats.transactions as f64 / stats.batches as f64;
            for (row, value) in rows.iter_mut().zip([bare, lean, full, lean / bare, full / bare]) {
                row.push(value);
            }
        }
        let [bare, lean, full, lean_ratio, full_ratio] = rows.map(median);
        println!(
            "{writers:2} writers          {bare:9.0} {lean:9.0} ({lean_ratio:.2})   {full:9.0} ({full_ratio:.2})   {shared:.1} transactions a sync"
        );
    }
    large(&root.join("large"));
    drop(fs::remove_dir_all(&root));
}

fn wait<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(answer))
}

/// Ids that rise, as UUIDs of version 7 do.
fn id(number: u64) -> String {
    format!(
        "{:08x}-{:04x}-7000-8000-{:012x}",
        number >> 16,
        number & 0xFFFF,
        number.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF
    )
}

fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn name(number: u64) -> String {
    format!("{:016x}@contoso.example", scattered(number))
}

/// What the floor stores too: a body and a unique name.
fn lean(number: u64) -> Transaction {
    let keys = Keys::default().unique("userName", name(number));
    let (kind, body) = ("User".to_owned(), vec![b'x'; BODY]);
    Transaction::new("default").with(Operation::Create { kind, id: id(number), at: number, body, profile: None, keys })
}

/// What the directory stores.
fn full(number: u64) -> Transaction {
    let keys = Keys::default()
        .unique("userName", name(number))
        .unique("externalId", format!("{:x}", scattered(number + 1)))
        .plain("emails.value", name(number))
        .plain("displayName", format!("person {:x}", scattered(number) >> 40));
    let (kind, body) = ("User".to_owned(), vec![b'x'; BODY]);
    let entry = LogEntry { at: number, resource: Some(id(number)), failed: false, body: vec![b'l'; 150] };
    Transaction::new("default")
        .with(Operation::Create { kind, id: id(number), at: number, body, profile: None, keys })
        .with(Operation::Outbox(id(number).into_bytes()))
        .with(Operation::Log(entry))
}

/// Calls a second with so many threads at once.
fn measure(writers: u64, call: impl Fn(u64) + Sync) -> f64 {
    let (next, start) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while start.elapsed() < TIME {
                    call(next.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    next.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// Bare sled: one thread takes what waits, inserts body and name, flushes, syncs, answers.
fn floor(path: &Path, writers: u64) -> f64 {
    let db = sled::Config::new().path(path).cache_capacity(64 << 20).flush_every_ms(None).open().unwrap();
    let file = OpenOptions::new().write(true).open(path.join("db")).unwrap();
    let (send, jobs): (SyncSender<(u64, SyncSender<()>)>, Receiver<_>) = sync_channel(1_024);
    let (database, log) = (&db, &file);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(first) = jobs.recv() {
                let (mut batch, mut owed) = (sled::Batch::default(), Vec::new());
                for (number, reply) in std::iter::once(first).chain(jobs.try_iter()) {
                    batch.insert(id(number).as_bytes(), vec![b'x'; BODY]);
                    batch.insert(name(number).as_bytes(), id(number).as_bytes());
                    owed.push(reply);
                }
                database.apply_batch(batch).unwrap();
                database.flush().unwrap();
                log.sync_all().unwrap();
                for reply in owed {
                    reply.send(()).unwrap();
                }
            }
        });
        let rate = measure(writers, |number| {
            let (reply, answer) = sync_channel(1);
            send.send((number, reply)).unwrap();
            answer.recv().unwrap();
        });
        drop(send);
        rate
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn each(calls: u64, mut call: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(&mut call);
    start.elapsed().as_micros() as f64 / calls as f64
}

fn large(path: &Path) {
    let store = SledStore::open(path, Options::default()).unwrap();
    let before = resident();
    let start = Instant::now();
    let together: Vec<u64> = (0..USERS).collect();
    for some in together.chunks(512) {
        let answers: Vec<_> = some.iter().map(|number| store.commit(full(*number))).collect();
        for answer in answers {
            wait(answer).unwrap();
        }
    }
    println!("\n{USERS} users in {:.1} s, RSS {before} to {} MiB", start.elapsed().as_secs_f64(), resident());

    let change = |group: &str, change: Change| {
        let operation =
            Operation::Members { id: group.into(), expected: Expected::Any, at: 1, change, unknown: Unknown::Refuse };
        wait(store.commit(Transaction::new("default").with(operation))).unwrap()
    };
    for (group, size) in [("small", 100), ("large", USERS - 1_000)] {
        let (kind, keys) = ("Group".to_owned(), Keys::default());
        let create = Operation::Create { kind, id: group.into(), at: 1, body: vec![b'x'; 200], profile: None, keys };
        wait(store.commit(Transaction::new("default").with(create))).unwrap();
        let members: Vec<u64> = (1_000..1_000 + size).collect();
        for some in members.chunks(2_000) {
            change(group, Change::Add(some.iter().map(|number| id(*number)).collect()));
        }
    }
    let one = |group: &str| {
        each(500, |number| {
            change(group, Change::Add(vec![id(number)]));
        })
    };
    let back = |group: &str| {
        each(500, |number| {
            change(group, Change::Remove(vec![id(number)]));
        })
    };
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        small.push(one("small"));
        large.push(one("large"));
        back("small");
        back("large");
    }
    let (small, large) = (median(small), median(large));
    println!(
        "one member more, durable: {:.0} µs in a group of 100, {:.0} µs in one of {} (ratio {:.2})",
        small,
        large,
        USERS - 1_000,
        large / small
    );
    let get = each(50_000, |number| {
        let id = id(scattered(number) % USERS);
        assert!(wait(store.get("default", &id)).unwrap().is_some());
    });
    let find = each(50_000, |number| {
        let name = name(scattered(number) % USERS);
        assert!(wait(store.find("default", "User", "userName", name.as_bytes())).unwrap().is_some());
    });
    let list = each(100, |number| {
        let from = provisor::store::Start::Offset(scattered(number) % (USERS - 100));
        assert_eq!(wait(store.list("default", "User", from, 100)).unwrap().items.len(), 100);
    });
    let members = each(20, |_| {
        assert_eq!(wait(store.members("default", "large", None, 5_000)).unwrap().items.len(), 5_000);
    });
    println!(
        "get by id {get:.1} µs, find by name {find:.1} µs, page of 100 anywhere {list:.0} µs, 5,000 members {members:.0} µs"
    );
    let gone = Operation::Delete { id: "large".into(), expected: Expected::Any, at: 1 };
    let delete = each(1, |_| drop(wait(store.commit(Transaction::new("default").with(gone.clone()))).unwrap()));
    let verify = Instant::now();
    assert_eq!(store.verify().unwrap().findings, Vec::<String>::new());
    let verify = verify.elapsed().as_secs_f64();
    println!("delete of the large group {:.1} s, verify {verify:.1} s, RSS {} MiB", delete / 1e6, resident());
    drop(store);
    let start = Instant::now();
    drop(SledStore::open(path, Options::default()).unwrap());
    println!("open and close again {:.2} s", start.elapsed().as_secs_f64());
}
