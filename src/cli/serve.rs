//! `provisor serve`: the SCIM service over a data directory, with nothing to configure.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, Format, Level, Log};
use crate::directory::SourceRecord;
use crate::directory::token::{DEFAULT_LIFE, Scope};
use crate::server::{self, Certificates, Counters, Gate, State};

use super::service::{Service, config, runtime};
use super::{Ending, Failure, Outcome, print, tell};

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
/// How often what is remembered of silent tokens is forgotten.
const TIDY: Duration = Duration::from_mins(1);

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
    runtime()?.block_on(serve(config))
}

async fn serve(config: Config) -> Outcome {
    log_to_stderr(config.log);
    let failed = |error: &dyn std::fmt::Display| Failure::told(error.to_string());
    let files = config.tls.files().map_err(|error| failed(&error))?;
    let tls = files.map(|(certificate, key)| Certificates::load(certificate, key)).transpose();
    let tls = tls.map_err(|error| failed(&error))?.map(Arc::new);
    let service = Service::open(&config.server.data).await?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| Failure::told(format!("{}: {error}", config.server.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::told(error.to_string()))?;
    let url = config.server.url.clone().unwrap_or_else(|| {
        let scheme = if tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    });
    let greeting = greeting(&service, &url).await?;
    let gate = Arc::new(Gate::new(&config.limits));
    let state = State {
        directory: service.directory.clone(),
        registry: Arc::clone(&service.registry),
        gate: Arc::clone(&gate),
        counters: Arc::new(Counters::default()),
        limits: config.limits,
        url: config.server.url.as_deref().map(Arc::from),
        tls: tls.clone(),
        stopping: Arc::default(),
    };
    let stop = stop().map_err(|error| failed(&error))?;
    print(&greeting)?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TIDY).await;
            gate.tidy();
        }
    });
    if let Some(certificates) = tls {
        let directory = service.directory.clone();
        tokio::spawn(server::watch(certificates, move || directory.now()));
    }
    let grace = Duration::from_secs(config.server.grace);
    server::serve(listener, state, grace, stop).await.map_err(|error| failed(&error))?;
    tell("stopped; everything that was acknowledged is on disk\n");
    Ok(Ending::Clean)
}

/// The log goes to stderr: stdout has the greeting alone. What panics says is not written, as it may hold somebody's data.
fn log_to_stderr(log: Log) {
    let level = match log.level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Only our own lines: what libraries say about connections may hold what was sent.
    let ours = filter_fn(|line| line.module_path().is_some_and(|module| module.starts_with("provisor")));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second subscriber in one process is refused, and the first stays.
    let _ = match log.format {
        Format::Json => {
            let lines = lines.json().with_current_span(false).flatten_event(true);
            tracing_subscriber::registry().with(level).with(lines.with_filter(ours)).try_init()
        }
        Format::Text => tracing_subscriber::registry().with(level).with(lines.with_filter(ours)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "panic", place, "something failed inside of the server");
    }));
}

/// What the operator reads; in a new data directory the tokens, the one time they are shown.
async fn greeting(service: &Service, url: &str) -> Result<String, Failure> {
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
    let _ = writeln!(text, "SCIM endpoint: {url}/scim/{DEFAULT_SOURCE}/v2");
    for record in registry.sources().iter().filter(|record| record.slug != DEFAULT_SOURCE) {
        let _ = writeln!(text, "SCIM endpoint: {url}/scim/{}/v2", record.slug);
    }
    Ok(text)
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
