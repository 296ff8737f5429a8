//! Attribute paths and filters as trees (RFC 7644, section 3.10 and Figures 1 and 7).
//!
//! This file has the types and how they print; `path/parse.rs` reads them from text, and [`super::target`] says what a
//! path means for a resource. Printing gives the canonical form, and reading that gives the same tree.

mod parse;

use std::fmt::{self, Display as _};

use crate::text::Span;

pub(super) use parse::json_steps;
pub use parse::{parse_filter, parse_filter_lenient, parse_path};

/// The longest path or filter that is read, in bytes.
pub const MAX_LENGTH: usize = 4_096;
/// How deep parentheses and brackets may nest.
pub const MAX_NESTING: usize = 32;
/// The largest number that may stand in `[…]`.
pub const MAX_INDEX: usize = 9_999;

/// Why a path or filter cannot be read, or cannot be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// What is wrong; stands alone.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Where, in bytes of the text given.
    pub span: Span,
}

impl PathError {
    /// An error without advice.
    pub fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), help: None, span }
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds advice when there is some.
    #[must_use]
    pub fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PathError {}

/// An attribute path such as `urn:…:User:manager.value` or `emails[type eq "work"].value` (RFC 7644, Figure 7).
///
/// Where the URN ends is a guess when the path has dots: the last colon, or the dot after `:2.0:User` in the old form
/// `urn:…:2.0:User.department`. [`super::target::locate`] corrects the guess for a resource whose URNs are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The schema before the last colon.
    pub urn: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// Which elements of it.
    pub selector: Option<Selector>,
    /// The sub-attribute.
    pub sub: Option<String>,
    /// Where each part stands.
    pub spans: PathSpans,
}

/// Where the parts of a [`Path`] stand in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathSpans {
    /// The whole path.
    pub whole: Span,
    /// The URN, without its colon.
    pub urn: Option<Span>,
    /// The attribute name.
    pub attribute: Span,
    /// The brackets and what is in them.
    pub selector: Option<Span>,
    /// The sub-attribute name.
    pub sub: Option<Span>,
}

/// What stands in the brackets of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The elements for which a filter holds (RFC 7644, `valFilter`).
    Filter(Box<Filter>),
    /// The element at a position, from 0; not in the RFC.
    Index(usize),
}

/// A filter (RFC 7644, section 3.4.2.2). `and` binds tighter than `or`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them, two at least.
    And(Vec<Filter>),
    /// One of them, two at least.
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>, Span),
    /// The attribute and a value compare.
    Compare {
        /// The attribute.
        path: Path,
        /// How.
        operator: Operator,
        /// With what.
        value: Literal,
        /// Where.
        span: Span,
    },
    /// The attribute has a value (`pr`).
    Present {
        /// The attribute.
        path: Path,
        /// Where.
        span: Span,
    },
    /// The attribute has an element for which the filter in its brackets holds (`valuePath`).
    Element(Path),
}

impl Filter {
    /// Where the filter stands in its text.
    pub fn span(&self) -> Span {
        match self {
            Filter::And(parts) | Filter::Or(parts) => {
                parts.iter().map(Filter::span).reduce(Span::to).unwrap_or_default()
            }
            Filter::Not(_, span) | Filter::Compare { span, .. } | Filter::Present { span, .. } => *span,
            Filter::Element(path) => path.spans.whole,
        }
    }
}

/// How an attribute and a value compare (RFC 7644, Table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `eq`: equal.
    Equal,
    /// `ne`: not equal.
    NotEqual,
    /// `co`: contains.
    Contains,
    /// `sw`: starts with.
    StartsWith,
    /// `ew`: ends with.
    EndsWith,
    /// `gt`: greater than.
    Greater,
    /// `ge`: greater than or equal.
    GreaterOrEqual,
    /// `lt`: less than.
    Less,
    /// `le`: less than or equal.
    LessOrEqual,
}

impl Operator {
    /// Every operator, in the order of the RFC's table.
    pub const ALL: [Operator; 9] = [
        Self::Equal,
        Self::NotEqual,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    /// The two letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Contains => "co",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }

    /// The operator of those letters, in any case (RFC 7644, section 3.4.2.2).
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.as_str().eq_ignore_ascii_case(word))
    }
}

