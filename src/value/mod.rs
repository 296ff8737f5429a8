//! What flows: [`Value`], the [`Arena`] it lives in, and the [`Layout`] by which a record's attributes become slots.
//!
//! A value never owns memory. Text is borrowed from the input line, from the compiled mapping or from the record's
//! [`Arena`], so a value is `Copy`, 24 bytes, and costs nothing to drop; the arena is emptied after each record.

mod json;
mod layout;
mod number;
mod path;
mod reader;
pub(crate) mod rows;
mod scan;

use std::fmt;

use crate::text::shorten;

pub(crate) use json::{any_byte, plain_run, write_plain_json_string};
pub use json::{from_json, to_json, write_json, write_json_string};
pub use layout::{Layout, Slot};
pub use number::{decimal_text, parse_integer};
pub use path::{AttributePath, Step};
pub use reader::{ReadError, RecordReader};

/// The longest text a program may make, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;
/// The longest list a record may hold or a program may make.
pub const MAX_LIST: usize = 100_000;

/// The most memory one record's values may take, in bytes.
pub const MAX_MEMORY: usize = 64 * 1024 * 1024;
/// The memory that an arena keeps for the next record, in bytes.
const KEPT_MEMORY: usize = 4 * 1024 * 1024;

/// Memory for one record's values; emptied (not freed) between records.
#[derive(Default)]
pub struct Arena {
    bump: bumpalo::Bump,
}

impl Arena {
    /// An empty arena.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets every value made in it and keeps the memory, unless one record took more than most ever will.
    pub fn reset(&mut self) {
        if self.bump.allocated_bytes() > KEPT_MEMORY {
            self.bump = bumpalo::Bump::new();
        } else {
            self.bump.reset();
        }
    }

    /// How many bytes it holds.
    pub fn size(&self) -> usize {
        self.bump.allocated_bytes()
    }

    /// Copies a text in.
    pub fn text<'a>(&'a self, text: &str) -> &'a str {
        self.bump.alloc_str(text)
    }

    /// A text to be built, with room for `capacity` bytes.
    #[inline]
    pub fn builder(&self, capacity: usize) -> TextBuilder<'_> {
        TextBuilder::with_capacity_in(capacity, &self.bump)
    }

    /// A list to be built, with room for `capacity` items.
    #[inline]
    pub fn list<'a, T: 'a>(&'a self, capacity: usize) -> ListBuilder<'a, T> {
        ListBuilder::with_capacity_in(capacity, &self.bump)
    }

    /// Copies a slice in.
    pub fn slice<'a, T: Copy>(&'a self, items: &[T]) -> &'a [T] {
        self.bump.alloc_slice_copy(items)
    }

    /// Puts one item in, to be written over.
    #[inline]
    pub fn one<T: Copy>(&self, item: T) -> &mut T {
        self.bump.alloc(item)
    }

    /// `count` items, each written once, by number. What makes them may take memory of the arena too.
    #[inline]
    pub fn made<T: Copy>(&self, count: usize, make: impl FnMut(usize) -> T) -> &mut [T] {
        self.bump.alloc_slice_fill_with(count, make)
    }

    /// `count` copies of `item`, to be written over.
    #[inline]
    pub fn filled<T: Copy>(&self, count: usize, item: T) -> &mut [T] {
        self.bump.alloc_slice_fill_copy(count, item)
    }
}

/// A text under construction in an [`Arena`].
pub type TextBuilder<'a> = bumpalo::collections::String<'a>;
/// A list under construction in an [`Arena`].
pub type ListBuilder<'a, T> = bumpalo::collections::Vec<'a, T>;

/// The pseudo-results that say what is *not* to be sent.
// As wide as the other payloads of a value, for the same reason as its tag.
#[repr(u64)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignore {
    /// Leave this attribute out of this flow; it is not cleared.
    Attribute,
    /// Leave the whole object out.
    Object,
}

