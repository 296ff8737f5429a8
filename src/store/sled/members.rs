//! What operations do to memberships: a row of the member's side, which says that there is one, and a place in a row of the group's
//! side. Of those an operation reads and writes each once.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Change, StoreError, Unknown};

use super::chunk::{self, Chunk};
use super::codec;
use super::keys::{self, Key, NO_KIND, Parts, Space};
use super::staging::{Staging, after};

/// The rows of a group's members while an operation changes them.
pub(super) struct Rows {
    /// What their keys begin with.
    prefix: Vec<u8>,
    /// Those that were looked at, and whether they changed.
    open: BTreeMap<u64, (Chunk, bool)>,
    /// The row that takes new members.
    last: Option<u64>,
}

impl Rows {
    pub(super) fn new(source: &str, group: &str) -> Self {
        Self { prefix: keys::edges(Space::Member, source, group), open: BTreeMap::new(), last: None }
    }

    /// A row, and whether it changed; empty when there is none of this number.
    fn row(&mut self, staging: &mut Staging<'_>, number: u64) -> Result<&mut (Chunk, bool), StoreError> {
        if !self.open.contains_key(&number) {
            let stored = staging.load(&chunk::key(&self.prefix, number))?;
            let chunk = stored.map_or(Ok(Chunk::default()), |row| Chunk::read(&row))?;
            self.open.insert(number, (chunk, false));
        }
        Ok(self.open.entry(number).or_default())
    }

    /// Puts a member behind all others; gives the number of its row.
    pub(super) fn push(&mut self, staging: &mut Staging<'_>, id: &str, kind: &str) -> Result<u64, StoreError> {
        let mut number = match self.last.or_else(|| staging.last_row(&self.prefix)) {
            Some(last) => last,
            None => match staging.last(&self.prefix)? {
                Some(key) => chunk::number_in(&key, &self.prefix)?,
                None => 0,
            },
        };
        let (chunk, is_changed) = self.row(staging, number)?;
        if chunk.push(id, kind) {
            *is_changed = true;
        } else {
            number = number.saturating_add(1);
            let (chunk, is_changed) = self.row(staging, number)?;
            *is_changed = chunk.push(id, kind);
        }
        self.last = Some(number);
        Ok(number)
    }

    /// Changes one row.
    fn change(
        &mut self,
        staging: &mut Staging<'_>,
        number: u64,
        change: impl FnOnce(&mut Chunk) -> bool,
    ) -> Result<(), StoreError> {
        let (chunk, is_changed) = self.row(staging, number)?;
        *is_changed |= change(chunk);
        Ok(())
    }

    /// Stages what changed. A row in which nobody is left goes.
    pub(super) fn save(self, staging: &mut Staging<'_>) -> Result<(), StoreError> {
        let mut is_known = true;
        for (number, (chunk, _)) in self.open.into_iter().filter(|(_, (_, is_changed))| *is_changed) {
            let key = chunk::key(&self.prefix, number);
            if chunk.is_empty() {
                is_known = false;
                staging.remove(key)?;
            } else {
                staging.put(key, &chunk.write())?;
            }
        }
        // Who came stands in the last one. Without them, one that goes may have been it.
        if self.last.is_some() || !is_known {
            staging.set_last_row(self.prefix, self.last);
        }
        Ok(())
    }
}

/// The keys of the memberships of one group, whose parts are written once.
struct Edges {
    source: Vec<u8>,
    group: Vec<u8>,
}

impl Edges {
    fn new(source: &str, group: &str) -> Self {
        Self { source: Key::part().text(source.as_bytes()).done(), group: Key::part().id(group).done() }
    }

    /// The key of a membership.
    fn key(&self, member: &str) -> Vec<u8> {
        Key::new(Space::Group).raw(&self.source).id(member).raw(&self.group).done()
    }

    /// What the keys of all memberships of this one's member begin with.
    fn of_member<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        key.get(..key.len() - self.group.len()).unwrap_or_default()
    }

    /// The key of a member's own row.
    fn resource(&self, member: &str) -> Vec<u8> {
        Key::new(Space::Resource).raw(&self.source).id(member).done()
    }
}

/// Who became a member, and who is none any more, in the order of the change.
type Changed = (Vec<String>, Vec<String>);

