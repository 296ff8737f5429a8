//! [`Shape`]: the payload's skeleton, built once. Writing a payload walks it and fills in the rules' values.

use std::ops::Range;

use crate::scim::{ConstValue, Step};
use crate::value::{Value, write_json, write_json_string, write_plain_json_string};

/// A node of the skeleton.
#[derive(Debug)]
pub(super) enum Shape {
    /// The value of the rule with this number.
    Rule(usize),
    Object(Vec<Member>),
    /// The elements of a list, each with what tells it from the others.
    List(Vec<(Mark, Shape)>),
}

#[derive(Debug)]
pub(super) struct Member {
    /// `"name":`, ready to be written.
    key: Box<[u8]>,
    name: Box<str>,
    shape: Shape,
}

/// What tells an element of a list from the others.
#[derive(Debug, PartialEq)]
pub(super) enum Mark {
    /// These values stand in it; written as `"type":"work"`, ready.
    Constants(Vec<(String, ConstValue)>, Box<[u8]>),
    Index(usize),
}

/// Why a rule's place cannot be added: another rule writes it, or writes above or below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Collision;

fn key_bytes(name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(name.len() + 3);
    write_json_string(name, &mut key);
    key.push(b':');
    key.into()
}

fn constant_value(value: &ConstValue) -> Value<'_> {
    match value {
        ConstValue::String(text) => Value::Text(text),
        ConstValue::Boolean(flag) => Value::Bool(*flag),
        ConstValue::Integer(number) => Value::Integer(*number),
        ConstValue::Decimal(number) => Value::Decimal(*number),
    }
}

fn mark(constants: &[(String, ConstValue)]) -> Mark {
    let mut written = Vec::new();
    for (name, value) in constants {
        written.push(b',');
        written.extend_from_slice(&key_bytes(name));
        write_json(constant_value(value), &mut written);
    }
    Mark::Constants(constants.to_vec(), written.into())
}

impl Shape {
    /// An object without members.
    pub(super) fn new() -> Shape {
        Shape::Object(Vec::new())
    }

    /// Adds the place of a rule.
    pub(super) fn insert(&mut self, schema: Option<&str>, steps: &[Step], rule: usize) -> Result<(), Collision> {
        match schema {
            None => self.place(steps, rule),
            Some(urn) => self.member(urn)?.place(steps, rule),
        }
    }

    fn place(&mut self, steps: &[Step], rule: usize) -> Result<(), Collision> {
        let Some((step, rest)) = steps.split_first() else {
            // A fresh node is an object without members; anything else is taken.
            return match self {
                Shape::Object(members) if members.is_empty() => {
                    *self = Shape::Rule(rule);
                    Ok(())
                }
                _ => Err(Collision),
            };
        };
        match step {
            Step::Key(name) => self.member(name)?.place(rest, rule),
            Step::Element { constants } => {
                let same = |known: &Mark| match known {
                    Mark::Constants(known, _) => {
                        known.len() == constants.len() && constants.iter().all(|constant| known.contains(constant))
                    }
                    Mark::Index(_) => false,
                };
                self.element(same, || mark(constants))?.place(rest, rule)
            }
            Step::Index(index) => {
                self.element(|known| *known == Mark::Index(*index), || Mark::Index(*index))?.place(rest, rule)
            }
        }
    }

    fn member(&mut self, name: &str) -> Result<&mut Shape, Collision> {
        let Shape::Object(members) = self else { return Err(Collision) };
        let at = match members.iter().position(|member| *member.name == *name) {
            Some(at) => at,
            None => {
                members.push(Member { key: key_bytes(name), name: name.into(), shape: Shape::new() });
                members.len() - 1
            }
        };
        members.get_mut(at).map(|member| &mut member.shape).ok_or(Collision)
    }

    fn element(&mut self, same: impl Fn(&Mark) -> bool, make: impl Fn() -> Mark) -> Result<&mut Shape, Collision> {
        if matches!(self, Shape::Object(members) if members.is_empty()) {
            *self = Shape::List(Vec::new());
        }
        let Shape::List(elements) = self else { return Err(Collision) };
        let at = match elements.iter().position(|(known, _)| same(known)) {
            Some(at) => at,
            None => {
                elements.push((make(), Shape::new()));
                elements.len() - 1
            }
        };
        elements.get_mut(at).map(|(_, shape)| shape).ok_or(Collision)
    }

