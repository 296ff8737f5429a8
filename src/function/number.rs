//! Numbers.

use crate::value::Value;

use super::{Context, Fallible};

/// `BitAnd(value1, value2)`.
pub(super) fn bit_and<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(match (context.integer(arguments, 0)?, context.integer(arguments, 1)?) {
        (Some(left), Some(right)) => Value::Integer(left & right),
        _ => Value::Null,
    })
}

/// `CStr(value)`.
pub(super) fn cstr<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(context.text(arguments, 0)?.map_or(Value::Null, Value::Text))
}
