//! Reads the `[[tests]]`.

use serde_json::Value as Json;

use super::super::tree::{Item, Key, Node, Table};
use super::{EnvTable, Placed, Reader, TestEntry, Wanted};
use crate::text::{Code, Diagnostic, Span};

impl Reader<'_> {
    pub(super) fn tests(&mut self, key: &Key, node: Node) -> Vec<TestEntry> {
        let mut tests = Vec::new();
        for node in self.array(key, node) {
            match node.item {
                Item::Table(table) => tests.push(self.test(table, node.span)),
                _ => self.wrong_element(key, &node, "a table"),
            }
        }
        tests
    }

    fn test(&mut self, table: Table, span: Span) -> TestEntry {
        let mut test = TestEntry {
            name: Placed { value: String::new(), span },
            given: Json::Object(serde_json::Map::new()),
            given_keys: Vec::new(),
            expect: None,
            exact: false,
            absent: Vec::new(),
            skip: None,
            error: None,
            in_scope: None,
            update: false,
            env: EnvTable::default(),
        };
        let keys = ["name", "given", "expect", "exact", "absent", "skip", "error", "in_scope", "apply", "env"];
        let ends: Vec<(String, Span)> = table
            .entries
            .iter()
            .filter(|(key, node)| {
                let empty = matches!(&node.item, Item::Array(items) if items.is_empty());
                ["expect", "absent", "skip", "error", "in_scope"].contains(&key.name.as_str()) && !empty
            })
            .map(|(key, _)| (key.name.clone(), key.span))
            .collect();
        for (key, node) in table.entries {
            match key.name.as_str() {
                "name" => {
                    if let Some(name) = self.word(&key, &node) {
                        test.name = name;
                    }
                }
                "given" => match &node.item {
                    Item::Table(table) => {
                        test.given_keys = table.entries.iter().map(|(key, _)| (key.name.clone(), key.span)).collect();
                        test.given = node.to_json(self.found);
                    }
                    _ => self.wrong_type(&key, &node, "a table: the record"),
                },
                "expect" => {
                    let span = node.span;
                    if let Some(table) = self.table(&key, node) {
                        let found = &mut *self.found;
                        let entries = table.entries.into_iter().map(|(key, node)| (key, node.to_json(found))).collect();
                        test.expect = Some(Placed { value: entries, span });
                    }
                }
                "exact" => test.exact = self.flag(&key, &node).unwrap_or_default(),
                "absent" => test.absent = self.words(&key, node),
                "skip" => test.skip = self.wanted(&key, &node),
                "error" => test.error = self.wanted(&key, &node),
                "in_scope" => test.in_scope = self.flag(&key, &node),
                "apply" => test.update = self.choice(&key, &node, &["create", "update"]) == Some("update"),
                "env" => {
                    test.env = self.table(&key, node).map(|table| self.env(table)).unwrap_or_default();
                    if !test.env.macros.is_empty() {
                        self.found.push(
                            Diagnostic::new(Code::TestCase, "a test cannot define macros", key.span)
                                .label("they are put in when the mapping compiles")
                                .help("define them under `[env]`, for all tests"),
                        );
                    }
                }
                _ => self.unknown(&key, &keys, "a test"),
            }
        }
        if test.name.value.is_empty() {
            self.found.push(
                Diagnostic::new(Code::MissingKey, "the test has no name", span).help("add `name = \"what it shows\"`"),
            );
        }
        self.check_ends(&test, &ends);
        test
    }

    /// A record ends in one way: a payload, skipped, failed or out of scope. A test expects one of them.
    fn check_ends(&mut self, test: &TestEntry, told: &[(String, Span)]) {
        let absent = !test.absent.is_empty();
        if told.is_empty() {
            self.found.push(
                Diagnostic::new(Code::TestCase, "the test expects nothing, so it cannot fail", test.name.span)
                    .help("add `expect = { … }`, `absent = […]`, `skip`, `error` or `in_scope`"),
            );
        }
        let payload = test.expect.is_some() || absent;
        let place =
            |name: &str| told.iter().find(|(known, _)| known == name).map(|(name, span)| (name.as_str(), *span));
        let ways = [
            place("expect").or(place("absent")).filter(|_| payload),
            place("skip").filter(|_| test.skip.is_some()),
            place("error").filter(|_| test.error.is_some()),
            place("in_scope").filter(|_| test.in_scope == Some(false)).map(|(_, span)| ("in_scope = false", span)),
        ];
        let mut ways = ways.into_iter().flatten();
        if let (Some((first, at)), Some((second, also))) = (ways.next(), ways.next()) {
            self.found.push(
                Diagnostic::new(Code::TestCase, format!("`{first}` and `{second}` cannot both be expected"), also)
                    .also(at, "this is another end")
                    .help(
                        "a record ends in one way: a payload, skipped, failed or out of scope; write a test for each",
                    ),
            );
        }
    }

    fn wanted(&mut self, key: &Key, node: &Node) -> Option<Wanted> {
        match &node.item {
            Item::Boolean(true) => Some(Wanted::Any),
            Item::String(text) => Some(Wanted::Text(text.value.clone())),
            _ => {
                self.wrong_type(key, node, "true, or a text to be found in the reason");
                None
            }
        }
    }
}