    /// Puts list elements given by index in the order of the indexes.
    pub(super) fn finish(&mut self) {
        match self {
            Shape::Rule(_) => {}
            Shape::Object(members) => members.iter_mut().for_each(|member| member.shape.finish()),
            Shape::List(elements) => {
                elements.sort_by_key(|(mark, _)| if let Mark::Index(index) = mark { *index } else { 0 });
                for (_, shape) in elements {
                    shape.finish();
                }
            }
        }
    }

    /// Writes the object with `first` (`"schemas":[…]`, or nothing) in front of its members.
    pub(super) fn write_top(&self, first: &[u8], writer: &Writer<'_>, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(first);
        if let Shape::Object(members) = self {
            writer.members(members, !first.is_empty(), out);
        }
        out.push(b'}');
    }
}

/// Whether a part of the payload was written, and by what.
#[derive(Clone, Copy, Default)]
struct Written {
    /// By a rule with a program.
    program: bool,
    /// By a rule with a constant.
    constant: bool,
    /// A rule with a program could have written and had no value.
    missing: bool,
}

impl Written {
    /// A part is kept for its programs' values; for constants alone only when nothing else could have filled it.
    fn keep(self) -> bool {
        self.program || self.constant && !self.missing
    }

    fn and(self, other: Written) -> Written {
        Written {
            program: self.program || other.program,
            constant: self.constant || other.constant,
            missing: self.missing || other.missing,
        }
    }
}

/// The values to fill in.
pub(super) struct Writer<'w> {
    /// By rule; only values that are sent.
    pub(super) values: &'w [Value<'w>],
    /// By rule: whether it is a constant.
    pub(super) constants: &'w [bool],
    /// Whether `""` is sent.
    pub(super) send_empty: bool,
    /// Where the record's text lies, if it is one of JSON.
    pub(super) record: Range<usize>,
}

impl Writer<'_> {
    /// Whether a rule's value goes into the payload.
    pub(super) fn sends(&self, value: Value<'_>) -> bool {
        match value {
            Value::Absent | Value::Null | Value::Ignored(_) => false,
            Value::Text("") => self.send_empty,
            Value::List(items) => !items.is_empty(),
            _ => true,
        }
    }

    #[inline]
    fn value(&self, value: Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Text(text) if self.record.contains(&text.as_ptr().addr()) => {
                write_plain_json_string(text, out);
            }
            value => write_json(value, out),
        }
    }

    /// The value of a rule, and whether it is sent: then the part is kept.
    #[inline]
    fn leaf(&self, rule: usize) -> (Value<'_>, Written) {
        let value = self.values.get(rule).copied().unwrap_or_default();
        let constant = self.constants.get(rule).copied().unwrap_or_default();
        let sent = self.sends(value);
        (value, Written { program: sent && !constant, constant: sent && constant, missing: !sent && !constant })
    }

    fn members(&self, members: &[Member], comma: bool, out: &mut Vec<u8>) -> Written {
        let mut comma = comma;
        let mut all = Written::default();
        for member in members {
            if let Shape::Rule(rule) = member.shape {
                // Most members: whether there is a value is known before anything is written.
                let (value, written) = self.leaf(rule);
                if written.keep() {
                    if comma {
                        out.push(b',');
                    }
                    out.extend_from_slice(&member.key);
                    self.value(value, out);
                    comma = true;
                }
                all = all.and(written);
                continue;
            }
            let before = out.len();
            if comma {
                out.push(b',');
            }
            out.extend_from_slice(&member.key);
            let written = self.shape(&member.shape, out);
            all = all.and(written);
            if written.keep() {
                comma = true;
            } else {
                out.truncate(before);
            }
        }
        all
    }

    fn shape(&self, shape: &Shape, out: &mut Vec<u8>) -> Written {
        match shape {
            Shape::Rule(rule) => {
                let (value, written) = self.leaf(*rule);
                if written.keep() {
                    self.value(value, out);
                }
                written
            }
            Shape::Object(members) => {
                out.push(b'{');
                let written = self.members(members, false, out);
                out.push(b'}');
                written
            }
            Shape::List(elements) => {
                out.push(b'[');
                let mut all = Written::default();
                let mut comma = false;
                for (mark, shape) in elements {
                    let before = out.len();
                    if comma {
                        out.push(b',');
                    }
                    let written = self.shape(shape, out);
                    if written.keep() {
                        comma = true;
                        if let (Mark::Constants(_, constants), Some(b'}')) = (mark, out.last()) {
                            out.pop();
                            out.extend_from_slice(constants);
                            out.push(b'}');
                        }
                        all = all.and(Written { missing: false, ..written });
                    } else {
                        out.truncate(before);
                        all.missing |= written.missing;
                    }
                }
                out.push(b']');
                all
            }
        }
    }
}
