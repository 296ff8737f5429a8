//! `provisor eval --jsonl`: a JSON object a line in, one out, flushed as it goes, so that another program can hold a
//! conversation with it. A bad line costs only itself.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use crate::function::{Context, Env};
use crate::language::entra::{Expression, Surroundings};
use crate::language::names::SourceNames;
use crate::language::Language;
use crate::text::{Code, Span, did_you_mean};
use crate::value::{Arena, Ignore, Layout, RecordReader, Value, write_json};

use super::env::{EnvOverride, machine};
use super::eval::not_yet;
use super::words::{json_message, json_trouble, kind};
use super::{Ending, Failure, Outcome};

/// The longest line, in bytes; the rest of a longer one is passed over.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// The keys of a line. `template` is Liquid's word for the program, and `data` and `templates` are what Liquid's
/// questions bring along.
const KEYS: [&str; 8] = ["id", "lang", "program", "template", "input", "env", "data", "templates"];

/// A line of the conversation, its values as they were written: an id comes back to the digit.
#[derive(Default)]
struct Line<'l>(Vec<(String, &'l RawValue)>);

impl<'l> Line<'l> {
    /// The text of a key's value; `None` when it is not there or null.
    fn get(&self, key: &str) -> Option<&'l str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.get()).filter(|value| *value != "null")
    }

    fn id(&self) -> &'l str {
        self.get("id").unwrap_or("null")
    }

    /// The string under a key.
    fn string(&self, key: &str) -> Result<Option<String>, Trouble> {
        let Some(text) = self.get(key) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| {
            let message = match kind(text) {
                Some("a text") => json_message(&error.to_string()),
                kind => format!("{key:?} is a text in quotes, this is {}", kind.unwrap_or("an object")),
            };
            Trouble::new(Code::BadRecord, message)
        })
    }

    /// Says which key is not one of a line's, or stands twice.
    fn check(&self) -> Result<(), Trouble> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !KEYS.contains(&name.as_str()) {
                let hint = did_you_mean(name, KEYS).unwrap_or_else(|| {
                    "the keys are id, lang, program, template, input, env, data and templates".into()
                });
                return Err(Trouble::new(Code::UnknownKey, format!("there is no key {name:?}: {hint}")));
            }
            if self.0.iter().take(index).any(|(other, _)| other == name) {
                return Err(Trouble::new(Code::DuplicateKey, format!("the key {name:?} stands twice")));
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Line<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line<'de>, A::Error> {
        let mut line = Line::default();
        while let Some(entry) = map.next_entry()? {
            line.0.push(entry);
        }
        Ok(line)
    }
}

/// An error of a line.
struct Trouble {
    code: String,
    message: String,
    span: Option<Span>,
}

impl Trouble {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code.to_string(), message: message.into(), span: None }
    }
}

pub(super) fn run(lang: Language) -> Outcome {
    let base = machine()?;
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    let mut arena = Arena::new();
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::io("standard input", &error))?;
        if read == 0 {
            return Ok(Ending::Clean);
        }
        let too_long = read as u64 == MAX_LINE && line.last() != Some(&b'\n');
        if too_long {
            skip_line(&mut input)?;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let mut out = Vec::with_capacity(256);
        if too_long {
            let message = format!("the line is longer than {MAX_LINE} bytes");
            write_trouble("null", &Trouble::new(Code::Limit, message), &mut out);
        } else {
            answer(&line, lang, &base, &arena, &mut out);
        }
        arena.reset();
        out.push(b'\n');
        output.write_all(&out).and_then(|()| output.flush()).map_err(|error| Failure::io("standard output", &error))?;
    }
}

