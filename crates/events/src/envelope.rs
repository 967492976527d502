//! An event as the log stores it: the fact, where it stands, who caused it, and its postings.
//!
//! Canonical bytes: one JSON object in UTF-8 without white space, its keys in the order of the
//! fields below, numbers whole. They are written once and hashed as they are stored; another
//! language hashes the stored bytes and never needs to write them. `docs/events/canonical.md` has
//! every rule.

use medusa_ledger::{Change, Posting};
use medusa_types::{Timestamp, UserId};

use crate::history::{HISTORY, Upcaster};
use crate::wire::Wire as _;
use crate::{DecodeError, Fact, doubt, read};

/// The version of the envelope, its first field.
pub const FORMAT: u8 = 1;

/// About as long as an event without postings is, in bytes.
const BYTES: usize = 640;
/// About as long as a posting is, in bytes.
const POSTING_BYTES: usize = 64;

/// A stored event.
// Its derived serialisation is what tests compare the bytes with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
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
    /// What moved; sums to zero in each currency.
    pub postings: Vec<Posting>,
    /// What else changed in the books: reservations, and accounts that were frozen or closed. Left
    /// out of the bytes when there is nothing.
    #[cfg_attr(test, serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub changes: Vec<Change>,
    /// What happened: keys `type` and `data`.
    #[cfg_attr(test, serde(flatten))]
    pub fact: Fact,
}

impl Envelope {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let postings = self.postings.len().saturating_mul(POSTING_BYTES);
        let mut out = Vec::with_capacity(BYTES.saturating_add(postings));
        write_object!(&mut out, self: format position stream version at actor operation causation
            postings);
        // The object goes on.
        out.pop();
        if !self.changes.is_empty() {
            out.extend_from_slice(br#","changes":"#);
            self.changes.write(&mut out);
        }
        out.extend_from_slice(br#","type":""#);
        out.extend_from_slice(self.kind().as_bytes());
        out.extend_from_slice(br#"","data":"#);
        self.fact.write(&mut out);
        out.push(b'}');
        out
    }

    /// Reads canonical bytes, also those whose data have an older shape: see [`HISTORY`].
    ///
    /// # Errors
    /// [`DecodeError`] when they are not an event of a known format and type, written in the one
    /// way in which an event is written.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_with(bytes, HISTORY)
    }

    /// [`Self::decode`] with these steps for older shapes.
    pub(crate) fn decode_with(bytes: &[u8], steps: &[Upcaster]) -> Result<Self, DecodeError> {
        match read::read(bytes) {
            Some(envelope) if envelope.encode() == bytes => Ok(envelope),
            _ => doubt::look_again(bytes, steps),
        }
    }

    /// The event's type, like `jobs.chunk_leased`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.fact.kind()
    }
}
