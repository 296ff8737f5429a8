//! [`Sheets`]: a run of the order of creation as lists have it, one text of some sixty resources. A page is three pieces of such texts
//! instead of a hundred things to find and to put together. Of a sheet that has changed, only those resources are made anew that did.
//! Those of a large directory are kept packed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::kept::{Kept, Made};
use super::query::{DEFAULT_PAGE, MAX_PAGE};
use super::{Answer, Call, Content, Directory, damaged, refused};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::list::{self, Paging, Query};
use crate::scim::project::Projection;
use crate::scim::schema::GROUP;
use crate::store::{RUN, Run, Runs, Seen, Start, Store};

/// Bytes that are kept: some 60,000 users, or some 400,000 when they are packed.
const CAPACITY: usize = 64 << 20;
/// How large a directory may be whose sheets are kept as they are: to unpack those of a page takes as long as all the rest of it.
const MOST_PLAIN: u64 = 50_000;
/// How large a directory may be that has sheets: of a larger one each page would take another one away.
pub(super) const MOST_LISTED: u64 = 400_000;
/// Bytes that a sheet mostly takes.
const SHEET: usize = 64 << 10;
/// Bytes that a resource takes beside its text.
const BESIDE: usize = 32;

/// A resource of a sheet.
struct Item {
    number: u64,
    /// Where its text ends.
    end: usize,
    /// Where what was seen of it ends.
    seen: usize,
}

/// The text of a sheet.
enum Text {
    /// Answers have pieces of it, which are not copied.
    Plain(Bytes),
    /// Such texts repeat themselves: a sixth of the bytes is left, and no other sheet is needed to read one.
    Packed(Vec<u8>),
}

impl Text {
    fn new(text: String, packs: bool) -> Self {
        if packs { Self::Packed(lz4_flex::compress_prepend_size(text.as_bytes())) } else { Self::Plain(text.into()) }
    }

    /// As it is; `None` when it cannot be unpacked.
    fn plain(&self) -> Option<Bytes> {
        match self {
            Self::Plain(text) => Some(text.clone()),
            Self::Packed(bytes) => lz4_flex::decompress_size_prepended(bytes).ok().map(Bytes::from),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(text) => text.len(),
            Self::Packed(bytes) => bytes.len(),
        }
    }
}

/// The resources of a run.
struct Sheet {
    /// For which source, as it was declared then, by which address, of which kind, and where in its order.
    source: u64,
    base: Box<str>,
    kind: Box<str>,
    first: u64,
    items: Vec<Item>,
    /// Each with the groups it is in, as they were before they were read.
    seen: Vec<Seen>,
    /// The resources as JSON, with a comma before each.
    text: Text,
}

impl Sheet {
    /// What it is kept by.
    fn name(&self) -> (u64, &str, &str, u64) {
        (self.source, &self.base, &self.kind, self.first)
    }

    /// Where the text of a resource begins, with its comma, and what was seen of it.
    fn begin(&self, place: usize) -> (usize, usize) {
        let before = place.checked_sub(1).and_then(|before| self.items.get(before));
        before.map_or((0, 0), |before| (before.end, before.seen))
    }

    /// Where the resources at these places are in the text, with a comma before each.
    fn span(&self, places: &Range<usize>) -> Range<usize> {
        let last = places.end.checked_sub(1).and_then(|last| self.items.get(last));
        self.begin(places.start).0..last.map_or(0, |last| last.end)
    }

    /// A resource with this number that has not changed: where it is in the text, and what was seen of it.
    fn fresh(&self, store: &dyn Store, number: u64) -> Option<(Range<usize>, &[Seen])> {
        let place = self.items.binary_search_by_key(&number, |item| item.number).ok()?;
        let ((_, begin), item) = (self.begin(place), self.items.get(place)?);
        let seen = self.seen.get(begin..item.seen)?;
        store.is_as_seen(seen).then(|| (self.span(&(place..place + 1)), seen))
    }
}

/// A sheet that is being made.
#[derive(Default)]
struct Draft {
    items: Vec<Item>,
    seen: Vec<Seen>,
    text: String,
    /// Whether one could not be looked at before it was read.
    is_blind: bool,
}

impl Draft {
    /// What was appended to the text is this one.
    fn end(&mut self, number: u64, seen: &[Seen]) {
        self.seen.extend_from_slice(seen);
        self.items.push(Item { number, end: self.text.len(), seen: self.seen.len() });
    }
}

impl Made for Sheet {
    fn bytes(&self) -> usize {
        self.text.len() + self.items.len() * BESIDE
    }
}

/// What is kept, by source, base, kind and the first number.
pub(super) struct Sheets {
    kept: Kept<Arc<Sheet>>,
    most_plain: u64,
}

impl Default for Sheets {
    fn default() -> Self {
        Self { kept: Kept::new(CAPACITY, SHEET), most_plain: MOST_PLAIN }
    }
}

