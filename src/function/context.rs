//! [`Context`]: what a body may know besides its arguments: clock, taken values, randomness from a seed, memory.

use std::cell::RefCell;
use std::sync::Arc;

use hashbrown::HashSet;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::dotnet::date::Moment;
use crate::text::Code;
use crate::value::{Arena, MAX_MEMORY, TextBuilder, Value, any_byte, parse_integer};

use super::budget::{Stopwatch, too_long, too_many};
use super::{Fallible, Fault, Limits};

/// The longest text, in bytes, that a short way makes or looks through: longer ones are counted against the limits of the run.
pub const QUICK_TEXT: usize = 4096;

/// Which values the target already has, for `SelectUniqueValue`.
pub trait Taken: Send + Sync {
    /// Whether an object of the target has this value.
    fn is_taken(&self, value: &str) -> bool;
}

/// A target without objects.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingTaken;

impl Taken for NothingTaken {
    fn is_taken(&self, _: &str) -> bool {
        false
    }
}

/// A list of taken values. Letter case does not make a value another one: directories compare names without it.
#[derive(Debug, Clone, Default)]
pub struct TakenList {
    lower: HashSet<String>,
    /// A bit for each length that a value has; the last one for all that are longer.
    lengths: u64,
}

impl TakenList {
    fn length(value: &str) -> u64 {
        1 << value.len().min(63)
    }

    fn has(&self, lower: &str) -> bool {
        self.lengths & Self::length(lower) != 0 && self.lower.contains(lower)
    }
}

impl<T: AsRef<str>> FromIterator<T> for TakenList {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let lower: HashSet<String> = values.into_iter().map(|value| value.as_ref().to_lowercase()).collect();
        let lengths = lower.iter().fold(0, |lengths, value| lengths | Self::length(value));
        Self { lower, lengths }
    }
}

impl Taken for TakenList {
    fn is_taken(&self, value: &str) -> bool {
        if self.lower.is_empty() {
            return false;
        }
        if any_byte(value, |byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
            return self.has(&value.to_lowercase());
        }
        self.has(value)
    }
}

/// Where `Guid` and `RandomString` take their randomness from: the same seed gives the same values again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed for runs that must repeat.
    pub fn from_number(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, given)| *byte = given);
        Self(bytes)
    }

    /// A seed of the caller's randomness. 32 bytes, so that what one value shows says nothing of the next.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Initial passwords may come of it.
        f.write_str("Seed(…)")
    }
}

/// What a run gives to the functions; one for all its records.
#[derive(Clone)]
pub struct Env {
    /// What `Now()` returns.
    pub now: Moment,
    /// What `DefaultDomain()` returns.
    pub default_domain: Option<String>,
    /// What `SelectUniqueValue` may not return.
    pub taken: Arc<dyn Taken>,
    /// A fixed result for `Guid()`.
    pub guid: Option<String>,
    /// A fixed result for `RandomString(…)`.
    pub random: Option<String>,
    /// The randomness of all other `Guid()` and `RandomString(…)`.
    pub seed: Seed,
    /// What each run of a program may use.
    pub limits: Limits,
    /// Records beside the one that is mapped, which programs see under these names: `user` and `group` where a sync has them.
    pub given: Vec<(String, serde_json::Value)>,
}

impl Env {
    /// The clock at `now`, nothing taken, no default domain.
    pub fn new(now: Moment, seed: Seed) -> Self {
        Self {
            now,
            default_domain: None,
            taken: Arc::new(NothingTaken),
            guid: None,
            random: None,
            seed,
            limits: Limits::DEFAULT,
            given: Vec::new(),
        }
    }
}

impl Env {
    /// A copy for functions that outlive the borrow of this one, without the records beside the mapped one, which no
    /// function reads.
    #[must_use]
    pub fn for_functions(&self) -> Env {
        Env {
            now: self.now,
            default_domain: self.default_domain.clone(),
            taken: Arc::clone(&self.taken),
            guid: self.guid.clone(),
            random: self.random.clone(),
            seed: self.seed,
            limits: self.limits,
            given: Vec::new(),
        }
    }

    /// Whether functions would find the same in the other one, so that a copy made before still serves.
    pub fn serves_like(&self, other: &Env) -> bool {
        self.now == other.now
            && self.seed == other.seed
            && Arc::ptr_eq(&self.taken, &other.taken)
            && self.limits == other.limits
            && self.default_domain == other.default_domain
            && self.guid == other.guid
            && self.random == other.random
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("default_domain", &self.default_domain).finish_non_exhaustive()
    }
}

/// What the functions may use while one record is mapped.
pub struct Context<'a> {
    /// The memory for what they make.
    pub arena: &'a Arena,
    /// What the run gives.
    pub env: &'a Env,
    /// Counts up from record to record, so that each has randomness of its own whatever thread maps it.
    stream: u64,
    /// Made when it is first asked for: few records need any, and it is large.
    random: RefCell<Option<Box<ChaCha12Rng>>>,
    /// The time of the Entra expression that runs; the other languages have meters of their own.
    watch: Stopwatch,
    /// Why a program wants the record left out.
    reason: RefCell<Option<String>>,
}

/// A record's randomness on its way from one context to another, so that no value is drawn twice.
#[derive(Debug, Default)]
pub struct Randomness {
    stream: u64,
    generator: Option<Box<ChaCha12Rng>>,
}

impl<'a> Context<'a> {
    /// For the record with this number in its run.
    pub fn new(arena: &'a Arena, env: &'a Env, record: u64) -> Self {
        Self::with_randomness(arena, env, Randomness { stream: record, generator: None })
    }

