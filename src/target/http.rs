//! The HTTP client under the remote targets: sends one request with a token and sorts what comes into [`TargetError`].
//! It never tries again: waiting and repeating is the sync's.
//!
//! A token goes to the host of the configuration and nowhere else: neither redirects nor links of the target's own pages
//! lead it away. Limits: an answer of [`MAX_ANSWER`] bytes after unpacking, [`MAX_WORDS`] characters of a refusal's words,
//! [`MAX_HOPS`] redirects of a GET within the host.

mod token;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Object, TargetError};
pub(super) use reqwest::{Method, Url};
pub(super) use token::Credentials;
pub(super) use token::Form;

/// The most bytes of an answer, unpacked: a group of 100,000 members fits with room to spare.
pub(super) const MAX_ANSWER: usize = 64 << 20;
/// The most bytes that are read of an answer that refuses; the rest is cut off.
const MAX_REFUSAL: usize = 64 << 10;
/// The most characters of a target's own words in an error.
pub(super) const MAX_WORDS: usize = 300;
/// What is shorter is no secret, and would be found in many a word.
const MIN_SECRET: usize = 8;
/// How many redirects of one GET are followed.
const MAX_HOPS: usize = 3;
/// The longest wait that a target can ask for; a longer one counts as this.
const MAX_WAIT: Duration = Duration::from_hours(24);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Text that never shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hidden(pub(super) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
}

impl Call {
    /// A request without a body.
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: None }
    }

    /// With a header. What cannot stand in a header is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// With a JSON body of this media type (`application/json`, `application/scim+json`).
    pub(super) fn json(self, media: &str, body: &impl Serialize) -> Self {
        let mut call = self.header(CONTENT_TYPE, media);
        // Values, and structures of texts, always are JSON.
        call.body = Some(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
        call
    }
}

/// What came back, whatever its status. In what refuses (400 and above) our secrets are blotted out.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body, unpacked.
    pub(super) body: Bytes,
    /// What no error may repeat.
    secrets: Vec<Hidden>,
}

impl Reply {
    /// The reply when its status is below 300; otherwise what its status means for the object with this id.
    pub(super) fn ok(self, id: &str) -> Result<Self, TargetError> {
        if self.status < 300 { Ok(self) } else { Err(self.refusal(id)) }
    }

    /// What a status of 300 and above means for the object with this id.
    pub(super) fn refusal(&self, id: &str) -> TargetError {
        let words = match words(&self.body) {
            words if words.is_empty() => cut(self.text(&WWW_AUTHENTICATE).unwrap_or_default()),
            words => words,
        };
        refusal(self.status, wait(&self.headers), words, id)
    }

