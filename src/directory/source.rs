//! [`Source`]: an inbound SCIM endpoint: its slug, its resource types with declared extensions, what it tolerates.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::scim::discovery::ResourceType;
use crate::scim::peer::Tolerances;
use crate::scim::{Attribute, AttributeType, ResourceSchema};

/// The longest slug.
const MAX_SLUG: usize = 63;

/// A source as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRecord {
    /// Its name in URLs: small letters, digits and hyphens.
    pub slug: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// When it was made.
    pub created: Millis,
    /// Declared attributes by extension URN, of users.
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// A declared extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    /// Its URN.
    pub urn: String,
    /// The resource type it extends.
    pub resource: String,
    /// Its attributes.
    pub attributes: Vec<ExtensionAttribute>,
}

/// A declared attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionAttribute {
    /// Its name.
    pub name: String,
    /// Its type, as in a mapping file: `string`, `boolean`, `any`…
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it has several values.
    #[serde(default)]
    pub multi_valued: bool,
}

/// A source ready for requests.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in URLs.
    pub slug: String,
    /// Its resource types.
    pub types: Vec<ResourceType>,
    /// The deviations it accepts.
    pub tolerances: Tolerances,
}

impl SourceRecord {
    /// A source without anything of its own.
    pub fn new(slug: &str, created: Millis) -> Self {
        Self { slug: slug.to_owned(), description: String::new(), created, extensions: Vec::new() }
    }

    /// What is wrong with a slug.
    pub fn check_slug(slug: &str) -> Result<(), String> {
        let fine = !slug.is_empty()
            && slug.len() <= MAX_SLUG
            && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !slug.starts_with('-')
            && !slug.ends_with('-');
        if fine {
            return Ok(());
        }
        Err(format!(
            "{slug:?} cannot name a source: small letters, digits and hyphens between them, up to {MAX_SLUG}, such as \"acme\""
        ))
    }

    /// Makes it ready; the error names what is wrong in its declarations.
    pub fn ready(&self) -> Result<Source, String> {
        let mut schemas = [ResourceSchema::for_resource("User"), ResourceSchema::for_resource("Group")];
        for extension in &self.extensions {
            let place = schemas
                .iter_mut()
                .find(|schema| {
                    schema.as_ref().is_some_and(|schema| schema.name.eq_ignore_ascii_case(&extension.resource))
                })
                .ok_or_else(|| format!("{}: there is no resource type {:?}", extension.urn, extension.resource))?;
            let mut attributes = Vec::new();
            for attribute in &extension.attributes {
                let kind = AttributeType::parse(&attribute.kind)
                    .ok_or_else(|| format!("{}: {:?} is not a type", extension.urn, attribute.kind))?;
                attributes.push(Attribute::new(attribute.name.clone(), kind, "").multi_valued(attribute.multi_valued));
            }
            *place = place.take().map(|schema| schema.with_extension(&extension.urn, attributes));
        }
        let [user, group] = schemas;
        let types = [user.map(ResourceType::user), group.map(ResourceType::group)];
        Ok(Source {
            slug: self.slug.clone(),
            types: types.into_iter().flatten().collect(),
            tolerances: Tolerances::default(),
        })
    }
}

impl Source {
    /// The resource type at an endpoint such as `Users`, letter case aside, as Microsoft's own client has it.
    pub fn at_endpoint(&self, endpoint: &str) -> Option<&ResourceType> {
        self.types.iter().find(|kind| kind.endpoint.trim_start_matches('/').eq_ignore_ascii_case(endpoint))
    }

    /// The resource type of that name.
    pub fn named(&self, name: &str) -> Option<&ResourceType> {
        self.types.iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for good in ["default", "a", "acme-2"] {
            assert!(SourceRecord::check_slug(good).is_ok(), "{good}");
        }
        for bad in ["", "Acme", "a b", "-a", "a-", "ä", &"a".repeat(64)] {
            assert!(SourceRecord::check_slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn declared_extensions_become_part_of_the_type() {
        let mut record = SourceRecord::new("a", 0);
        let attributes = vec![ExtensionAttribute { name: "badge".into(), kind: "string".into(), multi_valued: false }];
        record.extensions.push(Extension { urn: "urn:x:User".into(), resource: "User".into(), attributes });
        let source = record.ready().unwrap();
        assert!(source.at_endpoint("users").unwrap().schema.schema("urn:x:User").is_some());
        record.extensions[0].attributes[0].kind = "text".into();
        assert!(record.ready().unwrap_err().contains("not a type"));
    }
}
