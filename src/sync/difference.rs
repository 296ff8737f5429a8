//! What differs between a payload and what the target has, by the targets of the mapping's rules: what no rule writes is
//! somebody else's, and stays.

use serde_json::Value;

use crate::mapping::Mapping;
use crate::target::{Difference, Kind, Object, Target};
use crate::value::{Arena, AttributePath, from_json, to_json};

/// Attributes that a target takes and never gives back.
pub(super) const WRITE_ONLY: [&str; 2] = ["password", "passwordProfile"];
/// Attributes that are references, which are written in a pass of their own.
const REFERENCES: [&str; 3] =
    ["manager", "members", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"];

/// The value at a mapping's target in a payload or an object; null when there is none.
pub(super) fn at(object: &Object, path: &str) -> Value {
    // A shallow look is enough for most, and costs no conversion.
    if let Some(found) = object.get(path) {
        return found.clone();
    }
    let arena = Arena::new();
    AttributePath::readings(path)
        .iter()
        .filter(|reading| !reading.steps.is_empty())
        .find_map(|reading| {
            let root = object.get(&*reading.root)?;
            Some(to_json(reading.descend(from_json(root, &arena))))
        })
        .unwrap_or(Value::Null)
}

/// Sets the value at a target that is an attribute at the top, under a URN, or a part of one.
pub(super) fn set(object: &mut Object, path: &str, value: Value) {
    let urn = path.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:"));
    let (head, rest) = match path.rsplit_once(':') {
        Some((urn_of, rest)) if urn => (Some(urn_of), rest),
        _ => (None, path),
    };
    let mut place = object;
    for key in head.into_iter().chain(rest.rsplit_once('.').map(|(above, _)| above)) {
        let below = place.entry(key).or_insert_with(|| Value::Object(Object::new()));
        let Some(below) = below.as_object_mut() else { return };
        place = below;
    }
    let last = rest.rsplit('.').next().unwrap_or(rest);
    place.insert(last.to_owned(), value);
}

/// Whether a target of a mapping is a reference to another object, or stands in one.
pub(super) fn is_reference(path: &str) -> bool {
    REFERENCES.iter().any(|reference| {
        path.strip_prefix(reference).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// The paths that a mapping writes, without references; with a script also those at the top of the payload.
pub(super) fn paths(mapping: &Mapping, payload: Option<&Object>) -> Vec<String> {
    let mut paths: Vec<String> = mapping.rules().iter().map(|rule| rule.target().to_owned()).collect();
    if mapping.script().is_some() {
        let covered = |key: &str, paths: &[String]| paths.iter().any(|path| path.starts_with(key));
        let tops = payload.into_iter().flat_map(|payload| payload.keys()).filter(|key| *key != "schemas");
        let more: Vec<String> = tops.filter(|key| !covered(key, &paths)).cloned().collect();
        paths.extend(more);
    }
    paths.retain(|path| !is_reference(path));
    paths
}

/// What is compared with what.
pub(super) struct Compared<'c> {
    pub(super) kind: Kind,
    pub(super) mapping: &'c Mapping,
    pub(super) target: &'c dyn Target,
    pub(super) payload: &'c Object,
    pub(super) found: &'c Object,
    /// Whether this very payload was sent last: then a value that differs in letter case alone, or is never given back, is
    /// as the target has made it.
    pub(super) was_sent: bool,
    /// Whether a value that the mapping gives no more is cleared.
    pub(super) clear: bool,
}

impl Compared<'_> {
    /// What differs.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for path in paths(self.mapping, Some(self.payload)) {
            let (old, new) = (at(self.found, &path), at(self.payload, &path));
            let first = path.split(['.', '[']).next().unwrap_or_default();
            let stays = if new.is_null() {
                !self.clear || is_nothing(&old)
            } else if WRITE_ONLY.contains(&first) {
                self.was_sent
            } else {
                same(&old, &new) || self.was_sent && self.target.folds(self.kind, &path) && folded_same(&old, &new)
            };
            if !stays {
                differences.push(Difference { path, old, new });
            }
        }
        differences
    }
}

/// Null, an empty text and an empty list are nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

/// Whether two values say the same: nothing in any form, a boolean or number as text, lists in any order, and objects of the
/// target that say more than was sent.
pub(super) fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        _ if is_nothing(old) && is_nothing(new) => true,
        (Value::Array(old), Value::Array(new)) => {
            let mut left: Vec<&Value> = old.iter().collect();
            old.len() == new.len()
                && new.iter().all(|wanted| match left.iter().position(|one| same(one, wanted)) {
                    Some(place) => {
                        left.swap_remove(place);
                        true
                    }
                    None => false,
                })
        }
        (Value::Object(old), Value::Object(new)) => {
            new.iter().all(|(key, wanted)| same(old.get(key).unwrap_or(&Value::Null), wanted))
        }
        // `manager` is an object with a value in one place and a text in the other.
        (Value::Object(old), Value::String(_)) => old.get("value").is_some_and(|value| same(value, new)),
        (Value::Bool(flag), Value::String(text)) | (Value::String(text), Value::Bool(flag)) => {
            text.eq_ignore_ascii_case(if *flag { "true" } else { "false" })
        }
        (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number)) => {
            *text == number.to_string()
        }
        (old, new) => old == new,
    }
}

fn folded_same(old: &Value, new: &Value) -> bool {
    match (old.as_str(), new.as_str()) {
        (Some(old), Some(new)) => crate::scim::compare::fold(old) == crate::scim::compare::fold(new),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_target_s_words_for_the_same() {
        for (old, new) in [
            (json!(null), json!("")),
            (json!(true), json!("True")),
            (json!("5"), json!(5)),
            (json!([{"value": "a", "display": "A"}, {"value": "b"}]), json!([{"value": "b"}, {"value": "a"}])),
            (json!({"value": "1", "$ref": "x"}), json!("1")),
        ] {
            assert!(same(&old, &new), "{old} {new}");
        }
        for (old, new) in [
            (json!("a"), json!("A")),
            (json!([{"value": "a"}]), json!([{"value": "a"}, {"value": "a"}])),
            (json!(null), json!(false)),
        ] {
            assert!(!same(&old, &new), "{old} {new}");
        }
    }

    #[test]
    fn values_are_found_by_a_mapping_s_targets() {
        let object = json!({
            "name": {"givenName": "Ada"},
            "emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R"},
        });
        let object = object.as_object().unwrap();
        for (path, value) in [
            ("name.givenName", json!("Ada")),
            ("emails[type eq \"work\"].value", json!("w")),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", json!("R")),
            ("title", json!(null)),
        ] {
            assert_eq!(at(object, path), value, "{path}");
        }
        assert!(is_reference("manager.value") && is_reference("members") && !is_reference("managerial"));
    }
}
