//! Dates. Between functions a date is text, as `CDate` prints it; `FormatDateTime` reads and writes any other form.

use std::sync::Arc;

use crate::dotnet::date::{self, DateError, FormatError, Interval, Moment, PrintFormat, ReadFormat, Styles};
use crate::text::Code;
use crate::value::Value;

use super::{ArgumentFinding, Context, Fallible, Fault, Literal, Preparation, Prepared, memo};

#[cold]
fn fault(error: DateError, argument: usize) -> Box<Fault> {
    Fault::new(Code::Conversion, error.message).at(argument).help_if(error.help)
}

fn printed<'a>(context: &Context<'a>, moment: Moment) -> Fallible<Value<'a>> {
    let mut out = context.arena.builder(24);
    // Writing to the arena does not fail.
    let _ = date::write_general(moment, &mut out);
    context.built(out)
}

/// The date of an argument; `None` for null.
fn moment<'a>(context: &Context<'a>, arguments: &[Value<'a>], index: usize) -> Fallible<Option<Moment>> {
    match context.text(arguments, index)? {
        None => Ok(None),
        Some(text) => date::parse_any(text, Some(context.env.now)).map(Some).map_err(|error| fault(error, index)),
    }
}

/// `CDate(text)`.
pub(super) fn cdate<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    match moment(context, arguments, 0)? {
        Some(moment) => printed(context, moment),
        None => Err(Fault::new(Code::Conversion, "null is not a date").at(0).help(
            "guard it: `IIF(IsPresent([x]), CDate([x]), \"\")` or `CDate(Switch([x], [x], \"\", \"9999-12-31\"))`",
        )),
    }
}

/// `Now()`.
pub(super) fn now<'a>(context: &Context<'a>, _: &[Value<'a>]) -> Fallible<Value<'a>> {
    printed(context, context.env.now)
}

/// The words for intervals.
pub(super) const INTERVALS: &[&str] = &["yyyy", "m", "d", "ww", "h", "n", "s"];

fn interval<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Interval> {
    let text = context.text(arguments, 0)?.unwrap_or_default();
    Interval::parse(text).ok_or_else(|| {
        Fault::new(Code::BadArgument, format!("{text:?} is not an interval"))
            .at(0)
            .help("write one of yyyy, m, d, ww, h, n, s")
    })
}

/// Refuses an interval that is a constant and none of [`INTERVALS`].
pub(super) fn prepare_interval(literals: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    match literals.first().and_then(|literal| literal.known()) {
        Some(word) if Interval::parse(word).is_none() => Err(ArgumentFinding {
            code: Code::UnknownWord,
            argument: 0,
            span: None,
            message: format!("{word:?} is not an interval"),
            help: Some(match word.to_ascii_lowercase().as_str() {
                "mm" | "month" | "months" | "mon" => "a month is \"m\"".into(),
                "mi" | "min" | "minute" | "minutes" => "a minute is \"n\"".into(),
                "y" | "yy" | "year" | "years" => "a year is \"yyyy\"".into(),
                "w" | "week" | "weeks" => "a week is \"ww\"".into(),
                "dd" | "day" | "days" => "a day is \"d\"".into(),
                "hh" | "hour" | "hours" => "an hour is \"h\"".into(),
                "ss" | "second" | "seconds" => "a second is \"s\"".into(),
                _ => "write one of yyyy, m, d, ww, h, n, s".into(),
            }),
        }),
        _ => Ok(Preparation::default()),
    }
}

/// `DateAdd(interval, value, date)`.
pub(super) fn date_add<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let interval = interval(context, arguments)?;
    let Some(moment) = moment(context, arguments, 2)? else { return Ok(Value::Null) };
    let count = context.number(arguments, 1)?;
    printed(context, date::add(interval, count, moment).map_err(|error| fault(error, 1))?)
}

/// `DateDiff(interval, date1, date2)`.
pub(super) fn date_diff<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let interval = interval(context, arguments)?;
    Ok(match (moment(context, arguments, 1)?, moment(context, arguments, 2)?) {
        (Some(first), Some(second)) => Value::Integer(date::diff(interval, first, second)),
        _ => Value::Null,
    })
}

/// `DateFromNum(value)`.
pub(super) fn date_from_num<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    match context.integer(arguments, 0)? {
        None => Ok(Value::Null),
        Some(number) => printed(context, date::from_file_time(number).map_err(|error| fault(error, 0))?),
    }
}

/// `NumFromDate(date)`.
pub(super) fn num_from_date<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    match moment(context, arguments, 0)? {
        None => Ok(Value::Null),
        Some(moment) => Ok(Value::Integer(date::to_file_time(moment).map_err(|error| fault(error, 0))?)),
    }
}

/// Where the formats of `FormatDateTime` stand: with styles in front of them, or, as older pages write it, without.
#[derive(Clone, Copy)]
struct Places {
    styles: Option<usize>,
    input: usize,
    output: usize,
}

