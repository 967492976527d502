//! Objects and words that stand inside facts.

use medusa_types::{AgentId, Credits, Fuel, LeaseId, Sha256Hash, UserId};
use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// The results are there.
    Done,
    /// A chunk or the merge failed.
    Failed,
    /// The consumer stopped it.
    Cancelled,
}

record! {
    /// What one lender got for one copy of a chunk.
    AttemptShare {
        /// The lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
        /// How much.
        amount: Credits,
    }
}

record! {
    /// What one lender got for rounds of a session.
    SeatShare {
        /// The seat's lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
        /// Rounds that it answered since it took the seat.
        answers: u64,
        /// Fuel that it has used there since, by the meter.
        fuel: Fuel,
        /// How much it got for what was not paid before.
        amount: Credits,
    }
}

record! {
    /// A result file.
    FileRef {
        /// Its name, from the spec.
        name: String,
        /// Its content.
        sha256: Sha256Hash,
        /// Its length in bytes.
        size: u64,
    }
}
