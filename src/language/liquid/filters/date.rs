//! The filter `date`: Ruby's `strftime`.

use std::fmt::Write as _;

use crate::function::Fallible;
use crate::value::TextBuilder;

use super::super::item::{Item, Tools, push};
use super::Arguments;
use super::calendar::Stamp;
use super::read;
use crate::dotnet::date::{DAYS, MONTHS};

pub(super) fn date<'a>(tools: &Tools<'a>, input: Item<'a>, arguments: &Arguments<'a>) -> Fallible<Item<'a>> {
    let format = arguments.first.text(tools)?;
    if format.is_empty() {
        return Ok(input);
    }
    let Some(stamp) = read::stamp(input, tools) else { return Ok(input) };
    tools.text_made(format.len())?;
    let mut out = tools.arena.builder(format.len() + 16);
    print(stamp, format, &mut out, tools, 0)?;
    tools.built(out)
}

/// The widest that a directive may be made, as `%2000d`.
const WIDEST: usize = 1024;

/// What stands between `%` and the letter.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// `-`: no padding.
    bare: bool,
    /// `0` or `_`: what to pad with.
    pad: Option<char>,
    /// `^`
    upper: bool,
    /// `#`
    swap: bool,
    /// How many colons.
    colons: usize,
    width: Option<usize>,
}

fn print<'a>(stamp: Stamp, format: &str, out: &mut TextBuilder<'a>, tools: &Tools<'a>, depth: usize) -> Fallible<()> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let mut flags = Flags::default();
        let mut letters = from.chars();
        letters.next();
        let mut directive = None;
        for letter in letters.by_ref() {
            match letter {
                '-' => flags.bare = true,
                '0' if flags.width.is_none() => flags.pad = Some('0'),
                '_' => flags.pad = Some(' '),
                '^' => flags.upper = true,
                '#' => flags.swap = true,
                ':' => flags.colons += 1,
                '0'..='9' => {
                    let digit = letter.to_digit(10).unwrap_or(0) as usize;
                    flags.width = Some((flags.width.unwrap_or(0) * 10 + digit).min(WIDEST));
                }
                // The locale's other forms, which are the same here.
                'E' | 'O' => {}
                _ => {
                    directive = Some(letter);
                    break;
                }
            }
        }
        rest = letters.as_str();
        let written = from.get(..from.len() - rest.len()).unwrap_or_default();
        match directive {
            Some(letter) if one(stamp, letter, flags, out, tools, depth)? => {}
            // What is no directive is printed as it stands.
            _ => out.push_str(written),
        }
        tools.meter.text(out.len())?;
    }
    out.push_str(rest);
    Ok(())
}

