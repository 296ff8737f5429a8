//! Stored resources as text, put into answers as they are. Most answers leave nothing out, and what is stored was written by
//! us: reading it into values only to write it again would be most of the work of a read.

mod walk;

use super::schema::{ResourceSchema, Text};

use walk::Fields;
pub use walk::is_plain;

/// What an answer has beside the stored attributes; one that is stored under such a name is read and projected.
const ADDED: [&str; 4] = ["id", "meta", "members", "groups"];
/// Bytes that the caller adds to most resources.
const ROOM: usize = 384;

/// Appends the beginning of a resource as an answer has it by default: `schemas`, `id`, and the other attributes as they are
/// stored. The brace at its end is left to the caller, who adds the rest. False, with nothing appended, when something is not
/// to be shown, or is not written as we write it; then [`Projection::apply`](super::project::Projection::apply) decides.
pub fn begin(out: &mut String, stored: &[u8], id: &str, resource: &ResourceSchema) -> bool {
    let Some(parts) = Parts::of(stored, resource) else { return false };
    out.reserve(stored.len() + id.len() + ROOM);
    out.push('{');
    if !parts.schemas.is_empty() {
        out.push_str(parts.schemas);
        out.push(',');
    }
    out.push_str("\"id\":");
    push_text(out, id);
    for fields in [parts.before, parts.behind].into_iter().filter(|fields| !fields.is_empty()) {
        out.push(',');
        out.push_str(fields);
    }
    true
}

/// A stored resource, all of which is shown.
struct Parts<'t> {
    /// The field `schemas`.
    schemas: &'t str,
    /// The fields before it.
    before: &'t str,
    /// And those behind it.
    behind: &'t str,
}

impl<'t> Parts<'t> {
    fn of(stored: &'t [u8], resource: &ResourceSchema) -> Option<Self> {
        let text = std::str::from_utf8(stored).ok()?;
        let mut fields = Fields::of(text)?;
        let (mut schemas, mut end) = (None, 1);
        while let Some(field) = fields.step().ok()? {
            let is_shown = if field.name == "schemas" {
                schemas.replace((field.start, field.end)).is_none() && !is_null(field.value)
            } else {
                match resource.withheld_of(field.name) {
                    Some(withheld) => section_is_shown(field.value, withheld),
                    None => {
                        !is_null(field.value)
                            && !ADDED.contains(&field.name)
                            && !is_named(resource.withheld(), field.name)
                    }
                }
            };
            if !is_shown {
                return None;
            }
            end = field.end;
        }
        let Some((from, to)) = schemas else {
            return Some(Self { schemas: "", before: text.get(1..end)?, behind: "" });
        };
        Some(Self {
            schemas: text.get(from..to)?,
            before: text.get(1..from)?.trim_end_matches(','),
            behind: text.get(to..end)?.trim_start_matches(','),
        })
    }
}

/// Whether all of an extension is shown by default.
fn section_is_shown(section: &str, withheld: &[Text]) -> bool {
    let Some(mut fields) = Fields::of(section) else { return !is_null(section) };
    let mut is_empty = true;
    loop {
        match fields.step() {
            Ok(Some(field)) if !is_null(field.value) && !is_named(withheld, field.name) => is_empty = false,
            Ok(None) => return !is_empty,
            Ok(Some(_)) | Err(_) => return false,
        }
    }
}

fn is_null(value: &str) -> bool {
    value == "null"
}

fn is_named(names: &[Text], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Appends a text as JSON has it.
pub fn push_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::scim::project::Projection;
    use crate::scim::schema::{Attribute, AttributeType, Returned};

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
            let mut text = "as it was".to_owned();
            assert_eq!(begin(&mut text, stored.to_string().as_bytes(), "1", &user), is_taken, "{stored}");
            let Some(text) = text.strip_prefix("as it was").filter(|text| !text.is_empty()) else { continue };
            let mut fields: Map<String, Value> = stored.as_object().unwrap().clone();
            let schemas = fields.shift_remove("schemas").map(|schemas| ("schemas".to_owned(), schemas));
            let whole: Map<String, Value> =
                schemas.into_iter().chain([("id".to_owned(), "1".into())]).chain(fields).collect();
            let projected = Value::Object(Projection::DEFAULT.apply(&whole, &user));
            assert_eq!(format!("{text}}}"), projected.to_string());
        }
        for damaged in ["", "[]", "{\"a\":1", "{\"a\":1}x", "{\"a\":\u{7}}", "{\"a\": 1}"] {
            let mut text = String::new();
            assert!(!begin(&mut text, damaged.as_bytes(), "1", &user) && text.is_empty(), "{damaged}");
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
