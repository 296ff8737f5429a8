//! What the tests of the sync share: records and mappings in a directory of the test's own, a store, a sync over them in this
//! process or by the command, and a SCIM target that is a second server behind a proxy, which counts, drops and refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use provisor::clock::{Clock, SystemClock};
use provisor::directory::Directory;
use provisor::store::{Options, SledStore};
use provisor::sync::{Ended, Plan, PlanError, Report, RunOptions, Sync, SyncError, SyncSettings};
use provisor::target::Kind;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::graph_fake::GraphFake;
use crate::server::{Data, SCIM, Server};
use crate::support::{Scratch, code, stderr, stdout};
use crate::target_web::{Answer, Request, Web};

/// A mapping of people for SCIM targets.
pub(crate) const USERS: &str = r#"
name = "people"
resource = "User"
[source]
attributes = ["id", "userName", "givenName", "familyName", "mail", "title", "active", "team", "boss"]
[attributes]
externalId = { expr = '[id]', match = 1 }
userName = { expr = '[userName]', match = 2, required = true }
'name.givenName' = '[givenName]'
'name.familyName' = '[familyName]'
'emails[type eq "work"].value' = '[mail]'
title = '[title]'
active = { expr = '[active]', default = true }
'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value' = '[boss]'
"#;

/// A mapping of groups, for every target.
pub(crate) const GROUPS: &str = r#"
name = "teams"
resource = "Group"
[source]
attributes = ["id", "displayName", "members"]
[attributes]
displayName = { expr = '[displayName]', match = 1, required = true }
"#;

/// A mapping of people for Graph.
pub(crate) const GRAPH_USERS: &str = r#"
name = "people-graph"
resource = "User"
[source]
attributes = ["id", "userName", "givenName", "familyName", "mail", "title", "active", "team", "boss"]
[target]
kind = "json"
[attributes]
userPrincipalName = { expr = '[userName]', match = 1, required = true }
displayName = 'Join(" ", [givenName], [familyName])'
givenName = '[givenName]'
surname = '[familyName]'
jobTitle = '[title]'
accountEnabled = { expr = '[active]', default = true }
manager = '[boss]'
"#;

/// A person, as records of the tests have them.
pub(crate) fn person(number: usize) -> Value {
    json!({"id": format!("r{number}"), "userName": format!("user{number}@contoso.com"), "givenName": format!("Given{number}"),
        "familyName": "Family", "mail": format!("user{number}@contoso.com"), "title": "Engineer", "active": true})
}

pub(crate) fn people(numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
    numbers.into_iter().map(person).collect()
}

pub(crate) fn team(id: &str, name: &str, members: &[&str]) -> Value {
    json!({"id": id, "displayName": name, "members": members})
}

/// What goes wrong with a request to the SCIM target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hit {
    /// This status, with `Retry-After` when there is one; nothing is done.
    Status(u16, Option<u64>),
    /// Nothing is done, and the connection ends.
    Drop,
    /// It is done, and the connection ends before the answer.
    DropAfter,
}

type Weather = Box<dyn FnMut(&Request) -> Option<Hit> + Send>;

/// A server that is provisioned, behind a proxy.
pub(crate) struct Far {
    pub(crate) server: Arc<Server>,
    web: Web,
    weather: Arc<Mutex<Weather>>,
    _data: Data,
}

impl Far {
    pub(crate) fn start() -> Self {
        let data = Data::new();
        let server = Arc::new(Server::start(&data.0));
        let weather: Arc<Mutex<Weather>> = Arc::new(Mutex::new(Box::new(|_| None)));
        let (behind, bad) = (Arc::clone(&server), Arc::clone(&weather));
        let web = Web::new(move |request| {
            let hit = bad.lock().unwrap()(request);
            let gone = || Answer(0, Vec::new(), String::new());
            match hit {
                Some(Hit::Status(status, wait)) => {
                    let Answer(status, mut headers, body) = Answer::error(status, "", "so the test wants it");
                    headers.extend(wait.map(|wait| ("Retry-After", wait.to_string())));
                    return Answer(status, headers, body);
                }
                Some(Hit::Drop) => return gone(),
                _ => {}
            }
            let token = request.head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
            let token = token.and_then(|line| line.split_once(": ")).map_or("", |(_, token)| token.trim_end());
            let headers = [("Authorization", token), ("Content-Type", "application/scim+json")];
            let reply = behind.send(&request.method, &request.target, &headers, request.body.as_bytes());
            match hit {
                Some(Hit::DropAfter) => gone(),
                _ => Answer(reply.status, vec![("Content-Type", "application/scim+json".into())], reply.text()),
            }
        });
        Self { server, web, weather, _data: data }
    }

