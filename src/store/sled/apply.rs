//! What each operation does: checks its precondition and stages its writes. One transaction is staged at a time
//! (`desk.rs`), so nothing changes between the check and the write.

use crate::store::types::{Keys, MODIFIED, Millis, Stored, Table, time_key};
use crate::store::{Applied, Change, Committed, Expected, Operation, StoreError, Transaction, Unknown, When};

use super::codec;
use super::engine::MAX_VALUE;
use super::keys::{self, EXTENT, MAX_ID, MAX_NAME, MAX_RECORD_KEY, Parts, Space};
use super::members;
use super::staging::Staging;

/// The most keys of a resource.
const MAX_KEYS: usize = 1_000;
/// The most rows that a trim of the outbox or the log takes at once.
const MAX_TRIM: usize = 10_000;

/// Stages a transaction.
pub(super) fn run(staging: &mut Staging<'_>, transaction: Transaction) -> Result<Committed, StoreError> {
    let source = transaction.source;
    name_fits(&source, "the name of a source, in bytes")?;
    let mut applied = Vec::with_capacity(transaction.operations.len());
    for operation in transaction.operations {
        if operation == Operation::OnlyIfChanged && staging.is_empty() {
            break;
        }
        applied.push(one(staging, &source, operation)?);
    }
    Ok(Committed { applied })
}

fn one(staging: &mut Staging<'_>, source: &str, operation: Operation) -> Result<Applied, StoreError> {
    match operation {
        Operation::Create { kind, id, at, body, profile, keys } => {
            let stored =
                Stored { kind, id, version: 1, created: at, modified: at, number: 0, members: 0, body, profile, keys };
            create(staging, source, stored)
        }
        Operation::Replace { id, expected, at, body, profile, keys } => {
            let old = expect(staging, source, &id, expected)?;
            replace(staging, source, &old, at, (body, profile, keys))
        }
        Operation::Delete { id, expected, at } => {
            let old = expect(staging, source, &id, expected)?;
            delete(staging, source, &old, at)
        }
        Operation::Members { id, expected, at, change, unknown } => {
            let group = expect(staging, source, &id, expected)?;
            members(staging, source, &group, at, change, unknown)
        }
        Operation::Require { id, expected } => {
            let stored = expect(staging, source, &id, expected)?;
            Ok(Applied::Resource { version: stored.version, number: stored.number })
        }
        Operation::OnlyIfChanged => Ok(Applied::Done),
        Operation::Outbox(body) => {
            value_fits(body.len())?;
            Ok(Applied::Number(staging.append_outbox(codec::write_outbox(source, &body))))
        }
        Operation::TrimOutbox(through) => trim_outbox(staging, through),
        Operation::Log(entry) => {
            value_fits(entry.body.len())?;
            id_fits(entry.resource.as_deref().unwrap_or("-"))?;
            Ok(Applied::Number(staging.append_log(source, &entry)))
        }
        Operation::Put { table, key, value, when } => {
            let key = record(staging, table, key, when)?;
            staging.put(key, &value)?;
            Ok(Applied::Done)
        }
        Operation::Erase { table, key, when } => {
            let key = record(staging, table, key, when)?;
            let there = staging.has(&key)?;
            if there {
                staging.remove(key)?;
            }
            Ok(Applied::Removed(u64::from(there)))
        }
    }
}

fn name_fits(name: &str, what: &'static str) -> Result<(), StoreError> {
    if name.len() > MAX_NAME { Err(StoreError::TooLarge { what, limit: MAX_NAME }) } else { Ok(()) }
}

fn id_fits(id: &str) -> Result<(), StoreError> {
    if id.len() > MAX_ID { Err(StoreError::TooLarge { what: "an id, in bytes", limit: MAX_ID }) } else { Ok(()) }
}

fn value_fits(length: usize) -> Result<(), StoreError> {
    // Room for what stands around it.
    let limit = MAX_VALUE - 4_096;
    if length > limit { Err(StoreError::TooLarge { what: "a value, in bytes", limit }) } else { Ok(()) }
}

fn keys_fit(keys: &Keys) -> Result<(), StoreError> {
    if keys.unique.len() + keys.plain.len() > MAX_KEYS as u64 {
        return Err(StoreError::TooLarge { what: "the keys of a resource", limit: MAX_KEYS });
    }
    for (index, _) in keys.unique.iter().chain(keys.plain.iter()) {
        name_fits(index, "the name of an index, in bytes")?;
        if index == MODIFIED {
            return Err(StoreError::TooLarge { what: "keys of meta.lastModified, which the store keeps", limit: 0 });
        }
    }
    Ok(())
}

fn load(staging: &mut Staging<'_>, source: &str, id: &str) -> Result<Option<Stored>, StoreError> {
    match staging.load(&keys::resource(source, id))? {
        Some(row) => codec::read_resource(id, &row).map(Some),
        None => Ok(None),
    }
}

fn save(staging: &mut Staging<'_>, source: &str, stored: &Stored) -> Result<(), StoreError> {
    staging.put(keys::resource(source, &stored.id), &codec::write_resource(stored))
}

