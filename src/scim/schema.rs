//! Which attributes a SCIM resource has (RFC 7643): the types, the lookup, and the schemas of one resource.
//!
//! The tables themselves are in `schema/tables.rs`. Names match without regard to case (RFC 7643, section 2.1) and are
//! given back as the schema spells them.

mod look;
mod tables;

use std::borrow::Cow;
use std::sync::Arc;

use look::Looks;
pub use tables::{common, enterprise_user, group, user};

/// The URN of the core User schema (RFC 7643, section 4.1).
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the core Group schema (RFC 7643, section 4.2).
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URN of the enterprise extension of User (RFC 7643, section 4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A text that is static in the tables and owned in schemas declared at run time.
pub type Text = Cow<'static, str>;

/// What an attribute holds (RFC 7643, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AttributeType {
    /// Text (section 2.3.1).
    #[default]
    String,
    /// `true` or `false` (section 2.3.2).
    Boolean,
    /// A whole number (section 2.3.4).
    Integer,
    /// A number with a fraction (section 2.3.3).
    Decimal,
    /// An `xsd:dateTime` (section 2.3.5).
    DateTime,
    /// The URI of something (section 2.3.7).
    Reference,
    /// Base64 text (section 2.3.6).
    Binary,
    /// An object of sub-attributes (section 2.3.8).
    Complex,
    /// Anything at all; not in the RFC, for custom attributes whose shape only the target knows.
    Any,
}

impl AttributeType {
    /// Every type, in the order in which the documentation lists them.
    pub const ALL: [AttributeType; 9] = [
        Self::String,
        Self::Boolean,
        Self::Integer,
        Self::Decimal,
        Self::DateTime,
        Self::Reference,
        Self::Binary,
        Self::Complex,
        Self::Any,
    ];

    /// The name a schema has for the type (RFC 7643, section 7, `type`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::DateTime => "dateTime",
            Self::Reference => "reference",
            Self::Binary => "binary",
            Self::Complex => "complex",
            Self::Any => "any",
        }
    }

    /// The type of that name, letter case aside.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether the attribute may have sub-attributes.
    pub fn is_open_to_subs(self) -> bool {
        matches!(self, Self::Complex | Self::Any)
    }
}

/// Who may write an attribute (RFC 7643, section 7, `mutability`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mutability {
    /// Only the service provider.
    ReadOnly,
    /// Everybody, at any time.
    #[default]
    ReadWrite,
    /// Everybody, once.
    Immutable,
    /// Everybody; it is never given back.
    WriteOnly,
}

impl Mutability {
    /// The name a schema has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

/// When an attribute is in an answer (RFC 7643, section 7, `returned`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Returned {
    /// In every answer, asked for or not.
    Always,
    /// In no answer.
    Never,
    /// Unless the request excludes it.
    #[default]
    Default,
    /// Only when the request names it.
    Request,
}

impl Returned {
    /// The name a schema has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

/// Within what a value may occur once (RFC 7643, section 7, `uniqueness`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Uniqueness {
    /// It may repeat.
    #[default]
    None,
    /// Once in the service.
    Server,
    /// Once in the world.
    Global,
}

impl Uniqueness {
    /// The name a schema has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Global => "global",
        }
    }
}

