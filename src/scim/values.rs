//! Values as the schema has them: types checked, names spelled, what is no value left out (RFC 7643, sections 2.3 to 2.5).

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde_json::{Map, Value};

use super::compare::{boolean_text, fold, is_empty};
use super::error::ScimError;
use super::peer::{Tolerance, Tolerances};
use super::schema::{Attribute, AttributeType};

/// How deep an [`AttributeType::Any`] value may nest.
const MAX_DEPTH: usize = 32;

/// A reader of values, and what it left out on the way.
pub(super) struct Reader {
    pub(super) tolerances: Tolerances,
    /// Names that no schema has.
    pub(super) ignored: Vec<String>,
}

impl Reader {
    pub(super) fn new(tolerances: Tolerances) -> Self {
        Self { tolerances, ignored: Vec::new() }
    }

    fn has(&self, tolerance: Tolerance) -> bool {
        self.tolerances.has(tolerance)
    }

    /// The value of an attribute; `None` when it has none. `name` is the attribute in errors.
    pub(super) fn read(
        &mut self,
        attribute: &Attribute,
        value: &Value,
        name: &dyn Display,
    ) -> Result<Option<Value>, ScimError> {
        if attribute.multi_valued {
            let items = self.list(attribute, value, name)?;
            return Ok((!items.is_empty()).then_some(Value::Array(items)));
        }
        match value {
            Value::Array(items) if attribute.kind != AttributeType::Any => match items.as_slice() {
                [] if self.has(Tolerance::ListForOne) => Ok(None),
                [one] if self.has(Tolerance::ListForOne) => self.one(attribute, one, name),
                _ => Err(wrong(attribute, value, name)),
            },
            value => self.one(attribute, value, name),
        }
    }

