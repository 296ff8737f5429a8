//! The admin API's part for the door: sources and tokens; clients are in a file of their own. Everything asks for a token of the
//! API; what its role is to be, the extractor of the handler says.

use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::mappings;
use super::problem::Problem;
use crate::directory::SourceRecord;
use crate::directory::token::{DAY, DEFAULT_LIFE, Role, Scope, Token};

pub(super) use super::caller::{Admin, Caller, Operator, Reader};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/sources", get(sources).post(add_source))
        .route("/sources/{slug}", get(source).put(set_source))
        .merge(super::dry_run::routes())
        .merge(super::editor::routes())
        .merge(super::log::routes())
        .merge(super::provisioned::routes())
        .route("/tokens", get(tokens).post(make_token))
        .route("/tokens/{id}", delete(revoke))
        .route("/backup", get(super::backup::backup))
        .merge(mappings::routes())
        .merge(super::syncs::routes())
        .merge(super::clients::routes())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "the API has no such path") })
}

async fn sources(reader: Reader, extract::State(state): extract::State<State>) -> Json<Value> {
    let mut sources = state.registry.sources();
    sources.retain(|record| reader.sees(&record.slug));
    Json(json!({"sources": sources}))
}

async fn source(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
) -> Result<Json<Value>, Problem> {
    let record = reader.source(&state, &slug)?;
    let mut counts = serde_json::Map::new();
    for kind in ["User", "Group"] {
        let count = state.directory.store().count(&slug, kind).await;
        counts.insert(kind.into(), count.map_err(super::RegistryError::Store)?.into());
    }
    let tokens: Vec<Value> = state
        .registry
        .tokens()
        .iter()
        .filter(|token| reader.sees_token(token) && token.scope.sources().contains(&slug))
        .map(|token| shown(&state, token))
        .collect();
    let halt = state.directory.halted(&slug);
    let activity = super::provisioned::overview(&state, &slug).await?;
    Ok(Json(json!({
        "source": record,
        "resources": counts,
        "activity": activity,
        "tokens": tokens,
        "halt": halt.as_deref(),
    })))
}

async fn add_source(
    admin: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<SourceRecord>, extract::rejection::JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    admin.whole()?;
    let Json(new) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let record = SourceRecord { created: state.directory.now(), ..new };
    state.registry.add_source(record.clone()).await?;
    Ok((StatusCode::CREATED, Json(json!({"source": record}))))
}

/// Puts a source in the place of the one there is; what the body leaves out is as in a new one.
async fn set_source(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    body: Result<Json<serde_json::Map<String, Value>>, extract::rejection::JsonRejection>,
) -> Result<Json<Value>, Problem> {
    admin.source(&state, &slug)?;
    let Json(mut fields) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    fields.entry("slug").or_insert_with(|| slug.clone().into());
    let record: SourceRecord = serde_json::from_value(fields.into())
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if record.slug != slug {
        let detail = format!("the source is {slug:?}, and the body names {:?}; a slug does not change", record.slug);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    // A source may not be given a mapping that its administrator may not see: the mapping would be shown with it.
    for name in [&record.user_mapping, &record.group_mapping].into_iter().flatten() {
        admin.mapping(&state, name).map_err(|problem| problem.with_status(StatusCode::UNPROCESSABLE_ENTITY))?;
    }
    state.registry.set_source(record).await?;
    Ok(Json(json!({"source": admin.source(&state, &slug)?})))
}

/// A token without its hash.
fn shown(state: &State, token: &Token) -> Value {
    json!({
        "id": token.id,
        "label": token.label,
        "scope": token.scope,
        "role": token.scope.grant().map(|grant| grant.role),
        "sources": token.scope.sources(),
        "created": token.created,
        "expires": token.expires,
        "daysLeft": token.days_left(state.directory.now()),
        "lastUsed": state.registry.last_used(&token.id),
        "revoked": token.revoked,
    })
}

async fn tokens(reader: Reader, extract::State(state): extract::State<State>) -> Json<Value> {
    let mut tokens = state.registry.tokens();
    tokens.retain(|token| reader.sees_token(token));
    Json(json!({"tokens": tokens.iter().map(|token| shown(&state, token)).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewToken {
    label: String,
    /// The source whose SCIM endpoint it opens; with a role, one to which it is limited.
    source: Option<String>,
    /// The sources to which it is limited, when they are several.
    #[serde(default)]
    sources: Vec<String>,
    /// What it may do at the API; without a source and without a role it may do everything.
    role: Option<Role>,
    /// How many days it is good; 0 for ever.
    days: Option<u64>,
}

async fn make_token(
    admin: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<NewToken>, extract::rejection::JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(new) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let sources: Vec<String> = new.source.into_iter().chain(new.sources).collect();
    // A token gives no more than it has.
    if sources.is_empty() {
        admin.whole()?;
    }
    for slug in &sources {
        admin.source(&state, slug)?;
    }
    let scope = Scope::of(new.role, sources).map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error))?;
    let life = match new.days {
        None => Some(DEFAULT_LIFE),
        Some(0) => None,
        Some(days) => Some(days.saturating_mul(DAY)),
    };
    let (token, secret) = state.registry.make_token(&new.label, scope, life).await?;
    let mut body = shown(&state, &token);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("token".into(), secret.into());
    }
    Ok((StatusCode::CREATED, Json(body)))
}

async fn revoke(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let seen = state.registry.tokens().iter().any(|token| token.id == id && admin.sees_token(token));
    if !seen {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no token {:?}", crate::text::shorten(&id))));
    }
    state.registry.revoke(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
