//! VRL: one program that gives an object, with VRL's own functions and regexes, which are compiled with it.
//!
//! Only with the feature `vrl`: its standard library takes longer to build than all the rest.

use std::hint::black_box;

use ::vrl::compiler::prelude::*;
use ::vrl::compiler::state::RuntimeState;
use ::vrl::compiler::{Program, TargetValue};
use ::vrl::value::{Secrets, Value};

use super::{Peer, TARGETS, Texts, native};

/// What the program begins with: nulls, and what is not there, are `""`.
const VARIABLES: &str = r#"
given = string(.givenName) ?? ""
surname = string(.surname) ?? ""
login = string(.userPrincipalName) ?? ""
country = string(.country) ?? ""
both = strip_whitespace(given + " " + surname)
name = string(.displayName) ?? ""
if name == "" { name = both }
mail = string(.mail) ?? ""
if mail == "" { mail = login }
company = string(.companyName) ?? ""
if company == "" { company = "Contoso " + country }
active = if .IsSoftDeleted == true { "False" } else if .IsSoftDeleted == false { "True" } else { "" }
alias = free(downcase(replace(plain(truncate(given, 1) + surname), r'[^A-Za-z0-9]', "")))
if alias == "" {
    alias = free(downcase(replace(plain(truncate(given, 2) + surname), r'[^A-Za-z0-9]', "")))
    if alias == "" { alias = free(string(.mailNickname) ?? "") }
}
"#;

/// By target.
const FIELDS: [&str; TARGETS.len()] = [
    r#"string(.objectId) ?? """#,
    "downcase(login)",
    "active",
    "name",
    "alias",
    r#"string(.jobTitle) ?? """#,
    r#"string(.preferredLanguage) ?? """#,
    "given",
    "surname",
    "both",
    "mail",
    r#"replace(string(.proxyAddresses[1]) ?? "", r'(?i)^smtp:', "", count: 1)"#,
    r#"replace(string(.telephoneNumber) ?? "", r'[^0-9+]', "")"#,
    r#"string(.mobile) ?? """#,
    r#"string(.streetAddress) ?? """#,
    r#"string(.city) ?? """#,
    r#"string(.state) ?? """#,
    r#"string(.postalCode) ?? """#,
    "country",
    r#"string(.employeeId) ?? """#,
    r#"string(.department) ?? """#,
    "company",
    r#"slice(string(.extensionAttribute1) ?? "", 3, 8) ?? """#,
    r#"string(.manager) ?? """#,
];

/// A function of ours of one text.
#[derive(Debug, Clone, Copy)]
struct Native(&'static str, fn(&str) -> String);

impl Function for Native {
    fn identifier(&self) -> &'static str {
        self.0
    }

    fn usage(&self) -> &'static str {
        self.0
    }

    fn category(&self) -> &'static str {
        Category::String.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[Parameter::required("value", kind::BYTES, "The text.")];
        PARAMETERS
    }

    fn compile(&self, _: &TypeState, _: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        Ok(NativeCall { call: self.1, value: arguments.required("value") }.as_expr())
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }
}

#[derive(Debug, Clone)]
struct NativeCall {
    call: fn(&str) -> String,
    value: Box<dyn Expression>,
}

impl FunctionExpression for NativeCall {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let value = self.value.resolve(context)?;
        Ok((self.call)(&value.try_bytes_utf8_lossy()?).into())
    }

    fn type_def(&self, _: &TypeState) -> TypeDef {
        TypeDef::bytes().infallible()
    }
}

pub(super) struct Vrl {
    program: Program,
    people: Vec<TargetValue>,
}

impl Vrl {
    pub(super) fn new(lines: &str) -> Self {
        let fields = TARGETS.iter().zip(FIELDS).map(|(target, text)| format!("{target:?}: {text}"));
        let text = format!("{VARIABLES}{{\n{}\n}}", fields.collect::<Vec<_>>().join(",\n"));
        let mut functions = ::vrl::stdlib::all();
        functions.push(Box::new(Native("plain", native::plain)));
        functions.push(Box::new(Native("free", |text| native::free(text).to_owned())));
        let program = ::vrl::compiler::compile(&text, &functions).unwrap_or_else(|found| panic!("{found:?}")).program;
        Self { program, people: lines.lines().map(target).collect() }
    }

    /// JSONL to JSONL.
    pub(super) fn jsonl(&self, lines: &str, out: &mut Vec<u8>) {
        for line in lines.lines() {
            let payload = made(&self.program, &mut target(line));
            serde_json::to_writer(&mut *out, &payload).expect("a Vec takes everything");
            out.push(b'\n');
        }
    }
}

/// What a program works on, read from JSON.
fn target(line: &str) -> TargetValue {
    let value = serde_json::from_str(line).expect("a person");
    TargetValue { value, metadata: Value::Object(ObjectMap::new()), secrets: Secrets::default() }
}

fn made(program: &Program, target: &mut TargetValue) -> Value {
    let (mut state, timezone) = (RuntimeState::default(), TimeZone::default());
    program.resolve(&mut Context::new(target, &mut state, &timezone)).expect("a value")
}

impl Peer for Vrl {
    fn name(&self) -> &'static str {
        "vrl, one program"
    }

    fn goal(&self) -> Option<f64> {
        Some(25.0)
    }

    fn map(&mut self, mut kept: Option<&mut Vec<Texts>>) {
        for person in &mut self.people {
            let payload = made(&self.program, black_box(person));
            match &mut kept {
                Some(kept) => {
                    kept.push(serde_json::from_value(serde_json::to_value(&payload).expect("JSON")).expect("an object"))
                }
                None => drop(black_box(payload)),
            }
        }
    }
}
