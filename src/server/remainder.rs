//! [`Remainder`]: what a refused request still had to say. Who closes a connection that holds unread bytes takes its own
//! answer away from the client, so these are read and forgotten, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

/// How many bytes are read for nothing.
const MOST: usize = 16 * 1024 * 1024;
/// And how long.
const LONGEST: Duration = Duration::from_secs(10);

/// The end of a loan that its owner keeps.
pub(super) struct Remainder(Option<Lent>);

/// A body that its handler has on loan.
#[derive(Clone)]
struct Lent(Arc<Mutex<Body>>);

impl Remainder {
    /// Lends a request's body to who handles it.
    pub(super) fn lend(request: Request) -> (Self, Request) {
        // A client that asks first whether it may send has sent nothing, and is not to begin now.
        if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
            return (Self(None), request);
        }
        let (parts, body) = request.into_parts();
        let lent = Lent(Arc::new(Mutex::new(body)));
        (Self(Some(lent.clone())), Request::from_parts(parts, Body::new(lent)))
    }

    /// Reads what nobody has read, while the answer is on its way. The handler must be done with it.
    pub(super) fn forget(self) {
        let Some(mut body) = self.0.filter(|body| !body.is_end_stream()) else { return };
        let read = async move {
            let mut left = MOST;
            while let Some(Ok(frame)) = body.frame().await {
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(1, Bytes::len)) else { break };
                left = rest;
            }
        };
        // Whether all of it came is the same to us.
        tokio::spawn(tokio::time::timeout(LONGEST, read));
    }
}

impl Lent {
    fn with<T>(&self, work: impl FnOnce(Pin<&mut Body>) -> T) -> T {
        work(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| body.poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
