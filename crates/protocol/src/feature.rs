//! What a peer can understand beyond the first version, by name. A kind of frame or a value that
//! the first version does not have is only sent to a peer that named its feature; a body's new
//! keys need none, because unknown keys are skipped.

use medusa_types::Outcome;

use crate::message::{Message, Report};

/// The server may send [`crate::Settings`].
pub const SETTINGS: &str = "settings";
/// The agent may send [`crate::Yield`].
pub const YIELD: &str = "yield";
/// The agent may report [`Outcome::CompileOut`].
pub const COMPILE_OUT: &str = "compile_out";

/// The agent may report [`Outcome::TableOut`].
pub const TABLE_OUT: &str = "table_out";
/// The agent may report [`Outcome::FilesOut`].
pub const FILES_OUT: &str = "files_out";

/// The server may send leases with a [`crate::Lease::home`].
pub const SESSION: &str = "session";

/// What this version understands.
pub const FEATURES: [&str; 6] = [SETTINGS, YIELD, COMPILE_OUT, TABLE_OUT, FILES_OUT, SESSION];
/// Names that are looked at in one greeting.
const FEATURES_MAX: usize = 64;

/// What the peer of one connection understands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(Vec<String>);

impl Features {
    /// What it named in its greeting; names that mean nothing here are left out.
    #[must_use]
    pub fn of(named: &[String]) -> Self {
        let known = named.iter().take(FEATURES_MAX);
        Self(known.filter(|name| FEATURES.contains(&name.as_str())).cloned().collect())
    }

    /// What this version names in its own greeting.
    #[must_use]
    pub fn own() -> Vec<String> {
        FEATURES.map(str::to_owned).to_vec()
    }

    /// Whether the peer named this one.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.0.iter().any(|name| name == feature)
    }

    /// The message as this peer can read it; nothing when it has no word for it. A report that
    /// says something else now is not signed any more.
    #[must_use]
    pub fn put(&self, message: Message) -> Option<Message> {
        let needed = match message {
            Message::Settings(_) => SETTINGS,
            Message::Yield(_) => YIELD,
            Message::Report(report) => return Some(Message::Report(self.report(report))),
            message => return Some(message),
        };
        self.has(needed).then_some(message)
    }

    /// With the nearest outcome that this peer knows.
    fn report(&self, report: Report) -> Report {
        let needed = match report.outcome {
            Outcome::CompileOut => COMPILE_OUT,
            Outcome::TableOut => TABLE_OUT,
            Outcome::FilesOut => FILES_OUT,
            _ => return report,
        };
        if self.has(needed) {
            return report;
        }
        Report { outcome: report.outcome.in_first_version(), signature: None, ..report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Settings, Yield};

    #[test]
    fn a_peer_that_named_nothing_gets_only_the_first_version() {
        let old = Features::of(&[]);
        assert_eq!(old.put(Message::Settings(Settings::default())), None);
        let new = Features::of(&["x-rays".into(), YIELD.into()]);
        assert!(new.has(YIELD) && !new.has("x-rays") && !new.has(SETTINGS));
        let back = Message::Yield(Yield { lease: "lse_1".into(), too_large: true });
        assert_eq!(new.put(back.clone()), Some(back));
        let report = |outcome| {
            Message::Report(Report {
                lease: "lse_1".into(),
                outcome,
                fuel: 0,
                output: [0; 32],
                output_bytes: 0,
                uploaded: false,
                stderr: String::new(),
                cpu_ms: 0,
                signature: None,
            })
        };
        let cases = [
            (Outcome::CompileOut, Outcome::AgentFault),
            (Outcome::TableOut, Outcome::Trap),
            (Outcome::FilesOut, Outcome::OutputOut),
        ];
        for (outcome, first) in cases {
            let later = report(outcome);
            assert_eq!(old.put(later.clone()), Some(report(first)));
            assert_eq!(Features::of(&Features::own()).put(later.clone()), Some(later));
        }
        assert_eq!(old.put(report(Outcome::MemoryOut)), Some(report(Outcome::MemoryOut)));
    }
}