    /// With the randomness that another context lent.
    pub fn with_randomness(arena: &'a Arena, env: &'a Env, randomness: Randomness) -> Self {
        let Randomness { stream, generator } = randomness;
        Self {
            arena,
            env,
            stream,
            random: RefCell::new(generator),
            watch: Stopwatch::default(),
            reason: RefCell::new(None),
        }
    }

    /// Lends the randomness; until it is given back, this context has none of its own to draw from.
    pub fn lend_randomness(&self) -> Randomness {
        Randomness { stream: self.stream, generator: self.random.take() }
    }

    /// Takes the randomness back, drawn from or not.
    pub fn take_back(&self, randomness: Randomness) {
        self.random.replace(randomness.generator);
    }

    /// Says why a program wants the record left out.
    pub fn set_skip_reason(&self, reason: impl Into<String>) {
        self.reason.replace(Some(reason.into()));
    }

    /// Why a program wanted the record left out, when one said so: the reason that goes with [`Ignore::Object`].
    ///
    /// [`Ignore::Object`]: crate::value::Ignore::Object
    pub fn skip_reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }

    /// Random bits.
    pub fn random(&self) -> u64 {
        let mut random = self.random.borrow_mut();
        let generator = random.get_or_insert_with(|| {
            let mut generator = ChaCha12Rng::from_seed(self.env.seed.0);
            generator.set_stream(self.stream);
            Box::new(generator)
        });
        generator.next_u64()
    }

    /// A random number below `bound`, each as likely as the next; 0 when `bound` is 0.
    pub fn random_below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Numbers from the last, incomplete stretch of `bound` would favour the low results.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.random();
            if number < limit {
                return number % bound;
            }
        }
    }

    /// The argument at `index`; absent when it was left out.
    pub fn argument(&self, arguments: &[Value<'a>], index: usize) -> Value<'a> {
        arguments.get(index).copied().unwrap_or_default()
    }

    /// The text of an argument; `None` for null, a fault for lists and complex values.
    #[inline]
    pub fn text(&self, arguments: &[Value<'a>], index: usize) -> Fallible<Option<&'a str>> {
        match arguments.get(index) {
            // What most arguments are.
            Some(Value::Text(text)) => Ok(Some(text)),
            None | Some(Value::Absent | Value::Null) => Ok(None),
            Some(value) => self.text_of(*value).map_err(|fault| fault.at(index)),
        }
    }

    /// The text of a value; `None` for null, a fault for lists and complex values.
    pub fn text_of(&self, value: Value<'a>) -> Fallible<Option<&'a str>> {
        match value.text(self.arena) {
            Some(text) => Ok(Some(text)),
            None if value.is_null() => Ok(None),
            None => match value {
                Value::List([only]) => self.text_of(*only),
                _ => Err(not_text(value)),
            },
        }
    }

    /// The whole number of an argument; `None` for null, a fault for what is no number.
    pub fn integer(&self, arguments: &[Value<'a>], index: usize) -> Fallible<Option<i64>> {
        match self.argument(arguments, index) {
            Value::Integer(number) => Ok(Some(number)),
            Value::Bool(flag) => Ok(Some(i64::from(flag))),
            other => match self.text_of(other).map_err(|fault| fault.at(index))? {
                None => Ok(None),
                Some(text) => parse_integer(text)
                    .map(Some)
                    .ok_or_else(|| Fault::new(Code::Conversion, format!("{text:?} is not a whole number")).at(index)),
            },
        }
    }

    /// The whole number of an argument that must be there.
    #[inline]
    pub fn number(&self, arguments: &[Value<'a>], index: usize) -> Fallible<i64> {
        if let Some(Value::Integer(number)) = arguments.get(index) {
            return Ok(*number);
        }
        self.odd_number(arguments, index)
    }

    fn odd_number(&self, arguments: &[Value<'a>], index: usize) -> Fallible<i64> {
        self.integer(arguments, index)?
            .ok_or_else(|| Fault::new(Code::Conversion, "null is not a whole number").at(index))
    }

    /// A built text as a value; a fault when it is longer than [`Limits::output`], or the record's texts add up to too much.
    pub fn built(&self, text: TextBuilder<'a>) -> Fallible<Value<'a>> {
        if text.len() > self.env.limits.output {
            return Err(self.too_long());
        }
        // An expression has too few calls for short texts to add up.
        if text.len() > QUICK_TEXT {
            self.check_memory()?;
        }
        Ok(Value::Text(text.into_bump_str()))
    }

    /// Another Entra expression runs: its time begins.
    #[inline]
    pub fn restart(&self) {
        self.watch.restart();
    }

    /// A fault when the expression's time is over.
    pub fn check_time(&self) -> Fallible<()> {
        self.watch.look(self.env.limits.milliseconds)
    }

    /// A fault when a list of so many items is too long.
    #[inline]
    pub fn check_list(&self, items: usize) -> Fallible<()> {
        let most = self.env.limits.list;
        if items <= most { Ok(()) } else { Err(too_many(most)) }
    }

    /// A fault when the record's values take more than [`MAX_MEMORY`].
    pub fn check_memory(&self) -> Fallible<()> {
        if self.arena.size() > MAX_MEMORY {
            let message = format!("the record's values take more than {} MiB", MAX_MEMORY / (1024 * 1024));
            return Err(Fault::new(Code::Limit, message));
        }
        Ok(())
    }

    /// The fault for a text that grew past [`Limits::output`].
    #[cold]
    pub fn too_long(&self) -> Box<Fault> {
        too_long(self.env.limits.output)
    }
}

#[cold]
fn not_text(value: Value<'_>) -> Box<Fault> {
    let fault = Fault::new(Code::Conversion, format!("{} cannot be used as text", value.describe()));
    match value {
        Value::List(_) => fault.help("take one value with `Item(…, 1)` or put them together with `Join(\",\", …)`"),
        _ => fault,
    }
}
