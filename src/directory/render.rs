//! Stored resources as answers: projection, meta, members and memberships.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Answer, Call, Directory, fields, refused};
use crate::dotnet::date::write_iso;
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::etag;
use crate::scim::project::{Meta, Projection};
use crate::scim::verbatim;
use crate::store::Stored;

/// How many members are read at once.
const PAGE: usize = 1_000;

impl Directory {
    /// A resource as an answer has it, as text.
    pub(super) async fn render(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<String, ScimError> {
        self.render_as(call, kind, stored, projection, false).await
    }

    /// The same; of a resource that is `alone` it is known that no group has it.
    async fn render_as(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        projection: &Projection,
        alone: bool,
    ) -> Result<String, ScimError> {
        let wants = |name: &str| !(alone && name == "groups") && projection.wants(name, &kind.schema);
        if *projection == Projection::DEFAULT
            && let Some(mut text) = verbatim::begin(&stored.body, &stored.id, &kind.schema)
        {
            let mut relations = Map::new();
            self.add_relations(call, kind, stored, &mut relations, wants).await?;
            if !relations.is_empty() {
                let relations = projection.apply(&relations, &kind.schema);
                for (name, values) in relations {
                    // Writing to a String does not fail.
                    let _ = write!(text, ",\"{name}\":{values}");
                }
            }
            text.push_str(",\"meta\":");
            meta(call, kind, stored).push_to(&mut text);
            text.push('}');
            return Ok(text);
        }
        let mut resource = fields(&stored.body)?;
        self.add_relations(call, kind, stored, &mut resource, wants).await?;
        let mut out = Map::with_capacity(resource.len() + 2);
        if let Some(schemas) = resource.shift_remove("schemas") {
            out.insert("schemas".into(), schemas);
        }
        out.insert("id".into(), stored.id.as_str().into());
        out.extend(resource);
        out.insert("meta".into(), meta(call, kind, stored).to_json());
        Ok(Value::Object(projection.apply(&out, &kind.schema)).to_string())
    }

    /// Adds what is kept as edges: the members of a group, the groups of a user.
    pub(super) async fn add_relations(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        resource: &mut Map<String, Value>,
        wants: impl Fn(&str) -> bool,
    ) -> Result<(), ScimError> {
        if kind.name() == "Group" && stored.members > 0 && wants("members") {
            let members = self.members(call, kind, &stored.id).await?;
            resource.insert("members".into(), Value::Array(members));
        }
        if kind.name() == "User" && wants("groups") {
            let groups = self.groups(call, kind, &stored.id).await?;
            if !groups.is_empty() {
                resource.insert("groups".into(), Value::Array(groups));
            }
        }
        Ok(())
    }

    async fn members(&self, call: &Call<'_>, kind: &ResourceType, group: &str) -> Result<Vec<Value>, ScimError> {
        let (mut members, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .store
                .members(&call.source.slug, group, after, PAGE)
                .await
                .map_err(|error| refused(error, kind))?;
            members.extend(page.items.into_iter().map(|member| {
                // Who was never provisioned has no place and no type, only the id that the client knows.
                let Some(kind) = member.kind else { return json!({"value": member.id}) };
                let reference = location(call, call.source.named(&kind), &member.id);
                json!({"value": member.id, "$ref": reference, "type": kind})
            }));
            after = page.next;
            if after.is_none() {
                return Ok(members);
            }
        }
    }

    async fn groups(&self, call: &Call<'_>, kind: &ResourceType, member: &str) -> Result<Vec<Value>, ScimError> {
        let source = call.source.slug.as_str();
        let (mut groups, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.groups(source, member, after, PAGE).await.map_err(|error| refused(error, kind))?;
            let found = self.store.get_many(source, &page.items).await.map_err(|error| refused(error, kind))?;
            for group in found.into_iter().flatten() {
                let reference = location(call, call.source.named(&group.kind), &group.id);
                let mut entry = json!({"value": group.id, "$ref": reference, "type": "direct"});
                if let (Some(display), Some(entry)) =
                    (fields(&group.body)?.remove("displayName"), entry.as_object_mut())
                {
                    entry.insert("display".into(), display);
                }
                groups.push(entry);
            }
            after = page.next;
            if after.is_none() {
                return Ok(groups);
            }
        }
    }

    /// A resource as the whole answer.
    pub(super) async fn resource_answer(
        &self,
        status: u16,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Answer, ScimError> {
        let body = self.render(call, kind, stored, projection).await?;
        Ok(answer(status, call, kind, stored, body))
    }

    /// The answer to a creation; nobody looks for the groups of a resource that was in none when it was made.
    pub(super) async fn created_answer(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        projection: &Projection,
        is_member: bool,
    ) -> Result<Answer, ScimError> {
        let body = self.render_as(call, kind, stored, projection, !is_member).await?;
        Ok(answer(201, call, kind, stored, body))
    }
}

fn answer(status: u16, call: &Call<'_>, kind: &ResourceType, stored: &Stored, body: String) -> Answer {
    Answer {
        status,
        body: Some(body),
        location: Some(location(call, Some(kind), &stored.id)),
        etag: Some(etag::weak(stored.version)),
        id: Some(stored.id.clone()),
    }
}

/// The URI of a resource.
pub(super) fn location(call: &Call<'_>, kind: Option<&ResourceType>, id: &str) -> String {
    let endpoint = kind.map_or("/Users", |kind| kind.endpoint.as_str());
    format!("{}{endpoint}/{id}", call.base)
}

pub(super) fn meta(call: &Call<'_>, kind: &ResourceType, stored: &Stored) -> Meta {
    Meta {
        resource_type: kind.name().to_owned(),
        created: time(stored.created),
        last_modified: time(stored.modified),
        location: location(call, Some(kind), &stored.id),
        version: Some(etag::weak(stored.version)),
    }
}

/// A time as RFC 3339 has it, to the millisecond.
pub fn time(at: u64) -> String {
    let mut text = String::with_capacity(24);
    // Writing to a String does not fail.
    let _ = write_iso(crate::clock::moment(at), &mut text).and_then(|()| write!(text, ".{:03}Z", at % 1_000));
    text
}
