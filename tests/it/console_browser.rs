//! The console as people meet it: in a browser, with a pointer and a keyboard. Where Chromium is not installed these tests say
//! so and end; in CI it must be there.

use serde_json::json;

use crate::browser::Browser;
use crate::server::{ADMIN, Data, Server};

/// A mapping of users with one expression to break.
const PEOPLE: &str = "name = \"people\"\nresource = \"User\"\nlanguage = \"entra\"\n\n[source]\nkind = \"scim\"\n\n[attributes]\nuserName = { expr = 'ToLower([userName])', match = 1 }\ndisplayName = 'Coalesce([displayName], [userName])'\ntitle = '[title]'\n\n[[tests]]\nname = \"small letters\"\ngiven = { userName = \"ADA\" }\nexpect = { userName = \"ada\" }\n";

/// A server and a browser that looks at it; `None` without Chromium.
fn begin(name: &str) -> Option<(Data, Server, Browser)> {
    let browser = Browser::start(name)?;
    let data = Data::new();
    let server = Server::start(&data.0);
    Some((data, server, browser))
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
    browser.until("document.getElementById('tab-tests').textContent.includes('1 ✓')");

    browser.fill("#text", &PEOPLE.replace("ToLower", "ToLowr"));
    browser.until("document.querySelector('.finding pre')?.textContent.includes('^^^^^^')");
    browser.until("document.querySelector('#layer .s-error')?.textContent.includes('ToLowr')");
    browser.click(".finding > button");
    assert_eq!(browser.value("document.activeElement.id"), "text", "a finding leads to its place");
    browser.keep_picture("studio-broken");

    browser.fill("#text", &PEOPLE.replace("ToLower", "ToUpper"));
    browser.until("document.getElementById('payload')?.textContent.includes('ADA@CONTOSO.EXAMPLE')");
    browser.until("document.getElementById('tab-tests').textContent.includes('1 fail')");
    browser.click("#ask-impact");
    browser.sees("Ada@Contoso.example");
    browser.until("document.getElementById('pane-impact').innerText.includes('Against revision 1')");
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

    let breaking = PEOPLE.replace("title = '[title]'", "title = 'CDate([title])'");
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
