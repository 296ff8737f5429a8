//! Bulk requests (RFC 7644, section 3.7): many operations in one body, which may refer to each other by `bulkId`.
//!
//! [`Bulk`] holds no storage and no HTTP: it hands out one operation after the other, its references already replaced by
//! ids, and takes what came of it. An operation waits for those it refers to, so that references may point forward; those
//! that wait for each other in a circle end in 409.

mod reference;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::compare::field;
use super::error::ScimError;
use super::patch::require_schema;

/// The URN of a bulk request (RFC 7644, section 3.7).
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The URN of its answer.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// The most operations of a request.
pub const MAX_OPERATIONS: usize = 1_000;
/// The most bytes of a request.
pub const MAX_PAYLOAD: usize = 1_048_576;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// The name of the HTTP method.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(text))
    }
}

/// An operation that is ready to be carried out: its references are ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its place in the request, which [`Bulk::done`] wants back.
    pub index: usize,
    /// What it does.
    pub method: Method,
    /// The endpoint, such as `/Users`, spelled as the server spells it.
    pub endpoint: String,
    /// The id of the resource; none for POST.
    pub id: Option<String>,
    /// The version that the resource must have, as in `If-Match`.
    pub version: Option<String>,
    /// The body; none for DELETE.
    pub data: Option<Value>,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The HTTP status: 200, 201, 204.
    pub status: u16,
    /// The id of the resource.
    pub id: String,
    /// Its URI; none after DELETE.
    pub location: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// An operation that failed, as far as it could be read.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'b> {
    /// Its place in the request.
    pub index: usize,
    /// What it was to do.
    pub method: Option<Method>,
    /// The endpoint; empty when there was none.
    pub endpoint: &'b str,
    /// The id of the resource.
    pub id: Option<&'b str>,
    /// The body.
    pub data: Option<&'b Value>,
    /// Why.
    pub error: &'b ScimError,
}

/// One entry of the request.
#[derive(Debug)]
struct Entry {
    method: Option<Method>,
    /// As the client wrote it, for the answer.
    method_text: String,
    bulk_id: Option<String>,
    endpoint: String,
    id: Option<String>,
    version: Option<String>,
    data: Option<Value>,
    /// The entries it refers to.
    needs: Vec<usize>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It cannot be carried out, which counts when its turn comes.
    Broken(ScimError),
    Waiting,
    Running,
    Ended(Result<Done, ScimError>),
}

/// A bulk request on its way.
#[derive(Debug)]
pub struct Bulk {
    entries: Vec<Entry>,
    by_bulk_id: HashMap<String, usize>,
    fail_on_errors: Option<u64>,
    errors: u64,
}

/// Refuses a body that is too large, before it is read (RFC 7644, section 3.7.4).
///
/// # Errors
/// 413 with the limit in its detail.
pub fn check_size(bytes: usize) -> Result<(), ScimError> {
    if bytes <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(ScimError::too_large(format!("a bulk request has {MAX_PAYLOAD} bytes at most (maxPayloadSize)")))
}

impl Bulk {
    /// Reads a bulk request. `endpoints` are those of the resource types, such as `/Users`.
    ///
    /// What is wrong with one operation is its own result and not an error here.
    ///
    /// # Errors
    /// 400 `invalidSyntax` when it is none, 413 with more operations than [`MAX_OPERATIONS`].
    pub fn parse(body: Value, endpoints: &[&str]) -> Result<Self, ScimError> {
        let Value::Object(mut body) = body else {
            return Err(ScimError::invalid_syntax("a bulk request is a JSON object"));
        };
        require_schema(&body, BULK_REQUEST)?;
        let fail_on_errors = match field(&body, "failOnErrors") {
            None | Some(Value::Null) => None,
            Some(value) => match value.as_u64().filter(|count| *count > 0) {
                Some(count) => Some(count),
                None => return Err(ScimError::invalid_value("`failOnErrors` is a whole number, 1 or more")),
            },
        };
        let key = body.keys().find(|key| key.eq_ignore_ascii_case("Operations")).cloned();
        let Some(Value::Array(operations)) = key.and_then(|key| body.get_mut(&key).map(Value::take)) else {
            return Err(ScimError::invalid_syntax("`Operations` is a list"));
        };
        if operations.is_empty() {
            return Err(ScimError::invalid_syntax("`Operations` has no operation"));
        }
        if operations.len() > MAX_OPERATIONS {
            let message = format!(
                "a bulk request has {MAX_OPERATIONS} operations at most (maxOperations), not {}",
                operations.len()
            );
            return Err(ScimError::too_large(message));
        }
        let mut bulk = Self { entries: Vec::new(), by_bulk_id: HashMap::new(), fail_on_errors, errors: 0 };
        for operation in operations {
            let entry = bulk.entry(operation, endpoints);
            bulk.entries.push(entry);
        }
        bulk.link();
        Ok(bulk)
    }

