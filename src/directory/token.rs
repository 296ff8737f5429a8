//! Tokens: what a client shows to be let in. They are random, shown once, and kept as hashes.
//!
//! A token reads `prv1_<id>_<secret>`: the prefix tells a foreign or older token from a wrong one, the id names it in lists
//! and logs, the secret is 256 bits. Tokens that an operator sets by environment may be any text of 16 characters and more.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

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
    /// The whole admin API.
    Admin,
    /// A part of the admin API.
    Api(Grant),
}

/// What a token may do at the admin API. Each role may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything but secrets, and try mappings.
    Read,
    /// Plan, run and resume syncs, resume sources, provision on demand.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 3] = [Role::Read, Role::Operate, Role::Admin];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Role::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| format!("{:?} is no role: there are read, operate and admin", crate::text::shorten(text)))
    }
}

/// A role, and where it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What may be done.
    pub role: Role,
    /// The slugs of the sources to which it is limited; none is no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

impl Grant {
    /// Whether it holds for a source.
    pub fn covers(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|known| known == source)
    }

    /// Whether it holds for all there is, also for what belongs to no source.
    pub fn is_whole(&self) -> bool {
        self.sources.is_empty()
    }
}

impl Scope {
    /// What a new token opens. Without a role, one source is its SCIM endpoint, and none is the whole admin API; with a role
    /// the sources limit it.
    ///
    /// # Errors
    /// Several sources without a role, or one source twice.
    pub fn of(role: Option<Role>, mut sources: Vec<String>) -> Result<Self, String> {
        let count = sources.len();
        sources.sort_unstable();
        sources.dedup();
        if sources.len() != count {
            return Err("a source stands there twice".to_owned());
        }
        match (role, sources.as_slice()) {
            (None | Some(Role::Admin), []) => Ok(Self::Admin),
            (Some(role), _) => Ok(Self::Api(Grant { role, sources })),
            (None, [source]) => Ok(Self::Scim { source: source.clone() }),
            (None, _) => {
                Err("a token for SCIM opens one source; a token for several is one of the API and has a role"
                    .to_owned())
            }
        }
    }

    /// What it may do at the admin API; `None` when it opens a SCIM endpoint.
    pub fn grant(&self) -> Option<Grant> {
        match self {
            Self::Scim { .. } => None,
            Self::Admin => Some(Grant { role: Role::Admin, sources: Vec::new() }),
            Self::Api(grant) => Some(grant.clone()),
        }
    }

    /// The sources that it names.
    pub fn sources(&self) -> &[String] {
        match self {
            Self::Scim { source } => std::slice::from_ref(source),
            Self::Admin => &[],
            Self::Api(grant) => &grant.sources,
        }
    }
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
    /// The hash of the whole token.
    pub hash: Digest,
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
            Refusal::WrongScope => {
                "the token is for another source, or for the API where SCIM is asked, or the other way round"
            }
            Refusal::Ended => "the access token has ended: get another from the token endpoint",
        }
    }
}

/// A SHA-256, in records as hexadecimal digits. Whoever looks for a token asks for the whole of it: what one learns of a digest by how
/// long that took leads to no token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Its hexadecimal digits.
    pub fn digits(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| char::from(DIGITS.get(usize::from(value & 15)).copied().unwrap_or_default());
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
    }

    /// The digest with these digits.
    fn read(digits: &str) -> Option<Self> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
        let bytes: Vec<u8> =
            pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<_>>()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.digits())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        Self::read(&digits).ok_or_else(|| serde::de::Error::custom("a SHA-256 has 64 hexadecimal digits"))
    }
}

/// The digits of the [`Digest`] of a secret.
pub fn hash(secret: &str) -> String {
    Digest::of(secret).digits()
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
    /// Whether it still opens anything, and why not if not.
    pub fn is_good(&self, now: Millis) -> Result<(), Refusal> {
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
            hash: Digest::of(given),
            created: 0,
            expires: Some(10),
            revoked: None,
        }
    }

    #[test]
    fn a_token_is_good_while_it_lasts() {
        let (id, made) = make(&[7; 40]);
        assert!(made.starts_with(PREFIX) && made.contains(&id));
        let kept = token(&made);
        assert_eq!((kept.is_good(9), kept.is_good(10)), (Ok(()), Err(Refusal::Expired)));
        assert_eq!(Token { revoked: Some(1), ..kept }.is_good(9), Err(Refusal::Revoked));
    }

    #[test]
    fn a_digest_is_kept_as_its_digits() {
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc"), known);
        let text = serde_json::to_string(&Digest::of("abc")).unwrap();
        assert_eq!(text, format!("\"{known}\""));
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), Digest::of("abc"));
        for bad in ["\"\"", "\"ba78\"", &text.replace('b', "x"), &text.replace("ad\"", "a\"")] {
            assert!(serde_json::from_str::<Digest>(bad).is_err(), "{bad}");
        }
    }
}
