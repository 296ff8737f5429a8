//! Clients: who gets access tokens at the token endpoint of a source (RFC 6749, section 4.4), by a secret or by an assertion of
//! an issuer that is trusted for it (RFC 7523, section 2.2).
//!
//! A secret reads `prvs1_<id>_<secret>`, is shown once and kept as a hash. A client has up to two live ones, so that a new one
//! is in place before the old one goes. A client's id reads `prvc1_<id>` and is no secret.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::token::{self, DAY};
use crate::clock::Millis;

/// What every client's id begins with.
pub const ID_PREFIX: &str = "prvc1_";
/// What every secret begins with.
pub const SECRET_PREFIX: &str = "prvs1_";
/// How many minutes an access token is good when nobody says otherwise, and at least.
pub const MIN_MINUTES: u32 = 60;
/// How many minutes an access token is good at most.
pub const MAX_MINUTES: u32 = 360;
/// How many days a secret is good when nobody says otherwise.
pub const DEFAULT_DAYS: u64 = 365;
/// How many days a secret is good at most: three years.
pub const MAX_DAYS: u64 = 1_095;
/// How many secrets of a client may be live.
pub const MAX_LIVE: usize = 2;
/// How many clients a source may have, revoked ones aside.
pub const MAX_CLIENTS: usize = 50;
/// How many secrets that are not live any more are remembered, so that whoever still shows one is told what became of it.
const REMEMBERED: usize = 8;
/// The longest label, in characters.
const MAX_LABEL: usize = 100;
/// The longest issuer, subject, audience or address of keys, in bytes.
const MAX_CLAIM: usize = 1_024;

/// A client as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// What the operator called it.
    pub label: String,
    /// The slug of the source that its access tokens open.
    pub source: String,
    /// How many minutes its access tokens are good.
    pub minutes: u32,
    /// When it was made.
    pub created: Millis,
    /// When it was revoked.
    pub revoked: Option<Millis>,
    /// Its secrets, the oldest first.
    pub secrets: Vec<Secret>,
    /// Whose assertions stand for it.
    pub federation: Option<Federation>,
}

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Names it; no secret.
    pub id: String,
    /// SHA-256 of the whole secret, in hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created: Millis,
    /// When it ends.
    pub expires: Millis,
    /// When it was revoked.
    pub revoked: Option<Millis>,
}

/// A federated credential: an issuer whose signed assertions stand for the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Federation {
    /// Names it; no secret.
    pub id: String,
    /// What `iss` must be, letter for letter.
    pub issuer: String,
    /// What `sub` must be, letter for letter.
    pub subject: String,
    /// What `aud` must be or have. `/.default` at the end means nothing: a portal shows it, an assertion leaves it away.
    pub audience: String,
    /// Where the issuer's keys are (RFC 7517).
    pub jwks_uri: Option<String>,
    /// The keys themselves, for networks from which the issuer is not reached.
    pub jwks: Option<Value>,
    /// When it was made.
    pub created: Millis,
}

/// Why a client is not let in. What is said of one that is not known is said of a wrong secret too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The client, or its secret, is not known.
    Unknown,
    /// The secret was right and has ended.
    Expired,
    /// The secret was right, and it or its client was revoked.
    Revoked,
}

impl Secret {
    /// Whether it still lets anybody in.
    pub fn is_live(&self, now: Millis) -> bool {
        self.revoked.is_none() && self.expires > now
    }
}

impl Client {
    /// The secret with this [`token::hash`], when it lets the client in. Takes the same time wherever the two differ.
    pub fn secret(&self, hash: &str, now: Millis) -> Result<&Secret, Denial> {
        let mut found = None;
        for secret in &self.secrets {
            if bool::from(hash.as_bytes().ct_eq(secret.hash.as_bytes())) {
                found = Some(secret);
            }
        }
        match found {
            None => Err(Denial::Unknown),
            Some(secret) if self.revoked.is_some() || secret.revoked.is_some() => Err(Denial::Revoked),
            Some(secret) if secret.expires <= now => Err(Denial::Expired),
            Some(secret) => Ok(secret),
        }
    }

