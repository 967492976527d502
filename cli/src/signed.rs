//! Signatures over reports, checked here: each is over the report that the server names, of the key
//! that the machine has in the log (`accounts.agent_key_set`). A report that is not signed, of a
//! machine that had a key then, is counted apart: the last ones before a crash of the server have
//! lost theirs, and all others of a machine with a key are refused.

use std::collections::HashMap;

use medusa_api::Attempt;
use medusa_events::Fact;
use medusa_protocol::{signed_bytes, verify};
use medusa_types::{AgentId, Outcome};

/// The keys of machines as the log has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(HashMap<AgentId, Key>);

/// A key of a machine.
#[derive(Clone, Debug)]
struct Key {
    /// Where the log has it.
    position: i64,
    /// In hexadecimal.
    public_key: String,
}

impl Keys {
    /// Takes one from an event; whether the event was one. A machine's first stays.
    pub(crate) fn take(&mut self, position: i64, fact: Fact) -> bool {
        let Fact::AgentKeySet { agent, public_key } = fact else { return false };
        let key = Key { position, public_key };
        match self.0.get_mut(&agent) {
            Some(known) if known.position <= position => {}
            Some(known) => *known = key,
            None => drop(self.0.insert(agent, key)),
        }
        true
    }
}

/// How the reports of a chunk are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signatures {
    /// By the machine's key in the log, over what is told of the report.
    pub(crate) good: usize,
    /// Over something else.
    pub(crate) bad: usize,
    /// By a key that the log does not have as the machine's.
    pub(crate) foreign: usize,
    /// Not at all, and the machine had a key.
    pub(crate) missing: usize,
    /// Not at all, and the machine had no key.
    pub(crate) none: usize,
}

impl Signatures {
    /// Of these attempts, as far as they were reported.
    pub(crate) fn of(attempts: &[Attempt], keys: &Keys) -> Self {
        let mut found = Self::default();
        for attempt in attempts.iter().filter(|attempt| attempt.outcome.is_some()) {
            let key = keys.0.get(&attempt.agent);
            let count = match is_good(attempt) {
                Some(false) => &mut found.bad,
                Some(true) if is_of(attempt, key) => &mut found.good,
                Some(true) => &mut found.foreign,
                None if needs_one(attempt, key) => &mut found.missing,
                None => &mut found.none,
            };
            *count = count.saturating_add(1);
        }
        found
    }

    /// Whether no signature speaks against the server.
    pub(crate) const fn is_right(self) -> bool {
        self.bad == 0 && self.foreign == 0
    }

    /// A line for each kind that there is.
    pub(crate) fn in_words(self) -> Vec<String> {
        let kinds = [
            (self.good, "reports signed with the machine's key in the log"),
            (self.none, "reports without a signature, of machines that had no key"),
            (self.missing, "reports without a signature, though the log has the machine's key"),
            (self.bad, "signatures that do not fit their reports"),
            (self.foreign, "signatures with a key that is not the machine's in the log"),
        ];
        let there = kinds.into_iter().filter(|(count, _)| *count > 0);
        there.map(|(count, what)| format!("{what}: {count}")).collect()
    }
}

/// Whether the key beside a signature is the machine's.
fn is_of(attempt: &Attempt, key: Option<&Key>) -> bool {
    let (Some(key), Some(named)) = (key, &attempt.public_key) else { return false };
    key.public_key.eq_ignore_ascii_case(named)
}

/// Whether the machine had a key when it got the chunk. That it could not run it is said by the
/// server too, which signs nothing.
fn needs_one(attempt: &Attempt, key: Option<&Key>) -> bool {
    attempt.outcome != Some(Outcome::AgentFault)
        && key.is_some_and(|key| key.position < attempt.leased_position)
}

