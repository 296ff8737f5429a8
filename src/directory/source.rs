//! [`Source`]: an inbound SCIM endpoint: its slug, its resource types with what is declared beside the RFC's, its mappings,
//! what it tolerates.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::declared::{self, DeclaredType, Extension};
use crate::clock::Millis;
use crate::scim::discovery::ResourceType;
use crate::scim::peer::Tolerances;

/// The longest slug.
const MAX_SLUG: usize = 63;

/// A source as it is kept, and as an operator writes it in the configuration and sends it to the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceRecord {
    /// Its name in URLs: small letters, digits and hyphens.
    pub slug: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// When it was made.
    #[serde(default)]
    pub created: Millis,
    /// The mapping that makes a profile of each user: by name; in the configuration by file.
    #[serde(default, alias = "user_mapping", skip_serializing_if = "Option::is_none")]
    pub user_mapping: Option<String>,
    /// The mapping that makes a profile of each group.
    #[serde(default, alias = "group_mapping", skip_serializing_if = "Option::is_none")]
    pub group_mapping: Option<String>,
    /// Whether two users may not have one work e-mail address. Can be changed while there are no users.
    #[serde(default, alias = "unique_email", skip_serializing_if = "std::ops::Not::not")]
    pub unique_email: bool,
    /// Declared attributes by extension URN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
    /// Declared resource types.
    #[serde(default, alias = "resource_types", skip_serializing_if = "Vec::is_empty")]
    pub resource_types: Vec<DeclaredType>,
    /// Tolerances that are switched off, by name.
    #[serde(default, alias = "refused_tolerances", skip_serializing_if = "Vec::is_empty")]
    pub refused_tolerances: Vec<String>,
}

/// How many sources were made ready.
static READY: AtomicU64 = AtomicU64::new(0);

/// A source ready for requests.
#[derive(Debug, Clone)]
pub struct Source {
    /// Another one whenever a source is made ready: what was made for one as it was declared is not for another.
    pub(super) number: u64,
    /// Its name in URLs.
    pub slug: String,
    /// Its resource types.
    pub types: Vec<ResourceType>,
    /// The deviations it accepts.
    pub tolerances: Tolerances,
    /// The names of the mappings of users and of groups.
    mappings: [Option<String>; 2],
    /// Whether two users may not have one work e-mail address.
    pub unique_email: bool,
}

impl SourceRecord {
    /// A source without anything of its own.
    pub fn new(slug: &str, created: Millis) -> Self {
        Self { slug: slug.to_owned(), created, ..Self::default() }
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
        Ok(Source {
            number: READY.fetch_add(1, Ordering::Relaxed),
            slug: self.slug.clone(),
            types: declared::types(&self.extensions, &self.resource_types)?,
            tolerances: declared::tolerances(&self.refused_tolerances)?,
            mappings: [self.user_mapping.clone(), self.group_mapping.clone()],
            unique_email: self.unique_email,
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

    /// The name of the mapping that makes profiles of resources of this kind.
    pub fn mapping(&self, kind: &str) -> Option<&str> {
        let [user, group] = &self.mappings;
        match kind {
            "User" => user.as_deref(),
            "Group" => group.as_deref(),
            _ => None,
        }
    }

    /// Whether a mapping of that name is one of its own.
    pub fn uses(&self, mapping: &str) -> bool {
        self.mappings.iter().flatten().any(|name| name == mapping)
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
        let extension = r#"{"urn": "urn:x:1.0:User", "attributes": [{"name": "badge", "type": "string"}]}"#;
        record.extensions.push(serde_json::from_str(extension).unwrap());
        let source = record.ready().unwrap();
        assert!(source.at_endpoint("users").unwrap().schema.schema("urn:x:1.0:User").is_some());
        record.extensions[0].attributes[0].kind = "text".into();
        assert!(record.ready().unwrap_err().contains("is no type"));
    }
}
