//! Programs, inputs, quotes, jobs, chunks and agents.

use medusa_types::{
    AgentId, ChunkIndex, Credits, Fuel, JobId, Outcome, ProgramId, Sha256Hash, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agents::{AgentLimits, AgentNow};
use crate::control::{Cost, PauseWhy};
use crate::runtime::Script;
use crate::spec::JobSpec;

/// A stored blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlobInfo {
    /// Its SHA-256, which is its address.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
}

/// `POST /v1/programs`: a blob becomes a program, after inspection.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramUpload {
    /// The uploaded module, or the uploaded script.
    pub sha256: Sha256Hash,
    /// What to call it, 1 to 100 characters.
    pub name: String,
    /// The platform runtime that runs it, where it is a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
}

/// A guest program that passed inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Program {
    /// Its id.
    pub id: ProgramId,
    /// What its owner calls it.
    pub name: String,
    /// The module; of a script that of its runtime.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
    /// The script, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What the server knows of an input before a job is made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputPreview {
    /// The blob.
    pub blob: BlobInfo,
    /// What it looks like: `png picture 512 x 512`, `zip archive of 6 files`, `text`, `bytes`.
    pub in_words: String,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Chunks are being computed.
    Running,
    /// No chunk is handed out; what is under way goes on.
    Paused,
    /// All chunks are verified; the results are being put together.
    Merging,
    /// The results are there.
    Done,
    /// A chunk or the merge failed; what was not spent is back.
    Failed,
    /// The consumer stopped it; what was not spent is back.
    Cancelled,
}

impl JobState {
    /// Whether it will not change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The name in JSON and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Merging => "merging",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Chunks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// All of them.
    pub total: u32,
    /// Nobody works on them.
    pub waiting: u32,
    /// At least one agent works on them.
    pub leased: u32,
    /// Verified by a second copy or by the referee.
    pub verified: u32,
    /// Done by one agent only, because no other owner's agent was there.
    pub unverified: u32,
    /// Failed.
    pub failed: u32,
}

impl Counts {
    /// Chunks that need no more work.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.verified.saturating_add(self.unverified)
    }

    /// Chunks in one state.
    #[must_use]
    pub const fn of(&self, state: ChunkState) -> u32 {
        match state {
            ChunkState::Waiting => self.waiting,
            ChunkState::Leased => self.leased,
            ChunkState::Verified => self.verified,
            ChunkState::Unverified => self.unverified,
            ChunkState::Failed => self.failed,
        }
    }
}

/// A file of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultFile {
    /// Its name.
    pub name: String,
    /// Its content.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who pays.
    pub owner: UserId,
    /// The program's name.
    pub program_name: String,
    /// The module.
    pub program: Sha256Hash,
    /// The input.
    pub input: Option<Sha256Hash>,
    /// Everything else that was submitted.
    pub spec: JobSpec,
    /// Where it is.
    pub state: JobState,
    /// Why it is paused, if it is.
    #[serde(default)]
    pub paused: Option<PauseWhy>,
    /// Why it failed, in words, with the program's standard error.
    pub reason: Option<String>,
    /// Why it is waiting, in words, while no agent works on it.
    pub waiting: Option<String>,
    /// Chunks by state.
    pub counts: Counts,
    /// What it cost.
    pub cost: Cost,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The results.
    pub results: Vec<ResultFile>,
    /// When its input and its results are deleted, once it has ended.
    #[serde(default)]
    pub kept_until: Option<Timestamp>,
    /// That its input and its results are deleted.
    #[serde(default)]
    pub files_deleted: Option<FilesDeleted>,
    /// Log position that this answer reflects.
    pub position: i64,
}

/// That the input and the results of a job are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesDeleted {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: DeletedWhy,
}

/// Why files are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeletedWhy {
    /// Their owner asked for it.
    Asked,
    /// Their time was over.
    Retention,
}

impl FilesDeleted {
    /// In words: `deleted on 2026-11-22 by its owner`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let day: String = self.at.to_string().chars().take(10).collect();
        match self.why {
            DeletedWhy::Asked => format!("deleted on {day} by its owner"),
            DeletedWhy::Retention => format!("deleted on {day}, when its time was over"),
        }
    }
}

/// `GET /v1/jobs`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// Newest first.
    pub items: Vec<Job>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChunkState {
    /// Nobody works on it.
    Waiting,
    /// At least one agent works on it.
    Leased,
    /// Two copies agreed, the server ran it too, or the agent has earned trust.
    Verified,
    /// One copy, not checked.
    Unverified,
    /// The program failed on it.
    Failed,
}

