//! The first five minutes: the commands of the page as they stand there, then the console as the page leads through it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::browser::Browser;
use crate::readme::blocks;
use crate::server::{ADMIN, Data, SCIM, Server};
use crate::support::{Scratch, root};

/// How many of the shipped people are pushed into the server.
const PUSHED: usize = 60;

/// Runs a block of the page in a folder that looks like the repository.
fn run(block: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_provisor")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", block]).current_dir(folder).env("PATH", path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{block}\n{told}");
    format!("{}{told}", String::from_utf8_lossy(&output.stdout))
}

#[test]
fn the_first_five_minutes_are_as_the_page_says() {
    let page = fs::read_to_string(root().join("docs/first-five-minutes.md")).unwrap();
    let scratch = Scratch::new("newcomer");
    let folder = scratch.path("");
    let folder = Path::new(&folder);
    for file in ["mappings/entra-user.toml", "examples/users.jsonl", "examples/demo.toml"] {
        fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        fs::copy(root().join(file), folder.join(file)).unwrap();
    }
    let commands = blocks(&page, "sh");
    let compare = commands.iter().find(|block| block.contains("provisor diff")).unwrap();
    let printed = run(compare, folder);
    let shown = blocks(&page, "text").remove(0);
    assert!(printed.contains(shown.trim_end()), "{printed}");

    let data = Data::new();
    let server = Server::start(&data.0);
    let people = fs::read_to_string(folder.join("examples/users.jsonl")).unwrap();
    let people: Vec<&str> = people.lines().take(PUSHED).collect();
    fs::write(folder.join("examples/users.jsonl"), people.join("\n")).unwrap();
    let config = fs::read_to_string(folder.join("examples/demo.toml")).unwrap();
    let config = config.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port));
    fs::write(folder.join("examples/demo.toml"), config).unwrap();
    let push = commands.iter().find(|block| block.contains("provisor sync run demo")).unwrap();
    // The program is on the path already, wherever this build puts it.
    let push: String = push.lines().filter(|line| !line.starts_with("export PATH")).collect();
    let printed = run(&push.replace("prv1_…", SCIM), folder);
    assert!(printed.contains(&format!("{PUSHED} created")), "{printed}");

    let Some(mut browser) = Browser::start("newcomer") else { return };
    let mut begun = Instant::now();
    let mut step = |what: &str| {
        eprintln!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    browser.go(&format!("http://127.0.0.1:{}/console", server.port));
    browser.fill("#token", ADMIN);
    browser.press("Enter", 0);
    browser.sees("The last 24 hours");
    step("log in");
    browser.press("g", 0);
    browser.press("m", 0);
    browser.until("location.pathname === '/console/mappings'");
    browser.click("a[href='/console/mappings/new']");
    browser.until("document.querySelector('.all-well') && document.querySelector('#picked button')");
    step("a new mapping stands in the studio");
    browser.click("#picked button");
    browser.until("document.getElementById('payload')?.textContent.includes('@')");
    step("somebody is chosen, and the payload is there");
    let text = browser.value("document.getElementById('text').value");
    let text = text.as_str().unwrap().to_owned();
    assert!(text.lines().nth(10).unwrap().contains("ToLower"), "line 11 is the one that the page names");
    browser.fill("#text", &text.replace("ToLower", "ToUpper"));
    browser.until("/\"userName\": \"[^a-z\"]*@[^a-z\"]*\"/.test(document.getElementById('payload')?.textContent)");
    browser.until("document.getElementById('tab-tests').textContent.includes('✗ 1')");
    step("the expression is changed, and the payload and the test have followed");
    browser.click("#ask-impact");
    browser.until("document.getElementById('pane-impact').innerText.includes('never saved')");
    step("who would change: everybody is new");
    browser.click("#save");
    browser.until("location.pathname === '/console/mappings/my-users/edit' && document.querySelector('.all-well')");
    step("saved");
    browser.fill("#text", &text);
    browser.click("#ask-impact");
    browser.until("document.querySelectorAll('#pane-impact .who-changes').length > 1");
    let figure = browser.value("document.querySelector('#pane-impact .figures dd').textContent");
    assert!(figure.as_str().unwrap().parse::<usize>().unwrap() > PUSHED / 2, "{figure}");
    step("changed again: who would change, in what, from what to what");
    browser.keep_picture("newcomer");
    browser.value("window.onbeforeunload = null");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
