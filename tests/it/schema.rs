//! `docs/mapping.schema.json` says what the program takes: the same keys, the same words, and every shipped mapping is
//! valid by it. The validator here knows just the keywords that the schema uses, and stops at any other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use provisor::mapping::Mapping;
use provisor::scim::AttributeType;
use provisor::text::Source;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use crate::support::{root, run, stdout};

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("docs/mapping.schema.json")).unwrap()).unwrap()
}

/// What the program says of a mapping file.
fn findings(text: &str) -> Vec<Value> {
    let output = run(&["check", "--format", "json", "-"], text.as_bytes());
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn set(list: &str) -> BTreeSet<String> {
    list.split(", ").map(|word| word.trim_matches('`').to_owned()).collect()
}

/// A file with an unknown key in each of its tables; each is answered with the keys of that table.
const UNKNOWN_KEYS: &str = r#"
zzzzzzzzzz = 1
name = "keys"
resource = "User"
source.zzzzzzzzzz = 1
target.zzzzzzzzzz = 1
env.zzzzzzzzzz = 1
[scope]
zzzzzzzzzz = 1
groups = [[{ zzzzzzzzzz = 1 }]]
[extensions."urn:x:2.0:User"]
badge = { type = "string", zzzzzzzzzz = 1 }
[attributes]
userName = { expr = '[mail]', match = 1, zzzzzzzzzz = 1 }
[[tests]]
name = "nothing"
skip = true
zzzzzzzzzz = 1
"#;

/// Where the program's words for a table stand in the schema.
const TABLES: &[(&str, &str)] = &[
    ("a mapping file", "/properties"),
    ("[source]", "/$defs/source/properties"),
    ("[scope]", "/$defs/scope/properties"),
    ("[target]", "/$defs/target/properties"),
    ("a scoping clause", "/$defs/clause/properties"),
    ("an extension's attribute", "/$defs/extensionAttribute/properties"),
    ("a rule", "/$defs/ruleTable/properties"),
    ("a test", "/$defs/test/properties"),
    ("env", "/$defs/env/properties"),
];

#[test]
fn the_schema_has_the_keys_that_the_program_takes() {
    let found = findings(UNKNOWN_KEYS);
    let told: BTreeMap<&str, BTreeSet<String>> = found
        .iter()
        .filter_map(|finding| {
            let (_, place) = finding["message"].as_str()?.split_once("` is not a key of ")?;
            let keys = finding["help"][0].as_str()?.strip_prefix("the keys are ")?;
            Some((place, set(keys)))
        })
        .collect();
    let places: BTreeSet<&str> = TABLES.iter().map(|(place, _)| *place).collect();
    assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), places, "the tables that have keys: {found:#?}");
    let schema = schema();
    for (place, pointer) in TABLES {
        let keys: BTreeSet<String> = schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            keys, told[place],
            "left: docs/mapping.schema.json at {pointer}, right: the program's keys of {place}"
        );
    }
}

/// A file with a wrong word at each key that takes one of a few; each is answered with those it takes.
const WRONG_WORDS: &str = r#"
name = "words"
resource = "User"
language = "zzzzzzzzzz"
source.kind = "zzzzzzzzzz"
target.kind = "zzzzzzzzzz"
target.empty = "zzzzzzzzzz"
[extensions."urn:x:2.0:User"]
badge = "zzzzzzzzzz"
[attributes]
userName = { expr = '[mail]', match = 1, apply = "zzzzzzzzzz", on_error = "zzzzzzzzzz" }
[[tests]]
name = "nothing"
skip = true
apply = "zzzzzzzzzz"
"#;

