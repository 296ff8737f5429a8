//! Reads .NET pattern syntax into a tree.
//!
//! The walk follows .NET's own order of decisions, so that what is literal there (`{`, a hyphen, `\<`) is literal
//! here. It runs twice: first to count the groups (a `\10` is a reference only if group 10 exists), then to build.
//! Escapes are in `escape.rs`, classes in `class.rs`, everything that opens with `(` in `open.rs`.

use std::ops::Range;

use super::error::PatternError;
use super::groups::{Groups, Seen, parse_number};
use super::tree::{ASTRAL, Assertion, Class, Item, Node, SURROGATES};

/// Longest pattern in bytes.
const MAX_LENGTH: usize = 10_000;
/// Deepest nesting of groups and subtracted classes.
const MAX_DEPTH: usize = 100;
/// Highest count in `{n,m}`.
const MAX_REPEAT: u32 = 10_000;

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) tree: Node,
    pub(super) groups: Groups,
    /// The .NET groups whose values may differ from .NET's.
    pub(super) untrusted: Vec<usize>,
}

/// Parses a pattern.
pub(super) fn parse(source: &str) -> Result<Parsed, PatternError> {
    if source.len() > MAX_LENGTH {
        let message = format!("the pattern is longer than {MAX_LENGTH} bytes");
        return Err(PatternError::unsupported(0..source.len(), message));
    }
    let mut counter = Parser::new(source, Groups::default(), true);
    counter.pattern()?;
    let groups = Groups::number(&counter.seen);
    let mut parser = Parser::new(source, groups, false);
    let tree = parser.pattern()?;
    parser.check_shared_references()?;
    let untrusted = parser.check_look_behind_groups()?;
    Ok(Parsed { tree, groups: parser.groups, untrusted })
}

/// The inline options in force.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the five letters of (?imsnx)")]
pub(super) struct Options {
    pub(super) ignore_case: bool,
    pub(super) multiline: bool,
    pub(super) singleline: bool,
    pub(super) explicit_capture: bool,
    pub(super) extended: bool,
}

/// A reference and where it stands, for the checks that need the whole pattern.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) slot: usize,
    pub(super) span: Range<usize>,
}

/// The state of one walk.
pub(super) struct Parser<'p> {
    pub(super) source: &'p str,
    pub(super) at: usize,
    pub(super) options: Options,
    pub(super) groups: Groups,
    /// What the first walk finds.
    pub(super) seen: Seen,
    /// Whether this is the first walk, which resolves no references.
    pub(super) counting: bool,
    /// Unnamed groups so far.
    pub(super) unnamed: u32,
    /// Capturing parentheses so far.
    pub(super) captures: usize,
    /// Engine groups that a quantifier may fill more than once.
    pub(super) looped: Vec<Range<usize>>,
    pub(super) references: Vec<Reference>,
    /// Engine groups of a look-behind whose values depend on the direction of matching, and its place.
    pub(super) untrusted: Vec<(Range<usize>, Range<usize>)>,
    depth: usize,
}

/// One part of a sequence and its place.
struct Part {
    node: Node,
    span: Range<usize>,
}

impl<'p> Parser<'p> {
    fn new(source: &'p str, groups: Groups, counting: bool) -> Self {
        Parser {
            source,
            at: 0,
            options: Options::default(),
            groups,
            seen: Seen::default(),
            counting,
            unnamed: 0,
            captures: 0,
            looped: Vec::new(),
            references: Vec::new(),
            untrusted: Vec::new(),
            depth: 0,
        }
    }

