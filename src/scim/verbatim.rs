//! Stored resources as text, put into answers as they are. Most answers leave nothing out, and what is stored was written by
//! us: reading it into values only to write it again would be most of the work of a read.

mod walk;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::schema::{ResourceSchema, Text};

use walk::Fields;
pub use walk::is_plain;

/// What an answer has beside the stored attributes; one that is stored under such a name is read and projected.
const ADDED: [&str; 4] = ["id", "meta", "members", "groups"];
/// Bytes that the caller adds to most resources.
const ROOM: usize = 384;
/// How what we store begins.
const FIRST: &str = "{\"schemas\":[";

/// What a marked text begins with; to who reads JSON it is nothing.
const MARK: char = ' ';
/// What a marked text has nowhere, so that of its fields none is added by the service, and none has no value.
static TROUBLE: LazyLock<[Finder<'static>; 7]> = LazyLock::new(|| {
    ["\":null", "\":{}", "\"schemas\":", "\"id\":", "\"meta\":", "\"members\":", "\"groups\":"].map(Finder::new)
});

/// A resource as text, to be stored. It is marked when it begins with `schemas` and whatever an answer has by default is put into
/// it without a walk over its fields.
pub fn marked(text: String) -> String {
    let rest = text.strip_prefix(FIRST).map(str::as_bytes);
    if rest.is_some_and(|rest| TROUBLE.iter().all(|finder| finder.find(rest).is_none())) {
        let mut marked = text;
        marked.insert(0, MARK);
        return marked;
    }
    text
}

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
        match text.strip_prefix(MARK) {
            Some(text) => Self::looked(text, resource).or_else(|| Self::walked(text, resource)),
            None => Self::walked(text, resource),
        }
    }

    /// The parts of a text that was marked, when no attribute that is withheld may be in it.
    fn looked(text: &'t str, resource: &ResourceSchema) -> Option<Self> {
        let end = text.len().checked_sub(1).filter(|_| text.ends_with('}'))?;
        let from = FIRST.len();
        let close = from + text.get(from..)?.find(']').filter(|_| text.starts_with(FIRST))? + 1;
        // A bracket in a URN ends the list too early for what has to come behind it.
        let behind = match text.get(close..end)? {
            "" => "",
            rest => rest.strip_prefix(",\"")?,
        };
        let is_shown = !resource.looks().find(text.get(from..)?);
        is_shown.then(|| Self {
            schemas: text.get(1..close).unwrap_or_default(),
            before: "",
            behind: if behind.is_empty() { "" } else { text.get(close + 1..end).unwrap_or_default() },
        })
    }

    fn walked(text: &'t str, resource: &ResourceSchema) -> Option<Self> {
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
            (json!({"schemas": [], "userName": "a"}), true),
            (json!({"schemas": ["urn:a"]}), true),
            (json!({"schemas": ["urn:a]", "urn:b"], "userName": "a"}), true),
            (
                json!({"schemas": ["urn:a"], "userName": ":null", "emails": [null, {"id": "password", "type": null}]}),
                true,
            ),
            (json!({"schemas": ["urn:a"], "userName": "a", "PASSWORD": "x"}), false),
            (json!({"schemas": ["urn:a"], "userName": "a", "urn:x": {"Badge": "7", "other": 1}}), false),
            (json!({"schemas": ["urn:a"], "userName": "a", "urn:x": {"lock": 1}}), false),
            (json!({"schemas": ["urn:a"], "userName": "a", "urn:x": {}}), false),
            (json!({"schemas": ["urn:a"], "userName": "a", "members": []}), false),
            (json!({"schemas": ["urn:a"], "userName": "a", "title": null}), false),
        ] {
            let mut text = "as it was".to_owned();
            assert_eq!(begin(&mut text, stored.to_string().as_bytes(), "1", &user), is_taken, "{stored}");
            let mut again = "as it was".to_owned();
            assert_eq!(begin(&mut again, marked(stored.to_string()).as_bytes(), "1", &user), is_taken, "{stored}");
            assert_eq!(again, text);
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
