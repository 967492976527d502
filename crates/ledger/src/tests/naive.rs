//! A second ledger, as simple as it gets, written from `docs/ledger.md` and sharing nothing with
//! the first but the names: four growing columns an account, 128 bits wide. A move is tried on a
//! copy with every rule broken that it breaks, and the reasons are looked at afterwards.

use std::collections::{BTreeMap, BTreeSet};

use medusa_types::{PendingId, Timestamp};

use crate::{Account, AccountState, Limit, Move, PendingState};

/// The codes in the order of the documentation.
pub(super) const ORDER: [&str; 16] = [
    "billing.amount_negative",
    "billing.same_account",
    "billing.currency_mismatch",
    "billing.pending_exists",
    "billing.expiry_past",
    "billing.pending_missing",
    "billing.pending_posted",
    "billing.pending_voided",
    "billing.pending_expired",
    "billing.pending_not_due",
    "billing.pending_exceeded",
    "billing.account_closed",
    "billing.account_frozen",
    "billing.credits_short",
    "billing.debits_short",
    "billing.amount_out_of_range",
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) debits_posted: i128,
    pub(super) credits_posted: i128,
    pub(super) debits_pending: i128,
    pub(super) credits_pending: i128,
    pub(super) state: AccountState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: i128,
    pub(super) ends: Option<i64>,
    pub(super) state: PendingState,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Naive {
    pub(super) accounts: BTreeMap<Account, Columns>,
    pub(super) set: BTreeMap<PendingId, Set>,
}

type Reasons = BTreeSet<&'static str>;

fn in_range(amount: i128) -> bool {
    i64::try_from(amount).is_ok()
}

impl Naive {
    pub(super) fn of(&self, account: &Account) -> Columns {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// All moves or none, and then the first code of the first move that is refused.
    pub(super) fn event(&mut self, moves: &[Move], now: Timestamp) -> Result<(), &'static str> {
        let mut copy = self.clone();
        for wish in moves {
            copy.one(wish, now.micros(), false)?;
        }
        *self = copy;
        Ok(())
    }

