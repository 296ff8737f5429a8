//! The log of a server: lines on stderr, JSON or text.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::gathered::{Gathered, Rest};
use super::line::Lines;
use crate::config::{Format, Level, Log};

/// The log goes to stderr: stdout has the greeting alone. What panics says is not written, as it may hold somebody's data. The last
/// lines are written when what this gives is dropped.
pub(super) fn to_stderr(log: Log) -> Rest {
    let level = match log.level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Only our own lines: what libraries say about connections may hold what was sent.
    let ours = filter_fn(|line| line.module_path().is_some_and(|module| module.starts_with("provisor")));
    let (writer, rest) = Gathered::new();
    // A second subscriber in one process is refused, and the first stays.
    let _ = match log.format {
        Format::Json => tracing_subscriber::registry().with(level).with(Lines(writer).with_filter(ours)).try_init(),
        Format::Text => {
            let lines = tracing_subscriber::fmt::layer().with_writer(writer);
            tracing_subscriber::registry().with(level).with(lines.with_filter(ours)).try_init()
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "panic", place, "something failed inside of the server");
    }));
    rest
}
