//! A data directory opened: store, directory, registry. For `serve`, and for commands that work on it while no server does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::directory::Directory;
use crate::server::Registry;
use crate::store::{Options, SledStore, StoreError};

use super::Failure;

/// Bytes of pages that a command keeps in memory which goes through the data once. The database holds some 2,000 pages more before it
/// lets go of any.
const SMALL: u64 = 1 << 20;

/// What a data directory holds.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) directory: Directory,
    pub(super) registry: Arc<Registry>,
}

impl Service {
    /// Opens a data directory, which is made when it is not there.
    pub(super) async fn open(data: &Path) -> Result<Self, Failure> {
        Self::with(data, Options::default(), "").await
    }

    /// The same with little of it in memory, for a command that goes through it once. `elsewhere`: what else to do when another
    /// process has it open.
    pub(super) async fn open_few(data: &Path, elsewhere: &str) -> Result<Self, Failure> {
        Self::with(data, Options { cache: SMALL, rows: 0, ..Options::default() }, elsewhere).await
    }

    async fn with(data: &Path, options: Options, elsewhere: &str) -> Result<Self, Failure> {
        let failed = |error: String| Failure::told(format!("{}: {error}", data.display()));
        let store = SledStore::open(data, options).map_err(|error| match error {
            StoreError::Locked(_) => failed(format!("{error}{elsewhere}")),
            error => failed(error.to_string()),
        })?;
        for warning in store.warnings() {
            super::tell(&format!("warning: {}: {warning}\n", data.display()));
        }
        let directory = Directory::new(Arc::new(store), Arc::new(SystemClock));
        directory.load().await.map_err(|error| failed(error.to_string()))?;
        let registry = Registry::load(directory.clone()).await.map_err(|error| failed(error.to_string()))?;
        Ok(Self { directory, registry: Arc::new(registry) })
    }
}

/// The configuration: of the file named, or of `provisor.toml` when that is there.
pub(super) fn config(named: Option<&Path>) -> Result<Config, Failure> {
    let path = named.map_or_else(|| PathBuf::from("provisor.toml"), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::told(format!("{}: {error}", path.display()))),
    };
    Config::read(&path.display().to_string(), text.as_deref(), std::env::vars())
        .map_err(|error| Failure::told(error.to_string()))
}

/// The threads that serve.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::told(format!("the threads cannot be started: {error}")))
}
