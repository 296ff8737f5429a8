//! Text to tree: pest reads the wide grammar, this file refuses what the RFC does not have and says why in words.

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::{Pair, Pairs};
use pest_derive::Parser;

use super::{Filter, Literal, MAX_INDEX, MAX_LENGTH, MAX_NESTING, Operator, Path, PathError, PathSpans, Selector};
use crate::scim::target::Step;
use crate::text::{Span, did_you_mean};

#[derive(Parser)]
#[grammar = "../grammar/scim.pest"]
struct Grammar;

/// Reads an attribute path (RFC 7644, Figure 7).
///
/// # Errors
/// When the text is no path, is over [`MAX_LENGTH`] bytes or nests deeper than [`MAX_NESTING`].
pub fn parse_path(text: &str) -> Result<Path, PathError> {
    let root = read(Rule::path_text, text, "a path")?;
    match root.into_inner().find(|pair| pair.as_rule() == Rule::path) {
        Some(pair) => Reader { lenient: false }.path(pair),
        None => Err(lost(text)),
    }
}

/// Reads a filter (RFC 7644, Figure 1).
///
/// # Errors
/// When the text is no filter, is over [`MAX_LENGTH`] bytes or nests deeper than [`MAX_NESTING`].
pub fn parse_filter(text: &str) -> Result<Filter, PathError> {
    filter_with(text, Reader { lenient: false })
}

/// Reads a filter as [`parse_filter`] does, and takes words without quotes and text in single quotes for strings, as
/// some clients send them.
///
/// # Errors
/// As [`parse_filter`].
pub fn parse_filter_lenient(text: &str) -> Result<Filter, PathError> {
    filter_with(text, Reader { lenient: true })
}

fn filter_with(text: &str, reader: Reader) -> Result<Filter, PathError> {
    let root = read(Rule::filter_text, text, "a filter")?;
    match root.into_inner().find(|pair| pair.as_rule() == Rule::filter) {
        Some(pair) => reader.filter(pair),
        None => Err(lost(text)),
    }
}

/// Reads a dotted JSON path; the first step is always a key.
pub(in crate::scim) fn json_steps(text: &str) -> Result<Vec<Step>, PathError> {
    let root = read(Rule::json_text, text, "a path")?;
    let mut steps = Vec::new();
    for pair in root.into_inner() {
        let at = span(&pair);
        steps.push(match pair.as_rule() {
            Rule::json_bare => Step::Key(pair.as_str().to_owned()),
            Rule::string => Step::Key(json_string(&pair)?),
            Rule::json_index => match pair.into_inner().next() {
                Some(number) => Step::Index(index(&number)?),
                None => return Err(lost(text)),
            },
            _ => continue,
        });
        if steps.len() > MAX_NESTING {
            return Err(PathError::new(format!("a path has {MAX_NESTING} steps at most"), at));
        }
    }
    match steps.first() {
        Some(Step::Key(root)) if root == "$" && steps.len() > 1 && !text.trim_start().starts_with('"') => {
            Err(PathError::new("a path starts with a key, not with `$`", Span::new(0, text.len()))
                .help("leave out the `$` and its dot; a key that is called `$` is written \"$\""))
        }
        Some(_) => Ok(steps),
        None => Err(lost(text)),
    }
}

/// The pest tree of `text`, which `what` says in words.
fn read<'t>(rule: Rule, text: &'t str, what: &str) -> Result<Pair<'t, Rule>, PathError> {
    let whole = Span::new(0, text.len());
    if text.len() > MAX_LENGTH {
        let message = format!("{what} has {MAX_LENGTH} bytes at most, this one has {}", text.len());
        return Err(PathError::new(message, whole));
    }
    if text.trim().is_empty() {
        return Err(PathError::new(format!("{what} is expected, and there is nothing"), whole));
    }
    check_nesting(text)?;
    match Grammar::parse(rule, text) {
        Ok(mut pairs) => pairs.next().ok_or_else(|| lost(text)),
        Err(error) => Err(in_words(&error, text)),
    }
}

