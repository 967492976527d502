//! Balances, and drafts over them: a chain of events is tried on a draft and either kept whole or
//! dropped whole.

use std::collections::BTreeMap;

use medusa_types::Credits;

use crate::{Account, Move, Posting, Refusal};

/// The balance of every account. Accounts that were never posted to have nothing.
#[derive(Clone, Debug, Default)]
pub struct Book {
    balances: BTreeMap<Account, Credits>,
}

impl Book {
    /// A book with these balances.
    pub fn load(balances: impl IntoIterator<Item = (Account, Credits)>) -> Self {
        Self { balances: balances.into_iter().collect() }
    }

    /// The balance of an account, credit side positive.
    #[must_use]
    pub fn balance(&self, account: &Account) -> Credits {
        self.balances.get(account).copied().unwrap_or_default()
    }

    /// All balances in account order.
    pub fn iter(&self) -> impl Iterator<Item = (&Account, Credits)> {
        self.balances.iter().map(|(account, balance)| (account, *balance))
    }

    /// Begins a draft.
    #[must_use]
    pub const fn draft(&self) -> Draft<'_> {
        Draft { book: self, changed: BTreeMap::new() }
    }

    /// Keeps what a draft changed.
    pub fn keep(&mut self, changed: BTreeMap<Account, Credits>) {
        self.balances.extend(changed);
    }
}

/// Balances as they would be after the moves so far.
#[derive(Debug)]
pub struct Draft<'a> {
    book: &'a Book,
    changed: BTreeMap<Account, Credits>,
}

impl Draft<'_> {
    /// The balance of an account in this draft.
    #[must_use]
    pub fn balance(&self, account: &Account) -> Credits {
        self.changed.get(account).copied().unwrap_or_else(|| self.book.balance(account))
    }

    /// What the draft changed, to be kept.
    #[must_use]
    pub fn into_changed(self) -> BTreeMap<Account, Credits> {
        self.changed
    }

    /// Applies postings that were decided before, as when the log is read again.
    ///
    /// # Errors
    /// [`Refusal::Short`] when they overdraw an account that must not be; [`Refusal::Range`].
    pub fn replay(&mut self, postings: &[Posting]) -> Result<(), Refusal> {
        for Posting(account, amount) in postings {
            self.add(account, *amount)?;
        }
        for Posting(account, amount) in postings {
            let now = self.balance(account);
            if now < Credits::ZERO && !account.class().may_go_negative() {
                let has = now.saturating_add(amount.checked_neg().unwrap_or_default());
                let due = amount.checked_neg().unwrap_or_default();
                return Err(Refusal::Short { has, due });
            }
        }
        Ok(())
    }

    /// Turns moves into postings, one after the other, each seeing the ones before.
    ///
    /// # Errors
    /// The first [`Refusal`]; the draft must then be dropped.
    pub fn post(&mut self, moves: &[Move]) -> Result<Vec<Posting>, Refusal> {
        let mut postings = Vec::new();
        for wish in moves {
            match wish {
                Move::Split { from, to } => self.split(from, to, &mut postings)?,
                Move::Waterfall { pairs, amount } => {
                    self.waterfall(pairs, *amount, &mut postings)?;
                }
                Move::Rest { from, to } => {
                    let all = self.balance(from);
                    if all.is_positive() {
                        self.transfer(from, to, all, &mut postings)?;
                    }
                }
            }
        }
        Ok(postings)
    }

    fn split(
        &mut self,
        from: &[Account],
        to: &[(Account, Credits)],
        postings: &mut Vec<Posting>,
    ) -> Result<(), Refusal> {
        let mut due = Credits::ZERO;
        for (account, amount) in to {
            check_sign(*amount)?;
            due = due.checked_add(*amount).ok_or_else(|| Refusal::Range(account.clone()))?;
        }
        let mut left = due;
        for account in from {
            let part = self.reach(account, left);
            if part.is_positive() {
                self.record(account, part.checked_neg().unwrap_or_default(), postings)?;
                left = left.saturating_sub(part);
            }
        }
        if left.is_positive() {
            return Err(Refusal::Short { has: due.saturating_sub(left), due });
        }
        for (account, amount) in to.iter().filter(|(_, amount)| amount.is_positive()) {
            self.record(account, *amount, postings)?;
        }
        Ok(())
    }

    fn waterfall(
        &mut self,
        pairs: &[(Account, Account)],
        amount: Credits,
        postings: &mut Vec<Posting>,
    ) -> Result<(), Refusal> {
        check_sign(amount)?;
        let mut left = amount;
        for (from, to) in pairs {
            let part = self.reach(from, left);
            if part.is_positive() {
                self.transfer(from, to, part, postings)?;
                left = left.saturating_sub(part);
            }
        }
        if left.is_positive() {
            return Err(Refusal::Short { has: amount.saturating_sub(left), due: amount });
        }
        Ok(())
    }

    /// How much of `wanted` the account can give.
    fn reach(&self, account: &Account, wanted: Credits) -> Credits {
        if account.class().may_go_negative() {
            wanted
        } else {
            self.balance(account).min(wanted).max(Credits::ZERO)
        }
    }

    fn transfer(
        &mut self,
        from: &Account,
        to: &Account,
        amount: Credits,
        postings: &mut Vec<Posting>,
    ) -> Result<(), Refusal> {
        let debit = amount.checked_neg().ok_or(Refusal::Negative)?;
        self.record(from, debit, postings)?;
        self.record(to, amount, postings)
    }

    fn record(
        &mut self,
        account: &Account,
        amount: Credits,
        postings: &mut Vec<Posting>,
    ) -> Result<(), Refusal> {
        self.add(account, amount)?;
        postings.push(Posting(account.clone(), amount));
        Ok(())
    }

    fn add(&mut self, account: &Account, amount: Credits) -> Result<(), Refusal> {
        let sum = self.balance(account).checked_add(amount);
        let sum = sum.ok_or_else(|| Refusal::Range(account.clone()))?;
        self.changed.insert(account.clone(), sum);
        Ok(())
    }
}

fn check_sign(amount: Credits) -> Result<(), Refusal> {
    if amount < Credits::ZERO { Err(Refusal::Negative) } else { Ok(()) }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
