//! What a session owes: fuel of its seats, window by window. Exact: what a seat is paid for all its
//! windows is the price of all its fuel, however it is cut, and never more than was held.

use std::collections::BTreeMap;

use medusa_events::SeatShare;
use medusa_types::{AgentId, Credits, Fuel, LeaseId, UserId};

/// Shares of one window, which is one event: more are the next one's.
const SHARES_MAX: usize = 128;
/// Units of fuel that the fuel price is for.
const GFUEL: u128 = 1_000_000_000;

/// The prices of a session, to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What was held.
    pub hold: Credits,
    /// For 1,000,000,000 units of fuel.
    pub per_gfuel: Credits,
    /// For each agent that takes a seat and answers.
    pub per_start: Credits,
    /// The platform's part, in thousandths.
    pub fee_permille: u32,
}

impl Terms {
    /// The price of a seat with so much fuel, rounded up.
    #[must_use]
    pub fn price(&self, fuel: Fuel) -> Credits {
        let rate = u128::try_from(self.per_gfuel.micros()).unwrap_or_default();
        let micros = u128::from(fuel.0).saturating_mul(rate).div_ceil(GFUEL);
        Credits::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
            .saturating_add(self.per_start)
    }

    /// Fuel that this many credits pay for on one seat.
    #[must_use]
    pub fn affords(&self, credits: Credits) -> Fuel {
        let micros = credits.micros().saturating_sub(self.per_start.micros()).max(0);
        let rate = u128::try_from(self.per_gfuel.micros()).unwrap_or_default();
        let fuel = u128::try_from(micros).unwrap_or_default().saturating_mul(GFUEL);
        let fuel = fuel.checked_div(rate).unwrap_or(u128::MAX);
        // The sandbox counts below zero in 64 bits.
        Fuel(u64::try_from(fuel).unwrap_or(u64::MAX).min(1 << 62))
    }
}

/// What was done on one seat, and what of it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    agent: AgentId,
    lender: UserId,
    fuel: Fuel,
    answers: u64,
    /// Of that, what windows have named.
    told: (Fuel, u64),
    paid: Credits,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its number, from 1.
    pub number: u64,
    /// The last round that was answered before its end.
    pub round: u64,
    /// What the consumer pays.
    pub price: Credits,
    /// The platform's part of it.
    pub fee: Credits,
    /// Who gets the rest.
    pub shares: Vec<SeatShare>,
}

/// The bill of one session.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    terms: Terms,
    seats: BTreeMap<LeaseId, Due>,
    spent: Credits,
    windows: u64,
}

impl Bill {
    /// Of a session on these terms, before its first round.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, ..Self::default() }
    }

    /// An agent took a seat.
    pub fn take(&mut self, lease: LeaseId, agent: AgentId, lender: UserId) {
        let due = Due {
            agent,
            lender,
            fuel: Fuel(0),
            answers: 0,
            told: (Fuel(0), 0),
            paid: Credits::ZERO,
        };
        self.seats.entry(lease).or_insert(due);
    }

    /// A seat has used so much fuel since it was taken, with one answer more. Less than before is
    /// no news.
    pub fn used(&mut self, lease: LeaseId, fuel: Fuel, answers: u64) {
        if let Some(due) = self.seats.get_mut(&lease) {
            due.fuel = due.fuel.max(fuel);
            due.answers = due.answers.saturating_add(answers);
        }
    }

    /// A window was paid: by this process, or before it began.
    pub fn paid(&mut self, number: u64, shares: &[SeatShare], price: Credits) {
        self.windows = self.windows.max(number);
        self.spent = self.spent.saturating_add(price);
        for share in shares {
            self.take(share.lease, share.agent, share.lender);
            if let Some(due) = self.seats.get_mut(&share.lease) {
                due.fuel = due.fuel.max(share.fuel);
                due.answers = due.answers.max(share.answers);
                due.told = (due.told.0.max(share.fuel), due.told.1.max(share.answers));
                due.paid = self.terms.price(due.told.0);
            }
        }
    }

    /// What the consumer would owe by now; never more than was held.
    #[must_use]
    pub fn owed(&self) -> Credits {
        let open = self.seats.values().filter(|due| due.told != (due.fuel, due.answers));
        let open = open.map(|due| self.terms.price(due.fuel).saturating_sub(due.paid));
        open.fold(self.spent, Credits::saturating_add).min(self.terms.hold)
    }

    /// Whether nothing is left of the hold.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.owed() >= self.terms.hold
    }

    /// Fuel of a seat, as far as it was paid.
    #[must_use]
    pub fn fuel_of(&self, lease: LeaseId) -> Fuel {
        self.seats.get(&lease).map_or(Fuel(0), |due| due.told.0)
    }

    /// Everything that no window has named yet, as the next one; nothing when there is none. It
    /// counts as paid from here on.
    pub fn window(&mut self, round: u64) -> Option<Window> {
        let mut left = self.terms.hold.saturating_sub(self.spent);
        let (mut shares, mut price, mut fees) = (Vec::new(), Credits::ZERO, Credits::ZERO);
        for (lease, due) in &mut self.seats {
            if due.told == (due.fuel, due.answers) || shares.len() >= SHARES_MAX {
                continue;
            }
            let whole = self.terms.price(due.fuel);
            let part = whole.saturating_sub(due.paid).min(left);
            let fee = permille(part, self.terms.fee_permille);
            left = left.saturating_sub(part);
            (price, fees) = (price.saturating_add(part), fees.saturating_add(fee));
            due.paid = whole;
            due.told = (due.fuel, due.answers);
            shares.push(SeatShare {
                lease: *lease,
                agent: due.agent,
                lender: due.lender,
                answers: due.answers,
                fuel: due.fuel,
                amount: part.saturating_sub(fee),
            });
        }
        if shares.is_empty() {
            return None;
        }
        self.windows = self.windows.saturating_add(1);
        self.spent = self.spent.saturating_add(price);
        Some(Window { number: self.windows, round, price, fee: fees, shares })
    }
}