/// Refuses deep nesting before the recursive parser sees it, and a string without its end, which the parser would only
/// miss at the end of the text.
fn check_nesting(text: &str) -> Result<(), PathError> {
    let (mut depth, mut in_string, mut escaped, mut opened) = (0_usize, false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                opened = at;
            }
            b'(' | b'[' if !in_string => depth += 1,
            b')' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            let message = format!("parentheses and brackets nest {MAX_NESTING} deep at most");
            return Err(PathError::new(message, Span::new(at, at + 1)));
        }
    }
    if in_string {
        return Err(PathError::new("a text in quotes is not closed", Span::new(opened, text.len()))
            .help("add a `\"` at its end"));
    }
    Ok(())
}

fn in_words(error: &pest::error::Error<Rule>, text: &str) -> PathError {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let rest = text.get(at..).unwrap_or_default();
    let found = rest.chars().next();
    let at = Span::new(at, at + found.map_or(0, char::len_utf8));
    let special = match found {
        Some('“' | '”' | '„' | '‘' | '’') => {
            Some(("is a typographic quotation mark", "write plain quotes, \"…\""))
        }
        Some('*') => {
            Some(("is not understood", "there is no wildcard: name an element, as in emails[type eq \"work\"]"))
        }
        Some(']') => Some(("closes nothing", "remove it, or add the `[` it belongs to")),
        Some(')') => Some(("closes nothing", "remove it, or add the `(` it belongs to")),
        Some('/') => Some(("is not part of a path", "write a dot between an attribute and its sub-attribute")),
        _ => None,
    };
    if let (Some((what, help)), Some(found)) = (special, found) {
        return PathError::new(format!("`{found}` {what}"), at).help(help);
    }
    let mut expected: Vec<&str> = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => {
            positives.iter().filter_map(|rule| rule_in_words(*rule)).collect()
        }
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    let open = |left: char, right: char| text.matches(left).count() > text.matches(right).count();
    if open('[', ']') {
        expected.push("`]`");
    }
    if open('(', ')') {
        expected.push("`)`");
    }
    expected.sort_unstable();
    expected.dedup();
    let help = listed(&expected).map(|list| format!("expected {list}"));
    match found {
        None => PathError::new("the text ends too early", at).help_if(help),
        Some(found) if found.is_control() => PathError::new("a control character cannot stand here", at).help_if(help),
        Some(found) if found.is_alphabetic() && !found.is_ascii() => {
            PathError::new(format!("`{found}` cannot be part of an attribute name"), at)
                .help("attribute names have the letters a to z, digits, `-`, `_` and `$`")
        }
        Some(found) if found.is_whitespace() => PathError::new("a blank cannot stand here", at).help_if(help),
        Some(found) => PathError::new(format!("`{found}` cannot stand here"), at).help_if(help),
    }
}

fn rule_in_words(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::path | Rule::name | Rule::plain_head | Rule::urn_head | Rule::test => "an attribute name",
        Rule::filter | Rule::conjunction | Rule::group | Rule::negation => "a filter",
        Rule::and => "`and`",
        Rule::or => "`or`",
        Rule::not => "`not`",
        Rule::present | Rule::operator | Rule::comparison => "an operator such as `eq`",
        Rule::string | Rule::single_quoted | Rule::word => "a value",
        Rule::selector | Rule::json_index => "`[`",
        Rule::index => "a number",
        Rule::tail => "`.` and a sub-attribute",
        Rule::json_bare => "a key",
        Rule::EOI => "the end",
        _ => return None,
    })
}

fn listed(words: &[&str]) -> Option<String> {
    match words {
        [] => None,
        [one] => Some((*one).to_owned()),
        [start @ .., last] => Some(format!("{} or {last}", start.join(", "))),
    }
}

/// For trees that the grammar cannot make: an error instead of a panic, should it change.
fn lost(text: &str) -> PathError {
    PathError::new("this is not understood", Span::new(0, text.len()))
}

fn span(pair: &Pair<'_, Rule>) -> Span {
    Span::new(pair.as_span().start(), pair.as_span().end())
}

fn index(pair: &Pair<'_, Rule>) -> Result<usize, PathError> {
    match pair.as_str().parse() {
        Ok(index) if index <= MAX_INDEX => Ok(index),
        _ => Err(PathError::new(format!("a position is {MAX_INDEX} at most"), span(pair))),
    }
}

