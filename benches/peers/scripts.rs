//! Rhai: our scripts against the engine itself, on the same attributes. Both sides make the script's `source` of the record.

use std::hint::black_box;
use std::time::Duration;

use provisor::function::Context;
use provisor::language::{Language, Program};
use provisor::value::{Arena, Value, to_json};
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{AST, Dynamic, Engine, Scope};
use serde_json::{Map, Value as Json};

use crate::measure::{Goal, Table};
use crate::record::{self, Records};
use crate::{Ratios, nanoseconds_a_run};

const SCRIPTS: &[(&str, &str)] = &[
    ("condition", r#"if source.department == "Sales" { "sales" } else { "staff" }"#),
    ("text join", r#"source.givenName + "." + source.surname + "@contoso.com""#),
    (
        "loop",
        r#"let others = [];
for address in source.proxyAddresses {
    if address.starts_with("smtp:") { others.push(address.sub_string(5)); }
}
others"#,
    ),
    (
        "function",
        r#"fn alias(first, last) {
    let text = first.sub_string(0, 1) + last;
    text.make_lower();
    text
}
alias(source.givenName, source.surname)"#,
    ),
    ("closure", r#"source.proxyAddresses.filter(|address| address.starts_with("smtp:")).len()"#),
    (
        "switch",
        r#"switch source.country { "US" => "Americas", "JP" => "Asia", "IE" | "DE" | "CH" => "Europe", _ => "World" }"#,
    ),
];

struct Row {
    name: &'static str,
    ours: Program,
    width: usize,
    slots: Vec<Value<'static>>,
    theirs: AST,
    people: Vec<Map<String, Json>>,
}

/// All scripts, and the records that they run on.
pub(crate) struct Scripts<'r> {
    records: &'r Records,
    engine: Engine,
    rows: Vec<Row>,
}

impl<'r> Scripts<'r> {
    pub(crate) fn new(records: &'r Records) -> Self {
        let engine = engine();
        let row = |(name, text): &(&'static str, &'static str)| {
            let (ours, layout) = record::program(Language::Rhai, text);
            Row {
                name,
                ours,
                width: layout.len(),
                slots: record::leaked(records, &layout),
                theirs: engine.compile(text).expect("a script"),
                people: records.named_in(text),
            }
        };
        let rows = SCRIPTS.iter().map(row).collect();
        Self { records, engine, rows }
    }

    fn ours(&self, row: &Row, mut see: impl FnMut(Value<'_>)) {
        let mut arena = Arena::new();
        for (number, slots) in row.slots.chunks_exact(row.width).enumerate() {
            let context = Context::new(&arena, &self.records.env, number as u64);
            let mut out = Value::Absent;
            row.ours.run(black_box(slots), &context, &mut out).expect("a value");
            see(out);
            arena.reset();
        }
    }

    fn theirs(&self, row: &Row, mut see: impl FnMut(Dynamic)) {
        for person in &row.people {
            let source: rhai::Map =
                black_box(person).iter().map(|(name, value)| (name.as_str().into(), dynamic(value))).collect();
            let mut scope = Scope::new();
            scope.push_constant_dynamic("source", Dynamic::from_map(source));
            see(self.engine.eval_ast_with_scope(&mut scope, &row.theirs).expect("a value"));
        }
    }

    /// Stops unless both sides make the same values.
    pub(crate) fn compare(&self) {
        for row in &self.rows {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            self.ours(row, |value| ours.push(to_json(value).to_string()));
            self.theirs(row, |value| theirs.push(serde_json::to_string(&value).expect("JSON")));
            assert_eq!(ours, theirs, "{}", row.name);
        }
    }

    /// One round.
    pub(crate) fn measure(&self, budget: Duration, table: &mut Table) {
        let mut ratios = Ratios::new("Rhai, provisor / rhai directly", Goal::AtMost(1.3));
        for row in &self.rows {
            let ours = nanoseconds_a_run(budget, self.records, || self.ours(row, |value| _ = black_box(value)));
            let theirs = nanoseconds_a_run(budget, self.records, || self.theirs(row, |value| _ = black_box(value)));
            table.note("Rhai, provisor, ns a run", row.name, ours);
            table.note("Rhai, rhai directly, ns a run", row.name, theirs);
            ratios.note(row.name, ours / theirs, table);
        }
        ratios.finish(table);
    }

    /// Our side of all scripts, or of one, once.
    pub(crate) fn pass_all(&self, only: Option<&str>) {
        for row in self.rows.iter().filter(|row| only.is_none_or(|only| row.name == only)) {
            self.ours(row, |value| _ = black_box(value));
        }
    }
}

/// An engine without limits, with the packages that scripts of ours have.
pub(crate) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    engine
}

/// A value of the script, made without a detour by serde, as ours are.
pub(crate) fn dynamic(json: &Json) -> Dynamic {
    match json {
        Json::Null => Dynamic::UNIT,
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap_or(0.0).into(), Into::into),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Dynamic::from_array(items.iter().map(dynamic).collect()),
        Json::Object(fields) => {
            Dynamic::from_map(fields.iter().map(|(name, value)| (name.as_str().into(), dynamic(value))).collect())
        }
    }
}
