//! How long rounds take, and when somebody keeps one waiting. Plain data; time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// A round is late when it takes so many times longer than rounds do.
const LATE_TIMES: u32 = 8;
/// Before any was answered, a round may take this.
const FIRST_ROUND: Duration = Duration::from_secs(60);
/// How fast long rounds are forgotten: this part of the difference, at each look.
const FORGET: u32 = 16;
/// Patience doubles so often at most.
const DOUBLED_MAX: u32 = 16;

#[derive(Debug)]
pub(super) struct Pace {
    /// The last round that was answered when it was looked,
    answered: u64,
    /// and since when the next one is waited for.
    since: Instant,
    /// What a round takes, more or less.
    typical: Option<Duration>,
    /// How often agents were replaced since.
    replaced: u32,
}

impl Pace {
    pub(super) const fn new(answered: u64, now: Instant) -> Self {
        Self { answered, since: now, typical: None, replaced: 0 }
    }

    /// Looks at the clock: whether those who have not answered are late, who have at `least` this
    /// much time. Where the round does not wait for agents that have all they need, nobody is.
    pub(super) fn is_late(
        &mut self,
        now: Instant,
        answered: u64,
        waits: bool,
        least: Duration,
    ) -> bool {
        if answered > self.answered {
            let rounds = u32::try_from(answered.saturating_sub(self.answered)).unwrap_or(u32::MAX);
            let each = now.duration_since(self.since).checked_div(rounds).unwrap_or_default();
            // What a replacement took says nothing about the program.
            if self.replaced == 0 {
                self.typical = Some(self.typical.map_or(each, |typical| {
                    let shorter = typical.saturating_sub(each).checked_div(FORGET);
                    typical.saturating_sub(shorter.unwrap_or_default()).max(each)
                }));
            }
            (self.answered, self.since, self.replaced) = (answered, now, 0);
        }
        if !waits {
            self.since = now;
            return false;
        }
        let most = self.typical.map_or(FIRST_ROUND, |typical| typical.saturating_mul(LATE_TIMES));
        let doubled = 1_u32 << self.replaced.min(DOUBLED_MAX);
        now.duration_since(self.since) >= most.max(least).saturating_mul(doubled)
    }

    /// Others try it now. They have twice the time: the round may be a long one.
    pub(super) const fn replaced(&mut self, now: Instant) {
        (self.since, self.replaced) = (now, self.replaced.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_secs(2);

    /// When somebody is late first, in ticks of 50 ms from `from` on.
    fn late_after(pace: &mut Pace, from: Instant, answered: u64) -> Duration {
        let tick = Duration::from_millis(50);
        (1..100_000)
            .map(|n| tick.saturating_mul(n))
            .find(|after| pace.is_late(from + *after, answered, true, LEAST))
            .unwrap()
    }

    #[test]
    fn the_first_round_may_take_long_and_quick_ones_have_a_least() {
        let now = Instant::now();
        let mut pace = Pace::new(0, now);
        assert_eq!(late_after(&mut pace, now, 0), FIRST_ROUND);
        let mut pace = Pace::new(7, now);
        assert!(!pace.is_late(now + Duration::from_millis(50), 107, true, LEAST));
        assert_eq!(late_after(&mut pace, now + Duration::from_millis(50), 107), LEAST);
    }

    #[test]
    fn long_rounds_are_not_late_and_are_forgotten() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(0, Instant::now()));
        for round in 1..4 {
            for _ in 0..200 {
                now += Duration::from_millis(50);
                assert!(!pace.is_late(now, round - 1, true, LEAST));
            }
            assert!(!pace.is_late(now, round, true, LEAST));
        }
        let found = late_after(&mut pace, now, 3);
        assert_eq!(found, Duration::from_secs(80), "eight times the ten seconds");
        for round in 4..200 {
            now += Duration::from_millis(50);
            assert!(!pace.is_late(now, round, true, LEAST));
        }
        assert_eq!(late_after(&mut pace, now, 199), LEAST);
    }

    #[test]
    fn who_takes_over_has_twice_the_time_and_what_it_took_is_no_measure() {
        let (start, mut pace) = (Instant::now(), Pace::new(0, Instant::now()));
        assert!(!pace.is_late(start + Duration::from_millis(10), 1, true, LEAST));
        let mut now = start + Duration::from_millis(10);
        for seconds in [2, 4, 8, 16] {
            let found = late_after(&mut pace, now, 1);
            assert_eq!(found, Duration::from_secs(seconds));
            now += found;
            pace.replaced(now);
        }
        now += Duration::from_secs(31);
        assert!(!pace.is_late(now, 2, true, LEAST));
        assert_eq!(late_after(&mut pace, now, 2), LEAST);
    }

    #[test]
    fn nobody_is_late_while_nothing_is_asked_or_an_agent_is_missing() {
        let (start, mut pace) = (Instant::now(), Pace::new(0, Instant::now()));
        assert!(!pace.is_late(start + Duration::from_millis(10), 1, false, LEAST));
        let later = start + Duration::from_secs(500);
        assert!(!pace.is_late(later, 1, false, LEAST));
        assert_eq!(late_after(&mut pace, later, 1), LEAST);
    }
}
