//! .NET format text, cut into items: field letters, literals, quotes, escapes.
//!
//! Source: "Custom date and time format strings" of .NET and dotnet.md section 4. Reading and printing
//! differ in three places, so the cut is made for one of them: `Z` and `GMT` are special only when
//! reading, and `%` cuts off a single letter only when printing.

use std::fmt;
use std::ops::Range;

/// Why a format cannot be used; found when the mapping is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// Names the construct and what is wrong with it.
    pub message: String,
    /// What to write instead, when there is something to say.
    pub help: Option<String>,
    /// The bytes of the format text it is about.
    pub span: Range<usize>,
}

impl FormatError {
    pub(super) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), help: None, span }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for FormatError {}

/// A format that .NET takes, but that probably means something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatLint {
    /// What the format does, in one sentence.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
    /// The bytes of the format text it is about.
    pub span: Range<usize>,
}

/// What the format is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Print,
}

/// One field or literal of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// `y` and so many of them.
    Year(usize),
    /// `M` or `MM`.
    Month(usize),
    /// `MMM` (short) or `MMMM`.
    MonthName { long: bool },
    /// `d` or `dd`.
    Day(usize),
    /// `ddd` (short) or `dddd`.
    DayName { long: bool },
    /// `g`, however many.
    Era,
    /// `h` or `hh`.
    Hour12(usize),
    /// `H` or `HH`.
    Hour24(usize),
    /// `m` or `mm`.
    Minute(usize),
    /// `s` or `ss`.
    Second(usize),
    /// `f` to `fffffff`.
    Fraction(usize),
    /// `F` to `FFFFFFF`.
    OptionalFraction(usize),
    /// `t` or `tt`.
    Mark { long: bool },
    /// `z`, `zz`, `zzz`.
    Offset(usize),
    /// `Z` when reading: `Z`, `z` or `GMT`.
    Zulu,
    /// `GMT` when reading: itself, and it says UTC.
    Gmt,
    /// `K`.
    Kind,
    /// A character that stands for itself.
    Literal(char),
    /// A character behind a backslash.
    Escaped(char),
    /// The inside of quotes.
    Quoted(Box<str>),
}

/// A part and where it stands in the format text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) part: Part,
    pub(super) span: Range<usize>,
}

/// Cuts a format into items, standard formats of one letter included.
pub(super) fn scan(text: &str, purpose: Purpose) -> Result<Vec<Item>, FormatError> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (None, _) => {
            Err(FormatError::new("the date format is empty", 0..0).with_help("write one such as \"yyyy-MM-dd\""))
        }
        // A character beyond U+FFFF is two in .NET, hence no standard format.
        (Some(letter), None) if letter.len_utf16() == 1 => standard(letter, text, purpose),
        _ => custom(text, purpose),
    }
}

/// The formats that are one letter: `o`, `s`, `u` and `R` do the same in every culture.
fn standard(letter: char, text: &str, purpose: Purpose) -> Result<Vec<Item>, FormatError> {
    let pattern = match letter {
        'o' | 'O' => "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
        's' => "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
        'u' => "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
        'r' | 'R' => "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
        _ => return Err(refused_standard(letter, text.len())),
    };
    let mut items = custom(pattern, purpose)?;
    for item in &mut items {
        item.span = 0..text.len();
    }
    Ok(items)
}

