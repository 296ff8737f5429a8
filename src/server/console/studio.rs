//! The mapping studio: the page, and what its script asks for.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::extract::{self, Path, Request};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::overview::seen;
use super::session::{Sent, Visitor};
use super::{Trouble, bench, missing, page};
use crate::directory::token::Role;
use crate::directory::{LibraryError, Listing};
use crate::function::{Spec, TABLE};
use crate::language::liquid::{FILTERS, Filter};
use crate::mapping::MAX_FILE;
use crate::scim::{Attribute, ResourceSchema};
use crate::server::State;
use crate::server::caller::Reader;
use crate::server::dry_run;
use crate::server::page::Parameters;
use crate::server::problem::Problem;

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
        .route("/console/api/dry-run", post(rehearse))
        .route("/console/api/reference", get(reference))
        .route("/console/api/records", get(records))
        .route("/console/api/record", get(record))
        .route("/console/api/mappings/{name}", put(save))
}

async fn blank(visitor: Visitor, extract::State(state): extract::State<State>, uri: Uri) -> Result<Response, Trouble> {
    let wanted = picked(&state, &visitor, &uri, None)?;
    let context = studio(&state, &visitor, (None, 0, BLANK), &wanted);
    page(&state, &visitor, "studio.html", "mappings", context)
}

async fn edit(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Trouble> {
    let held = visitor.caller.mapping(&state, &name)?;
    let wanted = picked(&state, &visitor, &uri, Some(&name))?;
    let opened = (Some(name.as_str()), held.revision.revision, held.revision.text.as_str());
    let context = studio(&state, &visitor, opened, &wanted);
    page(&state, &visitor, "studio.html", "mappings", context)
}

/// The source, the kind and the id with which the page begins: those of its address, or those that use the mapping.
fn picked(state: &State, visitor: &Visitor, uri: &Uri, name: Option<&str>) -> Result<Value, Problem> {
    let parameters = Parameters::read(uri, &["source", "kind", "id"])?;
    if let Some(source) = parameters.get("source") {
        let kind = parameters.get("kind").unwrap_or("User");
        return Ok(json!({"source": source, "kind": kind, "id": parameters.get("id")}));
    }
    let sources = seen(state, visitor);
    let uses = |used: &Option<String>| used.is_some() && used.as_deref() == name;
    let using = sources.iter().find_map(|record| {
        let kind = if uses(&record.user_mapping) { "User" } else { "Group" };
        (uses(&record.user_mapping) || uses(&record.group_mapping)).then(|| (record.slug.clone(), kind))
    });
    let first = || sources.first().map(|record| (record.slug.clone(), "User"));
    let (source, kind) = using.or_else(first).unwrap_or_default();
    Ok(json!({"source": source, "kind": kind, "id": null}))
}

/// What the page shows of a mapping: its name, when it has been saved, its revision and its text.
fn studio(
    state: &State,
    visitor: &Visitor,
    (name, revision, text): (Option<&str>, u64, &str),
    wanted: &Value,
) -> Value {
    let syncs = state.syncs.iter().filter(|handle| visitor.caller.sees_sync(handle));
    let targets: Vec<Value> = syncs
        .map(|handle| json!({"name": handle.sync.name(), "uses": name.is_some_and(|name| handle.uses(name))}))
        .collect();
    // A mapping that no sync uses: its own target says which service it is likely for.
    let is_used = targets.iter().any(|target| target.get("uses") == Some(&Value::Bool(true)));
    let is_free = text.lines().any(|line| line.starts_with("kind") && line.contains("json"));
    let aim = if is_used {
        ""
    } else if is_free {
        "graph"
    } else {
        "scim"
    };
    json!({
        "name": name, "revision": revision, "text": text, "wanted": wanted, "targets": targets, "aim": aim,
        "sources": seen(state, visitor).into_iter().map(|record| record.slug).collect::<Vec<_>>(),
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

/// Who would change: the API's own answer.
async fn compare(
    extract::State(state): extract::State<State>,
    Sent { visitor, body }: Sent<Value>,
) -> Result<Json<Value>, Problem> {
    let request = Request::new(Body::from(body.to_string()));
    dry_run::impact(Reader(visitor.caller), extract::State(state), request).await
}

/// What a target would receive, and more: the API's own answer.
async fn rehearse(
    extract::State(state): extract::State<State>,
    Sent { visitor, body }: Sent<Value>,
) -> Result<Response, Problem> {
    let request = Request::new(Body::from(body.to_string()));
    dry_run::dry_run(Reader(visitor.caller), extract::State(state), HeaderMap::new(), request).await
}

/// Functions, filters and targets, for completion.
async fn reference(_: Visitor) -> Json<Value> {
    let targets: serde_json::Map<String, Value> = ["User", "Group"]
        .into_iter()
        .filter_map(|kind| Some((kind.to_owned(), targets(&ResourceSchema::for_resource(kind)?))))
        .collect();
    Json(json!({
        "functions": TABLE.iter().map(Spec::to_json).collect::<Vec<_>>(),
        "filters": FILTERS.iter().map(Filter::to_json).collect::<Vec<_>>(),
        "targets": targets,
    }))
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
async fn records(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::read(&uri, &["source", "kind", "search"])?;
    let (source, kind) = (parameters.get("source").unwrap_or_default(), parameters.get("kind").unwrap_or("User"));
    visitor.caller.source(&state, source)?;
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
async fn record(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::read(&uri, &["source", "kind", "id"])?;
    let (slug, id) = (parameters.get("source").unwrap_or_default(), parameters.get("id").unwrap_or_default());
    visitor.caller.source(&state, slug)?;
    let source = state.registry.source(slug).ok_or_else(|| missing(&format!("source {slug:?}")))?;
    let kind = parameters.get("kind").unwrap_or("User");
    let entry = state.directory.entry_of(&source, kind, id, &|_| true).await;
    let entry = entry.map_err(Problem::from)?;
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
    Sent { visitor, body }: Sent<Kept>,
) -> Result<Response, Problem> {
    visitor.needs(Role::Admin)?;
    visitor.caller.whole()?;
    let file = format!("{name}.toml");
    let put =
        state.registry.put_mapping(Some(&name), &file, &body.text, &visitor.session.label, Some(body.revision)).await;
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
