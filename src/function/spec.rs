//! [`Spec`]: everything there is to know of one function.

use std::fmt;
use std::ops::{BitOr, Range};
use std::sync::Arc;

use serde_json::json;

use crate::text::Code;
use crate::value::Value;

use super::{Bytes, Context, Fallible};

/// Where a function stands in the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Choices and tests.
    Logic,
    /// Text.
    Text,
    /// Finding and replacing.
    Replace,
    /// Multi-valued attributes.
    List,
    /// Dates.
    Date,
    /// Numbers.
    Number,
    /// Encodings and identifiers.
    Encoding,
    /// Unique names, random values, the tenant.
    Identity,
    /// App role assignments.
    Role,
}

impl Family {
    /// The heading in the reference.
    pub fn title(self) -> &'static str {
        match self {
            Family::Logic => "Choices and tests",
            Family::Text => "Text",
            Family::Replace => "Find and replace",
            Family::List => "Multi-valued attributes",
            Family::Date => "Dates",
            Family::Number => "Numbers",
            Family::Encoding => "Encodings and identifiers",
            Family::Identity => "Unique and random values, the tenant",
            Family::Role => "App roles",
        }
    }
}

/// A set of kinds of values, for checks before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// A text.
    pub const TEXT: Kinds = Kinds(1);
    /// A whole number.
    pub const INTEGER: Kinds = Kinds(2);
    /// True or false.
    pub const BOOLEAN: Kinds = Kinds(4);
    /// A text that is a date.
    pub const DATE: Kinds = Kinds(8);
    /// Several values.
    pub const LIST: Kinds = Kinds(16);
    /// A complex value.
    pub const OBJECT: Kinds = Kinds(32);
    /// Null.
    pub const NULL: Kinds = Kinds(64);
    /// One of the parameter's words, written without quotes or with.
    pub const WORD: Kinds = Kinds(128);
    /// A comparison, or anything that says true or false.
    pub const CONDITION: Kinds = Kinds(256);
    /// Anything.
    pub const ANY: Kinds = Kinds(0x7f);
    /// Whatever has a text.
    pub const SINGLE: Kinds = Kinds(1 | 2 | 4 | 8 | 64);

    /// Whether the two have a kind in common.
    pub fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The kinds that are not in the other set.
    #[must_use]
    pub fn except(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }

    /// Both sets.
    #[must_use]
    pub const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

impl BitOr for Kinds {
    type Output = Kinds;

    fn bitor(self, other: Kinds) -> Kinds {
        self.or(other)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.meets(Kinds::CONDITION) {
            return f.write_str("condition");
        }
        let names = [
            (Kinds::WORD, "word"),
            (Kinds::TEXT, "text"),
            (Kinds::INTEGER, "integer"),
            (Kinds::BOOLEAN, "boolean"),
            (Kinds::DATE, "date"),
            (Kinds::LIST, "list"),
            (Kinds::OBJECT, "complex value"),
        ];
        if (self.0 & Kinds::ANY.0) | Kinds::NULL.0 == Kinds::ANY.0 {
            return f.write_str("any value");
        }
        if self.meets(Kinds::TEXT) && self.meets(Kinds::INTEGER) && self.meets(Kinds::BOOLEAN) {
            // Whatever has a text is taken as text.
            return f.write_str(if self.meets(Kinds::LIST) { "text or list" } else { "text" });
        }
        let mut first = true;
        for (kind, name) in names {
            if self.meets(kind) {
                if !first {
                    f.write_str(" or ")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// The name in the reference and in messages.
    pub name: &'static str,
    /// What it takes.
    pub kinds: Kinds,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be left empty, which is null, although it must be there.
    pub may_be_empty: bool,
    /// The words it takes, when it takes words.
    pub words: &'static [&'static str],
    /// One sentence.
    pub doc: &'static str,
}

impl Param {
    /// A parameter that must be there.
    pub const fn required(name: &'static str, kinds: Kinds, doc: &'static str) -> Param {
        Param { name, kinds, required: true, may_be_empty: false, words: &[], doc }
    }

    /// A parameter that may be left out or left empty.
    pub const fn optional(name: &'static str, kinds: Kinds, doc: &'static str) -> Param {
        Param { name, kinds, required: false, may_be_empty: true, words: &[], doc }
    }

    /// Its place must be there, but nothing need stand in it: `IIF([a] = "1", , "x")` gives null for 1.
    #[must_use]
    pub const fn or_empty(mut self) -> Param {
        self.may_be_empty = true;
        self
    }

    /// Takes one of these words.
    #[must_use]
    pub const fn words(mut self, words: &'static [&'static str]) -> Param {
        self.words = words;
        self
    }
}

/// Which parameters may be given again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// None.
    No,
    /// The last one, at least so many times in all.
    Last(usize),
    /// The last two, as pairs.
    LastPair,
}

/// Where a function may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere.
    Anywhere,
    /// Only as the outermost function of the expression.
    Outermost,
}

