//! A transaction: operations with their preconditions, as a value. All of it is stored or nothing.

use super::types::{Keys, LogEntry, Millis, Table};

/// Operations on one source that are stored together or not at all. A later one sees what the earlier ones did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The source whose resources are meant.
    pub source: String,
    /// In the order in which they are done.
    pub operations: Vec<Operation>,
}

/// The state in which a resource must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It must exist.
    Any,
    /// It must be at this version.
    Version(u64),
}

/// The state in which a record of a table must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Any.
    Always,
    /// It must not exist.
    Absent,
    /// It must have this value.
    Equals(Vec<u8>),
}

/// What happens to ids that become members and are no resources of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The transaction fails.
    Refuse,
    /// They become members of no kind, and get one when a resource of their id is created.
    Keep,
}

/// What happens to the members of a group. Adding a member twice and removing one that is none change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These ids become members.
    Add(Vec<String>),
    /// These ids are members no more.
    Remove(Vec<String>),
    /// These ids, and no others, are members.
    Replace(Vec<String>),
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Stores a new resource at version 1.
    Create {
        /// Its kind.
        kind: String,
        /// Its id, at most 255 bytes. Ids that rise with time (UUID version 7) are stored fastest.
        id: String,
        /// `created` and `modified`.
        at: Millis,
        /// Its attributes.
        body: Vec<u8>,
        /// What the mapping made of it.
        profile: Option<Vec<u8>>,
        /// Where it is found.
        keys: Keys,
    },
    /// Puts new attributes and keys in the place of the old; members stay.
    Replace {
        /// Which.
        id: String,
        /// In which state.
        expected: Expected,
        /// `modified`.
        at: Millis,
        /// Its attributes.
        body: Vec<u8>,
        /// What the mapping made of it.
        profile: Option<Vec<u8>>,
        /// Where it is found from now on.
        keys: Keys,
    },
    /// Removes a resource, its keys, its members, and its memberships; groups it was in get a new version.
    Delete {
        /// Which.
        id: String,
        /// In which state.
        expected: Expected,
        /// `modified` of the groups it was in.
        at: Millis,
    },
    /// Changes the members of a group, at a cost of what changes. The version rises only when something does.
    Members {
        /// Which group.
        id: String,
        /// In which state.
        expected: Expected,
        /// `modified`, when something changes.
        at: Millis,
        /// What changes.
        change: Change,
        /// What happens to new members that are no resources.
        unknown: Unknown,
    },
    /// Only checks.
    Require {
        /// Which resource.
        id: String,
        /// In which state.
        expected: Expected,
    },
    /// Ends the transaction here, and nothing is stored, when nothing before it changes anything: what it would tell of did not happen.
    OnlyIfChanged,
    /// Appends to the outbox.
    Outbox(Vec<u8>),
    /// Forgets outbox entries up to and with this number, at most ten thousand rows of them at once.
    TrimOutbox(u64),
    /// Appends to the provisioning log.
    Log(LogEntry),
    /// Stores a record of a table.
    Put {
        /// Which table.
        table: Table,
        /// Its key, at most 1,024 bytes.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// In which state.
        when: When,
    },
    /// Removes a record of a table, if it is there.
    Erase {
        /// Which table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
        /// In which state.
        when: When,
    },
}

impl Transaction {
    /// An empty transaction on a source.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), operations: Vec::new() }
    }

    /// Adds a step.
    #[must_use]
    pub fn with(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }
}

/// What one operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The resource is new, at version 1.
    Created {
        /// Its place in the order of creation.
        number: u64,
        /// Whether it is a member of groups: of those that had its id before there was a resource.
        is_member: bool,
    },
    /// The resource is at this version.
    Resource {
        /// Its version.
        version: u64,
        /// Its place in the order of creation.
        number: u64,
    },
    /// The resource is gone.
    Deleted {
        /// How many memberships went with it, on either side.
        edges: u64,
    },
    /// The group's members are as asked.
    Members {
        /// Its version.
        version: u64,
        /// Who is a member now and was not, in the order of the request.
        added: Vec<String>,
        /// Who was a member and is none now.
        removed: Vec<String>,
        /// How many there are now.
        total: u64,
    },
    /// The entry has this number.
    Number(u64),
    /// So many were removed.
    Removed(u64),
    /// Nothing to say.
    Done,
}

/// What a transaction did, an entry per operation; it is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// In the order of the operations; of those before [`Operation::OnlyIfChanged`] when nothing was changed.
    pub applied: Vec<Applied>,
}
