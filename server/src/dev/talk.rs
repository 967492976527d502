//! What the launcher says: steps with their times on standard error, the report on standard
//! output.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

/// Speaks to whoever started the launcher.
pub(super) struct Talk {
    began: Instant,
    /// Whether a person watches: then a bar may be drawn and questions may be asked.
    pub(super) person: bool,
}

impl Talk {
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::io::stdin().is_terminal();
        let person = terminal && std::env::var_os("CI").is_none();
        Self { began: Instant::now(), person }
    }

    /// A step that is done, with the time since the start.
    pub(super) fn step(&self, text: &str) {
        let seconds = self.began.elapsed();
        let (whole, tenths) = (seconds.as_secs(), seconds.subsec_millis().div_euclid(100));
        // Nobody listens any more when this fails.
        writeln!(std::io::stderr(), "{whole:>4}.{tenths} s  {text}").ok();
    }

    /// A part of the report.
    pub(super) fn report(&self, text: &str) {
        writeln!(std::io::stdout(), "{text}").ok();
    }

    /// Asks a question that is answered with yes or no; no where nobody can answer.
    pub(super) fn agrees(&self, question: &str) -> bool {
        if !self.person {
            return false;
        }
        write!(std::io::stderr(), "{question} [y/N] ").ok();
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok();
        answer.trim_start().starts_with(['y', 'Y'])
    }
}
