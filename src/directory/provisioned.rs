//! What a source has provisioned, for the people who look after it: its last request, its users and groups, and how the last
//! request about each of them ended.

use serde::Serialize;
use serde_json::{Map, Value};

use super::journal::{Line, outcome};
use super::log::{Note, Told, name, note_key};
use super::query::Question;
use super::render::time;
use super::source::Source;
use super::token::DAY;
use super::{Actor, Call, Directory, refused};
use crate::scim::compare::{field, fold};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::store::{Cursor, Page, Start, StoreError, Stored, Table};

/// Resources that are read at once.
const STEP: usize = 500;
/// Resources that one question looks at before it gives a short page.
const MAX_LOOKED: usize = 20_000;

/// How a source fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// How many users it has.
    pub users: u64,
    /// How many groups it has.
    pub groups: u64,
    /// Its last write; reading leaves no line.
    pub last: Option<Line>,
    /// Writes of the last 24 hours, counted by whole hours, that did not fail.
    pub succeeded: u64,
    /// Writes of the last 24 hours that were refused.
    pub failed: u64,
}

impl Overview {
    /// What is likely not as it was meant.
    pub fn hint(&self) -> Option<String> {
        (self.users > 0 && self.groups == 0).then(|| {
            format!(
                "{} and no group: if memberships are expected, see in the identity provider that groups are assigned and that its group mapping is on",
                if self.users == 1 { "1 user".to_owned() } else { format!("{} users", self.users) }
            )
        })
    }

    /// As the API gives it.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("lastRequest".into(), self.last.as_ref().map_or(Value::Null, Line::to_json));
        out.insert("last24Hours".into(), serde_json::json!({"success": self.succeeded, "failure": self.failed}));
        out.extend(self.hint().map(|hint| ("hint".to_owned(), hint.into())));
        Value::Object(out)
    }
}

/// Which of the users or groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Found in the id, the name, `displayName` or `externalId`, letter case aside.
    pub search: Option<String>,
    /// Only those whose last request failed.
    pub failed: bool,
    /// Go on after this.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// The last request about a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// When, in RFC 3339.
    pub time: String,
    /// `success` or `failure`.
    pub outcome: &'static str,
    /// What it was, when it changed nothing; the log tells the rest.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// The other end of a membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Relation {
    /// Its id.
    pub id: String,
    /// Its resource type; `null` when it is no resource.
    pub kind: Option<String>,
    /// `userName` of a user, `displayName` of a group.
    pub name: Option<String>,
}

/// A provisioned user or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The id that the server gave it.
    pub id: String,
    /// `userName` of a user, `displayName` of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Whether a user is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// When it was created, in RFC 3339.
    pub created: String,
    /// When it last changed, in RFC 3339.
    pub changed: String,
    /// How many members a group has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// The last request about it.
    pub last_request: LastRequest,
}

impl Directory {
    /// How a source fares; costs the same however long its log is.
    ///
    /// # Errors
    /// The store fails.
    pub async fn overview(&self, source: &str) -> Result<Overview, StoreError> {
        let activity = self.store.activity(source, self.now().saturating_sub(DAY)).await?;
        Ok(Overview {
            users: self.store.count(source, "User").await?,
            groups: self.store.count(source, "Group").await?,
            last: activity.last.map(Line::from),
            succeeded: activity.succeeded,
            failed: activity.failed,
        })
    }

