//! What a sync remembers of each record: its object in the target (the link), what was sent last, how it went. Kept in the
//! store. A run holds of each what it asks for often, ids and a digest, 63 bytes in [`Rows`]; the rest stays in the store.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::begun::Begun;
use super::ids::{Id, IdText, Ids, Pool};
use super::index::Index;
use super::rows::{Row, Rows};
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
    /// A digest of the members that a group had when it had those that it is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gathered: Option<String>,
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
#[derive(Clone, Copy)]
struct Kept {
    /// None for the place of one that was forgotten.
    record: Id,
    target: Id,
    sent: Option<Short>,
    last: Last,
    is_begun: bool,
    /// Which of the managers, or [`Pool::NONE`].
    manager: u32,
    /// When.
    at: Millis,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            record: Id::None,
            target: Id::None,
            sent: None,
            last: Last::Done,
            is_begun: false,
            manager: Pool::NONE,
            at: 0,
        }
    }
}

/// What was sent is known, in the byte that also has [`Last`].
const SENT: u8 = 1 << 7;
/// It is begun, in the same.
const BEGUN: u8 = 1 << 6;

impl Row for Kept {
    const WIDTH: usize = 2 * Id::WIDTH + size_of::<Short>() + 1 + 4 + 8;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.record.bytes());
        bytes.extend(self.target.bytes());
        bytes.extend(self.sent.unwrap_or_default());
        let (sent, begun) = (if self.sent.is_some() { SENT } else { 0 }, if self.is_begun { BEGUN } else { 0 });
        bytes.push(self.last as u8 | sent | begun);
        bytes.extend(self.manager.to_le_bytes());
        bytes.extend(self.at.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (record, rest) = bytes.split_first_chunk()?;
        let (target, rest) = rest.split_first_chunk()?;
        let (sent, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first()?;
        let (manager, rest) = rest.split_first_chunk()?;
        let last = [Last::Made, Last::Failed, Last::Left, Last::Ended, Last::Done];
        Some(Self {
            record: Id::of(*record),
            target: Id::of(*target),
            sent: (flags & SENT != 0).then_some(*sent),
            last: last.into_iter().find(|last| *last as u8 == flags & !(SENT | BEGUN))?,
            is_begun: flags & BEGUN != 0,
            manager: u32::from_le_bytes(*manager),
            at: Millis::from_le_bytes(*rest.first_chunk()?),
        })
    }
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
    kept: Rows<Kept>,
    ids: Ids,
    free: Vec<u32>,
    records: Index,
    targets: Index,
    managers: Pool,
    /// The objects of few: those that were shut when their records went.
    shut: HashMap<u32, Box<str>>,
    /// Why records are left out, as hashes of outcome and reason.
    told: HashMap<u32, u64>,
    /// The members of groups that have those they are to have, as digests.
    gathered: HashMap<u32, Short>,
    begun: Begun,
}

impl States {
    /// Reads them.
    pub(super) async fn load(store: Arc<dyn Store>, sync: &str, kind: Kind) -> Result<Self, StoreError> {
        let mut states = Self {
            store: Arc::clone(&store),
            sync: sync.to_owned(),
            kind,
            kept: Rows::default(),
            ids: Ids::default(),
            free: Vec::new(),
            records: Index::default(),
            targets: Index::default(),
            managers: Pool::default(),
            shut: HashMap::new(),
            told: HashMap::new(),
            gathered: HashMap::new(),
            begun: Begun::load(&*store, sync, kind).await?,
        };
        let (prefix, mut after) = (prefix(sync, kind), None);
        loop {
            let page = store.records(Table::Links, &prefix, after, PAGE).await?;
            for record in page.items {
                let id = record.key.get(prefix.len()..).map(String::from_utf8_lossy).unwrap_or_default();
                // In the store each is once.
                let number = states.add(&id);
                states.fill(number, &read(&record.value)?);
            }
            after = page.next;
            if after.is_none() {
                states.part();
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
        self.records.find(record, |number| record_of(&self.kept, &self.ids, number))
    }

    fn kept(&self, record: &str) -> Option<Kept> {
        Some(self.kept.get(self.number(record)? as usize))
    }

    /// All that are held, with their numbers.
    fn all(&self) -> impl Iterator<Item = (u32, Kept)> {
        let all = (0..).zip(0..self.kept.len()).map(|(number, place)| (number, self.kept.get(place)));
        all.filter(|(_, kept)| kept.record.is_some())
    }

    /// That all is there still.
    ///
    /// # Errors
    /// It is not: nothing that was said of any record may be used.
    pub(super) fn intact(&self) -> Result<(), StoreError> {
        let indexes = [&self.records, &self.targets].into_iter().try_for_each(Index::intact);
        self.kept.intact().and(indexes).map_err(StoreError::Io)
    }

    /// The object of a record.
    pub(super) fn target(&self, record: &str) -> Option<IdText<'_>> {
        self.ids.some(self.kept(record)?.target)
    }

    /// Whether a record has an object.
    pub(super) fn is_linked(&self, record: &str) -> bool {
        self.kept(record).is_some_and(|kept| kept.target.is_some())
    }

    /// The digest of the payload that was sent last.
    pub(super) fn sent(&self, record: &str) -> Option<Short> {
        self.kept(record)?.sent
    }

    /// The id in the target of the manager that was sent, or seen, last.
    pub(super) fn manager(&self, record: &str) -> Option<IdText<'_>> {
        self.managers.text(self.kept(record)?.manager)
    }

