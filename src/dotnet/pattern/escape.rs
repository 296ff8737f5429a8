//! Everything that opens with a backslash, outside and inside of classes.

use super::charset::is_word;
use super::error::PatternError;
use super::groups::parse_number;
use super::parse::{Parser, Reference};
use super::tree::{ASTRAL, Assertion, Class, Item, Node, SURROGATES};
use super::{blocks, fold};

/// The general categories .NET knows, with their exact case.
const CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Cn", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No",
    "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
];

impl Parser<'_> {
    /// An escape outside of a class; the backslash at `start` is read.
    pub(super) fn escape(&mut self, start: usize) -> Result<Node, PatternError> {
        let Some(c) = self.peek() else {
            return Err(PatternError::refused(start..self.at, "the pattern ends in a lone backslash")
                .help("write `\\\\` for the character"));
        };
        let assertion = match c {
            'b' => Some(Assertion::Boundary),
            'B' => Some(Assertion::NotBoundary),
            'A' => Some(Assertion::Start),
            'Z' => Some(Assertion::End),
            'z' => Some(Assertion::VeryEnd),
            'G' => Some(Assertion::SearchStart),
            _ => None,
        };
        if let Some(assertion) = assertion {
            self.at += 1;
            return Ok(Node::Assert(assertion));
        }
        if let Some(items) = self.shorthand(start)? {
            let class = Class { items, ..Class::default() };
            return self.finish_class(class, start);
        }
        if let Some(reference) = self.reference(start)? {
            return Ok(reference);
        }
        let unit = self.char_escape(start)?;
        Ok(match char::from_u32(unit) {
            Some(value) => Node::Char { value, fold: self.options.ignore_case },
            None => Node::Half(vec![(unit, unit)]),
        })
    }

    /// `\w \d \s \p{…}` and their opposites, which stand outside and inside of classes.
    pub(super) fn shorthand(&mut self, start: usize) -> Result<Option<Vec<Item>>, PatternError> {
        let Some(c) = self.peek() else {
            return Ok(None);
        };
        let negated = c.is_ascii_uppercase();
        let item = match c {
            'w' | 'W' => Item::Word { negated },
            'd' | 'D' => Item::Digit { negated },
            's' | 'S' => Item::Space { negated },
            'p' | 'P' => {
                self.at += 1;
                return self.property(start, negated).map(Some);
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(vec![item]))
    }

    /// The rest of `\p{…}`.
    fn property(&mut self, start: usize, negated: bool) -> Result<Vec<Item>, PatternError> {
        let sign = if negated { 'P' } else { 'p' };
        if !self.eat('{') {
            let letter = self.bump().filter(char::is_ascii_alphabetic).unwrap_or('L');
            return Err(PatternError::refused(self.span(start), format!("`\\{sign}` needs a name in braces"))
                .help(format!("write `\\{sign}{{{letter}}}`")));
        }
        let name_start = self.at;
        while self.peek().is_some_and(|c| c == '-' || is_word(c)) {
            self.bump();
        }
        let name = self.text(name_start..self.at);
        if !self.eat('}') {
            let negation = self.peek() == Some('^');
            let close = self.rest().find('}').map_or(0, |close| close + 1);
            self.at += close;
            let error = PatternError::refused(self.span(start), format!("this `\\{sign}{{…}}` is not well formed"));
            return Err(match self.text(name_start..self.at).trim_matches(['^', '}']) {
                inner if negation => {
                    let other = if negated { 'p' } else { 'P' };
                    error.help(format!("write `\\{other}{{{inner}}}` for the opposite"))
                }
                _ => error.help("write a category such as `\\p{Lu}` or a block such as `\\p{IsBasicLatin}`"),
            });
        }
        if let Some(block) = name.strip_prefix("Is")
            && let Some(range) = blocks::range(block)
        {
            return Ok(Self::block(range, negated));
        }
        let category = CATEGORIES.iter().find(|known| **known == name);
        let Some(&name) = category else {
            return Err(PatternError::refused(self.span(start), format!("`{name}` is no category or block"))
                .help(property_help(name, sign)));
        };
        Ok(match name {
            // .NET sees an astral character as two halves of category Cs.
            "Cs" if negated => vec![Item::Range(0, SURROGATES.0 - 1), Item::Range(SURROGATES.1 + 1, 0xFFFF)],
            "Cs" => vec![Item::Range(SURROGATES.0, SURROGATES.1)],
            "C" if !negated => vec![Item::Category { name, negated }, Item::Range(ASTRAL.0, ASTRAL.1)],
            "Lu" | "Ll" | "Lt" if self.options.ignore_case => vec![Item::Cased { negated }],
            _ => vec![Item::Category { name, negated }],
        })
    }

    /// A block as ranges; `finish_class` adds the other cases under `(?i)`, as for any range.
    fn block((first, last): (u32, u32), negated: bool) -> Vec<Item> {
        let mut items = Vec::new();
        if negated {
            if first > 0 {
                items.push(Item::Range(0, first - 1));
            }
            if last < 0xFFFF {
                items.push(Item::Range(last + 1, 0xFFFF));
            }
        } else {
            items.push(Item::Range(first, last));
        }
        items
    }

    /// `\1`, `\k<n>`, `\k'n'`, and the old forms `\<n>`, `\'n'`. None: it is a character escape.
    fn reference(&mut self, start: usize) -> Result<Option<Node>, PatternError> {
        let back = self.at;
        let with_k = self.eat('k');
        let close = match self.peek() {
            Some('<') if with_k || self.peek_second().is_some() => '>',
            Some('\'') if with_k || self.peek_second().is_some() => '\'',
            _ if with_k => {
                self.bump();
                let error = PatternError::refused(self.span(start), "`\\k` needs a group name in angle brackets");
                return Err(error.help("write `\\k<name>`"));
            }
            Some('1'..='9') => return self.numbered_reference(start, back),
            _ => return Ok(None),
        };
        self.at += 1;
        let name_start = self.at;
        while self.peek().is_some_and(is_word) {
            self.bump();
        }
        let name = self.text(name_start..self.at);
        // Not a whole reference: `\<user\>` is the text <user>, and a broken `\k` is an unknown escape.
        if name.is_empty() || !self.eat(close) {
            self.at = back;
            return Ok(None);
        }
        let by_digits = name.starts_with(|c: char| c.is_ascii_digit());
        if by_digits && !name.bytes().all(|b| b.is_ascii_digit()) {
            self.at = back;
            return Ok(None);
        }
        let slot = if by_digits {
            parse_number(name).and_then(|number| self.groups.by_number(number))
        } else {
            self.groups.by_name(name)
        };
        self.refer(slot, start, name).map(Some)
    }

    fn numbered_reference(&mut self, start: usize, back: usize) -> Result<Option<Node>, PatternError> {
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
        }
        let digits = self.text(back..self.at);
        let number = parse_number(digits);
        let slot = number.and_then(|number| self.groups.by_number(number));
        // Two digits and no such group: an octal character code.
        if slot.is_none() && digits.len() > 1 && !self.counting {
            if number.is_none() {
                return Err(PatternError::refused(self.span(start), "the group number is too large"));
            }
            self.at = back;
            return Ok(None);
        }
        self.refer(slot, start, digits).map(Some)
    }

    fn refer(&mut self, slot: Option<usize>, start: usize, name: &str) -> Result<Node, PatternError> {
        if self.counting {
            return Ok(Node::Empty);
        }
        let span = self.span(start);
        let Some(slot) = slot else {
            let error = PatternError::refused(span, format!("there is no group `{name}` to refer to"));
            return Err(if self.text(start..self.at).starts_with("\\<") {
                error.help(format!("`\\<name>` is a reference: write `<{name}>` for the text"))
            } else if self.groups.slots.len() > 1 {
                let labels: Vec<_> = self.groups.labels().collect();
                error.help(format!("the groups are: {}", labels.join(", ")))
            } else {
                error.help("the pattern has no groups")
            });
        };
        self.references.push(Reference { slot, span });
        Ok(Node::Reference { slot, fold: self.options.ignore_case })
    }

    /// A character escape; gives a UTF-16 unit or a code point. The backslash at `start` is read.
    pub(super) fn char_escape(&mut self, start: usize) -> Result<u32, PatternError> {
        if matches!(self.peek(), Some('0'..='7')) {
            return Ok(self.octal());
        }
        let Some(c) = self.bump() else {
            return Err(PatternError::refused(start..self.at, "the pattern ends in a lone backslash"));
        };
        Ok(match c {
            'x' => self.hex(start, 2)?,
            'u' => self.hex(start, 4)?,
            'a' => 0x07,
            'b' => 0x08,
            'e' => 0x1B,
            'f' => 0x0C,
            'n' => 0x0A,
            'r' => 0x0D,
            't' => 0x09,
            'v' => 0x0B,
            'c' => {
                let control = self.bump().map(|c| c.to_ascii_uppercase()).filter(|c| matches!(c, '@'..='_'));
                let Some(control) = control else {
                    let error = PatternError::refused(self.span(start), "`\\c` needs a control letter");
                    return Err(error.help("write `\\cA` to `\\cZ`"));
                };
                u32::from(control) - u32::from('@')
            }
            c if is_word(c) => {
                let message = format!("`\\{c}` is no escape");
                return Err(PatternError::refused(self.span(start), message).help(escape_help(c)));
            }
            c => u32::from(c),
        })
    }

    /// Up to three octal digits; .NET keeps the low eight bits.
    fn octal(&mut self) -> u32 {
        let mut value = 0;
        for _ in 0..3 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            self.at += 1;
            value = value * 8 + digit;
        }
        value & 0xFF
    }

    fn hex(&mut self, start: usize, digits: usize) -> Result<u32, PatternError> {
        let mut value = 0;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                let letter = if digits == 2 { 'x' } else { 'u' };
                let message = format!("`\\{letter}` needs exactly {digits} hexadecimal digits");
                let help = if self.peek() == Some('{') {
                    "there are no braces: write `\\u0041`, and a pair such as `\\uD83D\\uDE00` beyond U+FFFF".to_owned()
                } else {
                    format!("write `\\{letter}{value:0digits$X}`")
                };
                self.bump();
                return Err(PatternError::refused(self.span(start), message).help(help));
            };
            self.at += 1;
            value = value * 16 + digit;
        }
        Ok(value)
    }

    /// Adds the other cases of all ranges, where `(?i)` is on.
    pub(super) fn fold_ranges(&self, items: &mut Vec<Item>) {
        if !self.options.ignore_case || self.counting {
            return;
        }
        let mut more = Vec::new();
        for item in items.iter() {
            if let Item::Range(first, last) = *item {
                fold::add_range(first, last, &mut |unit| {
                    if unit < first || unit > last {
                        more.push(unit);
                    }
                });
            }
        }
        more.sort_unstable();
        more.dedup();
        items.extend(more.into_iter().map(|unit| Item::Range(unit, unit)));
    }
}

