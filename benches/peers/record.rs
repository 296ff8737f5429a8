//! The records that all sides run on.

use std::collections::BTreeMap;

use provisor::dotnet::date::{Kind, Moment};
use provisor::function::{Env, Limits, Seed};
use provisor::language::names::SourceNames;
use provisor::language::{Language, Program, Surroundings, Toolbox, ToolboxTexts};
use provisor::value::{Arena, Layout, RecordReader, Value};
use serde_json::{Map, Value as Json};

use crate::people;

/// How many people there are.
const COUNT: usize = 300;
const SEED: u64 = 1;
/// Attributes that everybody has: what one engine prints for a null or splits of nothing is another's error. `department` and
/// `companyName` are missing now and then.
const PRESENT: &[&str] = &[
    "givenName",
    "surname",
    "displayName",
    "mail",
    "jobTitle",
    "proxyAddresses",
    "telephoneNumber",
    "city",
    "country",
    "employeeId",
];

/// Made-up people.
pub(crate) struct Records {
    /// As JSON, a line each.
    lines: Vec<String>,
    /// The same, read.
    pub(crate) people: Vec<Map<String, Json>>,
    pub(crate) env: Env,
}

impl Records {
    pub(crate) fn new() -> Self {
        let mut people: Vec<Map<String, Json>> = people::jsonl(4 * COUNT, SEED)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a person"))
            .map(|person: Map<String, Json>| person.into_iter().filter(|(_, value)| !value.is_null()).collect())
            .filter(|person: &Map<String, Json>| PRESENT.iter().all(|name| person.contains_key(*name)))
            .collect();
        people.truncate(COUNT);
        assert_eq!(people.len(), COUNT, "too few people have all attributes");
        let lines = people.iter().map(|person| Json::Object(person.clone()).to_string()).collect();
        let now = Moment::from_ticks(0, Kind::Utc).expect("the first moment there is");
        Self { lines, people, env: Env::new(now, Seed::from_number(1)) }
    }

    pub(crate) fn count(&self) -> usize {
        self.people.len()
    }

    /// Each person's attributes that `text` names, and no others.
    pub(crate) fn named_in(&self, text: &str) -> Vec<Map<String, Json>> {
        let named = |person: &Map<String, Json>| {
            person
                .iter()
                .filter(|(name, _)| text.contains(name.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        self.people.iter().map(named).collect()
    }
}

/// Compiles with `compile`, which gets the layout and what surrounds a program that has no mapping file.
pub(crate) fn compile<T>(compile: impl FnOnce(&mut Layout, &Surroundings<'_>) -> T) -> (T, Layout) {
    let mut layout = Layout::default();
    let (source, macros) = (SourceNames::open(), BTreeMap::new());
    let (toolbox, _) = Toolbox::compile(ToolboxTexts::default(), Limits::DEFAULT, &mut layout, &source);
    let surroundings = Surroundings { source: &source, macros: &macros, direct: false, value: None, toolbox: &toolbox };
    let compiled = compile(&mut layout, &surroundings);
    (compiled, layout)
}

/// A program of one of our languages, with a layout of its own.
pub(crate) fn program(language: Language, text: &str) -> (Program, Layout) {
    compile(|layout, surroundings| {
        let (program, found) = Program::compile(language, text, layout, surroundings);
        program.unwrap_or_else(|| panic!("{text}: {found:?}"))
    })
}

/// The slots of all records, one behind the other, which stay for as long as the program runs.
pub(crate) fn leaked(records: &Records, layout: &Layout) -> Vec<Value<'static>> {
    let lines: &'static [String] = Box::leak(records.lines.clone().into());
    let arena: &'static Arena = Box::leak(Box::new(Arena::new()));
    let mut reader = RecordReader::new();
    let read = lines.iter().map(|line| reader.read(layout, line, arena).expect("a record"));
    read.flat_map(|slots| slots.iter().copied()).collect()
}
