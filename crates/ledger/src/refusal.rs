//! Why moves are refused: one reason for each situation. When several apply to a move, the one that
//! stands first here is given; of several moves, the first that is refused.

use medusa_types::PendingId;

use crate::{Account, Amount};

/// Why a move was refused. The order of the variants is the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An amount is negative.
    #[error("an amount is negative")]
    Negative,
    /// An amount would move from an account to itself.
    #[error("{0} would pay itself")]
    SameAccount(Account),
    /// Two currencies in one move.
    #[error("{0} and {1} have different currencies")]
    Currency(Account, Account),
    /// The id of a reservation was used before.
    #[error("the reservation {0} exists")]
    PendingExists(PendingId),
    /// A reservation would be over before it begins.
    #[error("the reservation {0} would have expired before it begins")]
    ExpiryPast(PendingId),
    /// There is no such reservation.
    #[error("there is no reservation {0}")]
    PendingMissing(PendingId),
    /// The reservation was posted before.
    #[error("the reservation {0} was posted before")]
    PendingPosted(PendingId),
    /// The reservation was voided before.
    #[error("the reservation {0} was voided before")]
    PendingVoided(PendingId),
    /// The reservation has expired.
    #[error("the reservation {0} has expired")]
    PendingExpired(PendingId),
    /// The time of the reservation is not over, or it has none.
    #[error("the reservation {0} has not expired")]
    PendingNotDue(PendingId),
    /// More is to be posted than was reserved.
    #[error("{wanted} of the reservation were to be posted, and {reserved} were reserved", wanted = currency.show(*.wanted), reserved = currency.show(*.reserved))]
    PendingExceeded {
        /// The currency of both amounts.
        currency: crate::Currency,
        /// What was reserved.
        reserved: Amount,
        /// What was to be posted.
        wanted: Amount,
    },
    /// The account is closed.
    #[error("the account {0} is closed")]
    Closed(Account),
    /// The account is frozen.
    #[error("the account {0} is frozen")]
    Frozen(Account),
    /// The sources together have less than is due.
    #[error("{has} is there, but {due} is due", has = currency.show(*.has), due = currency.show(*.due))]
    Short {
        /// The currency of both amounts.
        currency: crate::Currency,
        /// What the sources have together.
        has: Amount,
        /// What was to be moved.
        due: Amount,
    },
    /// More would be credited to an account than it was debited.
    #[error("{account} would be credited {due}, and has {has} to be credited", has = account.currency().show(*.has), due = account.currency().show(*.due))]
    Over {
        /// The account.
        account: Account,
        /// What can be credited.
        has: Amount,
        /// What was to be credited.
        due: Amount,
    },
    /// A balance would leave the range of amounts.
    #[error("the balance of {0} would leave its range")]
    Range(Account),
}

impl Refusal {
    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Negative => "billing.amount_negative",
            Self::SameAccount(_) => "billing.same_account",
            Self::Currency(..) => "billing.currency_mismatch",
            Self::PendingExists(_) => "billing.pending_exists",
            Self::ExpiryPast(_) => "billing.expiry_past",
            Self::PendingMissing(_) => "billing.pending_missing",
            Self::PendingPosted(_) => "billing.pending_posted",
            Self::PendingVoided(_) => "billing.pending_voided",
            Self::PendingExpired(_) => "billing.pending_expired",
            Self::PendingNotDue(_) => "billing.pending_not_due",
            Self::PendingExceeded { .. } => "billing.pending_exceeded",
            Self::Closed(_) => "billing.account_closed",
            Self::Frozen(_) => "billing.account_frozen",
            Self::Short { .. } => "billing.credits_short",
            Self::Over { .. } => "billing.debits_short",
            Self::Range(_) => "billing.amount_out_of_range",
        }
    }

    /// Whether the same moves might be accepted at another time. The id of such a command stays
    /// refused, so that a late repetition cannot do what its sender has given up.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::PendingMissing(_)
                | Self::PendingNotDue(_)
                | Self::Closed(_)
                | Self::Frozen(_)
                | Self::Short { .. }
                | Self::Over { .. }
                | Self::Range(_)
        )
    }
}
