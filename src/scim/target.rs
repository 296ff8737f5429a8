//! Where a path writes: [`resolve`] joins a [`Path`] and a [`ResourceSchema`] to the steps that lead to a place in a
//! payload, or says why nothing can be written there. [`json_target`] does the same for payloads without a schema.
//!
//! Suggestions for names that are not in the schema are in `target/hints.rs`.

mod hints;

use std::collections::BTreeSet;
use std::fmt;

use super::path::{Filter, Literal, Operator, Path, PathError, Selector, json_steps, quoted};
use super::schema::{Attribute, AttributeType, Mutability, ResourceSchema, Schema};
use crate::text::Span;

/// A value that stands beside what a rule writes, such as the `type` of an e-mail address.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstValue {
    /// Text.
    String(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Decimal(f64),
}

impl fmt::Display for ConstValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(&quoted(text)),
            Self::Boolean(truth) => truth.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Decimal(number) => write!(f, "{number:?}"),
        }
    }
}

/// One step from the top of a payload towards the place to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into the element of a list that has these values; it is made with them when there is none.
    Element {
        /// Sub-attributes and their values, in the order written.
        constants: Vec<(String, ConstValue)>,
    },
    /// Into the element of a list at this position, from 0.
    Index(usize),
}

/// A place in a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The extension URN under which the steps begin; `None` is the top of the payload (RFC 7643, section 3.3).
    pub schema: Option<String>,
    /// The way to the place, spelled as the schema spells it.
    pub steps: Vec<Step>,
    /// What the place takes; of a list, what each element is.
    pub kind: AttributeType,
    /// Whether the place takes a list.
    pub multi_valued: bool,
    /// Who may write it; never [`Mutability::ReadOnly`].
    pub mutability: Mutability,
}

impl Target {
    /// The place as text that is the same for every way to write it: two rules with equal places collide.
    pub fn place(&self) -> String {
        let mut sorted = self.clone();
        for step in &mut sorted.steps {
            if let Step::Element { constants } = step {
                constants.sort_by(|a, b| a.0.cmp(&b.0));
            }
        }
        sorted.to_string()
    }
}

/// The canonical path.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.schema {
            write!(f, "{urn}:")?;
        }
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Element { constants } => {
                    let tests = constants.iter().map(|(name, value)| format!("{name} eq {value}"));
                    write!(f, "[{}]", tests.collect::<Vec<_>>().join(" and "))?;
                }
            }
        }
        Ok(())
    }
}

/// A name of a path as the schema knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The canonical name.
    pub name: &'a str,
    /// What the schema says of it; `None` where the schema is open and says nothing.
    pub declared: Option<&'a Attribute>,
    /// Where the path has it.
    pub span: Span,
}

impl Found<'_> {
    /// What it holds.
    pub fn kind(&self) -> AttributeType {
        self.declared.map_or(AttributeType::Any, |attribute| attribute.kind)
    }

    /// Whether it holds a list.
    pub fn multi_valued(&self) -> bool {
        self.declared.is_some_and(|attribute| attribute.multi_valued)
    }

    fn mutability(&self) -> Mutability {
        self.declared.map_or(Mutability::ReadWrite, |attribute| attribute.mutability)
    }
}

/// A path whose names are known: see [`locate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<'a> {
    /// The extension, or `None` for core and common attributes.
    pub extension: Option<&'a Schema>,
    /// The attribute.
    pub attribute: Found<'a>,
    /// Which elements of it.
    pub selector: Option<&'a Selector>,
    /// The sub-attribute.
    pub sub: Option<Found<'a>>,
}

