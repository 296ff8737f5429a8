//! Bulk requests carried out (RFC 7644, section 3.7): one operation after the other, each a write of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Actor, Answer, Attempt, Call, Directory, Write};
use crate::scim::bulk::{Bulk, Done, Method, Operation};
use crate::scim::error::ScimError;
use crate::scim::etag::Tags;

impl Directory {
    /// Carries out a bulk request.
    pub async fn bulk(&self, call: &Call<'_>, body: Value) -> Result<Answer, ScimError> {
        let endpoints: Vec<&str> = call.source.types.iter().map(|kind| kind.endpoint.as_str()).collect();
        let attempt = Attempt { operation: "bulk", kind: None, id: None, body: None };
        let mut bulk = match Bulk::parse(body, &endpoints) {
            Ok(bulk) => bulk,
            Err(error) => {
                self.log_refusal(call, &attempt, &error).await;
                return Err(error);
            }
        };
        let actor = Actor { bulk: true, ..call.actor.clone() };
        let call = &Call { actor: &actor, ..*call };
        let mut begun = BTreeSet::new();
        while let Some(operation) = bulk.next_operation() {
            begun.insert(operation.index);
            let result = self.operation(call, &operation).await;
            bulk.done(operation.index, result);
        }
        // What never came as far as to be written has no line yet.
        for failed in bulk.failed().filter(|failed| !begun.contains(&failed.index)) {
            let kind = call.source.types.iter().find(|kind| kind.endpoint == failed.endpoint);
            let operation = match failed.method {
                Some(Method::Post) => "create",
                Some(Method::Put) => "replace",
                Some(Method::Patch) => "patch",
                Some(Method::Delete) => "delete",
                None => "bulk",
            };
            let attempt = Attempt { operation, kind, id: failed.id, body: failed.data };
            self.log_refusal(call, &attempt, failed.error).await;
        }
        Ok(Answer::document(bulk.response().to_string()))
    }

    async fn operation(&self, call: &Call<'_>, operation: &Operation) -> Result<Done, ScimError> {
        let kind = call
            .source
            .types
            .iter()
            .find(|kind| kind.endpoint == operation.endpoint)
            .ok_or_else(|| ScimError::invalid_path(format!("there is no endpoint {:?}", operation.endpoint)))?;
        let tags = operation.version.as_deref().and_then(Tags::parse);
        let call = Call { if_match: tags.as_ref(), if_none_match: None, attributes: None, excluded: None, ..*call };
        let empty = Value::Null;
        let body = operation.data.as_ref().unwrap_or(&empty);
        let id = operation.id.as_deref().unwrap_or_default();
        let write = match operation.method {
            Method::Post => Write::Create(body),
            Method::Put => Write::Replace(id, body),
            Method::Patch => Write::Patch(id, body),
            Method::Delete => Write::Delete(id),
        };
        let answer = self.write(&call, kind, write).await?;
        let id = answer.id.unwrap_or_else(|| id.to_owned());
        let location = match operation.method {
            Method::Delete => None,
            _ => Some(super::render::location(&call, Some(kind), &id)),
        };
        Ok(Done { status: answer.status, id, location, version: answer.etag })
    }
}
