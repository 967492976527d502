//! The double-entry kernel: chart of accounts, moves, postings, refusals.
//!
//! Guarantees: the postings of an event sum to zero; an account that must not go negative never
//! does, not even between two events of one batch; every sum is checked; a refused chain changes
//! nothing. Pure: no I/O, no clock. The sequencer in `eventlog` is its only user that writes.
#![deny(clippy::arithmetic_side_effects)]

mod account;
mod book;
mod moves;

pub use account::{Account, AccountError, Bucket, Class};
pub use book::{Book, Draft};
pub use moves::{Move, Posting, Refusal, split_shares};
