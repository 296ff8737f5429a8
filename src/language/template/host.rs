//! [`Host`]: what the templates of one mapping file share: the environment, the limits, the macros.

use std::sync::Arc;

use minijinja::Environment;

use crate::function::Limits;
use crate::language::Undefined;
use crate::text::{Code, Diagnostic, Span};

use super::names::{self, Mention, Needs};
use super::scan::{self, Scan};
use super::{engine, fault, rewrite, too_long};

/// The longest text of macros, in bytes. minijinja counts its lines in 16 bits.
const MAX_MACROS: usize = 60_000;

/// The engine of a mapping file's templates: macros, filters, limits.
#[derive(Debug)]
pub struct Host {
    pub(super) env: Environment<'static>,
    pub(super) shared: Arc<Shared>,
}

/// What is left of a host when its templates are compiled.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) text: Box<str>,
    pub(super) macros: Vec<Macro>,
}

/// A shared macro.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: Box<str>,
    /// From its first tag to its last.
    pub(super) span: Span,
    pub(super) inserts: Vec<(usize, String)>,
    needs: Needs,
    /// The names in it, among them the macros it calls.
    mentions: Vec<Box<str>>,
    /// The names that it reads and does not set.
    pub(super) free: Vec<Box<str>>,
}

impl Macro {
    /// What a template needs that uses it.
    pub(super) fn needs(&self, other: Needs) -> Needs {
        Needs {
            functions: self.needs.functions || other.functions,
            randomness: self.needs.randomness || other.randomness,
            redacts: self.needs.redacts || other.redacts,
            unique: self.needs.unique || other.unique,
        }
    }
}

impl Host {
    /// What is wrong with the macros.
    pub fn check(macros: &str, limits: Limits) -> Vec<Diagnostic> {
        let host = Host::new("", Undefined::Strict, limits);
        match read(macros, MAX_MACROS, &host).and_then(|scan| Ok((take_apart(&scan)?, scan))) {
            Err(finding) => vec![*finding],
            Ok((found, scan)) => {
                let known: Vec<&str> = found.iter().map(|found| &*found.name).collect();
                // Arguments hold macros too: what an argument, loop or `set` names may be called.
                let declared = |name: &str| {
                    name == "caller"
                        || names::mentions(&scan)
                            .iter()
                            .any(|mention| mention.name == name && mention.role == names::Role::Variable)
                };
                let findings = names::mentions(&scan).into_iter();
                findings.filter_map(|mention| names::finding(&mention, !declared(mention.name), &known)).collect()
            }
        }
    }

