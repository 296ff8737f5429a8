//! `/healthz`, `/readyz` and `/metrics`, for machines that watch.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::State;

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
        let _ = writeln!(
            out,
            "# TYPE provisor_scim_unauthorized_total counter\nprovisor_scim_unauthorized_total {}",
            read(&self.refused)
        );
        let _ = writeln!(
            out,
            "# TYPE provisor_scim_rate_limited_total counter\nprovisor_scim_rate_limited_total {}",
            read(&self.limited)
        );
        out
    }
}

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether writes would be taken.
pub(super) async fn ready(extract::State(state): extract::State<State>) -> impl IntoResponse {
    match state.directory.store().stats() {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
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
    let _ = writeln!(text, "# TYPE provisor_source_halted gauge");
    for record in state.registry.sources() {
        let halted = u8::from(state.directory.halted(&record.slug).is_some());
        let _ = writeln!(text, "provisor_source_halted{{source=\"{}\"}} {halted}", record.slug);
    }
    let now = state.directory.now();
    let _ = writeln!(text, "# TYPE provisor_token_days_left gauge");
    for token in state.registry.tokens() {
        if let (Some(days), None) = (token.days_left(now), token.revoked) {
            let _ = writeln!(text, "provisor_token_days_left{{token=\"{}\"}} {days}", token.id);
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
