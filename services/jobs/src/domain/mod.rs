//! The decisions about jobs. Pure: state, decide (returns facts), apply (cannot fail).

mod chunk;
mod copies;
mod fold;
pub(crate) mod gaps;
mod hall;
mod idle;
mod job;
mod kin;
mod lease;
mod marks;
mod pace;
mod pause;
mod price;
mod rest;
#[cfg(test)]
mod simulation;
mod submitted;
mod transfer;
mod tree;
mod trust;
mod verdict;

pub use chunk::ChunkStatus;
pub use hall::{Answer, Ask, Hall, Offer, Presence, Rivals};
pub use job::Job;
pub use kin::{Fleet, Tie, network};
pub use lease::{Attempt, Lease, Worker};
pub use marks::{leases_told, marks};
pub use pace::Pace;
pub use price::{Priced, Prices, Resources, Work, quote_price};
pub use rest::Ending;
pub use submitted::{MergeTree, Submitted};
pub use transfer::InputBytes;
pub use tree::Tree;
pub use trust::{ALLOWANCE_START, Copies, Drawn, Mark, Standing, TrustRules, draw};
pub use verdict::{Refereed, Verdict};
