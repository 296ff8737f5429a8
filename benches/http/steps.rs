//! What each server is asked, in the order in which it is asked, and how its answers are checked.

use std::borrow::Cow;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

use memchr::memmem;
use serde::Deserialize;
use serde_json::{Value, json};

use super::drive::{Ask, PATIENCE, Pace, drive, once};
use super::server::{Running, Server, TOKEN, drove};
use super::wire::Reply;

/// The steps, and how many times the best peer in JavaScript or Python we are to be on each.
pub(crate) const STEPS: [(&str, f64); 8] = [
    ("create user", 7.0),
    ("get by id", 7.0),
    ("userName eq", 7.0),
    ("list of 100", 50.0),
    ("PATCH active", 7.0),
    ("add 100 members", 50.0),
    ("group without members", 7.0),
    ("group with all members", 7.0),
];

const CONNECTIONS: usize = 16;
const PAGE: usize = 100;
/// So many requests are made for a step that asks until its time is over; it asks them again and again.
const ROUND: usize = 1 << 16;
/// The members that a group gets at most.
const MEMBERS: usize = 5_000;
/// Of so many answers one is read whole; of the others, the status and what can be found without reading JSON.
const LOOK: u64 = 64;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) users: usize,
    /// For a step.
    pub(crate) time: Duration,
}

/// What a step cost.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Milliseconds: the middle, and the slowest of a hundred.
    pub(crate) middle: f64,
    pub(crate) slowest: f64,
    /// Microseconds of processor of the server for a request.
    pub(crate) work: f64,
    /// The same of the driver.
    pub(crate) drove: f64,
    /// Bytes of the body of an answer.
    pub(crate) size: f64,
}

/// One server, once through all steps.
#[derive(Default)]
pub(crate) struct Course {
    /// Beside `STEPS`; none where the server cannot do it, which a note says.
    pub(crate) figures: [Option<Figure>; 8],
    pub(crate) notes: Vec<String>,
    /// MiB at the end.
    pub(crate) resident: u64,
}

/// Looks at the answer about a number; where it is told to, at all of it.
type Check<'a> = &'a dyn Fn(&Session<'_>, usize, bool, &Reply<'_>) -> Result<(), String>;

/// What a step costs: microseconds of processor that the server has had, and the driver.
#[derive(Clone, Copy)]
struct Spent(f64, f64);

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }
}

/// Of what was created, all that is needed later.
#[derive(Deserialize)]
struct Created<'r> {
    #[serde(borrow)]
    id: Cow<'r, str>,
}

/// A server that runs, and what is known of what is in it.
struct Session<'a> {
    server: &'a Server,
    running: &'a Running,
    effort: Effort,
    ids: Vec<String>,
    count: u64,
}

/// Fills a server that has just been started, and goes through the steps.
pub(crate) fn go(server: &Server, running: &Running, effort: Effort) -> Course {
    let mut session = Session { server, running, effort, ids: vec![String::new(); effort.users], count: 0 };
    let mut course = Course::default();
    match session.create() {
        Ok(figure) => course.figures[0] = Some(figure),
        Err(error) => {
            course.notes.push(format!("{}: {error}", STEPS[0].0));
            return course;
        }
    }
    let mut note = |at: usize, found: Result<Figure, String>| match found {
        Ok(figure) => course.figures[at] = Some(figure),
        Err(error) => course.notes.push(format!("{}: {error}", STEPS[at].0)),
    };
    note(1, session.get());
    note(2, session.find());
    note(3, session.list());
    let (mut told, mut group) = (Vec::new(), None);
    note(4, session.patch(&mut told));
    note(5, session.add(&mut told, &mut group));
    if let Some((id, members)) = group {
        note(6, session.group(&id, None));
        note(7, session.group(&id, Some(members)));
    }
    course.notes.extend(told);
    course.resident = running.resident();
    course
}

