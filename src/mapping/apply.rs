//! A record to a payload.

use std::sync::Arc;

use crate::function::{Context, Fallible};
use crate::language::Program;
use crate::language::entra::{Quick, Why};
use crate::value::{Arena, Ignore, Slot, Value, from_json};

use super::coerce::Coercion;
use super::merge;
use super::shape::Writer;
use super::{Mapping, OnError, Rule, RuleBody};

/// What the payload is for, which decides whether rules with `apply = "create"` take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Apply {
    /// The object is new.
    #[default]
    Create,
    /// The object is there.
    Update,
}

/// What became of a record.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// What the target is to get.
    Payload(Payload<'a>),
    /// No scoping filter takes it.
    OutOfScope,
    /// Left out, with the reason.
    Skipped(Skip),
    /// A program failed and nothing says that this is to be borne.
    Failed(super::Failure),
}

/// Why a record was left out.
#[derive(Debug)]
pub enum Skip {
    /// A required target has no value.
    RequiredEmpty {
        /// The rule's number.
        rule: usize,
    },
    /// A program gave `IgnoreObjectFlow`, or called `skip()`.
    Ignored {
        /// The rule's number.
        rule: usize,
        /// What `skip("…")` gave as its reason.
        reason: Option<String>,
    },
    /// A program failed, and its rule says `on_error = "skip"`.
    Failed(super::Failure),
}

/// What a mapping made of a record: a value for each rule, and the way to write them.
#[derive(Debug)]
pub struct Payload<'a> {
    mapping: &'a Mapping,
    values: &'a [Value<'a>],
    /// The map of the mapping's script.
    script: Option<Value<'a>>,
    /// Failures that rules with `on_error = "null"` bore.
    borne: Vec<super::Failure>,
    /// A bit for each rule that bore one without a look at what it was, 64 to a word.
    unread: &'a [u64],
}

impl<'a> Payload<'a> {
    /// The values by rule, as the target takes them: absent or null for nothing, ignored for what is not to flow.
    pub fn values(&self) -> &'a [Value<'a>] {
        self.values
    }

    /// How many rules that say `on_error = "null"` failed.
    pub fn borne(&self) -> usize {
        self.borne.len() + self.unread.iter().map(|word| word.count_ones() as usize).sum::<usize>()
    }

    /// The failures of rules that say `on_error = "null"`, in the order of the rules. Most are never read: those whose rule
    /// certainly fails are found by running it again, so it takes the record and a context of the same clock and seed.
    pub fn failures(&self, slots: &'a [Value<'a>], context: &Context<'a>) -> Vec<super::Failure> {
        let mut failures = self.borne.clone();
        for (number, rule) in self.mapping.rules.iter().enumerate() {
            if has(self.unread, number)
                && let Err(fault) = rule.write_value(slots, context, &mut Value::Absent)
            {
                failures.push(super::Failure::in_rule(number, fault));
            }
        }
        // The script's is the last, and has the last number.
        failures.sort_by_key(|failure| failure.rule);
        failures
    }

    /// Writes the payload as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_json_of("", out);
    }

    /// Writes the payload as JSON, of a record that was read from this JSON text: what values have borrowed from it has no
    /// escapes, and needs none.
    pub fn write_json_of(&self, record: &str, out: &mut Vec<u8>) {
        if self.script.is_some() {
            // Writing to a Vec does not fail.
            let _ = serde_json::to_writer(out, &self.to_json());
            return;
        }
        self.write_rules(self.values, record, out);
    }

    /// What the rules made, without the script.
    fn write_rules(&self, values: &[Value<'_>], record: &str, out: &mut Vec<u8>) {
        let writer = self.mapping.writer(values, record);
        self.mapping.shape.write_top(&self.mapping.schemas, &writer, out);
    }

    /// The payload as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        self.json(self.values, self.script)
    }

    /// The payload as JSON for people: what a rule or the script redacts is not shown.
    pub fn to_json_redacted(&self) -> serde_json::Value {
        let redacted = |(value, rule): (&Value<'a>, &Rule)| match value {
            Value::Absent | Value::Null | Value::Ignored(_) => *value,
            _ if rule.is_redacted() => Value::Text("[Redact]"),
            _ => *value,
        };
        let values: Vec<Value<'_>> = self.values.iter().zip(&self.mapping.rules).map(redacted).collect();
        let hides = self.mapping.script.as_ref().is_some_and(Rule::is_redacted);
        self.json(&values, self.script.filter(|_| !hides))
    }

    fn json(&self, values: &[Value<'_>], script: Option<Value<'_>>) -> serde_json::Value {
        let mut out = Vec::new();
        self.write_rules(values, "", &mut out);
        let mut payload = serde_json::from_slice(&out).unwrap_or_default();
        if let Some(script) = script {
            merge::merge(&mut payload, script, self.mapping.send_empty);
        }
        payload
    }
}

