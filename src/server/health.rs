//! `/healthz`, `/readyz` and `/metrics`, for machines that watch.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::State;
use super::problem::Problem;

/// The upper ends of the latencies' classes, in milliseconds.
const CLASSES: [u64; 8] = [1, 5, 10, 50, 100, 500, 1_000, 5_000];

/// What the server counts. No names of people or tokens, so that the page may be read by any watcher.
#[derive(Debug, Default)]
pub struct Counters {
    /// By hundred of the status: 2xx to 5xx.
    by_status: [AtomicU64; 4],
    classes: [AtomicU64; CLASSES.len() + 1],
    microseconds: AtomicU64,
    refused: AtomicU64,
    limited: AtomicU64,
    /// Answers of the token endpoint: given, refused, told to wait.
    token_answers: [AtomicU64; 3],
    handshakes: AtomicU64,
}

impl Counters {
    /// Counts a SCIM request.
    pub fn request(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).saturating_sub(2).min(3);
        if let Some(counter) = self.by_status.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let place = CLASSES.iter().position(|most| took <= Duration::from_millis(*most)).unwrap_or(CLASSES.len());
        if let Some(counter) = self.classes.get(place) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.microseconds.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        match status {
            401 => self.refused.fetch_add(1, Ordering::Relaxed),
            429 => self.limited.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    /// Counts an answer of the token endpoint.
    pub fn token_answer(&self, status: u16) {
        let [given, refused, waits] = &self.token_answers;
        let counter = match status {
            200 => given,
            429 | 500.. => waits,
            _ => refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a TLS handshake that came to nothing.
    pub fn handshake_failed(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// As Prometheus reads it.
    fn text(&self) -> String {
        let mut out = String::from("# TYPE provisor_scim_requests_total counter\n");
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Writing to a String does not fail.
        for (class, counter) in ["2xx", "3xx", "4xx", "5xx"].iter().zip(&self.by_status) {
            let _ = writeln!(out, "provisor_scim_requests_total{{status=\"{class}\"}} {}", read(counter));
        }
        let _ = writeln!(out, "# TYPE provisor_scim_request_seconds histogram");
        let mut sum = 0;
        for (most, counter) in CLASSES.iter().zip(&self.classes) {
            sum += read(counter);
            let _ = writeln!(out, "provisor_scim_request_seconds_bucket{{le=\"{}\"}} {sum}", *most as f64 / 1_000.0);
        }
        sum += self.classes.last().map_or(0, read);
        let _ = writeln!(out, "provisor_scim_request_seconds_bucket{{le=\"+Inf\"}} {sum}");
        let _ = writeln!(out, "provisor_scim_request_seconds_sum {}", read(&self.microseconds) as f64 / 1e6);
        let _ = writeln!(out, "provisor_scim_request_seconds_count {sum}");
        for (name, counter) in [
            ("provisor_scim_unauthorized_total", &self.refused),
            ("provisor_scim_rate_limited_total", &self.limited),
            ("provisor_tls_handshakes_failed_total", &self.handshakes),
        ] {
            let _ = writeln!(out, "# TYPE {name} counter\n{name} {}", read(counter));
        }
        let _ = writeln!(out, "# TYPE provisor_oauth_requests_total counter");
        for (outcome, counter) in ["given", "refused", "told_to_wait"].iter().zip(&self.token_answers) {
            let _ = writeln!(out, "provisor_oauth_requests_total{{outcome=\"{outcome}\"}} {}", read(counter));
        }
        out
    }
}

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether writes would be taken, and for longer than a moment.
pub(super) async fn ready(extract::State(state): extract::State<State>) -> Result<&'static str, Problem> {
    let busy = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    if state.stopping.load(Ordering::Relaxed) {
        return Err(busy("the server is stopping".into()));
    }
    state.directory.store().stats().map_err(|error| busy(error.to_string()))?;
    Ok("ready\n")
}

pub(super) async fn metrics(extract::State(state): extract::State<State>) -> impl IntoResponse {
    let mut text = state.counters.text();
    if let Ok(stats) = state.directory.store().stats() {
        for (name, kind, value) in [
            ("provisor_store_bytes", "gauge", stats.disk),
            ("provisor_store_batches_total", "counter", stats.batches),
            ("provisor_store_transactions_total", "counter", stats.transactions),
            ("provisor_store_waiting", "gauge", stats.waiting),
            ("provisor_log_bytes", "gauge", stats.log_bytes),
        ] {
            let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
        }
    }
    super::syncs::metrics(&state.syncs, &mut text).await;
    let _ = writeln!(text, "# TYPE provisor_source_halted gauge");
    for record in state.registry.sources() {
        let halted = u8::from(state.directory.halted(&record.slug).is_some());
        let _ = writeln!(text, "provisor_source_halted{{source=\"{}\"}} {halted}", record.slug);
    }
    let dropped = state.directory.dropped_lines();
    let _ = writeln!(text, "# TYPE provisor_log_dropped_total counter\nprovisor_log_dropped_total {dropped}");
    let now = state.directory.now();
    if let Some(days) = state.tls.as_ref().and_then(|certificates| certificates.days_left(now)) {
        let _ = writeln!(text, "# TYPE provisor_tls_days_left gauge\nprovisor_tls_days_left {days}");
    }
    let _ = writeln!(text, "# TYPE provisor_token_days_left gauge");
    for one in state.registry.days_left() {
        // Ids and slugs have no character that would have to be escaped; labels may, so they stay out.
        let _ = writeln!(
            text,
            "provisor_token_days_left{{token=\"{}\",kind=\"{}\",source=\"{}\"}} {}",
            one.id,
            one.kind.name(),
            one.source,
            one.days_left
        );
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
