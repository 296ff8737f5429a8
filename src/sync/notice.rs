//! Tells somebody that a sync stopped: a JSON object to a webhook. A notice that does not arrive is logged, and stops nothing.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{NoticeSettings, Report};

/// How long a notice may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a notice of a run, when the settings name a webhook.
pub(super) async fn send(settings: &NoticeSettings, beside: &Path, report: &Report) {
    let Some(url) = &settings.webhook else { return };
    if let Err(why) = post(settings, beside, url, body(report)).await {
        tracing::warn!(target: "sync", sync = report.sync, why, "the webhook was not told");
    }
}

/// What is told; the finding itself may hold values, and stays here.
fn body(report: &Report) -> Value {
    json!({
        "event": format!("sync.{}", report.outcome.word()),
        "sync": report.sync,
        "run": report.number,
        "at": crate::directory::time(report.ended),
        "heldBack": report.held_back,
        "failed": report.counts.failed,
        "help": format!("provisor sync status {}", report.sync),
    })
}

async fn post(settings: &NoticeSettings, beside: &Path, url: &str, body: Value) -> Result<(), String> {
    // The provider may be there already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.without_url().to_string())?;
    let mut request = client.post(url).header("content-type", "application/json").body(body.to_string());
    if let Some(token) = &settings.token {
        request = request.bearer_auth(token.read(beside)?);
    }
    let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status().as_u16())) }
}