fn expect(staging: &mut Staging<'_>, source: &str, id: &str, expected: Expected) -> Result<Stored, StoreError> {
    let stored = load(staging, source, id)?.ok_or_else(|| StoreError::NotFound { id: id.to_owned() })?;
    match expected {
        Expected::Version(version) if version != stored.version => {
            Err(StoreError::VersionMismatch { id: id.to_owned(), found: stored.version })
        }
        _ => Ok(stored),
    }
}

fn modified_key(source: &str, stored: &Stored) -> Vec<u8> {
    keys::plain(source, &stored.kind, MODIFIED, &time_key(stored.modified), &stored.id)
}

/// Takes a unique key for a resource.
fn claim(staging: &mut Staging<'_>, source: &str, of: &Stored, index: &str, key: &[u8]) -> Result<(), StoreError> {
    let at = keys::unique(source, &of.kind, index, key);
    if let Some(holder) = staging.holder(&at)? {
        if holder == of.id.as_bytes() {
            return Ok(());
        }
        let holder = String::from_utf8_lossy(&holder).into_owned();
        return Err(StoreError::Duplicate { index: index.to_owned(), key: key.to_vec(), holder });
    }
    staging.put(at, of.id.as_bytes())
}

fn create(staging: &mut Staging<'_>, source: &str, mut stored: Stored) -> Result<Applied, StoreError> {
    id_fits(&stored.id)?;
    name_fits(&stored.kind, "the name of a kind, in bytes")?;
    value_fits(stored.body.len() + stored.profile.as_ref().map_or(0, Vec::len))?;
    keys_fit(&stored.keys)?;
    if staging.has(&keys::resource(source, &stored.id))? {
        return Err(StoreError::Exists { id: stored.id });
    }
    for (index, key) in stored.keys.unique.iter() {
        claim(staging, source, &stored, index, key)?;
    }
    for (index, key) in stored.keys.plain.iter() {
        staging.put(keys::plain(source, &stored.kind, index, key, &stored.id), b"")?;
    }
    staging.put(modified_key(source, &stored), b"")?;

    let counts = keys::count(source, &stored.kind);
    let (count, next) = staging.load(&counts)?.map_or(Ok((0, 0)), |row| codec::read_count(&row))?;
    stored.number = next;
    staging.put(counts, &codec::write_count(count + 1, next + 1))?;
    let extent = keys::extent(source, &stored.kind, next);
    let places = staging.load(&extent)?;
    let places = codec::append_extent(places.as_deref().unwrap_or_default(), (next % EXTENT) as u8, &stored.id)?;
    staging.put(extent, &places)?;

    // Groups that had the id as a member before it was a resource learn what it is.
    let is_member = staging.has_strays() && members::known(staging, source, &stored.id, &stored.kind)?;

    save(staging, source, &stored)?;
    Ok(Applied::Created { number: stored.number, is_member })
}

/// The new body, profile and keys of a resource.
type Content = (Vec<u8>, Option<Vec<u8>>, Keys);

fn replace(
    staging: &mut Staging<'_>,
    source: &str,
    old: &Stored,
    at: Millis,
    (body, profile, keys): Content,
) -> Result<Applied, StoreError> {
    value_fits(body.len() + profile.as_ref().map_or(0, Vec::len))?;
    keys_fit(&keys)?;
    let Stored { kind, id, version, created, number, members, .. } = old.clone();
    let new = Stored { kind, id, version: version + 1, created, modified: at, number, members, body, profile, keys };
    // Old keys go first, so that a key may move from one index entry to another of the same resource.
    for (index, key) in old.keys.unique.iter() {
        if !new.keys.unique.has(index, key) {
            staging.remove(keys::unique(source, &old.kind, index, key))?;
        }
    }
    for (index, key) in old.keys.plain.iter() {
        if !new.keys.plain.has(index, key) {
            staging.remove(keys::plain(source, &old.kind, index, key, &old.id))?;
        }
    }
    for (index, key) in new.keys.unique.iter() {
        claim(staging, source, &new, index, key)?;
    }
    for (index, key) in new.keys.plain.iter() {
        if !old.keys.plain.has(index, key) {
            staging.put(keys::plain(source, &new.kind, index, key, &new.id), b"")?;
        }
    }
    touch(staging, source, old, &new)?;
    Ok(Applied::Resource { version: new.version, number: new.number })
}

/// Stores a resource again, under its new time.
fn touch(staging: &mut Staging<'_>, source: &str, old: &Stored, new: &Stored) -> Result<(), StoreError> {
    if old.modified != new.modified {
        staging.remove(modified_key(source, old))?;
        staging.put(modified_key(source, new), b"")?;
    }
    save(staging, source, new)
}

