//! `provisor serve`: the SCIM service over a data directory, with nothing to configure.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::config::Config;
use crate::directory::SourceRecord;
use crate::directory::token::{DEFAULT_LIFE, Scope};
use crate::server::{self, Certificates, Handle, State, Syncs};
use crate::sync::Tender;

use super::declared::declare;
use super::service::{Service, config, runtime};
use super::{Ending, Failure, Outcome, logging, print, tell, upkeep};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration; `provisor.toml` when it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory; over the configuration
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; over the configuration
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The certificate for HTTPS, in PEM with its chain; over the configuration
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM; over the configuration
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// The source that a new data directory has.
const DEFAULT_SOURCE: &str = "default";

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut config = config(arguments.config.as_deref())?;
    if let Some(data) = &arguments.data {
        config.server.data.clone_from(data);
    }
    if let Some(listen) = arguments.listen {
        config.server.listen = listen;
    }
    if let Some(certificate) = &arguments.tls_cert {
        config.tls.certificate = Some(certificate.clone());
    }
    if let Some(key) = &arguments.tls_key {
        config.tls.key = Some(key.clone());
    }
    config.check_listen().map_err(|error| Failure::told(error.to_string()))?;
    let beside = arguments.config.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_path_buf();
    runtime()?.block_on(serve(config, &beside))
}

/// `beside`: where the configuration is, for the files it names.
async fn serve(config: Config, beside: &Path) -> Outcome {
    let log = logging::to_stderr(config.log);
    let failed = |error: &dyn std::fmt::Display| Failure::told(error.to_string());
    let files = config.tls.files().map_err(|error| failed(&error))?;
    let tls = files.map(|(certificate, key)| Certificates::load(certificate, key)).transpose();
    let tls = tls.map_err(|error| failed(&error))?.map(Arc::new);
    let service = Service::open(&config.server.data).await?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| Failure::told(format!("{}: {error}", config.server.listen)))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let url = config.server.url.clone().unwrap_or_else(|| {
        let scheme = if tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    });
    let mut greeting = greeting(&service).await?;
    declare(&service, &config.source, beside).await?;
    greeting.push_str(&endpoints(&service, &url));
    let (tenders, syncs) = tenders(&config, beside, &service)?;
    server::take_up(&syncs, &service.directory, &service.registry).await.map_err(|error| failed(&error))?;
    let state = State {
        syncs,
        url: config.server.url.as_deref().map(Arc::from),
        tls: tls.clone(),
        ..State::new(service.directory.clone(), Arc::clone(&service.registry), config.limits)
    };
    let gate = Arc::clone(&state.gate);
    let stop = stop().map_err(|error| failed(&error))?;
    print(&greeting)?;
    upkeep::begin(&service, gate, state.syncs.clone());
    for tender in tenders {
        tokio::spawn(tender.tend());
    }
    tokio::spawn(server::prune(service.directory.clone(), config.retention));
    if let Some(certificates) = tls {
        let directory = service.directory.clone();
        tokio::spawn(server::watch(certificates, move || directory.now()));
    }
    let grace = Duration::from_secs(config.server.grace);
    server::serve(listener, state, grace, stop).await.map_err(|error| failed(&error))?;
    upkeep::end(&service).await;
    drop(log);
    tell("stopped; everything that was acknowledged is on disk\n");
    Ok(Ending::Clean)
}

/// The syncs of the configuration, and who looks after each.
fn tenders(config: &Config, beside: &Path, service: &Service) -> Result<(Vec<Tender>, Syncs), Failure> {
    let (mut tenders, mut handles) = (Vec::new(), Vec::new());
    for settings in &config.sync {
        let sync = Arc::new(super::sync::made(config, &settings.name, beside, service)?);
        let (tender, asks) = Tender::new(Arc::clone(&sync));
        tenders.push(tender);
        handles.push(Handle { sync, asks, is_stored: false });
    }
    Ok((tenders, Syncs::new(handles, beside.to_path_buf())))
}

/// What the operator reads; in a new data directory the tokens, the one time they are shown.
async fn greeting(service: &Service) -> Result<String, Failure> {
    let registry = &service.registry;
    let mut text = String::new();
    let is_new = registry.sources().is_empty() && registry.tokens().is_empty();
    // Writing to a String does not fail.
    if is_new {
        let failed = |error: server::RegistryError| Failure::told(error.to_string());
        registry.add_source(SourceRecord::new(DEFAULT_SOURCE, service.directory.now())).await.map_err(failed)?;
        let scim = Scope::Scim { source: DEFAULT_SOURCE.to_owned() };
        for (variable, label, scope) in
            [("PROVISOR_ADMIN_TOKEN", "admin", Scope::Admin), ("PROVISOR_SCIM_TOKEN", DEFAULT_SOURCE, scim)]
        {
            match std::env::var(variable) {
                Ok(secret) => {
                    registry
                        .set_token(label, scope, &secret)
                        .await
                        .map_err(|error| Failure::told(format!("{variable}: {error}")))?;
                    let _ = writeln!(text, "{label:<8} token: the one in {variable}");
                }
                Err(_) => {
                    let (_, secret) = registry.make_token(label, scope, Some(DEFAULT_LIFE)).await.map_err(failed)?;
                    let _ = writeln!(text, "{label:<8} token: {secret}   (shown this once, good for 90 days)");
                }
            }
        }
    }
    Ok(text)
}

/// Where each source is reached, the one there is from the beginning first.
fn endpoints(service: &Service, url: &str) -> String {
    let mut text = String::new();
    let mut slugs: Vec<String> = service.registry.sources().into_iter().map(|record| record.slug).collect();
    slugs.sort_by_key(|slug| slug != DEFAULT_SOURCE);
    for slug in slugs {
        let halted =
            if service.directory.halted(&slug).is_some() { "   HALTED: `provisor source show` says why" } else { "" };
        // Writing to a String does not fail.
        let _ = writeln!(text, "SCIM endpoint: {url}/scim/{slug}/v2{halted}");
    }
    text
}

/// Comes when the process is asked to end. Signals are listened for from the call on, so that none is lost.
#[cfg(unix)]
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // What is to be read again is read by those who have it; the rest is not to end by it.
    let hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        drop(hangup);
    })
}

/// Comes when the process is asked to end.
#[cfg(not(unix))]
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
