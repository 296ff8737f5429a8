//! Microsoft Graph as a target, against the fake: what is asked and in how many requests, what each refusal means, and that
//! no secret is told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use provisor::target::{
    Difference, Done, Found, GraphSettings, Kind, Object, Page, Target, TargetError, TargetSettings, Write, open,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::graph_fake::{Fault, GraphFake, SECRET, Seen};
use crate::support::{Scratch, root};

/// A fake, a target of it, and the runtime that the target's connections live in.
struct Bench {
    graph: GraphFake,
    target: Box<dyn Target>,
    runtime: Runtime,
    _scratch: Scratch,
}

type Outcome = Result<Done, TargetError>;
type Fits = fn(&TargetError) -> bool;

impl Bench {
    fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    fn with(name: &str, settle: impl FnOnce(&mut GraphSettings)) -> Self {
        let graph = GraphFake::start();
        let scratch = Scratch::new(&format!("graph-{name}"));
        let mut settings = graph.settings(&scratch);
        settle(&mut settings);
        let target = open(&TargetSettings::Graph(settings), root()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { graph, target, runtime, _scratch: scratch }
    }

    /// With the target opened, and the log of requests empty.
    fn opened(name: &str) -> Self {
        let bench = Self::new(name);
        bench.open().unwrap();
        bench.graph.forget_requests();
        bench
    }

    fn open(&self) -> Result<provisor::target::Abilities, TargetError> {
        self.runtime.block_on(self.target.open())
    }

    fn find(&self, kind: Kind, path: &str, value: &str) -> Vec<Found> {
        self.runtime.block_on(self.target.find(kind, path, value)).unwrap()
    }

    fn get(&self, kind: Kind, id: &str) -> Result<Option<Found>, TargetError> {
        self.runtime.block_on(self.target.get(kind, id))
    }

    fn list(&self, kind: Kind, paths: &[&str], delta: Option<&str>, next: Option<&str>) -> Result<Page, TargetError> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.runtime.block_on(self.target.list(kind, &paths, delta, next))
    }

    /// All pages: the objects, who is gone, and the delta link.
    fn all(&self, kind: Kind, paths: &[&str], delta: Option<&str>) -> (Vec<Found>, Vec<String>, String) {
        let mut page = self.list(kind, paths, delta, None).unwrap();
        let (mut items, mut gone) = (page.items, page.gone);
        while let Some(next) = page.next {
            page = self.list(kind, paths, delta, Some(&next)).unwrap();
            items.append(&mut page.items);
            gone.append(&mut page.gone);
        }
        (items, gone, page.delta.unwrap())
    }

