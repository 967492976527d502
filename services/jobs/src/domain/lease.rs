//! Leases and attempts, and what a job needs to know of the agents.

use std::collections::BTreeSet;

use medusa_types::{AgentId, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp, UserId};

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
    /// Fuel used.
    pub fuel: Fuel,
}

impl Attempt {
    /// Whether both runs did the same thing.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        (self.outcome, self.output, self.fuel) == (other.outcome, other.output, other.fuel)
    }
}

/// Who asks for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The agent.
    pub agent: AgentId,
    /// Its owner.
    pub lender: UserId,
    /// Memory that it lends, in bytes.
    pub memory_bytes: u64,
}

/// The owners whose agents are connected and not paused, or may be again in a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Each once.
    pub owners: BTreeSet<UserId>,
    /// The server has just started, and agents are still coming back.
    pub gathering: bool,
}

impl Fleet {
    /// Whether an owner is there who is neither the consumer nor one of `without`.
    pub fn has_other(&self, consumer: UserId, without: impl Fn(UserId) -> bool) -> bool {
        self.gathering || self.owners.iter().any(|owner| *owner != consumer && !without(*owner))
    }
}
