//! `Replace`: five modes, chosen by which arguments are given.

use std::cell::RefCell;
use std::sync::Arc;

use crate::dotnet::pattern::{GroupId, Pattern, PatternError, Runaway, Template};
use crate::text::{Code, did_you_mean};
use crate::value::{MAX_TEXT, TextBuilder, Value};

use super::{Context, Fallible, Fault, Lint, Literal, Preparation, PrepareError, Prepared};

/// The places of the arguments.
const OLD: usize = 1;
const PATTERN: usize = 2;
const GROUP: usize = 3;
const VALUE: usize = 4;
const ATTRIBUTE: usize = 5;
const TEMPLATE: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// `oldValue` and `replacementValue`: every occurrence.
    Plain,
    /// `oldValue` and `template`: every occurrence in the template becomes the source.
    IntoTemplate,
    /// `regexPattern` and `replacementValue`.
    Pattern,
    /// `regexPattern`, `regexGroupName` and `replacementValue`: the group's span alone.
    Group,
    /// `regexPattern`, `regexGroupName` and `replacementAttributeName`: the source, or the group of the attribute.
    Extract,
}

/// Why the arguments fit no mode: the argument to point at, the message, the help.
type Misfit = (usize, &'static str, &'static str);

fn mode(given: [bool; 7]) -> Result<Mode, Misfit> {
    let [_, old, pattern, group, value, attribute, template] = given;
    match (old, pattern) {
        (true, true) => Err((
            PATTERN,
            "Replace takes oldValue or regexPattern, not both",
            "leave one of the two empty: `Replace([x], \"old\", , , \"new\", , )` or `Replace([x], , \"pattern\", , \"new\", , )`",
        )),
        (false, false) => Err((
            OLD,
            "Replace is not told what to replace",
            "give oldValue (the 2nd argument) or regexPattern (the 3rd): `Replace([x], \"old\", , , \"new\", , )`",
        )),
        (true, false) if template => Ok(Mode::IntoTemplate),
        (true, false) if value => Ok(Mode::Plain),
        (false, true) if group && attribute => Ok(Mode::Extract),
        (false, true) if group && value => Ok(Mode::Group),
        (false, true) if value => Ok(Mode::Pattern),
        (false, true) if attribute => Err((
            ATTRIBUTE,
            "Replace with replacementAttributeName needs a regexGroupName",
            "name the group to take: `Replace([x], , \"^(?<user>[^@]+)\", \"user\", , [mail], )`",
        )),
        _ => Err((
            VALUE,
            "Replace is not told what to put in",
            "give replacementValue (the 5th argument); `\"\"` removes: `Replace([x], \"old\", , , \"\", , )`",
        )),
    }
}

