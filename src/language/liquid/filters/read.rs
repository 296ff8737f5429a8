//! Reading dates loosely, as the filter `date` does: ISO 8601, RFC 2822, and what people write.

use super::super::item::{Item, Tools};
use super::calendar::{Stamp, days_in_month, days_of};
use crate::dotnet::date::{DAYS, MONTHS};

/// The point in time that an item says; `None` when it says none.
pub(super) fn stamp(input: Item<'_>, tools: &Tools<'_>) -> Option<Stamp> {
    match input {
        Item::Integer(seconds) => Stamp::from_unix(seconds),
        Item::Text(text) => text_stamp(text, now(tools)?),
        _ => None,
    }
}

fn now(tools: &Tools<'_>) -> Option<Stamp> {
    /// Ticks of 100 ns from year 1 to 1970.
    const EPOCH: i64 = 621_355_968_000_000_000;
    let ticks = tools.env.now.ticks() - EPOCH;
    let stamp = Stamp::from_unix(ticks.div_euclid(10_000_000))?;
    Some(Stamp { nanos: u32::try_from(ticks.rem_euclid(10_000_000) * 100).ok()?, ..stamp })
}

/// Longer texts are no dates.
const LONGEST: usize = 128;

fn text_stamp(text: &str, now: Stamp) -> Option<Stamp> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Stamp::from_unix(text.parse().ok()?);
    }
    let text = text.to_ascii_lowercase();
    if matches!(text.as_str(), "now" | "today") {
        return Some(now);
    }
    let mut reader = Reader { words: words(&text), ..Reader::default() };
    reader.time();
    reader.date()?;
    reader.stamp(now)
}

/// A piece of a date's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'t> {
    Number(&'t str),
    Letters(&'t str),
    Sign(char),
    Space,
}

fn words(text: &str) -> Vec<Option<Word<'_>>> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let of = |is: fn(char) -> bool| rest.find(|letter| !is(letter)).unwrap_or(rest.len());
        let (word, length) = if first.is_ascii_digit() {
            let end = of(|letter| letter.is_ascii_digit());
            (Word::Number(rest.get(..end).unwrap_or_default()), end)
        } else if first.is_alphabetic() {
            let end = of(char::is_alphabetic);
            (Word::Letters(rest.get(..end).unwrap_or_default()), end)
        } else if first.is_whitespace() {
            (Word::Space, of(char::is_whitespace))
        } else {
            (Word::Sign(first), first.len_utf8())
        };
        words.push(Some(word));
        rest = rest.get(length..).unwrap_or_default();
    }
    words
}

/// What has been read. A word that is used up becomes `None`.
#[derive(Debug, Default)]
struct Reader<'t> {
    words: Vec<Option<Word<'t>>>,
    time: Option<(i64, i64, i64, u32)>,
    offset: Option<(i64, bool)>,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
}

