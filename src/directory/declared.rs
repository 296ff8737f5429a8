//! What an operator declares of a source's schemas: extensions and resource types, in the words of RFC 7643, section 7, made
//! into the tables of `scim`. Configuration (`snake_case` keys) and API (camelCase) read the same structures.

use serde::{Deserialize, Serialize};

use crate::scim::discovery::ResourceType;
use crate::scim::schema::{Attribute, AttributeType, Mutability, Returned, Text, Uniqueness};
use crate::scim::{ResourceSchema, Tolerance, Tolerances};
use crate::text::did_you_mean;

/// The most extensions, and the most resource types, that a source declares.
const MAX_DECLARED: usize = 32;
/// The most attributes of a schema, parts included.
const MAX_ATTRIBUTES: usize = 500;
/// Endpoints that are the protocol's own.
const RESERVED: [&str; 8] =
    ["/Users", "/Groups", "/Me", "/Bulk", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/.search"];

/// A declared extension of a resource type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Extension {
    /// Its URN.
    pub urn: String,
    /// The resource type it extends.
    #[serde(default = "user")]
    pub resource: String,
    /// Its attributes.
    pub attributes: Vec<DeclaredAttribute>,
}

/// A declared resource type (RFC 7643, section 6), which needs no code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredType {
    /// Its name, such as `Device`.
    pub name: String,
    /// Where its resources are, such as `/Devices`.
    pub endpoint: String,
    /// The URN of its schema.
    pub schema: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its attributes, beside the common ones (`id`, `externalId`, `meta`).
    pub attributes: Vec<DeclaredAttribute>,
}

/// A declared attribute. What is left out is as RFC 7643, section 2.2 has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DeclaredAttribute {
    /// Its name.
    pub name: String,
    /// Its type, as in a mapping file: `string` (when left out), `boolean`, `complex`, `any`…
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whether it has several values.
    #[serde(alias = "multi_valued", skip_serializing_if = "is_false")]
    pub multi_valued: bool,
    /// Whether a resource must have it.
    #[serde(skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether letter case counts.
    #[serde(alias = "case_exact", skip_serializing_if = "is_false")]
    pub case_exact: bool,
    /// `readWrite` (when left out), `readOnly`, `immutable`, `writeOnly`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mutability: String,
    /// `default` (when left out), `always`, `never`, `request`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub returned: String,
    /// `none` (when left out), `server`, `global`; the store keeps it for attributes at the top of the resource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uniqueness: String,
    /// Values it usually has.
    #[serde(alias = "canonical_values", skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// What a reference may point at.
    #[serde(alias = "reference_types", skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// What it means, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The parts of a complex one.
    #[serde(alias = "sub_attributes", skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub sub_attributes: Vec<DeclaredAttribute>,
}

fn user() -> String {
    "User".to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The resource types that come of the declarations; the error names what is wrong.
pub(super) fn types(extensions: &[Extension], declared: &[DeclaredType]) -> Result<Vec<ResourceType>, String> {
    if extensions.len() > MAX_DECLARED || declared.len() > MAX_DECLARED {
        return Err(format!("a source declares at most {MAX_DECLARED} extensions and {MAX_DECLARED} resource types"));
    }
    let mut types: Vec<ResourceType> = Vec::new();
    types.extend(ResourceSchema::for_resource("User").map(ResourceType::user));
    types.extend(ResourceSchema::for_resource("Group").map(ResourceType::group));
    for kind in declared {
        let made = resource_type(kind)?;
        let clash = types.iter().find(|known| {
            known.name().eq_ignore_ascii_case(made.name()) || known.endpoint.eq_ignore_ascii_case(&made.endpoint)
        });
        if let Some(clash) = clash {
            return Err(format!(
                "resource type {:?}: {} at {} is there already",
                kind.name,
                clash.name(),
                clash.endpoint
            ));
        }
        types.push(made);
    }
    for extension in extensions {
        check_urn(&extension.urn)?;
        let attributes = attributes(&extension.attributes, &extension.urn)?;
        if attributes.is_empty() {
            return Err(format!("{}: an extension declares at least one attribute", extension.urn));
        }
        let names: Vec<String> = types.iter().map(|kind| kind.name().to_owned()).collect();
        let kind =
            types.iter_mut().find(|kind| kind.name().eq_ignore_ascii_case(&extension.resource)).ok_or_else(|| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("{}: {}", extension.urn, unknown("resource type", &extension.resource, &names))
            })?;
        kind.schema = kind.schema.clone().with_extension(&extension.urn, attributes);
    }
    Ok(types)
}

fn resource_type(declared: &DeclaredType) -> Result<ResourceType, String> {
    let name = &declared.name;
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("{name:?} cannot name a resource type: letters and digits, up to 64, such as \"Device\""));
    }
    let endpoint = &declared.endpoint;
    let word = endpoint.strip_prefix('/').unwrap_or_default();
    let fine = !word.is_empty() && word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !fine || RESERVED.iter().any(|taken| taken.eq_ignore_ascii_case(endpoint)) {
        return Err(format!(
            "resource type {name:?}: {endpoint:?} cannot be its endpoint: a slash and one word that the protocol does not use, such as \"/Devices\""
        ));
    }
    check_urn(&declared.schema)?;
    let attributes = attributes(&declared.attributes, name)?;
    if attributes.is_empty() {
        return Err(format!("resource type {name:?} declares at least one attribute"));
    }
    let schema = ResourceSchema::custom(name.clone(), declared.schema.clone(), attributes);
    let description = if declared.description.is_empty() { name.clone() } else { declared.description.clone() };
    Ok(ResourceType { schema, endpoint: endpoint.clone(), description })
}

