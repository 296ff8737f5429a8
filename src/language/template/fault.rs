//! minijinja's errors as findings and faults, in our words and with places in the admin's text.

use minijinja::{Error, ErrorKind};

use crate::function::{Fault, Limits};
use crate::text::{Code, Diagnostic, Span, shorten};

/// Why a text does not compile; its places are the text's own.
pub(super) fn finding(error: &Error, text: &str) -> Diagnostic {
    let span = error
        .range()
        .filter(|range| {
            range.start <= range.end && text.is_char_boundary(range.start) && text.is_char_boundary(range.end)
        })
        .map(|range| Span::new(range.start, range.end))
        .or_else(|| error.line().map(|line| line_span(text, line)))
        .unwrap_or(Span::new(0, text.len()));
    Diagnostic::new(Code::Syntax, plain(&words(error)), span)
}

/// The parser's names for things, as a template's writer knows them.
fn plain(words: &str) -> String {
    words
        .replace("end of variable block", "`}}`")
        .replace("end of block", "`%}`")
        .replace("identifier", "a name")
        .replace("unexpected input after expression", "something stands behind the expression")
}

fn line_span(text: &str, line: usize) -> Span {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    Span::new(start.min(text.len()), (start + length).min(text.len()))
}

/// Why a template failed on a record; `shown` is what stands at the place, when it is known.
pub(super) fn fault(error: &Error, shown: Option<&str>, limits: &Limits) -> Box<Fault> {
    match error.kind() {
        ErrorKind::OutOfFuel => Fault::new(Code::Limit, format!("the program takes more than {} steps", limits.steps))
            .help("a mapping file may set `steps` under `[budget]`"),
        ErrorKind::UndefinedError => {
            let message = match shown.map(str::trim).filter(|shown| !shown.is_empty()) {
                Some(shown) => format!("`{}` is undefined", shorten(shown)),
                None => "a value is undefined".to_owned(),
            };
            Fault::new(Code::Conversion, message).help("say what to take instead: `| default(\"\")`")
        }
        ErrorKind::InvalidOperation if error.detail() == Some("recursion limit exceeded") => {
            Fault::new(Code::Limit, format!("it nests deeper than {} levels", limits.depth))
                .help("a mapping file may set `depth` under `[budget]`")
        }
        ErrorKind::UnknownMethod => {
            let message = match shown.and_then(|shown| shown.split(['.', '(']).nth(1)) {
                Some(method) => format!("values have no methods, and `{}` is one", shorten(method)),
                None => "values have no methods".to_owned(),
            };
            Fault::new(Code::Conversion, message).help("write a filter behind the value: `{{ mail | lower }}`")
        }
        _ => Fault::new(Code::Conversion, words(error)),
    }
}

fn words(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}
