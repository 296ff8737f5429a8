//! Inbound mapping: a stored resource made into the profile that the source's mapping gives, in the transaction of the write.
//!
//! A profile is kept with its resource: which mapping and revision made it, and the payload, or why there is none. A program
//! that fails halts the source before anything is stored.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::halt::Halt;
use super::library::Held;
use super::{Call, Directory, fields, refused};
use crate::clock::{Millis, moment};
use crate::function::{Env, Seed};
use crate::mapping::{Apply, Ran, Told};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::store::{Change, StoreError, Stored};
use crate::text::Diagnostics;

/// What a mapping made of a resource.
pub(super) enum Made {
    /// Its profile, as it is kept.
    Profile(Vec<u8>),
    /// There is none: the data has not what the mapping needs, or a script skips it. The reason, for the client.
    Refused(String, Vec<u8>),
    /// A program failed.
    Failed(Box<Told>),
}

impl Directory {
    /// The reason why a source takes no writes.
    pub fn halted(&self, source: &str) -> Option<Arc<Halt>> {
        self.halts.get(source)
    }

    /// Lets a halted source take writes again; false when it was not halted.
    ///
    /// # Errors
    /// The store fails.
    pub async fn resume(&self, source: &str) -> Result<bool, StoreError> {
        let lifted = self.halts.lift(source).await?;
        self.remap.notify_one();
        Ok(lifted)
    }

    /// Halts a source whose mapping file does not compile; `file` stands for the mapping, which has no revision.
    ///
    /// # Errors
    /// The store fails.
    pub async fn halt_uncompiled(&self, source: &str, file: &str, found: &Diagnostics) -> Result<(), StoreError> {
        let Told { rule, code, place, report } = uncompiled(found, file);
        let halt = Halt {
            source: source.to_owned(),
            at: self.now(),
            mapping: file.to_owned(),
            revision: 0,
            rule,
            code,
            place,
            resource: None,
            report,
        };
        self.halts.lift(source).await?;
        self.halts.set(halt).await.map(|_| ())
    }

    /// Refuses a write to a source that is halted.
    pub(super) fn check_halt(&self, call: &Call<'_>) -> Result<(), ScimError> {
        self.halts.get(&call.source.slug).map_or(Ok(()), |halt| Err(halt.refusal()))
    }

    /// The mapping of resources of this kind; a source whose mapping cannot run is halted.
    pub(super) async fn mapping_of(&self, call: &Call<'_>, kind: &str) -> Result<Option<Arc<Held>>, ScimError> {
        let Some(name) = call.source.mapping(kind) else { return Ok(None) };
        let (revision, told) = match self.library.get(name) {
            Some(held) => match &held.mapping {
                Ok(_) => return Ok(Some(held)),
                Err(found) => (held.revision.revision, uncompiled(found, &held.revision.file)),
            },
            None => (0, absent(name)),
        };
        Err(self.halt(call, name, revision, None, told).await)
    }

    /// The mapping of resources of this kind and its newest revision, for the log: `people 3`.
    pub(super) fn mapping_revision(&self, call: &Call<'_>, kind: &str) -> Option<String> {
        let held = self.library.get(call.source.mapping(kind)?)?;
        Some(format!("{} {}", held.revision.name, held.revision.revision))
    }

    /// Halts the source, and says so.
    async fn halt(
        &self,
        call: &Call<'_>,
        mapping: &str,
        revision: u64,
        resource: Option<(String, Option<String>)>,
        told: Told,
    ) -> ScimError {
        let Told { rule, code, place, report } = told;
        let source = call.source.slug.clone();
        let halt =
            Halt { source, at: self.now(), mapping: mapping.to_owned(), revision, rule, code, place, resource, report };
        let refusal = halt.refusal();
        match self.halts.set(halt).await {
            Ok(first) => first.refusal(),
            Err(error) => {
                tracing::error!(target: "halt", %error, "the halt could not be stored; it holds until the server ends");
                refusal
            }
        }
    }

    /// The profile of a resource that is about to be stored; `None` when the source has no mapping for its kind.
    ///
    /// `id` is `None` for one that is to be created. `before` is what is stored of it.
    pub(super) async fn profile(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        resource: &Map<String, Value>,
        before: Option<&Stored>,
    ) -> Result<Option<Vec<u8>>, ScimError> {
        let Some(held) = self.mapping_of(call, kind.name()).await? else { return Ok(None) };
        let mut record = resource.clone();
        record.insert("id".into(), id.into());
        if let Some(stored) = before {
            self.add_read(call, kind, stored, &held, &mut record).await?;
        }
        let old = before.and_then(|stored| stored.profile.as_deref());
        match make(&held, record, old, self.now()) {
            Made::Profile(profile) => Ok(Some(profile)),
            Made::Refused(reason, _) => Err(ScimError::invalid_value(reason)),
            Made::Failed(told) => {
                let resource = (kind.name().to_owned(), before.map(|stored| stored.id.clone()));
                Err(self.failed(call, &held, resource, *told).await)
            }
        }
    }

    pub(super) async fn failed(
        &self,
        call: &Call<'_>,
        held: &Held,
        resource: (String, Option<String>),
        told: Told,
    ) -> ScimError {
        self.halt(call, &held.revision.name, held.revision.revision, Some(resource), told).await
    }

