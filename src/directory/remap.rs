//! Profiles made anew: of the users whose groups a write changes, in its own transaction; of everybody, in the background,
//! when a mapping has a new revision or a write touches too many.
//!
//! Work in the background is a record of the store until it is done, so that it goes on after a restart. A user's profile is
//! decided on the version that was read: two groups that gain the same user at once do not lose each other.

use serde_json::{Map, Value, json};

use super::inbound::{Made, make, name_groups, reads};
use super::library::Held;
use super::{Call, Directory, fields, log, refused};
use crate::clock::Millis;
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::store::{Change, Cursor, Expected, Operation, Start, StoreError, Stored, Table, Transaction, When};

/// How many users' profiles a write of a group makes anew by itself; more are left to the background.
const MOST_AT_ONCE: usize = 500;
/// How many resources the background makes anew in one transaction.
const STEP: usize = 100;
/// What the key of a wish for new profiles begins with.
const REMAP: &[u8] = b"remap/";

/// What a write does to a group, as its members' profiles see it.
pub(super) struct GroupWrite<'g> {
    /// The group as it is stored, when it is.
    pub(super) stored: &'g Stored,
    /// Its name from now on; `None` when it goes.
    pub(super) name: Option<&'g Value>,
    /// What happens to its members.
    pub(super) changes: &'g [Change],
}

impl Directory {
    /// The operations that make profiles anew for a write of a group, when the mapping of users reads their groups.
    pub(super) async fn member_profiles(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        write: GroupWrite<'_>,
    ) -> Result<Vec<Operation>, ScimError> {
        let Some(users) = call.source.named("User").filter(|_| kind.name() == "Group") else { return Ok(Vec::new()) };
        if call.source.mapping("User").is_none() {
            return Ok(Vec::new());
        }
        let Some(held) = self.mapping_of(call, "User").await? else { return Ok(Vec::new()) };
        if !reads(&held, "groups") {
            return Ok(Vec::new());
        }
        let before = fields(&write.stored.body)?;
        let renamed = write.name != before.get("displayName");
        let Some((added, removed)) = self.affected(call, kind, &write, renamed).await? else {
            return Ok(vec![remap_wanted(&call.source.slug, self.now())]);
        };
        let mut operations = Vec::new();
        for (id, stays) in added.iter().map(|id| (id, true)).chain(removed.iter().map(|id| (id, false))) {
            let Some(user) = self.kept(call, users, id).await? else { continue };
            let mut record = fields(&user.body)?;
            self.add_relations(call, users, &user, &mut record, |name| name == "groups").await?;
            change_group(&mut record, &write.stored.id, write.name.filter(|_| stays));
            if let Some(operation) = self.remade(call, users, &held, &user, record).await? {
                operations.push(operation);
            }
        }
        Ok(operations)
    }

    /// Who is in the group from now on and whose profile changes by it, and who is no more; `None` when they are too many.
    async fn affected(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        write: &GroupWrite<'_>,
        renamed: bool,
    ) -> Result<Option<(Vec<String>, Vec<String>)>, ScimError> {
        let (source, group) = (call.source.slug.as_str(), write.stored.id.as_str());
        let (mut added, mut removed): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let whole = renamed || write.changes.iter().any(|change| matches!(change, Change::Replace(_)));
        if whole {
            if write.stored.members > MOST_AT_ONCE as u64 {
                return Ok(None);
            }
            let page = self.store.members(source, group, None, MOST_AT_ONCE).await;
            let members: Vec<String> =
                page.map_err(|error| refused(error, kind))?.items.into_iter().map(|member| member.id).collect();
            if write.name.is_some() { added = members } else { removed = members }
        }
        for change in write.changes {
            match change {
                Change::Add(ids) => {
                    removed.retain(|id| !ids.contains(id));
                    added.extend(ids.iter().cloned());
                }
                Change::Remove(ids) => {
                    added.retain(|id| !ids.contains(id));
                    removed.extend(ids.iter().cloned());
                }
                Change::Replace(ids) => {
                    removed.extend(added.drain(..).filter(|id| !ids.contains(id)));
                    added.extend(ids.iter().cloned());
                }
            }
        }
        for list in [&mut added, &mut removed] {
            list.sort_unstable();
            list.dedup();
        }
        Ok((added.len() + removed.len() <= MOST_AT_ONCE).then_some((added, removed)))
    }

    /// The operation that stores a profile made anew; `None` when it is as it was.
    async fn remade(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        held: &Held,
        stored: &Stored,
        mut record: Map<String, Value>,
    ) -> Result<Option<Operation>, ScimError> {
        record.insert("id".into(), stored.id.as_str().into());
        name_groups(&mut record);
        let profile = match make(held, record, stored.profile.as_deref(), self.now()) {
            // Who lacks what the mapping needs has no profile; the write that brings it here is not theirs to refuse.
            Made::Profile(profile) | Made::Refused(_, profile) => profile,
            Made::Failed(told) => {
                let resource = (kind.name().to_owned(), Some(stored.id.clone()));
                return Err(self.failed(call, held, resource, *told).await);
            }
        };
        if stored.profile.as_deref() == Some(&profile) {
            return Ok(None);
        }
        Ok(Some(Operation::Replace {
            id: stored.id.clone(),
            expected: Expected::Version(stored.version),
            // What the client sent has not changed.
            at: stored.modified,
            body: stored.body.clone(),
            keys: stored.keys.clone(),
            profile: Some(profile),
        }))
    }

