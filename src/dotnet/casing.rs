//! Upper, lower and title case as .NET has them: one character to one character.
//!
//! Source: dotnet.md section 3. Where Unicode's full mapping is longer than one character, .NET keeps the
//! character (`ß`, `ŉ`, `ﬁ`), save the 27 letters with iota subscript; sigma has no final form.

use std::fmt;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// How much a culture says about casing. No culture of .NET differs otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Culture {
    /// No culture: `ı` and `İ` stay as they are.
    #[default]
    Invariant,
    /// Any named culture: `ı` goes up to `I`, `İ` goes down to `i`.
    Named,
    /// Turkish and Azerbaijani: `i` pairs with `İ`, `ı` with `I`.
    Turkic,
}

impl Culture {
    /// The culture of a name such as `de-DE`, `tr` or `az-Latn-AZ`; the empty name is the invariant culture.
    /// `None` for a text that is no name: .NET throws there. A name need not be one that exists.
    pub fn parse(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Invariant);
        }
        let mut parts = name.split(['-', '_']);
        let language = parts.next()?;
        // `i-…` and `x-…` are the registered and private names, as good as named.
        let language_ok = match language.len() {
            1 => matches!(language, "i" | "I" | "x" | "X") && name.len() > 2,
            2..=8 => language.bytes().all(|byte| byte.is_ascii_alphabetic()),
            _ => false,
        };
        let rest_ok =
            parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !language_ok || !rest_ok {
            return None;
        }
        let turkic = language.eq_ignore_ascii_case("tr") || language.eq_ignore_ascii_case("az");
        Some(if turkic { Self::Turkic } else { Self::Named })
    }
}

/// Writes the text in lower case.
///
/// # Errors
/// Only when the writer fails.
pub fn lower(text: &str, culture: Culture, out: &mut impl fmt::Write) -> fmt::Result {
    if culture != Culture::Turkic && text.is_ascii() {
        return map_ascii(text, out, <[u8]>::make_ascii_lowercase);
    }
    map(text, out, |letter| lower_char(letter, culture))
}

/// Writes the text in upper case.
///
/// # Errors
/// Only when the writer fails.
pub fn upper(text: &str, culture: Culture, out: &mut impl fmt::Write) -> fmt::Result {
    if culture != Culture::Turkic && text.is_ascii() {
        return map_ascii(text, out, <[u8]>::make_ascii_uppercase);
    }
    map(text, out, |letter| upper_char(letter, culture))
}

/// Whether [`lower`] would change nothing.
pub fn is_lower_already(text: &str, culture: Culture) -> bool {
    if culture != Culture::Turkic && text.is_ascii() {
        return !text.bytes().any(|byte| byte.is_ascii_uppercase());
    }
    text.chars().all(|letter| lower_char(letter, culture) == letter)
}

/// Whether [`upper`] would change nothing.
pub fn is_upper_already(text: &str, culture: Culture) -> bool {
    if culture != Culture::Turkic && text.is_ascii() {
        return !text.bytes().any(|byte| byte.is_ascii_lowercase());
    }
    text.chars().all(|letter| upper_char(letter, culture) == letter)
}

/// Writes ASCII text changed in place, a piece at a time.
fn map_ascii(text: &str, out: &mut impl fmt::Write, mut change: impl FnMut(&mut [u8])) -> fmt::Result {
    let mut room = [0; PIECE];
    for chunk in text.as_bytes().chunks(PIECE) {
        let Some(piece) = room.get_mut(..chunk.len()) else { break };
        piece.copy_from_slice(chunk);
        change(piece);
        out.write_str(std::str::from_utf8(piece).unwrap_or_default())?;
    }
    Ok(())
}

/// Writes each character changed.
fn map(text: &str, out: &mut impl fmt::Write, mut change: impl FnMut(char) -> char) -> fmt::Result {
    text.chars().try_for_each(|letter| out.write_char(change(letter)))
}

/// Bytes gathered before a write; most names fit.
const PIECE: usize = 64;

/// The lower case of one character.
#[inline]
fn lower_char(letter: char, culture: Culture) -> char {
    if letter.is_ascii() {
        return if letter == 'I' && culture == Culture::Turkic { 'ı' } else { letter.to_ascii_lowercase() };
    }
    if letter == 'İ' {
        return if culture == Culture::Invariant { letter } else { 'i' };
    }
    common(letter, false).unwrap_or_else(|| single(letter.to_lowercase()).unwrap_or(letter))
}

