//! `POST /api/v1/dry-run` and `POST /api/v1/impact`: what a mapping makes of records, and whom another mapping would change.
//! Nothing is written. Records come with the request, as a stream of lines, or from the directory of a source; they pass in
//! batches, on as many threads as there are processors, and the answer goes out in their order.

mod batch;
mod course;
mod feed;
mod request;
mod work;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{self, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::{Caller, Reader};
use super::page::{Parameters, bad};
use super::problem::Problem;
use super::shapes::{DryRunAnswer, DryRunRequest, ImpactAnswer};
use crate::clock::moment;
use crate::function::{Env, Seed};
use crate::mapping::Comparer;
use crate::target::Kind;
use batch::Batches;
use course::Course;
use feed::{Fed, Feed, Item, queue};
use request::{Chosen, Named, Options, PARAMETERS, Records, Wanted};
use work::{Aim, Form, Teller, compare};

/// How many records an answer in one piece has at most.
const MOST_RECORDS: u64 = 10_000;
/// How many records a stream of lines has at most.
const MOST_STREAMED: u64 = 1_000_000;
/// How many records an impact looks at when nobody says, and how many at most.
const DEFAULT_COMPARED: u64 = 10_000;
const MOST_COMPARED: u64 = 200_000;
/// How many records are picked from a directory when nobody says.
const DEFAULT_PICKED: u64 = 100;
/// How many records of a request are traced at most; those after them have no `trace`.
const MOST_TRACED: u64 = 500;
/// How many changed records an impact shows when nobody says, and how many at most.
const DEFAULT_SAMPLES: usize = 10;
const MOST_SAMPLES: usize = 100;
/// The longest line of a stream, in bytes.
const MOST_LINE: usize = 1024 * 1024;
/// How many dry runs work at once; more wait.
const AT_ONCE: usize = 4;
/// How much of a stream waits to be mapped, in bytes: so much may a client send before it reads.
const MOST_WAITING: usize = 16 * 1024 * 1024;
/// How much of a directory waits, in bytes.
const PICKED_WAITING: usize = 1024 * 1024;
/// Which part of the limit of time a client may send, and not read, while that much waits.
const UNREAD: u32 = 6;
/// How much of a request's time a run may take, in a hundred: the rest is for its answer.
const SHARE: u32 = 80;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(dry_run)).routes(routes!(impact))
}

/// Why a run that took too long ended.
fn overtime() -> String {
    "the time of the request is over: send fewer records, or raise `timeout` under [limits]".to_owned()
}

/// What a run needs, whichever it is.
struct Begun {
    turn: SemaphorePermit<'static>,
    until: Instant,
    env: Env,
    /// How long nobody may read while the sender waits.
    unread: Duration,
}

impl Begun {
    async fn new(state: &State, since: Instant) -> Result<Self, Problem> {
        let wait = Duration::from_secs(state.limits.wait);
        let busy = || {
            let why = format!("{AT_ONCE} dry runs are worked on already: come again a little later");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
        };
        let turn = timeout(wait, TURNS.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let until = since + Duration::from_secs(state.limits.timeout) * SHARE / 100;
        // The same random values each time: a preview that changes by itself helps nobody.
        let env = Env::new(moment(state.directory.now()), Seed::from_number(0));
        let unread = Duration::from_secs(state.limits.timeout) / UNREAD;
        Ok(Self { turn, until, env, unread })
    }
}

/// Whether a header names JSON lines.
fn is_lines(value: Option<&HeaderValue>) -> bool {
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut kinds = value.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.any(|kind| ["application/x-ndjson", "application/jsonl"].contains(&kind))
}

/// What a request asks for, and its body when that is a stream of records.
async fn read(state: &State, request: Request) -> Result<(Wanted, Option<Body>), Problem> {
    let (parts, body) = request.into_parts();
    if is_lines(parts.headers.get(header::CONTENT_TYPE)) {
        let parameters = Parameters::read(&parts.uri, &PARAMETERS)?;
        return Ok((Wanted::of_query(&parameters)?, Some(body)));
    }
    Parameters::read(&parts.uri, &[])?;
    let most = state.limits.body;
    let bytes = axum::body::to_bytes(body, most).await.map_err(|_| {
        let why = format!(
            "the body is larger than {most} bytes: send the records as application/x-ndjson, whose length is free"
        );
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why)
    })?;
    Ok((Wanted::of_json(&bytes)?, None))
}

