//! Wallets as they change, in Redis: folded from the postings of the log, so that they can be
//! written anew at any time. The balances of record stand beside the events, not here.

use std::collections::{BTreeMap, BTreeSet};

use medusa_api::{LiveEvent, Wallet};
use medusa_eventlog::{EventLog, LiveError, show};
use medusa_events::{Envelope, Fact};
use medusa_ledger::{Account, Class, Posting};
use medusa_platform::live::{Post, Shown};
use medusa_types::{JobId, UserId};

use crate::domain::add;

/// The first part of the topic `wallet:usr_…`.
pub const KIND: &str = "wallet";

/// Keeps the wallets in Redis current, for ever, and tells who listens to `wallet:usr_…`.
///
/// # Errors
/// [`LiveError`]; that Redis is away is not one.
pub async fn run(log: EventLog, url: String) -> Result<(), LiveError> {
    show(log, url, KIND, Wallets::default(), |wallets, envelope, _| wallets.fold(envelope)).await
}

/// All wallets, and whose credits an open job holds.
#[derive(Default)]
pub(crate) struct Wallets {
    wallets: BTreeMap<UserId, Wallet>,
    payers: BTreeMap<JobId, UserId>,
}

impl Wallets {
    /// Takes an event; answers whose wallet it changed.
    pub(crate) fn fold(&mut self, envelope: &Envelope) -> BTreeSet<UserId> {
        if let Fact::EscrowHeld { job, owner, .. } = &envelope.fact {
            self.payers.insert(*job, *owner);
        }
        let mut changed = BTreeSet::new();
        for Posting(account, amount) in &envelope.postings {
            if let Some(user) = self.owner(account) {
                let wallet = self.wallets.entry(user).or_default();
                add(wallet, account.class(), *amount);
                wallet.position = envelope.position;
                changed.insert(user);
            }
        }
        if let Fact::EscrowReleased { job, .. } = &envelope.fact {
            self.payers.remove(job);
        }
        changed
    }

    /// A person's wallet.
    #[cfg(test)]
    pub(crate) fn wallet(&self, user: UserId) -> Wallet {
        self.wallets.get(&user).cloned().unwrap_or_default()
    }

    fn owner(&self, account: &Account) -> Option<UserId> {
        match account.class() {
            Class::EscrowPaid | Class::EscrowAd | Class::EscrowPromo | Class::EscrowEarned => {
                self.payers.get(&account.subject().parse().ok()?).copied()
            }
            _ => account.subject().parse().ok(),
        }
    }
}

impl Shown<UserId> for Wallets {
    fn post(&mut self, id: &UserId) -> Option<Post> {
        let wallet = self.wallets.get(id)?.clone();
        let position = wallet.position;
        Some(Post { position, whole: LiveEvent::Wallet(wallet), change: None, last: false })
    }

    fn ended(&mut self, _: &UserId) {}

    fn all(&self) -> Vec<UserId> {
        self.wallets.keys().copied().collect()
    }
}
