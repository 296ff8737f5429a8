//! Text to tokens: the text between, `{{ … }}` and `{% … %}`, with whitespace control applied and comments left out.
//!
//! As in the reference, quotes mean nothing here: `{{ '}}' }}` ends at the first `}}`.

use crate::text::{Code, Diagnostic, Span};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    /// Text to print.
    Text,
    /// The inside of `raw`: text that no whitespace control touches.
    Raw,
    /// `{{ … }}`
    Output,
    /// `{% name … %}`
    Tag(&'t str),
    /// A comment. It is kept for its whitespace control.
    Nothing,
}

/// A piece of the template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    /// The text, or the markup between the braces without the tag's name.
    pub(super) text: &'t str,
    /// Where `text` begins in the template.
    pub(super) at: usize,
    /// All of it, braces included.
    pub(super) span: Span,
    strips_before: bool,
    strips_after: bool,
}

/// What whitespace control strips: not U+00A0 and its like.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// The tokens of a template.
pub(super) fn template(text: &str) -> Result<Vec<Token<'_>>, Box<Diagnostic>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        match token.kind {
            Kind::Tag("raw") => lexer.raw(token, &mut tokens)?,
            Kind::Tag("comment") => {
                let end = lexer.comment(token)?;
                tokens.push(Token { kind: Kind::Nothing, strips_after: end.strips_after, ..token });
            }
            Kind::Tag("doc") => {
                let end = lexer.doc(token)?;
                tokens.push(Token { kind: Kind::Nothing, strips_after: end.strips_after, ..token });
            }
            Kind::Tag("#") => {
                inline_comment(&token)?;
                tokens.push(Token { kind: Kind::Nothing, ..token });
            }
            _ => tokens.push(token),
        }
    }
    strip(&mut tokens);
    Ok(tokens)
}

/// Takes away the whitespace beside tokens that say so.
fn strip(tokens: &mut [Token<'_>]) {
    let control: Vec<(bool, bool)> = tokens.iter().map(|token| (token.strips_before, token.strips_after)).collect();
    for (index, token) in tokens.iter_mut().enumerate() {
        if token.kind != Kind::Text {
            continue;
        }
        if index.checked_sub(1).and_then(|before| control.get(before)).is_some_and(|(_, after)| *after) {
            let stripped = token.text.trim_start_matches(is_space);
            token.at += token.text.len() - stripped.len();
            token.text = stripped;
        }
        if control.get(index + 1).is_some_and(|(before, _)| *before) {
            token.text = token.text.trim_end_matches(is_space);
        }
    }
}

/// The tokens of a `liquid` tag: a tag on each line. `at` is where its markup begins.
pub(super) fn lines(markup: &str, at: usize) -> Result<Vec<Token<'_>>, Box<Diagnostic>> {
    let mut tokens = Vec::new();
    let mut start = at;
    // How many comments are open, and where the first one is.
    let mut comments: Option<(usize, Span)> = None;
    for line in markup.split('\n') {
        let begin = start + (line.len() - line.trim_start_matches(is_space).len());
        start += line.len() + 1;
        let line = line.trim_matches(is_space);
        if line.is_empty() {
            continue;
        }
        let span = Span::new(begin, begin + line.len());
        let (name, rest) = tag_name(line);
        if let Some((open, first)) = comments {
            comments = match name {
                "comment" => Some((open + 1, first)),
                "endcomment" => (open > 1).then_some((open - 1, first)),
                _ => comments,
            };
            continue;
        }
        match name {
            "" => return Err(no_name(span)),
            "comment" => comments = Some((1, span)),
            "#" => {}
            "raw" | "doc" => {
                let message = format!("`{name}` cannot stand in a `liquid` tag");
                return Err(Box::new(Diagnostic::new(Code::Syntax, message, span)));
            }
            _ => tokens.push(Token {
                kind: Kind::Tag(name),
                text: rest,
                at: begin + line.len() - rest.len(),
                span,
                strips_before: false,
                strips_after: false,
            }),
        }
    }
    match comments {
        Some((_, span)) => Err(not_closed("comment", span)),
        None => Ok(tokens),
    }
}

