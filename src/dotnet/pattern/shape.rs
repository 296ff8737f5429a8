//! Patterns so plain that a walk over the bytes finds their matches.
//!
//! What is plain is read off the engine's own reading of the printed pattern, so a shape means exactly what the engine
//! would have done. Shapes give no groups, only matches.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

use super::charset::CharSet;

/// Longest literal sought by plain comparison; it bounds the work per byte of text.
const MAX_LITERAL: usize = 32;

/// A plain pattern.
#[derive(Debug)]
pub(super) enum Shape {
    /// One character of a set: `[^A-Za-z0-9]`.
    One(CharSet),
    /// A run of characters of a set: `\D+`.
    Run(CharSet),
    /// A run at the start: `^0+`.
    RunAtStart(CharSet),
    /// A run at the end: `\s+$`.
    RunAtEnd(CharSet),
    /// A run at either end: `^\s+|\s+$`.
    Trim(CharSet, CharSet),
    /// A run of so many characters: `\w{2,64}`, `^.{1,256}$`.
    Counted(Counted),
    /// A text: `&amp;`.
    Literal(Box<str>),
    /// A text at the start, each letter in some of its cases: `(?i)^smtp:`.
    Prefix(Box<[Letter]>, AsciiPrefix),
    /// The same at the end: `(?i)@contoso\.com$`.
    Suffix(Box<[Letter]>),
    /// From a text to the end of the last line: `@.*$`.
    Tail(Box<str>),
    /// From the start to the last such text in the first line: `^.*\\`.
    Head(Box<str>),
}

/// A run of so many characters of a set, perhaps with its start or end at that of the text.
#[derive(Debug)]
pub(super) struct Counted {
    set: CharSet,
    least: usize,
    most: usize,
    /// How many it takes if nothing else decides: the least if lazy.
    wanted: usize,
    at_start: bool,
    at_end: bool,
}

/// One place of a literal: the characters that may stand there, padded with the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter([char; 4]);

impl Letter {
    #[inline]
    fn takes(&self, c: char) -> bool {
        self.0.contains(&c)
    }
}

/// What of a [`Shape::Prefix`] can be said by the byte: what of ASCII may stand at each place, padded with the last.
#[derive(Debug)]
pub(super) struct AsciiPrefix(Option<Box<[[u8; 4]]>>);

impl AsciiPrefix {
    fn of(letters: &[Letter]) -> AsciiPrefix {
        let place = |letter: &Letter| {
            let mut ascii = letter.0.iter().filter_map(|c| u8::try_from(*c).ok()).filter(u8::is_ascii);
            let mut places = [ascii.next()?; 4];
            places.iter_mut().zip(ascii).for_each(|(place, byte)| *place = byte);
            Some(places)
        };
        AsciiPrefix(letters.iter().map(place).collect())
    }

    /// The text without the prefix, or whole when its first bytes are of ASCII and another text; `None` when this cannot say.
    #[inline]
    pub(super) fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        let places = self.0.as_deref()?;
        let Some(head) = text.as_bytes().get(..places.len()) else {
            // Each place takes a byte at least.
            return Some(text);
        };
        // Without an early end: it would come at another place in each text, and be guessed wrong.
        let fold = |(same, ascii): (bool, bool), (byte, place): (&u8, &[u8; 4])| {
            (same & place.contains(byte), ascii & byte.is_ascii())
        };
        match head.iter().zip(places).fold((true, true), fold) {
            (true, _) => text.get(places.len()..),
            (false, true) => Some(text),
            (false, false) => None,
        }
    }
}

impl Shape {
    /// Recognises the shape of a printed pattern.
    pub(super) fn of(printed: &str) -> Option<Shape> {
        let hir = regex_syntax::parse(printed).ok()?;
        let hir = bare(&hir);
        if let Some(set) = set_of(hir) {
            return Some(Shape::One(set));
        }
        match hir.kind() {
            HirKind::Alternation(branches) => match branches.as_slice() {
                [first, second] => match (Shape::of_sequence(first)?, Shape::of_sequence(second)?) {
                    (Shape::RunAtStart(start), Shape::RunAtEnd(end))
                    | (Shape::RunAtEnd(end), Shape::RunAtStart(start)) => Some(Shape::Trim(start, end)),
                    _ => None,
                },
                _ => None,
            },
            HirKind::Concat(_) => Shape::of_sequence(hir),
            HirKind::Literal(_) => Shape::of_literal(&[hir]),
            _ => match repeated(hir) {
                Some((set, true)) => Some(Shape::Run(set)),
                Some((set, false)) => Some(Shape::One(set)),
                None => Counted::of(hir, false, false).map(Shape::Counted),
            },
        }
    }

