//! Drafts over the books: a chain of events is tried on a draft and either kept whole or dropped
//! whole. Here is what changes a draft; how moves are judged is in `evaluate`.

use std::collections::BTreeMap;

use medusa_types::PendingId;

use crate::{
    Account, AccountState, Amount, Book, Change, Pending, PendingState, Posting, Refusal,
    Resolution, Standing,
};

/// What a draft changed, to be kept.
#[derive(Debug, Default)]
pub struct Changed {
    pub(crate) accounts: BTreeMap<Account, Standing>,
    pub(crate) pendings: BTreeMap<PendingId, Pending>,
}

/// The books as they would be after the moves so far.
#[derive(Debug)]
pub struct Draft<'a> {
    book: &'a Book,
    changed: Changed,
    /// Whether moves may leave frozen accounts.
    pub(crate) forced: bool,
}

impl<'a> Draft<'a> {
    pub(crate) const fn new(book: &'a Book) -> Self {
        let changed = Changed { accounts: BTreeMap::new(), pendings: BTreeMap::new() };
        Self { book, changed, forced: false }
    }

    /// What stands on an account in this draft.
    #[must_use]
    pub fn standing(&self, account: &Account) -> Standing {
        let changed = self.changed.accounts.get(account).copied();
        changed.unwrap_or_else(|| self.book.standing(account))
    }

    /// The balance of an account in this draft.
    #[must_use]
    pub fn balance(&self, account: &Account) -> Amount {
        self.standing(account).posted
    }

    /// What the draft changed, to be kept.
    #[must_use]
    pub fn into_changed(self) -> Changed {
        self.changed
    }

    /// Applies the effects of one event that were decided before, as when the log is read again.
    /// Time and account states are not asked again; what was decided once stays decided.
    ///
    /// # Errors
    /// [`Refusal`] when they break a limit, leave the range, or a reservation is not as they say;
    /// the draft must then be dropped.
    pub fn replay(&mut self, postings: &[Posting], changes: &[Change]) -> Result<(), Refusal> {
        let mut touched = BTreeMap::new();
        for Posting(account, amount) in postings {
            touched.entry(*account).or_insert_with(|| self.standing(account));
            self.add(account, *amount)?;
        }
        for change in changes {
            if let Change::Reserved { from, to, .. } = change {
                for account in [from, to] {
                    touched.entry(*account).or_insert_with(|| self.standing(account));
                }
            }
            self.replay_change(change)?;
        }
        touched.iter().try_for_each(|(account, before)| self.check_within(account, before))
    }

    fn replay_change(&mut self, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::Reserved { pending, from, to, amount, expires_at } => {
                if amount.is_negative() {
                    return Err(Refusal::Negative);
                }
                if self.pending(pending).is_some() {
                    return Err(Refusal::PendingExists(*pending));
                }
                let state = PendingState::Open;
                let (from, to, amount, expires_at) = (*from, *to, *amount, *expires_at);
                self.set_aside(*pending, Pending { from, to, amount, expires_at, state })
            }
            Change::Resolved { pending, how, amount } => {
                if amount.is_negative() {
                    return Err(Refusal::Negative);
                }
                let found = self.open(pending)?;
                found.check_covers(*amount)?;
                self.resolve(*pending, found, *how)
            }
            Change::State { account, state } => {
                self.set_state(account, *state);
                Ok(())
            }
        }
    }

    /// Whether the limit holds on an account that stood so before the event.
    fn check_within(&self, account: &Account, before: &Standing) -> Result<(), Refusal> {
        let after = self.standing(account);
        if after.is_within(account) {
            return Ok(());
        }
        // What came in counts against what went out.
        let due = |has: Amount| has.checked_add(after.excess(account)).unwrap_or(Amount::MAX);
        let currency = account.currency();
        match (before.reach(account), before.room(account)) {
            (Some(has), _) => Err(Refusal::Short { currency, has, due: due(has) }),
            (None, Some(has)) => Err(Refusal::Over { account: *account, has, due: due(has) }),
            (None, None) => Ok(()),
        }
    }

    /// A reservation as it is in this draft.
    pub(crate) fn pending(&self, id: &PendingId) -> Option<Pending> {
        self.changed.pendings.get(id).or_else(|| self.book.pending(id)).copied()
    }

    /// A reservation that was not resolved yet.
    pub(crate) fn open(&self, id: &PendingId) -> Result<Pending, Refusal> {
        let found = self.pending(id).ok_or(Refusal::PendingMissing(*id))?;
        match found.state {
            PendingState::Open => Ok(found),
            PendingState::Posted => Err(Refusal::PendingPosted(*id)),
            PendingState::Voided => Err(Refusal::PendingVoided(*id)),
            PendingState::Expired => Err(Refusal::PendingExpired(*id)),
        }
    }

    pub(crate) fn set_aside(&mut self, id: PendingId, pending: Pending) -> Result<(), Refusal> {
        self.set_aside_more(&pending, pending.amount)?;
        self.changed.pendings.insert(id, pending);
        Ok(())
    }

    pub(crate) fn resolve(
        &mut self,
        id: PendingId,
        found: Pending,
        how: Resolution,
    ) -> Result<(), Refusal> {
        let back = found.amount.checked_neg().ok_or(Refusal::Negative)?;
        self.set_aside_more(&found, back)?;
        let state = match how {
            Resolution::Posted => PendingState::Posted,
            Resolution::Voided => PendingState::Voided,
            Resolution::Expired => PendingState::Expired,
        };
        self.changed.pendings.insert(id, Pending { state, ..found });
        Ok(())
    }

    fn set_aside_more(&mut self, pending: &Pending, amount: Amount) -> Result<(), Refusal> {
        let more = |before: Amount, account: Account| {
            before.checked_add(amount).ok_or(Refusal::Range(account))
        };
        let mut from = self.standing(&pending.from);
        from.debits_pending = more(from.debits_pending, pending.from)?;
        self.changed.accounts.insert(pending.from, from);
        let mut to = self.standing(&pending.to);
        to.credits_pending = more(to.credits_pending, pending.to)?;
        self.changed.accounts.insert(pending.to, to);
        Ok(())
    }

    pub(crate) fn set_state(&mut self, account: &Account, state: AccountState) {
        let standing = Standing { state, ..self.standing(account) };
        self.changed.accounts.insert(*account, standing);
    }

    pub(crate) fn add(&mut self, account: &Account, amount: Amount) -> Result<(), Refusal> {
        let before = self.standing(account);
        let posted = before.posted.checked_add(amount).ok_or(Refusal::Range(*account))?;
        self.changed.accounts.insert(*account, Standing { posted, ..before });
        Ok(())
    }
}