    /// The users or groups of a source in the order of creation. A page may be shorter than asked for, even empty, although
    /// more follow: look at `next`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn provisioned(&self, source: &str, kind: &str, listing: &Listing) -> Result<Page<Entry>, StoreError> {
        let search = listing.search.as_deref().map(fold);
        let (mut items, mut looked) = (Vec::new(), 0);
        let mut after = listing.after.clone();
        let is_whole = search.is_none() && !listing.failed;
        let step = if is_whole { listing.limit.clamp(1, STEP) } else { STEP };
        loop {
            let page = self.store.list(source, kind, after.map_or(Start::Offset(0), Start::After), step).await?;
            looked += page.items.len();
            let last = page.items.len();
            for (place, stored) in page.items.into_iter().enumerate() {
                items.extend(self.entry(source, &stored, search.as_deref(), listing.failed).await?);
                if items.len() >= listing.limit {
                    let more = page.next.is_some() || place + 1 < last;
                    return Ok(Page { items, next: more.then(|| stored.cursor()) });
                }
            }
            if page.next.is_none() || looked >= MAX_LOOKED {
                return Ok(Page { items, next: page.next });
            }
            after = page.next;
        }
    }

    /// As [`Directory::provisioned`], of those for which a SCIM filter holds as well; an index answers where there is one.
    ///
    /// # Errors
    /// The filter cannot be read, or asks for too much; the store fails.
    pub async fn provisioned_where(
        &self,
        source: &Source,
        kind: &ResourceType,
        filter: &str,
        listing: &Listing,
    ) -> Result<Page<Entry>, ScimError> {
        let actor = Actor::default();
        let question = Question::read(filter, kind, source.tolerances)?;
        let mut found = self.matching(&Call::inside(source, &actor), kind, Some(&question)).await?;
        found.sort_by_key(|stored| stored.number);
        let search = listing.search.as_deref().map(fold);
        let after = listing.after.as_ref().map(|after| after.as_bytes().to_vec());
        let (mut items, mut last): (Vec<Entry>, Option<Cursor>) = (Vec::new(), None);
        for stored in found {
            let cursor = stored.cursor();
            // Cursors are numbers with the highest byte first, and compare like them.
            if after.as_deref().is_some_and(|after| cursor.as_bytes() <= after) {
                continue;
            }
            let entry = self.entry(&source.slug, &stored, search.as_deref(), listing.failed).await;
            let Some(entry) = entry.map_err(|error| refused(error, kind))? else { continue };
            if items.len() >= listing.limit {
                return Ok(Page { items, next: last });
            }
            items.push(entry);
            last = Some(cursor);
        }
        Ok(Page { items, next: None })
    }

    /// One user or group; `None` when the source has none of that kind and id.
    ///
    /// # Errors
    /// The store fails.
    pub async fn provisioned_one(&self, source: &str, kind: &str, id: &str) -> Result<Option<Entry>, StoreError> {
        match self.store.get(source, id).await?.filter(|stored| stored.kind == kind) {
            Some(stored) => self.entry(source, &stored, None, false).await,
            None => Ok(None),
        }
    }

    /// The groups that a user or group is in, by id and name.
    ///
    /// # Errors
    /// The store fails.
    pub async fn memberships(
        &self,
        source: &str,
        id: &str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Relation>, StoreError> {
        let page = self.store.groups(source, id, after, limit).await?;
        Ok(Page { items: self.named(source, page.items).await?, next: page.next })
    }

    /// The members of a group, by id and name; one that is no resource has no name.
    ///
    /// # Errors
    /// The store fails.
    pub async fn members_of(
        &self,
        source: &str,
        group: &str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Relation>, StoreError> {
        let page = self.store.members(source, group, after, limit).await?;
        let ids = page.items.into_iter().map(|member| member.id).collect();
        Ok(Page { items: self.named(source, ids).await?, next: page.next })
    }

    /// Resources by their ids, with what people call them.
    async fn named(&self, source: &str, ids: Vec<String>) -> Result<Vec<Relation>, StoreError> {
        let stored = self.store.get_many(source, &ids).await?;
        let relation = |(id, stored): (String, Option<Stored>)| {
            let fields = |stored: &Stored| serde_json::from_slice(&stored.body).unwrap_or_default();
            let name = stored.as_ref().and_then(|stored| name(&stored.kind, &fields(stored)));
            Relation { id, kind: stored.map(|stored| stored.kind), name }
        };
        Ok(ids.into_iter().zip(stored).map(relation).collect())
    }

    /// A resource as an entry, when it is one of those asked for.
    async fn entry(
        &self,
        source: &str,
        stored: &Stored,
        search: Option<&str>,
        failed: bool,
    ) -> Result<Option<Entry>, StoreError> {
        // One that is damaged is shown by its id; `store verify` says more.
        let resource: Map<String, Value> = serde_json::from_slice(&stored.body).unwrap_or_default();
        let text = |name: &str| field(&resource, name).and_then(Value::as_str).map(str::to_owned);
        let found = |wanted: &str| {
            let texts = [text("userName"), text("displayName"), text("externalId"), Some(stored.id.clone())];
            texts.into_iter().flatten().any(|text| fold(&text).contains(wanted))
        };
        if search.is_some_and(|wanted| !found(wanted)) {
            return Ok(None);
        }
        let note = self.store.record(Table::Requests, &note_key(source, &stored.id)).await?;
        let note = note.and_then(|note| serde_json::from_slice::<Note>(&note).ok());
        let note = note.filter(|note| note.at >= stored.modified);
        if failed && !note.as_ref().is_some_and(|note| note.failed) {
            return Ok(None);
        }
        let (at, has_failed) = note.as_ref().map_or((stored.modified, false), |note| (note.at, note.failed));
        let told = note.map(|note| Told { name: None, resource: None, ..note.told });
        let is_group = stored.kind == "Group";
        Ok(Some(Entry {
            id: stored.id.clone(),
            name: name(&stored.kind, &resource),
            external_id: text("externalId"),
            active: if is_group { None } else { field(&resource, "active").and_then(Value::as_bool) },
            created: time(stored.created),
            changed: time(stored.modified),
            members: is_group.then_some(stored.members),
            last_request: LastRequest { time: time(at), outcome: outcome(has_failed), told },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_without_groups_are_pointed_out() {
        let overview = Overview { users: 2, groups: 0, last: None, succeeded: 0, failed: 0 };
        assert!(overview.hint().is_some_and(|hint| hint.starts_with("2 users and no group")));
        assert_eq!(Overview { groups: 1, ..overview.clone() }.hint(), None);
        assert_eq!(Overview { users: 0, ..overview }.hint(), None);
    }
}
