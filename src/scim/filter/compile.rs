//! Filter to [`Node`]: names looked up, comparisons checked against the types of the schema.

use serde_json::Number;

use super::{Check, Node, Test};
use crate::scim::compare::{Timestamp, boolean_text, fold};
use crate::scim::error::ScimError;
use crate::scim::path::{Filter, Literal, Operator, Path, Selector};
use crate::scim::peer::{Tolerance, Tolerances};
use crate::scim::place;
use crate::scim::schema::{Attribute, AttributeType, ResourceSchema, Returned};
use crate::scim::target::locate;
use crate::text::did_you_mean;

/// A filter about resources.
pub(super) fn resource(filter: &Filter, resource: &ResourceSchema, t: Tolerances) -> Result<Node, ScimError> {
    walk(filter, &|path| in_resource(path, resource, t), t)
}

/// A filter about the elements of an attribute.
pub(super) fn elements(filter: &Filter, attribute: &Attribute, t: Tolerances) -> Result<Node, ScimError> {
    walk(filter, &|path| in_element(path, attribute), t)
}

/// A path that was looked up, and what it leads to.
struct Found {
    urn: Option<String>,
    attribute: Option<String>,
    selector: Option<Box<Node>>,
    sub: Option<String>,
    /// The attribute or sub-attribute; `None` where the schema says nothing.
    leaf: Option<Attribute>,
    /// Whether it is the id of another resource, as ids are compared with letter case (RFC 7643, section 3.1).
    id: bool,
}

impl Found {
    fn test(self, check: Check) -> Node {
        let Self { urn, attribute, selector, sub, .. } = self;
        Node::Test(Test { urn, attribute, selector, sub, check })
    }
}

type Lookup<'l> = &'l dyn Fn(&Path) -> Result<Found, ScimError>;

fn walk(filter: &Filter, lookup: Lookup<'_>, t: Tolerances) -> Result<Node, ScimError> {
    let all = |parts: &[Filter]| parts.iter().map(|part| walk(part, lookup, t)).collect::<Result<Vec<_>, _>>();
    match filter {
        Filter::And(parts) => all(parts).map(Node::And),
        Filter::Or(parts) => all(parts).map(Node::Or),
        Filter::Not(inner, _) => Ok(not(walk(inner, lookup, t)?)),
        Filter::Present { path, .. } | Filter::Element(path) => Ok(lookup(path)?.test(Check::Present)),
        Filter::Compare { path, operator, value, .. } => {
            let found = lookup(path)?;
            match (value, operator) {
                // Null is no value (RFC 7643, section 2.5).
                (Literal::Null, Operator::Equal) => Ok(not(found.test(Check::Present))),
                (Literal::Null, Operator::NotEqual) => Ok(found.test(Check::Present)),
                (Literal::Null, _) => Err(ScimError::invalid_filter(format!(
                    "`{path}` cannot be compared with null by {}",
                    operator.as_str()
                ))),
                _ => compare(path, found, *operator, value, t),
            }
        }
    }
}

fn not(node: Node) -> Node {
    match node {
        Node::Not(inner) => *inner,
        other => Node::Not(Box::new(other)),
    }
}

fn in_resource(path: &Path, resource: &ResourceSchema, t: Tolerances) -> Result<Found, ScimError> {
    let path = place::qualified(path.clone(), resource, t);
    let located = locate(&path, resource).map_err(|error| ScimError::from_filter(&error))?;
    let declared = located.attribute.declared;
    let leaf = located.sub.map_or(declared, |sub| sub.declared);
    if [declared, leaf].into_iter().flatten().any(|attribute| attribute.returned == Returned::Never) {
        return Err(ScimError::invalid_filter(format!("`{path}` is never given back, so nothing can be found by it")));
    }
    let selector = match located.selector {
        None => None,
        Some(Selector::Filter(filter)) => {
            let node = match declared {
                Some(attribute) => elements(filter, attribute, t)?,
                None => walk(filter, &|path| Ok(undeclared(path)), t)?,
            };
            Some(Box::new(node))
        }
        Some(Selector::Index(index)) => {
            let message = format!("`{path}`: elements are chosen by what they hold, not by position {index}");
            return Err(ScimError::invalid_filter(message));
        }
    };
    Ok(Found {
        urn: located.extension.map(|schema| schema.id.to_string()),
        attribute: Some(located.attribute.name.to_owned()),
        selector,
        sub: located.sub.map(|sub| sub.name.to_owned()),
        leaf: leaf.cloned(),
        id: declared.is_some_and(Attribute::is_relation) && located.sub.is_none_or(|sub| sub.name == "value"),
    })
}

/// A name within brackets whose attribute the schema leaves open.
fn undeclared(path: &Path) -> Found {
    Found {
        urn: None,
        attribute: Some(path.attribute.clone()),
        selector: None,
        sub: path.sub.clone(),
        leaf: None,
        id: false,
    }
}

