//! `sort` and `sort_natural`.

use std::cmp::Ordering;

use crate::function::{Fallible, Fault};
use crate::text::Code;
use crate::value::Value;

use super::super::item::{Item, Tools};
use super::Arguments;
use super::list::items;
use super::select::{Found, property};

type Result<'a> = Fallible<Item<'a>>;

/// The items with what each is sorted by; `None` when an item cannot have the property.
fn keyed<'a>(
    tools: &Tools<'a>,
    input: Item<'a>,
    arguments: &Arguments<'a>,
) -> Fallible<Option<Vec<(Item<'a>, Value<'a>)>>> {
    let items = items(tools, input)?;
    tools.list_made(items.len())?;
    // A sort looks at each item some times more.
    tools.meter.step((items.len() / 4) as u64)?;
    if matches!(arguments.first, Item::Nil) {
        return Ok(Some(items.iter().map(|item| (Item::from(*item), *item)).collect()));
    }
    let bare = |item: &Value<'_>| matches!(item, Value::Absent | Value::Null | Value::Bool(_) | Value::Decimal(_));
    if items.iter().any(bare) {
        return Ok(None);
    }
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        // A single item is never compared with another, so its property is never asked for.
        let key = if items.len() == 1 { Found::Nothing } else { property(tools, *item, arguments.first)? };
        keyed.push((if let Found::Value(value) = key { value } else { Item::Nil }, *item));
    }
    Ok(Some(keyed))
}

fn listed<'a>(tools: &Tools<'a>, sorted: &[(Item<'a>, Value<'a>)]) -> Item<'a> {
    let mut list = tools.arena.list(sorted.len());
    list.extend(sorted.iter().map(|(_, item)| *item));
    Item::List(list.into_bump_slice())
}

pub(super) fn sort<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let Some(mut list) = keyed(tools, input, arguments)? else { return Ok(Item::Nil) };
    comparable(tools, &list)?;
    list.sort_by(|(a, _), (b, _)| nil_last(*a, *b).unwrap_or_else(|| a.order(*b).unwrap_or(Ordering::Equal)));
    Ok(listed(tools, &list))
}

/// Texts are sorted with texts and numbers with numbers; of anything else there must be one, or all equal.
fn comparable<'a>(tools: &Tools<'a>, list: &[(Item<'a>, Value<'a>)]) -> Fallible<()> {
    let mut keys = list.iter().map(|(key, _)| *key).filter(|key| !matches!(key, Item::Nil));
    let Some(first) = keys.next() else { return Ok(()) };
    for key in keys {
        let fits = match first {
            Item::Text(_) => matches!(key, Item::Text(_)),
            first if first.is_number() => key.is_number(),
            first => first.equals(key, tools)?,
        };
        if !fits {
            let (one, other) = (first.describe(), key.describe());
            let words = if one == other {
                format!("{one} and another one have no order")
            } else {
                format!("{one} and {other} have no order")
            };
            return Err(Fault::new(Code::BadArgument, words));
        }
    }
    Ok(())
}

/// The order of two items of which one is nil.
fn nil_last(a: Item<'_>, b: Item<'_>) -> Option<Ordering> {
    match (a, b) {
        (Item::Nil, Item::Nil) => Some(Ordering::Equal),
        (Item::Nil, _) => Some(Ordering::Greater),
        (_, Item::Nil) => Some(Ordering::Less),
        _ => None,
    }
}

pub(super) fn sort_natural<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let Some(mut list) = keyed(tools, input, arguments)? else { return Ok(Item::Nil) };
    for (key, _) in &mut list {
        if !matches!(key, Item::Nil) {
            *key = Item::Text(key.text(tools)?);
        }
    }
    let folded = |text: &'a str| text.bytes().map(|byte| byte.to_ascii_lowercase());
    list.sort_by(|(a, _), (b, _)| {
        nil_last(*a, *b).unwrap_or_else(|| match (a, b) {
            (Item::Text(a), Item::Text(b)) => folded(a).cmp(folded(b)),
            _ => Ordering::Equal,
        })
    });
    Ok(listed(tools, &list))
}
