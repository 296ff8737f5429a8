//! The resources: what is asked of `/users`, `/groups`, their members and the organization, and the words of each refusal.

use serde_json::{Map, Value, json};

use super::directory::{Binds, Directory, Entry};
use super::wire::{Answer, Request};
use super::{State, odata_error};

/// What a user has when nothing is selected.
const DEFAULT_USER: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];
const DEFAULT_GROUP: &[&str] = &[
    "id",
    "description",
    "displayName",
    "groupTypes",
    "mail",
    "mailEnabled",
    "mailNickname",
    "proxyAddresses",
    "securityEnabled",
    "visibility",
];
/// What else a user may have here.
const MORE_USER: &[&str] = &[
    "accountEnabled",
    "ageGroup",
    "city",
    "companyName",
    "country",
    "department",
    "employeeHireDate",
    "employeeId",
    "employeeOrgData",
    "employeeType",
    "faxNumber",
    "mailNickname",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
    "otherMails",
    "passwordPolicies",
    "passwordProfile",
    "postalCode",
    "proxyAddresses",
    "showInAddressList",
    "state",
    "streetAddress",
    "usageLocation",
    "userType",
];
const MORE_GROUP: &[&str] = &["classification", "isAssignableToRole", "membershipRule", "uniqueName"];
/// What may be compared only with `ConsistencyLevel: eventual` and `$count=true`.
const ADVANCED: &[&str] = &[
    "companyName",
    "description",
    "employeeHireDate",
    "employeeType",
    "mobilePhone",
    "officeLocation",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
    "passwordPolicies",
    "postalCode",
    "showInAddressList",
    "streetAddress",
];

fn bad(message: &str) -> Answer {
    odata_error(400, "Request_BadRequest", message)
}

fn missing(id: &str) -> Answer {
    let message =
        format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
    odata_error(404, "Request_ResourceNotFound", &message)
}

fn conflict(property: &str) -> Answer {
    let message = format!("Another object with the same value for property {property} already exists.");
    let mut answer = bad(&message);
    let detail = json!([{"code": "ObjectConflict", "message": message, "target": property}]);
    answer.body.as_mut().unwrap()["error"]["details"] = detail;
    answer
}

fn no_content() -> Answer {
    Answer::new(204, None)
}

pub(crate) fn route(state: &mut State, request: &Request) -> Answer {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let right = match segments.first() {
        Some(&"users") => "User.ReadWrite.All",
        Some(&"groups") => "Group.ReadWrite.All",
        _ => "Organization.Read.All",
    };
    if !state.login.rights.contains(right) {
        return odata_error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    }
    let directory = &mut state.directory;
    match (request.method.as_str(), &segments[..]) {
        ("GET", ["organization"]) => organization(directory),
        ("GET", [kind @ ("users" | "groups"), "delta"]) => delta(directory, &state.base, kind, request),
        ("GET", [kind @ ("users" | "groups")]) => list(directory, &state.base, kind, request),
        ("POST", [kind @ ("users" | "groups")]) => create(directory, kind, request.json()),
        ("GET", [kind @ ("users" | "groups"), id]) => get(directory, kind, id, request),
        ("PATCH", [kind @ ("users" | "groups"), id]) => update(directory, kind, id, &request.json()),
        ("DELETE", [kind @ ("users" | "groups"), id]) => {
            if directory.sees(kind, id) && directory.delete(id) {
                no_content()
            } else {
                missing(id)
            }
        }
        ("GET", ["groups", id, "members"]) => members(directory, &state.base, id, request),
        ("POST", ["groups", id, "members", "$ref"]) => add(directory, id, &[request.json()["@odata.id"].clone()]),
        ("DELETE", ["groups", id, "members", member, "$ref"]) => remove(directory, id, member),
        ("GET", ["users", id, "manager"]) => {
            if !directory.sees("users", id) {
                return missing(id);
            }
            match directory.managers.get(*id) {
                Some(manager) => Answer::new(200, json!({"@odata.type": "#microsoft.graph.user", "id": manager})),
                None => missing("manager"),
            }
        }
        ("PUT", ["users", id, "manager", "$ref"]) => {
            let Some(manager) = reference(&request.json()["@odata.id"]) else {
                return bad("Invalid URL format specified in @odata.id for reference payload.");
            };
            if !directory.sees("users", id) {
                return missing(id);
            }
            if !directory.knows(&manager) {
                return missing(&manager);
            }
            directory.set_manager(id, Some(manager));
            no_content()
        }
        ("DELETE", ["users", id, "manager", "$ref"]) => {
            if !directory.sees("users", id) {
                return missing(id);
            }
            if directory.set_manager(id, None).is_none() {
                return missing("manager");
            }
            no_content()
        }
        _ => bad("Resource not found for the segment."),
    }
}

