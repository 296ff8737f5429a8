//! Filters on numbers.

use bigdecimal::RoundingMode;

use crate::function::Fallible;

use super::super::item::{Item, Tools};
use super::super::number::Number;
use super::Arguments;

type Result<'a> = Fallible<Item<'a>>;

macro_rules! calculation {
    ($name:ident, $small:ident, $number:ident) => {
        pub(super) fn $name<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
            if let (Item::Integer(left), Item::Integer(right)) = (input, arguments.first)
                && let Some(number) = left.$small(right)
            {
                return Ok(Item::Integer(number));
            }
            Number::of(input)?.$number(Number::of(arguments.first)?).item(tools)
        }
    };
}

calculation!(plus, checked_add, plus);
calculation!(minus, checked_sub, minus);
calculation!(times, checked_mul, times);

pub(super) fn divided_by<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let quotient = Number::of(input)?.divided_by(Number::of(arguments.first)?);
    quotient.map_err(|fault| fault.at(0))?.item(tools)
}

pub(super) fn modulo<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let rest = Number::of(input)?.modulo(Number::of(arguments.first)?);
    rest.map_err(|fault| fault.at(0))?.item(tools)
}

pub(super) fn abs<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    Number::of(input)?.abs().item(tools)
}

pub(super) fn ceil<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    Number::of(input)?.whole(RoundingMode::Ceiling).item(tools)
}

pub(super) fn floor<'a>(tools: &Tools<'a>, input: Item<'a>, _: &Arguments<'a>) -> Result<'a> {
    Number::of(input)?.whole(RoundingMode::Floor).item(tools)
}

pub(super) fn round<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let digits = Number::of(arguments.first)?.to_i64();
    Number::of(input)?.round(digits).item(tools)
}

pub(super) fn at_least<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (number, least) = (Number::of(input)?, Number::of(arguments.first)?);
    if number.compare(&least).is_lt() { least.item(tools) } else { number.item(tools) }
}

pub(super) fn at_most<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Result<'a> {
    let (number, most) = (Number::of(input)?, Number::of(arguments.first)?);
    if number.compare(&most).is_gt() { most.item(tools) } else { number.item(tools) }
}
