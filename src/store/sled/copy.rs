//! Backup and restore. A backup is a walk over everything while writes go on, then everything that they changed
//! meanwhile, until little is left; for that rest the writes wait, so the backup is the store of that moment.

use std::collections::HashSet;
use std::io::Write;
use std::mem;
use std::ops::Bound;

use crate::store::dump::{self, DumpWriter, Line, Octets};
use crate::store::types::{LogEntry, LogLine, MODIFIED, OutboxEntry, Stored, Table, time_key};
use crate::store::{Dumped, Rewind, StoreError};

use super::chunk;
use super::codec::{self, Counters};
use super::committer::counters;
use super::engine::{Engine, Value, encode};
use super::keys::{self, EXTENT, NO_KIND, Parts, Space};
use super::members::Rows;
use super::open::RESTORING;
use super::staging::{Group, Staging, batch};
use super::{SledStore, verify};

/// Changes for which the writes may wait.
const FEW: usize = 2_000;
/// How often the changes are written without the writes waiting.
const ROUNDS: usize = 8;
/// Keys in a batch of a restore.
const BATCH: usize = 4_096;
/// What is in a backup; the rest follows from it.
const SPACES: [Space; 5] = [Space::Resource, Space::Group, Space::Record, Space::Outbox, Space::Log];

/// Remembers changes until it is dropped.
struct Tracking<'s>(&'s SledStore);

impl<'s> Tracking<'s> {
    fn begin(store: &'s SledStore) -> Result<Self, StoreError> {
        // Between two batches, or the changes of the one at work would be missed.
        let _paused = store.pause()?;
        let mut dirty = store.shared.dirty();
        if dirty.keys.is_some() {
            return Err(StoreError::Busy);
        }
        dirty.keys = Some(HashSet::new());
        dirty.overflow = false;
        drop(dirty);
        Ok(Self(store))
    }

    /// What changed since the last time.
    fn take(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut dirty = self.0.shared.dirty();
        if dirty.overflow {
            return Err(StoreError::TooLarge { what: "the changes during a backup", limit: 2_000_000 });
        }
        let mut keys: Vec<_> = dirty.keys.as_mut().map(mem::take).unwrap_or_default().into_iter().collect();
        keys.sort_unstable();
        Ok(keys)
    }

    fn len(&self) -> usize {
        self.0.shared.dirty().keys.as_ref().map_or(0, HashSet::len)
    }
}

impl Drop for Tracking<'_> {
    fn drop(&mut self) {
        let mut dirty = self.0.shared.dirty();
        dirty.keys = None;
        dirty.overflow = false;
    }
}

pub(super) fn dump(store: &SledStore, to: &mut dyn Write) -> Result<Dumped, StoreError> {
    let engine = &store.engine;
    let tracking = Tracking::begin(store)?;
    let mut writer = DumpWriter::new(to)?;
    for space in SPACES {
        let mut kinds = Kinds::new(engine);
        for row in engine.prefix(&[space.letter()], None) {
            let (key, value) = row?;
            lines(&key, Some(&value), &mut kinds, &mut writer)?;
        }
    }
    for _ in 0..ROUNDS {
        if tracking.len() <= FEW {
            break;
        }
        again(engine, &tracking, &mut writer)?;
    }
    let paused = store.pause()?;
    again(engine, &tracking, &mut writer)?;
    let Counters { outbox, log, .. } = counters(engine)?;
    let oldest = |space: Space, next: u64| match engine.prefix(&[space.letter()], None).next() {
        Some(row) => row.and_then(|(key, _)| Parts::new(&key).number().ok_or_else(|| keys::bad_key(&key))),
        None => Ok(next),
    };
    writer.line(&Line::Oldest { outbox: oldest(Space::Outbox, outbox)?, log: oldest(Space::Log, log)? })?;
    writer.line(&Line::Next { outbox, log })?;
    for row in engine.prefix(&[Space::Count.letter()], None) {
        let (key, value) = row?;
        let mut parts = Parts::new(&key);
        let (source, kind) = parts.string().zip(parts.string()).ok_or_else(|| keys::bad_key(&key))?;
        let (_, number) = codec::read_count(&value)?;
        writer.line(&Line::NextResource { source, kind, number })?;
    }
    drop(paused);
    drop(tracking);
    writer.finish()
}

/// Writes what changed as it is now.
fn again(engine: &Engine, tracking: &Tracking<'_>, writer: &mut DumpWriter<'_>) -> Result<(), StoreError> {
    let changed = tracking.take()?;
    let mut kinds = Kinds::new(engine);
    for key in changed {
        lines(&key, engine.get(&key)?.as_ref(), &mut kinds, writer)?;
    }
    Ok(())
}