    fn entry(&mut self, operation: Value, endpoints: &[&str]) -> Entry {
        let mut entry = Entry {
            method: None,
            method_text: String::new(),
            bulk_id: None,
            endpoint: String::new(),
            id: None,
            version: None,
            data: None,
            needs: Vec::new(),
            state: State::Waiting,
        };
        if let Err(error) = self.fill(&mut entry, operation, endpoints) {
            entry.state = State::Broken(error);
        }
        entry
    }

    fn fill(&mut self, entry: &mut Entry, operation: Value, endpoints: &[&str]) -> Result<(), ScimError> {
        let Value::Object(operation) = operation else {
            return Err(ScimError::invalid_syntax("an operation is a JSON object"));
        };
        let text = |name: &str| match field(&operation, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(ScimError::invalid_syntax(format!("`{name}` is a text"))),
        };
        entry.bulk_id = text("bulkId")?.filter(|id| !id.is_empty());
        entry.method_text = text("method")?.unwrap_or_default();
        entry.version = text("version")?;
        let Some(method) = Method::parse(&entry.method_text) else {
            return Err(ScimError::invalid_syntax("`method` is POST, PUT, PATCH or DELETE"));
        };
        entry.method = Some(method);
        let path = text("path")?.ok_or_else(|| ScimError::invalid_syntax("an operation has a `path`"))?;
        (entry.endpoint, entry.id) = read_path(&path, endpoints)?;
        match (method, &entry.id) {
            (Method::Post, Some(_)) => {
                return Err(ScimError::invalid_path(format!(
                    "the path of a POST is {}, without an id",
                    entry.endpoint
                )));
            }
            (Method::Put | Method::Patch | Method::Delete, None) => {
                let message = format!("the path of a {} has an id: {}/…", method.as_str(), entry.endpoint);
                return Err(ScimError::invalid_path(message));
            }
            _ => {}
        }
        entry.data = field(&operation, "data").filter(|data| !data.is_null()).cloned();
        match (method, &entry.data) {
            (Method::Delete, _) => entry.data = None,
            (_, None) => return Err(ScimError::invalid_value(format!("a {} has `data`", method.as_str()))),
            _ => {}
        }
        match &entry.bulk_id {
            Some(id) => {
                let index = self.entries.len();
                if self.by_bulk_id.insert(id.clone(), index).is_some_and(|earlier| earlier != index) {
                    return Err(ScimError::invalid_value("the `bulkId` is another operation's already"));
                }
            }
            None if method == Method::Post => {
                return Err(ScimError::invalid_value("a POST in a bulk request has a `bulkId`"));
            }
            None => {}
        }
        Ok(())
    }

    /// Finds who waits for whom.
    fn link(&mut self) {
        for at in 0..self.entries.len() {
            let Some(entry) = self.entries.get(at) else { continue };
            if !matches!(entry.state, State::Waiting) {
                continue;
            }
            let mut names = Vec::new();
            if let Some(id) = &entry.id {
                reference::of_text(id, &mut names);
            }
            if let Some(data) = &entry.data {
                reference::of_value(data, &mut names);
            }
            let found: Result<Vec<usize>, String> =
                names.into_iter().map(|name| self.by_bulk_id.get(&name).copied().ok_or(name)).collect();
            let Some(entry) = self.entries.get_mut(at) else { continue };
            match found {
                Ok(needs) => entry.needs = needs,
                Err(name) => {
                    let name = super::path::quoted(&crate::text::shorten(&name));
                    let message = format!("no operation of this request has the bulkId {name}");
                    entry.state = State::Broken(ScimError::invalid_value(message));
                }
            }
        }
    }

    /// The next operation to carry out; [`Bulk::done`] is to follow. `None` when nothing is left to do.
    pub fn next_operation(&mut self) -> Option<Operation> {
        if self.is_over() {
            return None;
        }
        loop {
            let mut waiting = false;
            for at in 0..self.entries.len() {
                let Some(entry) = self.entries.get(at) else { continue };
                if let State::Broken(error) = &entry.state {
                    let error = error.clone();
                    self.end(at, Err(error));
                    if self.is_over() {
                        return None;
                    }
                    continue;
                }
                if !matches!(entry.state, State::Waiting) {
                    continue;
                }
                waiting = true;
                let state = |needed: &usize| self.entries.get(*needed).map(|entry| &entry.state);
                if let Some(failed) =
                    entry.needs.iter().find(|needed| matches!(state(needed), Some(State::Ended(Err(_))))).copied()
                {
                    let name = self.entries.get(failed).and_then(|entry| entry.bulk_id.clone()).unwrap_or_default();
                    let name = super::path::quoted(&crate::text::shorten(&name));
                    let message = format!("the operation with the bulkId {name}, which this one refers to, failed");
                    self.end(at, Err(ScimError::conflict(message)));
                    if self.is_over() {
                        return None;
                    }
                    continue;
                }
                if entry.needs.iter().all(|needed| matches!(state(needed), Some(State::Ended(Ok(_))))) {
                    return self.start(at);
                }
            }
            if !waiting {
                return None;
            }
            // Nobody can begin, and the failures went to those who wait for them: what is left waits in a circle.
            let stuck = self.entries.iter().position(|entry| {
                matches!(entry.state, State::Waiting)
                    && !entry.needs.iter().any(|needed| {
                        self.entries.get(*needed).is_some_and(|entry| matches!(entry.state, State::Ended(Err(_))))
                    })
            });
            if let Some(at) = stuck {
                let message = "the bulkIds of this operation and of others refer to each other in a circle";
                self.end(at, Err(ScimError::conflict(message)));
                if self.is_over() {
                    return None;
                }
            }
        }
    }

