//! Unique and random values, and what belongs to the tenant.

use std::fmt::Write as _;

use crate::text::Code;
use crate::value::Value;

use super::{Context, Detail, Fallible, Fault};

/// `Guid()`: a random GUID (RFC 9562 version 4), in small letters.
pub(super) fn guid<'a>(context: &Context<'a>, _: &[Value<'a>]) -> Fallible<Value<'a>> {
    if let Some(fixed) = &context.env.guid {
        return Ok(Value::Text(context.arena.text(fixed)));
    }
    let (high, low) = (context.random(), context.random());
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let mut out = context.arena.builder(36);
    let _ = write!(
        out,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    context.built(out)
}

const DIGITS: &str = "0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
/// The special characters of Active Directory's complexity rule.
const SPECIAL: &str = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/";

/// The longest text `RandomString` makes.
const MAX_RANDOM: i64 = 256;

/// `RandomString(length, minDigits, minSpecial, minUpper, minLower, avoid?)`.
pub(super) fn random_string<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let length = context.number(arguments, 0)?;
    let mut minimums = [0_i64; 4];
    for (index, minimum) in minimums.iter_mut().enumerate() {
        *minimum = context.integer(arguments, index + 1)?.unwrap_or(0);
        if !(0..=MAX_RANDOM).contains(minimum) {
            return Err(Fault::new(Code::BadArgument, format!("{minimum} is not between 0 and 256")).at(index + 1));
        }
    }
    let least: i64 = minimums.iter().sum();
    if !(1..=MAX_RANDOM).contains(&length) || length < least {
        return Err(Fault::new(
            Code::BadArgument,
            format!(
                "a random text of {length} characters cannot be made: the minimums add up to {least}, the most is 256"
            ),
        )
        .at(0));
    }
    if let Some(fixed) = &context.env.random {
        return Ok(Value::Text(context.arena.text(fixed)));
    }
    let avoid = context.text(arguments, 5)?.unwrap_or_default();
    let classes = [DIGITS, SPECIAL, UPPER, LOWER];
    let allowed = classes.map(|class| class.chars().filter(|letter| !avoid.contains(*letter)).collect::<Vec<_>>());
    // What is left beyond the minimums: the classes asked for, or letters and digits when none is.
    let filling: Vec<char> = allowed
        .iter()
        .zip(minimums)
        .enumerate()
        .filter(|(index, (_, minimum))| *minimum > 0 || (least == 0 && *index != 1))
        .flat_map(|(_, (class, _))| class.iter().copied())
        .collect();
    let mut letters = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let mut draw = |class: &[char], count: i64, argument: usize| -> Fallible<()> {
        for _ in 0..count {
            let index = usize::try_from(context.random_below(class.len() as u64)).unwrap_or_default();
            letters.push(*class.get(index).ok_or_else(|| {
                Fault::new(Code::BadArgument, "every character of a class that is asked for is to be avoided")
                    .at(argument)
            })?);
        }
        Ok(())
    };
    for (index, (class, minimum)) in allowed.iter().zip(minimums).enumerate() {
        draw(class, minimum, index + 1)?;
    }
    draw(&filling, length - least, 0)?;
    for last in (1..letters.len()).rev() {
        let other = usize::try_from(context.random_below(last as u64 + 1)).unwrap_or_default();
        letters.swap(last, other);
    }
    let mut out = context.arena.builder(letters.len());
    out.extend(letters);
    context.built(out)
}

/// A candidate of `SelectUniqueValue`, if it can be used: it has a text, and the text is not taken.
pub fn candidate<'a>(context: &Context<'a>, value: Value<'a>) -> Fallible<Option<Value<'a>>> {
    Ok(match context.text_of(value)? {
        None | Some("") => None,
        Some(text) => (!context.env.taken.is_taken(text)).then_some(Value::Text(text)),
    })
}

/// What `SelectUniqueValue` gives when no candidate can be used: null when there was none at all, else a fault.
pub fn none_free<'a>(candidates: usize) -> Fallible<Value<'a>> {
    if candidates == 0 {
        return Ok(Value::Null);
    }
    Err(Fault::of(Code::AllTaken, Detail::AllTaken { candidates })
        .help("add a candidate that is always free, such as one with `RandomString(3, 3, 0, 0, 0)` at the end"))
}

/// `DefaultDomain()`.
pub(super) fn default_domain<'a>(context: &Context<'a>, _: &[Value<'a>]) -> Fallible<Value<'a>> {
    match &context.env.default_domain {
        Some(domain) => Ok(Value::Text(context.arena.text(domain))),
        None => Err(Fault::new(Code::BadArgument, "no default domain is known")
            .help("write `defaultDomain = \"contoso.onmicrosoft.com\"` under `[env]`")),
    }
}

/// `Redact(source)`: the value flows, logs show `[Redact]`.
pub(super) fn redact<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Ok(context.argument(arguments, 0))
}

/// `Error(message)`.
pub(super) fn error<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let message = context.text(arguments, 0)?.unwrap_or("(no message)");
    Err(Fault::new(Code::Raised, message.to_owned()))
}