fn json_string(pair: &Pair<'_, Rule>) -> Result<String, PathError> {
    serde_json::from_str(pair.as_str()).map_err(|_| {
        PathError::new(format!("{} is not a JSON string", pair.as_str()), span(pair))
            .help(r#"after a `\` only " \ / b f n r t and uXXXX may follow; write `\\` for a backslash"#)
    })
}

/// The reader of the tree.
#[derive(Clone, Copy)]
struct Reader {
    /// Whether a word without quotes is a string.
    lenient: bool,
}

impl Reader {
    fn filter(self, pair: Pair<'_, Rule>) -> Result<Filter, PathError> {
        self.joined(pair, Rule::conjunction, Self::conjunction, Filter::Or)
    }

    fn conjunction(self, pair: Pair<'_, Rule>) -> Result<Filter, PathError> {
        let at = span(&pair);
        let mut parts = Vec::new();
        for term in pair.into_inner() {
            match term.as_rule() {
                Rule::negation | Rule::group | Rule::test => parts.push(self.term(term)?),
                _ => {}
            }
        }
        one_or_many(parts, at, Filter::And)
    }

    fn joined(
        self,
        pair: Pair<'_, Rule>,
        rule: Rule,
        each: fn(Self, Pair<'_, Rule>) -> Result<Filter, PathError>,
        join: fn(Vec<Filter>) -> Filter,
    ) -> Result<Filter, PathError> {
        let at = span(&pair);
        let parts = pair.into_inner().filter(|part| part.as_rule() == rule).map(|part| each(self, part));
        one_or_many(parts.collect::<Result<_, _>>()?, at, join)
    }

    fn term(self, pair: Pair<'_, Rule>) -> Result<Filter, PathError> {
        let at = span(&pair);
        match pair.as_rule() {
            Rule::test => self.test(pair),
            rule => {
                for inner in pair.into_inner() {
                    match inner.as_rule() {
                        Rule::filter => return self.filter(inner),
                        Rule::group if rule == Rule::negation => {
                            return Ok(Filter::Not(Box::new(self.term(inner)?), at));
                        }
                        _ => {}
                    }
                }
                Err(PathError::new("an empty filter", at))
            }
        }
    }

    fn test(self, pair: Pair<'_, Rule>) -> Result<Filter, PathError> {
        let at = span(&pair);
        let mut inner = pair.into_inner();
        let Some(path) = inner.next() else { return Err(PathError::new("an attribute name is expected", at)) };
        let path = self.path(path)?;
        let is_not = path.to_string().eq_ignore_ascii_case("not");
        match inner.next() {
            Some(_) if is_not => {
                Err(PathError::new("`not` takes a filter in parentheses", path.spans.whole).help("write not (…)"))
            }
            Some(next) if next.as_rule() == Rule::present => Ok(Filter::Present { path, span: at }),
            Some(next) => {
                let (operator, value) = self.comparison(next)?;
                Ok(Filter::Compare { path, operator, value, span: at })
            }
            None if matches!(path.selector, Some(Selector::Filter(_))) && path.sub.is_none() => {
                Ok(Filter::Element(path))
            }
            None => Err(PathError::new(format!("`{path}` is not compared with anything"), at)
                .help(format!("write {path} eq \"…\", or {path} pr when any value will do"))),
        }
    }

    fn comparison(self, pair: Pair<'_, Rule>) -> Result<(Operator, Literal), PathError> {
        let at = span(&pair);
        let mut inner = pair.into_inner();
        let Some(word) = inner.next() else { return Err(PathError::new("an operator is expected", at)) };
        let operator = operator(&word)?;
        match inner.next() {
            Some(value) => Ok((operator, self.value(&value)?)),
            None => Err(PathError::new(format!("`{}` needs a value", word.as_str()), span(&word))
                .help(format!("write {} \"…\"", operator.as_str()))),
        }
    }

    fn value(self, pair: &Pair<'_, Rule>) -> Result<Literal, PathError> {
        let text = pair.as_str();
        match pair.as_rule() {
            Rule::single_quoted => {
                let inner = text.trim_matches('\'');
                if self.lenient {
                    return Ok(Literal::String(inner.to_owned()));
                }
                Err(PathError::new("text stands in double quotes", span(pair))
                    .help(format!("write {}", super::quoted(inner))))
            }
            Rule::word => self.word(text, span(pair)),
            _ => json_string(pair).map(Literal::String),
        }
    }

    fn word(self, text: &str, at: Span) -> Result<Literal, PathError> {
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Ok(Literal::Boolean(text.eq_ignore_ascii_case("true")));
        }
        if text.eq_ignore_ascii_case("null") {
            return Ok(Literal::Null);
        }
        match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) => {
                let decimal = || number.as_f64().filter(|decimal| decimal.is_finite()).map(Literal::Decimal);
                let literal = number.as_i64().map(Literal::Integer).or_else(decimal);
                literal.ok_or_else(|| PathError::new(format!("the number {text} is too large"), at))
            }
            // A JSON reader refuses what Rust reads as infinity.
            Err(_) if is_infinite(text) => Err(PathError::new(format!("the number {text} is too large"), at)),
            Err(_) if self.lenient => Ok(Literal::String(text.to_owned())),
            Err(_) => {
                let inner = text.trim_matches(['“', '”', '„', '‘', '’', '\'', '`']);
                Err(PathError::new(format!("the value {text} must stand in double quotes"), at)
                    .help(format!("write {}", super::quoted(inner))))
            }
        }
    }

    fn path(self, pair: Pair<'_, Rule>) -> Result<Path, PathError> {
        let whole = span(&pair);
        let mut path = Path {
            urn: None,
            attribute: String::new(),
            selector: None,
            sub: None,
            spans: PathSpans { whole, ..PathSpans::default() },
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::urn_head => split_urn(&part, &mut path)?,
                Rule::plain_head => {
                    let names = part.into_inner().map(|name| (name.as_str(), span(&name)));
                    set_names(&mut path, names)?;
                }
                Rule::selector => self.selector(part, &mut path)?,
                Rule::tail => set_tail(&mut path, part.into_inner())?,
                _ => {}
            }
        }
        Ok(path)
    }

    fn selector(self, pair: Pair<'_, Rule>, path: &mut Path) -> Result<(), PathError> {
        let at = span(&pair);
        if path.sub.is_some() {
            return Err(PathError::new("brackets come right after the attribute", at)
                .help(format!("write {}[…]", path.attribute)));
        }
        path.spans.selector = Some(at);
        path.selector = match pair.into_inner().next() {
            None => {
                return Err(PathError::new("nothing is between the brackets", at)
                    .help(format!("write {0}[type eq \"work\"] or {0}[0]", path.attribute)));
            }
            Some(inner) if inner.as_rule() == Rule::index => Some(Selector::Index(index(&inner)?)),
            Some(inner) => {
                let filter = self.filter(inner)?;
                match inner_selector(&filter) {
                    Some(at) => {
                        return Err(PathError::new("brackets cannot stand within brackets", at)
                            .help("compare a sub-attribute by its name, as in [type eq \"work\"]"));
                    }
                    None => Some(Selector::Filter(Box::new(filter))),
                }
            }
        };
        Ok(())
    }
}

