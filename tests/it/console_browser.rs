//! The console as people meet it: in a browser, with a pointer and a keyboard. Where Chromium is not installed these tests say
//! so and end; in CI it must be there.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::console::HOSTILE;
use crate::server::{ADMIN, Data, GROUP, Server, USER};

/// A mapping of users with one expression to break.
const PEOPLE: &str = "name = \"people\"\nresource = \"User\"\nlanguage = \"entra\"\n\n[source]\nkind = \"scim\"\n\n[attributes]\nuserName = { expr = 'ToLower([userName])', match = 1 }\ndisplayName = 'Coalesce([displayName], [userName])'\ntitle = '[title]'\n\n[[tests]]\nname = \"small letters\"\ngiven = { userName = \"ADA\" }\nexpect = { userName = \"ada\" }\n";

/// A server and a browser that looks at it; `None` without Chromium.
fn begin(name: &str) -> Option<(Data, Server, Browser)> {
    let browser = Browser::start(name)?;
    let data = Data::new();
    let server = Server::start(&data.0);
    Some((data, server, browser))
}

/// A server with a sync that appends what it would do to a file, and more of the configuration.
fn with_sync(home: &Data, more: &str) -> Server {
    std::fs::create_dir_all(&home.0).unwrap();
    std::fs::write(home.0.join("onward.toml"), PEOPLE.replace("people", "onward")).unwrap();
    let config = "[[sync]]\nname = \"onward\"\nsource = \"default\"\nusers = { mapping = \"onward.toml\" }\nschedule = { direct = false }\n[sync.target]\nkind = \"file\"\npath = \"sent.jsonl\"\n";
    std::fs::write(
        home.0.join("strict.toml"),
        PEOPLE.replace("people", "strict").replace("'[title]'", "'CDate([title])'"),
    )
    .unwrap();
    std::fs::write(home.0.join("provisor.toml"), format!("{config}{more}")).unwrap();
    let config = home.0.join("provisor.toml").display().to_string();
    let server = Server::start_by(&home.0.join("data"), &["--config", &config], &[]);
    // Its run at the start is over before there is anybody to push on.
    for _ in 0..600 {
        let told = server.api("GET", "/syncs/onward", &[], "").json();
        if told["runs"].as_array().is_some_and(|runs| !runs.is_empty()) && told["runningUntil"].is_null() {
            return server;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the first run never ended");
}

#[test]
fn a_sync_is_planned_and_run() {
    let Some(mut browser) = Browser::start("sync") else { return };
    let home = Data::new();
    let server = with_sync(&home, "");
    let ada = server.user("Ada@Contoso.example");
    log_in(&server, &mut browser);
    browser.go(&url(&server, "/console/syncs/onward/plan"));
    browser.sees("ada@contoso.example");
    browser.go(&url(&server, "/console/syncs/onward"));
    browser.click("form[action$='/run'] button");
    browser.sees("A run was asked for");
    browser.sees("complete");
    browser.until("document.querySelector('.facts').innerText.includes('1')");
    browser.go(&url(&server, "/console/syncs/onward/objects?search=ada&kind=user"));
    browser.sees("created");
    browser.go(&url(&server, "/console/syncs/onward/objects?search=ada&kind=group"));
    browser.sees("None matches");
    // What the target has is as it was sent; then somebody changes, and the plan says in what.
    browser.go(&url(&server, "/console/syncs/onward/plan"));
    browser.sees("Nothing to do");
    server.patch(&format!("/Users/{ada}"), json!([{"op": "replace", "path": "title", "value": "Countess"}]));
    browser.go(&url(&server, "/console/syncs/onward/plan"));
    browser.sees("Would be");
    let row = "document.querySelector('.action .changes tbody tr')";
    assert_eq!(browser.value(&format!("{row}.cells[0].textContent")), "title");
    assert_eq!(browser.value(&format!("{row}.querySelector('.come').textContent")), "Countess");
    browser.keep_picture("plan-difference");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn url(server: &Server, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", server.port)
}

fn log_in(server: &Server, browser: &mut Browser) {
    browser.go(&url(server, "/console"));
    browser.fill("#token", ADMIN);
    browser.press("Enter", 0);
    browser.sees("The last 24 hours");
}

/// Puts the mapping and has the source use it.
fn use_people(server: &Server) {
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let source = json!({"slug": "default", "userMapping": "people"}).to_string();
    assert_eq!(server.api("PUT", "/sources/default", &[], &source).status, 200);
}

#[test]
fn a_wrong_token_is_told_and_a_right_one_opens() {
    let Some((_data, server, mut browser)) = begin("login") else { return };
    browser.go(&url(&server, "/console/tokens"));
    browser.fill("#token", "prv1_nobody_knows_this_token");
    browser.press("Enter", 0);
    browser.sees("not known here");
    browser.fill("#token", ADMIN);
    browser.press("Enter", 0);
    browser.sees("Last used");
    assert_eq!(browser.value("location.pathname"), "/console/tokens", "logging in leads to where one was going");
    browser.press("?", 0);
    browser.until("document.getElementById('help').open");
    browser.press("Escape", 0);
    browser.press("g", 0);
    browser.press("l", 0);
    browser.until("location.pathname === '/console/log'");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_mapping_is_broken_mended_and_saved() {
    let Some((_data, server, mut browser)) = begin("studio") else { return };
    use_people(&server);
    server.user("Ada@Contoso.example");
    log_in(&server, &mut browser);
    browser.go(&url(&server, "/console/mappings/people/edit"));
    browser.click("#picked button");
    browser.until("document.getElementById('payload')?.textContent.includes('ada@contoso.example')");
    browser.until("document.getElementById('tab-tests').textContent.includes('✓ 1')");

    browser.fill("#text", &PEOPLE.replace("ToLower", "ToLowr"));
    browser.until("document.querySelector('.finding pre')?.textContent.includes('^^^^^^')");
    browser.until("document.querySelector('#layer .s-error')?.textContent.includes('ToLowr')");
    browser.click(".finding > button");
    assert_eq!(browser.value("document.activeElement.id"), "text", "a finding leads to its place");
    browser.keep_picture("studio-broken");

    browser.fill("#text", &PEOPLE.replace("ToLower", "ToUpper"));
    browser.until("document.getElementById('payload')?.textContent.includes('ADA@CONTOSO.EXAMPLE')");
    browser.until("document.getElementById('tab-tests').textContent.includes('✗ 1')");
    browser.click("#ask-impact");
    browser.sees("Ada@Contoso.example");
    browser.until("document.getElementById('pane-impact').innerText.includes('Against the revision that is saved')");
    browser.until("document.querySelector('#pane-impact .come')?.textContent.includes('ADA@CONTOSO.EXAMPLE')");

    // Somebody else saves meanwhile: both texts are there.
    assert_eq!(server.api("PUT", "/mappings/people", &[], &format!("# theirs\n{PEOPLE}")).status, 200);
    browser.click("#save");
    browser.until("document.getElementById('conflict').open");
    browser.until("document.getElementById('theirs').value.startsWith('# theirs')");
    browser.click("#save-mine");
    browser.sees("Saved as revision 3");
    let kept = server.api("GET", "/mappings/people", &[], "");
    assert!(kept.text().contains("ToUpper"), "{}", kept.text());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_target_tab_shows_what_is_sent_and_what_differs() {
    let Some((_data, server, mut browser)) = begin("target") else { return };
    use_people(&server);
    server.user("Ada@Contoso.example");
    log_in(&server, &mut browser);
    browser.go(&url(&server, "/console/mappings/people/edit"));
    browser.click("#picked button");
    browser.until("document.getElementById('payload')?.textContent.includes('ada@contoso.example')");
    // By the keyboard alone: the tabs are one stop, and arrows choose.
    browser.value("document.getElementById('tab-payload').focus()");
    browser.press("ArrowRight", 0);
    browser.press("ArrowRight", 0);
    browser.until("document.activeElement.id === 'tab-target' && !document.getElementById('pane-target').hidden");
    browser.until("document.querySelector('#received .json')?.textContent.includes('ada@contoso.example')");
    browser.sees("POST /Users");
    browser.sees("What is stored is the same");
    browser.fill("#text", &PEOPLE.replace("ToLower", "ToUpper"));
    browser.until("document.querySelector('#received .come')?.textContent.includes('ADA@CONTOSO.EXAMPLE')");
    browser.until("document.querySelector('#received .gone')?.textContent.includes('ada@contoso.example')");
    browser.value("(() => { const aim = document.getElementById('aim'); aim.value = 'graph'; aim.dispatchEvent(new Event('change')); })()");
    browser.sees("POST /users");
    browser.fill("#text", &PEOPLE.replace("ToLower", "ToLowr"));
    browser.until("document.getElementById('received').textContent.includes('does not compile')");

    // As it was: who leaves is not asked whether to.
    browser.fill("#text", PEOPLE);
    browser.sees("Revision 1");

    // A mapping that nobody saved: everybody is new.
    browser.go(&url(&server, "/console/mappings/new"));
    browser.fill("#text", &PEOPLE.replace("people", "fresh"));
    browser.until("document.querySelector('.all-well')");
    browser.click("#ask-impact");
    browser.until("document.getElementById('pane-impact').innerText.includes('never saved')");
    browser.until("document.querySelector('#pane-impact .come')?.textContent.includes('ada@contoso.example')");
    assert_eq!(browser.value("document.querySelector('#pane-impact .figures dd').textContent"), "1");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_editor_completes_and_lets_go() {
    let Some((_data, server, mut browser)) = begin("editor") else { return };
    log_in(&server, &mut browser);
    browser.go(&url(&server, "/console/mappings/new"));
    browser.fill("#text", "name = \"mine\"\nresource = \"User\"\n[attributes]\nuserName = '");
    for letter in ["T", "o", "U"] {
        browser.press(letter, 0);
    }
    browser.until("!document.getElementById('offers').hidden");
    browser.until("document.getElementById('doc').innerText.includes('ToUpper(')");
    browser.press("Enter", 0);
    browser.until("document.getElementById('text').value.endsWith(\"= 'ToUpper(\")");
    browser.press("z", 2);
    browser.until("document.getElementById('text').value.endsWith(\"= 'ToU\")");
    // Undo selects what it brought back.
    browser.press("ArrowRight", 0);
    browser.press("Tab", 0);
    browser.until("document.getElementById('text').value.endsWith(\"ToU    \")");
    browser.press("Escape", 0);
    browser.press("Tab", 0);
    browser.until("document.activeElement.id !== 'text'");
    browser.value("window.onbeforeunload = null");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_token_is_made_shown_once_and_revoked() {
    let Some((_data, server, mut browser)) = begin("tokens") else { return };
    log_in(&server, &mut browser);
    browser.go(&url(&server, "/console/tokens"));
    browser.click("summary");
    browser.fill("#label", "entra production");
    browser.press("Enter", 0);
    browser.sees("Shown this once");
    let token = browser.value("document.getElementById('new-token').value");
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let path = "/scim/default/v2/Users";
    assert_eq!(server.send("GET", path, &[("Authorization", &bearer)], b"").status, 200);
    // Without leave to use the clipboard the text is selected, ready to be copied by hand.
    browser.value(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: () => Promise.reject(new Error('no'))}})",
    );
    browser.click("[data-copy=new-token]");
    browser.until("document.activeElement.id === 'new-token' && document.activeElement.selectionEnd > 20");
    browser.go(&url(&server, "/console/tokens"));
    assert_eq!(browser.value("document.getElementById('new-token')"), json!(null), "it is shown once");
    browser.click("tbody tr:first-child .danger");
    browser.sees("The token was revoked");
    assert_eq!(server.send("GET", path, &[("Authorization", &bearer)], b"").status, 401);
}

#[test]
fn users_arrive_and_a_halt_is_seen_and_lifted() {
    let Some((_data, server, mut browser)) = begin("halt") else { return };
    log_in(&server, &mut browser);
    browser.sees("Connect your identity provider");
    browser.go(&url(&server, "/console/provisioned"));
    browser.sees("Nobody here yet");
    server.user("grace@contoso.example");
    browser.sees("grace@contoso.example");

    let breaking = PEOPLE.replace("title = '[title]'", "title = 'IIF(IsPresent([title]), CDate([title]), \"\")'");
    assert_eq!(server.api("PUT", "/mappings/people", &[], &breaking).status, 201);
    let source = json!({"slug": "default", "userMapping": "people"}).to_string();
    assert_eq!(server.api("PUT", "/sources/default", &[], &source).status, 200);
    let user = json!({"schemas": [crate::server::USER], "userName": "b", "title": "no date"});
    assert_eq!(server.scim("POST", "/Users", Some(&user)).status, 503);
    browser.go(&url(&server, "/console"));
    browser.sees("Source default stands still");
    assert_eq!(browser.value("document.querySelector('.report mark').textContent"), "[title]");
    browser.keep_picture("overview-halted");
    browser.click(".halt form button");
    browser.sees("takes writes again");
    server.user("fine@contoso.example");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// People, groups, a halt, tokens: something on every page. Gives the paths of all pages.
fn furnish(server: &Server, hostile: bool) -> Vec<String> {
    let names: Vec<(String, String)> = if hostile {
        HOSTILE.iter().enumerate().map(|(number, value)| (format!("{value}{number}"), (*value).to_owned())).collect()
    } else {
        let people = ["Ada Lovelace", "Grace Hopper", "Zofia Łukasik", "Ng'ang'a Mwangi", "山田 太郎", "Hedy Lamarr"];
        let named = people.iter().enumerate();
        named.map(|(number, name)| (format!("person{number}@contoso.example"), (*name).to_owned())).collect()
    };
    let mut pages: Vec<String> = Vec::new();
    let mut ids = Vec::new();
    for (name, display) in &names {
        let user = json!({"schemas": [USER], "userName": name, "displayName": display, "externalId": display,
            "title": display, "active": true, "emails": [{"type": "work", "value": format!("{}@contoso.example", ids.len())}]});
        let made = server.scim("POST", "/Users", Some(&user));
        assert_eq!(made.status, 201, "{}", made.text());
        ids.push(made.json()["id"].as_str().unwrap().to_owned());
        assert_eq!(server.scim("POST", "/Users", Some(&user)).status, 409);
    }
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"schemas": [GROUP], "displayName": names[0].1, "members": members});
    let group = server.scim("POST", "/Groups", Some(&group)).json()["id"].as_str().unwrap().to_owned();
    server.patch(&format!("/Users/{}", ids[0]), json!([{"op": "replace", "path": "title", "value": "Countess"}]));
    for label in [names[0].1.as_str(), "entra staging"] {
        let made = json!({"label": label, "source": "default", "days": 5}).to_string();
        assert_eq!(server.api("POST", "/tokens", &[], &made).status, 201);
    }
    use_people(server);
    let second = PEOPLE.replace("title = '[title]'", "title = 'CDate([title])'");
    assert_eq!(server.api("PUT", "/mappings/people", &[], &second).status, 200);
    let user = json!({"schemas": [USER], "userName": "late", "title": names[0].1});
    assert_eq!(server.scim("POST", "/Users", Some(&user)).status, 503);
    for (name, path) in [
        ("overview", String::new()),
        ("users", "/sources/default/users".to_owned()),
        ("groups", "/sources/default/groups".to_owned()),
        ("user", format!("/sources/default/users/{}", ids[0])),
        ("group", format!("/sources/default/groups/{group}")),
        ("log", "/log".to_owned()),
        ("syncs", "/syncs".to_owned()),
        ("mappings", "/mappings".to_owned()),
        ("mapping", "/mappings/people".to_owned()),
        ("studio", format!("/mappings/people/edit?source=default&kind=User&id={}", ids[1])),
        ("tokens", "/tokens".to_owned()),
        ("nowhere", "/nowhere".to_owned()),
    ] {
        pages.push(format!("{name} /console{path}"));
    }
    pages
}

#[test]
fn hostile_values_run_nothing() {
    let Some((_data, server, mut browser)) = begin("hostile") else { return };
    let pages = furnish(&server, true);
    log_in(&server, &mut browser);
    for page in pages {
        let (name, path) = page.split_once(' ').unwrap();
        browser.go(&url(&server, path));
        if name == "studio" {
            browser.until("document.querySelector('#tab-tests').textContent !== 'Tests'");
            browser.click("#ask-impact");
            browser.until("document.querySelector('#pane-impact .figures')");
        }
        let strange = browser.value(
            "document.querySelectorAll('script:not([src]), img:not([src^=\"/console/assets/\"]), [onerror], [onload], svg[onload]').length",
        );
        assert_eq!(strange, 0, "{path}");
        assert_eq!(browser.value("document.body.innerText.includes('1337')"), json!(false), "{path}");
        let complaints: Vec<String> =
            browser.complaints().into_iter().filter(|line| name != "nowhere" || !line.contains("404")).collect();
        assert_eq!(complaints, Vec::<String>::new(), "{path}");
    }
}

/// What axe-core finds that is serious or worse, when it stands in `target/axe`; `.ci/browser` brings it.
fn serious(browser: &mut Browser, axe: &str) -> Vec<String> {
    browser.value(&format!("{axe};1"));
    let found = browser.value(
        "axe.run(document, {resultTypes: ['violations']}).then(told => told.violations.filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(one => one.nodes.map(node => `${one.id}: ${node.target} ${node.failureSummary.replaceAll('\\n', ' ')}`)))",
    );
    found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// axe-core, which must be there in CI.
fn axe() -> Option<String> {
    let axe = std::fs::read_to_string(crate::support::root().join("target/axe/package/axe.min.js")).ok();
    if axe.is_none() {
        assert!(std::env::var_os("CI").is_none(), "axe-core is missing: .ci/browser brings it");
        eprintln!("skipped: axe-core is missing (.ci/browser brings it)");
    }
    axe
}

/// Pictures of a page as it stands, and what is wrong with it.
fn portray(browser: &mut Browser, axe: Option<&String>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (form, width, height) in [("phone", 360, 780), ("desktop", 1280, 900)] {
        browser.size(width, height);
        for scheme in ["dark", "light"] {
            browser.prefers(scheme);
            let wide = browser.value("document.documentElement.scrollWidth - window.innerWidth");
            if wide.as_f64().unwrap() > 0.0 {
                found.push(format!("{name}, {form}: {wide} pixels too wide"));
            }
            let tabs = browser
                .value("new Set([...document.querySelectorAll('.results [role=tab]')].map(tab => tab.offsetTop)).size");
            if tabs.as_f64().unwrap() > 1.0 {
                found.push(format!("{name}, {form}: the tabs are on {tabs} lines"));
            }
            browser.keep_picture(&format!("{name}-{form}-{scheme}"));
            if let Some(axe) = axe {
                found.extend(serious(browser, axe).into_iter().map(|line| format!("{name}, {form}, {scheme}: {line}")));
            }
        }
    }
    found
}

#[test]
fn what_opens_on_a_page_is_for_everybody_too() {
    let Some((_data, server, mut browser)) = begin("states") else { return };
    let axe = axe();
    furnish(&server, false);
    log_in(&server, &mut browser);
    let mut found = Vec::new();
    let mut shot = |browser: &mut Browser, name: &str| found.extend(portray(browser, axe.as_ref(), name));
    browser.go(&url(&server, "/console/mappings/people/edit"));
    browser.click("#picked button");
    browser.until("document.querySelector('#pane-payload .badge.bad')");
    shot(&mut browser, "studio-halts");
    browser.fill("#text", &PEOPLE.replace("ToLower", "ToUpper"));
    browser.until("document.getElementById('payload')");
    shot(&mut browser, "studio-fine");
    browser.click("#tab-rules");
    browser.value("for (const rule of [...document.querySelectorAll('.rule')].slice(0, 2)) rule.open = true");
    shot(&mut browser, "studio-trace");
    browser.click("#tab-target");
    browser.until("document.querySelector('#received .changes')");
    shot(&mut browser, "studio-target");
    browser.click("#ask-impact");
    browser.until("document.querySelector('#pane-impact .figures')");
    shot(&mut browser, "studio-impact");
    browser.click("#tab-payload");
    browser.fill("#text", &PEOPLE.replace("ToLower", "ToLowr"));
    browser.until("document.querySelector('#findings .finding pre')");
    browser.until("!document.getElementById('payload')");
    shot(&mut browser, "studio-mistake");
    browser.go(&url(&server, "/console/tokens"));
    browser.click("summary");
    shot(&mut browser, "token-form");
    browser.fill("#label", "entra production");
    browser.press("Enter", 0);
    browser.sees("Shown this once");
    shot(&mut browser, "token-made");
    browser.go(&url(&server, "/console/sources/default/users"));
    browser.click(".removal summary");
    browser.until("document.getElementById('confirm').offsetParent");
    shot(&mut browser, "source-removal");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_page_is_for_everybody_and_fits_a_phone() {
    let Some(mut browser) = Browser::start("pages") else { return };
    let home = Data::new();
    // One sync is halted, and one waits for a target that says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "\n[[sync]]\nname = \"strict\"\nsource = \"default\"\nusers = {{ mapping = \"strict.toml\" }}\nschedule = {{ direct = false }}\n\
         [sync.target]\nkind = \"file\"\npath = \"strict.jsonl\"\n\n[[sync]]\nname = \"patient\"\nsource = \"default\"\n\
         users = {{ mapping = \"onward.toml\" }}\nschedule = {{ direct = false }}\n[sync.target]\nkind = \"scim\"\nurl = \"http://{}/scim/v2\"\n",
        silent.local_addr().unwrap()
    );
    let server = with_sync(&home, &more);
    let grace = json!({"schemas": [USER], "userName": "Grace@Contoso.example", "displayName": "Grace Hopper", "title": "Rear admiral"});
    let grace = server.scim("POST", "/Users", Some(&grace)).json()["id"].as_str().unwrap().to_owned();
    for name in ["onward", "strict"] {
        server.api("POST", &format!("/syncs/{name}/run"), &[], &json!({"wait": true}).to_string());
    }
    server.patch(&format!("/Users/{grace}"), json!([{"op": "replace", "path": "title", "value": "Commodore"}]));
    let axe = axe();
    let empty = Data::new();
    let new = Server::start(&empty.0);
    let mut found = Vec::new();
    let mut look = |browser: &mut Browser, server: &Server, name: &str, path: &str| {
        for (form, width, height) in [("desktop", 1280, 900), ("phone", 360, 780)] {
            browser.size(width, height);
            for scheme in ["light", "dark"] {
                browser.prefers(scheme);
                browser.go(&url(server, path));
                if path.contains("/edit") || path.ends_with("/new") {
                    browser.until("document.querySelector('#findings').childElementCount");
                    browser.until("!document.getElementById('pane-payload').textContent.includes('does not compile') && document.querySelector('#picked li')");
                }
                let wide = browser.value("document.documentElement.scrollWidth - window.innerWidth");
                if wide.as_f64().unwrap() > 0.0 {
                    found.push(format!("{name}, {form}: {wide} pixels too wide"));
                }
                browser.keep_picture(&format!("{name}-{form}-{scheme}"));
                if let Some(axe) = &axe {
                    found.extend(
                        serious(browser, axe).into_iter().map(|line| format!("{name}, {form}, {scheme}: {line}")),
                    );
                }
            }
        }
    };
    look(&mut browser, &server, "login", "/console/login");
    log_in(&new, &mut browser);
    for (name, path) in [
        ("new-overview", "/console"),
        ("new-users", "/console/sources/default/users"),
        ("new-log", "/console/log"),
        ("new-mappings", "/console/mappings"),
        ("new-studio", "/console/mappings/new"),
    ] {
        look(&mut browser, &new, name, path);
    }
    let mut pages = furnish(&server, false);
    pages.extend([
        "sync /console/syncs/onward".to_owned(),
        "plan /console/syncs/onward/plan".to_owned(),
        "objects /console/syncs/onward/objects".to_owned(),
        "sync-halted /console/syncs/strict".to_owned(),
        "sync-running /console/syncs/patient".to_owned(),
    ]);
    log_in(&server, &mut browser);
    for page in pages {
        let (name, path) = page.split_once(' ').unwrap();
        look(&mut browser, &server, name, path);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
