//! Patterns and dates for scripts, with .NET's rules: `is_match`, `find`, `format_date`, … Patterns are memoised.

use std::any::TypeId;
use std::sync::Arc;

use rhai::{Dynamic, Engine, NativeCallContext};

use crate::dotnet::date::{self, DateError, FormatError, Interval, Moment, Styles};
use crate::dotnet::pattern::{Pattern, Runaway, Template};
use crate::function::{Context, Fallible, Fault, memo};
use crate::text::{Code, shorten};
use crate::value::{MAX_TEXT, Value};

use super::state;

/// A helper: values in, a value out.
type Helper = for<'x> fn(&Context<'x>, &[Value<'x>]) -> Fallible<Value<'x>>;

/// The helpers by name and count of arguments.
const HELPERS: &[(&str, usize, Helper)] = &[
    ("is_match", 2, is_match),
    ("find", 2, find),
    ("find_all", 2, find_all),
    ("captures", 2, captures),
    ("replace_all", 3, replace_all),
    ("format_date", 2, format_date),
    ("format_date", 3, format_date),
    ("parse_date", 1, parse_date),
    ("parse_date", 2, parse_date),
    ("add_days", 2, add_days),
    ("now", 0, now),
];

pub(super) fn register(engine: &mut Engine) {
    for (name, count, helper) in HELPERS {
        let helper: Helper = *helper;
        // `find` of lists takes a closure, so here a text is asked for.
        let types = match *name {
            "find" => vec![TypeId::of::<rhai::ImmutableString>(); 2],
            _ => vec![TypeId::of::<Dynamic>(); *count],
        };
        let call = move |_: NativeCallContext<'_>, arguments: &mut [&mut Dynamic]| {
            state::call(name, arguments, |context, values, out| {
                *out = helper(context, values)?;
                Ok(())
            })
        };
        engine.register_raw_fn(*name, types, call);
        if *name == "find" {
            // An attribute that is not there has no match.
            let types = [TypeId::of::<()>(), TypeId::of::<rhai::ImmutableString>()];
            engine.register_raw_fn(*name, types, call);
        }
    }
}

fn pattern<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Arc<Pattern>> {
    let source = context.text(values, 1)?.unwrap_or_default();
    memo::pattern(source).map_err(|error| {
        let message = format!("the pattern {:?}: {}", shorten(source), error.message);
        Fault::new(Code::BadArgument, message).at(1).help_if(error.help)
    })
}

#[cold]
fn runaway(runaway: Runaway) -> Box<Fault> {
    let fault = Fault::new(Code::Limit, runaway.to_string()).at(1);
    match runaway {
        Runaway::Backtracking { .. } => {
            fault.help("make the pattern say less: avoid nested repetitions such as `(a+)+`")
        }
        _ => fault,
    }
}

fn optional(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, Value::Text)
}

fn list<'x>(context: &Context<'x>, items: impl ExactSizeIterator<Item = Value<'x>>) -> Value<'x> {
    let mut list = context.arena.list(items.len());
    list.extend(items);
    Value::List(list.into_bump_slice())
}

fn is_match<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(text) = context.text(values, 0)? else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(pattern(context, values)?.is_match(text).map_err(runaway)?))
}

fn find<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(text) = context.text(values, 0)? else { return Ok(Value::Null) };
    let found = pattern(context, values)?.find_all(text, 1).map_err(runaway)?;
    Ok(optional(found.first().copied()))
}

fn find_all<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(text) = context.text(values, 0)? else { return Ok(Value::List(&[])) };
    let most = context.env.limits.list;
    let found = pattern(context, values)?.find_all(text, most.saturating_add(1)).map_err(runaway)?;
    if found.len() > most {
        return Err(Fault::new(Code::Limit, format!("the pattern has more than {most} matches")));
    }
    Ok(list(context, found.into_iter().map(Value::Text)))
}

fn captures<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(text) = context.text(values, 0)? else { return Ok(Value::Null) };
    let found = pattern(context, values)?.captures(text).map_err(runaway)?;
    Ok(found.map_or(Value::Null, |groups| list(context, groups.into_iter().map(optional))))
}

fn replace_all<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(text) = context.text(values, 0)? else { return Ok(Value::Null) };
    let pattern = pattern(context, values)?;
    let template = Template::compile(context.text(values, 2)?.unwrap_or_default(), &pattern);
    let mut out = context.arena.builder(text.len());
    let changed = pattern.replace_all(text, &template, MAX_TEXT, &mut out).map_err(runaway)?;
    if changed { context.built(out) } else { Ok(Value::Text(text)) }
}

#[cold]
fn no_date(error: DateError) -> Box<Fault> {
    Fault::new(Code::Conversion, error.message).at(0).help_if(error.help)
}

#[cold]
fn no_format(error: FormatError, argument: usize) -> Box<Fault> {
    Fault::new(Code::BadArgument, error.message).at(argument).help_if(error.help)
}

/// The date of the first argument, read by the format at `format`, or as `CDate` reads it.
fn moment<'x>(context: &Context<'x>, values: &[Value<'x>], format: Option<usize>) -> Fallible<Option<Moment>> {
    let Some(text) = context.text(values, 0)? else { return Ok(None) };
    let read = match format {
        None => date::parse_any(text, Some(context.env.now)),
        Some(place) => {
            let format = context.text(values, place)?.unwrap_or_default();
            let format = memo::read_format(format).map_err(|error| no_format(error, place))?;
            format.read(text, &Styles::DEFAULT, context.env.now)
        }
    };
    read.map(Some).map_err(no_date)
}

fn format_date<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let (input, output) = if values.len() > 2 { (Some(1), 2) } else { (None, 1) };
    let Some(moment) = moment(context, values, input)? else { return Ok(Value::Null) };
    let format = context.text(values, output)?.unwrap_or_default();
    let format = memo::print_format(format).map_err(|error| no_format(error, output))?;
    let mut out = context.arena.builder(32);
    format.print(moment, &mut out).map_err(no_date)?;
    context.built(out)
}

fn parse_date<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(moment) = moment(context, values, (values.len() > 1).then_some(1))? else { return Ok(Value::Null) };
    let (year, month, day) = moment.date();
    let fields = [
        ("year", year),
        ("month", month),
        ("day", day),
        ("hour", moment.hour()),
        ("minute", moment.minute()),
        ("second", moment.second()),
    ]
    .map(|(name, number)| (name, Value::Integer(i64::from(number))));
    Ok(Value::Object(context.arena.slice(&fields)))
}

fn add_days<'x>(context: &Context<'x>, values: &[Value<'x>]) -> Fallible<Value<'x>> {
    let Some(moment) = moment(context, values, None)? else { return Ok(Value::Null) };
    let days = context.number(values, 1)?;
    iso(context, date::add(Interval::Day, days, moment).map_err(no_date)?)
}

fn now<'x>(context: &Context<'x>, _: &[Value<'x>]) -> Fallible<Value<'x>> {
    iso(context, context.env.now)
}

/// The moment as ISO 8601 has it, in UTC.
fn iso<'x>(context: &Context<'x>, moment: Moment) -> Fallible<Value<'x>> {
    let mut out = context.arena.builder(20);
    // Writing to the arena does not fail.
    let _ = date::write_iso(moment, &mut out);
    out.push('Z');
    context.built(out)
}
