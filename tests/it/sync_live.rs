//! A server whose directory is pushed on into a Graph by itself, as the tests of direct runs and of the schedule meet it.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::graph_fake::{GraphFake, Seen};
use crate::live::until;
use crate::server::{Data, Server, USER};
use crate::support::{Scratch, provisor, stderr, stdout};

/// People of a source into Graph.
const PEOPLE: &str = r#"
name     = "onward"
resource = "User"

[source]
kind = "scim"

[target]
kind = "json"

[attributes]
userPrincipalName = { expr = '[userName]', match = 1, required = true }
displayName       = 'Coalesce([displayName], [userName])'
jobTitle          = '[title]'
accountEnabled    = { expr = '[active]', default = true }
manager           = '[urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager.value]'
"#;

const GROUPS: &str = r#"
name     = "onward-groups"
resource = "Group"

[source]
kind = "scim"

[target]
kind = "json"

[attributes]
displayName = { expr = '[displayName]', match = 1, required = true }
"#;

/// A server, the Graph that it pushes on into, and their files.
pub(crate) struct Live {
    pub(crate) graph: GraphFake,
    server: Option<Server>,
    files: Scratch,
    data: Data,
}

impl Live {
    /// A source with what `prepare` puts there, and then a sync with these settings more.
    pub(crate) fn start(name: &str, more: &str, prepare: impl FnOnce(&Server)) -> Self {
        let (graph, files, data) = (GraphFake::start(), Scratch::new(&format!("live-{name}")), Data::new());
        files.write("people.toml", PEOPLE);
        files.write("groups.toml", GROUPS);
        let server = Server::start(&data.0);
        prepare(&server);
        server.kill();
        let mut live = Self { graph, server: None, files, data };
        live.save(more);
        live
    }

    /// Writes the configuration and starts the server anew, as one saves it.
    pub(crate) fn save(&mut self, more: &str) {
        self.stop();
        let target = self.graph.settings(&self.files);
        let text = format!(
            "[[sync]]\nname = \"onward\"\nsource = \"default\"\nusers = {{ mapping = \"people.toml\" }}\n\
             groups = {{ mapping = \"groups.toml\" }}\nweather = {{ wait = 5, attempts = 4 }}\n{more}\n[sync.target]\n\
             kind = \"graph\"\ntenant = {:?}\nclient_id = {:?}\nclient_secret = {{ file = \"client-secret\" }}\n\
             url = {:?}\nlogin_url = {:?}\ntimeout = 10\n",
            target.tenant,
            target.client_id,
            target.url.unwrap(),
            target.login_url.unwrap(),
        );
        let config = self.files.write("provisor.toml", text);
        self.server = Some(Server::start_by(&self.data.0, &["--config", &config], &[]));
    }

    /// Ends the process without a word.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// The mapping of users, to be broken.
    pub(crate) fn map_people(&self, change: impl FnOnce(&str) -> String) {
        fs::write(Path::new(&self.files.path("people.toml")), change(PEOPLE)).unwrap();
    }