fn check_urn(urn: &str) -> Result<(), String> {
    let words = urn.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:"));
    if words && urn.len() <= 255 && urn.matches(':').count() >= 2 && urn.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(format!(
        "{urn:?} is not the URN of a schema, such as \"urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User\""
    ))
}

fn attributes(declared: &[DeclaredAttribute], of: &str) -> Result<Vec<Attribute>, String> {
    let count = declared.len() + declared.iter().map(|attribute| attribute.sub_attributes.len()).sum::<usize>();
    if count > MAX_ATTRIBUTES {
        return Err(format!("{of}: a schema has at most {MAX_ATTRIBUTES} attributes"));
    }
    declared.iter().map(|one| attribute(one, of)).collect()
}

fn attribute(declared: &DeclaredAttribute, of: &str) -> Result<Attribute, String> {
    let name = &declared.name;
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$'));
    if name.is_empty() || name.len() > 255 || !legal || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!("{of}: {name:?} cannot name an attribute: letters, digits, `-` and `_`"));
    }
    let place = format!("{of}: {name}");
    let kind = if declared.kind.is_empty() {
        AttributeType::String
    } else {
        let names = AttributeType::ALL.map(AttributeType::as_str);
        AttributeType::parse(&declared.kind)
            .ok_or_else(|| format!("{place}: {}", unknown("type", &declared.kind, &names)))?
    };
    let subs = attributes(&declared.sub_attributes, &place)?;
    if !subs.is_empty() && kind != AttributeType::Complex {
        return Err(format!("{place}: only a complex attribute has sub-attributes"));
    }
    if subs.iter().any(|sub| sub.kind == AttributeType::Complex) {
        return Err(format!("{place}: a sub-attribute cannot be complex (RFC 7643, section 2.3.8)"));
    }
    let mut made = Attribute::new(name.clone(), kind, declared.description.clone()).multi_valued(declared.multi_valued);
    made.required = declared.required;
    made.case_exact = declared.case_exact;
    let named = |error: String| format!("{place}: {error}");
    let mutabilities = [Mutability::ReadWrite, Mutability::ReadOnly, Mutability::Immutable, Mutability::WriteOnly];
    made.mutability = pick("mutability", &declared.mutability, mutabilities, Mutability::as_str).map_err(named)?;
    let returns = [Returned::Default, Returned::Always, Returned::Never, Returned::Request];
    made.returned = pick("returned", &declared.returned, returns, Returned::as_str).map_err(named)?;
    let scopes = [Uniqueness::None, Uniqueness::Server, Uniqueness::Global];
    made.uniqueness = pick("uniqueness", &declared.uniqueness, scopes, Uniqueness::as_str).map_err(named)?;
    Ok(made
        .canonical(declared.canonical_values.iter().cloned().map(Text::from))
        .references(declared.reference_types.iter().cloned().map(Text::from))
        .subs(subs))
}

/// The one of these that is called so; the first when nothing is given.
fn pick<T: Copy, const N: usize>(
    what: &str,
    given: &str,
    choices: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    let mut choices = choices.into_iter();
    let names: Vec<&str> = choices.clone().map(name).collect();
    let found = if given.is_empty() { choices.next() } else { choices.find(|choice| name(*choice) == given) };
    found.ok_or_else(|| unknown(what, given, &names))
}

/// That a word is none of these, and which was meant.
fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    let meant = did_you_mean(given, known.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{given:?} is no {what}: one of {}{meant}", known.join(", "))
}

/// The tolerances that remain when these, by name, are not accepted.
pub(super) fn tolerances(refused: &[String]) -> Result<Tolerances, String> {
    refused.iter().try_fold(Tolerances::default(), |tolerances, name| {
        let tolerance = Tolerance::named(name)
            .ok_or_else(|| format!("{name:?} is no tolerance: docs/scim-tolerances.md has their names"))?;
        Ok(tolerances.without(tolerance))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(json: &str) -> Result<Attribute, String> {
        attribute(&serde_json::from_str(json).map_err(|error| error.to_string())?, "urn:x:Y")
    }

    #[test]
    fn what_is_left_out_is_as_the_rfc_has_it() {
        let made = one(r#"{"name": "badge"}"#).unwrap();
        assert_eq!(made, Attribute::new("badge", AttributeType::String, ""));
        let made = one(r#"{"name": "b", "type": "integer", "multi_valued": true, "uniqueness": "server"}"#).unwrap();
        assert!(made.multi_valued && made.kind == AttributeType::Integer && made.uniqueness == Uniqueness::Server);
    }

    #[test]
    fn mistakes_are_named() {
        for (json, words) in [
            (r#"{"name": "a b"}"#, "cannot name an attribute"),
            (r#"{"name": "a", "type": "text"}"#, "is no type"),
            (r#"{"name": "a", "mutability": "readonly"}"#, "did you mean `readOnly`"),
            (r#"{"name": "a", "sub_attributes": [{"name": "b"}]}"#, "only a complex attribute"),
            (r#"{"name": "a", "colour": 1}"#, "unknown field"),
        ] {
            let error = one(json).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_resource_type_takes_no_endpoint_of_another() {
        let device = DeclaredType {
            name: "Device".into(),
            endpoint: "/Devices".into(),
            schema: "urn:example:Device".into(),
            description: String::new(),
            attributes: vec![DeclaredAttribute { name: "serial".into(), ..DeclaredAttribute::default() }],
        };
        assert_eq!(types(&[], std::slice::from_ref(&device)).unwrap().len(), 3);
        let reserved = DeclaredType { endpoint: "/bulk".into(), ..device.clone() };
        assert!(types(&[], &[reserved]).unwrap_err().contains("cannot be its endpoint"));
        assert!(types(&[], &[device.clone(), device]).unwrap_err().contains("is there already"));
    }
}
