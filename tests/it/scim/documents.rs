//! What the service says of itself, lists and their order.

use std::cmp::Ordering;

use provisor::scim::discovery::{self, Features, ResourceType};
use provisor::scim::list::{Paging, Sorter, response};
use provisor::scim::{ResourceSchema, Tolerances};
use serde_json::{Value, json};

use super::schema;

const BASE: &str = "https://scim.example/v2";

fn types() -> Vec<ResourceType> {
    vec![ResourceType::user(schema("User")), ResourceType::group(schema("Group"))]
}

/// Calls for every attribute and sub-attribute of a schema document.
fn each_attribute(list: &Value, call: &mut impl FnMut(&Value)) {
    for attribute in list.as_array().unwrap() {
        call(attribute);
        if let Some(subs) = attribute.get("subAttributes") {
            each_attribute(subs, call);
        }
    }
}

#[test]
fn the_schemas_are_those_of_rfc_7643_and_ours() {
    let list = discovery::schemas(&types(), BASE);
    assert_eq!(list["totalResults"], 4);
    assert_eq!(list["startIndex"], 1);
    assert!(!list.to_string().contains("null"));
    let mut count = 0;
    for document in list["Resources"].as_array().unwrap() {
        let id = document["id"].as_str().unwrap();
        assert_eq!(document["meta"]["location"], format!("{BASE}/Schemas/{id}"));
        assert_eq!(discovery::schema(&types(), &id.to_uppercase(), BASE).as_ref(), Some(document));
        each_attribute(&document["attributes"], &mut |attribute| {
            count += 1;
            for key in ["name", "description", "type", "mutability", "returned", "uniqueness"] {
                assert!(attribute[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {attribute}");
            }
            for key in ["multiValued", "required", "caseExact"] {
                assert!(attribute[key].is_boolean(), "{key} of {attribute}");
            }
            assert_ne!(attribute["type"], "any");
            assert_eq!(attribute["type"] == "complex", attribute.get("subAttributes").is_some(), "{attribute}");
            assert_eq!(attribute["type"] == "reference", attribute.get("referenceTypes").is_some(), "{attribute}");
        });
    }
    assert!(count > 80, "{count} attributes");
    // Entra finds `emails[type eq "work"].value` by these.
    let user = &list["Resources"][0];
    let emails = user["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "emails").unwrap();
    let kind = emails["subAttributes"].as_array().unwrap().iter().find(|one| one["name"] == "type").unwrap();
    assert_eq!(kind["canonicalValues"], json!(["work", "home", "other"]));
    assert_eq!(discovery::schema(&types(), "urn:x", BASE), None);
}

#[test]
fn resource_types_name_their_schemas() {
    let user = discovery::resource_type(&types(), "user", BASE).unwrap();
    assert_eq!(user["endpoint"], "/Users");
    assert_eq!(user["schemaExtensions"].as_array().unwrap().len(), 2);
    assert_eq!(user["meta"], json!({"resourceType": "ResourceType", "location": format!("{BASE}/ResourceTypes/User")}));
    assert_eq!(discovery::resource_types(&types(), BASE)["totalResults"], 2);
    assert!(discovery::resource_type(&types(), "Group", BASE).unwrap().get("schemaExtensions").is_none());
    assert_eq!(discovery::resource_type(&types(), "Device", BASE), None);
}

#[test]
fn the_configuration_says_what_is_switched_on() {
    let all = Features::default().to_json(BASE);
    assert_eq!(all["bulk"], json!({"supported": true, "maxOperations": 1000, "maxPayloadSize": 1_048_576}));
    assert_eq!(all["pagination"]["cursor"], true);
    assert_eq!(all["authenticationSchemes"][0]["type"], "oauthbearertoken");
    let few = Features { bulk: None, filter: None, cursor: None, ..Features::default() }.to_json(BASE);
    assert_eq!(few["bulk"], json!({"supported": false, "maxOperations": 0, "maxPayloadSize": 0}));
    assert!(few["pagination"].get("cursorTimeout").is_none());
    assert!(!few.to_string().contains("null"));
}

#[test]
fn lists_have_their_members_and_no_others() {
    let list = response(vec![json!({"id": "1"})], Some(7), &Paging::Index(3));
    assert_eq!(
        list,
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 7, "itemsPerPage": 1, "startIndex": 3, "Resources": [{"id": "1"}]})
    );
    let last = response(vec![], None, &Paging::Cursor { next: None, previous: Some("p".into()) });
    assert_eq!(
        last.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["schemas", "itemsPerPage", "previousCursor", "Resources"]
    );
}

#[test]
fn sorting_is_by_type_and_puts_nothing_last() {
    let user = ResourceSchema::for_resource("User").unwrap();
    let one = json!({"id": "B", "userName": "ada", "active": false, "emails": [{"value": "z@x"}, {"value": "b@x", "primary": true}], "name": {"formatted": "A"}, "meta": {"created": "2024-01-01T02:00:00+02:00"}});
    let two = json!({"id": "a", "userName": "Bob", "active": true, "emails": [{"value": "C@x"}], "meta": {"created": "2024-01-01T01:00:00Z"}});
    let order = |by: &str, descending| {
        let sorter = Sorter::new(by, descending, &user, Tolerances::ALL).unwrap();
        sorter.compare(one.as_object().unwrap(), two.as_object().unwrap())
    };
    assert_eq!(order("userName", false), Ordering::Less);
    assert_eq!(order("userName", true), Ordering::Greater);
    assert_eq!(order("id", false), Ordering::Less, "exact: capitals come first");
    assert_eq!(order("active", false), Ordering::Less);
    assert_eq!(order("emails", false), Ordering::Less, "the primary one counts");
    assert_eq!(order("meta.created", false), Ordering::Less, "instants, not text");
    assert_eq!(order("name", false), Ordering::Less, "one without a name is last");
    assert_eq!(order("name.formatted", true), Ordering::Greater);
    assert_eq!(order("title", false), Ordering::Equal);
    for by in ["colour", "password", "addresses[type eq \"work\"].region", ""] {
        assert_eq!(Sorter::new(by, false, &user, Tolerances::ALL).unwrap_err().status, 400, "{by}");
    }
}
