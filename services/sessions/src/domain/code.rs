//! The stable codes of what is said on a session's WebSocket. Each has a page in `docs/errors`.

/// Bytes or words that are not understood.
pub const MESSAGE: &str = "sessions.message";
/// A round after `finish`.
pub const FINISHED: &str = "sessions.finished";
/// Nothing is left of the hold.
pub const HOLD_SPENT: &str = "sessions.hold_spent";
/// Another number than the next.
pub const ROUND_NUMBER: &str = "sessions.round_number";
/// Too many rounds under way.
pub const ROUNDS_MANY: &str = "sessions.rounds_many";
/// A shard that is not there.
pub const SHARD: &str = "sessions.shard";
/// More rounds than can be kept for agents that take over.
pub const MEMORY: &str = "sessions.memory";
/// Answers that cannot be put together in this way.
pub const REDUCE: &str = "sessions.reduce";
/// Answers of different lengths.
pub const SHAPES: &str = "sessions.shapes";
/// A NaN in an answer.
pub const NAN: &str = "sessions.nan";
/// Another answer of the same shard to the same round.
pub const NOT_REPEATABLE: &str = "sessions.not_repeatable";
/// The program ended on several agents.
pub const GUEST: &str = "sessions.guest";
/// No agents for all shards.
pub const NO_AGENTS: &str = "sessions.no_agents";
/// A shard that the store does not give.
pub const SHARD_UNREADABLE: &str = "sessions.shard_unreadable";
/// The log refused a payment.
pub const NOT_PAID: &str = "sessions.not_paid";
/// It is over.
pub const OVER: &str = "sessions.over";
