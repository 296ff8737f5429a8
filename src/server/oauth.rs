//! The token endpoint: `POST /oauth/{source}/token` gives access tokens for the source's SCIM endpoint to clients that prove
//! who they are (RFC 6749, section 4.4).
//!
//! A client shows its secret in the body or as HTTP Basic (section 2.3.1), or an assertion of the issuer that is trusted for
//! it (RFC 7523, section 2.2). Every refusal is a body of section 5.2. What is said of a client that is not known is said of
//! a wrong secret too; the server's log knows more.

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{self, Path};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use super::State;
use super::parameters::decoded;
use super::registry::{Allowed, Rejection};
use crate::directory::client::Denial;

/// The largest body, in bytes.
const MAX_BODY: usize = 64 * 1_024;
/// What a client may ask for; it gets the same either way.
const SCOPES: [&str; 2] = ["scim", "scim.readwrite"];
/// The one kind of assertion (RFC 7523, section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a client waits when an issuer's keys are not to be had, in seconds; before that nobody asks for them again.
const KEYS_WAIT: u64 = 60;

/// A refusal (RFC 6749, section 5.2).
struct Refused {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after: Option<u64>,
    allow: bool,
}

impl Refused {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), retry_after: None, allow: false }
    }

    fn request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn client(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    fn later(status: StatusCode, seconds: u64, description: impl Into<String>) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, "temporarily_unavailable", description) }
    }

    /// What a client is told of its rejection, which the log has in full.
    fn rejected(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Secret(Denial::Expired) => {
                Self::client("the secret has expired: make a new one with `provisor client secret`")
            }
            Rejection::Secret(Denial::Revoked) => Self::client("the secret, or its client, was revoked"),
            Rejection::Secret(Denial::Unknown) => {
                Self::client("the client is not known here, or its secret is another: were both copied whole?")
            }
            Rejection::Assertion(Some(fault)) if fault.is_told() => Self::client(fault.words()),
            Rejection::Assertion(_) => Self::client(
                "the client is not known here, or the assertion is not the one configured for it: are issuer, subject and keys the same on both sides?",
            ),
            Rejection::Keys(_) => Self::later(
                StatusCode::SERVICE_UNAVAILABLE,
                KEYS_WAIT,
                "the keys of the assertion's issuer are not to be had now; the server's log says why",
            ),
        }
    }
}

fn logged(source: &str, client: Option<&str>, rejection: &Rejection) {
    let why = match rejection {
        Rejection::Secret(Denial::Unknown) => "no such client or secret",
        Rejection::Secret(Denial::Expired) => "the secret has expired",
        Rejection::Secret(Denial::Revoked) => "the secret or its client was revoked",
        Rejection::Assertion(None) => "no client for whom the assertion could stand",
        Rejection::Assertion(Some(fault)) => fault.words(),
        Rejection::Keys(why) => why,
    };
    let client = client.map(crate::text::shorten).unwrap_or_default();
    tracing::warn!(target: "oauth", source = %crate::text::shorten(source), client = %client, why, "no access token was given");
}

/// Every request to the endpoint.
pub(super) async fn handle(
    extract::State(state): extract::State<State>,
    Path(source): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let begun = Instant::now();
    let id = Uuid::new_v4().to_string();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = answer(&state, &source, request).await;
    let client = answer.as_ref().map(|(allowed, _)| allowed.client.id.clone()).unwrap_or_default();
    let mut response = match answer {
        Ok((_, response)) => response,
        Err(refused) => refusal(&refused),
    };
    let headers = response.headers_mut();
    // Section 5.1: nobody on the way keeps what is here.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", value);
    }
    let status = response.status().as_u16();
    state.counters.token_answer(status);
    tracing::info!(
        target: "access",
        %method,
        path,
        status,
        token = client,
        request = id,
        ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    );
    response
}

async fn answer(state: &State, source: &str, request: Request<Body>) -> Result<(Allowed, Response<Body>), Refused> {
    // A source that is not there has one count for all its names, or names could be made up to fill the memory.
    let key = if state.registry.source(source).is_some() { source.to_owned() } else { String::new() };
    let waits = state.gate.knock(&key).err();
    let wanted = asked(request).await;
    // Whoever has the right secret is let in although others have used the endpoint up. The others learn nothing.
    let allowed = match &wanted {
        Ok(wanted) => authenticate(state, source, wanted).await,
        Err(_) => Err(Refused::request("")),
    };
    if let Some(wait) = waits {
        let has_reserve = allowed.as_ref().is_ok_and(|allowed| state.gate.has_reserve(&allowed.client.id));
        if !has_reserve {
            return Err(busy(wait));
        }
    }
    let wanted = wanted?;
    let allowed = allowed?;
    let scope = match wanted.scope.as_deref() {
        None => "scim",
        Some(asked) => SCOPES.into_iter().find(|known| *known == asked).ok_or_else(|| {
            let known = SCOPES.join("` or `");
            Refused::new(StatusCode::BAD_REQUEST, "invalid_scope", format!("`scope` is `{known}`, or left out"))
        })?,
    };
    let (token, seconds) = state.registry.issue(&allowed).map_err(|error| {
        tracing::error!(target: "oauth", %error);
        Refused::later(StatusCode::INTERNAL_SERVER_ERROR, 1, "the server failed; its log says how")
    })?;
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": scope});
    Ok((allowed, Response::new(Body::from(body.to_string()))))
}

