//! Tree to running tree: names are resolved, counts and kinds checked, constants made ready. Every finding is kept; only
//! when none is an error does a program come out.

use std::sync::Arc;

use crate::function::{Body, Bytes, Form, Kinds, Literal, Param, Placement, Repeat, Spec, foreign, lookup};
use crate::language::names::SourceNames;
use crate::text::{Code, Diagnostic, Span, closest, shorten};
use crate::value::{Ignore, Layout, Slot, parse_integer};

use super::ast::{Argument, Expr, ExprKind, Text};
use super::node::{Constant, Node, NodeKind};
use super::quick::Quick;
use super::{Expression, Surroundings, lint, parse};

pub(super) fn compile(
    text: &str,
    layout: &mut Layout,
    surroundings: &Surroundings<'_>,
) -> (Option<Expression>, Vec<Diagnostic>) {
    let tree = match parse::parse(text) {
        Ok(tree) => tree,
        Err(finding) => return (None, vec![*finding]),
    };
    let mut compiler =
        Compiler { text, layout, surroundings, found: Vec::new(), reads: Vec::new(), redacted: false, replaces: false };
    compiler.check_outermost(&tree);
    let (root, kinds) = compiler.lower(&tree, Place::Outermost);
    let unique = matches!(root.kind, NodeKind::Unique(_));
    let Compiler { found, reads, redacted, replaces, .. } = compiler;
    let failed = found.iter().any(Diagnostic::is_error);
    let expression = || {
        let quick = Quick::of(&root).map(Arc::new);
        Expression { root, quick, reads, kinds, redacted, unique, replaces }
    };
    ((!failed).then(expression), found)
}

/// Where an expression stands, which decides what it may be.
#[derive(Clone, Copy)]
enum Place {
    Outermost,
    Argument {
        spec: &'static Spec,
        param: &'static Param,
    },
    /// A side of a comparison, or below something that is an error already.
    Operand,
}

struct Compiler<'c, 's> {
    text: &'c str,
    layout: &'c mut Layout,
    surroundings: &'c Surroundings<'s>,
    found: Vec<Diagnostic>,
    reads: Vec<Slot>,
    redacted: bool,
    replaces: bool,
}

impl Compiler<'_, '_> {
    fn report(&mut self, finding: Diagnostic) {
        self.found.push(finding);
    }

    /// An expression is one function call.
    fn check_outermost(&mut self, tree: &Expr) {
        let finding = match &tree.kind {
            ExprKind::Call { .. } | ExprKind::Foreign { .. } => return,
            ExprKind::Attribute(_) if self.surroundings.direct => return,
            ExprKind::Attribute(name) => Diagnostic::new(
                Code::NotAnExpression,
                "a lone attribute is not an expression",
                tree.span,
            )
            .label("Entra calls this a direct mapping")
            .help(format!(
                "in a mapping file write `target = '[{name}]'`; as an expression, `IgnoreFlowIfNullOrEmpty([{name}])`"
            )),
            ExprKind::Compare { .. } => {
                Diagnostic::new(Code::NotAnExpression, "a comparison is not an expression of its own", tree.span)
                    .help("write `IIF(a = b, \"True\", \"False\")` or `CBool(a = b)`")
            }
            ExprKind::Word(_) => return self.unknown_word(tree, None),
            ExprKind::Text(_) | ExprKind::Integer(_) | ExprKind::Decimal(_) | ExprKind::Macro(_) => {
                Diagnostic::new(Code::NotAnExpression, "a constant is not an expression", tree.span)
                    .label("Entra calls this a constant mapping")
                    .help("in a mapping file write `target = { const = \"…\" }`")
            }
        };
        self.report(finding);
    }