/// One attribute and its characteristics (RFC 7643, sections 2.2 and 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The name, as it is written in payloads.
    pub name: Text,
    /// What it holds; of a multi-valued one, what each of its values is.
    pub kind: AttributeType,
    /// Whether it holds a list.
    pub multi_valued: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether letter case counts when values are compared.
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it is in an answer.
    pub returned: Returned,
    /// Within what a value may occur once.
    pub uniqueness: Uniqueness,
    /// Values it usually has; others are allowed.
    pub canonical_values: Vec<Text>,
    /// What a [`AttributeType::Reference`] may point at.
    pub reference_types: Vec<Text>,
    /// What it means, for people.
    pub description: Text,
    /// The parts of a [`AttributeType::Complex`] one.
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// An attribute with the characteristics that hold when a schema says nothing (RFC 7643, section 2.2).
    pub fn new(name: impl Into<Text>, kind: AttributeType, description: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            kind,
            multi_valued: false,
            required: false,
            case_exact: false,
            mutability: Mutability::default(),
            returned: Returned::default(),
            uniqueness: Uniqueness::default(),
            canonical_values: Vec::new(),
            reference_types: Vec::new(),
            description: description.into(),
            sub_attributes: Vec::new(),
        }
    }

    /// Makes it a list, or not.
    #[must_use]
    pub fn multi_valued(mut self, multi_valued: bool) -> Self {
        self.multi_valued = multi_valued;
        self
    }

    /// Makes every resource need it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Makes letter case count.
    #[must_use]
    pub fn case_exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    /// Says who may write it.
    #[must_use]
    pub fn mutability(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    /// Says when it is in an answer.
    #[must_use]
    pub fn returned(mut self, returned: Returned) -> Self {
        self.returned = returned;
        self
    }

    /// Says within what a value may occur once.
    #[must_use]
    pub fn uniqueness(mut self, uniqueness: Uniqueness) -> Self {
        self.uniqueness = uniqueness;
        self
    }

    /// Lists the usual values.
    #[must_use]
    pub fn canonical<T: Into<Text>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.canonical_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Lists what it may point at.
    #[must_use]
    pub fn references<T: Into<Text>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.reference_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Gives it parts.
    #[must_use]
    pub fn subs(mut self, sub_attributes: impl IntoIterator<Item = Attribute>) -> Self {
        self.sub_attributes = sub_attributes.into_iter().collect();
        self
    }

    /// The part of that name, letter case aside.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }

    /// Whether any sub-attribute may be named, because the schema does not say which there are.
    pub fn is_open(&self) -> bool {
        self.kind.is_open_to_subs() && self.sub_attributes.is_empty()
    }

    /// Whether its values name other resources by their id, as `members` and `manager` do (RFC 7643, section 2.4).
    pub fn is_relation(&self) -> bool {
        self.sub("$ref").is_some() && self.sub("value").is_some()
    }

    /// Whether only the service provider may write it.
    pub fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// The attributes that go by one URN (RFC 7643, section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The URN.
    pub id: Text,
    /// What people call it.
    pub name: Text,
    /// What it is for.
    pub description: Text,
    /// The attributes, without the common ones.
    pub attributes: Vec<Attribute>,
    /// Whether any other attribute may be named too, because nobody told us which there are.
    pub open: bool,
}

impl Schema {
    /// A closed schema; its name is the last word of the URN.
    pub fn new(id: impl Into<Text>, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        let id = id.into();
        let name = id.rsplit(':').next().unwrap_or_default().to_owned();
        Self {
            id,
            name: name.into(),
            description: Text::Borrowed(""),
            attributes: attributes.into_iter().collect(),
            open: false,
        }
    }

    /// The attribute of that name, letter case aside.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }

    /// Whether this is the schema of that URN. URNs match without regard to case (RFC 7643, section 2.1 and RFC 8141).
    pub fn is(&self, urn: &str) -> bool {
        self.id.eq_ignore_ascii_case(urn)
    }

    /// Adds attributes; one of the same name is replaced.
    pub fn extend(&mut self, attributes: impl IntoIterator<Item = Attribute>) {
        for attribute in attributes {
            match self.attributes.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&attribute.name)) {
                Some(known) => *known = attribute,
                None => self.attributes.push(attribute),
            }
        }
    }
}

/// The schemas of one kind of resource: its own and its extensions (RFC 7643, sections 3.3 and 6). Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSchema {
    /// What the resource is called: `User`, `Group` or a custom name.
    pub name: Text,
    /// The schema whose attributes stand at the top of the resource.
    pub core: Arc<Schema>,
    /// The schemas whose attributes stand under their URN. [`ResourceSchema::with_extension`] adds one.
    pub extensions: Vec<Arc<Schema>>,
    withheld: Arc<Withheld>,
}

/// The names of attributes that an answer does not have by default, or not with all their parts. Every answer asks for them,
/// and they are few.
#[derive(Debug, PartialEq, Eq)]
struct Withheld {
    /// Of the core, the common ones included.
    core: Vec<Text>,
    /// Of the extensions, in their order.
    extensions: Vec<Vec<Text>>,
    /// All of them, to be looked for in a text.
    looks: Looks,
}

impl Withheld {
    fn of(core: &Schema, extensions: &[Arc<Schema>]) -> Arc<Self> {
        let is_withheld = |attribute: &Attribute| matches!(attribute.returned, Returned::Never | Returned::Request);
        let names = |attributes: &[Attribute]| -> Vec<Text> {
            let withheld = attributes
                .iter()
                .filter(|attribute| is_withheld(attribute) || attribute.sub_attributes.iter().any(is_withheld));
            withheld.map(|attribute| attribute.name.clone()).collect()
        };
        let core = [names(common()), names(&core.attributes)].concat();
        let extensions: Vec<Vec<Text>> = extensions.iter().map(|schema| names(&schema.attributes)).collect();
        let looks = Looks::new(core.iter().chain(extensions.iter().flatten()));
        Arc::new(Self { core, extensions, looks })
    }
}

impl ResourceSchema {
    fn new(name: Text, core: Arc<Schema>, extensions: Vec<Arc<Schema>>) -> Self {
        let withheld = Withheld::of(&core, &extensions);
        Self { name, core, extensions, withheld }
    }

