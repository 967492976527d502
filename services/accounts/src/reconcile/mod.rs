//! Periodic, idempotent tasks.

mod deliver;
mod sweep;

pub use deliver::deliver_regularly;
pub use sweep::sweep_regularly;
