//! A Microsoft Graph on loopback, with the token endpoint before it: what its documentation says of users, groups, members,
//! deltas, batches and errors, as far as a sync meets it; and what only tests need: weather on demand, a count of every
//! request, and a hand in its state.
//!
//! ```ignore
//! let graph = GraphFake::start();
//! graph.put_user(json!({"userPrincipalName": "ada@contoso.com", "displayName": "Ada"}));
//! graph.fail("POST /users", 2, Fault::Throttled(1));      // the second from now
//! // … a sync against graph.settings(…) …
//! assert_eq!(graph.count("POST /users"), 3);
//! ```
//!
//! It stands apart from the tests so that a bench can have it too: `#[path = "../tests/support/graph/mod.rs"] mod graph;`.
#![allow(dead_code, reason = "a face for several tests, each of which uses a part")]

mod directory;
mod login;
mod routes;
mod wire;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime};

use provisor::target::{GraphSettings, Secret};
use serde_json::{Map, Value, json};

use directory::{Binds, Directory};
use login::Login;
use wire::{Answer, Request, Wire};

pub(crate) const TENANT: &str = "contoso.onmicrosoft.com";
pub(crate) const CLIENT: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";
pub(crate) const SECRET: &str = "the-client-secret-of-the-tests";

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status with the error body that Graph sends with it; nothing is done.
    Status(u16),
    /// 429 with `Retry-After` in seconds.
    Throttled(u64),
    /// 429 with `Retry-After` as the date that it is.
    ThrottledUntilNow,
    /// This answer.
    Answer(u16, Value),
    /// The connection ends before anything is done.
    Drop,
    /// The work is done, and the connection ends before the answer.
    DropAfter,
    /// The work is done after this time.
    Slow(Duration),
    /// The work is done, and the answer comes after this time.
    SlowAnswer(Duration),
}

/// A request that came, by itself or in a batch.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Without `/v1.0`; the token endpoint is `/token`.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// Whether it stood in a batch.
    pub(crate) batched: bool,
    /// What was answered; 0 for a dropped connection.
    pub(crate) status: u16,
}

impl Seen {
    /// Whether it is what this says: `POST /users`, `PATCH /groups/{}`, `* /users`; `{}` is any one segment.
    pub(crate) fn is(&self, what: &str) -> bool {
        let (method, path) = what.split_once(' ').expect("a method and a path");
        let (mut asked, mut came) = (path.split('/'), self.path.split('/'));
        (method == "*" || method == self.method)
            && loop {
                match (asked.next(), came.next()) {
                    (None, None) => break true,
                    (Some(asked), Some(came)) if asked == "{}" || asked == came => {}
                    _ => break false,
                }
            }
    }
}

type Plan = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

/// Everything behind the sockets.
#[derive(Default)]
struct State {
    directory: Directory,
    login: Login,
    plan: Vec<Plan>,
    seen: Vec<Seen>,
    base: String,
}

/// A running fake; it ends with the value.
pub(crate) struct GraphFake {
    state: Arc<Mutex<State>>,
    wire: Wire,
}

