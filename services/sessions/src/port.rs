//! What sessions need of the rest of the house.

use bytes::Bytes;
use medusa_api::{SessionRequest, Tariff};
use medusa_events::Fact;
use medusa_ledger::Move;
use medusa_platform::ApiError;
use medusa_platform::auth::BoxFuture;
use medusa_platform::ticket::TicketQuery;
use medusa_types::{
    AgentId, Credits, Fuel, JobId, LeaseId, Outcome, Sha256Hash, Timestamp, UserId,
};
use tokio::sync::mpsc;

/// Billing's side of a session.
pub trait Escrows: Send + Sync {
    /// The prices that new sessions are opened at.
    fn tariff(&self) -> Tariff;
    /// The moves that belong to a fact of billing; none for all others.
    fn moves(&self, fact: &Fact) -> Vec<Move>;
}

/// What happens to the seats of a session.
#[derive(Clone, Debug)]
pub enum SeatEvent {
    /// An agent was given one, and will come.
    Taken {
        /// Its lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
    },
    /// An agent has left one.
    Left {
        /// Its lease.
        lease: LeaseId,
        /// Why: a fixed word.
        why: &'static str,
        /// How its program ended and what it said last, as its agent reports it.
        report: Option<(Outcome, Fuel, String)>,
    },
}

/// Terms on which agents take seats.
#[derive(Clone, Debug)]
pub struct SeatTerms {
    /// The job whose escrow pays.
    pub job: JobId,
    /// Who pays.
    pub owner: UserId,
    /// Where the guests' clocks stand.
    pub opened_at: Timestamp,
    /// Where agents find the session.
    pub home: String,
    /// The most that one seat may use.
    pub fuel_limit: Fuel,
    /// What one agent could gain by lying.
    pub at_risk: Credits,
}

/// A program with its shards, ready for agents.
pub trait Planned: Send + Sync {
    /// The module.
    fn program(&self) -> Sha256Hash;
    /// Shards that the splitter made.
    fn shards(&self) -> u32;
    /// Looks for agents. What becomes of their seats is told over `events`.
    fn seat(&self, terms: SeatTerms, events: mpsc::UnboundedSender<SeatEvent>) -> Box<dyn Seating>;
}

/// The seats of an open session. Dropping it ends them.
pub trait Seating: Send + Sync {
    /// Asks for so many more agents.
    fn want(&self, seats: u32);
    /// An agent of before a restart has its seat still.
    fn adopt(&self, lease: LeaseId, agent: AgentId);
    /// A seat is not needed any more. An agent that `failed` gets none of this session again.
    fn give_up(&self, lease: LeaseId, failed: bool);
    /// The frame that gives a shard to the agent of a seat.
    fn shard(
        &self,
        lease: LeaseId,
        agent: AgentId,
        shard: u32,
    ) -> BoxFuture<'_, Result<Bytes, ApiError>>;
}

/// Jobs' side of a session: programs, splitters and agents.
pub trait Floor: Send + Sync {
    /// Splits the input into shards, and refuses what no agent would run.
    fn plan<'a>(
        &'a self,
        user: UserId,
        request: &'a SessionRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Planned>, ApiError>>;
    /// Whether a ticket lets this agent take its seat now.
    fn may_sit(&self, lease: LeaseId, agent: AgentId, ticket: &TicketQuery) -> bool;
}
