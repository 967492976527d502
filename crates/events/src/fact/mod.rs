//! What can happen. Each fact has the type that the log knows it by: service, dot, what happened.
//!
//! A fact is a promise for ever: ids, digests, amounts, counts and fixed words, and nothing about a
//! person that must be forgotten some day. `docs/events/README.md` says what may change and how.
//! Each service has its listing, a macro that hands the facts before it and its own to the next.

#[macro_use]
mod accounts;
#[macro_use]
mod billing;
#[macro_use]
mod jobs;
#[macro_use]
mod sessions;
#[macro_use]
mod ads;
mod record;

use medusa_ledger::{Account, Amount};
use medusa_types::{
    AdjustmentId, AgentId, CampaignId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome,
    PendingId, ProgramId, Role, SessionId, Sha256Hash, Timestamp, UserId, WatchId,
};

pub use record::{AttemptShare, EndState, FileRef, SeatShare};

// The order of the services, which is that of the documents too.
accounts! { {} billing jobs sessions ads facts }
