//! Resources as clients send them made into resources as they are stored (RFC 7644, sections 3.3 and 3.5.1): names spelled,
//! types checked, what only the service writes left out, what is required asked for.

use serde_json::{Map, Value};

use super::compare::{field, is_empty};
use super::error::ScimError;
use super::members::Member;
use super::peer::{ADSCIM_GROUP, Tolerance, Tolerances};
use super::place::{self, FullName};
use super::schema::{Attribute, GROUP, Mutability, ResourceSchema, Returned, Schema};
use super::target::locate;
use super::values::Reader;
use crate::text::did_you_mean;

/// A resource that may be stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prepared {
    /// The resource, without `id` and `meta`, which the service adds. [`take_members`] and [`take_secrets`] take out what is
    /// kept elsewhere.
    pub resource: Map<String, Value>,
    /// What was left out because no schema has it, by name.
    pub ignored: Vec<String>,
}

/// Reads the body of a POST (RFC 7644, section 3.3).
///
/// # Errors
/// 400 `invalidSyntax` when it is no resource of this type, `invalidValue` when a value is missing or of the wrong type.
pub fn create(body: &Value, resource: &ResourceSchema, tolerances: Tolerances) -> Result<Prepared, ScimError> {
    let mut out = Map::with_capacity(body.as_object().map_or(0, Map::len));
    // The first there is; filled when the others are known.
    out.insert("schemas".to_owned(), Value::Null);
    let mut builder = Builder { resource, reader: Reader::new(tolerances), out };
    builder.read(body)?;
    builder.required()?;
    settle_schemas(&mut builder.out, resource);
    Ok(Prepared { resource: builder.out, ignored: builder.reader.ignored })
}

/// Reads the body of a PUT (RFC 7644, section 3.5.1): what it does not have is cleared, but for what only the service
/// writes, what nobody can read (`password`), and what is immutable; these are as in `current`.
///
/// # Errors
/// As [`create`], and 400 `mutability` when an immutable attribute would change.
pub fn replace(
    body: &Value,
    current: &Map<String, Value>,
    resource: &ResourceSchema,
    tolerances: Tolerances,
) -> Result<Prepared, ScimError> {
    let mut prepared = create(body, resource, tolerances)?;
    for schema in resource.schemas() {
        let is_core = schema.id == resource.core.id;
        let before = if is_core { Some(current) } else { current.get(schema.id.as_ref()).and_then(Value::as_object) };
        let Some(before) = before else { continue };
        let common = super::schema::common().iter().filter(|_| is_core);
        for attribute in common.chain(&schema.attributes).filter(|attribute| attribute.name != "schemas") {
            let Some(known) = before.get(attribute.name.as_ref()).filter(|known| !is_empty(known)) else { continue };
            let after = if is_core { Some(&prepared.resource) } else { section(&prepared.resource, schema) };
            let after = after.and_then(|fields| fields.get(attribute.name.as_ref()));
            match (attribute.mutability, after) {
                (Mutability::ReadWrite, _) | (Mutability::WriteOnly, Some(_)) => continue,
                (Mutability::Immutable, Some(after)) if after == known => continue,
                (Mutability::Immutable, Some(_)) => {
                    let message = format!("`{}` has a value, which cannot change any more", attribute.name);
                    return Err(ScimError::mutability(message));
                }
                (_, _) => {}
            }
            let fields = if is_core { &mut prepared.resource } else { section_mut(&mut prepared.resource, schema)? };
            fields.insert(attribute.name.to_string(), known.clone());
        }
    }
    settle_schemas(&mut prepared.resource, resource);
    Ok(prepared)
}

fn section<'m>(resource: &'m Map<String, Value>, schema: &Schema) -> Option<&'m Map<String, Value>> {
    resource.get(schema.id.as_ref()).and_then(Value::as_object)
}

fn section_mut<'m>(
    resource: &'m mut Map<String, Value>,
    schema: &Schema,
) -> Result<&'m mut Map<String, Value>, ScimError> {
    let section = resource.entry(schema.id.to_string()).or_insert_with(|| Value::Object(Map::new()));
    section.as_object_mut().ok_or_else(|| ScimError::invalid_value(format!("{} takes an object", schema.id)))
}

/// Writes `schemas`: the core URN, and those of the extensions that the resource has attributes of (RFC 7643, section 3).
pub fn settle_schemas(fields: &mut Map<String, Value>, resource: &ResourceSchema) {
    let present = |schema: &&Schema| fields.get(schema.id.as_ref()).is_some_and(|section| !is_empty(section));
    let extensions = resource.extensions.iter().map(AsRef::as_ref).filter(present);
    let urns: Vec<Value> =
        std::iter::once(resource.core.as_ref()).chain(extensions).map(|schema| schema.id.as_ref().into()).collect();
    match fields.get_mut("schemas") {
        Some(schemas) => *schemas = Value::Array(urns),
        None => {
            fields.shift_insert(0, "schemas".to_owned(), Value::Array(urns));
        }
    }
}

