//! What was probably meant by a name that the schema does not have: another schema's attribute, a sub-attribute, the
//! name that Entra, LDAP or plain English has for it, or a slip of the finger.

use super::super::path::{Path, PathError};
use super::super::schema::{Attribute, GROUP, ResourceSchema, Schema, USER, group, user};
use super::{Located, Written};
use crate::text::{Span, closest, did_you_mean};

/// Names that people bring along, in lower case, and the SCIM path of a user for each. `+` is the enterprise URN.
const USER_NAMES: &[(&[&str], &str)] = &[
    (&["mail", "email", "emailaddress", "e-mail", "workemail"], r#"emails[type eq "work"].value"#),
    (&["othermails", "othermail", "proxyaddresses", "proxyaddress"], r#"emails[type eq "other"].value"#),
    (&["homeemail", "personalemail"], r#"emails[type eq "home"].value"#),
    (&["surname", "sn", "lastname", "familynames"], "name.familyName"),
    (&["firstname", "forename", "givennames"], "name.givenName"),
    (&["middlenames", "initials"], "name.middleName"),
    (&["fullname", "cn", "commonname"], "name.formatted"),
    (&["jobtitle", "position"], "title"),
    (&["mobile", "mobilephone", "cellphone", "cell", "mobilenumber"], r#"phoneNumbers[type eq "mobile"].value"#),
    (
        &["telephonenumber", "phone", "telephone", "businessphones", "businessphone", "phonenumber", "workphone"],
        r#"phoneNumbers[type eq "work"].value"#,
    ),
    (&["homephone"], r#"phoneNumbers[type eq "home"].value"#),
    (&["pager"], r#"phoneNumbers[type eq "pager"].value"#),
    (&["facsimiletelephonenumber", "facsimile", "fax", "faxnumber"], r#"phoneNumbers[type eq "fax"].value"#),
    (&["city", "l", "town"], r#"addresses[type eq "work"].locality"#),
    (&["state", "st", "province"], r#"addresses[type eq "work"].region"#),
    (&["country", "c", "co", "countrycode", "usagelocation"], r#"addresses[type eq "work"].country"#),
    (&["street"], r#"addresses[type eq "work"].streetAddress"#),
    (&["zip", "zipcode", "postcode"], r#"addresses[type eq "work"].postalCode"#),
    (&["address"], r#"addresses[type eq "work"].formatted"#),
    (&["physicaldeliveryofficename", "officelocation", "office"], r#"addresses[type eq "other"].formatted"#),
    (&["userprincipalname", "upn", "login", "loginname", "logon", "samaccountname", "uid"], "userName"),
    (&["objectid", "immutableid", "sourceanchor", "mailnickname"], "externalId"),
    (&["accountenabled", "enabled", "isactive", "issoftdeleted", "status", "disabled"], "active"),
    (&["nick"], "nickName"),
    (&["usertimezone", "tz"], "timezone"),
    (&["language", "lang"], "preferredLanguage"),
    (&["thumbnailphoto", "photo", "picture", "avatar", "jpegphoto"], r#"photos[type eq "photo"].value"#),
    (&["role", "approleassignments", "approles"], "roles[primary eq true].value"),
    (&["entitlement"], "entitlements[primary eq true].value"),
    (&["url", "website", "homepage"], "profileUrl"),
    (&["employeeid", "employeenumbers", "personnelnumber"], "+employeeNumber"),
    (&["companyname", "company", "org", "o"], "+organization"),
    (&["dept", "ou"], "+department"),
    (&["managerid"], "+manager.value"),
];

/// The same for a group.
const GROUP_NAMES: &[(&[&str], &str)] = &[
    (&["name", "groupname", "cn", "commonname", "title"], "displayName"),
    (&["member", "users", "uniquemember"], "members"),
    (&["objectid", "mailnickname"], "externalId"),
];

/// Names that people have for sub-attributes, in lower case.
const SUB_NAMES: &[(&str, &[&str])] = &[
    ("value", &["address", "email", "mail", "number", "phone", "url", "id", "name", "role", "text"]),
    ("familyName", &["surname", "lastname", "last", "sn", "family"]),
    ("givenName", &["firstname", "first", "forename", "given"]),
    ("middleName", &["middle", "initials"]),
    ("formatted", &["fullname", "full", "value", "displayname", "display"]),
    ("streetAddress", &["street", "street1", "line1", "address"]),
    ("locality", &["city", "town", "l"]),
    ("region", &["state", "province", "st"]),
    ("postalCode", &["zip", "zipcode", "postcode"]),
    ("country", &["countrycode", "c", "co"]),
    ("display", &["displayname"]),
    ("displayName", &["display"]),
    ("$ref", &["ref"]),
];

/// An element of a multi-valued attribute, as it can be written: `emails[type eq "work"].value`.
pub(super) fn element(located: &Located<'_>) -> String {
    let name = located.attribute.name;
    let urn = located.extension.map(|schema| format!("{}:", schema.id)).unwrap_or_default();
    let selector = match (located.selector, located.attribute.declared) {
        (Some(super::Selector::Filter(filter)), _) => format!("[{filter}]"),
        (Some(super::Selector::Index(index)), _) => format!("[{index}]"),
        (None, Some(declared)) => usual_selector(declared),
        (None, None) => "[0]".to_owned(),
    };
    let sub = match (located.sub, located.attribute.declared) {
        (Some(sub), _) => sub.name,
        (None, Some(declared)) => main_sub(declared),
        (None, None) => "value",
    };
    format!("{urn}{name}{selector}.{sub}")
}

fn usual_selector(attribute: &Attribute) -> String {
    let usual_type = attribute.sub("type").and_then(|kind| kind.canonical_values.first());
    match usual_type {
        Some(value) => format!("[type eq \"{value}\"]"),
        None if attribute.sub("primary").is_some() => "[primary eq true]".to_owned(),
        None => "[0]".to_owned(),
    }
}

fn main_sub(attribute: &Attribute) -> &str {
    let main = attribute.sub("value").or_else(|| attribute.sub("formatted")).or(attribute.sub_attributes.first());
    main.map_or("value", |sub| sub.name.as_ref())
}

/// `resource.name` is not there: says so and suggests.
pub(super) fn unknown_attribute(written: &Written<'_>, schema: &Schema, resource: &ResourceSchema) -> PathError {
    let (name, span) = written.attribute;
    let (owner, help) = match written.schema.filter(|schema| schema.id != resource.core.id) {
        None => (resource.name.to_string(), in_core(name, written.sub.map(|(sub, _)| sub), resource)),
        Some(_) => (format!("the extension {}", schema.name), in_extension(name, schema, resource)),
    };
    let known = || {
        let names: Vec<&str> = schema.attributes.iter().map(|attribute| attribute.name.as_ref()).collect();
        match names.as_slice() {
            [] => format!("declare it under [extensions.\"{}\"]", schema.id),
            names if schema.id == resource.core.id => format!(
                "it has {}; a custom attribute has a URN before it and is declared under [extensions.\"urn:…\"]",
                names.join(", ")
            ),
            names => format!("it has {}", names.join(", ")),
        }
    };
    PathError::new(format!("{owner} has no attribute `{name}`"), span).help(help.unwrap_or_else(known))
}

fn in_core(name: &str, sub: Option<&str>, resource: &ResourceSchema) -> Option<String> {
    if let Some((schema, attribute)) = resource.extension_with(name) {
        let sub = sub.and_then(|sub| attribute.sub(sub)).map(|sub| format!(".{}", sub.name)).unwrap_or_default();
        return Some(format!("it is an attribute of an extension: write {}:{}{sub}", schema.id, attribute.name));
    }
    let meant = |path: &str| format!("did you mean `{path}`?");
    if let Some(path) = brought_along(name, resource) {
        return Some(meant(&path));
    }
    if let Some(path) = as_sub_attribute(name, resource) {
        return Some(meant(&path));
    }
    if let Some(other) = other_core(name, resource) {
        return Some(format!("`{name}` is an attribute of {other}"));
    }
    slip(name, resource)
}

/// The nearest name anywhere in the resource, with the path that leads to it.
fn slip(name: &str, resource: &ResourceSchema) -> Option<String> {
    let common = super::super::schema::common().iter().map(|attribute| attribute.name.as_ref());
    let core = resource.core.attributes.iter().map(|attribute| attribute.name.as_ref());
    if let Some(help) = did_you_mean(name, core.chain(common)) {
        return Some(help);
    }
    let in_extensions = resource.extensions.iter().flat_map(|schema| &schema.attributes);
    if let Some(near) = closest(name, in_extensions.map(|attribute| attribute.name.as_ref())) {
        let (schema, attribute) = resource.extension_with(near)?;
        return Some(format!("did you mean `{}:{}`?", schema.id, attribute.name));
    }
    let subs = sub_paths(&resource.core);
    let near = closest(name, subs.iter().map(|(sub, _)| sub.as_str()))?;
    let path = subs.iter().find_map(|(sub, path)| (sub == near).then_some(path))?;
    Some(format!("did you mean `{path}`?"))
}

/// The sub-attributes whose names stand for themselves, as `givenName` does and `value` does not.
fn sub_paths(core: &Schema) -> Vec<(String, String)> {
    const VAGUE: &[&str] = &["value", "display", "type", "primary", "$ref", "formatted", "displayName"];
    let writable = core.attributes.iter().filter(|attribute| !attribute.is_read_only());
    let pairs = writable.flat_map(|attribute| attribute.sub_attributes.iter().map(move |sub| (attribute, sub)));
    pairs
        .filter(|(_, sub)| !VAGUE.contains(&sub.name.as_ref()))
        .map(|(attribute, sub)| {
            let selector = if attribute.multi_valued { usual_selector(attribute) } else { String::new() };
            (sub.name.to_string(), format!("{}{selector}.{}", attribute.name, sub.name))
        })
        .collect()
}

fn as_sub_attribute(name: &str, resource: &ResourceSchema) -> Option<String> {
    sub_paths(&resource.core).into_iter().find_map(|(sub, path)| sub.eq_ignore_ascii_case(name).then_some(path))
}

fn brought_along(name: &str, resource: &ResourceSchema) -> Option<String> {
    let table = match resource.core.id.as_ref() {
        USER => USER_NAMES,
        GROUP => GROUP_NAMES,
        _ => return None,
    };
    let lower = name.to_ascii_lowercase();
    let path = table.iter().find_map(|(names, path)| names.contains(&lower.as_str()).then_some(*path))?;
    match path.strip_prefix('+') {
        None => Some(path.to_owned()),
        Some(rest) => {
            let attribute = rest.split('.').next().unwrap_or(rest);
            let (schema, _) = resource.extension_with(attribute)?;
            Some(format!("{}:{rest}", schema.id))
        }
    }
}

fn other_core(name: &str, resource: &ResourceSchema) -> Option<String> {
    let other = [user(), group()]
        .into_iter()
        .find(|schema| schema.id != resource.core.id && schema.attribute(name).is_some())?;
    Some(format!("{}, not of {}", other.name, resource.name))
}

fn in_extension(name: &str, schema: &Schema, resource: &ResourceSchema) -> Option<String> {
    if let Some(attribute) = resource.attribute(name) {
        return Some(format!("it is a core attribute: write {}", attribute.name));
    }
    if let Some((other, attribute)) = resource.extension_with(name) {
        return Some(format!("did you mean `{}:{}`?", other.id, attribute.name));
    }
    did_you_mean(name, schema.attributes.iter().map(|attribute| attribute.name.as_ref()))
}

/// No schema of the resource has the URN: says so and suggests.
pub(super) fn unknown_urn(urn: &str, at: Span, path: &Path, resource: &ResourceSchema) -> PathError {
    let error = PathError::new(format!("{} has no schema `{urn}`", resource.name), at);
    let ids = || resource.schemas().map(|schema| schema.id.as_ref());
    if let Some(near) = did_you_mean(urn, ids()) {
        return error.help(near);
    }
    if let Some((schema, attribute)) = resource.extension_with(&path.attribute) {
        return error.help(format!("did you mean `{}:{}`?", schema.id, attribute.name));
    }
    let declare = format!("declare its attributes under [extensions.\"{urn}\"]");
    error.help(format!("{declare}, or use one of {}", ids().collect::<Vec<_>>().join(", ")))
}

/// The attribute has no such sub-attribute: says so and suggests.
pub(super) fn unknown_sub(attribute: &Attribute, name: &str, at: Span) -> PathError {
    if !attribute.kind.is_open_to_subs() {
        let message = if attribute.multi_valued {
            format!("the elements of `{}` have no sub-attributes", attribute.name)
        } else {
            format!("`{}` has no sub-attributes", attribute.name)
        };
        return PathError::new(message, at).help(format!("write {}", attribute.name));
    }
    let lower = name.to_ascii_lowercase();
    let foreign = SUB_NAMES
        .iter()
        .filter(|(_, names)| names.contains(&lower.as_str()))
        .find_map(|(canonical, _)| attribute.sub(canonical))
        .map(|sub| format!("did you mean `{}`?", sub.name));
    let names = || attribute.sub_attributes.iter().map(|sub| sub.name.as_ref());
    let help = foreign
        .or_else(|| did_you_mean(name, names()))
        .unwrap_or_else(|| format!("it has {}", names().collect::<Vec<_>>().join(", ")));
    PathError::new(format!("`{}` has no sub-attribute `{name}`", attribute.name), at).help(help)
}

/// Every suggestion is a path that resolves: checked by the tests.
#[cfg(test)]
pub(super) fn all_suggestions() -> impl Iterator<Item = (&'static str, &'static str)> {
    USER_NAMES.iter().map(|(_, path)| ("User", *path)).chain(GROUP_NAMES.iter().map(|(_, path)| ("Group", *path)))
}
