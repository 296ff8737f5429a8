//! [`Shelf`]: resources as answers have them, kept for whoever asks again. What is on it is shown only while the store says that
//! nothing of it has changed: neither the resource nor its members, nor the groups it is in.

use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use bytes::Bytes;

use super::kept::{Kept, Made};
use super::{Answer, Call, Content, Directory, index, refused, render};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::plan::Index;
use crate::scim::project::Projection;
use crate::store::{Seen, Stored};

/// Bytes that are kept: some 50,000 users.
const CAPACITY: usize = 64 << 20;
/// Keys by which it is found that are kept.
const KEYED: usize = CAPACITY / USER;
/// How large a directory may be whose lists of groups, and lists by cursor, are put on the shelf: of a larger one each page would take
/// another one away.
pub(super) const MOST_LISTED: u64 = 50_000;
/// Bytes that a user mostly takes, and what stands beside the text.
const USER: usize = 1_024;
const BESIDE: usize = 320;

/// A resource as an answer has it by default.
pub(super) struct Shown {
    /// Its row, without body and profile.
    pub(super) row: Stored,
    /// The resource as JSON.
    pub(super) text: String,
    /// For which source, as it was declared then, and by which address.
    source: u64,
    base: Arc<str>,
    /// Itself, as it was before it was read, when the store could tell.
    seen: Option<Seen>,
    /// The groups it is in, as they were.
    groups: Vec<Seen>,
}

/// The text of a resource as a body.
struct Text(Arc<Shown>);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.text.as_bytes()
    }
}

impl Made for Shown {
    fn bytes(&self) -> usize {
        self.text.len() + BESIDE
    }
}

/// What is kept.
pub(super) struct Shelf {
    /// By source, base and id.
    kept: Kept<Arc<Shown>>,
    /// What of it was asked for by a unique key, by source, base, kind, index and key.
    keyed: Kept<Weak<Shown>>,
    /// The last base that something was kept for: mostly there is one, and what is kept for it shares it.
    base: RwLock<Arc<str>>,
}

impl Default for Shelf {
    fn default() -> Self {
        let keyed = Kept::new(KEYED * size_of::<Shown>(), size_of::<Shown>());
        Self { kept: Kept::new(CAPACITY, USER), keyed, base: RwLock::new("".into()) }
    }
}

impl Shelf {
    /// A base, to be kept.
    fn base(&self, wanted: &str) -> Arc<str> {
        let last = Arc::clone(&self.base.read().unwrap_or_else(PoisonError::into_inner));
        if *last == *wanted {
            return last;
        }
        let base: Arc<str> = wanted.into();
        *self.base.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&base);
        base
    }
}

/// What a resource is kept by.
fn name<'n>(call: &Call<'n>, id: &'n str) -> (u64, &'n str, &'n str) {
    (call.source.number, call.base, id)
}

/// What a unique key of a resource is kept by.
fn key_name<'n>(call: &Call<'n>, kind: &'n str, index: Index, key: &'n str) -> impl Hash + use<'n> {
    (call.source.number, call.base, kind, index, key)
}

impl Directory {
    /// Resources of this kind as answers have them; those that are none are left out.
    pub(super) async fn shown_of(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        ids: &[String],
    ) -> Result<Vec<Arc<Shown>>, ScimError> {
        let mut shown: Vec<Option<Arc<Shown>>> = ids.iter().map(|id| self.on_shelf(call, id)).collect();
        let missing = || shown.iter().zip(ids).enumerate().filter(|(_, (shown, _))| shown.is_none());
        let (places, wanted): (Vec<usize>, Vec<String>) = missing().map(|(place, (_, id))| (place, id.clone())).unzip();
        if !wanted.is_empty() {
            let source = call.source.slug.as_str();
            let seen: Vec<_> = wanted.iter().map(|id| self.store.look(source, id)).collect();
            let alone = wanted.len() > 1 && !self.has_groups(call).await;
            let found = self.store.get_many(source, &wanted).await.map_err(|error| refused(error, kind))?;
            for ((place, stored), seen) in places.into_iter().zip(found).zip(seen) {
                let Some(stored) = stored.filter(|stored| stored.kind == kind.name()) else { continue };
                let made = self.put(call, kind, stored, seen, alone).await?;
                if let Some(place) = shown.get_mut(place) {
                    *place = Some(made);
                }
            }
        }
        Ok(shown.into_iter().flatten().filter(|shown| shown.row.kind == kind.name()).collect())
    }

    /// What is on the shelf, when it is still so.
    pub(super) fn on_shelf(&self, call: &Call<'_>, id: &str) -> Option<Arc<Shown>> {
        let shown = self.shelf.kept.get(name(call, id))?;
        let is_it = (shown.source, &*shown.base, shown.row.id.as_str()) == name(call, id);
        (is_it && self.is_so(&shown)).then_some(shown)
    }

    /// What is on the shelf, when it is still so, and was asked for by this unique key: it has the key, as long as it is so, and nobody
    /// else then.
    pub(super) fn on_shelf_by(&self, call: &Call<'_>, kind: &str, index: Index, key: &str) -> Option<Arc<Shown>> {
        let shown = self.shelf.keyed.get(key_name(call, kind, index, key))?.upgrade()?;
        let is_it = (shown.source, &*shown.base) == (call.source.number, call.base) && shown.row.kind == kind;
        (is_it && index::is(&shown.row, index, key) && self.is_so(&shown)).then_some(shown)
    }

    /// Notes by which unique key it was asked for.
    pub(super) fn keep_key(&self, call: &Call<'_>, index: Index, key: &str, shown: &Arc<Shown>) {
        self.shelf.keyed.put(key_name(call, &shown.row.kind, index, key), Arc::downgrade(shown));
    }

    /// Whether nothing of it has changed.
    fn is_so(&self, shown: &Shown) -> bool {
        let is_so = |seen: &[Seen]| self.store.is_as_seen(seen);
        shown.seen.is_some_and(|seen| is_so(&[seen])) && (shown.groups.is_empty() || is_so(&shown.groups))
    }

    /// Makes it, and keeps it when the store could tell how it was before.
    pub(super) async fn put(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        mut stored: Stored,
        seen: Option<Seen>,
        alone: bool,
    ) -> Result<Arc<Shown>, ScimError> {
        let mut text = String::new();
        let mut groups = Vec::new();
        self.render(&mut text, call, kind, &stored, &Projection::DEFAULT, alone, &mut groups).await?;
        (stored.body, stored.profile) = (Vec::new(), None);
        text.shrink_to_fit();
        let (source, base) = (call.source.number, self.shelf.base(call.base));
        let shown = Arc::new(Shown { row: stored, text, source, base, seen, groups });
        if seen.is_some() {
            self.shelf.kept.put(name(call, &shown.row.id), Arc::clone(&shown));
        }
        Ok(shown)
    }
}

impl Shown {
    /// The resource as the whole answer.
    pub(super) fn answer(self: Arc<Self>, call: &Call<'_>, kind: &ResourceType) -> Answer {
        render::answer(200, call, kind, &self.row, Content::Whole(Bytes::from_owner(Text(Arc::clone(&self)))))
    }
}
