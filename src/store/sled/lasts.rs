//! The last row of members of each group that somebody joined of late, in memory: it takes the next one, and looking for it in the
//! database costs as much as five other looks.
//!
//! Only who writes knows of it. What a transaction says is taken when the transaction is; a group of which nothing is said is looked
//! for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Groups that are remembered, of a hundred bytes each. When there are more, all are forgotten.
const MOST: usize = 1 << 14;

/// Numbers of rows by what the keys of the groups' rows begin with.
#[derive(Default)]
pub(super) struct Lasts(Mutex<HashMap<Vec<u8>, u64>>);

impl Lasts {
    pub(super) fn get(&self, prefix: &[u8]) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(prefix).copied()
    }

    /// This row is the last one of its group now; `None` when nobody knows which is.
    pub(super) fn set(&self, prefix: Vec<u8>, number: Option<u64>) {
        let mut lasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match number {
            Some(number) => {
                if lasts.len() >= MOST {
                    lasts.clear();
                }
                lasts.insert(prefix, number);
            }
            None => drop(lasts.remove(&prefix)),
        }
    }
}
