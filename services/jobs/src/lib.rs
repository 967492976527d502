//! Jobs: programs, inputs, quotes, chunks, leases, verdicts and results.
//!
//! Owns the streams `job-…` and `program-…`, the tables of its migrations, and the actors of open
//! jobs and connected agents. Guarantees: a chunk is settled once; a job never costs more than its
//! hold; a job that ended has no live lease and an empty escrow; everything in memory can be folded
//! from the log again. Money moves by billing's rules, behind [`port::Escrows`].

mod actor;
mod command;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod merge;
mod order;
pub mod port;
pub mod projection;
mod reconcile;
pub mod split;
mod start;
mod store;

pub use actor::{SeatEvent, SeatEvents};
pub use command::{Jobs, JobsParts, NewExample, SeatTerms, Seating, SessionPlan};
pub use config::JobsConfig;
pub use error::JobsError;
pub use reconcile::revive_regularly;
