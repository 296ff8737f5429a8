//! A file's parts to a [`Mapping`]: programs compiled, targets resolved, rules checked against each other. All findings
//! are kept; a mapping comes out only when none is an error.

use std::collections::BTreeMap;

use crate::dotnet::date;
use crate::function::Kinds;
use crate::language::Program;
use crate::language::entra::{Expression, Surroundings};
use crate::language::names::SourceNames;
use crate::scim::{self, AttributeType, ResourceSchema, Step};
use crate::text::{Code, Diagnostic, Diagnostics, Source, Span, closest, did_you_mean};
use crate::value::{Arena, Layout, from_json, write_json_string};

use super::case::{Case, Expected, Spot};
use super::coerce::Coercion;
use super::file::{self, EnvTable, File, Language, Placed, ProgramEntry, RuleEntry};
use super::scope::Scope;
use super::shape::Shape;
use super::{EnvLayer, MAX_FILE, MAX_RULES, Mapping, Rule, RuleBody, tree};

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
    let file = file::read(tree::read(source, &mut found), &mut found);
    let mapping = Compiler::new(source, &file, &mut found).mapping(file);
    diagnostics.extend(found);
    diagnostics.finish();
    let mapping = (diagnostics.errors() == 0).then_some(mapping);
    Compiled { mapping, diagnostics }
}

struct Compiler<'c> {
    source: &'c Source,
    names: SourceNames,
    macros: BTreeMap<String, String>,
    schema: Option<ResourceSchema>,
    layout: Layout,
    found: &'c mut Vec<Diagnostic>,
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

