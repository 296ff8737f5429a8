//! Prints a tree in the syntax of the `regex` and `fancy-regex` crates.
//!
//! Everything is spelled out (classes, cases, ends of text), so that no option and no dialect of the engines decides
//! what a pattern means. Other than letters and digits, ASCII is written by code.

use std::fmt::Write;

use super::fold;
use super::groups::Groups;
use super::size::Sizes;
use super::tree::{Assertion, Class, Item, Node};

/// Which texts a printed pattern is for; they differ in what `$` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Texts that do not end in a line feed: `$` is the end.
    Plain,
    /// Texts that do: `$` is the end and the place before that line feed.
    LineFeed,
}

/// Whether only `fancy-regex` knows what is in the tree.
pub(super) fn needs_backtracking(tree: &Node) -> bool {
    tree.any(&|node| {
        matches!(
            node,
            Node::Look { .. }
                | Node::Atomic(_)
                | Node::Reference { .. }
                | Node::Conditional { .. }
                | Node::Assert(Assertion::SearchStart)
        )
    })
}

/// Whether the tree has a `$` that depends on a final line feed.
pub(super) fn has_end(tree: &Node) -> bool {
    tree.any(&|node| matches!(node, Node::Assert(Assertion::End)))
}

/// Prints a tree. With `loops`, what is large is marked so that `fancy-regex` runs it in a loop of its own.
pub(super) fn print(tree: &Node, groups: &Groups, ending: Ending, loops: Option<&Sizes>) -> String {
    let mut printer = Printer { out: String::new(), groups, ending, loops };
    printer.node(tree);
    printer.out
}

/// Prints a class by itself.
pub(super) fn print_class(class: &Class) -> String {
    let mut printer = Printer { out: String::new(), groups: &Groups::default(), ending: Ending::Plain, loops: None };
    printer.class(class);
    printer.out
}

struct Printer<'g> {
    out: String,
    groups: &'g Groups,
    ending: Ending,
    /// None where nothing is to be marked.
    loops: Option<&'g Sizes>,
}