    /// From now on it is asked what goes wrong with each request.
    pub(crate) fn weather(&self, plan: impl FnMut(&Request) -> Option<Hit> + Send + 'static) {
        *self.weather.lock().unwrap() = Box::new(plan);
    }

    pub(crate) fn heal(&self) {
        self.weather(|_| None);
    }

    /// The settings of the target.
    pub(crate) fn settings(&self, scratch: &Scratch) -> Value {
        scratch.write("token", SCIM);
        json!({"kind": "scim", "url": format!("{}/scim/default/v2", self.web.url()), "token": {"file": "token"}, "timeout": 10})
    }

    /// The requests since the last call: method, path below the base, body; those of a bulk request one by one.
    pub(crate) fn requests(&self) -> Vec<(String, String, Value)> {
        let mut all = Vec::new();
        for request in self.web.requests() {
            let path = request.path().strip_prefix("/scim/default/v2").unwrap_or_default().to_owned();
            let body = request.json();
            match body["Operations"].as_array().filter(|_| path == "/Bulk") {
                Some(operations) => all.extend(operations.iter().map(|one| {
                    let text = |name: &str| one[name].as_str().unwrap().to_owned();
                    (text("method"), text("path"), one["data"].clone())
                })),
                None => all.push((request.method.clone(), path, body)),
            }
        }
        all
    }

    /// The requests that write, since the last call.
    pub(crate) fn writes(&self) -> Vec<(String, String, Value)> {
        self.requests().into_iter().filter(|(method, _, _)| method != "GET").collect()
    }

    /// HTTP requests since the last call, bulk ones counted once.
    pub(crate) fn calls(&self) -> usize {
        self.web.requests().len()
    }

    fn all(&self, endpoint: &str, name: &str) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let mut start = 1;
        loop {
            let page = self.server.scim("GET", &format!("/{endpoint}?startIndex={start}&count=200"), None).json();
            let items = page["Resources"].as_array().cloned().unwrap_or_default();
            start += items.len();
            for item in &items {
                let old = all.insert(item[name].as_str().unwrap().to_owned(), item.clone());
                assert!(old.is_none(), "twice: {item}");
            }
            if items.is_empty() || start > usize::try_from(page["totalResults"].as_u64().unwrap()).unwrap() {
                return all;
            }
        }
    }

    /// All users, by name; each is there once.
    pub(crate) fn users(&self) -> BTreeMap<String, Value> {
        self.all("Users", "userName")
    }

    /// All groups, by name; each is there once.
    pub(crate) fn groups(&self) -> BTreeMap<String, Value> {
        self.all("Groups", "displayName")
    }

    pub(crate) fn user(&self, name: &str) -> Value {
        self.users().remove(name).unwrap_or(Value::Null)
    }

    /// The names of a group's members, sorted.
    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let of = |id: &Value| id.as_str().unwrap_or_default().to_owned();
        let named = |all: BTreeMap<String, Value>| all.into_iter().map(move |(name, item)| (of(&item["id"]), name));
        let names: BTreeMap<String, String> = named(self.users()).chain(named(self.groups())).collect();
        let id = of(&self.groups()[group]["id"]);
        let mut members: Vec<String> = self.server.members(&id).iter().map(|id| names[id].clone()).collect();
        members.sort();
        members
    }
}

/// Records, mappings, a store, and the sync over them.
pub(crate) struct World {
    pub(crate) scratch: Scratch,
    pub(crate) settings: Value,
    pub(crate) clock: Arc<dyn Clock>,
    data: PathBuf,
    store: Option<Directory>,
    runtime: Runtime,
}

