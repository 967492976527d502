//! What jobs, agents and the scheduler tell each other about leases.

use std::sync::Arc;

use actix::Message;
use medusa_protocol::Frame;
use medusa_types::{AgentId, Credits, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp, UserId};

use crate::domain::{Fleet, Worker};
use crate::error::JobsError;

/// Ask for a lease for this agent.
#[derive(Message)]
#[rtype(result = "Option<Box<Granted>>")]
pub(crate) struct NextLease {
    pub(crate) worker: Worker,
    pub(crate) fleet: Arc<Fleet>,
}

/// A lease and the frame that tells the agent.
pub(crate) struct Granted {
    pub(crate) lease: LeaseId,
    pub(crate) frame: Frame,
    /// What the agent could gain by lying, because nobody else is meant to run the chunk.
    pub(crate) at_risk: Credits,
}

/// An agent's report, its output stored.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    pub(crate) lease: LeaseId,
    pub(crate) agent: AgentId,
    pub(crate) outcome: Outcome,
    pub(crate) output: Sha256Hash,
    pub(crate) output_bytes: u64,
    pub(crate) fuel: Fuel,
    pub(crate) stderr: String,
}

/// What happens around a job.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum JobEvent {
    /// An agent reported.
    Reported(Box<Reported>),
    /// Other owners' agents are there now.
    Fleet(Arc<Fleet>),
    /// An agent did not come back.
    AgentGone(AgentId),
    /// An agent said what it is working on.
    Pulse { agent: AgentId, running: Vec<LeaseId>, connected_at: Timestamp, now: Timestamp },
    /// Time passed.
    Tick,
}

/// Why a job that has room for work does not go on, in words.
#[derive(Message)]
#[rtype(result = "Option<String>")]
pub(crate) struct WhyWaiting;

/// The consumer stops the job.
#[derive(Message)]
#[rtype(result = "Result<i64, JobsError>")]
pub(crate) struct CancelJob {
    pub(crate) actor: UserId,
}

impl Reported {
    /// What a consumer is told of a failed run.
    pub(crate) fn failure_words(&self) -> String {
        let words = self.outcome.in_words();
        let stderr = self.stderr.trim_end();
        if stderr.is_empty() { words } else { format!("{words}:\n{stderr}") }
    }
}
