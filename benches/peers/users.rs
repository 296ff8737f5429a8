//! Whole users: the mapping of the main benchmark as one Rhai script and as a Jinja template a target, beside Provisor.
//!
//! The peers get what they lack as native functions (letters without marks, "only these characters", taken names), and every
//! attribute is there for them, as `""` where a person has none. Their texts end in one flat map of JSON; no side writes anything.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use minijinja::{Environment, Value as JinjaValue};
use provisor::dotnet::date::{Kind, Moment};
use provisor::dotnet::diacritics::strip_diacritics;
use provisor::function::{Context, Env, Seed, Taken};
use provisor::mapping::{Apply, Mapping, Outcome, Payload};
use provisor::text::Source;
use provisor::value::{Arena, RecordReader, Value};
use rhai::{AST, Dynamic, Engine, ImmutableString, Scope};
use serde_json::{Map, Value as Json};

use crate::measure::{self, Goal, Table};
use crate::{people, scripts, templates};

const MAPPING: &str = include_str!("../workload/mapping.toml");
const COUNT: usize = 1_000;
const SEED: u64 = 1;

/// What the peers read.
const ATTRIBUTES: &[&str] = &[
    "objectId",
    "userPrincipalName",
    "IsSoftDeleted",
    "displayName",
    "givenName",
    "surname",
    "mailNickname",
    "jobTitle",
    "preferredLanguage",
    "mail",
    "proxyAddresses",
    "telephoneNumber",
    "mobile",
    "streetAddress",
    "city",
    "state",
    "postalCode",
    "country",
    "employeeId",
    "department",
    "companyName",
    "extensionAttribute1",
    "manager",
];

