//! Filters on text: letter case, whitespace, parts, replacing.

use crate::function::Fallible;
use crate::value::Value;

use super::super::item::{Item, Tools};
use super::super::lexer::is_space;
use super::super::number::integer;
use super::Arguments;

type Result<'a> = Fallible<Item<'a>>;

/// What `strip` takes away: Ruby counts the zero byte as well.
fn is_blank(character: char) -> bool {
    is_space(character) || character == '\0'
}

pub(super) fn append<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    joined(tools, input.text(tools)?, arguments.first.text(tools)?)
}

pub(super) fn prepend<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    joined(tools, arguments.first.text(tools)?, input.text(tools)?)
}

fn joined<'a>(tools: &Tools<'a>, first: &'a str, second: &'a str) -> Result<'a> {
    if first.is_empty() {
        return Ok(Item::Text(second));
    }
    if second.is_empty() {
        return Ok(Item::Text(first));
    }
    let length = first.len() + second.len();
    tools.text_made(length)?;
    let mut out = tools.arena.builder(length);
    out.push_str(first);
    out.push_str(second);
    Ok(Item::Text(out.into_bump_str()))
}

pub(super) fn downcase<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    let text = input.text(tools)?;
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(Item::Text(text));
        }
        let mut out = tools.arena.builder(text.len());
        out.push_str(text);
        out.make_ascii_lowercase();
        return tools.built(out);
    }
    cased(tools, text, |letter| letter.to_ascii_lowercase(), char::to_lowercase)
}

/// The letters in another case: one by one, and those of ASCII without the tables for all others.
fn cased<'a, C: Iterator<Item = char>>(
    tools: &Tools<'a>,
    text: &str,
    ascii: impl Fn(char) -> char,
    other: impl Fn(char) -> C,
) -> Result<'a> {
    let mut out = tools.arena.builder(text.len() + 8);
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(ascii(letter));
        } else {
            out.extend(other(letter));
        }
    }
    tools.built(out)
}

pub(super) fn upcase<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    let text = input.text(tools)?;
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Ok(Item::Text(text));
        }
        let mut out = tools.arena.builder(text.len());
        out.push_str(text);
        out.make_ascii_uppercase();
        return tools.built(out);
    }
    cased(tools, text, |letter| letter.to_ascii_uppercase(), char::to_uppercase)
}

pub(super) fn capitalize<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    let text = input.text(tools)?;
    let mut letters = text.chars();
    let mut out = tools.arena.builder(text.len() + 8);
    if let Some(first) = letters.next() {
        // Of several letters that one becomes, as ß does, only the first is a capital.
        let mut upper = first.to_uppercase();
        out.extend(upper.next());
        out.extend(upper.flat_map(char::to_lowercase));
    }
    out.extend(letters.flat_map(char::to_lowercase));
    tools.built(out)
}

pub(super) fn strip<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    Ok(Item::Text(input.text(tools)?.trim_matches(is_blank)))
}

pub(super) fn lstrip<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    Ok(Item::Text(input.text(tools)?.trim_start_matches(is_blank)))
}

pub(super) fn rstrip<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    Ok(Item::Text(input.text(tools)?.trim_end_matches(is_blank)))
}

pub(super) fn squish<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    if matches!(input, Item::Nil) {
        return Ok(input);
    }
    let text = input.text(tools)?.trim_matches(is_blank);
    let mut out = tools.arena.builder(text.len());
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    tools.built(out)
}

pub(super) fn strip_newlines<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    newlines(tools, input, "")
}

pub(super) fn newline_to_br<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    newlines(tools, input, "<br />\n")
}

fn newlines<'a>(tools: &Tools<'a>, input: Item<'a>, instead: &str) -> Result<'a> {
    let text = input.text(tools)?;
    if !text.contains('\n') {
        return Ok(Item::Text(text));
    }
    let mut out = tools.arena.builder(text.len());
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            out.push_str(line);
            break;
        }
        out.push_str(line.strip_suffix('\r').unwrap_or(line));
        out.push_str(instead);
        tools.meter.text(out.len())?;
    }
    tools.built(out)
}

