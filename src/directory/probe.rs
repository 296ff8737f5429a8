//! What services ask before nearly each write, whether there is somebody of a name: answered without waiting when the resource is on the
//! shelf, and was found by that name before or memory knows who has it.

use super::query::{DEFAULT_PAGE, MAX_PAGE, shown_list};
use super::{Answer, Call, Directory, index};
use crate::scim::discovery::ResourceType;
use crate::scim::list::{Paging, Query};
use crate::scim::plan::{Index, probe};
use crate::store::Holder;

impl Directory {
    /// The answer of [`Directory::list`] to an equality on a unique attribute and nothing else; `None` when the store has to look, and
    /// for every other query, right or wrong.
    pub(super) fn at_once(&self, call: &Call<'_>, kind: &ResourceType, query: &Query) -> Option<Answer> {
        let filter = query.filter.as_deref().filter(|_| query.is_plain())?;
        let (index, value) = probe(filter, &kind.schema, call.source.tolerances)?;
        let shown = match self.on_shelf_by(call, kind.name(), index, &value) {
            Some(shown) => Some(shown),
            None => {
                let known = match index::stored(index, kind.name()) {
                    Some((name, true)) => self.store.find_known(&call.source.slug, kind.name(), name, value.as_bytes()),
                    None if index == Index::Id => Holder::Id(value.clone().into_owned()),
                    _ => return None,
                };
                let shown = match known {
                    Holder::Nobody => None,
                    Holder::Id(id) => Some(self.on_shelf(call, &id)?),
                    Holder::Unknown => return None,
                };
                // It may have changed since the name was looked up, and its keys say what it is now.
                let shown = shown.filter(|shown| shown.row.kind == kind.name() && index::is(&shown.row, index, &value));
                if let Some(shown) = &shown {
                    self.keep_key(call, index, &value, shown);
                }
                shown
            }
        };
        let (skip, count) = query.window(DEFAULT_PAGE, MAX_PAGE);
        let page = shown.iter().skip(skip as usize).take(count as usize);
        Some(shown_list(page, u64::from(shown.is_some()), &Paging::Index(skip + 1)))
    }
}
