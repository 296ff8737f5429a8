//! Calling a function by value: for languages whose calls evaluate every argument first.

use crate::text::Code;
use crate::value::Value;

use super::identity::{candidate, none_free};
use super::logic::{key_matches, truth};
use super::spec::{Body, Form, Spec};
use super::{Context, Fallible, Fault};

/// Calls a function with evaluated arguments. Those that choose among their arguments choose among the values.
pub fn call_by_value<'a>(
    spec: &'static Spec,
    context: &Context<'a>,
    arguments: &[Value<'a>],
    out: &mut Value<'a>,
) -> Fallible<()> {
    let count = arguments.len();
    if count < spec.fewest() || spec.most().is_some_and(|most| count > most) {
        return Err(Fault::new(
            Code::BadArgument,
            format!("{} does not take {count} arguments: `{}`", spec.name, spec.signature()),
        ));
    }
    // What is not to flow takes the whole call with it.
    if let Some(ignored) = arguments.iter().find(|value| matches!(value, Value::Ignored(_))) {
        *out = *ignored;
        return Ok(());
    }
    match spec.body {
        Body::Plain(call) | Body::Prepared { call, .. } => call(context, arguments, out),
        Body::Lazy(form) => choose(form, context, arguments, out),
    }
}

fn choose<'a>(form: Form, context: &Context<'a>, arguments: &[Value<'a>], out: &mut Value<'a>) -> Fallible<()> {
    match form {
        Form::If => {
            let holds = truth(context, context.argument(arguments, 0)).map_err(|fault| fault.at(0))?;
            *out = context.argument(arguments, if holds { 1 } else { 2 });
        }
        Form::Switch => {
            let source = Value::Text(context.text(arguments, 0)?.unwrap_or_default());
            let cases = arguments.get(2..).unwrap_or_default();
            *out = context.argument(arguments, 1);
            for pair in cases.chunks(2) {
                let (Some(key), chosen) = (pair.first(), pair.get(1)) else { break };
                if key_matches(context, source, *key)? {
                    *out = chosen.copied().unwrap_or_default();
                    break;
                }
            }
        }
        Form::Coalesce => {
            *out = arguments.iter().find(|value| !value.is_null()).copied().unwrap_or(Value::Null);
        }
        Form::Unique => {
            for value in arguments {
                if let Some(free) = candidate(context, *value)? {
                    *out = free;
                    return Ok(());
                }
            }
            *out = none_free(arguments.iter().filter(|value| !value.is_empty()).count())?;
        }
    }
    Ok(())
}
