//! Stored resources as answers: projection, meta, members and memberships.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Content, Directory, damaged, fields, refused};
use crate::dotnet::date::write_iso;
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::etag;
use crate::scim::project::{Meta, Projection};
use crate::scim::verbatim::{self, is_plain, push_text};
use crate::store::{Cursor, Member, Page, Seen, Stored};

/// How many members are read at once.
const PAGE: usize = 1_000;
/// How many bytes a member mostly has as text, beside the base of its location.
const MEMBER: usize = 128;

impl Directory {
    /// Appends a resource as an answer has it, as text. Of one that is `alone` it is known that no group has it. The groups that
    /// are shown with it are added to what was `seen`.
    #[expect(clippy::too_many_arguments, reason = "all of them belong to what is written")]
    pub(super) async fn render(
        &self,
        out: &mut String,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        projection: &Projection,
        alone: bool,
        seen: &mut Vec<Seen>,
    ) -> Result<(), ScimError> {
        let wants = |name: &str| !(alone && name == "groups") && projection.wants(name, &kind.schema);
        if *projection == Projection::DEFAULT && verbatim::begin(out, &stored.body, &stored.id, &kind.schema) {
            if has_members(kind, stored) {
                self.push_members(out, call, kind, &stored.id).await?;
            }
            if kind.name() == "User" && wants("groups") {
                let groups = self.groups(call, kind, &stored.id, seen).await?;
                if !groups.is_empty() {
                    // Writing to a String does not fail.
                    let _ = write!(out, ",\"groups\":{}", Value::Array(groups));
                }
            }
            out.push_str(",\"meta\":");
            push_meta(out, call, kind, stored);
            out.push('}');
            return Ok(());
        }
        let mut resource = projection.sieved(&stored.body, &kind.schema).map_err(|_| damaged())?;
        self.add_seen(call, kind, stored, &mut resource, wants, seen).await?;
        let mut shown = Map::with_capacity(resource.len() + 2);
        if let Some(schemas) = resource.shift_remove("schemas") {
            shown.insert("schemas".into(), schemas);
        }
        shown.insert("id".into(), stored.id.as_str().into());
        shown.extend(resource);
        shown.insert("meta".into(), meta(call, kind, stored).to_json());
        out.push_str(&Value::Object(projection.apply(&shown, &kind.schema)).to_string());
        Ok(())
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
        self.add_seen(call, kind, stored, resource, wants, &mut Vec::new()).await
    }

    /// The same; the groups that are shown are added to what was `seen`.
    async fn add_seen(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        resource: &mut Map<String, Value>,
        wants: impl Fn(&str) -> bool,
        seen: &mut Vec<Seen>,
    ) -> Result<(), ScimError> {
        if has_members(kind, stored) && wants("members") {
            let members = self.members(call, kind, &stored.id).await?;
            resource.insert("members".into(), Value::Array(members));
        }
        if kind.name() == "User" && wants("groups") {
            let groups = self.groups(call, kind, &stored.id, seen).await?;
            if !groups.is_empty() {
                resource.insert("groups".into(), Value::Array(groups));
            }
        }
        Ok(())
    }

    /// Appends the members of a group as [`Directory::members`] gives them, without making values of them first: groups of
    /// thousands are read whole.
    async fn push_members(
        &self,
        out: &mut String,
        call: &Call<'_>,
        kind: &ResourceType,
        group: &str,
    ) -> Result<(), ScimError> {
        let (begins, mut after) = (out.len(), None);
        loop {
            let page = self.member_page(call, kind, group, after).await?;
            out.reserve(page.items.len() * (call.base.len() + MEMBER));
            for member in &page.items {
                out.push_str(if out.len() == begins { ",\"members\":[" } else { "," });
                push_member(out, call.base, member, |kind| endpoint(call.source.named(kind)));
            }
            after = page.next;
            if after.is_none() {
                if out.len() > begins {
                    out.push(']');
                }
                return Ok(());
            }
        }
    }

    async fn member_page(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        group: &str,
        after: Option<Cursor>,
    ) -> Result<Page<Member>, ScimError> {
        self.store.members(&call.source.slug, group, after, PAGE).await.map_err(|error| refused(error, kind))
    }

