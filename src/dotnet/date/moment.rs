//! A moment in time: ticks of 100 ns since year 1, with .NET's kind, and its calendar parts.
//!
//! Source: `System.DateTime` of .NET; the calendar arithmetic is the usual one on 400-year cycles.

use std::fmt;

/// Ticks in a second.
pub(super) const SECOND: i64 = 10_000_000;
/// Ticks in a minute.
pub(super) const MINUTE: i64 = 60 * SECOND;
/// Ticks in an hour.
pub(super) const HOUR: i64 = 60 * MINUTE;
/// Ticks in a day.
pub(super) const DAY: i64 = 24 * HOUR;
/// Ticks at 1970-01-01T00:00:00, where Unix time starts.
const UNIX_EPOCH: i64 = 719_162 * DAY;
/// The last tick of 9999-12-31.
const LAST: i64 = 3_652_059 * DAY - 1;

/// Month names, English as in the invariant culture; the short name is the first three letters.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Day names from Sunday; the short name is the first three letters.
pub const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// What .NET knows about the zone of a value (`DateTimeKind`); it shows only in `K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// The text named no zone: `K` prints nothing.
    #[default]
    Unspecified,
    /// UTC: `K` prints `Z`.
    Utc,
    /// The zone of the machine, which is UTC in Entra: `K` prints `+00:00`.
    Local,
}

/// A point in time: 100 ns ticks since 0001-01-01T00:00:00, years 1 to 9999, and the [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    ticks: i64,
    kind: Kind,
}

impl Moment {
    /// 0001-01-01T00:00:00, .NET's `DateTime.MinValue`.
    pub const MIN: Self = Self { ticks: 0, kind: Kind::Unspecified };
    /// The last tick of year 9999, .NET's `DateTime.MaxValue`.
    pub const MAX: Self = Self { ticks: LAST, kind: Kind::Unspecified };

    /// The moment so many 100 ns ticks after 0001-01-01T00:00:00; `None` outside years 1 to 9999.
    pub const fn from_ticks(ticks: i64, kind: Kind) -> Option<Self> {
        if ticks < 0 || ticks > LAST { None } else { Some(Self { ticks, kind }) }
    }

    /// The UTC moment so many milliseconds after 1970-01-01; `None` outside years 1 to 9999.
    pub const fn from_unix_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(10_000) {
            Some(ticks) => match ticks.checked_add(UNIX_EPOCH) {
                Some(ticks) => Self::from_ticks(ticks, Kind::Utc),
                None => None,
            },
            None => None,
        }
    }

    /// 100 ns ticks since 0001-01-01T00:00:00.
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// Whether the value is UTC, of the machine's zone, or says nothing.
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// Year, month and day at once: cheaper than asking three times.
    pub fn date(self) -> (u32, u32, u32) {
        // Days from 0000-03-01, so that the leap day ends the year; cycles of 400 years.
        let days = self.days() + 306;
        let (era, day) = (days / 146_097, days % 146_097);
        let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        (year as u32, month as u32, day as u32)
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> u32 {
        self.date().0
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u32 {
        self.date().1
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u32 {
        self.date().2
    }

    /// The hour, 0 to 23.
    pub const fn hour(self) -> u32 {
        (self.ticks / HOUR % 24) as u32
    }

    /// The minute, 0 to 59.
    pub const fn minute(self) -> u32 {
        (self.ticks / MINUTE % 60) as u32
    }

    /// The second, 0 to 59.
    pub const fn second(self) -> u32 {
        (self.ticks / SECOND % 60) as u32
    }

    /// Ticks of 100 ns within the second, 0 to `9_999_999`.
    pub const fn fraction(self) -> u32 {
        (self.ticks % SECOND) as u32
    }

    /// The day of the week, 0 for Sunday.
    pub const fn weekday(self) -> usize {
        // 0001-01-01 is a Monday.
        ((self.days() + 1) % 7) as usize
    }

    /// Days since 0001-01-01.
    const fn days(self) -> i64 {
        self.ticks / DAY
    }
}

/// The month's English name; empty when there is no such month.
pub(super) fn month_name(month: u32) -> &'static str {
    (month as usize).checked_sub(1).and_then(|index| MONTHS.get(index)).copied().unwrap_or_default()
}

/// The first three letters, which are the short name of every English month and day.
pub(super) fn short_name(name: &'static str) -> &'static str {
    name.get(..3).unwrap_or(name)
}

/// The number of days of a month in the Gregorian calendar.
pub(super) const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Ticks at the start of a day that [`check_date`] has accepted.
pub(super) fn date_ticks(year: u32, month: u32, day: u32) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 306) * DAY
}

/// Says why there is no such day, in the words that follow "is not a date:".
pub(super) fn check_date(year: u32, month: u32, day: u32) -> Result<(), String> {
    if year == 0 || year > 9999 {
        return Err(format!("the year {year} is outside 1 to 9999"));
    }
    if month == 0 || month > 12 {
        return Err(format!("there is no month {month}"));
    }
    let days = days_in_month(year, month);
    if day == 0 || day > days {
        let name = month_name(month);
        return Err(if day == 0 { "there is no day 0".to_owned() } else { format!("{name} {year} has {days} days") });
    }
    Ok(())
}

/// Says why there is no such time of day.
pub(super) fn check_time(hour: u32, minute: u32, second: u32) -> Result<(), String> {
    if hour > 23 {
        return Err(format!("there is no hour {hour}"));
    }
    if minute > 59 {
        return Err(format!("there is no minute {minute}"));
    }
    if second > 59 {
        let leap = if second == 60 { " (leap seconds are not taken)" } else { "" };
        return Err(format!("there is no second {second}{leap}"));
    }
    Ok(())
}

