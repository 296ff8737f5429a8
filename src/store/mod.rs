//! Durable storage behind one trait: resources with their indexes, memberships as edges, outbox, provisioning log, and
//! tables of records that change rarely. [`SledStore`] is the implementation for one machine.
//!
//! A write is one [`Transaction`]: operations with preconditions, stored together or not at all, and acknowledged when
//! they are on disk. A read sees transactions that are stored, each whole, and may see one an instant before it is
//! durable. Several reads are not a snapshot: what one finds, the next may find changed.
//!
//! The store decides nothing about SCIM: bodies are bytes, and which attributes are indexed under which normalised keys
//! is the caller's business. `docs/store.md` has layout, limits and the promise about durability.

mod dump;
mod error;
mod sled;
mod transaction;
mod types;
mod watch;

use std::future::Future;
use std::io::{BufRead, Seek, Write};
use std::pin::Pin;

pub use self::error::StoreError;
pub use self::sled::{Options, SledStore, compact};
pub use self::transaction::{Applied, Change, Committed, Expected, Operation, Transaction, Unknown, When};
pub use self::types::{
    Activity, Cursor, Dumped, Holder, Keys, LogEntry, LogLine, LogQuery, MODIFIED, Member, Millis, OutboxEntry, Page,
    RUN, Record, Run, Runs, Scan, Span, Start, Stats, Stored, Table, Verified, time_key,
};
pub use self::watch::Seen;

/// An answer on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A file that can be read twice: once to check it, once to use it.
pub trait Rewind: BufRead + Seek {}
impl<T: BufRead + Seek> Rewind for T {}

/// Durable storage. Object-safe with boxed futures, so that the server holds an `Arc<dyn Store>` and is compiled once:
/// a box costs some 30 ns, a read from the embedded database 2 µs, one over a network 200 µs. The embedded store answers
/// reads at once, without leaving the thread; one over a network waits.
pub trait Store: Send + Sync {
    /// Stores a transaction. The answer comes when it is durable; dropping the future does not take the write back.
    fn commit(&self, transaction: Transaction) -> Answer<'static, Committed>;

    /// A resource by its id.
    fn get<'a>(&'a self, source: &'a str, id: &'a str) -> Answer<'a, Option<Stored>>;

    /// A resource with its members and the groups it is in, as it is from now on; `None` when the store cannot tell changes.
    fn look(&self, _source: &str, _id: &str) -> Option<Seen> {
        None
    }

    /// Whether nothing of all that was seen has changed since, nothing that was acknowledged before this question at least.
    fn is_as_seen(&self, _seen: &[Seen]) -> bool {
        false
    }

    /// Resources by their ids, in the same order.
    fn get_many<'a>(&'a self, source: &'a str, ids: &'a [String]) -> Answer<'a, Vec<Option<Stored>>>;

    /// The id of the resource that has a key in a unique index.
    fn find<'a>(&'a self, source: &'a str, kind: &'a str, index: &'a str, key: &'a [u8]) -> Answer<'a, Option<String>>;

    /// What [`Store::find`] would answer, when the store has it in memory.
    fn find_known(&self, _source: &str, _kind: &str, _index: &str, _key: &[u8]) -> Holder {
        Holder::Unknown
    }

    /// Ids by the keys of an index, in the order of keys, then ids. An id whose resource changed meanwhile may be stale,
    /// and keys over 400 bytes are told apart by a digest, so a caller checks what it fetches. With several keys in
    /// the span, a resource may come several times.
    fn scan<'a>(&'a self, source: &'a str, kind: &'a str, scan: &'a Scan) -> Answer<'a, Page<String>>;

    /// Resources of a kind in the order of creation.
    fn list<'a>(&'a self, source: &'a str, kind: &'a str, from: Start, limit: usize) -> Answer<'a, Page<Stored>>;

    /// Where in the order of creation `limit` resources of a kind are that come after `skip` others; `None` when the store does not
    /// have that in memory, or when there are more of them than `most`.
    fn runs(&self, _source: &str, _kind: &str, _skip: u64, _limit: u64, _most: u64) -> Option<Runs> {
        None
    }

    /// The ids of [`Store::list`] alone, with their numbers.
    fn order<'a>(
        &'a self,
        source: &'a str,
        kind: &'a str,
        from: Start,
        limit: usize,
    ) -> Answer<'a, Page<(u64, String)>>;

    /// How many resources of a kind there are; costs the same however many.
    fn count<'a>(&'a self, source: &'a str, kind: &'a str) -> Answer<'a, u64>;

    /// The members of a group in the order in which they came; after a restore, and of groups from an older schema, in that of ids at
    /// first. Who is a member all the while stands on one of the pages and on one alone, whoever comes and goes between them. Their
    /// number is [`Stored::members`].
    fn members<'a>(
        &'a self,
        source: &'a str,
        group: &'a str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<Member>>;

    /// The ids of the groups that have this member.
    fn groups<'a>(
        &'a self,
        source: &'a str,
        member: &'a str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<String>>;

    /// Whether it is a member of the group.
    fn is_member<'a>(&'a self, source: &'a str, group: &'a str, member: &'a str) -> Answer<'a, bool>;

    /// The same of many ids, in their order.
    fn are_members<'a>(&'a self, source: &'a str, group: &'a str, members: &'a [String]) -> Answer<'a, Vec<bool>>;

    /// Outbox entries from a number on.
    fn outbox(&self, from: u64, limit: usize) -> Answer<'_, Vec<OutboxEntry>>;

    /// Lines of the provisioning log.
    fn log<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Page<LogLine>>;

    /// The newest line of a source, and how many lines it had since the beginning of the hour in which `since` lies, which
    /// is at most a day before the newest. Costs the same however long the log is.
    fn activity<'a>(&'a self, source: &'a str, since: Millis) -> Answer<'a, Activity>;

    /// Forgets the oldest lines of the provisioning log: those before a time, and as many as make it no larger than
    /// `bytes`. Says how many.
    fn prune_log(&self, before: Option<Millis>, bytes: Option<u64>) -> Answer<'static, u64>;

    /// A record of a table.
    fn record<'a>(&'a self, table: Table, key: &'a [u8]) -> Answer<'a, Option<Vec<u8>>>;

    /// Records of a table whose keys begin so, in the order of keys.
    fn records<'a>(
        &'a self,
        table: Table,
        prefix: &'a [u8],
        after: Option<Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<Record>>;

    /// Whether one process has it at a time: then whatever another process holds in it, it holds no more.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// What the store says about itself.
    fn stats(&self) -> Result<Stats, StoreError>;

    /// Walks over everything and reports what does not agree. Blocks the thread; writes wait meanwhile.
    fn verify(&self) -> Result<Verified, StoreError>;

    /// Writes everything as JSON lines, as it was at one moment near the end. Blocks the thread; writes go on, and wait
    /// only while the last changes are written.
    fn dump(&self, to: &mut dyn Write) -> Result<Dumped, StoreError>;

    /// Reads what [`Store::dump`] wrote, of this or another kind of store, into an empty one. Blocks the thread.
    fn restore(&self, from: &mut dyn Rewind) -> Result<Dumped, StoreError>;
}
