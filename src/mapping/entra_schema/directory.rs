//! The directories of a schema: the attributes that its object mappings use must be listed there.

use serde_json::{Value as Json, json};

use super::read::At;
use super::target::attribute_of;
use crate::language::names::SourceNames;
use crate::scim::{self, AttributeType, ResourceSchema, parse_path};

/// An attribute to be listed.
#[derive(Debug, Clone)]
pub(super) struct Used {
    name: String,
    kind: &'static str,
    multi_valued: bool,
    anchor: bool,
}

/// Attributes of Entra that hold several values.
const SEVERAL: &[&str] = &[
    "appRoleAssignments",
    "assignedPlans",
    "businessPhones",
    "groupTypes",
    "imAddresses",
    "members",
    "otherMails",
    "owners",
    "proxyAddresses",
];

/// Attributes that hold other objects.
const REFERENCES: &[&str] = &["manager", "members", "owners"];

impl Used {
    /// An attribute of the source.
    pub(super) fn source(name: &str) -> Used {
        let kind = match name {
            name if REFERENCES.contains(&name) => "Reference",
            name if SourceNames::is_boolean(name) => "Boolean",
            _ => "String",
        };
        Used { name: name.to_owned(), kind, multi_valued: SEVERAL.contains(&name), anchor: name == "objectId" }
    }

    /// The attribute that identifies an object.
    pub(super) fn anchor(name: &str) -> Used {
        Used { name: name.to_owned(), kind: "String", multi_valued: false, anchor: true }
    }

    /// An attribute of the target, by the key of its rule; `schema` is the resource's, unless the target is JSON.
    pub(super) fn target(key: &str, schema: Option<&ResourceSchema>) -> Used {
        let name = attribute_of(key, schema.is_none());
        let resolved = schema.and_then(|schema| scim::resolve(&parse_path(key).ok()?, schema).ok());
        let last = name.rsplit([':', '.']).next().unwrap_or(&name);
        let (kind, multi_valued) = match &resolved {
            _ if REFERENCES.contains(&last) || name.ends_with("manager.value") => {
                ("Reference", resolved.as_ref().is_some_and(|target| target.multi_valued) || last == "members")
            }
            None => ("String", false),
            Some(target) => {
                let kind = match target.kind {
                    AttributeType::Boolean => "Boolean",
                    AttributeType::Integer => "Integer",
                    AttributeType::DateTime => "DateTime",
                    AttributeType::Binary => "Binary",
                    _ => "String",
                };
                (kind, target.multi_valued)
            }
        };
        Used { name, kind, multi_valued, anchor: false }
    }

    fn json(&self, people: &str) -> Json {
        let referenced = if self.kind == "Reference" {
            json!([{ "referencedObjectName": people, "referencedProperty": null }])
        } else {
            json!([])
        };
        json!({
            "anchor": self.anchor,
            "apiExpressions": [],
            "caseExact": false,
            "defaultValue": null,
            "flowNullValues": false,
            "metadata": [],
            "multivalued": self.multi_valued,
            "mutability": "ReadWrite",
            "name": self.name,
            "referencedObjects": referenced,
            "required": false,
            "type": self.kind,
        })
    }
}

/// Lists attributes that are not listed yet; `people` is what the directory calls its users.
pub(super) fn declare(schema: &mut Json, directory: &str, object: &str, people: &str, used: &[Used]) {
    let attributes = list(schema, "directories")
        .and_then(|items| found(items, directory, || json!({ "name": directory, "objects": [] })))
        .and_then(|at| found(list(at, "objects")?, object, || json!({ "name": object, "attributes": [] })))
        .and_then(|at| list(at, "attributes"));
    let Some(attributes) = attributes else { return };
    for one in used {
        found(attributes, &one.name, || one.json(people));
    }
}

/// The list of a member, made when it is not there; `None` when there is something else.
pub(super) fn list<'j>(at: &'j mut Json, key: &str) -> Option<&'j mut Vec<Json>> {
    let member = at.as_object_mut()?.entry(key).or_insert(Json::Null);
    if member.is_null() {
        *member = Json::Array(Vec::new());
    }
    member.as_array_mut()
}

/// The element with this name, made when there is none.
fn found<'j>(items: &'j mut Vec<Json>, name: &str, make: impl FnOnce() -> Json) -> Option<&'j mut Json> {
    let is = |item: &Json| {
        At::root(item).text("name").is_ok_and(|known| known.is_some_and(|known| known.eq_ignore_ascii_case(name)))
    };
    match items.iter().position(is) {
        Some(index) => items.get_mut(index),
        None => {
            items.push(make());
            items.last_mut()
        }
    }
}
