//! How each kind of value is written in canonical bytes. The rules for readers of other languages
//! are in `docs/events/canonical.md`.
//!
//! What an event is mostly made of (ids, digests, accounts, credits) is written without the
//! formatting machinery: the sequencer writes thousands of events in one batch. A test compares the
//! bytes with those of the types' own serialisation.

use medusa_ledger::{Account, Amount, Change, Posting, Subject};
use medusa_types::{
    AdjustmentId, AgentId, CampaignId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome,
    PendingId, ProgramId, Role, SessionId, Sha256Hash, Timestamp, UserId, WatchId,
};
use serde::Serialize;

use crate::EndState;

/// A value that can stand in an event.
pub(crate) trait Wire {
    /// Appends its canonical bytes.
    fn write(&self, out: &mut Vec<u8>);
}

/// The general way, for what is rare or plain.
fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // Strings, whole numbers and lists of them, into memory: writing cannot fail.
    serde_json::to_writer(out, value).unwrap_or_default();
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Wire for $type {
            fn write(&self, out: &mut Vec<u8>) {
                json(self, out);
            }
        }
    )*};
}

plain! { u8 u32 u64 i64 String Amount Role Outcome EndState Change Timestamp Fuel ChunkIndex }

macro_rules! ids {
    ($($type:ident)*) => {$(
        impl Wire for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.push(b'"');
                id($type::PREFIX, self.0.as_bytes(), out);
                out.push(b'"');
            }
        }
    )*};
}

ids! { UserId JobId ProgramId AgentId LeaseId CampaignId WatchId PendingId AdjustmentId SessionId }

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        let mut items = self.iter();
        if let Some(first) = items.next() {
            first.write(out);
        }
        for item in items {
            out.push(b',');
            item.write(out);
        }
        out.push(b']');
    }
}

impl Wire for Sha256Hash {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        hex(self.as_bytes(), out);
        out.push(b'"');
    }
}

impl Wire for Posting {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        self.0.write(out);
        out.push(b',');
        self.1.write(out);
        out.push(b']');
    }
}

impl Wire for Account {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.class().name().as_bytes());
        if self.subject() != Subject::House {
            out.push(b':');
        }
        match self.subject() {
            Subject::House => {}
            Subject::User(user) => id(UserId::PREFIX, user.0.as_bytes(), out),
            Subject::Job(job) => id(JobId::PREFIX, job.0.as_bytes(), out),
            Subject::Campaign(campaign) => id(CampaignId::PREFIX, campaign.0.as_bytes(), out),
            Subject::Provider(provider) => out.extend_from_slice(provider.name().as_bytes()),
        }
        out.push(b'"');
    }
}

impl Wire for Credits {
    /// Whole credits, a point, and two to six places: no more than are needed.
    fn write(&self, out: &mut Vec<u8>) {
        const PLACES: usize = 6;
        const KEPT: usize = 2;
        let mut rest = self.micros().unsigned_abs();
        // From the right: as many digits as the largest amount has.
        let mut digits = [b'0'; 20];
        for place in digits.iter_mut().rev() {
            *place = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or_default());
            rest = rest.checked_div(10).unwrap_or_default();
        }
        let (whole, places) = digits.split_at(digits.len().saturating_sub(PLACES));
        let leading = whole.iter().take_while(|digit| **digit == b'0').count();
        let leading = leading.min(whole.len().saturating_sub(1));
        let trailing = places.iter().rev().take_while(|digit| **digit == b'0').count();
        let kept = PLACES.saturating_sub(trailing).max(KEPT);
        out.extend_from_slice(if self.micros() < 0 { b"\"-" } else { b"\"" });
        out.extend(whole.iter().skip(leading));
        out.push(b'.');
        out.extend(places.iter().take(kept));
        out.push(b'"');
    }
}

fn id(prefix: &str, bytes: &[u8; 16], out: &mut Vec<u8>) {
    out.extend_from_slice(prefix.as_bytes());
    out.push(b'_');
    hex(bytes, out);
}

/// Two lower-case hexadecimal digits a byte.
fn hex<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    const fn digit(value: u8) -> u8 {
        let first = if value < 10 { b'0' } else { b'a'.wrapping_sub(10) };
        first.wrapping_add(value)
    }
    let digits = bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    out.extend_from_slice(digits.as_flattened());
}
