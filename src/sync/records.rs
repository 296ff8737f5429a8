//! Where the records of a sync come from: the directory of a source, or a file of JSON lines (`lines`) or of CSV (`sheet`).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::SyncError;
use super::difference::at;
use super::lines::Lines;
use super::settings::{KindSettings, ScopeSettings};
use super::sheet::Sheet;
use crate::directory::{Directory, DirectoryRecord, Source};
use crate::mapping::Mapping;
use crate::store::Cursor;
use crate::target::{Kind, Object};
use crate::value::Layout;
use crate::value::rows::missing;

/// The records of one kind.
pub(super) enum Records {
    /// Resources of a source.
    Directory(Directory, Arc<Source>, Kind),
    /// Lines of a file.
    File(Box<Lines>),
    /// Rows of a file.
    Sheet(Sheet),
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

/// The name of a record: a text or a number, in the key and wherever another record says it.
pub(super) fn named(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Records {
    /// Reads a file; its keys must be there and different. What the mapping reads and a CSV file has no column for is a warning.
    pub(super) fn file(
        path: &Path,
        settings: &KindSettings,
        layout: &Layout,
        warnings: &mut Vec<String>,
    ) -> Result<Self, SyncError> {
        let key = settings.key.as_deref().unwrap_or("id");
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return Lines::read(path, key).map(|lines| Self::File(Box::new(lines)));
        }
        let sheet = Sheet::read(path, key)?;
        warnings.extend(missing(&sheet.columns, layout).map(|what| format!("{}: {what}", path.display())));
        Ok(Self::Sheet(sheet))
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
            Self::File(_) | Self::Sheet(_) => {
                let from = if let Some(Place::Line(line)) = after { line } else { 0 };
                let (records, all) = self.page_of_file(from)?;
                let end = from + records.len();
                Ok((records, (end < all).then_some(Place::Line(end))))
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
            Self::File(_) | Self::Sheet(_) => self.of_file(id),
        }
    }

    /// A record of a file; `None` of a directory.
    fn of_file(&self, id: &str) -> Result<Option<Record>, SyncError> {
        match self {
            Self::Directory(..) => Ok(None),
            Self::File(lines) => lines.one(id),
            Self::Sheet(sheet) => Ok(sheet.one(id)),
        }
    }

    /// Records of a file from a place on, and how many there are in all; none of a directory.
    fn page_of_file(&self, from: usize) -> Result<(Vec<Record>, usize), SyncError> {
        Ok(match self {
            Self::Directory(..) => (Vec::new(), 0),
            Self::File(lines) => (lines.page(from)?, lines.len()),
            Self::Sheet(sheet) => (sheet.page(from), sheet.len()),
        })
    }

    /// Whether they are the same as long as a run goes on.
    pub(super) fn are_fixed(&self) -> bool {
        !matches!(self, Self::Directory(..))
    }

    /// How many there are.
    pub(super) async fn count(&self) -> Result<u64, SyncError> {
        match self {
            Self::Directory(directory, source, kind) => Ok(directory.store().count(&source.slug, kind.word()).await?),
            Self::File(_) | Self::Sheet(_) => Ok(self.page_of_file(usize::MAX)?.1 as u64),
        }
    }

    /// The groups that have one of these members, in the order of their ids.
    pub(super) async fn groups_with(&self, members: &HashSet<String>) -> Result<Vec<String>, SyncError> {
        let mut groups = std::collections::BTreeSet::new();
        match self {
            Self::Directory(directory, source, _) => {
                for member in members {
                    let of = directory.group_ids(source, member).await;
                    groups.extend(of.map_err(|error| SyncError::Directory(error.detail))?);
                }
            }
            Self::File(_) | Self::Sheet(_) if members.is_empty() => {}
            Self::File(_) | Self::Sheet(_) => {
                let mut from = 0;
                loop {
                    let (records, _) = self.page_of_file(from)?;
                    if records.is_empty() {
                        break;
                    }
                    from += records.len();
                    for Record { id, .. } in records {
                        if self.members(&id).await?.iter().any(|member| members.contains(member)) {
                            groups.insert(id);
                        }
                    }
                }
            }
        }
        Ok(groups.into_iter().collect())
    }

    /// The ids of a group's members among the records of the sync.
    pub(super) async fn members(&self, group: &str) -> Result<Vec<String>, SyncError> {
        match self {
            Self::Directory(directory, source, _) => {
                directory.member_ids(source, group).await.map_err(|error| SyncError::Directory(error.detail))
            }
            Self::File(_) | Self::Sheet(_) => {
                let Some(Record { text, .. }) = self.of_file(group)? else { return Ok(Vec::new()) };
                let record: Object = serde_json::from_str(&text).unwrap_or_default();
                let members = match record.get("members") {
                    Some(Value::Array(members)) => members.clone(),
                    // CSV has no lists.
                    Some(Value::String(text)) => {
                        text.split(';').map(str::trim).filter(|id| !id.is_empty()).map(Value::from).collect()
                    }
                    _ => Vec::new(),
                };
                let id = |member: &Value| match member {
                    Value::Object(fields) => named(fields.get("value")?),
                    member => named(member),
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
