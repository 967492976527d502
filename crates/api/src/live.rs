//! What the server pushes to pages and to `medusa watch`: server-sent events of
//! `GET /v1/streams?topics=…`. The event's id is a log position, which resumes after a cut.

use medusa_types::{AgentId, Credits, JobId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::billing::Wallet;
use crate::control::{Cost, PauseWhy};
use crate::jobs::{Counts, JobState};

/// One message of a stream; the SSE `event:` field is the tag, `data:` the whole as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum LiveEvent {
    /// The job as it is now; first message of a topic `job:<id>`, and again after a loss.
    Snapshot(JobLive),
    /// What changed since: same shape, `cells` only names changed chunks.
    Delta(JobLive),
    /// The wallet of the person who listens; topic `wallet`.
    Wallet(Wallet),
    /// Own machines; topic `agents`.
    Agents {
        /// One entry a machine.
        agents: Vec<AgentLive>,
    },
}

/// A job for a live page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobLive {
    /// The job.
    pub job: JobId,
    /// Log position that this reflects.
    pub position: i64,
    /// Time of the newest event in it: page minus this is the latency.
    pub at: Timestamp,
    /// Where it is.
    pub state: JobState,
    /// Why it is paused, if it is.
    #[serde(default)]
    pub paused: Option<PauseWhy>,
    /// Chunks by state.
    pub counts: Counts,
    /// What it cost so far.
    pub cost: Cost,
    /// Snapshot: one digit a chunk (see `ChunkState::digit`). Delta: `place:digit` pairs joined by
    /// commas, for the places of the snapshot. Past 10,000 chunks a digit stands for
    /// `ceil(total / digits)` neighbours, of which it shows what needs attention most.
    pub cells: String,
    /// Why it is waiting or failed, in words.
    pub note: Option<String>,
}

/// A machine for a live page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentLive {
    /// The machine.
    pub agent: AgentId,
    /// `offline`, `paused`, `idle` or `busy`.
    pub state: String,
    /// What it earned so far.
    pub earned: Credits,
}