/// So many thousandths, rounded down.
fn permille(amount: Credits, permille: u32) -> Credits {
    let part = i128::from(amount.micros()).saturating_mul(permille.into()).checked_div(1_000);
    Credits::from_micros(part.and_then(|part| i64::try_from(part).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    const TERMS: Terms = Terms {
        hold: Credits::from_micros(1_000),
        per_gfuel: Credits::from_micros(100),
        per_start: Credits::from_micros(3),
        fee_permille: 150,
    };

    fn seat(n: u128) -> LeaseId {
        LeaseId(Uuid::from_u128(n))
    }

    fn bill() -> Bill {
        let mut bill = Bill::new(TERMS);
        for n in [1, 2] {
            bill.take(seat(n), AgentId(Uuid::from_u128(n)), UserId(Uuid::from_u128(n)));
        }
        bill
    }

    #[test]
    fn however_fuel_is_cut_into_windows_the_price_is_that_of_all_of_it() {
        let (mut fine, mut whole) = (bill(), bill());
        let mut sum = Credits::ZERO;
        for n in 1..=1_000_u64 {
            fine.used(seat(1), Fuel(n * 1_234_567), 1);
            let window = fine.window(n).unwrap();
            assert_eq!(window.number, n);
            let shares = window.shares.iter().map(|share| share.amount);
            let paid = shares.fold(window.fee, Credits::saturating_add);
            assert_eq!(paid, window.price);
            sum = sum.saturating_add(window.price);
        }
        whole.used(seat(1), Fuel(1_234_567_000), 1_000);
        assert_eq!(whole.window(1).unwrap().price, sum);
        assert_eq!(sum, Credits::from_micros(124 + 3));
        assert_eq!(fine.window(1_001), None, "nothing is paid twice");
    }

    #[test]
    fn nobody_pays_more_than_was_held() {
        let mut bill = bill();
        bill.used(seat(1), Fuel(9_000_000_000), 1);
        assert!(!bill.is_spent());
        bill.used(seat(2), Fuel(9_000_000_000), 1);
        assert!(bill.is_spent());
        assert_eq!(bill.owed(), TERMS.hold);
        let window = bill.window(1).unwrap();
        assert_eq!(window.price, TERMS.hold);
        bill.used(seat(2), Fuel(10_000_000_000), 1);
        assert_eq!(bill.window(2).unwrap().price, Credits::ZERO);
    }

    #[test]
    fn after_a_restart_only_what_no_window_named_is_paid() {
        let mut before = bill();
        before.used(seat(1), Fuel(2_000_000_000), 5);
        let window = before.window(5).unwrap();
        let mut after = Bill::new(TERMS);
        after.paid(window.number, &window.shares, window.price);
        assert_eq!(after.window(5), None);
        assert_eq!(after.fuel_of(seat(1)), Fuel(2_000_000_000));
        // The agent says again what it had done, which the old process never wrote.
        after.used(seat(1), Fuel(2_500_000_000), 2);
        let next = after.window(7).unwrap();
        assert_eq!((next.number, next.price), (2, Credits::from_micros(50)));
        assert_eq!(next.shares[0].answers, 7);
    }

    #[test]
    fn what_credits_afford_costs_no_more_than_they() {
        for micros in [0, 2, 3, 4, 103, 999] {
            let credits = Credits::from_micros(micros);
            let fuel = TERMS.affords(credits);
            assert!(TERMS.price(fuel) <= credits.max(TERMS.per_start), "{micros}");
        }
        let free = Terms { per_gfuel: Credits::ZERO, ..TERMS };
        assert_eq!(free.affords(Credits::from_micros(5)), Fuel(1 << 62));
    }
}
