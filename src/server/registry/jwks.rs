//! The keys of issuers, fetched over HTTP and kept by their address (RFC 7517).
//!
//! Keys are fetched when an assertion names one that is not known, at most once a minute for each address, and anew after a
//! day. An issuer that is down costs nothing while its known keys do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use tokio::sync::Mutex;

use crate::clock::Millis;
use crate::directory::assertion::{Algorithm, KeySet};

/// The least time between two fetches of one address, in milliseconds.
const PAUSE: Millis = 60 * 1_000;
/// The age at which keys are fetched anew, in milliseconds.
const OLD: Millis = 24 * 60 * 60 * 1_000;
/// The largest set of keys, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1_024;
/// How long an issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of an address.
#[derive(Clone, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    /// When the keys came.
    fetched: Millis,
    /// When they were last asked for.
    tried: Option<Millis>,
    /// Why they did not come then.
    failed: Option<String>,
}

/// The keys by address.
#[derive(Default)]
pub(super) struct KeySets {
    known: RwLock<HashMap<String, Known>>,
    /// One fetch of an address at a time: a storm of assertions is to be one request.
    fetching: Mutex<HashMap<String, Arc<Mutex<()>>>>,
    clients: OnceLock<Result<Clients, String>>,
}

struct Clients {
    /// For the world: through the proxy of the environment, when there is one.
    outside: Client,
    /// For this machine: through no proxy.
    loopback: Client,
}

impl KeySets {
    /// The keys of an address, with the key named if the issuer has it; the error says why none are to be had now.
    pub(super) async fn get(
        &self,
        address: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Millis,
    ) -> Result<Arc<KeySet>, String> {
        if let Some(answer) = self.held(address, kid, algorithm, now) {
            return answer;
        }
        let turn = Arc::clone(self.fetching.lock().await.entry(address.to_owned()).or_default());
        let _one = turn.lock().await;
        // Another may have fetched them while this one waited.
        if let Some(answer) = self.held(address, kid, algorithm, now) {
            return answer;
        }
        let fetched = self.fetch(address).await;
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(address.to_owned()).or_default();
        known.tried = Some(now);
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                *known = Known { keys: Some(Arc::clone(&keys)), fetched: now, tried: Some(now), failed: None };
                Ok(keys)
            }
            Err(why) => {
                known.failed = Some(why.clone());
                known.usable(kid, algorithm).ok_or(why)
            }
        }
    }

    /// The answer without a fetch; `None` when it is time for one.
    fn held(
        &self,
        address: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Millis,
    ) -> Option<Result<Arc<KeySet>, String>> {
        let all = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(address)?;
        let usable = known.usable(kid, algorithm);
        if let Some(keys) = &usable
            && now.saturating_sub(known.fetched) < OLD
        {
            return Some(Ok(Arc::clone(keys)));
        }
        if known.tried.is_none_or(|tried| now.saturating_sub(tried) >= PAUSE) {
            return None;
        }
        // Too early to ask again: what is there must do.
        match (usable, &known.failed, &known.keys) {
            (Some(keys), _, _) => Some(Ok(keys)),
            (None, Some(why), _) => Some(Err(why.clone())),
            (None, None, keys) => keys.clone().map(Ok),
        }
    }

    async fn fetch(&self, address: &str) -> Result<KeySet, String> {
        let (url, is_loopback) = parse(address)?;
        let clients = self.clients.get_or_init(Clients::new).as_ref().map_err(Clone::clone)?;
        let client = if is_loopback { &clients.loopback } else { &clients.outside };
        let told = |error: &dyn std::fmt::Display| format!("{address}: {error}");
        let request = client.get(url).header("accept", "application/json");
        let mut response = request.send().await.map_err(|error| told(&causes(error)))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(told(&format!("the answer is {}", response.status())));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| told(&causes(error)))? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(told(&format!("the answer has more than {MAX_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let set = serde_json::from_slice(&bytes).map_err(|error| told(&error))?;
        KeySet::parse(&set).map_err(|error| told(&error))
    }
}

/// An error of HTTP with what lies below it: alone it says only that something failed.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut below = std::error::Error::source(&error);
    while let Some(cause) = below {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        below = cause.source();
    }
    words
}

impl Known {
    /// The keys, when the one named is among them.
    fn usable(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<KeySet>> {
        self.keys.clone().filter(|keys| keys.has(kid, algorithm))
    }
}

impl Clients {
    fn new() -> Result<Self, String> {
        crate::target::use_ring();
        let builder = || {
            Client::builder()
                .timeout(TIMEOUT)
                .redirect(redirect::Policy::none())
                .user_agent(concat!("provisor/", env!("CARGO_PKG_VERSION")))
        };
        let outside = builder().https_only(true).build().map_err(|error| error.to_string())?;
        let loopback = builder().no_proxy().build().map_err(|error| error.to_string())?;
        Ok(Self { outside, loopback })
    }
}

/// What is wrong with an address of keys: it is `https`, or `http` on this machine.
pub(super) fn check(address: &str) -> Result<(), String> {
    parse(address).map(|_| ())
}

/// The address, and whether it is on this machine.
fn parse(address: &str) -> Result<(Url, bool), String> {
    let url = Url::parse(address).map_err(|error| format!("{address:?} is no URL: {error}"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
    if !is_safe || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(format!(
            "{address:?} cannot be where keys are: it begins with https:// (http:// on this machine alone) and has neither a user nor a fragment"
        ));
    }
    Ok((url, is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in ["https://issuer.example/keys?a=b", "http://127.0.0.1:1/", "http://localhost/k", "http://[::1]:2/k"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "keys",
            "http://issuer.example/keys",
            "http://127.0.0.1.example/",
            "https://a:b@issuer.example/",
            "https://issuer.example/#a",
            "file:///etc/passwd",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
