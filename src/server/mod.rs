//! The server: HTTP in front of the directory. [`app`] is the whole of it without a socket; [`serve`] gives it one.

mod admin;
mod bare;
mod clients;
mod door;
mod expiry;
mod gate;
mod health;
mod listen;
mod log;
mod mappings;
mod oauth;
mod patient;
mod problem;
mod provisioned;
mod registry;
mod remainder;
mod scim;
mod syncs;
mod tls;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Limits;
use crate::directory::Directory;

pub use gate::Gate;
pub use health::Counters;
pub use listen::serve;
pub use log::prune;
pub use registry::{Allowed, Holder, Kind, NewClient, NewFederation, Registry, RegistryError, Rejection, Warning};
pub use syncs::{Handle, Syncs};
pub use tls::{Certificates, TlsError, watch};

/// What all requests share.
#[derive(Clone)]
pub struct State {
    /// The SCIM service.
    pub directory: Directory,
    /// Sources, tokens and clients.
    pub registry: Arc<Registry>,
    /// Who may ask how often.
    pub gate: Arc<Gate>,
    /// What `/metrics` shows.
    pub counters: Arc<Counters>,
    /// What requests may use.
    pub limits: Limits,
    /// The URL by which clients reach the server, when it is not what they say in `Host`.
    pub url: Option<Arc<str>>,
    /// The certificate; without one plain HTTP is spoken.
    pub tls: Option<Arc<Certificates>>,
    /// Whether the server is about to end.
    pub stopping: Arc<AtomicBool>,
    /// The syncs that it looks after.
    pub syncs: Syncs,
}

impl State {
    /// A server of plain HTTP over a directory.
    pub fn new(directory: Directory, registry: Arc<Registry>, limits: Limits) -> Self {
        Self {
            directory,
            registry,
            gate: Arc::new(Gate::new(&limits)),
            counters: Arc::default(),
            limits,
            url: None,
            tls: None,
            stopping: Arc::default(),
            syncs: Syncs::default(),
        }
    }
}

/// Every route.
pub fn app(state: State) -> Router {
    let door = Arc::new(door::Door::new(state.limits, Arc::clone(&state.counters)));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", admin::routes())
        .route("/oauth/{source}/token", any(oauth::handle))
        // SCIM's paths have spellings that routers tell apart, and its errors a form of their own: it does its own routing.
        .fallback(scim::handle)
        .layer(CatchPanicLayer::custom(door::panicked))
        .layer(from_fn_with_state(door, door::guard))
        .with_state(state)
}