/// Looks up the names of a path, to read or to write (RFC 7644, section 3.10).
///
/// # Errors
/// When the resource has no such URN, attribute or sub-attribute; the help suggests one.
pub fn locate<'a>(path: &'a Path, resource: &'a ResourceSchema) -> Result<Located<'a>, PathError> {
    let written = rightly_split(path, resource)?;
    let attribute = match written.schema {
        Some(schema) if schema.id != resource.core.id => schema.attribute(written.attribute.0),
        _ => resource.attribute(written.attribute.0),
    };
    let schema = written.schema.unwrap_or(&resource.core);
    let (name, span) = written.attribute;
    let attribute = match attribute {
        Some(declared) => Found { name: declared.name.as_ref(), declared: Some(declared), span },
        None if schema.open => Found { name, declared: None, span },
        None => return Err(hints::unknown_attribute(&written, schema, resource)),
    };
    let sub = match written.sub {
        Some((name, span)) => Some(sub_attribute(attribute, name, span)?),
        None => None,
    };
    let extension = written.schema.filter(|schema| schema.id != resource.core.id);
    Ok(Located { extension, attribute, selector: path.selector.as_ref(), sub })
}

/// A path whose URN is one of the resource's.
struct Written<'a> {
    schema: Option<&'a Schema>,
    attribute: (&'a str, Span),
    sub: Option<(&'a str, Span)>,
}

/// Corrects the guess that the parser made about the end of the URN, now that the URNs are known.
fn rightly_split<'a>(path: &'a Path, resource: &'a ResourceSchema) -> Result<Written<'a>, PathError> {
    let attribute = (path.attribute.as_str(), path.spans.attribute);
    let sub = path.sub.as_deref().map(|sub| (sub, path.spans.sub.unwrap_or(path.spans.whole)));
    let Some(urn) = path.urn.as_deref() else { return Ok(Written { schema: None, attribute, sub }) };
    if let Some(schema) = resource.schema(urn) {
        return Ok(Written { schema: Some(schema), attribute, sub });
    }
    // `urn:…:User.badge` without a version: the last colon is within the URN.
    if let Some(schema) = resource.schema(&format!("{urn}:{}", path.attribute)) {
        return match sub {
            Some(name) => Ok(Written { schema: Some(schema), attribute: name, sub: None }),
            None => Err(PathError::new(format!("`{path}` is a schema, not an attribute"), path.spans.whole)
                .help(example_under(schema))),
        };
    }
    // `urn:x:1.0:badge.color` with a URN that ends in a version: what looks like a resource type is the attribute.
    let urn_at = path.spans.urn.unwrap_or(path.spans.whole);
    if let (Some((shorter, name)), None, None) = (urn.rsplit_once(':'), sub, &path.selector)
        && let Some(schema) = resource.schema(shorter)
    {
        let start = urn_at.range().start + shorter.len() + 1;
        let name = (name, Span::new(start, start + name.len()));
        return Ok(Written { schema: Some(schema), attribute: name, sub: Some(attribute) });
    }
    Err(hints::unknown_urn(urn, urn_at, path, resource))
}

fn example_under(schema: &Schema) -> String {
    match schema.attributes.first() {
        Some(attribute) => format!("add a colon and one of its attributes, as in {}:{}", schema.id, attribute.name),
        None => "it has no attributes".to_owned(),
    }
}

fn sub_attribute<'a>(attribute: Found<'a>, name: &'a str, span: Span) -> Result<Found<'a>, PathError> {
    let Some(declared) = attribute.declared else { return Ok(Found { name, declared: None, span }) };
    if let Some(sub) = declared.sub(name) {
        return Ok(Found { name: sub.name.as_ref(), declared: Some(sub), span });
    }
    if declared.is_open() {
        return Ok(Found { name, declared: None, span });
    }
    Err(hints::unknown_sub(declared, name, span))
}

/// Finds the place that a path writes.
///
/// # Errors
/// When a name is not in the schema, when the place is not for clients to write, or when the path does not say which
/// element of a list it means.
pub fn resolve(path: &Path, resource: &ResourceSchema) -> Result<Target, PathError> {
    let located = locate(path, resource)?;
    let attribute = located.attribute;
    writable(&located, resource)?;
    let mut steps = vec![Step::Key(attribute.name.to_owned())];
    let at = path.spans.selector.unwrap_or(path.spans.whole);
    match located.selector {
        Some(_) if attribute.kind() != AttributeType::Any && !attribute.multi_valued() => {
            let help = format!("leave out the brackets: {}", without_selector(&located));
            return Err(PathError::new(format!("`{}` is not a list", attribute.name), at).help(help));
        }
        Some(Selector::Index(index)) => steps.push(Step::Index(*index)),
        Some(Selector::Filter(filter)) => {
            if !attribute.kind().is_open_to_subs() {
                return Err(PathError::new(format!("the elements of `{}` have no sub-attributes", attribute.name), at)
                    .help(format!("write {0} for the whole list, or {0}[0] for one element", attribute.name)));
            }
            let mut reader =
                ElementReader { attribute, sub: located.sub, constants: Vec::new(), seen: BTreeSet::new() };
            reader.read(filter)?;
            steps.push(Step::Element { constants: reader.constants });
        }
        None if attribute.multi_valued() && located.sub.is_some() => {
            let message = format!("`{path}` does not say which element of `{}` it writes", attribute.name);
            return Err(PathError::new(message, path.spans.whole).help(format!("write {}", hints::element(&located))));
        }
        None => {}
    }
    let last = match located.sub {
        Some(sub) => Some(sub),
        None => implied_sub(&located, at)?,
    };
    if let Some(sub) = last {
        steps.push(Step::Key(sub.name.to_owned()));
    }
    let place = last.unwrap_or(attribute);
    Ok(Target {
        schema: located.extension.map(|schema| schema.id.to_string()),
        steps,
        kind: place.kind(),
        multi_valued: place.multi_valued() && (last.is_some() || located.selector.is_none()),
        mutability: place.mutability(),
    })
}

/// The sub-attribute that a path without one means: `manager` is `manager.value`, as Entra writes it. An element of a
/// list needs its sub-attribute named.
fn implied_sub<'a>(located: &Located<'a>, at: Span) -> Result<Option<Found<'a>>, PathError> {
    let attribute = located.attribute;
    let Some(declared) = attribute.declared.filter(|declared| !declared.sub_attributes.is_empty()) else {
        return Ok(None);
    };
    if located.selector.is_some() {
        return Err(PathError::new(
            format!("the path does not say what of the element of `{}` it writes", declared.name),
            at,
        )
        .help(format!("write {}", hints::element(located))));
    }
    Ok(declared.sub("value").filter(|_| !declared.multi_valued).map(|sub| Found {
        name: sub.name.as_ref(),
        declared: Some(sub),
        span: attribute.span,
    }))
}

