//! SCIM over HTTP (RFC 7644, section 3): paths, headers, bodies, and the form of every answer.

use std::any::Any;
use std::borrow::Cow;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use uuid::Uuid;

use super::State;
use super::admin::bearer;
use crate::directory::token::{Refusal, Scope};
use crate::directory::{Actor, Answer, Call, Source};
use crate::scim::bulk;
use crate::scim::discovery::{self, Features};
use crate::scim::error::ScimError;
use crate::scim::etag::Tags;
use crate::scim::list::Query;

/// The media type of every answer, without a parameter: strict clients compare it as a text.
const SCIM_JSON: &str = "application/scim+json";

/// A refusal and what its answer has beside it.
struct Refused {
    error: ScimError,
    retry_after: Option<u64>,
    allow: Option<&'static str>,
}

impl From<ScimError> for Refused {
    fn from(error: ScimError) -> Self {
        let retry_after = error.retry_after.map(u64::from).or((error.status == 503).then_some(1));
        Self { error, retry_after, allow: None }
    }
}

fn not_allowed(allow: &'static str) -> Refused {
    let error = ScimError::status(405, format!("this endpoint takes {allow}"));
    Refused { allow: Some(allow), ..Refused::from(error) }
}

/// Every request that is not for another part of the server.
pub(super) async fn handle(extract::State(state): extract::State<State>, request: Request<Body>) -> Response<Body> {
    let begun = Instant::now();
    let id = Uuid::new_v4().to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut actor = Actor { request: id.clone(), ..Actor::default() };
    let mut response = match route(&state, request, &mut actor).await {
        Ok(answer) => answered(answer),
        Err(refused) => refusal(&refused),
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let status = response.status().as_u16();
    state.counters.request(status, begun.elapsed());
    // Paths hold ids and no attribute; the query, which may hold values, is not logged.
    tracing::info!(
        target: "access",
        %method,
        path,
        status,
        token = actor.token,
        request = id,
        ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    );
    response
}

/// The answer when something of ours panicked: a client must not be left without one.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!(target: "panic", "a request failed inside of the server");
    refusal(&ScimError::status(500, "the request failed inside of the server; its log says where").into())
}

/// What a path leads to.
struct Place<'p> {
    source: &'p str,
    /// Behind `/v2`.
    rest: Vec<Cow<'p, str>>,
    /// The path up to and with `/v2`.
    root: &'p str,
}

/// Splits `/scim/{source}/v2/…` and `/source/scim/{source}/v2/…`; a slash at the end means nothing.
fn place(path: &str) -> Option<Place<'_>> {
    let inner = path.strip_prefix("/source").filter(|rest| rest.starts_with("/scim/")).unwrap_or(path);
    let behind = inner.strip_prefix("/scim/")?;
    let (source, rest) = behind.split_once('/')?;
    let rest = match rest.strip_prefix("v2")? {
        "" => "",
        rest => rest.strip_prefix('/')?,
    };
    let root = path.get(..path.len() - rest.len())?.trim_end_matches('/');
    let rest = rest.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    Some(Place { source, rest, root })
}

fn decoded(part: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy()
}

