//! POST, PUT, PATCH and DELETE of one resource (RFC 7644, sections 3.3, 3.5 and 3.6).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::log::Deed;
use super::read::{not_found, projection};
use super::remap::GroupWrite;
use super::{Answer, Call, Directory, MAX_ATTEMPTS, fields, index, log, refused};
use crate::clock::Millis;
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::etag;
use crate::scim::members::{Member, MemberChange};
use crate::scim::patch::Patch;
use crate::scim::peer::Tolerance;
use crate::scim::project::Projection;
use crate::scim::quick;
use crate::scim::resource;
use crate::scim::verbatim::marked;
use crate::store::{Applied, Change, Committed, Expected, Keys, Operation, StoreError, Stored, Transaction, Unknown};

/// A group with more members is not sent back after a change.
const FEW_MEMBERS: u64 = 100;

impl Directory {
    /// Creates a resource (RFC 7644, section 3.3).
    pub(super) async fn create(&self, call: &Call<'_>, kind: &ResourceType, body: &Value) -> Result<Answer, ScimError> {
        self.check_halt(call)?;
        let projection = projection(call, kind)?;
        let (attributes, members) = prepared(resource::create(body, &kind.schema, call.source.tolerances)?, kind)?;
        let (at, id) = (self.now(), Uuid::now_v7().to_string());
        let members = ids(members);
        let profile = if call.source.mapping(kind.name()).is_some() {
            self.profile(call, kind, &id, &with_members(&attributes, &members), None).await?
        } else {
            None
        };
        let (mut more, body) = (Vec::new(), bytes(&attributes));
        if !members.is_empty() {
            let changes = [Change::Replace(members)];
            // As it is before its creation: at version 0.
            let (kind_name, body) = (kind.name().to_owned(), body.clone());
            let stored = Stored { kind: kind_name, id: id.clone(), created: at, body, ..Stored::default() };
            let write = GroupWrite { stored: &stored, name: attributes.get("displayName"), changes: &changes };
            let profiles = self.member_profiles(call, kind, write).await?;
            let [change] = changes;
            more.push(member_operation(call, &id, Expected::Any, at, change));
            more.extend(profiles);
        }
        let made = New {
            id,
            at,
            names: attributes.keys().map(String::as_str).collect(),
            name: log::name(kind.name(), &attributes),
            keys: index::keys(call.source, kind, &attributes),
            body,
            profile,
            more,
        };
        self.created(call, kind, &projection, made).await
    }

    /// Creates a resource whose body is as most clients send it, without reading it into values. `None` when it has to be read.
    ///
    /// # Errors
    /// As [`Directory::create`].
    pub(super) async fn create_quick(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        body: &[u8],
    ) -> Result<Option<Answer>, ScimError> {
        // A mapping reads values.
        if call.source.mapping(kind.name()).is_some() || index::has_own_keys(kind.name()) {
            return Ok(None);
        }
        let Some(quick) = quick::create(body, &kind.schema, call.source.tolerances) else { return Ok(None) };
        self.check_halt(call)?;
        let projection = projection(call, kind)?;
        let keys = index::quick_keys(call.source, kind, &quick);
        let made = New {
            id: Uuid::now_v7().to_string(),
            at: self.now(),
            name: log::quick_name(kind.name(), &quick),
            names: quick.names,
            keys,
            body: marked(quick.text).into_bytes(),
            profile: None,
            more: Vec::new(),
        };
        self.created(call, kind, &projection, made).await.map(Some)
    }

    /// Stores a new resource, and answers with it.
    async fn created(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        projection: &Projection,
        made: New<'_>,
    ) -> Result<Answer, ScimError> {
        let New { id, at, names, name, keys, body, profile, more } = made;
        let kind_name = kind.name().to_owned();
        let mut transaction = Transaction::new(&call.source.slug);
        // With the entries of outbox and log.
        transaction.operations.reserve(3 + more.len());
        transaction.operations.push(Operation::Create {
            kind: kind_name.clone(),
            id: id.clone(),
            at,
            keys,
            body: body.clone(),
            profile,
        });
        transaction.operations.extend(more);
        let deed = Deed { verb: "create", kind: kind.name(), id: &id, name, attributes: &names, status: 201 };
        let steps = Steps::of(&transaction, &id);
        let committed = self.commit(call, transaction, &deed, at).await.map_err(|error| refused(error, kind))?;
        // As it is before its creation: at version 0.
        let stored = Stored { kind: kind_name, id: id.clone(), created: at, body, ..Stored::default() };
        let stored = self.left(call, kind, stored, steps, &committed, at).await?;
        let is_member = committed.applied.iter().any(|done| matches!(done, Applied::Created { is_member: true, .. }));
        self.created_answer(call, kind, stored, projection, is_member).await
    }

