//! How a sync stands: its halt, its runs, what it has linked; and the end of a halt.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};

use super::progress::Now;
use super::report::Report;
use super::runs::RunQuery;
use super::schedule::Quarantine;
use super::state::States;
use super::{Sync, SyncError, SyncHalt, halt};
use crate::clock::Millis;
use crate::store::Table;
use crate::target::{Abilities, Kind};

/// How a sync stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The sync.
    pub sync: String,
    /// Why it stands still.
    pub halt: Option<SyncHalt>,
    /// Until when a run holds it.
    pub running_until: Option<Millis>,
    /// The last runs, the newest first.
    pub runs: Vec<Report>,
    /// Linked users and groups.
    pub linked: [u64; 2],
    /// The quarantine that it is in, because too much failed.
    pub quarantine: Option<Quarantine>,
    /// How far the run is that is under way in this process.
    #[serde(skip_deserializing)]
    pub progress: Option<Now>,
    /// When the next full run is, where a server looks after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_full: Option<Millis>,
}

impl Sync {
    /// Lets a halted sync run again; false when it was not halted.
    ///
    /// # Errors
    /// The store fails.
    pub async fn resume(&self) -> Result<bool, SyncError> {
        let halted = halt::read(self.store(), self.name()).await?.is_some();
        halt::lift(self.store(), self.name()).await?;
        Ok(halted)
    }

    /// The records of a kind that have an object.
    pub(super) async fn linked(&self, kind: Kind) -> Result<Vec<String>, SyncError> {
        let records = |states: &States| states.linked().map(|(record, _)| record.into()).collect();
        if let Some((states, _)) = &*self.kept.lock().unwrap_or_else(PoisonError::into_inner)
            && let Some(states) = states.get(&kind)
        {
            return Ok(records(states));
        }
        Ok(records(&States::load(Arc::clone(self.store()), self.name(), kind).await?))
    }

    /// What the run before has kept; how many it has linked is told while the next one is under way.
    pub(super) fn take_kept(&self) -> Option<(HashMap<Kind, States>, Abilities)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((states, _)) = &kept {
            *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts(states));
        }
        kept
    }

    /// After a run: what was counted before it is not true any more.
    pub(super) fn count_again(&self) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many users and groups are linked. The links are gone through once in the life of a process, and after a run that failed.
    async fn count(&self) -> Result<[u64; 2], SyncError> {
        if let Some((states, _)) = &*self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(counts(states));
        }
        if let Some(counted) = *self.counted.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(counted);
        }
        let mut states = HashMap::new();
        for kind in [Kind::User, Kind::Group] {
            states.insert(kind, States::load(Arc::clone(self.store()), self.name(), kind).await?);
        }
        let counted = counts(&states);
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        Ok(counted)
    }

    /// How it stands. `runs`: how many of the last runs are told.
    ///
    /// # Errors
    /// The store fails.
    pub async fn status(&self, runs: usize) -> Result<Status, SyncError> {
        let all = self.runs(&RunQuery { limit: runs, ..RunQuery::default() }).await?.runs;
        let lease = self.store().record(Table::Leases, &self.lease_key()).await?;
        Ok(Status {
            sync: self.name().to_owned(),
            halt: halt::read(self.store(), self.name()).await?,
            running_until: lease.and_then(|lease| self.held_until(&lease)),
            runs: all,
            linked: self.count().await?,
            quarantine: self.quarantined().await?,
            progress: self.progress.now(),
            next_full: Some(self.next_full.load(Ordering::Relaxed)).filter(|at| *at > 0),
        })
    }
}

fn counts(states: &HashMap<Kind, States>) -> [u64; 2] {
    [Kind::User, Kind::Group].map(|kind| states.get(&kind).map_or(0, States::linked_count))
}
