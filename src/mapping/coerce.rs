//! Turns a program's value into what its target takes.

use crate::function::{Fallible, Fault};
use crate::scim::AttributeType;
use crate::text::Code;
use crate::value::{Arena, Value, parse_integer};

/// What a target takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coercion {
    kind: Kind,
    multi_valued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it is: a JSON target, or an attribute of any type.
    Keep,
    Text,
    Boolean,
    Integer,
    Decimal,
    /// A complex value; of a list, a text stands for `{"value": text}`, as in `members`.
    Complex,
}

impl Coercion {
    /// Nothing is changed.
    pub(super) const KEEP: Coercion = Coercion { kind: Kind::Keep, multi_valued: false };

    /// Whether a text is what it takes, as it is.
    pub(super) fn takes_text(self) -> bool {
        self.kind == Kind::Keep || self.kind == Kind::Text && !self.multi_valued
    }

    /// The boolean that a text is, where it takes one and the text is as .NET writes it.
    #[inline]
    pub(super) fn flag(self, text: &str) -> Option<bool> {
        match text {
            _ if self.kind != Kind::Boolean || self.multi_valued => None,
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }

    /// For a place in a SCIM payload.
    pub(super) fn scim(kind: AttributeType, multi_valued: bool) -> Coercion {
        let kind = match kind {
            AttributeType::Boolean => Kind::Boolean,
            AttributeType::Integer => Kind::Integer,
            AttributeType::Decimal => Kind::Decimal,
            AttributeType::Complex => Kind::Complex,
            AttributeType::Any => Kind::Keep,
            AttributeType::String | AttributeType::DateTime | AttributeType::Reference | AttributeType::Binary => {
                Kind::Text
            }
        };
        Coercion { kind, multi_valued }
    }

    /// The value as the target takes it; nothing and empty stay what they are.
    #[inline]
    pub(super) fn apply<'a>(self, value: Value<'a>, arena: &'a Arena) -> Fallible<Value<'a>> {
        match (self.kind, value) {
            // What most rules give to most targets.
            (Kind::Text, Value::Text(text)) if !self.multi_valued => Ok(Value::Text(text)),
            (_, Value::Absent | Value::Null) => Ok(Value::Null),
            _ => self.convert(value, arena),
        }
    }

    fn convert<'a>(self, value: Value<'a>, arena: &'a Arena) -> Fallible<Value<'a>> {
        match (self.kind, value) {
            (Kind::Keep, _) | (_, Value::Absent | Value::Null | Value::Ignored(_)) => Ok(value),
            (_, Value::List(items)) if self.multi_valued => {
                let mut list = arena.list(items.len());
                for item in items {
                    if !item.is_empty() {
                        list.push(self.single(*item, arena)?);
                    }
                }
                Ok(Value::List(list.into_bump_slice()))
            }
            (Kind::Text, Value::Text("")) if !self.multi_valued => Ok(value),
            // An empty text is no boolean, no number and no element of a list.
            (_, Value::Text("")) => Ok(Value::Null),
            _ if self.multi_valued => {
                let single = self.single(value, arena)?;
                Ok(Value::List(arena.slice(&[single])))
            }
            (_, Value::List([])) => Ok(Value::Null),
            (_, Value::List([only])) => self.convert(*only, arena),
            (_, Value::List(items)) => {
                Err(wrong(format!("a list of {} values cannot be the value of a single-valued target", items.len())))
            }
            _ => self.single(value, arena),
        }
    }

    fn single<'a>(self, value: Value<'a>, arena: &'a Arena) -> Fallible<Value<'a>> {
        let text = || value.text(arena).map(str::trim);
        let converted = match self.kind {
            Kind::Keep => Some(value),
            Kind::Text => value.text(arena).map(Value::Text),
            Kind::Boolean => match value {
                Value::Bool(_) => Some(value),
                _ => text().and_then(|text| {
                    if text.eq_ignore_ascii_case("true") || text == "1" {
                        Some(Value::Bool(true))
                    } else if text.eq_ignore_ascii_case("false") || text == "0" {
                        Some(Value::Bool(false))
                    } else {
                        None
                    }
                }),
            },
            Kind::Integer => text().and_then(parse_integer).map(Value::Integer),
            Kind::Decimal => match value {
                Value::Integer(_) | Value::Decimal(_) => Some(value),
                _ => text()
                    .and_then(|text| text.parse().ok())
                    .filter(|number: &f64| number.is_finite())
                    .map(Value::Decimal),
            },
            Kind::Complex => match value {
                Value::Object(_) => Some(value),
                _ if self.multi_valued => {
                    value.text(arena).map(|text| Value::Object(arena.slice(&[("value", Value::Text(text))])))
                }
                _ => None,
            },
        };
        converted.ok_or_else(|| {
            let shown = crate::value::Shown(value).to_string();
            wrong(match self.kind {
                Kind::Boolean => format!("{shown} is neither True nor False, and the target is a boolean"),
                Kind::Integer => format!("{shown} is not a whole number, and the target is an integer"),
                Kind::Decimal => format!("{shown} is not a number, and the target is one"),
                Kind::Complex => format!("{shown} is not a complex value, and the target is one"),
                Kind::Keep | Kind::Text => format!("{} cannot be the value of a text target", value.describe()),
            })
        })
    }
}

#[cold]
fn wrong(words: String) -> Box<Fault> {
    Fault::new(Code::TargetConversion, words)
}
