//! A file's parts to a [`Mapping`]: programs compiled, targets resolved, rules checked against each other. All findings
//! are kept; a mapping comes out only when none is an error.

mod cases;
mod program;

use std::collections::BTreeMap;

use crate::language::names::SourceNames;
use crate::language::{Language, Toolbox};
use crate::scim::{self, AttributeType, PathError, ResourceSchema, Step};
use crate::text::{Code, Diagnostic, Diagnostics, Source, Span, closest, shorten};
use crate::value::{Layout, write_json_string};

use super::apply::Plan;
use super::coerce::Coercion;
use super::file::{self, File, RuleEntry};
use super::scope::Scope;
use super::shape::Shape;
use super::{MAX_FILE, MAX_RULES, Mapping, Rule, RuleBody, tree};

/// What came of compiling a file.
#[derive(Debug)]
pub struct Compiled {
    /// The mapping, when no finding is an error.
    pub mapping: Option<Mapping>,
    /// The findings, sorted by position.
    pub diagnostics: Diagnostics,
}

pub(super) fn compile(source: &Source) -> Compiled {
    let mut diagnostics = Diagnostics::new(source.clone());
    if source.text().len() > MAX_FILE {
        let message = format!("the file has {} bytes; a mapping file has at most {MAX_FILE}", source.text().len());
        diagnostics.push(Diagnostic::new(Code::Unreadable, message, Span::new(0, 0)));
        return Compiled { mapping: None, diagnostics };
    }
    let mut found = Vec::new();
    let tree = tree::read(source, &mut found);
    let broken: Vec<Span> = found
        .iter()
        .filter(|finding| matches!(finding.code, Code::Toml | Code::Json))
        .map(|finding| finding.primary.span)
        .collect();
    let file = file::read(tree, &mut found);
    let mapping = Compiler::new(source, &file, &mut found).mapping(file);
    if !broken.is_empty() {
        found.retain(|finding| !follows(source, finding, &broken));
    }
    diagnostics.extend(found);
    diagnostics.finish();
    let mapping = (diagnostics.errors() == 0).then_some(mapping);
    Compiled { mapping, diagnostics }
}

/// Whether a finding only follows from a file that could not be read whole: what is missing may stand in the rest, and
/// what is left of a broken line is not what was written.
fn follows(source: &Source, finding: &Diagnostic, broken: &[Span]) -> bool {
    match finding.code {
        Code::Toml | Code::Json => false,
        Code::MissingKey | Code::NoMatch => true,
        Code::TestCase if finding.message.contains("expects nothing") => true,
        _ => {
            let line = source.position(finding.primary.span.start).line;
            broken.iter().any(|span| source.position(span.start).line == line)
        }
    }
}

/// What a lone attribute name of a target or test was meant to be, when the advice is one name to put there.
fn suggested(help: &str) -> Option<&str> {
    help.strip_prefix("did you mean `")?.strip_suffix("`?")
}

/// Adds the word that was meant, quoted, as a fix of the whole place.
fn instead(finding: Diagnostic, near: Option<&str>) -> Diagnostic {
    let span = finding.primary.span;
    match near {
        Some(near) => finding.fix(span, format!("{near:?}"), format!("did you mean `{near}`?")),
        None => finding,
    }
}

/// A kind in a sentence: "gives a list".
fn article(kinds: &str) -> String {
    match kinds.chars().next() {
        _ if kinds.starts_with("text") || kinds.starts_with("any") => kinds.to_owned(),
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {kinds}"),
        _ => format!("a {kinds}"),
    }
}

/// How many pairs of names are compared to find slips in the records of tests.
const MAX_SLIPS: usize = 200_000;

struct Compiler<'c> {
    source: &'c Source,
    names: SourceNames,
    macros: BTreeMap<String, String>,
    toolbox: Toolbox,
    schema: Option<ResourceSchema>,
    layout: Layout,
    /// What is left of [`MAX_SLIPS`].
    slips: usize,
    found: &'c mut Vec<Diagnostic>,
}

/// The resource type as the schema spells it.
fn canonical(resource: &str) -> &str {
    ["User", "Group"].into_iter().find(|known| known.eq_ignore_ascii_case(resource)).unwrap_or(resource)
}

/// The place of a rule in the payload and what it takes.
struct Place {
    schema: Option<String>,
    steps: Vec<Step>,
    path: String,
    kind: AttributeType,
    multi_valued: bool,
    coercion: Coercion,
}

