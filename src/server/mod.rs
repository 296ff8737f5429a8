//! The server: HTTP in front of the directory. [`app`] is the whole of it without a socket; [`serve`] gives it one.

mod admin;
mod alarm;
mod attribute_mapping;
mod backup;
mod bare;
mod caller;
mod clients;
pub mod console;
mod door;
mod dry_run;
mod editor;
mod expiry;
mod gate;
mod health;
mod listen;
mod log;
mod mappings;
mod oauth;
mod openapi;
mod page;
mod parameters;
mod patient;
mod pieces;
mod problem;
mod provisioned;
mod registry;
mod remainder;
mod removal;
mod runs;
mod scim;
mod shapes;
mod stored_syncs;
mod syncs;
mod tls;
mod tokens;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get};
use axum::{BoxError, Router};
use futures_util::{FutureExt as _, TryFutureExt as _};
use tower::{Service, ServiceExt as _};
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Limits;
use crate::directory::Directory;

use door::{Door, Visit, Work};
use problem::Problem;

pub use gate::Gate;
pub use health::Counters;
pub use listen::serve;
pub use log::prune;
pub use registry::{Allowed, Holder, Kind, NewClient, NewFederation, Registry, RegistryError, Rejection, Warning};
pub use removal::go_on;
pub use stored_syncs::{readers, stored, stored_names, take_up};
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
    /// Who is at the console.
    pub console: Arc<console::Sessions>,
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
            console: Arc::default(),
        }
    }
}

/// Every route, as a service that never fails.
pub fn app(state: State) -> App {
    let door = Door::new(state.limits, Arc::clone(&state.counters));
    let rest = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", admin::routes())
        .route("/oauth/{source}/token", any(oauth::handle))
        .merge(console::routes())
        .fallback(nowhere)
        .layer(CatchPanicLayer::custom(door::panicked))
        .with_state(state.clone());
    App(Arc::new(House { door, state, rest }))
}

/// The server without a socket. What is for SCIM, which is nearly everything, goes from the door straight to its handler: no
/// router is asked for it.
#[derive(Clone)]
pub struct App(Arc<House>);

/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl App {
    /// Answers a request.
    fn answer<B>(&self, request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // A body that is none needs no room.
        let body = |body: B| if body.is_end_stream() { Body::empty() } else { Body::new(body) };
        let (house, request) = (Arc::clone(&self.0), request.map(body));
        Box::pin(
            async move { Ok(door::guard(&house.door, request, |request, visit| house.work(request, visit)).await) },
        )
    }
}

impl<B> Service<Request<B>> for App
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        self.answer(request)
    }
}

/// What requests find behind the door.
struct House {
    door: Door,
    state: State,
    /// Everything but SCIM, whose paths have spellings that routers tell apart, and whose errors have a form of their own.
    rest: Router,
}

impl House {
    /// What is done for a request that the door has let in.
    fn work(&self, mut request: Request, visit: Arc<Visit>) -> Work<'_> {
        if scim::is_scim(request.uri().path()) {
            let answer = AssertUnwindSafe(scim::handle(&self.state, request, visit)).catch_unwind();
            return Box::pin(answer.unwrap_or_else(door::panicked));
        }
        request.extensions_mut().insert(visit);
        // A router does not fail.
        Box::pin(self.rest.clone().oneshot(request).unwrap_or_else(|never| match never {}))
    }
}

async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such path; SCIM is served below /scim/{source}/v2")
}
