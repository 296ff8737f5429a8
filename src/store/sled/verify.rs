//! A walk over everything. What must exist is looked up one by one; that nothing else exists follows from the numbers, so
//! that the walk needs no memory to speak of.

use std::collections::{BTreeSet, HashMap};

use crate::store::types::{MODIFIED, Stored, time_key};
use crate::store::{StoreError, Verified};

use super::codec;
use super::committer::counters;
use super::engine::{Engine, Pieces};
use super::keys::{self, EXTENT, NO_KIND, Parts, Space};

/// The most findings that are told.
const MAX_FINDINGS: usize = 1_000;

struct Walk<'e> {
    engine: &'e Engine,
    told: Verified,
    /// Resources by source and kind.
    counts: HashMap<(String, String), u64>,
    unique: u64,
    plain: u64,
}

pub(super) fn verify(engine: &Engine) -> Result<Verified, StoreError> {
    let mut walk = Walk { engine, told: Verified::default(), counts: HashMap::new(), unique: 0, plain: 0 };
    let pieces = walk.values()?;
    walk.numbers(Space::Piece, pieces)?;
    walk.resources()?;
    walk.numbers(Space::Unique, walk.unique)?;
    walk.numbers(Space::Index, walk.plain)?;
    walk.told.entries = walk.unique + walk.plain;
    walk.edges()?;
    walk.numbers(Space::Group, walk.told.edges)?;
    walk.order()?;
    walk.rows()?;
    Ok(walk.told)
}

