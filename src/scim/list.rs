//! Queries: parameters, paging by index and by cursor, sorting, and the list that answers (RFC 7644, section 3.4.2, and RFC
//! 9865).

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::compare::{Timestamp, boolean_text, field, order_numbers, order_text};
use super::error::ScimError;
use super::patch::require_schema;
use super::path::Selector;
use super::peer::Tolerances;
use super::place;
use super::schema::{Attribute, AttributeType, ResourceSchema, Returned};
use super::target::locate;
use super::values::is_primary;
use super::verbatim::push_text;

/// The URN of a list (RFC 7644, section 3.4.2).
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The URN of a search request (RFC 7644, section 3.4.3).
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// More bytes than stand around the resources of a list by index.
const AROUND: usize = 192;

/// The parameters of a GET.
const PARAMETERS: [&str; 8] =
    ["filter", "count", "startIndex", "attributes", "excludedAttributes", "sortBy", "sortOrder", "cursor"];

/// How many seconds a cursor is good for (RFC 9865, section 4).
pub const CURSOR_TIMEOUT: u64 = 3_600;

/// What a client asks for, by parameters of a GET or in the body of a POST to `.search`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Which resources.
    pub filter: Option<String>,
    /// By what they are sorted.
    pub sort_by: Option<String>,
    /// Whether the last comes first.
    pub descending: bool,
    /// The first result, from 1.
    pub start_index: Option<u64>,
    /// How many results, 0 for none but their number.
    pub count: Option<u64>,
    /// Where to go on (RFC 9865); empty on the first request. When it is there, `start_index` does not count.
    pub cursor: Option<String>,
    /// Names of attributes, at commas.
    pub attributes: Option<String>,
    /// Names of attributes not to have, at commas.
    pub excluded_attributes: Option<String>,
}

impl Query {
    /// Reads the decoded parameters of a GET. Names are read in any letter case; unknown ones, such as `aadOptscim062020`,
    /// mean nothing.
    ///
    /// # Errors
    /// 400 `invalidValue` when a number is none, `invalidCount` for that of a page by cursor.
    pub fn from_parameters<'p>(parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Self, ScimError> {
        let mut query = Self::default();
        let mut count = None;
        for (name, value) in parameters {
            let text = || Some(value.to_owned());
            match PARAMETERS.into_iter().find(|known| name.eq_ignore_ascii_case(known)) {
                Some("filter") => query.filter = text(),
                Some("sortBy") => query.sort_by = text(),
                Some("sortOrder") => query.descending = is_descending(value)?,
                Some("startIndex") => query.start_index = Some(number("startIndex", value)?.max(1).unsigned_abs()),
                Some("count") => count = Some(value),
                Some("cursor") => query.cursor = text(),
                Some("attributes") => query.attributes = text(),
                Some("excludedAttributes") => query.excluded_attributes = text(),
                _ => {}
            }
        }
        query.count = count.map(|count| query.read_count(count)).transpose()?;
        Ok(query.without_blanks())
    }

    /// Reads the body of a POST to `.search` (RFC 7644, section 3.4.3).
    ///
    /// # Errors
    /// 400 `invalidSyntax` when it is none, `invalidValue` when a member is of the wrong type.
    pub fn from_search(body: &Value) -> Result<Self, ScimError> {
        let Some(body) = body.as_object() else {
            return Err(ScimError::invalid_syntax("a search request is a JSON object"));
        };
        require_schema(body, SEARCH_REQUEST)?;
        let text = |name: &str| match field(body, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(ScimError::invalid_value(format!("`{name}` is a text"))),
        };
        let names = |name: &str| match field(body, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Array(items)) => {
                let items = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
                let items = items.ok_or_else(|| ScimError::invalid_value(format!("`{name}` is a list of names")))?;
                Ok(Some(items.join(",")))
            }
            Some(_) => Err(ScimError::invalid_value(format!("`{name}` is a list of names"))),
        };
        let plain = |name: &str| match field(body, name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        let mut query = Self {
            filter: text("filter")?,
            sort_by: text("sortBy")?,
            descending: text("sortOrder")?.map_or(Ok(false), |order| is_descending(&order))?,
            start_index: None,
            count: None,
            cursor: text("cursor")?,
            attributes: names("attributes")?,
            excluded_attributes: names("excludedAttributes")?,
        };
        if let Some(start) = plain("startIndex") {
            query.start_index = Some(number("startIndex", &start)?.max(1).unsigned_abs());
        }
        query.count = plain("count").map(|count| query.read_count(&count)).transpose()?;
        Ok(query.without_blanks())
    }

    fn read_count(&self, text: &str) -> Result<u64, ScimError> {
        let count = number("count", text);
        match (&self.cursor, count) {
            // Less than none is none (RFC 7644, section 3.4.2.4).
            (None, Ok(count)) => Ok(count.max(0).unsigned_abs()),
            (Some(_), Ok(count)) if count >= 0 => Ok(count.unsigned_abs()),
            (Some(_), _) => Err(ScimError::invalid_count("`count` is a whole number, 0 or more")),
            (None, Err(error)) => Err(error),
        }
    }

    /// A parameter that is there and empty is as none, but for the cursor, whose emptiness asks for the first page.
    fn without_blanks(mut self) -> Self {
        for text in [&mut self.filter, &mut self.sort_by, &mut self.attributes, &mut self.excluded_attributes] {
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                *text = None;
            }
        }
        self
    }

    /// Whether nothing is asked for but a filter and a part by index: no order, no cursor, no selection of attributes.
    pub fn is_plain(&self) -> bool {
        let others = [&self.sort_by, &self.cursor, &self.attributes, &self.excluded_attributes];
        others.into_iter().all(Option::is_none)
    }

    /// Which part of the results: how many to skip, and how many to give at most.
    pub fn window(&self, default: u64, most: u64) -> (u64, u64) {
        (self.start_index.unwrap_or(1) - 1, self.count.unwrap_or(default).min(most))
    }
}

