//! Logging in with an admin token, and out.

use axum::extract::{self, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::session::{self, Address, Posted};
use super::{Trouble, assets, rendered};
use crate::server::State;
use crate::server::problem::Problem;

/// Under what name the gate counts those who knock; no source is called so.
const DOOR: &str = "/console";

/// The form, with what went wrong before.
fn form(
    state: &State,
    (address, headers): (&Address, &HeaderMap),
    next: &str,
    wrong: Option<&str>,
) -> Result<Response, Trouble> {
    let secret = session::form_secret(address, headers)?;
    let context = json!({ "assets": assets::names(), "csrf": secret, "next": next, "wrong": wrong });
    let mut response = Html(rendered("login.html", &context)?).into_response();
    session::give_form(state, address, &mut response, &secret);
    Ok(response)
}

pub(super) async fn show(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Trouble> {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let next = query.into_iter().find(|(name, _)| name == "next").map(|(_, value)| value.into_owned());
    form(&state, (&Address::of(&uri, &headers), &headers), &next.unwrap_or_default(), None)
}

/// Takes the token, and gives a session for it.
pub(super) async fn enter(
    extract::State(state): extract::State<State>,
    request: Request,
) -> Result<Response, Response> {
    let headers = request.headers().clone();
    let address = Address::of(request.uri(), &headers);
    let (given, next) = session::read_login(&state, request).await?;
    if let Err(wait) = state.gate.knock(&DOOR.to_owned()) {
        let wrong = "Too many attempts at once. Wait a few seconds, then try again.";
        let mut response =
            form(&state, (&address, &headers), &next, Some(wrong)).map_err(IntoResponse::into_response)?;
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        return Err(response);
    }
    let holder = match session::holder(&state, &given) {
        Ok(holder) => holder,
        Err(refusal) => {
            let wrong = session::sentence(refusal);
            let mut response =
                form(&state, (&address, &headers), &next, Some(wrong)).map_err(IntoResponse::into_response)?;
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return Err(response);
        }
    };
    let now = state.directory.now();
    let opened = state.console.open(&holder, now).map_err(|error| Trouble(Problem::from(error)).into_response());
    let (id, _) = opened?;
    tracing::info!(target: "console", token = &*holder.label, "somebody logged in");
    let mut response = session::see_other(inside(&next));
    session::give(&state, &address, &mut response, Some(&id), None);
    Ok(response)
}

/// Where to go after logging in: a page of the console, and nowhere else.
fn inside(next: &str) -> &str {
    let is_page = next.starts_with("/console/") && !next.contains(['\\', '\r', '\n']) && next.is_ascii();
    if is_page && !next.starts_with("/console/login") { next } else { "/console" }
}

pub(super) async fn leave(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    uri: Uri,
    _: Posted,
) -> Response {
    let address = Address::of(&uri, &headers);
    state.console.close(&address, &headers);
    let mut response = session::see_other("/console/login");
    session::give(&state, &address, &mut response, None, None);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_in_leads_nowhere_else() {
        assert_eq!(inside("/console/mappings/a/edit?x=1"), "/console/mappings/a/edit?x=1");
        for next in
            ["", "https://evil.example", "//evil.example", "/consoleevil", "/console/login", "/console/\r\nx: y"]
        {
            assert_eq!(inside(next), "/console", "{next:?}");
        }
    }
}
