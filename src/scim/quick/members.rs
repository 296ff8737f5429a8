//! The short way of a PATCH that does nothing but add members to a group or remove some, which is what groups get most: one walk, without
//! values in between. It answers or says nothing, as that of a POST does: [`Patch::parse`](crate::scim::patch::Patch::parse) alone has
//! tolerances and findings. A property test compares what both make.

use hashbrown::HashSet;

use super::read::Body;
use crate::scim::members::{Member, MemberOp};
use crate::scim::patch::{MAX_OPERATIONS, PATCH_OP};
use crate::scim::path::MAX_LENGTH;
use crate::scim::peer::{Tolerance, Tolerances};
use crate::scim::schema::{GROUP, ResourceSchema, group};

/// What a PATCH of members says.
pub(in crate::scim) struct Members {
    /// Its operations.
    pub(in crate::scim) operations: Vec<MemberOp>,
    /// Whether one was spelled as Entra spells it without `aadOptscim062020`.
    pub(in crate::scim) entra: bool,
}

/// Reads the body of a PATCH; `None` when it has to go the long way.
pub(in crate::scim) fn members(body: &[u8], resource: &ResourceSchema, tolerances: Tolerances) -> Option<Members> {
    has_usual_members(resource).then_some(())?;
    let mut walk = Walk { body: Body::new(body)?, tolerances, entra: false };
    let operations = walk.request()?;
    walk.body.end()?;
    Some(Members { operations, entra: walk.entra })
}

/// Whether members are what RFC 7643 makes them, and nothing else goes by their name.
fn has_usual_members(resource: &ResourceSchema) -> bool {
    let is_usual = || resource.core.attribute("members") == group().attribute("members");
    resource.core.is(GROUP) && is_usual() && resource.schema("members").is_none()
}

/// A body being read.
struct Walk<'b> {
    body: Body<'b>,
    tolerances: Tolerances,
    entra: bool,
}

/// Whom a path means.
enum Whom<'b> {
    /// Those in `value`.
    Listed,
    /// Who has this id.
    One(&'b str),
}

/// A member as it is written.
struct Written<'b> {
    value: &'b str,
    kind: Option<&'b str>,
    reference: Option<&'b str>,
}

impl Written<'_> {
    fn member(&self) -> Member {
        Member {
            value: self.value.to_owned(),
            kind: self.kind.map(str::to_owned),
            reference: self.reference.map(str::to_owned),
        }
    }
}

impl<'b> Walk<'b> {
    fn request(&mut self) -> Option<Vec<MemberOp>> {
        let (mut schemas, mut operations, mut is_first) = (None, None, true);
        self.body.take(b'{')?;
        while self.body.more(b'}', &mut is_first)? {
            match self.body.name()? {
                "schemas" => once(&mut schemas, self.schemas()?)?,
                "Operations" => once(&mut operations, self.operations()?)?,
                _ => return None,
            }
        }
        schemas.and(operations)
    }

    /// The URN of a PATCH, and no other.
    fn schemas(&mut self) -> Option<()> {
        self.body.take(b'[')?;
        let is_ours = self.body.string()? == PATCH_OP;
        self.body.take(b']')?;
        is_ours.then_some(())
    }

    fn operations(&mut self) -> Option<Vec<MemberOp>> {
        let (mut operations, mut is_first) = (Vec::new(), true);
        self.body.take(b'[')?;
        while self.body.more(b']', &mut is_first)? {
            operations.push(self.operation()?);
        }
        (1..=MAX_OPERATIONS).contains(&operations.len()).then_some(operations)
    }

    fn operation(&mut self) -> Option<MemberOp> {
        let (mut is_add, mut whom, mut listed, mut is_first) = (None, None, None, true);
        self.body.take(b'{')?;
        while self.body.more(b'}', &mut is_first)? {
            match self.body.name()? {
                "op" => once(&mut is_add, self.is_add()?)?,
                "path" => once(&mut whom, self.whom()?)?,
                "value" => once(&mut listed, self.listed()?)?,
                _ => return None,
            }
        }
        match (is_add?, whom?, listed) {
            (true, Whom::Listed, Some(listed)) => Some(MemberOp::Add(listed.iter().map(Written::member).collect())),
            (false, Whom::Listed, Some(listed)) if self.tolerances.has(Tolerance::RemoveByValue) => {
                Some(MemberOp::Remove(listed.iter().map(|written| written.value.to_owned()).collect()))
            }
            (false, Whom::One(id), None) => Some(MemberOp::Remove(vec![id.to_owned()])),
            // Removing without saying whom is removing all.
            _ => None,
        }
    }

