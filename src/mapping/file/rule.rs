//! Reads a rule: a program alone, or a table.

use serde_json::Value as Json;

use super::super::tree::{Item, Key, Node, Table};
use super::{OnError, Placed, ProgramEntry, Reader, RuleEntry};
use crate::language::Language;
use crate::text::{Code, Diagnostic, shorten};

impl Reader<'_> {
    /// A value as JSON.
    fn value(&mut self, node: &Node) -> Placed<Json> {
        Placed { value: node.to_json(self.found), span: node.span }
    }

    /// `name.givenName = '…'` without quotes is a table `name` with a key `givenName`, which no rule has.
    fn is_dotted_target(&mut self, target: &Key, table: &Table, keys: &[&str]) -> bool {
        let is_program = |node: &Node| matches!(node.item, Item::String(_) | Item::Table(_));
        let dotted = !table.entries.is_empty()
            && table.entries.iter().all(|(key, node)| {
                key.span.start >= target.span.end && !keys.contains(&key.name.as_str()) && is_program(node)
            })
            // In `name = { … }` and in `"name": { … }` an equals sign, a colon, blanks stand between.
            && table.entries.first().is_some_and(|(key, _)| key.span.start == target.span.end + 1);
        if !dotted {
            return false;
        }
        for (key, _) in &table.entries {
            let path = format!("{}.{}", target.name, key.name);
            let finding =
                Diagnostic::new(Code::UnknownKey, format!("`{}` is not a key of a rule", shorten(&key.name)), key.span)
                    .label("a dot outside of quotes makes a table");
            self.found.push(if key.span.start == target.span.end + 1 && !path.contains('\'') {
                finding.fix(target.span.to(key.span), format!("'{path}'"), "put the target in quotes")
            } else {
                finding.help(format!("put the target in quotes: `'{path}' = …`"))
            });
        }
        true
    }

    pub(super) fn on_error(&mut self, key: &Key, node: &Node) -> OnError {
        match self.choice(key, node, &["halt", "skip", "null"]) {
            Some("skip") => OnError::Skip,
            Some("null") => OnError::Null,
            _ => OnError::Halt,
        }
    }

    pub(super) fn rule(&mut self, target: Key, node: Node) -> RuleEntry {
        let mut rule = RuleEntry {
            target,
            program: None,
            value: None,
            matching: None,
            is_matching: false,
            default: None,
            required: false,
            create_only: None,
            on_error: OnError::Halt,
            span: node.span,
        };
        let table = match node.item {
            Item::String(text) => {
                rule.program = Some(ProgramEntry::Text { language: None, text, span: node.span });
                return rule;
            }
            Item::Table(table) => table,
            _ => {
                let key = Key { name: rule.target.name.clone(), span: rule.target.span };
                self.wrong_type(&key, &node, "an expression, or a table such as { expr = '[mail]', required = true }");
                return rule;
            }
        };
        let keys =
            ["expr", "const", "liquid", "rhai", "jinja", "value", "match", "default", "required", "apply", "on_error"];
        if self.is_dotted_target(&rule.target, &table, &keys) {
            return rule;
        }
        let mut program_key: Option<Key> = None;
        for (key, node) in table.entries {
            let language = match key.name.as_str() {
                "expr" => Some(Language::Entra),
                other => Language::parse(other).filter(|language| *language != Language::Entra),
            };
            if language.is_some() || key.name == "const" {
                if let Some(first) = &program_key {
                    self.found.push(
                        Diagnostic::new(
                            Code::ConflictingKeys,
                            format!("the rule has two programs: `{}` and `{}`", first.name, key.name),
                            key.span,
                        )
                        .also(first.span, "the first is here")
                        .help("keep one of them"),
                    );
                    continue;
                }
                rule.program = match (language, node) {
                    (Some(language), Node { item: Item::String(text), span }) => {
                        Some(ProgramEntry::Text { language: Some(language), text, span })
                    }
                    (Some(_), node) => {
                        self.wrong_type(&key, &node, "a string");
                        None
                    }
                    (None, node) => Some(ProgramEntry::Constant(self.value(&node))),
                };
                program_key = Some(key);
                continue;
            }
            match key.name.as_str() {
                "match" => {
                    rule.is_matching = true;
                    match node.item {
                        Item::Integer(number @ 1..=1_000) => {
                            rule.matching = Some(Placed { value: number as u32, span: node.span });
                        }
                        _ => self.wrong_type(&key, &node, "a whole number from 1 to 1000"),
                    }
                }
                "value" => rule.value = self.word(&key, &node),
                "default" => rule.default = Some(self.value(&node)),
                "required" => rule.required = self.flag(&key, &node).unwrap_or_default(),
                "apply" => {
                    if self.choice(&key, &node, &["always", "create"]) == Some("create") {
                        rule.create_only = Some(node.span);
                    }
                }
                "on_error" => rule.on_error = self.on_error(&key, &node),
                _ => self.unknown(&key, &keys, "a rule"),
            }
        }
        if program_key.is_none() {
            self.found.push(
                Diagnostic::new(
                    Code::MissingKey,
                    format!("the rule for `{}` has no program", shorten(&rule.target.name)),
                    rule.span,
                )
                .help("add `expr = '…'` or `const = …`"),
            );
        }
        rule
    }
}
