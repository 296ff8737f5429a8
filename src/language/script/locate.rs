//! Rhai's positions (a line and a column, which counts characters) as spans of the program's bytes.

use rhai::Position;

use crate::text::Span;

/// The places of a program's text.
pub(super) struct Places<'t> {
    text: &'t str,
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t str) -> Places<'t> {
        Places { text }
    }

    /// The whole text.
    pub(super) fn whole(&self) -> Span {
        Span::new(0, self.text.len())
    }

    /// The byte at which a position stands; none for the position that is none.
    pub(super) fn offset(&self, position: Position) -> Option<usize> {
        let (line, column) = (position.line()?, position.position().unwrap_or(1).max(1));
        let mut start = 0;
        for _ in 1..line {
            start += self.text.get(start..)?.find('\n')? + 1;
        }
        let rest = self.text.get(start..)?;
        Some(start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at))
    }

    /// The token at a position: a name, a number, a constant, or one character. The whole text when there is no position.
    pub(super) fn token(&self, position: Position) -> Span {
        match self.offset(position) {
            Some(offset) => self.token_at(offset),
            None => self.whole(),
        }
    }

    /// The token that begins at a byte; the last character for the end of the text.
    pub(super) fn token_at(&self, offset: usize) -> Span {
        let rest = self.text.get(offset..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            let last = self.text.char_indices().next_back().map_or(0, |(at, _)| at);
            return Span::new(last, self.text.len());
        };
        let word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = if word(first) {
            rest.find(|letter| !word(letter)).unwrap_or(rest.len())
        } else if matches!(first, '"' | '`' | '\'') {
            closing(rest, first)
        } else {
            first.len_utf8()
        };
        Span::new(offset, offset + length)
    }

    /// A call from its name to its closing parenthesis, as far as it can be told without parsing.
    pub(super) fn call(&self, position: Position) -> Span {
        let name = self.token(position);
        let Some(rest) = self.text.get(name.end as usize..).filter(|rest| rest.starts_with('(')) else { return name };
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(letter) = rest.get(at..).and_then(|rest| rest.chars().next()) {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                '"' | '`' => at += closing(rest.get(at..).unwrap_or_default(), letter) - letter.len_utf8(),
                _ => {}
            }
            at += letter.len_utf8();
            if depth == 0 {
                return Span::new(name.start as usize, name.end as usize + at);
            }
        }
        name
    }
}

/// The length of a quoted constant, its quotes included.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == '\\' && quote != '`' {
            escaped = true;
        } else if letter == quote {
            return at + letter.len_utf8();
        } else if letter == '\n' && quote != '`' {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_spans_count_bytes() {
        let places = Places::new("let é = 1;\nabc(\"x)\", (2)) + 1");
        let slice = |span: Span| &places.text[span.range()];
        let at = |line, column| slice(places.token(Position::new(line, column)));
        assert_eq!(at(1, 5), "é");
        assert_eq!(at(1, 7), "=");
        assert_eq!(at(2, 1), "abc");
        assert_eq!(at(2, 5), "\"x)\"");
        assert_eq!(at(9, 9), places.text);
        assert_eq!(at(2, 99), "1");
        assert_eq!(slice(places.call(Position::new(2, 1))), "abc(\"x)\", (2))");
    }
}