/// Stages a change of the members of a group.
pub(super) fn change(
    staging: &mut Staging<'_>,
    source: &str,
    group: &str,
    change: Change,
    unknown: Unknown,
) -> Result<Changed, StoreError> {
    let mut rows = Rows::new(source, group);
    let edges = Edges::new(source, group);
    let (to_add, to_remove) = match change {
        Change::Add(ids) => (ids, Vec::new()),
        Change::Remove(ids) => (Vec::new(), ids),
        Change::Replace(ids) => {
            let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
            let mut gone = Vec::new();
            for key in staging.keys(&rows.prefix)? {
                let members = staging.load(&key)?.map_or(Ok(Chunk::default()), |row| Chunk::read(&row))?.into_members();
                gone.extend(members.map(|(_, id, _)| id).filter(|id| !wanted.contains(id.as_str())));
            }
            (ids, gone)
        }
    };
    let mut removed = Vec::new();
    for member in to_remove {
        let edge = edges.key(&member);
        if let Some(number) = staging.load(&edge)? {
            rows.change(staging, chunk::read_number(&number)?, |chunk| chunk.remove(&member))?;
            staging.remove(edge)?;
            removed.push(member);
        }
    }
    let mut added = Vec::new();
    for member in to_add {
        let edge = edges.key(&member);
        if staging.may_be_member(&edge) && staging.has(&edge)? {
            continue;
        }
        let kind = match kind_of(staging, source, &member, &edges)? {
            Some(kind) => kind,
            None if unknown == Unknown::Keep => {
                staging.count_stray();
                NO_KIND.to_owned()
            }
            None => return Err(StoreError::MemberNotFound { id: member }),
        };
        let number = rows.push(staging, &member, &kind)?;
        staging.join(&edge, edges.of_member(&edge));
        staging.put(edge, &chunk::write_number(number))?;
        added.push(member);
    }
    rows.save(staging)?;
    Ok((added, removed))
}

/// Of what kind a member is; `None` when it is no resource.
fn kind_of(staging: &mut Staging<'_>, source: &str, member: &str, edges: &Edges) -> Result<Option<String>, StoreError> {
    if let Some(kind) = staging.known_kind(source, member) {
        return Ok(Some(kind));
    }
    let key = edges.resource(member);
    let Some(row) = staging.load(&key)? else { return Ok(None) };
    let kind = codec::read_kind(&row)?;
    staging.know_kind(&key, source, member, &kind);
    Ok(Some(kind))
}

/// A group of a member: its id, the key of the membership, the number of the row in which the member stands.
type Group = (String, Vec<u8>, u64);

fn groups(staging: &mut Staging<'_>, source: &str, member: &str) -> Result<Vec<Group>, StoreError> {
    let prefix = keys::edges(Space::Group, source, member);
    let mut groups = Vec::new();
    for key in staging.keys(&prefix)? {
        let group = Parts::rest(after(&key, &prefix)).id().ok_or_else(|| keys::bad_key(&key))?;
        if let Some(number) = staging.load(&key)? {
            groups.push((group, key, chunk::read_number(&number)?));
        }
    }
    Ok(groups)
}

/// Says of what kind a member is that was no resource; false when it is in no group.
pub(super) fn known(staging: &mut Staging<'_>, source: &str, member: &str, kind: &str) -> Result<bool, StoreError> {
    let groups = groups(staging, source, member)?;
    for (group, key, number) in &groups {
        let mut rows = Rows::new(source, group);
        rows.change(staging, *number, |chunk| chunk.set_kind(member, kind))?;
        rows.save(staging)?;
        // The same as before, so that a backup under way, which has the kind with the membership, hears of it.
        staging.put(key.clone(), &chunk::write_number(*number))?;
    }
    Ok(!groups.is_empty())
}

/// Takes all members out of a group; says how many.
pub(super) fn disband(staging: &mut Staging<'_>, source: &str, group: &str) -> Result<u64, StoreError> {
    let edges = Edges::new(source, group);
    let prefix = keys::edges(Space::Member, source, group);
    let mut count = 0;
    for key in staging.keys(&prefix)? {
        // Loaded, so that its pieces go too.
        let Some(row) = staging.load(&key)? else { continue };
        for (_, member, _) in Chunk::read(&row)?.into_members() {
            staging.remove(edges.key(&member))?;
            count += 1;
        }
        staging.remove(key)?;
    }
    staging.set_last_row(prefix, None);
    Ok(count)
}

/// Takes a member out of all its groups; says which they were.
pub(super) fn leave(staging: &mut Staging<'_>, source: &str, member: &str) -> Result<Vec<String>, StoreError> {
    let mut left = Vec::new();
    for (group, key, number) in groups(staging, source, member)? {
        let mut rows = Rows::new(source, &group);
        rows.change(staging, number, |chunk| chunk.remove(member))?;
        rows.save(staging)?;
        staging.remove(key)?;
        left.push(group);
    }
    Ok(left)
}
