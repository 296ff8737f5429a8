//! What a service says of itself: Schemas, ResourceTypes and ServiceProviderConfig (RFC 7644, section 4, RFC 7643, sections 5
//! to 7, and RFC 9865, section 4).
//!
//! Strict clients build their models of these documents, so they have no member that the RFCs do not have.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::list::{self, Paging};
use super::schema::{Attribute, AttributeType, ResourceSchema, Schema};

/// The URN of a schema document.
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
/// The URN of a resource type document.
pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The URN of the configuration document.
pub const SERVICE_PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

/// A resource type of the service (RFC 7643, section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// Its schemas; also its name.
    pub schema: ResourceSchema,
    /// Where its resources are, such as `/Users`.
    pub endpoint: String,
    /// What it is for, for people.
    pub description: String,
}

impl ResourceType {
    /// Users, with the extensions that `schema` has.
    pub fn user(schema: ResourceSchema) -> Self {
        Self { schema, endpoint: "/Users".into(), description: "User Account".into() }
    }

    /// Groups.
    pub fn group(schema: ResourceSchema) -> Self {
        Self { schema, endpoint: "/Groups".into(), description: "Group".into() }
    }

    /// The name, which is also its id.
    pub fn name(&self) -> &str {
        &self.schema.name
    }

    /// The document. `base` is the URI of the service, without a slash at its end.
    pub fn to_json(&self, base: &str) -> Value {
        let mut body = json!({
            "schemas": [RESOURCE_TYPE],
            "id": self.name(),
            "name": self.name(),
            "endpoint": self.endpoint,
            "description": self.description,
            "schema": self.schema.core.id,
        });
        if let Some(fields) = body.as_object_mut() {
            let extensions: Vec<Value> =
                self.schema.extensions.iter().map(|schema| json!({ "schema": schema.id, "required": false })).collect();
            if !extensions.is_empty() {
                fields.insert("schemaExtensions".into(), extensions.into());
            }
            fields.insert("meta".into(), meta("ResourceType", base, &format!("/ResourceTypes/{}", self.name())));
        }
        body
    }
}

fn meta(resource_type: &str, base: &str, path: &str) -> Value {
    json!({ "resourceType": resource_type, "location": format!("{base}{path}") })
}

/// The answer to `GET /ResourceTypes`.
pub fn resource_types(types: &[ResourceType], base: &str) -> Value {
    all(types.iter().map(|kind| kind.to_json(base)).collect())
}

/// The answer to `GET /ResourceTypes/{name}`; `None` is a 404.
pub fn resource_type(types: &[ResourceType], name: &str, base: &str) -> Option<Value> {
    types.iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).map(|kind| kind.to_json(base))
}

/// The answer to `GET /Schemas`.
pub fn schemas(types: &[ResourceType], base: &str) -> Value {
    all(every_schema(types).map(|schema| schema_json(schema, base)).collect())
}

/// The answer to `GET /Schemas/{urn}`; `None` is a 404.
pub fn schema(types: &[ResourceType], urn: &str, base: &str) -> Option<Value> {
    let found = every_schema(types).find(|schema| schema.is(urn))?;
    Some(schema_json(found, base))
}

/// Each schema once, though several types may have it.
fn every_schema(types: &[ResourceType]) -> impl Iterator<Item = &Schema> {
    let mut seen = HashSet::new();
    types
        .iter()
        .flat_map(|kind| kind.schema.schemas())
        .map(AsRef::as_ref)
        .filter(move |schema| seen.insert(schema.id.as_ref()))
}

fn all(resources: Vec<Value>) -> Value {
    let total = resources.len() as u64;
    list::response(resources, Some(total), &Paging::Index(1))
}

