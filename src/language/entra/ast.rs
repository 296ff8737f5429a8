//! The tree of an Entra expression, with spans.

use crate::function::Order;
use crate::text::Span;

/// A node of the tree.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum ExprKind {
    /// `Name(argument, …)`; an argument that was left empty is `None`.
    Call { name: String, name_span: Span, arguments: Vec<Argument> },
    /// `[name]`
    Attribute(String),
    /// `"text"`
    Text(Text),
    /// `12`, `-1`, `&HF`
    Integer(i64),
    /// `1.5`
    Decimal(f64),
    /// `%name%`
    Macro(String),
    /// `vbTextCompare`, `IgnoreAttributeFlow`
    Word(String),
    /// `a = b`
    Compare { order: Order, left: Box<Expr>, right: Box<Expr> },
    /// Something that Entra does not have; found at `at`, said in `message`, mended by `help`.
    Foreign { at: Span, message: String, help: String, parts: Vec<Expr> },
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    /// `None` when nothing stands between the commas.
    pub(super) expr: Option<Expr>,
    /// The characters between the commas.
    pub(super) span: Span,
}

/// A string constant: its value, and where each byte of the value stands in the source.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    /// The bytes between the quotes.
    inner: Span,
    /// Offsets in `value` of the characters that were written as two (`\"`, `\\`), ascending.
    escapes: Vec<u32>,
}

impl Text {
    /// From the characters between the quotes.
    pub(super) fn unescape(raw: &str, inner: Span) -> Text {
        let mut value = String::with_capacity(raw.len());
        let mut escapes = Vec::new();
        let mut characters = raw.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, characters.peek()) {
                ('\\', Some(escaped @ ('"' | '\\'))) => {
                    escapes.push(u32::try_from(value.len()).unwrap_or(u32::MAX));
                    value.push(*escaped);
                    characters.next();
                }
                _ => value.push(character),
            }
        }
        Text { value, inner, escapes }
    }

    /// The place in the source of a range of bytes of the value.
    pub(super) fn place(&self, range: &std::ops::Range<usize>) -> Span {
        let at = |offset: usize| {
            let before = self.escapes.partition_point(|escape| (*escape as usize) < offset);
            self.inner.start as usize + offset + before
        };
        Span::new(at(range.start), at(range.end).max(at(range.start)))
    }

    /// The bytes between the quotes.
    pub(super) fn inner(&self) -> Span {
        self.inner
    }
}