impl<'c> Compiler<'c> {
    fn new(source: &'c Source, file: &File, found: &'c mut Vec<Diagnostic>) -> Self {
        let resource = file.resource.as_ref().map_or("User", |resource| resource.value.as_str());
        let names = match &file.source {
            Some(declared) if declared.entra => SourceNames::entra(resource, declared.attributes.iter().cloned()),
            Some(declared) if !declared.attributes.is_empty() => SourceNames::only(declared.attributes.iter().cloned()),
            _ => SourceNames::open(),
        };
        let macros = file.env.macros.iter().cloned().collect();
        Self { source, names, macros, schema: None, layout: Layout::default(), found }
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
        let mut shape = Shape::new();
        let mut rules: Vec<Rule> = Vec::new();
        let mut places: Vec<(String, Span)> = Vec::new();
        let mut extensions: Vec<String> = Vec::new();
        for entry in file.rules.into_iter().take(MAX_RULES) {
            let place = self.target(&entry, file.json_target);
            if let Some(place) = &place {
                if let Some((_, first)) = places.iter().find(|(known, _)| *known == place.path) {
                    self.found.push(
                        Diagnostic::new(
                            Code::DuplicateTarget,
                            format!("two rules write `{}`", place.path),
                            entry.target.span,
                        )
                        .also(*first, "the first is here")
                        .help("keep one; for a fall-back write `Coalesce([a], [b])` in it"),
                    );
                } else if shape.insert(place.schema.as_deref(), &place.steps, rules.len()).is_err() {
                    self.found.push(
                        Diagnostic::new(
                            Code::DuplicateTarget,
                            format!("`{}` overlaps with another rule's target", place.path),
                            entry.target.span,
                        )
                        .help("write either the whole attribute or its parts"),
                    );
                }
                places.push((place.path.clone(), entry.target.span));
                if let Some(urn) = &place.schema
                    && !extensions.contains(urn)
                {
                    extensions.push(urn.clone());
                }
            }
            rules.extend(self.rule(entry, place.as_ref(), file.language.unwrap_or(Language::Entra)));
        }
        shape.finish();
        self.check_matching(&rules, file.json_target);
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
                            format!("{:?} cannot be a mapping's name", name.value),
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
                self.found.push(
                    Diagnostic::new(
                        Code::WrongValue,
                        format!("there is no resource type {:?}", resource.value),
                        resource.span,
                    )
                    .label("the schema knows User and Group")
                    .help_if(did_you_mean(&resource.value, ["User", "Group"]))
                    .help("for another one say `[target]` `kind = \"json\"`"),
                );
                None
            }
        };
        for extension in &file.extensions {
            if !extension.urn.value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
                self.found.push(
                    Diagnostic::new(
                        Code::WrongValue,
                        format!("{:?} is not a schema URN", extension.urn.value),
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
                        self.found.push(
                            Diagnostic::new(
                                Code::WrongValue,
                                format!("{:?} is not a type", attribute.kind.value),
                                attribute.kind.span,
                            )
                            .label(format!("it is one of {}", words.join(", ")))
                            .help_if(did_you_mean(&attribute.kind.value, words.iter().copied())),
                        );
                    }
                }
            }
            self.schema = self.schema.take().map(|schema| schema.with_extension(&extension.urn.value, attributes));
        }
        resource.value.clone()
    }

    /// Where a rule writes.
    fn target(&mut self, entry: &RuleEntry, json: bool) -> Option<Place> {
        let at = |span: Span| {
            // The key's own span may hold quotes; its text begins behind them.
            let key = self.source.slice(entry.target.span);
            let quote = u32::from(key.starts_with(['"', '\'']));
            if key.len() == entry.target.name.len() + 2 * quote as usize {
                span.shifted(entry.target.span.start + quote)
            } else {
                entry.target.span
            }
        };
        if json {
            return match scim::json_target(&entry.target.name) {
                Ok(steps) => Some(Place {
                    schema: None,
                    steps,
                    path: entry.target.name.clone(),
                    kind: AttributeType::Any,
                    multi_valued: true,
                    coercion: Coercion::KEEP,
                }),
                Err(error) => {
                    let finding =
                        Diagnostic::new(Code::TargetSyntax, error.message, at(error.span)).help_if(error.help);
                    self.found.push(finding);
                    None
                }
            };
        }
        let path = match scim::parse_path(&entry.target.name) {
            Ok(path) => path,
            Err(error) => {
                let finding = Diagnostic::new(Code::TargetSyntax, error.message, at(error.span)).help_if(error.help);
                self.found.push(finding);
                return None;
            }
        };
        let schema = self.schema.as_ref()?;
        match scim::resolve(&path, schema) {
            Ok(target) => Some(Place {
                path: target.place(),
                coercion: Coercion::scim(target.kind, target.multi_valued),
                kind: target.kind,
                multi_valued: target.multi_valued,
                schema: target.schema,
                steps: target.steps,
            }),
            Err(error) => {
                let finding = Diagnostic::new(Code::UnknownTarget, error.message, at(error.span)).help_if(error.help);
                self.found.push(finding);
                None
            }
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
                format!("the default does not fit: {fault}"),
                default.span,
            ));
        }
        let mut copies = None;
        let body = match program {
            ProgramEntry::Constant(constant) => {
                if let Err(fault) = coercion.apply(from_json(&constant.value, &arena), &arena) {
                    let message = format!("the constant does not fit: {fault}");
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
                self.found.extend(found.into_iter().map(|finding| finding.map_spans(|span| text.places.place(span))));
                let expression = expression?;
                if let Some(place) = place {
                    self.check_kind(place, &expression, &text, span);
                }
                self.check_rule(&expression, entry.matching.as_ref(), entry.create_only, span);
                let tree::Text { value, places } = text;
                copies = expression.direct().filter(|_| coercion.takes_text());
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
            copies,
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
            self.found.push(
                Diagnostic::new(
                    Code::TargetKind,
                    format!("`{}` takes {what}, and the expression gives {kinds}", place.path),
                    span,
                )
                .label("this can never fit")
                .help(if kinds.meets(Kinds::LIST) {
                    "take one value with `Item(…, 1)` or join them with `Join(\",\", …)`"
                } else {
                    "turn it into what the target takes, for example with IIF"
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
                    format!("`{}` takes {what}, and {constant:?} is none", place.path),
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

    fn check_matching(&mut self, rules: &[Rule], json: bool) {
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
        if seen.is_empty() && !json && !rules.is_empty() {
            self.found.push(
                Diagnostic::new(Code::NoMatch, "no rule says how an object is found", Span::new(0, 0))
                    .help("add `match = 1` to the rule of the attribute that identifies an object, such as userName"),
            );
        }
    }

    fn env(&mut self, env: &EnvTable) -> EnvLayer {
        let now = env.now.as_ref().and_then(|now| match date::parse_any(&now.value, None) {
            Ok(moment) => Some(moment),
            Err(error) => {
                let finding = Diagnostic::new(Code::WrongValue, error.message, now.span)
                    .help("write `now = \"2026-01-31T12:00:00Z\"`");
                self.found.push(finding);
                None
            }
        });
        EnvLayer {
            default_domain: env.default_domain.clone(),
            taken: env.taken.clone(),
            now,
            guid: env.guid.clone(),
            random: env.random.clone(),
            seed: env.seed,
        }
    }

    fn case(&mut self, test: file::TestEntry, json: bool) -> Case {
        let env = self.env(&test.env);
        let reads: Vec<&str> = self.layout.reads().collect();
        for (key, span) in &test.given_keys {
            if !reads.contains(&key.as_str())
                && let Some(near) = closest(key, reads.iter().copied().filter(|name| name.len() > 4))
                && near.len() == key.len().clamp(near.len().saturating_sub(1), near.len() + 1)
                && strsim::osa_distance(near, key) <= 2
                && !test.given_keys.iter().any(|(other, _)| other == near)
            {
                self.found.push(
                    Diagnostic::new(
                        Code::SuspiciousAttribute,
                        format!("no rule reads `{key}`; it looks like a slip for `{near}`"),
                        *span,
                    )
                    .fix(*span, near, format!("did you mean `{near}`?")),
                );
            }
        }
        let mut spot = |name: &str, span: Span| -> Option<Spot> {
            if !name.contains(['.', '[', ':']) {
                return Some(Spot::top(name));
            }
            let result = if json {
                scim::json_target(name).map(|steps| Spot { schema: None, steps })
            } else {
                let schema = self.schema.as_ref()?;
                if schema.schema(name).is_some() {
                    return Some(Spot { schema: Some(name.to_owned()), steps: Vec::new() });
                }
                scim::parse_path(name)
                    .and_then(|path| scim::resolve(&path, schema))
                    .map(|target| Spot { schema: target.schema, steps: target.steps })
            };
            result
                .map_err(|error| {
                    self.found.push(Diagnostic::new(Code::TestCase, error.message, span).help_if(error.help));
                })
                .ok()
        };
        let expect = test.expect.map(|expect| {
            let entries = expect.value.into_iter().filter_map(|(key, value)| {
                let spot = spot(&key.name, key.span)?;
                Some(Expected { name: key.name, spot, value })
            });
            (entries.collect(), expect.span)
        });
        let absent = test
            .absent
            .into_iter()
            .filter_map(|path| Some((path.value.clone(), spot(&path.value, path.span)?)))
            .collect();
        Case {
            name: test.name.value,
            span: test.name.span,
            given: test.given,
            expect,
            exact: test.exact,
            absent,
            skip: test.skip,
            error: test.error,
            in_scope: test.in_scope,
            update: test.update,
            env,
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
