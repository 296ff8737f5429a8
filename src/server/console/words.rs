//! How the console writes times, numbers and reports: what templates call by name.

use minijinja::{Environment, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::clock::Millis;
use crate::scim::compare::Timestamp;

/// What stands in a URL as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as a part of a URL.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// Gives templates their filters.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("url", |text: String| encoded(&text));
    environment.add_filter("stamp", |value: Value| millis(&value).map(stamp));
    environment.add_filter("iso", |value: Value| millis(&value).map(crate::directory::time));
    environment.add_filter("ago", |value: Value, now: u64| millis(&value).map(|at| ago(at, now)));
    environment.add_filter("number", |value: Value| value.as_i64().map(number));
    environment.add_filter("count", |value: Value, one: String, many: String| {
        let count = value.as_i64().unwrap_or_default();
        format!("{} {}", number(count), if count == 1 { one } else { many })
    });
}

/// A time, given in milliseconds or in RFC 3339.
fn millis(value: &Value) -> Option<Millis> {
    match value.as_str() {
        Some(text) => {
            let seconds = Timestamp::parse(text).and_then(|time| u64::try_from(time.seconds).ok());
            seconds.and_then(|seconds| seconds.checked_mul(1_000))
        }
        None => value.as_i64().and_then(|at| u64::try_from(at).ok()),
    }
}

/// `2026-01-31 08:00:00 UTC`.
pub(super) fn stamp(at: Millis) -> String {
    let text = crate::directory::time(at);
    let (date, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", rest.split('.').next().unwrap_or_default())
}

/// `3 minutes ago`, `in 2 days`.
pub(super) fn ago(at: Millis, now: Millis) -> String {
    let seconds = at.abs_diff(now) / 1_000;
    let (count, unit) = match seconds {
        0..60 => return if at <= now { "just now".into() } else { "in a moment".into() },
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if at <= now { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

/// `12,345`.
pub(super) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::from(if value < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A line of a report, cut where the underlining begins and ends.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// `head`, `place`, `source`, `caret`, `note` or `rest`.
    pub(super) kind: &'static str,
    /// Texts, and whether each is underlined.
    pub(super) parts: Vec<(String, bool)>,
}

/// A report as the renderer of findings writes it, with the very characters marked under which its carets stand.
pub(super) fn report(text: &str) -> Vec<Line> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut out: Vec<Line> = Vec::with_capacity(lines.len());
    for line in &lines {
        let kind = kind(line);
        if kind == "caret"
            && let Some(before) = out.iter_mut().rev().find(|before| before.kind == "source")
            && before.parts.len() == 1
        {
            let whole = before.parts.first().map(|(text, _)| text.clone()).unwrap_or_default();
            before.parts = underlined(&whole, line);
        }
        out.push(Line { kind, parts: vec![((*line).to_owned(), false)] });
    }
    out
}

fn kind(line: &str) -> &'static str {
    let start = line.trim_start();
    if line.starts_with("error") || line.starts_with("warning") {
        return "head";
    }
    if start.starts_with("--> ") || start.starts_with("::: ") {
        return "place";
    }
    if start.starts_with("= ") {
        return "note";
    }
    let Some((gutter, rest)) = line.split_once('|') else { return "rest" };
    if gutter.trim().is_empty() {
        return if rest.contains('^') { "caret" } else { "rest" };
    }
    if gutter.trim().bytes().all(|byte| byte.is_ascii_digit()) { "source" } else { "rest" }
}

/// A line of the source cut by the carets of the line below it.
fn underlined(source: &str, carets: &str) -> Vec<(String, bool)> {
    let mut marks = carets.chars().map(|letter| letter == '^');
    let mut parts: Vec<(String, bool)> = Vec::new();
    for letter in source.chars() {
        let marked = marks.next().unwrap_or(false);
        match parts.last_mut() {
            Some((text, was)) if *was == marked => text.push(letter),
            _ => parts.push((letter.to_string(), marked)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers() {
        let now = 1_800_000_000_000;
        for (at, said) in [
            (now, "just now"),
            (now - 60_000, "1 minute ago"),
            (now - 7_200_000, "2 hours ago"),
            (now + 3 * 86_400_000, "in 3 days"),
        ] {
            assert_eq!(ago(at, now), said);
        }
        assert_eq!(stamp(0), "1970-01-01 00:00:00 UTC");
        assert_eq!([0, 999, 1_000, 1_234_567, -1_000].map(number), ["0", "999", "1,000", "1,234,567", "-1,000"]);
        assert_eq!(encoded("a b/ü"), "a%20b%2F%C3%BC");
    }

    #[test]
    fn the_very_expression_is_underlined() {
        let lines = report(
            "error[E0702]: x\n --> a.toml:7:3\n  |\n7 | a = 'CDate([b])'\n  |      ^^^^^^^^^^ here\n  = note: y\n",
        );
        let kinds: Vec<&str> = lines.iter().map(|line| line.kind).collect();
        assert_eq!(kinds, ["head", "place", "rest", "source", "caret", "note"]);
        let marked: Vec<&str> =
            lines[3].parts.iter().filter(|(_, marked)| *marked).map(|(text, _)| text.as_str()).collect();
        assert_eq!(marked, ["CDate([b])"]);
    }
}
