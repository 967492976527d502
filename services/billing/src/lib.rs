//! Billing: what credits stand where, and why they move.
//!
//! Owns the tariff, the welcome gift, the adjustments that two admins make together, and the
//! rules by which facts move credits ([`moves`]); it reads the books as the log has them, and
//! writes none. Guarantees: every credit that a person sees comes from one event of the log; the
//! same gift is given once; the tariff in force is the last one that the log tells of; nobody
//! adjusts alone, and nobody an own account. Nothing here decides what a chunk costs.

mod command;
mod config;
mod domain;
mod error;
pub mod http;
pub mod projection;
mod store;
#[cfg(test)]
mod tests;

pub use command::{Billing, project_regularly};
pub use config::BillingConfig;
pub use domain::{Decision, FieldRefusal, moves};
pub use error::BillingError;
pub use http::{configure, openapi};
