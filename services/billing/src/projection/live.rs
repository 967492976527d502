//! Wallets as they change, in Redis: folded from the log's events, so that they can be written anew
//! at any time. The balances of record stand in the books, not here.

use std::collections::{BTreeMap, BTreeSet};

use medusa_api::{LiveEvent, Wallet};
use medusa_eventlog::{EventLog, LiveError, show};
use medusa_events::{Envelope, Fact};
use medusa_ledger::{Account, Amount, Change, Posting, Subject};
use medusa_platform::live::{Post, Shown};
use medusa_types::{JobId, PendingId, UserId};

use crate::domain::{add, is_in_wallet};

/// The first part of the topic `wallet:usr_…`.
pub const KIND: &str = "wallet";

/// Keeps the wallets in Redis current, for ever, and tells who listens to `wallet:usr_…`.
///
/// # Errors
/// [`LiveError`]; that Redis is away is not one.
pub async fn run(log: EventLog, url: String) -> Result<(), LiveError> {
    show(log, url, KIND, Wallets::default(), |wallets, envelope, _| wallets.fold(envelope)).await
}

/// All wallets, whose credits an open job holds, and what is reserved.
#[derive(Default)]
pub(crate) struct Wallets {
    wallets: BTreeMap<UserId, Wallet>,
    payers: BTreeMap<JobId, UserId>,
    reserved: BTreeMap<PendingId, Reserved>,
}

/// An open reservation.
struct Reserved {
    from: Account,
    to: Account,
    amount: Amount,
}

impl Wallets {
    /// Takes an event; answers whose wallet it changed.
    pub(crate) fn fold(&mut self, envelope: &Envelope) -> BTreeSet<UserId> {
        if let Fact::EscrowHeld { job, owner, .. } = &envelope.fact {
            self.payers.insert(*job, *owner);
        }
        let mut changed = BTreeSet::new();
        for Posting(account, amount) in &envelope.postings {
            changed.extend(self.touch(account, *amount, *amount));
        }
        for change in &envelope.changes {
            changed.extend(self.change(change));
        }
        for user in &changed {
            if let Some(wallet) = self.wallets.get_mut(user) {
                wallet.position = envelope.position;
            }
        }
        if let Fact::EscrowReleased { job, .. } = &envelope.fact {
            self.payers.remove(job);
        }
        changed
    }

    fn change(&mut self, change: &Change) -> Vec<UserId> {
        let nothing = Amount::ZERO;
        let touched = match change {
            Change::Reserved { pending, from, to, amount, .. } => {
                let reserved = Reserved { from: *from, to: *to, amount: *amount };
                self.reserved.insert(*pending, reserved);
                let less = amount.checked_neg().unwrap_or_default();
                [self.touch(from, nothing, less), self.touch(to, nothing, nothing)]
            }
            Change::Resolved { pending, .. } => match self.reserved.remove(pending) {
                Some(Reserved { from, to, amount }) => {
                    [self.touch(&from, nothing, amount), self.touch(&to, nothing, nothing)]
                }
                None => [None, None],
            },
            Change::State { account, .. } => [self.touch(account, nothing, nothing), None],
        };
        touched.into_iter().flatten().collect()
    }

    /// Adds what moved on an account and what of it is free; answers whose wallet it is in.
    fn touch(&mut self, account: &Account, amount: Amount, free: Amount) -> Option<UserId> {
        let user = self.owner(account)?;
        add(self.wallets.entry(user).or_default(), account.class(), amount, free);
        Some(user)
    }

    /// A person's wallet.
    #[cfg(test)]
    pub(crate) fn wallet(&self, user: UserId) -> Wallet {
        self.wallets.get(&user).cloned().unwrap_or_default()
    }

    fn owner(&self, account: &Account) -> Option<UserId> {
        match account.subject() {
            Subject::User(user) => is_in_wallet(account.class()).then_some(user),
            Subject::Job(job) => self.payers.get(&job).copied(),
            Subject::House | Subject::Campaign(_) | Subject::Provider(_) => None,
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