    fn one(&mut self, wish: &Move, now: i64, forced: bool) -> Result<(), &'static str> {
        if let Move::Forced(moves) = wish {
            return moves.iter().try_for_each(|wish| self.one(wish, now, true));
        }
        let mut why = Reasons::new();
        self.attempt(wish, now, forced, &mut why);
        ORDER.into_iter().find(|code| why.contains(code)).map_or(Ok(()), Err)
    }

    fn attempt(&mut self, wish: &Move, now: i64, forced: bool, why: &mut Reasons) {
        match wish {
            Move::Split { from, to } => self.split(from, to, forced, why),
            Move::Waterfall { pairs, amount } => {
                self.waterfall(pairs, i128::from(amount.units()), forced, why);
            }
            Move::Rest { from, to } => {
                let columns = self.of(from);
                let most = (columns.credits_posted - columns.debits_posted).max(0);
                self.balanced(from, to, most, forced, why);
            }
            Move::UpTo { from, to, amount } => {
                self.balanced(from, to, i128::from(amount.units()), forced, why);
            }
            Move::Reserve { pending, from, to, amount, expires_at } => {
                let amount = i128::from(amount.units());
                self.check_pair(from, to, amount, why);
                let ends = expires_at.map(Timestamp::micros);
                if ends.is_some_and(|ends| ends <= now) {
                    why.insert("billing.expiry_past");
                }
                self.ask(from, to, forced, why);
                if self.has(from, amount) < amount {
                    why.insert("billing.credits_short");
                }
                self.set_aside(from, to, amount, why);
                let (from, to, state) = (*from, *to, PendingState::Open);
                if self.set.insert(*pending, Set { from, to, amount, ends, state }).is_some() {
                    why.insert("billing.pending_exists");
                }
            }
            Move::Post { pending, amount } => {
                let amount = amount.map(|amount| i128::from(amount.units()));
                if amount.is_some_and(|amount| amount < 0) {
                    why.insert("billing.amount_negative");
                }
                let Some(set) = self.end(pending, PendingState::Posted, now, why) else { return };
                let part = amount.unwrap_or(set.amount);
                if part > set.amount {
                    why.insert("billing.pending_exceeded");
                }
                self.ask(&set.from, &set.to, forced, why);
                self.transfer(&set.from, &set.to, part.max(0), forced, why);
            }
            Move::Void { pending } => {
                self.end(pending, PendingState::Voided, now, why);
            }
            Move::Expire { pending } => {
                self.end(pending, PendingState::Expired, now, why);
            }
            Move::SetState { account, state } => {
                self.accounts.entry(*account).or_default().state = *state;
            }
            Move::Forced(_) => unreachable!("taken apart before"),
        }
    }

    /// Every target is paid by the first source that has something left.
    fn split(
        &mut self,
        from: &[Account],
        to: &[(Account, crate::Amount)],
        forced: bool,
        why: &mut Reasons,
    ) {
        let mut given: BTreeMap<Account, i128> = BTreeMap::new();
        for (account, amount) in to {
            let mut due = i128::from(amount.units());
            for source in from {
                self.check_pair(source, account, due.min(0), why);
            }
            if due < 0 {
                why.insert("billing.amount_negative");
            }
            if due > 0 && self.of(account).state == AccountState::Closed {
                why.insert("billing.account_closed");
            }
            for source in from {
                let part = due.min(self.has(source, due)).max(0);
                self.transfer(source, account, part, forced, why);
                *given.entry(*source).or_default() += part;
                due -= part;
            }
            if due > 0 {
                why.insert("billing.credits_short");
            }
        }
        if given.values().any(|sum| !in_range(*sum)) {
            why.insert("billing.amount_out_of_range");
        }
    }

    fn waterfall(
        &mut self,
        pairs: &[(Account, Account)],
        mut left: i128,
        forced: bool,
        why: &mut Reasons,
    ) {
        if left < 0 {
            why.insert("billing.amount_negative");
        }
        if pairs.iter().any(|(from, to)| from == to) {
            why.insert("billing.same_account");
        }
        let all = pairs.iter().flat_map(|(from, to)| [from, to]);
        if all.map(Account::currency).collect::<BTreeSet<_>>().len() > 1 {
            why.insert("billing.currency_mismatch");
        }
        for (from, to) in pairs {
            let part = left.min(self.has(from, left)).max(0);
            self.transfer(from, to, part, forced, why);
            left -= part;
        }
        if left > 0 {
            why.insert("billing.credits_short");
        }
    }

    /// At most so much: as far as the source has it, and the target may be credited.
    fn balanced(
        &mut self,
        from: &Account,
        to: &Account,
        most: i128,
        forced: bool,
        why: &mut Reasons,
    ) {
        self.check_pair(from, to, most, why);
        let columns = self.of(to);
        let owed = columns.debits_posted - columns.credits_posted - columns.credits_pending;
        let room = if to.class().limit() == Limit::Credits { owed.max(0) } else { most };
        let part = most.min(self.has(from, most)).min(room).max(0);
        self.transfer(from, to, part, forced, why);
    }

    /// What an account can give; all that is wanted where nothing limits it.
    fn has(&self, account: &Account, wanted: i128) -> i128 {
        let columns = self.of(account);
        match account.class().limit() {
            Limit::Debits => {
                columns.credits_posted - columns.debits_posted - columns.debits_pending
            }
            Limit::Credits | Limit::Free => wanted,
        }
    }

    fn check_pair(&self, from: &Account, to: &Account, amount: i128, why: &mut Reasons) {
        if amount < 0 {
            why.insert("billing.amount_negative");
        }
        if from == to {
            why.insert("billing.same_account");
        }
        if from.currency() != to.currency() {
            why.insert("billing.currency_mismatch");
        }
    }

    fn ask(&self, from: &Account, to: &Account, forced: bool, why: &mut Reasons) {
        let states = [self.of(from).state, self.of(to).state];
        if states.contains(&AccountState::Closed) {
            why.insert("billing.account_closed");
        }
        if states[0] == AccountState::Frozen && !forced {
            why.insert("billing.account_frozen");
        }
    }

    fn transfer(
        &mut self,
        from: &Account,
        to: &Account,
        amount: i128,
        forced: bool,
        why: &mut Reasons,
    ) {
        if amount == 0 {
            return;
        }
        self.ask(from, to, forced, why);
        self.accounts.entry(*from).or_default().debits_posted += amount;
        self.accounts.entry(*to).or_default().credits_posted += amount;
        self.check_after(from, to, why);
    }

    fn set_aside(&mut self, from: &Account, to: &Account, amount: i128, why: &mut Reasons) {
        self.accounts.entry(*from).or_default().debits_pending += amount;
        self.accounts.entry(*to).or_default().credits_pending += amount;
        self.check_after(from, to, why);
    }

    /// What an amount on its way from one account to another may have broken.
    fn check_after(&self, from: &Account, to: &Account, why: &mut Reasons) {
        let target = self.of(to);
        let credited = target.credits_posted + target.credits_pending;
        if to.class().limit() == Limit::Credits && credited > target.debits_posted {
            why.insert("billing.debits_short");
        }
        for Columns { debits_posted, credits_posted, debits_pending, credits_pending, .. } in
            [self.of(from), target]
        {
            let columns = [credits_posted - debits_posted, debits_pending, credits_pending];
            if !columns.into_iter().all(in_range) {
                why.insert("billing.amount_out_of_range");
            }
        }
    }

    /// Ends a reservation; `None` when it has ended before, or was never.
    fn end(
        &mut self,
        id: &PendingId,
        state: PendingState,
        now: i64,
        why: &mut Reasons,
    ) -> Option<Set> {
        let Some(set) = self.set.get_mut(id) else {
            why.insert("billing.pending_missing");
            return None;
        };
        let is_over = set.ends.is_some_and(|ends| ends <= now);
        let reason = match set.state {
            PendingState::Open if state == PendingState::Expired && !is_over => {
                Some("billing.pending_not_due")
            }
            PendingState::Open if state != PendingState::Expired && is_over => {
                Some("billing.pending_expired")
            }
            PendingState::Open => None,
            PendingState::Posted => Some("billing.pending_posted"),
            PendingState::Voided => Some("billing.pending_voided"),
            PendingState::Expired => Some("billing.pending_expired"),
        };
        why.extend(reason);
        let before = *set;
        set.state = state;
        self.accounts.get_mut(&before.from)?.debits_pending -= before.amount;
        self.accounts.get_mut(&before.to)?.credits_pending -= before.amount;
        Some(before)
    }
}
