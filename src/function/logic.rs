//! Choices and tests, and the two questions every language asks: is this true, are these equal.

use std::cmp::Ordering;

use crate::text::Code;
use crate::value::{Ignore, Value, parse_integer};

use super::{Context, Fallible, Fault};

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Order {
    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Order::Equal => "=",
            Order::NotEqual => "<>",
            Order::Less => "<",
            Order::LessOrEqual => "<=",
            Order::Greater => ">",
            Order::GreaterOrEqual => ">=",
        }
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Order::Equal => ordering.is_eq(),
            Order::NotEqual => ordering.is_ne(),
            Order::Less => ordering.is_lt(),
            Order::LessOrEqual => ordering.is_le(),
            Order::Greater => ordering.is_gt(),
            Order::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A number as far as it is exact, and as it is rounded.
#[derive(Clone, Copy)]
struct Number {
    whole: Option<i64>,
    rounded: f64,
}

impl Number {
    fn of(value: Value<'_>) -> Option<Number> {
        let whole = |number: i64| Number { whole: Some(number), rounded: number as f64 };
        match value {
            Value::Integer(number) => Some(whole(number)),
            Value::Bool(flag) => Some(whole(i64::from(flag))),
            Value::Decimal(number) => Some(Number { whole: None, rounded: number }),
            Value::Text(text) => match parse_integer(text) {
                Some(number) => Some(whole(number)),
                // `nan` and `infinity` are words here.
                None => text
                    .trim()
                    .parse()
                    .ok()
                    .filter(|_| text.contains(|character: char| character.is_ascii_digit()))
                    .filter(|number: &f64| number.is_finite())
                    .map(|rounded| Number { whole: None, rounded }),
            },
            _ => None,
        }
    }

    /// The order of two numbers; whole ones are compared to the last digit.
    fn order(self, other: Number) -> Option<Ordering> {
        match (self.whole, other.whole) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => self.rounded.partial_cmp(&other.rounded),
        }
    }
}

/// Compares two values as Entra's conditions do.
///
/// A number against a number or a numeric text compares by value, and so do two numeric texts where an order is asked
/// for; everything else compares as text, by code unit. Null counts as `""` where equality is asked for and has no
/// order; nor has a number and something that is none.
pub fn compare<'a>(context: &Context<'a>, order: Order, left: Value<'a>, right: Value<'a>) -> Fallible<bool> {
    if let (Value::Text(left), Value::Text(right)) = (left, right)
        && matches!(order, Order::Equal | Order::NotEqual)
    {
        return Ok((left == right) == (order == Order::Equal));
    }
    let numeric = |value| matches!(value, Value::Integer(_) | Value::Decimal(_));
    let numbers = || Number::of(left)?.order(Number::of(right)?);
    if numeric(left) || numeric(right) {
        return Ok(numbers().map_or(order == Order::NotEqual, |ordering| order.holds(ordering)));
    }
    let left_text = context.text_of(left).map_err(|fault| fault.at(0))?.unwrap_or_default();
    let right_text = context.text_of(right).map_err(|fault| fault.at(1))?.unwrap_or_default();
    if !matches!(order, Order::Equal | Order::NotEqual) {
        if left.is_null() || right.is_null() {
            return Ok(false);
        }
        if let Some(ordering) = numbers() {
            return Ok(order.holds(ordering));
        }
    }
    Ok(order.holds(left_text.encode_utf16().cmp(right_text.encode_utf16())))
}

/// Whether a condition holds: a boolean, `True`/`False` in any case, a number that is not 0. Null and `""` do not hold.
pub fn truth<'a>(context: &Context<'a>, value: Value<'a>) -> Fallible<bool> {
    match value {
        Value::Bool(flag) => Ok(flag),
        Value::Integer(number) => Ok(number != 0),
        Value::Decimal(number) => Ok(number != 0.0),
        Value::Absent | Value::Null | Value::Ignored(_) => Ok(false),
        other => {
            let text = context.text_of(other)?.unwrap_or_default().trim();
            if text.is_empty() || text.eq_ignore_ascii_case("false") {
                Ok(false)
            } else if text.eq_ignore_ascii_case("true") {
                Ok(true)
            } else if let Some(number) = Number::of(Value::Text(text)) {
                Ok(number.rounded != 0.0)
            } else {
                Err(Fault::new(Code::Conversion, format!("{text:?} is neither true nor false"))
                    .help("compare it: `IIF([attribute] = \"value\", …, …)`"))
            }
        }
    }
}

/// Whether a Switch key matches: the same text, and `""` also matches null.
pub fn key_matches<'a>(context: &Context<'a>, source: Value<'a>, key: Value<'a>) -> Fallible<bool> {
    if let (Value::Text(source), Value::Text(key)) = (source, key) {
        return Ok(source == key);
    }
    let source = context.text_of(source).map_err(|fault| fault.at(0))?.unwrap_or_default();
    let key = context.text_of(key)?.unwrap_or_default();
    Ok(source == key)
}

/// `Not(source)`: false for `True`, true for everything else.
pub(super) fn not<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(Value::Bool(match context.argument(arguments, 0) {
        Value::Bool(flag) => !flag,
        _ => context.text(arguments, 0)? != Some("True"),
    }))
}

/// `CBool(expression)`.
pub(super) fn cbool<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    truth(context, context.argument(arguments, 0)).map(Value::Bool).map_err(|fault| fault.at(0))
}

/// `IsNull(source)`.
pub(super) fn is_null<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(Value::Bool(context.argument(arguments, 0).is_null()))
}

/// `IsNullOrEmpty(source)`.
pub(super) fn is_null_or_empty<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(Value::Bool(context.argument(arguments, 0).is_empty()))
}

/// `IsPresent(source)`.
pub(super) fn is_present<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(Value::Bool(!context.argument(arguments, 0).is_empty()))
}

/// `IsString(source)`: whether `CStr` would give a text.
pub(super) fn is_string<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(Value::Bool(context.argument(arguments, 0).text(context.arena).is_some()))
}

/// `IgnoreFlowIfNullOrEmpty(source)`.
pub(super) fn ignore_flow<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let value = context.argument(arguments, 0);
    Ok(if value.is_empty() { Value::Ignored(Ignore::Attribute) } else { value })
}