fn number(name: &str, text: &str) -> Result<i64, ScimError> {
    // Numbers that are too large for us are as large as ours can be.
    let trimmed = text.trim();
    let is_number = {
        let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match trimmed.parse() {
        Ok(number) => Ok(number),
        Err(_) if is_number && trimmed.starts_with('-') => Ok(i64::MIN),
        Err(_) if is_number => Ok(i64::MAX),
        Err(_) => Err(ScimError::invalid_value(format!("`{name}` is a whole number"))),
    }
}

fn is_descending(text: &str) -> Result<bool, ScimError> {
    match text.trim() {
        "" => Ok(false),
        text if text.eq_ignore_ascii_case("ascending") => Ok(false),
        text if text.eq_ignore_ascii_case("descending") => Ok(true),
        _ => Err(ScimError::invalid_value("`sortOrder` is ascending or descending")),
    }
}

/// The order of a query's results (RFC 7644, section 3.4.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorter {
    urn: Option<String>,
    attribute: String,
    sub: Option<String>,
    kind: AttributeType,
    exact: bool,
    descending: bool,
}

impl Sorter {
    /// Looks up what to sort by.
    ///
    /// # Errors
    /// 400 `invalidPath` when there is no such attribute, or when its values have no order.
    pub fn new(
        sort_by: &str,
        descending: bool,
        resource: &ResourceSchema,
        tolerances: Tolerances,
    ) -> Result<Self, ScimError> {
        let path = place::read(sort_by, resource, tolerances).map_err(|error| ScimError::from_path(&error))?;
        let located = locate(&path, resource).map_err(|error| ScimError::from_path(&error))?;
        if matches!(located.selector, Some(Selector::Filter(_) | Selector::Index(_))) {
            return Err(ScimError::invalid_path("`sortBy` names an attribute, without brackets"));
        }
        let declared = located.attribute.declared;
        let (mut leaf, mut sub) = match located.sub {
            Some(sub) => (sub.declared, Some(sub.name.to_owned())),
            None => (declared, None),
        };
        if let Some(value) = leaf.filter(|leaf| leaf.kind == AttributeType::Complex) {
            // A complex attribute is sorted by its value, a name as it is shown.
            leaf = value.sub("value").or_else(|| value.sub("formatted"));
            sub = leaf.map(|leaf| leaf.name.to_string());
            if leaf.is_none() {
                return Err(ScimError::invalid_path(format!("`{sort_by}` is complex: name a part of it to sort by")));
            }
        }
        if [declared, leaf].into_iter().flatten().any(|attribute: &Attribute| attribute.returned == Returned::Never) {
            return Err(ScimError::invalid_path(format!(
                "`{sort_by}` is never given back, so nothing is sorted by it"
            )));
        }
        Ok(Self {
            urn: located.extension.map(|schema| schema.id.to_string()),
            attribute: located.attribute.name.to_owned(),
            sub,
            kind: leaf.map_or(AttributeType::Any, |leaf| leaf.kind),
            exact: leaf.is_some_and(|leaf| leaf.case_exact),
            descending,
        })
    }

    /// Which of two resources comes first. One without a value is the last, in descending order the first.
    pub fn compare(&self, a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
        let order = match (self.value(a), self.value(b)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => self.order(a, b),
        };
        if self.descending { order.reverse() } else { order }
    }

