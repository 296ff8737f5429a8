//! [`Source`]: a named text with a line index; [`Span`]: a byte range in one.

use std::sync::Arc;

/// A range of bytes in a [`Source`], `start..end`. A span of zero length points between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of the bytes `start..end`. Texts over 4 GiB are refused long before a span is made of them.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The span as a range, for slicing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The span moved right by `by` bytes.
    #[must_use]
    pub fn shifted(self, by: u32) -> Span {
        Span { start: self.start.saturating_add(by), end: self.end.saturating_add(by) }
    }
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Span::new(range.start, range.end)
    }
}

/// Where an offset lies for a reader: both counted from 1, the column in Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A text somebody wrote, with the name to show for it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    text: String,
    /// Offset of the first byte of each line.
    lines: Vec<usize>,
}

impl Source {
    /// A source called `name`, usually a path, or `<expression>` for a text given on the command line.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { inner: Arc::new(Inner { name: name.into(), text, lines }) }
    }

    /// The name shown before the position.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// The part of the text under `span`; empty when the span does not lie on character borders.
    pub fn slice(&self, span: Span) -> &str {
        self.inner.text.get(span.range()).unwrap_or_default()
    }

    /// Line and column of a byte offset; an offset past the end gives the end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = self.floor_boundary(offset as usize);
        let line = self.inner.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.inner.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.inner.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Position { line, column }
    }

    /// A line by its number from 1, without its end; empty when there is none.
    pub fn line(&self, number: usize) -> &str {
        let start = number.checked_sub(1).and_then(|index| self.inner.lines.get(index));
        let end = self.inner.lines.get(number).copied().unwrap_or(self.inner.text.len());
        start.and_then(|start| self.inner.text.get(*start..end)).unwrap_or_default().trim_end_matches(['\r', '\n'])
    }

    /// `span` cut to the text and widened to character borders, so that it can be sliced and underlined.
    pub fn snap(&self, span: Span) -> Span {
        let start = self.floor_boundary(span.start as usize);
        let mut end = (span.end as usize).clamp(start, self.inner.text.len());
        while !self.inner.text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(start, end)
    }

    fn floor_boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.inner.text.len());
        while !self.inner.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("t", "aé\nb");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(3), Position { line: 1, column: 3 });
        assert_eq!(source.position(4), Position { line: 2, column: 1 });
        assert_eq!(source.position(99), Position { line: 2, column: 2 });
    }

    #[test]
    fn lines_are_counted_from_one() {
        let source = Source::new("t", "a\r\nb");
        assert_eq!([0, 1, 2, 3].map(|number| source.line(number)), ["", "a", "b", ""]);
    }

    #[test]
    fn snap_never_cuts_a_character() {
        let source = Source::new("t", "é");
        assert_eq!(source.snap(Span::new(1, 1)), Span::new(0, 2));
        assert_eq!(source.snap(Span::new(0, 1)), Span::new(0, 2));
    }
}
