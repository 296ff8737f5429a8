//! `NormalizeDiacritics`: letters without their marks.
//!
//! Source: dotnet.md section 3: canonical decomposition, nonspacing marks dropped, composed again, then
//! `ß`→ss `æ`→ae `ø`→oe `ł`→l `ı`→i and capitals. Marks are dropped from Latin, Greek and Cyrillic letters and
//! from what is no letter; in other scripts (Hebrew points, Arabic vowels, kana voicing, Thai vowels) a
//! mark is part of the spelling, and the text stays exactly as it is.

use std::fmt;

use unicode_normalization::char::{decompose_canonical, is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Writes the text without diacritics.
///
/// # Errors
/// Only when the writer fails.
pub fn strip_diacritics(text: &str, out: &mut impl fmt::Write) -> fmt::Result {
    let mut rest = text;
    // Whether a mark here belongs to a letter that loses its marks.
    let mut drops = true;
    while let Some(letter) = rest.chars().next() {
        if letter.is_ascii() {
            let len = rest.bytes().take_while(u8::is_ascii).count();
            let (plain, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
            out.write_str(plain)?;
            rest = after;
            drops = true;
            continue;
        }
        let is_mark = is_combining_mark(letter) && is_nonspacing(letter);
        if loses_marks(letter) && !is_mark {
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            write_base(letter, out)?;
            drops = true;
        } else if is_mark && drops {
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        } else {
            let end = foreign_end(rest);
            let (foreign, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            out.write_str(foreign)?;
            rest = after;
            drops = false;
        }
    }
    Ok(())
}

/// What [`strip_diacritics`] makes of a character beyond ASCII, part by part, and whether that is so wherever it stands. Where it
/// is not, the character may stay as it is, and no part of it is of ASCII.
#[inline]
pub fn parts(letter: char, mut each: impl FnMut(char)) -> bool {
    if let Some(base) = latin(letter) {
        each(base);
        return true;
    }
    wide_parts(letter, &mut each)
}

#[inline(never)]
fn wide_parts(letter: char, each: &mut dyn FnMut(char)) -> bool {
    struct Each<'e>(&'e mut dyn FnMut(char));
    impl fmt::Write for Each<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().for_each(&mut self.0);
            Ok(())
        }
    }
    loses_marks(letter) && {
        let is_mark = is_combining_mark(letter) && is_nonspacing(letter);
        is_mark || write_base(letter, &mut Each(each)).is_ok()
    }
}

/// The base letter, where [`LATIN`] has one.
#[inline]
fn latin(letter: char) -> Option<char> {
    let base = LATIN.as_bytes().get((letter as usize).checked_sub(0xc0)?)?;
    (*base != b'.').then_some(char::from(*base))
}

/// How far letters of other scripts and their marks reach; at least one character.
fn foreign_end(text: &str) -> usize {
    text.char_indices()
        .skip(1)
        .find(|&(_, letter)| loses_marks(letter) && !is_combining_mark(letter))
        .map_or(text.len(), |(index, _)| index)
}

/// The character without its marks, by the documented spelling.
fn write_base(letter: char, out: &mut impl fmt::Write) -> fmt::Result {
    if let Some(base) = latin(letter) {
        return out.write_char(base);
    }
    if let Some(spelling) = spelling(letter) {
        return out.write_str(spelling);
    }
    let mut done = Ok(());
    decompose_canonical(letter, |part| {
        if done.is_err() || is_combining_mark(part) && is_nonspacing(part) {
            return;
        }
        done = match spelling(part) {
            Some(spelling) => out.write_str(spelling),
            None => out.write_char(part),
        };
    });
    done
}

/// The base letters of U+00C0 to U+017F, the ones most names need; a point where the letter is no base and
/// marks. A shortcut: the decomposition says the same.
const LATIN: &str = "AAAAAA.CEEEEIIII\
    .NOOOOO..UUUUY..\
    aaaaaa.ceeeeiiii\
    .nooooo..uuuuy.y\
    AaAaAaCcCcCcCcDd\
    ..EeEeEeEeEeGgGg\
    GgGgHh..IiIiIiIi\
    I...JjKk.LlLlLl.\
    ...NnNnNn...OoOo\
    Oo..RrRrRrSsSsSs\
    SsTtTt..UuUuUuUu\
    UuUuWwYyYZzZzZz.";

/// The letters Microsoft's table spells out; they have no canonical decomposition.
const fn spelling(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'Æ' => "AE",
        'ø' => "oe",
        'Ø' => "OE",
        'ł' => "l",
        'Ł' => "L",
        'ı' => "i",
        _ => return None,
    })
}

