//! `Replace`: five modes, chosen by which arguments are given.

use std::sync::Arc;

use crate::dotnet::pattern::{GroupId, Pattern, PatternError, PatternLint, Runaway, Template};
use crate::text::{Code, did_you_mean, shorten};
use crate::value::{TextBuilder, Value};

use super::{ArgumentFinding, Context, Fallible, Fault, Literal, Preparation, Prepared, QUICK_TEXT, bytes, memo};

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
pub(super) fn prepare(literals: &[Literal<'_>]) -> Result<Preparation, ArgumentFinding> {
    let literal = |index: usize| literals.get(index).copied().unwrap_or(Literal::Omitted);
    let mode = mode(given(literals)).map_err(|(argument, message, help)| ArgumentFinding {
        code: Code::ArgumentCount,
        argument,
        span: None,
        message: message.into(),
        help: Some(help.into()),
    })?;
    let mut replacer = Replacer { mode, pattern: None, group: None, template: None };
    if mode.is_plain() {
        if literal(OLD).known() == Some("") {
            return Err(ArgumentFinding {
                code: Code::ArgumentKind,
                argument: OLD,
                span: None,
                message: "oldValue is empty: there is nothing to look for".into(),
                help: Some("to test for an empty value write `Switch([x], [x], \"\", \"value\")`".into()),
            });
        }
        let bytes = match (mode, literal(OLD), literal(VALUE)) {
            (Mode::Plain, Literal::Known(old), Literal::Known(new)) => bytes::replaced(old, new),
            _ => None,
        };
        return Ok(Preparation { prepared: Some(Arc::new(replacer)), bytes, lints: Vec::new() });
    }
    let Some(source) = literal(PATTERN).known() else {
        return Ok(Preparation { prepared: Some(Arc::new(replacer)), ..Preparation::default() });
    };
    let pattern = Pattern::compile(source).map_err(|error| pattern_error(error, PATTERN))?;
    let slip = |lint: &PatternLint, code, argument| ArgumentFinding {
        code,
        argument,
        span: Some(lint.span.clone()),
        message: lint.message.clone(),
        help: lint.help.clone(),
    };
    let mut lints: Vec<_> = pattern.lints().iter().map(|lint| slip(lint, Code::EmptyMatch, PATTERN)).collect();
    let mut bytes = None;
    if let (Mode::Group | Mode::Extract, Literal::Known(name)) = (mode, literal(GROUP)) {
        replacer.group = Some(pattern.group(name).ok_or_else(|| no_group(&pattern, name))?);
    }
    if let (Mode::Pattern, Literal::Known(text)) = (mode, literal(VALUE)) {
        let template = Template::compile(text, &pattern);
        lints.extend(template.lints().iter().map(|lint| slip(lint, Code::ReplacementReference, VALUE)));
        bytes = bytes::matched(&pattern, &template);
        replacer.template = Some(template);
    }
    replacer.pattern = Some(pattern);
    Ok(Preparation { prepared: Some(Arc::new(replacer)), bytes, lints })
}

fn pattern_error(error: PatternError, argument: usize) -> ArgumentFinding {
    let message = if error.dotnet_refuses {
        format!("{} (Entra refuses this pattern too)", error.message)
    } else {
        error.message
    };
    ArgumentFinding { code: Code::Pattern, argument, span: Some(error.span), message, help: error.help }
}

fn no_group(pattern: &Pattern, name: &str) -> ArgumentFinding {
    let names: Vec<&str> = pattern.group_names().collect();
    let help = did_you_mean(name, names.iter().copied()).or_else(|| {
        Some(if names.is_empty() {
            format!("name a group in the pattern: `(?<{name}>…)`")
        } else {
            format!("the pattern's groups are: {}", names.join(", "))
        })
    });
    ArgumentFinding {
        code: Code::PatternGroup,
        argument: GROUP,
        span: None,
        message: format!("the pattern has no group called {name:?}"),
        help,
    }
}

impl Mode {
    /// Whether it looks for text, not for a pattern.
    fn is_plain(self) -> bool {
        matches!(self, Mode::Plain | Mode::IntoTemplate)
    }
}

/// A Replace whose mode is known, with what its constants make ready.
struct Replacer {
    mode: Mode,
    /// `None` when the pattern comes from the record, or there is none.
    pattern: Option<Pattern>,
    group: Option<GroupId>,
    template: Option<Template>,
}

impl Prepared for Replacer {
    fn call<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>], out: &mut Value<'a>) -> Fallible<()> {
        *out = self.value(context, arguments)?;
        Ok(())
    }

    fn is_quick(&self) -> bool {
        self.mode == Mode::Pattern && self.template.is_some()
    }

    fn quick<'a>(&self, context: &Context<'a>, source: &'a str) -> Option<&'a str> {
        let (Mode::Pattern, Some(pattern), Some(template)) = (self.mode, &self.pattern, &self.template) else {
            return None;
        };
        if template.is_empty()
            && let Some(rest) = pattern.without_prefix(source)
        {
            return Some(rest);
        }
        if pattern.tries() || source.len() > QUICK_TEXT {
            return None;
        }
        let mut out = context.arena.builder(source.len());
        match pattern.replace_all(source, template, QUICK_TEXT.min(context.env.limits.output), &mut out) {
            Ok(true) => Some(out.into_bump_str()),
            Ok(false) => Some(source),
            Err(_) => None,
        }
    }
}

