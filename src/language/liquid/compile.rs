//! Tokens to nodes: which tag closes which, what a block with nothing to print loses, and what a template needs to know of
//! itself before it runs.

use std::collections::BTreeSet;

use crate::text::{Code, Diagnostic, MAX_DIAGNOSTICS, Span};
use crate::value::{Layout, Slot};

use super::lexer::{self, Kind, Token};
use super::syntax::{self, Found, Rule};
use super::tree::{Block, Node};

/// The longest template, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// What is known of the snippets while a template is compiled.
pub(super) trait KnownSnippets {
    /// The number of the snippet called so.
    fn find(&self, name: &str) -> Option<usize>;
    /// The names of all.
    fn names(&self) -> Vec<&str>;
}

/// Compiles one text.
pub(super) struct Compiler<'c, 's> {
    pub(super) layout: &'c mut Layout,
    /// The path that `value` stands for.
    pub(super) value_path: Option<&'s str>,
    pub(super) snippets: &'s dyn KnownSnippets,
    pub(super) found: Vec<Diagnostic>,
    pub(super) reads: Vec<Slot>,
    /// The names read that may be attributes, with their places.
    pub(super) names: Vec<(Box<str>, Span)>,
    /// The names that the text gives a value to.
    pub(super) bound: BTreeSet<Box<str>>,
    /// Names that are variables for certain where we are: of the loops around, and assigned before.
    pub(super) variables: Vec<Box<str>>,
    /// The snippets that it names.
    pub(super) uses: BTreeSet<usize>,
    /// Whether it chooses a snippet while it runs.
    pub(super) chooses: bool,
    pub(super) most_depth: usize,
    pub(super) depth: usize,
    /// Whether the rest is left unread.
    pub(super) stopped: bool,
}

/// The tag that ended a block.
pub(super) type End<'t> = Option<Token<'t>>;

/// Tokens with a place in them.
pub(super) struct Tokens<'t> {
    tokens: Vec<Token<'t>>,
    next: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(tokens: Vec<Token<'t>>) -> Self {
        Self { tokens, next: 0 }
    }

    fn next(&mut self) -> Option<Token<'t>> {
        let token = self.tokens.get(self.next).copied();
        self.next += 1;
        token
    }

    /// Leaves the rest unread: more findings about it would say nothing new.
    pub(super) fn stop(&mut self) {
        self.next = self.tokens.len();
    }
}

/// A block while it is read.
#[derive(Default)]
pub(super) struct Body {
    pub(super) nodes: Vec<Node>,
    /// Whether it prints nothing but whitespace.
    pub(super) blank: bool,
}

impl Body {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), blank: true }
    }

    /// The block; one of a tag that prints nothing but whitespace loses that.
    pub(super) fn block(mut self, without_text: bool) -> Block {
        if without_text {
            self.nodes.retain(|node| !matches!(node, Node::Text(_)));
        }
        Block { nodes: self.nodes.into() }
    }
}

impl<'c, 's> Compiler<'c, 's> {
    pub(super) fn new(
        layout: &'c mut Layout,
        snippets: &'s dyn KnownSnippets,
        value_path: Option<&'s str>,
        most_depth: usize,
    ) -> Self {
        Self {
            layout,
            value_path,
            snippets,
            found: Vec::new(),
            reads: Vec::new(),
            names: Vec::new(),
            bound: BTreeSet::new(),
            variables: Vec::new(),
            uses: BTreeSet::new(),
            chooses: false,
            most_depth,
            depth: 0,
            stopped: false,
        }
    }
}

impl Compiler<'_, '_> {
    pub(super) fn report(&mut self, finding: Diagnostic) {
        if self.found.len() < MAX_DIAGNOSTICS {
            self.found.push(finding);
        }
    }

    /// Reports what went wrong, if anything.
    pub(super) fn kept<T>(&mut self, result: Result<T, Found>) -> Option<T> {
        result.map_err(|finding| self.report(*finding)).ok()
    }

    pub(super) fn read(&mut self, slot: Slot) {
        if !self.reads.contains(&slot) {
            self.reads.push(slot);
        }
    }

