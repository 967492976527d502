//! The words every package shares: ids, amounts, fuel, time and hashes.
//!
//! Pure: no I/O, no clock, no randomness. Amounts never touch floating point, and every sum is
//! checked. Services add behaviour to these types in their own `domain/`.
#![deny(clippy::arithmetic_side_effects)]

mod bundle;
mod credits;
mod hash;
mod id;
mod schema;
mod time;
mod work;

pub use bundle::{Bundle, BundleError};
pub use credits::{AmountError, Credits, MICROS_PER_CREDIT};
pub use hash::{HashError, Sha256Hash};
pub use id::{
    AdjustmentId, AgentId, CampaignId, IdError, JobId, LeaseId, NoticeId, OperationId, PendingId,
    ProgramId, SessionId, UploadId, UserId, WatchId, WebhookId,
};
pub use time::Timestamp;
pub use uuid::Uuid;
pub use work::{ChunkIndex, Fuel, Limits, METER, Outcome, Role, STDERR_CUT};
