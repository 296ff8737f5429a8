//! `provisor functions --lang liquid`: the reference of Liquid's filters, from the table that the engine runs.

use std::fmt::Write as _;

use crate::language::liquid::{Example, FILTERS, Filter};

use super::functions::{example, markdown_example};

/// The filters of that name, or all.
pub(super) fn find(name: Option<&str>) -> Vec<&'static Filter> {
    FILTERS.iter().filter(|filter| name.is_none_or(|name| filter.name.eq_ignore_ascii_case(name))).collect()
}

pub(super) fn list(filters: &[&Filter]) -> String {
    let mut out = String::new();
    for filter in filters {
        let _ = writeln!(out, "  {:<26} {}", filter.name, filter.summary);
    }
    let _ = writeln!(
        out,
        "\n{} filters; `provisor functions --lang liquid NAME` shows one with its arguments and examples",
        filters.len()
    );
    out
}

pub(super) fn page(filter: &Filter) -> String {
    let mut out = format!("{}\n\n  {}\n", filter.signature(), filter.summary);
    if !filter.details.is_empty() {
        let _ = writeln!(out, "  {}", filter.details);
    }
    for Example { template, given, result } in filter.examples {
        example(&mut out, template, given, "prints", result);
    }
    out.push('\n');
    out
}

pub(super) fn markdown(filters: &[&Filter]) -> String {
    let mut out = String::from(
        "# Liquid's filters\n\n\
         Printed by `provisor functions --lang liquid --format markdown` from the table the engine runs; every example is a test.\n",
    );
    for filter in filters {
        let _ = write!(out, "\n## {}\n\n`{}`\n\n{}\n", filter.name, filter.signature(), filter.summary);
        if !filter.details.is_empty() {
            let _ = writeln!(out, "{}", filter.details);
        }
        for Example { template, given, result } in filter.examples {
            markdown_example(&mut out, template, given, "prints", result);
        }
    }
    out
}
