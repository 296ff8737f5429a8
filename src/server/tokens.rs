//! The admin API's part for tokens: made with the secret shown once, listed without, renewed, revoked.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Caller, Reader};
use super::page::{by_time, cut};
use super::problem::{Problem, read};
use crate::directory::client::check_label;
use crate::directory::token::{DAY, DEFAULT_LIFE, Role, Scope, Token};

/// The longest life of a token that ends, in days: a hundred years.
const MOST_DAYS: u64 = 36_500;
/// How long the old token lives on when nobody says, in minutes: a day.
const OVERLAP: u64 = 24 * 60;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(tokens, make_token)).routes(routes!(token, revoke)).routes(routes!(rotate))
}

/// A token without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenShown {
    /// Names it; no secret.
    id: String,
    /// What the operator called it.
    label: String,
    /// `admin`, `{"scim": {"source": …}}` or `{"api": {"role": …, "sources": […]}}`.
    #[schema(value_type = serde_json::Value)]
    scope: Scope,
    /// What it may do at the API; `null` for one that opens a SCIM endpoint.
    role: Option<Role>,
    /// The sources to which it is limited; none is no limit.
    sources: Vec<String>,
    /// When it was made, in milliseconds since 1970.
    created: u64,
    /// When it ends; `null` never.
    expires: Option<u64>,
    /// Whole days until it ends; negative from then on.
    days_left: Option<i64>,
    /// When it was last used.
    last_used: Option<u64>,
    /// When it was revoked.
    revoked: Option<u64>,
    /// The token itself, the one time that it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<String>,
}

/// Tokens, the oldest first.
#[derive(Serialize, ToSchema)]
struct TokenPage {
    /// The tokens.
    tokens: Vec<TokenShown>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// A token without its hash.
pub(super) fn shown(state: &State, token: &Token) -> TokenShown {
    TokenShown {
        id: token.id.clone(),
        label: token.label.clone(),
        scope: token.scope.clone(),
        role: token.scope.grant().map(|grant| grant.role),
        sources: token.scope.sources().to_vec(),
        created: token.created,
        expires: token.expires,
        days_left: token.days_left(state.directory.now()),
        last_used: state.registry.last_used(&token.id),
        revoked: token.revoked,
        token: None,
    }
}

/// List tokens, without their secrets
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The tokens", body = TokenPage)))]
async fn tokens(
    reader: Reader,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<TokenPage>, Problem> {
    let mut tokens = state.registry.tokens();
    tokens.retain(|token| reader.sees_token(token));
    let (tokens, next) = cut(tokens, &uri, |token| by_time(token.created, &token.id))?;
    Ok(Json(TokenPage { tokens: tokens.iter().map(|token| shown(&state, token)).collect(), next }))
}

/// A token that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"label": "entra", "source": "default", "days": 90}))]
struct NewToken {
    /// What it is for, for people.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// The source whose SCIM endpoint it opens; with a role, one to which it is limited.
    source: Option<String>,
    /// The sources to which it is limited, when they are several.
    #[serde(default)]
    sources: Vec<String>,
    /// What it may do at the API; without a source and without a role it may do everything.
    role: Option<Role>,
    /// How many days it is good: 90, and 0 for ever.
    #[schema(maximum = 36_500)]
    days: Option<u64>,
}

/// How long a token is good that is asked for so.
fn life(days: Option<u64>) -> Result<Option<u64>, Problem> {
    match days {
        None => Ok(Some(DEFAULT_LIFE)),
        Some(0) => Ok(None),
        Some(days) if days <= MOST_DAYS => Ok(Some(days.saturating_mul(DAY))),
        Some(_) => {
            let detail = format!("`days` is 0 for a token that never ends, or at most {MOST_DAYS}");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
    }
}

/// Make a token, and show it: the one time that anybody sees it
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token, with its secret", body = TokenShown)))]
async fn make_token(
    admin: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let new = read(body)?;
    let unfit = |error: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error);
    check_label(&new.label).map_err(unfit)?;
    let life = life(new.days)?;
    let scope = scope(&admin, &state, new.role, new.source.into_iter().chain(new.sources).collect())?;
    let (token, secret) = state.registry.make_token(&new.label, scope, life).await?;
    Ok((StatusCode::CREATED, Json(TokenShown { token: Some(secret), ..shown(&state, &token) })))
}

/// What a new token opens: no more than the one that makes it.
pub(super) fn scope(
    caller: &Caller,
    state: &State,
    role: Option<Role>,
    sources: Vec<String>,
) -> Result<Scope, Problem> {
    if sources.is_empty() {
        caller.whole()?;
    }
    for slug in &sources {
        caller.source(state, slug)?;
    }
    Scope::of(role, sources).map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error))
}

/// The token of that id, when there is one that the caller may see.
pub(super) fn known(caller: &Caller, state: &State, id: &str) -> Result<Arc<Token>, Problem> {
    let found = state.registry.tokens().into_iter().find(|token| token.id == id && caller.sees_token(token));
    found
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no token {:?}", crate::text::shorten(id))))
}

/// One token, without its secret
#[utoipa::path(get, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The token's id")),
    responses((status = 200, description = "The token", body = TokenShown)))]
async fn token(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<Json<TokenShown>, Problem> {
    Ok(Json(shown(&state, &*known(&reader, &state, &id)?)))
}

/// Revoke a token; from now on it opens nothing
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "It is revoked")))]
async fn revoke(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.revoke(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a token is renewed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"overlapMinutes": 60}))]
struct Renewal {
    /// How long the old one lives on, in minutes: a day when left out, 0 for not at all. It never lives longer than before.
    #[schema(maximum = 525_600)]
    overlap_minutes: Option<u64>,
    /// How many days the new one is good: 90, and 0 for ever.
    #[schema(maximum = 36_500)]
    days: Option<u64>,
}

/// Make a token that opens what this one opens, which soon ends
#[utoipa::path(post, path = "/tokens/{id}/rotate", tag = "tokens",
    params(("id" = String, Path, description = "The token's id")), request_body = Renewal,
    responses((status = 201, description = "The new token, with its secret", body = TokenShown)))]
async fn rotate(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    body: Result<Json<Renewal>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Renewal { overlap_minutes, days } = read(body)?;
    let minutes = overlap_minutes.unwrap_or(OVERLAP);
    if minutes > 365 * 24 * 60 {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`overlapMinutes` is at most a year: 525600"));
    }
    let old = known(&admin, &state, &id)?;
    if old.revoked.is_some() {
        return Err(Problem::new(StatusCode::CONFLICT, "the token was revoked: make a new one"));
    }
    let (token, secret) = state.registry.make_token(&old.label, old.scope.clone(), life(days)?).await?;
    state.registry.end_token(&id, minutes.saturating_mul(60_000)).await?;
    Ok((StatusCode::CREATED, Json(TokenShown { token: Some(secret), ..shown(&state, &token) })))
}
