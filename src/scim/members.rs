//! Members of groups, which are kept beside the group and never read to change it: a group may have 100,000 of them.
//!
//! A PATCH comes out as a list of [`MemberOp`]s, and a [`MemberChange`] is what they amount to: any number of operations
//! becomes one set to add, one to remove, and at most one "all".

use std::mem::take;

use hashbrown::HashSet;
use serde_json::{Map, Value};

use super::error::ScimError;
use super::filter::Matcher;

/// One member of a group (RFC 7643, section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id of the user or group.
    pub value: String,
    /// `User` or `Group`, when the client said.
    pub kind: Option<String>,
    /// The URI, when the client said.
    pub reference: Option<String>,
}

impl Member {
    /// Reads an element of `members` that was checked against the schema.
    pub(super) fn read(element: &Value) -> Result<Self, ScimError> {
        let text = |name: &str| element.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let reference = text("$ref").map(str::to_owned);
        // A URI names the member as well (RFC 7643, section 2.4).
        let from_uri = || reference.as_deref().and_then(|uri| uri.trim_end_matches('/').rsplit('/').next());
        match text("value").or_else(from_uri).filter(|value| !value.is_empty()) {
            Some(value) => Ok(Self { value: value.to_owned(), kind: text("type").map(str::to_owned), reference }),
            None => Err(ScimError::invalid_value("a member needs a `value`, the id of a user or group")),
        }
    }

    /// The member as an element of `members`.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("value".into(), self.value.as_str().into());
        for (name, text) in [("$ref", &self.reference), ("type", &self.kind)] {
            if let Some(text) = text {
                fields.insert(name.into(), text.as_str().into());
            }
        }
        Value::Object(fields)
    }
}

/// What an operation does to the members, in the order of the request.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberOp {
    /// These are members now; who was one stays one.
    Add(Vec<Member>),
    /// These ids are no members any more; who was none stays none.
    Remove(Vec<String>),
    /// Members for which the filter holds are none any more.
    RemoveMatching(Matcher),
    /// These are the members, and nobody else. Empty: the group has none.
    ReplaceAll(Vec<Member>),
}

/// What a list of operations amounts to: `(before − all or some of it) ∪ add`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberChange {
    /// Whether nobody stays who is not in `add`.
    pub replace: bool,
    /// Who is a member afterwards, each once.
    pub add: Vec<Member>,
    /// Who is not, of those who were; empty with `replace`.
    pub remove: Vec<String>,
    /// Members of before for which one of these holds go, unless they are in `add`; empty with `replace`.
    pub remove_matching: Vec<Matcher>,
}

impl From<Vec<MemberOp>> for MemberChange {
    /// Sums up as [`MemberChange::of`] does, without copies where there is one operation, as there mostly is.
    fn from(mut operations: Vec<MemberOp>) -> Self {
        match operations.as_mut_slice() {
            [MemberOp::Add(members)] if is_each_once(members) => Self { add: take(members), ..Self::default() },
            [MemberOp::Remove(ids)] => {
                let mut remove = take(ids);
                remove.sort_unstable();
                remove.dedup();
                Self { remove, ..Self::default() }
            }
            _ => Self::of(&operations),
        }
    }
}

fn is_each_once(members: &[Member]) -> bool {
    let mut known = HashSet::with_capacity(members.len());
    members.iter().all(|member| known.insert(member.value.as_str()))
}

impl MemberChange {
    /// Sums up.
    pub fn of(operations: &[MemberOp]) -> Self {
        let mut change = Self::default();
        let (mut added, mut removed) = (HashSet::<&str>::new(), HashSet::<&str>::new());
        for operation in operations {
            match operation {
                MemberOp::Add(members) => {
                    for member in members {
                        removed.remove(member.value.as_str());
                        if added.insert(&member.value) {
                            change.add.push(member.clone());
                        }
                    }
                }
                MemberOp::Remove(ids) => {
                    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
                    change.add.retain(|member| !ids.contains(member.value.as_str()));
                    added.retain(|id| !ids.contains(id));
                    if !change.replace {
                        removed.extend(ids);
                    }
                }
                MemberOp::RemoveMatching(matcher) => {
                    change.add.retain(|member| {
                        let goes = matcher.matches_element(&member.to_json());
                        if goes {
                            added.remove(member.value.as_str());
                        }
                        !goes
                    });
                    // One that was added and goes again may have been a member before; the filter sees it then.
                    if !change.replace {
                        change.remove_matching.push(matcher.clone());
                    }
                }
                MemberOp::ReplaceAll(members) => {
                    change = Self { replace: true, ..Self::default() };
                    (added, removed) = (HashSet::new(), HashSet::new());
                    for member in members {
                        if added.insert(&member.value) {
                            change.add.push(member.clone());
                        }
                    }
                }
            }
        }
        change.remove = removed.into_iter().map(str::to_owned).collect();
        change.remove.sort_unstable();
        change
    }

    /// Whether it asks for nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.replace && self.add.is_empty() && self.remove.is_empty() && self.remove_matching.is_empty()
    }

    /// Does it to a list, for who keeps members in one.
    pub fn apply(&self, members: &mut Vec<Member>) {
        if self.replace {
            members.clear();
        }
        let gone: HashSet<&str> = self.remove.iter().map(String::as_str).collect();
        let added: HashSet<&str> = self.add.iter().map(|member| member.value.as_str()).collect();
        members.retain(|member| {
            added.contains(member.value.as_str())
                || !gone.contains(member.value.as_str())
                    && !self.remove_matching.iter().any(|matcher| matcher.matches_element(&member.to_json()))
        });
        let known: HashSet<String> = members.iter().map(|member| member.value.clone()).collect();
        members.extend(self.add.iter().filter(|member| !known.contains(&member.value)).cloned());
    }
}