fn without_selector(located: &Located<'_>) -> String {
    let mut out = match located.extension {
        Some(schema) => format!("{}:{}", schema.id, located.attribute.name),
        None => located.attribute.name.to_owned(),
    };
    if let Some(sub) = located.sub {
        out = format!("{out}.{}", sub.name);
    }
    out
}

/// Refuses what only the service provider writes (RFC 7643, section 7, `readOnly`), with the reason.
fn writable(located: &Located<'_>, resource: &ResourceSchema) -> Result<(), PathError> {
    let attribute = located.attribute;
    if located.extension.is_none() && attribute.name == "schemas" && resource.core.attribute("schemas").is_none() {
        return Err(PathError::new("`schemas` is written by Provisor", attribute.span)
            .help("remove this rule; the URNs follow from the attributes that the other rules write"));
    }
    let read_only = [Some(attribute), located.sub]
        .into_iter()
        .flatten()
        .find(|found| found.declared.is_some_and(Attribute::is_read_only));
    let Some(found) = read_only else { return Ok(()) };
    let help = match (located.extension, attribute.name) {
        (None, "id") => {
            "the service assigns `id` when it creates the resource; your own identifier goes into `externalId`"
        }
        (None, "meta") => "the service notes in `meta` when and where it stored the resource",
        (None, "groups") => "a user joins a group through the `members` of the group",
        (None, "members") => "the service fills it from the member; write `members`, or `value` of a member",
        (Some(_), "manager") => "the service fills it from the manager; write `manager.value`, the id of the manager",
        _ => "only the service writes it",
    };
    let name = without_selector(located);
    Err(PathError::new(format!("`{name}` is read-only"), found.span).help(help))
}

/// The reader of a filter that says what an element has: `eq` joined by `and`.
struct ElementReader<'a> {
    attribute: Found<'a>,
    sub: Option<Found<'a>>,
    constants: Vec<(String, ConstValue)>,
    seen: BTreeSet<String>,
}

