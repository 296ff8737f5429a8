//! The admin API's part for mappings and what they do to sources: revisions, halts, profiles.

use axum::Json;
use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Operator, Reader};
use super::page::{Parameters, bad, cut};
use super::problem::Problem;
use super::shapes::ProfileAnswer;
use crate::directory::{Actor, Call, Revision};
use crate::text::Diagnostics;
use crate::text::render;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(mappings))
        .routes(routes!(mapping, put_mapping, delete_mapping))
        .routes(routes!(revisions))
        .routes(routes!(revision))
        .routes(routes!(restore))
        .routes(routes!(diff))
        .routes(routes!(resume))
        .routes(routes!(profile))
}

/// A revision without its text.
#[derive(Serialize, ToSchema)]
pub(super) struct RevisionShown {
    /// The mapping's name.
    pub(super) name: String,
    /// From one, rising.
    pub(super) revision: u64,
    /// SHA-256 of the text, in hexadecimal.
    digest: String,
    /// When it was put, in milliseconds since 1970.
    at: u64,
    /// By whom: a token's label, or what put it.
    by: String,
}

/// A page of mappings.
#[derive(Serialize, ToSchema)]
struct MappingPage {
    /// The newest revision of each, by name.
    mappings: Vec<RevisionShown>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// A page of revisions.
#[derive(Serialize, ToSchema)]
struct RevisionPage {
    /// The revisions, the oldest first.
    revisions: Vec<RevisionShown>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// That a source takes writes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Resumed {
    /// The source.
    source: String,
    /// Whether it stood still before.
    was_halted: bool,
}

/// A revision without its text.
pub(super) fn shown(revision: &Revision) -> RevisionShown {
    let Revision { name, revision, digest, at, by, .. } = revision.clone();
    RevisionShown { name, revision, digest, at, by }
}

/// List mappings, each with its newest revision
#[utoipa::path(get, path = "/mappings", tag = "mappings", params(
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The mappings", body = MappingPage)))]
async fn mappings(
    reader: Reader,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<MappingPage>, Problem> {
    let mut all = state.directory.library().all();
    all.retain(|held| reader.sees_mapping(&state, &held.revision.name));
    let (all, next) = cut(all, &uri, |held| held.revision.name.clone())?;
    Ok(Json(MappingPage { mappings: all.iter().map(|held| shown(&held.revision)).collect(), next }))
}

/// The text of a mapping; its revision is the entity tag
#[utoipa::path(get, path = "/mappings/{name}", tag = "mappings", params(("name" = String, Path, description = "The mapping's name")),
    responses((status = 200, description = "The text as it was put", headers(("ETag" = String, description = "The revision, such as `\"3\"`")),
        content((String = "application/toml"), (Value = "application/json")))))]
async fn mapping(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(text(&reader.mapping(&state, &name)?.revision))
}

fn text(revision: &Revision) -> Response {
    let is_json = revision.text.trim_start().starts_with('{');
    let kind = if is_json { "application/json" } else { "application/toml; charset=utf-8" };
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, format!("\"{}\"", revision.revision))];
    (headers, revision.text.clone()).into_response()
}

/// The revision that a request is to follow, 0 for none: `If-Match: "3"`, `If-Match: *`, `If-None-Match: *`.
fn expected(headers: &HeaderMap, newest: u64) -> Result<Option<u64>, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        return Ok(headers.contains_key(header::IF_NONE_MATCH).then_some(0));
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        let missing = || {
            Problem::new(StatusCode::PRECONDITION_FAILED, "there is no such mapping, and `If-Match: *` asks for one")
        };
        return if newest == 0 { Err(missing()) } else { Ok(Some(newest)) };
    }
    let number = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().ok();
    let number = number.ok_or_else(|| bad("`If-Match` holds one revision, such as \"3\", or `*`"))?;
    Ok(Some(number))
}

