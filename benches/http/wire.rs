//! HTTP/1.1 by hand: one request at a time over a connection that stays open, read as it comes, and not copied. What the driver does is
//! taken from the server, with which it shares the processors, and from a fast one it takes the larger share.

use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// The least room there is to read into.
const PIECE: usize = 1 << 16;

/// What a server answered.
pub(crate) struct Reply<'r> {
    pub(crate) status: u16,
    pub(crate) body: Cow<'r, [u8]>,
}

/// How the end of a body is told.
#[derive(Clone, Copy)]
enum End {
    At(usize),
    Chunks,
    Close,
}

/// What a head says.
#[derive(Clone, Copy)]
struct Head {
    status: u16,
    /// Where the body begins.
    begin: usize,
    end: End,
    /// Whether the connection ends with this answer.
    closes: bool,
}

/// Where the body of a whole answer is.
enum Found {
    Plain(Range<usize>),
    Joined(Vec<u8>),
}

/// A connection, and the request that is under way on it.
pub(crate) struct Connection {
    address: SocketAddr,
    token: Token,
    stream: TcpStream,
    /// What the socket did not take of the request at once.
    left: Vec<u8>,
    /// What was read is at its beginning.
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Head>,
    /// The server said that it closes, so that the next request needs another connection.
    spent: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, token: Token, registry: &Registry) -> Result<Self, String> {
        let stream = connect(address, token, registry)?;
        let (left, buffer) = (Vec::new(), vec![0; PIECE]);
        Ok(Self { address, token, stream, left, buffer, filled: 0, head: None, spent: false })
    }

    /// Begins a request; the answer comes by `advance`.
    pub(crate) fn send(&mut self, request: &[u8], registry: &Registry) -> Result<(), String> {
        if self.spent {
            self.stream = connect(self.address, self.token, registry)?;
            self.spent = false;
        }
        (self.filled, self.head) = (0, None);
        let written = self.write(request)?;
        self.left.clear();
        self.left.extend_from_slice(&request[written..]);
        Ok(())
    }

    /// How much of this the socket takes now.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a request could not be sent: {error}")),
            }
        }
        Ok(written)
    }

    /// Goes on with what the socket is ready for; gives the answer once it is whole.
    pub(crate) fn advance(&mut self) -> Result<Option<Reply<'_>>, String> {
        if !self.left.is_empty() {
            let left = mem::take(&mut self.left);
            let written = self.write(&left)?;
            self.left = left[written..].to_vec();
        }
        let found = loop {
            if self.buffer.len() - self.filled < PIECE {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break self.closed()?,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("an answer could not be read: {error}")),
            }
            if let Some(found) = self.whole()? {
                break found;
            }
        };
        let status = self.head.map_or(0, |head| head.status);
        let body = match found {
            Found::Plain(place) => Cow::Borrowed(&self.buffer[place]),
            Found::Joined(body) => Cow::Owned(body),
        };
        Ok(Some(Reply { status, body }))
    }

    /// The server closed: the end of a body without a length, or of a connection that was answered before.
    fn closed(&mut self) -> Result<Found, String> {
        self.spent = true;
        match &self.head {
            Some(Head { begin, end: End::Close, .. }) => Ok(Found::Plain(*begin..self.filled)),
            _ => Err("the server closed a connection without an answer".to_owned()),
        }
    }

    /// The body of the answer, if all of it is here.
    fn whole(&mut self) -> Result<Option<Found>, String> {
        let read = &self.buffer[..self.filled];
        let head = match self.head {
            Some(head) => head,
            None => {
                let Some(end) = memmem::find(read, b"\r\n\r\n") else { return Ok(None) };
                *self.head.insert(head_of(&read[..end])?)
            }
        };
        let found = match head.end {
            End::At(length) if read.len() >= head.begin + length => Found::Plain(head.begin..head.begin + length),
            End::Chunks => match chunks(&read[head.begin..])? {
                Some(body) => Found::Joined(body),
                None => return Ok(None),
            },
            End::At(_) | End::Close => return Ok(None),
        };
        self.spent |= head.closes;
        Ok(Some(found))
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
        let Some(line) = memmem::find(rest, b"\r\n") else { return Ok(None) };
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
