//! minijinja: a template a target, whose texts are put into a map.

use std::hint::black_box;

use minijinja::{Environment, Value};

use super::{Peer, TARGETS, Texts, keep, native};
use crate::templates;

/// By target.
const TEMPLATES: [&str; TARGETS.len()] = [
    "{{ objectId }}",
    "{{ userPrincipalName|lower }}",
    "{% if IsSoftDeleted is true %}False{% elif IsSoftDeleted is false %}True{% endif %}",
    r#"{{ displayName or (givenName ~ " " ~ surname)|trim }}"#,
    "{{ free((givenName[:1] ~ surname)|plain|only_letters|lower) \
        or free((givenName[:2] ~ surname)|plain|only_letters|lower) or free(mailNickname) }}",
    "{{ jobTitle }}",
    "{{ preferredLanguage }}",
    "{{ givenName }}",
    "{{ surname }}",
    r#"{{ (givenName ~ " " ~ surname)|trim }}"#,
    "{{ mail or userPrincipalName }}",
    "{{ proxyAddresses[1]|without_smtp if proxyAddresses|length > 1 }}",
    "{{ telephoneNumber|only_digits }}",
    "{{ mobile }}",
    "{{ streetAddress }}",
    "{{ city }}",
    "{{ state }}",
    "{{ postalCode }}",
    "{{ country }}",
    "{{ employeeId }}",
    "{{ department }}",
    r#"{{ companyName or "Contoso " ~ country }}"#,
    "{{ extensionAttribute1[3:8] }}",
    "{{ manager }}",
];

pub(super) struct Jinja {
    environment: Environment<'static>,
    people: Vec<Value>,
}

impl Jinja {
    pub(super) fn new(people: &[Texts]) -> Self {
        let mut environment = Environment::new();
        environment.add_filter("plain", |text: &str| native::plain(text));
        environment.add_filter("only_letters", |text: &str| native::only_letters(text));
        environment.add_filter("only_digits", |text: &str| native::only_digits(text));
        environment.add_filter("without_smtp", |text: &str| native::without_smtp(text).to_owned());
        environment.add_function("free", |text: &str| native::free(text).to_owned());
        for (target, template) in TARGETS.iter().zip(TEMPLATES) {
            environment.add_template(target, template).expect("a template");
        }
        Self { environment, people: people.iter().map(templates::context).collect() }
    }
}

impl Peer for Jinja {
    fn name(&self) -> &'static str {
        "minijinja, a template a target"
    }

    fn goal(&self) -> Option<f64> {
        Some(25.0)
    }

    fn map(&mut self, mut kept: Option<&mut Vec<Texts>>) {
        let templates = TARGETS.map(|target| (target, self.environment.get_template(target).expect("it")));
        for person in &self.people {
            let mut payload = Texts::new();
            for (target, template) in &templates {
                let text = template.render(black_box(person)).expect("a text");
                if !text.is_empty() {
                    payload.insert((*target).to_owned(), text.into());
                }
            }
            keep(&mut kept, payload);
        }
    }
}
