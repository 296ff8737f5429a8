//! The driver: one thread, some connections, on each the next request as soon as the last one is answered.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::wire::{Connection, Reply};

/// How long a step waits for answers after it has stopped to ask.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A request that was made before, and what its answer is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'r, T> {
    pub(crate) request: &'r [u8],
    pub(crate) about: T,
}

/// What a step came to.
#[derive(Default)]
pub(crate) struct Pace {
    /// How long each answer took, in microseconds, in the order of the answers.
    pub(crate) times: Vec<f64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of all bodies together.
    pub(crate) bytes: usize,
}

/// Sends what `make` gives over so many connections until `time` is over or `make` has no more, and has `check` look at each answer.
/// What was sent by then is waited for, so that a server which answers rarely has a rate too.
pub(crate) fn drive<'r, T>(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    make: &mut dyn FnMut() -> Option<Ask<'r, T>>,
    check: &mut dyn FnMut(T, &Reply<'_>) -> Result<(), String>,
) -> Result<Pace, String> {
    let mut poll = Poll::new().map_err(|error| error.to_string())?;
    let registry = poll.registry().try_clone().map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for number in 0..connections {
        lines.push((Connection::open(address, Token(number), &registry)?, None));
    }
    let (mut events, mut times) = (Events::with_capacity(connections), Vec::new());
    let mut bytes = 0;
    let (begun, mut last) = (Instant::now(), Instant::now());
    let mut open = 0;
    for (connection, under_way) in &mut lines {
        if let Some(ask) = make() {
            connection.send(ask.request, &registry)?;
            *under_way = Some((ask.about, Instant::now()));
            open += 1;
        }
    }
    while open > 0 {
        if begun.elapsed() > time + PATIENCE {
            return Err(format!("{open} of {connections} requests without an answer after {} s", PATIENCE.as_secs()));
        }
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        for event in &events {
            let (connection, under_way) = &mut lines[event.token().0];
            if under_way.is_none() {
                continue;
            }
            let Some(reply) = connection.advance()? else { continue };
            let Some((about, sent)) = under_way.take() else { continue };
            last = Instant::now();
            times.push((last - sent).as_secs_f64() * 1e6);
            bytes += reply.body.len();
            check(about, &reply)?;
            open -= 1;
            if begun.elapsed() < time
                && let Some(ask) = make()
            {
                let sent = Instant::now();
                connection.send(ask.request, &registry)?;
                *under_way = Some((ask.about, sent));
                open += 1;
            }
        }
    }
    Ok(Pace { times, elapsed: last - begun, bytes })
}

/// One request on a connection of its own.
pub(crate) fn once(address: SocketAddr, request: &[u8]) -> Result<Reply<'static>, String> {
    let (mut ask, mut found) = (Some(Ask { request, about: () }), None);
    drive(address, 1, Duration::ZERO, &mut || ask.take(), &mut |(), reply| {
        found = Some(Reply { status: reply.status, body: Cow::Owned(reply.body.to_vec()) });
        Ok(())
    })?;
    found.ok_or_else(|| "no answer".to_owned())
}