impl ElementReader<'_> {
    fn read(&mut self, filter: &Filter) -> Result<(), PathError> {
        match filter {
            Filter::And(parts) => parts.iter().try_for_each(|part| self.read(part)),
            Filter::Compare { path, operator: Operator::Equal, value, span }
                if path.urn.is_none() && path.sub.is_none() && path.selector.is_none() =>
            {
                self.constant(path, value, *span)
            }
            Filter::Compare { path, operator: Operator::Equal, .. } => Err(PathError::new(
                format!("`{path}` is not a sub-attribute of `{}`", self.attribute.name),
                filter.span(),
            )
            .help("compare a sub-attribute by its bare name, as in [type eq \"work\"]")),
            _ => Err(PathError::new("a filter that is written to can only say what the element has", filter.span())
                .help("use `eq`, joined by `and`, as in [type eq \"work\" and primary eq true]")),
        }
    }

    fn constant(&mut self, path: &Path, value: &Literal, at: Span) -> Result<(), PathError> {
        let found = sub_attribute(self.attribute, &path.attribute, path.spans.attribute)?;
        let name = found.name;
        if found.declared.is_some_and(Attribute::is_read_only) {
            return Err(PathError::new(format!("`{name}` is read-only"), path.spans.attribute)
                .help("name the element by another sub-attribute"));
        }
        if self.sub.is_some_and(|sub| sub.name == name) {
            return Err(PathError::new(format!("the filter says already what `{name}` is"), at)
                .help("leave it out of the filter, or write another sub-attribute"));
        }
        if !self.seen.insert(name.to_owned()) {
            return Err(PathError::new(format!("`{name}` is in the filter twice"), at));
        }
        match const_value(found.kind(), value) {
            Some(value) => self.constants.push((name.to_owned(), value)),
            None => return Err(wrong_constant(found, value, at)),
        }
        Ok(())
    }
}

/// The value as the sub-attribute takes it. Entra quotes booleans: `roles[primary eq "True"]`.
fn const_value(kind: AttributeType, value: &Literal) -> Option<ConstValue> {
    use AttributeType::{Any, Binary, Boolean, Complex, DateTime, Decimal, Integer, Reference, String};
    match (kind, value) {
        (Boolean, Literal::String(text)) if text.eq_ignore_ascii_case("true") => Some(ConstValue::Boolean(true)),
        (Boolean, Literal::String(text)) if text.eq_ignore_ascii_case("false") => Some(ConstValue::Boolean(false)),
        (String | DateTime | Reference | Binary | Any, Literal::String(text)) => Some(ConstValue::String(text.clone())),
        (Boolean | Any, Literal::Boolean(truth)) => Some(ConstValue::Boolean(*truth)),
        (Integer | Decimal | Any, Literal::Integer(number)) => Some(ConstValue::Integer(*number)),
        (Decimal | Any, Literal::Decimal(number)) => Some(ConstValue::Decimal(*number)),
        (String | Boolean | Integer | Decimal | DateTime | Reference | Binary | Complex | Any, _) => None,
    }
}

fn wrong_constant(found: Found<'_>, value: &Literal, at: Span) -> PathError {
    use AttributeType::{Boolean, Complex, Decimal, Integer};
    let name = found.name;
    if matches!(value, Literal::Null) {
        return PathError::new("nothing is equal to null in an element that is to be written", at)
            .help(format!("leave `{name}` out of the filter"));
    }
    let (takes, help) = match found.kind() {
        Boolean => ("true or false", Some(format!("write {name} eq true"))),
        Integer => ("a whole number", None),
        Decimal => ("a number", None),
        Complex => ("an object", None),
        _ => ("text", Some(format!("write {name} eq {}", quoted(&value.to_string())))),
    };
    PathError::new(format!("`{name}` takes {takes}, not {value}"), at).help_if(help)
}

/// Reads the target of a mapping with `kind = "json"`: keys joined by dots, `[0]` for elements, quotes around a key
/// with a dot, a bracket or a blank in it.
///
/// # Errors
/// When the text is no such path, is too long or has too many steps.
pub fn json_target(text: &str) -> Result<Vec<Step>, PathError> {
    json_steps(text)
}

#[cfg(test)]
mod tests;
