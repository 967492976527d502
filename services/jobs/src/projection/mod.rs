//! Events to read models: Postgres for history and pages, Redis for what changes by the second.

mod agents;
mod chunk;
mod files;
pub mod job;
pub mod live;
mod map;

pub(crate) use chunk::result_files;
