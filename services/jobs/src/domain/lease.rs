//! Leases and attempts, and what a job needs to know of the agent that asks.

use medusa_types::{AgentId, Credits, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp, UserId};

use super::trust::Standing;

/// The right of one agent to run one copy of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// The chunk.
    pub chunk: u32,
    /// The agent.
    pub agent: AgentId,
    /// Its owner.
    pub lender: UserId,
    /// The most fuel that the run may use.
    pub fuel_limit: Fuel,
    /// Until when a report counts.
    pub expires_at: Timestamp,
    /// When it was granted.
    pub granted_at: Timestamp,
}

/// A report that can be compared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The lease it answers.
    pub lease: LeaseId,
    /// The agent.
    pub agent: AgentId,
    /// Its owner.
    pub lender: UserId,
    /// How the run ended.
    pub outcome: Outcome,
    /// The result.
    pub output: Sha256Hash,
    /// Its length in bytes.
    pub output_bytes: u64,
    /// Fuel used.
    pub fuel: Fuel,
    /// What is set aside for it until its chunk is settled.
    pub reserved: Credits,
}

impl Attempt {
    /// Whether both runs did the same thing. An agent of an older version has another word for some
    /// ends.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.outcome.is_like(other.outcome)
            && (self.output, self.fuel) == (other.output, other.fuel)
    }
}

/// Who asks for work, and with what record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The agent.
    pub agent: AgentId,
    /// Its owner.
    pub lender: UserId,
    /// Memory that it lends, in bytes.
    pub memory_bytes: u64,
    /// Its record.
    pub standing: Standing,
    /// What it could gain by the single copies that it holds.
    pub exposed: Credits,
    /// It can take seats of sessions.
    pub stays: bool,
}
