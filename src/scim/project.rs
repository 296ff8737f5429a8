//! Which attributes an answer has: `attributes` and `excludedAttributes` against `returned` (RFC 7644, section 3.9, and RFC
//! 7643, section 7), and the `meta` that the service adds.

use serde_json::{Map, Value};

use super::error::ScimError;
use super::peer::{Tolerance, Tolerances};
use super::schema::{Attribute, ResourceSchema, Returned, Schema, common};
use super::target::locate;
use super::{path, place};

/// The most names that a projection may have.
const MAX_NAMES: usize = 200;

/// One name of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    /// The extension; `None` is the core.
    urn: Option<String>,
    /// The attribute; `None` is all of the extension.
    attribute: Option<String>,
    sub: Option<String>,
}

/// What a request wants to see of resources of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// `None`: what is returned by default.
    only: Option<Vec<Name>>,
    except: Vec<Name>,
}

impl Projection {
    /// What is returned when the request does not say anything.
    pub const DEFAULT: Self = Self { only: None, except: Vec::new() };

    /// Reads names, as `attributes` and `excludedAttributes` have them after being split at commas.
    ///
    /// # Errors
    /// 400 `invalidPath` when a name is unknown and that is not tolerated, 400 `invalidValue` for too many names.
    pub fn new<'n>(
        only: Option<impl IntoIterator<Item = &'n str>>,
        except: impl IntoIterator<Item = &'n str>,
        resource: &ResourceSchema,
        tolerances: Tolerances,
    ) -> Result<Self, ScimError> {
        let only = only.map(|names| read(names, resource, tolerances)).transpose()?;
        Ok(Self { only, except: read(except, resource, tolerances)? })
    }

    /// Reads the two query parameters.
    ///
    /// # Errors
    /// As [`Projection::new`].
    pub fn parse(
        attributes: Option<&str>,
        excluded: Option<&str>,
        resource: &ResourceSchema,
        tolerances: Tolerances,
    ) -> Result<Self, ScimError> {
        // An empty parameter names nothing, and is taken as none.
        let only = attributes.filter(|names| !names.trim().is_empty()).map(split);
        Self::new(only, split(excluded.unwrap_or_default()), resource, tolerances)
    }

    /// Whether an answer has the core attribute of that name, so that it is worth loading; `name` as the schema spells it.
    pub fn wants(&self, name: &str, resource: &ResourceSchema) -> bool {
        let Some(attribute) = resource.attribute(name) else { return false };
        self.keeps(None, attribute).is_some()
    }

    /// The resource as the answer has it.
    pub fn apply(&self, fields: &Map<String, Value>, resource: &ResourceSchema) -> Map<String, Value> {
        let mut out = Map::with_capacity(fields.len());
        for (key, value) in fields {
            if let Some(schema) = resource.extensions.iter().find(|schema| *schema.id == **key) {
                if let Some(section) = self.section(schema, value) {
                    out.insert(key.clone(), section);
                }
                continue;
            }
            match find(resource, key) {
                Some(attribute) => {
                    if let Some(value) = self.value(None, attribute, value) {
                        out.insert(key.clone(), value);
                    }
                }
                None if self.keeps_open(None, key) => {
                    out.insert(key.clone(), value.clone());
                }
                None => {}
            }
        }
        out
    }

    /// Whether an answer may have something of a field of a resource.
    pub(super) fn may_show(&self, key: &str, resource: &ResourceSchema) -> bool {
        if let Some(schema) = resource.extensions.iter().find(|schema| *schema.id == *key) {
            let named =
                self.only.as_ref().is_none_or(|names| names.iter().any(|name| name.urn.as_deref() == Some(key)));
            return named || schema.attributes.iter().any(|attribute| self.keeps(Some(key), attribute).is_some());
        }
        match find(resource, key) {
            Some(attribute) => self.keeps(None, attribute).is_some(),
            None => self.keeps_open(None, key),
        }
    }

    fn section(&self, schema: &Schema, value: &Value) -> Option<Value> {
        let Some(fields) = value.as_object() else { return Some(value.clone()) };
        let mut out = Map::with_capacity(fields.len());
        for (key, value) in fields {
            let value = match schema.attribute(key) {
                Some(attribute) => self.value(Some(&schema.id), attribute, value),
                None => self.keeps_open(Some(&schema.id), key).then(|| value.clone()),
            };
            if let Some(value) = value {
                out.insert(key.clone(), value);
            }
        }
        (!out.is_empty()).then_some(Value::Object(out))
    }

    fn value(&self, urn: Option<&str>, attribute: &Attribute, value: &Value) -> Option<Value> {
        let subs = self.keeps(urn, attribute)?;
        // Null is no value, and is never given back (RFC 7643, section 2.5).
        if value.is_null() {
            return None;
        }
        if subs == Subs::ALL && attribute.sub_attributes.iter().all(|sub| sub.returned == Returned::Default) {
            return Some(value.clone());
        }
        let parts = |fields: &Map<String, Value>| -> Map<String, Value> {
            fields
                .iter()
                .filter(|(key, _)| subs.keep(attribute.sub(key), key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        };
        match value {
            Value::Object(fields) => Some(parts(fields)).filter(|fields| !fields.is_empty()).map(Value::Object),
            Value::Array(items) => Some(Value::Array(
                items
                    .iter()
                    .map(|item| match item {
                        Value::Object(fields) => Value::Object(parts(fields)),
                        other => other.clone(),
                    })
                    .collect(),
            )),
            other => Some(other.clone()),
        }
    }

    /// Which parts of an attribute are kept; `None` is none of it.
    fn keeps(&self, urn: Option<&str>, attribute: &Attribute) -> Option<Subs<'_>> {
        let name = attribute.name.as_ref();
        let all = Subs { only: Vec::new(), except: Vec::new() };
        match attribute.returned {
            Returned::Never => return None,
            Returned::Always => return Some(all),
            Returned::Default | Returned::Request => {}
        }
        let mut subs = all;
        match &self.only {
            None if attribute.returned == Returned::Request => return None,
            None => {}
            Some(names) => {
                let mut named = names.iter().filter(|known| known.names(urn, name)).peekable();
                named.peek()?;
                let mut whole = false;
                for known in named {
                    match known.sub.as_deref() {
                        Some(sub) => subs.only.push(sub),
                        // All of an extension does not ask for what has to be asked for by name.
                        None if known.attribute.is_some() || attribute.returned == Returned::Default => whole = true,
                        None => {}
                    }
                }
                if whole {
                    subs.only.clear();
                } else if subs.only.is_empty() {
                    return None;
                }
            }
        }
        for known in self.except.iter().filter(|known| known.names(urn, name)) {
            subs.except.push(known.sub.as_deref()?);
        }
        Some(subs)
    }

    /// Whether an attribute is kept of which the schema says nothing.
    fn keeps_open(&self, urn: Option<&str>, name: &str) -> bool {
        let wanted = self.only.as_ref().is_none_or(|names| names.iter().any(|known| known.names(urn, name)));
        wanted && !self.except.iter().any(|known| known.names(urn, name) && known.sub.is_none())
    }
}

