//! Attributes of a target's object by the path of a mapping's target: reading what stands there, and writing a difference.
//!
//! Paths are `userName`, `name.givenName`, `urn:…:User:department`, `emails[type eq "work"].value`. Names compare without
//! case, as SCIM has it (RFC 7643, 2.1).

use serde_json::{Map, Value};

use super::{Difference, Object};
use crate::scim::parse_path;
use crate::scim::path::{Filter, Literal, Operator, Selector};

/// A path in its parts.
struct Parts {
    urn: Option<String>,
    attribute: String,
    /// What an element has to have, `type` and `work`; `None` without brackets.
    element: Option<Vec<(String, Value)>>,
    sub: Option<String>,
}

impl Parts {
    /// `None` for a path that is none of SCIM's, or whose brackets have more than equalities.
    fn of(path: &str) -> Option<Self> {
        let parsed = parse_path(path).ok()?;
        let element = match parsed.selector {
            None => None,
            Some(Selector::Index(_)) => return None,
            Some(Selector::Filter(filter)) => Some(equalities(&filter)?),
        };
        Some(Self { urn: parsed.urn, attribute: parsed.attribute, element, sub: parsed.sub })
    }
}

/// What the elements have to have for which a filter of equalities holds.
fn equalities(filter: &Filter) -> Option<Vec<(String, Value)>> {
    match filter {
        Filter::And(parts) => Some(parts.iter().map(equalities).collect::<Option<Vec<_>>>()?.concat()),
        Filter::Compare { path, operator: Operator::Equal, value, .. } => {
            let value = match value {
                Literal::String(text) => Value::from(text.as_str()),
                Literal::Integer(number) => Value::from(*number),
                Literal::Boolean(is) => Value::from(*is),
                Literal::Decimal(_) | Literal::Null => return None,
            };
            Some(vec![(path.attribute.clone(), value)])
        }
        _ => None,
    }
}

/// The key under which an object has an attribute.
fn key<'a>(object: &'a Object, name: &str) -> Option<&'a String> {
    object.keys().find(|key| key.eq_ignore_ascii_case(name))
}

/// The value of an attribute, whatever the case of its name.
pub(super) fn field<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.get(key(object, name)?))
}

/// Whether two values are one to somebody to whom letter case is all one.
pub(super) fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b || a.to_lowercase() == b.to_lowercase(),
        _ => a == b,
    }
}

/// Whether an element has what is asked of it.
fn fits(element: &Value, wanted: &[(String, Value)]) -> bool {
    let has = |name: &str, value: &Value| {
        element.as_object().and_then(|object| field(object, name)).is_some_and(|found| alike(found, value))
    };
    wanted.iter().all(|(name, value)| has(name, value))
}

/// Every value at a path; those of a list one by one.
pub(super) fn values<'a>(object: &'a Object, path: &str) -> Vec<&'a Value> {
    let Some(parts) = Parts::of(path) else { return Vec::new() };
    let home = match &parts.urn {
        // The URN of the core schema means the object itself.
        Some(urn) => match field(object, urn) {
            Some(Value::Object(home)) => home,
            _ => object,
        },
        None => object,
    };
    let Some(value) = field(home, &parts.attribute) else { return Vec::new() };
    let elements: Vec<&Value> = match value {
        Value::Array(elements) => elements.iter().collect(),
        one => vec![one],
    };
    let wanted = parts.element.as_deref().unwrap_or_default();
    let elements = elements.into_iter().filter(|element| fits(element, wanted));
    match &parts.sub {
        None => elements.collect(),
        Some(sub) => elements.filter_map(|element| field(element.as_object()?, sub)).collect(),
    }
}

/// Writes a difference into an object; `payload` has the attribute as a whole when the path cannot be followed.
pub(super) fn write(object: &mut Object, difference: &Difference, payload: &Object) {
    match Parts::of(&difference.path) {
        Some(parts) => write_at(object, &parts, &difference.new, payload),
        // No path of SCIM: an attribute of that name.
        None => put(object, &difference.path, difference.new.clone()),
    }
    object.retain(|_, value| !matches!(value, Value::Object(fields) if fields.is_empty()));
}

