//! [`Item`]: what an expression gives while a template runs, and how Liquid prints, tests and compares it.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::function::{Env, Fallible, Fault, Meter};
use crate::text::Code;
use crate::value::{Arena, MAX_MEMORY, TextBuilder, Value, to_json};

/// What bodies of filters and tags may use: memory, limits, the clock.
pub(super) struct Tools<'a> {
    pub(super) arena: &'a Arena,
    pub(super) env: &'a Env,
    pub(super) meter: Meter,
}

impl<'a> Tools<'a> {
    /// Counts a text of so many bytes that was made or read through.
    #[inline]
    pub(super) fn text_made(&self, bytes: usize) -> Fallible<()> {
        self.meter.text(bytes)?;
        self.meter.step(1 + (bytes / 64) as u64)?;
        if bytes > 4096 { self.memory() } else { Ok(()) }
    }

    /// Counts a list of so many items that was made or read through.
    #[inline]
    pub(super) fn list_made(&self, items: usize) -> Fallible<()> {
        self.meter.list(items)?;
        self.meter.step(1 + (items / 8) as u64)?;
        if items > 256 { self.memory() } else { Ok(()) }
    }

    /// A fault when the record's values take too much memory.
    pub(super) fn memory(&self) -> Fallible<()> {
        if self.arena.size() <= MAX_MEMORY {
            return Ok(());
        }
        Err(Fault::new(Code::Limit, format!("the record's values take more than {} MiB", MAX_MEMORY / (1024 * 1024))))
    }

    /// A built text as an item.
    #[inline]
    pub(super) fn built(&self, text: TextBuilder<'a>) -> Fallible<Item<'a>> {
        self.text_made(text.len())?;
        Ok(Item::Text(text.into_bump_str()))
    }
}

/// What an expression gives.
// The tag takes a whole word for the reason that `Value`'s does: an item goes through every filter by copy.
#[repr(u64)]
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Nil,
    Bool(bool),
    Integer(i64),
    /// A whole number of more than 64 bits, as its digits.
    Big(&'a str),
    Decimal(f64),
    Text(&'a str),
    List(&'a [Value<'a>]),
    Object(&'a [(&'a str, Value<'a>)]),
    /// `(first..last)`; empty when `last` is less.
    Range(i64, i64),
    /// `forloop` or `tablerowloop`.
    Loop(&'a Loop<'a>),
}

impl<'a> From<Value<'a>> for Item<'a> {
    #[inline]
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Text(text) => Item::Text(text),
            Value::Absent | Value::Null | Value::Ignored(_) => Item::Nil,
            Value::Bool(flag) => Item::Bool(flag),
            Value::Integer(number) => Item::Integer(number),
            Value::Decimal(number) => Item::Decimal(number),
            Value::List(items) => Item::List(items),
            Value::Object(fields) => Item::Object(fields),
        }
    }
}