impl<'t> Reader<'t> {
    fn word(&self, index: usize) -> Option<Word<'t>> {
        self.words.get(index).copied().flatten()
    }

    fn number(&self, index: usize) -> Option<i64> {
        match self.word(index)? {
            Word::Number(digits) if digits.len() <= 9 => digits.parse().ok(),
            _ => None,
        }
    }

    fn is_sign(&self, index: usize, sign: char) -> bool {
        self.word(index) == Some(Word::Sign(sign))
    }

    fn use_up(&mut self, from: usize, to: usize) {
        for word in self.words.iter_mut().take(to).skip(from) {
            *word = None;
        }
    }

    /// The index behind a space, if there is one.
    fn behind_space(&self, index: usize) -> usize {
        if self.word(index) == Some(Word::Space) { index + 1 } else { index }
    }

    /// `12:30`, `12:30:15.5 pm`, `3pm`, `T123015`, with the zone behind.
    fn time(&mut self) {
        for index in 0..self.words.len() {
            let Some(hour) = self.number(index) else { continue };
            let mut end = index + 1;
            let (mut minute, mut second, mut nanos) = (0, 0, 0);
            let colon = self.is_sign(end, ':') && self.number(end + 1).is_some();
            if colon {
                minute = self.number(end + 1).unwrap_or(0);
                end += 2;
                if self.is_sign(end, ':')
                    && let Some(given) = self.number(end + 1)
                {
                    second = given;
                    end += 2;
                    if (self.is_sign(end, '.') || self.is_sign(end, ','))
                        && let Some(Word::Number(digits)) = self.word(end + 1)
                    {
                        nanos = nanoseconds(digits);
                        end += 2;
                    }
                }
            } else if let (Some(Word::Number(digits)), Some(Word::Letters("t"))) =
                (self.word(index), index.checked_sub(1).and_then(|before| self.word(before)))
                && matches!(digits.len(), 4 | 6)
            {
                let part = |from: usize| digits.get(from..from + 2).and_then(|part| part.parse().ok());
                self.time = part(0).zip(part(2)).map(|(hour, minute)| (hour, minute, part(4).unwrap_or(0), 0));
                self.use_up(index - 1, end);
                self.zone(end);
                return;
            }
            let (half, behind) = self.half(self.behind_space(end));
            if !colon && half.is_none() {
                continue;
            }
            let hour = match half {
                Some(_) if !(1..=12).contains(&hour) => return,
                Some(pm) => hour % 12 + if pm { 12 } else { 0 },
                None => hour,
            };
            let end = if half.is_some() { behind } else { end };
            self.time = Some((hour, minute, second, nanos));
            self.use_up(index, end);
            if let Some(before) = index.checked_sub(1)
                && self.word(before) == Some(Word::Letters("t"))
            {
                self.use_up(before, index);
            }
            self.zone(end);
            return;
        }
    }

    /// `am`, `p.m.`: whether it is the afternoon, and the index behind.
    fn half(&self, index: usize) -> (Option<bool>, usize) {
        match self.word(index) {
            Some(Word::Letters(word @ ("am" | "pm"))) => (Some(word == "pm"), index + 1),
            Some(Word::Letters(word @ ("a" | "p")))
                if self.is_sign(index + 1, '.') && self.word(index + 2) == Some(Word::Letters("m")) =>
            {
                let end = if self.is_sign(index + 3, '.') { index + 4 } else { index + 3 };
                (Some(word == "p"), end)
            }
            _ => (None, index),
        }
    }

    /// The zone behind a time: a name or an offset.
    fn zone(&mut self, end: usize) {
        let at = self.behind_space(end);
        if let Some(Word::Letters(name)) = self.word(at) {
            let hours = match name {
                "z" | "utc" | "gmt" | "ut" => 0,
                "est" => -5,
                "edt" | "ast" => -4,
                "cst" | "mdt" => -6,
                "cdt" => -5,
                "mst" | "pdt" => -7,
                "pst" => -8,
                "cet" | "bst" => 1,
                "cest" | "eet" => 2,
                "jst" => 9,
                _ => return,
            };
            self.offset = Some((hours * 3600, hours == 0));
            self.use_up(end, at + 1);
            if hours == 0 {
                // `GMT+2`
                self.numeric_zone(at + 1, at + 1);
            }
            return;
        }
        self.numeric_zone(end, at);
    }

    fn numeric_zone(&mut self, end: usize, at: usize) {
        let sign = match self.word(at) {
            Some(Word::Sign('+')) => 1,
            Some(Word::Sign('-' | '−')) => -1,
            _ => return,
        };
        let Some(Word::Number(digits)) = self.word(at + 1) else { return };
        let value: i64 = digits.parse().unwrap_or(0);
        let (seconds, behind) = match digits.len() {
            1 | 2 if self.is_sign(at + 2, ':') => match self.number(at + 3) {
                Some(minutes) => (value * 3600 + minutes * 60, at + 4),
                None => (value * 3600, at + 2),
            },
            1 | 2 => (value * 3600, at + 2),
            3 | 4 => (value / 100 * 3600 + value % 100 * 60, at + 2),
            _ => return,
        };
        if seconds < 86_400 {
            self.offset = Some((sign * seconds, false));
            self.use_up(end, behind);
        }
    }

    /// The day, in one of the forms that dates are written in.
    fn date(&mut self) -> Option<()> {
        let three = |reader: &Self, index: usize, sign: char| {
            let first = reader.number(index)?;
            let second = reader.number(index + 2)?;
            let third = reader.number(index + 4)?;
            (reader.is_sign(index + 1, sign) && reader.is_sign(index + 3, sign)).then_some((first, second, third))
        };
        let length = |reader: &Self, index: usize| match reader.word(index) {
            Some(Word::Number(digits)) => digits.len(),
            _ => 0,
        };
        if let Some(index) = (0..self.words.len()).find(|index| self.month_name(*index).is_some()) {
            return self.named_month(index);
        }
        for index in 0..self.words.len() {
            for sign in ['-', '/', '.'] {
                let Some((first, second, third)) = three(self, index, sign) else { continue };
                let (year, month, day) = if length(self, index) >= 3 {
                    (first, second, third)
                } else if sign == '-' {
                    // `24-02-09`
                    (century(first, length(self, index)), second, third)
                } else {
                    let year = century(third, length(self, index + 4));
                    match (first, second) {
                        // `07/05/2006` is 7 May to one reader and 5 July to another.
                        _ if sign == '/' && first <= 12 && second <= 12 && first != second => return None,
                        _ if first > 12 || sign == '.' => (year, second, first),
                        _ => (year, first, second),
                    }
                };
                (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
                return Some(());
            }
            if length(self, index) == 4 && self.is_sign(index + 1, '-') {
                let year = self.number(index);
                match length(self, index + 2) {
                    2 => {
                        (self.year, self.month, self.day) = (year, self.number(index + 2), Some(1));
                        return Some(());
                    }
                    // The day of the year.
                    3 => {
                        let day = self.number(index + 2)?;
                        (1..=366).contains(&day).then_some(())?;
                        let date = Stamp::from_unix((days_of(year?, 1, 1) + day - 1) * 86_400)?.date();
                        (self.year, self.month, self.day) = (Some(date.0), Some(date.1), Some(date.2));
                        return Some(());
                    }
                    _ => {}
                }
            }
            if let Some(Word::Number(digits)) = self.word(index)
                && digits.len() == 8
            {
                let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse().ok());
                (self.year, self.month, self.day) = (part(0, 4), part(4, 6), part(6, 8));
                return Some(());
            }
        }
        // A time alone is one of today.
        self.time.map(|_| ())
    }

    fn month_name(&self, index: usize) -> Option<i64> {
        let Some(Word::Letters(word)) = self.word(index) else { return None };
        let is = |name: &&str| {
            let name = name.to_ascii_lowercase();
            word == name || word.len() == 3 && name.starts_with(word) || word == "sept" && name == "september"
        };
        MONTHS.iter().position(is).and_then(|index| i64::try_from(index + 1).ok())
    }

    /// The numbers beside a month's name.
    fn named_month(&mut self, index: usize) -> Option<()> {
        self.month = self.month_name(index);
        let is_weekday =
            |word: &str| word.len() >= 3 && DAYS.iter().any(|day| day.to_ascii_lowercase().starts_with(word));
        for (at, word) in self.words.iter().enumerate() {
            match word {
                Some(Word::Number(digits)) if digits.len() <= 5 => {
                    let value: i64 = digits.parse().ok()?;
                    let ordinal = matches!(
                        self.words.get(at + 1).copied().flatten(),
                        Some(Word::Letters("st" | "nd" | "rd" | "th"))
                    );
                    if digits.len() <= 2 && (self.day.is_none() || ordinal) && (1..=31).contains(&value) {
                        self.day = Some(value);
                    } else if self.year.is_none() {
                        self.year = Some(century(value, digits.len()));
                    } else {
                        return None;
                    }
                }
                Some(Word::Number(_)) => return None,
                Some(Word::Letters("st" | "nd" | "rd" | "th" | "of" | "the" | "at" | "t" | "on" | "ad")) => {}
                Some(Word::Letters(word)) if at != index && !is_weekday(word) => return None,
                _ => {}
            }
        }
        Some(())
    }

    fn stamp(&self, now: Stamp) -> Option<Stamp> {
        let today = now.date();
        let (year, month, day) = match (self.year, self.month, self.day) {
            (None, None, None) => today,
            (year, month, day) => (year.unwrap_or(today.0), month.unwrap_or(1), day.unwrap_or(1)),
        };
        let (hour, minute, second, nanos) = self.time.unwrap_or((0, 0, 0, 0));
        let valid = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        let (offset, utc) = self.offset.unwrap_or((0, true));
        valid.then(|| Stamp {
            days: days_of(year, month, day),
            seconds: (hour * 3600 + minute * 60 + second).min(86_399),
            nanos,
            offset,
            utc,
        })
    }
}

/// A year of two digits is one of 1969 to 2068.
fn century(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (1 | 2, 69..) => year + 1900,
        (1 | 2, _) => year + 2000,
        _ => year,
    }
}

/// The digits behind the point of a second.
fn nanoseconds(digits: &str) -> u32 {
    let padded = format!("{:0<9}", digits.get(..digits.len().min(9)).unwrap_or(digits));
    padded.parse().unwrap_or(0)
}