    /// Whether the operation adds; it removes else.
    fn is_add(&mut self) -> Option<bool> {
        let op = self.body.string()?;
        let is = |name: &str| op.eq_ignore_ascii_case(name);
        (is("add") || is("remove")).then_some(())?;
        if op.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.tolerances.has(Tolerance::OperationCase).then_some(())?;
            self.entra = true;
        }
        Some(is("add"))
    }

    /// `members`, or `members[value eq "…"]` with an id that a filter says as it is.
    fn whom(&mut self) -> Option<Whom<'b>> {
        self.body.take(b'"')?;
        let whom = match self.body.plain()? {
            "members" => Whom::Listed,
            "members[value eq " if self.body.just("\\\"") => {
                let id = self.body.plain()?;
                let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                let is_short = id.len() < MAX_LENGTH / 2;
                (!id.is_empty() && is_plain && is_short && self.body.just("\\\"]")).then_some(Whom::One(id))?
            }
            _ => return None,
        };
        self.body.just("\"").then_some(whom)
    }

    /// Members, each of them once: what is said of one in several places goes together, which takes values.
    fn listed(&mut self) -> Option<Vec<Written<'b>>> {
        let (mut listed, mut is_first) = (Vec::new(), true);
        self.body.take(b'[')?;
        while self.body.more(b']', &mut is_first)? {
            listed.push(self.written()?);
        }
        let mut known = HashSet::with_capacity(listed.len());
        let is_each_once = listed.iter().all(|written| known.insert(written.value));
        (is_each_once && !listed.is_empty()).then_some(listed)
    }

    fn written(&mut self) -> Option<Written<'b>> {
        let (mut value, mut kind, mut reference, mut display, mut is_first) = (None, None, None, None, true);
        self.body.take(b'{')?;
        while self.body.more(b'}', &mut is_first)? {
            match self.body.name()? {
                "value" => once(&mut value, self.body.text()?)?,
                "type" => once(&mut kind, self.body.text()?)?,
                "$ref" => once(&mut reference, self.body.text()?)?,
                // The service says what a member is called.
                "display" => once(&mut display, self.body.skip()?)?,
                _ => return None,
            }
        }
        Some(Written { value: value?, kind, reference })
    }
}

