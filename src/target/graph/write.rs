//! Writes made into requests, and what became of each. Requests of several writes go into one batch of up to 20, and each
//! answer is sorted on its own: a 429 within a batch is the weather of that one write.
//!
//! Members come 20 to a PATCH, all or none of them; when Graph refuses one such PATCH, its members go one by one, so that
//! the good ones get in. Who is a member already, or none any more, is as asked. What the weather left half done is not begun
//! anew: the same write again sends what is open.

use std::collections::{HashSet, VecDeque};

use serde_json::{Value, json};

use super::super::http::{Call, Method};
use super::super::{Done, Kind, Object, TargetError, Write};
use super::GraphTarget;
use super::body::{Body, Manager, create, shown, update};
use super::error::Said;
use super::query::{collection, escape};

/// The most requests in a batch.
pub(super) const BATCH: usize = 20;
/// The most members that one PATCH adds.
const ADDED: usize = 20;
/// The attribute of a new user that names the manager.
const BOUND: &str = "manager@odata.bind";

/// What a request is for.
#[derive(Debug, Clone)]
enum Purpose {
    Create,
    Change,
    Delete,
    SetManager(String),
    /// Whether the user was made with this manager.
    LookAtManager(String),
    ClearManager,
    AddMany(Vec<String>),
    Add(String),
    Remove(String),
}

impl Purpose {
    /// The objects that it refers to.
    fn others(&self) -> &[String] {
        match self {
            Self::AddMany(others) => others,
            Self::Add(other) | Self::Remove(other) | Self::SetManager(other) | Self::LookAtManager(other) => {
                std::slice::from_ref(other)
            }
            Self::Create | Self::Change | Self::Delete | Self::ClearManager => &[],
        }
    }
}

/// A request that is to be sent.
struct Job {
    /// Which of the writes it belongs to.
    write: usize,
    purpose: Purpose,
    method: Method,
    /// Below the base.
    path: String,
    body: Option<Object>,
}

/// How far a write is.
struct Work {
    kind: Kind,
    /// The object, once it is known.
    id: String,
    refused: Vec<(String, String)>,
    error: Option<TargetError>,
    /// The manager of a user that is being made.
    manager: Option<String>,
    /// Whether it was made by this write.
    is_new: bool,
    /// The members that are as asked, with whether they came or went.
    settled: HashSet<(String, bool)>,
    secret: Option<String>,
}

impl Work {
    fn on(kind: Kind, id: &str) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            refused: Vec::new(),
            error: None,
            manager: None,
            is_new: false,
            settled: HashSet::new(),
            secret: None,
        }
    }

    /// Notes whose membership is as asked.
    fn note(&mut self, purpose: Purpose) {
        let (members, came) = match purpose {
            Purpose::AddMany(members) => (members, true),
            Purpose::Add(member) => (vec![member], true),
            Purpose::Remove(member) => (vec![member], false),
            _ => return,
        };
        for member in members {
            self.settled.remove(&(member.clone(), !came));
            self.settled.insert((member, came));
        }
    }

    /// Ends the write with its first error.
    fn fail(&mut self, error: TargetError) {
        let error = match &self.secret {
            Some(secret) => without(secret, error),
            None => error,
        };
        self.error.get_or_insert(error);
    }
}

/// The error without a password that Graph may have repeated.
fn without(secret: &str, error: TargetError) -> TargetError {
    let blot = |what: String| what.replace(secret, "[secret]");
    match error {
        TargetError::Weather { what, wait } => TargetError::Weather { what: blot(what), wait },
        TargetError::Rejected { status, what } => TargetError::Rejected { status, what: blot(what) },
        TargetError::Exists { what } => TargetError::Exists { what: blot(what) },
        TargetError::Denied { what } => TargetError::Denied { what: blot(what) },
        TargetError::Protocol { what } => TargetError::Protocol { what: blot(what) },
        TargetError::Missing { id } => TargetError::Missing { id },
    }
}

/// A target's words of why one reference was refused.
fn reason(error: TargetError) -> String {
    match error {
        TargetError::Rejected { what, .. } | TargetError::Exists { what } => what,
        TargetError::Missing { .. } => "there is no object with this id".to_owned(),
        error => error.to_string(),
    }
}

/// The permission that writes of this kind need.
pub(super) fn right(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "User.ReadWrite.All",
        Kind::Group => "Group.ReadWrite.All",
    }
}