    /// The elements of a multi-valued attribute: none twice, one primary at most (RFC 7643, section 2.4).
    pub(super) fn list(
        &mut self,
        attribute: &Attribute,
        value: &Value,
        name: &dyn Display,
    ) -> Result<Vec<Value>, ScimError> {
        let one;
        let items = match value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(items) => items.as_slice(),
            other if self.has(Tolerance::OneForList) || self.is_nothing(other) => {
                one = [other.clone()];
                &one
            }
            other => {
                let message = format!("`{name}` takes a list, not {}", kind_of(other));
                return Err(ScimError::invalid_value(message));
            }
        };
        let mut list = Elements::new(attribute);
        for item in items {
            if let Some(item) = self.one(attribute, item, name)?.filter(|item| !is_shelf(attribute, item)) {
                list.add(item);
            }
        }
        if list.items.iter().filter(|item| is_primary(item)).count() > 1 {
            return Err(ScimError::invalid_value(format!("`{name}` has more than one primary value")));
        }
        Ok(list.items)
    }

    fn is_nothing(&self, value: &Value) -> bool {
        value.is_null() || self.has(Tolerance::EmptyText) && value.as_str() == Some("")
    }

    /// One value: of a single-valued attribute, or one element of a list.
    pub(super) fn one(
        &mut self,
        attribute: &Attribute,
        value: &Value,
        name: &dyn Display,
    ) -> Result<Option<Value>, ScimError> {
        use AttributeType::{Any, Binary, Boolean, Complex, DateTime, Decimal, Integer, Reference, String};
        if self.is_nothing(value) {
            return Ok(None);
        }
        let bad = || wrong(attribute, value, name);
        let read = match (attribute.kind, value) {
            (Any, value) => {
                if depth(value, MAX_DEPTH).is_none() {
                    return Err(ScimError::invalid_value(format!("`{name}` nests more than {MAX_DEPTH} deep")));
                }
                value.clone()
            }
            (Complex, Value::Object(fields)) => return self.complex(attribute, fields, name),
            (Complex, Value::String(_) | Value::Number(_))
                if self.has(Tolerance::BareValue) && attribute.sub("value").is_some() =>
            {
                // Ids may be sent as numbers; the sub-attribute says whether they are.
                let value = match (value, attribute.sub("value").map(|sub| sub.kind)) {
                    (Value::Number(number), Some(String)) => Value::String(number.to_string()),
                    (other, _) => other.clone(),
                };
                let fields = Map::from_iter([("value".to_owned(), value)]);
                return self.complex(attribute, &fields, name);
            }
            (String | Reference, Value::String(_)) => value.clone(),
            (Boolean, Value::Bool(_)) => value.clone(),
            (Boolean, Value::String(text)) if self.has(Tolerance::BooleanText) => {
                Value::Bool(boolean_text(text).ok_or_else(bad)?)
            }
            (Integer, Value::Number(number)) => match number.as_f64() {
                _ if number.is_i64() || number.is_u64() => value.clone(),
                // JSON does not tell 5.0 from 5.
                Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
                _ => return Err(bad()),
            },
            (Decimal, Value::Number(_)) => value.clone(),
            (Integer | Decimal, Value::String(text)) if self.has(Tolerance::NumberText) => {
                let number: serde_json::Number = text.parse().map_err(|_| bad())?;
                if attribute.kind == Integer && !(number.is_i64() || number.is_u64()) {
                    return Err(bad());
                }
                Value::Number(number)
            }
            (DateTime, Value::String(text)) if super::compare::Timestamp::parse(text).is_some() => value.clone(),
            (Binary, Value::String(text)) if is_base64(text) => value.clone(),
            _ => return Err(bad()),
        };
        Ok(Some(read))
    }

    fn complex(
        &mut self,
        attribute: &Attribute,
        fields: &Map<String, Value>,
        name: &dyn Display,
    ) -> Result<Option<Value>, ScimError> {
        let mut read = Map::with_capacity(fields.len());
        for (key, value) in fields {
            let Some(sub) = attribute.sub(key) else {
                if attribute.is_open() {
                    read.insert(key.clone(), value.clone());
                } else if self.has(Tolerance::UnknownSubAttribute) {
                    self.ignored.push(format!("{name}.{key}"));
                } else {
                    let message = format!("`{name}` has no sub-attribute `{key}`");
                    return Err(ScimError::invalid_value(message));
                }
                continue;
            };
            if sub.is_read_only() {
                continue;
            }
            let path = Below(name, &sub.name);
            if read.contains_key(sub.name.as_ref()) {
                return Err(ScimError::invalid_syntax(format!("`{path}` is there twice")));
            }
            if let Some(value) = self.read(sub, value, &path)? {
                read.insert(sub.name.to_string(), value);
            }
        }
        if read.is_empty() || read.values().all(is_empty) {
            return Ok(None);
        }
        let excused = |sub: &Attribute| sub.kind == AttributeType::Reference && self.has(Tolerance::MissingReference);
        let missing = attribute
            .sub_attributes
            .iter()
            .find(|sub| sub.required && !sub.is_read_only() && !read.contains_key(sub.name.as_ref()) && !excused(sub));
        match missing {
            Some(sub) => Err(ScimError::invalid_value(format!("`{name}.{}` is required", sub.name))),
            None => Ok(Some(Value::Object(read))),
        }
    }
}

/// The name of a sub-attribute, put together when it is needed.
struct Below<'n>(&'n dyn Display, &'n str);

impl Display for Below<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The elements of a list, none of them twice. Looking one up does not depend on how many there are.
pub(super) struct Elements<'a> {
    attribute: &'a Attribute,
    pub(super) items: Vec<Value>,
    /// Where each is, by its identity; of a single one nobody asked yet.
    at: hashbrown::HashMap<String, usize>,
}

impl<'a> Elements<'a> {
    pub(super) fn new(attribute: &'a Attribute) -> Self {
        Self { attribute, items: Vec::new(), at: hashbrown::HashMap::new() }
    }