/// The letters most names are made of, by rule: the standard library's search costs several times as much.
/// `None` for all others. A test compares every one with the standard library.
#[inline]
fn common(letter: char, up: bool) -> Option<char> {
    /// Upper and lower case of a pair of neighbours, told by the lowest bit.
    const fn pair(code: u32, up: bool, upper_bit: u32) -> u32 {
        match (code & 1 == upper_bit, up) {
            (true, false) => code + 1,
            (false, true) => code - 1,
            _ => code,
        }
    }
    let code = letter as u32;
    let (is_upper, distance) = match code {
        // The signs for times and divided; Hebrew, Arabic and the East Asian scripts have no case.
        0xd7 | 0xf7 | 0x590..=0x6ff | 0x2e80..=0xa63f | 0xac00..=0xd7ff => return Some(letter),
        // Latin pairs beyond Latin-1.
        0x100..=0x12f | 0x132..=0x137 | 0x14a..=0x177 => return char::from_u32(pair(code, up, 0)),
        0x139..=0x148 | 0x179..=0x17e => return char::from_u32(pair(code, up, 1)),
        // Latin-1, Greek without the final sigma, Cyrillic.
        0xc0..=0xde | 0x391..=0x3a1 | 0x3a3..=0x3a9 | 0x410..=0x42f => (true, 32),
        0xe0..=0xfe | 0x3b1..=0x3c1 | 0x3c3..=0x3c9 | 0x430..=0x44f => (false, 32),
        0x400..=0x40f => (true, 80),
        0x450..=0x45f => (false, 80),
        _ => return None,
    };
    match (is_upper, up) {
        (true, false) => char::from_u32(code + distance),
        (false, true) => char::from_u32(code - distance),
        _ => Some(letter),
    }
}

/// The upper case of one character.
#[inline]
fn upper_char(letter: char, culture: Culture) -> char {
    if letter.is_ascii() {
        return if letter == 'i' && culture == Culture::Turkic { 'İ' } else { letter.to_ascii_uppercase() };
    }
    match letter {
        'ı' => {
            if culture == Culture::Invariant {
                letter
            } else {
                'I'
            }
        }
        // Unicode's full mapping writes the iota beside the letter; .NET uses the one-character forms.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shift(letter, 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shift(letter, 9),
        _ => common(letter, true).unwrap_or_else(|| single(letter.to_uppercase()).unwrap_or(letter)),
    }
}

fn shift(letter: char, by: u32) -> char {
    char::from_u32(letter as u32 + by).unwrap_or(letter)
}

fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

/// The key two characters share when .NET's `OrdinalIgnoreCase` finds them equal: the simple upper case,
/// save that `ı` and `ſ` match only themselves.
pub(super) fn fold(letter: char) -> char {
    if letter == 'ſ' { letter } else { upper_char(letter, Culture::Invariant) }
}

/// Writes the text with each word's first letter raised and all else lowered: `ToTitleCase` of the lowered
/// text, which is `PCase` without separators. Words part at blanks, punctuation and symbols, not at the ASCII
/// apostrophe, digits or marks; a word that starts with a digit raises its first letter (`1St`).
///
/// # Errors
/// Only when the writer fails.
pub fn title_case(text: &str, out: &mut impl fmt::Write) -> fmt::Result {
    // Inside a word, after its first letter.
    let mut inside = false;
    if text.is_ascii() {
        return map_ascii(text, out, |piece| {
            for byte in piece {
                if !inside && byte.is_ascii_alphabetic() {
                    byte.make_ascii_uppercase();
                    inside = true;
                } else {
                    byte.make_ascii_lowercase();
                    inside &= byte.is_ascii_alphanumeric() || *byte == b'\'';
                }
            }
        });
    }
    map(text, out, |letter| {
        let lowered = lower_char(letter, Culture::Invariant);
        if inside {
            inside = !parts_words(letter);
            lowered
        } else if is_letter(lowered) {
            inside = true;
            title_char(lowered)
        } else {
            lowered
        }
    })
}

/// More separators than this are sorted first, so that many of them cost no walk for each letter.
const FEW_SEPARATORS: usize = 16;

/// Writes the text with the letter after each of the separators, and the first one, raised, and all else
/// lowered: `PCase` with separators. The text is lowered before it is cut, so a capital separates nothing.
///
/// # Errors
/// Only when the writer fails.
pub fn title_case_with(text: &str, separators: &str, out: &mut impl fmt::Write) -> fmt::Result {
    if separators.len() <= FEW_SEPARATORS {
        return title_case_by(text, |letter| separators.contains(letter), out);
    }
    let mut sorted: Vec<char> = separators.chars().collect();
    sorted.sort_unstable();
    title_case_by(text, |letter| sorted.binary_search(&letter).is_ok(), out)
}

