//! Whose object is whose: what unlinked records are found by, looked up as the objects of the target go by, and one object for
//! one record out of what was found.

use std::collections::HashMap;

use super::SyncError;
use super::difference::at;
use super::index::Index;
use super::listing::Listing;
use super::plan::Plan;
use super::planner::Planner;
use super::rows::{Row, Rows};
use super::state::{Short, short};
use super::survey::{Entry, Survey};
use crate::scim::compare::fold;
use crate::target::{Found, Kind, Target};

impl Planner<'_> {
    /// What the unlinked records are found by, to be looked up as objects go by.
    pub(super) fn unlinked(&self, survey: &Survey) -> Sought {
        let mut sought = Sought::default();
        let shut = self.states.shut().filter(|(_, record)| survey.wants(record));
        sought.shut = shut.map(|(id, record)| (id.to_owned(), (*record).to_owned())).collect();
        for (number, entry) in (0..).zip(survey.entries()) {
            for (path, value) in survey.brief(&entry).into_iter().flat_map(|brief| brief.matches) {
                let place = sought.place(&path);
                let value = key(self.target, self.part.kind, &path, &value);
                sought.add(&wish(place, &value), number);
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
        let records = || survey.entries().filter(Entry::is_unlinked).map(|entry| String::from(entry.record));
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
    index: Index,
    wishes: Rows<Wish>,
    /// Objects that were shut, and the records that are back.
    shut: HashMap<String, String>,
}

/// Who is found by a value.
#[derive(Clone, Copy, Default)]
struct Wish {
    /// A digest of the value and of what it stands at.
    digest: Short,
    /// The place among the entries of the survey.
    entry: u32,
}

impl Row for Wish {
    const WIDTH: usize = size_of::<Short>() + 4;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.digest);
        bytes.extend(self.entry.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk()?;
        Some(Self { digest: *digest, entry: u32::from_le_bytes(*rest.first_chunk()?) })
    }
}

impl Sought {
    fn add(&mut self, wish: &str, entry: u32) {
        let Ok(number) = u32::try_from(self.wishes.len()) else { return };
        self.wishes.push(Wish { digest: digest(wish), entry });
        self.index.add(number, wish);
    }

    /// The entries that are found by a value.
    fn entries(&self, wish: &str) -> Vec<u32> {
        let candidates = self.index.candidates(self.index.half(wish));
        if candidates.is_empty() {
            return Vec::new();
        }
        let digest = digest(wish);
        let wishes = candidates.into_iter().map(|number| self.wishes.get(number as usize));
        wishes.filter(|wish| wish.digest == digest).map(|wish| wish.entry).collect()
    }

    /// That all was there that was asked for.
    ///
    /// # Errors
    /// It was not: nothing that was found may be used.
    pub(super) fn intact(&self) -> Result<(), SyncError> {
        self.wishes.intact().and(self.index.intact()).map_err(SyncError::Settings)
    }

    fn place(&mut self, path: &str) -> usize {
        self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        })
    }

    /// Notes an object for every record that it matches, when no match of a higher precedence is known.
    pub(super) fn offer(
        &self,
        survey: &Survey,
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
            for entry in self.entries(&wish(place - 1, &key(target, kind, path, value))) {
                let record = String::from(survey.record(entry as usize));
                match found.get_mut(&record) {
                    Some((best, _)) if *best < place => {}
                    Some((best, objects)) if *best == place => {
                        if objects.iter().all(|one| one.id != object.id) {
                            objects.push(object.clone());
                        }
                    }
                    _ => {
                        found.insert(record, (place, vec![object.clone()]));
                    }
                }
            }
        }
    }
}

/// A value that somebody is found by, with the place of its path.
fn wish(place: usize, value: &str) -> String {
    format!("{place} {value}")
}

/// Different texts never have the same.
fn digest(text: &str) -> Short {
    crate::directory::token::hash(text).get(..32).and_then(short).unwrap_or_default()
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