impl Walk<'_> {
    fn find(&mut self, finding: impl FnOnce() -> String) {
        if self.told.findings.len() < MAX_FINDINGS {
            self.told.findings.push(finding());
        }
    }

    fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.engine.get_stored(key)?.is_some())
    }

    /// Every value has its form and its pieces; says how many pieces there should be.
    fn values(&mut self) -> Result<u64, StoreError> {
        let mut pieces = 0;
        for space in Space::ALL.into_iter().filter(|space| *space != Space::Piece) {
            for row in self.engine.stored_prefix(space)? {
                let (key, stored) = row?;
                match Pieces::of(&key, &stored) {
                    Ok(found) => pieces += found.map_or(0, |found| u64::from(found.count)),
                    Err(error) => self.find(|| error.to_string()),
                }
            }
        }
        Ok(pieces)
    }

    /// A space has as many rows as it should.
    fn numbers(&mut self, space: Space, should: u64) -> Result<(), StoreError> {
        let mut has = 0;
        for row in self.engine.stored_prefix(space)? {
            row?;
            has += 1;
        }
        if has != should {
            self.find(|| format!("{}: {has} entries, and {should} belong to something", space.name()));
        }
        Ok(())
    }

    fn resources(&mut self) -> Result<(), StoreError> {
        for row in self.engine.prefix(&[Space::Resource.letter()], None) {
            let row = row.and_then(|(key, value)| {
                let mut parts = Parts::new(&key);
                let (source, id) = parts.string().zip(parts.id()).ok_or_else(|| keys::bad_key(&key))?;
                Ok((codec::read_resource(&id, &value)?, source))
            });
            match row {
                Ok((stored, source)) => self.resource(&source, &stored)?,
                Err(error) => self.find(|| error.to_string()),
            }
        }
        Ok(())
    }

    fn resource(&mut self, source: &str, stored: &Stored) -> Result<(), StoreError> {
        let Stored { kind, id, number, .. } = stored;
        self.told.resources += 1;
        *self.counts.entry((source.to_owned(), kind.clone())).or_default() += 1;

        let unique: BTreeSet<Vec<u8>> =
            stored.keys.of_unique().map(|(index, key)| keys::unique(source, kind, index, key)).collect();
        for key in &unique {
            if self.engine.get(key)?.is_none_or(|holder| *holder != *id.as_bytes()) {
                self.find(|| format!("unique keys: one of {kind} {id} does not point to it"));
            }
        }
        let mut plain: BTreeSet<Vec<u8>> =
            stored.keys.of_plain().map(|(index, key)| keys::plain(source, kind, index, key, id)).collect();
        plain.insert(keys::plain(source, kind, MODIFIED, &time_key(stored.modified), id));
        for key in &plain {
            if !self.has(key)? {
                self.find(|| format!("index: an entry of {kind} {id} is missing"));
            }
        }
        self.unique += unique.len() as u64;
        self.plain += plain.len() as u64;

        let extent = self.engine.get(&keys::extent(source, kind, *number))?;
        let places = extent.map_or(Ok(Vec::new()), |row| codec::read_extent(&row)).unwrap_or_default();
        if !places.iter().any(|(place, at)| u64::from(*place) == number % EXTENT && at == id) {
            self.find(|| format!("order: {kind} {id} is not at its place {number}"));
        }
        let mut members = 0;
        for edge in self.engine.prefix(&keys::edges(Space::Member, source, id), None) {
            edge?;
            members += 1;
        }
        if members != stored.members {
            self.find(|| format!("members: {kind} {id} says {} and has {members}", stored.members));
        }
        Ok(())
    }

    fn edges(&mut self) -> Result<(), StoreError> {
        let mut last = (Vec::new(), false);
        for row in self.engine.prefix(&[Space::Member.letter()], None) {
            let (key, kind) = row?;
            self.told.edges += 1;
            let mut parts = Parts::new(&key);
            let ends = parts.string().and_then(|source| Some((source, parts.id()?, parts.id()?)));
            let Some((source, group, member)) = ends.filter(|_| parts.is_empty()) else {
                self.find(|| keys::bad_key(&key).to_string());
                continue;
            };
            let at = keys::resource(&source, &group);
            if last.0 != at {
                let there = self.has(&at)?;
                last = (at, there);
            }
            if !last.1 {
                self.find(|| format!("members: {member} is in group {group}, which is gone"));
            }
            match self.engine.get(&keys::resource(&source, &member))?.map(|row| codec::read_kind(&row)) {
                Some(Ok(found)) if *found.as_bytes() == *kind => {}
                Some(_) => self.find(|| format!("members: {member} is of another kind than its edge to {group} says")),
                None if *kind == *NO_KIND.as_bytes() => {}
                None => self.find(|| format!("members: group {group} has member {member}, which is gone")),
            }
            if !self.has(&keys::group(&source, &member, &group))? {
                self.find(|| format!("memberships: {member} does not know that it is in {group}"));
            }
        }
        Ok(())
    }

    fn order(&mut self) -> Result<(), StoreError> {
        let mut listed: HashMap<(String, String), u64> = HashMap::new();
        for row in self.engine.prefix(&[Space::Order.letter()], None) {
            let (key, value) = row?;
            let mut parts = Parts::new(&key);
            match (parts.string().zip(parts.string()), codec::read_extent(&value)) {
                (Some(kind), Ok(places)) => *listed.entry(kind).or_default() += places.len() as u64,
                _ => self.find(|| keys::bad_key(&key).to_string()),
            }
        }
        let mut counted: HashMap<(String, String), u64> = HashMap::new();
        for row in self.engine.prefix(&[Space::Count.letter()], None) {
            let (key, value) = row?;
            let mut parts = Parts::new(&key);
            match (parts.string().zip(parts.string()), codec::read_count(&value)) {
                (Some(kind), Ok((count, _))) if count > 0 => drop(counted.insert(kind, count)),
                (Some(_), Ok(_)) => {}
                _ => self.find(|| keys::bad_key(&key).to_string()),
            }
        }
        if listed != self.counts {
            self.find(|| "order: the lists and the resources differ in number".to_owned());
        }
        if counted != self.counts {
            self.find(|| "counts: the counts and the resources differ".to_owned());
        }
        Ok(())
    }

    /// Outbox and log: rows can be read, numbers follow each other, and the next ones are free.
    fn rows(&mut self) -> Result<(), StoreError> {
        let counters = counters(self.engine)?;
        let mut log_bytes = 0;
        for (space, next) in [(Space::Outbox, counters.outbox), (Space::Log, counters.log)] {
            let mut expected = None;
            for row in self.engine.prefix(&[space.letter()], None) {
                let (key, value) = row?;
                let entries = match space {
                    Space::Outbox => codec::read_outbox(&value).map(|entries| entries.len()),
                    _ => codec::read_log(&value).map(|entries| entries.len()),
                };
                let (Some(first), Ok(entries)) = (Parts::new(&key).number(), entries) else {
                    self.find(|| keys::bad_key(&key).to_string());
                    continue;
                };
                if expected.is_some_and(|expected| expected != first) {
                    self.find(|| format!("{}: a gap before {first}", space.name()));
                }
                expected = Some(first.saturating_add(entries as u64));
                if space == Space::Log {
                    log_bytes += value.len() as u64;
                }
            }
            if expected.is_some_and(|expected| expected != next) {
                self.find(|| format!("{}: the last is not before the next number {next}", space.name()));
            }
        }
        if log_bytes != counters.log_bytes {
            self.find(|| format!("provisioning log: {log_bytes} bytes, counted were {}", counters.log_bytes));
        }
        Ok(())
    }
}
