//! Syncs whose settings are kept in the store: put, replaced and taken away by the API, in the shape of `[[sync]]`. Their mappings are
//! those of the library, by name. Whoever may call the API may not read the server's files for that: secrets are named, and only
//! where the operator of the machine has put them for syncs.

use std::path::{Component, Path as File};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Reader};
use super::problem::{Problem, read};
use super::registry::{Registry, RegistryError};
use super::syncs::{__path_status, Handle, Syncs, status};
use crate::clock::{Clock, SystemClock};
use crate::directory::Directory;
use crate::store::{Operation, Record, Table, Transaction, When};
use crate::sync::{SyncSettings, Tender};
use crate::target::{Secret, TargetSettings};

/// Before the name, in the table of settings.
const KEY: &str = "sync/";
/// What a variable is called that holds a secret of a stored sync.
const VARIABLE: &str = "PROVISOR_SECRET_";
/// Where a file is that holds one, beside the configuration.
const FOLDER: &str = "secrets";
/// How many records are read at once.
const PAGE: usize = 100;
/// The most syncs that are stored.
const MOST: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(status, put, delete)).routes(routes!(settings))
}

/// The settings of a sync.
#[derive(Serialize, ToSchema)]
struct SettingsShown {
    /// Whether they are kept in the store; otherwise they are in the configuration file, and only there they change.
    stored: bool,
    /// As in `[[sync]]`; secrets are named, never shown.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    settings: SyncSettings,
}

/// The settings of a sync
#[utoipa::path(get, path = "/syncs/{name}/settings", tag = "syncs", params(("name" = String, Path, description = "The sync's name")),
    responses((status = 200, description = "The settings", body = SettingsShown)))]
async fn settings(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Json<SettingsShown>, Problem> {
    let handle = state.syncs.get(&name, &reader)?;
    Ok(Json(SettingsShown { stored: handle.is_stored, settings: handle.sync.settings().clone() }))
}

/// Put a sync, which from now on runs
///
/// The shape is that of `[[sync]]` in the configuration; `name` may be left out. The records are those of a source, a mapping is the name
/// of one in the library, and secrets are `{"env": "PROVISOR_SECRET_…"}` or `{"file": "secrets/…"}`. Of a sync that is there,
/// links and runs stay.
#[utoipa::path(put, path = "/syncs/{name}", tag = "syncs", params(("name" = String, Path, description = "The sync's name")),
    request_body(content = Value, description = "As `[[sync]]` in the configuration", example = json!({
        "source": "default",
        "users": {"mapping": "people"},
        "target": {"kind": "scim", "url": "https://app.example/scim/v2", "token": {"env": "PROVISOR_SECRET_APP"}},
    })), responses(
    (status = 200, description = "The settings in the place of those before", body = SettingsShown),
    (status = 201, description = "The settings of a new sync", body = SettingsShown),
    (status = 409, description = "It is in the configuration file, or there are too many"),
))]
async fn put(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    admin.whole()?;
    let mut fields = read(body)?;
    fields.entry("name").or_insert_with(|| name.clone().into());
    let unfit = |error: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error);
    let settings: SyncSettings = serde_json::from_value(fields.into()).map_err(|error| unfit(error.to_string()))?;
    if settings.name != name {
        return Err(unfit(format!("the sync is {name:?}, and the body names {:?}", settings.name)));
    }
    let before = state.syncs.find(&name);
    if before.as_ref().is_some_and(|before| !before.is_stored) {
        return Err(configured(&name));
    }
    if before.is_none() && state.syncs.iter().filter(|handle| handle.is_stored).count() >= MOST {
        return Err(Problem::new(StatusCode::CONFLICT, format!("there are {MOST} stored syncs already")));
    }
    check(&settings).map_err(unfit)?;
    for kind in [&settings.users, &settings.groups].into_iter().flatten() {
        let mapping = kind.mapping.to_string_lossy();
        admin.mapping(&state, &mapping).map_err(|problem| problem.with_status(StatusCode::UNPROCESSABLE_ENTITY))?;
    }
    let handle = start(&settings, &state.directory, &state.registry, state.syncs.beside()).map_err(unfit)?;
    let value = serde_json::to_vec(&settings).unwrap_or_default();
    let put = Operation::Put { table: Table::Settings, key: key(&name), value, when: When::Always };
    state.directory.store().commit(Transaction::new("").with(put)).await?;
    state.syncs.put(handle);
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(SettingsShown { stored: true, settings })))
}

/// Take a sync away: it runs no more
///
/// What it made in the target stays, and so do its links: put again, it goes on with them.
#[utoipa::path(delete, path = "/syncs/{name}", tag = "syncs", params(("name" = String, Path, description = "The sync's name")), responses(
    (status = 204, description = "It runs no more"),
    (status = 409, description = "It is in the configuration file"),
))]
async fn delete(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let handle = state.syncs.get(&name, &admin)?;
    admin.whole()?;
    if !handle.is_stored {
        return Err(configured(&name));
    }
    let erase = Operation::Erase { table: Table::Settings, key: key(&name), when: When::Always };
    state.directory.store().commit(Transaction::new("").with(erase)).await?;
    state.syncs.remove(&name);
    Ok(StatusCode::NO_CONTENT)
}

fn configured(name: &str) -> Problem {
    let detail = format!("sync {name:?} is in the configuration file: change it there, and start the server anew");
    Problem::new(StatusCode::CONFLICT, detail)
}

fn key(name: &str) -> Vec<u8> {
    format!("{KEY}{name}").into_bytes()
}

