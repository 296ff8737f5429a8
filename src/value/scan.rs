//! [`Scan`]: a record read in one walk over its bytes, as long as it is as records mostly are.
//!
//! A key that comes where it came last time is compared and not read; a text without escapes is borrowed; what nothing reads is
//! walked past. What is odd (an escape in a key, deep nesting, whatever is no JSON) is not decided here: `None` sends the
//! record the long way, through `serde_json`, whose findings are the ones people see. A property test compares both.

use serde::de::IgnoredAny;

use super::reader::{RecordReader, number};
use super::{Arena, Layout, MAX_LIST, Value, plain_run};

/// How deep a value may nest here; `serde_json` has its own bound.
const DEPTH: usize = 16;

/// A record's text, and how far it is read.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads the whole text as one record into `slots`.
    pub(super) fn record(
        mut self,
        reader: &mut RecordReader,
        layout: &Layout,
        slots: &mut [Value<'a>],
        arena: &'a Arena,
    ) -> Option<()> {
        let mut cursor = 0;
        self.blanks();
        self.expect(b'{')?;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.expect(b'"')?;
                let slot = match reader.expected(&mut cursor, self.rest()) {
                    Some((slot, length)) => {
                        self.at += length;
                        slot
                    }
                    None => {
                        let slot = reader.slot(layout, &mut cursor, self.plain_key()?);
                        self.blanks();
                        self.expect(b':')?;
                        slot
                    }
                };
                self.blanks();
                match slot.and_then(|slot| slots.get_mut(slot.index())) {
                    Some(place) => *place = self.value(arena, 0)?,
                    None => self.pass(0)?,
                }
                if !self.another(b'}')? {
                    break;
                }
            }
        }
        self.blanks();
        (self.at == self.text.len()).then_some(())
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Behind a member or an item: whether another one follows, or the end.
    #[inline]
    fn another(&mut self, end: u8) -> Option<bool> {
        self.blanks();
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            self.blanks();
            return Some(true);
        }
        (byte == end).then_some(false)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest().starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// Goes to the next quote, backslash or control character at or after here, and gives it.
    #[inline]
    fn special(&mut self) -> Option<u8> {
        self.at += plain_run(self.rest());
        self.peek()
    }

    /// Reads past a text whose opening quote is read: where it begins and ends, and whether it has escapes.
    #[inline]
    fn text_span(&mut self) -> Option<(usize, usize, bool)> {
        let start = self.at;
        let mut escapes = false;
        loop {
            match self.special()? {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return Some((start, end, escapes));
                }
                b'\\' => {
                    escapes = true;
                    self.at += 2;
                }
                _ => return None,
            }
        }
    }

    fn plain_key(&mut self) -> Option<&'a str> {
        match self.text_span()? {
            (start, end, false) => self.text.get(start..end),
            _ => None,
        }
    }

    #[inline]
    fn text(&mut self, arena: &'a Arena) -> Option<&'a str> {
        match self.text_span()? {
            (start, end, false) => self.text.get(start..end),
            (start, end, true) => self.unescaped(start, end, arena),
        }
    }

    #[cold]
    fn unescaped(&self, start: usize, end: usize, arena: &'a Arena) -> Option<&'a str> {
        let text: String = serde_json::from_str(self.text.get(start - 1..=end)?).ok()?;
        Some(arena.text(&text))
    }

    /// A number's characters, and its value when it is whole and of few digits.
    fn digits(&mut self) -> Option<(&'a str, Option<i64>)> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        let written = self.text.get(start..self.at).filter(|written| !written.is_empty())?;
        let plain = match written.as_bytes() {
            [b'0'] => true,
            [b'-', digits @ ..] | digits => {
                digits.len() <= 18 && digits.first() != Some(&b'0') && digits.iter().all(u8::is_ascii_digit)
            }
        };
        Some((written, if plain { written.parse().ok() } else { None }))
    }

    fn value(&mut self, arena: &'a Arena, depth: usize) -> Option<Value<'a>> {
        Some(match self.peek()? {
            b'"' => {
                self.at += 1;
                Value::Text(self.text(arena)?)
            }
            b'n' => {
                self.word("null")?;
                Value::Null
            }
            b't' => {
                self.word("true")?;
                Value::Bool(true)
            }
            b'f' => {
                self.word("false")?;
                Value::Bool(false)
            }
            b'[' if depth < DEPTH => self.list(arena, depth)?,
            b'{' if depth < DEPTH => self.object(arena, depth)?,
            _ => match self.digits()? {
                (_, Some(whole)) => Value::Integer(whole),
                (written, None) => number(written, arena)?,
            },
        })
    }

    fn list(&mut self, arena: &'a Arena, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        self.blanks();
        let mut list = arena.list(4);
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                if list.len() == MAX_LIST {
                    return None;
                }
                list.push(self.value(arena, depth + 1)?);
                if !self.another(b']')? {
                    break;
                }
            }
        }
        Some(Value::List(list.into_bump_slice()))
    }

    fn object(&mut self, arena: &'a Arena, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        self.blanks();
        let mut fields = arena.list(4);
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let key = self.key(arena)?;
                fields.push((key, self.value(arena, depth + 1)?));
                if !self.another(b'}')? {
                    break;
                }
            }
        }
        Some(Value::Object(fields.into_bump_slice()))
    }

    /// A key and its colon.
    fn key(&mut self, arena: &'a Arena) -> Option<&'a str> {
        self.expect(b'"')?;
        let key = self.text(arena)?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Some(key)
    }

    /// Walks past a value that nothing reads, and sees that it is one.
    fn pass(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.pass_text()
            }
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            open @ (b'[' | b'{') if depth < DEPTH => self.pass_members(open, depth),
            _ => match self.digits()? {
                (_, Some(_)) => Some(()),
                (written, None) => valid(written),
            },
        }
    }

    fn pass_text(&mut self) -> Option<()> {
        match self.text_span()? {
            (_, _, false) => Some(()),
            (start, end, true) => valid(self.text.get(start - 1..=end)?),
        }
    }

    fn pass_members(&mut self, open: u8, depth: usize) -> Option<()> {
        let close = if open == b'[' { b']' } else { b'}' };
        self.at += 1;
        self.blanks();
        if self.peek() == Some(close) {
            self.at += 1;
            return Some(());
        }
        loop {
            if open == b'{' {
                self.expect(b'"')?;
                self.pass_text()?;
                self.blanks();
                self.expect(b':')?;
                self.blanks();
            }
            self.pass(depth + 1)?;
            if !self.another(close)? {
                return Some(());
            }
        }
    }
}

#[cold]
fn valid(json: &str) -> Option<()> {
    serde_json::from_str::<IgnoredAny>(json).ok().map(|_| ())
}
