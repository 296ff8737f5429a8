//! The transport as a client meets it: TLS, its certificates while they change, the form of every failure, slow and silent
//! clients, the end of the server, and what its log says about all that.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use provisor::config::{Config, KEYS, markdown};
use provisor::server::Certificates;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};
use serde_json::{Value, json};

use crate::support::{Scratch, provisor, root};

const SCIM: &str = "scim-token-of-the-transport";
const ADMIN: &str = "admin-token-of-the-transport";
const USERS: &str = "/scim/default/v2/Users";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// How long a test waits for what must come. Nothing takes so long; a slow machine may.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with a directory of its own; its log is a file there.
struct Server {
    child: Child,
    scratch: Scratch,
    address: String,
    greeting: String,
}

impl Server {
    fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_in(Scratch::new(&format!("transport-{name}")), variables)
    }

    /// With the certificate and key of that directory.
    fn start_tls(scratch: Scratch, variables: &[(&str, &str)]) -> Self {
        let (certificate, key) = (scratch.path("cert.pem"), scratch.path("key.pem"));
        let pair = [("PROVISOR_TLS_CERTIFICATE", certificate.as_str()), ("PROVISOR_TLS_KEY", key.as_str())];
        Self::start_in(scratch, &[&pair, variables].concat())
    }

    fn start_in(scratch: Scratch, variables: &[(&str, &str)]) -> Self {
        let mut child = provisor()
            .args(["serve", "--listen", "127.0.0.1:0", "--data", &scratch.path("data")])
            .env("PROVISOR_SCIM_TOKEN", SCIM)
            .env("PROVISOR_ADMIN_TOKEN", ADMIN)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(scratch.path("log")).unwrap())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !greeting.contains("SCIM endpoint:") {
            assert!(out.read_line(&mut greeting).unwrap() > 0, "the server ended: {}", scratch.read("log"));
        }
        let at = greeting.find("127.0.0.1:").unwrap();
        let address = greeting[at..].split('/').next().unwrap().to_owned();
        Self { child, scratch, address, greeting }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Writes these bytes on a new connection, and reads the one answer.
    fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        reply(&mut stream)
    }

    fn get(&self, path: &str) -> Reply {
        self.raw(&request("GET", path, "Connection: close\r\n", b""))
    }

    fn log(&self) -> String {
        self.scratch.read("log")
    }

    /// Waits until the log says this.
    fn logged(&self, part: &str) {
        wait_for(&format!("{part:?} in the log"), || self.log().contains(part));
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A request with the token, more headers as they stand, and a body whose length is told.
fn request(method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = head(method, path, &format!("{more}Content-Length: {length}\r\n"));
    bytes.extend(body);
    bytes
}

fn head(method: &str, path: &str, more: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SCIM}\r\nContent-Type: application/scim+json\r\n{more}\r\n")
        .into_bytes()
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.head, self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Reads one answer, whose length is told.
fn reply(stream: &mut impl Read) -> Reply {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert!(stream.read(&mut byte).unwrap() == 1, "the answer ended: {}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Reply { status, head, body: String::from_utf8(body).unwrap() }
}

/// A new pair for localhost in these files; gives the certificate.
fn make_pair(scratch: &Scratch, certificate: &str, key: &str) -> CertificateDer<'static> {
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2090, 1, 1);
    let made = rcgen::KeyPair::generate().unwrap();
    let signed = parameters.self_signed(&made).unwrap();
    scratch.write(certificate, signed.pem());
    private(scratch, key, &made.serialize_pem());
    signed.der().clone()
}

/// Writes a file that nobody else may read.
fn private(scratch: &Scratch, name: &str, text: &str) {
    let path = scratch.write(name, text);
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Shakes hands with a server whose certificate must be one of these.
fn shake(
    server: &Server,
    roots: &[CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
    suite: Option<rustls::CipherSuite>,
    protocol: &[u8],
) -> std::io::Result<TlsStream> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|known| suite.is_none_or(|suite| known.suite() == suite));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), server.connect());
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

