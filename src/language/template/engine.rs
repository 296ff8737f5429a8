//! The environment that templates run in: what of minijinja they may use, name by name, and our functions beside it.
//!
//! It starts empty. An upgrade of minijinja that brings a new filter does not bring it here.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Kwargs, Rest, StringInput, Value as Jinja, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters, functions, tests};

use crate::function::{Fault, Limits, TABLE};
use crate::language::Undefined;
use crate::text::Code;
use crate::value::Ignore;

use super::bridge::{self, End, bounded, call, end, end_with_fault, fits, keep, spend, turn};
use super::turns::each;

/// The filters of Jinja that are offered.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// The tests of Jinja that are offered.
pub(super) const TESTS: &[&str] = &[
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// The functions beside those of the table.
pub(super) const FUNCTIONS: &[&str] = &["dict", "fail", "namespace", "range", "skip", "skip_attribute"];

/// The filters that the rewritten text uses; nobody else may.
const OURS: &[&str] = &["_bound", "_each", "_factor", "_plain", "_raw"];

/// How much of minijinja's own count a level of our nesting takes: a macro counts four, its blocks one each.
const LEVEL: usize = 6;

/// An environment with these limits.
pub(super) fn environment(undefined: Undefined, limits: Limits) -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_debug(false);
    env.set_undefined_behavior(match undefined {
        Undefined::Strict => UndefinedBehavior::Strict,
        Undefined::Lenient => UndefinedBehavior::Lenient,
    });
    env.set_fuel(Some(limits.steps));
    env.set_recursion_limit(limits.depth * LEVEL);
    for name in FILTERS {
        add_filter(&mut env, name);
    }
    for name in TESTS {
        add_test(&mut env, name);
    }
    for name in FUNCTIONS {
        add_function(&mut env, name);
    }
    for name in OURS {
        add_ours(&mut env, name);
    }
    for spec in TABLE {
        env.add_filter(spec.name, move |arguments: &[Jinja]| call(spec, arguments));
        env.add_function(spec.name, move |arguments: &[Jinja]| call(spec, arguments));
    }
    env
}

/// Adds a filter whose result is measured.
fn measured(env: &mut Environment<'static>, name: &'static str, filter: Jinja) {
    env.add_filter(name, move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
        bounded(filter.call(state, &arguments.into_values())?)
    });
}

fn add_filter(env: &mut Environment<'static>, name: &'static str) {
    let function = match name {
        // What gives no more than it gets.
        "abs" => return env.add_filter(name, filters::abs),
        "bool" => return env.add_filter(name, filters::bool),
        "capitalize" => return env.add_filter(name, filters::capitalize),
        "count" | "length" => return env.add_filter(name, filters::length),
        "d" | "default" => return env.add_filter(name, filters::default),
        "first" => return env.add_filter(name, filters::first),
        "float" => return env.add_filter(name, filters::float),
        "int" => return env.add_filter(name, filters::int),
        "last" => return env.add_filter(name, filters::last),
        "lower" => return env.add_filter(name, filters::lower),
        "max" => return env.add_filter(name, filters::max),
        "min" => return env.add_filter(name, filters::min),
        "round" => return env.add_filter(name, filters::round),
        "title" => return env.add_filter(name, filters::title),
        "trim" => return env.add_filter(name, filters::trim),
        "upper" => return env.add_filter(name, filters::upper),
        // What can give more, with a look ahead.
        "replace" => return env.add_filter(name, replace),
        "join" => return env.add_filter(name, join),
        "split" => {
            env.add_filter(name, |value: &Jinja, by: Option<Arc<str>>, most: Option<i64>| {
                bounded(filters::split(value, by, most)?)
            });
            return;
        }
        "tojson" => {
            let tojson = Jinja::from_function(filters::tojson);
            env.add_filter(name, move |state: &mut State, value: Jinja| {
                bounded(tojson.call(state, &[bounded(value)?])?)
            });
            return;
        }
        "attr" => Jinja::from_function(filters::attr),
        "dictsort" => Jinja::from_function(filters::dictsort),
        "e" | "escape" => Jinja::from_function(filters::escape),
        "items" => Jinja::from_function(filters::items),
        "lines" => Jinja::from_function(filters::lines),
        "list" => Jinja::from_function(filters::list),
        "map" => Jinja::from_function(filters::map),
        "reject" => Jinja::from_function(filters::reject),
        "rejectattr" => Jinja::from_function(filters::rejectattr),
        "reverse" => Jinja::from_function(filters::reverse),
        "select" => Jinja::from_function(filters::select),
        "selectattr" => Jinja::from_function(filters::selectattr),
        "sort" => Jinja::from_function(filters::sort),
        "string" => Jinja::from_function(filters::string),
        "sum" => Jinja::from_function(filters::sum),
        "unique" => Jinja::from_function(filters::unique),
        _ => return,
    };
    measured(env, name, function);
}

