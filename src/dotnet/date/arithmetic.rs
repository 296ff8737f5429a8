//! `DateAdd`, `DateDiff` and AD file time.
//!
//! Source: Visual Basic's `DateAdd` and `DateDiff`, which Entra's functions are named after, and
//! .NET's `DateTime.AddMonths`, `FromFileTimeUtc` and `ToFileTimeUtc`.

use super::DateError;
use super::moment::{DAY, HOUR, Kind, MINUTE, Moment, SECOND, date_ticks, days_in_month, print_general};

/// Ticks at 1601-01-01, where Windows file time starts.
const FILE_TIME_START: i64 = 584_388 * DAY;

/// A unit of `DateAdd` and `DateDiff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interval {
    /// `yyyy`
    Year,
    /// `m`
    Month,
    /// `d`
    Day,
    /// `ww`
    Week,
    /// `h`
    Hour,
    /// `n`: `m` is taken by the month
    Minute,
    /// `s`
    Second,
}

impl Interval {
    /// The unit of a code: `yyyy`, `m`, `d`, `ww`, `h`, `n`, `s` in any case, as Visual Basic reads them.
    pub fn parse(code: &str) -> Option<Self> {
        const CODES: [(&str, Interval); 7] = [
            ("yyyy", Interval::Year),
            ("m", Interval::Month),
            ("d", Interval::Day),
            ("ww", Interval::Week),
            ("h", Interval::Hour),
            ("n", Interval::Minute),
            ("s", Interval::Second),
        ];
        CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|&(_, interval)| interval)
    }

    /// The English word, for messages.
    const fn word(self) -> &'static str {
        match self {
            Self::Year => "years",
            Self::Month => "months",
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Hour => "hours",
            Self::Minute => "minutes",
            Self::Second => "seconds",
        }
    }

    /// Ticks of one unit; months and years have no fixed length.
    const fn ticks(self) -> Option<i64> {
        match self {
            Self::Year | Self::Month => None,
            Self::Week => Some(7 * DAY),
            Self::Day => Some(DAY),
            Self::Hour => Some(HOUR),
            Self::Minute => Some(MINUTE),
            Self::Second => Some(SECOND),
        }
    }
}

/// The moment `n` units later (earlier when negative). Months and years keep the day of the month,
/// or take the month's last day when it has no such day: 31 January and one month is 29 February.
///
/// # Errors
/// When the result leaves the years 1 to 9999.
pub fn add(interval: Interval, n: i64, moment: Moment) -> Result<Moment, DateError> {
    let result = match interval.ticks() {
        Some(unit) => n
            .checked_mul(unit)
            .and_then(|delta| moment.ticks().checked_add(delta))
            .and_then(|ticks| Moment::from_ticks(ticks, moment.kind())),
        None if interval == Interval::Year => n.checked_mul(12).and_then(|months| add_months(months, moment)),
        None => add_months(n, moment),
    };
    result.ok_or_else(|| {
        let (start, unit) = (print_general(moment), interval.word());
        DateError::new(format!("{start} and {n} {unit} is outside the years 1 to 9999"))
    })
}

fn add_months(months: i64, moment: Moment) -> Option<Moment> {
    let (year, month, day) = moment.date();
    let total = (i64::from(year) * 12 + i64::from(month) - 1).checked_add(months)?;
    let year = u32::try_from(total.div_euclid(12)).ok().filter(|year| (1..=9999).contains(year))?;
    let month = total.rem_euclid(12) as u32 + 1;
    let day = day.min(days_in_month(year, month));
    Moment::from_ticks(date_ticks(year, month, day) + moment.ticks() % DAY, moment.kind())
}

/// `b` minus `a` in whole units. Years and months count calendar changes (31 December to 1 January is
/// one year); days and smaller truncate the elapsed time toward zero; weeks set both back to their
/// Sunday, keeping the time of day, truncate to days and divide by seven.
pub fn diff(interval: Interval, a: Moment, b: Moment) -> i64 {
    let elapsed = b.ticks() - a.ticks();
    match interval {
        Interval::Year => i64::from(b.year()) - i64::from(a.year()),
        Interval::Month => months(b) - months(a),
        Interval::Week => (sunday(b) - sunday(a)) / DAY / 7,
        Interval::Day => elapsed / DAY,
        Interval::Hour => elapsed / HOUR,
        Interval::Minute => elapsed / MINUTE,
        Interval::Second => elapsed / SECOND,
    }
}

fn months(moment: Moment) -> i64 {
    let (year, month, _) = moment.date();
    i64::from(year) * 12 + i64::from(month)
}

/// Ticks on the Sunday before or at the moment, at the same time of day; may fall before year 1.
fn sunday(moment: Moment) -> i64 {
    moment.ticks() - moment.weekday() as i64 * DAY
}

/// 100 ns ticks since 1601-01-01 UTC, as Active Directory stores times.
///
/// # Errors
/// Before 1601.
pub fn to_file_time(moment: Moment) -> Result<i64, DateError> {
    let ticks = moment.ticks() - FILE_TIME_START;
    if ticks < 0 {
        let text = print_general(moment);
        return Err(DateError::new(format!("{text} has no file time: it lies before 1601")));
    }
    Ok(ticks)
}

