//! [`call_by_value`]: a function of the table for languages whose arguments are all evaluated before a call.

use crate::text::Code;
use crate::value::Value;

use super::{Body, Context, Fallible, Fault, Form, Spec, candidate, key_matches, none_free, truth};

/// The most arguments that such a language may give to a function that takes any number of them.
pub const MOST_ARGUMENTS: usize = 16;

/// Calls a function with values. The lazy ones choose among values that are there already.
pub fn call_by_value<'a>(
    spec: &'static Spec,
    context: &Context<'a>,
    arguments: &[Value<'a>],
    out: &mut Value<'a>,
) -> Fallible<()> {
    check_count(spec, arguments.len())?;
    match spec.body {
        Body::Plain(call) | Body::Prepared { call, .. } => {
            // What is not to flow takes the whole call with it.
            if let Some(ignored) = arguments.iter().find(|value| matches!(value, Value::Ignored(_))) {
                *out = *ignored;
                return Ok(());
            }
            call(context, arguments, out)
        }
        Body::Lazy(form) => {
            *out = choose(form, context, arguments)?;
            Ok(())
        }
    }
}

fn check_count(spec: &Spec, count: usize) -> Fallible<()> {
    if count >= spec.fewest() && spec.most().is_none_or(|most| count <= most) {
        return Ok(());
    }
    let given = match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        _ => format!("{count} arguments"),
    };
    Err(Fault::new(Code::BadArgument, format!("{} cannot be called with {given}", spec.name))
        .help(format!("write `{}`", spec.signature())))
}

fn choose<'a>(form: Form, context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let argument = |index: usize| context.argument(arguments, index);
    match form {
        Form::If => {
            let condition = argument(0);
            if matches!(condition, Value::Ignored(_)) {
                return Ok(condition);
            }
            let holds = truth(context, condition).map_err(|fault| fault.at(0))?;
            Ok(argument(if holds { 1 } else { 2 }))
        }
        Form::Switch => {
            let source = argument(0);
            if matches!(source, Value::Ignored(_)) {
                return Ok(source);
            }
            let text = context.text_of(source).map_err(|fault| fault.at(0))?.unwrap_or_default();
            for (index, pair) in arguments.get(2..).unwrap_or_default().chunks_exact(2).enumerate() {
                let [key, chosen] = pair else { continue };
                if key_matches(context, Value::Text(text), *key).map_err(|fault| fault.at(2 + 2 * index))? {
                    return Ok(*chosen);
                }
            }
            Ok(argument(1))
        }
        Form::Coalesce => Ok(arguments.iter().copied().find(|value| !value.is_null()).unwrap_or(Value::Null)),
        Form::Unique => {
            let mut candidates = 0;
            for (index, value) in arguments.iter().enumerate() {
                if matches!(value, Value::Ignored(_)) {
                    return Ok(*value);
                }
                if let Some(free) = candidate(context, *value).map_err(|fault| fault.at(index))? {
                    return Ok(free);
                }
                candidates += usize::from(!value.is_empty());
            }
            none_free(candidates)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dotnet::date::Moment;
    use crate::function::{Env, Seed, lookup};
    use crate::value::{Arena, Ignore};

    fn call(name: &str, arguments: &[Value<'static>]) -> String {
        let arena = Arena::new();
        let env = Env::new(Moment::MIN, Seed::from_number(1));
        let context = Context::new(&arena, &env, 0);
        let mut out = Value::Absent;
        match call_by_value(lookup(name).unwrap(), &context, arguments, &mut out) {
            Ok(()) => crate::value::Shown(out).to_string(),
            Err(fault) => format!("{} {fault}", fault.code),
        }
    }

    #[test]
    fn every_body_is_called_with_values() {
        let text = Value::Text;
        assert_eq!(call("ToUpper", &[text("a")]), "\"A\"");
        assert_eq!(call("IIF", &[text("True"), text("a"), text("b")]), "\"a\"");
        assert_eq!(call("Switch", &[text("x"), text("d"), text("x"), text("1")]), "\"1\"");
        assert_eq!(call("Switch", &[text("y"), text("d"), text("x"), text("1")]), "\"d\"");
        assert_eq!(call("Coalesce", &[Value::Null, text("b")]), "\"b\"");
        assert_eq!(call("SelectUniqueValue", &[Value::Null, text("b")]), "\"b\"");
        let given = [text("a1"), Value::Absent, text("[0-9]"), Value::Absent, text("-")];
        assert_eq!(call("Replace", &[&given[..], &[Value::Absent, Value::Absent]].concat()), "\"a-\"");
        assert_eq!(call("ToUpper", &[Value::Ignored(Ignore::Attribute)]), "(attribute ignored)");
    }

    #[test]
    fn a_wrong_count_names_the_signature() {
        assert_eq!(call("Mid", &[]), "E0707 Mid cannot be called with no arguments");
    }
}