fn given(literals: &[Literal<'_>]) -> [bool; 7] {
    let mut given = [false; 7];
    given.iter_mut().zip(literals).for_each(|(given, literal)| *given = literal.given());
    given
}

/// Compiles the pattern and the replacement ahead.
pub(super) fn prepare(literals: &[Literal<'_>]) -> Result<Preparation, PrepareError> {
    let literal = |index: usize| literals.get(index).copied().unwrap_or(Literal::Omitted);
    let mode = mode(given(literals)).map_err(|(argument, message, help)| PrepareError {
        code: Code::ArgumentCount,
        argument,
        span: None,
        message: message.into(),
        help: Some(help.into()),
    })?;
    let mut preparation = Preparation::default();
    if let (Mode::Plain | Mode::IntoTemplate, Some("")) = (mode, literal(OLD).known()) {
        return Err(PrepareError {
            code: Code::ArgumentKind,
            argument: OLD,
            span: None,
            message: "oldValue is empty: there is nothing to look for".into(),
            help: Some("to test for an empty value write `Switch([x], [x], \"\", \"value\")`".into()),
        });
    }
    if matches!(mode, Mode::Plain | Mode::IntoTemplate) {
        return Ok(preparation);
    }
    let Some(source) = literal(PATTERN).known() else { return Ok(preparation) };
    let pattern = Pattern::compile(source).map_err(|error| pattern_error(error, PATTERN))?;
    for lint in pattern.lints() {
        preparation.lints.push(Lint {
            code: Code::EmptyMatch,
            argument: PATTERN,
            span: Some(lint.span.clone()),
            message: lint.message.clone(),
            help: lint.help.clone(),
        });
    }
    let group = match (mode, literal(GROUP)) {
        (Mode::Group | Mode::Extract, Literal::Known(name)) => match pattern.group(name) {
            Some(group) => Some(group),
            None => return Err(no_group(&pattern, name)),
        },
        _ => None,
    };
    let template = match (mode, literal(VALUE)) {
        (Mode::Pattern, Literal::Known(text)) => {
            let template = Template::compile(text, &pattern);
            for lint in template.lints() {
                preparation.lints.push(Lint {
                    code: Code::ReplacementReference,
                    argument: VALUE,
                    span: Some(lint.span.clone()),
                    message: lint.message.clone(),
                    help: lint.help.clone(),
                });
            }
            Some(template)
        }
        _ => None,
    };
    preparation.prepared = Some(Box::new(Replacer { mode, pattern, group, template }));
    Ok(preparation)
}

fn pattern_error(error: PatternError, argument: usize) -> PrepareError {
    let message = if error.dotnet_refuses {
        format!("{} (Entra refuses this pattern too)", error.message)
    } else {
        error.message
    };
    PrepareError { code: Code::Pattern, argument, span: Some(error.span), message, help: error.help }
}

fn no_group(pattern: &Pattern, name: &str) -> PrepareError {
    let names: Vec<&str> = pattern.group_names().collect();
    let help = did_you_mean(name, names.iter().copied()).or_else(|| {
        Some(if names.is_empty() {
            format!("name a group in the pattern: `(?<{name}>…)`")
        } else {
            format!("the pattern's groups are: {}", names.join(", "))
        })
    });
    PrepareError {
        code: Code::PatternGroup,
        argument: GROUP,
        span: None,
        message: format!("the pattern has no group called {name:?}"),
        help,
    }
}

/// A Replace whose pattern is a constant.
struct Replacer {
    mode: Mode,
    pattern: Pattern,
    group: Option<GroupId>,
    template: Option<Template>,
}

impl Prepared for Replacer {
    fn call<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
        run(context, arguments, self.mode, &self.pattern, self.group, self.template.as_ref())
    }
}

/// `Replace` with nothing made ready: the plain modes, and patterns that are known only now.
pub(super) fn call<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let mut given = [false; 7];
    given.iter_mut().zip(arguments).for_each(|(given, value)| *given = !matches!(value, Value::Absent));
    // The checker has refused what fits no mode; here an attribute without a value may be what is missing.
    let mode = match mode(given) {
        Ok(mode) => mode,
        Err((OLD, ..)) if arguments.len() > OLD => return Ok(context.argument(arguments, 0)),
        Err((VALUE, ..)) if given.iter().skip(1).any(|given| *given) => {
            if given.get(PATTERN) == Some(&true) {
                Mode::Pattern
            } else {
                Mode::Plain
            }
        }
        Err((argument, message, help)) => return Err(Fault::new(Code::BadArgument, message).at(argument).help(help)),
    };
    match mode {
        Mode::Plain => plain(context, arguments),
        Mode::IntoTemplate => into_template(context, arguments),
        Mode::Pattern | Mode::Group | Mode::Extract => {
            let source = context.text(arguments, PATTERN)?.unwrap_or_default();
            let pattern = compiled(source)?;
            run_dynamic(context, arguments, mode, &pattern)
        }
    }
}

fn plain<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let old = context.text(arguments, OLD)?.unwrap_or_default();
    let new = context.text(arguments, VALUE)?.unwrap_or_default();
    substitute(context, source, old, new)
}

fn into_template<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let old = context.text(arguments, OLD)?.unwrap_or_default();
    let template = context.text(arguments, TEMPLATE)?.unwrap_or_default();
    substitute(context, template, old, source)
}

