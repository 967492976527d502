//! How moves become effects. Each move is first worked out into the legs that it comes to, then
//! judged in the order of [`Refusal`], then carried out. The sums of a plan are 128 bits wide, so
//! that an amount out of range is found where the order says, and not before.

use medusa_types::{PendingId, Timestamp};

use crate::{
    Account, AccountState, Amount, Change, Currency, Draft, Effects, Limit, Move, Pending,
    PendingState, Posting, Refusal, Resolution,
};

/// What one account gives or gets.
#[derive(Clone, Copy)]
struct Leg {
    account: Account,
    gives: bool,
    /// Not negative.
    amount: i128,
}

/// What a move comes to.
struct Plan {
    currency: Currency,
    legs: Vec<Leg>,
    /// What was to be moved.
    due: i128,
    /// What the sources did not have of it.
    missing: i128,
}

impl Plan {
    /// `account` only tells the currency; a plan without any comes to nothing.
    fn new(account: Option<&Account>, due: i128) -> Self {
        let currency = account.map_or(Currency::Crd, Account::currency);
        Self { currency, legs: Vec::new(), due, missing: due }
    }

    fn give(&mut self, account: &Account, amount: i128) {
        self.missing = self.missing.saturating_sub(amount);
        self.leg(account, true, amount);
    }

    fn take(&mut self, account: &Account, amount: i128) {
        self.leg(account, false, amount);
    }

    /// Where nothing moves there is no leg: neither a posting nor a question to the account.
    fn leg(&mut self, account: &Account, gives: bool, amount: i128) {
        if amount > 0 {
            self.legs.push(Leg { account: *account, gives, amount });
        }
    }
}

/// What an account gains by some legs.
fn gained(account: &Account, legs: &[Leg]) -> i128 {
    legs.iter().filter(|leg| leg.account == *account).fold(0, |sum: i128, leg| {
        if leg.gives { sum.saturating_sub(leg.amount) } else { sum.saturating_add(leg.amount) }
    })
}

fn wide(amount: Amount) -> i128 {
    i128::from(amount.units())
}

/// For messages: held at the edge of the range.
fn narrow(amount: i128) -> Amount {
    i64::try_from(amount).map_or(Amount::MAX, Amount::new)
}

fn both(from: &Account, to: &Account, amount: Amount) -> [Leg; 2] {
    let amount = wide(amount);
    [Leg { account: *from, gives: true, amount }, Leg { account: *to, gives: false, amount }]
}

fn check_amounts(amounts: impl IntoIterator<Item = Amount>) -> Result<(), Refusal> {
    if amounts.into_iter().any(Amount::is_negative) { Err(Refusal::Negative) } else { Ok(()) }
}

/// What is wrong with pairs of source and target, whatever stands on them.
fn check_ways<'a, I>(ways: I) -> Result<(), Refusal>
where
    I: Iterator<Item = (&'a Account, &'a Account)> + Clone,
{
    if let Some((from, _)) = ways.clone().find(|(from, to)| from == to) {
        return Err(Refusal::SameAccount(*from));
    }
    let mut first = None;
    for (from, to) in ways {
        let first = *first.get_or_insert(from);
        if let Some(other) = [from, to].into_iter().find(|a| a.currency() != first.currency()) {
            return Err(Refusal::Currency(*first, *other));
        }
    }
    Ok(())
}