impl Mapping {
    pub(super) fn writer<'w>(&'w self, values: &'w [Value<'w>], record: &str) -> Writer<'w> {
        let record = record.as_bytes().as_ptr_range();
        let record = record.start.addr()..record.end.addr();
        Writer { values, constants: &self.constants, send_empty: self.send_empty, record }
    }

    /// The map of the script, when there is one, or what its end makes of the record.
    fn run_script<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
        borne: &mut Vec<super::Failure>,
    ) -> Result<Option<Value<'a>>, Box<Outcome<'a>>> {
        let Some(script) = &self.script else { return Ok(None) };
        let (number, mut value) = (self.rules.len(), Value::Absent);
        // Not by `Rule::fill`: that has one caller, and so becomes part of the loop over the rules.
        let made = script
            .write_value(slots, context, &mut value)
            .and_then(|()| merge::conform(value, self.schema.as_ref(), context.arena));
        match made {
            Ok(Value::Ignored(Ignore::Object)) => {
                Err(Box::new(Outcome::Skipped(Skip::Ignored { rule: number, reason: context.skip_reason() })))
            }
            Ok(map) => Ok(Some(map)),
            Err(fault) => match script.bear(number, fault, &mut value, borne) {
                Some(outcome) => Err(Box::new(outcome)),
                None => Ok(None),
            },
        }
    }

    /// Maps one record.
    pub fn apply<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, apply: Apply) -> Outcome<'a> {
        match self.scope.holds(slots, context) {
            Ok(true) => {}
            Ok(false) => return Outcome::OutOfScope,
            Err(fault) => return Outcome::Failed(super::Failure::in_scope(fault)),
        }
        let words = self.rules.len().div_ceil(WORD);
        let (pending, unread) = context.arena.filled(2 * words, 0).split_at_mut(words);
        let values = context.arena.made(self.plans.len(), |number| {
            let Some(plan) = self.plans.get(number) else { return Value::Absent };
            match plan {
                Plan::Copy { slot, optional } => {
                    let value = slots.get(slot.index()).copied().unwrap_or_default();
                    // No rule's `default`, `required` or conversion has anything to say to a text that is not empty.
                    let length = if let Value::Text(text) = value { text.len() } else { 0 };
                    let nothing = matches!(value, Value::Absent | Value::Null);
                    // Whether it is there changes from record to record: one branch for both, which is guessed right.
                    if length | (usize::from(nothing) & usize::from(*optional)) != 0 {
                        return value;
                    }
                }
                Plan::Constant(value) => return *value,
                Plan::Step(step) if step.create_only && apply == Apply::Update => {}
                Plan::Step(step) => {
                    let mut why = Why::Odd;
                    match step.quick.text(slots, context, &mut why) {
                        Some(text) if step.takes_text && !text.is_empty() => return Value::Text(text),
                        Some(text) => {
                            if let Some(flag) = step.coercion.flag(text) {
                                return Value::Bool(flag);
                            }
                        }
                        None if why == Why::Fails && step.bears => {
                            mark(unread, number);
                            return Value::Null;
                        }
                        None if why == Why::Null && step.optional => return Value::Null,
                        None if why == Why::Absent && step.optional => return Value::Absent,
                        None => {}
                    }
                }
                Plan::Whole => {}
            }
            mark(pending, number);
            Value::Absent
        });
        let mut borne = Vec::new();
        for (word, pending) in pending.iter().enumerate() {
            let mut pending = *pending;
            while pending != 0 {
                let number = word * WORD + pending.trailing_zeros() as usize;
                pending &= pending - 1;
                let (Some(rule), Some(place)) = (self.rules.get(number), values.get_mut(number)) else { break };
                if let Some(outcome) = rule.fill(number, slots, context, apply, place, &mut borne) {
                    return outcome;
                }
            }
        }
        let script = match self.run_script(slots, context, &mut borne) {
            Ok(script) => script,
            Err(outcome) => return *outcome,
        };
        Outcome::Payload(Payload { mapping: self, values, script, borne, unread })
    }
}

/// How many rules a word of bits has.
const WORD: usize = 64;

/// Sets the bit of a rule.
#[cold]
fn mark(words: &mut [u64], number: usize) {
    if let Some(word) = words.get_mut(number / WORD) {
        *word |= 1 << (number % WORD);
    }
}

/// Whether the bit of a rule is set.
fn has(words: &[u64], number: usize) -> bool {
    words.get(number / WORD).is_some_and(|word| word & (1 << (number % WORD)) != 0)
}

