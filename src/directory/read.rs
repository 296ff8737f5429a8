//! GET of one resource (RFC 7644, section 3.4.1).

use super::parts::MANY;
use super::{Answer, Call, Directory, refused};
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::etag;
use crate::scim::project::Projection;
use crate::store::Stored;

impl Directory {
    /// A resource, or 304 when the client has it.
    pub async fn get(&self, call: &Call<'_>, kind: &ResourceType, id: &str) -> Result<Answer, ScimError> {
        let projection = projection(call, kind)?;
        if projection == Projection::DEFAULT {
            let kept = self.on_shelf(call, id).filter(|shown| shown.row.kind == kind.name());
            if let Some(shown) = kept {
                return Ok(unchanged(call, &shown.row).unwrap_or_else(|| shown.answer(call, kind)));
            }
        }
        // As in `list`.
        Box::pin(self.fetched(call, kind, id, projection)).await
    }

    async fn fetched(
        &self,
        call: &Call<'_>,
        kind: &ResourceType,
        id: &str,
        projection: Projection,
    ) -> Result<Answer, ScimError> {
        if projection == Projection::DEFAULT {
            let seen = self.store.look(&call.source.slug, id);
            let stored = self.stored(call, kind, id).await?;
            let is_large = stored.members > MANY;
            let large = || unchanged(call, &stored).or_else(|| Self::in_parts(call, kind, &stored));
            if let Some(answer) = is_large.then(large).flatten() {
                return Ok(answer);
            }
            let shown = self.put(call, kind, stored, seen, false).await?;
            return Ok(unchanged(call, &shown.row).unwrap_or_else(|| shown.answer(call, kind)));
        }
        let stored = self.stored(call, kind, id).await?;
        if let Some(answer) = unchanged(call, &stored) {
            return Ok(answer);
        }
        self.resource_answer(200, call, kind, stored, &projection).await
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