fn schema_json(schema: &Schema, base: &str) -> Value {
    json!({
        "schemas": [SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": if schema.description.is_empty() { &schema.name } else { &schema.description },
        "attributes": schema.attributes.iter().map(attribute_json).collect::<Vec<_>>(),
        "meta": meta("Schema", base, &format!("/Schemas/{}", schema.id)),
    })
}

fn attribute_json(attribute: &Attribute) -> Value {
    let mut out = Map::new();
    // The RFC has no type for what may be anything; clients read text best.
    let kind = if attribute.kind == AttributeType::Any { AttributeType::String } else { attribute.kind };
    out.insert("name".into(), attribute.name.as_ref().into());
    out.insert("type".into(), kind.as_str().into());
    out.insert("multiValued".into(), attribute.multi_valued.into());
    let description = if attribute.description.is_empty() { &attribute.name } else { &attribute.description };
    out.insert("description".into(), description.as_ref().into());
    out.insert("required".into(), attribute.required.into());
    let words = |words: &[super::schema::Text]| Value::from(words.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
    if !attribute.canonical_values.is_empty() {
        out.insert("canonicalValues".into(), words(&attribute.canonical_values));
    }
    out.insert("caseExact".into(), attribute.case_exact.into());
    out.insert("mutability".into(), attribute.mutability.as_str().into());
    out.insert("returned".into(), attribute.returned.as_str().into());
    out.insert("uniqueness".into(), attribute.uniqueness.as_str().into());
    if !attribute.reference_types.is_empty() {
        out.insert("referenceTypes".into(), words(&attribute.reference_types));
    }
    if !attribute.sub_attributes.is_empty() {
        out.insert("subAttributes".into(), attribute.sub_attributes.iter().map(attribute_json).collect());
    }
    Value::Object(out)
}

/// A way to prove who one is (RFC 7643, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationScheme {
    /// `oauthbearertoken`, `oauth2`, `httpbasic`…
    pub kind: String,
    /// Its name for people.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where it is specified.
    pub spec_uri: Option<String>,
    /// Whether it is the one to prefer.
    pub primary: bool,
}

impl AuthenticationScheme {
    /// A bearer token in the `Authorization` header (RFC 6750).
    pub fn bearer() -> Self {
        Self {
            kind: "oauthbearertoken".into(),
            name: "OAuth Bearer Token".into(),
            description: "A bearer token in the Authorization header".into(),
            spec_uri: Some("https://www.rfc-editor.org/info/rfc6750".into()),
            primary: true,
        }
    }

    /// An access token by client credentials, with a secret or an assertion (RFC 6749, section 4.4, RFC 7523, section 2.2).
    pub fn client_credentials() -> Self {
        Self {
            kind: "oauth2".into(),
            name: "OAuth 2.0 Client Credentials".into(),
            description: "A short-lived bearer token from the token endpoint, by a client secret or a signed assertion"
                .into(),
            spec_uri: Some("https://www.rfc-editor.org/info/rfc6749".into()),
            primary: false,
        }
    }
}

/// What a service can do (RFC 7643, section 5, and RFC 9865, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the RFC's document is a list of switches")]
pub struct Features {
    /// Where people read more.
    pub documentation_uri: Option<String>,
    /// PATCH.
    pub patch: bool,
    /// Bulk: the most operations and bytes.
    pub bulk: Option<(usize, usize)>,
    /// Filters: the most results.
    pub filter: Option<u64>,
    /// Whether a password can be changed.
    pub change_password: bool,
    /// Sorting.
    pub sort: bool,
    /// Versions.
    pub etag: bool,
    /// Paging by cursor: seconds that a cursor lives.
    pub cursor: Option<u64>,
    /// How many results a page has when nobody says.
    pub default_page_size: u64,
    /// How many it has at most.
    pub max_page_size: u64,
    /// The ways to prove who one is.
    pub authentication: Vec<AuthenticationScheme>,
}

impl Default for Features {
    /// Everything that this module knows of.
    fn default() -> Self {
        Self {
            documentation_uri: None,
            patch: true,
            bulk: Some((super::bulk::MAX_OPERATIONS, super::bulk::MAX_PAYLOAD)),
            filter: Some(1_000),
            change_password: false,
            sort: true,
            etag: true,
            cursor: Some(list::CURSOR_TIMEOUT),
            default_page_size: 100,
            max_page_size: 1_000,
            authentication: vec![AuthenticationScheme::bearer(), AuthenticationScheme::client_credentials()],
        }
    }
}

impl Features {
    /// The answer to `GET /ServiceProviderConfig`.
    pub fn to_json(&self, base: &str) -> Value {
        let mut out = Map::new();
        out.insert("schemas".into(), json!([SERVICE_PROVIDER_CONFIG]));
        if let Some(uri) = &self.documentation_uri {
            out.insert("documentationUri".into(), uri.as_str().into());
        }
        let (operations, bytes) = self.bulk.unwrap_or_default();
        out.insert("patch".into(), json!({ "supported": self.patch }));
        let bulk = json!({ "supported": self.bulk.is_some(), "maxOperations": operations, "maxPayloadSize": bytes });
        out.insert("bulk".into(), bulk);
        let filter = json!({ "supported": self.filter.is_some(), "maxResults": self.filter.unwrap_or_default() });
        out.insert("filter".into(), filter);
        out.insert("changePassword".into(), json!({ "supported": self.change_password }));
        out.insert("sort".into(), json!({ "supported": self.sort }));
        out.insert("etag".into(), json!({ "supported": self.etag }));
        let mut pagination = json!({
            "cursor": self.cursor.is_some(),
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": self.default_page_size,
            "maxPageSize": self.max_page_size,
        });
        if let (Some(seconds), Some(fields)) = (self.cursor, pagination.as_object_mut()) {
            fields.insert("cursorTimeout".into(), seconds.into());
        }
        out.insert("pagination".into(), pagination);
        let schemes = self.authentication.iter().map(|scheme| {
            let mut fields = json!({ "type": scheme.kind, "name": scheme.name, "description": scheme.description });
            if let Some(fields) = fields.as_object_mut() {
                if let Some(uri) = &scheme.spec_uri {
                    fields.insert("specUri".into(), uri.as_str().into());
                }
                fields.insert("primary".into(), scheme.primary.into());
            }
            fields
        });
        out.insert("authenticationSchemes".into(), schemes.collect());
        out.insert("meta".into(), meta("ServiceProviderConfig", base, "/ServiceProviderConfig"));
        Value::Object(out)
    }
}
