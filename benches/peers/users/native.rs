//! What the peers lack, as native functions without regexes: letters without marks, "only these characters", taken names.

use std::sync::{Arc, OnceLock};

use provisor::dotnet::diacritics::strip_diacritics;
use provisor::function::Taken;

/// The nicknames that nobody can have any more. Some peers take functions without a state of their own.
pub(super) static TAKEN: OnceLock<Arc<dyn Taken>> = OnceLock::new();

/// Without diacritics.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    strip_diacritics(text, &mut out).expect("a String takes everything");
    out
}

/// Letters and digits of ASCII alone.
pub(super) fn only_letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// What is dialled.
pub(super) fn only_digits(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect()
}

/// An address without its scheme.
pub(super) fn without_smtp(text: &str) -> &str {
    match text.split_at_checked(5) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("smtp:") => rest,
        _ => text,
    }
}

/// The name if nobody has it, or `""`.
pub(super) fn free(text: &str) -> &str {
    if TAKEN.get().expect("the names are there first").is_taken(text) { "" } else { text }
}

/// `count` characters after the first `start`.
pub(super) fn cut(text: &str, start: usize, count: usize) -> String {
    text.chars().skip(start).take(count).collect()
}
