//! A mapping file, TOML or JSON, compiled, rendered and its tests run: findings or a mapping, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provisor::mapping::Mapping;
use provisor::text::Source;
use provisor::text::render::{self, Format};

fuzz_target!(|text: &str| {
    let compiled = Mapping::compile(&Source::new("fuzz.toml", text));
    for format in [Format::Human, Format::Concise, Format::Json] {
        let _ = render::all(&compiled.diagnostics, format, false);
    }
    assert_eq!(
        compiled.mapping.is_none(),
        compiled.diagnostics.errors() > 0,
        "a mapping exactly when nothing is wrong"
    );
    let Some(mapping) = compiled.mapping else { return };
    for case in mapping.cases() {
        let _ = mapping.run_case(case);
    }
});
