//! A record to a payload.

use std::sync::Arc;

use crate::function::{Context, Fallible};
use crate::language::Program;
use crate::language::entra::Quick;
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
}

impl<'a> Payload<'a> {
    /// The values by rule, as the target takes them: absent or null for nothing, ignored for what is not to flow.
    pub fn values(&self) -> &'a [Value<'a>] {
        self.values
    }

    /// Failures of rules that say `on_error = "null"`.
    pub fn borne(&self) -> &[super::Failure] {
        &self.borne
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
        let values = context.arena.filled(self.rules.len(), Value::Absent);
        let mut borne = Vec::new();
        let blocks = self.blocks.iter().zip(self.rules.chunks(BLOCK)).zip(values.chunks_mut(BLOCK));
        for (number, ((block, rules), values)) in blocks.enumerate() {
            let mut pending = block.fill(slots, context, apply, values);
            while pending != 0 {
                let index = pending.trailing_zeros() as usize;
                pending &= pending - 1;
                let (Some(rule), Some(place)) = (rules.get(index), values.get_mut(index)) else { break };
                let number = number * BLOCK + index;
                if let Some(outcome) = rule.fill(number, slots, context, apply, place, &mut borne) {
                    return outcome;
                }
            }
        }
        let script = match self.run_script(slots, context, &mut borne) {
            Ok(script) => script,
            Err(outcome) => return *outcome,
        };
        Outcome::Payload(Payload { mapping: self, values, script, borne })
    }
}

/// How many rules a block has.
const BLOCK: usize = 64;

/// What is done of some rules ahead of the others: half of them only copy or are constants, and most programs have a short way.
/// None of this needs a look at the rule, and none of it decides what becomes of the record.
#[derive(Debug, Default)]
pub(super) struct Block {
    copies: Vec<Copy>,
    /// A bit for each of them.
    copied: u64,
    /// The numbers and booleans that are the same for every record, each with its place in the block.
    constants: Vec<(u8, Value<'static>)>,
    steps: Vec<Step>,
    /// A bit for each other rule.
    programs: u64,
}

/// A rule that only copies.
#[derive(Debug)]
struct Copy {
    /// Its place in the block.
    index: u8,
    /// Its bit, when nothing is a value too: there is no default, and nothing is required.
    optional: u64,
    slot: Slot,
}

/// A rule whose program has a short way.
#[derive(Debug)]
struct Step {
    /// Its place in the block.
    index: u8,
    create_only: bool,
    /// Whether a text that is not empty is its value, as it is.
    takes_text: bool,
    /// Whether nothing is a value too: there is no default, and nothing is required.
    optional: bool,
    coercion: Coercion,
    quick: Arc<Quick>,
}

impl Step {
    /// Fills the rule's place; `false` when the rule is still to be looked at.
    #[inline]
    fn fill<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, place: &mut Value<'a>) -> bool {
        if !self.quick.run(slots, context, place) {
            return false;
        }
        match *place {
            Value::Text(text) => self.takes_text && !text.is_empty() || self.coercion.takes_flag(text, place),
            Value::Absent | Value::Null => self.optional,
            _ => false,
        }
    }
}

impl Block {
    /// The blocks of a mapping's rules.
    pub(super) fn of(rules: &[Rule]) -> Vec<Block> {
        let block = |rules: &[Rule]| {
            let mut block = Block::default();
            for (index, rule) in (0..).zip(rules) {
                let optional = rule.default.is_none() && !rule.required;
                if let Some(slot) = rule.copies() {
                    block.copied |= 1 << index;
                    block.copies.push(Copy { index, optional: u64::from(optional) << index, slot });
                } else if let Some(value) = rule.constant() {
                    block.constants.push((index, value));
                } else if let Some(quick) = rule.quick() {
                    let &Rule { create_only, takes_text, coercion, .. } = rule;
                    block.steps.push(Step { index, create_only, takes_text, optional, coercion, quick });
                } else {
                    block.programs |= 1 << index;
                }
            }
            block
        };
        rules.chunks(BLOCK).map(block).collect()
    }

    /// Fills what can be filled, and gives a bit for each rule that is still to be looked at.
    #[inline]
    fn fill<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
        apply: Apply,
        values: &mut [Value<'a>],
    ) -> u64 {
        for (index, value) in &self.constants {
            if let Some(place) = values.get_mut(usize::from(*index)) {
                *place = *value;
            }
        }
        let mut done = 0;
        for Copy { index, optional, slot } in &self.copies {
            let (Some(value), Some(place)) = (slots.get(slot.index()), values.get_mut(usize::from(*index))) else {
                continue;
            };
            // No rule's `default`, `required` or conversion has anything to say to a text that is not empty. Which it is
            // changes from record to record: no branch here, it would be guessed wrong.
            let text = u64::from(matches!(value, Value::Text(text) if !text.is_empty()));
            let nothing = u64::from(matches!(value, Value::Absent | Value::Null));
            done |= (text << index) | (nothing * optional);
            *place = *value;
        }
        let mut pending = self.programs | (self.copied & !done);
        for step in &self.steps {
            let Some(place) = values.get_mut(usize::from(step.index)) else { continue };
            let filled = !(step.create_only && apply == Apply::Update) && step.fill(slots, context, place);
            pending |= u64::from(!filled) << step.index;
        }
        pending
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
