//! The admin API's part for clients: who may get access tokens, their secrets and federated credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Caller, Reader};
use super::page::{by_time, cut};
use super::problem::{Problem, read};
use super::registry::{NewClient, NewFederation};
use crate::directory::client::{Client, DEFAULT_DAYS, MIN_MINUTES};
use crate::directory::token::days_until;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(one, revoke))
        .routes(routes!(add_secret))
        .routes(routes!(revoke_secret))
        .routes(routes!(federate, end_federation))
}

/// A secret, without itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SecretShown {
    /// Names it.
    id: String,
    /// When it was made, in milliseconds since 1970.
    created: u64,
    /// When it ends.
    expires: u64,
    /// Whole days until it ends; negative from then on.
    days_left: i64,
    /// When it was last used.
    last_used: Option<u64>,
    /// When it was revoked.
    revoked: Option<u64>,
}

/// Whose assertions stand for a client.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FederationShown {
    /// Names it.
    id: String,
    /// What `iss` must be.
    issuer: String,
    /// What `sub` must be.
    subject: String,
    /// What `aud` must be or have.
    audience: String,
    /// Where the issuer's keys are.
    jwks_uri: Option<String>,
    /// The keys themselves.
    jwks: Value,
    /// When it was made, in milliseconds since 1970.
    created: u64,
    /// When it was last used.
    last_used: Option<u64>,
}

/// A client without the hashes of its secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClientShown {
    /// The client id.
    id: String,
    /// What the operator called it.
    label: String,
    /// The source that its access tokens open.
    source: String,
    /// The path where it gets them.
    token_endpoint: String,
    /// How many minutes they are good.
    minutes: u32,
    /// When it was made, in milliseconds since 1970.
    created: u64,
    /// When it was revoked.
    revoked: Option<u64>,
    /// Its secrets, the revoked ones too.
    secrets: Vec<SecretShown>,
    /// Its federated credential.
    federation: Option<FederationShown>,
    /// A new secret, the one time that it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Clients, the oldest first.
#[derive(Serialize, ToSchema)]
struct ClientPage {
    /// The clients.
    clients: Vec<ClientShown>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

fn shown(state: &State, client: &Client) -> ClientShown {
    let (now, registry) = (state.directory.now(), &state.registry);
    let secrets = client.secrets.iter().map(|secret| SecretShown {
        id: secret.id.clone(),
        created: secret.created,
        expires: secret.expires,
        days_left: days_until(secret.expires, now),
        last_used: registry.last_used(&secret.id),
        revoked: secret.revoked,
    });
    let federation = client.federation.as_ref().map(|federation| FederationShown {
        id: federation.id.clone(),
        issuer: federation.issuer.clone(),
        subject: federation.subject.clone(),
        audience: federation.audience.clone(),
        jwks_uri: federation.jwks_uri.clone(),
        jwks: serde_json::json!(federation.jwks),
        created: federation.created,
        last_used: registry.last_used(&federation.id),
    });
    ClientShown {
        id: client.id.clone(),
        label: client.label.clone(),
        source: client.source.clone(),
        token_endpoint: format!("/oauth/{}/token", client.source),
        minutes: client.minutes,
        created: client.created,
        revoked: client.revoked,
        secrets: secrets.collect(),
        federation,
        client_secret: None,
    }
}

/// With a secret, the one time that it is shown.
fn shown_with(state: &State, client: &Client, secret: Option<String>) -> ClientShown {
    ClientShown { client_secret: secret, ..shown(state, client) }
}

/// The client of that id, when there is one that the caller may see.
fn known(caller: &Caller, state: &State, id: &str) -> Result<Arc<Client>, Problem> {
    let client = state.registry.client(id).filter(|client| caller.sees(&client.source));
    client.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no client {:?}", crate::text::shorten(id)))
    })
}

