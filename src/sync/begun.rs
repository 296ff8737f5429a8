//! [`Begun`]: which objects are being made: noted before, in one record for all of a wave, and taken back as it is known how each
//! went. A process that dies in between looks for them when it is back, instead of making them twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::State;
use super::{Sync, SyncError};
use crate::clock::Millis;
use crate::store::{Operation, Store, StoreError, Table, When};
use crate::target::Kind;

/// The records of a kind whose objects are being made, with when that was begun and what people call them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Begun(BTreeMap<String, (Millis, String)>);

impl Begun {
    /// Reads them.
    pub(super) async fn load(store: &dyn Store, sync: &str, kind: Kind) -> Result<Self, StoreError> {
        let known = store.record(Table::Checkpoints, &key(sync, kind)).await?;
        known.map_or(Ok(Self::default()), |known| serde_json::from_slice(&known).map_err(super::state::corrupt))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object was begun for the record.
    pub(super) fn has(&self, record: &str) -> bool {
        self.0.contains_key(record)
    }

    /// Notes that an object is about to be made.
    pub(super) fn begin(&mut self, record: &str, at: Millis, name: &str) {
        self.0.insert(record.to_owned(), (at, name.to_owned()));
    }

    /// Notes that it is known how it went; false when it was not begun.
    pub(super) fn end(&mut self, record: &str) -> bool {
        self.0.remove(record).is_some()
    }

    /// Keeps only some.
    pub(super) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|record, _| stays(record));
    }

    /// What stores them as they are now.
    pub(super) fn operation(&self, sync: &str, kind: Kind) -> Operation {
        let (table, key, when) = (Table::Checkpoints, key(sync, kind), When::Always);
        if self.is_empty() {
            return Operation::Erase { table, key, when };
        }
        // Texts and numbers always are JSON.
        let value = serde_json::to_vec(self).unwrap_or_default();
        Operation::Put { table, key, value, when }
    }

    /// They as states, by record.
    pub(super) fn states(self) -> impl Iterator<Item = (String, State)> {
        let state = |(at, name)| State { intent: Some(at), name, ..State::default() };
        self.0.into_iter().map(move |(record, begun)| (record, state(begun)))
    }
}

fn key(sync: &str, kind: Kind) -> Vec<u8> {
    format!("begun/{sync}/{}", kind.word()).into_bytes()
}

impl Sync {
    /// What is being made, or was when a run died, as states.
    pub(super) async fn begun(&self) -> Result<Vec<(Kind, String, State)>, SyncError> {
        let mut all = Vec::new();
        for kind in [Kind::Group, Kind::User] {
            let begun = Begun::load(&**self.store(), self.name(), kind).await?;
            all.extend(begun.states().map(|(record, state)| (kind, record, state)));
        }
        Ok(all)
    }
}
