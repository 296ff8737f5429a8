//! Reads the tree of a mapping file into typed parts, and says of every key what is wrong with it. Nothing is compiled
//! here: that is `compile`'s.

use serde_json::Value as Json;

use crate::text::{Code, Diagnostic, Span, closest};

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
    pub(super) tests: Vec<TestEntry>,
}

/// The language of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Entra's expressions.
    Entra,
    /// Liquid.
    Liquid,
    /// Rhai.
    Rhai,
    /// Jinja.
    Jinja,
}

impl Language {
    /// The word in mapping files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Language::Entra => "entra",
            Language::Liquid => "liquid",
            Language::Rhai => "rhai",
            Language::Jinja => "jinja",
        }
    }

    /// The language called so.
    pub fn parse(word: &str) -> Option<Language> {
        [Language::Entra, Language::Liquid, Language::Rhai, Language::Jinja]
            .into_iter()
            .find(|language| language.word() == word)
    }
}

#[derive(Debug, Default)]
pub(super) struct SourceTable {
    pub(super) entra: bool,
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
    pub(super) matching: Option<Placed<u32>>,
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
        "env",
        "tests",
    ];
    let later = ["snippets", "macros", "script", "undefined", "budget"];
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
            name if later.contains(&name) => reader.found.push(
                Diagnostic::new(
                    Code::LanguageNotYet,
                    format!("`{name}` is reserved for a language that is not built in yet"),
                    key.span,
                )
                .help("write the rules as Entra expressions: `target = '[attribute]'`"),
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
        let finding = Diagnostic::new(Code::UnknownKey, format!("`{}` is not a key of {place}", key.name), key.span);
        self.found.push(match closest(&key.name, known.iter().copied()) {
            Some(near) => finding.fix(key.span, near, format!("did you mean `{near}`?")),
            None => finding.help(format!("the keys are {}", known.join(", "))),
        });
    }

    fn wrong_type(&mut self, key: &Key, node: &Node, wanted: &str) {
        self.found.push(
            Diagnostic::new(Code::WrongType, format!("`{}` must be {wanted}", key.name), node.span)
                .label(format!("this is {}", node.describe())),
        );
    }

    fn wrong_value(&mut self, key: &Key, node: &Node, value: &str, allowed: &[&str]) {
        let finding = Diagnostic::new(Code::WrongValue, format!("`{}` cannot be {value:?}", key.name), node.span)
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
        self.array(key, node).iter().filter_map(|item| self.word(key, item)).collect()
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
        let language = self.choice(key, node, &["entra", "liquid", "rhai", "jinja"]).and_then(Language::parse)?;
        if language != Language::Entra {
            self.not_yet(language, node.span);
        }
        Some(language)
    }

    fn not_yet(&mut self, language: Language, span: Span) {
        self.found.push(
            Diagnostic::new(
                Code::LanguageNotYet,
                format!("the language {} is not built in yet", language.word()),
                span,
            )
            .help("write it as an Entra expression: `{ expr = '…' }`"),
        );
    }

    fn source(&mut self, table: Table) -> SourceTable {
        let mut source = SourceTable::default();
        for (key, node) in table.entries {
            match key.name.as_str() {
                "kind" => source.entra = self.choice(&key, &node, &["entra"]).is_some(),
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
                let mut clauses = Vec::new();
                for clause in self.array(&key, group) {
                    let span = clause.span;
                    if let Some(table) = self.table(&key, clause) {
                        clauses.extend(self.clause(table, span));
                    }
                }
                groups.push(clauses);
            }
        }
        groups
    }

    fn clause(&mut self, table: Table, span: Span) -> Option<Clause> {
        let (mut attribute, mut operator, mut value) = (None, None, None);
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

    fn rule(&mut self, target: Key, node: Node) -> RuleEntry {
        let mut rule = RuleEntry {
            target,
            program: None,
            matching: None,
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
        let keys = ["expr", "const", "liquid", "rhai", "jinja", "match", "default", "required", "apply", "on_error"];
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
                        if language != Language::Entra {
                            self.not_yet(language, key.span);
                        }
                        Some(ProgramEntry::Text { language: Some(language), text, span })
                    }
                    (Some(_), node) => {
                        self.wrong_type(&key, &node, "a string");
                        None
                    }
                    (None, node) => Some(ProgramEntry::Constant(Placed { value: node.to_json(), span: node.span })),
                };
                program_key = Some(key);
                continue;
            }
            match key.name.as_str() {
                "match" => match node.item {
                    Item::Integer(number @ 1..=1_000) => {
                        rule.matching = Some(Placed { value: number as u32, span: node.span });
                    }
                    _ => self.wrong_type(&key, &node, "a whole number from 1 to 1000"),
                },
                "default" => rule.default = Some(Placed { value: node.to_json(), span: node.span }),
                "required" => rule.required = self.flag(&key, &node).unwrap_or_default(),
                "apply" => {
                    if self.choice(&key, &node, &["always", "create"]) == Some("create") {
                        rule.create_only = Some(node.span);
                    }
                }
                "on_error" => {
                    rule.on_error = match self.choice(&key, &node, &["halt", "skip", "null"]) {
                        Some("skip") => OnError::Skip,
                        Some("null") => OnError::Null,
                        _ => OnError::Halt,
                    }
                }
                _ => self.unknown(&key, &keys, "a rule"),
            }
        }
        if program_key.is_none() {
            self.found.push(
                Diagnostic::new(
                    Code::MissingKey,
                    format!("the rule for `{}` has no program", rule.target.name),
                    rule.span,
                )
                .help("add `expr = '…'` or `const = …`"),
            );
        }
        rule
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

    fn tests(&mut self, key: &Key, node: Node) -> Vec<TestEntry> {
        let mut tests = Vec::new();
        for node in self.array(key, node) {
            let span = node.span;
            if let Some(table) = self.table(key, node) {
                tests.push(self.test(table, span));
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
                        test.given = node.to_json();
                    }
                    _ => self.wrong_type(&key, &node, "a table: the record"),
                },
                "expect" => {
                    let span = node.span;
                    if let Some(table) = self.table(&key, node) {
                        let entries = table.entries.into_iter().map(|(key, node)| (key, node.to_json())).collect();
                        test.expect = Some(Placed { value: entries, span });
                    }
                }
                "exact" => test.exact = self.flag(&key, &node).unwrap_or_default(),
                "absent" => test.absent = self.words(&key, node),
                "skip" => test.skip = self.wanted(&key, &node),
                "error" => test.error = self.wanted(&key, &node),
                "in_scope" => test.in_scope = self.flag(&key, &node),
                "apply" => test.update = self.choice(&key, &node, &["create", "update"]) == Some("update"),
                "env" => test.env = self.table(&key, node).map(|table| self.env(table)).unwrap_or_default(),
                _ => self.unknown(&key, &keys, "a test"),
            }
        }
        if test.name.value.is_empty() {
            self.found.push(
                Diagnostic::new(Code::MissingKey, "the test has no name", span).help("add `name = \"what it shows\"`"),
            );
        }
        let expects_nothing = test.expect.is_none()
            && test.absent.is_empty()
            && test.skip.is_none()
            && test.error.is_none()
            && test.in_scope.is_none();
        if expects_nothing {
            self.found.push(
                Diagnostic::new(Code::TestCase, "the test expects nothing, so it cannot fail", test.name.span)
                    .help("add `expect = { … }`, `absent = […]`, `skip`, `error` or `in_scope`"),
            );
        }
        test
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
