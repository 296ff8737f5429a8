//! Rhai: one script that gives a map.

use std::hint::black_box;

use ::rhai::{AST, Dynamic, Engine, ImmutableString, Scope};
use serde_json::Value as Json;

use super::{Peer, TARGETS, Texts, native};
use crate::scripts;

/// What the script begins with.
const HELPERS: &str = r#"
fn first(one, other) { if one != "" { one } else { other } }
fn both(one, other) { if one == "" { other } else if other == "" { one } else { one + " " + other } }
fn alias(given, letters, surname) { only_letters(plain(given.sub_string(0, letters) + surname)).to_lower() }
"#;

/// By target.
const FIELDS: [&str; TARGETS.len()] = [
    "source.objectId",
    "source.userPrincipalName.to_lower()",
    r#"if source.IsSoftDeleted == true { "False" } else if source.IsSoftDeleted == false { "True" } else { "" }"#,
    "first(source.displayName, both(source.givenName, source.surname))",
    "first(free(alias(source.givenName, 1, source.surname)), \
        first(free(alias(source.givenName, 2, source.surname)), free(source.mailNickname)))",
    "source.jobTitle",
    "source.preferredLanguage",
    "source.givenName",
    "source.surname",
    "both(source.givenName, source.surname)",
    "first(source.mail, source.userPrincipalName)",
    r#"if source.proxyAddresses.len() > 1 { without_smtp(source.proxyAddresses[1]) } else { "" }"#,
    "only_digits(source.telephoneNumber)",
    "source.mobile",
    "source.streetAddress",
    "source.city",
    "source.state",
    "source.postalCode",
    "source.country",
    "source.employeeId",
    "source.department",
    r#"if source.companyName != "" { source.companyName } else { "Contoso " + source.country }"#,
    "source.extensionAttribute1.sub_string(3, 5)",
    "source.manager",
];

pub(super) struct Rhai {
    engine: Engine,
    script: AST,
    people: Vec<Dynamic>,
}

impl Rhai {
    pub(super) fn new(people: &[Texts]) -> Self {
        let mut engine = scripts::engine();
        engine.register_fn("plain", |text: ImmutableString| native::plain(&text));
        engine.register_fn("only_letters", |text: ImmutableString| native::only_letters(&text));
        engine.register_fn("only_digits", |text: ImmutableString| native::only_digits(&text));
        engine.register_fn("without_smtp", |text: ImmutableString| native::without_smtp(&text).to_owned());
        engine.register_fn("free", |text: ImmutableString| native::free(&text).to_owned());
        let fields = TARGETS.iter().zip(FIELDS).map(|(target, text)| format!("{target:?}: {text}"));
        let script = format!("{HELPERS}#{{\n{}\n}}", fields.collect::<Vec<_>>().join(",\n"));
        Self {
            script: engine.compile(script).expect("a script"),
            engine,
            people: people.iter().map(|person| scripts::dynamic(&Json::Object(person.clone()))).collect(),
        }
    }
}

impl Peer for Rhai {
    fn name(&self) -> &'static str {
        "rhai, one script"
    }

    fn goal(&self) -> Option<f64> {
        Some(60.0)
    }

    fn map(&mut self, mut kept: Option<&mut Vec<Texts>>) {
        for person in &self.people {
            let mut scope = Scope::new();
            scope.push_constant_dynamic("source", black_box(person).clone());
            let payload: Dynamic = self.engine.eval_ast_with_scope(&mut scope, &self.script).expect("a map");
            match &mut kept {
                Some(kept) => {
                    kept.push(serde_json::from_value(serde_json::to_value(&payload).expect("JSON")).expect("an object"))
                }
                None => drop(black_box(payload)),
            }
        }
    }
}
