//! Moves are what a command asks for; postings are what the log keeps.

use medusa_types::Credits;
use serde::{Deserialize, Serialize};

use crate::Account;

/// A wish to move credits. The kernel turns it into postings or refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Pays each of `to` its amount, drawing on the accounts of `from` in order.
    Split {
        /// Drawn on in this order.
        from: Vec<Account>,
        /// Who gets how much.
        to: Vec<(Account, Credits)>,
    },
    /// Moves `amount` in all along pairs of accounts, each as far as its source reaches: the
    /// order in which a hold draws on the buckets.
    Waterfall {
        /// Source and target of each bucket.
        pairs: Vec<(Account, Account)>,
        /// The sum to move.
        amount: Credits,
    },
    /// Moves whatever the source has.
    Rest {
        /// Emptied.
        from: Account,
        /// Gets it.
        to: Account,
    },
}

/// One leg of an event: an account and what it gained (credit side positive).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting(pub Account, #[serde(with = "micros")] pub Credits);

mod micros {
    //! In the log an amount is a whole number of micro-credits.
    use medusa_types::Credits;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(value: &Credits, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(value.micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Credits, D::Error> {
        i64::deserialize(d).map(Credits::from_micros)
    }
}

/// Why a move was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An amount is negative.
    #[error("an amount is negative")]
    Negative,
    /// The sources together have less than is due.
    #[error("{has} is there, but {due} is due")]
    Short {
        /// What the sources have together.
        has: Credits,
        /// What was to be moved.
        due: Credits,
    },
    /// A balance would leave the range of amounts.
    #[error("the balance of {0} would leave its range")]
    Range(Account),
}

/// Splits `whole` in proportion to `weights` so that the parts sum to it exactly: each part is
/// rounded down, and what is left goes, a micro-credit each, to the largest remainders, earlier
/// ones first. With no weight at all everything goes to the first.
#[must_use]
pub fn split_shares(whole: Credits, weights: &[u64]) -> Vec<Credits> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    let micros = u128::try_from(whole.micros()).unwrap_or_default();
    let mut parts: Vec<(u128, u128)> = weights
        .iter()
        .map(|w| {
            let product = micros.saturating_mul(u128::from(*w));
            let part = product.checked_div(sum).unwrap_or_default();
            (part, product.checked_rem(sum).unwrap_or_default())
        })
        .collect();
    let given: u128 = parts.iter().map(|(part, _)| part).sum();
    let mut left = micros.saturating_sub(given);
    if sum == 0 {
        if let Some(first) = parts.first_mut() {
            first.0 = left;
        }
        left = 0;
    }
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(parts.get(*i).map(|(_, rest)| *rest)));
    for i in order {
        if let Some(part) = parts.get_mut(i).filter(|_| left > 0) {
            part.0 = part.0.saturating_add(1);
            left = left.saturating_sub(1);
        }
    }
    let amount = |part: u128| Credits::from_micros(i64::try_from(part).unwrap_or(i64::MAX));
    parts.into_iter().map(|(part, _)| amount(part)).collect()
}