impl GraphTarget {
    /// See [`Target::write`](super::super::Target::write).
    pub(super) async fn write_all(&self, writes: Vec<Write>) -> Result<Vec<Result<Done, TargetError>>, TargetError> {
        let mut works = Vec::new();
        let mut queue = VecDeque::new();
        let mut groups = Vec::new();
        for (number, write) in writes.into_iter().enumerate() {
            if let Write::Members { id, .. } = &write {
                groups.push((number, id.clone()));
            }
            let (work, jobs) = self.planned(number, write);
            works.push(work);
            queue.extend(jobs);
        }
        let mut first = true;
        loop {
            let is_open = |write: usize| works.get(write).is_some_and(|work| work.error.is_none());
            queue.retain(|job: &Job| is_open(job.write));
            let jobs: Vec<Job> = queue.drain(..queue.len().min(BATCH)).collect();
            if jobs.is_empty() {
                break;
            }
            match self.send(&jobs).await {
                Ok(answers) => {
                    for (job, answer) in jobs.into_iter().zip(answers) {
                        if let Some(work) = works.get_mut(job.write) {
                            queue.extend(self.settle(work, job, &answer));
                        }
                    }
                }
                Err(error) if first => return Err(error),
                // What was answered before stands; of the rest nothing is known.
                Err(error) => {
                    for job in jobs.iter().chain(&queue) {
                        if let Some(work) = works.get_mut(job.write) {
                            work.fail(error.clone());
                        }
                    }
                }
            }
            first = false;
        }
        for (number, id) in groups {
            let Some(work) = works.get_mut(number) else { continue };
            let is_half_done = work.error.as_ref().is_some_and(TargetError::is_weather);
            self.keep(&id, std::mem::take(&mut work.settled), is_half_done);
        }
        let done = |work: Work| match work.error {
            Some(error) => Err(error),
            None => Ok(Done { id: work.id, refused: work.refused }),
        };
        Ok(works.into_iter().map(done).collect())
    }

    /// See [`Target::preview`](super::super::Target::preview).
    pub(super) fn previewed(&self, write: &Write) -> Vec<Value> {
        let (work, jobs) = self.planned(0, write.clone());
        if let Some(error) = work.error {
            return vec![json!({"refused": error.to_string()})];
        }
        let shown = |job: &Job| {
            let mut shown = json!({"method": job.method.as_str(), "url": format!("{}{}", self.base, job.path)});
            if let (Some(body), Some(shown)) = (&job.body, shown.as_object_mut()) {
                shown.insert("body".to_owned(), self::shown(body));
            }
            shown
        };
        jobs.iter().map(shown).collect()
    }

    /// The first requests of a write; none, and an error, when Graph would refuse it anyway.
    fn planned(&self, number: usize, write: Write) -> (Work, Vec<Job>) {
        match write {
            Write::Create { kind, payload } => {
                let mut work = Work::on(kind, "");
                let body = create(kind, payload, self.domain.as_deref());
                let body = body.and_then(|body| self.in_domain(kind, &body.attributes).map(|()| body));
                let Body { attributes, manager, secret } = match body {
                    Ok(body) => body,
                    Err(error) => {
                        work.fail(error);
                        return (work, Vec::new());
                    }
                };
                let mut attributes = attributes;
                if let Manager::Is(manager) = manager {
                    if self.known().binds != Some(false) {
                        let user = format!("{}/users/{}", self.base, escape(&manager));
                        attributes.insert(BOUND.to_owned(), user.into());
                    }
                    work.manager = Some(manager);
                }
                work.secret = secret;
                let path = format!("/{}", collection(kind));
                let job =
                    Job { write: number, purpose: Purpose::Create, method: Method::POST, path, body: Some(attributes) };
                (work, vec![job])
            }
            Write::Update { kind, id, changes, .. } => {
                let id = id.as_str();
                let mut work = Work::on(kind, id);
                let body = update(kind, &changes);
                let body = body.and_then(|body| self.in_domain(kind, &body.attributes).map(|()| body));
                let mut jobs = Vec::new();
                match body {
                    Err(error) => work.fail(error),
                    Ok(body) => {
                        if !body.attributes.is_empty() {
                            jobs.push(change(number, kind, id, body.attributes));
                        }
                        match body.manager {
                            Manager::Stays => {}
                            Manager::Is(manager) => jobs.push(self.set_manager(number, id, manager)),
                            Manager::Goes => {
                                jobs.push(job(number, Purpose::ClearManager, Method::DELETE, manager_of(id)));
                            }
                        }
                    }
                }
                (work, jobs)
            }
            Write::Disable { kind: Kind::User, id } => {
                let body = Object::from_iter([("accountEnabled".to_owned(), Value::Bool(false))]);
                (Work::on(Kind::User, &id), vec![change(number, Kind::User, &id, body)])
            }
            Write::Disable { kind: Kind::Group, id } => {
                let mut work = Work::on(Kind::Group, &id);
                let what = "a group of Microsoft Entra cannot be disabled; choose delete or nothing".to_owned();
                work.fail(TargetError::Rejected { status: 400, what });
                (work, Vec::new())
            }
            Write::Delete { kind, id } => {
                let path = format!("/{}/{}", collection(kind), escape(&id));
                (Work::on(kind, &id), vec![job(number, Purpose::Delete, Method::DELETE, path)])
            }
            Write::Members { id, add, remove } => {
                let id = id.as_str();
                let group = format!("/groups/{}", escape(id));
                let mut work = Work::on(Kind::Group, id);
                work.settled = self.kept(id);
                let is_open = |member: &&String, came| !work.settled.contains(&((*member).clone(), came));
                let removed = remove.iter().filter(|member| is_open(member, false)).map(|member| {
                    let path = format!("{group}/members/{}/$ref", escape(member));
                    job(number, Purpose::Remove(member.clone()), Method::DELETE, path)
                });
                let mut jobs: Vec<Job> = removed.collect();
                let added: Vec<String> = add.iter().filter(|member| is_open(member, true)).cloned().collect();
                jobs.extend(added.chunks(ADDED).map(|members| match members {
                    [member] => self.add_one(number, id, member.clone()),
                    members => {
                        let references: Vec<String> = members.iter().map(|member| self.reference(member)).collect();
                        let body = Object::from_iter([("members@odata.bind".to_owned(), json!(references))]);
                        let purpose = Purpose::AddMany(members.to_vec());
                        Job { write: number, purpose, method: Method::PATCH, path: group.clone(), body: Some(body) }
                    }
                }));
                (work, jobs)
            }
        }
    }

