//! The mapping studio: the page, and what its script asks for.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::session::{Sent, Visitor};
use super::{Trouble, bench, impact, missing, page};
use crate::directory::{LibraryError, Listing};
use crate::function::TABLE;
use crate::language::liquid::FILTERS;
use crate::mapping::{MAX_FILE, Mapping};
use crate::scim::{Attribute, ResourceSchema};
use crate::server::State;
use crate::server::log::Parameters;
use crate::server::problem::Problem;
use crate::text::Source;

/// People that a search offers.
const OFFERED: usize = 20;
/// What a new mapping begins with.
const BLANK: &str = include_str!("templates/blank.toml");

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/mappings/new", get(blank))
        .route("/console/mappings/{name}/edit", get(edit))
        .route("/console/api/try", post(attempt))
        .route("/console/api/impact", post(compare))
        .route("/console/api/reference", get(reference))
        .route("/console/api/records", get(records))
        .route("/console/api/record", get(record))
        .route("/console/api/mappings/{name}", put(save))
}

async fn blank(
    Visitor(session): Visitor,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Response, Trouble> {
    let wanted = picked(&state, &uri, None)?;
    page(&state, &session, "studio.html", "mappings", studio(&state, None, 0, BLANK, &wanted))
}

async fn edit(
    Visitor(session): Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Trouble> {
    let held = state.directory.library().get(&name).ok_or_else(|| missing(&format!("mapping {name:?}")))?;
    let wanted = picked(&state, &uri, Some(&name))?;
    let context = studio(&state, Some(&name), held.revision.revision, &held.revision.text, &wanted);
    page(&state, &session, "studio.html", "mappings", context)
}

/// The source, the kind and the id with which the page begins: those of its address, or those that use the mapping.
fn picked(state: &State, uri: &Uri, name: Option<&str>) -> Result<Value, Problem> {
    let parameters = Parameters::read(uri, &["source", "kind", "id"])?;
    if let Some(source) = parameters.get("source") {
        let kind = parameters.get("kind").unwrap_or("User");
        return Ok(json!({"source": source, "kind": kind, "id": parameters.get("id")}));
    }
    let sources = state.registry.sources();
    let uses = |used: &Option<String>| used.is_some() && used.as_deref() == name;
    let using = sources.iter().find_map(|record| {
        let kind = if uses(&record.user_mapping) { "User" } else { "Group" };
        (uses(&record.user_mapping) || uses(&record.group_mapping)).then(|| (record.slug.clone(), kind))
    });
    let first = || sources.first().map(|record| (record.slug.clone(), "User"));
    let (source, kind) = using.or_else(first).unwrap_or_default();
    Ok(json!({"source": source, "kind": kind, "id": null}))
}

fn studio(state: &State, name: Option<&str>, revision: u64, text: &str, wanted: &Value) -> Value {
    json!({
        "name": name, "revision": revision, "text": text, "wanted": wanted,
        "sources": state.registry.sources().into_iter().map(|record| record.slug).collect::<Vec<_>>(),
    })
}

/// A text to be tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    text: String,
    /// What findings call it.
    file: String,
    /// A record as JSON text, as far as there is one.
    #[serde(default)]
    record: Option<String>,
}

async fn attempt(
    extract::State(state): extract::State<State>,
    Sent { body, .. }: Sent<Draft>,
) -> Result<Json<Value>, Problem> {
    let now = state.directory.now();
    if body.text.len() > MAX_FILE {
        return Err(Problem::of_status(413, format!("a mapping has at most {MAX_FILE} bytes")));
    }
    // Programs have budgets of their own; still, others answer meanwhile.
    let tried = tokio::task::spawn_blocking(move || bench::tried(&body.file, &body.text, body.record.as_deref(), now));
    Ok(Json(tried.await.map_err(|_| Problem::of_status(500, "the text could not be tried".to_owned()))?))
}

/// A text whose effect is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    text: String,
    source: String,
    kind: String,
}

async fn compare(
    extract::State(state): extract::State<State>,
    Sent { body, .. }: Sent<Compared>,
) -> Result<Json<Value>, Problem> {
    let compiled = Mapping::compile(&Source::new("mapping", body.text));
    let new = compiled.mapping.ok_or_else(|| {
        Problem::of_status(422, "the mapping does not compile: mend what stands below it first".to_owned())
    })?;
    Ok(Json(impact::over(&state, &body.source, &body.kind, new).await?))
}