/// Takes the members out of a group, to be kept elsewhere.
///
/// # Errors
/// 400 `invalidValue` when a member has no id.
pub fn take_members(fields: &mut Map<String, Value>) -> Result<Vec<Member>, ScimError> {
    match fields.shift_remove("members") {
        Some(Value::Array(items)) => items.iter().map(Member::read).collect(),
        _ => Ok(Vec::new()),
    }
}

/// Takes out what is never given back, such as `password`: full name and value of each.
pub fn take_secrets(fields: &mut Map<String, Value>, resource: &ResourceSchema) -> Vec<(String, Value)> {
    let mut secrets = Vec::new();
    for schema in resource.schemas() {
        let is_core = schema.id == resource.core.id;
        let names = schema.attributes.iter().filter(|attribute| attribute.returned == Returned::Never);
        for attribute in names {
            let section = if is_core {
                Some(&mut *fields)
            } else {
                fields.get_mut(schema.id.as_ref()).and_then(Value::as_object_mut)
            };
            if let Some(value) = section.and_then(|section| section.shift_remove(attribute.name.as_ref())) {
                secrets.push((place::full_name((!is_core).then_some(schema.id.as_ref()), attribute), value));
            }
        }
    }
    secrets
}

struct Builder<'s> {
    resource: &'s ResourceSchema,
    reader: Reader,
    out: Map<String, Value>,
}

impl<'s> Builder<'s> {
    fn has(&self, tolerance: Tolerance) -> bool {
        self.reader.tolerances.has(tolerance)
    }

    fn read(&mut self, body: &Value) -> Result<(), ScimError> {
        let Some(body) = body.as_object() else {
            return Err(ScimError::invalid_syntax("a resource is a JSON object"));
        };
        self.schemas(body)?;
        for (key, value) in body {
            self.top(key, value)?;
        }
        Ok(())
    }

    /// Checks what the body says it is (RFC 7643, section 3).
    fn schemas(&mut self, body: &Map<String, Value>) -> Result<(), ScimError> {
        let core = &self.resource.core;
        let Some(Value::Array(urns)) = field(body, "schemas") else {
            return Err(ScimError::invalid_syntax(format!("`schemas` is missing: it lists {}", core.id)));
        };
        let mut is_ours = false;
        let mut unknown = Vec::new();
        for urn in urns {
            let Some(urn) = urn.as_str() else {
                return Err(ScimError::invalid_syntax("`schemas` is a list of URNs"));
            };
            if core.is(urn) || core.is(GROUP) && urn == ADSCIM_GROUP && self.has(Tolerance::AdscimGroup) {
                is_ours = true;
            } else if self.resource.schema(urn).is_none() {
                unknown.push(urn.to_owned());
            }
        }
        match unknown.first() {
            Some(urn) if !is_ours || !self.has(Tolerance::UnknownUrn) => {
                let help = did_you_mean(urn, self.resource.schemas().map(|schema| schema.id.as_ref()));
                let help = help.map(|help| format!(": {help}")).unwrap_or_default();
                let message = format!("{} has no schema {}{help}", self.resource.name, super::path::quoted(urn));
                return Err(ScimError::invalid_value(message));
            }
            None if !is_ours => return Err(ScimError::invalid_value(format!("`schemas` does not list {}", core.id))),
            _ => {}
        }
        self.reader.ignored.append(&mut unknown);
        Ok(())
    }

    fn top(&mut self, key: &str, value: &Value) -> Result<(), ScimError> {
        let resource = self.resource;
        let core = &resource.core;
        if key.eq_ignore_ascii_case("schemas") {
            return Ok(());
        }
        if let Some(attribute) = resource.attribute(key) {
            return self.put(None, attribute, value);
        }
        if let Some(schema) = resource.schema(key) {
            if schema.id == core.id && !self.has(Tolerance::CoreUnderUrn) {
                return self.unknown(key, value, None);
            }
            return match value {
                Value::Null => Ok(()),
                Value::Object(fields) => fields.iter().try_for_each(|(key, value)| self.within(schema, key, value)),
                _ => Err(ScimError::invalid_value(format!("{} takes an object of its attributes", schema.id))),
            };
        }
        if core.open && !key.contains(':') {
            return self.put(None, &open(key), value);
        }
        if self.has(Tolerance::BareExtension)
            && let Some((schema, attribute)) = resource.extension_with(key)
        {
            return self.put(Some(schema), attribute, value);
        }
        if key.contains([':', '.']) && self.has(Tolerance::PathAsKey) && self.at_path(key, value)? {
            return Ok(());
        }
        let names = resource.core.attributes.iter().map(|attribute| attribute.name.as_ref());
        self.unknown(key, value, did_you_mean(key, names))
    }

