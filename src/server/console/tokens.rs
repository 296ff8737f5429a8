//! Tokens: made, shown once, revoked.

use axum::Router;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::overview::seen;
use super::session::{Made, Posted, Visitor, see_other};
use super::{Trouble, page};
use crate::directory::token::{DAY, Role, Scope};
use crate::server::State;
use crate::server::problem::Problem;
use crate::server::scim::origin;
use crate::server::tokens;

/// The longest that people may call a token.
const LABEL: usize = 100;
/// The lives that the form offers, in days; 0 is for ever.
const LIVES: [u64; 5] = [30, 90, 180, 365, 0];

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/tokens", get(show).post(make)).route("/console/tokens/{id}/revoke", post(revoke))
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    parts: Parts,
) -> Result<Response, Trouble> {
    let now = state.directory.now();
    let mut tokens: Vec<Value> = Vec::new();
    for token in state.registry.tokens().iter().rev().filter(|token| visitor.caller.sees_token(token)) {
        tokens.push(json!({
            "id": token.id, "label": token.label, "role": token.scope.grant().map(|grant| grant.role.word()),
            "sources": token.scope.sources(), "created": token.created,
            "expires": token.expires, "days": token.days_left(now), "revoked": token.revoked,
            "used": state.registry.last_used(&token.id), "own": visitor.session.is_of(&token.id),
        }));
    }
    let mut made = json!(visitor.session.made());
    if let Some(fields) = made.as_object_mut() {
        // The host is known only here: a token is made before anybody asks where it is pasted.
        if let Some(Value::String(path)) = fields.get("url").cloned() {
            fields.insert("url".into(), format!("{}{path}", origin(&state, &parts)).into());
        }
    }
    let context = json!({
        "tokens": tokens, "made": made, "lives": LIVES,
        "sources": seen(&state, &visitor).into_iter().map(|record| record.slug).collect::<Vec<_>>(),
    });
    page(&state, &visitor, "tokens.html", "tokens", context)
}

fn wrong(detail: &str) -> Trouble {
    Trouble(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
}

async fn make(extract::State(state): extract::State<State>, posted: Posted) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Admin)?;
    let label = posted.get("label").ok_or_else(|| wrong("a token needs a name, so that people know whose it is"))?;
    if label.chars().count() > LABEL {
        return Err(wrong("the name of a token has at most 100 characters"));
    }
    let opens = posted.get("opens").ok_or_else(|| wrong("say what the token opens: a source, or the admin API"))?;
    let limit = posted.get("limit").map(str::to_owned);
    let (role, sources) = match opens.strip_prefix("scim:") {
        Some(slug) => (None, vec![slug.to_owned()]),
        None => (Some(opens.parse::<Role>().map_err(|error| wrong(&error))?), limit.into_iter().collect()),
    };
    let scope = tokens::scope(&posted.visitor.caller, &state, role, sources)?;
    let days = posted.get("days").and_then(|days| days.parse::<u64>().ok());
    let days = days
        .filter(|days| LIVES.contains(days))
        .ok_or_else(|| wrong("a token lasts 30, 90, 180 or 365 days, or for ever"))?;
    let url = match &scope {
        Scope::Scim { source } => Some(format!("/scim/{source}/v2")),
        Scope::Admin | Scope::Api(_) => None,
    };
    let life = (days > 0).then(|| days.saturating_mul(DAY));
    let (token, secret) = state.registry.make_token(label, scope, life).await?;
    posted.visitor.session.keep(Made { label: token.label.clone(), secret, url });
    Ok(see_other("/console/tokens"))
}

async fn revoke(
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Admin)?;
    tokens::known(&posted.visitor.caller, &state, &id)?;
    state.registry.revoke(&id).await?;
    posted.visitor.session.tell("good", "The token was revoked. From now on it opens nothing.");
    Ok(see_other("/console/tokens"))
}
