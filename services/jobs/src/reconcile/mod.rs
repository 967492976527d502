//! Periodic, idempotent tasks.

mod revive;

pub use revive::revive_regularly;
