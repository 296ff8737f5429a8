//! The first page: what needs somebody, how sources and syncs fare, what came in during the last day.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{self, Path};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;
use serde_json::{Value, json};

use super::session::{Posted, Visitor, see_other};
use super::{Trouble, endpoint, page, words};
use crate::clock::Millis;
use crate::directory::SourceRecord;
use crate::directory::token::Role;
use crate::server::State;
use crate::store::StoreError;

const HOUR: Millis = 60 * 60 * 1_000;
/// Days before the end of a token from which on it is shown here.
const SOON: i64 = 30;
/// The plot, in its own units: its width, its height, and what is left of the height below the bars.
const PLOT: (u64, u64, u64) = (720, 160, 32);

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/sources/{slug}/resume", post(resume))
}

pub(super) async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    parts: Parts,
) -> Result<Response, Trouble> {
    let (mut sources, mut halts, mut is_untouched) = (Vec::new(), Vec::new(), true);
    for record in seen(&state, &visitor) {
        let overview = state.directory.overview(&record.slug).await?;
        is_untouched &= overview.last.is_none();
        let halt = state.directory.halted(&record.slug);
        if let Some(halt) = &halt {
            halts.push(json!({
                "what": "source", "name": halt.source, "at": halt.at, "mapping": halt.mapping,
                "revision": halt.revision, "rule": halt.rule, "code": halt.code,
                "on": halt.resource, "report": words::report(&halt.report),
                "is_kept": state.directory.library().get(&halt.mapping).is_some()}));
        }
        sources.push(json!({
            "slug": record.slug, "description": record.description,
            "url": endpoint(&state, &parts, &record.slug),
            "users": overview.users, "groups": overview.groups, "hint": overview.hint(),
            "succeeded": overview.succeeded, "failed": overview.failed,
            "last": overview.last.map(|line| json!({
                "at": line.at, "operation": line.told.operation, "resource": line.told.resource,
                "name": line.told.name, "failed": line.failed, "status": line.told.status, "detail": line.told.detail})),
            "halted": halt.is_some()}));
    }
    let mut syncs = Vec::new();
    for handle in state.syncs.iter().filter(|handle| visitor.caller.sees_sync(handle)) {
        let status = handle.sync.status(1).await?;
        if let Some(halt) = &status.halt {
            halts.push(json!({
                "what": "sync", "name": halt.sync, "at": halt.at, "mapping": halt.mapping,
                "rule": halt.rule, "code": halt.code,
                "on": halt.record.as_ref().map(|(kind, id)| (kind.word(), id)),
                "report": words::report(&halt.report), "is_kept": state.directory.library().get(&halt.mapping).is_some()}));
        }
        let last = status.runs.first();
        syncs.push(json!({
            "name": status.sync, "running": status.running_until.is_some(), "linked": status.linked,
            "halted": status.halt.is_some(), "quarantine": status.quarantine.is_some(),
            "last": last.map(|run| json!({ "at": run.ended, "outcome": run.outcome.word() }))}));
    }
    let mut ending = state.registry.days_left();
    let sees =
        |sources: &str| visitor.caller.grant.is_whole() || sources.split(',').all(|slug| visitor.caller.sees(slug));
    ending.retain(|warning| warning.days_left <= SOON && sees(&warning.source));
    ending.sort_by_key(|warning| warning.days_left);
    let ending: Vec<Value> = ending
        .into_iter()
        .map(|warning| {
            json!({
                "kind": warning.kind.name(), "id": warning.id, "label": warning.label,
                "source": warning.source, "days": warning.days_left})
        })
        .collect();
    let is_new = halts.is_empty() && is_untouched;
    let plot = plot(&state, &visitor).await?;
    let context =
        json!({ "sources": sources, "syncs": syncs, "halts": halts, "ending": ending, "plot": plot, "is_new": is_new });
    page(&state, &visitor, "overview.html", "overview", context)
}

/// The sources that a visitor may see.
pub(super) fn seen(state: &State, visitor: &Visitor) -> Vec<SourceRecord> {
    let mut sources = state.registry.sources();
    sources.retain(|record| visitor.caller.sees(&record.slug));
    sources
}

/// An hour of the plot.
#[derive(Debug, Default, Serialize)]
struct Bar {
    /// For people who point at it.
    title: String,
    succeeded: u64,
    failed: u64,
    /// From the left.
    x: u64,
    /// The upper edges and the heights of the two parts.
    failed_y: u64,
    failed_height: u64,
    succeeded_y: u64,
    succeeded_height: u64,
    /// What stands below it.
    label: Option<String>,
}

/// The writes of the last day by hours, the oldest first, ready to be drawn.
async fn plot(state: &State, visitor: &Visitor) -> Result<Value, StoreError> {
    let now = state.directory.now();
    let mut bars: Vec<Bar> = Vec::new();
    bars.resize_with(24, Bar::default);
    for record in seen(state, visitor) {
        let mut before = (0, 0);
        for (hours, bar) in (0_u64..).zip(bars.iter_mut().rev()) {
            // What the store counts begins with an hour and has all after it.
            let since = now.saturating_sub(hours.saturating_mul(HOUR));
            let found = state.directory.store().activity(&record.slug, since).await?;
            bar.succeeded += found.succeeded.saturating_sub(before.0);
            bar.failed += found.failed.saturating_sub(before.1);
            before = (found.succeeded, found.failed);
        }
    }
    let most = bars.iter().map(|bar| bar.succeeded + bar.failed).max().unwrap_or_default();
    let (width, height, below) = PLOT;
    let room = height - below;
    let scaled = |count: u64| if most == 0 || count == 0 { 0 } else { (count * (room - 8) / most).max(2) };
    for (place, bar) in (0_u64..).zip(bars.iter_mut()) {
        let begun = (now / HOUR * HOUR).saturating_sub((23 - place) * HOUR);
        let stamp = words::stamp(begun);
        let hour: String = stamp.chars().skip(11).take(5).collect();
        let _ = write!(bar.title, "{hour} UTC: {} stored, {} refused", bar.succeeded, bar.failed);
        bar.x = place * width / 24;
        bar.failed_height = scaled(bar.failed);
        bar.succeeded_height = scaled(bar.succeeded);
        bar.succeeded_y = room.saturating_sub(bar.succeeded_height);
        bar.failed_y = bar.succeeded_y.saturating_sub(bar.failed_height);
        bar.label = (place % 4 == 3).then_some(hour);
    }
    let total = |of: fn(&Bar) -> u64| bars.iter().map(of).sum::<u64>();
    Ok(json!({
        "width": width, "height": height, "room": room, "most": most,
        "succeeded": total(|bar| bar.succeeded), "failed": total(|bar| bar.failed), "bars": bars}))
}

/// Lets a halted source take writes again.
async fn resume(
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Operate)?;
    posted.visitor.caller.source(&state, &slug)?;
    let text = if state.directory.resume(&slug).await? {
        format!("Source {slug} takes writes again.")
    } else {
        format!("Source {slug} was not halted.")
    };
    posted.visitor.session.tell("good", text);
    Ok(see_other("/console"))
}
