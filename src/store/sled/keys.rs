//! The layout of all keys, in one tree so that a batch over several of these spaces is atomic.
//!
//! ```text
//! M name                              schema version, counters, marks
//! R source id                         a resource
//! S source kind extent                64 places of the order of creation: which ids are in them
//! C source kind                       how many there are, and the next place
//! U source kind index key             unique: the id that has the key
//! I source kind index key id          the others
//! E source group number               members of a group: up to 32 of them with their kinds (`chunk.rs`), numbers from zero on
//! G source member group               a membership: the number of the row in which the member stands. This says who is a member
//! T table key                         a record
//! O number                            outbox entries of one batch, from this number on
//! L number                            provisioning-log entries of one batch
//! X generation piece                  a piece of a value that is too large for one
//! ```
//!
//! The first byte is the letter. Texts are written so that encoded bytes sort like the texts and none is the beginning of
//! another: `00` becomes `00 FF`, and `00 01` ends it. Numbers are big-endian. An id that is a UUID takes 17 bytes.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::store::{StoreError, Table};

/// The longest key of an index that is stored as it is; of longer ones a beginning and a digest.
pub(super) const MAX_INDEX_KEY: usize = 400;
const KEPT: usize = MAX_INDEX_KEY - 32;
/// The longest id.
pub(super) const MAX_ID: usize = 255;
/// The longest source, kind, or index name.
pub(super) const MAX_NAME: usize = 128;
/// The longest key of a record.
pub(super) const MAX_RECORD_KEY: usize = 1_024;
/// The name of the row with the number of the last batch.
pub(super) const BATCH: &str = "batch";
/// The kind of a member that is no resource.
pub(super) const NO_KIND: &str = "";
/// Places of the order of creation in one row.
pub(super) const EXTENT: u64 = crate::store::RUN;

/// A part of the keys: what stands under one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Meta,
    Resource,
    Order,
    Count,
    Unique,
    Index,
    Member,
    Group,
    Record,
    Outbox,
    Log,
    Piece,
}

impl Space {
    /// All spaces.
    pub(super) const ALL: [Self; 12] = [
        Self::Meta,
        Self::Resource,
        Self::Order,
        Self::Count,
        Self::Unique,
        Self::Index,
        Self::Member,
        Self::Group,
        Self::Record,
        Self::Outbox,
        Self::Log,
        Self::Piece,
    ];

    pub(super) const fn letter(self) -> u8 {
        match self {
            Self::Meta => b'M',
            Self::Resource => b'R',
            Self::Order => b'S',
            Self::Count => b'C',
            Self::Unique => b'U',
            Self::Index => b'I',
            Self::Member => b'E',
            Self::Group => b'G',
            Self::Record => b'T',
            Self::Outbox => b'O',
            Self::Log => b'L',
            Self::Piece => b'X',
        }
    }

    /// What a person calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Resource => "resources",
            Self::Order => "order",
            Self::Count => "counts",
            Self::Unique => "unique keys",
            Self::Index => "index",
            Self::Member => "members",
            Self::Group => "memberships",
            Self::Record => "records",
            Self::Outbox => "outbox",
            Self::Log => "provisioning log",
            Self::Piece => "pieces",
        }
    }

    /// The space of a key.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let letter = *key.first()?;
        Self::ALL.into_iter().find(|space| space.letter() == letter)
    }
}

