//! What one machine earned, by day and by task, for its own page.

use medusa_types::{ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a machine earned, and what its owner has of earnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Earnings {
    /// The days that were asked for, oldest first; the last one is today. Each is there, also one
    /// without earnings.
    pub days: Vec<EarningsDay>,
    /// Since the quarter of an hour that was asked for, if one was.
    pub since: Option<EarningsSince>,
    /// Earned by all machines of the owner, not yet through the holding period.
    pub pending: Credits,
    /// Earned by all machines of the owner, free to spend or cash out.
    pub available: Credits,
}

/// What all machines of a person earned so far, removed ones too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lent {
    /// Chunks that were paid.
    pub chunks: u64,
    /// What they earned.
    pub earned: Credits,
    /// Machines that were removed.
    pub removed: u64,
}

/// One day, in the time zone that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarningsDay {
    /// Its first moment.
    pub from: Timestamp,
    /// Chunks that were paid on it.
    pub chunks: u64,
    /// What they earned.
    pub earned: Credits,
}

/// From some time on until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarningsSince {
    /// The beginning of the quarter of an hour that it is counted from.
    pub from: Timestamp,
    /// Chunks that were paid since.
    pub chunks: u64,
    /// What they earned.
    pub earned: Credits,
}

/// Which days, in which time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarningsQuery {
    /// How many days, today being the last: 30 unless it is said, at most 366.
    pub days: Option<u32>,
    /// Minutes that clocks are ahead of UTC where the days are meant, in quarters of an hour.
    pub offset_min: Option<i32>,
    /// Also count from this time on, in microseconds since 1970.
    pub since: Option<i64>,
}

/// A page of tasks, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskPage {
    /// The tasks.
    pub items: Vec<AgentTask>,
    /// What to ask for as `before` to see earlier ones; nothing when there are none.
    pub next: Option<String>,
}

/// Which tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskQuery {
    /// Those before this one: the `next` of the page before.
    pub before: Option<String>,
    /// How many: 50 unless it is said, at most 200.
    pub limit: Option<i64>,
}

/// What a machine did for one chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentTask {
    /// The lease.
    pub lease: LeaseId,
    /// The job.
    pub job: JobId,
    /// What the job is called.
    pub job_name: String,
    /// The chunk.
    pub chunk: ChunkIndex,
    /// How many chunks the job has.
    pub chunks: u32,
    /// What became of it.
    pub state: TaskState,
    /// How the run ended, if it was reported.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<Outcome>,
    /// The fuel that was reported.
    pub fuel: Option<Fuel>,
    /// What it earned.
    pub paid: Option<Credits>,
    /// When the machine got it.
    pub leased_at: Timestamp,
    /// When it was reported or given up.
    pub ended_at: Timestamp,
    /// Place in the log of what its result was believed by.
    pub verified_position: Option<i64>,
    /// Place in the log of its payment. The owner sees this event on the website, with its proof.
    pub paid_position: Option<i64>,
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its result was believed and paid.
    Paid,
    /// Its result was believed, and the price was nothing.
    Verified,
    /// Its result waits for somebody else's.
    Waiting,
    /// Another result was believed.
    Refused,
    /// The machine reported that it could not run it.
    Fault,
    /// It ended without a report: given back, lost, or not needed any more.
    Ended,
}
