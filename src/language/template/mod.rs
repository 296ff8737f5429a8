//! Jinja templates, by minijinja: docs/jinja.md says what they see and what they cannot reach.
//!
//! `scan` finds the places of names, `rewrite` puts bounds in where memory could grow, `engine` says what a template may
//! use, `bridge` takes values across and counts what a run makes.

mod bridge;
mod engine;
mod fault;
mod host;
mod names;
mod rewrite;
mod scan;
mod turns;

use std::sync::Arc;

use minijinja::value::{Object, Value as Jinja};
use minijinja::{Environment, Error};

use crate::function::{Context, Detail, Env, Fallible, Fault, Meter, Seed};
use crate::text::{Code, Diagnostic, Span};
use crate::value::{Layout, Slot, Value, from_json};

use super::{Surroundings, TraceStep};

use bridge::{End, Running};
use names::{Needs, Role};
use rewrite::{Origin, Rewritten};
use scan::Scan;

pub use host::Host;

/// The longest template, in bytes.
const MAX_LENGTH: usize = 10_000;
/// The name that minijinja knows the template by.
const NAME: &str = "template";

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    /// It holds this one template.
    env: Box<Environment<'static>>,
    text: Box<str>,
    rewritten: Rewritten,
    host: Arc<host::Shared>,
    names: Arc<[Box<str>]>,
    inputs: Vec<Input>,
    reads: Vec<Slot>,
    needs: Needs,
    /// Whether it is one `{{ … }}`, whose value keeps its kind.
    keeps: bool,
    /// Where shared macros are called first, by name.
    calls: Vec<(Box<str>, Span)>,
}

/// A variable that comes from the record.
#[derive(Debug, Clone, Copy)]
struct Input {
    slot: Slot,
    /// The whole record, for `source` when the record has no attribute of that name.
    whole: Option<Slot>,
    /// Where it stands first; nothing when only a macro reads it.
    span: Option<Span>,
}

/// The variables of one run.
#[derive(Debug)]
struct Variables {
    names: Arc<[Box<str>]>,
    values: Vec<Jinja>,
}

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        let at = self.names.iter().position(|name| **name == *key)?;
        self.values.get(at).cloned()
    }
}

impl Template {
    /// Compiles a text; the findings' spans are bytes of it. There is no program when one of them is an error.
    pub fn compile(
        text: &str,
        layout: &mut Layout,
        surroundings: &Surroundings<'_>,
    ) -> (Option<Template>, Vec<Diagnostic>) {
        match Self::try_compile(text, layout, surroundings) {
            Ok((template, found)) if !found.iter().any(Diagnostic::is_error) => (Some(template), found),
            Ok((_, found)) => (None, found),
            Err(finding) => (None, vec![*finding]),
        }
    }

    fn try_compile(
        text: &str,
        layout: &mut Layout,
        surroundings: &Surroundings<'_>,
    ) -> Result<(Template, Vec<Diagnostic>), Box<Diagnostic>> {
        let host = surroundings.toolbox.templates();
        let scan = host::read(text, MAX_LENGTH, host)?;
        let mentions = names::mentions(&scan);
        let keeps = is_expression(&scan);

        let shared = host.shared.used_by(&mentions);
        let mut rewritten = Rewritten::default();
        for used in &shared {
            rewritten.add(&host.shared.text, used.span, &used.inserts, Origin::Macros);
        }
        rewritten.add(text, Span::new(0, text.len()), &rewrite::inserts(&scan), Origin::Template);

        let mut env = host.env.clone();
        let counts = !shared.is_empty() || scan.tags.len() > 8 || scan.tags.iter().any(repeats);
        engine::set_emit(
            &mut env,
            match (keeps, counts) {
                (true, true) => engine::Emit::CountAndKeep,
                (true, false) => engine::Emit::Keep,
                (false, true) => engine::Emit::Count,
                (false, false) => engine::Emit::Write,
            },
        );
        let mut found = Vec::new();
        let undeclared = match compile_into(&mut env, &rewritten.text) {
            Ok(undeclared) => undeclared,
            Err(error) => {
                // The text alone compiles; only a limit of minijinja's can be left.
                let finding = fault::finding(&error, &rewritten.text);
                let place = rewritten.span(finding.primary.span.range().start, finding.primary.span.range().end);
                let span = place.map_or(Span::new(0, text.len()), |(_, span)| span);
                return Err(Box::new(finding.map_spans(|_| span)));
            }
        };

        let macros: Vec<&str> = host.shared.macros.iter().map(|shared| &*shared.name).collect();
        let mut needs = Needs::default();
        for mention in &mentions {
            needs.see(mention);
            found.extend(names::finding(mention, undeclared.contains(mention.name), &macros));
        }
        for used in &shared {
            needs = used.needs(needs);
        }
        let mut inputs = Vec::new();
        let mut variables: Vec<Box<str>> = Vec::new();
        let free = names::free(&scan.tags);
        let mut read: Vec<&str> = free.iter().map(|(name, _)| *name).collect();
        read.extend(shared.iter().flat_map(|used| &used.free).map(|name| &**name));
        read.extend(undeclared.iter().map(String::as_str));
        for name in read {
            let place = free.iter().find(|(free, _)| *free == name).map(|(_, span)| *span);
            let first = |role| mentions.iter().find(|mention| mention.role == role && mention.name == name);
            let span = place.or_else(|| first(Role::Variable).map(|mention| mention.span));
            // A macro that calls a function names it too.
            let called = span.is_none() && (first(Role::Called).is_some() || names::is_function(name));
            if macros.contains(&name) || called || variables.iter().any(|known| **known == *name) {
                continue;
            }
            let own = name == "value" && surroundings.value.is_some();
            let given = matches!(name, "user" | "group" | "source");
            if let Some(span) = span.filter(|_| !own && !given) {
                found.extend(surroundings.source.finding(name, span, ""));
            }
            let slot = layout.slot(surroundings.value.filter(|_| own).unwrap_or(name));
            let whole = (name == "source").then(|| layout.whole());
            inputs.push(Input { slot, whole, span });
            variables.push(name.into());
        }
        let mut reads = Vec::new();
        for slot in inputs.iter().flat_map(|input| [Some(input.slot), input.whole]).flatten() {
            if !reads.contains(&slot) {
                reads.push(slot);
            }
        }
        let calls = mentions.iter().filter(|mention| macros.contains(&mention.name));
        let calls = calls.map(|mention| (mention.name.into(), mention.span)).collect();
        let (host, names) = (Arc::clone(&host.shared), variables.into());
        let env = Box::new(env);
        Ok((Template { env, text: text.into(), rewritten, host, names, inputs, reads, needs, keeps, calls }, found))
    }

