//! `provisor sync log`, `object`, `objects`: what a sync did, run by run and object by object, as a table, JSON lines or CSV. A
//! running server gives the same below `/api/v1/syncs/{name}`.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::json;

use crate::directory::time;
use crate::sync::{
    Ended, OBJECTS_CSV_HEADER, OUTCOMES, ObjectQuery, ObjectView, PlanError, RUNS_CSV_HEADER, Report, RunQuery, Sync,
};
use crate::target::Kind;

use super::sync::{Where, summary, told};
use super::words::printable;
use super::{Ending, Failure, Outcome, print};

/// Lines of a table when nobody says; an export has all.
const DEFAULT_LINES: usize = 50;
/// How many are read at once.
const PAGE: usize = 1_000;

/// The form of an answer with many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// A table for people
    #[default]
    Human,
    /// A JSON object a line
    #[value(alias = "jsonl")]
    Json,
    /// CSV with a header
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OfKind {
    User,
    Group,
}

impl From<OfKind> for Kind {
    fn from(kind: OfKind) -> Self {
        match kind {
            OfKind::User => Self::User,
            OfKind::Group => Self::Group,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Log {
    #[command(flatten)]
    pub(super) place: Where,
    /// How many runs, the newest first; a table has 50 when left out, an export all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// This run alone, with what the target refused
    #[arg(long, value_name = "ID")]
    run: Option<u64>,
    /// Only runs of this kind
    #[arg(long, value_name = "KIND", value_parser = ["full", "direct", "object", "discover"])]
    kind: Option<String>,
    /// Only runs that ended so
    #[arg(long, value_name = "WORD", value_parser = ["complete", "degraded", "halted", "guarded", "failed"])]
    outcome: Option<String>,
    /// The form of the lines
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Object {
    #[command(flatten)]
    pub(super) place: Where,
    /// The id of its record or of its object in the target, its name, or a value that it is matched by
    id: String,
    /// Only of this kind
    #[arg(long, value_enum)]
    kind: Option<OfKind>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Objects {
    #[command(flatten)]
    pub(super) place: Where,
    /// Only those with which this was done last
    #[arg(long, value_name = "WORD", value_parser = OUTCOMES)]
    outcome: Option<String>,
    /// Only those with this text in name, record or target id
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only of this kind
    #[arg(long, value_enum)]
    kind: Option<OfKind>,
    /// How many; a table has 50 when left out, an export all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The form of the lines
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

fn most(limit: Option<usize>, form: Form) -> usize {
    limit.unwrap_or(if form == Form::Human { DEFAULT_LINES } else { usize::MAX })
}

pub(super) async fn log(sync: &Sync, arguments: &Log) -> Outcome {
    let form = arguments.format;
    if let Some(number) = arguments.run {
        let found = sync.run_of(number).await.map_err(told)?;
        let run = found.ok_or_else(|| Failure::told(format!("there is no run {number}; the oldest are forgotten")))?;
        print(&match form {
            Form::Human => whole(&run),
            Form::Json => format!("{}\n", json!(run)),
            Form::Csv => format!("{RUNS_CSV_HEADER}{}", run.csv()),
        })?;
        return Ok(Ending::Clean);
    }
    let mut query = RunQuery {
        kind: arguments.kind.clone(),
        outcome: arguments.outcome.as_deref().and_then(Ended::of),
        ..RunQuery::default()
    };
    let mut left = most(arguments.limit, form);
    if form == Form::Csv {
        print(RUNS_CSV_HEADER)?;
    }
    while left > 0 {
        query.limit = left.min(PAGE);
        let page = sync.runs(&query).await.map_err(told)?;
        left -= page.runs.len().min(left);
        let lines = page.runs.iter().map(|run| match form {
            Form::Human => line(run),
            Form::Json => format!("{}\n", json!(run)),
            Form::Csv => run.csv(),
        });
        let text: String = lines.collect();
        print(&text)?;
        query.before = page.next;
        if query.before.is_none() {
            break;
        }
    }
    Ok(Ending::Clean)
}

/// A run as a line of the table.
pub(super) fn line(run: &Report) -> String {
    let brief = Report { error: None, failures: Vec::new(), warnings: Vec::new(), ..run.clone() };
    format!("{} #{:<4} {:<8} {}", time(run.started), run.number, run.kind, summary(&brief))
}

/// A run with all that is kept of it. What the target said cannot act on the terminal.
fn whole(run: &Report) -> String {
    let mut out = line(&Report { kind: run.kind.clone(), ..run.clone() });
    let _ = writeln!(out, "  {} calls that wrote, {} made again", run.calls, run.repeated);
    for text in run.error.iter().chain(&run.warnings) {
        let _ = writeln!(out, "  {}", printable(text));
    }
    for failure in &run.failures {
        let told = format!("{} {} {}: {}", failure.verb, failure.kind.word(), failure.name, failure.reason);
        let _ = writeln!(out, "  failed: {}", printable(&told));
    }
    let more = run.counts.failed.saturating_sub(run.failures.len() as u64);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more failed; `provisor sync objects {} --outcome failed`", run.sync);
    }
    out
}

pub(super) async fn object(sync: &Sync, arguments: &Object) -> Outcome {
    let found = match sync.object(arguments.kind.map(Kind::from), &arguments.id).await {
        Ok(found) => found,
        Err(PlanError::Mapping(report)) => return Err(Failure::told(report)),
        Err(PlanError::Other(error)) => return Err(told(error)),
    };
    let found = found.ok_or_else(|| {
        Failure::told(format!("{:?} is no record, object, name or matching value of the sync", arguments.id))
    })?;
    print(&match arguments.format {
        Form::Json => format!("{}\n", json!(found)),
        Form::Csv => format!("{OBJECTS_CSV_HEADER}{}", found.csv()),
        Form::Human => {
            let mut out = String::new();
            let when = |at: Option<u64>| at.map(time);
            let rows = [
                ("record", Some(format!("{} {}", found.kind.word(), found.record))),
                ("name", Some(found.name.clone()).filter(|name| !name.is_empty())),
                ("object", found.target.clone()),
                ("outcome", Some(found.outcome.clone())),
                ("reason", found.reason.clone()),
                ("when", when(found.at)),
                ("attempts", Some(found.attempts.to_string()).filter(|_| found.attempts > 0)),
                ("next", when(found.next)),
            ];
            for (word, text) in rows {
                if let Some(text) = text {
                    let _ = writeln!(out, "{word:<9} {}", printable(&text));
                }
            }
            out
        }
    })?;
    Ok(Ending::Clean)
}

pub(super) async fn objects(sync: &Sync, arguments: &Objects) -> Outcome {
    let form = arguments.format;
    let mut query = ObjectQuery {
        kind: arguments.kind.map(Kind::from),
        outcome: arguments.outcome.clone(),
        search: arguments.search.clone(),
        ..ObjectQuery::default()
    };
    let mut left = most(arguments.limit, form);
    if form == Form::Csv {
        print(OBJECTS_CSV_HEADER)?;
    }
    while left > 0 {
        query.limit = left.min(PAGE);
        let page = sync.objects(&query).await.map_err(told)?;
        left -= page.objects.len().min(left);
        let lines = page.objects.iter().map(|object| match form {
            Form::Human => object_line(object),
            Form::Json => format!("{}\n", json!(object)),
            Form::Csv => object.csv(),
        });
        let text: String = lines.collect();
        print(&text)?;
        query.after = page.next;
        if query.after.is_none() {
            return Ok(Ending::Clean);
        }
    }
    if form == Form::Human {
        super::tell("there are more: --limit, or --format json for all\n");
    }
    Ok(Ending::Clean)
}

/// An object as a line of the table.
fn object_line(object: &ObjectView) -> String {
    let name = if object.name.is_empty() { &object.record } else { &object.name };
    let mut told = format!(
        "{:<24} {:<6} {:<10} {:<32} {}",
        object.at.map(time).unwrap_or_default(),
        object.kind.word(),
        object.outcome,
        name,
        object.record
    );
    if let Some(reason) = &object.reason {
        let _ = write!(told, "  ({reason})");
    }
    if object.attempts > 0 {
        let _ = write!(told, "  {} attempts", object.attempts);
    }
    format!("{}\n", printable(&told))
}