    async fn members(&self, call: &Call<'_>, kind: &ResourceType, group: &str) -> Result<Vec<Value>, ScimError> {
        let (mut members, mut after) = (Vec::new(), None);
        loop {
            let page = self.member_page(call, kind, group, after).await?;
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

    async fn groups(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        member: &str,
        seen: &mut Vec<Seen>,
    ) -> Result<Vec<Value>, ScimError> {
        let source = call.source.slug.as_str();
        let (mut groups, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.groups(source, member, after, PAGE).await.map_err(|error| refused(error, kind))?;
            // Looked at before they are read: an answer with a name from before a change is not taken for one from after it.
            seen.extend(page.items.iter().filter_map(|group| self.store.look(source, group)));
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
        stored: Stored,
        projection: &Projection,
    ) -> Result<Answer, ScimError> {
        let mut body = String::new();
        self.render(&mut body, call, kind, &stored, projection, false, &mut Vec::new()).await?;
        Ok(answer(status, call, kind, &stored, Content::Whole(Bytes::from(body))))
    }

    /// The answer to a creation; nobody looks for the groups of a resource that was in none when it was made.
    pub(super) async fn created_answer(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: Stored,
        projection: &Projection,
        is_member: bool,
    ) -> Result<Answer, ScimError> {
        let mut body = String::new();
        self.render(&mut body, call, kind, &stored, projection, !is_member, &mut Vec::new()).await?;
        Ok(answer(201, call, kind, &stored, Content::Whole(Bytes::from(body))))
    }
}

pub(super) fn answer(status: u16, call: &Call<'_>, kind: &ResourceType, stored: &Stored, body: Content) -> Answer {
    Answer {
        status,
        body: Some(body),
        location: Some(location(call, Some(kind), &stored.id)),
        etag: Some(etag::weak(stored.version)),
        id: Some(stored.id.clone()),
    }
}

/// Whether a group has members, as far as its row knows.
fn has_members(kind: &ResourceType, stored: &Stored) -> bool {
    kind.name() == "Group" && stored.members > 0
}

/// The URI of a resource.
pub(super) fn location(call: &Call<'_>, kind: Option<&ResourceType>, id: &str) -> String {
    [call.base, endpoint(kind), "/", id].concat()
}

/// Appends what [`location`] gives, as JSON has it.
fn push_location(out: &mut String, base: &str, endpoint: &str, id: &str) {
    // Of the parts of a location, what a client sent is plain more often than not.
    if [base, endpoint, id].into_iter().all(is_plain) {
        for part in ["\"", base, endpoint, "/", id, "\""] {
            out.push_str(part);
        }
    } else {
        push_text(out, &[base, endpoint, "/", id].concat());
    }
}

/// Appends a member of a group. Where resources of its kind are, `endpoint` says.
pub(super) fn push_member<'e>(out: &mut String, base: &str, member: &Member, endpoint: impl Fn(&str) -> &'e str) {
    out.push_str("{\"value\":");
    push_text(out, &member.id);
    // Who was never provisioned has no place and no type.
    if let Some(kind) = &member.kind {
        out.push_str(",\"$ref\":");
        push_location(out, base, endpoint(kind), &member.id);
        out.push_str(",\"type\":");
        push_text(out, kind);
    }
    out.push('}');
}

pub(super) fn endpoint(kind: Option<&ResourceType>) -> &str {
    kind.map_or("/Users", |kind| kind.endpoint.as_str())
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

/// Appends what [`meta`] gives, without putting its texts together first.
pub(super) fn push_meta(out: &mut String, call: &Call<'_>, kind: &ResourceType, stored: &Stored) {
    out.push_str("{\"resourceType\":");
    push_text(out, kind.name());
    out.push_str(",\"created\":\"");
    let begins = out.len();
    push_time(out, stored.created);
    let ends = out.len();
    out.push_str("\",\"lastModified\":\"");
    if stored.modified == stored.created {
        out.extend_from_within(begins..ends);
    } else {
        push_time(out, stored.modified);
    }
    out.push_str("\",\"location\":");
    push_location(out, call.base, endpoint(Some(kind)), &stored.id);
    // Writing to a String does not fail.
    let _ = write!(out, ",\"version\":\"W/\\\"{}\\\"\"}}", stored.version);
}

/// A time as RFC 3339 has it, to the millisecond.
pub fn time(at: u64) -> String {
    let mut text = String::with_capacity(24);
    push_time(&mut text, at);
    text
}

fn push_time(out: &mut String, at: u64) {
    // Writing to a String does not fail.
    let _ = write_iso(crate::clock::moment(at), out);
    let millis = (at % 1_000) as u32;
    out.push('.');
    for digit in [millis / 100, millis / 10 % 10, millis % 10] {
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
    out.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Actor, SourceRecord};

    #[test]
    fn meta_as_text_reads_as_meta() {
        let source = SourceRecord::new("a", 0).ready().unwrap();
        let actor = Actor::default();
        let kind = source.named("User").unwrap();
        for (base, id, created, modified, version) in [
            ("https://x/scim/a/v2", "1", 0, 1_763_800_000_007, 1),
            ("http://\"host\"/scim/a/v2", "é\"1", 1_763_800_000_070, u64::MAX, u64::MAX),
        ] {
            let call = Call { base, ..Call::inside(&source, &actor) };
            let stored = Stored { id: id.to_owned(), created, modified, version, ..Stored::default() };
            let mut text = String::new();
            push_meta(&mut text, &call, kind, &stored);
            assert_eq!(text, meta(&call, kind, &stored).to_json().to_string());
        }
    }
}