#[test]
fn tls_is_spoken_in_the_versions_and_suites_of_entra() {
    let scratch = Scratch::new("transport-tls");
    let own = make_pair(&scratch, "cert.pem", "key.pem");
    let server = Server::start_tls(scratch, &[]);
    assert!(server.greeting.contains("SCIM endpoint: https://127.0.0.1:"), "{}", server.greeting);
    for (version, suite) in [
        (&version::TLS13, None),
        (&version::TLS12, None),
        (&version::TLS12, Some(rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)),
        (&version::TLS12, Some(rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)),
    ] {
        let mut stream = shake(&server, std::slice::from_ref(&own), &[version], suite, b"http/1.1").unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let body = json!({"schemas": [USER], "userName": format!("{version:?}{suite:?}")}).to_string();
        stream.write_all(&request("POST", USERS, "", body.as_bytes())).unwrap();
        let made = reply(&mut stream);
        assert_eq!(made.status, 201, "{}", made.body);
        assert!(
            made.json()["meta"]["location"].as_str().unwrap().starts_with("https://localhost/scim/"),
            "{}",
            made.body
        );
        stream.write_all(&request("GET", "/metrics", "", b"")).unwrap();
        let metrics = reply(&mut stream).body;
        let days = metrics.lines().find_map(|line| line.strip_prefix("provisor_tls_days_left ")).unwrap();
        assert!(days.parse::<i64>().unwrap() > 20_000, "{days}");
    }
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

#[test]
fn the_suites_of_entra_are_there_for_both_kinds_of_keys() {
    use rustls::CipherSuite as Suite;
    let scratch = Scratch::new("transport-suites");
    make_pair(&scratch, "cert.pem", "key.pem");
    let (certificate, key) = (scratch.path("cert.pem"), scratch.path("key.pem"));
    let certificates = Certificates::load(certificate.as_ref(), key.as_ref()).unwrap();
    assert!(!format!("{certificates:?}").contains("key"), "{certificates:?}");
    let config = Arc::new(certificates).config().unwrap();
    let known: Vec<Suite> =
        config.crypto_provider().cipher_suites.iter().map(rustls::SupportedCipherSuite::suite).collect();
    for suite in [
        Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ] {
        assert!(known.contains(&suite), "{suite:?}");
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

#[test]
fn http_2_is_spoken_when_it_is_asked_for() {
    let scratch = Scratch::new("transport-h2");
    let own = make_pair(&scratch, "cert.pem", "key.pem");
    let server = Server::start_tls(scratch, &[]);
    let mut stream = shake(&server, &[own], &[&version::TLS13], None, b"h2").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    let text = |name: &[u8], value: &str| [name, &[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    // GET, https, then :path, :authority and authorization by their numbers in HPACK's table, with values as they are.
    let headers = [
        vec![0x82, 0x87],
        text(&[0x04], "/scim/default/v2/ServiceProviderConfig"),
        text(&[0x01], "tenant.example:8443"),
        text(&[0x0F, 0x08], &format!("Bearer {SCIM}")),
    ]
    .concat();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&[frame(4, 0, 0, &[]), frame(1, 5, 1, &headers)].concat()).unwrap();
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).unwrap();
        match (head[3], head[8]) {
            (1, 1) => assert_eq!(payload[0], 0x88, "the status is 200"),
            (0, 1) => body.extend(payload),
            (3 | 7, _) => panic!("the stream was refused: {payload:?}"),
            _ => continue,
        }
        // The end of the stream.
        if head[4] & 1 == 1 {
            break;
        }
    }
    let config: Value = serde_json::from_slice(&body).unwrap();
    let place = "https://tenant.example:8443/scim/default/v2/ServiceProviderConfig";
    assert_eq!(config["meta"]["location"], place);
}

#[test]
fn older_versions_are_refused() {
    let scratch = Scratch::new("transport-old");
    make_pair(&scratch, "cert.pem", "key.pem");
    let server = Server::start_tls(scratch, &[("PROVISOR_LOG_LEVEL", "debug")]);
    for (minor, name) in [(1, "1.0"), (2, "1.1")] {
        // A ClientHello by hand: version, 32 bytes of chance, no session, two suites, no compression, a named curve, a way to sign.
        let suites = [0xC0, 0x09, 0xC0, 0x13];
        let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];
        let hello = [
            &[3, minor][..],
            &[7; 32],
            &[0],
            &[0, 4],
            &suites,
            &[1, 0],
            &[0, u8::try_from(extensions.len()).unwrap()],
            &extensions,
        ]
        .concat();
        let length = u8::try_from(hello.len()).unwrap();
        let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat();
        let mut stream = server.connect();
        stream.write_all(&record).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        // An alert, fatal, protocol_version.
        assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "TLS {name}: {answer:?}");
    }
    server.logged("a TLS handshake failed");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told() {
    let scratch = Scratch::new("transport-wrong");
    make_pair(&scratch, "cert.pem", "key.pem");
    make_pair(&scratch, "other.pem", "other-key.pem");
    scratch.write("empty.pem", "");
    let damaged = scratch.read("key.pem").replacen("MI", "!!", 1);
    scratch.write("damaged.pem", damaged);
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    scratch.write("nonsense.pem", cut);
    for (certificate, key, named, cause) in [
        ("missing.pem", "key.pem", "missing.pem", "No such file"),
        ("cert.pem", "missing.pem", "missing.pem", "No such file"),
        ("empty.pem", "key.pem", "empty.pem", "no certificate in it"),
        ("key.pem", "key.pem", "key.pem", "no certificate in it"),
        ("nonsense.pem", "key.pem", "nonsense.pem", "damaged"),
        ("cert.pem", "cert.pem", "cert.pem", "no private key in it"),
        ("cert.pem", "damaged.pem", "damaged.pem", "no private key in it"),
        ("cert.pem", "other-key.pem", "other-key.pem", "does not belong to the certificate in"),
        (".", "key.pem", "/.", "directory"),
    ] {
        let output = provisor()
            .args(["serve", "--listen", "127.0.0.1:0", "--data", &scratch.path("data")])
            .args(["--tls-cert", &scratch.path(certificate), "--tls-key", &scratch.path(key)])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && told.contains(named) && told.contains(cause),
            "{certificate} {key}: {told}"
        );
    }
    let output = provisor().args(["serve", "--tls-cert", "x.pem"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("PROVISOR_TLS_KEY"));
}

#[cfg(unix)]
#[test]
fn a_new_certificate_needs_no_restart() {
    let scratch = Scratch::new("transport-reload");
    let first = make_pair(&scratch, "cert.pem", "key.pem");
    fs::set_permissions(scratch.path("key.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let server = Server::start_tls(scratch, &[]);
    server.logged("every user of this machine can get at the private key");
    let shows = |one: &CertificateDer<'static>| {
        shake(&server, std::slice::from_ref(one), &[&version::TLS13], None, b"http/1.1").is_ok()
    };
    assert!(shows(&first));
    let second = make_pair(&server.scratch, "cert.pem", "key.pem");
    server.signal("HUP");
    server.logged("a new certificate is in use");
    assert!(shows(&second) && !shows(&first));
    // A pair that does not fit, as when one of the files is written and the other not yet.
    make_pair(&server.scratch, "cert.pem", "elsewhere.pem");
    server.signal("HUP");
    server.logged("the old certificate stays in use");
    assert!(shows(&second));
    // One that ends soon, and one that has ended.
    let days = Duration::from_hours(72);
    let now = std::time::SystemTime::now();
    for (end, part) in [(now + days, "expires in 2 days"), (now - days, "has expired")] {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        parameters.not_after = end.into();
        let key = rcgen::KeyPair::generate().unwrap();
        server.scratch.write("cert.pem", parameters.self_signed(&key).unwrap().pem());
        server.scratch.write("key.pem", key.serialize_pem());
        server.signal("HUP");
        server.logged(part);
    }
}

#[test]
fn slow_clients_hold_nobody_up_and_are_left() {
    let scratch = Scratch::new("transport-slow");
    let own = make_pair(&scratch, "cert.pem", "key.pem");
    let server = Server::start_tls(scratch, &[("PROVISOR_LIMITS_HEADER_TIMEOUT", "1")]);
    // Nothing, half of a record, no TLS at all.
    let mut slow: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        let bytes: &[u8] = [&b""[..], &[22, 3, 1, 2], b"GET / HTTP/1.1\r\n\r\n"][number % 3];
        stream.write_all(bytes).unwrap();
    }
    let mut stream = shake(&server, std::slice::from_ref(&own), &[&version::TLS13], None, b"http/1.1").unwrap();
    stream.write_all(&request("GET", "/metrics", "", b"")).unwrap();
    assert_eq!(reply(&mut stream).status, 200);
    // Silent ones, before and after the first request, and those that never end their headers.
    for bytes in [&b""[..], b"G", b"PRI * HTT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow:"] {
        let mut stream = shake(&server, std::slice::from_ref(&own), &[&version::TLS13], None, b"http/1.1").unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        let is_left = end.as_ref().map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, |_| true);
        assert!(is_left && !rest.starts_with(b"HTTP/1.1 200"), "{end:?}");
    }
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest);
    assert!(end.as_ref().map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, |_| true), "{end:?}");
}