/// Functions, filters and targets, for completion.
async fn reference(_: Visitor) -> Json<Value> {
    let functions: Vec<Value> = TABLE
        .iter()
        .map(|spec| {
            let example = spec.examples.first();
            json!({
                "name": spec.name, "signature": spec.signature(), "summary": spec.summary, "details": spec.details,
                "family": spec.family.title(), "returns": spec.returns.to_string(),
                "example": example.map(|example| json!([example.expression, example.result])),
            })
        })
        .collect();
    let filters: Vec<Value> = FILTERS
        .iter()
        .map(|filter| json!({"name": filter.name, "signature": filter.signature(), "summary": filter.summary}))
        .collect();
    let targets: serde_json::Map<String, Value> = ["User", "Group"]
        .into_iter()
        .filter_map(|kind| Some((kind.to_owned(), targets(&ResourceSchema::for_resource(kind)?))))
        .collect();
    Json(json!({"functions": functions, "filters": filters, "targets": targets}))
}

/// What rules of a resource type may fill, as a mapping file writes it.
fn targets(resource: &ResourceSchema) -> Value {
    let mut found = Vec::new();
    for (number, schema) in resource.schemas().enumerate() {
        let prefix = if number == 0 { String::new() } else { format!("{}:", schema.id) };
        for attribute in schema.attributes.iter().filter(|attribute| !attribute.is_read_only()) {
            add_targets(&prefix, attribute, &mut found);
        }
    }
    found.into()
}

fn add_targets(prefix: &str, attribute: &Attribute, found: &mut Vec<Value>) {
    let (name, doc) = (&attribute.name, &attribute.description);
    let mut add = |path: String, doc: &str| found.push(json!({"path": path, "summary": doc}));
    if attribute.sub_attributes.is_empty() {
        add(format!("{prefix}{name}"), doc);
        return;
    }
    let work = if attribute.multi_valued && attribute.sub("type").is_some() { "[type eq \"work\"]" } else { "" };
    let names: BTreeSet<&str> = ["type", "primary", "display", "$ref"].into();
    for sub in attribute.sub_attributes.iter().filter(|sub| !sub.is_read_only()) {
        if attribute.multi_valued && names.contains(&*sub.name) {
            continue;
        }
        add(format!("{prefix}{name}{work}.{}", sub.name), &sub.description);
    }
}

/// Users or groups for the picker.
async fn records(_: Visitor, extract::State(state): extract::State<State>, uri: Uri) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::read(&uri, &["source", "kind", "search"])?;
    let (source, kind) = (parameters.get("source").unwrap_or_default(), parameters.get("kind").unwrap_or("User"));
    crate::server::mappings::known(&state, source)?;
    let search = parameters.get("search").map(str::to_owned);
    let listing = Listing { search, limit: OFFERED, ..Listing::default() };
    let found = state.directory.provisioned(source, kind, &listing).await?;
    let people: Vec<Value> = found
        .items
        .iter()
        .map(|entry| json!({"id": entry.id, "name": entry.name, "externalId": entry.external_id}))
        .collect();
    Ok(Json(json!({"records": people, "more": found.next.is_some()})))
}

/// A user or group as a mapping reads it.
async fn record(_: Visitor, extract::State(state): extract::State<State>, uri: Uri) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::read(&uri, &["source", "kind", "id"])?;
    let (slug, id) = (parameters.get("source").unwrap_or_default(), parameters.get("id").unwrap_or_default());
    let source = state.registry.source(slug).ok_or_else(|| missing(&format!("source {slug:?}")))?;
    let kind = parameters.get("kind").unwrap_or("User");
    let entry = state.directory.entry_of(&source, kind, id, &|_| true).await;
    let entry = entry.map_err(|error| Problem::of_status(error.status, error.detail))?;
    let entry = entry.ok_or_else(|| missing(&format!("{} {id:?}", kind.to_lowercase())))?;
    Ok(Json(Value::Object(entry.record)))
}

/// A text to be kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    text: String,
    /// The revision that it is to follow, 0 for none.
    revision: u64,
}

/// Saves a revision. When another came between, 412 has that one's text, so that neither is lost.
async fn save(
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    Sent { session, body }: Sent<Kept>,
) -> Result<Response, Problem> {
    let file = format!("{name}.toml");
    let put = state.registry.put_mapping(Some(&name), &file, &body.text, &session.label, Some(body.revision)).await;
    match put {
        Ok(held) => {
            let revision = &held.revision;
            Ok(Json(json!({"name": revision.name, "revision": revision.revision})).into_response())
        }
        Err(error @ LibraryError::Changed { .. }) => {
            let theirs = state.directory.library().get(&name).map(|held| {
                let revision = &held.revision;
                json!({"revision": revision.revision, "by": revision.by, "at": revision.at, "text": revision.text})
            });
            let body = json!({"status": 412, "detail": error.to_string(), "theirs": theirs});
            Ok((StatusCode::PRECONDITION_FAILED, Json(body)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
