//! Replacement texts: `$1`, `${name}`, `$&` and the rest of .NET's signs, compiled once.

use super::charset::is_word;
use super::error::PatternLint;
use super::groups::{Groups, parse_number};
use super::{GroupId, Pattern};

/// A compiled replacement text.
#[derive(Debug, Clone)]
pub struct Template {
    pub(super) pieces: Vec<Piece>,
    pub(super) needs_groups: bool,
    lints: Vec<PatternLint>,
}

/// One part of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<str>),
    /// `$0`, `$&`.
    Match,
    /// `$1`, `${name}`, `$+`.
    Group(GroupId),
    /// `` $` ``: the text before the match.
    Before,
    /// `$'`: the text after the match.
    After,
    /// `$_`: the whole text.
    Source,
}

impl Template {
    /// Compiles a replacement text for a pattern.
    ///
    /// Nothing in it is an error: a sign that means nothing is text, as in .NET. What looks like a group and is none
    /// becomes a lint.
    #[must_use]
    pub fn compile(source: &str, pattern: &Pattern) -> Template {
        let groups = &pattern.groups;
        let mut template = Template { pieces: Vec::new(), needs_groups: false, lints: Vec::new() };
        let mut text = String::new();
        let mut rest = source;
        while let Some(dollar) = rest.find('$') {
            text.push_str(rest.get(..dollar).unwrap_or_default());
            let after = rest.get(dollar + 1..).unwrap_or_default();
            let sign = sign(after, groups);
            let at = source.len() - rest.len() + dollar;
            rest = after.get(sign.length..).unwrap_or_default();
            match sign.means {
                Means::Dollar => text.push('$'),
                Means::Piece(piece) => {
                    if !text.is_empty() {
                        template.pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    }
                    if let Piece::Group(group) = piece {
                        template.needs_groups = true;
                        if pattern.untrusted.contains(&group.0) {
                            template.lints.push(untrusted(at..at + 1 + sign.length));
                        }
                    }
                    template.pieces.push(piece);
                }
                Means::NoGroup(length, name) => {
                    text.push('$');
                    template.lints.push(no_group(name, at..at + 1 + length, groups));
                }
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            template.pieces.push(Piece::Text(text.into()));
        }
        template
    }

    /// What is odd about the replacement; spans are bytes of its source.
    #[must_use]
    pub fn lints(&self) -> &[PatternLint] {
        &self.lints
    }

    /// Whether matches are taken out.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The replacement, if it is the same for each match.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// What follows a `$`.
struct Sign<'s> {
    means: Means<'s>,
    /// Bytes after the `$` that belong to it.
    length: usize,
}

enum Means<'s> {
    /// The `$` is text.
    Dollar,
    Piece(Piece),
    /// The `$` is text, and so are these bytes after it, which name a group that does not exist.
    NoGroup(usize, &'s str),
}

fn sign<'s>(after: &'s str, groups: &Groups) -> Sign<'s> {
    let text = Sign { means: Means::Dollar, length: 0 };
    let piece = |piece, length| Sign { means: Means::Piece(piece), length };
    let group = |slot: Option<usize>, name: &'s str, length| match slot {
        Some(0) => piece(Piece::Match, length),
        Some(slot) => piece(Piece::Group(GroupId(slot)), length),
        None => Sign { means: Means::NoGroup(length, name), length: 0 },
    };
    let by_number = |digits: &str| parse_number(digits).and_then(|number| groups.by_number(number));
    match after.chars().next() {
        Some('$') => Sign { means: Means::Dollar, length: 1 },
        Some('&') => piece(Piece::Match, 1),
        Some('`') => piece(Piece::Before, 1),
        Some('\'') => piece(Piece::After, 1),
        Some('_') => piece(Piece::Source, 1),
        Some('+') => match groups.slots.len() {
            0 | 1 => piece(Piece::Match, 1),
            count => piece(Piece::Group(GroupId(count - 1)), 1),
        },
        Some('0'..='9') => {
            // All digits count, even if fewer would be a group: with one group `$10` is text.
            let length = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let digits = after.get(..length).unwrap_or_default();
            group(by_number(digits), digits, length)
        }
        Some('{') => {
            let inside = after.get(1..).unwrap_or_default();
            let Some((name, _)) = inside.split_once('}') else {
                return text;
            };
            let length = name.len() + 2;
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
                return group(by_number(name), name, length);
            }
            if name.is_empty() || !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
                return text;
            }
            group(groups.by_name(name), name, length)
        }
        _ => text,
    }
}

fn no_group(name: &str, span: std::ops::Range<usize>, groups: &Groups) -> PatternLint {
    let labels: Vec<&str> = groups.labels().collect();
    let others = if labels.is_empty() {
        "the pattern has no groups".to_owned()
    } else {
        format!("the groups are: {}", labels.join(", "))
    };
    PatternLint {
        message: format!("the pattern has no group `{name}`, so this is put in as text"),
        help: Some(format!("{others}; write `$$` for a dollar sign that is meant")),
        span,
    }
}

fn untrusted(span: std::ops::Range<usize>) -> PatternLint {
    PatternLint {
        message: "this group is in a look-behind, where Entra may give it another value".to_owned(),
        help: Some("match the part instead of looking behind, and put it back here".to_owned()),
        span,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn compile(pattern: &str, source: &str) -> Template {
        Template::compile(source, &Pattern::compile(pattern).unwrap())
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn signs() {
        let one = |source| compile("(a)", source).pieces;
        let group = || Piece::Group(GroupId(1));
        assert_eq!(one("<$1a>"), [text("<"), group(), text("a>")]);
        assert_eq!(one("${1}0$01"), [group(), text("0"), group()]);
        assert_eq!(one("$10$2"), [text("$10$2")]);
        assert_eq!(one("$$1$"), [text("$1$")]);
        assert_eq!(one("${ 1 }${}${$ x"), [text("${ 1 }${}${$ x")]);
        assert_eq!(
            one("$`$&$'$_$0$+"),
            [Piece::Before, Piece::Match, Piece::After, Piece::Source, Piece::Match, group(),]
        );
    }

    #[test]
    fn missing_groups_are_lints() {
        let template = compile("(?<n>a)", "x$n ${m}$9");
        assert_eq!(template.pieces, [text("x$n ${m}$9")]);
        let spans: Vec<_> = template.lints().iter().map(|lint| lint.span.clone()).collect();
        assert_eq!(spans, [4..8, 8..10]);
    }
}
