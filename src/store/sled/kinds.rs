//! Of what kind the resources are that became members of a group of late, in memory: each of them was looked up for that, and whoever
//! comes into one group comes into others.
//!
//! Only who writes knows of it. A resource keeps its kind for as long as it lives, so what is remembered is right until it is deleted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys;

/// Resources that are remembered, of some 40 bytes each. When there are more, all are forgotten.
const MOST: usize = 1 << 16;
/// Names of sources and kinds that are told apart. Resources with others are not remembered.
const NAMES: usize = 1 << 10;

/// What is remembered.
#[derive(Default)]
struct Known {
    /// Names of sources and kinds.
    names: Vec<String>,
    /// The kinds by source and id, as places in `names`.
    kinds: HashMap<(u16, [u8; 16]), u16>,
}

impl Known {
    fn place(&self, name: &str) -> Option<u16> {
        self.names.iter().position(|known| known == name).map(|place| place as u16)
    }

    fn place_of_new(&mut self, name: &str) -> Option<u16> {
        let known = self.place(name);
        if known.is_none() && self.names.len() < NAMES {
            self.names.push(name.to_owned());
            return self.place(name);
        }
        known
    }
}

/// Kinds of resources whose ids are UUIDs.
#[derive(Default)]
pub(super) struct Kinds(Mutex<Known>);

impl Kinds {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // A name is there before anybody has its place.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, source: &str, id: &str) -> Option<String> {
        let known = self.lock();
        let kind = known.kinds.get(&(known.place(source)?, keys::uuid_bytes(id)?))?;
        known.names.get(usize::from(*kind)).cloned()
    }

    /// A stored resource is of this kind.
    pub(super) fn learn(&self, source: &str, id: &str, kind: &str) {
        let Some(id) = keys::uuid_bytes(id) else { return };
        let mut known = self.lock();
        if known.kinds.len() >= MOST {
            known.kinds.clear();
        }
        if let (Some(source), Some(kind)) = (known.place_of_new(source), known.place_of_new(kind)) {
            known.kinds.insert((source, id), kind);
        }
    }

    /// A resource is to be deleted: what has its id afterwards is another one.
    pub(super) fn forget(&self, source: &str, id: &str) {
        let mut known = self.lock();
        if let (Some(source), Some(id)) = (known.place(source), keys::uuid_bytes(id)) {
            known.kinds.remove(&(source, id));
        }
    }

    /// Rows were stored by another way.
    pub(super) fn forget_all(&self) {
        *self.lock() = Known::default();
    }
}
