//! What the house gives, takes, corrects and freezes (flows 20 and 22 to 24).

use std::collections::BTreeMap;

use medusa_types::{Credits, UserId};

use crate::{Account, AccountState, Amount, Bucket, Class, Currency, Move, Posting};

/// Flow 20. A gift to a person.
#[must_use]
pub fn grant(user: UserId, amount: Credits) -> Vec<Move> {
    vec![Move::pay(Account::promo_grant(), Account::wallet(Bucket::Promo, user), amount)]
}

/// Flow 20, back. `amount` of a person's gifts has expired unspent.
#[must_use]
pub fn expire_grant(user: UserId, amount: Credits) -> Vec<Move> {
    vec![Move::pay(Account::wallet(Bucket::Promo, user), Account::promo_grant(), amount)]
}

/// Flow 22. Two admins move `amount` to an account, or away from it where it is negative. The other
/// side waits in suspense until it is explained. A frozen account is no obstacle.
#[must_use]
pub fn adjust(account: Account, amount: Amount) -> Vec<Move> {
    vec![Move::Forced(vec![signed(Account::global(Class::SuspenseAdjustment), account, amount)])]
}

/// Flow 22, later. The account `by` of the house bears an adjustment of this `amount`, which has
/// the sign that it had in [`adjust`].
#[must_use]
pub fn explain_adjustment(by: Account, amount: Amount) -> Vec<Move> {
    vec![signed(by, Account::global(Class::SuspenseAdjustment), amount)]
}

/// A payment, or the way back where the amount is negative.
fn signed(from: Account, to: Account, amount: Amount) -> Move {
    match amount.checked_neg().filter(|back| back.is_positive()) {
        Some(back) => Move::pay(to, from, back),
        None => Move::pay(from, to, amount),
    }
}

/// Flow 23. Undoes what an event moved: every account gains what it had lost. The event that is
/// meant instead comes after it, in the same chain. `None` when the postings do not sum to zero in
/// each currency, as those of an event do. Reservations and states are not undone.
#[must_use]
pub fn correct(postings: &[Posting]) -> Option<Vec<Move>> {
    let mut gained: BTreeMap<Account, i128> = BTreeMap::new();
    for Posting(account, amount) in postings {
        let sum = gained.entry(*account).or_default();
        *sum = sum.saturating_add(i128::from(amount.units()));
    }
    let mut moves = Vec::new();
    for currency in Currency::ALL {
        let of = || gained.iter().filter(|(account, _)| account.currency() == currency);
        let from = of().filter(|(_, sum)| **sum > 0).map(|(a, sum)| (*a, *sum)).collect();
        let to = of().filter(|(_, sum)| **sum < 0).map(|(a, sum)| (*a, sum.saturating_neg()));
        moves.extend(pair_up(from, to.collect())?);
    }
    Some(vec![Move::Forced(moves)])
}

/// Payments in which every account of `from` gives, and every one of `to` gets, exactly its amount.
fn pair_up(mut from: Vec<(Account, i128)>, mut to: Vec<(Account, i128)>) -> Option<Vec<Move>> {
    let mut moves = Vec::new();
    while let (Some((giver, has)), Some((taker, due))) = (from.last_mut(), to.last_mut()) {
        let part = i64::try_from((*has).min(*due)).unwrap_or(i64::MAX);
        moves.push(Move::pay(*giver, *taker, Amount::new(part)));
        *has = has.saturating_sub(i128::from(part));
        *due = due.saturating_sub(i128::from(part));
        from.pop_if(|(_, has)| *has == 0);
        to.pop_if(|(_, due)| *due == 0);
    }
    (from.is_empty() && to.is_empty()).then_some(moves)
}

/// Flow 24. Keeps back `amount` of a lender's available earnings for a tax authority, in the chain
/// of the payout.
#[must_use]
pub fn withhold_tax(lender: UserId, amount: Credits) -> Vec<Move> {
    let owed = Account::global(Class::TaxWithheld);
    vec![Move::pay(Account::wallet(Bucket::Earned, lender), owed, amount)]
}

/// What is frozen of a person: everything that could be spent, paid out or become so.
const FROZEN: [Class; 6] = [
    Class::ConsumerPaid,
    Class::ConsumerAd,
    Class::ConsumerPromo,
    Class::LenderPending,
    Class::LenderAvailable,
    Class::AdvertiserBalance,
];

/// Freezes a person's accounts: what comes in is kept, nothing leaves but by the hand of the house.
/// Accounts that are closed become frozen too.
#[must_use]
pub fn freeze(user: UserId) -> Vec<Move> {
    become_all(user, AccountState::Frozen)
}

/// Opens a person's accounts again; also those that were closed.
#[must_use]
pub fn unfreeze(user: UserId) -> Vec<Move> {
    become_all(user, AccountState::Open)
}

fn become_all(user: UserId, state: AccountState) -> Vec<Move> {
    FROZEN.map(|class| Move::SetState { account: Account::of_user(class, user), state }).to_vec()
}
