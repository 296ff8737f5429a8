//! The schema tables of RFC 7643: sections 3.1 (common attributes), 4.1 (User), 4.2 (Group), 4.3 (Enterprise User) and
//! 8.7.1 (their characteristics), with the RFC's verified errata. Descriptions are ours.
//!
//! Where section 4 and section 8.7.1 differ, the table says what 8.7.1 says: `displayName` of a group is not `required`,
//! `$ref` of a manager is.

use std::sync::{Arc, LazyLock};

use super::AttributeType::{Binary, Boolean, Complex, DateTime, Reference, String};
use super::{Attribute, ENTERPRISE_USER, GROUP, Mutability, Returned, Schema, Text, USER, Uniqueness};

static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(common_attributes);
static USER_SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| schema(USER, "User", "User Account", user_attributes()));
static GROUP_SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| schema(GROUP, "Group", "Group", group_attributes()));
static ENTERPRISE_SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| schema(ENTERPRISE_USER, "EnterpriseUser", "Enterprise User", enterprise_attributes()));

/// The attributes that every resource has and no schema lists: `schemas`, `id`, `externalId`, `meta` (RFC 7643,
/// sections 3 and 3.1).
pub fn common() -> &'static [Attribute] {
    &COMMON
}

/// The core User schema (RFC 7643, sections 4.1 and 8.7.1).
pub fn user() -> &'static Arc<Schema> {
    &USER_SCHEMA
}

/// The core Group schema (RFC 7643, sections 4.2 and 8.7.1).
pub fn group() -> &'static Arc<Schema> {
    &GROUP_SCHEMA
}

/// The enterprise extension of User (RFC 7643, sections 4.3 and 8.7.1).
pub fn enterprise_user() -> &'static Arc<Schema> {
    &ENTERPRISE_SCHEMA
}

fn schema(id: &'static str, name: &'static str, description: &'static str, attributes: Vec<Attribute>) -> Arc<Schema> {
    let (id, name, description) = (Text::Borrowed(id), Text::Borrowed(name), Text::Borrowed(description));
    Arc::new(Schema { id, name, description, attributes, open: false })
}

fn text(name: &'static str, description: &'static str) -> Attribute {
    Attribute::new(name, String, description)
}

fn read_only(attribute: Attribute) -> Attribute {
    attribute.mutability(Mutability::ReadOnly)
}

