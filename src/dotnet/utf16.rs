//! Lengths, positions and cuts in UTF-16 units, which .NET counts text in, on Rust's UTF-8.
//!
//! In ASCII a unit is a byte, and every function first tries that. A cut inside a surrogate pair, which .NET
//! answers with half a character that no JSON text can hold, drops that half.

use super::casing::fold;

/// The number of UTF-16 units, .NET's `String.Length`.
pub fn len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The first `units` units, or the whole text when it is shorter.
pub fn left(text: &str, units: usize) -> &str {
    mid(text, 0, units)
}

/// `units` units from the zero-based unit `start`, or what there is of them.
#[inline]
pub fn mid(text: &str, start: usize, units: usize) -> &str {
    let end = start.saturating_add(units);
    // Only the part up to the end matters, and it is often short.
    let bytes = text.as_bytes();
    let head = bytes.get(..end.min(bytes.len())).unwrap_or(bytes);
    let ascii = match bytes.first_chunk::<8>() {
        // Eight at once, without those behind the end.
        Some(eight) if end <= 8 => {
            let behind = 64_u32.saturating_sub(8 * end as u32);
            (u64::from_le_bytes(*eight) & 0x8080_8080_8080_8080).checked_shl(behind).unwrap_or(0) == 0
        }
        // So short, a look at each byte is faster than a look at many.
        _ if head.len() < 16 => head.iter().all(u8::is_ascii),
        _ => head.is_ascii(),
    };
    if ascii {
        return text.get(start.min(head.len())..head.len()).unwrap_or_default();
    }
    let from = boundary(text, start, true);
    let to = boundary(text, end, false);
    text.get(from..to).unwrap_or_default()
}

/// The byte offset of a unit; inside a pair, the end of the pair (`after`) or its start.
fn boundary(text: &str, unit: usize, after: bool) -> usize {
    let mut seen = 0;
    for (index, letter) in text.char_indices() {
        if seen >= unit {
            return index;
        }
        seen += letter.len_utf16();
        if seen > unit && !after {
            return index;
        }
    }
    text.len()
}

/// The unit at which `needle` first stands at or after the unit `from`, compared by code units, with
/// `ignore_case` by their simple upper case (.NET's `Ordinal` and `OrdinalIgnoreCase`). An empty needle stands
/// at `from`; `None` as well when `from` lies behind the end.
pub fn find(text: &str, needle: &str, from: usize, ignore_case: bool) -> Option<usize> {
    if text.is_ascii() && (!ignore_case || needle.is_ascii()) {
        let rest = text.get(from..)?;
        return find_bytes(rest, needle, ignore_case).map(|at| from + at);
    }
    let whole = len(text);
    if from > whole || needle.is_empty() {
        return (from <= whole).then_some(from);
    }
    let start = boundary(text, from, true);
    let rest = text.get(start..)?;
    if ignore_case {
        return find_folded(rest, needle).map(|at| len(text.get(..start).unwrap_or_default()) + at);
    }
    Some(len(text.get(..start + rest.find(needle)?)?))
}

/// A longer needle is sought in a folded copy of the text, which takes time for both once and not for each place.
const SHORT_NEEDLE: usize = 16;

fn find_bytes(text: &str, needle: &str, ignore_case: bool) -> Option<usize> {
    if !ignore_case {
        return text.find(needle);
    }
    if needle.is_empty() {
        return Some(0);
    }
    if needle.len() > SHORT_NEEDLE {
        return text.to_ascii_lowercase().find(&needle.to_ascii_lowercase());
    }
    text.as_bytes().windows(needle.len()).position(|part| part.eq_ignore_ascii_case(needle.as_bytes()))
}

