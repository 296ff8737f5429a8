//! [`serve`]: sockets. Connections are accepted, TLS is spoken when there is a certificate, and what is under way may end
//! when the server stops. Every step of a client that says nothing has an end.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::alarm::Alarms;
use super::bare::Told;
use super::patient::Patient;
use super::{App, Certificates, Counters, State, app};
use crate::config::Limits;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection that has not asked anything yet is borne when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a silent HTTP/2 connection is asked whether it is still there, and how long it may think about it.
const PING: Duration = Duration::from_secs(30);
/// How long nobody is accepted when the machine has no more sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(500);

/// How far the server is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It runs.
    Running,
    /// Requests under way may end.
    Stopping,
    /// Nothing may go on.
    Over,
}

/// What all connections share.
struct Shared {
    app: App,
    tls: Option<TlsAcceptor>,
    counters: Arc<Counters>,
    limits: Limits,
}

/// Serves until `stop` comes. From then on nobody new is accepted, and requests that are under way have `grace` to end.
///
/// # Errors
/// The certificate cannot be used.
pub async fn serve(
    listener: TcpListener,
    state: State,
    grace: Duration,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let tls = state.tls.as_ref().map(Certificates::config).transpose().map_err(io::Error::other)?;
    let (limits, stopping) = (state.limits, Arc::clone(&state.stopping));
    let shared = Arc::new(Shared {
        tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
        counters: Arc::clone(&state.counters),
        limits,
        app: app(state),
    });
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let (stage, seen) = watch::channel(Stage::Running);
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, stream) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => next,
        };
        let (shared, seen) = (Arc::clone(&shared), seen.clone());
        tokio::spawn(async move {
            connection(stream, &shared, seen).await;
            drop(place);
        });
    }
    stopping.store(true, Ordering::Relaxed);
    drop(listener);
    drop(seen);
    stage.send_replace(Stage::Stopping);
    if timeout(grace, stage.closed()).await.is_err() {
        tracing::warn!(target: "server", seconds = grace.as_secs(), "requests were cut off: they took longer than [server] grace");
        stage.send_replace(Stage::Over);
        stage.closed().await;
    }
    Ok(())
}

/// The limits of one connection. Hyper's own bounds stand above ours, because it cannot say much: what is a little too
/// large comes as far as the door, which knows whose request it is and says what is wrong.
fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let head = limits.headers.saturating_add(limits.url).saturating_mul(2).max(64 * 1024);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(Alarms::default())
        .header_read_timeout(Duration::from_secs(limits.header_timeout))
        .max_buf_size(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
    builder
}

/// The next connection. What goes wrong with one is nothing to the others.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                tracing::error!(target: "server", %error, "connections cannot be accepted");
                sleep(OUT_OF_SOCKETS).await;
            }
        }
    }
}

/// Comes when the server is at least so far.
async fn reached(seen: &mut watch::Receiver<Stage>, stage: Stage) {
    let _ = seen.wait_for(|now| *now >= stage).await;
}

async fn connection(stream: TcpStream, shared: &Shared, mut seen: watch::Receiver<Stage>) {
    // Answers are whole when they are written: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else { return converse(stream, shared, seen).await };
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE, tls.accept(stream)) => handshake,
        () = reached(&mut seen, Stage::Stopping) => return,
    };
    let why = match handshake {
        Ok(Ok(stream)) => return converse(stream, shared, seen).await,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    shared.counters.handshake_failed();
    tracing::debug!(target: "server", why, "a TLS handshake failed");
}

/// Requests and answers, until the client goes, says nothing for too long, or the server stops.
async fn converse<S>(stream: S, shared: &Shared, mut seen: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let heard = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (app, heard) = (shared.app.clone(), Arc::clone(&heard));
        move |request| {
            heard.store(true, Ordering::Relaxed);
            app.answer(request)
        }
    });
    let stream = Told::new(Patient::new(stream, Duration::from_secs(shared.limits.timeout)));
    let builder = builder(&shared.limits);
    let talk = builder.serve_connection(TokioIo::new(stream), service);
    // Hyper's own bound begins when it knows which HTTP is spoken; who does not say even that would stay for ever.
    let silence = sleep(Duration::from_secs(shared.limits.header_timeout));
    tokio::pin!(talk, silence);
    let is_heard = || heard.load(Ordering::Relaxed);
    let mut next = Stage::Stopping;
    loop {
        // Once it was heard, nobody need look at the clock.
        let silent = poll_fn(|context| if is_heard() { Poll::Pending } else { silence.as_mut().poll(context) });
        tokio::select! {
            biased;
            ended = talk.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(target: "server", %error, "a connection broke off");
                }
                return;
            }
            () = silent => return,
            () = reached(&mut seen, next) => {
                if next == Stage::Over {
                    return;
                }
                next = Stage::Over;
                talk.as_mut().graceful_shutdown();
                if !is_heard() {
                    silence.as_mut().reset(Instant::now() + LAST_WORDS);
                }
            }
        }
    }
}
