//! Values of a record as values of a script, and back.

use rhai::{Array, Dynamic, ImmutableString, Map};

use crate::function::{Fallible, Fault, Limits};
use crate::text::Code;
use crate::value::{Arena, MAX_LIST, Value};

/// How deep a value may nest that comes from a record; JSON readers go no deeper.
const MAX_DEPTH: usize = 128;

/// A value for a script. What is absent, null or not to flow is `()`.
pub(super) fn to_dynamic(value: Value<'_>) -> Dynamic {
    nested(value, 0)
}

fn nested(value: Value<'_>, depth: usize) -> Dynamic {
    match value {
        Value::Absent | Value::Null | Value::Ignored(_) => Dynamic::UNIT,
        Value::Bool(flag) => Dynamic::from_bool(flag),
        Value::Integer(number) => Dynamic::from_int(number),
        Value::Decimal(number) => Dynamic::from_float(number),
        Value::Text(text) => Dynamic::from(ImmutableString::from(text)),
        Value::List(_) | Value::Object(_) if depth > MAX_DEPTH => Dynamic::UNIT,
        Value::List(items) => {
            let items: Array = items.iter().map(|item| nested(*item, depth + 1)).collect();
            Dynamic::from_array(items)
        }
        Value::Object(fields) => {
            let fields: Map = fields.iter().map(|(key, value)| ((*key).into(), nested(*value, depth + 1))).collect();
            Dynamic::from_map(fields)
        }
    }
}

/// A JSON value for a script.
pub(super) fn json_to_dynamic(json: &serde_json::Value) -> Dynamic {
    let arena = Arena::new();
    to_dynamic(crate::value::from_json(json, &arena))
}

/// A script's value in the arena. `()` is null.
pub(super) fn to_value<'a>(dynamic: &Dynamic, arena: &'a Arena, limits: &Limits, depth: usize) -> Fallible<Value<'a>> {
    // What most values are.
    if let Ok(text) = dynamic.as_immutable_string_ref() {
        if text.len() > limits.output {
            return Err(Fault::new(Code::Limit, format!("the text is longer than {} bytes", limits.output)));
        }
        return Ok(Value::Text(arena.text(&text)));
    }
    if dynamic.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = dynamic.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(number) = dynamic.as_int() {
        return Ok(Value::Integer(number));
    }
    if let Ok(number) = dynamic.as_float() {
        if !number.is_finite() {
            return Err(Fault::new(Code::Conversion, format!("{number} is not a number that an attribute can have")));
        }
        return Ok(Value::Decimal(number));
    }
    if let Ok(character) = dynamic.as_char() {
        return Ok(Value::Text(arena.text(character.encode_utf8(&mut [0; 4]))));
    }
    if depth >= limits.depth.max(1) {
        return Err(Fault::new(Code::Limit, format!("the value nests deeper than {} levels", limits.depth)));
    }
    if let Ok(items) = dynamic.as_array_ref() {
        check_count(items.len())?;
        let mut list = arena.list(items.len());
        for item in items.iter() {
            list.push(to_value(item, arena, limits, depth + 1)?);
        }
        return Ok(Value::List(list.into_bump_slice()));
    }
    if let Ok(fields) = dynamic.as_map_ref() {
        check_count(fields.len())?;
        let mut list = arena.list(fields.len());
        for (key, value) in fields.iter() {
            list.push((arena.text(key), to_value(value, arena, limits, depth + 1)?));
        }
        return Ok(Value::Object(list.into_bump_slice()));
    }
    Err(Fault::new(Code::Conversion, format!("{} is not a value that an attribute can have", kind(dynamic)))
        .help("give a text, a number, true or false, a list, a map, or `()` for null"))
}

fn check_count(count: usize) -> Fallible<()> {
    if count <= MAX_LIST {
        return Ok(());
    }
    Err(Fault::new(Code::Limit, format!("the list has more than {MAX_LIST} items")))
}

/// What a value is, in words a script's writer knows.
fn kind(dynamic: &Dynamic) -> &'static str {
    let name = dynamic.type_name();
    if dynamic.is_fnptr() {
        "a function"
    } else if name.contains("RangeInclusive") || name.contains("Range") || name.contains("range") {
        "a range"
    } else if dynamic.is_blob() {
        "a block of bytes"
    } else {
        "an iterator"
    }
}
