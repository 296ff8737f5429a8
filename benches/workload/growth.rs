//! What mapping costs as it grows: by rules, by the length of an expression, by records. A cost that grows faster than what is
//! mapped shows in these ratios.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use provisor::value::Arena;

use super::engine::Engine;
use super::measure::{Goal, Table, nanoseconds};
use super::people;

const RULES: &str = "as rules grow, ns a rule of a user";
const COMPILE: &str = "as rules grow, us to compile one";
const CALLS: &str = "as an expression grows, ns a call";
const RECORDS: &str = "as records grow, users/s";
const RATIOS: &str = "growth, ratios";

/// People that are mapped in a pass.
const PASS: usize = 200;
/// Few and many of each.
const OF_RULES: [(&str, usize); 3] = [("10 rules", 10), ("100 rules", 100), ("1000 rules", 1_000)];
const OF_CALLS: [(&str, usize); 3] = [("4 calls", 4), ("16 calls", 16), ("60 calls", 60)];
const OF_RECORDS: [(&str, usize); 3] = [("100 people", 100), ("10000 people", 10_000), ("100000 people", 100_000)];

/// All of it, once.
pub(crate) fn grow(engine: &Engine, seed: u64, budget: Duration, table: &mut Table) {
    let people = people::jsonl(PASS, seed);
    let by_rule = OF_RULES.map(|(name, many)| {
        let text = rules(many);
        let of = Engine::of("rules.toml", &text);
        let a_rule = a_user(&of, &people, budget) / many as f64;
        table.note(RULES, name, a_rule);
        table.note(COMPILE, name, nanoseconds(budget, || drop(Engine::of("rules.toml", &text))) / 1e3 / many as f64);
        a_rule
    });
    let by_call = OF_CALLS.map(|(name, many)| {
        let a_call = a_user(&Engine::of("calls.toml", &calls(many)), &people, budget) / many as f64;
        table.note(CALLS, name, a_call);
        a_call
    });
    let mut out = Vec::new();
    let by_record = OF_RECORDS.map(|(name, many)| {
        let text = people::jsonl(many, seed);
        let pass = nanoseconds(budget, || {
            out.clear();
            engine.jsonl(black_box(text.as_bytes()), &mut out);
            black_box(&out);
        });
        let rate = 1e9 * many as f64 / pass;
        table.note(RECORDS, name, rate);
        rate
    });
    table.judge(RATIOS, "ns a rule, 1000 rules / 10 rules", Goal::AtMost(2.0), by_rule[2] / by_rule[0]);
    table.judge(RATIOS, "ns a call, 60 calls / 4 calls", Goal::AtMost(2.0), by_call[2] / by_call[0]);
    table.judge(RATIOS, "users/s, 100000 people / 100 people", Goal::AtLeast(0.5), by_record[2] / by_record[0]);
}

/// Nanoseconds a user of a mapping: records are there, payloads are made and dropped.
fn a_user(engine: &Engine, people: &str, budget: Duration) -> f64 {
    let lines: Vec<&str> = people.lines().collect();
    let (long, mut scratch) = (Arena::new(), Arena::new());
    let records = engine.parse(&lines, &long);
    nanoseconds(budget, || engine.map_all(black_box(&records), &mut scratch)) / lines.len() as f64
}

/// A mapping with so many rules, of each ten one that copies, and nine expressions.
fn rules(many: usize) -> String {
    let mut text = head();
    for number in 0..many {
        let rule = match number % 10 {
            0 => "[mail]",
            1 | 2 => "ToLower([mail])",
            3 | 4 => r#"Join(" ", [givenName], [surname])"#,
            5 => r#"IIF([accountEnabled] = "True", "yes", "no")"#,
            6 => r#"Switch([country], "other", "CH", "near", "GR", "far")"#,
            7 => r#"Replace([mail], "@", , , "-at-", , )"#,
            _ => "Left(Trim([displayName]), 10)",
        };
        let _ = writeln!(text, "a{number} = '{rule}'");
    }
    text
}

/// A mapping with one rule of so many calls, one in the other.
fn calls(many: usize) -> String {
    let mut rule = "[displayName]".to_owned();
    for number in 0..many {
        rule = format!("{}({rule})", if number % 2 == 0 { "ToLower" } else { "ToUpper" });
    }
    format!("{}a = '{rule}'\n", head())
}

fn head() -> String {
    "name = \"growth\"\nresource = \"User\"\n[target]\nkind = \"json\"\n[attributes]\n".to_owned()
}
