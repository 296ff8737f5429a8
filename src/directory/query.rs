//! Lists and searches (RFC 7644, section 3.4.2, and RFC 9865): an index where one answers, else a bounded walk.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::read::projection;
use super::shelf::Shown;
use super::{Answer, Call, Directory, fields, index, refused, sheets, shelf};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::filter::Matcher;
use crate::scim::list::{self, Paging, Query, Sorter};
use crate::scim::peer::Tolerances;
use crate::scim::plan::{FilterPlan, Index, Key, probe};
use crate::scim::project::Projection;
use crate::scim::schema::GROUP;
use crate::store::{Cursor, Scan, Span, Start, Stored, time_key};

/// How many results a page has when nobody says.
pub(super) const DEFAULT_PAGE: u64 = 100;
/// How many results a page has at most.
pub(super) const MAX_PAGE: u64 = 1_000;
/// How many resources one request may look at when no index answers its filter, or to sort them.
const MAX_WALK: usize = 200_000;
/// Bytes that are set aside for each resource of a list.
const RESOURCE: usize = 1_024;
/// How many resources are read at once.
const STEP: usize = 500;

impl Directory {
    /// Resources of a kind.
    pub async fn list(&self, call: &Call<'_>, kind: &ResourceType, query: &Query) -> Result<Answer, ScimError> {
        if let Some(answer) = self.at_once(call, kind, query).or_else(|| self.kept_page(call, kind, query)) {
            return Ok(answer);
        }
        // What waits is large, and in a box of its own it is not carried along by those who need not.
        Box::pin(self.looked_up(call, kind, query)).await
    }

    async fn looked_up(&self, call: &Call<'_>, kind: &ResourceType, query: &Query) -> Result<Answer, ScimError> {
        let tolerances = call.source.tolerances;
        let call = &of_query(call, query);
        let projection = projection(call, kind)?;
        let question = query.filter.as_deref().map(|filter| Question::read(filter, kind, tolerances)).transpose()?;
        let sorter = match &query.sort_by {
            Some(by) => Some(Sorter::new(by, query.descending, &kind.schema, tolerances)?),
            None => None,
        };
        if question.is_none() && sorter.is_none() {
            return self.plain_list(call, kind, query, &projection).await;
        }
        if let (Some(Question { matcher: None, plan }), None) = (&question, &sorter)
            && projection == Projection::DEFAULT
            && let Some(ids) = self.candidates(call, kind, plan).await?
        {
            return self.probed(call, kind, query, (plan, &ids)).await;
        }
        let mut found = self.matching(call, kind, question.as_ref()).await?;
        if let Some(sorter) = &sorter {
            let mut keyed = Vec::with_capacity(found.len());
            for stored in found {
                keyed.push((with_meta(call, kind, &stored)?, stored));
            }
            keyed.sort_by(|(a, _), (b, _)| sorter.compare(a, b));
            found = keyed.into_iter().map(|(_, stored)| stored).collect();
        } else {
            found.sort_by_key(|stored| stored.number);
        }
        let total = found.len() as u64;
        let (skip, count, paging) = self.window(call, Some(kind), query, total).await?;
        let page = found.iter().skip(skip as usize).take(count as usize).map(|stored| (kind, &projection, stored));
        self.list_answer(call, page, total, &paging).await
    }

