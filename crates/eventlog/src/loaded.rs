//! The writer's look at stored books before it decides by them. Nothing was moved that the other
//! side of the same entry does not show, and what is reserved is what open reservations hold: a
//! balance that was changed by itself is found here. One that was changed together with another is
//! found by the rounds over the whole log, which need minutes.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _};
use medusa_ledger::{Account, Amount, Pending, Standing};
use medusa_types::PendingId;

use crate::error::LogError;

/// Refuses books that cannot have come from a log.
///
/// # Errors
/// [`LogError::Corrupt`] says what does not add up and what to do.
pub(crate) fn check(
    accounts: &[(Account, Standing)],
    open: &[(PendingId, Pending)],
) -> Result<(), LogError> {
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for (account, standing) in accounts {
        let sum = sums.entry(account.currency().code()).or_default();
        *sum = sum.saturating_add(standing.posted.units().into());
    }
    if let Some((currency, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
        return Err(wrong(&format!("the stored balances in {currency} sum to {sum}")));
    }
    let mut held: HashMap<Account, (i128, i128)> = HashMap::new();
    for (_, pending) in open {
        let units = i128::from(pending.amount.units());
        let (debits, _) = held.entry(pending.from).or_default();
        *debits = debits.saturating_add(units);
        let (_, credits) = held.entry(pending.to).or_default();
        *credits = credits.saturating_add(units);
    }
    for (account, standing) in accounts {
        let stored = |amount: Amount| i128::from(amount.units());
        let stored = (stored(standing.debits_pending), stored(standing.credits_pending));
        if stored != held.remove(account).unwrap_or_default() {
            return Err(wrong(&format!(
                "what is stored as reserved on {account} is not what open reservations hold"
            )));
        }
    }
    match held.into_keys().next() {
        Some(account) => Err(wrong(&format!("{account} has a reservation and is not stored"))),
        None => Ok(()),
    }
}

fn wrong(what: &str) -> LogError {
    LogError::Corrupt(format!("{what}; build them anew with `medusa-server rebuild books`"))
}