fn organization(directory: &Directory) -> Answer {
    let domain = |(number, name): (usize, &String)| json!({"name": name, "isDefault": number == 0, "type": "Managed"});
    let domains: Vec<Value> = directory.domains.iter().enumerate().map(domain).collect();
    Answer::new(
        200,
        json!({"value": [{"id": "84841066-274d-4ec0-a5c1-276be684bdd3", "displayName": "Contoso", "verifiedDomains": domains}]}),
    )
}

/// What a request sees of an object. A delta leaves out what has no value.
fn shown(entry: &Entry, kind: &str, select: &[String], delta: bool) -> Value {
    let default = if kind == "users" { DEFAULT_USER } else { DEFAULT_GROUP };
    let chosen: Vec<&str> =
        if select.is_empty() { default.to_vec() } else { select.iter().map(String::as_str).collect() };
    let mut shown = Map::new();
    shown.insert("id".into(), entry.value["id"].clone());
    for name in chosen {
        match entry.value.get(name) {
            _ if name == "passwordProfile" => {}
            Some(value) => {
                shown.insert(name.into(), value.clone());
            }
            None if delta || name == "manager" || name == "members" => {}
            None if ["businessPhones", "otherMails", "proxyAddresses", "groupTypes"].contains(&name) => {
                shown.insert(name.into(), json!([]));
            }
            None => {
                shown.insert(name.into(), Value::Null);
            }
        }
    }
    Value::Object(shown)
}

/// What a list of changes says of an object: of its manager only when that is another since.
fn changed_since(directory: &Directory, entry: &Entry, kind: &str, select: &[String], since: u64) -> Value {
    let mut value = shown(entry, kind, select, true);
    let id = entry.value["id"].as_str().unwrap();
    let moved = directory.moved.get(id).filter(|(when, _)| *when > since);
    if select.iter().any(|name| name == "manager") && (since == 0 || moved.is_some()) {
        let user = |id: &String| json!({"@odata.type": "#microsoft.graph.user", "id": id});
        let before = moved.filter(|_| since > 0).and_then(|(_, before)| before.as_ref());
        let mut delta: Vec<Value> = directory.managers.get(id).map(user).into_iter().collect();
        if let Some(before) = before.filter(|before| directory.managers.get(id) != Some(before)) {
            let mut gone = user(before);
            gone["@removed"] = json!({"reason": "deleted"});
            delta.push(gone);
        }
        if !delta.is_empty() {
            value["manager@delta"] = json!(delta);
        }
    }
    // Who went is told as long as Graph remembers it; here only who is there.
    let regrouped = directory.regrouped.get(id).is_some_and(|when| *when > since);
    if kind == "groups" && directory.tells_members && regrouped && select.iter().any(|name| name == "members") {
        let members = directory.members.get(id).into_iter().flatten();
        value["members@delta"] =
            members.map(|id| json!({"@odata.type": "#microsoft.graph.user", "id": id})).collect::<Vec<_>>().into();
    }
    value
}

