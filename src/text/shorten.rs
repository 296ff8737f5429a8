//! Values in headlines: their beginning is enough, the whole stands in the file or in a note.

use std::borrow::Cow;

/// How many characters of a value a headline shows.
const MOST: usize = 60;

/// The text, or its first characters and `…` when it has more than a headline holds.
pub fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(MOST - 1).chain(['…']).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_texts_are_cut_and_never_within_a_character() {
        assert_eq!(shorten("héllo"), "héllo");
        assert_eq!(shorten(&"é".repeat(60)), "é".repeat(60));
        assert_eq!(shorten(&"é".repeat(61)), format!("{}…", "é".repeat(59)));
    }
}