fn write_at(object: &mut Object, parts: &Parts, new: &Value, payload: &Object) {
    let home = match &parts.urn {
        Some(urn) if !urn.contains(":schemas:core:") => part(object, urn),
        _ => Some(object),
    };
    let Some(home) = home else { return };
    let is_list = matches!(field(home, &parts.attribute), Some(Value::Array(_)));
    match (&parts.element, &parts.sub) {
        (None, None) => put(home, &parts.attribute, new.clone()),
        (None, Some(_)) if is_list => {
            put(home, &parts.attribute, field(payload, &parts.attribute).cloned().unwrap_or_default());
        }
        (None, Some(sub)) => {
            if let Some(fields) = part(home, &parts.attribute) {
                put(fields, sub, new.clone());
            }
        }
        (Some(wanted), sub) => {
            if !is_list {
                put(home, &parts.attribute, Value::Array(Vec::new()));
            }
            let key = key(home, &parts.attribute).cloned().unwrap_or_default();
            if let Some(Value::Array(elements)) = home.get_mut(&key) {
                write_element(elements, wanted, sub.as_deref(), new);
            }
        }
    }
}

/// Writes into the elements that are meant, or makes one.
fn write_element(elements: &mut Vec<Value>, wanted: &[(String, Value)], sub: Option<&str>, new: &Value) {
    let Some(sub) = sub else {
        elements.retain(|element| !fits(element, wanted));
        if let Value::Object(fields) = new {
            let mut fields = fields.clone();
            fields.extend(wanted.iter().cloned());
            elements.push(fields.into());
        }
        return;
    };
    if !new.is_null() && !elements.iter().any(|element| fits(element, wanted)) {
        elements.push(Value::Object(wanted.iter().cloned().collect()));
    }
    for element in elements.iter_mut().filter(|element| fits(element, wanted)) {
        if let Value::Object(fields) = element {
            put(fields, sub, new.clone());
        }
    }
    // An element whose value went says nothing any more.
    elements.retain(|element| {
        let fields = element.as_object().map_or(0, Map::len);
        !(new.is_null() && fits(element, wanted) && fields <= wanted.len())
    });
}

/// The object under a name, made when it is not there.
fn part<'a>(object: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    let name = key(object, name).cloned().unwrap_or_else(|| name.to_owned());
    if !object.get(&name).is_some_and(Value::is_object) {
        object.insert(name.clone(), Value::Object(Map::new()));
    }
    object.get_mut(&name)?.as_object_mut()
}

/// Sets an attribute; null takes it away.
fn put(object: &mut Object, name: &str, value: Value) {
    let name = key(object, name).cloned().unwrap_or_else(|| name.to_owned());
    if value.is_null() {
        object.shift_remove(&name);
    } else {
        object.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

    #[test]
    fn a_difference_is_written_where_its_path_points() {
        let cases = [
            ("userName", json!({"username": "a", "x": 1}), json!("b"), json!({"username": "b", "x": 1})),
            ("title", json!({"title": "a", "x": 1}), json!(null), json!({"x": 1})),
            ("name.givenName", json!({}), json!("Ada"), json!({"name": {"givenName": "Ada"}})),
            ("name.givenName", json!({"name": {"givenName": "Ada"}}), json!(null), json!({})),
            (
                DEPARTMENT,
                json!({}),
                json!("R&D"),
                json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"}}),
            ),
            (
                "emails[type eq \"work\"].value",
                json!({"emails": [{"type": "home", "value": "h"}, {"type": "Work", "value": "w"}]}),
                json!("n"),
                json!({"emails": [{"type": "home", "value": "h"}, {"type": "Work", "value": "n"}]}),
            ),
            (
                "emails[type eq \"work\"].value",
                json!({}),
                json!("n"),
                json!({"emails": [{"type": "work", "value": "n"}]}),
            ),
            (
                "emails[type eq \"work\"].value",
                json!({"emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}]}),
                json!(null),
                json!({"emails": [{"type": "home", "value": "h"}]}),
            ),
        ];
        for (path, before, new, after) in cases {
            let mut object = before.as_object().unwrap().clone();
            let difference = Difference { path: path.into(), old: json!(null), new };
            write(&mut object, &difference, &Object::new());
            assert_eq!(Value::Object(object), after, "{path} in {before}");
        }
    }

    #[test]
    fn values_are_found_by_path() {
        let object = json!({"userName": "a", "emails": [{"type": "work", "value": "w"}, {"value": "x"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "d"}});
        let object = object.as_object().unwrap();
        for (path, expected) in [
            ("USERNAME", json!(["a"])),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName", json!(["a"])),
            ("emails.value", json!(["w", "x"])),
            ("emails[type eq \"WORK\"].value", json!(["w"])),
            (DEPARTMENT, json!(["d"])),
            ("nothing[", json!([])),
        ] {
            assert_eq!(json!(values(object, path)), expected, "{path}");
        }
    }
}
