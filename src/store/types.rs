//! What the store holds and gives back, as plain data. No type here knows which database is below.

use std::ops::Bound;

/// Milliseconds since 1970-01-01 UTC. The store has no clock; its callers say when.
pub type Millis = u64;

/// The index that the store keeps by itself for every resource; its keys are [`time_key`]s.
pub const MODIFIED: &str = "meta.lastModified";

/// A time as a key that sorts like the time.
pub fn time_key(at: Millis) -> Vec<u8> {
    at.to_be_bytes().to_vec()
}

/// A resource as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// `User`, `Group`, or a custom resource type.
    pub kind: String,
    /// Unique within the source, over all kinds.
    pub id: String,
    /// One at creation, one more with every change, changes of its members included.
    pub version: u64,
    /// When it was created.
    pub created: Millis,
    /// When it last changed.
    pub modified: Millis,
    /// Its place in the order of creation among the resources of its kind; never used twice.
    pub number: u64,
    /// How many members it has.
    pub members: u64,
    /// The attributes, as JSON, without members and meta. The store does not read it.
    pub body: Vec<u8>,
    /// What the source's mapping made of it, as JSON.
    pub profile: Option<Vec<u8>>,
    /// The keys under which it is found.
    pub keys: Keys,
}

impl Stored {
    /// Where a list of its kind goes on after it.
    pub fn cursor(&self) -> Cursor {
        Cursor(self.number.to_be_bytes().to_vec())
    }
}

/// The keys of a resource. Which attributes have an index, and how values are normalised, is the caller's decision. They are held
/// as the bytes of a row, because most who read a resource never look at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub(super) unique: Packed,
    pub(super) plain: Packed,
}

impl Keys {
    /// Adds a unique key: among the resources of one kind in a source only one may have it.
    #[must_use]
    pub fn unique(mut self, index: &str, key: impl AsRef<[u8]>) -> Self {
        self.unique.push(index, key.as_ref());
        self
    }

    /// Adds a key that others may have too.
    #[must_use]
    pub fn plain(mut self, index: &str, key: impl AsRef<[u8]>) -> Self {
        self.plain.push(index, key.as_ref());
        self
    }

    /// Whether there is this key among the unique ones, or among the others.
    pub fn has(&self, unique: bool, index: &str, key: &[u8]) -> bool {
        if unique { self.unique.has(index, key) } else { self.plain.has(index, key) }
    }

    /// The unique keys: index name and key.
    pub fn of_unique(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.unique.iter()
    }

    /// The other keys: index name and key.
    pub fn of_plain(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.plain.iter()
    }
}

/// Index names and keys one after another, the length of each before it as rows have it: seven bits a byte, the lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    count: u64,
    bytes: Vec<u8>,
}

impl Packed {
    fn push(&mut self, index: &str, key: &[u8]) {
        self.count += 1;
        for part in [index.as_bytes(), key] {
            let mut length = part.len();
            while length >= 0x80 {
                self.bytes.push(length as u8 | 0x80);
                length >>= 7;
            }
            self.bytes.push(length as u8);
            self.bytes.extend_from_slice(part);
        }
    }

    /// What a row has: so many pairs, which were looked at.
    pub(super) fn from_row(count: u64, bytes: &[u8]) -> Self {
        Self { count, bytes: bytes.to_vec() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.pairs().map_while(|(index, key)| Some((std::str::from_utf8(index).ok()?, key)))
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.bytes.as_slice();
        let mut part = move || {
            let (mut length, mut shift) = (0_usize, 0_u32);
            loop {
                let (byte, behind) = rest.split_first()?;
                rest = behind;
                length |= usize::from(byte & 0x7F).checked_shl(shift)?;
                shift += 7;
                if *byte < 0x80 {
                    break;
                }
            }
            let (part, behind) = rest.split_at_checked(length)?;
            rest = behind;
            Some(part)
        };
        std::iter::from_fn(move || Some((part()?, part()?)))
    }

    /// Whether this pair is one of them.
    pub(super) fn has(&self, index: &str, key: &[u8]) -> bool {
        self.pairs().any(|pair| pair == (index.as_bytes(), key))
    }
}

/// Who has a unique key, as far as it is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// The resource of this id.
    Id(String),
    /// The store has to look.
    Unknown,
}

/// Where a page ended. Opaque: it is given back to the same question to go on after it, at any later time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub(crate) Vec<u8>);

impl Cursor {
    /// A cursor that a client sent back. Any bytes are allowed; foreign ones end in some other place of the same answer.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes to hand to a client.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Some of the items of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, at most as many as asked for.
    pub items: Vec<T>,
    /// Where to go on; `None` after the last item.
    pub next: Option<Cursor>,
}

/// How many numbers a [`Run`] has.
pub const RUN: u64 = 64;

/// Resources of a kind that follow one another in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first of its numbers, a multiple of [`RUN`]. A number is one resource's for good.
    pub first: u64,
    /// How many of its numbers are those of resources that are there.
    pub count: u64,
}

