//! GET of one resource (RFC 7644, section 3.4.1).

use super::parts::MANY;
use super::{Answer, Call, Directory, refused};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::etag;
use crate::scim::project::Projection;
use crate::scim::schema::GROUP;
use crate::store::Stored;

impl Directory {
    /// A resource, or 304 when the client has it.
    pub async fn get(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Answer, ScimError> {
        let projection = projection(call, kind)?;
        if projection == Projection::DEFAULT {
            if kind.schema.core.is(GROUP)
                && self.on_shelf(call, id).is_none()
                && let Some(answer) = self.large(call, kind, id).await?
            {
                return Ok(answer);
            }
            let shown = self.shown(call, kind, id).await?;
            return Ok(unchanged(call, &shown.row).unwrap_or_else(|| shown.answer(call, kind)));
        }
        let stored = self.stored(call, kind, id).await?;
        if let Some(answer) = unchanged(call, &stored) {
            return Ok(answer);
        }
        self.resource_answer(200, call, kind, stored, &projection).await
    }

    /// A group with many members; `None` for all others.
    async fn large(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Option<Answer>, ScimError> {
        let stored = self.stored(call, kind, id).await?;
        if stored.members <= MANY {
            return Ok(None);
        }
        Ok(unchanged(call, &stored).or_else(|| Self::in_parts(call, kind, &stored)))
    }

    /// The stored resource of this kind with this id.
    pub(super) async fn stored(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Stored, ScimError> {
        let found = self.store.get(&call.source.slug, id).await.map_err(|error| refused(error, kind))?;
        found.filter(|stored| stored.kind == kind.name()).ok_or_else(|| not_found(kind, id))
    }
}

/// The answer when the client has it as it is.
fn unchanged(call: &Call<'_>, stored: &Stored) -> Option<Answer> {
    let tag = etag::weak(call.if_none_match.map(|_| stored.version)?);
    let is_known = call.if_none_match.is_some_and(|tags| tags.matches(Some(&tag)));
    is_known.then(|| Answer { etag: Some(tag), ..Answer::empty(304) })
}

pub(super) fn not_found(kind: &ResourceType, id: &str) -> ScimError {
    ScimError::not_found(format!("{} {:?}", kind.name(), crate::text::shorten(id)))
}

pub(super) fn projection(call: &Call<'_>, kind: &ResourceType) -> Result<Projection, ScimError> {
    Projection::parse(call.attributes, call.excluded, &kind.schema, call.source.tolerances)
}
