//! How long the copies of a job take and how much fuel, and from when on one is late.

use medusa_types::Fuel;

/// A copy is late after so many times the usual time;
const LATE_TIMES: i64 = 4;
/// but not before this.
const LATE_MS_MIN: i64 = 60_000;
/// At the end of a job, when agents are free, sooner.
const TAIL_TIMES: i64 = 2;
const TAIL_MS_MIN: i64 = 1_000;
/// Copies that must have been seen before anything is said about the end.
const SEEN_MIN: u32 = 3;
/// A new time counts as much as so many old ones, less one.
const WEIGHT: i64 = 16;
/// The same for fuel.
const FUEL_WEIGHT: u64 = 8;

/// The usual time of a copy from lease to report. Starts anew with the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    seen: u32,
    usual_ms: i64,
    usual_fuel: Option<Fuel>,
}

impl Pace {
    /// A copy took so long, in milliseconds.
    pub fn took(&mut self, ms: i64) {
        let ms = ms.max(0);
        self.seen = self.seen.saturating_add(1);
        let of = i64::from(self.seen).min(WEIGHT);
        let step = ms.saturating_sub(self.usual_ms).checked_div(of).unwrap_or_default();
        self.usual_ms = self.usual_ms.saturating_add(step);
    }

    /// A copy that ended well took so much fuel.
    pub fn spent(&mut self, fuel: Fuel) {
        let usual = self.usual_fuel.map_or(fuel.0, |usual| {
            let rest = usual.0.checked_div(FUEL_WEIGHT).unwrap_or_default();
            let part = fuel.0.checked_div(FUEL_WEIGHT).unwrap_or_default();
            usual.0.saturating_sub(rest).saturating_add(part)
        });
        self.usual_fuel = Some(Fuel(usual));
    }

    /// What a copy usually takes; nothing before the first.
    #[must_use]
    pub const fn fuel(&self) -> Option<Fuel> {
        self.usual_fuel
    }

    /// After so many milliseconds a copy is late.
    #[must_use]
    pub fn patience(&self, tail: bool) -> i64 {
        if tail && self.seen >= SEEN_MIN {
            self.usual_ms.saturating_mul(TAIL_TIMES).max(TAIL_MS_MIN)
        } else {
            self.usual_ms.saturating_mul(LATE_TIMES).max(LATE_MS_MIN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_fuel_follows_what_copies_take() {
        let mut pace = Pace::default();
        assert_eq!(pace.fuel(), None);
        pace.spent(Fuel(8_000));
        assert_eq!(pace.fuel(), Some(Fuel(8_000)));
        (0..100).for_each(|_| pace.spent(Fuel(16_000)));
        assert!((15_900..=16_000).contains(&pace.fuel().unwrap().0), "{pace:?}");
    }

    #[test]
    fn patience_follows_the_usual_time_within_its_bounds() {
        let mut pace = Pace::default();
        assert_eq!((pace.patience(false), pace.patience(true)), (60_000, 60_000));
        for _ in 0..3 {
            pace.took(10);
        }
        assert_eq!((pace.patience(false), pace.patience(true)), (60_000, 1_000));
        for _ in 0..200 {
            pace.took(30_000);
        }
        assert!((59_000..=60_000).contains(&pace.patience(true)), "{pace:?}");
        assert!((118_000..=120_000).contains(&pace.patience(false)), "{pace:?}");
        pace.took(-5);
        assert!(pace.patience(true) < 60_000, "a clock that was set back does no harm");
    }
}
