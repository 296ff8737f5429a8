//! A source's directory as records of a sync: resources with their memberships, and the outbox as what changed.

use serde_json::{Map, Value};

use super::inbound::name_groups;
use super::{Actor, Call, Directory, Source, fields, refused};
use crate::scim::error::ScimError;
use crate::store::{Cursor, Start, Stored};

/// How many resources a page has.
const PAGE: usize = 500;

/// A resource as a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What a mapping reads.
    pub record: Map<String, Value>,
}

/// What an entry of the outbox says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry's number.
    pub number: u64,
    /// Of which kind the resource is.
    pub kind: String,
    /// Which.
    pub id: String,
    /// Members that came or went, when they are few; some may have before.
    pub members: Vec<String>,
}

impl Directory {
    /// A page of a source's resources, in the order in which they were made. `reads`: whether the mapping reads an attribute;
    /// memberships are looked up only then.
    ///
    /// # Errors
    /// The store fails.
    pub async fn entries(
        &self,
        source: &Source,
        kind: &str,
        after: Option<Cursor>,
        reads: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<(Vec<Entry>, Option<Cursor>), ScimError> {
        let Some(of) = source.named(kind) else { return Ok((Vec::new(), None)) };
        let start = after.map_or(Start::Offset(0), Start::After);
        let page = self.store.list(&source.slug, kind, start, PAGE).await.map_err(|error| refused(error, of))?;
        let mut entries = Vec::with_capacity(page.items.len());
        for stored in &page.items {
            entries.push(self.record_of(source, stored, reads).await?);
        }
        Ok((entries, page.next))
    }

    /// One resource as a record; `None` when it is not there.
    ///
    /// # Errors
    /// The store fails.
    pub async fn entry_of(
        &self,
        source: &Source,
        kind: &str,
        id: &str,
        reads: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<Option<Entry>, ScimError> {
        let Some(of) = source.named(kind) else { return Ok(None) };
        let actor = Actor::default();
        match self.kept(&Call::inside(source, &actor), of, id).await? {
            Some(stored) => self.record_of(source, &stored, reads).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn record_of(
        &self,
        source: &Source,
        stored: &Stored,
        reads: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<Entry, ScimError> {
        let mut record = fields(&stored.body)?;
        record.insert("id".into(), stored.id.as_str().into());
        if let Some(kind) = source.named(&stored.kind) {
            let actor = Actor::default();
            self.add_relations(&Call::inside(source, &actor), kind, stored, &mut record, reads).await?;
            name_groups(&mut record);
        }
        Ok(Entry { id: stored.id.clone(), record })
    }

    /// The ids of a group's members.
    ///
    /// # Errors
    /// The store fails.
    pub async fn member_ids(&self, source: &Source, group: &str) -> Result<Vec<String>, ScimError> {
        let Some(of) = source.named("Group") else { return Ok(Vec::new()) };
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page =
                self.store.members(&source.slug, group, after, PAGE).await.map_err(|error| refused(error, of))?;
            ids.extend(page.items.into_iter().map(|member| member.id));
            after = page.next;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }

    /// The ids of the groups that have this member.
    ///
    /// # Errors
    /// The store fails.
    pub async fn group_ids(&self, source: &Source, member: &str) -> Result<Vec<String>, ScimError> {
        let Some(of) = source.named("Group") else { return Ok(Vec::new()) };
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page =
                self.store.groups(&source.slug, member, after, PAGE).await.map_err(|error| refused(error, of))?;
            ids.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }

    /// Changes from an outbox number on, of one source, and the number after the last one looked at.
    ///
    /// # Errors
    /// The store fails.
    pub async fn changes(
        &self,
        source: &str,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Change>, u64), crate::store::StoreError> {
        let entries = self.store.outbox(from, limit).await?;
        let next = entries.last().map_or(from, |entry| entry.number + 1);
        let changes = entries.into_iter().filter(|entry| entry.source == source).filter_map(|entry| {
            let body: Value = serde_json::from_slice(&entry.body).ok()?;
            let text = |name: &str| body.get(name)?.as_str().map(str::to_owned);
            let members = body.get("members").and_then(Value::as_array).into_iter().flatten();
            let members = members.filter_map(Value::as_str).map(str::to_owned).collect();
            Some(Change { number: entry.number, kind: text("kind")?, id: text("id")?, members })
        });
        Ok((changes.collect(), next))
    }
}
