//! The names of a template: which are attributes, which filters, tests, functions and macros, and which are none of these.

use crate::function::{self, TABLE};
use crate::text::{Code, Diagnostic, Span, closest, shorten};

use super::engine::{FILTERS, FUNCTIONS, TESTS};
use super::rewrite;
use super::scan::{Kind, Scan, Tag, Token, is_keyword};

/// How a name is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Variable,
    Called,
    Filter,
    Test,
    /// A text constant, which `map("…")` takes as a filter's name.
    Text,
}

/// A name at a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mention<'t> {
    pub(super) name: &'t str,
    pub(super) role: Role,
    pub(super) span: Span,
}

/// Every name of a template but those of attributes of values, of arguments, and of the language.
pub(super) fn mentions<'t>(scan: &Scan<'t>) -> Vec<Mention<'t>> {
    let mut found = Vec::new();
    for tag in &scan.tags {
        let tokens = tag.tokens.as_slice();
        let skipped = match tag.word() {
            "" => 0,
            "macro" => 2,
            _ => 1,
        };
        for (index, token) in tokens.iter().enumerate().skip(skipped) {
            let before = index.checked_sub(1).and_then(|before| tokens.get(before));
            let next = tokens.get(index + 1);
            let earlier = index.checked_sub(2).and_then(|earlier| tokens.get(earlier));
            if let Some(role) = role(token, earlier, before, next) {
                let role = if tag.word() == "filter" && index == 1 { Role::Filter } else { role };
                let name = if token.kind == Kind::Text { token.text.trim_matches(['"', '\'']) } else { token.text };
                found.push(Mention { name, role, span: token.span });
            }
        }
    }
    found
}

fn role(
    token: &Token<'_>,
    earlier: Option<&Token<'_>>,
    before: Option<&Token<'_>>,
    next: Option<&Token<'_>>,
) -> Option<Role> {
    let before_is = |text: &str| before.is_some_and(|before| before.is(text));
    let next_is = |text: &str| next.is_some_and(|next| next.is(text));
    let negated = before_is("not") && earlier.is_some_and(|earlier| earlier.is("is"));
    match token.kind {
        Kind::Text => Some(Role::Text),
        Kind::Name if before_is(".") => None,
        Kind::Name if before_is("|") => Some(Role::Filter),
        Kind::Name if (before_is("is") && token.text != "not") || negated => Some(Role::Test),
        Kind::Name if is_keyword(token.text) => None,
        Kind::Name if token.depth > 0 && next_is("=") => None,
        Kind::Name if next_is("(") => Some(Role::Called),
        Kind::Name => Some(Role::Variable),
        Kind::Number | Kind::Sign => None,
    }
}

/// The variables that are read before anything in the text sets them, each with its first place. minijinja's own list leaves
/// some out: what is sliced, and what is read by the `set` that sets it.
pub(super) fn free<'t>(tags: &[Tag<'t>]) -> Vec<(&'t str, Span)> {
    let mut assigned: Vec<&str> = vec!["loop", "caller", "self"];
    let mut found: Vec<(&str, Span)> = Vec::new();
    for tag in tags {
        let tokens = tag.tokens.as_slice();
        let targets = match tag.word() {
            "set" => tokens.iter().position(|token| token.is("=") || token.is("|")).unwrap_or(tokens.len()),
            "for" => tokens.iter().position(|token| token.is("in")).unwrap_or(0),
            "macro" => 2,
            "filter" => tokens.len(),
            "" => 0,
            _ => 1,
        };
        let mut set: Vec<&str> = match tag.word() {
            "macro" => tokens.get(1).map(|name| name.text).into_iter().chain(rewrite::parameters(tag)).collect(),
            "call" => rewrite::parameters(tag).collect(),
            _ => Vec::new(),
        };
        for (index, token) in tokens.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| tokens.get(before));
            let earlier = index.checked_sub(2).and_then(|earlier| tokens.get(earlier));
            let next = tokens.get(index + 1);
            let dotted = next.is_some_and(|next| next.is("."));
            if token.kind != Kind::Name || index == 0 && !tag.prints {
                continue;
            }
            let is_target = index < targets && !dotted
                || tag.word() == "with" && token.depth == 0 && next.is_some_and(|next| next.is("="));
            if is_target {
                set.push(token.text);
            } else if role(token, earlier, before, next) == Some(Role::Variable)
                && !assigned.contains(&token.text)
                && !(matches!(tag.word(), "macro" | "call") && set.contains(&token.text))
                && found.iter().all(|(name, _)| *name != token.text)
            {
                found.push((token.text, token.span));
            }
        }
        assigned.append(&mut set);
    }
    found
}

/// Whether every template has a function of this name.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || TABLE.iter().any(|spec| spec.name == name)
}

/// What is wrong with a name, as far as it can be seen; `unknown` says whether nothing in the template declares it.
pub(super) fn finding(mention: &Mention<'_>, unknown: bool, macros: &[&str]) -> Option<Diagnostic> {
    let table = || TABLE.iter().map(|spec| spec.name);
    let Mention { name, span, .. } = *mention;
    let (what, near) = match mention.role {
        Role::Filter if FILTERS.contains(&name) || table().any(|known| known == name) => return None,
        Role::Filter => ("filter", closest(name, FILTERS.iter().copied().chain(table()))),
        Role::Test if TESTS.contains(&name) => return None,
        Role::Test => ("test", closest(name, TESTS.iter().copied())),
        Role::Called if unknown && !is_function(name) && !macros.contains(&name) => {
            let known = FUNCTIONS.iter().copied().chain(table()).chain(macros.iter().copied());
            ("function", closest(name, known))
        }
        Role::Called | Role::Variable | Role::Text => return None,
    };
    let finding = Diagnostic::new(Code::UnknownFunction, format!("there is no {what} `{}`", shorten(name)), span);
    Some(match near {
        Some(near) => finding.fix(span, near, format!("did you mean `{near}`?")),
        None => finding.help("docs/jinja.md lists what templates have; `provisor functions` lists the functions"),
    })
}

/// What the functions that a template names need of a run.
#[expect(clippy::struct_excessive_bools, reason = "a row of facts, each a yes or no")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needs {
    /// A function of the table is called.
    pub(super) functions: bool,
    /// One of them is not the same each time.
    pub(super) randomness: bool,
    /// One of them hides its value.
    pub(super) redacts: bool,
    /// Whether `SelectUniqueValue` is called.
    pub(super) unique: bool,
}

impl Needs {
    pub(super) fn see(&mut self, mention: &Mention<'_>) {
        if let Some(spec) = function::lookup(mention.name).filter(|spec| spec.name == mention.name) {
            self.functions = true;
            self.randomness |= !spec.pure;
            self.redacts |= spec.redacts;
            self.unique |= spec.name == "SelectUniqueValue";
        }
    }
}