#[test]
fn every_failure_has_the_form_of_its_place() {
    let server = Server::start("forms", &[("PROVISOR_LIMITS_BODY", "2000"), ("PROVISOR_LIMITS_URL", "1000")]);
    let long = format!("{USERS}?filter={}", "x".repeat(1_000));
    let wide = format!("X-Wide: {}\r\n", "x".repeat(33_000));
    let many: String = (0..90).map(|number| format!("X-{number}: 1\r\n")).collect();
    let text = request("POST", USERS, "", b"{}");
    let text = String::from_utf8(text).unwrap().replace("application/scim+json", "text/plain").into_bytes();
    let chunked = |body: &str| {
        let mut bytes = head("POST", USERS, "Transfer-Encoding: chunked\r\n");
        bytes.extend(body.as_bytes());
        bytes
    };
    let nobody = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("no such source's path", request("GET", "/scim/default/v1/Users", "", b""), 404, "scim"),
        ("the bare root", request("GET", "/scim", "", b""), 404, "scim"),
        ("the other root", request("GET", "/source/scim/default/v2/Nothing", "", b""), 404, "scim"),
        ("no token", nobody(USERS), 401, "scim"),
        ("a method", request("PUT", USERS, "", b""), 405, "scim"),
        ("an invented method", request("SECRET", USERS, "", b""), 405, "scim"),
        ("a large body", request("POST", USERS, "", &[b' '; 3_000]), 413, "scim"),
        ("a large body in chunks", chunked(&format!("bb8\r\n{}\r\n0\r\n\r\n", " ".repeat(3_000))), 413, "scim"),
        ("a long URL", request("GET", &long, "", b""), 414, "scim"),
        ("another media type", text, 415, "scim"),
        ("large headers", request("GET", USERS, &wide, b""), 431, "scim"),
        ("many headers", request("GET", USERS, &many, b""), 431, "scim"),
        ("no JSON", request("POST", USERS, "", b"{"), 400, "scim"),
        ("no UTF-8", request("POST", USERS, "", b"{\"userName\": \"\xFF\"}"), 400, "scim"),
        ("broken chunks", chunked("zz\r\n{}\r\n0\r\n\r\n"), 400, "scim"),
        ("elsewhere", request("GET", "/nothing", "", b""), 404, "problem"),
        ("scimitar", request("GET", "/scimitar/x", "", b""), 404, "problem"),
        ("large headers elsewhere", request("GET", "/metrics", &wide, b""), 431, "problem"),
        ("a method elsewhere", request("DELETE", "/healthz", "", b""), 405, "problem"),
        ("the API without a token", nobody("/api/v1/sources"), 401, "problem"),
        ("the API's paths", request("GET", "/api/v1/nothing", "", b""), 404, "problem"),
        ("the API's methods", request("DELETE", "/api/v1/sources", "", b""), 405, "problem"),
    ];
    for (name, bytes, status, form) in cases {
        check_form(name, &server.raw(&bytes), status, form);
    }
    // What does not come as far as a handler.
    let endless = format!("{USERS}?filter={}", "x".repeat(70_000));
    let huge = format!("X-Wide: {}\r\n", "x".repeat(120_000));
    for (name, bytes, status, form) in [
        ("an unencoded filter", request("GET", &format!("{USERS}?filter=userName eq \"x\""), "", b""), 400, "scim"),
        ("no HTTP elsewhere", b"GET /healthz like a browser\r\n\r\n".to_vec(), 400, "problem"),
        ("an endless URL", request("GET", &endless, "", b""), 414, "scim"),
        ("huge headers", request("GET", USERS, &huge, b""), 431, "scim"),
        ("ever more headers", request("GET", USERS, &many.repeat(3), b""), 431, "scim"),
    ] {
        let mut stream = server.connect();
        // The server may have heard enough before everything is said.
        let _ = stream.write_all(&bytes);
        let answer = reply(&mut stream);
        let told: Value = answer.json();
        let kind = format!("application/{form}+json");
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(kind.as_str())), "{name}");
        assert_eq!(told["status"].to_string().trim_matches('"'), status.to_string(), "{name}");
    }
    // Cut short: the client says that it has nothing more to say.
    let mut stream = server.connect();
    stream.write_all(&head("POST", USERS, "Content-Length: 500\r\n")).unwrap();
    stream.write_all(b"{\"userName\"").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    check_form("a body cut short", &reply(&mut stream), 400, "scim");
    let mut stream = server.connect();
    stream.write_all(&chunked("5\r\n{\"use")).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    check_form("chunks cut short", &reply(&mut stream), 400, "scim");
    // An answer to a HEAD says how long it would be, and has no body: what follows it is the next answer.
    for (path, status) in [("/healthz", 200), (USERS, 405), ("/nothing", 404)] {
        let mut stream = server.connect();
        stream.write_all(&request("HEAD", path, "", b"")).unwrap();
        stream.write_all(&request("GET", "/healthz", "Connection: close\r\n", b"")).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, next) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("content-length: "),
            "{path}: {head}"
        );
        assert!(!head.contains("content-length: 0") && next.starts_with("HTTP/1.1 200 "), "{path}: {text}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_refusal_arrives_though_the_body_is_large() {
    let server = Server::start("large", &[("PROVISOR_LIMITS_BODY", "100000")]);
    let body = vec![b' '; 6 << 20];
    let plain = String::from_utf8(head("POST", USERS, &format!("Content-Length: {}\r\n", body.len()))).unwrap();
    for _ in 0..5 {
        for (name, bytes, status) in [
            ("too large", plain.clone(), 413),
            ("a stranger", plain.replace(SCIM, "prv1_nobody"), 401),
            ("another media type", plain.replace("scim+json", "xml"), 415),
            ("another method", plain.replace("POST", "PUT"), 405),
            ("no such endpoint", plain.replace("Users", "Nobodies"), 404),
        ] {
            check_form(name, &server.raw(&[bytes.as_bytes(), &body].concat()), status, "scim");
        }
    }
    // Nor does anybody wait for the rest of a body that is refused already.
    let begun = Instant::now();
    check_form("a stranger", &server.raw(plain.replace(SCIM, "prv1_nobody").as_bytes()), 401, "scim");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// That an answer is what it should be: status, media type, body.
fn check_form(name: &str, answer: &Reply, status: u16, form: &str) {
    assert_eq!(answer.status, status, "{name}: {}", answer.body);
    let body = answer.json();
    let (kind, told) = match form {
        "scim" => ("application/scim+json", json!(status.to_string())),
        _ => ("application/problem+json", json!(status)),
    };
    assert_eq!((answer.header("content-type"), &body["status"]), (Some(kind), &told), "{name}");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{name}: {body}");
    assert!(answer.header("x-request-id").is_some(), "{name}");
    assert_eq!(answer.header("retry-after").is_some(), matches!(status, 429 | 503), "{name}");
    assert_eq!(answer.header("allow").is_some(), status == 405, "{name}: {}", answer.head);
}

#[test]
fn what_takes_too_long_or_comes_too_thick_is_told_to_come_again() {
    let limits = [("PROVISOR_LIMITS_CONCURRENT", "1"), ("PROVISOR_LIMITS_WAIT", "0"), ("PROVISOR_LIMITS_TIMEOUT", "2")];
    let server = Server::start("late", &limits);
    // A body that never comes holds the one turn.
    let mut slow = server.connect();
    slow.write_all(&head("POST", USERS, "Content-Length: 100\r\nExpect: 100-continue\r\n")).unwrap();
    // The server asks for the body once the request has its turn.
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    check_form("no turn", &server.get(USERS), 503, "scim");
    check_form("no turn at the API", &server.get("/api/v1/sources"), 503, "problem");
    assert_eq!(server.get("/healthz").status, 200, "who watches the server needs no turn");
    check_form("too late", &reply(&mut slow), 503, "scim");
    wait_for("a free turn", || server.get(USERS).status == 200);
}

#[test]
fn who_comes_too_often_is_told_when_to_come_again() {
    let server = Server::start("rate", &[("PROVISOR_LIMITS_RATE", "1"), ("PROVISOR_LIMITS_BURST", "2")]);
    let path = format!("{USERS}/nobody");
    let first = server.get(&path);
    let told = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| first.header(name));
    assert_eq!((first.status, told), (404, [Some("2"), Some("1"), Some("1")]), "{}", first.head);
    let statuses: Vec<u16> = (0..20).map(|_| server.get(&path).status).collect();
    assert!(statuses.contains(&429) && statuses.iter().all(|status| [404, 429].contains(status)), "{statuses:?}");
    let refused = (0..20).map(|_| server.get(&path)).find(|reply| reply.status == 429).unwrap();
    check_form("too often", &refused, 429, "scim");
    assert_eq!(refused.header("ratelimit-remaining"), Some("0"));
    assert_eq!(server.get(&format!("{USERS}?filter=userName+eq+%22x%22")).status, 200, "a probe has a reserve");
}

