//! The admin API's part for the door: sources and tokens; clients are in a file of their own. Everything asks for an admin token.

use std::sync::Arc;

use axum::extract::{self, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::door::Visit;
use super::mappings;
use super::problem::Problem;
use crate::directory::SourceRecord;
use crate::directory::token::{DAY, DEFAULT_LIFE, Scope, Token};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/sources", get(sources).post(add_source))
        .route("/sources/{slug}", get(source).put(set_source))
        .merge(super::log::routes())
        .merge(super::provisioned::routes())
        .route("/tokens", get(tokens).post(make_token))
        .route("/tokens/{id}", delete(revoke))
        .route("/backup", get(super::backup::backup))
        .merge(mappings::routes())
        .merge(super::syncs::routes())
        .merge(super::runs::routes())
        .merge(super::clients::routes())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "the API has no such path") })
}

/// Somebody with an admin token.
pub(super) struct Admin {
    /// What the operator called the token.
    pub(super) label: String,
}

impl FromRequestParts<State> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let given = bearer(parts.headers.get(header::AUTHORIZATION));
        let token = state.registry.opens(given, &Scope::Admin)?;
        if let Some(visit) = parts.extensions.get::<Arc<Visit>>() {
            visit.belongs_to(&token.id, None);
        }
        Ok(Admin { label: token.label.clone() })
    }
}

/// The token of an `Authorization` header.
pub(super) fn bearer(header: Option<&axum::http::HeaderValue>) -> Option<&str> {
    let (scheme, token) = header?.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

async fn sources(_: Admin, extract::State(state): extract::State<State>) -> Json<Value> {
    Json(json!({"sources": state.registry.sources()}))
}

async fn source(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
) -> Result<Json<Value>, Problem> {
    let record = mappings::known(&state, &slug)?;
    let mut counts = serde_json::Map::new();
    for kind in ["User", "Group"] {
        let count = state.directory.store().count(&slug, kind).await;
        counts.insert(kind.into(), count.map_err(super::RegistryError::Store)?.into());
    }
    let tokens: Vec<Value> = state
        .registry
        .tokens()
        .iter()
        .filter(|token| token.scope == Scope::Scim { source: slug.clone() })
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
    _: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<SourceRecord>, extract::rejection::JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(new) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let record = SourceRecord { created: state.directory.now(), ..new };
    state.registry.add_source(record.clone()).await?;
    Ok((StatusCode::CREATED, Json(json!({"source": record}))))
}

/// Puts a source in the place of the one there is; what the body leaves out is as in a new one.
async fn set_source(
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    body: Result<Json<serde_json::Map<String, Value>>, extract::rejection::JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(mut fields) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    fields.entry("slug").or_insert_with(|| slug.clone().into());
    let record: SourceRecord = serde_json::from_value(fields.into())
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if record.slug != slug {
        let detail = format!("the source is {slug:?}, and the body names {:?}; a slug does not change", record.slug);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    state.registry.set_source(record).await?;
    Ok(Json(json!({"source": mappings::known(&state, &slug)?})))
}

/// A token without its hash.
fn shown(state: &State, token: &Token) -> Value {
    json!({
        "id": token.id,
        "label": token.label,
        "scope": token.scope,
        "created": token.created,
        "expires": token.expires,
        "daysLeft": token.days_left(state.directory.now()),
        "lastUsed": state.registry.last_used(&token.id),
        "revoked": token.revoked,
    })
}

async fn tokens(_: Admin, extract::State(state): extract::State<State>) -> Json<Value> {
    Json(json!({"tokens": state.registry.tokens().iter().map(|token| shown(&state, token)).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewToken {
    label: String,
    /// The source that it opens; without one it is an admin token.
    source: Option<String>,
    /// How many days it is good; 0 for ever.
    days: Option<u64>,
}

async fn make_token(
    _: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<NewToken>, extract::rejection::JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(new) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let scope = new.source.map_or(Scope::Admin, |source| Scope::Scim { source });
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
    _: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    state.registry.revoke(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
