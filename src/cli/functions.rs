//! `provisor functions [NAME]`: the reference, from the table that the engine runs. Liquid's filters stand in `filters`.

use std::fmt::Write as _;

use clap::ValueEnum;

use crate::function::{Example, Family, Repeat, Spec, TABLE, foreign, lookup};
use crate::language::Language;
use crate::language::liquid::FILTERS;
use crate::text::closest;

use super::{Ending, Failure, Outcome, filters, language, print};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// One function, in any case
    name: Option<String>,
    /// The language: entra, liquid (its filters), rhai, jinja (both have Entra's functions by their names)
    #[arg(long, value_name = "L", default_value = "entra")]
    lang: String,
    /// How the reference is printed
    #[arg(long, value_enum, default_value_t)]
    format: ReferenceFormat,
}

/// How the reference is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ReferenceFormat {
    /// For people
    #[default]
    Human,
    /// For docs/functions.md
    Markdown,
    /// For editors
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let lang = language(&arguments.lang)?;
    if lang == Language::Liquid {
        return liquid(arguments);
    }
    let specs: Vec<&Spec> = match &arguments.name {
        None => TABLE.iter().collect(),
        Some(name) => match (lookup(name), foreign(name)) {
            (Some(spec), _) => vec![spec],
            (None, Some(foreign)) => {
                return Err(Failure::told(format!(
                    "`{}` is a function of {}, not of Entra: {}",
                    foreign.name, foreign.origin, foreign.instead
                )));
            }
            (None, None) => {
                let near = closest(name, TABLE.iter().map(|spec| spec.name));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(Failure::told(format!("there is no function `{name}`{hint}")));
            }
        },
    };
    print(&match arguments.format {
        ReferenceFormat::Json => {
            let all: Vec<_> = specs.iter().map(|spec| spec.to_json()).collect();
            format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default())
        }
        ReferenceFormat::Markdown => markdown(&specs),
        ReferenceFormat::Human if arguments.name.is_some() => specs.iter().map(|spec| page(spec)).collect(),
        ReferenceFormat::Human => list(&specs),
    })?;
    Ok(Ending::Clean)
}

fn liquid(arguments: &Arguments) -> Outcome {
    let found = filters::find(arguments.name.as_deref());
    if let (Some(name), []) = (&arguments.name, found.as_slice()) {
        let near = closest(name, FILTERS.iter().map(|filter| filter.name));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(Failure::told(format!("Liquid has no filter `{name}`{hint}")));
    }
    print(&match arguments.format {
        ReferenceFormat::Json => {
            let all: Vec<_> = found.iter().map(|filter| filter.to_json()).collect();
            format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default())
        }
        ReferenceFormat::Markdown => filters::markdown(&found),
        ReferenceFormat::Human if arguments.name.is_some() => {
            found.iter().map(|filter| filters::page(filter)).collect()
        }
        ReferenceFormat::Human => filters::list(&found),
    })?;
    Ok(Ending::Clean)
}

fn families(specs: &[&Spec]) -> Vec<Family> {
    let mut families: Vec<Family> = specs.iter().map(|spec| spec.family).collect();
    families.sort();
    families.dedup();
    families
}

fn list(specs: &[&Spec]) -> String {
    let mut out = String::new();
    for family in families(specs) {
        let _ = writeln!(out, "{}", family.title());
        for spec in specs.iter().filter(|spec| spec.family == family) {
            let _ = writeln!(out, "  {:<36} {}", spec.name, spec.summary);
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "{} functions; `provisor functions NAME` shows one with its parameters and examples",
        specs.len()
    );
    out
}

fn notes(spec: &Spec) -> Vec<String> {
    let mut notes = vec![spec.details.to_owned()];
    if spec.cloud_sync_only {
        notes.push("Documented for Entra Cloud Sync.".into());
    }
    notes
}

fn page(spec: &Spec) -> String {
    let mut out = format!("{}\n\n  {}\n", spec.signature(), spec.summary);
    for note in notes(spec) {
        let _ = writeln!(out, "  {note}");
    }
    if !spec.params.is_empty() {
        out.push('\n');
    }
    for param in spec.params {
        let optional = if param.required { "" } else { ", optional" };
        let words = if param.words.is_empty() { String::new() } else { format!(" [{}]", param.words.join(", ")) };
        let _ = writeln!(out, "  {} ({}{optional}){words}  {}", param.name, param.kinds, param.doc);
    }
    match spec.repeat {
        Repeat::No => {}
        Repeat::Last(_) => out.push_str("  The last parameter may be given again and again.\n"),
        Repeat::LastPair => out.push_str("  The last two parameters may be given again and again, as pairs.\n"),
    }
    let _ = writeln!(out, "\n  Returns {}.", spec.returns);
    for Example { expression, given, result } in spec.examples {
        example(&mut out, expression, given, "gives", result);
    }
    out.push('\n');
    out
}

/// An example on the page of a function or filter.
pub(super) fn example(out: &mut String, program: &str, given: &str, verb: &str, result: &str) {
    let _ = writeln!(out, "\n  {program}");
    if given != "{}" {
        let _ = writeln!(out, "    with {given}");
    }
    let _ = writeln!(out, "    {verb} {result}");
}

/// An example in the docs.
pub(super) fn markdown_example(out: &mut String, program: &str, given: &str, verb: &str, result: &str) {
    let _ = write!(out, "\n```text\n{program}\n");
    if given != "{}" {
        let _ = writeln!(out, "  {:<width$} {given}", "with", width = verb.len());
    }
    let _ = write!(out, "  {verb} {result}\n```\n");
}

fn markdown(specs: &[&Spec]) -> String {
    let mut out = String::from(
        "# Functions of Entra expressions\n\n\
         Printed by `provisor functions --format markdown` from the table the engine runs; every example is a test.\n",
    );
    for family in families(specs) {
        let _ = write!(out, "\n## {}\n", family.title());
        for spec in specs.iter().filter(|spec| spec.family == family) {
            let _ = write!(
                out,
                "\n### {}\n\n`{}`\n\n{}\n{}\n",
                spec.name,
                spec.signature(),
                spec.summary,
                notes(spec).join(" ")
            );
            if !spec.params.is_empty() {
                out.push_str("\n| parameter | takes | |\n|---|---|---|\n");
            }
            for param in spec.params {
                let words = if param.words.is_empty() {
                    String::new()
                } else {
                    format!(
                        " One of {}.",
                        param.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
                    )
                };
                let optional = if param.required { "" } else { ", optional" };
                let _ = writeln!(out, "| {} | {}{optional} | {}{words} |", param.name, param.kinds, param.doc);
            }
            let _ = write!(out, "\nReturns {}.\n", spec.returns);
            for Example { expression, given, result } in spec.examples {
                markdown_example(&mut out, expression, given, "gives", result);
            }
        }
    }
    out
}
