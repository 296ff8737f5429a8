//! `GET /api/v1/log`: the provisioning log by pages or as a stream, and the task that forgets its oldest lines.

use std::time::Duration;

use axum::body::Body;
use axum::extract;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Caller, Reader};
use super::page::{DEFAULT_PAGE, MAX_PAGE, Parameters, bad, shown};
use super::problem::Problem;
use super::shapes::{LogPage, Order, Outcome};
use crate::config::Retention;
use crate::directory::token::DAY;
use crate::directory::{CSV_HEADER, Directory, Line, LogFilter, parse_time};
use crate::store::{LogQuery, StoreError};

/// How often the oldest lines are forgotten.
const PRUNE: Duration = Duration::from_hours(1);

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(log))
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Form {
    /// A page.
    Json,
    /// All lines, a JSON object each.
    Jsonl,
    /// All lines, a row each.
    Csv,
}

impl Form {
    pub(super) fn asked(parameters: &Parameters<'_>, headers: &HeaderMap) -> Result<Self, Problem> {
        match parameters.get("format") {
            Some("json") => return Ok(Self::Json),
            Some("jsonl") => return Ok(Self::Jsonl),
            Some("csv") => return Ok(Self::Csv),
            Some(_) => return Err(bad("format is json, jsonl or csv")),
            None => {}
        }
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let form = kinds.into_iter().find_map(|kind| match kind {
            "application/json" => Some(Self::Json),
            "application/jsonl" | "application/x-ndjson" => Some(Self::Jsonl),
            "text/csv" => Some(Self::Csv),
            _ => None,
        });
        Ok(form.unwrap_or(Self::Json))
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Jsonl => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    fn write(self, line: &Line, out: &mut String) {
        if self == Self::Csv {
            out.push_str(&line.csv());
        } else {
            out.push_str(&line.to_json().to_string());
            out.push('\n');
        }
    }
}

/// Lines of the provisioning log: a page of JSON, or all of them as JSON lines or CSV
///
/// A token that is limited to sources sees their lines alone. A page may be shorter than asked for, even empty, although more
/// follow: look at `next`.
#[utoipa::path(get, path = "/log", tag = "log", params(
    ("source" = Option<String>, Query, description = "The source's slug"),
    ("resource" = Option<String>, Query, description = "The resource type, such as `User`"),
    ("id" = Option<String>, Query, description = "The resource's id"),
    ("outcome" = Option<Outcome>, Query, description = "Only writes that were done, or that were refused"),
    ("since" = Option<String>, Query, description = "RFC 3339, or how long ago: `24h`, `7d`", example = "24h"),
    ("until" = Option<String>, Query, description = "As `since`"),
    ("token" = Option<String>, Query, description = "The token's id or label"),
    ("operation" = Option<String>, Query, description = "`create`, `replace`, `patch`, `delete`, `bulk`"),
    ("order" = Option<Order>, Query, description = "The newest first when left out"),
    ("format" = Option<Form>, Query, description = "The form of the answer, over `Accept`"),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Entries of a page: 100, at most 1000; of an export all"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "The lines", content(
    (LogPage = "application/json"), (String = "application/jsonl"), (String = "text/csv"),
)), (status = 400, description = "A parameter cannot be read")))]
async fn log(
    reader: Reader,
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    answer(&reader, state, &headers, &uri).await
}

/// The answer to a query, for whoever may ask it.
pub(super) async fn answer(caller: &Caller, state: State, headers: &HeaderMap, uri: &Uri) -> Result<Response, Problem> {
    let known = [
        "source",
        "resource",
        "id",
        "outcome",
        "since",
        "until",
        "token",
        "operation",
        "limit",
        "cursor",
        "order",
        "format",
    ];
    let parameters = Parameters::read(uri, &known)?;
    let form = Form::asked(&parameters, headers)?;
    let mut filter = filter(&parameters, caller, &state)?;
    if form == Form::Json {
        filter.query.limit = filter.query.limit.min(MAX_PAGE);
        let page = state.directory.log(&filter).await?;
        let lines: Vec<Value> = page.items.iter().map(Line::to_json).collect();
        return Ok(Json(json!({"lines": lines, "next": shown(page.next.as_ref())})).into_response());
    }
    let left = parameters.limit()?.unwrap_or(usize::MAX);
    let begun = Export { directory: state.directory, filter, form, left, first: true };
    let body = Body::from_stream(stream::try_unfold(Some(begun), |export| async {
        match export {
            Some(export) => export.piece().await,
            None => Ok(None),
        }
    }));
    Ok(([(header::CONTENT_TYPE, form.media_type())], body).into_response())
}

