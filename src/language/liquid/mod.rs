//! Liquid templates, as Shopify's Liquid has them in its strict mode.
//!
//! `lexer` finds text, outputs and tags; `syntax` parses what is in them by grammar/liquid.pest; `compile`, `tags` and
//! `expression` make the tree (`tree`) that `run` and `loops` walk. `item` and `number` are Liquid's values, `filters` the table
//! of filters with their bodies, `snippets` the named templates that `include` and `render` take.

mod compile;
mod expression;
mod filters;
mod item;
mod lexer;
mod loops;
mod number;
mod run;
mod snippets;
mod syntax;
mod tags;
mod tree;

use std::fmt;
use std::sync::Arc;

use crate::function::{Context, Fallible, Kinds};
use crate::text::Diagnostic;
use crate::value::{Layout, Slot, Value};

use super::{Surroundings, TraceStep};
use compile::Compiler;
use run::Frame;
use tree::{Block, Filtered, Node};

pub use filters::{Example, FILTERS, Filter, Param, lookup};
pub use snippets::Snippets;

/// A compiled template.
pub struct Template {
    root: Block,
    reads: Vec<Slot>,
    snippets: Arc<Snippets>,
    /// The attribute that snippets see as `value`.
    value: Option<Slot>,
    /// About how long the result is.
    room: usize,
}

impl Template {
    /// Compiles a text; the findings' spans are bytes of it. There is no program when one of them is an error.
    pub fn compile(
        text: &str,
        layout: &mut Layout,
        surroundings: &Surroundings<'_>,
    ) -> (Option<Template>, Vec<Diagnostic>) {
        let snippets = Arc::clone(surroundings.toolbox.snippets());
        let most_depth = surroundings.toolbox.limits().depth;
        let mut compiler = Compiler::new(layout, &*snippets, surroundings.value, most_depth);
        let root = compiler.template(text);
        let Compiler { mut found, mut reads, names, mut bound, uses, chooses, .. } = compiler;
        let uses = snippets.used(&uses, chooses);
        for index in &uses {
            let Some(snippet) = snippets.get(*index) else { continue };
            reads.extend(snippet.reads());
            bound.extend(snippet.bound().cloned());
        }
        let value = match surroundings.value {
            Some(path) if !uses.is_empty() => {
                let slot = layout.slot(path);
                reads.push(slot);
                Some(slot)
            }
            _ => None,
        };
        let mut seen = std::collections::HashSet::new();
        reads.retain(|slot| seen.insert(*slot));
        found.extend(findings(&names, &bound, surroundings.source));
        if found.iter().any(Diagnostic::is_error) {
            return (None, found);
        }
        let room = root.nodes.iter().map(|node| if let Node::Text(text) = node { text.len() } else { 24 }).sum();
        (Some(Template { root, reads, snippets, value, room }), found)
    }

    /// The only output, when the template is nothing else: its value keeps its type.
    fn only(&self) -> Option<&Filtered> {
        match &*self.root.nodes {
            [Node::Output(filtered)] => Some(filtered),
            _ => None,
        }
    }

    fn frame<'f, 'a>(&'a self, slots: &'a [Value<'a>], context: &'f Context<'a>) -> Frame<'f, 'a> {
        let value = self.value.map(|slot| slots.get(slot.index()).copied().unwrap_or_default());
        Frame::new(slots, context, &self.snippets, value)
    }

    /// Runs on the slots of one record and writes the value to `out`.
    #[inline]
    pub fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        let mut frame = self.frame(slots, context);
        *out = self.value_in(&mut frame)?;
        Ok(())
    }

    fn value_in<'a>(&'a self, frame: &mut Frame<'_, 'a>) -> Fallible<Value<'a>> {
        match self.only() {
            Some(filtered) => frame.only(filtered),
            None => self.text_in(frame).map(Value::Text),
        }
    }

    fn text_in<'a>(&'a self, frame: &mut Frame<'_, 'a>) -> Fallible<&'a str> {
        let mut out = frame.tools.arena.builder(self.room);
        frame.block(&self.root, &mut out)?;
        Ok(out.into_bump_str())
    }

    /// Runs on the slots of one record and gives what Liquid prints: always text, also of a template that is one output.
    pub fn render<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>) -> Fallible<&'a str> {
        self.text_in(&mut self.frame(slots, context))
    }

    /// Runs and keeps the value of every output, filter, condition and assignment.
    pub fn trace<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
    ) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        let mut frame = self.frame(slots, context);
        frame.steps = Some(Vec::new());
        let result = self.value_in(&mut frame);
        (result, frame.steps.take().unwrap_or_default())
    }

    /// The attributes read, each once, those of the snippets used included.
    pub fn reads(&self) -> &[Slot] {
        &self.reads
    }

    /// What the result can be.
    pub fn kinds(&self) -> Kinds {
        if self.only().is_some() { Kinds::ANY } else { Kinds::SINGLE }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("reads", &self.reads).finish_non_exhaustive()
    }
}

/// What is to be said of the names that no tag gives a value to.
fn findings(
    names: &[(Box<str>, crate::text::Span)],
    bound: &std::collections::BTreeSet<Box<str>>,
    source: &super::names::SourceNames,
) -> Vec<Diagnostic> {
    /// Records beside the one that is mapped, where a sync has them.
    const GIVEN: [&str; 2] = ["user", "group"];
    names
        .iter()
        .filter(|(name, _)| !bound.contains(name) && !GIVEN.contains(&&**name))
        .filter_map(|(name, span)| source.finding(name, *span, ""))
        .collect()
}
