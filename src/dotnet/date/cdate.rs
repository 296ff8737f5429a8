//! Free text to a date: what `CDate` takes, which is `DateTime.Parse` under the invariant culture.
//!
//! Source: dotnet.md section 4 and the documented behaviour of `DateTime.Parse`. The text is a date and a time
//! in either order, with an optional day name, AM or PM, and one zone (`Z`, `GMT` or a number). The date's
//! order is told from its parts: a number of three digits or more is the year, a name is the month, and two
//! or three short numbers are month, day, year.

use super::DateError;
use super::moment::{DAYS, HOUR, MINUTE, MONTHS, Moment, SECOND, check_date, check_time, date_ticks, short_name};
use super::parse::{check_weekday, full_year, number};
use super::styles::Styles;
use super::zone::{Offset, settle};

/// Reads a date in any of the forms `CDate` takes; the result is UTC, and a text without an offset is taken as
/// UTC. `today` supplies what a text without a year lacks (`May 1`, `8:30`); without it such texts are refused.
///
/// # Errors
/// When the text names no date, or one outside the years 1 to 9999.
pub fn parse_any(text: &str, today: Option<Moment>) -> Result<Moment, DateError> {
    if text.trim().is_empty() {
        return Err(DateError::not_a_date(text, "it is empty").with_help("guard the call with IIF or Switch"));
    }
    let mut scan = Scan { rest: text, date: None, time: None, weekday: None, evening: None, offset: None };
    scan.run(today).and_then(|()| scan.finish(today)).map_err(|reason| {
        let error = DateError::not_a_date(text, reason);
        match hint(text) {
            Some(help) => error.with_help(help),
            None => error,
        }
    })
}

/// A way to read the forms people most often hand over in vain.
fn hint(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let parts: Vec<&str> = text.split(['.', '/', '-']).collect();
    match (digits, text.len()) {
        (8, 8) => Some("read it with FormatDateTime and the format \"yyyyMMdd\""),
        (14, _) => Some("read it with FormatDateTime and a format such as \"yyyyMMddHHmmss.fZ\""),
        _ if digits > 0 && digits <= 2 && parts.len() == 3 => {
            let day_first = parts.first().is_some_and(|day| (13..32).contains(&number(day)));
            day_first.then_some(
                "month, day, year is expected; read it with FormatDateTime and a format such as \"d.M.yyyy\"",
            )
        }
        _ => None,
    }
}

type Step<T> = Result<T, String>;

struct Scan<'t> {
    rest: &'t str,
    /// Year, month, day.
    date: Option<(u32, u32, u32)>,
    time: Option<Time>,
    weekday: Option<usize>,
    /// PM.
    evening: Option<bool>,
    offset: Option<Offset>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Time {
    hour: u32,
    minute: u32,
    second: u32,
    /// Ticks within the second, or a whole second's when they round up.
    fraction: i64,
}

/// A piece of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// Three digits or more.
    Year(u32),
    /// One or two digits.
    Number(u32),
    /// A month's name.
    Month(u32),
}

