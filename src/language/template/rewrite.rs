//! The text that minijinja compiles: the admin's own, with a bound at each place where a value could grow without end.
//!
//! minijinja counts instructions, not memory: `{% set x = x ~ x %}` thirty times over is a gigabyte within a hundred
//! steps. What is kept for later (`set`, `with`, the arguments of macros, the items of loops) therefore passes through
//! `_bound`, which measures it, and `*` takes numbers alone. Nothing is taken out of the text, so that every place of
//! the new one leads back to a place of the admin's.

use crate::text::Span;

use super::scan::{Kind, Scan, Tag, Token};

/// Raw text from so many bytes on is counted each time it is written.
const LONG_RAW: usize = 256;

/// Which text a place is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Macros,
    Template,
}

#[derive(Debug)]
struct Piece {
    at: usize,
    length: usize,
    from: usize,
    origin: Origin,
}

/// A text to compile, and where its pieces come from.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) text: String,
    pieces: Vec<Piece>,
}

impl Rewritten {
    /// Adds a part of a text, with what is to be inserted into it.
    pub(super) fn add(&mut self, text: &str, part: Span, inserts: &[(usize, String)], origin: Origin) {
        let mut from = part.range().start;
        let within = inserts.iter().filter(|(at, _)| (part.range().start..=part.range().end).contains(at));
        for (at, inserted) in within {
            self.copy(text, from, *at, origin);
            self.text.push_str(inserted);
            from = *at;
        }
        self.copy(text, from, part.range().end, origin);
    }

    fn copy(&mut self, text: &str, from: usize, to: usize, origin: Origin) {
        let part = text.get(from..to).unwrap_or_default();
        self.pieces.push(Piece { at: self.text.len(), length: part.len(), from, origin });
        self.text.push_str(part);
    }

    /// The place in the admin's text; what was inserted stands where it was put.
    pub(super) fn place(&self, at: usize) -> Option<(Origin, usize)> {
        let piece = self.pieces.iter().rev().find(|piece| piece.at <= at)?;
        Some((piece.origin, piece.from + (at - piece.at).min(piece.length)))
    }

    /// The span in the admin's text.
    pub(super) fn span(&self, start: usize, end: usize) -> Option<(Origin, Span)> {
        let (origin, first) = self.place(start)?;
        match self.place(end) {
            Some((same, last)) if same == origin => Some((origin, Span::new(first, last.max(first)))),
            _ => Some((origin, Span::new(first, first))),
        }
    }
}

/// What is to be inserted into a template, in the order of the places.
pub(super) fn inserts(scan: &Scan<'_>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, tag) in scan.tags.iter().enumerate() {
        factors(tag, &mut found);
        let tokens = tag.tokens.as_slice();
        match tag.word() {
            "set" => {
                let equals = tokens.iter().position(|token| token.depth == 0 && token.is("="));
                let Some(equals) = equals else { continue };
                let (target, value) = tokens.split_at(equals);
                // What a namespace holds could hold the namespace.
                let filter = if target.iter().any(|token| token.is(".")) { "_plain" } else { "_bound" };
                around(value.get(1..).unwrap_or_default(), filter, &mut found);
            }
            "with" => {
                for part in tokens.split(|token| token.depth == 0 && token.is(",")) {
                    if let Some(equals) = part.iter().position(|token| token.depth == 0 && token.is("=")) {
                        around(part.get(equals + 1..).unwrap_or_default(), "_bound", &mut found);
                    }
                }
            }
            "for" => {
                let Some(start) = tokens.iter().position(|token| token.depth == 0 && token.is("in")) else { continue };
                let value = tokens.get(start + 1..).unwrap_or_default();
                let end = value.iter().position(|token| token.depth == 0 && token.is("if")).unwrap_or(value.len());
                let filter = format!("_each({})", raw_within(scan, index, "endfor"));
                around(value.get(..end).unwrap_or_default(), &filter, &mut found);
            }
            word @ ("macro" | "call") => {
                let raw = raw_within(scan, index, if word == "macro" { "endmacro" } else { "endcall" });
                let end = if tag.trims { "-%}" } else { "%}" };
                let mut tags: Vec<String> =
                    parameters(tag).map(|name| format!("{{% set {name} = {name}|_bound {end}")).collect();
                if raw >= LONG_RAW {
                    tags.push(format!("{{% set _raw = {raw}|_raw {end}"));
                }
                found.push((tag.span.range().end, tags.concat()));
            }
            _ => {}
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found
}

/// The parameters of a macro, or of the block of a call.
pub(super) fn parameters<'t, 's>(tag: &'s Tag<'t>) -> impl Iterator<Item = &'t str> + use<'t, 's> {
    let skipped = if tag.word() == "macro" { 2 } else { 1 };
    let tokens = tag.tokens.get(skipped..).unwrap_or_default();
    let given = tokens.first().is_some_and(|first| first.is("("));
    let inner = tokens.iter().skip(1).take_while(move |token| given && token.depth > 0);
    let mut wanted = true;
    inner.filter_map(move |token| {
        let starts = wanted && token.kind == Kind::Name;
        wanted = token.depth == 1 && token.is(",");
        starts.then_some(token.text)
    })
}