/// What a rule above writes.
struct Written {
    schema: Option<String>,
    steps: Vec<Step>,
    span: Span,
}

impl Written {
    /// Whether one of the two places holds the other, or one takes a list by index that the other takes by marks.
    fn overlaps(&self, place: &Place) -> bool {
        let differ = |(one, other): (&Step, &Step)| match (one, other) {
            (Step::Index(_), Step::Element { .. }) | (Step::Element { .. }, Step::Index(_)) => false,
            (one, other) => one != other,
        };
        self.schema == place.schema && !self.steps.iter().zip(&place.steps).any(differ)
    }
}

/// The attributes of a SCIM user or group as records of a source have them: roots, parts, and extensions by URN.
fn scim_names(resource: &str) -> Vec<String> {
    let kind = if resource.eq_ignore_ascii_case("Group") { "Group" } else { "User" };
    let Some(schema) = ResourceSchema::for_resource(kind) else { return Vec::new() };
    let mut names = Vec::new();
    for of in schema.schemas() {
        let extension = (of.id != schema.core.id).then_some(of.id.as_ref());
        names.extend(extension.map(str::to_owned));
        let common = scim::schema::common().iter().filter(|_| extension.is_none());
        for attribute in common.chain(&of.attributes) {
            // Under a URN, also the old form with a dot, which records are read by too.
            let ways = match extension {
                None => vec![attribute.name.to_string()],
                Some(urn) => vec![format!("{urn}:{}", attribute.name), format!("{urn}.{}", attribute.name)],
            };
            for way in ways {
                names.extend(attribute.sub_attributes.iter().map(|sub| format!("{way}.{}", sub.name)));
                names.push(way);
            }
        }
    }
    // Memberships tell it beside `display`.
    names.extend((kind == "User").then(|| "groups.displayName".to_owned()));
    names
}

impl<'c> Compiler<'c> {
    fn new(source: &'c Source, file: &File, found: &'c mut Vec<Diagnostic>) -> Self {
        let resource = file.resource.as_ref().map_or("User", |resource| canonical(&resource.value));
        let names = match &file.source {
            Some(declared) if declared.kind == Some("entra") => {
                SourceNames::entra(resource, declared.attributes.iter().cloned())
            }
            Some(declared) if declared.kind == Some("scim") => {
                SourceNames::below(scim_names(resource).into_iter().chain(declared.attributes.iter().cloned()))
            }
            Some(declared) if !declared.attributes.is_empty() => SourceNames::only(declared.attributes.iter().cloned()),
            _ => SourceNames::open(),
        };
        let macros = file.env.macros.iter().cloned().collect();
        let mut layout = Layout::default();
        let toolbox = program::toolbox(file, &mut layout, &names, found);
        Self { source, names, macros, toolbox, schema: None, layout, slips: MAX_SLIPS, found }
    }

