//! The SCIM service: protocol and store put together, without HTTP.
//!
//! A request becomes reads, a decision of `scim`, and one transaction of the store: the resource, its keys, its members, the
//! outbox entry and the line of the provisioning log are stored together or not at all. A write that meets another
//! one is decided anew on what the other left, unless the client said with `If-Match` which version it means.

pub mod access;
pub mod assertion;
mod bulk;
pub mod client;
mod content;
mod cursor;
mod declared;
mod halt;
mod inbound;
mod index;
mod journal;
mod kept;
mod library;
mod log;
mod outbound;
mod parts;
mod pick;
mod probe;
mod provisioned;
mod query;
mod read;
mod recorded;
mod remap;
mod removal;
mod render;
mod sheets;
mod shelf;
mod source;
pub mod token;
mod turn;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::sync::{Notify, OnceCell};

use crate::clock::{Clock, Millis};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::etag::Tags;
use crate::store::{Store, StoreError};

pub use content::Content;
pub use declared::{DeclaredAttribute, DeclaredType, Extension};
pub use halt::Halt;
pub(crate) use journal::guarded;
pub use journal::{CSV_HEADER, Line, LogFilter, parse_time};
pub use library::{Held, Library, LibraryError, Revision};
pub(crate) use log::without_values;
pub use log::{Actor, Told};
pub use outbound::{Change as DirectoryChange, Entry as DirectoryRecord};
pub use parts::Rest;
pub use pick::{Picked, Picking};
pub use provisioned::{Entry, LastRequest, Listing, Overview, Relation};
pub use recorded::{Attempt, Write};
pub use render::time;
pub use source::{Source, SourceRecord};

use halt::Halts;

/// How often a write is decided anew before the client is told to come again.
const MAX_ATTEMPTS: usize = 8;

/// The SCIM service over a store.
#[derive(Clone)]
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Under which cursors are sealed, once one was.
    cursor_key: Arc<OnceCell<[u8; 32]>>,
    turns: Arc<turn::Turns>,
    library: Arc<Library>,
    halts: Arc<Halts>,
    /// Told when there may be profiles to make anew.
    remap: Arc<Notify>,
    /// How many writes there were, for those who follow the outbox.
    written: tokio::sync::watch::Sender<u64>,
    spare: Arc<recorded::Spare>,
    shelf: Arc<shelf::Shelf>,
    sheets: Arc<sheets::Sheets>,
}

/// What every request brings along.
#[derive(Clone, Copy)]
pub struct Call<'c> {
    /// The source it is for.
    pub source: &'c Source,
    /// The URI of the service, without a slash at its end, for `location` and `$ref`.
    pub base: &'c str,
    /// Who asks.
    pub actor: &'c Actor,
    /// `If-Match`.
    pub if_match: Option<&'c Tags>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'c Tags>,
    /// The query parameter `attributes`.
    pub attributes: Option<&'c str>,
    /// The query parameter `excludedAttributes`.
    pub excluded: Option<&'c str>,
    /// Whether the query parameter `aadOptscim062020` is there, by which Entra says that it speaks its newer dialect.
    pub entra: bool,
}

impl<'c> Call<'c> {
    /// A call of the server's own, which no client made.
    pub fn inside(source: &'c Source, actor: &'c Actor) -> Self {
        Self {
            source,
            base: "",
            actor,
            if_match: None,
            if_none_match: None,
            attributes: None,
            excluded: None,
            entra: false,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Option<Content>,
    /// `Location`.
    pub location: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// The id of the resource.
    pub id: Option<String>,
}

impl Answer {
    fn empty(status: u16) -> Self {
        Self { status, body: None, location: None, etag: None, id: None }
    }

    /// An answer that is a document, as text, and no resource.
    pub fn document(body: String) -> Self {
        Self { body: Some(Content::Whole(Bytes::from(body))), ..Self::empty(200) }
    }
}

impl Directory {
    /// A service over this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let library = Arc::new(Library::new(Arc::clone(&store)));
        let halts = Arc::new(Halts::new(Arc::clone(&store)));
        let (cursor_key, turns) = (Arc::default(), Arc::default());
        let (remap, spare, shelf, sheets) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let written = tokio::sync::watch::Sender::new(0);
        Self { store, clock, cursor_key, turns, library, halts, remap, written, spare, shelf, sheets }
    }

    /// Reads mappings and halts from the store; until then there are none.
    ///
    /// # Errors
    /// The store fails, or a record in it cannot be read.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.library.load().await?;
        self.halts.load().await
    }

    /// Changes with every write that has an entry in the outbox.
    pub fn writes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// The mappings.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Now.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }
}

/// What the store says, as the client is told.
fn refused(error: StoreError, kind: &ResourceType) -> ScimError {
    match error {
        StoreError::Duplicate { index, key, .. } => {
            let value = String::from_utf8_lossy(&key).into_owned();
            ScimError::uniqueness(format!(
                "another {} has this {}: {:?}",
                kind.name(),
                index::attribute(&index),
                crate::text::shorten(&value)
            ))
        }
        StoreError::NotFound { id } => ScimError::not_found(format!("{} {:?}", kind.name(), crate::text::shorten(&id))),
        StoreError::MemberNotFound { id } => ScimError::invalid_value(format!(
            "`members`: there is no resource {:?}; provision it first",
            crate::text::shorten(&id)
        )),
        StoreError::TooLarge { what, limit } => ScimError::too_large(format!("{what}: at most {limit}")),
        error => failed(&error),
    }
}

/// The same where it is nobody's fault.
fn failed(error: &StoreError) -> ScimError {
    match error {
        StoreError::Busy => ScimError::status(503, "too many writes are waiting: try again in a second"),
        StoreError::Full => ScimError::status(503, "the server's disk is full; nothing was stored"),
        // What stands in the store is nothing for a client; the server logs it.
        _ => ScimError::status(500, "the store failed; the server's log says how"),
    }
}

/// A stored body as a resource.
fn fields(body: &[u8]) -> Result<Map<String, Value>, ScimError> {
    serde_json::from_slice(body).map_err(|_| damaged())
}

fn damaged() -> ScimError {
    ScimError::status(500, "a stored resource is damaged; the server's log says which")
}
