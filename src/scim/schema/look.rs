//! A look for names of attributes that an answer does not have, anywhere in a stored text: a search over its bytes instead of a
//! walk over its fields. Whatever is found, in a value too, sends the text the long way.

use memchr::memchr2_iter;

use super::Text;

/// Letters, from the rarest in names and texts on.
const RARE: &[u8] = b"qjzxkwvybfgphmucdlrsniotae";

/// What to look for in resources of one type.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Looks(Vec<Name>);

/// The name of an attribute that is withheld, in any case.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    text: Text,
    /// Its rarest letter, small and large, and where that stands.
    rare: (u8, u8),
    place: usize,
}

impl Looks {
    /// Looks for these names.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n Text>) -> Self {
        let name = |text: &Text| {
            let find = |letter: &u8| text.bytes().position(|byte| byte.eq_ignore_ascii_case(letter));
            let place = RARE.iter().find_map(find).unwrap_or_default();
            let rare = text.as_bytes().get(place).copied().unwrap_or(b'"');
            Name { text: text.clone(), rare: (rare.to_ascii_lowercase(), rare.to_ascii_uppercase()), place }
        };
        Self(names.map(name).collect())
    }

    /// Whether one of the names is in the text.
    pub(in super::super) fn find(&self, text: &str) -> bool {
        self.0.iter().any(|name| name.is_in(text.as_bytes()))
    }
}

impl Name {
    fn is_in(&self, text: &[u8]) -> bool {
        let (name, before) = (self.text.as_bytes(), self.place + 1);
        let is_here = |at: usize| {
            let here = at.checked_sub(before).and_then(|start| text.get(start..start + name.len() + 2));
            let [b'"', here @ .., b'"'] = here.unwrap_or_default() else { return false };
            here.eq_ignore_ascii_case(name)
        };
        memchr2_iter(self.rare.0, self.rare.1, text).any(is_here)
    }
}
