//! Writes as requests: POST, PATCH with an operation a difference, or PUT over what was read where there is no PATCH, DELETE.
//! Members go in pieces; the ones that a service refuses are found out and told, the rest is done.

use reqwest::header::{IF_MATCH, LOCATION};
use serde_json::{Value, json};

use super::adapt::Service;
use super::profile::Removal;
use super::{ScimTarget, list, without_query};
use crate::target::attribute::{self, field};
use crate::target::http::{Call, Method, Reply};
use crate::target::{Difference, Done, Kind, Object, TargetError, Write};

/// The media type of SCIM (RFC 7644, 3.1).
pub(super) const SCIM: &str = "application/scim+json";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:";

/// What services say of a name that is taken, when they do not say it with 409.
const TAKEN: [&str; 6] =
    ["uniqueness", "already exist", "already in use", "been taken", "already taken", "must be unique"];

/// One request about an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) kind: Kind,
    pub(super) id: Option<String>,
    pub(super) body: Option<Value>,
}

impl Request {
    fn patch(kind: Kind, id: &str, operations: &[Value]) -> Self {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        Self { method: Method::PATCH, kind, id: Some(id.to_owned()), body: Some(body) }
    }
}

/// The requests of a write, in order; with PUT, the body is the payload alone, before what others wrote comes to it.
pub(super) fn requests(service: &Service, write: &Write) -> Result<Vec<Request>, TargetError> {
    let one = match write {
        Write::Create { kind, payload } => Request {
            method: Method::POST,
            kind: *kind,
            id: None,
            body: Some(with_schemas(*kind, payload.clone()).into()),
        },
        Write::Update { kind, id, changes, payload } => {
            let operations: Vec<Value> = changes.iter().filter_map(operation).collect();
            match (operations.is_empty(), service.patch) {
                (true, _) => return Ok(Vec::new()),
                (false, true) => Request::patch(*kind, id, &operations),
                (false, false) => put(*kind, id, payload.clone()),
            }
        }
        Write::Disable { kind: Kind::Group, .. } => {
            return Err(TargetError::Rejected { status: 400, what: "SCIM has no groups that are shut".to_owned() });
        }
        Write::Disable { kind, id } => match (operation(&inactive()), service.patch) {
            (Some(operation), true) => Request::patch(*kind, id, &[operation]),
            _ => put(*kind, id, Object::from_iter([("active".to_owned(), Value::from(false))])),
        },
        Write::Delete { kind, id } => Request { method: Method::DELETE, kind: *kind, id: Some(id.clone()), body: None },
        Write::Members { id, add, remove } if service.patch => {
            let removed = remove.chunks(service.members).map(|ids| leave(service, id, ids));
            let added = add.chunks(service.members).map(|ids| join(id, ids));
            return Ok(removed.chain(added).collect());
        }
        Write::Members { id, add, .. } => {
            let members: Vec<Value> = add.iter().map(|id| json!({"value": id})).collect();
            put(Kind::Group, id, Object::from_iter([("members".to_owned(), members.into())]))
        }
    };
    Ok(vec![one])
}

fn put(kind: Kind, id: &str, body: Object) -> Request {
    Request { method: Method::PUT, kind, id: Some(id.to_owned()), body: Some(with_schemas(kind, body).into()) }
}

/// That an account is shut.
fn inactive() -> Difference {
    Difference { path: "active".to_owned(), old: Value::Null, new: Value::from(false) }
}

/// The operation of PATCH for a difference (RFC 7644, 3.5.2). Elements that are not there yet are added, not replaced.
fn operation(change: &Difference) -> Option<Value> {
    let Difference { path, old, new } = change;
    if path.eq_ignore_ascii_case("schemas") {
        // They follow from the attributes.
        return None;
    }
    let empty = new.is_null() || new.as_array().is_some_and(Vec::is_empty);
    Some(match empty {
        true => json!({"op": "remove", "path": path}),
        false if old.is_null() && path.contains('[') => json!({"op": "add", "path": path, "value": new}),
        false => json!({"op": "replace", "path": path, "value": new}),
    })
}

/// Members that come.
fn join(group: &str, ids: &[String]) -> Request {
    let values: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    Request::patch(Kind::Group, group, &[json!({"op": "add", "path": "members", "value": values})])
}

/// Members that go. Each is named: an operation that could be read as "all of them" is not sent.
fn leave(service: &Service, group: &str, ids: &[String]) -> Request {
    let operations: Vec<Value> = match service.removal {
        Removal::Filter => ids
            .iter()
            .map(|id| json!({"op": "remove", "path": format!("members[value eq {}]", Value::from(id.as_str()))}))
            .collect(),
        Removal::Value => {
            let values: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
            vec![json!({"op": "remove", "path": "members", "value": values})]
        }
    };
    Request::patch(Kind::Group, group, &operations)
}

