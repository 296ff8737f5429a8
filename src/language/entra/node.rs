//! The tree that runs: names resolved, constants made ready, every node with its span for faults and traces.

use std::sync::Arc;

use crate::function::{Bytes, Call, Order, Prepared, Spec};
use crate::text::Span;
use crate::value::{Ignore, Slot, Value};

/// A node.
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Span,
}

pub(super) enum NodeKind {
    /// An argument that was left out.
    Omitted,
    Constant(Constant),
    Attribute(Slot),
    /// The value that stands in front of a chain.
    Piped,
    /// A chain of functions that treat ASCII byte by byte: `bytes` is what they do in all to the source; `chain` are the
    /// calls, around [`NodeKind::Piped`], for any other value.
    Chain {
        source: Box<Node>,
        bytes: Bytes,
        chain: Box<Node>,
        /// How many calls the source stands in.
        length: usize,
    },
    Call {
        spec: &'static Spec,
        call: Call,
        arguments: Box<[Node]>,
    },
    Prepared {
        spec: &'static Spec,
        prepared: Arc<dyn Prepared>,
        arguments: Box<[Node]>,
    },
    If {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Switch {
        source: Box<Node>,
        default: Box<Node>,
        cases: Box<[(Node, Node)]>,
    },
    Coalesce(Box<[Node]>),
    Unique(Box<[Node]>),
    Compare {
        order: Order,
        left: Box<Node>,
        right: Box<Node>,
    },
}

/// A constant; owned by the program, lent to each record.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Integer(i64),
    Decimal(f64),
    Text(Box<str>),
    Ignored(Ignore),
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Constant::Null => Value::Null,
            Constant::Bool(flag) => Value::Bool(*flag),
            Constant::Integer(number) => Value::Integer(*number),
            Constant::Decimal(number) => Value::Decimal(*number),
            Constant::Text(text) => Value::Text(text),
            Constant::Ignored(ignore) => Value::Ignored(*ignore),
        }
    }
}
