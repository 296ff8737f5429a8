//! Running a tree on the slots of one record: expressions, filters, conditions, and the nodes that stand by themselves.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::function::{Context, Fallible, Fault, Meter};
use crate::language::TraceStep;
use crate::text::{Code, Span};
use crate::value::{Slot, TextBuilder, Value, from_json};

use super::filters::Arguments;
use super::item::{Item, Loop, Tools};
use super::number;
use super::snippets::Snippets;
use super::tree::{
    Block, Case, Command, Comparison, Condition, Constant, Expr, ExprKind, FilterCall, Filtered, Logic, Node, Operator,
    Path, Root, Step,
};

/// How a block was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

/// What a `render` starts anew.
#[derive(Default)]
pub(super) struct Scope<'a> {
    /// Variables of `assign` and `capture`, the newest value at its first place.
    pub(super) assigned: Vec<(&'a str, Item<'a>)>,
    /// Variables of loops and of snippets' arguments; the innermost last.
    pub(super) inner: Vec<(&'a str, Item<'a>)>,
    pub(super) counters: Vec<(&'a str, i64)>,
    /// Where loops ended, for `offset: continue`.
    pub(super) offsets: Vec<(&'a str, i64)>,
    pub(super) cycles: Option<HashMap<&'a str, usize>>,
    pub(super) changed: &'a str,
    pub(super) loops: Vec<&'a Loop<'a>>,
    /// Whether we are in a `render`, where `include` is not allowed.
    pub(super) isolated: bool,
}

/// What a tree runs on.
pub(super) struct Frame<'f, 'a> {
    pub(super) tools: Tools<'a>,
    context: &'f Context<'a>,
    slots: &'a [Value<'a>],
    pub(super) snippets: &'a Snippets,
    /// What snippets see as `value`.
    value: Option<Value<'a>>,
    pub(super) scope: Scope<'a>,
    pub(super) depth: usize,
    /// How many snippets we are in. Their spans are not those of the program.
    pub(super) within: usize,
    /// Whether a fault has been told of with the line of its snippet.
    pub(super) told: bool,
    /// The steps kept, when they are.
    pub(super) steps: Option<Vec<TraceStep<'a>>>,
}

/// Puts a fault at its place, unless it has one.
pub(super) fn at(mut fault: Box<Fault>, span: Span) -> Box<Fault> {
    if fault.span.is_none() {
        fault.span = Some(span);
    }
    fault
}