    /// The value that counts: of several the primary one, else the first.
    fn value<'r>(&self, resource: &'r Map<String, Value>) -> Option<&'r Value> {
        let fields = match &self.urn {
            Some(urn) => resource.get(urn)?.as_object()?,
            None => resource,
        };
        let value = match field(fields, &self.attribute)? {
            Value::Array(items) => items.iter().find(|item| is_primary(item)).or(items.first())?,
            value => value,
        };
        let value = match (&self.sub, value) {
            (Some(sub), Value::Object(fields)) => field(fields, sub)?,
            (_, value) => value,
        };
        (!super::compare::is_empty(value)).then_some(value)
    }

    fn order(&self, a: &Value, b: &Value) -> Ordering {
        let truth = |value: &Value| value.as_bool().or_else(|| value.as_str().and_then(boolean_text));
        match (self.kind, a, b) {
            (AttributeType::Boolean, a, b) => truth(a).cmp(&truth(b)),
            (AttributeType::DateTime, Value::String(a), Value::String(b)) => {
                Timestamp::parse(a).cmp(&Timestamp::parse(b))
            }
            (_, Value::String(a), Value::String(b)) => order_text(a, b, self.exact),
            (_, Value::Number(a), Value::Number(b)) => order_numbers(a, b).unwrap_or(Ordering::Equal),
            // Of any type: numbers, then text, then the rest.
            (_, a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        _ => 2,
    }
}

/// How a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// By index: the first result has this number, from 1.
    Index(u64),
    /// By cursor (RFC 9865).
    Cursor {
        /// Where the next page begins; none on the last.
        next: Option<String>,
        /// Where the page before begins.
        previous: Option<String>,
    },
}

/// The answer to a query. `total` may be unknown when paging by cursor (RFC 9865, section 2).
pub fn response(resources: Vec<Value>, total: Option<u64>, paging: &Paging) -> Value {
    let mut body = Map::new();
    body.insert("schemas".into(), Value::Array(vec![LIST_RESPONSE.into()]));
    if let Some(total) = total {
        body.insert("totalResults".into(), total.into());
    }
    body.insert("itemsPerPage".into(), resources.len().into());
    match paging {
        Paging::Index(start) => {
            body.insert("startIndex".into(), (*start).into());
        }
        Paging::Cursor { next, previous } => {
            for (name, cursor) in [("nextCursor", next), ("previousCursor", previous)] {
                if let Some(cursor) = cursor {
                    body.insert(name.into(), cursor.as_str().into());
                }
            }
        }
    }
    body.insert("Resources".into(), Value::Array(resources));
    Value::Object(body)
}

/// The beginning of the same as text, up to the first of its `count` resources, with `room` for these, in bytes. Commas between
/// them and [`TEXT_END`] are left to the caller, who appends each resource without a copy of its own.
pub fn begin_text(count: usize, room: usize, total: Option<u64>, paging: &Paging) -> String {
    let mut text = String::with_capacity(AROUND + room);
    text.push_str("{\"schemas\":[\"");
    text.push_str(LIST_RESPONSE);
    text.push_str("\"]");
    if let Some(total) = total {
        text.push_str(",\"totalResults\":");
        push_number(&mut text, total);
    }
    text.push_str(",\"itemsPerPage\":");
    push_number(&mut text, count as u64);
    match paging {
        Paging::Index(start) => {
            text.push_str(",\"startIndex\":");
            push_number(&mut text, *start);
        }
        Paging::Cursor { next, previous } => {
            for (name, cursor) in [(",\"nextCursor\":", next), (",\"previousCursor\":", previous)] {
                if let Some(cursor) = cursor {
                    text.push_str(name);
                    push_text(&mut text, cursor);
                }
            }
        }
    }
    text.push_str(",\"Resources\":[");
    text
}

/// Appends a number, which is mostly one of few digits.
fn push_number(text: &mut String, number: u64) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// The end of a list as text.
pub const TEXT_END: &str = "]}";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_as_text_reads_as_the_list() {
        let resources = [json!({"id": "1"}), json!({"id": "\u{e9}\""})];
        let cursor = |next: Option<&str>, previous: Option<&str>| Paging::Cursor {
            next: next.map(str::to_owned),
            previous: previous.map(str::to_owned),
        };
        for paging in [
            Paging::Index(7),
            Paging::Index(10),
            Paging::Index(u64::MAX),
            cursor(None, None),
            cursor(Some("a\"b"), Some("c")),
        ] {
            for (total, count) in [(None, 0), (Some(2), 1), (Some(u64::MAX), 2)] {
                let some = &resources[..count];
                let texts: Vec<String> = some.iter().map(ToString::to_string).collect();
                let expected = response(some.to_vec(), total, &paging).to_string();
                let begun = begin_text(count, 0, total, &paging);
                assert_eq!(format!("{begun}{}{TEXT_END}", texts.join(",")), expected);
            }
        }
    }
}
