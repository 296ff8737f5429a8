//! How large a pattern becomes, told before an engine writes it out.
//!
//! The engine without backtracking writes `x{1,100}` out as a hundred copies of `x`, and a class such as `\w`, which
//! is hundreds of ranges, takes some 150 KiB a copy. The backtracking engine can loop over one copy instead, if it is
//! kept from handing the piece to the other (see `print.rs`). The estimates here decide between the two, and refuse
//! what is too large for both.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use regex_syntax::hir::{Class as HirClass, ClassUnicodeRange, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use super::print;
use super::tree::{Assertion, Class, Node};

/// Bytes for one byte of text, or one place: a state and its edges in each direction. Measured.
const STATE: u64 = 80;
/// What is larger runs in a loop where the pattern as a whole is too large.
const LOOP: u64 = 8 << 10;
/// The same in a class of many ranges, whose states share their ends.
const SHARED: u64 = 55;
const MANY_RANGES: u64 = 30;
/// Bytes for a step of the backtracking engine.
const STEP: u64 = 160;
/// Bytes for a range that the backtracking engine looks up.
const LOOKED_UP: u64 = 8;

/// How large a part is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Bytes when everything is written out.
    pub(super) written: u64,
    /// Bytes when what is large runs in loops.
    pub(super) looped: u64,
    /// Whether, in loops, the backtracking engine keeps the part from the other.
    kept: bool,
}

/// Tells sizes; keeps what it learned of classes.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    classes: RefCell<HashMap<Class, Size>>,
}

impl Sizes {
    /// The size of a part.
    pub(super) fn of(&self, node: &Node) -> Size {
        let all = |parts: &[Node]| parts.iter().fold(Size::own(STATE), |sum, part| sum.and(self.of(part)));
        match node {
            Node::Set(class) => self.class(class),
            Node::Repeat { inner, min, max, .. } => {
                let inner = self.of(inner);
                let written = inner.written.saturating_add(STATE).saturating_mul(copies(*min, *max));
                let kept = inner.kept || written > LOOP;
                let looped = if kept { inner.looped.saturating_add(2 * STEP) } else { written };
                Size { written, looped, kept }
            }
            Node::Concat(parts) | Node::Alternation(parts) => all(parts),
            Node::Capture { inner, .. } => Size::own(STATE).and(self.of(inner)),
            // Nothing in a look-behind is marked.
            Node::Look { ahead: false, inner, .. } => Size::own(self.of(inner).written).into_kept(),
            Node::Look { inner, .. } | Node::Atomic(inner) => Size::own(STEP).and(self.of(inner)).into_kept(),
            Node::Conditional { yes, no, .. } => Size::own(STEP).and(self.of(yes)).and(self.of(no)).into_kept(),
            Node::Reference { .. } | Node::Assert(Assertion::SearchStart) => Size::own(STEP).into_kept(),
            Node::Char { value, fold: false } => Size::own(value.len_utf8() as u64 * STATE),
            Node::Char { .. } => Size::own(4 * STATE),
            Node::Dot { .. } => Size::own(40 * STATE),
            Node::Empty | Node::Assert(_) | Node::Half(_) => Size::own(STATE),
        }
    }

    /// Whether a class has so many ranges that it is better looked up than written out.
    pub(super) fn is_wide(&self, class: &Class) -> bool {
        self.class(class).kept
    }

    /// Whether a repetition must be marked to run in a loop; around what is kept it does by itself.
    pub(super) fn needs_loop(&self, node: &Node) -> bool {
        matches!(node, Node::Repeat { inner, .. } if self.of(node).kept && !self.of(inner).kept)
    }

