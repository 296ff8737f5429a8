//! What a write leaves behind beside the resource: a line of the provisioning log, and an entry of the outbox.

use serde_json::json;

use crate::store::{LogEntry, Operation};

use crate::clock::Millis;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// The id of the token.
    pub token: String,
    /// What the operator called it.
    pub label: String,
    /// The request.
    pub request: String,
}

/// What was done to which resource.
pub(super) struct Deed<'d> {
    /// `create`, `replace`, `patch`, `delete`.
    pub(super) verb: &'static str,
    pub(super) kind: &'d str,
    pub(super) id: &'d str,
    /// The attributes that changed, by name; their values stay where they are.
    pub(super) attributes: &'d [String],
}

impl Deed<'_> {
    /// The operations that belong into the transaction of the write.
    pub(super) fn operations(&self, actor: &Actor, at: Millis) -> [Operation; 2] {
        let outbox = json!({"verb": self.verb, "kind": self.kind, "id": self.id});
        let log = json!({
            "verb": self.verb,
            "kind": self.kind,
            "token": actor.token,
            "label": actor.label,
            "request": actor.request,
            "attributes": self.attributes,
        });
        [
            Operation::Outbox(outbox.to_string().into_bytes()),
            Operation::Log(LogEntry {
                at,
                resource: Some(self.id.to_owned()),
                failed: false,
                body: log.to_string().into_bytes(),
            }),
        ]
    }
}
