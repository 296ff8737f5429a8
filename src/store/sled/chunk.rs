//! Members of a group in one row, in the order in which they came. A group has as many of these rows as it needs, by number.
//!
//! ```text
//! places      four bytes: a bit for each place that is taken, the lowest for the first
//! kinds       how many there are, then each with its length before it
//! members     of each one byte, which of the kinds it has (0: it is no resource) and whether its id is a text;
//!             then the 16 bytes of a UUID, or the text with its length before it
//! ```
//!
//! So a member whose id is a UUID takes 17 bytes, and a full row of users 554. A member never changes its place, and a place is given again only when nobody
//! is at it or behind it: so a page that ended at a place goes on behind it, whoever came and went.

use crate::store::StoreError;

use super::codec::{PlacedId, Reader, Writer};
use super::keys::{self, NO_KIND, Parts, Space};

/// Places in one row. With more of them fewer rows are written for many members, and more bytes for a single one: the row changes as a
/// whole.
pub(super) const PLACES: u8 = 32;
/// Bytes after which a row takes no more members, so that long ids do not make it one that is cut into pieces.
const MAX_BYTES: usize = 3_000;
/// In the first byte of a member: its id is a text.
const TEXT: u8 = 0x80;

/// An id as a row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Id {
    Uuid([u8; 16]),
    Text(String),
}

impl Id {
    fn of(id: &str) -> Self {
        keys::uuid_bytes(id).map_or_else(|| Self::Text(id.to_owned()), Self::Uuid)
    }

    fn len(&self) -> usize {
        match self {
            Self::Uuid(bytes) => bytes.len(),
            // Ids are at most 255 bytes.
            Self::Text(text) => text.len() + 2,
        }
    }

    fn into_string(self) -> String {
        match self {
            Self::Uuid(bytes) => keys::uuid_text(bytes),
            Self::Text(text) => text,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    place: u8,
    id: Id,
    /// Which of the kinds, from one on; zero for none.
    kind: u8,
}

/// The members in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    kinds: Vec<String>,
    members: Vec<Placed>,
    /// Bytes of kinds and ids.
    size: usize,
}

impl Chunk {
    pub(super) fn read(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader::new(Space::Member, row);
        let mut places = 0_u32;
        for byte in 0..4 {
            places |= u32::from(row.byte()?) << (8 * byte);
        }
        let mut chunk = Self { kinds: Vec::new(), members: Vec::with_capacity(places.count_ones() as usize), size: 0 };
        let kinds = row.number()?;
        if kinds > u64::from(PLACES) {
            return Err(row.damage());
        }
        for _ in 0..kinds {
            let kind = row.string()?;
            chunk.size += kind.len() + 2;
            chunk.kinds.push(kind);
        }
        for place in (0..PLACES).filter(|place| places >> place & 1 == 1) {
            let head = row.byte()?;
            let kind = head & !TEXT;
            let id = match row.id(head & TEXT != 0)? {
                PlacedId::Uuid(bytes) => Id::Uuid(*bytes),
                PlacedId::Text(text) => Id::Text(text.to_owned()),
            };
            if usize::from(kind) > chunk.kinds.len() {
                return Err(row.damage());
            }
            chunk.size += id.len() + 1;
            chunk.members.push(Placed { place, id, kind });
        }
        if row.is_empty() { Ok(chunk) } else { Err(row.damage()) }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut row = Writer(Vec::with_capacity(self.size + 8));
        let places = self.members.iter().fold(0_u32, |places, member| places | 1 << member.place);
        row.0.extend_from_slice(&places.to_le_bytes());
        row.number(self.kinds.len() as u64);
        for kind in &self.kinds {
            row.bytes(kind.as_bytes());
        }
        for Placed { id, kind, .. } in &self.members {
            match id {
                Id::Uuid(bytes) => {
                    row.byte(*kind);
                    row.0.extend_from_slice(bytes);
                }
                Id::Text(text) => {
                    row.byte(kind | TEXT);
                    row.bytes(text.as_bytes());
                }
            }
        }
        row.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.members.len() as u64
    }

    /// Puts a member behind all that are here; false when there is no room for it.
    pub(super) fn push(&mut self, id: &str, kind: &str) -> bool {
        let place = self.members.last().map_or(0, |last| last.place + 1);
        let id = Id::of(id);
        let size = self.size + id.len() + 1;
        if place >= PLACES || (!self.is_empty() && size + kind.len() + 2 > MAX_BYTES) {
            return false;
        }
        self.size = size;
        let kind = self.number_of(kind);
        self.members.push(Placed { place, id, kind });
        true
    }

    /// Takes a member out; false when it is not here.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some(at) = self.find(id) else { return false };
        self.members.remove(at);
        self.shrink();
        true
    }

    /// Says of what kind a member is; false when it is not here.
    pub(super) fn set_kind(&mut self, id: &str, kind: &str) -> bool {
        let Some(at) = self.find(id) else { return false };
        let kind = self.number_of(kind);
        if let Some(member) = self.members.get_mut(at) {
            member.kind = kind;
        }
        self.shrink();
        true
    }

    fn find(&self, id: &str) -> Option<usize> {
        let id = Id::of(id);
        self.members.iter().position(|member| member.id == id)
    }

    /// The number of a kind, which is added when it is new.
    fn number_of(&mut self, kind: &str) -> u8 {
        if kind == NO_KIND {
            return 0;
        }
        let at = self.kinds.iter().position(|known| known == kind).unwrap_or_else(|| {
            self.size += kind.len() + 2;
            self.kinds.push(kind.to_owned());
            self.kinds.len() - 1
        });
        // No more kinds than places and one that has just lost its last member.
        at as u8 + 1
    }