fn refused_standard(letter: char, len: usize) -> FormatError {
    let span = 0..len;
    match letter {
        'd' | 'f' | 'F' | 'g' | 'm' | 'M' | 't' | 'y' => {
            let error = FormatError::new(
                format!("{letter:?} alone is one of .NET's standard formats, whose text depends on the culture"),
                span,
            );
            error.with_help(format!("write \"%{letter}\" for the field, or spell the format out"))
        }
        'h' | 'H' | 's' | 'z' | 'K' | ':' | '/' => {
            FormatError::new(format!("{letter:?} alone is no date format; Entra refuses it too"), span)
                .with_help(format!("write \"%{letter}\""))
        }
        'D' | 'G' | 'T' | 'U' | 'Y' => FormatError::new(
            format!("{letter:?} alone is one of .NET's standard formats, whose text depends on the culture"),
            span,
        )
        .with_help("spell the format out, as in \"yyyy-MM-dd HH:mm:ss\""),
        _ => FormatError::new(format!("{letter:?} alone is no date format; Entra refuses it too"), span)
            .with_help("a format of one character must be a standard one: o, s, u or R"),
    }
}

fn custom(text: &str, purpose: Purpose) -> Result<Vec<Item>, FormatError> {
    let mut items = Vec::new();
    let mut at = 0;
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let (part, len) = match letter {
            '\'' | '"' => quote(rest, letter, at)?,
            '\\' => escape(rest, at)?,
            '%' => {
                check_percent(rest, at, purpose)?;
                let Some(next) =
                    rest.get(1..).and_then(|rest| rest.chars().next()).filter(|_| purpose == Purpose::Print)
                else {
                    // When reading, `%` only keeps a format from being a single letter.
                    at += 1;
                    continue;
                };
                (field(next, 1, at)?.unwrap_or(Part::Literal(next)), 1 + next.len_utf8())
            }
            'Z' if purpose == Purpose::Read => (Part::Zulu, 1),
            'G' if purpose == Purpose::Read && rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("GMT")) => {
                (Part::Gmt, 3)
            }
            _ => {
                // Every field takes its whole run, but `KK` is two of them.
                let count = if letter == 'K' { 1 } else { rest.chars().take_while(|&next| next == letter).count() };
                match field(letter, count, at)? {
                    Some(part) => (part, count),
                    None => (Part::Literal(letter), letter.len_utf8()),
                }
            }
        };
        items.push(Item { part, span: at..at + len });
        at += len;
    }
    Ok(items)
}

/// The field of a letter repeated so often; `None` for a letter without a meaning.
fn field(letter: char, count: usize, at: usize) -> Result<Option<Part>, FormatError> {
    let two = count.min(2);
    Ok(Some(match letter {
        // Longer runs are no use to anyone, and a bound keeps widths small.
        'y' if count > 16 => return Err(FormatError::new("a year of more than 16 digits", at..at + count)),
        'y' => Part::Year(count),
        'M' if count > 2 => Part::MonthName { long: count > 3 },
        'M' => Part::Month(count),
        'd' if count > 2 => Part::DayName { long: count > 3 },
        'd' => Part::Day(count),
        'g' => Part::Era,
        'h' => Part::Hour12(two),
        'H' => Part::Hour24(two),
        'm' => Part::Minute(two),
        's' => Part::Second(two),
        'f' | 'F' if count > 7 => {
            let error = FormatError::new(format!("{count} digits of a second; Entra refuses this too"), at..at + count);
            return Err(error.with_help(format!("write at most seven {letter}")));
        }
        'f' => Part::Fraction(count),
        'F' => Part::OptionalFraction(count),
        't' => Part::Mark { long: count > 1 },
        'z' => Part::Offset(count.min(3)),
        'K' => Part::Kind,
        _ => return Ok(None),
    }))
}

/// A quoted literal from its opening mark; a backslash inside escapes the next character.
fn quote(rest: &str, mark: char, at: usize) -> Result<(Part, usize), FormatError> {
    let mut inside = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((index, letter)) = letters.next() {
        if letter == mark {
            return Ok((Part::Quoted(inside.into()), index + 1));
        }
        if letter == '\\' {
            match letters.next() {
                Some((_, escaped)) => inside.push(escaped),
                None => break,
            }
        } else {
            inside.push(letter);
        }
    }
    Err(FormatError::new("a quote in the date format is not closed; Entra refuses this too", at..at + rest.len())
        .with_help(format!("close it with {mark}, or write \\{mark} for the mark itself")))
}

