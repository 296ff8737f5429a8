//! The short way of a POST: a body that is written as most clients write it becomes the text that is stored in one walk, without
//! values in between. It answers or says nothing: whatever is odd, or wrong, goes to [`resource::create`](super::resource::create),
//! which alone has tolerances and findings. Both make the same text; a property test compares them.
//!
//! `quick/members.rs` is the same for a PATCH that adds or removes members of a group, `quick/read.rs` the reading under both.

mod members;
mod read;

pub(super) use members::{Members, members};

use read::Body;

use super::peer::{Tolerance, Tolerances};
use super::schema::{Attribute, AttributeType, Mutability, ResourceSchema, Returned, Schema, common};

/// A resource that may be stored, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quick<'b, 's> {
    /// The resource, without blanks, with `schemas` first.
    pub text: String,
    /// The names of its attributes and extensions, in the order of the text.
    pub names: Vec<&'s str>,
    /// Its texts and booleans.
    pub leaves: Vec<Leaf<'b, 's>>,
}

/// A text or a boolean of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'b, 's> {
    /// The extension; `None` is the core.
    pub extension: Option<&'s str>,
    /// The attribute.
    pub attribute: &'s str,
    /// The part of it, when it has parts.
    pub sub: Option<&'s str>,
    /// Which element of a list it is in.
    pub element: usize,
    /// The text, or `true` or `false`.
    pub text: &'b str,
}

impl<'b> Quick<'b, '_> {
    /// The text of a core attribute that has no parts.
    pub fn text_of(&self, attribute: &str) -> Option<&'b str> {
        let found =
            |leaf: &&Leaf<'_, '_>| leaf.extension.is_none() && leaf.sub.is_none() && leaf.attribute == attribute;
        self.leaves.iter().find(found).map(|leaf| leaf.text)
    }
}

/// Reads a body; `None` when it has to go the long way. Members and secrets always do, so that neither is in the text.
pub fn create<'b, 's>(body: &'b [u8], resource: &'s ResourceSchema, tolerances: Tolerances) -> Option<Quick<'b, 's>> {
    let mut walk = Walk {
        body: Body::new(body)?,
        out: String::with_capacity(body.len()),
        leaves: Vec::with_capacity(32),
        extension: None,
        excused: tolerances.has(Tolerance::MissingReference),
    };
    let made = walk.resource(resource)?;
    walk.body.end()?;
    let mut text = String::with_capacity(walk.out.len() + 160);
    text.push_str("{\"schemas\":[\"");
    text.push_str(&resource.core.id);
    for (_, extension) in resource.extensions.iter().enumerate().filter(|(place, _)| made.extensions.has(*place)) {
        text.push_str("\",\"");
        text.push_str(&extension.id);
    }
    text.push_str("\"]");
    text.push_str(&walk.out);
    text.push('}');
    Some(Quick { text, names: made.names, leaves: walk.leaves })
}

/// Which of some things were there.
#[derive(Debug, Clone, Copy, Default)]
struct Seen(u128);

impl Seen {
    /// Notes one; `None` when it was there before, or is beyond what can be noted.
    fn add(&mut self, place: usize) -> Option<()> {
        let bit = 1_u128.checked_shl(u32::try_from(place).ok()?)?;
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new.then_some(())
    }

    fn has(self, place: usize) -> bool {
        u32::try_from(place).ok().and_then(|place| self.0.checked_shr(place)).is_some_and(|bits| bits & 1 == 1)
    }

    /// Whether all of these were there that a resource has to have.
    fn has_required(self, attributes: &[Attribute], is_excused: impl Fn(&Attribute) -> bool) -> bool {
        let is_missing = |(place, attribute): (usize, &Attribute)| {
            attribute.required && !attribute.is_read_only() && !self.has(place) && !is_excused(attribute)
        };
        !attributes.iter().enumerate().any(is_missing)
    }
}

/// What a body had.
struct Made<'s> {
    names: Vec<&'s str>,
    extensions: Seen,
}

/// A body being read.
struct Walk<'b, 's> {
    body: Body<'b>,
    /// The fields behind `schemas`, each with a comma before it.
    out: String,
    leaves: Vec<Leaf<'b, 's>>,
    /// Where the attributes are that come now.
    extension: Option<&'s str>,
    /// Whether a reference may be missing.
    excused: bool,
}

