//! [`Number`]: Liquid's arithmetic. Whole numbers have no size (but a limit of digits), all others are decimal, so that
//! 0.1 and 0.2 are 0.3; what is not a number is one after all, by the reference's rules.

use std::cmp::Ordering;
use std::str::FromStr;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode, Signed, ToPrimitive, Zero};

use crate::function::{Fallible, Fault};
use crate::text::Code;

use super::item::{Item, Tools};

/// The most digits a number may have.
const MAX_DIGITS: usize = 1_000;

/// A number while it is calculated with.
#[derive(Debug, Clone)]
pub(super) enum Number {
    Small(i64),
    Big(BigInt),
    Decimal(BigDecimal),
}

fn too_long() -> Box<Fault> {
    Fault::new(Code::Limit, format!("the number would have more than {MAX_DIGITS} digits"))
}

impl Number {
    /// The number of an item: text is its leading whole number, or a decimal when it is wholly one; nil is 0.
    pub(super) fn of(item: Item<'_>) -> Fallible<Number> {
        match item {
            Item::Integer(number) => Ok(Number::Small(number)),
            Item::Decimal(number) => Ok(Number::Decimal(of_float(number))),
            Item::Big(digits) => whole(digits),
            Item::Text(text) => of_text(text),
            _ => Ok(Number::Small(0)),
        }
    }

    /// The number as a decimal.
    pub(super) fn decimal(self) -> BigDecimal {
        match self {
            Number::Small(number) => BigDecimal::from(number),
            Number::Big(number) => BigDecimal::from(number),
            Number::Decimal(number) => number,
        }
    }

    fn big(self) -> Option<BigInt> {
        match self {
            Number::Small(number) => Some(BigInt::from(number)),
            Number::Big(number) => Some(number),
            Number::Decimal(_) => None,
        }
    }

    /// The number as an item.
    pub(super) fn item<'a>(self, tools: &Tools<'a>) -> Fallible<Item<'a>> {
        match self {
            Number::Small(number) => Ok(Item::Integer(number)),
            Number::Big(number) => match number.to_i64() {
                Some(small) => Ok(Item::Integer(small)),
                None => {
                    check_bits(&number)?;
                    Ok(Item::Big(tools.arena.text(&number.to_string())))
                }
            },
            Number::Decimal(number) => to_float(&number).map(Item::Decimal),
        }
    }

    /// Both as whole numbers, or both as decimals.
    fn pair(self, other: Number) -> Pair {
        match (self, other) {
            (one @ Number::Decimal(_), other) | (one, other @ Number::Decimal(_)) => {
                Pair::Decimal(one.decimal(), other.decimal())
            }
            (one, other) => match (one.big(), other.big()) {
                (Some(one), Some(other)) => Pair::Whole(one, other),
                _ => Pair::Whole(BigInt::zero(), BigInt::zero()),
            },
        }
    }

    pub(super) fn plus(self, other: Number) -> Number {
        match self.pair(other) {
            Pair::Whole(a, b) => Number::Big(a + b),
            Pair::Decimal(a, b) => Number::Decimal(a + b),
        }
    }

    pub(super) fn minus(self, other: Number) -> Number {
        match self.pair(other) {
            Pair::Whole(a, b) => Number::Big(a - b),
            Pair::Decimal(a, b) => Number::Decimal(a - b),
        }
    }

    pub(super) fn times(self, other: Number) -> Number {
        match self.pair(other) {
            Pair::Whole(a, b) => Number::Big(a * b),
            Pair::Decimal(a, b) => Number::Decimal(a * b),
        }
    }

    /// Whole numbers are divided to the whole number below.
    pub(super) fn divided_by(self, other: Number) -> Fallible<Number> {
        match self.pair(other) {
            Pair::Whole(a, b) if !b.is_zero() => {
                let rest = &a % &b;
                let quotient = a / &b;
                let below = !rest.is_zero() && (rest.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
                Ok(Number::Big(if below { quotient - 1 } else { quotient }))
            }
            Pair::Decimal(a, b) if !b.is_zero() => Ok(Number::Decimal(a / b)),
            _ => Err(Fault::new(Code::BadArgument, "a number cannot be divided by 0")),
        }
    }

    /// The rest, with the sign of the divisor.
    pub(super) fn modulo(self, other: Number) -> Fallible<Number> {
        let rest = |a: BigInt, b: &BigInt| {
            let rest = a % b;
            let moves = !rest.is_zero() && (rest.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
            if moves { rest + b } else { rest }
        };
        match self.pair(other) {
            Pair::Whole(a, b) if !b.is_zero() => Ok(Number::Big(rest(a, &b))),
            Pair::Decimal(a, b) if !b.is_zero() => {
                let scale = a.fractional_digit_count().max(b.fractional_digit_count()).max(0);
                let whole = |number: &BigDecimal| number.with_scale(scale).into_bigint_and_exponent().0;
                Ok(Number::Decimal(BigDecimal::new(rest(whole(&a), &whole(&b)), scale)))
            }
            _ => Err(Fault::new(Code::BadArgument, "a number cannot be divided by 0")),
        }
    }

    pub(super) fn abs(self) -> Number {
        match self {
            Number::Small(number) => {
                number.checked_abs().map_or_else(|| Number::Big(BigInt::from(number).abs()), Number::Small)
            }
            Number::Big(number) => Number::Big(number.abs()),
            Number::Decimal(number) => Number::Decimal(number.abs()),
        }
    }

    /// The whole number that the mode gives; whole numbers stay as they are.
    pub(super) fn whole(self, mode: RoundingMode) -> Number {
        match self {
            Number::Decimal(number) => Number::Big(number.with_scale_round(0, mode).into_bigint_and_exponent().0),
            other => other,
        }
    }

    /// Rounded half away from zero. With 0 digits and fewer a whole number comes out.
    pub(super) fn round(self, digits: i64) -> Number {
        const FAR: i64 = MAX_DIGITS as i64 + 400;
        match self {
            Number::Decimal(number) if digits > 0 => Number::Decimal(if digits > FAR {
                number
            } else {
                number.with_scale_round(digits, RoundingMode::HalfUp)
            }),
            whole @ (Number::Small(_) | Number::Big(_)) if digits >= 0 => whole,
            _ if digits < -FAR => Number::Small(0),
            number => {
                let rounded = number.decimal().with_scale_round(digits, RoundingMode::HalfUp).with_scale(0);
                Number::Big(rounded.into_bigint_and_exponent().0)
            }
        }
    }

    pub(super) fn compare(&self, other: &Number) -> Ordering {
        match (self, other) {
            (Number::Small(a), Number::Small(b)) => a.cmp(b),
            _ => self.clone().decimal().cmp(&other.clone().decimal()),
        }
    }

    /// The number cut to 64 bits.
    pub(super) fn to_i64(&self) -> i64 {
        let cut =
            |number: &BigInt| number.to_i64().unwrap_or(if number.sign() == Sign::Minus { i64::MIN } else { i64::MAX });
        match self {
            Number::Small(number) => *number,
            Number::Big(number) => cut(number),
            Number::Decimal(number) => {
                cut(&number.with_scale_round(0, RoundingMode::Down).into_bigint_and_exponent().0)
            }
        }
    }
}

enum Pair {
    Whole(BigInt, BigInt),
    Decimal(BigDecimal, BigDecimal),
}

fn check_bits(number: &BigInt) -> Fallible<()> {
    // A digit is 3.33 bits.
    if number.bits() > (MAX_DIGITS as u64) * 10 / 3 { Err(too_long()) } else { Ok(()) }
}

/// A float's shortest digits as a decimal.
fn of_float(number: f64) -> BigDecimal {
    BigDecimal::from_str(&format!("{number:e}")).unwrap_or_default()
}

/// The float nearest to a decimal.
fn to_float(number: &BigDecimal) -> Fallible<f64> {
    let (digits, exponent) = number.as_bigint_and_exponent();
    let float: f64 = format!("{digits}e{}", -exponent).parse().unwrap_or(f64::NAN);
    if float.is_finite() { Ok(float) } else { Err(Fault::new(Code::Limit, "the number is too large")) }
}

/// The digits of a whole number, with a sign or without.
fn whole(digits: &str) -> Fallible<Number> {
    if let Ok(small) = digits.parse::<i64>() {
        return Ok(Number::Small(small));
    }
    if digits.len() > MAX_DIGITS {
        return Err(too_long());
    }
    Ok(BigInt::from_str(digits).map_or(Number::Small(0), Number::Big))
}

/// Whether the text is `-?\d+\.\d+`.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    unsigned.split_once('.').is_some_and(|(whole, fraction)| digits(whole) && digits(fraction))
}

