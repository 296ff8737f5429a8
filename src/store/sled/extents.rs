//! How many places of each row of the order of creation are taken, in memory once somebody asked for a page that does not begin at
//! the beginning: a byte for 64 resources, so that such a page is found without going over the rows before it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{Run, Runs, StoreError};

use super::codec;
use super::engine::{Engine, whole};
use super::keys::{self, EXTENT, Parts, Space};
use super::staging::after;

/// More extents than these, for four billion resources, are none of ours.
const MOST: usize = 1 << 26;

/// Counts by extent, of each kind of each source that was asked for.
#[derive(Default)]
pub(super) struct Extents {
    /// By what the keys of the rows begin with.
    kinds: Mutex<HashMap<Vec<u8>, Filled>>,
}

/// How the extents of a kind are filled.
#[derive(Default)]
struct Filled {
    counts: Vec<u8>,
    /// All of them together.
    total: u64,
}

impl Extents {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Filled>> {
        // Whoever panics while a kind is read has not put it in.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The extent in which so many resources are behind, and how many of those are in it.
    pub(super) fn skip(engine: &Engine, prefix: &[u8], skip: u64) -> Result<(u64, u64), StoreError> {
        Self::of(engine, prefix, |filled| begin(&filled.counts, skip))
    }

    /// The extents of so many resources after `skip` others; `None` when there are more than `most`.
    pub(super) fn runs(
        engine: &Engine,
        prefix: &[u8],
        skip: u64,
        limit: u64,
        most: u64,
    ) -> Result<Option<Runs>, StoreError> {
        Self::of(engine, prefix, |Filled { counts, total }| {
            if *total > most {
                return None;
            }
            let (first, skip) = begin(counts, skip);
            let (mut runs, mut left) = (Vec::new(), limit.saturating_add(skip));
            for (extent, count) in (0_u64..).zip(counts).skip(usize::try_from(first).unwrap_or(usize::MAX)) {
                if left == 0 {
                    break;
                }
                let count = u64::from(*count);
                left = left.saturating_sub(count);
                if count > 0 {
                    runs.push(Run { first: extent * EXTENT, count });
                }
            }
            Some(Runs { runs, skip, total: *total })
        })
    }

    /// How many resources of a kind there are, when that is known.
    pub(super) fn total(&self, prefix: &[u8]) -> Option<u64> {
        self.lock().get(prefix).map(|filled| filled.total)
    }

    /// What the counts of a kind say.
    fn of<T>(engine: &Engine, prefix: &[u8], say: impl FnOnce(&Filled) -> T) -> Result<T, StoreError> {
        let mut kinds = engine.extents.lock();
        if let Some(filled) = kinds.get(prefix) {
            return Ok(say(filled));
        }
        // Meanwhile the committer waits with what it changed: it is put over what is read here.
        let filled = read(engine, prefix)?;
        Ok(say(kinds.entry(prefix.to_vec()).or_insert(filled)))
    }

    /// A row was stored, or taken away, and has so many places now; [`count`] says how many.
    pub(super) fn changed(&self, key: &[u8], count: Option<u8>) {
        let Some((prefix, extent)) = parts(key) else { return };
        let mut kinds = self.lock();
        let Some(filled) = kinds.get_mut(prefix) else { return };
        match (usize::try_from(extent), count) {
            (Ok(extent), Some(count)) => filled.put(extent, count),
            // One that cannot be told has all of them read again.
            _ => drop(kinds.remove(prefix)),
        }
    }

    /// Rows were stored by another way.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}

/// As [`Extents::skip`].
fn begin(counts: &[u8], skip: u64) -> (u64, u64) {
    let mut left = skip;
    for (extent, count) in (0..).zip(counts) {
        if left < u64::from(*count) {
            return (extent, left);
        }
        left -= u64::from(*count);
    }
    (u64::MAX, left)
}

/// What a key of the order begins with, and its extent.
fn parts(key: &[u8]) -> Option<(&[u8], u64)> {
    if Space::of(key)? != Space::Order {
        return None;
    }
    let mut parts = Parts::new(key);
    parts.skip_text()?;
    parts.skip_text()?;
    let prefix = key.get(..key.len() - parts.remaining().len())?;
    Some((prefix, parts.number()?))
}

/// The count in a stored row, or in one that was taken away; `None` when it is in pieces.
pub(super) fn count(stored: Option<&[u8]>) -> Option<u8> {
    stored.map_or(Some(0), |stored| whole(stored).map(codec::count_of_extent))
}

fn read(engine: &Engine, prefix: &[u8]) -> Result<Filled, StoreError> {
    let mut filled = Filled::default();
    for row in engine.prefix(prefix, None) {
        let (key, value) = row?;
        let extent = Parts::rest(after(&key, prefix)).number().ok_or_else(|| keys::bad_key(&key))?;
        let extent = usize::try_from(extent).ok().filter(|extent| *extent < MOST).ok_or_else(|| keys::bad_key(&key))?;
        filled.put(extent, codec::count_of_extent(&value));
    }
    Ok(filled)
}

impl Filled {
    fn put(&mut self, extent: usize, count: u8) {
        if self.counts.len() <= extent {
            self.counts.resize(extent + 1, 0);
        }
        if let Some(place) = self.counts.get_mut(extent) {
            self.total = self.total - u64::from(*place) + u64::from(count);
            *place = count;
        }
    }
}
