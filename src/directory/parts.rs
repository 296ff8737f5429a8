//! [`Rest`]: the members of a large group, which are read while they are sent: nobody holds fifteen megabytes of text for one answer.

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::render::{endpoint, push_member, push_meta};
use super::{Answer, Call, Content, Directory, render};
use crate::scim::discovery::ResourceType;
use crate::scim::verbatim;
use crate::store::{Cursor, StoreError, Stored};

/// A group with more members is sent in parts.
pub(super) const MANY: u64 = 10_000;
/// So many members are one part, some 150 KiB.
const PART: usize = 1_000;
/// How many bytes a member mostly has, beside the base of its location.
const MEMBER: usize = 128;

/// What follows the body of an answer: the members of a group, and what stands behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    source: String,
    group: String,
    base: String,
    /// The resource types by name, and where they are.
    endpoints: Vec<(String, String)>,
    /// What comes last.
    end: String,
}

impl Directory {
    /// A group as [`Directory::get`] answers it, its members as the rest; `None` when its text is not as we write it.
    pub(super) fn in_parts(call: &Call<'_>, kind: &ResourceType, stored: &Stored) -> Option<Answer> {
        let mut head = String::new();
        if !verbatim::begin(&mut head, &stored.body, &stored.id, &kind.schema) {
            return None;
        }
        head.push_str(",\"members\":[");
        let mut end = "],\"meta\":".to_owned();
        push_meta(&mut end, call, kind, stored);
        end.push('}');
        let rest = Rest {
            source: call.source.slug.clone(),
            group: stored.id.clone(),
            base: call.base.to_owned(),
            endpoints: call.source.types.iter().map(|kind| (kind.name().to_owned(), kind.endpoint.clone())).collect(),
            end,
        };
        Some(render::answer(200, call, kind, stored, Content::Begun(Bytes::from(head), rest)))
    }

    /// The rest of an answer, read part by part as it is asked for. Members that come or go meanwhile may be in it or not.
    ///
    /// An error ends it in the middle: the client sees that the answer has no end.
    pub fn parts(&self, rest: Rest) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
        let directory = self.clone();
        stream::try_unfold(Some((rest, None, true)), move |at: Option<(Rest, Option<Cursor>, bool)>| {
            let directory = directory.clone();
            async move {
                let Some((rest, after, is_first)) = at else { return Ok(None) };
                let page = directory.store.members(&rest.source, &rest.group, after, PART).await?;
                let mut text = String::with_capacity(page.items.len() * (rest.base.len() + MEMBER) + rest.end.len());
                for (place, member) in page.items.iter().enumerate() {
                    text.push_str(if is_first && place == 0 { "" } else { "," });
                    push_member(&mut text, &rest.base, member, |kind| rest.endpoint(kind));
                }
                let next = match page.next {
                    Some(cursor) => Some((rest, Some(cursor), false)),
                    None => {
                        text.push_str(&rest.end);
                        None
                    }
                };
                Ok(Some((Bytes::from(text), next)))
            }
        })
    }
}

impl Rest {
    fn endpoint(&self, kind: &str) -> &str {
        let known = self.endpoints.iter().find(|(name, _)| name == kind);
        known.map_or_else(|| endpoint(None), |(_, endpoint)| endpoint)
    }
}
