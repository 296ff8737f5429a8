//! PATCH (RFC 7644, section 3.5.2): a request compiled for a resource type, then applied to a resource, all of it or nothing.
//!
//! Compiling checks all that does not depend on the resource: names, types, who may write. Applying (`patch/apply.rs`)
//! meets only what does: elements that are not there, and immutable attributes. The members of a group come out as
//! [`MemberOp`]s and are never looked for in the resource.

mod apply;
mod member;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::compare::field;
use super::error::ScimError;
use super::filter::Matcher;
use super::members::{MemberChange, MemberOp};
use super::path::{Filter, Literal, Operator, Path, Selector};
use super::peer::{Tolerance, Tolerances};
use super::place;
use super::quick;
use super::schema::{Attribute, AttributeType, GROUP, Mutability, ResourceSchema, Schema};
use super::target::{Located, locate};
use super::values::Reader;

/// The URN of a PATCH request (RFC 7644, section 3.5.2).
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The most operations that a request may have.
pub const MAX_OPERATIONS: usize = 1_000;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Add,
    Replace,
    Remove,
}

/// A PATCH request that is right in itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch<'s> {
    resource: &'s ResourceSchema,
    tolerances: Tolerances,
    steps: Vec<Step<'s>>,
    members: Vec<MemberOp>,
    ignored: Vec<String>,
    entra: bool,
}

/// What applying a [`Patch`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchOutcome {
    /// Whether the resource is another than before; its members are not part of that.
    pub changed: bool,
    /// Which attributes are, by their full names.
    pub attributes: Vec<String>,
}

/// One change of one attribute.
#[derive(Debug, Clone, PartialEq)]
struct Step<'s> {
    action: Action,
    /// Whether the operation was spelled as Entra spells it without `aadOptscim062020`.
    entra: bool,
    urn: Option<&'s str>,
    attribute: Cow<'s, Attribute>,
    choice: Option<Choice>,
    sub: Option<Cow<'s, Attribute>>,
    change: Change,
}

/// Which elements of a list.
#[derive(Debug, Clone, PartialEq)]
struct Choice {
    matcher: Matcher,
    /// What an element has for sure when the filter holds; `None` when the filter says more than equalities.
    constants: Option<Map<String, Value>>,
    text: String,
}

/// What happens at the place of a step.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    /// The value is this, or none.
    Set(Option<Value>),
    /// The list has these.
    List(Vec<Value>),
    /// These elements go.
    Drop(Vec<Value>),
    /// The value is this already, or the request is refused.
    Same(Value),
}

impl<'s> Patch<'s> {
    /// Reads the body of a PATCH request.
    ///
    /// # Errors
    /// 400 with `invalidSyntax`, `invalidPath`, `invalidFilter`, `invalidValue`, `mutability` or `noTarget`, 413 with more
    /// operations than [`MAX_OPERATIONS`].
    pub fn parse(body: &Value, resource: &'s ResourceSchema, tolerances: Tolerances) -> Result<Self, ScimError> {
        let Some(body) = body.as_object() else {
            return Err(ScimError::invalid_syntax("the body of a PATCH request is a JSON object"));
        };
        require_schema(body, PATCH_OP)?;
        match field(body, "Operations") {
            Some(Value::Array(operations)) => Self::compile(operations, resource, tolerances),
            Some(_) => Err(ScimError::invalid_syntax("`Operations` is a list")),
            None => Err(ScimError::invalid_syntax("`Operations` is missing")),
        }
    }

