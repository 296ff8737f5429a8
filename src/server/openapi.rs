//! `GET /api/v1/openapi.json`: the API described by OpenAPI 3.1, made of the routes themselves. Each handler says what is its own;
//! what all have (the refusals of the door, of tokens, of paths and bodies) is added here.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr};
use utoipa::{OpenApi as _, PartialSchema as _};
use utoipa_axum::router::OpenApiRouter;

use super::State;
use super::attribute_mapping::MappedKind;
use super::log::Form;
use super::shapes::{Order, Outcome, ProblemShape};

/// Where the API is.
const BASE: &str = "/api/v1";
/// What says who asks.
const SCHEME: &str = "token";

/// What stands at the head of the document.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Provisor: the admin API",
        description = "Sources, what they provisioned, mappings, syncs, credentials and the provisioning log. Every refusal is `application/problem+json` (RFC 9457); lists come by pages (`limit`, `cursor`, `next`). Tokens have a role: `read`, `operate` or `admin`, each of which may what those before it may; a token may be limited to sources, and finds nothing of another.",
    ),
    components(schemas(ProblemShape, Order, Outcome, Form, MappedKind)),
    tags(
        (name = "sources", description = "Inbound SCIM endpoints"),
        (name = "provisioned", description = "Users and groups that sources have provisioned"),
        (name = "mappings", description = "Mapping files as revisions"),
        (name = "dry run", description = "What mappings make of records, before they do"),
        (name = "syncs", description = "What is pushed on into targets"),
        (name = "tokens", description = "Bearer tokens, of SCIM endpoints and of this API"),
        (name = "clients", description = "OAuth clients and federated credentials"),
        (name = "log", description = "The provisioning log"),
        (name = "store", description = "The data as a whole"),
    ),
)]
struct Head;

/// Adds what all operations have.
fn complete_all(document: &mut OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("prv1_…").build();
    document.components.get_or_insert_default().add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            // Names that a generator of clients makes functions of.
            let words = path.split(['/', '{', '}', '-']).filter(|word| !word.is_empty());
            let name: Vec<&str> = std::iter::once(method).chain(words).collect();
            operation.operation_id = Some(name.join("-"));
            complete(path, method == "get", operation);
        }
    }
}

/// The operations of a path, by method.
fn operations(item: &mut PathItem) -> Vec<(&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [("get", get), ("put", put), ("post", post), ("delete", delete), ("patch", patch)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?))).collect()
}

/// Gives an operation the refusals that it shares with others, and every refusal its form.
fn complete(path: &str, is_get: bool, operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    let mut common = vec![
        ("400", "The request cannot be read"),
        ("401", "There is no token, or none that opens the API"),
        ("403", "The token's role is too small, or it is limited to sources"),
        ("431", "The headers are too large"),
        ("500", "The server failed; its log says how"),
        ("503", "The server is busy: come again after `Retry-After`"),
    ];
    if path.contains('{') {
        common.push(("404", "There is no such thing, or it belongs to a source that the token does not open"));
    }
    if !is_get {
        common.push(("404", "Something that it names is not there"));
        common.push(("413", "The body is larger than 2 MiB"));
        common.push(("415", "The body is not of the type that is asked for"));
        common.push(("422", "The body says something that cannot be"));
    }
    let responses = &mut operation.responses.responses;
    for (status, words) in common {
        let refusal = || RefOr::T(ResponseBuilder::new().description(words).build());
        responses.entry(status.to_owned()).or_insert_with(refusal);
    }
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        if let RefOr::T(Response { content, headers, .. }) = response {
            let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            content.entry("application/problem+json".to_owned()).or_insert(RefOr::T(body));
            let header = match status.as_str() {
                "401" => "WWW-Authenticate",
                "429" | "503" => "Retry-After",
                _ => continue,
            };
            headers.entry(header.to_owned()).or_insert_with(|| utoipa::openapi::Header::new(String::schema()).into());
        }
    }
}

/// The routes of the API, and beside them the document that they make.
pub(super) fn served(documented: OpenApiRouter<State>) -> Router<State> {
    let (router, routes) = documented.split_for_parts();
    let mut document = Head::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.servers = Some(vec![utoipa::openapi::Server::new(BASE)]);
    document.merge(routes);
    complete_all(&mut document);
    // The schema of the document is ours; it always is JSON.
    let text: Arc<str> = document.to_json().unwrap_or_default().into();
    router.route(
        "/openapi.json",
        get(move || {
            let text = Arc::clone(&text);
            async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()) }
        }),
    )
}