/// A key in the making.
#[derive(Clone, Debug)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(space: Space) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(space.letter());
        Self(bytes)
    }

    /// A part of a key, without a letter.
    pub(super) fn part() -> Self {
        Self(Vec::with_capacity(64))
    }

    /// A key that begins so.
    pub(super) fn after(beginning: Vec<u8>) -> Self {
        Self(beginning)
    }

    /// A text and its end.
    pub(super) fn text(mut self, text: &[u8]) -> Self {
        self.escape(text);
        self.0.extend_from_slice(&[0, 1]);
        self
    }

    /// The beginning of texts.
    pub(super) fn open(mut self, text: &[u8]) -> Self {
        self.escape(text);
        self
    }

    fn escape(&mut self, text: &[u8]) {
        if memchr::memchr(0, text).is_none() {
            self.0.extend_from_slice(text);
            return;
        }
        for byte in text {
            self.0.push(*byte);
            if *byte == 0 {
                self.0.push(0xFF);
            }
        }
    }

    pub(super) fn id(mut self, id: &str) -> Self {
        match uuid_bytes(id) {
            Some(bytes) => {
                self.0.push(1);
                self.0.extend_from_slice(&bytes);
                self
            }
            None => {
                self.0.push(2);
                self.text(id.as_bytes())
            }
        }
    }

    /// The key of an index, cut when it is long.
    pub(super) fn index_key(self, key: &[u8]) -> Self {
        match key.get(..KEPT) {
            Some(kept) if key.len() > MAX_INDEX_KEY => {
                let mut cut = kept.to_vec();
                cut.extend_from_slice(&Sha256::digest(key));
                self.text(&cut)
            }
            _ => self.text(key),
        }
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// A UUID in its usual spelling as its bytes; other spellings are ids of their own.
pub(super) fn uuid_bytes(id: &str) -> Option<[u8; 16]> {
    // The value of a hexadecimal digit, and more than any of them for all else.
    let value = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0xFF,
    };
    let text: &[u8; 36] = id.as_bytes().try_into().ok()?;
    let digit = |at: usize| text.get(at).copied().map(value);
    let mut bytes = [0_u8; 16];
    let mut seen = 0;
    // Where the digits of each byte begin.
    let starts = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (byte, start) in bytes.iter_mut().zip(starts) {
        let (high, low) = (digit(start)?, digit(start + 1)?);
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    let dashes = [8, 13, 18, 23].into_iter().all(|at| text.get(at) == Some(&b'-'));
    (seen < 16 && dashes).then_some(bytes)
}

pub(super) fn uuid_text(bytes: [u8; 16]) -> String {
    Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// A key being read. Everything is `None` when the bytes are not what was asked for.
#[derive(Clone, Debug)]
pub(super) struct Parts<'k>(&'k [u8]);

impl<'k> Parts<'k> {
    /// The parts after the letter.
    pub(super) fn new(key: &'k [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    /// The parts of a piece of a key.
    pub(super) fn rest(bytes: &'k [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn text(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if *byte != 0 {
                text.push(*byte);
                continue;
            }
            let (mark, rest) = self.0.split_first()?;
            self.0 = rest;
            match mark {
                0xFF => text.push(0),
                1 => return Some(text),
                _ => return None,
            }
        }
    }

    pub(super) fn string(&mut self) -> Option<String> {
        String::from_utf8(self.text()?).ok()
    }

    pub(super) fn id(&mut self) -> Option<String> {
        let (tag, rest) = self.0.split_first()?;
        self.0 = rest;
        match tag {
            1 => {
                let (bytes, rest) = self.0.split_at_checked(16)?;
                self.0 = rest;
                Some(uuid_text(*bytes.first_chunk()?))
            }
            2 => self.string(),
            _ => None,
        }
    }

    /// Goes behind a text.
    pub(super) fn skip_text(&mut self) -> Option<()> {
        loop {
            let end = memchr::memchr(0, self.0)?;
            let (mark, rest) = self.0.get(end + 1..)?.split_first()?;
            self.0 = rest;
            match mark {
                0xFF => {}
                1 => return Some(()),
                _ => return None,
            }
        }
    }

    /// Goes behind an id.
    pub(super) fn skip_id(&mut self) -> Option<()> {
        let (tag, rest) = self.0.split_first()?;
        self.0 = rest;
        match tag {
            1 => {
                self.0 = self.0.get(16..)?;
                Some(())
            }
            2 => self.skip_text(),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn remaining(&self) -> &'k [u8] {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first key after all that begin like this one; `None` when there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

pub(super) fn meta(name: &str) -> Vec<u8> {
    Key::new(Space::Meta).raw(name.as_bytes()).done()
}

pub(super) fn resource(source: &str, id: &str) -> Vec<u8> {
    Key::new(Space::Resource).text(source.as_bytes()).id(id).done()
}

fn of_kind(space: Space, source: &str, kind: &str) -> Key {
    Key::new(space).text(source.as_bytes()).text(kind.as_bytes())
}

pub(super) fn order(source: &str, kind: &str) -> Vec<u8> {
    of_kind(Space::Order, source, kind).done()
}

pub(super) fn extent(source: &str, kind: &str, number: u64) -> Vec<u8> {
    of_kind(Space::Order, source, kind).number(number / EXTENT).done()
}

pub(super) fn count(source: &str, kind: &str) -> Vec<u8> {
    of_kind(Space::Count, source, kind).done()
}

/// What the keys of one index begin with.
pub(super) fn index(unique: bool, source: &str, kind: &str, index: &str) -> Key {
    let space = if unique { Space::Unique } else { Space::Index };
    of_kind(space, source, kind).text(index.as_bytes())
}

pub(super) fn unique(source: &str, kind: &str, name: &str, key: &[u8]) -> Vec<u8> {
    index(true, source, kind, name).index_key(key).done()
}

pub(super) fn plain(source: &str, kind: &str, name: &str, key: &[u8], id: &str) -> Vec<u8> {
    index(false, source, kind, name).index_key(key).id(id).done()
}

/// What the keys of one resource begin with: of its rows of members, or of its memberships.
pub(super) fn edges(space: Space, source: &str, id: &str) -> Vec<u8> {
    Key::new(space).text(source.as_bytes()).id(id).done()
}

/// What names a resource in the keys of its row and of its memberships: source and id.
pub(super) fn name(source: &str, id: &str) -> Vec<u8> {
    Key::part().text(source.as_bytes()).id(id).done()
}

/// The name of the resource that changes with what is under a key: its own row, its members, the groups it is in.
pub(super) fn name_in(key: &[u8]) -> Option<&[u8]> {
    if !matches!(Space::of(key)?, Space::Resource | Space::Member | Space::Group) {
        return None;
    }
    let mut parts = Parts::new(key);
    parts.skip_text()?;
    parts.skip_id()?;
    key.get(1..key.len() - parts.remaining().len())
}

pub(super) fn group(source: &str, member: &str, group: &str) -> Vec<u8> {
    Key::new(Space::Group).text(source.as_bytes()).id(member).id(group).done()
}

const fn table_byte(table: Table) -> u8 {
    match table {
        Table::Sources => 1,
        Table::Tokens => 2,
        Table::Mappings => 3,
        Table::Links => 4,
        Table::Checkpoints => 5,
        Table::Runs => 6,
        Table::Settings => 7,
        Table::Leases => 8,
        Table::Halts => 9,
        Table::Activity => 10,
        Table::Requests => 11,
    }
}

pub(super) fn table_of(byte: u8) -> Option<Table> {
    Table::ALL.into_iter().find(|table| table_byte(*table) == byte)
}

/// A record's key, or with a beginning of one, what such keys begin with.
pub(super) fn record(table: Table, key: &[u8]) -> Vec<u8> {
    Key::new(Space::Record).byte(table_byte(table)).raw(key).done()
}

pub(super) fn numbered(space: Space, number: u64) -> Vec<u8> {
    Key::new(space).number(number).done()
}

pub(super) fn piece(generation: u64, at: u32) -> Vec<u8> {
    Key::new(Space::Piece).number(generation).raw(&at.to_be_bytes()).done()
}

/// Damage in a key.
pub(super) fn bad_key(key: &[u8]) -> StoreError {
    let table = Space::of(key).map_or("unknown", Space::name);
    StoreError::corrupt(table, "a key does not have the parts it should have")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF), any::<u8>()], 0..12),
            proptest::collection::vec(any::<u8>(), 0..600),
        ]
    }

    proptest! {
        #[test]
        fn encoded_texts_sort_like_texts(a in words(), b in words(), c in words()) {
            let key = |text: &[u8]| Key::new(Space::Index).text(text).text(&c).done();
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
            let prefixed = Key::new(Space::Index).open(&a).done();
            prop_assert_eq!(key(&b).starts_with(&prefixed), b.starts_with(&a));
        }

        #[test]
        fn what_is_encoded_is_read_back(a in words(), id in "\\PC{0,20}", number: u64, uuid: [u8; 16]) {
            let uuid = uuid_text(uuid);
            let key = Key::new(Space::Index).text(&a).id(&id).id(&uuid).number(number).done();
            let mut parts = Parts::new(&key);
            prop_assert_eq!(parts.text(), Some(a));
            prop_assert_eq!(parts.id(), Some(id));
            prop_assert_eq!(parts.id(), Some(uuid));
            prop_assert_eq!(parts.number(), Some(number));
            prop_assert!(parts.is_empty());
        }

        #[test]
        fn the_end_of_a_prefix_is_after_it(a in words(), b in words()) {
            let long = [a.as_slice(), &b].concat();
            prop_assert!(after_prefix(&a).is_none_or(|end| end > long));
        }

        #[test]
        fn any_bytes_can_be_read_as_a_key(bytes in words()) {
            let mut parts = Parts::new(&bytes);
            while parts.id().is_some() || parts.text().is_some() || parts.number().is_some() {}
        }
    }

    #[test]
    fn ids_of_other_spellings_stay_apart() {
        let id = "00112233-4455-6677-8899-aabbccddeeff";
        assert_ne!(resource("s", id), resource("s", &id.to_uppercase()));
        assert_eq!(Parts::new(&Key::new(Space::Resource).id(&id.to_uppercase()).done()).id(), Some(id.to_uppercase()));
    }
}
