//! The last lines of the log, for the local page.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::chance;

const LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 500;

/// A layer of `tracing` that remembers the last lines. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<VecDeque<Line>>>);

/// One remembered line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// Counted from 1 since the start.
    pub number: u64,
    /// Seconds since 1970.
    pub at: u64,
    /// `INFO`, `WARN` and so on.
    pub level: &'static str,
    /// What happened.
    pub text: String,
}

impl Logs {
    /// The remembered lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The remembered lines after the one with this number, oldest first.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<Line> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.number > number).cloned().collect()
    }

    fn push(&self, mut line: Line) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.number = lines.back().map_or(0, |last| last.number).saturating_add(1);
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let text: String = format!("{}{}", text.message, text.fields);
        self.push(Line {
            number: 0,
            at: chance::unix_seconds(),
            level: event.metadata().level().as_str(),
            text: text.chars().take(LINE_CHARS_MAX).collect(),
        });
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _infallible = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_with_their_fields() {
        let logs = Logs::default();
        let subscriber = tracing_subscriber::registry().with(logs.clone());
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..600 {
                tracing::warn!(n, name = "x", "line");
            }
        });
        let lines = logs.lines();
        assert_eq!(lines.len(), 500);
        assert_eq!(lines[499].text, "line n=599 name=x");
        assert_eq!((lines[0].level, lines[0].number), ("WARN", 101));
        assert_eq!(logs.after(598).len(), 2);
    }
}