    /// Compiles the operations of a PATCH request.
    ///
    /// # Errors
    /// As [`Patch::parse`].
    pub fn compile(
        operations: &[Value],
        resource: &'s ResourceSchema,
        tolerances: Tolerances,
    ) -> Result<Self, ScimError> {
        if operations.is_empty() {
            return Err(ScimError::invalid_syntax("`Operations` has no operation"));
        }
        if operations.len() > MAX_OPERATIONS {
            let message = format!("a PATCH request has {MAX_OPERATIONS} operations at most, not {}", operations.len());
            return Err(ScimError::too_large(message));
        }
        let mut compiler = Compiler {
            resource,
            reader: Reader::new(tolerances),
            steps: Vec::new(),
            members: Vec::new(),
            entra: false,
        };
        for operation in operations {
            compiler.operation(operation)?;
        }
        let Compiler { reader, steps, members, entra, .. } = compiler;
        Ok(Self { resource, tolerances, steps, members, ignored: reader.ignored, entra })
    }

    /// Reads the body of a PATCH request that only adds or removes members and is written as most clients write it, without values in
    /// between. `None` when [`Patch::parse`] has to read it; both make the same of what both take.
    pub fn quick(body: &[u8], resource: &'s ResourceSchema, tolerances: Tolerances) -> Option<Self> {
        let quick::Members { operations, entra } = quick::members(body, resource, tolerances)?;
        Some(Self { resource, tolerances, steps: Vec::new(), members: operations, ignored: Vec::new(), entra })
    }

    /// What happens to the members of the group, in order. [`Patch::member_change`] sums it up.
    pub fn members(&self) -> &[MemberOp] {
        &self.members
    }

    /// What the operations on members amount to.
    pub fn member_change(&self) -> MemberChange {
        MemberChange::of(&self.members)
    }

    /// The same from who applies the rest alone: the operations on members are gone afterwards.
    pub fn take_member_change(&mut self) -> MemberChange {
        std::mem::take(&mut self.members).into()
    }

    /// Sub-attributes of values that no schema has and that were left out.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether the client, which may have `flagged` its dialect in the URL as Entra does, wants no group back: 204 then.
    pub fn is_silent(&self, flagged: bool) -> bool {
        self.resource.core.is(GROUP) && (self.entra || flagged) && self.tolerances.has(Tolerance::SilentGroup)
    }

    /// Whether it changes nothing but members.
    pub fn is_members_only(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Refuses a message that does not say that it is one (RFC 7644, section 3.1).
pub(super) fn require_schema(body: &Map<String, Value>, urn: &str) -> Result<(), ScimError> {
    let listed = match field(body, "schemas") {
        Some(Value::Array(urns)) => {
            urns.iter().any(|listed| listed.as_str().is_some_and(|text| text.eq_ignore_ascii_case(urn)))
        }
        _ => false,
    };
    if listed { Ok(()) } else { Err(ScimError::invalid_syntax(format!("`schemas` does not list {urn}"))) }
}

/// What an operation says, apart from where.
#[derive(Clone, Copy)]
struct Order<'v> {
    action: Action,
    entra: bool,
    /// `None` when it has no `value` at all.
    value: Option<&'v Value>,
    /// Whether the operation had no path of its own, so that its value names the attributes.
    pathless: bool,
}

struct Compiler<'s> {
    resource: &'s ResourceSchema,
    reader: Reader,
    steps: Vec<Step<'s>>,
    members: Vec<MemberOp>,
    /// Whether an operation was spelled as Entra spells it without `aadOptscim062020`.
    entra: bool,
}

impl<'s> Compiler<'s> {
    fn has(&self, tolerance: Tolerance) -> bool {
        self.reader.tolerances.has(tolerance)
    }

