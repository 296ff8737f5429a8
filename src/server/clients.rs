//! The admin API's part for clients: who may get access tokens, their secrets and federated credentials.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::admin::{Admin, Caller, Reader};
use super::problem::Problem;
use super::registry::{NewClient, NewFederation};
use crate::directory::client::{Client, DEFAULT_DAYS, MIN_MINUTES};
use crate::directory::token::days_until;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/clients", get(list).post(add))
        .route("/clients/{id}", get(one).delete(revoke))
        .route("/clients/{id}/secrets", post(add_secret))
        .route("/clients/{id}/secrets/{secret}", delete(revoke_secret))
        .route("/clients/{id}/federation", put(federate).delete(end_federation))
}

/// A client without the hashes of its secrets.
fn shown(state: &State, client: &Client) -> Value {
    let (now, registry) = (state.directory.now(), &state.registry);
    let secrets = client.secrets.iter().map(|secret| {
        json!({
            "id": secret.id,
            "created": secret.created,
            "expires": secret.expires,
            "daysLeft": days_until(secret.expires, now),
            "lastUsed": registry.last_used(&secret.id),
            "revoked": secret.revoked,
        })
    });
    let federation = client.federation.as_ref().map(|federation| {
        json!({
            "id": federation.id,
            "issuer": federation.issuer,
            "subject": federation.subject,
            "audience": federation.audience,
            "jwksUri": federation.jwks_uri,
            "jwks": federation.jwks,
            "created": federation.created,
            "lastUsed": registry.last_used(&federation.id),
        })
    });
    json!({
        "id": client.id,
        "label": client.label,
        "source": client.source,
        "tokenEndpoint": format!("/oauth/{}/token", client.source),
        "minutes": client.minutes,
        "created": client.created,
        "revoked": client.revoked,
        "secrets": secrets.collect::<Vec<_>>(),
        "federation": federation,
    })
}

/// With a secret, the one time that it is shown.
fn shown_with(state: &State, client: &Client, secret: Option<String>) -> Value {
    let mut body = shown(state, client);
    if let (Some(fields), Some(secret)) = (body.as_object_mut(), secret) {
        fields.insert("clientSecret".into(), secret.into());
    }
    body
}

/// The client of that id, when there is one that the caller may see.
fn known(caller: &Caller, state: &State, id: &str) -> Result<Arc<Client>, Problem> {
    let client = state.registry.client(id).filter(|client| caller.sees(&client.source));
    client.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no client {:?}", crate::text::shorten(id)))
    })
}

fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|error| Problem::new(error.status(), error.body_text()))
}

async fn list(reader: Reader, extract::State(state): extract::State<State>) -> Json<Value> {
    let mut clients = state.registry.clients();
    clients.retain(|client| reader.sees(&client.source));
    Json(json!({"clients": clients.iter().map(|client| shown(&state, client)).collect::<Vec<_>>()}))
}

async fn one(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(shown(&state, &*known(&reader, &state, &id)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Add {
    label: String,
    source: String,
    /// How many minutes its access tokens are good.
    minutes: Option<u32>,
    /// How many days its secret is good.
    days: Option<u64>,
    /// Whether it has a secret; one that is federated needs none.
    secret: Option<bool>,
}

async fn add(
    admin: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<Add>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let new = read(body)?;
    admin.source(&state, &new.source)?;
    let days = new.secret.unwrap_or(true).then(|| new.days.unwrap_or(DEFAULT_DAYS));
    let new = NewClient { label: new.label, source: new.source, minutes: new.minutes.unwrap_or(MIN_MINUTES), days };
    let (client, secret) = state.registry.add_client(&new).await?;
    Ok((StatusCode::CREATED, Json(shown_with(&state, &client, secret))))
}

async fn revoke(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.revoke_client(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct AddSecret {
    /// How many days it is good.
    days: Option<u64>,
}

async fn add_secret(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    body: Result<Json<AddSecret>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    known(&admin, &state, &id)?;
    let days = read(body)?.days.unwrap_or(DEFAULT_DAYS);
    let (client, _, secret) = state.registry.add_secret(&id, days).await?;
    Ok((StatusCode::CREATED, Json(shown_with(&state, &client, Some(secret)))))
}

async fn revoke_secret(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.revoke_secret(&id, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Federate {
    issuer: String,
    subject: String,
    audience: String,
    jwks_uri: Option<String>,
    jwks: Option<Value>,
}

async fn federate(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    body: Result<Json<Federate>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    known(&admin, &state, &id)?;
    let Federate { issuer, subject, audience, jwks_uri, jwks } = read(body)?;
    let client = state.registry.federate(&id, NewFederation { issuer, subject, audience, jwks_uri, jwks }).await?;
    Ok(Json(shown(&state, &client)))
}

async fn end_federation(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.end_federation(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
