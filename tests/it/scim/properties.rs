//! Any input ends in a value or an error, quickly; a PATCH is applied in full or not at all; `not (not (f))` is `f`.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use provisor::scim::plan::{FilterPlan, Index, probe};
use provisor::scim::project::Projection;
use provisor::scim::{Matcher, MemberChange, MemberOp, Patch, Tolerances, bulk, resource};
use serde_json::{Map, Value, json};

use super::schema;

const QUICKLY: Duration = Duration::from_secs(5);

/// Text that is nearly a filter or a path.
fn tokens() -> impl Strategy<Value = String> {
    let token = proptest::sample::select(
        &[
            "userName",
            "emails",
            "active",
            "meta.lastModified",
            "name.givenName",
            "members",
            "manager",
            "id",
            "[",
            "]",
            "(",
            ")",
            "type eq \"work\"",
            "eq",
            "ne",
            "co",
            "gt",
            "pr",
            "and",
            "or",
            "not",
            "\"a\"",
            "true",
            "\"True\"",
            "5",
            "null",
            ".value",
            ":",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            ".",
            "\"",
            "é",
            "\0",
            "'x'",
        ][..],
    );
    proptest::collection::vec(token, 0..24).prop_map(|tokens| tokens.join(" "))
}

/// Filters that can be read.
fn filters() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(
        &[
            "userName eq \"ada\"",
            "userName ne \"ada\"",
            "title pr",
            "active eq true",
            "emails[type eq \"work\"]",
            "emails.value co \"@x\"",
            "title eq null",
            "manager eq \"m\"",
            "emails[type eq \"work\" and value sw \"a\"].value pr",
        ][..],
    )
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| format!("not ({f})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} or {b}")),
        ]
    })
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::sample::select(&["", "a", "True", "a@x", "work", "2020-01-01T00:00:00Z"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = proptest::sample::select(
            &[
                "value",
                "type",
                "primary",
                "userName",
                "emails",
                "name",
                "name.givenName",
                "givenName",
                "active",
                "members",
                "x",
                "op",
                "path",
            ][..],
        );
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..4).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

fn operations() -> impl Strategy<Value = Vec<Value>> {
    let op = proptest::sample::select(&["add", "Add", "replace", "Replace", "remove", "Remove", "x"][..]);
    let path = prop_oneof![
        6 => proptest::sample::select(&[
            "userName", "title", "emails", "emails[type eq \"work\"]", "emails[type eq \"work\"].value", "emails.value",
            "emails[primary eq \"True\"].primary", "name", "name.givenName", "manager", "active", "id", "roles[value eq \"a\"].type",
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:once", "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:tags",
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:anything.x", "members", "members[value eq \"a\"]",
        ][..]).prop_map(|path| Some(path.to_owned())),
        1 => tokens().prop_map(Some),
        1 => Just(None),
    ];
    let one = (op, path, proptest::option::of(json_values())).prop_map(|(op, path, value)| {
        let mut fields = Map::from_iter([("op".to_owned(), Value::from(op))]);
        fields.extend(path.map(|path| ("path".to_owned(), Value::from(path))));
        fields.extend(value.map(|value| ("value".to_owned(), value)));
        Value::Object(fields)
    });
    proptest::collection::vec(one, 1..5)
}

fn users() -> Vec<Value> {
    vec![
        json!({"id": "1", "userName": "ada", "active": true, "emails": [{"type": "work", "value": "a@x"}]}),
        json!({"id": "2", "userName": "bob", "title": "T", "emails": [{"value": "b@x", "primary": true}, {"value": "c@y"}]}),
        json!({"userName": "c", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "m"}}}),
        json!({"userName": "d", "urn:ietf:params:scim:schemas:extension:Custom:2.0:User": {"once": "1", "tags": ["a"]}}),
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error(text in prop_oneof![".{0,80}", tokens()]) {
        let (begun, user) = (Instant::now(), schema("User"));
        if let Ok(matcher) = Matcher::parse(&text, &user, Tolerances::ALL) {
            for one in users() {
                matcher.matches(one.as_object().unwrap());
            }
            FilterPlan::of(&matcher, &[Index::UserName]);
        }
        // What the quick look sees, the thorough one sees too.
        if let Some((index, value)) = probe(&text, &user, Tolerances::ALL) {
            let matcher = Matcher::parse(&text, &user, Tolerances::ALL).unwrap();
            let plan = FilterPlan::of(&matcher, &[index]);
            prop_assert_eq!(plan.equality(), Some((index, &*value)));
            prop_assert!(plan.complete);
        }
        let _ = Projection::parse(Some(&text), Some(&text), &user, Tolerances::ALL);
        prop_assert!(begun.elapsed() < QUICKLY);
    }

    #[test]
    fn not_not_is_the_filter_itself(text in filters()) {
        let user = schema("User");
        let plain = Matcher::parse(&text, &user, Tolerances::ALL).unwrap();
        let once = Matcher::parse(&format!("not ({text})"), &user, Tolerances::ALL).unwrap();
        let twice = Matcher::parse(&format!("not (not ({text}))"), &user, Tolerances::ALL).unwrap();
        for one in users() {
            let one = one.as_object().unwrap();
            prop_assert_eq!(plain.matches(one), twice.matches(one));
            prop_assert_ne!(plain.matches(one), once.matches(one));
        }
    }

    #[test]
    fn a_patch_is_applied_in_full_or_not_at_all(operations in operations(), at in 0_usize..4, on in proptest::sample::select(&["User", "Group", "Device"][..])) {
        let (begun, on) = (Instant::now(), schema(on));
        if let Ok(patch) = Patch::compile(&operations, &on, Tolerances::ALL) {
            let before = users().swap_remove(at).as_object().unwrap().clone();
            let mut after = before.clone();
            match patch.apply(&mut after) {
                Ok(outcome) => {
                    prop_assert_eq!(outcome.changed, before != after);
                    prop_assert!(on.name != "User" || after["userName"].is_string());
                    for items in after.values().filter_map(Value::as_array) {
                        prop_assert!(on.name != "User" || items.iter().filter(|item| item["primary"] == true).count() < 2);
                    }
                    // What was done once is done.
                    let mut again = after.clone();
                    if operations.len() == 1 && patch.apply(&mut again).is_ok() {
                        prop_assert_eq!(&again, &after);
                    }
                }
                Err(_) => prop_assert_eq!(before, after),
            }
        }
        prop_assert!(begun.elapsed() < QUICKLY);
    }

    #[test]
    fn any_json_is_a_resource_a_request_or_an_error(body in json_values()) {
        let user = schema("User");
        let mut wrapped = body.clone();
        if let Some(fields) = wrapped.as_object_mut() {
            fields.insert("schemas".into(), json!([user.core.id, bulk::BULK_REQUEST]));
            fields.insert("Operations".into(), body.clone());
        }
        if let Ok(made) = resource::create(&wrapped, &user, Tolerances::ALL) {
            // A resource that was read once reads as itself.
            let again = resource::create(&Value::Object(made.resource.clone()), &user, Tolerances::ALL).unwrap();
            prop_assert_eq!(again.resource, made.resource);
        }
        let _ = Patch::parse(&body, &user, Tolerances::ALL);
        if let Ok(mut bulk) = bulk::Bulk::parse(wrapped, &["/Users"]) {
            bulk.run(|_| Err(provisor::scim::ScimError::conflict("")));
        }
    }

    /// Members after any history are those of a model that does one operation after the other.
    #[test]
    fn members_end_as_the_model_says(history in proptest::collection::vec((0_u8..5, proptest::collection::vec(0_u8..6, 1..4)), 1..12)) {
        let operations: Vec<Value> = history
            .iter()
            .map(|(kind, ids)| {
                let values: Vec<Value> = ids.iter().map(|id| json!({"value": format!("u{id}")})).collect();
                match kind {
                    0 | 1 => json!({"op": "Add", "path": "members", "value": values}),
                    2 => json!({"op": "Remove", "path": "members", "value": values}),
                    3 => json!({"op": "remove", "path": format!("members[value eq \"u{}\"]", ids[0])}),
                    _ => json!({"op": "replace", "path": "members", "value": values}),
                }
            })
            .collect();
        let group = schema("Group");
        let patch = Patch::compile(&operations, &group, Tolerances::ALL).unwrap();
        let start: Vec<provisor::scim::Member> = ["u0", "u1", "u7"]
            .map(|id| provisor::scim::Member { value: id.to_owned(), kind: None, reference: None })
            .into();
        let mut model: std::collections::BTreeSet<String> = start.iter().map(|member| member.value.clone()).collect();
        for operation in patch.members() {
            match operation {
                MemberOp::Add(members) => model.extend(members.iter().map(|member| member.value.clone())),
                MemberOp::Remove(ids) => model.retain(|id| !ids.contains(id)),
                MemberOp::ReplaceAll(members) => model = members.iter().map(|member| member.value.clone()).collect(),
                MemberOp::RemoveMatching(_) => unreachable!(),
            }
        }
        let mut members = start;
        let change = patch.member_change();
        prop_assert_eq!(&change, &MemberChange::from(patch.members().to_vec()));
        change.apply(&mut members);
        let ids: Vec<String> = members.iter().map(|member| member.value.clone()).collect();
        let unique: std::collections::BTreeSet<String> = ids.iter().cloned().collect();
        prop_assert_eq!(unique.len(), ids.len());
        prop_assert_eq!(unique, model);
    }
}
