//! Pages of a list, by index (RFC 7644, 3.4.2.4) or by cursor (RFC 9865), of services that count as they like: a list ends
//! with an empty page, and with one that was there before. `totalResults` is believed only where it can be true.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adapt::Service;
use crate::target::attribute::field;
use crate::target::{Object, TargetError};

/// The most pages of one list. A service that never ends is left after them.
const MAX_PAGES: usize = 1_000_000;

/// Where a list goes on. It travels through the caller as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The next object's number, from 1; not used with a cursor.
    start: usize,
    /// The service's cursor; empty for the first page.
    cursor: Option<String>,
    /// The first id of the first page, and of the page before: a page that begins so again was there.
    seen: Vec<String>,
    /// How many pages there were.
    pages: usize,
    /// The list should be at its end, and is asked once more because the service may have counted a page for all.
    pub(super) doubtful: bool,
    /// What a filter finds: few, and not worth a doubt.
    filtered: bool,
}

impl Place {
    /// The beginning.
    pub(super) fn first(service: &Service) -> Self {
        let cursor = service.cursor.then(String::new);
        Self { start: 1, cursor, seen: Vec::new(), pages: 0, doubtful: false, filtered: false }
    }

    /// The beginning of what a filter finds.
    pub(super) fn filtered() -> Self {
        Self { start: 1, cursor: None, seen: Vec::new(), pages: 0, doubtful: false, filtered: true }
    }

    /// What [`Place::text`] wrote.
    pub(super) fn read(text: &str) -> Result<Self, TargetError> {
        serde_json::from_str(text)
            .map_err(|_| TargetError::Protocol { what: format!("{text:?} is no place in a list of ours") })
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The query that asks for the page here.
    pub(super) fn query(&self, service: &Service) -> Vec<(&'static str, String)> {
        if self.filtered && self.pages == 0 {
            return Vec::new();
        }
        let at = match &self.cursor {
            Some(cursor) => ("cursor", cursor.clone()),
            None => ("startIndex", self.start.to_string()),
        };
        vec![at, ("count", service.page.to_string())]
    }

    /// The objects of an answer, and where it goes on.
    pub(super) fn take(mut self, answer: &Object) -> Result<(Vec<Object>, Option<Self>), TargetError> {
        let items = resources(answer)?;
        let begin = items.first().and_then(id).unwrap_or_default();
        let again = !items.is_empty() && self.seen.contains(&begin);
        if items.is_empty() || again {
            if again && !self.doubtful {
                tracing::warn!(target: "target", page = self.pages, "the service repeats a page of its list; the list ends here");
            }
            // A page of a cursor may be empty before the last.
            let next = self.cursor(answer).filter(|_| !again);
            return Ok((Vec::new(), self.on(begin, next, 0)));
        }
        let total = field(answer, "totalResults").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
        let reached = (self.start - 1).saturating_add(items.len());
        let cursor = self.cursor(answer);
        if cursor.is_some() || self.cursor.is_some() {
            let count = items.len();
            return Ok((items, self.on(begin, cursor, count)));
        }
        // Some services count the page for the whole: after a first page that is said to be all, one request finds out.
        let next = match total {
            Some(total) if total == reached && (self.start > 1 || self.filtered) => None,
            None if self.filtered => None,
            _ => {
                self.doubtful = total == Some(reached);
                let count = items.len();
                self.go_on(begin, None, count)
            }
        };
        Ok((items, next))
    }

    /// A cursor in the answer that is not the one we came by.
    fn cursor(&self, answer: &Object) -> Option<String> {
        let cursor = field(answer, "nextCursor")?.as_str().filter(|cursor| !cursor.is_empty())?;
        (self.cursor.as_deref() != Some(cursor)).then(|| cursor.to_owned())
    }

    fn on(self, begin: String, cursor: Option<String>, count: usize) -> Option<Self> {
        self.go_on(begin, Some(cursor?), count)
    }

    fn go_on(mut self, begin: String, cursor: Option<String>, count: usize) -> Option<Self> {
        self.seen.truncate(1);
        if !begin.is_empty() {
            self.seen.push(begin);
        }
        self.pages += 1;
        self.start = self.start.saturating_add(count);
        self.cursor = cursor;
        (self.pages < MAX_PAGES).then_some(self)
    }
}

/// The id of a resource.
pub(super) fn id(resource: &Object) -> Option<String> {
    field(resource, "id").and_then(|id| match id {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    })
}

/// The resources of a list answer; one without any has none (RFC 7644, 3.4.2). A resource without an id is an error.
pub(super) fn resources(answer: &Object) -> Result<Vec<Object>, TargetError> {
    let odd = |what: &str| TargetError::Protocol { what: what.to_owned() };
    let list = match field(answer, "Resources") {
        None | Some(Value::Null)
            if field(answer, "totalResults").is_some() || field(answer, "itemsPerPage").is_some() =>
        {
            return Ok(Vec::new());
        }
        Some(Value::Array(list)) => list,
        _ => return Err(odd("a list without Resources and totalResults")),
    };
    let object = |value: &Value| value.as_object().filter(|object| id(object).is_some()).cloned();
    list.iter().map(|value| object(value).ok_or_else(|| odd("a list has a resource without an id"))).collect()
}