    /// Wants all profiles of a source made anew.
    ///
    /// # Errors
    /// The store fails.
    pub async fn want_remap(&self, source: &str) -> Result<(), StoreError> {
        self.store.commit(Transaction::new(source).with(remap_wanted(source, self.now()))).await?;
        self.remap.notify_one();
        Ok(())
    }

    /// Comes when there may be profiles to make anew.
    pub async fn remap_asked(&self) {
        self.remap.notified().await;
    }

    /// Makes all profiles of a source anew when that is wanted; false when a halt or another write stopped it, and it is to be
    /// done again later.
    ///
    /// # Errors
    /// The store fails, or a program does, which halts the source.
    pub async fn remap(&self, call: &Call<'_>) -> Result<bool, ScimError> {
        let source = call.source.slug.as_str();
        let failed = |error: StoreError| ScimError::status(500, error.to_string());
        let key = key(source);
        while let Some(wanted) = self.store.record(Table::Settings, &key).await.map_err(failed)? {
            if self.halted(source).is_some() {
                return Ok(false);
            }
            for kind in &call.source.types {
                if let Some(held) = self.mapping_of(call, kind.name()).await? {
                    self.remap_kind(call, kind, &held).await?;
                }
            }
            // Wanted again meanwhile: it is done again.
            let erase = Operation::Erase { table: Table::Settings, key: key.clone(), when: When::Equals(wanted) };
            match self.store.commit(Transaction::new(source).with(erase)).await {
                Ok(_) | Err(StoreError::Changed { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(true)
    }

    async fn remap_kind(&self, call: &Call<'_>, kind: &ResourceType, held: &Held) -> Result<(), ScimError> {
        let source = call.source.slug.as_str();
        let mut start = Start::Offset(0);
        loop {
            let page = self.store.list(source, kind.name(), start, STEP).await.map_err(|error| refused(error, kind))?;
            let mut ids: Vec<String> = page.items.into_iter().map(|stored| stored.id).collect();
            while !ids.is_empty() {
                ids = self.remap_some(call, kind, held, ids).await?;
            }
            match page.next {
                Some(cursor) => start = Start::After(Cursor::from_bytes(cursor.as_bytes())),
                None => return Ok(()),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Makes these anew in one transaction; gives back those that another write changed meanwhile.
    async fn remap_some(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        held: &Held,
        ids: Vec<String>,
    ) -> Result<Vec<String>, ScimError> {
        let mut transaction = Transaction::new(&call.source.slug);
        for id in &ids {
            let Some(stored) = self.kept(call, kind, id).await? else { continue };
            let mut record = fields(&stored.body)?;
            self.add_relations(call, kind, &stored, &mut record, |name| reads(held, name)).await?;
            if let Some(operation) = self.remade(call, kind, held, &stored, record).await? {
                transaction = transaction.with(operation).with(log::outbox("profile", kind.name(), id, &[]));
            }
        }
        if transaction.operations.is_empty() {
            return Ok(Vec::new());
        }
        match self.store.commit(transaction).await {
            Ok(_) => {
                self.written.send_modify(|writes| *writes += 1);
                Ok(Vec::new())
            }
            Err(StoreError::VersionMismatch { .. } | StoreError::NotFound { .. } | StoreError::Busy) => Ok(ids),
            Err(error) => Err(refused(error, kind)),
        }
    }
}

/// The groups of a user as they are after the write: with this one under this name, or without it.
fn change_group(record: &mut Map<String, Value>, group: &str, name: Option<&Value>) {
    let groups = record.entry("groups").or_insert_with(|| Value::Array(Vec::new()));
    let Some(groups) = groups.as_array_mut() else { return };
    let place = groups.iter().position(|known| known.get("value").and_then(Value::as_str) == Some(group));
    match (place.and_then(|place| groups.get_mut(place)), name) {
        (Some(known), Some(name)) => {
            if let Some(known) = known.as_object_mut() {
                known.insert("display".into(), name.clone());
            }
        }
        (None, Some(name)) => {
            groups.push(json!({"value": group, "display": name, "type": "direct"}));
            // In the order in which they were made, as they are read back.
            groups.sort_by(|a, b| a.get("value").and_then(Value::as_str).cmp(&b.get("value").and_then(Value::as_str)));
        }
        (Some(_), None) => groups.retain(|known| known.get("value").and_then(Value::as_str) != Some(group)),
        (None, None) => {}
    }
}

pub(super) fn key(source: &str) -> Vec<u8> {
    [REMAP, source.as_bytes()].concat()
}

/// Whether an operation leaves work to the background.
pub(super) fn is_wanted(operation: &Operation) -> bool {
    matches!(operation, Operation::Put { table: Table::Settings, key, .. } if key.starts_with(REMAP))
}

/// Notes down that all profiles of a source are to be made anew.
fn remap_wanted(source: &str, at: Millis) -> Operation {
    Operation::Put {
        table: Table::Settings,
        key: key(source),
        value: format!("{at} {}", uuid::Uuid::new_v4()).into_bytes(),
        when: When::Always,
    }
}