/// Parts of a complex attribute.
#[derive(PartialEq, Eq)]
struct Subs<'p> {
    /// Empty is all.
    only: Vec<&'p str>,
    except: Vec<&'p str>,
}

impl Subs<'_> {
    const ALL: Self = Self { only: Vec::new(), except: Vec::new() };

    fn keep(&self, sub: Option<&Attribute>, key: &str) -> bool {
        let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        match sub.map(|sub| sub.returned) {
            Some(Returned::Never) => false,
            Some(Returned::Always) => true,
            Some(Returned::Request) => named(&self.only),
            Some(Returned::Default) | None => (self.only.is_empty() || named(&self.only)) && !named(&self.except),
        }
    }
}

impl Name {
    fn names(&self, urn: Option<&str>, attribute: &str) -> bool {
        self.urn.as_deref() == urn && self.attribute.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(attribute))
    }
}

/// The attribute of a key that is spelled as the schema spells it, which is quicker to find than any other.
fn find<'s>(resource: &'s ResourceSchema, key: &str) -> Option<&'s Attribute> {
    let exactly = |attribute: &&Attribute| attribute.name == key;
    let known = resource.core.attributes.iter().find(exactly).or_else(|| common().iter().find(exactly));
    known.or_else(|| resource.attribute(key))
}

fn split(names: &str) -> impl Iterator<Item = &str> {
    // A comma in brackets is part of a filter, which is skipped.
    let mut depth = 0_i32;
    names.split(move |letter: char| {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth <= 0
    })
}

fn read<'n>(
    names: impl IntoIterator<Item = &'n str>,
    resource: &ResourceSchema,
    tolerances: Tolerances,
) -> Result<Vec<Name>, ScimError> {
    let mut out = Vec::new();
    for name in names {
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        if out.len() >= MAX_NAMES {
            return Err(ScimError::invalid_value(format!("a projection has {MAX_NAMES} names at most")));
        }
        match one(name, resource, tolerances) {
            Ok(name) => out.push(name),
            Err(_) if tolerances.has(Tolerance::LooseProjection) => {}
            Err(error) => return Err(ScimError::from_path(&error)),
        }
    }
    Ok(out)
}

fn one(name: &str, resource: &ResourceSchema, tolerances: Tolerances) -> Result<Name, path::PathError> {
    if let Some(schema) = resource.schema(name) {
        let urn = (schema.id != resource.core.id).then(|| schema.id.to_string());
        return Ok(Name { urn, attribute: None, sub: None });
    }
    let path = place::read(name, resource, tolerances)?;
    if let Some(brackets) = path.spans.selector
        && !tolerances.has(Tolerance::LooseProjection)
    {
        return Err(path::PathError::new(format!("`{name}` has brackets, which choose nothing here"), brackets));
    }
    let located = locate(&path, resource)?;
    Ok(Name {
        urn: located.extension.map(|schema| schema.id.to_string()),
        attribute: Some(located.attribute.name.to_owned()),
        sub: located.sub.map(|sub| sub.name.to_owned()),
    })
}

/// What the service knows about a resource (RFC 7643, section 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// `User`, `Group` or a custom name.
    pub resource_type: String,
    /// When it was made, as an `xsd:dateTime`.
    pub created: String,
    /// When it last changed.
    pub last_modified: String,
    /// Its URI.
    pub location: String,
    /// Its version, as in the ETag.
    pub version: Option<String>,
}

impl Meta {
    /// As the resource has it.
    pub fn to_json(&self) -> Value {
        let known = [
            ("resourceType", self.resource_type.as_str()),
            ("created", &self.created),
            ("lastModified", &self.last_modified),
            ("location", &self.location),
        ];
        let fields = known.into_iter().chain(self.version.as_deref().map(|version| ("version", version)));
        Value::Object(fields.map(|(name, text)| (name.to_owned(), text.into())).collect())
    }
}
