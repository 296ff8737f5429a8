//! What a sync remembers of each record: its object in the target (the link), what was sent last, how it went. Kept in the
//! store. A run holds of each what it asks for often, ids and a digest, some 250 bytes; the rest stays in the store.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::index::Index;
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

/// A digest of a payload as it is held in memory.
pub(super) type Short = [u8; 16];

/// What is held of a state.
struct Kept {
    record: Arc<str>,
    target: Option<Box<str>>,
    manager: Option<Arc<str>>,
    shut: Option<Box<str>>,
    sent: Option<Short>,
    last: Last,
    /// When.
    at: Millis,
    /// Why a record is left out, as a hash of outcome and reason.
    told: u64,
    is_begun: bool,
}

/// What was done last, as far as it is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Its object was made.
    Made,
    /// The target refused it.
    Failed,
    /// It was left out.
    Left,
    /// Its object is the sync's no more.
    Ended,
    /// Anything else.
    Done,
}

/// The states of a kind.
pub(super) struct States {
    store: Arc<dyn Store>,
    sync: String,
    kind: Kind,
    /// `None` is the place of one that was forgotten.
    kept: Vec<Option<Kept>>,
    free: Vec<u32>,
    records: Index,
    targets: Index,
    /// Managers are few, and each is of many.
    managers: HashSet<Arc<str>>,
}

impl States {
    /// Reads them.
    pub(super) async fn load(store: Arc<dyn Store>, sync: &str, kind: Kind) -> Result<Self, StoreError> {
        let mut states = Self {
            store: Arc::clone(&store),
            sync: sync.to_owned(),
            kind,
            kept: Vec::new(),
            free: Vec::new(),
            records: Index::default(),
            targets: Index::default(),
            managers: HashSet::new(),
        };
        let (prefix, mut after) = (prefix(sync, kind), None);
        loop {
            let page = store.records(Table::Links, &prefix, after, PAGE).await?;
            for record in page.items {
                let id = record.key.get(prefix.len()..).map(String::from_utf8_lossy).unwrap_or_default();
                states.hold(&id, &read(&record.value)?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(states);
            }
        }
    }

    /// All that is remembered of a record, out of the store.
    pub(super) async fn whole(&self, record: &str) -> Result<Option<State>, StoreError> {
        if self.kept(record).is_none() {
            return Ok(None);
        }
        let known = self.store.record(Table::Links, &key(&self.sync, self.kind, record)).await?;
        known.map(|known| read(&known)).transpose()
    }

    fn number(&self, record: &str) -> Option<u32> {
        self.records.find(record, |number| record_of(&self.kept, number))
    }

    fn kept(&self, record: &str) -> Option<&Kept> {
        kept_at(&self.kept, self.number(record)?)
    }

    /// The id of a record as it is held here, to be shared.
    pub(super) fn shared(&self, record: &str) -> Option<Arc<str>> {
        self.kept(record).map(|kept| Arc::clone(&kept.record))
    }

    /// The object of a record.
    pub(super) fn target(&self, record: &str) -> Option<&str> {
        self.kept(record)?.target.as_deref()
    }

    /// The digest of the payload that was sent last.
    pub(super) fn sent(&self, record: &str) -> Option<Short> {
        self.kept(record)?.sent
    }

    /// The id in the target of the manager that was sent, or seen, last.
    pub(super) fn manager(&self, record: &str) -> Option<&str> {
        self.kept(record)?.manager.as_deref()
    }

    /// When the object of a record was made, if nothing was done with it since.
    pub(super) fn made(&self, record: &str) -> Option<Millis> {
        self.kept(record).filter(|kept| kept.last == Last::Made).map(|kept| kept.at)
    }

    /// Whether something was open the last time: it was refused, or left out.
    pub(super) fn is_open(&self, record: &str) -> bool {
        self.kept(record).is_some_and(|kept| matches!(kept.last, Last::Failed | Last::Left))
    }

    /// Whether it is remembered already that a record is left out, and why.
    pub(super) fn is_told(&self, record: &str, outcome: &str, reason: &str) -> bool {
        let told = told(outcome, Some(reason));
        self.kept(record).is_some_and(|kept| kept.last == Last::Left && kept.told == told)
    }

    /// Records without an object, but for those whose object ended after a time.
    pub(super) fn without_object(&self, before: Millis) -> impl Iterator<Item = &str> {
        let kept = self.kept.iter().flatten().filter(|kept| kept.target.is_none() && kept.shut.is_none());
        kept.filter(move |kept| kept.last != Last::Ended || kept.at < before).map(|kept| &*kept.record)
    }

    /// The records for whom this object was sent as their manager.
    pub(super) fn managed_by(&self, target: &str) -> Vec<String> {
        let managed = self.kept.iter().flatten().filter(|kept| kept.manager.as_deref() == Some(target));
        let mut records: Vec<String> = managed.map(|kept| kept.record.to_string()).collect();
        records.sort_unstable();
        records
    }

    /// Whether an object was begun for it of which nobody knows the end.
    pub(super) fn is_begun(&self, record: &str) -> bool {
        self.kept(record).is_some_and(|kept| kept.is_begun)
    }

    /// Objects that were shut when their records went, and these records.
    pub(super) fn shut(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kept.iter().flatten().filter_map(|kept| Some((kept.shut.as_deref()?, &*kept.record)))
    }

    /// The record of an object.
    pub(super) fn record(&self, target: &str) -> Option<&str> {
        let number = self.targets.find(target, |number| target_of(&self.kept, number))?;
        kept_at(&self.kept, number).map(|kept| &*kept.record)
    }

    /// The object of a record that was shut when it went.
    pub(super) fn shut_of(&self, record: &str) -> Option<&str> {
        self.kept(record)?.shut.as_deref()
    }

    /// Records with an object.
    pub(super) fn linked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kept.iter().flatten().filter_map(|kept| Some((&*kept.record, kept.target.as_deref()?)))
    }

