//! The registry's clients: who may get access tokens, how they prove it, and what their access tokens open.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Mutex;

use super::jwks::{self, KeySets};
use super::{Holder, Registry, RegistryError, all, random};
use crate::clock::Millis;
use crate::directory::Directory;
use crate::directory::access::{self, SigningKey};
use crate::directory::assertion::{Assertion, Fault, KeySet};
use crate::directory::client::{self, Client, Denial, Federation};
use crate::directory::token::{self, Refusal};
use crate::store::{Table, When};

/// Before the ids of clients, in the table of settings.
const CLIENT: &str = "client/";
/// The server's key for access tokens, in the table of settings.
const KEY: &str = "oauth/signing-key";

/// What a new client is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClient {
    /// What the operator calls it.
    pub label: String,
    /// The slug of its source.
    pub source: String,
    /// How many minutes its access tokens are good.
    pub minutes: u32,
    /// How many days its first secret is good; `None` without a secret, for a federated credential alone.
    pub days: Option<u64>,
}

/// What a federated credential is to be; one of `jwks_uri` and `jwks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFederation {
    /// What `iss` must be.
    pub issuer: String,
    /// What `sub` must be.
    pub subject: String,
    /// What `aud` must be or have.
    pub audience: String,
    /// Where the issuer's keys are.
    pub jwks_uri: Option<String>,
    /// The keys themselves.
    pub jwks: Option<Value>,
}

/// A client that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The client.
    pub client: Arc<Client>,
    /// By which secret or federated credential.
    pub credential: String,
}

/// Why a client is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// By its secret.
    Secret(Denial),
    /// By its assertion; `None` when nobody is known for whom it could stand.
    Assertion(Option<Fault>),
    /// The issuer's keys are not to be had now; the text is for the log.
    Keys(String),
}

/// Clients by id, and what is needed to let them in.
pub(super) struct Clients {
    by_id: RwLock<HashMap<String, Arc<Client>>>,
    /// Made with the first client.
    key: OnceLock<SigningKey>,
    keys: KeySets,
    /// One change at a time: each is made of what the last one left.
    changing: Mutex<()>,
}

impl Clients {
    pub(super) async fn load(directory: &Directory) -> Result<Self, RegistryError> {
        let clients = all::<Client>(directory, Table::Settings, CLIENT.as_bytes()).await?;
        let by_id = clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect();
        let key = OnceLock::new();
        if let Some(stored) = directory.store().record(Table::Settings, KEY.as_bytes()).await? {
            let bytes = serde_json::from_slice::<String>(&stored).ok();
            let bytes = bytes.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            let bytes = bytes.and_then(|bytes| <[u8; access::KEY_LENGTH]>::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| RegistryError::Invalid(format!("the record {KEY:?} cannot be read")))?;
            let _ = key.set(SigningKey::new(&bytes));
        }
        Ok(Self { by_id: RwLock::new(by_id), key, keys: KeySets::default(), changing: Mutex::default() })
    }
}