impl ChunkState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Leased, Self::Verified, Self::Unverified, Self::Failed];

    /// The word in addresses and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
        }
    }

    /// One byte for the chunk map: `0` waiting, `1` leased, `2` verified, `3` unverified, `4`
    /// failed.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::Waiting => b'0',
            Self::Leased => b'1',
            Self::Verified => b'2',
            Self::Unverified => b'3',
            Self::Failed => b'4',
        }
    }
}

/// How the result of a chunk was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Copies of different owners agreed.
    Agreed,
    /// The server ran the chunk itself: copies disagreed, nobody else was there, or by chance.
    Refereed,
    /// One copy, by an agent that has earned it and has more to lose than to gain.
    Trusted,
    /// There was one copy only, and nothing spoke for it; jobs of today do not end so.
    Unverified,
}

impl Verdict {
    /// For people, the same words everywhere.
    #[must_use]
    pub const fn in_words(&self) -> &'static str {
        match self {
            Self::Agreed => "copies agreed",
            Self::Refereed => "server’s own run",
            Self::Trusted => "trusted by record",
            Self::Unverified => "not checked",
        }
    }
}

/// One chunk of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Chunk {
    /// Its place.
    pub index: ChunkIndex,
    /// Where it is.
    pub state: ChunkState,
    /// Copies that were handed out so far.
    pub attempts: u32,
    /// How the result was believed.
    pub verdict: Option<Verdict>,
    /// How it ended.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<Outcome>,
    /// The accepted result, a bundle.
    pub output: Option<Sha256Hash>,
    /// Agreed fuel.
    pub fuel: Option<Fuel>,
    /// What it cost, all copies and fee together.
    pub price: Credits,
    /// The end of standard error.
    pub stderr: String,
    /// Why it is not done, in words, while the job runs.
    #[serde(default)]
    pub waiting: Option<String>,
}

/// `GET /v1/jobs/{id}/chunks`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChunkPage {
    /// In chunk order.
    pub items: Vec<Chunk>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// What an agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Not connected.
    Offline,
    /// Connected, takes no work.
    Paused,
    /// Connected, without work.
    Idle,
    /// Computing.
    Busy,
}

/// One lent machine, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: AgentState,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// Chunks it was paid for.
    pub chunks: u64,
    /// What it earned.
    pub earned: Credits,
    /// Validated replicated chunks in a row.
    pub streak: u32,
    /// Its reputation: one for each confirmed result, a third less after each fault.
    #[serde(default)]
    pub score: u32,
    /// Earned, and still lost if a wrong result is proven.
    #[serde(default)]
    pub stake: Credits,
    /// The part of its chunks that a second agent computes too, in millionths.
    #[serde(default)]
    pub check_ppm: u32,
    /// Until when it gets no work because of wrong results.
    #[serde(default)]
    pub quarantined_until: Option<Timestamp>,
    /// What last moved its reputation, newest first. Right results are counted, not listed.
    #[serde(default)]
    pub marks: Vec<AgentMark>,
    /// What its owner asked of it on the website.
    #[serde(default)]
    pub remote: AgentLimits,
    /// What it says of itself while it is connected.
    #[serde(default)]
    pub now: Option<AgentNow>,
    /// The Ed25519 key that it signs its results with, in hexadecimal, if it has one.
    #[serde(default)]
    pub public_key: Option<String>,
}

/// One thing that moved an agent's reputation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentMark {
    /// Place of its event in the log.
    pub position: i64,
    /// What: `wrong`, `outvoted`, `outdone`, `crashed`, `late`, `lost`, `forfeited` or
    /// `reinstated`.
    pub word: String,
    /// The job that it happened in.
    pub job: Option<JobId>,
    /// The chunk that it happened to.
    pub chunk: Option<ChunkIndex>,
    /// When.
    pub at: Timestamp,
    /// The streak after it.
    pub streak: u32,
    /// The reputation after it.
    pub score: u32,
}

impl AgentMark {
    /// What happened, for its lender.
    #[must_use]
    pub fn in_words(&self) -> &str {
        match self.word.as_str() {
            "wrong" => "its result was wrong: the server ran the chunk too",
            "outvoted" => "most copies had another result",
            "outdone" => {
                "another machine finished what this one gave up: it took too long here, or the \
                 stack was too deep"
            }
            "crashed" => "the run broke down, or its output did not arrive",
            "late" => "no report and no sign of life in time",
            "lost" => "the connection was lost during a run",
            "forfeited" => "unsettled pay was taken back for wrong results",
            "reinstated" => "the operator lifted the quarantine",
            other => other,
        }
    }
}

/// A ready-made job of the gallery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Example {
    /// Its folder in `examples/`, and its address.
    pub id: String,
    /// What it does, one sentence.
    pub about: String,
    /// The program, registered for everybody.
    pub program: ProgramId,
    /// The input.
    pub input: Option<Sha256Hash>,
    /// Everything else.
    pub spec: JobSpec,
}
