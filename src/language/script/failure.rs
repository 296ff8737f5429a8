//! Rhai's errors as findings and faults of ours, in our words and with a place.

use std::borrow::Cow;

use rhai::{Dynamic, EvalAltResult, LexError, ParseError, ParseErrorType, Position};

use crate::function::{Fault, Limits};
use crate::text::{Code, Diagnostic, Span, did_you_mean, shorten};

use super::host::{calls, nesting};
use super::locate::Places;
use super::scan::SPECIAL;

/// What the parser found.
pub(super) fn syntax(error: &ParseError, places: &Places<'_>, limits: Limits) -> Diagnostic {
    let ParseError(kind, position) = error;
    let span = places.token(*position);
    let finding = |message: String| Diagnostic::new(Code::Syntax, message, span);
    match &**kind {
        ParseErrorType::VariableUndefined(name) => undefined(name, span),
        ParseErrorType::ExprTooDeep => {
            Diagnostic::new(Code::TooDeep, format!("the script nests deeper than {} levels", nesting(limits)), span)
                .help("put a part of it into a variable or a function")
        }
        ParseErrorType::Reserved(word) | ParseErrorType::BadInput(LexError::ImproperSymbol(word, _))
            if is_word(word) =>
        {
            forbidden(word, span)
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            Diagnostic::new(Code::OpenString, "the text constant is not closed", span).help("close it with its quote")
        }
        ParseErrorType::AssignmentToConstant(name) => {
            let finding = finding(format!("`{name}` cannot be changed"));
            if SPECIAL.contains(&name.as_str()) {
                finding.help(format!("a record is only read; copy it: `let copy = {name};`"))
            } else {
                finding
            }
        }
        ParseErrorType::MissingToken(token, _) if token == ";" => {
            finding("the statement before this does not end".to_owned())
                .help("separate statements with `;`, and close each block with `}`")
        }
        ParseErrorType::MissingToken(token, why) => {
            finding(format!("`{token}` is missing {why}").trim_end().to_owned())
        }
        ParseErrorType::UnexpectedEOF => finding("the script ends too early".to_owned()),
        ParseErrorType::TooManyFunctions => finding("the script defines too many functions".to_owned()),
        other => finding(sentence(&other.to_string())),
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// A word of Rhai's that scripts here do not have.
fn forbidden(word: &str, span: Span) -> Diagnostic {
    let finding = Diagnostic::new(Code::Syntax, format!("`{word}` cannot be used in scripts here"), span);
    match word {
        "eval" | "import" | "export" => finding.help("a script is one text: write what it does in place"),
        "Fn" | "call" | "curry" => finding.help("write a closure where it is needed: `list.map(|item| …)`"),
        _ => finding.help("the word is reserved: take another name"),
    }
}

fn undefined(name: &str, span: Span) -> Diagnostic {
    let finding = Diagnostic::new(Code::Syntax, format!("there is no variable `{}`", shorten(name)), span);
    match did_you_mean(name, SPECIAL.iter().copied()) {
        Some(help) => finding.help(help),
        None => finding.help(format!("an attribute of the record is `source.{}`", shorten(name))),
    }
}

/// The first letter small, no Rust names.
fn sentence(words: &str) -> String {
    let words = words.replace("script", "program").replace("Script", "program");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) if !letters.as_str().starts_with(|next: char| next.is_uppercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => words,
    }
}

/// Why a script failed while it ran. `thrown` is the last fault of a function, which may have become this error; `calls`
/// tells where functions are called, for those that the engine tells no place of.
pub(super) fn runtime(
    error: &EvalAltResult,
    thrown: Option<(&'static str, Box<Fault>)>,
    calls: &[(&'static str, Position)],
    places: &Places<'_>,
    limits: Limits,
) -> Box<Fault> {
    // The innermost place is the one that tells most.
    let mut inner = error;
    while let EvalAltResult::ErrorInFunctionCall(_, _, next, _) | EvalAltResult::ErrorInModule(_, next, _) = inner {
        inner = next;
    }
    let mut position = inner.position();
    let mut fault = match (inner, thrown) {
        (EvalAltResult::ErrorRuntime(token, _), Some((name, fault))) if text_of(token) == fault.to_string() => {
            let mut sites = calls.iter().filter(|(called, _)| *called == name);
            if let (true, Some((_, only)), None) = (position.is_none(), sites.next(), sites.next()) {
                position = *only;
            }
            fault
        }
        (inner, _) => told(inner, limits),
    };
    let span = places.call(if position.is_none() { error.position() } else { position });
    fault.argument = None;
    if fault.span.is_none() {
        fault.span = Some(span);
        fault.call = Some(span);
    }
    fault
}

fn text_of(token: &Dynamic) -> Cow<'static, str> {
    match token.as_immutable_string_ref() {
        Ok(text) => Cow::Owned(text.to_string()),
        Err(_) => Cow::Borrowed(""),
    }
}

fn limit(message: String, key: &str) -> Box<Fault> {
    Fault::new(Code::Limit, message).help(format!("a mapping file may set `{key}` under `[budget]`"))
}

fn told(error: &EvalAltResult, limits: Limits) -> Box<Fault> {
    use EvalAltResult as E;
    let conversion = |words: String| Fault::new(Code::Conversion, words);
    let argument = |words: String| Fault::new(Code::BadArgument, words);
    match error {
        E::ErrorTooManyOperations(_) => limit(format!("the program takes more than {} steps", limits.steps), "steps"),
        E::ErrorStackOverflow(_) => {
            limit(format!("functions call each other more than {} levels deep", calls(limits)), "depth")
        }
        E::ErrorTooManyVariables(_) => Fault::new(Code::Limit, "the program has too many variables at once"),
        E::ErrorTooManyModules(_) => Fault::new(Code::Limit, "scripts import nothing"),
        E::ErrorDataTooLarge(what, _) if what.contains("string") => {
            limit(format!("the texts of one value would be longer than {} bytes", limits.output), "output")
        }
        E::ErrorDataTooLarge(..) => {
            limit(format!("the lists and maps of one value would have more than {} items", limits.list), "list")
        }
        E::ErrorTerminated(..) => {
            limit(format!("the program takes longer than {} ms", limits.milliseconds), "milliseconds")
        }
        E::ErrorRuntime(token, _) => {
            let words = match text_of(token) {
                words if !words.is_empty() => words.into_owned(),
                _ if token.is_unit() => "(no message)".to_owned(),
                _ => shorten(&token.to_string()).into_owned(),
            };
            Fault::new(Code::Raised, words)
        }
        E::ErrorArrayBounds(count, index, _) => Fault::new(
            Code::OutOfRange,
            match count {
                0 => format!("there is no item {index}: the list is empty"),
                1 => format!("there is no item {index}: the list has 1 value, with the index 0"),
                _ => format!("there is no item {index}: the list has {count} values, from 0"),
            },
        ),
        E::ErrorStringBounds(count, index, _) => {
            Fault::new(Code::OutOfRange, format!("there is no character {index}: the text has {count}, from 0"))
        }
        E::ErrorFunctionNotFound(signature, _) => {
            let fault = argument(format!("no function takes these arguments: {}", signature_of(signature)));
            if signature.contains("()") {
                fault.help("an attribute that is not there is `()`: test it first, `if source.x != () { … }`, or write `source.x ?? \"\"`")
            } else {
                fault
            }
        }
        E::ErrorMismatchDataType(wanted, got, _) | E::ErrorMismatchOutputType(wanted, got, _) => {
            conversion(format!("{} cannot be used as {}", type_of(got), type_of(wanted)))
        }
        E::ErrorIndexingType(what, _) => argument(format!("{} has no items", type_of(what))),
        E::ErrorDotExpr(what, _) if what.is_empty() => argument("the value has no properties".to_owned()),
        E::ErrorPropertyNotFound(name, _) => argument(format!("there is no property `{name}`")),
        E::ErrorFor(_) => conversion("`for` goes over a list, a range or a text, and this is none".to_owned()),
        E::ErrorAssignmentToConstant(name, _) | E::ErrorNonPureMethodCallOnConstant(name, _) => {
            argument(format!("`{}` cannot be changed", shorten(name)))
                .help("a record is only read; copy what you want to change: `let copy = source.x;`")
        }
        E::ErrorVariableNotFound(name, _) => {
            let fault = argument(format!("there is no variable `{name}` here"));
            if SPECIAL.contains(&name.as_str()) {
                fault.help(format!("a function sees only its parameters: hand `{name}` on to it"))
            } else {
                fault
            }
        }
        E::ErrorDataRace(..) => argument("a closure uses the value that the function goes over".to_owned())
            .help("copy it for the closure: `let copy = list; list.map(|item| … copy …)`"),
        E::ErrorArithmetic(words, _) => conversion(sentence(words)),
        other => {
            let mut words = other.to_string();
            // The position stands in the span.
            if let Some(at) = words.rfind(" (line ") {
                words.truncate(at);
            }
            argument(sentence(words.lines().next().unwrap_or_default()))
        }
    }
}

/// `+ (i64, &str)` as a script's writer would say it: `+ (integer, text)`.
fn signature_of(signature: &str) -> String {
    let Some((name, types)) = signature.split_once('(') else { return shorten(signature).into_owned() };
    let types = types.strip_suffix(')').unwrap_or(types);
    let types: Vec<&str> = types.split(", ").filter(|part| !part.is_empty()).map(plain).collect();
    format!("`{}` of {}", name.trim(), if types.is_empty() { "nothing".to_owned() } else { types.join(" and ") })
}

fn type_of(name: &str) -> &str {
    plain(name.split_whitespace().next().unwrap_or(name))
}

fn plain(name: &str) -> &str {
    match name.trim() {
        "i64" | "INT" | "int" => "a whole number",
        "f64" | "FLOAT" | "float" => "a number",
        "bool" => "a boolean",
        "char" => "a character",
        "" | "(" | ")" | "()" => "nothing (`()`)",
        "map" => "a map",
        "array" => "a list",
        "string" | "&str" | "ImmutableString" | "&str | ImmutableString | String" | "String" => "a text",
        "Fn" => "a function",
        other => other,
    }
}
