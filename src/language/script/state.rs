//! What a run lends to the functions a script calls. These live as long as the engine, so they cannot borrow from a
//! record: they find what they need in the thread's state, which a guard sets for the time of a run and empties after it.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};

use rhai::{Dynamic, EvalAltResult, Position};

use crate::function::{Context, Env, Fallible, Fault, Limits, Meter, Randomness};
use crate::text::Code;
use crate::value::{Arena, Ignore, Value};

use super::convert::{to_dynamic, to_value};
use super::host::Called;

/// How many operations pass between two looks at the clock: one may be a sort of a long list.
const OPERATIONS_A_LOOK: u64 = 8;
/// How many lines of `print` are kept for a trace, and how many bytes of each.
const LINES: usize = 1_000;
const LINE: usize = 4_096;

/// How a script ended before its last statement.
#[derive(Debug)]
pub(super) enum Ending {
    /// `skip()` or `skip_attribute()`.
    Ignored(Ignore, Option<String>),
    /// `fail(…)`, or a limit.
    Failed(Box<Fault>),
}

/// A line that the script printed.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) text: String,
    pub(super) position: Position,
}

/// What a run leaves behind.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) ending: Option<Ending>,
    /// The last fault of a function, with the function's name: a script error has only its words.
    pub(super) fault: Option<(&'static str, Box<Fault>)>,
    pub(super) printed: Vec<Printed>,
}

/// What the functions of a run share. It is kept between runs for its memory and its copy of the env.
#[derive(Default)]
struct Scratch {
    arena: Arena,
    env: Option<Env>,
    randomness: Randomness,
    limits: Limits,
    left: Left,
    traced: bool,
}

thread_local! {
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
    /// The operations of the run.
    static TICKS: Cell<u64> = const { Cell::new(0) };
    /// Whether the run is to end at the next operation.
    static ENDED: Cell<bool> = const { Cell::new(false) };
    /// The state of the draws for [`look`].
    static CHANCE: Cell<u64> = const { Cell::new(0) };
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A run in progress on this thread. Dropping it empties the state.
pub(super) struct Running<'r, 'a> {
    context: &'r Context<'a>,
    finished: bool,
}

impl<'r, 'a> Running<'r, 'a> {
    /// Begins a run. Scripts call no scripts, so there is one a thread.
    pub(super) fn begin(limits: Limits, context: &'r Context<'a>, traced: bool) -> Running<'r, 'a> {
        METER.replace(Some(Meter::new(limits)));
        ENDED.set(false);
        TICKS.set(0);
        SCRATCH.with_borrow_mut(|scratch| {
            if !scratch.env.as_ref().is_some_and(|env| env.serves_like(context.env)) {
                scratch.env = Some(context.env.for_functions());
            }
            scratch.randomness = context.lend_randomness();
            scratch.limits = limits;
            scratch.traced = traced;
        });
        Running { context, finished: false }
    }

    /// Ends the run and gives what it left.
    pub(super) fn finish(mut self) -> Left {
        self.end()
    }

    fn end(&mut self) -> Left {
        self.finished = true;
        METER.replace(None);
        SCRATCH.with_borrow_mut(|scratch| {
            self.context.take_back(std::mem::take(&mut scratch.randomness));
            std::mem::take(&mut scratch.left)
        })
    }
}

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        if !self.finished {
            self.end();
        }
    }
}

/// Counts an operation; whether the run is over.
///
/// The engine's own count is not used: each closure that a function such as `map` calls begins it anew.
pub(super) fn progress() -> bool {
    if ENDED.get() {
        return true;
    }
    let tick = TICKS.get().wrapping_add(1);
    TICKS.set(tick);
    if !tick.is_multiple_of(OPERATIONS_A_LOOK) {
        return false;
    }
    let counted = METER.with_borrow(|meter| match meter {
        Some(meter) => meter.step(OPERATIONS_A_LOOK).and_then(|()| meter.time()),
        None => Ok(()),
    });
    match counted {
        Ok(()) => false,
        Err(fault) => {
            let _ = end(Ending::Failed(fault));
            true
        }
    }
}

/// Says that the run is over, and how. The first ending counts.
pub(super) fn end(ending: Ending) -> Box<EvalAltResult> {
    ENDED.set(true);
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.left.ending.get_or_insert(ending);
    });
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into()
}