    /// Resources of all kinds (RFC 7644, section 3.4.3). A kind whose schema does not have what the filter names has no
    /// match, and one without what they are sorted by comes last; when no kind has it, that is an error.
    pub async fn search(&self, call: &Call<'_>, query: &Query) -> Result<Answer, ScimError> {
        let tolerances = call.source.tolerances;
        let call = &of_query(call, query);
        let types = &call.source.types;
        let sorter = match query.sort_by.as_deref() {
            Some(by) => Some(any(types, |kind| Sorter::new(by, query.descending, &kind.schema, tolerances))?),
            None => None,
        };
        if let Some(filter) = query.filter.as_deref() {
            any(types, |kind| Matcher::parse(filter, &kind.schema, tolerances))?;
        }
        let mut found = Vec::new();
        for kind in types {
            let question = query.filter.as_deref().map(|filter| Question::read(filter, kind, tolerances));
            let Ok(question) = question.transpose() else { continue };
            for stored in self.matching(call, kind, question.as_ref()).await? {
                let sorted_by = if sorter.is_some() { with_meta(call, kind, &stored)? } else { Map::new() };
                found.push((sorted_by, kind, stored));
            }
        }
        if let Some(sorter) = &sorter {
            found.sort_by(|(a, ..), (b, ..)| sorter.compare(a, b));
        }
        let total = found.len() as u64;
        let (skip, count, paging) = self.window(call, None, query, total).await?;
        let page = found.iter().skip(skip as usize).take(count as usize);
        let projections = page.clone().map(|(_, kind, _)| projection(call, kind)).collect::<Result<Vec<_>, _>>()?;
        let page = page.zip(&projections).map(|((_, kind, stored), projection)| (*kind, projection, stored));
        self.list_answer(call, page, total, &paging).await
    }

    /// The answer to a filter that the keys of resources decide.
    async fn probed(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        query: &Query,
        (plan, ids): (&FilterPlan, &[String]),
    ) -> Result<Answer, ScimError> {
        let mut found = self.shown_of(call, kind, ids).await?;
        // It may have changed since the index was read, and its keys say what it is now.
        found.retain(|shown| plan.keys.iter().all(|key| index::has(&shown.row, key)));
        found.sort_by_key(|shown| shown.row.number);
        let total = found.len() as u64;
        let (skip, count, paging) = self.window(call, Some(kind), query, total).await?;
        Ok(shown_list(found.iter().skip(skip as usize).take(count as usize), total, &paging))
    }

