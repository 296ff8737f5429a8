//! Entra's scoping filters: groups OR'ed, clauses in a group AND'ed, and the null rule.

use crate::dotnet::pattern::Pattern;
use crate::function::{Context, Fallible, Fault};
use crate::language::names::SourceNames;
use crate::text::{Code, Diagnostic, Span, closest, shorten};
use crate::value::{Layout, Slot, Value, parse_integer};

use super::file::{Clause as ClauseEntry, ClauseValue, Placed};

/// Which records are mapped.
#[derive(Debug, Default)]
pub(super) struct Scope {
    groups: Vec<Vec<Clause>>,
}

#[derive(Debug)]
struct Clause {
    slot: Slot,
    attribute: String,
    test: Test,
    span: Span,
}

enum Test {
    Equals(String),
    NotEquals(String),
    EndsWith(String),
    Includes(String),
    Greater(i64),
    GreaterOrEqual(i64),
    True,
    False,
    Null,
    NotNull,
    Matches(Box<Pattern>),
    MatchesNot(Box<Pattern>),
    Bits(i64),
    NotBits(i64),
}

impl std::fmt::Debug for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Test")
    }
}

/// The operators as Entra's portal writes them.
const OPERATORS: &[&str] = &[
    "EQUALS",
    "NOT EQUALS",
    "ENDS_WITH",
    "Includes",
    "Greater_Than",
    "Greater_Than_OR_EQUALS",
    "IS TRUE",
    "IS FALSE",
    "IS NULL",
    "IS NOT NULL",
    "REGEX MATCH",
    "NOT REGEX MATCH",
    "&",
    "!&",
];

/// Attributes that Entra's scoping filters cannot use.
const UNUSABLE: &[&str] = &["members", "appRoleAssignments", "userType", "manager", "proxyAddresses", "IsMemberOf"];

impl Scope {
    /// Compiles the filters; findings have spans of the file.
    pub(super) fn compile(
        groups: &[Vec<ClauseEntry>],
        layout: &mut Layout,
        names: &SourceNames,
        found: &mut Vec<Diagnostic>,
    ) -> Scope {
        let groups = groups
            .iter()
            .map(|group| {
                group
                    .iter()
                    .filter_map(|entry| {
                        found.extend(names.finding(&entry.attribute.value, entry.attribute.span, "\""));
                        if UNUSABLE.contains(&entry.attribute.value.as_str()) {
                            found.push(
                                Diagnostic::new(
                                    Code::Scope,
                                    format!("a scoping filter cannot use `{}`", shorten(&entry.attribute.value)),
                                    entry.attribute.span,
                                )
                                .help("Entra's filters take single-valued text, integer and boolean attributes"),
                            );
                        }
                        let test = compile_test(entry, found)?;
                        let slot = layout.slot(&entry.attribute.value);
                        Some(Clause { slot, attribute: entry.attribute.value.clone(), test, span: entry.span })
                    })
                    .collect()
            })
            .collect();
        Scope { groups }
    }

    /// Whether the record is mapped. A fault's span is in the file.
    #[inline]
    pub(super) fn holds<'a>(&self, slots: &[Value<'a>], context: &Context<'a>) -> Fallible<bool> {
        if self.groups.is_empty() { Ok(true) } else { self.any_holds(slots, context) }
    }

    fn any_holds<'a>(&self, slots: &[Value<'a>], context: &Context<'a>) -> Fallible<bool> {
        for group in &self.groups {
            let mut all = true;
            for clause in group {
                if !clause.holds(slots, context)? {
                    all = false;
                    break;
                }
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Clause {
    fn holds<'a>(&self, slots: &[Value<'a>], context: &Context<'a>) -> Fallible<bool> {
        let value = slots.get(self.slot.index()).copied().unwrap_or_default();
        let located = |mut fault: Box<Fault>| {
            fault.span = Some(self.span);
            fault
        };
        let text = match value {
            Value::List(items) if items.len() > 1 => {
                return Err(located(
                    Fault::new(
                        Code::Conversion,
                        format!("the scoping filter reads `{}`, which has {} values here", self.attribute, items.len()),
                    )
                    .help("scoping filters take single-valued attributes"),
                ));
            }
            value => context.text_of(value).map_err(located)?.unwrap_or_default(),
        };
        if text.is_empty() {
            return Ok(matches!(self.test, Test::Null));
        }
        let number = || parse_integer(text);
        Ok(match &self.test {
            Test::Null => false,
            Test::NotNull => true,
            Test::Equals(wanted) => text == wanted,
            Test::NotEquals(wanted) => text != wanted,
            Test::EndsWith(end) => text.ends_with(end.as_str()),
            Test::Includes(part) => text.contains(part.as_str()),
            Test::Greater(than) => number().is_some_and(|number| number > *than),
            Test::GreaterOrEqual(than) => number().is_some_and(|number| number >= *than),
            Test::True => text.eq_ignore_ascii_case("true"),
            Test::False => text.eq_ignore_ascii_case("false"),
            Test::Bits(bits) => number().is_some_and(|number| number & bits == *bits),
            Test::NotBits(bits) => number().is_some_and(|number| number & bits != *bits),
            Test::Matches(pattern) => pattern.is_match(text).map_err(|runaway| located(limit(&runaway)))?,
            Test::MatchesNot(pattern) => !pattern.is_match(text).map_err(|runaway| located(limit(&runaway)))?,
        })
    }
}