    /// The character here.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character after the one here.
    pub(super) fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// Takes the character here.
    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes the character here if it is this one.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// What is still to read.
    pub(super) fn rest(&self) -> &'p str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// A piece of the pattern.
    pub(super) fn text(&self, span: Range<usize>) -> &'p str {
        self.source.get(span).unwrap_or_default()
    }

    /// From `start` to here, at least one character wide where there is one.
    pub(super) fn span(&self, start: usize) -> Range<usize> {
        let end = self.at.max(start);
        if end > start {
            return start..end;
        }
        let width = self.source.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        start..start + width
    }

    /// One level deeper, or an error.
    pub(super) fn descend(&mut self, start: usize) -> Result<(), PatternError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("groups are nested deeper than {MAX_DEPTH} levels");
            return Err(PatternError::unsupported(self.span(start), message));
        }
        Ok(())
    }

    /// One level up.
    pub(super) fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn pattern(&mut self) -> Result<Node, PatternError> {
        let branches = self.branches()?;
        if self.peek() == Some(')') {
            return Err(PatternError::refused(self.span(self.at), "this `)` closes no group")
                .help("write `\\)` for the character"));
        }
        Ok(alternation(branches))
    }

    /// Everything up to a `)` that is not ours or the end, cut at `|`.
    pub(super) fn branches(&mut self) -> Result<Vec<Node>, PatternError> {
        let mut branches = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        // Whether the last thing read was a quantifier, for the message about a second one.
        let mut quantified = false;
        loop {
            self.skip_blank()?;
            let start = self.at;
            let captures_before = self.captures;
            let node = match self.peek() {
                None | Some(')') => break,
                Some('|') => {
                    self.at += 1;
                    branches.push(sequence(std::mem::take(&mut parts))?);
                    quantified = false;
                    continue;
                }
                Some('*' | '+' | '?') => {
                    return Err(self.stray_quantifier(quantified, parts.last()));
                }
                Some('{') if self.counted().is_some() => {
                    return Err(self.stray_quantifier(quantified, parts.last()));
                }
                Some(c) => self.atom(c)?,
            };
            quantified = false;
            // An option setting such as `(?i)` is no part, and nothing can be quantified there.
            let Some(node) = node else {
                self.skip_blank()?;
                if self.at_quantifier() {
                    return Err(self.stray_quantifier(false, None));
                }
                continue;
            };
            let atom = Part { node, span: self.span(start) };
            self.skip_blank()?;
            if let Some((min, max)) = self.quantifier()? {
                self.skip_blank()?;
                let lazy = self.eat('?');
                if max != Some(1) && self.captures > captures_before {
                    self.looped.push(captures_before + 1..self.captures + 1);
                }
                let span = self.span(start);
                let node = repeat(atom, min, max, lazy, span.clone())?;
                parts.push(Part { node, span });
                quantified = true;
            } else {
                parts.push(atom);
            }
        }
        branches.push(sequence(parts)?);
        Ok(branches)
    }

    fn at_quantifier(&self) -> bool {
        matches!(self.peek(), Some('*' | '+' | '?')) || self.counted().is_some()
    }

    fn atom(&mut self, c: char) -> Result<Option<Node>, PatternError> {
        let start = self.at;
        self.at += c.len_utf8();
        Ok(Some(match c {
            '(' => return self.open(start),
            '[' => self.class(start)?,
            '\\' => self.escape(start)?,
            '^' if self.options.multiline => Node::Assert(Assertion::LineStart),
            '^' => Node::Assert(Assertion::Start),
            '$' if self.options.multiline => Node::Assert(Assertion::LineEnd),
            '$' => Node::Assert(Assertion::End),
            '.' => Node::Dot { newline: self.options.singleline },
            value => Node::Char { value, fold: self.options.ignore_case },
        }))
    }

    /// Skips comments, and blanks in `(?x)`.
    pub(super) fn skip_blank(&mut self) -> Result<(), PatternError> {
        loop {
            if self.options.extended {
                let blank = |c| matches!(c, '\t' | '\n' | '\x0C' | '\r' | ' ');
                let rest = self.rest();
                self.at += rest.len() - rest.trim_start_matches(blank).len();
                if self.peek() == Some('#') {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                    continue;
                }
            }
            if !self.rest().starts_with("(?#") {
                return Ok(());
            }
            let start = self.at;
            let Some(close) = self.rest().find(')') else {
                self.at = self.source.len();
                return Err(PatternError::refused(start..self.at, "this comment is not closed")
                    .help("a comment ends at the first `)`"));
            };
            self.at += close + 1;
        }
    }

    /// Reads a quantifier, if one stands here.
    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let start = self.at;
        let counts = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let Some((length, min, max)) = self.counted() else {
                    return Ok(None);
                };
                self.at += length;
                let too_high = |digits: &str| parse_number(digits).is_none_or(|n| n > MAX_REPEAT);
                if too_high(min) || max.is_some_and(too_high) {
                    let message = format!("a count above {MAX_REPEAT} is not supported");
                    return Err(PatternError::unsupported(self.span(start), message));
                }
                let min = parse_number(min).unwrap_or(0);
                let max = max.and_then(parse_number);
                if let Some(max) = max
                    && min > max
                {
                    let message = format!("the counts are the wrong way round: {min} is more than {max}");
                    return Err(
                        PatternError::refused(self.span(start), message).help(format!("write `{{{max},{min}}}`"))
                    );
                }
                return Ok(Some((min, max)));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(counts))
    }

    /// The length, least and highest count of `{n}`, `{n,}` or `{n,m}` here; any other `{` is itself.
    fn counted(&self) -> Option<(usize, &'p str, Option<&'p str>)> {
        let inside = self.rest().strip_prefix('{')?;
        let (inside, _) = inside.split_once('}')?;
        let length = inside.len() + 2;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match inside.split_once(',') {
            None if digits(inside) => Some((length, inside, Some(inside))),
            Some((min, "")) if digits(min) => Some((length, min, None)),
            Some((min, max)) if digits(min) && digits(max) => Some((length, min, Some(max))),
            _ => None,
        }
    }

    fn stray_quantifier(&mut self, after_quantifier: bool, last: Option<&Part>) -> PatternError {
        let start = self.at;
        let length = self.counted().map_or(1, |counted| counted.0);
        self.at += length;
        let sign = self.text(start..self.at);
        let span = self.span(start);
        match last {
            Some(part) if after_quantifier => {
                let before = self.text(part.span.clone());
                let help = if sign == "+" {
                    format!("there are no possessive quantifiers: write `(?>{before})`")
                } else {
                    format!("write `(?:{before}){sign}` to repeat the repetition")
                };
                PatternError::refused(span, format!("the quantifier `{sign}` follows another quantifier")).help(help)
            }
            _ => PatternError::refused(span, format!("the quantifier `{sign}` has nothing before it to repeat"))
                .help(format!("write `\\{sign}` for the character")),
        }
    }

    /// Groups whose values depend on the direction of matching: refused where they have a name, and so a use, or are
    /// referred to. Parentheses that only group are fine; a template that uses them gets a lint.
    fn check_look_behind_groups(&self) -> Result<Vec<usize>, PatternError> {
        let mut untrusted = Vec::new();
        for (inside, span) in &self.untrusted {
            for (at, slot) in self.groups.slots.iter().enumerate() {
                if !slot.engines.iter().any(|engine| inside.contains(engine)) {
                    continue;
                }
                if slot.named || self.references.iter().any(|reference| reference.slot == at) {
                    let message =
                        "the value of a group in a look-behind with several parts of varying length is not supported";
                    return Err(PatternError::unsupported(span.clone(), message)
                        .help("match the part instead of looking behind, and put it back with `$1`"));
                }
                untrusted.push(at);
            }
        }
        Ok(untrusted)
    }

    /// References to a name used twice are printed as a choice, which is exact only outside of loops.
    fn check_shared_references(&self) -> Result<(), PatternError> {
        for reference in &self.references {
            let engines = self.groups.engines(reference.slot);
            let looped = |engine: &usize| self.looped.iter().any(|range| range.contains(engine));
            if engines.len() > 1 && engines.iter().any(looped) {
                let message = "a reference to a group that stands twice and inside a repetition is not supported";
                return Err(PatternError::unsupported(reference.span.clone(), message)
                    .help("give the groups names of their own"));
            }
        }
        Ok(())
    }
}

