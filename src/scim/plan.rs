//! What of a filter an index can answer: equalities that every match must fulfil.
//!
//! Entra asks before each write whether somebody is there, nearly always with one equality. [`probe`] sees those without
//! building a tree; [`FilterPlan::of`] takes them out of any compiled filter.

use std::borrow::Cow;

use super::compare::Timestamp;
use super::filter::{Check, Matcher, Node, Test};
use super::path::Operator;
use super::peer::{Tolerance, Tolerances};
use super::schema::{AttributeType, ENTERPRISE_USER, GROUP, ResourceSchema, Returned, USER};

/// What a store may have an index on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Index {
    /// `id`.
    Id,
    /// `userName`.
    UserName,
    /// `externalId`.
    ExternalId,
    /// `displayName`.
    DisplayName,
    /// `emails.value`, of whatever type.
    Email,
    /// `emails[type eq "work"].value`.
    WorkEmail,
    /// `members.value`.
    Member,
    /// `manager.value`.
    Manager,
    /// `active`.
    Active,
    /// `meta.lastModified`.
    LastModified,
}

/// A condition that an index can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The value is this; already folded by [`super::compare::fold`] where letter case does not count.
    Equal {
        /// The index.
        index: Index,
        /// The value.
        value: String,
    },
    /// `active` is this.
    Active(bool),
    /// `meta.lastModified` compares so.
    Modified {
        /// `eq`, `gt`, `ge`, `lt` or `le`.
        operator: Operator,
        /// With this.
        time: Timestamp,
    },
}

impl Key {
    /// The index that answers it.
    pub fn index(&self) -> Index {
        match self {
            Self::Equal { index, .. } => *index,
            Self::Active(_) => Index::Active,
            Self::Modified { .. } => Index::LastModified,
        }
    }
}

/// What indexes can do for a filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterPlan {
    /// Conditions that all hold for each match; empty means that every resource is to be looked at.
    pub keys: Vec<Key>,
    /// Whether the conditions are the whole filter, so that nothing is left to ask the [`Matcher`].
    pub complete: bool,
}

impl FilterPlan {
    /// The conditions of a filter that these indexes can answer.
    pub fn of(matcher: &Matcher, indexed: &[Index]) -> Self {
        let mut plan = Self { keys: Vec::new(), complete: true };
        plan.take(&matcher.node, indexed);
        plan
    }

    fn take(&mut self, node: &Node, indexed: &[Index]) {
        match node {
            Node::And(parts) => parts.iter().for_each(|part| self.take(part, indexed)),
            Node::Test(test) => match key(test) {
                Some((key, whole)) if indexed.contains(&key.index()) => {
                    self.keys.push(key);
                    self.complete &= whole;
                }
                _ => self.complete = false,
            },
            Node::Or(_) | Node::Not(_) => self.complete = false,
        }
    }

    /// The first equality on an index that finds few: not `active`, not a time.
    pub fn equality(&self) -> Option<(Index, &str)> {
        self.keys.iter().find_map(|key| match key {
            Key::Equal { index, value } => Some((*index, value.as_str())),
            _ => None,
        })
    }
}

/// The condition of a test, and whether it is all of it.
fn key(test: &Test) -> Option<(Key, bool)> {
    let attribute = test.attribute.as_deref()?;
    let equal = |index, check: &Check| match check {
        Check::Text { operator: Operator::Equal, value, .. } => Some(Key::Equal { index, value: value.clone() }),
        _ => None,
    };
    if let Some(urn) = test.urn.as_deref() {
        let manager = urn == ENTERPRISE_USER && attribute == "manager" && test.sub.as_deref() == Some("value");
        return if manager { Some((equal(Index::Manager, &test.check)?, test.selector.is_none())) } else { None };
    }
    match (attribute, test.selector.as_deref(), test.sub.as_deref(), &test.check) {
        ("id", None, None, check) => Some((equal(Index::Id, check)?, true)),
        ("userName", None, None, check) => Some((equal(Index::UserName, check)?, true)),
        ("externalId", None, None, check) => Some((equal(Index::ExternalId, check)?, true)),
        ("displayName", None, None, check) => Some((equal(Index::DisplayName, check)?, true)),
        ("emails", None, Some("value"), check) => Some((equal(Index::Email, check)?, true)),
        ("emails", Some(selector), Some("value"), check) if is_work(selector) => {
            Some((equal(Index::WorkEmail, check)?, true))
        }
        ("emails", Some(selector), None, Check::Present) => work_value(selector),
        ("members", None, Some("value"), check) => Some((equal(Index::Member, check)?, true)),
        ("members", Some(Node::Test(inner)), None, Check::Present) if inner.attribute.as_deref() == Some("value") => {
            Some((equal(Index::Member, &inner.check)?, true))
        }
        ("active", None, None, Check::Boolean(truth)) => Some((Key::Active(*truth), true)),
        ("meta", None, Some("lastModified"), Check::Time { operator, value }) => {
            Some((Key::Modified { operator: *operator, time: *value }, true))
        }
        _ => None,
    }
}

