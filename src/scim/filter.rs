//! Filters that were compiled for a resource type and are asked about resources (RFC 7644, section 3.4.2.2).
//!
//! Compiling looks every name up and checks that every comparison makes sense, so that asking cannot fail: a filter with an
//! unknown attribute is an error and never one that matches nothing or everything. `filter/compile.rs` compiles.

mod compile;

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::compare::{Timestamp, field, fold, is_empty, order_numbers, order_text, same_text};
use super::error::ScimError;
use super::path::{Filter, Operator};
use super::peer::{Tolerance, Tolerances};
use super::schema::{Attribute, ResourceSchema};
use super::{path, place};

/// A filter that can be asked whether it holds for a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    pub(super) node: Node,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

/// A question about the values that a path leads to: does one of them pass?
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Test {
    /// The extension under which the attribute stands.
    pub(super) urn: Option<String>,
    /// The attribute; `None` is the element itself, which in a list of plain values is called `value`.
    pub(super) attribute: Option<String>,
    /// Which elements of it.
    pub(super) selector: Option<Box<Node>>,
    /// The sub-attribute.
    pub(super) sub: Option<String>,
    /// The question.
    pub(super) check: Check,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Check {
    /// Is it one at all?
    Present,
    /// How does it compare as text? Folded already unless `exact`.
    Text { operator: Operator, value: String, exact: bool },
    /// Is it this truth?
    Boolean(bool),
    /// How does it compare as a number?
    Number { operator: Operator, value: serde_json::Number },
    /// How does it compare as a point in time?
    Time { operator: Operator, value: Timestamp },
}

impl Matcher {
    /// Reads and compiles a filter.
    ///
    /// # Errors
    /// 400 `invalidFilter` when the text is no filter or over the limits of [`path::MAX_LENGTH`] and
    /// [`path::MAX_NESTING`], when an attribute is unknown or not for reading, and when a comparison makes no sense.
    pub fn parse(text: &str, resource: &ResourceSchema, tolerances: Tolerances) -> Result<Self, ScimError> {
        let read = if tolerances.has(Tolerance::UnquotedFilterValue) {
            path::parse_filter_lenient
        } else {
            path::parse_filter
        };
        let filter = read(text).map_err(|error| ScimError::from_filter(&error))?;
        each_path(&filter, &mut |path| place::check_dot(text, path, tolerances))
            .map_err(|error| ScimError::from_filter(&error))?;
        Self::compile(&filter, resource, tolerances)
    }

    /// Compiles a filter.
    ///
    /// # Errors
    /// 400 `invalidFilter` when an attribute is unknown or not for reading, and when a comparison makes no sense.
    pub fn compile(filter: &Filter, resource: &ResourceSchema, tolerances: Tolerances) -> Result<Self, ScimError> {
        compile::resource(filter, resource, tolerances).map(|node| Self { node })
    }

    /// Compiles what stands in the brackets behind an attribute.
    pub(super) fn of_elements(filter: &Filter, attribute: &Attribute, t: Tolerances) -> Result<Self, ScimError> {
        compile::elements(filter, attribute, t).map(|node| Self { node })
    }

    /// Whether the filter holds for the resource, whose names are spelled as the schema spells them.
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        self.node.holds(Subject::Fields(resource))
    }

    /// Whether the filter of an element holds for it.
    pub fn matches_element(&self, element: &Value) -> bool {
        self.node.holds(Subject::of(element))
    }

    /// Whether the filter asks about the core attribute of that name, letter case aside. Who keeps an attribute elsewhere,
    /// as the members of groups, adds it to the resource before asking.
    pub fn reads(&self, attribute: &str) -> bool {
        self.node.reads(attribute)
    }
}

/// Calls for every path of a filter.
fn each_path<E>(filter: &Filter, call: &mut impl FnMut(&path::Path) -> Result<(), E>) -> Result<(), E> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|part| each_path(part, call)),
        Filter::Not(inner, _) => each_path(inner, call),
        Filter::Compare { path, .. } | Filter::Present { path, .. } | Filter::Element(path) => call(path),
    }
}

