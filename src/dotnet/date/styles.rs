//! The names of .NET's `DateTimeStyles`, as `FormatDateTime` takes them.

use super::FormatError;

/// Flags that loosen or direct reading; see [`Styles::parse`] for the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Styles(u8);

const LEADING: u8 = 1;
const TRAILING: u8 = 2;
const INNER: u8 = 4;
const NO_CURRENT_DATE: u8 = 8;
const TO_UNIVERSAL: u8 = 16;
const ASSUME_LOCAL: u8 = 32;
const ASSUME_UNIVERSAL: u8 = 64;
const ROUND_TRIP: u8 = 128;

const NAMES: [(&str, u8); 10] = [
    ("None", 0),
    ("AllowLeadingWhite", LEADING),
    ("AllowTrailingWhite", TRAILING),
    ("AllowInnerWhite", INNER),
    ("AllowWhiteSpaces", LEADING | TRAILING | INNER),
    ("NoCurrentDateDefault", NO_CURRENT_DATE),
    ("AdjustToUniversal", TO_UNIVERSAL),
    ("AssumeLocal", ASSUME_LOCAL),
    ("AssumeUniversal", ASSUME_UNIVERSAL),
    ("RoundtripKind", ROUND_TRIP),
];

impl Styles {
    /// What `FormatDateTime` takes when none are named: round trip, white space around allowed.
    pub const DEFAULT: Self = Self(ROUND_TRIP | LEADING | TRAILING);
    /// What `CDate` reads with: no offset means UTC, and the value is moved to UTC.
    pub(super) const UNIVERSAL: Self = Self(ASSUME_UNIVERSAL | TO_UNIVERSAL | LEADING | TRAILING | INNER);

    /// Reads names separated by commas: `None`, `AllowLeadingWhite`, `AllowTrailingWhite`, `AllowInnerWhite`,
    /// `AllowWhiteSpaces`, `NoCurrentDateDefault`, `AdjustToUniversal`, `AssumeLocal`, `AssumeUniversal`,
    /// `RoundtripKind`. Case matters, blanks around a name do not.
    ///
    /// # Errors
    /// An unknown name, or two that contradict each other, as in .NET.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut flags = 0;
        let mut start = 0;
        for part in text.split(',') {
            let name = part.trim();
            let at = start + (part.len() - part.trim_start().len());
            start += part.len() + 1;
            let Some(&(_, flag)) = NAMES.iter().find(|(known, _)| *known == name) else {
                return Err(unknown(name, at));
            };
            flags |= flag;
        }
        let whole = 0..text.len();
        if flags & ASSUME_LOCAL != 0 && flags & ASSUME_UNIVERSAL != 0 {
            return Err(FormatError::new("AssumeLocal and AssumeUniversal contradict each other", whole));
        }
        if flags & ROUND_TRIP != 0 && flags & (ASSUME_LOCAL | ASSUME_UNIVERSAL | TO_UNIVERSAL) != 0 {
            return Err(FormatError::new(
                "RoundtripKind cannot stand with AssumeLocal, AssumeUniversal or AdjustToUniversal",
                whole,
            ));
        }
        Ok(Self(flags))
    }

    /// White space before the date is skipped.
    pub(super) const fn leading(self) -> bool {
        self.0 & LEADING != 0
    }

    /// White space after the date is skipped.
    pub(super) const fn trailing(self) -> bool {
        self.0 & TRAILING != 0
    }

    /// White space between any two parts is skipped.
    pub(super) const fn inner(self) -> bool {
        self.0 & INNER != 0
    }

    /// A time alone falls on 1 January of year 1, not on today.
    pub(super) const fn no_current_date(self) -> bool {
        self.0 & NO_CURRENT_DATE != 0
    }

    /// The result is marked as UTC.
    pub(super) const fn to_universal(self) -> bool {
        self.0 & TO_UNIVERSAL != 0
    }

    /// A text without a zone is taken as UTC, or as the machine's zone, which is UTC.
    pub(super) const fn assumes_zone(self) -> bool {
        self.0 & (ASSUME_LOCAL | ASSUME_UNIVERSAL) != 0
    }

    /// `Z` in the text stays UTC.
    pub(super) const fn round_trip(self) -> bool {
        self.0 & ROUND_TRIP != 0
    }
}

impl Default for Styles {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn unknown(name: &str, at: usize) -> FormatError {
    let span = at..at + name.len();
    if name.is_empty() {
        return FormatError::new("a date style has no name", span)
            .with_help("leave the whole argument empty to get the default styles");
    }
    let error = FormatError::new(format!("there is no date style {name:?}"), span);
    if let Some((known, _)) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return error.with_help(format!("write {known}: case matters"));
    }
    let names: Vec<&str> = NAMES.iter().map(|&(name, _)| name).collect();
    error.with_help(format!("the names are {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Styles::parse("None").unwrap(), Styles(0));
        assert_eq!(Styles::parse("RoundtripKind, AllowLeadingWhite,AllowTrailingWhite").unwrap(), Styles::DEFAULT);
        assert_eq!(Styles::parse("AllowWhiteSpaces").unwrap(), Styles(7));
        assert!(Styles::parse("AssumeUniversal, AdjustToUniversal").unwrap().to_universal());
        assert!(Styles::parse("AssumeLocal").unwrap().assumes_zone());
    }

    #[test]
    fn refusals_point_at_the_name() {
        let error = Styles::parse("None, allowLeadingWhite").unwrap_err();
        assert_eq!(error.span, 6..23);
        assert_eq!(error.help.as_deref(), Some("write AllowLeadingWhite: case matters"));
        for text in [
            "",
            " ",
            "None,",
            "NoSuchStyle",
            "7",
            "AssumeLocal,AssumeUniversal",
            "RoundtripKind,AssumeUniversal",
            "RoundtripKind,AdjustToUniversal",
        ] {
            assert!(Styles::parse(text).is_err(), "{text}");
        }
    }
}