impl Printer<'_> {
    fn node(&mut self, node: &Node) {
        match node {
            Node::Empty | Node::Half(_) => self.out.push_str("(?:)"),
            Node::Char { value, fold } => self.character(*value, *fold),
            Node::Dot { newline: true } => self.out.push_str("(?s:.)"),
            Node::Dot { newline: false } => self.out.push_str("[^\\n]"),
            // An atomic group is never handed to the other engine, and around one character it changes nothing.
            Node::Set(class) if self.loops.is_some_and(|sizes| sizes.is_wide(class)) => {
                self.out.push_str("(?>");
                self.class(class);
                self.out.push(')');
            }
            Node::Set(class) => self.class(class),
            Node::Concat(parts) => {
                for part in parts {
                    self.grouped(part, matches!(part, Node::Alternation(_)));
                }
            }
            Node::Alternation(branches) => {
                for (index, branch) in branches.iter().enumerate() {
                    if index > 0 {
                        self.out.push('|');
                    }
                    self.node(branch);
                }
            }
            Node::Capture { inner, .. } => self.wrapped("(", inner),
            Node::Repeat { inner, min, max, lazy, .. } => {
                let looped = self.loops.is_some_and(|sizes| sizes.needs_loop(node));
                self.repeat(inner, *min, *max, *lazy, looped);
            }
            Node::Assert(assertion) => self.assertion(*assertion),
            Node::Look { ahead, negative, inner } => {
                let open = match (ahead, negative) {
                    (true, false) => "(?=",
                    (true, true) => "(?!",
                    (false, false) => "(?<=",
                    (false, true) => "(?<!",
                };
                // A loop in a look-behind would be tried from every place before; there the other engine does better.
                let loops = if *ahead { self.loops } else { None };
                let outer = std::mem::replace(&mut self.loops, loops);
                self.wrapped(open, inner);
                self.loops = outer;
            }
            Node::Atomic(inner) => self.wrapped("(?>", inner),
            Node::Reference { slot, fold } => self.reference(*slot, *fold),
            Node::Conditional { slot, yes, no } => {
                let engine = self.groups.engines(*slot).first().copied().unwrap_or(0);
                // The engine reads two plain branches; anything with a `|` of its own gets a group.
                self.add(format_args!("(?({engine})"));
                self.grouped(yes, matches!(**yes, Node::Alternation(_)));
                self.out.push('|');
                self.grouped(no, matches!(**no, Node::Alternation(_)));
                self.out.push(')');
            }
        }
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }

    fn wrapped(&mut self, open: &str, inner: &Node) {
        self.out.push_str(open);
        self.node(inner);
        self.out.push(')');
    }

    fn grouped(&mut self, node: &Node, group: bool) {
        if group {
            self.wrapped("(?:", node);
        } else {
            self.node(node);
        }
    }

    fn place(&mut self, place: &Node, before: &str, after: &str) {
        self.out.push_str(before);
        self.node(place);
        self.out.push_str(after);
    }

    fn repeat(&mut self, inner: &Node, min: u32, max: Option<u32>, lazy: bool, looped: bool) {
        // The engines do not repeat a place; once is as good as often.
        if matches!(inner, Node::Assert(_) | Node::Look { .. }) {
            return match (min, lazy) {
                (0, false) => self.place(inner, "(?:", "|)"),
                (0, true) => self.place(inner, "(?:|", ")"),
                _ => self.node(inner),
            };
        }
        let single = matches!(inner, Node::Char { .. } | Node::Dot { .. } | Node::Set(_) | Node::Capture { .. });
        if looped {
            // The empty atomic group does nothing but keep the repetition from the other engine.
            self.out.push_str("(?:(?>)");
            self.grouped(inner, !single);
            self.out.push(')');
        } else {
            self.grouped(inner, !single);
        }
        match (min, max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, None) => self.add(format_args!("{{{min},}}")),
            (min, Some(max)) if min == max => self.add(format_args!("{{{min}}}")),
            (min, Some(max)) => self.add(format_args!("{{{min},{max}}}")),
        }
        if lazy {
            self.out.push('?');
        }
    }

    fn assertion(&mut self, assertion: Assertion) {
        self.out.push_str(match assertion {
            Assertion::Start => "\\A",
            Assertion::LineStart => "(?m:^)",
            Assertion::End if self.ending == Ending::LineFeed => "(?=\\n?\\z)",
            Assertion::End | Assertion::VeryEnd => "\\z",
            Assertion::LineEnd => "(?m:$)",
            Assertion::Boundary => "\\b",
            Assertion::NotBoundary => "\\B",
            Assertion::SearchStart => "\\G",
        });
    }

    /// Of several groups of one name the last that took part counts.
    fn reference(&mut self, slot: usize, fold: bool) {
        let open = if fold { "(?i:" } else { "(?:" };
        match self.groups.engines(slot) {
            // The whole match has no value while it is being sought.
            [] | [0, ..] => self.out.push_str("(?!)"),
            [only] => self.add(format_args!("{open}\\{only})")),
            [first, others @ ..] => {
                for engine in others.iter().rev() {
                    self.add(format_args!("(?({engine}){open}\\{engine})|"));
                }
                self.add(format_args!("{open}\\{first})"));
                self.out.extend(others.iter().map(|_| ')'));
            }
        }
    }

    fn character(&mut self, value: char, fold: bool) {
        let unit = u32::from(value);
        let mut others = fold::others(unit).filter(|_| fold).peekable();
        if others.peek().is_none() {
            return self.unit(unit);
        }
        self.out.push('[');
        self.unit(unit);
        others.for_each(|other| self.unit(other));
        self.out.push(']');
    }

    fn unit(&mut self, unit: u32) {
        match char::from_u32(unit) {
            Some(c) if c.is_ascii_alphanumeric() => self.out.push(c),
            _ => self.add(format_args!("\\x{{{unit:X}}}")),
        }
    }

    fn class(&mut self, class: &Class) {
        let Some(subtracted) = &class.subtracted else {
            return self.plain_class(class);
        };
        self.out.push('[');
        self.plain_class(class);
        self.out.push_str("--");
        self.class(subtracted);
        self.out.push(']');
    }

    fn plain_class(&mut self, class: &Class) {
        self.out.push_str(if class.negated { "[^" } else { "[" });
        for &item in &class.items {
            match item {
                Item::Range(first, last) => {
                    self.unit(first);
                    if last > first {
                        self.out.push('-');
                        self.unit(last);
                    }
                }
                Item::Category { name, negated: false } => self.add(format_args!("\\p{{{name}}}")),
                Item::Category { name: "C", negated: true } => self.out.push_str("[^\\p{C}\\x{10000}-\\x{10FFFF}]"),
                Item::Category { name, negated: true } => self.add(format_args!("\\P{{{name}}}")),
                Item::Word { negated } => self.shorthand("\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}", negated),
                Item::Digit { negated } => self.shorthand("\\p{Nd}", negated),
                Item::Space { negated } => self.shorthand("\\x{9}-\\x{D}\\x{85}\\p{Z}", negated),
                Item::Cased { negated } => self.shorthand("\\p{Lu}\\p{Ll}\\p{Lt}", negated),
            }
        }
        self.out.push(']');
    }

    fn shorthand(&mut self, items: &str, negated: bool) {
        if negated {
            self.add(format_args!("[^{items}]"));
        } else {
            self.out.push_str(items);
        }
    }
}
