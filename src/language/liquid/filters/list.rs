//! Filters on lists, and `default`, `size`, `first`, `last`.

use std::collections::HashSet;

use crate::function::{Fallible, Fault};
use crate::text::Code;
use crate::value::{ListBuilder, Value};

use super::super::item::{Item, Tools, numbers, push, range_length};
use super::super::number::Number;
use super::select::property;
use super::{Arguments, select};

type Result<'a> = Fallible<Item<'a>>;

/// The items that a list filter works on: lists are flattened, an object is one item, nil is none, anything else is one.
pub(super) fn items<'a>(tools: &Tools<'a>, input: Item<'a>) -> Fallible<&'a [Value<'a>]> {
    match input {
        Item::List(list) => {
            tools.meter.step((list.len() / 8) as u64)?;
            if !list.iter().any(|item| matches!(item, Value::List(_))) {
                return Ok(list);
            }
            let mut flat = tools.arena.list(list.len());
            flatten(tools, list, &mut flat)?;
            Ok(flat.into_bump_slice())
        }
        Item::Nil => Ok(&[]),
        Item::Range(first, last) => numbers(first, last, tools),
        other => Ok(tools.arena.slice(&[other.value(tools)?])),
    }
}

fn flatten<'a>(tools: &Tools<'a>, list: &[Value<'a>], flat: &mut ListBuilder<'a, Value<'a>>) -> Fallible<()> {
    for item in list {
        match item {
            Value::List(inner) => flatten(tools, inner, flat)?,
            other => flat.push(*other),
        }
    }
    tools.list_made(flat.len())
}

pub(super) fn join<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let glue = arguments.given_first().map_or(Ok(" "), |glue| glue.text(tools))?;
    let mut out = tools.arena.builder(32);
    if let Item::Range(first, last) = input {
        tools.meter.list(range_length(first, last))?;
        for number in first..=last {
            if number > first {
                out.push_str(glue);
            }
            push(&mut out, format_args!("{number}"));
            tools.meter.text(out.len())?;
        }
        return tools.built(out);
    }
    for (index, item) in items(tools, input)?.iter().enumerate() {
        if index > 0 {
            out.push_str(glue);
        }
        Item::from(*item).write(&mut out, tools)?;
    }
    tools.built(out)
}

pub(super) fn concat<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let Item::List(more) = arguments.first else {
        let what = arguments.first.describe();
        return Err(Fault::new(Code::BadArgument, format!("concat takes a list, not {what}")).at(0));
    };
    let items = items(tools, input)?;
    tools.list_made(items.len() + more.len())?;
    let mut list = tools.arena.list(items.len() + more.len());
    list.extend_from_slice_copy(items);
    list.extend_from_slice_copy(more);
    Ok(Item::List(list.into_bump_slice()))
}

pub(super) fn reverse<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    let items = items(tools, input)?;
    tools.list_made(items.len())?;
    let mut list = tools.arena.list(items.len());
    list.extend(items.iter().rev().copied());
    Ok(Item::List(list.into_bump_slice()))
}

pub(super) fn compact<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let items = items(tools, input)?;
    tools.list_made(items.len())?;
    let mut list = tools.arena.list(items.len());
    for item in items {
        let tested = match arguments.first {
            Item::Nil => Item::from(*item),
            key => match property(tools, *item, key)? {
                select::Found::Value(value) => value,
                select::Found::Nothing => return Ok(Item::Nil),
            },
        };
        if !matches!(tested, Item::Nil) {
            list.push(*item);
        }
    }
    Ok(Item::List(list.into_bump_slice()))
}

pub(super) fn uniq<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let items = items(tools, input)?;
    tools.list_made(items.len())?;
    let mut list = tools.arena.list(items.len());
    let mut texts: HashSet<&str> = HashSet::new();
    let mut whole: HashSet<i64> = HashSet::new();
    let mut others: Vec<Item<'a>> = Vec::new();
    for item in items {
        let key = match arguments.first {
            Item::Nil => Item::from(*item),
            key => match property(tools, *item, key)? {
                select::Found::Value(value) => value,
                select::Found::Nothing => return Ok(Item::Nil),
            },
        };
        let new = match key {
            Item::Text(text) => texts.insert(text),
            Item::Integer(number) => whole.insert(number),
            // 1.0 is 1 to everything else in Liquid, so it is here.
            Item::Decimal(number) if number.fract() == 0.0 && number.abs() < 9e15 => whole.insert(number as i64),
            other => {
                tools.meter.step((others.len() / 8) as u64)?;
                let mut known = false;
                for seen in &others {
                    known = known || seen.equals(other, tools)?;
                }
                if !known {
                    others.push(other);
                }
                !known
            }
        };
        if new {
            list.push(*item);
        }
    }
    Ok(Item::List(list.into_bump_slice()))
}

pub(super) fn map<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let items = items(tools, input)?;
    tools.list_made(items.len())?;
    let mut list = tools.arena.list(items.len());
    for item in items {
        list.push(match property(tools, *item, arguments.first)? {
            select::Found::Value(value) => value.value(tools)?,
            select::Found::Nothing => Value::Null,
        });
    }
    Ok(Item::List(list.into_bump_slice()))
}

pub(super) fn sum<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let items = items(tools, input)?;
    let mut total = Number::Small(0);
    for item in items {
        tools.meter.step(1)?;
        let value = match arguments.first {
            Item::Nil => Item::from(*item),
            key => match property(tools, *item, key)? {
                select::Found::Value(value) => value,
                select::Found::Nothing => Item::Integer(0),
            },
        };
        match value {
            Item::List(_) | Item::Range(..) => {
                for value in self::items(tools, value)? {
                    total = plus(tools, total, Item::from(*value))?;
                }
            }
            value => total = plus(tools, total, value)?,
        }
    }
    total.item(tools)
}

fn plus<'a>(tools: &Tools<'a>, total: Number, value: Item<'a>) -> Fallible<Number> {
    tools.meter.step(1)?;
    let value = Number::of(value)?;
    if let (Number::Small(left), Number::Small(right)) = (&total, &value)
        && let Some(sum) = left.checked_add(*right)
    {
        return Ok(Number::Small(sum));
    }
    Ok(total.plus(value))
}

pub(super) fn size<'a>(_: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Item<'a> {
    Item::Integer(i64::try_from(input.size().unwrap_or(0)).unwrap_or(i64::MAX))
}

pub(super) fn first<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Item<'a> {
    input.first(tools)
}

pub(super) fn last<'a>(_: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Item<'a> {
    input.last()
}

pub(super) fn default<'a>(_: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Item<'a> {
    let replaces = match input {
        Item::Nil => true,
        Item::Bool(flag) => !flag && !arguments.allow_false,
        Item::Text(text) => text.is_empty(),
        Item::List(items) => items.is_empty(),
        Item::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match (replaces, arguments.count) {
        (false, _) => input,
        (true, 0) => Item::Text(""),
        (true, _) => arguments.first,
    }
}
