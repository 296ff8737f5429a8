//! Reads the tree of a mapping file into typed parts, and says of every key what is wrong with it. Nothing is compiled
//! here: that is `compile`'s.

mod rule;
mod shared;
mod test;

use serde_json::Value as Json;

use crate::function::Limits;
use crate::language::{Language, Undefined};
use crate::text::{Code, Diagnostic, Span, closest, shorten};

use super::tree::{Item, Key, Node, Table, Text};

/// A word of the file with its place.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A mapping file, read and not yet compiled.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) name: Option<Placed<String>>,
    pub(super) resource: Option<Placed<String>>,
    pub(super) description: Option<String>,
    pub(super) language: Option<Language>,
    pub(super) source: Option<SourceTable>,
    pub(super) scope: Vec<Vec<Clause>>,
    pub(super) json_target: bool,
    pub(super) send_empty: bool,
    pub(super) extensions: Vec<Extension>,
    pub(super) rules: Vec<RuleEntry>,
    pub(super) env: EnvTable,
    /// Liquid snippets.
    pub(super) snippets: Vec<(Key, Text)>,
    /// Jinja macros.
    pub(super) macros: Option<Text>,
    pub(super) undefined: Undefined,
    pub(super) budget: Limits,
    pub(super) script: Option<ScriptEntry>,
    pub(super) tests: Vec<TestEntry>,
}

/// A Rhai script whose map is merged into the payload.
#[derive(Debug)]
pub(super) struct ScriptEntry {
    pub(super) text: Text,
    /// Where the table's name stands.
    pub(super) key: Span,
    pub(super) on_error: OnError,
}

#[derive(Debug, Default)]
pub(super) struct SourceTable {
    /// Whose attributes are declared: `entra`, `scim`.
    pub(super) kind: Option<&'static str>,
    pub(super) attributes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Clause {
    pub(super) attribute: Placed<String>,
    pub(super) operator: Placed<String>,
    pub(super) value: Option<Placed<ClauseValue>>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum ClauseValue {
    Text(Text),
    Integer(i64),
}

#[derive(Debug)]
pub(super) struct Extension {
    pub(super) urn: Placed<String>,
    pub(super) attributes: Vec<ExtensionAttribute>,
}

#[derive(Debug)]
pub(super) struct ExtensionAttribute {
    pub(super) name: String,
    pub(super) kind: Placed<String>,
    pub(super) multi_valued: bool,
}

#[derive(Debug)]
pub(super) struct RuleEntry {
    pub(super) target: Key,
    pub(super) program: Option<ProgramEntry>,
    /// The attribute that the program sees as `value`.
    pub(super) value: Option<Placed<String>>,
    pub(super) matching: Option<Placed<u32>>,
    /// Whether `match` stands there, right or wrong.
    pub(super) is_matching: bool,
    pub(super) default: Option<Placed<Json>>,
    pub(super) required: bool,
    pub(super) create_only: Option<Span>,
    pub(super) on_error: OnError,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum ProgramEntry {
    Text { language: Option<Language>, text: Text, span: Span },
    Constant(Placed<Json>),
}

/// What a failure of a rule's program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Stops the run.
    #[default]
    Halt,
    /// Skips the record.
    Skip,
    /// Leaves the attribute null.
    Null,
}

#[derive(Debug, Default, Clone)]
pub(super) struct EnvTable {
    pub(super) default_domain: Option<String>,
    pub(super) taken: Option<Vec<String>>,
    pub(super) macros: Vec<(String, String)>,
    pub(super) now: Option<Placed<String>>,
    pub(super) guid: Option<String>,
    pub(super) random: Option<String>,
    pub(super) seed: Option<u64>,
}

#[derive(Debug)]
pub(super) struct TestEntry {
    pub(super) name: Placed<String>,
    pub(super) given: Json,
    pub(super) given_keys: Vec<(String, Span)>,
    pub(super) expect: Option<Placed<Vec<(Key, Json)>>>,
    pub(super) exact: bool,
    pub(super) absent: Vec<Placed<String>>,
    pub(super) skip: Option<Wanted>,
    pub(super) error: Option<Wanted>,
    pub(super) in_scope: Option<bool>,
    pub(super) update: bool,
    pub(super) env: EnvTable,
}

/// `true`, or a text that must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Anything will do.
    Any,
    /// A code, or a part of the message.
    Text(String),
}

/// Reads keys of a table one by one; what is left over at the end is unknown.
struct Reader<'f> {
    found: &'f mut Vec<Diagnostic>,
}

