//! Directories of older schemas, taken over when they are opened. Up to schema 3 each member of a group had a row of its own on the
//! group's side, `E source group member` with the kind in it, and nothing stood in the row of the member's side.
//!
//! The first step says so: from then on older programs refuse the directory, and a start goes on where the one before was stopped.
//! Then one batch after another puts members together, group by group, each whole or not at all. A key of today stands before those of
//! its group's members that are still to come, so one walk is enough, and memory holds one batch.

use ::sled::Batch;

use crate::store::StoreError;

use super::chunk::{self, Chunk};
use super::engine::{Engine, Range, encode};
use super::keys::{self, Parts, Space};
use super::open::{self, SCHEMA};

/// Present until all is taken over.
const TAKING_OVER: &str = "taking over";
/// Keys after which a batch takes no further row of members.
const BATCH: usize = 4_096;

/// Gives a database the layout of today. Nothing is in the journal, and nobody writes.
pub(super) fn take_over(engine: &Engine) -> Result<(), StoreError> {
    if !begin(engine)? {
        return Ok(());
    }
    let mut steps = Steps::new(engine);
    while let Some(batch) = steps.next(BATCH)? {
        engine.apply(batch)?;
    }
    engine.sync()?;
    let mut batch = Batch::default();
    batch.remove(keys::meta(TAKING_OVER));
    engine.apply(batch)?;
    engine.sync()
}

/// Says that the database is being taken over; false when there is nothing to do.
fn begin(engine: &Engine) -> Result<bool, StoreError> {
    let mark = keys::meta(TAKING_OVER);
    if open::schema(engine)? == Some(SCHEMA) {
        return Ok(engine.get(&mark)?.is_some());
    }
    let mut batch = Batch::default();
    let (key, row) = open::schema_row(SCHEMA);
    batch.insert(key, row);
    batch.insert(mark.as_slice(), encode(&mark, b"", 0).0);
    engine.apply(batch)?;
    engine.sync()?;
    Ok(true)
}

/// A member as it was: what the keys of its group's rows begin with, its id, and what its own row is called.
struct Edge {
    prefix: Vec<u8>,
    member: String,
    other: Vec<u8>,
}

impl Edge {
    /// `None` when the key is not of the older layout.
    fn of(key: &[u8]) -> Option<Self> {
        let mut parts = Parts::new(key);
        let (source, group) = (parts.string()?, parts.id()?);
        let prefix = key.get(..key.len() - parts.remaining().len())?.to_vec();
        let member = parts.id().filter(|_| parts.is_empty())?;
        let other = keys::group(&source, &member, &group);
        Some(Self { prefix, member, other })
    }
}