/// `[type eq "work"]`.
fn is_work(node: &Node) -> bool {
    matches!(node, Node::Test(Test { attribute: Some(name), check: Check::Text { operator: Operator::Equal, value, .. }, .. })
        if name == "type" && value == "work")
}

/// `emails[type eq "work" and value eq "…"]`.
fn work_value(node: &Node) -> Option<(Key, bool)> {
    let parts = match node {
        Node::And(parts) => parts.as_slice(),
        Node::Test(_) => std::slice::from_ref(node),
        _ => return None,
    };
    let value = parts.iter().find_map(|part| match part {
        Node::Test(Test {
            attribute: Some(name), check: Check::Text { operator: Operator::Equal, value, .. }, ..
        }) if name == "value" => Some(value.clone()),
        _ => None,
    })?;
    let work = parts.iter().any(is_work);
    let index = if work { Index::WorkEmail } else { Index::Email };
    Some((Key::Equal { index, value }, parts.len() == 1 + usize::from(work)))
}

/// Attributes of one equality, as Entra spells them, by the core URN of the resource that has them.
const PROBES: &[(&str, Index, bool, Option<&str>)] = &[
    ("userName", Index::UserName, false, Some(USER)),
    ("externalId", Index::ExternalId, true, None),
    ("emails[type eq \"work\"].value", Index::WorkEmail, false, Some(USER)),
    ("emails.value", Index::Email, false, Some(USER)),
    ("displayName", Index::DisplayName, false, Some(USER)),
    ("displayName", Index::DisplayName, false, Some(GROUP)),
    ("id", Index::Id, true, None),
];

/// The value of a filter that is one equality on an index and nothing else, as `userName eq "ada"`; `None` is every other
/// filter, right or wrong, which then goes to [`Matcher::parse`], and so does one on an attribute that a schema declares to
/// be compared in another way than the RFC says. The value is folded where letter case does not count.
///
/// Nothing is allocated but for a value in capitals.
pub fn probe<'f>(filter: &'f str, resource: &ResourceSchema, tolerances: Tolerances) -> Option<(Index, Cow<'f, str>)> {
    if !tolerances.has(Tolerance::UnquotedFilterValue) && filter.contains('\'') {
        return None;
    }
    let filter = filter.trim_matches(' ');
    let core = resource.core.id.as_ref();
    let (index, exact, rest) = PROBES.iter().find_map(|(name, index, exact, owner)| {
        let (head, rest) = filter.split_at_checked(name.len())?;
        let fits = owner.is_none_or(|owner| owner == core) && head.eq_ignore_ascii_case(name) && rest.starts_with(' ');
        (fits && is_as_usual(name, *exact, resource)).then_some((*index, *exact, rest))
    })?;
    let (operator, value) = rest.trim_start_matches(' ').split_at_checked(2)?;
    let value = value.strip_prefix(' ')?.trim_start_matches(' ').strip_prefix('"')?.strip_suffix('"')?;
    // An escape, a second string or a control character: the parser shall look at it.
    let plain = value.bytes().all(|byte| byte != b'"' && byte != b'\\' && byte >= b' ');
    if !operator.eq_ignore_ascii_case("eq") || !plain || filter.len() > super::path::MAX_LENGTH {
        return None;
    }
    Some((index, if exact { Cow::Borrowed(value) } else { super::compare::fold(value) }))
}

