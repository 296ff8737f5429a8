//! `GET /api/v1/log`: the provisioning log by pages or as a stream, and the task that forgets its oldest lines.

use std::borrow::Cow;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::State;
use super::admin::Admin;
use super::problem::Problem;
use crate::config::Retention;
use crate::directory::token::DAY;
use crate::directory::{CSV_HEADER, Directory, Line, LogFilter, parse_time};
use crate::store::{Cursor, LogQuery, StoreError};

/// Lines of a page when nobody says.
pub(super) const DEFAULT_PAGE: usize = 100;
/// The longest page, also of the listings of users and groups.
pub(super) const MAX_PAGE: usize = 1_000;
/// How often the oldest lines are forgotten.
const PRUNE: Duration = Duration::from_hours(1);

pub(super) fn routes() -> Router<State> {
    Router::new().route("/log", get(log))
}

/// The parameters of a query, each name at most once.
pub(super) struct Parameters<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Parameters<'q> {
    /// Reads them; one that is not known is a mistake, for an answer to another question helps nobody.
    pub(super) fn read(uri: &'q Uri, known: &[&str]) -> Result<Self, Problem> {
        let found: Vec<_> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
        for (place, (name, _)) in found.iter().enumerate() {
            if !known.contains(&name.as_ref()) {
                let known = known.join(", ");
                return Err(bad(format!("there is no parameter {:?}; there are {known}", crate::text::shorten(name))));
            }
            if found.iter().take(place).any(|(other, _)| other == name) {
                return Err(bad(format!("{name} is there twice")));
            }
        }
        Ok(Self(found))
    }

    /// The value of a parameter; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_ref())
    }

    /// How long a page is to be.
    pub(super) fn limit(&self) -> Result<Option<usize>, Problem> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| bad(format!("limit is a number from 1, not {:?}", crate::text::shorten(text))))
    }

    /// Where the page before ended.
    pub(super) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 8);
        let bytes = bytes.ok_or_else(|| bad("the cursor is not one of ours: take `next` of the page before"))?;
        Ok(Some(Cursor::from_bytes(&bytes)))
    }
}

/// A cursor as a client gets it.
pub(super) fn shown(cursor: Option<&Cursor>) -> Value {
    cursor.map_or(Value::Null, |cursor| URL_SAFE_NO_PAD.encode(cursor.as_bytes()).into())
}

pub(super) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

async fn log(
    _: Admin,
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
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
    let parameters = Parameters::read(&uri, &known)?;
    let form = Form::asked(&parameters, &headers)?;
    let mut filter = filter(&parameters, state.directory.now())?;
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

fn filter(parameters: &Parameters<'_>, now: u64) -> Result<LogFilter, Problem> {
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
    Ok(LogFilter {
        query: LogQuery {
            source: text("source"),
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
