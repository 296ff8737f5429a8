//! The objects of the target gone through: all of them, or those that changed since the last time, where the target has lists of
//! changes. What no list names is then as it was when it was last as it is to be, which the digest of what was sent tells.

use std::collections::{HashMap, HashSet};

use super::difference::paths;
use super::mark::{Mark, Next};
use super::matching::Sought;
use super::plan::{Plan, PlanCounts, Verb};
use super::planner::Planner;
use super::survey::{Entry, Survey};
use super::{Stop, SyncError};
use crate::clock::Millis;
use crate::target::{Found, Kind, Target as _, TargetError};

/// After this time all is read again, whatever lists of changes say, in milliseconds. Microsoft Graph forgets after as long.
const WHOLE: Millis = 7 * 24 * 3_600_000;
/// So many records may be looked up one by one instead of reading all.
const FEW: u64 = 20;
/// And one more for so many linked ones: about four for each page that is spared.
const LINKED: u64 = 250;
/// How many entries are noted in one number.
const BITS: usize = 64;

/// What going through the target came to.
pub(super) struct Listing {
    /// Whether only changes were listed.
    pub(super) by_changes: bool,
    /// Of the entries of the survey, whose objects were seen, in bits.
    seen: Vec<u64>,
    /// Those whose objects are to be looked up: they are gone, or a list of changes says too little of them.
    open: HashSet<usize>,
    /// What was found for records without an object.
    pub(super) met: HashMap<String, Found>,
    /// With what the next list of changes begins, and when all was read.
    pub(super) link: Option<Next>,
    /// Whether the list says of groups that their members changed.
    members: bool,
    /// The records whose objects the list has named, where that is to be trusted for members.
    pub(super) regrouped: Option<HashSet<String>>,
}

impl Listing {
    fn of(survey: &Survey) -> Self {
        let seen = vec![0; survey.len().div_ceil(BITS)];
        Self {
            by_changes: false,
            seen,
            open: HashSet::new(),
            met: HashMap::new(),
            link: None,
            members: false,
            regrouped: None,
        }
    }

    /// Whether all is decided of an entry.
    pub(super) fn has_seen(&self, place: usize) -> bool {
        self.seen.get(place / BITS).is_some_and(|bits| bits >> (place % BITS) & 1 == 1)
    }

    /// Whether its object is to be looked up.
    pub(super) fn is_open(&self, place: usize) -> bool {
        self.open.contains(&place)
    }

    fn set(&mut self, place: usize, seen: bool) {
        if let Some(bits) = self.seen.get_mut(place / BITS) {
            let bit = 1 << (place % BITS);
            *bits = if seen { *bits | bit } else { *bits & !bit };
        }
    }

    /// Notes that a record is decided.
    pub(super) fn settle(&mut self, survey: &Survey, record: &str) {
        if let Some(place) = survey.place(record) {
            self.set(place, true);
        }
    }
}

/// How far a plan was before a list that turned out to be of no use.
struct Before {
    actions: usize,
    skipped: usize,
    ambiguous: usize,
    settled: usize,
    left: usize,
    counts: PlanCounts,
}

