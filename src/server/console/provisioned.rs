//! Users and groups that sources have provisioned: lists with a search, and a page for each with all that is known of it.

use axum::Router;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::overview::seen;
use super::session::{Posted, Visitor, see_other};
use super::{Trouble, log, page, words};
use crate::directory::token::Role;
use crate::directory::{Listing, LogFilter};
use crate::server::State;
use crate::server::page::{Parameters, shown};
use crate::server::problem::Problem;
use crate::server::removal;
use crate::store::{LogQuery, Stored};

/// Rows of a list.
const ROWS: usize = 50;
/// Lines of a timeline.
const LINES: usize = 50;
/// Memberships that a page names.
const MEMBERS: usize = 200;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/provisioned", get(first))
        .route("/console/sources/{slug}/remove", post(remove))
        .route("/console/sources/{slug}/{kind}", get(list))
        .route("/console/sources/{slug}/{kind}/{id}", get(detail))
}

/// The list of the first source.
async fn first(visitor: Visitor, extract::State(state): extract::State<State>) -> Response {
    let slug = seen(&state, &visitor).into_iter().next().map(|record| record.slug);
    see_other(&slug.map_or("/console".to_owned(), |slug| format!("/console/sources/{slug}/users")))
}

/// The kind of resource that a word in the path stands for.
fn kind_of(word: &str) -> Result<&'static str, Problem> {
    match word {
        "users" => Ok("User"),
        "groups" => Ok("Group"),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "a source has users and groups")),
    }
}

async fn list(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path((slug, word)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Trouble> {
    visitor.caller.source(&state, &slug)?;
    let kind = kind_of(&word)?;
    let parameters = Parameters::read(&uri, &["search", "outcome", "cursor"])?;
    let failed = parameters.get("outcome") == Some("failure");
    let listing = Listing {
        search: parameters.get("search").map(str::to_owned),
        failed,
        after: parameters.cursor()?,
        limit: ROWS,
    };
    let found = state.directory.provisioned(&slug, kind, &listing).await?;
    let context = json!({
        "slug": slug, "kind": word, "count": state.directory.store().count(&slug, kind).await?,
        "sources": seen(&state, &visitor).into_iter().map(|record| record.slug).collect::<Vec<_>>(),
        "search": parameters.get("search"), "failed": failed, "paged": listing.after.is_some(),
        "items": found.items, "next": shown(found.next.as_ref()),
    });
    page(&state, &visitor, "provisioned.html", "provisioned", context)
}

/// Removes a source whose name was typed.
async fn remove(
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Admin)?;
    posted.visitor.caller.whole()?;
    posted.visitor.caller.source(&state, &slug)?;
    let session = &posted.visitor.session;
    let back = format!("/console/sources/{}/users", words::encoded(&slug));
    if posted.get("confirm") != Some(slug.as_str()) {
        session.tell("bad", format!("Nothing was removed: type {slug} to confirm."));
        return Ok(see_other(&back));
    }
    match removal::remove(&state, &posted.visitor.caller, &slug, true).await {
        Ok(true) => session.tell("good", format!("Source {slug} is gone, with all that it had.")),
        Ok(false) => {
            session.tell("good", format!("Source {slug} takes no more requests. What it had is still being deleted."));
        }
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            session.tell("bad", problem.detail);
            return Ok(see_other(&back));
        }
        Err(problem) => return Err(problem.into()),
    }
    Ok(see_other("/console"))
}

async fn detail(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path((slug, word, id)): Path<(String, String, String)>,
) -> Result<Response, Trouble> {
    visitor.caller.source(&state, &slug)?;
    let kind = kind_of(&word)?;
    let stored = state.directory.store().get(&slug, &id).await?.filter(|stored| stored.kind == kind);
    let filter = LogFilter {
        query: LogQuery {
            source: Some(slug.clone()),
            resource: Some(id.clone()),
            newest_first: true,
            limit: LINES,
            ..LogQuery::default()
        },
        ..LogFilter::default()
    };
    let timeline = state.directory.log(&filter).await?;
    let Some(stored) = stored else {
        if timeline.items.is_empty() {
            let detail = format!("source {slug:?} has no {} {id:?}", kind.to_lowercase());
            return Err(Trouble(Problem::new(StatusCode::NOT_FOUND, detail)));
        }
        // It is gone, and its log is not.
        let name = timeline.items.iter().find_map(|line| line.told.name.clone());
        let context = json!({
            "slug": slug, "kind": word, "id": id, "name": name, "gone": true,
            "timeline": timeline.items.iter().map(log::row).collect::<Vec<_>>(),
        });
        return page(&state, &visitor, "resource.html", "provisioned", context);
    };
    let resource: Value = serde_json::from_slice(&stored.body).unwrap_or_default();
    let profile: Option<Value> = stored.profile.as_deref().and_then(|profile| serde_json::from_slice(profile).ok());
    let name = ["userName", "displayName"].iter().find_map(|name| resource.get(name)?.as_str());
    let source = state.registry.source(&slug);
    let context = json!({
        "slug": slug, "kind": word, "id": id, "name": name,
        "external": resource.get("externalId"), "active": resource.get("active"),
        "created": stored.created, "modified": stored.modified, "version": stored.version,
        "raw": pretty(&resource), "profile": profile.as_ref().map(pretty),
        "mapping": source.and_then(|source| source.mapping(kind).map(str::to_owned)),
        "record_kind": kind,
        "members": stored.members, "related": related(&state, &slug, &stored).await?,
        "timeline": timeline.items.iter().map(log::row).collect::<Vec<_>>(),
    });
    page(&state, &visitor, "resource.html", "provisioned", context)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A user's groups, or a group's members, by name as far as they are there.
async fn related(state: &State, slug: &str, stored: &Stored) -> Result<Vec<Value>, Trouble> {
    let store = state.directory.store();
    let ids: Vec<String> = if stored.kind == "Group" {
        let page = store.members(slug, &stored.id, None, MEMBERS).await?;
        page.items.into_iter().map(|member| member.id).collect()
    } else {
        store.groups(slug, &stored.id, None, MEMBERS).await?.items
    };
    let found = store.get_many(slug, &ids).await?;
    let rows = ids.into_iter().zip(found).map(|(id, stored)| {
        let body: Value =
            stored.as_ref().and_then(|stored| serde_json::from_slice(&stored.body).ok()).unwrap_or_default();
        let name = ["userName", "displayName"].iter().find_map(|name| body.get(name)?.as_str());
        let word = stored.map(|stored| if stored.kind == "Group" { "groups" } else { "users" });
        json!({"id": id, "name": name, "word": word, "path": words::encoded(&id)})
    });
    Ok(rows.collect())
}
