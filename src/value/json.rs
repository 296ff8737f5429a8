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

/// Whether a byte of a text is asked for; sixteen at once, and the last sixteen once more.
#[inline]
pub(crate) fn any_byte(text: &str, asked: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let Some(last) = bytes.len().checked_sub(16) else {
        return bytes.iter().fold(0, |any, byte| any | u8::from(asked(*byte))) != 0;
    };
    let (mut at, mut found) = (0, 0);
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        found |= block.iter().fold(0, |any, byte| any | u8::from(asked(*byte)));
        if at == last {
            break;
        }
        at = last.min(at + 16);
    }
    found != 0
}

/// How many bytes there are before the first that is a quote, a backslash or a control character: what a JSON string holds as it is.
/// Eight are looked at at once, for most of a record is text.
#[inline]
pub(crate) fn plain_run(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    let mut at = 0;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*eight);
        // A byte is zero where it was the one sought; where a byte becomes less than none, its highest bit is set.
        let is = |byte: u8| {
            let other = word ^ (ONES * u64::from(byte));
            other.wrapping_sub(ONES) & !other
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (is(b'"') | is(b'\\') | control) & (ONES * 0x80);
        if found != 0 {
            // What is borrowed can only come from a lower byte: the lowest bit is right.
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// Writes a text as a JSON string.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    // Names and addresses rarely need an escape: look once, copy once.
    if any_byte(text, |byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        // Writing to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *out, text);
    } else {
        write_plain_json_string(text, out);
    }
}

/// Writes a text that has nothing to escape as a JSON string.
#[inline]
pub(crate) fn write_plain_json_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
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
