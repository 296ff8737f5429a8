//! HTTP/1.1 by hand: one request at a time over a connection that stays open, read as it comes.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// What a server answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// How the end of a body is told.
#[derive(Clone, Copy)]
enum End {
    At(usize),
    Chunks,
    Close,
}

/// What a head says.
struct Head {
    status: u16,
    /// Where the body begins.
    begin: usize,
    end: End,
    /// Whether the connection ends with this answer.
    closes: bool,
}

/// A connection, and the request that is under way on it.
pub(crate) struct Connection {
    address: SocketAddr,
    token: Token,
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    read: Vec<u8>,
    head: Option<Head>,
    /// The server said that it closes, so that the next request needs another connection.
    spent: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, token: Token, registry: &Registry) -> Result<Self, String> {
        let stream = connect(address, token, registry)?;
        let (out, read) = (Vec::new(), Vec::with_capacity(1 << 16));
        Ok(Self { address, token, stream, out, written: 0, read, head: None, spent: false })
    }

    /// Begins a request; the answer comes by `advance`.
    pub(crate) fn send(&mut self, request: &[u8], registry: &Registry) -> Result<(), String> {
        if self.spent {
            self.stream = connect(self.address, self.token, registry)?;
            self.spent = false;
        }
        self.out.clear();
        self.out.extend_from_slice(request);
        (self.written, self.head) = (0, None);
        self.read.clear();
        self.write()
    }

    fn write(&mut self) -> Result<(), String> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a request could not be sent: {error}")),
            }
        }
        Ok(())
    }

    /// Goes on with what the socket is ready for; gives the answer once it is whole.
    pub(crate) fn advance(&mut self) -> Result<Option<Reply>, String> {
        self.write()?;
        let mut piece = [0; 1 << 16];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return self.closed(),
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("an answer could not be read: {error}")),
            }
            if let Some(reply) = self.whole()? {
                return Ok(Some(reply));
            }
        }
    }

    /// The server closed: the end of a body without a length, or of a connection that was answered before.
    fn closed(&mut self) -> Result<Option<Reply>, String> {
        self.spent = true;
        match &self.head {
            Some(Head { status, begin, end: End::Close, .. }) => {
                Ok(Some(Reply { status: *status, body: self.read.split_off(*begin) }))
            }
            _ => Err("the server closed a connection without an answer".to_owned()),
        }
    }

    /// The answer, if all of it is here.
    fn whole(&mut self) -> Result<Option<Reply>, String> {
        if self.head.is_none() {
            let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
            self.head = Some(head_of(&self.read[..end])?);
        }
        let Some(Head { status, begin, end, closes }) = &self.head else { return Ok(None) };
        let body = match end {
            End::At(length) if self.read.len() >= begin + length => self.read[*begin..begin + length].to_vec(),
            End::Chunks => match chunks(&self.read[*begin..])? {
                Some(body) => body,
                None => return Ok(None),
            },
            End::At(_) | End::Close => return Ok(None),
        };
        let reply = Reply { status: *status, body };
        self.spent |= *closes;
        Ok(Some(reply))
    }
}

fn connect(address: SocketAddr, token: Token, registry: &Registry) -> Result<TcpStream, String> {
    let failed = |error: std::io::Error| format!("no connection to {address}: {error}");
    let stream = std::net::TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    let mut stream = TcpStream::from_std(stream);
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).map_err(failed)?;
    Ok(stream)
}

/// The status and how the body ends, of a head without its last line feeds.
fn head_of(head: &[u8]) -> Result<Head, String> {
    let text = std::str::from_utf8(head).map_err(|_| "a head that is not text".to_owned())?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status =
        first.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(|| format!("no status: {first}"))?;
    let (mut end, mut closes) = (End::Close, first.starts_with("HTTP/1.0"));
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            end = End::At(value.parse().map_err(|_| format!("no length: {value}"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            end = End::Chunks;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    if status == 204 {
        end = End::At(0);
    }
    Ok(Head { status, begin: head.len() + 4, end, closes: closes || matches!(end, End::Close) })
}

/// The body in chunks, if the last one is here.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..line]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| format!("no size of a chunk: {size}"))?;
        let Some(chunk) = rest.get(line + 2..line + 4 + size) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[line + 4 + size..];
    }
}
