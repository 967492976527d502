//! The flows of the house: for each thing that happens to money, the moves that it comes to. The
//! numbers are those of the table in `docs/ledger.md`.
//!
//! Every flow is a pure function and returns the moves of one event: they are accepted or refused
//! together. Amounts are never negative, unless a flow says so; a negative one is refused by the
//! books with `billing.amount_negative`. Credits are exact, dollars are whole cents; where both are
//! given, whoever calls has converted them at the price that the event names.

mod ads;
mod house;
mod job;
mod payout;
mod purchase;

pub use ads::{
    View, ViewIds, expire_ad_credits, fund_campaign, fund_house_campaign, prove_view,
    release_campaign, reverse_view, reward_view, start_view, void_view,
};
pub use house::{
    adjust, correct, expire_grant, explain_adjustment, freeze, grant, unfreeze, withhold_tax,
};
pub use job::{Clawback, claw_back, hold, mature, release, settle, settle_window, top_up};
pub use payout::{Payout, PayoutIds, complete_payout, fail_payout, request_payout, return_payout};
pub use purchase::{
    Chargeback, Debtor, Purchase, charge_back, fund_advertiser, purchase, receive_settlement,
    refund, repay_debt, win_chargeback, write_off_debt,
};