/// Prints one directive; false when there is no such.
fn one<'a>(
    stamp: Stamp,
    letter: char,
    flags: Flags,
    out: &mut TextBuilder<'a>,
    tools: &Tools<'a>,
    depth: usize,
) -> Fallible<bool> {
    let (year, month, day) = stamp.date();
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
    };
    let short = |name: &'static str| name.get(..3).unwrap_or(name);
    let twelve = (stamp.hour() + 11) % 12 + 1;
    let mut number = |value: i64, width: usize, pad: char| {
        padded(out, value, width, pad, flags);
    };
    match letter {
        'Y' => number(year, if year < 0 { 5 } else { 4 }, '0'),
        'C' => number(year.div_euclid(100), 2, '0'),
        'y' => number(year.rem_euclid(100), 2, '0'),
        'm' => number(month, 2, '0'),
        'd' => number(day, 2, '0'),
        'e' => number(day, 2, ' '),
        'j' => number(stamp.day_of_year(), 3, '0'),
        'H' => number(stamp.hour(), 2, '0'),
        'k' => number(stamp.hour(), 2, ' '),
        'I' => number(twelve, 2, '0'),
        'l' => number(twelve, 2, ' '),
        'M' => number(stamp.minute(), 2, '0'),
        'S' => number(stamp.second(), 2, '0'),
        's' => number(stamp.unix(), 1, '0'),
        'u' => number((stamp.weekday() + 6) % 7 + 1, 1, '0'),
        'w' => number(stamp.weekday(), 1, '0'),
        'G' => number(stamp.iso_week().0, 4, '0'),
        'g' => number(stamp.iso_week().0.rem_euclid(100), 2, '0'),
        'V' => number(stamp.iso_week().1, 2, '0'),
        'U' => number((stamp.day_of_year() + 6 - stamp.weekday()) / 7, 2, '0'),
        'W' => number((stamp.day_of_year() + 6 - (stamp.weekday() + 6) % 7) / 7, 2, '0'),
        'L' => fraction(stamp, flags.width.unwrap_or(3), out),
        'N' => fraction(stamp, flags.width.unwrap_or(9), out),
        'B' => word(out, name(&MONTHS, month - 1), flags),
        'b' | 'h' => word(out, short(name(&MONTHS, month - 1)), flags),
        'A' => word(out, name(&DAYS, stamp.weekday()), flags),
        'a' => word(out, short(name(&DAYS, stamp.weekday())), flags),
        'p' => {
            let text = match (stamp.hour() < 12, flags.swap) {
                (true, false) => "AM",
                (false, false) => "PM",
                (true, true) => "am",
                (false, true) => "pm",
            };
            word(out, text, Flags { swap: false, ..flags });
        }
        'P' => word(out, if stamp.hour() < 12 { "am" } else { "pm" }, flags),
        'Z' => word(out, if stamp.utc { "UTC" } else { "" }, Flags { upper: false, ..flags }),
        'z' => zone(stamp, flags, out),
        'n' => word(out, "\n", flags),
        't' => word(out, "\t", flags),
        '%' => word(out, "%", flags),
        _ => {
            let format = match letter {
                'c' => "%a %b %e %H:%M:%S %Y",
                'D' | 'x' => "%m/%d/%y",
                'F' => "%Y-%m-%d",
                'r' => "%I:%M:%S %p",
                'R' => "%H:%M",
                'T' | 'X' => "%H:%M:%S",
                'v' => "%e-%^b-%Y",
                '+' => "%a %b %e %H:%M:%S %Z %Y",
                _ => return Ok(false),
            };
            // These formats have none of their own kind inside.
            if depth > 1 {
                return Ok(false);
            }
            let mut inner = tools.arena.builder(32);
            print(stamp, format, &mut inner, tools, depth + 1)?;
            word(out, inner.into_bump_str(), flags);
        }
    }
    Ok(true)
}

fn padded(out: &mut TextBuilder<'_>, value: i64, width: usize, pad: char, flags: Flags) {
    let width = if flags.bare { 0 } else { flags.width.unwrap_or(width) };
    let pad = flags.pad.unwrap_or(pad);
    if pad == '0' {
        push(out, format_args!("{value:0width$}"));
    } else {
        push(out, format_args!("{value:width$}"));
    }
}

fn word(out: &mut TextBuilder<'_>, text: &str, flags: Flags) {
    let width = if flags.bare { 0 } else { flags.width.unwrap_or(0) };
    let pad = flags.pad.unwrap_or(' ');
    for _ in text.chars().count()..width {
        out.push(pad);
    }
    if flags.upper || flags.swap {
        out.extend(text.chars().map(|letter| letter.to_ascii_uppercase()));
    } else {
        out.push_str(text);
    }
}

/// The first digits of the second's fraction.
fn fraction(stamp: Stamp, digits: usize, out: &mut TextBuilder<'_>) {
    let all = format!("{:09}", stamp.nanos);
    let digits = if digits == 0 { 9 } else { digits };
    out.push_str(all.get(..digits.min(9)).unwrap_or(&all));
    for _ in 9..digits {
        out.push('0');
    }
}

/// `+0200`, `+02:00` with one colon, `+02:00:00` with two.
fn zone(stamp: Stamp, flags: Flags, out: &mut TextBuilder<'_>) {
    let sign = if stamp.offset < 0 { '-' } else { '+' };
    let seconds = stamp.offset.abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let behind = match flags.colons {
        0 => format!("{minutes:02}"),
        1 => format!(":{minutes:02}"),
        _ => format!(":{minutes:02}:{seconds:02}"),
    };
    let width = flags.width.unwrap_or(0).saturating_sub(behind.len() + 1).max(2);
    if flags.bare {
        let _ = write!(out, "{sign}{hours}{behind}");
    } else if flags.pad == Some(' ') {
        let text = format!("{sign}{hours}");
        let width = width + 1;
        let _ = write!(out, "{text:>width$}{behind}");
    } else {
        let _ = write!(out, "{sign}{hours:0width$}{behind}");
    }
}
