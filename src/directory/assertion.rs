//! Assertions: JSON Web Tokens by which an issuer says who a client is (RFC 7523, section 3), and the keys by which it signs
//! them (RFC 7517).
//!
//! The signatures are those of ring: RS256, PS256 and ES256. Nothing is believed of an assertion before its signature is
//! found right, and `none` and the algorithms with a shared secret are no algorithms here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Federation;
use crate::clock::Millis;

/// The longest assertion, in bytes.
pub const MAX_LENGTH: usize = 16 * 1_024;
/// The most keys of a set that are looked at.
pub const MAX_KEYS: usize = 100;
/// How many seconds the issuer's clock may be ahead of ours or behind it.
pub const SKEW: u64 = 300;

/// How an assertion is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, PKCS #1 version 1.5, SHA-256.
    Rs256,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// ECDSA on P-256, SHA-256.
    Es256,
}

/// Why an assertion is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON Web Token that we could check; the text says what is missing.
    Malformed(&'static str),
    /// It is signed in a way that we do not take.
    Algorithm,
    /// The issuer has no key of that name for that algorithm.
    UnknownKey,
    /// The signature is not the key's.
    Signature,
    /// `iss` is another.
    Issuer,
    /// `sub` is another.
    Subject,
    /// `aud` is another.
    Audience,
    /// `exp` is over.
    Expired,
    /// `nbf` is yet to come.
    NotYet,
}

impl Fault {
    /// What is wrong, in words for the log and, where [`Fault::is_told`], for the client.
    pub fn words(self) -> &'static str {
        match self {
            Fault::Malformed(what) => what,
            Fault::Algorithm => "`alg` of the assertion must be RS256, PS256 or ES256",
            Fault::UnknownKey => "the issuer's keys have none with the assertion's `kid` for its `alg`",
            Fault::Signature => "the assertion's signature is not that of the issuer's key",
            Fault::Issuer => "`iss` of the assertion is not the configured issuer",
            Fault::Subject => "`sub` of the assertion is not the configured subject",
            Fault::Audience => "`aud` of the assertion is not the configured audience",
            Fault::Expired => "the assertion has expired (`exp`, with five minutes of grace)",
            Fault::NotYet => "the assertion is not valid yet (`nbf`, with five minutes of grace)",
        }
    }

    /// Whether the client may hear of it: it says nothing of what is configured here, or comes after the signature was right.
    pub fn is_told(self) -> bool {
        matches!(self, Fault::Malformed(_) | Fault::Algorithm | Fault::Audience | Fault::Expired | Fault::NotYet)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// An assertion taken apart, and not believed yet.
pub struct Assertion<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Assertion<'a> {
    /// Takes it apart.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > MAX_LENGTH {
            return Err(Fault::Malformed("the assertion is longer than 16 KiB"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Malformed("the assertion has no signature"))?;
        let (header, claims) =
            signed.split_once('.').ok_or(Fault::Malformed("the assertion does not have three parts"))?;
        let header: Header =
            part(header).ok_or(Fault::Malformed("the assertion's header is no JSON with `alg` in base64 for URLs"))?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::Rs256,
            "PS256" => Algorithm::Ps256,
            "ES256" => Algorithm::Es256,
            _ => return Err(Fault::Algorithm),
        };
        if header.crit.is_some() {
            return Err(Fault::Malformed("the assertion's header asks for extensions (`crit`) that we do not know"));
        }
        let claims = part(claims).ok_or(Fault::Malformed(
            "the assertion's claims are no JSON with `iss`, `sub`, `aud` and `exp` in base64 for URLs",
        ))?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| Fault::Malformed("the assertion's signature is not base64 for URLs"))?;
        Ok(Self { algorithm, kid: header.kid, claims, signed, signature })
    }

    /// The name of the key that it says it is signed with.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// How it says that it is signed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it says that it is of this issuer about this subject; then its signature is worth a look.
    pub fn is_for(&self, federation: &Federation) -> Result<(), Fault> {
        if self.claims.iss != federation.issuer {
            return Err(Fault::Issuer);
        }
        if self.claims.sub == federation.subject { Ok(()) } else { Err(Fault::Subject) }
    }

    /// Whether it is to be believed: signature first, then what it says, then when.
    pub fn verify(&self, keys: &KeySet, federation: &Federation, now: Millis) -> Result<(), Fault> {
        let key = keys.find(self.kid(), self.algorithm).ok_or(Fault::UnknownKey)?;
        key.verify(self.algorithm, self.signed.as_bytes(), &self.signature)?;
        self.is_for(federation)?;
        let resource = |audience: &str| audience.strip_suffix("/.default").unwrap_or(audience).to_owned();
        let wanted = resource(&federation.audience);
        let is_ours = match &self.claims.aud {
            Audience::One(audience) => resource(audience) == wanted,
            Audience::Several(audiences) => audiences.iter().any(|audience| resource(audience) == wanted),
        };
        if !is_ours {
            return Err(Fault::Audience);
        }
        let (now, skew) = (now as f64 / 1_000.0, SKEW as f64);
        if self.claims.exp + skew <= now {
            return Err(Fault::Expired);
        }
        if self.claims.nbf.is_some_and(|nbf| nbf - skew > now) {
            return Err(Fault::NotYet);
        }
        Ok(())
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The public keys of an issuer.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    kid: Option<String>,
    /// The one algorithm that it is for, when it says so.
    only: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point as ring takes it: 4, x, y.
    P256(Vec<u8>),
}

