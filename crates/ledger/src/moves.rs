//! Moves are what a command asks for; postings and changes are what the log keeps.

use medusa_types::{PendingId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Account, Amount};

/// A wish to move amounts. The kernel turns it into postings or refuses it. An amount of nothing is
/// accepted and posts nothing; but for reservations, it asks nothing of the accounts either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Pays each of `to` its amount, drawing on the accounts of `from` in order.
    Split {
        /// Drawn on in this order.
        from: Vec<Account>,
        /// Who gets how much.
        to: Vec<(Account, Amount)>,
    },
    /// Moves `amount` in all along pairs of accounts, each as far as its source reaches: the
    /// order in which a hold draws on the buckets.
    Waterfall {
        /// Source and target of each bucket.
        pairs: Vec<(Account, Account)>,
        /// The sum to move.
        amount: Amount,
    },
    /// Moves whatever the source has, as far as the target may be credited.
    Rest {
        /// Emptied.
        from: Account,
        /// Gets it.
        to: Account,
    },
    /// Moves `amount`, or what is there if that is less, or what the target may be credited if that
    /// is less still.
    UpTo {
        /// Gives.
        from: Account,
        /// Gets it.
        to: Account,
        /// The most that is moved.
        amount: Amount,
    },
    /// Sets an amount aside: it can be spent no more, and is moved or freed later, once. A
    /// reservation of nothing is one too.
    Reserve {
        /// The caller's own id for it, never used again.
        pending: PendingId,
        /// Gives.
        from: Account,
        /// Will get it.
        to: Account,
        /// How much.
        amount: Amount,
        /// When it is freed by itself; never without.
        expires_at: Option<Timestamp>,
    },
    /// Moves what was reserved, or a part of it; the rest is freed. The accounts must be open to it
    /// as to any move.
    Post {
        /// The reservation.
        pending: PendingId,
        /// How much; all of it without.
        amount: Option<Amount>,
    },
    /// Frees what was reserved.
    Void {
        /// The reservation.
        pending: PendingId,
    },
    /// Frees what was reserved because its time is over. Only the sequencer asks for it.
    Expire {
        /// The reservation.
        pending: PendingId,
    },
    /// Opens, freezes or closes an account.
    SetState {
        /// The account.
        account: Account,
        /// What it becomes.
        state: AccountState,
    },
    /// Moves that the house makes also out of frozen accounts.
    Forced(Vec<Self>),
}

impl Move {
    /// Moves exactly this amount from one account to another.
    #[must_use]
    pub fn pay(from: Account, to: Account, amount: impl Into<Amount>) -> Self {
        Self::Split { from: vec![from], to: vec![(to, amount.into())] }
    }
}

/// Whether amounts may move on an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// They may.
    #[default]
    Open,
    /// Nothing leaves but by the hand of the house; what comes in is kept.
    Frozen,
    /// Nothing moves; what was reserved before can still be freed.
    Closed,
}

impl AccountState {
    /// `open`, `frozen` or `closed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Closed => "closed",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Frozen, Self::Closed].into_iter().find(|state| state.name() == name)
    }
}

/// One leg of an event: an account and what it gained (credit side positive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting(pub Account, pub Amount);

/// How a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Moved, whole or in part.
    Posted,
    /// Freed.
    Voided,
    /// Freed by the clock.
    Expired,
}

/// What an event changes besides balances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// An amount was set aside.
    Reserved {
        /// The reservation.
        pending: PendingId,
        /// Gives.
        from: Account,
        /// Will get it.
        to: Account,
        /// How much.
        amount: Amount,
        /// When it is freed by itself.
        expires_at: Option<Timestamp>,
    },
    /// A reservation ended.
    Resolved {
        /// The reservation.
        pending: PendingId,
        /// How.
        how: Resolution,
        /// How much of it was moved; the same event has the postings.
        amount: Amount,
    },
    /// An account was opened, frozen or closed.
    State {
        /// The account.
        account: Account,
        /// What it became.
        state: AccountState,
    },
}

/// What accepted moves come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What moved; sums to zero in each currency.
    pub postings: Vec<Posting>,
    /// What else changed.
    pub changes: Vec<Change>,
}
