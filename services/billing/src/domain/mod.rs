//! The rules: which fact moves what, what a wallet is made of, how a line reads. Pure.

mod cursor;
mod moves;
mod wallet;
mod words;

pub(crate) use cursor::Cursor;
pub use moves::moves;
pub(crate) use wallet::{accounts_of, add, spendable};
pub(crate) use words::in_words;
