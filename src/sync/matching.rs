//! Whose object is whose: what unlinked records are found by, looked up as the objects of the target go by, and one object for
//! one record out of what was found.

use std::collections::HashMap;

use super::difference::at;
use super::listing::Listing;
use super::plan::Plan;
use super::planner::Planner;
use super::survey::Survey;
use crate::scim::compare::fold;
use crate::target::{Found, Kind, Target};

impl Planner<'_> {
    /// What the unlinked records are found by, to be looked up as objects go by.
    pub(super) fn unlinked(&self, survey: &Survey) -> Sought {
        let mut sought = Sought::default();
        let shut = self.states.shut().filter(|(_, record)| survey.wants(record));
        sought.shut = shut.map(|(id, record)| (id.to_owned(), (*record).to_owned())).collect();
        for entry in survey.entries() {
            for (path, value) in entry.brief.into_iter().flat_map(|brief| &brief.matches) {
                let place = sought.place(path);
                let value = key(self.target, self.part.kind, path, value);
                sought.records.entry((place, value)).or_default().push((*entry.record).to_owned());
            }
        }
        sought
    }

    /// Of what was found for each record, one object for one record: several objects are ambiguous, and so are several records
    /// that an object matches equally well.
    pub(super) fn each_to_one(
        &self,
        survey: &Survey,
        mut found: HashMap<String, (usize, Vec<Found>)>,
        listing: &mut Listing,
        plan: &mut Plan,
    ) -> HashMap<String, Found> {
        let mut claims: HashMap<String, Vec<(usize, String)>> = HashMap::new();
        let mut met = HashMap::new();
        let records = || survey.entries().filter(|entry| entry.brief.is_some()).map(|entry| String::from(entry.record));
        for record in records() {
            let Some((place, mut objects)) = found.remove(&record) else { continue };
            if objects.len() > 1 {
                self.ambiguous(&record, &several(&objects), plan);
                listing.settle(survey, &record);
            } else if let Some(object) = objects.pop() {
                claims.entry(object.id.clone()).or_default().push((place, record.clone()));
                met.insert(record, object);
            }
        }
        for record in records() {
            let claim = met.get(&record).and_then(|object| claims.get(&object.id)).filter(|claims| claims.len() > 1);
            let Some(claims) = claim else { continue };
            let best = claims.iter().map(|(place, _)| *place).min();
            let is_best = |claim: &&(usize, String)| Some(claim.0) == best;
            let alone = claims.iter().filter(is_best).count() == 1;
            if !(alone && claims.iter().filter(is_best).any(|claim| claim.1 == record)) {
                let why = format!("{} records match the same object", claims.len());
                self.ambiguous(&record, &why, plan);
                listing.settle(survey, &record);
            }
        }
        met.retain(|record, _| survey.place(record).is_none_or(|place| !listing.has_seen(place)));
        met
    }
}

/// What unlinked records are found by.
#[derive(Default)]
pub(super) struct Sought {
    paths: Vec<String>,
    /// By the place of the path, which is its precedence, and the value.
    records: HashMap<(usize, String), Vec<String>>,
    /// Objects that were shut, and the records that are back.
    shut: HashMap<String, String>,
}

impl Sought {
    fn place(&mut self, path: &str) -> usize {
        self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        })
    }

    /// Notes an object for every record that it matches, when no match of a higher precedence is known.
    pub(super) fn offer(
        &self,
        target: &dyn Target,
        kind: Kind,
        object: &Found,
        found: &mut HashMap<String, (usize, Vec<Found>)>,
    ) {
        if let Some(record) = self.shut.get(&object.id) {
            found.insert(record.clone(), (0, vec![object.clone()]));
        }
        for (place, path) in (1..).zip(&self.paths) {
            let value = at(&object.attributes, path);
            let Some(value) = value.as_str() else { continue };
            let records = self.records.get(&(place - 1, key(target, kind, path, value)));
            for record in records.into_iter().flatten() {
                match found.get_mut(record) {
                    Some((best, _)) if *best < place => {}
                    Some((best, objects)) if *best == place => {
                        if objects.iter().all(|one| one.id != object.id) {
                            objects.push(object.clone());
                        }
                    }
                    _ => {
                        found.insert(record.clone(), (place, vec![object.clone()]));
                    }
                }
            }
        }
    }
}

/// Why nothing is linked.
pub(super) fn several(objects: &[Found]) -> String {
    let ids: Vec<&str> = objects.iter().take(5).map(|object| object.id.as_str()).collect();
    format!("{} objects match it ({})", objects.len(), ids.join(", "))
}

/// A value as it is compared by the target.
fn key(target: &dyn Target, kind: Kind, path: &str, value: &str) -> String {
    if target.folds(kind, path) { fold(value).into_owned() } else { value.to_owned() }
}
