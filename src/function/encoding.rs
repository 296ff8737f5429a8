//! Encodings, distinguished names and security identifiers.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::text::Code;
use crate::value::Value;

use super::{Context, Fallible, Fault};

/// `ConvertToBase64(source)`: of the UTF-16LE bytes.
pub(super) fn to_base64<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let bytes: Vec<u8> = source.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut out = context.arena.builder(bytes.len() * 4 / 3 + 4);
    out.push_str(&STANDARD.encode(bytes));
    context.built(out)
}

/// `ConvertToUTF8Hex(source)`: upper-case digits of the UTF-8 bytes.
pub(super) fn to_utf8_hex<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let mut out = context.arena.builder(source.len() * 2);
    for byte in source.bytes() {
        let _ = write!(out, "{byte:02X}");
    }
    context.built(out)
}

fn bytes_of(text: &str) -> Fallible<Vec<u8>> {
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD
        .decode(&text)
        .or_else(|_| STANDARD_NO_PAD.decode(&text))
        .map_err(|error| Fault::new(Code::Conversion, format!("the text is not Base64: {error}")).at(0))
}

/// `ConvertFromBase64(source, encoding?)`.
pub(super) fn from_base64<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let bytes = bytes_of(source)?;
    let encoding = context.text(arguments, 1)?.unwrap_or_default();
    let text = if encoding.is_empty() || encoding.eq_ignore_ascii_case("Unicode") {
        if bytes.len() % 2 != 0 {
            return Err(Fault::new(Code::Conversion, format!("{} bytes are not UTF-16 text", bytes.len()))
                .at(0)
                .help("the second argument names the encoding: Unicode (the default), ASCII or UTF8"));
        }
        let units = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0)]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else if encoding.eq_ignore_ascii_case("ASCII") {
        bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect::<String>()
    } else if encoding.eq_ignore_ascii_case("UTF8") || encoding.eq_ignore_ascii_case("UTF-8") {
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        return Err(Fault::new(Code::BadArgument, format!("{encoding:?} is not an encoding"))
            .at(1)
            .help("write Unicode, ASCII or UTF8"));
    };
    Ok(Value::Text(context.arena.text(&text)))
}

/// `StringFromSid(sid)`: `S-1-5-…` of the bytes, given as Base64; a text that is one already stays.
pub(super) fn string_from_sid<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    if source.starts_with("S-1-") {
        return Ok(Value::Text(source));
    }
    // [MS-DTYP] 2.4.2.2: revision, count of sub-authorities, 6 bytes of authority (big-endian), 4 bytes each (little-endian).
    let bytes = bytes_of(source)?;
    let wrong = || Fault::new(Code::Conversion, format!("{} bytes are not a security identifier", bytes.len())).at(0);
    let [revision, count, rest @ ..] = bytes.as_slice() else { return Err(wrong()) };
    let Some((authority, subs)) = rest.split_at_checked(6) else { return Err(wrong()) };
    if subs.len() != usize::from(*count) * 4 {
        return Err(wrong());
    }
    let authority = authority.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut out = context.arena.builder(48);
    let _ = write!(out, "S-{revision}-{authority}");
    for sub in subs.chunks_exact(4) {
        let number = sub.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let _ = write!(out, "-{number}");
    }
    context.built(out)
}

/// `DNComponent(dn, number)`: the value of a component, from 1 at the left; `""` when there are not so many.
pub(super) fn dn_component<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(dn) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let number = context.number(arguments, 1)?;
    let Some(index) = number.checked_sub(1).and_then(|index| usize::try_from(index).ok()) else {
        return Err(Fault::new(Code::BadArgument, format!("{number} is not a component: the first one is 1")).at(1));
    };
    let Some(component) = components(dn).nth(index) else { return Ok(Value::Text("")) };
    let value = component.split_once('=').map_or(component, |(_, value)| value).trim();
    if !value.contains(['\\', '"']) {
        return Ok(Value::Text(value));
    }
    let mut out = context.arena.builder(value.len());
    unescape(value, &mut out);
    context.built(out)
}

/// The components of a distinguished name, cut at commas that are neither escaped nor quoted (RFC 4514).
fn components(dn: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(dn);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut escaped, mut quoted) = (false, false);
        for (at, character) in text.char_indices() {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                ',' if !quoted => {
                    rest = text.get(at + 1..);
                    return text.get(..at);
                }
                _ => {}
            }
        }
        rest = None;
        Some(text)
    })
}

/// Undoes RFC 4514's escapes: `\,` and `\C3\A9`.
fn unescape(value: &str, out: &mut crate::value::TextBuilder<'_>) {
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(code) = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(code);
            rest = after.get(2..).unwrap_or_default();
        } else if let Some((escaped, after)) = after.split_first() {
            bytes.push(*escaped);
            rest = after;
        }
    }
    out.push_str(&String::from_utf8_lossy(&bytes));
}
