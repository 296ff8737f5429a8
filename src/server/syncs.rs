//! The admin API's part for syncs: how they stand, what they would do, and asking them to run.

use std::collections::BTreeMap;
use std::path::{Path as File, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Caller, Operator, Reader};
use super::page::cut;
use super::problem::Problem;
use crate::sync::{Ask, Checkup, Plan, PlanError, Report, RunOptions, Status, Sync, SyncError};
use crate::target::Kind;

/// How many runs a status tells.
const RUNS: usize = 10;

/// The syncs that a server looks after, by name.
#[derive(Clone, Default)]
pub struct Syncs {
    handles: Arc<RwLock<BTreeMap<String, Arc<Handle>>>>,
    /// Where files are relative to that settings name.
    beside: Arc<PathBuf>,
}

/// A sync and where to ask it.
pub struct Handle {
    /// The sync.
    pub sync: Arc<Sync>,
    /// Its tender's ear; when it is gone, the tender ends after the run that it is in.
    pub asks: mpsc::Sender<Ask>,
    /// Whether its settings are kept in the store; otherwise they are in the configuration, and the API does not change them.
    pub is_stored: bool,
}

impl Syncs {
    /// These. `beside`: where files are relative to that settings name.
    pub fn new(handles: impl IntoIterator<Item = Handle>, beside: PathBuf) -> Self {
        let handles = handles.into_iter().map(|handle| (handle.sync.name().to_owned(), Arc::new(handle))).collect();
        Self { handles: Arc::new(RwLock::new(handles)), beside: Arc::new(beside) }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Handle>> + use<> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.values().cloned().collect::<Vec<_>>().into_iter()
    }

    /// Where files are relative to that settings name.
    pub(super) fn beside(&self) -> &File {
        &self.beside
    }

    /// The sync of that name, whoever asks.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Handle>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Puts a sync in the place of the one of its name.
    pub(super) fn put(&self, handle: Handle) {
        let name = handle.sync.name().to_owned();
        self.handles.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(handle));
    }

    /// Looks after a sync no more.
    pub(super) fn remove(&self, name: &str) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The names of the syncs that use a mapping of the library.
    pub(super) fn using(&self, mapping: &str) -> Vec<String> {
        let using = self.iter().filter(|handle| handle.uses(mapping));
        using.map(|handle| handle.sync.name().to_owned()).collect()
    }

    /// The sync of that name, when there is one that the caller may see.
    pub(super) fn get(&self, name: &str, caller: &Caller) -> Result<Arc<Handle>, Problem> {
        let missing =
            || Problem::new(StatusCode::NOT_FOUND, format!("there is no sync called {:?}", crate::text::shorten(name)));
        self.find(name).filter(|handle| caller.sees_sync(handle)).ok_or_else(missing)
    }
}

impl Handle {
    /// Whether it uses a mapping of the library.
    pub(super) fn uses(&self, mapping: &str) -> bool {
        let settings = self.sync.settings();
        let mut kinds = [&settings.users, &settings.groups].into_iter().flatten();
        self.is_stored && kinds.any(|kind| kind.mapping == File::new(mapping))
    }
}

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(all))
        .merge(super::stored_syncs::routes())
        .routes(routes!(check))
        .routes(routes!(plan))
        .routes(routes!(run))
        .routes(routes!(resume))
}

/// A page of syncs.
#[derive(Serialize, ToSchema)]
struct SyncPage {
    /// The syncs, by name, each with its last run.
    syncs: Vec<Status>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// List syncs, and how they stand
#[utoipa::path(get, path = "/syncs", tag = "syncs", params(
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The syncs", body = SyncPage)))]
async fn all(
    reader: Reader,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<SyncPage>, Problem> {
    let handles = state.syncs.iter().filter(|handle| reader.sees_sync(handle));
    let (handles, next) = cut(handles, &uri, |handle| handle.sync.name().to_owned())?;
    let mut syncs = Vec::new();
    for handle in handles {
        syncs.push(handle.sync.status(1).await?);
    }
    Ok(Json(SyncPage { syncs, next }))
}

/// How a sync stands: its halt, its last ten runs
#[utoipa::path(get, path = "/syncs/{name}", tag = "syncs", params(("name" = String, Path, description = "The sync's name")),
    responses((status = 200, description = "How it stands", body = Status)))]
