//! Why a field has its value: every rule's sub-expressions with their values.

use serde_json::json;

use crate::function::Context;
use crate::text::{Source, Span};
use crate::value::Value;

use super::{Failure, Mapping, RuleBody};

/// One sub-expression and its value.
#[derive(Debug)]
pub struct Traced {
    /// Its text.
    pub text: String,
    /// Its place in the mapping file.
    pub span: Span,
    /// How deep it stands in the program.
    pub depth: usize,
    /// Its value as JSON; `None` when it failed.
    pub value: Option<serde_json::Value>,
}

/// What a rule did.
#[derive(Debug)]
pub struct RuleTrace {
    /// The target.
    pub target: String,
    /// The value as the target takes it, or the failure.
    pub result: Result<serde_json::Value, Failure>,
    /// The sub-expressions in the order in which their values were known; none for a constant.
    pub steps: Vec<Traced>,
}

impl RuleTrace {
    /// As JSON: `target`, `value` or `error` (`code`, `message`), and `steps`, each with `text`, `line`, `column`, `depth` and
    /// `value`.
    pub fn to_json(&self, source: &Source) -> serde_json::Value {
        let step = |step: &Traced| {
            let at = source.position(step.span.start);
            json!({"text": step.text, "line": at.line, "column": at.column, "depth": step.depth, "value": step.value})
        };
        let steps: Vec<serde_json::Value> = self.steps.iter().map(step).collect();
        match &self.result {
            Ok(value) => json!({"target": self.target, "value": value, "steps": steps}),
            Err(failure) => {
                let error = json!({"code": failure.fault.code.to_string(), "message": failure.fault.to_string()});
                json!({"target": self.target, "error": error, "steps": steps})
            }
        }
    }
}

impl Mapping {
    /// Runs every rule, and the script, by itself and keeps what it did. A rule that fails does not keep the others from running.
    pub fn trace<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>) -> Vec<RuleTrace> {
        self.rules
            .iter()
            .chain(&self.script)
            .enumerate()
            .map(|(number, rule)| {
                let redacted = rule.is_redacted();
                let shown = |value: Value<'_>| {
                    if redacted { serde_json::Value::from("[Redact]") } else { crate::value::to_json(value) }
                };
                let (result, steps) = match &rule.body {
                    RuleBody::Program { program, text, .. } => {
                        let (result, steps) = program.trace(slots, context);
                        let steps = steps
                            .into_iter()
                            .map(|step| Traced {
                                text: text.get(step.span.range()).unwrap_or_default().to_owned(),
                                span: rule.place(step.span),
                                depth: step.depth,
                                value: step.value.map(shown),
                            })
                            .collect();
                        (result.and_then(|mut value| rule.finish(&mut value, context).map(|()| value)), steps)
                    }
                    RuleBody::Constant(_) => (rule.value(slots, context), Vec::new()),
                };
                RuleTrace {
                    target: rule.target.clone(),
                    result: result
                        .map(shown)
                        .map_err(|fault| Failure::in_rule(number, if redacted { fault.redacted() } else { fault })),
                    steps,
                }
            })
            .collect()
    }
}