impl<'a> Item<'a> {
    /// As a value: a range becomes its numbers, a large number its digits.
    pub(super) fn value(self, tools: &Tools<'a>) -> Fallible<Value<'a>> {
        Ok(match self {
            Item::Text(text) | Item::Big(text) => Value::Text(text),
            Item::Nil | Item::Loop(_) => Value::Null,
            Item::Bool(flag) => Value::Bool(flag),
            Item::Integer(number) => Value::Integer(number),
            Item::Decimal(number) => Value::Decimal(number),
            Item::List(items) => Value::List(items),
            Item::Object(fields) => Value::Object(fields),
            Item::Range(first, last) => Value::List(numbers(first, last, tools)?),
        })
    }

    /// Only nil and false are not.
    #[inline]
    pub(super) fn is_true(self) -> bool {
        !matches!(self, Item::Nil | Item::Bool(false))
    }

    /// The text it prints as.
    #[inline]
    pub(super) fn text(self, tools: &Tools<'a>) -> Fallible<&'a str> {
        match self {
            Item::Text(text) => Ok(text),
            Item::Nil => Ok(""),
            _ => self.made_text(tools),
        }
    }

    #[cold]
    fn made_text(self, tools: &Tools<'a>) -> Fallible<&'a str> {
        let mut out = tools.arena.builder(20);
        self.write(&mut out, tools)?;
        Ok(out.into_bump_str())
    }

    /// Prints it.
    #[inline]
    pub(super) fn write(self, out: &mut TextBuilder<'a>, tools: &Tools<'a>) -> Fallible<()> {
        match self {
            Item::Nil => return Ok(()),
            Item::Text(text) | Item::Big(text) => out.push_str(text),
            Item::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
            Item::Integer(number) => push(out, format_args!("{number}")),
            Item::Decimal(number) => out.push_str(&decimal_text(number)),
            Item::List(items) => {
                tools.meter.step((items.len() / 8) as u64)?;
                for item in items {
                    Item::from(*item).write(out, tools)?;
                }
            }
            Item::Object(fields) => push(out, format_args!("{}", to_json(Value::Object(fields)))),
            Item::Range(first, last) => push(out, format_args!("{first}..{last}")),
            Item::Loop(info) => out.push_str(info.kind_name()),
        }
        tools.meter.text(out.len())
    }

    /// How many items, characters or keys it has.
    pub(super) fn size(self) -> Option<usize> {
        match self {
            Item::Text(text) => Some(if text.is_ascii() { text.len() } else { text.chars().count() }),
            Item::List(items) => Some(items.len()),
            Item::Object(fields) => Some(fields.len()),
            Item::Range(first, last) => Some(range_length(first, last)),
            _ => None,
        }
    }

    /// The first item, pair or character.
    pub(super) fn first(self, tools: &Tools<'a>) -> Item<'a> {
        match self {
            Item::List(items) => items.first().copied().map_or(Item::Nil, Item::from),
            Item::Object([(key, value), ..]) => pair(key, *value, tools),
            Item::Range(first, last) if first <= last => Item::Integer(first),
            Item::Text(text) => {
                let end = text.chars().next().map_or(0, char::len_utf8);
                Item::Text(text.get(..end).unwrap_or_default())
            }
            _ => Item::Nil,
        }
    }

    /// The last item or character.
    pub(super) fn last(self) -> Item<'a> {
        match self {
            Item::List(items) => items.last().copied().map_or(Item::Nil, Item::from),
            Item::Range(first, last) if first <= last => Item::Integer(last),
            Item::Text(text) => {
                let start = text.char_indices().next_back().map_or(0, |(at, _)| at);
                Item::Text(text.get(start..).unwrap_or_default())
            }
            _ => Item::Nil,
        }
    }

    /// How much a comparison of it costs.
    fn weight(self) -> u64 {
        fn of(value: &Value<'_>) -> u64 {
            match value {
                Value::Text(text) => 1 + (text.len() / 64) as u64,
                Value::List(items) => 1 + items.iter().map(of).sum::<u64>(),
                Value::Object(fields) => 1 + fields.iter().map(|(_, value)| of(value)).sum::<u64>(),
                _ => 1,
            }
        }
        match self {
            Item::Text(text) => (text.len() / 64) as u64,
            Item::List(items) => items.iter().map(of).sum::<u64>() / 8,
            Item::Object(fields) => fields.iter().map(|(_, value)| of(value)).sum::<u64>() / 8,
            _ => 0,
        }
    }

    /// Whether the two are equal: `1` and `1.0` are, `1` and `'1'` are not.
    pub(super) fn equals(self, other: Item<'a>, tools: &Tools<'a>) -> Fallible<bool> {
        Ok(match (self, other) {
            (Item::Nil, Item::Nil) => true,
            (Item::Bool(a), Item::Bool(b)) => a == b,
            (Item::Integer(a), Item::Integer(b)) => a == b,
            (Item::Decimal(a), Item::Decimal(b)) => Value::Decimal(a) == Value::Decimal(b),
            (Item::Integer(a), Item::Decimal(b)) | (Item::Decimal(b), Item::Integer(a)) => {
                Value::Integer(a) == Value::Decimal(b)
            }
            (Item::Big(a), Item::Big(b)) => a == b,
            (Item::Text(a), Item::Text(b)) => a == b,
            (Item::Range(a, b), Item::Range(c, d)) => (a, b) == (c, d),
            (Item::List(a), Item::List(b)) => {
                tools.meter.step(self.weight().min(other.weight()))?;
                a == b
            }
            (Item::Object(a), Item::Object(b)) => {
                let (weight, other) = (self.weight(), other.weight());
                tools.meter.step(weight.saturating_mul(other.max(1)))?;
                Value::Object(a) == Value::Object(b)
            }
            (Item::Loop(a), Item::Loop(b)) => std::ptr::eq(a, b),
            _ => false,
        })
    }

    /// The order of two items; `None` when they have none.
    pub(super) fn order(self, other: Item<'a>) -> Option<Ordering> {
        match (self, other) {
            (Item::Text(a), Item::Text(b)) => Some(a.cmp(b)),
            (Item::Integer(a), Item::Integer(b)) => Some(a.cmp(&b)),
            (Item::Decimal(a), Item::Decimal(b)) => a.partial_cmp(&b),
            _ if self.is_number() && other.is_number() => {
                let (a, b) = (self.number_order()?, other.number_order()?);
                a.partial_cmp(&b)
            }
            _ => None,
        }
    }

    /// Whether it is a number itself, not the text of one.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Item::Integer(_) | Item::Big(_) | Item::Decimal(_))
    }

    fn number_order(self) -> Option<bigdecimal::BigDecimal> {
        super::number::Number::of(self).ok().map(super::number::Number::decimal)
    }

    /// For messages: what it is.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Item::Nil => "nil",
            Item::Bool(_) => "a boolean",
            Item::Integer(_) | Item::Big(_) | Item::Decimal(_) => "a number",
            Item::Text(_) => "a text",
            Item::List(_) => "a list",
            Item::Object(_) => "an object",
            Item::Range(..) => "a range",
            Item::Loop(_) => "a loop",
        }
    }
}