    fn write_all(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, TargetError> {
        self.runtime.block_on(self.target.write(writes))
    }

    fn write(&self, write: Write) -> Outcome {
        self.write_all(vec![write]).and_then(|mut outcomes| outcomes.remove(0))
    }

    fn created(&self, kind: Kind, payload: Value) -> String {
        self.write(create(kind, payload)).unwrap().id
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is mostly made on the spot")]
fn create(kind: Kind, payload: Value) -> Write {
    Write::Create { kind, payload: payload.as_object().unwrap().clone() }
}

fn person(number: usize) -> Value {
    json!({"userPrincipalName": format!("user{number}@contoso.com"), "displayName": format!("User {number}")})
}

fn update(kind: Kind, id: &str, changes: &[(&str, Value)]) -> Write {
    let change = |(path, new): &(&str, Value)| Difference { path: (*path).into(), old: Value::Null, new: new.clone() };
    Write::Update { kind, id: id.into(), changes: changes.iter().map(change).collect(), payload: Object::new() }
}

fn members(id: &str, add: &[String], remove: &[String]) -> Write {
    Write::Members { id: id.into(), add: add.to_vec(), remove: remove.to_vec() }
}

fn people(graph: &GraphFake, count: usize) -> Vec<String> {
    (0..count).map(|number| graph.put_user(person(number))).collect()
}

fn is_weather(outcome: &Outcome) -> bool {
    outcome.as_ref().is_err_and(TargetError::is_weather)
}

#[test]
fn opening_reads_the_domains_and_names_the_right_that_is_missing() {
    let bench = Bench::new("open");
    let abilities = bench.open().unwrap();
    assert!(abilities.find && abilities.list && abilities.batch == 20);
    assert!(bench.target.name().contains("contoso.onmicrosoft.com"));
    for right in ["User.ReadWrite.All", "Group.ReadWrite.All", "Organization.Read.All"] {
        let bench = Bench::new(&format!("open-{right}"));
        bench.graph.revoke(right);
        let Err(TargetError::Denied { what }) = bench.open() else { panic!("{right} is missing") };
        assert!(what.contains(right) && what.contains("Authorization_RequestDenied"), "{what}");
    }
}

#[test]
fn a_name_outside_the_verified_domains_is_not_sent() {
    let bench = Bench::opened("domains");
    let write = create(Kind::User, json!({"userPrincipalName": "ada@fabrikam.com", "displayName": "Ada"}));
    let Err(TargetError::Rejected { what, .. }) = bench.write(write) else { panic!() };
    assert!(what.contains("\"fabrikam.com\"") && what.contains("contoso.com, contoso.onmicrosoft.com"), "{what}");
    let id = bench.graph.put_user(person(1));
    assert!(bench.write(update(Kind::User, &id, &[("userPrincipalName", json!("a@b.c"))])).is_err());
    assert_eq!(bench.graph.requests().len(), 0);
    // Case is all one.
    bench.created(Kind::User, json!({"userPrincipalName": "ada@CONTOSO.com", "displayName": "Ada"}));
}

#[test]
fn every_page_of_2500_users_is_fetched_once() {
    let bench = Bench::opened("pages");
    let ids = people(&bench.graph, 2_500);
    let (found, gone, delta) =
        bench.all(Kind::User, &["displayName", "userPrincipalName", "passwordProfile.password"], None);
    assert_eq!(found.iter().map(|found| found.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(gone, Vec::<String>::new());
    assert_eq!(bench.graph.count("GET /users/delta"), 3);
    assert_eq!(json!(found[7].attributes), json!({"displayName": "User 7", "userPrincipalName": "user7@contoso.com"}));
    let first = &bench.graph.requests()[0];
    assert_eq!(first.query, [("$select".to_owned(), "id,displayName,userPrincipalName".to_owned())]);

    // Nothing happened: one request, nothing in it.
    let (none, _, delta) = bench.all(Kind::User, &[], Some(&delta));
    assert!(none.is_empty() && bench.graph.count("GET /users/delta") == 4);
    // A2: what others did is told, and only that.
    bench.graph.change(&ids[3], json!({"displayName": "Changed"}));
    bench.graph.delete(&ids[4]);
    let (changed, gone, _) = bench.all(Kind::User, &[], Some(&delta));
    assert_eq!((changed.len(), changed[0].attributes["displayName"].clone()), (1, json!("Changed")));
    assert_eq!(gone, [ids[4].clone()]);
}

#[test]
fn a_list_of_changes_from_too_long_ago_is_missing() {
    let bench = Bench::opened("old-delta");
    people(&bench.graph, 1);
    let (_, _, delta) = bench.all(Kind::User, &["mail"], None);
    bench.graph.forget_changes();
    assert!(matches!(bench.list(Kind::User, &["mail"], Some(&delta), None), Err(TargetError::Missing { .. })));
    assert_eq!(bench.all(Kind::User, &["mail"], None).0.len(), 1);
}

#[test]
fn pages_that_lead_elsewhere_or_to_themselves_are_refused() {
    let bench = Bench::opened("loops");
    let own = format!("{}/users/delta?$skiptoken=1", bench.graph.url());
    for (link, said) in
        [("https://elsewhere.example/v1.0/users".to_owned(), "elsewhere.example"), (own.clone(), "itself")]
    {
        let page = json!({"value": [], "@odata.nextLink": link});
        bench.graph.fail_always("GET /users/delta", Fault::Answer(200, page));
        let error = bench.list(Kind::User, &["mail"], None, Some(&own));
        let error = error.and_then(|page| bench.list(Kind::User, &["mail"], None, page.next.as_deref()));
        assert!(matches!(&error, Err(TargetError::Protocol { what }) if what.contains(said)), "{error:?}");
        bench.graph.heal();
    }
    let group = bench.graph.put_group(json!({"displayName": "G"}));
    let link = format!("{}/groups/{group}/members?$select=id&$top=999", bench.graph.url());
    bench
        .graph
        .fail_always("GET /groups/{}/members", Fault::Answer(200, json!({"value": [], "@odata.nextLink": link})));
    assert!(bench.runtime.block_on(bench.target.members(&group)).is_err());
}

#[test]
fn matching() {
    let bench = Bench::opened("matching");
    let put = |name: &str, mail: Value| {
        let user = json!({"userPrincipalName": format!("{name}@contoso.com"), "displayName": "Twin", "mail": mail});
        bench.graph.put_user(user)
    };
    let ada = put("ada", json!("Ada@Contoso.com"));
    let none = put("null", Value::Null);
    let irish = put("irish", json!("miles.o'brien@contoso.com"));
    let twins = [put("twin1", json!("twin@contoso.com")), put("twin2", json!("twin@contoso.com"))];
    bench.graph.change(&none, json!({"proxyAddresses": ["SMTP:null@contoso.com"], "mobilePhone": "+41 79 000 00 00"}));
    let ids = |kind, path: &str, value: &str| -> Vec<String> {
        bench.find(kind, path, value).into_iter().map(|found| found.id).collect()
    };
    let cases: &[(&str, &str, &[&String])] = &[
        ("mail", "ada@contoso.com", &[&ada]),
        ("mail", "ADA@CONTOSO.COM", &[&ada]),
        ("mail", "miles.o'brien@contoso.com", &[&irish]),
        ("mail", "null@contoso.com", &[]),
        ("proxyAddresses", "smtp:null@contoso.com", &[&none]),
        ("mail", "twin@contoso.com", &[&twins[0], &twins[1]]),
        ("mail", "nobody' or mail ne 'x", &[]),
        ("userPrincipalName", "NULL@contoso.com", &[&none]),
        ("mobilePhone", "+41 79 000 00 00", &[&none]),
    ];
    for (path, value, expected) in cases {
        assert_eq!(ids(Kind::User, path, value).iter().collect::<Vec<_>>(), *expected, "{path} {value}");
    }
    let advanced = |seen: &&Seen| seen.headers.contains(&("consistencylevel".to_owned(), "eventual".to_owned()));
    assert_eq!(bench.graph.requests().iter().filter(advanced).count(), 1, "only where Graph asks for it");
    assert_eq!(bench.find(Kind::User, "mail", "ada@contoso.com")[0].attributes["mail"], "Ada@Contoso.com");
    let groups = [(); 2].map(|()| bench.graph.put_group(json!({"displayName": "Sales"})));
    assert_eq!(ids(Kind::Group, "displayName", "sales"), groups);
    for path in ["userPrincipalName", "mail", "displayName", "mailNickname"] {
        assert!(bench.target.folds(Kind::User, path));
    }
    assert!(!bench.target.folds(Kind::User, "employeeId"));
}

#[test]
fn what_others_deleted_is_missing() {
    let bench = Bench::opened("gone");
    let id = people(&bench.graph, 1).remove(0);
    assert!(bench.get(Kind::User, &id).unwrap().is_some());
    bench.graph.delete(&id);
    assert_eq!(bench.get(Kind::User, &id), Ok(None));
    let missing = Err(TargetError::Missing { id: id.clone() });
    assert_eq!(bench.write(update(Kind::User, &id, &[("city", json!("Bern"))])), missing);
    assert_eq!(bench.write(Write::Disable { kind: Kind::User, id: id.clone() }), missing);
    assert_eq!(bench.write(members(&id, &["x".into()], &["y".into()])), missing);
    // It is as asked.
    assert!(bench.write(Write::Delete { kind: Kind::User, id }).is_ok());
}

#[test]
fn new_users_and_groups_get_what_graph_asks_for() {
    let bench = Bench::opened("create");
    let id = bench.created(
        Kind::User,
        json!({
            "userPrincipalName": "zoe.o@contoso.com", "displayName": "Zoë O", "city": "", "jobTitle": null,
            "employeeOrgData": {"division": "North"},
        }),
    );
    let user = bench.graph.user("zoe.o@contoso.com").unwrap();
    assert_eq!(user["id"], id.as_str());
    let password = user["passwordProfile"]["password"].as_str().unwrap().to_owned();
    assert_eq!((password.len(), &user["passwordProfile"]["forceChangePasswordNextSignIn"]), (24, &json!(true)));
    assert_eq!((&user["accountEnabled"], &user["mailNickname"]), (&json!(true), &json!("zoe.o")));
    assert!(!user.contains_key("city") && user["employeeOrgData"]["division"] == "North");

    let given = json!({"userPrincipalName": "b@contoso.com", "displayName": "B", "accountEnabled": false, "mailNickname": "bb",
        "passwordProfile": {"password": "Given-by-the-mapping-1", "forceChangePasswordNextSignIn": false}});
    bench.created(Kind::User, given.clone());
    let user = bench.graph.user("b@contoso.com").unwrap();
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(&user[name], value);
    }

    bench.created(Kind::Group, json!({"displayName": "Vertrieb & Söhne"}));
    let group = bench.graph.group("Vertrieb & Söhne").unwrap();
    assert_eq!(group["mailNickname"], "vertrieb-sohne");
    assert_eq!((&group["mailEnabled"], &group["securityEnabled"]), (&json!(false), &json!(true)));
    bench.created(
        Kind::Group,
        json!({"displayName": "M365", "groupTypes": ["Unified"], "mail": "team.one@contoso.com"}),
    );
    let group = bench.graph.group("M365").unwrap();
    assert_eq!((&group["mailEnabled"], &group["mailNickname"]), (&json!(true), &json!("team.one")));
    assert!(!group.contains_key("mail"), "Graph makes it");
}

#[test]
fn a_groups_address_is_of_the_configured_domain() {
    let bench = Bench::with("group-domain", |settings| settings.group_email_domain = Some("contoso.com".into()));
    let group = |mail: &str| create(Kind::Group, json!({"displayName": "Sales", "mail": mail}));
    assert!(
        matches!(bench.write(group("sales@fabrikam.com")), Err(TargetError::Rejected { what, .. }) if what.contains("fabrikam.com"))
    );
    bench.write(group("field.sales@Contoso.com")).unwrap();
    assert_eq!(bench.graph.group("Sales").unwrap()["mailNickname"], "field.sales");
}

#[test]
fn passwords_are_told_to_nobody() {
    let bench = Bench::opened("password");
    let mut payload = person(1);
    payload["passwordProfile"] = json!({"password": "Given-by-the-mapping-1"});
    for write in [create(Kind::User, payload.clone()), create(Kind::User, person(1))] {
        let shown = bench.target.preview(&write);
        assert_eq!(shown[0]["body"]["passwordProfile"]["password"], "[not shown]");
        assert_eq!(
            (&shown[0]["method"], &shown[0]["url"]),
            (&json!("POST"), &json!(format!("{}/users", bench.graph.url())))
        );
    }
    // Even when Graph repeats it.
    let body =
        json!({"error": {"code": "Request_BadRequest", "message": "The password Given-by-the-mapping-1 is weak."}});
    bench.graph.fail_always("POST /users", Fault::Answer(400, body));
    let outcome = bench.write(create(Kind::User, payload));
    assert!(format!("{outcome:?}").contains("The password [secret] is weak"), "{outcome:?}");
    let bench = Bench::new("secret-repeated");
    let body =
        json!({"error": "invalid_client", "error_description": format!("{SECRET} is no secret of this application")});
    bench.graph.fail_always("POST /token", Fault::Answer(401, body));
    let outcome = format!("{:?} {}", bench.open(), bench.target.name());
    assert!(outcome.contains("[secret] is no secret") && !outcome.contains(SECRET), "{outcome}");
}

#[test]
fn previews_show_method_address_and_body() {
    let bench = Bench::opened("preview");
    let url = |path: &str| format!("{}{path}", bench.graph.url());
    let ids: Vec<String> = (0..21).map(|number| format!("m{number}")).collect();
    let shown = bench.target.preview(&members("g 1", &ids, &["r/1".into()]));
    let lines: Vec<(&str, &str)> =
        shown.iter().map(|line| (line["method"].as_str().unwrap(), line["url"].as_str().unwrap())).collect();
    let expected = [url("/groups/g%201/members/r%2F1/$ref"), url("/groups/g%201"), url("/groups/g%201/members/$ref")];
    assert_eq!(lines, [("DELETE", expected[0].as_str()), ("PATCH", &expected[1]), ("POST", &expected[2])]);
    assert_eq!(shown[1]["body"]["members@odata.bind"][19], url("/directoryObjects/m19"));
    let mut payload = person(1);
    payload["manager"] = json!("boss");
    let shown = bench.target.preview(&create(Kind::User, payload));
    assert_eq!((shown.len(), &shown[0]["body"]["manager@odata.bind"]), (1, &json!(url("/users/boss"))));
    let shown = bench.target.preview(&update(Kind::User, "1", &[("city", json!("")), ("manager", Value::Null)]));
    assert_eq!(
        shown,
        [
            json!({"method": "PATCH", "url": url("/users/1"), "body": {"city": null}}),
            json!({"method": "DELETE", "url": url("/users/1/manager/$ref")}),
        ]
    );
    let shown = bench.target.preview(&create(Kind::User, json!({"userPrincipalName": "a@b.c"})));
    assert!(shown[0]["refused"].as_str().unwrap().contains("verified"), "{shown:?}");
    assert_eq!(bench.graph.requests().len(), 0);
}

#[test]
fn updates_send_differences_and_clear_with_null() {
    let bench = Bench::opened("update");
    let id = bench.graph.put_user(json!({
        "userPrincipalName": "ada@contoso.com", "displayName": "Ada", "city": "Bern", "jobTitle": "Countess",
        "businessPhones": ["+1"], "employeeOrgData": {"division": "North", "costCenter": "7"},
    }));
    let changes = [
        ("city", json!("")),
        ("jobTitle", Value::Null),
        ("businessPhones", Value::Null),
        ("employeeOrgData.division", json!("South")),
        ("passwordProfile.password", json!("Never-sent-again-1")),
    ];
    bench.write(update(Kind::User, &id, &changes)).unwrap();
    let body = json!({"city": null, "jobTitle": null, "businessPhones": [], "employeeOrgData": {"division": "South"}});
    assert_eq!(bench.graph.requests()[0].body, body);
    let user = bench.graph.user("ada@contoso.com").unwrap();
    assert_eq!(user["employeeOrgData"], json!({"division": "South", "costCenter": "7"}));
    // What Graph makes itself costs no request.
    let group = bench.graph.put_group(json!({"displayName": "G"}));
    bench.write(update(Kind::Group, &group, &[("mail", json!("g@contoso.com"))])).unwrap();
    assert_eq!(bench.graph.requests().len(), 1);
    assert!(matches!(bench.write(update(Kind::User, &id, &[("a[0]", json!(1))])), Err(TargetError::Rejected { .. })));
}

#[test]
fn managers_are_references() {
    let bench = Bench::opened("manager");
    let boss = bench.graph.put_user(person(0));
    let mut payload = person(1);
    payload["manager"] = json!(boss);
    let id = bench.created(Kind::User, payload);
    assert_eq!(bench.graph.manager(&id), Some(boss.clone()));
    let (found, _, _) = bench.all(Kind::User, &["displayName", "manager"], None);
    assert_eq!(found[1].attributes["manager"], boss.as_str());
    assert_eq!(bench.get(Kind::User, &id).unwrap().unwrap().attributes["manager"], boss.as_str());
    assert_eq!(bench.find(Kind::User, "displayName", "User 1")[0].attributes["manager"], boss.as_str());

    bench.write(update(Kind::User, &id, &[("manager", Value::Null), ("city", json!("Bern"))])).unwrap();
    assert_eq!(bench.graph.manager(&id), None);
    // None to take away is as asked; one that does not exist is told.
    bench.write(update(Kind::User, &id, &[("manager", Value::Null)])).unwrap();
    let done = bench.write(update(Kind::User, &id, &[("manager", json!("nobody"))])).unwrap();
    assert_eq!(done.refused[0].0, "nobody");
    let mut payload = person(2);
    payload["manager"] = json!("nobody");
    let done = bench.write(create(Kind::User, payload)).unwrap();
    assert_eq!((done.refused.len(), bench.graph.users().len()), (1, 3), "made once, and told");
}

/// Made with a manager, a user needs no second request; a service that takes no notice of it, or refuses it, gets one.
#[test]
fn users_are_made_with_their_managers_where_that_is_possible() {
    for (name, service, per_user) in [("bind", None, 1), ("ignored", Some(false), 2), ("refused", Some(true), 2)] {
        let bench = Bench::opened(&format!("manager-{name}"));
        if let Some(is_refused) = service {
            bench.graph.no_managers_at_first(is_refused);
        }
        let boss = bench.graph.put_user(person(0));
        let of_boss = |number| {
            let mut payload = person(number);
            payload["manager"] = json!(boss);
            create(Kind::User, payload)
        };
        // The first is looked at.
        let first = bench.write(of_boss(1)).unwrap();
        bench.graph.forget_requests();
        let done = bench.write_all((2..10).map(of_boss).collect()).unwrap();
        let ids: Vec<String> = done.into_iter().map(|done| done.unwrap().id).chain([first.id]).collect();
        assert!(ids.iter().all(|id| bench.graph.manager(id).as_ref() == Some(&boss)), "{name}");
        assert_eq!((bench.graph.writes(), bench.graph.users().len()), (8 * per_user, 10), "{name}");
    }
}

#[test]
fn twenty_writes_are_one_request_and_each_answer_stands_alone() {
    let bench = Bench::opened("batch");
    let taken = bench.graph.put_user(person(3));
    bench.graph.fail("POST /users", 6, Fault::Throttled(7));
    bench.graph.fail("POST /users", 7, Fault::Status(503));
    let mut writes: Vec<Write> = (0..19).map(|number| create(Kind::User, person(number))).collect();
    writes.push(Write::Delete { kind: Kind::User, id: "gone".into() });
    let outcomes = bench.write_all(writes).unwrap();
    assert_eq!((bench.graph.calls(), bench.graph.count("POST /$batch")), (1, 1));
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            3 => assert!(
                matches!(outcome, Err(TargetError::Exists { what }) if what.contains("userPrincipalName already exists"))
            ),
            5 => assert!(
                matches!(outcome, Err(TargetError::Weather { wait: Some(wait), .. }) if *wait == Duration::from_secs(7))
            ),
            6 => assert!(is_weather(outcome)),
            19 => assert!(outcome.is_ok()),
            _ => {
                let name = format!("user{number}@contoso.com");
                assert_eq!(bench.graph.user(&name).unwrap()["id"], outcome.as_ref().unwrap().id.as_str());
            }
        }
    }
    assert!(bench.graph.users().iter().any(|user| user["id"] == taken.as_str()));
    // The whole batch may meet the weather too; then nothing of it was done.
    bench.graph.forget_requests();
    for fault in [Fault::Throttled(3), Fault::Status(504), Fault::Drop] {
        bench.graph.fail("POST /$batch", 1, fault);
        let outcome = bench.write_all(vec![create(Kind::User, person(50)), create(Kind::User, person(51))]);
        assert!(outcome.as_ref().is_err_and(TargetError::is_weather), "{outcome:?}");
        assert_eq!(bench.graph.count("POST /users"), 0);
    }
}

#[test]
fn one_write_is_one_request() {
    let bench = Bench::opened("single");
    let ids = people(&bench.graph, 2);
    let group = bench.graph.put_group(json!({"displayName": "G"}));
    // A15: one member is one reference.
    bench.write(members(&group, &ids[..1], &[])).unwrap();
    assert_eq!((bench.graph.count("POST /groups/{}/members/$ref"), bench.graph.calls()), (1, 1));
    bench.write(members(&group, &[], &ids[..1])).unwrap();
    assert_eq!((bench.graph.count("DELETE /groups/{}/members/{}/$ref"), bench.graph.calls()), (1, 2));
    bench.write(Write::Disable { kind: Kind::User, id: ids[0].clone() }).unwrap();
    assert_eq!(bench.graph.users()[0]["accountEnabled"], false);
    assert!(matches!(bench.write(Write::Disable { kind: Kind::Group, id: group }), Err(TargetError::Rejected { .. })));
    bench.graph.fail("PATCH /users/{}", 1, Fault::Throttled(2));
    let outcome = bench.write(update(Kind::User, &ids[1], &[("city", json!("Bern"))]));
    assert_eq!(outcome.unwrap_err().to_string().rsplit("; ").next(), Some("the target asks for 2 s"));
}

#[test]
fn members_go_by_twenties_and_the_good_ones_get_in() {
    let bench = Bench::opened("members");
    let ids = people(&bench.graph, 1_000);
    let group = bench.graph.put_group(json!({"displayName": "G"}));
    let done = bench.write(members(&group, &ids, &[])).unwrap();
    assert_eq!((done.id.as_str(), done.refused.len()), (group.as_str(), 0));
    assert_eq!((bench.graph.count("PATCH /groups/{}"), bench.graph.calls()), (50, 3), "50 PATCHes in 3 batches");
    assert_eq!(bench.graph.members(&group).len(), 1_000);
    bench.graph.forget_requests();
    let read: BTreeSet<String> = bench.runtime.block_on(bench.target.members(&group)).unwrap().into_iter().collect();
    assert_eq!((read, bench.graph.calls()), (bench.graph.members(&group), 2));

    // Two are in it already, one is nobody: 17 of the 20 come new, and two are as asked.
    bench.graph.set_members(&group, &ids[..2]);
    let mut add = ids[..19].to_vec();
    add.push("nobody".into());
    let done = bench.write(members(&group, &add, &[])).unwrap();
    assert_eq!(done.refused, [("nobody".to_owned(), "there is no object with this id".to_owned())]);
    assert_eq!(bench.graph.members(&group).len(), 19);
    // Who is no member, or nobody, need not be removed.
    let done = bench.write(members(&group, &[], &[ids[0].clone(), ids[500].clone(), "nobody".into()])).unwrap();
    assert_eq!((done.refused.len(), bench.graph.members(&group).len()), (0, 18));
    // The weather of one PATCH is that of its write; the same call again completes it.
    bench.graph.fail("PATCH /groups/{}", 2, Fault::Throttled(1));
    assert!(is_weather(&bench.write(members(&group, &ids[100..160], &[]))));
    assert_eq!(bench.graph.members(&group).len(), 18 + 40);
    assert!(bench.write(members(&group, &ids[100..160], &[])).is_ok());
    assert_eq!(bench.graph.members(&group).len(), 18 + 60);
}

#[test]
fn members_come_out_the_same_in_any_weather() {
    let bench = Bench::opened("storm");
    let ids = people(&bench.graph, 150);
    for seed in 1..=25_u64 {
        let group = bench.graph.put_group(json!({"displayName": format!("Storm {seed}")}));
        bench.graph.set_members(&group, &ids[..60]);
        let mut state = seed;
        bench.graph.plan(move |seen: &Seen| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let faults = [Fault::Throttled(0), Fault::Status(503), Fault::Drop, Fault::DropAfter, Fault::Status(504)];
            let fault = faults[(state >> 33) as usize % faults.len()].clone();
            (seen.path != "/token" && (state >> 40) % 100 < 8).then_some(fault)
        });
        let write = members(&group, &ids[30..], &ids[..30]);
        let mut tries = 0;
        while let Err(error) = bench.write(write.clone()) {
            tries += 1;
            assert!(error.is_weather() && tries < 50, "seed {seed}: {error:?}");
        }
        bench.graph.heal();
        assert_eq!(bench.graph.members(&group), ids[30..].iter().cloned().collect(), "seed {seed}");
    }
}

#[test]
fn what_was_made_a_moment_ago_is_weather_and_not_missing() {
    let bench = Bench::opened("lag");
    bench.graph.lag(2);
    let id = bench.created(Kind::User, person(1));
    assert!(bench.get(Kind::User, &id).unwrap_err().is_weather());
    assert!(is_weather(&bench.write(update(Kind::User, &id, &[("city", json!("Bern"))]))));
    assert!(bench.write(update(Kind::User, &id, &[("city", json!("Bern"))])).is_ok());

    let group = bench.created(Kind::Group, json!({"displayName": "G"}));
    let old = bench.graph.put_user(person(2));
    assert!(is_weather(&bench.write(members(&group, &[old.clone(), id.clone()], &[]))));
    assert!(is_weather(&bench.write(Write::Delete { kind: Kind::Group, id: group.clone() })));
    // A new member that Graph does not know yet: the other one gets in.
    let new = bench.created(Kind::User, person(3));
    assert!(is_weather(&bench.write(members(&group, &[old.clone(), new.clone()], &[]))));
    assert_eq!(bench.graph.members(&group), [old.clone()].into());
    bench.write(members(&group, &[old, new], &[])).unwrap();
    // Somebody who never was stays refused, however new the group is.
    assert_eq!(bench.write(members(&group, &["nobody".into()], &[])).unwrap().refused.len(), 1);
}

#[test]
fn errors_are_sorted_by_their_bodies() {
    let bench = Bench::opened("errors");
    let ids = people(&bench.graph, 2);
    let body = |code: &str, message: &str| json!({"error": {"code": code, "message": message}});
    let conflict =
        "A conflicting object with one or more of the specified property values is present in the directory.";
    let cases: Vec<(Fault, Fits)> = vec![
        (Fault::Answer(400, body("Request_BadRequest", conflict)), |error| matches!(error, TargetError::Exists { .. })),
        (Fault::Answer(409, body("Directory_ConcurrencyViolation", "x")), TargetError::is_weather),
        (
            Fault::Answer(403, body("Directory_QuotaExceeded", "x")),
            |error| matches!(error, TargetError::Denied { what } if !what.contains("permission")),
        ),
        (
            Fault::Status(403),
            |error| matches!(error, TargetError::Denied { what } if what.contains("User.ReadWrite.All")),
        ),
        (Fault::Status(400), |error| matches!(error, TargetError::Rejected { status: 400, .. })),
        (Fault::Status(404), |error| matches!(error, TargetError::Missing { .. })),
        (Fault::Status(500), TargetError::is_weather),
        (Fault::Status(503), TargetError::is_weather),
        (Fault::Status(504), TargetError::is_weather),
        (Fault::Drop, TargetError::is_weather),
        (Fault::DropAfter, TargetError::is_weather),
    ];
    for (fault, fits) in cases {
        let told = format!("{fault:?}");
        bench.graph.fail("PATCH /users/{}", 1, fault);
        let error = bench.write(update(Kind::User, &ids[0], &[("city", json!("Bern"))])).unwrap_err();
        assert!(fits(&error), "{told}: {error:?}");
    }
    let taken = bench.write(update(Kind::User, &ids[0], &[("userPrincipalName", json!("user1@contoso.com"))]));
    assert!(matches!(taken, Err(TargetError::Exists { .. })));
    // What Graph says by itself of a wrong value.
    assert!(
        matches!(bench.write(update(Kind::User, &ids[0], &[("shoeSize", json!(43))])), Err(TargetError::Rejected { what, .. }) if what.contains("shoeSize"))
    );
    bench.graph.fail_always("POST /$batch", Fault::Answer(200, json!({"responses": []})));
    let outcome = bench.write_all(vec![create(Kind::User, person(8)), create(Kind::User, person(9))]);
    assert!(matches!(outcome, Err(TargetError::Protocol { .. })));
}

#[test]
fn a_slow_answer_is_weather_when_the_time_is_up() {
    let bench = Bench::with("slow", |settings| settings.timeout = 1);
    bench.graph.fail("GET /users/{}", 1, Fault::Slow(Duration::from_millis(1_500)));
    assert!(bench.get(Kind::User, "x").unwrap_err().is_weather());
}

#[test]
fn a_token_is_kept_and_fetched_anew_when_it_is_refused() {
    let bench = Bench::opened("token");
    people(&bench.graph, 1);
    for _ in 0..3 {
        bench.list(Kind::User, &["mail"], None, None).unwrap();
    }
    assert_eq!(bench.graph.count("POST /token"), 0, "that of the opening holds");
    bench.graph.expire_tokens();
    bench.list(Kind::User, &["mail"], None, None).unwrap();
    assert_eq!((bench.graph.count("POST /token"), bench.graph.count("GET /users/delta")), (1, 5));
}

#[test]
fn a_token_endpoint_that_is_down_is_weather_and_a_wrong_secret_is_denied() {
    for fault in [Fault::Status(503), Fault::Drop, Fault::Throttled(5)] {
        let bench = Bench::new("token-down");
        bench.graph.fail_always("POST /token", fault);
        assert!(bench.open().unwrap_err().is_weather());
        bench.graph.heal();
        bench.open().unwrap();
    }
    let bench = Bench::with("wrong-secret", |settings| {
        let Some(provisor::target::Secret::File(file)) = &settings.client_secret else { panic!() };
        std::fs::write(file, "another-secret").unwrap();
    });
    let Err(TargetError::Denied { what }) = bench.open() else { panic!() };
    assert!(what.contains("AADSTS7000215") && !what.contains("another-secret"), "{what}");
    let bench = Bench::with("wrong-client", |settings| settings.client_id = "nobody".into());
    assert!(matches!(bench.open(), Err(TargetError::Denied { what }) if what.contains("AADSTS700016")));
}

fn pem() -> PathBuf {
    root().join("tests/support/graph/application.pem")
}

#[test]
fn a_certificate_signs_the_application_in() {
    let certified = |name: &str| {
        Bench::with(name, |settings| {
            settings.client_secret = None;
            settings.certificate = Some(pem());
        })
    };
    let bench = certified("certificate");
    bench.graph.accept_certificate(&pem());
    bench.open().unwrap();
    // Each assertion is another.
    bench.graph.expire_tokens();
    bench.open().unwrap();
    assert_eq!(bench.graph.count("POST /token"), 2);
    let bench = certified("unknown-certificate");
    assert!(matches!(bench.open(), Err(TargetError::Denied { what }) if what.contains("AADSTS700027")));
}

#[test]
fn settings_that_cannot_be_are_told() {
    let graph = GraphFake::start();
    let scratch = Scratch::new("graph-settings");
    let refused = |settle: &dyn Fn(&mut GraphSettings)| {
        let mut settings = graph.settings(&scratch);
        settle(&mut settings);
        open(&TargetSettings::Graph(settings), root()).map(|_| ()).unwrap_err()
    };
    let text = std::fs::read_to_string(pem()).unwrap();
    let (certificate, key) = text.split_at(text.find("-----BEGIN PRIVATE").unwrap());
    let certificate = scratch.write("certificate.pem", certificate);
    let key = scratch.write("key.pem", key);
    let certified = |settings: &mut GraphSettings, file: &str| {
        settings.client_secret = None;
        settings.certificate = Some(file.into());
    };
    assert!(refused(&|settings| settings.cloud = Some("moon".into())).contains("global, usgov, usgov-dod, china"));
    assert!(refused(&|settings| settings.client_secret = None).contains("client_secret or a certificate"));
    assert!(refused(&|settings| settings.certificate = Some(pem())).contains("exclude each other"));
    assert!(refused(&|settings| settings.url = Some("graph".into())).contains("https://"));
    assert!(refused(&|settings| certified(settings, "nowhere.pem")).contains("nowhere.pem"));
    assert!(refused(&|settings| certified(settings, &certificate)).contains("no PRIVATE KEY"));
    assert!(refused(&|settings| certified(settings, &key)).contains("no CERTIFICATE"));
}

#[test]
fn the_fake_holds_batches_to_their_rules() {
    let bench = Bench::opened("fake-batch");
    let ids = people(&bench.graph, 1);
    let call = |requests: Value| {
        let url = format!("{}/$batch", bench.graph.url());
        let token = bench.graph.requests().last().and_then(|seen| {
            seen.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone())
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = client.post(url).header("Authorization", token.unwrap_or_default());
        let call = call.header("Content-Type", "application/json").body(json!({"requests": requests}).to_string());
        bench.runtime.block_on(async { call.send().await.unwrap().text().await.unwrap() })
    };
    bench.get(Kind::User, &ids[0]).unwrap();
    let read = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let mut second = read("2", &format!("/users/{}", ids[0]));
    second["dependsOn"] = json!(["1"]);
    let said: Value = serde_json::from_str(&call(json!([read("1", "/users/nobody"), second]))).unwrap();
    assert_eq!((&said["responses"][0]["id"], &said["responses"][0]["status"]), (&json!("2"), &json!(424)));
    assert_eq!(said["responses"][1]["body"]["error"]["code"], "Request_ResourceNotFound");
    let many: Vec<Value> = (0..21).map(|number| read(&number.to_string(), "/organization")).collect();
    assert!(call(json!(many)).contains("maximum value of 20"));
    assert!(call(json!([read("1", "/users"), read("1", "/users")])).contains("not unique"));
}