    fn lower(&mut self, expr: &Expr, place: Place) -> (Node, Kinds) {
        let node = |kind| Node { kind, span: expr.span };
        match &expr.kind {
            ExprKind::Call { name, name_span, arguments } => self.call(expr, name, *name_span, arguments, place),
            ExprKind::Attribute(name) => {
                self.check_attribute(name, expr.span);
                let slot = self.layout.slot(name);
                if !self.reads.contains(&slot) {
                    self.reads.push(slot);
                }
                let kinds =
                    if SourceNames::is_boolean(name) { Kinds::BOOLEAN | Kinds::TEXT | Kinds::NULL } else { Kinds::ANY };
                (node(NodeKind::Attribute(slot)), kinds)
            }
            ExprKind::Text(text) => {
                let kinds =
                    if parse_integer(&text.value).is_some() { Kinds::TEXT | Kinds::INTEGER } else { Kinds::TEXT };
                (node(NodeKind::Constant(Constant::Text(text.value.as_str().into()))), kinds)
            }
            // `007` and `1.50` keep their digits where text is wanted.
            ExprKind::Integer(number) => {
                let raw = self.text.get(expr.span.range()).unwrap_or_default();
                let constant = match number {
                    number if keeps_digits(raw, *number) => Constant::Text(raw.into()),
                    number => Constant::Integer(*number),
                };
                (node(NodeKind::Constant(constant)), Kinds::INTEGER | Kinds::TEXT)
            }
            ExprKind::Decimal(number) => {
                let raw = self.text.get(expr.span.range()).unwrap_or_default();
                let constant = match number {
                    number if crate::value::decimal_text(*number) == raw => Constant::Decimal(*number),
                    _ => Constant::Text(raw.into()),
                };
                (node(NodeKind::Constant(constant)), Kinds::TEXT)
            }
            ExprKind::Macro(name) => (node(NodeKind::Constant(self.macro_value(name, expr.span))), Kinds::TEXT),
            ExprKind::Word(word) => {
                if let Place::Outermost = place {
                    return (node(NodeKind::Constant(Constant::Null)), Kinds::ANY);
                }
                let param = if let Place::Argument { param, .. } = place { Some(param) } else { None };
                self.word(expr, word, param)
            }
            ExprKind::Compare { order, left, right } => {
                self.check_comparison_place(expr, place);
                lint::comparison(*order, left, right, expr.span, &mut self.found);
                let (left, right) = (self.lower(left, Place::Operand).0, self.lower(right, Place::Operand).0);
                let kind = NodeKind::Compare { order: *order, left: Box::new(left), right: Box::new(right) };
                (node(kind), Kinds::BOOLEAN | Kinds::CONDITION)
            }
            ExprKind::Foreign { at, message, help, parts } => {
                self.report(
                    Diagnostic::new(Code::ForeignSyntax, message.clone(), *at)
                        .label("not part of Entra's language")
                        .help(help.clone()),
                );
                for part in parts {
                    self.lower(part, Place::Operand);
                }
                (node(NodeKind::Constant(Constant::Null)), Kinds::ANY)
            }
        }
    }

    fn check_attribute(&mut self, name: &str, span: Span) {
        if name.is_empty() {
            return self.report(
                Diagnostic::new(Code::Syntax, "the attribute has no name", span).help("write a name in it: `[mail]`"),
            );
        }
        let inside = Span::new(span.start as usize + 1, span.end as usize - 1);
        self.found.extend(self.surroundings.source.finding(name, inside, ""));
    }

    fn macro_value(&mut self, name: &str, span: Span) -> Constant {
        if let Some(value) = self.surroundings.macros.get(name) {
            return Constant::Text(value.as_str().into());
        }
        let known = self.surroundings.macros.keys().map(String::as_str);
        let finding =
            Diagnostic::new(Code::UnknownMacro, format!("the macro `%{}%` is not defined", shorten(name)), span);
        self.report(
            mended(finding, span, closest(name, known), |near| format!("%{near}%"))
                .help(format!("define it: `[env]` `macros = {{ {name} = \"…\" }}`")),
        );
        Constant::Null
    }

