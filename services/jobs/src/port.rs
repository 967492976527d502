//! What jobs need of the rest of the house.

use bytes::Bytes;
use medusa_api::{AgentChange, AgentLimits, Tariff};
use medusa_events::Fact;
use medusa_ledger::Move;
use medusa_platform::ApiError;
use medusa_platform::auth::BoxFuture;
use medusa_types::{AgentId, Fuel, JobId, Limits, Outcome, Sha256Hash, UserId};

/// Billing's side of a job.
pub trait Escrows: Send + Sync {
    /// The prices that new quotes are made of.
    fn tariff(&self) -> Tariff;
    /// The moves that belong to a fact of billing; none for all others.
    fn moves(&self, fact: &Fact) -> Vec<Move>;
    /// A person's balances.
    fn wallet(&self, user: UserId) -> BoxFuture<'_, Result<medusa_api::Wallet, ApiError>>;
}

/// One run of a guest program in the server's own sandbox.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job that it is of: a process may stay for more of the same.
    pub job: Option<JobId>,
    /// The module.
    pub program: Sha256Hash,
    /// Arguments after `argv[0]`.
    pub args: Vec<String>,
    /// Environment of the guest.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Bytes,
    /// Input files by guest path without the leading slash.
    pub files: Vec<(String, Bytes)>,
    /// Seed of the chunk.
    pub seed: u64,
    /// The guest's time, in milliseconds since 1970.
    pub clock_ms: u64,
    /// What it may use.
    pub limits: Limits,
    /// Canonicalise NaN.
    pub strict: bool,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended.
    pub outcome: Outcome,
    /// The result, an encoded bundle.
    pub output: Bytes,
    /// Fuel used.
    pub fuel: Fuel,
    /// The end of standard error.
    pub stderr: String,
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
}

/// The server's own sandbox, for inspection, quotes and as referee.
pub trait Runner: Send + Sync {
    /// Refuses a module that no agent would run, naming the reason and the remedy.
    fn inspect(&self, wasm: Bytes) -> BoxFuture<'_, Result<(), ApiError>>;
    /// Runs a module. Bounded to a few at the same time.
    fn run(&self, run: Run) -> BoxFuture<'_, Result<Ran, ApiError>>;
}

/// An answer that is on its way.
type Answer<'a, T> = BoxFuture<'a, Result<T, ApiError>>;

/// Machines, which accounts know.
pub trait Agents: Send + Sync {
    /// The machines of a person: id, name, when enrolled.
    fn of_owner(&self, owner: UserId) -> BoxFuture<'_, Result<Vec<EnrolledAgent>, ApiError>>;
    /// The ids of all machines that a person ever enrolled, and how many of them were removed.
    fn ever_of(&self, owner: UserId) -> Answer<'_, (Vec<AgentId>, u64)>;
    /// One machine that was not removed.
    fn machine(&self, agent: AgentId) -> Answer<'_, Option<EnrolledAgent>>;
    /// Changes a person's machine; nothing when there is none with this id. The position is that of
    /// what was written to the log, 0 when nothing was.
    fn change<'a>(
        &'a self,
        owner: UserId,
        agent: AgentId,
        change: &'a AgentChange,
    ) -> Answer<'a, Option<(EnrolledAgent, i64)>>;
    /// Removes a person's machine: its key is worth nothing from now on. Whether there is, or was,
    /// one with this id.
    fn remove(&self, owner: UserId, agent: AgentId) -> Answer<'_, bool>;
    /// Keeps the key that a machine signs its results with, 64 hexadecimal digits. It can be said
    /// once; the same again changes nothing.
    fn set_key<'a>(&'a self, agent: AgentId, public_key: &'a str) -> Answer<'a, ()>;
    /// What ties this person's account to others: its payout identity, and the set of linked
    /// accounts that it belongs to, each by a stable name. Two people who share a name never check
    /// each other's results. None where accounts know of none.
    fn ties(
        &self,
        owner: UserId,
    ) -> BoxFuture<'_, Result<std::collections::BTreeSet<String>, ApiError>> {
        let _nothing_is_known_of = owner;
        Box::pin(async { Ok(std::collections::BTreeSet::new()) })
    }
}

/// A machine as accounts know it.
#[derive(Clone, Debug)]
pub struct EnrolledAgent {
    /// Its id.
    pub agent: AgentId,
    /// Its name.
    pub name: String,
    /// When its owner confirmed it.
    pub enrolled_at: medusa_types::Timestamp,
    /// What its owner asked of it since.
    pub limits: AgentLimits,
    /// The Ed25519 key that it signs its results with, if it has one.
    pub public_key: Option<[u8; 32]>,
}
