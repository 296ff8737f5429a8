//! The door: what every request passes on its way in and out, whatever it asks. Request ids, the turn it waits for, the
//! time it has, the form of a failure, the line in the log.

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::gate::Standing;
use super::problem::Problem;
use super::remainder::Remainder;
use super::{Counters, scim};
use crate::config::Limits;
use crate::directory::Source;
use crate::scim::error::ScimError;

/// How many headers a request may have. The HTTP library has room for 100 at no cost, and refuses more in its own words.
const MOST_HEADERS: usize = 80;
/// The longest id that is taken over from a client.
const LONGEST_ID: usize = 64;
/// How much of a path the log has, in bytes.
const LONGEST_PATH: usize = 512;
/// What a client that has to come again waits, in seconds.
const COME_AGAIN: u64 = 1;
/// The header that names a request, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The headers that tell a token how it stands with its rate.
const STANDING: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];
/// Who looks after the server gets in when nobody else does.
const WATCHERS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What the door needs to know.
pub(super) struct Door {
    limits: Limits,
    counters: Arc<Counters>,
    turns: Semaphore,
}

impl Door {
    pub(super) fn new(limits: Limits, counters: Arc<Counters>) -> Self {
        let turns = Semaphore::new(limits.concurrent.min(Semaphore::MAX_PERMITS));
        Self { limits, counters, turns }
    }

    /// A turn, when one comes in time; those who look after the server need none.
    async fn turn(&self, path: &str) -> Result<Option<SemaphorePermit<'_>>, ScimError> {
        if WATCHERS.contains(&path) {
            return Ok(None);
        }
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(Some(turn));
        }
        let most = Duration::from_secs(self.limits.wait);
        // In a box: nearly nobody waits, and what waiting needs would be carried along by all.
        match Box::pin(tokio::time::timeout(most, self.turns.acquire())).await {
            Ok(turn) => Ok(turn.ok()),
            Err(_) => Err(ScimError::status(
                503,
                format!("{} requests are worked on already: come again a little later", self.limits.concurrent),
            )),
        }
    }

    /// Whether a request's headers are within bounds.
    fn measure(&self, headers: &HeaderMap) -> Result<(), ScimError> {
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if size <= self.limits.headers && headers.len() <= MOST_HEADERS {
            return Ok(());
        }
        let message =
            format!("the headers have more than {} bytes, or are more than {MOST_HEADERS}", self.limits.headers);
        Err(ScimError::status(431, message))
    }
}

/// One request, as the door knows it; handlers say who asked.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// The request's name, in the log, the answer and the provisioning log.
    pub(super) id: Arc<str>,
    who: OnceLock<Who>,
}

/// Whose request it is.
#[derive(Debug)]
struct Who {
    /// The id of the token.
    token: Arc<str>,
    /// The source that it opened.
    source: Option<Arc<Source>>,
    /// How the token stands with its rate, when that is looked after.
    standing: Option<Standing>,
}

impl Visit {
    /// Says whose request it is, and how the token stands with its rate when that is looked after.
    pub(super) fn belongs_to(&self, token: Arc<str>, source: Option<Arc<Source>>, standing: Option<Standing>) {
        // The first to say it knows it.
        let _ = self.who.set(Who { token, source, standing });
    }
}

/// The work on a request: in a box, so that it is not moved by each layer around it.
pub(super) type Work<'w> = Pin<Box<dyn Future<Output = Response> + Send + 'w>>;

/// Lets a request in and its answer out.
pub(super) async fn guard<'w>(
    door: &Door,
    request: Request,
    next: impl FnOnce(Request, Arc<Visit>) -> Work<'w>,
) -> Response {
    let begun = Instant::now();
    let visit = Arc::new(Visit { id: id(request.headers()), ..Visit::default() });
    let method = known(request.method());
    // A clone shares the bytes.
    let uri = request.uri().clone();
    let path = uri.path();
    let (remainder, request) = Remainder::lend(request);
    let turn = match door.measure(request.headers()) {
        Ok(()) => door.turn(path).await,
        Err(error) => Err(error),
    };
    let answer = match turn {
        Ok(turn) => {
            let mut work = next(request, Arc::clone(&visit));
            // What memory knows is answered before anybody need look at the clock.
            let answer = match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
                Poll::Ready(answer) => Ok(answer),
                Poll::Pending => tokio::time::timeout(Duration::from_secs(door.limits.timeout), work).await,
            };
            drop(turn);
            answer.map_err(|_| {
                let seconds = door.limits.timeout;
                ScimError::status(503, format!("the request took longer than {seconds} seconds: come again"))
            })
        }
        Err(error) => Err(error),
    };
    let mut response = answer.unwrap_or_else(|error| failure(path, error));
    if let Some(error) = formless(&response) {
        let headers = std::mem::take(response.headers_mut());
        response = failure(path, error);
        for (name, value) in headers {
            if let Some(name) = name.filter(|name| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    let is_busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&response.status());
    let headers = response.headers_mut();
    if is_busy && !headers.contains_key(header::RETRY_AFTER) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(COME_AGAIN));
    }
    if let Ok(value) = HeaderValue::from_str(&visit.id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(standing) = visit.who.get().and_then(|who| who.standing) {
        let [limit, remaining, reset] = STANDING;
        for (name, number) in [(limit, standing.limit), (remaining, standing.remaining), (reset, standing.reset)] {
            headers.insert(name, numeric(number));
        }
    }
    log(door, &visit, method, path, &response, begun.elapsed());
    if method == "HEAD" {
        strip(&mut response);
    }
    if response.status().is_client_error() {
        remainder.forget();
    }
    response
}

