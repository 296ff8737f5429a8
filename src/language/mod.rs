//! The languages: text to [`Program`], program and record to value.
//!
//! Every language gives the same things: findings about a text before it runs, the attributes a program reads, and a value
//! or a [`Fault`](crate::function::Fault) with its place in the text when it runs. What the programs of one mapping file
//! share stands in its [`Toolbox`].

pub mod entra;
pub mod liquid;
pub mod names;
pub mod script;
pub mod template;
mod toolbox;

use std::collections::BTreeMap;

use crate::function::{Context, Fallible, Kinds};
use crate::text::{Diagnostic, Span};
use crate::value::{Layout, Slot, Value};

use names::SourceNames;

pub use toolbox::{Toolbox, ToolboxTexts, Undefined};

/// The language of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Entra's expressions.
    Entra,
    /// Liquid templates.
    Liquid,
    /// Rhai scripts.
    Rhai,
    /// Jinja templates.
    Jinja,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] = [Language::Entra, Language::Liquid, Language::Rhai, Language::Jinja];

    /// The word in mapping files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Language::Entra => "entra",
            Language::Liquid => "liquid",
            Language::Rhai => "rhai",
            Language::Jinja => "jinja",
        }
    }

    /// The language called so.
    pub fn parse(word: &str) -> Option<Language> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }
}

/// What surrounds a program: the attributes of its source, and what its mapping file gives to all programs.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'s> {
    /// The attributes it may read.
    pub source: &'s SourceNames,
    /// What `%name%` stands for, in Entra's expressions.
    pub macros: &'s BTreeMap<String, String>,
    /// Whether a lone `[attribute]` is taken as an expression: it is in a mapping file, where Entra calls it a direct mapping.
    pub direct: bool,
    /// The path of the attribute that the other three languages see as `value`.
    pub value: Option<&'s str>,
    /// What the file's programs share.
    pub toolbox: &'s Toolbox,
}

/// A compiled program of any language.
#[derive(Debug)]
pub enum Program {
    /// An Entra expression.
    Entra(entra::Expression),
    /// A Liquid template. Boxed, as the next two, so that a rule with an expression stays small.
    Liquid(Box<liquid::Template>),
    /// A Rhai script.
    Rhai(Box<script::Script>),
    /// A Jinja template.
    Jinja(Box<template::Template>),
}

impl Program {
    /// Compiles a text; the findings' spans are bytes of it. There is no program when one of them is an error.
    pub fn compile(
        language: Language,
        text: &str,
        layout: &mut Layout,
        surroundings: &Surroundings<'_>,
    ) -> (Option<Program>, Vec<Diagnostic>) {
        match language {
            Language::Entra => {
                let Surroundings { source, macros, direct, .. } = *surroundings;
                let (program, found) =
                    entra::Expression::compile(text, layout, &entra::Surroundings { source, macros, direct });
                (program.map(Program::Entra), found)
            }
            Language::Liquid => {
                let (program, found) = liquid::Template::compile(text, layout, surroundings);
                (program.map(Box::new).map(Program::Liquid), found)
            }
            Language::Rhai => {
                let (program, found) = script::Script::compile(text, layout, surroundings);
                (program.map(Box::new).map(Program::Rhai), found)
            }
            Language::Jinja => {
                let (program, found) = template::Template::compile(text, layout, surroundings);
                (program.map(Box::new).map(Program::Jinja), found)
            }
        }
    }

    /// Runs on the slots of one record and writes the value to `out`.
    #[inline]
    pub fn run<'a>(&'a self, slots: &'a [Value<'a>], context: &Context<'a>, out: &mut Value<'a>) -> Fallible<()> {
        match self {
            Program::Entra(program) => program.run(slots, context, out),
            Program::Liquid(program) => program.run(slots, context, out),
            Program::Rhai(program) => program.run(slots, context, out),
            Program::Jinja(program) => program.run(slots, context, out),
        }
    }

    /// Runs and keeps the value of every sub-expression, in the order in which they were known.
    pub fn trace<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        context: &Context<'a>,
    ) -> (Fallible<Value<'a>>, Vec<TraceStep<'a>>) {
        match self {
            Program::Entra(program) => program.trace(slots, context),
            Program::Liquid(program) => program.trace(slots, context),
            Program::Rhai(program) => program.trace(slots, context),
            Program::Jinja(program) => program.trace(slots, context),
        }
    }

    /// The attributes that the program may read, each once.
    pub fn reads(&self) -> &[Slot] {
        match self {
            Program::Entra(program) => program.reads(),
            Program::Liquid(program) => program.reads(),
            Program::Rhai(program) => program.reads(),
            Program::Jinja(program) => program.reads(),
        }
    }

    /// What the result can be, as far as it is known before anything runs.
    pub fn kinds(&self) -> Kinds {
        match self {
            Program::Entra(program) => program.kinds(),
            Program::Liquid(program) => program.kinds(),
            Program::Rhai(_) | Program::Jinja(_) => Kinds::ANY,
        }
    }

    /// Whether it may give a value only to a new object (`SelectUniqueValue`): an update would find the object's own taken.
    pub fn is_unique(&self) -> bool {
        match self {
            Program::Entra(program) => program.is_unique(),
            Program::Liquid(_) => false,
            Program::Rhai(program) => program.is_unique(),
            Program::Jinja(program) => program.is_unique(),
        }
    }

    /// Whether the value must not be shown in logs (`Redact`).
    pub fn is_redacted(&self) -> bool {
        match self {
            Program::Entra(program) => program.is_redacted(),
            Program::Liquid(_) => false,
            Program::Rhai(program) => program.is_redacted(),
            Program::Jinja(program) => program.is_redacted(),
        }
    }
}

/// The value of one sub-expression.
#[derive(Debug, Clone, Copy)]
pub struct TraceStep<'a> {
    /// The sub-expression in the program's text.
    pub span: Span,
    /// How deep it stands; the whole program is 0.
    pub depth: usize,
    /// Its value; `None` when it failed.
    pub value: Option<Value<'a>>,
    /// The attribute's slot, when it is an attribute of the record.
    pub slot: Option<Slot>,
}
