//! What an offset in the text does to the value: .NET's step after parsing, with the machine's zone at UTC.

use super::moment::{DAY, HOUR, Kind, MINUTE, Moment};
use super::styles::Styles;

/// The zone a text named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// Minutes east of UTC.
    pub(super) minutes: i64,
    /// The text said `Z` or `GMT`, not a number.
    pub(super) utc: bool,
}

impl Offset {
    /// `Z` and `GMT`.
    pub(super) const UTC: Self = Self { minutes: 0, utc: true };
}

/// Moves a clock reading to UTC and gives it its kind. The offset must lie within 14 hours; a reading of
/// the first day of year 1 that would fall before it wraps by a day, as .NET does for times alone.
pub(super) fn settle(ticks: i64, offset: Option<Offset>, styles: Styles) -> Result<Moment, String> {
    let late = || "it lies past year 9999 in UTC".to_owned();
    let Some(offset) = offset else {
        let kind = match (styles.assumes_zone(), styles.to_universal()) {
            (true, true) => Kind::Utc,
            (true, false) => Kind::Local,
            (false, _) => Kind::Unspecified,
        };
        return Moment::from_ticks(ticks, kind).ok_or_else(late);
    };
    if offset.minutes * MINUTE > 14 * HOUR || offset.minutes * MINUTE < -14 * HOUR {
        return Err("its offset is beyond 14 hours".to_owned());
    }
    let kind = if styles.to_universal() || (styles.round_trip() && offset.utc) { Kind::Utc } else { Kind::Local };
    let mut moved = ticks - offset.minutes * MINUTE;
    if moved < 0 {
        moved += DAY;
    }
    Moment::from_ticks(moved, kind).ok_or_else(late)
}