    /// Runs on the slots of one record and writes the value to `out`.
    pub fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        let values = self.inputs.iter().zip(&*self.names).map(|(input, name)| variable(*input, name, slots, context));
        let root = Variables { names: Arc::clone(&self.names), values: values.collect() };
        let limits = self.host.limits;
        let running = Running::new(limits, self.needs.functions.then(|| Box::new(self.environment(context))));
        let rendered = self.env.get_template(NAME).and_then(|template| template.render(Jinja::from_object(root)));
        match (rendered, running.ended()) {
            (_, Some(End::Ignored(ignored, reason))) => {
                if let Some(reason) = reason {
                    context.set_skip_reason(reason);
                }
                *out = Value::Ignored(ignored);
            }
            (Err(error), Some(End::Fault(fault))) => return Err(self.located(fault, &error)),
            (Ok(_), Some(End::Fault(fault))) => return Err(fault),
            (Err(error), None) => {
                let shown = self.shown(&error);
                return Err(self.located(fault::fault(&error, shown, &limits), &error));
            }
            (Ok(text), None) => {
                let meter = Meter::new(limits);
                let whole = |mut fault: Box<Fault>| {
                    fault.span = Some(Span::new(0, self.text.len()));
                    fault
                };
                if self.keeps {
                    let value = running.result().unwrap_or_default();
                    *out = match bridge::from_jinja(&value, context.arena, &meter, 0).map_err(whole)? {
                        Value::Absent => Value::Null,
                        value => value,
                    };
                } else {
                    meter.text(text.len()).map_err(whole)?;
                    *out = Value::Text(context.arena.text(&text));
                    context.check_memory().map_err(whole)?;
                }
            }
        }
        Ok(())
    }

    /// What functions may know of the run. Randomness goes on where the record's stands.
    #[cold]
    #[inline(never)]
    fn environment(&self, context: &Context<'_>) -> Env {
        let given = context.env;
        let mut seed = given.seed;
        if self.needs.randomness {
            let mut bytes = [0; 32];
            for part in bytes.chunks_mut(8) {
                part.copy_from_slice(&context.random().to_le_bytes());
            }
            seed = Seed::from_bytes(bytes);
        }
        let mut env = Env::new(given.now, seed);
        env.default_domain.clone_from(&given.default_domain);
        env.guid.clone_from(&given.guid);
        env.random.clone_from(&given.random);
        env.taken = Arc::clone(&given.taken);
        env.limits = given.limits;
        env
    }

    /// Runs and keeps the value of every attribute and of the whole.
    pub fn trace<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
    ) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        let mut steps = Vec::new();
        for input in &self.inputs {
            let value = slots.get(input.slot.index()).copied().unwrap_or_default();
            if let Some(span) = input.span {
                steps.push(TraceStep { span, depth: 1, value: Some(value), slot: Some(input.slot) });
            }
        }
        let mut out = Value::Absent;
        let result = self.run(slots, context, &mut out).map(|()| out);
        let span = Span::new(0, self.text.len());
        steps.push(TraceStep { span, depth: 0, value: result.is_ok().then_some(out), slot: None });
        (result, steps)
    }

    /// The attributes read, each once.
    pub fn reads(&self) -> &[Slot] {
        &self.reads
    }

    /// Whether it calls `SelectUniqueValue`, itself or through a macro.
    pub fn is_unique(&self) -> bool {
        self.needs.unique
    }

    /// Whether the value must not be shown in logs (`Redact`).
    pub fn is_redacted(&self) -> bool {
        self.needs.redacts
    }

    fn place(&self, error: &Error) -> Option<(Origin, Span)> {
        let range = error.range()?;
        let (origin, span) = self.rewritten.span(range.start, range.end)?;
        if error.kind() != minijinja::ErrorKind::UndefinedError {
            return Some((origin, span));
        }
        // A filter that takes nothing undefined is not what is undefined: that stands before it.
        let before = self.text_of(origin).get(..span.range().start).unwrap_or_default().trim_end();
        let Some(before) = before.strip_suffix('|').map(str::trim_end) else { return Some((origin, span)) };
        let name = before.trim_end_matches(|letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.'));
        if name.len() == before.len() {
            return Some((origin, span));
        }
        Some((origin, Span::new(name.len(), before.len())))
    }

    fn text_of(&self, origin: Origin) -> &str {
        if origin == Origin::Macros { &self.host.text } else { &self.text }
    }

    /// What stands where an error is.
    #[cold]
    fn shown(&self, error: &Error) -> Option<&str> {
        let (origin, span) = self.place(error)?;
        self.text_of(origin).get(span.range().start..span.range().end)
    }

    /// The span, or its tag where it is a blank: a loop's turns are counted behind its words.
    fn visible(&self, span: Span) -> Span {
        let range = span.range();
        if self.text.get(range.start..range.end).is_none_or(|shown| !shown.trim().is_empty()) {
            return span;
        }
        let (Some(before), Some(after)) = (self.text.get(..range.start), self.text.get(range.end..)) else {
            return span;
        };
        match (before.rfind("{%"), after.find("%}")) {
            (Some(start), Some(length)) => Span::new(start, range.end + length + 2),
            _ => span,
        }
    }

    /// The fault with its place; one in a shared macro is shown where the template calls it.
    #[cold]
    fn located(&self, mut fault: Box<Fault>, error: &Error) -> Box<Fault> {
        let whole = Span::new(0, self.text.len());
        match self.place(error) {
            Some((Origin::Template, span)) => fault.span = Some(self.visible(span)),
            Some((Origin::Macros, span)) => {
                let name = self.host.macro_at(span.range().start);
                let call = self.calls.iter().find(|(called, _)| **called == *name).or_else(|| self.calls.first());
                fault.span = Some(call.map_or(whole, |(_, span)| *span));
                let line =
                    1 + self.host.text.get(..span.range().start).map_or(0, |before| before.matches('\n').count());
                fault.detail = Detail::Words(format!("{fault} (in macro `{name}`, line {line})").into());
            }
            None => fault.span = Some(whole),
        }
        fault.argument = None;
        fault
    }
}

