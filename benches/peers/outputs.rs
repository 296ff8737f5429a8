//! Templates that are outputs and text: Liquid here, in the `liquid` crate, and the same as Jinja in minijinja.
//!
//! Each side has the records in its own form beforehand and makes a new text a run.

use std::hint::black_box;
use std::time::Duration;

use liquid::model::Value as LiquidValue;
use minijinja::{Environment, Value as JinjaValue};
use provisor::function::Context;
use provisor::language::liquid::Template;
use provisor::value::{Arena, Value};

use crate::measure::{Goal, Table};
use crate::record::{self, Records};
use crate::{Ratios, nanoseconds_a_run, templates};

/// Name, Liquid, Jinja.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("two names", "{{ givenName }} {{ surname }}", "{{ givenName }} {{ surname }}"),
    (
        "split, first, downcase",
        r#"{{ displayName | split: " " | first | downcase }}"#,
        r#"{{ displayName | split(" ") | first | lower }}"#,
    ),
    (
        "append twice, downcase, text",
        r#"{{ givenName | append: "." | append: surname | downcase }}@contoso.com"#,
        r#"{{ (givenName ~ "." ~ surname) | lower }}@contoso.com"#,
    ),
    ("default", r#"{{ department | default: "None" }}"#, r#"{{ department | default("None") }}"#),
    ("split, last", r#"{{ mail | split: "@" | last }}"#, r#"{{ mail | split("@") | last }}"#),
    ("truncate", "{{ jobTitle | truncate: 20 }}", "{{ jobTitle | truncate(20) }}"),
    (
        "join, replace, upcase",
        r#"{{ proxyAddresses | join: "," | replace: "smtp:", "" | upcase }}"#,
        r#"{{ proxyAddresses | join(",") | replace("smtp:", "") | upper }}"#,
    ),
    (
        "upcase, slice, text",
        r#"{{ surname | upcase }}, {{ givenName | slice: 0 }}."#,
        r#"{{ surname | upper }}, {{ givenName[:1] }}."#,
    ),
    (
        "remove twice, replace, strip",
        r#"{{ telephoneNumber | remove: "(" | remove: ")" | replace: "-", " " | strip }}"#,
        r#"{{ telephoneNumber | replace("(", "") | replace(")", "") | replace("-", " ") | trim }}"#,
    ),
    (
        "three outputs, slice from the end",
        "{{ city }}-{{ country | downcase }}-{{ employeeId | slice: -4, 4 }}",
        "{{ city }}-{{ country | lower }}-{{ employeeId[-4:] }}",
    ),
];

/// One template on all sides.
struct Row {
    name: &'static str,
    ours: Template,
    liquid: liquid::Template,
}

/// All templates, and the records in each side's form.
pub(crate) struct Outputs<'r> {
    records: &'r Records,
    rows: Vec<Row>,
    width: usize,
    slots: Vec<Value<'static>>,
    objects: Vec<liquid::Object>,
    environment: Environment<'static>,
    contexts: Vec<JinjaValue>,
}

impl<'r> Outputs<'r> {
    pub(crate) fn new(records: &'r Records) -> Self {
        let parser = liquid::ParserBuilder::with_stdlib().build().expect("a parser");
        let mut environment = Environment::new();
        environment.add_filter("truncate", truncate);
        let (rows, layout) = record::compile(|layout, surroundings| {
            let row = |(name, liquid, jinja): &(&'static str, &'static str, &'static str)| {
                let (ours, found) = Template::compile(liquid, layout, surroundings);
                environment.add_template(name, jinja).expect("a template");
                let ours = ours.unwrap_or_else(|| panic!("{liquid}: {found:?}"));
                Row { name, ours, liquid: parser.parse(liquid).expect("a template") }
            };
            TEMPLATES.iter().map(row).collect::<Vec<_>>()
        });
        let objects = records.people.iter().map(|person| {
            let mut object: liquid::Object = liquid::model::to_object(person).expect("an object");
            // The crate refuses a variable that is not there.
            object.entry("department").or_insert(LiquidValue::Nil);
            object
        });
        Self {
            rows,
            width: layout.len(),
            slots: record::leaked(records, &layout),
            objects: objects.collect(),
            environment,
            contexts: records.people.iter().map(templates::context).collect(),
            records,
        }
    }

    fn ours(&self, row: &Row, arena: &mut Arena, mut see: impl FnMut(&str)) {
        for (number, slots) in self.slots.chunks_exact(self.width).enumerate() {
            let context = Context::new(arena, &self.records.env, number as u64);
            see(row.ours.render(black_box(slots), &context).expect("a text"));
            arena.reset();
        }
    }

    fn liquid(&self, row: &Row, mut see: impl FnMut(&str)) {
        for object in &self.objects {
            see(&row.liquid.render(black_box(object)).expect("a text"));
        }
    }

    fn jinja(&self, row: &Row, mut see: impl FnMut(&str)) {
        let template = self.environment.get_template(row.name).expect("a template");
        for context in &self.contexts {
            see(&template.render(black_box(context)).expect("a text"));
        }
    }

    /// Stops unless all sides make the same texts.
    pub(crate) fn compare(&self) {
        for row in &self.rows {
            let (mut ours, mut liquid, mut jinja) = (Vec::new(), Vec::new(), Vec::new());
            self.ours(row, &mut Arena::new(), |text| ours.push(text.to_owned()));
            self.liquid(row, |text| liquid.push(text.to_owned()));
            self.jinja(row, |text| jinja.push(text.to_owned()));
            for ((ours, liquid), jinja) in ours.iter().zip(&liquid).zip(&jinja) {
                assert_eq!(ours, liquid, "{}: the liquid crate differs", row.name);
                assert_eq!(ours, jinja, "{}: minijinja differs", row.name);
            }
            assert_eq!((ours.len(), liquid.len()), (jinja.len(), self.records.count()));
        }
    }

    /// One round.
    pub(crate) fn measure(&self, budget: Duration, table: &mut Table) {
        let mut by_liquid = Ratios::new("outputs, liquid crate / provisor", Goal::AtLeast(3.0));
        let mut by_jinja = Ratios::new("outputs, minijinja / provisor", Goal::AtLeast(1.5));
        for row in &self.rows {
            let arena = &mut Arena::new();
            let ours = crate::measure::nanoseconds(budget, || self.ours(row, arena, |text| _ = black_box(text)))
                / self.records.count() as f64;
            let liquid = nanoseconds_a_run(budget, self.records, || self.liquid(row, |text| _ = black_box(text)));
            let jinja = nanoseconds_a_run(budget, self.records, || self.jinja(row, |text| _ = black_box(text)));
            table.note("outputs, provisor, ns a run", row.name, ours);
            table.note("outputs, liquid crate, ns a run", row.name, liquid);
            table.note("outputs, minijinja, ns a run", row.name, jinja);
            by_liquid.note(row.name, liquid / ours, table);
            by_jinja.note(row.name, jinja / ours, table);
        }
        by_liquid.finish(table);
        by_jinja.finish(table);
    }

    /// Our side of all templates, once.
    pub(crate) fn pass_all(&self) {
        let arena = &mut Arena::new();
        for row in &self.rows {
            self.ours(row, arena, |text| _ = black_box(text));
        }
    }
}

/// What minijinja lacks, as its users would write it.
fn truncate(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(length.saturating_sub(3)).collect();
    cut.push_str("...");
    cut
}