fn title_case_by(text: &str, separates: impl Fn(char) -> bool, out: &mut impl fmt::Write) -> fmt::Result {
    let mut start = true;
    map(text, out, |letter| {
        let lowered = lower_char(letter, Culture::Invariant);
        let raised = if start { upper_char(lowered, Culture::Invariant) } else { lowered };
        start = separates(lowered);
        raised
    })
}

fn title_char(letter: char) -> char {
    match letter {
        // The digraphs have a title case of their own; upper case would raise both halves.
        'ǆ' => 'ǅ',
        'ǉ' => 'ǈ',
        'ǌ' => 'ǋ',
        'ǳ' => 'ǲ',
        _ => upper_char(letter, Culture::Invariant),
    }
}

fn is_letter(letter: char) -> bool {
    use GeneralCategory::{LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter};
    if letter.is_ascii() {
        return letter.is_ascii_alphabetic();
    }
    if is_common_letter(letter) {
        return true;
    }
    matches!(
        letter.general_category(),
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter
    )
}

/// Letters that need no search for their category; a test compares them with it.
const fn is_common_letter(letter: char) -> bool {
    matches!(
        letter,
        '\u{c0}'..='\u{d6}'
            | '\u{d8}'..='\u{f6}'
            | '\u{f8}'..='\u{24f}'
            | '\u{391}'..='\u{3a1}'
            | '\u{3a3}'..='\u{3ce}'
            | '\u{400}'..='\u{45f}'
    )
}

/// The categories at which a word ends.
fn parts_words(letter: char) -> bool {
    use GeneralCategory as Is;
    if letter.is_ascii() {
        return !letter.is_ascii_alphanumeric() && letter != '\'';
    }
    if is_common_letter(letter) {
        return false;
    }
    matches!(
        letter.general_category(),
        Is::SpaceSeparator
            | Is::LineSeparator
            | Is::ParagraphSeparator
            | Is::Control
            | Is::Format
            | Is::ConnectorPunctuation
            | Is::DashPunctuation
            | Is::OpenPunctuation
            | Is::ClosePunctuation
            | Is::InitialPunctuation
            | Is::FinalPunctuation
            | Is::OtherPunctuation
            | Is::MathSymbol
            | Is::CurrencySymbol
            | Is::ModifierSymbol
            | Is::OtherSymbol
    )
}

#[cfg(test)]
mod tests {
    use unicode_properties::GeneralCategoryGroup;

    use super::*;

    fn low(text: &str, culture: Culture) -> String {
        let mut out = String::new();
        lower(text, culture, &mut out).unwrap();
        assert_eq!(is_lower_already(text, culture), out == text, "{text}");
        out
    }

    fn up(text: &str, culture: Culture) -> String {
        let mut out = String::new();
        upper(text, culture, &mut out).unwrap();
        assert_eq!(is_upper_already(text, culture), out == text, "{text}");
        out
    }

    fn title(text: &str) -> String {
        let mut out = String::new();
        title_case(text, &mut out).unwrap();
        out
    }

    fn title_with(text: &str, separators: &str) -> String {
        let mut out = String::new();
        title_case_with(text, separators, &mut out).unwrap();
        out
    }

    #[test]
    fn one_character_to_one() {
        use Culture::Invariant;
        for (text, upper) in [
            ("abc Straße", "ABC STRAßE"),
            ("ŉ ﬁ ǰ ΐ ﬀ", "ŉ ﬁ ǰ ΐ ﬀ"),
            ("ıi", "ıI"),
            ("σς", "ΣΣ"),
            ("µſÿ", "ΜSŸ"),
            ("ǆ ǅ Ǆ", "Ǆ Ǆ Ǆ"),
            ("ᾀ ᾐ ᾠ ᾳ ῃ ῳ", "ᾈ ᾘ ᾨ ᾼ ῌ ῼ"),
            ("ᾴ", "ᾴ"),
            ("𐐨", "𐐀"),
            ("ⅷⓐ", "ⅧⒶ"),
            ("", ""),
        ] {
            assert_eq!(up(text, Invariant), upper);
        }
        for (text, lower) in [
            ("ABC ẞ", "abc ß"),
            ("ΟΔΟΣ", "οδοσ"),
            ("İI", "İi"),
            ("\u{212a}\u{212b}Ω", "kåω"),
            ("ǆ ǅ Ǆ", "ǆ ǆ ǆ"),
            ("ᾈ ᾼ", "ᾀ ᾳ"),
            ("𐐀", "𐐨"),
            ("", ""),
        ] {
            assert_eq!(low(text, Invariant), lower);
        }
    }

