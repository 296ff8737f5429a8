//! The scoping filters of an object mapping.
//!
//! Entra keeps three lists of groups: `groups` decides who is in scope, `inputFilterGroups` what is read at all,
//! `categoryFilterGroups` is its own. An object must pass each list that has groups; in a file there is one list, so that two of
//! them become the groups of every pair.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::super::quote::{one_line, toml_word};
use super::super::scope::canonical_operator;
use super::Notes;
use super::read::At;

/// The most groups that are made of two lists.
const MAX_GROUPS: usize = 1_000;

/// The lists of groups, in the order in which Entra looks at them.
const LISTS: [&str; 3] = ["inputFilterGroups", "categoryFilterGroups", "groups"];

/// A clause, its operator as the portal writes it when it is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) attribute: String,
    pub(super) operator: String,
    pub(super) value: Option<String>,
}

impl Clause {
    /// With the operator in the portal's own spelling, and no value where it takes none.
    pub(super) fn new(attribute: &str, operator: &str, value: Option<String>) -> Clause {
        let known = canonical_operator(operator);
        let bare = known.is_some_and(|operator| operator.starts_with("IS "));
        Clause {
            attribute: attribute.to_owned(),
            operator: known.unwrap_or(operator).to_owned(),
            value: value.filter(|_| !bare),
        }
    }
}

/// The groups of which one must hold; none when every object is in scope.
pub(super) fn read(scope: Option<&At<'_>>, notes: &mut Notes) -> Result<Vec<Vec<Clause>>, String> {
    let Some(scope) = scope else { return Ok(Vec::new()) };
    let mut groups: Option<Vec<Vec<Clause>>> = None;
    for key in LISTS {
        let Some(list) = self::groups(scope, key, notes)? else { continue };
        groups = Some(match groups {
            None => list,
            Some(before) if before.len().saturating_mul(list.len()) > MAX_GROUPS => {
                return Err(format!("{}: its lists of groups make more than {MAX_GROUPS} pairs", scope.path));
            }
            Some(before) => before
                .iter()
                .flat_map(|one| list.iter().map(|other| one.iter().chain(other).cloned().collect()))
                .collect(),
        });
    }
    Ok(groups.unwrap_or_default())
}

/// `[scope]` of a mapping file; empty when every object is in scope.
pub(super) fn toml(groups: &[Vec<Clause>], notes: &Notes) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n[scope]\n");
    for note in notes.0.iter().filter(|note| note.place.starts_with("scope")) {
        let _ = writeln!(out, "# Entra: {}.", one_line(&note.to_string()));
    }
    out.push_str("groups = [\n");
    for group in groups {
        out.push_str("    [\n");
        for Clause { attribute, operator, value } in group {
            let value = value.as_ref().map(|value| format!(", value = {}", toml_word(value))).unwrap_or_default();
            let (attribute, operator) = (toml_word(attribute), toml_word(operator));
            let _ = writeln!(out, "        {{ attribute = {attribute}, operator = {operator}{value} }},");
        }
        out.push_str("    ],\n");
    }
    out.push_str("]\n");
    out
}

/// The `scope` of an object mapping.
pub(super) fn json(groups: &[Vec<Clause>]) -> Json {
    if groups.is_empty() {
        return Json::Null;
    }
    let clause = |clause: &Clause| {
        let values: Vec<&String> = clause.value.iter().collect();
        json!({
            "operatorName": clause.operator, "sourceOperandName": clause.attribute, "targetOperand": { "values": values }
        })
    };
    let groups =
        groups.iter().map(|group| json!({ "name": "", "clauses": group.iter().map(clause).collect::<Vec<_>>() }));
    json!({ "groups": groups.collect::<Vec<_>>(), "inputFilterGroups": [], "categoryFilterGroups": [] })
}

/// One list of groups; `None` when it lets everything through.
fn groups(scope: &At<'_>, key: &str, notes: &mut Notes) -> Result<Option<Vec<Vec<Clause>>>, String> {
    let list = scope.list(key)?;
    if list.is_empty() {
        return Ok(None);
    }
    if key != "groups" {
        notes.tell(&format!("scope.{key}"), "part of the one list of groups that a mapping file has");
    }
    let mut groups = Vec::new();
    for (index, group) in list.iter().enumerate() {
        let place = format!("scope.{key}[{index}]");
        if let Some(name) = group.word("name")? {
            notes.tell(&place, format!("the group's name {name:?} is not taken over"));
        }
        let mut clauses = Vec::new();
        for clause in group.list("clauses")? {
            clauses.extend(self::clauses(&clause, &place, notes)?);
        }
        if clauses.is_empty() {
            notes.tell(&place, "a group without clauses lets every object through");
            return Ok(None);
        }
        groups.push(clauses);
    }
    Ok(Some(groups))
}

/// A clause; one with several values is a clause of each, so that never more objects come into scope than did.
fn clauses(at: &At<'_>, place: &str, notes: &mut Notes) -> Result<Vec<Clause>, String> {
    let attribute = at.word("sourceOperandName")?.ok_or_else(|| format!("{}.sourceOperandName is missing", at.path))?;
    let operator = at.word("operatorName")?.ok_or_else(|| format!("{}.operatorName is missing", at.path))?;
    if let Some(kind) = at.word("multiValuedComparisonType")? {
        notes.warn(
            place,
            format!("multiValuedComparisonType {kind} has no counterpart: filters take single-valued attributes"),
        );
    }
    let mut values = Vec::new();
    if let Some(operand) = at.get("targetOperand") {
        for value in operand.list("values")? {
            values.push(value.json.as_str().ok_or_else(|| value.wrong("a text"))?);
        }
    }
    let clause = |value: Option<&str>| Clause::new(attribute, operator, value.map(str::to_owned));
    let first = clause(values.first().copied());
    if values.len() < 2 || first.value.is_none() {
        return Ok(vec![first]);
    }
    let message =
        format!("the clause about {attribute} has {} values; each is a clause here, and all must hold", values.len());
    notes.warn(place, message);
    Ok(values.into_iter().map(|value| clause(Some(value))).collect())
}
