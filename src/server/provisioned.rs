//! `GET /api/v1/sources/{slug}/users` and `…/groups`: what a source has provisioned, and how it fares.

use axum::Router;
use axum::extract::{self, Path};
use axum::http::Uri;
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};

use super::State;
use super::admin::{Caller, Reader};
use super::log::{MAX_PAGE, Parameters, bad, shown};
use super::problem::Problem;
use crate::directory::Listing;

/// Entries of a page when nobody says.
const DEFAULT_PAGE: usize = 100;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/sources/{slug}/users", get(users)).route("/sources/{slug}/groups", get(groups))
}

/// How a source fares.
pub(super) async fn overview(state: &State, slug: &str) -> Result<Value, Problem> {
    Ok(state.directory.overview(slug).await?.to_json())
}

async fn users(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    list(&reader, &state, &slug, "User", "users", &uri).await
}

async fn groups(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    list(&reader, &state, &slug, "Group", "groups", &uri).await
}

async fn list(
    caller: &Caller,
    state: &State,
    slug: &str,
    kind: &str,
    name: &str,
    uri: &Uri,
) -> Result<Json<Value>, Problem> {
    caller.source(state, slug)?;
    let parameters = Parameters::read(uri, &["search", "outcome", "limit", "cursor"])?;
    let failed = match parameters.get("outcome") {
        None => false,
        Some("failure") => true,
        Some(_) => return Err(bad("outcome is failure, or left out")),
    };
    let listing = Listing {
        search: parameters.get("search").map(str::to_owned),
        failed,
        after: parameters.cursor()?,
        limit: parameters.limit()?.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE),
    };
    let page = state.directory.provisioned(slug, kind, &listing).await?;
    Ok(Json(json!({name: page.items, "next": shown(page.next.as_ref())})))
}
