//! The console at `/console`: pages made here, by templates that escape, with a little script and style of our own.
//!
//! Pages call what the API calls, and whatever a role may not do there it may not do here. No page has anything inline: what
//! the browser may load and run is said in the headers, and it is ours alone.

mod assets;
mod bench;
mod difference;
mod log;
mod login;
mod mappings;
mod overview;
mod provisioned;
mod session;
mod studio;
mod syncs;
mod tokens;
mod words;

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use minijinja::Environment;
use serde_json::{Value, json};

use super::State;
use super::problem::Problem;
use crate::directory::token::Role;

use session::Visitor;

pub use session::Sessions;

/// What a page may load, run and be shown in.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The templates by name.
const TEMPLATES: &[(&str, &str)] = &[
    ("base.html", include_str!("templates/base.html")),
    ("ui.html", include_str!("templates/ui.html")),
    ("login.html", include_str!("templates/login.html")),
    ("trouble.html", include_str!("templates/trouble.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("provisioned.html", include_str!("templates/provisioned.html")),
    ("resource.html", include_str!("templates/resource.html")),
    ("log.html", include_str!("templates/log.html")),
    ("syncs.html", include_str!("templates/syncs.html")),
    ("sync.html", include_str!("templates/sync.html")),
    ("plan.html", include_str!("templates/plan.html")),
    ("objects.html", include_str!("templates/objects.html")),
    ("mappings.html", include_str!("templates/mappings.html")),
    ("mapping.html", include_str!("templates/mapping.html")),
    ("tokens.html", include_str!("templates/tokens.html")),
    ("studio.html", include_str!("templates/studio.html")),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    words::add_to(&mut environment);
    for (name, text) in TEMPLATES {
        if let Err(error) = environment.add_template(name, text) {
            tracing::error!(target: "console", %error, "a template cannot be read");
        }
    }
    environment
});

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/", get(|| async { session::see_other("/console") }))
        .route("/console/login", get(login::show).post(login::enter))
        .route("/console/logout", post(login::leave))
        .route("/console/assets/{name}", get(assets::serve))
        .merge(overview::routes())
        .merge(provisioned::routes())
        .merge(log::routes())
        .merge(syncs::routes())
        .merge(mappings::routes())
        .merge(tokens::routes())
        .merge(studio::routes())
        .route("/console/api/{*rest}", any(no_call))
        .route("/console/{*rest}", get(nowhere))
        .layer(map_response(guarded))
}

/// Adds to an answer what keeps others from running anything in it, framing it, or keeping it.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page for somebody: what every page shows, and a context of its own.
fn page(state: &State, visitor: &Visitor, template: &str, nav: &str, context: Value) -> Result<Response, Trouble> {
    let (session, role) = (&visitor.session, visitor.caller.grant.role);
    let mut whole = json!({
        "nav": nav, "assets": assets::names(), "now": state.directory.now(), "version": env!("CARGO_PKG_VERSION"),
        "me": {
            "label": session.label, "role": role.word(), "limited": visitor.caller.grant.sources,
            "may_operate": visitor.may(Role::Operate), "may_admin": visitor.may(Role::Admin),
            // What concerns all sources: mappings, and tokens without a limit.
            "may_all": visitor.may(Role::Admin) && visitor.caller.grant.is_whole(),
        },
        "csrf": session.csrf, "flash": session.told(),
    });
    if let (Some(whole), Value::Object(own)) = (whole.as_object_mut(), context) {
        whole.extend(own);
    }
    Ok(Html(rendered(template, &whole)?).into_response())
}

fn rendered(template: &str, context: &Value) -> Result<String, Trouble> {
    let context = minijinja::Value::from(minijinja::value::Serde(context));
    let made = ENVIRONMENT.get_template(template).and_then(|template| template.render(context));
    made.map_err(|error| {
        tracing::error!(target: "console", %error, template, "a page could not be made");
        Trouble(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page could not be made; the server's log says why",
        ))
    })
}

/// A problem as a page.
pub(super) struct Trouble(pub(super) Problem);

impl<P: Into<Problem>> From<P> for Trouble {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Problem { status, detail, .. } = &self.0;
        let context = json!({
            "nav": "", "assets": assets::names(), "status": status.as_u16(),
            "title": status.canonical_reason(), "detail": detail});
        match rendered("trouble.html", &context) {
            Ok(text) => (*status, Html(text)).into_response(),
            Err(_) => self.0.into_response(),
        }
    }
}

/// That there is none of what was asked for.
fn missing(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
}

async fn no_call(_: Visitor) -> Problem {
    missing("such path")
}

async fn nowhere(_: Visitor) -> Trouble {
    Trouble(Problem::new(StatusCode::NOT_FOUND, "there is no such page"))
}

/// The URL of the SCIM endpoint of a source, as the browser's own address has the server.
fn endpoint(state: &State, parts: &axum::http::request::Parts, slug: &str) -> String {
    format!("{}/scim/{slug}/v2", super::scim::origin(state, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_read() {
        for (name, _) in TEMPLATES {
            ENVIRONMENT.get_template(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}
