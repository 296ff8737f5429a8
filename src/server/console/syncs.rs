//! Syncs: how each stands, what it did and would do, and asking it to run.

use axum::Router;
use axum::extract::{self, Path};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::session::{Posted, Visitor, see_other};
use super::{Trouble, page, words};
use crate::directory::token::Role;
use crate::server::State;
use crate::server::page::{Parameters, shown};
use crate::server::runs;
use crate::server::syncs::asked;
use crate::sync::{Action, OUTCOMES, ObjectQuery, PlanError, Report};

/// Runs that a page tells.
const RUNS: usize = 20;
/// Actions of a plan that a page shows.
const ACTIONS: usize = 200;
/// Objects of a page.
const OBJECTS: usize = 100;
/// What can be asked of objects.
const KNOWN: [&str; 4] = ["kind", "outcome", "search", "cursor"];

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/syncs", get(list))
        .route("/console/syncs/{name}", get(detail))
        .route("/console/syncs/{name}/plan", get(plan))
        .route("/console/syncs/{name}/objects", get(objects))
        .route("/console/syncs/{name}/run", post(run))
        .route("/console/syncs/{name}/resume", post(resume))
}

/// A run as templates show it: its counts without the zeros.
fn run_row(report: &Report) -> Value {
    let counts = json!(report.counts);
    let counts: Vec<Value> = counts
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0))
        .map(|(name, count)| json!({"name": plain(name), "count": count}))
        .collect();
    json!({
        "number": report.number, "kind": report.kind, "started": report.started, "ended": report.ended,
        "seconds": report.ended.saturating_sub(report.started) / 1_000, "outcome": report.outcome.word(),
        "counts": counts, "error": report.error, "failures": report.failures, "held_back": report.held_back,
        "calls": report.calls, "repeated": report.repeated,
    })
}

/// `outOfScope` as people write it.
fn plain(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push(' ');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

async fn list(visitor: Visitor, extract::State(state): extract::State<State>) -> Result<Response, Trouble> {
    let mut syncs = Vec::new();
    for handle in state.syncs.iter().filter(|handle| visitor.caller.sees_sync(handle)) {
        let status = handle.sync.status(1).await?;
        syncs.push(json!({
            "name": status.sync, "running": status.running_until.is_some(), "halted": status.halt.is_some(),
            "quarantine": status.quarantine.is_some(), "linked": status.linked,
            "last": status.runs.first().map(run_row),
        }));
    }
    page(&state, &visitor, "syncs.html", "syncs", json!({"syncs": syncs}))
}

async fn detail(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let status = state.syncs.get(&name, &visitor.caller)?.sync.status(RUNS).await?;
    let halt = status.halt.as_ref().map(|halt| {
        json!({
            "at": halt.at, "mapping": halt.mapping, "rule": halt.rule, "code": halt.code,
            "record": halt.record.as_ref().map(|(kind, id)| (kind.word(), id)),
            "report": words::report(&halt.report),
        })
    });
    let context = json!({
        "name": name, "running": status.running_until, "linked": status.linked, "halt": halt, "next_full": status.next_full,
        "progress": status.progress.as_ref().map(|now| json!({
            "phase": now.phase.word(), "done": now.done, "total": now.total,
            "share": now.total.filter(|total| *total > 0).map(|total| (now.done.min(total) * 100) / total),
        })),
        "quarantine": json!(status.quarantine), "runs": status.runs.iter().map(run_row).collect::<Vec<_>>(),
    });
    page(&state, &visitor, "sync.html", "syncs", context)
}

/// An action as templates show it.
fn action_row(action: &Action) -> Value {
    let mut row = json!(action);
    if let Some(fields) = row.as_object_mut() {
        fields.insert("kind".into(), action.kind.word().into());
        fields.insert("verb".into(), action.verb.word().into());
    }
    row
}

/// What a run would do.
async fn plan(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let context = match state.syncs.get(&name, &visitor.caller)?.sync.plan().await {
        Ok(plan) => json!({
            "name": name, "total": plan.actions.len(), "counts": json!(plan.counts),
            "actions": plan.actions.iter().take(ACTIONS).map(action_row).collect::<Vec<_>>(),
            "skipped": json!(plan.skipped), "ambiguous": json!(plan.ambiguous),
        }),
        Err(PlanError::Mapping(report)) => json!({"name": name, "report": words::report(&report)}),
        Err(PlanError::Other(error)) => return Err(error.into()),
    };
    page(&state, &visitor, "plan.html", "syncs", context)
}

/// Each object by itself: what became of it last, and why.
async fn objects(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Trouble> {
    let parameters = Parameters::read(&uri, &KNOWN)?;
    let given = |key: &str| parameters.get(key).filter(|value| !value.is_empty());
    let query = ObjectQuery {
        kind: runs::kind(&parameters)?,
        outcome: given("outcome").map(str::to_owned),
        search: given("search").map(str::to_owned),
        after: parameters.cursor()?,
        limit: OBJECTS,
    };
    let found = state.syncs.get(&name, &visitor.caller)?.sync.objects(&query).await?;
    let rows = found.objects.iter().map(|object| {
        json!({
            "kind": object.kind.word(), "record": object.record, "name": object.name, "target": object.target,
            "outcome": object.outcome, "reason": object.reason, "at": object.at, "attempts": object.attempts, "next": object.next,
        })
    });
    let mut again = form_urlencoded::Serializer::new(String::new());
    for key in KNOWN.iter().filter(|key| **key != "cursor") {
        again.extend_pairs(given(key).map(|value| (key, value)));
    }
    let context = json!({
        "name": name, "objects": rows.collect::<Vec<_>>(), "next": shown(found.next.as_ref()), "query": again.finish(),
        "outcomes": OUTCOMES, "asked": {"kind": given("kind"), "outcome": given("outcome"), "search": given("search")},
    });
    page(&state, &visitor, "objects.html", "syncs", context)
}

async fn run(
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Operate)?;
    asked(&posted.visitor.caller, &state, &name, "", false).await?;
    posted.visitor.session.tell("good", "A run was asked for. It shows here as soon as it ends.");
    Ok(see_other(&format!("/console/syncs/{}", words::encoded(&name))))
}

/// Lifts a halt, and runs.
async fn resume(
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Operate)?;
    asked(&posted.visitor.caller, &state, &name, "", true).await?;
    posted.visitor.session.tell("good", "The halt is lifted, and a run was asked for.");
    Ok(see_other(&format!("/console/syncs/{}", words::encoded(&name))))
}
