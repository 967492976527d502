//! What a person's wallet is made of.

use medusa_api::Wallet;
use medusa_ledger::{Account, Amount, Bucket, Class};
use medusa_types::UserId;

/// All accounts that are a person's own. Escrow belongs to jobs.
pub(crate) fn accounts_of(user: UserId) -> Vec<Account> {
    let spendable = Bucket::ALL.map(|bucket| Account::wallet(bucket, user));
    spendable.into_iter().chain([Account::lender_pending(user)]).collect()
}

/// Whether accounts of this class are part of somebody's wallet.
pub(crate) fn is_in_wallet(class: Class) -> bool {
    slot(&mut Wallet::default(), class).is_some()
}

/// Adds what stands in, or moved on, an account of this class, and what of it is free: not
/// reserved. Escrow must be the person's own jobs'. Amounts of other classes are nobody's wallet.
pub(crate) fn add(wallet: &mut Wallet, class: Class, amount: Amount, free: Amount) {
    let Some((slot, spendable)) = slot(wallet, class) else { return };
    *slot = slot.saturating_add(amount.credits());
    if spendable {
        wallet.available = wallet.available.saturating_add(free.credits());
    }
}

/// Where amounts of a class stand in the wallet, and whether they can be spent.
fn slot(wallet: &mut Wallet, class: Class) -> Option<(&mut medusa_types::Credits, bool)> {
    match class {
        Class::ConsumerPaid => Some((&mut wallet.paid, true)),
        Class::ConsumerAd => Some((&mut wallet.ad, true)),
        Class::ConsumerPromo => Some((&mut wallet.promo, true)),
        Class::LenderAvailable => Some((&mut wallet.earned, true)),
        Class::LenderPending => Some((&mut wallet.earned_pending, false)),
        Class::EscrowPaid | Class::EscrowAd | Class::EscrowPromo | Class::EscrowEarned => {
            Some((&mut wallet.held, false))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::Credits;

    use super::*;

    #[test]
    fn earnings_in_their_holding_period_and_reserved_credits_cannot_be_spent() {
        let mut wallet = Wallet::default();
        let of = |class: Class| i64::from(class.code());
        for class in Class::ALL {
            add(&mut wallet, *class, Amount::new(of(*class)), Amount::new(of(*class) - 1));
        }
        let spendable = [wallet.paid, wallet.ad, wallet.promo, wallet.earned];
        let sum = spendable.into_iter().fold(Credits::ZERO, Credits::saturating_add);
        assert_eq!(wallet.available.micros(), sum.micros() - 4, "one of each is reserved");
        assert_eq!(wallet.earned_pending.micros(), of(Class::LenderPending));
        assert_eq!(wallet.held.micros(), 2200 + 2201 + 2202 + 2203);
    }

    #[test]
    fn a_wallet_has_the_accounts_of_a_person_and_the_escrow_of_jobs() {
        let classes: Vec<&str> =
            Class::ALL.iter().filter(|class| is_in_wallet(**class)).map(|c| c.name()).collect();
        let expected = [
            "consumer.paid",
            "consumer.ad",
            "consumer.promo",
            "lender.pending",
            "lender.available",
            "escrow.paid",
            "escrow.ad",
            "escrow.promo",
            "escrow.earned",
        ];
        assert_eq!(classes, expected);
        let own = accounts_of(UserId(medusa_types::Uuid::from_u128(1)));
        assert!(own.iter().all(|account| is_in_wallet(account.class())));
    }
}
