//! Where the records of a sync come from: the directory of a source, or a file of JSON lines (`lines`).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::SyncError;
use super::difference::at;
use super::lines::Lines;
use super::settings::{KindSettings, ScopeSettings};
use crate::directory::{Directory, DirectoryRecord, Source};
use crate::mapping::Mapping;
use crate::store::Cursor;
use crate::target::{Kind, Object};

/// The records of one kind.
pub(super) enum Records {
    /// Resources of a source.
    Directory(Directory, Arc<Source>, Kind),
    /// Lines of a file.
    File(Lines),
}

/// A record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: String,
    /// The JSON object.
    pub(super) text: String,
}

/// Where a page of records ended.
pub(super) enum Place {
    Cursor(Cursor),
    Line(usize),
}

impl Records {
    /// Reads a file; its keys must be there and different.
    pub(super) fn file(path: &Path, settings: &KindSettings) -> Result<Self, SyncError> {
        Lines::read(path, settings.key.as_deref().unwrap_or("id")).map(Self::File)
    }

    /// A page of records.
    pub(super) async fn page(
        &self,
        mapping: &Mapping,
        after: Option<Place>,
    ) -> Result<(Vec<Record>, Option<Place>), SyncError> {
        match self {
            Self::Directory(directory, source, kind) => {
                let after = match after {
                    Some(Place::Cursor(cursor)) => Some(cursor),
                    _ => None,
                };
                let (entries, next) = directory
                    .entries(source, kind.word(), after, &|name| mapping.reads(name))
                    .await
                    .map_err(|error| SyncError::Directory(error.detail))?;
                Ok((entries.into_iter().map(Record::from).collect(), next.map(Place::Cursor)))
            }
            Self::File(lines) => {
                let from = if let Some(Place::Line(line)) = after { line } else { 0 };
                let records = lines.page(from)?;
                let end = from + records.len();
                Ok((records, (end < lines.len()).then_some(Place::Line(end))))
            }
        }
    }

    /// One record; `None` when it is gone.
    pub(super) async fn one(&self, mapping: &Mapping, id: &str) -> Result<Option<Record>, SyncError> {
        match self {
            Self::Directory(directory, source, kind) => {
                let found = directory.entry_of(source, kind.word(), id, &|name| mapping.reads(name)).await;
                Ok(found.map_err(|error| SyncError::Directory(error.detail))?.map(Record::from))
            }
            Self::File(lines) => lines.one(id),
        }
    }

    /// The ids of a group's members among the records of the sync.
    pub(super) async fn members(&self, group: &str) -> Result<Vec<String>, SyncError> {
        match self {
            Self::Directory(directory, source, _) => {
                directory.member_ids(source, group).await.map_err(|error| SyncError::Directory(error.detail))
            }
            Self::File(lines) => {
                let Some(Record { text, .. }) = lines.one(group)? else { return Ok(Vec::new()) };
                let record: Object = serde_json::from_str(&text).unwrap_or_default();
                let members = record.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
                let id = |member: &Value| match member {
                    Value::String(id) => Some(id.clone()),
                    Value::Object(fields) => fields.get("value")?.as_str().map(str::to_owned),
                    _ => None,
                };
                Ok(members.iter().filter_map(id).collect())
            }
        }
    }
}

impl From<DirectoryRecord> for Record {
    fn from(entry: DirectoryRecord) -> Self {
        Self { id: entry.id, text: Value::Object(entry.record).to_string() }
    }
}

/// Who is in scope beside the mapping's filters.
pub(super) struct Scope {
    /// The members of the group, when only these are pushed on.
    members: Option<HashSet<String>>,
    settings: ScopeSettings,
}

impl Scope {
    /// Finds the group that the settings name.
    pub(super) async fn of(settings: &ScopeSettings, groups: Option<(&Directory, &Source)>) -> Result<Self, SyncError> {
        let members = match (&settings.group, groups) {
            (None, _) => None,
            (Some(name), None) => {
                return Err(SyncError::Settings(format!(
                    "`group` {name:?} under scope needs a source: files have none"
                )));
            }
            (Some(name), Some((directory, source))) => {
                let id = group_of(directory, source, name).await?;
                let ids = directory.member_ids(source, &id).await;
                Some(ids.map_err(|error| SyncError::Directory(error.detail))?.into_iter().collect())
            }
        };
        Ok(Self { members, settings: settings.clone() })
    }

    /// Whether a user is in scope.
    pub(super) fn takes(&self, record: &Record) -> bool {
        if self.members.as_ref().is_some_and(|members| !members.contains(&record.id)) {
            return false;
        }
        let Some(service) = &self.settings.service_accounts else { return true };
        let fields: Object = serde_json::from_str(&record.text).unwrap_or_default();
        let value = match at(&fields, &service.attribute) {
            Value::String(text) => text,
            Value::Null => return true,
            other => other.to_string(),
        };
        !service.values.iter().any(|known| known.eq_ignore_ascii_case(&value))
    }
}

pub(super) async fn group_of(directory: &Directory, source: &Source, name: &str) -> Result<String, SyncError> {
    let reads = |_: &str| false;
    let failed = |error: crate::scim::error::ScimError| SyncError::Directory(error.detail);
    if directory.entry_of(source, "Group", name, &reads).await.map_err(failed)?.is_some() {
        return Ok(name.to_owned());
    }
    let mut after = None;
    loop {
        let (groups, next) = directory.entries(source, "Group", after, &reads).await.map_err(failed)?;
        let named = |group: &&DirectoryRecord| {
            group
                .record
                .get("displayName")
                .and_then(Value::as_str)
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        if let Some(group) = groups.iter().find(named) {
            return Ok(group.id.clone());
        }
        after = next;
        if after.is_none() {
            // To push on nobody because a name is mistyped would look as if everybody had gone.
            return Err(SyncError::Settings(format!("`group` under scope: the source has no group {name:?}")));
        }
    }
}