/// The batches, one after the other. Each is stored before the next one is asked for.
struct Steps<'e> {
    rows: Range<'e>,
    /// What the keys of the group's rows begin with that is at work.
    prefix: Vec<u8>,
    /// The number of the row that is being filled.
    number: u64,
    chunk: Chunk,
    /// Of those in it: the key that goes, and the one that changes.
    edges: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'e> Steps<'e> {
    fn new(engine: &'e Engine) -> Self {
        let rows = engine.prefix(&[Space::Member.letter()], None);
        Self { rows, prefix: Vec::new(), number: 0, chunk: Chunk::default(), edges: Vec::new() }
    }

    /// A batch of at least so many keys if there are as many; `None` when all is done.
    fn next(&mut self, keys: usize) -> Result<Option<Batch>, StoreError> {
        let (mut batch, mut count) = (Batch::default(), 0);
        while let Some(row) = self.rows.next() {
            let (key, kind) = row?;
            let Some(Edge { prefix, member, other }) = Edge::of(&key) else {
                self.skip(&key, &mut batch, &mut count);
                continue;
            };
            if prefix != self.prefix {
                self.put(&mut batch, &mut count);
                (self.prefix, self.number) = (prefix, 0);
            }
            let kind = String::from_utf8_lossy(&kind);
            if !self.chunk.push(&member, &kind) {
                self.put(&mut batch, &mut count);
                self.chunk.push(&member, &kind);
            }
            self.edges.push((key.to_vec(), other));
            if count >= keys {
                return Ok(Some(batch));
            }
        }
        self.put(&mut batch, &mut count);
        Ok((count > 0).then_some(batch))
    }

    /// A row of today, which another start has made: its group goes on behind it.
    fn skip(&mut self, key: &[u8], batch: &mut Batch, count: &mut usize) {
        let mut parts = Parts::new(key);
        if parts.skip_text().and_then(|()| parts.skip_id()).is_none() {
            return;
        }
        let prefix = key.get(..key.len() - parts.remaining().len()).unwrap_or_default();
        // What is no key of today either is left for a walk over everything to find.
        if let Some(number) = parts.number().filter(|_| parts.is_empty()) {
            self.put(batch, count);
            (self.prefix, self.number) = (prefix.to_vec(), number.saturating_add(1));
        }
    }

    /// Adds the row that was filled, and what changes with it.
    fn put(&mut self, batch: &mut Batch, count: &mut usize) {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return;
        }
        let key = chunk::key(&self.prefix, self.number);
        batch.insert(key.as_slice(), encode(&key, &chunk.write(), 0).0);
        for (old, other) in self.edges.drain(..) {
            batch.remove(old);
            batch.insert(other.as_slice(), encode(&other, &chunk::write_number(self.number), 0).0);
            *count += 2;
        }
        *count += 1;
        self.number = self.number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::SledStore;
    use super::super::journal::{Journal, Record};
    use super::super::staging::Writes;
    use super::*;
    use crate::store::{Change, Expected, Keys, Member, Operation, Options, Store, Transaction, Unknown};

    fn wait<T>(answer: crate::store::Answer<'_, T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer).unwrap()
    }

    fn create(kind: &str, id: &str) -> Operation {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        Operation::Create { kind, id, at: 1, body: b"{}".to_vec(), profile: None, keys: Keys::default() }
    }

    fn add(group: &str, ids: Vec<String>) -> Operation {
        let (id, expected, unknown) = (group.to_owned(), Expected::Any, Unknown::Keep);
        Operation::Members { id, expected, at: 2, change: Change::Add(ids), unknown }
    }

    /// Ids in the order of their keys: UUIDs, then others.
    fn ids(uuids: usize, texts: usize) -> Vec<String> {
        let uuids = (0..uuids).map(|at| format!("00000000-0000-7000-8000-{at:012x}"));
        uuids.chain((0..texts).map(|at| format!("m{at:03}{}", "x".repeat(at % 240)))).collect()
    }

    /// Groups of several sizes in two sources, some of their members no resources.
    const GROUPS: [(&str, usize, usize); 5] =
        [("g0", 0, 0), ("g1", 70, 45), ("g2", 64, 0), ("00000000-0000-7000-8000-0000000000ff", 0, 33), ("h", 1, 1)];

    fn fill(directory: &Path) {
        let store = SledStore::open(directory, Options::default()).unwrap();
        for source in ["a", "b\0c"] {
            let mut transaction = Transaction::new(source);
            let users = ids(70, 45).into_iter().enumerate().filter(|(at, _)| at % 3 != 0);
            transaction.operations.extend(users.map(|(_, id)| create("User", &id)));
            for (group, uuids, texts) in GROUPS {
                transaction.operations.extend([create("Group", group), add(group, ids(uuids, texts))]);
            }
            transaction.operations.push(add("g2", vec!["g0".to_owned(), "g2".to_owned()]));
            wait(store.commit(transaction));
        }
    }

    /// The members of each group in order, and the groups of each member.
    type Told = (Vec<Vec<Member>>, Vec<Vec<String>>);

    fn told(directory: &Path) -> Told {
        let store = SledStore::open(directory, Options::default()).unwrap();
        assert_eq!(store.verify().unwrap().findings, Vec::<String>::new());
        let (mut groups, mut members) = (Vec::new(), Vec::new());
        for source in ["a", "b\0c"] {
            for (group, ..) in GROUPS {
                groups.push(wait(store.members(source, group, None, 10_000)).items);
            }
            for id in ids(70, 45) {
                members.push(wait(store.groups(source, &id, None, 100)).items);
            }
        }
        (groups, members)
    }

    /// The rows of today as an older program wrote them.
    fn older(engine: &Engine) -> Writes {
        let mut writes = Writes::new();
        for row in engine.prefix(&[Space::Member.letter()], None) {
            let (key, row) = row.unwrap();
            let mut parts = Parts::new(&key);
            let (source, group) = (parts.string().unwrap(), parts.id().unwrap());
            let prefix = keys::edges(Space::Member, &source, &group);
            for (_, member, kind) in Chunk::read(&row).unwrap().into_members() {
                let old = keys::Key::after(prefix.clone()).id(&member).done();
                let other = keys::group(&source, &member, &group);
                writes.insert(old.clone(), Some(encode(&old, kind.as_bytes(), 0).0));
                writes.insert(other.clone(), Some(encode(&other, b"", 0).0));
            }
            writes.insert(key.to_vec(), None);
        }
        writes
    }

    /// Takes the store back to a schema, and gives up after so many steps of taking it over again.
    fn stopped(directory: &Path, schema: u64, steps: usize) {
        let database = directory.join(open::DATABASE);
        let engine = open::open(&database, 1 << 20).unwrap();
        engine.apply_each([&older(&engine)]).unwrap();
        let (key, row) = open::schema_row(schema);
        engine.tree.insert(key, row).unwrap();
        if steps > 0 {
            assert_eq!(begin(&engine), Ok(true));
        }
        let mut left = Steps::new(&engine);
        for _ in 1..steps {
            let batch = left.next(100).unwrap();
            assert!(batch.is_some(), "all was done before {steps} steps");
            engine.apply(batch.unwrap_or_default()).unwrap();
        }
    }

    #[test]
    fn every_older_schema_is_taken_over_wherever_a_start_is_stopped() {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path());
        let wanted = told(directory.path());
        for (schema, steps) in [(1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (2, 6)] {
            stopped(directory.path(), schema, steps);
            if steps > 0 {
                // What an older program sees.
                let engine = open::open(&directory.path().join(open::DATABASE), 1 << 20).unwrap();
                assert_eq!(open::schema(&engine), Ok(Some(SCHEMA)));
            }
            assert_eq!(told(directory.path()), wanted, "of schema {schema} after {steps} steps");
            assert_eq!(told(directory.path()), wanted, "of schema {schema} after {steps} steps, opened again");
        }
        // As it was, members come and go.
        let store = SledStore::open(directory.path(), Options::default()).unwrap();
        let gone = Change::Remove(ids(70, 0));
        let (id, expected, unknown) = ("g1".to_owned(), Expected::Any, Unknown::Keep);
        let mut transaction = Transaction::new("a");
        transaction.operations.push(Operation::Members { id, expected, at: 3, change: gone, unknown });
        transaction.operations.push(add("g1", vec!["new".to_owned()]));
        wait(store.commit(transaction));
        let left: Vec<_> =
            wait(store.members("a", "g1", None, 100)).items.into_iter().map(|member| member.id).collect();
        assert_eq!(left, [ids(0, 45), vec!["new".to_owned()]].concat());
        assert_eq!(store.verify().unwrap().findings, Vec::<String>::new());
    }

    #[test]
    fn what_an_older_program_left_in_its_journal_is_taken_over_too() {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path());
        let wanted = told(directory.path());
        let engine = open::open(&directory.path().join(open::DATABASE), 1 << 20).unwrap();
        let (mut first, mut second) = (older(&engine), Writes::new());
        // Half of it is in the database, half of it only in the journal.
        for (at, (key, row)) in first.clone().into_iter().enumerate().filter(|(_, (_, row))| row.is_some()) {
            if at % 2 == 0 {
                first.remove(&key);
                second.insert(key, row);
            }
        }
        engine.apply_each([&first]).unwrap();
        let (key, row) = open::schema_row(3);
        engine.tree.insert(key, row).unwrap();
        let number = open::last_batch(&engine).unwrap() + 1;
        let (key, row) = open::batch_row(number);
        second.insert(key, Some(row));
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.append(Record::new(number, &second)).unwrap();
        drop((engine, journal));
        assert_eq!(told(directory.path()), wanted);
    }

    #[test]
    fn a_group_of_many_batches_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let engine = open::open(&directory.path().join(open::DATABASE), 1 << 20).unwrap();
        let all = ids(9_000, 0);
        let rows = |member: &String| {
            let old = keys::Key::after(keys::edges(Space::Member, "s", "g")).id(member).done();
            [old, keys::group("s", member, "g")].map(|key| (key.clone(), Some(encode(&key, b"", 0).0)))
        };
        engine.apply_each([&all.iter().flat_map(rows).collect()]).unwrap();
        let (key, row) = open::schema_row(3);
        engine.tree.insert(key, row).unwrap();
        take_over(&engine).unwrap();
        take_over(&engine).unwrap();
        let mut members = Vec::new();
        for (number, row) in engine.prefix(&[Space::Member.letter()], None).enumerate() {
            let (key, row) = row.unwrap();
            assert_eq!(chunk::number_in(&key, &keys::edges(Space::Member, "s", "g")), Ok(number as u64));
            for (_, id, _) in Chunk::read(&row).unwrap().into_members() {
                let edge = engine.get(&keys::group("s", &id, "g")).unwrap().unwrap();
                assert_eq!(chunk::read_number(&edge), Ok(number as u64));
                members.push(id);
            }
        }
        assert_eq!(members, all);
    }

    #[test]
    fn a_newer_schema_is_refused_and_nothing_changes() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join(open::DATABASE);
        let engine = open::open(&database, 1 << 20).unwrap();
        let (key, row) = open::schema_row(SCHEMA + 1);
        engine.tree.insert(key, row).unwrap();
        drop(engine);
        for _ in 0..2 {
            let refused = SledStore::open(directory.path(), Options::default()).err();
            assert_eq!(refused, Some(StoreError::Schema { found: SCHEMA + 1, known: SCHEMA }));
        }
    }
}
