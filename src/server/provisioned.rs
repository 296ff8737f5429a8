//! What a source has provisioned, and how it fares: its users and groups by search and filter, and one of them with all that is
//! known of it.

use axum::Json;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Caller, Reader};
use super::page::{Parameters, bad, shown};
use super::problem::Problem;
use super::shapes::{GroupPage, LogLine, Provisioned, UserPage};
use crate::directory::{Actor, Call, Content, Line, Listing, LogFilter, Relation};
use crate::store::LogQuery;
use crate::sync::State as Link;
use crate::target::Kind;

/// How many log lines, memberships and members are shown with a resource; the rest have pages of their own.
const BESIDE: usize = 20;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(users))
        .routes(routes!(groups))
        .routes(routes!(user))
        .routes(routes!(group))
        .routes(routes!(memberships))
        .routes(routes!(members))
}

/// How a source fares.
pub(super) async fn overview(state: &State, slug: &str) -> Result<Value, Problem> {
    Ok(state.directory.overview(slug).await?.to_json())
}

/// A source's users, in the order of creation
///
/// What is given must all hold. A page may be shorter than asked for, even empty, although more follow: look at `next`.
#[utoipa::path(get, path = "/sources/{slug}/users", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("search" = Option<String>, Query, description = "Found in id, `userName`, `displayName` or `externalId`, letter case aside"),
    ("userName" = Option<String>, Query, description = "How it begins, letter case aside"),
    ("displayName" = Option<String>, Query, description = "How it begins, letter case aside"),
    ("externalId" = Option<String>, Query, description = "Exactly this"),
    ("filter" = Option<String>, Query, description = "A SCIM filter (RFC 7644, section 3.4.2.2)", example = "active eq false"),
    ("outcome" = Option<String>, Query, description = "`failure`: only those whose last request was refused"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The users", body = UserPage)))]
async fn users(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    list(&reader, &state, &slug, "User", "users", &uri).await
}

/// A source's groups, in the order of creation
///
/// What is given must all hold. A page may be shorter than asked for, even empty, although more follow: look at `next`.
#[utoipa::path(get, path = "/sources/{slug}/groups", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("search" = Option<String>, Query, description = "Found in id, `displayName` or `externalId`, letter case aside"),
    ("displayName" = Option<String>, Query, description = "How it begins, letter case aside"),
    ("externalId" = Option<String>, Query, description = "Exactly this"),
    ("filter" = Option<String>, Query, description = "A SCIM filter (RFC 7644, section 3.4.2.2)"),
    ("outcome" = Option<String>, Query, description = "`failure`: only those whose last request was refused"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The groups", body = GroupPage)))]
async fn groups(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    list(&reader, &state, &slug, "Group", "groups", &uri).await
}

async fn list(
    caller: &Caller,
    state: &State,
    slug: &str,
    kind: &str,
    name: &str,
    uri: &Uri,
) -> Result<Json<Value>, Problem> {
    caller.source(state, slug)?;
    let own: &[&str] = if kind == "User" { &["userName"] } else { &[] };
    let common = ["search", "displayName", "externalId", "filter", "outcome", "limit", "cursor"];
    let parameters = Parameters::read(uri, &[own, &common].concat())?;
    let failed = match parameters.get("outcome") {
        None => false,
        Some("failure") => true,
        Some(_) => return Err(bad("outcome is failure, or left out")),
    };
    let listing = Listing {
        search: parameters.get("search").map(str::to_owned),
        failed,
        after: parameters.cursor()?,
        limit: parameters.page()?,
    };
    let attributes = [("userName", "sw"), ("displayName", "sw"), ("externalId", "eq")];
    let mut filters: Vec<String> = attributes
        .into_iter()
        .filter_map(|(attribute, operator)| Some((attribute, operator, parameters.get(attribute)?)))
        // A text of JSON is a text of a filter.
        .map(|(attribute, operator, value)| format!("{attribute} {operator} {}", json!(value)))
        .collect();
    if let Some(filter) = parameters.get("filter") {
        // An `or` in it would reach over the others.
        filters.push(if filters.is_empty() { filter.to_owned() } else { format!("({filter})") });
    }
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no source {slug:?}"));
    let page = if filters.is_empty() {
        state.directory.provisioned(slug, kind, &listing).await?
    } else {
        let source = state.registry.source(slug).ok_or_else(missing)?;
        let kind = source.named(kind).ok_or_else(missing)?;
        state.directory.provisioned_where(&source, kind, &filters.join(" and "), &listing).await?
    };
    Ok(Json(json!({name: page.items, "next": shown(page.next.as_ref())})))
}

/// A user or group with all that is known of it.
#[derive(Serialize, ToSchema)]
struct Detail {
    /// As in the list.
    #[schema(value_type = Provisioned)]
    entry: Value,
    /// The resource as SCIM gives it; of a group without its members.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    resource: Value,
    /// What the mapping made of it: `mapping`, `revision`, and `value` or `skipped`; `null` when the source has no mapping for it.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    profile: Option<Value>,
    /// Groups that it is in, the first twenty.
    memberships: Relations,
    /// Members of a group, the first twenty.
    members: Relations,
    /// Lines of the provisioning log about it, the newest twenty.
    #[schema(value_type = Vec<LogLine>)]
    log: Vec<Value>,
    /// What syncs of this source have made of it.
    links: Vec<Linked>,
}

/// A page of memberships.
#[derive(Serialize, ToSchema)]
struct Relations {
    /// The other ends.
    items: Vec<Relation>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// What a sync remembers of a resource.
#[derive(Serialize, ToSchema)]
struct Linked {
    /// The sync.
    sync: String,
    /// Its object in the target, what was done last, and how it went.
    state: Link,
}

impl From<crate::store::Page<Relation>> for Relations {
    fn from(page: crate::store::Page<Relation>) -> Self {
        Self { next: shown(page.next.as_ref()), items: page.items }
    }
}

/// One user: resource, profile, groups, log and links
#[utoipa::path(get, path = "/sources/{slug}/users/{id}", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("id" = String, Path, description = "The user's id"),
), responses((status = 200, description = "The user", body = Detail)))]
async fn user(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, id)): Path<(String, String)>,
) -> Result<Json<Detail>, Problem> {
    detail(&reader, &state, &slug, Kind::User, &id).await
}

