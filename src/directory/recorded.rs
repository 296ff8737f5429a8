//! The one door through which clients write: what succeeds has its line in its own transaction, what is refused gets one
//! here, and so does what changed nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::log::{Deed, Note, Told, name, note};
use super::{Answer, Call, Directory, fields};
use crate::clock::Millis;
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::store::Transaction;

/// Lines without a write that may wait for the disk at once. The store takes some thousand transactions, so that these never
/// keep a write out; more are left out and counted.
const MAX_WAITING: usize = 64;

/// A write as it was asked for.
#[derive(Debug, Clone, Copy)]
pub enum Write<'w> {
    /// POST of this body.
    Create(&'w Value),
    /// PUT of this body to this id.
    Replace(&'w str, &'w Value),
    /// PATCH of this id.
    Patch(&'w str, &'w Value),
    /// DELETE of this id.
    Delete(&'w str),
}

impl<'w> Write<'w> {
    /// What the log calls it.
    fn attempt(self, kind: &'w ResourceType) -> Attempt<'w> {
        let (operation, id, body) = match self {
            Self::Create(body) => ("create", None, Some(body)),
            Self::Replace(id, body) => ("replace", Some(id), Some(body)),
            Self::Patch(id, _) => ("patch", Some(id), None),
            Self::Delete(id) => ("delete", Some(id), None),
        };
        Attempt { operation, kind: Some(kind), id, body }
    }
}

/// A write that came to nothing.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// `create`, `replace`, `patch`, `delete` or `bulk`.
    pub operation: &'static str,
    /// The resource type.
    pub kind: Option<&'a ResourceType>,
    /// The id in the path.
    pub id: Option<&'a str>,
    /// The resource that was sent, for its name.
    pub body: Option<&'a Value>,
}

/// The room for lines without a write.
pub(super) struct Spare {
    room: Semaphore,
    dropped: AtomicU64,
}

impl Default for Spare {
    fn default() -> Self {
        Self { room: Semaphore::new(MAX_WAITING), dropped: AtomicU64::new(0) }
    }
}

impl Directory {
    /// Carries out a write, and logs it whatever comes of it.
    ///
    /// # Errors
    /// What the client is to be told; it is in the log as well, without values.
    pub async fn write(&self, call: &Call<'_>, kind: &ResourceType, write: Write<'_>) -> Result<Answer, ScimError> {
        let done = match write {
            Write::Create(body) => self.create(call, kind, body).await,
            Write::Replace(id, body) => self.replace(call, kind, id, body).await,
            Write::Patch(id, body) => self.patch(call, kind, id, body).await,
            Write::Delete(id) => self.delete(call, kind, id).await,
        };
        if let Err(error) = &done {
            self.log_refusal(call, &write.attempt(kind), error).await;
        }
        done
    }

    /// Carries out a POST of this body when it is as most clients send it; `None` when it has to be read first, for
    /// [`Directory::write`].
    ///
    /// # Errors
    /// As [`Directory::write`].
    pub async fn post(&self, call: &Call<'_>, kind: &ResourceType, body: &[u8]) -> Result<Option<Answer>, ScimError> {
        let done = self.create_quick(call, kind, body).await;
        if let Err(error) = &done {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            self.log_refusal(call, &Write::Create(&body).attempt(kind), error).await;
        }
        done
    }

    /// Carries out a PATCH of this body when it only adds or removes members of a group and is as most clients send it; `None` when it
    /// has to be read first, for [`Directory::write`].
    ///
    /// # Errors
    /// As [`Directory::write`].
    pub async fn patch_quick(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        body: &[u8],
    ) -> Result<Option<Answer>, ScimError> {
        let done = self.members_quick(call, kind, id, body).await;
        if let Err(error) = &done {
            // The log names what is stored, and asks no PATCH for a name.
            self.log_refusal(call, &Write::Patch(id, &Value::Null).attempt(kind), error).await;
        }
        done
    }

    /// Logs a write that was refused before or by [`Directory::write`].
    pub async fn log_refusal(&self, call: &Call<'_>, attempt: &Attempt<'_>, error: &ScimError) {
        let source = call.source.slug.as_str();
        // A line is no reason to fail: what cannot be read is left out.
        let known = match attempt.id {
            Some(id) => self.store.get(source, id).await.ok().flatten(),
            None => None,
        };
        let kind = attempt.kind.map(ResourceType::name);
        let mut told = Told::of(call.actor, attempt.operation, kind).refused(error);
        let known_fields = known.as_ref().and_then(|stored| fields(&stored.body).ok());
        let resource = known_fields.as_ref().or(attempt.body.and_then(Value::as_object));
        told.name = resource.and_then(|resource| name(kind.unwrap_or_default(), resource));
        told.mapping = kind.and_then(|kind| self.mapping_revision(call, kind));
        self.log_alone(call, &told, attempt.id, true, known.is_some(), self.now()).await;
    }

    /// Logs a write that was fine and had nothing to change.
    pub(super) async fn log_unchanged(&self, call: &Call<'_>, deed: &Deed<'_>, at: Millis) {
        let mapping = self.mapping_revision(call, deed.kind);
        let told = Told { unchanged: true, mapping, ..deed.told(call.actor) };
        self.log_alone(call, &told, Some(deed.id), false, true, at).await;
    }

    /// How many lines of refused and of empty writes were left out because too many came at once, or the store failed.
    pub fn dropped_lines(&self) -> u64 {
        self.spare.dropped.load(Ordering::Relaxed)
    }

    async fn log_alone(
        &self,
        call: &Call<'_>,
        told: &Told,
        id: Option<&str>,
        failed: bool,
        is_known: bool,
        at: Millis,
    ) {
        let logged = match self.spare.room.try_acquire() {
            Ok(_room) => {
                let source = call.source.slug.as_str();
                let mut transaction = Transaction::new(source).with(told.entry(at, id, failed));
                // Only of what exists, so that made-up ids leave nothing behind.
                if let Some(id) = id.filter(|_| is_known) {
                    transaction = transaction.with(note(source, id, &Note { at, failed, told: told.clone() }));
                }
                self.store.commit(transaction).await.is_ok()
            }
            Err(_) => false,
        };
        if !logged {
            self.spare.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