/// `display`, `type` and `primary`, which most multi-valued attributes have beside `value` (RFC 7643, section 2.4).
fn display_type_primary(types: &[&'static str]) -> [Attribute; 3] {
    [text("display", "A name for the value, to be shown to people."), kind(types), primary()]
}

fn kind(types: &[&'static str]) -> Attribute {
    text("type", "What the value is for.").canonical(types.iter().copied())
}

fn primary() -> Attribute {
    Attribute::new("primary", Boolean, "Whether this is the preferred value; true in one element at most.")
}

/// A list of `{ value, display, type, primary }`.
fn list(name: &'static str, description: &'static str, value: Attribute, types: &[&'static str]) -> Attribute {
    let subs = std::iter::once(value).chain(display_type_primary(types));
    Attribute::new(name, Complex, description).multi_valued(true).subs(subs)
}

fn common_attributes() -> Vec<Attribute> {
    vec![
        Attribute::new("schemas", Reference, "The URNs of the schemas whose attributes the resource has.")
            .multi_valued(true)
            .required()
            .case_exact()
            .references(["uri"])
            .returned(Returned::Always),
        read_only(text("id", "The identifier that the service provider gave the resource."))
            .required()
            .case_exact()
            .returned(Returned::Always)
            .uniqueness(Uniqueness::Server),
        text("externalId", "The identifier that the provisioning client has for the resource.").case_exact(),
        read_only(Attribute::new("meta", Complex, "What the service provider notes about the resource.")).subs([
            read_only(text("resourceType", "The resource type, such as User.")).case_exact(),
            read_only(Attribute::new("created", DateTime, "When the resource was made.")),
            read_only(Attribute::new("lastModified", DateTime, "When the resource last changed.")),
            read_only(Attribute::new("location", Reference, "The URI of the resource."))
                .case_exact()
                .references(["uri"]),
            read_only(text("version", "The version of the resource, as in its ETag.")).case_exact(),
        ]),
    ]
}

fn user_attributes() -> Vec<Attribute> {
    vec![
        text("userName", "The unique name by which the user signs in.").required().uniqueness(Uniqueness::Server),
        Attribute::new("name", Complex, "The parts of the user's real name.").subs([
            text("formatted", "The full name with all its parts, ready to be shown."),
            text("familyName", "The family name, or last name in most Western languages."),
            text("givenName", "The given name, or first name in most Western languages."),
            text("middleName", "The middle names."),
            text("honorificPrefix", "The title before the name, such as Ms."),
            text("honorificSuffix", "The suffix after the name, such as III."),
        ]),
        text("displayName", "The name to show for the user, if possible the full one."),
        text("nickName", "What the user is called casually, such as Bob for Robert."),
        Attribute::new("profileUrl", Reference, "A page that represents the user's online profile.")
            .references(["external"]),
        text("title", "The user's title, such as Vice President."),
        text("userType", "What the user is to the organization, such as Contractor, Employee, Intern or External."),
        text("preferredLanguage", "The language the user prefers, as in an Accept-Language header."),
        text("locale", "The region whose way of writing numbers, dates and currency the user expects, such as en-US."),
        text("timezone", "The user's time zone in the IANA database, such as Europe/Zurich."),
        Attribute::new("active", Boolean, "Whether the user's account may be used."),
        text("password", "A clear-text password to set; never given back.")
            .mutability(Mutability::WriteOnly)
            .returned(Returned::Never),
        list("emails", "E-mail addresses of the user.", text("value", "The address."), &["work", "home", "other"]),
        list(
            "phoneNumbers",
            "Phone numbers of the user.",
            text("value", "The number, best as in RFC 3966."),
            &["work", "home", "mobile", "fax", "pager", "other"],
        ),
        list(
            "ims",
            "Instant messaging addresses of the user.",
            text("value", "The address."),
            &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"],
        ),
        list(
            "photos",
            "Photos of the user.",
            Attribute::new("value", Reference, "The URL of the image.").case_exact().references(["external"]),
            &["photo", "thumbnail"],
        ),
        Attribute::new("addresses", Complex, "Postal addresses of the user.").multi_valued(true).subs([
            text("formatted", "The whole address as on an envelope; may hold line feeds."),
            text("streetAddress", "Street, house number and what else comes before the city; may hold line feeds."),
            text("locality", "The city."),
            text("region", "The state or region."),
            text("postalCode", "The postal code."),
            text("country", "The country, best as an ISO 3166-1 alpha-2 code."),
            kind(&["work", "home", "other"]),
            primary(),
        ]),
        read_only(Attribute::new("groups", Complex, "The groups that the user is in, directly or not."))
            .multi_valued(true)
            .subs([
                read_only(text("value", "The id of the group.")),
                read_only(Attribute::new("$ref", Reference, "The URI of the group.")).references(["User", "Group"]),
                read_only(text("display", "The name of the group, to be shown to people.")),
                read_only(text("type", "Whether the user is in the group itself or in one inside it."))
                    .canonical(["direct", "indirect"]),
            ]),
        list("entitlements", "Things that the user is entitled to.", text("value", "The entitlement."), &[]),
        list("roles", "Roles that together say who the user is.", text("value", "The role."), &[]),
        list(
            "x509Certificates",
            "Certificates issued to the user.",
            Attribute::new("value", Binary, "The DER-encoded certificate in base64.").case_exact(),
            &[],
        ),
    ]
}

fn group_attributes() -> Vec<Attribute> {
    let member = |attribute: Attribute| attribute.mutability(Mutability::Immutable);
    vec![
        text("displayName", "The name of the group, to be shown to people."),
        Attribute::new("members", Complex, "The members of the group.").multi_valued(true).subs([
            member(text("value", "The id of the member.")),
            member(Attribute::new("$ref", Reference, "The URI of the member.")).references(["User", "Group"]),
            member(text("type", "The resource type of the member.")).canonical(["User", "Group"]),
            read_only(text("display", "The name of the member, to be shown to people.")),
        ]),
    ]
}

fn enterprise_attributes() -> Vec<Attribute> {
    vec![
        text("employeeNumber", "What the organization numbers the person with."),
        text("costCenter", "The name of a cost center."),
        text("organization", "The name of an organization."),
        text("division", "The name of a division."),
        text("department", "The name of a department."),
        Attribute::new("manager", Complex, "The user's manager, another user of the service.").subs([
            text("value", "The id of the manager.").required(),
            Attribute::new("$ref", Reference, "The URI of the manager.").references(["User"]).required(),
            read_only(text("displayName", "The displayName of the manager.")),
        ]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, type and every characteristic that is not the default, one attribute a word.
    fn facts(attribute: &Attribute) -> std::string::String {
        let mut out = format!("{}:{}", attribute.name, attribute.kind.as_str());
        for (holds, mark) in [
            (attribute.multi_valued, "+multi"),
            (attribute.required, "+required"),
            (attribute.case_exact, "+exact"),
            (attribute.uniqueness == Uniqueness::Server, "+server"),
            (attribute.returned == Returned::Always, "+always"),
            (attribute.returned == Returned::Never, "+never"),
        ] {
            if holds {
                out.push_str(mark);
            }
        }
        if attribute.mutability != Mutability::ReadWrite {
            out = format!("{out}+{}", attribute.mutability.as_str());
        }
        for words in [&attribute.canonical_values, &attribute.reference_types] {
            if !words.is_empty() {
                out = format!("{out}<{}>", words.join("|"));
            }
        }
        if !attribute.sub_attributes.is_empty() {
            out = format!("{out}({})", attribute.sub_attributes.iter().map(facts).collect::<Vec<_>>().join(" "));
        }
        out
    }

    #[test]
    fn tables_say_what_the_rfc_says() {
        let expected = "\
userName:string+required+server
name:complex(formatted:string familyName:string givenName:string middleName:string honorificPrefix:string honorificSuffix:string)
displayName:string
nickName:string
profileUrl:reference<external>
title:string
userType:string
preferredLanguage:string
locale:string
timezone:string
active:boolean
password:string+never+writeOnly
emails:complex+multi(value:string display:string type:string<work|home|other> primary:boolean)
phoneNumbers:complex+multi(value:string display:string type:string<work|home|mobile|fax|pager|other> primary:boolean)
ims:complex+multi(value:string display:string type:string<aim|gtalk|icq|xmpp|msn|skype|qq|yahoo> primary:boolean)
photos:complex+multi(value:reference+exact<external> display:string type:string<photo|thumbnail> primary:boolean)
addresses:complex+multi(formatted:string streetAddress:string locality:string region:string postalCode:string country:string type:string<work|home|other> primary:boolean)
groups:complex+multi+readOnly(value:string+readOnly $ref:reference+readOnly<User|Group> display:string+readOnly type:string+readOnly<direct|indirect>)
entitlements:complex+multi(value:string display:string type:string primary:boolean)
roles:complex+multi(value:string display:string type:string primary:boolean)
x509Certificates:complex+multi(value:binary+exact display:string type:string primary:boolean)
displayName:string
members:complex+multi(value:string+immutable $ref:reference+immutable<User|Group> type:string+immutable<User|Group> display:string+readOnly)
employeeNumber:string
costCenter:string
organization:string
division:string
department:string
manager:complex(value:string+required $ref:reference+required<User> displayName:string+readOnly)
schemas:reference+multi+required+exact+always<uri>
id:string+required+exact+server+always+readOnly
externalId:string+exact
meta:complex+readOnly(resourceType:string+exact+readOnly created:dateTime+readOnly lastModified:dateTime+readOnly location:reference+exact+readOnly<uri> version:string+exact+readOnly)";
        let schemas = [user(), group(), enterprise_user()];
        let all = schemas.iter().flat_map(|schema| &schema.attributes).chain(common());
        assert_eq!(all.map(facts).collect::<Vec<_>>().join("\n"), expected);
    }
}
