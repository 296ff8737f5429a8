//! [`Quick`]: a short way for what most expressions are: texts cut, joined, chosen and cleaned.
//!
//! It answers only where nothing can fail and the answer is plain; for everything else it says nothing, and the tree runs
//! (`run.rs`). So it has no faults, no observer and no calls by value: a text goes in registers from one step to the next, and a
//! chain such as `ToLower(Replace(NormalizeDiacritics(Append(…)), …), )` is one walk over the letters. A property test compares both
//! ways.

use std::sync::Arc;

use crate::dotnet::utf16;
use crate::function::{Bytes, Context, Order, Prepared, QUICK_TEXT, Table};
use crate::value::{Slot, Value};

use super::node::{Constant, Node, NodeKind};

/// How many pieces a text may have.
const MOST_PIECES: usize = 8;

/// The short way of an expression.
pub(crate) struct Quick(Part);

/// A part of an expression, as far as the short way goes.
enum Part {
    /// What was left out.
    Omitted,
    Null,
    /// The attribute's value, a text or nothing.
    Attribute(Slot),
    Text(Text),
    Coalesce(Box<[Part]>),
    If {
        test: Test,
        then: Box<Part>,
        otherwise: Box<Part>,
    },
    Switch {
        source: Slot,
        keys: Box<[Box<str>]>,
        /// By key, and behind them the default.
        values: Box<[Part]>,
        /// The values for `False` and `True`.
        flags: [usize; 2],
    },
    Unique(Box<[Text]>),
}

/// What gives a text, or nothing.
enum Text {
    Attribute(Slot),
    Constant(Box<str>),
    /// `count` units from the unit `start` on.
    Cut {
        source: Slot,
        start: usize,
        count: usize,
    },
    /// The item of a list, from 0.
    Item {
        source: Slot,
        index: usize,
    },
    /// A text and what is put behind it.
    Append(Box<[Text; 2]>),
    /// Those that are not empty, with a text between them.
    Join {
        separator: Box<str>,
        pieces: Box<[Text]>,
    },
    /// A text of ASCII in another case.
    Case {
        source: Box<Text>,
        bytes: Bytes,
    },
    /// Pieces put together and walked over; with `plain`, letters lose their marks first.
    Walk {
        pieces: Box<[Text]>,
        table: Box<Table>,
        plain: bool,
    },
    Prepared {
        source: Box<Text>,
        prepared: Arc<dyn Prepared>,
    },
}

/// What is true or false of an attribute.
enum Test {
    Null(Slot),
    Empty(Slot),
    Equals(Slot, Box<str>),
    Not(Box<Test>),
}

impl std::fmt::Debug for Quick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quick")
    }
}

impl Quick {
    /// The short way of an expression; none for a lone attribute or constant, which have no need of one.
    pub(super) fn of(root: &Node) -> Option<Quick> {
        match root.kind {
            NodeKind::Attribute(_) | NodeKind::Constant(_) => None,
            _ => Part::of(root).map(Quick),
        }
    }

    /// Writes the value to `out`; `false` when only the tree can tell.
    #[inline]
    pub(crate) fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> bool {
        let mut why = Why::Odd;
        *out = match (self.text(slots, context, &mut why), why) {
            (Some(text), _) => Value::Text(text),
            (None, Why::Absent) => Value::Absent,
            (None, Why::Null) => Value::Null,
            (None, Why::Odd | Why::Fails) => return false,
        };
        true
    }

    /// The text, in registers: a value that is copied just after it was written stalls the processor. `None` for nothing else
    /// than what `why` says then.
    #[inline]
    pub(crate) fn text<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, why: &mut Why) -> Option<&'a str> {
        self.0.text(slots, context, why)
    }
}

/// Why there is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The value is one that is not there.
    Absent,
    Null,
    /// Only the tree can tell.
    Odd,
    /// The tree fails, for certain: which fault it is, it alone says.
    Fails,
}

impl Why {
    fn is_nothing(self) -> bool {
        matches!(self, Why::Absent | Why::Null)
    }
}

/// No text, and why.
#[inline]
fn none<'a>(why: &mut Why, because: Why) -> Option<&'a str> {
    *why = because;
    None
}

