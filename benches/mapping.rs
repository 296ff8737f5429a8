//! The benchmark: Provisor's mapping engine against hand-written Rust, on made-up people. See `benches/README.md`.
//!
//! ```text
//! cargo bench                          about a minute
//! cargo bench -- --quick               some seconds, for a first look
//! cargo bench -- --rounds 15           more rounds
//! cargo bench -- --no-processes        without whole processes
//! cargo bench -- --no-growth           without what grows
//! cargo bench -- --people 2000 > x     only writes the input, as JSONL
//! cargo bench -- --spin provisor       only the engine of one row for some seconds, under a profiler
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

mod workload;

use std::hint::black_box;
use std::time::Duration;

use provisor::value::Arena;
use serde_json::Value;

use workload::engine::Engine;
use workload::json::Json;
use workload::measure::{Goal, Table, nanoseconds};
use workload::process::{self, Directory, Program};
use workload::{growth, people, typed, value};

/// One allocator for all rows, and not the slowest: the value floor allocates for every text.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People whose payloads are compared.
const COMPARED: usize = 2_000;
/// People in a pass of the engine, and of JSONL in memory.
const PASS: usize = 5_000;
/// People that are different from each other in the files for whole processes; more are these again.
const DISTINCT: usize = 20_000;
const SEED: u64 = 1;

/// How much is measured.
struct Effort {
    rounds: usize,
    /// For the passes of one row in one round.
    budget: Duration,
    /// People in the file that is timed.
    timed: usize,
    /// People in the file during which memory is watched.
    watched: usize,
    processes: bool,
    grows: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let number_of = |option: &str| -> Option<usize> {
        let at = arguments.iter().position(|argument| argument == option)?;
        Some(arguments.get(at + 1).and_then(|number| number.parse().ok()).expect("a number behind the option"))
    };
    if let Some(at) = arguments.iter().position(|argument| argument == process::FLOOR) {
        return process::be_floor(&arguments[at + 1]).expect("stdin to stdout");
    }
    if has("--test") {
        println!("the benchmark does nothing under `cargo test`");
        return;
    }
    if let Some(count) = number_of("--people") {
        print!("{}", people::jsonl(count, SEED));
        return;
    }
    let mut effort = if has("--quick") {
        Effort {
            rounds: 3,
            budget: Duration::from_millis(60),
            timed: 40_000,
            watched: 200_000,
            processes: true,
            grows: true,
        }
    } else {
        Effort {
            rounds: 7,
            budget: Duration::from_millis(300),
            timed: 200_000,
            watched: 1_000_000,
            processes: true,
            grows: true,
        }
    };
    effort.rounds = number_of("--rounds").unwrap_or(effort.rounds);
    effort.processes = !has("--no-processes");
    effort.grows = !has("--no-growth");

    let engine = Engine::new();
    if let Some(at) = arguments.iter().position(|argument| argument == "--spin") {
        let text = people::jsonl(number_of("--pass").unwrap_or(PASS), SEED);
        println!("{:.0} ns a user", engine_row(&arguments[at + 1], &engine, &text, Duration::from_secs(2)));
        return;
    }
    compare(&engine);
    let mut table = Table::default();
    let files = effort.processes.then(|| Files::new(&effort));
    for round in 1..=effort.rounds {
        eprintln!("round {round} of {}", effort.rounds);
        in_memory(&engine, &effort, &mut table);
        if effort.grows {
            growth::grow(&engine, SEED, effort.budget / 4, &mut table);
        }
        if let Some(files) = &files {
            files.time(&effort, &mut table);
        }
    }
    if let Some(files) = files {
        files.watch_memory(&effort, &mut table);
    }
    print!("{}", table.to_text());
}

