//! What can be seen of a job beside its state: how to run a chunk again, its files, who computed
//! when, and how one run of a job compares with another.

use medusa_types::{
    AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Limits, Outcome, Sha256Hash, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::jobs::{BlobInfo, JobState, ResultFile, Verdict};

/// `GET /v1/jobs/{id}/chunks/{index}/run`: everything that the run of a chunk depends on, and what
/// came of it. The same description gives the same output, fuel and outcome on every machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChunkRun {
    /// The job.
    pub job: JobId,
    /// The chunk.
    pub chunk: ChunkIndex,
    /// The module; `GET /v1/jobs/{id}/program` gives its bytes.
    pub program: BlobInfo,
    /// Arguments after `guest`, which is always the first.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What all randomness is made from.
    pub seed: u64,
    /// When the virtual clock starts, in milliseconds since 1970.
    pub clock_ms: u64,
    /// What the run may use.
    #[schema(value_type = Object)]
    pub limits: Limits,
    /// Whether the bits of each NaN are the same on all processors.
    pub strict: bool,
    /// The meter that fuel is counted by.
    pub meter: String,
    /// Standard input first, then the files. `GET /v1/jobs/{id}/chunks/{index}/inputs/{n}` gives
    /// the bytes of the one at place `n`, from 0.
    pub inputs: Vec<RunInput>,
    /// What was accepted as the result; nothing while the chunk is not decided.
    pub accepted: Option<Accepted>,
    /// Every copy that was handed out, oldest first.
    pub attempts: Vec<Attempt>,
    /// The end of standard error of the newest attempt.
    pub stderr: String,
}

/// Bytes that a run reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunInput {
    /// Guest path without the leading slash, like `in/a.png`; empty for standard input.
    pub path: String,
    /// Their length in bytes.
    pub size: u64,
    /// Their digest, where they are a whole blob.
    pub sha256: Option<Sha256Hash>,
}

/// The result of a chunk as it was believed and paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// How it was believed.
    pub verdict: Option<Verdict>,
    /// How the runs ended.
    #[schema(value_type = Object)]
    pub outcome: Outcome,
    /// The result, a bundle.
    pub output: Sha256Hash,
    /// Agreed fuel of one run.
    pub fuel: Fuel,
    /// Log position of the verdict; unknown where no attempt agreed with the server's own run.
    pub position: Option<i64>,
}

/// One copy of a chunk that an agent was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The lease.
    pub lease: LeaseId,
    /// The agent.
    pub agent: AgentId,
    /// The most fuel that it might use.
    pub fuel_limit: Fuel,
    /// What the agent reported, if it did.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<Outcome>,
    /// The output that it reported.
    pub output: Option<Sha256Hash>,
    /// The fuel that it reported.
    pub fuel: Option<Fuel>,
    /// What its lender was paid.
    pub paid: Option<Credits>,
    /// Log position of the lease.
    pub leased_position: i64,
    /// Log position of its end.
    pub ended_position: Option<i64>,
    /// Log position of the verdict that it agreed with.
    pub verified_position: Option<i64>,
    /// The Ed25519 key of the machine, in hexadecimal, if its report was signed.
    #[serde(default)]
    pub public_key: Option<String>,
    /// Its signature over lease, outcome, fuel and output, in hexadecimal: docs/protocol.md says
    /// over which bytes.
    #[serde(default)]
    pub signature: Option<String>,
    /// Log position of `accounts.agent_key_set` of this agent, if it ever named a key: who owns the
    /// job may read that event and its proof.
    #[serde(default)]
    pub key_position: Option<i64>,
}

/// `GET /v1/jobs/{id}/chunks/{index}/files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChunkFiles {
    /// The accepted result as it was hashed; `…/bundle` gives its bytes.
    pub bundle: BlobInfo,
    /// What is in it: the empty name is standard output (`…/stdout`), the others are files of
    /// `/out` (`…/files/{name}`).
    pub files: Vec<ResultFile>,
}