    fn of_sequence(hir: &Hir) -> Option<Shape> {
        let HirKind::Concat(parts) = bare(hir).kind() else {
            return None;
        };
        let parts: Vec<&Hir> = parts.iter().map(bare).collect();
        let look = |hir: &Hir, wanted| matches!(hir.kind(), HirKind::Look(look) if *look == wanted);
        match parts.as_slice() {
            [first, all, last] if look(first, Look::Start) && look(last, Look::End) && is_repetition(all) => {
                Counted::of(all, true, true).map(Shape::Counted)
            }
            [first, any, rest @ ..] if look(first, Look::Start) && is_any(any) => text_of(rest).map(Shape::Head),
            [rest @ .., any, last] if look(last, Look::End) && is_any(any) => text_of(rest).map(Shape::Tail),
            [first, one] if look(first, Look::Start) && repeated(one).is_some() => match repeated(one) {
                Some((set, true)) => Some(Shape::RunAtStart(set)),
                _ => None,
            },
            [one, last] if look(last, Look::End) && repeated(one).is_some() => match repeated(one) {
                Some((set, true)) => Some(Shape::RunAtEnd(set)),
                _ => None,
            },
            [first, run] if look(first, Look::Start) && is_repetition(run) => {
                Counted::of(run, true, false).map(Shape::Counted)
            }
            [run, last] if look(last, Look::End) && is_repetition(run) => {
                Counted::of(run, false, true).map(Shape::Counted)
            }
            [first, rest @ ..] if look(first, Look::Start) => letters(rest).map(|letters| {
                let start = AsciiPrefix::of(&letters);
                Shape::Prefix(letters, start)
            }),
            [rest @ .., last] if look(last, Look::End) => letters(rest).map(Shape::Suffix),
            parts => Shape::of_literal(parts),
        }
    }

    fn of_literal(parts: &[&Hir]) -> Option<Shape> {
        let [only] = parts else { return None };
        let HirKind::Literal(literal) = only.kind() else {
            return None;
        };
        let text = std::str::from_utf8(&literal.0).ok()?;
        (text.len() <= MAX_LITERAL).then(|| Shape::Literal(text.into()))
    }

    /// The first match at or after `from`.
    #[inline]
    pub(super) fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        match self {
            Shape::One(set) => set.find(text, from),
            Shape::Run(set) => set.find(text, from).map(|(start, end)| (start, set.run_end(text, end))),
            Shape::Counted(counted) => counted.find(text, from),
            Shape::Literal(literal) => find_literal(text, literal, from),
            Shape::RunAtStart(set) if from == 0 => Some((0, set.run_end(text, 0))).filter(|found| found.1 > 0),
            Shape::RunAtEnd(set) => run_at_end(set, text, from),
            Shape::Trim(start, end) => {
                let leading = if from == 0 { start.run_end(text, 0) } else { 0 };
                if leading > 0 { Some((0, leading)) } else { run_at_end(end, text, from) }
            }
            Shape::Prefix(letters, _) if from == 0 => prefix_end(text, letters).map(|end| (0, end)),
            Shape::Suffix(letters) => {
                suffix_start(text, letters).filter(|&start| start >= from).map(|start| (start, text.len()))
            }
            Shape::Tail(literal) => {
                let line = text.bytes().rposition(|byte| byte == b'\n').map_or(0, |at| at + 1);
                find_literal(text, literal, from.max(line)).map(|(start, _)| (start, text.len()))
            }
            Shape::Head(literal) if from == 0 => {
                let line = text.bytes().position(|byte| byte == b'\n').unwrap_or(text.len());
                let start = text.get(..line)?.rfind(&**literal)?;
                Some((0, start + literal.len()))
            }
            Shape::RunAtStart(_) | Shape::Prefix(..) | Shape::Head(_) => None,
        }
    }
}

impl Counted {
    fn of(hir: &Hir, at_start: bool, at_end: bool) -> Option<Counted> {
        let HirKind::Repetition(repetition) = bare(hir).kind() else {
            return None;
        };
        let set = set_of(&repetition.sub)?;
        let least = repetition.min as usize;
        let most = repetition.max.map_or(usize::MAX, |most| most as usize);
        // What may be empty matches between characters; only between both ends it does not.
        let wanted = if repetition.greedy { most } else { least };
        (least > 0 || (at_start && at_end)).then_some(Counted { set, least, most, wanted, at_start, at_end })
    }

    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        match (self.at_start, self.at_end) {
            (true, _) if from > 0 => None,
            (true, true) => {
                let end = self.set.run_end(text, 0);
                let fits = end == text.len() && (self.least..=self.most).contains(&text.chars().count());
                fits.then_some((0, end))
            }
            (true, false) => self.run(text, 0).ok().map(|end| (0, end)),
            (false, true) => {
                let run = text.get(self.set.run_start(text).max(from)..)?;
                let surplus = run.chars().count().checked_sub(self.least)?.saturating_sub(self.most - self.least);
                let skipped: usize = run.chars().take(surplus).map(char::len_utf8).sum();
                Some((text.len() - run.len() + skipped, text.len()))
            }
            (false, false) => {
                let mut start = self.set.find(text, from)?.0;
                loop {
                    match self.run(text, start) {
                        Ok(end) => return Some((start, end)),
                        // Too short; nothing inside of it is longer.
                        Err(end) => start = self.set.find(text, end)?.0,
                    }
                }
            }
        }
    }

    /// The end of the match at `start`, or of a run that is too short.
    fn run(&self, text: &str, start: usize) -> Result<usize, usize> {
        let (mut end, mut count) = (start, 0);
        for c in text.get(start..).unwrap_or_default().chars() {
            if count == self.wanted || !self.set.contains(c) {
                break;
            }
            end += c.len_utf8();
            count += 1;
        }
        if count < self.least { Err(end) } else { Ok(end) }
    }
}

