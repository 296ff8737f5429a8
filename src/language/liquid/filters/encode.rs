//! Filters for HTML, URLs and base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::function::{Fallible, Fault};
use crate::text::Code;
use crate::value::TextBuilder;

use super::super::item::{Item, Tools};
use super::Arguments;

type Result<'a> = Fallible<Item<'a>>;

fn entity(byte: char) -> Option<&'static str> {
    Some(match byte {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

pub(super) fn escape<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    escaped(tools, input, |_| false)
}

pub(super) fn escape_once<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    escaped(tools, input, begins_with_entity)
}

/// Escapes all but the ampersands of which `keeps` says, from what is behind them, that they stay.
fn escaped<'a>(tools: &Tools<'a>, input: Item<'a>, keeps: impl Fn(&str) -> bool) -> Result<'a> {
    if matches!(input, Item::Nil) {
        return Ok(input);
    }
    let text = input.text(tools)?;
    let special = |letter: char| entity(letter).is_some();
    if !text.contains(special) {
        return Ok(Item::Text(text));
    }
    let mut out = tools.arena.builder(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let mut letters = from.chars();
        let letter = letters.next().unwrap_or_default();
        rest = letters.as_str();
        if letter == '&' && keeps(rest) {
            out.push('&');
        } else {
            out.push_str(entity(letter).unwrap_or_default());
        }
        tools.meter.text(out.len())?;
    }
    out.push_str(rest);
    tools.built(out)
}

/// Whether the text behind an ampersand makes it an entity: `amp;`, `#12;`.
fn begins_with_entity(text: &str) -> bool {
    let end = |text: &str, of: fn(&u8) -> bool| {
        let length = text.bytes().take_while(of).count();
        length > 0 && text.as_bytes().get(length) == Some(&b';')
    };
    match text.strip_prefix('#') {
        Some(digits) => end(digits, u8::is_ascii_digit),
        None => end(text, u8::is_ascii_alphabetic),
    }
}

pub(super) fn strip_html<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    const BLOCKS: [(&str, &str); 3] = [("<script", "</script>"), ("<!--", "-->"), ("<style", "</style>")];
    let text = input.text(tools)?;
    tools.text_made(text.len())?;
    if !text.contains('<') {
        return Ok(Item::Text(text));
    }
    let mut out = tools.arena.builder(text.len());
    let mut rest = text;
    // An end that is not found from here is not found later either; a text of nothing but beginnings costs one search.
    let mut ended = [false; 3];
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let block = BLOCKS.iter().zip(&mut ended).find_map(|((open, close), ended)| {
            let inside = from.strip_prefix(open).filter(|_| !*ended)?;
            let found = inside.find(close).and_then(|end| inside.get(end + close.len()..));
            *ended = found.is_none();
            found
        });
        rest = match block {
            Some(behind) => behind,
            None => {
                out.push('<');
                from.get(1..).unwrap_or_default()
            }
        };
    }
    out.push_str(rest);
    let text = out.into_bump_str();
    let mut out = tools.arena.builder(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let Some(end) = rest.get(at..).and_then(|tag| tag.find('>')) else { break };
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    tools.built(out)
}

pub(super) fn url_encode<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    if matches!(input, Item::Nil) {
        return Ok(input);
    }
    let text = input.text(tools)?;
    let mut out = tools.arena.builder(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].into_iter().filter_map(|digit| HEX.get(usize::from(digit))).copied());
            }
        }
    }
    tools.built(out)
}

pub(super) fn url_decode<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    if matches!(input, Item::Nil) {
        return Ok(input);
    }
    let text = input.text(tools)?;
    if !text.contains(['+', '%']) {
        return Ok(Item::Text(text));
    }
    tools.text_made(text.len())?;
    let mut bytes = tools.arena.list(text.len());
    let mut rest = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match (byte, behind) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = behind;
                }
                _ => bytes.push(b'%'),
            },
            _ => bytes.push(*byte),
        }
    }
    match std::str::from_utf8(bytes.into_bump_slice()) {
        Ok(text) => Ok(Item::Text(text)),
        Err(_) => Err(Fault::new(Code::BadArgument, "what url_decode gives is not UTF-8")),
    }
}

fn encoded<'a>(tools: &Tools<'a>, input: Item<'a>, engine: &base64::engine::GeneralPurpose) -> Result<'a> {
    let text = input.text(tools)?;
    tools.text_made(text.len())?;
    let mut out: TextBuilder<'a> = tools.arena.builder(text.len() / 3 * 4 + 4);
    out.push_str(&engine.encode(text));
    tools.built(out)
}

pub(super) fn base64_encode<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    encoded(tools, input, &STANDARD)
}

pub(super) fn base64_url_safe_encode<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    encoded(tools, input, &URL_SAFE)
}

fn decoded<'a>(tools: &Tools<'a>, text: &str, filter: &str) -> Result<'a> {
    let bytes = STANDARD.decode(text).map_err(|_| {
        let shown = crate::text::shorten(text);
        Fault::new(Code::BadArgument, format!("{filter} takes base64; {shown:?} is none"))
    })?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Fault::new(Code::BadArgument, format!("what {filter} gives is not UTF-8")))?;
    tools.text_made(text.len())?;
    Ok(Item::Text(tools.arena.text(text)))
}

pub(super) fn base64_decode<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    decoded(tools, input.text(tools)?, "base64_decode")
}

pub(super) fn base64_url_safe_decode<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    let text = input.text(tools)?;
    tools.text_made(text.len())?;
    let mut padded: String = text
        .chars()
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    // As the reference does, the padding may be left away here.
    if !padded.ends_with('=') {
        while !padded.len().is_multiple_of(4) {
            padded.push('=');
        }
    }
    decoded(tools, &padded, "base64_url_safe_decode")
}