/// What became of an attempt. What matters more comes later, and is shown where room is short.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// It was called back or handed back: nobody's fault.
    NotNeeded,
    /// It is being computed.
    Computing,
    /// It was reported and is not judged yet.
    Reported,
    /// Its result was accepted.
    Accepted,
    /// The agent went away, was too late or could not run it.
    Lost,
    /// The program failed, and that is the accepted outcome or not judged yet.
    Failed,
    /// Its result was not the accepted one.
    Wrong,
}

impl AttemptEnd {
    /// The name in JSON and style sheets.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Reported => "reported",
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::NotNeeded => "not_needed",
            Self::Wrong => "wrong",
        }
    }

    /// For people.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Reported => "reported, not judged yet",
            Self::Accepted => "accepted",
            Self::Failed => "the program failed",
            Self::Lost => "lost or too late",
            Self::NotNeeded => "called back",
            Self::Wrong => "another result than the accepted one",
        }
    }
}

/// `GET /v1/jobs/{id}/timeline`: which agent worked when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// When the first attempt began.
    pub from: Timestamp,
    /// When the last one ended, or now.
    pub to: Timestamp,
    /// One for each agent, the one that began first on top. Past a limit, the last row is all
    /// others together.
    pub rows: Vec<TimelineRow>,
    /// Attempts in all.
    pub attempts: u32,
    /// There are too many attempts for a bar each: a bar is all that ended alike in a span of time.
    pub binned: bool,
    /// The job has more events than are read for this; the rest is missing.
    pub cut: bool,
}

/// The attempts of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineRow {
    /// The agent; none for all others together.
    pub agent: Option<AgentId>,
    /// How many agents this row stands for.
    pub agents: u32,
    /// Its attempts.
    pub attempts: u32,
    /// How many bars lie one over the other at most: attempts at the same time.
    pub lanes: u32,
    /// In the order of their beginning.
    pub bars: Vec<TimelineBar>,
}

/// One attempt, or all that ended alike in a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineBar {
    /// Beginning, in ten-thousandths of the timeline.
    pub x: u32,
    /// Length, in ten-thousandths of the timeline; at least 1.
    pub width: u32,
    /// Which of the row's lanes it lies in, from 0.
    pub lane: u32,
    /// How it ended.
    pub end: AttemptEnd,
    /// How many attempts it stands for.
    pub attempts: u32,
    /// The first of their chunks.
    pub chunk: ChunkIndex,
    /// Length in milliseconds; of the longest where there are several.
    pub ms: u64,
}

/// `GET /v1/jobs/{id}/compare/{other}`: two runs side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The first run.
    pub left: RunFigures,
    /// The second run.
    pub right: RunFigures,
    /// What was asked differently: `program`, `input`, or a field of the spec.
    pub asked_differently: Vec<String>,
    /// Chunks that both have a result of, and it is the same.
    pub chunks_equal: u32,
    /// Chunks that both have a result of, and it differs.
    pub chunks_different: u32,
    /// Chunks that only one of them has a result of.
    pub chunks_alone: u32,
    /// The first chunk whose results differ.
    pub first_different: Option<ChunkIndex>,
    /// The result files of both by name.
    pub results: Vec<ComparedFile>,
}

/// One run in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFigures {
    /// The job.
    pub job: JobId,
    /// What the consumer called it.
    pub name: String,
    /// Where it is.
    pub state: JobState,
    /// How many chunks.
    pub chunks: u32,
    /// How many are done.
    pub done: u32,
    /// Copies that were handed out.
    pub attempts: u64,
    /// Agreed fuel of one copy of all chunks together.
    pub fuel: Fuel,
    /// What was spent, fee included.
    pub spent: Credits,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// From then to its end, in milliseconds; none while it runs.
    pub ms: Option<u64>,
}

/// One result file of two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparedFile {
    /// Its name.
    pub name: String,
    /// Its digest in the first run.
    pub left: Option<Sha256Hash>,
    /// Its digest in the second run.
    pub right: Option<Sha256Hash>,
}

impl ComparedFile {
    /// Whether both have it, with the same content.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.left.is_some() && self.left == self.right
    }
}
