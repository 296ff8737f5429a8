//! [`Failure`]: a fault with its rule, and how it is told: a diagnostic with carets in the file, and the values that
//! the failing expression used.

use crate::function::{Context, Fault};
use crate::language::{Program, TraceStep};
use crate::text::{Code, Diagnostic, Span};
use crate::value::{Layout, Shown, Value};

use super::{Mapping, RuleBody, Skip};

/// A program's failure on a record.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The rule's number; `None` when the scoping filter failed.
    pub rule: Option<usize>,
    /// What happened, with its place in the program's text.
    pub fault: Box<Fault>,
}

impl Failure {
    pub(super) fn in_rule(rule: usize, fault: Box<Fault>) -> Self {
        Self { rule: Some(rule), fault }
    }

    pub(super) fn in_scope(fault: Box<Fault>) -> Self {
        Self { rule: None, fault }
    }
}

impl Mapping {
    /// A failure as a diagnostic of the mapping file. Runs the program again to learn the values it used, so it takes
    /// the record and the context of the failure.
    pub fn describe<'a>(&'a self, failure: &Failure, slots: &'a [Value<'a>], context: &Context<'a>) -> Diagnostic {
        let Some(rule) = failure.rule.and_then(|rule| self.rule(rule)) else {
            let span = failure.fault.span.unwrap_or_default();
            return Diagnostic::new(failure.fault.code, headline(&failure.fault), span)
                .help_if(failure.fault.help.clone());
        };
        let diagnostic = match &rule.body {
            RuleBody::Program { program, text, .. } => {
                let whole = Span::new(0, text.trim_end().len());
                describe_fault(&failure.fault, program, &self.layout, slots, context, whole)
            }
            RuleBody::Constant(_) => Diagnostic::new(failure.fault.code, headline(&failure.fault), Span::default()),
        };
        let message = format!("{}: {}", rule.target, diagnostic.message);
        let mut diagnostic = diagnostic.map_spans(|span| rule.place(span));
        diagnostic.message = message;
        diagnostic
    }

    /// Why a record was skipped, in one line.
    pub fn describe_skip(&self, skip: &Skip) -> String {
        let target = |rule: usize| self.rule(rule).map_or("", |rule| rule.target());
        let what = |rule: usize| {
            if self.rules.get(rule).is_some() {
                format!("the rule for `{}`", target(rule))
            } else {
                "the script".to_owned()
            }
        };
        match skip {
            Skip::RequiredEmpty { rule } => {
                let reads: Vec<String> = self
                    .rules
                    .get(*rule)
                    .map(|rule| rule.reads().iter().map(|slot| format!("[{}]", self.layout.name(*slot))).collect())
                    .unwrap_or_default();
                let from = if reads.is_empty() { String::new() } else { format!(" (it reads {})", reads.join(", ")) };
                format!("{}: the required target `{}` has no value{from}", Code::RequiredEmpty, target(*rule))
            }
            Skip::Ignored { rule, reason: Some(reason) } => {
                format!("{} skips the record: {}", what(*rule), crate::text::shorten(reason))
            }
            Skip::Ignored { rule, reason: None } => {
                let entra = self.rule(*rule).and_then(super::Rule::language) == Some(crate::language::Language::Entra);
                let why = if entra { "gave IgnoreObjectFlow" } else { "skips the record" };
                format!("{} {why}", what(*rule))
            }
            Skip::Failed(failure) => {
                let rule = failure.rule.and_then(|rule| self.rule(rule));
                let words = if rule.is_some_and(super::Rule::is_redacted) {
                    headline(&Box::new((*failure.fault).clone()).redacted())
                } else {
                    headline(&failure.fault)
                };
                format!("{}: {}: {words}", failure.fault.code, failure.rule.map_or("", target))
            }
        }
    }
}

/// A fault as a diagnostic of the program's own text. `whole` is the span for a fault that has none.
pub fn describe_fault<'a>(
    fault: &Fault,
    program: &'a Program,
    layout: &Layout,
    slots: &'a [Value<'a>],
    context: &Context<'a>,
    whole: Span,
) -> Diagnostic {
    let span = fault.span.unwrap_or(whole);
    let call = fault.call.unwrap_or(span);
    if program.is_redacted() {
        let fault = Box::new(fault.clone()).redacted();
        return Diagnostic::new(fault.code, fault.to_string(), span);
    }
    let mut diagnostic = Diagnostic::new(fault.code, headline(fault), span).help_if(fault.help.clone());
    if call != span {
        diagnostic = diagnostic.also(call, "in this call");
    }
    let (_, steps) = program.trace(slots, context);
    let at_fault = steps.iter().rev().find(|step| step.span == span && step.span != call).and_then(|step| step.value);
    if let Some(value) = at_fault {
        diagnostic = diagnostic.label(format!("this is {}", Shown(value)));
    }
    for note in values_used(&steps, call, layout) {
        diagnostic = diagnostic.note(note);
    }
    diagnostic
}

/// The most characters of a headline that come from a record.
const HEADLINE: usize = 200;

/// A fault in words. They may hold a value, and a value may be long: what is cut out of the middle the notes show.
pub fn headline(fault: &Fault) -> String {
    let text = fault.to_string();
    let characters = text.chars().count();
    if characters <= HEADLINE {
        return text;
    }
    let half = HEADLINE / 2;
    text.chars().take(half).chain(['…']).chain(text.chars().skip(characters - half)).collect()
}

/// `[mail] = "x"` for each attribute read within the failing call, each once.
fn values_used(steps: &[TraceStep<'_>], call: Span, layout: &Layout) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for step in steps {
        let within = step.span.start >= call.start && step.span.end <= call.end;
        if let (true, Some(slot), Some(value)) = (within, step.slot, step.value) {
            let note = format!("[{}] = {}", layout.name(slot), Shown(value));
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}