    /// A bare word: one of the parameter's, or one that tells what is to flow.
    fn word(&mut self, expr: &Expr, word: &str, param: Option<&'static Param>) -> (Node, Kinds) {
        let node = |constant| Node { kind: NodeKind::Constant(constant), span: expr.span };
        if let Some(param) = param
            && let Some(known) = param.words.iter().find(|known| known.eq_ignore_ascii_case(word))
        {
            return (node(Constant::Text((*known).into())), Kinds::WORD | Kinds::TEXT);
        }
        match word.to_ascii_lowercase().as_str() {
            "ignoreattributeflow" => (node(Constant::Ignored(Ignore::Attribute)), Kinds::ANY),
            "ignoreobjectflow" => (node(Constant::Ignored(Ignore::Object)), Kinds::ANY),
            "null" => (node(Constant::Null), Kinds::NULL),
            lower @ ("true" | "false") => {
                let text = if lower == "true" { "True" } else { "False" };
                self.report(
                    Diagnostic::new(
                        Code::Unsupported,
                        format!("`{word}` without quotes is not documented for Entra"),
                        expr.span,
                    )
                    .fix(expr.span, format!("\"{text}\""), "write it as text"),
                );
                (node(Constant::Bool(lower == "true")), Kinds::BOOLEAN | Kinds::TEXT)
            }
            _ => {
                self.unknown_word(expr, param);
                (node(Constant::Null), Kinds::ANY)
            }
        }
    }

    fn unknown_word(&mut self, expr: &Expr, param: Option<&'static Param>) {
        let ExprKind::Word(word) = &expr.kind else { return };
        let finding =
            Diagnostic::new(Code::UnknownWord, format!("`{}` is neither text nor attribute", shorten(word)), expr.span);
        let finding = match param.filter(|param| !param.words.is_empty()) {
            Some(param) => {
                let finding = finding.label(format!("`{}` takes {}", param.name, param.words.join(", ")));
                mended(finding, expr.span, closest(word, param.words.iter().copied()), str::to_owned)
            }
            None if lookup(word).is_some() => finding.help(format!("a call has parentheses: `{word}(…)`")),
            None => finding.help(format!("write `[{word}]` for the attribute or `\"{word}\"` for the text")),
        };
        self.report(finding);
    }

    fn check_comparison_place(&mut self, expr: &Expr, place: Place) {
        match place {
            Place::Argument { param, .. } if param.kinds.meets(Kinds::CONDITION) => {}
            Place::Argument { spec, param } => self.report(
                Diagnostic::new(
                    Code::MisplacedFunction,
                    format!("a comparison cannot be the argument `{}` of {}", param.name, spec.name),
                    expr.span,
                )
                .label("only IIF's condition and CBool take one")
                .help("write `IIF(a = b, \"True\", \"False\")`"),
            ),
            Place::Outermost | Place::Operand => {}
        }
    }

    fn call(
        &mut self,
        expr: &Expr,
        name: &str,
        name_span: Span,
        arguments: &[Argument],
        place: Place,
    ) -> (Node, Kinds) {
        let Some(spec) = lookup(name) else {
            self.unknown_function(name, name_span);
            for argument in arguments.iter().filter_map(|argument| argument.expr.as_ref()) {
                self.lower(argument, Place::Operand);
            }
            return (Node { kind: NodeKind::Constant(Constant::Null), span: expr.span }, Kinds::ANY);
        };
        self.redacted |= spec.redacts;
        self.replaces |= spec.name == "Replace";
        if spec.placement == Placement::Outermost && !matches!(place, Place::Outermost) {
            self.report(
                Diagnostic::new(
                    Code::MisplacedFunction,
                    format!("{} must be the outermost function", spec.name),
                    name_span,
                )
                .help("put the functions around its candidates inside each of them"),
            );
        }
        let counted = self.check_count(spec, name_span, arguments);
        let lowered: Vec<(Node, Kinds)> =
            arguments.iter().enumerate().map(|(index, argument)| self.argument(spec, index, argument)).collect();
        let kinds: Vec<Kinds> = lowered.iter().map(|(_, kinds)| *kinds).collect();
        let nodes: Vec<Node> = lowered.into_iter().map(|(node, _)| node).collect();
        lint::call(spec, arguments, &mut self.found);
        let returns = returns(spec, &kinds);
        if !counted {
            return (Node { kind: NodeKind::Constant(Constant::Null), span: expr.span }, returns);
        }
        (Node { kind: self.node(spec, expr.span, arguments, nodes), span: expr.span }, returns)
    }