    #[test]
    fn long_texts_keep_their_order() {
        let text = "aB1é".repeat(100);
        assert_eq!(low(&text, Culture::Invariant), "ab1é".repeat(100));
        assert_eq!(up(&text, Culture::Invariant), "AB1É".repeat(100));
        assert_eq!(low(&"ÀA".repeat(99), Culture::Invariant), "àa".repeat(99));
    }

    #[test]
    fn cultures() {
        use Culture::{Invariant, Named, Turkic};
        for (name, culture) in [
            ("", Some(Invariant)),
            ("de-DE", Some(Named)),
            ("en", Some(Named)),
            ("zh_CN", Some(Named)),
            ("sr-Latn-RS", Some(Named)),
            ("xx-YY", Some(Named)),
            ("TR-tr", Some(Turkic)),
            ("tr", Some(Turkic)),
            ("az-Latn-AZ", Some(Turkic)),
            ("trv", Some(Named)),
            ("not a culture!!", None),
            ("de DE", None),
            ("de-", None),
            ("-de", None),
            ("d", None),
            ("1e", None),
        ] {
            assert_eq!(Culture::parse(name), culture, "{name}");
        }
        assert_eq!(up("iı", Turkic), "İI");
        assert_eq!(low("Iİ", Turkic), "ıi");
        assert_eq!(up("iı", Named), "II");
        assert_eq!(low("Iİ", Named), "ii");
    }

    #[test]
    fn words() {
        for (text, titled) in [
            ("MARY-ANN van_der o'brien", "Mary-Ann Van_Der O'brien"),
            ("O’BRIEN john’s", "O’Brien John’S"),
            ("'quoted' ''x", "'Quoted' ''X"),
            ("1st 22nd b2b mp3player", "1St 22Nd B2b Mp3player"),
            ("a\u{301}b \u{301}a", "A\u{301}b \u{301}A"),
            ("ǆ ǉ ǌ ǳ Ǆa", "ǅ ǈ ǋ ǲ ǅa"),
            ("a👍b a+b a$b a\u{200b}b a\u{ad}b", "A👍B A+B A$B A\u{200b}B A\u{ad}B"),
            ("ßa ŉa ªb ıa", "ßa ŉa ªb ıa"),
            ("ΟΔΟΣ", "Οδοσ"),
            ("it (EMEA), #tag %per \"x\" a/b 'tis", "It (Emea), #Tag %Per \"X\" A/B 'Tis"),
            ("½a ²b ⅷx", "½A ²B ⅷX"),
            ("田中a", "田中a"),
            ("", ""),
        ] {
            assert_eq!(title(text), titled);
        }
    }

    #[test]
    fn given_separators() {
        assert_eq!(title_with("JANE.DOE@contoso.com", ".@"), "Jane.Doe@Contoso.Com");
        assert_eq!(title_with("o'neil-smith x", "'"), "O'Neil-smith x");
        assert_eq!(title_with("2nd floor", " "), "2nd Floor");
        assert_eq!(title_with("ab cd", ""), "Ab cd");
        assert_eq!(title_with("äb–äc", "–"), "Äb–Äc");
        assert_eq!(title_with("hELLO wORLD", "l"), "HelLO worlD");
        assert_eq!(title_with("hELLO wORLD", "L"), "Hello world");
        assert_eq!(title_with("jane.doe@x", "0123456789zyxw.@"), "Jane.Doe@X");
        assert_eq!(title_with("jane.doe@x", "0123456789zyxwv.@"), "Jane.Doe@X");
    }

    #[test]
    fn the_rules_for_common_letters_agree_with_the_library() {
        for letter in (0x80..0xd800).filter_map(char::from_u32) {
            assert!(!is_common_letter(letter) || letter.general_category_group() == GeneralCategoryGroup::Letter);
            if let Some(found) = common(letter, false) {
                assert_eq!(found, single(letter.to_lowercase()).unwrap_or(letter), "{letter:?}");
            }
            if let Some(found) = common(letter, true) {
                assert_eq!(found, single(letter.to_uppercase()).unwrap_or(letter), "{letter:?}");
            }
        }
    }

    #[test]
    fn every_character_keeps_its_length_in_units() {
        for letter in (0..=0x0010_ffff).filter_map(char::from_u32) {
            for culture in [Culture::Invariant, Culture::Named, Culture::Turkic] {
                assert_eq!(lower_char(letter, culture).len_utf16(), letter.len_utf16(), "{letter:?}");
                assert_eq!(upper_char(letter, culture).len_utf16(), letter.len_utf16(), "{letter:?}");
            }
        }
        let all: String = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
        assert_eq!(low(&all, Culture::Named).chars().count(), all.chars().count());
        assert_eq!(up(&all, Culture::Turkic).chars().count(), all.chars().count());
        assert_eq!(title(&all).chars().count(), all.chars().count());
    }
}
