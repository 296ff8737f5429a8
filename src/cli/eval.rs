//! `provisor eval EXPR`: one program over one record, and `--jsonl` for many.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;

use crate::function::Context;
use crate::language::names::SourceNames;
use crate::language::{Language, Program, Surroundings, Toolbox, TraceStep};
use crate::mapping::describe_fault;
use crate::text::{Diagnostics, Source, Span};
use crate::value::{Arena, Layout, RecordReader, Shown, Value, to_json};

use super::env::{EnvOverride, machine};
use super::words::json_trouble;
use super::{
    Ending, Failure, Format, Input, Outcome, color, finding, findings, jsonl, language, print, read_text,
    record_finding, tell,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The expression; with --jsonl none
    #[arg(value_name = "EXPR", required_unless_present = "jsonl", conflicts_with = "jsonl")]
    expression: Option<String>,
    /// The language: entra, liquid, rhai, jinja
    #[arg(long, value_name = "L")]
    lang: Option<String>,
    /// The record: a file with a JSON object, `-` for standard input
    #[arg(long, value_name = "F")]
    input: Option<PathBuf>,
    /// Show the value of every sub-expression
    #[arg(long)]
    trace: bool,
    /// Clock, seed, taken values and more, as JSON: {"now": …, "seed": …, "taken": […], "defaultDomain": …}
    #[arg(long, value_name = "JSON")]
    env: Option<String>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Read one JSON object a line from standard input, write one a line: {"id", "lang", "program", "input", "env"}
    #[arg(long)]
    jsonl: bool,
}

/// The largest record `--input` takes, in bytes.
const MAX_RECORD: usize = 16 * 1024 * 1024;

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let lang = match arguments.lang.as_deref() {
        None => Language::Entra,
        Some(word) => language(word)?,
    };
    if arguments.jsonl {
        return jsonl::run(lang);
    }
    let text = arguments.expression.clone().unwrap_or_default();
    let source = Source::new("<expression>", text);
    let mut diagnostics = Diagnostics::new(source.clone());
    let overrides = EnvOverride::parse(arguments.env.as_deref())?;
    let env = overrides.over(&machine()?).map_err(Failure::told)?;
    let names = SourceNames::open();
    let mut layout = Layout::default();
    let toolbox = Toolbox::default();
    let surroundings =
        Surroundings { source: &names, macros: &overrides.macros, direct: false, value: None, toolbox: &toolbox };
    let (program, found) = Program::compile(lang, source.text(), &mut layout, &surroundings);
    diagnostics.extend(found);
    diagnostics.finish();
    tell(&findings(&diagnostics, arguments.format, color(), 0));
    let Some(program) = program else { return Ok(Ending::Findings) };
    let record = match &arguments.input {
        None => Input { name: "the record".into(), text: "{}".into(), mark: 0, trouble: None },
        Some(path) => read_text(path, MAX_RECORD)?,
    };
    let arena = Arena::new();
    let read = match &record.trouble {
        Some(trouble) => Err((trouble.at.start, trouble.message.clone())),
        None => RecordReader::new().read(&layout, &record.text, &arena).map_err(|error| {
            let at = error.offset.map_or(0, |offset| u32::try_from(offset).unwrap_or(u32::MAX));
            (at, format!("the record cannot be read: {}", json_trouble(&record.text, &error.message)))
        }),
    };
    let slots = match read {
        Ok(slots) => slots,
        Err((at, message)) => {
            let at = Source::new("", record.text.as_str()).position(at);
            tell(&record_finding(arguments.format, &record.name, at.line as u64, at.column, &message));
            return Ok(Ending::Findings);
        }
    };
    let context = Context::new(&arena, &env, 0);
    let (result, steps) = program.trace(slots, &context);
    let output = match (&result, arguments.trace, arguments.format) {
        (Ok(value), false, _) => format!("{}\n", to_json(*value)),
        (_, true, Format::Json) => {
            let value = result.as_ref().ok().map(|value| to_json(*value));
            format!("{}\n", json!({"value": value, "trace": steps_json(&steps, source.text())}))
        }
        (_, true, _) => {
            let mut text = tree(&steps, source.text());
            if let Ok(value) = &result {
                let _ = writeln!(text, "= {}", to_json(*value));
            }
            text
        }
        (Err(_), false, _) => String::new(),
    };
    print(&output)?;
    match result {
        Ok(_) => Ok(Ending::Clean),
        Err(fault) => {
            let again = Context::new(&arena, &env, 0);
            let whole = Span::new(0, source.text().len());
            let diagnostic = describe_fault(&fault, &program, &layout, slots, &again, whole);
            tell(&finding(&source, &diagnostic, arguments.format, color(), 0));
            Ok(Ending::Findings)
        }
    }
}

/// The sub-expressions outermost first, each with its value; deeper ones further to the right.
fn tree(steps: &[TraceStep<'_>], text: &str) -> String {
    let mut ordered: Vec<&TraceStep<'_>> = steps.iter().collect();
    ordered.sort_by_key(|step| (step.span.start, step.depth));
    let mut out = String::new();
    for step in ordered {
        let shown = text.get(step.span.range()).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let value = step.value.map_or("failed".to_owned(), |value: Value<'_>| Shown(value).to_string());
        let _ = writeln!(out, "{:indent$}{shown}  =>  {value}", "", indent = step.depth * 2);
    }
    out
}

fn steps_json(steps: &[TraceStep<'_>], text: &str) -> Vec<serde_json::Value> {
    steps
        .iter()
        .map(|step| {
            json!({
                "text": text.get(step.span.range()).unwrap_or_default(),
                "span": [step.span.start, step.span.end],
                "depth": step.depth,
                "value": step.value.map(to_json),
                "failed": step.value.is_none(),
            })
        })
        .collect()
}