    /// An engine with these macros and limits; macros that do not compile are left out, as [`Host::check`] has said.
    pub fn new(macros: &str, undefined: Undefined, limits: Limits) -> Host {
        let env = engine::environment(undefined, limits);
        let empty = Shared { limits, text: "".into(), macros: Vec::new() };
        let mut host = Host { env, shared: Arc::new(empty) };
        let found = match read(macros, MAX_MACROS, &host) {
            Ok(scan) => take_apart(&scan).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        host.shared = Arc::new(Shared { limits, text: macros.into(), macros: found });
        host
    }

    /// Every name that a template may use beside the record's, as `filter x`, `test x`, `function x`.
    pub fn symbols() -> Vec<String> {
        let table = || crate::function::TABLE.iter().map(|spec| spec.name);
        let filters = engine::FILTERS.iter().copied().chain(table()).map(|name| format!("filter {name}"));
        let tests = engine::TESTS.iter().map(|name| format!("test {name}"));
        // Functions are globals, which minijinja lists.
        let env = engine::environment(Undefined::Strict, Limits::DEFAULT);
        let mut all: Vec<String> = filters.chain(tests).collect();
        all.extend(env.globals().map(|(name, _)| format!("function {name}")));
        all.sort();
        all
    }
}

impl Shared {
    /// The macros that a template calls, and those that they call, in the order of the text.
    pub(super) fn used_by(&self, mentions: &[Mention<'_>]) -> Vec<&Macro> {
        let mut used: Vec<bool> =
            self.macros.iter().map(|known| mentions.iter().any(|mention| *mention.name == *known.name)).collect();
        loop {
            let more: Vec<bool> = self
                .macros
                .iter()
                .zip(&used)
                .map(|(known, is_used)| {
                    let callers = self.macros.iter().zip(&used).filter(|(_, is_used)| **is_used);
                    *is_used || callers.into_iter().any(|(caller, _)| caller.mentions.contains(&known.name))
                })
                .collect();
            if more == used {
                break;
            }
            used = more;
        }
        self.macros.iter().zip(used).filter(|(_, is_used)| *is_used).map(|(known, _)| known).collect()
    }

    /// The macro at a place of the text.
    pub(super) fn macro_at(&self, at: usize) -> &str {
        let found = self.macros.iter().find(|known| known.span.range().start <= at && at <= known.span.range().end);
        found.map_or("", |known| &*known.name)
    }
}

/// Scans a text and has minijinja read it. `*` becomes `/` for it, which reads alike: it would calculate what is constant,
/// and a text times a number is constant and large.
pub(super) fn read<'t>(text: &'t str, most: usize, host: &Host) -> Result<Scan<'t>, Box<Diagnostic>> {
    if text.len() > most {
        return Err(too_long(text, most));
    }
    let scan = scan::scan(text)?;
    let mut harmless = String::with_capacity(text.len());
    let mut from = 0;
    for tag in &scan.tags {
        for pair in tag.tokens.windows(2) {
            if let [before, token] = pair
                && token.is("*")
                && before.ends_value()
            {
                harmless.push_str(text.get(from..token.span.range().start).unwrap_or_default());
                harmless.push('/');
                from = token.span.range().end;
            }
        }
    }
    harmless.push_str(text.get(from..).unwrap_or_default());
    match host.env.template_from_named_str(super::NAME, &harmless) {
        Ok(_) => Ok(scan),
        Err(error) => {
            let finding = fault::finding(&error, text);
            let blocks =
                ["unexpected end of input", "unknown statement"].iter().any(|start| finding.message.starts_with(start));
            Err(Box::new(scan::open_block(&scan.tags).filter(|_| blocks).unwrap_or(finding)))
        }
    }
}

/// The macros of a text.
fn take_apart(scan: &Scan<'_>) -> Result<Vec<Macro>, Box<Diagnostic>> {
    let inserts = rewrite::inserts(scan);
    let mentions = names::mentions(scan);
    let mut found: Vec<Macro> = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut depth = 0_usize;
    let mut first = 0;
    for (index, tag) in scan.tags.iter().enumerate() {
        match (tag.word(), depth) {
            ("macro", 0) => {
                open = tag.tokens.get(1).map(|name| (name.text, tag.span.range().start));
                (depth, first) = (1, index);
            }
            ("macro", _) => depth += 1,
            ("endmacro", 1) => {
                depth = 0;
                let Some((name, start)) = open.take() else { continue };
                let span = Span::new(start, tag.span.range().end);
                let within = mentions.iter().filter(|mention| {
                    span.range().start <= mention.span.range().start && mention.span.range().end <= span.range().end
                });
                let free = names::free(scan.tags.get(first..index).unwrap_or_default());
                let free = free.into_iter().map(|(name, _)| name.into()).collect();
                let mut needs = Needs::default();
                let mut mentioned: Vec<Box<str>> = Vec::new();
                for mention in within {
                    needs.see(mention);
                    mentioned.push(mention.name.into());
                }
                if names::is_function(name) || found.iter().any(|other| *other.name == *name) {
                    let message = format!("there is a function or macro `{name}` already");
                    return Err(Box::new(Diagnostic::new(Code::DuplicateKey, message, span)));
                }
                let inserts = inserts
                    .iter()
                    .filter(|(at, _)| span.range().start <= *at && *at <= span.range().end)
                    .cloned()
                    .collect();
                found.push(Macro { name: name.into(), span, inserts, needs, mentions: mentioned, free });
            }
            ("endmacro", _) => depth = depth.saturating_sub(1),
            (_, 0) => {
                let finding = Diagnostic::new(Code::Syntax, "only macros stand here", tag.span)
                    .help("write `{% macro name(argument) %}…{% endmacro %}`");
                return Err(Box::new(finding));
            }
            _ => {}
        }
    }
    Ok(found)
}