    fn unknown_function(&mut self, name: &str, span: Span) {
        if let Some(foreign) = foreign(name) {
            return self.report(
                Diagnostic::new(
                    Code::ForeignFunction,
                    format!("`{}` is a function of {}, not of Entra", foreign.name, foreign.origin),
                    span,
                )
                .label("Entra does not have it")
                .help(foreign.instead),
            );
        }
        let finding = Diagnostic::new(Code::UnknownFunction, format!("there is no function `{}`", shorten(name)), span);
        let near = closest(name, crate::function::TABLE.iter().map(|spec| spec.name));
        self.report(match near {
            Some(near) => finding.fix(span, near, format!("did you mean `{near}`?")),
            None => finding.help("`provisor functions` lists them all"),
        });
    }

    /// Whether the number of arguments is right, and those that must be given are.
    fn check_count(&mut self, spec: &'static Spec, name_span: Span, arguments: &[Argument]) -> bool {
        // An empty argument at the end is one that was left out, unless its place alone counts.
        let stands = |(index, argument): (usize, &Argument)| {
            argument.expr.is_some() || spec.param(index).is_some_and(|param| param.required && param.may_be_empty)
        };
        let given = arguments.iter().enumerate().rposition(stands).map_or(0, |last| last + 1);
        let count = arguments.len();
        let before = self.found.len();
        let pairs = spec.repeat == Repeat::LastPair && count.max(given) % 2 != 0;
        if given < spec.fewest() || spec.most().is_some_and(|most| count > most) || pairs {
            let wanted = match (spec.fewest(), spec.most()) {
                _ if pairs => "an even number of arguments: keys and values come in pairs".to_owned(),
                (least, Some(most)) if least == most => counted(least),
                (least, Some(most)) => format!("{least} to {most} arguments"),
                (least, None) => format!("at least {}", counted(least)),
            };
            let was = if given < spec.fewest() { given } else { count };
            self.report(
                Diagnostic::new(Code::ArgumentCount, format!("{} takes {wanted}", spec.name), name_span)
                    .label(format!("{} given", if was == 1 { "1 is".into() } else { format!("{was} are") }))
                    .help(format!("the signature is `{}`", spec.signature())),
            );
        } else {
            for (index, argument) in arguments.iter().enumerate().take(given.max(spec.fewest())) {
                let Some(param) = spec.param(index) else { continue };
                if !param.may_be_empty && argument.expr.is_none() && !repeated(spec, index) {
                    self.report(
                        Diagnostic::new(
                            Code::ArgumentCount,
                            format!("{} needs its argument `{}`", spec.name, param.name),
                            argument.span,
                        )
                        .label("nothing is given here")
                        .help(format!("{} The signature is `{}`", param.doc, spec.signature())),
                    );
                }
            }
        }
        self.found.len() == before
    }

    fn argument(&mut self, spec: &'static Spec, index: usize, argument: &Argument) -> (Node, Kinds) {
        let Some(expr) = &argument.expr else {
            return (Node { kind: NodeKind::Omitted, span: argument.span }, Kinds::NULL);
        };
        let Some(param) = spec.param(index) else { return self.lower(expr, Place::Operand) };
        let (node, kinds) = self.lower(expr, Place::Argument { spec, param });
        self.check_kind(spec, param, expr, kinds);
        (node, kinds)
    }

