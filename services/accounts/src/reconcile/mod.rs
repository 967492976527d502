//! Periodic, idempotent tasks.

mod sweep;

pub use sweep::sweep_regularly;