/// The object with the schemas that its attributes are of (RFC 7643, 3).
fn with_schemas(kind: Kind, mut object: Object) -> Object {
    let mut schemas = match attribute::field(&object, "schemas") {
        Some(Value::Array(schemas)) => schemas.clone(),
        _ => vec![Value::from(format!("{CORE}{}", kind.word()))],
    };
    let extensions: Vec<Value> = object.keys().filter(|key| key.contains(':')).map(|key| key.as_str().into()).collect();
    schemas.extend(extensions.into_iter().filter(|urn| !schemas.contains(urn)).collect::<Vec<_>>());
    object.retain(|name, _| !name.eq_ignore_ascii_case("schemas"));
    let mut whole = Object::from_iter([("schemas".to_owned(), Value::from(schemas))]);
    whole.extend(object);
    whole
}

/// A refusal that says "there is one already" in other words than 409.
pub(super) fn taken(error: TargetError) -> TargetError {
    match error {
        TargetError::Rejected { what, .. } if TAKEN.iter().any(|words| what.to_lowercase().contains(words)) => {
            TargetError::Exists { what }
        }
        error => error,
    }
}

/// Whether a refusal is about the object and not about us, the weather or the way it was said.
fn is_about_members(error: &TargetError) -> bool {
    matches!(error, TargetError::Rejected { .. } | TargetError::Missing { .. } | TargetError::Exists { .. })
}

/// The id of what was created: in the body, or at the end of its address.
pub(super) fn created(body: Option<&Object>, location: Option<&str>) -> Result<String, TargetError> {
    let last = |location: &str| {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let id = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        percent_encoding::percent_decode_str(id).decode_utf8().ok().map(String::from).filter(|id| !id.is_empty())
    };
    body.and_then(list::id)
        .or_else(|| location.and_then(last))
        .ok_or_else(|| TargetError::Protocol { what: "it was created, and the answer has no id".to_owned() })
}

impl ScimTarget {
    /// What a write would send.
    pub(super) fn told(&self, write: &Write) -> Vec<Value> {
        let requests = requests(&self.service(), write).unwrap_or_default();
        let told = |request: &Request| {
            let url = without_query(&self.url(&Self::path(request.kind, request.id.as_deref())?, &[]));
            let mut told = json!({"method": request.method.as_str(), "url": url});
            if let (Some(fields), Some(body)) = (told.as_object_mut(), &request.body) {
                fields.insert("body".to_owned(), body.clone());
            }
            Some(told)
        };
        requests.iter().filter_map(told).collect()
    }

    async fn send(&self, request: &Request, version: Option<&str>) -> Result<Reply, TargetError> {
        let id = request.id.as_deref().unwrap_or_default();
        let missing = || TargetError::Missing { id: id.to_owned() };
        let path = Self::path(request.kind, request.id.as_deref()).ok_or_else(missing)?;
        let mut call = Call::new(request.method.clone(), self.url(&path, &[]));
        if let Some(body) = &request.body {
            call = call.json(SCIM, body);
        }
        if let Some(version) = version {
            call = call.header(IF_MATCH, version);
        }
        match self.caller.call(call, id).await {
            Err(TargetError::Rejected { status: 412, .. }) => {
                Err(TargetError::Weather { what: "the object changed meanwhile (412)".to_owned(), wait: None })
            }
            reply => reply,
        }
    }

    /// Carries out one write.
    pub(super) async fn write_one(&self, write: &Write) -> Result<Done, TargetError> {
        let service = self.service();
        let done = |id: &str| Done { id: id.to_owned(), refused: Vec::new() };
        let id = match write {
            Write::Members { id, add, remove } if service.patch => {
                return self.write_members(&service, id, add, remove).await;
            }
            Write::Members { id, .. }
            | Write::Update { id, .. }
            | Write::Disable { id, .. }
            | Write::Delete { id, .. } => id,
            Write::Create { .. } => "",
        };
        let Some(request) = requests(&service, write)?.into_iter().next() else { return Ok(done(id)) };
        let sent = match request.method {
            Method::PUT => return self.replace(write).await.map(|()| done(id)),
            _ => self.send(&request, None).await,
        };
        match (sent, &request.method) {
            (Ok(reply), &Method::POST) => {
                let location = reply.text(&LOCATION);
                created(reply.object().ok().as_ref(), location).map(|id| done(&id))
            }
            (Ok(_), _) => Ok(done(id)),
            // Gone is what was wanted.
            (Err(TargetError::Missing { .. }), &Method::DELETE) => Ok(done(id)),
            (Err(TargetError::Missing { .. }), &Method::POST) => Err(self.nowhere(request.kind)),
            (Err(TargetError::Rejected { status: 405 | 501, .. }), &Method::PATCH) => {
                // It said nothing of having no PATCH, or the wrong thing.
                self.correct(|service| service.patch = false);
                self.replace(write).await.map(|()| done(id))
            }
            (Err(error), &Method::DELETE) => Err(error),
            (Err(error), _) => Err(taken(error)),
        }
    }