/// The lines that a query asks for, as far as the caller may see them.
pub(super) fn filter(parameters: &Parameters<'_>, caller: &Caller, state: &State) -> Result<LogFilter, Problem> {
    let now = state.directory.now();
    let text = |name: &str| parameters.get(name).map(str::to_owned);
    let when = |name: &str| {
        let time = parameters.get(name).map(|text| parse_time(text, now)).transpose();
        time.map_err(|error| bad(format!("{name}: {error}; in a URL, `+` is written %2B")))
    };
    let failed = match parameters.get("outcome") {
        None => None,
        Some("success") => Some(false),
        Some("failure") => Some(true),
        Some(_) => return Err(bad("outcome is success or failure")),
    };
    let newest_first = match parameters.get("order") {
        None | Some("newest") => true,
        Some("oldest") => false,
        Some(_) => return Err(bad("order is newest or oldest")),
    };
    let mut source = text("source");
    if let Some(source) = source.as_deref().filter(|source| !caller.sees(source)) {
        // The words of a source that is not there.
        caller.source(state, source)?;
    }
    let sources = match caller.grant.sources.as_slice() {
        [only] => {
            source = Some(only.clone());
            Vec::new()
        }
        several => several.to_vec(),
    };
    Ok(LogFilter {
        query: LogQuery {
            source,
            resource: text("id"),
            failed,
            since: when("since")?,
            until: when("until")?,
            newest_first,
            after: parameters.cursor()?,
            limit: parameters.limit()?.unwrap_or(DEFAULT_PAGE),
        },
        resource: text("resource"),
        token: text("token"),
        operation: text("operation"),
        sources,
    })
}

/// An export under way. It holds a page at a time, whatever its length.
struct Export {
    directory: Directory,
    filter: LogFilter,
    form: Form,
    left: usize,
    first: bool,
}

impl Export {
    /// The next lines, and what is left to do.
    async fn piece(mut self) -> Result<Option<(Bytes, Option<Self>)>, StoreError> {
        self.filter.query.limit = self.left.min(MAX_PAGE);
        let page = self.directory.log(&self.filter).await?;
        let mut out = String::new();
        if self.first && self.form == Form::Csv {
            out.push_str(CSV_HEADER);
        }
        for line in &page.items {
            self.form.write(line, &mut out);
        }
        self.first = false;
        self.left -= page.items.len().min(self.left);
        self.filter.query.after = page.next;
        let more = self.left > 0 && self.filter.query.after.is_some();
        Ok(Some((out.into(), more.then_some(self))))
    }
}

/// Forgets the oldest lines, now and every hour, for as long as it is polled.
pub async fn prune(directory: Directory, retention: Retention) {
    loop {
        let before = directory.now().saturating_sub(DAY.saturating_mul(retention.log_days.into()));
        let bytes = u64::from(retention.log_megabytes).saturating_mul(1_000_000);
        // A call forgets some thousand rows, and other writes come between two.
        loop {
            match directory.store().prune_log(Some(before), Some(bytes)).await {
                Ok(0) => break,
                Ok(lines) => {
                    tracing::info!(target: "log", lines, "the oldest lines of the provisioning log are forgotten");
                }
                Err(error) => {
                    tracing::warn!(target: "log", %error, "the provisioning log was not shortened");
                    break;
                }
            }
        }
        tokio::time::sleep(PRUNE).await;
    }
}
