//! Words for people: what is wrong with a JSON text, and texts of records made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with its control characters spelled out, so that a record cannot act on the terminal or add lines.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// What kind of JSON begins here, with its article; `None` when it is an object or no JSON.
pub(super) fn kind(text: &str) -> Option<&'static str> {
    let text = text.trim_ascii_start();
    match text.bytes().next()? {
        b'[' => Some("an array"),
        b'"' => Some("a text"),
        b'-' | b'0'..=b'9' => Some("a number"),
        b't' if text.starts_with("true") => Some("true"),
        b'f' if text.starts_with("false") => Some("false"),
        b'n' if text.starts_with("null") => Some("null"),
        _ => None,
    }
}

/// What is wrong with a JSON text that is to be an object, in our words for the parser's `message`.
pub(super) fn json_trouble(text: &str, message: &str) -> String {
    let text = text.trim_ascii();
    if text.is_empty() {
        return "a JSON object is to stand here, and there is nothing".into();
    }
    // The parser looks at the kind first; of a list it would name its own types.
    if let Some(kind) = kind(text) {
        return format!("a JSON object is to stand here, this is {kind}");
    }
    if !text.starts_with('{') {
        return "a JSON object is to stand here; one begins with `{`".into();
    }
    json_message(message)
}

/// The parser's message without its position, in our words.
pub(super) fn json_message(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let told = match message {
        "expected ident" | "expected value" => "no JSON value begins like this; a text stands in double quotes",
        "expected `:`" => "a colon is missing behind the name",
        "expected `,` or `}`" => "a comma or `}` is missing",
        "expected `,` or `]`" => "a comma or `]` is missing",
        "expected `\"`" | "key must be a string" => "a name in double quotes is to stand here",
        "trailing comma" => "a comma too many: nothing follows it",
        "trailing characters" => "there is more behind the object's end",
        "EOF while parsing an object" => "the text ends within an object: a `}` is missing",
        "EOF while parsing a list" => "the text ends within a list: a `]` is missing",
        "EOF while parsing a string" => "the text ends within a string: a closing quote is missing",
        "EOF while parsing a value" => "the text ends where a value is to stand",
        "invalid escape" => "no JSON escape: a backslash itself is written \\\\",
        "invalid number" => "this is no JSON number",
        "number out of range" => "the number is too large",
        "recursion limit exceeded" => "lists and objects nest deeper than 128",
        "lone leading surrogate in hex escape" | "invalid unicode code point" | "unexpected end of hex escape" => {
            "the \\u escape is half of a pair, or stands for no character"
        }
        other if other.starts_with("control character") => {
            "a control character stands in a string: write it as an escape such as \\n"
        }
        other => other,
    };
    told.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{9b}é"), "a\\x1b[2J\\nb\\x9bé");
        assert!(matches!(printable("plain é"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_message_of_the_parser_is_put_in_our_words() {
        for text in [
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\": x}",
            "{\"a\": tru}",
            "{\"a\": [1",
            "{\"a\": \"x",
            "{a}",
            "{\"a\": 1 \"b\"}",
            "{} {}",
        ] {
            let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err().to_string();
            let ours = json_trouble(text, &error);
            assert!(!ours.contains("expected") && !ours.contains("EOF"), "{text}: {ours}");
        }
    }
}
