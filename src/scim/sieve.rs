//! [`Projection::sieved`]: of a stored resource only what an answer may have is made into values; the rest is walked past.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::project::Projection;
use super::schema::ResourceSchema;

/// Reads an object without what is not shown.
struct Sieve<'p> {
    projection: &'p Projection,
    resource: &'p ResourceSchema,
}

impl Projection {
    /// The fields of a stored resource of which an answer may have something: [`Projection::apply`] makes the same of them as of all.
    ///
    /// # Errors
    /// The text is no JSON object.
    pub fn sieved(&self, stored: &[u8], resource: &ResourceSchema) -> serde_json::Result<Map<String, Value>> {
        let mut text = serde_json::Deserializer::from_slice(stored);
        let fields = Sieve { projection: self, resource }.deserialize(&mut text)?;
        text.end()?;
        Ok(fields)
    }
}

impl<'de> DeserializeSeed<'de> for Sieve<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Sieve<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.projection.may_show(&key, self.resource) {
                let value = map.next_value()?;
                fields.insert(key, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::peer::Tolerances;
    use crate::scim::schema::ENTERPRISE_USER;

    #[test]
    fn what_is_walked_past_is_what_is_not_shown() {
        let resource = ResourceSchema::for_resource("User").unwrap();
        let stored = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_USER], "userName": "a",
            "externalId": "1", "name": {"givenName": "b", "familyName": "c"}, "emails": [{"value": "d", "type": "work"}],
            "password": "e", "made-up": {"x": 1}, "title": null, "active": true,
            ENTERPRISE_USER: {"department": "f", "manager": {"value": "g"}, "made-up": 1}});
        let all = stored.as_object().unwrap();
        let deeper = format!("{ENTERPRISE_USER}:department");
        let names =
            ["", "userName", "name.givenName,emails", "id", "made-up", ENTERPRISE_USER, &deeper, "externalId,password"];
        let mut fewer = 0;
        for only in [None].into_iter().chain(names.map(Some)) {
            for except in [None].into_iter().chain(names.map(Some)) {
                let projection = Projection::parse(only, except, &resource, Tolerances::default()).unwrap();
                let sieved = projection.sieved(stored.to_string().as_bytes(), &resource).unwrap();
                assert_eq!(
                    projection.apply(&sieved, &resource),
                    projection.apply(all, &resource),
                    "{only:?} {except:?}"
                );
                fewer += usize::from(sieved.len() < all.len());
            }
        }
        assert!(fewer > names.len() * names.len() / 2, "{fewer}");
        let default = Projection::DEFAULT;
        for broken in ["", "[]", "{\"a\":1", "{\"password\":tru}", "{} {}"] {
            assert!(default.sieved(broken.as_bytes(), &resource).is_err(), "{broken}");
        }
    }
}