/// Puts a text as the newest revision, and gives the answer.
async fn put(state: &State, name: &str, text: &str, by: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let before = state.directory.library().get(name).map_or(0, |held| held.revision.revision);
    let expected = expected(headers, before)?;
    let held = state.registry.put_mapping(Some(name), &format!("{name}.toml"), text, by, expected).await?;
    let status = if before == 0 { StatusCode::CREATED } else { StatusCode::OK };
    let tag = [(header::ETAG, format!("\"{}\"", held.revision.revision))];
    Ok((status, tag, Json(shown(&held.revision))).into_response())
}

/// Put a mapping, TOML or JSON, as its newest revision
///
/// It must compile and call itself by this name. With `If-Match: "3"` only after revision 3, with `If-None-Match: *` only as the
/// first. The same text again is no new revision. Sources that use it make their profiles anew.
#[utoipa::path(put, path = "/mappings/{name}", tag = "mappings", params(
    ("name" = String, Path, description = "The mapping's name"),
    ("If-Match" = Option<String>, Header, description = "The revision that this one follows, such as `\"3\"`, or `*`"),
    ("If-None-Match" = Option<String>, Header, description = "`*`: only when there is none yet"),
), request_body(description = "The mapping file", content((String = "application/toml"), (Value = "application/json"))), responses(
    (status = 200, description = "The revision", body = RevisionShown),
    (status = 201, description = "The first revision", body = RevisionShown),
    (status = 412, description = "It is at another revision, which `detail` names"),
))]
async fn put_mapping(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Problem> {
    admin.whole()?;
    put(&state, &name, &body, &admin.label, &headers).await
}

/// Delete a mapping that no source and no sync uses, with all its revisions
#[utoipa::path(delete, path = "/mappings/{name}", tag = "mappings", params(
    ("name" = String, Path, description = "The mapping's name"),
    ("If-Match" = Option<String>, Header, description = "Only when this is its newest revision, such as `\"3\"`"),
), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "It is used; `detail` names by what"),
    (status = 412, description = "It is at another revision, which `detail` names"),
))]
async fn delete_mapping(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    admin.whole()?;
    let newest = admin.mapping(&state, &name)?.revision.revision;
    if let Some(expected) = expected(&headers, newest)?.filter(|expected| *expected != newest) {
        let detail = format!("the mapping is at revision {newest} by now, not {expected}: read it again");
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
    }
    let sources = state.registry.sources().into_iter().map(|record| record.slug);
    let sources = sources.filter(|slug| state.registry.source(slug).is_some_and(|source| source.uses(&name)));
    let users: Vec<String> = sources
        .map(|slug| format!("source {slug:?}"))
        .chain(state.syncs.using(&name).into_iter().map(|sync| format!("sync {sync:?}")))
        .collect();
    if !users.is_empty() {
        let detail = format!("the mapping is used by {}: give them another first", users.join(", "));
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    state.directory.library().remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The history of a mapping: which revision came when and from whom
#[utoipa::path(get, path = "/mappings/{name}/revisions", tag = "mappings", params(
    ("name" = String, Path, description = "The mapping's name"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The revisions", body = RevisionPage)))]
async fn revisions(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<RevisionPage>, Problem> {
    reader.mapping(&state, &name)?;
    let history = state.directory.library().history(&name).await?;
    let (history, next) = cut(history, &uri, |revision| format!("{:020}", revision.revision))?;
    Ok(Json(RevisionPage { revisions: history.iter().map(shown).collect(), next }))
}

/// One revision of a mapping that the caller may see.
async fn one(reader: &super::caller::Caller, state: &State, name: &str, number: u64) -> Result<Revision, Problem> {
    reader.mapping(state, name)?;
    let history = state.directory.library().history(name).await?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("mapping {name:?} has no revision {number}"));
    history.into_iter().find(|revision| revision.revision == number).ok_or_else(missing)
}

/// The number of a revision in a path.
fn number(text: &str) -> Result<u64, Problem> {
    let wrong = || bad(format!("a revision is a number from 1, not {:?}", crate::text::shorten(text)));
    text.parse().map_err(|_| wrong())
}

/// The text of one revision
#[utoipa::path(get, path = "/mappings/{name}/revisions/{revision}", tag = "mappings", params(
    ("name" = String, Path, description = "The mapping's name"),
    ("revision" = u64, Path, description = "The revision's number"),
), responses((status = 200, description = "The text as it was put", headers(("ETag" = String, description = "The revision, such as `\"3\"`")),
    content((String = "application/toml"), (Value = "application/json")))))]