    fn mapping(mut self, file: File) -> Mapping {
        let name = self.name(&file);
        let resource = self.resource(&file);
        if file.rules.len() > MAX_RULES {
            let message = format!("the mapping has {} rules; at most {MAX_RULES} are taken", file.rules.len());
            self.found.push(Diagnostic::new(Code::Unreadable, message, Span::new(0, 0)));
        }
        if file.rules.is_empty()
            && file.script.is_none()
            && file.name.is_some()
            && !self.found.iter().any(|found| found.code == Code::MissingKey)
        {
            self.found.push(Diagnostic::new(Code::MissingKey, "the mapping has no rules", Span::new(0, 0)));
        }
        let scope = Scope::compile(&file.scope, &mut self.layout, &self.names, self.found);
        let has_matching = file.rules.iter().any(|rule| rule.is_matching);
        let mut shape = Shape::new();
        let mut rules: Vec<Rule> = Vec::new();
        let mut places: Vec<Written> = Vec::new();
        let mut known: BTreeMap<String, Span> = BTreeMap::new();
        let mut extensions: Vec<String> = Vec::new();
        for entry in file.rules.into_iter().take(MAX_RULES) {
            let place = self.target(&entry, file.json_target);
            if let Some(place) = &place {
                let span = entry.target.span;
                if let Some(first) = known.get(&place.path) {
                    self.found.push(
                        Diagnostic::new(
                            Code::DuplicateTarget,
                            format!("two rules write `{}`", shorten(&place.path)),
                            span,
                        )
                        .also(*first, "the first is here")
                        .help("keep one; for a fall-back write `Coalesce([a], [b])` in it"),
                    );
                } else if shape.insert(place.schema.as_deref(), &place.steps, rules.len()).is_err() {
                    let finding = Diagnostic::new(
                        Code::DuplicateTarget,
                        format!("`{}` overlaps with another rule's target", shorten(&place.path)),
                        span,
                    )
                    .help("write either the whole attribute or its parts");
                    let other = places.iter().find(|other| other.overlaps(place));
                    self.found.push(match other {
                        Some(other) => finding.also(other.span, "the other is here"),
                        None => finding,
                    });
                }
                known.entry(place.path.clone()).or_insert(span);
                places.push(Written { schema: place.schema.clone(), steps: place.steps.clone(), span });
                if let Some(urn) = &place.schema
                    && !extensions.contains(urn)
                {
                    extensions.push(urn.clone());
                }
            }
            rules.extend(self.rule(entry, place.as_ref(), file.language.unwrap_or(Language::Entra)));
        }
        shape.finish();
        self.check_matching(&rules, has_matching || file.json_target);
        let schemas = match (&self.schema, file.json_target) {
            (Some(schema), false) => schemas_json(&schema.core.id, &extensions),
            _ => Vec::new(),
        };
        let script = file.script.and_then(|entry| self.script(entry, file.json_target));
        let mut env = self.env(&file.env);
        env.limits = Some(self.toolbox.limits());
        let cases = file.tests.into_iter().map(|test| self.case(test, file.json_target)).collect();
        Mapping {
            name,
            resource,
            schema: if script.is_some() && !file.json_target { self.schema } else { None },
            source: self.source.clone(),
            layout: self.layout,
            scope,
            plans: rules.iter().map(Plan::of).collect(),
            constants: rules.iter().map(|rule| matches!(rule.body, RuleBody::Constant(_))).collect(),
            rules,
            shape,
            script,
            schemas,
            send_empty: file.send_empty,
            env,
            cases,
        }
    }

    fn name(&mut self, file: &File) -> String {
        match &file.name {
            Some(name) => {
                let fine = !name.value.is_empty()
                    && name.value.len() <= 100
                    && name.value.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
                if !fine {
                    self.found.push(
                        Diagnostic::new(
                            Code::WrongValue,
                            format!("{:?} cannot be a mapping's name", shorten(&name.value)),
                            name.span,
                        )
                        .label("letters, digits, `-`, `_` and `.`, up to 100"),
                    );
                }
                name.value.clone()
            }
            None => {
                self.found.push(
                    Diagnostic::new(Code::MissingKey, "the mapping has no name", Span::new(0, 0))
                        .help("add `name = \"entra-user\"` as the first line"),
                );
                String::new()
            }
        }
    }

