//! [`Snippets`]: the named templates of a mapping file, for `include` and `render`. They come from nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::function::Limits;
use crate::language::names::SourceNames;
use crate::text::Diagnostic;
use crate::value::{Layout, Slot};

use super::compile::{Compiler, KnownSnippets};
use super::findings;
use super::tree::Block;

/// One of them.
pub(super) struct Snippet {
    pub(super) name: Box<str>,
    /// `None` when it does not compile; whatever takes it fails.
    pub(super) root: Option<Block>,
    text: Box<str>,
    reads: Vec<Slot>,
    bound: BTreeSet<Box<str>>,
    uses: BTreeSet<usize>,
    chooses: bool,
}

impl Snippet {
    /// The attributes that it reads itself.
    pub(super) fn reads(&self) -> impl Iterator<Item = Slot> {
        self.reads.iter().copied()
    }

    /// The names that it gives a value to.
    pub(super) fn bound(&self) -> impl Iterator<Item = &Box<str>> {
        self.bound.iter()
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: u32) -> usize {
        1 + self.text.bytes().take(at as usize).filter(|byte| *byte == b'\n').count()
    }
}

/// The named snippets of a mapping file, compiled.
#[derive(Default)]
pub struct Snippets {
    /// Sorted by name.
    all: Vec<Snippet>,
}

impl fmt::Debug for Snippets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|snippet| &snippet.name)).finish()
    }
}

/// The names alone: snippets may take each other whatever their order.
struct Names<'n>(Vec<&'n str>);

impl KnownSnippets for Names<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        self.0.binary_search(&name).ok()
    }

    fn names(&self) -> Vec<&str> {
        self.0.clone()
    }
}

impl KnownSnippets for Snippets {
    fn find(&self, name: &str) -> Option<usize> {
        self.all.binary_search_by(|snippet| (*snippet.name).cmp(name)).ok()
    }

    fn names(&self) -> Vec<&str> {
        self.all.iter().map(|snippet| &*snippet.name).collect()
    }
}

impl Snippets {
    /// Compiles the snippets; each finding's span is in the text of the snippet named with it.
    pub fn compile(
        texts: &BTreeMap<String, String>,
        limits: Limits,
        layout: &mut Layout,
        source: &SourceNames,
    ) -> (Snippets, Vec<(String, Diagnostic)>) {
        let names = Names(texts.keys().map(String::as_str).collect());
        let mut told = Vec::new();
        let mut all = Vec::with_capacity(texts.len());
        let mut read = Vec::with_capacity(texts.len());
        for (name, text) in texts {
            let mut compiler = Compiler::new(layout, &names, None, limits.depth);
            let root = compiler.template(text);
            let Compiler { found, reads, names, bound, uses, chooses, .. } = compiler;
            let root = (!found.iter().any(Diagnostic::is_error)).then_some(root);
            told.extend(found.into_iter().map(|finding| (name.clone(), finding)));
            read.push((name, names));
            all.push(Snippet {
                name: name.as_str().into(),
                root,
                text: text.as_str().into(),
                reads,
                bound,
                uses,
                chooses,
            });
        }
        // Nobody knows which arguments a snippet is given: a name is told of only when nothing may give it a value.
        let given = all.iter().flat_map(|snippet| snippet.bound.iter().cloned()).collect();
        for (name, names) in read {
            let slips = findings(&names, &given, source).into_iter().filter(|finding| !finding.is_error());
            told.extend(slips.map(|finding| (name.clone(), finding)));
        }
        (Snippets { all }, told)
    }

    /// The snippet with this number.
    pub(super) fn get(&self, index: usize) -> Option<&Snippet> {
        self.all.get(index)
    }

    /// The snippet called so.
    pub(super) fn named(&self, name: &str) -> Option<&Snippet> {
        self.find(name).and_then(|index| self.get(index))
    }

    /// These snippets and all that they take; all there are when one is chosen while it runs.
    pub(super) fn used(&self, first: &BTreeSet<usize>, chooses: bool) -> BTreeSet<usize> {
        let mut used = BTreeSet::new();
        let mut open: Vec<usize> = first.iter().copied().collect();
        let mut all = chooses;
        while let Some(index) = open.pop() {
            if used.insert(index)
                && let Some(snippet) = self.get(index)
            {
                open.extend(&snippet.uses);
                all |= snippet.chooses;
            }
        }
        if all { (0..self.all.len()).collect() } else { used }
    }
}
