//! SCIM over HTTP (RFC 7644, section 3): paths, headers, bodies, and the form of every answer.

use std::borrow::Cow;
use std::error::Error;
use std::future::ready;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http_body_util::LengthLimitError;
use serde_json::Value;

use super::State;
use super::caller::bearer;
use super::door::Visit;
use super::parameters::parameters;
use super::pieces::Pieces;
use crate::directory::token::Refusal;
use crate::directory::{Actor, Answer, Attempt, Call, Content, Directory, Source, Write};
use crate::scim::bulk;
use crate::scim::discovery::{self, Features, ResourceType};
use crate::scim::error::ScimError;
use crate::scim::etag::Tags;
use crate::scim::list::Query;

/// The media type of every answer, without a parameter: strict clients compare it as a text.
const SCIM_JSON: &str = "application/scim+json";

/// How many headers an answer has, those of the door included: what grows moves all of them.
const MOST_ADDED: usize = 8;

/// A refusal and what its answer has beside it.
pub(super) struct Refused {
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

/// Whether errors of this path are SCIM errors.
pub(super) fn is_scim(path: &str) -> bool {
    let inner = path.strip_prefix("/source").unwrap_or(path);
    inner.strip_prefix("/scim").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every request for a path of SCIM's.
pub(super) async fn handle(state: &State, request: Request<Body>, visit: Arc<Visit>) -> Response<Body> {
    match route(state, straightened(request), &visit).await {
        Ok(answer) => answered(state, answer),
        Err(refused) => refusal(&refused),
    }
}

/// The most parts that a path has behind `/v2` and leads somewhere, and one more.
const MOST_PARTS: usize = 3;

/// What a path leads to.
struct Place<'p> {
    source: &'p str,
    /// The first parts behind `/v2`, and how many there are.
    parts: [Cow<'p, str>; MOST_PARTS],
    count: usize,
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
    let (mut parts, mut count) = ([const { Cow::Borrowed("") }; MOST_PARTS], 0);
    for (place, part) in parts.iter_mut().zip(rest.split('/').filter(|part| !part.is_empty())) {
        *place = decoded(part);
        count += 1;
    }
    Some(Place { source, parts, count, root })
}

fn decoded(part: &str) -> Cow<'_, str> {
    if !part.contains('%') {
        return Cow::Borrowed(part);
    }
    percent_encoding::percent_decode_str(part).decode_utf8_lossy()
}

/// Entra's flag, which asks for the standard's way to write a PATCH.
const FLAG: &str = "aadOptscim062020";

/// A client that puts its paths behind a base with the flag in it asks `/scim/acme/v2?aadOptscim062020/Users?count=1`; it means
/// `/scim/acme/v2/Users?aadOptscim062020&count=1`.
fn straightened(mut request: Request<Body>) -> Request<Body> {
    let meant = |uri: &Uri| {
        let base = uri.path().trim_end_matches('/');
        let behind = uri.query()?.strip_prefix(FLAG).filter(|_| base.ends_with("/v2"))?;
        let behind = behind.strip_prefix("=true").unwrap_or(behind).strip_prefix('/')?;
        let (rest, query) = behind.split_once('?').unwrap_or((behind, ""));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(format!("{base}/{rest}?{FLAG}&{query}").parse().ok()?);
        Uri::from_parts(parts).ok()
    };
    if let Some(uri) = meant(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

async fn route(state: &State, request: Request<Body>, visit: &Visit) -> Result<Answer, Refused> {
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
    let probe = parts.method == Method::GET && place.count == 1;
    let source = state.registry.source(place.source);
    let actor = authorize(state, &parts, place.source, source.as_ref(), visit, probe)?;
    let source = source.ok_or_else(|| ScimError::not_found(format!("source {:?}", place.source)))?;
    let base = reached(state, &parts, place.root);
    let parameters = parameters(parts.uri.query().unwrap_or_default());
    let parameter = |name: &str| {
        parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    };
    let tags = |name: header::HeaderName| parts.headers.get(name).and_then(|value| Tags::parse(value.to_str().ok()?));
    let (if_match, if_none_match) = (tags(header::IF_MATCH), tags(header::IF_NONE_MATCH));
    let call = Call {
        source: &source,
        base: &base,
        actor: &actor,
        if_match: if_match.as_ref(),
        if_none_match: if_none_match.as_ref(),
        attributes: parameter("attributes"),
        excluded: parameter("excludedAttributes"),
        entra: parameter(FLAG).is_some(),
    };
    let rest: [&str; MOST_PARTS] = place.parts.each_ref().map(AsRef::as_ref);
    let rest = rest.get(..place.count).unwrap_or_default();
    if let Some(answer) = discover(&source, &base, &parts.method, rest, parameter("filter").is_some()) {
        return answer;
    }
    // What writes or searches is large and rare beside what reads; in a box of its own it is not carried along by every request.
    let query = || Query::from_parameters(parameters.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    let directory = &state.directory;
    match rest {
        [name] if name.eq_ignore_ascii_case("Bulk") => {
            only(&parts.method, &[Method::POST], "POST")?;
            let attempt = Attempt { operation: "bulk", kind: None, id: None, body: None };
            let body = async {
                let bytes = read(state, &parts.headers, body).await?;
                bulk::check_size(bytes.len())?;
                Ok(json(&bytes)?)
            };
            let body = sent(directory, &call, &attempt, body).await?;
            Ok(Box::pin(directory.bulk(&call, body)).await?)
        }
        [name] if name.eq_ignore_ascii_case("Me") => {
            Err(ScimError::status(501, "a token of a provisioning service is nobody's: there is no /Me").into())
        }
        [name] if name.eq_ignore_ascii_case(".search") => {
            only(&parts.method, &[Method::POST], "POST")?;
            let body = json(&read(state, &parts.headers, body).await?)?;
            let query = Query::from_search(&body)?;
            Ok(Box::pin(directory.search(&call, &query)).await?)
        }
        [endpoint, more @ ..] => {
            let kind = source
                .at_endpoint(endpoint)
                .ok_or_else(|| ScimError::not_found(format!("endpoint {:?}", crate::text::shorten(endpoint))))?;
            match (more, &parts.method) {
                ([], &Method::GET) => Ok(directory.list(&call, kind, &query()?).await?),
                ([], &Method::POST) => Box::pin(create(state, &call, kind, &parts.headers, body)).await,
                ([], _) => Err(not_allowed("GET, POST")),
                ([".search"], &Method::POST) => {
                    let body = json(&read(state, &parts.headers, body).await?)?;
                    Ok(directory.list(&call, kind, &Query::from_search(&body)?).await?)
                }
                ([".search"], _) => Err(not_allowed("POST")),
                ([id], &Method::GET) => Ok(directory.get(&call, kind, id).await?),
                ([id], &Method::DELETE) => Ok(Box::pin(directory.write(&call, kind, Write::Delete(id))).await?),
                ([id], &Method::PUT) => {
                    let attempt = Attempt { operation: "replace", kind: Some(kind), id: Some(id), body: None };
                    let body = sent(directory, &call, &attempt, read_json(state, &parts.headers, body)).await?;
                    Ok(Box::pin(directory.write(&call, kind, Write::Replace(id, &body))).await?)
                }
                ([id], &Method::PATCH) => Box::pin(patch(state, &call, kind, id, &parts.headers, body)).await,
                ([_], _) => Err(not_allowed("GET, PUT, PATCH, DELETE")),
                _ => Err(ScimError::not_found("this path").into()),
            }
        }
        [] => Err(ScimError::not_found("this path; try /ServiceProviderConfig:").into()),
    }
}

/// A POST of a resource.
async fn create(
    state: &State,
    call: &Call<'_>,
    kind: &ResourceType,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answer, Refused> {
    let directory = &state.directory;
    let attempt = Attempt { operation: "create", kind: Some(kind), id: None, body: None };
    let body = sent(directory, call, &attempt, read(state, headers, body)).await?;
    if let Some(answer) = directory.post(call, kind, &body).await? {
        return Ok(answer);
    }
    let body = sent(directory, call, &attempt, async { Ok(json(&body)?) }).await?;
    Ok(directory.write(call, kind, Write::Create(&body)).await?)
}

/// A PATCH of a resource.
async fn patch(
    state: &State,
    call: &Call<'_>,
    kind: &ResourceType,
    id: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answer, Refused> {
    let directory = &state.directory;
    let attempt = Attempt { operation: "patch", kind: Some(kind), id: Some(id), body: None };
    let body = sent(directory, call, &attempt, read(state, headers, body)).await?;
    if let Some(answer) = directory.patch_quick(call, kind, id, &body).await? {
        return Ok(answer);
    }
    let body = sent(directory, call, &attempt, async { Ok(json(&body)?) }).await?;
    Ok(directory.write(call, kind, Write::Patch(id, &body)).await?)
}

/// Who asks, when it may. `slug` is the name in the path, and `source` the one that is called so.
fn authorize(
    state: &State,
    parts: &Parts,
    slug: &str,
    source: Option<&Arc<Source>>,
    visit: &Visit,
    probe: bool,
) -> Result<Actor, Refused> {
    let holder = state.registry.opens(bearer(parts.headers.get(header::AUTHORIZATION)), slug);
    let holder = holder.map_err(|refusal| {
        // Whether a source exists is nothing for those without its token.
        let words = if refusal == Refusal::WrongScope { Refusal::Unknown.words() } else { refusal.words() };
        Refused::from(ScimError::status(401, words))
    })?;
    let entered = state.gate.enter(&holder.id, probe);
    let standing = entered.unwrap_or_else(|wait| wait.standing);
    visit.belongs_to(Arc::clone(&holder.id), source.cloned(), Some(standing));
    if let Err(wait) = entered {
        let error = ScimError::status(429, format!("more than {} requests a second: slow down", state.limits.rate));
        return Err(Refused { retry_after: Some(wait.time.as_secs() + 1), ..Refused::from(error) });
    }
    Ok(Actor { token: holder.id, label: holder.label, request: Arc::clone(&visit.id), bulk: false })
}

/// The scheme and host by which the client reached us.
pub(super) fn origin(state: &State, parts: &Parts) -> String {
    reached(state, parts, "")
}

/// The same with a path behind it.
fn reached(state: &State, parts: &Parts, path: &str) -> String {
    if let Some(url) = &state.url {
        return [url.trim_end_matches('/'), path].concat();
    }
    // HTTP/2 has no `Host`, but says the same in the URL.
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(Authority::as_str).or(host).unwrap_or("localhost");
    let scheme = if state.tls.is_some() { "https" } else { "http" };
    [scheme, "://", host, path].concat()
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
    Some(document.map(|document| Answer::document(document.to_string())).ok_or_else(|| {
        ScimError::not_found(format!("{name} {:?}", crate::text::shorten(id.unwrap_or_default()))).into()
    }))
}

fn only(method: &Method, allowed: &[Method], text: &'static str) -> Result<(), Refused> {
    if allowed.contains(method) { Ok(()) } else { Err(not_allowed(text)) }
}

/// The body, when it is JSON by its header and not too large.
async fn read(state: &State, headers: &HeaderMap, body: Body) -> Result<Bytes, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(SCIM_JSON);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(SCIM_JSON) && !kind.eq_ignore_ascii_case("application/json") {
        let message = format!("the body is {:?}; send {SCIM_JSON}", crate::text::shorten(kind));
        return Err(ScimError::status(415, message).into());
    }
    let most = state.limits.body;
    match to_bytes(body, most).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.source().is_some_and(<dyn Error>::is::<LengthLimitError>) => {
            Err(ScimError::too_large(format!("the body has more than {most} bytes")).into())
        }
        Err(_) => Err(ScimError::invalid_syntax("the body ended early, or its chunks are broken").into()),
    }
}

async fn read_json(state: &State, headers: &HeaderMap, body: Body) -> Result<Value, Refused> {
    Ok(json(&read(state, headers, body).await?)?)
}

/// What a write sends; when it cannot be read, the provisioning log says so.
async fn sent<T>(
    directory: &Directory,
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    body: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    let body = body.await;
    if let Err(refused) = &body {
        Box::pin(directory.log_refusal(call, attempt, &refused.error)).await;
    }
    body
}

fn json(bytes: &[u8]) -> Result<Value, ScimError> {
    serde_json::from_slice(bytes).map_err(|error| ScimError::invalid_syntax(format!("the body is not JSON: {error}")))
}

fn answered(state: &State, answer: Answer) -> Response<Body> {
    let body = match answer.body {
        None => Body::empty(),
        Some(Content::Whole(text)) => Body::from(text),
        Some(Content::Pieces(pieces)) => Body::new(Pieces::new(pieces)),
        Some(Content::Begun(begin, rest)) => {
            let parts = state.directory.parts(rest).inspect_err(|error| {
                tracing::error!(target: "server", %error, "the rest of an answer could not be read");
            });
            Body::from_stream(stream::once(ready(Ok(begin))).chain(parts))
        }
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let has_body = status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.reserve(MOST_ADDED);
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    }
    for (name, value) in [(header::LOCATION, answer.location), (header::ETAG, answer.etag)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

pub(super) fn refusal(refused: &Refused) -> Response<Body> {
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
            let parts: Vec<&str> = found.parts.iter().take(found.count).map(AsRef::as_ref).collect();
            assert_eq!((found.source, found.root, parts.as_slice()), ("a", root, rest), "{path}");
        }
        for path in ["/", "/scim", "/scim/a", "/scim/a/v1/Users", "/scim/a/v2x", "/other/scim/a/v2"] {
            assert!(place(path).is_none(), "{path}");
        }
    }
}