    /// Whether a name is a variable for certain.
    pub(super) fn is_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| **variable == *name)
    }

    /// The tag gives the name a value.
    pub(super) fn bind(&mut self, name: &str) {
        self.bound.insert(name.into());
        if self.depth == 0 && !self.is_variable(name) {
            self.variables.push(name.into());
        }
    }

    /// Compiles a whole text.
    pub(super) fn template(&mut self, text: &str) -> Block {
        if text.len() > MAX_BYTES {
            let message = format!("the template has {} bytes; it may have {MAX_BYTES}", text.len());
            let finding = Diagnostic::new(Code::TooLong, message, Span::new(0, text.len()));
            self.report(finding.help("move a part of it into a snippet"));
            return Block::default();
        }
        let Some(tokens) = self.kept(lexer::template(text)) else { return Block::default() };
        let mut body = Body::new();
        self.document(&mut Tokens::new(tokens), &mut body);
        body.block(false)
    }

    /// Reads up to the end, where no tag may be open.
    fn document(&mut self, tokens: &mut Tokens<'_>, body: &mut Body) {
        while let Some(end) = self.body(tokens, body, &[]) {
            let Kind::Tag(name) = end.kind else { continue };
            self.stray(name, end.span);
        }
    }

    /// A tag that has no place where it stands.
    pub(super) fn stray(&mut self, name: &str, span: Span) {
        const INNER: [&str; 4] = ["else", "elsif", "when", "end"];
        let inner = INNER.contains(&name) || name.starts_with("end");
        let finding = if inner {
            Diagnostic::new(Code::Syntax, format!("`{name}` has no place here"), span)
                .label("no tag that it belongs to is open")
        } else {
            let finding = Diagnostic::new(Code::UnknownFunction, format!("there is no tag `{name}`"), span);
            finding.help_if(crate::text::did_you_mean(name, super::tags::NAMES.iter().copied()))
        };
        self.report(finding);
    }

    /// Reads nodes up to a tag that does not begin one, which must be one of `ends` for the block to be well.
    pub(super) fn body<'t>(&mut self, tokens: &mut Tokens<'t>, body: &mut Body, ends: &[&str]) -> End<'t> {
        while let Some(token) = tokens.next() {
            match token.kind {
                Kind::Nothing => {}
                Kind::Text | Kind::Raw if token.text.is_empty() => {}
                Kind::Text => {
                    body.blank &= token.text.chars().all(lexer::is_space);
                    body.nodes.push(Node::Text(token.text.into()));
                }
                Kind::Raw => {
                    body.blank = false;
                    body.nodes.push(Node::Text(token.text.into()));
                }
                Kind::Output => {
                    body.blank = false;
                    self.output(&token, body);
                }
                Kind::Tag(name) if ends.contains(&name) => return Some(token),
                Kind::Tag(_) => {
                    if !self.tag(&token, tokens, body) {
                        return Some(token);
                    }
                }
            }
        }
        None
    }

    fn output(&mut self, token: &Token<'_>, body: &mut Body) {
        let parsed = syntax::parse(Rule::output, token.text, token.at, self.most_depth, "the output");
        let parsed = parsed.map_err(|finding| {
            // An empty output has no place of its own.
            if finding.primary.span.start == finding.primary.span.end && token.text.trim().is_empty() {
                Box::new(Diagnostic::new(Code::Syntax, "the output is empty", token.span).label("a value is wanted"))
            } else {
                finding
            }
        });
        if let Some(pair) = self.kept(parsed)
            && let Some(filtered) = pair.into_inner().next()
        {
            body.nodes.push(Node::Output(self.filtered(filtered, token.at)));
        }
    }

    /// Reads what is in a `liquid` tag into the block around it.
    pub(super) fn liquid(&mut self, token: &Token<'_>, body: &mut Body) {
        let Some(lines) = self.kept(lexer::lines(token.text, token.at)) else { return };
        if !self.enter(token.span) {
            return;
        }
        // What stands in it stands in the block around it, and is no deeper than that.
        let depth = self.depth;
        self.document(&mut Tokens::new(lines), body);
        self.depth = depth.saturating_sub(1);
    }

    /// One level deeper; false when that is too deep.
    pub(super) fn enter(&mut self, span: Span) -> bool {
        if self.depth >= self.most_depth {
            self.stopped = true;
            let message = format!("the tags nest deeper than {} levels", self.most_depth);
            self.report(Diagnostic::new(Code::TooDeep, message, span).help("move a part of it into a snippet"));
            return false;
        }
        self.depth += 1;
        true
    }
}
