//! The blanks of an expression put right, its lines left as they are broken.

use crate::function::lookup;

use super::outline::Outline;

/// The expression with one blank behind each comma and around each operator, none within parentheses and brackets, and the
/// names of functions as Microsoft writes them. Where the author broke a line, it stays broken, with its indentation.
///
/// `None` when the text is no expression of Entra; it then stays as it is.
pub fn tidy(text: &str) -> Option<String> {
    Outline::parse(text).ok()?;
    let mut out = String::with_capacity(text.len() + 16);
    let lines = text.contains('\n');
    let mut before = Token::Start;
    let mut rest = text;
    while let Some(next) = Piece::next(rest) {
        let Piece { blank, token, raw, behind } = next;
        out.push_str(&gap(blank, before, token, lines));
        match token {
            Token::Attribute => {
                let name = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
                out.extend(["[", name.trim(), "]"]);
            }
            Token::Word if behind.trim_start().starts_with('(') => {
                out.push_str(lookup(raw).map_or(raw, |spec| spec.name));
            }
            _ => out.push_str(raw),
        }
        before = token;
        rest = behind;
    }
    if lines {
        out.push_str(&broken(rest));
    }
    Some(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Start,
    Word,
    Text,
    Attribute,
    Operator,
    Comma,
    Open,
    Close,
}

/// The next token, the blanks before it and the text behind it.
struct Piece<'t> {
    blank: &'t str,
    token: Token,
    raw: &'t str,
    behind: &'t str,
}

/// What the grammar takes as blank.
fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n' | '\u{a0}' | '\u{feff}')
}

impl<'t> Piece<'t> {
    /// `None` when nothing but blanks is left. The text has an outline, so that every constant and bracket is closed.
    fn next(text: &'t str) -> Option<Piece<'t>> {
        let rest = text.trim_start_matches(is_blank);
        let (blank, _) = text.split_at_checked(text.len() - rest.len())?;
        let (token, length) = match rest.chars().next()? {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '"' => (Token::Text, text_length(rest)),
            '[' => (Token::Attribute, attribute_length(rest)),
            '<' | '>' | '=' => (Token::Operator, rest.find(|letter| !"<>=".contains(letter)).unwrap_or(rest.len())),
            _ => {
                let ends = |letter: char| is_blank(letter) || "(),\"[<>=".contains(letter);
                (Token::Word, rest.find(ends).unwrap_or(rest.len()))
            }
        };
        let (raw, behind) = rest.split_at_checked(length)?;
        Some(Piece { blank, token, raw, behind })
    }
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, letter)| {
        let closing = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        closing
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

fn attribute_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let end = rest.char_indices().find(|(_, letter)| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// What is to stand between two tokens.
fn gap(blank: &str, before: Token, token: Token, lines: bool) -> String {
    match (before, token) {
        (Token::Start, _) if lines => blank.to_owned(),
        (Token::Start, _) => String::new(),
        _ if blank.contains('\n') => broken(blank),
        (Token::Comma | Token::Operator, _) | (_, Token::Operator) => " ".to_owned(),
        _ => String::new(),
    }
}

/// Blanks with line ends in them, without those before a line's end.
fn broken(blank: &str) -> String {
    let mut lines = blank.split('\n');
    let last = lines.next_back().unwrap_or_default();
    let mut out = String::new();
    for line in lines {
        out.push_str(if line.ends_with('\r') { "\r\n" } else { "\n" });
    }
    if !out.is_empty() {
        out.push_str(&last.replace(['\u{a0}', '\u{feff}'], " "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_put_right_and_lines_are_kept() {
        for (text, wanted) in [
            ("  tolower( [ mail ] )  ", "ToLower([mail])"),
            ("Replace([a],\"x\",,,\"(\\\" , \",,)", "Replace([a], \"x\", , , \"(\\\" , \", , )"),
            ("IIF([a]=\"1\",  [b]  ,[c])", "IIF([a] = \"1\", [b], [c])"),
            ("IIF(IsPresent([a])  <>\"x\" ,-1,&HF)", "IIF(IsPresent([a]) <> \"x\", -1, &HF)"),
            ("Switch([a],  \n    \"x\",\"y\" ,  \n\"z\",\"w\")\n", "Switch([a],\n    \"x\", \"y\",\n\"z\", \"w\")\n"),
            ("[emails[type eq \"work\"].value]", "[emails[type eq \"work\"].value]"),
            ("Join ( \",\" ,%m%, [a b(c),d] )", "Join(\",\", %m%, [a b(c),d])"),
        ] {
            assert_eq!(tidy(text).as_deref(), Some(wanted), "{text:?}");
            assert_eq!(tidy(wanted).as_deref(), Some(wanted), "{wanted:?}");
        }
        assert_eq!(tidy("[a] & [b]"), None);
        assert_eq!(tidy("ToLower("), None);
    }
}
