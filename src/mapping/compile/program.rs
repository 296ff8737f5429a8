//! The programs of a file: each compiled in its language and checked against what its target takes.

use std::collections::BTreeMap;

use crate::function::Kinds;
use crate::language::names::SourceNames;
use crate::language::{Language, Program, Surroundings, Toolbox, ToolboxTexts};
use crate::scim::{AttributeType, Step};
use crate::text::{Code, Diagnostic, Span, closest, shorten};
use crate::value::{Arena, Layout, from_json};

use super::super::coerce::Coercion;
use super::super::file::{File, Placed, ProgramEntry, RuleEntry, ScriptEntry};
use super::super::{Rule, RuleBody, tree};
use super::{Compiler, Place, article, instead};

/// Compiles what the file's programs share.
pub(super) fn toolbox(file: &File, layout: &mut Layout, names: &SourceNames, found: &mut Vec<Diagnostic>) -> Toolbox {
    let snippets: BTreeMap<String, String> =
        file.snippets.iter().map(|(key, text)| (key.name.clone(), text.value.clone())).collect();
    let macros = file.macros.as_ref().map(|text| text.value.clone()).unwrap_or_default();
    let texts = ToolboxTexts { snippets, macros, undefined: file.undefined };
    let (toolbox, findings) = Toolbox::compile(texts, file.budget, layout, names);
    for (name, finding) in findings.snippets {
        if let Some((_, text)) = file.snippets.iter().find(|(key, _)| key.name == name) {
            found.push(text.places.finding(finding));
        }
    }
    if let Some(text) = &file.macros {
        found.extend(findings.macros.into_iter().map(|finding| text.places.finding(finding)));
    }
    toolbox
}

impl Compiler<'_> {
    /// What a rule's `value` may be.
    fn check_value(&mut self, language: Language, value: Option<&Placed<String>>) {
        let Some(value) = value else { return };
        if language == Language::Entra {
            self.found.push(
                Diagnostic::new(
                    Code::ConflictingKeys,
                    "`value` is for Liquid, Rhai and Jinja; an expression reads the attribute itself",
                    value.span,
                )
                .help(format!("write `[{}]` in the expression", value.value)),
            );
            return;
        }
        self.found.extend(self.names.finding(&value.value, value.span, "\""));
    }

    /// The script whose map is merged into the payload, as a rule without a target of its own.
    pub(super) fn script(&mut self, entry: ScriptEntry, json: bool) -> Option<Rule> {
        let surroundings = Surroundings {
            source: &self.names,
            macros: &self.macros,
            direct: true,
            value: None,
            toolbox: &self.toolbox,
        };
        let ScriptEntry { text, key, on_error } = entry;
        let (program, found) = Program::compile(Language::Rhai, &text.value, &mut self.layout, &surroundings);
        self.found.extend(found.into_iter().map(|finding| text.places.finding(finding)));
        let program = program?;
        if let (Program::Rhai(script), Some(schema), false) = (&program, &self.schema, json) {
            for (name, span) in script.literal_keys() {
                if schema.attribute(&name).is_some() || schema.schema(&name).is_some() {
                    continue;
                }
                let at = text.places.place(span);
                let finding = Diagnostic::new(
                    Code::UnknownTarget,
                    format!("the schema has no attribute `{}`", shorten(&name)),
                    at,
                )
                .label("the map is merged into the payload")
                .help_if(
                    (name.contains('.') && !name.contains(':'))
                        .then_some("write a map in the map: `#{ name: #{ givenName: \"Ada\" } }`"),
                );
                let known = schema.core.attributes.iter().map(|attribute| &*attribute.name);
                let urns = schema.extensions.iter().map(|extension| &*extension.id);
                let near = closest(&name, known.chain(urns));
                let quoted = text.value.get(span.range()).is_some_and(|key| key.starts_with('"'));
                self.found.push(match near {
                    Some(near) if !quoted => finding.fix(at, near, format!("did you mean `{near}`?")),
                    near => instead(finding, near),
                });
            }
        }
        let tree::Text { value, places } = text;
        Some(Rule {
            target: "script".into(),
            target_span: key,
            body: RuleBody::Program { program, text: value, places, language: Language::Rhai },
            matching: None,
            default: None,
            required: false,
            create_only: false,
            on_error,
            coercion: Coercion::KEEP,
            takes_text: false,
        })
    }

    pub(super) fn rule(&mut self, entry: RuleEntry, place: Option<&Place>, language: Language) -> Option<Rule> {
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
                self.check_value(language, entry.value.as_ref());
                let surroundings = Surroundings {
                    source: &self.names,
                    macros: &self.macros,
                    direct: true,
                    value: entry.value.as_ref().map(|value| value.value.as_str()),
                    toolbox: &self.toolbox,
                };
                let (program, found) = Program::compile(language, &text.value, &mut self.layout, &surroundings);
                self.found.extend(found.into_iter().map(|finding| text.places.finding(finding)));
                let program = program?;
                if let Some(place) = place {
                    self.check_kind(place, &program, &text, span);
                }
                self.check_rule(&program, entry.matching.as_ref(), entry.create_only, span);
                let tree::Text { value, places } = text;
                RuleBody::Program { program, text: value, places, language }
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
    fn check_kind(&mut self, place: &Place, program: &Program, text: &tree::Text, span: Span) {
        let kinds = program.kinds().except(Kinds::NULL);
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
                    format!("`{}` takes {what}, and the program gives {}", place.path, article(&kinds.to_string())),
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
        let Program::Entra(expression) = program else { return };
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
    fn check_rule(&mut self, program: &Program, matching: Option<&Placed<u32>>, create_only: Option<Span>, span: Span) {
        if let Some(matching) = matching
            && program.reads().len() != 1
        {
            let count = program.reads().len();
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
        if program.is_unique() && (create_only.is_none() || matching.is_some()) {
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
}
