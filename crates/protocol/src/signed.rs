//! The bytes that an agent signs of a report: everything that is paid by or compared, in a layout
//! of fixed lengths, so that anybody can write them again from what the log says.
//!
//! ```text
//! "medusa result v1\n"   17 bytes
//! lease                  16   the id's bits, most significant first
//! outcome                 1   its number on the wire
//! exit status             4   i32, little endian; 0 unless the outcome is 1
//! fuel                    8   u64, little endian
//! output                 32   SHA-256 of the encoded bundle
//! ```

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use medusa_types::{Fuel, LeaseId, Outcome, Sha256Hash};

/// What the signed bytes begin with, so that they can be taken for nothing else.
pub const SIGNED_PREFIX: &[u8; 17] = b"medusa result v1\n";

/// The bytes that are signed.
#[must_use]
pub fn signed_bytes(lease: LeaseId, outcome: Outcome, fuel: Fuel, output: Sha256Hash) -> Vec<u8> {
    let (number, status) = outcome_code(outcome);
    let mut bytes = SIGNED_PREFIX.to_vec();
    bytes.extend_from_slice(lease.0.as_bytes());
    bytes.push(number);
    bytes.extend_from_slice(&status.to_le_bytes());
    bytes.extend_from_slice(&fuel.0.to_le_bytes());
    bytes.extend_from_slice(output.as_bytes());
    bytes
}

/// What an agent signs with: an Ed25519 key that never leaves it.
#[derive(Clone)]
pub struct Pen(SigningKey);

impl Pen {
    /// The pen of these secret random bytes.
    #[must_use]
    pub fn of(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The key that others check its signatures with.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Its signature over these bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

impl std::fmt::Debug for Pen {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pen")
    }
}

/// Whether this is the key's signature over these bytes. A key that would fit many signatures fits
/// none.
#[must_use]
pub fn verify(public_key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(public_key)
        .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
}

/// An outcome's number on the wire, and its exit status.
#[must_use]
pub const fn outcome_code(outcome: Outcome) -> (u8, i32) {
    match outcome {
        Outcome::Done => (0, 0),
        Outcome::Exit(status) => (1, status),
        Outcome::Trap => (2, 0),
        Outcome::FuelOut => (3, 0),
        Outcome::MemoryOut => (4, 0),
        Outcome::OutputOut => (5, 0),
        Outcome::WallOut => (6, 0),
        Outcome::StackOut => (7, 0),
        Outcome::AgentFault => (8, 0),
        Outcome::CompileOut => (9, 0),
        Outcome::TableOut => (10, 0),
        Outcome::FilesOut => (11, 0),
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    #[test]
    fn the_layout_never_changes() {
        let lease = LeaseId(Uuid::from_u128(1));
        let output = Sha256Hash([0xab; 32]);
        let bytes = signed_bytes(lease, Outcome::Exit(-2), Fuel(258), output);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let prefix = "6d656475736120726573756c742076310a";
        let lease = "00000000000000000000000000000001";
        let rest = "01feffffff0201000000000000";
        assert_eq!(hex, format!("{prefix}{lease}{rest}{}", "ab".repeat(32)));
    }

    #[test]
    fn only_the_right_key_over_the_right_bytes_fits() {
        let (pen, other) = (Pen::of(&[7; 32]), Pen::of(&[8; 32]));
        let signature = pen.sign(b"bytes");
        assert!(verify(&pen.public_key(), b"bytes", &signature));
        assert!(!verify(&pen.public_key(), b"byteS", &signature));
        assert!(!verify(&other.public_key(), b"bytes", &signature));
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut forged = [0; 64];
        forged[0] = 1;
        assert!(!verify(&neutral, b"bytes", &forged), "a weak key fits nothing");
        assert_eq!(format!("{pen:?}"), "Pen");
    }

    /// The outcome after this one: a new one does not compile here until it has its place.
    fn after(outcome: Outcome) -> Option<Outcome> {
        match outcome {
            Outcome::Done => Some(Outcome::Exit(3)),
            Outcome::Exit(_) => Some(Outcome::Trap),
            Outcome::Trap => Some(Outcome::FuelOut),
            Outcome::FuelOut => Some(Outcome::MemoryOut),
            Outcome::MemoryOut => Some(Outcome::OutputOut),
            Outcome::OutputOut => Some(Outcome::WallOut),
            Outcome::WallOut => Some(Outcome::StackOut),
            Outcome::StackOut => Some(Outcome::AgentFault),
            Outcome::AgentFault => Some(Outcome::CompileOut),
            Outcome::CompileOut => Some(Outcome::TableOut),
            Outcome::TableOut => Some(Outcome::FilesOut),
            Outcome::FilesOut => None,
        }
    }

    /// The number is the one that the codec writes.
    #[test]
    fn the_number_is_that_of_the_wire() {
        let all: Vec<_> = std::iter::successors(Some(Outcome::Done), |now| after(*now)).collect();
        assert_eq!(all.len(), 12);
        for outcome in all {
            let written = minicbor::to_vec(outcome).unwrap();
            assert_eq!(written.get(1), Some(&outcome_code(outcome).0), "{outcome:?}");
        }
    }
}
