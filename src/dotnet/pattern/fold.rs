//! Which characters `(?i)` holds for equal.
//!
//! .NET compares invariant lower case, one character to one character: K and the Kelvin sign are equal, ſ and s are
//! not, İ and ı stand alone, and nothing beyond U+FFFF has case. The engines fold otherwise, so the cases are written
//! out as classes.

use std::sync::OnceLock;

/// The Kelvin sign: the only character outside ASCII whose lower case is inside.
const KELVIN: u32 = 0x212A;

/// All characters equal to `unit` under `(?i)`, itself not included.
pub(super) fn others(unit: u32) -> impl Iterator<Item = u32> {
    let mut found = Vec::new();
    add_range(unit, unit, &mut |other| found.push(other));
    found.retain(|&other| other != unit);
    found.into_iter()
}

/// Calls `add` for all characters equal to one of the range; some may lie in the range themselves.
pub(super) fn add_range(first: u32, last: u32, add: &mut impl FnMut(u32)) {
    let ascii_last = last.min(0x7F);
    for unit in first..=ascii_last {
        let Ok(byte) = u8::try_from(unit) else { break };
        if byte.is_ascii_alphabetic() {
            add(u32::from(byte ^ 0x20));
            if byte.eq_ignore_ascii_case(&b'k') {
                add(KELVIN);
            }
        }
    }
    // Most patterns stay inside ASCII and never pay for the table.
    if last <= 0x7F {
        return;
    }
    for &(lower, upper) in pairs() {
        let lower_in = (first..=last).contains(&lower);
        let upper_in = (first..=last).contains(&upper);
        if lower_in {
            add(upper);
        }
        if upper_in {
            add(lower);
            // Several capitals may share one small letter (K and the Kelvin sign, Ǆ and ǅ).
            let start = pairs().partition_point(|pair| pair.0 < lower);
            for &(_, twin) in pairs().iter().skip(start).take_while(|pair| pair.0 == lower) {
                add(twin);
            }
        }
    }
}

/// (small letter, capital) up to U+FFFF, sorted.
fn pairs() -> &'static [(u32, u32)] {
    static PAIRS: OnceLock<Vec<(u32, u32)>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let mut pairs: Vec<_> = ('\0'..='\u{FFFF}')
            .filter_map(|upper| {
                let mut lower = upper.to_lowercase();
                // A mapping to more than one character (İ) is no mapping in .NET.
                match (lower.next(), lower.next()) {
                    (Some(lower), None) if lower != upper => Some((u32::from(lower), u32::from(upper))),
                    _ => None,
                }
            })
            .collect();
        pairs.sort_unstable();
        pairs
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(c: char) -> String {
        let mut all: Vec<char> = others(u32::from(c)).filter_map(char::from_u32).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().collect()
    }

    #[test]
    fn pairs_are_those_of_dotnet() {
        assert_eq!(of('a'), "A");
        assert_eq!(of('k'), "K\u{212A}");
        assert_eq!(of('\u{212A}'), "Kk");
        assert_eq!(of('s'), "S");
        assert_eq!(of('ſ'), "");
        assert_eq!(of('i'), "I");
        assert_eq!(of('İ'), "");
        assert_eq!(of('ı'), "");
        assert_eq!(of('ß'), "ẞ");
        assert_eq!(of('ǅ'), "Ǆǆ");
        assert_eq!(of('σ'), "Σ");
        assert_eq!(of('å'), "Å\u{212B}");
        assert_eq!(of('𐐨'), "");
    }
}
