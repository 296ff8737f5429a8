//! The template languages against the crates that somebody would take instead. See `benches/README.md`.
//!
//! ```text
//! cargo bench --manifest-path benches/peers/Cargo.toml                     about a minute
//! cargo bench --manifest-path benches/peers/Cargo.toml --features vrl      VRL too, after minutes of building
//! cargo bench --manifest-path benches/peers/Cargo.toml -- --quick          some seconds, for a first look
//! cargo bench --manifest-path benches/peers/Cargo.toml -- --rounds 15      more rounds
//! cargo bench --manifest-path benches/peers/Cargo.toml -- --spin outputs   one side alone for some seconds, under a profiler
//! ```

#[path = "../workload/measure.rs"]
mod measure;
mod outputs;
#[path = "../workload/people.rs"]
mod people;
mod record;
mod scripts;
mod templates;
mod users;

use std::hint::black_box;
use std::time::{Duration, Instant};

use measure::{Goal, Table};
use outputs::Outputs;
use record::Records;
use scripts::Scripts;
use templates::Templates;
use users::Users;

/// One allocator for all sides, and not the slowest: the peers allocate for every text.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
struct Effort {
    rounds: usize,
    /// For the passes of one side of one program in one round.
    budget: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let behind = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{option} takes something behind it")).as_str())
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let mut effort = if quick {
        Effort { rounds: 3, budget: Duration::from_millis(10) }
    } else {
        Effort { rounds: 9, budget: Duration::from_millis(60) }
    };
    if let Some(rounds) = behind("--rounds") {
        effort.rounds = rounds.parse().expect("a number of rounds");
    }

    let records = Records::new();
    let (outputs, scripts, templates) = (Outputs::new(&records), Scripts::new(&records), Templates::new(&records));
    if let Some(side) = behind("--spin") {
        return spin(|| match side {
            "outputs" => outputs.pass_all(),
            "scripts" => scripts.pass_all(behind("--only")),
            "templates" => templates.pass_all(behind("--only")),
            _ => panic!("the sides are outputs, scripts and templates"),
        });
    }
    let mut users = Users::new();
    users.compare();
    outputs.compare();
    scripts.compare();
    templates.compare();
    println!("all sides make the same of {} records", records.count());

    let mut table = Table::default();
    for round in 1..=effort.rounds {
        eprintln!("round {round} of {}", effort.rounds);
        users.measure(effort.budget, &mut table);
        outputs.measure(effort.budget, &mut table);
        scripts.measure(effort.budget, &mut table);
        templates.measure(effort.budget, &mut table);
    }
    print!("{}", table.to_text());
}

/// Our side again and again, for a profiler.
fn spin(pass: impl Fn()) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        pass();
    }
}

/// Ratios of several programs, and their geometric mean with the goal.
struct Ratios {
    group: &'static str,
    goal: Goal,
    all: Vec<f64>,
}

impl Ratios {
    fn new(group: &'static str, goal: Goal) -> Self {
        Self { group, goal, all: Vec::new() }
    }

    fn note(&mut self, name: &'static str, ratio: f64, table: &mut Table) {
        table.judge(self.group, name, self.goal, ratio);
        self.all.push(ratio);
    }

    fn finish(self, table: &mut Table) {
        let mean = self.all.iter().map(|ratio| ratio.ln()).sum::<f64>() / self.all.len() as f64;
        table.judge(self.group, "geometric mean", self.goal, mean.exp());
    }
}

/// Nanoseconds a run, of a pass that runs a program on each record.
fn nanoseconds_a_run(budget: Duration, records: &Records, pass: impl Fn()) -> f64 {
    measure::nanoseconds(budget, || {
        pass();
        black_box(());
    }) / records.count() as f64
}