/// The kinds of members, whose memberships follow each other.
struct Kinds<'e> {
    engine: &'e Engine,
    /// The key of the last one's row, and its kind.
    last: (Vec<u8>, String),
}

impl<'e> Kinds<'e> {
    fn new(engine: &'e Engine) -> Self {
        Self { engine, last: Default::default() }
    }

    /// The kind of a member, empty when it is no resource. One that becomes a resource after this has its memberships written again.
    fn of(&mut self, source: &str, member: &str) -> Result<String, StoreError> {
        let key = keys::resource(source, member);
        if self.last.0 != key {
            let kind = self.engine.get(&key)?.map_or(Ok(NO_KIND.to_owned()), |row| codec::read_kind(&row))?;
            self.last = (key, kind);
        }
        Ok(self.last.1.clone())
    }
}

/// The lines of one row, or the line that says it is gone.
fn lines(
    key: &[u8],
    value: Option<&Value>,
    kinds: &mut Kinds<'_>,
    writer: &mut DumpWriter<'_>,
) -> Result<(), StoreError> {
    let bad = || keys::bad_key(key);
    let space = Space::of(key).ok_or_else(bad)?;
    let mut parts = Parts::new(key);
    match space {
        Space::Resource => {
            let (source, id) = parts.string().zip(parts.id()).ok_or_else(bad)?;
            writer.line(&match value {
                Some(row) => Line::resource(&source, codec::read_resource(&id, row)?),
                None => Line::NoResource { source, id },
            })
        }
        Space::Group => {
            let source = parts.string().ok_or_else(bad)?;
            let (member, group) = parts.id().zip(parts.id()).ok_or_else(bad)?;
            writer.line(&match value {
                Some(_) => {
                    let kind = kinds.of(&source, &member)?;
                    Line::Member { source, group, member, kind }
                }
                None => Line::NoMember { source, group, member },
            })
        }
        Space::Record => {
            let table = parts.byte().and_then(keys::table_of).ok_or_else(bad)?.name().to_owned();
            let key = Octets(parts.remaining().to_vec());
            writer.line(&match value {
                Some(value) => Line::Record { table, key, value: Octets(value.to_vec()) },
                None => Line::NoRecord { table, key },
            })
        }
        Space::Outbox => {
            let first = parts.number().ok_or_else(bad)?;
            for (number, (source, body)) in (first..).zip(value.map_or(Ok(Vec::new()), |row| codec::read_outbox(row))?)
            {
                writer.line(&Line::outbox(OutboxEntry { number, source, body }))?;
            }
            Ok(())
        }
        Space::Log => {
            let first = parts.number().ok_or_else(bad)?;
            for (number, (source, entry)) in (first..).zip(value.map_or(Ok(Vec::new()), |row| codec::read_log(row))?) {
                writer.line(&Line::log(LogLine { number, source, entry }))?;
            }
            Ok(())
        }
        _ => Err(bad()),
    }
}

/// Entries of outbox or log that become rows again.
struct Numbered {
    space: Space,
    first: u64,
    next: u64,
    entries: Vec<Vec<u8>>,
    size: usize,
}

impl Numbered {
    fn new(space: Space) -> Self {
        Self { space, first: 0, next: 0, entries: Vec::new(), size: 0 }
    }

    /// Takes an entry; a row that is full comes back. An entry that was there before is the same as before.
    fn take(&mut self, number: u64, entry: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
        if number < self.next {
            return None;
        }
        let full = self.size + entry.len() > super::engine::PIECE;
        let done = if full || number != self.next { self.row() } else { None };
        if self.entries.is_empty() {
            self.first = number;
        }
        self.size += entry.len();
        self.entries.push(entry);
        self.next = number.saturating_add(1);
        done
    }

    fn row(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.size = 0;
        let entries = mem::take(&mut self.entries);
        (!entries.is_empty()).then(|| (keys::numbered(self.space, self.first), entries.concat()))
    }
}

/// Writes in batches, without making each durable.
struct Loader<'e> {
    engine: &'e Engine,
    group: Group,
}

impl<'e> Loader<'e> {
    fn new(engine: &'e Engine) -> Self {
        Self { engine, group: Group::new(Counters::default()) }
    }

