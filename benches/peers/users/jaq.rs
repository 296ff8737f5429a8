//! jaq: one filter that gives an object, with jq's own `gsub`.

use std::hint::black_box;

use jaq_core::compile::{Compiler, Filter};
use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Ctx, Native, ValR, Vars, unwrap_valr};
use jaq_json::{Val, read};

use super::{Peer, TARGETS, Texts, native};

/// What the filter begins with.
const HELPERS: &str = r#"
def both($one; $other): if $one == "" then $other elif $other == "" then $one else $one + " " + $other end;
def alias($letters): .givenName[:$letters] + .surname | plain | gsub("[^A-Za-z0-9]"; "") | ascii_downcase | free;
"#;

/// By target.
const FIELDS: [&str; TARGETS.len()] = [
    ".objectId",
    "(.userPrincipalName | lower)",
    r#"(if .IsSoftDeleted == true then "False" elif .IsSoftDeleted == false then "True" else "" end)"#,
    r#"(if .displayName != "" then .displayName else both(.givenName; .surname) end)"#,
    r#"(alias(1) as $one | if $one != "" then $one else alias(2) as $two | if $two != "" then $two else
        (.mailNickname | free) end end)"#,
    ".jobTitle",
    ".preferredLanguage",
    ".givenName",
    ".surname",
    "both(.givenName; .surname)",
    r#"(if .mail != "" then .mail else .userPrincipalName end)"#,
    r#"((.proxyAddresses[1] // "") | gsub("^smtp:"; ""; "i"))"#,
    r#"(.telephoneNumber | gsub("[^0-9+]"; ""))"#,
    ".mobile",
    ".streetAddress",
    ".city",
    ".state",
    ".postalCode",
    ".country",
    ".employeeId",
    ".department",
    r#"(if .companyName != "" then .companyName else "Contoso " + .country end)"#,
    ".extensionAttribute1[3:8]",
    ".manager",
];

type Data = JustLut<Val>;

pub(super) struct Jaq {
    filter: Filter<Native<Data>>,
    people: Vec<Val>,
}

/// The functions of ours, each of a text.
fn natives() -> [Fun<Data>; 3] {
    [
        run(("plain", v(0), |cv| bome(of_text(&cv.1, native::plain)))),
        run(("lower", v(0), |cv| bome(of_text(&cv.1, str::to_lowercase)))),
        run(("free", v(0), |cv| bome(of_text(&cv.1, |text| native::free(text).to_owned())))),
    ]
}

fn of_text(value: &Val, make: impl Fn(&str) -> String) -> ValR<Val> {
    let text = value.try_as_utf8_bytes_owned()?;
    Ok(make(str::from_utf8(&text).expect("UTF-8")).into())
}

impl Jaq {
    pub(super) fn new(people: &[Texts]) -> Self {
        let fields = TARGETS.iter().zip(FIELDS).map(|(target, text)| format!("{target:?}: {text}"));
        let text = format!("{HELPERS}{{\n{}\n}}", fields.collect::<Vec<_>>().join(",\n"));
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).chain(natives());
        let arena = Arena::default();
        let modules = Loader::new(definitions).load(&arena, File { code: &text, path: () });
        let modules = modules.unwrap_or_else(|errors| panic!("{errors:?}"));
        let filter = Compiler::default().with_funs(functions).compile(modules);
        let filter = filter.unwrap_or_else(|errors| panic!("{errors:?}"));
        let value = |person: &Texts| {
            read::parse_single(serde_json::to_string(person).expect("JSON").as_bytes()).expect("the same JSON")
        };
        Self { filter, people: people.iter().map(value).collect() }
    }
}

impl Peer for Jaq {
    fn name(&self) -> &'static str {
        "jaq, one filter"
    }

    fn goal(&self) -> Option<f64> {
        None
    }

    fn map(&mut self, mut kept: Option<&mut Vec<Texts>>) {
        for person in &self.people {
            let context = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
            let mut made = self.filter.id.run((context, black_box(person).clone())).map(unwrap_valr);
            let payload = made.next().expect("one object").expect("no error");
            match &mut kept {
                Some(kept) => kept.push(serde_json::from_str(&payload.to_string()).expect("an object")),
                None => drop(black_box(payload)),
            }
        }
    }
}