    /// Who the members are after a change, when the mapping of groups reads them.
    pub(super) async fn members_after(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        changes: &[Change],
    ) -> Result<Option<Vec<String>>, ScimError> {
        let Some(held) = self.mapping_of(call, kind.name()).await? else { return Ok(None) };
        if !reads(&held, "members") {
            return Ok(None);
        }
        let mut record = Map::new();
        self.add_relations(call, kind, stored, &mut record, |name| name == "members").await?;
        let members = record.get("members").and_then(Value::as_array).into_iter().flatten();
        let mut members: Vec<String> =
            members.filter_map(|member| member.get("value")?.as_str()).map(str::to_owned).collect();
        for change in changes {
            match change {
                Change::Add(ids) => {
                    members.retain(|id| !ids.contains(id));
                    members.extend(ids.iter().cloned());
                }
                Change::Remove(ids) => members.retain(|id| !ids.contains(id)),
                Change::Replace(ids) => members.clone_from(ids),
            }
        }
        members.sort_unstable();
        Ok(Some(members))
    }

    /// Adds to a record what is kept as edges, when the mapping reads it: a user's groups, a group's members.
    async fn add_read(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        held: &Held,
        record: &mut Map<String, Value>,
    ) -> Result<(), ScimError> {
        if record.contains_key("groups") || record.contains_key("members") {
            return Ok(());
        }
        self.add_relations(call, kind, stored, record, |name| reads(held, name)).await?;
        name_groups(record);
        Ok(())
    }

    /// The profile of a stored resource, as JSON: `mapping`, `revision`, and `value` or `skipped`.
    ///
    /// # Errors
    /// 404 when there is no such resource.
    pub async fn profile_of(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Option<Value>, ScimError> {
        let stored = self.stored(call, kind, id).await?;
        stored.profile.as_deref().map(|bytes| fields(bytes).map(Value::Object)).transpose()
    }

    /// A stored resource by its kind and id.
    pub(super) async fn kept(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
    ) -> Result<Option<Stored>, ScimError> {
        let found = self.store.get(&call.source.slug, id).await.map_err(|error| refused(error, kind))?;
        Ok(found.filter(|stored| stored.kind == kind.name()))
    }
}

/// Whether a mapping reads an attribute at the top of its records.
pub(super) fn reads(held: &Held, name: &str) -> bool {
    held.mapping.as_ref().is_ok_and(|mapping| mapping.reads(name))
}

/// Gives every group of a user the name `displayName` beside RFC 7643's `display`: the group has it under that name, and so
/// mapping files ask for it. `$ref` goes: it says how a client reached us, and is nothing of the user's.
pub(super) fn name_groups(record: &mut Map<String, Value>) {
    for group in record.get_mut("groups").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(group) = group.as_object_mut() else { continue };
        group.shift_remove("$ref");
        if let Some(display) = group.get("display").cloned() {
            group.insert("displayName".into(), display);
        }
    }
}

/// Runs a mapping on a record. `before`: the profile that the resource has; it then is an update.
pub(super) fn make(held: &Held, record: Map<String, Value>, before: Option<&[u8]>, now: Millis) -> Made {
    let mapping = match &held.mapping {
        Ok(mapping) => mapping,
        Err(found) => return Made::Failed(Box::new(uncompiled(found, &held.revision.file))),
    };
    let before = before.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let before = before.as_ref().and_then(|profile| profile.get("value"));
    let apply = if before.is_some() { Apply::Update } else { Apply::Create };
    match mapping.run(&Value::Object(record).to_string(), &environment(now), 0, apply) {
        Ran::Payload { payload: mut value, .. } => {
            if let Some(before) = before {
                mapping.keep_created(before, &mut value);
            }
            Made::Profile(kept(held, "value", value))
        }
        Ran::OutOfScope => Made::Profile(nothing(held, "out of scope")),
        Ran::Skipped { reason, said } => {
            // Who it is that lacks something stands in the request; the attribute is what must be named.
            let told = said.as_deref().unwrap_or(&reason);
            Made::Refused(format!("mapping {:?}: {told}", held.revision.name), nothing(held, &reason))
        }
        Ran::Failed(told) => Made::Failed(told),
    }
}

/// The first error of a mapping that does not compile.
fn uncompiled(found: &Diagnostics, file: &str) -> Told {
    match found.iter().find(|finding| finding.is_error()) {
        Some(first) => Told::of(found.source(), None, first),
        None => absent(file),
    }
}

/// That there is no mapping of that name.
fn absent(name: &str) -> Told {
    Told { rule: None, code: "E0101".into(), place: name.to_owned(), report: format!("there is no mapping {name:?}") }
}

/// What functions find: the clock, and randomness that nobody foresees, for a password may come of it.
fn environment(now: Millis) -> Env {
    let mut seed = [0; 32];
    let random = [Uuid::new_v4(), Uuid::new_v4()];
    seed.iter_mut().zip(random.iter().flat_map(Uuid::as_bytes)).for_each(|(place, byte)| *place = *byte);
    Env::new(moment(now), Seed::from_bytes(seed))
}

fn nothing(held: &Held, reason: &str) -> Vec<u8> {
    kept(held, "skipped", reason.into())
}

fn kept(held: &Held, key: &str, value: Value) -> Vec<u8> {
    let mut profile = json!({"mapping": held.revision.name, "revision": held.revision.revision});
    if let Some(profile) = profile.as_object_mut() {
        profile.insert(key.into(), value);
    }
    profile.to_string().into_bytes()
}
