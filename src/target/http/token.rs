//! Where a caller's token comes from: the configuration, or a token endpoint by OAuth 2.0 client credentials (RFC 6749, 4.4).
//! A fetched token is kept until shortly before it ends.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Hidden, Reply, TargetError, Url, address, blot, read, wait, weather, words};

/// How long a token is kept when its endpoint does not say.
const UNTOLD: u64 = 300;
/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_mins(1);

/// Makes the fields of a token request, anew for each: an assertion that is signed has a time in it. An error says what
/// to mend and no secret.
pub(in crate::target) type Form = Box<dyn Fn() -> Result<Vec<(String, String)>, String> + Send + Sync>;

/// What lets us in.
pub(in crate::target) enum Credentials {
    /// Nothing.
    None,
    /// A token that never changes.
    Token(Hidden),
    /// Tokens of a token endpoint.
    Client(Box<Issuer>),
}

impl Credentials {
    /// Whether nothing of them crosses TLS.
    pub(in crate::target) fn are_plain(&self) -> bool {
        match self {
            Self::Client(issuer) => issuer.url.scheme() == "http",
            Self::None | Self::Token(_) => true,
        }
    }
}

/// A token endpoint, and the token that it gave last.
pub(in crate::target) struct Issuer {
    url: Url,
    form: Form,
    secrets: Vec<Hidden>,
    timeout: Duration,
    held: Mutex<Option<Held>>,
    /// Whether it wants the client's name and secret in the header (RFC 6749, 2.3.1); found out when it refuses them in the
    /// body.
    basic: AtomicBool,
}

struct Held {
    token: Hidden,
    until: Instant,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Client(_) => f.write_str("Client(…)"),
        }
    }
}

impl Credentials {
    /// Client credentials. `secrets` are blotted out of what the endpoint says; `timeout` is that of one request.
    ///
    /// # Errors
    /// The endpoint is no address of HTTP.
    pub(in crate::target) fn client(
        url: &str,
        form: Form,
        secrets: Vec<String>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let url = address(url)?;
        let secrets = secrets.into_iter().map(Hidden).collect();
        Ok(Self::Client(Box::new(Issuer {
            url,
            form,
            secrets,
            timeout,
            held: Mutex::new(None),
            basic: AtomicBool::new(false),
        })))
    }

    /// Client credentials with a secret, which is sent in the body, or in the header to an endpoint that refuses it there.
    ///
    /// # Errors
    /// The endpoint is no address of HTTP.
    pub(in crate::target) fn with_secret(
        url: &str,
        client_id: &str,
        secret: &str,
        scope: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let mut fields =
            vec![("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", secret)];
        fields.extend(scope.map(|scope| ("scope", scope)));
        let fields: Vec<(String, String)> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::client(url, Box::new(move || Ok(fields.clone())), vec![secret.to_owned()], timeout)
    }

    /// The token to send now; one that is kept, or a new one.
    pub(super) async fn token(&self, client: &Client) -> Result<Option<Hidden>, TargetError> {
        match self {
            Self::None => Ok(None),
            Self::Token(token) => Ok(Some(token.clone())),
            Self::Client(issuer) => {
                let mut held = issuer.held.lock().await;
                match held.as_ref().filter(|held| Instant::now() < held.until) {
                    Some(held) => Ok(Some(held.token.clone())),
                    None => issuer.fetch(client, &mut held).await.map(Some),
                }
            }
        }
    }

    /// Another token than this one, which was refused; `None` when there is no other.
    pub(super) async fn renewed(
        &self,
        client: &Client,
        refused: Option<&Hidden>,
    ) -> Result<Option<Hidden>, TargetError> {
        let Self::Client(issuer) = self else { return Ok(None) };
        let mut held = issuer.held.lock().await;
        // Of calls that were refused at once, the first fetches and the others use what it got.
        match held.as_ref().filter(|held| Some(&held.token) != refused) {
            Some(held) => Ok(Some(held.token.clone())),
            None => issuer.fetch(client, &mut held).await.map(Some),
        }
    }

