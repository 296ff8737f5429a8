//! Microsoft Entra's attribute-mapping expressions.
//!
//! `parse` makes a tree with spans of the text, `compile` checks it against the function table and turns it into one
//! that runs (`node`, `run`), `quick` has a short way for what most expressions are, `lint` finds what is legal and probably not
//! meant. `outline` and `tidy` are for those who print one.

mod ast;
mod compile;
mod lint;
mod node;
mod outline;
mod parse;
mod quick;
mod run;
mod tidy;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::function::{Context, Fallible, Fault, Kinds};
use crate::text::{Diagnostic, Span};
use crate::value::{Layout, Slot, Value};

use super::TraceStep;
use super::names::SourceNames;
use node::{Node, NodeKind};
pub use outline::Outline;
pub(crate) use quick::{Quick, Why};
use run::Frame;
pub use tidy::tidy;

/// The longest expression Entra takes, in characters (known issues of app provisioning).
pub const MAX_CHARACTERS: usize = 10_000;
/// How deep calls may nest. Microsoft names no limit; its longest example nests 25.
pub const MAX_DEPTH: usize = 64;

/// What surrounds an expression: the attributes of its source, the macros, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'s> {
    /// The attributes it may read.
    pub source: &'s SourceNames,
    /// What `%name%` stands for.
    pub macros: &'s BTreeMap<String, String>,
    /// Whether a lone `[attribute]` is taken: it is in a mapping file, where Entra calls it a direct mapping.
    pub direct: bool,
}

/// A compiled expression.
pub struct Expression {
    root: Node,
    /// The short way, when it has one.
    quick: Option<Arc<Quick>>,
    reads: Vec<Slot>,
    kinds: Kinds,
    redacted: bool,
    unique: bool,
    /// Whether a pattern is looked for, which may take a while: then time is counted.
    replaces: bool,
}

impl Expression {
    /// Compiles a text; the findings' spans are bytes of it. There is no expression when one of them is an error.
    pub fn compile(
        text: &str,
        layout: &mut Layout,
        surroundings: &Surroundings<'_>,
    ) -> (Option<Expression>, Vec<Diagnostic>) {
        compile::compile(text, layout, surroundings)
    }

    /// Runs on the slots of one record and writes the value to `out`.
    #[inline]
    pub fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        if let Some(quick) = &self.quick
            && quick.run(slots, context, out)
        {
            return Ok(());
        }
        self.run_tree(slots, context, out)
    }

    /// The short way, when there is one.
    pub(crate) fn quick(&self) -> Option<Arc<Quick>> {
        self.quick.clone()
    }

    /// Runs the tree, which has an answer for everything.
    fn run_tree<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        if self.replaces {
            context.restart();
        }
        Frame { slots, context, piped: Value::Absent }
            .run(&self.root, 0, &mut (), out)
            .map_err(|fault| self.told(fault))
    }

    /// A fault as it may be told: its words hold values, and these may be redacted.
    #[cold]
    fn told(&self, fault: Box<Fault>) -> Box<Fault> {
        if self.redacted { fault.redacted() } else { fault }
    }

    /// Runs and keeps every sub-expression's value.
    pub fn trace<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
    ) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        let mut steps = Vec::new();
        let mut value = Value::Absent;
        context.restart();
        let result = Frame { slots, context, piped: Value::Absent }.run(&self.root, 0, &mut steps, &mut value);
        (result.map(|()| value).map_err(|fault| self.told(fault)), steps)
    }

    /// The attributes read, each once, in the order in which they stand.
    pub fn reads(&self) -> &[Slot] {
        &self.reads
    }

    /// The attribute, when the expression is nothing but one.
    pub fn direct(&self) -> Option<Slot> {
        match self.root.kind {
            NodeKind::Attribute(slot) => Some(slot),
            _ => None,
        }
    }

    /// What the result can be.
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// The constants that the expression may return, each with its place.
    pub fn constant_results(&self) -> Vec<(&str, Span)> {
        let mut found = Vec::new();
        collect_results(&self.root, &mut found);
        found
    }

    /// Whether `Redact` is used.
    pub fn is_redacted(&self) -> bool {
        self.redacted
    }

    /// Whether the outermost function is `SelectUniqueValue`.
    pub fn is_unique(&self) -> bool {
        self.unique
    }
}

/// The constants among the leaves that a choice may return.
fn collect_results<'n>(node: &'n Node, found: &mut Vec<(&'n str, Span)>) {
    match &node.kind {
        NodeKind::Constant(node::Constant::Text(text)) => found.push((text, node.span)),
        NodeKind::If { then, otherwise, .. } => {
            collect_results(then, found);
            collect_results(otherwise, found);
        }
        NodeKind::Switch { default, cases, .. } => {
            collect_results(default, found);
            cases.iter().for_each(|(_, value)| collect_results(value, found));
        }
        NodeKind::Coalesce(sources) => sources.iter().for_each(|source| collect_results(source, found)),
        _ => {}
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expression").field("reads", &self.reads).finish_non_exhaustive()
    }
}