    fn stage(&mut self, work: impl FnOnce(&mut Staging<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.group.stage(self.engine, work)?;
        if self.group.len() >= BATCH { self.store().map(drop) } else { Ok(()) }
    }

    fn store(&mut self) -> Result<Counters, StoreError> {
        let counters = self.group.counters();
        let group = mem::replace(&mut self.group, Group::new(counters));
        let (writes, counters) = group.finish(self.engine)?;
        self.engine.apply(batch(writes))?;
        self.group = Group::new(counters);
        Ok(counters)
    }

    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        self.stage(|staging| {
            staging.load(&key)?;
            staging.put(key, value)
        })
    }

    fn remove(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        self.stage(|staging| {
            staging.load(&key)?;
            staging.remove(key)
        })
    }
}

pub(super) fn restore(engine: &Engine, from: &mut dyn Rewind) -> Result<Dumped, StoreError> {
    let is_meta = |key: &[u8]| key.first() == Some(&Space::Meta.letter());
    for row in engine.range(Bound::Unbounded, None) {
        if !is_meta(&row?.0) {
            return Err(StoreError::NotEmpty);
        }
    }
    if counters(engine)? != Counters::default() {
        return Err(StoreError::NotEmpty);
    }
    let mut loader = Loader::new(engine);
    let (mut outbox, mut log) = (Numbered::new(Space::Outbox), Numbered::new(Space::Log));
    let (mut oldest, mut next) = ((0, 0), (0, 0));
    let mut started = false;
    let dumped = dump::read(from, |line| {
        if !started {
            // From here on the directory is of no use until the end. A damaged backup does not come this far.
            let mut mark = ::sled::Batch::default();
            let key = keys::meta(RESTORING);
            mark.insert(key.as_slice(), encode(&key, b"", 0).0);
            engine.apply(mark)?;
            engine.sync()?;
            started = true;
        }
        match line {
            Line::Outbox { number, source, body } => {
                let row = outbox.take(number, codec::write_outbox(&source, &body.0));
                row.map_or(Ok(()), |(key, row)| loader.put(key, &row))
            }
            Line::Log { number, source, at, resource, failed, body } => {
                let entry = LogEntry { at, resource, failed, body: body.0 };
                let row = log.take(number, codec::write_log(&source, &entry));
                row.map_or(Ok(()), |(key, row)| loader.put(key, &row))
            }
            Line::Oldest { outbox, log } => {
                oldest = (outbox, log);
                Ok(())
            }
            Line::Next { outbox, log } => {
                next = (outbox, log);
                Ok(())
            }
            line => fact(&mut loader, line),
        }
    })?;
    for (key, row) in [outbox.row(), log.row()].into_iter().flatten() {
        loader.put(key, &row)?;
    }
    loader.store()?;
    let log_bytes = drop_older(engine, &mut loader, oldest)?;
    derive(engine, &mut loader)?;
    let Counters { generation, strays, .. } = loader.store()?;

    let mut last = ::sled::Batch::default();
    let counters = Counters { outbox: next.0, log: next.1, log_bytes, generation, strays };
    let key = keys::meta(super::staging::COUNTERS);
    last.insert(key.as_slice(), encode(&key, &counters.write(), 0).0);
    engine.apply(last)?;
    if let Some(finding) = verify::verify(engine)?.findings.first() {
        return Err(StoreError::Dump { line: 0, what: format!("it does not agree with itself: {finding}") });
    }
    let mut last = ::sled::Batch::default();
    last.remove(keys::meta(RESTORING));
    engine.apply(last)?;
    engine.sync()?;
    Ok(dumped)
}

fn fact(loader: &mut Loader<'_>, line: Line) -> Result<(), StoreError> {
    let table = |name: &str| {
        let unknown = || StoreError::Dump { line: 0, what: format!("it has a table {name:?}, which is unknown") };
        Table::from_name(name).ok_or_else(unknown)
    };
    match line {
        Line::Resource(line) => {
            let (source, stored) = line.into_stored();
            loader.put(keys::resource(&source, &stored.id), &codec::write_resource(&stored))
        }
        Line::NoResource { source, id } => loader.remove(keys::resource(&source, &id)),
        // With the kind in the place of the number of a row, until all memberships are known.
        Line::Member { source, group, member, kind } => {
            loader.put(keys::group(&source, &member, &group), kind.as_bytes())
        }
        Line::NoMember { source, group, member } => loader.remove(keys::group(&source, &member, &group)),
        Line::Record { table: name, key, value } => loader.put(keys::record(table(&name)?, &key.0), &value.0),
        Line::NoRecord { table: name, key } => loader.remove(keys::record(table(&name)?, &key.0)),
        Line::NextResource { source, kind, number } => {
            loader.put(keys::count(&source, &kind), &codec::write_count(0, number))
        }
        Line::Outbox { .. } | Line::Log { .. } | Line::Oldest { .. } | Line::Next { .. } => Ok(()),
    }
}

