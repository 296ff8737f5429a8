//! HTTP/1.1 by hand, a thread a connection: what a framework hides, such as a connection dropped before or after the work, is
//! what the tests of the weather need.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// What came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The parts between the slashes, decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Method and target, as the first line of a request or an entry of a batch has them.
    pub(crate) fn to(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let segments = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method: method.into(), segments, query, ..Self::default() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What goes back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Option<Value>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A listening server; it ends with the value.
pub(crate) struct Wire {
    pub(crate) port: u16,
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Wire {
    /// Listens; an answer of `None` drops the connection.
    pub(crate) fn serve(handle: impl Fn(Request) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let handle = Arc::new(handle);
        let accepting = thread::spawn({
            let (stop, open) = (Arc::clone(&stop), Arc::clone(&open));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let handle = Arc::clone(&handle);
                    thread::spawn(move || {
                        let _ = talk(&stream, &*handle);
                        let _ = stream.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, stop, open, accepting: Some(accepting) }
    }

    /// Cuts every open connection.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The connection wakes the thread that waits for one.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.cut();
    }
}

/// Answers the requests of a connection until it ends.
fn talk(stream: &TcpStream, handle: &impl Fn(Request) -> Option<Answer>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut number = 0;
    while let Some(request) = read(&mut reader)? {
        let Some(answer) = handle(request) else { return Ok(()) };
        let body = answer.body.map(|body| body.to_string()).unwrap_or_default();
        number += 1;
        // As Graph does when it likes: the body in chunks, and names of headers in any case.
        let chunked = number % 2 == 0 && !body.is_empty();
        let mut head = format!("HTTP/1.1 {} Said\r\n", answer.status);
        if chunked {
            head.push_str("transfer-encoding: chunked\r\n");
        } else if answer.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        if !body.is_empty() {
            head.push_str("CONTENT-TYPE: application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8\r\n");
        }
        head.push_str("request-id: 5c3b9f9e-2f6a-4c1b-8c1d-0d6f7a1f2b3c\r\nx-ms-ags-diagnostic: {}\r\n");
        let body = if chunked { in_chunks(&body) } else { body };
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = stream;
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    }
    Ok(())
}

/// The text in two chunks.
fn in_chunks(text: &str) -> String {
    let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (first, second) = text.split_at(middle);
    let chunk = |part: &str| if part.is_empty() { String::new() } else { format!("{:x}\r\n{part}\r\n", part.len()) };
    format!("{}{}0\r\n\r\n", chunk(first), chunk(second))
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or("/"));
    let mut request = Request::to(method, target);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    assert_eq!(request.header("transfer-encoding"), None, "the fake reads bodies by their length");
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}