/// Takes the body out of an answer to a HEAD, and leaves its length (RFC 9110, section 9.3.2).
fn strip(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
}

/// A number as a header has it; small ones, which come most, need no memory of their own.
fn numeric(number: u32) -> HeaderValue {
    const DIGITS: &str = "0123456789";
    let place = number as usize;
    DIGITS.get(place..=place).map_or_else(|| HeaderValue::from(number), HeaderValue::from_static)
}

/// The id that the client gave, when it is fit to be written down, or a new one.
fn id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fit = |text: &&str| {
        (1..=LONGEST_ID).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    given.filter(fit).map_or_else(new_id, Arc::from)
}

/// A random UUID. It names a request and keeps no secret, so that a generator that is seeded once will do; the machine's
/// randomness is a call into the kernel.
fn new_id() -> Arc<str> {
    thread_local! {
        static RANDOM: RefCell<ChaCha12Rng> = RefCell::new({
            let mut seed = [0; 32];
            for half in seed.chunks_mut(16) {
                half.copy_from_slice(Uuid::new_v4().as_bytes());
            }
            ChaCha12Rng::from_seed(seed)
        });
    }
    let mut bytes = [0; 16];
    RANDOM.with_borrow_mut(|random| random.fill_bytes(&mut bytes));
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Arc::from(&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}

/// The method as the log has it: a client could put anything there.
fn known(method: &Method) -> &'static str {
    let all = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
    all.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The answer when something of ours panicked, still without a form: a client must not be left without one.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// What a failure that came out of the machinery means: such answers have no body, or one in plain text.
fn formless(response: &Response) -> Option<ScimError> {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_failure = status.is_client_error() || status.is_server_error();
    if !is_failure || !(kind.is_empty() || kind.starts_with(b"text/plain")) {
        return None;
    }
    let words = match status {
        StatusCode::NOT_FOUND => "there is no such path",
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take that method; `Allow` lists those it takes",
        StatusCode::INTERNAL_SERVER_ERROR => "the request failed inside of the server; its log says where",
        _ => status.canonical_reason().unwrap_or("the request failed"),
    };
    Some(ScimError::status(status.as_u16(), words))
}

/// A refusal in the form of the path: a SCIM error, or problem details.
fn failure(path: &str, error: ScimError) -> Response {
    if scim::is_scim(path) {
        scim::refusal(&error.into())
    } else {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem::new(status, error.detail).into_response()
    }
}

/// Counts the request, and writes its line. Paths hold ids and no attribute; the query, the headers and the bodies, which may
/// hold anything, are not written.
fn log(door: &Door, visit: &Visit, method: &str, path: &str, response: &Response, took: Duration) {
    let status = response.status().as_u16();
    if scim::is_scim(path) {
        door.counters.request(status, took);
    }
    let (token, source) = visit.who.get().map_or(("", None), |who| (who.token.as_ref(), who.source.as_ref()));
    tracing::info!(
        target: "access",
        method,
        path = path.get(..LONGEST_PATH).unwrap_or(path),
        status,
        ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        token,
        source = source.map_or("", |source| source.slug.as_str()),
        request = visit.id.as_ref(),
        bytes = response.body().size_hint().exact().unwrap_or_default(),
    );
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::{Next, from_fn};
    use axum::routing::get;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    async fn broken() -> &'static str {
        panic!("a value that nobody may see")
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_form_of_its_path() {
        let door = Arc::new(Door::new(Limits::default(), Arc::new(Counters::default())));
        let app = Router::new()
            .route("/scim/a/v2/Users", get(broken))
            .route("/api/v1/x", get(broken))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(move |request: Request, next: Next| {
                let door = Arc::clone(&door);
                async move { guard(&door, request, |request, _| Box::pin(next.run(request))).await }
            }));
        for (path, kind, part) in [
            ("/scim/a/v2/Users", "application/scim+json", "\"status\":\"500\""),
            ("/api/v1/x", "application/problem+json", "\"status\":500"),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.headers()[header::CONTENT_TYPE].to_str().unwrap()),
                (500, kind)
            );
            let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
            let body = std::str::from_utf8(&body).unwrap();
            assert!(body.contains(part) && !body.contains("nobody may see"), "{body}");
        }
    }
}
