//! Sessions: rounds of one program on agents that stay. What travels in every round is in
//! `medusa-protocol`; here is what is asked for over HTTP, and the rare words beside the rounds.

use medusa_types::{Credits, Outcome, ProgramId, SessionId, Sha256Hash, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::spec::JobSpec;

/// `POST /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The program: a filter of frames.
    pub program: ProgramId,
    /// The input blob, which the splitter cuts into shards; none for a `range`.
    #[serde(default)]
    pub input: Option<Sha256Hash>,
    /// Name, arguments, splitter, memory and priority. Each chunk is the shard of one agent.
    pub spec: JobSpec,
    /// Agents beside those, which take over where one is lost; at most as many as shards.
    #[serde(default)]
    pub spares: u32,
    /// The most that it may cost.
    pub budget: Credits,
    /// A NaN in an answer that is put together with others is let through.
    #[serde(default)]
    pub keep_nan: bool,
    /// Answers depend on the rounds before: an agent that takes over computes them all again.
    #[serde(default)]
    pub remembers: bool,
}

/// How a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It takes rounds.
    Open,
    /// Its consumer ended it, or left it idle.
    Done,
    /// It could not go on.
    Failed,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What its consumer calls it.
    pub name: String,
    /// How it is.
    pub state: SessionState,
    /// Why it failed: a stable code.
    pub code: Option<String>,
    /// Shards, each in the memory of one agent.
    pub shards: u32,
    /// Agents wanted beside those.
    pub spares: u32,
    /// Rounds that are answered and paid for.
    pub rounds: u64,
    /// What is held for it.
    pub held: Credits,
    /// What of it is spent.
    pub spent: Credits,
    /// For 1,000,000,000 units of fuel.
    pub per_gfuel: Credits,
    /// For each agent that takes a seat.
    pub per_start: Credits,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where its rounds go, while it is open.
    pub home: Option<SessionHome>,
}

/// Where the rounds of a session go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionHome {
    /// A WebSocket address with a ticket, or a path on this server, for the sub-protocol
    /// `medusa.session.v1`.
    pub url: String,
}

/// What a client says beside its rounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientWord {
    /// The session ends when all rounds are answered.
    Finish,
}

/// What a session says to its client beside answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum HomeWord {
    /// It takes rounds: every shard is in the memory of an agent.
    Ready {
        /// How many shards there are.
        shards: u32,
        /// The last round that was begun, or refused: the next has the number after it.
        round: u64,
    },
    /// Agents are missing, or one is being replaced.
    Waiting {
        /// Shards that no agent has.
        missing: u32,
    },
    /// The program of a shard ended. Another agent tries the same; rounds go on.
    Lost {
        /// The shard.
        shard: u32,
        /// The round that was under way, or 0.
        round: u64,
        /// How, in words, with the end of standard error.
        detail: String,
    },
    /// A round, or what was said, is refused. The session goes on.
    Refused {
        /// The round, or 0.
        round: u64,
        /// The shard that it is about.
        shard: Option<u32>,
        /// A stable code.
        code: String,
        /// What happened and what to do.
        detail: String,
    },
    /// It is over.
    Ended {
        /// Why, a stable code; none when its client finished it.
        code: Option<String>,
        /// In words.
        detail: String,
    },
}

/// What a session says to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum SeatOrder {
    /// It is over: end the guest and report.
    Finish,
    /// The log has what was done up to here.
    Paid {
        /// The last such round.
        round: u64,
    },
}

/// What an agent says to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SeatWord {
    /// It is connected, for the first time or again.
    Here {
        /// The shard that it has.
        shard: Option<u32>,
        /// The last round that it answered.
        round: u64,
        /// Fuel that its guest has used.
        fuel: u64,
    },
    /// The shard is in its memory.
    Ready {
        /// Which.
        shard: u32,
    },
    /// Its guest ended.
    Failed {
        /// How.
        outcome: Outcome,
        /// In words, with the end of standard error.
        detail: String,
        /// It had begun a frame.
        unfinished: bool,
        /// The round under way, or 0.
        round: u64,
        /// Fuel that its guest has used.
        #[serde(default)]
        fuel: u64,
    },
}
