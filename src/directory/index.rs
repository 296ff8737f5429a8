//! Which attributes are found without a walk: the keys of a resource, and how a condition of a filter reads as one.

use serde_json::{Map, Value};

use super::Source;
use crate::scim::compare::{field, fold, is_empty};
use crate::scim::discovery::ResourceType;
use crate::scim::plan::{Index, Key};
use crate::scim::schema::{ENTERPRISE_USER, Uniqueness};
use crate::store::{Keys, Stored};

const USER_NAME: &str = "userName";
const EXTERNAL_ID: &str = "externalId";
const DISPLAY_NAME: &str = "displayName";
const EMAIL: &str = "emails.value";
const MANAGER: &str = "manager";
/// Of users who are shut alone: they are few, and the others are no selection.
pub(super) const SHUT: &str = "active.false";
/// Where the source says that a work address is one user's.
const UNIQUE_EMAIL: &str = "emails.unique";
/// What the index of a declared unique attribute begins with.
const DECLARED: &str = "declared.";

/// The indexes there are: what Entra and Okta ask for.
pub(super) const INDEXED: [Index; 10] = [
    Index::Id,
    Index::UserName,
    Index::ExternalId,
    Index::DisplayName,
    Index::Email,
    Index::WorkEmail,
    Index::Member,
    Index::Manager,
    Index::LastModified,
    Index::Active,
];

/// The name of an index in the store, and whether one resource of a kind alone may have a key in it. `None` for what the
/// store knows by itself.
pub(super) fn stored(index: Index, kind: &str) -> Option<(&'static str, bool)> {
    Some(match index {
        Index::UserName => (USER_NAME, true),
        Index::ExternalId => (EXTERNAL_ID, true),
        // Two groups of one name are one group to Entra, which matches by it.
        Index::DisplayName => (DISPLAY_NAME, kind == "Group"),
        // Few have an address as another than their work address: they are found too, and sorted out by the filter. A key less
        // is worth it to each write.
        Index::Email | Index::WorkEmail => (EMAIL, false),
        Index::Manager => (MANAGER, false),
        Index::Id | Index::Member | Index::Active | Index::LastModified => return None,
    })
}

/// Whether the keys of a resource say that an equality holds for it, which they do for every index but that of work addresses.
pub(super) fn has(resource: &Stored, key: &Key) -> bool {
    let Key::Equal { index, value } = key else { return false };
    if *index == Index::Id {
        return resource.id == *value;
    }
    stored(*index, &resource.kind).is_some_and(|(name, unique)| {
        let keys = if unique { &resource.keys.unique } else { &resource.keys.plain };
        keys.iter().any(|(index, key)| index == name && *key == value.as_bytes())
    })
}

/// The attribute of an index, for people.
pub(super) fn attribute(index: &str) -> &str {
    match index {
        EMAIL => "emails",
        UNIQUE_EMAIL => "emails[type eq \"work\"].value",
        other => other.strip_prefix(DECLARED).unwrap_or(other),
    }
}

/// The text of a field, when it has one.
fn text<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    field(fields, name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The keys of a resource.
pub(super) fn keys(source: &Source, kind: &ResourceType, resource: &Map<String, Value>) -> Keys {
    let (schema, kind) = (&kind.schema, kind.name());
    let mut keys = Keys::default();
    if let Some(name) = text(resource, "userName").filter(|_| kind == "User") {
        keys = keys.unique(USER_NAME, fold(name).as_bytes());
    }
    if let Some(id) = text(resource, "externalId") {
        keys = keys.unique(EXTERNAL_ID, id.as_bytes());
    }
    if let Some(name) = text(resource, "displayName") {
        let name = fold(name);
        keys = if kind == "Group" {
            keys.unique(DISPLAY_NAME, name.as_bytes())
        } else {
            keys.plain(DISPLAY_NAME, name.as_bytes())
        };
    }
    for email in field(resource, "emails").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
    {
        let Some(value) = text(email, "value") else { continue };
        let value = fold(value).as_bytes().to_vec();
        let is_unique = source.unique_email && kind == "User";
        if is_unique && text(email, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("work")) {
            keys = keys.unique(UNIQUE_EMAIL, value.clone());
        }
        keys = keys.plain(EMAIL, value);
    }
    if kind == "User" && field(resource, "active") == Some(&Value::Bool(false)) {
        keys = keys.plain(SHUT, *b"1");
    }
    let manager = field(resource, ENTERPRISE_USER)
        .and_then(Value::as_object)
        .and_then(|section| field(section, "manager"))
        .and_then(Value::as_object)
        .and_then(|manager| text(manager, "value"));
    if let Some(manager) = manager {
        keys = keys.plain(MANAGER, manager.as_bytes());
    }
    // The RFC's own types have no unique attributes but those above.
    let declared = if ["User", "Group"].contains(&kind) { &[] } else { schema.core.attributes.as_slice() };
    for attribute in declared.iter().filter(|attribute| attribute.uniqueness != Uniqueness::None) {
        let Some(value) = field(resource, &attribute.name).filter(|value| !is_empty(value)) else { continue };
        let value = match value.as_str() {
            Some(text) if attribute.case_exact => text.to_owned(),
            Some(text) => fold(text).into_owned(),
            None => value.to_string(),
        };
        keys = keys.unique(&format!("{DECLARED}{}", attribute.name), value.as_bytes());
    }
    keys.unique.sort();
    keys.unique.dedup();
    // Two addresses that differ in nothing but their type are one key.
    keys.plain.sort();
    keys.plain.dedup();
    keys
}