impl GraphFake {
    /// An empty tenant with the verified domains `contoso.com` and `contoso.onmicrosoft.com`.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let handling = Arc::clone(&state);
        let wire = Wire::serve(move |request| handle(&handling, request));
        state.lock().unwrap().base = format!("http://127.0.0.1:{}/v1.0", wire.port);
        Self { state, wire }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The base, up to and with `/v1.0`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1.0", self.wire.port)
    }

    /// The token endpoint.
    pub(crate) fn login_url(&self) -> String {
        format!("http://127.0.0.1:{}/{TENANT}/oauth2/v2.0/token", self.wire.port)
    }

    /// The settings of a target with the client's secret, which is written to a file in this directory.
    pub(crate) fn settings(&self, directory: impl AsRef<Path>) -> GraphSettings {
        let secret = directory.as_ref().join("client-secret");
        std::fs::write(&secret, SECRET).unwrap();
        GraphSettings {
            tenant: TENANT.into(),
            client_id: CLIENT.into(),
            client_secret: Some(Secret::File(secret)),
            certificate: None,
            cloud: None,
            url: Some(self.url()),
            login_url: Some(self.login_url()),
            group_email_domain: None,
            timeout: 10,
        }
    }

    /// All users as they are stored, in the order they were made.
    pub(crate) fn users(&self) -> Vec<Map<String, Value>> {
        self.state().directory.users.all()
    }

    /// All groups as they are stored, in the order they were made.
    pub(crate) fn groups(&self) -> Vec<Map<String, Value>> {
        self.state().directory.groups.all()
    }

    /// The user with this `userPrincipalName`.
    pub(crate) fn user(&self, name: &str) -> Option<Map<String, Value>> {
        self.users().into_iter().find(|user| user["userPrincipalName"] == name)
    }

    /// The group with this `displayName`.
    pub(crate) fn group(&self, name: &str) -> Option<Map<String, Value>> {
        self.groups().into_iter().find(|group| group["displayName"] == name)
    }

    /// The ids of a group's members.
    pub(crate) fn members(&self, group: &str) -> BTreeSet<String> {
        self.state().directory.members.get(group).cloned().unwrap_or_default()
    }

    /// The id of a user's manager.
    pub(crate) fn manager(&self, user: &str) -> Option<String> {
        self.state().directory.managers.get(user).cloned()
    }

    /// Puts a user there, behind the back of whoever syncs. The id.
    #[expect(clippy::needless_pass_by_value, reason = "it is always made on the spot")]
    pub(crate) fn put_user(&self, user: Value) -> String {
        self.state().directory.put("users", user.as_object().unwrap().clone())
    }

    /// Puts a group there. The id.
    #[expect(clippy::needless_pass_by_value, reason = "it is always made on the spot")]
    pub(crate) fn put_group(&self, group: Value) -> String {
        self.state().directory.put("groups", group.as_object().unwrap().clone())
    }

    /// Changes a user or group: what is named is set, null clears.
    #[expect(clippy::needless_pass_by_value, reason = "it is always made on the spot")]
    pub(crate) fn change(&self, id: &str, changes: Value) {
        self.state().directory.change(id, changes.as_object().unwrap());
    }

    /// Removes a user or group.
    pub(crate) fn delete(&self, id: &str) {
        assert!(self.state().directory.delete(id), "there is no {id}");
    }

    /// Sets who is in a group.
    pub(crate) fn set_members(&self, group: &str, members: &[String]) {
        *self.state().directory.members_mut(group) = members.iter().cloned().collect();
    }

    /// Names a user's manager.
    pub(crate) fn set_manager(&self, user: &str, manager: &str) {
        self.state().directory.set_manager(user, Some(manager.into()));
    }

    /// From now on a new object is unknown to the first `requests` that name it, and is in no list until then.
    pub(crate) fn lag(&self, requests: usize) {
        self.state().directory.lag = requests;
    }

    /// How many objects a page has at most (999).
    pub(crate) fn page(&self, most: usize) {
        self.state().directory.page = most;
    }

    /// From now on a list of several pages has its first object once more at its end, as one that changes while it is read.
    pub(crate) fn repeat_objects(&self) {
        self.state().directory.repeats = true;
    }

    /// From now on lists of changes say nothing of members.
    pub(crate) fn silent_about_members(&self) {
        self.state().directory.tells_members = false;
    }

    /// From now on `manager@odata.bind` of a new user is refused, or taken no notice of.
    pub(crate) fn no_managers_at_first(&self, is_refused: bool) {
        self.state().directory.binds = if is_refused { Binds::Refused } else { Binds::Ignored };
    }

    /// Forgets what happened: a delta link from before is answered with 410.
    pub(crate) fn forget_changes(&self) {
        let mut state = self.state();
        state.directory.forgotten = state.directory.sequence;
        state.directory.sequence += 1;
    }

    /// Takes a permission from the application, such as `User.ReadWrite.All`.
    pub(crate) fn revoke(&self, right: &str) {
        self.state().login.rights.remove(right);
    }

    /// From now on tokens are no JWT, and show nobody what they hold.
    pub(crate) fn opaque_tokens(&self) {
        self.state().login.opaque = true;
    }

    /// Verifies a domain.
    pub(crate) fn verify_domain(&self, domain: &str) {
        self.state().directory.domains.push(domain.into());
    }

    /// Every token given so far is refused from now on.
    pub(crate) fn expire_tokens(&self) {
        self.state().login.tokens.clear();
    }

    /// How long new tokens live, in seconds (3,599).
    pub(crate) fn token_life(&self, seconds: u64) {
        self.state().login.life = seconds;
    }

    /// Registers the certificate of a PEM file that has the private key too.
    pub(crate) fn accept_certificate(&self, pem: &Path) {
        self.state().login.accept(pem);
    }

    /// The `nth` request from now (1 is the next) that is `what` goes wrong, once. For `what` see [`Seen::is`]; requests in
    /// batches count like others, the batch itself is `POST /$batch`, the token endpoint `POST /token`.
    pub(crate) fn fail(&self, what: &str, nth: usize, fault: Fault) {
        let (what, mut left, mut fault) = (what.to_owned(), nth, Some(fault));
        self.plan(move |seen| {
            if left == 0 || !seen.is(&what) {
                return None;
            }
            left -= 1;
            if left == 0 { fault.take() } else { None }
        });
    }

    /// Every request that is `what` goes wrong, until [`GraphFake::heal`].
    pub(crate) fn fail_always(&self, what: &str, fault: Fault) {
        let what = what.to_owned();
        self.plan(move |seen| seen.is(&what).then(|| fault.clone()));
    }

    /// A plan of one's own, asked for every request.
    pub(crate) fn plan(&self, plan: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        self.state().plan.push(Box::new(plan));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.state().plan.clear();
    }

    /// Cuts every open connection.
    pub(crate) fn cut(&self) {
        self.wire.cut();
    }

    /// Every request so far, those in batches after the batch that they came in.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget_requests(&self) {
        self.state().seen.clear();
    }

    /// How many requests were `what`, alone or in batches; see [`Seen::is`].
    pub(crate) fn count(&self, what: &str) -> usize {
        self.state().seen.iter().filter(|seen| seen.is(what)).count()
    }

    /// How many HTTP requests came, a batch counted once; without those for tokens.
    pub(crate) fn calls(&self) -> usize {
        self.state().seen.iter().filter(|seen| !seen.batched && seen.path != "/token").count()
    }

    /// How many writes came, alone or in batches.
    pub(crate) fn writes(&self) -> usize {
        let write = |seen: &&Seen| seen.method != "GET" && seen.path != "/$batch" && seen.path != "/token";
        self.state().seen.iter().filter(write).count()
    }
}

