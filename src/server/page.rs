//! Parameters of a query, and lists by pages: `limit` entries, `next` as the `cursor` of the page after.

use std::borrow::Cow;

use axum::http::{StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::parameters::parameters;
use super::problem::Problem;
use crate::store::Cursor;

/// Entries of a page when nobody says.
pub(super) const DEFAULT_PAGE: usize = 100;
/// The longest page.
pub(super) const MAX_PAGE: usize = 1_000;

/// The longest cursor, in bytes: the store's longest id, and something around it.
const LONGEST_CURSOR: usize = 512;
/// What is said of a cursor that cannot be read.
const STRANGE: &str = "the cursor is not one of ours: take `next` of the page before";

/// The parameters of a query, each name at most once.
#[derive(Default)]
pub(super) struct Parameters<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Parameters<'q> {
    /// Reads them; one that is not known is a mistake, for an answer to another question helps nobody.
    pub(super) fn read(uri: &'q Uri, known: &[&str]) -> Result<Self, Problem> {
        let found = parameters(uri.query().unwrap_or_default());
        for (place, (name, _)) in found.iter().enumerate() {
            if !known.contains(&name.as_ref()) {
                let known = known.join(", ");
                return Err(bad(format!("there is no parameter {:?}; there are {known}", crate::text::shorten(name))));
            }
            if found.iter().take(place).any(|(other, _)| other == name) {
                return Err(bad(format!("{name} is there twice")));
            }
        }
        Ok(Self(found))
    }

    /// The value of a parameter; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_ref())
    }

    /// How long a page is to be.
    pub(super) fn limit(&self) -> Result<Option<usize>, Problem> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| bad(format!("limit is a number from 1, not {:?}", crate::text::shorten(text))))
    }

    /// How long a page is.
    pub(super) fn page(&self) -> Result<usize, Problem> {
        Ok(self.limit()?.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE))
    }

    /// Where the page before ended, in a listing of the store.
    pub(super) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        match self.place()? {
            Some(cursor) if cursor.as_bytes().len() != 8 => Err(bad(STRANGE)),
            cursor => Ok(cursor),
        }
    }

    /// Where the page before ended, in a listing whose places are names.
    pub(super) fn place(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() <= LONGEST_CURSOR);
        let bytes = bytes.ok_or_else(|| bad(STRANGE))?;
        Ok(Some(Cursor::from_bytes(&bytes)))
    }
}

/// A cursor as a client gets it.
pub(super) fn shown(cursor: Option<&Cursor>) -> Option<String> {
    cursor.map(|cursor| URL_SAFE_NO_PAD.encode(cursor.as_bytes()))
}

pub(super) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// A page of a list that is held in memory, in the order of its keys; and where it goes on.
pub(super) fn cut<T>(
    items: impl IntoIterator<Item = T>,
    uri: &Uri,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let parameters = Parameters::read(uri, &["limit", "cursor"])?;
    let limit = parameters.page()?;
    let after = match parameters.get("cursor") {
        None => None,
        Some(text) => {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(bytes.ok_or_else(|| bad(STRANGE))?)
        }
    };
    let mut keyed: Vec<(String, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
    keyed.retain(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = keyed.len() > limit;
    keyed.truncate(limit);
    let next = keyed.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
    Ok((keyed.into_iter().map(|(_, item)| item).collect(), next))
}

/// The key of what is listed by its time.
pub(super) fn by_time(at: u64, id: &str) -> String {
    format!("{at:020}/{id}")
}
