//! Where the records of a sync come from: the directory of a source, or a file of JSON lines.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::SyncError;
use super::difference::at;
use super::settings::{KindSettings, ScopeSettings};
use crate::directory::{Directory, DirectoryRecord, Source};
use crate::mapping::Mapping;
use crate::store::Cursor;
use crate::target::{Kind, Object};

/// The largest file of records, in bytes; it is held in memory.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// The records of one kind.
pub(super) enum Records {
    /// Resources of a source.
    Directory(Directory, Arc<Source>, Kind),
    /// Lines of a file.
    File(Lines),
}

/// Records of a file, by key.
pub(super) struct Lines {
    lines: Vec<(String, String)>,
    places: HashMap<String, usize>,
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
fn named(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Records {
    /// Reads a file; its keys must be there and different.
    pub(super) fn file(path: &Path, settings: &KindSettings) -> Result<Self, SyncError> {
        let name = path.display();
        let failed = |error: std::io::Error| SyncError::Settings(format!("{name}: {error}"));
        if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(SyncError::Settings(format!("{name}: a file of records has at most {MAX_FILE} bytes")));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let key = settings.key.as_deref().unwrap_or("id");
        let (mut lines, mut places) = (Vec::new(), HashMap::new());
        for (number, line) in (1_usize..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |what: String| SyncError::Settings(format!("{name}: line {number}: {what}"));
            let record: Object =
                serde_json::from_str(line).map_err(|error| wrong(format!("no JSON object: {error}")))?;
            let Some(id) = named(&at(&record, key)) else {
                return Err(wrong(format!("the record has no {key:?}; `key` says which attribute names a record")));
            };
            if places.insert(id.clone(), lines.len()).is_some() {
                return Err(wrong(format!("there is another record with {key} {id:?}")));
            }
            lines.push((id, line.to_owned()));
        }
        Ok(Self::File(Lines { lines, places }))
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
            Self::File(Lines { lines, .. }) => {
                let from = if let Some(Place::Line(line)) = after { line } else { 0 };
                let page = lines.iter().skip(from).take(1_000);
                let records: Vec<Record> =
                    page.map(|(id, text)| Record { id: id.clone(), text: text.clone() }).collect();
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
            Self::File(Lines { lines, places }) => {
                let found = places.get(id).and_then(|place| lines.get(*place));
                Ok(found.map(|(id, text)| Record { id: id.clone(), text: text.clone() }))
            }
        }
    }

    /// The ids of a group's members among the records of the sync.
    pub(super) async fn members(&self, group: &str) -> Result<Vec<String>, SyncError> {
        match self {
            Self::Directory(directory, source, _) => {
                directory.member_ids(source, group).await.map_err(|error| SyncError::Directory(error.detail))
            }
            Self::File(Lines { lines, places }) => {
                let found = places.get(group).and_then(|place| lines.get(*place));
                let Some((_, text)) = found else { return Ok(Vec::new()) };
                let record: Object = serde_json::from_str(text).unwrap_or_default();
                let members = record.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
                let id = |member: &Value| match member {
                    Value::Object(fields) => named(fields.get("value")?),
                    member => named(member),
                };
                Ok(members.iter().filter_map(id).collect())
            }
        }
    }
}

impl Records {
    /// The ids of the groups that have this member; of the records of groups.
    pub(super) async fn groups_of(&self, member: &str) -> Result<Vec<String>, SyncError> {
        match self {
            Self::Directory(directory, source, _) => {
                directory.group_ids(source, member).await.map_err(|error| SyncError::Directory(error.detail))
            }
            Self::File(Lines { lines, .. }) => {
                let mut groups = Vec::new();
                for (id, _) in lines {
                    if self.members(id).await?.iter().any(|one| one == member) {
                        groups.push(id.clone());
                    }
                }
                Ok(groups)
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
