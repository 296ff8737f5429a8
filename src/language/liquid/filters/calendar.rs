//! [`Stamp`]: a point in time with the offset it is shown in, and the calendar's arithmetic.

/// Seconds in a day.
pub(super) const DAY: i64 = 86_400;

/// A point in time, as the clock of its offset shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Days since 1970-01-01.
    pub(super) days: i64,
    /// Seconds of the day.
    pub(super) seconds: i64,
    pub(super) nanos: u32,
    /// Seconds east of UTC.
    pub(super) offset: i64,
    /// Whether the zone is UTC by name, not by an offset alone.
    pub(super) utc: bool,
}

impl Stamp {
    /// The UTC time so many seconds after 1970; `None` when it is further away than a calendar reaches.
    pub(super) fn from_unix(seconds: i64) -> Option<Stamp> {
        (seconds.abs() < 100_000_000_000_000).then(|| Stamp {
            days: seconds.div_euclid(DAY),
            seconds: seconds.rem_euclid(DAY),
            nanos: 0,
            offset: 0,
            utc: true,
        })
    }

    /// Seconds since 1970, UTC.
    pub(super) fn unix(self) -> i64 {
        self.days * DAY + self.seconds - self.offset
    }

    pub(super) fn hour(self) -> i64 {
        self.seconds / 3600
    }

    pub(super) fn minute(self) -> i64 {
        self.seconds / 60 % 60
    }

    pub(super) fn second(self) -> i64 {
        self.seconds % 60
    }

    /// Year, month and day.
    pub(super) fn date(self) -> (i64, i64, i64) {
        civil(self.days)
    }

    /// 0 for Sunday.
    pub(super) fn weekday(self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }

    /// The day of the year, from 1.
    pub(super) fn day_of_year(self) -> i64 {
        self.days - days_of(self.date().0, 1, 1) + 1
    }

    /// Year and week by ISO 8601: week 1 has the year's first Thursday.
    pub(super) fn iso_week(self) -> (i64, i64) {
        let thursday = self.days - (self.weekday() + 6) % 7 + 3;
        let year = civil(thursday).0;
        (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
    }
}

/// Days since 1970-01-01.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// How many days a month has.
pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_of(next_year, next, 1) - days_of(year, month, 1)
}
