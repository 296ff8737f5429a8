//! [`Mark`]: where the target's list of changes goes on, for a sync and kind. It is used while mapping, settings and target are
//! the same, and moved on when a run has done all that it found: what a run does not get done is found again by the next.

use serde::{Deserialize, Serialize};

use super::objects::is_open;
use super::part::Part;
use super::plan::{Plan, Settled};
use super::{Stage, Sync, SyncError};
use crate::clock::Millis;
use crate::directory::token::hash;
use crate::store::{Operation, StoreError, Table, Transaction, When};
use crate::target::Kind;

/// How many states of objects that need nothing are stored at once.
const SETTLED: usize = 200;

/// Where a list of changes goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The target's link.
    pub(super) link: String,
    /// When all objects were read, before changes alone were.
    pub(super) read: Millis,
    /// Whether the list says of groups that their members changed.
    #[serde(default)]
    pub(super) members: bool,
    /// A digest of what the list was asked for.
    of: String,
    /// Linked records whose objects are protected.
    pub(super) protected: Vec<String>,
}

/// With what the next list of changes begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    /// The target's link.
    pub(super) link: String,
    /// When all objects were read.
    pub(super) read: Millis,
    /// Whether the list says of groups that their members changed.
    pub(super) members: bool,
}

impl Sync {
    fn mark_key(&self, kind: Kind) -> Vec<u8> {
        format!("delta/{}/{}", self.name(), kind.word()).into_bytes()
    }

    /// What a list is asked for: the same mapping and settings, of the same target with the same login.
    fn asked_for(&self, part: &Part) -> String {
        let settings = serde_json::to_string(&(&self.settings.target, &part.settings, &self.settings.guard.protected));
        // The version of what is asked: from 2 on groups with their members.
        hash(&format!("2\0{}\0{}", part.digest, settings.unwrap_or_default()))
    }

    /// The mark of a kind, when it is for what is asked now.
    pub(super) async fn mark(&self, part: &Part) -> Result<Option<Mark>, StoreError> {
        let known = self.store().record(Table::Checkpoints, &self.mark_key(part.kind)).await?;
        let known: Option<Mark> = known.and_then(|known| serde_json::from_slice(&known).ok());
        Ok(known.filter(|known| known.of == self.asked_for(part)))
    }

    /// A mark for what is asked now.
    pub(super) fn mark_of(&self, part: &Part, next: &Next, protected: Vec<String>) -> Mark {
        let Next { link, read, members } = next.clone();
        Mark { link, read, members, of: self.asked_for(part), protected }
    }

    /// Keeps a mark.
    pub(super) async fn keep_mark(&self, kind: Kind, mark: &Mark) -> Result<(), StoreError> {
        let value = serde_json::to_vec(mark).unwrap_or_default();
        let (table, key, when) = (Table::Checkpoints, self.mark_key(kind), When::Always);
        self.store().commit(Transaction::new("").with(Operation::Put { table, key, value, when })).await.map(|_| ())
    }

    /// Stores what was seen of objects that need nothing, and from where changes are to be listed: all of the plan is done.
    /// What was open, before the run began, is no longer told as it was.
    pub(super) async fn settle(&self, plan: &Plan, stage: &mut Stage, started: Millis) -> Result<(), StoreError> {
        for (kind, states) in &mut stage.states {
            let settled: Vec<&Settled> = plan.settled.iter().filter(|settled| settled.kind == *kind).collect();
            for some in settled.chunks(SETTLED) {
                let mut changes = Vec::with_capacity(some.len());
                for settled in some {
                    let Some(mut state) = states.whole(&settled.record).await? else { continue };
                    if settled.sent.is_some() {
                        state.sent.clone_from(&settled.sent);
                    }
                    if settled.is_fine && is_open(&state.outcome) && state.at < started {
                        (state.outcome, state.reason, state.at) = ("unchanged".to_owned(), None, self.clock.now());
                        state.attempts = 0;
                    }
                    state.manager = settled.manager.clone().or(state.manager);
                    state.gathered = settled.gathered.clone().or(state.gathered);
                    changes.push((settled.record.clone(), Some(state)));
                }
                states.put(changes).await?;
            }
        }
        for part in &stage.parts {
            let Some(next) = plan.links.get(&part.kind) else { continue };
            if !plan.undecided.contains(&part.kind) {
                let protected = plan.protected.iter().filter(|(kind, _)| *kind == part.kind);
                let protected = protected.map(|(_, record)| record.clone()).collect();
                self.keep_mark(part.kind, &self.mark_of(part, next, protected)).await?;
            }
        }
        Ok(())
    }

    /// From now on all objects of the target are read again, not only those that it says have changed.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read_all_again(&self) -> Result<(), SyncError> {
        let mut transaction = Transaction::new("");
        for kind in [Kind::User, Kind::Group] {
            let (table, key, when) = (Table::Checkpoints, self.mark_key(kind), When::Always);
            transaction = transaction.with(Operation::Erase { table, key, when });
        }
        self.store().commit(transaction).await?;
        Ok(())
    }
}