fn escape(rest: &str, at: usize) -> Result<(Part, usize), FormatError> {
    match rest.chars().nth(1) {
        Some(letter) => Ok((Part::Escaped(letter), 1 + letter.len_utf8())),
        None => Err(FormatError::new("the date format ends in a backslash; Entra refuses this too", at..at + 1)
            .with_help("write \\\\ for a backslash")),
    }
}

fn check_percent(rest: &str, at: usize, purpose: Purpose) -> Result<(), FormatError> {
    let next = rest.chars().nth(1);
    let bad = match next {
        None | Some('%') => true,
        Some('\'' | '"' | '\\') => purpose == Purpose::Print,
        Some(_) => false,
    };
    if !bad {
        return Ok(());
    }
    let len = 1 + next.map_or(0, char::len_utf8);
    let message = match next {
        None => "the date format ends in %; Entra refuses this too",
        _ => "% must stand before a format letter; Entra refuses this too",
    };
    Err(FormatError::new(message, at..at + len).with_help("write \\% for a percent sign"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, purpose: Purpose) -> Vec<Part> {
        scan(text, purpose).unwrap().into_iter().map(|item| item.part).collect()
    }

    #[test]
    fn letters_and_literals() {
        use Part::{Day, DayName, Escaped, Kind, Literal, Minute, MonthName, Quoted, Year};
        assert_eq!(
            parts("dddd d MMMMM yyy", Purpose::Read),
            [
                DayName { long: true },
                Literal(' '),
                Day(1),
                Literal(' '),
                MonthName { long: true },
                Literal(' '),
                Year(3)
            ]
        );
        assert_eq!(
            parts("'d''M'\\y%d", Purpose::Print),
            [Quoted("d".into()), Quoted("M".into()), Escaped('y'), Day(1)]
        );
        assert_eq!(parts("''K", Purpose::Print), [Quoted("".into()), Kind]);
        assert_eq!(parts(r#""a\"b"mmmm"#, Purpose::Print), [Quoted("a\"b".into()), Minute(2)]);
    }

    #[test]
    fn reading_and_printing_differ() {
        assert_eq!(parts("%dd", Purpose::Print), [Part::Day(1), Part::Day(1)]);
        assert_eq!(parts("%dd", Purpose::Read), [Part::Day(2)]);
        assert_eq!(parts("%Z", Purpose::Print), [Part::Literal('Z')]);
        assert_eq!(parts("%Z", Purpose::Read), [Part::Zulu]);
        assert_eq!(parts("HHGMT", Purpose::Read), [Part::Hour24(2), Part::Gmt]);
    }

    #[test]
    fn refusals_carry_the_place() {
        for (text, span) in [
            ("yyyy\\", 4..5),
            ("yyyy%", 4..5),
            ("yy%%", 2..4),
            ("yyyy 'T", 5..7),
            ("yyyy \"T'", 5..8),
            ("ss.ffffffff", 3..11),
            ("ss.FFFFFFFF", 3..11),
            ("d", 0..1),
            ("é", 0..2),
            ("", 0..0),
        ] {
            assert_eq!(scan(text, Purpose::Print).unwrap_err().span, span, "{text}");
            assert!(scan(text, Purpose::Read).is_err(), "{text}");
        }
        for text in
            ["d", "D", "f", "F", "g", "G", "m", "M", "t", "T", "U", "y", "Y", "h", "H", "K", "z", "N", "S", "-", " "]
        {
            assert!(scan(text, Purpose::Print).is_err(), "{text}");
            assert!(scan(text, Purpose::Read).is_err(), "{text}");
        }
        assert!(scan("%'a'", Purpose::Print).is_err());
        assert!(scan("%'a'", Purpose::Read).is_ok());
        assert!(scan("d", Purpose::Print).unwrap_err().help.unwrap().contains("%d"));
    }
}