/// How deep a value may nest while a script runs. Rhai copies, compares and drops values by recursion, on a stack that is
/// no larger than a thread's.
const MOST_NESTED: usize = 200;
/// One in so many accesses to a variable looks at the variable's value.
const ACCESSES_A_LOOK: u64 = 16;

/// Looks at the value of a variable that is read, now and then; the error when it nests too deep.
///
/// A value grows by at most some ten levels from one access to the next. A look at each would cost a walk over every list
/// that is used, so which access is looked at is left to chance, lest a script reckon with it.
pub(super) fn look(value: &Dynamic) -> Result<(), Box<EvalAltResult>> {
    if !(value.is_array() || value.is_map()) || !drawn() || !nests_deeper(value, MOST_NESTED) {
        return Ok(());
    }
    let message = format!("a value nests deeper than {MOST_NESTED} levels");
    Err(end(Ending::Failed(Fault::new(Code::Limit, message))))
}

/// A draw that is won once in [`ACCESSES_A_LOOK`]. No value of a script depends on it.
fn drawn() -> bool {
    let mut state = CHANCE.get();
    if state == 0 {
        state = RandomState::new().build_hasher().finish() | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    CHANCE.set(state);
    state.is_multiple_of(ACCESSES_A_LOOK)
}

fn nests_deeper(value: &Dynamic, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else { return true };
    if let Ok(items) = value.as_array_ref() {
        return items.iter().any(|item| (item.is_array() || item.is_map()) && nests_deeper(item, left));
    }
    if let Ok(fields) = value.as_map_ref() {
        return fields.values().any(|item| (item.is_array() || item.is_map()) && nests_deeper(item, left));
    }
    false
}

/// Keeps a printed line for the trace.
pub(super) fn printed(text: &str, position: Position) {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.traced && scratch.left.printed.len() < LINES {
            let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= LINE).unwrap_or(text.len());
            let text = text.get(..cut).unwrap_or_default().to_owned();
            scratch.left.printed.push(Printed { text, position });
        }
    });
}

/// Runs a function on values; what it gives, or why it failed, goes back to the script.
///
/// `body` gets the arguments as values in an arena that lives for the call.
pub(super) fn call(
    name: &'static str,
    arguments: &mut [&mut Dynamic],
    body: impl for<'x> FnOnce(&Context<'x>, &[Value<'x>], &mut Value<'x>) -> Fallible<()>,
) -> Called {
    SCRATCH.with_borrow_mut(|scratch| {
        let called = scratch.call(arguments, body);
        scratch.arena.reset();
        match called {
            Ok(value) => Ok(value),
            Err(Stopped::Ignored(ignore)) => {
                ENDED.set(true);
                scratch.left.ending.get_or_insert(Ending::Ignored(ignore, None));
                Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into())
            }
            Err(Stopped::Failed(fault)) => {
                let words = fault.to_string();
                scratch.left.fault = Some((name, fault));
                Err(EvalAltResult::ErrorRuntime(words.into(), Position::NONE).into())
            }
        }
    })
}

enum Stopped {
    /// The function's value is that something is not to flow, which no value of the script can be.
    Ignored(Ignore),
    Failed(Box<Fault>),
}

impl From<Box<Fault>> for Stopped {
    fn from(fault: Box<Fault>) -> Self {
        Stopped::Failed(fault)
    }
}

impl Scratch {
    fn call(
        &mut self,
        arguments: &mut [&mut Dynamic],
        body: impl for<'x> FnOnce(&Context<'x>, &[Value<'x>], &mut Value<'x>) -> Fallible<()>,
    ) -> Result<Dynamic, Stopped> {
        let Scratch { arena, env, randomness, limits, .. } = self;
        let Some(env) = env.as_ref() else { return Ok(Dynamic::UNIT) };
        let context = Context::with_randomness(arena, env, std::mem::take(randomness));
        let run = || {
            let mut values = context.arena.list(arguments.len());
            for (index, argument) in arguments.iter().enumerate() {
                // `()` for an argument is an argument left out.
                values.push(if argument.is_unit() {
                    Value::Absent
                } else {
                    to_value(argument, context.arena, limits, 0).map_err(|fault| fault.at(index))?
                });
            }
            let mut out = Value::Absent;
            body(&context, values.into_bump_slice(), &mut out)?;
            context.check_memory()?;
            match out {
                Value::Ignored(ignore) => Err(Stopped::Ignored(ignore)),
                out => Ok(to_dynamic(out)),
            }
        };
        let called = run();
        *randomness = context.lend_randomness();
        called
    }
}
