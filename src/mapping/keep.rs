//! What a rule with `apply = "create"` made once stays when the resource is mapped again: taken over from the payload before.

use serde_json::{Map, Value as Json};

use super::Mapping;

impl Mapping {
    /// Takes what rules for the creation gave to `before` over into `after`, the payload of an update, where it has nothing.
    /// A target within an element of a list is kept when the update makes no such list at all.
    pub fn keep_created(&self, before: &Json, after: &mut Json) {
        let (Some(before), Some(after)) = (before.as_object(), after.as_object_mut()) else { return };
        for rule in self.rules().iter().filter(|rule| rule.is_create_only()) {
            keep(&keys(rule.target()), before, after);
        }
    }
}

/// The keys on the way to a target: a URN is one, and the way ends where a list begins.
fn keys(target: &str) -> Vec<&str> {
    let (mut keys, mut rest) = (Vec::new(), target);
    if target.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:"))
        && let Some((urn, attribute)) = target.rsplit_once(':')
    {
        keys.push(urn);
        rest = attribute;
    }
    match rest.split_once('[') {
        Some((list, _)) => keys.extend(list.split('.')),
        None => keys.extend(rest.split('.')),
    }
    keys
}

fn keep(keys: &[&str], before: &Map<String, Json>, after: &mut Map<String, Json>) {
    let Some((key, rest)) = keys.split_first() else { return };
    let Some(old) = before.get(*key) else { return };
    match (after.get_mut(*key), old) {
        (None, old) if rest.is_empty() => {
            after.insert((*key).to_owned(), old.clone());
        }
        (None, Json::Object(old)) => {
            let mut made = Map::new();
            keep(rest, old, &mut made);
            if !made.is_empty() {
                after.insert((*key).to_owned(), made.into());
            }
        }
        (Some(Json::Object(new)), Json::Object(old)) => keep(rest, old, new),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_made_once_stays() {
        let before = json!({"userType": "Member", "name": {"nick": "ada", "given": "A"}, "urn:x:User": {"code": 7}});
        let mut after = json!({"name": {"given": "B"}});
        let (old, new) = (before.as_object().unwrap(), after.as_object_mut().unwrap());
        for target in ["userType", "name.nick", "name.given", "urn:x:User:code", "emails[type eq \"work\"].value"] {
            keep(&keys(target), old, new);
        }
        assert_eq!(
            after,
            json!({"name": {"given": "B", "nick": "ada"}, "userType": "Member", "urn:x:User": {"code": 7}})
        );
    }
}