    /// The schemas of `User` (with the enterprise extension) or `Group`; other names are not in the RFC.
    pub fn for_resource(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("User") {
            let extensions = vec![Arc::clone(enterprise_user())];
            Some(Self::new(Text::Borrowed("User"), Arc::clone(user()), extensions))
        } else if name.eq_ignore_ascii_case("Group") {
            Some(Self::new(Text::Borrowed("Group"), Arc::clone(group()), Vec::new()))
        } else {
            None
        }
    }

    /// A resource type of one's own. Without attributes its schema is open: any attribute may be written.
    pub fn custom(
        name: impl Into<Text>,
        urn: impl Into<Text>,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> Self {
        let mut core = Schema::new(urn, attributes);
        core.open = core.attributes.is_empty();
        Self::new(name.into(), Arc::new(core), Vec::new())
    }

    /// The resource with more attributes under `urn`. A URN it has already, the core's too, gets them added.
    #[must_use]
    pub fn with_extension(mut self, urn: &str, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        if self.core.is(urn) {
            Arc::make_mut(&mut self.core).extend(attributes);
        } else if let Some(known) = self.extensions.iter_mut().find(|schema| schema.is(urn)) {
            Arc::make_mut(known).extend(attributes);
        } else {
            self.extensions.push(Arc::new(Schema::new(urn.to_owned(), attributes)));
        }
        self.withheld = Withheld::of(&self.core, &self.extensions);
        self
    }

    /// The core and common attributes that an answer does not have by default, or not with all their parts.
    pub(super) fn withheld(&self) -> &[Text] {
        &self.withheld.core
    }

    /// The same of the extension whose URN is just this; `None` when there is no such extension.
    pub(super) fn withheld_of(&self, urn: &str) -> Option<&[Text]> {
        let place = self.extensions.iter().position(|schema| schema.id == urn)?;
        self.withheld.extensions.get(place).map(Vec::as_slice)
    }

    /// What might have to be left out of a text.
    pub(super) fn looks(&self) -> &Looks {
        &self.withheld.looks
    }

    /// The schema of that URN.
    pub fn schema(&self, urn: &str) -> Option<&Arc<Schema>> {
        self.schemas().find(|schema| schema.is(urn))
    }

    /// The core schema, then the extensions.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        std::iter::once(&self.core).chain(&self.extensions)
    }

    /// A core or common attribute (RFC 7643, section 3.1), as it is named without a URN.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.core.attribute(name).or_else(|| find(common(), name))
    }

    /// The first extension that has an attribute of that name.
    pub fn extension_with(&self, name: &str) -> Option<(&Schema, &Attribute)> {
        self.extensions.iter().find_map(|schema| Some((schema.as_ref(), schema.attribute(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_come_back_canonical() {
        let user = ResourceSchema::for_resource("user").unwrap();
        assert_eq!(user.attribute("USERNAME").unwrap().name, "userName");
        assert_eq!(user.attribute("externalid").unwrap().name, "externalId");
        assert_eq!(user.schema(&ENTERPRISE_USER.to_uppercase()).unwrap().name, "EnterpriseUser");
        assert_eq!(user.extension_with("DEPARTMENT").unwrap().1.name, "department");
        assert!(ResourceSchema::for_resource("Device").is_none());
    }

    #[test]
    fn extensions_add_and_merge_without_touching_the_tables() {
        let badge = || Attribute::new("badge", AttributeType::String, "");
        let user = ResourceSchema::for_resource("User").unwrap();
        let more = user
            .clone()
            .with_extension("urn:x:1.0:User", [badge()])
            .with_extension(ENTERPRISE_USER, [badge()])
            .with_extension(USER, [badge(), Attribute::new("title", AttributeType::Any, "")]);
        assert_eq!(more.extensions.len(), 2);
        assert!(more.schema(ENTERPRISE_USER).unwrap().attribute("badge").is_some());
        assert_eq!(more.attribute("title").unwrap().kind, AttributeType::Any);
        assert_eq!(user, ResourceSchema::for_resource("User").unwrap());
    }

    #[test]
    fn a_custom_resource_without_attributes_is_open() {
        assert!(ResourceSchema::custom("Device", "urn:x:Device", []).core.open);
        let one = Attribute::new("serial", AttributeType::String, "");
        assert!(!ResourceSchema::custom("Device", "urn:x:Device", [one]).core.open);
    }

    #[test]
    fn types_are_read_in_any_case() {
        for kind in AttributeType::ALL {
            assert_eq!(AttributeType::parse(&kind.as_str().to_uppercase()), Some(kind));
        }
        assert_eq!(AttributeType::parse("text"), None);
    }
}
