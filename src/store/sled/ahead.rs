//! [`Ahead`]: the batches that the database is just being given, for those who read meanwhile. What a batch writes is seen at once
//! and whole, and who waits for it is told when the journal has it; the database follows behind.

use std::cmp::Ordering;
use std::collections::{VecDeque, btree_map};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock};

use ::sled::IVec;

use super::engine::Found;
use super::staging::Writes;

/// The batches that go before the database; a few.
#[derive(Default)]
pub(super) struct Ahead {
    /// Whether there is one. It is set after a batch is here, and taken back when the database has all of them, so that who sees it
    /// unset may ask the database alone.
    is_there: AtomicBool,
    /// In their order.
    batches: RwLock<VecDeque<Arc<Writes>>>,
}

impl Ahead {
    /// Shows a batch, which comes after all that are here.
    pub(super) fn show(&self, writes: &Arc<Writes>) {
        let mut batches = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        batches.push_back(Arc::clone(writes));
        self.is_there.store(true, SeqCst);
    }

    /// The database has the first so many of them.
    pub(super) fn end(&self, count: usize) {
        let mut batches = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(batches.len());
        let ended: Vec<_> = batches.drain(..count).collect();
        self.is_there.store(!batches.is_empty(), SeqCst);
        drop(batches);
        // They may be large, and nobody need wait for that.
        drop(ended);
    }

    /// What the batches write under a key: bytes, or `None` when they remove what was there. The outer `None` sends to the database.
    #[expect(clippy::option_option, reason = "a removal is an answer, and nothing about the key is none")]
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<IVec>> {
        if !self.is_there.load(SeqCst) {
            return None;
        }
        let batches = self.batches.read().unwrap_or_else(PoisonError::into_inner);
        let written = batches.iter().rev().find_map(|writes| writes.get(key))?;
        Some(written.as_deref().map(IVec::from))
    }

    /// The part of the batches between two keys, to go over it with the rows of the database that are asked for after this.
    pub(super) fn between(&self, low: Bound<&Vec<u8>>, high: Option<&Vec<u8>>) -> Option<Part> {
        if !self.is_there.load(SeqCst) {
            return None;
        }
        let (low, high) = (low.cloned(), high.cloned().map_or(Bound::Unbounded, Bound::Excluded));
        let batches = self.batches.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Option<Part> = None;
        for writes in batches.iter() {
            let part = Part { low: low.clone(), high: high.clone(), writes: Arc::clone(writes) };
            if part.rest().is_none_or(|mut rest| rest.next().is_none()) {
                continue;
            }
            // Of several batches the later ones say what is.
            let merged = found.take().map(|before| {
                let parts = [&before, &part];
                let rows = parts.into_iter().filter_map(Part::rest).flatten();
                Arc::new(rows.map(|(key, value)| (key.clone(), value.clone())).collect::<Writes>())
            });
            found = Some(merged.map_or_else(|| part, |writes| Part { low: low.clone(), high: high.clone(), writes }));
        }
        found
    }
}

/// A part of a batch that is gone over from either end.
pub(super) struct Part {
    writes: Arc<Writes>,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
}

impl Part {
    /// What is left; `None` for ends that are not in order, at which a map panics.
    fn rest(&self) -> Option<btree_map::Range<'_, Vec<u8>, Option<Vec<u8>>>> {
        if let (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) =
            (&self.low, &self.high)
            && low >= high
        {
            return None;
        }
        Some(self.writes.range::<Vec<u8>, _>((self.low.as_ref(), self.high.as_ref())))
    }

    /// What comes next from one of the ends.
    fn next(&self, backward: bool) -> Option<(&Vec<u8>, &Option<Vec<u8>>)> {
        let mut rest = self.rest()?;
        if backward { rest.next_back() } else { rest.next() }
    }

    /// What comes next: of the batch, or this row of the database.
    pub(super) fn merge(&mut self, stored: Option<Found>, backward: bool) -> Merged {
        let Some((key, value)) = self.next(backward) else { return Merged::End(stored) };
        let row = value.as_deref().map(|value| (IVec::from(key.as_slice()), IVec::from(value)));
        let again = match stored {
            Some((at, bytes)) => match if backward { key.as_slice().cmp(&at) } else { (*at).cmp(key) } {
                Ordering::Less => return Merged::Row((at, bytes), None),
                Ordering::Equal => None,
                Ordering::Greater => Some((at, bytes)),
            },
            None => None,
        };
        let end = Bound::Excluded(key.clone());
        *(if backward { &mut self.high } else { &mut self.low }) = end;
        match row {
            Some(row) => Merged::Row(row, again),
            None => Merged::Removed(again),
        }
    }
}

/// What comes next. With it a row of the database that comes later.
pub(super) enum Merged {
    /// This row.
    Row(Found, Option<Found>),
    /// Nothing: the batch removes what the database has there.
    Removed(Option<Found>),
    /// What the database has; the batch has no more.
    End(Option<Found>),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
        proptest::collection::btree_map(
            proptest::collection::vec(0..4_u8, 1..3),
            proptest::collection::vec(0..9_u8, 0..2),
            0..12,
        )
    }

    proptest! {
        /// What is gone over is what the database would have after the batch, from either end.
        #[test]
        fn a_batch_and_the_database_are_gone_over_as_one(
            database in rows(),
            batches in proptest::collection::vec(
                (rows(), proptest::collection::vec(proptest::collection::vec(0..4_u8, 1..3), 0..6)), 1..4),
            low in proptest::collection::vec(0..4_u8, 0..3),
            backward: bool,
        ) {
            let ahead = Ahead::default();
            let (mut after, mut changed) = (database.clone(), Vec::new());
            let count = batches.len();
            for (written, removed) in batches {
                let mut writes: Writes = written.into_iter().map(|(key, value)| (key, Some(value))).collect();
                writes.extend(removed.into_iter().map(|key| (key, None)));
                for (key, value) in &writes {
                    match value {
                        Some(value) => after.insert(key.clone(), value.clone()),
                        None => after.remove(key),
                    };
                    changed.push(key.clone());
                }
                ahead.show(&Arc::new(writes));
            }
            for key in &changed {
                let found = ahead.get(key).unwrap();
                prop_assert_eq!(found.as_deref(), after.get(key).map(Vec::as_slice));
            }
            let in_order = |rows: &BTreeMap<Vec<u8>, Vec<u8>>| {
                let mut rows: Vec<_> = rows.range(low.clone()..).map(|(key, value)| (key.clone(), value.clone())).collect();
                if backward {
                    rows.reverse();
                }
                rows
            };
            let mut left = in_order(&database).into_iter().map(|(key, value)| (IVec::from(key), IVec::from(value)));
            let (mut part, mut again, mut found) = (ahead.between(Bound::Included(&low), None), None, Vec::new());
            loop {
                let stored = again.take().or_else(|| left.next());
                let row = match part.as_mut().map_or(Merged::End(stored.clone()), |part| part.merge(stored, backward)) {
                    Merged::Row(row, later) => {
                        again = later;
                        row
                    }
                    Merged::Removed(later) => {
                        again = later;
                        continue;
                    }
                    Merged::End(None) => break,
                    Merged::End(Some(row)) => row,
                };
                found.push((row.0.to_vec(), row.1.to_vec()));
            }
            prop_assert_eq!(found, in_order(&after));
            ahead.end(count);
            prop_assert!(changed.iter().all(|key| ahead.get(key).is_none()));
        }
    }
}