    /// The command over the same data, while no server runs.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let (what, rest) = arguments.split_first().unwrap();
        let config = self.files.path("provisor.toml");
        let mut command = provisor();
        command.args(["sync", what, "onward", "--config", &config, "--data"]).arg(&self.data.0).args(rest);
        let output = command.output().unwrap();
        format!("{}{}", stdout(&output), stderr(&output))
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        self.server().api("GET", "/syncs/onward", &[], "").json()
    }

    /// A full run that somebody asks for.
    pub(crate) fn run(&self) -> Value {
        self.server().api("POST", "/syncs/onward/run", &[], "{\"wait\": true}").json()
    }

    /// Waits until nothing is left to do: a plan is empty, and no run is under way.
    pub(crate) fn quiet(&self) {
        until(&format!("nothing left to do: {}", self.status()), || {
            let plan = self.server().api("POST", "/syncs/onward/plan", &[], "").json();
            let idle = self.status()["runningUntil"].is_null();
            (idle && plan["actions"] == json!([])).then_some(())
        });
    }

    /// What an act at the source writes into the Graph: method and path, once all is quiet.
    pub(crate) fn writes(&self, act: impl FnOnce(&Server)) -> Vec<Seen> {
        self.quiet();
        self.graph.forget_requests();
        self.act(act);
        let write = |seen: &Seen| seen.method != "GET" && seen.path != "/$batch" && seen.path != "/token";
        self.graph.requests().into_iter().filter(write).collect()
    }

    /// Does something at the source, and waits until the direct run is over that it makes.
    pub(crate) fn act(&self, act: impl FnOnce(&Server)) {
        let before = self.runs("direct");
        act(self.server());
        until("a direct run", || (self.runs("direct") > before).then_some(()));
        self.quiet();
    }

    /// Waits for the full run of this number to be over, and all that follows from it stored.
    pub(crate) fn full(&self, number: u64) {
        until(&format!("the full run {number}: {}", self.status()), || {
            // Of one look: between two, a run ends, and seems over by the time that the next one was due before it.
            let status = self.status();
            let (next, ended) = (status["nextFull"].as_u64()?, status["runs"][0]["ended"].as_u64()?);
            (last(&status, "full") == number && next > ended).then_some(())
        });
    }

    /// Waits until the sync is looked after, and is not to run at once.
    pub(crate) fn rests(&self) {
        let next = until("when it runs next", || self.status()["nextFull"].as_u64());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(u128::from(next) > now.as_millis(), "it runs at once: {}", self.status());
    }

    /// The number of the last run of a kind, of the last ten; 0 for none.
    pub(crate) fn runs(&self, kind: &str) -> u64 {
        last(&self.status(), kind)
    }

    /// The id in the Graph of a user.
    pub(crate) fn id(&self, name: &str) -> String {
        let user = self.graph.user(&upn(name)).unwrap_or_else(|| panic!("the Graph has no {name}"));
        user["id"].as_str().unwrap().to_owned()
    }

    /// The members in the Graph of a group, by name.
    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let Some(group) = self.graph.group(group) else { return Vec::new() };
        let members = self.graph.members(group["id"].as_str().unwrap());
        let of = |id: &String| self.graph.users().into_iter().find(|user| user["id"] == id.as_str());
        let mut names: Vec<String> =
            members.iter().map(|id| of(id).unwrap()["userPrincipalName"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

/// The name in the Graph.
pub(crate) fn upn(name: &str) -> String {
    format!("{name}@contoso.com")
}

/// Puts a user into the source; the id there.
pub(crate) fn put(server: &Server, name: &str, more: &Value) -> String {
    let mut user = json!({"schemas": [USER], "userName": upn(name), "displayName": name, "active": true});
    user.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let reply = server.scim("POST", "/Users", Some(&user));
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// Puts users into a group of the source, or takes them out.
pub(crate) fn join(server: &Server, group: &str, users: &[&String]) {
    let values: Vec<Value> = users.iter().map(|id| json!({"value": id})).collect();
    let reply = server.patch(&format!("/Groups/{group}"), json!([{"op": "add", "path": "members", "value": values}]));
    assert!(reply.status < 300, "{}", reply.text());
}

pub(crate) fn leave(server: &Server, group: &str, user: &str) {
    let path = format!("members[value eq \"{user}\"]");
    let reply = server.patch(&format!("/Groups/{group}"), json!([{"op": "remove", "path": path}]));
    assert!(reply.status < 300, "{}", reply.text());
}

/// Changes a user of the source.
pub(crate) fn retitle(server: &Server, user: &str, title: &str) {
    let reply = server.patch(&format!("/Users/{user}"), json!([{"op": "replace", "path": "title", "value": title}]));
    assert!(reply.status < 300, "{}", reply.text());
}

/// The number of the last run of a kind, of those that a status tells; 0 for none.
fn last(status: &Value, kind: &str) -> u64 {
    let runs = status["runs"].as_array().into_iter().flatten();
    runs.filter(|run| run["kind"] == kind).filter_map(|run| run["number"].as_u64()).max().unwrap_or(0)
}
