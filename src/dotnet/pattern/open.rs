//! Everything that opens with a parenthesis.

use super::charset::is_word;
use super::error::PatternError;
use super::groups::parse_number;
use super::parse::{Options, Parser, alternation};
use super::tree::Node;

impl Parser<'_> {
    /// A group, look-around or option setting (none: no node); the `(` at `start` is read.
    pub(super) fn open(&mut self, start: usize) -> Result<Option<Node>, PatternError> {
        self.descend(start)?;
        let saved = self.options;
        let node = self.open_kind(start)?;
        self.ascend();
        // `(?i)` changes the options of the group around it, everything else only its own.
        if node.is_some() {
            self.options = saved;
        }
        Ok(node)
    }

    fn open_kind(&mut self, start: usize) -> Result<Option<Node>, PatternError> {
        if !self.eat('?') {
            if self.options.explicit_capture {
                return self.rest_of_group(start).map(Some);
            }
            self.unnamed = self.unnamed.saturating_add(1);
            self.seen.unnamed = self.unnamed;
            let slot = self.groups.by_number(self.unnamed);
            return self.capture(slot, start).map(Some);
        }
        let look = |ahead, negative| move |inner| Node::Look { ahead, negative, inner: Box::new(inner) };
        let second = self.peek_second();
        let node = match self.peek() {
            Some(':') => self.skip(1).rest_of_group(start)?,
            Some('=') => self.skip(1).rest_of_group(start).map(look(true, false))?,
            Some('!') => self.skip(1).rest_of_group(start).map(look(true, true))?,
            Some('>') => Node::Atomic(Box::new(self.skip(1).rest_of_group(start)?)),
            Some('<') if second == Some('=') => self.skip(2).look_behind(start, false)?,
            Some('<') if second == Some('!') => self.skip(2).look_behind(start, true)?,
            Some('<') => self.skip(1).named(start, '>')?,
            Some('\'') => self.skip(1).named(start, '\'')?,
            Some('(') => self.conditional(start)?,
            _ => return self.options_or_foreign(start),
        };
        Ok(Some(node))
    }

    fn skip(&mut self, bytes: usize) -> &mut Self {
        self.at += bytes;
        self
    }

    /// The branches up to the closing parenthesis.
    fn rest_of_group(&mut self, start: usize) -> Result<Node, PatternError> {
        Ok(alternation(self.closed_branches(start)?))
    }

    fn closed_branches(&mut self, start: usize) -> Result<Vec<Node>, PatternError> {
        let opened = start..self.at;
        let branches = self.branches()?;
        if self.eat(')') {
            return Ok(branches);
        }
        Err(PatternError::refused(opened, "this group is not closed")
            .help("write `)` at its end, or `\\(` for the character"))
    }

    fn capture(&mut self, slot: Option<usize>, start: usize) -> Result<Node, PatternError> {
        self.captures += 1;
        let engine = self.captures;
        if let Some(slot) = slot.and_then(|slot| self.groups.slots.get_mut(slot)) {
            slot.engines.push(engine);
        }
        let inner = self.rest_of_group(start)?;
        Ok(Node::Capture { engine, inner: Box::new(inner) })
    }

    /// .NET reads a look-behind from right to left. What captures inside of it refer to depends on that.
    fn look_behind(&mut self, start: usize, negative: bool) -> Result<Node, PatternError> {
        let captures_before = self.captures;
        let references_before = self.references.len();
        let inner = self.rest_of_group(start)?;
        let inside = captures_before + 1..self.captures + 1;
        if !self.counting && !inner.fits_look_behind() {
            let message = "a place such as `\\b`, a reference or a look-around in a look-behind of varying length is not supported";
            return Err(PatternError::unsupported(self.span(start), message)
                .help("take it out of the look-behind, or give the look-behind a fixed length"));
        }
        for reference in self.references.iter().skip(references_before) {
            if self.groups.engines(reference.slot).iter().any(|engine| inside.contains(engine)) {
                let message = "a reference to a group of the same look-behind is not supported";
                return Err(PatternError::unsupported(reference.span.clone(), message));
            }
        }
        // A negative look-behind leaves no groups behind.
        if !self.counting && !negative && !inner.captures_either_way() {
            self.untrusted.push((inside, self.span(start)));
        }
        Ok(Node::Look { ahead: false, negative, inner: Box::new(inner) })
    }

    /// `(?<name>…)` and `(?'name'…)`; everything up to the name is read.
    fn named(&mut self, start: usize, close: char) -> Result<Node, PatternError> {
        let name_start = self.at;
        while self.peek().is_some_and(is_word) {
            self.bump();
        }
        let name = self.text(name_start..self.at);
        let digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        let next = self.peek();
        if next == Some('-') && self.rest().find(close).is_some() {
            let end = self.rest().find(close).unwrap_or(0);
            self.at += end + 1;
            return Err(PatternError::unsupported(self.span(start), "balancing groups are not supported"));
        }
        let plain_digit_start = name.starts_with(|c: char| c.is_ascii_digit()) && !digits;
        if name.is_empty() || plain_digit_start || next != Some(close) {
            self.bump();
            let message = if plain_digit_start {
                "a group name is letters, digits and `_`, or a number"
            } else if next.is_none() {
                "the group name is not closed"
            } else {
                "this is no group name"
            };
            return Err(PatternError::refused(self.span(start), message).help("write `(?<name>…)`"));
        }
        self.at += 1;
        if !digits {
            if self.counting {
                self.seen.named.push(name.to_owned());
            }
            let slot = self.groups.by_name(name);
            return self.capture(slot, start);
        }
        let Some(number) = parse_number(name).filter(|_| !name.starts_with('0')) else {
            let error = PatternError::refused(self.span(start), format!("`{name}` is no group number"));
            return Err(error.help("count groups from 1"));
        };
        if self.counting {
            self.seen.numbered.push(number);
        }
        let slot = self.groups.by_number(number);
        self.capture(slot, start)
    }

    /// `(?(1)yes|no)`; `(?` is read.
    fn conditional(&mut self, start: usize) -> Result<Node, PatternError> {
        self.at += 1;
        let digits_start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
        }
        let digits = self.text(digits_start..self.at);
        if digits.is_empty() {
            let close = self.rest().find(')').map_or(self.rest().len(), |close| close + 1);
            self.at += close;
            return Err(PatternError::unsupported(
                self.span(start),
                "a conditional by name or expression is not supported",
            )
            .help(
                "write a condition on a group number, `(?(1)…|…)`, or a choice of look-aheads, `(?:(?=…)…|(?!…)…)`",
            ));
        }
        if !self.eat(')') {
            self.bump();
            let error = PatternError::refused(self.span(start), "this condition is not well formed");
            return Err(error.help("write `(?(1)…|…)`"));
        }
        let slot = parse_number(digits).and_then(|number| self.groups.by_number(number));
        let opened = self.span(start);
        let slot = match slot {
            Some(slot) => slot,
            None if self.counting => 0,
            None => {
                let error = PatternError::refused(opened, format!("there is no group {digits} for this condition"));
                return Err(error.help("count groups from 1, unnamed ones first"));
            }
        };
        let branches = self.closed_branches(start)?;
        if !self.counting && self.groups.engines(slot).len() != 1 {
            let message = "a condition on a group that stands later or twice is not supported";
            return Err(PatternError::unsupported(opened, message));
        }
        let mut branches = branches.into_iter();
        let yes = Box::new(branches.next().unwrap_or(Node::Empty));
        let no = Box::new(branches.next().unwrap_or(Node::Empty));
        if branches.next().is_some() {
            let error = PatternError::refused(opened, "a conditional has at most two branches");
            return Err(error.help("put further choices in a group of their own"));
        }
        Ok(Node::Conditional { slot, yes, no })
    }

    /// `(?i)`, `(?i:…)`, or something of another dialect; `(?` is read.
    fn options_or_foreign(&mut self, start: usize) -> Result<Option<Node>, PatternError> {
        let mut options = self.options;
        let mut on = true;
        let letters_start = self.at;
        loop {
            match self.peek() {
                Some('+') => on = true,
                Some('-') => on = false,
                Some(letter) if set_option(&mut options, letter, on) => {}
                _ => break,
            }
            self.at += 1;
        }
        let letters = self.at - letters_start;
        if letters > 0 && self.eat(')') {
            self.options = options;
            return Ok(None);
        }
        if letters > 0 && self.eat(':') {
            self.options = options;
            return self.rest_of_group(start).map(Some);
        }
        // `(?P<name>` is the slip most often made; the help can name the name.
        if let Some((name, _)) = self.rest().strip_prefix("P<").and_then(|rest| rest.split_once('>')) {
            let help = format!("write `(?<{name}>…)`");
            self.at += name.len() + 3;
            let message = "`(?P<name>…)` is another dialect's named group";
            return Err(PatternError::refused(self.span(start), message).help(help));
        }
        let (message, help) = match self.peek() {
            Some('P') if self.peek_second() == Some('=') => {
                ("`(?P=name)` is another dialect's reference", "write `\\k<name>`")
            }
            Some('|') => ("there is no branch reset `(?|…)`", "use one name for several groups: `(?<n>…)|(?<n>…)`"),
            Some('R' | '0'..='9' | '&') => ("there is no recursion", "repeat the part of the pattern itself"),
            Some(')') => ("this group has a `?` and nothing else", "write `(?:)` for an empty group"),
            None => ("this group is not closed", "write `(?:…)`, `(?<name>…)`, `(?=…)` or `(?<=…)`"),
            _ => ("this is no kind of group", "write `(?:…)`, `(?<name>…)`, `(?=…)` or `(?<=…)`"),
        };
        self.bump();
        Err(PatternError::refused(self.span(start), message).help(help))
    }
}

fn set_option(options: &mut Options, letter: char, on: bool) -> bool {
    let option = match letter.to_ascii_lowercase() {
        'i' => &mut options.ignore_case,
        'm' => &mut options.multiline,
        's' => &mut options.singleline,
        'n' => &mut options.explicit_capture,
        'x' => &mut options.extended,
        _ => return false,
    };
    *option = on;
    true
}