impl Planner<'_> {
    /// Goes through the objects of the target, and decides for those that are linked. With a mark only changes are listed,
    /// unless so many records are to be looked up that all are read sooner.
    pub(super) async fn list(&self, survey: &Survey, mark: Option<&Mark>, plan: &mut Plan) -> Result<Listing, Stop> {
        let mut listing = Listing::of(survey);
        if !self.abilities.list {
            return Ok(listing);
        }
        let mark = mark.filter(|mark| mark.read.saturating_add(WHOLE) > self.now && self.is_little_open(survey));
        if let Some(mark) = mark {
            let before = Before {
                actions: plan.actions.len(),
                skipped: plan.skipped.len(),
                ambiguous: plan.ambiguous.len(),
                settled: plan.settled.len(),
                left: plan.left.len(),
                counts: plan.counts,
            };
            plan.protected.extend(mark.protected.iter().map(|record| (self.part.kind, record.clone())));
            listing.by_changes = true;
            listing.members = mark.members;
            listing.regrouped = mark.members.then(HashSet::new);
            match self.go_through(survey, Some(&mark.link), &mut listing, plan).await {
                Ok(link) => {
                    let members = listing.members;
                    listing.link = link.map(|link| Next { link, read: mark.read, members });
                    return Ok(listing);
                }
                Err(Stop::Failed(SyncError::Target(TargetError::Missing { .. }))) => {
                    self.undo(&before, plan);
                    listing = Listing::of(survey);
                }
                Err(stop) => return Err(stop),
            }
        }
        let link = self.go_through(survey, None, &mut listing, plan).await?;
        let members = listing.members;
        listing.link = link.map(|link| Next { link, read: self.now, members });
        Ok(listing)
    }

    /// Whether few records are to be looked up beside a list of changes.
    fn is_little_open(&self, survey: &Survey) -> bool {
        let open = survey.entries().filter(|entry| !self.is_settled(entry)).count() as u64;
        open <= FEW + self.states.linked_count() / LINKED
    }

    /// Whether the object of a record is as it is to be, unless somebody changed it since.
    pub(super) fn is_settled(&self, entry: &Entry<'_>) -> bool {
        let record = &*entry.record;
        entry.is_as_sent
            && self.states.is_linked(record)
            && !self.states.is_open(record)
            && !self.states.is_begun(record)
    }

    fn undo(&self, before: &Before, plan: &mut Plan) {
        plan.actions.truncate(before.actions);
        plan.skipped.truncate(before.skipped);
        plan.ambiguous.truncate(before.ambiguous);
        plan.settled.truncate(before.settled);
        plan.left.truncate(before.left);
        plan.counts = before.counts;
        plan.protected.retain(|(kind, _)| *kind != self.part.kind);
        if self.part.kind == Kind::User {
            plan.managers.clear();
        }
    }

    /// The pages of a list one after the other; with what the next list of changes begins.
    async fn go_through(
        &self,
        survey: &Survey,
        since: Option<&str>,
        listing: &mut Listing,
        plan: &mut Plan,
    ) -> Result<Option<String>, Stop> {
        let kind = self.part.kind;
        let mut targets = paths(&self.part.mapping, None);
        targets.extend(self.part.manager_path().map(str::to_owned));
        if kind == Kind::Group && self.part.settings.members && self.target.lists_members() {
            targets.push("members".to_owned());
        }
        let sought = if since.is_none() { self.unlinked(survey) } else { Sought::default() };
        let mut next: Option<String> = None;
        // For each unlinked record the precedence by which objects were found, and these.
        let mut found: HashMap<String, (usize, Vec<Found>)> = HashMap::new();
        loop {
            let page = self.target.list(kind, &targets, since, next.as_deref()).await.map_err(Stop::target)?;
            self.part.progress.add(page.items.len());
            listing.members |= page.members;
            for object in page.items {
                plan.counts.objects += 1;
                match self.states.record(&object.id) {
                    Some(record) => self.meet(survey, &record, &object, listing, plan).await?,
                    None => sought.offer(survey, self.target, kind, &object, &mut found),
                }
            }
            for id in page.gone {
                let record = self.states.record(&id);
                let Some((record, place)) = record.and_then(|record| Some((record, survey.place(&record)?))) else {
                    continue;
                };
                if listing.has_seen(place) {
                    self.forget(&record, plan);
                }
                listing.set(place, false);
                listing.open.insert(place);
            }
            next = page.next;
            if next.is_none() {
                sought.intact().map_err(Stop::Failed)?;
                listing.met = self.each_to_one(survey, found, listing, plan);
                return Ok(page.delta);
            }
        }
    }

    /// An object that is linked to a record.
    async fn meet(
        &self,
        survey: &Survey,
        record: &str,
        object: &Found,
        listing: &mut Listing,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        if let Some(named) = &mut listing.regrouped {
            named.insert(record.to_owned());
        }
        let protected = (self.part.kind, record.to_owned());
        let is_protected = self.is_protected(object);
        if is_protected {
            plan.protected.insert(protected);
        } else {
            plan.protected.remove(&protected);
        }
        let Some(place) = survey.place(record) else { return Ok(()) };
        if listing.has_seen(place) {
            // Lists of changes may name an object more than once; the last is how it is.
            self.forget(record, plan);
        }
        listing.open.remove(&place);
        let is_whole = !listing.by_changes;
        let is_decided = is_protected || self.compare(record, object, Verb::Update, is_whole, plan).await?;
        listing.set(place, is_decided);
        if !is_decided {
            listing.open.insert(place);
        }
        Ok(())
    }

    /// Takes back what was decided of a linked record.
    fn forget(&self, record: &str, plan: &mut Plan) {
        let kind = self.part.kind;
        if plan.protected.contains(&(kind, record.to_owned())) {
            return;
        }
        match plan.actions.iter().rposition(|action| action.kind == kind && action.record == record) {
            Some(place) => {
                plan.actions.remove(place);
            }
            None => plan.counts.unchanged = plan.counts.unchanged.saturating_sub(1),
        }
        plan.managers.remove(record);
        plan.settled.retain(|settled| settled.kind != kind || settled.record != record);
    }
}
