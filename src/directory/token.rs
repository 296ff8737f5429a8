//! Tokens: what a client shows to be let in. They are random, shown once, and kept as hashes.
//!
//! A token reads `prv1_<id>_<secret>`: the prefix tells a foreign or older token from a wrong one, the id names it in lists
//! and logs, the secret is 256 bits. Tokens that an operator sets by environment may be any text of 16 characters and more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Millis;

/// What every token that we make begins with.
pub const PREFIX: &str = "prv1_";
/// How long a token is good when nobody says otherwise: 90 days.
pub const DEFAULT_LIFE: Millis = 90 * DAY;
/// A day.
pub const DAY: Millis = 24 * 60 * 60 * 1_000;
/// The shortest token that an operator may set.
pub const MIN_LENGTH: usize = 16;

/// What a token opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The SCIM endpoint of one source.
    Scim {
        /// The source's slug.
        source: String,
    },
    /// The admin API.
    Admin,
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Names it; no secret.
    pub id: String,
    /// What the operator called it.
    pub label: String,
    /// What it opens.
    pub scope: Scope,
    /// SHA-256 of the whole token, in hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created: Millis,
    /// When it ends; `None` never.
    pub expires: Option<Millis>,
    /// When it was revoked.
    pub revoked: Option<Millis>,
}

/// Why a token does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// It is not one of ours by its looks: another product's, or of an older version.
    Foreign,
    /// It looks right and is not known.
    Unknown,
    /// It has ended.
    Expired,
    /// It was revoked.
    Revoked,
    /// It opens something else.
    WrongScope,
    /// It is an access token of the token endpoint, and its time is over.
    Ended,
}

impl Refusal {
    /// What the client is told. Nothing in it helps to guess.
    pub fn words(self) -> &'static str {
        match self {
            Refusal::Missing => "a bearer token is needed: `Authorization: Bearer prv1_…`",
            Refusal::Foreign => {
                "this is no token of this server: ours begin with `prv1_`; was it made by another product or an older version?"
            }
            Refusal::Unknown => "the token is not known here: was it copied whole?",
            Refusal::Expired => "the token has expired: make a new one with `provisor token create`",
            Refusal::Revoked => "the token was revoked",
            Refusal::WrongScope => "the token is for another source",
            Refusal::Ended => "the access token has ended: get another from the token endpoint",
        }
    }
}

/// The hash under which a token is kept.
pub fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Makes a token of random bytes; the first part is its id.
pub fn make(random: &[u8; 40]) -> (String, String) {
    make_with(PREFIX, random)
}

/// As [`make`], with another prefix.
pub(super) fn make_with(prefix: &str, random: &[u8; 40]) -> (String, String) {
    let (id, secret) = random.split_at(8);
    let id = id_of(id);
    let token = format!("{prefix}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    (id, token)
}

/// A name for what random bytes stand for: letters and digits, no secret.
pub(super) fn id_of(random: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(random).replace(['-', '_'], "x")
}

/// Whole days until `expires`; negative from then on.
pub fn days_until(expires: Millis, now: Millis) -> i64 {
    (expires as i64).saturating_sub(now as i64).div_euclid(DAY as i64)
}

impl Token {
    /// Whether the token with this [`hash`] is this one, and why not if not. Takes the same time wherever the two differ.
    pub fn opens(&self, hash: &str, now: Millis) -> Result<(), Refusal> {
        if !bool::from(hash.as_bytes().ct_eq(self.hash.as_bytes())) {
            return Err(Refusal::Unknown);
        }
        if self.revoked.is_some() {
            return Err(Refusal::Revoked);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    /// Whole days until it ends; `None` when it never does.
    pub fn days_left(&self, now: Millis) -> Option<i64> {
        self.expires.map(|expires| days_until(expires, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(given: &str) -> Token {
        Token {
            id: "a".into(),
            label: "entra".into(),
            scope: Scope::Admin,
            hash: hash(given),
            created: 0,
            expires: Some(10),
            revoked: None,
        }
    }

    #[test]
    fn only_the_token_opens_and_only_while_it_lasts() {
        let (id, made) = make(&[7; 40]);
        assert!(made.starts_with(PREFIX) && made.contains(&id));
        let kept = token(&made);
        assert_eq!(kept.opens(&hash(&made), 9), Ok(()));
        assert_eq!(kept.opens(&hash(&made), 10), Err(Refusal::Expired));
        assert_eq!(kept.opens(&hash("prv1_other"), 9), Err(Refusal::Unknown));
        assert_eq!(Token { revoked: Some(1), ..kept }.opens(&hash(&made), 9), Err(Refusal::Revoked));
    }
}
