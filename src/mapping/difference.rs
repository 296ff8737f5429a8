//! What differs between two payloads, by the paths of attributes: for previews, and to say whom another mapping changes.

use serde_json::{Map, Value as Json, json};

/// A value that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where: `name.givenName`, `emails[type eq "work"].value`, or a URN and the attribute under it. A list whose elements
    /// have no types of their own is one value.
    pub path: String,
    /// What was there; `None` for nothing.
    pub old: Option<Json>,
    /// What is there now; `None` for nothing.
    pub new: Option<Json>,
}

impl Change {
    /// As JSON: `path`, `old` and `new`, null for nothing.
    pub fn to_json(&self) -> Json {
        json!({"path": self.path, "old": self.old, "new": self.new})
    }
}

/// What differs, in the order of the old payload. `schemas` is left out: it follows from the attributes.
pub fn differences(old: &Json, new: &Json) -> Vec<Change> {
    let mut changes = Vec::new();
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => objects("", old, new, &mut changes),
        _ if old == new => {}
        _ => changes.push(Change { path: String::new(), old: Some(old.clone()), new: Some(new.clone()) }),
    }
    changes
}

fn objects(path: &str, old: &Map<String, Json>, new: &Map<String, Json>, changes: &mut Vec<Change>) {
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added).filter(|key| !(path.is_empty() && *key == "schemas")) {
        values(&below(path, key), old.get(key), new.get(key), changes);
    }
}

/// The path of a key: below a URN stands a colon, below everything else a dot.
fn below(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        urn if is_urn(urn) && !urn.contains('[') => format!("{urn}:{key}"),
        path => format!("{path}.{key}"),
    }
}

/// Whether a path is a URN and no more: attributes under one have been told with a dot from then on.
fn is_urn(path: &str) -> bool {
    path.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:")) && path.rsplit(':').next().is_some_and(is_type)
}

/// Resource types begin with a capital, attributes do not.
fn is_type(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

fn values(path: &str, old: Option<&Json>, new: Option<&Json>, changes: &mut Vec<Change>) {
    let empty = Map::new();
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Json::Object(old)), Some(Json::Object(new))) => objects(path, old, new, changes),
        (Some(Json::Object(old)), None) if !old.is_empty() => objects(path, old, &empty, changes),
        (None, Some(Json::Object(new))) if !new.is_empty() => objects(path, &empty, new, changes),
        _ => {
            if let (Some(before), Some(after)) = (elements(old), elements(new)) {
                return lists(path, &before, &after, changes);
            }
            changes.push(Change { path: path.to_owned(), old: old.cloned(), new: new.cloned() });
        }
    }
}

/// The elements of a list by their types, when each has one of its own; nothing is a list of none.
fn elements(list: Option<&Json>) -> Option<Vec<(&str, &Map<String, Json>)>> {
    let Some(list) = list else { return Some(Vec::new()) };
    let mut found: Vec<(&str, &Map<String, Json>)> = Vec::new();
    for element in list.as_array()? {
        let element = element.as_object()?;
        let of = element.get("type")?.as_str()?;
        if found.iter().any(|(known, _)| *known == of) {
            return None;
        }
        found.push((of, element));
    }
    Some(found)
}

fn lists(
    path: &str,
    old: &[(&str, &Map<String, Json>)],
    new: &[(&str, &Map<String, Json>)],
    changes: &mut Vec<Change>,
) {
    let empty = Map::new();
    let of = |list: &[(&str, &Map<String, Json>)], wanted: &str| {
        list.iter().find(|(known, _)| *known == wanted).map_or_else(Map::new, |(_, element)| (*element).clone())
    };
    let added = new.iter().filter(|(name, _)| !old.iter().any(|(known, _)| known == name));
    for (name, _) in old.iter().chain(added) {
        let (mut before, mut after) = (of(old, name), of(new, name));
        before.shift_remove("type");
        after.shift_remove("type");
        let place = format!("{path}[type eq {}]", Json::from(*name));
        if before == empty && after == empty {
            changes.push(Change { path: place, old: None, new: None });
        } else {
            objects(&place, &before, &after, changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_mapping_files() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let old = json!({"schemas": ["a"], "userName": "ada", "name": {"givenName": "Ada"}, "active": true,
            "emails": [{"type": "work", "value": "a@x"}], "roles": [{"value": "r"}], urn: {"department": "R"}});
        let new = json!({"schemas": ["b"], "userName": "ada", "name": {"givenName": "Ava", "familyName": "L"},
            "emails": [{"type": "work", "value": "b@x"}, {"type": "home", "value": "h"}], "roles": [{"value": "s"}],
            urn: {"department": "S", "manager": {"value": "1"}}});
        let told: Vec<Json> = differences(&old, &new).iter().map(Change::to_json).collect();
        assert_eq!(
            Json::from(told),
            json!([
                {"path": "name.givenName", "old": "Ada", "new": "Ava"},
                {"path": "name.familyName", "old": null, "new": "L"},
                {"path": "active", "old": true, "new": null},
                {"path": "emails[type eq \"work\"].value", "old": "a@x", "new": "b@x"},
                {"path": "emails[type eq \"home\"].value", "old": null, "new": "h"},
                {"path": "roles", "old": [{"value": "r"}], "new": [{"value": "s"}]},
                {"path": format!("{urn}:department"), "old": "R", "new": "S"},
                {"path": format!("{urn}:manager.value"), "old": null, "new": "1"},
            ])
        );
    }
}