/// Latin, Greek and Cyrillic, and whatever is no letter.
fn loses_marks(letter: char) -> bool {
    match letter {
        '\0'..='\u{52f}'
        | '\u{1c80}'..='\u{1c8f}'
        | '\u{1d00}'..='\u{1fff}'
        | '\u{2100}'..='\u{214f}'
        | '\u{2c60}'..='\u{2c7f}'
        | '\u{a640}'..='\u{a69f}'
        | '\u{a720}'..='\u{a7ff}'
        | '\u{ab30}'..='\u{ab6f}'
        | '\u{fb00}'..='\u{fb06}' => true,
        _ => !letter.is_alphabetic() && !is_combining_mark(letter),
    }
}

fn is_nonspacing(letter: char) -> bool {
    letter.general_category() == GeneralCategory::NonspacingMark
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn strip(text: &str) -> String {
        let mut out = String::new();
        strip_diacritics(text, &mut out).unwrap();
        out
    }

    #[test]
    fn latin_greek_cyrillic() {
        for (text, plain) in [
            ("Plain 123 .-_'", "Plain 123 .-_'"),
            ("François Côté Łukasz Żółć", "Francois Cote Lukasz Zolc"),
            ("Straße Øyvind Kjær ÆØ ıİ", "Strasse OEyvind Kjaer AEOE iI"),
            ("ǿ ǽ ǣ Ǿ Ǽ", "oe ae ae OE AE"),
            ("Nguyễn ấ ữ Ḥ Ṣ", "Nguyen a u H S"),
            ("e\u{301} n\u{303}o\u{308} q\u{307}\u{323}", "e no q"),
            ("đ Đ ð þ ħ œ Œ ẞ ŀ ĳ ŉ ﬀ", "đ Đ ð þ ħ œ Œ ẞ ŀ ĳ ŉ ﬀ"),
            ("Γιώργος ΐ ᾳ ΰ", "Γιωργος ι α υ"),
            ("Йогурт ёж Ґ", "Иогурт еж Ґ"),
            ("\u{212b}\u{2126}≠", "AΩ="),
            ("\u{301}x ☺\u{fe0f}", "x ☺"),
            ("", ""),
        ] {
            assert_eq!(strip(text), plain);
        }
    }

    #[test]
    fn the_latin_shortcut_agrees_with_decomposition() {
        assert_eq!(LATIN.len(), 0x180 - 0xc0);
        for (at, base) in LATIN.chars().enumerate() {
            let letter = char::from_u32(0xc0 + at as u32).unwrap();
            let parts: String = letter.nfd().filter(|&part| !is_nonspacing(part)).collect();
            let wanted = if parts.chars().eq([letter]) { ".".to_owned() } else { parts };
            assert_eq!(base.to_string(), wanted, "{letter:?}");
        }
    }

    #[test]
    fn parts_say_what_stripping_does() {
        for letter in (0x80..0x0002_0000).filter_map(char::from_u32) {
            let mut parts = String::new();
            let stands = super::parts(letter, |part| parts.push(part));
            let stripped = strip(&format!("a{letter}"));
            let rest = &stripped[1..];
            if stands {
                assert_eq!(parts, rest, "{letter:?}");
            } else {
                assert!(parts.is_empty() && rest.chars().all(|part| !part.is_ascii()), "{letter:?}");
            }
            // Behind a letter of another script a mark stays: only then the two differ, and not in ASCII.
            let after = strip(&format!("が{letter}"));
            let ascii = |text: &str| text.chars().filter(char::is_ascii).collect::<String>();
            assert_eq!(ascii(&parts), ascii(&after), "{letter:?}");
        }
    }

    #[test]
    fn other_scripts_keep_their_marks() {
        for text in ["がぎぐ パ", "مُحَمَّد", "שָׁלוֹם", "สวัสดี", "नमस्ते", "한국어", "田中"]
        {
            assert_eq!(strip(text), text);
        }
        assert_eq!(strip("か\u{3099}é"), "か\u{3099}e");
        assert_eq!(strip("é한é"), "e한e");
    }

    #[test]
    fn stripping_twice_changes_nothing_more() {
        for letter in (0..0x0001_2000).filter_map(char::from_u32) {
            for text in [format!("{letter}"), format!("a{letter}\u{301}"), format!("が{letter}\u{5b0}")] {
                let once = strip(&text);
                assert_eq!(strip(&once), once, "{letter:?}");
            }
        }
    }
}
