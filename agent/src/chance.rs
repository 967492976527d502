//! Randomness and the calendar of the machine, each drawn in one place: secrets of the local page,
//! the jitter of retries, and which day it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Names one secret: 244 random bits as 64 hexadecimal digits.
pub(crate) fn secret() -> String {
    format!("{}{}", random().simple(), random().simple())
}

/// Any duration from nothing up to this one, in whole milliseconds.
pub(crate) fn up_to(most: Duration) -> Duration {
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    let (_, low) = random().as_u64_pair();
    let drawn = low.checked_rem(most_ms.saturating_add(1)).unwrap_or_default();
    Duration::from_millis(drawn)
}

/// Whole seconds since 1970 in UTC.
pub(crate) fn unix_seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Days since 1970 in UTC.
pub(crate) fn today() -> u64 {
    unix_seconds().checked_div(86_400).unwrap_or_default()
}

fn random() -> Uuid {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    Uuid::new_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        assert_eq!(secret().len(), 64);
        assert_ne!(secret(), secret());
    }

    #[test]
    fn a_drawn_duration_stays_in_its_range() {
        for _ in 0..200 {
            assert!(up_to(Duration::from_millis(3)) <= Duration::from_millis(3));
        }
        assert_eq!(up_to(Duration::ZERO), Duration::ZERO);
    }
}
