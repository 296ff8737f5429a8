//! What a sync did: its run log and each object by itself, by pages or as a stream of JSON lines or CSV.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Caller, Reader};
use super::log::Form;
use super::page::{MAX_PAGE, Parameters, bad, shown};
use super::problem::Problem;
use crate::store::Cursor;
use crate::sync::{
    Ended, OBJECTS_CSV_HEADER, OUTCOMES, ObjectQuery, ObjectView, PlanError, RUNS_CSV_HEADER, Report, RunQuery, Sync,
    SyncError,
};
use crate::target::Kind;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(runs)).routes(routes!(run)).routes(routes!(objects)).routes(routes!(object))
}

/// A page of runs.
#[derive(Serialize, ToSchema)]
struct RunsShown {
    /// The runs, the newest first.
    runs: Vec<Report>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// A page of objects.
#[derive(Serialize, ToSchema)]
struct ObjectsShown {
    /// The objects: groups, then users, by record.
    objects: Vec<ObjectView>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// A question and the page that it is at.
enum Asked {
    Runs(RunQuery),
    Objects(ObjectQuery),
}

/// A page: its items as JSON or as rows, and whether there are more.
struct Part {
    items: Vec<Item>,
    next: Option<Cursor>,
}

enum Item {
    Run(Box<Report>),
    Object(ObjectView),
}

impl Item {
    fn json(&self) -> Value {
        match self {
            Self::Run(run) => json!(run),
            Self::Object(object) => json!(object),
        }
    }

    fn csv(&self) -> String {
        match self {
            Self::Run(run) => run.csv(),
            Self::Object(object) => object.csv(),
        }
    }
}

impl Asked {
    fn word(&self) -> &'static str {
        match self {
            Self::Runs(_) => "runs",
            Self::Objects(_) => "objects",
        }
    }

    fn header(&self) -> &'static str {
        match self {
            Self::Runs(_) => RUNS_CSV_HEADER,
            Self::Objects(_) => OBJECTS_CSV_HEADER,
        }
    }

    /// The next page; the question then asks for the one after it.
    async fn page(&mut self, sync: &Sync, limit: usize) -> Result<Part, SyncError> {
        match self {
            Self::Runs(query) => {
                query.limit = limit;
                let page = sync.runs(query).await?;
                query.before = page.next;
                let next = page.next.map(|number| Cursor::from_bytes(&number.to_be_bytes()));
                Ok(Part { items: page.runs.into_iter().map(|run| Item::Run(Box::new(run))).collect(), next })
            }
            Self::Objects(query) => {
                query.limit = limit;
                let page = sync.objects(query).await?;
                query.after.clone_from(&page.next);
                Ok(Part { items: page.objects.into_iter().map(Item::Object).collect(), next: page.next })
            }
        }
    }
}

/// The runs of a sync: a page of JSON, or all of them as JSON lines or CSV
#[utoipa::path(get, path = "/syncs/{name}/runs", tag = "syncs", params(
    ("name" = String, Path, description = "The sync's name"),
    ("kind" = Option<String>, Query, description = "`full`, `direct`, `object`, `discover`"),
    ("outcome" = Option<Ended>, Query, description = "Only those that ended so"),
    ("format" = Option<Form>, Query, description = "The form of the answer, over `Accept`"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000; of an export all"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The runs, the newest first", content(
    (RunsShown = "application/json"), (String = "application/jsonl"), (String = "text/csv"),
))))]
async fn runs(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(&uri, &["kind", "outcome", "limit", "cursor", "format"])?;
    let number = |cursor: Cursor| <[u8; 8]>::try_from(cursor.as_bytes()).map(u64::from_be_bytes).unwrap_or_default();
    let query = RunQuery {
        kind: parameters.get("kind").map(kind_of_run).transpose()?,
        outcome: parameters.get("outcome").map(ended).transpose()?,
        before: parameters.cursor()?.map(number),
        limit: 0,
    };
    answer(&reader, &state, &name, Asked::Runs(query), &parameters, &headers).await
}

/// What a sync remembers of its objects: a page of JSON, or all of it as JSON lines or CSV
///
/// A page may be shorter than asked for, even empty, although more follows: look at `next`. Values are not in it but for the name.
#[utoipa::path(get, path = "/syncs/{name}/objects", tag = "syncs", params(
    ("name" = String, Path, description = "The sync's name"),
    ("kind" = Option<String>, Query, description = "`user` or `group`"),
    ("outcome" = Option<String>, Query, description = "What was done last, such as `failed`"),
    ("search" = Option<String>, Query, description = "A text in name, record or target id, letter case aside"),
    ("format" = Option<Form>, Query, description = "The form of the answer, over `Accept`"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000; of an export all"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The objects", content(
    (ObjectsShown = "application/json"), (String = "application/jsonl"), (String = "text/csv"),
))))]
async fn objects(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(&uri, &["kind", "outcome", "search", "limit", "cursor", "format"])?;
    let outcome = parameters.get("outcome").map(|word| {
        let known = OUTCOMES.contains(&word).then(|| word.to_owned());
        known.ok_or_else(|| bad(format!("outcome is one of {}", OUTCOMES.join(", "))))
    });
    let query = ObjectQuery {
        kind: kind(&parameters)?,
        outcome: outcome.transpose()?,
        search: parameters.get("search").map(str::to_owned),
        after: parameters.place()?,
        limit: 0,
    };
    answer(&reader, &state, &name, Asked::Objects(query), &parameters, &headers).await
}

