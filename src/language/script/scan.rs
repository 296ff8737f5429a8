//! What a script reads and calls, and what it may not do, known from its tree before anything runs.
//!
//! A function value that could be kept (in a variable, a list, another closure) could hold itself, and so be memory that
//! is never given back, or nest without end. So a closure stands only where one is called: as the argument of `map`,
//! `filter` and their like.

use std::collections::BTreeSet;

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::function::{Spec, foreign, lookup};
use crate::text::{Code, Diagnostic, Span, closest, shorten};

use super::functions::counts;
use super::host::{HIGHER, Host};
use super::locate::Places;

/// What the host gives to a script by name.
pub(super) const SPECIAL: &[&str] = &["source", "value", "user", "group"];

/// How the names of closures begin.
const ANONYMOUS: &str = "anon$";

/// An attribute that the script reads by its name.
pub(super) struct Read {
    pub(super) name: String,
    /// The name alone, without quotes.
    pub(super) span: Span,
}

/// What is known of a script.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) reads: Vec<Read>,
    /// Where the record is used as a whole.
    pub(super) whole: bool,
    /// Which of [`SPECIAL`] it names.
    pub(super) names: BTreeSet<&'static str>,
    pub(super) redacts: bool,
    /// Whether `SelectUniqueValue` is called.
    pub(super) unique: bool,
    /// Where it prints.
    pub(super) prints: Vec<Position>,
    /// The calls of the table's functions.
    pub(super) calls: Vec<(&'static str, Position)>,
    pub(super) found: Vec<Diagnostic>,
}

/// Looks at every node of a script.
pub(super) fn scan(ast: &AST, host: &Host, places: &Places<'_>) -> Scan {
    let functions = ast.iter_functions().map(|function| (function.name.to_owned(), function.params.len())).collect();
    let mut looker = Looker { host, places, functions, scan: Scan::default() };
    for function in ast.iter_functions() {
        if SPECIAL.contains(&function.name) {
            let message = format!("`{}` is the name of a record, not of a function", function.name);
            looker.scan.found.push(Diagnostic::new(Code::Syntax, message, places.whole()));
        }
    }
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        looker.look(path);
        true
    });
    let mut named = ast.clone_functions_only();
    named.retain_functions(|_, _, name, _| !name.starts_with(ANONYMOUS));
    named.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::ThisPtr(position))) = path.last() {
            looker.wild_this(*position);
        }
        true
    });
    looker.scan
}

/// The keys of the map that is the script's last expression.
pub(super) fn literal_keys(ast: &AST, places: &Places<'_>) -> Vec<(String, Span)> {
    let last = match ast.statements().last() {
        Some(Stmt::Expr(last)) => &**last,
        Some(Stmt::Return(Some(last), flags, _)) if !flags.contains(ASTFlags::BREAK) => &**last,
        _ => return Vec::new(),
    };
    match last {
        Expr::Map(map, _) => map.0.iter().map(|(key, _)| (key.name.to_string(), places.token(key.pos))).collect(),
        _ => Vec::new(),
    }
}

struct Looker<'s> {
    host: &'s Host,
    places: &'s Places<'s>,
    /// The script's own functions, with how many parameters each has.
    functions: BTreeSet<(String, usize)>,
    scan: Scan,
}