    /// What the status of a part of this reply (a batch's, a bulk's) means. `body`: what the part says of itself.
    pub(super) fn part(&self, status: u16, wait: Option<Duration>, body: &Value, id: &str) -> TargetError {
        let body = blot(&Bytes::from(body.to_string()), &self.secrets);
        refusal(status, wait, words(&body), id)
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, TargetError> {
        self.read()
    }

    /// The body as this.
    pub(super) fn read<'r, T: Deserialize<'r>>(&'r self) -> Result<T, TargetError> {
        serde_json::from_slice(&self.body).map_err(|error| TargetError::Protocol {
            what: format!("the body of a {} is no JSON ({error}): {:?}", self.status, words(&self.body)),
        })
    }

    /// The body as a JSON object.
    pub(super) fn object(&self) -> Result<Object, TargetError> {
        match self.json()? {
            Value::Object(object) => Ok(object),
            _ => Err(TargetError::Protocol { what: format!("the body of a {} is JSON, but no object", self.status) }),
        }
    }

    /// A header as text.
    pub(super) fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sorts a status, of a reply or of a part of a batch. `words`: the target's own, see [`words()`].
///
/// Weather: 408, 425, 429, 5xx but 501, and a 403 that says when to come back. 3xx is a matter of the configuration.
pub(super) fn refusal(status: u16, wait: Option<Duration>, words: String, id: &str) -> TargetError {
    let said = |what: &str| if words.is_empty() { what.to_owned() } else { format!("{what}: {words}") };
    match status {
        403 if wait.is_some() => TargetError::Weather { what: said("403"), wait },
        401 | 403 => TargetError::Denied { what: said(&status.to_string()) },
        404 | 410 => TargetError::Missing { id: id.to_owned() },
        409 => TargetError::Exists { what: said("409") },
        408 | 425 | 429 | 500 | 502..=599 => TargetError::Weather { what: said(&status.to_string()), wait },
        400..=499 | 501 => TargetError::Rejected { status, what: words },
        300..=399 => TargetError::Protocol {
            what: format!("{status} points elsewhere; write the address that answers into the configuration"),
        },
        _ => TargetError::Protocol { what: said(&format!("status {status}")) },
    }
}

/// A target's own words in a body that refuses: those of SCIM (RFC 7644, 3.12), OData and OAuth, otherwise the text as it
/// is; at most [`MAX_WORDS`] characters, control characters made blanks.
pub(super) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Ok(json) = serde_json::from_str::<Value>(&text) else { return cut(&text) };
    let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let kind = at("/scimType").or_else(|| at("/error/code")).or_else(|| at("/error"));
    let said = ["/detail", "/error/message", "/error_description", "/message", "/Errors/0/description"];
    let said = said.into_iter().find_map(at);
    match (kind, said) {
        (Some(kind), Some(said)) => cut(&format!("{kind}: {said}")),
        (Some(one), None) | (None, Some(one)) => cut(one),
        (None, None) => cut(&text),
    }
}

/// The beginning of a text, on one line.
fn cut(text: &str) -> String {
    let line = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line = line.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}

/// How long the target asks to wait (RFC 9110, 10.2.3): seconds, or a date, which is counted from the target's own clock
/// when it tells it. At most a day.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    wait_of(text(RETRY_AFTER)?, now)
}

/// What a `Retry-After` says at a time; `None` when it cannot be read.
pub(super) fn wait_of(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        let seconds = text.parse::<f64>().ok()?;
        Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_WAIT))
}

/// Sends requests to one host, with a token.
#[derive(Debug)]
pub(super) struct Caller {
    client: reqwest::Client,
    /// Where tokens may go: the configured base.
    home: Url,
    credentials: Arc<Credentials>,
    timeout: Duration,
    accept: &'static str,
}

impl Caller {
    /// A caller for what is below this base, `https://…`.
    ///
    /// # Errors
    /// The base is no address of HTTP, or holds a password; the machine has no certificates to trust.
    pub(super) fn new(base: &str, credentials: Credentials, timeout: Duration) -> Result<Self, String> {
        let home = address(base)?;
        let is_plain = home.scheme() == "http" && is_loopback(&home) && credentials.are_plain();
        let client = client(&home, timeout, is_plain)?;
        let accept = "application/scim+json, application/json";
        Ok(Self { client, home, credentials: Arc::new(credentials), timeout, accept })
    }

    /// The same, asking for these media types instead of SCIM's.
    pub(super) fn accepting(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// The configured base.
    pub(super) fn home(&self) -> &Url {
        &self.home
    }

    /// The token that the next request would have; `None` where there are none.
    pub(super) async fn token(&self) -> Result<Option<Hidden>, TargetError> {
        self.credentials.token(&self.client).await
    }

    /// Sends a request and sorts what comes: `Ok` is a status below 300. `id`: the object it is about, for errors.
    pub(super) async fn call(&self, call: Call, id: &str) -> Result<Reply, TargetError> {
        self.send(call).await?.ok(id)
    }

    /// Sends a request. Any status is a reply; an error is weather, a refused token, or a call that leads away from home.
    /// A 401 to a token that was fetched makes it fetched anew, once.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, TargetError> {
        let token = self.credentials.token(&self.client).await?;
        let reply = self.follow(&call, token.as_ref()).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        match self.credentials.renewed(&self.client, token.as_ref()).await? {
            Some(token) => self.follow(&call, Some(&token)).await,
            None => Ok(reply),
        }
    }

    /// Sends it, and goes after a GET that is redirected within the host. Other methods are not repeated elsewhere: a client
    /// that turns a redirected POST into a GET would take a list for a success.
    async fn follow(&self, call: &Call, token: Option<&Hidden>) -> Result<Reply, TargetError> {
        let mut url = call.url.clone();
        for _ in 0..=MAX_HOPS {
            let reply = self.once(call, &url, token).await?;
            let redirected = call.method == Method::GET && matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            match reply.text(&LOCATION).filter(|_| redirected).and_then(|to| url.join(to).ok()) {
                Some(to) => url = to,
                None => return Ok(reply),
            }
        }
        Err(TargetError::Protocol { what: format!("more than {MAX_HOPS} redirects") })
    }