impl Part {
    fn of(node: &Node) -> Option<Part> {
        let boxed = |node: &Node| Part::of(node).map(Box::new);
        Some(match &node.kind {
            NodeKind::Omitted => Part::Omitted,
            NodeKind::Attribute(slot) => Part::Attribute(*slot),
            NodeKind::Constant(Constant::Null) => Part::Null,
            NodeKind::Coalesce(sources) => Part::Coalesce(sources.iter().map(Part::of).collect::<Option<_>>()?),
            NodeKind::If { condition, then, otherwise } => {
                Part::If { test: Test::of(condition)?, then: boxed(then)?, otherwise: boxed(otherwise)? }
            }
            NodeKind::Switch { source, default, cases } => {
                let keys =
                    cases.iter().map(|(key, _)| constant(key).map(Box::from)).collect::<Option<Box<[Box<str>]>>>()?;
                let values = cases.iter().map(|(_, value)| value).chain([&**default]);
                let values = values.map(Part::of).collect::<Option<_>>()?;
                let flags = ["False", "True"].map(|text| place_of(&keys, text));
                Part::Switch { source: attribute(source)?, keys, values, flags }
            }
            NodeKind::Unique(rules) => Part::Unique(rules.iter().map(Text::of).collect::<Option<_>>()?),
            _ => Part::Text(Text::of(node)?),
        })
    }

    #[inline]
    fn text<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, why: &mut Why) -> Option<&'a str> {
        match self {
            Part::Text(text) => text.text(slots, context, why),
            Part::Attribute(slot) => match slots.get(slot.index()) {
                Some(Value::Text(text)) => Some(text),
                None | Some(Value::Absent) => none(why, Why::Absent),
                Some(Value::Null) => none(why, Why::Null),
                Some(_) => none(why, Why::Odd),
            },
            _ => self.choose(slots, context, why),
        }
    }

    #[inline(never)]
    fn choose<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, why: &mut Why) -> Option<&'a str> {
        match self {
            Part::Omitted => none(why, Why::Absent),
            Part::Null => none(why, Why::Null),
            Part::Coalesce(sources) => {
                for source in sources {
                    match source.text(slots, context, why) {
                        None if why.is_nothing() => {}
                        decided => return decided,
                    }
                }
                none(why, Why::Null)
            }
            Part::If { test, then, otherwise } => match test.holds(slots) {
                Some(true) => then.text(slots, context, why),
                Some(false) => otherwise.text(slots, context, why),
                None => none(why, Why::Odd),
            },
            Part::Switch { source, keys, values, flags: [no, yes] } => {
                let place = match slots.get(source.index()) {
                    Some(Value::Text(text)) => place_of(keys, text),
                    Some(Value::Bool(true)) => *yes,
                    Some(Value::Bool(false)) => *no,
                    None | Some(Value::Absent | Value::Null) => place_of(keys, ""),
                    Some(_) => return none(why, Why::Odd),
                };
                match values.get(place) {
                    Some(value) => value.text(slots, context, why),
                    None => none(why, Why::Odd),
                }
            }
            Part::Unique(candidates) => {
                let mut any = false;
                for candidate in candidates {
                    match candidate.text(slots, context, why) {
                        Some("") => {}
                        Some(text) if !context.env.taken.is_taken(text) => return Some(text),
                        Some(_) => any = true,
                        None if why.is_nothing() => {}
                        None => return None,
                    }
                }
                none(why, if any { Why::Fails } else { Why::Null })
            }
            // `text` has these.
            Part::Text(_) | Part::Attribute(_) => none(why, Why::Odd),
        }
    }
}

impl Text {
    fn of(node: &Node) -> Option<Text> {
        Some(match &node.kind {
            NodeKind::Attribute(slot) => Text::Attribute(*slot),
            NodeKind::Constant(Constant::Text(text)) => Text::Constant(text.clone()),
            NodeKind::Chain { source, bytes, chain, .. } => {
                let source = Text::of(source)?;
                let plain = first_call(chain) == Some("NormalizeDiacritics");
                match bytes {
                    Bytes::Lower | Bytes::Upper if !plain => {
                        Text::Case { source: Box::new(source), bytes: bytes.clone() }
                    }
                    _ => {
                        let pieces = match source {
                            Text::Append(both) => (*both).into(),
                            other => Box::new([other]) as Box<[Text]>,
                        };
                        Text::Walk { pieces, table: Box::new(bytes.to_table()), plain }
                    }
                }
            }
            NodeKind::Prepared { prepared, arguments, .. } => {
                let (source, rest) = arguments.split_first()?;
                (prepared.is_quick() && rest.iter().all(is_constant)).then_some(())?;
                Text::Prepared { source: Box::new(Text::of(source)?), prepared: Arc::clone(prepared) }
            }
            NodeKind::Call { spec, arguments, .. } => Text::of_call(spec.name, arguments)?,
            _ => return None,
        })
    }

