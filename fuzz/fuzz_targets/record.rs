//! A line of input as a record: refused, or read and mapped to a payload that is JSON, never a panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use provisor::dotnet::date::Moment;
use provisor::function::{Context, Env, Seed};
use provisor::mapping::{Apply, Mapping, Outcome};
use provisor::text::Source;
use provisor::value::{Arena, RecordReader};

static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let text = include_str!("../../mappings/entra-user.toml");
    Mapping::compile(&Source::new("entra-user.toml", text)).mapping.expect("a shipped mapping compiles")
});

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let Ok(slots) = RecordReader::new().read(MAPPING.layout(), text, &arena) else { return };
    let env = Env::new(Moment::MIN, Seed::from_number(0));
    let context = Context::new(&arena, &env, 0);
    match MAPPING.apply(slots, &context, Apply::Create) {
        Outcome::Payload(payload) => {
            let mut line = Vec::new();
            payload.write_json(&mut line);
            let _: serde_json::Value = serde_json::from_slice(&line).expect("a payload is JSON");
        }
        Outcome::Failed(failure) => {
            let _ = MAPPING.describe(&failure, slots, &context);
        }
        Outcome::Skipped(skip) => {
            let _ = MAPPING.describe_skip(&skip);
        }
        Outcome::OutOfScope => {}
    }
});