    fn operation(&mut self, operation: &Value) -> Result<(), ScimError> {
        let Some(operation) = operation.as_object() else {
            return Err(ScimError::invalid_syntax("an operation is a JSON object"));
        };
        let Some(op) = field(operation, "op").and_then(Value::as_str) else {
            return Err(ScimError::invalid_syntax("an operation has an `op`: add, replace or remove"));
        };
        let lower = op.to_ascii_lowercase();
        let entra = lower != op;
        let action = match lower.as_str() {
            _ if entra && !self.has(Tolerance::OperationCase) => None,
            "add" => Some(Action::Add),
            "replace" => Some(Action::Replace),
            "remove" => Some(Action::Remove),
            _ => None,
        };
        let Some(action) = action else {
            let message =
                format!("`op` is add, replace or remove, not {}", super::path::quoted(&crate::text::shorten(op)));
            return Err(ScimError::invalid_syntax(message));
        };
        self.entra |= entra;
        let value = field(operation, "value");
        let order = Order { action, entra, value, pathless: false };
        match (field(operation, "path"), value) {
            (Some(Value::String(path)), _) => self.with_path(path, order),
            (None | Some(Value::Null), _) if action == Action::Remove => {
                Err(ScimError::no_target("`remove` needs a `path`"))
            }
            (None | Some(Value::Null), Some(Value::Object(fields))) => {
                let order = Order { pathless: true, ..order };
                fields.iter().try_for_each(|(key, value)| self.key(None, key, Order { value: Some(value), ..order }))
            }
            (None | Some(Value::Null), Some(_)) => {
                Err(ScimError::invalid_value(format!("`{lower}` without a `path` takes an object of attributes")))
            }
            (None | Some(Value::Null), None) => Err(ScimError::invalid_value(format!("`{lower}` needs a `value`"))),
            (Some(_), _) => Err(ScimError::invalid_syntax("`path` is a text")),
        }
    }

    fn with_path(&mut self, path: &str, order: Order<'_>) -> Result<(), ScimError> {
        match self.resource.schema(path.trim()) {
            Some(schema) if self.has(Tolerance::UrnAsPath) => self.whole_schema(schema, order),
            _ => self.at_path(path, order),
        }
    }

    /// The attributes of one schema at once.
    fn whole_schema(&mut self, schema: &'s Schema, order: Order<'_>) -> Result<(), ScimError> {
        match order.value {
            Some(Value::Object(fields)) if order.action != Action::Remove => fields
                .iter()
                .try_for_each(|(key, value)| self.key(Some(schema), key, Order { value: Some(value), ..order })),
            None | Some(Value::Null) if order.action != Action::Add && schema.id != self.resource.core.id => {
                let order = Order { action: Action::Remove, value: None, ..order };
                let writable = schema.attributes.iter().filter(|attribute| !attribute.is_read_only());
                writable
                    .into_iter()
                    .try_for_each(|attribute| self.at_path(&format!("{}:{}", schema.id, attribute.name), order))
            }
            _ => Err(ScimError::invalid_value(format!("{} takes an object of its attributes", schema.id))),
        }
    }

    /// A key of an object that stands for a path.
    fn key(&mut self, within: Option<&'s Schema>, key: &str, order: Order<'_>) -> Result<(), ScimError> {
        let core = &self.resource.core;
        match within.filter(|schema| schema.id != core.id) {
            None => {
                // The service writes `schemas`, from the attributes that are there.
                if key.eq_ignore_ascii_case("schemas") {
                    return Ok(());
                }
                if key.eq_ignore_ascii_case("meta") && order.pathless && self.has(Tolerance::OwnReadOnly) {
                    return Ok(());
                }
                if let Some(schema) = self.resource.schema(key)
                    && (schema.id != core.id || self.has(Tolerance::CoreUnderUrn))
                {
                    return self.whole_schema(schema, order);
                }
                if key.contains([':', '.', '[']) && !self.has(Tolerance::PathAsKey) {
                    let message = format!("{} is not the name of an attribute", super::path::quoted(key));
                    return Err(ScimError::invalid_path(message));
                }
                self.at_path(key, order)
            }
            // Clients that keep an extension as an object of its own write its `schemas` too.
            Some(_) if key.eq_ignore_ascii_case("schemas") => Ok(()),
            Some(schema) => self.at_path(&format!("{}:{key}", schema.id), order),
        }
    }

