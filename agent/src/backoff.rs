//! How long to wait before the next try: exponential from 0.2 s to 16 s, with full jitter, so that
//! a thousand agents do not come back to a restarted server in the same instant.

use std::time::Duration;

use crate::chance;

const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(16);

/// Counts tries that failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try.
    pub(crate) fn next(&mut self) -> Duration {
        let most = self.most();
        self.failures = self.failures.saturating_add(1);
        chance::up_to(most)
    }

    /// A try succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    fn most(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        FIRST.saturating_mul(factor).min(LAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_sixteen_seconds_and_start_over() {
        let mut backoff = Backoff::default();
        let mut most = Vec::new();
        for _ in 0..9 {
            most.push(backoff.most().as_millis());
            assert!(backoff.next() <= LAST);
        }
        assert_eq!(most, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 16_000, 16_000]);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.most(), LAST);
        backoff.reset();
        assert_eq!(backoff.most(), FIRST);
    }
}
