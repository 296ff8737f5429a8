//! Who calls the admin API and what it may do: [`Reader`], [`Operator`] and [`Admin`] ask for a token of that role or of one
//! that may more. A token that is limited to sources finds no other source: what belongs to one is for it as if it were not
//! there.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};

use super::State;
use super::door::Visit;
use super::problem::Problem;
use super::syncs::Handle;
use crate::directory::token::{Grant, Role, Token};
use crate::directory::{Held, SourceRecord};

/// Somebody with a token for the API.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// What the operator called the token.
    pub(super) label: String,
    /// What it may do, and where.
    pub(super) grant: Grant,
}

/// Somebody who may look.
pub(super) struct Reader(pub(super) Caller);

/// Somebody who may run and resume.
pub(super) struct Operator(pub(super) Caller);

/// Somebody who may do everything.
pub(super) struct Admin(pub(super) Caller);

impl Caller {
    /// Who shows the token of a request, when its role is enough.
    fn of(parts: &Parts, state: &State, needed: Role) -> Result<Self, Problem> {
        let given = bearer(parts.headers.get(header::AUTHORIZATION));
        let (holder, grant) = state.registry.grants(given)?;
        if let Some(visit) = parts.extensions.get::<Arc<Visit>>() {
            visit.belongs_to(Arc::clone(&holder.id), None, None);
        }
        if grant.role < needed {
            let (needed, has) = (needed.word(), grant.role.word());
            let detail = format!(
                "this needs the role `{needed}`, and the token has `{has}`: make one with `provisor token create --role {needed}`"
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        Ok(Self { label: holder.label.as_ref().to_owned(), grant })
    }

    /// Whether it may see what belongs to a source.
    pub(super) fn sees(&self, source: &str) -> bool {
        self.grant.covers(source)
    }

    /// A refusal when the token is limited to sources: for what belongs to all of them, or to none.
    pub(super) fn whole(&self) -> Result<(), Problem> {
        if self.grant.is_whole() {
            return Ok(());
        }
        let sources = self.grant.sources.join(", ");
        let role = self.grant.role.word();
        let detail = format!(
            "this concerns all sources, and the token is limited to {sources}: it needs one with the role `{role}` and without a limit"
        );
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }

    /// A source that there is and that it may see.
    pub(super) fn source(&self, state: &State, slug: &str) -> Result<SourceRecord, Problem> {
        let found = state.registry.record(slug).filter(|_| self.sees(slug));
        let missing =
            || Problem::new(StatusCode::NOT_FOUND, format!("there is no source {:?}", crate::text::shorten(slug)));
        found.ok_or_else(missing)
    }

    /// A mapping that there is and that it may see: of a limited token one that its sources use.
    pub(super) fn mapping(&self, state: &State, name: &str) -> Result<Arc<Held>, Problem> {
        let found = state.directory.library().get(name).filter(|_| self.sees_mapping(state, name));
        let missing =
            || Problem::new(StatusCode::NOT_FOUND, format!("there is no mapping {:?}", crate::text::shorten(name)));
        found.ok_or_else(missing)
    }

    /// Whether it may see a mapping of that name.
    pub(super) fn sees_mapping(&self, state: &State, name: &str) -> bool {
        let uses = |slug: &String| state.registry.source(slug).is_some_and(|source| source.uses(name));
        self.grant.is_whole()
            || self.grant.sources.iter().any(uses)
            || state.syncs.iter().any(|handle| self.sees_sync(&handle) && handle.uses(name))
    }

    /// Whether it may see a token: of a limited one those that open nothing but its sources.
    pub(super) fn sees_token(&self, token: &Token) -> bool {
        let sources = token.scope.sources();
        self.grant.is_whole() || (!sources.is_empty() && sources.iter().all(|source| self.sees(source)))
    }

    /// Whether it may see a sync: of a limited token those that push on a source of its own.
    pub(super) fn sees_sync(&self, handle: &Handle) -> bool {
        let settings = handle.sync.settings();
        let has_file = [&settings.users, &settings.groups].into_iter().flatten().any(|kind| kind.file.is_some());
        self.grant.is_whole() || (!has_file && settings.source.as_deref().is_some_and(|source| self.sees(source)))
    }
}

/// The token of an `Authorization` header.
pub(super) fn bearer(header: Option<&HeaderValue>) -> Option<&str> {
    const SCHEME: &str = "bearer ";
    let (scheme, token) = header?.as_bytes().trim_ascii().split_at_checked(SCHEME.len())?;
    let token = std::str::from_utf8(token.trim_ascii()).ok()?;
    (scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) && !token.is_empty()).then_some(token)
}

impl FromRequestParts<State> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Caller::of(parts, state, Role::Read).map(Self)
    }
}

impl FromRequestParts<State> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Caller::of(parts, state, Role::Operate).map(Self)
    }
}

impl FromRequestParts<State> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Caller::of(parts, state, Role::Admin).map(Self)
    }
}

impl Deref for Reader {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Deref for Operator {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Deref for Admin {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}
