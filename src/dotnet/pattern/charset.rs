//! A set of characters that is asked by the byte.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// What the first byte of a character says about it.
const OUT: u8 = 0;
const IN: u8 = 1;
const ASK: u8 = 2;

/// A set of characters: ASCII in a table by byte, the rest as sorted ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CharSet {
    table: Box<[u8; 256]>,
    wide: Box<[(char, char)]>,
}

impl CharSet {
    /// The set of a class.
    pub(super) fn new(class: &ClassUnicode) -> CharSet {
        let mut table = Box::new([OUT; 256]);
        let mut wide = Vec::new();
        for range in class.ranges() {
            let (first, last) = (range.start(), range.end());
            for (byte, entry) in (0_u8..0x80).zip(table.iter_mut()) {
                if (first..=last).contains(&char::from(byte)) {
                    *entry = IN;
                }
            }
            if last >= '\u{80}' {
                wide.push((first.max('\u{80}'), last));
            }
        }
        let lead = match wide.as_slice() {
            [] => OUT,
            [('\u{80}', char::MAX)] => IN,
            _ => ASK,
        };
        table.iter_mut().skip(0x80).for_each(|entry| *entry = lead);
        CharSet { table, wide: wide.into() }
    }

    /// The set of the class or single character that a printed pattern is.
    pub(super) fn parse(printed: &str) -> Option<CharSet> {
        match regex_syntax::parse(printed).ok()?.kind() {
            HirKind::Class(Class::Unicode(class)) => Some(CharSet::new(class)),
            _ => None,
        }
    }

    /// Whether a character is in the set.
    pub(super) fn contains(&self, c: char) -> bool {
        let lead = u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(0xFF);
        match self.table.get(usize::from(lead)) {
            Some(&IN) => true,
            Some(&ASK) => self.wide_contains(c),
            _ => false,
        }
    }

    /// Which bytes of ASCII are in the set.
    pub(super) fn ascii(&self) -> [bool; 128] {
        let mut inside = [false; 128];
        inside.iter_mut().zip(self.table.iter()).for_each(|(inside, entry)| *inside = *entry == IN);
        inside
    }

    /// Whether all characters beyond ASCII are in the set.
    pub(super) fn has_all_wide(&self) -> bool {
        self.table.get(0xFF) == Some(&IN)
    }

    #[inline]
    fn wide_contains(&self, c: char) -> bool {
        let after = self.wide.partition_point(|range| range.0 <= c);
        after.checked_sub(1).and_then(|at| self.wide.get(at)).is_some_and(|range| c <= range.1)
    }

    /// The first character of the set at or after `from`.
    #[inline]
    pub(super) fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let bytes = text.as_bytes().get(from..)?;
        for (at, &byte) in (from..).zip(bytes) {
            match self.table.get(usize::from(byte)) {
                Some(&IN) => return Some((at, at + width(byte))),
                // A character is asked for once, at its first byte.
                Some(&ASK) if byte >= 0xC0 => {
                    let c = text.get(at..)?.chars().next()?;
                    if self.wide_contains(c) {
                        return Some((at, at + width(byte)));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The end of the run of characters of the set that begins at `from`.
    #[inline]
    pub(super) fn run_end(&self, text: &str, from: usize) -> usize {
        let mut at = from;
        while let Some(&byte) = text.as_bytes().get(at) {
            let inside = match self.table.get(usize::from(byte)) {
                Some(&IN) => true,
                Some(&ASK) => {
                    text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(|c| self.wide_contains(c))
                }
                _ => false,
            };
            if !inside {
                break;
            }
            at += width(byte);
        }
        at
    }

    /// The start of the run of characters of the set that ends at the end of the text.
    pub(super) fn run_start(&self, text: &str) -> usize {
        text.trim_end_matches(|c| self.contains(c)).len()
    }
}

/// How many bytes the character with this first byte takes.
#[inline]
fn width(lead: u8) -> usize {
    match lead {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

/// Whether .NET counts a character as part of a name or an escape: `\w` and the zero width joiners.
pub(super) fn is_word(c: char) -> bool {
    static WORD: OnceLock<Option<CharSet>> = OnceLock::new();
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    let word = WORD.get_or_init(|| CharSet::parse("[\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}]"));
    word.as_ref().is_some_and(|word| word.contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn sets_agree_with_their_ranges() {
        for (printed, inside, outside) in
            [("[^a]", "béあ👍", "a"), ("[a-cé]", "abcé", "dèe👍"), ("[\\p{L}]", "aéあ", "1 👍"), ("[0-9x]", "0x", "é")]
        {
            let set = CharSet::parse(printed).unwrap();
            assert!(inside.chars().all(|c| set.contains(c)), "{printed}");
            assert!(!outside.chars().any(|c| set.contains(c)), "{printed}");
            let text = format!("{outside}{inside}");
            let start = outside.len();
            assert_eq!(set.find(&text, 0).map(|found| found.0), Some(start), "{printed}");
            assert_eq!(set.run_end(&text, start), text.len(), "{printed}");
            assert_eq!(set.run_start(&text), start, "{printed}");
        }
    }

    #[test]
    fn words() {
        assert!(is_word('ï') && is_word('\u{200D}') && is_word('_'));
        assert!(!is_word('ⓐ') && !is_word('²') && !is_word('-'));
    }
}