impl Registry {
    /// All clients, the oldest first.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        let by_id = self.clients.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut clients: Vec<_> = by_id.values().cloned().collect();
        clients.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        clients
    }

    /// The client of that id.
    pub fn client(&self, id: &str) -> Option<Arc<Client>> {
        self.clients.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Makes a client, and its first secret unless it is to have none: the one time that anybody sees it.
    ///
    /// # Errors
    /// Its source does not exist or has too many clients; label, minutes or days cannot be used.
    pub async fn add_client(&self, new: &NewClient) -> Result<(Arc<Client>, Option<String>), RegistryError> {
        client::check_label(&new.label).map_err(RegistryError::Invalid)?;
        client::check_minutes(new.minutes).map_err(RegistryError::Invalid)?;
        new.days.map_or(Ok(()), client::check_days).map_err(RegistryError::Invalid)?;
        if self.source(&new.source).is_none() {
            return Err(RegistryError::Missing(format!("source {:?}", new.source)));
        }
        let _one = self.clients.changing.lock().await;
        let of_source = self.clients().into_iter().filter(|client| client.source == new.source);
        if of_source.filter(|client| client.revoked.is_none()).count() >= client::MAX_CLIENTS {
            return Err(RegistryError::Invalid(format!(
                "source {:?} has {} clients, which is the most: revoke one first",
                new.source,
                client::MAX_CLIENTS
            )));
        }
        self.ensure_key().await?;
        let now = self.directory.now();
        let mut client = Client {
            id: client::make_id(random()?),
            label: new.label.clone(),
            source: new.source.clone(),
            minutes: new.minutes,
            created: now,
            revoked: None,
            secrets: Vec::new(),
            federation: None,
        };
        let secret = match new.days {
            Some(days) => Some(client.add_secret(&random()?, days, now).1),
            None => None,
        };
        Ok((self.keep_client(client).await?, secret))
    }

    /// Revokes a client; its access tokens open nothing from now on.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn revoke_client(&self, id: &str) -> Result<(), RegistryError> {
        let _one = self.clients.changing.lock().await;
        let mut client = self.known_client(id)?;
        client.revoked = client.revoked.or(Some(self.directory.now()));
        self.keep_client(client).await?;
        Ok(())
    }

    /// Makes another secret and gives its id and it: the one time that anybody sees it.
    ///
    /// # Errors
    /// There is no live client of that id; it has two live secrets; the days cannot be used.
    pub async fn add_secret(&self, id: &str, days: u64) -> Result<(Arc<Client>, String, String), RegistryError> {
        client::check_days(days).map_err(RegistryError::Invalid)?;
        let _one = self.clients.changing.lock().await;
        let mut client = self.live_client(id)?;
        let now = self.directory.now();
        let live: Vec<&str> = client.live(now).map(|secret| secret.id.as_str()).collect();
        if live.len() >= client::MAX_LIVE {
            return Err(RegistryError::Exists(format!(
                "a second live secret of client {id:?} ({}): revoke one first",
                live.join(", ")
            )));
        }
        let (name, secret) = client.add_secret(&random()?, days, now);
        Ok((self.keep_client(client).await?, name, secret))
    }

    /// Revokes a secret; the access tokens that were given for it open nothing from now on.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn revoke_secret(&self, id: &str, secret: &str) -> Result<(), RegistryError> {
        let _one = self.clients.changing.lock().await;
        let mut client = self.known_client(id)?;
        let found = client.secrets.iter_mut().find(|known| known.id == secret);
        let found = found.ok_or_else(|| RegistryError::Missing(format!("secret {secret:?} of client {id:?}")))?;
        found.revoked = found.revoked.or(Some(self.directory.now()));
        self.keep_client(client).await?;
        Ok(())
    }

    /// Sets whose assertions stand for a client, in the place of those before; access tokens given for those end.
    ///
    /// # Errors
    /// There is no live client of that id; a part cannot be used.
    pub async fn federate(&self, id: &str, new: NewFederation) -> Result<Arc<Client>, RegistryError> {
        for (name, value) in [("issuer", &new.issuer), ("subject", &new.subject), ("audience", &new.audience)] {
            client::check_claim(name, value).map_err(RegistryError::Invalid)?;
        }
        match (&new.jwks_uri, &new.jwks) {
            (Some(address), None) => client::check_claim("jwksUri", address).and_then(|()| jwks::check(address)),
            (None, Some(keys)) if keys.to_string().len() > jwks::MAX_BYTES => {
                Err(format!("`jwks` has more than {} bytes", jwks::MAX_BYTES))
            }
            (None, Some(keys)) => KeySet::parse(keys).map(|_| ()),
            _ => Err("one of `jwksUri` and `jwks` says which keys the issuer has".to_owned()),
        }
        .map_err(RegistryError::Invalid)?;
        let _one = self.clients.changing.lock().await;
        let mut client = self.live_client(id)?;
        let NewFederation { issuer, subject, audience, jwks_uri, jwks } = new;
        let (id, created) = (client::make_federation_id(random()?), self.directory.now());
        client.federation = Some(Federation { id, issuer, subject, audience, jwks_uri, jwks, created });
        self.keep_client(client).await
    }

    /// From now on no assertions stand for a client; access tokens given for them end.
    ///
    /// # Errors
    /// There is no client of that id, or it has no federated credential.
    pub async fn end_federation(&self, id: &str) -> Result<(), RegistryError> {
        let _one = self.clients.changing.lock().await;
        let mut client = self.known_client(id)?;
        if client.federation.take().is_none() {
            return Err(RegistryError::Missing(format!("federated credential of client {id:?}")));
        }
        self.keep_client(client).await?;
        Ok(())
    }

    /// The client of a source that shows this secret.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn client_by_secret(&self, source: &str, id: &str, secret: &str) -> Result<Allowed, Rejection> {
        let hash = token::hash(secret);
        let now = self.directory.now();
        let client = self.client(id).filter(|client| client.source == source);
        let client = client.ok_or(Rejection::Secret(Denial::Unknown))?;
        let credential = client.secret(&hash, now).map_err(Rejection::Secret)?.id.clone();
        self.usage.touch(&credential, now);
        Ok(Allowed { client, credential })
    }

    /// The client of a source for whom this assertion stands; it may say which it is, and need not.
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn client_by_assertion(
        &self,
        source: &str,
        id: Option<&str>,
        assertion: &str,
    ) -> Result<Allowed, Rejection> {
        let assertion = Assertion::parse(assertion).map_err(|fault| Rejection::Assertion(Some(fault)))?;
        let now = self.directory.now();
        let mut candidates = self.clients();
        candidates.retain(|client| client.source == source && client.revoked.is_none());
        candidates.retain(|client| id.is_none_or(|id| client.id == id));
        let mut rejection = Rejection::Assertion(None);
        for client in candidates {
            let Some(federation) = &client.federation else { continue };
            match self.believe(&assertion, federation, now).await {
                Ok(()) => {
                    let credential = federation.id.clone();
                    self.usage.touch(&credential, now);
                    return Ok(Allowed { client, credential });
                }
                // Of several clients, the one that the assertion is about has more to say.
                Err(Rejection::Assertion(Some(Fault::Issuer | Fault::Subject))) if id.is_none() => {}
                Err(why) => rejection = why,
            }
        }
        Err(rejection)
    }

    async fn believe(&self, assertion: &Assertion<'_>, federation: &Federation, now: Millis) -> Result<(), Rejection> {
        let faulty = |fault| Rejection::Assertion(Some(fault));
        // Before keys are fetched for it: nobody is to make us ask by an assertion of no concern.
        assertion.is_for(federation).map_err(faulty)?;
        let keys = match (&federation.jwks, &federation.jwks_uri) {
            (Some(keys), _) => KeySet::parse(keys).map(Arc::new),
            (None, Some(address)) => self.clients.keys.get(address, assertion.kid(), assertion.algorithm(), now).await,
            (None, None) => Err("no keys are configured".to_owned()),
        };
        assertion.verify(&*keys.map_err(Rejection::Keys)?, federation, now).map_err(faulty)
    }

    /// An access token for a client, and how many seconds it is good.
    ///
    /// # Errors
    /// The server has no key, which comes with the first client.
    pub fn issue(&self, allowed: &Allowed) -> Result<(String, u64), RegistryError> {
        let key = self.clients.key.get();
        let key = key.ok_or_else(|| RegistryError::Missing("key to sign access tokens with".to_owned()))?;
        let seconds = u64::from(allowed.client.minutes) * 60;
        let claims = access::Claims {
            source: allowed.client.source.clone(),
            client: allowed.client.id.clone(),
            credential: allowed.credential.clone(),
            expires: self.directory.now().saturating_add(seconds * 1_000),
        };
        Ok((key.issue(&claims), seconds))
    }

    /// Who shows an access token, when it opens the SCIM endpoint of a source; without one, when something else is asked.
    pub(super) fn access_opens(&self, given: &str, wanted: Option<&str>, now: Millis) -> Result<Holder, Refusal> {
        let key = self.clients.key.get().ok_or(Refusal::Unknown)?;
        let claims = key.read(given, now)?;
        let client = self.client(&claims.client).ok_or(Refusal::Revoked)?;
        if !client.stands_for(&claims.credential) {
            return Err(Refusal::Revoked);
        }
        if wanted != Some(claims.source.as_str()) || client.source != claims.source {
            return Err(Refusal::WrongScope);
        }
        self.usage.touch(&claims.credential, now);
        Ok(Holder { id: client.id.as_str().into(), label: client.label.as_str().into() })
    }

    fn known_client(&self, id: &str) -> Result<Client, RegistryError> {
        let known = self.client(id).ok_or_else(|| RegistryError::Missing(format!("client {id:?}")))?;
        Ok((*known).clone())
    }

    fn live_client(&self, id: &str) -> Result<Client, RegistryError> {
        let known = self.known_client(id)?;
        if known.revoked.is_some() {
            return Err(RegistryError::Invalid(format!("client {id:?} was revoked: make a new one")));
        }
        Ok(known)
    }

    async fn keep_client(&self, client: Client) -> Result<Arc<Client>, RegistryError> {
        self.put(Table::Settings, &format!("{CLIENT}{}", client.id), &client, When::Always).await?;
        let client = Arc::new(client);
        let mut by_id = self.clients.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(client.id.clone(), Arc::clone(&client));
        Ok(client)
    }

    /// Makes the server's key when there is none. The caller holds the lock for changes.
    async fn ensure_key(&self) -> Result<(), RegistryError> {
        if self.clients.key.get().is_some() {
            return Ok(());
        }
        let bytes = random::<{ access::KEY_LENGTH }>()?;
        self.put(Table::Settings, KEY, &URL_SAFE_NO_PAD.encode(bytes), When::Absent).await?;
        let _ = self.clients.key.set(SigningKey::new(&bytes));
        Ok(())
    }
}