/// Stops unless all rows make the same payloads, as JSON values.
fn compare(engine: &Engine) {
    let people = people::jsonl(COMPARED, SEED);
    let wanted = payloads(value::jsonl, &people);
    require_same("typed", &people, &wanted, &payloads(typed::jsonl, &people));
    require_same("provisor", &people, &wanted, &payloads(|input, out| engine.jsonl(input, out), &people));

    let mut out = Vec::new();
    value::jsonl(people.as_bytes(), &mut out);
    let users = people.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let plain = users.filter(value::is_spelled_out).count();
    println!("{COMPARED} people, {} bytes in and {} bytes out each", people.len() / COMPARED, out.len() / COMPARED);
    println!("typed, value and provisor make the same {COMPARED} payloads");
    println!("{plain} of them have another nickName where marks are dropped and letters such as ø are not spelled out");
}

fn payloads(jsonl: impl Fn(&[u8], &mut Vec<u8>), people: &str) -> Vec<Value> {
    let mut out = Vec::new();
    jsonl(people.as_bytes(), &mut out);
    parsed(std::str::from_utf8(&out).expect("UTF-8"))
}

fn parsed(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|line| serde_json::from_str(line).expect("a payload")).collect()
}

fn require_same(row: &str, people: &str, wanted: &[Value], made: &[Value]) {
    assert_eq!(wanted.len(), made.len(), "{row} makes another number of payloads");
    for ((person, wanted), made) in people.lines().zip(wanted).zip(made) {
        assert!(wanted == made, "{row} differs\nperson {person}\nwanted {wanted}\nmade   {made}");
    }
}

const ENGINE: &str = "engine, ns a user";
const ENGINE_RATIO: &str = "engine, ratios";
const MEMORY: &str = "JSONL in memory, users/s, one core";
const MEMORY_RATIO: &str = "JSONL in memory, ratios";
const PROCESS: &str = "whole process, users/s";
const PROCESSOR: &str = "whole process, processor us a user";
const PROCESS_RATIO: &str = "whole process, ratios";
const RSS: &str = "peak memory of `provisor map`, MiB";

/// The engine alone, and JSONL to JSONL without files.
fn in_memory(engine: &Engine, effort: &Effort, table: &mut Table) {
    let text = people::jsonl(PASS, SEED);
    let typed_ns = engine_row("typed", engine, &text, effort.budget);
    let value_ns = engine_row("value", engine, &text, effort.budget);
    let provisor_ns = engine_row("provisor", engine, &text, effort.budget);
    table.note(ENGINE, "typed floor", typed_ns);
    table.note(ENGINE, "value floor", value_ns);
    table.note(ENGINE, "provisor", provisor_ns);
    table.judge(ENGINE_RATIO, "time, provisor / typed", Goal::AtMost(2.0), provisor_ns / typed_ns);
    table.judge(ENGINE_RATIO, "time, provisor / value", Goal::AtMost(0.2), provisor_ns / value_ns);

    let mut out = Vec::new();
    let mut users_a_second = |jsonl: &dyn Fn(&[u8], &mut Vec<u8>)| {
        let a_pass = nanoseconds(effort.budget, || {
            out.clear();
            jsonl(black_box(text.as_bytes()), &mut out);
            black_box(&out);
        });
        1e9 * PASS as f64 / a_pass
    };
    let typed_rate = users_a_second(&typed::jsonl);
    let value_rate = users_a_second(&value::jsonl);
    let provisor_rate = users_a_second(&|input, out| engine.jsonl(input, out));
    table.note(MEMORY, "typed floor", typed_rate);
    table.note(MEMORY, "value floor", value_rate);
    table.note(MEMORY, "provisor", provisor_rate);
    table.judge(MEMORY_RATIO, "users/s, provisor / typed", Goal::AtLeast(1.2), provisor_rate / typed_rate);
    table.judge(MEMORY_RATIO, "users/s, provisor / value", Goal::AtLeast(1.5), provisor_rate / value_rate);
}