    fn check_kind(&mut self, spec: &'static Spec, param: &'static Param, expr: &Expr, kinds: Kinds) {
        // The intervals and formats have checks of their own, with better words.
        if matches!(spec.body, Body::Prepared { .. }) && !param.words.is_empty() {
            return;
        }
        if let (false, ExprKind::Text(text)) = (param.words.is_empty(), &expr.kind) {
            let number = param.kinds.meets(Kinds::INTEGER) && parse_integer(&text.value).is_some();
            if !number && !param.words.iter().any(|word| word.eq_ignore_ascii_case(&text.value)) {
                let message = format!("{:?} is none of the words `{}` takes", shorten(&text.value), param.name);
                let finding = Diagnostic::new(Code::UnknownWord, message, text.inner()).label(format!(
                    "{} takes {}",
                    spec.name,
                    param.words.join(", ")
                ));
                let near = closest(&text.value, param.words.iter().copied());
                self.report(mended(finding, text.inner(), near, str::to_owned));
            }
            return;
        }
        let wanted = param.kinds;
        let nulls = Kinds::NULL;
        let fits = wanted.meets(Kinds::CONDITION)
            || without(kinds, nulls).is_none_or(|kinds| {
                kinds.meets(wanted)
                    // Whatever has a text can be text, and a text may turn out to be a number.
                    || kinds.meets(Kinds::SINGLE) && wanted.meets(Kinds::TEXT) && !only_integer(wanted)
            });
        let constant_text = matches!(&expr.kind, ExprKind::Text(text) if parse_integer(&text.value).is_none());
        if fits && !(constant_text && only_integer(wanted)) {
            return;
        }
        let what = match &expr.kind {
            ExprKind::Text(text) => format!("{:?} is not a whole number", text.value),
            _ => format!("this is {}", article(&without(kinds, nulls).unwrap_or(kinds).to_string())),
        };
        let wanted = if only_integer(wanted) { "a whole number".to_owned() } else { article(&wanted.to_string()) };
        let finding = Diagnostic::new(
            Code::ArgumentKind,
            format!("the argument `{}` of {} must be {wanted}", param.name, spec.name),
            expr.span,
        )
        .label(what);
        self.report(if kinds.meets(Kinds::LIST) {
            finding.help("take one value with `Item(…, 1)` or join them with `Join(\",\", …)`")
        } else {
            finding.help(param.doc)
        });
    }

    fn node(&mut self, spec: &'static Spec, span: Span, arguments: &[Argument], nodes: Vec<Node>) -> NodeKind {
        match spec.body {
            Body::Plain(call) => NodeKind::Call { spec, call, arguments: nodes.into() },
            Body::Prepared { prepare, call } => {
                let literals: Vec<Literal<'_>> = nodes
                    .iter()
                    .map(|node| match &node.kind {
                        NodeKind::Omitted => Literal::Omitted,
                        NodeKind::Constant(Constant::Text(text)) => Literal::Known(text),
                        _ => Literal::Dynamic,
                    })
                    .collect();
                match prepare(&literals) {
                    Ok(preparation) => {
                        for lint in preparation.lints {
                            let span = place(arguments, lint.argument, lint.span.as_ref());
                            self.report(Diagnostic::new(lint.code, lint.message, span).help_if(lint.help));
                        }
                        let own = move |nodes: Vec<Node>| match preparation.prepared {
                            Some(prepared) => NodeKind::Prepared { spec, prepared, arguments: nodes.into() },
                            None => NodeKind::Call { spec, call, arguments: nodes.into() },
                        };
                        match preparation.bytes {
                            Some(bytes) => chain(bytes, nodes, span, Box::new(own)),
                            None => own(nodes),
                        }
                    }
                    Err(error) => {
                        let span = place(arguments, error.argument, error.span.as_ref());
                        self.report(Diagnostic::new(error.code, error.message, span).help_if(error.help));
                        NodeKind::Omitted
                    }
                }
            }
            Body::Lazy(form) => lazy(form, nodes),
        }
    }
}

/// The finding with a fix, when there is a name near to what was written.
fn mended(finding: Diagnostic, span: Span, near: Option<&str>, written: impl Fn(&str) -> String) -> Diagnostic {
    match near {
        Some(near) => finding.fix(span, written(near), format!("did you mean `{near}`?")),
        None => finding,
    }
}