    fn at_path(&mut self, text: &str, order: Order<'_>) -> Result<(), ScimError> {
        let resource = self.resource;
        let path = place::read(text, resource, self.reader.tolerances).map_err(|error| {
            let mut error = ScimError::from_path(&error);
            error.detail = format!("the path {}: {}", super::path::quoted(&crate::text::shorten(text)), error.detail);
            error
        })?;
        let located = locate(&path, resource).map_err(|error| ScimError::from_path(&error))?;
        let place = Place::of(&located, resource);
        let name = place.name();
        if let Some(refused) = self.read_only(&place, &name, order)? {
            self.steps.push(refused);
            return Ok(());
        }
        let choice = self.choice(&located, &place, &path)?;
        if is_members(&place, resource) {
            return self.on_members(&place, choice, order);
        }
        let change = self.change(&place, choice.is_some(), &name, order)?;
        let Place { urn, attribute, sub } = place;
        self.steps.push(Step { action: order.action, entra: order.entra, urn, attribute, choice, sub, change });
        Ok(())
    }

    /// Refuses what only the service writes, but for a value without path that says what is so already.
    fn read_only(&self, place: &Place<'s>, name: &str, order: Order<'_>) -> Result<Option<Step<'s>>, ScimError> {
        let is_schemas = place.urn.is_none() && place.attribute.name == "schemas";
        let sub_read_only = place.sub.as_ref().is_some_and(|sub| sub.is_read_only());
        if !place.attribute.is_read_only() && !sub_read_only && !is_schemas {
            return Ok(None);
        }
        match order.value {
            Some(value) if order.pathless && place.sub.is_none() && self.has(Tolerance::OwnReadOnly) => {
                Ok(Some(Step {
                    action: order.action,
                    entra: order.entra,
                    urn: place.urn,
                    attribute: place.attribute.clone(),
                    choice: None,
                    sub: None,
                    change: Change::Same(value.clone()),
                }))
            }
            _ => Err(ScimError::mutability(format!("`{name}` is read-only"))),
        }
    }

    fn choice(&mut self, located: &Located<'_>, place: &Place<'s>, path: &Path) -> Result<Option<Choice>, ScimError> {
        let attribute = place.attribute.as_ref();
        match located.selector {
            None => Ok(None),
            Some(_) if !attribute.multi_valued && attribute.kind != AttributeType::Any => {
                Err(ScimError::invalid_path(format!("`{}` is not a list: leave out the brackets", attribute.name)))
            }
            Some(Selector::Index(_)) => {
                Err(ScimError::invalid_path(format!("`{path}`: elements are chosen by a filter, not by position")))
            }
            Some(Selector::Filter(filter)) => {
                let matcher = Matcher::of_elements(filter, attribute, self.reader.tolerances)?;
                let mut constants = Map::new();
                let known = self.constants(filter, attribute, &mut constants).is_some() && !constants.is_empty();
                Ok(Some(Choice { matcher, constants: known.then_some(constants), text: path.to_string() }))
            }
        }
    }

    /// What an element has for sure when the filter holds.
    fn constants(&mut self, filter: &Filter, attribute: &Attribute, out: &mut Map<String, Value>) -> Option<()> {
        match filter {
            Filter::And(parts) => parts.iter().try_for_each(|part| self.constants(part, attribute, out)),
            Filter::Compare { path, operator: Operator::Equal, value, .. } => {
                let value = match value {
                    Literal::String(text) => Value::from(text.as_str()),
                    Literal::Boolean(truth) => Value::from(*truth),
                    Literal::Integer(number) => Value::from(*number),
                    Literal::Decimal(number) => Value::from(*number),
                    Literal::Null => return None,
                };
                let (name, value) = match attribute.sub(&path.attribute) {
                    Some(sub) if sub.is_read_only() => return None,
                    Some(sub) => (sub.name.to_string(), self.reader.one(sub, &value, &sub.name).ok()??),
                    None if attribute.is_open() => (path.attribute.clone(), value),
                    None => return None,
                };
                // The same name twice says two things.
                out.insert(name, value).is_none().then_some(())
            }
            _ => None,
        }
    }

    fn change(&mut self, place: &Place<'s>, chosen: bool, name: &str, order: Order<'_>) -> Result<Change, ScimError> {
        let attribute = place.attribute.as_ref();
        let target = place.sub.as_deref().unwrap_or(attribute);
        let whole_list = attribute.multi_valued && !chosen && place.sub.is_none();
        if order.action == Action::Remove {
            // Of one value there is nothing to choose: what stands in `value` is what goes.
            return match order.value {
                Some(value) if whole_list && !value.is_null() => self.dropped(attribute, name, value),
                _ if !chosen && target.required && place.sub.is_none() => {
                    Err(ScimError::mutability(format!("`{name}` is required and cannot be removed")))
                }
                _ if whole_list => Ok(Change::List(Vec::new())),
                _ => Ok(Change::Set(None)),
            };
        }
        let Some(value) = order.value else {
            return Err(ScimError::invalid_value(format!("the operation on `{name}` needs a `value`")));
        };
        if whole_list {
            let items = self.reader.list(attribute, value, &name)?;
            if items.is_empty() && attribute.required && order.action == Action::Replace {
                return Err(ScimError::invalid_value(format!("`{name}` is required")));
            }
            return Ok(Change::List(items));
        }
        let value = match (place.sub.as_deref(), value) {
            (Some(sub), value) => self.reader.read(sub, value, &name)?,
            (None, Value::Array(items)) if chosen && self.has(Tolerance::ListForOne) && items.len() == 1 => {
                match items.first() {
                    Some(item) => self.reader.one(attribute, item, &name)?,
                    None => None,
                }
            }
            (None, value) if chosen => self.reader.one(attribute, value, &name)?,
            (None, value) => self.reader.read(attribute, value, &name)?,
        };
        if value.is_none() && !chosen && target.required {
            return Err(ScimError::invalid_value(format!("`{name}` is required and cannot be empty")));
        }
        Ok(Change::Set(value))
    }

    /// The elements that a removal lists in its `value`.
    fn dropped(&mut self, attribute: &Attribute, name: &str, value: &Value) -> Result<Change, ScimError> {
        if !self.has(Tolerance::RemoveByValue) {
            let message =
                format!("`remove` takes no `value`: choose elements with a filter, as in {name}[value eq \"…\"]");
            return Err(ScimError::invalid_value(message));
        }
        let items = self.reader.list(attribute, value, &name)?;
        if items.is_empty() {
            return Err(ScimError::invalid_value(format!("the removal from `{name}` lists nothing to remove")));
        }
        Ok(Change::Drop(items))
    }
}