impl Places {
    fn of(arguments: usize) -> Places {
        if arguments >= 4 {
            Places { styles: Some(1), input: 2, output: 3 }
        } else {
            Places { styles: None, input: 1, output: 2 }
        }
    }
}

/// A FormatDateTime whose constants are read; what is not constant is read from the record.
struct Formatter {
    places: Places,
    styles: Option<Styles>,
    input: Option<ReadFormat>,
    output: Option<PrintFormat>,
}

/// Reads the styles and formats ahead.
pub(super) fn prepare_format(literals: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    // An empty argument at the end is one that was left out.
    let given = literals.iter().rposition(|literal| literal.given()).map_or(0, |last| last + 1);
    let places = Places::of(given);
    let mut preparation = Preparation::default();
    let known = |index: usize| literals.get(index).and_then(|literal| literal.known());
    let missing = |argument: usize, what: &str| ArgumentFinding {
        code: Code::ArgumentCount,
        argument,
        span: None,
        message: format!("FormatDateTime is not told the {what} format"),
        help: Some("write `FormatDateTime([x], , \"yyyy-MM-dd\", \"M/d/yyyy\")`".into()),
    };
    for (place, what) in [(places.input, "input"), (places.output, "output")] {
        if !literals.get(place).is_some_and(|literal| literal.given()) {
            return Err(missing(place, what));
        }
    }
    let styles = match places.styles {
        None => Some(Styles::DEFAULT),
        Some(place) => match literals.get(place).copied().unwrap_or(Literal::Omitted) {
            Literal::Omitted | Literal::Known("") => Some(Styles::DEFAULT),
            Literal::Known(text) => Some(Styles::parse(text).map_err(|error| format_error(error, place))?),
            Literal::Dynamic => None,
        },
    };
    let input = match known(places.input) {
        None => None,
        Some(text) => Some(ReadFormat::compile(text).map_err(|error| format_error(error, places.input))?),
    };
    let output = match known(places.output) {
        None => None,
        Some(text) => Some(PrintFormat::compile(text).map_err(|error| format_error(error, places.output))?),
    };
    let read_lints = input.iter().flat_map(ReadFormat::lints).map(|lint| (places.input, lint));
    let print_lints = output.iter().flat_map(PrintFormat::lints).map(|lint| (places.output, lint));
    preparation.lints = read_lints
        .chain(print_lints)
        .map(|(argument, lint)| ArgumentFinding {
            code: Code::SuspiciousFormat,
            argument,
            span: Some(lint.span.clone()),
            message: lint.message.clone(),
            help: lint.help.clone(),
        })
        .collect();
    preparation.prepared = Some(Arc::new(Formatter { places, styles, input, output }));
    Ok(preparation)
}

fn format_error(error: FormatError, argument: usize) -> ArgumentFinding {
    ArgumentFinding {
        code: Code::DateFormat,
        argument,
        span: Some(error.span),
        message: error.message,
        help: error.help,
    }
}

#[cold]
fn format_fault(error: FormatError, argument: usize) -> Box<Fault> {
    Fault::new(Code::BadArgument, error.message).at(argument).help_if(error.help)
}

impl Prepared for Formatter {
    fn call<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>], out: &mut Value<'a>) -> Fallible<()> {
        *out = self.value(context, arguments)?;
        Ok(())
    }
}

impl Formatter {
    fn value<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
        let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
        let made_styles;
        let styles = match (&self.styles, self.places.styles) {
            (Some(styles), _) => styles,
            (None, place) => {
                let place = place.unwrap_or(1);
                let text = context.text(arguments, place)?.unwrap_or_default();
                made_styles = if text.is_empty() {
                    Styles::DEFAULT
                } else {
                    Styles::parse(text).map_err(|error| format_fault(error, place))?
                };
                &made_styles
            }
        };
        let made_input;
        let input = match &self.input {
            Some(format) => format,
            None => {
                let text = context.text(arguments, self.places.input)?.unwrap_or_default();
                made_input = memo::read_format(text).map_err(|error| format_fault(error, self.places.input))?;
                &made_input
            }
        };
        let made_output;
        let output = match &self.output {
            Some(format) => format,
            None => {
                let text = context.text(arguments, self.places.output)?.unwrap_or_default();
                made_output = memo::print_format(text).map_err(|error| format_fault(error, self.places.output))?;
                &made_output
            }
        };
        let moment = input.read(source, styles, context.env.now).map_err(|error| fault(error, 0))?;
        let mut out = context.arena.builder(32);
        output.print(moment, &mut out).map_err(|error| fault(error, 0))?;
        context.built(out)
    }
}

/// `FormatDateTime` with nothing made ready.
pub(super) fn format_date_time<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    Formatter { places: Places::of(arguments.len()), styles: None, input: None, output: None }.value(context, arguments)
}
