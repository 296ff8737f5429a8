//! `provisor serve`: the SCIM service over a data directory, with nothing to configure.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::config::Config;
use crate::directory::token::{DEFAULT_LIFE, Scope};
use crate::directory::{Actor, Call, SourceRecord};
use crate::server::{self, Counters, Gate, State};

use super::declared::declare;
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
}

/// The source that a new data directory has.
const DEFAULT_SOURCE: &str = "default";
/// How often what is remembered of silent tokens is forgotten.
const TIDY: Duration = Duration::from_mins(1);
/// How often profiles are looked after when nothing asks for it.
const REMAP: Duration = Duration::from_mins(1);

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut config = config(arguments.config.as_deref())?;
    if let Some(data) = &arguments.data {
        config.server.data.clone_from(data);
    }
    if let Some(listen) = arguments.listen {
        config.server.listen = listen;
    }
    config.check_listen().map_err(|error| Failure::told(error.to_string()))?;
    let beside = arguments.config.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_path_buf();
    runtime()?.block_on(serve(config, &beside))
}

/// `beside`: where the configuration is, for the files it names.
async fn serve(config: Config, beside: &Path) -> Outcome {
    // Nobody has written to stdout yet; the log goes to stderr.
    let logs = tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_current_span(false);
    let _ = logs.flatten_event(true).try_init();
    let service = Service::open(&config.server.data).await?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| Failure::told(format!("{}: {error}", config.server.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::told(error.to_string()))?;
    let url = config.server.url.clone().unwrap_or_else(|| format!("http://{address}"));
    let mut greeting = greeting(&service).await?;
    declare(&service, &config.source, beside).await?;
    greeting.push_str(&endpoints(&service, &url));
    let gate = Arc::new(Gate::new(&config.limits));
    let state = State {
        directory: service.directory.clone(),
        registry: Arc::clone(&service.registry),
        gate: Arc::clone(&gate),
        counters: Arc::new(Counters::default()),
        limits: config.limits,
        url: config.server.url.as_deref().map(Arc::from),
    };
    print(&greeting)?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TIDY).await;
            gate.tidy();
        }
    });
    tokio::spawn(remap(service.clone()));
    server::serve(listener, state, stop()).await.map_err(|error| Failure::told(error.to_string()))?;
    tell("stopped; everything that was acknowledged is on disk\n");
    Ok(Ending::Clean)
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

/// Makes profiles anew whenever that is wanted, for as long as the server runs.
async fn remap(service: Service) {
    loop {
        for record in service.registry.sources() {
            let Some(source) = service.registry.source(&record.slug) else { continue };
            let actor = Actor { label: "mapping".into(), ..Actor::default() };
            let call = Call {
                source: &source,
                base: "",
                actor: &actor,
                if_match: None,
                if_none_match: None,
                attributes: None,
                excluded: None,
                entra: false,
            };
            if let Err(error) = service.directory.remap(&call).await {
                tracing::error!(target: "mapping", source = record.slug, detail = error.detail, "profiles were not made anew");
            }
        }
        // Now and then without being asked, for what another write or a full queue put off.
        let _ = tokio::time::timeout(REMAP, service.directory.remap_asked()).await;
    }
}

/// Comes when the process is asked to end.
async fn stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
