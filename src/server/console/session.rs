//! Sessions of the console: who showed an admin token gets a cookie instead, and the token is kept nowhere.
//!
//! A session is a random id in a cookie; the server holds what belongs to it, in memory, under the id's hash. It ends with
//! its token, after an hour without a request, after twelve hours, and with the server. Whatever changes something carries the
//! session's second secret as well (CSRF), and must come from a page of this server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use super::words;
use crate::clock::Millis;
use crate::directory::token::{self, Grant, Refusal, Role};
use crate::server::caller::Caller;
use crate::server::door::Visit;
use crate::server::problem::Problem;
use crate::server::registry::{Holder, RegistryError, random};
use crate::server::{Registry, State, scim};

/// The cookie of a session, before the port.
const COOKIE: &str = "provisor_console";
/// The cookie that the form for logging in comes with, before the port: a page of another site cannot know it.
const FORM_COOKIE: &str = "provisor_login";
/// The field of a form that holds the second secret.
pub(super) const CSRF_FIELD: &str = "csrf";
/// The header of a fetch that holds it.
const CSRF_HEADER: &str = "x-csrf-token";
/// The header of a page that looks again by itself: nobody is there by that alone.
const POLL_HEADER: &str = "x-console-poll";
/// How long a session lasts without a request.
pub(super) const IDLE: Millis = 60 * 60 * 1_000;
/// How long a session lasts.
pub(super) const LIFE: Millis = 12 * IDLE;
/// Sessions at a time; past them the one unused for longest ends.
const MOST: usize = 1_000;

/// The sessions there are.
#[derive(Default)]
pub struct Sessions {
    /// By the hash of the id.
    held: RwLock<HashMap<String, Arc<Session>>>,
}

/// What the next page tells once.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Flash {
    /// `good` or `bad`.
    pub(super) kind: &'static str,
    /// For people.
    pub(super) text: String,
}

/// A token that was made a moment ago.
#[derive(Clone, serde::Serialize)]
pub(super) struct Made {
    pub(super) label: String,
    pub(super) secret: String,
    /// The path of the endpoint to paste beside it, when it is for a source.
    pub(super) url: Option<String>,
}

/// Somebody at a browser.
pub(super) struct Session {
    /// The id of the token that opened it.
    token: String,
    /// What the operator called the token.
    pub(super) label: String,
    /// The second secret.
    pub(super) csrf: String,
    created: Millis,
    seen: AtomicU64,
    flash: Mutex<Option<Flash>>,
    made: Mutex<Option<Made>>,
}

impl Session {
    /// Has the next page tell something.
    pub(super) fn tell(&self, kind: &'static str, text: impl Into<String>) {
        *self.flash.lock().unwrap_or_else(PoisonError::into_inner) = Some(Flash { kind, text: text.into() });
    }

    /// What is to be told, which is then told.
    pub(super) fn told(&self) -> Option<Flash> {
        self.flash.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps a new token for the page that shows it once.
    pub(super) fn keep(&self, made: Made) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
    }

    /// The new token; a second time there is none.
    pub(super) fn made(&self) -> Option<Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether this token opened it.
    pub(super) fn is_of(&self, token: &str) -> bool {
        self.token == token
    }

    fn lasts(&self, now: Millis) -> bool {
        now.saturating_sub(self.created) < LIFE && now.saturating_sub(self.seen.load(Ordering::Relaxed)) < IDLE
    }
}

impl Sessions {
    /// A session for who showed a token, and the id for its cookie.
    pub(super) fn open(&self, holder: &Holder, now: Millis) -> Result<(String, Arc<Session>), RegistryError> {
        let (id, csrf) = (secret()?, secret()?);
        let session = Arc::new(Session {
            token: holder.id.as_ref().to_owned(),
            label: holder.label.as_ref().to_owned(),
            csrf,
            created: now,
            seen: now.into(),
            flash: Mutex::default(),
            made: Mutex::default(),
        });
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, session| session.lasts(now));
        if held.len() >= MOST {
            let oldest = held.iter().min_by_key(|(_, session)| session.seen.load(Ordering::Relaxed));
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                held.remove(&key);
            }
        }
        held.insert(token::hash(&id), Arc::clone(&session));
        Ok((id, session))
    }

    /// The session of an id and what it may do, while it and its token last.
    fn get(&self, id: &str, registry: &Registry, now: Millis) -> Option<(Arc<Session>, Grant)> {
        let key = token::hash(id);
        let session = self.held.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()?;
        if let Some(grant) = registry.grant_of(&session.token).filter(|_| session.lasts(now)) {
            return Some((session, grant));
        }
        self.held.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        None
    }

    /// Ends a session.
    pub(super) fn close(&self, address: &Address, headers: &HeaderMap) {
        if let Some(id) = cookie(headers, &address.name(COOKIE)) {
            self.held.write().unwrap_or_else(PoisonError::into_inner).remove(&token::hash(id));
        }
    }
}