/// Formats into a text; writing to memory cannot fail.
pub(super) fn push(out: &mut TextBuilder<'_>, arguments: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(arguments);
}

/// How many numbers a range has.
pub(super) fn range_length(first: i64, last: i64) -> usize {
    if last < first {
        return 0;
    }
    usize::try_from(last.abs_diff(first)).unwrap_or(usize::MAX).saturating_add(1)
}

/// The numbers of a range as a list.
pub(super) fn numbers<'a>(first: i64, last: i64, tools: &Tools<'a>) -> Fallible<&'a [Value<'a>]> {
    let length = range_length(first, last);
    tools.list_made(length)?;
    let mut list = tools.arena.list(length);
    if length > 0 {
        list.extend((first..=last).map(Value::Integer));
    }
    Ok(list.into_bump_slice())
}

/// A key and its value as a list of two.
pub(super) fn pair<'a>(key: &'a str, value: Value<'a>, tools: &Tools<'a>) -> Item<'a> {
    Item::List(tools.arena.slice(&[Value::Text(key), value]))
}

/// A number with its decimal point: `5.0`. The digits are the fewest that read as the same number again.
pub(super) fn decimal_text(number: f64) -> String {
    let mut text = format!("{number}");
    if number.is_finite() && !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// Where a loop stands: what `forloop` and `tablerowloop` show.
#[derive(Debug)]
pub(super) struct Loop<'a> {
    pub(super) name: &'a str,
    pub(super) length: usize,
    /// Turns done, from 0.
    pub(super) index: Cell<usize>,
    pub(super) parent: Option<&'a Loop<'a>>,
    pub(super) table: Option<Table>,
}

/// Where a `tablerow` stands.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: i64,
    pub(super) column: Cell<i64>,
    pub(super) row: Cell<i64>,
}

impl<'a> Loop<'a> {
    fn kind_name(&self) -> &'static str {
        if self.table.is_some() { "tablerowloop" } else { "forloop" }
    }

    /// One of its properties.
    pub(super) fn property(&self, name: &str) -> Item<'a> {
        let whole = |number: usize| Item::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let index = self.index.get();
        match (name, &self.table) {
            ("length", _) => whole(self.length),
            ("index", _) => whole(index + 1),
            ("index0", _) => whole(index),
            ("rindex", _) => whole(self.length.saturating_sub(index)),
            ("rindex0", _) => whole(self.length.saturating_sub(index + 1)),
            ("first", _) => Item::Bool(index == 0),
            ("last", _) => Item::Bool(index + 1 == self.length),
            ("name", None) => Item::Text(self.name),
            ("parentloop", None) => self.parent.map_or(Item::Nil, Item::Loop),
            ("col", Some(table)) => Item::Integer(table.column.get()),
            ("col0", Some(table)) => Item::Integer(table.column.get() - 1),
            ("row", Some(table)) => Item::Integer(table.row.get()),
            ("col_first", Some(table)) => Item::Bool(table.column.get() == 1),
            ("col_last", Some(table)) => Item::Bool(table.column.get() == table.columns),
            _ => Item::Nil,
        }
    }

    /// Goes on to the next turn.
    pub(super) fn advance(&self) {
        self.index.set(self.index.get() + 1);
        if let Some(table) = &self.table {
            if table.column.get() == table.columns {
                table.column.set(1);
                table.row.set(table.row.get() + 1);
            } else {
                table.column.set(table.column.get() + 1);
            }
        }
    }
}