fn add_test(env: &mut Environment<'static>, name: &'static str) {
    match name {
        "defined" => env.add_test(name, tests::is_defined),
        "undefined" => env.add_test(name, tests::is_undefined),
        "none" => env.add_test(name, tests::is_none),
        "boolean" => env.add_test(name, tests::is_boolean),
        "odd" => env.add_test(name, tests::is_odd),
        "even" => env.add_test(name, tests::is_even),
        "divisibleby" => env.add_test(name, tests::is_divisibleby),
        "number" => env.add_test(name, tests::is_number),
        "int" | "integer" => env.add_test(name, tests::is_integer),
        "float" => env.add_test(name, tests::is_float),
        "string" => env.add_test(name, tests::is_string),
        "sequence" => env.add_test(name, tests::is_sequence),
        "iterable" => env.add_test(name, tests::is_iterable),
        "mapping" => env.add_test(name, tests::is_mapping),
        "startingwith" => env.add_test(name, tests::is_startingwith),
        "endingwith" => env.add_test(name, tests::is_endingwith),
        "lower" => env.add_test(name, tests::is_lower),
        "upper" => env.add_test(name, tests::is_upper),
        "sameas" => env.add_test(name, tests::is_sameas),
        "true" => env.add_test(name, tests::is_true),
        "false" => env.add_test(name, tests::is_false),
        "in" => env.add_test(name, tests::is_in),
        "eq" | "equalto" | "==" => env.add_test(name, tests::is_eq),
        "ne" | "!=" => env.add_test(name, tests::is_ne),
        "lt" | "lessthan" | "<" => env.add_test(name, tests::is_lt),
        "le" | "<=" => env.add_test(name, tests::is_le),
        "gt" | "greaterthan" | ">" => env.add_test(name, tests::is_gt),
        "ge" | ">=" => env.add_test(name, tests::is_ge),
        _ => {}
    }
}

fn add_function(env: &mut Environment<'static>, name: &'static str) {
    match name {
        "dict" => env.add_function(name, functions::dict),
        "namespace" => env.add_function(name, functions::namespace),
        "range" => env.add_function(name, range),
        "skip" => env.add_function(name, |reason: Option<Jinja>| -> Result<Jinja, Error> {
            let reason = reason.filter(|reason| !reason.is_undefined() && !reason.is_none());
            let reason = reason.map(|reason| bounded(reason).map(|reason| reason.to_string())).transpose()?;
            Err(end(End::Ignored(Ignore::Object, reason)))
        }),
        "skip_attribute" => {
            env.add_function(name, || -> Result<Jinja, Error> { Err(end(End::Ignored(Ignore::Attribute, None))) });
        }
        "fail" => env.add_function(name, |message: Option<Jinja>| -> Result<Jinja, Error> {
            let message = message.map_or_else(
                || Ok("(no message)".to_owned()),
                |message| bounded(message).map(|message| message.to_string()),
            )?;
            Err(end_with_fault(Fault::new(Code::Raised, message)))
        }),
        _ => {}
    }
}

fn add_ours(env: &mut Environment<'static>, name: &'static str) {
    match name {
        "_bound" => env.add_filter(name, |value: &Jinja| bounded(value.clone())),
        "_each" => env.add_filter(name, each),
        "_factor" => env.add_filter(name, factor),
        "_plain" => env.add_filter(name, |value: &Jinja| {
            let value = bounded(value.clone())?;
            if bridge::is_plain(&value) {
                return Ok(value);
            }
            let message = format!("a namespace keeps texts, numbers and lists of them, not a {}", value.kind());
            Err(end_with_fault(Fault::new(Code::Conversion, message)))
        }),
        "_raw" => env.add_filter(name, |bytes: u64| turn(bytes).map(|()| Jinja::from(()))),
        _ => {}
    }
}

