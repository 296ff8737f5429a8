//! Filters that look into the items of a list: `where`, `reject`, `find`, `find_index`, `has`, and the property they share.

use crate::function::{Fallible, Fault};
use crate::text::{Code, shorten};
use crate::value::Value;

use super::super::item::{Item, Tools};
use super::super::number::Number;
use super::Arguments;
use super::list::items;

type Result<'a> = Fallible<Item<'a>>;

/// What looking for a property of an item gives.
pub(super) enum Found<'a> {
    Value(Item<'a>),
    /// Such an item has no properties at all: nil, booleans and decimals.
    Nothing,
}

/// A property of a list's item. That of an object is its value, that of a text the property itself when it is in there.
pub(super) fn property<'a>(tools: &Tools<'a>, item: Value<'a>, key: Item<'a>) -> Fallible<Found<'a>> {
    tools.meter.step(1)?;
    let refused = || {
        let shown = match key {
            Item::Text(text) => format!("{:?}", shorten(text)),
            other => other.describe().to_owned(),
        };
        Fault::new(Code::BadArgument, format!("cannot select the property {shown} of {}", Item::from(item).describe()))
            .at(0)
    };
    Ok(Found::Value(match (item, key) {
        (Value::Object(fields), Item::Text(name)) => {
            tools.meter.step((fields.len() / 16) as u64)?;
            fields.iter().find(|(key, _)| *key == name).map_or(Item::Nil, |(_, value)| Item::from(*value))
        }
        (Value::Object(_), _) => Item::Nil,
        (Value::Text(text), Item::Text(part)) => {
            tools.meter.step((text.len() / 64) as u64)?;
            if text.contains(part) { Item::Text(part) } else { Item::Nil }
        }
        (Value::Text(text), Item::Integer(_) | Item::Decimal(_)) => {
            let index = Number::of(key)?.to_i64();
            let size = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
            let index = if index < 0 { index.saturating_add(size) } else { index };
            let letter = usize::try_from(index).ok().and_then(|index| text.char_indices().nth(index));
            letter.and_then(|(at, letter)| text.get(at..at + letter.len_utf8())).map_or(Item::Nil, Item::Text)
        }
        (Value::Integer(number), Item::Integer(_) | Item::Decimal(_)) => {
            // A bit of it, as odd as that is.
            let bit = Number::of(key)?.to_i64();
            Item::Integer(if bit < 0 { 0 } else { number >> bit.min(63) & 1 })
        }
        (Value::Text(_) | Value::Integer(_), _) => return Err(refused()),
        (Value::List(items), Item::Integer(index)) => {
            usize::try_from(index).ok().and_then(|index| items.get(index)).map_or(Item::Nil, |value| Item::from(*value))
        }
        (Value::List(_), _) => return Err(refused()),
        _ => return Ok(Found::Nothing),
    }))
}

/// Whether an item is meant; `None` when it has no properties, which ends the filter.
fn is_meant<'a>(tools: &Tools<'a>, item: Value<'a>, arguments: &Arguments<'a>) -> Fallible<Option<bool>> {
    match property(tools, item, arguments.first)? {
        Found::Nothing => Ok(None),
        Found::Value(value) => match arguments.second {
            Item::Nil => Ok(Some(value.is_true())),
            wanted => value.equals(wanted, tools).map(Some),
        },
    }
}

fn chosen<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>, keep: bool) -> Result<'a> {
    let items = items(tools, input)?;
    tools.list_made(items.len())?;
    let mut list = tools.arena.list(items.len());
    for item in items {
        match is_meant(tools, *item, arguments)? {
            None => return Ok(Item::Nil),
            Some(meant) if meant == keep => list.push(*item),
            Some(_) => {}
        }
    }
    Ok(Item::List(list.into_bump_slice()))
}

pub(super) fn where_<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    chosen(tools, input, arguments, true)
}

pub(super) fn reject<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    // Texts without a property to look for: the published cases want nothing, where the other filters fail.
    if matches!(arguments.first, Item::Nil) && items(tools, input)?.iter().any(|item| matches!(item, Value::Text(_))) {
        return Ok(Item::Nil);
    }
    chosen(tools, input, arguments, false)
}

/// The first item that is meant, with its place.
enum Search<'a> {
    Found(usize, Value<'a>),
    Missing,
    /// An item without properties came first.
    Ended,
}

fn search<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Fallible<Search<'a>> {
    for (index, item) in items(tools, input)?.iter().enumerate() {
        match is_meant(tools, *item, arguments)? {
            None => return Ok(Search::Ended),
            Some(true) => return Ok(Search::Found(index, *item)),
            Some(false) => {}
        }
    }
    Ok(Search::Missing)
}

pub(super) fn find<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    Ok(match search(tools, input, arguments)? {
        Search::Found(_, item) => Item::from(item),
        Search::Missing | Search::Ended => Item::Nil,
    })
}

pub(super) fn find_index<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    Ok(match search(tools, input, arguments)? {
        Search::Found(index, _) => Item::Integer(i64::try_from(index).unwrap_or(i64::MAX)),
        Search::Missing | Search::Ended => Item::Nil,
    })
}

pub(super) fn has<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    Ok(match search(tools, input, arguments)? {
        Search::Found(..) => Item::Bool(true),
        Search::Missing => Item::Bool(false),
        Search::Ended => Item::Nil,
    })
}