pub(super) fn read(table: Table, found: &mut Vec<Diagnostic>) -> File {
    let mut reader = Reader { found };
    let mut file = File::default();
    let keys = [
        "name",
        "resource",
        "description",
        "language",
        "source",
        "scope",
        "target",
        "extensions",
        "attributes",
        "script",
        "snippets",
        "macros",
        "undefined",
        "budget",
        "env",
        "tests",
    ];
    let mut attributes = false;
    for (key, node) in table.entries {
        match key.name.as_str() {
            "name" => file.name = reader.word(&key, &node),
            "resource" => file.resource = reader.word(&key, &node),
            "description" => file.description = reader.word(&key, &node).map(|word| word.value),
            "language" => file.language = reader.language(&key, &node),
            "source" => file.source = reader.table(&key, node).map(|table| reader.source(table)),
            "scope" => file.scope = reader.table(&key, node).map(|table| reader.scope(table)).unwrap_or_default(),
            "target" => {
                if let Some(table) = reader.table(&key, node) {
                    reader.target(table, &mut file);
                }
            }
            "extensions" => file.extensions = reader.extensions(&key, node),
            "attributes" => {
                attributes = true;
                if let Some(table) = reader.table(&key, node) {
                    file.rules = table.entries.into_iter().map(|(key, node)| reader.rule(key, node)).collect();
                }
            }
            "env" => file.env = reader.table(&key, node).map(|table| reader.env(table)).unwrap_or_default(),
            "tests" => file.tests = reader.tests(&key, node),
            "script" => {
                attributes = true;
                if let Some(table) = reader.table(&key, node) {
                    file.script = reader.script(&key, table);
                }
            }
            "snippets" => {
                if let Some(table) = reader.table(&key, node) {
                    file.snippets = reader.texts(table);
                }
            }
            "macros" => match node.item {
                Item::String(text) => file.macros = Some(text),
                _ => reader.wrong_type(&key, &node, "a string"),
            },
            "undefined" => {
                if reader.choice(&key, &node, &["lenient", "strict"]) == Some("strict") {
                    file.undefined = Undefined::Strict;
                }
            }
            "budget" => {
                if let Some(table) = reader.table(&key, node) {
                    file.budget = reader.budget(table);
                }
            }
            name if matches!(node.item, Item::String(_)) && closest(name, keys).is_none() => reader.found.push(
                Diagnostic::new(
                    Code::UnknownKey,
                    format!("`{}` is not a key of a mapping file", shorten(name)),
                    key.span,
                )
                .help("rules stand under `[attributes]`")
                .help(format!("the keys are {}", keys.join(", "))),
            ),
            _ => reader.unknown(&key, &keys, "a mapping file"),
        }
    }
    if !attributes {
        reader.found.push(
            Diagnostic::new(Code::MissingKey, "the mapping has no rules", Span::new(0, 0))
                .help("add a table: `[attributes]` with lines such as `userName = '[userPrincipalName]'`"),
        );
    }
    file
}

