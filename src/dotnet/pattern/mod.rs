//! .NET regular expressions and replacement texts, as Entra's expressions use them.
//!
//! A pattern is parsed here, by .NET's rules, into a tree; what .NET refuses or we do not support is refused with the
//! place and a way to write it. The tree is printed for the `regex` crate, or for `fancy-regex` with a limit where it
//! has look-around or references. Numbering of groups, the match loop and replacement texts are our own, because
//! theirs differ. Plain patterns (`shape.rs`) never reach an engine.
//!
//! ```text
//! source -> parse (escape, class, open, fold, blocks) -> tree, groups -> size -> print -> engine | shape
//!                                                   template, replace <- groups
//! ```

mod behind;
mod blocks;
mod charset;
mod class;
mod engine;
mod error;
mod escape;
mod fold;
mod groups;
mod open;
mod parse;
mod print;
mod replace;
mod shape;
mod sink;
mod size;
mod template;
#[cfg(test)]
mod tests;
mod tree;

pub use error::{PatternError, PatternLint, Runaway};
pub use sink::Sink;
pub use template::Template;

use engine::{Engine, LateEngine, Spent};
use groups::{Groups, parse_number};
use parse::Parsed;
use print::Ending;
use shape::Shape;
use size::Sizes;
use tree::{Assertion, Node};

/// A group of one pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupId(usize);

/// A compiled .NET pattern.
#[derive(Debug)]
pub struct Pattern {
    groups: Groups,
    /// For texts that do not end in a line feed, or for all texts if `line_feed` is none.
    plain: Engine,
    /// For texts that do: `$` matches before it as well.
    line_feed: Option<LateEngine>,
    shape: Option<Shape>,
    /// Groups in a look-behind whose values may differ from .NET's.
    untrusted: Vec<usize>,
    lints: Vec<PatternLint>,
}

/// How many bytes a compiled pattern may take.
const ROOM: usize = 3 << 19;
/// How many bytes a compiled pattern may take that comes from a record.
const SMALL_ROOM: usize = 1 << 18;
/// How many rounds through what may be empty a pattern may go at one place.
const IDLE_ROUNDS: u64 = 10_000;

/// The longest text for a pattern that tries out its matches, in bytes.
const MAX_TRIED_TEXT: usize = 16 * 1024;

impl Pattern {
    /// Compiles a pattern as typed in .NET syntax.
    pub fn compile(source: &str) -> Result<Pattern, PatternError> {
        let parsed = parse::parse(source)?;
        Pattern::of(source, parsed, ROOM)
    }

    /// The same for a pattern that is known only at run time, in a fraction of the room: what does not fit there
    /// runs in loops, which takes longer to match, or is refused.
    pub fn compile_small(source: &str) -> Result<Pattern, PatternError> {
        let parsed = parse::parse(source)?;
        Pattern::of(source, parsed, SMALL_ROOM)
    }

    /// Compiles a pattern that is to match the whole text, like `^(?:…)\z` around it; spans are those of `source`.
    pub fn compile_whole(source: &str) -> Result<Pattern, PatternError> {
        let mut parsed = parse::parse(source)?;
        let places = [Assertion::Start, Assertion::VeryEnd].map(Node::Assert);
        let [start, end] = places;
        parsed.tree = Node::Concat(vec![start, parsed.tree, end]);
        Pattern::of(source, parsed, ROOM)
    }

    fn of(source: &str, parsed: Parsed, room: usize) -> Result<Pattern, PatternError> {
        let Parsed { tree, groups, untrusted } = parsed;
        let needs_backtracking = print::needs_backtracking(&tree);
        let sizes = Sizes::default();
        let size = sizes.of(&tree);
        let looped = size.written > room as u64;
        if looped && size.looped > room as u64 {
            let span = sizes.largest(&tree).unwrap_or(0..source.len());
            return Err(engine::too_large(span, source));
        }
        let loops = looped.then_some(&sizes);
        let backtracking = needs_backtracking || looped;
        if backtracking && size::idle_rounds(&tree) > IDLE_ROUNDS {
            let message = "the pattern repeats what may be empty too often";
            return Err(PatternError::unsupported(0..source.len(), message)
                .help("use lower counts, or let the repeated part match at least one character"));
        }
        let forced_rounds = size::forced_rounds(&tree);
        let printed = print::print(&tree, &groups, Ending::Plain, loops);
        let plain = if backtracking {
            Engine::backtracking(&printed, source, 2 * room, forced_rounds)?
        } else {
            Engine::linear(&printed, source, 2 * room)?
        };
        let late = || LateEngine::new(print::print(&tree, &groups, Ending::LineFeed, loops), 2 * room, forced_rounds);
        let line_feed = print::has_end(&tree).then(late);
        let shape = match (needs_backtracking, looped) {
            (true, _) => None,
            (false, true) => Shape::of(&print::print(&tree, &groups, Ending::Plain, None)),
            (false, false) => Shape::of(&printed),
        };
        let mut lints = Vec::new();
        let only_a_place = matches!(tree, Node::Assert(_));
        if tree.may_be_empty_anywhere() && !only_a_place {
            lints.push(PatternLint {
                message: "the pattern can match the empty text, so it also matches between characters".to_owned(),
                help: Some("write `+` for `*`, or `^` in front".to_owned()),
                span: 0..source.len(),
            });
        }
        Ok(Pattern { groups, plain, line_feed, shape, untrusted, lints })
    }

    /// What is odd about the pattern; spans are bytes of its source.
    pub fn lints(&self) -> &[PatternLint] {
        &self.lints
    }

