//! [`Told`]: what is no HTTP, or far too large, is refused by the HTTP library before a handler sees it, with a head and
//! nothing else. Those refusals get the body here that every other has. As the parts of each answer pass here, those of a small one are
//! put together here too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scim;
use crate::scim::error::ScimError;

/// How much of a request is remembered: method and the beginning of the path.
const BEGINNING: usize = 64;
/// Bytes of a head and a body that are put together: to copy so few is less for the system than to take two pieces.
const SMALL: usize = 2 << 10;
/// The statuses of the library's own refusals.
const STATUSES: [(&[u8], u16, &str); 3] = [
    (b"400 ", 400, "this is not HTTP: is a blank or a quote in the URL that should be percent-encoded?"),
    (b"414 ", 414, "the URL is far too long: use POST to .search"),
    (b"431 ", 431, "the headers are far too large"),
];

/// A stream whose bare refusals get a body.
pub(super) struct Told<S> {
    stream: S,
    /// How the client began since the last answer.
    begun: Vec<u8>,
    /// An answer that is on its way instead of another, and how many of its bytes are written.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Told<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, begun: Vec::new(), instead: None }
    }

    /// The whole answer for a bare head; `None` for all that our own handlers say, which has a type.
    fn whole(&self, head: &[u8]) -> Option<Vec<u8>> {
        let rest = head.strip_prefix(b"HTTP/1.1 ")?;
        let (_, status, detail) = STATUSES.into_iter().find(|(start, ..)| rest.starts_with(start))?;
        let head = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
        let lines: Vec<&str> = head.lines().collect();
        if !lines.contains(&"content-length: 0") || lines.iter().any(|line| line.starts_with("content-type:")) {
            return None;
        }
        let begun = String::from_utf8_lossy(&self.begun);
        let is_scim = begun.split([' ', '?']).nth(1).is_some_and(scim::is_scim);
        let (kind, body) = if is_scim {
            ("application/scim+json", ScimError::status(status, detail).to_json())
        } else {
            let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            let body = json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
            ("application/problem+json", body)
        };
        let body = body.to_string();
        let kept: Vec<&str> = lines.into_iter().filter(|line| *line != "content-length: 0").collect();
        let length = body.len();
        Some(
            format!("{}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}", kept.join("\r\n"))
                .into_bytes(),
        )
    }
}

impl<S: AsyncWrite + Unpin> Told<S> {
    /// Writes the answer that stands instead of `length` bytes.
    fn write_instead(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some((answer, done)) = &mut self.instead {
            match answer.get(*done..).filter(|rest| !rest.is_empty()) {
                None => self.instead = None,
                Some(rest) => match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => *done += count,
                },
            }
        }
        Poll::Ready(Ok(length))
    }

    /// Whether something else is written than these bytes.
    fn is_instead(&mut self, bytes: &[u8]) -> bool {
        if self.instead.is_none() {
            self.instead = self.whole(bytes).map(|answer| (answer, 0));
            self.begun.clear();
        }
        self.instead.is_some()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Told<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let room = BEGINNING.saturating_sub(self.begun.len());
        let read = buffer.filled().get(before..).unwrap_or_default();
        self.begun.extend_from_slice(read.get(..room).unwrap_or(read));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Told<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_instead(bytes) {
            return self.write_instead(context, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = parts.iter().find(|part| !part.is_empty())
            && self.is_instead(first)
        {
            return self.write_instead(context, first.len());
        }
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if parts.len() > 1 && length <= SMALL {
            let mut whole = Vec::with_capacity(length);
            for part in parts {
                whole.extend_from_slice(part);
            }
            return Pin::new(&mut self.stream).poll_write(context, &whole);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
