//! [`Bytes`]: what a function does to a text of ASCII, byte by byte, so that a chain of such functions is one walk.
//!
//! `ToLower(Replace(NormalizeDiacritics(x), , "[^A-Za-z0-9]", , "", , ), )` is four walks and three texts that nobody sees; as
//! bytes it is one table. Of other characters the table says only whether they all go; texts whose others do not take the long
//! way, with the same result.

use crate::dotnet::casing::Culture;
use crate::dotnet::diacritics;
use crate::dotnet::pattern::{Pattern, Template};
use crate::value::{Arena, any_byte};

use super::{ArgumentFinding, Literal, Preparation, QUICK_TEXT};

/// What becomes of a text of ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// It stays as it is.
    Same,
    /// Its letters become small.
    Lower,
    /// Its letters become capitals.
    Upper,
    /// Each byte becomes another, or goes.
    Table(Box<Table>),
}

/// What becomes of each byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// By byte; those beyond ASCII are never asked for, but so no look at the length is needed.
    to: [u8; 256],
    /// Whether every character beyond ASCII goes.
    wide_goes: bool,
}

/// In a table: the byte goes.
const GONE: u8 = 0xFF;

impl Bytes {
    /// What becomes of one byte of ASCII.
    fn of(&self, byte: u8) -> u8 {
        match self {
            Bytes::Same => byte,
            Bytes::Lower => byte.to_ascii_lowercase(),
            Bytes::Upper => byte.to_ascii_uppercase(),
            Bytes::Table(table) => table.of(byte),
        }
    }

    fn table(of: impl Fn(u8) -> u8, wide_goes: bool) -> Bytes {
        let mut to = [GONE; 256];
        (0..128).zip(to.iter_mut()).for_each(|(byte, entry)| *entry = of(byte));
        Bytes::Table(Box::new(Table { to, wide_goes }))
    }

    /// The bytes that `chosen` takes become `new`, which may be [`GONE`].
    fn choose(chosen: impl Fn(u8) -> bool, new: u8) -> Bytes {
        Bytes::table(|byte| if chosen(byte) { new } else { byte }, false)
    }

    /// As a table.
    pub(crate) fn to_table(&self) -> Table {
        match self {
            Bytes::Table(table) => (**table).clone(),
            other => {
                let mut to = [GONE; 256];
                (0..128).zip(to.iter_mut()).for_each(|(byte, entry)| *entry = other.of(byte));
                Table { to, wide_goes: false }
            }
        }
    }

    /// This first, then `next`.
    #[must_use]
    pub fn then(&self, next: &Bytes) -> Bytes {
        match (self, next) {
            (Bytes::Same, other) | (other, Bytes::Same) => other.clone(),
            (Bytes::Lower | Bytes::Upper, Bytes::Lower) => Bytes::Lower,
            (Bytes::Lower | Bytes::Upper, Bytes::Upper) => Bytes::Upper,
            _ => {
                let of = |byte| match self.of(byte) {
                    GONE => GONE,
                    byte => next.of(byte),
                };
                Bytes::table(of, matches!(self, Bytes::Table(table) if table.wide_goes))
            }
        }
    }

    /// What becomes of the text; `None` when it is not of ASCII alone, or longer than [`QUICK_TEXT`] and not only of another case.
    #[inline(never)]
    pub fn apply<'a>(&self, arena: &'a Arena, text: &'a str) -> Option<&'a str> {
        match self {
            // Most texts have nothing to do; then one look says it all.
            Bytes::Lower if !any_byte(text, |byte| byte.is_ascii_uppercase() || !byte.is_ascii()) => Some(text),
            Bytes::Upper if !any_byte(text, |byte| byte.is_ascii_lowercase() || !byte.is_ascii()) => Some(text),
            _ if !text.is_ascii() => None,
            Bytes::Same => Some(text),
            Bytes::Lower => {
                let mut out = arena.builder(text.len());
                out.push_str(text);
                out.make_ascii_lowercase();
                Some(out.into_bump_str())
            }
            Bytes::Upper => {
                let mut out = arena.builder(text.len());
                out.push_str(text);
                out.make_ascii_uppercase();
                Some(out.into_bump_str())
            }
            Bytes::Table(table) => table.walk([text], false, arena),
        }
    }
}

impl Table {
    #[inline]
    fn of(&self, byte: u8) -> u8 {
        self.to.get(usize::from(byte)).copied().unwrap_or(GONE)
    }

