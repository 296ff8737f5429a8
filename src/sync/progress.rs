//! How far a run is, for whoever watches: a phase, how much of it is done, and of how much.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Mappings, files and links are read.
    Reading,
    /// Records are mapped.
    Mapping,
    /// The target's objects are looked at.
    Discovering,
    /// Users are written.
    Users,
    /// Groups are written.
    Groups,
    /// Managers and members are written.
    References,
    /// What is gone is taken away.
    Leaving,
}

impl Phase {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Mapping => "mapping",
            Self::Discovering => "discovering",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::References => "references",
            Self::Leaving => "leaving",
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Progress)]
pub struct Now {
    /// What it is at.
    pub phase: Phase,
    /// Records or objects that are done in this phase.
    pub done: u64,
    /// Of how many; `None` while nobody knows.
    pub total: Option<u64>,
}

/// Where a run says how far it is. It costs a lock for each page or batch.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Option<Now>>);

impl Progress {
    fn set(&self, now: Option<Now>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// A phase begins.
    pub(super) fn begin(&self, phase: Phase, total: Option<u64>) {
        self.set(Some(Now { phase, done: 0, total }));
    }

    /// Something of the phase is done.
    pub(super) fn add(&self, done: usize) {
        if let Some(now) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            now.done += done as u64;
            // What comes again after weather is counted again, and what is added meanwhile too.
            now.total = now.total.map(|total| total.max(now.done));
        }
    }

    /// The run is over.
    pub(super) fn end(&self) {
        self.set(None);
    }

    /// How far it is; `None` when there is no run.
    pub(super) fn now(&self) -> Option<Now> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the run is over when it is dropped, however the run ends.
pub(super) struct Watched<'p>(pub(super) &'p Progress);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
