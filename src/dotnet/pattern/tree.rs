//! The tree a .NET pattern is parsed into.
//!
//! Options (`(?i)`, `(?s)`, …) are already applied: each node says what it matches by itself, so the printer needs no
//! state. Character ranges are code points; half surrogates are resolved before a tree leaves the parser.

use std::ops::Range;

/// The first and the last UTF-16 surrogate.
pub(super) const SURROGATES: (u32, u32) = (0xD800, 0xDFFF);
/// All characters that take two UTF-16 units.
pub(super) const ASTRAL: (u32, u32) = (0x1_0000, 0x10_FFFF);

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Matches the empty text.
    Empty,
    /// One character; `fold` also takes its other cases.
    Char { value: char, fold: bool },
    /// `.`: everything, or everything but a line feed.
    Dot { newline: bool },
    /// One character out of a set.
    Set(Box<Class>),
    /// One after the other.
    Concat(Vec<Node>),
    /// One of several, in order of preference.
    Alternation(Vec<Node>),
    /// A capturing group; `engine` counts opening parentheses from 1.
    Capture { engine: usize, inner: Box<Node> },
    /// A quantified part and its place in the source, for the message when it is too large.
    Repeat { inner: Box<Node>, min: u32, max: Option<u32>, lazy: bool, span: Range<usize> },
    /// A place without width.
    Assert(Assertion),
    /// Look-around.
    Look { ahead: bool, negative: bool, inner: Box<Node> },
    /// `(?>…)`.
    Atomic(Box<Node>),
    /// A reference to what a group (by its place in `Groups`) matched.
    Reference { slot: usize, fold: bool },
    /// `(?(1)yes|no)`.
    Conditional { slot: usize, yes: Box<Node>, no: Box<Node> },
    /// Half a surrogate pair, as ranges of units. Lives only inside the parser.
    Half(Vec<(u32, u32)>),
}

/// Places without width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
    /// `\A`, `^`.
    Start,
    /// `^` with `(?m)`.
    LineStart,
    /// `\Z`, `$`: the end, or before one final line feed.
    End,
    /// `$` with `(?m)`.
    LineEnd,
    /// `\z`.
    VeryEnd,
    /// `\b`.
    Boundary,
    /// `\B`.
    NotBoundary,
    /// `\G`: where this search began.
    SearchStart,
}

/// A character class: (items, perhaps negated) without the subtracted class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) items: Vec<Item>,
    pub(super) subtracted: Option<Box<Class>>,
}

/// One entry of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Item {
    /// First and last code point.
    Range(u32, u32),
    /// A general category, by its short name.
    Category { name: &'static str, negated: bool },
    /// `\w`, `\W`.
    Word { negated: bool },
    /// `\d`, `\D`.
    Digit { negated: bool },
    /// `\s`, `\S`.
    Space { negated: bool },
    /// What `\p{Lu}`, `\p{Ll}` and `\p{Lt}` mean under `(?i)`: all three.
    Cased { negated: bool },
}

impl Node {
    /// Whether this part, or one inside it, fulfils the test.
    pub(super) fn any(&self, test: &impl Fn(&Node) -> bool) -> bool {
        test(self)
            || match self {
                Node::Concat(parts) | Node::Alternation(parts) => parts.iter().any(|part| part.any(test)),
                Node::Capture { inner, .. }
                | Node::Repeat { inner, .. }
                | Node::Look { inner, .. }
                | Node::Atomic(inner) => inner.any(test),
                Node::Conditional { yes, no, .. } => yes.any(test) || no.any(test),
                _ => false,
            }
    }

    /// Whether a match through this part may be empty at a place that nothing marks.
    ///
    /// `^`, `\b` and look-around mark a place, so `^\s*` is no surprise; `.*$` is: it matches once more at the end.
    pub(super) fn may_be_empty_anywhere(&self) -> bool {
        match self {
            Node::Empty => true,
            Node::Assert(assertion) => matches!(assertion, Assertion::End | Assertion::VeryEnd),
            Node::Concat(parts) => parts.iter().all(Node::may_be_empty_anywhere),
            Node::Alternation(parts) => parts.iter().any(Node::may_be_empty_anywhere),
            Node::Capture { inner, .. } | Node::Atomic(inner) => inner.may_be_empty_anywhere(),
            Node::Repeat { inner, min, .. } => *min == 0 || inner.may_be_empty_anywhere(),
            Node::Conditional { yes, no, .. } => yes.may_be_empty_anywhere() || no.may_be_empty_anywhere(),
            _ => false,
        }
    }
}