    /// Resources as the answer to a query.
    async fn list_answer<'r>(
        &self,
        call: &Call<'_>,
        page: impl ExactSizeIterator<Item = (&'r ResourceType, &'r Projection, &'r Stored)>,
        total: u64,
        paging: &Paging,
    ) -> Result<Answer, ScimError> {
        let mut text = list::begin_text(page.len(), page.len() * RESOURCE, Some(total), paging);
        let alone = page.len() > 1 && !self.has_groups(call).await;
        for (place, (kind, projection, stored)) in page.enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            self.render(&mut text, call, kind, stored, projection, alone, &mut Vec::new()).await?;
        }
        text.push_str(list::TEXT_END);
        Ok(Answer::document(text))
    }

    /// Whether a group may have anybody. To count groups is as cheap as to look for those of one user.
    pub(super) async fn has_groups(&self, call: &Call<'_>) -> bool {
        for kind in call.source.types.iter().filter(|kind| kind.schema.core.is(GROUP)) {
            if self.store.count(&call.source.slug, kind.name()).await != Ok(0) {
                return true;
            }
        }
        false
    }

    /// Which part of `total` results a query wants, by index or by cursor: how many to skip, how many to give at most.
    async fn window(
        &self,
        call: &Call<'_>,
        kind: Option<&ResourceType>,
        query: &Query,
        total: u64,
    ) -> Result<(u64, u64, Paging), ScimError> {
        let Some(cursor) = &query.cursor else {
            let (skip, count) = query.window(DEFAULT_PAGE, MAX_PAGE);
            return Ok((skip, count, Paging::Index(skip + 1)));
        };
        let pages = self.pages(call, kind, query, cursor).await?;
        let (skip, count) = (pages.place.as_deref().map_or(Ok(0), offset)?, pages.count);
        let end = skip.saturating_add(count);
        let next = (end < total && count > 0).then(|| pages.next(&end.to_be_bytes())).transpose()?;
        Ok((skip, count, Paging::Cursor { next, previous: None }))
    }

    /// All resources of a kind, in the order of creation.
    async fn plain_list(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        query: &Query,
        projection: &Projection,
    ) -> Result<Answer, ScimError> {
        let source = call.source.slug.as_str();
        let total = self.store.count(source, kind.name()).await.map_err(|error| refused(error, kind))?;
        let pages = match &query.cursor {
            Some(cursor) => Some(self.pages(call, Some(kind), query, cursor).await?),
            None => None,
        };
        let (skip, count) = match &pages {
            None => query.window(DEFAULT_PAGE, MAX_PAGE),
            Some(pages) => (0, pages.count),
        };
        let start = match pages.as_ref().and_then(|pages| pages.place.as_deref()) {
            None => Start::Offset(skip),
            Some(place) => Start::After(Cursor::from_bytes(place)),
        };
        let is_empty = count == 0 || query.cursor.is_none() && skip >= total;
        let paging = |next: Option<Cursor>| match &pages {
            None => Ok(Paging::Index(skip + 1)),
            Some(pages) => {
                let next = next.map(|cursor| pages.next(cursor.as_bytes())).transpose()?;
                Ok(Paging::Cursor { next, previous: None })
            }
        };
        let (name, count) = (kind.name(), count as usize);
        let is_shown = *projection == Projection::DEFAULT && !is_empty;
        // Groups have texts of any length.
        if is_shown
            && pages.is_none()
            && !kind.schema.core.is(GROUP)
            && let Some(runs) = self.store.runs(source, name, skip, count as u64, sheets::MOST_LISTED)
        {
            return self.sheet_list(call, kind, runs, count, &paging(None)?).await;
        }
        if is_shown && total <= shelf::MOST_LISTED {
            let page = self.store.order(source, name, start, count).await.map_err(|error| refused(error, kind))?;
            let (numbers, ids): (Vec<u64>, Vec<String>) = page.items.into_iter().unzip();
            let shown = self.shown_of(call, kind, &ids).await?;
            // One that was deleted and made again is at another place.
            let is_there = |shown: &&Arc<Shown>| numbers.binary_search(&shown.row.number).is_ok();
            return Ok(shown_list(shown.iter().filter(is_there), total, &paging(page.next)?));
        }
        let page = if is_empty {
            crate::store::Page { items: Vec::new(), next: None }
        } else {
            self.store.list(source, name, start, count).await.map_err(|error| refused(error, kind))?
        };
        let paging = paging(page.next)?;
        let items = page.items.iter().map(|stored| (kind, projection, stored));
        self.list_answer(call, items, total, &paging).await
    }

    /// The resources for which the filter holds.
    pub(super) async fn matching(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        question: Option<&Question>,
    ) -> Result<Vec<Stored>, ScimError> {
        let Some(question) = question else { return self.walk(call, kind, None).await };
        let Some(ids) = self.candidates(call, kind, &question.plan).await? else {
            return self.walk(call, kind, Some(question)).await;
        };
        let mut found = Vec::new();
        for ids in ids.chunks(STEP) {
            let stored = self.store.get_many(&call.source.slug, ids).await.map_err(|error| refused(error, kind))?;
            for stored in stored.into_iter().flatten().filter(|stored| stored.kind == kind.name()) {
                if self.holds(call, kind, &stored, question).await? {
                    found.push(stored);
                }
            }
        }
        Ok(found)
    }

    /// The ids among which all matches are, by the best index; `None` when no index answers.
    pub(super) async fn candidates(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        plan: &FilterPlan,
    ) -> Result<Option<Vec<String>>, ScimError> {
        let source = call.source.slug.as_str();
        let equal = |wanted: &dyn Fn(Index) -> bool| {
            plan.keys.iter().find_map(|key| match key {
                Key::Equal { index, value } if wanted(*index) => Some((*index, value.clone())),
                _ => None,
            })
        };
        if let Some((_, id)) = equal(&|index| index == Index::Id) {
            return Ok(Some(vec![id]));
        }
        let unique = |index| super::index::stored(index, kind.name()).is_some_and(|(_, unique)| unique);
        if let Some((index, value)) = equal(&unique) {
            let Some((name, _)) = index::stored(index, kind.name()) else { return Ok(None) };
            let found = self.store.find(source, kind.name(), name, value.as_bytes()).await;
            return Ok(Some(found.map_err(|error| refused(error, kind))?.into_iter().collect()));
        }
        if let Some((index, value)) = equal(&|index| super::index::stored(index, kind.name()).is_some()) {
            let Some((name, _)) = index::stored(index, kind.name()) else { return Ok(None) };
            // Whose name an address is has no key for the address.
            let named = match name {
                index::EMAIL => self.store.find(source, kind.name(), index::USER_NAME, value.as_bytes()).await,
                _ => Ok(None),
            };
            let mut ids = self.scan(call, kind, name, Span::Exact(value.into_bytes())).await?;
            let named = named.map_err(|error| refused(error, kind))?.filter(|id| !ids.contains(id));
            ids.extend(named);
            return Ok(Some(ids));
        }
        if let Some((_, member)) = equal(&|index| index == Index::Member) {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let page =
                    self.store.groups(source, &member, after, STEP).await.map_err(|error| refused(error, kind))?;
                ids.extend(page.items);
                after = page.next;
                if after.is_none() {
                    return Ok(Some(ids));
                }
            }
        }
        if let Some(span) = modified(plan) {
            return self.scan(call, kind, crate::store::MODIFIED, span).await.map(Some);
        }
        if kind.name() == "User" && plan.keys.contains(&Key::Active(false)) {
            return self.scan(call, kind, index::SHUT, Span::Exact(b"1".to_vec())).await.map(Some);
        }
        Ok(None)
    }

    async fn scan(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        name: &str,
        span: Span,
    ) -> Result<Vec<String>, ScimError> {
        let mut scan = Scan { index: name.to_owned(), unique: false, span, after: None, limit: STEP };
        let mut ids = Vec::new();
        loop {
            let page =
                self.store.scan(&call.source.slug, kind.name(), &scan).await.map_err(|error| refused(error, kind))?;
            ids.extend(page.items);
            if ids.len() > MAX_WALK {
                return Err(too_many());
            }
            scan.after = page.next;
            if scan.after.is_none() {
                ids.sort_unstable();
                ids.dedup();
                return Ok(ids);
            }
        }
    }

    /// Looks at every resource of the kind.
    async fn walk(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        question: Option<&Question>,
    ) -> Result<Vec<Stored>, ScimError> {
        let (mut found, mut start, mut seen) = (Vec::new(), Start::Offset(0), 0);
        loop {
            let page = self
                .store
                .list(&call.source.slug, kind.name(), start, STEP)
                .await
                .map_err(|error| refused(error, kind))?;
            seen += page.items.len();
            if seen > MAX_WALK {
                return Err(too_many());
            }
            for stored in page.items {
                let holds = match question {
                    Some(question) => self.holds(call, kind, &stored, question).await?,
                    None => true,
                };
                if holds {
                    found.push(stored);
                }
            }
            match page.next {
                Some(cursor) => start = Start::After(cursor),
                None => return Ok(found),
            }
            // Other requests get their turn during a long walk.
            tokio::task::yield_now().await;
        }
    }

    /// Whether the filter holds for a resource.
    pub(super) async fn holds(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        stored: &Stored,
        Question { matcher, plan }: &Question,
    ) -> Result<bool, ScimError> {
        let Some(matcher) = matcher else {
            // As in `probed`.
            return Ok(plan.keys.iter().all(|key| index::has(stored, key)));
        };
        let mut resource = with_meta(call, kind, stored)?;
        if matcher.reads("members") {
            let asked: Vec<&str> = plan
                .keys
                .iter()
                .filter_map(|key| match key {
                    Key::Equal { index: Index::Member, value } => Some(value.as_str()),
                    _ => None,
                })
                .collect();
            if plan.complete && !asked.is_empty() {
                // Only these are asked for: a group of 100,000 is not read for them.
                let mut members = Vec::new();
                for member in asked {
                    let is_member = self.store.is_member(&call.source.slug, &stored.id, member).await;
                    if is_member.map_err(|error| refused(error, kind))? {
                        members.push(serde_json::json!({"value": member}));
                    }
                }
                resource.insert("members".into(), Value::Array(members));
            } else {
                self.add_relations(call, kind, stored, &mut resource, |name| name == "members").await?;
            }
        }
        if matcher.reads("groups") {
            self.add_relations(call, kind, stored, &mut resource, |name| name == "groups").await?;
        }
        Ok(matcher.matches(&resource))
    }
}

