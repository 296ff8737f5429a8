//! CEL: a program a target, whose texts are put into a map. Each person's variables are bound beforehand, which spares it a
//! conversion that its users pay for each record.

use std::hint::black_box;
use std::sync::Arc;

use ::cel::{Context, Env, Program, Value, extensions};

use super::{Peer, TARGETS, Texts, keep, native};

/// By target.
const PROGRAMS: [&str; TARGETS.len()] = [
    "source.objectId",
    "lower(source.userPrincipalName)",
    r#"source.IsSoftDeleted == true ? "False" : source.IsSoftDeleted == false ? "True" : """#,
    r#"source.displayName != "" ? source.displayName : (source.givenName + " " + source.surname).trim()"#,
    r#"alias(source.givenName, 1, source.surname) != "" ? alias(source.givenName, 1, source.surname)
        : alias(source.givenName, 2, source.surname) != "" ? alias(source.givenName, 2, source.surname)
        : free(source.mailNickname)"#,
    "source.jobTitle",
    "source.preferredLanguage",
    "source.givenName",
    "source.surname",
    r#"(source.givenName + " " + source.surname).trim()"#,
    r#"source.mail != "" ? source.mail : source.userPrincipalName"#,
    r#"size(source.proxyAddresses) > 1 ? without_smtp(source.proxyAddresses[1]) : """#,
    "only_digits(source.telephoneNumber)",
    "source.mobile",
    "source.streetAddress",
    "source.city",
    "source.state",
    "source.postalCode",
    "source.country",
    "source.employeeId",
    "source.department",
    r#"source.companyName != "" ? source.companyName : "Contoso " + source.country"#,
    "cut(source.extensionAttribute1, 3, 5)",
    "source.manager",
];

pub(super) struct Cel {
    programs: Vec<(&'static str, Program)>,
    people: Vec<Context<'static, 'static>>,
}

impl Cel {
    pub(super) fn new(people: &[Texts]) -> Self {
        let mut env = Env::stdlib();
        env.add_extension(extensions::strings).expect("the extension");
        let env = Arc::new(env);
        let programs =
            TARGETS.iter().zip(PROGRAMS).map(|(target, text)| (*target, env.compile(text).expect("a program")));
        let programs = programs.collect();
        let mut root = Context::with_env(env);
        let known = "no function of this name";
        root.add_function("lower", |text: Arc<String>| text.to_lowercase()).expect(known);
        // A name that is taken is no alias: CEL has no variables, and would make the text once more to ask.
        let alias = |given: Arc<String>, letters: i64, surname: Arc<String>| {
            let text = native::cut(&given, 0, usize::try_from(letters).expect("some letters")) + surname.as_str();
            native::free(&native::only_letters(&native::plain(&text)).to_lowercase()).to_owned()
        };
        root.add_function("alias", alias).expect(known);
        root.add_function("free", |text: Arc<String>| native::free(&text).to_owned()).expect(known);
        root.add_function("only_digits", |text: Arc<String>| native::only_digits(&text)).expect(known);
        root.add_function("without_smtp", |text: Arc<String>| native::without_smtp(&text).to_owned()).expect(known);
        let cut = |text: Arc<String>, start: i64, count: i64| native::cut(&text, start as usize, count as usize);
        root.add_function("cut", cut).expect(known);
        let root: &'static Context<'static, 'static> = Box::leak(Box::new(root));
        let people = people.iter().map(|person| {
            let mut context = root.new_inner_scope();
            context.add_variable_from_value("source", ::cel::to_value(person).expect("a value"));
            context
        });
        Self { programs, people: people.collect() }
    }
}

impl Peer for Cel {
    fn name(&self) -> &'static str {
        "cel, a program a target"
    }

    fn goal(&self) -> Option<f64> {
        Some(25.0)
    }

    fn map(&mut self, mut kept: Option<&mut Vec<Texts>>) {
        for person in &self.people {
            let mut payload = Texts::new();
            for (target, program) in &self.programs {
                let Value::String(text) = program.execute(black_box(person)).expect("a value") else {
                    panic!("{target} is no text");
                };
                if !text.is_empty() {
                    payload.insert((*target).to_owned(), Arc::unwrap_or_clone(text).into());
                }
            }
            keep(&mut kept, payload);
        }
    }
}