fn selected(request: &Request) -> Vec<String> {
    request.asked("$select").map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

fn unknown(kind: &str, names: &[String]) -> Option<Answer> {
    let known: [&[&str]; 2] = if kind == "users" { [DEFAULT_USER, MORE_USER] } else { [DEFAULT_GROUP, MORE_GROUP] };
    let is = |name: &str| {
        known.concat().contains(&name) || name.starts_with("extension_") || ["manager", "members"].contains(&name)
    };
    let name = names.iter().find(|name| !is(name))?;
    let resource = if kind == "users" { "user" } else { "group" };
    Some(odata_error(
        400,
        "BadRequest",
        &format!("Could not find a property named '{name}' on type 'microsoft.graph.{resource}'."),
    ))
}

fn get(directory: &mut Directory, kind: &str, id: &str, request: &Request) -> Answer {
    let select = selected(request);
    if let Some(refusal) = unknown(kind, &select) {
        return refusal;
    }
    if !directory.sees(kind, id) {
        return missing(id);
    }
    let entry = directory.objects(kind).get(id).unwrap();
    let value = expanded(directory, request, shown(entry, kind, &select, false));
    Answer::new(200, value)
}

/// With the manager, when the request asks for it.
fn expanded(directory: &Directory, request: &Request, mut value: Value) -> Value {
    let manager = directory.managers.get(value["id"].as_str().unwrap());
    if let Some(manager) = manager.filter(|_| request.asked("$expand") == Some("manager($select=id)")) {
        value["manager"] = json!({"@odata.type": "#microsoft.graph.user", "id": manager});
    }
    value
}

/// `path eq 'value'` or `path/any(x:x eq 'value')`.
fn filter(text: &str) -> Option<(Vec<String>, String)> {
    let (path, rest) = if let Some((path, rest)) = text.split_once("/any(") {
        let (variable, rest) = rest.split_once(':')?;
        (path, rest.strip_prefix(variable)?.strip_suffix(')')?)
    } else {
        text.split_at(text.find(' ')?)
    };
    let quoted = rest.strip_prefix(" eq '")?.strip_suffix('\'')?;
    // A quote within is written twice; a single one is a syntax error.
    let value = quoted.replace("''", "\u{0}");
    (!value.contains('\'')).then(|| (path.split('/').map(str::to_owned).collect(), value.replace('\u{0}', "'")))
}

fn holds(value: Option<&Value>, path: &[String], wanted: &str) -> bool {
    match (value, path) {
        (Some(Value::Object(inner)), [name, rest @ ..]) => holds(inner.get(name), rest, wanted),
        (Some(Value::Array(items)), []) => items.iter().any(|item| holds(Some(item), path, wanted)),
        (Some(Value::String(text)), []) => text.to_lowercase() == wanted.to_lowercase(),
        _ => false,
    }
}

fn list(directory: &Directory, base: &str, kind: &str, request: &Request) -> Answer {
    let select = selected(request);
    if let Some(refusal) = unknown(kind, &select) {
        return refusal;
    }
    let wanted = match request.asked("$filter").map(filter) {
        Some(None) => return bad("Invalid filter clause"),
        wanted => wanted.flatten(),
    };
    if request.asked("$expand").is_some() && request.header("consistencylevel").is_some() {
        return odata_error(400, "Request_UnsupportedQuery", "$expand is not supported in advanced queries.");
    }
    if let Some((path, _)) = &wanted {
        let eventual =
            request.header("consistencylevel") == Some("eventual") && request.asked("$count") == Some("true");
        if ADVANCED.contains(&path[0].as_str()) && !eventual {
            let message =
                format!("Unsupported or invalid query filter clause specified for property '{}' of resource.", path[0]);
            return odata_error(400, "Request_UnsupportedQuery", &message);
        }
    }
    let after: u64 = request.asked("$skiptoken").map_or(0, |token| token.parse().unwrap());
    let top = request.asked("$top").map_or(100, |top| top.parse().unwrap()).min(directory.page).clamp(1, 999);
    let objects = directory.objects(kind);
    let by_name =
        wanted.as_ref().filter(|(path, _)| path[0] == "userPrincipalName").map(|(_, value)| objects.named(value));
    let fits = |entry: &&Entry| {
        let value = Value::Object(entry.value.clone());
        entry.hidden == 0 && wanted.as_ref().is_none_or(|(path, wanted)| holds(Some(&value), path, wanted))
    };
    let candidates: Vec<(&u64, &Entry)> = match by_name {
        Some(number) => number.and_then(|number| objects.entries.get_key_value(&number)).into_iter().collect(),
        None => objects.entries.range(after + 1..).collect(),
    };
    let mut found = candidates.into_iter().filter(|(_, entry)| fits(entry));
    let page: Vec<(&u64, &Entry)> = found.by_ref().take(top).collect();
    let item = |entry: &Entry| expanded(directory, request, shown(entry, kind, &select, false));
    let mut body = json!({"value": page.iter().map(|(_, entry)| item(entry)).collect::<Vec<_>>()});
    if let (Some(_), Some((last, _))) = (found.next(), page.last()) {
        let more: Vec<String> = request
            .query
            .iter()
            .filter(|(name, _)| name != "$skiptoken")
            .map(|(name, value)| format!("&{name}={}", encode(value)))
            .collect();
        body["@odata.nextLink"] = json!(format!("{base}/{kind}?$skiptoken={last}{}", more.concat()));
    }
    Answer::new(200, body)
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Since which change, until which, after which object, and what is selected: all of it is in the token.
fn delta(directory: &Directory, base: &str, kind: &str, request: &Request) -> Answer {
    let (mut since, mut until, mut after, mut select) = (0_u64, directory.sequence, 0_u64, selected(request));
    if let Some(token) = request.asked("$deltatoken").or(request.asked("$skiptoken")) {
        let mut parts = token.splitn(4, '.');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (Some(first), Some(second), Some(third)) = (number(), number(), number()) else {
            return bad("Badly formed token.");
        };
        (since, until, after) = (first, second, third);
        select =
            parts.next().unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if request.asked("$deltatoken").is_some() {
            until = directory.sequence;
            if since <= directory.forgotten && directory.forgotten > 0 {
                return odata_error(410, "SyncStateNotFound", "The sync state generation is not found.");
            }
        }
    }
    if let Some(refusal) = unknown(kind, &select) {
        return refusal;
    }
    let asked = request.header("prefer").and_then(|prefer| prefer.strip_prefix("odata.maxpagesize="));
    let top = asked.map_or(200, |top| top.parse().unwrap()).min(directory.page);
    let entries = directory.objects(kind).entries.range(after + 1..);
    let is_regrouped = |entry: &Entry| {
        let when = entry.value["id"].as_str().and_then(|id| directory.regrouped.get(id));
        directory.tells_members && select.iter().any(|name| name == "members") && when.is_some_and(|when| *when > since)
    };
    let is_changed = |entry: &Entry| since == 0 || entry.changed > since || is_regrouped(entry);
    let mut changed = entries.filter(|(_, entry)| entry.hidden == 0 && is_changed(entry));
    let page: Vec<(&u64, &Entry)> = changed.by_ref().take(top).collect();
    let mut items: Vec<Value> =
        page.iter().map(|(_, entry)| changed_since(directory, entry, kind, &select, since)).collect();
    let token = |from: u64, after: u64| format!("{from}.{until}.{after}.{}", select.join(","));
    let (link, token) = match (changed.next(), page.last()) {
        (Some(_), Some((last, _))) => ("$skiptoken", token(since, **last)),
        _ => {
            let gone = directory.gone.iter().filter(|(when, of, _)| since > 0 && *when > since && *of == kind);
            items.extend(gone.map(|(_, _, id)| json!({"id": id, "@removed": {"reason": "changed"}})));
            // What changes while the pages are read comes once more.
            if directory.repeats && since == 0 && after > 0 {
                let first = directory.objects(kind).entries.values().find(|entry| entry.hidden == 0);
                items.extend(first.map(|entry| changed_since(directory, entry, kind, &select, since)));
            }
            // A tenant in which nothing ever happened still has a beginning.
            ("$deltatoken", token(until.max(1), 0))
        }
    };
    let name = if link == "$skiptoken" { "@odata.nextLink" } else { "@odata.deltaLink" };
    let mut body = json!({"value": items});
    body[name] = json!(format!("{base}/{kind}/delta?{link}={}", encode(&token)));
    Answer::new(200, body)
}

/// What Graph does not take, for creates and updates alike.
fn refused(directory: &Directory, kind: &str, id: Option<u64>, body: &Map<String, Value>) -> Option<Answer> {
    let resource = if kind == "users" { "User" } else { "Group" };
    let names: Vec<String> = body.keys().filter(|name| !name.contains('@')).cloned().collect();
    if let Some(name) = names.iter().find(|name| ["manager", "members"].contains(&name.as_str())) {
        return Some(bad(&format!("Invalid property '{name}'.")));
    }
    if let Some(refusal) = unknown(kind, &names) {
        return Some(refusal);
    }
    for name in &names {
        let read_only = matches!((kind, name.as_str()), (_, "id" | "proxyAddresses") | ("groups", "mail"));
        if read_only {
            return Some(bad(&format!("Property '{name}' is read-only and cannot be set.")));
        }
        if body[name] == "" {
            return Some(bad(&format!("Invalid value specified for property '{name}' of resource '{resource}'.")));
        }
    }
    if kind == "users" {
        if let Some(name) = body.get("userPrincipalName").and_then(Value::as_str) {
            let domain = name.split_once('@').map_or("", |(_, domain)| domain).to_lowercase();
            if !directory.domains.contains(&domain) {
                return Some(bad(
                    "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
                ));
            }
            if directory.users.named(name).is_some_and(|holder| Some(holder) != id) {
                return Some(conflict("userPrincipalName"));
            }
        }
        if let Some(password) = body.get("passwordProfile").and_then(|profile| profile["password"].as_str()) {
            let classes = [char::is_uppercase as fn(char) -> bool, char::is_lowercase, char::is_numeric, |c| {
                !c.is_alphanumeric()
            }];
            let met = classes.iter().filter(|class| password.chars().any(**class)).count();
            if !(8..=256).contains(&password.len()) || met < 3 {
                return Some(bad(
                    "The specified password does not comply with password complexity requirements. Please provide a different password.",
                ));
            }
        }
    }
    let nickname = body.get("mailNickname").and_then(Value::as_str).unwrap_or_default();
    if nickname.len() > 64 || !nickname.is_ascii() || nickname.contains(|c: char| "@()\\[]\";:<>, ".contains(c)) {
        return Some(bad(&format!("Invalid value specified for property 'mailNickname' of resource '{resource}'.")));
    }
    None
}

fn create(directory: &mut Directory, kind: &str, body: Value) -> Answer {
    let Value::Object(mut body) = body else { return bad("Empty Payload. JSON content expected.") };
    let resource = if kind == "users" { "User" } else { "Group" };
    let needed: &[&str] = if kind == "users" {
        &["accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName"]
    } else {
        &["displayName", "mailEnabled", "mailNickname", "securityEnabled"]
    };
    if let Some(name) = needed.iter().find(|name| body.get(**name).is_none_or(Value::is_null)) {
        return bad(&format!("A value is required for property '{name}' of resource '{resource}'."));
    }
    if let Some(refusal) = refused(directory, kind, None, &body) {
        return refusal;
    }
    if directory.binds == Binds::Refused && body.contains_key("manager@odata.bind") {
        return odata_error(
            400,
            "BadRequest",
            "Property 'manager' is not a navigation property that can be bound here.",
        );
    }
    if kind == "groups" && body["mailEnabled"] == true && body.get("groupTypes") != Some(&json!(["Unified"])) {
        return bad(
            "The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement property is unset and the security-enablement property is set.",
        );
    }
    body.retain(|_, value| !value.is_null());
    let manager = match body.shift_remove("manager@odata.bind").as_ref().map(reference) {
        Some(None) => return bad("Invalid URL format specified in @odata.bind for reference payload."),
        manager => manager.flatten(),
    };
    let manager = manager.filter(|_| directory.binds == Binds::Taken);
    if let Some(manager) = &manager
        && !directory.knows(manager)
    {
        return missing(manager);
    }
    let lag = directory.lag;
    let id = directory.put(kind, body);
    if manager.is_some() {
        directory.set_manager(&id, manager);
    }
    let number = directory.objects(kind).number(&id).unwrap();
    let entry = directory.objects_mut(kind).entries.get_mut(&number).unwrap();
    entry.hidden = lag;
    let entry = entry.clone();
    let mut made = shown(&entry, kind, &[], false);
    made["@odata.context"] = json!(format!("https://graph.microsoft.com/v1.0/$metadata#{kind}/$entity"));
    made["somethingNew"] = json!({"of": ["another", "year"]});
    let location = format!("https://graph.microsoft.com/v1.0/{kind}/{id}");
    Answer::new(201, made).with("Location", &location)
}

fn update(directory: &mut Directory, kind: &str, id: &str, body: &Value) -> Answer {
    let Some(body) = body.as_object() else { return bad("Empty Payload. JSON content expected.") };
    if !directory.sees(kind, id) {
        return missing(id);
    }
    let number = directory.objects(kind).number(id);
    if let Some(refusal) = refused(directory, kind, number, body) {
        return refusal;
    }
    let mut changes = body.clone();
    if let Some(added) = changes.shift_remove("members@odata.bind") {
        let answer = add(directory, id, added.as_array().map(Vec::as_slice).unwrap_or_default());
        if answer.status >= 400 {
            return answer;
        }
    }
    let id = directory.objects(kind).get(id).unwrap().value["id"].as_str().unwrap().to_owned();
    directory.change(&id, &changes);
    no_content()
}

/// The id at the end of a reference to a directory object.
fn reference(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let (head, id) = text.rsplit_once('/')?;
    // Only whole addresses are references.
    let kind = ["/directoryObjects", "/users", "/groups"].iter().any(|kind| head.ends_with(kind));
    (text.starts_with("http") && text.contains("/v1.0/") && kind).then(|| id.to_owned())
}

/// Adds members, all or none.
fn add(directory: &mut Directory, group: &str, references: &[Value]) -> Answer {
    if references.len() > 20 {
        return bad("The number of values specified for the property 'members' exceeds the limit of 20.");
    }
    if !directory.sees("groups", group) {
        return missing(group);
    }
    let mut added = Vec::new();
    for value in references {
        let Some(id) = reference(value) else {
            return bad("Invalid URL format specified in @odata.id for reference payload.");
        };
        if !directory.knows(&id) {
            return missing(&id);
        }
        added.push(id);
    }
    let members = directory.members.entry(group.to_owned()).or_default();
    if added.iter().any(|id| members.contains(id)) {
        return bad(
            "One or more added object references already exist for the following modified properties: 'members'.",
        );
    }
    directory.members_mut(group).extend(added);
    no_content()
}

fn remove(directory: &mut Directory, group: &str, member: &str) -> Answer {
    if !directory.sees("groups", group) {
        return missing(group);
    }
    if directory.members.get(group).is_some_and(|members| members.contains(member)) {
        directory.members_mut(group).remove(member);
        return no_content();
    }
    if directory.knows(member) {
        return bad(
            "One or more removed object references do not exist for the following modified properties: 'members'.",
        );
    }
    missing(member)
}

fn members(directory: &mut Directory, base: &str, group: &str, request: &Request) -> Answer {
    if !directory.sees("groups", group) {
        return missing(group);
    }
    let after = request.asked("$skiptoken").unwrap_or_default().to_owned();
    let top: usize = request.asked("$top").map_or(100, |top| top.parse().unwrap()).min(directory.page).clamp(1, 999);
    let all = directory.members.entry(group.to_owned()).or_default();
    let mut rest = all.iter().filter(|id| **id > after);
    let page: Vec<&String> = rest.by_ref().take(top).collect();
    let items: Vec<Value> = page.iter().map(|id| json!({"@odata.type": "#microsoft.graph.user", "id": id})).collect();
    let mut body = json!({"value": items});
    if let (Some(_), Some(last)) = (rest.next(), page.last()) {
        body["@odata.nextLink"] =
            json!(format!("{base}/groups/{group}/members?$select=id&$top={top}&$skiptoken={last}"));
    }
    Answer::new(200, body)
}