/// Whether an attribute of [`PROBES`] is text of this kind: a source may declare it anew.
fn is_as_usual(name: &str, exact: bool, resource: &ResourceSchema) -> bool {
    let (name, sub) = if name.starts_with("emails") { ("emails", Some("value")) } else { (name, None) };
    let attribute = resource.attribute(name);
    let leaf = sub.map_or(attribute, |sub| attribute?.sub(sub));
    [attribute, leaf].into_iter().all(|found| found.is_some_and(|found| found.returned != Returned::Never))
        && leaf.is_some_and(|leaf| leaf.kind == AttributeType::String && leaf.case_exact == exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::Attribute;

    const ALL: &[Index] = &[
        Index::Id,
        Index::UserName,
        Index::ExternalId,
        Index::DisplayName,
        Index::Email,
        Index::WorkEmail,
        Index::Member,
        Index::Manager,
        Index::Active,
        Index::LastModified,
    ];

    fn plan(text: &str, of: &str) -> FilterPlan {
        let resource = ResourceSchema::for_resource(of).unwrap();
        FilterPlan::of(&Matcher::parse(text, &resource, Tolerances::ALL).unwrap(), ALL)
    }

    fn shown(plan: &FilterPlan) -> String {
        let keys = plan.keys.iter().map(|key| match key {
            Key::Equal { index, value } => format!("{index:?}={value}"),
            Key::Active(truth) => format!("Active={truth}"),
            Key::Modified { operator, time } => format!("Modified {} {}", operator.as_str(), time.seconds),
        });
        format!("{}{}", keys.collect::<Vec<_>>().join(" "), if plan.complete { "" } else { " …" })
    }

    #[test]
    fn equalities_are_found_wherever_they_stand() {
        for (text, expected) in [
            (r#"userName eq "Ada""#, "UserName=ada"),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "Ada""#, "UserName=ada"),
            (r#"externalId eq "Ada""#, "ExternalId=Ada"),
            (r#"emails[type eq "work"].value eq "A@x""#, "WorkEmail=a@x"),
            (r#"emails[type eq "work" and value eq "A@x"]"#, "WorkEmail=a@x"),
            (r#"emails[value eq "A@x" and primary eq true]"#, "Email=a@x …"),
            (r#"emails eq "a@x""#, "Email=a@x"),
            (r#"id eq "1" and manager eq "2""#, "Id=1 Manager=2"),
            (r#"userName eq "a" and title pr"#, "UserName=a …"),
            (r#"userName eq "a" or title pr"#, " …"),
            (r#"not (userName eq "a")"#, " …"),
            (r#"userName sw "a""#, " …"),
            (
                r#"active eq "True" and (meta.lastModified ge "1970-01-01T" and meta.lastModified le "1970-01-02")"#,
                "Active=true Modified ge 0 Modified le 86400",
            ),
        ] {
            assert_eq!(shown(&plan(text, "User")), expected, "{text}");
        }
        assert_eq!(shown(&plan(r#"id eq "1" and members eq "2""#, "Group")), "Id=1 Member=2");
        assert_eq!(shown(&plan(r#"members[value eq "2"]"#, "Group")), "Member=2");
    }

    #[test]
    fn a_probe_says_what_the_plan_says() {
        let user = ResourceSchema::for_resource("User").unwrap();
        for text in [
            r#"userName eq "Ada""#,
            r#" USERNAME  EQ  "Ada ""#,
            r#"externalId eq "0a-F""#,
            r#"emails[type eq "work"].value eq "A@x""#,
            r#"emails.value eq "A@x""#,
            r#"displayName eq "É""#,
            r#"id eq """#,
        ] {
            let (index, value) = probe(text, &user, Tolerances::ALL).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(plan(text, "User").equality(), Some((index, &*value)), "{text}");
        }
        for text in [
            r#"userName eq "a" or title eq "b""#,
            r#"userName eq "a\"b""#,
            r#"userName ne "a""#,
            r#"userNames eq "a""#,
            "userName eq a",
            "userName eq",
            "userName",
            "",
            r#"userName eq ""#,
        ] {
            assert_eq!(probe(text, &user, Tolerances::ALL), None, "{text}");
        }
        let group = ResourceSchema::for_resource("Group").unwrap();
        assert_eq!(probe(r#"userName eq "a""#, &group, Tolerances::ALL), None);
        let own = Attribute::new("userName", AttributeType::String, "").case_exact();
        assert_eq!(probe(r#"userName eq "a""#, &user.with_extension(USER, [own]), Tolerances::ALL), None);
    }
}