/// One group: resource, profile, members, groups, log and links
#[utoipa::path(get, path = "/sources/{slug}/groups/{id}", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("id" = String, Path, description = "The group's id"),
), responses((status = 200, description = "The group", body = Detail)))]
async fn group(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, id)): Path<(String, String)>,
) -> Result<Json<Detail>, Problem> {
    detail(&reader, &state, &slug, Kind::Group, &id).await
}

async fn detail(caller: &Caller, state: &State, slug: &str, kind: Kind, id: &str) -> Result<Json<Detail>, Problem> {
    caller.source(state, slug)?;
    let word = kind.word();
    let what = || format!("source {slug:?} has no {} {:?}", kind.word(), crate::text::shorten(id));
    let missing = || Problem::new(StatusCode::NOT_FOUND, what());
    let entry = state.directory.provisioned_one(slug, word, id).await?.ok_or_else(missing)?;
    let source = state.registry.source(slug).ok_or_else(missing)?;
    let of = source.named(word).ok_or_else(missing)?;
    let (actor, base) = (Actor::default(), format!("/scim/{slug}/v2"));
    let excluded = (kind == Kind::Group).then_some("members");
    let call = Call { base: &base, excluded, ..Call::inside(&source, &actor) };
    let answer = state.directory.get(&call, of, id).await?;
    let text = answer.body.and_then(Content::whole);
    let resource = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let profile = state.directory.profile_of(&call, of, id).await?;
    let query = LogQuery {
        source: Some(slug.to_owned()),
        resource: Some(id.to_owned()),
        newest_first: true,
        limit: BESIDE,
        ..LogQuery::default()
    };
    let log = state.directory.log(&LogFilter { query, ..LogFilter::default() }).await?;
    let mut links = Vec::new();
    for handle in state.syncs.iter().filter(|handle| handle.sync.settings().source.as_deref() == Some(slug)) {
        if let Some(state) = handle.sync.link(kind, id).await? {
            links.push(Linked { sync: handle.sync.name().to_owned(), state });
        }
    }
    Ok(Json(Detail {
        entry: json!(entry),
        resource,
        profile,
        memberships: state.directory.memberships(slug, id, None, BESIDE).await?.into(),
        members: state.directory.members_of(slug, id, None, BESIDE).await?.into(),
        log: log.items.iter().map(Line::to_json).collect(),
        links,
    }))
}

/// The groups that a user is in
#[utoipa::path(get, path = "/sources/{slug}/users/{id}/groups", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("id" = String, Path, description = "The user's id"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The groups", body = Relations)))]
async fn memberships(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Relations>, Problem> {
    let parameters = there(&reader, &state, &slug, Kind::User, &id, &uri).await?;
    let page = state.directory.memberships(&slug, &id, parameters.place()?, parameters.page()?).await?;
    Ok(Json(page.into()))
}

/// The members of a group
#[utoipa::path(get, path = "/sources/{slug}/groups/{id}/members", tag = "provisioned", params(
    ("slug" = String, Path, description = "The source's slug"),
    ("id" = String, Path, description = "The group's id"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The members", body = Relations)))]
async fn members(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path((slug, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Relations>, Problem> {
    let parameters = there(&reader, &state, &slug, Kind::Group, &id, &uri).await?;
    let page = state.directory.members_of(&slug, &id, parameters.place()?, parameters.page()?).await?;
    Ok(Json(page.into()))
}

/// The parameters of a page, when the resource is there and the caller may see it.
async fn there<'u>(
    caller: &Caller,
    state: &State,
    slug: &str,
    kind: Kind,
    id: &str,
    uri: &'u Uri,
) -> Result<Parameters<'u>, Problem> {
    caller.source(state, slug)?;
    let word = kind.word();
    if state.directory.provisioned_one(slug, word, id).await?.is_none() {
        let what = format!("source {slug:?} has no {} {:?}", kind.word(), crate::text::shorten(id));
        return Err(Problem::new(StatusCode::NOT_FOUND, what));
    }
    Parameters::read(uri, &["limit", "cursor"])
}
