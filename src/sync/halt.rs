//! [`SyncHalt`]: a mapping failed, and the sync stands still until it is mended or somebody says `resume`. One record, however
//! many objects would have failed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::mapping::Told;
use crate::store::{Operation, Store, StoreError, Table, Transaction, When};
use crate::target::Kind;

/// Why a sync stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncHalt {
    /// The sync.
    pub sync: String,
    /// Since when.
    pub at: Millis,
    /// The mapping, by name; by file when it does not compile.
    pub mapping: String,
    /// SHA-256 of its text: another text lifts the halt.
    pub digest: String,
    /// The rule's target.
    pub rule: Option<String>,
    /// The finding's code.
    pub code: String,
    /// File, line and column.
    pub place: String,
    /// Kind and id of the record on which it failed.
    #[schema(value_type = Option<Vec<String>>)]
    pub record: Option<(Kind, String)>,
    /// The finding with an excerpt, carets and the values used.
    pub report: String,
}

impl SyncHalt {
    pub(super) fn new(
        sync: &str,
        at: Millis,
        mapping: String,
        digest: String,
        record: Option<(Kind, String)>,
        told: Told,
    ) -> Self {
        let Told { rule, code, place, report } = told;
        Self { sync: sync.to_owned(), at, mapping, digest, rule, code, place, record, report }
    }
}

/// The halt of a sync, when it stands still.
pub(super) async fn read(store: &Arc<dyn Store>, sync: &str) -> Result<Option<SyncHalt>, StoreError> {
    let Some(value) = store.record(Table::Halts, &key(sync)).await? else { return Ok(None) };
    let halt = serde_json::from_slice(&value)
        .map_err(|error| StoreError::Corrupt { table: "halts", what: format!("a halt cannot be read: {error}") })?;
    Ok(Some(halt))
}

pub(super) async fn write(store: &Arc<dyn Store>, halt: &SyncHalt) -> Result<(), StoreError> {
    let value = serde_json::to_vec(halt).unwrap_or_default();
    let put = Operation::Put { table: Table::Halts, key: key(&halt.sync), value, when: When::Always };
    store.commit(Transaction::new("").with(put)).await.map(|_| ())
}

pub(super) async fn lift(store: &Arc<dyn Store>, sync: &str) -> Result<(), StoreError> {
    let erase = Operation::Erase { table: Table::Halts, key: key(sync), when: When::Always };
    store.commit(Transaction::new("").with(erase)).await.map(|_| ())
}

fn key(sync: &str) -> Vec<u8> {
    format!("sync/{sync}").into_bytes()
}