impl KeySet {
    /// The keys of a JWK Set that can check signatures; the others are left out.
    pub fn parse(set: &Value) -> Result<Self, String> {
        let listed = set.get("keys").and_then(Value::as_array);
        let listed = listed.ok_or("a JWK Set is an object with a list `keys` (RFC 7517, section 5)")?;
        if listed.len() > MAX_KEYS {
            return Err(format!("the JWK Set has more than {MAX_KEYS} keys"));
        }
        let keys: Vec<Key> = listed.iter().filter_map(|key| Key::parse(key.as_object()?)).collect();
        if keys.is_empty() {
            return Err("the JWK Set has no RSA or P-256 key for signatures".to_owned());
        }
        Ok(Self { keys })
    }

    /// Whether it has the key that an assertion names.
    pub fn has(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.find(kid, algorithm).is_some()
    }

    /// The key of that name; without a name the only one that can be meant.
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| key.is_for(algorithm));
        if kid.is_some() {
            return fitting.find(|key| key.kid.as_deref() == kid);
        }
        let first = fitting.next();
        if fitting.next().is_some() { None } else { first }
    }
}

impl Key {
    fn parse(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        let verifies = fields.get("key_ops").is_none_or(|operations| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
        });
        if text("use").is_some_and(|usage| usage != "sig") || !verifies {
            return None;
        }
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { modulus: unsigned(bytes("n")?), exponent: unsigned(bytes("e")?) },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if (x.len(), y.len()) != (32, 32) {
                    return None;
                }
                Material::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            _ => return None,
        };
        Some(Self { kid: text("kid").map(str::to_owned), only: text("alg").map(str::to_owned), material })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let (name, fits) = match (algorithm, &self.material) {
            (Algorithm::Rs256, material) => ("RS256", matches!(material, Material::Rsa { .. })),
            (Algorithm::Ps256, material) => ("PS256", matches!(material, Material::Rsa { .. })),
            (Algorithm::Es256, material) => ("ES256", matches!(material, Material::P256(_))),
        };
        fits && self.only.as_deref().is_none_or(|only| only == name)
    }

    fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), Fault> {
        let verified = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, Algorithm::Rs256 | Algorithm::Ps256) => {
                let parameters = if algorithm == Algorithm::Rs256 {
                    &signature::RSA_PKCS1_2048_8192_SHA256
                } else {
                    &signature::RSA_PSS_2048_8192_SHA256
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, signed, signature)
            }
            (Material::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            _ => return Err(Fault::UnknownKey),
        };
        verified.map_err(|_| Fault::Signature)
    }
}

/// Without zeros in front, which some issuers write and ring refuses.
fn unsigned(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assertion(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(claims), encode("x"))
    }

    #[test]
    fn what_is_no_assertion_is_said_to_be_none() {
        let claims = r#"{"iss": "i", "sub": "s", "aud": ["a"], "exp": 1}"#;
        assert!(Assertion::parse(&assertion(r#"{"alg": "ES256"}"#, claims)).is_ok());
        for alg in ["none", "HS256", "HS512", "RS512", "es256", ""] {
            let text = assertion(&format!(r#"{{"alg": "{alg}"}}"#), claims);
            assert_eq!(Assertion::parse(&text).err(), Some(Fault::Algorithm), "{alg}");
        }
        for (header, claims) in [
            ("{}", claims),
            (r#"{"alg": "ES256", "crit": ["b64"]}"#, claims),
            (r#"{"alg": "ES256"}"#, r#"{"iss": "i", "sub": "s", "aud": "a"}"#),
            (r#"{"alg": "ES256"}"#, r#"{"iss": 1, "sub": "s", "aud": "a", "exp": 1}"#),
        ] {
            assert!(
                matches!(Assertion::parse(&assertion(header, claims)).err(), Some(Fault::Malformed(_))),
                "{header}"
            );
        }
        for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", &"a".repeat(MAX_LENGTH + 1)] {
            assert!(matches!(Assertion::parse(text).err(), Some(Fault::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn sets_keep_what_can_check_signatures() {
        let key = |more: &str| format!(r#"{{"keys": [{{"kty": "RSA", "n": "AQAB", "e": "AQAB"{more}}}]}}"#);
        let parse = |text: &str| KeySet::parse(&serde_json::from_str(text).unwrap());
        let set = parse(&key(r#", "kid": "a", "alg": "RS256", "use": "sig""#)).unwrap();
        assert!(set.has(Some("a"), Algorithm::Rs256) && set.has(None, Algorithm::Rs256));
        assert!(!set.has(Some("a"), Algorithm::Ps256) && !set.has(Some("b"), Algorithm::Rs256));
        for bad in ["{}", "[]", r#"{"keys": []}"#, r#"{"keys": [1, {"kty": "oct", "k": "AA"}]}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&key(r#", "use": "enc""#)).is_err() && parse(&key(r#", "key_ops": ["sign"]"#)).is_err());
    }
}
