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

/// What this version understands.
pub const FEATURES: [&str; 3] = [SETTINGS, YIELD, COMPILE_OUT];
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

    /// The message as this peer can read it; nothing when it has no word for it.
    #[must_use]
    pub fn put(&self, message: Message) -> Option<Message> {
        let needed = match &message {
            Message::Settings(_) => SETTINGS,
            Message::Yield(_) => YIELD,
            Message::Report(report) if report.outcome == Outcome::CompileOut => {
                if !self.has(COMPILE_OUT) {
                    return Some(as_fault(report.clone()));
                }
                COMPILE_OUT
            }
            _ => return Some(message),
        };
        self.has(needed).then_some(message)
    }
}

/// The nearest word that the first version has for it. What was signed is the other one.
fn as_fault(report: Report) -> Message {
    Message::Report(Report { outcome: Outcome::AgentFault, signature: None, ..report })
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
        let back = Message::Yield(Yield { lease: "lse_1".into() });
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
        let slow = report(Outcome::CompileOut);
        assert_eq!(old.put(slow.clone()), Some(report(Outcome::AgentFault)));
        assert_eq!(Features::of(&Features::own()).put(slow.clone()), Some(slow));
    }
}