    /// Replaces an object by what it is with the write's changes made: what others wrote into it stays.
    async fn replace(&self, write: &Write) -> Result<(), TargetError> {
        let (kind, id) = match write {
            Write::Update { kind, id, .. } | Write::Disable { kind, id } => (*kind, id),
            Write::Members { id, .. } => (Kind::Group, id),
            Write::Create { .. } | Write::Delete { .. } => return Ok(()),
        };
        if kind == Kind::Group && !self.service().shows_members {
            let what = "a group could only be replaced, and the service does not show its members, who would be lost";
            return Err(TargetError::Rejected { status: 400, what: what.to_owned() });
        }
        let read = self.read(kind, id, &[]).await?;
        let (mut object, version) = read.ok_or_else(|| TargetError::Missing { id: id.clone() })?;
        let version = version.or_else(|| {
            let version = field(&object, "meta").and_then(|meta| field(meta.as_object()?, "version")?.as_str());
            version.map(str::to_owned)
        });
        // What the service alone writes.
        object.retain(|name, _| !["meta", "groups"].iter().any(|own| name.eq_ignore_ascii_case(own)));
        match write {
            Write::Update { changes, payload, .. } => {
                for change in changes.iter().filter(|change| !change.path.eq_ignore_ascii_case("schemas")) {
                    attribute::write(&mut object, change, payload);
                }
            }
            Write::Disable { .. } => attribute::write(&mut object, &inactive(), &Object::new()),
            Write::Members { add, remove, .. } => change_members(&mut object, add, remove),
            Write::Create { .. } | Write::Delete { .. } => {}
        }
        self.send(&put(kind, id, object), version.as_deref()).await.map(drop).map_err(taken)
    }

    /// Members in pieces. A piece that is refused is halved until those are found whom the service does not take.
    async fn write_members(
        &self,
        service: &Service,
        group: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<Done, TargetError> {
        let mut refused = Vec::new();
        let mut looked = false;
        // Those who go make room for those who come.
        let pieces = remove.chunks(service.members).map(|ids| (false, ids));
        let mut pieces: Vec<(bool, &[String])> =
            pieces.chain(add.chunks(service.members).map(|ids| (true, ids))).collect();
        pieces.reverse();
        while let Some((comes, ids)) = pieces.pop() {
            let request = if comes { join(group, ids) } else { leave(service, group, ids) };
            let error = match self.send(&request, None).await {
                Ok(_) => continue,
                Err(TargetError::Rejected { status: 405 | 501, .. }) => {
                    self.correct(|service| service.patch = false);
                    let write = Write::Members { id: group.to_owned(), add: add.to_vec(), remove: remove.to_vec() };
                    self.replace(&write).await?;
                    return Ok(Done { id: group.to_owned(), refused: Vec::new() });
                }
                Err(error) if is_about_members(&error) => error,
                Err(error) => return Err(error),
            };
            if !looked && matches!(error, TargetError::Missing { .. }) {
                // 404 is said of a group that is gone, and by some of a member.
                let only = [("attributes", "displayName".to_owned())];
                self.read(Kind::Group, group, &only).await?.ok_or(error.clone())?;
                looked = true;
            }
            match (ids, comes, &error) {
                // Who is there already, and who is gone already, is as wanted.
                ([_], true, TargetError::Exists { .. }) | ([_], false, TargetError::Missing { .. }) => {}
                ([_], false, TargetError::Rejected { what, .. }) if what.contains("noTarget") => {}
                ([id], true, TargetError::Missing { .. }) => refused.push((id.clone(), "404".to_owned())),
                ([id], _, _) => refused.push((id.clone(), error.to_string())),
                _ => {
                    let (first, second) = ids.split_at(ids.len() / 2);
                    pieces.extend([(comes, second), (comes, first)]);
                }
            }
        }
        Ok(Done { id: group.to_owned(), refused })
    }
}

/// Takes members out of a group's object and puts others in.
fn change_members(object: &mut Object, add: &[String], remove: &[String]) {
    let mut members = match field(object, "members") {
        Some(Value::Array(members)) => members.clone(),
        _ => Vec::new(),
    };
    let id = |member: &Value| field(member.as_object()?, "value")?.as_str().map(str::to_owned);
    let gone: std::collections::HashSet<&str> = remove.iter().chain(add).map(String::as_str).collect();
    members.retain(|member| id(member).is_none_or(|id| !gone.contains(id.as_str())));
    members.extend(add.iter().map(|id| json!({"value": id})));
    object.retain(|name, _| !name.eq_ignore_ascii_case("members"));
    object.insert("members".to_owned(), members.into());
}
