//! Running a tree on the slots of one record.

use crate::function::{self, Context, Fallible, Fault};
use crate::language::TraceStep;
use crate::text::Span;
use crate::value::Value;

use super::node::{Constant, Node, NodeKind};

/// As many arguments as have room without the heap; Replace has seven.
const FEW: usize = 7;

/// Sees the value of every sub-expression. The one that sees nothing costs nothing.
pub(super) trait Observer<'a> {
    /// Whether it wants to see.
    const LOOKS: bool;

    fn saw(&mut self, node: &Node, depth: usize, value: Option<Value<'a>>);
}

impl<'a> Observer<'a> for () {
    const LOOKS: bool = false;

    fn saw(&mut self, _: &Node, _: usize, _: Option<Value<'a>>) {}
}

impl<'a> Observer<'a> for Vec<TraceStep<'a>> {
    const LOOKS: bool = true;

    fn saw(&mut self, node: &Node, depth: usize, value: Option<Value<'a>>) {
        // A chain is seen call by call.
        if !matches!(node.kind, NodeKind::Constant(_) | NodeKind::Omitted | NodeKind::Piped | NodeKind::Chain { .. }) {
            let slot = if let NodeKind::Attribute(slot) = node.kind { Some(slot) } else { None };
            self.push(TraceStep { span: node.span, depth, value, slot });
        }
    }
}

/// What a tree runs on.
pub(super) struct Frame<'f, 'a> {
    pub(super) slots: &'a [Value<'a>],
    pub(super) context: &'f Context<'a>,
    /// What [`NodeKind::Piped`] stands for.
    pub(super) piped: Value<'a>,
}