impl<'b, 's> Walk<'b, 's> {
    fn resource(&mut self, resource: &'s ResourceSchema) -> Option<Made<'s>> {
        let mut names = Vec::with_capacity(16);
        names.push("schemas");
        let (mut core, mut shared, mut extensions) = (Seen::default(), Seen::default(), Seen::default());
        let (mut is_ours, mut is_first) = (None, true);
        self.body.take(b'{')?;
        while self.body.more(b'}', &mut is_first)? {
            let key = self.body.name()?;
            if key == "schemas" {
                // Twice is odd.
                let listed = self.schemas(resource)?;
                is_ours.replace(listed).is_none().then_some(())?;
            } else if let Some((place, attribute)) = named(&resource.core.attributes, key) {
                core.add(place)?;
                names.extend(self.attribute(attribute)?.then_some(attribute.name.as_ref()));
            } else if let Some((place, attribute)) = named(common(), key) {
                shared.add(place)?;
                names.extend(self.attribute(attribute)?.then_some(attribute.name.as_ref()));
            } else {
                let (place, schema) = resource.extensions.iter().enumerate().find(|(_, schema)| schema.id == key)?;
                extensions.add(place)?;
                self.section(schema)?;
                names.push(schema.id.as_ref());
            }
        }
        let is_whole = is_ours == Some(true) && core.has_required(&resource.core.attributes, |_| false);
        is_whole.then_some(Made { names, extensions })
    }

    /// The URNs that a body lists, all of which are known; says whether the core's is one.
    fn schemas(&mut self, resource: &ResourceSchema) -> Option<bool> {
        let (mut is_ours, mut is_first) = (false, true);
        self.body.take(b'[')?;
        while self.body.more(b']', &mut is_first)? {
            let urn = self.body.string()?;
            if resource.core.id == urn {
                is_ours = true;
            } else {
                resource.extensions.iter().find(|schema| schema.id == urn)?;
            }
        }
        Some(is_ours)
    }

    /// An extension that has something.
    fn section(&mut self, schema: &'s Schema) -> Option<()> {
        self.extension = Some(&schema.id);
        self.key(&schema.id);
        let begins = self.out.len();
        let (mut seen, mut is_first) = (Seen::default(), true);
        self.body.take(b'{')?;
        while self.body.more(b'}', &mut is_first)? {
            let (place, attribute) = named(&schema.attributes, self.body.name()?)?;
            seen.add(place)?;
            self.attribute(attribute)?;
        }
        self.extension = None;
        self.wrap(begins, ["{", "}"])?;
        seen.has_required(&schema.attributes, |_| false).then_some(())
    }

    /// An attribute; false when it has no value.
    fn attribute(&mut self, attribute: &'s Attribute) -> Option<bool> {
        if attribute.returned == Returned::Never {
            return None;
        }
        if attribute.is_read_only() {
            self.body.skip()?;
            return Some(false);
        }
        let begins = self.out.len();
        self.key(&attribute.name);
        if !attribute.multi_valued {
            self.value(attribute)?;
            return Some(true);
        }
        let has_some = self.list(attribute)?;
        if !has_some {
            self.out.truncate(begins);
        }
        Some(has_some)
    }

    fn value(&mut self, attribute: &'s Attribute) -> Option<()> {
        if attribute.kind == AttributeType::Complex {
            return self.complex(attribute, 0).map(drop);
        }
        let text = self.leaf(attribute.kind)?;
        self.leaves.push(Leaf { extension: self.extension, attribute: &attribute.name, sub: None, element: 0, text });
        Some(())
    }

    /// The elements of a list; false when there are none. Of several each says of which type it is, and no two say the same.
    fn list(&mut self, attribute: &'s Attribute) -> Option<bool> {
        let is_mutable = |sub: &Attribute| sub.mutability != Mutability::Immutable;
        if attribute.kind != AttributeType::Complex || attribute.is_relation() {
            return None;
        }
        let (begins, from) = (self.out.len(), self.leaves.len());
        let (mut count, mut primaries, mut is_first) = (0, 0, true);
        self.body.take(b'[')?;
        while self.body.more(b']', &mut is_first)? {
            self.out.push(',');
            let element = self.complex(attribute, count)?;
            primaries += usize::from(element.is_primary);
            // What has a type and no more is no value.
            element.has_more.then_some(())?;
            count += 1;
        }
        if count == 0 {
            return Some(false);
        }
        if count > 1 {
            let leaves = self.leaves.get(from..).unwrap_or_default();
            let types = || leaves.iter().filter(|leaf| leaf.sub == Some("type")).map(|leaf| leaf.text);
            let is_new = |(place, kind): (usize, &str)| {
                kind.is_ascii() && !types().take(place).any(|known| known.eq_ignore_ascii_case(kind))
            };
            let are_told_apart = types().count() == count && types().enumerate().all(is_new);
            if !are_told_apart || primaries > 1 || !attribute.sub("type").is_some_and(is_mutable) {
                return None;
            }
        }
        self.wrap(begins, ["[", "]"])?;
        Some(true)
    }

    fn complex(&mut self, attribute: &'s Attribute, element: usize) -> Option<Element> {
        let begins = self.out.len();
        let (mut seen, mut is_first) = (Seen::default(), true);
        let mut found = Element { is_primary: false, has_more: false };
        self.body.take(b'{')?;
        while self.body.more(b'}', &mut is_first)? {
            let (place, sub) = named(&attribute.sub_attributes, self.body.name()?)?;
            seen.add(place)?;
            if sub.is_read_only() {
                self.body.skip()?;
                continue;
            }
            if sub.multi_valued {
                return None;
            }
            let name = sub.name.as_ref();
            self.key(name);
            let text = self.leaf(sub.kind)?;
            found.is_primary |= name == "primary" && text == "true";
            found.has_more |= name != "primary" && name != "type";
            let (extension, attribute) = (self.extension, attribute.name.as_ref());
            self.leaves.push(Leaf { extension, attribute, sub: Some(name), element, text });
        }
        self.wrap(begins, ["{", "}"])?;
        let is_excused = |sub: &Attribute| self.excused && sub.kind == AttributeType::Reference;
        seen.has_required(&attribute.sub_attributes, is_excused).then_some(found)
    }

    /// A text that is not empty, or a boolean.
    fn leaf(&mut self, kind: AttributeType) -> Option<&'b str> {
        match kind {
            AttributeType::String | AttributeType::Reference => {
                let text = self.body.text()?;
                self.out.push('"');
                self.out.push_str(text);
                self.out.push('"');
                Some(text)
            }
            AttributeType::Boolean => {
                let text = self.body.word(&["true", "false"])?;
                self.out.push_str(text);
                Some(text)
            }
            _ => None,
        }
    }

