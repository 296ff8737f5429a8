//! The admin API's part for syncs: how they stand, what they would do, and asking them to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::State;
use super::admin::Admin;
use super::problem::Problem;
use crate::sync::{Ask, PlanError, RunOptions, Sync, SyncError};
use crate::target::Kind;

/// How many runs a status tells.
const RUNS: usize = 10;

/// The syncs that a server looks after, by name.
#[derive(Clone, Default)]
pub struct Syncs(Arc<BTreeMap<String, Handle>>);

/// A sync and where to ask it.
pub struct Handle {
    /// The sync.
    pub sync: Arc<Sync>,
    /// Its tender's ear.
    pub asks: mpsc::Sender<Ask>,
}

impl Syncs {
    /// These.
    pub fn new(handles: impl IntoIterator<Item = Handle>) -> Self {
        Self(Arc::new(handles.into_iter().map(|handle| (handle.sync.name().to_owned(), handle)).collect()))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Handle> {
        self.0.values()
    }

    pub(super) fn get(&self, name: &str) -> Result<&Handle, Problem> {
        let missing =
            || Problem::new(StatusCode::NOT_FOUND, format!("the configuration has no [[sync]] called {name:?}"));
        self.0.get(name).ok_or_else(missing)
    }
}

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/syncs", get(all))
        .route("/syncs/{name}", get(status))
        .route("/syncs/{name}/plan", post(plan))
        .route("/syncs/{name}/run", post(run))
        .route("/syncs/{name}/resume", post(resume))
}

async fn all(_: Admin, extract::State(state): extract::State<State>) -> Result<Json<Value>, Problem> {
    let mut all = Vec::new();
    for handle in state.syncs.iter() {
        all.push(json!(handle.sync.status(1).await?));
    }
    Ok(Json(json!({"syncs": all})))
}

async fn status(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(state.syncs.get(&name)?.sync.status(RUNS).await?)))
}

/// What a run would do; a mapping that fails is 422 with its finding.
async fn plan(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    match state.syncs.get(&name)?.sync.plan().await {
        Ok(plan) => Ok(Json(json!(plan))),
        Err(PlanError::Mapping(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report)),
        Err(PlanError::Other(error)) => Err(error.into()),
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    /// Objects may be taken away beyond what the guard allows.
    allow_deletes: bool,
    /// Only these users, by the ids of their records.
    users: Vec<String>,
    /// Only these groups.
    groups: Vec<String>,
    /// Whether the answer waits for the report; otherwise it is 202, and the status tells it later.
    wait: bool,
}

async fn run(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    body: String,
) -> Result<Response, Problem> {
    asked(&state, &name, &body, false).await
}

/// Lifts a halt, and runs.
async fn resume(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    body: String,
) -> Result<Response, Problem> {
    asked(&state, &name, &body, true).await
}

async fn asked(state: &State, name: &str, body: &str, resume: bool) -> Result<Response, Problem> {
    let handle = state.syncs.get(name)?;
    let text = if body.trim().is_empty() { "{}" } else { body };
    let wanted: Wanted =
        serde_json::from_str(text).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let of = |kind: Kind, ids: Vec<String>| ids.into_iter().map(move |id| (kind, id));
    let only: Vec<(Kind, String)> = of(Kind::User, wanted.users).chain(of(Kind::Group, wanted.groups)).collect();
    let options = RunOptions {
        allow_deletes: wanted.allow_deletes,
        kind: (!only.is_empty()).then_some("object"),
        only: (!only.is_empty()).then_some(only),
        ..RunOptions::default()
    };
    let (answer, report) = oneshot::channel();
    let busy = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the sync has too much to do: try again later");
    handle.asks.try_send(Ask { options, resume, answer }).map_err(busy)?;
    if !wanted.wait {
        return Ok((StatusCode::ACCEPTED, Json(json!({"sync": name, "asked": true}))).into_response());
    }
    let gone = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
    Ok(Json(json!(report.await.map_err(gone)??)).into_response())
}

impl From<SyncError> for Problem {
    fn from(error: SyncError) -> Self {
        let status = match &error {
            SyncError::Busy | SyncError::Changed(_) => StatusCode::CONFLICT,
            SyncError::Settings(_) => StatusCode::UNPROCESSABLE_ENTITY,
            SyncError::Target(_) => StatusCode::BAD_GATEWAY,
            SyncError::Directory(_) | SyncError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// What `/metrics` tells of syncs.
pub(super) async fn metrics(syncs: &Syncs, text: &mut String) {
    use std::fmt::Write as _;
    let (mut halted, mut linked, mut last) = (String::new(), String::new(), String::new());
    for handle in syncs.iter() {
        let name = handle.sync.name();
        let Ok(status) = handle.sync.status(1).await else { continue };
        // Names have no character that would have to be escaped; writing to a String does not fail.
        let _ = writeln!(halted, "provisor_sync_halted{{sync=\"{name}\"}} {}", u8::from(status.halt.is_some()));
        for (kind, count) in ["user", "group"].iter().zip(status.linked) {
            let _ = writeln!(linked, "provisor_sync_linked{{sync=\"{name}\",kind=\"{kind}\"}} {count}");
        }
        if let Some(run) = status.runs.first() {
            let seconds = run.ended as f64 / 1_000.0;
            let _ = writeln!(
                last,
                "provisor_sync_last_run_seconds{{sync=\"{name}\",outcome=\"{}\"}} {seconds}",
                run.outcome.word()
            );
        }
    }
    let all = [("halted", halted), ("linked", linked), ("last_run_seconds", last)];
    for (name, lines) in all.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let _ = write!(text, "# TYPE provisor_sync_{name} gauge\n{lines}");
    }
}