/// Whether the signature fits; nothing without one.
fn is_good(attempt: &Attempt) -> Option<bool> {
    let (key, signature) = (attempt.public_key.as_ref()?, attempt.signature.as_ref()?);
    let fits = || {
        let (key, signature) = (bytes::<32>(key)?, bytes::<64>(signature)?);
        let (outcome, fuel, output) = (attempt.outcome?, attempt.fuel?, attempt.output?);
        let signed = signed_bytes(attempt.lease, outcome, fuel, output);
        Some(verify(&key, &signed, &signature))
    };
    Some(fits().unwrap_or(false))
}

/// Bytes of hexadecimal digits.
fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use medusa_protocol::Pen;
    use medusa_types::{AgentId, Fuel, LeaseId, Outcome, Sha256Hash, Uuid};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn attempt() -> Attempt {
        let (pen, lease) = (Pen::of(&[3; 32]), LeaseId(Uuid::from_u128(4)));
        let (outcome, fuel, output) = (Outcome::Done, Fuel(7), Sha256Hash::of(b"out"));
        let signature = pen.sign(&signed_bytes(lease, outcome, fuel, output));
        Attempt {
            lease,
            agent: AgentId(Uuid::from_u128(1)),
            fuel_limit: Fuel(9),
            outcome: Some(outcome),
            output: Some(output),
            fuel: Some(fuel),
            paid: None,
            leased_position: 2,
            ended_position: None,
            verified_position: None,
            public_key: Some(hex(&pen.public_key())),
            signature: Some(hex(&signature)),
            key_position: Some(1),
        }
    }

    /// The key that these bytes make, in the log as this machine's.
    fn logged(agent: u128, seed: u8, position: i64) -> Keys {
        let public_key = hex(&Pen::of(&[seed; 32]).public_key());
        let mut keys = Keys::default();
        let agent = AgentId(Uuid::from_u128(agent));
        assert!(keys.take(position, Fact::AgentKeySet { agent, public_key }));
        keys
    }

    #[test]
    fn a_changed_report_is_not_what_was_signed() {
        let changed = Attempt { fuel: Some(Fuel(8)), ..attempt() };
        let cut = Attempt { signature: Some("ab".into()), ..attempt() };
        let unsigned = Attempt { signature: None, public_key: None, ..attempt() };
        let running = Attempt { outcome: None, ..unsigned.clone() };
        let attempts = [attempt(), changed, cut, unsigned, running];
        let found = Signatures::of(&attempts, &logged(1, 3, 1));
        assert_eq!(found, Signatures { good: 1, bad: 2, missing: 1, ..Signatures::default() });
        assert!(!found.is_right());
        assert_eq!(found.in_words().last().unwrap(), "signatures that do not fit their reports: 2");
        let one = Signatures::of(&[attempt()], &logged(1, 3, 1));
        assert!(one.is_right());
        assert_eq!(one.in_words(), ["reports signed with the machine's key in the log: 1"]);
        assert!(Signatures::of(&[], &Keys::default()).in_words().is_empty());
    }

    #[test]
    fn a_key_counts_only_as_the_machines_own_in_the_log() {
        let foreign = Signatures { foreign: 1, ..Signatures::default() };
        let nothing = Keys::default();
        for keys in [logged(1, 4, 1), logged(2, 3, 1), nothing] {
            let found = Signatures::of(&[attempt()], &keys);
            assert_eq!((found, found.is_right()), (foreign, false));
        }
    }

    #[test]
    fn a_missing_signature_is_told_apart_from_one_that_could_not_be() {
        let unsigned = Attempt { signature: None, public_key: None, ..attempt() };
        let count = |attempt: &Attempt, keys: &Keys| {
            let found = Signatures::of(std::slice::from_ref(attempt), keys);
            (found.missing, found.none, found.is_right())
        };
        assert_eq!(count(&unsigned, &logged(1, 3, 1)), (1, 0, true));
        assert_eq!(count(&unsigned, &logged(1, 3, 9)), (0, 1, true), "it had no key yet");
        assert_eq!(count(&unsigned, &Keys::default()), (0, 1, true));
        let fault = Attempt { outcome: Some(Outcome::AgentFault), ..unsigned };
        assert_eq!(count(&fault, &logged(1, 3, 1)), (0, 1, true), "these are the server's words");
    }
}