    /// Whether a user's name is of a domain that the tenant has verified. Graph would refuse it with fewer words.
    fn in_domain(&self, kind: Kind, attributes: &Object) -> Result<(), TargetError> {
        let name = attributes.get("userPrincipalName").and_then(Value::as_str).filter(|_| kind == Kind::User);
        let domains = self.domains();
        let Some(name) = name.filter(|_| !domains.is_empty()) else { return Ok(()) };
        let of = name.rsplit_once('@').map_or("", |(_, of)| of);
        if domains.iter().any(|domain| domain.eq_ignore_ascii_case(of)) {
            return Ok(());
        }
        let domains = domains.join(", ");
        let what = format!("userPrincipalName is of the domain {of:?}, and the tenant has verified {domains}");
        Err(TargetError::Rejected { status: 400, what })
    }

    /// The address of an object, as references have it.
    fn reference(&self, id: &str) -> String {
        format!("{}/directoryObjects/{}", self.base, escape(id))
    }

    fn reference_body(&self, id: &str) -> Object {
        Object::from_iter([("@odata.id".to_owned(), self.reference(id).into())])
    }

    fn set_manager(&self, write: usize, user: &str, manager: String) -> Job {
        let body = Some(self.reference_body(&manager));
        Job { body, ..job(write, Purpose::SetManager(manager), Method::PUT, manager_of(user)) }
    }

    fn add_one(&self, write: usize, group: &str, member: String) -> Job {
        let (body, path) = (Some(self.reference_body(&member)), format!("/groups/{}/members/$ref", escape(group)));
        Job { body, ..job(write, Purpose::Add(member), Method::POST, path) }
    }

    /// Sends up to 20 requests: one as it is, several as a batch. Their answers, in order.
    async fn send(&self, jobs: &[Job]) -> Result<Vec<Said>, TargetError> {
        if let [job] = jobs {
            let mut call = Call::new(job.method.clone(), self.url(&job.path)?);
            if let Some(body) = &job.body {
                call = call.json("application/json", body);
            }
            return Ok(vec![Said::alone(self.caller.send(call).await?)]);
        }
        let requests = jobs.iter().map(|job| (job.method.as_str(), job.path.as_str(), job.body.as_ref()));
        self.batch(requests).await
    }

    /// What an answer means for its write, and which requests follow from it.
    fn settle(&self, work: &mut Work, job: Job, said: &Said) -> Vec<Job> {
        match job.purpose {
            Purpose::LookAtManager(manager) => self.looked(work, job.write, manager, said),
            _ if said.is_done() => self.follow(work, job, said),
            _ => self.refused(work, job, said),
        }
    }