#[test]
fn entra_s_rate_is_never_refused() {
    let server = Server::start("entra-rate", &[]);
    // Six seconds of 25 requests a second, at once and on one connection.
    let mut stream = server.connect();
    for number in 0..150 {
        stream.write_all(&request("GET", &format!("{USERS}?filter=userName+eq+%22{number}%22"), "", b"")).unwrap();
        assert_eq!(reply(&mut stream).status, 200, "request {number}");
    }
}

#[cfg(unix)]
#[test]
fn requests_under_way_end_before_the_server_does() {
    let mut server = Server::start("stop", &[]);
    let body = json!({"schemas": [USER], "userName": "ada"}).to_string();
    let mut slow = server.connect();
    slow.write_all(&head("POST", USERS, &format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len())))
        .unwrap();
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).unwrap();
    let mut watcher = server.connect();
    watcher.write_all(b"GET /readyz HTTP/1.1\r\n").unwrap();
    assert_eq!(server.get("/readyz").body, "ready\n");
    server.signal("TERM");
    wait_for("a closed door", || TcpStream::connect(&server.address).is_err());
    watcher.write_all(b"Host: x\r\n\r\n").unwrap();
    check_form("stopping", &reply(&mut watcher), 503, "problem");
    assert!(server.child.try_wait().unwrap().is_none(), "it waits for what is under way");
    slow.write_all(body.as_bytes()).unwrap();
    let made = reply(&mut slow);
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(server.child.wait().unwrap().success());
    assert!(server.log().contains("everything that was acknowledged is on disk"), "{}", server.log());
}