/// Target, Jinja, Rhai.
const TARGETS: &[(&str, &str, &str)] = &[
    ("externalId", "{{ objectId }}", "source.objectId"),
    ("userName", "{{ userPrincipalName|lower }}", "source.userPrincipalName.to_lower()"),
    (
        "active",
        "{% if IsSoftDeleted is true %}False{% elif IsSoftDeleted is false %}True{% endif %}",
        r#"if source.IsSoftDeleted == true { "False" } else if source.IsSoftDeleted == false { "True" } else { "" }"#,
    ),
    (
        "displayName",
        r#"{{ displayName or (givenName ~ " " ~ surname)|trim }}"#,
        "first(source.displayName, both(source.givenName, source.surname))",
    ),
    (
        "nickName",
        "{{ free((givenName[:1] ~ surname)|plain|only_letters|lower) \
            or free((givenName[:2] ~ surname)|plain|only_letters|lower) or free(mailNickname) }}",
        "first(free(alias(source.givenName, 1, source.surname)), \
            first(free(alias(source.givenName, 2, source.surname)), free(source.mailNickname)))",
    ),
    ("title", "{{ jobTitle }}", "source.jobTitle"),
    ("preferredLanguage", "{{ preferredLanguage }}", "source.preferredLanguage"),
    ("name.givenName", "{{ givenName }}", "source.givenName"),
    ("name.familyName", "{{ surname }}", "source.surname"),
    ("name.formatted", r#"{{ (givenName ~ " " ~ surname)|trim }}"#, "both(source.givenName, source.surname)"),
    (
        r#"emails[type eq "work"].value"#,
        "{{ mail or userPrincipalName }}",
        "first(source.mail, source.userPrincipalName)",
    ),
    (
        r#"emails[type eq "other"].value"#,
        "{{ proxyAddresses[1]|without_smtp if proxyAddresses|length > 1 }}",
        r#"if source.proxyAddresses.len() > 1 { without_smtp(source.proxyAddresses[1]) } else { "" }"#,
    ),
    (
        r#"phoneNumbers[type eq "work"].value"#,
        "{{ telephoneNumber|only_digits }}",
        "only_digits(source.telephoneNumber)",
    ),
    (r#"phoneNumbers[type eq "mobile"].value"#, "{{ mobile }}", "source.mobile"),
    (r#"addresses[type eq "work"].streetAddress"#, "{{ streetAddress }}", "source.streetAddress"),
    (r#"addresses[type eq "work"].locality"#, "{{ city }}", "source.city"),
    (r#"addresses[type eq "work"].region"#, "{{ state }}", "source.state"),
    (r#"addresses[type eq "work"].postalCode"#, "{{ postalCode }}", "source.postalCode"),
    (r#"addresses[type eq "work"].country"#, "{{ country }}", "source.country"),
    ("employeeNumber", "{{ employeeId }}", "source.employeeId"),
    ("department", "{{ department }}", "source.department"),
    (
        "organization",
        r#"{{ companyName or "Contoso " ~ country }}"#,
        r#"if source.companyName != "" { source.companyName } else { "Contoso " + source.country }"#,
    ),
    ("costCenter", "{{ extensionAttribute1[3:8] }}", "source.extensionAttribute1.sub_string(3, 5)"),
    ("manager.value", "{{ manager }}", "source.manager"),
];

/// What the script begins with.
const HELPERS: &str = r#"
fn first(one, other) { if one != "" { one } else { other } }
fn both(one, other) { if one == "" { other } else if other == "" { one } else { one + " " + other } }
fn alias(given, letters, surname) { only_letters(plain(given.sub_string(0, letters) + surname)).to_lower() }
"#;

/// The users in each side's form.
pub(crate) struct Users {
    mapping: Mapping,
    env: Env,
    slots: Vec<Value<'static>>,
    templates: Environment<'static>,
    contexts: Vec<JinjaValue>,
    engine: Engine,
    script: AST,
    sources: Vec<Dynamic>,
}

impl Users {
    pub(crate) fn new() -> Self {
        let mapping = Mapping::compile(&Source::new("mapping.toml", MAPPING)).mapping.expect("the mapping");
        let now = Moment::from_ticks(0, Kind::Utc).expect("the first moment there is");
        let env = mapping.env(&Env::new(now, Seed::from_number(1)));
        let text: &'static str = Box::leak(people::jsonl(COUNT, SEED).into());
        let arena: &'static Arena = Box::leak(Box::new(Arena::new()));
        let mut reader = RecordReader::new();
        let read = text.lines().map(|line| reader.read(mapping.layout(), line, arena).expect("a record"));
        let slots = read.flat_map(|slots| slots.iter().copied()).collect();
        let people: Vec<Map<String, Json>> = text.lines().map(whole).collect();

        let taken = Arc::clone(&env.taken);
        let mut templates = Environment::new();
        templates.add_filter("plain", |text: &str| plain(text));
        templates.add_filter("only_letters", |text: &str| only_letters(text));
        templates.add_filter("only_digits", |text: &str| only_digits(text));
        templates.add_filter("without_smtp", |text: &str| without_smtp(text).to_owned());
        templates.add_function("free", move |text: &str| free(&*taken, text).to_owned());
        for (target, jinja, _) in TARGETS {
            templates.add_template(target, jinja).expect("a template");
        }

        let taken = Arc::clone(&env.taken);
        let mut engine = scripts::engine();
        engine.register_fn("plain", |text: ImmutableString| plain(&text));
        engine.register_fn("only_letters", |text: ImmutableString| only_letters(&text));
        engine.register_fn("only_digits", |text: ImmutableString| only_digits(&text));
        engine.register_fn("without_smtp", |text: ImmutableString| without_smtp(&text).to_owned());
        engine.register_fn("free", move |text: ImmutableString| free(&*taken, &text).to_owned());
        let fields: Vec<String> = TARGETS.iter().map(|(target, _, rhai)| format!("{target:?}: {rhai}")).collect();
        let script = engine.compile(format!("{HELPERS}#{{\n{}\n}}", fields.join(",\n")));
        Self {
            slots,
            templates,
            contexts: people.iter().map(templates::context).collect(),
            engine,
            script: script.expect("a script"),
            sources: people.iter().map(|person| scripts::dynamic(&Json::Object(person.clone()))).collect(),
            mapping,
            env,
        }
    }

    fn ours(&self, mut see: impl FnMut(Payload<'_>)) {
        let mut arena = Arena::new();
        for (number, slots) in self.slots.chunks_exact(self.mapping.layout().len()).enumerate() {
            let context = Context::new(&arena, &self.env, number as u64);
            match self.mapping.apply(black_box(slots), &context, Apply::Create) {
                Outcome::Payload(payload) => see(payload),
                other => panic!("every person has a payload, but: {other:?}"),
            }
            arena.reset();
        }
    }

    fn jinja(&self, mut see: impl FnMut(Map<String, Json>)) {
        let templates: Vec<_> =
            TARGETS.iter().map(|(target, ..)| (target, self.templates.get_template(target).expect("it"))).collect();
        for context in &self.contexts {
            let mut payload = Map::new();
            for (target, template) in &templates {
                let text = template.render(black_box(context)).expect("a text");
                if !text.is_empty() {
                    payload.insert((**target).to_owned(), text.into());
                }
            }
            see(payload);
        }
    }

    fn rhai(&self, mut see: impl FnMut(Dynamic)) {
        for source in &self.sources {
            let mut scope = Scope::new();
            scope.push_constant_dynamic("source", black_box(source).clone());
            see(self.engine.eval_ast_with_scope(&mut scope, &self.script).expect("a map"));
        }
    }

    /// Stops unless all sides make the same texts.
    pub(crate) fn compare(&self) {
        let texts = |payload: Payload<'_>| {
            let rules = self.mapping.rules().iter().zip(payload.values());
            let text = |value: &Value<'_>| match value {
                Value::Text(text) => (*text).to_owned(),
                Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
                _ => String::new(),
            };
            let named: Vec<(String, String)> =
                rules.map(|(rule, value)| (rule.target().to_owned(), text(value))).collect();
            let of = |target: &str| named.iter().find(|(name, _)| name.ends_with(target)).expect(target).1.clone();
            TARGETS.iter().map(|(target, ..)| of(target)).collect::<Vec<_>>()
        };
        let (mut ours, mut jinja, mut rhai) = (Vec::new(), Vec::new(), Vec::new());
        self.ours(|payload| ours.push(texts(payload)));
        let text = |json: Option<&Json>| json.and_then(Json::as_str).unwrap_or_default().to_owned();
        self.jinja(|payload| {
            jinja.push(TARGETS.iter().map(|(target, ..)| text(payload.get(*target))).collect::<Vec<_>>())
        });
        self.rhai(|payload| {
            let payload = serde_json::to_value(&payload).expect("JSON");
            rhai.push(TARGETS.iter().map(|(target, ..)| text(payload.get(*target))).collect::<Vec<_>>());
        });
        for (number, ours) in ours.iter().enumerate() {
            for (((target, ..), ours), (jinja, rhai)) in
                TARGETS.iter().zip(ours).zip(jinja[number].iter().zip(&rhai[number]))
            {
                assert_eq!(ours, jinja, "{target} of person {number}, minijinja");
                assert_eq!(ours, rhai, "{target} of person {number}, rhai");
            }
        }
    }

    /// One round.
    pub(crate) fn measure(&self, budget: Duration, table: &mut Table) {
        let a_user = |pass: &dyn Fn()| measure::nanoseconds(budget, pass) / COUNT as f64;
        let ours = a_user(&|| self.ours(|payload| _ = black_box(payload)));
        let jinja = a_user(&|| self.jinja(|payload| _ = black_box(payload)));
        let rhai = a_user(&|| self.rhai(|payload| _ = black_box(payload)));
        for (name, figure) in
            [("provisor", ours), ("minijinja, a template a target", jinja), ("rhai, one script", rhai)]
        {
            table.note("whole users, ns a user", name, figure);
        }
        table.judge("whole users, times provisor's time", "minijinja", Goal::AtLeast(25.0), jinja / ours);
        table.judge("whole users, times provisor's time", "rhai", Goal::AtLeast(60.0), rhai / ours);
    }
}

/// A person with all attributes.
fn whole(line: &str) -> Map<String, Json> {
    let mut person: Map<String, Json> = serde_json::from_str(line).expect("a person");
    let empty = |name: &str| if name == "proxyAddresses" { Json::Array(Vec::new()) } else { Json::from("") };
    let value = |name: &str| person.remove(name).filter(|value| !value.is_null()).unwrap_or_else(|| empty(name));
    ATTRIBUTES.iter().copied().map(value).zip(ATTRIBUTES).map(|(value, name)| ((*name).to_owned(), value)).collect()
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    strip_diacritics(text, &mut out).expect("a String takes everything");
    out
}

fn only_letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn only_digits(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect()
}

fn without_smtp(text: &str) -> &str {
    match text.split_at_checked(5) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("smtp:") => rest,
        _ => text,
    }
}

fn free<'t>(taken: &dyn Taken, text: &'t str) -> &'t str {
    if taken.is_taken(text) { "" } else { text }
}
