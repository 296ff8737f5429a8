//! Rhai scripts: text to [`Script`], script and record to value.
//!
//! [`Host`] is the engine and its fences; `scan` looks at a script before it runs; `state` lends a record's context to the
//! functions that a script calls; `convert` turns values into Rhai's and back; `failure` turns Rhai's errors into ours.

mod convert;
mod failure;
mod functions;
mod guarded;
mod helpers;
mod host;
mod locate;
mod scan;
mod state;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rhai::{AST, Dynamic, EvalAltResult, Identifier, Map, OptimizationLevel, Position, Scope};

use crate::function::{Context, Fallible, Fault};
use crate::text::{Code, Diagnostic, Span};
use crate::value::{Layout, Slot, Value};

use super::{Surroundings, TraceStep};
use convert::{json_to_dynamic, to_dynamic, to_value};
use locate::Places;
use state::{Ending, Left, Running};

pub use host::Host;

/// The longest script, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// A compiled script.
#[derive(Debug)]
pub struct Script {
    host: Arc<Host>,
    text: String,
    ast: Box<AST>,
    /// The attributes that the script names, by the key under which it finds them.
    attributes: Vec<(Identifier, Slot)>,
    /// The slot of the whole record, when the script uses `source` otherwise than by names.
    whole: Option<Slot>,
    /// Whether it uses `source` at all.
    source: bool,
    /// What `value` is.
    value: Option<Slot>,
    /// The records of the run that it names: `user`, `group`.
    given: Vec<&'static str>,
    reads: Vec<Slot>,
    /// Where each attribute stands, for traces.
    places: Vec<(Slot, Span)>,
    /// Where functions of the table are called.
    calls: Vec<(&'static str, Position)>,
    /// Where the script prints, when it does so at one place.
    print: Option<Position>,
    keys: Vec<(String, Span)>,
    redacts: bool,
    unique: bool,
}

impl Script {
    /// Compiles a text; the findings' spans are bytes of it. There is no program when one of them is an error.
    pub fn compile(
        text: &str,
        layout: &mut Layout,
        surroundings: &Surroundings<'_>,
    ) -> (Option<Script>, Vec<Diagnostic>) {
        let host = Arc::clone(surroundings.toolbox.scripts());
        let places = Places::new(text);
        if text.len() > MAX_LENGTH {
            let message = format!("the script is longer than {MAX_LENGTH} bytes");
            return (None, vec![Diagnostic::new(Code::TooLong, message, places.token_at(MAX_LENGTH))]);
        }
        let ast = match host.engine.compile_with_scope(&names_of(surroundings), text) {
            Ok(ast) => ast,
            Err(error) => return (None, vec![failure::syntax(&error, &places, host.limits)]),
        };
        let mut scan = scan::scan(&ast, &host, &places);
        let mut found = std::mem::take(&mut scan.found);
        for read in &scan.reads {
            found.extend(surroundings.source.finding(&read.name, read.span, ""));
        }
        if found.iter().any(Diagnostic::is_error) {
            return (None, found);
        }
        let keys = scan::literal_keys(&ast, &places);
        let ast = host.engine.optimize_ast(&Scope::new(), ast, OptimizationLevel::Simple);
        let mut script = Script {
            host,
            text: text.to_owned(),
            ast: Box::new(ast),
            attributes: Vec::new(),
            whole: scan.whole.then(|| layout.whole()),
            source: scan.names.contains("source"),
            value: None,
            given: ["user", "group"].into_iter().filter(|name| scan.names.contains(name)).collect(),
            reads: Vec::new(),
            places: Vec::new(),
            calls: std::mem::take(&mut scan.calls),
            print: if let [only] = scan.prints[..] { Some(only) } else { None },
            keys,
            redacts: scan.redacts,
            unique: scan.unique,
        };
        script.take_slots(&scan, layout, surroundings.value);
        (Some(script), found)
    }

    fn take_slots(&mut self, scan: &scan::Scan, layout: &mut Layout, value: Option<&str>) {
        let mut add = |slot: Slot| {
            if !self.reads.contains(&slot) {
                self.reads.push(slot);
            }
        };
        for read in &scan.reads {
            let slot = layout.slot(&read.name);
            add(slot);
            self.places.push((slot, read.span));
            if !self.attributes.iter().any(|(name, _)| name.as_str() == read.name) {
                self.attributes.push((read.name.as_str().into(), slot));
            }
        }
        if let Some(path) = value.filter(|_| scan.names.contains("value")) {
            let slot = layout.slot(path);
            add(slot);
            self.value = Some(slot);
        }
        if let Some(whole) = self.whole {
            add(whole);
        }
    }

    /// Runs on the slots of one record and writes the value to `out`.
    pub fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        *out = self.evaluate(slots, context, false).0?;
        Ok(())
    }