    /// What becomes of some texts as if they were one; `None` when of a character beyond ASCII this cannot say it. `plain`:
    /// [`strip_diacritics`](crate::dotnet::diacritics::strip_diacritics) has its turn before.
    ///
    /// Nothing becomes longer: what a letter leaves takes no more bytes than the letter.
    #[inline]
    pub(crate) fn walk<'a, const N: usize>(&self, texts: [&str; N], plain: bool, arena: &'a Arena) -> Option<&'a str> {
        let room = texts.iter().map(|text| text.len()).sum();
        if room > QUICK_TEXT {
            return None;
        }
        if room <= ROOM {
            let out = &mut arena.one(Room([0; ROOM])).0;
            let length = self.walk_into(texts, plain, out)?;
            // Zeros behind the text are of ASCII as well: so the look for it has whole words alone.
            return std::str::from_utf8(out).ok()?.get(..length);
        }
        let out = arena.filled(room, 0_u8);
        let length = self.walk_into(texts, plain, out)?;
        std::str::from_utf8(out.get(..length)?).ok()
    }

    /// Writes what becomes of the texts, and gives its length.
    #[inline]
    fn walk_into<const N: usize>(&self, texts: [&str; N], plain: bool, out: &mut [u8]) -> Option<usize> {
        let mut length = 0;
        for text in texts {
            let (mut end, mut seen) = (length, 0);
            for byte in text.bytes() {
                seen |= byte;
                end = self.put(byte, out, end);
            }
            length = if seen.is_ascii() { end } else { self.walk_wide(text, plain, out, length)? };
        }
        Some(length)
    }

    /// The same of one text that is not of ASCII alone, behind what was written before.
    #[inline(never)]
    fn walk_wide(&self, text: &str, plain: bool, out: &mut [u8], mut length: usize) -> Option<usize> {
        for letter in text.chars() {
            if let Ok(byte) = u8::try_from(letter)
                && byte.is_ascii()
            {
                length = self.put(byte, out, length);
                continue;
            }
            let mut wide = false;
            let known = plain
                && diacritics::parts(letter, |part| match u8::try_from(part) {
                    Ok(byte) if byte.is_ascii() => length = self.put(byte, out, length),
                    _ => wide = true,
                });
            if !self.wide_goes && (wide || !known) {
                return None;
            }
        }
        Some(length)
    }

    /// Writes what becomes of a byte, and gives the length then. What goes is written too, and written over: no branch, which
    /// would be guessed wrong.
    #[inline]
    fn put(&self, byte: u8, out: &mut [u8], length: usize) -> usize {
        let new = self.of(byte);
        if let Some(place) = out.get_mut(length) {
            *place = new & 0x7F;
        }
        length + usize::from(new != GONE)
    }
}

/// Room for most texts: whole words, and at their borders.
#[derive(Clone, Copy)]
#[repr(align(16))]
struct Room([u8; ROOM]);

/// How many bytes it has.
const ROOM: usize = 32;

/// A function whose name alone says what becomes of the bytes.
fn known(bytes: Bytes) -> Preparation {
    Preparation { bytes: Some(bytes), ..Preparation::default() }
}

/// Whether a casing function does to ASCII what every culture but the Turkic ones does.
fn plain_culture(literals: &[Literal<'_>]) -> bool {
    match literals.get(1) {
        None | Some(Literal::Omitted | Literal::Known("")) => true,
        Some(Literal::Known(name)) => Culture::parse(name).is_some_and(|culture| culture != Culture::Turkic),
        Some(Literal::Dynamic) => false,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all that make constants ready")]
pub(super) fn lower(literals: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    Ok(if plain_culture(literals) { known(Bytes::Lower) } else { Preparation::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all that make constants ready")]
pub(super) fn upper(literals: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    Ok(if plain_culture(literals) { known(Bytes::Upper) } else { Preparation::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all that make constants ready")]
pub(super) fn same(_: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    Ok(known(Bytes::Same))
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all that make constants ready")]
pub(super) fn without_spaces(_: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    Ok(known(Bytes::choose(|byte| byte == b' ', GONE)))
}

/// What a replacement of nothing or one byte makes of a byte: another, or [`GONE`].
fn at_most_one(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [] => Some(GONE),
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

/// Every `old` becomes `new`.
pub(super) fn replaced(old: &str, new: &str) -> Option<Bytes> {
    let old = at_most_one(old).filter(|byte| *byte != GONE)?;
    Some(Bytes::choose(|byte| byte == old, at_most_one(new)?))
}

/// Every match of the pattern becomes what the template says.
pub(super) fn matched(pattern: &Pattern, template: &Template) -> Option<Bytes> {
    let new = at_most_one(template.constant()?)?;
    let class = pattern.ascii_class(new == GONE)?;
    let chosen = |byte: u8| class.get(usize::from(byte)).copied().unwrap_or(false);
    let wide_goes = new == GONE && pattern.takes_all_wide();
    Some(Bytes::table(|byte| if chosen(byte) { new } else { byte }, wide_goes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_one_table() {
        let arena = Arena::new();
        let letters = replaced(" ", "").unwrap();
        let chain = Bytes::Same.then(&letters).then(&Bytes::Lower).then(&replaced("b", "-").unwrap());
        assert_eq!(chain.apply(&arena, "A b\u{7f}B c"), Some("a-\u{7f}-c"));
        assert_eq!(chain.apply(&arena, "Å b"), None);
        assert_eq!(Bytes::Upper.then(&Bytes::Lower), Bytes::Lower);
    }

    #[test]
    fn what_has_nothing_to_do_copies_nothing() {
        let arena = Arena::new();
        let text = "ada";
        assert!(std::ptr::eq(Bytes::Lower.apply(&arena, text).unwrap(), text));
        assert_eq!(Bytes::Upper.apply(&arena, text), Some("ADA"));
    }

    #[test]
    fn only_single_bytes_are_replaced_by_table() {
        assert!(replaced("ab", "").is_none() && replaced("a", "bc").is_none() && replaced("é", "").is_none());
        let pattern = Pattern::compile("[^0-9]").unwrap();
        let none = Template::compile("", &pattern);
        assert_eq!(matched(&pattern, &none).unwrap().apply(&Arena::new(), "a1 2"), Some("12"));
        let run = Pattern::compile("[^0-9]+").unwrap();
        assert!(matched(&run, &Template::compile("", &run)).is_some());
        assert!(matched(&run, &Template::compile("-", &run)).is_none(), "a run becomes one `-`");
    }
}