/// Compiles the text under its name and says which variables nothing in it sets, in the order of the alphabet.
fn compile_into(env: &mut Environment<'static>, text: &str) -> Result<std::collections::BTreeSet<String>, Error> {
    env.add_template_owned(NAME, text.to_owned())?;
    Ok(env.get_template(NAME)?.undeclared_variables(false).into_iter().collect())
}

/// Whether a template is one `{{ … }}` and nothing else.
fn is_expression(scan: &Scan<'_>) -> bool {
    scan.raw.is_empty() && matches!(scan.tags.as_slice(), [only] if only.prints)
}

/// Whether a tag makes others run more than once, or keeps what they write.
fn repeats(tag: &scan::Tag<'_>) -> bool {
    matches!(tag.word(), "for" | "macro" | "call" | "filter") || tag.word() == "set" && !tag.assigns()
}

fn variable<'a>(input: Input, name: &str, slots: &[Value<'a>], context: &Context<'a>) -> Jinja {
    let value = slots.get(input.slot.index()).copied().unwrap_or_default();
    if !matches!(value, Value::Absent) {
        return bridge::to_jinja(value);
    }
    if let Some(whole) = input.whole {
        return bridge::to_jinja(slots.get(whole.index()).copied().unwrap_or_default());
    }
    match context.env.given.iter().find(|(given, _)| given == name) {
        Some((_, json)) => bridge::to_jinja(from_json(json, context.arena)),
        None => Jinja::UNDEFINED,
    }
}

#[cold]
fn too_long(text: &str, most: usize) -> Box<Diagnostic> {
    let message = format!("the template is longer than {most} bytes");
    Box::new(Diagnostic::new(Code::TooLong, message, Span::new(0, text.len())))
}

/// Threads share templates.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
};
