//! What a store can answer instead of doing it. Everything a caller decides on is a variant; the rest is a text for a person.

use std::fmt;
use std::io;

/// Why a store did not do it. After any of these nothing of the transaction is stored, except after [`StoreError::Io`],
/// [`StoreError::Full`] and [`StoreError::Stopped`], where it is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another resource has this key in a unique index.
    Duplicate {
        /// The name of the index.
        index: String,
        /// The key, as the caller normalised it.
        key: Vec<u8>,
        /// The id of the resource that has it.
        holder: String,
    },
    /// A resource with this id exists in the source.
    Exists {
        /// The id.
        id: String,
    },
    /// The resource is at another version than the caller saw.
    VersionMismatch {
        /// The resource.
        id: String,
        /// The version it has.
        found: u64,
    },
    /// No such resource.
    NotFound {
        /// The id asked for.
        id: String,
    },
    /// A member to add is no resource of the source.
    MemberNotFound {
        /// The id of the member.
        id: String,
    },
    /// A record of a table is not what the caller expected.
    Changed {
        /// The key of the record.
        key: Vec<u8>,
    },
    /// Too many transactions wait. Nothing was done; trying again later is right.
    Busy,
    /// A part of the request is larger than the store takes.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The most that is taken, in bytes or items.
        limit: usize,
    },
    /// Stored bytes are not what was written.
    Corrupt {
        /// The key space or file they belong to.
        table: &'static str,
        /// What is wrong with them.
        what: String,
    },
    /// The disk is full.
    Full,
    /// The disk or the database failed; the store takes no more writes until it is opened again.
    Io(String),
    /// The store was closed, or stopped after an earlier failure.
    Stopped(String),
    /// Another process has the store open.
    Locked(String),
    /// The data was written by another version of the program.
    Schema {
        /// The version found.
        found: u64,
        /// The version this program reads and writes.
        known: u64,
    },
    /// A restore needs an empty store.
    NotEmpty,
    /// A dump is damaged, or is none.
    Dump {
        /// The line, from one; zero for the file as a whole.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

impl StoreError {
    /// Stored bytes that are not what was written.
    pub(crate) fn corrupt(table: &'static str, what: impl Into<String>) -> Self {
        Self::Corrupt { table, what: what.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { index, key, holder } => {
                write!(f, "{index} {:?} belongs to resource {holder}", String::from_utf8_lossy(key))
            }
            Self::Exists { id } => write!(f, "resource {id} exists already"),
            Self::VersionMismatch { id, found } => write!(f, "resource {id} is at version {found} by now"),
            Self::NotFound { id } => write!(f, "there is no resource {id}"),
            Self::MemberNotFound { id } => write!(f, "member {id} is no resource of this source"),
            Self::Changed { key } => write!(f, "record {:?} has changed", String::from_utf8_lossy(key)),
            Self::Busy => f.write_str("too many writes are waiting; try again"),
            Self::TooLarge { what, limit } => write!(f, "{what}: at most {limit}"),
            Self::Corrupt { table, what } => write!(f, "stored data is damaged ({table}): {what}"),
            Self::Full => f.write_str("the disk is full"),
            Self::Io(what) => write!(f, "the store's disk or database failed: {what}"),
            Self::Stopped(why) => write!(f, "the store takes no writes: {why}"),
            Self::Locked(who) => write!(f, "the store is open in another process ({who}); stop it first"),
            Self::Schema { found, known } => write!(
                f,
                "the data has schema version {found}, this program knows {known}; back up with the program that wrote it, then restore with this one"
            ),
            Self::NotEmpty => f.write_str("the store is not empty; restore into a new data directory"),
            Self::Dump { line: 0, what } => write!(f, "the backup cannot be used: {what}"),
            Self::Dump { line, what } => write!(f, "the backup cannot be used, line {line}: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull { Self::Full } else { Self::Io(error.to_string()) }
    }
}
