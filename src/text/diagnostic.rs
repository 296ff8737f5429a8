//! [`Diagnostic`]: a finding as data. Rendering is elsewhere ([`super::render`]) and knows nothing of rules.

use super::{Code, Source, Span};

/// The most findings kept of one file; a file with more is broken in one way, said often.
pub const MAX_DIAGNOSTICS: usize = 100;

/// How bad a finding is. Only errors make `check` exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The mapping cannot run.
    Error,
    /// The mapping runs, probably not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A place in the source and what is to be seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The characters meant.
    pub span: Span,
    /// What stands there, in a few words; may be empty.
    pub text: String,
}

/// A change that would mend the finding, as text to paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The characters to replace.
    pub span: Span,
    /// What to put there.
    pub replacement: String,
    /// What the change does, such as ``write `Switch` ``.
    pub title: String,
}

/// One finding about a text.
///
/// The `message` stands alone: whoever sees only that line knows what is wrong. The primary label adds what is at the
/// spot, `notes` add facts (the values a failing expression used), `help` says what to do.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The entry of the code registry.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// The headline.
    pub message: String,
    /// Where, and what is there.
    pub primary: Label,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// Facts that help to understand.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
    /// Changes to paste.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// A finding with the registry's severity for `code`.
    pub fn new(code: Code, message: impl Into<String>, span: Span) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Says what is at the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds advice when there is some.
    #[must_use]
    pub fn help_if(self, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }

    /// Adds a change to paste.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>, title: impl Into<String>) -> Self {
        self.fixes.push(Fix { span, replacement: replacement.into(), title: title.into() });
        self
    }

    /// Moves every span: from a program's own text to the place that text has in its file.
    #[must_use]
    pub fn map_spans(mut self, map: impl Fn(Span) -> Span) -> Self {
        self.primary.span = map(self.primary.span);
        for label in &mut self.secondary {
            label.span = map(label.span);
        }
        for fix in &mut self.fixes {
            fix.span = map(fix.span);
        }
        self
    }

    /// Whether this finding keeps the mapping from running.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Findings collected about one [`Source`], sorted by position once [`Diagnostics::finish`] is called.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    source: Source,
    found: Vec<Diagnostic>,
    dropped: usize,
}

impl Diagnostics {
    /// No findings yet about `source`.
    pub fn new(source: Source) -> Self {
        Self { source, found: Vec::new(), dropped: 0 }
    }

    /// Adds a finding; past [`MAX_DIAGNOSTICS`] findings are only counted.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < MAX_DIAGNOSTICS {
            self.found.push(diagnostic);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds many.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Sorts by position and drops exact repetitions.
    pub fn finish(&mut self) {
        self.found.sort_by(|a, b| {
            (a.primary.span, a.severity, a.code.number()).cmp(&(b.primary.span, b.severity, b.code.number()))
        });
        self.found.dedup_by(|a, b| a.code == b.code && a.primary.span == b.primary.span && a.message == b.message);
    }

    /// The text the findings are about.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// How many findings were not kept because there were too many.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many are errors.
    pub fn errors(&self) -> usize {
        self.found.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    /// How many are warnings.
    pub fn warnings(&self) -> usize {
        self.found.len() - self.errors()
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = std::slice::Iter<'d, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.iter()
    }
}
