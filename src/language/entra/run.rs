//! Running a tree on the slots of one record.

use smallvec::SmallVec;

use crate::function::{self, Context, Fallible, Fault};
use crate::language::TraceStep;
use crate::text::Span;
use crate::value::Value;

use super::node::{Constant, Node, NodeKind};

/// Arguments of most calls, without the heap.
type Arguments<'a> = SmallVec<[Value<'a>; 8]>;

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
        if !matches!(node.kind, NodeKind::Constant(_) | NodeKind::Omitted) {
            let slot = if let NodeKind::Attribute(slot) = node.kind { Some(slot) } else { None };
            self.push(TraceStep { span: node.span, depth, value, slot });
        }
    }
}

/// What a tree runs on.
pub(super) struct Frame<'f, 'a> {
    pub(super) slots: &'a [Value<'a>],
    pub(super) context: &'f Context<'a>,
}

impl<'a> Frame<'_, 'a> {
    pub(super) fn run<O: Observer<'a>>(&self, node: &'a Node, depth: usize, observer: &mut O) -> Fallible<Value<'a>> {
        // Not a word between the evaluation and the way back: a value that is copied just after it was made stalls.
        if !O::LOOKS {
            return self.evaluate(node, depth, observer);
        }
        let result = self.evaluate(node, depth, observer);
        observer.saw(node, depth, result.as_ref().ok().copied());
        result
    }

    fn evaluate<O: Observer<'a>>(&self, node: &'a Node, depth: usize, observer: &mut O) -> Fallible<Value<'a>> {
        match &node.kind {
            NodeKind::Attribute(slot) => Ok(self.slots.get(slot.index()).copied().unwrap_or_default()),
            NodeKind::Constant(constant) => Ok(constant.value()),
            NodeKind::Omitted => Ok(Value::Absent),
            NodeKind::Call { call, arguments } => {
                let mut values = Arguments::new();
                if let Some(ignored) = self.arguments(arguments, depth, observer, &mut values)? {
                    return Ok(ignored);
                }
                match call(self.context, &values) {
                    Err(fault) => Err(located(fault, node.span, arguments)),
                    made => made,
                }
            }
            NodeKind::Prepared { prepared, arguments } => {
                let mut values = Arguments::new();
                if let Some(ignored) = self.arguments(arguments, depth, observer, &mut values)? {
                    return Ok(ignored);
                }
                match prepared.call(self.context, &values) {
                    Err(fault) => Err(located(fault, node.span, arguments)),
                    made => made,
                }
            }
            _ => self.choose(node, depth, observer),
        }
    }

    /// The nodes that evaluate some of what is below them. By themselves, so that the way to a call stays short.
    #[inline(never)]
    fn choose<O: Observer<'a>>(&self, node: &'a Node, depth: usize, observer: &mut O) -> Fallible<Value<'a>> {
        match &node.kind {
            // `evaluate` has the others.
            NodeKind::Omitted
            | NodeKind::Constant(_)
            | NodeKind::Attribute(_)
            | NodeKind::Call { .. }
            | NodeKind::Prepared { .. } => Ok(Value::Absent),
            NodeKind::If { condition, then, otherwise } => {
                let value = self.run(condition, depth + 1, observer)?;
                if let Value::Ignored(_) = value {
                    return Ok(value);
                }
                let holds =
                    function::truth(self.context, value).map_err(|fault| at(fault, condition.span, node.span))?;
                self.run(if holds { then } else { otherwise }, depth + 1, observer)
            }
            NodeKind::Switch { source, default, cases } => {
                let value = self.run(source, depth + 1, observer)?;
                if let Value::Ignored(_) = value {
                    return Ok(value);
                }
                // One text for all keys.
                let value = match value {
                    Value::Text(_) => value,
                    other => {
                        let text = self.context.text_of(other).map_err(|fault| at(fault, source.span, node.span))?;
                        Value::Text(text.unwrap_or_default())
                    }
                };
                for (key, chosen) in cases {
                    let wanted = self.run(key, depth + 1, observer)?;
                    let matches = function::key_matches(self.context, value, wanted)
                        .map_err(|fault| at(fault, key.span, node.span))?;
                    if matches {
                        return self.run(chosen, depth + 1, observer);
                    }
                }
                self.run(default, depth + 1, observer)
            }
            NodeKind::Coalesce(sources) => {
                for source in sources {
                    let value = self.run(source, depth + 1, observer)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            NodeKind::Unique(rules) => {
                let mut candidates = 0;
                for rule in rules {
                    let value = self.run(rule, depth + 1, observer)?;
                    if let Value::Ignored(_) = value {
                        return Ok(value);
                    }
                    let free =
                        function::candidate(self.context, value).map_err(|fault| at(fault, rule.span, node.span))?;
                    if let Some(free) = free {
                        return Ok(free);
                    }
                    candidates += usize::from(!value.is_empty());
                }
                function::none_free(candidates).map_err(|fault| at(fault, node.span, node.span))
            }
            NodeKind::Compare { order, left, right } => {
                let (first, second) = (self.run(left, depth + 1, observer)?, self.run(right, depth + 1, observer)?);
                for value in [first, second] {
                    if let Value::Ignored(_) = value {
                        return Ok(value);
                    }
                }
                match function::compare(self.context, *order, first, second) {
                    Ok(holds) => Ok(Value::Bool(holds)),
                    Err(fault) => {
                        let side = if fault.argument == Some(0) { left.span } else { right.span };
                        Err(at(fault, side, node.span))
                    }
                }
            }
        }
    }

    /// Puts the arguments' values into `values`, or gives the first of them that is not to flow: then the whole call is
    /// not. The caller owns the values: moving them out of here would cost more than making them.
    fn arguments<O: Observer<'a>>(
        &self,
        arguments: &'a [Node],
        depth: usize,
        observer: &mut O,
        values: &mut Arguments<'a>,
    ) -> Fallible<Option<Value<'a>>> {
        for argument in arguments {
            // Each arm puts its value in place by itself: most arguments are leaves, and most results are texts.
            match &argument.kind {
                NodeKind::Omitted => values.push(Value::Absent),
                NodeKind::Constant(Constant::Text(text)) => values.push(Value::Text(text)),
                NodeKind::Attribute(slot) if !O::LOOKS => {
                    values.push(self.slots.get(slot.index()).copied().unwrap_or_default());
                }
                _ => match self.run(argument, depth + 1, observer) {
                    Ok(Value::Text(text)) => values.push(Value::Text(text)),
                    Ok(Value::Ignored(ignored)) => return Ok(Some(Value::Ignored(ignored))),
                    Ok(other) => values.push(other),
                    Err(fault) => return Err(fault),
                },
            }
        }
        Ok(None)
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
