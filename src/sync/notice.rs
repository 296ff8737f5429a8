//! Tells somebody that a sync stopped: a JSON object to a webhook, and an e-mail. A notice that does not arrive is logged, and stops
//! nothing. What it says has no values: the finding, which may hold some, is in `provisor sync status`.

use std::path::Path;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::{Value, json};

use super::settings::{EmailSettings, Encryption};
use super::{NoticeSettings, Report};

/// How long a notice may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a notice of a run to everybody whom the settings name.
pub(super) async fn send(settings: &NoticeSettings, beside: &Path, event: &str, report: &Report) {
    if let Some(url) = &settings.webhook
        && let Err(why) = post(settings, beside, url, &body(event, report)).await
    {
        tracing::warn!(target: "sync", sync = report.sync, why, "the webhook was not told");
    }
    if let Some(email) = &settings.email
        && let Err(why) = mail(email, beside, event, report).await
    {
        tracing::warn!(target: "sync", sync = report.sync, why, "the e-mail was not sent");
    }
}

fn body(event: &str, report: &Report) -> Value {
    json!({
        "event": format!("sync.{event}"),
        "sync": report.sync,
        "run": report.number,
        "at": crate::directory::time(report.ended),
        "heldBack": report.held_back,
        "failed": report.counts.failed,
        "help": format!("provisor sync status {}", report.sync),
    })
}

async fn post(settings: &NoticeSettings, beside: &Path, url: &str, body: &Value) -> Result<(), String> {
    crate::target::use_ring();
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

async fn mail(settings: &EmailSettings, beside: &Path, event: &str, report: &Report) -> Result<(), String> {
    let from: Mailbox = settings.from.parse().map_err(|error| format!("`from`: {error}"))?;
    let mut message = Message::builder().from(from).subject(format!("Provisor: sync {} is {event}", report.sync));
    for to in &settings.to {
        message = message.to(to.parse().map_err(|error| format!("`to` {to:?}: {error}"))?);
    }
    let at = crate::directory::time(report.ended);
    let (held, failed, name) = (report.held_back, report.counts.failed, &report.sync);
    let text = format!(
        "The sync {name} is {event} since its run {} at {at}.\n\nObjects that failed: {failed}\nDeletions held back: {held}\n\n`provisor sync status {name}` shows what happened and where.\n",
        report.number
    );
    let message = message.body(text).map_err(|error| error.to_string())?;
    let host = settings.server.as_str();
    let secured = || TlsParameters::new(host.to_owned()).map_err(|error| error.to_string());
    let (tls, port) = match settings.encryption {
        Encryption::Starttls => (Tls::Required(secured()?), 587),
        Encryption::Tls => (Tls::Wrapper(secured()?), 465),
        Encryption::None => (Tls::None, 25),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(settings.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(TIMEOUT));
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.read(beside)?));
    }
    transport.build().send(message).await.map(|_| ()).map_err(|error| error.to_string())
}
