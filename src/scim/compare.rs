//! When two values are the same and which comes first: letter case, instants, numbers, and what counts as no value.
//!
//! Filters, sorting, PATCH and the store's indexes all ask here, so that they agree.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

/// The text with letter case taken out, as attributes without `caseExact` compare (RFC 7643, section 2.2).
///
/// Each character is folded by itself: an index key and a comparison of pieces give the same answer.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else if text.is_ascii() {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    }
}

/// Whether the texts are the same, letter case aside when `exact` is not set.
pub fn same_text(a: &str, b: &str, exact: bool) -> bool {
    if exact || a == b {
        return a == b;
    }
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

/// Which text comes first.
pub fn order_text(a: &str, b: &str, exact: bool) -> Ordering {
    if exact { a.cmp(b) } else { fold(a).cmp(&fold(b)) }
}

/// Whether a value is none: null, an empty text, list or object, or one of only such (RFC 7643, section 2.5).
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The field of that name; letter case aside when it is not there as written.
pub fn field<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    map.get(name).or_else(|| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A boolean, also as the text that Entra makes of it.
pub(super) fn boolean_text(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Which number comes first; whole numbers keep all their digits.
pub(super) fn order_numbers(a: &serde_json::Number, b: &serde_json::Number) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// A point in time, as an `xsd:dateTime` names one (RFC 7643, section 2.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanos: u32,
}

impl Timestamp {
    /// Reads `2011-05-13T04:42:34Z`. What is behind the day may be missing, and without a zone it is UTC: Entra sends
    /// `0001-01-03T`. Digits of a second behind the ninth are cut.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let mut parts = date.splitn(3, '-');
        let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let days = days_from_civil(year, month, day)?;
        let rest = match rest.strip_prefix(['T', 't', ' ']) {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return None,
        };
        let (clock, offset) = split_zone(rest)?;
        let (hour, minute, second, nanos) = read_clock(clock)?;
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Self { seconds, nanos })
    }
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Days from 1970 to a day of the Gregorian calendar; `None` for days that are not in it.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=most).contains(&day) {
        return None;
    }
    // Years that begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// The time of day and the offset of its zone in seconds.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, 0)) };
    let (clock, zone) = text.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some((clock, sign * (hours * 3_600 + minutes * 60)))
}

fn read_clock(text: &str) -> Option<(i64, i64, i64, u32)> {
    if text.is_empty() {
        return Some((0, 0, 0, 0));
    }
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, ""),
        Some(text) => match text.split_once('.') {
            Some((second, fraction)) => (digits(second, 2)?, fraction),
            None => (digits(text, 2)?, ""),
        },
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    // 24:00:00 is the end of the day in XML, and second 60 a leap second.
    (hour <= 24 && minute < 60 && second <= 60).then_some((hour, minute, second, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_their_zone() {
        let at = |text| Timestamp::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(at("1970-01-01T00:00:00Z"), Timestamp { seconds: 0, nanos: 0 });
        assert_eq!(at("2011-05-13T04:42:34Z").seconds, 1_305_261_754);
        assert_eq!(at("2011-05-13T06:42:34+02:00"), at("2011-05-13T04:42:34Z"));
        assert_eq!(at("2011-05-13T04:42:34.5Z").nanos, 500_000_000);
        assert_eq!(at("2011-05-13"), at("2011-05-13T00:00Z"));
        assert!(at("0001-01-03T") < at("0001-01-03T00:00:01"));
        for text in [
            "",
            "2011",
            "2011-02-29",
            "2011-13-01",
            "2011-05-13T25:00:00Z",
            "2011-05-13x",
            "2011-05-13T1",
            "é011-05-13",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn letter_case_is_taken_out_of_all_scripts() {
        assert!(same_text("ÄRGER", "ärger", false));
        assert!(!same_text("ÄRGER", "ärger", true));
        assert_eq!(fold("ΣΑΣ"), "σασ");
        assert!(same_text("ΣΑΣ", "σασ", false));
    }

    #[test]
    fn nothing_within_nothing_is_nothing() {
        assert!(is_empty(&serde_json::json!({"a": [null, "", {}]})));
        assert!(!is_empty(&serde_json::json!({"a": [false]})));
    }
}
