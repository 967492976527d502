//! Payouts to lenders (flows 12 to 15). Between the order to the bank and its answer the money is
//! set aside without an end: an answer that is late is no answer, and what was freed on a timer
//! might be paid twice.

use medusa_types::{Credits, PendingId, UserId};

use crate::{Account, Bucket, Cents, Class, Move};

/// The two reservations of a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayoutIds {
    /// Of what the lender gets.
    pub amount: PendingId,
    /// Of the fee.
    pub fee: PendingId,
}

/// A payout that a lender asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Who.
    pub lender: UserId,
    /// What is paid out, in credits that are worth whole cents.
    pub amount: Credits,
    /// The platform's fee, in credits, which the lender pays besides.
    pub fee: Credits,
    /// The caller's own ids, never used again.
    pub ids: PayoutIds,
}

/// Flow 12. Sets the payout and its fee aside in the lender's available earnings.
#[must_use]
pub fn request_payout(payout: &Payout) -> Vec<Move> {
    let from = Account::wallet(Bucket::Earned, payout.lender);
    let reserve = |pending, class, amount: Credits| Move::Reserve {
        pending,
        from,
        to: Account::global(class),
        amount: amount.into(),
        expires_at: None,
    };
    vec![
        reserve(payout.ids.amount, Class::PayoutPending, payout.amount),
        reserve(payout.ids.fee, Class::IncomePayoutFee, payout.fee),
    ]
}

/// Flow 13. The bank has paid: `amount` credits, as requested, have become `cents`. A lender who
/// was frozen meanwhile is no obstacle: it has happened.
#[must_use]
pub fn complete_payout(ids: PayoutIds, amount: Credits, cents: Cents) -> Vec<Move> {
    let [pending, bank] = [Class::PayoutPending, Class::Bank].map(Account::global);
    let [credits, dollars] = [Class::ExchangeCrd, Class::ExchangeUsd].map(Account::global);
    vec![
        Move::Forced(vec![
            Move::Post { pending: ids.amount, amount: Some(amount.into()) },
            Move::Post { pending: ids.fee, amount: None },
        ]),
        Move::pay(pending, credits, amount),
        Move::pay(dollars, bank, cents),
    ]
}

/// Flow 14. The bank has refused: the lender has everything as before. Only for a certain answer.
#[must_use]
pub fn fail_payout(ids: PayoutIds) -> Vec<Move> {
    [ids.amount, ids.fee].map(|pending| Move::Void { pending }).to_vec()
}

/// Flow 15. A completed payout came back from the bank: the lender has `amount` credits again. The
/// fee stays paid.
#[must_use]
pub fn return_payout(lender: UserId, amount: Credits, cents: Cents) -> Vec<Move> {
    let [bank, dollars] = [Class::Bank, Class::ExchangeUsd].map(Account::global);
    let available = Account::wallet(Bucket::Earned, lender);
    vec![
        Move::pay(bank, dollars, cents),
        Move::pay(Account::global(Class::ExchangeCrd), available, amount),
    ]
}
