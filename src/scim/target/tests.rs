//! Tables of paths, and where they write or why they do not.

use super::super::path::parse_path;
use super::super::schema::ENTERPRISE_USER;
use super::*;

fn user() -> ResourceSchema {
    let badge = |name: &'static str, kind| Attribute::new(name, kind, "");
    ResourceSchema::for_resource("User")
        .unwrap()
        .with_extension(
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User",
            [
                badge("postalCode", AttributeType::String),
                badge("badges", AttributeType::String).multi_valued(true),
                badge("blob", AttributeType::Any),
                badge("things", AttributeType::Complex).multi_valued(true),
            ],
        )
        .with_extension("urn:example:plain", [badge("color", AttributeType::String)])
        .with_extension("urn:example:v:1.0", [badge("box", AttributeType::Complex)])
}

fn resolved(text: &str, resource: &ResourceSchema) -> Result<Target, PathError> {
    resolve(&parse_path(text)?, resource)
}

#[test]
fn targets_are_canonical() {
    let custom = "urn:ietf:params:scim:schemas:extension:Custom:2.0:User";
    let cases: &[(&str, &str, &str)] = &[
        ("USERNAME", "userName", "string"),
        ("active", "active", "boolean"),
        ("externalID", "externalId", "string"),
        ("name", "name", "complex"),
        ("name.givenname", "name.givenName", "string"),
        ("password", "password", "string writeOnly"),
        ("emails", "emails", "complex list"),
        ("emails[Type eq \"work\"].Value", "emails[type eq \"work\"].value", "string"),
        ("emails[type eq \"work\"].primary", "emails[type eq \"work\"].primary", "boolean"),
        ("emails[0].value", "emails[0].value", "string"),
        ("addresses[type eq \"other\"].Formatted", "addresses[type eq \"other\"].formatted", "string"),
        ("addresses[type eq \"work\"].country", "addresses[type eq \"work\"].country", "string"),
        ("roles[primary eq \"True\"].value", "roles[primary eq true].value", "string"),
        (
            "emails[(type eq \"a\") and (primary eq FALSE)].value",
            "emails[type eq \"a\" and primary eq false].value",
            "string",
        ),
        ("x509certificates[primary eq true].value", "x509Certificates[primary eq true].value", "binary"),
        ("urn:IETF:params:scim:schemas:core:2.0:user:userName", "userName", "string"),
        ("urn:ietf:params:scim:schemas:core:2.0:User.name.givenName", "name.givenName", "string"),
        ("{e}:department", "{e}:department", "string"),
        ("{e}.department", "{e}:department", "string"),
        ("{e}:manager", "{e}:manager.value", "string"),
        ("{e}.manager", "{e}:manager.value", "string"),
        ("{e}:manager.$ref", "{e}:manager.$ref", "reference"),
        ("{c}:postalcode", "{c}:postalCode", "string"),
        ("{c}:badges", "{c}:badges", "string list"),
        ("{c}:badges[2]", "{c}:badges[2]", "string"),
        ("{c}:blob", "{c}:blob", "any"),
        ("{c}:blob.any", "{c}:blob.any", "any"),
        ("{c}:blob[x eq 1].y", "{c}:blob[x eq 1].y", "any"),
        ("{c}:things[kind eq \"a\"].size", "{c}:things[kind eq \"a\"].size", "any"),
        ("{c}:things[0]", "{c}:things[0]", "complex"),
        ("urn:example:plain:color", "urn:example:plain:color", "string"),
        ("urn:example:plain.color", "urn:example:plain:color", "string"),
        ("urn:example:v:1.0:box", "urn:example:v:1.0:box", "complex"),
        ("urn:example:v:1.0:box.lid", "urn:example:v:1.0:box.lid", "any"),
    ];
    for (text, canonical, what) in cases {
        let fill = |text: &str| text.replace("{e}", ENTERPRISE_USER).replace("{c}", custom);
        let target = resolved(&fill(text), &user()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(target.to_string(), fill(canonical), "{text}");
        let mut found = target.kind.as_str().to_owned();
        if target.multi_valued {
            found.push_str(" list");
        }
        if target.mutability != Mutability::ReadWrite {
            found = format!("{found} {}", target.mutability.as_str());
        }
        assert_eq!(found, *what, "{text}");
        assert_eq!(resolved(&target.to_string(), &user()).unwrap(), target, "{text}");
    }
}

#[test]
fn steps_are_as_written() {
    let target = resolved("emails[type eq \"work\" and primary eq true].value", &user()).unwrap();
    let constants = vec![
        ("type".to_owned(), ConstValue::String("work".to_owned())),
        ("primary".to_owned(), ConstValue::Boolean(true)),
    ];
    let key = |name: &str| Step::Key(name.to_owned());
    assert_eq!(target.steps, [key("emails"), Step::Element { constants }, key("value")]);
    assert_eq!(target.schema, None);
    let turned = resolved("emails[primary eq true and type eq \"work\"].value", &user()).unwrap();
    assert_ne!(target, turned);
    assert_eq!(target.place(), turned.place());
    let manager = resolved(&format!("{ENTERPRISE_USER}:manager"), &user()).unwrap();
    assert_eq!((manager.schema.as_deref(), manager.steps), (Some(ENTERPRISE_USER), vec![key("manager"), key("value")]));
}

#[test]
fn refusals_say_why_and_what_instead() {
    let cases: &[(&str, &str, &str)] = &[
        ("emials", "User has no attribute `emials`", "did you mean `emails`?"),
        ("mail", "User has no attribute `mail`", "did you mean `emails[type eq \"work\"].value`?"),
        ("givenName", "User has no attribute `givenName`", "did you mean `name.givenName`?"),
        ("surname", "User has no attribute `surname`", "did you mean `name.familyName`?"),
        ("jobTitle", "User has no attribute `jobTitle`", "did you mean `title`?"),
        ("mobile", "User has no attribute `mobile`", "did you mean `phoneNumbers[type eq \"mobile\"].value`?"),
        ("streetAddress", "User has no attribute `streetAddress`", "addresses[type eq \"work\"].streetAddress"),
        ("givenNmae", "User has no attribute `givenNmae`", "did you mean `name.givenName`?"),
        ("department", "User has no attribute `department`", "write {e}:department"),
        ("manager.value", "User has no attribute `manager`", "write {e}:manager.value"),
        ("deparment", "User has no attribute `deparment`", "did you mean `{e}:department`?"),
        ("employeeId", "User has no attribute `employeeId`", "did you mean `{e}:employeeNumber`?"),
        ("members", "User has no attribute `members`", "`members` is an attribute of Group, not of User"),
        ("zzzzzz", "User has no attribute `zzzzzz`", "it has userName, name, displayName"),
        ("{e}:title", "the extension EnterpriseUser has no attribute `title`", "it is a core attribute: write title"),
        ("{e}:departmnet", "the extension EnterpriseUser has no attribute `departmnet`", "did you mean `department`?"),
        ("{e}", "`{e}` is a schema, not an attribute", "{e}:employeeNumber"),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:Usr:department",
            "User has no schema",
            "did you mean `{e}`?",
        ),
        ("enterprise:department", "User has no schema `enterprise`", "did you mean `{e}:department`?"),
        (
            "urn:other:x:y",
            "User has no schema `urn:other:x`",
            "declare its attributes under [extensions.\"urn:other:x\"]",
        ),
        ("name.firstName", "`name` has no sub-attribute `firstName`", "did you mean `givenName`?"),
        ("name.familyNam", "`name` has no sub-attribute `familyNam`", "did you mean `familyName`?"),
        ("addresses[type eq \"work\"].city", "`addresses` has no sub-attribute `city`", "did you mean `locality`?"),
        ("emails[typ eq \"work\"].value", "`emails` has no sub-attribute `typ`", "did you mean `type`?"),
        ("title.value", "`title` has no sub-attributes", "write title"),
        ("title[0]", "`title` is not a list", "leave out the brackets: title"),
        ("name[type eq \"x\"].givenName", "`name` is not a list", "leave out the brackets: name.givenName"),
        (
            "emails.value",
            "`emails.value` does not say which element of `emails` it writes",
            "write emails[type eq \"work\"].value",
        ),
        ("roles.value", "`roles.value` does not say which element", "write roles[primary eq true].value"),
        (
            "emails[type eq \"work\"]",
            "the path does not say what of the element",
            "write emails[type eq \"work\"].value",
        ),
        ("addresses[0]", "the path does not say what of the element", "write addresses[0].formatted"),
        ("{c}:things.size", "does not say which element of `things`", "{c}:things[0].size"),
        ("{c}:badges[value eq \"x\"]", "the elements of `badges` have no sub-attributes", "badges[0]"),
        ("{c}:badges[0].x", "the elements of `badges` have no sub-attributes", "badges"),
        ("emails[type ne \"work\"].value", "a filter that is written to can only say what the element has", "use `eq`"),
        ("emails[type eq \"a\" or type eq \"b\"].value", "a filter that is written to can only say", "joined by `and`"),
        ("emails[not (type eq \"a\")].value", "a filter that is written to can only say", "use `eq`"),
        ("emails[type pr].value", "a filter that is written to can only say", "use `eq`"),
        ("emails[type eq true].value", "`type` takes text, not true", "write type eq \"true\""),
        ("emails[primary eq \"yes\"].value", "`primary` takes true or false, not \"yes\"", "primary eq true"),
        ("emails[type eq null].value", "nothing is equal to null", "leave `type` out"),
        ("emails[type eq \"a\" and Type eq \"b\"].value", "`type` is in the filter twice", ""),
        ("emails[value eq \"a\"].value", "the filter says already what `value` is", ""),
        ("id", "`id` is read-only", "externalId"),
        ("meta.created", "`meta.created` is read-only", "when and where"),
        ("groups", "`groups` is read-only", "`members` of the group"),
        ("groups[0].value", "`groups.value` is read-only", "`members` of the group"),
        ("schemas", "`schemas` is written by Provisor", "remove this rule"),
        ("{e}:manager.displayName", "`{e}:manager.displayName` is read-only", "manager.value"),
    ];
    let custom = "urn:ietf:params:scim:schemas:extension:Custom:2.0:User";
    for (text, message, help) in cases {
        let fill = |text: &str| text.replace("{e}", ENTERPRISE_USER).replace("{c}", custom);
        let text = fill(text);
        let error = resolved(&text, &user()).unwrap_err();
        assert!(error.message.contains(&fill(message)), "{text}: {error}");
        assert!(error.help.as_deref().unwrap_or_default().contains(&fill(help)), "{text}: {error}");
        assert!(text.get(error.span.range()).is_some_and(|part| !part.is_empty()), "{text}: {error:?}");
    }
}

