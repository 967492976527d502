//! The decisions about jobs. Pure: state, decide (returns facts), apply (cannot fail).

mod fold;
mod job;
mod lease;
mod price;
mod submitted;
mod verdict;

pub use job::{ChunkStatus, Job};
pub use lease::{Attempt, Fleet, Lease, Worker};
pub use price::{Prices, quote_price};
pub use submitted::Submitted;
pub use verdict::{Refereed, Verdict};
