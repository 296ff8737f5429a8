//! `GET /api/v1/backup`: everything as JSON lines while the server goes on, as `provisor backup` writes it of a data directory
//! that nobody has open.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;
use super::caller::Admin;
use super::problem::Problem;

/// How large the pieces are in which it is sent, in bytes, and how many wait for a slow reader.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 16;

/// Hands pieces from the thread that reads the store to the one that sends.
struct Pieces {
    buffer: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(backup))
}

/// The whole store as JSON lines
///
/// It ends with a line that has count and digest; an answer without that line is no backup, and `restore` says so.
#[utoipa::path(get, path = "/backup", tag = "store",
    responses((status = 200, description = "Everything", body = String, content_type = "application/jsonl")))]
async fn backup(admin: Admin, extract::State(state): extract::State<State>) -> Result<Response, Problem> {
    admin.whole()?;
    let store = Arc::clone(state.directory.store());
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { buffer: Vec::with_capacity(PIECE), sender: sender.clone() };
        let result = store.dump(&mut pieces).map(drop).and_then(|()| Ok(pieces.flush()?));
        if let Err(error) = result {
            tracing::error!(target: "backup", %error, "the backup ended early");
            // The connection is broken off, so that nobody takes the piece for the whole.
            let _ = sender.blocking_send(Err(io::Error::other("the backup ended early")));
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(stream)).into_response())
}
