//! The admin API: all its routes, with the document that describes them, and its part for sources. Everything but the document asks
//! for a token of the API; what its role is to be, the extractor of the handler says.

use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Admin, Reader};
use super::page::cut;
use super::problem::{Problem, read};
use super::shapes;
use super::tokens::{self, TokenShown};
use crate::directory::{Halt, SourceRecord};

pub(super) fn routes() -> Router<State> {
    let documented = OpenApiRouter::new()
        .routes(routes!(sources, add_source))
        .routes(routes!(source, set_source))
        .merge(super::removal::routes())
        .merge(super::attribute_mapping::routes())
        .merge(super::dry_run::routes())
        .merge(super::editor::routes())
        .merge(super::provisioned::routes())
        .merge(tokens::routes())
        .merge(super::clients::routes())
        .merge(super::mappings::routes())
        .merge(super::syncs::routes())
        .merge(super::runs::routes())
        .merge(super::log::routes())
        .merge(super::backup::routes());
    super::openapi::served(documented)
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "the API has no such path") })
}

/// A page of sources.
#[derive(Serialize, ToSchema)]
struct SourcePage {
    /// The sources, by slug.
    sources: Vec<SourceRecord>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// A source.
#[derive(Serialize, ToSchema)]
struct SourceShown {
    /// As it is kept.
    source: SourceRecord,
}

/// A source and how it stands.
#[derive(Serialize, ToSchema)]
struct SourceDetail {
    /// As it is kept.
    source: SourceRecord,
    /// How many resources it has, by kind.
    resources: std::collections::BTreeMap<&'static str, u64>,
    /// How it fares.
    #[schema(value_type = shapes::Activity)]
    activity: Value,
    /// The tokens that open it alone, or beside others, as far as the caller may see them.
    tokens: Vec<TokenShown>,
    /// Why it stands still, when it does.
    halt: Option<Halt>,
}

/// List sources
#[utoipa::path(get, path = "/sources", tag = "sources", params(
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The sources", body = SourcePage)))]
async fn sources(
    reader: Reader,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<SourcePage>, Problem> {
    let mut sources = state.registry.sources();
    sources.retain(|record| reader.sees(&record.slug));
    let (sources, next) = cut(sources, &uri, |record| record.slug.clone())?;
    Ok(Json(SourcePage { sources, next }))
}

/// One source: what it has, how it fares, its tokens, and why it stands still
#[utoipa::path(get, path = "/sources/{slug}", tag = "sources", params(("slug" = String, Path, description = "The source's slug")),
    responses((status = 200, description = "The source", body = SourceDetail)))]
async fn source(
    reader: Reader,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
) -> Result<Json<SourceDetail>, Problem> {
    let source = reader.source(&state, &slug)?;
    let mut resources = std::collections::BTreeMap::new();
    for kind in ["User", "Group"] {
        resources.insert(kind, state.directory.store().count(&slug, kind).await?);
    }
    let tokens = state.registry.tokens();
    let tokens = tokens.iter().filter(|token| reader.sees_token(token) && token.scope.sources().contains(&slug));
    let tokens = tokens.map(|token| tokens::shown(&state, token)).collect();
    let halt = state.directory.halted(&slug).map(|halt| (*halt).clone());
    let activity = super::provisioned::overview(&state, &slug).await?;
    Ok(Json(SourceDetail { source, resources, activity, tokens, halt }))
}

/// Add a source
#[utoipa::path(post, path = "/sources", tag = "sources", request_body = SourceRecord, responses(
    (status = 201, description = "The source", body = SourceShown),
    (status = 409, description = "There is one of that slug"),
))]
async fn add_source(
    admin: Admin,
    extract::State(state): extract::State<State>,
    body: Result<Json<SourceRecord>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    admin.whole()?;
    let record = SourceRecord { created: state.directory.now(), ..read(body)? };
    state.registry.add_source(record.clone()).await?;
    Ok((StatusCode::CREATED, Json(SourceShown { source: record })))
}

/// Put a source in the place of the one there is
///
/// What the body leaves out is as in a new one; `slug` may be left out.
#[utoipa::path(put, path = "/sources/{slug}", tag = "sources", params(("slug" = String, Path, description = "The source's slug")),
    request_body(content = SourceRecord, description = "`slug` may be left out"),
    responses((status = 200, description = "The source", body = SourceShown)))]
async fn set_source(
    admin: Admin,
    extract::State(state): extract::State<State>,
    Path(slug): Path<String>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<SourceShown>, Problem> {
    admin.source(&state, &slug)?;
    let mut fields = read(body)?;
    fields.entry("slug").or_insert_with(|| slug.clone().into());
    let record: SourceRecord = serde_json::from_value(fields.into())
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if record.slug != slug {
        let detail = format!("the source is {slug:?}, and the body names {:?}; a slug does not change", record.slug);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    // A source may not be given a mapping that its administrator may not see: the mapping would be shown with it.
    for name in [&record.user_mapping, &record.group_mapping].into_iter().flatten() {
        if !admin.sees_mapping(&state, name) {
            admin.mapping(&state, name)?;
        }
    }
    state.registry.set_source(record).await?;
    Ok(Json(SourceShown { source: admin.source(&state, &slug)? }))
}
