//! Whole users: the mapping of the main benchmark in each peer, used as its users do, beside Provisor.
//!
//! The peers get what they lack as native functions, and every attribute is there for them, as `""` where a person has none.
//! Their texts end in one flat map by target; no side writes anything, but in the rows from JSONL to JSONL.

mod cel;
mod jaq;
mod jinja;
mod liquid;
mod native;
mod rhai;
#[cfg(feature = "vrl")]
mod vrl;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use provisor::dotnet::date::{Kind, Moment};
use provisor::function::{Context, Env, Seed};
use provisor::mapping::{Apply, Mapping, Outcome, Payload};
use provisor::text::Source;
use provisor::value::{Arena, RecordReader, Value};
use serde_json::{Map, Value as Json};

use crate::measure::{self, Goal, Table};
use crate::people;

const MAPPING: &str = include_str!("../workload/mapping.toml");
const COUNT: usize = 1_000;
const SEED: u64 = 1;

/// A person, and what is made of one: by name.
type Texts = Map<String, Json>;

/// What the peers read.
const ATTRIBUTES: &[&str] = &[
    "objectId",
    "userPrincipalName",
    "IsSoftDeleted",
    "displayName",
    "givenName",
    "surname",
    "mailNickname",
    "jobTitle",
    "preferredLanguage",
    "mail",
    "proxyAddresses",
    "telephoneNumber",
    "mobile",
    "streetAddress",
    "city",
    "state",
    "postalCode",
    "country",
    "employeeId",
    "department",
    "companyName",
    "extensionAttribute1",
    "manager",
];

/// What all sides make, by the end of the target's name.
const TARGETS: [&str; 24] = [
    "externalId",
    "userName",
    "active",
    "displayName",
    "nickName",
    "title",
    "preferredLanguage",
    "name.givenName",
    "name.familyName",
    "name.formatted",
    r#"emails[type eq "work"].value"#,
    r#"emails[type eq "other"].value"#,
    r#"phoneNumbers[type eq "work"].value"#,
    r#"phoneNumbers[type eq "mobile"].value"#,
    r#"addresses[type eq "work"].streetAddress"#,
    r#"addresses[type eq "work"].locality"#,
    r#"addresses[type eq "work"].region"#,
    r#"addresses[type eq "work"].postalCode"#,
    r#"addresses[type eq "work"].country"#,
    "employeeNumber",
    "department",
    "organization",
    "costCenter",
    "manager.value",
];

/// An engine that somebody would take instead, with the mapping compiled and the people in its own form.
trait Peer {
    fn name(&self) -> &'static str;

    /// How many times our time it is to take at least.
    fn goal(&self) -> Option<f64>;

    /// Maps everybody. What is made is dropped, or kept.
    fn map(&mut self, kept: Option<&mut Vec<Texts>>);
}

/// Keeps what was made, or drops it.
fn keep(kept: &mut Option<&mut Vec<Texts>>, made: Texts) {
    match kept {
        Some(kept) => kept.push(made),
        None => drop(black_box(made)),
    }
}

/// The users in each side's form.
pub(crate) struct Users {
    mapping: Mapping,
    env: Env,
    #[cfg(feature = "vrl")]
    text: &'static str,
    slots: Vec<Value<'static>>,
    peers: Vec<Box<dyn Peer>>,
    #[cfg(feature = "vrl")]
    vrl: vrl::Vrl,
}

impl Users {
    pub(crate) fn new() -> Self {
        let mapping = Mapping::compile(&Source::new("mapping.toml", MAPPING)).mapping.expect("the mapping");
        let now = Moment::from_ticks(0, Kind::Utc).expect("the first moment there is");
        let env = mapping.env(&Env::new(now, Seed::from_number(1)));
        let text: &'static str = Box::leak(people::jsonl(COUNT, SEED).into());
        let arena: &'static Arena = Box::leak(Box::new(Arena::new()));
        let mut reader = RecordReader::new();
        let read = text.lines().map(|line| reader.read(mapping.layout(), line, arena).expect("a record"));
        let slots = read.flat_map(|slots| slots.iter().copied()).collect();
        let people: Vec<Texts> = text.lines().map(whole).collect();
        native::TAKEN.get_or_init(|| Arc::clone(&env.taken));
        let peers: Vec<Box<dyn Peer>> = vec![
            Box::new(jinja::Jinja::new(&people)),
            Box::new(cel::Cel::new(&people)),
            Box::new(liquid::Liquid::new(&people)),
            #[cfg(feature = "vrl")]
            Box::new(vrl::Vrl::new(text)),
            Box::new(rhai::Rhai::new(&people)),
            Box::new(jaq::Jaq::new(&people)),
        ];
        Self {
            slots,
            mapping,
            env,
            #[cfg(feature = "vrl")]
            text,
            peers,
            #[cfg(feature = "vrl")]
            vrl: vrl::Vrl::new(""),
        }
    }