fn factor(value: &Jinja) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Seq | ValueKind::Iterable | ValueKind::Bytes => {
            let message = format!("`*` multiplies numbers, not a {}", value.kind());
            Err(end_with_fault(
                Fault::new(Code::Conversion, message)
                    .help("`RandomString`, `~` and loops make longer texts; a text is made a number with `| int`"),
            ))
        }
        _ => Ok(value.clone()),
    }
}

fn replace(value: Jinja, from: Jinja, to: Jinja) -> Result<Jinja, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let (value, from, to) = (bounded(value)?, bounded(from)?, bounded(to)?);
    let (text, from, to) = (shown(&value), shown(&from), shown(&to));
    if to.len() > from.len() {
        let more = text.matches(&*from).count().saturating_mul(to.len() - from.len());
        fits(text.len().saturating_add(more), 0)?;
    }
    let replaced = text.replace(&*from, &to);
    spend(replaced.len() as u64)?;
    Ok(Jinja::from(replaced))
}

/// A value as it prints; a text is that already.
fn shown(value: &Jinja) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

fn join(
    state: &mut State,
    list: &Jinja,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    named: Kwargs,
) -> Result<Jinja, Error> {
    let between = match &joiner {
        Some(joiner) => joiner.as_str().len(),
        None => named.peek::<Option<&str>>("d").ok().flatten().map_or(0, str::len),
    };
    let measured = bounded(list.clone())?;
    fits(between.saturating_mul(measured.len().unwrap_or(0)), 0)?;
    bounded(filters::join(state, list, joiner, attribute, named)?)
}

fn range(first: i64, end_at: Option<i64>, step: Option<i64>) -> Result<Jinja, Error> {
    let (start, stop, step) = (if end_at.is_some() { first } else { 0 }, end_at.unwrap_or(first), step.unwrap_or(1));
    if step == 0 {
        return Err(end_with_fault(Fault::new(Code::BadArgument, "`range` cannot go by steps of 0")));
    }
    let way = (i128::from(stop) - i128::from(start)) * i128::from(step.signum());
    let count =
        if way <= 0 { 0 } else { (way + i128::from(step.unsigned_abs()) - 1) / i128::from(step.unsigned_abs()) };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    fits(0, count)?;
    let numbers = (0..count as i64).map(|index| Jinja::from(start.saturating_add(step.saturating_mul(index))));
    bounded(Jinja::from(numbers.collect::<Vec<_>>()))
}

/// What a template's `{{ … }}` do with their value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emit {
    /// It is written; the template has no loops, and so no more of them than it is long.
    Write,
    /// It is written and counted.
    Count,
    /// It is the template's value.
    Keep,
    /// The last one is the template's value, and those before it write in macros.
    CountAndKeep,
}

/// Sets what becomes of values that are printed.
pub(super) fn set_emit(env: &mut Environment<'static>, emit: Emit) {
    match emit {
        Emit::Write => {}
        Emit::Keep => env.set_formatter(|_, _, value| {
            keep(value);
            Ok(())
        }),
        Emit::Count => env.set_formatter(|out, _, value| write_counted(out, value)),
        Emit::CountAndKeep => env.set_formatter(|out, _, value| {
            keep(value);
            write_counted(out, value)
        }),
    }
}

fn write_counted(out: &mut Output<'_>, value: &Jinja) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        out.write_str(text)?;
        return spend(text.len() as u64);
    }
    let mut counted = Counted { out, bytes: 0 };
    std::fmt::Write::write_fmt(&mut counted, format_args!("{value}"))?;
    let bytes = counted.bytes;
    spend(bytes)
}

struct Counted<'o, 'w> {
    out: &'o mut Output<'w>,
    bytes: u64,
}

impl std::fmt::Write for Counted<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.bytes += text.len() as u64;
        self.out.write_str(text)
    }
}
