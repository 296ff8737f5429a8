//! The liquid crate: a template a target, whose texts are put into a map.

use std::fmt;
use std::hint::black_box;

use ::liquid::{Object, ParserBuilder, Template};
use liquid_core::parser::{FilterArguments, ParameterReflection};
use liquid_core::{Filter, FilterReflection, ParseFilter, Result, Runtime, Value, ValueView};

use super::{Peer, TARGETS, Texts, keep, native};

/// By target.
const TEMPLATES: [&str; TARGETS.len()] = [
    "{{ objectId }}",
    "{{ userPrincipalName | downcase }}",
    // A text is equal to `true` here.
    r#"{% assign flag = IsSoftDeleted | append: "" %}{% if flag == "true" %}False{% elsif flag == "false" %}True{% endif %}"#,
    r#"{% if displayName == "" %}{{ givenName | append: " " | append: surname | strip }}{% else %}{{ displayName }}{% endif %}"#,
    r#"{% assign one = givenName | slice: 0, 1 | append: surname | plain | only_letters | downcase | free %}{% if one == ""
        %}{% assign one = givenName | slice: 0, 2 | append: surname | plain | only_letters | downcase | free %}{% endif
        %}{% if one == "" %}{{ mailNickname | free }}{% else %}{{ one }}{% endif %}"#,
    "{{ jobTitle }}",
    "{{ preferredLanguage }}",
    "{{ givenName }}",
    "{{ surname }}",
    r#"{{ givenName | append: " " | append: surname | strip }}"#,
    "{{ mail | default: userPrincipalName }}",
    "{% if proxyAddresses.size > 1 %}{{ proxyAddresses[1] | without_smtp }}{% endif %}",
    "{{ telephoneNumber | only_digits }}",
    "{{ mobile }}",
    "{{ streetAddress }}",
    "{{ city }}",
    "{{ state }}",
    "{{ postalCode }}",
    "{{ country }}",
    "{{ employeeId }}",
    "{{ department }}",
    r#"{% if companyName == "" %}Contoso {{ country }}{% else %}{{ companyName }}{% endif %}"#,
    "{{ extensionAttribute1 | slice: 3, 5 }}",
    "{{ manager }}",
];

/// A filter of ours without parameters.
#[derive(Debug, Clone)]
struct Native(&'static str, fn(&str) -> String);

impl FilterReflection for Native {
    fn name(&self) -> &str {
        self.0
    }

    fn description(&self) -> &str {
        self.0
    }

    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }

    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

impl ParseFilter for Native {
    fn parse(&self, _: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        Ok(Box::new(self.clone()))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

impl fmt::Display for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Filter for Native {
    fn evaluate(&self, input: &dyn ValueView, _: &dyn Runtime) -> Result<Value> {
        Ok(Value::scalar((self.1)(&input.to_kstr())))
    }
}

pub(super) struct Liquid {
    templates: Vec<(&'static str, Template)>,
    people: Vec<Object>,
}

impl Liquid {
    pub(super) fn new(people: &[Texts]) -> Self {
        let filters = [
            Native("plain", native::plain),
            Native("only_letters", native::only_letters),
            Native("only_digits", native::only_digits),
            Native("without_smtp", |text| native::without_smtp(text).to_owned()),
            Native("free", |text| native::free(text).to_owned()),
        ];
        let with = |parser: ParserBuilder, filter| parser.filter(Box::new(filter) as Box<dyn ParseFilter>);
        let parser = filters.into_iter().fold(ParserBuilder::with_stdlib(), with).build().expect("a parser");
        let template = |(target, text): (&&'static str, &str)| (*target, parser.parse(text).expect("a template"));
        Self {
            templates: TARGETS.iter().zip(TEMPLATES).map(template).collect(),
            people: people.iter().map(|person| ::liquid::model::to_object(person).expect("an object")).collect(),
        }
    }
}

impl Peer for Liquid {
    fn name(&self) -> &'static str {
        "liquid crate, a template a target"
    }

    fn goal(&self) -> Option<f64> {
        Some(25.0)
    }

    fn map(&mut self, mut kept: Option<&mut Vec<Texts>>) {
        for person in &self.people {
            let mut payload = Texts::new();
            for (target, template) in &self.templates {
                let text = template.render(black_box(person)).expect("a text");
                if !text.is_empty() {
                    payload.insert((*target).to_owned(), text.into());
                }
            }
            keep(&mut kept, payload);
        }
    }
}
