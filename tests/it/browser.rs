//! A real browser for tests: Chromium without a window, driven over a pair of pipes by its DevTools protocol.
//!
//! There is no port and no other process between: the browser reads commands from one named pipe and writes to another, each a
//! JSON text that ends in a byte 0. `PROVISOR_CHROMIUM` names the program where it is called otherwise.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::Scratch;

/// How long the browser may take for one answer, and a page for what is waited for. Long, for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, when it is installed. In CI it must be.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("PROVISOR_CHROMIUM").map(PathBuf::from);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find_map(|name| std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file()));
    let found = named.or(found);
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "no Chromium: `apt-get install chromium`, or name it in PROVISOR_CHROMIUM"
    );
    if found.is_none() {
        eprintln!("skipped: no Chromium here (apt-get install chromium)");
    }
    found
}

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    next: u64,
    /// What the page said in between: the methods of events and their parameters.
    events: VecDeque<Value>,
    _files: Scratch,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts one; `None` where Chromium is not installed. `name` is unique among the tests.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let program = program()?;
        let files = Scratch::new(&format!("browser-{name}"));
        let (inward, outward) = (files.path("in"), files.path("out"));
        assert!(Command::new("mkfifo").args([&inward, &outward]).status().unwrap().success());
        // The browser speaks on the descriptors 3 and 4, which the shell opens for it.
        let child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<\"$PIPE_IN\" 4>\"$PIPE_OUT\"")
            .arg(program)
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-default-apps", "--disable-sync", "--mute-audio", "--hide-scrollbars"])
            .args(["--force-device-scale-factor=1", "--lang=en-US", "--proxy-server=direct://"])
            .arg(format!("--user-data-dir={}", files.path("profile")))
            .arg("about:blank")
            .env("PIPE_IN", &inward)
            .env("PIPE_OUT", &outward)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        // In the order of the shell: each end waits for the other.
        let to = File::options().write(true).open(&inward).unwrap();
        let read = BufReader::new(File::open(&outward).unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in read.split(0) {
                let Ok(message) = message else { break };
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let events = VecDeque::new();
        let mut browser = Self { child, to, from, session: None, next: 0, events, _files: files };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 900);
        Some(browser)
    }

    fn send(&mut self, method: &str, parameters: &Value) -> u64 {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.to.write_all(&text).expect("the browser listens");
        self.next
    }

    /// A command and its answer.
    #[expect(clippy::needless_pass_by_value, reason = "it is always made on the spot")]
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, &parameters);
        loop {
            let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(message);
        }
    }

    /// Keeps an event; a question of the page is answered with yes.
    fn note(&mut self, message: Value) {
        if message["method"] == "Page.javascriptDialogOpening" {
            self.send("Page.handleJavaScriptDialog", &json!({"accept": true}));
        }
        if message.get("method").is_some() {
            self.events.push_back(message);
        }
    }

    /// How large the window is; narrow ones are phones.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// What the system prefers: `light` or `dark`.
    pub(crate) fn prefers(&mut self, scheme: &str) {
        // And nothing moves: a picture is not to show a colour on its way to another.
        let still = json!({"name": "prefers-reduced-motion", "value": "reduce"});
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}, still]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Goes to a page and waits until it is there.
    pub(crate) fn go(&mut self, url: &str) {
        let gone = self.call("Page.navigate", json!({"url": url}));
        assert!(gone.get("errorText").is_none(), "{url}: {}", gone["errorText"]);
        self.until("document.readyState === 'complete'");
    }

    /// The value of a script.
    pub(crate) fn value(&mut self, script: &str) -> Value {
        let asked = json!({"expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true});
        let told = self.call("Runtime.evaluate", asked);
        assert!(told.get("exceptionDetails").is_none(), "{script}: {}", told["exceptionDetails"]);
        told["result"]["value"].clone()
    }

    /// Waits until a script says true.
    pub(crate) fn until(&mut self, script: &str) {
        let begun = Instant::now();
        loop {
            // While a page goes away its scripts fail; that is no answer yet.
            let asked = json!({"expression": format!("Boolean({script})"), "returnByValue": true});
            let id = self.send("Runtime.evaluate", &asked);
            let told = loop {
                let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{script}: {error}"));
                if message["id"] == id {
                    break message;
                }
                self.note(message);
            };
            if told["result"]["result"]["value"] == true {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let page = self.value("location.href + '\\n' + document.body.innerText");
                panic!("never came true: {script}\n{}", page.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until the page shows a text.
    pub(crate) fn sees(&mut self, text: &str) {
        self.until(&format!("document.body && document.body.innerText.includes({})", json!(text)));
    }

    /// Clicks what a selector finds first, as a pointer does.
    pub(crate) fn click(&mut self, selector: &str) {
        self.until(&format!("document.querySelector({})", json!(selector)));
        let at = self.value(&format!(
            "(() => {{ const one = document.querySelector({}); one.scrollIntoView({{block: 'center', behavior: 'instant'}}); const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Puts a text into a field, in the place of what is there, as a keyboard does.
    pub(crate) fn fill(&mut self, selector: &str, text: &str) {
        self.until(&format!("document.querySelector({})", json!(selector)));
        self.value(&format!(
            "(() => {{ const one = document.querySelector({}); one.focus(); one.select(); }})()",
            json!(selector)
        ));
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key, such as `Tab`; `modifiers`: 1 Alt, 2 Control, 8 Shift.
    pub(crate) fn press(&mut self, key: &str, modifiers: u32) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            " " => 32,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => key.to_ascii_uppercase().bytes().next().map_or(0, u32::from),
        };
        let mut event = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers});
        if key == "Enter" {
            event["text"] = "\r".into();
        } else if key.chars().count() == 1 && modifiers & 2 == 0 {
            event["text"] = key.into();
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event);
    }

    /// A picture of the whole page, as PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// Writes a picture below `target/console`, for people to look at.
    pub(crate) fn keep_picture(&mut self, name: &str) {
        let folder = crate::support::root().join("target/console");
        fs::create_dir_all(&folder).unwrap();
        let picture = self.picture();
        fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// What pages did that they must not: errors of scripts, questions nobody asked, what the policy kept them from.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // What is on its way is here when this answers.
        self.value("1");
        let events = std::mem::take(&mut self.events);
        let told = events.into_iter().filter_map(|event| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(format!("exception: {}", parameters["exceptionDetails"])),
                "Page.javascriptDialogOpening" => Some(format!("dialog: {}", parameters["message"])),
                "Log.entryAdded" if parameters["entry"]["source"] == "security" => {
                    Some(format!("policy: {}", parameters["entry"]["text"]))
                }
                "Runtime.consoleAPICalled" if parameters["type"] == "error" => {
                    Some(format!("console: {}", parameters["args"]))
                }
                _ => None,
            }
        });
        told.collect()
    }
}