fn around(value: &[Token<'_>], filter: &str, found: &mut Vec<(usize, String)>) {
    let (Some(first), Some(last)) = (value.first(), value.last()) else { return };
    // A constant is as long as it is written.
    if value.len() == 1 && !matches!(first.kind, Kind::Name) && !filter.starts_with("_each") {
        return;
    }
    found.push((first.span.range().start, "(".into()));
    found.push((last.span.range().end, format!(")|{filter}")));
}

/// Both sides of each `*`: a text or list is not to be repeated.
fn factors(tag: &Tag<'_>, found: &mut Vec<(usize, String)>) {
    let tokens = tag.tokens.as_slice();
    for (index, token) in tokens.iter().enumerate().skip(1) {
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let Some(before) = before.filter(|before| token.is("*") && before.ends_value()) else { continue };
        if before.kind != Kind::Number {
            found.push((before.span.range().end, "|_factor".into()));
        }
        if let Some(end) = operand(tokens.get(index + 1..).unwrap_or_default()) {
            // Two of them after one operand do no harm.
            found.push((end, "|_factor".into()));
        }
    }
}

/// Where the operand ends that these tokens begin with; `None` for a number.
fn operand(tokens: &[Token<'_>]) -> Option<usize> {
    let signs = tokens.iter().take_while(|token| token.is("-") || token.is("+")).count();
    let first = tokens.get(signs)?;
    let mut last = signs;
    let closing = |from: usize| {
        let depth = tokens.get(from).map_or(0, |token| token.depth);
        let after = tokens.iter().skip(from + 1).position(|token| {
            token.depth == depth && token.kind == Kind::Sign && matches!(token.text, ")" | "]" | "}")
        });
        after.map_or(from, |after| from + 1 + after)
    };
    if matches!(first.text, "(" | "[" | "{") && first.kind == Kind::Sign {
        last = closing(last);
    } else if first.kind == Kind::Number {
        return None;
    }
    while let Some(next) = tokens.get(last + 1) {
        last = match next.text {
            "." if next.kind == Kind::Sign => last + 2,
            "(" | "[" if next.kind == Kind::Sign => closing(last + 1),
            _ => break,
        };
    }
    tokens.get(last).map(|token| token.span.range().end)
}

/// How many bytes of raw text stand in the block that a tag opens.
fn raw_within(scan: &Scan<'_>, opener: usize, closer: &str) -> usize {
    let Some(tag) = scan.tags.get(opener) else { return 0 };
    let mut depth = 0_usize;
    let after = scan.tags.iter().skip(opener + 1);
    let end = after.filter_map(|other| {
        if other.word() == tag.word() {
            depth += 1;
        } else if other.word() == closer {
            if depth == 0 {
                return Some(other.span.range().start);
            }
            depth -= 1;
        }
        None
    });
    let end = end.into_iter().next().unwrap_or(tag.span.range().end);
    let within = scan.raw.iter().filter(|raw| raw.range().start >= tag.span.range().end && raw.range().end <= end);
    within.map(|raw| raw.range().end - raw.range().start).sum()
}