/// What to write for an escape of another dialect.
fn escape_help(c: char) -> String {
    match c {
        'h' => "write `[ \\t]` for a blank".into(),
        'R' => "write `\\r?\\n` for a line end".into(),
        'N' => "write `[^\\n]`".into(),
        'K' => "write what comes before as a look-behind: `(?<=…)`".into(),
        'Q' | 'E' => "there is no quoting: escape each special character".into(),
        'X' => "write `.` for a character".into(),
        'y' | 'm' | 'M' => "write `\\b` for a word boundary".into(),
        'g' => "write `\\1` or `\\k<name>` for a reference".into(),
        '8' | '9' => "there is no group of that number".into(),
        _ => format!("write `{c}` for the character"),
    }
}

/// What to write for a property of another dialect.
fn property_help(name: &str, sign: char) -> String {
    let lower = name.to_ascii_lowercase();
    let blocks = match lower.as_str() {
        "latin" | "latn" => {
            return format!(
                "scripts are not known, blocks are: write `[\\{sign}{{IsBasicLatin}}\\{sign}{{IsLatin-1Supplement}}\
                 \\{sign}{{IsLatinExtended-A}}\\{sign}{{IsLatinExtended-B}}]`"
            );
        }
        "han" | "hani" => "CJKUnifiedIdeographs",
        "hangul" => "HangulSyllables",
        "alphabetic" | "alpha" | "letter" => return format!("write `\\{sign}{{L}}`"),
        "uppercase" | "upper" | "uppercase_letter" => return format!("write `\\{sign}{{Lu}}`"),
        "lowercase" | "lower" | "lowercase_letter" => return format!("write `\\{sign}{{Ll}}`"),
        "digit" | "decimal_number" => return format!("write `\\{sign}{{Nd}}`"),
        "punctuation" | "punct" => return format!("write `\\{sign}{{P}}`"),
        "number" => return format!("write `\\{sign}{{N}}`"),
        "symbol" => return format!("write `\\{sign}{{S}}`"),
        "mark" => return format!("write `\\{sign}{{M}}`"),
        "space" | "white_space" => return "write `\\s`".into(),
        other => {
            if let Some(category) = CATEGORIES.iter().find(|known| known.eq_ignore_ascii_case(other)) {
                return format!("case matters: write `\\{sign}{{{category}}}`");
            }
            let bare = other.strip_prefix("is").unwrap_or(other);
            match blocks::names().find(|block| block.eq_ignore_ascii_case(bare)) {
                Some(block) => block,
                None => return "write a category such as `\\p{Lu}` or a block such as `\\p{IsBasicLatin}`".into(),
            }
        }
    };
    format!("scripts are not known, blocks are: write `\\{sign}{{Is{blocks}}}`")
}