    pub(super) fn of(attribute: &'a Attribute, items: Vec<Value>) -> Self {
        let mut elements = Self { items, ..Self::new(attribute) };
        if elements.items.len() > 1 {
            elements.identify();
        }
        elements
    }

    fn identify(&mut self) {
        for (at, item) in self.items.iter().enumerate() {
            self.at.insert(identity(self.attribute, item).into_owned(), at);
        }
    }

    /// Adds an element, or gives the one that is it already what is new. Says where it is now.
    pub(super) fn add(&mut self, item: Value) -> usize {
        if self.items.is_empty() {
            self.items.push(item);
            return 0;
        }
        if self.at.is_empty() {
            self.identify();
        }
        let identity = identity(self.attribute, &item);
        if let Some(at) = self.at.get(identity.as_ref()).copied() {
            match (self.items.get_mut(at), item) {
                (Some(Value::Object(known)), Value::Object(fields)) => known.extend(fields),
                (Some(known), item) => *known = item,
                (None, _) => {}
            }
            return at;
        }
        let (identity, at) = (identity.into_owned(), self.items.len());
        self.at.insert(identity, at);
        self.items.push(item);
        at
    }
}

/// What makes two elements the same: `value` and `type` of complex ones, else all of it (RFC 7643, section 2.4).
pub(super) fn identity<'v>(attribute: &Attribute, item: &'v Value) -> Cow<'v, str> {
    let exact = |attribute: Option<&Attribute>| attribute.is_some_and(|attribute| attribute.case_exact);
    match item {
        Value::Object(fields) => match fields.get("value") {
            Some(Value::String(value)) => {
                let value = if exact(attribute.sub("value")) || attribute.is_relation() {
                    Cow::Borrowed(value.as_str())
                } else {
                    fold(value)
                };
                match fields.get("type").and_then(Value::as_str) {
                    // A member is one whatever its type says.
                    Some(kind)
                        if attribute
                            .sub("type")
                            .is_none_or(|sub| sub.mutability != super::schema::Mutability::Immutable) =>
                    {
                        Cow::Owned(format!("{}\u{0}{value}", fold(kind)))
                    }
                    _ => Cow::Owned(format!("\u{0}{value}")),
                }
            }
            _ => Cow::Owned(item.to_string()),
        },
        Value::String(text) if !attribute.case_exact => fold(text),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Whether an element says what a value would be for, and has none. Clients leave these when they clear a value.
pub(super) fn is_shelf(attribute: &Attribute, item: &Value) -> bool {
    let bare = |fields: &Map<String, Value>| fields.keys().all(|key| key == "type" || key == "primary");
    !attribute.is_open() && item.as_object().is_some_and(bare)
}

/// Whether an element says that it is the primary one.
pub(super) fn is_primary(item: &Value) -> bool {
    item.get("primary") == Some(&Value::Bool(true))
}

/// The depth of a value, if it is within the limit.
fn depth(value: &Value, left: usize) -> Option<()> {
    let left = left.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| depth(item, left)),
        Value::Object(fields) => fields.values().try_for_each(|item| depth(item, left)),
        _ => Some(()),
    }
}

/// The alphabets of RFC 4648, sections 4 and 5, and line feeds. Not more: certificates are for others to read.
fn is_base64(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\r' | b'\n'))
}

fn wrong(attribute: &Attribute, value: &Value, name: &dyn Display) -> ScimError {
    let takes = match attribute.kind {
        AttributeType::String => "text",
        AttributeType::Reference => "a URI as text",
        AttributeType::Boolean => "true or false",
        AttributeType::Integer => "a whole number",
        AttributeType::Decimal => "a number",
        AttributeType::DateTime => "a dateTime such as \"2011-05-13T04:42:34Z\"",
        AttributeType::Binary => "text in base64",
        AttributeType::Complex => "an object",
        AttributeType::Any => "any value",
    };
    ScimError::invalid_value(format!("`{name}` takes {takes}, not {}", kind_of(value)))
}

/// A value in words, without giving away what it holds.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "this text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