    /// Forgets kinds that no member has any more.
    fn shrink(&mut self) {
        let mut at = 0;
        while at < self.kinds.len() {
            let number = at as u8 + 1;
            if self.members.iter().any(|member| member.kind == number) {
                at += 1;
                continue;
            }
            self.kinds.remove(at);
            for member in self.members.iter_mut().filter(|member| member.kind > number) {
                member.kind -= 1;
            }
        }
        let kinds: usize = self.kinds.iter().map(|kind| kind.len() + 2).sum();
        self.size = kinds + self.members.iter().map(|member| member.id.len() + 1).sum::<usize>();
    }

    /// The members: place, id, and kind, which is empty for what is no resource.
    pub(super) fn into_members(self) -> impl Iterator<Item = (u8, String, String)> {
        let Self { kinds, members, .. } = self;
        members.into_iter().map(move |Placed { place, id, kind }| {
            let kind = usize::from(kind).checked_sub(1).and_then(|at| kinds.get(at));
            (place, id.into_string(), kind.map_or(NO_KIND, String::as_str).to_owned())
        })
    }
}

/// The key of one of the rows whose keys begin so.
pub(super) fn key(prefix: &[u8], number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 8);
    key.extend_from_slice(prefix);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number in such a key.
pub(super) fn number_in(key: &[u8], prefix: &[u8]) -> Result<u64, StoreError> {
    let mut parts = Parts::rest(key.get(prefix.len()..).unwrap_or_default());
    parts.number().filter(|_| parts.is_empty()).ok_or_else(|| keys::bad_key(key))
}

/// A membership's own row: the number of the row in which the member stands.
pub(super) fn write_number(number: u64) -> Vec<u8> {
    let mut row = Writer::default();
    row.number(number);
    row.0
}

pub(super) fn read_number(row: &[u8]) -> Result<u64, StoreError> {
    let mut row = Reader::new(Space::Group, row);
    let number = row.number()?;
    if row.is_empty() { Ok(number) } else { Err(row.damage()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8, u8),
        Remove(u8),
        Kind(u8, u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0_u8..60, 0_u8..5).prop_map(|(id, kind)| Step::Push(id, kind)),
            3 => (0_u8..60).prop_map(Step::Remove),
            2 => (0_u8..60, 0_u8..5).prop_map(|(id, kind)| Step::Kind(id, kind)),
        ];
        proptest::collection::vec(step, 0..120)
    }

    fn id(number: u8) -> String {
        match number % 3 {
            0 => format!("00000000-0000-7000-8000-0000000000{number:02x}"),
            1 => format!("member {number}"),
            _ => format!("{number}{}", "i".repeat(200)),
        }
    }

    fn kind(number: u8) -> String {
        if number == 0 { NO_KIND.to_owned() } else { format!("Kind{number}") }
    }

    proptest! {
        #[test]
        fn a_row_is_a_list_whose_members_keep_their_places(steps in steps()) {
            let (mut chunk, mut model) = (Chunk::default(), Vec::<(u8, String, String)>::new());
            for step in steps {
                match step {
                    Step::Push(number, of) => {
                        if model.iter().any(|(_, known, _)| *known == id(number)) {
                            continue;
                        }
                        let next = model.last().map_or(0, |(place, ..)| place + 1);
                        if chunk.push(&id(number), &kind(of)) {
                            model.push((next, id(number), kind(of)));
                        } else {
                            let ids: usize = model.iter().map(|(_, id, _)| id.len()).sum();
                            prop_assert!(next == PLACES || ids > MAX_BYTES / 2, "{next} {ids}");
                        }
                    }
                    Step::Remove(number) => {
                        let there = model.iter().any(|(_, known, _)| *known == id(number));
                        prop_assert_eq!(chunk.remove(&id(number)), there);
                        model.retain(|(_, known, _)| *known != id(number));
                    }
                    Step::Kind(number, of) => {
                        let found = model.iter_mut().find(|(_, known, _)| *known == id(number));
                        prop_assert_eq!(chunk.set_kind(&id(number), &kind(of)), found.is_some());
                        if let Some(found) = found {
                            found.2 = kind(of);
                        }
                    }
                }
                prop_assert_eq!(chunk.len(), model.len() as u64);
                prop_assert_eq!(chunk.is_empty(), model.is_empty());
                prop_assert_eq!(chunk.clone().into_members().collect::<Vec<_>>(), model.clone());
                let row = chunk.write();
                prop_assert!(row.len() <= MAX_BYTES + 100, "{}", row.len());
                let read = Chunk::read(&row).unwrap();
                prop_assert_eq!(read.write(), row.clone());
                prop_assert_eq!(read, chunk.clone());
            }
            let row = chunk.write();
            for cut in 0..row.len() {
                prop_assert!(Chunk::read(&row[..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_can_be_read_as_a_row(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Chunk::read(&bytes), read_number(&bytes), number_in(&bytes, b"E"));
        }
    }

    #[test]
    fn members_take_the_bytes_that_are_said() {
        let mut chunk = Chunk::default();
        let mut number = 0;
        while chunk.push(&format!("00000000-0000-7000-8000-0000000000{number:02x}"), "User") {
            number += 1;
        }
        assert_eq!((number, chunk.write().len()), (PLACES, 554));
        let mut chunk = Chunk::default();
        while chunk.push(&"i".repeat(255), NO_KIND) {}
        assert_eq!((chunk.len(), chunk.write().len()), (11, 4 + 1 + 11 * 258));
    }
}
