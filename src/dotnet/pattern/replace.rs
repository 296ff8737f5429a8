//! The match loop, and what is written for each match.
//!
//! .NET's loop differs from the engines' own: an empty match directly after a match counts, so `.*` in "abc" matches
//! twice. The next search starts where the match ended, after an empty match one character on.

use super::engine::{Captures, Engine, Spent};
use super::error::Runaway;
use super::sink::{Limited, Sink};
use super::template::{Piece, Template};
use super::{GroupId, Pattern};

/// Where the next search starts; none at the end of the text.
#[inline]
fn after((start, end): (usize, usize), text: &str) -> Option<usize> {
    if start < end {
        return Some(end);
    }
    let width = text.get(end..)?.chars().next()?.len_utf8();
    Some(end + width)
}

/// Replaces every match by the same text.
#[inline]
pub(super) fn constant<S: Sink>(
    text: &str,
    with: &str,
    limit: usize,
    out: &mut S,
    mut find: impl FnMut(usize) -> Result<Option<(usize, usize)>, Runaway>,
) -> Result<bool, Runaway> {
    let Some(mut found) = find(0)? else {
        return Ok(false);
    };
    let mut out = Limited::new(out, limit);
    out.reserve(text.len() + with.len());
    let mut copied = 0;
    loop {
        if copied < found.0 {
            out.push_str(text.get(copied..found.0).unwrap_or_default())?;
        }
        out.push_str(with)?;
        copied = found.1;
        let Some(from) = after(found, text) else {
            break;
        };
        let Some(next) = find(from)? else { break };
        found = next;
    }
    out.push_str(text.get(copied..).unwrap_or_default())?;
    Ok(true)
}

/// Replaces every match by the template.
pub(super) fn template<S: Sink>(
    pattern: &Pattern,
    text: &str,
    template: &Template,
    limit: usize,
    out: &mut S,
) -> Result<bool, Runaway> {
    let engine = pattern.engine(text)?;
    let shape = pattern.shape(text).filter(|_| !template.needs_groups);
    let mut captures = if template.needs_groups { engine.captures() } else { Captures::none() };
    let mut spent = Spent::default();
    let mut find = |captures: &mut _, from| match shape {
        Some(shape) => Ok(shape.find(text, from)),
        None if template.needs_groups => engine.find_captures(text, from, captures, &mut spent),
        None => engine.find(text, from, &mut spent),
    };
    let Some(mut found) = find(&mut captures, 0)? else {
        return Ok(false);
    };
    let mut out = Limited::new(out, limit);
    out.reserve(text.len());
    let mut copied = 0;
    loop {
        out.push_str(text.get(copied..found.0).unwrap_or_default())?;
        for piece in &template.pieces {
            let (start, end) = match piece {
                Piece::Text(text) => {
                    out.push_str(text)?;
                    continue;
                }
                Piece::Group(group) => match captures.of(pattern.groups.engines(group.0)) {
                    Some(span) => span,
                    None => continue,
                },
                Piece::Match => found,
                Piece::Before => (0, found.0),
                Piece::After => (found.1, text.len()),
                Piece::Source => (0, text.len()),
            };
            out.push_str(text.get(start..end).unwrap_or_default())?;
        }
        copied = found.1;
        let Some(from) = after(found, text) else {
            break;
        };
        let Some(next) = find(&mut captures, from)? else {
            break;
        };
        found = next;
    }
    out.push_str(text.get(copied..).unwrap_or_default())?;
    Ok(true)
}

/// Replaces the span of a group in every match.
pub(super) fn group<S: Sink>(
    pattern: &Pattern,
    text: &str,
    group: GroupId,
    value: &str,
    limit: usize,
    out: &mut S,
) -> Result<bool, Runaway> {
    let engine = pattern.engine(text)?;
    let engines = pattern.groups.engines(group.0);
    let mut captures = engine.captures();
    let mut out = Limited::new(out, limit);
    let (mut from, mut copied, mut changed) = (0, 0, false);
    let mut spent = Spent::default();
    while let Some(found) = engine.find_captures(text, from, &mut captures, &mut spent)? {
        // A group in a look-around may lie in what is written already; that match stays as it is.
        if let Some((start, end)) = captures.of(engines).filter(|span| span.0 >= copied) {
            out.push_str(text.get(copied..start).unwrap_or_default())?;
            out.push_str(value)?;
            copied = end;
            changed = true;
        }
        match after(found, text) {
            Some(next) => from = next,
            None => break,
        }
    }
    if changed {
        out.push_str(text.get(copied..).unwrap_or_default())?;
    }
    Ok(changed)
}

/// The span of a group in the first match.
pub(super) fn first_group(engine: &Engine, text: &str, engines: &[usize]) -> Result<Option<(usize, usize)>, Runaway> {
    if engines == [0] {
        return engine.find(text, 0, &mut Spent::default());
    }
    let mut captures: Captures<'_> = engine.captures();
    let found = engine.find_captures(text, 0, &mut captures, &mut Spent::default())?;
    Ok(found.and_then(|_| captures.of(engines)))
}

/// The places of all matches, at most `limit`.
pub(super) fn spans(
    text: &str,
    limit: usize,
    mut find: impl FnMut(usize) -> Result<Option<(usize, usize)>, Runaway>,
) -> Result<Vec<(usize, usize)>, Runaway> {
    let (mut spans, mut from) = (Vec::new(), Some(0));
    while let Some(start) = from.filter(|_| spans.len() < limit) {
        let Some(found) = find(start)? else { break };
        spans.push(found);
        from = after(found, text);
    }
    Ok(spans)
}

/// The span of each group of a match, if it took part.
type Spans = Vec<Option<(usize, usize)>>;

/// The spans of all groups in the first match.
pub(super) fn first_groups<'g>(
    engine: &Engine,
    text: &str,
    groups: impl Iterator<Item = &'g [usize]>,
) -> Result<Option<Spans>, Runaway> {
    let mut captures: Captures<'_> = engine.captures();
    let Some(found) = engine.find_captures(text, 0, &mut captures, &mut Spent::default())? else { return Ok(None) };
    Ok(Some(groups.map(|engines| if engines == [0] { Some(found) } else { captures.of(engines) }).collect()))
}
