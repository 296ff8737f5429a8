//! Pairs to expressions: names become slots, filters are looked up and their arguments counted.

use pest::iterators::Pair;

use crate::text::{Code, Diagnostic, Span, closest, shorten};
use crate::value::Slot;

use super::compile::Compiler;
use super::filters::{FILTERS, Filter, lookup};
use super::syntax::{Rule, span};
use super::tree::{
    Command, Comparison, Condition, Constant, Expr, ExprKind, FilterCall, Filtered, Logic, Operator, Path, Root, Step,
};

fn constant(text: &str) -> Option<Constant> {
    Some(match text {
        "nil" | "null" => Constant::Nil,
        "true" => Constant::Bool(true),
        "false" => Constant::Bool(false),
        "empty" => Constant::Empty,
        "blank" => Constant::Blank,
        _ => return None,
    })
}

fn integer(digits: &str) -> Constant {
    if let Ok(number) = digits.parse() {
        return Constant::Integer(number);
    }
    let negative = digits.starts_with('-');
    let bare = digits.trim_start_matches('-').trim_start_matches('0');
    Constant::Big(if negative { format!("-{bare}").into() } else { bare.into() })
}

impl Compiler<'_, '_> {
    /// An expression that is not there, below something that was refused.
    pub(super) fn nothing(span: Span) -> Expr {
        Expr { kind: ExprKind::Constant(Constant::Nil), span }
    }

    /// `value | filter: …`
    pub(super) fn filtered(&mut self, pair: Pair<'_, Rule>, at: usize) -> Filtered {
        let whole = span(&pair, at);
        let mut inner = pair.into_inner();
        let value = inner.next().map_or_else(|| Self::nothing(whole), |value| self.value(value, at));
        let filters = inner.filter_map(|filter| self.filter(filter, at)).collect();
        Filtered { value, filters, span: whole }
    }

    fn filter(&mut self, pair: Pair<'_, Rule>, at: usize) -> Option<FilterCall> {
        let whole = span(&pair, at);
        let mut inner = pair.into_inner();
        let name = inner.next()?;
        let name_span = span(&name, at);
        let whole = Span { start: name_span.start, end: whole.end };
        let Some(filter) = lookup(name.as_str()) else {
            let typed = shorten(name.as_str()).into_owned();
            let finding = Diagnostic::new(Code::UnknownFunction, format!("there is no filter `{typed}`"), name_span);
            self.report(match closest(name.as_str(), FILTERS.iter().map(|filter| filter.name)) {
                Some(near) => finding.fix(name_span, near, format!("did you mean `{near}`?")),
                None if crate::function::lookup(name.as_str()).is_some() => finding.help(
                    "that is a function of Entra's, which Jinja and Rhai have too; Liquid has filters of its own",
                ),
                None => finding.help("`provisor functions --lang liquid` lists the filters"),
            });
            return None;
        };
        let mut arguments = Vec::new();
        let mut allow_false = None;
        for argument in inner.flat_map(Pair::into_inner) {
            if argument.as_rule() != Rule::keyword {
                arguments.push(self.value(argument, at));
                continue;
            }
            let keyword_span = span(&argument, at);
            let mut inner = argument.into_inner();
            let (Some(key), Some(value)) = (inner.next(), inner.next()) else { continue };
            let value = self.value(value, at);
            if filter.keywords.contains(&key.as_str()) {
                allow_false = Some(value);
            } else {
                let key = shorten(key.as_str()).into_owned();
                let message = format!("`{}` has no argument called `{key}`", filter.name);
                let finding = Diagnostic::new(Code::UnknownWord, message, keyword_span);
                self.report(finding.help(format!("it is written `{}`", filter.signature())));
            }
        }
        self.check_count(filter, arguments.len(), whole);
        Some(FilterCall { filter, arguments: arguments.into(), allow_false, span: whole })
    }

