//! Events to read models: Postgres for history and pages, Redis for what changes by the second.

mod agents;
mod chunk;
pub mod job;
pub mod live;

pub(crate) use chunk::result_files;