/// An OData error as Graph writes it.
fn odata_error(status: u16, code: &str, message: &str) -> Answer {
    let inner = json!({"date": "2026-03-02T08:15:30", "request-id": "5c3b9f9e-2f6a-4c1b-8c1d-0d6f7a1f2b3c"});
    Answer::new(status, json!({"error": {"code": code, "message": message, "innerError": inner}}))
}

/// The error that Graph sends with a status that nothing in the request asked for.
fn weather(status: u16) -> Answer {
    let (code, message) = match status {
        400 => ("Request_BadRequest", "Invalid value specified for property 'displayName' of resource 'User'."),
        401 => ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
        403 => ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
        404 => (
            "Request_ResourceNotFound",
            "Resource does not exist or one of its queried reference-property objects are not present.",
        ),
        429 => ("TooManyRequests", "Too many requests"),
        503 => ("serviceNotAvailable", "The service is temporarily unavailable."),
        504 => ("UnknownError", ""),
        _ => ("InternalServerError", "An internal server error occurred."),
    };
    odata_error(status, code, message)
}

/// One request on a socket.
fn handle(state: &Mutex<State>, mut request: Request) -> Option<Answer> {
    let token = request.segments.get(1).is_some_and(|segment| segment == "oauth2");
    let path = if token {
        "/token".to_owned()
    } else if request.segments.first().is_some_and(|segment| segment == "v1.0") {
        request.segments.remove(0);
        format!("/{}", request.segments.join("/"))
    } else {
        return Some(odata_error(400, "BadRequest", "Invalid version."));
    };
    if path != "/$batch" {
        return one(state, &request, path, false);
    }
    let (number, fault) = note(state, &request, path, false);
    let batch = || strict(&request).unwrap_or_else(|| batch(state, &request));
    done(state, number, fault, batch)
}

