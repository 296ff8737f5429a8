//! The languages: text to [`Program`], program and record to value.
//!
//! Every language gives the same three things: findings about a text before it runs, the attributes a program reads,
//! and a value or a [`Fault`](crate::function::Fault) with its place in the text when it runs.

pub mod entra;
pub mod names;

use crate::function::{Context, Fallible};
use crate::text::Span;
use crate::value::{Slot, Value};

/// A compiled program of any language.
#[derive(Debug)]
pub enum Program {
    /// An Entra expression.
    Entra(entra::Expression),
}

impl Program {
    /// Runs on the slots of one record and writes the value to `out`.
    #[inline]
    pub fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        match self {
            Program::Entra(expression) => expression.run(slots, context, out),
        }
    }

    /// Runs and keeps the value of every sub-expression, in the order in which they were known.
    pub fn trace<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
    ) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        match self {
            Program::Entra(expression) => expression.trace(slots, context),
        }
    }

    /// The attributes that the program may read, each once.
    pub fn reads(&self) -> &[Slot] {
        match self {
            Program::Entra(expression) => expression.reads(),
        }
    }

    /// Whether the value must not be shown in logs (`Redact`).
    pub fn is_redacted(&self) -> bool {
        match self {
            Program::Entra(expression) => expression.is_redacted(),
        }
    }
}

/// The value of one sub-expression.
#[derive(Debug, Clone, Copy)]
pub struct TraceStep<'a> {
    /// The sub-expression in the program's text.
    pub span: Span,
    /// How deep it stands; the whole program is 0.
    pub depth: usize,
    /// Its value; `None` when it failed.
    pub value: Option<Value<'a>>,
    /// The attribute's slot, when it is an attribute of the record.
    pub slot: Option<Slot>,
}