impl Scan<'_> {
    fn run(&mut self, today: Option<Moment>) -> Step<()> {
        loop {
            self.skip();
            let Some(letter) = self.rest.chars().next() else {
                return Ok(());
            };
            if letter.is_ascii_digit() {
                self.number(today)?;
            } else if letter == '+' || letter == '-' {
                self.zone()?;
            } else if letter.is_alphabetic() {
                self.word(today)?;
            } else {
                return Err(format!("{letter:?} has no place in it"));
            }
        }
    }

    /// White space, commas and points part words and numbers and mean nothing.
    fn skip(&mut self) {
        self.rest =
            self.rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',' || letter == '.');
    }

    /// A number: the hour when a colon or AM, PM follows it, else the start of a date.
    fn number(&mut self, today: Option<Moment>) -> Step<()> {
        let after = self.rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let after = after.trim_start();
        if after.starts_with(':') {
            return self.clock();
        }
        if starts_with_word(after, "AM") || starts_with_word(after, "PM") {
            let hour = self.short_number("hour")?;
            return self.set_time(Time { hour, ..Time::default() });
        }
        self.date(today)
    }

    fn word(&mut self, today: Option<Moment>) -> Step<()> {
        if let Some(rest) = strip_word(self.rest, "Z").or_else(|| strip_word(self.rest, "GMT")) {
            self.rest = rest;
            return self.set_offset(Offset::UTC);
        }
        for (word, evening) in [("AM", false), ("PM", true)] {
            if let Some(rest) = strip_word(self.rest, word) {
                self.rest = rest;
                return match self.evening.replace(evening) {
                    Some(_) => Err("AM or PM stands twice".to_owned()),
                    None => Ok(()),
                };
            }
        }
        if month_word(self.rest).is_some() {
            return self.date(today);
        }
        if let Some((day, rest)) = name_word(self.rest, &DAYS) {
            self.rest = rest;
            return match self.weekday.replace(day) {
                Some(_) => Err("it names two days of the week".to_owned()),
                None => Ok(()),
            };
        }
        let end = self.rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(self.rest.len());
        Err(format!("{:?} is no word it could have", self.rest.get(..end).unwrap_or_default()))
    }

    // The date.

    fn date(&mut self, today: Option<Moment>) -> Step<()> {
        if self.date.is_some() {
            return Err("it has more than one date".to_owned());
        }
        let mut pieces = [None; 3];
        for (index, slot) in pieces.iter_mut().enumerate() {
            let before = self.rest;
            // A missing third part, or none at all after a blank, ends the date.
            let Some(marked) = self.separator(index) else { break };
            match self.piece(index)? {
                Some(piece) => *slot = Some(piece),
                None if marked => return Err("a part of the date is missing".to_owned()),
                None => {
                    self.rest = before;
                    break;
                }
            }
        }
        let (year, month, day) = match (pieces, today) {
            ([Some(a), Some(b), Some(c)], _) => self.three([a, b, c])?,
            ([Some(a), Some(b), None], today) => self.two(a, b, today)?,
            _ => return Err("it is not clear what it means".to_owned()),
        };
        check_date(year, month, day)?;
        self.date = Some((year, month, day));
        Ok(())
    }

    /// Steps over what parts two pieces: white space, a comma or a point, or one `/` or `-`.
    /// `None` where the date ends; `Some(true)` when another piece must follow.
    fn separator(&mut self, index: usize) -> Option<bool> {
        if index == 0 {
            return Some(false);
        }
        let before = self.rest;
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('/').or_else(|| self.rest.strip_prefix('-')) {
            self.rest = rest;
            self.skip();
            return Some(true);
        }
        self.skip();
        if self.rest.starts_with(|letter: char| letter.is_ascii_digit() || letter.is_alphabetic()) {
            return Some(false);
        }
        self.rest = before;
        None
    }

    /// One piece of a date, or `None` when what stands here is something else, such as a time.
    fn piece(&mut self, index: usize) -> Step<Option<Piece>> {
        let len = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Some((month, rest)) = Some(self.rest).filter(|_| len == 0).and_then(month_word) {
            self.rest = rest;
            return Ok(Some(Piece::Month(month as u32 + 1)));
        }
        let Some((digits, rest)) = self.rest.split_at_checked(len).filter(|_| len > 0) else {
            return Ok(None);
        };
        let after = rest.trim_start();
        if after.starts_with(':') || (index > 0 && (starts_with_word(after, "AM") || starts_with_word(after, "PM"))) {
            return Ok(None);
        }
        if len > 8 {
            return Err(format!("{digits} is too long a number"));
        }
        self.rest = rest;
        let value = number(digits);
        Ok(Some(if len > 2 { Piece::Year(value) } else { Piece::Number(value) }))
    }

    fn three(&mut self, pieces: [Piece; 3]) -> Step<(u32, u32, u32)> {
        let [first, ..] = pieces;
        let (mut year, mut month, mut numbers) = (None, None, [None; 3]);
        let mut free = numbers.iter_mut();
        for piece in pieces {
            let taken = match piece {
                Piece::Year(value) => year.replace(value).is_some(),
                Piece::Month(value) => month.replace(value).is_some(),
                Piece::Number(value) => free.next().is_none_or(|slot| slot.replace(value).is_some()),
            };
            if taken {
                return Err("it names a part of the date twice".to_owned());
            }
        }
        let date = match (year, month, numbers) {
            (Some(year), None, [Some(month), Some(day), None]) | (Some(year), Some(month), [Some(day), None, None]) => {
                (year, month, day)
            }
            (None, None, [Some(month), Some(day), Some(year)]) => (full_year(year), month, day),
            (None, Some(month), [Some(a), Some(b), None]) => {
                // The day first, unless only the year can stand there.
                if check_date(full_year(b), month, a).is_ok() {
                    (full_year(b), month, a)
                } else {
                    (full_year(a), month, b)
                }
            }
            _ => return Err("it is not clear what it means".to_owned()),
        };
        if matches!(first, Piece::Year(_)) && month.is_none() {
            self.iso_time()?;
        }
        Ok(date)
    }

    fn two(&mut self, a: Piece, b: Piece, today: Option<Moment>) -> Step<(u32, u32, u32)> {
        use Piece::{Month, Number, Year};
        let year = || today.map(Moment::year).ok_or_else(|| "it has no year".to_owned());
        match (a, b) {
            // A year and a month are the first of that month, when nothing follows.
            (Year(year), Number(month) | Month(month)) | (Number(month) | Month(month), Year(year)) => {
                self.skip();
                if self.rest.is_empty() { Ok((year, month, 1)) } else { Err("it has no day".to_owned()) }
            }
            (Number(month) | Month(month), Number(day)) => Ok((year()?, month, day)),
            // .NET's invariant culture takes the number for a year, its English one for a day: refused.
            (Number(_), Month(_)) => Err("it has no year".to_owned()),
            _ => Err("it names a part of the date twice".to_owned()),
        }
    }

    // The time.

    /// `T` after an ISO date starts a strict time: two digits each, nothing but a zone behind it.
    fn iso_time(&mut self) -> Step<()> {
        let Some(rest) = strip_word(self.rest.trim_start(), "T") else {
            return Ok(());
        };
        if self.time.is_some() {
            return Err("it has more than one time".to_owned());
        }
        self.rest = rest.trim_start();
        let mut time = Time { hour: self.two_digits("hour")?, ..Time::default() };
        self.colon().then_some(()).ok_or("a time needs minutes")?;
        time.minute = self.two_digits("minute")?;
        if self.colon() {
            time.second = self.two_digits("second")?;
            if self.rest.starts_with(['.', ',']) {
                time.fraction = self.fraction().ok_or("a fraction of a second needs digits")?;
            }
        }
        self.set_time(time)?;
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix(['Z', 'z']) {
            self.rest = rest;
            self.set_offset(Offset::UTC)?;
        } else if self.rest.starts_with(['+', '-']) {
            self.zone()?;
        }
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() { Ok(()) } else { Err(format!("{} follows its time", super::quoted(self.rest))) }
    }

    fn colon(&mut self) -> bool {
        match self.rest.trim_start().strip_prefix(':') {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn two_digits(&mut self, what: &str) -> Step<u32> {
        let Some((digits, rest)) =
            self.rest.split_at_checked(2).filter(|(start, _)| start.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            return Err(format!("after T the {what} wants two digits"));
        };
        self.rest = rest;
        Ok(number(digits))
    }

    /// `h:mm`, `h:mm:ss`, with a fraction after the seconds only.
    fn clock(&mut self) -> Step<()> {
        let mut time = Time { hour: self.short_number("hour")?, ..Time::default() };
        self.colon();
        time.minute = self.short_number("minute")?;
        if self.colon() {
            time.second = self.short_number("second")?;
            if self.rest.starts_with('.') {
                time.fraction = self.fraction().unwrap_or(0);
            }
        }
        if self.rest.trim_start().starts_with('/') {
            return Err("its time runs into a date".to_owned());
        }
        self.set_time(time)
    }

    fn short_number(&mut self, what: &str) -> Step<u32> {
        let len = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        match self.rest.split_at_checked(len) {
            Some((digits, rest)) if len == 1 || len == 2 => {
                self.rest = rest;
                Ok(number(digits))
            }
            _ => Err(format!("the {what} wants one or two digits")),
        }
    }

    /// The digits after a point, in ticks; added up and rounded as .NET does it, in floating point.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.rest.get(1..)?;
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = digits.split_at_checked(len).filter(|_| len > 0)?;
        self.rest = rest;
        let (mut sum, mut weight) = (0.0_f64, 0.1_f64);
        for digit in digits.bytes() {
            sum += f64::from(digit & 15) * weight;
            weight *= 0.1;
        }
        Some((sum * SECOND as f64).round_ties_even() as i64)
    }

    fn set_time(&mut self, time: Time) -> Step<()> {
        match self.time.replace(time) {
            Some(_) => Err("it has more than one time".to_owned()),
            None => Ok(()),
        }
    }

    // The zone.

    /// `+h`, `+hh`, `+h:m`, `+hh:mm`, `+hmm`, `+hhmm`.
    fn zone(&mut self) -> Step<()> {
        let west = self.rest.starts_with('-');
        let bad = || "an offset looks like +02:00".to_owned();
        let digits = self.rest.get(1..).map(str::trim_start).unwrap_or_default();
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        let (value, rest) = digits.split_at_checked(len).ok_or_else(bad)?;
        self.rest = rest;
        let (hours, minutes) = match len {
            1 | 2 if self.colon() => (number(value), self.short_number("offset's minute")?),
            1 | 2 => (number(value), 0),
            3 | 4 => (number(value) / 100, number(value) % 100),
            _ => return Err(bad()),
        };
        if minutes > 59 {
            return Err(format!("its offset has {minutes} minutes"));
        }
        let east = i64::from(hours) * 60 + i64::from(minutes);
        self.set_offset(Offset { minutes: if west { -east } else { east }, utc: false })
    }

    fn set_offset(&mut self, offset: Offset) -> Step<()> {
        match self.offset.replace(offset) {
            Some(_) => Err("it names two offsets".to_owned()),
            None => Ok(()),
        }
    }

    fn finish(&self, today: Option<Moment>) -> Step<Moment> {
        let time = self.time.unwrap_or_default();
        if self.date.is_none() && self.time.is_none() {
            return Err("it has neither a date nor a time".to_owned());
        }
        let (year, month, day) = match (self.date, today) {
            (Some(date), _) => date,
            (None, Some(today)) => today.date(),
            (None, None) => return Err("it has no date".to_owned()),
        };
        let hour = match self.evening {
            Some(_) if self.time.is_none() => return Err("AM or PM stands without an hour".to_owned()),
            Some(false) if time.hour > 12 => return Err(format!("hour {} is not AM", time.hour)),
            Some(false) => time.hour % 12,
            Some(true) if time.hour < 12 => time.hour + 12,
            None | Some(true) => time.hour,
        };
        check_time(hour, time.minute, time.second)?;
        let ticks = date_ticks(year, month, day)
            + i64::from(hour) * HOUR
            + i64::from(time.minute) * MINUTE
            + i64::from(time.second) * SECOND
            + time.fraction;
        check_weekday(ticks, self.weekday)?;
        settle(ticks, self.offset, Styles::UNIVERSAL)
    }
}

/// The rest after a word in any case; no letter may follow it.
fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    (start.eq_ignore_ascii_case(word) && !rest.starts_with(char::is_alphabetic)).then_some(rest)
}

fn starts_with_word(text: &str, word: &str) -> bool {
    strip_word(text, word).is_some()
}

fn name_word<'t>(text: &'t str, names: &[&'static str]) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let rest = strip_word(text, name).or_else(|| strip_word(text, short_name(name)))?;
        Some((index, rest))
    })
}

fn month_word(text: &str) -> Option<(usize, &str)> {
    name_word(text, &MONTHS)
}
