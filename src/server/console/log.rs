//! The provisioning log, filtered, and its export.

use axum::Router;
use axum::extract;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::overview::seen;
use super::session::Visitor;
use super::{Trouble, page};
use crate::directory::Line;
use crate::server::State;
use crate::server::log::{answer, filter};
use crate::server::page::{Parameters, shown};

/// Lines of a page.
const LINES: usize = 100;
/// What can be asked for.
const KNOWN: [&str; 9] = ["source", "resource", "id", "outcome", "since", "until", "token", "operation", "cursor"];

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/log", get(show)).route("/console/log/export", get(export))
}

/// A line as templates show it.
pub(super) fn row(line: &Line) -> Value {
    let told = &line.told;
    json!({
        "number": line.number, "at": line.at, "source": line.source, "id": line.id, "failed": line.failed,
        "operation": told.operation, "resource": told.resource, "name": told.name, "attributes": told.attributes,
        "unchanged": told.unchanged, "status": told.status, "scim_type": told.scim_type, "detail": told.detail,
        "label": told.label, "token": told.token, "request": told.request, "mapping": told.mapping,
        "word": match told.resource.as_deref() { Some("User") => Some("users"), Some("Group") => Some("groups"), _ => None },
    })
}

async fn show(visitor: Visitor, extract::State(state): extract::State<State>, uri: Uri) -> Result<Response, Trouble> {
    let parameters = Parameters::read(&uri, &KNOWN)?;
    // A time that cannot be read is told on the page, where it is mended.
    let (mut filter, wrong) = match filter(&parameters, &visitor.caller, &state) {
        Ok(filter) => (filter, None),
        Err(problem) if problem.status == StatusCode::BAD_REQUEST => {
            (filter(&Parameters::default(), &visitor.caller, &state)?, Some(problem.detail))
        }
        Err(problem) => return Err(problem.into()),
    };
    filter.query.newest_first = true;
    filter.query.limit = LINES;
    let found = state.directory.log(&filter).await?;
    let asked: serde_json::Map<String, Value> =
        KNOWN.iter().map(|name| ((*name).to_owned(), parameters.get(name).into())).collect();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in KNOWN.iter().filter(|name| **name != "cursor") {
        if let Some(value) = parameters.get(name) {
            query.append_pair(name, value);
        }
    }
    let context = json!({
        "asked": asked, "wrong": wrong, "query": query.finish(),
        "sources": seen(&state, &visitor).into_iter().map(|record| record.slug).collect::<Vec<_>>(),
        "lines": found.items.iter().map(row).collect::<Vec<_>>(), "next": shown(found.next.as_ref()),
    });
    page(&state, &visitor, "log.html", "log", context)
}

/// All lines as a file; the API's own answer.
async fn export(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Trouble> {
    let form = Parameters::read(&uri, &[&KNOWN[..], &["format"]].concat())?;
    let name = if form.get("format") == Some("csv") { "provisioning-log.csv" } else { "provisioning-log.jsonl" };
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let mut response = answer(&visitor.caller, state, &headers, &uri).await?;
    if let Ok(disposition) = disposition {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
