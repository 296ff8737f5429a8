//! Values from and to JSON.

use serde_json::{Map, Value as Json};

use super::{Arena, Ignore, Value};

/// A JSON value as a [`Value`] in `arena`. Whole numbers of 64 bits without sign
/// become their digits as text, so none is lost; larger ones keep 17 digits, as JSON readers do.
pub fn from_json<'a>(json: &'a Json, arena: &'a Arena) -> Value<'a> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::Integer(number),
            (None, Some(number), _) => Value::Text(arena.text(&number.to_string())),
            (None, None, Some(number)) => Value::Decimal(number),
            (None, None, None) => Value::Text(arena.text(&number.to_string())),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => {
            let mut list = arena.list(items.len());
            list.extend(items.iter().map(|item| from_json(item, arena)));
            Value::List(list.into_bump_slice())
        }
        Json::Object(fields) => {
            let mut list = arena.list(fields.len());
            list.extend(fields.iter().map(|(key, value)| (key.as_str(), from_json(value, arena))));
            Value::Object(list.into_bump_slice())
        }
    }
}

/// A value as JSON; absent is null, an ignored value is `{"ignore": "attribute"}`.
pub fn to_json(value: Value<'_>) -> Json {
    match value {
        Value::Absent | Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(flag),
        Value::Integer(number) => Json::from(number),
        Value::Decimal(number) => Json::from(number),
        Value::Text(text) => Json::from(text),
        Value::List(items) => Json::Array(items.iter().map(|item| to_json(*item)).collect()),
        Value::Object(fields) => {
            Json::Object(fields.iter().map(|(key, value)| ((*key).to_owned(), to_json(*value))).collect())
        }
        Value::Ignored(ignore) => {
            let what = match ignore {
                Ignore::Attribute => "attribute",
                Ignore::Object => "object",
            };
            Json::Object(Map::from_iter([("ignore".to_owned(), Json::from(what))]))
        }
    }
}

/// Writes a text as a JSON string.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    // Names and addresses rarely need an escape: look once, copy once. Folding looks at every byte, and so at many at once.
    let escape = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    let escapes = text.bytes().fold(0, |any, byte| any | escape(byte));
    if escapes == 0 {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *out, text);
    }
}

/// Writes a value as JSON, without a detour over [`Json`].
pub fn write_json(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Text(text) => write_json_string(text, out),
        Value::Integer(number) => {
            let _ = serde_json::to_writer(&mut *out, &number);
        }
        Value::Decimal(number) => {
            let _ = serde_json::to_writer(&mut *out, &number);
        }
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_json(*item, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_json_string(key, out);
                out.push(b':');
                write_json(*value, out);
            }
            out.push(b'}');
        }
        Value::Absent | Value::Null | Value::Ignored(_) => out.extend_from_slice(b"null"),
    }
}