/// A pattern without the groups around it.
fn bare(hir: &Hir) -> &Hir {
    match hir.kind() {
        HirKind::Capture(capture) => bare(&capture.sub),
        _ => hir,
    }
}

fn set_of(hir: &Hir) -> Option<CharSet> {
    class_of(hir).map(|class| CharSet::new(&class))
}

/// The characters of a pattern that always matches exactly one.
fn class_of(hir: &Hir) -> Option<ClassUnicode> {
    match bare(hir).kind() {
        HirKind::Class(Class::Unicode(class)) if !class.ranges().is_empty() => Some(class.clone()),
        HirKind::Literal(literal) => {
            let mut chars = std::str::from_utf8(&literal.0).ok()?.chars();
            let only = chars.next().filter(|_| chars.next().is_none())?;
            Some(ClassUnicode::new([ClassUnicodeRange::new(only, only)]))
        }
        HirKind::Alternation(branches) => {
            let mut all = ClassUnicode::empty();
            for branch in branches {
                all.union(&class_of(branch)?);
            }
            Some(all)
        }
        _ => None,
    }
}

fn is_repetition(hir: &Hir) -> bool {
    matches!(bare(hir).kind(), HirKind::Repetition(_))
}

/// The set of `x+` and whether it is greedy.
fn repeated(hir: &Hir) -> Option<(CharSet, bool)> {
    let HirKind::Repetition(repetition) = bare(hir).kind() else {
        return None;
    };
    if (repetition.min, repetition.max) != (1, None) {
        return None;
    }
    set_of(&repetition.sub).map(|set| (set, repetition.greedy))
}

/// Whether this is `.*`.
fn is_any(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = bare(hir).kind() else {
        return false;
    };
    let HirKind::Class(Class::Unicode(class)) = bare(&repetition.sub).kind() else {
        return false;
    };
    (repetition.min, repetition.max, repetition.greedy) == (0, None, true)
        && class.ranges().iter().map(|range| (range.start(), range.end())).eq([('\0', '\u{9}'), ('\u{B}', char::MAX)])
}

/// The text of a literal without a line feed.
fn text_of(parts: &[&Hir]) -> Option<Box<str>> {
    let [only] = parts else { return None };
    let HirKind::Literal(literal) = only.kind() else {
        return None;
    };
    let text = std::str::from_utf8(&literal.0).ok()?;
    (!text.contains('\n') && text.len() <= MAX_LITERAL).then(|| text.into())
}

fn letters(parts: &[&Hir]) -> Option<Box<[Letter]>> {
    let mut letters = Vec::new();
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) => {
                letters.extend(std::str::from_utf8(&literal.0).ok()?.chars().map(|c| Letter([c; 4])));
            }
            HirKind::Class(Class::Unicode(class)) => {
                let mut all = class.ranges().iter().flat_map(|range| range.start()..=range.end()).take(5);
                let mut last = all.next()?;
                let mut places = [last; 4];
                for place in places.iter_mut().skip(1) {
                    last = all.next().unwrap_or(last);
                    *place = last;
                }
                if all.next().is_some() {
                    return None;
                }
                letters.push(Letter(places));
            }
            _ => return None,
        }
    }
    (!letters.is_empty()).then(|| letters.into())
}

fn find_literal(text: &str, literal: &str, from: usize) -> Option<(usize, usize)> {
    let (wanted, bytes) = (literal.as_bytes(), text.as_bytes());
    let first = *wanted.first()?;
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == first)?;
        let end = at + wanted.len();
        if bytes.get(at..end)? == wanted {
            return Some((at, end));
        }
        at += 1;
    }
}

fn run_at_end(set: &CharSet, text: &str, from: usize) -> Option<(usize, usize)> {
    let start = set.run_start(text).max(from);
    (start < text.len()).then_some((start, text.len()))
}

fn prefix_end(text: &str, letters: &[Letter]) -> Option<usize> {
    let mut chars = text.chars();
    for letter in letters {
        if !letter.takes(chars.next()?) {
            return None;
        }
    }
    Some(text.len() - chars.as_str().len())
}

fn suffix_start(text: &str, letters: &[Letter]) -> Option<usize> {
    let mut chars = text.chars();
    for letter in letters.iter().rev() {
        if !letter.takes(chars.next_back()?) {
            return None;
        }
    }
    Some(chars.as_str().len())
}
