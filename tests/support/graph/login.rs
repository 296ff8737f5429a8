//! The token endpoint: client credentials with a secret or a signed assertion, and what an application may do.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{self, KeyPair, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::wire::{Answer, Request};
use super::{CLIENT, SECRET, TENANT, odata_error};

pub(crate) struct Login {
    pub(crate) tokens: HashMap<String, Instant>,
    pub(crate) life: u64,
    pub(crate) rights: BTreeSet<String>,
    /// Whether tokens are no JWT.
    pub(crate) opaque: bool,
    given: usize,
    /// The thumbprint and the public key.
    certificate: Option<(String, Vec<u8>)>,
    used: BTreeSet<String>,
}

impl Default for Login {
    fn default() -> Self {
        let rights = ["User.ReadWrite.All", "Group.ReadWrite.All", "Organization.Read.All"].map(str::to_owned).into();
        let (tokens, used) = (HashMap::new(), BTreeSet::new());
        Self { tokens, life: 3_599, rights, opaque: false, given: 0, certificate: None, used }
    }
}

/// The bytes between the lines of a PEM file.
fn pem(text: &str, label: &str) -> Vec<u8> {
    let (from, to) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let inner = text.split_once(&from).unwrap().1.split_once(&to).unwrap().0;
    STANDARD.decode(inner.split_whitespace().collect::<String>()).unwrap()
}

impl Login {
    pub(crate) fn accept(&mut self, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap();
        let certificate = pem(&text, "CERTIFICATE");
        let key = RsaKeyPair::from_pkcs8(&pem(&text, "PRIVATE KEY")).unwrap();
        let public = key.public_key().as_ref().to_vec();
        assert!(certificate.windows(public.len()).any(|window| window == public), "the certificate is of another key");
        self.certificate = Some((URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)), public));
    }

    /// `POST /{tenant}/oauth2/v2.0/token`.
    pub(crate) fn token(&mut self, request: &Request, endpoint: &str) -> Answer {
        let form: HashMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |status, error: &str, text: &str| {
            Answer::new(status, json!({"error": error, "error_description": text, "error_codes": []}))
        };
        if request.header("content-type") != Some("application/x-www-form-urlencoded") {
            return refuse(400, "invalid_request", "AADSTS900144: The request body must contain: 'grant_type'.");
        }
        if request.segments.first().map(String::as_str) != Some(TENANT) {
            let text = format!("AADSTS90002: Tenant '{}' not found.", request.segments[0]);
            return refuse(400, "invalid_request", &text);
        }
        if field("grant_type") != "client_credentials" {
            return refuse(400, "unsupported_grant_type", "AADSTS70003: The grant type is not supported.");
        }
        if !field("scope").ends_with("/.default") {
            return refuse(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.");
        }
        if field("client_id") != CLIENT {
            return refuse(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.");
        }
        if let Some(assertion) = form.get("client_assertion") {
            if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
                return refuse(400, "invalid_request", "AADSTS900144: client_assertion_type is missing.");
            }
            if let Err(why) = self.verify(assertion, endpoint) {
                let text =
                    format!("AADSTS700027: The certificate with identifier used to sign the client assertion: {why}.");
                return refuse(401, "invalid_client", &text);
            }
        } else if field("client_secret") != SECRET {
            return refuse(
                401,
                "invalid_client",
                "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
            );
        }
        self.given += 1;
        let token = self.written();
        self.tokens.insert(token.clone(), Instant::now() + Duration::from_secs(self.life));
        Answer::new(
            200,
            json!({"token_type": "Bearer", "expires_in": self.life, "ext_expires_in": self.life, "access_token": token}),
        )
    }

    /// A token as Microsoft Entra writes it: a JWT whose `roles` are the application's permissions; or one that says nothing.
    fn written(&self) -> String {
        if self.opaque {
            return format!("graph-token-{}", self.given);
        }
        let roles: Vec<&String> = self.rights.iter().collect();
        let claims = json!({"aud": "https://graph.microsoft.com", "appid": CLIENT, "roles": roles, "uti": self.given});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.graph-token-{}", part(&json!({"typ": "JWT", "alg": "RS256"})), part(&claims), self.given)
    }

    /// Header, claims and signature of a client assertion.
    fn verify(&mut self, assertion: &str, endpoint: &str) -> Result<(), String> {
        let Some((thumbprint, public)) = &self.certificate else { return Err("none is registered".into()) };
        let parts: Vec<&str> = assertion.split('.').collect();
        let [head, claims, signed] = parts[..] else { return Err("not a JWT".into()) };
        let decode = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        let (head, claims, signed_text) = (decode(head), decode(claims), format!("{head}.{claims}"));
        if head["typ"] != "JWT" || head["x5t#S256"] != thumbprint.as_str() {
            return Err(format!("the header is {head}"));
        }
        let way: &dyn signature::VerificationAlgorithm = match head["alg"].as_str() {
            Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
            _ => return Err("alg".into()),
        };
        let key = UnparsedPublicKey::new(way, public);
        let signature = URL_SAFE_NO_PAD.decode(signed).map_err(|_| "the signature is not base64")?;
        key.verify(signed_text.as_bytes(), &signature).map_err(|_| "the signature is wrong")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (from, to) = (claims["nbf"].as_u64().ok_or("nbf")?, claims["exp"].as_u64().ok_or("exp")?);
        if claims["aud"] != endpoint || claims["iss"] != CLIENT || claims["sub"] != CLIENT {
            return Err(format!("the claims are {claims}"));
        }
        if from > now || to <= now || to - from > 900 {
            return Err(format!("{from} to {to} at {now}"));
        }
        if !self.used.insert(claims["jti"].as_str().ok_or("jti")?.to_owned()) {
            return Err("the jti was used before".into());
        }
        Ok(())
    }

    /// Whether the token is one of ours and lives.
    pub(crate) fn admits(&self, request: &Request) -> Result<(), Answer> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        match token.and_then(|token| self.tokens.get(token)) {
            Some(end) if *end > Instant::now() => Ok(()),
            Some(_) => {
                Err(odata_error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."))
            }
            None => Err(odata_error(
                401,
                "InvalidAuthenticationToken",
                "Access token validation failure. Invalid audience.",
            )),
        }
    }
}