/// A choice between branches.
pub(super) fn alternation(mut branches: Vec<Node>) -> Node {
    if branches.len() == 1 { branches.pop().unwrap_or(Node::Empty) } else { Node::Alternation(branches) }
}

/// Applies a quantifier.
fn repeat(atom: Part, min: u32, max: Option<u32>, lazy: bool, span: Range<usize>) -> Result<Node, PatternError> {
    let node = match atom.node {
        // Text is well formed, so halves come in pairs: a run of halves is a run of whole characters.
        Node::Half(ranges) if ranges == [SURROGATES] && min >= 1 && max.is_none() && !lazy => astral(vec![ASTRAL]),
        Node::Half(ranges) if ranges == [SURROGATES] && (min, max) == (2, Some(2)) => {
            return Ok(astral(vec![ASTRAL]));
        }
        Node::Half(_) => return Err(lone_half(atom.span)),
        node => node,
    };
    Ok(Node::Repeat { inner: Box::new(node), min, max, lazy, span })
}

/// Joins the parts of a sequence; here two halves become one character.
fn sequence(parts: Vec<Part>) -> Result<Node, PatternError> {
    let mut nodes = Vec::with_capacity(parts.len());
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        let Node::Half(first) = part.node else {
            nodes.push(part.node);
            continue;
        };
        let Some(Part { node: Node::Half(second), .. }) = parts.next() else {
            return Err(lone_half(part.span));
        };
        match pair(&first, &second).as_slice() {
            [] => return Err(lone_half(part.span)),
            &[(only, last)] if only == last => {
                let value = char::from_u32(only).unwrap_or(char::REPLACEMENT_CHARACTER);
                nodes.push(Node::Char { value, fold: false });
            }
            ranges => nodes.push(astral(ranges.to_vec())),
        }
    }
    Ok(match nodes.len() {
        0 => Node::Empty,
        1 => nodes.pop().unwrap_or(Node::Empty),
        _ => Node::Concat(nodes),
    })
}

fn astral(ranges: Vec<(u32, u32)>) -> Node {
    let items = ranges.into_iter().map(|(first, last)| Item::Range(first, last)).collect();
    Node::Set(Box::new(Class { items, ..Class::default() }))
}

/// The characters made of a high half out of `first` and a low half out of `second`.
fn pair(first: &[(u32, u32)], second: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let clip = |&(from, to): &(u32, u32), low: u32, high: u32| (from.max(low), to.min(high));
    for (high_from, high_to) in first.iter().map(|range| clip(range, 0xD800, 0xDBFF)) {
        for high in high_from..=high_to {
            let base = 0x1_0000 + ((high - 0xD800) << 10);
            for (from, to) in second.iter().map(|range| clip(range, 0xDC00, 0xDFFF)) {
                if from > to {
                    continue;
                }
                let (from, to) = (base + (from - 0xDC00), base + (to - 0xDC00));
                match ranges.last_mut() {
                    Some(last) if last.1 + 1 == from => last.1 = to,
                    _ => ranges.push((from, to)),
                }
            }
        }
    }
    ranges
}

/// Half a surrogate pair where no other half follows.
pub(super) fn lone_half(span: Range<usize>) -> PatternError {
    PatternError::unsupported(span, "half a surrogate pair cannot be matched by itself: text here is whole characters")
        .help("write both halves, `[\\uD800-\\uDBFF][\\uDC00-\\uDFFF]`, and group them before a quantifier")
}
