//! Stored resources as text, put into answers as they are. Most answers leave nothing out, and what is stored was written by
//! us: reading it into values only to write it again would be most of the work of a read.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::schema::{Attribute, ResourceSchema, Returned, common};

/// What an answer has beside the stored attributes; one that is stored under such a name is read and projected.
const ADDED: [&str; 4] = ["id", "meta", "members", "groups"];

/// Begins a resource as an answer has it by default: `schemas`, `id`, and the other attributes as they are stored. The brace
/// at its end is left to the caller, who adds the rest. `None` when something is not to be shown, or is not written as we
/// write it; then [`Projection::apply`](super::project::Projection::apply) decides.
pub fn begin(stored: &[u8], id: &str, resource: &ResourceSchema) -> Option<String> {
    let fields: Fields<'_> = serde_json::from_slice(stored).ok()?;
    let hidden: Vec<&str> = hidden(common()).chain(hidden(&resource.core.attributes)).collect();
    let mut out = String::with_capacity(stored.len() + 512);
    out.push('{');
    if let Some((name, schemas)) = fields.0.iter().find(|(name, _)| *name == "schemas") {
        if is_null(schemas) {
            return None;
        }
        push_field(&mut out, name, schemas.get());
        out.push(',');
    }
    out.push_str("\"id\":");
    push_text(&mut out, id);
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "schemas") {
        let is_shown = match resource.extensions.iter().find(|schema| *schema.id == **name) {
            Some(schema) => section_is_shown(value, &schema.attributes),
            None => !is_null(value) && !ADDED.contains(name) && !is_named(&hidden, name),
        };
        if !is_shown {
            return None;
        }
        out.push(',');
        push_field(&mut out, name, value.get());
    }
    Some(out)
}

/// Whether all of an extension is shown by default.
fn section_is_shown(section: &RawValue, attributes: &[Attribute]) -> bool {
    if !section.get().starts_with('{') {
        return !is_null(section);
    }
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(section.get()) else { return false };
    let is_shown = |(name, value): &(&str, &RawValue)| {
        !is_null(value) && !hidden(attributes).any(|known| known.eq_ignore_ascii_case(name))
    };
    !fields.0.is_empty() && fields.0.iter().all(is_shown)
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn is_named(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The attributes that an answer does not have, or not with all their parts, unless they are asked for.
fn hidden(attributes: &[Attribute]) -> impl Iterator<Item = &str> {
    let withheld = |attribute: &Attribute| matches!(attribute.returned, Returned::Never | Returned::Request);
    attributes
        .iter()
        .filter(move |attribute| withheld(attribute) || attribute.sub_attributes.iter().any(withheld))
        .map(|attribute| attribute.name.as_ref())
}

/// Appends a name that needs no escapes, and a value.
fn push_field(out: &mut String, name: &str, value: &str) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    out.push_str(value);
}

/// Appends a text as JSON has it.
pub fn push_text(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// The fields of an object, their names without escapes, their values as they are written.
struct Fields<'t>(Vec<(&'t str, &'t RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(24);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::scim::project::Projection;
    use crate::scim::schema::AttributeType;

    #[test]
    fn what_is_taken_as_it_is_reads_as_what_is_projected() {
        let badge = Attribute::new("badge", AttributeType::String, "").returned(Returned::Request);
        let part = Attribute::new("pin", AttributeType::String, "").returned(Returned::Never);
        let lock = Attribute::new("lock", AttributeType::Complex, "").subs([part]);
        let user = ResourceSchema::for_resource("User").unwrap().with_extension("urn:x", [badge, lock]);
        for (stored, is_taken) in [
            (json!({"schemas": ["urn:a"], "userName": "a \"b\" é", "emails": [{"value": "a@x", "type": null}]}), true),
            (json!({"userName": "a", "schemas": ["urn:a"], "own": {"deep": [1, 2.5, true]}}), true),
            (json!({"userName": "a", "urn:x": {"other": 1}}), true),
            (json!({}), true),
            (json!({"userName": "a", "title": null}), false),
            (json!({"userName": "a", "passWord": "x"}), false),
            (json!({"userName": "a", "urn:x": {}}), false),
            (json!({"userName": "a", "urn:x": {"badge": "7", "other": 1}}), false),
            (json!({"userName": "a", "urn:x": {"lock": {"pin": "7", "color": "red"}}}), false),
            (json!({"userName": "a", "urn:x": {"other": null}}), false),
            (json!({"userName": "a", "id": "2"}), false),
            (json!({"userName": "a", "own \"name\"": "2"}), false),
        ] {
            let begun = begin(stored.to_string().as_bytes(), "1", &user);
            assert_eq!(begun.is_some(), is_taken, "{stored}");
            let Some(text) = begun else { continue };
            let mut fields: Map<String, Value> = stored.as_object().unwrap().clone();
            let schemas = fields.shift_remove("schemas").map(|schemas| ("schemas".to_owned(), schemas));
            let whole: Map<String, Value> =
                schemas.into_iter().chain([("id".to_owned(), "1".into())]).chain(fields).collect();
            let projected = Value::Object(Projection::DEFAULT.apply(&whole, &user));
            assert_eq!(text + "}", projected.to_string());
        }
        for damaged in ["", "[]", "{\"a\":1", "{\"a\":1}x", "{\"a\":\u{7}}"] {
            assert_eq!(begin(damaged.as_bytes(), "1", &user), None, "{damaged}");
        }
    }

    #[test]
    fn texts_are_escaped() {
        for text in ["", "plain é", "a \"b\"", "a\\b", "a\nb", "\u{1f}"] {
            let mut out = String::new();
            push_text(&mut out, text);
            assert_eq!(out, json!(text).to_string());
        }
    }
}