/// The functions whose arguments are not all evaluated; a language compiles them into its own choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `IIF(condition, then, otherwise)`.
    If,
    /// `Switch(source, default, key, value, …)`.
    Switch,
    /// `Coalesce(source, …)`.
    Coalesce,
    /// `SelectUniqueValue(candidate, …)`.
    Unique,
}

/// A body: evaluated arguments in, a value out. Arguments that were left out are absent, at the end or in between.
///
/// The value is written to its place: handed back, it would be copied just after it was made, and that stalls.
pub type Call = for<'a> fn(&Context<'a>, &[Value<'a>], &mut Value<'a>) -> Fallible<()>;

/// How a function runs.
#[derive(Clone, Copy)]
pub enum Body {
    /// From its arguments alone.
    Plain(Call),
    /// With what can be made ready of constant arguments: a compiled pattern, a read date format.
    Prepared {
        /// Makes it ready, or finds what is wrong with the constants.
        prepare: fn(&[Literal<'_>]) -> Result<Preparation, ArgumentFinding>,
        /// For arguments that are known only when it runs.
        call: Call,
    },
    /// Lazily: the language evaluates only what is chosen.
    Lazy(Form),
}

/// What is known of an argument before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal<'t> {
    /// Left out.
    Omitted,
    /// A constant, as text.
    Known(&'t str),
    /// An attribute or a call.
    Dynamic,
}

impl<'t> Literal<'t> {
    /// Whether there is an argument.
    pub fn given(self) -> bool {
        self != Literal::Omitted
    }

    /// The constant.
    pub fn known(self) -> Option<&'t str> {
        match self {
            Literal::Known(text) => Some(text),
            Literal::Omitted | Literal::Dynamic => None,
        }
    }
}

/// A function with its constants made ready.
pub trait Prepared: Send + Sync {
    /// Runs it on the arguments, the constants among them.
    fn call<'a>(&self, context: &Context<'a>, arguments: &[Value<'a>], out: &mut Value<'a>) -> Fallible<()>;

    /// Whether [`Prepared::quick`] may have answers.
    fn is_quick(&self) -> bool {
        false
    }

