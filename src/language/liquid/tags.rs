//! The tags: what stands behind their names, and the blocks they open.

use std::fmt::Write as _;

use pest::iterators::Pair;

use crate::text::{Code, Diagnostic, Span, closest, did_you_mean, shorten};

use super::compile::{Body, Compiler, Tokens};
use super::lexer::{Kind, Token, not_closed};
use super::syntax::{self, Rule, span};
use super::tree::{
    Bound, Branch, Case, Constant, Cycle, CycleGroup, ExprKind, For, Node, Offset, Partial, SnippetName, When,
};

/// Every tag that may begin something.
pub(super) const NAMES: [&str; 19] = [
    "assign",
    "break",
    "capture",
    "case",
    "comment",
    "continue",
    "cycle",
    "decrement",
    "doc",
    "echo",
    "for",
    "if",
    "ifchanged",
    "include",
    "increment",
    "liquid",
    "raw",
    "render",
    "tablerow",
];

impl Compiler<'_, '_> {
    /// Compiles a tag and what belongs to it; false when no tag of that name begins anything.
    pub(super) fn tag<'t>(&mut self, token: &Token<'t>, tokens: &mut Tokens<'t>, body: &mut Body) -> bool {
        let Kind::Tag(name) = token.kind else { return true };
        // Most tags print something, or may.
        let mut blank = false;
        let node = match name {
            "if" | "unless" => self.if_(name, token, tokens, &mut blank),
            "case" => self.case(token, tokens, &mut blank),
            "for" => self.for_(token, tokens, &mut blank),
            "tablerow" => self.tablerow(token, tokens, &mut blank),
            "ifchanged" => {
                let inner = self.inner("ifchanged", token, tokens);
                blank = inner.blank;
                Some(Node::IfChanged { body: inner.block(false), span: token.span })
            }
            "capture" => {
                blank = true;
                self.capture(token, tokens)
            }
            "assign" => {
                blank = true;
                self.assign(token)
            }
            "echo" => self.echo(token),
            "liquid" => {
                blank = true;
                self.liquid(token, body);
                None
            }
            "cycle" => self.cycle(token),
            "increment" | "decrement" => self.counter(token, name == "increment"),
            "include" | "render" => self.partial(token, name == "render"),
            "break" => self.alone(token).then_some(Node::Break),
            "continue" => self.alone(token).then_some(Node::Continue),
            _ => return false,
        };
        body.blank &= blank;
        body.nodes.extend(node);
        if self.stopped {
            tokens.stop();
        }
        true
    }

    /// Parses the markup of a tag.
    fn markup<'t>(&mut self, rule: Rule, token: &Token<'t>) -> Option<Pair<'t, Rule>> {
        let Kind::Tag(name) = token.kind else { return None };
        let depth = self.most_depth;
        let parsed = syntax::parse(rule, token.text, token.at, depth, &format!("the tag `{name}`"));
        self.kept(parsed)
    }

    /// Nothing stands behind the tag's name.
    fn alone(&mut self, token: &Token<'_>) -> bool {
        let words = token.text.trim();
        if !words.is_empty() {
            let at = token.at + (token.text.len() - token.text.trim_start().len());
            let span = Span::new(at, at + words.len());
            self.report(Diagnostic::new(Code::Syntax, "nothing stands behind this tag's name", span));
        }
        words.is_empty()
    }

    /// Reads a part of a block up to one of `ends`.
    fn part<'t>(
        &mut self,
        name: &str,
        open: &Token<'t>,
        tokens: &mut Tokens<'t>,
        body: &mut Body,
        ends: &[&str],
    ) -> Option<Token<'t>> {
        let end = self.body(tokens, body, ends);
        match end.map(|end| (end, end.kind)) {
            Some((end, Kind::Tag(found))) if ends.contains(&found) => return Some(end),
            Some((end, Kind::Tag(found))) => {
                let finding = if found.starts_with("end") || matches!(found, "else" | "elsif" | "when") {
                    Diagnostic::new(Code::Syntax, format!("`{found}` has no place here"), end.span)
                        .label(format!("`end{name}` is wanted before"))
                        .also(open.span, "this tag is open")
                } else {
                    Diagnostic::new(Code::UnknownFunction, format!("there is no tag `{}`", shorten(found)), end.span)
                        .help_if(did_you_mean(found, NAMES.into_iter().chain(["unless"])))
                };
                self.report(finding);
                // One stray tag makes all behind it look wrong.
                self.stopped = true;
                tokens.stop();
            }
            _ if self.stopped => {}
            _ => self.report(*not_closed(name, open.span)),
        }
        None
    }

    /// Reads a block that has one part.
    fn inner<'t>(&mut self, name: &str, open: &Token<'t>, tokens: &mut Tokens<'t>) -> Body {
        let mut body = Body::new();
        if !self.enter(open.span) {
            tokens.stop();
            return body;
        }
        let end = format!("end{name}");
        self.part(name, open, tokens, &mut body, &[&end]);
        self.depth -= 1;
        body
    }

    fn if_<'t>(&mut self, name: &str, open: &Token<'t>, tokens: &mut Tokens<'t>, blank: &mut bool) -> Option<Node> {
        if !self.enter(open.span) {
            tokens.stop();
            return None;
        }
        let end = format!("end{name}");
        let mut parts: Vec<(Option<super::tree::Condition>, bool, Body)> = Vec::new();
        let condition = self.markup(Rule::condition, open).map(|pair| self.condition(pair, open.at));
        let mut next = Some((condition, name == "unless"));
        let mut whole = true;
        while let Some((condition, negated)) = next.take() {
            let mut body = Body::new();
            let found = self.part(name, open, tokens, &mut body, &["elsif", "else", &end]);
            parts.push((condition, negated, body));
            match found.map(|token| (token, token.kind)) {
                Some((token, Kind::Tag("elsif"))) => {
                    let condition = self.markup(Rule::condition, &token).map(|pair| self.condition(pair, token.at));
                    next = Some((condition, false));
                }
                Some((_, Kind::Tag("else"))) => next = Some((None, false)),
                Some(_) => {}
                None => whole = false,
            }
        }
        self.depth -= 1;
        *blank = parts.iter().all(|(_, _, body)| body.blank);
        let without = *blank;
        let branches = parts
            .into_iter()
            .map(|(condition, negated, body)| Branch { condition, negated, body: body.block(without) })
            .collect();
        whole.then_some(Node::If(branches))
    }

    fn case<'t>(&mut self, open: &Token<'t>, tokens: &mut Tokens<'t>, blank: &mut bool) -> Option<Node> {
        if !self.enter(open.span) {
            tokens.stop();
            return None;
        }
        let subject = self.markup(Rule::subject, open).and_then(|pair| pair.into_inner().next());
        let subject = subject.map(|pair| self.value(pair, open.at));
        // What stands before the first `when` is never printed.
        let mut unused = Body::new();
        let mut found = self.part("case", open, tokens, &mut unused, &["when", "else", "endcase"]);
        let mut parts: Vec<(Option<Box<[super::tree::Expr]>>, Body)> = Vec::new();
        let mut whole = found.is_some();
        while let Some(token) = found {
            let values = match token.kind {
                Kind::Tag("when") => {
                    let pair = self.markup(Rule::when, &token);
                    let values = pair.into_iter().flat_map(Pair::into_inner);
                    let values = values.filter(|pair| !matches!(pair.as_rule(), Rule::or_word | Rule::EOI));
                    Some(values.map(|value| self.value(value, token.at)).collect())
                }
                Kind::Tag("else") => None,
                _ => break,
            };
            let mut body = Body::new();
            found = self.part("case", open, tokens, &mut body, &["when", "else", "endcase"]);
            whole &= found.is_some();
            parts.push((values, body));
        }
        self.depth -= 1;
        *blank = unused.blank && parts.iter().all(|(_, body)| body.blank);
        let without = *blank;
        let branches = parts.into_iter().map(|(values, body)| When { values, body: body.block(without) }).collect();
        subject.filter(|_| whole).map(|subject| Node::Case(Box::new(Case { subject, branches })))
    }

    /// The head of a `for` or `tablerow`.
    fn loop_head(&mut self, open: &Token<'_>, options: &[&str]) -> Option<For> {
        let pair = self.markup(Rule::loop_head, open)?;
        let mut inner = pair.into_inner();
        let variable = inner.next()?;
        let mut inner = inner.filter(|pair| !matches!(pair.as_rule(), Rule::in_word | Rule::EOI));
        let collection = inner.next()?;
        let written: String = collection.as_str().split_whitespace().collect();
        let name = format!("{}-{written}", variable.as_str());
        let collection = self.value(collection, open.at);
        let mut head = For {
            variable: variable.as_str().into(),
            collection,
            name: name.into(),
            reversed: false,
            limit: None,
            offset: Offset::None,
            columns: None,
            body: super::tree::Block::default(),
            otherwise: super::tree::Block::default(),
            span: open.span,
        };
        for option in inner {
            let at = span(&option, open.at);
            if option.as_rule() == Rule::reversed {
                head.reversed = true;
                continue;
            }
            let mut inner = option.into_inner();
            let (Some(key), Some(value)) = (inner.next(), inner.next()) else { continue };
            if !options.contains(&key.as_str()) {
                let typed = shorten(key.as_str()).into_owned();
                let finding = Diagnostic::new(Code::UnknownWord, format!("a loop has no option `{typed}`"), at);
                self.report(finding.help(format!("the options are {}", options.join(", "))));
                continue;
            }
            match (key.as_str(), value.as_str().trim_end()) {
                ("offset", "continue") => head.offset = Offset::Continue,
                ("offset", _) => head.offset = Offset::At(self.value(value, open.at)),
                ("limit", _) => head.limit = Some(self.value(value, open.at)),
                _ => head.columns = Some(self.value(value, open.at)),
            }
        }
        Some(head)
    }

    fn for_<'t>(&mut self, open: &Token<'t>, tokens: &mut Tokens<'t>, blank: &mut bool) -> Option<Node> {
        if !self.enter(open.span) {
            tokens.stop();
            return None;
        }
        let head = self.loop_head(open, &["limit", "offset"]);
        let around = self.loop_variables(head.as_ref(), "forloop");
        let mut body = Body::new();
        let mut found = self.part("for", open, tokens, &mut body, &["else", "endfor"]);
        self.variables.truncate(around);
        let mut otherwise = Body::new();
        while let Some(Token { kind: Kind::Tag("else"), .. }) = found {
            // Of several, the last one counts.
            otherwise = Body::new();
            found = self.part("for", open, tokens, &mut otherwise, &["else", "endfor"]);
        }
        self.depth -= 1;
        *blank = body.blank && otherwise.blank;
        let head = head.filter(|_| found.is_some())?;
        Some(Node::For(Box::new(For { body: body.block(*blank), otherwise: otherwise.block(*blank), ..head })))
    }

    fn tablerow<'t>(&mut self, open: &Token<'t>, tokens: &mut Tokens<'t>, blank: &mut bool) -> Option<Node> {
        let head = self.loop_head(open, &["cols", "limit", "offset"]);
        let around = self.loop_variables(head.as_ref(), "tablerowloop");
        let body = self.inner("tablerow", open, tokens);
        self.variables.truncate(around);
        *blank = body.blank;
        Some(Node::TableRow(Box::new(For { body: body.block(false), ..head? })))
    }

    /// Notes the variables of a loop; gives how many there were before.
    fn loop_variables(&mut self, head: Option<&For>, info: &str) -> usize {
        let around = self.variables.len();
        self.bound.insert(info.into());
        self.variables.push(info.into());
        if let Some(head) = head {
            self.bound.insert(head.variable.clone());
            self.variables.push(head.variable.clone());
        }
        around
    }

    fn capture<'t>(&mut self, open: &Token<'t>, tokens: &mut Tokens<'t>) -> Option<Node> {
        let target = self.markup(Rule::capture, open).and_then(|pair| pair.into_inner().next());
        let body = self.inner("capture", open, tokens);
        let name = target?.as_str();
        self.bind(name);
        Some(Node::Capture { name: name.into(), body: body.block(false), span: open.span })
    }

    fn assign(&mut self, token: &Token<'_>) -> Option<Node> {
        let mut inner = self.markup(Rule::assign, token)?.into_inner();
        let (target, value) = (inner.next()?, inner.next()?);
        let value = self.filtered(value, token.at);
        self.bind(target.as_str());
        Some(Node::Assign { name: target.as_str().into(), value })
    }

    fn echo(&mut self, token: &Token<'_>) -> Option<Node> {
        if token.text.trim().is_empty() {
            return None;
        }
        let filtered = self.markup(Rule::output, token)?.into_inner().next()?;
        Some(Node::Output(self.filtered(filtered, token.at)))
    }

    fn counter(&mut self, token: &Token<'_>, up: bool) -> Option<Node> {
        let target = self.markup(Rule::counter, token)?.into_inner().next()?;
        self.bound.insert(target.as_str().into());
        Some(Node::Count { name: target.as_str().into(), up, span: token.span })
    }

    fn cycle(&mut self, token: &Token<'_>) -> Option<Node> {
        let mut group = None;
        let mut values = Vec::new();
        for pair in self.markup(Rule::cycle, token)?.into_inner() {
            match pair.as_rule() {
                Rule::EOI => {}
                Rule::group => group = pair.into_inner().next().map(|value| self.value(value, token.at)),
                _ => values.push(self.value(pair, token.at)),
            }
        }
        let group = match group {
            Some(named) => CycleGroup::Named(named),
            None => {
                let literal = values.iter().all(|value| matches!(value.kind, ExprKind::Constant(_)));
                // A cycle of constants goes on with any other of the same; one of variables counts alone.
                let mut key = String::new();
                for value in &values {
                    if let ExprKind::Constant(constant) = &value.kind {
                        let _ = write!(key, "{constant:?},");
                    }
                }
                let key = if literal { key } else { format!("at {}", token.span.start) };
                CycleGroup::Unnamed(key.into())
            }
        };
        Some(Node::Cycle(Box::new(Cycle { group, values: values.into(), span: token.span })))
    }

    fn partial(&mut self, token: &Token<'_>, isolated: bool) -> Option<Node> {
        let mut inner = self.markup(Rule::partial, token)?.into_inner().peekable();
        let name = self.value(inner.next()?, token.at);
        let mut partial = Partial {
            snippet: SnippetName::Known(0),
            isolated,
            bound: None,
            alias: None,
            arguments: Box::default(),
            span: token.span,
        };
        let mut arguments = Vec::new();
        while let Some(pair) = inner.next() {
            match pair.as_rule() {
                Rule::bound => {
                    let bound = if pair.as_str() == "for" { Bound::For } else { Bound::With };
                    partial.bound = inner.next().map(|value| (bound, self.value(value, token.at)));
                }
                Rule::name => partial.alias = Some(pair.as_str().into()),
                Rule::keyword => {
                    let mut inner = pair.into_inner();
                    let (Some(key), Some(value)) = (inner.next(), inner.next()) else { continue };
                    arguments.push((key.as_str().into(), self.value(value, token.at)));
                }
                _ => {}
            }
        }
        partial.arguments = arguments.into();
        let what = if isolated { "render" } else { "include" };
        partial.snippet = match &name.kind {
            ExprKind::Constant(Constant::Text(text)) => {
                let Some(index) = self.snippets.find(text) else {
                    let message = format!("there is no snippet `{}`", shorten(text));
                    let finding = Diagnostic::new(Code::UnknownFunction, message, name.span);
                    // Between the quotes.
                    let inner = Span { start: name.span.start + 1, end: name.span.end.saturating_sub(1) };
                    self.report(match closest(text, self.snippets.names()) {
                        Some(near) => finding.fix(inner, near, format!("did you mean `{near}`?")),
                        None => finding.help("snippets stand under `[snippets]` in the mapping file"),
                    });
                    return None;
                };
                self.uses.insert(index);
                SnippetName::Known(index)
            }
            ExprKind::Path(_) if !isolated => {
                self.chooses = true;
                SnippetName::Chosen(name)
            }
            _ => {
                let message = format!("`{what}` takes the name of a snippet in quotes");
                self.report(Diagnostic::new(Code::Syntax, message, name.span));
                return None;
            }
        };
        Some(Node::Partial(Box::new(partial)))
    }
}