/// 256 random bits as text.
fn secret() -> Result<String, RegistryError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// The value of a cookie.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The port by which a browser comes. Cookies do not know ports: without it in their names, two servers of one host would
/// end each other's sessions.
pub(super) struct Address(Option<u16>);

impl Address {
    /// As the request has it: HTTP/2 says it in the URL, HTTP/1.1 in `Host`. A scheme's own port is not written.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let told = uri.authority().map(Authority::as_str).or(host).unwrap_or_default();
        Self(told.rsplit_once(':').and_then(|(_, port)| port.parse().ok()))
    }

    fn name(&self, stem: &str) -> String {
        self.0.map_or_else(|| stem.to_owned(), |port| format!("{stem}_{port}"))
    }
}

/// A cookie as it is set; without a value it is taken back.
fn set(state: &State, name: &str, value: Option<&str>) -> Option<HeaderValue> {
    let is_https = state.tls.is_some() || state.url.as_deref().is_some_and(|url| url.starts_with("https:"));
    let secure = if is_https { "; Secure" } else { "" };
    let age = if value.is_some() { "" } else { "; Max-Age=0" };
    let value = value.unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict{secure}{age}")).ok()
}

/// Adds cookies to an answer: the session's, and that of the form.
pub(super) fn give(
    state: &State,
    address: &Address,
    response: &mut Response,
    session: Option<&str>,
    form: Option<&str>,
) {
    for (name, value) in [(COOKIE, session), (FORM_COOKIE, form)] {
        if let Some(value) = set(state, &address.name(name), value) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

/// The secret of the form for logging in: the one that the browser has, or a new one.
pub(super) fn form_secret(address: &Address, headers: &HeaderMap) -> Result<String, RegistryError> {
    match cookie(headers, &address.name(FORM_COOKIE)).filter(|value| value.len() == 43) {
        Some(value) => Ok(value.to_owned()),
        None => secret(),
    }
}

/// Adds the form's cookie to its page.
pub(super) fn give_form(state: &State, address: &Address, response: &mut Response, form: &str) {
    if let Some(value) = set(state, &address.name(FORM_COOKIE), Some(form)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Whether two secrets are the same; takes the same time wherever they differ.
fn same(given: Option<&str>, wanted: &str) -> bool {
    given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(wanted.as_bytes())))
}

/// Whether a request that changes something comes from a page of ours. A browser says where it comes from by one of two
/// headers; `Origin` is `null` on forms, because our pages tell nobody where they are.
fn is_ours(state: &State, parts: &Parts) -> bool {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let authority = |url: &str| url.split_once("://").map(|(_, rest)| rest.trim_end_matches('/').to_owned());
    let origin = text("origin").filter(|origin| *origin != "null").is_none_or(|origin| {
        let found = authority(origin);
        // Behind a proxy the browser knows the host by one name, and we by another.
        let told = authority(&scim::origin(state, parts));
        found.is_some() && (found == told || found.as_deref() == text("host"))
    });
    site && origin
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "the request does not come from a page of this server, or its form is too old: load the page again",
    )
}

/// Somebody with a session.
pub(super) struct Visitor {
    pub(super) session: Arc<Session>,
    /// What the token may do, at this moment.
    pub(super) caller: Caller,
}

impl Visitor {
    fn of(parts: &Parts, state: &State) -> Option<Self> {
        let now = state.directory.now();
        let name = Address::of(&parts.uri, &parts.headers).name(COOKIE);
        let (session, grant) = state.console.get(cookie(&parts.headers, &name)?, &state.registry, now)?;
        if !parts.headers.contains_key(POLL_HEADER) {
            session.seen.fetch_max(now, Ordering::Relaxed);
        }
        if let Some(visit) = parts.extensions.get::<Arc<Visit>>() {
            visit.belongs_to(session.token.as_str().into(), None, None);
        }
        let caller = Caller { label: session.label.clone(), grant };
        Some(Self { session, caller })
    }

    /// Whether the role of its token is this one, or one that may more.
    pub(super) fn may(&self, role: Role) -> bool {
        self.caller.grant.role >= role
    }

    /// A refusal when the role is not enough.
    pub(super) fn needs(&self, role: Role) -> Result<(), Problem> {
        if self.may(role) {
            return Ok(());
        }
        let (needed, has) = (role.word(), self.caller.grant.role.word());
        let detail = format!("this needs the role `{needed}`, and the token of this session has `{has}`");
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }

    /// Whether the request comes from a page of ours in this session.
    fn check(&self, state: &State, parts: &Parts, given: Option<&str>) -> Result<(), Problem> {
        if is_ours(state, parts) && same(given, &self.session.csrf) { Ok(()) } else { Err(foreign()) }
    }
}

/// The answer for who has no session: the way to one, and back here.
fn nobody(parts: &Parts) -> Response {
    let path = parts.uri.path();
    if path.starts_with("/console/api/") {
        let detail = "the session has ended: log in again in another tab, and nothing here is lost";
        return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    }
    let back = parts.uri.path_and_query().map_or(path, |whole| whole.as_str());
    if parts.method != Method::GET || back == "/console" {
        return see_other("/console/login");
    }
    see_other(&format!("/console/login?next={}", words::encoded(back)))
}

/// Sends the browser elsewhere, by GET.
pub(super) fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

impl FromRequestParts<State> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        Self::of(parts, state).ok_or_else(|| nobody(parts))
    }
}