    /// Replaces a resource (RFC 7644, section 3.5.1).
    pub(super) async fn replace(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        body: &Value,
    ) -> Result<Answer, ScimError> {
        let projection = projection(call, kind)?;
        let _turn = self.turn(call, id, true).await;
        for _ in 0..MAX_ATTEMPTS {
            let stored = self.writable(call, kind, id).await?;
            let current = fields(&stored.body)?;
            let made = resource::replace(body, &current, &kind.schema, call.source.tolerances)?;
            let (attributes, members) = prepared(made, kind)?;
            let at = self.now();
            let mut changed = changed(&current, &attributes);
            let (differs, members) = (!changed.is_empty(), ids(members));
            let mut changes = Vec::new();
            if kind.name() == "Group" && self.members_differ(call, kind, &stored, &members).await? {
                changed.push("members".into());
                changes.push(Change::Replace(members));
            }
            let transaction = self.change(call, kind, &stored, &attributes, differs, changes, at).await?;
            let name = log::name(kind.name(), &attributes);
            let deed = Deed { verb: "replace", kind: kind.name(), id, name, attributes: &texts(&changed), status: 200 };
            let steps = Steps::of(&transaction, id);
            if let Some(committed) = self.written(call, kind, transaction, &deed, at).await? {
                let stored = self.left(call, kind, stored, steps, &committed, at).await?;
                return self.resource_answer(200, call, kind, stored, &projection).await;
            }
        }
        Err(contended())
    }

    /// Changes a resource (RFC 7644, section 3.5.2).
    ///
    /// The answer is the resource, which costs least with clients of either taste. A group is answered 204 in Entra's dialect
    /// ([`Patch::is_silent`]) or when it has many members, unless `attributes` or `excludedAttributes` says what is wanted.
    pub(super) async fn patch(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        body: &Value,
    ) -> Result<Answer, ScimError> {
        let projection = projection(call, kind)?;
        let patch = Patch::parse(body, &kind.schema, call.source.tolerances)?;
        self.patched(call, kind, id, &projection, patch).await
    }

    /// Changes nothing but the members of a group when the body says so as most clients say it, without reading it into values. `None`
    /// when it has to be read.
    ///
    /// # Errors
    /// As [`Directory::patch`].
    pub(super) async fn members_quick(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        body: &[u8],
    ) -> Result<Option<Answer>, ScimError> {
        let Some(patch) = Patch::quick(body, &kind.schema, call.source.tolerances) else { return Ok(None) };
        let projection = projection(call, kind)?;
        self.patched(call, kind, id, &projection, patch).await.map(Some)
    }

    /// Stores what a PATCH makes of a resource, and answers with it.
    async fn patched(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        projection: &Projection,
        mut patch: Patch<'_>,
    ) -> Result<Answer, ScimError> {
        let members = patch.take_member_change();
        // A mapping of groups makes the profile anew of other members.
        let alone = !patch.is_members_only() || call.source.mapping(kind.name()).is_some();
        let _turn = self.turn(call, id, alone).await;
        for _ in 0..MAX_ATTEMPTS {
            let stored = self.writable(call, kind, id).await?;
            let mut attributes = fields(&stored.body)?;
            let outcome = patch.apply(&mut attributes)?;
            resource::settle_schemas(&mut attributes, &kind.schema);
            resource::take_secrets(&mut attributes, &kind.schema);
            let at = self.now();
            let mut names = outcome.attributes.clone();
            let changes = self.member_changes(call, kind, &stored, &members).await?;
            if !changes.is_empty() {
                names.push("members".into());
            }
            let transaction = self.change(call, kind, &stored, &attributes, outcome.changed, changes, at).await?;
            // Told before it is known exactly, so that the log says what the client hears.
            let many = stored.members.saturating_add(members.add.len() as u64) > FEW_MEMBERS;
            let unasked = call.attributes.is_none() && call.excluded.is_none();
            let silent = unasked && (many || patch.is_silent(call.entra));
            let name = log::name(kind.name(), &attributes);
            let status = if silent { 204 } else { 200 };
            let deed = Deed { verb: "patch", kind: kind.name(), id, name, attributes: &texts(&names), status };
            let steps = Steps::of(&transaction, id);
            if let Some(committed) = self.written(call, kind, transaction, &deed, at).await? {
                let stored = self.left(call, kind, stored, steps, &committed, at).await?;
                if silent {
                    return Ok(Answer { etag: Some(etag::weak(stored.version)), ..Answer::empty(204) });
                }
                return self.resource_answer(200, call, kind, stored, projection).await;
            }
        }
        Err(contended())
    }