impl Replacer {
    fn value<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
        match (self.mode, &self.pattern) {
            (Mode::Plain, _) => plain(context, arguments),
            (Mode::IntoTemplate, _) => into_template(context, arguments),
            (_, Some(pattern)) => self.run(context, arguments, pattern),
            (mode, None) => match context.text(arguments, PATTERN)? {
                // Nothing to look for: what the source is, it stays.
                None | Some("") if mode != Mode::Extract => {
                    Ok(context.text(arguments, 0)?.map_or(Value::Null, Value::Text))
                }
                source => self.run(context, arguments, &*compiled(source.unwrap_or_default())?),
            },
        }
    }
}

/// `Replace` from a language that tells only now which arguments there are: an absent one was left out.
pub(super) fn call<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let mut given = [false; 7];
    given.iter_mut().zip(arguments).for_each(|(given, value)| *given = !matches!(value, Value::Absent));
    let mode = mode(given)
        .map_err(|(argument, message, help)| Fault::new(Code::BadArgument, message).at(argument).help(help))?;
    Replacer { mode, pattern: None, group: None, template: None }.value(context, arguments)
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
    let Some(template) = context.text(arguments, TEMPLATE)? else { return Ok(Value::Null) };
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
        if out.len() > context.env.limits.output {
            return Err(context.too_long());
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

impl Replacer {
    /// The modes with a pattern.
    fn run<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>], pattern: &Pattern) -> Fallible<Value<'a>> {
        let source = context.text(arguments, 0)?;
        if self.mode == Mode::Extract {
            if let Some(source) = source.filter(|source| !source.is_empty()) {
                return Ok(Value::Text(source));
            }
            let group = self.group(context, arguments, pattern)?;
            let Some(other) = context.text(arguments, ATTRIBUTE)? else { return Ok(Value::Null) };
            let found = pattern.extract(other, group).map_err(runaway)?;
            return Ok(found.map_or(Value::Null, Value::Text));
        }
        let Some(source) = source else { return Ok(Value::Null) };
        if pattern.tries() {
            // Each call has an end; a long expression could make many.
            context.check_time()?;
        }
        let mut out = context.arena.builder(source.len());
        let value = || context.text(arguments, VALUE).map(Option::unwrap_or_default);
        let changed = match (self.mode, &self.template) {
            (Mode::Group, _) => {
                let group = self.group(context, arguments, pattern)?;
                pattern.replace_group(source, group, value()?, context.env.limits.output, &mut out)
            }
            (_, Some(template)) => pattern.replace_all(source, template, context.env.limits.output, &mut out),
            (_, None) => {
                pattern.replace_all(source, &Template::compile(value()?, pattern), context.env.limits.output, &mut out)
            }
        };
        if changed.map_err(runaway)? { context.built(out) } else { Ok(Value::Text(source)) }
    }

    fn group<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>], pattern: &Pattern) -> Fallible<GroupId> {
        if let Some(group) = self.group {
            return Ok(group);
        }
        let name = context.text(arguments, GROUP)?.unwrap_or_default();
        pattern.group(name).ok_or_else(|| {
            let finding = no_group(pattern, name);
            Fault::new(Code::BadArgument, finding.message).at(GROUP).help_if(finding.help)
        })
    }
}

#[cold]
fn runaway(runaway: Runaway) -> Box<Fault> {
    let fault = Fault::new(Code::Limit, runaway.to_string()).at(PATTERN);
    match runaway {
        Runaway::Backtracking { .. } => {
            fault.help("make the pattern say less: avoid nested repetitions such as `(a+)+`")
        }
        _ => fault,
    }
}

/// A pattern that is known only at run time, compiled or taken from those met last.
fn compiled(source: &str) -> Result<Arc<Pattern>, Box<Fault>> {
    memo::pattern(source).map_err(|error| {
        let message = format!("the pattern {:?}: {}", shorten(source), error.message);
        Fault::new(Code::BadArgument, message).at(PATTERN).help_if(error.help)
    })
}