/// What is done of a rule ahead of looking at it: half of the rules only copy or are constants, and most programs have a short
/// way. None of it decides what becomes of the record.
#[derive(Debug)]
pub(super) enum Plan {
    Copy {
        slot: Slot,
        /// Whether nothing is a value too: there is no default, and nothing is required.
        optional: bool,
    },
    /// The number or boolean that is the same for every record.
    Constant(Value<'static>),
    Step(Step),
    /// Nothing.
    Whole,
}

/// A rule whose program has a short way.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "four answers of the rule, which do not depend on each other")]
pub(super) struct Step {
    quick: Arc<Quick>,
    create_only: bool,
    /// Whether a text that is not empty is its value, as it is.
    takes_text: bool,
    /// Whether nothing is a value too: there is no default, and nothing is required.
    optional: bool,
    /// Whether a failure leaves it without a value, and no more comes of it.
    bears: bool,
    coercion: Coercion,
}

impl Plan {
    /// What can be done ahead of a rule.
    pub(super) fn of(rule: &Rule) -> Plan {
        let optional = rule.default.is_none() && !rule.required;
        if let Some(slot) = rule.copies() {
            return Plan::Copy { slot, optional };
        }
        if let Some(value) = rule.constant() {
            return Plan::Constant(value);
        }
        let Some(quick) = rule.quick() else { return Plan::Whole };
        let &Rule { create_only, takes_text, coercion, required, .. } = rule;
        let bears = rule.on_error == OnError::Null && !required;
        Plan::Step(Step { quick, create_only, takes_text, optional, bears, coercion })
    }
}

impl Rule {
    fn quick(&self) -> Option<Arc<Quick>> {
        match &self.body {
            RuleBody::Program { program: Program::Entra(expression), .. } => expression.quick(),
            _ => None,
        }
    }

    /// The number or boolean that is its value for every record.
    fn constant(&self) -> Option<Value<'static>> {
        let RuleBody::Constant(constant) = &self.body else { return None };
        let arena = Arena::new();
        match self.coercion.apply(from_json(constant, &arena), &arena) {
            _ if self.create_only => None,
            Ok(Value::Bool(flag)) => Some(Value::Bool(flag)),
            Ok(Value::Integer(number)) => Some(Value::Integer(number)),
            Ok(Value::Decimal(number)) => Some(Value::Decimal(number)),
            _ => None,
        }
    }

    /// Fills the rule's place; what becomes of the record, when this rule decides it.
    fn fill<'a>(
        &'a self,
        number: usize,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
        apply: Apply,
        place: &mut Value<'a>,
        borne: &mut Vec<super::Failure>,
    ) -> Option<Outcome<'a>> {
        if self.create_only && apply == Apply::Update {
            *place = Value::Ignored(Ignore::Attribute);
            return None;
        }
        if let Err(fault) = self.write_value(slots, context, place)
            && let Some(outcome) = self.bear(number, fault, place, borne)
        {
            return Some(outcome);
        }
        if let Value::Ignored(Ignore::Object) = place {
            return Some(Outcome::Skipped(Skip::Ignored { rule: number, reason: context.skip_reason() }));
        }
        if self.required && (place.is_empty() || matches!(place, Value::Ignored(_))) {
            return Some(Outcome::Skipped(Skip::RequiredEmpty { rule: number }));
        }
        None
    }

    /// What a failure makes of the record; nothing when the rule bears it.
    #[cold]
    fn bear<'a>(
        &self,
        number: usize,
        fault: Box<crate::function::Fault>,
        place: &mut Value<'a>,
        borne: &mut Vec<super::Failure>,
    ) -> Option<Outcome<'a>> {
        let failure = super::Failure::in_rule(number, fault);
        match self.on_error {
            OnError::Halt => Some(Outcome::Failed(failure)),
            OnError::Skip => Some(Outcome::Skipped(Skip::Failed(failure))),
            // Without a value the record would be skipped all the same; the failure says why.
            OnError::Null if self.required => Some(Outcome::Skipped(Skip::Failed(failure))),
            OnError::Null => {
                borne.push(failure);
                *place = Value::Null;
                None
            }
        }
    }

    /// The attribute whose text is the rule's value, when that is all there is to the rule.
    pub(super) fn copies(&self) -> Option<Slot> {
        match &self.body {
            RuleBody::Program { program: Program::Entra(expression), .. } if self.takes_text && !self.create_only => {
                expression.direct()
            }
            _ => None,
        }
    }

    /// Writes the rule's value, as its target takes it, to its place.
    fn write_value<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, place: &mut Value<'a>) -> Fallible<()> {
        match &self.body {
            RuleBody::Program { program, .. } => {
                program.run(slots, context, place)?;
            }
            RuleBody::Constant(constant) => *place = from_json(constant, context.arena),
        }
        let fits = match place {
            Value::Text(text) => self.takes_text && !text.is_empty(),
            Value::Absent | Value::Null => self.default.is_none(),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        self.finish(place, context).map_err(|fault| if self.is_redacted() { fault.redacted() } else { fault })
    }

    /// The rule's value, as its target takes it.
    pub(super) fn value<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>) -> Fallible<Value<'a>> {
        let mut value = Value::Absent;
        self.write_value(slots, context, &mut value)?;
        Ok(value)
    }

    /// The default for nothing, and the conversion to what the target takes.
    #[inline(never)]
    pub(super) fn finish<'a>(&'a self, place: &mut Value<'a>, context: &Context<'a>) -> Fallible<()> {
        if let (Some(default), true) = (&self.default, place.is_empty()) {
            *place = from_json(default, context.arena);
        }
        *place = self.coercion.apply(*place, context.arena)?;
        Ok(())
    }
}