    /// What it makes of a text as its first argument, when all others are constants and nothing goes wrong. `None` decides
    /// nothing: then [`Prepared::call`] has the answer.
    fn quick<'a>(&self, _: &Context<'a>, _: &'a str) -> Option<&'a str> {
        None
    }
}

/// What came of making constants ready.
#[derive(Default)]
pub struct Preparation {
    /// The function made ready; `None` when nothing could be done ahead.
    pub prepared: Option<Arc<dyn Prepared>>,
    /// What becomes of the first argument, when it is a text of ASCII; then the call does nothing else.
    pub bytes: Option<Bytes>,
    /// Probable slips seen on the way.
    pub lints: Vec<ArgumentFinding>,
}

/// What is to be said of a constant argument: that it cannot work, or that it is a probable slip.
#[derive(Debug, Clone)]
pub struct ArgumentFinding {
    /// What kind of finding.
    pub code: Code,
    /// The argument, from 0.
    pub argument: usize,
    /// The bytes of the constant's text that are meant, when not all.
    pub span: Option<Range<usize>>,
    /// The headline.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// An example that is shown in the reference and run as a test.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The expression.
    pub expression: &'static str,
    /// The record, as JSON.
    pub given: &'static str,
    /// The result, as JSON; `{"error": "E0703"}` and `{"ignore": "attribute"}` for the results that are no values.
    pub result: &'static str,
}

/// Everything there is to know of one function.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a row of facts, each a yes or no")]
pub struct Spec {
    /// The name as Entra prints it.
    pub name: &'static str,
    /// Where it stands in the reference.
    pub family: Family,
    /// Its parameters.
    pub params: &'static [Param],
    /// Which of them may be given again.
    pub repeat: Repeat,
    /// What it returns.
    pub returns: Kinds,
    /// One sentence on what it does.
    pub summary: &'static str,
    /// Nulls, edges, limits: what an admin must know beyond the sentence.
    pub details: &'static str,
    /// Where Entra offers it: app provisioning, or cloud sync alone.
    pub cloud_sync_only: bool,
    /// Where it may stand.
    pub placement: Placement,
    /// Whether the same arguments always give the same value.
    pub pure: bool,
    /// Whether it can fail on some record for another reason than a list where one value is wanted.
    pub can_fail: bool,
    /// Whether it returns one of its arguments, so that the result can be whatever they can.
    pub passes_on: bool,
    /// Whether its value must not be shown in logs.
    pub redacts: bool,
    /// Examples; each is a test.
    pub examples: &'static [Example],
    /// How it runs.
    pub body: Body,
}

impl Spec {
    /// As JSON, for editors.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "signature": self.signature(),
            "family": self.family.title(),
            "summary": self.summary,
            "details": self.details,
            "cloudSyncOnly": self.cloud_sync_only,
            "parameters": self.params.iter().map(|param| json!({
                "name": param.name,
                "takes": param.kinds.to_string(),
                "required": param.required,
                "words": param.words,
                "doc": param.doc,
            })).collect::<Vec<_>>(),
            "repeats": match self.repeat { Repeat::No => "no", Repeat::Last(_) => "last", Repeat::LastPair => "lastPair" },
            "fewestArguments": self.fewest(),
            "mostArguments": self.most(),
            "returns": self.returns.to_string(),
            "pure": self.pure,
            "canFail": self.fallible(),
            "examples": self.examples.iter().map(|example| json!({
                "expression": example.expression,
                "given": serde_json::from_str::<serde_json::Value>(example.given).unwrap_or_default(),
                "result": serde_json::from_str::<serde_json::Value>(example.result).unwrap_or_default(),
            })).collect::<Vec<_>>(),
        })
    }

    /// The parameter that the argument at `index` is for.
    pub fn param(&self, index: usize) -> Option<&'static Param> {
        let count = self.params.len();
        match self.repeat {
            _ if index < count => self.params.get(index),
            Repeat::No => None,
            Repeat::Last(_) => self.params.last(),
            Repeat::LastPair => self.params.get(count - 2 + (index - count) % 2),
        }
    }

    /// Whether it can fail on some record: for a reason of its own, or because a list comes where one value is wanted.
    pub fn fallible(&self) -> bool {
        self.can_fail || self.params.iter().any(|param| !param.kinds.meets(Kinds::LIST))
    }

    /// The fewest arguments it takes.
    pub fn fewest(&self) -> usize {
        let required = self.params.iter().rposition(|param| param.required).map_or(0, |last| last + 1);
        match self.repeat {
            Repeat::Last(least) => required.max(self.params.len() - 1 + least),
            Repeat::No | Repeat::LastPair => required,
        }
    }

    /// The most arguments it takes; `None` without bound.
    pub fn most(&self) -> Option<usize> {
        (self.repeat == Repeat::No).then_some(self.params.len())
    }

    /// `Replace(source, oldValue?, …)`.
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (index, param) in self.params.iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            text.push_str(param.name);
            if !param.required {
                text.push('?');
            }
        }
        if self.repeat != Repeat::No {
            text.push_str(", …");
        }
        text.push(')');
        text
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.signature())
    }
}