impl Directory {
    /// The answer of [`Directory::list`] to a query for a page and nothing else, when all of it is kept and still so.
    pub(super) fn kept_page(&self, call: &Call<'_>, kind: &ResourceType, query: &Query) -> Option<Answer> {
        let (skip, count) = query.window(DEFAULT_PAGE, MAX_PAGE);
        if query.filter.is_some() || !query.is_plain() || count == 0 || kind.schema.core.is(GROUP) {
            return None;
        }
        let runs = self.store.runs(&call.source.slug, kind.name(), skip, count, MOST_LISTED)?;
        let kept = |run| self.kept_sheet(call, kind, run).ok();
        let sheets = runs.runs.iter().map(kept).collect::<Option<Vec<_>>>()?;
        page(&sheets, &runs, count as usize, &Paging::Index(skip + 1)).ok()
    }

    /// The page of so many resources of these runs.
    pub(super) async fn sheet_list(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        runs: Runs,
        count: usize,
        paging: &Paging,
    ) -> Result<Answer, ScimError> {
        let mut sheets = Vec::with_capacity(runs.runs.len());
        for run in &runs.runs {
            sheets.push(self.sheet(call, kind, run, runs.total > self.sheets.most_plain).await?);
        }
        page(&sheets, &runs, count, paging)
    }

    /// The sheet of a run, when one is kept and still so; else the one that was so once.
    fn kept_sheet(&self, call: &Call<'_>, kind: &ResourceType, run: &Run) -> Result<Arc<Sheet>, Option<Arc<Sheet>>> {
        let name = (call.source.number, call.base, kind.name(), run.first);
        let kept = self.sheets.kept.get(name).filter(|sheet| sheet.name() == name).ok_or(None)?;
        // Whether there are more by now, their number says: none comes into a place that was another's.
        let is_so = kept.items.len() as u64 == run.count && self.store.is_as_seen(&kept.seen);
        if is_so { Ok(kept) } else { Err(Some(kept)) }
    }

    /// The resources of a run as they are now.
    async fn sheet(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        run: &Run,
        packs: bool,
    ) -> Result<Arc<Sheet>, ScimError> {
        let stale = match self.kept_sheet(call, kind, run) {
            Ok(sheet) => return Ok(sheet),
            Err(stale) => stale,
        };
        let Draft { items, seen, mut text, is_blind } = Box::pin(self.draft(call, kind, run, stale.as_deref())).await?;
        text.shrink_to_fit();
        let (source, base, first) = (call.source.number, call.base.into(), run.first);
        let text = Text::new(text, packs && !is_blind);
        let sheet = Arc::new(Sheet { source, base, kind: kind.name().into(), first, items, seen, text });
        if !is_blind {
            self.sheets.kept.put(sheet.name(), Arc::clone(&sheet));
        }
        Ok(sheet)
    }

    /// Makes a sheet, of one that was kept as far as that is still so.
    async fn draft(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        run: &Run,
        kept: Option<&Sheet>,
    ) -> Result<Draft, ScimError> {
        let (source, name, store) = (call.source.slug.as_str(), kind.name(), &*self.store);
        let page = store
            .order(source, name, Start::Number(run.first), RUN as usize)
            .await
            .map_err(|error| refused(error, kind))?;
        let ends = run.first.saturating_add(RUN);
        let there = page.items.into_iter().take_while(|(number, _)| *number < ends);
        let there = there.map(|(number, id)| (number, id, kept.and_then(|kept| kept.fresh(store, number))));
        let there: Vec<_> = there.collect();
        let wanted = there.iter().filter(|(.., fresh)| fresh.is_none());
        let wanted: Vec<String> = wanted.map(|(_, id, _)| id.clone()).collect();
        let looks: Vec<Option<Seen>> = wanted.iter().map(|id| store.look(source, id)).collect();
        let alone = wanted.len() > 1 && !self.has_groups(call).await;
        let found = store.get_many(source, &wanted).await.map_err(|error| refused(error, kind))?;
        let kept = kept.and_then(|kept| kept.text.plain()).unwrap_or_default();
        let (mut found, mut draft) = (found.into_iter().zip(looks), Draft::default());
        draft.text.reserve(SHEET);
        for (number, _, fresh) in there {
            if let Some((span, seen)) = fresh {
                let text = kept.get(span).and_then(|text| str::from_utf8(text).ok());
                draft.text.push_str(text.ok_or_else(damaged)?);
                draft.end(number, seen);
                continue;
            }
            let (stored, seen) = found.next().unwrap_or_default();
            // One that was deleted and made again is at another place.
            let Some(stored) = stored.filter(|stored| stored.kind == name && stored.number == number) else { continue };
            draft.is_blind |= seen.is_none();
            let mut seen = Vec::from_iter(seen);
            draft.text.push(',');
            self.render(&mut draft.text, call, kind, &stored, &Projection::DEFAULT, alone, &mut seen).await?;
            draft.end(number, &seen);
        }
        Ok(draft)
    }
}

