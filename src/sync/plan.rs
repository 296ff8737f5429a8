//! [`Plan`]: what a run would do, decided before anything is written: for every record and every object of the target an
//! action with its differences, or nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::difference::WRITE_ONLY;
use super::mark::Next;
use super::objects::Left;
use crate::target::{Difference, Kind};

/// What is to be done with one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Of which kind.
    pub kind: Kind,
    /// What.
    pub verb: Verb,
    /// The record.
    pub record: String,
    /// The object in the target; `None` for one that is to be made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// What people call it.
    pub name: String,
    /// Attributes that get other values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<Difference>,
    /// Members that come, by record.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub add: Vec<String>,
    /// Members that go, by their id in the target.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remove: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What is done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It is made.
    Create,
    /// It was there and is gone; it is made again.
    Recreate,
    /// One that is there is taken for the record's, and brought up to date.
    Link,
    /// It is brought up to date.
    Update,
    /// Its manager is named, by record.
    Manager,
    /// Members come or go.
    Members,
    /// It is shut, and stays.
    Disable,
    /// It is removed.
    Delete,
    /// It is left alone from now on.
    Unlink,
}

impl Verb {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Recreate => "recreate",
            Self::Link => "link",
            Self::Update => "update",
            Self::Manager => "manager",
            Self::Members => "members",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Unlink => "unlink",
        }
    }

    /// Whether somebody loses by it.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::Disable | Self::Delete)
    }
}

/// What a run would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The sync.
    pub sync: String,
    /// Digests of the mappings, by kind.
    pub mappings: BTreeMap<String, String>,
    /// The actions, users first.
    pub actions: Vec<Action>,
    /// Records that are left out, with the reason; at most the first thousand.
    pub skipped: Vec<Skipped>,
    /// Records for which several objects were found, and which are linked to none.
    pub ambiguous: Vec<Skipped>,
    /// How many of each.
    pub counts: PlanCounts,
    /// The managers that the target shows, by the record of whose they are, where it is not the one that was sent.
    #[serde(skip)]
    pub(super) managers: HashMap<String, Option<String>>,
    /// Whether the target shows managers at all.
    #[serde(skip)]
    pub(super) shows_managers: bool,
    /// Objects that are as they are to be, which is not known of them yet.
    #[serde(skip)]
    pub(super) settled: Vec<Settled>,
    /// Where the lists of changes go on when all of the plan is done.
    #[serde(skip)]
    pub(super) links: HashMap<Kind, Next>,
    /// The groups that a list of changes has named, where one names those whose members changed.
    #[serde(skip)]
    pub(super) regrouped: Option<HashSet<String>>,
    /// Kinds of which something stays undecided, that the next run must find again.
    #[serde(skip)]
    pub(super) undecided: HashSet<Kind>,
    /// Linked records whose objects are protected.
    #[serde(skip)]
    pub(super) protected: HashSet<(Kind, String)>,
    /// What is odd about the records, and stops nothing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// Records that are newly left out.
    #[serde(skip)]
    pub(super) left: Vec<Left>,
    /// Attributes whose values are not shown, by kind.
    #[serde(skip)]
    pub(super) secret: HashSet<(Kind, String)>,
}

/// What was seen of an object that is as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settled {
    pub(super) kind: Kind,
    pub(super) record: String,
    /// Whether nothing more is to be done with it but for its references.
    pub(super) is_fine: bool,
    /// The digest of the payload that it is like.
    pub(super) sent: Option<String>,
    /// Its manager.
    pub(super) manager: Option<String>,
    /// A digest of its members, of a group that has those it is to have.
    pub(super) gathered: Option<String>,
}

/// A record that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Skipped {
    /// Of which kind.
    pub kind: Kind,
    /// The record.
    pub record: String,
    /// Why.
    pub reason: String,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanCounts {
    /// Records.
    pub records: u64,
    /// Records that no filter takes.
    pub out_of_scope: u64,
    /// Records that lack something, or that a script skips.
    pub skipped: u64,
    /// Records for which several objects were found.
    pub ambiguous: u64,
    /// Objects that are as they are to be.
    pub unchanged: u64,
    /// Objects of the target.
    pub objects: u64,
    /// Linked objects.
    pub linked: u64,
    /// Objects that would be taken away because there is not one record of their kind.
    #[serde(default)]
    pub without_records: u64,
}

impl Plan {
    /// How many objects it takes away.
    pub fn taken(&self) -> u64 {
        self.actions.iter().filter(|action| action.verb.takes_away()).count() as u64
    }

    /// Whether the object of a record is not to be touched.
    pub(super) fn is_protected(&self, kind: Kind, record: &str) -> bool {
        !self.protected.is_empty() && self.protected.contains(&(kind, record.to_owned()))
    }

    /// Whether several objects were found just now for a record.
    pub(super) fn is_ambiguous(&self, kind: Kind, record: &str) -> bool {
        self.ambiguous.last().is_some_and(|one| one.kind == kind && one.record == record)
    }

    /// Whether an object is to be linked.
    pub(super) fn takes(&self, id: &str) -> bool {
        self.actions.iter().any(|action| action.verb == Verb::Link && action.target.as_deref() == Some(id))
    }

    /// It as it may be shown and kept in files: secret values are `[redacted]`.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        for action in &mut shown.actions {
            for change in &mut action.changes {
                let top = change.path.split(['.', '[']).next().unwrap_or_default();
                if WRITE_ONLY.contains(&top) || self.secret.contains(&(action.kind, change.path.clone())) {
                    for value in [&mut change.old, &mut change.new] {
                        if !value.is_null() {
                            *value = "[redacted]".into();
                        }
                    }
                }
            }
        }
        shown
    }

    /// Whether it would do the same as another: the same actions on the same objects with the same values.
    ///
    /// # Errors
    /// What differs, a line each; at most twenty.
    pub fn agrees(&self, other: &Plan) -> Result<(), Vec<String>> {
        let name = |action: &Action| format!("{} {} {:?}", action.verb.word(), action.kind.word(), action.name);
        let id = |action: &Action| (action.kind, action.record.clone(), action.verb);
        let (mine, theirs): (HashMap<_, _>, HashMap<_, _>) = (
            self.actions.iter().map(|action| (id(action), action)).collect(),
            other.actions.iter().map(|action| (id(action), action)).collect(),
        );
        let mut changed = Vec::new();
        if self.mappings != other.mappings {
            changed.push("the mapping is another".to_owned());
        }
        for action in &self.actions {
            match theirs.get(&id(action)) {
                None => changed.push(format!("not any more: {}", name(action))),
                Some(now) if **now != *action => changed.push(format!("otherwise: {}", name(action))),
                Some(_) => {}
            }
        }
        let new = other.actions.iter().filter(|action| !mine.contains_key(&id(action)));
        changed.extend(new.map(|action| format!("new: {}", name(action))));
        changed.truncate(20);
        if changed.is_empty() { Ok(()) } else { Err(changed) }
    }
}
