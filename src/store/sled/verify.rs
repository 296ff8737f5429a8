//! A walk over everything. What must exist is looked up one by one; that nothing else exists follows from the numbers, so
//! that the walk needs no memory to speak of.

use std::collections::{BTreeSet, HashMap};

use crate::store::types::{MODIFIED, Stored, time_key};
use crate::store::{StoreError, Verified};

use super::chunk::{self, Chunk};
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
        for row in self.engine.prefix(&keys::edges(Space::Member, source, id), None) {
            members += Chunk::read(&row?.1).map_or(0, |chunk| chunk.len());
        }
        if members != stored.members {
            self.find(|| format!("members: {kind} {id} says {} and has {members}", stored.members));
        }
        Ok(())
    }

    fn edges(&mut self) -> Result<(), StoreError> {
        for row in self.engine.prefix(&[Space::Member.letter()], None) {
            let (key, row) = row?;
            let mut parts = Parts::new(&key);
            let ends = parts.string().and_then(|source| Some((source, parts.id()?, parts.number()?)));
            let Some((source, group, number)) = ends.filter(|_| parts.is_empty()) else {
                self.find(|| keys::bad_key(&key).to_string());
                continue;
            };
            let members: Vec<_> = match Chunk::read(&row) {
                Ok(chunk) => chunk.into_members().collect(),
                Err(error) => {
                    self.find(|| error.to_string());
                    continue;
                }
            };
            if members.is_empty() {
                self.find(|| format!("members: nobody is in row {number} of group {group}"));
            }
            if !self.has(&keys::resource(&source, &group))? {
                self.find(|| format!("members: group {group} has members, and is gone"));
            }
            let mut seen = BTreeSet::new();
            for (_, member, kind) in &members {
                self.told.edges += 1;
                if seen.insert(member) {
                    self.edge(&source, &group, number, member, kind)?;
                } else {
                    self.find(|| format!("members: {member} is twice in row {number} of group {group}"));
                }
            }
        }
        Ok(())
    }

    /// A member that stands in the row of this number.
    fn edge(&mut self, source: &str, group: &str, number: u64, member: &str, kind: &str) -> Result<(), StoreError> {
        match self.engine.get(&keys::resource(source, member))?.map(|row| codec::read_kind(&row)) {
            Some(Ok(found)) if found == kind => {}
            Some(_) => self.find(|| format!("members: {member} is of another kind than group {group} says")),
            None if kind == NO_KIND => {}
            None => self.find(|| format!("members: group {group} has member {member}, which is gone")),
        }
        match self.engine.get(&keys::group(source, member, group))?.map(|row| chunk::read_number(&row)) {
            Some(Ok(known)) if known == number => {}
            Some(Ok(known)) => self.find(|| {
                format!("memberships: {member} is in row {number} of group {group}, and is said to be in row {known}")
            }),
            Some(Err(error)) => self.find(|| error.to_string()),
            None => self.find(|| format!("memberships: {member} does not know that it is in {group}")),
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

#[cfg(test)]
mod tests {
    use super::super::SledStore;
    use super::super::engine::encode;
    use super::*;
    use crate::store::{Change, Expected, Keys, Operation, Options, Store, Transaction, Unknown};

    /// Group `g` with the users `u00` to `u39` in two rows, group `h` without members, user `v` in no group.
    fn filled() -> (tempfile::TempDir, SledStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path(), Options::default()).unwrap();
        let users: Vec<String> = (0..40).map(|at| format!("u{at:02}")).collect();
        let mut transaction = Transaction::new("s");
        let made = [("Group", "g"), ("Group", "h"), ("User", "v")];
        for (kind, id) in users.iter().map(|id| ("User", id.as_str())).chain(made) {
            let (kind, id) = (kind.to_owned(), id.to_owned());
            let create = Operation::Create { kind, id, at: 1, body: Vec::new(), profile: None, keys: Keys::default() };
            transaction.operations.push(create);
        }
        let (id, expected, unknown) = ("g".to_owned(), Expected::Any, Unknown::Refuse);
        transaction.operations.push(Operation::Members { id, expected, at: 1, change: Change::Add(users), unknown });
        let committed = store.commit(transaction);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(committed).unwrap();
        (directory, store)
    }

    fn put(engine: &Engine, key: &[u8], value: &[u8]) {
        engine.tree.insert(key, encode(key, value, 0).0).unwrap();
    }

    fn row(group: &str, number: u64) -> Vec<u8> {
        chunk::key(&keys::edges(Space::Member, "s", group), number)
    }

    /// Changes a row of members.
    fn change(engine: &Engine, number: u64, change: impl Fn(&mut Chunk)) {
        let key = row("g", number);
        let mut chunk = Chunk::read(&engine.get(&key).unwrap().unwrap()).unwrap();
        change(&mut chunk);
        put(engine, &key, &chunk.write());
    }

    #[test]
    fn each_damage_to_members_is_found() {
        type Damage = fn(&Engine);
        let cases: [(&str, Damage); 14] = [
            ("memberships: u01 does not know that it is in g", |engine| {
                engine.tree.remove(keys::group("s", "u01", "g")).unwrap();
            }),
            ("memberships: 41 entries, and 40 belong to something", |engine| {
                put(engine, &keys::group("s", "v", "h"), &chunk::write_number(0));
            }),
            ("members: Group g says 40 and has 39", |engine| change(engine, 0, |chunk| assert!(chunk.remove("u01")))),
            ("memberships: 40 entries, and 39 belong to something", |engine| {
                change(engine, 0, |chunk| assert!(chunk.remove("u01")));
            }),
            ("memberships: u01 is in row 0 of group g, and is said to be in row 1", |engine| {
                put(engine, &keys::group("s", "u01", "g"), &chunk::write_number(1));
            }),
            ("memberships: u01 is in row 1 of group g, and is said to be in row 0", |engine| {
                change(engine, 1, |chunk| assert!(chunk.push("u01", "User")));
            }),
            ("members: u35 is twice in row 1 of group g", |engine| {
                change(engine, 1, |chunk| assert!(chunk.push("u35", "User")));
            }),
            ("members: u01 is of another kind than group g says", |engine| {
                change(engine, 0, |chunk| assert!(chunk.set_kind("u01", "Group")));
            }),
            ("members: u01 is of another kind than group g says", |engine| {
                change(engine, 0, |chunk| assert!(chunk.set_kind("u01", NO_KIND)));
            }),
            ("members: group g has member w, which is gone", |engine| {
                change(engine, 1, |chunk| assert!(chunk.push("w", "User")));
            }),
            ("members: nobody is in row 7 of group g", |engine| put(engine, &row("g", 7), &Chunk::default().write())),
            ("members: group x has members, and is gone", |engine| {
                let mut chunk = Chunk::default();
                assert!(chunk.push("v", "User"));
                put(engine, &row("x", 0), &chunk.write());
            }),
            ("a value ends early", |engine| put(engine, &row("g", 1), &[1, 0, 0, 0, 9])),
            ("a value ends early", |engine| put(engine, &keys::group("s", "u01", "g"), &[])),
        ];
        for (finding, damage) in cases {
            let (_directory, store) = filled();
            assert_eq!(store.verify().unwrap().findings, Vec::<String>::new());
            damage(&store.engine);
            let findings = store.verify().unwrap().findings;
            assert!(findings.iter().any(|found| found.contains(finding)), "{finding}: {findings:?}");
        }
    }
}
