//! Mappings: which there are, their revisions with what changed, and the way back to an older one.

use axum::Router;
use axum::extract::{self, Path};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::overview::seen;
use super::session::{Posted, Visitor, see_other};
use super::{Trouble, difference, missing, page, words};
use crate::directory::Revision;
use crate::directory::token::Role;
use crate::server::State;
use crate::server::page::Parameters;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/mappings", get(list))
        .route("/console/mappings/{name}", get(history))
        .route("/console/mappings/{name}/rollback", post(roll_back))
}

/// The sources that use a mapping, each with the kind of resource.
fn users(state: &State, visitor: &Visitor, name: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for record in seen(state, visitor) {
        for (kind, used) in [("users", &record.user_mapping), ("groups", &record.group_mapping)] {
            if used.as_deref() == Some(name) {
                found.push(json!({"source": record.slug, "kind": kind}));
            }
        }
    }
    found
}

async fn list(visitor: Visitor, extract::State(state): extract::State<State>) -> Result<Response, Trouble> {
    let mappings: Vec<Value> = state
        .directory
        .library()
        .all()
        .iter()
        .filter(|held| visitor.caller.sees_mapping(&state, &held.revision.name))
        .map(|held| {
            let (rules, tests, resource, errors) = match &held.mapping {
                Ok(mapping) => (mapping.rules().len(), mapping.cases().len(), Some(mapping.resource()), 0),
                Err(found) => (0, 0, None, found.errors()),
            };
            let Revision { name, revision, at, by, .. } = &held.revision;
            json!({
                "name": name, "revision": revision, "at": at, "by": by, "rules": rules, "tests": tests,
                "resource": resource, "errors": errors, "used": users(&state, &visitor, name),
            })
        })
        .collect();
    page(&state, &visitor, "mappings.html", "mappings", json!({"mappings": mappings}))
}

async fn history(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Trouble> {
    visitor.caller.mapping(&state, &name)?;
    let parameters = Parameters::read(&uri, &["revision"])?;
    let revisions = state.directory.library().history(&name).await?;
    let newest = revisions.last().ok_or_else(|| missing(&format!("mapping {name:?}")))?.revision;
    let wanted = parameters.get("revision").and_then(|number| number.parse().ok()).unwrap_or(newest);
    let place = revisions.iter().position(|revision| revision.revision == wanted);
    let place = place.ok_or_else(|| missing(&format!("mapping {name:?}, revision {wanted}")))?;
    let shown = revisions.get(place);
    let before = place.checked_sub(1).and_then(|place| revisions.get(place));
    let text = |revision: Option<&Revision>| revision.map(|revision| revision.text.clone()).unwrap_or_default();
    let rows: Vec<Value> = revisions
        .iter()
        .rev()
        .map(|one| json!({"revision": one.revision, "at": one.at, "by": one.by, "digest": one.digest}))
        .collect();
    let context = json!({
        "name": name, "newest": newest, "wanted": wanted, "revisions": rows, "used": users(&state, &visitor, &name),
        "before": before.map(|before| before.revision), "text": text(shown),
        "lines": difference::lines(&text(before), &text(shown)),
    });
    page(&state, &visitor, "mapping.html", "mappings", context)
}

/// Puts an older text as a new revision, when nobody put another meanwhile.
async fn roll_back(
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    posted.visitor.needs(Role::Admin)?;
    posted.visitor.caller.whole()?;
    let number = |field: &str| posted.get(field).and_then(|text| text.parse::<u64>().ok());
    let (wanted, newest) = (number("revision").unwrap_or_default(), number("newest").unwrap_or_default());
    let revisions = state.directory.library().history(&name).await?;
    let old = revisions.iter().find(|revision| revision.revision == wanted);
    let old = old.ok_or_else(|| missing(&format!("mapping {name:?}, revision {wanted}")))?;
    let put =
        state.registry.put_mapping(Some(&name), &old.file, &old.text, &posted.visitor.session.label, Some(newest));
    let held = put.await?;
    let text = format!("Revision {} has the text of revision {wanted}.", held.revision.revision);
    posted.visitor.session.tell("good", text);
    Ok(see_other(&format!("/console/mappings/{}", words::encoded(&name))))
}
