//! `provisor log`: the provisioning log of a data directory, as a table, JSON lines or CSV. A running server gives the same at
//! `/api/v1/log`.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};

use clap::ValueEnum;

use crate::directory::{CSV_HEADER, Line, LogFilter, parse_time};
use crate::store::LogQuery;

use super::manage::{Place, existing};
use super::service::{Service, runtime};
use super::words::printable;
use super::{Ending, Failure, Outcome};

/// Lines of a table when nobody says; an export has all.
const DEFAULT_LINES: usize = 100;
/// Lines that are read at once.
const PAGE: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only of this source
    #[arg(long, value_name = "SLUG")]
    source: Option<String>,
    /// Only about this kind of resource: User, Group
    #[arg(long, value_name = "KIND")]
    resource: Option<String>,
    /// Only about the resource with this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only create, replace, patch, delete or bulk
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only what this token asked for, by its id or label
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Only what was refused
    #[arg(long)]
    failed: bool,
    /// Not before: a time (2026-01-31T08:00:00Z), or how long ago (24h, 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The oldest lines first, not the newest
    #[arg(long)]
    oldest: bool,
    /// The form of the lines
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// How many lines; a table has 100 when left out, an export all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// A table for people
    #[default]
    Text,
    /// A JSON object a line
    Jsonl,
    /// CSV with a header
    Csv,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let path = existing(&arguments.place)?;
    runtime()?.block_on(async {
        let service = Service::open(&path).await?;
        let now = service.directory.now();
        let when = |option: &str, text: &Option<String>| {
            let time = text.as_deref().map(|text| parse_time(text, now)).transpose();
            time.map_err(|error| Failure::told(format!("--{option}: {error}")))
        };
        let mut filter = LogFilter {
            query: LogQuery {
                source: arguments.source.clone(),
                resource: arguments.id.clone(),
                failed: arguments.failed.then_some(true),
                since: when("since", &arguments.since)?,
                until: when("until", &arguments.until)?,
                newest_first: !arguments.oldest,
                after: None,
                limit: PAGE,
            },
            resource: arguments.resource.clone(),
            token: arguments.token.clone(),
            operation: arguments.operation.clone(),
            sources: Vec::new(),
        };
        if let Some(slug) = arguments.source.as_ref().filter(|slug| service.registry.source(slug).is_none()) {
            return Err(Failure::told(format!("there is no source {slug:?}; `provisor source list` shows them")));
        }
        let is_table = arguments.format == Form::Text;
        let mut left = arguments.limit.unwrap_or(if is_table { DEFAULT_LINES } else { usize::MAX });
        let failed = |error: &io::Error| Failure::io("standard output", error);
        let mut out = BufWriter::new(io::stdout().lock());
        let header = match arguments.format {
            Form::Text => heading(),
            Form::Csv => CSV_HEADER.to_owned(),
            Form::Jsonl => String::new(),
        };
        out.write_all(header.as_bytes()).map_err(|error| failed(&error))?;
        while left > 0 {
            filter.query.limit = left.min(PAGE);
            let page = service.directory.log(&filter).await.map_err(|error| Failure::told(error.to_string()))?;
            for line in &page.items {
                let text = match arguments.format {
                    Form::Text => row(line),
                    Form::Csv => line.csv(),
                    Form::Jsonl => format!("{}\n", line.to_json()),
                };
                out.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
            }
            left = left.saturating_sub(page.items.len());
            filter.query.after = page.next;
            if filter.query.after.is_none() {
                break;
            }
        }
        out.flush().map_err(|error| failed(&error))?;
        Ok(Ending::Clean)
    })
}

fn heading() -> String {
    format!("{:<24}  {:<12}  {:<12}  {:<18}  {:<36}  {}\n", "time", "source", "token", "outcome", "what", "attributes")
}

/// A line of the table. What clients sent cannot act on the terminal.
fn row(line: &Line) -> String {
    let told = &line.told;
    let outcome = match (line.failed, told.unchanged) {
        (true, _) => format!("{} {}", told.status, told.scim_type.as_deref().unwrap_or("failed")),
        (false, true) => format!("{} unchanged", told.status),
        (false, false) => told.status.to_string(),
    };
    let mut what = told.operation.clone();
    if told.bulk {
        what.push_str(" (bulk)");
    }
    for word in [&told.resource, &told.name].into_iter().flatten() {
        let _ = write!(what, " {word}");
    }
    if told.name.is_none()
        && let Some(id) = &line.id
    {
        let _ = write!(what, " {}", crate::text::shorten(id));
    }
    let last = told.detail.clone().unwrap_or_else(|| told.attributes.join(" "));
    let text = format!(
        "{:<24}  {:<12}  {:<12}  {outcome:<18}  {what:<36}  {last}",
        line.time(),
        line.source,
        crate::text::shorten(&told.label)
    );
    format!("{}\n", printable(text.trim_end()))
}