/// A filter, read.
pub(super) struct Question {
    /// `None` when the keys of a resource say whether the filter holds.
    matcher: Option<Matcher>,
    plan: FilterPlan,
}

impl Question {
    /// Reads a filter over resources of a kind.
    pub(super) fn read(filter: &str, kind: &ResourceType, tolerances: Tolerances) -> Result<Self, ScimError> {
        let found = probe(filter, &kind.schema, tolerances);
        // For addresses the index finds some more than there are.
        if let Some((index, value)) = found.filter(|(index, _)| ![Index::Email, Index::WorkEmail].contains(index)) {
            let keys = vec![Key::Equal { index, value: value.into_owned() }];
            return Ok(Self { matcher: None, plan: FilterPlan { keys, complete: true } });
        }
        let matcher = Matcher::parse(filter, &kind.schema, tolerances)?;
        let plan = FilterPlan::of(&matcher, &index::INDEXED);
        Ok(Self { matcher: Some(matcher), plan })
    }

    /// What an index can do for it.
    pub(super) fn plan(&self) -> &FilterPlan {
        &self.plan
    }
}

/// Resources as the answer to a query.
pub(super) fn shown_list<'s>(
    page: impl Iterator<Item = &'s Arc<Shown>> + Clone,
    total: u64,
    paging: &Paging,
) -> Answer {
    let (count, room) = page.clone().fold((0, 0), |(count, room), shown| (count + 1, room + shown.text.len() + 1));
    let mut text = list::begin_text(count, room, Some(total), paging);
    for (place, shown) in page.enumerate() {
        text.push_str(if place == 0 { "" } else { "," });
        text.push_str(&shown.text);
    }
    text.push_str(list::TEXT_END);
    Answer::document(text)
}

