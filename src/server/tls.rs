//! [`Certificates`]: the server's certificate and key, looked at again while it runs, and what rustls is told about them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use sha2::{Digest as _, Sha256};

use super::expiry;
use crate::clock::Millis;
use crate::directory::token::DAY;

/// The largest file that is read as a certificate or key, in bytes.
const LARGEST: u64 = 1 << 20;
/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(30);
/// Days before the end from which on the log says each day that it comes.
const WARN_DAYS: i64 = 30;

/// Why a certificate or key cannot be used: the file and the cause, and never what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// A pair as it was in the files.
struct Pair {
    ready: Arc<CertifiedKey>,
    /// The end of the server's certificate, when it can be read.
    not_after: Option<Millis>,
}

/// What the files hold.
struct Seen {
    certificate: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
}

/// The pair that is in use, and the files that it comes from.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    pair: RwLock<Pair>,
    /// The digest of what the files held when they were last looked at: a broken pair is told once.
    seen: RwLock<[u8; 32]>,
    /// The days left of which the log spoke last.
    warned: RwLock<Option<i64>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's to read.
        f.debug_struct("Certificates").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads both files.
    ///
    /// # Errors
    /// A file is missing, cannot be read, holds no certificate or no key, or the two do not belong together: with the file
    /// and the cause.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = Seen::look(certificate, key);
        let pair = seen.pair(certificate, key, &provider)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            pair: RwLock::new(pair),
            seen: RwLock::new(seen.digest()),
            warned: RwLock::new(None),
        })
    }

    /// Looks at the files again: whether a new pair is in use now. `None` when nothing has changed since the last look.
    /// When the new pair cannot be used, the old one stays.
    ///
    /// # Errors
    /// As for [`Certificates::load`].
    pub fn reload(&self) -> Option<Result<(), TlsError>> {
        let seen = Seen::look(&self.certificate, &self.key);
        let digest = seen.digest();
        if *self.seen.read().unwrap_or_else(PoisonError::into_inner) == digest {
            return None;
        }
        let pair = seen.pair(&self.certificate, &self.key, &self.provider);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = digest;
        Some(pair.map(|pair| *self.pair.write().unwrap_or_else(PoisonError::into_inner) = pair))
    }

    /// Whole days until the certificate ends, negative behind its end; `None` when its end cannot be read.
    pub fn days_left(&self, now: Millis) -> Option<i64> {
        let end = self.pair.read().unwrap_or_else(PoisonError::into_inner).not_after?;
        let day = i64::try_from(DAY).ok()?;
        Some((i64::try_from(end).ok()? - i64::try_from(now).ok()?).div_euclid(day))
    }

    /// What the operator should know now; each day of an ending certificate is told once.
    pub fn warnings(&self, now: Millis) -> Vec<String> {
        let mut warnings = Vec::new();
        let days = self.days_left(now);
        let mut warned = self.warned.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(days) = days.filter(|days| *days <= WARN_DAYS && Some(*days) != *warned) {
            let file = self.certificate.display();
            warnings.push(match days {
                ..0 => format!("{file}: the certificate has expired; clients refuse it"),
                _ => format!("{file}: the certificate expires in {days} days"),
            });
        }
        *warned = days;
        warnings
    }

    /// Why the key is not kept as it should be: others on the machine can read it.
    pub fn exposed(&self) -> Option<String> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&self.key).ok()?.permissions().mode();
            (mode & 0o007 != 0).then(|| {
                let file = self.key.display();
                format!("{file}: every user of this machine can get at the private key: chmod o-rwx {file}")
            })
        }
        #[cfg(not(unix))]
        None
    }

    /// What rustls is to do: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// The library refuses its own defaults.
    pub fn config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsError(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Looks at the files again and again, and whenever the process is told to (SIGHUP). What changes and what is amiss goes to
/// the log. Does not end.
pub async fn watch(certificates: Arc<Certificates>, clock: impl Fn() -> Millis) {
    for warning in certificates.exposed().into_iter().chain(certificates.warnings(clock())) {
        tracing::warn!(target: "tls", "{warning}");
    }
    #[cfg(unix)]
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
    loop {
        #[cfg(unix)]
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            Some(()) = async { told.as_mut()?.recv().await } => {}
        }
        #[cfg(not(unix))]
        tokio::time::sleep(EVERY).await;
        let looked = tokio::task::spawn_blocking({
            let certificates = Arc::clone(&certificates);
            move || certificates.reload()
        });
        match looked.await.ok().flatten() {
            Some(Ok(())) => tracing::info!(target: "tls", "a new certificate is in use"),
            Some(Err(error)) => tracing::error!(target: "tls", "{error}; the old certificate stays in use"),
            None => {}
        }
        for warning in certificates.warnings(clock()) {
            tracing::warn!(target: "tls", "{warning}");
        }
    }
}

/// Gives each handshake the pair that is in use.
#[derive(Debug)]
struct Resolver(Arc<Certificates>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.pair.read().unwrap_or_else(PoisonError::into_inner).ready))
    }
}

impl Seen {
    fn look(certificate: &Path, key: &Path) -> Self {
        Self { certificate: contents(certificate), key: contents(key) }
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for content in [&self.certificate, &self.key] {
            match content {
                Ok(bytes) => digest.update(Sha256::digest(bytes)),
                Err(cause) => digest.update(cause),
            }
        }
        digest.finalize().into()
    }

    fn pair(&self, certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Pair, TlsError> {
        let about = |file: &Path, cause: &str| TlsError(format!("{}: {cause}", file.display()));
        let text = self.certificate.as_ref().map_err(|cause| about(certificate, cause))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text)
            .collect::<Result<_, _>>()
            .map_err(|_| about(certificate, "this is not PEM: a line between BEGIN and END is damaged"))?;
        let Some(own) = chain.first() else {
            return Err(about(
                certificate,
                "there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----",
            ));
        };
        let not_after = expiry::not_after(own);
        let text = self.key.as_ref().map_err(|cause| about(key, cause))?;
        let secret = PrivateKeyDer::from_pem_slice(text).map_err(|_| {
            about(key, "there is no private key in it that can be read: PEM (PKCS#8, PKCS#1 or SEC1), not encrypted")
        })?;
        let ready = CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                about(key, &format!("the key does not belong to the certificate in {}", certificate.display()))
            }
            rustls::Error::InvalidCertificate(_) => about(certificate, "the certificate in it is damaged"),
            _ => about(
                key,
                "the key is of a kind that is not supported: RSA from 2048 bits, ECDSA P-256 or P-384, Ed25519",
            ),
        })?;
        Ok(Pair { ready: Arc::new(ready), not_after })
    }
}

/// A file's bytes, or why there are none.
fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    fs::read(path).map_err(|error| error.to_string())
}
