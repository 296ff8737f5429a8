//! [`Ids`]: ids of records and objects as a run holds them: 16 bytes for a UUID as Microsoft Entra and we write them, and for a text that
//! is no longer; any other once in one long text. A run over many holds little more of each.

use std::fmt;
use std::ops::Deref;

use uuid::Uuid;

use super::index::Index;

/// How many bytes a UUID's text has.
const LETTERS: usize = 36;
/// How many bytes an id has as it is held, and a text that needs no other place.
const BYTES: usize = 16;

/// An id, as it is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Id {
    /// There is none.
    #[default]
    None,
    /// A UUID in lower case with its dashes.
    Uuid([u8; BYTES]),
    /// A text with its length.
    Short([u8; BYTES], u8),
    /// Where a text begins in [`Ids`], and its length.
    Text(u64, u32),
}

impl Id {
    /// How many bytes [`Id::bytes`] gives.
    pub(super) const WIDTH: usize = 1 + BYTES;

    /// It as bytes.
    pub(super) fn bytes(self) -> [u8; Self::WIDTH] {
        let (tag, bytes) = match self {
            Self::None => (0, [0; BYTES]),
            Self::Uuid(bytes) => (1, bytes),
            Self::Text(start, length) => (2, (u128::from(start) | u128::from(length) << 64).to_le_bytes()),
            Self::Short(bytes, length) => (SHORT + length, bytes),
        };
        let mut all = [0; Self::WIDTH];
        let (first, rest) = all.split_at_mut(1);
        first.fill(tag);
        rest.copy_from_slice(&bytes);
        all
    }

    /// It out of bytes.
    pub(super) fn of(bytes: [u8; Self::WIDTH]) -> Self {
        let [tag, bytes @ ..] = bytes;
        match tag {
            0 => Self::None,
            1 => Self::Uuid(bytes),
            2 => {
                let both = u128::from_le_bytes(bytes);
                Self::Text(both as u64, (both >> 64) as u32)
            }
            tag => Self::Short(bytes, tag - SHORT),
        }
    }

    /// Whether there is one.
    pub(super) fn is_some(self) -> bool {
        self != Self::None
    }
}

/// What the first byte of a short text is, its length added.
const SHORT: u8 = 3;

/// The texts of ids that are long and no UUIDs.
#[derive(Debug, Default)]
pub(super) struct Ids {
    texts: String,
}

impl Ids {
    /// Holds an id. The same text given again takes its place again, so it is asked for first whether it is known.
    pub(super) fn hold(&mut self, text: &str) -> Id {
        if text.len() == LETTERS
            && let Ok(uuid) = Uuid::try_parse(text)
            && *spelt(uuid) == *text
        {
            return Id::Uuid(uuid.into_bytes());
        }
        let mut bytes = [0; BYTES];
        if let Some(place) = bytes.get_mut(..text.len()) {
            place.copy_from_slice(text.as_bytes());
            return Id::Short(bytes, text.len() as u8);
        }
        let start = self.texts.len() as u64;
        self.texts.push_str(text);
        Id::Text(start, u32::try_from(text.len()).unwrap_or(u32::MAX))
    }

    /// The text of an id that was held here; empty for none.
    pub(super) fn text(&self, id: Id) -> IdText<'_> {
        match id {
            Id::None => IdText::Text(""),
            Id::Uuid(bytes) => spelt(Uuid::from_bytes(bytes)),
            Id::Short(bytes, length) => IdText::Short(bytes, length),
            Id::Text(start, length) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let end = start.saturating_add(length as usize);
                IdText::Text(self.texts.get(start..end).unwrap_or_default())
            }
        }
    }

    /// The text of an id; `None` for none.
    pub(super) fn some(&self, id: Id) -> Option<IdText<'_>> {
        id.is_some().then(|| self.text(id))
    }
}

/// Ids that are few, and each is of many: numbered.
#[derive(Default)]
pub(super) struct Pool {
    ids: Ids,
    held: Vec<Id>,
    index: Index,
}

impl Pool {
    /// What nobody has as number.
    pub(super) const NONE: u32 = u32::MAX;

    /// The number of an id, which it gets when it has none.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        self.find(text).unwrap_or_else(|| {
            let number = u32::try_from(self.held.len()).unwrap_or(Self::NONE);
            let id = self.ids.hold(text);
            self.held.push(id);
            self.index.add(number, text);
            number
        })
    }

    /// The number of an id that has one.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.index.find(text, |number| text_of(&self.held, &self.ids, number))
    }

    /// The id that has this number.
    pub(super) fn text(&self, number: u32) -> Option<IdText<'_>> {
        Some(self.ids.text(*self.held.get(number as usize)?))
    }
}

fn text_of<'i>(held: &[Id], ids: &'i Ids, number: u32) -> IdText<'i> {
    ids.text(held.get(number as usize).copied().unwrap_or_default())
}

/// The text of an id.
#[derive(Debug, Clone, Copy)]
pub(super) enum IdText<'t> {
    /// Of a UUID.
    Uuid([u8; LETTERS]),
    /// Of a text that is held with its id, and its length.
    Short([u8; BYTES], u8),
    /// Of anything else.
    Text(&'t str),
}

impl Deref for IdText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            // Digits and dashes always are text.
            Self::Uuid(letters) => std::str::from_utf8(letters).unwrap_or_default(),
            // It was text when it was taken.
            Self::Short(letters, length) => {
                letters.get(..usize::from(*length)).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
            }
            Self::Text(text) => text,
        }
    }
}

impl PartialEq for IdText<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Display for IdText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<'t> From<&'t str> for IdText<'t> {
    fn from(text: &'t str) -> Self {
        Self::Text(text)
    }
}

impl From<IdText<'_>> for String {
    fn from(text: IdText<'_>) -> Self {
        (*text).to_owned()
    }
}

fn spelt(uuid: Uuid) -> IdText<'static> {
    let mut letters = [0; LETTERS];
    uuid.hyphenated().encode_lower(&mut letters);
    IdText::Uuid(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were() {
        let mut ids = Ids::default();
        let texts = [
            "0000002a-0000-4000-8000-00000000002a",
            "0000002A-0000-4000-8000-00000000002A",
            "{0000002a-0000-4000-8000-0000000002a}",
            "00000000000040008000000000000000",
            "r1",
            "ünï",
            "",
            "ada@contoso.com",
            "ada.l@contoso.eu",
            "lovelace@contoso.com",
        ];
        let held: Vec<Id> = texts.iter().map(|text| ids.hold(text)).collect();
        for (text, id) in texts.iter().zip(&held) {
            assert_eq!(&*ids.text(*id), *text);
            assert_eq!(Id::of(id.bytes()), *id);
        }
        let of = |wanted: fn(&Id) -> bool| held.iter().filter(|id| wanted(id)).count();
        let (packed, short) = (of(|id| matches!(id, Id::Uuid(_))), of(|id| matches!(id, Id::Short(..))));
        assert_eq!((packed, short, ids.text(Id::None).len(), Id::of(Id::None.bytes())), (1, 5, 0, Id::None));
    }
}