/// Runs with resources in them, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    /// The runs.
    pub runs: Vec<Run>,
    /// How many resources of the first of them come before those that were asked for.
    pub skip: u64,
    /// How many resources of the kind there are.
    pub total: u64,
}

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the item at this place, counted from zero (SCIM's `startIndex` less one).
    Offset(u64),
    /// From the resource with this number on, or the next one that is there.
    Number(u64),
    /// After the item where a page ended.
    After(Cursor),
}

/// Which keys of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// This key.
    Exact(Vec<u8>),
    /// Keys that begin with it.
    Prefix(Vec<u8>),
    /// Keys between the two, by their bytes.
    Between(Bound<Vec<u8>>, Bound<Vec<u8>>),
}

/// A question to an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The index's name.
    pub index: String,
    /// Whether it is one of the unique ones.
    pub unique: bool,
    /// Which keys.
    pub span: Span,
    /// Go on after this.
    pub after: Option<Cursor>,
    /// At most so many ids.
    pub limit: usize,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its kind; `None` when it is no resource.
    pub kind: Option<String>,
}

/// A change of the directory that others still have to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its number; numbers rise in the order of commits, without gaps.
    pub number: u64,
    /// The source.
    pub source: String,
    /// What happened; the store does not read it.
    pub body: Vec<u8>,
}

/// An entry of the provisioning log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub at: Millis,
    /// The resource it is about.
    pub resource: Option<String>,
    /// Whether what it tells failed.
    pub failed: bool,
    /// The rest; the store does not read it.
    pub body: Vec<u8>,
}

/// An entry of the provisioning log, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number; numbers rise in the order of commits.
    pub number: u64,
    /// The source.
    pub source: String,
    /// What was written.
    pub entry: LogEntry,
}

impl LogLine {
    /// Where a page of the log goes on after it, in either direction.
    pub fn cursor(&self) -> Cursor {
        Cursor(self.number.to_be_bytes().to_vec())
    }
}

/// A question to the provisioning log; every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Of this source.
    pub source: Option<String>,
    /// About this resource.
    pub resource: Option<String>,
    /// Only what failed, or only what did not.
    pub failed: Option<bool>,
    /// Not before.
    pub since: Option<Millis>,
    /// Before.
    pub until: Option<Millis>,
    /// The newest first.
    pub newest_first: bool,
    /// Go on after this.
    pub after: Option<Cursor>,
    /// At most so many lines. A page may be shorter although more follow: look at `next`.
    pub limit: usize,
}

/// What a source did of late, as its lines of the provisioning log say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// The newest line, also when the log itself has forgotten it.
    pub last: Option<LogLine>,
    /// Lines of what did not fail.
    pub succeeded: u64,
    /// Lines of what failed.
    pub failed: u64,
}

/// A named table of records that change rarely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Inbound SCIM endpoints.
    Sources,
    /// Tokens, as hashes.
    Tokens,
    /// Mapping files by revision.
    Mappings,
    /// Record id to target id.
    Links,
    /// Where a sync goes on.
    Checkpoints,
    /// What syncs did.
    Runs,
    /// Everything else that changes rarely: clients with their secrets as hashes, when tokens were last used, the server's key.
    Settings,
    /// Who works on what until when.
    Leases,
    /// Sources and syncs that stopped, and why.
    Halts,
    /// What each source did of late. The store writes it, [`super::Store::activity`] reads it.
    Activity,
    /// The last request about a resource, when that request changed nothing.
    Requests,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 11] = [
        Self::Sources,
        Self::Tokens,
        Self::Mappings,
        Self::Links,
        Self::Checkpoints,
        Self::Runs,
        Self::Settings,
        Self::Leases,
        Self::Halts,
        Self::Activity,
        Self::Requests,
    ];

    /// Its name, as in dumps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Tokens => "tokens",
            Self::Mappings => "mappings",
            Self::Links => "links",
            Self::Checkpoints => "checkpoints",
            Self::Runs => "runs",
            Self::Settings => "settings",
            Self::Leases => "leases",
            Self::Halts => "halts",
            Self::Activity => "activity",
            Self::Requests => "requests",
        }
    }

    /// The table of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// A record of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; the store does not read it.
    pub value: Vec<u8>,
}

/// What a walk over everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Resources seen.
    pub resources: u64,
    /// Entries of all indexes seen.
    pub entries: u64,
    /// Memberships seen.
    pub edges: u64,
    /// What is wrong, a sentence each; at most the first thousand.
    pub findings: Vec<String>,
}

/// What a dump wrote or a restore read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Lines between the first and the last.
    pub lines: u64,
    /// SHA-256 over these lines and the first, in hexadecimal.
    pub digest: String,
}

/// What a store says about itself, for metrics and warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of its files.
    pub disk: u64,
    /// Batches made durable since it was opened.
    pub batches: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Microseconds spent in applying and in making durable.
    pub busy: u64,
    /// Transactions waiting.
    pub waiting: u64,
    /// Bytes of the provisioning log.
    pub log_bytes: u64,
    /// The number that the next outbox entry gets.
    pub outbox_next: u64,
}
