//! [`Registry`]: sources, tokens and clients, kept in the store and held in memory, where each request looks them up.

mod clients;
mod jwks;
mod removal;
mod tokens;
mod usage;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use serde::de::DeserializeOwned;

use crate::directory::{Directory, Held, LibraryError, Source, SourceRecord};
use crate::store::{Operation, StoreError, Table, Transaction, When};

use clients::Clients;
use removal::Leaving;
use tokens::Tokens;
use usage::Usage;

pub use clients::{Allowed, NewClient, NewFederation, Rejection};
pub use tokens::Holder;
pub use usage::{Kind, Warning};

/// How many records are read at once.
const PAGE: usize = 500;

/// Why the registry did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryError {
    /// There is one of that name.
    Exists(String),
    /// There is none of that name.
    Missing(String),
    /// Something needs it as it is; the text says what.
    Held(String),
    /// What was given cannot be used; the text says why.
    Invalid(String),
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(what) => write!(f, "there is already {what}"),
            Self::Missing(what) => write!(f, "there is no {what}"),
            Self::Held(why) | Self::Invalid(why) => f.write_str(why),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RegistryError {}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sources, tokens and clients.
pub struct Registry {
    directory: Directory,
    sources: RwLock<HashMap<String, (SourceRecord, Arc<Source>)>>,
    tokens: Tokens,
    clients: Clients,
    usage: Usage,
    leaving: Leaving,
    /// The slugs that the configuration declares.
    declared: RwLock<BTreeSet<String>>,
}

impl Registry {
    /// Reads what the store has.
    ///
    /// # Errors
    /// The store fails, or a record in it cannot be read.
    pub async fn load(directory: Directory) -> Result<Self, RegistryError> {
        let mut sources = HashMap::new();
        for record in all::<SourceRecord>(&directory, Table::Sources, b"").await? {
            let source = record.ready().map_err(RegistryError::Invalid)?;
            sources.insert(record.slug.clone(), (record, Arc::new(source)));
        }
        let clients = Clients::load(&directory).await?;
        let usage = Usage::load(&directory).await?;
        let tokens = Tokens::load(&directory, &usage).await?;
        let (leaving, declared) = (Leaving::load(&directory).await?, RwLock::default());
        Ok(Self { directory, sources: RwLock::new(sources), tokens, clients, usage, leaving, declared })
    }

    /// The source of that slug.
    pub fn source(&self, slug: &str) -> Option<Arc<Source>> {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        sources.get(slug).map(|(_, source)| Arc::clone(source))
    }

    /// A source as it is kept.
    pub fn record(&self, slug: &str) -> Option<SourceRecord> {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        sources.get(slug).map(|(record, _)| record.clone())
    }

    /// All sources, by slug.
    pub fn sources(&self) -> Vec<SourceRecord> {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let mut records: Vec<SourceRecord> = sources.values().map(|(record, _)| record.clone()).collect();
        records.sort_by(|a, b| a.slug.cmp(&b.slug));
        records
    }

    /// Adds a source.
    ///
    /// # Errors
    /// The slug cannot be one, or is taken.
    pub async fn add_source(&self, record: SourceRecord) -> Result<(), RegistryError> {
        SourceRecord::check_slug(&record.slug).map_err(RegistryError::Invalid)?;
        if self.leaving().contains(&record.slug) {
            return Err(RegistryError::Held(format!(
                "source {:?} is being removed: wait until it is gone",
                record.slug
            )));
        }
        let source = record.ready().map_err(RegistryError::Invalid)?;
        self.check_mappings(&source)?;
        self.put(Table::Sources, &record.slug, &record, When::Absent).await.map_err(|error| match error {
            RegistryError::Store(StoreError::Changed { .. }) => {
                RegistryError::Exists(format!("a source {:?}", record.slug))
            }
            error => error,
        })?;
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        sources.insert(record.slug.clone(), (record, Arc::new(source)));
        Ok(())
    }