impl Draft<'_> {
    /// Turns the moves of one event into effects, one after the other, each seeing the ones before.
    /// `now` is the time of the event: what expires then or earlier has expired.
    ///
    /// # Errors
    /// The first [`Refusal`]; the draft must then be dropped.
    pub fn post(&mut self, moves: &[Move], now: Timestamp) -> Result<Effects, Refusal> {
        let mut effects = Effects::default();
        for wish in moves {
            self.one(wish, now, &mut effects)?;
        }
        Ok(effects)
    }

    fn one(&mut self, wish: &Move, now: Timestamp, effects: &mut Effects) -> Result<(), Refusal> {
        match wish {
            Move::Split { from, to } => self.split(from, to, effects),
            Move::Waterfall { pairs, amount } => self.waterfall(pairs, *amount, effects),
            Move::Rest { from, to } => self.up_to((from, to), None, effects),
            Move::UpTo { from, to, amount } => self.up_to((from, to), Some(*amount), effects),
            Move::Reserve { pending, from, to, amount, expires_at } => {
                let (from, to, amount, expires_at) = (*from, *to, *amount, *expires_at);
                let state = PendingState::Open;
                let wanted = Pending { from, to, amount, expires_at, state };
                self.reserve(*pending, wanted, now, effects)
            }
            Move::Post { pending, amount } => self.post_pending(*pending, *amount, now, effects),
            Move::Void { pending } => self.void(*pending, now, effects),
            Move::Expire { pending } => self.expire(*pending, now, effects),
            Move::SetState { account, state } => {
                if self.standing(account).state != *state {
                    self.set_state(account, *state);
                    effects.changes.push(Change::State { account: *account, state: *state });
                }
                Ok(())
            }
            Move::Forced(moves) => {
                let before = std::mem::replace(&mut self.forced, true);
                let done = moves.iter().try_for_each(|wish| self.one(wish, now, effects));
                self.forced = before;
                done
            }
        }
    }

    fn split(
        &mut self,
        from: &[Account],
        to: &[(Account, Amount)],
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        check_amounts(to.iter().map(|(_, amount)| *amount))?;
        check_ways(from.iter().flat_map(|from| to.iter().map(move |(to, _)| (from, to))))?;
        let due = to.iter().fold(0_i128, |sum, (_, amount)| sum.saturating_add(wide(*amount)));
        let mut plan = Plan::new(to.first().map(|(account, _)| account), due);
        for account in from {
            let part = self.reach(account, &plan).map_or(plan.missing, |has| has.min(plan.missing));
            plan.give(account, part);
        }
        for (account, amount) in to {
            plan.take(account, wide(*amount));
        }
        self.carry_out(&plan, effects)
    }

    fn waterfall(
        &mut self,
        pairs: &[(Account, Account)],
        amount: Amount,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        check_amounts([amount])?;
        check_ways(pairs.iter().map(|(from, to)| (from, to)))?;
        let mut plan = Plan::new(pairs.first().map(|(from, _)| from), wide(amount));
        for (from, to) in pairs {
            let part = self.reach(from, &plan).map_or(plan.missing, |has| has.min(plan.missing));
            plan.give(from, part);
            plan.take(to, part);
        }
        self.carry_out(&plan, effects)
    }

    /// Moves what the source has and the target takes, at most `most`. A source without a limit
    /// gives `most`, and without one whatever stands on its credit side.
    fn up_to(
        &mut self,
        (from, to): (&Account, &Account),
        most: Option<Amount>,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        check_amounts(most)?;
        check_ways([(from, to)].into_iter())?;
        let standing = self.standing(from);
        let most = most.unwrap_or(standing.posted.max(Amount::ZERO));
        let limits = [standing.reach(from), self.standing(to).room(to)];
        let part = limits.into_iter().flatten().fold(most, Amount::min);
        let mut plan = Plan::new(Some(from), wide(part));
        plan.give(from, wide(part));
        plan.take(to, wide(part));
        self.carry_out(&plan, effects)
    }

    fn reserve(
        &mut self,
        id: PendingId,
        wanted: Pending,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Pending { from, to, amount, expires_at, .. } = wanted;
        check_amounts([amount])?;
        check_ways([(&from, &to)].into_iter())?;
        if self.pending(&id).is_some() {
            return Err(Refusal::PendingExists(id));
        }
        if wanted.is_over(now) {
            return Err(Refusal::ExpiryPast(id));
        }
        let legs = both(&from, &to, amount);
        self.check_states(&legs)?;
        let has = self.standing(&from).reach(&from).unwrap_or(amount);
        if has < amount {
            return Err(Refusal::Short { currency: from.currency(), has, due: amount });
        }
        self.check_room(&legs)?;
        self.set_aside(id, wanted)?;
        effects.changes.push(Change::Reserved { pending: id, from, to, amount, expires_at });
        Ok(())
    }

    fn post_pending(
        &mut self,
        id: PendingId,
        amount: Option<Amount>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        check_amounts(amount)?;
        let found = self.waiting(id, now)?;
        let amount = amount.unwrap_or(found.amount);
        found.check_covers(amount)?;
        let legs = both(&found.from, &found.to, amount);
        self.check_states(&legs)?;
        let how = Resolution::Posted;
        self.resolve(id, found, how)?;
        effects.changes.push(Change::Resolved { pending: id, how, amount });
        self.record(&legs, effects)
    }

    fn void(
        &mut self,
        id: PendingId,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let found = self.waiting(id, now)?;
        self.free(id, found, Resolution::Voided, effects)
    }

    /// What never expires must not be freed by a clock: a payout may have arrived all the same.
    fn expire(
        &mut self,
        id: PendingId,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let found = self.open(&id)?;
        if !found.is_over(now) {
            return Err(Refusal::PendingNotDue(id));
        }
        self.free(id, found, Resolution::Expired, effects)
    }

    fn free(
        &mut self,
        id: PendingId,
        found: Pending,
        how: Resolution,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.resolve(id, found, how)?;
        effects.changes.push(Change::Resolved { pending: id, how, amount: Amount::ZERO });
        Ok(())
    }

    /// A reservation that waits and whose time is not over: from that moment on it can only
    /// expire, however late the clock gets to it.
    fn waiting(&self, id: PendingId, now: Timestamp) -> Result<Pending, Refusal> {
        let found = self.open(&id)?;
        if found.is_over(now) { Err(Refusal::PendingExpired(id)) } else { Ok(found) }
    }

    /// How much an account can give after the plan so far; `None` when there is no end to it.
    fn reach(&self, account: &Account, plan: &Plan) -> Option<i128> {
        let has = wide(self.standing(account).reach(account)?);
        Some(has.saturating_add(gained(account, &plan.legs)))
    }

    fn carry_out(&mut self, plan: &Plan, effects: &mut Effects) -> Result<(), Refusal> {
        self.check_states(&plan.legs)?;
        if plan.missing > 0 {
            let has = narrow(plan.due.saturating_sub(plan.missing));
            return Err(Refusal::Short { currency: plan.currency, has, due: narrow(plan.due) });
        }
        self.check_room(&plan.legs)?;
        self.record(&plan.legs, effects)
    }

    fn check_states(&self, legs: &[Leg]) -> Result<(), Refusal> {
        let is = |leg: &&Leg, state| self.standing(&leg.account).state == state;
        if let Some(leg) = legs.iter().find(|leg| is(leg, AccountState::Closed)) {
            return Err(Refusal::Closed(leg.account));
        }
        let mut giving = legs.iter().filter(|leg| leg.gives && !self.forced);
        match giving.find(|leg| is(leg, AccountState::Frozen)) {
            Some(leg) => Err(Refusal::Frozen(leg.account)),
            None => Ok(()),
        }
    }

    fn check_room(&self, legs: &[Leg]) -> Result<(), Refusal> {
        let limited = |leg: &Leg| leg.account.class().limit() == Limit::Credits && !leg.gives;
        for (n, leg) in legs.iter().enumerate().filter(|(_, leg)| limited(leg)) {
            let account = leg.account;
            let Some(room) = self.standing(&account).room(&account) else { continue };
            let has = wide(room).saturating_sub(gained(&account, legs.get(..n).unwrap_or(legs)));
            if has < leg.amount {
                let (has, due) = (narrow(has), narrow(leg.amount));
                return Err(Refusal::Over { account, has, due });
            }
        }
        Ok(())
    }

    fn record(&mut self, legs: &[Leg], effects: &mut Effects) -> Result<(), Refusal> {
        for Leg { account, gives, amount } in legs.iter().filter(|leg| leg.amount > 0) {
            // Judged before its sign is known, so that whatever was posted can be posted back.
            let amount = i64::try_from(*amount).map_err(|_| Refusal::Range(*account))?;
            let gain = Amount::new(if *gives { amount.saturating_neg() } else { amount });
            self.add(account, gain)?;
            effects.postings.push(Posting(*account, gain));
        }
        Ok(())
    }
}