impl Reader<'_> {
    fn unknown(&mut self, key: &Key, known: &[&str], place: &str) {
        let finding =
            Diagnostic::new(Code::UnknownKey, format!("`{}` is not a key of {place}", shorten(&key.name)), key.span);
        self.found.push(match closest(&key.name, known.iter().copied()) {
            Some(near) => finding.fix(key.span, key.spell(near), format!("did you mean `{near}`?")),
            None => finding.help(format!("the keys are {}", known.join(", "))),
        });
    }

    fn wrong_type(&mut self, key: &Key, node: &Node, wanted: &str) {
        self.found.push(
            Diagnostic::new(Code::WrongType, format!("`{}` must be {wanted}", shorten(&key.name)), node.span)
                .label(format!("this is {}", node.describe())),
        );
    }

    /// An element of an array has the wrong type.
    fn wrong_element(&mut self, key: &Key, node: &Node, wanted: &str) {
        self.found.push(
            Diagnostic::new(Code::WrongType, format!("each of `{}` must be {wanted}", shorten(&key.name)), node.span)
                .label(format!("this is {}", node.describe())),
        );
    }

    fn wrong_value(&mut self, key: &Key, node: &Node, value: &str, allowed: &[&str]) {
        let finding =
            Diagnostic::new(Code::WrongValue, format!("`{}` cannot be {:?}", key.name, shorten(value)), node.span)
                .label(format!("it is one of {}", allowed.join(", ")));
        self.found.push(match closest(value, allowed.iter().copied()) {
            Some(near) => finding.fix(node.span, format!("{near:?}"), format!("did you mean `{near}`?")),
            None => finding,
        });
    }

    fn word(&mut self, key: &Key, node: &Node) -> Option<Placed<String>> {
        if let Item::String(text) = &node.item {
            return Some(Placed { value: text.value.clone(), span: node.span });
        }
        self.wrong_type(key, node, "a string");
        None
    }

    fn flag(&mut self, key: &Key, node: &Node) -> Option<bool> {
        if let Item::Boolean(flag) = node.item {
            return Some(flag);
        }
        self.wrong_type(key, node, "true or false");
        None
    }

    fn table(&mut self, key: &Key, node: Node) -> Option<Table> {
        if let Item::Table(table) = node.item {
            return Some(table);
        }
        self.wrong_type(key, &node, "a table");
        None
    }

    fn array(&mut self, key: &Key, node: Node) -> Vec<Node> {
        if let Item::Array(items) = node.item {
            return items;
        }
        self.wrong_type(key, &node, "an array");
        Vec::new()
    }

    fn words(&mut self, key: &Key, node: Node) -> Vec<Placed<String>> {
        let mut words = Vec::new();
        for item in self.array(key, node) {
            match item.item {
                Item::String(text) => words.push(Placed { value: text.value, span: item.span }),
                _ => self.wrong_element(key, &item, "a string"),
            }
        }
        words
    }

    fn choice(&mut self, key: &Key, node: &Node, allowed: &[&'static str]) -> Option<&'static str> {
        let word = self.word(key, node)?;
        let found = allowed.iter().find(|choice| **choice == word.value).copied();
        if found.is_none() {
            self.wrong_value(key, node, &word.value, allowed);
        }
        found
    }

    fn language(&mut self, key: &Key, node: &Node) -> Option<Language> {
        self.choice(key, node, &Language::ALL.map(Language::word)).and_then(Language::parse)
    }

    fn source(&mut self, table: Table) -> SourceTable {
        let mut source = SourceTable::default();
        for (key, node) in table.entries {
            match key.name.as_str() {
                "kind" => source.kind = self.choice(&key, &node, &["entra", "scim"]),
                "attributes" => source.attributes = self.words(&key, node).into_iter().map(|word| word.value).collect(),
                _ => self.unknown(&key, &["kind", "attributes"], "[source]"),
            }
        }
        source
    }

    fn target(&mut self, table: Table, file: &mut File) {
        for (key, node) in table.entries {
            match key.name.as_str() {
                "kind" => file.json_target = self.choice(&key, &node, &["scim", "json"]) == Some("json"),
                "empty" => file.send_empty = self.choice(&key, &node, &["omit", "send"]) == Some("send"),
                _ => self.unknown(&key, &["kind", "empty"], "[target]"),
            }
        }
    }

    fn scope(&mut self, table: Table) -> Vec<Vec<Clause>> {
        let mut groups = Vec::new();
        for (key, node) in table.entries {
            if key.name != "groups" {
                self.unknown(&key, &["groups"], "[scope]");
                continue;
            }
            for group in self.array(&key, node) {
                let Item::Array(items) = group.item else {
                    self.wrong_element(&key, &group, "an array of clauses");
                    continue;
                };
                if items.is_empty() {
                    self.found.push(
                        Diagnostic::new(Code::Scope, "a group without clauses lets every record in", group.span)
                            .help("remove it, or write its clauses"),
                    );
                }
                let mut clauses = Vec::new();
                for clause in items {
                    match clause.item {
                        Item::Table(table) => clauses.extend(self.clause(table, clause.span)),
                        _ => self.wrong_element(&key, &clause, "a clause, a table"),
                    }
                }
                groups.push(clauses);
            }
        }
        groups
    }

    fn clause(&mut self, table: Table, span: Span) -> Option<Clause> {
        let (mut attribute, mut operator, mut value) = (None, None, None);
        let before = self.found.len();
        for (key, node) in table.entries {
            match key.name.as_str() {
                "attribute" => attribute = self.word(&key, &node),
                "operator" => operator = self.word(&key, &node),
                "value" => {
                    let clause_value = match node.item {
                        Item::String(text) => ClauseValue::Text(text),
                        Item::Integer(number) => ClauseValue::Integer(number),
                        _ => {
                            self.wrong_type(&key, &node, "a string or an integer");
                            continue;
                        }
                    };
                    value = Some(Placed { value: clause_value, span: node.span });
                }
                _ => self.unknown(&key, &["attribute", "operator", "value"], "a scoping clause"),
            }
        }
        // What has the wrong type is there, if not as it must be.
        if self.found.iter().skip(before).any(|finding| finding.code == Code::WrongType) {
            return None;
        }
        if let (Some(attribute), Some(operator)) = (attribute, operator) {
            return Some(Clause { attribute, operator, value, span });
        }
        self.found.push(
            Diagnostic::new(Code::MissingKey, "a scoping clause needs an attribute and an operator", span)
                .help("write `{ attribute = \"department\", operator = \"EQUALS\", value = \"Sales\" }`"),
        );
        None
    }

    fn extensions(&mut self, key: &Key, node: Node) -> Vec<Extension> {
        let Some(table) = self.table(key, node) else { return Vec::new() };
        let mut extensions = Vec::new();
        for (urn, node) in table.entries {
            let Some(table) = self.table(&urn, node) else { continue };
            let mut attributes = Vec::new();
            for (name, node) in table.entries {
                let mut multi_valued = false;
                let mut kind = None;
                match &node.item {
                    Item::String(text) => kind = Some(Placed { value: text.value.clone(), span: node.span }),
                    Item::Table(inner) => {
                        for (key, node) in &inner.entries {
                            match key.name.as_str() {
                                "type" => kind = self.word(key, node),
                                "multiValued" => multi_valued = self.flag(key, node).unwrap_or_default(),
                                _ => self.unknown(key, &["type", "multiValued"], "an extension's attribute"),
                            }
                        }
                    }
                    _ => {
                        self.wrong_type(
                            &name,
                            &node,
                            "a type such as \"string\", or a table with type and multiValued",
                        );
                    }
                }
                if let Some(kind) = kind {
                    attributes.push(ExtensionAttribute { name: name.name, kind, multi_valued });
                }
            }
            extensions.push(Extension { urn: Placed { value: urn.name, span: urn.span }, attributes });
        }
        extensions
    }

    fn env(&mut self, table: Table) -> EnvTable {
        let mut env = EnvTable::default();
        let keys = ["defaultDomain", "taken", "macros", "now", "guid", "random", "seed"];
        for (key, node) in table.entries {
            match key.name.as_str() {
                "defaultDomain" => env.default_domain = self.word(&key, &node).map(|word| word.value),
                "taken" => {
                    env.taken = Some(self.words(&key, node).into_iter().map(|word| word.value).collect());
                }
                "macros" => {
                    if let Some(table) = self.table(&key, node) {
                        env.macros = table
                            .entries
                            .iter()
                            .filter_map(|(key, node)| Some((key.name.clone(), self.word(key, node)?.value)))
                            .collect();
                    }
                }
                "now" => env.now = self.word(&key, &node),
                "guid" => env.guid = self.word(&key, &node).map(|word| word.value),
                "random" => env.random = self.word(&key, &node).map(|word| word.value),
                "seed" => match node.item {
                    Item::Integer(number) => env.seed = Some(number.cast_unsigned()),
                    _ => self.wrong_type(&key, &node, "an integer"),
                },
                _ => self.unknown(&key, &keys, "env"),
            }
        }
        env
    }
}
