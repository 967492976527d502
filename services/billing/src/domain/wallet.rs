//! What a person's wallet is made of.

use medusa_api::Wallet;
use medusa_ledger::{Account, Bucket, Class};
use medusa_types::{Credits, UserId};

/// The accounts that a person spends from.
pub(crate) fn spendable(user: UserId) -> Vec<Account> {
    Bucket::ALL.map(|bucket| Account::wallet(bucket, user)).to_vec()
}

/// All accounts that are a person's own. Escrow belongs to jobs.
pub(crate) fn accounts_of(user: UserId) -> Vec<Account> {
    let mut accounts = spendable(user);
    accounts.push(Account::lender_pending(user));
    accounts
}

/// Adds what stands in, or moved on, an account of this class. Escrow must be the person's own
/// jobs'. Amounts of other classes are nobody's wallet.
pub(crate) fn add(wallet: &mut Wallet, class: Class, amount: Credits) {
    let (slot, spendable) = match class {
        Class::ConsumerPaid => (&mut wallet.paid, true),
        Class::ConsumerAd => (&mut wallet.ad, true),
        Class::ConsumerPromo => (&mut wallet.promo, true),
        Class::LenderAvailable => (&mut wallet.earned, true),
        Class::LenderPending => (&mut wallet.earned_pending, false),
        Class::EscrowPaid | Class::EscrowAd | Class::EscrowPromo | Class::EscrowEarned => {
            (&mut wallet.held, false)
        }
        _ => return,
    };
    *slot = slot.saturating_add(amount);
    if spendable {
        wallet.available = wallet.available.saturating_add(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earnings_in_their_holding_period_cannot_be_spent() {
        let mut wallet = Wallet::default();
        for (n, class) in (1..).zip(Class::ALL) {
            add(&mut wallet, *class, Credits::from_micros(n));
        }
        let spendable = [wallet.paid, wallet.ad, wallet.promo, wallet.earned];
        let sum = spendable.into_iter().fold(Credits::ZERO, Credits::saturating_add);
        assert_eq!(wallet.available, sum);
        assert_eq!(wallet.earned_pending, Credits::from_micros(4));
        assert_eq!(wallet.held, Credits::from_micros(6 + 7 + 8 + 9));
    }
}