    /// What is to be blotted out of what a target says.
    pub(super) fn secrets(&self, token: Option<&Hidden>) -> Vec<Hidden> {
        let more = match self {
            Self::Client(issuer) => issuer.secrets.as_slice(),
            Self::None | Self::Token(_) => &[],
        };
        token.into_iter().chain(more).cloned().collect()
    }
}

impl Issuer {
    /// Asks the endpoint for a token and keeps it.
    async fn fetch(&self, client: &Client, held: &mut Option<Held>) -> Result<Hidden, TargetError> {
        *held = None;
        let fields = (self.form)().map_err(|what| TargetError::Denied { what })?;
        let basic = self.basic.load(Ordering::Relaxed);
        let mut reply = self.ask(client, &fields, basic).await?;
        let secret = fields.iter().any(|(name, _)| name == "client_secret");
        if !basic && secret && matches!(reply.status, 400 | 401) && words(&reply.body).starts_with("invalid_client") {
            let other = self.ask(client, &fields, true).await?;
            if other.status < 300 {
                self.basic.store(true, Ordering::Relaxed);
                reply = other;
            }
        }
        if reply.status >= 300 {
            reply.body = blot(&reply.body, &self.secrets);
            return Err(refused(&reply));
        }
        let (token, life) = granted(&reply)?;
        // A short-lived token is used for most of its life all the same.
        let margin = MARGIN.min(life / 5);
        *held = Some(Held { token: token.clone(), until: Instant::now() + life.saturating_sub(margin) });
        Ok(token)
    }

    /// One request to the endpoint, with the client's name and secret in the header or in the body.
    async fn ask(&self, client: &Client, fields: &[(String, String)], basic: bool) -> Result<Reply, TargetError> {
        let form = |fields: Vec<&(String, String)>| {
            form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
        };
        let own = |name: &str| basic && matches!(name, "client_id" | "client_secret");
        let body = form(fields.iter().filter(|(name, _)| !own(name)).collect());
        let mut request = client.post(self.url.clone()).timeout(self.timeout).body(body);
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(ACCEPT, "application/json");
        if basic {
            let value = |wanted: &str| {
                let value = fields.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value);
                form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>()
            };
            request = request.basic_auth(value("client_id"), Some(value("client_secret")));
        }
        let response = request.send().await.map_err(|error| weather(&error, &self.url, self.timeout))?;
        read(response, &self.url, self.timeout).await
    }
}

/// Why there is no token. A 4xx of a token endpoint is about our credentials (RFC 6749, 5.2), but for those that pass.
fn refused(reply: &Reply) -> TargetError {
    let what = format!("the token endpoint answers {}: {}", reply.status, words(&reply.body));
    match reply.status {
        408 | 425 | 429 | 500..=599 => TargetError::Weather { what, wait: wait(&reply.headers) },
        400..=499 => TargetError::Denied { what },
        _ => TargetError::Protocol { what },
    }
}

/// The token of an answer and how long it lives. Nothing of the answer goes into an error: it may hold a token.
fn granted(reply: &Reply) -> Result<(Hidden, Duration), TargetError> {
    let odd = |what: &str| TargetError::Protocol { what: format!("the token endpoint's answer {what}") };
    let json: Value = serde_json::from_slice(&reply.body).map_err(|_| odd("is no JSON"))?;
    let token = json.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| odd("has no access_token"))?;
    if let Some(kind) = json.get("token_type").and_then(Value::as_str)
        && !kind.eq_ignore_ascii_case("bearer")
    {
        return Err(odd("gives a token of another type than Bearer"));
    }
    // Some endpoints write the number as text.
    let life = json.get("expires_in").and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok()));
    let life = life.unwrap_or(UNTOLD).min(super::MAX_WAIT.as_secs());
    Ok((Hidden(token.to_owned()), Duration::from_secs(life)))
}