/// Every `old` in `text` by `new`: ordinal, from the left, not looked at again.
fn substitute<'a>(context: &Context<'a>, text: &'a str, old: &str, new: &str) -> Fallible<Value<'a>> {
    if old.is_empty() {
        return Ok(Value::Text(text));
    }
    let mut out: Option<TextBuilder<'a>> = None;
    let mut copied = 0;
    for (at, _) in text.match_indices(old) {
        let out = out.get_or_insert_with(|| context.arena.builder(text.len() + new.len()));
        out.push_str(text.get(copied..at).unwrap_or_default());
        out.push_str(new);
        copied = at + old.len();
        if out.len() > MAX_TEXT {
            return Err(Context::too_long());
        }
    }
    match out {
        None => Ok(Value::Text(text)),
        Some(mut out) => {
            out.push_str(text.get(copied..).unwrap_or_default());
            context.built(out)
        }
    }
}

fn run_dynamic<'a>(
    context: &Context<'a>,
    arguments: &[Value<'a>],
    mode: Mode,
    pattern: &Pattern,
) -> Fallible<Value<'a>> {
    run(context, arguments, mode, pattern, None, None)
}

fn run<'a>(
    context: &Context<'a>,
    arguments: &[Value<'a>],
    mode: Mode,
    pattern: &Pattern,
    group: Option<GroupId>,
    template: Option<&Template>,
) -> Fallible<Value<'a>> {
    let source = context.text(arguments, 0)?;
    let group = |context: &Context<'a>| match group {
        Some(group) => Ok(group),
        None => {
            let name = context.text(arguments, GROUP)?.unwrap_or_default();
            pattern.group(name).ok_or_else(|| {
                let error = no_group(pattern, name);
                let fault = Fault::new(Code::BadArgument, error.message).at(GROUP);
                error.help.map_or_else(|| fault.clone(), |help| fault.clone().help(help))
            })
        }
    };
    if mode == Mode::Extract {
        if let Some(source) = source.filter(|source| !source.is_empty()) {
            return Ok(Value::Text(source));
        }
        let group = group(context)?;
        let Some(other) = context.text(arguments, ATTRIBUTE)? else { return Ok(Value::Null) };
        let found = pattern.extract(other, group).map_err(runaway)?;
        return Ok(found.map_or(Value::Null, Value::Text));
    }
    let Some(source) = source else { return Ok(Value::Null) };
    let mut out = context.arena.builder(0);
    let changed = match (mode, template) {
        (Mode::Group, _) => {
            let value = context.text(arguments, VALUE)?.unwrap_or_default();
            pattern.replace_group(source, group(context)?, value, MAX_TEXT, &mut out)
        }
        (_, Some(template)) => pattern.replace_all(source, template, MAX_TEXT, &mut out),
        (_, None) => {
            let value = context.text(arguments, VALUE)?.unwrap_or_default();
            pattern.replace_all(source, &Template::compile(value, pattern), MAX_TEXT, &mut out)
        }
    };
    if changed.map_err(runaway)? { context.built(out) } else { Ok(Value::Text(source)) }
}

#[cold]
fn runaway(runaway: Runaway) -> Box<Fault> {
    Fault::new(Code::Limit, runaway.to_string())
        .at(PATTERN)
        .help("make the pattern say less: avoid nested repetitions such as `(a+)+`")
}

/// How many patterns that come from records are kept compiled.
const KEPT: usize = 16;

thread_local! {
    static COMPILED: RefCell<Vec<(String, Arc<Pattern>)>> = const { RefCell::new(Vec::new()) };
}

/// A pattern that is known only at run time, compiled or taken from those compiled last.
fn compiled(source: &str) -> Fallible<Arc<Pattern>> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some(at) = kept.iter().position(|(known, _)| known == source) {
            let entry = kept.remove(at);
            let pattern = Arc::clone(&entry.1);
            kept.push(entry);
            return Ok(pattern);
        }
        let pattern = Pattern::compile(source).map_err(|error| {
            let fault = Fault::new(Code::BadArgument, format!("the pattern {source:?}: {}", error.message)).at(PATTERN);
            error.help.map_or_else(|| fault.clone(), |help| fault.clone().help(help))
        })?;
        let pattern = Arc::new(pattern);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((source.to_owned(), Arc::clone(&pattern)));
        Ok(pattern)
    })
}