impl Looker<'_> {
    fn look(&mut self, path: &[ASTNode<'_>]) {
        let Some((node, above)) = path.split_last() else { return };
        match node {
            ASTNode::Stmt(statement) => self.statement(statement),
            ASTNode::Expr(expression) => self.expression(expression, above),
            _ => {}
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(variable, _, position) => self.defined(&variable.0.name, *position),
            Stmt::For(parts, position) => {
                self.defined(&parts.0.name, *position);
                if let Some(counter) = &parts.1 {
                    self.defined(&counter.name, *position);
                }
            }
            Stmt::Assignment(parts) => {
                let mut target = &parts.1.lhs;
                while let Expr::Dot(inner, ..) | Expr::Index(inner, ..) = target {
                    target = &inner.lhs;
                }
                if let Expr::Variable(variable, _, position) = target
                    && let Some(name) = special(&variable.1)
                {
                    let message = format!("`{name}` cannot be changed");
                    let finding = Diagnostic::new(Code::Syntax, message, self.places.token(*position))
                        .help(format!("a record is only read; copy it: `let copy = {name};`"));
                    self.scan.found.push(finding);
                }
            }
            Stmt::FnCall(call, position) => self.call(call, 0, *position),
            _ => {}
        }
    }

    /// A variable's name that the script chooses.
    fn defined(&mut self, name: &str, position: Position) {
        if let Some(name) = special(name) {
            let message = format!("`{name}` is taken: it is what the script gets");
            let span = self.places.token(position);
            self.scan.found.push(Diagnostic::new(Code::Syntax, message, span).help("take another name"));
        }
    }

    fn expression(&mut self, expression: &Expr, above: &[ASTNode<'_>]) {
        match expression {
            Expr::Variable(variable, _, position) => {
                let parent = match above.last() {
                    Some(ASTNode::Expr(parent)) => Some(*parent),
                    _ => None,
                };
                match special(&variable.1) {
                    Some("source") => self.source(expression, parent),
                    Some(name) => {
                        self.scan.names.insert(name);
                    }
                    None if variable.0.is_none() && self.functions.iter().any(|(name, _)| *name == *variable.1) => {
                        self.function_value(expression, above, *position);
                    }
                    None => {}
                }
            }
            Expr::ThisPtr(position) if above.iter().any(is_loop) => self.wild_this(*position),
            Expr::DynamicConstant(constant, position) if constant.is_fnptr() => {
                self.function_value(expression, above, *position);
            }
            Expr::FnCall(call, position) => self.call(call, 0, *position),
            Expr::MethodCall(call, position) => self.call(call, 1, *position),
            _ => {}
        }
    }

    /// `source`, and what is taken of it.
    fn source(&mut self, expression: &Expr, parent: Option<&Expr>) {
        self.scan.names.insert("source");
        // A closure takes it along; what it does with it stands in its body.
        if let Some(Expr::FnCall(call, _)) = parent
            && call.name == "curry"
        {
            return;
        }
        let part = match parent {
            Some(Expr::Dot(parts, flags, _)) if std::ptr::eq(&raw const parts.lhs, expression) => {
                match head(&parts.rhs, *flags) {
                    Expr::Property(property, position) => Some((property.2.to_string(), self.places.token(*position))),
                    _ => None,
                }
            }
            Some(Expr::Index(parts, flags, _)) if std::ptr::eq(&raw const parts.lhs, expression) => {
                match head(&parts.rhs, *flags) {
                    Expr::StringConstant(text, position) => {
                        let span = self.places.token(*position);
                        let (start, end) = (span.start as usize + 1, (span.end as usize).saturating_sub(1));
                        Some((text.to_string(), Span::new(start, end)))
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        match part {
            Some((name, span)) => self.scan.reads.push(Read { name, span }),
            None => self.scan.whole = true,
        }
    }

    /// A call, with so many arguments before those in its parentheses.
    fn call(&mut self, call: &FnCallExpr, before: usize, position: Position) {
        if call.is_operator_call() || call.is_qualified() {
            return;
        }
        let (name, count) = (call.name.as_str(), call.args.len() + before);
        if self.functions.iter().any(|(known, _)| known == name) {
            return;
        }
        match name {
            // The parser writes this one, around what a closure takes along.
            "curry" => return,
            "print" => self.scan.prints.push(position),
            _ => {}
        }
        let span = self.places.token(position);
        if let Some(spec) = lookup(name).filter(|spec| spec.name == name) {
            self.scan.redacts |= spec.redacts;
            self.scan.unique |= spec.name == "SelectUniqueValue";
            self.scan.calls.push((spec.name, position));
            if !counts(spec).contains(&count) {
                self.scan.found.push(wrong_count(spec, count, span));
            }
        } else if !self.host.names.contains(name) {
            self.unknown(name, span);
        }
    }

    fn unknown(&mut self, name: &str, span: Span) {
        let shown = shorten(name);
        let finding = Diagnostic::new(Code::UnknownFunction, format!("there is no function `{shown}`"), span);
        let own = self.functions.iter().map(|(name, _)| name.as_str());
        let known = self.host.names.iter().map(String::as_str).filter(|name| name.starts_with(char::is_alphabetic));
        self.scan.found.push(match (closest(name, known.chain(own)), foreign(name)) {
            (Some(near), _) => finding.fix(span, near, format!("did you mean `{near}`?")),
            (None, Some(other)) => finding.help(format!("in {}: {}", other.origin, other.instead)),
            (None, None) => {
                finding.help("docs/rhai.md says what scripts have; `provisor functions` lists the functions")
            }
        });
    }

    /// The engine looks at how deep values nest where variables are read (see `state.rs`), and `this` is none. So it is not
    /// there where it could be changed again and again.
    fn wild_this(&mut self, position: Position) {
        let message = "`this` can only be used in closures, outside of loops";
        let finding = Diagnostic::new(Code::Syntax, message, self.places.token(position))
            .help("give the function a parameter, or put the value into a variable: `let item = this;`");
        self.scan.found.push(finding);
    }

    /// A closure, or the name of a function where a value is wanted.
    fn function_value(&mut self, value: &Expr, above: &[ASTNode<'_>], position: Position) {
        let mut child = value;
        for node in above.iter().rev() {
            match node {
                ASTNode::Expr(Expr::FnCall(call, _)) if call.name == "curry" && is(call.args.first(), child) => {}
                // The parser puts a closure that takes variables along into a block of its own.
                ASTNode::Expr(Expr::Stmt(block)) if matches!(block.statements().first(), Some(Stmt::Share(_))) => {}
                ASTNode::Stmt(Stmt::Expr(_)) => continue,
                ASTNode::Expr(Expr::MethodCall(call, _))
                    if self.takes_closure(call) && is(call.args.first(), child) =>
                {
                    return;
                }
                ASTNode::Expr(Expr::FnCall(call, _)) if self.takes_closure(call) && is(call.args.get(1), child) => {
                    return;
                }
                _ => break,
            }
            if let ASTNode::Expr(expression) = node {
                child = expression;
            }
        }
        let message = "a function is no value: it can only be an argument of `map`, `filter` and their like";
        let finding = Diagnostic::new(Code::Syntax, message, self.places.token(position))
            .help("write the closure where it is used: `list.map(|item| …)`, or define `fn name(x) { … }` and call it");
        self.scan.found.push(finding);
    }

    fn takes_closure(&self, call: &FnCallExpr) -> bool {
        HIGHER.contains(&call.name.as_str()) && !self.functions.iter().any(|(name, _)| *name == *call.name)
    }
}

fn is_loop(node: &ASTNode<'_>) -> bool {
    matches!(node, ASTNode::Stmt(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)))
}

fn special(name: &str) -> Option<&'static str> {
    SPECIAL.iter().copied().find(|special| *special == name)
}

/// Whether the argument is this very expression.
fn is(argument: Option<&Expr>, expression: &Expr) -> bool {
    argument.is_some_and(|argument| std::ptr::eq(argument, expression))
}

/// The first link of a chain: `name` of `name.givenName`.
fn head(rest: &Expr, flags: ASTFlags) -> &Expr {
    match rest {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) if !flags.contains(ASTFlags::BREAK) => &parts.lhs,
        other => other,
    }
}

fn wrong_count(spec: &Spec, count: usize, span: Span) -> Diagnostic {
    let given = if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") };
    Diagnostic::new(Code::ArgumentCount, format!("`{}` does not take {given}", spec.name), span)
        .help(format!("write `{}`; `()` leaves an argument out", spec.signature()))
}