    fn resource(&mut self, file: &File) -> String {
        let Some(resource) = &file.resource else {
            self.found.push(
                Diagnostic::new(Code::MissingKey, "the mapping does not say which resource it makes", Span::new(0, 0))
                    .help("add `resource = \"User\"` or `resource = \"Group\"`"),
            );
            return "User".into();
        };
        self.schema = match ResourceSchema::for_resource(&resource.value) {
            Some(schema) => Some(schema),
            None if file.json_target => None,
            None => {
                let finding = Diagnostic::new(
                    Code::WrongValue,
                    format!("there is no resource type {:?}", shorten(&resource.value)),
                    resource.span,
                )
                .label("the schema knows User and Group")
                .help("for another one say `[target]` `kind = \"json\"`");
                self.found.push(instead(finding, closest(&resource.value, ["User", "Group"])));
                None
            }
        };
        for extension in &file.extensions {
            if !extension.urn.value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
                self.found.push(
                    Diagnostic::new(
                        Code::WrongValue,
                        format!("{:?} is not a schema URN", shorten(&extension.urn.value)),
                        extension.urn.span,
                    )
                    .help("write `[extensions.\"urn:ietf:params:scim:schemas:extension:Name:2.0:User\"]`"),
                );
                continue;
            }
            let mut attributes = Vec::new();
            for attribute in &extension.attributes {
                match AttributeType::parse(&attribute.kind.value) {
                    Some(kind) => attributes.push(
                        scim::Attribute::new(attribute.name.clone(), kind, "").multi_valued(attribute.multi_valued),
                    ),
                    None => {
                        let words: Vec<&str> = AttributeType::ALL.iter().map(|kind| kind.as_str()).collect();
                        let finding = Diagnostic::new(
                            Code::WrongValue,
                            format!("{:?} is not a type", shorten(&attribute.kind.value)),
                            attribute.kind.span,
                        )
                        .label(format!("it is one of {}", words.join(", ")));
                        self.found.push(instead(finding, closest(&attribute.kind.value, words.iter().copied())));
                    }
                }
            }
            self.schema = self.schema.take().map(|schema| schema.with_extension(&extension.urn.value, attributes));
        }
        canonical(&resource.value).to_owned()
    }

    /// Where a rule writes.
    fn target(&mut self, entry: &RuleEntry, json: bool) -> Option<Place> {
        let (name, at) = (entry.target.name.as_str(), entry.target.span);
        let syntax = |mut error: PathError| {
            error.message = format!("target path: {}", error.message);
            (Code::TargetSyntax, error)
        };
        let result = if json {
            scim::json_target(name).map_err(syntax).map(|steps| {
                Some(Place {
                    schema: None,
                    steps,
                    path: name.to_owned(),
                    kind: AttributeType::Any,
                    multi_valued: true,
                    coercion: Coercion::KEEP,
                })
            })
        } else {
            scim::parse_path(name).map_err(syntax).and_then(|path| {
                let Some(schema) = &self.schema else { return Ok(None) };
                let target = scim::resolve(&path, schema).map_err(|error| (Code::UnknownTarget, error))?;
                Ok(Some(Place {
                    path: target.place(),
                    coercion: Coercion::scim(target.kind, target.multi_valued),
                    kind: target.kind,
                    multi_valued: target.multi_valued,
                    schema: target.schema,
                    steps: target.steps,
                }))
            })
        };
        result.unwrap_or_else(|(code, error)| {
            let finding = self.path_finding(code, error, name, at);
            self.found.push(finding);
            None
        })
    }

    /// What is wrong with the path `name` that stands at `at`, a key or a string.
    fn path_finding(&self, code: Code, error: PathError, name: &str, at: Span) -> Diagnostic {
        let raw = self.source.slice(at);
        let quote = raw.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        // With escapes in it, or in several lines, the path is not found again in the file.
        let quotes = usize::from(quote.is_some());
        let plain = raw.len() == name.len() + 2 * quotes;
        let span = if plain { error.span.shifted(at.start + u32::from(quote.is_some())) } else { at };
        // A name in a headline is cut; the path's reader shows it whole.
        let message = match name.get(error.span.range()) {
            Some(part) if !part.is_empty() => error.message.replace(part, &shorten(part)),
            _ => error.message,
        };
        let finding = Diagnostic::new(code, message, span);
        let Some(near) = error.help.as_deref().and_then(suggested).filter(|_| plain) else {
            return finding.help_if(error.help);
        };
        let title = format!("did you mean `{near}`?");
        let word = near.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_$".contains(letter));
        let whole = error.span == Span::new(0, name.len());
        match quote {
            _ if word => finding.fix(span, near, title),
            // More than a name stands for the whole path or for nothing.
            Some('\'') if whole && !near.contains('\'') => finding.fix(span, near, title),
            None if whole && !near.contains('\'') => finding.fix(at, format!("'{near}'"), title),
            _ => finding.help(title),
        }
    }

    fn check_matching(&mut self, rules: &[Rule], found: bool) {
        let mut seen: Vec<(u32, Span)> = Vec::new();
        for rule in rules {
            let Some(precedence) = rule.matching else { continue };
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == precedence) {
                self.found.push(
                    Diagnostic::new(
                        Code::DuplicateMatch,
                        format!("two rules have the matching precedence {precedence}"),
                        rule.target_span,
                    )
                    .also(*first, "the first is here")
                    .help("give each matching rule a number of its own; the lowest is tried first"),
                );
            }
            seen.push((precedence, rule.target_span));
        }
        if !found && !rules.is_empty() {
            self.found.push(
                Diagnostic::new(Code::NoMatch, "no rule says how an object is found", Span::new(0, 0))
                    .help("add `match = 1` to the rule of the attribute that identifies an object, such as userName"),
            );
        }
    }
}

fn schemas_json(core: &str, extensions: &[String]) -> Vec<u8> {
    let mut out = b"\"schemas\":[".to_vec();
    for (index, urn) in std::iter::once(core).chain(extensions.iter().map(String::as_str)).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(urn, &mut out);
    }
    out.push(b']');
    out
}