/// A value in a filter (RFC 7644, `compValue`).
#[derive(Debug, Clone)]
pub enum Literal {
    /// A JSON string.
    String(String),
    /// A number without a fraction.
    Integer(i64),
    /// Any other number; never NaN or infinite.
    Decimal(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`.
    Null,
}

/// Decimals are equal when their bits are, so that equality is one that `Eq` may promise.
impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a.to_bits() == b.to_bits(),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Null, Self::Null) => true,
            _ => false,
        }
    }
}

impl Eq for Literal {}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.attribute)?;
        match &self.selector {
            Some(Selector::Filter(filter)) => write!(f, "[{filter}]")?,
            Some(Selector::Index(index)) => write!(f, "[{index}]")?,
            None => {}
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::And(parts) => joined(f, parts, " and ", |part| matches!(part, Filter::And(_) | Filter::Or(_))),
            Filter::Or(parts) => joined(f, parts, " or ", |part| matches!(part, Filter::Or(_))),
            Filter::Not(inner, _) => write!(f, "not ({inner})"),
            Filter::Compare { path, operator, value, .. } => write!(f, "{path} {} {value}", operator.as_str()),
            Filter::Present { path, .. } => write!(f, "{path} pr"),
            Filter::Element(path) => path.fmt(f),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Filter],
    word: &str,
    in_parentheses: impl Fn(&Filter) -> bool,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(word)?;
        }
        if in_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            part.fmt(f)?;
        }
    }
    Ok(())
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::String(text) => f.write_str(&quoted(text)),
            Literal::Integer(number) => number.fmt(f),
            // With `Debug` a decimal keeps its point, so that it is read back as one.
            Literal::Decimal(number) => write!(f, "{number:?}"),
            Literal::Boolean(truth) => truth.fmt(f),
            Literal::Null => f.write_str("null"),
        }
    }
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        parse_path(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn paths_have_their_parts() {
        const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        #[expect(clippy::type_complexity, reason = "a table of cases, read below")]
        let cases: &[(&str, Option<&str>, &str, bool, Option<&str>)] = &[
            ("userName", None, "userName", false, None),
            ("name.givenName", None, "name", false, Some("givenName")),
            ("members.$ref", None, "members", false, Some("$ref")),
            (" emails[type  eq \"work\"].value ", None, "emails", true, Some("value")),
            ("emails[ type eq \"a]b\" ]", None, "emails", true, None),
            ("groups[0].displayName", None, "groups", true, Some("displayName")),
            ("{}:department", Some(ENTERPRISE), "department", false, None),
            ("{}:manager.value", Some(ENTERPRISE), "manager", false, Some("value")),
            ("{}.department", Some(ENTERPRISE), "department", false, None),
            ("{}.manager.value", Some(ENTERPRISE), "manager", false, Some("value")),
            ("{}:x[primary eq true].y", Some(ENTERPRISE), "x", true, Some("y")),
            ("urn:x:my.ext:badge", Some("urn:x:my.ext"), "badge", false, None),
            ("http://example.com/2.0/User:badge", Some("http://example.com/2.0/User"), "badge", false, None),
        ];
        for (text, urn, attribute, selector, sub) in cases {
            let text = text.replace("{}", ENTERPRISE);
            let path = path(&text);
            assert_eq!(path.urn.as_deref(), *urn, "{text}");
            assert_eq!(path.attribute, *attribute, "{text}");
            assert_eq!(path.selector.is_some(), *selector, "{text}");
            assert_eq!(path.sub.as_deref(), *sub, "{text}");
            assert_eq!(text.get(path.spans.attribute.range()), Some(*attribute), "{text}");
            assert_eq!(path.spans.sub.and_then(|span| text.get(span.range())), *sub, "{text}");
            assert_eq!(path.spans.urn.and_then(|span| text.get(span.range())), *urn, "{text}");
            assert_eq!(text.get(path.spans.whole.range()), Some(text.trim()), "{text}");
        }
    }

    #[test]
    fn filters_print_canonically_and_read_back() {
        let cases = [
            (r#"userName Eq "bjensen""#, r#"userName eq "bjensen""#),
            (r#"name.familyName co "O'Malley""#, r#"name.familyName co "O'Malley""#),
            (r#"urn:a:2.0:User:userName sw "J""#, r#"urn:a:2.0:User:userName sw "J""#),
            ("title PR AND active eq TRUE", "title pr and active eq true"),
            ("a pr or b pr and c pr", "a pr or b pr and c pr"),
            ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
            ("a pr and (b pr and c pr)", "a pr and (b pr and c pr)"),
            ("((a pr))", "a pr"),
            ("not (a pr) and b pr", "not (a pr) and b pr"),
            ("not(a pr or b pr)", "not (a pr or b pr)"),
            (r#"emails[type eq "work"].value eq "a""#, r#"emails[type eq "work"].value eq "a""#),
            (
                r#"emails[type eq "work" and value co "@x"] or ims[type eq "xmpp"]"#,
                r#"emails[type eq "work" and value co "@x"] or ims[type eq "xmpp"]"#,
            ),
            (r#"a eq "q\"\u00e9\ud83d\ude00\\""#, r#"a eq "q\"é😀\\""#),
            (
                "a gt 1 or a ge -2.5 or a lt 1e3 or a le 0 or a ne null",
                "a gt 1 or a ge -2.5 or a lt 1000.0 or a le 0 or a ne null",
            ),
            (
                r#"active eq true and (meta.lastModified ge "0001-01-03T" and meta.lastModified le "2")"#,
                r#"active eq true and (meta.lastModified ge "0001-01-03T" and meta.lastModified le "2")"#,
            ),
            ("orders pr or android pr and notes pr", "orders pr or android pr and notes pr"),
        ];
        for (text, expected) in cases {
            let filter = parse_filter(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(filter.to_string(), expected);
            assert_eq!(parse_filter(expected).unwrap().to_string(), expected);
            assert_eq!(
                text.get(filter.span().range()).map(|part| part.trim_matches(['(', ')'])),
                Some(text.trim_matches(['(', ')']))
            );
        }
    }

    #[test]
    fn precedence_is_in_the_tree() {
        let Filter::Or(parts) = parse_filter("a pr or b pr and c pr").unwrap() else { panic!("not an or") };
        assert!(matches!(parts.as_slice(), [Filter::Present { .. }, Filter::And(_)]));
        let Filter::And(parts) = parse_filter("not (a pr) and b pr").unwrap() else { panic!("not an and") };
        assert!(matches!(parts.as_slice(), [Filter::Not(..), Filter::Present { .. }]));
    }

    #[test]
    fn lenient_takes_words_without_quotes() {
        assert_eq!(parse_filter_lenient("externalId eq jyoung").unwrap().to_string(), r#"externalId eq "jyoung""#);
        assert_eq!(parse_filter_lenient("a eq 'x y'").unwrap().to_string(), r#"a eq "x y""#);
        assert!(parse_filter("externalId eq jyoung").is_err());
    }
}