impl<'a> Frame<'_, 'a> {
    /// Writes the node's value to `out`. Values are written to their places and never handed back: a value that is copied
    /// just after it was made stalls the processor.
    #[inline]
    pub(super) fn run<O: Observer<'a>>(
        &self,
        node: &'a Node,
        depth: usize,
        observer: &mut O,
        out: &mut Value<'a>,
    ) -> Fallible<()> {
        if !O::LOOKS {
            // Leaves are most nodes, and have no need of a frame.
            match &node.kind {
                NodeKind::Attribute(slot) => *out = self.slots.get(slot.index()).copied().unwrap_or_default(),
                NodeKind::Constant(Constant::Text(text)) => *out = Value::Text(text),
                _ => return self.evaluate(node, depth, observer, out),
            }
            return Ok(());
        }
        let result = self.evaluate(node, depth, observer, out);
        observer.saw(node, depth, result.is_ok().then_some(*out));
        result
    }

    #[inline(never)]
    fn evaluate<O: Observer<'a>>(
        &self,
        node: &'a Node,
        depth: usize,
        observer: &mut O,
        out: &mut Value<'a>,
    ) -> Fallible<()> {
        match &node.kind {
            NodeKind::Attribute(slot) => match self.slots.get(slot.index()) {
                Some(value) => *out = *value,
                None => *out = Value::Absent,
            },
            NodeKind::Constant(constant) => *out = constant.value(),
            NodeKind::Omitted => *out = Value::Absent,
            NodeKind::Piped => *out = self.piped,
            NodeKind::Chain { source, bytes, chain, length } => {
                self.run(source, depth + length, observer, out)?;
                match out {
                    Value::Text(text) if !O::LOOKS && !text.is_empty() => {
                        if let Some(text) = bytes.apply(self.context.arena, text) {
                            *out = Value::Text(text);
                            return Ok(());
                        }
                    }
                    // What is not to flow takes the whole chain with it.
                    Value::Ignored(_) => return Ok(()),
                    _ => {}
                }
                let frame = Frame { piped: *out, ..*self };
                return frame.run(chain, depth, observer, out);
            }
            NodeKind::Call { arguments, .. } | NodeKind::Prepared { arguments, .. } => {
                // Most calls have few arguments; these stay on the stack.
                let mut few = [Value::Absent; FEW];
                let mut many = Vec::new();
                let values = match few.get_mut(..arguments.len()) {
                    Some(values) => values,
                    None => {
                        many.resize(arguments.len(), Value::Absent);
                        many.as_mut_slice()
                    }
                };
                for (argument, place) in arguments.iter().zip(values.iter_mut()) {
                    if let NodeKind::Omitted = argument.kind {
                        continue;
                    }
                    self.run(argument, depth + 1, observer, place)?;
                    // What is not to flow takes the whole call with it.
                    if let Value::Ignored(ignored) = place {
                        *out = Value::Ignored(*ignored);
                        return Ok(());
                    }
                }
                let called = match &node.kind {
                    NodeKind::Call { call, .. } => call(self.context, values, out),
                    NodeKind::Prepared { prepared, .. } => prepared.call(self.context, values, out),
                    _ => Ok(()),
                };
                return called.map_err(|fault| located(fault, node.span, arguments));
            }
            _ => return self.choose(node, depth, observer, out),
        }
        Ok(())
    }

    /// The nodes that evaluate some of what is below them. By themselves, so that the way to a call stays short.
    #[inline(never)]
    fn choose<O: Observer<'a>>(
        &self,
        node: &'a Node,
        depth: usize,
        observer: &mut O,
        out: &mut Value<'a>,
    ) -> Fallible<()> {
        let ignored = |value: &Value<'a>| matches!(value, Value::Ignored(_));
        match &node.kind {
            // `evaluate` has these.
            NodeKind::Omitted
            | NodeKind::Constant(_)
            | NodeKind::Attribute(_)
            | NodeKind::Piped
            | NodeKind::Chain { .. }
            | NodeKind::Call { .. }
            | NodeKind::Prepared { .. } => Ok(()),
            NodeKind::If { condition, then, otherwise } => {
                self.run(condition, depth + 1, observer, out)?;
                if ignored(out) {
                    return Ok(());
                }
                let holds =
                    function::truth(self.context, *out).map_err(|fault| at(fault, condition.span, node.span))?;
                self.run(if holds { then } else { otherwise }, depth + 1, observer, out)
            }
            NodeKind::Switch { source, default, cases } => {
                let mut value = Value::Absent;
                self.run(source, depth + 1, observer, &mut value)?;
                if ignored(&value) {
                    *out = value;
                    return Ok(());
                }
                // One text for all keys.
                if !matches!(value, Value::Text(_)) {
                    let text = self.context.text_of(value).map_err(|fault| at(fault, source.span, node.span))?;
                    value = Value::Text(text.unwrap_or_default());
                }
                for (key, chosen) in cases {
                    self.run(key, depth + 1, observer, out)?;
                    let matches = function::key_matches(self.context, value, *out)
                        .map_err(|fault| at(fault, key.span, node.span))?;
                    if matches {
                        return self.run(chosen, depth + 1, observer, out);
                    }
                }
                self.run(default, depth + 1, observer, out)
            }
            NodeKind::Coalesce(sources) => {
                for source in sources {
                    self.run(source, depth + 1, observer, out)?;
                    if !out.is_null() {
                        return Ok(());
                    }
                }
                *out = Value::Null;
                Ok(())
            }
            NodeKind::Unique(rules) => {
                let mut candidates = 0;
                for rule in rules {
                    self.run(rule, depth + 1, observer, out)?;
                    if ignored(out) {
                        return Ok(());
                    }
                    let free =
                        function::candidate(self.context, *out).map_err(|fault| at(fault, rule.span, node.span))?;
                    if let Some(free) = free {
                        *out = free;
                        return Ok(());
                    }
                    candidates += usize::from(!out.is_empty());
                }
                *out = function::none_free(candidates).map_err(|fault| at(fault, node.span, node.span))?;
                Ok(())
            }
            NodeKind::Compare { order, left, right } => {
                let (mut first, mut second) = (Value::Absent, Value::Absent);
                self.run(left, depth + 1, observer, &mut first)?;
                self.run(right, depth + 1, observer, &mut second)?;
                if let Some(value) = [first, second].into_iter().find(|value| ignored(value)) {
                    *out = value;
                    return Ok(());
                }
                *out = match function::compare(self.context, *order, first, second) {
                    Ok(holds) => Value::Bool(holds),
                    Err(fault) => {
                        let side = if fault.argument == Some(0) { left.span } else { right.span };
                        return Err(at(fault, side, node.span));
                    }
                };
                Ok(())
            }
        }
    }
}

#[cold]
fn at(mut fault: Box<Fault>, span: Span, call: Span) -> Box<Fault> {
    if fault.span.is_none() {
        fault.span = Some(span);
        fault.call = Some(call);
    }
    fault
}

#[cold]
fn located(fault: Box<Fault>, call: Span, arguments: &[Node]) -> Box<Fault> {
    let argument = fault.argument.and_then(|argument| arguments.get(argument));
    let span = match argument {
        Some(Node { kind: NodeKind::Omitted, .. }) | None => call,
        Some(argument) => argument.span,
    };
    at(fault, span, call)
}
