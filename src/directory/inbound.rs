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
use crate::clock::Millis;
use crate::dotnet::date::Moment;
use crate::function::{Context, Env, Seed};
use crate::mapping::{Apply, Failure, Mapping, Outcome, Skip};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::store::{Change, StoreError, Stored};
use crate::text::render::{self, Format};
use crate::text::{Diagnostic, Diagnostics, Source};
use crate::value::{Arena, RecordReader};

/// What a mapping made of a resource.
pub(super) enum Made {
    /// Its profile, as it is kept.
    Profile(Vec<u8>),
    /// There is none: the data has not what the mapping needs, or a script skips it. The reason, for the client.
    Refused(String, Vec<u8>),
    /// A program failed.
    Failed(Box<Told>),
}

/// A failure as it is told.
pub(super) struct Told {
    rule: Option<String>,
    code: String,
    place: String,
    report: String,
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
        let Some(first) = found.iter().find(|finding| finding.is_error()) else { return Ok(()) };
        let Told { rule, code, place, report } = told(found.source(), None, first);
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
        let told = match self.library.get(name) {
            Some(held) if held.mapping.is_ok() => return Ok(Some(held)),
            Some(held) => {
                let found = held.mapping.as_ref().err();
                let first = found.and_then(|found| found.iter().find(|finding| finding.is_error()));
                let source = found.map(Diagnostics::source);
                let told = source.zip(first).map(|(source, first)| told(source, None, first));
                (held.revision.revision, told)
            }
            None => (0, None),
        };
        let (revision, told) = told;
        let told = told.unwrap_or_else(|| Told {
            rule: None,
            code: "E0101".into(),
            place: name.to_owned(),
            report: format!("there is no mapping {name:?}"),
        });
        Err(self.halt(call, name, revision, None, told).await)
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
    held.mapping.as_ref().is_ok_and(|mapping| {
        let layout = mapping.layout();
        layout.find_whole().is_some() || layout.find(name).is_some()
    })
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
    let Ok(mapping) = &held.mapping else {
        let report = "the mapping does not compile".to_owned();
        return Made::Failed(Box::new(Told {
            rule: None,
            code: "E0101".into(),
            place: held.revision.file.clone(),
            report,
        }));
    };
    let before = before.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let before = before.as_ref().and_then(|profile| profile.get("value"));
    let arena = Arena::new();
    let text = Value::Object(record).to_string();
    let env = mapping.env(&environment(now));
    let context = Context::new(&arena, &env, 0);
    let slots = match RecordReader::new().read(mapping.layout(), &text, &arena) {
        Ok(slots) => slots,
        Err(error) => {
            return Made::Refused(
                format!("the mapping cannot read the resource: {error}"),
                nothing(held, "unreadable"),
            );
        }
    };
    let apply = if before.is_some() { Apply::Update } else { Apply::Create };
    match mapping.apply(slots, &context, apply) {
        Outcome::Payload(payload) => {
            let mut value = payload.to_json();
            if let Some(before) = before {
                mapping.keep_created(before, &mut value);
            }
            Made::Profile(kept(held, "value", value))
        }
        Outcome::OutOfScope => Made::Profile(nothing(held, "out of scope")),
        Outcome::Skipped(skip) => {
            let reason = mapping.describe_skip(&skip);
            // Who it is that lacks something stands in the request; the attribute is what must be named.
            let told = match &skip {
                Skip::RequiredEmpty { .. } | Skip::Failed(_) => reason.clone(),
                Skip::Ignored { reason: given, .. } => given.clone().unwrap_or_else(|| reason.clone()),
            };
            Made::Refused(format!("mapping {:?}: {told}", held.revision.name), nothing(held, &reason))
        }
        Outcome::Failed(failure) => {
            let finding = mapping.describe(&failure, slots, &context);
            Made::Failed(Box::new(told(mapping.source(), rule(mapping, &failure), &finding)))
        }
    }
}

fn rule(mapping: &Mapping, failure: &Failure) -> Option<String> {
    let number = failure.rule?;
    Some(mapping.rules().get(number).map_or_else(|| "[script]".to_owned(), |rule| rule.target().to_owned()))
}

fn told(source: &Source, rule: Option<String>, finding: &Diagnostic) -> Told {
    let at = source.position(finding.primary.span.start);
    Told {
        rule,
        code: finding.code.to_string(),
        place: format!("{}:{}:{}", source.name(), at.line, at.column),
        report: render::one(source, finding, Format::Human, false),
    }
}

/// What functions find: the clock, and randomness that nobody foresees, for a password may come of it.
fn environment(now: Millis) -> Env {
    let mut seed = [0; 32];
    let random = [Uuid::new_v4(), Uuid::new_v4()];
    seed.iter_mut().zip(random.iter().flat_map(Uuid::as_bytes)).for_each(|(place, byte)| *place = *byte);
    let moment = i64::try_from(now).ok().and_then(Moment::from_unix_millis).unwrap_or(Moment::MIN);
    Env::new(moment, Seed::from_bytes(seed))
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