/// The page that begins in these sheets where `runs` says, of at most `count` resources.
fn page(sheets: &[Arc<Sheet>], runs: &Runs, count: usize, paging: &Paging) -> Result<Answer, ScimError> {
    let (mut pieces, mut skip, mut left) = (Vec::with_capacity(sheets.len() + 2), runs.skip as usize, count);
    // For what comes first, which says how many follow.
    pieces.push(Bytes::new());
    for sheet in sheets {
        let from = skip.min(sheet.items.len());
        let to = sheet.items.len().min(from.saturating_add(left));
        (skip, left) = (0, left - (to - from));
        if from < to {
            let mut span = sheet.span(&(from..to));
            // Nothing is before the first one that a comma would part it from.
            span.start += usize::from(pieces.len() == 1);
            let text = sheet.text.plain().filter(|text| span.end <= text.len()).ok_or_else(damaged)?;
            pieces.push(text.slice(span));
        }
    }
    if let Some(first) = pieces.first_mut() {
        *first = Bytes::from(list::begin_text(count - left, 0, Some(runs.total), paging));
    }
    pieces.push(Bytes::from_static(list::TEXT_END.as_bytes()));
    Ok(Answer { body: Some(Content::Pieces(pieces)), ..Answer::empty(200) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::SetClock;
    use crate::directory::{Actor, SourceRecord, Write};
    use crate::store::{Options, SledStore};

    const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

    async fn done(directory: &Directory, call: &Call<'_>, kind: &ResourceType, write: Write<'_>) -> String {
        directory.write(call, kind, write).await.unwrap().id.unwrap_or_default()
    }

    /// Lists of a directory of some runs, while it changes, are what a walk over all resources finds.
    #[tokio::test]
    async fn pages_are_what_a_walk_finds() {
        for most_plain in [0, MOST_PLAIN] {
            let place = tempfile::tempdir().unwrap();
            let store = SledStore::open(place.path(), Options::default()).unwrap();
            let mut directory = Directory::new(Arc::new(store), Arc::new(SetClock::at(1_000_000)));
            directory.sheets = Arc::new(Sheets { most_plain, ..Sheets::default() });
            let (source, actor) = (SourceRecord::new("s", 0).ready().unwrap(), Actor::default());
            let call = Call { base: "http://s", ..Call::inside(&source, &actor) };
            let (users, groups) = (source.named("User").unwrap(), source.named("Group").unwrap());
            let user = |number: usize| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("u{number}")});
            let list = async |query: &Query| {
                let body = directory.list(&call, users, query).await.unwrap().body.unwrap().whole().unwrap();
                serde_json::from_slice::<Value>(&body).unwrap()
            };
            let all = Query { filter: Some("id pr".into()), count: Some(1_000), ..Query::default() };
            let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g"});
            let group = done(&directory, &call, groups, Write::Create(&body)).await;
            let mut ids: Vec<String> = Vec::new();
            for step in 0..220_usize {
                let at = step * 37 % ids.len().max(1);
                match step {
                    150..170 => drop(done(&directory, &call, users, Write::Delete(&ids.remove(at))).await),
                    170..180 => {
                        let body = json!({"schemas": [PATCH], "Operations": [
                            {"op": "add", "path": "members", "value": [{"value": ids[at]}]}]});
                        done(&directory, &call, groups, Write::Patch(&group, &body)).await;
                    }
                    180..200 => {
                        let body = json!({"schemas": [PATCH], "Operations": [
                            {"op": "replace", "path": "title", "value": step.to_string()}]});
                        done(&directory, &call, users, Write::Patch(&ids[at], &body)).await;
                    }
                    // All of a run go.
                    200 => {
                        for id in ids.drain(50..130) {
                            done(&directory, &call, users, Write::Delete(&id)).await;
                        }
                    }
                    _ => ids.push(done(&directory, &call, users, Write::Create(&user(step))).await),
                }
                if step < 140 && !step.is_multiple_of(30) {
                    continue;
                }
                let walked = list(&all).await;
                let found = walked["Resources"].as_array().unwrap();
                assert_eq!(found.len(), ids.len());
                for (start, count) in [(1, 200), (at + 1, 70), (60, 10), (65, 64), (found.len(), 3)] {
                    let query =
                        Query { start_index: Some(start as u64), count: Some(count as u64), ..Query::default() };
                    let page = list(&query).await;
                    let wanted: Vec<&Value> = found.iter().skip(start.max(1) - 1).take(count).collect();
                    assert_eq!(page["Resources"], json!(wanted), "step {step}, {count} from {start}");
                    assert_eq!(
                        (&page["totalResults"], &page["itemsPerPage"]),
                        (&json!(found.len()), &json!(wanted.len()))
                    );
                }
            }
        }
    }
}
