//! The admin API's part for the end of a source, which the console and the command line share.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Caller};
use super::page::{Parameters, bad};
use super::problem::Problem;
use super::registry::Registry;

/// How long a request waits for the end of a removal; after it the removal goes on by itself.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(remove_source))
}

/// A removal under way.
#[derive(Serialize, ToSchema)]
struct Removal {
    /// The source that takes no more requests, and is not gone.
    removing: String,
}

/// Remove a source, with all that it provisioned
///
/// Refused (409) while a sync reads it, while the configuration declares it, and, without `purge=true`, while it has resources. From then on
/// it takes no requests, and its tokens and clients are revoked; its resources go in small steps. Lines of the provisioning log stay
/// as long as others do. What is under way goes on after a restart; asked again, it says how it stands.
#[utoipa::path(delete, path = "/sources/{slug}", tag = "sources", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("purge" = Option<bool>, Query, description = "Whether its users and groups are deleted with it"),
), responses(
    (status = 204, description = "It is gone"),
    (status = 202, description = "It takes no more requests; its resources are still being deleted", body = Removal),
    (status = 409, description = "Something needs it"),
))]
async fn remove_source(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(&uri, &["purge"])?;
    let purge = match parameters.get("purge") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(bad("`purge` is true or false")),
    };
    admin.whole()?;
    if remove(&state, &admin, &slug, purge).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(Removal { removing: slug })).into_response())
}

/// Removes a source; false when its resources are still being deleted.
pub(super) async fn remove(state: &State, caller: &Caller, slug: &str, purge: bool) -> Result<bool, Problem> {
    if !state.registry.leaving().iter().any(|leaving| leaving == slug) {
        caller.source(state, slug)?;
    }
    let readers = state.syncs.iter().filter(|handle| handle.sync.settings().source.as_deref() == Some(slug));
    let readers: Vec<String> = readers.map(|handle| format!("{:?}", handle.sync.name())).collect();
    if !readers.is_empty() {
        let detail = format!("source {slug:?} is read by the sync {}: take that away first", readers.join(", "));
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    state.registry.close_source(slug, purge).await?;
    let (registry, name) = (Arc::clone(&state.registry), slug.to_owned());
    // On its own: who asked may go away, and the removal may take longer than a request.
    let going = tokio::spawn(async move { registry.clear(&name).await });
    match timeout(PATIENCE, going).await {
        Ok(Ok(done)) => done.map(|()| true).map_err(Problem::from),
        Ok(Err(_)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the removal failed inside of the server")),
        Err(_) => Ok(false),
    }
}

/// Goes on with the removals that a restart has cut off.
pub async fn go_on(registry: &Registry) {
    for slug in registry.leaving() {
        if let Err(error) = registry.clear(&slug).await {
            tracing::error!(target: "server", source = slug, %error, "the removal of a source did not end; the next start goes on with it");
        }
    }
}
