//! The admin API's part for mappings and what they do to sources: revisions, halts, profiles.

use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::State;
use super::admin::{Admin, Operator, Reader};
use super::problem::Problem;
use crate::directory::{Actor, Call, Held, Revision};
use crate::text::Diagnostics;
use crate::text::render;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/mappings", get(mappings))
        .route("/mappings/{name}", get(mapping).put(put_mapping))
        .route("/mappings/{name}/revisions", get(revisions))
        .route("/mappings/{name}/revisions/{revision}", get(revision))
        .route("/sources/{slug}/resume", post(resume))
        .route("/sources/{slug}/profiles/{id}", get(profile))
}

/// A revision without its text.
fn shown(revision: &Revision) -> Value {
    json!({
        "name": revision.name,
        "revision": revision.revision,
        "digest": revision.digest,
        "at": revision.at,
        "by": revision.by,
    })
}

async fn mappings(reader: Reader, extract::State(state): extract::State<State>) -> Json<Value> {
    let mut all = state.directory.library().all();
    all.retain(|held| reader.sees_mapping(&state, &held.revision.name));
    let all: Vec<Value> = all.iter().map(|held| shown(&held.revision)).collect();
    Json(json!({"mappings": all}))
}

/// The text of a mapping; its revision is the entity tag.
async fn mapping(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let held = reader.mapping(&state, &name)?;
    Ok(text(&held.revision))
}

fn text(revision: &Revision) -> Response {
    let is_json = revision.text.trim_start().starts_with('{');
    let kind = if is_json { "application/json" } else { "application/toml; charset=utf-8" };
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, format!("\"{}\"", revision.revision))];
    (headers, revision.text.clone()).into_response()
}

/// Puts a mapping, TOML or JSON. With `If-Match: "3"` only after revision 3, with `If-None-Match: *` only as the first.
async fn put_mapping(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Problem> {
    admin.whole()?;
    let expected = match (headers.get(header::IF_MATCH), headers.get(header::IF_NONE_MATCH)) {
        (Some(tag), _) => Some(
            tag.to_str()
                .ok()
                .and_then(|tag| tag.trim().trim_matches('"').parse().ok())
                .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "`If-Match` holds one revision, such as \"3\""))?,
        ),
        (None, Some(_)) => Some(0),
        (None, None) => None,
    };
    let before = state.directory.library().get(&name).map_or(0, |held| held.revision.revision);
    let file = format!("{name}.toml");
    let held: std::sync::Arc<Held> =
        state.registry.put_mapping(Some(&name), &file, &body, &admin.label, expected).await?;
    let status = if before == 0 { StatusCode::CREATED } else { StatusCode::OK };
    let tag = [(header::ETAG, format!("\"{}\"", held.revision.revision))];
    Ok((status, tag, Json(shown(&held.revision))).into_response())
}

async fn revisions(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    reader.mapping(&state, &name)?;
    let history = state.directory.library().history(&name).await?;
    Ok(Json(json!({"revisions": history.iter().map(shown).collect::<Vec<_>>()})))
}

async fn revision(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((name, number)): Path<(String, u64)>,
) -> Result<Response, Problem> {
    reader.mapping(&state, &name)?;
    let history = state.directory.library().history(&name).await?;
    let found = history.iter().find(|revision| revision.revision == number);
    found.map(text).ok_or_else(|| missing(&format!("{name}, revision {number}")))
}

async fn resume(
    operator: Operator,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
) -> Result<Json<Value>, Problem> {
    operator.source(&state, &slug)?;
    let lifted = state.directory.resume(&slug).await.map_err(super::RegistryError::Store)?;
    Ok(Json(json!({"source": slug, "wasHalted": lifted})))
}

/// What the mapping made of a user or group; `null` when the source has none for it.
async fn profile(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    reader.source(&state, &slug)?;
    let source = state.registry.source(&slug).ok_or_else(|| missing(&slug))?;
    let actor = Actor::default();
    let call = Call::inside(&source, &actor);
    for kind in &source.types {
        if let Ok(profile) = state.directory.profile_of(&call, kind, &id).await {
            return Ok(Json(json!({"id": id, "kind": kind.name(), "profile": profile})));
        }
    }
    Err(Problem::new(StatusCode::NOT_FOUND, format!("source {slug:?} has no resource {id:?}")))
}

fn missing(name: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no mapping {name:?}"))
}

/// Findings as the API shows them: code, severity, message, place, excerpt.
pub(super) fn findings(found: &Diagnostics) -> Value {
    found.iter().map(|finding| render::told(found.source(), finding)).collect()
}
