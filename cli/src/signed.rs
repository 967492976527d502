//! Signatures over reports, checked here: each is of the key that the server names beside it, over
//! the report that the server names. That a key is the machine's is not checked here: it stands in
//! the log as `accounts.agent_key_set`, which auditors read.

use medusa_api::Attempt;
use medusa_protocol::{signed_bytes, verify};

/// How the reports of a chunk are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signatures {
    /// By the key that is named beside it, over what is told of the report.
    pub(crate) good: usize,
    /// Not so.
    pub(crate) bad: usize,
    /// Not at all.
    pub(crate) none: usize,
}

impl Signatures {
    /// Of these attempts, as far as they were reported.
    pub(crate) fn of(attempts: &[Attempt]) -> Self {
        let mut found = Self::default();
        for is_good in attempts.iter().filter(|attempt| attempt.outcome.is_some()).map(is_good) {
            let count = match is_good {
                Some(true) => &mut found.good,
                Some(false) => &mut found.bad,
                None => &mut found.none,
            };
            *count = count.saturating_add(1);
        }
        found
    }

    pub(crate) fn in_words(self) -> Option<String> {
        let Self { good, bad, none } = self;
        match (good, bad, none) {
            (0, 0, _) => None,
            (_, 0, 0) => {
                Some(format!("reports signed with the keys that the server names: {good}"))
            }
            (_, 0, _) => Some(format!(
                "reports signed with the keys that the server names: {good}, unsigned: {none}"
            )),
            _ => Some(format!("signatures that do not fit their reports: {bad}")),
        }
    }
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
            leased_position: 1,
            ended_position: None,
            verified_position: None,
            public_key: Some(hex(&pen.public_key())),
            signature: Some(hex(&signature)),
        }
    }

    #[test]
    fn a_changed_report_is_not_what_was_signed() {
        let changed = Attempt { fuel: Some(Fuel(8)), ..attempt() };
        let cut = Attempt { signature: Some("ab".into()), ..attempt() };
        let unsigned = Attempt { signature: None, public_key: None, ..attempt() };
        let running = Attempt { outcome: None, ..unsigned.clone() };
        let found = Signatures::of(&[attempt(), changed, cut, unsigned, running]);
        assert_eq!(found, Signatures { good: 1, bad: 2, none: 1 });
        assert!(found.in_words().unwrap().ends_with("do not fit their reports: 2"));
        let one = Signatures::of(&[attempt()]).in_words().unwrap();
        assert_eq!(one, "reports signed with the keys that the server names: 1");
        assert_eq!(Signatures::of(&[]).in_words(), None);
    }
}
