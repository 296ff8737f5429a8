//! How an application signs in: client credentials with a secret, or with an assertion that the key of a certificate signs.
//!
//! The assertion is what Microsoft documents under "certificate credentials": PS256, the certificate's SHA-256 thumbprint in
//! `x5t#S256`, ten minutes, an id that is used once. The PEM file is read for each token, so that a renewed one needs no
//! restart.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::GraphSettings;
use super::super::http::{Credentials, Form};

/// How long an assertion holds, in seconds.
const HOLDS: u64 = 600;

/// What lets the application in. `url`: the token endpoint; `scope`: that of its Graph.
///
/// # Errors
/// The settings name no secret and no certificate, or both; what they name cannot be read.
pub(super) fn credentials(
    settings: &GraphSettings,
    beside: &Path,
    url: &str,
    scope: &str,
) -> Result<Credentials, String> {
    let timeout = Duration::from_secs(settings.timeout);
    match (&settings.client_secret, &settings.certificate) {
        (Some(secret), None) => {
            let secret = secret.read(beside).map_err(|error| format!("client_secret: {error}"))?;
            Credentials::with_secret(url, &settings.client_id, &secret, Some(scope), timeout)
        }
        (None, Some(file)) => {
            let file = beside.join(file);
            let (client, audience, scope) = (settings.client_id.clone(), url.to_owned(), scope.to_owned());
            Signer::read(&file)?;
            let form: Form = Box::new(move || {
                let assertion = Signer::read(&file)?.assertion(&client, &audience)?;
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_id", &client),
                    ("scope", &scope),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", &assertion),
                ];
                Ok(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
            });
            Credentials::client(url, form, Vec::new(), timeout)
        }
        (None, None) => Err("Microsoft Graph needs a client_secret or a certificate".to_owned()),
        (Some(_), Some(_)) => Err("client_secret and certificate exclude each other; leave one out".to_owned()),
    }
}

/// A certificate's thumbprint and its key.
struct Signer {
    thumbprint: String,
    key: RsaKeyPair,
}

impl Signer {
    /// Reads a PEM file with `CERTIFICATE` and `PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1). The first certificate
    /// is the application's.
    fn read(file: &Path) -> Result<Self, String> {
        let told = |what: &str| format!("certificate {}: {what}", file.display());
        let pem = fs::read(file).map_err(|error| told(&error.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| told("it holds no CERTIFICATE"))?;
        // What a parser says of a key stays unsaid.
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| told("it holds no PRIVATE KEY; append the key to the file, without a passphrase"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
            _ => None,
        };
        let key = key.ok_or_else(|| told("the key is no RSA key of 2,048 bits or more, which Microsoft asks for"))?;
        Ok(Self { thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)), key })
    }

    /// A signed assertion (RFC 7523, section 3) for one token request.
    fn assertion(&self, client: &str, audience: &str) -> Result<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let head = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": audience, "iss": client, "sub": client, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now, "iat": now, "exp": now + HOLDS,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&head), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| "the certificate's key cannot sign".to_owned())?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