impl Session<'_> {
    fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (root, length) = (&self.server.root, body.len());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/scim+json\r\n" };
        format!(
            "{method} {root}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nAccept: application/scim+json\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
            self.running.address
        )
        .into_bytes()
    }

    fn once(&self, method: &str, path: &str, body: &str) -> Result<Reply<'static>, String> {
        once(self.running.address, &self.request(method, path, body))
    }

    /// What the server and the driver have had of the processor so far.
    fn spent(&self) -> Spent {
        Spent(self.running.worked(), drove())
    }

    /// Numbers without an order, the same in each run.
    fn scattered(&mut self) -> usize {
        self.count += 1;
        let number = self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((number ^ (number >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as usize % self.ids.len()
    }

    /// Drives a step and counts what it costs. Requests are made before it begins.
    fn step<'r, T>(
        &self,
        time: Duration,
        make: &mut dyn FnMut() -> Option<Ask<'r, T>>,
        check: &mut dyn FnMut(T, &Reply<'_>) -> Result<(), String>,
    ) -> Result<Figure, String> {
        let before = self.spent();
        let pace = drive(self.running.address, CONNECTIONS, time, make, check)?;
        Ok(figure(pace, self.spent() - before))
    }

    /// The same path, or one of a number, again and again until the time is over.
    fn read(&mut self, path: &dyn Fn(&Self, usize) -> String, check: Check<'_>) -> Result<Figure, String> {
        let numbers: Vec<usize> = (0..ROUND).map(|_| self.scattered()).collect();
        let session = &*self;
        let made = |about: &usize| (session.request("GET", &path(session, *about), ""), *about);
        let requests: Vec<_> = numbers.iter().map(made).collect();
        let mut asks = requests.iter().cycle().map(|(request, about)| Ask { request, about: *about });
        let mut looked = 0;
        session.step(session.effort.time, &mut || asks.next(), &mut |about, reply| {
            status(reply, &[200])?;
            looked += 1;
            check(session, about, looked % LOOK == 1, reply)
        })
    }

    /// All users, each once.
    fn create(&mut self) -> Result<Figure, String> {
        let requests: Vec<_> =
            (0..self.effort.users).map(|about| self.request("POST", "/Users", &user(about))).collect();
        let mut asks = requests.iter().enumerate().map(|(about, request)| Ask { request, about });
        let mut ids = std::mem::take(&mut self.ids);
        let found = self.step(Duration::from_secs(600), &mut || asks.next(), &mut |about, reply| {
            status(reply, &[201])?;
            ids[about] = id(reply)?;
            Ok(())
        });
        self.ids = ids;
        found
    }

    fn get(&mut self) -> Result<Figure, String> {
        self.read(&|session, number| format!("/Users/{}", escaped(&session.ids[number])), &|_, number, look, reply| {
            if look && read(reply)?["userName"] != name(number) {
                return Err("another userName than asked for".to_owned());
            }
            contains(reply, &name(number))
        })
    }

    fn find(&mut self) -> Result<Figure, String> {
        let path = |_: &Self, number| format!("/Users?filter=userName%20eq%20%22{}%22", name(number));
        self.read(&path, &|session, number, look, reply| {
            if look && read(reply)?["totalResults"] != 1 {
                return Err("another number of results than one".to_owned());
            }
            contains(reply, &session.ids[number])
        })
    }

    fn list(&mut self) -> Result<Figure, String> {
        let pages = (self.effort.users / PAGE).max(1);
        let path = |_: &Self, number: usize| format!("/Users?startIndex={}&count={PAGE}", 1 + number % pages * PAGE);
        self.read(&path, &|session, _, look, reply| {
            if look {
                let (body, users) = (read(reply)?, session.effort.users);
                let (total, found) = (body["totalResults"].as_u64(), body["Resources"].as_array().map_or(0, Vec::len));
                // Some come with users of their own.
                if total.is_none_or(|total| !(users..users + 10).contains(&(total as usize)))
                    || found != PAGE.min(users)
                {
                    return Err(format!("{found} resources of {total:?}"));
                }
            }
            Ok(())
        })
    }

    /// As Entra writes it, or in the first way that the server takes and does.
    fn patch(&mut self, told: &mut Vec<String>) -> Result<Figure, String> {
        let ways = [
            ("Replace", json!("False")),
            ("replace", json!("False")),
            ("Replace", json!(false)),
            ("replace", json!(false)),
        ];
        let mut answers = Vec::new();
        let mut taken = None;
        for (op, value) in &ways {
            let path = format!("/Users/{}", escaped(&self.ids[0]));
            let reply = self.once("PATCH", &path, &active(op, value))?;
            let stored = read(&self.once("GET", &path, "")?)?["active"].clone();
            if matches!(reply.status, 200 | 204) && stored == json!(false) {
                taken = Some((*op, value.is_string()));
                break;
            }
            answers.push(format!("{op} {value} gives {} and {stored}", reply.status));
        }
        let (op, text) = taken.ok_or_else(|| answers.join(", "))?;
        if !answers.is_empty() {
            told.push(format!(
                "PATCH active: {}; measured with {op} and a {}",
                answers.join(", "),
                if text { "text" } else { "boolean" }
            ));
        }
        let values = if text { [json!("False"), json!("True")] } else { [json!(false), json!(true)] };
        let numbers: Vec<usize> = (0..ROUND).map(|_| self.scattered()).collect();
        let made = |(number, value): (&usize, &Value)| {
            self.request("PATCH", &format!("/Users/{}", escaped(&self.ids[*number])), &active(op, value))
        };
        let requests: Vec<_> = numbers.iter().zip(values.iter().cycle()).map(made).collect();
        let mut asks = requests.iter().cycle().map(|request| Ask { request, about: () });
        self.step(self.effort.time, &mut || asks.next(), &mut |(), reply| status(reply, &[200, 204]))
    }

    /// A hundred more of the users into a group until it is full, and so on with the next group: one connection, one after the other, as
    /// Entra does. The first group is filled whatever it takes, so that what is read afterwards is the same everywhere.
    fn add(&mut self, told: &mut Vec<String>, group: &mut Option<(String, usize)>) -> Result<Figure, String> {
        let op = self.way_to_add(told)?;
        let full = MEMBERS.min(self.ids.len()) / PAGE;
        let (mut whole, mut spent, mut left) = (Pace::default(), Spent(0.0, 0.0), self.effort.time);
        while left > Duration::ZERO {
            let id = self.empty_group(&format!("Group {}", whole.times.len()))?;
            let path = format!("/Groups/{}", escaped(&id));
            let made = |page| self.request("PATCH", &path, &members(op, page));
            let requests: Vec<_> = self.ids.chunks_exact(PAGE).take(full).map(made).collect();
            let (begun, time) = (Instant::now(), if group.is_none() { PATIENCE } else { left });
            let mut asks = requests.iter().map(|request| Ask { request, about: () });
            let before = self.spent();
            let check = &mut |(), reply: &Reply<'_>| status(reply, &[200, 204]);
            let mut pace = drive(self.running.address, 1, time, &mut || asks.next(), check)?;
            spent = spent + (self.spent() - before);
            left = left.saturating_sub(begun.elapsed());
            if group.is_none() {
                let expected = pace.times.len() * PAGE;
                let body = read(&self.once("GET", &format!("/Groups/{}", escaped(&id)), "")?)?;
                let found = body["members"].as_array().map_or(0, Vec::len);
                if found != expected {
                    return Err(format!("{found} members in a group that was given {expected}"));
                }
                *group = Some((id, expected));
                told.extend(growth(&pace.times, full));
            }
            whole.times.append(&mut pace.times);
            // Without what lies between two groups.
            whole.elapsed += pace.elapsed;
            whole.bytes += pace.bytes;
        }
        Ok(figure(whole, spent))
    }

    /// How the server takes new members: as Entra writes it, or else in small letters.
    fn way_to_add(&self, told: &mut Vec<String>) -> Result<&'static str, String> {
        let path = format!("/Groups/{}", escaped(&self.empty_group("Probe")?));
        let reply = self.once("PATCH", &path, &members("Add", &self.ids[..1]))?;
        if matches!(reply.status, 200 | 204) {
            return Ok("Add");
        }
        told.push(format!("add 100 members: Add gives {}; measured with add", reply.status));
        status(&self.once("PATCH", &path, &members("add", &self.ids[..1]))?, &[200, 204])?;
        Ok("add")
    }

    fn empty_group(&self, name: &str) -> Result<String, String> {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        let reply = self.once("POST", "/Groups", &body.to_string())?;
        status(&reply, &[201])?;
        id(&reply)
    }

    /// A group with or without its members.
    fn group(&mut self, id: &str, members: Option<usize>) -> Result<Figure, String> {
        let path =
            format!("/Groups/{}{}", escaped(id), if members.is_some() { "" } else { "?excludedAttributes=members" });
        self.read(&|_, _| path.clone(), &|_, _, look, reply| {
            if look {
                let body = read(reply)?;
                let found = body.get("members").and_then(Value::as_array).map_or(0, Vec::len);
                if found != members.unwrap_or_default() {
                    return Err(format!("{found} members instead of {}", members.unwrap_or_default()));
                }
            }
            contains(reply, id)
        })
    }
}

/// What is to be told of the times in which a group was filled.
fn growth(times: &[f64], full: usize) -> Vec<String> {
    let mut told = Vec::new();
    if times.len() < full {
        told.push(format!(
            "groups are read with {} members: no more were added in {} s",
            times.len() * PAGE,
            PATIENCE.as_secs()
        ));
    }
    if times.len() >= 10 {
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64 / 1e3;
        let (early, late) = (mean(&times[..5]), mean(&times[times.len() - 5..]));
        told.push(format!(
            "100 members more: {early:.2} ms in a group that is empty, {late:.2} ms in one that is full"
        ));
    }
    told
}

fn figure(mut pace: Pace, Spent(worked, drove): Spent) -> Figure {
    pace.times.sort_unstable_by(f64::total_cmp);
    let count = pace.times.len();
    let at = |share: usize| pace.times.get(count * share / 100).copied().unwrap_or(f64::NAN) / 1e3;
    Figure {
        rate: count as f64 / pace.elapsed.as_secs_f64(),
        middle: at(50),
        slowest: at(99),
        work: worked / count as f64,
        drove: drove / count as f64,
        size: pace.bytes as f64 / count as f64,
    }
}

fn status(reply: &Reply<'_>, wanted: &[u16]) -> Result<(), String> {
    if wanted.contains(&reply.status) {
        return Ok(());
    }
    let body: String = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
    Err(format!("answered {}: {body}", reply.status))
}

fn read(reply: &Reply<'_>) -> Result<Value, String> {
    serde_json::from_slice(&reply.body).map_err(|error| format!("an answer that is not JSON: {error}"))
}

fn id(reply: &Reply<'_>) -> Result<String, String> {
    let found: Result<Created<'_>, _> = serde_json::from_slice(&reply.body);
    found.map(|created| created.id.into_owned()).map_err(|error| format!("an answer without an id: {error}"))
}

fn contains(reply: &Reply<'_>, text: &str) -> Result<(), String> {
    if memmem::find(&reply.body, text.as_bytes()).is_some() { Ok(()) } else { Err(format!("an answer without {text}")) }
}

/// An `id` in a path: some servers make it of a name.
fn escaped(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    id.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn name(number: usize) -> String {
    format!("{:016x}@contoso.example", (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A user as Entra sends one.
fn user(number: usize) -> String {
    let name = name(number);
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        ],
        "userName": name,
        "externalId": format!("{number:x}-external"),
        "active": true,
        "displayName": format!("Person {number}"),
        "title": "Engineer",
        "name": {"formatted": format!("Person {number}"), "givenName": "Person", "familyName": number.to_string()},
        "emails": [{"type": "work", "value": name, "primary": true}],
        "phoneNumbers": [{"type": "work", "value": "+41 44 123 45 67"}],
        "addresses": [{"type": "work", "locality": "Zurich", "country": "CH", "postalCode": "8001"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "employeeNumber": number.to_string()}
    })
    .to_string()
}

fn active(op: &str, value: &Value) -> String {
    patch(json!({"op": op, "path": "active", "value": value}))
}

fn members(op: &str, ids: &[String]) -> String {
    let value: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    patch(json!({"op": op, "path": "members", "value": value}))
}

fn patch(operation: Value) -> String {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}).to_string()
}