    /// Whether access tokens that were given for this credential are still good. One that has ended gives no new ones, and lets
    /// the old ones end by themselves; one that was revoked ends them.
    pub fn stands_for(&self, credential: &str) -> bool {
        let secret = || self.secrets.iter().any(|secret| secret.id == credential && secret.revoked.is_none());
        let federation = || self.federation.as_ref().is_some_and(|federation| federation.id == credential);
        self.revoked.is_none() && (secret() || federation())
    }

    /// Its live secrets.
    pub fn live(&self, now: Millis) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |secret| secret.is_live(now))
    }

    /// Adds a secret made of random bytes and gives it; forgets the oldest of those that are not live.
    pub(crate) fn add_secret(&mut self, random: &[u8; 40], days: u64, now: Millis) -> (String, String) {
        let (id, secret) = token::make_with(SECRET_PREFIX, random);
        let expires = now.saturating_add(days.saturating_mul(DAY));
        let hash = token::hash(&secret);
        self.secrets.push(Secret { id: id.clone(), hash, created: now, expires, revoked: None });
        while self.secrets.len() > MAX_LIVE + REMEMBERED {
            let Some(dead) = self.secrets.iter().position(|secret| !secret.is_live(now)) else { break };
            self.secrets.remove(dead);
        }
        (id, secret)
    }
}

/// A client's id, of random bytes.
pub(crate) fn make_id(random: [u8; 8]) -> String {
    format!("{ID_PREFIX}{}", token::id_of(&random))
}

/// A federated credential's id, of random bytes.
pub(crate) fn make_federation_id(random: [u8; 8]) -> String {
    token::id_of(&random)
}

/// What is wrong with a label.
pub fn check_label(label: &str) -> Result<(), String> {
    let length = label.chars().count();
    if (1..=MAX_LABEL).contains(&length) && !label.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("a label has 1 to {MAX_LABEL} characters, without line breaks"))
}

/// What is wrong with the minutes of access tokens.
pub fn check_minutes(minutes: u32) -> Result<(), String> {
    if (MIN_MINUTES..=MAX_MINUTES).contains(&minutes) {
        return Ok(());
    }
    Err(format!("an access token is good for {MIN_MINUTES} to {MAX_MINUTES} minutes, not {minutes}"))
}

/// What is wrong with the days of a secret.
pub fn check_days(days: u64) -> Result<(), String> {
    if (1..=MAX_DAYS).contains(&days) {
        return Ok(());
    }
    Err(format!("a client's secret is good for 1 to {MAX_DAYS} days, not {days}"))
}

/// What is wrong with a claim to be compared.
pub fn check_claim(name: &str, value: &str) -> Result<(), String> {
    if !value.trim().is_empty() && value.len() <= MAX_CLAIM && value.trim() == value {
        return Ok(());
    }
    Err(format!("`{name}` has 1 to {MAX_CLAIM} bytes, without blanks around them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            id: make_id([1; 8]),
            label: "entra".into(),
            source: "acme".into(),
            minutes: 60,
            created: 0,
            revoked: None,
            secrets: Vec::new(),
            federation: None,
        }
    }

    #[test]
    fn a_secret_lets_in_while_it_lives() {
        let mut client = client();
        let (id, secret) = client.add_secret(&[7; 40], 1, 0);
        assert!(secret.starts_with(SECRET_PREFIX) && secret.contains(&id));
        let hash = token::hash(&secret);
        assert_eq!(client.secret(&hash, DAY - 1).map(|secret| &secret.id), Ok(&id));
        assert_eq!(client.secret(&hash, DAY), Err(Denial::Expired));
        assert!(client.stands_for(&id), "what was given ends by itself");
        assert_eq!(client.secret("", 0), Err(Denial::Unknown));
        client.secrets[0].revoked = Some(1);
        assert_eq!(client.secret(&hash, 2), Err(Denial::Revoked));
        assert!(!client.stands_for(&id));
    }

    #[test]
    fn what_is_dead_is_forgotten_in_the_end() {
        let mut client = client();
        for number in 0..30 {
            client.add_secret(&[number; 40], 1, u64::from(number) * DAY);
        }
        assert_eq!(client.secrets.len(), MAX_LIVE + REMEMBERED);
        assert_eq!(client.live(29 * DAY).count(), 1);
    }
}
