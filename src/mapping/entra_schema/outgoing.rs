//! A mapping file as far as Entra's schema can hold it, and findings about the rest.

use serde_json::Value as Json;

use super::super::file::{self, ClauseValue, File, OnError, Placed, ProgramEntry, RuleEntry};
use super::super::tree::{self, Item};
use super::scope::Clause;
use super::source::Flow;
use super::target::attribute_of;
use crate::language::Language;
use crate::language::entra::Outline;
use crate::scim::{self, AttributeType, ResourceSchema};
use crate::text::{Code, Diagnostic, Diagnostics, Severity, Source, Span, shorten};

/// A mapping file taken apart for Entra.
#[derive(Debug)]
pub struct Outgoing {
    /// The mapping's name.
    pub name: String,
    pub(super) resource: String,
    pub(super) description: Option<String>,
    pub(super) from_entra: bool,
    /// What `[source] attributes` lists.
    pub(super) attributes: Vec<String>,
    pub(super) groups: Vec<Vec<Clause>>,
    pub(super) rules: Vec<OutgoingRule>,
    /// The resource's schema with the file's extensions; `None` for a JSON target.
    pub(super) schema: Option<ResourceSchema>,
}

/// A rule, or what is left of it.
#[derive(Debug)]
pub(super) struct OutgoingRule {
    /// The target as the file writes it.
    pub(super) key: String,
    /// The target as Entra calls it.
    pub(super) target: String,
    /// `None` when its program is none that Entra runs.
    pub(super) flow: Option<Flow>,
    pub(super) outline: Option<Outline>,
    pub(super) matching: u32,
    pub(super) default: Option<String>,
    pub(super) create: bool,
}

impl Outgoing {
    /// Reads a file that compiles. What Entra's schema cannot hold is a finding: an error, or with `lossy` a warning, and it is
    /// left out.
    pub fn read(source: &Source, lossy: bool) -> (Outgoing, Diagnostics) {
        let mut ignored = Vec::new();
        let mut found = Vec::new();
        let tree = tree::read(source, &mut ignored);
        if let Some(span) = sends_empty(&tree) {
            found.push(cannot("Entra does not send empty texts", span).help("leave `empty` out"));
        }
        let file = file::read(tree, &mut ignored);
        let outgoing = outgoing(file, &mut found);
        let mut diagnostics = Diagnostics::new(source.clone());
        diagnostics.extend(found.into_iter().map(|mut finding| {
            if lossy {
                finding.severity = Severity::Warning;
            }
            finding
        }));
        diagnostics.finish();
        (outgoing, diagnostics)
    }
}

fn cannot(message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new(Code::NotInEntra, message, span).label("Entra's schema has no place for it")
}

/// Where `[target] empty = "send"` stands.
fn sends_empty(tree: &tree::Table) -> Option<Span> {
    let (_, target) = tree.entries.iter().find(|(key, _)| key.name == "target")?;
    let Item::Table(target) = &target.item else { return None };
    let (_, empty) = target.entries.iter().find(|(key, _)| key.name == "empty")?;
    matches!(&empty.item, Item::String(text) if text.value == "send").then_some(empty.span)
}

fn outgoing(file: File, found: &mut Vec<Diagnostic>) -> Outgoing {
    let name = file.name.map_or(String::new(), |name| name.value);
    if let Some(script) = &file.script {
        found.push(cannot("a script makes what no expression can", script.key).help("write rules in Entra's language"));
    }
    let resource = file.resource.map_or_else(|| "User".to_owned(), |resource| resource.value);
    let schema = (!file.json_target).then(|| ResourceSchema::for_resource(&resource)).flatten();
    let schema = file.extensions.iter().fold(schema, |schema, extension| {
        let attributes = extension.attributes.iter().filter_map(|attribute| {
            let kind = AttributeType::parse(&attribute.kind.value)?;
            Some(scim::Attribute::new(attribute.name.clone(), kind, "").multi_valued(attribute.multi_valued))
        });
        schema.map(|schema| schema.with_extension(&extension.urn.value, attributes))
    });
    let language = file.language.unwrap_or(Language::Entra);
    let clause = |clause: &file::Clause| {
        let value = clause.value.as_ref().map(|value| match &value.value {
            ClauseValue::Text(text) => text.value.clone(),
            ClauseValue::Integer(number) => number.to_string(),
        });
        Clause::new(&clause.attribute.value, &clause.operator.value, value)
    };
    Outgoing {
        name,
        resource,
        description: file.description,
        from_entra: file.source.as_ref().is_some_and(|source| source.kind == Some("entra")),
        attributes: file.source.map(|source| source.attributes).unwrap_or_default(),
        groups: file.scope.iter().map(|group| group.iter().map(clause).collect()).collect(),
        rules: file.rules.into_iter().map(|entry| rule(entry, language, schema.is_none(), found)).collect(),
        schema,
    }
}

fn rule(entry: RuleEntry, language: Language, json: bool, found: &mut Vec<Diagnostic>) -> OutgoingRule {
    let target = attribute_of(&entry.target.name, json);
    let shown = shorten(&entry.target.name).into_owned();
    if entry.required {
        found.push(cannot(format!("`{shown}` is required, which Entra does not know"), entry.target.span).help(
            "Entra sends the object without the value; its target attribute can be required in the app's own schema",
        ));
    }
    if entry.on_error != OnError::Halt {
        found.push(cannot(
            format!("`{shown}` says what its failure does; in Entra the object always fails"),
            entry.target.span,
        ));
    }
    let mut outline = None;
    let flow = match entry.program {
        Some(ProgramEntry::Text { language: own, text, span }) => match own.unwrap_or(language) {
            Language::Entra => {
                outline = Outline::parse(&text.value).ok();
                if let Some(name) = outline.as_ref().and_then(own_macro) {
                    let message = format!("`{name}` is a macro of this file");
                    found.push(cannot(message, span).help("write what it stands for"));
                }
                Some(Flow::Expression(text.value))
            }
            other => {
                let message =
                    format!("the rule for `{shown}` is written in {}; Entra runs its own language alone", other.word());
                found.push(cannot(message, span).help("write it as an expression"));
                None
            }
        },
        Some(ProgramEntry::Constant(constant)) => text(&constant, &shown, "constant", found).map(Flow::Constant),
        None => None,
    };
    OutgoingRule {
        target,
        flow,
        outline,
        matching: entry.matching.map_or(0, |matching| matching.value),
        default: entry.default.and_then(|default| text(&default, &shown, "default", found)),
        create: entry.create_only.is_some(),
        key: entry.target.name,
    }
}

/// The first macro that is used.
fn own_macro(outline: &Outline) -> Option<String> {
    match outline {
        Outline::Bare(word) if word.starts_with('%') => Some(word.clone()),
        Outline::Call { arguments, .. } => arguments.iter().flatten().find_map(own_macro),
        Outline::Compare { left, right, .. } => own_macro(left).or_else(|| own_macro(right)),
        _ => None,
    }
}

/// A value as the text that Entra keeps.
fn text(value: &Placed<Json>, target: &str, what: &str, found: &mut Vec<Diagnostic>) -> Option<String> {
    match &value.value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(true) => Some("True".into()),
        Json::Bool(false) => Some("False".into()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            let message = format!("the {what} for `{target}` is no text; Entra's are texts");
            found.push(cannot(message, value.span).help("write a rule for each part"));
            None
        }
    }
}