/// A form that was sent by a page of ours.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// A field's value without blanks around it; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        field(&self.fields, name).map(str::trim).filter(|value| !value.is_empty())
    }
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

fn read_form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

impl FromRequest<State> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(&parts, state).ok_or_else(|| nobody(&parts))?;
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state);
        let fields = read_form(&body.await.map_err(IntoResponse::into_response)?);
        visitor
            .check(state, &parts, field(&fields, CSRF_FIELD))
            .map_err(|problem| super::Trouble(problem).into_response())?;
        Ok(Self { visitor, fields })
    }
}

/// JSON that was sent by a script of ours.
pub(super) struct Sent<T> {
    pub(super) visitor: Visitor,
    pub(super) body: T,
}

impl<T: DeserializeOwned> FromRequest<State> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(&parts, state).ok_or_else(|| nobody(&parts))?;
        let given = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        visitor.check(state, &parts, given).map_err(IntoResponse::into_response)?;
        let body = Bytes::from_request(Request::from_parts(parts, body), state);
        let body = body.await.map_err(IntoResponse::into_response)?;
        let body = serde_json::from_slice(&body)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()).into_response())?;
        Ok(Self { visitor, body })
    }
}

/// The form for logging in, checked against its cookie: the token, and where to go then.
pub(super) async fn read_login(state: &State, request: Request) -> Result<(String, String), Response> {
    let (parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state);
    let fields = read_form(&body.await.map_err(IntoResponse::into_response)?);
    let name = Address::of(&parts.uri, &parts.headers).name(FORM_COOKIE);
    let wanted = cookie(&parts.headers, &name).filter(|value| value.len() == 43);
    if !is_ours(state, &parts) || !wanted.is_some_and(|wanted| same(field(&fields, CSRF_FIELD), wanted)) {
        return Err(super::Trouble(foreign()).into_response());
    }
    let text = |name: &str| field(&fields, name).unwrap_or_default().trim().to_owned();
    Ok((text("token"), text("next")))
}

/// Who shows this token, when it opens the console.
pub(super) fn holder(state: &State, given: &str) -> Result<Holder, Refusal> {
    state.registry.grants((!given.is_empty()).then_some(given)).map(|(holder, _)| holder)
}

/// What somebody who is not let in is told. Nothing in it helps to guess.
pub(super) fn sentence(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Missing => "Paste an admin token. The server printed one when it first started.",
        Refusal::Foreign => "This is no token of this server: ours begin with prv1_. Was it made by another product?",
        Refusal::Unknown => "This token is not known here. Was it copied whole, from its first character to its last?",
        Refusal::Expired => "This token has expired. Make a new one: provisor token create LABEL",
        Refusal::Revoked => "This token was revoked. Ask for another one.",
        Refusal::WrongScope => "This token opens a SCIM endpoint, not the console. Use an admin token.",
        Refusal::Ended => "This is an access token of the token endpoint. The console takes admin tokens.",
    }
}