/// The unit of the first place; folding keeps the units of every character, so none has to be mapped back.
fn find_folded(text: &str, needle: &str) -> Option<usize> {
    let folded = |text: &str| text.chars().map(fold).collect::<String>();
    let text = folded(text);
    let at = text.find(&folded(needle))?;
    Some(len(text.get(..at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text, units) in [("", 0), ("abc", 3), ("Zoë", 3), ("Zoe\u{308}", 4), ("👍", 2), ("👨‍👩‍👧", 8), ("田中", 2)]
        {
            assert_eq!(len(text), units, "{text}");
        }
    }

    #[test]
    fn cuts() {
        assert_eq!(left("👍ab", 2), "👍");
        assert_eq!(left("👍ab", 3), "👍a");
        assert_eq!(left("a👍b", 2), "a");
        assert_eq!(left("abc", 0), "");
        assert_eq!(left("abc", usize::MAX), "abc");
        assert_eq!(left("ë", 1), "ë");
        assert_eq!(left("aë", 1), "a");
        assert_eq!(mid("abcdef", 2, 2), "cd");
        assert_eq!(mid("abcdef", 6, 2), "");
        assert_eq!(mid("abcdef", 9, usize::MAX), "");
        assert_eq!(mid("a👍b", 3, 1), "b");
        assert_eq!(mid("a👍b", 2, 2), "b");
        assert_eq!(mid("a👍b", 2, 1), "");
        assert_eq!(mid("a👍b", 1, 1), "");
        assert_eq!(mid("a👍b", 1, 2), "👍");
        assert_eq!(mid("שלום", 1, 2), "לו");
        assert_eq!(mid("👍", 1, 1), "");
        assert_eq!(mid("👍", 0, 1), "");
    }

    #[test]
    fn positions() {
        assert_eq!(find("repEated", "e", 2, false), Some(6));
        assert_eq!(find("repEated", "e", 2, true), Some(3));
        assert_eq!(find("aaa", "aa", 1, false), Some(1));
        assert_eq!(find("aaa", "aa", 2, false), None);
        assert_eq!(find("👍@x", "@", 0, false), Some(2));
        assert_eq!(find("👍@x", "X", 1, true), Some(3));
        assert_eq!(find("ZOË", "ë", 0, true), Some(2));
        assert_eq!(find("Zoë", "e", 0, false), None);
        assert_eq!(find("Zoe\u{308}", "e", 0, false), Some(2));
        assert_eq!(find("straße", "SS", 0, true), None);
        assert_eq!(find("STRAẞE", "ß", 0, true), None);
        assert_eq!(find("ısı", "I", 0, true), None);
        assert_eq!(find("\u{212a}", "k", 0, true), None);
        assert_eq!(find("ſ", "S", 0, true), None);
        assert_eq!(find("abc", "", 1, false), Some(1));
        assert_eq!(find("abc", "", 3, true), Some(3));
        assert_eq!(find("abc", "", 4, false), None);
        assert_eq!(find("ëbc", "", 4, false), None);
        assert_eq!(find("ëbc", "", 3, false), Some(3));
        assert_eq!(find("", "x", 0, false), None);
        assert_eq!(find("abc", "abcd", 0, true), None);
        assert_eq!(find("abc", "ë", 0, true), None);
        assert_eq!(find("xxABCDEFGHIJKLMNOPQRST", "abcdefghijklmnopqrst", 1, true), Some(2));
        assert_eq!(find("xxABCDEFGHIJKLMNOPQRST", "abcdefghijklmnopqrst", 3, true), None);
    }

    /// A walk for each place would take hours here.
    #[test]
    fn long_needles_take_linear_time() {
        let (text, needle) = ("aé".repeat(100_000), format!("{}x", "AÉ".repeat(50_000)));
        assert_eq!(find(&text, &needle, 0, true), None);
        let (text, needle) = ("a".repeat(200_000), format!("{}b", "A".repeat(100_000)));
        assert_eq!(find(&text, &needle, 0, true), None);
    }

    /// Every cut and search of short texts, against the same done on the units themselves.
    #[test]
    fn agrees_with_the_units() {
        const LETTERS: [&str; 8] = ["a", "B", "b", "é", "É", "👍", "𐐨", "𐐀"];
        let mut state = 1_u64;
        let mut roll = move |sides: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % sides as u64) as usize
        };
        for _ in 0..4_000 {
            let text: String = (0..roll(7)).map(|_| LETTERS[roll(8)]).collect();
            let needle: String = (0..roll(3)).map(|_| LETTERS[roll(8)]).collect();
            let units: Vec<u16> = text.encode_utf16().collect();
            assert_eq!(len(&text), units.len());
            for start in 0..=units.len() + 1 {
                for count in 0..=units.len() + 1 {
                    let end = (start + count).min(units.len());
                    let wanted =
                        String::from_utf16_lossy(units.get(start..end).unwrap_or_default()).replace('\u{fffd}', "");
                    assert_eq!(mid(&text, start, count), wanted, "{text} {start} {count}");
                }
                let wanted: Vec<u16> = needle.encode_utf16().collect();
                let found = (start..=units.len()).find(|&at| units[at..].starts_with(&wanted));
                assert_eq!(find(&text, &needle, start, false), found, "{text} {needle} {start}");
                let raise = |text: &str| text.chars().map(fold).collect::<String>();
                assert_eq!(
                    find(&text, &needle, start, true),
                    find(&raise(&text), &raise(&needle), start, false),
                    "{text} {needle} {start}"
                );
            }
        }
    }
}