    /// Hands out an entry that waits for nobody.
    fn start(&mut self, at: usize) -> Option<Operation> {
        let id_of = |name: &str| {
            let entry = self.entries.get(*self.by_bulk_id.get(name)?)?;
            match &entry.state {
                State::Ended(Ok(done)) => Some(done.id.clone()),
                _ => None,
            }
        };
        let entry = self.entries.get(at)?;
        let id = entry.id.as_deref().map(|id| reference::filled_text(id, &id_of));
        let mut data = entry.data.clone();
        if let Some(data) = &mut data {
            reference::fill(data, &id_of);
        }
        let operation = Operation {
            index: at,
            method: entry.method?,
            endpoint: entry.endpoint.clone(),
            id,
            version: entry.version.clone(),
            data,
        };
        self.entries.get_mut(at)?.state = State::Running;
        Some(operation)
    }

    /// Takes what came of an operation.
    pub fn done(&mut self, index: usize, result: Result<Done, ScimError>) {
        self.end(index, result);
    }

    fn end(&mut self, at: usize, result: Result<Done, ScimError>) {
        self.errors += u64::from(result.is_err());
        if let Some(entry) = self.entries.get_mut(at) {
            entry.state = State::Ended(result);
        }
    }

    /// Whether there were as many errors as the client takes.
    fn is_over(&self) -> bool {
        self.fail_on_errors.is_some_and(|most| self.errors >= most)
    }

    /// Carries everything out with one function, for who need not wait for anything.
    pub fn run(&mut self, mut carry_out: impl FnMut(&Operation) -> Result<Done, ScimError>) {
        while let Some(operation) = self.next_operation() {
            let result = carry_out(&operation);
            self.done(operation.index, result);
        }
    }

    /// The operations that failed, whether they were carried out or not, in the order of the request.
    pub fn failed(&self) -> impl Iterator<Item = Failed<'_>> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| match &entry.state {
            State::Ended(Err(error)) => Some(Failed {
                index,
                method: entry.method,
                endpoint: &entry.endpoint,
                id: entry.id.as_deref(),
                data: entry.data.as_ref(),
                error,
            }),
            _ => None,
        })
    }

    /// The answer: a result for each operation that was carried out or refused, in the order of the request (RFC 7644,
    /// section 3.7.3).
    pub fn response(&self) -> Value {
        let results = self.entries.iter().filter_map(|entry| match &entry.state {
            State::Ended(result) => Some(one_result(entry, result)),
            State::Broken(_) | State::Waiting | State::Running => None,
        });
        let mut body = Map::new();
        body.insert("schemas".into(), Value::Array(vec![BULK_RESPONSE.into()]));
        body.insert("Operations".into(), Value::Array(results.collect()));
        Value::Object(body)
    }
}

fn one_result(entry: &Entry, result: &Result<Done, ScimError>) -> Value {
    let mut out = Map::new();
    let method = match entry.method {
        Some(method) => method.as_str(),
        None => entry.method_text.as_str(),
    };
    out.insert("method".into(), method.into());
    if let Some(id) = &entry.bulk_id {
        out.insert("bulkId".into(), id.as_str().into());
    }
    match result {
        Ok(done) => {
            if let Some(version) = &done.version {
                out.insert("version".into(), version.as_str().into());
            }
            if let Some(location) = &done.location {
                out.insert("location".into(), location.as_str().into());
            }
            out.insert("status".into(), done.status.to_string().into());
        }
        Err(error) => {
            out.insert("status".into(), error.status.to_string().into());
            out.insert("response".into(), error.to_json());
        }
    }
    Value::Object(out)
}

/// The endpoint and the id of `/Users/2819c223`.
fn read_path(path: &str, endpoints: &[&str]) -> Result<(String, Option<String>), ScimError> {
    let shown = || super::path::quoted(&crate::text::shorten(path));
    let Some(rest) = path.trim().strip_prefix('/') else {
        return Err(ScimError::invalid_path(format!("the path {} does not begin with a slash", shown())));
    };
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    let (head, id, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let endpoint = endpoints.iter().find(|endpoint| endpoint.trim_start_matches('/').eq_ignore_ascii_case(head));
    match (endpoint, more) {
        (Some(endpoint), None) if !id.is_some_and(|id| id.contains(['?', '#'])) => {
            Ok(((*endpoint).to_owned(), id.map(str::to_owned)))
        }
        (Some(_), _) => Err(ScimError::invalid_path(format!("the path {} is that of no resource", shown()))),
        (None, _) => Err(ScimError::not_found(format!("endpoint {}", shown()))),
    }
}
