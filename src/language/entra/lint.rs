//! What Entra takes and the author probably did not mean.

use crate::function::Body;
use crate::function::{Form, Order, Spec};
use crate::language::names::SourceNames;
use crate::text::{Code, Diagnostic, Span, shorten};

use super::ast::{Argument, Expr, ExprKind};

/// Slips in a call.
pub(super) fn call(spec: &Spec, arguments: &[Argument], found: &mut Vec<Diagnostic>) {
    if let Body::Lazy(Form::Switch) = spec.body {
        switch_keys(arguments, found);
    }
}

/// What the texts of a Switch's source are known to be.
enum Texts {
    Boolean,
    Lower,
    Upper,
    Unknown,
}

fn texts(source: &Expr) -> Texts {
    match &source.kind {
        ExprKind::Attribute(name) if SourceNames::is_boolean(name) => Texts::Boolean,
        ExprKind::Call { name, .. } => match name.to_ascii_lowercase().as_str() {
            "not" | "cbool" | "isnull" | "isnullorempty" | "ispresent" | "isstring" => Texts::Boolean,
            "tolower" => Texts::Lower,
            "toupper" => Texts::Upper,
            _ => Texts::Unknown,
        },
        _ => Texts::Unknown,
    }
}

/// The text as a constant of an expression.
fn constant(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Keys that can never match: said before, or in a case the source never has.
fn switch_keys(arguments: &[Argument], found: &mut Vec<Diagnostic>) {
    let Some(source) = arguments.first().and_then(|argument| argument.expr.as_ref()) else { return };
    let texts = texts(source);
    let mut seen: Vec<(&str, Span)> = Vec::new();
    for argument in arguments.iter().skip(2).step_by(2) {
        let Some(Expr { kind: ExprKind::Text(key), span }) = &argument.expr else { continue };
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == key.value) {
            found.push(
                Diagnostic::new(Code::UnreachableKey, format!("the key {:?} stands twice", shorten(&key.value)), *span)
                    .label("never reached")
                    .also(*first, "this one is taken"),
            );
            continue;
        }
        seen.push((&key.value, *span));
        let unreachable = |wanted: String, why: &str| {
            Diagnostic::new(
                Code::UnreachableKey,
                format!("the key {:?} never matches: {why}", shorten(&key.value)),
                *span,
            )
            .label("keys are compared case-sensitively")
            .fix(*span, constant(&wanted), format!("write \"{}\"", shorten(&wanted)))
        };
        match texts {
            Texts::Boolean if key.value.eq_ignore_ascii_case("true") && key.value != "True" => {
                found.push(unreachable("True".into(), "a boolean's text is True or False"));
            }
            Texts::Boolean if key.value.eq_ignore_ascii_case("false") && key.value != "False" => {
                found.push(unreachable("False".into(), "a boolean's text is True or False"));
            }
            Texts::Lower if key.value.chars().any(char::is_uppercase) => {
                found.push(unreachable(key.value.to_lowercase(), "the source is in lower case"));
            }
            Texts::Upper if key.value.chars().any(char::is_lowercase) => {
                found.push(unreachable(key.value.to_uppercase(), "the source is in upper case"));
            }
            _ => {}
        }
    }
}

/// Slips in a comparison.
pub(super) fn comparison(order: Order, left: &Expr, right: &Expr, span: Span, found: &mut Vec<Diagnostic>) {
    for (one, other) in [(left, right), (right, left)] {
        let (ExprKind::Text(text), Order::Equal | Order::NotEqual) = (&other.kind, order) else { continue };
        if let (ExprKind::Attribute(name), true) = (&one.kind, text.value.is_empty()) {
            found.push(
                Diagnostic::new(
                    Code::Unsupported,
                    format!("Microsoft lists a comparison of [{}] with \"\" as unsupported", shorten(name)),
                    span,
                )
                .label("in Entra the check fails when the attribute is null")
                .help(format!("write `Switch([{name}], [{name}], \"\", \"value when empty\")`")),
            );
            continue;
        }
        let boolean = text.value.eq_ignore_ascii_case("true") || text.value.eq_ignore_ascii_case("false");
        if let (Texts::Boolean, true) = (texts(one), boolean && !matches!(text.value.as_str(), "True" | "False")) {
            let wanted = if text.value.eq_ignore_ascii_case("true") { "True" } else { "False" };
            found.push(
                Diagnostic::new(
                    Code::UnreachableKey,
                    format!("{:?} never equals a boolean: its text is True or False", text.value),
                    other.span,
                )
                .label("texts are compared case-sensitively")
                .fix(other.span, format!("\"{wanted}\""), format!("write \"{wanted}\"")),
            );
        }
    }
}