    /// Puts the value where the key leads as a path, if it leads anywhere.
    fn at_path(&mut self, key: &str, value: &Value) -> Result<bool, ScimError> {
        let resource = self.resource;
        let Ok(path) = place::read(key, resource, self.reader.tolerances) else { return Ok(false) };
        let Ok(located) = locate(&path, resource) else { return Ok(false) };
        let schema = located.extension.and_then(|schema| resource.schema(&schema.id));
        let name = located.attribute.name;
        let attribute = match schema {
            Some(schema) => schema.attribute(name),
            None => resource.attribute(name),
        };
        match (attribute, located.sub, located.selector) {
            (Some(attribute), None, None) => self.put(schema.map(AsRef::as_ref), attribute, value)?,
            (Some(attribute), Some(sub), None) if !attribute.multi_valued => {
                let mut parts = Map::new();
                parts.insert(sub.name.to_owned(), value.clone());
                let section = match schema {
                    Some(schema) => section(&self.out, schema),
                    None => Some(&self.out),
                };
                // What the same attribute got from other keys stays.
                if let Some(Value::Object(known)) = section.and_then(|fields| fields.get(name)) {
                    parts.extend(known.clone().into_iter().filter(|(key, _)| key != sub.name));
                }
                self.insert(schema.map(AsRef::as_ref), attribute, &Value::Object(parts))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn within(&mut self, schema: &'s Schema, key: &str, value: &Value) -> Result<(), ScimError> {
        let is_core = schema.id == self.resource.core.id;
        match schema.attribute(key) {
            Some(attribute) => self.put((!is_core).then_some(schema), attribute, value),
            // Clients that keep an extension as an object of its own write its `schemas` too.
            None if key.eq_ignore_ascii_case("schemas") => Ok(()),
            None if schema.open => self.put((!is_core).then_some(schema), &open(key), value),
            None => {
                let names = schema.attributes.iter().map(|attribute| attribute.name.as_ref());
                self.unknown(&format!("{}:{key}", schema.id), value, did_you_mean(key, names))
            }
        }
    }

    fn unknown(&mut self, name: &str, value: &Value, help: Option<String>) -> Result<(), ScimError> {
        if self.has(Tolerance::UnknownAttribute) {
            // Null says that there is no value, and there is none.
            if !value.is_null() {
                self.reader.ignored.push(name.to_owned());
            }
            return Ok(());
        }
        let help = help.map(|help| format!(": {help}")).unwrap_or_default();
        let name = super::path::quoted(&crate::text::shorten(name));
        Err(ScimError::invalid_syntax(format!("{} has no attribute {name}{help}", self.resource.name)))
    }

    fn put(&mut self, schema: Option<&Schema>, attribute: &Attribute, value: &Value) -> Result<(), ScimError> {
        let section = match schema {
            Some(schema) => section(&self.out, schema),
            None => Some(&self.out),
        };
        if section.is_some_and(|section| section.contains_key(attribute.name.as_ref())) {
            let name = place::full_name(schema.map(|schema| schema.id.as_ref()), attribute);
            return Err(ScimError::invalid_syntax(format!("`{name}` is there twice")));
        }
        self.insert(schema, attribute, value)
    }

    fn insert(&mut self, schema: Option<&Schema>, attribute: &Attribute, value: &Value) -> Result<(), ScimError> {
        // What a client says of read-only attributes is not looked at (RFC 7644, section 3.3).
        if attribute.is_read_only() {
            return Ok(());
        }
        let name = FullName(schema.map(|schema| schema.id.as_ref()), attribute);
        let Some(value) = self.reader.read(attribute, value, &name)? else { return Ok(()) };
        let fields = match schema {
            Some(schema) => section_mut(&mut self.out, schema)?,
            None => &mut self.out,
        };
        fields.insert(attribute.name.to_string(), value);
        Ok(())
    }

    /// Asks for what every resource has to have. An extension's attributes are asked for when it is there at all.
    fn required(&self) -> Result<(), ScimError> {
        for schema in self.resource.schemas() {
            let is_core = schema.id == self.resource.core.id;
            let Some(fields) = (if is_core { Some(&self.out) } else { section(&self.out, schema) }) else { continue };
            let missing = schema.attributes.iter().find(|attribute| {
                attribute.required
                    && !attribute.is_read_only()
                    && fields.get(attribute.name.as_ref()).is_none_or(is_empty)
            });
            if let Some(attribute) = missing {
                let name = place::full_name((!is_core).then_some(schema.id.as_ref()), attribute);
                return Err(ScimError::invalid_value(format!("`{name}` is required")));
            }
        }
        Ok(())
    }
}

/// An attribute of which the schema says nothing.
fn open(name: &str) -> Attribute {
    Attribute::new(name.to_owned(), super::schema::AttributeType::Any, "")
}