fn skip_line(input: &mut impl BufRead) -> Result<(), Failure> {
    loop {
        let buffer = input.fill_buf().map_err(|error| Failure::io("standard input", &error))?;
        if buffer.is_empty() {
            return Ok(());
        }
        let (length, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        input.consume(length);
        if done {
            return Ok(());
        }
    }
}

/// `id` is JSON already.
fn write_trouble(id: &str, trouble: &Trouble, out: &mut Vec<u8>) {
    let mut error = json!({"code": trouble.code, "message": trouble.message});
    if let (Some(span), Some(fields)) = (trouble.span, error.as_object_mut()) {
        fields.insert("span".into(), json!([span.start, span.end]));
    }
    // Writing to a Vec does not fail.
    let _ = write!(out, "{{\"id\":{id},\"error\":{error}}}");
}

fn answer(line: &[u8], lang: Language, base: &Env, arena: &Arena, out: &mut Vec<u8>) {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let parsed = match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str::<Line>(text).map_err(|error| json_trouble(text, &error.to_string())),
        Err(error) => Err(format!("it is not UTF-8: byte {} is not part of a character", error.valid_up_to() + 1)),
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(message) => {
            let trouble = Trouble::new(Code::BadRecord, format!("the line is not a question: {message}"));
            return write_trouble("null", &trouble, out);
        }
    };
    let start = out.len();
    if let Err(trouble) = parsed.check().and_then(|()| evaluate(&parsed, lang, base, arena, out)) {
        out.truncate(start);
        write_trouble(parsed.id(), &trouble, out);
    }
}

fn evaluate(line: &Line<'_>, lang: Language, base: &Env, arena: &Arena, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let lang = match line.string("lang")?.as_deref() {
        None => lang,
        Some(word) => Language::parse(word).ok_or_else(|| {
            Trouble::new(Code::WrongValue, format!("{word:?} is not a language: entra, liquid, rhai or jinja"))
        })?,
    };
    let text = match line.string("program")? {
        Some(text) => text,
        None => line
            .string("template")?
            .ok_or_else(|| Trouble::new(Code::MissingKey, "the line has no \"program\": the expression to evaluate"))?,
    };
    if lang != Language::Entra {
        let finding = not_yet(lang, text.len());
        return Err(Trouble {
            code: finding.code.to_string(),
            message: finding.message,
            span: Some(finding.primary.span),
        });
    }
    let overrides = EnvOverride::read(line.get("env").unwrap_or("{}"))
        .map_err(|message| Trouble::new(Code::BadRecord, format!("\"env\" cannot be taken: {message}")))?;
    let env = overrides.over(base).map_err(|message| Trouble::new(Code::WrongValue, message))?;
    let names = SourceNames::open();
    let surroundings = Surroundings { source: &names, macros: &overrides.macros, direct: false };
    let mut layout = Layout::default();
    let (expression, found) = Expression::compile(&text, &mut layout, &surroundings);
    let Some(expression) = expression else {
        let first = found.into_iter().find(crate::text::Diagnostic::is_error);
        return Err(first.map_or_else(
            || Trouble::new(Code::Syntax, "the expression does not compile"),
            |finding| Trouble {
                code: finding.code.to_string(),
                message: finding.message,
                span: Some(finding.primary.span),
            },
        ));
    };
    let record = line.get("input").unwrap_or("{}");
    let slots = RecordReader::new().read(&layout, record, arena).map_err(|error| {
        let message = format!("\"input\" is not a record: {}", json_trouble(record, &error.message));
        Trouble::new(Code::BadRecord, message)
    })?;
    let value = {
        let context = Context::new(arena, &env, 0);
        // The expression dies with the line; the value is written before.
        let mut value = Value::Absent;
        expression.run(slots, &context, &mut value).map(|()| written(line.id(), value, out))
    };
    value.map_err(|fault| Trouble { code: fault.code.to_string(), message: fault.to_string(), span: fault.span })
}

fn written(id: &str, value: Value<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    match value {
        Value::Ignored(ignore) => {
            let what: &[u8] = if ignore == Ignore::Attribute { b"\"attribute\"" } else { b"\"object\"" };
            out.extend_from_slice(b",\"ignore\":");
            out.extend_from_slice(what);
        }
        value => {
            out.extend_from_slice(b",\"value\":");
            write_json(value, out);
        }
    }
    out.push(b'}');
}
