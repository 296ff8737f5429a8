//! Provisor's row: the mapping file compiled once, records read into slots, payloads from an arena.

use std::hint::black_box;

use provisor::dotnet::date::{Kind, Moment};
use provisor::function::{Context, Env, Seed};
use provisor::mapping::{Apply, Mapping, Outcome, Payload};
use provisor::text::{Source, render};
use provisor::value::{Arena, RecordReader, Value};

use super::MAPPING;

/// The compiled mapping and what its functions may ask for.
pub(crate) struct Engine {
    mapping: Mapping,
    env: Env,
}

impl Engine {
    /// Compiles the workload's mapping.
    pub(crate) fn new() -> Self {
        Self::of("benches/workload/mapping.toml", MAPPING)
    }

    /// Compiles any mapping.
    pub(crate) fn of(name: &str, text: &str) -> Self {
        let compiled = Mapping::compile(&Source::new(name, text));
        let Some(mapping) = compiled.mapping else {
            panic!("the mapping:\n{}", render::all(&compiled.diagnostics, render::Format::Human, false));
        };
        let now = Moment::from_ticks(0, Kind::Utc).expect("the first moment there is");
        let env = mapping.env(&Env::new(now, Seed::from_number(1)));
        Self { mapping, env }
    }

    /// Reads records beforehand; they live as long as `arena`. One behind the other, as the typed floor's stand.
    pub(crate) fn parse<'a>(&self, lines: &[&'a str], arena: &'a Arena) -> Vec<Value<'a>> {
        let mut reader = RecordReader::new();
        lines
            .iter()
            .flat_map(|line| reader.read(self.mapping.layout(), line, arena).expect("a record").iter().copied())
            .collect()
    }

    /// Maps records read beforehand; each payload is built and dropped.
    pub(crate) fn map_all(&self, records: &[Value<'_>], scratch: &mut Arena) {
        for (number, slots) in records.chunks_exact(self.mapping.layout().len()).enumerate() {
            let context = Context::new(scratch, &self.env, number as u64);
            black_box(payload(self.mapping.apply(slots, &context, Apply::Create)));
            scratch.reset();
        }
    }

    /// JSONL to JSONL.
    pub(crate) fn jsonl(&self, input: &[u8], out: &mut Vec<u8>) {
        let mut reader = RecordReader::new();
        let mut arena = Arena::new();
        for (number, line) in super::lines(input).enumerate() {
            let slots = reader.read(self.mapping.layout(), line, &arena).expect("a record");
            let context = Context::new(&arena, &self.env, number as u64);
            payload(self.mapping.apply(slots, &context, Apply::Create)).write_json_of(line, out);
            out.push(b'\n');
            arena.reset();
        }
    }
}

fn payload(outcome: Outcome<'_>) -> Payload<'_> {
    match outcome {
        Outcome::Payload(payload) => payload,
        other => panic!("every person has a payload, but: {other:?}"),
    }
}
