//! Lines of the log as JSON. Every request has one, so that a line is made in one go: `tracing_subscriber` has a formatter that gives the
//! same, piece by piece through `fmt`, which was a tenth of the work of a read that is answered from memory.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::MakeWriter as _;
use tracing_subscriber::layer::{Context, Layer};

use super::gathered::Gathered;
use crate::clock::moment;
use crate::dotnet::date::write_iso;
use crate::value::write_json_string;

/// Bytes that most lines have room in.
const ROOM: usize = 448;

/// Writes what happens as a line of JSON: the time (RFC 3339, UTC, microseconds), the level, what is said in its order, and the target.
pub(super) struct Lines(pub(super) Gathered);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // It takes whatever comes.
        let _ = self.0.make_writer_for(event.metadata()).write_all(&Line::of(event, SystemTime::now()).0);
    }
}

/// A line in the making.
struct Line(Vec<u8>);

impl Line {
    fn of(event: &Event<'_>, now: SystemTime) -> Self {
        let about = event.metadata();
        let mut line = Self(Vec::with_capacity(ROOM));
        line.0.extend_from_slice(b"{\"timestamp\":\"");
        line.time(now);
        line.0.extend_from_slice(b"\",\"level\":");
        write_json_string(about.level().as_str(), &mut line.0);
        event.record(&mut line);
        line.0.extend_from_slice(b",\"target\":");
        write_json_string(about.target(), &mut line.0);
        line.0.extend_from_slice(b"}\n");
        line
    }

    fn time(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = String::with_capacity(32);
        // Writing to a String does not fail.
        let _ = write_iso(moment(since.as_secs().saturating_mul(1_000)), &mut text);
        let _ = write!(text, ".{:06}Z", since.subsec_micros());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, field: &Field) {
        self.0.push(b',');
        write_json_string(field.name(), &mut self.0);
        self.0.push(b':');
    }

    fn plain(&mut self, field: &Field, value: impl serde::Serialize) {
        self.name(field);
        // Writing to a Vec does not fail, and a number or a truth is no value that JSON has not.
        let _ = serde_json::to_writer(&mut self.0, &value);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        write_json_string(value, &mut self.0);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // What cannot be written is left out of the line, and the line is whole.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let now = UNIX_EPOCH + Duration::from_micros(1_763_913_600_000_042);
            self.0.lock().unwrap().extend_from_slice(&Line::of(event, now).0);
        }
    }

    #[test]
    fn a_line_says_what_was_said_in_its_order() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Kept(Arc::clone(&kept))), || {
            let (path, shown) = ("/a \"b\"\n", "c\\");
            tracing::info!(target: "access", path, status = 201_u64, at = -1, part = 0.5, is = true, %shown, "said");
            tracing::error!(nothing = f64::NAN, list = ?["é"]);
        });
        let lines = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        let expected = concat!(
            r#"{"timestamp":"2025-11-23T16:00:00.000042Z","level":"INFO","message":"said","path":"/a \"b\"\n","status":201,"at":-1,"#,
            r#""part":0.5,"is":true,"shown":"c\\","target":"access"}"#,
            "\n",
            r#"{"timestamp":"2025-11-23T16:00:00.000042Z","level":"ERROR","nothing":null,"list":"[\"é\"]","#,
            r#""target":"provisor::cli::line::tests"}"#,
            "\n"
        );
        assert_eq!(lines, expected);
    }
}
