//! A compiled format for reading: what `DateTime.ParseExact` does under the invariant culture.
//!
//! Source: dotnet.md section 4 and the documented behaviour of `ParseExact`. Text must fill the format from
//! end to end; white space stands only where the styles allow it.

use super::format::{FormatError, FormatLint, Item, Part, Purpose, scan};
use super::lint;
use super::moment::{
    DAYS, HOUR, MINUTE, MONTHS, Moment, SECOND, check_date, check_time, date_ticks, month_name, short_name,
};
use super::styles::Styles;
use super::zone::{Offset, settle};
use super::{DateError, quoted};

/// A .NET custom format (or `o`, `s`, `u`, `R`), compiled for reading.
#[derive(Debug, Clone)]
pub struct ReadFormat {
    text: Box<str>,
    items: Vec<Item>,
    lints: Vec<FormatLint>,
    /// Items of white space at the start and at the end, which the styles may make void.
    blank_start: usize,
    blank_end: usize,
}

impl ReadFormat {
    /// Compiles a format.
    ///
    /// # Errors
    /// What .NET refuses (an open quote, a final backslash or percent sign, eight `f`, a single character
    /// that is no standard format), and the standard formats whose text depends on the culture.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        let items = scan(text, Purpose::Read)?;
        let lints = lint::check(&items, text, Purpose::Read);
        let blank = |item: &&Item| matches!(item.part, Part::Literal(letter) if letter.is_whitespace());
        let blank_start = items.iter().take_while(blank).count();
        let blank_end = items.iter().rev().take_while(blank).count();
        Ok(Self { text: text.into(), items, lints, blank_start, blank_end })
    }

    /// What is probably meant otherwise.
    pub fn lints(&self) -> &[FormatLint] {
        &self.lints
    }

    /// Reads a text. A part the format lacks is 1 (month, day) or 0 (time); a missing year, or a whole missing
    /// date, is taken from `now`, as .NET takes it from the machine's clock. An offset moves the value to UTC.
    ///
    /// # Errors
    /// When the text does not fit the format, or names no date.
    pub fn read(&self, text: &str, styles: &Styles, now: Moment) -> Result<Moment, DateError> {
        let mut rest = text;
        let (mut first, mut last) = (0, self.items.len());
        if styles.trailing() {
            rest = rest.trim_end();
            last -= self.blank_end.min(last);
        }
        if styles.leading() {
            rest = rest.trim_start();
            first = self.blank_start.min(last);
        }
        if rest.is_empty() {
            return Err(DateError::not_a_date(text, "it is empty"));
        }
        let mut reader = Reader { rest, styles: *styles, found: Found::default() };
        let items = self.items.get(first..last).unwrap_or_default();
        match reader.run(items).and_then(|()| reader.found.finish(*styles, now)) {
            Ok(moment) => Ok(moment),
            Err(Trouble::Value(reason)) => Err(DateError::not_a_date(text, reason)),
            Err(Trouble::Item(index, wanted)) => Err(self.mismatch(text, items.get(index), reader.rest, &wanted)),
            Err(Trouble::Left) => {
                let left = quoted(reader.rest);
                Err(self.unlike(text, &format!("{left} is left over")))
            }
        }
    }

    fn unlike(&self, text: &str, reason: &str) -> DateError {
        DateError::new(format!("{} does not fit the date format {}: {reason}", quoted(text), quoted(&self.text)))
    }

    fn mismatch(&self, text: &str, item: Option<&Item>, rest: &str, wanted: &Wanted) -> DateError {
        let field = item.and_then(|item| self.text.get(item.span.clone())).unwrap_or_default();
        let place = if rest.is_empty() { "at its end".to_owned() } else { format!("at {}", quoted(rest)) };
        let wants = match wanted {
            Wanted::Digits(1) => format!("{field:?} wants a digit"),
            Wanted::Digits(count) => format!("{field:?} wants {count} digits"),
            Wanted::Text(wanted) => format!("{} must stand", quoted(wanted)),
            Wanted::Name(what) => format!("{field:?} wants {what}"),
        };
        let error = self.unlike(text, &format!("{wants} {place}"));
        match item.map(|item| &item.part) {
            Some(
                Part::Day(2) | Part::Month(2) | Part::Hour12(2) | Part::Hour24(2) | Part::Minute(2) | Part::Second(2),
            ) if rest.starts_with(|letter: char| letter.is_ascii_digit()) => {
                let single = field.get(..1).unwrap_or_default();
                error.with_help(format!("a single {single:?} reads one or two digits"))
            }
            Some(Part::Fraction(count)) => {
                error.with_help(format!("{:?} reads up to {count} digits", "F".repeat(*count)))
            }
            _ => error,
        }
    }
}

