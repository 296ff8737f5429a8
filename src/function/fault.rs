//! [`Fault`]: why a program failed on a record.

use std::borrow::Cow;
use std::fmt;

use crate::text::{Code, Span};

/// A result of running: the error is one pointer wide, so that the good path stays small.
pub type Fallible<T> = Result<T, Box<Fault>>;

/// Why a program failed on a record, with the place in the program's own text.
#[derive(Debug, Clone)]
pub struct Fault {
    /// A code of the `07xx` range.
    pub code: Code,
    /// What happened.
    pub detail: Detail,
    /// What to do about it.
    pub help: Option<Cow<'static, str>>,
    /// The characters of the program that failed; the innermost call or argument known.
    pub span: Option<Span>,
    /// The call that failed, when the fault points at one of its arguments.
    pub call: Option<Span>,
    /// The argument at fault, counted from 0, until its span is known.
    pub argument: Option<usize>,
}

/// What happened, put into words only when somebody reads it: a rule with `on_error = "null"` fails often and unread.
#[derive(Debug, Clone)]
pub enum Detail {
    /// In words.
    Words(Cow<'static, str>),
    /// `Item` was asked for a place the list does not have.
    NoItem {
        /// The place asked for, from 1.
        index: i64,
        /// How many items there are.
        count: usize,
    },
    /// `SelectUniqueValue` found every candidate taken.
    AllTaken {
        /// How many candidates there were.
        candidates: usize,
    },
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Words(words) => f.write_str(words),
            Detail::NoItem { index, count: 1 } => write!(f, "there is no item {index}: the list has 1 value"),
            Detail::NoItem { index, count } => write!(f, "there is no item {index}: the list has {count} values"),
            Detail::AllTaken { candidates } => write!(f, "all {candidates} candidate values are taken"),
        }
    }
}

impl Fault {
    /// A fault in words.
    #[cold]
    pub fn new(code: Code, words: impl Into<Cow<'static, str>>) -> Box<Self> {
        Self::of(code, Detail::Words(words.into()))
    }

    /// A fault with its words put off.
    #[cold]
    pub fn of(code: Code, detail: Detail) -> Box<Self> {
        Box::new(Self { code, detail, help: None, span: None, call: None, argument: None })
    }

    /// Says which argument is at fault, counted from 0.
    #[must_use]
    pub fn at(mut self: Box<Self>, argument: usize) -> Box<Self> {
        self.argument = Some(argument);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self: Box<Self>, help: impl Into<Cow<'static, str>>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }
}

impl Fault {
    /// Says what to do, when something is known.
    #[must_use]
    pub fn help_if(self: Box<Self>, help: Option<impl Into<Cow<'static, str>>>) -> Box<Self> {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Takes the words away, which may hold a value that must not be shown.
    #[must_use]
    pub fn redacted(mut self: Box<Self>) -> Box<Self> {
        self.detail = Detail::Words("the program fails on a value that is redacted".into());
        self.help = None;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail.fmt(f)
    }
}

impl std::error::Error for Fault {}