/// Each line of an inline comment begins with `#`.
fn inline_comment(token: &Token<'_>) -> Result<(), Box<Diagnostic>> {
    let mut at = token.at;
    for (index, line) in token.text.split('\n').enumerate() {
        let words = line.trim_matches(is_space);
        if index > 0 && !words.is_empty() && !words.starts_with('#') {
            let begin = at + (line.len() - line.trim_start_matches(is_space).len());
            let span = Span::new(begin, begin + words.len());
            return Err(Box::new(
                Diagnostic::new(Code::Syntax, "each line of an inline comment begins with `#`", span).fix(
                    Span::new(begin, begin),
                    "# ",
                    "write `#`",
                ),
            ));
        }
        at += line.len() + 1;
    }
    Ok(())
}

/// The tag's name at the start of its markup, and what is behind it.
fn tag_name(markup: &str) -> (&str, &str) {
    let end = if markup.starts_with('#') {
        1
    } else {
        markup.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(markup.len())
    };
    markup.split_at_checked(end).unwrap_or(("", markup))
}

fn no_name(span: Span) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::new(Code::Syntax, "the tag has no name", span)
            .help("write `{% if … %}`, `{% assign … %}` or the like"),
    )
}

pub(super) fn not_closed(name: &str, span: Span) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::new(Code::Syntax, format!("the tag `{name}` is not closed"), span)
            .label("it begins here")
            .help(format!("end it with `{{% end{name} %}}`")),
    )
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token; `None` at the end.
    fn next(&mut self) -> Result<Option<Token<'t>>, Box<Diagnostic>> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        if rest.starts_with("{{") {
            return self.output().map(Some);
        }
        if rest.starts_with("{%") {
            return self.tag().map(Some);
        }
        let mut end = rest.len();
        let mut from = 0;
        while let Some(found) = rest.get(from..).and_then(|rest| rest.find('{')) {
            let brace = from + found;
            if matches!(rest.as_bytes().get(brace + 1), Some(b'{' | b'%')) {
                end = brace;
                break;
            }
            from = brace + 1;
        }
        let token = self.token(Kind::Text, 0, end, end);
        self.at += end;
        Ok(Some(token))
    }

    /// A token of `length` bytes from here whose text is `from..to`.
    fn token(&self, kind: Kind<'t>, from: usize, to: usize, length: usize) -> Token<'t> {
        Token {
            kind,
            text: self.rest().get(from..to).unwrap_or_default(),
            at: self.at + from,
            span: Span::new(self.at, self.at + length),
            strips_before: false,
            strips_after: false,
        }
    }

    fn output(&mut self) -> Result<Token<'t>, Box<Diagnostic>> {
        let rest = self.rest();
        let Some(close) = rest.find("}}") else {
            let line = rest.find('\n').unwrap_or(rest.len());
            return Err(Box::new(
                Diagnostic::new(Code::Syntax, "the output is not closed", Span::new(self.at, self.at + line))
                    .label("it begins here")
                    .help("end it with `}}`"),
            ));
        };
        Ok(self.braces(Kind::Output, close))
    }

    fn tag(&mut self) -> Result<Token<'t>, Box<Diagnostic>> {
        let rest = self.rest();
        let Some(close) = rest.find("%}") else {
            let line = rest.find('\n').unwrap_or(rest.len());
            return Err(Box::new(
                Diagnostic::new(Code::Syntax, "the tag is not closed", Span::new(self.at, self.at + line))
                    .label("it begins here")
                    .help("end it with `%}`"),
            ));
        };
        let token = self.braces(Kind::Tag(""), close);
        let markup = token.text.trim_start_matches(is_space);
        let (name, rest) = tag_name(markup);
        if name.is_empty() {
            return Err(no_name(token.span));
        }
        Ok(Token { kind: Kind::Tag(name), text: rest, at: token.at + token.text.len() - rest.len(), ..token })
    }

    /// The token from here to the two closing characters at `close`, without the hyphens inside of them.
    fn braces(&mut self, kind: Kind<'t>, close: usize) -> Token<'t> {
        let rest = self.rest();
        let inside = rest.get(2..close).unwrap_or_default();
        let strips_before = inside.starts_with('-');
        let from = if strips_before { 3 } else { 2 };
        let strips_after = rest.get(from..close).is_some_and(|inside| inside.ends_with('-'));
        let to = if strips_after { close - 1 } else { close };
        let token = self.token(kind, from, to, close + 2);
        self.at += close + 2;
        Token { strips_before, strips_after, ..token }
    }

    /// Where the next `{% name` begins, counted from here.
    fn find_tag(&self, names: &[&'static str]) -> Option<(usize, &'static str)> {
        let rest = self.rest();
        rest.match_indices("{%").find_map(|(at, _)| {
            let inside = rest.get(at + 2..)?;
            let inside = inside.strip_prefix('-').unwrap_or(inside).trim_start_matches(is_space);
            let (found, _) = tag_name(inside);
            names.iter().find(|name| **name == found).map(|name| (at, *name))
        })
    }

    /// The inside of `raw`, up to `endraw`.
    fn raw(&mut self, open: Token<'t>, tokens: &mut Vec<Token<'t>>) -> Result<(), Box<Diagnostic>> {
        no_markup("raw", &open)?;
        let (end, _) = self.find_tag(&["endraw"]).ok_or_else(|| not_closed("raw", open.span))?;
        let inside = self.token(Kind::Raw, 0, end, end);
        self.at += end;
        let close = self.tag()?;
        tokens.push(Token { kind: Kind::Nothing, strips_after: false, ..open });
        tokens.push(inside);
        tokens.push(Token { kind: Kind::Nothing, strips_before: false, ..close });
        Ok(())
    }

    /// Skips a `doc`, whose inside is any text.
    fn doc(&mut self, open: Token<'t>) -> Result<Token<'t>, Box<Diagnostic>> {
        no_markup("doc", &open)?;
        let (end, name) = self.find_tag(&["enddoc", "doc"]).ok_or_else(|| not_closed("doc", open.span))?;
        self.at += end;
        let close = self.tag()?;
        if name == "doc" {
            return Err(Box::new(Diagnostic::new(Code::Syntax, "a `doc` cannot stand in another one", close.span)));
        }
        Ok(close)
    }

    /// Skips a `comment` with those inside of it. Its tags need not be any of Liquid's, but have to be closed.
    fn comment(&mut self, open: Token<'t>) -> Result<Token<'t>, Box<Diagnostic>> {
        let mut depth = 1_usize;
        loop {
            let rest = self.rest();
            let Some(brace) = rest.find("{%").into_iter().chain(rest.find("{{")).min() else {
                return Err(not_closed("comment", open.span));
            };
            self.at += brace;
            let rest = self.rest();
            if rest.starts_with("{{") {
                self.at += skipped_output(rest);
                continue;
            }
            let Some(close) = rest.find("%}") else { return Err(not_closed("comment", open.span)) };
            let token = self.braces(Kind::Tag(""), close);
            match tag_name(token.text.trim_start_matches(is_space)).0 {
                "raw" => {
                    let (end, _) = self.find_tag(&["endraw"]).ok_or_else(|| not_closed("raw", token.span))?;
                    self.at += end;
                    self.tag()?;
                }
                "comment" => depth += 1,
                "endcomment" => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(token);
                    }
                }
                _ => {}
            }
        }
    }
}

/// How long the output in a comment is. Where a tag begins in it, it goes to the end of that tag.
fn skipped_output(rest: &str) -> usize {
    let inside = rest.get(2..).unwrap_or_default();
    match (inside.find('}'), inside.find("{%")) {
        (Some(close), Some(tag)) if tag < close => {
            inside.get(tag..).and_then(|rest| rest.find("%}")).map_or(2, |end| tag + end + 4)
        }
        (Some(close), _) => 2 + close + 1,
        (None, Some(tag)) => inside.get(tag..).and_then(|rest| rest.find("%}")).map_or(2, |end| tag + end + 4),
        (None, None) => 2,
    }
}

fn no_markup(name: &str, token: &Token<'_>) -> Result<(), Box<Diagnostic>> {
    let words = token.text.trim_matches(is_space);
    if words.is_empty() {
        return Ok(());
    }
    let at = token.at + (token.text.len() - token.text.trim_start_matches(is_space).len());
    let span = Span::new(at, at + words.len());
    Err(Box::new(Diagnostic::new(Code::Syntax, format!("nothing stands behind `{name}` in its tag"), span).fix(
        span,
        "",
        "remove it",
    )))
}
