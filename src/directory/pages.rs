//! [`Pages`]: pages of plain lists as answers have them, kept for whoever goes over a directory again. A page is shown only while the
//! store says that nothing of it has changed: neither which resources there are, nor any that it shows.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::DefaultHashBuilder;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::query::{DEFAULT_PAGE, MAX_PAGE, shown_list};
use super::shelf::Shown;
use super::{Answer, Call, Directory};
use crate::scim::discovery::ResourceType;
use crate::scim::list::{Paging, Query};
use crate::store::Seen;

/// Bytes that are kept: pages of some 130,000 users.
const CAPACITY: u64 = 128 << 20;
/// Bytes that a page mostly takes.
const PAGE: usize = 96 << 10;
/// The largest page that is kept.
const MOST: usize = 1 << 20;
/// How large a directory may be whose pages are kept: of a larger one each page would take another one away.
pub(super) const MOST_PAGED: u64 = 100_000;

/// Which page it is: the number of the source, as it was declared then, the address, the kind, and what was asked for.
type Name = (u64, Box<str>, Box<str>, u64, u64);

/// A page that was sent.
struct Page {
    name: Name,
    body: Bytes,
    /// The order of the resources, and each of those in it, as they were before they were read.
    seen: Vec<Seen>,
}

/// How much room a page takes.
#[derive(Clone)]
struct Bulk;

impl Weighter<u64, Arc<Page>> for Bulk {
    fn weight(&self, _: &u64, page: &Arc<Page>) -> u64 {
        (page.body.len() + page.seen.len() * size_of::<Seen>() + 256) as u64
    }
}

/// What is kept.
pub(super) struct Pages {
    /// By a hash of the name.
    kept: Cache<u64, Arc<Page>, Bulk>,
    hasher: DefaultHashBuilder,
}

impl Default for Pages {
    fn default() -> Self {
        let kept = Cache::with_weighter(CAPACITY as usize / PAGE, CAPACITY, Bulk);
        Self { kept, hasher: DefaultHashBuilder::default() }
    }
}

impl Directory {
    /// The answer to a plain list by index, when it was given before and is still so.
    pub(super) fn kept_page(&self, call: &Call<'_>, kind: &ResourceType, query: &Query) -> Option<Answer> {
        let Query { filter: None, sort_by: None, cursor: None, attributes: None, excluded_attributes: None, .. } =
            query
        else {
            return None;
        };
        let (skip, count) = query.window(DEFAULT_PAGE, MAX_PAGE);
        let name = (call.source.number, call.base, kind.name(), skip, count);
        let page = self.pages.kept.get(&self.pages.hasher.hash_one(name))?;
        let (source, base, kind, from, most) = &page.name;
        let is_it = (*source, &**base, &**kind, *from, *most) == name;
        let is_so = is_it && page.seen.iter().all(|seen| self.store.is_as_seen(*seen));
        is_so.then(|| Answer { body: Some(page.body.clone()), ..Answer::empty(200) })
    }

    /// Resources as the answer to a plain list by index, which is kept. `order` is how the order was before anything was read.
    pub(super) fn keep_page<'s>(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        (skip, count): (u64, u64),
        order: Option<Seen>,
        (shown, total): (impl Iterator<Item = &'s Arc<Shown>> + Clone, u64),
    ) -> Answer {
        let answer = shown_list(shown.clone(), total, &Paging::Index(skip + 1));
        let seen: Option<Vec<_>> = order.and_then(|order| {
            // What could not be told was not seen.
            let is_told = shown.clone().all(|shown| !shown.seen().is_empty());
            is_told.then(|| shown.flat_map(|shown| shown.seen()).copied().chain([order]).collect())
        });
        if let (Some(body), Some(seen)) = (&answer.body, seen)
            && body.len() <= MOST
        {
            let name = (call.source.number, call.base.into(), kind.name().into(), skip, count);
            let place = self.pages.hasher.hash_one(&name);
            self.pages.kept.insert(place, Arc::new(Page { name, body: body.clone(), seen }));
        }
        answer
    }
}