fn limit(runaway: &crate::dotnet::pattern::Runaway) -> Box<Fault> {
    Fault::new(Code::Limit, runaway.to_string())
}

/// The operator as the portal writes it, in whatever case and with `_`, `-` or a blank.
pub(super) fn canonical_operator(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.trim().to_ascii_uppercase().replace(['_', '-'], " ");
    let wanted = plain(name);
    OPERATORS.iter().find(|operator| plain(operator) == wanted).copied()
}

fn compile_test(entry: &ClauseEntry, found: &mut Vec<Diagnostic>) -> Option<Test> {
    let Some(operator) = canonical_operator(&entry.operator.value) else {
        let finding = Diagnostic::new(
            Code::Scope,
            format!("`{}` is not an operator of scoping filters", shorten(&entry.operator.value)),
            entry.operator.span,
        );
        found.push(match closest(&entry.operator.value, OPERATORS.iter().copied()) {
            Some(near) => finding.fix(entry.operator.span, format!("\"{near}\""), format!("did you mean `{near}`?")),
            None => finding.help(format!("the operators are {}", OPERATORS.join(", "))),
        });
        return None;
    };
    let without_value = operator.starts_with("IS ");
    match (&entry.value, without_value) {
        (Some(value), true) => {
            found.push(
                Diagnostic::new(Code::Scope, format!("{operator} takes no value"), value.span).help("remove `value`"),
            );
            return None;
        }
        (None, false) => {
            found.push(
                Diagnostic::new(Code::Scope, format!("{operator} needs a value"), entry.span)
                    .help("add `value = \"…\"`"),
            );
            return None;
        }
        _ => {}
    }
    let text = || match entry.value.as_ref().map(|value| &value.value) {
        Some(ClauseValue::Text(text)) => text.value.clone(),
        Some(ClauseValue::Integer(number)) => number.to_string(),
        None => String::new(),
    };
    let mut integer = || {
        let number = parse_integer(&text());
        if let (None, Some(value)) = (number, &entry.value) {
            found.push(
                Diagnostic::new(
                    Code::Scope,
                    format!("{operator} compares whole numbers; {:?} is none", shorten(&text())),
                    value.span,
                )
                .help("Entra's order operators take integers only; for text use REGEX MATCH"),
            );
        }
        number
    };
    Some(match operator {
        "EQUALS" => Test::Equals(text()),
        "NOT EQUALS" => Test::NotEquals(text()),
        "ENDS_WITH" => Test::EndsWith(text()),
        "Includes" => Test::Includes(text()),
        "Greater_Than" => Test::Greater(integer()?),
        "Greater_Than_OR_EQUALS" => Test::GreaterOrEqual(integer()?),
        "&" => Test::Bits(integer()?),
        "!&" => Test::NotBits(integer()?),
        "IS TRUE" => Test::True,
        "IS FALSE" => Test::False,
        "IS NULL" => Test::Null,
        "IS NOT NULL" => Test::NotNull,
        "REGEX MATCH" => Test::Matches(pattern(entry, &text(), found)?),
        _ => Test::MatchesNot(pattern(entry, &text(), found)?),
    })
}

/// The clause's pattern, made to match the whole text: `([1-9][0-9])` means 10 to 99, not 110.
fn pattern(entry: &ClauseEntry, source: &str, found: &mut Vec<Diagnostic>) -> Option<Box<Pattern>> {
    match Pattern::compile_whole(source) {
        Ok(pattern) => Some(Box::new(pattern)),
        Err(error) => {
            let span = match &entry.value {
                Some(Placed { value: ClauseValue::Text(text), .. }) => text.places.place(Span::from(error.span)),
                _ => entry.span,
            };
            found.push(Diagnostic::new(Code::Pattern, error.message, span).help_if(error.help));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::tree::{Places, Text};

    fn compiled(source: &str) -> Option<Box<Pattern>> {
        let word = |word: &str| Placed { value: word.to_owned(), span: Span::default() };
        let text = Text { value: source.to_owned(), places: Places::default() };
        let value = Some(Placed { value: ClauseValue::Text(text), span: Span::default() });
        let entry = ClauseEntry { attribute: word("a"), operator: word("REGEX MATCH"), value, span: Span::default() };
        pattern(&entry, source, &mut Vec::new())
    }

    #[test]
    fn a_pattern_matches_the_whole_text_whatever_stands_in_it() {
        let cases = [
            ("a|b", "ab", false),
            ("([1-9][0-9])", "110", false),
            ("([1-9][0-9])", "11", true),
            ("(?x)ab #c", "ab", true),
            ("(?x)ab #c", "abc", false),
            ("a#", "a#", true),
            ("a#", "a#\n", false),
            ("[)#(]", ")", true),
            (r"\(a\)", "(a)", true),
        ];
        for (source, text, matches) in cases {
            let pattern = compiled(source).unwrap_or_else(|| panic!("{source}"));
            assert_eq!(pattern.is_match(text), Ok(matches), "{source} on {text:?}");
        }
        for source in ["a)|(?:b", "[(]a)|(?:b", "(a", "a)"] {
            assert!(compiled(source).is_none(), "{source}");
        }
    }
}
