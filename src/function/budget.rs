//! [`Limits`]: what one run of a program may use, the same in every language, and [`Meter`], which counts it.
//!
//! Steps make an end in every build alike; the time is a second fence, for steps that are long. It is the one clock of the
//! pure half: no program can read it, it only ends them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::text::Code;
use crate::value::{MAX_LIST, MAX_TEXT};

use super::{Fallible, Fault};

/// What one run of a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps: a filter, a tag, an operation, an instruction, a turn of a loop.
    pub steps: u64,
    /// How deep calls, blocks and values may nest, in programs and while they run.
    pub depth: usize,
    /// The longest text a program may make, in bytes.
    pub output: usize,
    /// The most items a list may have that a program makes.
    pub list: usize,
    /// Wall time, in milliseconds.
    pub milliseconds: u64,
}

impl Limits {
    /// What a mapping file gets that does not say otherwise.
    pub const DEFAULT: Limits =
        Limits { steps: 100_000, depth: 32, output: 256 * 1024, list: 10_000, milliseconds: 50 };
    /// What a mapping file may ask for.
    pub const MOST: Limits =
        Limits { steps: 10_000_000, depth: 64, output: MAX_TEXT, list: MAX_LIST, milliseconds: 1_000 };

    /// The smaller of the two, limit by limit.
    #[must_use]
    pub fn within(self, other: Limits) -> Limits {
        Limits {
            steps: self.steps.min(other.steps),
            depth: self.depth.min(other.depth),
            output: self.output.min(other.output),
            list: self.list.min(other.list),
            milliseconds: self.milliseconds.min(other.milliseconds),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How many steps pass between two looks at the clock.
const STEPS_A_LOOK: u64 = 256;

/// Counts what one run uses.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    steps: Cell<u64>,
    /// The step at which the clock is looked at next.
    look: Cell<u64>,
    watch: Stopwatch,
}

/// How long a run takes, from the first look on: short programs end before it and never ask the clock.
#[derive(Debug, Default)]
pub(super) struct Stopwatch(Cell<Option<Instant>>);

impl Stopwatch {
    /// Begins anew: another program runs.
    pub(super) fn restart(&self) {
        self.0.set(None);
    }

    /// A fault when it is over.
    pub(super) fn look(&self, milliseconds: u64) -> Fallible<()> {
        let now = Instant::now();
        let Some(begun) = self.0.get() else {
            self.0.set(Some(now));
            return Ok(());
        };
        if now.duration_since(begun) <= Duration::from_millis(milliseconds) {
            return Ok(());
        }
        Err(limit(format!("the program takes longer than {milliseconds} ms"), "milliseconds"))
    }
}

impl Meter {
    /// A run that has used nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, steps: Cell::new(0), look: Cell::new(STEPS_A_LOOK), watch: Stopwatch::default() }
    }

    /// The limits it watches.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The steps used so far.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Counts steps; a fault when there are none left, or no time.
    #[inline]
    pub fn step(&self, count: u64) -> Fallible<()> {
        let steps = self.steps.get().saturating_add(count);
        self.steps.set(steps);
        if steps >= self.look.get() { self.look(steps) } else { Ok(()) }
    }

    #[cold]
    fn look(&self, steps: u64) -> Fallible<()> {
        if steps > self.limits.steps {
            return Err(limit(format!("the program takes more than {} steps", self.limits.steps), "steps"));
        }
        self.look.set((steps + STEPS_A_LOOK).min(self.limits.steps + 1));
        self.time()
    }

    /// A fault when the time is over. For what is long and has no steps.
    pub fn time(&self) -> Fallible<()> {
        self.watch.look(self.limits.milliseconds)
    }

    /// A fault when a text of so many bytes is too long.
    #[inline]
    pub fn text(&self, bytes: usize) -> Fallible<()> {
        if bytes <= self.limits.output {
            return Ok(());
        }
        Err(too_long(self.limits.output))
    }

    /// A fault when a list of so many items is too long.
    #[inline]
    pub fn list(&self, items: usize) -> Fallible<()> {
        if items <= self.limits.list { Ok(()) } else { Err(too_many(self.limits.list)) }
    }

    /// A fault when something nests deeper than allowed.
    #[inline]
    pub fn depth(&self, depth: usize) -> Fallible<()> {
        if depth <= self.limits.depth {
            return Ok(());
        }
        Err(limit(format!("it nests deeper than {} levels", self.limits.depth), "depth"))
    }
}

/// The fault for a text of more than `most` bytes.
#[cold]
pub(super) fn too_long(most: usize) -> Box<Fault> {
    limit(format!("the text would be longer than {most} bytes"), "output")
}

/// The fault for a list of more than `most` items.
#[cold]
pub(super) fn too_many(most: usize) -> Box<Fault> {
    limit(format!("the list would have more than {most} items"), "list")
}

#[cold]
fn limit(message: String, key: &str) -> Box<Fault> {
    Fault::new(Code::Limit, message).help(format!("a mapping file may set `{key}` under `[budget]`"))
}