/// What a filter is asked about.
#[derive(Clone, Copy)]
enum Subject<'v> {
    Fields(&'v Map<String, Value>),
    Plain(&'v Value),
}

impl<'v> Subject<'v> {
    fn of(value: &'v Value) -> Self {
        match value {
            Value::Object(fields) => Self::Fields(fields),
            other => Self::Plain(other),
        }
    }
}

impl Node {
    fn holds(&self, subject: Subject<'_>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(subject)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(subject)),
            Self::Not(inner) => !inner.holds(subject),
            Self::Test(test) => test.holds(subject),
        }
    }

    fn reads(&self, name: &str) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.reads(name)),
            Self::Not(inner) => inner.reads(name),
            Self::Test(test) => {
                test.urn.is_none()
                    && test.attribute.as_deref().is_some_and(|attribute| attribute.eq_ignore_ascii_case(name))
            }
        }
    }
}

impl Test {
    fn holds(&self, subject: Subject<'_>) -> bool {
        match (subject, self.attribute.as_deref()) {
            (Subject::Plain(value), None) => self.check.holds(value),
            // A plain element has no other parts than itself, an object is not plain.
            (Subject::Plain(_), Some(_)) => false,
            (Subject::Fields(fields), None) => fields.get("value").is_some_and(|value| self.check.holds(value)),
            (Subject::Fields(fields), Some(attribute)) => {
                let fields = match self.urn.as_deref() {
                    Some(urn) => field(fields, urn).and_then(Value::as_object),
                    None => Some(fields),
                };
                match fields.and_then(|fields| field(fields, attribute)) {
                    Some(Value::Array(items)) => items.iter().any(|item| self.element_holds(item)),
                    Some(value) => self.element_holds(value),
                    None => false,
                }
            }
        }
    }

    fn element_holds(&self, element: &Value) -> bool {
        if let Some(selector) = &self.selector
            && !selector.holds(Subject::of(element))
        {
            return false;
        }
        let value = match (self.sub.as_deref(), element) {
            (Some(sub), Value::Object(fields)) => field(fields, sub),
            // A list of plain values may be asked for its `value`.
            (Some("value"), other) if !other.is_object() => Some(other),
            (Some(_), _) => None,
            (None, element) => Some(element),
        };
        match value {
            Some(Value::Array(items)) => items.iter().any(|item| self.check.holds(item)),
            Some(value) => self.check.holds(value),
            None => false,
        }
    }
}

impl Check {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Present => !is_empty(value),
            Self::Boolean(truth) => match value {
                Value::Bool(found) => found == truth,
                Value::String(text) => super::compare::boolean_text(text) == Some(*truth),
                _ => false,
            },
            Self::Text { operator, value: wanted, exact } => match value {
                Value::String(text) => text_holds(*operator, text, wanted, *exact),
                // Attributes of any type hold numbers too, and filters quote them.
                Value::Number(number) => text_holds(*operator, &number.to_string(), wanted, *exact),
                _ => false,
            },
            Self::Number { operator, value: wanted } => match value {
                Value::Number(number) => order_numbers(number, wanted).is_some_and(|order| ordered(*operator, order)),
                Value::String(text) => text
                    .parse::<serde_json::Number>()
                    .is_ok_and(|number| order_numbers(&number, wanted).is_some_and(|order| ordered(*operator, order))),
                _ => false,
            },
            Self::Time { operator, value: wanted } => {
                value.as_str().and_then(Timestamp::parse).is_some_and(|found| ordered(*operator, found.cmp(wanted)))
            }
        }
    }
}

fn text_holds(operator: Operator, text: &str, wanted: &str, exact: bool) -> bool {
    let piece = |test: fn(&str, &str) -> bool| if exact { test(text, wanted) } else { test(&fold(text), wanted) };
    match operator {
        Operator::Equal | Operator::NotEqual => same_text(text, wanted, exact),
        Operator::Contains => piece(|text, wanted| text.contains(wanted)),
        Operator::StartsWith => piece(|text, wanted| text.starts_with(wanted)),
        Operator::EndsWith => piece(|text, wanted| text.ends_with(wanted)),
        _ => ordered(operator, order_text(text, wanted, exact)),
    }
}

/// Whether the order is what the operator wants. `ne` is compiled to a `not` around `eq`.
fn ordered(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        _ => order.is_eq(),
    }
}
