//! A mapping file of each object mapping.
//!
//! What has no counterpart stands as a comment at its place in the file and is told as a [`Note`]. A rule is never left out
//! without a word, and a clause of the scope is never left out at all: without it more objects would be in scope.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::super::quote::{is_bare, one_line, toml_key, toml_program, toml_text, toml_word};
use super::read::{At, ObjectMapping, object_mappings, schemas};
use super::scope;
use super::source::{Flow, flow};
use super::target::Target;
use super::{Note, Notes, names, source_kind};
use crate::language::entra::{Outline, tidy};
use crate::language::names::SourceNames;
use crate::text::Span;

/// A mapping file that came of an object mapping.
#[derive(Debug)]
pub struct Imported {
    /// The mapping's name; the file's is this and `.toml`.
    pub name: String,
    /// Whether Entra runs the object mapping.
    pub enabled: bool,
    /// The mapping file.
    pub text: String,
    /// What has no counterpart here.
    pub notes: Vec<Note>,
}

/// Makes a mapping file of each object mapping of a schema, a template or a list of templates. `stem` begins the names where the
/// schema names no target.
///
/// # Errors
/// What is not as Graph documents it, by its path in the JSON.
pub fn import(stem: &str, json: &Json) -> Result<Vec<Imported>, String> {
    let mut found = Vec::new();
    for schema in schemas(json)? {
        found.extend(object_mappings(&schema)?);
    }
    let names = names(stem, &found)?;
    let made =
        found.iter().zip(names).map(|(of, name)| Writer::new(of)?.write(name)).collect::<Result<Vec<_>, String>>()?;
    if made.is_empty() {
        return Err("the schema has no object mappings".into());
    }
    Ok(made)
}

/// What an attribute mapping may hold.
const RULE_KEYS: &[&str] = &[
    "defaultValue",
    "exportMissingReferences",
    "flowBehavior",
    "flowType",
    "matchingPriority",
    "source",
    "targetAttributeName",
];
/// What an object mapping may hold.
const MAPPING_KEYS: &[&str] = &[
    "attributeMappings",
    "enabled",
    "flowTypes",
    "id",
    "metadata",
    "name",
    "scope",
    "sourceObjectName",
    "targetObjectName",
];
/// What a rule holds that is written into the header, or is Graph's own.
const SET_KEYS: &[&str] =
    &["editable", "id", "metadata", "name", "objectMappings", "priority", "sourceDirectoryName", "targetDirectoryName"];

struct Writer<'o, 'j> {
    of: &'o ObjectMapping<'j>,
    target: Target,
    notes: Notes,
    /// What the rules and the scope read, each once.
    reads: Vec<String>,
    rules: String,
    /// The targets that have a rule.
    written: Vec<String>,
}

impl<'o, 'j> Writer<'o, 'j> {
    fn new(of: &'o ObjectMapping<'j>) -> Result<Self, String> {
        Ok(Self {
            of,
            target: Target::of(of)?,
            notes: Notes::default(),
            reads: Vec::new(),
            rules: String::new(),
            written: Vec::new(),
        })
    }

    fn write(mut self, name: String) -> Result<Imported, String> {
        let (rule, mapping) = (&self.of.rule, &self.of.mapping);
        let enabled = mapping.flag("enabled")?.unwrap_or(true);
        let mut out = String::from("# Imported from Entra's provisioning schema:");
        let words = [
            rule.word("name")?.unwrap_or("a rule without a name"),
            rule.word("sourceDirectoryName")?.unwrap_or("?"),
            mapping.word("sourceObjectName")?.unwrap_or("?"),
            rule.word("targetDirectoryName")?.unwrap_or("?"),
            mapping.word("targetObjectName")?.unwrap_or("?"),
        ]
        .map(one_line);
        let [set, from, object, to, becomes] = &words;
        let _ = writeln!(out, " {set}, {from} ({object}) to {to} ({becomes}).");
        self.mapping_notes(enabled)?;
        for note in &self.notes.0 {
            let _ = writeln!(out, "# Entra: {}.", one_line(&note.message));
        }
        let _ = writeln!(out, "\nname = \"{name}\"\nresource = {}", toml_word(&self.target.resource));
        if let Some(description) = mapping.word("name")? {
            let _ = writeln!(out, "description = {}", toml_word(description));
        }
        let groups = scope::read(mapping.get("scope").as_ref(), &mut self.notes)?;
        self.read(groups.iter().flatten().map(|clause| clause.attribute.as_str()));
        let scope = scope::toml(&groups, &self.notes);
        for rule in mapping.list("attributeMappings")? {
            self.rule(&rule)?;
        }
        self.source(&mut out)?;
        out.push_str(&scope);
        if !self.target.is_scim() {
            out.push_str("\n[target]\nkind = \"json\"\n");
        }
        self.target.extensions(&mut out);
        let _ = write!(out, "\n[attributes]\n{}", self.rules);
        Ok(Imported { name, enabled, text: out, notes: self.notes.0 })
    }