    fn check_count(&mut self, filter: &Filter, count: usize, span: Span) {
        let (least, most) = filter.counts();
        if (least..=most).contains(&count) {
            return;
        }
        let wanted = match (least, most) {
            (0, 0) => "no argument".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        let finding =
            Diagnostic::new(Code::ArgumentCount, format!("`{}` takes {wanted}, not {count}", filter.name), span);
        self.report(finding.help(format!("it is written `{}`", filter.signature())));
    }

    /// Any value.
    pub(super) fn value(&mut self, pair: Pair<'_, Rule>, at: usize) -> Expr {
        let whole = span(&pair, at);
        let kind = match pair.as_rule() {
            Rule::text => {
                let text = pair.into_inner().next().map(|inner| inner.as_str()).unwrap_or_default();
                ExprKind::Constant(Constant::Text(text.into()))
            }
            Rule::integer => ExprKind::Constant(integer(pair.as_str())),
            Rule::decimal => {
                let number: f64 = pair.as_str().parse().unwrap_or_default();
                if !number.is_finite() {
                    self.report(Diagnostic::new(Code::Syntax, "the number is too large", whole));
                }
                ExprKind::Constant(Constant::Decimal(number))
            }
            Rule::range => {
                let mut inner = pair.into_inner();
                let (Some(first), Some(last)) = (inner.next(), inner.next()) else { return Self::nothing(whole) };
                let (mut first, mut last) = (self.value(first, at), self.value(last, at));
                // Of two constants, decimals are cut; a decimal that comes while it runs is refused.
                if let (ExprKind::Constant(one), ExprKind::Constant(other)) = (&mut first.kind, &mut last.kind) {
                    cut(one);
                    cut(other);
                }
                ExprKind::Range(Box::new((first, last)))
            }
            _ => return self.path(pair, at),
        };
        Expr { kind, span: whole }
    }

    fn path(&mut self, pair: Pair<'_, Rule>, at: usize) -> Expr {
        let whole = span(&pair, at);
        let mut inner = pair.into_inner();
        let Some(head) = inner.next() else { return Self::nothing(whole) };
        let head_span = span(&head, at);
        let parts: Vec<Pair<'_, Rule>> = inner.collect();
        if head.as_rule() == Rule::name
            && parts.is_empty()
            && let Some(constant) = constant(head.as_str())
        {
            return Expr { kind: ExprKind::Constant(constant), span: whole };
        }
        let root = if head.as_rule() == Rule::name {
            self.root(head.as_str(), head_span)
        } else {
            match head.into_inner().next().map(|key| self.value(key, at)) {
                Some(Expr { kind: ExprKind::Constant(Constant::Text(name)), .. }) => self.root(&name, head_span),
                Some(name) => {
                    let whole = self.layout.whole();
                    self.read(whole);
                    Root::Chosen { name: Box::new(name), whole }
                }
                None => return Self::nothing(whole),
            }
        };
        let steps = parts.into_iter().filter_map(|part| self.step(part, at)).collect();
        Expr { kind: ExprKind::Path(Path { root, steps }), span: whole }
    }

    fn step(&mut self, pair: Pair<'_, Rule>, at: usize) -> Option<Step> {
        let dot = pair.as_rule() == Rule::dot;
        let inner = pair.into_inner().next()?;
        if dot {
            let name = inner.as_str();
            let command = match name {
                "size" => Some(Command::Size),
                "first" => Some(Command::First),
                "last" => Some(Command::Last),
                _ => None,
            };
            return Some(Step::Name { name: name.into(), command });
        }
        let key = self.value(inner, at);
        Some(match key.kind {
            ExprKind::Constant(Constant::Text(name)) => Step::Name { name, command: None },
            _ => Step::Key(key),
        })
    }

    /// The beginning of a path: a variable, or the attribute of that name.
    fn root(&mut self, name: &str, span: Span) -> Root {
        if self.is_variable(name) {
            return Root::Variable { name: name.into(), slot: None };
        }
        match name {
            "value" => {
                let path = self.value_path.unwrap_or(name);
                let slot = self.slot(path);
                return Root::Value { slot };
            }
            "source" => {
                let slot = self.slot(name);
                let whole = self.layout.whole();
                self.read(whole);
                return Root::Source { slot, whole };
            }
            _ => {}
        }
        self.names.push((name.into(), span));
        let slot = self.slot(name);
        Root::Variable { name: name.into(), slot: Some(slot) }
    }

    fn slot(&mut self, name: &str) -> Slot {
        let slot = self.layout.slot(name);
        self.read(slot);
        slot
    }

    /// The condition of an `if`, without the ends of its markup.
    pub(super) fn condition(&mut self, pair: Pair<'_, Rule>, at: usize) -> Condition {
        let written = pair.as_str();
        let start = at + (written.len() - written.trim_start().len());
        let whole = Span::new(start, at + written.trim_end().len());
        let mut comparisons: Vec<(Comparison, Option<Logic>)> = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::logic => {
                    let logic = if part.as_str() == "and" { Logic::And } else { Logic::Or };
                    if let Some((_, joined)) = comparisons.last_mut() {
                        *joined = Some(logic);
                    }
                }
                Rule::comparison => {
                    let comparison = self.comparison(part, at);
                    comparisons.push((comparison, None));
                }
                _ => {}
            }
        }
        Condition { comparisons: comparisons.into(), span: whole }
    }

    fn comparison(&mut self, pair: Pair<'_, Rule>, at: usize) -> Comparison {
        let whole = span(&pair, at);
        let mut inner = pair.into_inner();
        let left = inner.next().map_or_else(|| Self::nothing(whole), |left| self.value(left, at));
        let right = inner.next().zip(inner.next()).map(|(operator, right)| {
            let operator = match operator.as_str() {
                "==" => Operator::Equal,
                "!=" | "<>" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                _ => Operator::Contains,
            };
            (operator, self.value(right, at))
        });
        Comparison { left, right, span: whole }
    }
}

/// A decimal as the whole number it begins with.
fn cut(constant: &mut Constant) {
    if let Constant::Decimal(number) = constant {
        *constant = Constant::Integer(*number as i64);
    }
}
