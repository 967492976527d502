//! Periodic, idempotent tasks.

mod revive;
mod uploads;

pub use revive::revive_regularly;
