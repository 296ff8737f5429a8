//! The one renderer: findings as a picture with carets, as a line each, or as JSON.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use serde_json::{Value as Json, json};

use super::{Diagnostic, Diagnostics, Fix, Severity, Source, Span, shorten};

/// Lines longer than this are not drawn: the picture would hide what it shows.
const MAX_LINE: usize = 4_000;
/// On lines longer than this a fix is said, not drawn: both versions of the line would be printed whole.
const MAX_FIX_LINE: usize = 200;

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// With an excerpt and carets, for people.
    #[default]
    Human,
    /// `file:line:column: error[E0301]: message`, for editors and logs.
    Concise,
    /// One JSON object a finding, a line each, for programs.
    Json,
}

/// All findings as text in the given format; `color` is for terminals and counts for [`Format::Human`] alone.
pub fn all(diagnostics: &Diagnostics, format: Format, color: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostics.source(), diagnostic, format, color));
    }
    if diagnostics.dropped() > 0 && format != Format::Json {
        let _ = writeln!(out, "and {} more findings in {}", diagnostics.dropped(), diagnostics.source().name());
    }
    out
}

/// One finding as text, ending in a line feed.
pub fn one(source: &Source, diagnostic: &Diagnostic, format: Format, color: bool) -> String {
    match format {
        Format::Human => human(source, diagnostic, color),
        Format::Concise => concise(source, diagnostic),
        Format::Json => format!("{}\n", json(source, diagnostic)),
    }
}

fn human(source: &Source, diagnostic: &Diagnostic, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.to_string());
    let primary = source.snap(diagnostic.primary.span);
    let mut group: Group<'_> = if is_drawable(source, diagnostic) {
        let mut snippet = Snippet::source(source.text())
            .path(source.name())
            .annotation(AnnotationKind::Primary.span(primary.range()).label(non_empty(&diagnostic.primary.text)));
        for label in &diagnostic.secondary {
            let span = source.snap(label.span);
            snippet = snippet.annotation(AnnotationKind::Context.span(span.range()).label(non_empty(&label.text)));
        }
        title.element(snippet)
    } else {
        let at = source.position(primary.start);
        let origin = annotate_snippets::Origin::path(source.name()).line(at.line).char_column(at.column);
        let group = title.element(origin);
        match non_empty(&diagnostic.primary.text) {
            Some(label) => group.element(Level::NOTE.message(label)),
            None => group,
        }
    };
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let (drawn, said): (Vec<&Fix>, Vec<&Fix>) =
        diagnostic.fixes.iter().partition(|fix| longest_line(source, fix.span) <= MAX_FIX_LINE);
    for fix in said {
        group = group.element(Level::HELP.message(said_fix(fix)));
    }
    let mut groups = vec![group];
    for fix in drawn {
        let patch = Patch::new(source.snap(fix.span).range(), fix.replacement.as_str());
        groups.push(
            Level::HELP
                .secondary_title(fix.title.as_str())
                .element(Snippet::source(source.text()).path(source.name()).patch(patch)),
        );
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text: String = renderer.render(&groups).lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    });
    text.push('\n');
    text
}

/// Whether no line of the picture is too long: those of the labels, and the few between them that would be drawn too.
fn is_drawable(source: &Source, diagnostic: &Diagnostic) -> bool {
    let spans = std::iter::once(&diagnostic.primary).chain(&diagnostic.secondary).map(|label| label.span);
    let mut borders: Vec<usize> = spans.flat_map(|span| lines(source, span)).collect();
    borders.sort_unstable();
    let between = borders.windows(2).filter_map(|pair| match pair {
        [one, other] if other - one <= 3 => Some(*one..*other),
        _ => None,
    });
    borders.iter().copied().chain(between.flatten()).all(|line| source.line(line).len() <= MAX_LINE)
}

/// The first and the last line of a span.
fn lines(source: &Source, span: Span) -> [usize; 2] {
    let span = source.snap(span);
    [source.position(span.start).line, source.position(span.end).line]
}

fn longest_line(source: &Source, span: Span) -> usize {
    let [first, last] = lines(source, span);
    (first..=last).map(|line| source.line(line).len()).max().unwrap_or(0)
}

/// A fix in words: its title, and the text to paste when the title does not say it.
fn said_fix(fix: &Fix) -> String {
    let word = fix.replacement.trim_matches(['"', '\'']);
    if word.is_empty() || fix.title.contains(word) {
        return fix.title.clone();
    }
    format!("{}: `{}`", fix.title, shorten(&fix.replacement))
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn concise(source: &Source, diagnostic: &Diagnostic) -> String {
    let at = source.position(diagnostic.primary.span.start);
    let mut line = format!(
        "{}:{}:{}: {}[{}]: {}",
        source.name(),
        at.line,
        at.column,
        diagnostic.severity.as_str(),
        diagnostic.code,
        diagnostic.message
    );
    if !diagnostic.primary.text.is_empty() {
        let _ = write!(line, ": {}", diagnostic.primary.text);
    }
    line.push('\n');
    line
}

/// A finding as JSON: `code`, `severity`, `message`, `file`, `line`, `column`, `endLine`, `endColumn`, `span` (bytes),
/// `label`, `related`, `notes`, `help`, `fixes`.
pub fn json(source: &Source, diagnostic: &Diagnostic) -> Json {
    let span = diagnostic.primary.span;
    let (start, end) = (source.position(span.start), source.position(span.end));
    json!({
        "code": diagnostic.code.to_string(),
        "severity": diagnostic.severity.as_str(),
        "message": diagnostic.message,
        "file": source.name(),
        "line": start.line,
        "column": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "span": [span.start, span.end],
        "label": diagnostic.primary.text,
        "related": diagnostic.secondary.iter().map(|label| json!({
            "span": [label.span.start, label.span.end],
            "line": source.position(label.span.start).line,
            "column": source.position(label.span.start).column,
            "label": label.text,
        })).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "fixes": diagnostic.fixes.iter().map(|fix| json!({
            "span": [fix.span.start, fix.span.end],
            "replacement": fix.replacement,
            "title": fix.title,
        })).collect::<Vec<_>>(),
    })
}

/// A finding as [`json()`] has it, and `excerpt`: the picture with carets, for those who show it.
pub fn told(source: &Source, diagnostic: &Diagnostic) -> Json {
    let mut told = json(source, diagnostic);
    if let Some(fields) = told.as_object_mut() {
        fields.insert("excerpt".into(), human(source, diagnostic, false).into());
    }
    told
}
