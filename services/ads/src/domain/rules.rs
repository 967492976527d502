//! How often somebody may watch, and when a view counts. Only the server's clock is believed.

use medusa_types::Timestamp;

use crate::AdsError;
use crate::config::AdsLimits;

/// The window of the cap. It rolls, so that midnight does not double it.
pub(crate) const DAY_MS: i64 = 24 * 3_600_000;

/// How many more views are paid to somebody who had these, given newest first.
pub(crate) fn views_left(
    limits: &AdsLimits,
    proven: &[Timestamp],
    now: Timestamp,
) -> Result<u32, AdsError> {
    let max = limits.views_per_day_max;
    let ages: Vec<i64> =
        proven.iter().map(|at| now.ms_since(*at)).filter(|age| *age < DAY_MS).collect();
    let left = max.saturating_sub(u32::try_from(ages.len()).unwrap_or(u32::MAX));
    if left > 0 {
        return Ok(left);
    }
    // A place is free when the last view that counts against the cap leaves the window.
    let last = usize::try_from(max).ok().and_then(|max| ages.get(max.checked_sub(1)?));
    Err(AdsError::CapReached { seconds: seconds_up(DAY_MS.saturating_sub(*last.unwrap_or(&0))) })
}

/// Whether a card of this length that was offered then has been shown, and not too long ago.
pub(crate) fn check_time(
    limits: &AdsLimits,
    seconds: u32,
    offered_at: Timestamp,
    now: Timestamp,
) -> Result<(), AdsError> {
    let shown_ms = now.ms_since(offered_at);
    if shown_ms > limits.offer_ms {
        return Err(AdsError::OfferEnded);
    }
    let missing_ms = i64::from(seconds).saturating_mul(1_000).saturating_sub(shown_ms);
    if missing_ms > 0 {
        return Err(AdsError::TooEarly { seconds: seconds_up(missing_ms) });
    }
    Ok(())
}

/// Whole seconds, rounded up: whoever waits so long is not too early again.
fn seconds_up(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default().div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const LIMITS: AdsLimits = AdsLimits { views_per_day_max: 3, offer_ms: 600_000 };

    /// What an answer means, in a word or two.
    fn word<T: std::fmt::Debug>(answer: Result<T, AdsError>) -> String {
        match answer {
            Ok(value) => format!("{value:?}"),
            Err(AdsError::CapReached { seconds }) => format!("capped {seconds}"),
            Err(AdsError::TooEarly { seconds }) => format!("early {seconds}"),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn the_cap_counts_the_views_of_the_last_24_hours() {
        let hour = 3_600_000;
        for (ages, expected) in [
            (vec![], "3"),
            (vec![0, hour], "1"),
            (vec![0, hour, DAY_MS - 1], "capped 1"),
            (vec![0, hour, DAY_MS], "1"),
            (vec![0, hour, 2 * hour], "capped 79200"),
            // More than the cap, as after it was lowered: two have to leave.
            (vec![0, 0, hour, 2 * hour], "capped 82800"),
            // Views of a clock that was ahead count too.
            (vec![-hour, -hour, -hour], "capped 90000"),
        ] {
            let proven: Vec<Timestamp> = ages.iter().map(|age| NOW.plus_ms(-age)).collect();
            assert_eq!(word(views_left(&LIMITS, &proven, NOW)), expected, "{ages:?}");
        }
        let none = AdsLimits { views_per_day_max: 0, ..LIMITS };
        assert_eq!(word(views_left(&none, &[], NOW)), "capped 86400");
    }

    #[test]
    fn a_view_counts_from_its_length_on_until_the_offer_ends() {
        for (shown_ms, expected) in [
            (-5_000, "early 20"),
            (0, "early 15"),
            (14_000, "early 1"),
            (14_999, "early 1"),
            (15_000, "()"),
            (600_000, "()"),
            (600_001, "OfferEnded"),
        ] {
            let offered_at = NOW.plus_ms(-shown_ms);
            assert_eq!(word(check_time(&LIMITS, 15, offered_at, NOW)), expected, "{shown_ms}");
        }
    }
}