async fn revision(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((name, revision)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(text(&one(&reader, &state, &name, number(&revision)?).await?))
}

/// Roll back: put the text of an old revision as the newest
#[utoipa::path(post, path = "/mappings/{name}/revisions/{revision}/restore", tag = "mappings", params(
    ("name" = String, Path, description = "The mapping's name"),
    ("revision" = u64, Path, description = "The revision whose text is wanted again"),
    ("If-Match" = Option<String>, Header, description = "Only when this is the newest revision, such as `\"3\"`"),
), responses(
    (status = 200, description = "The revision that it is now", body = RevisionShown),
    (status = 412, description = "It is at another revision, which `detail` names"),
    (status = 422, description = "The text does not compile any more"),
))]
async fn restore(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path((name, revision)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admin.whole()?;
    let old = one(&admin, &state, &name, number(&revision)?).await?;
    put(&state, &name, &old.text, &admin.label, &headers).await
}

/// What changed between two revisions, as a unified diff; empty when nothing did
#[utoipa::path(get, path = "/mappings/{name}/diff", tag = "mappings", params(
    ("name" = String, Path, description = "The mapping's name"),
    ("from" = Option<u64>, Query, description = "The old revision; the one before `to` when left out, nothing before the first"),
    ("to" = Option<u64>, Query, description = "The new revision; the newest when left out"),
), responses((status = 200, description = "The diff", body = String, content_type = "text/x-diff"),
    (status = 400, description = "A parameter cannot be read")))]
async fn diff(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(&uri, &["from", "to"])?;
    let newest = reader.mapping(&state, &name)?.revision.revision;
    let to = parameters.get("to").map(number).transpose()?.unwrap_or(newest);
    let from = parameters.get("from").map(number).transpose()?.unwrap_or(to.saturating_sub(1));
    let new = one(&reader, &state, &name, to).await?;
    let old = if from == 0 { String::new() } else { one(&reader, &state, &name, from).await?.text };
    let diff = similar::TextDiff::from_lines(&old, &new.text);
    let mut lines = diff.unified_diff();
    let text = lines.header(&format!("{name} revision {from}"), &format!("{name} revision {to}")).to_string();
    Ok(([(header::CONTENT_TYPE, "text/x-diff; charset=utf-8")], text).into_response())
}

/// Let a source that a mapping halted take writes again
#[utoipa::path(post, path = "/sources/{slug}/resume", tag = "sources", params(("slug" = String, Path, description = "The source's slug")),
    responses((status = 200, description = "It takes writes", body = Resumed)))]
async fn resume(
    operator: Operator,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
) -> Result<Json<Resumed>, Problem> {
    operator.source(&state, &slug)?;
    let was_halted = state.directory.resume(&slug).await?;
    Ok(Json(Resumed { source: slug, was_halted }))
}

/// What the mapping made of a user or group; `null` when the source has none for it
#[utoipa::path(get, path = "/sources/{slug}/profiles/{id}", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("id" = String, Path, description = "The resource's id"),
), responses((status = 200, description = "The profile", body = ProfileAnswer)))]
async fn profile(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    reader.source(&state, &slug)?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("source {slug:?} has no resource {id:?}"));
    let source = state.registry.source(&slug).ok_or_else(missing)?;
    let actor = Actor::default();
    let call = Call::inside(&source, &actor);
    for kind in &source.types {
        if let Ok(profile) = state.directory.profile_of(&call, kind, &id).await {
            return Ok(Json(serde_json::json!({"id": id, "kind": kind.name(), "profile": profile})));
        }
    }
    Err(missing())
}

/// Findings as the API shows them: code, severity, message, place, excerpt.
pub(super) fn findings(found: &Diagnostics) -> Value {
    found.iter().map(|finding| render::json(found.source(), finding)).collect()
}
