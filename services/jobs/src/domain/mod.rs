//! The decisions about jobs. Pure: state, decide (returns facts), apply (cannot fail).

mod copies;
mod fold;
mod job;
mod kin;
mod lease;
mod marks;
mod price;
#[cfg(test)]
mod simulation;
mod submitted;
mod trust;
mod verdict;

pub use job::{ChunkStatus, Job};
pub use kin::{Fleet, Tie, network};
pub use lease::{Attempt, Lease, Worker};
pub use marks::{leases_told, marks};
pub use price::{Prices, quote_price};
pub use submitted::Submitted;
pub use trust::{ALLOWANCE_START, Copies, Drawn, Mark, Standing, TrustRules, draw};
pub use verdict::{Refereed, Verdict};