    fn of_call(name: &str, arguments: &[Node]) -> Option<Text> {
        Some(match (name, arguments) {
            ("Left", [source, count]) => Text::Cut { source: attribute(source)?, start: 0, count: whole(count)? },
            ("Mid", [source, start, count]) => {
                Text::Cut { source: attribute(source)?, start: whole(start)?.checked_sub(1)?, count: whole(count)? }
            }
            ("Item", [source, index]) => {
                Text::Item { source: attribute(source)?, index: whole(index)?.checked_sub(1)? }
            }
            ("Append", [source, suffix]) => Text::Append(Box::new([Text::of(source)?, Text::of(suffix)?])),
            ("Join", [separator, sources @ ..]) if sources.len() <= MOST_PIECES => Text::Join {
                separator: constant(separator)?.into(),
                pieces: sources.iter().map(Text::of).collect::<Option<_>>()?,
            },
            _ => return None,
        })
    }

    /// The text; nothing is null.
    #[inline]
    fn text<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, why: &mut Why) -> Option<&'a str> {
        match self {
            Text::Attribute(slot) => match slots.get(slot.index()) {
                Some(Value::Text(text)) => Some(text),
                None | Some(Value::Absent | Value::Null) => none(why, Why::Null),
                Some(_) => none(why, Why::Odd),
            },
            Text::Constant(text) => Some(text),
            Text::Cut { source, start, count } => match or_empty(slots, *source) {
                Some(text) => Some(utf16::mid(text, *start, *count)),
                None => none(why, Why::Odd),
            },
            Text::Item { source, index } => match slots.get(source.index()) {
                Some(Value::List(items)) => match items.get(*index) {
                    Some(Value::Text(text)) => Some(text),
                    Some(_) => none(why, Why::Odd),
                    None => none(why, if items.is_empty() { Why::Null } else { Why::Fails }),
                },
                Some(Value::Text(text)) if *index == 0 => Some(text),
                Some(Value::Text(_)) => none(why, Why::Fails),
                None | Some(Value::Absent | Value::Null) => none(why, Why::Null),
                Some(_) => none(why, Why::Odd),
            },
            Text::Case { source, bytes } => {
                let text = source.text(slots, context, why)?;
                *why = Why::Odd;
                bytes.apply(context.arena, text)
            }
            _ => self.made(slots, context, why),
        }
    }

    /// The texts that take more than a look. By themselves, so that the way to the others stays short.
    #[inline(never)]
    fn made<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, why: &mut Why) -> Option<&'a str> {
        match self {
            Text::Append(both) => {
                let [source, suffix] = &**both;
                let Some(source) = source.text(slots, context, why) else {
                    return without_first([suffix], slots, why);
                };
                let suffix = suffix.or_empty(slots, context, why)?;
                *why = Why::Odd;
                join(context, "", source, suffix)
            }
            Text::Join { separator, pieces } => {
                let mut all = "";
                for piece in pieces {
                    let piece = piece.or_empty(slots, context, why)?;
                    *why = Why::Odd;
                    all = join(context, separator, all, piece)?;
                }
                Some(all)
            }
            Text::Walk { pieces, table, plain } => {
                let (first, rest) = pieces.split_first()?;
                let Some(first) = first.text(slots, context, why) else {
                    return without_first(rest, slots, why);
                };
                let second = match rest {
                    [] => "",
                    [second, ..] => second.or_empty(slots, context, why)?,
                };
                *why = Why::Odd;
                // What would be too long for a run is the tree's to say.
                let fits = first.len() + second.len() <= context.env.limits.output;
                if fits { table.walk([first, second], *plain, context.arena) } else { None }
            }
            Text::Prepared { source, prepared } => {
                let text = source.text(slots, context, why)?;
                *why = Why::Odd;
                prepared.quick(context, text)
            }
            // `text` has these.
            Text::Attribute(_) | Text::Constant(_) | Text::Cut { .. } | Text::Item { .. } | Text::Case { .. } => {
                none(why, Why::Odd)
            }
        }
    }

    /// The text as a piece of another: nothing is as good as `""`.
    #[inline]
    fn or_empty<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, why: &mut Why) -> Option<&'a str> {
        match self {
            Text::Attribute(slot) => match or_empty(slots, *slot) {
                None => none(why, Why::Odd),
                text => text,
            },
            other => match other.text(slots, context, why) {
                None if why.is_nothing() => Some(""),
                text => text,
            },
        }
    }
}

