//! A file's parts to a [`Mapping`]: programs compiled, targets resolved, rules checked against each other. All findings
//! are kept; a mapping comes out only when none is an error.

mod cases;

use std::collections::BTreeMap;

use crate::function::Kinds;
use crate::language::{Language, Program};
use crate::language::entra::{Expression, Surroundings};
use crate::language::names::SourceNames;
use crate::scim::{self, AttributeType, PathError, ResourceSchema, Step};
use crate::text::{Code, Diagnostic, Diagnostics, Source, Span, closest, shorten};
use crate::value::{Arena, Layout, from_json, write_json_string};

use super::coerce::Coercion;
use super::file::{self, File, Placed, ProgramEntry, RuleEntry};
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

impl<'c> Compiler<'c> {
    fn new(source: &'c Source, file: &File, found: &'c mut Vec<Diagnostic>) -> Self {
        let resource = file.resource.as_ref().map_or("User", |resource| canonical(&resource.value));
        let names = match &file.source {
            Some(declared) if declared.entra => SourceNames::entra(resource, declared.attributes.iter().cloned()),
            Some(declared) if !declared.attributes.is_empty() => SourceNames::only(declared.attributes.iter().cloned()),
            _ => SourceNames::open(),
        };
        let macros = file.env.macros.iter().cloned().collect();
        Self { source, names, macros, schema: None, layout: Layout::default(), slips: MAX_SLIPS, found }
    }

