//! What a write leaves behind beside the resource: a line of the provisioning log, and an entry of the outbox.
//!
//! A line names attributes and never holds their values, but for the one name by which a person knows the object.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Millis;
use crate::scim::compare::field;
use crate::scim::error::ScimError;
use crate::scim::quick::Quick;
use crate::scim::verbatim::push_text;
use crate::store::{LogEntry, Operation, Table, When};
use crate::text::shorten;

/// The longest id that the store takes.
const MAX_ID: usize = 255;
/// How much of an error's sentence a line keeps, in characters.
const MAX_DETAIL: usize = 300;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// The id of the token.
    pub token: Arc<str>,
    /// What the operator called it.
    pub label: Arc<str>,
    /// The request.
    pub request: Arc<str>,
    /// Whether it is an operation of a bulk request.
    pub bulk: bool,
}

/// What a line of the provisioning log tells, beside when, of which source, about which id, and whether it failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Told {
    /// `create`, `replace`, `patch`, `delete`; `bulk` for a bulk request that was refused as a whole.
    pub operation: String,
    /// Whether it was an operation of a bulk request.
    #[serde(skip_serializing_if = "is_false")]
    pub bulk: bool,
    /// `User`, `Group`, or another resource type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `userName` or `displayName`, so that a person sees who is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The attributes that changed, by name; their values stay where they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// Whether it was fine and there was nothing to change.
    #[serde(skip_serializing_if = "is_false")]
    pub unchanged: bool,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The reason of a refusal in one word (RFC 7644, Table 9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim_type: Option<String>,
    /// The reason in a sentence, without what stood in quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The id of the token.
    pub token: String,
    /// What the operator called the token.
    pub label: String,
    /// The request's id, as `X-Request-Id` gave it.
    pub request: String,
    /// The source's mapping for this kind and its revision, such as `people 3`, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Told {
    /// What every line of a request has.
    pub(super) fn of(actor: &Actor, operation: &str, resource: Option<&str>) -> Self {
        Self {
            operation: operation.to_owned(),
            bulk: actor.bulk,
            resource: resource.map(str::to_owned),
            token: actor.token.as_ref().to_owned(),
            label: actor.label.as_ref().to_owned(),
            request: actor.request.as_ref().to_owned(),
            ..Self::default()
        }
    }

    /// The same as a refusal.
    pub(super) fn refused(mut self, error: &ScimError) -> Self {
        self.status = error.status;
        self.scim_type = error.scim_type.map(|word| word.as_str().to_owned());
        self.detail = Some(without_values(&error.detail));
        self
    }

    pub(super) fn entry(&self, at: Millis, id: Option<&str>, failed: bool) -> Operation {
        Operation::Log(LogEntry {
            at,
            resource: id.filter(|id| id.len() <= MAX_ID).map(str::to_owned),
            failed,
            // Texts and numbers always are JSON.
            body: serde_json::to_vec(self).unwrap_or_default(),
        })
    }
}

/// The last request about a resource, kept when it left the resource as it was: otherwise the resource itself says when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) at: Millis,
    pub(super) failed: bool,
    pub(super) told: Told,
}

/// The key of a note; a slug has no zero in it.
pub(super) fn note_key(source: &str, id: &str) -> Vec<u8> {
    [source.as_bytes(), &[0], id.as_bytes()].concat()
}

/// Keeps a note.
pub(super) fn note(source: &str, id: &str, note: &Note) -> Operation {
    let value = serde_json::to_vec(note).unwrap_or_default();
    Operation::Put { table: Table::Requests, key: note_key(source, id), value, when: When::Always }
}

/// What was done to which resource.
pub(super) struct Deed<'d> {
    /// `create`, `replace`, `patch`, `delete`.
    pub(super) verb: &'static str,
    pub(super) kind: &'d str,
    pub(super) id: &'d str,
    /// What a person calls it.
    pub(super) name: Option<String>,
    /// The attributes that changed, by name; their values stay where they are.
    pub(super) attributes: &'d [&'d str],
    /// The status of the answer.
    pub(super) status: u16,
}

/// An entry of the outbox; `members` are those that came or went, when they are few, and may be such as had before.
pub(super) fn outbox(verb: &str, kind: &str, id: &str, members: &[&String]) -> Operation {
    let mut entry = String::with_capacity(96);
    for (name, text) in [("{\"verb\":", verb), (",\"kind\":", kind), (",\"id\":", id)] {
        entry.push_str(name);
        push_text(&mut entry, text);
    }
    for (place, member) in members.iter().enumerate() {
        entry.push_str(if place == 0 { ",\"members\":[" } else { "," });
        push_text(&mut entry, member);
    }
    entry.push_str(if members.is_empty() { "}" } else { "]}" });
    Operation::Outbox(entry.into_bytes())
}

