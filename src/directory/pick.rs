//! Resources of a source picked for a dry run: by id, by filter, or the first ones; page by page, as records with the profile
//! that is kept with each.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::query::Question;
use super::{Actor, Call, Directory, Source, refused};
use crate::scim::error::ScimError;
use crate::store::{Cursor, Start, Stored};

/// How many resources are looked at in one go.
const STEP: usize = 200;
/// How many resources a filter may look at that no index answers.
const MOST_LOOKED_AT: usize = 200_000;

/// Whether a mapping reads an attribute: memberships are looked up only then.
type Reads = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A walk over resources that is under way.
pub struct Picking {
    source: Arc<Source>,
    kind: String,
    question: Option<Question>,
    /// The ids to look at; `None` when all are.
    ids: Option<VecDeque<String>>,
    after: Option<Cursor>,
    looked_at: usize,
    left: u64,
    reads: Reads,
}

/// A resource that was picked.
#[derive(Debug)]
pub struct Picked {
    /// Its id.
    pub id: String,
    /// What a mapping reads.
    pub record: Map<String, Value>,
    /// The profile that is kept with it, as JSON: `mapping`, `revision`, and `value` or `skipped`.
    pub profile: Option<Vec<u8>>,
}

impl Directory {
    /// Begins to pick resources of a kind: these, or those for which a filter (RFC 7644, section 3.4.2.2) holds, or all, at
    /// most `limit`.
    ///
    /// # Errors
    /// 400 when the filter is none, or the source has no such kind; the store fails.
    pub async fn begin_pick(
        &self,
        source: Arc<Source>,
        kind: &str,
        (ids, filter): (Option<Vec<String>>, Option<&str>),
        limit: u64,
        reads: Reads,
    ) -> Result<Picking, ScimError> {
        let of = source.named(kind).ok_or_else(|| {
            ScimError::invalid_value(format!("source {:?} has no resources of the type {kind:?}", source.slug))
        })?;
        let question = filter.map(|filter| Question::read(filter, of, source.tolerances)).transpose()?;
        let ids = match (ids, &question) {
            (Some(ids), _) => Some(ids),
            (None, Some(question)) => {
                let actor = Actor::default();
                self.candidates(&Call::inside(&source, &actor), of, question.plan()).await?
            }
            (None, None) => None,
        };
        Ok(Picking {
            kind: kind.to_owned(),
            question,
            ids: ids.map(VecDeque::from),
            after: None,
            looked_at: 0,
            left: limit,
            reads,
            source,
        })
    }

    /// The next resources; none when there are no more.
    ///
    /// # Errors
    /// The store fails, or the filter would have to look at too many.
    pub async fn pick(&self, picking: &mut Picking) -> Result<Vec<Picked>, ScimError> {
        let source = Arc::clone(&picking.source);
        let Some(of) = source.named(&picking.kind) else { return Ok(Vec::new()) };
        let actor = Actor::default();
        let call = Call::inside(&source, &actor);
        let mut picked = Vec::new();
        while picked.is_empty() && picking.left > 0 {
            let Some(page) = self.looked(&source, picking).await.map_err(|error| refused(error, of))? else { break };
            for stored in page.into_iter().filter(|stored| stored.kind == picking.kind) {
                let holds = match &picking.question {
                    Some(question) => self.holds(&call, of, &stored, question).await?,
                    None => true,
                };
                if holds && picking.left > 0 {
                    picking.left -= 1;
                    let entry = self.record_of(&source, &stored, &*picking.reads).await?;
                    picked.push(Picked { id: entry.id, record: entry.record, profile: stored.profile.clone() });
                }
            }
            // Other requests get their turn during a long walk.
            tokio::task::yield_now().await;
        }
        Ok(picked)
    }

    /// The next resources to look at; `None` after the last.
    async fn looked(
        &self,
        source: &Source,
        picking: &mut Picking,
    ) -> Result<Option<Vec<Stored>>, crate::store::StoreError> {
        if let Some(ids) = &mut picking.ids {
            let next: Vec<String> = ids.drain(..ids.len().min(STEP)).collect();
            if next.is_empty() {
                return Ok(None);
            }
            let found = self.store.get_many(&source.slug, &next).await?;
            return Ok(Some(found.into_iter().flatten().collect()));
        }
        if picking.question.is_some() && picking.looked_at >= MOST_LOOKED_AT {
            let what = "the resources that the filter looks at, which no index answers";
            return Err(crate::store::StoreError::TooLarge { what, limit: MOST_LOOKED_AT });
        }
        let start = match &picking.after {
            None if picking.looked_at > 0 => return Ok(None),
            None => Start::Offset(0),
            Some(after) => Start::After(Cursor::from_bytes(after.as_bytes())),
        };
        let page = self.store.list(&source.slug, &picking.kind, start, STEP).await?;
        picking.looked_at += page.items.len().max(1);
        picking.after = page.next;
        Ok(Some(page.items))
    }
}
