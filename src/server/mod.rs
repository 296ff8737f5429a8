//! The server: HTTP in front of the directory. [`app`] is the whole of it without a socket; [`serve`] gives it one.

mod admin;
mod gate;
mod health;
mod mappings;
mod problem;
mod registry;
mod scim;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::config::Limits;
use crate::directory::Directory;

pub use gate::Gate;
pub use health::Counters;
pub use registry::{Registry, RegistryError};

/// What all requests share.
#[derive(Clone)]
pub struct State {
    /// The SCIM service.
    pub directory: Directory,
    /// Sources and tokens.
    pub registry: Arc<Registry>,
    /// Who may ask how often.
    pub gate: Arc<Gate>,
    /// What `/metrics` shows.
    pub counters: Arc<Counters>,
    /// What requests may use.
    pub limits: Limits,
    /// The URL by which clients reach the server, when it is not what they say in `Host`.
    pub url: Option<Arc<str>>,
}

/// Every route.
pub fn app(state: State) -> Router {
    let limits = state.limits;
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", admin::routes())
        // SCIM's paths have spellings that routers tell apart, and its errors a form of their own: it does its own routing.
        .fallback(scim::handle)
        .layer(CatchPanicLayer::custom(scim::panicked))
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(limits.timeout),
        ))
        .layer(tower::limit::GlobalConcurrencyLimitLayer::new(limits.concurrent))
        .with_state(state)
}

/// Serves until `stop` comes; requests that are under way are answered.
///
/// # Errors
/// The socket fails.
pub async fn serve(
    listener: TcpListener,
    state: State,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, app(state)).with_graceful_shutdown(stop).await
}