impl Deed<'_> {
    /// The operations that belong into the transaction of the write.
    pub(super) fn operations(
        &self,
        source: &str,
        actor: &Actor,
        mapping: Option<&str>,
        members: &[&String],
        at: Millis,
    ) -> Vec<Operation> {
        let log = Operation::Log(LogEntry {
            at,
            resource: Some(self.id).filter(|id| id.len() <= MAX_ID).map(str::to_owned),
            failed: false,
            body: self.line(actor, mapping).into_bytes(),
        });
        let mut operations = vec![outbox(self.verb, self.kind, self.id, members), log];
        if self.verb == "delete" {
            let key = note_key(source, self.id);
            operations.push(Operation::Erase { table: Table::Requests, key, when: When::Always });
        }
        operations
    }

    /// Its line, as [`Told`] has it.
    fn line(&self, actor: &Actor, mapping: Option<&str>) -> String {
        fn text(line: &mut String, name: &str, text: &str) {
            line.push_str(name);
            push_text(line, text);
        }
        let mut line = String::with_capacity(384);
        text(&mut line, "{\"operation\":", self.verb);
        line.push_str(if actor.bulk { ",\"bulk\":true" } else { "" });
        text(&mut line, ",\"resource\":", self.kind);
        if let Some(name) = &self.name {
            text(&mut line, ",\"name\":", name);
        }
        for (place, name) in self.attributes.iter().enumerate() {
            text(&mut line, if place == 0 { ",\"attributes\":[" } else { "," }, name);
        }
        line.push_str(if self.attributes.is_empty() { "" } else { "]" });
        // Writing to a String does not fail.
        let _ = write!(line, ",\"status\":{}", self.status);
        text(&mut line, ",\"token\":", &actor.token);
        text(&mut line, ",\"label\":", &actor.label);
        text(&mut line, ",\"request\":", &actor.request);
        if let Some(mapping) = mapping {
            text(&mut line, ",\"mapping\":", mapping);
        }
        line.push('}');
        line
    }

    /// What its line tells, without attributes.
    pub(super) fn told(&self, actor: &Actor) -> Told {
        Told { name: self.name.clone(), status: self.status, ..Told::of(actor, self.verb, Some(self.kind)) }
    }
}

/// What a person calls a resource: a user by `userName`, everything else by `displayName`.
pub(super) fn name(kind: &str, resource: &Map<String, Value>) -> Option<String> {
    let order = if kind == "User" { ["userName", "displayName"] } else { ["displayName", "userName"] };
    let name = order.into_iter().find_map(|name| field(resource, name)?.as_str().filter(|text| !text.is_empty()));
    name.map(|name| shorten(name).into_owned())
}

/// The same of a resource that is a text still.
pub(super) fn quick_name(kind: &str, resource: &Quick<'_, '_>) -> Option<String> {
    let order = if kind == "User" { ["userName", "displayName"] } else { ["displayName", "userName"] };
    let name = order.into_iter().find_map(|name| resource.text_of(name));
    name.map(|name| shorten(name).into_owned())
}

/// A sentence without values. They stand in quotes; in the brackets of a path; behind the path that could not be read, whose
/// pieces are shown; and behind `, and` where a filter compares what does not compare.
pub(crate) fn without_values(sentence: &str) -> String {
    let quoted = without_quoted(sentence);
    if let Some((path, _)) = quoted.split_once("\"…\": ").filter(|(start, _)| *start == "the path ") {
        return format!("{path}\"…\" cannot be read");
    }
    let compared = quoted.split_once(", and ").filter(|(_, rest)| rest.ends_with(" is not"));
    let kept = compared.map_or(quoted.as_str(), |(kept, _)| kept);
    let mut out = String::with_capacity(kept.len());
    for (place, piece) in kept.split('`').enumerate() {
        out.push_str(if place == 0 { "" } else { "`" });
        match piece.split_once('[').filter(|_| place % 2 == 1) {
            Some((name, _)) => {
                out.push_str(name);
                out.push_str("[…]");
            }
            None => out.push_str(piece),
        }
    }
    match out.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", out.get(..end).unwrap_or_default()),
        None => out,
    }
}

fn without_quoted(sentence: &str) -> String {
    let (mut out, mut letters) = (String::with_capacity(sentence.len()), sentence.chars());
    while let Some(letter) = letters.next() {
        out.push(letter);
        if letter != '"' {
            continue;
        }
        out.push('…');
        // Up to the closing quote; a quote behind a backslash belongs to the value.
        while let Some(inner) = letters.next() {
            match inner {
                '\\' => drop(letters.next()),
                '"' => break,
                _ => {}
            }
        }
        out.push('"');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_deed_is_what_it_tells() {
        let actor = Actor { token: "t".into(), label: "a \"label\"".into(), request: "r".into(), bulk: false };
        for (attributes, name, mapping, bulk) in
            [(&["userName", "urn:x"][..], Some("é \"1\""), Some("people 3"), true), (&[], None, None, false)]
        {
            let (name, mapping) = (name.map(str::to_owned), mapping.map(str::to_owned));
            let (actor, status) = (Actor { bulk, ..actor.clone() }, 201);
            let deed = Deed { verb: "create", kind: "User", id: "1", name, attributes, status };
            let attributes = attributes.iter().map(|name| (*name).to_owned()).collect();
            let told = Told { attributes, mapping: mapping.clone(), ..deed.told(&actor) };
            assert_eq!(deed.line(&actor, mapping.as_deref()), serde_json::to_string(&told).unwrap());
        }
    }

    #[test]
    fn sentences_lose_their_values() {
        for (sentence, kept) in [
            ("another User has this userName: \"ada@x\"", "another User has this userName: \"…\""),
            ("\"a\\\"b\" is taken, \"c\" too", "\"…\" is taken, \"…\" too"),
            ("`emails[type eq \"wo", "`emails[…]"),
            ("`emails[type eq 5].value` chooses nothing", "`emails[…]` chooses nothing"),
            ("the path \"a[b eq c]\": the value c must stand in double quotes", "the path \"…\" cannot be read"),
            ("`primary` is a boolean, and 123 is not", "`primary` is a boolean"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(without_values(sentence), kept);
        }
        assert_eq!(without_values(&"é".repeat(400)).chars().count(), MAX_DETAIL + 1);
    }
}