    /// Runs and tells which attributes were there, what was printed, and what came out.
    pub fn trace<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
    ) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        let (result, left) = self.evaluate(slots, context, true);
        let at = |slot: Slot| slots.get(slot.index()).copied().unwrap_or_default();
        let attribute = |(slot, span): &(Slot, Span)| TraceStep {
            span: *span,
            depth: 1,
            value: Some(at(*slot)),
            slot: Some(*slot),
        };
        let mut steps: Vec<TraceStep<'a>> = self.places.iter().map(attribute).collect();
        let places = Places::new(&self.text);
        steps.extend(left.printed.iter().map(|line| {
            let position = if line.position.is_none() { self.print.unwrap_or(line.position) } else { line.position };
            let value = Some(Value::Text(context.arena.text(&line.text)));
            TraceStep { span: places.call(position), depth: 1, value, slot: None }
        }));
        steps.push(TraceStep { span: places.whole(), depth: 0, value: result.as_ref().ok().copied(), slot: None });
        (result, steps)
    }

    fn evaluate<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
        traced: bool,
    ) -> (Fallible<Value<'a>>, Left) {
        let mut scope = self.scope(slots, context);
        let running = Running::begin(self.host.limits, context, traced);
        // The engine is not ours: should it panic, that is this record's failure and not the end of the run.
        let run = || self.host.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &self.ast);
        let result = catch_unwind(AssertUnwindSafe(run));
        let mut left = running.finish();
        let result = match (left.ending.take(), result) {
            (Some(Ending::Ignored(ignore, reason)), _) => {
                if let Some(reason) = reason {
                    context.set_skip_reason(reason);
                }
                Ok(Value::Ignored(ignore))
            }
            (Some(Ending::Failed(fault)), Ok(Err(error))) => Err(self.placed(fault, &error)),
            (Some(Ending::Failed(fault)), _) => Err(fault),
            (None, Ok(Ok(value))) => {
                let limits = &self.host.limits;
                let value = to_value(&value, context.arena, limits, 0);
                value.and_then(|value| context.check_memory().map(|()| value))
            }
            (None, Ok(Err(error))) => Err(failure::runtime(
                &error,
                left.fault.take(),
                &self.calls,
                &Places::new(&self.text),
                self.host.limits,
            )),
            (None, Err(_)) => Err(Fault::new(Code::Limit, "the script engine gave up")
                .help("this is a defect; write the script in another way and report it")),
        };
        let result = result.map_err(|mut fault| {
            fault.span.get_or_insert(Span::new(0, self.text.len()));
            fault
        });
        (result, left)
    }

    /// What the script sees.
    fn scope<'a>(&self, slots: &[Value<'a>], context: &Context<'a>) -> Scope<'static> {
        let at = |slot: Slot| slots.get(slot.index()).copied().unwrap_or_default();
        let mut scope = Scope::new();
        if self.source {
            let mut source = Map::new();
            if let Some(Value::Object(fields)) = self.whole.map(at) {
                source.extend(fields.iter().map(|(key, value)| (Identifier::from(*key), to_dynamic(*value))));
            }
            for (name, slot) in &self.attributes {
                let value = at(*slot);
                if !matches!(value, Value::Absent) {
                    source.insert(name.clone(), to_dynamic(value));
                }
            }
            scope.push_constant_dynamic("source", Dynamic::from_map(source));
        }
        if let Some(slot) = self.value {
            scope.push_constant_dynamic("value", to_dynamic(at(slot)));
        }
        for name in &self.given {
            let record = context.env.given.iter().find(|(given, _)| given == name);
            scope.push_constant_dynamic(*name, record.map_or(Dynamic::UNIT, |(_, json)| json_to_dynamic(json)));
        }
        scope
    }

    /// The fault of an ending at the place where the script ended.
    fn placed(&self, mut fault: Box<Fault>, error: &EvalAltResult) -> Box<Fault> {
        let span = Places::new(&self.text).call(error.position());
        fault.span.get_or_insert(span);
        fault
    }

    /// The attributes read, each once.
    pub fn reads(&self) -> &[Slot] {
        &self.reads
    }

    /// Whether it calls `SelectUniqueValue`.
    pub fn is_unique(&self) -> bool {
        self.unique
    }

    /// Whether the value must not be shown in logs (`Redact`).
    pub fn is_redacted(&self) -> bool {
        self.redacts
    }

    /// The keys of the map literal that is the script's last expression, with their places; none when it ends otherwise.
    /// A script that makes a whole payload can be checked by them.
    pub fn literal_keys(&self) -> Vec<(String, Span)> {
        self.keys.clone()
    }
}

/// The variables that a script finds, for the parser, which refuses all others.
fn names_of(surroundings: &Surroundings<'_>) -> Scope<'static> {
    let mut scope = Scope::new();
    for name in scan::SPECIAL {
        if *name != "value" || surroundings.value.is_some() {
            scope.push_constant_dynamic(*name, Dynamic::UNIT);
        }
    }
    scope
}