/// List clients, without their secrets
#[utoipa::path(get, path = "/clients", tag = "clients", params(
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The clients", body = ClientPage)))]
async fn list(
    reader: Reader,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<ClientPage>, Problem> {
    let mut clients = state.registry.clients();
    clients.retain(|client| reader.sees(&client.source));
    let (clients, next) = cut(clients, &uri, |client| by_time(client.created, &client.id))?;
    Ok(Json(ClientPage { clients: clients.iter().map(|client| shown(&state, client)).collect(), next }))
}

/// One client, without its secrets
#[utoipa::path(get, path = "/clients/{id}", tag = "clients", params(("id" = String, Path, description = "The client id")),
    responses((status = 200, description = "The client", body = ClientShown)))]
async fn one(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<Json<ClientShown>, Problem> {
    Ok(Json(shown(&state, &*known(&reader, &state, &id)?)))
}

/// A client that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewClient, example = json!({"label": "entra", "source": "default", "minutes": 60, "days": 365}))]
struct Add {
    /// What it is for, for people.
    label: String,
    /// The source that its access tokens open.
    source: String,
    /// How many minutes its access tokens are good.
    minutes: Option<u32>,
    /// How many days its secret is good.
    days: Option<u64>,
    /// Whether it has a secret; one that is federated needs none.
    secret: Option<bool>,
}

/// Make a client, and show its secret: the one time that anybody sees it
#[utoipa::path(post, path = "/clients", tag = "clients", request_body = Add, responses(
    (status = 201, description = "The client, with its secret", body = ClientShown),
    (status = 409, description = "The source has as many as it may"),
))]
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

/// Revoke a client with all its secrets and access tokens
#[utoipa::path(delete, path = "/clients/{id}", tag = "clients", params(("id" = String, Path, description = "The client id")),
    responses((status = 204, description = "It is revoked")))]
async fn revoke(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.revoke_client(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A secret that is to be made.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = NewSecret)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct AddSecret {
    /// How many days it is good.
    days: Option<u64>,
}

/// Make a second secret for a client, and show it
#[utoipa::path(post, path = "/clients/{id}/secrets", tag = "clients", params(("id" = String, Path, description = "The client id")), request_body = AddSecret, responses(
    (status = 201, description = "The client, with its new secret", body = ClientShown),
    (status = 409, description = "It has two already"),
))]
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

/// Revoke one secret of a client
#[utoipa::path(delete, path = "/clients/{id}/secrets/{secret}", tag = "clients",
    params(("id" = String, Path, description = "The client id"), ("secret" = String, Path, description = "The secret's id")),
    responses((status = 204, description = "It is revoked")))]
async fn revoke_secret(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.revoke_secret(&id, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose assertions are to stand for a client; one of `jwksUri` and `jwks`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewFederation)]
struct Federate {
    /// What `iss` must be.
    issuer: String,
    /// What `sub` must be.
    subject: String,
    /// What `aud` must be or have.
    audience: String,
    /// Where the issuer's keys are.
    jwks_uri: Option<String>,
    /// The keys themselves, a JWK Set.
    jwks: Option<Value>,
}

/// Trust an issuer's assertions for a client
#[utoipa::path(put, path = "/clients/{id}/federation", tag = "clients", params(("id" = String, Path, description = "The client id")), request_body = Federate,
    responses((status = 200, description = "The client", body = ClientShown)))]
async fn federate(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    body: Result<Json<Federate>, JsonRejection>,
) -> Result<Json<ClientShown>, Problem> {
    known(&admin, &state, &id)?;
    let Federate { issuer, subject, audience, jwks_uri, jwks } = read(body)?;
    let client = state.registry.federate(&id, NewFederation { issuer, subject, audience, jwks_uri, jwks }).await?;
    Ok(Json(shown(&state, &client)))
}

/// Trust an issuer's assertions no more
#[utoipa::path(delete, path = "/clients/{id}/federation", tag = "clients", params(("id" = String, Path, description = "The client id")),
    responses((status = 204, description = "It is gone")))]
async fn end_federation(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    known(&admin, &state, &id)?;
    state.registry.end_federation(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