/// Removes rows that were trimmed while the backup was written; gives the size of the log.
fn drop_older(engine: &Engine, loader: &mut Loader<'_>, oldest: (u64, u64)) -> Result<u64, StoreError> {
    for (space, oldest) in [(Space::Outbox, oldest.0), (Space::Log, oldest.1)] {
        for row in engine.prefix(&[space.letter()], None) {
            let (key, value) = row?;
            let number = Parts::new(&key).number().ok_or_else(|| keys::bad_key(&key))?;
            // Rows are cut elsewhere than they were, so one may hold trimmed entries too: it is cut again.
            let entries: Vec<Vec<u8>> = match space {
                Space::Outbox => {
                    codec::read_outbox(&value)?.iter().map(|(s, body)| codec::write_outbox(s, body)).collect()
                }
                _ => codec::read_log(&value)?.iter().map(|(s, entry)| codec::write_log(s, entry)).collect(),
            };
            let gone = usize::try_from(oldest.saturating_sub(number)).unwrap_or(usize::MAX);
            let kept = entries.get(gone..).unwrap_or_default().concat();
            if gone > 0 {
                loader.remove(key.to_vec())?;
                if !kept.is_empty() {
                    loader.put(keys::numbered(space, oldest), &kept)?;
                }
            }
        }
    }
    loader.store()?;
    let mut log_bytes = 0;
    for row in engine.prefix(&[Space::Log.letter()], None) {
        log_bytes += row?.1.len() as u64;
    }
    Ok(log_bytes)
}

/// Makes what follows from resources and memberships: indexes, the order of creation, counts, the rows of members.
fn derive(engine: &Engine, loader: &mut Loader<'_>) -> Result<(), StoreError> {
    for row in engine.prefix(&[Space::Resource.letter()], None) {
        let (key, value) = row?;
        let mut parts = Parts::new(&key);
        let (source, id) = parts.string().zip(parts.id()).ok_or_else(|| keys::bad_key(&key))?;
        let stored = codec::read_resource(&id, &value)?;
        loader.stage(|staging| derive_one(staging, &source, &stored))?;
    }
    for row in engine.prefix(&[Space::Group.letter()], None) {
        let (key, kind) = row?;
        let mut parts = Parts::new(&key);
        let source = parts.string().ok_or_else(|| keys::bad_key(&key))?;
        let (member, group) = parts.id().zip(parts.id()).ok_or_else(|| keys::bad_key(&key))?;
        let kind = String::from_utf8_lossy(&kind);
        loader.stage(|staging| {
            if kind == NO_KIND {
                staging.count_stray();
            }
            let mut rows = Rows::new(&source, &group);
            let number = rows.push(staging, &member, &kind)?;
            rows.save(staging)?;
            staging.put(key.to_vec(), &chunk::write_number(number))
        })?;
    }
    Ok(())
}

fn derive_one(staging: &mut Staging<'_>, source: &str, stored: &Stored) -> Result<(), StoreError> {
    let Stored { kind, id, number, .. } = stored;
    for (index, key) in stored.keys.unique.iter() {
        let at = keys::unique(source, kind, index, key);
        if let Some(holder) = staging.load(&at)?.filter(|holder| **holder != *id.as_bytes()) {
            let holder = String::from_utf8_lossy(&holder).into_owned();
            return Err(StoreError::Duplicate { index: index.to_owned(), key: key.to_vec(), holder });
        }
        staging.put(at, id.as_bytes())?;
    }
    for (index, key) in stored.keys.plain.iter() {
        staging.put(keys::plain(source, kind, index, key, id), b"")?;
    }
    staging.put(keys::plain(source, kind, MODIFIED, &time_key(stored.modified), id), b"")?;
    let counts = keys::count(source, kind);
    let (count, next) = staging.load(&counts)?.map_or(Ok((0, 0)), |row| codec::read_count(&row))?;
    staging.put(counts, &codec::write_count(count + 1, next.max(number.saturating_add(1))))?;
    let extent = keys::extent(source, kind, *number);
    let mut places = staging.load(&extent)?.map_or(Ok(Vec::new()), |row| codec::read_extent(&row))?;
    places.push(((number % EXTENT) as u8, id.clone()));
    places.sort_unstable();
    staging.put(extent, &codec::write_extent(&places))
}
