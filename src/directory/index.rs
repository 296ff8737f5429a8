//! Which attributes are found without a walk: the keys of a resource, and how a condition of a filter reads as one.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Source;
use crate::scim::compare::{field, fold, is_empty};
use crate::scim::discovery::ResourceType;
use crate::scim::plan::{Index, Key};
use crate::scim::quick::{Leaf, Quick};
use crate::scim::schema::{ENTERPRISE_USER, Uniqueness};
use crate::store::{Keys, Stored};

pub(super) const USER_NAME: &str = "userName";
const EXTERNAL_ID: &str = "externalId";
const DISPLAY_NAME: &str = "displayName";
pub(super) const EMAIL: &str = "emails.value";
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
        // Few have an address as another than their work address: they are found too, and sorted out by the filter. So are
        // those whose name it is. A key less is worth it to each write.
        Index::Email | Index::WorkEmail => (EMAIL, false),
        Index::Manager => (MANAGER, false),
        Index::Id | Index::Member | Index::Active | Index::LastModified => return None,
    })
}

/// Whether the keys of a resource say that an equality holds for it, which they do for every index but those of addresses.
pub(super) fn has(resource: &Stored, key: &Key) -> bool {
    let Key::Equal { index, value } = key else { return false };
    is(resource, *index, value)
}

/// The same of the value of an index.
pub(super) fn is(resource: &Stored, index: Index, value: &str) -> bool {
    if index == Index::Id {
        return resource.id == value;
    }
    stored(index, &resource.kind).is_some_and(|(name, unique)| resource.keys.has(unique, name, value.as_bytes()))
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

/// Names of indexes and keys in the making.
#[derive(Default)]
struct Pairs<'v> {
    unique: Vec<(Cow<'static, str>, Cow<'v, [u8]>)>,
    plain: Vec<(Cow<'static, str>, Cow<'v, [u8]>)>,
}

impl<'v> Pairs<'v> {
    fn unique(&mut self, index: impl Into<Cow<'static, str>>, key: Cow<'v, str>) {
        self.unique.push((index.into(), bytes(key)));
    }

    fn plain(&mut self, index: &'static str, key: Cow<'v, str>) {
        self.plain.push((index.into(), bytes(key)));
    }

    /// In order, and none twice: two addresses that differ in nothing but their type are one key.
    fn packed(mut self) -> Keys {
        let mut keys = Keys::default();
        for pairs in [&mut self.unique, &mut self.plain] {
            pairs.sort_unstable();
            pairs.dedup();
        }
        for (index, key) in self.unique {
            keys = keys.unique(&index, key);
        }
        for (index, key) in self.plain {
            keys = keys.plain(&index, key);
        }
        keys
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// What of a resource is found by an index of every source.
#[derive(Default)]
struct Facts<'v> {
    user_name: Option<&'v str>,
    external_id: Option<&'v str>,
    display_name: Option<&'v str>,
    /// Each address, and whether it is a work address.
    emails: Vec<(&'v str, bool)>,
    is_shut: bool,
    manager: Option<&'v str>,
}

impl<'v> Facts<'v> {
    fn of(resource: &'v Map<String, Value>) -> Self {
        let objects = field(resource, "emails").and_then(Value::as_array).into_iter().flatten();
        let address =
            |email: &'v Map<String, Value>| Some((text(email, "value")?, text(email, "type").is_some_and(is_work)));
        let section = field(resource, ENTERPRISE_USER).and_then(Value::as_object);
        let manager = section.and_then(|section| field(section, "manager")).and_then(Value::as_object);
        Self {
            user_name: text(resource, "userName"),
            external_id: text(resource, "externalId"),
            display_name: text(resource, "displayName"),
            emails: objects.filter_map(Value::as_object).filter_map(address).collect(),
            is_shut: field(resource, "active") == Some(&Value::Bool(false)),
            manager: manager.and_then(|manager| text(manager, "value")),
        }
    }

    /// The same of a resource that is a text still.
    fn of_quick(resource: &Quick<'v, '_>) -> Self {
        let mut facts = Self::default();
        for leaf in &resource.leaves {
            let text = Some(leaf.text);
            match (leaf.extension, leaf.attribute, leaf.sub) {
                (None, "userName", None) => facts.user_name = text,
                (None, EXTERNAL_ID, None) => facts.external_id = text,
                (None, DISPLAY_NAME, None) => facts.display_name = text,
                (None, "active", None) => facts.is_shut = leaf.text == "false",
                (None, "emails", Some("value")) => {
                    let beside = |other: &&Leaf<'_, '_>| other.attribute == "emails" && other.element == leaf.element;
                    let mut types = resource.leaves.iter().filter(beside).filter(|other| other.sub == Some("type"));
                    facts.emails.push((leaf.text, types.any(|other| is_work(other.text))));
                }
                (Some(ENTERPRISE_USER), "manager", Some("value")) => facts.manager = text,
                _ => {}
            }
        }
        facts
    }

    /// Their keys. An address that is the user's name is found by that name.
    fn pairs(self, source: &Source, kind: &str) -> Pairs<'v> {
        let is_user = kind == "User";
        let mut keys = Pairs::default();
        let name = self.user_name.filter(|_| is_user).map(fold);
        if let Some(id) = self.external_id {
            keys.unique(EXTERNAL_ID, id.into());
        }
        if let Some(name) = self.display_name.map(fold) {
            if kind == "Group" { keys.unique(DISPLAY_NAME, name) } else { keys.plain(DISPLAY_NAME, name) }
        }
        for (value, is_work) in self.emails {
            let value = fold(value);
            if source.unique_email && is_user && is_work {
                keys.unique(UNIQUE_EMAIL, value.clone());
            }
            if name.as_ref() != Some(&value) {
                keys.plain(EMAIL, value);
            }
        }
        if let Some(name) = name {
            keys.unique(USER_NAME, name);
        }
        if is_user && self.is_shut {
            keys.plain(SHUT, "1".into());
        }
        if let Some(manager) = self.manager {
            keys.plain(MANAGER, manager.into());
        }
        keys
    }
}

fn is_work(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("work")
}

/// The keys of a resource.
pub(super) fn keys(source: &Source, kind: &ResourceType, resource: &Map<String, Value>) -> Keys {
    let (schema, kind) = (&kind.schema, kind.name());
    let mut keys = Facts::of(resource).pairs(source, kind);
    // The RFC's own types have no unique attributes but those above.
    let declared = if has_own_keys(kind) { schema.core.attributes.as_slice() } else { &[] };
    for attribute in declared.iter().filter(|attribute| attribute.uniqueness != Uniqueness::None) {
        let Some(value) = field(resource, &attribute.name).filter(|value| !is_empty(value)) else { continue };
        let value = match value.as_str() {
            Some(text) if attribute.case_exact => text.into(),
            Some(text) => fold(text),
            None => value.to_string().into(),
        };
        keys.unique(format!("{DECLARED}{}", attribute.name), value);
    }
    keys.packed()
}

/// The same of a resource that is a text still, and of a type without unique attributes of its own.
pub(super) fn quick_keys(source: &Source, kind: &ResourceType, resource: &Quick<'_, '_>) -> Keys {
    Facts::of_quick(resource).pairs(source, kind.name()).packed()
}

/// Whether a type may have unique attributes that a source declares.
pub(super) fn has_own_keys(kind: &str) -> bool {
    !["User", "Group"].contains(&kind)
}
