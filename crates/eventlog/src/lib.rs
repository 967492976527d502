//! The log: the only writer of events, and the ways to read them.
//!
//! One sequencer in the whole installation gives events their positions, evaluates their moves
//! against the balances it keeps, seals them into the Merkle tree and commits all of it in one
//! Postgres transaction for a batch. An answer is *ok*, *refused* or *unknown*; unknown is tried
//! again under the same operation. Positions are dense, so a reader needs `position > last` only.

mod append;
mod audit;
mod books;
mod checkpoints;
mod commit;
mod committer;
pub mod desk;
mod error;
pub mod invariants;
mod live;
mod loaded;
mod operation;
mod projector;
mod read;
mod rebuild;
mod recent;
mod replay;
mod reservations;
mod sequencer;
mod standby;
mod state;
mod tail;
mod tiles;
mod tiles_read;
mod verify;

pub use append::{Append, Appended, EventLog, Expect, NewEvent};
pub use audit::{AuditError, Auditor};
pub use books::Books;
pub use checkpoints::{SignedHead, start_checkpoints};
pub use error::{AppendError, LogError};
pub use live::{LiveError, show};
pub use operation::Operation;
pub use projector::{Progress, Projection, project};
pub use read::{StoredEvent, first_of_kind, read_events, read_stream, stored_head};
pub use rebuild::{RebuildError, Rebuilt, rebuild};
pub use sequencer::{LogConfig, start, start_with};
pub use standby::{Signs, WriterSign};
pub use tail::Tail;
pub use tiles::Tiles;
pub use verify::verify;

#[cfg(test)]
mod tests;
