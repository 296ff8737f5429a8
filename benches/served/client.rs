//! A client by hand, over connections that stay open, and the users that it sends.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

pub(crate) const TOKEN: &str = "the-token-of-the-bench";
pub(crate) const ROOT: &str = "/scim/default/v2";
pub(crate) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The name of the threads on which a bench has its servers.
pub(crate) const SERVERS: &str = "server";
const LENGTH: &[u8] = b"content-length: ";
const JSON: &str = "Content-Type: application/scim+json\r\n";

/// A connection that stays open.
pub(crate) struct Client {
    stream: TcpStream,
    reply: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, reply: Vec::with_capacity(1 << 16) }
    }

    /// Sends a request; gives the status and the body.
    pub(crate) async fn send(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.reply.clear();
        let (mut head, mut whole) = (0, usize::MAX);
        while self.reply.len() < whole {
            assert!(self.stream.read_buf(&mut self.reply).await.unwrap() > 0, "the server closed the connection");
            if head == 0
                && let Some(end) = memmem::find(&self.reply, b"\r\n\r\n")
            {
                head = end + 4;
                whole = head + length(&self.reply[..end]);
            }
        }
        let status = std::str::from_utf8(&self.reply[9..12]).unwrap().parse().unwrap();
        (status, &self.reply[head..])
    }
}

/// What `Content-Length` says.
pub(crate) fn length(head: &[u8]) -> usize {
    // As all servers here write it. Heads are of different lengths, and to read one is to be no part of what is compared.
    let Some(begin) = memmem::find(head, LENGTH) else { return 0 };
    let digits = head[begin + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { JSON };
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Numbers that no two calls share.
pub(crate) fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn name(number: u64) -> String {
    format!("{:016x}@contoso.example", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A user as Entra sends one.
pub(crate) fn user(number: u64) -> String {
    let name = name(number);
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        ],
        "userName": name,
        "externalId": format!("{number:x}-external"),
        "active": true,
        "displayName": format!("Person {number}"),
        "title": "Engineer",
        "name": {"formatted": format!("Person {number}"), "givenName": "Person", "familyName": number.to_string()},
        "emails": [{"type": "work", "value": name, "primary": true}],
        "phoneNumbers": [{"type": "work", "value": "+41 44 123 45 67"}],
        "addresses": [{"type": "work", "locality": "Zurich", "country": "CH", "postalCode": "8001"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "employeeNumber": number.to_string()}
    })
    .to_string()
}

/// A request for a number, the same work each time.
pub(crate) type Make = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// How fast something goes, and what it costs.
#[derive(Clone, Copy)]
pub(crate) struct Speed {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Microseconds of processor that the servers' threads work for a request; the client, and the thread that writes, not counted.
    pub(crate) work: f64,
}

impl Speed {
    pub(crate) const NONE: Self = Self { rate: f64::NAN, work: f64::NAN };
}

/// Microseconds of processor that the servers' threads have had.
pub(crate) fn worked() -> f64 {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == SERVERS {
            nanoseconds += read("schedstat").split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    nanoseconds as f64 / 1e3
}

/// Requests a second over as many connections as there are ways to make one.
pub(crate) fn rate(runtime: &Runtime, port: u16, time: Duration, makes: &[Make]) -> Speed {
    let before = worked();
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in makes {
            clients.push(Client::connect(port).await);
        }
        let (begun, mut tasks) = (Instant::now(), tokio::task::JoinSet::new());
        for (mut client, make) in clients.into_iter().zip(makes) {
            let make = Arc::clone(make);
            tasks.spawn(async move {
                let mut count = 0_u64;
                while begun.elapsed() < time {
                    let (status, body) = client.send(&make(fresh())).await;
                    assert!(status < 300, "{status}: {}", String::from_utf8_lossy(body));
                    count += 1;
                }
                count
            });
        }
        let mut count = 0;
        while let Some(done) = tasks.join_next().await {
            count += done.unwrap();
        }
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        Speed { rate, work: (worked() - before) / count as f64 }
    })
}

/// Sends every request once over so many connections; gives the `id` of each answer, in the order of the requests.
pub(crate) fn fill(runtime: &Runtime, port: u16, connections: usize, count: usize, make: &Make) -> Vec<String> {
    let (next, found) = (Arc::new(AtomicU64::new(0)), Arc::new(std::sync::Mutex::new(vec![String::new(); count])));
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (next, found, make) = (Arc::clone(&next), Arc::clone(&found), Arc::clone(make));
            tasks.spawn(async move {
                let mut client = Client::connect(port).await;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count as u64 {
                        return;
                    }
                    let (status, body) = client.send(&make(number)).await;
                    assert!(status < 300, "{status}: {}", String::from_utf8_lossy(body));
                    if !body.is_empty() {
                        let body: Value = serde_json::from_slice(body).unwrap();
                        let id = body["id"].as_str().unwrap_or_default();
                        id.clone_into(&mut found.lock().unwrap()[number as usize]);
                    }
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    Arc::try_unwrap(found).unwrap().into_inner().unwrap()
}
