//! Jobs and lenders: what is held, paid, earned and given back (flows 6 to 10 and 19).

use medusa_types::{Credits, JobId, UserId};

use crate::{Account, AccountState, Bucket, Class, Move};

/// Flow 6. Sets aside `amount` for a job out of its owner's credits: gifts first, then ad credits,
/// then bought ones, then earnings, each in an escrow of its own. Refused as a whole when they do
/// not cover it.
#[must_use]
pub fn hold(owner: UserId, job: JobId, amount: Credits) -> Vec<Move> {
    let pair = |bucket| (Account::wallet(bucket, owner), Account::escrow(bucket, job));
    vec![Move::Waterfall { pairs: Bucket::ALL.map(pair).to_vec(), amount: amount.into() }]
}

/// Flow 7. Sets aside more for a job that already holds something; as [`hold`].
#[must_use]
pub fn top_up(owner: UserId, job: JobId, amount: Credits) -> Vec<Move> {
    hold(owner, job, amount)
}

/// Flow 8. Pays for a verified chunk out of the job's escrow, in the order of the buckets: each
/// lender its share, which stays inside the holding period, and the platform its fee. The price of
/// the chunk is the sum; [`crate::settle_shares`] divides it. A chunk is paid once: the operation's
/// id is made of job, chunk and attempt.
#[must_use]
pub fn settle(
    job: JobId,
    shares: impl IntoIterator<Item = (UserId, Credits)>,
    fee: Credits,
) -> Vec<Move> {
    let paid = shares.into_iter().map(|(lender, part)| (Account::lender_pending(lender), part));
    let to = paid.chain([(Account::compute_fee(), fee)]);
    vec![Move::Split {
        from: Bucket::ALL.map(|bucket| Account::escrow(bucket, job)).to_vec(),
        to: to.map(|(account, part)| (account, part.into())).collect(),
    }]
}

/// Flow 8b. Pays for a window of rounds of an iterative task; as [`settle`], once for each window:
/// the operation's id is made of session and number of the window.
#[must_use]
pub fn settle_window(
    job: JobId,
    shares: impl IntoIterator<Item = (UserId, Credits)>,
    fee: Credits,
) -> Vec<Move> {
    settle(job, shares, fee)
}

/// Flow 9. `amount` of a lender's earnings has left the holding period. Which earnings those are,
/// the caller knows; after a clawback it has to count again.
#[must_use]
pub fn mature(lender: UserId, amount: Credits) -> Vec<Move> {
    let available = Account::wallet(Bucket::Earned, lender);
    vec![Move::pay(Account::lender_pending(lender), available, amount)]
}

/// Flow 10. A job has ended, in whatever way: what it did not spend goes back to the buckets that
/// it came from, and its escrow is closed. Nothing can be held for it or paid from it any more.
#[must_use]
pub fn release(job: JobId, owner: UserId) -> Vec<Move> {
    let rest = |bucket| Move::Rest {
        from: Account::escrow(bucket, job),
        to: Account::wallet(bucket, owner),
    };
    let close = |bucket| Move::SetState {
        account: Account::escrow(bucket, job),
        state: AccountState::Closed,
    };
    Bucket::ALL.map(rest).into_iter().chain(Bucket::ALL.map(close)).collect()
}

/// What is taken back of a lender's pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clawback {
    /// Who was paid.
    pub lender: UserId,
    /// What the lender got, in credits.
    pub amount: Credits,
    /// What the platform got, in credits.
    pub fee: Credits,
    /// Who gets both: the job's escrow of the bucket that had paid, or, once that is closed, the
    /// owner's wallet of this bucket; what fraud cost us, when it is for no single chunk.
    pub back_to: Account,
}

/// Flow 19. Takes back what a lender was paid for a wrong result: out of pending earnings first,
/// then out of available ones; what is missing becomes the lender's debt. Frozen earnings are no
/// obstacle. Pay out of several buckets is taken back with one clawback for each.
#[must_use]
pub fn claw_back(back: &Clawback) -> Vec<Move> {
    let sources = [
        Account::lender_pending(back.lender),
        Account::wallet(Bucket::Earned, back.lender),
        Account::of_user(Class::ReceivableLender, back.lender),
    ];
    let pairs = sources.map(|from| (from, back.back_to)).to_vec();
    vec![
        Move::Forced(vec![Move::Waterfall { pairs, amount: back.amount.into() }]),
        Move::pay(Account::compute_fee(), back.back_to, back.fee),
    ]
}
