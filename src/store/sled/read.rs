//! The questions. Each looks at keys one after another while writes go on; what vanished between two looks is left out.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::store::{
    Cursor, Holder, LogLine, LogQuery, Member, OutboxEntry, Page, Record, Runs, Scan, Span, Start, StoreError, Stored,
    Table,
};

use super::chunk::{self, Chunk};
use super::codec;
use super::engine::{Engine, Range, Value};
use super::extents::Extents;
use super::keys::{self, EXTENT, Key, MAX_INDEX_KEY, NO_KIND, Parts, Space};
use super::names::Owner;
use super::staging::after;

/// The most items of a page.
const MAX_PAGE: usize = 10_000;
/// Log rows that one question looks at before it gives a short page.
const MAX_LOG_ROWS: usize = 20_000;

pub(super) fn get(engine: &Engine, source: &str, id: &str) -> Result<Option<Stored>, StoreError> {
    match engine.get(&keys::resource(source, id))? {
        Some(row) => codec::read_resource(id, &row).map(Some),
        None => Ok(None),
    }
}

/// Resources by their ids. Those of a page are mostly neighbours.
pub(super) fn get_many(engine: &Engine, source: &str, ids: &[String]) -> Result<Vec<Option<Stored>>, StoreError> {
    if let [id] = ids {
        return Ok(vec![get(engine, source, id)?]);
    }
    let mut resources = Ascending::new(engine, source);
    ids.iter().map(|id| resources.get(id)).collect()
}

pub(super) fn find(
    engine: &Engine,
    source: &str,
    kind: &str,
    index: &str,
    key: &[u8],
) -> Result<Option<String>, StoreError> {
    let key = keys::unique(source, kind, index, key);
    match engine.names.owner(&key) {
        Owner::Nobody => Ok(None),
        Owner::Uuid(uuid) => Ok(Some(keys::uuid_text(uuid))),
        Owner::Elsewhere => engine.get(&key)?.map(|id| holder(&id)).transpose(),
    }
}

/// What [`find`] answers, when memory knows it.
pub(super) fn find_known(engine: &Engine, source: &str, kind: &str, index: &str, key: &[u8]) -> Holder {
    match engine.names.owner(&keys::unique(source, kind, index, key)) {
        Owner::Nobody => Holder::Nobody,
        Owner::Uuid(uuid) => Holder::Id(keys::uuid_text(uuid)),
        Owner::Elsewhere => Holder::Unknown,
    }
}

fn holder(id: &Value) -> Result<String, StoreError> {
    String::from_utf8(id.to_vec()).map_err(|_| StoreError::corrupt(Space::Unique.name(), "an id is not text"))
}

/// The keys of a span: the first, and the first after it.
fn bounds(start: &Key, span: &Span) -> Result<(Vec<u8>, Option<Vec<u8>>), StoreError> {
    let fits = |key: &[u8]| match key.len() {
        0..=MAX_INDEX_KEY => Ok(()),
        _ => Err(StoreError::TooLarge { what: "a key to compare with, in bytes", limit: MAX_INDEX_KEY - 32 }),
    };
    let past = |key: &[u8]| start.clone().open(key).raw(&[0, 2]).done();
    let whole = start.clone().done();
    Ok(match span {
        Span::Exact(key) => {
            let exact = start.clone().index_key(key).done();
            let end = keys::after_prefix(&exact);
            (exact, end)
        }
        Span::Prefix(text) => {
            // Longer keys are cut, so a longer beginning would not be found.
            if text.len() > MAX_INDEX_KEY - 32 {
                fits(&[0; MAX_INDEX_KEY + 1])?;
            }
            let prefix = start.clone().open(text).done();
            let end = keys::after_prefix(&prefix);
            (prefix, end)
        }
        Span::Between(low, high) => {
            let low = match low {
                Bound::Included(key) => fits(key).map(|()| start.clone().open(key).done())?,
                Bound::Excluded(key) => fits(key).map(|()| past(key))?,
                Bound::Unbounded => whole.clone(),
            };
            let high = match high {
                Bound::Included(key) => fits(key).map(|()| Some(past(key)))?,
                Bound::Excluded(key) => fits(key).map(|()| Some(start.clone().text(key).done()))?,
                Bound::Unbounded => keys::after_prefix(&whole),
            };
            (low, high)
        }
    })
}