#[test]
fn the_schema_has_the_words_that_the_program_takes() {
    let told: BTreeSet<BTreeSet<String>> = findings(WRONG_WORDS)
        .iter()
        .filter_map(|finding| Some(set(finding["label"].as_str()?.strip_prefix("it is one of ")?)))
        .collect();
    let schema = schema();
    let words: BTreeSet<BTreeSet<String>> = [
        "/properties/language",
        "/$defs/source/properties/kind",
        "/$defs/target/properties/kind",
        "/$defs/target/properties/empty",
        "/$defs/type",
        "/$defs/ruleTable/properties/apply",
        "/$defs/ruleTable/properties/on_error",
        "/$defs/test/properties/apply",
    ]
    .into_iter()
    .map(|pointer| {
        let words = schema.pointer(pointer).unwrap()["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    })
    .collect();
    assert_eq!(words, told, "left: docs/mapping.schema.json, right: the program");
    let types: BTreeSet<String> = AttributeType::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    assert!(words.contains(&types), "the types of attributes");
}

#[test]
fn the_program_takes_every_scoping_operator_of_the_schema() {
    let operators = schema().pointer("/$defs/clause/properties/operator/anyOf/0/enum").unwrap().clone();
    let operators = operators.as_array().unwrap();
    assert!(operators.len() > 10, "{operators:?}");
    for operator in operators {
        let mut clause = json!({"attribute": "department", "operator": operator, "value": 1});
        if operator.as_str().unwrap().starts_with("IS ") {
            clause.as_object_mut().unwrap().remove("value");
        }
        let file = json!({"name": "scope", "resource": "User", "scope": {"groups": [[clause]]},
            "attributes": {"userName": {"expr": "[mail]", "match": 1}}});
        assert_eq!(complaints(&schema(), &file), Vec::<String>::new());
        let compiled = Mapping::compile(&Source::new("scope.json", file.to_string()));
        assert!(compiled.mapping.is_some(), "{operator}: {:?}", compiled.diagnostics);
    }
}

#[test]
fn every_mapping_that_ships_is_valid_by_the_schema() {
    let schema = schema();
    let mut count = 0;
    for entry in fs::read_dir(root().join("mappings")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let found = complaints(&schema, &toml_to_json(&fs::read_to_string(&path).unwrap()));
            assert!(found.is_empty(), "{}:\n  {}", path.display(), found.join("\n  "));
            count += 1;
        }
    }
    assert!(count > 0, "no mapping found");
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let wrong = [
        ("a key", "zzz = 1\n[attributes]\nuserName = '[mail]'"),
        ("no rules", "[attributes]"),
        ("a type", "[attributes]\nuserName = 1"),
        ("no program", "[attributes]\nuserName = { match = 1 }"),
        ("two programs", "[attributes]\nuserName = { expr = '[mail]', const = 'x' }"),
        ("a word", "[attributes]\nuserName = { expr = '[mail]', apply = 'never' }"),
        ("a number", "[attributes]\nuserName = { expr = '[mail]', match = 0 }"),
        ("an empty test", "[attributes]\nuserName = '[mail]'\n[[tests]]\nname = 'x'"),
        ("skip = false", "[attributes]\nuserName = '[mail]'\n[[tests]]\nname = 'x'\nskip = false"),
    ];
    let head = "name = \"wrong\"\nresource = \"User\"\n";
    let schema = schema();
    for (what, rest) in wrong {
        let text = format!("{head}{rest}");
        assert!(!complaints(&schema, &toml_to_json(&text)).is_empty(), "the schema takes {what}");
        assert!(Mapping::compile(&Source::new("wrong.toml", text)).mapping.is_none(), "the program takes {what}");
    }
}

fn toml_to_json(text: &str) -> Value {
    fn value(toml: &DeValue<'_>) -> Value {
        match toml {
            DeValue::String(text) => json!(text),
            DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap()),
            DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
            DeValue::Boolean(flag) => json!(flag),
            DeValue::Datetime(date) => json!(date.to_string()),
            DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
            DeValue::Table(fields) => table(fields),
        }
    }
    fn table(fields: &DeTable<'_>) -> Value {
        fields.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref()))).collect()
    }
    table(DeTable::parse(text).unwrap().get_ref())
}

/// What is wrong with a value by a schema, each with its place.
fn complaints(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Validator { root: schema }.check(schema, value, "", &mut found);
    found
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().unwrap() {
            let holds = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" | "default" | "examples" => true,
                "$ref" => {
                    let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    self.check(self.root.pointer(pointer).unwrap(), value, at, found);
                    true
                }
                "type" => types(rule).any(|name| is_type(value, name)),
                "enum" => rule.as_array().unwrap().contains(value),
                "const" => rule == value,
                "pattern" => {
                    value.as_str().is_none_or(|text| regex::Regex::new(rule.as_str().unwrap()).unwrap().is_match(text))
                }
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap()),
                "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
                "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
                "minProperties" => value.as_object().is_none_or(|fields| fields.len() as u64 >= rule.as_u64().unwrap()),
                "required" => value.as_object().is_none_or(|fields| {
                    rule.as_array().unwrap().iter().all(|name| fields.contains_key(name.as_str().unwrap()))
                }),
                "anyOf" => self.holding(rule, value) > 0,
                "oneOf" => self.holding(rule, value) == 1,
                "properties" | "additionalProperties" => {
                    self.check_fields(keyword, schema, value, at, found);
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}/{index}"), found);
                    }
                    true
                }
                other => panic!("the validator does not know the keyword {other}"),
            };
            if !holds {
                found.push(format!("{at}: {value} does not fit {keyword} {rule}"));
            }
        }
    }

    fn check_fields(&self, keyword: &str, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let known = |name: &str| schema.get("properties").and_then(|properties| properties.get(name));
        for (name, field) in value.as_object().into_iter().flatten() {
            let place = format!("{at}/{name}");
            match (keyword, known(name), &schema["additionalProperties"]) {
                ("properties", Some(rule), _) => self.check(rule, field, &place, found),
                ("additionalProperties", None, Value::Bool(false)) => found.push(format!("{place}: unknown key")),
                ("additionalProperties", None, rule) => self.check(rule, field, &place, found),
                _ => {}
            }
        }
    }

    /// How many of the schemas the value fits.
    fn holding(&self, schemas: &Value, value: &Value) -> usize {
        let fits = |schema: &&Value| {
            let mut found = Vec::new();
            self.check(schema, value, "", &mut found);
            found.is_empty()
        };
        schemas.as_array().unwrap().iter().filter(fits).count()
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let several = rule.as_array().into_iter().flatten();
    several.chain(rule.is_string().then_some(rule)).map(|name| name.as_str().unwrap())
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the validator does not know the type {other}"),
    }
}
