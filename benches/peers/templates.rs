//! Jinja: our templates against minijinja itself, on the same attributes. Both sides make the variables of the record.

use std::hint::black_box;
use std::time::Duration;

use minijinja::{Environment, Value as JinjaValue};
use provisor::function::Context;
use provisor::language::{Language, Program};
use provisor::value::{Arena, Value};
use serde_json::{Map, Value as Json};

use crate::measure::{Goal, Table};
use crate::record::{self, Records};
use crate::{Ratios, nanoseconds_a_run};

const TEMPLATES: &[(&str, &str)] = &[
    ("two names, text", "{{ givenName }}.{{ surname }}@contoso.com"),
    ("one expression", r#"{{ (givenName ~ "." ~ surname) | lower }}"#),
    ("default", r#"{{ department | default("None") }}"#),
    ("condition", r#"{% if department == "Sales" %}sales{% else %}staff{% endif %}"#),
    (
        "loop",
        r#"{% for address in proxyAddresses %}{{ address | replace("smtp:", "") }}{% if not loop.last %};{% endif %}{% endfor %}"#,
    ),
    ("split, join, upper", r#"{{ displayName | split(", ") | join(" ") | upper }}!"#),
    ("set", "{% set name = displayName | upper %}{{ name }} {{ name | length }}"),
];

struct Row {
    name: &'static str,
    ours: Program,
    width: usize,
    slots: Vec<Value<'static>>,
    people: Vec<Map<String, Json>>,
}

/// All templates, and the records that they run on.
pub(crate) struct Templates<'r> {
    records: &'r Records,
    environment: Environment<'static>,
    rows: Vec<Row>,
}

impl<'r> Templates<'r> {
    pub(crate) fn new(records: &'r Records) -> Self {
        let mut environment = Environment::new();
        let row = |(name, text): &(&'static str, &'static str)| {
            let (ours, layout) = record::program(Language::Jinja, text);
            environment.add_template(name, text).expect("a template");
            let slots = record::leaked(records, &layout);
            Row { name, ours, width: layout.len(), slots, people: records.named_in(text) }
        };
        let rows = TEMPLATES.iter().map(row).collect();
        Self { records, environment, rows }
    }

    fn ours(&self, row: &Row, mut see: impl FnMut(&str)) {
        let mut arena = Arena::new();
        for (number, slots) in row.slots.chunks_exact(row.width).enumerate() {
            let context = Context::new(&arena, &self.records.env, number as u64);
            let mut out = Value::Absent;
            row.ours.run(black_box(slots), &context, &mut out).expect("a value");
            see(out.text(&arena).expect("a text"));
            arena.reset();
        }
    }

    fn theirs(&self, row: &Row, mut see: impl FnMut(&str)) {
        let template = self.environment.get_template(row.name).expect("a template");
        for person in &row.people {
            see(&template.render(context(black_box(person))).expect("a text"));
        }
    }

    /// Stops unless both sides make the same texts.
    pub(crate) fn compare(&self) {
        for row in &self.rows {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            self.ours(row, |text| ours.push(text.to_owned()));
            self.theirs(row, |text| theirs.push(text.to_owned()));
            assert_eq!(ours, theirs, "{}", row.name);
        }
    }

    /// One round.
    pub(crate) fn measure(&self, budget: Duration, table: &mut Table) {
        let mut ratios = Ratios::new("Jinja, provisor / minijinja directly", Goal::AtMost(1.3));
        for row in &self.rows {
            let ours = nanoseconds_a_run(budget, self.records, || self.ours(row, |text| _ = black_box(text)));
            let theirs = nanoseconds_a_run(budget, self.records, || self.theirs(row, |text| _ = black_box(text)));
            table.note("Jinja, provisor, ns a run", row.name, ours);
            table.note("Jinja, minijinja directly, ns a run", row.name, theirs);
            ratios.note(row.name, ours / theirs, table);
        }
        ratios.finish(table);
    }

    /// Our side of all templates, or of one, once.
    pub(crate) fn pass_all(&self, only: Option<&str>) {
        for row in self.rows.iter().filter(|row| only.is_none_or(|only| row.name == only)) {
            self.ours(row, |text| _ = black_box(text));
        }
    }
}

/// The template's variables, made without a detour by serde, as ours are.
pub(crate) fn context(person: &Map<String, Json>) -> JinjaValue {
    JinjaValue::from_pairs(person.iter().map(|(name, value)| (JinjaValue::from(name.as_str()), variable(value))))
}

fn variable(json: &Json) -> JinjaValue {
    match json {
        Json::Null => ().into(),
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().into(), Into::into),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(variable).collect(),
        Json::Object(fields) => context(fields),
    }
}
