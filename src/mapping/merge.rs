//! The map of a `[script]` and the payload of the rules: what the map may hold, and how the two become one.
//!
//! The script comes last, so its values stand. A map goes into a map; anything else takes the place of what was there;
//! `()`, and what is empty, takes it away.

use serde_json::{Map, Value as Json};

use crate::function::{Fallible, Fault};
use crate::scim::{Attribute, AttributeType, ResourceSchema};
use crate::text::{Code, closest, shorten};
use crate::value::{Arena, Ignore, Value, to_json};

use super::coerce::Coercion;

/// The map as the target takes it: attributes by their names in the schema, values of the right type. Without a schema it
/// is taken as it is.
pub(super) fn conform<'a>(
    value: Value<'a>,
    schema: Option<&'a ResourceSchema>,
    arena: &'a Arena,
) -> Fallible<Value<'a>> {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Absent | Value::Null | Value::Ignored(_) => return Ok(value),
        other => {
            return Err(wrong(format!("the script gives {}; it is to give a map", other.describe()))
                .help("end it with a map such as `#{ title: source.jobTitle }`, or with `#{}`"));
        }
    };
    let Some(schema) = schema else { return Ok(value) };
    let mut out = arena.list(fields.len());
    for (key, value) in fields {
        if let Some(extension) = schema.schema(key) {
            let value = below(*value, key, &extension.attributes, arena)?;
            out.push((&*extension.id, value));
        } else if key.eq_ignore_ascii_case("schemas") {
            return Err(wrong("`schemas` follows from what the payload holds: leave it out".into()));
        } else {
            let attribute = schema.attribute(key).ok_or_else(|| unknown(key, "", &schema.core.attributes))?;
            out.push((&*attribute.name, attribute_value(*value, key, attribute, arena)?));
        }
    }
    Ok(Value::Object(out.into_bump_slice()))
}

fn attribute_value<'a>(
    value: Value<'a>,
    path: &str,
    attribute: &'a Attribute,
    arena: &'a Arena,
) -> Fallible<Value<'a>> {
    if attribute.is_read_only() {
        return Err(wrong(format!("`{}` is read-only", shorten(path))));
    }
    let value = Coercion::scim(attribute.kind, attribute.multi_valued)
        .apply(value, arena)
        .map_err(|fault| wrong(format!("`{}`: {fault}", shorten(path))))?;
    if attribute.kind != AttributeType::Complex || attribute.is_open() {
        return Ok(value);
    }
    match value {
        Value::List(items) => {
            let mut list = arena.list(items.len());
            for item in items {
                list.push(below(*item, path, &attribute.sub_attributes, arena)?);
            }
            Ok(Value::List(list.into_bump_slice()))
        }
        single => below(single, path, &attribute.sub_attributes, arena),
    }
}

/// The attributes of a complex value.
fn below<'a>(value: Value<'a>, path: &str, known: &'a [Attribute], arena: &'a Arena) -> Fallible<Value<'a>> {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Absent | Value::Null => return Ok(Value::Null),
        other => return Err(wrong(format!("`{}` is a map, and this is {}", shorten(path), other.describe()))),
    };
    let mut out = arena.list(fields.len());
    for (key, value) in fields {
        let attribute = known
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(key))
            .ok_or_else(|| unknown(key, path, known))?;
        let path = format!("{path}.{key}");
        out.push((&*attribute.name, attribute_value(*value, &path, attribute, arena)?));
    }
    Ok(Value::Object(out.into_bump_slice()))
}

#[cold]
fn wrong(words: String) -> Box<Fault> {
    Fault::new(Code::TargetConversion, words)
}

#[cold]
fn unknown(key: &str, path: &str, known: &[Attribute]) -> Box<Fault> {
    let place = if path.is_empty() { "the schema".to_owned() } else { format!("`{}`", shorten(path)) };
    let near = closest(key, known.iter().map(|attribute| &*attribute.name));
    let help = match near {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if key.contains('.') => Some("write a map in the map: `#{ name: #{ givenName: \"Ada\" } }`".into()),
        None => None,
    };
    wrong(format!("{place} has no attribute `{}`", shorten(key))).help_if(help)
}

/// Puts the script's map into the payload.
pub(super) fn merge(payload: &mut Json, script: Value<'_>, send_empty: bool) {
    let (Json::Object(payload), Value::Object(fields)) = (payload, script) else { return };
    let extensions = |payload: &Map<String, Json>| -> Vec<String> {
        payload.keys().filter(|key| key.starts_with("urn:")).cloned().collect()
    };
    let before = extensions(payload);
    into(payload, fields, send_empty);
    // An extension that only the script writes is named as every other; one that it takes away is not.
    let urns = extensions(payload);
    if let Some(Json::Array(schemas)) = payload.get_mut("schemas") {
        let gone = |urn: &str| before.iter().any(|known| known == urn) && !urns.iter().any(|known| known == urn);
        schemas.retain(|known| !known.as_str().is_some_and(gone));
        for urn in urns {
            if !schemas.iter().any(|known| known.as_str() == Some(&urn)) {
                schemas.push(Json::from(urn));
            }
        }
    }
}

fn into(payload: &mut Map<String, Json>, fields: &[(&str, Value<'_>)], send_empty: bool) {
    for (key, value) in fields {
        match (payload.get_mut(*key), value) {
            (_, Value::Ignored(Ignore::Attribute | Ignore::Object)) => {}
            (Some(Json::Object(there)), Value::Object(fields)) => {
                into(there, fields, send_empty);
                if there.is_empty() {
                    payload.shift_remove(*key);
                }
            }
            (_, value) => {
                if let Some(json) = written(*value, send_empty) {
                    payload.insert((*key).to_owned(), json);
                } else {
                    payload.shift_remove(*key);
                }
            }
        }
    }
}

/// A value of the script as JSON, by the rule for all payloads: nothing stands for what is null or without content, and for
/// an empty text only where the target wants to see it.
fn written(value: Value<'_>, send_empty: bool) -> Option<Json> {
    match value {
        Value::Absent | Value::Null | Value::Ignored(_) => None,
        Value::Text("") => send_empty.then(|| Json::from("")),
        Value::List(items) => {
            let items: Vec<Json> = items.iter().filter_map(|item| written(*item, send_empty)).collect();
            (!items.is_empty()).then(|| Json::from(items))
        }
        Value::Object(fields) => {
            let mut map = Map::new();
            into(&mut map, fields, send_empty);
            (!map.is_empty()).then(|| Json::from(map))
        }
        value => Some(to_json(value)),
    }
}