    /// Deletes a resource, and takes it out of all groups (RFC 7644, section 3.6).
    pub(super) async fn delete(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Answer, ScimError> {
        for _ in 0..MAX_ATTEMPTS {
            let stored = self.writable(call, kind, id).await?;
            let at = self.now();
            let expected = if call.if_match.is_some() { Expected::Version(stored.version) } else { Expected::Any };
            let mut transaction = Transaction::new(&call.source.slug);
            if kind.name() == "Group" {
                let write = GroupWrite { stored: &stored, name: None, changes: &[] };
                transaction.operations = self.member_profiles(call, kind, write).await?;
            }
            transaction.operations.extend(self.left_groups(call, id).await?);
            transaction = transaction.with(Operation::Delete { id: id.to_owned(), expected, at });
            let name = log::name(kind.name(), &fields(&stored.body)?);
            let deed = Deed { verb: "delete", kind: kind.name(), id, name, attributes: &[], status: 204 };
            if self.written(call, kind, transaction, &deed, at).await?.is_some() {
                return Ok(Answer::empty(204));
            }
        }
        Err(contended())
    }

    /// Outbox entries for the groups that a resource leaves when it is deleted: who follows them hears of it.
    async fn left_groups(&self, call: &Call<'_>, id: &str) -> Result<Vec<Operation>, ScimError> {
        let groups = self.group_ids(call.source, id).await?;
        Ok(groups.iter().map(|group| log::outbox("patch", "Group", group, &[&id.to_owned()])).collect())
    }

    /// The operations of a change: new attributes with their profile, other members, and what these mean for profiles.
    #[expect(clippy::too_many_arguments, reason = "a change is all of these")]
    async fn change(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        attributes: &Map<String, Value>,
        changed: bool,
        changes: Vec<Change>,
        at: Millis,
    ) -> Result<Transaction, ScimError> {
        let mut transaction = Transaction::new(&call.source.slug);
        let is_group = kind.name() == "Group";
        if is_group && (changed || !changes.is_empty()) {
            let write = GroupWrite { stored, name: attributes.get("displayName"), changes: &changes };
            transaction.operations = self.member_profiles(call, kind, write).await?;
        }
        let members = if changes.is_empty() { None } else { self.members_after(call, kind, stored, &changes).await? };
        let replaced = changed || members.is_some();
        if replaced {
            let profile = if call.source.mapping(kind.name()).is_some() {
                let record = with_members(attributes, members.as_deref().unwrap_or_default());
                self.profile(call, kind, &stored.id, &record, Some(stored)).await?
            } else {
                None
            };
            transaction = transaction.with(Operation::Replace {
                id: stored.id.clone(),
                expected: Expected::Version(stored.version),
                at,
                keys: index::keys(call.source, kind, attributes),
                body: bytes(attributes),
                profile,
            });
        }
        // Members come and go beside each other, unless the client named a version and nothing above asks for it.
        let mut named = call.if_match.is_some() && !replaced;
        for change in changes {
            let expected = if named { Expected::Version(stored.version) } else { Expected::Any };
            transaction = transaction.with(member_operation(call, &stored.id, expected, at, change));
            named = false;
        }
        Ok(transaction)
    }

    /// The resource to write, when it is at the version that the client means.
    async fn writable(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Stored, ScimError> {
        self.check_halt(call)?;
        let stored = self.stored(call, kind, id).await?;
        match call.if_match {
            Some(tags) if !tags.matches(Some(&etag::weak(stored.version))) => {
                let tag = etag::weak(stored.version);
                Err(ScimError::precondition_failed(format!("the resource is at version {tag} by now: read it again")))
            }
            _ => Ok(stored),
        }
    }

    /// Stores it, unless there is nothing to store; `None` when another write came between and it is to be decided anew.
    async fn written(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        transaction: Transaction,
        deed: &Deed<'_>,
        at: Millis,
    ) -> Result<Option<Committed>, ScimError> {
        if transaction.operations.is_empty() {
            self.log_unchanged(call, deed, at).await;
            return Ok(Some(Committed::default()));
        }
        match self.commit(call, transaction, deed, at).await {
            Ok(committed) => Ok(Some(committed)),
            // Another's version is nothing that the client said anything about.
            Err(StoreError::VersionMismatch { id, .. }) if call.if_match.is_none() || id != deed.id => Ok(None),
            Err(StoreError::VersionMismatch { .. }) => {
                Err(ScimError::precondition_failed("the resource changed in this moment: read it again"))
            }
            Err(StoreError::NotFound { id }) => Err(not_found(kind, &id)),
            Err(error) => Err(refused(error, kind)),
        }
    }

    async fn commit(
        &self,
        call: &Call<'_>,
        mut transaction: Transaction,
        deed: &Deed<'_>,
        at: Millis,
    ) -> Result<Committed, StoreError> {
        let mapping = self.mapping_revision(call, deed.kind);
        let members: Vec<&String> = named_members(&transaction.operations).collect();
        let more = deed.operations(&call.source.slug, call.actor, mapping.as_deref(), &members, at);
        transaction.operations.push(Operation::OnlyIfChanged);
        transaction.operations.extend(more);
        let leaves_work = transaction.operations.iter().any(super::remap::is_wanted);
        let committed = self.store.commit(transaction).await?;
        if is_idle(&committed) {
            self.log_unchanged(call, &Deed { attributes: &[], name: deed.name.clone(), ..*deed }, at).await;
            return Ok(committed);
        }
        // Who begins to follow later reads the outbox first.
        if self.written.receiver_count() > 0 {
            self.written.send_modify(|writes| *writes += 1);
        }
        if leaves_work {
            self.remap.notify_one();
        }
        Ok(committed)
    }

    /// The resource as the write left it, which the write knows: `before` is what it found. Only when others came between is
    /// it read again.
    async fn left(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        before: Stored,
        steps: Steps,
        committed: &Committed,
        at: Millis,
    ) -> Result<Stored, ScimError> {
        let mut stored = before;
        for applied in steps.own.iter().filter_map(|place| committed.applied.get(*place)) {
            let (version, changes) = match applied {
                Applied::Created { number, .. } => {
                    stored.number = *number;
                    (1, true)
                }
                Applied::Resource { version, number } => {
                    stored.number = *number;
                    (*version, true)
                }
                Applied::Members { version, added, removed, total } => {
                    stored.members = *total;
                    (*version, !added.is_empty() || !removed.is_empty())
                }
                _ => continue,
            };
            if version != stored.version + u64::from(changes) {
                return self.stored(call, kind, &stored.id).await;
            }
            if changes {
                (stored.version, stored.modified) = (version, at);
            }
        }
        if let Some(body) = steps.body {
            stored.body = body;
        }
        Ok(stored)
    }

    /// The changes of members as the store makes them, which never reads who is a member to change some.
    async fn member_changes(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        change: &MemberChange,
    ) -> Result<Vec<Change>, ScimError> {
        if change.replace {
            let ids: Vec<String> = change.add.iter().map(|member| member.value.clone()).collect();
            let differ = self.members_differ(call, kind, stored, &ids).await?;
            return Ok(if differ { vec![Change::Replace(ids)] } else { Vec::new() });
        }
        let mut remove = change.remove.clone();
        if !change.remove_matching.is_empty() {
            // A filter of another kind than `value eq "…"` asks each member.
            let mut resource = Map::new();
            self.add_relations(call, kind, stored, &mut resource, |name| name == "members").await?;
            let members = resource.get("members").and_then(Value::as_array).into_iter().flatten();
            let chosen =
                members.filter(|member| change.remove_matching.iter().any(|matcher| matcher.matches_element(member)));
            remove.extend(chosen.filter_map(|member| member.get("value")?.as_str()).map(str::to_owned));
        }
        let mut changes = Vec::new();
        let mut add: Vec<String> = change.add.iter().map(|member| member.value.clone()).collect();
        // Who is to be added and is there already, or to be removed and is not, is no change. The store sees that; a mapping that reads
        // memberships has to know before, and so has the outbox, which names a few, when there are more. With both in one request the
        // order decides.
        let is_read = ["User", "Group"].iter().any(|kind| call.source.mapping(kind).is_some());
        let is_asked = is_read || add.len() + remove.len() > FEW_MEMBERS as usize;
        if is_asked && remove.is_empty() {
            add = self.members_among(call, kind, stored, add, false).await?;
        } else if is_asked && add.is_empty() {
            remove = self.members_among(call, kind, stored, remove, true).await?;
        }
        if !remove.is_empty() {
            changes.push(Change::Remove(remove));
        }
        if !add.is_empty() {
            changes.push(Change::Add(add));
        }
        Ok(changes)
    }

    /// Those of the ids that are members of the group, or those that are not.
    async fn members_among(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        group: &Stored,
        ids: Vec<String>,
        wanted: bool,
    ) -> Result<Vec<String>, ScimError> {
        let are_members = self.store.are_members(&call.source.slug, &group.id, &ids).await;
        let are_members = are_members.map_err(|error| refused(error, kind))?;
        let chosen = ids.into_iter().zip(are_members).filter(|(_, is_member)| *is_member == wanted);
        Ok(chosen.map(|(id, _)| id).collect())
    }

    /// Whether these ids are not just the members of the group.
    async fn members_differ(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        group: &Stored,
        ids: &[String],
    ) -> Result<bool, ScimError> {
        let wanted: BTreeSet<&String> = ids.iter().collect();
        if wanted.len() as u64 != group.members {
            return Ok(true);
        }
        let wanted = wanted.into_iter().cloned().collect();
        Ok(!self.members_among(call, kind, group, wanted, false).await?.is_empty())
    }
}

/// A resource that is to be created.
struct New<'a> {
    id: String,
    at: Millis,
    /// The names of its attributes.
    names: Vec<&'a str>,
    /// What a person calls it.
    name: Option<String>,
    keys: Keys,
    body: Vec<u8>,
    profile: Option<Vec<u8>>,
    /// What is stored with it.
    more: Vec<Operation>,
}

/// Whether members were to come or go, and all of them had.
fn is_idle(committed: &Committed) -> bool {
    let is_idle = |applied: &Applied| matches!(applied, Applied::Members { added, removed, .. } if added.is_empty() && removed.is_empty());
    committed.applied.iter().all(is_idle)
}

/// What of a transaction changes one resource.
struct Steps {
    /// The places of its operations.
    own: Vec<usize>,
    /// Its attributes from now on, when they are replaced.
    body: Option<Vec<u8>>,
}

impl Steps {
    fn of(transaction: &Transaction, resource: &str) -> Self {
        let (mut own, mut attributes) = (Vec::new(), None);
        for (place, operation) in transaction.operations.iter().enumerate() {
            match operation {
                Operation::Create { id, .. } if id == resource => own.push(place),
                Operation::Replace { id, body, .. } if id == resource => {
                    attributes = Some(body.clone());
                    own.push(place);
                }
                Operation::Members { id, .. } if id == resource => own.push(place),
                _ => {}
            }
        }
        Self { own, body: attributes }
    }
}

/// What is stored as attributes and what as edges. Secrets are neither: nobody reads a password back, so none is kept.
fn prepared(made: resource::Prepared, kind: &ResourceType) -> Result<(Map<String, Value>, Vec<Member>), ScimError> {
    let mut attributes = made.resource;
    let members = if kind.name() == "Group" { resource::take_members(&mut attributes)? } else { Vec::new() };
    resource::take_secrets(&mut attributes, &kind.schema);
    Ok((attributes, members))
}

/// A resource with its members, as a mapping sees it.
fn with_members(attributes: &Map<String, Value>, members: &[String]) -> Map<String, Value> {
    let mut record = attributes.clone();
    if !members.is_empty() {
        record.insert("members".into(), members.iter().map(|id| json!({"value": id})).collect());
    }
    record
}

fn member_operation(call: &Call<'_>, id: &str, expected: Expected, at: Millis, change: Change) -> Operation {
    let unknown = if call.source.tolerances.has(Tolerance::UnknownMember) { Unknown::Keep } else { Unknown::Refuse };
    Operation::Members { id: id.to_owned(), expected, at, change, unknown }
}

/// Members that come or go, when they are few: those who follow the outbox then need not look for them. Of so few, some may have come
/// or gone before.
fn named_members(operations: &[Operation]) -> impl Iterator<Item = &String> {
    let ids = operations.iter().flat_map(|operation| match operation {
        Operation::Members { change: Change::Add(ids) | Change::Remove(ids), .. } => ids.as_slice(),
        _ => &[],
    });
    ids.take(FEW_MEMBERS as usize)
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn ids(members: Vec<Member>) -> Vec<String> {
    members.into_iter().map(|member| member.value).collect()
}

fn bytes(attributes: &Map<String, Value>) -> Vec<u8> {
    // A map of texts and values always is JSON.
    marked(serde_json::to_string(attributes).unwrap_or_default()).into_bytes()
}

/// The top-level attributes in which two resources differ.
fn changed(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let other = after.iter().filter(|(key, value)| before.get(*key) != Some(value)).map(|(key, _)| key);
    gone.chain(other).cloned().collect()
}

fn contended() -> ScimError {
    ScimError::status(503, "the resource is written by many at once: try again")
}