    /// The group with this name, or with this number as text. `0` is the whole match.
    pub fn group(&self, name: &str) -> Option<GroupId> {
        let number = || parse_number(name).and_then(|number| self.groups.by_number(number));
        self.groups.by_name(name).or_else(number).map(GroupId)
    }

    /// The names of all groups but the whole match; a group without a name gives its number.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.labels()
    }

    /// Whether the pattern matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> Result<bool, Runaway> {
        match self.shape(text) {
            Some(shape) => Ok(shape.find(text, 0).is_some()),
            None => self.engine(text)?.is_match(text),
        }
    }

    /// Writes the text with every match replaced.
    ///
    /// Gives `false`, and writes nothing, if nothing matched. Writes at most `limit` bytes; after an error the output
    /// may hold a part of the result.
    pub fn replace_all(
        &self,
        text: &str,
        template: &Template,
        limit: usize,
        out: &mut impl Sink,
    ) -> Result<bool, Runaway> {
        let Some(with) = template.constant() else {
            return replace::template(self, text, template, limit, out);
        };
        // One loop for each of the common shapes, so that the search is part of the loop.
        match self.shape(text) {
            Some(Shape::One(set)) => replace::constant(text, with, limit, out, |from| Ok(set.find(text, from))),
            Some(shape) => replace::constant(text, with, limit, out, |from| Ok(shape.find(text, from))),
            None => {
                let (engine, mut spent) = (self.engine(text)?, Spent::default());
                replace::constant(text, with, limit, out, |from| engine.find(text, from, &mut spent))
            }
        }
    }

    /// Whether it tries out matches, which takes a while when a text almost matches.
    pub fn tries(&self) -> bool {
        self.shape.is_none() && self.plain.tries()
    }

    /// Which bytes of ASCII the pattern matches, when each of its matches is one character of a set, or (with `runs`) some
    /// in a row; and when it matches the same in every text.
    pub fn ascii_class(&self, runs: bool) -> Option<[bool; 128]> {
        match self.shape.as_ref() {
            Some(Shape::One(set)) if self.line_feed.is_none() => Some(set.ascii()),
            Some(Shape::Run(set)) if runs && self.line_feed.is_none() => Some(set.ascii()),
            _ => None,
        }
    }

    /// What is left of the text without its matches, when the pattern is a plain text at the start, such as `(?i)^smtp:`.
    pub fn without_prefix<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self.shape(text)? {
            Shape::Prefix(_, start) => start.strip(text),
            _ => None,
        }
    }

    /// Whether each character beyond ASCII is one match, or part of a run of them.
    pub fn takes_all_wide(&self) -> bool {
        match self.shape.as_ref() {
            Some(Shape::One(set) | Shape::Run(set)) => self.line_feed.is_none() && set.has_all_wide(),
            _ => false,
        }
    }

    /// Writes the text with a group replaced in every match; the rest of the match stays.
    ///
    /// A match in which the group took no part stays whole. Gives `false`, and writes nothing, if no group was
    /// replaced. Writes at most `limit` bytes; after an error the output may hold a part of the result.
    pub fn replace_group(
        &self,
        text: &str,
        group: GroupId,
        value: &str,
        limit: usize,
        out: &mut impl Sink,
    ) -> Result<bool, Runaway> {
        replace::group(self, text, group, value, limit, out)
    }

    /// What a group matched in the first match of the text.
    pub fn extract<'t>(&self, text: &'t str, group: GroupId) -> Result<Option<&'t str>, Runaway> {
        let span = replace::first_group(self.engine(text)?, text, self.groups.engines(group.0))?;
        Ok(span.and_then(|(start, end)| text.get(start..end)))
    }

    /// Every match in the text, at most `limit` of them.
    pub fn find_all<'t>(&self, text: &'t str, limit: usize) -> Result<Vec<&'t str>, Runaway> {
        let spans = match self.shape(text) {
            Some(shape) => replace::spans(text, limit, |from| Ok(shape.find(text, from)))?,
            None => {
                let (engine, mut spent) = (self.engine(text)?, Spent::default());
                replace::spans(text, limit, |from| engine.find(text, from, &mut spent))?
            }
        };
        Ok(spans.into_iter().map(|(start, end)| text.get(start..end).unwrap_or_default()).collect())
    }

    /// What every group matched in the first match, the whole match first; `None` for a group that took no part.
    pub fn captures<'t>(&self, text: &'t str) -> Result<Option<Vec<Option<&'t str>>>, Runaway> {
        let groups = (0..self.groups.slots.len()).map(|slot| self.groups.engines(slot));
        let spans = replace::first_groups(self.engine(text)?, text, groups)?;
        let part = |span: Option<(usize, usize)>| span.and_then(|(start, end)| text.get(start..end));
        Ok(spans.map(|spans| spans.into_iter().map(part).collect()))
    }

    /// The engine for a text.
    #[inline]
    fn engine(&self, text: &str) -> Result<&Engine, Runaway> {
        let engine = match &self.line_feed {
            Some(late) if text.ends_with('\n') => late.get()?,
            _ => &self.plain,
        };
        if text.len() > MAX_TRIED_TEXT && engine.tries() {
            return Err(Runaway::TextTooLong { limit: MAX_TRIED_TEXT });
        }
        Ok(engine)
    }

    /// The shape that finds the matches in a text without an engine.
    #[inline]
    fn shape(&self, text: &str) -> Option<&Shape> {
        let shape = self.shape.as_ref()?;
        (self.line_feed.is_none() || !text.ends_with('\n')).then_some(shape)
    }
}
