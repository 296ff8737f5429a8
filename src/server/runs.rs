//! What a sync did: its run log and each object by itself, by pages or as a stream of JSON lines or CSV.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::State;
use super::admin::Admin;
use super::log::{DEFAULT_PAGE, Form, MAX_PAGE, Parameters, bad, shown};
use super::problem::Problem;
use crate::store::Cursor;
use crate::sync::{
    Ended, OBJECTS_CSV_HEADER, OUTCOMES, ObjectQuery, ObjectView, PlanError, RUNS_CSV_HEADER, Report, RunQuery, Sync,
    SyncError,
};
use crate::target::Kind;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/syncs/{name}/runs", get(runs))
        .route("/syncs/{name}/runs/{id}", get(run))
        .route("/syncs/{name}/objects", get(objects))
        .route("/syncs/{name}/objects/{id}", get(object))
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

async fn runs(
    _: Admin,
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
    answer(&state, &name, Asked::Runs(query), &parameters, &headers).await
}

async fn objects(
    _: Admin,
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
    let after = parameters.get("cursor").map(|text| {
        let bytes = URL_SAFE_NO_PAD.decode(text);
        bytes.map_err(|_| bad("the cursor is not one of ours: take `next` of the page before"))
    });
    let query = ObjectQuery {
        kind: kind(&parameters)?,
        outcome: outcome.transpose()?,
        search: parameters.get("search").map(str::to_owned),
        after: after.transpose()?.map(|bytes| Cursor::from_bytes(&bytes)),
        limit: 0,
    };
    answer(&state, &name, Asked::Objects(query), &parameters, &headers).await
}

/// A page, or a stream of all.
async fn answer(
    state: &State,
    name: &str,
    mut asked: Asked,
    parameters: &Parameters<'_>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let form = Form::asked(parameters, headers)?;
    let sync = Arc::clone(&state.syncs.get(name)?.sync);
    let limit = parameters.limit()?;
    if form == Form::Json {
        let page = asked.page(&sync, limit.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE)).await?;
        let items: Vec<Value> = page.items.iter().map(Item::json).collect();
        return Ok(Json(json!({asked.word(): items, "next": shown(page.next.as_ref())})).into_response());
    }
    let begun = Export { sync, asked, form, left: limit.unwrap_or(usize::MAX), first: true };
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

async fn run(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let sync = &state.syncs.get(&name)?.sync;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no run of this number; the oldest are forgotten");
    let number = id.parse().map_err(|_| bad("the id of a run is its number"))?;
    Ok(Json(json!(sync.run_of(number).await?.ok_or_else(missing)?)))
}

async fn object(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path((name, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::read(&uri, &["kind"])?;
    let sync = &state.syncs.get(&name)?.sync;
    match sync.object(kind(&parameters)?, &id).await {
        Ok(Some(found)) => Ok(Json(json!(found))),
        Ok(None) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no record and no object of the sync has this id, name or matching value",
        )),
        Err(PlanError::Mapping(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report)),
        Err(PlanError::Other(error)) => Err(error.into()),
    }
}

fn kind(parameters: &Parameters<'_>) -> Result<Option<Kind>, Problem> {
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