    fn mapping(mut self, file: File) -> Mapping {
        let name = self.name(&file);
        let resource = self.resource(&file);
        if file.rules.len() > MAX_RULES {
            let message = format!("the mapping has {} rules; at most {MAX_RULES} are taken", file.rules.len());
            self.found.push(Diagnostic::new(Code::Unreadable, message, Span::new(0, 0)));
        }
        if file.rules.is_empty()
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
        let env = self.env(&file.env);
        let cases = file.tests.into_iter().map(|test| self.case(test, file.json_target)).collect();
        Mapping {
            name,
            resource,
            source: self.source.clone(),
            layout: self.layout,
            scope,
            copies: rules.iter().map(Rule::copies).collect(),
            constants: rules.iter().map(|rule| matches!(rule.body, RuleBody::Constant(_))).collect(),
            rules,
            shape,
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

    fn rule(&mut self, entry: RuleEntry, place: Option<&Place>, language: Language) -> Option<Rule> {
        let program = entry.program?;
        let (coercion, path) = place
            .as_ref()
            .map_or((Coercion::KEEP, entry.target.name.clone()), |place| (place.coercion, place.path.clone()));
        let arena = Arena::new();
        if let Some(default) = &entry.default
            && let Err(fault) = coercion.apply(from_json(&default.value, &arena), &arena)
        {
            self.found.push(Diagnostic::new(
                Code::TargetKind,
                format!("the default for `{}` does not fit: {fault}", shorten(&path)),
                default.span,
            ));
        }
        let body = match program {
            ProgramEntry::Constant(constant) => {
                if let Err(fault) = coercion.apply(from_json(&constant.value, &arena), &arena) {
                    let message = format!("the constant for `{}` does not fit: {fault}", shorten(&path));
                    self.found.push(Diagnostic::new(Code::TargetKind, message, constant.span));
                }
                if let Some(matching) = &entry.matching {
                    self.found.push(
                        Diagnostic::new(Code::MatchOnSeveral, "a constant cannot find an object", matching.span)
                            .help("match on a rule that reads one attribute"),
                    );
                }
                RuleBody::Constant(constant.value)
            }
            ProgramEntry::Text { language: own, text, span } => {
                let language = own.unwrap_or(language);
                if language != Language::Entra {
                    // Said where the language is named.
                    return None;
                }
                let surroundings = Surroundings { source: &self.names, macros: &self.macros, direct: true };
                let (expression, found) = Expression::compile(&text.value, &mut self.layout, &surroundings);
                self.found.extend(found.into_iter().map(|finding| text.places.finding(finding)));
                let expression = expression?;
                if let Some(place) = place {
                    self.check_kind(place, &expression, &text, span);
                }
                self.check_rule(&expression, entry.matching.as_ref(), entry.create_only, span);
                let tree::Text { value, places } = text;
                RuleBody::Program { program: Program::Entra(expression), text: value, places, language }
            }
        };
        Some(Rule {
            target: path,
            target_span: entry.target.span,
            body,
            matching: entry.matching.map(|matching| matching.value),
            default: entry.default.map(|default| default.value),
            required: entry.required,
            create_only: entry.create_only.is_some(),
            on_error: entry.on_error,
            coercion,
            takes_text: coercion.takes_text(),
        })
    }

    /// Whether the program's value can be what the target takes.
    fn check_kind(&mut self, place: &Place, expression: &Expression, text: &tree::Text, span: Span) {
        let kinds = expression.kinds().except(Kinds::NULL);
        let text_like = Kinds::TEXT | Kinds::INTEGER | Kinds::BOOLEAN | Kinds::DATE;
        let (wanted, what) = match place.kind {
            AttributeType::Any => return,
            AttributeType::Boolean => (Kinds::BOOLEAN | Kinds::TEXT, "a boolean"),
            AttributeType::Integer | AttributeType::Decimal => (Kinds::INTEGER | Kinds::TEXT, "a number"),
            AttributeType::Complex if place.multi_valued => (text_like | Kinds::OBJECT, "a list of complex values"),
            AttributeType::Complex => (Kinds::OBJECT, "a complex value"),
            _ => (text_like, "text"),
        };
        let wanted = if place.multi_valued { wanted | Kinds::LIST } else { wanted };
        if !kinds.is_none() && !kinds.meets(wanted) {
            let part = self.part(place);
            self.found.push(
                Diagnostic::new(
                    Code::TargetKind,
                    format!("`{}` takes {what}, and the expression gives {}", place.path, article(&kinds.to_string())),
                    span,
                )
                .label("this can never fit")
                .help(match part {
                    Some(part) => format!("write its parts, each in a rule of its own, such as `{part}`"),
                    None if kinds.meets(Kinds::LIST) => {
                        "take one value with `Item(…, 1)` or join them with `Join(\",\", …)`".to_owned()
                    }
                    None => "turn it into what the target takes, for example with IIF".to_owned(),
                }),
            );
            return;
        }
        for (constant, at) in expression.constant_results() {
            let fits = match place.kind {
                AttributeType::Boolean => {
                    ["true", "false", "0", "1"].iter().any(|word| constant.eq_ignore_ascii_case(word))
                        || constant.is_empty()
                }
                AttributeType::Integer => crate::value::parse_integer(constant).is_some() || constant.is_empty(),
                _ => true,
            };
            if !fits {
                let finding = Diagnostic::new(
                    Code::TargetKind,
                    format!("`{}` takes {what}, and {:?} is none", place.path, shorten(constant)),
                    text.places.place(at),
                );
                self.found.push(if place.kind == AttributeType::Boolean {
                    finding.help("write \"True\" or \"False\"")
                } else {
                    finding
                });
            }
        }
    }

    /// A sub-attribute of a single complex target, as a target of its own.
    fn part(&self, place: &Place) -> Option<String> {
        let (AttributeType::Complex, false, [Step::Key(name)]) = (place.kind, place.multi_valued, &*place.steps) else {
            return None;
        };
        let schema = self.schema.as_ref()?;
        let attribute = match &place.schema {
            Some(urn) => schema.schema(urn)?.attribute(name)?,
            None => schema.attribute(name)?,
        };
        let sub = ["givenName", "value"].into_iter().find_map(|usual| attribute.sub(usual));
        let sub = sub.or(attribute.sub_attributes.first())?;
        Some(format!("{}.{}", place.path, sub.name))
    }

    /// What Entra asks of matching rules and of SelectUniqueValue.
    fn check_rule(
        &mut self,
        expression: &Expression,
        matching: Option<&Placed<u32>>,
        create_only: Option<Span>,
        span: Span,
    ) {
        if let Some(matching) = matching
            && expression.reads().len() != 1
        {
            let count = expression.reads().len();
            self.found.push(
                Diagnostic::new(
                    Code::MatchOnSeveral,
                    format!("a matching rule reads one attribute; this one reads {count}"),
                    span,
                )
                .also(matching.span, "it is a matching rule")
                .help("Entra refuses it too (\"Joining property has more than one SourceName\"): match on an attribute of its own"),
            );
        }
        if expression.is_unique() && (create_only.is_none() || matching.is_some()) {
            self.found.push(
                Diagnostic::new(
                    Code::MisplacedFunction,
                    "a rule with SelectUniqueValue applies only when the object is created",
                    span,
                )
                .label("an update would find the object's own value taken")
                .help("add `apply = \"create\"`, and do not match on it"),
            );
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