pub(super) fn replace<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (text, from, to) = (input.text(tools)?, arguments.first.text(tools)?, arguments.second.text(tools)?);
    all_replaced(tools, text, from, to)
}

pub(super) fn remove<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    all_replaced(tools, input.text(tools)?, arguments.first.text(tools)?, "")
}

fn all_replaced<'a>(tools: &Tools<'a>, text: &'a str, from: &str, to: &str) -> Result<'a> {
    if from.is_empty() && to.is_empty() {
        return Ok(Item::Text(text));
    }
    // The search for one character is a loop; that for a text prepares itself first, which costs more than a short text takes.
    match from.as_bytes() {
        [byte] => put_in_place(tools, text, text.match_indices(char::from(*byte)), to),
        _ => put_in_place(tools, text, text.match_indices(from), to),
    }
}

/// The text with `to` in the place of each match.
fn put_in_place<'a, 't>(
    tools: &Tools<'a>,
    text: &'a str,
    mut matches: impl Iterator<Item = (usize, &'t str)>,
    to: &str,
) -> Result<'a> {
    let Some((mut at, mut matched)) = matches.next() else {
        tools.meter.step((text.len() / 64) as u64)?;
        return Ok(Item::Text(text));
    };
    let mut out = tools.arena.builder(text.len());
    let mut last = 0;
    loop {
        out.push_str(text.get(last..at).unwrap_or_default());
        out.push_str(to);
        last = at + matched.len();
        // Looked at while it grows: a replacement can be much longer than what it stands for.
        tools.meter.text(out.len())?;
        match matches.next() {
            Some(next) => (at, matched) = next,
            None => break,
        }
    }
    out.push_str(text.get(last..).unwrap_or_default());
    tools.built(out)
}

/// The text with `to` instead of the bytes `at..at + length`.
fn one_replaced<'a>(tools: &Tools<'a>, text: &'a str, at: Option<usize>, length: usize, to: &str) -> Result<'a> {
    tools.meter.step((text.len() / 64) as u64)?;
    let Some(at) = at else { return Ok(Item::Text(text)) };
    let mut out = tools.arena.builder(text.len() + to.len());
    out.push_str(text.get(..at).unwrap_or_default());
    out.push_str(to);
    out.push_str(text.get(at + length..).unwrap_or_default());
    tools.built(out)
}

pub(super) fn replace_first<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (text, from) = (input.text(tools)?, arguments.first.text(tools)?);
    one_replaced(tools, text, text.find(from), from.len(), arguments.second.text(tools)?)
}

pub(super) fn replace_last<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (text, from) = (input.text(tools)?, arguments.first.text(tools)?);
    one_replaced(tools, text, text.rfind(from), from.len(), arguments.second.text(tools)?)
}

pub(super) fn remove_first<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (text, from) = (input.text(tools)?, arguments.first.text(tools)?);
    one_replaced(tools, text, text.find(from), from.len(), "")
}

pub(super) fn remove_last<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (text, from) = (input.text(tools)?, arguments.first.text(tools)?);
    one_replaced(tools, text, text.rfind(from), from.len(), "")
}

pub(super) fn slice<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let start = integer(arguments.first).map_err(|fault| fault.at(0))?;
    let length = if arguments.second.is_true() { integer(arguments.second).map_err(|fault| fault.at(1))? } else { 1 };
    if let Item::List(items) = input {
        let (from, to) = part(items.len(), start, length).unwrap_or((0, 0));
        return Ok(Item::List(items.get(from..to).unwrap_or_default()));
    }
    let text = input.text(tools)?;
    tools.meter.step((text.len() / 64) as u64)?;
    let count = if text.is_ascii() { text.len() } else { text.chars().count() };
    let (from, to) = part(count, start, length).unwrap_or((0, 0));
    Ok(Item::Text(characters(text, from, to)))
}