/// An attribute that was looked up, borrowed from the schema where that knows it.
struct Place<'s> {
    urn: Option<&'s str>,
    attribute: Cow<'s, Attribute>,
    sub: Option<Cow<'s, Attribute>>,
}

impl<'s> Place<'s> {
    fn of(located: &Located<'_>, resource: &'s ResourceSchema) -> Self {
        let any = |name: &str| Cow::Owned(Attribute::new(name.to_owned(), AttributeType::Any, ""));
        let schema = located.extension.and_then(|schema| resource.schema(&schema.id));
        let name = located.attribute.name;
        let declared = match schema {
            Some(schema) => schema.attribute(name),
            None => resource.attribute(name),
        };
        let attribute = declared.map_or_else(|| any(name), Cow::Borrowed);
        let sub = located.sub.map(|sub| {
            declared.and_then(|attribute| attribute.sub(sub.name)).map_or_else(|| any(sub.name), Cow::Borrowed)
        });
        Self { urn: schema.map(|schema| schema.id.as_ref()), attribute, sub }
    }

    fn name(&self) -> String {
        let name = place::full_name(self.urn, &self.attribute);
        match &self.sub {
            Some(sub) => format!("{name}.{}", sub.name),
            None => name,
        }
    }
}

/// Whether these are the members of a group, which are kept elsewhere.
fn is_members(place: &Place<'_>, resource: &ResourceSchema) -> bool {
    place.urn.is_none() && place.attribute.name == "members" && resource.core.is(GROUP)
}

/// Whether a value may be set once only.
fn is_immutable(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::Immutable
}
