//! JSON as most clients write it, read by whoever knows what has to come next: names and texts without escapes. Whatever is odd ends
//! the reading.

use crate::value::plain_run;

/// How deep values may nest that are not looked at.
const MOST_DEPTH: usize = 16;

/// What of a body was not read yet.
pub(super) struct Body<'b> {
    rest: &'b str,
}

impl<'b> Body<'b> {
    pub(super) fn new(body: &'b [u8]) -> Option<Self> {
        Some(Self { rest: std::str::from_utf8(body).ok()? })
    }

    /// Nothing more but blanks.
    pub(super) fn end(&mut self) -> Option<()> {
        self.blanks();
        self.rest.is_empty().then_some(())
    }

    /// This mark.
    pub(super) fn take(&mut self, mark: u8) -> Option<()> {
        self.blanks();
        self.comes(mark).then_some(())
    }

    /// Whether another field or element comes before the end.
    pub(super) fn more(&mut self, close: u8, is_first: &mut bool) -> Option<bool> {
        self.blanks();
        let was_first = std::mem::take(is_first);
        if self.comes(close) {
            return Some(false);
        }
        if !was_first {
            self.take(b',')?;
        }
        Some(true)
    }

    /// The name of a field, and the colon behind it.
    pub(super) fn name(&mut self) -> Option<&'b str> {
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// A string without escapes.
    pub(super) fn string(&mut self) -> Option<&'b str> {
        self.take(b'"')?;
        let text = self.plain()?;
        self.comes(b'"').then_some(text)
    }

    /// What stands in a string up to its end or to an escape.
    pub(super) fn plain(&mut self) -> Option<&'b str> {
        let (text, rest) = self.rest.split_at_checked(plain_run(self.rest.as_bytes()))?;
        self.rest = rest;
        Some(text)
    }

    /// A string that is not empty.
    pub(super) fn text(&mut self) -> Option<&'b str> {
        self.string().filter(|text| !text.is_empty())
    }

    /// Whether just this comes next, which is gone over then.
    pub(super) fn just(&mut self, words: &str) -> bool {
        let rest = self.rest.strip_prefix(words);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// One of these words.
    pub(super) fn word(&mut self, words: &[&'static str]) -> Option<&'static str> {
        self.blanks();
        words.iter().find(|word| self.just(word)).copied()
    }

    /// Goes behind a value that is not looked at: what a client says of what only the service writes.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_within(MOST_DEPTH)
    }

    fn skip_within(&mut self, left: usize) -> Option<()> {
        self.blanks();
        let left = left.checked_sub(1)?;
        let mut is_first = true;
        match self.rest.as_bytes().first()? {
            b'"' => self.string().map(drop),
            b'{' => {
                self.take(b'{')?;
                while self.more(b'}', &mut is_first)? {
                    self.name()?;
                    self.skip_within(left)?;
                }
                Some(())
            }
            b'[' => {
                self.take(b'[')?;
                while self.more(b']', &mut is_first)? {
                    self.skip_within(left)?;
                }
                Some(())
            }
            _ => self.word(&["true", "false", "null"]).map(drop),
        }
    }

    fn blanks(&mut self) {
        while matches!(self.rest.as_bytes().first(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
    }

    /// Whether this mark comes next, which is gone over then.
    fn comes(&mut self, mark: u8) -> bool {
        let is_next = self.rest.as_bytes().first() == Some(&mark);
        if is_next {
            // A mark is one byte.
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        is_next
    }
}