impl<'f, 'a> Frame<'f, 'a> {
    pub(super) fn new(
        slots: &'a [Value<'a>],
        context: &'f Context<'a>,
        snippets: &'a Snippets,
        value: Option<Value<'a>>,
    ) -> Self {
        let tools = Tools { arena: context.arena, env: context.env, meter: Meter::new(context.env.limits) };
        Self {
            tools,
            context,
            slots,
            snippets,
            value,
            scope: Scope::default(),
            depth: 0,
            within: 0,
            told: false,
            steps: None,
        }
    }

    fn saw(&mut self, span: Span, item: Item<'a>, slot: Option<Slot>) {
        if self.within > 0 {
            return;
        }
        let depth = self.depth;
        if let Some(steps) = &mut self.steps {
            let value = item.value(&self.tools).ok();
            steps.push(TraceStep { span, depth, value, slot });
        }
    }

    /// The value of a template that is one output. Text is borrowed where it can be.
    pub(super) fn only(&mut self, filtered: &'a Filtered) -> Fallible<Value<'a>> {
        let item = self.filtered(filtered)?;
        item.value(&self.tools).map_err(|fault| at(fault, filtered.span))
    }

    /// Prints a block's nodes.
    pub(super) fn block(&mut self, block: &'a Block, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        for node in &block.nodes {
            let flow = match node {
                Node::Text(text) => {
                    out.push_str(text);
                    self.tools.meter.text(out.len())?;
                    Flow::Next
                }
                Node::Output(filtered) => {
                    let item = self.filtered(filtered)?;
                    item.write(out, &self.tools).map_err(|fault| at(fault, filtered.span))?;
                    Flow::Next
                }
                other => self.tag(other, out)?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// A block one level deeper.
    pub(super) fn inner(&mut self, block: &'a Block, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        if block.nodes.is_empty() {
            return Ok(Flow::Next);
        }
        self.depth += 1;
        self.tools.meter.depth(self.depth)?;
        let flow = self.block(block, out);
        self.depth -= 1;
        flow
    }

    #[inline(never)]
    fn tag(&mut self, node: &'a Node, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        self.tools.meter.step(1)?;
        match node {
            Node::Text(_) | Node::Output(_) => Ok(Flow::Next),
            Node::If(branches) => {
                for branch in branches {
                    let taken = match &branch.condition {
                        Some(condition) => self.condition(condition)? != branch.negated,
                        None => true,
                    };
                    if taken {
                        return self.inner(&branch.body, out);
                    }
                }
                Ok(Flow::Next)
            }
            Node::Case(case) => self.case(case, out),
            Node::For(head) => self.for_(head, out).map_err(|fault| at(fault, head.span)),
            Node::TableRow(head) => self.tablerow(head, out).map_err(|fault| at(fault, head.span)),
            Node::Assign { name, value } => {
                let item = self.filtered(value)?;
                self.assign(name, item);
                Ok(Flow::Next)
            }
            Node::Capture { name, body, span } => {
                let mut inner = self.tools.arena.builder(64);
                let flow = self.inner(body, &mut inner)?;
                let item = self.tools.built(inner).map_err(|fault| at(fault, *span))?;
                self.saw(*span, item, None);
                self.assign(name, item);
                Ok(flow)
            }
            Node::Cycle(cycle) => self.cycle(cycle, out).map_err(|fault| at(fault, cycle.span)),
            Node::Count { name, up, span } => {
                let count = self.count(name, *up);
                Item::Integer(count).write(out, &self.tools).map_err(|fault| at(fault, *span))?;
                Ok(Flow::Next)
            }
            Node::IfChanged { body, span } => {
                let mut inner = self.tools.arena.builder(64);
                let flow = self.inner(body, &mut inner)?;
                self.tools.text_made(inner.len()).map_err(|fault| at(fault, *span))?;
                let text = inner.into_bump_str();
                if text != self.scope.changed {
                    out.push_str(text);
                    self.tools.meter.text(out.len())?;
                    self.scope.changed = text;
                }
                Ok(flow)
            }
            Node::Partial(partial) => self.partial(partial, out),
            Node::Break => Ok(Flow::Break),
            Node::Continue => Ok(Flow::Continue),
        }
    }

    fn assign(&mut self, name: &'a str, item: Item<'a>) {
        match self.scope.assigned.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = item,
            None => self.scope.assigned.push((name, item)),
        }
    }

    fn count(&mut self, name: &'a str, up: bool) -> i64 {
        let counters = &mut self.scope.counters;
        let index = counters.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            counters.push((name, 0));
            counters.len() - 1
        });
        let Some((_, count)) = counters.get_mut(index) else { return 0 };
        if up {
            *count += 1;
            *count - 1
        } else {
            *count -= 1;
            *count
        }
    }

    fn case(&mut self, case: &'a Case, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        let subject = self.value(&case.subject)?;
        self.saw(case.subject.span, subject, None);
        let mut matched = false;
        for branch in &case.branches {
            let Some(values) = &branch.values else {
                if !matched {
                    let flow = self.inner(&branch.body, out)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                continue;
            };
            for value in values {
                self.tools.meter.step(1)?;
                if self.are_equal(Operand::Item(subject), value)? {
                    matched = true;
                    let flow = self.inner(&branch.body, out)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
            }
        }
        Ok(Flow::Next)
    }

    /// A value behind its filters.
    #[inline]
    pub(super) fn filtered(&mut self, filtered: &'a Filtered) -> Fallible<Item<'a>> {
        self.tools.meter.step(1)?;
        let mut item = self.value(&filtered.value)?;
        if self.steps.is_some() && !matches!(filtered.value.kind, ExprKind::Constant(_)) {
            let slot = match &filtered.value.kind {
                ExprKind::Path(Path { root: Root::Variable { slot, .. }, steps }) if steps.is_empty() => *slot,
                _ => None,
            };
            self.saw(filtered.value.span, item, slot);
        }
        for call in &filtered.filters {
            item = self.filter(call, item)?;
            if self.steps.is_some() {
                self.saw(call.span, item, None);
            }
        }
        Ok(item)
    }

    #[inline]
    fn filter(&mut self, call: &'a FilterCall, input: Item<'a>) -> Fallible<Item<'a>> {
        self.tools.meter.step(1)?;
        let mut arguments =
            Arguments { count: call.arguments.len(), first: Item::Nil, second: Item::Nil, allow_false: false };
        if let [first, rest @ ..] = &*call.arguments {
            arguments.first = self.value(first)?;
            if let [second, ..] = rest {
                arguments.second = self.value(second)?;
            }
        }
        if let Some(flag) = &call.allow_false {
            arguments.allow_false = self.value(flag)?.is_true();
        }
        (call.filter.body)(&self.tools, input, &arguments).map_err(|fault| located(fault, call))
    }

    /// The value of an expression.
    #[inline]
    pub(super) fn value(&mut self, expr: &'a Expr) -> Fallible<Item<'a>> {
        match &expr.kind {
            ExprKind::Constant(constant) => Ok(constant.item()),
            ExprKind::Path(path) => {
                let root = match &path.root {
                    Root::Variable { name, slot } => self.variable(name, *slot),
                    other => self.odd_root(other)?,
                };
                if path.steps.is_empty() { Ok(root) } else { self.steps(root, &path.steps) }
            }
            ExprKind::Range(ends) => {
                let (first, last) = &**ends;
                let first = number::range_end(self.value(first)?).map_err(|fault| at(fault, first.span))?;
                let last = number::range_end(self.value(last)?).map_err(|fault| at(fault, last.span))?;
                Ok(Item::Range(first, last))
            }
        }
    }

    /// A variable, else the attribute, else a counter.
    #[inline]
    fn variable(&self, name: &'a str, slot: Option<Slot>) -> Item<'a> {
        let scope = &self.scope;
        if !(scope.inner.is_empty() && scope.assigned.is_empty())
            && let Some(item) = self.bound(name)
        {
            return item;
        }
        match slot.and_then(|slot| self.slots.get(slot.index())) {
            None | Some(Value::Absent) => self.elsewhere(name),
            Some(value) => Item::from(*value),
        }
    }

    /// What a tag has given the name.
    fn bound(&self, name: &str) -> Option<Item<'a>> {
        let scope = &self.scope;
        let found = scope.inner.iter().rev().find(|(known, _)| *known == name);
        found.or_else(|| scope.assigned.iter().find(|(known, _)| *known == name)).map(|(_, item)| *item)
    }

    /// What is no variable and no attribute: a counter, or a record beside the one that is mapped.
    fn elsewhere(&self, name: &str) -> Item<'a> {
        if let Some((_, count)) = self.scope.counters.iter().find(|(known, _)| *known == name) {
            return Item::Integer(*count);
        }
        let env = self.context.env;
        match env.given.iter().find(|(known, _)| known == name) {
            Some((_, json)) => Item::from(from_json(json, self.tools.arena)),
            None => Item::Nil,
        }
    }

    #[inline(never)]
    fn odd_root(&mut self, root: &'a Root) -> Fallible<Item<'a>> {
        let slot = |slot: &Slot| self.slots.get(slot.index()).copied().unwrap_or_default();
        Ok(match root {
            Root::Variable { name, slot } => self.variable(name, *slot),
            Root::Value { slot: given } => match (self.bound("value"), self.value) {
                (Some(item), _) => item,
                (None, Some(value)) if self.within > 0 => Item::from(value),
                _ => Item::from(slot(given)),
            },
            Root::Source { slot: given, whole } => match (self.bound("source"), slot(given)) {
                (Some(item), _) => item,
                (None, Value::Absent) => Item::from(slot(whole)),
                (None, value) => Item::from(value),
            },
            Root::Chosen { name, whole } => {
                let key = self.value(name)?;
                let Item::Text(name) = key else { return Ok(Item::Nil) };
                if let Some(item) = self.bound(name) {
                    return Ok(item);
                }
                let whole = self.slots.get(whole.index()).copied().unwrap_or_default();
                match field(&self.tools, Item::from(whole), name)? {
                    Some(item) => item,
                    None => self.elsewhere(name),
                }
            }
        })
    }

    fn steps(&mut self, root: Item<'a>, steps: &'a [Step]) -> Fallible<Item<'a>> {
        let mut item = root;
        for step in steps {
            item = match step {
                Step::Name { name, command } => match (field(&self.tools, item, name)?, command) {
                    (Some(found), _) => found,
                    (None, Some(Command::Size)) => {
                        item.size().map_or(Item::Nil, |size| Item::Integer(i64::try_from(size).unwrap_or(i64::MAX)))
                    }
                    (None, Some(Command::First)) => item.first(&self.tools),
                    (None, Some(Command::Last)) => item.last(),
                    (None, None) => Item::Nil,
                },
                Step::Key(key) => {
                    let key = self.value(key)?;
                    match (item, key) {
                        (Item::List(items), Item::Integer(index)) => element(items, index),
                        (_, Item::Text(name)) => field(&self.tools, item, name)?.unwrap_or(Item::Nil),
                        _ => Item::Nil,
                    }
                }
            };
            if matches!(item, Item::Nil) {
                return Ok(item);
            }
        }
        Ok(item)
    }

    /// Whether a condition holds. `and` and `or` bind to the right, so each decides on all that is behind it.
    fn condition(&mut self, condition: &'a Condition) -> Fallible<bool> {
        let mut holds = false;
        for (comparison, logic) in &condition.comparisons {
            self.tools.meter.step(1)?;
            holds = self.comparison(comparison).map_err(|fault| at(fault, comparison.span))?;
            match logic {
                Some(Logic::And) if !holds => break,
                Some(Logic::Or) if holds => break,
                _ => {}
            }
        }
        self.saw(condition.span, Item::Bool(holds), None);
        Ok(holds)
    }

    fn operand(&mut self, expr: &'a Expr) -> Fallible<Operand<'a>> {
        Ok(match &expr.kind {
            ExprKind::Constant(Constant::Empty) => Operand::Empty,
            ExprKind::Constant(Constant::Blank) => Operand::Blank,
            _ => Operand::Item(self.value(expr)?),
        })
    }

    fn are_equal(&mut self, left: Operand<'a>, right: &'a Expr) -> Fallible<bool> {
        let right = self.operand(right)?;
        match (left, right) {
            (Operand::Item(left), Operand::Item(right)) => left.equals(right, &self.tools),
            (Operand::Item(item), test) | (test, Operand::Item(item)) => Ok(test.tests(item)),
            _ => Ok(false),
        }
    }

    fn comparison(&mut self, comparison: &'a Comparison) -> Fallible<bool> {
        let left = self.operand(&comparison.left)?;
        let Some((operator, right)) = &comparison.right else {
            return Ok(if let Operand::Item(item) = left { item.is_true() } else { true });
        };
        let ordered = |wanted: fn(Ordering) -> bool, right: Operand<'a>| {
            let (Operand::Item(left), Operand::Item(right)) = (left, right) else { return Ok(false) };
            let has_order = |item: Item<'_>| item.is_number() || matches!(item, Item::Text(_));
            if !has_order(left) || !has_order(right) {
                return Ok(false);
            }
            left.order(right).map(wanted).ok_or_else(|| {
                let words = format!("{} cannot be compared with {}", left.describe(), right.describe());
                Fault::new(Code::Conversion, words).help("`| plus: 0` makes a number of a text")
            })
        };
        match operator {
            Operator::Equal => self.are_equal(left, right),
            Operator::NotEqual => self.are_equal(left, right).map(|equal| !equal),
            Operator::Less => ordered(Ordering::is_lt, self.operand(right)?),
            Operator::LessOrEqual => ordered(Ordering::is_le, self.operand(right)?),
            Operator::Greater => ordered(Ordering::is_gt, self.operand(right)?),
            Operator::GreaterOrEqual => ordered(Ordering::is_ge, self.operand(right)?),
            Operator::Contains => {
                let (Operand::Item(left), Operand::Item(right)) = (left, self.operand(right)?) else {
                    return Ok(false);
                };
                self.contains(left, right)
            }
        }
    }

    fn contains(&self, left: Item<'a>, right: Item<'a>) -> Fallible<bool> {
        if !right.is_true() {
            return Ok(false);
        }
        match (left, right) {
            (Item::Text(text), part) => {
                self.tools.meter.step((text.len() / 64) as u64)?;
                Ok(text.contains(part.text(&self.tools)?))
            }
            (Item::List(items), wanted) => {
                self.tools.meter.step((items.len() / 8) as u64)?;
                for item in items {
                    if Item::from(*item).equals(wanted, &self.tools)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Item::Object(_), Item::Text(name)) => Ok(field(&self.tools, left, name)?.is_some()),
            (Item::Range(first, last), Item::Integer(number)) => Ok((first..=last).contains(&number)),
            _ => Ok(false),
        }
    }
}

/// A side of a comparison.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Item(Item<'a>),
    /// `empty`, a test rather than a value.
    Empty,
    /// `blank`, likewise.
    Blank,
}

impl Operand<'_> {
    /// Whether the item passes the test.
    fn tests(self, item: Item<'_>) -> bool {
        let blank = matches!(self, Operand::Blank);
        match item {
            Item::Text(text) => text.is_empty() || blank && text.chars().all(super::lexer::is_space),
            Item::List(items) => items.is_empty(),
            Item::Object(fields) => fields.is_empty(),
            Item::Nil | Item::Bool(false) => blank,
            _ => false,
        }
    }
}