/// Notes what is said once; `None` when it was said before.
fn once<T>(place: &mut Option<T>, said: T) -> Option<()> {
    place.replace(said).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use serde_json::{Value, json};

    use crate::scim::patch::{MAX_OPERATIONS, PATCH_OP, Patch};
    use crate::scim::peer::{Tolerance, Tolerances};
    use crate::scim::schema::{Attribute, AttributeType, GROUP, ResourceSchema};

    fn a_group() -> ResourceSchema {
        ResourceSchema::for_resource("Group").unwrap()
    }

    /// Goes the short way; where that says something, the long one says the same.
    fn both(body: &str, resource: &ResourceSchema, tolerances: Tolerances) -> bool {
        let Some(mut quick) = Patch::quick(body.as_bytes(), resource, tolerances) else { return false };
        let values: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let long = Patch::parse(&values, resource, tolerances).unwrap_or_else(|error| panic!("{error:?}: {body}"));
        assert_eq!(quick, long, "{body}");
        assert!(quick.is_members_only());
        assert_eq!(quick.take_member_change(), long.member_change(), "{body}");
        true
    }

    fn request(operations: &Value) -> String {
        json!({"schemas": [PATCH_OP], "Operations": operations}).to_string()
    }

    fn named(count: usize) -> Value {
        // Not in the order of their ids.
        (0..count).map(|number| json!({"value": format!("{:08x}-4b5c", number * 7919 % 1009)})).collect()
    }

    #[test]
    fn what_entra_sends_goes_the_short_way() {
        let all = Tolerances::ALL;
        for count in [1, 2, 20, 100] {
            for op in ["Add", "add", "Remove", "remove"] {
                let operation = json!({"op": op, "path": "members", "value": named(count)});
                for operations in [vec![operation.clone()], vec![operation.clone(); 3]] {
                    let body = request(&operations.into());
                    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
                    assert!(both(&body, &a_group(), all) && both(&pretty, &a_group(), all), "{body}");
                }
            }
        }
        let one = |id: &str| json!({"op": "Remove", "path": format!("members[value eq \"{id}\"]")});
        let add = json!({"op": "Add", "path": "members", "value": named(2)});
        for operations in [json!([one("7")]), json!([one("b"), one("0198f2c4-7a"), add.clone(), one("b")])] {
            assert!(both(&request(&operations), &a_group(), all), "{operations}");
        }
        let strict = json!([{"op": "add", "path": "members", "value": named(2)}, {"op": "remove", "path": "members[value eq \"7\"]"}]);
        assert!(both(&request(&strict), &a_group(), Tolerances::NONE));
        let body = request(&json!([add]));
        for end in 0..body.len() {
            assert!(!both(&body[..end], &a_group(), all), "{}", &body[..end]);
        }
    }

    #[test]
    fn members_may_say_more_of_themselves() {
        for (more, is_short) in [
            (json!({"type": "User", "$ref": "https://x/Users/7"}), true),
            (json!({"display": "Ada", "type": "Group"}), true),
            (json!({"display": null}), true),
            (json!({"display": {"a": [true, "b"]}}), true),
            (json!({"display": 7}), false),
            (json!({"type": ""}), false),
            (json!({"type": null}), false),
            (json!({"$ref": ["x"]}), false),
            (json!({"other": "x"}), false),
            (json!({"Type": "User"}), false),
        ] {
            for op in ["add", "remove"] {
                let mut member = json!({"value": "7"});
                member.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                let body = request(&json!([{"op": op, "path": "members", "value": [member, {"value": "8"}]}]));
                assert_eq!(both(&body, &a_group(), Tolerances::ALL), is_short, "{body}");
            }
        }
    }

    #[test]
    fn what_is_odd_goes_the_long_way() {
        let (value, all) = (named(2), Tolerances::ALL);
        for operations in [
            json!([]),
            json!({}),
            json!([{"op": "add", "path": "members", "value": []}]),
            json!([{"op": "add", "path": "members", "value": null}]),
            json!([{"op": "add", "path": "members"}]),
            json!([{"op": "add", "path": "members", "value": {"value": "7"}}]),
            json!([{"op": "add", "path": "members", "value": ["7"]}]),
            json!([{"op": "add", "path": "members", "value": [{"value": ""}]}]),
            json!([{"op": "add", "path": "members", "value": [{"value": 7}]}]),
            json!([{"op": "add", "path": "members", "value": [{"value": "a\"b"}]}]),
            json!([{"op": "add", "path": "members", "value": [{"$ref": "Users/7"}]}]),
            json!([{"op": "add", "path": "members", "value": [{"value": "7"}, {"value": "7", "type": "User"}]}]),
            json!([{"op": "add", "path": "Members", "value": value}]),
            json!([{"op": "add", "path": "displayName", "value": "7"}]),
            json!([{"op": "add", "path": "members[value eq \"7\"]"}]),
            json!([{"op": "add", "value": {"members": value}}]),
            json!([{"op": "replace", "path": "members", "value": value}]),
            json!([{"op": "remove", "path": "members"}]),
            json!([{"op": "remove", "path": "members[value eq \"\"]"}]),
            json!([{"op": "remove", "path": "members[value eq \"a\\\\b\"]"}]),
            json!([{"op": "remove", "path": "members[value eq \"7\"].value"}]),
            json!([{"op": "remove", "path": "members[value eq \"7\" or value eq \"8\"]"}]),
            json!([{"op": "remove", "path": "members[value eq \"7\"]", "value": value}]),
            json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", "7".repeat(5_000))}]),
            json!([{"op": "add", "path": "members", "value": value, "name": "x"}]),
            json!([{"op": "add", "path": "members", "value": value}, {"op": "replace", "path": "displayName", "value": "x"}]),
            json!(vec![json!({"op": "add", "path": "members", "value": [{"value": "7"}]}); MAX_OPERATIONS + 1]),
        ] {
            let body = request(&operations);
            assert!(!both(&body, &a_group(), all), "{body}");
        }
        let body = request(&json!([{"op": "Remove", "path": "members", "value": value}]));
        for (from, to) in [
            ("PatchOp\"", "PatchOp\",\"urn:x\""),
            ("PatchOp\"", "patchop\""),
            ("\"schemas\"", "\"Schemas\""),
            ("\"Operations\"", "\"operations\""),
            ("\"op\"", "\"Op\""),
            ("\"op\"", "\"op\":\"add\",\"op\""),
            ("\"schemas\"", "\"Operations\":[],\"schemas\""),
            ("{\"schemas\"", "{\"failOnErrors\":1,\"schemas\""),
            ("\"members\"", "\"m\\u0065mbers\""),
            ("]}]}", "]}]}x"),
            ("]}]}", "]}],}"),
        ] {
            let odd = body.replacen(from, to, 1);
            assert!(odd != body && !both(&odd, &a_group(), all), "{odd}");
        }
        assert!(Patch::quick(b"\xff", &a_group(), all).is_none());
        for tolerance in [Tolerance::OperationCase, Tolerance::RemoveByValue] {
            assert!(both(&body, &a_group(), all) && !both(&body, &a_group(), all.without(tolerance)), "{tolerance:?}");
        }
    }

    #[test]
    fn only_members_as_the_rfc_has_them_go_the_short_way() {
        let badge = || Attribute::new("badge", AttributeType::String, "");
        let own = Attribute::new("Members", AttributeType::String, "").multi_valued(true);
        let body = request(&json!([{"op": "add", "path": "members", "value": [{"value": "7"}]}]));
        for (resource, is_short) in [
            (a_group(), true),
            (a_group().with_extension(GROUP, [badge()]), true),
            (a_group().with_extension("urn:x:1.0:Group", [badge()]), true),
            (a_group().with_extension("MEMBERS", [badge()]), false),
            (a_group().with_extension(GROUP, [own]), false),
            (ResourceSchema::for_resource("User").unwrap(), false),
            (ResourceSchema::custom("Device", "urn:x:Device", []), false),
        ] {
            assert_eq!(both(&body, &resource, Tolerances::ALL), is_short, "{resource:?}");
        }
    }

    /// Names and texts of JSON values.
    type Fields = Vec<(&'static str, String)>;

    /// Each field once, and others more or less.
    fn fields(
        usual: impl Strategy<Value = Fields>,
        odd: impl Strategy<Value = (&'static str, String)>,
    ) -> impl Strategy<Value = Fields> {
        let odd = prop_oneof![50 => Just(None), 1 => odd.prop_map(Some)];
        let all = (usual, odd).prop_map(|(mut usual, odd)| {
            usual.extend(odd);
            usual
        });
        all.prop_shuffle()
    }

    fn object(fields: &Fields, blank: &str) -> String {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}")).collect();
        format!("{{{}{blank}}}", fields.join(","))
    }

    fn list(items: &[String], blank: &str) -> String {
        format!("[{blank}{}]", items.join(&format!("{blank},{blank}")))
    }

    fn one_of(usual: &'static [&'static str], odd: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
        let any = |of: &'static [&'static str]| proptest::sample::select(of).prop_map(str::to_owned);
        prop_oneof![50 => any(usual), 1 => any(odd)]
    }

    fn any_member() -> impl Strategy<Value = Fields> {
        let ids = one_of(
            &[
                "\"1\"",
                "\"2\"",
                "\"3\"",
                "\"4\"",
                "\"5\"",
                "\"u-4\"",
                "\"é 5\"",
                "\"a\u{7f}\"",
                "\"01234567-89ab-cdef\"",
            ],
            &["\"\"", "null", "7", "\"\\u0031\"", "\"a\nb\"", "[\"1\"]", "\"1", "{}"],
        );
        let kinds = prop_oneof![4 => Just(None), 1 => one_of(&["\"User\"", "\"Group\"", "\"x\""], &["\"\"", "null", "1"]).prop_map(Some)];
        let uris = prop_oneof![4 => Just(None), 1 => one_of(&["\"Users/1\"", "\"x\""], &["\"\"", "null", "[]"]).prop_map(Some)];
        let shown = one_of(&["\"A\"", "\"\"", "null", "[true,{\"a\":\"b\"}]"], &["1", "\"\\n\"", "tru"]);
        let shown = prop_oneof![4 => Just(None), 1 => shown.prop_map(Some)];
        let usual = (ids, kinds, uris, shown).prop_map(|(id, kind, uri, shown)| {
            let mut fields = vec![("value", id)];
            fields.extend(kind.map(|kind| ("type", kind)));
            fields.extend(uri.map(|uri| ("$ref", uri)));
            fields.extend(shown.map(|shown| ("display", shown)));
            fields
        });
        let odd = proptest::sample::select(
            &["value", "Value", "VALUE", "type", "TYPE", "$ref", "$Ref", "display", "other", "primary", "v\\u0061lue"]
                [..],
        );
        fields(usual, (odd, one_of(&["\"1\"", "\"9\""], &["null", "true"])))
    }

    fn any_operation(blank: &'static str) -> impl Strategy<Value = String> {
        let ops = one_of(
            &["\"add\"", "\"Add\"", "\"remove\"", "\"Remove\""],
            &["\"ADD\"", "\"reMove\"", "\"replace\"", "\"Replace\"", "\"\\u0061dd\"", "\"\"", "null", "\"Äadd\""],
        );
        let filters = one_of(
            &["\"members[value eq \\\"1\\\"]\"", "\"members[value eq \\\"u-4\\\"]\""],
            &[
                "\"members[value eq \\\"\\\"]\"",
                "\"members[value eq \\\"é\\\"]\"",
                "\"members[value eq \\\"1\\\"]\\n\"",
                "\"members[value eq \\\"1\\\" or value eq \\\"2\\\"]\"",
                "\"members[value  eq \\\"1\\\"]\"",
                "\"members[value ne \\\"1\\\"]\"",
                "\"members[value eq \\\"1\\\"].value\"",
                "\"members[value eq \\\"\\\\\\\\\\\"]\"",
                "\"members[value eq 1]\"",
            ],
        );
        let paths = one_of(
            &["\"members\""],
            &[
                "\"Members\"",
                "\" members\"",
                "\"members.value\"",
                "\"urn:ietf:params:scim:schemas:core:2.0:Group:members\"",
                "\"displayName\"",
                "\"\"",
                "null",
            ],
        );
        let lists = proptest::collection::vec(any_member(), 1..4).prop_map(move |members| {
            let members: Vec<String> = members.iter().map(|fields| object(fields, blank)).collect();
            list(&members, blank)
        });
        let lists = prop_oneof![
            30 => lists,
            1 => any_member().prop_map(move |fields| object(&fields, blank)),
            1 => one_of(&["null"], &["\"\"", "\"1\"", "[\"1\"]", "[null]", "[[]]", "[{}]", "[]"]),
        ];
        let listed =
            (ops.clone(), paths, lists).prop_map(|(op, path, list)| vec![("op", op), ("path", path), ("value", list)]);
        let filtered = (ops, filters).prop_map(|(op, path)| vec![("op", op), ("path", path)]);
        let odd =
            proptest::sample::select(&["op", "path", "value", "Op", "OP", "PATH", "Value", "name", "p\\u0061th"][..]);
        let values = one_of(&["\"add\"", "\"members\"", "[{\"value\":\"1\"}]"], &["null", "\"\"", "{}"]);
        fields(prop_oneof![4 => listed, 1 => filtered], (odd, values)).prop_map(move |fields| object(&fields, blank))
    }

    fn any_body() -> impl Strategy<Value = String> {
        const URNS: &[&str] = &["[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"]"];
        let odd = &[
            "[\"urn:ietf:params:scim:api:messages:2.0:patchop\"]",
            "[\"urn:x\",\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"]",
            "[]",
            "\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"",
        ];
        let blanks = prop_oneof![3 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t")];
        blanks.prop_flat_map(move |blank| {
            let operations = proptest::collection::vec(any_operation(blank), 1..4);
            let usual = (one_of(URNS, odd), operations).prop_map(move |(schemas, operations)| {
                vec![("schemas", schemas), ("Operations", list(&operations, blank))]
            });
            let more = proptest::sample::select(&["schemas", "Operations", "operations", "SCHEMAS", "x"][..]);
            let ends = prop_oneof![20 => Just(""), 1 => Just("x"), 1 => Just(","), 1 => Just("\n")];
            let all = (fields(usual, (more, one_of(URNS, &["[]", "null"]))), ends);
            all.prop_map(move |(fields, end)| format!("{blank}{}{blank}{end}", object(&fields, blank)))
        })
    }

    #[test]
    fn both_ways_make_the_same() {
        let some = vec![
            Tolerance::OperationCase,
            Tolerance::RemoveByValue,
            Tolerance::EmptyText,
            Tolerance::UnknownSubAttribute,
            Tolerance::UrnAsPath,
        ];
        let tolerances = prop_oneof![
            3 => Just(Tolerances::ALL),
            1 => Just(Tolerances::NONE),
            3 => proptest::sample::select(some).prop_map(|one| Tolerances::ALL.without(one)),
        ];
        let (group, short) = (a_group(), Cell::new(0_u32));
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(2_000) });
        let compared = runner.run(&(any_body(), tolerances), |(body, tolerances)| {
            short.set(short.get() + u32::from(both(&body, &group, tolerances)));
            Ok(())
        });
        compared.unwrap_or_else(|failed| panic!("{failed}"));
        // Else nothing much was compared.
        assert!(short.get() > 200, "{} of them were short", short.get());
    }
}