/// The general text of a date, `M/d/yyyy h:mm:ss tt`: what every Entra date function returns.
pub fn print_general(moment: Moment) -> String {
    let mut text = String::with_capacity(24);
    // Writing to a `String` cannot fail.
    let _ = write_general(moment, &mut text);
    text
}

/// [`print_general`] into a writer.
///
/// # Errors
/// Only when the writer fails.
pub fn write_general(moment: Moment, out: &mut impl fmt::Write) -> fmt::Result {
    let (year, month, day) = moment.date();
    write_number(out, month, 1)?;
    out.write_str("/")?;
    write_number(out, day, 1)?;
    out.write_str("/")?;
    write_number(out, year, 4)?;
    out.write_str(" ")?;
    write_number(out, twelve(moment.hour()), 1)?;
    out.write_str(":")?;
    write_number(out, moment.minute(), 2)?;
    out.write_str(":")?;
    write_number(out, moment.second(), 2)?;
    out.write_str(if moment.hour() < 12 { " AM" } else { " PM" })
}

/// `2026-01-31T23:59:59`, as ISO 8601 has it; fractions and the zone are the caller's.
///
/// # Errors
/// Only when the writer fails.
pub fn write_iso(moment: Moment, out: &mut impl fmt::Write) -> fmt::Result {
    let (year, month, day) = moment.date();
    write_number(out, year, 4)?;
    for (mark, number) in
        [("-", month), ("-", day), ("T", moment.hour()), (":", moment.minute()), (":", moment.second())]
    {
        out.write_str(mark)?;
        write_number(out, number, 2)?;
    }
    Ok(())
}

/// The hour on a twelve-hour dial.
pub(super) const fn twelve(hour: u32) -> u32 {
    match hour % 12 {
        0 => 12,
        hour => hour,
    }
}

/// `00` to `99`, so that a number is written two digits at a time without formatting machinery.
const PAIRS: &str = "0001020304050607080910111213141516171819\
    2021222324252627282930313233343536373839\
    4041424344454647484950515253545556575859\
    6061626364656667686970717273747576777879\
    8081828384858687888990919293949596979899";

/// Writes a number with at least so many digits.
pub(super) fn write_number(out: &mut impl fmt::Write, value: u32, width: usize) -> fmt::Result {
    let pair = |value: u32| {
        let at = (value % 100) as usize * 2;
        PAIRS.get(at..at + 2).unwrap_or_default()
    };
    match (value, width) {
        (0..10, 0 | 1) => out.write_str(pair(value).get(1..).unwrap_or_default()),
        (0..100, 0..=2) => out.write_str(pair(value)),
        (0..10_000, 4) => {
            out.write_str(pair(value / 100))?;
            out.write_str(pair(value))
        }
        _ => write!(out, "{value:0width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: u32, month: u32, day: u32) -> Moment {
        Moment::from_ticks(date_ticks(year, month, day), Kind::Utc).unwrap()
    }

    #[test]
    fn every_day_of_the_calendar_goes_there_and_back() {
        let mut ticks = 0;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in [1, 2, 28, days_in_month(year, month)] {
                    let moment = at(year, month, day);
                    assert_eq!(moment.date(), (year, month, day));
                    assert!(check_date(year, month, day).is_ok());
                }
                assert_eq!(date_ticks(year, month, 1), ticks);
                ticks += i64::from(days_in_month(year, month)) * DAY;
            }
        }
        assert_eq!(ticks - 1, Moment::MAX.ticks());
    }

    #[test]
    fn limits_and_epochs() {
        assert_eq!(Moment::from_ticks(-1, Kind::Utc), None);
        assert_eq!(Moment::from_ticks(LAST + 1, Kind::Utc), None);
        assert_eq!(print_general(Moment::MIN), "1/1/0001 12:00:00 AM");
        assert_eq!(print_general(Moment::MAX), "12/31/9999 11:59:59 PM");
        assert_eq!(print_general(Moment::from_unix_millis(0).unwrap()), "1/1/1970 12:00:00 AM");
        assert_eq!(print_general(Moment::from_unix_millis(-1).unwrap()), "12/31/1969 11:59:59 PM");
        assert_eq!(Moment::from_unix_millis(i64::MAX), None);
        assert_eq!(Moment::from_unix_millis(i64::MIN), None);
    }

    #[test]
    fn weekdays_and_clock() {
        assert_eq!(at(1, 1, 1).weekday(), 1);
        assert_eq!(at(2024, 5, 1).weekday(), 3);
        assert_eq!(at(9999, 12, 31).weekday(), 5);
        let noon = Moment::from_ticks(at(2024, 5, 1).ticks() + 12 * HOUR + 5 * MINUTE + 9 * SECOND, Kind::Utc).unwrap();
        assert_eq!(print_general(noon), "5/1/2024 12:05:09 PM");
        assert_eq!((noon.hour(), noon.minute(), noon.second(), noon.fraction()), (12, 5, 9, 0));
    }

    #[test]
    fn numbers_are_padded() {
        let text = |value, width| {
            let mut out = String::new();
            write_number(&mut out, value, width).unwrap();
            out
        };
        assert_eq!(text(0, 1), "0");
        assert_eq!(text(7, 2), "07");
        assert_eq!(text(42, 1), "42");
        assert_eq!(text(24, 4), "0024");
        assert_eq!(text(2024, 5), "02024");
        assert_eq!(text(2024, 3), "2024");
        assert_eq!(text(123, 2), "123");
    }
}
