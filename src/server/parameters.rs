//! The parameters of a query (`application/x-www-form-urlencoded`), decoded in one go: services put a filter into nearly each read, where
//! a blank is a plus and a quote three letters.

use std::borrow::Cow;

/// Names and values, in their order.
pub(super) fn parameters(query: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let (mut found, mut rest) = (Vec::new(), query);
    while !rest.is_empty() {
        let (pair, behind) = parted(rest, b'&');
        rest = behind;
        if !pair.is_empty() {
            let (name, value) = parted(pair, b'=');
            found.push((decoded(name), decoded(value)));
        }
    }
    found
}

/// What stands before the first such byte, and what behind it. Both are short, so that looking at each byte costs least.
fn parted(text: &str, at: u8) -> (&str, &str) {
    let place = text.bytes().position(|byte| byte == at);
    let parts = place.and_then(|place| Some((text.get(..place)?, text.get(place + 1..)?)));
    parts.unwrap_or((text, ""))
}

/// A text without its escapes. What is no escape stands for itself, and what is no UTF-8 for a replacement character.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    let Some(first) = text.bytes().position(|byte| byte == b'+' || byte == b'%') else { return Cow::Borrowed(text) };
    let (plain, mut rest) = text.as_bytes().split_at_checked(first).unwrap_or_default();
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(plain);
    while let [byte, behind @ ..] = rest {
        rest = behind;
        out.push(match byte {
            b'+' => b' ',
            b'%' => match behind {
                [high, low, behind @ ..] if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => b'%',
            },
            byte => *byte,
        });
    }
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

/// What a hexadecimal digit stands for.
fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_standard(query in "([a-c%+&=é0-9A-F]|%[0-9a-fA-F]{2}|%F0%9F%98%80){0,24}") {
            let standard: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            prop_assert_eq!(parameters(&query), standard);
        }
    }
}