fn in_element(path: &Path, attribute: &Attribute) -> Result<Found, ScimError> {
    let name = &path.attribute;
    if path.urn.is_some() || path.sub.is_some() {
        let message =
            format!("`{path}` is not a sub-attribute of `{}`: in brackets a bare name stands", attribute.name);
        return Err(ScimError::invalid_filter(message));
    }
    if attribute.is_open() {
        return Ok(undeclared(path));
    }
    let mut found = undeclared(path);
    if !attribute.kind.is_open_to_subs() && name.eq_ignore_ascii_case("value") {
        found.attribute = None;
        found.leaf = Some(attribute.clone());
        return Ok(found);
    }
    match attribute.sub(name) {
        Some(sub) => {
            found.attribute = Some(sub.name.to_string());
            found.leaf = Some(sub.clone());
            found.id = attribute.is_relation() && sub.name == "value";
            Ok(found)
        }
        None => {
            let help = did_you_mean(name, attribute.sub_attributes.iter().map(|sub| sub.name.as_ref()));
            let help = help.map(|help| format!(": {help}")).unwrap_or_default();
            Err(ScimError::invalid_filter(format!("`{}` has no sub-attribute `{name}`{help}", attribute.name)))
        }
    }
}

/// A comparison with a value that is not null.
fn compare(
    path: &Path,
    mut found: Found,
    operator: Operator,
    value: &Literal,
    t: Tolerances,
) -> Result<Node, ScimError> {
    use AttributeType::{Any, Binary, Boolean, Complex, DateTime, Decimal, Integer, Reference, String};
    let (mut kind, mut exact) = found.leaf.as_ref().map_or((Any, false), |leaf| (leaf.kind, leaf.case_exact));
    if kind == Complex {
        // `emails co "@x"` is about `emails.value` (RFC 7644, section 3.4.2.2), and so is `manager eq "…"`.
        let value = found.leaf.as_ref().and_then(|leaf| leaf.sub("value"));
        match value {
            Some(value) => {
                (kind, exact) = (value.kind, value.case_exact);
                found.sub = Some(value.name.to_string());
            }
            None => {
                let subs = found.leaf.iter().flat_map(|leaf| &leaf.sub_attributes);
                let example = subs.map(|sub| format!(": name a part of it, as {path}.{}", sub.name)).next();
                let message = format!("`{path}` is complex and has no value to compare{}", example.unwrap_or_default());
                return Err(ScimError::invalid_filter(message));
            }
        }
    }
    exact |= found.id;
    let senseless = || {
        let message = format!("`{path}` is {}: {} does not compare it", a(kind), operator.as_str());
        ScimError::invalid_filter(message)
    };
    let wrong = || ScimError::invalid_filter(format!("`{path}` is {}, and {value} is not", a(kind)));
    let is_piece = matches!(operator, Operator::Contains | Operator::StartsWith | Operator::EndsWith);
    let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let check = match kind {
        Boolean if !is_equality => return Err(senseless()),
        Boolean => Check::Boolean(boolean(value, t).ok_or_else(wrong)?),
        Integer | Decimal if is_piece => return Err(senseless()),
        Integer | Decimal => Check::Number { operator, value: number(value, t).ok_or_else(wrong)? },
        Binary if !is_equality => return Err(senseless()),
        Binary => text(operator, value, true),
        DateTime if is_piece => text(operator, value, true),
        DateTime => {
            let time = match value {
                Literal::String(text) => Timestamp::parse(text),
                _ => None,
            };
            Check::Time { operator, value: time.ok_or_else(wrong)? }
        }
        String | Reference | Complex => text(operator, value, exact),
        Any => match value {
            Literal::Boolean(_) if !is_equality => return Err(senseless()),
            Literal::Boolean(truth) => Check::Boolean(*truth),
            Literal::Integer(_) | Literal::Decimal(_) if !is_piece => {
                Check::Number { operator, value: number(value, t).ok_or_else(wrong)? }
            }
            _ => text(operator, value, false),
        },
    };
    let test = found.test(check);
    // "Not identical": none of the values is, and a resource without any passes.
    Ok(if operator == Operator::NotEqual { not(test) } else { test })
}

/// Text, or what a client without quotes meant as text.
fn text(operator: Operator, value: &Literal, exact: bool) -> Check {
    let value = match value {
        Literal::String(text) => text.clone(),
        other => other.to_string(),
    };
    let value = if exact { value } else { fold(&value).into_owned() };
    let operator = if operator == Operator::NotEqual { Operator::Equal } else { operator };
    Check::Text { operator, value, exact }
}

fn boolean(value: &Literal, t: Tolerances) -> Option<bool> {
    match value {
        Literal::Boolean(truth) => Some(*truth),
        Literal::String(text) if t.has(Tolerance::BooleanText) => boolean_text(text),
        _ => None,
    }
}

fn number(value: &Literal, t: Tolerances) -> Option<Number> {
    match value {
        Literal::Integer(number) => Some(Number::from(*number)),
        Literal::Decimal(number) => Number::from_f64(*number),
        Literal::String(text) if t.has(Tolerance::NumberText) => text.parse().ok(),
        _ => None,
    }
}

/// The type in words.
fn a(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::Boolean => "a boolean",
        AttributeType::Integer => "a whole number",
        AttributeType::Decimal => "a number",
        AttributeType::DateTime => "a dateTime",
        AttributeType::Binary => "binary",
        AttributeType::String | AttributeType::Reference | AttributeType::Complex | AttributeType::Any => "text",
    }
}