/// The characters `from..to` of a text.
fn characters(text: &str, from: usize, to: usize) -> &str {
    if text.is_ascii() {
        return text.get(from..to).unwrap_or_default();
    }
    let at = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
    text.get(at(from)..at(to)).unwrap_or_default()
}

/// Which of `count` things a slice takes; `None` when it begins outside or its length is negative.
fn part(count: usize, start: i64, length: i64) -> Option<(usize, usize)> {
    let count = i64::try_from(count).ok()?;
    let from = if start < 0 { start.checked_add(count)? } else { start };
    if from < 0 || from > count || length < 0 {
        return None;
    }
    let to = from.saturating_add(length).min(count);
    Some((usize::try_from(from).ok()?, usize::try_from(to).ok()?))
}

pub(super) fn truncate<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    if matches!(input, Item::Nil) {
        return Ok(input);
    }
    let text = input.text(tools)?;
    let length = arguments.given_first().map_or(Ok(50), integer).map_err(|fault| fault.at(0))?;
    let ellipsis = arguments.given_second().map_or(Ok("..."), |item| item.text(tools))?;
    tools.meter.step((text.len() / 64) as u64)?;
    if i64::try_from(text.chars().count()).unwrap_or(i64::MAX) <= length {
        return Ok(Item::Text(text));
    }
    let kept = length.saturating_sub(i64::try_from(ellipsis.chars().count()).unwrap_or(i64::MAX));
    let kept = characters(text, 0, usize::try_from(kept).unwrap_or(0));
    let mut out = tools.arena.builder(kept.len() + ellipsis.len());
    out.push_str(kept);
    out.push_str(ellipsis);
    tools.built(out)
}

pub(super) fn truncatewords<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    if matches!(input, Item::Nil) {
        return Ok(input);
    }
    let text = input.text(tools)?;
    let words = arguments.given_first().map_or(Ok(15), integer).map_err(|fault| fault.at(0))?.max(1);
    let ellipsis = arguments.given_second().map_or(Ok("..."), |item| item.text(tools))?;
    let mut out = tools.arena.builder(text.len().min(4096));
    let mut rest = text;
    let mut taken = 0;
    while taken < words {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return Ok(Item::Text(text));
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if taken > 0 {
            out.push(' ');
        }
        out.push_str(word);
        rest = behind;
        taken += 1;
    }
    tools.meter.step((text.len() / 64) as u64)?;
    // A space behind the last word is the beginning of another one to the reference.
    if rest.is_empty() {
        return Ok(Item::Text(text));
    }
    out.push_str(ellipsis);
    tools.built(out)
}

pub(super) fn split<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (text, by) = (input.text(tools)?, arguments.first.text(tools)?);
    tools.meter.step((text.len() / 64) as u64)?;
    let mut list = tools.arena.list(4);
    let most = tools.meter.limits().list;
    // One more than allowed is enough to know.
    match by {
        " " => {
            let words = text.split(is_space).filter(|word| !word.is_empty());
            list.extend(words.take(most + 1).map(Value::Text));
        }
        "" => {
            let letters =
                text.char_indices().map(|(at, letter)| text.get(at..at + letter.len_utf8()).unwrap_or_default());
            list.extend(letters.take(most + 1).map(Value::Text));
        }
        _ => {
            match by.as_bytes() {
                // As in `all_replaced`.
                [byte] => list.extend(text.split(char::from(*byte)).take(most + 1).map(Value::Text)),
                _ => list.extend(text.split(by).take(most + 1).map(Value::Text)),
            }
            while matches!(list.last(), Some(Value::Text(""))) {
                list.pop();
            }
        }
    }
    tools.list_made(list.len())?;
    Ok(Item::List(list.into_bump_slice()))
}
