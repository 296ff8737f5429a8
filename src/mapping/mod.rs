//! The mapping: a file compiled into rules, a record applied to it, a payload out.
//!
//! `tree` and `file` read the text, `compile` checks it and makes [`Mapping`], `apply` runs it on a record, `case` runs
//! its tests, `failure` and `trace` say what happened, `preview` all of it as JSON, `impact` what another
//! file would change. One evaluator serves the CLI, the API, SCIM and the sync.

mod apply;
pub mod authnsh;
mod case;
mod coerce;
mod compile;
mod difference;
pub mod entra_schema;
mod failure;
mod file;
mod format;
mod given;
mod impact;
mod keep;
mod merge;
mod preview;
mod quote;
mod run;
mod scope;
mod shape;
mod trace;
mod tree;

use std::sync::Arc;

pub use apply::{Apply, Outcome, Payload, Skip};
pub use case::{Case, CaseResult};
pub use compile::Compiled;
pub use difference::{Change, differences};
pub use failure::{Failure, describe_fault, headline};
pub use file::OnError;
pub use format::format;
pub use given::EnvOverride;
pub use impact::{Comparer, Impact};
pub use preview::{Ended, Look, Preview, Previewer, Wish};
pub use run::{Ran, Told};
pub use trace::{RuleTrace, Traced};

use crate::function::{Env, Limits, Seed, TakenList};
use crate::language::{Language, Program};
use crate::scim::ResourceSchema;
use crate::text::{Source, Span};
use crate::value::{Layout, Slot};

use apply::Plan;
use coerce::Coercion;
use scope::Scope;
use shape::Shape;
use tree::Places;

/// The largest mapping file, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;
/// The most rules in a mapping.
pub const MAX_RULES: usize = 2_000;

/// A compiled mapping: immutable, shared by all threads that run it.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    resource: String,
    source: Source,
    layout: Layout,
    scope: Scope,
    rules: Vec<Rule>,
    /// By rule, for writing.
    constants: Vec<bool>,
    /// By rule, for applying.
    plans: Box<[Plan]>,
    shape: Shape,
    /// The script whose map is merged into the payload.
    script: Option<Rule>,
    /// What the script's map may hold; `None` without a script, and for a JSON target.
    schema: Option<ResourceSchema>,
    /// `"schemas":[…]`, ready to be written; empty for a JSON target.
    schemas: Vec<u8>,
    send_empty: bool,
    env: EnvLayer,
    cases: Vec<Case>,
}

/// One target and the program that fills it.
#[derive(Debug)]
pub struct Rule {
    target: String,
    target_span: Span,
    body: RuleBody,
    matching: Option<u32>,
    default: Option<serde_json::Value>,
    required: bool,
    create_only: bool,
    on_error: OnError,
    coercion: Coercion,
    /// Whether a text is what the target takes, as it is.
    takes_text: bool,
}

#[derive(Debug)]
enum RuleBody {
    Program { program: Program, text: String, places: Places, language: Language },
    Constant(serde_json::Value),
}

impl Rule {
    /// The target as the schema spells it.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Where the target stands in the file.
    pub fn target_span(&self) -> Span {
        self.target_span
    }

    /// Its matching precedence, from 1.
    pub fn matching(&self) -> Option<u32> {
        self.matching
    }

    /// Whether a record without a value for it is skipped.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether it applies only when the object is created.
    pub fn is_create_only(&self) -> bool {
        self.create_only
    }

    /// What a failure does.
    pub fn on_error(&self) -> OnError {
        self.on_error
    }

    /// The program's text; `None` for a constant.
    pub fn program_text(&self) -> Option<&str> {
        match &self.body {
            RuleBody::Program { text, .. } => Some(text),
            RuleBody::Constant(_) => None,
        }
    }

    /// The program's language; `None` for a constant.
    pub fn language(&self) -> Option<Language> {
        match &self.body {
            RuleBody::Program { language, .. } => Some(*language),
            RuleBody::Constant(_) => None,
        }
    }

    /// The attributes its program reads.
    pub fn reads(&self) -> &[Slot] {
        match &self.body {
            RuleBody::Program { program, .. } => program.reads(),
            RuleBody::Constant(_) => &[],
        }
    }

    /// Whether its value must not be shown in logs.
    pub fn is_redacted(&self) -> bool {
        match &self.body {
            RuleBody::Program { program, .. } => program.is_redacted(),
            RuleBody::Constant(_) => false,
        }
    }

    /// The place in the file of a span of the program's text.
    fn place(&self, span: Span) -> Span {
        match &self.body {
            RuleBody::Program { places, .. } => places.place(span),
            RuleBody::Constant(_) => self.target_span,
        }
    }
}

/// What a mapping or a test gives to the functions, over what the run gives.
#[derive(Debug, Clone, Default)]
struct EnvLayer {
    default_domain: Option<String>,
    taken: Option<Vec<String>>,
    now: Option<crate::dotnet::date::Moment>,
    guid: Option<String>,
    random: Option<String>,
    seed: Option<u64>,
    limits: Option<Limits>,
}

impl EnvLayer {
    fn over(&self, base: &Env) -> Env {
        let mut env = base.clone();
        if let Some(domain) = &self.default_domain {
            env.default_domain = Some(domain.clone());
        }
        if let Some(taken) = &self.taken {
            env.taken = Arc::new(taken.iter().collect::<TakenList>());
        }
        if let Some(guid) = &self.guid {
            env.guid = Some(guid.clone());
        }
        if let Some(random) = &self.random {
            env.random = Some(random.clone());
        }
        env.now = self.now.unwrap_or(env.now);
        env.seed = self.seed.map_or(env.seed, Seed::from_number);
        env.limits = self.limits.unwrap_or(env.limits);
        env
    }
}

impl Mapping {
    /// Checks and compiles a mapping file, TOML or JSON.
    pub fn compile(source: &Source) -> Compiled {
        compile::compile(source)
    }

    /// The mapping's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resource type it makes.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The file's text, for diagnostics.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The attributes it reads, numbered.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with this number; the script's is the one behind the last.
    fn rule(&self, number: usize) -> Option<&Rule> {
        self.rules.get(number).or(self.script.as_ref())
    }

    /// The script whose map is merged into the payload.
    pub fn script(&self) -> Option<&Rule> {
        self.script.as_ref()
    }

    /// The rules that find the target object, by precedence.
    pub fn matching_rules(&self) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = self.rules.iter().filter(|rule| rule.matching.is_some()).collect();
        rules.sort_by_key(|rule| rule.matching);
        rules
    }

    /// Its tests.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Its `[env]` over what the run gives.
    pub fn env(&self, base: &Env) -> Env {
        self.env.over(base)
    }
}
