//! Periodic, idempotent tasks.

mod retention;
mod revive;
mod uploads;

pub use revive::revive_regularly;
