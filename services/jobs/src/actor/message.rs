//! What jobs, agents and the scheduler tell each other about leases.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::Message;
use medusa_eventlog::Operation;
use medusa_protocol::{Frame, Phase};
use medusa_types::{AgentId, Credits, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp, UserId};

use super::signed::Signature;
use crate::domain::{Fleet, Worker};
use crate::error::JobsError;

/// What a job says when it is asked for a lease.
pub(crate) enum Answered {
    /// Here it is.
    Lease(Box<Granted>),
    /// It has chunks, but none for this agent's owner.
    NotForThis,
    /// It has one for it that others began: whom that is for has to be drawn.
    Begun,
    /// It has nothing to give; it says when that changes.
    Nothing,
}

/// Ask for a lease for this agent.
#[derive(Message)]
#[rtype(result = "Answered")]
pub(crate) struct NextLease {
    pub(crate) worker: Worker,
    /// It was drawn from all who have room.
    pub(crate) drawn: bool,
    pub(crate) fleet: Arc<Fleet>,
}

/// A lease and the frame that tells the agent.
pub(crate) struct Granted {
    pub(crate) lease: LeaseId,
    pub(crate) frame: Frame,
    /// What the agent could gain by lying, because nobody else is meant to run the chunk.
    pub(crate) at_risk: Credits,
    /// Whether the job has more chunks that others have begun.
    pub(crate) begun: bool,
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
    /// The agent's signature over the rest, if it has a key.
    pub(crate) signature: Option<Signature>,
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
    /// An agent said what it is working on, and which of it does not compute yet.
    Pulse {
        agent: AgentId,
        running: Vec<LeaseId>,
        early: Vec<(LeaseId, Phase)>,
        connected_at: Timestamp,
        now: Timestamp,
    },
    /// An agent handed a lease back.
    Yielded { agent: AgentId, lease: LeaseId, why: &'static str },
    /// An agent's owner removed it.
    Dismissed(AgentId),
    /// Say again that there are chunks to give.
    Wake,
    /// Time passed.
    Tick,
}

/// How far the copies of chunks are that do not compute yet; of more copies, the furthest.
#[derive(Message)]
#[rtype(result = "BTreeMap<u32, Phase>")]
pub(crate) struct Phases;

/// Why a job that has room for work does not go on, in words.
#[derive(Message)]
#[rtype(result = "Option<String>")]
pub(crate) struct WhyWaiting;

/// What a consumer may do to a job that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Hand out nothing more for now.
    Pause,
    /// Go on.
    Resume,
    /// Hold so much more.
    Raise(Credits),
    /// Give failed chunks another chance, with this limit of fuel.
    Retry(Fuel),
    /// Stop for ever.
    Cancel,
}

/// The consumer steers the job. The answer is the position of what was written; nothing when the
/// job is already as it was wished.
#[derive(Clone, Message)]
#[rtype(result = "Result<Option<i64>, JobsError>")]
pub(crate) struct ControlJob {
    pub(crate) actor: UserId,
    pub(crate) what: Control,
    /// So that what was sent twice is done once.
    pub(crate) operation: Operation,
}

/// Fuel that one run of a job may use by now.
#[derive(Message)]
#[rtype(result = "Fuel")]
pub(crate) struct FuelLimit;

impl Reported {
    /// What a consumer is told of a failed run.
    pub(crate) fn failure_words(&self) -> String {
        let words = self.outcome.in_words();
        let stderr = self.stderr.trim_end();
        if stderr.is_empty() { words } else { format!("{words}:\n{stderr}") }
    }
}