    /// What of the object mapping and its rule is not taken over.
    fn mapping_notes(&mut self, enabled: bool) -> Result<(), String> {
        let (rule, mapping) = (&self.of.rule, &self.of.mapping);
        if !enabled {
            self.notes.tell("", "the object mapping is disabled in Entra");
        }
        if let Some(actions) = mapping.word("flowTypes")? {
            let has = |wanted: &str| actions.split(',').any(|action| action.trim().eq_ignore_ascii_case(wanted));
            let missing: Vec<&str> = ["Add", "Update", "Delete"].into_iter().filter(|action| !has(action)).collect();
            if !missing.is_empty() {
                let message = format!(
                    "the actions are {actions}, without {}; a mapping file has no such list",
                    missing.join(" and ")
                );
                self.notes.warn("", message);
            }
        }
        for key in ["containerFilter", "groupFilter"] {
            let full = |json: &Json| {
                json.as_object().is_some_and(|fields| {
                    fields.values().any(|value| value.as_array().is_some_and(|items| !items.is_empty()))
                })
            };
            if rule.get(key).is_some_and(|filter| full(filter.json)) {
                self.notes.warn("", format!("the rule's {key} has no counterpart; write it as a scope"));
            }
        }
        let keys: Vec<&str> =
            mapping.list("metadata")?.iter().filter_map(|entry| entry.json.get("key")?.as_str()).collect();
        if !keys.is_empty() {
            self.notes.tell("", format!("metadata is not taken over: {}", keys.join(", ")));
        }
        for (at, known) in [(mapping, MAPPING_KEYS), (rule, SET_KEYS)] {
            for key in others(at, known).filter(|key| !["containerFilter", "groupFilter"].contains(key)) {
                self.notes.tell("", format!("`{key}` is not taken over"));
            }
        }
        Ok(())
    }

    /// An attribute mapping as a rule, with what it loses above it.
    fn rule(&mut self, at: &At<'_>) -> Result<(), String> {
        let Some(target) = at.word("targetAttributeName")? else {
            return Err(format!("{}.targetAttributeName is missing", at.path));
        };
        let before = self.notes.0.len();
        let default = at.word("defaultValue")?;
        let flow = flow(at.get("source").as_ref())?;
        let mut options = Vec::new();
        let program = match &flow {
            Flow::Constant(value) => Some(format!("const = {}", toml_word(value))),
            Flow::Expression(text) => {
                let text = line_feeds(text);
                // An export puts it back as it was.
                let text = tidy(&text).unwrap_or(text);
                if let Ok(outline) = Outline::parse(&text) {
                    self.read(outline.attributes());
                }
                Some(format!("expr = {}", toml_program(&text)))
            }
            Flow::Nothing => default.map(|value| format!("const = {}", toml_word(value))),
        };
        let priority = at.number("matchingPriority")?;
        match priority {
            0 => {}
            1..=1000 => options.push(format!("match = {priority}")),
            _ => self.notes.warn(target, format!("the matching priority {priority} is not from 1 to 1000")),
        }
        let kept = match (&flow, default) {
            (Flow::Nothing, Some(_)) => {
                self.notes.tell(
                    target,
                    "no source and a default: Entra puts it in whenever the target is empty, Provisor at creation",
                );
                None
            }
            (Flow::Constant(value), Some(default)) if !value.is_empty() => {
                self.notes.tell(target, format!("the default {default:?} of a constant is never used"));
                None
            }
            (_, default) => default,
        };
        options.extend(kept.map(|default| format!("default = {}", toml_word(default))));
        let create = self.flow_type(target, at)?;
        if create || matches!(flow, Flow::Nothing) {
            options.push("apply = \"create\"".to_owned());
        }
        if program.is_none() {
            self.notes.tell(target, "no source and no default: nothing flows");
        }
        let again = self.written.iter().any(|other| other.eq_ignore_ascii_case(target));
        if again {
            self.notes.warn(target, "a second mapping for this target; the first one stands");
        }
        for note in self.notes.0.iter().skip(before) {
            let _ = writeln!(self.rules, "# Entra: {}.", one_line(&note.message));
        }
        let key = self.target.key(target);
        let value = match (&program, &flow, options.is_empty()) {
            (None, ..) => "…".to_owned(),
            (Some(program), Flow::Expression(_), true) => program.trim_start_matches("expr = ").to_owned(),
            (Some(program), _, true) => format!("{{ {program} }}"),
            (Some(program), ..) => format!("{{ {program}, {} }}", options.join(", ")),
        };
        let line = format!("{} = {value}", toml_key(&key));
        if again || program.is_none() {
            line.lines().for_each(|line| {
                let _ = writeln!(self.rules, "# {line}");
            });
        } else {
            let _ = writeln!(self.rules, "{line}");
            self.written.push(target.to_owned());
        }
        Ok(())
    }

