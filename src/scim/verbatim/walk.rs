//! A walk over JSON text that keeps nothing: where its fields begin and end. What is stored was written by us, compact and
//! whole, so that nothing else is taken here; but all of it is looked at, because it goes out as it is.

use crate::value::plain_run;

/// How deep values may nest.
const DEEPEST: usize = 128;

/// The fields of an object one after another: each name, which has no escapes, and its value as it is written.
pub(super) struct Fields<'t> {
    text: &'t str,
    /// How much of the text is behind.
    at: usize,
    is_first: bool,
}

/// Text that is not as we write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strange;

/// A field of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'t> {
    pub(super) name: &'t str,
    pub(super) value: &'t str,
    /// Where the quote before its name stands.
    pub(super) start: usize,
    /// The first place behind its value.
    pub(super) end: usize,
}

impl<'t> Fields<'t> {
    /// The fields of a text that is an object; `None` when it begins otherwise.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        text.starts_with('{').then_some(Self { text, at: 1, is_first: true })
    }

    /// The next field; `None` behind the last one.
    ///
    /// # Errors
    /// The text is not as we write it.
    pub(super) fn step(&mut self) -> Result<Option<Field<'t>>, Strange> {
        let bytes = self.text.as_bytes();
        match (bytes.get(self.at), self.is_first) {
            (Some(b'}'), _) if self.at + 1 == bytes.len() => return Ok(None),
            (Some(b','), false) => self.at += 1,
            (Some(b'"'), true) => self.is_first = false,
            _ => return Err(Strange),
        }
        self.field().map(Some).ok_or(Strange)
    }

    fn field(&mut self) -> Option<Field<'t>> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let behind = string(bytes, start)?;
        let name = self.text.get(start + 1..behind - 1).filter(|name| !name.contains('\\'))?;
        let begins = (bytes.get(behind)? == &b':').then_some(behind + 1)?;
        self.at = value(bytes, begins, DEEPEST)?;
        Some(Field { name, value: self.text.get(begins..self.at)?, start, end: self.at })
    }
}

/// Where the value that begins here ends.
fn value(text: &[u8], at: usize, left: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string(text, at),
        b'{' => items(text, at, left.checked_sub(1)?, b'}'),
        b'[' => items(text, at, left.checked_sub(1)?, b']'),
        b't' => word(text, at, b"true"),
        b'f' => word(text, at, b"false"),
        b'n' => word(text, at, b"null"),
        _ => number(text, at),
    }
}

/// Where the list or the object ends that begins here.
fn items(text: &[u8], at: usize, left: usize, close: u8) -> Option<usize> {
    let mut at = at + 1;
    if *text.get(at)? == close {
        return Some(at + 1);
    }
    loop {
        if close == b'}' {
            at = string(text, at)?;
            at = (text.get(at)? == &b':').then_some(at + 1)?;
        }
        at = value(text, at, left)?;
        match text.get(at)? {
            b',' => at += 1,
            byte if *byte == close => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Where the string ends that begins here, its quotes included.
fn string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = (text.get(at)? == &b'"').then_some(at + 1)?;
    loop {
        at += plain_run(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            // A control character.
            _ => return None,
        }
    }
}

/// Whether a text stands in JSON as it is, between quotes.
pub fn is_plain(text: &str) -> bool {
    plain_run(text.as_bytes()) == text.len()
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// Where the number ends that begins here.
fn number(text: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| {
        let count = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    };
    let whole = at + usize::from(text.get(at) == Some(&b'-'));
    let mut end = digits(whole)?;
    if text.get(whole) == Some(&b'0') && end > whole + 1 {
        return None;
    }
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    /// The fields as they are walked over; `None` when the text is refused.
    fn walked(text: &str) -> Option<Vec<(&str, &str)>> {
        let (mut fields, mut found) = (Fields::of(text)?, Vec::new());
        while let Some(field) = fields.step().ok()? {
            assert_eq!(&text[field.start + field.name.len() + 3..field.end], field.value);
            found.push((field.name, field.value));
        }
        Some(found)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~é\\n\"\\\\\u{1}]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("\\PC{0,9}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_walked_over(fields in proptest::collection::vec(("[a-z:é ]{0,9}", any_json()), 0..6)) {
            let fields: Map<String, Value> = fields.into_iter().collect();
            let text = Value::Object(fields.clone()).to_string();
            let found = walked(&text).unwrap();
            let expected: Vec<(String, String)> =
                fields.into_iter().map(|(name, value)| (name, value.to_string())).collect();
            let found: Vec<(String, String)> =
                found.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_is_walked_over_is_json(mut text in any_json().prop_map(|value| json!({"a": value}).to_string().into_bytes()), at: prop::sample::Index, byte in "[ -~]") {
            let at = at.index(text.len());
            text[at] = byte.as_bytes()[0];
            if let Ok(text) = std::str::from_utf8(&text) && walked(text).is_some() {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn what_we_do_not_write_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{}x",
            "{\"a\":1",
            "{\"a\":1,}",
            "{,\"a\":1}",
            "{ }",
            "{\"a\": 1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":\"\u{7}\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\\n\":1}",
            "{\"a\":[1,]}",
            "{\"a\":[1}",
            "{\"a\":{\"b\"}}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\"",
        ] {
            assert_eq!(walked(text), None, "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(walked(&deep(DEEPEST)).is_some() && walked(&deep(DEEPEST + 1)).is_none());
        assert_eq!(walked("{}"), Some(Vec::new()));
    }
}
