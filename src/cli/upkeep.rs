//! What a server does beside answering: profiles made anew, uses of tokens written down, warnings of what ends soon.

use std::sync::Arc;
use std::time::Duration;

use crate::directory::{Actor, Call, Directory};
use crate::server::{Gate, Registry, Syncs};
use crate::store::{Operation, Transaction};

use super::service::Service;

/// How often what is remembered of silent tokens is forgotten, and uses of tokens are written.
const TIDY: Duration = Duration::from_mins(1);
/// After how many of these it is looked which tokens end soon: once an hour.
const LOOK: u64 = 60;
/// How often profiles are looked after when nothing asks for it.
const REMAP: Duration = Duration::from_mins(1);

/// Begins all of it, for as long as the process runs.
pub(super) fn begin(service: &Service, gate: Arc<Gate>, syncs: Syncs) {
    let registry = Arc::clone(&service.registry);
    let directory = service.directory.clone();
    tokio::spawn(async move {
        for minute in 0_u64.. {
            if minute.is_multiple_of(LOOK) {
                warn(&registry).await;
                trim(&directory, &syncs).await;
            }
            tokio::time::sleep(TIDY).await;
            gate.tidy();
            write_usage(&registry).await;
        }
    });
    tokio::spawn(remap(service.clone()));
    let registry = Arc::clone(&service.registry);
    tokio::spawn(async move { crate::server::go_on(&registry).await });
}

/// Forgets what every sync has pushed on already; without one, everything: a sync that comes later begins with a full run.
async fn trim(directory: &Directory, syncs: &Syncs) {
    let done = async {
        let mut done = directory.store().stats()?.outbox_next;
        for handle in syncs.iter().filter(|handle| handle.sync.settings().source.is_some()) {
            done = done.min(handle.sync.position().await.ok().flatten().unwrap_or(0));
        }
        let Some(last) = done.checked_sub(1) else { return Ok(()) };
        let trim = Transaction::new("").with(Operation::TrimOutbox(last));
        directory.store().commit(trim).await.map(|_| ())
    };
    if let Err(error) = done.await {
        tracing::warn!(target: "sync", %error, "the outbox was not trimmed");
    }
}

/// Writes down what is not written yet.
pub(super) async fn end(service: &Service) {
    write_usage(&service.registry).await;
}

async fn write_usage(registry: &Registry) {
    if let Err(error) = registry.write_usage().await {
        tracing::warn!(target: "credentials", %error, "when tokens were last used could not be written");
    }
}

/// A line for each token and secret that ends soon, once at each threshold.
async fn warn(registry: &Registry) {
    match registry.warnings().await {
        Ok(warnings) => {
            for one in warnings {
                let words = if one.days_left < 0 { "it has expired" } else { "it expires soon: make another in time" };
                tracing::warn!(
                    target: "credentials",
                    kind = one.kind.name(),
                    id = one.id,
                    label = one.label,
                    source = one.source,
                    days_left = one.days_left,
                    "{words}"
                );
            }
        }
        Err(error) => tracing::warn!(target: "credentials", %error, "which tokens end soon could not be looked up"),
    }
}

/// Makes profiles anew whenever that is wanted, for as long as the server runs.
async fn remap(service: Service) {
    loop {
        for record in service.registry.sources() {
            let Some(source) = service.registry.source(&record.slug) else { continue };
            let actor = Actor { label: "mapping".into(), ..Actor::default() };
            let call = Call::inside(&source, &actor);
            if let Err(error) = service.directory.remap(&call).await {
                tracing::error!(target: "mapping", source = record.slug, detail = error.detail, "profiles were not made anew");
            }
        }
        // Now and then without being asked, for what another write or a full queue put off.
        let _ = tokio::time::timeout(REMAP, service.directory.remap_asked()).await;
    }
}