/// What is wrong with the form of a request, before it is asked what it wants.
fn strict(request: &Request) -> Option<Answer> {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let accepted =
        header("accept").split(',').any(|one| matches!(one.trim().split(';').next(), Some("application/json" | "*/*")));
    if !accepted || header("accept").contains("scim") {
        return Some(odata_error(406, "NotAcceptable", "The requested media type is not supported."));
    }
    if !request.body.is_empty() {
        let json = header("content-type").split(';').next() == Some("application/json");
        if !json || request.json().is_null() {
            return Some(odata_error(415, "UnsupportedMediaType", "A supported MIME type could not be found."));
        }
        if request.method == "GET" || request.method == "DELETE" {
            return Some(odata_error(400, "BadRequest", "The request has a body, and its method has none."));
        }
    } else if matches!(request.method.as_str(), "POST" | "PATCH" | "PUT") {
        return Some(odata_error(400, "BadRequest", "Empty Payload. JSON content expected."));
    }
    let known = ["$select", "$filter", "$top", "$count", "$expand", "$skiptoken", "$deltatoken"];
    let odd = request.query.iter().find(|(name, _)| !known.contains(&name.as_str()));
    odd.map(|(name, _)| odata_error(400, "BadRequest", &format!("The query parameter '{name}' is not supported.")))
}

/// Writes the request into the log and asks the plan.
fn note(state: &Mutex<State>, request: &Request, path: String, batched: bool) -> (usize, Option<Fault>) {
    let mut state = state.lock().unwrap();
    let seen = Seen {
        method: request.method.clone(),
        path,
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: request.json(),
        batched,
        status: 0,
    };
    // Each plan counts each request; of several that fall on one, the first is meant.
    let faults: Vec<Fault> = state.plan.iter_mut().filter_map(|plan| plan(&seen)).collect();
    let fault = faults.into_iter().next();
    state.seen.push(seen);
    (state.seen.len() - 1, fault)
}

/// Does the work, unless a fault forbids it.
fn done(state: &Mutex<State>, number: usize, fault: Option<Fault>, work: impl Fn() -> Answer) -> Option<Answer> {
    let answer = match fault {
        None => Some(work()),
        Some(Fault::Status(status)) => Some(weather(status)),
        Some(Fault::Throttled(wait)) => Some(weather(429).with("Retry-After", &wait.to_string())),
        Some(Fault::ThrottledUntilNow) => {
            Some(weather(429).with("Retry-After", &httpdate::fmt_http_date(SystemTime::now())))
        }
        Some(Fault::Answer(status, body)) => Some(Answer::new(status, body)),
        Some(Fault::Drop) => None,
        Some(Fault::DropAfter) => {
            work();
            None
        }
        Some(Fault::Slow(time)) => {
            thread::sleep(time);
            Some(work())
        }
        Some(Fault::SlowAnswer(time)) => {
            let answer = work();
            thread::sleep(time);
            Some(answer)
        }
    };
    let mut state = state.lock().unwrap();
    if let Some(seen) = state.seen.get_mut(number) {
        seen.status = answer.as_ref().map_or(0, |answer| answer.status);
    }
    answer
}