pub(super) fn scan(engine: &Engine, source: &str, kind: &str, scan: &Scan) -> Result<Page<String>, StoreError> {
    let start = keys::index(scan.unique, source, kind, &scan.index);
    let (low, high) = bounds(&start, &scan.span)?;
    let prefix = start.done();
    let after_cursor = scan.after.as_ref().map(|cursor| [prefix.as_slice(), cursor.as_bytes()].concat());
    let low = match after_cursor {
        Some(cursor) if cursor >= low => Bound::Excluded(cursor),
        _ => Bound::Included(low),
    };
    page(engine.range(low, high), scan.limit, &prefix, |key, value| {
        if scan.unique {
            return holder(value).map(Some);
        }
        let mut parts = Parts::rest(after(&key, &prefix));
        parts.text().and_then(|_| parts.id()).map(Some).ok_or_else(|| keys::bad_key(key))
    })
}

/// Items of rows, and a cursor when more follow.
fn page<T>(
    rows: impl Iterator<Item = Result<(::sled::IVec, Value), StoreError>>,
    limit: usize,
    prefix: &[u8],
    read: impl Fn(&[u8], &Value) -> Result<Option<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let limit = limit.min(MAX_PAGE);
    let (mut items, mut last) = (Vec::new(), None);
    for row in rows {
        let (key, value) = row?;
        if items.len() >= limit {
            return Ok(Page { items, next: last });
        }
        if let Some(item) = read(&key, &value)? {
            items.push(item);
            last = Some(Cursor(after(&key, prefix).to_vec()));
        }
    }
    Ok(Page { items, next: None })
}

/// Resources whose ids mostly rise, which are neighbours then: the next row is often the one that is wanted.
struct Ascending<'e> {
    engine: &'e Engine,
    source: &'e str,
    rows: Option<Range<'e>>,
    /// The row that was read last and was behind the one that was wanted.
    ahead: Option<(::sled::IVec, Value)>,
}

impl<'e> Ascending<'e> {
    /// Rows of others that are gone over before it is quicker to look anew.
    const OTHERS: usize = 4;

    fn new(engine: &'e Engine, source: &'e str) -> Self {
        Self { engine, source, rows: None, ahead: None }
    }

    /// The resource of this id.
    fn get(&mut self, id: &str) -> Result<Option<Stored>, StoreError> {
        let key = keys::resource(self.source, id);
        if let Some(Ok(stored)) = self.engine.resident.get(&key) {
            return codec::read_resource(id, &Value::of(&key, stored)?).map(Some);
        }
        for _ in 0..=Self::OTHERS {
            let next = match (self.ahead.take(), &mut self.rows) {
                (Some(row), _) => Some(row),
                (None, Some(rows)) => rows.next().transpose()?,
                (None, None) => None,
            };
            let Some((at, row)) = next else { break };
            match (*at).cmp(key.as_slice()) {
                Ordering::Less => {}
                Ordering::Equal => return codec::read_resource(id, &row).map(Some),
                Ordering::Greater => {
                    self.ahead = Some((at, row));
                    break;
                }
            }
        }
        let rows = self.rows.insert(self.engine.range(Bound::Included(key.clone()), None));
        self.ahead = rows.next().transpose()?;
        match self.ahead.take() {
            Some((at, row)) if *at == *key => codec::read_resource(id, &row).map(Some),
            other => {
                self.ahead = other;
                Ok(None)
            }
        }
    }
}

pub(super) fn list(
    engine: &Engine,
    source: &str,
    kind: &str,
    from: &Start,
    limit: usize,
) -> Result<Page<Stored>, StoreError> {
    let mut resources = Ascending::new(engine, source);
    // One that was deleted meanwhile, or deleted and made again, is not at this place any more.
    places(engine, source, kind, from, limit, |number, id| {
        Ok(resources.get(&id)?.filter(|stored| stored.number == number))
    })
}

/// The ids of a list with their numbers.
pub(super) fn order(
    engine: &Engine,
    source: &str,
    kind: &str,
    from: &Start,
    limit: usize,
) -> Result<Page<(u64, String)>, StoreError> {
    places(engine, source, kind, from, limit, |number, id| Ok(Some((number, id))))
}

/// Where the resources of a page are.
pub(super) fn runs(engine: &Engine, source: &str, kind: &str, skip: u64, limit: u64, most: u64) -> Option<Runs> {
    // Whoever goes another way hears of the error.
    Extents::runs(engine, &keys::order(source, kind), skip, limit, most).ok()?
}

