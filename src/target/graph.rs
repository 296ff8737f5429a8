//! Microsoft Graph v1.0 as a target: users, groups and members of a Microsoft Entra tenant.
//!
//! The application signs in by client credentials, with a secret or a certificate, and needs the application permissions
//! `User.ReadWrite.All`, `Group.ReadWrite.All` and `Organization.Read.All`. Objects are listed by delta query, so that the
//! next list holds what changed; values are looked up with `$filter`; writes go in batches of 20.
//!
//! Graph is eventually consistent. What we made a moment ago may be unknown to the next request, so a 404 of such an object
//! is weather for a minute.

mod body;
mod check;
mod cloud;
mod error;
mod login;
mod query;
mod write;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderName;
use serde::Serialize;
use serde_json::{Map, Value};

use super::http::{Call, Caller, Credentials, Method, Reply, Url};
use super::{
    Abilities, Answer, Checked, Done, Found, GraphSettings, Kind, Need, Object, Page, Target, TargetError, Write,
};
use cloud::Cloud;
use error::{Responses, Said};
use query::{collection, escape, filter, found, is_gone, select_all, selected};
use write::{BATCH, right};

/// How long a new object may be unknown to Graph.
const SETTLES: Duration = Duration::from_mins(1);
/// How long it is known what a broken write of members got done: after that somebody else may have changed it.
const HALF_DONE: Duration = Duration::from_mins(5);
/// How many calls may be under way at once: throttling limits are counted for application and tenant, and more calls only
/// reach them sooner.
const CONCURRENT: usize = 4;
/// The most objects that we ask for in a page; Graph gives no more than this.
const PAGE: usize = 999;
/// The most pages of a group's members: a million of them, far above what Microsoft Entra holds.
const MEMBER_PAGES: usize = 1_002;
/// The reference whose changes lists of groups may tell.
const MEMBERS: &str = "members";
/// The most pages that are asked for two objects of the same value.
const FOUND_PAGES: usize = 10;

/// The base of [`sample`].
pub(super) const SAMPLE: &str = "https://graph.microsoft.com/v1.0";

/// Graph without a tenant, for previews.
pub(super) fn sample() -> Option<Box<dyn Target>> {
    let caller = Caller::new(SAMPLE, Credentials::None, Duration::from_secs(1)).ok()?;
    let (base, tenant) = (SAMPLE.to_owned(), String::new());
    Some(Box::new(GraphTarget { caller, base, tenant, domain: None, known: Mutex::default() }))
}

/// Microsoft Graph.
#[derive(Debug)]
pub(super) struct GraphTarget {
    caller: Caller,
    /// Up to and with `/v1.0`, without a slash at the end.
    base: String,
    tenant: String,
    /// The domain of groups' addresses.
    domain: Option<String>,
    known: Mutex<Known>,
}

/// What was learnt since the start.
#[derive(Debug, Default)]
struct Known {
    /// The verified domains; empty until the target is opened.
    domains: Vec<String>,
    /// What lists selected, by kind, for lookups that do not say.
    selected: BTreeSet<(Kind, String)>,
    /// Whether users are made with their managers (`manager@odata.bind`); `None` until one was looked at.
    binds: Option<bool>,
    /// The objects that we made within [`SETTLES`], the oldest first.
    fresh: VecDeque<(Instant, String)>,
    fresh_ids: HashSet<String>,
    /// Groups whose last write of members the weather broke off: since when, and whose membership is as asked.
    half_done: HashMap<String, (Instant, HashSet<(String, bool)>)>,
}

impl Known {
    fn settle(&mut self) {
        while let Some((made, _)) = self.fresh.front()
            && made.elapsed() >= SETTLES
        {
            if let Some((_, id)) = self.fresh.pop_front() {
                self.fresh_ids.remove(&id);
            }
        }
    }
}