/// What one of the types gives; the error of the first when none gives anything.
fn any<T>(types: &[ResourceType], of: impl Fn(&ResourceType) -> Result<T, ScimError>) -> Result<T, ScimError> {
    let mut first = None;
    for kind in types {
        match of(kind) {
            Ok(found) => return Ok(found),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.unwrap_or_else(|| ScimError::not_found("any resource type:")))
}

/// The call with what a query wants to see, which a search has in its body.
fn of_query<'c>(call: &Call<'c>, query: &'c Query) -> Call<'c> {
    Call { attributes: query.attributes.as_deref(), excluded: query.excluded_attributes.as_deref(), ..*call }
}

/// The resource with what the service knows of it.
fn with_meta(call: &Call<'_>, kind: &ResourceType, stored: &Stored) -> Result<Map<String, Value>, ScimError> {
    let mut resource = fields(&stored.body)?;
    resource.insert("id".into(), stored.id.as_str().into());
    resource.insert("meta".into(), super::render::meta(call, kind, stored).to_json());
    Ok(resource)
}

/// The stretch of the index of changes that the filter leaves open.
fn modified(plan: &FilterPlan) -> Option<Span> {
    use crate::scim::path::Operator;
    use std::ops::Bound;
    let (mut low, mut high) = (0, u64::MAX);
    let mut any = false;
    for key in &plan.keys {
        let Key::Modified { operator, time } = key else { continue };
        any = true;
        // The index knows milliseconds; the filter is asked again, so the stretch may be a little too long.
        let at = u64::try_from(time.seconds.saturating_mul(1_000) + i64::from(time.nanos / 1_000_000)).unwrap_or(0);
        match operator {
            Operator::Equal => (low, high) = (low.max(at), high.min(at)),
            Operator::Greater | Operator::GreaterOrEqual => low = low.max(at),
            Operator::Less | Operator::LessOrEqual => high = high.min(at),
            _ => return None,
        }
    }
    any.then(|| Span::Between(Bound::Included(time_key(low)), Bound::Included(time_key(high))))
}

fn too_many() -> ScimError {
    ScimError::too_many(format!(
        "the request would look at more than {MAX_WALK} resources: filter by userName, externalId, displayName, emails, members, manager, id or meta.lastModified"
    ))
}

fn offset(place: &[u8]) -> Result<u64, ScimError> {
    let bytes: [u8; 8] = place.try_into().map_err(|_| ScimError::invalid_cursor("the cursor is none of ours"))?;
    Ok(u64::from_be_bytes(bytes))
}
