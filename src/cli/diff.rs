//! `provisor diff OLD NEW --in F`: whom another mapping changes, in which attributes, with samples.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::function::Seed;
use crate::mapping::{Apply, Comparer, Impact, Mapping};
use crate::value::rows::{Rows, cells};

use super::chunk::{Bad, Chunk, Chunker, Spare};
use super::env::{EnvOverride, machine};
use super::words::printable;
use super::{Ending, Failure, Outcome, color, compile, counted, grouped, print, record_finding, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The mapping file as it is
    old: PathBuf,
    /// The mapping file as it would be
    new: PathBuf,
    /// The records: a JSONL or CSV file; standard input when left out or `-`
    #[arg(long = "in", value_name = "F")]
    input: Option<PathBuf>,
    /// How many changed records are shown
    #[arg(long, value_name = "N", default_value_t = 10)]
    samples: usize,
    /// Clock, seed, taken values and more, as JSON: {"now": …, "seed": …, "taken": […], "defaultDomain": …}
    #[arg(long, value_name = "JSON")]
    env: Option<String>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: DiffFormat,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DiffFormat {
    /// For people
    #[default]
    Human,
    /// A JSON object
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let (old, new) = (compile(&arguments.old)?, compile(&arguments.new)?);
    let json = arguments.format == DiffFormat::Json;
    let format = if json { super::Format::Json } else { super::Format::Human };
    let (Some(before), Some(after)) = (&old.compiled.mapping, &new.compiled.mapping) else {
        for loaded in [&old, &new].into_iter().filter(|loaded| loaded.compiled.mapping.is_none()) {
            tell(&loaded.findings(format, color()));
        }
        return Err(Failure::told("nothing was compared: a mapping does not compile"));
    };
    let given = EnvOverride::parse(arguments.env.as_deref())?;
    let mut base = machine()?;
    // Two runs are compared: what is random is the same in both, and each time.
    base.seed = Seed::from_number(0);
    let mut comparer =
        Comparer::new((Some(before), after), &base, &given, Apply::Create, arguments.samples).map_err(Failure::told)?;
    let input = arguments.input.as_deref().filter(|path| path.as_os_str() != "-");
    let name = input.map_or("<stdin>".to_owned(), |path| path.display().to_string());
    let reader: Box<dyn Read> = match input {
        None => Box::new(io::stdin()),
        Some(path) => Box::new(File::open(path).map_err(|error| Failure::told(format!("{name}: {error}")))?),
    };
    let is_csv =
        input.is_some_and(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")));
    let (mut chunker, columns) = if is_csv {
        let (chunker, columns) = Chunker::csv(reader, &name)?;
        (chunker, Some(columns))
    } else {
        (Chunker::lines(reader), None)
    };
    let spare = Spare::default();
    while let Some(chunk) = chunker.next(&spare)? {
        match &columns {
            None => lines(&chunk, &mut comparer),
            Some(columns) => rows(&chunk, columns, &mut comparer),
        }
        if let Some(Bad { line, message }) = &chunk.bad {
            tell(&record_finding(format, &name, *line, 1, message));
        }
        spare.put(chunk.text);
    }
    let impact = comparer.end();
    print(&if json { format!("{}\n", impact.to_json()) } else { human(&impact, (before, after)) })?;
    Ok(if impact.changed > 0 { Ending::Findings } else { Ending::Clean })
}

/// Adds the records of JSON lines; their numbers are those of their lines.
fn lines(chunk: &Chunk, comparer: &mut Comparer<'_>) {
    for (number, line) in (chunk.first_line..).zip(chunk.text.split(|byte| *byte == b'\n')) {
        let text = String::from_utf8_lossy(line.trim_ascii());
        if !text.is_empty() {
            comparer.add(&text, number, None);
        }
    }
}

/// Adds the records of rows. An empty cell is no value: CSV cannot say null.
fn rows(chunk: &Chunk, columns: &[String], comparer: &mut Comparer<'_>) {
    let mut row_cells: Vec<Cow<'_, str>> = Vec::with_capacity(columns.len());
    for row in Rows::new(&chunk.text, chunk.first_line) {
        let Ok(text) = std::str::from_utf8(row.text) else { continue };
        cells(text, &mut row_cells);
        let full = columns.iter().zip(&row_cells).filter(|(_, cell)| !cell.is_empty());
        let record: Map<String, Value> =
            full.map(|(column, cell)| (column.clone(), Value::from(cell.as_ref()))).collect();
        comparer.add(&Value::Object(record).to_string(), row.line, None);
    }
}

fn human(impact: &Impact, (old, new): (&Mapping, &Mapping)) -> String {
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let mut out = format!(
        "{}: {} would change, {} would not\n",
        counted(number(impact.records), "record"),
        grouped(impact.changed),
        grouped(impact.records - impact.changed)
    );
    let payload = |word: &str| word == "payload";
    for (count, what) in [
        (impact.ended(|word| !payload(word), payload), "would appear: they have a payload and had none"),
        (impact.ended(payload, |word| !payload(word)), "would disappear: they had a payload and have none"),
        (impact.ended(|_| true, |word| word == "failed"), "would halt a sync"),
    ] {
        if count > 0 {
            let _ = writeln!(out, "  {} {what}", grouped(count));
        }
    }
    if old.name() != new.name() {
        let _ = writeln!(out, "  the mapping is called {:?} and was called {:?}", new.name(), old.name());
    }
    if !impact.touched().is_empty() {
        out.push_str("\nattributes\n");
    }
    for (path, [changed, added, removed]) in impact.touched() {
        let parts = [(changed, "other"), (added, "new"), (removed, "gone")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(*count)))
            .collect();
        let _ = writeln!(out, "  {path:<40} {}", parts.join(", "));
    }
    for sample in impact.samples() {
        let text = |key: &str| sample.get(key).and_then(Value::as_str).unwrap_or_default();
        let record = sample.get("record").and_then(Value::as_u64).unwrap_or_default();
        let _ = write!(out, "\nline {record} {}", printable(text("name")));
        if text("before") != text("after") {
            let _ = write!(out, " ({} -> {})", text("before"), text("after"));
        }
        out.push('\n');
        if !text("reason").is_empty() {
            let _ = writeln!(out, "  {}", printable(text("reason")));
        }
        for change in sample.get("changes").and_then(Value::as_array).into_iter().flatten() {
            let path = change.get("path").and_then(Value::as_str).unwrap_or_default();
            let side = |key: &str| match change.get(key) {
                None | Some(Value::Null) => "nothing".to_owned(),
                Some(value) => value.to_string(),
            };
            let _ = writeln!(out, "  {path}: {} -> {}", side("old"), side("new"));
        }
    }
    out
}
