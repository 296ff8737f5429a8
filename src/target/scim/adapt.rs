//! What a service can: its description of itself (RFC 7643, section 5; RFC 9865), its schemas, and over both the profile.
//! Services that describe nothing get what nearly all have: PATCH and filters, and no bulk.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Kind;
use super::profile::{Profile, Removal};
use crate::target::Object;
use crate::target::attribute::field;

/// The objects of a page when nobody says less.
const PAGE: usize = 200;
/// The members of a request when nobody says less. Every service that tells a limit takes this many.
const MEMBERS: usize = 100;
/// The operations of a bulk request, however many more the service takes: one that fails as a whole is done again.
const BULK: usize = 100;
/// The bytes of a bulk request when the service does not say.
const BULK_BYTES: usize = 1 << 20;
/// The calls under way at once when nobody says otherwise.
const CONCURRENT: usize = 4;

/// What a service can.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a service says of itself")]
pub(super) struct Service {
    /// Whether it has PATCH; otherwise PUT.
    pub(super) patch: bool,
    /// The operations and bytes of a bulk request.
    pub(super) bulk: Option<(usize, usize)>,
    /// Whether it filters.
    pub(super) filter: bool,
    /// The only attributes that filters may name.
    filters: Option<Vec<String>>,
    /// Attributes that it would not filter by.
    unfiltered: BTreeSet<String>,
    /// The objects of a page.
    pub(super) page: usize,
    /// Whether lists go on by cursor.
    pub(super) cursor: bool,
    /// The members of one request.
    pub(super) members: usize,
    /// Whether a group that is read has its members.
    pub(super) shows_members: bool,
    /// How members leave.
    pub(super) removal: Removal,
    /// The calls under way at once.
    pub(super) concurrent: usize,
    /// Attributes whose letter case counts, of those where it usually does not.
    exact: BTreeSet<(Kind, String)>,
}

/// A boolean, also as text, which some services write.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is) => Some(*is),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

impl Service {
    /// What a service is taken for of which no more is known than its profile.
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            patch: profile.patch.unwrap_or(true),
            bulk: None,
            filter: profile.filter.unwrap_or(true),
            filters: profile.filters.clone(),
            unfiltered: BTreeSet::new(),
            page: profile.page.unwrap_or(PAGE).max(1),
            cursor: profile.cursor.unwrap_or(false),
            members: profile.members.unwrap_or(MEMBERS).max(1),
            shows_members: profile.shows_members.unwrap_or(true),
            removal: profile.remove.unwrap_or_default(),
            concurrent: profile.concurrent.unwrap_or(CONCURRENT).max(1),
            exact: BTreeSet::new(),
        }
    }

    /// Takes in the service's description; the profile knows better.
    pub(super) fn describe(&mut self, config: &Object, profile: &Profile) {
        let part = |name: &str| field(config, name).and_then(Value::as_object);
        let says = |name: &str, key: &str| truth(field(part(name)?, key)?);
        let number = |name: &str, key: &str| {
            let number = field(part(name)?, key)?.as_u64()?;
            usize::try_from(number).ok().filter(|number| *number > 0)
        };
        self.patch = profile.patch.or_else(|| says("patch", "supported")).unwrap_or(self.patch);
        self.filter = profile.filter.or_else(|| says("filter", "supported")).unwrap_or(self.filter);
        self.cursor = profile.cursor.or_else(|| says("pagination", "cursor")).unwrap_or(self.cursor);
        let most = [number("filter", "maxResults"), number("pagination", "maxPageSize")];
        self.page = most.into_iter().flatten().fold(self.page, usize::min);
        if profile.bulk.or_else(|| says("bulk", "supported")).unwrap_or(false) {
            let operations = number("bulk", "maxOperations").unwrap_or(BULK).min(BULK);
            let bytes = number("bulk", "maxPayloadSize").unwrap_or(BULK_BYTES);
            // A bulk request of one operation is one request with more around it.
            self.bulk = (operations > 1).then_some((operations, bytes));
        }
    }

    /// Takes in the service's schemas: whether letter case counts in the attributes that people are found by.
    pub(super) fn learn(&mut self, schemas: &[Value]) {
        for schema in schemas.iter().filter_map(Value::as_object) {
            let id = field(schema, "id").and_then(Value::as_str).unwrap_or_default();
            let kind = match id.rsplit(':').next() {
                Some("User") if id.contains(":core:") => Kind::User,
                Some("Group") if id.contains(":core:") => Kind::Group,
                _ => continue,
            };
            self.learn_attributes(kind, field(schema, "attributes"), "");
        }
    }

    fn learn_attributes(&mut self, kind: Kind, attributes: Option<&Value>, above: &str) {
        for attribute in attributes.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            let name = field(attribute, "name").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
            let name = format!("{above}{name}");
            if field(attribute, "caseExact").and_then(truth) == Some(true) {
                self.exact.insert((kind, name.clone()));
            }
            if above.is_empty() {
                self.learn_attributes(kind, field(attribute, "subAttributes"), &format!("{name}."));
            }
        }
    }

    /// Whether letter case is all one in this attribute: in names and addresses, unless the schema says that it counts.
    pub(super) fn folds(&self, kind: Kind, path: &str) -> bool {
        let name = plain(path);
        matches!(name.as_str(), "username" | "displayname" | "emails.value") && !self.exact.contains(&(kind, name))
    }

    /// Whether a filter may name this attribute.
    pub(super) fn filters_by(&self, path: &str) -> bool {
        let may = |names: &Vec<String>| names.iter().any(|name| plain(name) == plain(path));
        self.filter && self.filters.as_ref().is_none_or(may) && !self.unfiltered.contains(path)
    }

    /// That the service has refused a filter by this attribute.
    pub(super) fn forget_filter(&mut self, path: &str) {
        self.unfiltered.insert(path.to_owned());
    }
}