fn of_text(text: &str) -> Fallible<Number> {
    let text = text.trim_matches(super::lexer::is_space);
    if is_decimal(text) {
        if text.len() > MAX_DIGITS {
            return Err(too_long());
        }
        return Ok(BigDecimal::from_str(text).map_or(Number::Small(0), Number::Decimal));
    }
    whole(leading_integer(text))
}

/// The whole number at the start of a text; "0" when there is none.
fn leading_integer(text: &str) -> &str {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { "0" } else { text.get(..sign + digits).unwrap_or("0") }
}

/// The whole number of an argument: a number without fraction, or a text that is one.
pub(super) fn integer(item: Item<'_>) -> Fallible<i64> {
    match item {
        Item::Integer(number) => Ok(number),
        Item::Big(digits) => Ok(if digits.starts_with('-') { i64::MIN } else { i64::MAX }),
        Item::Text(text) => {
            let text = text.trim_matches(super::lexer::is_space);
            let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
            if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Fault::new(
                    Code::Conversion,
                    format!("{:?} is not a whole number", crate::text::shorten(text)),
                ));
            }
            Ok(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
        }
        Item::Decimal(number) => {
            Err(Fault::new(Code::Conversion, format!("{} is not a whole number", super::item::decimal_text(number))))
        }
        other => Err(Fault::new(Code::Conversion, format!("{} is not a whole number", other.describe()))),
    }
}

/// The end of a range: text and nil go by their leading whole number.
pub(super) fn range_end(item: Item<'_>) -> Fallible<i64> {
    match item {
        Item::Nil => Ok(0),
        Item::Text(text) => {
            let digits = leading_integer(text.trim_start_matches(super::lexer::is_space));
            Ok(digits.parse().unwrap_or(if digits.starts_with('-') { i64::MIN } else { i64::MAX }))
        }
        other => integer(other),
    }
}
