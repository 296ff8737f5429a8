//! The pest grammar, and what stopped it put into words.

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;
use pest_derive::Parser;

use crate::text::{Code, Diagnostic, Span};

#[derive(Parser)]
#[grammar = "../grammar/liquid.pest"]
pub(super) struct Grammar;

pub(super) type Found = Box<Diagnostic>;

/// The pairs of a piece of markup that begins at `at`. `what` is what it belongs to, for messages: `the output`.
pub(super) fn parse<'t>(
    rule: Rule,
    markup: &'t str,
    at: usize,
    depth: usize,
    what: &str,
) -> Result<Pair<'t, Rule>, Found> {
    scan(markup, at, depth)?;
    let mut pairs = Grammar::parse(rule, markup).map_err(|error| Box::new(stopped(&error, markup, at, what)))?;
    pairs.next().ok_or_else(|| Box::new(Diagnostic::new(Code::Syntax, format!("{what} is empty"), Span::new(at, at))))
}

/// Looks at the markup before the grammar does: texts that are not closed, and nesting, which it would follow as deep as it
/// goes.
fn scan(markup: &str, at: usize, most: usize) -> Result<(), Found> {
    let mut characters = markup.char_indices();
    let mut open = 0_usize;
    while let Some((index, character)) = characters.next() {
        match character {
            '\'' | '"' if !characters.by_ref().any(|(_, other)| other == character) => {
                return Err(Box::new(
                    Diagnostic::new(
                        Code::OpenString,
                        "the text is not closed",
                        Span::new(at + index, at + markup.trim_end().len()),
                    )
                    .label("it begins here")
                    .help(format!(
                        "end it with `{character}`; a quote cannot be escaped in Liquid, nor can `}}}}` stand in a text"
                    )),
                ));
            }
            '[' | '(' => {
                open += 1;
                if open > most {
                    let span = Span::new(at + index, at + index + 1);
                    return Err(Box::new(Diagnostic::new(
                        Code::TooDeep,
                        format!("the brackets nest deeper than {most} levels"),
                        span,
                    )));
                }
            }
            ']' | ')' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn stopped(error: &pest::error::Error<Rule>, markup: &str, at: usize, what: &str) -> Diagnostic {
    let stop = match error.location {
        InputLocation::Pos(stop) | InputLocation::Span((stop, _)) => stop,
    };
    let rest = markup.get(stop..).unwrap_or_default();
    // The grammar stops before the whitespace that it may skip.
    let skipped = rest.len() - rest.trim_start().len();
    let (stop, rest) = (stop + skipped, rest.trim_start());
    let word: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').take(30).collect();
    let length = if word.is_empty() { rest.chars().next().map_or(0, char::len_utf8) } else { word.len() };
    let span = Span::new(at + stop, at + stop + length);
    let found = rest.get(..length).unwrap_or_default();
    let before = markup.get(..stop).unwrap_or_default().trim_end();
    let diagnostic = |message: String| Diagnostic::new(Code::Syntax, message, span);
    if found.is_empty() {
        return if before.is_empty() {
            diagnostic(format!("{what} is empty")).label("a value is wanted")
        } else {
            diagnostic(format!("{what} ends too early")).label(expected(error))
        };
    }
    let finding = diagnostic(format!("`{found}` is not expected here"));
    match found {
        "|" if before.ends_with('|') => {
            finding.help("`||` is not an operator of Liquid: `| default: …` takes a value when there is none")
        }
        "|" => finding.help("filters stand in `{{ … }}`, `echo` and `assign` only: assign the value first"),
        "'" | "\"" if before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') => {
            finding.help("a filter's arguments stand behind a colon: `append: 'x'`")
        }
        "=" | "!" | "<" | ">" => {
            finding.help("values are compared in `{% if … %}` only, with == != < <= > >= and contains")
        }
        "+" | "*" | "/" | "-" => {
            finding.help("Liquid calculates with filters: `| plus: 1`, `| minus: 1`, `| times: 2`")
        }
        "&" => finding.help("write `and` in a condition; texts are put together with `| append: …`"),
        "." => finding.help("a name stands behind each dot; an index is written `[0]`"),
        "{" | "}" | "%" => finding.help("close each `{{` with `}}` and each `{%` with `%}`"),
        _ if !word.is_ascii() => finding.help("a name with other letters than A to Z is written `['größe']`"),
        _ => {
            let label = expected(error);
            if label.is_empty() { finding } else { finding.label(label) }
        }
    }
}

/// What the grammar would have taken.
fn expected(error: &pest::error::Error<Rule>) -> String {
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else { return String::new() };
    let mut words: Vec<&str> = positives
        .iter()
        .filter_map(|rule| {
            Some(match rule {
                Rule::text | Rule::integer | Rule::decimal | Rule::path | Rule::range | Rule::filtered => "a value",
                Rule::name => "a name",
                Rule::target | Rule::quoted_target => "a variable",
                Rule::filter => "a filter",
                Rule::EOI => "the end",
                Rule::operator => "a comparison",
                Rule::logic => "`and` or `or`",
                Rule::in_word => "`in`",
                _ => return None,
            })
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    match words.as_slice() {
        [] => String::new(),
        [one] => format!("{one} is wanted"),
        [before @ .., last] => format!("{} or {last} is wanted", before.join(", ")),
    }
}

/// A pair's place in the template, without the whitespace that the grammar took with it.
pub(super) fn span(pair: &Pair<'_, Rule>, at: usize) -> Span {
    let start = at + pair.as_span().start();
    Span::new(start, start + pair.as_str().trim_end().len())
}
