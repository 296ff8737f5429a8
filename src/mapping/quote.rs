//! Texts and keys as TOML, the way our files are written.

use std::fmt::Write as _;

/// A TOML string: as it is when a literal one can hold it.
pub(super) fn toml_text(text: &str) -> String {
    if !text.chars().any(|letter| letter == '\'' || letter.is_control()) {
        return format!("'{text}'");
    }
    basic(text)
}

/// A program: a literal string also when an apostrophe or several lines stand in it.
pub(super) fn toml_program(text: &str) -> String {
    let odd = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    let fits = !text.contains("'''") && !text.ends_with('\'') && !text.chars().any(odd);
    if fits && text.contains('\n') {
        return format!("'''\n{text}'''");
    }
    if fits && text.contains('\'') {
        return format!("'''{text}'''");
    }
    toml_text(text)
}

/// A word for people, in double quotes.
pub(super) fn toml_word(text: &str) -> String {
    if text.contains(['"', '\\']) { toml_text(text) } else { basic(text) }
}

/// A key: bare when it may be, else as [`toml_text`].
pub(super) fn toml_key(key: &str) -> String {
    if is_bare(key) { key.to_owned() } else { toml_text(key) }
}

/// Whether a key needs no quotes.
pub(super) fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}

fn basic(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        let _ = match letter {
            '"' | '\\' => write!(out, "\\{letter}"),
            letter if letter.is_control() => write!(out, "\\u{:04X}", u32::from(letter)),
            letter => write!(out, "{letter}"),
        };
    }
    out.push('"');
    out
}

/// A text on one line, for a comment.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