impl World {
    /// Users and groups of files, into this target.
    pub(crate) fn new(name: &str, target: impl FnOnce(&Scratch) -> Value) -> Self {
        let scratch = Scratch::new(&format!("sync-{name}"));
        scratch.write("users.toml", USERS);
        scratch.write("groups.toml", GROUPS);
        scratch.write("users.jsonl", "");
        scratch.write("groups.jsonl", "");
        let target = target(&scratch);
        let settings = json!({
            "name": "onward",
            "users": {"mapping": "users.toml", "file": "users.jsonl"},
            "groups": {"mapping": "groups.toml", "file": "groups.jsonl"},
            "weather": {"wait": 5, "longest": 1, "attempts": 6},
            "target": target,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let data = Path::new(&scratch.path("data")).to_path_buf();
        Self { scratch, settings, clock: Arc::new(SystemClock), data, store: None, runtime }
    }

    /// Into a server of its own.
    pub(crate) fn to_scim(name: &str) -> (Self, Far) {
        let far = Far::start();
        (Self::new(name, |scratch| far.settings(scratch)), far)
    }

    /// Into a Graph of its own.
    pub(crate) fn to_graph(name: &str) -> (Self, GraphFake) {
        let graph = GraphFake::start();
        let world = Self::new(name, |scratch| {
            let mut settings = serde_json::to_value(graph.settings(scratch)).unwrap();
            settings["kind"] = "graph".into();
            settings
        });
        world.scratch.write("users.toml", GRAPH_USERS);
        (world, graph)
    }

    /// Into a file.
    pub(crate) fn to_file(name: &str) -> Self {
        Self::new(name, |_| json!({"kind": "file", "path": "out.jsonl"}))
    }

    pub(crate) fn set_users(&self, users: &[Value]) {
        self.scratch.write("users.jsonl", lines(users));
    }

    pub(crate) fn set_groups(&self, groups: &[Value]) {
        self.scratch.write("groups.jsonl", lines(groups));
    }

    pub(crate) fn beside(&self) -> PathBuf {
        Path::new(&self.scratch.path(".")).to_path_buf()
    }

    fn directory(&mut self) -> Directory {
        let path = self.data.clone();
        let clock = Arc::clone(&self.clock);
        let open = || Directory::new(Arc::new(SledStore::open(&path, Options::default()).unwrap()), clock);
        self.store.get_or_insert_with(open).clone()
    }

    /// Uses the data directory of a server.
    pub(crate) fn set_data(&mut self, data: &Path) {
        self.data = data.to_path_buf();
    }

    /// Closes the store, as the end of the process does.
    pub(crate) fn restart(&mut self) {
        self.store = None;
    }

    /// The sync as it is configured now.
    pub(crate) fn sync(&mut self) -> Sync {
        let settings: SyncSettings = serde_json::from_value(self.settings.clone()).unwrap();
        settings.check().unwrap();
        let target = provisor::target::open(&settings.target, &self.beside()).unwrap();
        Sync::new(settings, self.beside(), self.directory(), None, target, Arc::clone(&self.clock))
    }

    pub(crate) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(work)
    }

    pub(crate) fn try_run(&mut self, options: &RunOptions) -> Result<Report, SyncError> {
        let sync = self.sync();
        self.wait(sync.run(options))
    }

    pub(crate) fn run(&mut self) -> Report {
        self.try_run(&RunOptions::default()).unwrap()
    }

    /// A run that must end well, with nothing refused.
    pub(crate) fn good(&mut self) -> Report {
        let report = self.run();
        assert_eq!((report.outcome, report.counts.failed), (Ended::Complete, 0), "{report:#?}");
        report
    }

    pub(crate) fn one(&mut self, kind: Kind, id: &str) -> Report {
        let options =
            RunOptions { only: Some(vec![(kind, id.to_owned())]), kind: Some("object"), ..RunOptions::default() };
        self.try_run(&options).unwrap()
    }

    pub(crate) fn plan(&mut self) -> Result<Plan, PlanError> {
        let sync = self.sync();
        self.wait(sync.plan())
    }

    /// The command, over this configuration: its code and what it said.
    pub(crate) fn command(&mut self, arguments: &[&str]) -> (i32, String) {
        let output = self.start(arguments).wait_with_output().unwrap();
        (code(&output), format!("{}{}", stdout(&output), stderr(&output)))
    }

    /// Writes the configuration, and gives its path.
    pub(crate) fn configured(&self) -> String {
        self.scratch.write("provisor.toml", format!("sync = [{}]\n", inline(&self.settings)))
    }

    /// A server that looks after the sync, over this data.
    pub(crate) fn serve(&mut self) -> Server {
        self.restart();
        Server::start_by(&self.data, &["--config", &self.configured()], &[])
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The command, started.
    pub(crate) fn start(&mut self, arguments: &[&str]) -> std::process::Child {
        self.prepare(arguments).spawn().unwrap()
    }

    /// The command, to be started.
    pub(crate) fn prepare(&mut self, arguments: &[&str]) -> std::process::Command {
        self.restart();
        let config = self.configured();
        let (what, rest) = arguments.split_first().unwrap();
        let mut command = crate::support::provisor();
        command.args(["sync", what, "onward", "--config", &config, "--data"]).arg(&self.data).args(rest);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    }
}

pub(crate) fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

/// A value as TOML has it in one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<String> = known.map(|(key, value)| format!("{key:?} = {}", inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}
