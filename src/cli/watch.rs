//! The progress bar of a sync: what the run is at, drawn to standard error of a terminal while it is under way.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::sync::{Phase, Sync};

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Waits for a run of the sync, and draws how far it is; nothing is drawn when nobody looks.
pub(super) async fn watched<T>(sync: &Sync, is_shown: bool, run: impl Future<Output = T>) -> T {
    if !is_shown || !io::stderr().is_terminal() {
        return run.await;
    }
    let bar = ProgressBar::new_spinner();
    let draw = async || -> std::convert::Infallible {
        let mut phase: Option<Phase> = None;
        loop {
            if let Some(now) = sync.progress() {
                if phase != Some(now.phase) {
                    phase = Some(now.phase);
                    bar.reset();
                    bar.set_style(style(now.total.is_some()));
                    bar.set_message(now.phase.word());
                }
                if let Some(total) = now.total {
                    bar.set_length(total);
                }
                bar.set_position(now.done);
                bar.tick();
            }
            tokio::time::sleep(TICK).await;
        }
    };
    let result = tokio::select! {
        result = run => result,
        never = draw() => match never {},
    };
    bar.finish_and_clear();
    result
}

fn style(has_total: bool) -> ProgressStyle {
    let known = "{spinner} {msg:<12} {bar:30} {pos}/{len} {per_sec}";
    let unknown = "{spinner} {msg:<12} {pos} {per_sec}";
    ProgressStyle::with_template(if has_total { known } else { unknown })
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
