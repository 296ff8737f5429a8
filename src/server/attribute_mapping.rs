//! The admin API's part for mappings in the form of authn.sh: a source's own, made into a mapping file, put as a revision and named
//! by the source. Taken away, the source has the mapping that it had before.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Reader};
use super::problem::{Problem, read};
use crate::directory::SourceRecord;
use crate::mapping::authnsh;
use crate::store::{Operation, StoreError, Table, Transaction, When};

/// Before source and kind, in the table of settings.
const KEY: &str = "attribute-mapping/";

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(get, put, delete))
}

/// A source's mapping of one kind in the form of authn.sh.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"mapping": {"emails[0].value": "{{ value | downcase }}.email_address", "userName": "login"}}))]
struct AttributeMapping {
    /// Source paths, and for each the target's path, before which a Liquid template may stand that sees the value as `value`.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    mapping: Map<String, Value>,
}

/// What is kept of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    mapping: Map<String, Value>,
    /// The mapping that the source had before.
    before: Option<String>,
}

/// As it was put, and what was made of it.
#[derive(Serialize, ToSchema)]
struct AttributeMappingShown {
    /// As it was put.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    mapping: Map<String, Value>,
    /// The mapping that it became: `GET /api/v1/mappings/{name}` has its text.
    name: String,
    /// Its newest revision.
    revision: u64,
    /// Conflicts, and how they were resolved.
    notes: Vec<String>,
}

/// One of the two kinds.
#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the document alone names them so")]
pub(super) enum MappedKind {
    /// Users.
    User,
    /// Groups.
    Group,
}

/// The resource type of a kind in a path.
fn resource(kind: &str) -> Result<&'static str, Problem> {
    match kind {
        "user" => Ok("User"),
        "group" => Ok("Group"),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "the kind of an attribute mapping is `user` or `group`")),
    }
}

/// The place in a source's record where a kind's mapping stands.
fn place<'r>(record: &'r mut SourceRecord, resource: &str) -> &'r mut Option<String> {
    if resource == "User" { &mut record.user_mapping } else { &mut record.group_mapping }
}

/// The name of the mapping that it becomes; no mapping of an operator's is called so by chance.
fn name(slug: &str, kind: &str) -> String {
    format!("{slug}-{kind}-attribute-mapping")
}

fn key(slug: &str, kind: &str) -> Vec<u8> {
    format!("{KEY}{slug}/{kind}").into_bytes()
}

async fn kept(state: &State, slug: &str, kind: &str) -> Result<Option<Kept>, StoreError> {
    let record = state.directory.store().record(Table::Settings, &key(slug, kind)).await?;
    // One that cannot be read is none.
    Ok(record.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn missing(slug: &str, kind: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("source {slug:?} has no attribute mapping for {kind}s"))
}

fn made(slug: &str, kind: &str, mapping: &Map<String, Value>) -> Result<authnsh::Imported, Problem> {
    let form = Value::Object(Map::from_iter([("mapping".to_owned(), Value::Object(mapping.clone()))]));
    let unfit = |error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error);
    authnsh::import_for(&name(slug, kind), resource(kind)?, &form).map_err(unfit)
}

/// A source's attribute mapping
#[utoipa::path(get, path = "/sources/{slug}/attribute-mapping/{kind}", tag = "mappings", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("kind" = MappedKind, Path, description = "`user` or `group`"),
), responses((status = 200, description = "As it was put", body = AttributeMappingShown)))]
async fn get(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, kind)): Path<(String, String)>,
) -> Result<Json<AttributeMappingShown>, Problem> {
    reader.source(&state, &slug)?;
    resource(&kind)?;
    let Kept { mapping, .. } = kept(&state, &slug, &kind).await?.ok_or_else(|| missing(&slug, &kind))?;
    let name = name(&slug, &kind);
    let revision = state.directory.library().get(&name).map_or(0, |held| held.revision.revision);
    let notes = made(&slug, &kind, &mapping)?.notes;
    Ok(Json(AttributeMappingShown { mapping, name, revision, notes }))
}

/// Put a source's attribute mapping, which from now on makes its profiles
///
/// It becomes a mapping of the library, compiled like any other, and the source names that one.
#[utoipa::path(put, path = "/sources/{slug}/attribute-mapping/{kind}", tag = "mappings", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("kind" = MappedKind, Path, description = "`user` or `group`"),
), request_body = AttributeMapping, responses((status = 200, description = "What was made of it", body = AttributeMappingShown)))]
async fn put(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path((slug, kind)): Path<(String, String)>,
    body: Result<Json<AttributeMapping>, JsonRejection>,
) -> Result<Json<AttributeMappingShown>, Problem> {
    let mut record = admin.source(&state, &slug)?;
    let resource = resource(&kind)?;
    let AttributeMapping { mapping } = read(body)?;
    let imported = made(&slug, &kind, &mapping)?;
    let name = name(&slug, &kind);
    let file = format!("{name}.toml");
    let held = state.registry.put_mapping(Some(&name), &file, &imported.text, &admin.label, None).await?;
    let before = match kept(&state, &slug, &kind).await? {
        Some(kept) => kept.before,
        None => place(&mut record, resource).clone().filter(|before| *before != name),
    };
    let value = serde_json::to_vec(&Kept { mapping: mapping.clone(), before }).unwrap_or_default();
    let put = Operation::Put { table: Table::Settings, key: key(&slug, &kind), value, when: When::Always };
    state.directory.store().commit(Transaction::new("").with(put)).await?;
    *place(&mut record, resource) = Some(name.clone());
    state.registry.set_source(record).await?;
    let revision = held.revision.revision;
    Ok(Json(AttributeMappingShown { mapping, name, revision, notes: imported.notes }))
}

/// Take a source's attribute mapping away: it has the mapping again that it had before, if any
#[utoipa::path(delete, path = "/sources/{slug}/attribute-mapping/{kind}", tag = "mappings", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("kind" = MappedKind, Path, description = "`user` or `group`"),
), responses((status = 204, description = "It is gone; its revisions stay in the library")))]
async fn delete(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path((slug, kind)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let mut record = admin.source(&state, &slug)?;
    let resource = resource(&kind)?;
    let Kept { before, .. } = kept(&state, &slug, &kind).await?.ok_or_else(|| missing(&slug, &kind))?;
    let place = place(&mut record, resource);
    if place.as_deref() == Some(name(&slug, &kind).as_str()) {
        // One that is gone by now is not named again.
        *place = before.filter(|before| state.directory.library().get(before).is_some());
        state.registry.set_source(record).await?;
    }
    let erase = Operation::Erase { table: Table::Settings, key: key(&slug, &kind), when: When::Always };
    state.directory.store().commit(Transaction::new("").with(erase)).await?;
    Ok(StatusCode::NO_CONTENT)
}
