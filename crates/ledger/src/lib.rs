//! The double-entry kernel: chart of accounts, moves, postings, reservations, refusals, and the
//! flows of the house as functions.
//!
//! Guarantees: the postings of an event sum to zero in each currency; an account that must not go
//! negative never does, not even between two events of one batch, reservations counted; a
//! reservation ends once; every sum is checked; a refused chain changes nothing. Pure: no I/O, no
//! clock. The sequencer in `eventlog` is its only user that writes.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod account;
mod amount;
mod book;
mod draft;
mod evaluate;
pub mod flows;
mod moves;
mod refusal;
mod share;
#[cfg(test)]
mod tests;

pub use account::{Account, AccountError, Bucket, Class, Limit, Owner, Provider, Subject};
pub use amount::{Amount, Cents, Currency};
pub use book::{Book, Mark, Pending, PendingState, Standing};
pub use draft::{Changed, Draft};
pub use moves::{AccountState, Change, Effects, Move, Posting, Resolution};
pub use refusal::Refusal;
pub use share::{Settlement, settle_shares, split_shares};