/// What a mapping makes of records, told whole; writes nothing
///
/// As `application/x-ndjson` the body is the records, one a line, and the parameters say the rest; the answer is then a stream too.
#[utoipa::path(post, path = "/dry-run", tag = "dry run", params(
    ("mapping" = Option<String>, Query, description = "The mapping's name, of a stream alone"),
    ("revision" = Option<u64>, Query, minimum = 1, description = "Its revision, of a stream alone: the newest when left out"),
    ("trace" = Option<bool>, Query, description = "Whether each sub-expression is told, of a stream alone"),
    ("rules" = Option<bool>, Query, description = "Whether each rule's value is told, of a stream alone"),
), request_body(description = "Which mapping, over which records", content((DryRunRequest = "application/json"), (String = "application/x-ndjson"))),
responses((status = 200, description = "Each record, and a summary", content((DryRunAnswer = "application/json"), (String = "application/x-ndjson")))))]
pub(super) async fn dry_run(
    reader: Reader,
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let since = Instant::now();
    let (wanted, body) = read(&state, request).await?;
    let streams = is_lines(headers.get(header::ACCEPT)) || body.is_some() && !accepts_json(&headers);
    if wanted.against.is_some() {
        return Err(bad("`against` is for POST /api/v1/impact"));
    }
    if wanted.records.is_none() && body.is_none() && !wanted.options.tests {
        return Err(bad("there are no `records`: a list, or {\"source\": \"…\"}"));
    }
    let chosen = wanted.mapping.compile(&state, &reader).await?;
    let kind = kind_of(&chosen);
    let aim = aim(&state, &reader, wanted.options.target.as_ref())?;
    let begun = Begun::new(&state, since).await?;
    let most = if streams { MOST_STREAMED } else { MOST_RECORDS };
    let links = match &aim {
        Some(Aim::Sync(sync)) => Some((Arc::clone(sync), kind)),
        _ => None,
    };
    let fed =
        feeding((&state, &reader), (wanted.records, body), (&[&chosen], links), DEFAULT_PICKED, (most, begun.until))
            .await?;
    let options = wanted.options;
    // A bad option is told before anything is sent.
    let env = options.given.over(&chosen.mapping.env(&begun.env)).map_err(bad)?;
    let form = if streams { Form::Lines } else { Form::Whole };
    let teller = Teller { chosen, options, env, aim, kind, form, until: begun.until };
    let course = Course::new(Batches::new(fed, most), teller, begun.turn, begun.unread);
    let (content, body) = if streams {
        ("application/x-ndjson", course.streamed())
    } else {
        let body = course.whole().await;
        ("application/json", body.ok_or_else(failed)?)
    };
    Ok(([(header::CONTENT_TYPE, content)], body).into_response())
}

/// Whether the client wants one JSON object although its records are lines.
fn accepts_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim().starts_with("application/json") && !kind.contains("jsonl"))
}

/// Whom another mapping would change, over records or a source's directory; writes nothing
#[utoipa::path(post, path = "/impact", tag = "dry run", params(
    ("mapping" = Option<String>, Query, description = "The new mapping's name, of a stream alone"),
    ("revision" = Option<u64>, Query, minimum = 1, description = "Its revision, of a stream alone"),
    ("against" = Option<String>, Query, description = "The old mapping's name, of a stream alone"),
), request_body(description = "Which mappings, over which records", content((DryRunRequest = "application/json"), (String = "application/x-ndjson"))),
responses((status = 200, description = "How many records change, in which attributes, with samples", body = ImpactAnswer)))]
pub(super) async fn impact(
    reader: Reader,
    extract::State(state): extract::State<State>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let since = Instant::now();
    let (wanted, body) = read(&state, request).await?;
    if wanted.records.is_none() && body.is_none() {
        return Err(bad("there are no `records`: a list, or {\"source\": \"…\"}"));
    }
    let new = wanted.mapping.compile(&state, &reader).await?;
    let against = wanted.against.or_else(|| {
        // A mapping that was never saved has nothing to be compared with: all that it makes is new.
        let name = new.mapping.name();
        let is_saved = state.directory.library().get(name).is_some() && reader.sees_mapping(&state, name);
        (new.revision.is_some() || is_saved).then(|| Named::Newest(name.to_owned()))
    });
    let old = match against {
        Some(against) => Some(against.compile(&state, &reader).await?),
        None => None,
    };
    let begun = Begun::new(&state, since).await?;
    let fed = feeding(
        (&state, &reader),
        (wanted.records, body),
        (&old.iter().chain([&new]).collect::<Vec<_>>(), None),
        DEFAULT_COMPARED,
        (MOST_COMPARED, begun.until),
    )
    .await?;
    let Options { given, apply, samples, .. } = wanted.options;
    given.over(&begun.env).map_err(bad)?;
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        let both = (old.as_ref().map(|old| &old.mapping), &new.mapping);
        let mut comparer = Comparer::new(both, &begun.env, &given, apply, samples)?;
        let (mut batches, mut stopped) = (Batches::new(fed, MOST_COMPARED), None);
        while stopped.is_none()
            && let Some(batch) = runtime.block_on(batches.next())
        {
            stopped = compare(&mut comparer, &batch, begun.until);
        }
        let stopped = stopped.or_else(|| batches.stopped());
        drop(begun.turn);
        let mut answer = comparer.end().to_json();
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("old".into(), old.as_ref().map_or(Value::Null, Chosen::to_json));
            fields.insert("new".into(), new.to_json());
            fields.insert("complete".into(), stopped.is_none().into());
            fields.insert("stopped".into(), stopped.into());
            fields.insert("diagnostics".into(), new.diagnostics);
        }
        Ok::<Value, String>(answer)
    });
    Ok(Json(done.await.map_err(|_| failed())?.map_err(bad)?))
}

