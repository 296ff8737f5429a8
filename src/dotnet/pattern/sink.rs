//! Where replaced text goes.

use super::error::Runaway;

/// A growing text.
pub trait Sink {
    /// Appends a text.
    fn push_str(&mut self, text: &str);
    /// Appends a character.
    fn push(&mut self, character: char);
    /// Bytes held.
    fn len(&self) -> usize;
    /// Whether nothing is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Makes room for so many more bytes.
    fn reserve(&mut self, _bytes: usize) {}
}

impl Sink for String {
    fn push_str(&mut self, text: &str) {
        String::push_str(self, text);
    }
    fn push(&mut self, character: char) {
        String::push(self, character);
    }
    fn len(&self) -> usize {
        String::len(self)
    }
    fn reserve(&mut self, bytes: usize) {
        String::reserve(self, bytes);
    }
}

impl Sink for bumpalo::collections::String<'_> {
    fn push_str(&mut self, text: &str) {
        bumpalo::collections::String::push_str(self, text);
    }
    fn push(&mut self, character: char) {
        bumpalo::collections::String::push(self, character);
    }
    fn len(&self) -> usize {
        bumpalo::collections::String::len(self)
    }
    fn reserve(&mut self, bytes: usize) {
        bumpalo::collections::String::reserve(self, bytes);
    }
}

/// A sink that takes so many bytes and no more.
pub(super) struct Limited<'s, S> {
    sink: &'s mut S,
    left: usize,
    limit: usize,
}

impl<'s, S: Sink> Limited<'s, S> {
    /// Allows `limit` bytes on top of what the sink holds.
    pub(super) fn new(sink: &'s mut S, limit: usize) -> Self {
        Limited { sink, left: limit, limit }
    }

    /// Appends a text unless it passes the limit.
    pub(super) fn push_str(&mut self, text: &str) -> Result<(), Runaway> {
        let Some(left) = self.left.checked_sub(text.len()) else {
            return Err(Runaway::OutputTooLong { limit: self.limit });
        };
        self.left = left;
        self.sink.push_str(text);
        Ok(())
    }

    /// Makes room, within the limit.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.sink.reserve(bytes.min(self.left));
    }
}
