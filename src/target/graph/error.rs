//! What Graph means with an answer. Its errors are OData bodies, and several things that have a status of their own elsewhere
//! are a 400 here: only code, details and words tell them apart.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::TargetError;
use super::super::http::{Reply, wait, wait_of};

/// The reply to a batch.
#[derive(Deserialize)]
pub(super) struct Responses<'r> {
    #[serde(borrow, default)]
    pub(super) responses: Vec<Response<'r>>,
}

/// A response in the reply to a batch.
#[derive(Deserialize)]
pub(super) struct Response<'r> {
    /// Which request it answers: a text, or a number.
    #[serde(default)]
    pub(super) id: Value,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    headers: Value,
    /// Read when it is known what is asked of it.
    #[serde(borrow, default)]
    body: Option<&'r RawValue>,
}

/// The body of what was made.
#[derive(Deserialize)]
struct Made {
    id: Option<String>,
}

/// An answer, by itself or out of a batch.
#[derive(Debug)]
pub(super) struct Said {
    /// The reply that it stands in.
    reply: Arc<Reply>,
    /// Its own status.
    pub(super) status: u16,
    wait: Option<Duration>,
    /// Its body; null for none.
    pub(super) body: Value,
}

impl Said {
    /// A reply by itself.
    pub(super) fn alone(reply: Reply) -> Self {
        let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        Self { status: reply.status, wait: wait(&reply.headers), body, reply: Arc::new(reply) }
    }

    /// A response in the reply to a batch.
    pub(super) fn batched(reply: &Arc<Reply>, response: &Response<'_>) -> Option<Self> {
        let status = &response.status;
        let status = status.as_u64().or_else(|| status.as_str()?.parse().ok());
        let status = u16::try_from(status?).ok()?;
        let wait = response.headers.as_object().and_then(|headers| {
            let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            wait_of(&text, SystemTime::now())
        });
        let text = response.body.map(RawValue::get).unwrap_or_default();
        let body = if (200..300).contains(&status) {
            // Of what was made nothing but the id is asked for.
            serde_json::from_str::<Made>(text).ok().and_then(|made| made.id).map(|id| json!({"id": id}))
        } else {
            serde_json::from_str(text).ok()
        };
        let body = body.unwrap_or_default();
        Some(Self { reply: Arc::clone(reply), status, wait, body })
    }

    /// What stands for an answer that a reply to a batch lacks: weather.
    pub(super) fn lost(reply: &Arc<Reply>) -> Self {
        let said = "the reply to the batch has no answer to this request";
        let reply = Arc::clone(reply);
        Self { reply, status: 503, wait: None, body: json!({"error": {"code": "", "message": said}}) }
    }

    /// Whether it was done.
    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn at(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the error names this id: "Resource '…' does not exist".
    pub(super) fn names(&self, id: &str) -> bool {
        self.at("/error/message").contains(&format!("'{id}'"))
    }

    /// Whether the error's words are about an attribute.
    pub(super) fn is_about(&self, attribute: &str) -> bool {
        self.at("/error/message").contains(attribute)
    }

    /// Whether a member that we add is one already.
    pub(super) fn is_member_already(&self) -> bool {
        self.status == 400 && self.at("/error/message").contains("object references already exist")
    }

    /// Whether a member that we remove is none any more.
    pub(super) fn is_no_member(&self) -> bool {
        self.status == 400 && self.at("/error/message").contains("object references do not exist")
    }

    /// Whether an object has the name that ours is to have.
    fn is_conflict(&self) -> bool {
        let conflicting = |code: &str| matches!(code, "ObjectConflict" | "ConflictingObjects" | "PropertyConflict");
        let details = self.body.pointer("/error/details").and_then(Value::as_array).into_iter().flatten();
        let message = self.at("/error/message");
        self.status == 400
            && (details.filter_map(|detail| detail.get("code")?.as_str()).any(conflicting)
                || message.starts_with("Another object with the same value for property")
                || message.starts_with("A conflicting object with one or more of the specified property values"))
    }

    /// What an answer that is not [`Said::is_done`] means for the object with this id. `right`: the permission that the call
    /// needs.
    pub(super) fn error(&self, id: &str, right: &str) -> TargetError {
        let code = self.at("/error/code");
        // Two writes of one object met; one of them goes first.
        let status = if code.contains("ConcurrencyViolation") { 503 } else { self.status };
        let status = match (status, code) {
            // Within a batch that was let in, the token ended: the next request gets another.
            (401, "InvalidAuthenticationToken" | "CompactToken") if self.reply.status < 300 => 503,
            // A list of changes from too long ago.
            (400, "SyncStateNotFound" | "resyncRequired" | "Directory_ResyncRequired") => 410,
            (status, _) => status,
        };
        // What is no JSON, such as the page of a gateway, is told as it is.
        if self.body.is_null() && self.reply.status == status {
            return self.reply.refusal(id);
        }
        match self.reply.part(status, self.wait, &self.body, id) {
            TargetError::Rejected { what, .. } if self.is_conflict() => TargetError::Exists { what },
            TargetError::Denied { what } if status == 403 && !code.starts_with("Directory_") => TargetError::Denied {
                what: format!("{what}; the application needs the permission {right} (application, with admin consent)"),
            },
            error => error,
        }
    }
}
