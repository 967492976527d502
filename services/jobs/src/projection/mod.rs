//! Events to read models: Postgres for history and pages, Redis for what changes by the second.

pub mod job;
pub mod live;