    async fn once(&self, call: &Call, url: &Url, token: Option<&Hidden>) -> Result<Reply, TargetError> {
        if url.origin() != self.home.origin() {
            return Err(TargetError::Protocol {
                what: format!(
                    "it points to {}, and our token goes to {} alone",
                    url.origin().ascii_serialization(),
                    self.home.origin().ascii_serialization()
                ),
            });
        }
        let mut request = self.client.request(call.method.clone(), url.clone());
        request = request.header(ACCEPT, self.accept);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| weather(&error, url, self.timeout))?;
        let mut reply = read(response, url, self.timeout).await?;
        reply.secrets = self.credentials.secrets(token);
        // Some services have their key in the address.
        reply.secrets.extend(self.home.query_pairs().map(|(_, value)| Hidden(value.into_owned())));
        if reply.status >= 400 {
            reply.body = blot(&reply.body, &reply.secrets);
        }
        Ok(reply)
    }
}

/// An address of HTTP without a password in it.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("an address cannot be read: {error}; write https://…"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{:?} is no address of HTTP; write https://…", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address holds a name or password; secrets belong into variables or files".to_owned());
    }
    Ok(url)
}

/// Has rustls take ring, before a client is made. Whoever was first chose the same.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client of HTTP/1.1 and 2 with rustls over ring, trusting what the machine trusts. `is_plain`: whether it never meets TLS; then
/// it trusts nobody, for to read what the machine trusts takes longer than many a run.
fn client(home: &Url, timeout: Duration, is_plain: bool) -> Result<reqwest::Client, String> {
    use_ring();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("provisor/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(timeout)
        .connect_timeout(CONNECT.min(timeout));
    // A proxy of the environment never stands between this machine and itself.
    let builder = if is_loopback(home) { builder.no_proxy() } else { builder };
    let builder = if is_plain { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(|error| format!("no HTTP client can be made: {}", cause(&error.without_url())))
}

/// Whether an address is this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bearer(token: &Hidden) -> Result<HeaderValue, TargetError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.0))
        .map_err(|_| TargetError::Denied { what: "the token has characters that no header can have".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads an answer to its end, or to the limit.
async fn read(mut response: reqwest::Response, url: &Url, timeout: Duration) -> Result<Reply, TargetError> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let limit = if status < 400 { MAX_ANSWER } else { MAX_REFUSAL };
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| weather(&error, url, timeout))? {
        if body.len() + piece.len() > limit {
            if status >= 400 {
                break;
            }
            return Err(TargetError::Protocol {
                what: format!("the answer of {} has more than {limit} bytes", place(url)),
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(Reply { status, headers, body: body.into(), secrets: Vec::new() })
}

/// A failure below HTTP, told without the query, which may name people.
fn weather(error: &reqwest::Error, url: &Url, timeout: Duration) -> TargetError {
    let place = place(url);
    let what = if error.is_builder() {
        return TargetError::Protocol { what: format!("no request for {place} can be made: {}", cause(error)) };
    } else if error.is_timeout() {
        format!("{place} did not answer within {} s", timeout.as_secs_f32())
    } else if error.is_connect() {
        format!("{place} cannot be reached: {}", cause(error))
    } else if error.is_decode() {
        format!("the answer of {place} cannot be unpacked: {}", cause(error))
    } else {
        format!("the connection to {place} broke: {}", cause(error))
    };
    TargetError::Weather { what, wait: None }
}

/// Host and port.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The innermost cause, which says most.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    cut(&error.to_string())
}

/// The body with our secrets blotted out, in case the target repeats them.
fn blot(body: &Bytes, secrets: &[Hidden]) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let secrets = secrets.iter().map(|secret| secret.0.as_str());
    let mut told = secrets.filter(|secret| secret.len() >= MIN_SECRET && text.contains(secret)).peekable();
    if told.peek().is_none() {
        return body.clone();
    }
    Bytes::from(told.fold(text.to_string(), |text, secret| text.replace(secret, "[secret]")))
}