impl GraphTarget {
    /// A target for these settings; paths in them are beside this directory. Nothing is sent yet.
    ///
    /// # Errors
    /// The settings name no known cloud, no credentials or two, or an address that is none; a file cannot be read.
    pub(super) fn new(settings: &GraphSettings, beside: &Path) -> Result<Self, String> {
        let cloud = Cloud::named(settings.cloud.as_deref())?;
        let base = settings.url.clone().unwrap_or_else(|| format!("{}/v1.0", cloud.graph));
        let login = settings.login_url.clone();
        let login = login.unwrap_or_else(|| format!("{}/{}/oauth2/v2.0/token", cloud.login, escape(&settings.tenant)));
        let credentials = login::credentials(settings, beside, &login, &format!("{}/.default", cloud.graph))?;
        let caller =
            Caller::new(&base, credentials, Duration::from_secs(settings.timeout))?.accepting("application/json");
        Ok(Self {
            caller,
            base: base.trim_end_matches('/').to_owned(),
            tenant: settings.tenant.clone(),
            domain: settings.group_email_domain.clone(),
            known: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // No holder of the lock leaves anything half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn domains(&self) -> Vec<String> {
        self.known().domains.clone()
    }

    /// Notes an object that we made just now.
    fn remember(&self, id: &str) {
        let mut known = self.known();
        known.settle();
        if known.fresh_ids.insert(id.to_owned()) {
            known.fresh.push_back((Instant::now(), id.to_owned()));
        }
    }

    /// Whether we made it within the last minute.
    fn is_fresh(&self, id: &str) -> bool {
        let mut known = self.known();
        known.settle();
        known.fresh_ids.contains(id)
    }

    /// Whose membership of the group a write settled before the weather broke it off, and whether they came or went.
    fn kept(&self, group: &str) -> HashSet<(String, bool)> {
        let known = self.known();
        let half_done = known.half_done.get(group).filter(|(since, _)| since.elapsed() < HALF_DONE);
        half_done.map(|(_, settled)| settled.clone()).unwrap_or_default()
    }

    /// Keeps what a write of members settled for the next one, or forgets it when the write is at its end.
    fn keep(&self, group: &str, settled: HashSet<(String, bool)>, is_half_done: bool) {
        let mut known = self.known();
        known.half_done.remove(group);
        known.half_done.retain(|_, (since, _)| since.elapsed() < HALF_DONE);
        if is_half_done && !settled.is_empty() {
            known.half_done.insert(group.to_owned(), (Instant::now(), settled));
        }
    }

    /// The error, or weather when it is that an object which we made a moment ago is not there.
    fn soften(&self, error: TargetError, id: &str) -> TargetError {
        match error {
            TargetError::Missing { .. } if self.is_fresh(id) => TargetError::Weather {
                what: format!("{id:?} was made a moment ago, and Graph does not know it everywhere yet"),
                wait: None,
            },
            error => error,
        }
    }

    /// An address below the base.
    fn url(&self, path: &str) -> Result<Url, TargetError> {
        self.link(&format!("{}{path}", self.base))
    }

    /// An address that Graph gave us. That it does not lead elsewhere is seen to where it is called.
    fn link(&self, text: &str) -> Result<Url, TargetError> {
        Url::parse(text).map_err(|error| TargetError::Protocol {
            what: format!("a link below {} is no address: {error}", self.base),
        })
    }

    /// A GET whose answer is an object.
    async fn read(
        &self,
        url: Url,
        headers: &[(&'static str, &str)],
        id: &str,
        need: &str,
    ) -> Result<Object, TargetError> {
        let mut call = Call::new(Method::GET, url);
        for (name, value) in headers {
            call = call.header(HeaderName::from_static(name), value);
        }
        let reply = self.caller.send(call).await?;
        if (200..300).contains(&reply.status) {
            return reply.object();
        }
        Err(self.soften(Said::alone(reply).error(id, need), id))
    }

    /// A batch of up to 20 requests: method, path and body. The answers in their order.
    async fn batch<'a>(
        &self,
        requests: impl Iterator<Item = (&'a str, &'a str, Option<&'a Object>)> + Send,
    ) -> Result<Vec<Said>, TargetError> {
        let entry = |(number, (method, url, body)): (usize, (&'a str, &'a str, Option<&'a Object>))| Entry {
            id: number.to_string(),
            method,
            url,
            headers: body.map(|_| Headers { content_type: "application/json" }),
            body,
        };
        let requests: Vec<Entry<'_>> = requests.enumerate().map(entry).collect();
        let count = requests.len();
        let call = Call::new(Method::POST, self.url("/$batch")?);
        let call = call.json("application/json", &Batch { requests });
        let reply = self.caller.send(call).await?;
        if !(200..300).contains(&reply.status) {
            return Err(Said::alone(reply).error("$batch", "that the requests in it need"));
        }
        answers(reply, count)
    }

    /// The tenant's verified domains, which are kept.
    async fn read_domains(&self) -> Result<Vec<String>, TargetError> {
        let url = self.url("/organization?$select=id,verifiedDomains")?;
        let organization = self.read(url, &[], "organization", "Organization.Read.All").await?;
        let domains = organization.get("value").and_then(|value| value.pointer("/0/verifiedDomains"));
        let domains = domains.and_then(Value::as_array).into_iter().flatten();
        let names = domains.filter_map(|domain| domain.get("name")?.as_str()).map(str::to_owned);
        let domains: Vec<String> = names.collect();
        self.known().domains.clone_from(&domains);
        Ok(domains)
    }

    async fn opened(&self) -> Result<Abilities, TargetError> {
        self.read_domains().await?;
        let kinds = [Kind::User, Kind::Group];
        let paths = kinds.map(|kind| format!("/{}?$select=id&$top=1", collection(kind)));
        let said = self.batch(paths.iter().map(|path| ("GET", path.as_str(), None))).await?;
        for (kind, said) in kinds.into_iter().zip(said) {
            if !said.is_done() {
                return Err(said.error(collection(kind), right(kind)));
            }
        }
        Ok(Abilities { find: true, list: true, batch: BATCH, concurrent: CONCURRENT })
    }

    /// `$select` for lookups, with the manager when lists ask for it and it can be had.
    fn wide(&self, kind: Kind, is_advanced: bool) -> String {
        let known = self.known();
        let more = known.selected.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.clone());
        let more: Vec<String> = more.collect();
        drop(known);
        let expand =
            if !is_advanced && more.iter().any(|name| name == "manager") { "&$expand=manager($select=id)" } else { "" };
        format!("$select={}{expand}", select_all(kind, &more))
    }

    async fn find_all(&self, kind: Kind, path: &str, value: &str) -> Result<Vec<Found>, TargetError> {
        let (filter, is_advanced) = filter(path, value);
        let filter = escape(&filter);
        let count = if is_advanced { "&$count=true" } else { "" };
        let headers: &[_] = if is_advanced { &[("consistencylevel", "eventual")] } else { &[] };
        // References cannot be expanded in an advanced query.
        let mut url =
            self.url(&format!("/{}?$filter={filter}{count}&{}", collection(kind), self.wide(kind, is_advanced)))?;
        let mut hits = Vec::new();
        for _ in 0..FOUND_PAGES {
            let answer = self.read(url, headers, value, right(kind)).await?;
            hits.extend(items(&answer)?.iter().filter_map(found));
            // Two are as ambiguous as more.
            match text(&answer, "@odata.nextLink") {
                Some(next) if hits.len() < 2 => url = self.link(next)?,
                _ => break,
            }
        }
        Ok(hits)
    }

    async fn get_one(&self, kind: Kind, id: &str) -> Result<Option<Found>, TargetError> {
        let url = self.url(&format!("/{}/{}?{}", collection(kind), escape(id), self.wide(kind, false)))?;
        match self.read(url, &[], id, right(kind)).await {
            Ok(object) => {
                let found = found(&Value::Object(object));
                found.map(Some).ok_or_else(|| TargetError::Protocol { what: format!("{id:?} has no id") })
            }
            Err(TargetError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn page(
        &self,
        kind: Kind,
        paths: &[String],
        delta: Option<&str>,
        next: Option<&str>,
    ) -> Result<Page, TargetError> {
        let mut names = selected(paths);
        // Lookups ask for as much, also those of a run whose list only goes on.
        self.known().selected.extend(names.iter().map(|name| (kind, name.clone())));
        // Whose members changed is said; the members themselves are read where it matters.
        names.extend(paths.iter().filter(|path| *path == MEMBERS && kind == Kind::Group).cloned());
        let url = match next.or(delta) {
            Some(link) => self.link(link)?,
            None => {
                names.insert(0, "id".to_owned());
                self.url(&format!("/{}/delta?$select={}", collection(kind), names.join(",")))?
            }
        };
        let size = format!("odata.maxpagesize={PAGE}");
        let answer = self.read(url, &[("prefer", &size)], "the list of changes", right(kind)).await?;
        let (gone, items): (Vec<&Value>, Vec<&Value>) = items(&answer)?.iter().partition(|item| is_gone(item));
        let link = |name: &str| text(&answer, name).map(str::to_owned);
        let members = items.iter().any(|item| item.get("members@delta").is_some());
        let page = Page {
            members,
            items: items.into_iter().filter_map(found).collect(),
            gone: gone.into_iter().filter_map(|item| Some(item.get("id")?.as_str()?.to_owned())).collect(),
            next: link("@odata.nextLink"),
            delta: link("@odata.deltaLink"),
        };
        if page.next.is_some() && page.next.as_deref() == next {
            return Err(TargetError::Protocol { what: "a page of the list leads to itself".to_owned() });
        }
        Ok(page)
    }

    async fn members_of(&self, group: &str) -> Result<Vec<String>, TargetError> {
        let mut url = self.url(&format!("/groups/{}/members?$select=id&$top={PAGE}", escape(group)))?;
        let mut ids = Vec::new();
        for _ in 0..MEMBER_PAGES {
            let answer = self.read(url.clone(), &[], group, right(Kind::Group)).await?;
            ids.extend(items(&answer)?.iter().filter_map(|item| Some(item.get("id")?.as_str()?.to_owned())));
            let Some(next) = text(&answer, "@odata.nextLink") else { return Ok(ids) };
            let next = self.link(next)?;
            if next == url {
                break;
            }
            url = next;
        }
        Err(TargetError::Protocol { what: format!("the pages of the members of {group:?} have no end") })
    }
}

/// The answers in the reply to a batch, by their numbers: they come in any order.
fn answers(reply: Reply, count: usize) -> Result<Vec<Said>, TargetError> {
    let reply = Arc::new(reply);
    let Responses { responses } = reply.read()?;
    if responses.is_empty() && count > 0 {
        return Err(TargetError::Protocol { what: "the reply to a batch has no answers".to_owned() });
    }
    let mut answers: Vec<Option<Said>> = (0..count).map(|_| None).collect();
    for response in responses {
        let number = match &response.id {
            Value::String(id) => id.parse::<usize>().ok(),
            Value::Number(id) => id.as_u64().and_then(|id| usize::try_from(id).ok()),
            _ => None,
        };
        if let Some(answer @ None) = number.and_then(|number| answers.get_mut(number)) {
            *answer = Said::batched(&reply, &response);
        }
    }
    // Whether it was done is not known: it is looked for before it is done again.
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Said::lost(&reply))).collect())
}

/// A batch as it is sent.
#[derive(Serialize)]
struct Batch<'b> {
    requests: Vec<Entry<'b>>,
}

/// A request of a batch.
#[derive(Serialize)]
struct Entry<'b> {
    id: String,
    method: &'b str,
    url: &'b str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'b Object>,
}

/// The headers of one that has a body.
#[derive(Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

/// The objects of a page.
fn items(answer: &Map<String, Value>) -> Result<&[Value], TargetError> {
    let items = answer.get("value").and_then(Value::as_array).map(Vec::as_slice);
    items.ok_or_else(|| TargetError::Protocol { what: "a page has no list of objects".to_owned() })
}

fn text<'a>(answer: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    answer.get(name)?.as_str()
}

impl Target for GraphTarget {
    fn name(&self) -> String {
        format!("Microsoft Graph at {}, tenant {}", self.base, self.tenant)
    }