fn busy(wait: Duration) -> Refused {
    let words = "the token endpoint is asked too often: an access token is good for an hour and more, keep it";
    Refused::later(StatusCode::TOO_MANY_REQUESTS, wait.as_secs() + 1, words)
}

/// What a client asks for.
struct Wanted {
    client: Option<String>,
    proof: Proof,
    scope: Option<String>,
}

/// How it proves who it is.
enum Proof {
    Secret(String),
    Assertion(String),
}

/// Reads a request.
async fn asked(request: Request<Body>) -> Result<Wanted, Refused> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "the token endpoint takes POST");
        return Err(Refused { allow: true, ..refused });
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let sent =
            if kind.is_empty() { "has no type".to_owned() } else { format!("is {:?}", crate::text::shorten(kind)) };
        return Err(Refused::request(format!("the body {sent}; send application/x-www-form-urlencoded, not JSON")));
    }
    let bytes = to_bytes(body, MAX_BODY).await;
    let bytes =
        bytes.map_err(|_| Refused::request(format!("the body has more than {MAX_BODY} bytes, or ended early")))?;
    let mut parameters = Parameters::read(&bytes)?;
    match parameters.take("grant_type").as_deref() {
        None => return Err(Refused::request("`grant_type` is missing: it is `client_credentials`")),
        Some("client_credentials") => {}
        Some(other) => {
            let words = format!("`grant_type` is `client_credentials` here, not {:?}", crate::text::shorten(other));
            return Err(Refused::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", words));
        }
    }
    let scope = parameters.take("scope");
    let (client, proof) = proof(&parts.headers, &mut parameters)?;
    Ok(Wanted { client, proof, scope })
}

/// The one way in which a client proves who it is; two at once are none (section 2.3).
fn proof(headers: &HeaderMap, parameters: &mut Parameters) -> Result<(Option<String>, Proof), Refused> {
    let basic = headers.get(header::AUTHORIZATION).map(basic).transpose()?;
    let named = parameters.take("client_id");
    let secret = parameters.take("client_secret");
    let (kind, assertion) = (parameters.take("client_assertion_type"), parameters.take("client_assertion"));
    let ways = [basic.is_some(), secret.is_some(), assertion.is_some() || kind.is_some()];
    if ways.into_iter().filter(|is_used| *is_used).count() > 1 {
        return Err(Refused::request(
            "one way to prove who you are, not several: Basic, `client_secret` or `client_assertion`",
        ));
    }
    if let Some((client, secret)) = basic {
        if named.is_some_and(|named| named != client) {
            return Err(Refused::request("`client_id` in the body is another than in the Authorization header"));
        }
        return Ok((Some(client), Proof::Secret(secret)));
    }
    match (secret, kind.as_deref(), assertion) {
        (Some(secret), _, _) => {
            let client = named.ok_or_else(|| Refused::request("`client_id` is missing beside `client_secret`"))?;
            Ok((Some(client), Proof::Secret(secret)))
        }
        (None, Some(JWT_BEARER), Some(assertion)) => Ok((named, Proof::Assertion(assertion))),
        (None, Some(JWT_BEARER), None) => Err(Refused::request("`client_assertion` is missing")),
        (None, Some(_), _) | (None, None, Some(_)) => {
            Err(Refused::request(format!("`client_assertion_type` is `{JWT_BEARER}`")))
        }
        (None, None, None) => Err(Refused::client(
            "who are you? Send `client_id` and `client_secret` (in the body or as Basic), or a `client_assertion`",
        )),
    }
}

/// Id and secret of a Basic header, each of them form-encoded before it was put there (section 2.3.1).
fn basic(header: &HeaderValue) -> Result<(String, String), Refused> {
    let wrong = || Refused::client("the Authorization header is no `Basic` with the client's id and secret in base64");
    let (scheme, rest) = header.to_str().ok().and_then(|text| text.trim().split_once(' ')).ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let pair = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let (client, secret) = pair.split_once(':').ok_or_else(wrong)?;
    Ok((decoded(client).into_owned(), decoded(secret).into_owned()))
}

/// The parameters of a body; one without a value is one that was not sent (section 3.2).
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty()) {
            if read.iter().any(|(known, _)| *known == name) {
                return Err(Refused::request(format!("`{}` stands there twice", crate::text::shorten(&name))));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

async fn authenticate(state: &State, source: &str, wanted: &Wanted) -> Result<Allowed, Refused> {
    let client = wanted.client.as_deref();
    let allowed = match &wanted.proof {
        Proof::Secret(secret) => state.registry.client_by_secret(source, client.unwrap_or_default(), secret),
        Proof::Assertion(assertion) => state.registry.client_by_assertion(source, client, assertion).await,
    };
    allowed.map_err(|rejection| {
        logged(source, client, &rejection);
        Refused::rejected(&rejection)
    })
}

fn refusal(refused: &Refused) -> Response<Body> {
    // Section 5.2 has a list of the characters that may stand here; quotes are not on it.
    let allowed = |letter: char| match letter {
        '"' => '\'',
        ' '..='~' if letter != '\\' => letter,
        _ => '?',
    };
    let description: String = refused.description.chars().map(allowed).collect();
    let body = json!({"error": refused.error, "error_description": description});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = refused.status;
    let headers = response.headers_mut();
    if refused.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"provisor\""));
    }
    if let Some(seconds) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refused.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