async fn route(state: &State, request: Request<Body>, actor: &mut Actor) -> Result<Answer, Refused> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some(place) = place(path) else {
        return Err(ScimError::not_found("this path; SCIM is served below /scim/{source}/v2:").into());
    };
    let length = path.len() + parts.uri.query().map_or(0, str::len);
    if length > state.limits.url {
        return Err(ScimError::status(
            414,
            format!("the URL is longer than {} bytes: use POST to .search", state.limits.url),
        )
        .into());
    }
    let probe = parts.method == Method::GET && place.rest.len() == 1;
    authorize(state, &parts.headers, place.source, probe, actor)?;
    let source = state
        .registry
        .source(place.source)
        .ok_or_else(|| ScimError::not_found(format!("source {:?}", place.source)))?;
    let base = format!("{}{}", origin(state, &parts.headers), place.root);
    let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect();
    let parameter = |name: &str| {
        parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    };
    let tags = |name: header::HeaderName| parts.headers.get(name).and_then(|value| Tags::parse(value.to_str().ok()?));
    let (if_match, if_none_match) = (tags(header::IF_MATCH), tags(header::IF_NONE_MATCH));
    let call = Call {
        source: &source,
        base: &base,
        actor,
        if_match: if_match.as_ref(),
        if_none_match: if_none_match.as_ref(),
        attributes: parameter("attributes"),
        excluded: parameter("excludedAttributes"),
        entra: parameter("aadOptscim062020").is_some(),
    };
    let rest: Vec<&str> = place.rest.iter().map(AsRef::as_ref).collect();
    if let Some(answer) = discover(&source, &base, &parts.method, &rest, parameter("filter").is_some()) {
        return answer;
    }
    let query = || Query::from_parameters(parameters.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    let directory = &state.directory;
    match rest.as_slice() {
        [name] if name.eq_ignore_ascii_case("Bulk") => {
            only(&parts.method, &[Method::POST], "POST")?;
            let bytes = read(state, &parts.headers, body).await?;
            bulk::check_size(bytes.len())?;
            Ok(directory.bulk(&call, json(&bytes)?).await?)
        }
        [name] if name.eq_ignore_ascii_case("Me") => {
            Err(ScimError::status(501, "a token of a provisioning service is nobody's: there is no /Me").into())
        }
        [name] if name.eq_ignore_ascii_case(".search") => {
            only(&parts.method, &[Method::POST], "POST")?;
            let body = json(&read(state, &parts.headers, body).await?)?;
            Ok(directory.search(&call, &Query::from_search(&body)?).await?)
        }
        [endpoint, more @ ..] => {
            let kind = source
                .at_endpoint(endpoint)
                .ok_or_else(|| ScimError::not_found(format!("endpoint {:?}", crate::text::shorten(endpoint))))?;
            match (more, &parts.method) {
                ([], &Method::GET) => Ok(directory.list(&call, kind, &query()?).await?),
                ([], &Method::POST) => {
                    let body = json(&read(state, &parts.headers, body).await?)?;
                    Ok(directory.create(&call, kind, &body).await?)
                }
                ([], _) => Err(not_allowed("GET, POST")),
                ([".search"], &Method::POST) => {
                    let body = json(&read(state, &parts.headers, body).await?)?;
                    Ok(directory.list(&call, kind, &Query::from_search(&body)?).await?)
                }
                ([".search"], _) => Err(not_allowed("POST")),
                ([id], &Method::GET) => Ok(directory.get(&call, kind, id).await?),
                ([id], &Method::DELETE) => Ok(directory.delete(&call, kind, id).await?),
                ([id], &Method::PUT) => {
                    let body = json(&read(state, &parts.headers, body).await?)?;
                    Ok(directory.replace(&call, kind, id, &body).await?)
                }
                ([id], &Method::PATCH) => {
                    let body = json(&read(state, &parts.headers, body).await?)?;
                    Ok(directory.patch(&call, kind, id, &body).await?)
                }
                ([_], _) => Err(not_allowed("GET, PUT, PATCH, DELETE")),
                _ => Err(ScimError::not_found("this path").into()),
            }
        }
        [] => Err(ScimError::not_found("this path; try /ServiceProviderConfig:").into()),
    }
}

fn authorize(state: &State, headers: &HeaderMap, source: &str, probe: bool, actor: &mut Actor) -> Result<(), Refused> {
    let scope = Scope::Scim { source: source.to_owned() };
    let token = state.registry.opens(bearer(headers.get(header::AUTHORIZATION)), &scope);
    let token = token.map_err(|refusal| {
        // Whether a source exists is nothing for those without its token.
        let words = if refusal == Refusal::WrongScope { Refusal::Unknown.words() } else { refusal.words() };
        Refused::from(ScimError::status(401, words))
    })?;
    actor.token.clone_from(&token.id);
    actor.label.clone_from(&token.label);
    state.gate.enter(&token.id, probe).map_err(|wait| {
        let error = ScimError::status(429, format!("more than {} requests a second: slow down", state.limits.rate));
        Refused { retry_after: Some(wait.as_secs() + 1), ..Refused::from(error) }
    })
}