    pub(super) fn linked_count(&self) -> u64 {
        self.targets.len() as u64
    }

    /// Stores several in one transaction; `None` forgets a record.
    pub(super) async fn put(&mut self, changes: Vec<(String, Option<State>)>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new("");
        for (record, state) in &changes {
            let (key, when) = (key(&self.sync, self.kind, record), When::Always);
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
            self.forget(&record);
            if let Some(state) = state {
                self.hold(&record, &state);
            }
        }
        Ok(())
    }

    /// Holds what is asked for often of a record that is not held.
    fn hold(&mut self, record: &str, state: &State) {
        let manager = state.manager.as_deref().map(|manager| {
            let known = self.managers.get(manager).map_or_else(|| Arc::from(manager), Arc::clone);
            self.managers.insert(Arc::clone(&known));
            known
        });
        let last = match state.outcome.as_str() {
            "created" | "recreated" => Last::Made,
            "failed" => Last::Failed,
            "skipped" | "ambiguous" => Last::Left,
            "deleted" | "unlinked" => Last::Ended,
            _ => Last::Done,
        };
        let kept = Kept {
            record: record.into(),
            target: state.target.as_deref().map(Box::from),
            manager,
            shut: state.shut.as_deref().map(Box::from),
            sent: state.sent.as_deref().and_then(short),
            last,
            at: state.at,
            told: told(&state.outcome, state.reason.as_deref()),
            is_begun: state.intent.is_some(),
        };
        let number = self.free.pop().unwrap_or_else(|| {
            self.kept.push(None);
            u32::try_from(self.kept.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.kept.get_mut(number as usize) {
            *place = Some(kept);
        }
        self.records.add(number, record, |number| record_of(&self.kept, number));
        if let Some(target) = &state.target {
            // Of two records with one object the later is its record, as ever.
            if let Some(other) = self.targets.find(target, |number| target_of(&self.kept, number)) {
                self.targets.remove(other, target);
            }
            self.targets.add(number, target, |number| target_of(&self.kept, number));
        }
    }

    fn forget(&mut self, record: &str) {
        let Some(number) = self.number(record) else { return };
        let Some(kept) = self.kept.get_mut(number as usize).and_then(Option::take) else { return };
        self.records.remove(number, record);
        if let Some(target) = &kept.target {
            self.targets.remove(number, target);
        }
        self.free.push(number);
    }
}

/// Outcome and reason, to know them again.
fn told(outcome: &str, reason: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (outcome, reason).hash(&mut hasher);
    hasher.finish()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A digest as it is held.
pub(super) fn short(digest: &str) -> Option<Short> {
    u128::from_str_radix(digest, 16).ok().map(u128::to_be_bytes)
}

fn kept_at(kept: &[Option<Kept>], number: u32) -> Option<&Kept> {
    kept.get(number as usize)?.as_ref()
}

fn record_of(kept: &[Option<Kept>], number: u32) -> &str {
    kept_at(kept, number).map_or("", |kept| &kept.record)
}

fn target_of(kept: &[Option<Kept>], number: u32) -> &str {
    kept_at(kept, number).and_then(|kept| kept.target.as_deref()).unwrap_or_default()
}

pub(super) fn read(value: &[u8]) -> Result<State, StoreError> {
    serde_json::from_slice(value).map_err(corrupt)
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