    /// A digest of the members of a group that has those it is to have.
    pub(super) fn gathered(&self, record: &str) -> Option<Short> {
        self.gathered.get(&self.number(record)?).copied()
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
        let known = self.number(record).and_then(|number| self.told.get(&number));
        known.is_some_and(|known| *known == told(outcome, Some(reason)))
    }

    /// Records without an object, but for those whose object ended after a time.
    pub(super) fn without_object(&self, before: Millis) -> impl Iterator<Item = IdText<'_>> {
        let kept = self.all().filter(|(number, kept)| !kept.target.is_some() && !self.shut.contains_key(number));
        kept.filter(move |(_, kept)| kept.last != Last::Ended || kept.at < before)
            .map(|(_, kept)| self.ids.text(kept.record))
    }

    /// The records for whom this object was sent as their manager.
    pub(super) fn managed_by(&self, target: &str) -> Vec<String> {
        let manager = self.managers.find(target);
        let managed = self.all().filter(|(_, kept)| Some(kept.manager) == manager);
        let mut records: Vec<String> = managed.map(|(_, kept)| self.ids.text(kept.record).into()).collect();
        records.sort_unstable();
        records
    }

    /// Whether an object was begun for it of which nobody knows the end.
    pub(super) fn is_begun(&self, record: &str) -> bool {
        self.begun.has(record) || self.kept(record).is_some_and(|kept| kept.is_begun)
    }

    /// Objects that were shut when their records went, and these records.
    pub(super) fn shut(&self) -> impl Iterator<Item = (&str, IdText<'_>)> {
        let all = self.shut.iter();
        all.map(|(number, id)| (&**id, record_of(&self.kept, &self.ids, *number)))
    }

    /// The record of an object.
    pub(super) fn record(&self, target: &str) -> Option<IdText<'_>> {
        let number = self.targets.find(target, |number| target_of(&self.kept, &self.ids, number))?;
        Some(record_of(&self.kept, &self.ids, number))
    }

    /// The object of a record that was shut when it went.
    pub(super) fn shut_of(&self, record: &str) -> Option<&str> {
        self.shut.get(&self.number(record)?).map(|id| &**id)
    }

    /// Records with an object.
    pub(super) fn linked(&self) -> impl Iterator<Item = (IdText<'_>, IdText<'_>)> {
        let linked = self.all().filter(|(_, kept)| kept.target.is_some());
        linked.map(|(_, kept)| (self.ids.text(kept.record), self.ids.text(kept.target)))
    }

    pub(super) fn linked_count(&self) -> u64 {
        self.targets.len() as u64
    }

    /// Stores that objects are about to be made for these records, with what people call them.
    pub(super) async fn begin(&mut self, records: &[(&str, &str)], at: Millis) -> Result<(), StoreError> {
        self.intact()?;
        if records.is_empty() {
            return Ok(());
        }
        for (record, name) in records {
            self.begun.begin(record, at, name);
        }
        let operation = self.begun.operation(&self.sync, self.kind);
        self.store.commit(Transaction::new("").with(operation)).await.map(|_| ())
    }

    /// Forgets what was begun for records that are gone; stored with the next change.
    pub(super) fn forget_begun(&mut self, stays: impl Fn(&str) -> bool) {
        self.begun.retain(stays);
    }

    /// Stores several in one transaction; `None` forgets a record.
    pub(super) async fn put(&mut self, changes: Vec<(String, Option<State>)>) -> Result<(), StoreError> {
        self.intact()?;
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
        let ended = changes.iter().filter(|(record, _)| self.begun.end(record)).count();
        if ended > 0 {
            transaction = transaction.with(self.begun.operation(&self.sync, self.kind));
        }
        if !transaction.operations.is_empty() {
            self.store.commit(transaction).await?;
        }
        for (record, state) in changes {
            match state {
                Some(state) => self.hold(&record, &state),
                None => self.forget(&record),
            }
        }
        Ok(())
    }

    /// Holds what is asked for often of a record, in the place of what was held of it.
    fn hold(&mut self, record: &str, state: &State) {
        let number = self.number(record).unwrap_or_else(|| self.add(record));
        let target = state.target.as_deref();
        // Of two records with one object the later is its record, as ever.
        if self.ids.some(self.kept.get(number as usize).target).as_deref() != target
            && let Some(target) = target
            && let Some(other) = self.targets.find(target, |number| target_of(&self.kept, &self.ids, number))
        {
            self.targets.remove(other, target);
        }
        self.fill(number, state);
    }

    fn fill(&mut self, number: u32, state: &State) {
        let last = match state.outcome.as_str() {
            "created" | "recreated" => Last::Made,
            "failed" => Last::Failed,
            "skipped" | "ambiguous" => Last::Left,
            "deleted" | "unlinked" => Last::Ended,
            _ => Last::Done,
        };
        let manager = state.manager.as_deref().map_or(Pool::NONE, |manager| self.managers.number(manager));
        self.link(number, state.target.as_deref());
        match state.shut.as_deref() {
            Some(shut) => drop(self.shut.insert(number, shut.into())),
            None => drop(self.shut.remove(&number)),
        }
        if last == Last::Left {
            self.told.insert(number, told(&state.outcome, state.reason.as_deref()));
        } else {
            self.told.remove(&number);
        }
        match state.gathered.as_deref().and_then(short) {
            Some(gathered) => drop(self.gathered.insert(number, gathered)),
            None => drop(self.gathered.remove(&number)),
        }
        let known = self.kept.get(number as usize);
        let sent = state.sent.as_deref().and_then(short);
        let is_begun = state.intent.is_some();
        self.kept.set(number as usize, Kept { sent, manager, last, at: state.at, is_begun, ..known });
    }

    /// Makes a place for a record.
    fn add(&mut self, record: &str) -> u32 {
        let id = self.ids.hold(record);
        let kept = Kept { record: id, ..Kept::default() };
        let free = self.free.pop();
        let number = free.unwrap_or_else(|| u32::try_from(self.kept.len()).unwrap_or(u32::MAX));
        match free {
            Some(_) => self.kept.set(number as usize, kept),
            None => self.kept.push(kept),
        }
        self.records.add(number, record);
        number
    }

    /// Holds which object is a record's.
    fn link(&mut self, number: u32, target: Option<&str>) {
        let known = self.kept.get(number as usize);
        let text = self.ids.some(known.target);
        if text.as_deref() == target {
            return;
        }
        if let Some(text) = text {
            self.targets.remove(number, &text);
        }
        let id = target.map_or(Id::None, |target| self.ids.hold(target));
        self.kept.set(number as usize, Kept { target: id, ..known });
        if let Some(target) = target {
            self.targets.add(number, target);
        }
    }

    /// Of records with one object leaves it to the last.
    fn part(&mut self) {
        for alike in self.targets.alike() {
            let mut known: Vec<String> = Vec::new();
            for number in alike.into_iter().rev() {
                let target = String::from(target_of(&self.kept, &self.ids, number));
                if known.contains(&target) {
                    self.targets.remove(number, &target);
                } else {
                    known.push(target);
                }
            }
        }
    }

    fn forget(&mut self, record: &str) {
        let Some(number) = self.number(record) else { return };
        self.link(number, None);
        self.records.remove(number, record);
        self.shut.remove(&number);
        self.told.remove(&number);
        self.gathered.remove(&number);
        self.kept.set(number as usize, Kept::default());
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

fn record_of<'i>(kept: &Rows<Kept>, ids: &'i Ids, number: u32) -> IdText<'i> {
    ids.text(kept.get(number as usize).record)
}

fn target_of<'i>(kept: &Rows<Kept>, ids: &'i Ids, number: u32) -> IdText<'i> {
    ids.text(kept.get(number as usize).target)
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
