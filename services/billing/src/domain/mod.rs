//! The rules: which fact moves what, what a wallet is made of, how a line reads. Pure.

mod adjust;
mod moves;
pub(crate) mod tariff;
mod wallet;
mod words;

pub(crate) use adjust::{
    COUNTER, Proposal, accounts_beside, check, check_decision, text_digest, unknown_account,
};
pub use adjust::{Decision, FieldRefusal};
pub use moves::moves;
pub(crate) use wallet::{accounts_of, add, is_in_wallet};
pub(crate) use words::in_words;
