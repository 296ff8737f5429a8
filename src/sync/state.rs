//! What a sync remembers of each record: its object in the target (the link), what was sent last, how it went. Kept in the
//! store; a run holds the links of one kind in memory, some 200 bytes each.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::store::{Operation, Store, StoreError, Table, Transaction, When};
use crate::target::Kind;

/// How many records are read at once.
const PAGE: usize = 1_000;

/// What is remembered of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// The id of its object in the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A digest of the payload that was sent last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// The id in the target of the manager that was sent last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The id of the object that was shut when the record went; it has no link any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shut: Option<String>,
    /// The members that were written last, by their ids in the target; of groups in targets that do not show them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// When a creation was begun of which the end is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Millis>,
    /// What was done last: `created`, `failed`…
    pub outcome: String,
    /// Why, where there is a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Millis,
    /// How often in a row it failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// What people call it.
    pub name: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The states of a kind.
pub(super) struct States {
    store: Arc<dyn Store>,
    sync: String,
    kind: Kind,
    by_record: HashMap<String, State>,
    by_target: HashMap<String, String>,
}

impl States {
    /// Reads them.
    pub(super) async fn load(store: Arc<dyn Store>, sync: &str, kind: Kind) -> Result<Self, StoreError> {
        let (mut by_record, mut by_target, mut after) = (HashMap::new(), HashMap::new(), None);
        let prefix = prefix(sync, kind);
        loop {
            let page = store.records(Table::Links, &prefix, after, PAGE).await?;
            for record in page.items {
                let id = record.key.get(prefix.len()..).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                let state: State = serde_json::from_slice(&record.value).map_err(corrupt)?;
                if let Some(target) = &state.target {
                    by_target.insert(target.clone(), id.clone());
                }
                by_record.insert(id, state);
            }
            after = page.next;
            if after.is_none() {
                return Ok(Self { store, sync: sync.to_owned(), kind, by_record, by_target });
            }
        }
    }

    /// The state of one record, without the others.
    pub(super) async fn one(
        store: &Arc<dyn Store>,
        sync: &str,
        kind: Kind,
        record: &str,
    ) -> Result<Option<State>, StoreError> {
        let key = [prefix(sync, kind).as_slice(), record.as_bytes()].concat();
        let Some(value) = store.record(Table::Links, &key).await? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| StoreError::Corrupt {
            table: "links",
            what: format!("the state of a record cannot be read: {error}"),
        })
    }

    pub(super) fn get(&self, record: &str) -> Option<&State> {
        self.by_record.get(record)
    }

    /// Every record of which something is remembered.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &State)> {
        self.by_record.iter().map(|(record, state)| (record.as_str(), state))
    }

    /// The object of a record.
    pub(super) fn target(&self, record: &str) -> Option<&str> {
        self.by_record.get(record)?.target.as_deref()
    }

    /// Whether an object was begun for it of which nobody knows the end.
    pub(super) fn is_begun(&self, record: &str) -> bool {
        self.by_record.get(record).is_some_and(|state| state.intent.is_some())
    }

    /// Objects that were shut when their records went, and these records.
    pub(super) fn shut(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_record.iter().filter_map(|(record, state)| Some((state.shut.as_deref()?, record.as_str())))
    }

    /// The record of an object.
    pub(super) fn record(&self, target: &str) -> Option<&str> {
        self.by_target.get(target).map(String::as_str)
    }

    /// The object of a record that was shut when it went.
    pub(super) fn shut_of(&self, record: &str) -> Option<&str> {
        self.by_record.get(record)?.shut.as_deref()
    }

    /// Records with an object.
    pub(super) fn linked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_record.iter().filter_map(|(record, state)| Some((record.as_str(), state.target.as_deref()?)))
    }

    /// The records for whom this object was sent as their manager.
    pub(super) fn managed_by(&self, target: &str) -> Vec<String> {
        let is = |(_, state): &(&String, &State)| state.manager.as_deref() == Some(target);
        let mut records: Vec<String> = self.by_record.iter().filter(is).map(|(record, _)| record.clone()).collect();
        records.sort_unstable();
        records
    }

    pub(super) fn linked_count(&self) -> u64 {
        self.by_target.len() as u64
    }

    /// Stores several in one transaction; `None` forgets a record.
    pub(super) async fn put(&mut self, changes: Vec<(String, Option<State>)>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new("");
        for (record, state) in &changes {
            let key = key(&self.sync, self.kind, record);
            let when = When::Always;
            transaction = transaction.with(match state {
                Some(state) => {
                    // Texts and numbers always are JSON.
                    let value = serde_json::to_vec(state).unwrap_or_default();
                    Operation::Put { table: Table::Links, key, value, when }
                }
                None => Operation::Erase { table: Table::Links, key, when },
            });
        }
        if !transaction.operations.is_empty() {
            self.store.commit(transaction).await?;
        }
        for (record, state) in changes {
            if let Some(old) = self.by_record.remove(&record).and_then(|state| state.target) {
                self.by_target.remove(&old);
            }
            if let Some(state) = state {
                if let Some(target) = &state.target {
                    self.by_target.insert(target.clone(), record.clone());
                }
                self.by_record.insert(record, state);
            }
        }
        Ok(())
    }
}

/// Where the state of a record is.
pub(super) fn key(sync: &str, kind: Kind, record: &str) -> Vec<u8> {
    [prefix(sync, kind).as_slice(), record.as_bytes()].concat()
}

/// That the state of a record cannot be read.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt { table: "links", what: format!("the state of a record cannot be read: {error}") }
}

/// Keys begin with sync and kind; neither has a byte 0.
fn prefix(sync: &str, kind: Kind) -> Vec<u8> {
    format!("{sync}\0{}\0", kind.word()).into_bytes()
}
