//! `provisor eval --jsonl`: a JSON object a line in, one out, flushed as it goes, so that another program can hold a
//! conversation with it. A bad line costs only itself.

use std::io::{self, BufRead, Read, Write};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::function::{Context, Env};
use crate::language::entra::{Expression, Surroundings};
use crate::language::names::SourceNames;
use crate::mapping::Language;
use crate::text::{Code, Span};
use crate::value::{Arena, Ignore, Layout, RecordReader, Value, write_json};

use super::env::{EnvOverride, machine};
use super::eval::not_yet;
use super::{Ending, Failure, Outcome};

/// The longest line, in bytes; the rest of a longer one is passed over.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// A line of the conversation.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Json,
    lang: Option<String>,
    program: Option<String>,
    /// The word of the Liquid form of a line.
    template: Option<String>,
    #[serde(default)]
    input: Option<Json>,
    #[serde(default)]
    env: Option<EnvOverride>,
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
            write_trouble(&Json::Null, &Trouble::new(Code::Limit, message), &mut out);
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

fn write_trouble(id: &Json, trouble: &Trouble, out: &mut Vec<u8>) {
    let mut error = json!({"code": trouble.code, "message": trouble.message});
    if let (Some(span), Json::Object(fields)) = (trouble.span, &mut error) {
        fields.insert("span".into(), json!([span.start, span.end]));
    }
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(out, &json!({"id": id, "error": error}));
}

fn answer(line: &[u8], lang: Language, base: &Env, arena: &Arena, out: &mut Vec<u8>) {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let parsed: Line = match serde_json::from_slice(line) {
        Ok(parsed) => parsed,
        Err(error) => {
            // The id may still be readable, so that the asker knows which question failed.
            let id =
                serde_json::from_slice::<Json>(line).ok().and_then(|json| json.get("id").cloned()).unwrap_or_default();
            let trouble = Trouble::new(Code::BadRecord, format!("the line is not a question: {error}"));
            return write_trouble(&id, &trouble, out);
        }
    };
    let start = out.len();
    if let Err(trouble) = evaluate(&parsed, lang, base, arena, out) {
        out.truncate(start);
        write_trouble(&parsed.id, &trouble, out);
    }
}

fn evaluate(line: &Line, lang: Language, base: &Env, arena: &Arena, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let lang = match line.lang.as_deref() {
        None => lang,
        Some(word) => Language::parse(word).ok_or_else(|| {
            Trouble::new(Code::WrongValue, format!("{word:?} is not a language: entra, liquid, rhai or jinja"))
        })?,
    };
    let Some(text) = line.program.as_ref().or(line.template.as_ref()) else {
        return Err(Trouble::new(Code::MissingKey, "the line has no \"program\""));
    };
    if lang != Language::Entra {
        let finding = not_yet(lang, text.len());
        return Err(Trouble {
            code: finding.code.to_string(),
            message: finding.message,
            span: Some(finding.primary.span),
        });
    }
    let empty = EnvOverride::default();
    let overrides = line.env.as_ref().unwrap_or(&empty);
    let env = overrides.over(base).map_err(|message| Trouble::new(Code::WrongValue, message))?;
    let names = SourceNames::open();
    let surroundings = Surroundings { source: &names, macros: &overrides.macros, direct: false };
    let mut layout = Layout::default();
    let (expression, found) = Expression::compile(text, &mut layout, &surroundings);
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
    let record = match &line.input {
        None | Some(Json::Null) => "{}".to_owned(),
        Some(record @ Json::Object(_)) => record.to_string(),
        Some(_) => return Err(Trouble::new(Code::BadRecord, "\"input\" is not an object")),
    };
    let slots = RecordReader::new()
        .read(&layout, arena.text(&record), arena)
        .map_err(|error| Trouble::new(Code::BadRecord, error.message))?;
    let value = {
        let context = Context::new(arena, &env, 0);
        // The expression dies with the line; the value is written before.
        expression.run(slots, &context).map(|value| written(&line.id, value, out))
    };
    value.map_err(|fault| Trouble { code: fault.code.to_string(), message: fault.to_string(), span: fault.span })
}

fn written(id: &Json, value: Value<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    let _ = serde_json::to_writer(&mut *out, id);
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
