//! A web server of the tests' own, which answers as a closure says, and a SCIM service made of it that can be odd in many ways.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What is answered: the status, headers, and the body.
pub(crate) struct Answer(pub(crate) u16, pub(crate) Vec<(&'static str, String)>, pub(crate) String);

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self(status, vec![("Content-Type", "application/scim+json".into())], body.to_string())
    }

    pub(crate) fn error(status: u16, kind: &str, detail: &str) -> Self {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
        let body = json!({"schemas": schemas, "status": status.to_string(), "scimType": kind, "detail": detail});
        Self::json(status, &body)
    }
}

/// A server on a port of its own, until it is dropped.
pub(crate) struct Web {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
}

impl Web {
    pub(crate) fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (log, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (theirs, over, answer) = (Arc::clone(&log), Arc::clone(&ended), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (log, answer) = (Arc::clone(&theirs), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Self { port, log, ended }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
        head.push_str(&line);
        line.clear();
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if head.is_empty() || reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let request = Request { method, target, head, body: String::from_utf8(body).unwrap() };
    log.lock().unwrap().push(request.clone());
    let Answer(status, headers, body) = answer(&request);
    if status == 0 {
        // The connection breaks.
        return;
    }
    let mut reply = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(reply, "{name}: {value}\r\n").unwrap();
    }
    let _ = stream.write_all(format!("{reply}\r\n{body}").as_bytes());
}

/// How a service is odd.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one way to be odd")]
pub(crate) struct Odd {
    pub(crate) name: &'static str,
    /// Whether it says what it is.
    pub(crate) described: bool,
    pub(crate) patch: bool,
    pub(crate) filter: bool,
    /// How many operations a bulk request has at most.
    pub(crate) bulk: usize,
    /// How many objects a page has at most.
    pub(crate) page: usize,
    /// `totalResults` for how many there are and how many the page has; `None` leaves it out.
    pub(crate) total: fn(usize, usize) -> Option<usize>,
    /// It gives the first page whatever is asked.
    pub(crate) repeats: bool,
    /// It pages by cursor.
    pub(crate) cursor: bool,
}

impl Odd {
    pub(crate) const PLAIN: Self = Self {
        name: "plain",
        described: true,
        patch: true,
        filter: true,
        bulk: 0,
        page: 1_000,
        total: |all, _| Some(all),
        repeats: false,
        cursor: false,
    };
}

/// A SCIM service of users in memory, as odd as told. Every user that it makes gets `nickName: theirs`.
pub(crate) fn service(odd: Odd) -> Web {
    let users: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());
    Web::new(move |request| {
        let mut users = users.lock().unwrap();
        if request.path() != "/v2/Bulk" {
            return one(odd, &mut users, request);
        }
        let operations = request.json()["Operations"].as_array().cloned().unwrap_or_default();
        if odd.bulk == 0 || operations.len() > odd.bulk {
            return Answer::error(if odd.bulk == 0 { 501 } else { 413 }, "tooMany", "too many operations");
        }
        let answers = operations.iter().map(|operation| {
            let inner = Request {
                method: operation["method"].as_str().unwrap().into(),
                target: format!("/v2{}", operation["path"].as_str().unwrap()),
                head: String::new(),
                body: operation["data"].to_string(),
            };
            let Answer(status, _, body) = one(odd, &mut users, &inner);
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            let location = format!("/v2/Users/{}", body["id"].as_str().unwrap_or("x"));
            json!({"bulkId": operation["bulkId"], "status": status.to_string(), "location": location, "response": body})
        });
        Answer::json(200, &json!({"schemas": [], "Operations": answers.collect::<Vec<_>>()}))
    })
}

fn one(odd: Odd, users: &mut BTreeMap<String, Value>, request: &Request) -> Answer {
    let path = request.path().strip_prefix("/v2/").unwrap_or_default().to_owned();
    let id = path.strip_prefix("Users/").unwrap_or_default().to_owned();
    let missing = || Answer::error(404, "", "no such user");
    match (request.method.as_str(), path.as_str()) {
        ("GET", "ServiceProviderConfig") if odd.described => {
            let (patch, filter, bulk) = (odd.patch, odd.filter, odd.bulk);
            let body = json!({"patch": {"supported": patch}, "filter": {"supported": filter, "maxResults": 100},
                "bulk": {"supported": bulk > 0, "maxOperations": bulk, "maxPayloadSize": 100_000},
                "pagination": {"cursor": odd.cursor, "index": true}});
            Answer::json(200, &body)
        }
        ("GET", "Users") => Answer::json(200, &list(odd, users, request)),
        ("POST", "Users") => {
            let mut user = request.json();
            let taken = users.values().any(|other| other["userName"] == user["userName"]);
            if taken {
                return Answer::error(400, "uniqueness", "userName is taken");
            }
            let id = format!("u{}", users.len() + 1);
            user["id"] = id.as_str().into();
            user["nickName"] = "theirs".into();
            users.insert(id, user.clone());
            Answer::json(201, &user)
        }
        ("GET", _) => users.get(&id).map_or_else(missing, |user| Answer::json(200, user)),
        ("PUT", _) if users.contains_key(&id) => {
            users.insert(id, request.json());
            Answer::json(200, &request.json())
        }
        ("PATCH", _) if !odd.patch => Answer::error(405, "", "no PATCH here"),
        ("PATCH", _) if users.contains_key(&id) => {
            let user = users.get_mut(&id).unwrap();
            for operation in request.json()["Operations"].as_array().unwrap() {
                let name = operation["path"].as_str().unwrap();
                user[name] = operation["value"].clone();
            }
            Answer(204, vec![], String::new())
        }
        ("DELETE", _) if users.remove(&id).is_some() => Answer(204, vec![], String::new()),
        _ => missing(),
    }
}

fn list(odd: Odd, users: &BTreeMap<String, Value>, request: &Request) -> Value {
    let filter = request.query("filter").filter(|_| odd.filter);
    let hit =
        |user: &&Value| filter.as_ref().is_none_or(|filter| *filter == format!("userName eq {}", user["userName"]));
    let users: Vec<&Value> = users.values().filter(hit).collect();
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let by_cursor = odd.cursor.then(|| request.query("cursor")).flatten();
    let start = match &by_cursor {
        Some(cursor) => cursor.strip_prefix('c').map_or(0, |number| number.parse().unwrap()),
        None => number("startIndex").unwrap_or(1).max(1) - 1,
    };
    let start = if odd.repeats { 0 } else { start };
    let count = number("count").unwrap_or(100).min(odd.page);
    let page: Vec<&&Value> = users.iter().skip(start).take(count).collect();
    let mut answer = json!({"schemas": [], "Resources": page, "startIndex": start + 1, "itemsPerPage": page.len()});
    if let Some(total) = (odd.total)(users.len(), page.len()) {
        answer["totalResults"] = total.into();
    }
    if by_cursor.is_some() && start + page.len() < users.len() {
        answer["nextCursor"] = format!("c{}", start + page.len()).into();
    }
    answer
}
