//! Functions for multi-valued attributes. A single value counts as a list of one.

use std::collections::HashSet;

use crate::text::Code;
use crate::value::Value;

use super::{Context, Detail, Fallible, Fault};

/// The values of an argument: none for null, one for a single value.
fn items<'a>(context: &Context<'a>, arguments: &[Value<'a>], index: usize) -> &'a [Value<'a>] {
    match context.argument(arguments, index) {
        Value::List(items) => items,
        value if value.is_null() => &[],
        value => context.arena.slice(&[value]),
    }
}

/// `Count(multi)`.
pub(super) fn count<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(Value::Integer(items(context, arguments, 0).len() as i64))
}

/// `Item(multi, index)`, from 1.
pub(super) fn item<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    if context.argument(arguments, 0).is_null() {
        return Ok(Value::Null);
    }
    let items = items(context, arguments, 0);
    let index = context.number(arguments, 1)?;
    let found = index.checked_sub(1).and_then(|place| usize::try_from(place).ok()).and_then(|place| items.get(place));
    found.copied().ok_or_else(|| {
        Fault::of(Code::OutOfRange, Detail::NoItem { index, count: items.len() })
            .at(1)
            .help("test with `IIF(Count(…) >= n, Item(…, n), …)`, or say `on_error = \"null\"` in the rule")
    })
}

/// `RemoveDuplicates(multi)`: the first of equal values stays, letter case counts.
pub(super) fn remove_duplicates<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Value::List(items) = context.argument(arguments, 0) else { return Ok(context.argument(arguments, 0)) };
    let mut seen = HashSet::with_capacity(items.len());
    let mut list = context.arena.list(items.len());
    for item in items {
        // Complex values are told apart by their JSON text.
        let key = item.text(context.arena).map_or_else(|| crate::value::to_json(*item).to_string(), str::to_owned);
        if seen.insert(key) {
            list.push(*item);
        }
    }
    Ok(Value::List(list.into_bump_slice()))
}

/// `Contains(multi, search, compare?)`: the place, from 1, of the first value that holds the text; 0 when none does.
pub(super) fn contains<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let search = context.text(arguments, 1)?.unwrap_or_default();
    let ignore_case = context.text(arguments, 2)?.is_some_and(|word| word.eq_ignore_ascii_case("vbTextCompare"));
    for (index, item) in items(context, arguments, 0).iter().enumerate() {
        let text = context.text_of(*item).map_err(|fault| fault.at(0))?.unwrap_or_default();
        if crate::dotnet::utf16::find(text, search, 0, ignore_case).is_some() {
            return Ok(Value::Integer(index as i64 + 1));
        }
    }
    Ok(Value::Integer(0))
}