    /// Names and addresses: `userPrincipalName`, `mail`, `displayName`, `mailNickname`.
    fn folds(&self, _kind: Kind, path: &str) -> bool {
        matches!(path, "userPrincipalName" | "mail" | "displayName" | "mailNickname")
    }

    /// Reads the verified domains, and looks whether users and groups may be read.
    fn open(&self) -> Answer<'_, Abilities> {
        Box::pin(self.opened())
    }

    fn find<'a>(&'a self, kind: Kind, path: &'a str, value: &'a str) -> Answer<'a, Vec<Found>> {
        Box::pin(self.find_all(kind, path, value))
    }

    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Option<Found>> {
        Box::pin(self.get_one(kind, id))
    }

    /// By delta query. A delta link from too long ago is [`TargetError::Missing`]: everything is to be listed again.
    fn list<'a>(
        &'a self,
        kind: Kind,
        paths: &'a [String],
        delta: Option<&'a str>,
        next: Option<&'a str>,
    ) -> Answer<'a, Page> {
        Box::pin(self.page(kind, paths, delta, next))
    }

    fn members<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(self.members_of(group))
    }

    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Result<Done, TargetError>>> {
        Box::pin(self.write_all(writes))
    }

    fn lists_members(&self) -> bool {
        true
    }

    fn takes_managers(&self) -> bool {
        true
    }

    fn is_eventual(&self) -> bool {
        true
    }

    fn open_attribute(&self) -> &'static str {
        "accountEnabled"
    }

    fn check<'a>(&'a self, needs: &'a [Need]) -> Answer<'a, Vec<Checked>> {
        Box::pin(async { Ok(self.checked(needs).await) })
    }

    fn preview(&self, write: &Write) -> Vec<Value> {
        self.previewed(write)
    }
}
