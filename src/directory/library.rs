//! [`Library`]: the mapping files that sources name, kept as revisions. A text that does not compile is refused, and the
//! revision before it stays. What an administrator tested is, byte for byte, what runs: the text is kept, and its digest told.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::token;
use crate::clock::Millis;
use crate::mapping::Mapping;
use crate::store::{Operation, Store, StoreError, Table, Transaction, When};
use crate::text::{Diagnostics, Source};

/// How many records are read at once.
const PAGE: usize = 100;

/// A revision of a mapping, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The mapping's name.
    pub name: String,
    /// From one, rising.
    pub revision: u64,
    /// SHA-256 of the text, in hexadecimal.
    pub digest: String,
    /// When it was put.
    pub at: Millis,
    /// By whom: a token's label, or what put it.
    pub by: String,
    /// What findings call it: a file's path, or its name.
    pub file: String,
    /// The text.
    pub text: String,
}

/// The newest revision of a mapping, compiled.
#[derive(Debug)]
pub struct Held {
    /// What is kept.
    pub revision: Revision,
    /// What came of compiling it: findings, when a later version of this program refuses what an earlier one took.
    pub mapping: Result<Mapping, Diagnostics>,
}

impl Held {
    fn of(revision: Revision) -> Self {
        let compiled = Mapping::compile(&Source::new(&revision.file, &revision.text));
        let mapping = compiled.mapping.ok_or(compiled.diagnostics);
        Self { revision, mapping }
    }
}

/// Why a mapping was not put.
#[derive(Debug)]
pub enum LibraryError {
    /// It does not compile; the revision before stays.
    Findings(Box<Diagnostics>),
    /// It says another name than it was put under.
    Name {
        /// The name it was to have.
        wanted: String,
        /// The name in its text.
        found: String,
    },
    /// Somebody else put one in between.
    Changed {
        /// The revision there is now.
        found: u64,
    },
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Findings(found) => {
                let errors = found.errors();
                write!(f, "the mapping does not compile: {errors} error{}", if errors == 1 { "" } else { "s" })
            }
            Self::Name { wanted, found } => write!(f, "the mapping calls itself {found:?}, not {wanted:?}"),
            Self::Changed { found } => write!(f, "the mapping is at revision {found} by now: read it again"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LibraryError {}

impl From<StoreError> for LibraryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The mappings there are.
pub struct Library {
    store: Arc<dyn Store>,
    newest: RwLock<HashMap<String, Arc<Held>>>,
}

impl Library {
    /// A library that has not read the store yet.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, newest: RwLock::default() }
    }

    /// Reads what the store has, and compiles the newest revision of each.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.records(Table::Mappings, b"", after, PAGE).await?;
            for record in page.items {
                let revision = read(&record.value)?;
                // Keys rise with revisions, so that the last one stays.
                self.newest_mut().insert(revision.name.clone(), Arc::new(Held::of(revision)));
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn newest_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Arc<Held>>> {
        self.newest.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest revision of a mapping.
    pub fn get(&self, name: &str) -> Option<Arc<Held>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The newest revisions, by name.
    pub fn all(&self) -> Vec<Arc<Held>> {
        let mut all: Vec<_> = self.newest.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by(|a, b| a.revision.name.cmp(&b.revision.name));
        all
    }

    /// The revisions of a mapping, the oldest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn history(&self, name: &str) -> Result<Vec<Revision>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.records(Table::Mappings, &prefix(name), after, PAGE).await?;
            for record in page.items {
                found.push(read(&record.value)?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Forgets a mapping with all its revisions. Nothing may use it any more: whoever calls has looked.
    ///
    /// # Errors
    /// The store fails.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut transaction = Transaction::new("");
        for revision in self.history(name).await? {
            let key = [prefix(name).as_slice(), &revision.revision.to_be_bytes()].concat();
            transaction = transaction.with(Operation::Erase { table: Table::Mappings, key, when: When::Always });
        }
        if !transaction.operations.is_empty() {
            self.store.commit(transaction).await?;
        }
        self.newest_mut().remove(name);
        Ok(())
    }

    /// Puts a new revision of the mapping that the text names, which must compile. The same text again is no new revision.
    /// `name`: what it must call itself; `expected`: the revision that it is to follow, 0 for none.
    ///
    /// # Errors
    /// It does not compile, calls itself otherwise, or another came between.
    pub async fn put(
        &self,
        name: Option<&str>,
        file: &str,
        text: &str,
        by: &str,
        at: Millis,
        expected: Option<u64>,
    ) -> Result<Arc<Held>, LibraryError> {
        let compiled = Mapping::compile(&Source::new(file, text));
        let Some(mapping) = compiled.mapping else {
            return Err(LibraryError::Findings(Box::new(compiled.diagnostics)));
        };
        if let Some(wanted) = name.filter(|name| *name != mapping.name()) {
            return Err(LibraryError::Name { wanted: wanted.to_owned(), found: mapping.name().to_owned() });
        }
        let before = self.get(mapping.name());
        let found = before.as_ref().map_or(0, |held| held.revision.revision);
        if expected.is_some_and(|expected| expected != found) {
            return Err(LibraryError::Changed { found });
        }
        let digest = token::hash(text);
        if let Some(before) = before.filter(|held| held.revision.digest == digest && held.mapping.is_ok()) {
            return Ok(before);
        }
        let revision = Revision {
            name: mapping.name().to_owned(),
            revision: found + 1,
            digest,
            at,
            by: by.to_owned(),
            file: file.to_owned(),
            text: text.to_owned(),
        };
        let put = Operation::Put {
            table: Table::Mappings,
            key: [prefix(&revision.name).as_slice(), &revision.revision.to_be_bytes()].concat(),
            value: serde_json::to_vec(&revision).unwrap_or_default(),
            when: When::Absent,
        };
        self.store.commit(Transaction::new("").with(put)).await.map_err(|error| match error {
            StoreError::Changed { .. } => LibraryError::Changed { found: found + 1 },
            error => LibraryError::Store(error),
        })?;
        let held = Arc::new(Held { revision, mapping: Ok(mapping) });
        self.newest_mut().insert(held.revision.name.clone(), Arc::clone(&held));
        Ok(held)
    }
}

/// The keys of a mapping's revisions begin so; a name has no byte 0.
fn prefix(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn read(value: &[u8]) -> Result<Revision, StoreError> {
    serde_json::from_slice(value)
        .map_err(|error| StoreError::Corrupt { table: "mappings", what: format!("a revision cannot be read: {error}") })
}
