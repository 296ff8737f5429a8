//! [`Halt`]: why a source takes no writes (DESIGN's fail-fast rule): a mapping of it failed. Kept in the store, so that a
//! restart does not lift it; reads go on, and the client is told to come again, so that nothing is lost.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::scim::error::ScimError;
use crate::store::{Operation, Store, StoreError, Table, Transaction, When};

/// How long a client of a halted source is asked to wait, in seconds. Entra comes again with its next cycle anyway.
const RETRY_AFTER: u32 = 300;
/// Halts of sources have keys that begin so.
const PREFIX: &[u8] = b"source/";

/// Why a source stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Halt {
    /// The source.
    pub source: String,
    /// Since when.
    pub at: Millis,
    /// The mapping that failed.
    pub mapping: String,
    /// Its revision; 0 when it has none because it never compiled.
    pub revision: u64,
    /// The rule's target; `None` when it was the scoping filter, or the file as a whole.
    pub rule: Option<String>,
    /// The finding's code, such as `E0702`.
    pub code: String,
    /// The file, line and column, as in `acme.toml:12:9`.
    pub place: String,
    /// The kind and id of the resource on which it failed; the id is missing for one that was to be created.
    #[schema(value_type = Option<Vec<Option<String>>>)]
    pub resource: Option<(String, Option<String>)>,
    /// What happened, with an excerpt, carets and values; values that the mapping redacts are not in it.
    pub report: String,
}

impl Halt {
    /// What a client is told: mapping, rule and place, and no value, for the values may be of another resource than its own.
    pub fn refusal(&self) -> ScimError {
        let Self { source, mapping, revision, code, place, .. } = self;
        let rule = self.rule.as_ref().map(|rule| format!(", rule `{rule}`")).unwrap_or_default();
        let mut error = ScimError::status(
            503,
            format!(
                "source {source:?} is halted, and nothing was stored: mapping {mapping:?} (revision {revision}){rule}, {place}: {code}. Mend the mapping, or `provisor source resume {source}`; `provisor source show {source}` says more"
            ),
        );
        error.retry_after = Some(RETRY_AFTER);
        error
    }
}

/// The sources that stand still.
pub(super) struct Halts {
    store: Arc<dyn Store>,
    held: RwLock<HashMap<String, Arc<Halt>>>,
}

impl Halts {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, held: RwLock::default() }
    }

    /// Reads what the store has.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.records(Table::Halts, PREFIX, after, 100).await?;
            for record in page.items {
                let halt: Halt = serde_json::from_slice(&record.value).map_err(|error| StoreError::Corrupt {
                    table: "halts",
                    what: format!("a halt cannot be read: {error}"),
                })?;
                self.held.write().unwrap_or_else(PoisonError::into_inner).insert(halt.source.clone(), Arc::new(halt));
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    pub(super) fn get(&self, source: &str) -> Option<Arc<Halt>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).get(source).cloned()
    }

    /// Halts a source; the first reason stays, so that a thousand failing requests are one record.
    pub(super) async fn set(&self, halt: Halt) -> Result<Arc<Halt>, StoreError> {
        let source = halt.source.clone();
        let halt = Arc::new(halt);
        {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(first) = held.get(&source) {
                return Ok(Arc::clone(first));
            }
            // From here on nobody writes, whatever becomes of the record.
            held.insert(source.clone(), Arc::clone(&halt));
        }
        tracing::error!(target: "halt", source, mapping = halt.mapping, revision = halt.revision, rule = halt.rule, place = halt.place, code = halt.code, "the source is halted");
        let value = serde_json::to_vec(&*halt).unwrap_or_default();
        let put = Operation::Put { table: Table::Halts, key: key(&source), value, when: When::Always };
        self.store.commit(Transaction::new(&source).with(put)).await?;
        Ok(halt)
    }

    /// Lets a source go on; false when it did not stand still.
    pub(super) async fn lift(&self, source: &str) -> Result<bool, StoreError> {
        let erase = Operation::Erase { table: Table::Halts, key: key(source), when: When::Always };
        self.store.commit(Transaction::new(source).with(erase)).await?;
        let halted = self.held.write().unwrap_or_else(PoisonError::into_inner).remove(source).is_some();
        if halted {
            tracing::info!(target: "halt", source, "the source goes on");
        }
        Ok(halted)
    }
}

fn key(source: &str) -> Vec<u8> {
    [PREFIX, source.as_bytes()].concat()
}