fn one_or_many(mut parts: Vec<Filter>, at: Span, join: fn(Vec<Filter>) -> Filter) -> Result<Filter, PathError> {
    match parts.len() {
        0 => Err(PathError::new("an empty filter", at)),
        1 => parts.pop().ok_or_else(|| PathError::new("an empty filter", at)),
        _ => Ok(join(parts)),
    }
}

fn is_infinite(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(f64::is_infinite)
}

/// Where a filter has brackets, which within brackets it may not (RFC 7644, `valFilter`).
fn inner_selector(filter: &Filter) -> Option<Span> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().find_map(inner_selector),
        Filter::Not(inner, _) => inner_selector(inner),
        Filter::Compare { path, .. } | Filter::Present { path, .. } | Filter::Element(path) => path.spans.selector,
    }
}

fn operator(pair: &Pair<'_, Rule>) -> Result<Operator, PathError> {
    let word = pair.as_str();
    if let Some(operator) = Operator::parse(word) {
        return Ok(operator);
    }
    let lower = word.to_ascii_lowercase();
    let meant = match lower.as_str() {
        "=" | "==" | "===" | "equals" | "is" | "equal" => Some(Operator::Equal),
        "!=" | "<>" | "!==" | "neq" | "isnot" => Some(Operator::NotEqual),
        "~" | "=~" | "contains" | "includes" | "like" => Some(Operator::Contains),
        "startswith" | "starts" => Some(Operator::StartsWith),
        "endswith" | "ends" | "ends_with" => Some(Operator::EndsWith),
        ">" => Some(Operator::Greater),
        ">=" | "gte" => Some(Operator::GreaterOrEqual),
        "<" => Some(Operator::Less),
        "<=" | "lte" => Some(Operator::LessOrEqual),
        _ => None,
    };
    let help = match meant {
        Some(operator) => format!("write `{}`", operator.as_str()),
        None => did_you_mean(word, Operator::ALL.map(Operator::as_str).into_iter().chain(["pr"]))
            .unwrap_or_else(|| "the operators are eq, ne, co, sw, ew, gt, ge, lt, le and pr".to_owned()),
    };
    Err(PathError::new(format!("`{word}` is not an operator"), span(pair)).help(help))
}

