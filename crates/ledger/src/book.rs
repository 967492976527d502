//! The books: what stands on every account, and every reservation. Changed only by keeping a
//! draft; what was kept since the last commit can be taken back.

use std::collections::{BTreeSet, VecDeque};

use foldhash::HashMap;
use medusa_types::{PendingId, Timestamp};

use crate::{Account, AccountState, Amount, Draft, Limit, Refusal};

/// What stands on an account. Accounts that were never touched have nothing and are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The balance, credit side positive.
    pub posted: Amount,
    /// Set aside to leave.
    pub debits_pending: Amount,
    /// Set aside elsewhere to come in.
    pub credits_pending: Amount,
    /// Whether amounts may move on it.
    pub state: AccountState,
}

impl Standing {
    /// What can leave the account; `None` when there is no end to it.
    #[must_use]
    pub fn reach(&self, account: &Account) -> Option<Amount> {
        // What cannot be told is nothing, never no end.
        let has = || self.posted.checked_sub(self.debits_pending).unwrap_or(Amount::ZERO);
        (account.class().limit() == Limit::Debits).then(|| has().max(Amount::ZERO))
    }

    /// What can come in; `None` when there is no end to it.
    #[must_use]
    pub fn room(&self, account: &Account) -> Option<Amount> {
        let free = || {
            let sum = self.posted.checked_add(self.credits_pending).unwrap_or(Amount::ZERO);
            sum.checked_neg().unwrap_or(Amount::MAX)
        };
        (account.class().limit() == Limit::Credits).then(|| free().max(Amount::ZERO))
    }

    /// Whether the limit of the account's class holds.
    #[must_use]
    pub fn is_within(&self, account: &Account) -> bool {
        match account.class().limit() {
            Limit::Debits => self.posted >= self.debits_pending,
            Limit::Credits => {
                self.posted.checked_add(self.credits_pending).is_some_and(|sum| !sum.is_positive())
            }
            Limit::Free => true,
        }
    }

    /// How far the account is beyond the limit of its class.
    pub(crate) fn excess(&self, account: &Account) -> Amount {
        let beyond = match account.class().limit() {
            Limit::Debits => self.debits_pending.checked_sub(self.posted),
            Limit::Credits => self.posted.checked_add(self.credits_pending),
            Limit::Free => Some(Amount::ZERO),
        };
        beyond.unwrap_or(Amount::MAX).max(Amount::ZERO)
    }
}

/// Where a reservation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingState {
    /// It waits.
    Open,
    /// It was moved, whole or in part.
    Posted,
    /// It was freed.
    Voided,
    /// The clock freed it.
    Expired,
}

/// A reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Gives.
    pub from: Account,
    /// Will get it.
    pub to: Account,
    /// How much was set aside.
    pub amount: Amount,
    /// When it is freed by itself.
    pub expires_at: Option<Timestamp>,
    /// Where it is.
    pub state: PendingState,
}

impl Pending {
    /// Whether its time is over at this moment.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether so much was set aside.
    pub(crate) fn check_covers(&self, wanted: Amount) -> Result<(), Refusal> {
        let (currency, reserved) = (self.from.currency(), self.amount);
        let covered = wanted <= reserved;
        covered.then_some(()).ok_or(Refusal::PendingExceeded { currency, reserved, wanted })
    }
}

/// One thing as it was before a draft was kept.
#[derive(Clone, Debug)]
enum Undo {
    Account(Account, Option<Standing>),
    Pending(PendingId, Option<Pending>),
}

/// A place in the history since the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// Every account and every reservation.
#[derive(Clone, Debug, Default)]
pub struct Book {
    accounts: HashMap<Account, Standing>,
    pendings: HashMap<PendingId, Pending>,
    /// Open reservations by the time of their end.
    due: BTreeSet<(Timestamp, PendingId)>,
    journal: VecDeque<Undo>,
    /// How much of the history is final and forgotten.
    settled: usize,
}

