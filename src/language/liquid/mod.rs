//! Liquid templates.

use std::collections::BTreeMap;

use crate::function::{Context, Fallible, Kinds, Limits};
use crate::text::{Code, Diagnostic, Span};
use crate::value::{Layout, Slot, Value};

use super::names::SourceNames;
use super::{Surroundings, TraceStep};

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    reads: Vec<Slot>,
}

impl Template {
    /// Compiles a text; the findings' spans are bytes of it. There is no program when one of them is an error.
    pub fn compile(text: &str, _: &mut Layout, _: &Surroundings<'_>) -> (Option<Template>, Vec<Diagnostic>) {
        let whole = Span::new(0, text.len());
        (None, vec![Diagnostic::new(Code::LanguageNotYet, "the language is not built in yet", whole)])
    }

    /// Runs on the slots of one record and writes the value to `out`.
    pub fn run<'a>(&'a self, _: &'a [Value<'a>], _: &Context<'a>, _: &mut Value<'a>) -> Fallible<()> {
        Ok(())
    }

    /// Runs and gives what the template prints.
    pub fn render<'a>(&'a self, _: &'a [Value<'a>], _: &Context<'a>) -> Fallible<&'a str> {
        Ok("")
    }

    /// Runs and keeps the value of every sub-expression.
    pub fn trace<'a>(&'a self, _: &'a [Value<'a>], _: &Context<'a>) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        (Ok(Value::Null), Vec::new())
    }

    /// The attributes read, each once.
    pub fn reads(&self) -> &[Slot] {
        &self.reads
    }

    /// What the result can be.
    pub fn kinds(&self) -> Kinds {
        Kinds::ANY
    }
}

/// The named snippets of a mapping file, compiled.
#[derive(Debug, Default)]
pub struct Snippets {}

impl Snippets {
    /// Compiles the snippets; each finding's span is in the text of the snippet named with it.
    pub fn compile(
        _: &BTreeMap<String, String>,
        _: Limits,
        _: &mut Layout,
        _: &SourceNames,
    ) -> (Snippets, Vec<(String, Diagnostic)>) {
        (Snippets {}, Vec::new())
    }
}