/// Attribute and sub-attribute from names that dots joined.
fn set_names<'t>(path: &mut Path, names: impl IntoIterator<Item = (&'t str, Span)>) -> Result<(), PathError> {
    for (at, (name, place)) in names.into_iter().enumerate() {
        check_name(name, place)?;
        match at {
            0 => {
                name.clone_into(&mut path.attribute);
                path.spans.attribute = place;
            }
            1 => {
                path.sub = Some(name.to_owned());
                path.spans.sub = Some(place);
            }
            _ => return Err(too_deep(path, name, place)),
        }
    }
    Ok(())
}

fn set_tail(path: &mut Path, names: Pairs<'_, Rule>) -> Result<(), PathError> {
    for name in names {
        let place = span(&name);
        if path.sub.is_some() {
            return Err(too_deep(path, name.as_str(), place));
        }
        path.sub = Some(name.as_str().to_owned());
        path.spans.sub = Some(place);
    }
    Ok(())
}

fn too_deep(path: &Path, name: &str, at: Span) -> PathError {
    let (attribute, sub) = (&path.attribute, path.sub.as_deref().unwrap_or_default());
    PathError::new("a sub-attribute has no sub-attributes of its own", at).help(format!(
        "a SCIM path ends after one dot, as {path} does; an element of a list is chosen in brackets, as in \
         {attribute}[type eq \"{sub}\"].{name}"
    ))
}

fn check_name(name: &str, at: Span) -> Result<(), PathError> {
    let letters = name.strip_prefix('$').unwrap_or(name);
    let valid = letters.starts_with(|first: char| first.is_ascii_alphabetic())
        && letters.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '$'));
    if valid {
        return Ok(());
    }
    let message = match name {
        "" => "an attribute name is missing".to_owned(),
        name => format!("`{name}` is not an attribute name"),
    };
    Err(PathError::new(message, at).help("a name starts with a letter; after the URN comes a colon and the attribute"))
}

/// Finds where the URN ends: at the last colon, or in the old form `…:2.0:User.department` at the dot behind the
/// resource type, which a version before it gives away.
fn split_urn(pair: &Pair<'_, Rule>, path: &mut Path) -> Result<(), PathError> {
    let (text, start) = (pair.as_str(), pair.as_span().start());
    let Some((urn, rest)) = text.rsplit_once(':') else { return Err(lost(text)) };
    let is_version =
        |word: &str| word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let version_before = urn.rsplit_once(':').is_some_and(|(_, word)| is_version(word));
    let (urn, rest) = match rest.split_once('.') {
        Some((kind, names)) if version_before => (text.get(..urn.len() + 1 + kind.len()).unwrap_or(urn), names),
        _ => (urn, rest),
    };
    path.urn = Some(urn.to_owned());
    path.spans.urn = Some(Span::new(start, start + urn.len()));
    let mut at = start + text.len() - rest.len();
    let names = rest.split('.').map(|name| {
        let place = Span::new(at, at + name.len());
        at += name.len() + 1;
        (name, place)
    });
    set_names(path, names)
}

#[cfg(test)]
mod tests;