    /// The repetition that takes most room.
    pub(super) fn largest(&self, tree: &Node) -> Option<Range<usize>> {
        let largest = RefCell::new(None::<(u64, Range<usize>)>);
        tree.any(&|node| {
            if let Node::Repeat { span, .. } = node {
                let size = self.of(node).written;
                let mut largest = largest.borrow_mut();
                if largest.as_ref().is_none_or(|(most, _)| size > *most) {
                    *largest = Some((size, span.clone()));
                }
            }
            false
        });
        largest.into_inner().map(|(_, span)| span)
    }

    fn class(&self, class: &Class) -> Size {
        if let Some(&known) = self.classes.borrow().get(class) {
            return known;
        }
        let size = match regex_syntax::parse(&print::print_class(class)).as_ref().map(regex_syntax::hir::Hir::kind) {
            Ok(HirKind::Class(HirClass::Unicode(ranges))) => {
                let bytes = |range: &ClassUnicodeRange| {
                    Utf8Sequences::new(range.start(), range.end()).map(|sequence| sequence.len() as u64).sum::<u64>()
                };
                let all = ranges.ranges().len() as u64;
                let bytes = ranges.ranges().iter().map(bytes).sum::<u64>();
                let written = STATE + bytes * if all < MANY_RANGES { STATE } else { SHARED };
                let kept = written > LOOP;
                Size { written, looped: if kept { STEP + all * LOOKED_UP } else { written }, kept }
            }
            _ => Size::own(4 * STATE),
        };
        self.classes.borrow_mut().insert(class.clone(), size);
        size
    }
}

impl Size {
    fn own(bytes: u64) -> Size {
        Size { written: bytes, looped: bytes, kept: false }
    }

    fn and(self, other: Size) -> Size {
        Size {
            written: self.written.saturating_add(other.written),
            looped: self.looped.saturating_add(other.looped),
            kept: self.kept || other.kept,
        }
    }

    fn into_kept(self) -> Size {
        Size { kept: true, ..self }
    }
}

/// How often a repeated part is written out.
fn copies(min: u32, max: Option<u32>) -> u64 {
    u64::from(max.unwrap_or(min)).max(1)
}

/// How many rounds through repetitions the backtracking engine may go without taking a character or giving up an
/// attempt: its limit sees neither.
pub(super) fn idle_rounds(node: &Node) -> u64 {
    match node {
        Node::Repeat { inner, min, max, .. } => {
            let rounds = if least(inner) == 0 { copies(*min, *max) } else { 1 };
            idle_rounds(inner).saturating_mul(rounds)
        }
        node => most(node, idle_rounds),
    }
}

/// The least number of characters it takes, up to a point.
fn least(node: &Node) -> u64 {
    match node {
        Node::Char { .. } | Node::Dot { .. } | Node::Set(_) | Node::Half(_) => 1,
        Node::Concat(parts) => parts.iter().fold(0, |sum, part| sum.saturating_add(least(part))),
        Node::Alternation(branches) => branches.iter().map(least).min().unwrap_or(0),
        Node::Capture { inner, .. } | Node::Atomic(inner) => least(inner),
        Node::Repeat { inner, min, .. } => least(inner).saturating_mul(u64::from(*min)),
        Node::Conditional { yes, no, .. } => least(yes).min(least(no)),
        _ => 0,
    }
}

/// The largest of the parts' numbers, at least one.
fn most(node: &Node, number: impl Fn(&Node) -> u64) -> u64 {
    match node {
        Node::Concat(parts) | Node::Alternation(parts) => parts.iter().map(number).max().unwrap_or(1),
        Node::Capture { inner, .. } | Node::Look { inner, .. } | Node::Atomic(inner) => number(inner),
        Node::Conditional { yes, no, .. } => number(yes).max(number(no)),
        _ => 1,
    }
}

/// How many rounds of loops one attempt must go before it can fail: the least counts, multiplied.
pub(super) fn forced_rounds(node: &Node) -> u64 {
    match node {
        Node::Repeat { inner, min, .. } => forced_rounds(inner).saturating_mul(u64::from(*min).max(1)),
        node => most(node, forced_rounds),
    }
}