fn delete(staging: &mut Staging<'_>, source: &str, old: &Stored, at: Millis) -> Result<Applied, StoreError> {
    for (index, key) in old.keys.unique.iter() {
        staging.remove(keys::unique(source, &old.kind, index, key))?;
    }
    for (index, key) in old.keys.plain.iter() {
        staging.remove(keys::plain(source, &old.kind, index, key, &old.id))?;
    }
    staging.remove(modified_key(source, old))?;

    let counts = keys::count(source, &old.kind);
    let (count, next) = staging.load(&counts)?.map_or(Ok((0, 0)), |row| codec::read_count(&row))?;
    staging.put(counts, &codec::write_count(count.saturating_sub(1), next))?;
    let extent = keys::extent(source, &old.kind, old.number);
    let mut places = staging.load(&extent)?.map_or(Ok(Vec::new()), |row| codec::read_extent(&row))?;
    places.retain(|(_, id)| *id != old.id);
    if places.is_empty() {
        staging.remove(extent)?;
    } else {
        staging.put(extent, &codec::write_extent(&places))?;
    }

    let mut edges = members::disband(staging, source, &old.id)?;
    for group in members::leave(staging, source, &old.id)? {
        edges += 1;
        if let Some(group) = load(staging, source, &group)? {
            let mut new = group.clone();
            new.version += 1;
            new.modified = at;
            new.members = new.members.saturating_sub(1);
            touch(staging, source, &group, &new)?;
        }
    }
    staging.forget_kind(source, &old.id);
    staging.remove(keys::resource(source, &old.id))?;
    Ok(Applied::Deleted { edges })
}

fn members(
    staging: &mut Staging<'_>,
    source: &str,
    old: &Stored,
    at: Millis,
    change: Change,
    unknown: Unknown,
) -> Result<Applied, StoreError> {
    let (Change::Add(ids) | Change::Remove(ids) | Change::Replace(ids)) = &change;
    ids.iter().try_for_each(|id| id_fits(id))?;
    let (added, removed) = members::change(staging, source, &old.id, change, unknown)?;
    if added.is_empty() && removed.is_empty() {
        return Ok(Applied::Members { version: old.version, added, removed, total: old.members });
    }
    let mut new = old.clone();
    new.version += 1;
    new.modified = at;
    new.members = (old.members + added.len() as u64).saturating_sub(removed.len() as u64);
    touch(staging, source, old, &new)?;
    Ok(Applied::Members { version: new.version, added, removed, total: new.members })
}

/// Checks the precondition on a record and gives its key.
fn record(staging: &mut Staging<'_>, table: Table, key: Vec<u8>, when: When) -> Result<Vec<u8>, StoreError> {
    if key.len() > MAX_RECORD_KEY {
        return Err(StoreError::TooLarge { what: "the key of a record, in bytes", limit: MAX_RECORD_KEY });
    }
    let at = keys::record(table, &key);
    let found = staging.load(&at)?;
    let holds = match when {
        When::Always => true,
        When::Absent => found.is_none(),
        When::Equals(value) => found.is_some_and(|found| *found == *value),
    };
    if holds { Ok(at) } else { Err(StoreError::Changed { key }) }
}

fn trim_outbox(staging: &mut Staging<'_>, through: u64) -> Result<Applied, StoreError> {
    let mut gone = Vec::new();
    let mut entries = 0;
    for row in staging.stored_rows(Space::Outbox).take(MAX_TRIM) {
        let (key, value) = row?;
        let first = Parts::new(&key).number().ok_or_else(|| keys::bad_key(&key))?;
        let count = codec::read_outbox(&value)?.len() as u64;
        if first.saturating_add(count) > through.saturating_add(1) {
            break;
        }
        if !staging.is_removed(&key) {
            entries += count;
            gone.push(key);
        }
    }
    drop_rows(staging, gone.iter().map(AsRef::as_ref))?;
    Ok(Applied::Removed(entries))
}

fn drop_rows<'k>(staging: &mut Staging<'_>, rows: impl Iterator<Item = &'k [u8]>) -> Result<(), StoreError> {
    for key in rows {
        // Loaded, so that its pieces go too.
        staging.load(key)?;
        staging.remove(key.to_vec())?;
    }
    Ok(())
}

/// Stages the removal of old log rows; says how many entries go.
pub(super) fn prune_log(
    staging: &mut Staging<'_>,
    before: Option<Millis>,
    bytes: Option<u64>,
) -> Result<u64, StoreError> {
    let mut gone = Vec::new();
    let (mut entries, mut size) = (0, *staging.log_bytes());
    for row in staging.stored_rows(Space::Log).take(MAX_TRIM) {
        let (key, value) = row?;
        let lines = codec::read_log(&value)?;
        let too_old = before.is_some_and(|before| lines.iter().all(|(_, entry)| entry.at < before));
        let too_large = bytes.is_some_and(|bytes| size > bytes);
        if !too_old && !too_large {
            break;
        }
        entries += lines.len() as u64;
        size = size.saturating_sub(value.len() as u64);
        gone.push(key);
    }
    drop_rows(staging, gone.iter().map(AsRef::as_ref))?;
    *staging.log_bytes() = size;
    Ok(entries)
}
