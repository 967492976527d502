//! An event as the log stores it: the fact, where it stands, who caused it, and its postings.
//!
//! Canonical bytes: one JSON object in UTF-8 without white space, its keys in the order of the
//! fields below, numbers whole. They are written once and hashed as they are stored; another
//! language hashes the stored bytes and never needs to write them.

use medusa_ledger::Posting;
use medusa_types::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::Fact;

/// The version of the envelope, its first field.
pub const FORMAT: u8 = 1;

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`FORMAT`].
    pub format: u8,
    /// Place in the log, from 1 without gaps.
    pub position: i64,
    /// The thing that it is about, like `job-job_…`.
    pub stream: String,
    /// Place in the stream, from 1 without gaps.
    pub version: i64,
    /// When the sequencer wrote it. Never before the event at the position before.
    pub at: Timestamp,
    /// The person who caused it; none for the house itself.
    pub actor: Option<UserId>,
    /// The caller's own id for the command.
    pub operation: Option<String>,
    /// The position of the event that led to it.
    pub causation: Option<i64>,
    /// What moved; sums to zero.
    pub postings: Vec<Posting>,
    /// What happened: keys `type` and `data`.
    #[serde(flatten)]
    pub fact: Fact,
}

/// Bytes that are not an event.
#[derive(Debug, thiserror::Error)]
#[error("these bytes are not an event of format {FORMAT}")]
pub struct DecodeError(#[source] Option<serde_json::Error>);

impl Envelope {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Every field is a string, a whole number or a list of them: writing cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`DecodeError`] when they are not an event of a known format and type.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope: Self =
            serde_json::from_slice(bytes).map_err(|source| DecodeError(Some(source)))?;
        if envelope.format == FORMAT { Ok(envelope) } else { Err(DecodeError(None)) }
    }

    /// The event's type, like `jobs.chunk_leased`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.fact.kind()
    }
}

#[cfg(test)]
mod tests {
    use medusa_ledger::{Account, Bucket};
    use medusa_types::{Credits, Uuid};

    use super::*;

    #[test]
    fn the_canonical_bytes_are_frozen() {
        let user = UserId(Uuid::from_u128(1));
        let amount = Credits::from_micros(5_000_000);
        let envelope = Envelope {
            format: FORMAT,
            position: 3,
            stream: format!("account-{user}"),
            version: 2,
            at: Timestamp::from_micros(1_700_000_000_000_001),
            actor: None,
            operation: Some("welcome".into()),
            causation: Some(2),
            postings: vec![
                Posting(Account::promo_grant(), amount.checked_neg().unwrap()),
                Posting(Account::wallet(Bucket::Promo, user), amount),
            ],
            fact: Fact::CreditsGranted { user, amount, why: "welcome".into() },
        };
        let bytes = envelope.encode();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            concat!(
                r#"{"format":1,"position":3,"stream":"account-usr_00000000000000000000000000000001","#,
                r#""version":2,"at":1700000000000001,"actor":null,"operation":"welcome","causation":2,"#,
                r#""postings":[["expense.promo_grant",-5000000],"#,
                r#"["consumer.promo:usr_00000000000000000000000000000001",5000000]],"#,
                r#""type":"billing.credits_granted","#,
                r#""data":{"user":"usr_00000000000000000000000000000001","amount":"5.00","why":"welcome"}}"#
            )
        );
        assert_eq!(Envelope::decode(&bytes).unwrap(), envelope);
        assert_eq!(envelope.kind(), "billing.credits_granted");
    }

    #[test]
    fn unknown_types_and_formats_are_refused() {
        let good = r#"{"format":1,"position":1,"stream":"s","version":1,"at":0,"actor":null,"operation":null,"causation":null,"postings":[],"type":"jobs.merge_started","data":{"job":"job_00000000000000000000000000000001"}}"#;
        assert!(Envelope::decode(good.as_bytes()).is_ok());
        assert!(Envelope::decode(good.replace("merge_started", "x").as_bytes()).is_err());
        assert!(Envelope::decode(good.replace("\"format\":1", "\"format\":2").as_bytes()).is_err());
    }
}
