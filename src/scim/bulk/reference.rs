//! `bulkId:qwerty`: where references stand in an operation, and ids in their place (RFC 7644, section 3.7.2).

use serde_json::Value;

const PREFIX: &str = "bulkId:";

/// The name in a text that is a reference, alone or as the end of a URI: `bulkId:qwerty`, `/Users/bulkId:qwerty`.
fn name(text: &str) -> Option<(&str, &str)> {
    let at = if text.starts_with(PREFIX) { 0 } else { text.rfind("/bulkId:")? + 1 };
    let (head, reference) = text.split_at_checked(at)?;
    let name = reference.strip_prefix(PREFIX)?;
    (!name.is_empty()).then_some((head, name))
}

pub(super) fn of_text(text: &str, out: &mut Vec<String>) {
    out.extend(name(text).map(|(_, name)| name.to_owned()));
}

/// The names of all references in a value.
pub(super) fn of_value(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            of_text(text, out);
            out.extend(quoted(text).map(|(_, name, _)| name.to_owned()));
        }
        Value::Array(items) => items.iter().for_each(|item| of_value(item, out)),
        Value::Object(fields) => fields.values().for_each(|item| of_value(item, out)),
        _ => {}
    }
}

/// A reference in a filter of a PATCH path: `members[value eq "bulkId:qwerty"]`.
fn quoted(text: &str) -> Option<(&str, &str, &str)> {
    let at = text.find("\"bulkId:")? + 1;
    let (head, rest) = text.split_at_checked(at)?;
    let (name, tail) = rest.strip_prefix(PREFIX)?.split_once('"')?;
    // Its quote belongs to what follows.
    let tail_at = text.len() - tail.len() - 1;
    Some((head, name, text.get(tail_at..)?))
}

pub(super) fn filled_text(text: &str, id_of: &impl Fn(&str) -> Option<String>) -> String {
    match name(text).and_then(|(head, name)| Some(format!("{head}{}", id_of(name)?))) {
        Some(filled) => filled,
        None => match quoted(text).and_then(|(head, name, tail)| Some(format!("{head}{}{tail}", id_of(name)?))) {
            Some(filled) => filled,
            None => text.to_owned(),
        },
    }
}

/// Puts ids in the place of references.
pub(super) fn fill(value: &mut Value, id_of: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) if text.contains(PREFIX) => *text = filled_text(text, id_of),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, id_of)),
        Value::Object(fields) => fields.values_mut().for_each(|item| fill(item, id_of)),
        _ => {}
    }
}
