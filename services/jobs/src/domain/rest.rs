//! How long an agent gets no lease after it has not finished others. Pure.
//!
//! Guarantees: what an agent says of leases that went well never shortens the rest for those that
//! it handed back.

use medusa_types::{Outcome, Timestamp};

/// How long an agent rests that handed a lease back; the next time twice as long.
const BACK_REST_MS: i64 = 5_000;
/// Doublings of it.
const BACK_DOUBLINGS_MAX: u32 = 6;
/// Doublings of the rest of an agent that fails again and again.
const FAULT_DOUBLINGS_MAX: u32 = 9;
/// So long after its rest is over, an agent that is away begins anew.
const FORGOTTEN_MS: i64 = 3_600_000;

/// How a lease ended for its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With something that can be compared.
    Well,
    /// The agent broke down over it.
    Fault,
    /// It was handed back, or ended without a verdict.
    Back,
}

impl Ending {
    /// That of a lease which was reported like this.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::AgentFault => Self::Fault,
            outcome if outcome.is_verdict() => Self::Well,
            _ => Self::Back,
        }
    }
}

/// Endings of one kind in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    length: u32,
    until: Option<Timestamp>,
}

impl Row {
    fn is_over(self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    fn rest(&mut self, ms: i64, doublings: u32, now: Timestamp) {
        let until = now.plus_ms(ms.saturating_mul(1_i64.checked_shl(doublings).unwrap_or(1)));
        self.until = Some(self.until.map_or(until, |at| at.max(until)));
    }
}

/// What an agent rests for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    faults: Row,
    backs: Row,
}

impl Rest {
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.faults.is_over(now) && self.backs.is_over(now)
    }

    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.is_over(now.plus_ms(FORGOTTEN_MS.saturating_neg()))
    }

    /// A lease ended like this.
    pub(super) fn after(&mut self, ending: Ending, now: Timestamp) {
        match ending {
            Ending::Well => {
                self.faults = Row::default();
                self.backs.length = 0;
            }
            Ending::Fault => {
                self.faults.length = self.faults.length.saturating_add(1);
                self.faults.rest(1_000, self.faults.length.min(FAULT_DOUBLINGS_MAX), now);
            }
            Ending::Back => {
                // A machine that its owner needs hands all of its leases back: that is once.
                if self.backs.is_over(now) {
                    self.backs.length = self.backs.length.saturating_add(1);
                }
                let doublings = self.backs.length.saturating_sub(1).min(BACK_DOUBLINGS_MAX);
                self.backs.rest(BACK_REST_MS, doublings, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    #[test]
    fn what_ends_without_a_verdict_is_handed_back_and_only_a_verdict_is_well() {
        for outcome in [Outcome::CompileOut, Outcome::WallOut, Outcome::StackOut] {
            assert_eq!(Ending::of(outcome), Ending::Back, "{outcome:?}");
        }
        assert_eq!(Ending::of(Outcome::AgentFault), Ending::Fault);
        for outcome in [Outcome::Done, Outcome::Exit(3), Outcome::Trap, Outcome::FuelOut] {
            assert_eq!(Ending::of(outcome), Ending::Well, "{outcome:?}");
        }
    }

    #[test]
    fn rests_grow_with_leases_handed_back_in_a_row_and_nothing_shortens_one() {
        let (mut rest, mut now) = (Rest::default(), NOW);
        for ms in [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 320_000] {
            // All that it held at the same moment is once.
            (0..20).for_each(|_| rest.after(Ending::Back, now));
            assert!(!rest.is_over(now.plus_ms(ms - 1)), "{ms}");
            now = now.plus_ms(ms);
            assert!(rest.is_over(now), "{ms}");
        }
        rest.after(Ending::Back, now);
        rest.after(Ending::Well, now);
        assert!(!rest.is_over(now.plus_ms(319_999)), "a report that is well does not end it");
        now = now.plus_ms(320_000);
        rest.after(Ending::Back, now);
        assert!(rest.is_over(now.plus_ms(5_000)), "it had finished one in between");
        assert!(!rest.is_forgotten(now.plus_ms(5_000)));
        assert!(rest.is_forgotten(now.plus_ms(5_000 + FORGOTTEN_MS)));
    }

    #[test]
    fn leases_without_a_verdict_take_no_failure_back() {
        let mut rest = Rest::default();
        (0..3).for_each(|_| rest.after(Ending::Fault, NOW));
        rest.after(Ending::Back, NOW);
        assert!(!rest.is_over(NOW.plus_ms(7_999)));
        let later = NOW.plus_ms(8_000);
        rest.after(Ending::Fault, later);
        assert!(!rest.is_over(later.plus_ms(15_999)), "the fourth in a row");
        rest.after(Ending::Well, later);
        assert!(rest.is_over(later));
    }
}