/// Goes over the order of creation; what `item` gives nothing for is left out.
fn places<T>(
    engine: &Engine,
    source: &str,
    kind: &str,
    from: &Start,
    limit: usize,
    mut item: impl FnMut(u64, String) -> Result<Option<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let limit = limit.min(MAX_PAGE);
    let prefix = keys::order(source, kind);
    // Which place is the first; or how many items to leave out.
    let (first, mut skip) = match from {
        Start::Offset(skip) => (0, *skip),
        Start::Number(number) => (*number, 0),
        Start::After(cursor) => {
            let mut bytes = [0; 8];
            for (to, byte) in bytes.iter_mut().zip(cursor.as_bytes()) {
                *to = *byte;
            }
            (u64::from_be_bytes(bytes).saturating_add(1), 0)
        }
    };
    let mut start = keys::extent(source, kind, first);
    if skip >= EXTENT {
        let (extent, left) = Extents::skip(engine, &prefix, skip)?;
        (start, skip) = (keys::extent(source, kind, extent.saturating_mul(EXTENT)), left);
    }
    let start = Bound::Included(start);
    let (mut items, mut last) = (Vec::new(), None);
    for row in engine.range(start, keys::after_prefix(&prefix)) {
        let (key, value) = row?;
        let count = u64::from(codec::count_of_extent(&value));
        if skip >= count {
            skip -= count;
            continue;
        }
        let extent = Parts::rest(after(&key, &prefix)).number().ok_or_else(|| keys::bad_key(&key))?;
        for row in codec::Places::of(&value)? {
            let (place, id) = row?;
            let number = extent.saturating_mul(EXTENT).saturating_add(u64::from(place));
            if number < first {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if items.len() >= limit {
                return Ok(Page { items, next: last });
            }
            if let Some(found) = item(number, id.to_string())? {
                items.push(found);
                last = Some(Cursor(number.to_be_bytes().to_vec()));
            }
        }
    }
    Ok(Page { items, next: None })
}

pub(super) fn count(engine: &Engine, source: &str, kind: &str) -> Result<u64, StoreError> {
    if let Some(total) = engine.extents.total(&keys::order(source, kind)) {
        return Ok(total);
    }
    engine.get(&keys::count(source, kind))?.map_or(Ok(0), |row| codec::read_count(&row).map(|(count, _)| count))
}

pub(super) fn members(
    engine: &Engine,
    source: &str,
    group: &str,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Member>, StoreError> {
    let limit = limit.min(MAX_PAGE);
    let prefix = keys::edges(Space::Member, source, group);
    // The row and the place behind which the page begins.
    let last = cursor.and_then(|cursor| {
        let mut parts = Parts::rest(cursor.as_bytes());
        parts.number().zip(parts.byte()).filter(|_| parts.is_empty())
    });
    let start = last.map_or_else(|| prefix.clone(), |(number, _)| chunk::key(&prefix, number));
    let (mut items, mut seen) = (Vec::new(), None);
    for row in engine.range(Bound::Included(start), keys::after_prefix(&prefix)) {
        let (key, row) = row?;
        let number = chunk::number_in(&key, &prefix)?;
        for (place, id, kind) in Chunk::read(&row)?.into_members() {
            if last.is_some_and(|last| (number, place) <= last) {
                continue;
            }
            if items.len() >= limit {
                return Ok(Page { items, next: seen.map(member_cursor) });
            }
            items.push(Member { id, kind: Some(kind).filter(|kind| kind != NO_KIND) });
            seen = Some((number, place));
        }
    }
    Ok(Page { items, next: None })
}

fn member_cursor((number, place): (u64, u8)) -> Cursor {
    Cursor([number.to_be_bytes().as_slice(), &[place]].concat())
}

pub(super) fn is_member(engine: &Engine, source: &str, group: &str, member: &str) -> Result<bool, StoreError> {
    let key = Key::after(keys::edges(Space::Group, source, member)).id(group).done();
    Ok(engine.joined.may_be(&key) && engine.get_stored(&key)?.is_some())
}

pub(super) fn are_members(
    engine: &Engine,
    source: &str,
    group: &str,
    members: &[String],
) -> Result<Vec<bool>, StoreError> {
    members.iter().map(|member| is_member(engine, source, group, member)).collect()
}

pub(super) fn groups(
    engine: &Engine,
    source: &str,
    member: &str,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<String>, StoreError> {
    let prefix = keys::edges(Space::Group, source, member);
    if !engine.joined.may_have(&prefix) {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let cursor = cursor.map(|cursor| [prefix.as_slice(), cursor.as_bytes()].concat());
    page(engine.prefix(&prefix, cursor), limit, &prefix, |key, _| {
        Parts::rest(after(&key, &prefix)).id().map(Some).ok_or_else(|| keys::bad_key(key))
    })
}

/// Rows of entries, from the one in which an entry of this number is.
fn rows_from(engine: &Engine, space: Space, number: u64) -> Result<Vec<u8>, StoreError> {
    let end = number.checked_add(1).map(|end| keys::numbered(space, end));
    let letter = vec![space.letter()];
    let end = end.or_else(|| keys::after_prefix(&letter));
    let mut rows = engine.range(Bound::Included(letter), end);
    match rows.step_back() {
        Some(row) => Ok(row?.0.to_vec()),
        None => Ok(keys::numbered(space, number)),
    }
}

pub(super) fn outbox(engine: &Engine, from: u64, limit: usize) -> Result<Vec<OutboxEntry>, StoreError> {
    let limit = limit.min(MAX_PAGE);
    let start = rows_from(engine, Space::Outbox, from)?;
    let mut entries = Vec::new();
    for row in engine.range(Bound::Included(start), keys::after_prefix(&[Space::Outbox.letter()])) {
        let (key, value) = row?;
        let first = Parts::new(&key).number().ok_or_else(|| keys::bad_key(&key))?;
        for (number, (source, body)) in (first..).zip(codec::read_outbox(&value)?) {
            if entries.len() >= limit {
                return Ok(entries);
            }
            if number >= from {
                entries.push(OutboxEntry { number, source, body });
            }
        }
    }
    Ok(entries)
}

fn matches(query: &LogQuery, line: &LogLine) -> bool {
    let LogLine { source, entry, .. } = line;
    query.source.as_ref().is_none_or(|wanted| wanted == source)
        && query.resource.as_ref().is_none_or(|wanted| entry.resource.as_ref() == Some(wanted))
        && query.failed.is_none_or(|wanted| wanted == entry.failed)
        && query.since.is_none_or(|since| entry.at >= since)
        && query.until.is_none_or(|until| entry.at < until)
}

pub(super) fn log(engine: &Engine, query: &LogQuery) -> Result<Page<LogLine>, StoreError> {
    let limit = query.limit.min(MAX_PAGE);
    let cursor = query.after.as_ref().map(|cursor| {
        let mut bytes = [0; 8];
        for (to, byte) in bytes.iter_mut().zip(cursor.as_bytes()) {
            *to = *byte;
        }
        u64::from_be_bytes(bytes)
    });
    let letter = vec![Space::Log.letter()];
    let mut rows = if query.newest_first {
        let end = cursor.map_or_else(|| keys::after_prefix(&letter), |cursor| Some(keys::numbered(Space::Log, cursor)));
        engine.range(Bound::Included(letter), end)
    } else {
        let start = cursor.map_or(Ok(letter.clone()), |cursor| rows_from(engine, Space::Log, cursor))?;
        engine.range(Bound::Included(start), keys::after_prefix(&letter))
    };
    let is_before = |number: u64| match cursor {
        Some(cursor) if query.newest_first => number < cursor,
        Some(cursor) => number > cursor,
        None => true,
    };
    let (mut items, mut seen, mut looked) = (Vec::new(), cursor, 0);
    let at = |number: Option<u64>| number.map(|number| Cursor(number.to_be_bytes().to_vec()));
    while let Some(row) = if query.newest_first { rows.step_back() } else { rows.next() } {
        let (key, value) = row?;
        let first = Parts::new(&key).number().ok_or_else(|| keys::bad_key(&key))?;
        let mut lines: Vec<LogLine> = (first..)
            .zip(codec::read_log(&value)?)
            .map(|(number, (source, entry))| LogLine { number, source, entry })
            .collect();
        if query.newest_first {
            lines.reverse();
        }
        for line in lines.into_iter().filter(|line| is_before(line.number)) {
            if items.len() >= limit {
                return Ok(Page { items, next: at(seen) });
            }
            seen = Some(line.number);
            if matches(query, &line) {
                items.push(line);
            }
        }
        looked += 1;
        if looked >= MAX_LOG_ROWS {
            return Ok(Page { items, next: at(seen) });
        }
    }
    Ok(Page { items, next: None })
}

pub(super) fn records(
    engine: &Engine,
    table: Table,
    prefix: &[u8],
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Record>, StoreError> {
    let start = keys::record(table, prefix);
    let whole = keys::record(table, b"");
    let cursor = cursor.map(|cursor| [whole.as_slice(), cursor.as_bytes()].concat()).filter(|after| *after >= start);
    let found = page(engine.prefix(&start, cursor), limit, &whole, |key, value| {
        Ok(Some(Record { key: after(&key, &whole).to_vec(), value: value.to_vec() }))
    })?;
    // The database looks what its cache may let go of after 64 questions for pages of one of 256 groups. A walk asks for a page
    // of eight to sixteen rows once, and would fill memory with sixteen thousand of them first: so each row is asked for by its key.
    for record in &found.items {
        engine.get(&[whole.as_slice(), &record.key].concat())?;
    }
    Ok(found)
}