    fn ours(&self, mut see: impl FnMut(Payload<'_>)) {
        let mut arena = Arena::new();
        for (number, slots) in self.slots.chunks_exact(self.mapping.layout().len()).enumerate() {
            let context = Context::new(&arena, &self.env, number as u64);
            see(payload(self.mapping.apply(black_box(slots), &context, Apply::Create)));
            arena.reset();
        }
    }

    /// Stops unless all sides make the same texts.
    pub(crate) fn compare(&mut self) {
        let texts = |payload: Payload<'_>| {
            let rules = self.mapping.rules().iter().zip(payload.values());
            let text = |value: &Value<'_>| match value {
                Value::Text(text) => (*text).to_owned(),
                Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
                _ => String::new(),
            };
            let named: Vec<(String, String)> =
                rules.map(|(rule, value)| (rule.target().to_owned(), text(value))).collect();
            TARGETS.map(|target| named.iter().find(|(name, _)| name.ends_with(target)).expect(target).1.clone())
        };
        let mut ours = Vec::new();
        self.ours(|payload| ours.push(texts(payload)));
        for peer in &mut self.peers {
            let mut theirs = Vec::new();
            peer.map(Some(&mut theirs));
            assert_eq!(ours.len(), theirs.len(), "{}", peer.name());
            for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                for (target, ours) in TARGETS.iter().zip(ours) {
                    let theirs = theirs.get(*target).and_then(Json::as_str).unwrap_or_default();
                    assert_eq!(ours, theirs, "{target} of person {number}, {}", peer.name());
                }
            }
        }
    }

    /// One round.
    pub(crate) fn measure(&mut self, budget: Duration, table: &mut Table) {
        let a_user = |pass: &mut dyn FnMut()| measure::nanoseconds(budget, pass) / COUNT as f64;
        let ours = a_user(&mut || self.ours(|payload| _ = black_box(payload)));
        table.note("whole users, ns a user", "provisor", ours);
        for peer in &mut self.peers {
            let theirs = a_user(&mut || peer.map(None));
            table.note("whole users, ns a user", peer.name(), theirs);
            let ratios = "whole users, times provisor's time";
            match peer.goal() {
                Some(goal) => table.judge(ratios, peer.name(), Goal::AtLeast(goal), theirs / ours),
                None => table.note(ratios, peer.name(), theirs / ours),
            }
        }
        #[cfg(feature = "vrl")]
        self.measure_lines(budget, table);
    }

    /// From JSONL to JSONL: ours a SCIM user, theirs the flat map.
    #[cfg(feature = "vrl")]
    fn measure_lines(&self, budget: Duration, table: &mut Table) {
        let users_a_second = |pass: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            let a_pass = measure::nanoseconds(budget, || {
                out.clear();
                pass(&mut out);
                black_box(&out);
            });
            1e9 * COUNT as f64 / a_pass
        };
        let ours = users_a_second(&|out| {
            let (mut reader, mut arena) = (RecordReader::new(), Arena::new());
            for (number, line) in self.text.lines().enumerate() {
                let slots = reader.read(self.mapping.layout(), black_box(line), &arena).expect("a record");
                let context = Context::new(&arena, &self.env, number as u64);
                payload(self.mapping.apply(slots, &context, Apply::Create)).write_json_of(line, out);
                out.push(b'\n');
                arena.reset();
            }
        });
        let theirs = users_a_second(&|out| self.vrl.jsonl(black_box(self.text), out));
        table.note("JSONL in memory, users/s", "provisor", ours);
        table.note("JSONL in memory, users/s", "vrl", theirs);
        table.judge("JSONL in memory, times", "users/s, provisor / vrl", Goal::AtLeast(5.0), ours / theirs);
    }
}

fn payload(outcome: Outcome<'_>) -> Payload<'_> {
    match outcome {
        Outcome::Payload(payload) => payload,
        other => panic!("every person has a payload, but: {other:?}"),
    }
}

/// A person with all attributes.
fn whole(line: &str) -> Texts {
    let mut person: Texts = serde_json::from_str(line).expect("a person");
    let empty = |name: &str| if name == "proxyAddresses" { Json::Array(Vec::new()) } else { Json::from("") };
    let value = |name: &str| person.remove(name).filter(|value| !value.is_null()).unwrap_or_else(|| empty(name));
    ATTRIBUTES.iter().copied().map(value).zip(ATTRIBUTES).map(|(value, name)| ((*name).to_owned(), value)).collect()
}