    /// Whether the rule applies at creation only; what of its flow has no counterpart is noted.
    fn flow_type(&mut self, target: &str, at: &At<'_>) -> Result<bool, String> {
        let kind = at.word("flowType")?.unwrap_or("Always");
        if let Some(behavior) = at.word("flowBehavior")?
            && !behavior.eq_ignore_ascii_case("FlowWhenChanged")
        {
            self.notes.tell(target, format!("flowBehavior {behavior} has no counterpart: what has changed is sent"));
        }
        if at.flag("exportMissingReferences")? == Some(true) {
            self.notes.tell(target, "exportMissingReferences has no counterpart");
        }
        for key in others(at, RULE_KEYS) {
            self.notes.tell(target, format!("`{key}` is not taken over"));
        }
        Ok(match kind {
            "Always" => false,
            "ObjectAddOnly" => true,
            other => {
                self.notes.warn(
                    target,
                    format!("flowType {other} has no counterpart: the value is sent whenever it changes"),
                );
                false
            }
        })
    }

    fn read<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        for name in names {
            if !self.reads.iter().any(|known| known == name) {
                self.reads.push(name.to_owned());
            }
        }
    }

    /// `[source]`: what the schema's directory lists, and what is read besides.
    fn source(&mut self, out: &mut String) -> Result<(), String> {
        let entra = source_kind(self.of.rule.word("sourceDirectoryName")?) == Some("entra");
        let resource = self.target.resource.clone();
        let unknown = |known: &SourceNames, name: &str| known.finding(name, Span::default(), "").is_some();
        let none = if entra { SourceNames::entra(&resource, []) } else { SourceNames::only([]) };
        let mut names: Vec<String> = Vec::new();
        for declared in &self.of.source_attributes {
            if unknown(&none, declared.name) && !names.iter().any(|name| name == declared.name) {
                names.push(declared.name.to_owned());
            }
        }
        let listed =
            if entra { SourceNames::entra(&resource, names.clone()) } else { SourceNames::only(names.clone()) };
        let more: Vec<String> =
            self.reads.iter().filter(|name| !name.is_empty() && unknown(&listed, name)).cloned().collect();
        let _ = writeln!(out, "\n[source]");
        if entra {
            let _ = writeln!(out, "kind = \"entra\"");
        }
        if !more.is_empty() {
            let message = format!(
                "read and not in the schema's directory: {}; declared under [source] all the same",
                more.join(", ")
            );
            let _ = writeln!(out, "# Entra: {}.", one_line(&message));
            self.notes.tell("", message);
        }
        names.extend(more);
        if !names.is_empty() || !entra {
            let _ = writeln!(out, "attributes = {}", list(&names));
        }
        Ok(())
    }
}

/// The members of an object that are there, not null, and none of these.
fn others<'j>(at: &At<'j>, known: &'j [&'j str]) -> impl Iterator<Item = &'j str> {
    let fields = at.json.as_object().into_iter().flatten();
    fields
        .filter(|(key, value)| !value.is_null() && !key.contains("@odata") && !known.contains(&key.as_str()))
        .map(|(key, _)| key.as_str())
}

/// The expression with plain line ends, when these stand in no constant.
fn line_feeds(text: &str) -> String {
    let plain = text.trim().replace("\r\n", "\n");
    match (Outline::parse(text), Outline::parse(&plain)) {
        (Ok(one), Ok(other)) if one != other => text.to_owned(),
        _ => plain,
    }
}

/// The longest line that a list of names stands on.
const MAX_LINE: usize = 130;

/// Names as a TOML list, in lines when there are many.
fn list(names: &[String]) -> String {
    let words: Vec<String> =
        names.iter().map(|name| if is_bare(name) { toml_word(name) } else { toml_text(name) }).collect();
    let line = words.join(", ");
    if line.len() < 100 {
        return format!("[{line}]");
    }
    let mut out = String::from("[\n   ");
    let mut length = 3;
    for word in words {
        if length + word.len() + 2 > MAX_LINE && length > 3 {
            out.push_str("\n   ");
            length = 3;
        }
        let _ = write!(out, " {word},");
        length += word.len() + 2;
    }
    out.push_str("\n]");
    out
}
