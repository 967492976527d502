//! The audit desk: the books, accounts, events, checks and adjustments, as auditors and admins see
//! them. Auditors see all of it and change nothing; the services refuse them too.

mod accounts;
mod adjustments;
mod checks;
mod events;
mod overview;
mod wish;

pub(crate) use accounts::{account, accounts};
pub(crate) use adjustments::{adjustments, decide, propose};
pub(crate) use checks::{check, checkpoints, invariants, projections};
pub(crate) use events::events;
pub(crate) use overview::overview;
