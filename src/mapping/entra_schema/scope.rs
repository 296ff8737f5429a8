//! The scoping filters of an object mapping.
//!
//! Entra keeps three lists of groups: `groups` decides who is in scope, `inputFilterGroups` what is read at all,
//! `categoryFilterGroups` is its own. An object must pass each list that has groups; in a file there is one list, so that two of
//! them become the groups of every pair.

use std::fmt::Write as _;

use super::super::quote::{toml_text, toml_word};
use super::super::scope::canonical_operator;
use super::Notes;
use super::read::At;

/// The most groups that are made of two lists.
const MAX_GROUPS: usize = 1_000;

/// A clause as it stands in the file.
type Clauses = Vec<String>;

/// `[scope]` of a mapping file; empty when every object is in scope.
pub(super) fn read(scope: Option<&At<'_>>, notes: &mut Notes, reads: &mut Vec<String>) -> Result<String, String> {
    let Some(scope) = scope else { return Ok(String::new()) };
    let mut groups: Option<Vec<Clauses>> = None;
    for key in ["inputFilterGroups", "categoryFilterGroups", "groups"] {
        let Some(list) = self::groups(scope, key, notes, reads)? else { continue };
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
    let Some(groups) = groups else { return Ok(String::new()) };
    let mut out = String::from("\n[scope]\n");
    for note in notes.0.iter().filter(|note| note.place.starts_with("scope")) {
        let _ = writeln!(out, "# Entra: {}.", super::super::quote::one_line(&note.to_string()));
    }
    out.push_str("groups = [\n");
    for group in groups {
        out.push_str("    [\n");
        for clause in group {
            let _ = writeln!(out, "        {clause},");
        }
        out.push_str("    ],\n");
    }
    out.push_str("]\n");
    Ok(out)
}

/// One list of groups; `None` when it lets everything through.
fn groups(
    scope: &At<'_>,
    key: &str,
    notes: &mut Notes,
    reads: &mut Vec<String>,
) -> Result<Option<Vec<Clauses>>, String> {
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
            clauses.push(self::clause(&clause, &place, notes, reads)?);
        }
        if clauses.is_empty() {
            notes.tell(&place, "a group without clauses lets every object through");
            return Ok(None);
        }
        groups.push(clauses);
    }
    Ok(Some(groups))
}

fn clause(at: &At<'_>, place: &str, notes: &mut Notes, reads: &mut Vec<String>) -> Result<String, String> {
    let attribute = at.word("sourceOperandName")?.ok_or_else(|| format!("{}.sourceOperandName is missing", at.path))?;
    let operator = at.word("operatorName")?.ok_or_else(|| format!("{}.operatorName is missing", at.path))?;
    if !reads.iter().any(|known| known == attribute) {
        reads.push(attribute.to_owned());
    }
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
    let known = canonical_operator(operator);
    let written = known.unwrap_or(operator);
    let word = |text: &str| if text.contains('\\') { toml_text(text) } else { toml_word(text) };
    let mut text = format!("{{ attribute = {}, operator = {}", word(attribute), word(written));
    let bare = known.is_some_and(|operator| operator.starts_with("IS "));
    match values.as_slice() {
        [] => {}
        [value, ..] if !bare => {
            let _ = write!(text, ", value = {}", word(value));
            if values.len() > 1 {
                notes.warn(
                    place,
                    format!("the clause about {attribute} has {} values; the first is taken", values.len()),
                );
            }
        }
        _ => {}
    }
    text.push_str(" }");
    Ok(text)
}
