//! Character classes: `[…]` with ranges, shorthands, subtraction, and surrogates made whole.

use super::error::PatternError;
use super::parse::{Parser, lone_half};
use super::tree::{ASTRAL, Class, Item, Node, SURROGATES};

impl Parser<'_> {
    /// A class; the `[` at `start` is read.
    pub(super) fn class(&mut self, start: usize) -> Result<Node, PatternError> {
        let class = self.class_body(start, false)?;
        self.finish_class(class, start)
    }

    /// Reads up to and with the closing `]`. `.NET` decides character by character, and so does this loop.
    fn class_body(&mut self, start: usize, inner: bool) -> Result<Class, PatternError> {
        self.descend(start)?;
        let mut class = Class { negated: self.eat('^'), ..Class::default() };
        let mut first = true;
        // The character before a hyphen that may open a range, and where it stands.
        let mut pending: Option<(u32, usize)> = None;
        loop {
            let at = self.at;
            let Some(c) = self.bump() else {
                return Err(PatternError::refused(start..self.at, "this class is not closed")
                    .help("write `]` after the last character, or `\\[` for the character `[`"));
            };
            if c == ']' && !first {
                break;
            }
            let is_first = std::mem::replace(&mut first, false);
            let mut escaped = false;
            let mut unit = u32::from(c);
            if c == '\\' {
                if let Some(items) = self.shorthand(at)? {
                    if let Some((_, from)) = pending {
                        let message = format!("`{}` cannot end a range", self.text(at..self.at));
                        return Err(PatternError::refused(self.span(from), message)
                            .help("put the hyphen last in the class, or write `\\-`"));
                    }
                    class.items.extend(items);
                    continue;
                }
                unit = self.char_escape(at)?;
                // An escaped hyphen never opens a range or a subtraction.
                if self.text(at..self.at) == "\\-" && pending.is_none() {
                    class.items.push(Item::Range(unit, unit));
                    continue;
                }
                escaped = true;
                if let Some(character) = self.second_half(unit, pending.is_some()) {
                    class.items.push(Item::Range(character, character));
                    continue;
                }
            } else if c == '[' {
                self.refuse_posix(at)?;
            }
            if let Some((from, from_at)) = pending.take() {
                if c == '[' && !is_first {
                    // Not a range after all: `[a-[…]]` is a, without the inner class.
                    class.items.push(Item::Range(from, from));
                    self.subtract(&mut class, at)?;
                    continue;
                }
                self.check_range(from, unit, from_at)?;
                class.items.push(Item::Range(from, unit));
            } else if self.peek() == Some('-') && self.peek_second().is_some_and(|next| next != ']') {
                self.at += 1;
                pending = Some((unit, at));
            } else if c == '-' && !escaped && !is_first && self.peek() == Some('[') {
                self.at += 1;
                self.subtract(&mut class, at)?;
            } else {
                class.items.push(Item::Range(unit, unit));
            }
        }
        self.ascend();
        self.fold_ranges(&mut class.items);
        if inner { self.whole_characters(class, true, start) } else { Ok(class) }
    }

    /// Reads the subtracted class; it must be the last thing in its class.
    fn subtract(&mut self, class: &mut Class, start: usize) -> Result<(), PatternError> {
        class.subtracted = Some(Box::new(self.class_body(start, true)?));
        if self.peek().is_some_and(|next| next != ']') {
            let error = PatternError::refused(self.span(start), "a subtracted class must come last in its class");
            return Err(error.help("write `[…-[…]]`"));
        }
        Ok(())
    }

    fn check_range(&self, from: u32, to: u32, start: usize) -> Result<(), PatternError> {
        let range = self.text(start..self.at);
        let error = if from > 0xFFFF && to > 0xFFFF {
            // Entra sees low half to high half here, which is the wrong way round.
            PatternError::refused(start..self.at, format!("the range `{range}` is between characters of two halves"))
        } else if from > 0xFFFF || to > 0xFFFF {
            PatternError::unsupported(start..self.at, format!("the range `{range}` crosses U+FFFF"))
        } else if from > to {
            let error = PatternError::refused(start..self.at, format!("the range `{range}` is the wrong way round"));
            return Err(error.help("put the lower character first, or write `\\-` for a hyphen"));
        } else {
            return Ok(());
        };
        Err(error.help("write the first half and a range of second halves: `\\uD83D[\\uDE00-\\uDE4F]`"))
    }

    /// Joins `\uD83D\uDE00` in a class to its character.
    fn second_half(&mut self, unit: u32, in_range: bool) -> Option<u32> {
        if in_range || !(0xD800..0xDC00).contains(&unit) {
            return None;
        }
        let digits = self.rest().strip_prefix("\\u")?.get(..4)?;
        let low = u32::from_str_radix(digits, 16).ok().filter(|low| (0xDC00..0xE000).contains(low))?;
        if self.rest().get(6..).is_some_and(|rest| rest.starts_with('-') && !rest.starts_with("-]")) {
            return None;
        }
        self.at += 6;
        Some(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
    }

    /// `[:alpha:]` in a class: .NET reads the letters one by one, which nobody means.
    fn refuse_posix(&self, start: usize) -> Result<(), PatternError> {
        let Some((name, _)) = self.rest().strip_prefix(':').and_then(|rest| rest.split_once(":]")) else {
            return Ok(());
        };
        let bare = name.strip_prefix('^').unwrap_or(name);
        if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_lowercase()) {
            return Ok(());
        }
        let instead = match bare {
            "alpha" => "`\\p{L}` or `a-zA-Z`",
            "alnum" => "`\\p{L}\\p{Nd}` or `a-zA-Z0-9`",
            "digit" => "`\\d` or `0-9`",
            "lower" => "`\\p{Ll}` or `a-z`",
            "upper" => "`\\p{Lu}` or `A-Z`",
            "space" => "`\\s`",
            "blank" => "` \\t`",
            "punct" => "`\\p{P}`",
            "word" => "`\\w`",
            "xdigit" => "`0-9A-Fa-f`",
            "cntrl" => "`\\p{Cc}`",
            _ => "a category such as `\\p{L}`",
        };
        let span = start..start + name.len() + 4;
        let message = format!("there are no POSIX classes: Entra reads `[:{name}:]` letter by letter");
        Err(PatternError::unsupported(span, message).help(format!("write {instead} inside the brackets")))
    }

    /// Turns the items of a shorthand or class into a node.
    pub(super) fn finish_class(&self, mut class: Class, start: usize) -> Result<Node, PatternError> {
        if class.subtracted.is_none() {
            // A class was folded when it closed; `\p{IsGreek}` alone comes here straight.
            if self.text(start..self.at).starts_with('\\') {
                self.fold_ranges(&mut class.items);
            }
            let half = |item: &Item| match *item {
                Item::Range(first, last) if first >= SURROGATES.0 && last <= SURROGATES.1 => Some((first, last)),
                _ => None,
            };
            let halves: Option<Vec<_>> = class.items.iter().map(half).collect();
            if let Some(mut halves) = halves.filter(|halves| !halves.is_empty() && !class.negated) {
                halves.sort_unstable();
                return Ok(Node::Half(merge(&halves)));
            }
        }
        let class = self.whole_characters(class, false, start)?;
        Ok(Node::Set(Box::new(class)))
    }

    /// Replaces surrogates in the ranges by the characters they make, or refuses.
    ///
    /// All of them taken away (`[^\uD800-\uDFFF]`), or inside a wider range (`[\u0080-\uFFFF]`), mean every character
    /// beyond U+FFFF. Some of them mean something only in pairs.
    fn whole_characters(&self, mut class: Class, subtracted: bool, start: usize) -> Result<Class, PatternError> {
        let excluded = class.negated != subtracted;
        let mut ranges = Vec::new();
        let mut others = Vec::new();
        for item in class.items {
            match item {
                Item::Range(first, last) => ranges.push((first, last)),
                other => others.push(other),
            }
        }
        ranges.sort_unstable();
        let touched = |&(first, last): &(u32, u32)| first <= SURROGATES.1 && last >= SURROGATES.0;
        if !ranges.iter().any(touched) {
            others.extend(ranges.into_iter().map(|(first, last)| Item::Range(first, last)));
            class.items = others;
            return Ok(class);
        }
        for (first, last) in merge(&ranges) {
            if !touched(&(first, last)) {
                others.push(Item::Range(first, last));
                continue;
            }
            let all = first <= SURROGATES.0 && last >= SURROGATES.1;
            let wider = first < SURROGATES.0 || last > SURROGATES.1;
            if !all || (!wider && !excluded) {
                return Err(lone_half(self.span(start)));
            }
            if first < SURROGATES.0 {
                others.push(Item::Range(first, SURROGATES.0 - 1));
            }
            if last > SURROGATES.1 {
                others.push(Item::Range(SURROGATES.1 + 1, last));
            }
            others.push(Item::Range(ASTRAL.0, ASTRAL.1));
        }
        class.items = others;
        Ok(class)
    }
}

/// Joins sorted ranges that touch.
fn merge(sorted: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for &(first, last) in sorted {
        match merged.last_mut() {
            Some(previous) if first <= previous.1.saturating_add(1) => {
                previous.1 = previous.1.max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    merged
}
