//! [`Ids`]: ids of records and objects as a run holds them: 16 bytes for a UUID as Microsoft Entra and we write them, any other text
//! once in one long text. A run over many holds little more of each.

use std::fmt;
use std::ops::Deref;

use uuid::Uuid;

use super::index::Index;

/// How many bytes a UUID's text has.
const LETTERS: usize = 36;

/// An id, as it is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Id {
    /// There is none.
    #[default]
    None,
    /// A UUID in lower case with its dashes.
    Uuid([u8; 16]),
    /// Where a text begins in [`Ids`], and its length.
    Text([u8; 8], [u8; 4]),
}

impl Id {
    /// Whether there is one.
    pub(super) fn is_some(self) -> bool {
        self != Self::None
    }
}

/// The texts of ids that are no UUIDs.
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
        let start = self.texts.len() as u64;
        self.texts.push_str(text);
        Id::Text(start.to_ne_bytes(), u32::try_from(text.len()).unwrap_or(u32::MAX).to_ne_bytes())
    }

    /// The text of an id that was held here; empty for none.
    pub(super) fn text(&self, id: Id) -> IdText<'_> {
        match id {
            Id::None => IdText::Text(""),
            Id::Uuid(bytes) => spelt(Uuid::from_bytes(bytes)),
            Id::Text(start, length) => {
                let start = usize::try_from(u64::from_ne_bytes(start)).unwrap_or(usize::MAX);
                let end = start.saturating_add(u32::from_ne_bytes(length) as usize);
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
            self.index.add(number, text, |number| text_of(&self.held, &self.ids, number));
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
    /// Of anything else.
    Text(&'t str),
}

impl Deref for IdText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            // Digits and dashes always are text.
            Self::Uuid(letters) => std::str::from_utf8(letters).unwrap_or_default(),
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
        ];
        let held: Vec<Id> = texts.iter().map(|text| ids.hold(text)).collect();
        for (text, id) in texts.iter().zip(&held) {
            assert_eq!(&*ids.text(*id), *text);
        }
        let packed = held.iter().filter(|id| matches!(id, Id::Uuid(_))).count();
        assert_eq!((packed, ids.text(Id::None).len(), size_of::<Id>()), (1, 0, 17));
    }
}
