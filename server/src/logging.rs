//! The server's own log: one line a message on standard error.
//!
//! What somebody sends that is no HTTP is no error of the house. The library logs it as one, and
//! anybody on the net could fill the log so: it is shown only where debugging is asked for.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

/// Who says so.
const SPEAKER: &str = "actix_http::h1";
/// How messages begin that are about what a client sent, or did not.
const OF_CLIENTS: [&str; 5] = [
    "stream error: request parse error",
    "stream error: I/O error",
    "stream error: request did not complete",
    "stream error: connection shutdown timeout",
    "MAX_BUFFER_SIZE",
];

/// Begins the log, filtered by `RUST_LOG`.
pub(crate) fn to_stderr() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,tracing_actix_web=error,actix_server=warn".into());
    let debugging = Layer::<Registry>::max_level_hint(&filter) >= Some(LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(Mistakes { debugging }).with(lines).init();
}

/// Leaves clients' mistakes out, unless somebody is debugging.
struct Mistakes {
    debugging: bool,
}

impl<S: Subscriber> Layer<S> for Mistakes {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let what = event.metadata();
        if self.debugging || *what.level() != Level::ERROR || !what.target().starts_with(SPEAKER) {
            return true;
        }
        let mut words = Words::default();
        event.record(&mut words);
        !OF_CLIENTS.iter().any(|begin| words.0.starts_with(begin))
    }
}

/// The message of an event.
#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" && write!(self.0, "{value:?}").is_err() {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects messages.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut words = Words::default();
            event.record(&mut words);
            self.0.lock().unwrap().push(words.0);
        }
    }

    fn logged(debugging: bool) -> Vec<String> {
        let kept = Kept::default();
        let log = tracing_subscriber::registry().with(Mistakes { debugging }).with(kept.clone());
        tracing::subscriber::with_default(log, || {
            let sent = "request parse error: invalid HTTP version specified";
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: {sent}");
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: body error: gone");
            tracing::error!(target: "medusa", "stream error: {sent}");
        });
        kept.0.lock().unwrap().clone()
    }

    #[test]
    fn what_clients_get_wrong_is_logged_for_those_who_debug_only() {
        assert_eq!(
            logged(false),
            [
                "stream error: body error: gone",
                "stream error: request parse error: invalid HTTP version specified",
            ]
        );
        assert_eq!(logged(true).len(), 3);
    }
}