pub(super) async fn status(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<Status>, Problem> {
    Ok(Json(state.syncs.get(&name, &reader)?.sync.status(RUNS).await?))
}

/// What a run needs, and whether it is there; nothing is written
#[utoipa::path(post, path = "/syncs/{name}/check", tag = "syncs", params(("name" = String, Path, description = "The sync's name")), responses(
    (status = 200, description = "Each thing that a run needs, and whether it is there", body = Checkup),
    (status = 409, description = "A run is under way"),
    (status = 502, description = "The target fails"),
))]
async fn check(
    operator: Operator,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<Checkup>, Problem> {
    Ok(Json(state.syncs.get(&name, &operator)?.sync.check().await?))
}

/// What a run would do; nothing is done
///
/// A mapping that fails is 422 with its finding. Values that are secret are `[redacted]`.
#[utoipa::path(post, path = "/syncs/{name}/plan", tag = "syncs", params(("name" = String, Path, description = "The sync's name")), responses(
    (status = 200, description = "The plan", body = Plan),
    (status = 409, description = "A run is under way"),
    (status = 502, description = "The target fails"),
))]
async fn plan(
    operator: Operator,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<Plan>, Problem> {
    match state.syncs.get(&name, &operator)?.sync.plan().await {
        Ok(plan) => Ok(Json(plan.shown())),
        Err(PlanError::Mapping(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report)),
        Err(PlanError::Other(error)) => Err(error.into()),
    }
}

/// What a run is to do. Nothing said: everything.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = RunWanted, example = json!({"wait": true}))]
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

/// That a run was asked for.
#[derive(Serialize, ToSchema)]
struct Asked {
    /// The sync.
    sync: String,
    /// Always true.
    asked: bool,
}

/// Run a sync
#[utoipa::path(post, path = "/syncs/{name}/run", tag = "syncs", params(("name" = String, Path, description = "The sync's name")),
    request_body(content = Option<Wanted>), responses(
    (status = 200, description = "With `wait`: the report", body = Report),
    (status = 202, description = "It will run; its status tells the rest", body = Asked),
    (status = 409, description = "A run is under way"),
    (status = 429, description = "As many runs as may wait are waiting: come again after `Retry-After`"),
    (status = 502, description = "The target fails"),
))]
async fn run(
    operator: Operator,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    body: String,
) -> Result<Response, Problem> {
    asked(&operator, &state, &name, &body, false).await
}

/// Let a halted sync run again, and run it
#[utoipa::path(post, path = "/syncs/{name}/resume", tag = "syncs", params(("name" = String, Path, description = "The sync's name")),
    request_body(content = Option<Wanted>), responses(
    (status = 200, description = "With `wait`: the report", body = Report),
    (status = 202, description = "It will run; its status tells the rest", body = Asked),
    (status = 409, description = "A run is under way"),
    (status = 429, description = "As many runs as may wait are waiting: come again after `Retry-After`"),
    (status = 502, description = "The target fails"),
))]
async fn resume(
    operator: Operator,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    body: String,
) -> Result<Response, Problem> {
    asked(&operator, &state, &name, &body, true).await
}

/// Asks a sync to run, for whoever may.
pub(super) async fn asked(
    caller: &Caller,
    state: &State,
    name: &str,
    body: &str,
    resume: bool,
) -> Result<Response, Problem> {
    let handle = state.syncs.get(name, caller)?;
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
    handle.asks.try_send(Ask { options, resume, answer }).map_err(|error| match error {
        TrySendError::Full(_) => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "as many runs of this sync as may wait are waiting already")
        }
        TrySendError::Closed(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the sync is not looked after any more")
        }
    })?;
    if !wanted.wait {
        return Ok((StatusCode::ACCEPTED, Json(Asked { sync: name.to_owned(), asked: true })).into_response());
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