    /// What follows from a request that was done.
    fn follow(&self, work: &mut Work, job: Job, said: &Said) -> Vec<Job> {
        if !matches!(job.purpose, Purpose::Create) {
            work.note(job.purpose);
            return Vec::new();
        }
        let Some(id) = said.body.get("id").and_then(Value::as_str) else {
            // It is there by now: it is looked for, and linked.
            work.fail(TargetError::Weather { what: "what was created has no id".to_owned(), wait: None });
            return Vec::new();
        };
        self.remember(id);
        id.clone_into(&mut work.id);
        work.is_new = true;
        let Some(manager) = work.manager.take() else { return Vec::new() };
        let is_bound = job.body.is_some_and(|body| body.contains_key(BOUND));
        let binds = self.known().binds;
        match binds {
            Some(true) if is_bound => Vec::new(),
            None if is_bound => {
                let path = format!("/users/{}/manager?$select=id", escape(id));
                vec![self::job(job.write, Purpose::LookAtManager(manager), Method::GET, path)]
            }
            _ => vec![self.set_manager(job.write, id, manager)],
        }
    }

    /// What follows from a look at whether a user was made with a manager. A service that takes no notice of it is not asked again.
    fn looked(&self, work: &Work, write: usize, manager: String, said: &Said) -> Vec<Job> {
        let is_bound = said.is_done() && said.body.get("id").and_then(Value::as_str) == Some(&manager);
        // That the user is not known everywhere yet says nothing of the manager.
        if said.is_done() || said.status == 404 && !said.names(&work.id) {
            self.known().binds = Some(is_bound);
        }
        if is_bound { Vec::new() } else { vec![self.set_manager(write, &work.id, manager)] }
    }

    /// The request that makes a user again without the manager, when it is the manager that Graph refuses.
    fn unbound(&self, job: &mut Job, manager: Option<&str>, said: &Said) -> Option<Job> {
        if !matches!(job.purpose, Purpose::Create) || !matches!(said.status, 400 | 404) {
            return None;
        }
        let is_about_it = said.is_about("manager") || manager.is_some_and(|manager| said.names(manager));
        job.body.as_mut()?.shift_remove(BOUND).filter(|_| is_about_it)?;
        if said.is_about("manager") {
            self.known().binds = Some(false);
        }
        Some(Job {
            write: job.write,
            purpose: Purpose::Create,
            method: Method::POST,
            path: job.path.clone(),
            body: job.body.take(),
        })
    }

    /// What follows from a request that was not done.
    fn refused(&self, work: &mut Work, mut job: Job, said: &Said) -> Vec<Job> {
        if let Some(again) = self.unbound(&mut job, work.manager.as_deref(), said) {
            return vec![again];
        }
        // The object of the write itself is not there, as opposed to one that it refers to.
        let is_other = job.purpose.others().iter().any(|other| said.names(other)) || said.names("manager");
        let is_lost = said.status == 404 && (said.names(&work.id) || self.is_fresh(&work.id) && !is_other);
        let error = said.error(&work.id, right(work.kind));
        let error = if is_lost { self.soften(error, &work.id) } else { error };
        // Whatever is asked of this object would end the same way.
        let is_final = is_lost || error.is_weather() || matches!(error, TargetError::Denied { .. });
        let is_as_asked = match &job.purpose {
            Purpose::Add(_) => said.is_member_already(),
            Purpose::Remove(_) => said.is_no_member() || said.status == 404 && !is_lost,
            Purpose::ClearManager => said.status == 404 && !is_lost,
            Purpose::Delete => said.status == 404 && !error.is_weather(),
            _ => false,
        };
        match job.purpose {
            // A new user without a manager is better than one that is made twice.
            Purpose::SetManager(manager) if work.is_new => work.refused.push((manager, reason(error))),
            purpose if is_as_asked => work.note(purpose),
            Purpose::Create | Purpose::Change | Purpose::Delete | Purpose::ClearManager | Purpose::LookAtManager(_) => {
                work.fail(error);
            }
            _ if is_final => work.fail(error),
            Purpose::AddMany(members) => {
                return members.into_iter().map(|member| self.add_one(job.write, &work.id, member)).collect();
            }
            Purpose::Add(other) | Purpose::SetManager(other) | Purpose::Remove(other) => {
                match self.soften(said.error(&other, right(work.kind)), &other) {
                    error if error.is_weather() => work.fail(error),
                    error => work.refused.push((other, reason(error))),
                }
            }
        }
        Vec::new()
    }
}

fn manager_of(user: &str) -> String {
    format!("/users/{}/manager/$ref", escape(user))
}

fn job(write: usize, purpose: Purpose, method: Method, path: String) -> Job {
    Job { write, purpose, method, path, body: None }
}

fn change(write: usize, kind: Kind, id: &str, body: Object) -> Job {
    let path = format!("/{}/{}", collection(kind), escape(id));
    Job { body: Some(body), ..job(write, Purpose::Change, Method::PATCH, path) }
}
