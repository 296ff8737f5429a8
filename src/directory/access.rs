//! Access tokens: what the token endpoint gives. They are not kept; the server knows its own signature on them again.
//!
//! One reads `prva1_<claims>.<signature>`, both in base64 for URLs: the claims are a small JSON object, the signature is
//! HMAC-SHA256 over everything before the dot. Whoever has one can read its claims; none of them is a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::token::Refusal;
use crate::clock::Millis;

/// What every access token begins with. Another form of the claims will have another number.
pub const PREFIX: &str = "prva1_";
/// The length of the server's key, in bytes.
pub const KEY_LENGTH: usize = 32;
/// The longest access token that is looked at.
const MAX_LENGTH: usize = 1_024;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The slug of the source that it opens.
    #[serde(rename = "s")]
    pub source: String,
    /// The client it was given to.
    #[serde(rename = "c")]
    pub client: String,
    /// The secret or federated credential for which it was given.
    #[serde(rename = "k")]
    pub credential: String,
    /// When it ends.
    #[serde(rename = "e")]
    pub expires: Millis,
}

/// The server's key for access tokens.
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// The key of these bytes.
    pub fn new(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// An access token that says this.
    pub fn issue(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let mut token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        token
    }

    /// What an access token says, when it is ours and has not ended.
    pub fn read(&self, token: &str, now: Millis) -> Result<Claims, Refusal> {
        let parts = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
        let (Some((claims, signature)), true) = (parts, token.len() <= MAX_LENGTH) else {
            return Err(Refusal::Unknown);
        };
        let signed = token.get(..PREFIX.len() + claims.len()).unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Unknown)?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).map_err(|_| Refusal::Unknown)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Refusal::Unknown)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Refusal::Unknown)?;
        if claims.expires <= now { Err(Refusal::Ended) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_here_is_believed() {
        let key = SigningKey::new(&[1; KEY_LENGTH]);
        let claims = Claims { source: "acme".into(), client: "c".into(), credential: "k".into(), expires: 10 };
        let token = key.issue(&claims);
        assert_eq!(key.read(&token, 9), Ok(claims));
        assert_eq!(key.read(&token, 10), Err(Refusal::Ended));
        assert_eq!(SigningKey::new(&[2; KEY_LENGTH]).read(&token, 9), Err(Refusal::Unknown));
        for at in PREFIX.len()..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.read(std::str::from_utf8(&other).unwrap(), 9), Err(Refusal::Unknown), "{at}");
        }
        for other in ["", PREFIX, "prva1_.", "prva1_e30.", &format!("{PREFIX}{}", "A".repeat(5_000))] {
            assert_eq!(key.read(other, 9), Err(Refusal::Unknown), "{other}");
        }
    }
}