impl Text {
    /// Whether it is known to be a text or nothing: what stands behind nothing fails all the same when it is neither.
    fn is_readable(&self, slots: &[Value<'_>]) -> bool {
        match self {
            Text::Attribute(slot) | Text::Cut { source: slot, .. } => or_empty(slots, *slot).is_some(),
            Text::Constant(_) => true,
            _ => false,
        }
    }
}

impl Test {
    fn of(node: &Node) -> Option<Test> {
        match &node.kind {
            NodeKind::Call { spec, arguments, .. } => {
                let [only] = &**arguments else { return None };
                match spec.name {
                    "IsNull" => Some(Test::Null(attribute(only)?)),
                    "IsNullOrEmpty" => Some(Test::Empty(attribute(only)?)),
                    "IsPresent" => Some(Test::Not(Box::new(Test::Empty(attribute(only)?)))),
                    "Not" => Some(Test::Not(Box::new(Test::of(only)?))),
                    _ => None,
                }
            }
            NodeKind::Compare { order, left, right } => {
                let equals = Test::Equals(attribute(left)?, constant(right)?.into());
                match order {
                    Order::Equal => Some(equals),
                    Order::NotEqual => Some(Test::Not(Box::new(equals))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// `None` when only the tree can tell.
    fn holds(&self, slots: &[Value<'_>]) -> Option<bool> {
        let value = |slot: &Slot| slots.get(slot.index()).copied().unwrap_or_default();
        match self {
            Test::Null(slot) | Test::Empty(slot) if matches!(value(slot), Value::Ignored(_)) => None,
            Test::Null(slot) => Some(value(slot).is_null()),
            Test::Empty(slot) => Some(value(slot).is_empty()),
            Test::Equals(slot, text) => Some(or_empty(slots, *slot)? == &**text),
            Test::Not(test) => Some(!test.holds(slots)?),
        }
    }
}

/// The text of an attribute, `""` for nothing; `None` for any other value.
#[inline]
fn or_empty<'a>(slots: &'a [Value<'a>], slot: Slot) -> Option<&'a str> {
    match slots.get(slot.index()) {
        Some(Value::Text(text)) => Some(text),
        None | Some(Value::Absent | Value::Null) => Some(""),
        Some(_) => None,
    }
}

/// What comes of a text put together whose first piece has none: null where that is nothing, but what stands behind nothing fails
/// all the same when it is neither a text nor nothing.
#[cold]
fn without_first<'t, 'a>(
    rest: impl IntoIterator<Item = &'t Text>,
    slots: &[Value<'_>],
    why: &mut Why,
) -> Option<&'a str> {
    if why.is_nothing() && !rest.into_iter().all(|piece| piece.is_readable(slots)) {
        *why = Why::Odd;
    }
    None
}

/// Both with the separator between them; one that is empty is left out, and the other is borrowed. `None` when it is too long.
#[inline]
fn join<'a>(context: &Context<'a>, separator: &str, first: &'a str, second: &'a str) -> Option<&'a str> {
    if second.is_empty() {
        return Some(first);
    }
    if first.is_empty() {
        return Some(second);
    }
    let length = first.len() + separator.len() + second.len();
    if length > QUICK_TEXT.min(context.env.limits.output) {
        return None;
    }
    let mut text = context.arena.builder(length);
    text.push_str(first);
    match separator.as_bytes() {
        [byte] => text.push(char::from(byte & 0x7F)),
        _ => text.push_str(separator),
    }
    text.push_str(second);
    Some(text.into_bump_str())
}

/// The function of a chain that has the first turn.
fn first_call(chain: &Node) -> Option<&'static str> {
    match &chain.kind {
        NodeKind::Chain { source, chain, .. } => match source.kind {
            NodeKind::Piped => first_call(chain),
            _ => first_call(source),
        },
        NodeKind::Call { spec, arguments, .. } | NodeKind::Prepared { spec, arguments, .. } => {
            match arguments.first()?.kind {
                NodeKind::Piped => Some(spec.name),
                _ => first_call(arguments.first()?),
            }
        }
        _ => None,
    }
}

/// The place of a key; the number of keys when there is none.
fn place_of(keys: &[Box<str>], text: &str) -> usize {
    keys.iter().position(|key| **key == *text).unwrap_or(keys.len())
}

fn attribute(node: &Node) -> Option<Slot> {
    if let NodeKind::Attribute(slot) = node.kind { Some(slot) } else { None }
}

fn constant(node: &Node) -> Option<&str> {
    if let NodeKind::Constant(Constant::Text(text)) = &node.kind { Some(text) } else { None }
}

fn is_constant(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Constant(_) | NodeKind::Omitted)
}

fn whole(node: &Node) -> Option<usize> {
    match node.kind {
        NodeKind::Constant(Constant::Integer(number)) => usize::try_from(number).ok(),
        _ => None,
    }
}