/// A call that treats ASCII byte by byte: the end of a chain, perhaps of one.
fn chain(bytes: Bytes, mut nodes: Vec<Node>, span: Span, call: Box<dyn FnOnce(Vec<Node>) -> NodeKind>) -> NodeKind {
    let Some(first) = nodes.first_mut() else { return call(nodes) };
    let piped = Node { kind: NodeKind::Piped, span: first.span };
    let first = std::mem::replace(first, piped);
    let (source, bytes, chain, length) = match first.kind {
        NodeKind::Chain { source, bytes: before, chain: inner, length } => {
            // What leaves ASCII as it is makes ASCII of the rest (`NormalizeDiacritics`): from there on bytes may do.
            let splits = before == Bytes::Same || matches!(inner.kind, NodeKind::Chain { .. });
            if let Some(place) = nodes.first_mut() {
                *place = *inner;
            }
            let both = before.then(&bytes);
            (source, both, if splits { chain(bytes, nodes, span, call) } else { call(nodes) }, length + 1)
        }
        kind => (Box::new(Node { kind, span: first.span }), bytes, call(nodes), 1),
    };
    NodeKind::Chain { source, bytes, chain: Box::new(Node { kind: chain, span }), length }
}

fn lazy(form: Form, nodes: Vec<Node>) -> NodeKind {
    let omitted = || Node { kind: NodeKind::Omitted, span: Span::default() };
    let mut rest = nodes.into_iter();
    let mut next = || Box::new(rest.next().unwrap_or_else(omitted));
    match form {
        Form::If => NodeKind::If { condition: next(), then: next(), otherwise: next() },
        Form::Switch => {
            let (source, default) = (next(), next());
            let mut cases = Vec::new();
            while let Some(key) = rest.next() {
                cases.push((key, rest.next().unwrap_or_else(omitted)));
            }
            NodeKind::Switch { source, default, cases: cases.into() }
        }
        Form::Coalesce => NodeKind::Coalesce(rest.collect()),
        Form::Unique => NodeKind::Unique(rest.collect()),
    }
}

/// Whether a whole number was written with digits that its value does not show; hexadecimal ones are values.
fn keeps_digits(raw: &str, number: i64) -> bool {
    !raw.starts_with('&') && number.to_string() != raw
}

/// The place of a constant argument, or of a part of its text.
fn place(arguments: &[Argument], index: usize, part: Option<&std::ops::Range<usize>>) -> Span {
    let Some(argument) = arguments.get(index) else {
        return arguments.last().map_or(Span::default(), |last| last.span);
    };
    match (&argument.expr, part) {
        (Some(Expr { kind: ExprKind::Text(text), .. }), Some(part)) => Text::place(text, part),
        (Some(expr), _) => expr.span,
        (None, _) => argument.span,
    }
}

/// Whether the place is one of those that may be given again and again, and so may be empty.
fn repeated(spec: &Spec, index: usize) -> bool {
    index >= spec.params.len() && spec.repeat == Repeat::Last(1)
}

/// What a call returns; a choice returns what its branches do.
fn returns(spec: &Spec, arguments: &[Kinds]) -> Kinds {
    let all = |chosen: &mut dyn Iterator<Item = &Kinds>| chosen.fold(Kinds::NULL, |sum, kinds| sum | *kinds);
    match spec.body {
        Body::Lazy(Form::If) => all(&mut arguments.iter().skip(1)),
        Body::Lazy(Form::Switch) => all(&mut arguments.iter().skip(1).step_by(2)),
        Body::Lazy(Form::Coalesce) => all(&mut arguments.iter()),
        _ if matches!(spec.name, "IgnoreFlowIfNullOrEmpty" | "Redact" | "RemoveDuplicates") => {
            all(&mut arguments.iter())
        }
        _ => spec.returns,
    }
}

fn only_integer(kinds: Kinds) -> bool {
    kinds.meets(Kinds::INTEGER) && !kinds.meets(Kinds::BOOLEAN)
}

/// The kinds but these; `None` when nothing is left.
fn without(kinds: Kinds, less: Kinds) -> Option<Kinds> {
    let rest = kinds.except(less);
    (!rest.is_none()).then_some(rest)
}

fn counted(count: usize) -> String {
    match count {
        0 => "no argument".into(),
        1 => "1 argument".into(),
        count => format!("{count} arguments"),
    }
}

fn article(kind: &str) -> String {
    match kind.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') if kind != "any value" => format!("an {kind}"),
        _ if kind.starts_with("text") || kind == "any value" => kind.to_owned(),
        _ => format!("a {kind}"),
    }
}
