//! What a run did, as it is counted, kept and shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::plan::Action;
use crate::clock::Millis;
use crate::target::{Kind, TargetError};

/// The most failures that a report names.
const MAX_NAMED: usize = 100;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// All of the plan is done, but for objects that the target refused.
    Complete,
    /// The weather was too bad; the next run goes on.
    Degraded,
    /// A mapping failed; nothing more is written until it is mended.
    Halted,
    /// It would have taken away more than the guard allows; that was not done.
    Guarded,
    /// It could not run: settings, credentials, the store.
    Failed,
}

impl Ended {
    /// What a word says; `None` for any other.
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Complete, Self::Degraded, Self::Halted, Self::Guarded, Self::Failed];
        all.into_iter().find(|one| one.word() == word)
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Degraded => "degraded",
            Self::Halted => "halted",
            Self::Guarded => "guarded",
            Self::Failed => "failed",
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Objects that were made.
    pub created: u64,
    /// Objects that were gone and were made again.
    pub recreated: u64,
    /// Objects that were there and are linked now.
    pub linked: u64,
    /// Objects that got other values.
    pub updated: u64,
    /// Accounts that were shut.
    pub disabled: u64,
    /// Objects that were removed.
    pub deleted: u64,
    /// Links that were given up.
    pub unlinked: u64,
    /// Objects that were as they are to be.
    pub unchanged: u64,
    /// Records that lack something, or that a script skips.
    pub skipped: u64,
    /// Records that no filter takes.
    pub out_of_scope: u64,
    /// Records for which several objects were found.
    pub ambiguous: u64,
    /// Objects, and members, that the target refused.
    pub failed: u64,
    /// Members that came.
    pub members_added: u64,
    /// Members that went.
    pub members_removed: u64,
}

/// An object that the target refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Failed {
    /// Of which kind.
    pub kind: Kind,
    /// The record.
    pub record: String,
    /// What people call it.
    pub name: String,
    /// What was to be done.
    pub verb: String,
    /// Why not.
    pub reason: String,
}

/// A run, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The sync.
    pub sync: String,
    /// Its number, rising.
    pub number: u64,
    /// `full`, `direct`, `object` (single ones), `discover`.
    pub kind: String,
    /// When it began.
    pub started: Millis,
    /// When it ended.
    pub ended: Millis,
    /// How.
    pub outcome: Ended,
    /// What was done.
    pub counts: Counts,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Objects that the target refused, at most the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failures: Vec<Failed>,
    /// Deletions and disablings that the guard held back.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub held_back: u64,
    /// What should be looked at although it stops nothing, such as a column that a file lacks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// Calls that wrote.
    pub calls: u64,
    /// Calls that were made again because of the weather.
    pub repeated: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Counts while a run is under way.
#[derive(Default)]
pub(super) struct Tally {
    counts: Mutex<(Counts, Vec<Failed>)>,
    calls: AtomicU64,
    denied: Mutex<Option<TargetError>>,
    warnings: Mutex<Vec<String>>,
}

impl Tally {
    pub(super) fn add(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner).0);
    }

    pub(super) fn calls(&self, number: u64) {
        self.calls.fetch_add(number, Ordering::Relaxed);
    }

    /// Notes what should be looked at.
    pub(super) fn warn(&self, warnings: &[String]) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(warnings);
    }

    /// What should be looked at.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes an object that the target refused.
    pub(super) fn failed(&self, action: &Action, reason: &str) {
        let (counts, failures) = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.failed += 1;
        if failures.len() < MAX_NAMED {
            failures.push(Failed {
                kind: action.kind,
                record: action.record.clone(),
                name: action.name.clone(),
                verb: action.verb.word().to_owned(),
                reason: reason.to_owned(),
            });
        }
    }

    /// Notes that the target denies us something.
    pub(super) fn was_denied(&self, error: &TargetError) {
        *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// The denial, when the target denied us something and let us do nothing at all.
    pub(super) fn denied(&self) -> Option<TargetError> {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        denied.filter(|_| self.taken().0.writes() == 0)
    }

    /// What was counted, and the calls that wrote.
    pub(super) fn taken(&self) -> (Counts, Vec<Failed>, u64) {
        let (counts, failures) = &*self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (*counts, failures.clone(), self.calls.load(Ordering::Relaxed))
    }
}
