//! Events to read models: Postgres for history and pages, Redis for what changes by the second.

mod chunk;
pub mod job;
pub mod live;