fn failed() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the run failed inside of the server; its log says where")
}

/// What a mapping makes, as targets have it.
fn kind_of(chosen: &Chosen) -> Kind {
    if chosen.mapping.resource().eq_ignore_ascii_case("Group") { Kind::Group } else { Kind::User }
}

/// What is asked about a target.
fn aim(state: &State, caller: &Caller, target: Option<&Value>) -> Result<Option<Aim>, Problem> {
    let Some(target) = target else { return Ok(None) };
    if let Some(name) = target.as_str() {
        return Ok(Some(Aim::Sync(Arc::clone(&state.syncs.get(name, caller)?.sync))));
    }
    let kind = target.get("kind").and_then(Value::as_str).and_then(crate::target::sample);
    let (target, base) =
        kind.ok_or_else(|| bad("`target` is the name of a sync, {\"kind\": \"scim\"} or {\"kind\": \"graph\"}"))?;
    Ok(Some(Aim::Sample(target, base)))
}

/// Sets the records of a request on their way.
async fn feeding(
    (state, caller): (&State, &Caller),
    (records, body): (Option<Records>, Option<Body>),
    (mappings, links): (&[&Chosen], Option<(Arc<crate::sync::Sync>, Kind)>),
    usual: u64,
    (most, until): (u64, Instant),
) -> Result<Fed, Problem> {
    let (feeder, fed) = queue(if body.is_some() { MOST_WAITING } else { PICKED_WAITING });
    match (records, body) {
        (None, None) => {}
        (_, Some(body)) => feed::begin(body, feeder, until).await,
        (Some(Records::Inline(records)), None) => {
            if records.len() as u64 > most {
                let why = format!("{} records are more than {most}: send them as application/x-ndjson", records.len());
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why));
            }
            feeder.give(Feed::Records(records.into_iter().map(Item::plain).collect()), 0).await;
        }
        (Some(Records::Pick(pick)), None) => {
            let limit = pick.limit.unwrap_or(usual);
            if limit > most {
                return Err(bad(format!("`limit` is {most} at most here, not {limit}")));
            }
            caller.source(state, &pick.source)?;
            let source = state.registry.source(&pick.source);
            let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no source {:?}", pick.source));
            let source = source.ok_or_else(missing)?;
            let resource = mappings.last().map_or("User", |chosen| chosen.mapping.resource());
            let kind = pick.kind.clone().unwrap_or_else(|| resource.to_owned());
            let reads: Vec<String> = ["members", "groups"]
                .iter()
                .filter(|name| mappings.iter().any(|one| one.mapping.reads(name)))
                .map(|name| (*name).to_owned())
                .collect();
            let reads = Box::new(move |name: &str| reads.iter().any(|known| known == name));
            let which = (pick.ids, pick.filter.as_deref());
            let picking = state.directory.begin_pick(source, &kind, which, limit, reads).await;
            let picking = picking.map_err(|error| {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
                Problem::new(status, error.detail)
            })?;
            tokio::spawn(feed::directory(state.directory.clone(), picking, links, feeder));
        }
    }
    Ok(fed)
}
