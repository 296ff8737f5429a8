//! `provisor source show`, `users` and `groups`: what a source has provisioned, and how the last request ended.

use std::fmt::Write as _;

use crate::directory::{Entry, LastRequest, Listing};

use super::manage::{Place, existing};
use super::service::{Service, runtime};
use super::words::printable;
use super::{Ending, Failure, Outcome, grouped, print};

/// Rows when nobody says.
const DEFAULT_ROWS: usize = 100;
/// Rows that are read at once.
const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The source's name in URLs
    slug: String,
    /// Only those with this text in the name, the id or the externalId
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those whose last request was refused
    #[arg(long)]
    failed: bool,
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ROWS)]
    limit: usize,
    #[command(flatten)]
    place: Place,
}

/// What `source show` says beside the tokens.
pub(super) async fn overview(service: &Service, slug: &str) -> Result<String, Failure> {
    let seen = service.directory.overview(slug).await.map_err(|error| Failure::told(error.to_string()))?;
    let mut out = String::new();
    // Writing to a String does not fail.
    match &seen.last {
        None => out.push_str("  last request: none yet\n"),
        Some(line) => {
            let told = &line.told;
            let _ = writeln!(
                out,
                "  last request: {} {}{} {} ({}), token {}",
                line.time(),
                told.operation,
                printable(&told.resource.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default()),
                line.outcome(),
                told.status,
                printable(&told.label)
            );
        }
    }
    let _ = writeln!(out, "  last 24 hours: {} succeeded, {} refused", grouped(seen.succeeded), grouped(seen.failed));
    if let Some(hint) = seen.hint() {
        let _ = writeln!(out, "  note: {hint}");
    }
    Ok(out)
}

pub(super) fn list(arguments: &Arguments, kind: &str) -> Outcome {
    let path = existing(&arguments.place)?;
    runtime()?.block_on(async {
        let service = Service::open(&path).await?;
        if service.registry.source(&arguments.slug).is_none() {
            return Err(Failure::told(format!("there is no source {:?}", arguments.slug)));
        }
        let is_group = kind == "Group";
        print(&heading(is_group))?;
        let mut listing =
            Listing { search: arguments.search.clone(), failed: arguments.failed, after: None, limit: PAGE };
        let mut left = arguments.limit;
        while left > 0 {
            listing.limit = left.min(PAGE);
            let page = service.directory.provisioned(&arguments.slug, kind, &listing).await;
            let page = page.map_err(|error| Failure::told(error.to_string()))?;
            print(&page.items.iter().map(|entry| row(entry, is_group)).collect::<String>())?;
            left = left.saturating_sub(page.items.len());
            listing.after = page.next;
            if listing.after.is_none() {
                break;
            }
        }
        Ok(Ending::Clean)
    })
}

fn heading(is_group: bool) -> String {
    let state = if is_group { "members" } else { "active" };
    format!(
        "{:<36}  {:<32}  {:<24}  {state:<8}  {:<24}  {:<24}  {}\n",
        "id", "name", "externalId", "created", "changed", "last request"
    )
}

fn row(entry: &Entry, is_group: bool) -> String {
    let state = match (entry.members, entry.active) {
        (Some(members), _) if is_group => members.to_string(),
        (_, Some(active)) => active.to_string(),
        _ => "-".to_owned(),
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let LastRequest { time, outcome, told } = &entry.last_request;
    let mut last = format!("{time} {outcome}");
    if let Some(told) = told {
        let _ = write!(last, " ({} {}", told.operation, told.status);
        for word in [&told.scim_type, &told.detail].into_iter().flatten() {
            let _ = write!(last, " {word}");
        }
        last.push_str(if told.unchanged { ", unchanged)" } else { ")" });
    }
    let row = format!(
        "{:<36}  {:<32}  {:<24}  {state:<8}  {:<24}  {:<24}  {last}",
        entry.id,
        text(&entry.name),
        text(&entry.external_id),
        entry.created,
        entry.changed
    );
    format!("{}\n", printable(&row))
}