/// A page, or a stream of all.
async fn answer(
    caller: &Caller,
    state: &State,
    name: &str,
    mut asked: Asked,
    parameters: &Parameters<'_>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let form = Form::asked(parameters, headers)?;
    let sync = Arc::clone(&state.syncs.get(name, caller)?.sync);
    if form == Form::Json {
        let page = asked.page(&sync, parameters.page()?).await?;
        let items: Vec<Value> = page.items.iter().map(Item::json).collect();
        return Ok(Json(json!({asked.word(): items, "next": shown(page.next.as_ref())})).into_response());
    }
    let left = parameters.limit()?.unwrap_or(usize::MAX);
    let begun = Export { sync, asked, form, left, first: true };
    let body = Body::from_stream(stream::try_unfold(Some(begun), |export| async {
        match export {
            Some(export) => export.piece().await,
            None => Ok(None),
        }
    }));
    Ok(([(header::CONTENT_TYPE, form.media_type())], body).into_response())
}

/// An export under way. It holds a page at a time, whatever its length.
struct Export {
    sync: Arc<Sync>,
    asked: Asked,
    form: Form,
    left: usize,
    first: bool,
}

impl Export {
    /// The next rows, and what is left to do.
    async fn piece(mut self) -> Result<Option<(Bytes, Option<Self>)>, SyncError> {
        let page = self.asked.page(&self.sync, self.left.min(MAX_PAGE)).await?;
        let mut out = String::new();
        if self.first && self.form == Form::Csv {
            out.push_str(self.asked.header());
        }
        for item in &page.items {
            match self.form {
                Form::Csv => out.push_str(&item.csv()),
                _ => {
                    out.push_str(&item.json().to_string());
                    out.push('\n');
                }
            }
        }
        self.first = false;
        self.left -= page.items.len().min(self.left);
        let more = self.left > 0 && page.next.is_some();
        Ok(Some((out.into(), more.then_some(self))))
    }
}

/// One run, with the first hundred objects that the target refused
#[utoipa::path(get, path = "/syncs/{name}/runs/{id}", tag = "syncs", params(
    ("name" = String, Path, description = "The sync's name"),
    ("id" = u64, Path, description = "The run's number"),
), responses((status = 200, description = "The run", body = Report)))]
async fn run(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Report>, Problem> {
    let handle = state.syncs.get(&name, &reader)?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no run of this number; the oldest are forgotten");
    let number = id.parse().map_err(|_| bad("the id of a run is its number"))?;
    Ok(Json(handle.sync.run_of(number).await?.ok_or_else(missing)?))
}

/// One object: what was done last with it and why, and when it is tried again
///
/// It is found by the id of its record, by its id in the target, by its name, or by a value that it is matched by: for the last all
/// records are mapped, and a mapping that fails is 422.
#[utoipa::path(get, path = "/syncs/{name}/objects/{id}", tag = "syncs", params(
    ("name" = String, Path, description = "The sync's name"),
    ("id" = String, Path, description = "An id, a name or a value"),
    ("kind" = Option<String>, Query, description = "`user` or `group`, when both have it"),
), responses(
    (status = 200, description = "The object", body = ObjectView),
    (status = 422, description = "A mapping fails"),
))]
async fn object(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((name, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<ObjectView>, Problem> {
    let parameters = Parameters::read(&uri, &["kind"])?;
    let handle = state.syncs.get(&name, &reader)?;
    match handle.sync.object(kind(&parameters)?, &id).await {
        Ok(Some(found)) => Ok(Json(found)),
        Ok(None) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no record and no object of the sync has this id, name or matching value",
        )),
        Err(PlanError::Mapping(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report)),
        Err(PlanError::Other(error)) => Err(error.into()),
    }
}

pub(super) fn kind(parameters: &Parameters<'_>) -> Result<Option<Kind>, Problem> {
    match parameters.get("kind").map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("user") => Ok(Some(Kind::User)),
        Some("group") => Ok(Some(Kind::Group)),
        Some(_) => Err(bad("kind is user or group")),
    }
}

fn kind_of_run(word: &str) -> Result<String, Problem> {
    match word {
        "full" | "direct" | "object" | "discover" => Ok(word.to_owned()),
        _ => Err(bad("kind is full, direct, object or discover")),
    }
}

fn ended(word: &str) -> Result<Ended, Problem> {
    Ended::of(word).ok_or_else(|| bad("outcome is complete, degraded, halted, guarded or failed"))
}