/// A request by itself, or one of a batch.
fn one(state: &Mutex<State>, request: &Request, path: String, batched: bool) -> Option<Answer> {
    let token = path == "/token";
    let (number, fault) = note(state, request, path, batched);
    done(state, number, fault, || {
        if let Some(refusal) = (!token && !batched).then(|| strict(request)).flatten() {
            return refusal;
        }
        let state = &mut *state.lock().unwrap();
        if token {
            return state
                .login
                .token(request, &format!("{}/{TENANT}/oauth2/v2.0/token", state.base.trim_end_matches("/v1.0")));
        }
        match state.login.admits(request) {
            Ok(()) => routes::route(state, request),
            Err(refusal) => refusal,
        }
    })
}

/// `POST /$batch`: at most 20 requests; their answers come in another order.
fn batch(state: &Mutex<State>, request: &Request) -> Answer {
    if let Err(refusal) = state.lock().unwrap().login.admits(request) {
        return refusal;
    }
    let body = request.json();
    let Some(entries) = body["requests"].as_array() else {
        return odata_error(400, "BadRequest", "Invalid batch payload format.");
    };
    if entries.len() > 20 {
        return odata_error(400, "BadRequest", "Number of batch request steps exceeds the maximum value of 20.");
    }
    let ids: BTreeSet<String> = entries.iter().map(|entry| entry["id"].to_string().to_lowercase()).collect();
    if ids.len() < entries.len() {
        return odata_error(400, "BadRequest", "Invalid batch payload: request ids are not unique.");
    }
    let mut responses: Vec<Value> = Vec::new();
    for entry in entries {
        let depends = entry["dependsOn"].as_array().cloned().unwrap_or_default();
        let failed =
            |id: &Value| responses.iter().any(|sent| &sent["id"] == id && sent["status"].as_u64() >= Some(400));
        let answer = if depends.iter().any(failed) {
            odata_error(424, "FailedDependency", "The request depends on a request that failed.")
        } else {
            entry_of_batch(state, request, entry)
        };
        let headers: Map<String, Value> =
            answer.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut response = json!({"id": entry["id"], "status": answer.status, "headers": headers});
        if let Some(body) = answer.body {
            response["body"] = body;
        }
        responses.push(response);
    }
    responses.reverse();
    Answer::new(200, json!({"responses": responses}))
}

fn entry_of_batch(state: &Mutex<State>, outer: &Request, entry: &Value) -> Answer {
    let (Some(method), Some(url)) = (entry["method"].as_str(), entry["url"].as_str()) else {
        return odata_error(400, "BadRequest", "Invalid batch payload: a request has no method or url.");
    };
    if !entry["id"].is_string() {
        return odata_error(400, "BadRequest", "Invalid batch payload: a request's id is no text.");
    }
    if !url.starts_with('/') || url.starts_with("/v1.0") {
        return odata_error(
            400,
            "BadRequest",
            "Invalid batch payload: a request's url is not relative to the version.",
        );
    }
    let mut request = Request::to(method, url);
    for (name, value) in entry["headers"].as_object().into_iter().flatten() {
        request.headers.push((name.to_ascii_lowercase(), value.as_str().unwrap_or_default().to_owned()));
    }
    if let Some(body) = entry.get("body") {
        if request.header("content-type") != Some("application/json") {
            return odata_error(
                400,
                "BadRequest",
                "Write request id is missing content-type header or content-type is invalid.",
            );
        }
        request.body = body.to_string().into_bytes();
    }
    request.headers.extend(outer.headers.iter().filter(|(name, _)| name == "authorization").cloned());
    let path = format!("/{}", request.segments.join("/"));
    // A connection cannot end for one of a batch.
    one(state, &request, path, true).unwrap_or_else(|| weather(504))
}