/// Nanoseconds a user of one row: records are there, payloads are made and dropped.
fn engine_row(row: &str, engine: &Engine, text: &str, budget: Duration) -> f64 {
    let lines: Vec<&str> = text.lines().collect();
    let a_pass = match row {
        "typed" => {
            let users: Vec<typed::User<'_>> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            nanoseconds(budget, || users.iter().for_each(|user| drop(black_box(typed::map(black_box(user))))))
        }
        "value" => {
            let users: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            nanoseconds(budget, || users.iter().for_each(|user| drop(black_box(value::map(black_box(user))))))
        }
        "provisor" => {
            let (long, mut scratch) = (Arena::new(), Arena::new());
            let records = engine.parse(&lines, &long);
            nanoseconds(budget, || engine.map_all(black_box(&records), &mut scratch))
        }
        _ => panic!("the rows are typed, value and provisor"),
    };
    a_pass / lines.len() as f64
}

/// The input of the whole processes.
struct Files {
    directory: Directory,
    timed: std::path::PathBuf,
    base: String,
}

impl Files {
    fn new(effort: &Effort) -> Self {
        let directory = Directory::new().expect("a directory for the files");
        let base = people::jsonl(DISTINCT, SEED);
        let timed = directory.write("people.jsonl", &base, effort.timed / DISTINCT).expect("the file of people");

        let few: String = base.split_inclusive('\n').take(COMPARED).collect();
        let compared = directory.write("few.jsonl", &few, 1).expect("the file of a few people");
        let wanted = payloads(value::jsonl, &few);
        for program in [Program::Floor("typed"), Program::Provisor { jobs: 1 }, Program::Provisor { jobs: 2 }] {
            let made = process::output(program, &compared, &directory).expect("a process that ends well");
            require_same("a whole process", &few, &wanted, &parsed(&made));
        }
        println!("the processes make the same payloads, in the same order");
        Self { directory, timed, base }
    }

    fn time(&self, effort: &Effort, table: &mut Table) {
        let mut rate = |name, program, at_once: usize| {
            let before = process::processor_seconds();
            let seconds =
                process::seconds(program, at_once, &self.timed, &self.directory).expect("a process that ends well");
            let users = (effort.timed * at_once) as f64;
            table.note(PROCESS, name, users / seconds);
            if let (Some(before), Some(after)) = (before, process::processor_seconds()) {
                table.note(PROCESSOR, name, (after - before) * 1e6 / users);
            }
            users / seconds
        };
        let typed = rate("typed floor", Program::Floor("typed"), 1);
        let value = rate("value floor", Program::Floor("value"), 1);
        let one = rate("provisor map --jobs 1", Program::Provisor { jobs: 1 }, 1);
        let two = rate("provisor map --jobs 2", Program::Provisor { jobs: 2 }, 1);
        let pair = rate("two `provisor map --jobs 1` at once", Program::Provisor { jobs: 1 }, 2);
        table.judge(PROCESS_RATIO, "users/s, --jobs 1 / typed", Goal::AtLeast(1.2), one / typed);
        table.judge(PROCESS_RATIO, "users/s, --jobs 1 / value", Goal::AtLeast(1.5), one / value);
        table.note(PROCESS_RATIO, "users/s, --jobs 2 / --jobs 1", two / one);
        table.note(PROCESS_RATIO, "users/s, two processes / --jobs 1", pair / one);
        // Two processes share nothing: what they reach is what the machine has to give.
        table.judge(PROCESS_RATIO, "users/s, --jobs 2 / two processes", Goal::AtLeast(0.95), two / pair);
    }

    fn watch_memory(&self, effort: &Effort, table: &mut Table) {
        for (name, jobs, times) in [
            ("a tenth of the people, --jobs 1", 1, effort.watched / DISTINCT / 10),
            ("all the people, --jobs 1", 1, effort.watched / DISTINCT),
            ("all the people, --jobs 2", 2, effort.watched / DISTINCT),
        ] {
            let input = self.directory.write("many.jsonl", &self.base, times.max(1)).expect("the file of many people");
            let peak = process::peak_memory(Program::Provisor { jobs }, &input).expect("a process that ends well");
            if let Some(peak) = peak {
                table.note(RSS, name, peak);
            }
        }
    }
}