#[test]
fn groups_and_custom_resources() {
    let group = ResourceSchema::for_resource("Group").unwrap();
    assert!(resolved("members", &group).unwrap().multi_valued);
    assert_eq!(resolved("members[type eq \"User\"].value", &group).unwrap().mutability, Mutability::Immutable);
    assert!(resolved("members[0].display", &group).unwrap_err().message.contains("read-only"));
    assert!(resolved("name", &group).unwrap_err().help.unwrap().contains("`displayName`"));
    assert!(resolved("userName", &group).unwrap_err().help.unwrap().contains("an attribute of User"));
    let device = ResourceSchema::custom("Device", "urn:x:Device", []);
    for text in ["serial", "a.b", "a[0].b", "a[type eq \"x\" and n eq 1].b", "urn:x:Device:serial"] {
        assert_eq!(resolved(text, &device).unwrap().kind, AttributeType::Any, "{text}");
    }
    assert!(resolved("id", &device).is_err());
}

#[test]
fn every_suggestion_resolves() {
    for (resource, path) in hints::all_suggestions() {
        let path = path.strip_prefix('+').map_or_else(|| path.to_owned(), |rest| format!("{ENTERPRISE_USER}:{rest}"));
        let resource = ResourceSchema::for_resource(resource).unwrap();
        resolved(&path, &resource).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

#[test]
fn json_paths() {
    let shown = |steps: Vec<Step>| Target {
        schema: None,
        steps,
        kind: AttributeType::Any,
        multi_valued: false,
        mutability: Mutability::ReadWrite,
    };
    let key = |name: &str| Step::Key(name.to_owned());
    assert_eq!(json_target("a.\"x.y\".z").unwrap(), [key("a"), key("x.y"), key("z")]);
    assert_eq!(json_target("a.b[0].c").unwrap(), [key("a"), key("b"), Step::Index(0), key("c")]);
    for text in ["public_metadata.department", "organization_role", "a[0][1]", "héllo.wörld", "@odata-type.$x"] {
        assert_eq!(shown(json_target(text).unwrap()).to_string(), text);
    }
    for (text, message) in [
        ("", "nothing"),
        ("a.", "ends too early"),
        (".a", "`.` cannot stand here"),
        ("a..b", "`.` cannot stand here"),
        ("a b", "`b` cannot stand here"),
        ("a[b]", "`b` cannot stand here"),
        ("a[10000]", "9999 at most"),
        ("[0]", "`[` cannot stand here"),
        ("$.a", "starts with a key"),
        ("a.\"b", "not closed"),
    ] {
        let error = json_target(text).unwrap_err();
        assert!(error.message.contains(message), "{text}: {error}");
    }
    assert!(json_target(&["a"; 40].join(".")).is_err());
}
