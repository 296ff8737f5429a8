//! What is asked of Graph: the attributes that are selected, the filter of a value, and what comes back made into [`Found`].

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::{Found, Kind, Object};

/// What stays as it is in a part of a path or query.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

/// What Graph writes of a user, for [`Target::find`](super::super::Target::find) and
/// [`Target::get`](super::super::Target::get), which do not know the mapping.
const USER: &[&str] = &[
    "accountEnabled",
    "ageGroup",
    "businessPhones",
    "city",
    "companyName",
    "country",
    "department",
    "displayName",
    "employeeHireDate",
    "employeeId",
    "employeeOrgData",
    "employeeType",
    "faxNumber",
    "givenName",
    "jobTitle",
    "mail",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "otherMails",
    "postalCode",
    "preferredLanguage",
    "proxyAddresses",
    "showInAddressList",
    "state",
    "streetAddress",
    "surname",
    "usageLocation",
    "userPrincipalName",
    "userType",
];

/// The same of a group.
const GROUP: &[&str] = &[
    "description",
    "displayName",
    "groupTypes",
    "mail",
    "mailEnabled",
    "mailNickname",
    "proxyAddresses",
    "securityEnabled",
    "uniqueName",
    "visibility",
];

/// Attributes that are lists: compared with `any`, and cleared with `[]`.
const LISTS: &[&str] = &["businessPhones", "groupTypes", "imAddresses", "otherMails", "proxyAddresses"];

/// Attributes that `eq` compares only as an advanced query, with `ConsistencyLevel: eventual` and `$count=true`.
const ADVANCED: &[&str] = &[
    "companyName",
    "description",
    "employeeHireDate",
    "employeeType",
    "expirationDateTime",
    "mobilePhone",
    "officeLocation",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
    "passwordPolicies",
    "postalCode",
    "preferredLanguage",
    "showInAddressList",
    "streetAddress",
];

/// The collection of a kind.
pub(super) fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "users",
        Kind::Group => "groups",
    }
}

/// A part of a path, or a value of a query, made safe.
pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// The attribute at the top of a path: `employeeOrgData` of `employeeOrgData.division`.
pub(super) fn top(path: &str) -> &str {
    path.split(['.', '[', '/']).next().unwrap_or(path)
}

/// Whether an attribute is a list.
pub(super) fn is_list(name: &str) -> bool {
    LISTS.contains(&name)
}

/// The attributes that a mapping writes, as `$select` names them. Members are read by themselves, and a password never.
pub(super) fn selected(paths: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in paths.iter().map(|path| top(path)) {
        let unread = matches!(name, "id" | "members" | "passwordProfile");
        if !unread && !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// `$select` for an object whose mapping is not known, with what earlier lists asked for.
pub(super) fn select_all(kind: Kind, more: &[String]) -> String {
    let known = match kind {
        Kind::User => USER,
        Kind::Group => GROUP,
    };
    let more = more.iter().map(String::as_str).filter(|name| !known.contains(name) && *name != "manager");
    std::iter::once("id").chain(known.iter().copied()).chain(more).collect::<Vec<_>>().join(",")
}

/// The `$filter` of a value, and whether it is an advanced query. A quote in the value is written twice.
pub(super) fn filter(path: &str, value: &str) -> (String, bool) {
    let value = value.replace('\'', "''");
    let name = path.replace('.', "/");
    let text =
        if is_list(top(path)) { format!("{name}/any(x:x eq '{value}')") } else { format!("{name} eq '{value}'") };
    (text, ADVANCED.contains(&top(path)))
}

/// An object of an answer; `None` when it has no id. Without what is null, but for a manager that went, and without Graph's
/// annotations.
pub(super) fn found(value: &Value) -> Option<Found> {
    let object = value.as_object()?;
    let id = object.get("id")?.as_str()?.to_owned();
    let mut attributes = Object::new();
    for (name, value) in object {
        match (name.as_str(), value) {
            ("id", _) | (_, Value::Null) => {}
            ("manager", manager) => {
                attributes.extend(manager.get("id").map(|id| ("manager".to_owned(), id.clone())));
            }
            // A delta says which references came and went; the last that stands is the manager. Without any there is none,
            // which is not the same as a delta that says nothing of it.
            ("manager@delta", Value::Array(references)) => {
                let stands = |reference: &&Value| reference.get("@removed").is_none();
                let id = references.iter().rfind(stands).and_then(|reference| reference.get("id"));
                attributes.insert("manager".to_owned(), id.cloned().unwrap_or_default());
            }
            (name, _) if name.contains('@') => {}
            _ => {
                attributes.insert(name.clone(), value.clone());
            }
        }
    }
    Some(Found { id, attributes })
}

/// Whether an entry of a delta says that the object is gone.
pub(super) fn is_gone(value: &Value) -> bool {
    value.get("@removed").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters() {
        for (path, value, expected, advanced) in [
            ("mail", "ada@contoso.com", "mail eq 'ada@contoso.com'", false),
            ("displayName", "Miles O'Brien's", "displayName eq 'Miles O''Brien''s'", false),
            ("proxyAddresses", "smtp:a@b.c", "proxyAddresses/any(x:x eq 'smtp:a@b.c')", false),
            ("employeeOrgData.division", "North", "employeeOrgData/division eq 'North'", false),
            ("mobilePhone", "+1", "mobilePhone eq '+1'", true),
        ] {
            assert_eq!(filter(path, value), (expected.to_owned(), advanced));
        }
        assert_eq!(escape("a'b &+/%"), "a%27b%20%26%2B%2F%25");
    }

    #[test]
    fn only_what_the_mapping_writes_is_selected() {
        let paths = ["mail", "employeeOrgData.division", "employeeOrgData.costCenter", "manager", "members", "id"];
        assert_eq!(selected(&paths.map(str::to_owned)), ["mail", "employeeOrgData", "manager"]);
    }

    #[test]
    fn objects_lose_annotations_and_nulls() {
        let found = found(&json!({"@odata.context": "x", "id": "1", "mail": null, "city": "Bern",
            "manager@delta": [{"id": "7"}, {"id": "8"}, {"id": "9", "@removed": {}}]}));
        let found = found.unwrap();
        assert_eq!((found.id.as_str(), json!(found.attributes)), ("1", json!({"city": "Bern", "manager": "8"})));
        let left = super::found(&json!({"id": "1", "manager@delta": [{"id": "9", "@removed": {"reason": "deleted"}}]}));
        assert_eq!(json!(left.unwrap().attributes), json!({"manager": null}));
        assert_eq!(super::found(&json!({"mail": "x"})), None);
    }
}