impl Book {
    /// A book with these accounts and reservations.
    #[must_use]
    pub fn load(
        accounts: impl IntoIterator<Item = (Account, Standing)>,
        pendings: impl IntoIterator<Item = (PendingId, Pending)>,
    ) -> Self {
        let mut book = Self { accounts: accounts.into_iter().collect(), ..Self::default() };
        for (id, pending) in pendings {
            book.learn(id, pending);
        }
        book
    }

    /// What stands on an account.
    #[must_use]
    pub fn standing(&self, account: &Account) -> Standing {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// The balance of an account, credit side positive.
    #[must_use]
    pub fn balance(&self, account: &Account) -> Amount {
        self.standing(account).posted
    }

    /// A reservation, open or not; `None` when it is not known.
    #[must_use]
    pub fn pending(&self, id: &PendingId) -> Option<&Pending> {
        self.pendings.get(id)
    }

    /// All accounts that were ever touched, in order.
    #[must_use]
    pub fn accounts(&self) -> Vec<(Account, Standing)> {
        let mut all: Vec<_> = self.accounts.iter().map(|(a, s)| (*a, *s)).collect();
        all.sort_unstable_by_key(|(account, _)| *account);
        all
    }

    /// All known reservations, in order of their ids.
    #[must_use]
    pub fn pendings(&self) -> Vec<(PendingId, Pending)> {
        let mut all: Vec<_> = self.pendings.iter().map(|(id, p)| (*id, *p)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Open reservations whose time is over, first ones first.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Vec<PendingId> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    /// When the next reservation frees itself.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes in a reservation that was stored elsewhere.
    pub fn learn(&mut self, id: PendingId, pending: Pending) {
        self.put_pending(id, Some(pending));
    }

    /// Drops a reservation that has ended and is stored elsewhere. Open ones stay.
    pub fn forget(&mut self, id: &PendingId) {
        if self.pendings.get(id).is_some_and(|p| p.state != PendingState::Open) {
            self.pendings.remove(id);
        }
    }

    /// Begins a draft.
    #[must_use]
    pub const fn draft(&self) -> Draft<'_> {
        Draft::new(self)
    }

    /// Keeps what a draft changed.
    pub fn keep(&mut self, changed: crate::draft::Changed) {
        for (account, standing) in changed.accounts {
            let before = self.accounts.insert(account, standing);
            self.journal.push_back(Undo::Account(account, before));
        }
        for (id, pending) in changed.pendings {
            let before = self.put_pending(id, Some(pending));
            self.journal.push_back(Undo::Pending(id, before));
        }
    }

    /// The present place, to go back to.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.settled.saturating_add(self.journal.len()))
    }

    /// Takes back everything that was kept since the mark.
    pub fn roll_back(&mut self, mark: Mark) {
        while self.mark() > mark {
            match self.journal.pop_back() {
                Some(Undo::Account(account, Some(before))) => {
                    self.accounts.insert(account, before);
                }
                Some(Undo::Account(account, None)) => {
                    self.accounts.remove(&account);
                }
                Some(Undo::Pending(id, before)) => {
                    self.put_pending(id, before);
                }
                None => return,
            }
        }
    }

    /// Everything kept before the mark is final; marks from before it must not be used any more.
    pub fn commit(&mut self, mark: Mark) {
        while self.settled < mark.0 && self.journal.pop_front().is_some() {
            self.settled = self.settled.saturating_add(1);
        }
    }

    fn put_pending(&mut self, id: PendingId, pending: Option<Pending>) -> Option<Pending> {
        let before = match pending {
            Some(pending) => self.pendings.insert(id, pending),
            None => self.pendings.remove(&id),
        };
        let due = |p: Option<Pending>| {
            p.filter(|p| p.state == PendingState::Open).and_then(|p| p.expires_at)
        };
        if let Some(at) = due(before) {
            self.due.remove(&(at, id));
        }
        if let Some(at) = due(pending) {
            self.due.insert((at, id));
        }
        before
    }
}
