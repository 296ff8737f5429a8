//! Turns: who changes the attributes of a resource has it alone, and who changes members of a group does so beside others.
//!
//! A write is decided on what was read, and decided anew when another one came between. That is right and can take for
//! ever: sixteen clients on one group, and the one that renames it never finds it as it was. So within a process writes
//! of one resource wait for each other, in the order in which they came. The versions stay what decides.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Call, Directory};

/// Resources share so many locks; two that share one wait for each other now and then, and that is all.
const LOCKS: usize = 1_024;

/// The locks.
pub(super) struct Turns {
    locks: Vec<RwLock<()>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { locks: (0..LOCKS).map(|_| RwLock::new(())).collect(), hasher: RandomState::new() }
    }
}

/// A turn, until it is dropped.
pub(super) enum Turn<'t> {
    Alone { _guard: Option<RwLockWriteGuard<'t, ()>> },
    Beside { _guard: Option<RwLockReadGuard<'t, ()>> },
}

impl Directory {
    /// Waits until it may write this resource: `alone`, or beside others that are not alone either.
    pub(super) async fn turn(&self, call: &Call<'_>, id: &str, alone: bool) -> Turn<'_> {
        let hash = self.turns.hasher.hash_one((call.source.slug.as_str(), id));
        let lock = self.turns.locks.get(hash as usize % LOCKS);
        match (lock, alone) {
            (Some(lock), true) => Turn::Alone { _guard: Some(lock.write().await) },
            (Some(lock), false) => Turn::Beside { _guard: Some(lock.read().await) },
            (None, _) => Turn::Beside { _guard: None },
        }
    }
}
