//! Jinja templates.

use crate::function::{Context, Fallible, Limits};
use crate::text::{Code, Diagnostic, Span};
use crate::value::{Layout, Slot, Value};

use super::{Surroundings, TraceStep, Undefined};

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

    /// Runs and keeps the value of every sub-expression.
    pub fn trace<'a>(&'a self, _: &'a [Value<'a>], _: &Context<'a>) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        (Ok(Value::Null), Vec::new())
    }

    /// The attributes read, each once.
    pub fn reads(&self) -> &[Slot] {
        &self.reads
    }

    /// Whether the value must not be shown in logs (`Redact`).
    pub fn is_redacted(&self) -> bool {
        false
    }
}

/// The engine of a mapping file's templates: macros, filters, limits.
#[derive(Debug)]
pub struct Host {}

impl Host {
    /// What is wrong with the macros.
    pub fn check(_: &str, _: Limits) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// An engine with these macros and limits; macros that do not compile are left out, as [`Host::check`] has said.
    pub fn new(_: &str, _: Undefined, _: Limits) -> Host {
        Host {}
    }
}
