//! Running one program of any language through the library, for tests that need no mapping file.

use std::time::{Duration, Instant};

use provisor::dotnet::date::{Moment, ReadFormat, Styles};
use provisor::function::{Context, Env, Limits, Seed, TakenList};
use provisor::language::names::SourceNames;
use provisor::language::{Language, Program, Surroundings, Toolbox, ToolboxTexts};
use provisor::text::Diagnostic;
use provisor::value::{Arena, Layout, RecordReader, Value, to_json};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a program is run with.
pub(crate) struct Setting {
    pub(crate) source: SourceNames,
    pub(crate) value: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) env: Env,
}

impl Setting {
    /// At the start of 2026, with the seed 1 and the default limits.
    pub(crate) fn new() -> Self {
        Self {
            source: SourceNames::open(),
            value: None,
            limits: Limits::DEFAULT,
            env: Env::new(moment("2026-01-01T00:00:00Z"), Seed::from_number(1)),
        }
    }

    /// With what a case says in `env`. Wall time is no limit here: a busy machine is slower than the steps that are counted.
    pub(crate) fn of(env: &Json) -> Self {
        let mut setting = Self::new();
        setting.env.limits.milliseconds = Limits::MOST.milliseconds;
        setting.limits.milliseconds = Limits::MOST.milliseconds;
        let text = |key: &str| env[key].as_str().map(str::to_owned);
        if let Some(now) = text("now") {
            setting.env.now = moment(&now);
        }
        if let Some(seed) = env["seed"].as_u64() {
            setting.env.seed = Seed::from_number(seed);
        }
        setting.env.guid = text("guid");
        setting.env.default_domain = text("defaultDomain");
        if let Some(taken) = env["taken"].as_array() {
            setting.env.taken = Arc::new(taken.iter().map(|name| name.as_str().unwrap()).collect::<TakenList>());
        }
        for name in ["user", "group"] {
            if let Some(record) = env.get(name) {
                setting.env.given.push((name.to_owned(), record.clone()));
            }
        }
        if let Some(names) = env["attributes"].as_array() {
            setting.source = SourceNames::only(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        }
        setting.value = text("value");
        setting
    }
}

fn moment(text: &str) -> Moment {
    let format = ReadFormat::compile("yyyy-MM-ddTHH:mm:ssZ").unwrap();
    format.read(text, &Styles::DEFAULT, Moment::MIN).unwrap()
}

/// What became of a program.
pub(crate) struct Ran {
    /// `{"value": …}`, `{"ignore": …, "reason"?: …}` or `{"error": {"code", "message", "at"}}`.
    pub(crate) answer: Json,
    /// Findings that are no errors.
    pub(crate) warnings: Vec<Diagnostic>,
    /// Each step of the trace, as `text = value`.
    pub(crate) trace: Vec<String>,
    /// How long running took.
    pub(crate) time: Duration,
    /// How many bytes the record's memory held in the end.
    pub(crate) memory: usize,
}

fn error(code: &str, message: &str, at: &str, help: &str) -> Json {
    json!({"error": {"code": code, "message": message, "at": at, "help": help}})
}

/// Compiles and runs a program on a record.
pub(crate) fn ran(language: Language, program: &str, record: &Json, setting: &Setting) -> Ran {
    let mut layout = Layout::default();
    let (toolbox, _) = Toolbox::compile(ToolboxTexts::default(), setting.limits, &mut layout, &setting.source);
    let macros = BTreeMap::new();
    let surroundings = Surroundings {
        source: &setting.source,
        macros: &macros,
        direct: false,
        value: setting.value.as_deref(),
        toolbox: &toolbox,
    };
    let begun = Instant::now();
    let (compiled, found) = Program::compile(language, program, &mut layout, &surroundings);
    let Some(compiled) = compiled else {
        let first = found.iter().find(|found| found.is_error()).expect("a program without errors compiles");
        for found in &found {
            assert!(
                found.primary.span.end as usize <= program.len() && program.get(found.primary.span.range()).is_some()
            );
        }
        let at = program.get(first.primary.span.range()).unwrap_or("?");
        let help: Vec<&str> =
            first.help.iter().map(String::as_str).chain(first.fixes.iter().map(|fix| &*fix.title)).collect();
        let answer = error(&first.code.to_string(), &first.message, at, &help.join(" "));
        return Ran { answer, warnings: Vec::new(), trace: Vec::new(), time: begun.elapsed(), memory: 0 };
    };
    let arena = Arena::new();
    let text = record.to_string();
    let slots = RecordReader::new().read(&layout, &text, &arena).expect("the record is an object");
    let context = Context::new(&arena, &setting.env, 0);
    let begun = Instant::now();
    let mut out = Value::Absent;
    let result = compiled.run(slots, &context, &mut out);
    let time = begun.elapsed();
    let answer = match result {
        Ok(()) => match out {
            Value::Ignored(_) => {
                let mut answer = to_json(out);
                if let Some(reason) = context.skip_reason() {
                    answer["reason"] = reason.into();
                }
                answer
            }
            value => json!({"value": to_json(value)}),
        },
        Err(fault) => {
            let span = fault.span.expect("a fault has a place");
            let at = program.get(span.range()).expect("the place is in the program");
            error(&fault.code.to_string(), &fault.to_string(), at, fault.help.as_deref().unwrap_or_default())
        }
    };
    let again = Context::new(&arena, &setting.env, 0);
    let (_, steps) = compiled.trace(slots, &again);
    let trace = steps
        .iter()
        .map(|step| {
            let text = &program[step.span.range()];
            format!(
                "{text} = {}",
                step.value.map_or("failed".to_owned(), |value| provisor::value::Shown(value).to_string())
            )
        })
        .collect();
    Ran { answer, warnings: found, trace, time, memory: arena.size() }
}
