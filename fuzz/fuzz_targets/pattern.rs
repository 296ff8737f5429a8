//! A .NET pattern, a replacement text and an input, a line each: refused or run within the limits, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provisor::dotnet::pattern::{Pattern, Template};

const LIMIT: usize = 64 * 1024;

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let (source, replacement, input) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let pattern = match Pattern::compile(source) {
        Ok(pattern) => pattern,
        Err(_) => return,
    };
    let template = Template::compile(replacement, &pattern);
    let mut out = String::new();
    let replaced = pattern.replace_all(input, &template, LIMIT, &mut out);
    assert!(out.len() <= LIMIT, "{} bytes written, {LIMIT} allowed", out.len());
    if let (Ok(matches), Ok(replaced)) = (pattern.is_match(input), replaced) {
        assert_eq!(matches, replaced, "a text is changed exactly when the pattern matches");
    }
    let names: Vec<String> = pattern.group_names().map(str::to_owned).collect();
    for name in names {
        if let Some(group) = pattern.group(&name) {
            let _ = pattern.extract(input, group);
            let _ = pattern.replace_group(input, group, replacement, LIMIT, &mut String::new());
        }
    }
});
