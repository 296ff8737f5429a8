//! Reads what the programs of a file share: snippets, the budget, the script that makes a whole payload.

use super::super::tree::{Item, Key, Table, Text};
use super::{OnError, Reader, ScriptEntry};
use crate::function::Limits;
use crate::text::{Code, Diagnostic};

impl Reader<'_> {
    /// Named texts.
    pub(super) fn texts(&mut self, table: Table) -> Vec<(Key, Text)> {
        let mut texts = Vec::new();
        for (key, node) in table.entries {
            match node.item {
                Item::String(text) => texts.push((key, text)),
                _ => self.wrong_type(&key, &node, "a string"),
            }
        }
        texts
    }

    /// The script and what its failure does.
    pub(super) fn script(&mut self, name: &Key, table: Table) -> Option<ScriptEntry> {
        let mut script = None;
        let mut on_error = OnError::Halt;
        for (key, node) in table.entries {
            match key.name.as_str() {
                "rhai" => match node.item {
                    Item::String(text) => script = Some(text),
                    _ => self.wrong_type(&key, &node, "a string"),
                },
                "on_error" => on_error = self.on_error(&key, &node),
                _ => self.unknown(&key, &["rhai", "on_error"], "[script]"),
            }
        }
        if script.is_none() && !self.found.iter().any(|found| name.span.end <= found.primary.span.start) {
            self.found.push(
                Diagnostic::new(Code::MissingKey, "[script] has no program", name.span)
                    .help("add `rhai = '''…'''`, a script that gives a map"),
            );
        }
        Some(ScriptEntry { text: script?, key: name.span, on_error })
    }

    /// What each run of a program may use.
    pub(super) fn budget(&mut self, table: Table) -> Limits {
        let mut limits = Limits::DEFAULT;
        let most = Limits::MOST;
        for (key, node) in table.entries {
            let most = match key.name.as_str() {
                "steps" => most.steps,
                "depth" => most.depth as u64,
                "output" => most.output as u64,
                "list" => most.list as u64,
                "milliseconds" => most.milliseconds,
                _ => {
                    self.unknown(&key, &["steps", "depth", "output", "list", "milliseconds"], "[budget]");
                    continue;
                }
            };
            let number = match node.item {
                Item::Integer(number) => u64::try_from(number).ok().filter(|number| (1..=most).contains(number)),
                _ => None,
            };
            let Some(number) = number else {
                let wanted = format!("a whole number from 1 to {most}");
                if let Item::Integer(_) = node.item {
                    let message = format!("`{}` must be {wanted}", key.name);
                    self.found
                        .push(Diagnostic::new(Code::WrongType, message, node.span).label("this is none of those"));
                } else {
                    self.wrong_type(&key, &node, &wanted);
                }
                continue;
            };
            match key.name.as_str() {
                "steps" => limits.steps = number,
                "depth" => limits.depth = number as usize,
                "output" => limits.output = number as usize,
                "list" => limits.list = number as usize,
                _ => limits.milliseconds = number,
            }
        }
        limits
    }
}