/// What settings may not say when they come over the network.
fn check(settings: &SyncSettings) -> Result<(), String> {
    settings.check()?;
    let name = &settings.name;
    for (word, kind) in [("users", &settings.users), ("groups", &settings.groups)] {
        if kind.as_ref().is_some_and(|kind| kind.file.is_some()) {
            return Err(format!("sync {name:?}: `{word}` names a file: a sync of the API has a source"));
        }
    }
    let mut secrets: Vec<&Secret> = Vec::new();
    match &settings.target {
        TargetSettings::File { .. } => {
            return Err(format!("sync {name:?}: a target of kind \"file\" is for the configuration file alone"));
        }
        TargetSettings::Scim(scim) => {
            secrets.extend(&scim.token);
            secrets.extend(scim.oauth.as_ref().map(|oauth| &oauth.client_secret));
        }
        TargetSettings::Graph(graph) => {
            secrets.extend(&graph.client_secret);
            if graph.certificate.as_ref().is_some_and(|file| !is_of_syncs(file)) {
                return Err(elsewhere(name));
            }
        }
    }
    secrets.extend(&settings.notice.token);
    secrets.extend(settings.notice.email.as_ref().and_then(|email| email.password.as_ref()));
    let is_fine = |secret: &&Secret| match secret {
        Secret::Env(variable) => variable.starts_with(VARIABLE),
        Secret::File(file) => is_of_syncs(file),
    };
    if secrets.iter().all(is_fine) { Ok(()) } else { Err(elsewhere(name)) }
}

/// Whether a file is one of those that the operator has put there for syncs.
fn is_of_syncs(file: &File) -> bool {
    file.starts_with(FOLDER) && file.components().all(|part| matches!(part, Component::Normal(_)))
}

fn elsewhere(name: &str) -> String {
    format!(
        "sync {name:?}: its secrets are in variables that begin with {VARIABLE}, or in files below {FOLDER}/ beside the configuration"
    )
}

/// A sync, ready to run.
fn made(
    settings: &SyncSettings,
    directory: &Directory,
    registry: &Registry,
    beside: &File,
) -> Result<crate::sync::Sync, String> {
    let name = &settings.name;
    let slug = settings.source.as_deref().unwrap_or_default();
    let source = registry.source(slug).ok_or_else(|| format!("sync {name:?}: there is no source {slug:?}"))?;
    let target = crate::target::open(&settings.target, beside);
    let target = target.map_err(|error| format!("sync {name:?}: target: {error}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sync =
        crate::sync::Sync::new(settings.clone(), beside.to_path_buf(), directory.clone(), Some(source), target, clock);
    Ok(sync.of_library())
}

/// A sync with somebody who looks after it from now on.
fn start(settings: &SyncSettings, directory: &Directory, registry: &Registry, beside: &File) -> Result<Handle, String> {
    let sync = Arc::new(made(settings, directory, registry, beside)?);
    let (tender, asks) = Tender::new(Arc::clone(&sync));
    tokio::spawn(tender.tend());
    Ok(Handle { sync, asks, is_stored: true })
}

/// The records of all stored syncs; there are at most [`MOST`].
async fn records(directory: &Directory) -> Result<Vec<Record>, RegistryError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = directory.store().records(Table::Settings, KEY.as_bytes(), after, PAGE).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// The names of the stored syncs that read a source.
///
/// # Errors
/// The store fails.
pub async fn readers(directory: &Directory, slug: &str) -> Result<Vec<String>, RegistryError> {
    let records = records(directory).await?;
    let settings = records.iter().filter_map(|record| serde_json::from_slice::<SyncSettings>(&record.value).ok());
    let reading = settings.filter(|settings| settings.source.as_deref() == Some(slug));
    Ok(reading.map(|settings| settings.name).collect())
}

/// The stored sync of that name, for a command that works on the data while no server does; `None` when there is none. `beside`: where
/// files are relative to that its settings name.
///
/// # Errors
/// The store fails; or the sentence that says why the sync cannot run as things are.
pub async fn stored(
    name: &str,
    directory: &Directory,
    registry: &Registry,
    beside: &File,
) -> Result<Option<crate::sync::Sync>, RegistryError> {
    let Some(known) = directory.store().record(Table::Settings, &key(name)).await? else { return Ok(None) };
    let settings = serde_json::from_slice::<SyncSettings>(&known).map_err(|error| error.to_string());
    let sync = settings.and_then(|settings| made(&settings, directory, registry, beside));
    sync.map(Some).map_err(RegistryError::Invalid)
}

/// The names of the stored syncs.
///
/// # Errors
/// The store fails.
pub async fn stored_names(directory: &Directory) -> Result<Vec<String>, RegistryError> {
    let records = records(directory).await?;
    let keys = records.iter().filter_map(|record| record.key.strip_prefix(KEY.as_bytes()));
    Ok(keys.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Takes up the stored syncs beside those of the configuration. One whose name is in the configuration waits, and so does one that
/// cannot run as things are; the log says which.
///
/// # Errors
/// The store fails.
pub async fn take_up(syncs: &Syncs, directory: &Directory, registry: &Registry) -> Result<(), RegistryError> {
    for record in records(directory).await? {
        let settings = serde_json::from_slice::<SyncSettings>(&record.value).map_err(|error| error.to_string());
        let started = settings.and_then(|settings| {
            if syncs.find(&settings.name).is_some() {
                return Err(format!("the configuration has a [[sync]] called {:?} as well", settings.name));
            }
            start(&settings, directory, registry, syncs.beside())
        });
        match started {
            Ok(handle) => syncs.put(handle),
            Err(why) => {
                let key = String::from_utf8_lossy(&record.key).into_owned();
                tracing::error!(target: "sync", key, why, "a stored sync was not taken up");
            }
        }
    }
    Ok(())
}