/// What an attribute holds or a program returns.
///
/// Four kinds of nothing are kept apart: an attribute that is not there ([`Value::Absent`]), a null ([`Value::Null`]), an
/// empty text, and a value that is not to flow ([`Value::Ignored`]).
// The tag takes a whole word: with a narrow one, small payloads sit beside it, and copies become pieces that stall.
#[repr(u64)]
#[derive(Debug, Clone, Copy, Default)]
pub enum Value<'a> {
    /// The record has no such attribute; also an argument that was left out.
    #[default]
    Absent,
    /// Null.
    Null,
    /// A boolean; its text is `True` or `False`, as in .NET.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Decimal(f64),
    /// A text.
    Text(&'a str),
    /// A multi-valued attribute.
    List(&'a [Value<'a>]),
    /// A complex value, in the order of its source.
    Object(&'a [(&'a str, Value<'a>)]),
    /// Not to be sent.
    Ignored(Ignore),
}

// The hot path passes values by copy; a third word more would be felt there.
const _: () = assert!(size_of::<Value<'_>>() == 24);

impl<'a> Value<'a> {
    /// Absent or null; a multi-valued attribute without values is null too, as sources write `[]` for what is not set.
    pub fn is_null(self) -> bool {
        matches!(self, Value::Absent | Value::Null | Value::List([]))
    }

    /// Absent, null, `""` or a list without items.
    pub fn is_empty(self) -> bool {
        match self {
            Value::Text(text) => text.is_empty(),
            _ => self.is_null(),
        }
    }

    /// The text of a single value: itself, `True`/`False`, digits. `None` for nothing, lists and complex values.
    pub fn text(self, arena: &'a Arena) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bool(true) => Some("True"),
            Value::Bool(false) => Some("False"),
            Value::Integer(number) => {
                let mut out = arena.builder(20);
                let _ = fmt::Write::write_fmt(&mut out, format_args!("{number}"));
                Some(out.into_bump_str())
            }
            Value::Decimal(number) => Some(arena.text(&decimal_text(number))),
            // A multi-valued attribute with one value is that value: a source lists `mail` as `["a@b"]` now and then.
            Value::List([only]) => only.text(arena),
            Value::Absent | Value::Null | Value::List(_) | Value::Object(_) | Value::Ignored(_) => None,
        }
    }

    /// What the value is, for a message: `text`, `a list of 3 values`.
    pub fn describe(self) -> String {
        match self {
            Value::Absent => "absent".into(),
            Value::Null => "null".into(),
            Value::Bool(_) => "a boolean".into(),
            Value::Integer(_) | Value::Decimal(_) => "a number".into(),
            Value::Text("") => "empty".into(),
            Value::Text(_) => "text".into(),
            Value::List(items) => format!("a list of {} values", items.len()),
            Value::Object(_) => "a complex value".into(),
            Value::Ignored(_) => "ignored".into(),
        }
    }
}

impl PartialEq for Value<'_> {
    /// Values as JSON has them: `1` and `1.0` are equal, the text `"1"` is neither; the order of an object's keys is free.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Absent, Value::Absent) | (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::Integer(a), Value::Decimal(b)) | (Value::Decimal(b), Value::Integer(a)) => *a as f64 == *b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| b.iter().any(|(other, found)| key == other && value == found))
            }
            (Value::Ignored(a), Value::Ignored(b)) => a == b,
            _ => false,
        }
    }
}

/// Shows a value as a reader of diagnostics wants it: JSON, cut after 60 characters, `absent` for what is not there.
pub struct Shown<'v>(pub Value<'v>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Absent => f.write_str("absent"),
            Value::Ignored(Ignore::Attribute) => f.write_str("(attribute ignored)"),
            Value::Ignored(Ignore::Object) => f.write_str("(object ignored)"),
            value => {
                let text = to_json(value).to_string();
                let cut = shorten(&text);
                // A text that is cut is still one.
                let quote = if cut.len() < text.len() && text.starts_with('"') { "\"" } else { "" };
                write!(f, "{cut}{quote}")
            }
        }
    }
}