impl Constant {
    #[inline]
    fn item(&self) -> Item<'_> {
        match self {
            Constant::Text(text) => Item::Text(text),
            Constant::Integer(number) => Item::Integer(*number),
            Constant::Nil => Item::Nil,
            Constant::Bool(flag) => Item::Bool(*flag),
            Constant::Big(digits) => Item::Big(digits),
            Constant::Decimal(number) => Item::Decimal(*number),
            Constant::Empty | Constant::Blank => Item::Text(""),
        }
    }
}

/// The field of an object or of a loop; `None` when it has none of that name.
#[inline]
fn field<'a>(tools: &Tools<'a>, item: Item<'a>, name: &str) -> Fallible<Option<Item<'a>>> {
    match item {
        Item::Object(fields) => {
            if fields.len() > 32 {
                tools.meter.step((fields.len() / 16) as u64)?;
            }
            Ok(fields.iter().find(|(key, _)| *key == name).map(|(_, value)| Item::from(*value)))
        }
        Item::Loop(info) => Ok(Some(info.property(name))),
        _ => Ok(None),
    }
}

/// The item at an index, which counts from the end when it is negative.
fn element<'a>(items: &'a [Value<'a>], index: i64) -> Item<'a> {
    let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let index = if index < 0 { index.saturating_add(size) } else { index };
    usize::try_from(index).ok().and_then(|index| items.get(index)).map_or(Item::Nil, |value| Item::from(*value))
}

/// A filter's fault at its argument, or at the filter.
#[cold]
fn located(mut fault: Box<Fault>, call: &FilterCall) -> Box<Fault> {
    if fault.span.is_none() {
        let argument = fault.argument.and_then(|index| call.arguments.get(index));
        fault.span = Some(argument.map_or(call.span, |argument| argument.span));
        if argument.is_some() {
            fault.call = Some(call.span);
        }
    }
    fault
}