/// A path without URN of the core, brackets and letter case: `emails[type eq "work"].value` is `emails.value`.
fn plain(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    let path = match path.strip_prefix("urn:ietf:params:scim:schemas:core:2.0:") {
        Some(rest) => rest.split_once(':').map_or(rest, |(_, name)| name),
        None => &path,
    };
    match (path.find('['), path.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            let parts = (path.get(..open), path.get(close + 1..));
            format!("{}{}", parts.0.unwrap_or_default(), parts.1.unwrap_or_default())
        }
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::target::scim::profile::named;

    fn service(profile: &str, config: &Value) -> Service {
        let profile = named(Some(profile)).unwrap();
        let mut service = Service::of(&profile);
        service.describe(config.as_object().unwrap(), &profile);
        service
    }

    #[test]
    fn a_profile_knows_better_than_the_service() {
        let config = json!({"PATCH": {"supported": "False"}, "bulk": {"supported": true, "maxOperations": 7, "maxPayloadSize": 9},
            "filter": {"supported": false, "maxResults": 50}, "pagination": {"cursor": true, "maxPageSize": 40}});
        let plain = service("default", &config);
        assert_eq!(
            (plain.patch, plain.bulk, plain.filter, plain.page, plain.cursor),
            (false, Some((7, 9)), false, 40, true)
        );
        let aws = service("aws", &config);
        assert_eq!((aws.bulk, aws.filter, aws.page, aws.shows_members, aws.members), (None, true, 40, false, 100));
        assert!(
            aws.filters_by("urn:ietf:params:scim:schemas:core:2.0:User:userName") && !aws.filters_by("emails.value")
        );
        assert_eq!(service("default", &json!({"bulk": {"supported": true, "maxOperations": 1}})).bulk, None);
    }

    #[test]
    fn letter_case_counts_where_the_schema_says_so() {
        let mut service = service("default", &json!({}));
        assert!(service.folds(Kind::User, "userName") && service.folds(Kind::User, "emails[type eq \"work\"].value"));
        assert!(!service.folds(Kind::User, "externalId"));
        let user = json!({"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [{"name": "userName", "caseExact": true},
            {"name": "emails", "subAttributes": [{"name": "value", "caseExact": true}]}]});
        service.learn(&[user]);
        assert!(!service.folds(Kind::User, "userName") && !service.folds(Kind::User, "emails[type eq \"work\"].value"));
        assert!(service.folds(Kind::Group, "displayName"));
    }
}
