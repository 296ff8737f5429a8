//! The end of a source: it takes no requests, its credentials open nothing, and what it had goes step by step. What is under
//! way is a record of the store, so that a restart goes on with it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::{PAGE, Registry, RegistryError};
use crate::directory::token::{Scope, Token};
use crate::directory::{Directory, SourceRecord};
use crate::store::{Operation, Table, Transaction, When};

/// Before the slugs of sources that are being removed, in the table of settings.
const LEAVING: &str = "leaving/";
/// Before the slugs in the keys of attribute-mapping overrides.
const OVERRIDES: &str = "attribute-mapping/";

/// Sources that are being removed, by slug.
#[derive(Default)]
pub(super) struct Leaving(RwLock<BTreeMap<String, SourceRecord>>);

impl Leaving {
    pub(super) async fn load(directory: &Directory) -> Result<Self, RegistryError> {
        let records = super::all::<SourceRecord>(directory, Table::Settings, LEAVING.as_bytes()).await?;
        Ok(Self(RwLock::new(records.into_iter().map(|record| (record.slug.clone(), record)).collect())))
    }

    fn get(&self, slug: &str) -> Option<SourceRecord> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(slug).cloned()
    }
}

impl Registry {
    /// The slugs of the sources that are being removed.
    pub fn leaving(&self) -> Vec<String> {
        self.leaving.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Says that the configuration declares a source: it comes back with each start, and so is removed there.
    pub fn declare(&self, slug: &str) {
        self.declared.write().unwrap_or_else(PoisonError::into_inner).insert(slug.to_owned());
    }

    /// Closes a source for ever: from now on it takes no request, and tokens and clients that are for it alone open nothing.
    /// Its resources are still there: [`Registry::clear`] takes them away.
    ///
    /// # Errors
    /// There is none; the configuration declares it; it has resources and `purge` is not said. Then nothing was changed.
    pub async fn close_source(&self, slug: &str, purge: bool) -> Result<(), RegistryError> {
        if self.leaving.get(slug).is_some() {
            return Ok(());
        }
        let missing = || RegistryError::Missing(format!("source {:?}", crate::text::shorten(slug)));
        let (record, source) = self.record(slug).zip(self.source(slug)).ok_or_else(missing)?;
        if self.declared.read().unwrap_or_else(PoisonError::into_inner).contains(slug) {
            return Err(RegistryError::Held(format!(
                "source {slug:?} is declared by a [[source]] of the configuration: take it out there, start the server anew, then remove it"
            )));
        }
        let resources = self.directory.resources(&source).await?;
        if resources > 0 && !purge {
            let one = if resources == 1 { "resource" } else { "resources" };
            return Err(RegistryError::Held(format!(
                "source {slug:?} has {resources} {one}, which would be deleted with it, for ever: make a backup, then ask again with `purge`"
            )));
        }
        let value = serde_json::to_vec(&record).map_err(|error| RegistryError::Invalid(error.to_string()))?;
        let put = Operation::Put { table: Table::Settings, key: key(slug), value, when: When::Absent };
        let erase = Operation::Erase { table: Table::Sources, key: slug.as_bytes().to_vec(), when: When::Always };
        self.directory.store().commit(Transaction::new(slug).with(put).with(erase)).await?;
        self.leaving.0.write().unwrap_or_else(PoisonError::into_inner).insert(slug.to_owned(), record);
        self.sources.write().unwrap_or_else(PoisonError::into_inner).remove(slug);
        tracing::info!(target: "server", source = slug, resources, "a source is removed");
        Ok(())
    }

    /// Takes away all that a closed source had, then the source itself. It may be given up at any time and called again.
    ///
    /// # Errors
    /// The store fails.
    pub async fn clear(&self, slug: &str) -> Result<(), RegistryError> {
        let Some(record) = self.leaving.get(slug) else { return Ok(()) };
        self.end_credentials(slug).await?;
        let source = record.ready().map_err(RegistryError::Invalid)?;
        while self.directory.take_away(&source).await? {
            tokio::task::yield_now().await;
        }
        self.directory.resume(slug).await?;
        let mut last = Transaction::new(slug);
        last.operations = Directory::forget(slug);
        let prefix = format!("{OVERRIDES}{slug}/");
        let overrides = self.directory.store().records(Table::Settings, prefix.as_bytes(), None, PAGE).await?;
        let keys = overrides.items.into_iter().map(|record| record.key).chain([key(slug)]);
        let erase = |key| Operation::Erase { table: Table::Settings, key, when: When::Always };
        last.operations.extend(keys.map(erase));
        self.directory.store().commit(last).await?;
        self.leaving.0.write().unwrap_or_else(PoisonError::into_inner).remove(slug);
        tracing::info!(target: "server", source = slug, "a source is gone");
        Ok(())
    }

    /// A later source of the same slug is not to be opened by what opened this one.
    async fn end_credentials(&self, slug: &str) -> Result<(), RegistryError> {
        for token in self.tokens().iter().filter(|token| token.revoked.is_none()) {
            match &token.scope {
                Scope::Scim { source } if source == slug => self.revoke(&token.id).await?,
                Scope::Api(grant) if grant.sources.iter().any(|source| source == slug) => {
                    let mut left = grant.clone();
                    left.sources.retain(|source| source != slug);
                    // Without any it would be a token without a limit.
                    if left.sources.is_empty() {
                        self.revoke(&token.id).await?;
                    } else {
                        self.store_token(Token { scope: Scope::Api(left), ..(**token).clone() }).await?;
                    }
                }
                Scope::Scim { .. } | Scope::Api(_) | Scope::Admin => {}
            }
        }
        for client in self.clients().iter().filter(|client| client.source == slug && client.revoked.is_none()) {
            self.revoke_client(&client.id).await?;
        }
        Ok(())
    }
}

fn key(slug: &str) -> Vec<u8> {
    format!("{LEAVING}{slug}").into_bytes()
}
