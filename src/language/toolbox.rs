//! [`Toolbox`]: what the programs of one mapping file share: limits, Liquid snippets, Jinja macros, and the engines that are
//! made when a first program asks for them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::function::Limits;
use crate::text::Diagnostic;
use crate::value::Layout;

use super::names::SourceNames;
use super::{liquid, script, template};

/// What a Jinja template does with a variable that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undefined {
    /// It is empty, as an attribute that a record merely lacks is in the other languages.
    #[default]
    Lenient,
    /// It fails.
    Strict,
}

/// The texts that a toolbox is made of.
#[derive(Debug, Clone, Default)]
pub struct ToolboxTexts {
    /// Liquid snippets by name, for `{% render 'name' %}`.
    pub snippets: BTreeMap<String, String>,
    /// Jinja macros, which every Jinja template of the file may call.
    pub macros: String,
    /// What an undefined variable is in Jinja.
    pub undefined: Undefined,
}

/// Findings in a toolbox's texts; the spans are bytes of the text they are of.
#[derive(Debug, Default)]
pub struct ToolboxFindings {
    /// By snippet.
    pub snippets: Vec<(String, Diagnostic)>,
    /// In the macros.
    pub macros: Vec<Diagnostic>,
}

/// What the programs of one mapping file share.
#[derive(Debug, Default)]
pub struct Toolbox {
    limits: Limits,
    snippets: Arc<liquid::Snippets>,
    macros: String,
    undefined: Undefined,
    scripts: OnceLock<Arc<script::Host>>,
    templates: OnceLock<Arc<template::Host>>,
}

impl Toolbox {
    /// Compiles the shared texts. The attributes that snippets and macros read take slots of `layout`.
    pub fn compile(
        texts: ToolboxTexts,
        limits: Limits,
        layout: &mut Layout,
        source: &SourceNames,
    ) -> (Toolbox, ToolboxFindings) {
        let (snippets, found) = liquid::Snippets::compile(&texts.snippets, limits, layout, source);
        let macros = template::Host::check(&texts.macros, limits);
        let toolbox = Toolbox {
            limits,
            snippets: Arc::new(snippets),
            macros: texts.macros,
            undefined: texts.undefined,
            scripts: OnceLock::new(),
            templates: OnceLock::new(),
        };
        (toolbox, ToolboxFindings { snippets: found, macros })
    }

    /// What each run of a program may use.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The Liquid snippets.
    pub fn snippets(&self) -> &Arc<liquid::Snippets> {
        &self.snippets
    }

    /// The engine that compiles and runs Rhai scripts.
    pub fn scripts(&self) -> &Arc<script::Host> {
        self.scripts.get_or_init(|| Arc::new(script::Host::new(self.limits)))
    }

    /// The engine that compiles and runs Jinja templates.
    pub fn templates(&self) -> &Arc<template::Host> {
        self.templates.get_or_init(|| Arc::new(template::Host::new(&self.macros, self.undefined, self.limits)))
    }
}