/// The scheme and host by which the client reached us.
fn origin(state: &State, headers: &HeaderMap) -> String {
    if let Some(url) = &state.url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}

/// The documents by which a client learns what the service is (RFC 7644, section 4); `None` when the path is another's.
fn discover(
    source: &Source,
    base: &str,
    method: &Method,
    rest: &[&str],
    filtered: bool,
) -> Option<Result<Answer, Refused>> {
    let (name, id) = match rest {
        [name] => (*name, None),
        [name, id] => (*name, Some(*id)),
        _ => return None,
    };
    let names = ["ServiceProviderConfig", "ResourceTypes", "Schemas"];
    let name = names.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    if *method != Method::GET {
        return Some(Err(not_allowed("GET")));
    }
    if filtered {
        return Some(Err(ScimError::status(403, "discovery takes no filter (RFC 7644, section 4)").into()));
    }
    let document = match (name, id) {
        ("ServiceProviderConfig", None) => Some(Features::default().to_json(base)),
        ("ResourceTypes", None) => Some(discovery::resource_types(&source.types, base)),
        ("ResourceTypes", Some(id)) => discovery::resource_type(&source.types, id, base),
        ("Schemas", None) => Some(discovery::schemas(&source.types, base)),
        ("Schemas", Some(urn)) => discovery::schema(&source.types, urn, base),
        _ => None,
    };
    Some(document.map(Answer::document).ok_or_else(|| {
        ScimError::not_found(format!("{name} {:?}", crate::text::shorten(id.unwrap_or_default()))).into()
    }))
}

fn only(method: &Method, allowed: &[Method], text: &'static str) -> Result<(), Refused> {
    if allowed.contains(method) { Ok(()) } else { Err(not_allowed(text)) }
}

/// The body, when it is JSON by its header and not too large.
async fn read(state: &State, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(SCIM_JSON);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(SCIM_JSON) && !kind.eq_ignore_ascii_case("application/json") {
        let message = format!("the body is {:?}; send {SCIM_JSON}", crate::text::shorten(kind));
        return Err(ScimError::status(415, message).into());
    }
    let most = state.limits.body;
    let bytes = to_bytes(body, most).await;
    let bytes =
        bytes.map_err(|_| ScimError::too_large(format!("the body has more than {most} bytes, or ended early")))?;
    Ok(bytes.to_vec())
}

fn json(bytes: &[u8]) -> Result<Value, ScimError> {
    serde_json::from_slice(bytes).map_err(|error| ScimError::invalid_syntax(format!("the body is not JSON: {error}")))
}

fn answered(answer: Answer) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let body = answer.body.map(|body| body.to_string());
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = status;
    let has_body = status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    }
    for (name, value) in [(header::LOCATION, answer.location), (header::ETAG, answer.etag)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn refusal(refused: &Refused) -> Response<Body> {
    let mut response = Response::new(Body::from(refused.error.to_json().to_string()));
    *response.status_mut() = StatusCode::from_u16(refused.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    if refused.error.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"provisor\""));
    }
    if let Some(seconds) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = refused.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_roots_and_every_spelling_lead_to_one_place() {
        for (path, root, rest) in [
            ("/scim/a/v2/Users", "/scim/a/v2", &["Users"][..]),
            ("/scim/a/v2/Users/", "/scim/a/v2", &["Users"]),
            ("/source/scim/a/v2/Users/1", "/source/scim/a/v2", &["Users", "1"]),
            ("/scim/a/v2", "/scim/a/v2", &[]),
            ("/scim/a/v2/Schemas/urn%3Ax", "/scim/a/v2", &["Schemas", "urn:x"]),
        ] {
            let found = place(path).unwrap();
            assert_eq!(
                (found.source, found.root, found.rest),
                ("a", root, rest.iter().map(|part| Cow::Borrowed(*part)).collect()),
                "{path}"
            );
        }
        for path in ["/", "/scim", "/scim/a", "/scim/a/v1/Users", "/scim/a/v2x", "/other/scim/a/v2"] {
            assert!(place(path).is_none(), "{path}");
        }
    }
}
