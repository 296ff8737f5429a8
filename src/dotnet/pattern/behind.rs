//! What may stand in a look-behind.
//!
//! .NET matches a look-behind from right to left. The engine seeks a start and matches from there, which gives the
//! same answer for a look-behind of fixed length and for one without places inside. The others are refused rather
//! than answered differently. The values of groups inside depend on the direction as well.

use super::tree::{Assertion, Class, Item, Node};

impl Node {
    /// How many characters it matches, if that is one number.
    fn width(&self) -> Option<u32> {
        match self {
            Node::Empty | Node::Assert(_) | Node::Look { .. } => Some(0),
            Node::Char { .. } | Node::Dot { .. } | Node::Set(_) => Some(1),
            Node::Concat(parts) => parts.iter().try_fold(0_u32, |sum, part| sum.checked_add(part.width()?)),
            Node::Alternation(branches) => {
                let mut widths = branches.iter().map(Node::width);
                let first = widths.next()??;
                widths.all(|width| width == Some(first)).then_some(first)
            }
            Node::Capture { inner, .. } | Node::Atomic(inner) => inner.width(),
            Node::Repeat { inner, min, max, .. } if *max == Some(*min) => inner.width()?.checked_mul(*min),
            _ => None,
        }
    }

    /// Whether the engine answers a look-behind with this inside as .NET does.
    pub(super) fn fits_look_behind(&self) -> bool {
        if let Node::Alternation(branches) = self {
            return branches.iter().all(Node::fits_look_behind);
        }
        let directed =
            |node: &Node| matches!(node, Node::Atomic(_) | Node::Reference { .. } | Node::Conditional { .. });
        let placed = |node: &Node| {
            directed(node)
                || matches!(node, Node::Look { .. })
                || matches!(node, Node::Assert(place) if !matches!(place, Assertion::Start | Assertion::LineStart | Assertion::LineEnd | Assertion::VeryEnd))
        };
        if self.width().is_some() {
            return !self.any(&directed);
        }
        match self {
            // The longest run of word characters begins at a boundary by itself.
            Node::Concat(parts) => match parts.as_slice() {
                [Node::Assert(Assertion::Boundary), word, rest @ ..] if word.is_word_run() => {
                    !rest.iter().any(|part| part.any(&placed))
                }
                parts => !parts.iter().any(|part| part.any(&placed)),
            },
            node => !node.any(&placed),
        }
    }

    /// `\w+`, perhaps in a group.
    fn is_word_run(&self) -> bool {
        match self {
            Node::Capture { inner, .. } => inner.is_word_run(),
            Node::Repeat { inner, min: 1, max: None, .. } => match &**inner {
                Node::Set(class) => {
                    let word = Class { items: vec![Item::Word { negated: false }], ..Class::default() };
                    **class == word
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether groups inside match the same in both directions: at most one part has a choice of length, and no group
    /// is repeated.
    pub(super) fn captures_either_way(&self) -> bool {
        let captures = |node: &Node| node.any(&|node| matches!(node, Node::Capture { .. }));
        let repeated =
            |node: &Node| matches!(node, Node::Repeat { inner, max, .. } if *max != Some(1) && captures(inner));
        !captures(self) || (!self.any(&repeated) && self.choices() <= 1)
    }

    /// How many parts have a choice of length; two stands for more.
    fn choices(&self) -> u32 {
        if self.width().is_some() {
            return 0;
        }
        match self {
            Node::Concat(parts) => parts.iter().fold(0, |sum: u32, part| sum.saturating_add(part.choices())),
            Node::Capture { inner, .. } => inner.choices(),
            Node::Repeat { inner, .. } if inner.width().is_some() => 1,
            _ => 2,
        }
    }
}