    /// Puts a source in the place of the one with its slug. When its mappings are others, profiles are made anew.
    ///
    /// # Errors
    /// There is none; what is declared cannot be; there are users, and whether their addresses are unique would change.
    pub async fn set_source(&self, mut record: SourceRecord) -> Result<(), RegistryError> {
        let before =
            self.record(&record.slug).ok_or_else(|| RegistryError::Missing(format!("source {:?}", record.slug)))?;
        record.created = before.created;
        if record == before {
            return Ok(());
        }
        let source = record.ready().map_err(RegistryError::Invalid)?;
        self.check_mappings(&source)?;
        if record.unique_email != before.unique_email && self.directory.store().count(&record.slug, "User").await? > 0 {
            return Err(RegistryError::Invalid(format!(
                "source {:?} has users, whose addresses were not compared: `unique_email` is set before the first",
                record.slug
            )));
        }
        self.put(Table::Sources, &record.slug, &record, When::Always).await?;
        let slug = record.slug.clone();
        let mappings = |record: &SourceRecord| (record.user_mapping.clone(), record.group_mapping.clone());
        let mapped_anew = mappings(&record) != mappings(&before);
        self.sources.write().unwrap_or_else(PoisonError::into_inner).insert(slug.clone(), (record, Arc::new(source)));
        if mapped_anew {
            self.directory.resume(&slug).await?;
            self.directory.want_remap(&slug).await?;
        }
        Ok(())
    }

    /// Puts a new revision of a mapping. Sources that use it go on if it was what halted them, and make their profiles anew.
    ///
    /// # Errors
    /// As [`Library::put`](crate::directory::Library::put).
    pub async fn put_mapping(
        &self,
        name: Option<&str>,
        file: &str,
        text: &str,
        by: &str,
        expected: Option<u64>,
    ) -> Result<Arc<Held>, LibraryError> {
        let library = self.directory.library();
        let revisions = library.all().into_iter().map(|held| (held.revision.name.clone(), held.revision.revision));
        let before: HashMap<String, u64> = revisions.collect();
        let held = library.put(name, file, text, by, self.directory.now(), expected).await?;
        let name = &held.revision.name;
        if before.get(name) == Some(&held.revision.revision) {
            return Ok(held);
        }
        for source in self.sources() {
            let Some(source) = self.source(&source.slug).filter(|source| source.uses(name)) else { continue };
            if self.directory.halted(&source.slug).is_some_and(|halt| halt.mapping == *name) {
                self.directory.resume(&source.slug).await?;
            }
            self.directory.want_remap(&source.slug).await?;
        }
        Ok(held)
    }

    /// What a source names must be there.
    fn check_mappings(&self, source: &Source) -> Result<(), RegistryError> {
        for name in ["User", "Group"].into_iter().filter_map(|kind| source.mapping(kind)) {
            if self.directory.library().get(name).is_none() {
                return Err(RegistryError::Missing(format!(
                    "mapping {name:?}; put it first: `PUT /api/v1/mappings/{name}`, or name its file to `provisor source set`"
                )));
            }
        }
        Ok(())
    }

    async fn put(
        &self,
        table: Table,
        key: &str,
        value: &impl serde::Serialize,
        when: When,
    ) -> Result<(), RegistryError> {
        let value = serde_json::to_vec(value).map_err(|error| RegistryError::Invalid(error.to_string()))?;
        let operation = Operation::Put { table, key: key.as_bytes().to_vec(), value, when };
        self.directory.store().commit(Transaction::new("").with(operation)).await?;
        Ok(())
    }
}

/// Bytes that nobody can guess.
pub(super) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], RegistryError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| RegistryError::Invalid(format!("the machine gives no randomness: {error}")))?;
    Ok(bytes)
}

/// The records of a table whose keys begin so.
async fn all<T: DeserializeOwned>(directory: &Directory, table: Table, prefix: &[u8]) -> Result<Vec<T>, RegistryError> {
    Ok(named(directory, table, prefix).await?.into_iter().map(|(_, value)| value).collect())
}

/// The records of a table whose keys begin so, each with the rest of its key.
async fn named<T: DeserializeOwned>(
    directory: &Directory,
    table: Table,
    prefix: &[u8],
) -> Result<Vec<(String, T)>, RegistryError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = directory.store().records(table, prefix, after, PAGE).await?;
        for record in page.items {
            let value = serde_json::from_slice(&record.value).map_err(|error| {
                RegistryError::Invalid(format!("a record of {} cannot be read: {error}", table.name()))
            })?;
            let name = record.key.get(prefix.len()..).unwrap_or_default();
            found.push((String::from_utf8_lossy(name).into_owned(), value));
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
