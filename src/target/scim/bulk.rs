//! Several writes in one request (RFC 7644, 3.7), within the operations and bytes that the service takes. What cannot be said in
//! one operation, or is refused in a way that a single request tells better, goes one by one.

use serde_json::{Value, json};

use super::ScimTarget;
use super::write::{Request, SCIM, created, requests, taken};
use crate::target::attribute::field;
use crate::target::http::{Call, Method, Reply};
use crate::target::{Done, Object, TargetError, Write};

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The bytes around the operations of a request, generously.
const AROUND: usize = 256;

/// A write in a bulk request.
struct Entry {
    /// Which write it is.
    index: usize,
    request: Request,
    operation: Value,
    bytes: usize,
}

/// What became of a write; `None` while it is to be done by itself.
type Outcome = Option<Result<Done, TargetError>>;

impl ScimTarget {
    /// Carries out writes: together where the service takes that, else one by one.
    pub(super) async fn write_all(&self, writes: &[Write]) -> Result<Vec<Result<Done, TargetError>>, TargetError> {
        let mut outcomes: Vec<Outcome> = vec![None; writes.len()];
        let limits = self.service().bulk.filter(|_| writes.len() > 1);
        if let Some((operations, bytes)) = limits {
            let entries = writes.iter().enumerate().filter_map(|(index, write)| self.entry(index, write)).collect();
            let mut sent = false;
            for group in groups(entries, operations, bytes) {
                match self.send_bulk(&group).await {
                    Ok(reply) => {
                        sent = true;
                        for (index, outcome) in outcomes_of(&reply, &group, writes)? {
                            if let Some(place) = outcomes.get_mut(index) {
                                *place = outcome;
                            }
                        }
                    }
                    Err(TargetError::Rejected { status: 405 | 501, .. } | TargetError::Missing { .. }) => {
                        self.correct(|service| service.bulk = None);
                    }
                    // The request as a whole was too much, or not understood: nothing was done.
                    Err(TargetError::Rejected { .. } | TargetError::Exists { .. }) => {}
                    Err(error) if !sent => return Err(error),
                    Err(error) => {
                        for entry in &group {
                            if let Some(place) = outcomes.get_mut(entry.index) {
                                *place = Some(Err(error.clone()));
                            }
                        }
                    }
                }
            }
        }
        let mut results = Vec::with_capacity(writes.len());
        for (write, outcome) in writes.iter().zip(outcomes) {
            results.push(match outcome {
                Some(result) => result,
                None => self.write_one(write).await,
            });
        }
        Ok(results)
    }

    /// The write as an operation; `None` when it takes more or less than one request, or has to read first.
    fn entry(&self, index: usize, write: &Write) -> Option<Entry> {
        let mut requests = requests(&self.service(), write).ok()?;
        let request = requests.pop().filter(|request| requests.is_empty() && request.method != Method::PUT)?;
        let path = Self::path(request.kind, request.id.as_deref())?;
        let mut operation =
            json!({"method": request.method.as_str(), "bulkId": index.to_string(), "path": format!("/{path}")});
        if let (Some(fields), Some(body)) = (operation.as_object_mut(), &request.body) {
            fields.insert("data".to_owned(), body.clone());
        }
        let bytes = operation.to_string().len() + 1;
        Some(Entry { index, request, operation, bytes })
    }

    async fn send_bulk(&self, group: &[Entry]) -> Result<Reply, TargetError> {
        let operations: Vec<&Value> = group.iter().map(|entry| &entry.operation).collect();
        let body = json!({"schemas": [BULK], "Operations": operations});
        self.caller.call(Call::new(Method::POST, self.url("Bulk", &[])).json(SCIM, &body), "").await
    }
}

/// What the answer says of each write. An operation without an answer was perhaps not reached: the same call may do it.
fn outcomes_of(reply: &Reply, group: &[Entry], writes: &[Write]) -> Result<Vec<(usize, Outcome)>, TargetError> {
    let body = reply.object()?;
    let Some(Value::Array(answers)) = field(&body, "Operations") else {
        return Err(TargetError::Protocol { what: "the answer to a bulk request has no Operations".to_owned() });
    };
    let answers: Vec<&Object> = answers.iter().filter_map(Value::as_object).collect();
    let named = |entry: &Entry| {
        let name = entry.index.to_string();
        answers.iter().find(|answer| field(answer, "bulkId").and_then(Value::as_str) == Some(&name)).copied()
    };
    // Some repeat the name of a POST alone; then as many answers as operations stand in their order.
    let in_order = |position: usize| {
        let answer = answers.get(position).filter(|_| answers.len() == group.len()).copied();
        answer.filter(|answer| field(answer, "bulkId").is_none())
    };
    let outcome = |(position, entry): (usize, &Entry)| {
        let answer = named(entry).or_else(|| in_order(position));
        let write = writes.get(entry.index)?;
        let outcome = match answer {
            Some(answer) => outcome_of(reply, answer, entry, write),
            None => Some(Err(TargetError::Weather {
                what: "the bulk answer has nothing on this operation".to_owned(),
                wait: None,
            })),
        };
        Some((entry.index, outcome))
    };
    Ok(group.iter().enumerate().filter_map(outcome).collect())
}

fn outcome_of(reply: &Reply, answer: &Object, entry: &Entry, write: &Write) -> Outcome {
    let id = entry.request.id.as_deref().unwrap_or_default();
    let response = field(answer, "response").cloned().unwrap_or_default();
    let Some(status) = status(field(answer, "status")) else {
        return Some(Err(TargetError::Protocol { what: "a bulk answer has an operation without status".to_owned() }));
    };
    if status < 300 {
        let location = field(answer, "location").and_then(Value::as_str);
        let id = match write {
            Write::Create { .. } => created(response.as_object(), location),
            _ => Ok(id.to_owned()),
        };
        return Some(id.map(|id| Done { id, refused: Vec::new() }));
    }
    let error = reply.part(status, None, &response, id);
    match (&error, write) {
        (TargetError::Missing { .. }, Write::Delete { .. }) => {
            Some(Ok(Done { id: id.to_owned(), refused: Vec::new() }))
        }
        // One by one it is found out whom it does not take, and whether there is PATCH at all.
        (
            TargetError::Rejected { .. } | TargetError::Missing { .. } | TargetError::Exists { .. },
            Write::Members { .. },
        )
        | (TargetError::Rejected { status: 405 | 501, .. }, _) => None,
        (_, Write::Delete { .. }) => Some(Err(error)),
        _ => Some(Err(taken(error))),
    }
}

/// Operations as requests hold them. One that would stand alone, or is too large for any, is not among them.
fn groups(entries: Vec<Entry>, operations: usize, bytes: usize) -> Vec<Vec<Entry>> {
    let room = bytes.saturating_sub(AROUND);
    let mut groups: Vec<Vec<Entry>> = Vec::new();
    let mut used = 0;
    for entry in entries.into_iter().filter(|entry| entry.bytes <= room) {
        match groups.last_mut().filter(|group| group.len() < operations && used + entry.bytes <= room) {
            Some(group) => {
                used += entry.bytes;
                group.push(entry);
            }
            None => {
                used = entry.bytes;
                groups.push(vec![entry]);
            }
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// A status: text in RFC 7644, a number or an object with a code in older services.
fn status(value: Option<&Value>) -> Option<u16> {
    match value? {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
        Value::Object(fields) => status(field(fields, "code")),
        _ => None,
    }
}
