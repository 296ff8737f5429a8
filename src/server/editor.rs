//! What an editor of mapping files asks for: `POST /api/v1/check`, the findings of a text, and `GET /api/v1/reference`, the
//! words to complete.

use axum::Json;
use axum::extract;
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::Reader;
use super::mappings::findings;
use super::page::{Parameters, bad};
use super::problem::Problem;
use super::shapes::{CheckAnswer, ReferenceAnswer};
use crate::function::{Spec, TABLE};
use crate::language::liquid::{FILTERS, Filter};
use crate::mapping::{Mapping, Rule};
use crate::scim::schema::{Attribute, ResourceSchema};
use crate::text::Source;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(check)).routes(routes!(reference))
}

/// The text of a mapping file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// TOML, or JSON of the same shape.
    text: String,
    /// What findings call it.
    #[serde(default)]
    file: Option<String>,
}

/// The findings of a mapping file's text; one that does not compile is an answer, and no error
#[utoipa::path(post, path = "/check", tag = "dry run", request_body = Text,
    responses((status = 200, description = "The findings, and what the mapping reads and writes", body = CheckAnswer)))]
async fn check(
    _: Reader,
    extract::State(_): extract::State<State>,
    body: Result<Json<Text>, extract::rejection::JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(Text { text, file }) = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let checked = tokio::task::spawn_blocking(move || checked(&text, file.as_deref().unwrap_or("<mapping>"))).await;
    checked.map(Json).map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the compiler failed"))
}

fn checked(text: &str, file: &str) -> Value {
    let compiled = Mapping::compile(&Source::new(file, text));
    let (errors, warnings) = (compiled.diagnostics.errors(), compiled.diagnostics.warnings());
    let mut answer = json!({
        "ok": errors == 0,
        "errors": errors,
        "warnings": warnings,
        "diagnostics": findings(&compiled.diagnostics),
    });
    if let (Some(fields), Some(mapping)) = (answer.as_object_mut(), &compiled.mapping) {
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
        fields.insert("name".into(), mapping.name().into());
        fields.insert("resource".into(), mapping.resource().into());
        fields.insert("rules".into(), mapping.rules().len().into());
        fields.insert("tests".into(), mapping.cases().len().into());
        fields.insert("reads".into(), names(&mut mapping.layout().reads()).into());
        fields.insert("writes".into(), names(&mut mapping.rules().iter().map(Rule::target)).into());
    }
    answer
}

/// Functions, filters and attributes: the words that an editor completes
#[utoipa::path(get, path = "/reference", tag = "dry run", params(
    ("resource" = Option<String>, Query, description = "Attributes of this resource type: `User` when left out"),
    ("source" = Option<String>, Query, description = "With those that this source declares"),
), responses((status = 200, description = "The words", body = ReferenceAnswer), (status = 404, description = "There is no such source or resource type")))]
async fn reference(
    reader: Reader,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::read(&uri, &["resource", "source"])?;
    let resource = parameters.get("resource").unwrap_or("User");
    let none = || Problem::new(StatusCode::NOT_FOUND, format!("there is no resource type {resource:?}"));
    let attributes = match parameters.get("source") {
        None => attributes(&ResourceSchema::for_resource(resource).ok_or_else(none)?),
        Some(slug) => {
            reader.source(&state, slug)?;
            let source = state.registry.source(slug).ok_or_else(|| bad(format!("there is no source {slug:?}")))?;
            attributes(&source.named(resource).ok_or_else(none)?.schema)
        }
    };
    Ok(Json(json!({
        "functions": TABLE.iter().map(Spec::to_json).collect::<Vec<_>>(),
        "filters": FILTERS.iter().map(Filter::to_json).collect::<Vec<_>>(),
        "resource": resource,
        "attributes": attributes,
    })))
}

/// The attributes that a mapping may write, by their paths; those of an extension under its URN.
fn attributes(schema: &ResourceSchema) -> Vec<Value> {
    let mut all = Vec::new();
    for (number, part) in schema.schemas().enumerate() {
        let prefix = if number == 0 { String::new() } else { format!("{}:", part.id) };
        for attribute in part.attributes.iter().filter(|attribute| !attribute.is_read_only()) {
            let path = format!("{prefix}{}", attribute.name);
            all.push(shown(&path, attribute));
            let subs = attribute.sub_attributes.iter().filter(|sub| !sub.is_read_only());
            for sub in subs {
                all.push(shown(&format!("{path}.{}", sub.name), sub));
            }
        }
    }
    all
}

fn shown(path: &str, attribute: &Attribute) -> Value {
    json!({
        "path": path,
        "type": attribute.kind.as_str(),
        "multiValued": attribute.multi_valued,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "canonicalValues": attribute.canonical_values.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "description": attribute.description.to_string(),
    })
}
