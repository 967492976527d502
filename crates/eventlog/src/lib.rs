//! The log: the only writer of events, and the ways to read them.
//!
//! One sequencer in the whole installation gives events their positions, evaluates their moves
//! against the balances it keeps, seals them into the Merkle tree and commits all of it in one
//! Postgres transaction for a batch. An answer is *ok*, *refused* or *unknown*; unknown is tried
//! again under the same operation. Positions are dense, so a reader needs `position > last` only.

mod append;
mod audit;
mod commit;
mod error;
mod live;
mod projector;
mod read;
mod sequencer;
mod state;
mod tail;
mod verify;

pub use append::{Append, Appended, EventLog, Expect, NewEvent, Operation};
pub use audit::{Auditor, ProofError};
pub use error::{AppendError, LogError};
pub use live::{LiveError, show};
pub use projector::{Progress, Projection, project};
pub use read::{StoredEvent, read_events, read_stream, stored_head};
pub use sequencer::{LogConfig, start};
pub use tail::Tail;
pub use verify::verify;

#[cfg(test)]
mod tests;