#[cfg(unix)]
#[test]
fn the_grace_ends() {
    let mut server = Server::start("grace", &[("PROVISOR_SERVER_GRACE", "1")]);
    let mut slow = server.connect();
    slow.write_all(&head("POST", USERS, "Content-Length: 100\r\nExpect: 100-continue\r\n")).unwrap();
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).unwrap();
    server.signal("TERM");
    let mut ended = None;
    wait_for("the end", || {
        ended = server.child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success());
    assert!(server.log().contains("[server] grace"), "{}", server.log());
}

#[test]
fn the_log_has_a_line_a_request_and_no_secret() {
    let server = Server::start("log", &[("PROVISOR_LOG_LEVEL", "debug")]);
    let secrets = ["s3cr3t-password", "Ada.Lovelace@example.org", "Ada Lovelace", "+44 1632 960000", "x-secret-cookie"];
    let [password, mail, name, phone, cookie] = secrets;
    let cookie = format!("Cookie: {cookie}\r\nX-Request-Id: run-7.a_b\r\n");
    let user = json!({"schemas": [USER], "userName": mail, "password": password, "displayName": name,
        "phoneNumbers": [{"type": "work", "value": phone}]});
    let send = |method: &str, path: &str, body: &str| server.raw(&request(method, path, &cookie, body.as_bytes()));
    let made = send("POST", USERS, &user.to_string());
    assert_eq!((made.status, made.header("x-request-id")), (201, Some("run-7.a_b")), "{}", made.body);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{USERS}/{id}");
    let filter: String = form_urlencoded::byte_serialize(format!("userName eq \"{mail}\"").as_bytes()).collect();
    send("GET", &format!("{USERS}?filter={filter}"), "");
    send("GET", &format!("{USERS}?filter=displayName+zz+%22{}%22", name.replace(' ', "+")), "");
    send("POST", USERS, &user.to_string());
    send("POST", USERS, &format!("{{\"userName\": \"{mail}\", \"password\": {password}}}"));
    send("PATCH", &path, &json!({"Operations": [{"op": name, "path": mail, "value": password}]}).to_string());
    send("PUT", &path, &json!({"schemas": [mail], "userName": {"x": password}}).to_string());
    send(password, USERS, "");
    server.raw(&request("GET", USERS, &format!("X-Request-Id: {mail}\r\n"), b""));
    server.raw(format!("GET {USERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {password}\r\n\r\n").as_bytes());
    // Not HTTP at all: the library's own words about it are not written either.
    let mut broken = server.connect();
    broken.write_all(format!("{password} {mail}\r\nA: {phone}\r\n\r\n").as_bytes()).unwrap();
    let _ = broken.read_to_end(&mut Vec::new());
    let admin = format!(
        "GET /api/v1/sources/default?token={password} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    );
    assert_eq!(server.raw(admin.as_bytes()).status, 200);
    server.logged("/api/v1/sources/default");
    let log = server.log();
    for secret in secrets.iter().chain(&[SCIM, ADMIN, "Ada.Lovelace%40", "filter", "Bearer"]) {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let of = |request: &str, method: &str| {
        lines
            .iter()
            .find(|line| line["request"] == request && line["method"] == method)
            .unwrap_or_else(|| panic!("{log}"))
    };
    let line = of("run-7.a_b", "POST");
    assert_eq!((&line["path"], &line["status"], &line["source"]), (&json!(USERS), &json!(201), &json!("default")));
    assert!(
        line["ms"].is_u64() && line["bytes"] == made.body.len() && line["token"].as_str().unwrap().len() > 5,
        "{line}"
    );
    let line = of("run-7.a_b", "other");
    assert_eq!(line["status"], 405, "an invented method is not written down");
    let unknown = lines.iter().find(|line| line["status"] == 401).unwrap();
    assert_eq!((&unknown["token"], &unknown["source"]), (&json!(""), &json!("")));
    assert!(lines.iter().any(|line| line["path"] == "/api/v1/sources/default" && line["token"] != ""));
    assert_eq!(lines.iter().filter(|line| line["target"] == "access").count(), 11);
}

#[test]
fn the_log_is_as_the_operator_wants_it() {
    for (level, format, part) in [("info", "text", " INFO access: "), ("warn", "json", ""), ("off", "text", "")] {
        let variables = [("PROVISOR_LOG_LEVEL", level), ("PROVISOR_LOG_FORMAT", format)];
        let server = Server::start(&format!("log-{level}"), &variables);
        assert_eq!(server.get(USERS).status, 200);
        server.signal("TERM");
        // The last word, which is none of the log's: what waited to be written is before it.
        server.logged("stopped; ");
        let log = server.log();
        let lines = log.split_once("stopped; ").unwrap().0;
        assert!(if part.is_empty() { lines.is_empty() } else { lines.contains(part) }, "{level} {format}: {log}");
    }
}

#[test]
fn the_docs_list_every_key_with_its_default() {
    let path = root().join("docs/configuration.md");
    let docs = fs::read_to_string(&path).unwrap();
    let (before, rest) = docs.split_once("<!-- keys -->\n").unwrap();
    let (table, after) = rest.split_once("<!-- end of keys -->").unwrap();
    if table != markdown() {
        assert!(std::env::var_os("PROVISOR_WRITE_DOCS").is_some(), "run this test with PROVISOR_WRITE_DOCS=1");
        fs::write(&path, format!("{before}<!-- keys -->\n{}<!-- end of keys -->{after}", markdown())).unwrap();
    }
    // What the program knows is what it lists when it meets a key that it does not know.
    let read = |text: &str| Config::read("provisor.toml", Some(text), []);
    let names = |text: &str| -> Vec<String> {
        let told = read(text).unwrap_err().to_string();
        let list = told.split_once("expected").unwrap_or_else(|| panic!("{told}")).1;
        list.lines().next().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    for section in names("no-such-key = 1\n") {
        let documented: Vec<&str> = KEYS.iter().filter(|key| key.section == section).map(|key| key.name).collect();
        if documented.is_empty() {
            assert!(docs.contains(&format!("`[[{section}]]`")), "[{section}] is not in docs/configuration.md");
            continue;
        }
        let mut known = names(&format!("[{section}]\nno-such-key = 1\n"));
        let mut documented: Vec<String> = documented.into_iter().map(str::to_owned).collect();
        known.sort();
        documented.sort();
        assert_eq!(known, documented, "[{section}]");
    }
    let help = provisor().args(["serve", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        let config = read(&format!("[{}]\n{} = {}\n", key.section, key.name, key.default)).unwrap();
        assert_eq!(config, Config::default(), "the default of {}", key.name);
        let variable = [(key.variable(), key.default.trim_matches('"').to_owned())];
        assert_eq!(Config::read("provisor.toml", None, variable).unwrap(), Config::default(), "{}", key.variable());
    }
    assert!(KEYS.iter().all(|key| key.flag.is_empty() || help.contains(key.flag)), "{help}");
}