/// What an item wanted and did not find.
enum Wanted {
    Digits(usize),
    Text(String),
    Name(&'static str),
}

enum Trouble {
    /// The item of this index does not fit the rest of the text.
    Item(usize, Wanted),
    /// The format is done and text is left.
    Left,
    /// The text fits but says something impossible.
    Value(String),
}

struct Reader<'t> {
    rest: &'t str,
    styles: Styles,
    found: Found,
}

impl Reader<'_> {
    fn run(&mut self, items: &[Item]) -> Result<(), Trouble> {
        let mut index = 0;
        while let Some(item) = items.get(index) {
            if self.styles.inner() {
                self.rest = self.rest.trim_start();
            }
            match &item.part {
                Part::Literal(' ') => {
                    // A blank that is missing is forgiven when white space at the end is, and a part follows:
                    // .NET does so for cultures with an empty AM. Hence "8:30PM" fits "h:mm tt".
                    let forgiven = self.styles.inner() || (self.styles.trailing() && index + 1 < items.len());
                    if !self.styles.inner() && !self.take(" ") && !forgiven {
                        return Err(Trouble::Item(index, Wanted::Text(" ".to_owned())));
                    }
                }
                Part::Literal('.') => {
                    if !self.take(".") {
                        // A point before F may be missing, and the fraction with it.
                        match items.get(index + 1).map(|next| &next.part) {
                            Some(Part::OptionalFraction(_)) => index += 1,
                            _ => return Err(Trouble::Item(index, Wanted::Text(".".to_owned()))),
                        }
                    }
                }
                Part::Quoted(inside) => {
                    let trim_start = index == 0 && self.styles.leading();
                    let trim_end = index + 1 == items.len() && self.styles.trailing();
                    let inside = if trim_start { inside.trim_start() } else { inside };
                    let inside = if trim_end { inside.trim_end() } else { inside };
                    self.quoted(inside).map_err(|wanted| Trouble::Item(index, wanted))?;
                }
                part => self.part(part).map_err(|trouble| match trouble {
                    Miss::Wanted(wanted) => Trouble::Item(index, wanted),
                    Miss::Value(reason) => Trouble::Value(reason),
                })?,
            }
            index += 1;
        }
        if self.rest.is_empty() { Ok(()) } else { Err(Trouble::Left) }
    }

    fn quoted(&mut self, inside: &str) -> Result<(), Wanted> {
        if !self.styles.inner() {
            return if self.take(inside) { Ok(()) } else { Err(Wanted::Text(inside.to_owned())) };
        }
        for letter in inside.chars() {
            if letter == ' ' {
                self.rest = self.rest.trim_start();
            } else if !self.take(letter.encode_utf8(&mut [0; 4])) {
                return Err(Wanted::Text(inside.to_owned()));
            }
        }
        Ok(())
    }

    fn part(&mut self, part: &Part) -> Result<(), Miss> {
        match *part {
            Part::Year(count) => {
                let year = self.digits(count)?;
                self.found.two_digit_year |= count <= 2;
                agree(&mut self.found.year, year, "year")
            }
            Part::Month(count) => {
                let month = self.digits(count)?;
                agree(&mut self.found.month, month, "month")
            }
            Part::MonthName { long } => {
                let month = self.name(&MONTHS, long).ok_or(Miss::Wanted(Wanted::Name(if long {
                    "an English month name"
                } else {
                    "an English month name of three letters"
                })))?;
                agree(&mut self.found.month, month as u32 + 1, "month")
            }
            Part::Day(count) => {
                let day = self.digits(count)?;
                agree(&mut self.found.day, day, "day")
            }
            Part::DayName { long } => {
                let day = self.name(&DAYS, long).ok_or(Miss::Wanted(Wanted::Name(if long {
                    "an English day name"
                } else {
                    "an English day name of three letters"
                })))?;
                agree(&mut self.found.weekday, day, "day name")
            }
            Part::Era => {
                if self.take_word("A.D.") || self.take_word("AD") {
                    return Ok(());
                }
                Err(Miss::Wanted(Wanted::Name("the era A.D.")))
            }
            Part::Hour12(count) => {
                self.found.twelve_hours = true;
                let hour = self.digits(count)?;
                agree(&mut self.found.hour, hour, "hour")
            }
            Part::Hour24(count) => {
                let hour = self.digits(count)?;
                agree(&mut self.found.hour, hour, "hour")
            }
            Part::Minute(count) => {
                let minute = self.digits(count)?;
                agree(&mut self.found.minute, minute, "minute")
            }
            Part::Second(count) => {
                let second = self.digits(count)?;
                agree(&mut self.found.second, second, "second")
            }
            Part::Fraction(count) => self.fraction(count, count),
            Part::OptionalFraction(count) => self.fraction(0, count),
            ref other => self.rare_part(other),
        }
    }

    fn rare_part(&mut self, part: &Part) -> Result<(), Miss> {
        match *part {
            Part::Mark { long } => {
                let evening = if long { self.word_mark() } else { self.letter_mark() };
                let wanted = if long { "AM or PM" } else { "A or P" };
                let evening = evening.ok_or(Miss::Wanted(Wanted::Name(wanted)))?;
                agree(&mut self.found.evening, evening, "half of the day")
            }
            Part::Offset(count) => {
                let minutes = self.offset(count)?;
                self.zone(Offset { minutes, utc: false })
            }
            Part::Kind => {
                if self.take("Z") {
                    return self.zone(Offset::UTC);
                }
                if !self.rest.starts_with(['+', '-']) {
                    return Ok(());
                }
                let minutes = self.offset(3)?;
                self.zone(Offset { minutes, utc: false })
            }
            Part::Zulu => {
                let before = self.rest;
                if (self.take_word("GMT") || self.take_word("Z")) && !self.rest.starts_with(char::is_alphabetic) {
                    return self.zone(Offset::UTC);
                }
                self.rest = before;
                Err(Miss::Wanted(Wanted::Name("Z or GMT")))
            }
            Part::Gmt => {
                if self.take("GMT") {
                    return self.zone(Offset { minutes: 0, utc: false });
                }
                Err(Miss::Wanted(Wanted::Text("GMT".to_owned())))
            }
            Part::Literal(letter) | Part::Escaped(letter) => {
                if self.take(letter.encode_utf8(&mut [0; 4])) {
                    return Ok(());
                }
                Err(Miss::Wanted(Wanted::Text(letter.to_string())))
            }
            // The loop takes quotes, and `part` takes everything else.
            _ => Ok(()),
        }
    }

    /// A number of exactly so many digits; one means one or two.
    fn digits(&mut self, count: usize) -> Result<u32, Miss> {
        let most = count.max(2);
        let len = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (true, Some((digits, rest))) = (len >= count, self.rest.split_at_checked(len)) else {
            return Err(Miss::Wanted(Wanted::Digits(count)));
        };
        self.rest = rest;
        Ok(number(digits))
    }

    /// The fraction of a second, to seven digits.
    fn fraction(&mut self, least: usize, most: usize) -> Result<(), Miss> {
        let len = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (true, Some((digits, rest))) = (len >= least, self.rest.split_at_checked(len)) else {
            return Err(Miss::Wanted(Wanted::Digits(least)));
        };
        self.rest = rest;
        let ticks = number(digits) * 10_u32.pow(7_u32.saturating_sub(len as u32));
        agree(&mut self.found.fraction, ticks, "fraction of a second")
    }

    /// An offset in minutes: `z` one or two digits of hours, `zz` two, `zzz` hours, an optional colon, minutes.
    fn offset(&mut self, count: usize) -> Result<i64, Miss> {
        const WANTED: Miss = Miss::Wanted(Wanted::Name("an offset such as +02:00"));
        let before = self.rest;
        let west = self.take("-");
        if !west && !self.take("+") {
            return Err(WANTED);
        }
        let mut read = || {
            let hours = self.digits(if count == 2 { 2 } else { 1 })?;
            if count < 3 {
                return Ok((hours, 0));
            }
            self.take(":");
            Ok((hours, self.digits(2)?))
        };
        match read() {
            Ok((hours, minutes)) if minutes < 60 => {
                let minutes = i64::from(hours) * 60 + i64::from(minutes);
                Ok(if west { -minutes } else { minutes })
            }
            Ok((_, minutes)) => Err(Miss::Value(format!("its offset has {minutes} minutes"))),
            Err(Miss::Wanted(_) | Miss::Value(_)) => {
                self.rest = before;
                Err(WANTED)
            }
        }
    }

    fn zone(&mut self, offset: Offset) -> Result<(), Miss> {
        if self.found.offset.is_some_and(|known| known.minutes != offset.minutes) {
            return Err(Miss::Value("two offsets in it disagree".to_owned()));
        }
        let utc = offset.utc || self.found.offset.is_some_and(|known| known.utc);
        self.found.offset = Some(Offset { utc, ..offset });
        Ok(())
    }

    fn name(&mut self, names: &[&'static str], long: bool) -> Option<usize> {
        names.iter().position(|name| self.take_word(if long { name } else { short_name(name) }))
    }

    fn word_mark(&mut self) -> Option<bool> {
        if self.take_word("AM") { Some(false) } else { self.take_word("PM").then_some(true) }
    }

    fn letter_mark(&mut self) -> Option<bool> {
        // The one name whose case matters: .NET compares this letter itself.
        if self.take("A") { Some(false) } else { self.take("P").then_some(true) }
    }

    /// Takes exactly this text.
    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes this text in any case.
    fn take_word(&mut self, word: &str) -> bool {
        match self.rest.split_at_checked(word.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(word) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

enum Miss {
    Wanted(Wanted),
    Value(String),
}

/// A part that stands twice must say the same twice.
fn agree<T: PartialEq>(known: &mut Option<T>, value: T, what: &str) -> Result<(), Miss> {
    match known {
        Some(known) if *known != value => Err(Miss::Value(format!("it names two different values for the {what}"))),
        _ => {
            *known = Some(value);
            Ok(())
        }
    }
}

/// The value of a short run of ASCII digits; a year of many digits stays too large to be one.
pub(super) fn number(digits: &str) -> u32 {
    digits.bytes().fold(0_u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit & 15)))
}

/// The four digits of a two-digit year: to 49 in this century, from 50 in the last, as .NET 8 has it.
pub(super) const fn full_year(year: u32) -> u32 {
    match year {
        0..=49 => year + 2000,
        50..=99 => year + 1900,
        _ => year,
    }
}

/// What the parts said.
#[derive(Debug, Default)]
struct Found {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    weekday: Option<usize>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    /// Ticks within the second.
    fraction: Option<u32>,
    /// PM.
    evening: Option<bool>,
    offset: Option<Offset>,
    two_digit_year: bool,
    twelve_hours: bool,
}

impl Found {
    fn finish(&self, styles: Styles, now: Moment) -> Result<Moment, Trouble> {
        let hour = self.clock_hour()?;
        let (year, month, day) = self.date(styles, now);
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        check_date(year, month, day).and_then(|()| check_time(hour, minute, second)).map_err(Trouble::Value)?;
        let ticks = date_ticks(year, month, day)
            + i64::from(hour) * HOUR
            + i64::from(minute) * MINUTE
            + i64::from(second) * SECOND
            + i64::from(self.fraction.unwrap_or(0));
        check_weekday(ticks, self.weekday).map_err(Trouble::Value)?;
        settle(ticks, self.offset, styles).map_err(Trouble::Value)
    }

    fn clock_hour(&self) -> Result<u32, Trouble> {
        let hour = self.hour.unwrap_or(0);
        if self.twelve_hours {
            if hour > 12 {
                return Err(Trouble::Value(format!(
                    "hour {hour} does not stand on a 12-hour clock; write H for 24 hours"
                )));
            }
            return Ok(hour % 12 + if self.evening == Some(true) { 12 } else { 0 });
        }
        match self.evening {
            Some(true) if hour < 12 => {
                Err(Trouble::Value(format!("hour {hour} is not PM; write h for the 12-hour clock")))
            }
            Some(false) if hour >= 12 => {
                Err(Trouble::Value(format!("hour {hour} is not AM; write h for the 12-hour clock")))
            }
            _ => Ok(hour),
        }
    }

    fn date(&self, styles: Styles, now: Moment) -> (u32, u32, u32) {
        let year = self.year.map(|year| if self.two_digit_year { full_year(year) } else { year });
        match (year, self.month, self.day) {
            (None, None, None) if styles.no_current_date() => (1, 1, 1),
            (None, None, None) => now.date(),
            (year, month, day) => (year.unwrap_or_else(|| now.year()), month.unwrap_or(1), day.unwrap_or(1)),
        }
    }
}

/// A day name must be that of the date as written, before any offset.
pub(super) fn check_weekday(ticks: i64, named: Option<usize>) -> Result<(), String> {
    let (Some(named), Some(moment)) = (named, Moment::from_ticks(ticks, super::Kind::Unspecified)) else {
        return Ok(());
    };
    if moment.weekday() == named {
        return Ok(());
    }
    let name = |day: usize| DAYS.get(day).copied().unwrap_or_default();
    let (year, month, day) = moment.date();
    Err(format!("{day} {} {year} is a {}, not a {}", month_name(month), name(moment.weekday()), name(named)))
}