    /// Writes a comma and a name.
    fn key(&mut self, name: &str) {
        self.out.push_str(",\"");
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    /// Puts what was written from `begins` on, which has a comma before each piece, into brackets; `None` when there is nothing.
    fn wrap(&mut self, begins: usize, [open, close]: [&str; 2]) -> Option<()> {
        // The first comma becomes the bracket.
        self.out.get(begins..).filter(|pieces| pieces.starts_with(','))?;
        self.out.replace_range(begins..=begins, open);
        self.out.push_str(close);
        Some(())
    }
}

/// What an element of a list is.
struct Element {
    is_primary: bool,
    /// Whether it has more than a type.
    has_more: bool,
}

/// The attribute that is spelled just so, and its place.
fn named<'s>(attributes: &'s [Attribute], name: &str) -> Option<(usize, &'s Attribute)> {
    attributes.iter().enumerate().find(|(_, attribute)| attribute.name == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::scim::resource;
    use crate::scim::schema::{ENTERPRISE_USER, GROUP, USER};

    /// The text and the names of the long way.
    fn long(body: &str, resource: &ResourceSchema) -> Option<(String, Vec<String>)> {
        let body: Value = serde_json::from_str(body).ok()?;
        let mut made = resource::create(&body, resource, Tolerances::ALL).ok()?.resource;
        let members = resource::take_members(&mut made).ok()?;
        let secrets = resource::take_secrets(&mut made, resource);
        assert!(members.is_empty() && secrets.is_empty(), "{body}");
        let names = made.keys().cloned().collect();
        Some((Value::Object(made).to_string(), names))
    }

    /// Goes the short way, and where that says something the long one as well.
    fn both(body: &str, resource: &ResourceSchema) -> Option<String> {
        let quick = create(body.as_bytes(), resource, Tolerances::ALL)?;
        let names = quick.names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(Some((quick.text.clone(), names)), long(body, resource), "{body}");
        Some(quick.text)
    }

    #[test]
    fn what_clients_send_goes_the_short_way_and_the_rest_does_not() {
        let (user, group) =
            (ResourceSchema::for_resource("User").unwrap(), ResourceSchema::for_resource("Group").unwrap());
        for (more, is_short) in [
            (json!({}), true),
            (
                json!({"externalId": "1", "active": true, "emails": [{"type": "work", "value": "é@x", "primary": true}]}),
                true,
            ),
            (json!({"phoneNumbers": [{"type": "work", "value": "1"}, {"type": "fax", "value": "1"}]}), true),
            (
                json!({"addresses": [{"type": "work", "locality": "Zurich"}, {"type": "home", "locality": "Zurich"}]}),
                true,
            ),
            (json!({"name": {"givenName": "A", "familyName": "B"}, "emails": []}), true),
            (json!({ENTERPRISE_USER: {"department": "D", "manager": {"value": "7"}}}), true),
            (json!({"phoneNumbers": [{"type": "work", "value": "1"}, {"type": "Work", "value": "1"}]}), false),
            (json!({"phoneNumbers": [{"type": "work", "value": "1"}, {"value": "1"}]}), false),
            (json!({"emails": [{"type": "work", "primary": true}]}), false),
            (
                json!({"emails": [{"type": "a", "value": "1", "primary": true}, {"type": "b", "value": "1", "primary": true}]}),
                false,
            ),
            (json!({"title": ""}), false),
            (json!({"title": null}), false),
            (json!({"title": "a\"b"}), false),
            (json!({"Title": "a"}), false),
            (json!({"active": "True"}), false),
            (json!({"password": "secret"}), false),
            (json!({"id": "7", "meta": {"resourceType": "User", "x": [true, null]}, "groups": []}), true),
            (json!({ENTERPRISE_USER: {"manager": {"value": "7", "displayName": "M"}}}), true),
            (json!({"meta": 7}), false),
            (json!({ENTERPRISE_USER: {"manager": {"displayName": "M"}}}), false),
            (json!({"nothing": "7"}), false),
            (json!({"name": {}}), false),
            (json!({"name": {"givenname": "A"}}), false),
            (json!({ENTERPRISE_USER: {}}), false),
            (json!({"emails": "a@x"}), false),
            (json!({"x509Certificates": [{"value": "AAAA"}]}), false),
        ] {
            let mut body = json!({"schemas": [USER, ENTERPRISE_USER], "userName": "ada"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            for text in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
                assert_eq!(both(&text, &user).is_some(), is_short, "{text}");
            }
        }
        for body in [
            json!({"userName": "ada"}),
            json!({"schemas": [USER]}),
            json!({"schemas": [USER, "urn:x"], "userName": "ada"}),
            json!({"schemas": [ENTERPRISE_USER], "userName": "ada"}),
            json!([]),
        ] {
            assert_eq!(both(&body.to_string(), &user), None, "{body}");
        }
        let body = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"ada\"}}");
        for end in 0..body.len() {
            assert_eq!(both(&body[..end], &user), None);
        }
        for odd in
            [body.replace("\"userName\"", "\"userName\":\"bob\",\"userName\""), format!("{body} x"), format!("{body},")]
        {
            assert_eq!(both(&odd, &user), None, "{odd}");
        }
        let all = json!({"schemas": [GROUP], "displayName": "All", "externalId": "7"});
        assert_eq!(both(&all.to_string(), &group), Some(all.to_string()));
        let some = json!({"schemas": [GROUP], "displayName": "All", "members": [{"value": "7"}]});
        assert_eq!(both(&some.to_string(), &group), None);
    }

    fn any_text() -> impl Strategy<Value = Value> {
        prop_oneof![
            "[a-zA-Z@é ]{0,6}".prop_map(Value::from),
            Just(Value::Null),
            "[\\PC\\n\"]{0,3}".prop_map(Value::from)
        ]
    }

    fn any_element() -> impl Strategy<Value = Value> {
        let parts = (any_text(), proptest::option::of("work|Work|home|"), proptest::option::of(any::<bool>()));
        parts.prop_map(|(value, kind, primary)| {
            let mut element = Map::from_iter([("value".to_owned(), value)]);
            element.extend(kind.map(|kind| ("type".to_owned(), kind.into())));
            element.extend(primary.map(|primary| ("primary".to_owned(), primary.into())));
            Value::Object(element)
        })
    }

    proptest! {
        #[test]
        fn both_ways_make_the_same(
            texts in proptest::collection::vec(("userName|displayName|title|externalId|active|password|nickname", any_text()), 0..5),
            emails in proptest::collection::vec(any_element(), 0..4),
            name in proptest::collection::vec(("givenName|familyName|formatted|other", any_text()), 0..3),
            more in proptest::collection::vec(("department|costCenter|manager", any_text()), 0..3),
            order in any::<bool>(),
        ) {
            let user = ResourceSchema::for_resource("User").unwrap();
            let object = |fields: Vec<(String, Value)>| Value::Object(fields.into_iter().collect());
            let mut fields: Vec<(String, Value)> = vec![("userName".into(), "ada".into())];
            fields.extend(texts);
            fields.push(("emails".into(), emails.into()));
            fields.push(("name".into(), object(name)));
            fields.push((ENTERPRISE_USER.into(), object(more)));
            fields.push(("schemas".into(), json!([USER, ENTERPRISE_USER])));
            if order {
                fields.reverse();
            }
            let _ = both(&object(fields).to_string(), &user);
        }
    }
}