/// The UTC moment of a file time: 100 ns ticks since 1601-01-01 UTC.
///
/// # Errors
/// Negative numbers and numbers past year 9999; Active Directory's "never" is one of these.
pub fn from_file_time(ticks: i64) -> Result<Moment, DateError> {
    let found = (ticks >= 0)
        .then(|| ticks.checked_add(FILE_TIME_START))
        .flatten()
        .and_then(|ticks| Moment::from_ticks(ticks, Kind::Utc));
    found.ok_or_else(|| {
        let why = if ticks < 0 { "it is negative" } else { "it lies past year 9999" };
        let error = DateError::new(format!("{ticks} is not a file time: {why}"));
        if ticks == i64::MAX {
            error.with_help(
                "9223372036854775807 is Active Directory's \"never expires\"; test for it first, as with Switch",
            )
        } else {
            error
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse_any;
    use super::*;

    fn at(text: &str) -> Moment {
        parse_any(text, None).unwrap()
    }

    fn plus(interval: &str, n: i64, text: &str) -> String {
        print_general(add(Interval::parse(interval).unwrap(), n, at(text)).unwrap())
    }

    fn between(interval: &str, a: &str, b: &str) -> i64 {
        diff(Interval::parse(interval).unwrap(), at(a), at(b))
    }

    #[test]
    fn codes() {
        assert_eq!(Interval::parse("n"), Some(Interval::Minute));
        assert_eq!(Interval::parse("YYYY"), Some(Interval::Year));
        for code in ["", "x", "w", "q", "y", "yy", "mm", "minute", " d"] {
            assert_eq!(Interval::parse(code), None, "{code}");
        }
    }

    #[test]
    fn months_clamp() {
        assert_eq!(plus("m", 1, "2024-01-31"), "2/29/2024 12:00:00 AM");
        assert_eq!(plus("m", 1, "2024-02-29"), "3/29/2024 12:00:00 AM");
        assert_eq!(plus("m", -11, "2024-01-31"), "2/28/2023 12:00:00 AM");
        assert_eq!(plus("yyyy", 1, "2024-02-29"), "2/28/2025 12:00:00 AM");
        assert_eq!(plus("yyyy", -4, "2024-02-29T10:20:30"), "2/29/2020 10:20:30 AM");
        assert_eq!(plus("m", -14, "2024-01-31"), "11/30/2022 12:00:00 AM");
        assert_eq!(plus("ww", -1, "2024-03-01"), "2/23/2024 12:00:00 AM");
        assert_eq!(plus("s", -1, "2024-01-01"), "12/31/2023 11:59:59 PM");
    }

    #[test]
    fn overflow_is_an_error() {
        for (interval, n) in
            [("d", 1), ("m", 1), ("yyyy", 8000), ("yyyy", i64::MAX), ("m", i64::MIN), ("s", i64::MAX), ("ww", i64::MIN)]
        {
            assert!(add(Interval::parse(interval).unwrap(), n, at("9999-12-31")).is_err());
        }
        assert!(add(Interval::Second, -1, Moment::MIN).is_err());
        assert!(add(Interval::Month, -1, Moment::MIN).is_err());
    }

    #[test]
    fn differences() {
        assert_eq!(between("yyyy", "2023-12-31", "2024-01-01"), 1);
        assert_eq!(between("yyyy", "2024-01-01", "2023-12-31"), -1);
        assert_eq!(between("m", "2024-01-31", "2024-02-01"), 1);
        assert_eq!(between("m", "2024-12-01", "2023-01-31"), -23);
        assert_eq!(between("d", "2024-05-02T11:59:59", "2024-05-01T12:00:00"), 0);
        assert_eq!(between("h", "2024-05-01T08:00:00", "2024-05-01T07:00:01"), 0);
        assert_eq!(between("n", "2024-05-01T08:00", "2024-05-01T06:29"), -91);
        assert_eq!(between("ww", "2024-05-04", "2024-05-05"), 1);
        assert_eq!(between("ww", "2024-05-04T12:00", "2024-05-05T00:00"), 0);
        assert_eq!(between("ww", "2024-05-05", "2024-05-11"), 0);
        assert_eq!(between("ww", "2021-08-25T17:41:18", "2012-03-16T07:00"), -493);
        assert_eq!(diff(Interval::Week, Moment::MIN, Moment::MAX), 521_722);
    }

    #[test]
    fn file_times() {
        assert_eq!(print_general(from_file_time(0).unwrap()), "1/1/1601 12:00:00 AM");
        assert_eq!(to_file_time(from_file_time(129_699_324_000_000_000).unwrap()).unwrap(), 129_699_324_000_000_000);
        assert_eq!(to_file_time(Moment::MAX).unwrap(), 2_650_467_743_999_999_999);
        assert!(from_file_time(2_650_467_744_000_000_000).is_err());
        assert!(from_file_time(-1).is_err());
        assert!(from_file_time(i64::MAX).unwrap_err().help.is_some());
        assert!(to_file_time(at("1600-12-31T23:59:59")).is_err());
    }
}
